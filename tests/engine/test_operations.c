#include "support/test.h"

#include "base/alloc.h"
#include "peer.h"

/* link 2 finds the session of channel 10 again; `counted` of its commands are done, so there is nothing to wait for */
#define BACK_ON_2(received, counted) \
    "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 " received, "2< TOPOLOGY 136 node", "2< REATTACHED " counted

Test(engine_operations, outcomes_come_as_ranges)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    for (uint64_t i = 1; i <= 6; i++)
        peer_send(p, producer, "x", i);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND x 1", "1>", "1< 10 OK 1", "1> 10 SEND x 2", "1> 10 SEND x 3", "1< 10 OK 2",
         "1< 10 OK 3", "1< 10 NO 210 4", "1< 10 OK 5", "1< 10 OK 6");
    EVENTS(p, "sends 1-3 confirmed; sends 4-4 rejected; sends 5-6 confirmed");
    cr_assert_eq(rai_session_unsettled(s), 0);
    peer_free(p);
}

Test(engine_operations, sends_that_end_for_one_reason_come_as_one_range)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    for (uint64_t i = 1; i <= 100; i++)
        peer_send(p, producer, "x", i);
    rai_engine_shut(p->e, p->now);
    EVENTS(p, "closed; sends 1-100 not done");
    peer_free(p);
}

Test(engine_operations, a_rejected_send_tells_the_brokers_code_and_text)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    rai_op *op = peer_send_op(p, producer, "x");
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND x 1", "1< 10 NO 105 1");
    cr_assert_eq(rai_op_fault(op)->broker_code, 105);
    cr_assert_str_eq(rai_op_fault(op)->broker_text, "refused");
    OP(p, op, "rejected -60");
    peer_free(p);
}

Test(engine_operations, what_was_never_written_is_cancelled_at_its_deadline)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    PLAY(p, "1> 10 PRODUCER 1", "1 cut");
    rai_op *op = peer_send_op(p, producer, "x");
    rai_op *query;
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &query, NULL), 0);
    PLAY(p, "wait 29999");
    OP(p, op, "pending");
    PLAY(p, "wait 1");
    OP(p, op, "not done -20");
    OP(p, query, "not done -20");
    PLAY(p, BACK_ON_2("-1", "0"), "2>");
    EVENTS(p, "disconnected; retrying 1 0; reattached 0");
    peer_free(p);
}

/* W24: the caller hears "unknown yet", the work goes on, and its end is told. */
Test(engine_operations, what_was_written_goes_on_after_its_deadline)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    rai_op *op = peer_send_op(p, producer, "x");
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND x 1", "wait 30000");
    OP(p, op, "pending");
    rai_op_abandon(op, p->now);
    EVENTS(p, "");
    PLAY(p, "1< 10 OK 1");
    OP(p, op, "confirmed");
    EVENTS(p, "operation confirmed");
    peer_free(p);
}

Test(engine_operations, giving_up_what_was_never_written_is_not_told_twice)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    PLAY(p, "1> 10 PRODUCER 1");
    rai_op *op = peer_send_op(p, producer, "x");
    rai_op_abandon(op, p->now);
    OP(p, op, "not done -20");
    EVENTS(p, "");
    PLAY(p, "1>");
    peer_free(p);
}

/* The end of one operation may end another one: those behind both keep their deadlines. */
Test(engine_operations, one_deadline_does_not_swallow_the_next)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *opened, *forced, *query;
    rai_session_start(s, p->now, NULL);
    PLAY(p, "1> 10 START", "1 cut");
    rai_consumer *c = peer_consumer(p, s, "q", 1000, &opened);
    cr_assert_eq(rai_consumer_force(c, p->now, &forced, NULL), 0);
    PLAY(p, "wait 10000");
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &query, NULL), 0);
    PLAY(p, "wait 20000");
    OP(p, opened, "not done -20");
    OP(p, forced, "not done -20");
    PLAY(p, "wait 10000");
    OP(p, query, "not done -20");
    peer_free(p);
}

Test(engine_operations, opening_a_producer_ends_at_its_deadline)
{
    struct peer *p = peer_new();
    p->config.route_check = RAI_ROUTE_VERIFY;
    rai_session *s = peer_open(p);
    rai_producer *producer;
    rai_op *op;
    PLAY(p, "1 cut");
    cr_assert_eq(rai_producer_open(s, "a", p->now, &producer, &op, NULL), 0);
    PLAY(p, "wait 30000");
    OP(p, op, "not done -20");
    rai_producer_release(producer, p->now);
    cr_assert_null(s->producers);
    peer_free(p);
}

Test(engine_operations, opening_a_producer_ends_when_it_is_released_before)
{
    struct peer *p = peer_new();
    p->config.route_check = RAI_ROUTE_VERIFY;
    rai_session *s = peer_open(p);
    rai_producer *producer;
    rai_op *op;
    cr_assert_eq(rai_producer_open(s, "a", p->now, &producer, &op, NULL), 0);
    PLAY(p, "1> 10 BINDING a");
    rai_producer_release(producer, p->now);
    PLAY(p, "1< 10 BINDING 1 1", "1>");
    OP(p, op, "not done -8");
    cr_assert_null(s->producers);
    peer_free(p);
}

/* A commit that was never written left the transaction as it was: recreated, it must not be committed as if complete.
 */
Test(engine_operations, a_cancelled_commit_leaves_the_transaction_open)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND x 1", "1< 11 OK 1", "1 cut");
    rai_op *commit;
    cr_assert_eq(rai_session_commit(s, p->now, &commit, NULL), 0);
    PLAY(p, "wait 30000");
    OP(p, commit, "not done -20");
    PLAY(p, "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1", "2> REATTACH 11 0", "2< TOPOLOGY 136 node",
         "2< REFUSED", "2< REFUSED", "2> CREATE 10 v136", "2> CREATE 11 v136", "2< CREATED 136", "2< CREATED 136");
    cr_assert(rai_session_rollback_only(s));
    peer_free(p);
}

/* Their frames stay in the log until the broker confirms them, long after their answers. */
Test(engine_operations, what_was_answered_is_neither_unknown_nor_asked_again_in_a_recreated_session)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    rai_op *query;
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND x 1", "1< 10 OK 1");
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &query, NULL), 0);
    PLAY(p, "1> 10 QUERY q", "1< 10 QUEUE q");
    OP(p, query, "confirmed");
    peer_send(p, producer, "y", 2);
    PLAY(p, "1> 10 SEND y 2", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 1",
         "2< TOPOLOGY 136 node", "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136", "2> 10 PRODUCER 1", "2>");
    EVENTS(p, "disconnected; retrying 1 0; recreated 1 0; sends 1-1 confirmed; sends 2-2 unknown");
    cr_assert_eq(rai_session_unsettled(s), 0);
    peer_free(p);
}

Test(engine_operations, a_blocked_sender_hears_that_its_session_is_closed)
{
    struct peer *p = peer_new();
    p->config.producer_window = 1000;
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    struct rai_fault fault;
    void *owner;
    ra_message *m = rai_message_new(0);
    cr_assert_eq(rai_producer_send(producer, "a", m, RAI_SEND_FORGET, 0, p->now, NULL, &fault), RA_E_WOULD_BLOCK);
    cr_assert_not(rai_producer_writable(producer));
    rai_message_unref(m);
    rai_engine_shut(p->e, p->now);
    cr_assert(rai_producer_writable(producer));
    cr_assert_eq(rai_engine_next_ready(p->e, &owner), RAI_READY_WRITABLE);
    cr_assert_eq(owner, s->owner);
    peer_free(p);
}

Test(engine_operations, releasing_a_session_keeps_the_connections_events)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    PLAY(p, "1 cut");
    rai_engine_forget_owner(p->e, s->owner);
    rai_session_release(s, p->now);
    EVENTS(p, "disconnected; retrying 1 0");
    peer_free(p);
}

Test(engine_operations, unread_outcomes_stop_tagged_sends_and_reading_them_lets_them_go_on)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    PLAY(p, "1> 10 PRODUCER 1");
    p->e->outcomes_full = true; /* as after 65,536 ranges */
    ra_message *m = rai_message_new(0);
    cr_assert_eq(rai_producer_send(producer, "a", m, RAI_SEND_TAGGED, 1, p->now, NULL, NULL), RA_E_WOULD_BLOCK);
    cr_assert_eq(rai_producer_send(producer, "a", m, RAI_SEND_FORGET, 1, p->now, NULL, NULL), RA_OK);
    p->e->outcomes_full = false;
    cr_assert_eq(rai_producer_send(producer, "a", m, RAI_SEND_TAGGED, 1, p->now, NULL, NULL), RA_OK);
    rai_message_unref(m);
    peer_free(p);
}

/* The reader hears the confirmation while the writer has not yet come back from its system call. */
Test(engine_operations, a_confirmation_may_overtake_the_news_that_the_frame_was_written)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    struct iovec pieces[RAI_PLAN_PIECES];
    uint8_t frame[64];
    PLAY(p, "1> 10 PRODUCER 1");
    peer_send(p, producer, "x", 1);
    int n = rai_engine_output(p->e, p->links[1].id, pieces, RAI_PLAN_PIECES, p->now);
    cr_assert_eq(n, 1);
    peer_input(p, 1, frame, peer_compose(p, "10 CONFIRMED 1", frame));
    peer_input(p, 1, frame, peer_compose(p, "10 OK 1", frame));
    rai_engine_written(p->e, p->links[1].id, pieces[0].iov_len, p->now);
    EVENTS(p, "sends 1-1 confirmed");
    PLAY(p, "1>");
    peer_free(p);
}

/* At the end of a bounded close the broker is told to let the session go; what was written keeps its number. */
Test(engine_operations, an_aborted_session_is_closed_on_the_broker)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    int64_t not_done, unknown;
    peer_send(p, producer, "x", 1);
    peer_send(p, producer, "y", 2);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND x 1");
    rai_session_abort(s, p->now, &not_done, &unknown);
    cr_assert_eq(not_done, 1);
    cr_assert_eq(unknown, 1);
    EVENTS(p, "sends 1-1 unknown; sends 2-2 not done");
    PLAY(p, "1> 10 CLOSE", "1< 10 OK 1", "1< 10 CONFIRMED 2", "1< 10 OK");
    cr_assert_eq(s->state, RAI_S_CLOSED);
    EVENTS(p, "");
    peer_free(p);
}

/* It may live on a link that lives long: it is looked for until it can be closed. */
Test(engine_operations, a_session_aborted_in_a_recovery_is_closed_when_it_is_found)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    rai_op *op;
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND x 1", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1",
         "2< TOPOLOGY 136 node");
    peer_send(p, producer, "y", 2);
    cr_assert_eq(rai_session_close(s, p->now, &op, NULL), 0);
    rai_session_abort(s, p->now, NULL, NULL);
    OP(p, op, "confirmed");
    EVENTS(p, "disconnected; retrying 1 0; sends 1-1 unknown; sends 2-2 not done");
    PLAY(p, "2< REATTACHED 1", "2> 10 BARRIER 1", "dial", "3> PING", "3> SUBSCRIBE 136", "2< 10 NOBARRIER 1",
         "3> REATTACH 10 0", "3< REATTACHED 1", "3> 10 CLOSE", "3< 10 OK");
    cr_assert_eq(s->state, RAI_S_CLOSED);
    peer_free(p);
}

Test(engine_operations, a_session_aborted_while_it_is_made_is_closed_when_it_is_there)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "1> CREATE 11 v136");
    rai_session_abort(s, p->now, NULL, NULL);
    PLAY(p, "1< CREATED 136", "1> 11 CLOSE", "1< 11 OK");
    cr_assert_eq(s->state, RAI_S_CLOSED);
    peer_free(p);
}

/* The answer to a send was lost in a move, the one to its commit came. */
Test(engine_operations, what_a_later_answer_proves_was_done_when_the_session_ends)
{
    for (int aborted = 0; aborted < 2; aborted++) {
        struct peer *p = peer_new();
        peer_open(p);
        rai_session *s = peer_session(p, true);
        rai_op *commit;
        PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
        rai_producer *producer = peer_producer(p, s);
        peer_send(p, producer, "x", 1);
        PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND x 1", "1< 11 OK 1");
        peer_send(p, producer, "y", 2);
        cr_assert_eq(rai_session_commit(s, p->now, &commit, NULL), 0);
        PLAY(p, "1> 11 SEND y 2", "1> 11 COMMIT 3", "1< 11 OK 3");
        OP(p, commit, "confirmed");
        if (aborted)
            rai_session_abort(s, p->now, NULL, NULL);
        else
            rai_session_close(s, p->now, NULL, NULL);
        PLAY(p, "1> 11 CLOSE", "1< 11 OK");
        EVENTS(p, "sends 1-2 confirmed");
        peer_free(p);
    }
}

/* The log drops what nobody needs, and holes at its head with it. */
Test(engine_operations, aborting_steps_over_what_was_cancelled_before)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *first, *second;
    PLAY(p, "1 cut");
    cr_assert_eq(rai_session_query_queue(s, "a", p->now, &first, NULL), 0);
    cr_assert_eq(rai_session_query_queue(s, "b", p->now, &second, NULL), 0);
    rai_op_abandon(second, p->now);
    rai_session_abort(s, p->now, NULL, NULL);
    OP(p, first, "not done -8");
    OP(p, second, "not done -20");
    PLAY(p, "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1", "2< TOPOLOGY 136 node", "2< REATTACHED -1",
         "2> 10 BARRIER 1", "2< 10 NOBARRIER 1", "dial", "3> PING", "3> SUBSCRIBE 136", "3> REATTACH 10 0",
         "3< REATTACHED -1", "3> 10 CLOSE");
    peer_free(p);
}

/* A commit that is refused for sure, cancelled when the rollback behind it was logged already: the next transaction has
 * nothing to do with it. */
Test(engine_operations, a_cancelled_commit_dooms_nothing_behind_a_rollback)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    rai_op *refused, *rollback, *good;
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND x 1", "1< 11 NO 105 1", "1 cut");
    cr_assert_eq(rai_session_commit(s, p->now, &refused, NULL), 0);
    cr_assert_eq(rai_session_rollback(s, p->now, &rollback, NULL), 0);
    rai_op_abandon(refused, p->now);
    OP(p, refused, "not done -20");
    peer_send(p, producer, "y", 2);
    cr_assert_eq(rai_session_commit(s, p->now, &good, NULL), 0);
    PLAY(p, "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1", "2< TOPOLOGY 136 node", "2> REATTACH 11 0",
         "2< REATTACHED -1", "2< REATTACHED 0", "2> 11 BARRIER 1", "dial", "3> PING", "3> SUBSCRIBE 136",
         "2< 11 NOBARRIER 1", "3> REATTACH 10 -1", "3> REATTACH 11 1", "3< REATTACHED -1", "3< REATTACHED 0",
         "3> 11 ROLLBACK", "3< 11 OK", "3> 11 SEND y 3", "3< 11 OK 3", "3> 11 COMMIT 4", "3< 11 OK 4");
    OP(p, rollback, "confirmed");
    OP(p, good, "confirmed");
    peer_free(p);
}

/* What no commit covers is rolled back with the session, written or not. */
Test(engine_operations, an_aborted_transaction_is_unknown_only_as_far_as_its_commit_was_written)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    int64_t not_done, unknown;
    peer_send(p, producer, "a", 1);
    cr_assert_eq(rai_session_commit(s, p->now, NULL, NULL), 0);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND a 1", "1< 11 OK 1", "1> 11 COMMIT 2", "1< 11 OK 2");
    peer_send(p, producer, "b", 2);
    cr_assert_eq(rai_session_commit(s, p->now, NULL, NULL), 0);
    peer_send(p, producer, "c", 3);
    PLAY(p, "1> 11 SEND b 3", "1> 11 COMMIT 4", "1> 11 SEND c 5");
    rai_session_abort(s, p->now, &not_done, &unknown);
    EVENTS(p, "sends 1-1 confirmed; sends 2-2 unknown; sends 3-3 not done");
    cr_assert_eq(not_done, 1);
    cr_assert_eq(unknown, 2);
    peer_free(p);
}

/* Also acknowledgements that nobody waits for: one is written, one is in the log, one waits for its batch. */
Test(engine_operations, acknowledgements_are_counted_when_a_session_is_aborted)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = peer_consumer(p, s, "q", -1, NULL);
    int64_t not_done, unknown;
    ra_message *m[3];
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 CREDITS 0 -1", "1< 10 MSG 0 1 a", "1< 10 MSG 0 2 b",
         "1< 10 MSG 0 3 c");
    for (int i = 0; i < 3; i++)
        m[i] = rai_consumer_take(c, 0, p->now);
    cr_assert_eq(rai_consumer_acknowledge(c, m[0], true, p->now, NULL, NULL), 0);
    PLAY(p, "1> 10 ACK1 0 1");
    cr_assert_eq(rai_consumer_acknowledge(c, m[1], true, p->now, NULL, NULL), 0);
    cr_assert_eq(rai_consumer_acknowledge(c, m[2], false, p->now, NULL, NULL), 0);
    rai_session_abort(s, p->now, &not_done, &unknown);
    cr_assert_eq(not_done, 2);
    cr_assert_eq(unknown, 1);
    for (int i = 0; i < 3; i++)
        rai_message_unref(m[i]);
    peer_free(p);
}

Test(engine_operations, what_a_released_session_had_to_tell_is_not_told)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p), *other = peer_session(p, false);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    rai_op *op, *same;
    PLAY(p, "1> 10 PRODUCER 1");
    rai_producer *its = peer_producer(p, other);
    PLAY(p, "1> 11 PRODUCER 1");
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 10 SEND x 1", "1< 10 OK 1");
    peer_send(p, its, "y", 2);
    PLAY(p, "1> 11 SEND y 1", "1< 11 OK 1");
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &op, NULL), 0);
    PLAY(p, "1> 10 QUERY q");
    cr_assert_eq(rai_session_query_queue(other, "q", p->now, &same, NULL), 0);
    PLAY(p, "1> 11 QUERY q");
    rai_op_abandon(same, p->now);
    rai_op_abandon(op, p->now);
    PLAY(p, "1< 11 QUEUE q", "1< 10 QUEUE q");
    rai_op_abandon(op, p->now); /* it has ended: nothing to give up */
    OP(p, op, "confirmed");
    OP(p, same, "confirmed");
    rai_producer_release(producer, p->now);
    rai_session_release(s, p->now);
    EVENTS(p, "operation confirmed; sends 2-2 confirmed");
    PLAY(p, "1> 10 UNPRODUCER 1", "1> 10 CLOSE", "1< 10 OK");
    peer_free(p);
}
