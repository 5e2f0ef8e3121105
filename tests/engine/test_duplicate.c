/* duplicateDetection: what carries an id, what is sent again when its outcome is unknown, and how many may be in doubt. */
#include "support/test.h"

#include <string.h>

#include "codec/properties.h"
#include "peer.h"

#define GREET(n)    #n "> PING", #n "> SUBSCRIBE 136"
#define TOPOLOGY(n) #n "< TOPOLOGY 136 node"
#define RECREATED(received)                                                                                \
    "1 cut", "dial", GREET(2), "2> REATTACH 10 " received, TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", \
        "2< CREATED 136", "2> 10 PRODUCER 1"

static struct peer *detecting(int32_t limit)
{
    struct peer *p = peer_new();
    p->config.duplicate_detection = true;
    p->config.duplicate_detection_limit = limit;
    return p;
}

static rai_producer *proven(struct peer *p, rai_session **s)
{
    *s = peer_open(p);
    rai_producer *producer = peer_producer(p, *s);
    peer_send(p, producer, "a", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND a 1 =1", "1< 10 OK 1");
    EVENTS(p, "sends 1-1 confirmed");
    return producer;
}

Test(engine_duplicate, a_send_of_unknown_outcome_is_sent_again_with_its_id)
{
    struct peer *p = detecting(100);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    peer_send(p, producer, "b", 2);
    peer_send(p, producer, "f", 0);
    rai_op *op = peer_send_op(p, producer, "c");
    PLAY(p, "1> 10 SEND b 2 =2", "1> 10 SEND f =3", "1> 10 SEND c 3 =4", RECREATED("0"), "2> 10 SEND b 2 =2",
         "2> 10 SEND f =3", "2> 10 SEND c 3 =4", "2>", "2< 10 OK 2", "2< 10 OK 3");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 3; sends 2-2 confirmed");
    OP(p, op, "confirmed");
    cr_assert_eq(s->unknown, 0);
    cr_assert_eq(p->e->stamped, 0);
    peer_free(p);
}

Test(engine_duplicate, a_replayed_send_is_the_same_frame)
{
    struct peer *p = detecting(100);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    peer_send(p, producer, "b", 2);
    PLAY(p, "1> 10 SEND b 2 =2", "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1",
         "2> 10 BARRIER 1", "dial", GREET(3), TOPOLOGY(3), "2< 10 NOBARRIER 1", "3> REATTACH 10 1", "3< REATTACHED 1",
         "3> 10 SEND b 2 =2", "3< 10 OK 2");
    EVENTS(p, "disconnected; retrying 1 0; reattached 1; sends 2-2 confirmed");
    peer_free(p);
}

Test(engine_duplicate, the_broker_may_refuse_what_is_sent_again)
{
    struct peer *p = detecting(100);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    peer_send(p, producer, "b", 2);
    PLAY(p, "1> 10 SEND b 2 =2", RECREATED("0"), "2> 10 SEND b 2 =2", "2< 10 NO 105 2");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 1; sends 2-2 rejected");
    cr_assert_eq(p->e->stamped, 0);
    peer_free(p);
}

static ra_message *with_id(const char *id)
{
    ra_message *m = rai_message_new(0);
    cr_assert_not_null(m);
    rai_message_lend_body(m, "x", 1);
    cr_assert_eq(rai_message_set_property(m, "_AMQ_DUPL_ID", &(struct rai_value){ RAI_TAG_STRING, id, strlen(id) }), 0);
    return m;
}

Test(engine_duplicate, an_id_of_the_program_s_own_is_kept)
{
    struct peer *p = detecting(100);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    ra_message *m = with_id("order-7");
    cr_assert_eq(rai_producer_send(producer, "a", m, RAI_SEND_TAGGED, 2, p->now, NULL, NULL), 0);
    rai_message_unref(m);
    PLAY(p, "1> 10 SEND x 2 =order-7", RECREATED("0"), "2> 10 SEND x 2 =order-7", "2< 10 OK 2");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 1; sends 2-2 confirmed");
    peer_free(p);
}

Test(engine_duplicate, without_the_option_an_own_id_is_nothing_special)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    ra_message *m = with_id("order-7");
    cr_assert_eq(rai_producer_send(producer, "a", m, RAI_SEND_TAGGED, 1, p->now, NULL, NULL), 0);
    rai_message_unref(m);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND x 1 =order-7", RECREATED("-1"), "2>");
    EVENTS(p, "disconnected; retrying 1 0; recreated 1 0; sends 1-1 unknown");
    peer_free(p);
}

/* A broker that cannot match its answers to our sends: what was written stays in doubt. */
Test(engine_duplicate, an_older_broker_without_correlations_leaves_it_unknown)
{
    struct peer *p = detecting(100);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    peer_send(p, producer, "b", 2);
    PLAY(p, "1> 10 SEND b 2 =2", "1 cut", "dial", GREET(2), "2> REATTACH 10 0", "2< TOPOLOGY 129 other", "2< REFUSED",
         "2> CREATE 10 v129", "2< CREATED 129", "2>");
    EVENTS(p, "disconnected; retrying 1 0; recreated 1 0 elsewhere; sends 2-2 unknown");
    peer_free(p);
}

/* --- the limit --- */

static int try_send(struct peer *p, rai_producer *producer, uint64_t tag)
{
    ra_message *m = rai_message_new(0);
    int rc = rai_producer_send(producer, "a", m, RAI_SEND_TAGGED, tag, p->now, NULL, NULL);
    rai_message_unref(m);
    return rc;
}

Test(engine_duplicate, no_more_than_the_limit_are_in_doubt)
{
    struct peer *p = detecting(3);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    for (uint64_t tag = 2; tag <= 4; tag++)
        cr_assert_eq(try_send(p, producer, tag), RA_OK);
    cr_assert_eq(try_send(p, producer, 5), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 SEND  2 =2", "1> 10 SEND  3 =3", "1> 10 SEND  4 =4", "1>", "1< 10 OK 2");
    cr_assert_not(rai_producer_writable(producer));
    PLAY(p, "1< 10 OK 3");
    cr_assert(rai_producer_writable(producer));
    EVENTS(p, "writable; sends 2-3 confirmed");
    cr_assert_eq(try_send(p, producer, 5), RA_OK);
    peer_free(p);
}

Test(engine_duplicate, the_limit_is_the_connection_s)
{
    struct peer *p = detecting(2);
    rai_session *s;
    rai_producer *one = proven(p, &s);
    rai_session *other = peer_session(p, false);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *two = peer_producer(p, other);
    cr_assert_eq(try_send(p, one, 2), RA_OK);
    peer_send(p, one, "f", 0);
    cr_assert_eq(try_send(p, two, 3), RA_E_WOULD_BLOCK);
    PLAY(p, "1< 10 OK 2");
    cr_assert(rai_producer_writable(two));
    EVENTS(p, "writable; sends 2-2 confirmed");
    cr_assert_eq(try_send(p, two, 3), RA_OK);
    rai_session_abort(s, p->now, NULL, NULL);
    cr_assert_eq(p->e->stamped, 1, "the session that was closed is in doubt about nothing");
    peer_free(p);
}

Test(engine_duplicate, what_an_abort_ended_is_not_ended_again_by_its_answer)
{
    struct peer *p = detecting(2);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(try_send(p, producer, 2), RA_OK);
    PLAY(p, "1> 10 SEND  2 =2");
    rai_session_abort(s, p->now, NULL, NULL);
    cr_assert_eq(p->e->stamped, 0);
    PLAY(p, "1> 10 CLOSE", "1< 10 OK 2", "1< 10 OK");
    cr_assert_eq(p->e->stamped, 0);
    peer_free(p);
}

/* --- transactions --- */

static rai_producer *transaction(struct peer *p, rai_session **s)
{
    peer_open(p);
    *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, *s);
    PLAY(p, "1> 11 PRODUCER 1");
    return producer;
}

Test(engine_duplicate, only_the_program_gives_ids_to_a_transaction)
{
    struct peer *p = detecting(1);
    rai_session *s;
    rai_producer *producer = transaction(p, &s);
    peer_send(p, producer, "x", 0);
    peer_send(p, producer, "y", 0);
    cr_assert_eq(rai_session_set_transaction_id(s, "order-7", p->now, NULL), 0);
    cr_assert(rai_session_has_transaction_id(s));
    peer_send(p, producer, "z", 0);
    cr_assert_not(rai_session_has_transaction_id(s));
    peer_send(p, producer, "w", 0);
    PLAY(p, "1> 11 SEND x 1", "1< 11 OK 1", "1> 11 SEND y 2", "1> 11 SEND z 3 =order-7", "1> 11 SEND w 4");
    peer_free(p);
}

Test(engine_duplicate, the_id_of_a_transaction_ends_with_it)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *op;
    transaction(p, &s);
    cr_assert_eq(rai_session_set_transaction_id(s, "one", p->now, NULL), 0);
    cr_assert_eq(rai_session_set_transaction_id(s, "two", p->now, NULL), 0);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    cr_assert_not(rai_session_has_transaction_id(s));
    PLAY(p, "1> 11 COMMIT 1", "1< 11 OK 1");
    OP(p, op, "confirmed");
    cr_assert_eq(rai_session_set_transaction_id(s, "three", p->now, NULL), 0);
    cr_assert_eq(rai_session_rollback(s, p->now, &op, NULL), 0);
    cr_assert_not(rai_session_has_transaction_id(s));
    PLAY(p, "1> 11 ROLLBACK", "1< 11 OK");
    OP(p, op, "confirmed");
    cr_assert_eq(rai_session_set_transaction_id(s, "four", p->now, NULL), 0);
    peer_free(p);
}

Test(engine_duplicate, a_transaction_s_id_has_its_limits)
{
    struct peer *p = peer_new();
    rai_session *s;
    char large[RAI_TRANSACTION_ID_MAX + 2];
    struct rai_fault fault;
    transaction(p, &s);
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    cr_assert_eq(rai_session_set_transaction_id(s, "", p->now, &fault), RA_E_ARGUMENT);
    cr_assert_eq(rai_session_set_transaction_id(s, large, p->now, &fault), RA_E_ARGUMENT);
    cr_assert_eq(rai_session_set_transaction_id(p->e->sessions, "x", p->now, &fault), RA_E_STATE);
    rai_session_close(s, p->now, NULL, NULL);
    cr_assert_eq(rai_session_set_transaction_id(s, "x", p->now, &fault), RA_E_CLOSED);
    peer_free(p);
}

/* --- large messages: the id is in the headers --- */

Test(engine_duplicate, a_large_message_of_unknown_outcome_is_sent_again)
{
    struct peer *p = detecting(100);
    p->config.min_large_message_size = 1000;
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    static char body[1501];
    memset(body, 'x', sizeof body - 1);
    peer_send(p, producer, body, 2);
    PLAY(p, "1> 10 LARGE =2", "1> 10 PIECE 1000 more", "1> 10 PIECE 500 last 2", RECREATED("0"), "2> 10 LARGE =2",
         "2> 10 PIECE 1000 more", "2> 10 PIECE 500 last 2", "2< 10 OK 2");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 1; sends 2-2 confirmed");
    peer_free(p);
}

Test(engine_duplicate, a_large_message_uses_up_a_transaction_s_id_when_it_is_complete)
{
    struct peer *p = peer_new();
    p->config.min_large_message_size = 1000;
    rai_session *s;
    rai_producer *producer = transaction(p, &s);
    ra_message *m = rai_message_new(0);
    cr_assert_eq(rai_session_set_transaction_id(s, "order-7", p->now, NULL), 0);
    cr_assert_eq(rai_producer_start_large(producer, "a", m, p->now, NULL), 0);
    rai_producer_cancel_large(producer);
    cr_assert(rai_session_has_transaction_id(s));
    cr_assert_eq(rai_producer_start_large(producer, "a", m, p->now, NULL), 0);
    cr_assert_eq(rai_producer_write_large(producer, "x", 1, p->now, NULL), 1);
    cr_assert_eq(rai_producer_finish_large(producer, RAI_SEND_FORGET, p->now, NULL, NULL), 0);
    cr_assert_not(rai_session_has_transaction_id(s));
    rai_message_unref(m);
    PLAY(p, "1> 11 LARGE =order-7", "1> 11 LARGE =order-7", "1> 11 PIECE 1 last 1");
    peer_free(p);
}

/* What had been written before the recreation may have been done, whether it could be written again or not. */
Test(engine_duplicate, what_was_to_be_sent_again_and_was_not_is_unknown)
{
    struct peer *p = detecting(100);
    rai_session *s;
    int64_t not_done, unknown;
    rai_producer *producer = proven(p, &s);
    peer_send(p, producer, "b", 2);
    peer_send(p, producer, "f", 0);
    PLAY(p, "1> 10 SEND b 2 =2", "1> 10 SEND f =3", "1 cut");
    peer_send(p, producer, "c", 3);
    peer_send(p, producer, "g", 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136");
    rai_session_abort(s, p->now, &not_done, &unknown);
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 4; sends 2-2 unknown; sends 3-3 not done");
    cr_assert_eq(unknown, 2);
    cr_assert_eq(not_done, 2);
    peer_free(p);
}

Test(engine_duplicate, also_when_the_session_was_recreated_twice)
{
    struct peer *p = detecting(100);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    peer_send(p, producer, "b", 2);
    PLAY(p, "1> 10 SEND b 2 =2", "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REFUSED",
         "2> CREATE 10 v136", "2< CREATED 136", "2 cut at 0");
    peer_send(p, producer, "c", 3);
    PLAY(p, "dial", GREET(3), "3> REATTACH 10 -1", "3< TOPOLOGY 129 other", "3< REFUSED", "3> CREATE 10 v129", "3< CREATED 129");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 1; disconnected; retrying 1 0; recreated 1 0 elsewhere; "
              "sends 2-2 unknown; sends 3-3 not done");
    peer_free(p);
}

Test(engine_duplicate, and_no_deadline_takes_it_back)
{
    struct peer *p = detecting(100);
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    rai_op *op = peer_send_op(p, producer, "b");
    PLAY(p, "1> 10 SEND b 2 =2", "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REFUSED",
         "2> CREATE 10 v136", "2< CREATED 136", "2 cut at 0");
    PLAY(p, "wait 31000");
    OP(p, op, "pending");
    peer_free(p);
}
