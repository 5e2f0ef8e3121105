/* A session's requests: what they write, what they answer, when they are refused at once. */
#include "support/test.h"

#include <string.h>

#include "peer.h"

#define GOOD(call) cr_assert_eq((call), RA_OK)

Test(engine_requests, addresses_and_queues_are_made_and_deleted)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    struct rai_fault fault;
    rai_op *address, *queue, *gone;
    GOOD(rai_session_create_address(s, "a", true, false, p->now, &address, NULL));
    PLAY(p, "1> 10 ADDRESS a", "1< 10 OK");
    OP(p, address, "confirmed");
    GOOD(rai_session_create_queue(s, "q", "a", 0, RA_QUEUE_DURABLE | RA_QUEUE_AUTO_CREATED, "x > 1", p->now, &queue,
                                  NULL));
    PLAY(p, "1> 10 QUEUE a", "1< 10 NO 103");
    cr_assert_not_null(strstr(rai_op_fault(queue)->text, "q"));
    OP(p, queue, "rejected -65");
    GOOD(rai_session_delete_queue(s, "q", p->now, &gone, NULL));
    PLAY(p, "1> 10 DELETE q", "1< 10 OK short");
    OP(p, gone, "confirmed");
    int rc =
        rai_session_create_queue(s, "q", NULL, 0, RA_QUEUE_DURABLE | RA_QUEUE_TEMPORARY, NULL, p->now, &queue, &fault);
    cr_assert_eq(rc, RA_E_ARGUMENT);
    cr_assert_not_null(strstr(fault.text, "durable"));
    peer_free(p);
}

Test(engine_requests, an_answer_is_handed_over_once)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *queue, *address;
    GOOD(rai_session_query_queue(s, "q", p->now, &queue, NULL));
    GOOD(rai_session_query_address(s, "a", p->now, &address, NULL));
    PLAY(p, "1> 10 QUERY q", "1>", "1< 10 QUEUE q", "1> 10 BINDING a", "1< 10 BINDING 1 2");
    ra_queue_info *info = rai_op_take_info(queue);
    cr_assert_not_null(info);
    cr_assert_null(rai_op_take_info(queue));
    rai_queue_info_free(info);
    cr_assert_eq(rai_op_deadline(address), 1000000 + 30000 * (int64_t)RAI_MS);
    OP(p, queue, "confirmed");
    OP(p, address, "confirmed");
    peer_free(p);
}

/* Only the newest form of the answer does. */
Test(engine_requests, an_address_may_tell_its_routing_types)
{
    static const struct {
        uint8_t multicast, anycast;
        int expected;
    } cases[] = { { 0xff, 0, RA_ROUTING_MULTICAST }, { 0, 0xff, RA_ROUTING_ANYCAST } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer *p = peer_new();
        rai_session *s = peer_open(p);
        rai_op *op;
        uint8_t frame[64];
        struct rai_writer w = { frame, 0 };
        GOOD(rai_session_query_address(s, "a", p->now, &op, NULL));
        PLAY(p, "1> 10 BINDING a");
        rai_put_header(&w, RAI_SESS_BINDINGQUERY_RESP_V5, 10, 0);
        rai_put_bool(&w, true); /* exists */
        rai_put_i32(&w, 0);     /* queues */
        rai_put_bool(&w, true);
        rai_put_bool(&w, true);
        rai_put_bool(&w, false);                /* purge on no consumers */
        rai_put_i32(&w, -1);                    /* consumers */
        for (int field = 0; field < 6; field++) /* unset: what later versions put between, see queue_packets.c */
            rai_put_u8(&w, 0);
        rai_put_u8(&w, cases[i].multicast);
        rai_put_u8(&w, cases[i].anycast);
        size_t size = w.size;
        w = (struct rai_writer){ frame, 0 };
        rai_put_header(&w, RAI_SESS_BINDINGQUERY_RESP_V5, 10, size);
        peer_input(p, 1, frame, size);
        cr_assert_not_null(op->info);
        cr_assert_eq(op->info->routing_type, cases[i].expected);
        OP(p, op, "confirmed");
        peer_free(p);
    }
}

Test(engine_requests, only_a_transacted_session_commits_and_rolls_back)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    struct rai_fault fault;
    rai_op *op;
    cr_assert_eq(rai_session_commit(s, p->now, &op, &fault), RA_E_STATE);
    cr_assert_not_null(strstr(fault.text, "transacted"));
    cr_assert_eq(rai_session_rollback(s, p->now, &op, &fault), RA_E_STATE);
    peer_free(p);
}

/* As the reference: STOP, ROLLBACK, START, so that nothing is delivered in between. */
Test(engine_requests, a_rollback_of_a_started_session_stops_it_and_starts_it_again)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    rai_op *op;
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    GOOD(rai_session_start(s, p->now, NULL));
    PLAY(p, "1> 11 START");
    rai_consumer *c = peer_consumer(p, s, "q", 1000, &op);
    PLAY(p, "1> 11 CONSUMER 0 q", "1< 11 QUEUE q", "1> 11 CREDITS 0 1000", "1< 11 MSG 0 1 a");
    OP(p, op, "confirmed");
    GOOD(rai_session_rollback(s, p->now, &op, NULL));
    PLAY(p, "1> 11 STOP", "1>", "1< 11 OK");
    PLAY(p, "1> 11 ROLLBACK", "1>", "1< 11 OK");
    OP(p, op, "confirmed");
    TAKE(p, c, NULL);
    peer_free(p);
}

static void nothing_works(struct peer *p, rai_session *s, int code)
{
    struct rai_fault fault;
    rai_op *op = NULL;
    int64_t now = p->now;
    cr_assert_eq(rai_session_start(s, now, &fault), code);
    cr_assert_str_not_empty(fault.text);
    cr_assert_eq(rai_session_stop(s, now, &op, &fault), code);
    cr_assert_eq(rai_session_flush(s, now, &op, &fault), code);
    cr_assert_eq(rai_session_create_address(s, "a", true, true, now, &op, &fault), code);
    cr_assert_eq(rai_session_create_queue(s, "q", NULL, 0, 0, NULL, now, &op, &fault), code);
    cr_assert_eq(rai_session_delete_queue(s, "q", now, &op, &fault), code);
    cr_assert_eq(rai_session_query_queue(s, "q", now, &op, &fault), code);
    cr_assert_eq(rai_session_query_address(s, "a", now, &op, &fault), code);
    cr_assert_eq(rai_session_commit(s, now, &op, &fault), code);
    cr_assert_eq(rai_session_rollback(s, now, &op, &fault), code);
    rai_producer *producer = NULL;
    cr_assert_eq(rai_producer_open(s, "a", now, &producer, &op, &fault), code);
    rai_consumer *c = NULL;
    cr_assert_eq(rai_consumer_open(s, "q", NULL, false, 1000, NULL, now, &c, &op, &fault), code);
    cr_assert_null(op);
}

Test(engine_requests, nothing_works_before_the_session_is_open)
{
    struct peer *p = peer_new();
    peer_start(p);
    nothing_works(p, peer_session(p, true), RA_E_STATE);
    peer_free(p);
}

Test(engine_requests, nothing_works_in_a_closed_session)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    rai_op *op, *again;
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    GOOD(rai_session_close(s, p->now, &op, NULL));
    nothing_works(p, s, RA_E_CLOSED);
    GOOD(rai_session_close(s, p->now, &again, NULL));
    PLAY(p, "1> 11 CLOSE", "1< 11 OK");
    OP(p, op, "confirmed");
    OP(p, again, "confirmed");
    nothing_works(p, s, RA_E_CLOSED);
    peer_free(p);
}

Test(engine_requests, nothing_works_in_a_lost_session)
{
    struct peer *p = peer_new();
    peer_start(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "dial", "1> PING", "1> SUBSCRIBE 136", "1< TOPOLOGY 136 node", "1> CREATE 10 v136", "1< DENIED 105");
    nothing_works(p, s, RA_E_SECURITY);
    cr_assert_eq(rai_session_start(s, p->now, NULL), RA_E_SECURITY);
    peer_free(p);
}

Test(engine_requests, no_session_is_opened_after_the_end)
{
    struct peer *p = peer_new();
    peer_open(p);
    struct rai_fault fault;
    rai_session *s = NULL;
    rai_engine_shut(p->e, p->now);
    cr_assert_eq(rai_session_open(p->e, false, NULL, p->now, &s, NULL, &fault), RA_E_CLOSED);
    cr_assert_null(s);
    cr_assert_null(rai_engine_leave(p->e, p->now));
    peer_free(p);
}

Test(engine_requests, a_refused_close_is_a_close)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *op;
    GOOD(rai_session_close(s, p->now, &op, NULL));
    PLAY(p, "1> 10 CLOSE", "1< 10 NO 104");
    cr_assert_eq(rai_op_outcome(op), RA_OUTCOME_REJECTED);
    rai_op_unref(op);
    cr_assert_not(rai_session_is_open(s));
    peer_free(p);
}

Test(engine_requests, a_close_without_a_connection_waits_for_one_no_longer_than_its_deadline)
{
    struct peer *p = peer_new();
    p->config.initial_connect_attempts = -1;
    peer_start(p);
    struct rai_fault fault;
    rai_session *s = NULL;
    rai_op *op;
    GOOD(rai_session_open(p->e, false, p->names[10], p->now, &s, &op, &fault));
    PLAY(p, "dial refused", "wait 30000");
    OP(p, op, "not done -20");
    cr_assert_not(rai_session_is_open(s));
    peer_free(p);
}

/* --- consumers --- */

static rai_consumer *consumer(struct peer *p, rai_session *s, bool browse)
{
    rai_consumer *c = NULL;
    rai_op *op;
    GOOD(rai_consumer_open(s, "q", NULL, browse, 1000, NULL, p->now, &c, &op, NULL));
    GOOD(rai_session_start(s, p->now, NULL));
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 START", "1> 10 CREDITS 0 1000", "1< 10 MSG 0 1 a",
         "1< 10 MSG 0 2 b");
    OP(p, op, "confirmed");
    return c;
}

Test(engine_requests, acknowledging_says_what_is_wrong)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, false);
    struct rai_fault fault;
    ra_message *m;
    rai_op *op;
    peer_take(p, __FILE__, __LINE__, c, "a", &m);
    ra_message other = *m;
    other.consumer_key++;
    cr_assert_eq(rai_consumer_acknowledge(c, &other, false, p->now, NULL, &fault), RA_E_ARGUMENT);
    GOOD(rai_consumer_acknowledge(c, m, false, p->now, NULL, NULL));
    GOOD(rai_consumer_acknowledge(c, m, false, p->now, NULL, NULL)); /* again: nothing to do */
    GOOD(rai_consumer_acknowledge(c, m, false, p->now, &op, NULL));
    OP(p, op, "confirmed");
    PLAY(p, "1> 10 ACK 0 1", "1>");
    GOOD(rai_consumer_close(c, p->now, NULL, NULL));
    cr_assert_eq(rai_consumer_acknowledge(c, m, false, p->now, NULL, &fault), RA_E_CLOSED);
    cr_assert_eq(rai_consumer_force(c, p->now, &op, &fault), RA_E_CLOSED);
    rai_engine_shut(p->e, p->now);
    cr_assert_eq(rai_consumer_acknowledge(c, m, false, p->now, NULL, &fault), RA_E_CLOSED);
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_requests, what_was_only_browsed_needs_no_acknowledgement)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, true);
    ra_message *m;
    rai_op *op;
    peer_take(p, __FILE__, __LINE__, c, "a", &m);
    GOOD(rai_consumer_acknowledge(c, m, true, p->now, NULL, NULL));
    GOOD(rai_consumer_acknowledge(c, m, true, p->now, &op, NULL));
    OP(p, op, "confirmed");
    PLAY(p, "1>");
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_requests, a_forced_delivery_is_over_at_once_where_nothing_is_to_come)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, false);
    rai_op *op, *same;
    struct rai_fault fault;
    GOOD(rai_consumer_force(c, p->now, &op, NULL)); /* there are messages */
    OP(p, op, "confirmed");
    TAKE(p, c, "a");
    TAKE(p, c, "b");
    GOOD(rai_consumer_force(c, p->now, &op, NULL));
    GOOD(rai_consumer_force(c, p->now, &same, NULL)); /* one is under way */
    cr_assert_eq(op, same);
    PLAY(p, "1> 10 FORCE 0 1", "1>", "1< 10 GONE 0");
    OP(p, same, "not done -61");
    rai_op_unref(op);
    cr_assert_lt(rai_consumer_force(c, p->now, &op, &fault), 0);
    cr_assert_eq(fault.code, rai_consumer_fault(c)->code);
    cr_assert_lt(rai_consumer_force(c, p->now, &op, NULL), 0);
    peer_free(p);
}

Test(engine_requests, a_forced_delivery_of_a_stopped_session_is_over_at_once)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *op;
    rai_consumer *c = peer_consumer(p, s, "q", 1000, &op);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q");
    OP(p, op, "confirmed");
    GOOD(rai_consumer_force(c, p->now, &op, NULL));
    OP(p, op, "confirmed");
    PLAY(p, "1> 10 CREDITS 0 1000", "1>");
    peer_free(p);
}

/* Brokers up to 2.18 answer a request that has no correlation with the correlation 0. */
Test(engine_requests, the_correlation_zero_is_none)
{
    struct peer *p = peer_new();
    rai_op *op;
    peer_start(p);
    p->version = 131;
    PLAY(p, "dial", "1> PING", "1> SUBSCRIBE 136", "1< TOPOLOGY 131 node");
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 10 v131", "1< CREATED 131");
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 COMMIT", "1< 10 OK 0");
    OP(p, op, "confirmed");
    peer_free(p);
}
