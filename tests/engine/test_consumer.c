#include "support/test.h"

#include "base/alloc.h"
#include "peer.h"

/* A consumer 0 on queue q with this window, open; the session is started. */
static rai_consumer *consumer(struct peer *p, rai_session *s, int32_t window)
{
    rai_op *op;
    rai_consumer *c = peer_consumer(p, s, "q", window, &op);
    rai_session_start(s, p->now, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 START");
    OP(p, op, "confirmed");
    return c;
}

/* The same in a transaction, on channel 11. */
static rai_consumer *in_transaction(struct peer *p, int32_t window)
{
    peer_open(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_consumer *c = peer_consumer(p, s, "q", window, NULL);
    PLAY(p, "1> 11 CONSUMER 0 q", "1< 11 QUEUE q");
    return c;
}

Test(engine_consumer, the_whole_window_is_granted_after_the_answer)
{
    struct peer *p = peer_new();
    consumer(p, peer_open(p), 1000);
    PLAY(p, "1> 10 CREDITS 0 1000", "1>");
    peer_free(p);
}

Test(engine_consumer, half_a_window_is_returned_exactly)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 200);
    PLAY(p, "1> 10 CREDITS 0 200", "1< 10 MSG 0 1 a", "1< 10 MSG 0 2 b", "1>");
    TAKE(p, c, "a");
    PLAY(p, "1>");
    TAKE(p, c, "b");
    PLAY(p, "1> 10 CREDITS 0 132", "1>"); /* two frames of 66 bytes */
    TAKE(p, c, NULL);
    peer_free(p);
}

Test(engine_consumer, a_window_of_one_returns_each_message_at_once)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 1);
    PLAY(p, "1> 10 CREDITS 0 1", "1< 10 MSG 0 1 a");
    TAKE(p, c, "a");
    PLAY(p, "1> 10 CREDITS 0 66", "1>");
    peer_free(p);
}

Test(engine_consumer, without_a_window_nothing_is_returned)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), -1);
    PLAY(p, "1> 10 CREDITS 0 -1", "1< 10 MSG 0 1 a");
    TAKE(p, c, "a");
    PLAY(p, "1>");
    peer_free(p);
}

Test(engine_consumer, a_window_of_zero_has_one_credit_while_somebody_waits)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    PLAY(p, "1>");
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1< 10 MSG 0 1 a");
    TAKE(p, c, "a");
    rai_consumer_wait_end(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 65", "1>");
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1");
    rai_consumer_wait_end(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 0", "1>");
    peer_free(p);
}

/* A rollback throws the message away that came for a waiting receive: it needs another credit. */
Test(engine_consumer, a_rollback_renews_the_credit_of_a_waiting_receive)
{
    struct peer *p = peer_new();
    rai_consumer *c = in_transaction(p, 0);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 11 CREDITS 0 1", "1< 11 MSG 0 1 a");
    cr_assert_eq(rai_session_rollback(c->s, p->now, NULL, NULL), 0);
    PLAY(p, "1> 11 ROLLBACK", "1< 11 OK", "1> 11 CREDITS 0 65", "1> 11 CREDITS 0 1", "1>");
    peer_free(p);
}

/* The broker takes back what it has delivered: it must not be handed out as if it belonged to the next transaction. */
Test(engine_consumer, nothing_is_taken_while_a_rollback_is_under_way)
{
    struct peer *p = peer_new();
    rai_consumer *c = in_transaction(p, -1);
    PLAY(p, "1> 11 CREDITS 0 -1", "1< 11 MSG 0 1 a");
    cr_assert(rai_consumer_has_message(c));
    cr_assert_eq(rai_session_rollback(c->s, p->now, NULL, NULL), 0);
    PLAY(p, "1> 11 ROLLBACK", "1< 11 MSG 0 2 b");
    cr_assert_not(rai_consumer_has_message(c));
    cr_assert_null(rai_consumer_take(c, 0, p->now));
    PLAY(p, "1< 11 OK", "1< 11 MSG 0 1 a");
    ra_message *m = rai_consumer_take(c, 0, p->now);
    cr_assert_not_null(m);
    cr_assert_eq(m->id, 1);
    cr_assert_eq(rai_consumer_acknowledge(c, m, true, p->now, NULL, NULL), 0);
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_consumer, large_messages_are_collected_and_pay_as_they_come)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 2000);
    ra_message *m;
    PLAY(p, "1> 10 CREDITS 0 2000", "1< 10 LARGE 0 1 3000", "1< 10 CHUNK 0 1500 more", "1> 10 CREDITS 0 1595",
         "1< 10 CHUNK 0 1500 last", "1> 10 CREDITS 0 1526", "1>");
    m = rai_consumer_take(c, 0, p->now);
    cr_assert_not_null(m);
    cr_assert_eq(m->body_size, 3000);
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_consumer, forced_delivery_ends_with_its_own_marker_only)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    rai_op *op;
    cr_assert_eq(rai_consumer_force(c, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 CREDITS 0 1000", "1> 10 FORCE 0 1", "1< 10 MARKER 0 0");
    OP(p, op, "pending");
    PLAY(p, "1< 10 MARKER 0 1");
    OP(p, op, "confirmed");
    TAKE(p, c, NULL);
    PLAY(p, "1>");
    peer_free(p);
}

Test(engine_consumer, forced_delivery_is_asked_for_again_after_a_cut)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    rai_op *op;
    PLAY(p, "1> 10 CREDITS 0 1000");
    cr_assert_eq(rai_consumer_force(c, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 FORCE 0 1", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 0",
         "2< TOPOLOGY 136 node", "2< REATTACHED 3", "2> 10 FORCE 0 2", "2< 10 MARKER 0 2");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* The first credits come after the answer to the creation: a marker before them says nothing. */
Test(engine_consumer, forced_delivery_before_the_credits_is_asked_for_again_behind_them)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    rai_op *op;
    PLAY(p, "1> 10 CREDITS 0 1000");
    cr_assert_eq(rai_consumer_force(c, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 FORCE 0 1", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 0",
         "2< TOPOLOGY 136 node", "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136", "2> 10 CONSUMER 0 q",
         "2< 10 QUEUE q", "2> 10 START", "2> 10 CREDITS 0 1000", "2> 10 FORCE 0 2", "2>", "2< 10 MARKER 0 2");
    OP(p, op, "confirmed");
    peer_free(p);
}

Test(engine_consumer, a_forced_delivery_that_expires_leaves_nothing_behind)
{
    long before = rai_alloc_count();
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    rai_op *op;
    cr_assert_eq(rai_consumer_force(c, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 CREDITS 0 1000", "1> 10 FORCE 0 1", "wait 30000");
    OP(p, op, "not done -20");
    PLAY(p, "1< 10 MARKER 0 1");
    peer_free(p);
    cr_assert_eq(rai_alloc_count(), before);
}

/* A re-attachment came between the chunks: the message is not handed out, and who waits for it hears of it. */
Test(engine_consumer, an_interrupted_large_message_ends_what_waits_for_it)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 100000);
    rai_op *op;
    void *owner;
    PLAY(p, "1> 10 CREDITS 0 100000", "1< 10 LARGE 0 1 30", "1< 10 CHUNK 0 15 more");
    cr_assert_eq(rai_consumer_force(c, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 FORCE 0 1", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 2",
         "2< TOPOLOGY 136 node", "2< REATTACHED 3", "2> 10 FORCE 0 2");
    while (rai_engine_next_ready(p->e, &owner) != RAI_READY_NONE)
        ;
    PLAY(p, "2< 10 CHUNK 0 15 last");
    cr_assert_eq(rai_consumer_fault(c)->code, RA_E_LARGE_INTERRUPTED);
    OP(p, op, "not done -83");
    cr_assert_eq(rai_engine_next_ready(p->e, &owner), RAI_READY_CONSUMER);
    peer_free(p);
}

Test(engine_consumer, expired_messages_are_reported_not_delivered)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 1000);
    PLAY(p, "1> 10 CREDITS 0 1000", "1< 10 MSG 0 7 old 1", "1< 10 MSG 0 8 new");
    TAKE(p, c, "new");
    PLAY(p, "1> 10 EXPIRED 0 7", "1>");
    peer_free(p);
}

Test(engine_consumer, acknowledgements_are_batched_and_flushed_by_a_commit)
{
    struct peer *p = peer_new();
    p->config.ack_batch_size = 100;
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    ra_message *m[3];
    PLAY(p, "1> 10 CREDITS 0 1000", "1< 10 MSG 0 1 a", "1< 10 MSG 0 2 b", "1< 10 MSG 0 3 c");
    for (int i = 0; i < 3; i++) {
        m[i] = rai_consumer_take(c, 0, p->now);
        cr_assert_eq(rai_consumer_acknowledge(c, m[i], false, p->now, NULL, NULL), 0);
    }
    PLAY(p, "1> 10 ACK 0 3", "1>"); /* 38 bytes each */
    cr_assert_eq(rai_consumer_acknowledge(c, m[1], false, p->now, NULL, NULL), 0);
    PLAY(p, "1>");
    for (int i = 0; i < 3; i++)
        rai_message_unref(m[i]);
    peer_free(p);
}

/* Acknowledging an earlier one with an operation must not forget a later one that waits in the batch. */
Test(engine_consumer, a_batched_acknowledgement_is_not_lost_to_an_earlier_one)
{
    struct peer *p = peer_new();
    p->config.ack_batch_size = 100000;
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    ra_message *m[2];
    rai_op *op;
    PLAY(p, "1> 10 CREDITS 0 1000", "1< 10 MSG 0 1 a", "1< 10 MSG 0 2 b");
    for (int i = 0; i < 2; i++)
        m[i] = rai_consumer_take(c, 0, p->now);
    cr_assert_eq(rai_consumer_acknowledge(c, m[1], false, p->now, NULL, NULL), 0);
    cr_assert_eq(rai_consumer_acknowledge(c, m[0], false, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 ACK 0 2 rr", "1< 10 OK");
    OP(p, op, "confirmed");
    for (int i = 0; i < 2; i++)
        rai_message_unref(m[i]);
    peer_free(p);
}

Test(engine_consumer, one_whose_queue_was_deleted_is_closed_on_both_sides)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    PLAY(p, "1> 10 CREDITS 0 1000", "1< 10 GONE 0", "1> 10 CLOSE_CONSUMER 0", "1< 10 OK", "1>");
    cr_assert_eq(rai_consumer_fault(c)->code, RA_E_NO_QUEUE);
    rai_consumer_release(c, p->now);
    cr_assert_null(s->consumers);
    peer_free(p);
}

/* The handle goes away first, the answer comes later. */
Test(engine_consumer, it_may_be_released_while_its_creation_is_under_way)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = peer_consumer(p, s, "q", 1000, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q");
    rai_consumer_release(c, p->now);
    PLAY(p, "1< 10 QUEUE q", "1> 10 CLOSE_CONSUMER 0", "1>", "1< 10 OK");
    cr_assert_null(s->consumers);
    peer_free(p);
}

Test(engine_consumer, session_and_consumer_may_be_released_while_its_creation_is_under_way)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = peer_consumer(p, s, "q", 1000, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q");
    rai_session_close(s, p->now, NULL, NULL);
    rai_consumer_release(c, p->now);
    rai_session_release(s, p->now);
    PLAY(p, "1< 10 QUEUE q", "1> 10 CLOSE", "1< 10 OK");
    cr_assert_null(p->e->sessions);
    peer_free(p);
}

Test(engine_consumer, closed_before_its_creation_was_answered_both_end_when_the_session_is_recreated)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *opened, *closed;
    rai_consumer *c = peer_consumer(p, s, "q", 1000, &opened);
    PLAY(p, "1> 10 CONSUMER 0 q");
    cr_assert_eq(rai_consumer_close(c, p->now, &closed, NULL), 0);
    PLAY(p, "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1", "2< TOPOLOGY 136 node", "2< REFUSED",
         "2> CREATE 10 v136", "2< CREATED 136", "2>");
    OP(p, closed, "confirmed");
    OP(p, opened, "not done -8");
    rai_consumer_release(c, p->now);
    cr_assert_null(s->consumers);
    peer_free(p);
}
/* Cancelled, it would stay open on the broker and keep messages from others. */
Test(engine_consumer, its_close_is_not_cancelled_by_a_deadline)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    rai_op *op;
    PLAY(p, "1> 10 CREDITS 0 1000", "1 cut");
    cr_assert_eq(rai_consumer_close(c, p->now, &op, NULL), 0);
    PLAY(p, "wait 40000", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 0", "2< TOPOLOGY 136 node",
         "2< REATTACHED 2", "2> 10 BARRIER 1", "2< 10 NOBARRIER 1", "dial", "3> PING", "3> SUBSCRIBE 136",
         "3> REATTACH 10 1", "3< REATTACHED 2", "3> 10 CLOSE_CONSUMER 0", "3< 10 OK");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* It stands for those before it as well, which nobody would acknowledge again. */
Test(engine_consumer, a_cumulative_acknowledgement_is_not_cancelled_by_a_deadline)
{
    struct peer *p = peer_new();
    p->config.ack_batch_size = 1000;
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    ra_message *m[2];
    rai_op *op;
    PLAY(p, "1> 10 CREDITS 0 1000", "1< 10 MSG 0 1 a", "1< 10 MSG 0 2 b", "1 cut");
    for (int i = 0; i < 2; i++)
        m[i] = rai_consumer_take(c, 0, p->now);
    cr_assert_eq(rai_consumer_acknowledge(c, m[0], false, p->now, NULL, NULL), 0);
    cr_assert_eq(rai_consumer_acknowledge(c, m[1], false, p->now, &op, NULL), 0);
    PLAY(p, "wait 40000");
    OP(p, op, "pending");
    PLAY(p, "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 2", "2< TOPOLOGY 136 node", "2< REATTACHED 2",
         "2> 10 BARRIER 1", "2< 10 NOBARRIER 1", "dial", "3> PING", "3> SUBSCRIBE 136", "3> REATTACH 10 3",
         "3< REATTACHED 2", "3> 10 ACK 0 2 rr", "3< 10 OK");
    OP(p, op, "confirmed");
    for (int i = 0; i < 2; i++)
        rai_message_unref(m[i]);
    peer_free(p);
}

/* The session's close is not answered yet, so nothing else would end it. */
Test(engine_consumer, released_in_a_session_that_closes_it_ends_its_forced_delivery)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 1000);
    rai_op *op;
    cr_assert_eq(rai_consumer_force(c, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 CREDITS 0 1000", "1> 10 FORCE 0 1");
    rai_session_close(s, p->now, NULL, NULL);
    rai_consumer_release(c, p->now);
    OP(p, op, "not done -8");
    PLAY(p, "1> 10 CLOSE", "wait 40000", "1< 10 OK");
    cr_assert_eq(s->state, RAI_S_CLOSED);
    peer_free(p);
}

/* Without a buffer the credit of the last piece comes back when the message is taken. */
Test(engine_consumer, a_large_message_without_a_window_keeps_its_last_credit_until_it_is_taken)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    ra_message *m;
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1< 10 LARGE 0 1 3000", "1> 10 CREDITS 0 69", "1< 10 CHUNK 0 3000 last", "1>");
    m = rai_consumer_take(c, 0, p->now);
    cr_assert_not_null(m);
    cr_assert_eq(m->body_size, 3000);
    rai_message_unref(m);
    rai_consumer_wait_end(c, p->now);
    peer_free(p);
}

/* Nobody takes it, and after a rollback the broker sends it again: its credits have to be there. */
Test(engine_consumer, an_interrupted_large_message_without_a_window_gives_its_last_credit_back)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1< 10 LARGE 0 1 3000", "1> 10 CREDITS 0 69", "1 cut", "dial", "2> PING",
         "2> SUBSCRIBE 136", "2> REATTACH 10 1", "2< TOPOLOGY 136 node", "2< REATTACHED 3", "2> 10 FLUSH",
         "2< 10 CHUNK 0 3000 last", "2< 10 TIMEOUT", "2> 10 CREDITS 0 3025");
    cr_assert_eq(rai_consumer_fault(c)->code, RA_E_LARGE_INTERRUPTED);
    peer_free(p);
}

/* Its credit was taken back while it was on its way: the broker begins anew from 0 behind its headers. */
Test(engine_consumer, a_large_message_without_a_window_comes_whole_when_nobody_waits_any_more)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    rai_consumer_wait_begin(c, p->now);
    rai_consumer_wait_end(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1> 10 CREDITS 0 0", "1< 10 LARGE 0 1 3000", "1> 10 CREDITS 0 1",
         "1< 10 CHUNK 0 1500 more", "1> 10 CREDITS 0 1526", "1< 10 CHUNK 0 1500 last", "1>");
    rai_message_unref(rai_consumer_take(c, 0, p->now));
    PLAY(p, "1> 10 CREDITS 0 1525", "1>");
    peer_free(p);
}

/* The message was sent before the credit was taken back or after it was given again: nobody can know, so its credits cannot be
 * reckoned. The broker begins anew from 0. */
Test(engine_consumer, a_message_that_crosses_a_credit_taken_back_makes_the_broker_count_anew)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    rai_consumer_wait_begin(c, p->now);
    rai_consumer_wait_end(c, p->now);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1> 10 CREDITS 0 0", "1> 10 CREDITS 0 1", "1< 10 MSG 0 1 a");
    TAKE(p, c, "a");
    PLAY(p, "1> 10 CREDITS 0 0", "1>");
    rai_consumer_wait_end(c, p->now);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1< 10 MSG 0 2 longer", "1>");
    TAKE(p, c, "longer");
    PLAY(p, "1> 10 CREDITS 0 0", "1>");
    peer_free(p);
}

/* An answer to something behind it comes after all that crossed it. */
Test(engine_consumer, after_an_answer_credits_are_reckoned_again)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 0);
    rai_consumer_wait_begin(c, p->now);
    rai_consumer_wait_end(c, p->now);
    rai_consumer_wait_begin(c, p->now);
    rai_session_flush(s, p->now, NULL, NULL);
    PLAY(p, "1> 10 CREDITS 0 1", "1> 10 CREDITS 0 0", "1> 10 CREDITS 0 1", "1> 10 FLUSH", "1< 10 TIMEOUT",
         "1< 10 MSG 0 1 a");
    TAKE(p, c, "a");
    PLAY(p, "1> 10 CREDITS 0 65", "1>");
    peer_free(p);
}

/* The receive waits on across the rollback, and what came for it was thrown away before: it needs another credit. */
Test(engine_consumer, a_rollback_renews_the_credit_that_an_interrupted_large_message_used_up)
{
    struct peer *p = peer_new();
    rai_consumer *c = in_transaction(p, 0);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 11 CREDITS 0 1", "1< 11 LARGE 0 1 3000", "1> 11 CREDITS 0 69", "1 cut", "dial", "2> PING",
         "2> SUBSCRIBE 136", "2> REATTACH 10 -1", "2> REATTACH 11 1", "2< TOPOLOGY 136 node", "2< REATTACHED -1",
         "2< REATTACHED 2", "2> 11 FLUSH", "2< 11 CHUNK 0 3000 last", "2< 11 TIMEOUT", "2> 11 CREDITS 0 3025");
    cr_assert_eq(rai_consumer_fault(c)->code, RA_E_LARGE_INTERRUPTED);
    cr_assert_eq(rai_session_rollback(c->s, p->now, NULL, NULL), 0);
    PLAY(p, "2> 11 ROLLBACK", "2< 11 OK", "2> 11 CREDITS 0 1", "2>");
    peer_free(p);
}

/* Two that came for one receive: the first one's credit was taken back, the second one's was not. */
Test(engine_consumer, a_rollback_makes_the_broker_count_anew_what_crossed_a_credit_taken_back)
{
    struct peer *p = peer_new();
    rai_consumer *c = in_transaction(p, 0);
    rai_consumer_wait_begin(c, p->now);
    rai_consumer_wait_end(c, p->now);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 11 CREDITS 0 1", "1> 11 CREDITS 0 0", "1> 11 CREDITS 0 1", "1< 11 MSG 0 1 a", "1< 11 MSG 0 2 b");
    cr_assert_eq(rai_session_rollback(c->s, p->now, NULL, NULL), 0);
    PLAY(p, "1> 11 ROLLBACK", "1< 11 OK", "1> 11 CREDITS 0 0", "1> 11 CREDITS 0 1", "1>");
    peer_free(p);
}

/* While one is taken the next one, large, has begun to come: it needs credits for its pieces. */
Test(engine_consumer, a_large_message_behind_one_that_crossed_a_credit_taken_back_comes_whole)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    rai_consumer_wait_begin(c, p->now);
    rai_consumer_wait_end(c, p->now);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1> 10 CREDITS 0 0", "1> 10 CREDITS 0 1", "1< 10 MSG 0 1 a",
         "1< 10 LARGE 0 2 3000", "1> 10 CREDITS 0 69", "1>");
    TAKE(p, c, "a");
    PLAY(p, "1> 10 CREDITS 0 0", "1> 10 CREDITS 0 1", "1< 10 CHUNK 0 1500 more", "1> 10 CREDITS 0 1526",
         "1< 10 CHUNK 0 1500 last", "1>");
    rai_message_unref(rai_consumer_take(c, 0, p->now));
    PLAY(p, "1> 10 CREDITS 0 0", "1>");
    peer_free(p);
}

Test(engine_consumer, a_large_message_without_a_window_keeps_its_credit_when_a_wait_ends_inside_it)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1< 10 LARGE 0 1 3000", "1> 10 CREDITS 0 69");
    rai_consumer_wait_end(c, p->now);
    PLAY(p, "1>", "1< 10 CHUNK 0 3000 last", "1>");
    rai_message_unref(rai_consumer_take(c, 0, p->now));
    PLAY(p, "1> 10 CREDITS 0 3025", "1>");
    peer_free(p);
}
