#include "support/test.h"

#include "peer.h"

/* W2: three requests fail, ten sends follow, the link is cut: ten arrive, not thirteen. */
Test(engine_numbering, a_request_answered_by_an_exception_leaves_a_hole)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    rai_op *ops[3];
    PLAY(p, "1> 10 PRODUCER 1");
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(rai_session_create_queue(s, "q", NULL, 0, 0, NULL, p->now, &ops[i], NULL), 0);
        PLAY(p, "1> 10 QUEUE q", "1< 10 NO 101");
        OP(p, ops[i], "rejected -62");
    }
    for (uint64_t i = 1; i <= 10; i++)
        peer_send(p, producer, "x", i);
    PLAY(p, "1> 10 SEND x 1", "1< 10 OK 1", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 3",
         "2< TOPOLOGY 136 node", "2< REATTACHED 10", "2>", "2>");
    peer_free(p);
}

Test(engine_numbering, packets_are_confirmed_when_the_window_is_full_and_with_each_ping)
{
    struct peer *p = peer_new();
    p->config.confirmation_window = 150;
    p->config.check_period = 3000;
    rai_session *s = peer_open(p);
    peer_consumer(p, s, "q", -1, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 CREDITS 0 -1", "1< 10 MSG 0 1 a", "1>", "1< 10 MSG 0 2 b",
         "1> 10 CONFIRMED 2", "1< 10 MSG 0 3 c", "1>", "wait 3000", "1> PING", "1> 10 CONFIRMED 3", "1>", "wait 3000",
         "1> PING", "1>");
    peer_free(p);
}

Test(engine_numbering, confirmations_empty_the_log)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    for (int i = 0; i < 5; i++)
        peer_send(p, producer, "x", 0);
    PLAY(p, "1> 10 PRODUCER 1", "1< 10 CONFIRMED 2");
    cr_assert_eq(s->forgets, 3);
    PLAY(p, "1< 10 CONFIRMED 5");
    cr_assert(rai_log_empty(&s->log));
    cr_assert_eq(rai_session_unsettled(s), 0);
    peer_free(p);
}

Test(engine_numbering, a_commit_proves_no_address_of_a_rolled_back_transaction)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    rai_op *op;
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND x 1", "1< 11 NO 105 1");
    cr_assert_eq(rai_session_rollback(s, p->now, &op, NULL), 0);
    PLAY(p, "1> 11 ROLLBACK", "1< 11 OK");
    OP(p, op, "confirmed");
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    peer_send(p, producer, "y", 2);
    peer_send(p, producer, "z", 3);
    PLAY(p, "1> 11 COMMIT 2", "1< 11 OK 2", "1> 11 SEND y 3", "1>", "1< 11 OK 3", "1> 11 SEND z 4");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* Commands that may be refused are the last ones written; what has been proven good is pipelined. */
Test(engine_numbering, nothing_follows_a_command_that_may_be_refused)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    rai_op *op;
    PLAY(p, "1> 10 PRODUCER 1");
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &op, NULL), 0);
    for (uint64_t i = 1; i <= 3; i++)
        peer_send(p, producer, "x", i);
    PLAY(p, "1> 10 QUERY q", "1>", "1< 10 QUEUE q", "1> 10 SEND x 1", "1>", "1< 10 OK 1", "1> 10 SEND x 2",
         "1> 10 SEND x 3", "1>");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* A commit's answer says nothing of what was sent behind it: that may still be refused, and nothing follows it. */
Test(engine_numbering, a_commit_proves_no_address_of_the_next_transaction)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    rai_op *first, *second;
    cr_assert_eq(rai_session_commit(s, p->now, &first, NULL), 0);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 COMMIT 1", "1< 11 OK 1");
    OP(p, first, "confirmed");
    cr_assert_eq(rai_session_commit(s, p->now, &second, NULL), 0);
    peer_send(p, producer, "y", 1);
    peer_send(p, producer, "z", 2);
    PLAY(p, "1> 11 COMMIT 2", "1> 11 SEND y 3", "1>", "1< 11 OK 2", "1>", "1< 11 OK 3", "1> 11 SEND z 4", "1>",
         "1< 11 OK 4");
    OP(p, second, "confirmed");
    EVENTS(p, "sends 1-2 confirmed");
    peer_free(p);
}

/* In a transaction also those that nobody waits for: else a refusal would be counted, and seen by the commit alone. */
Test(engine_numbering, in_a_transaction_every_send_asks)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    rai_op *op;
    peer_send(p, producer, "x", 0);
    peer_send(p, producer, "y", 0);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    cr_assert_eq(rai_session_unsettled(s), 2);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND x 1", "1>", "1< 11 OK 1", "1> 11 SEND y 2", "1> 11 COMMIT 3", "1>",
         "1< 11 OK 2", "1< 11 OK 3");
    cr_assert_eq(rai_session_unsettled(s), 0);
    OP(p, op, "confirmed");
    peer_free(p);
}
