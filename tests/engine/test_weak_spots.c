/* Weak spots of the reference that have no other place; see docs/proofs/weak-spots.md for all of them. */
#include "support/test.h"

#include <stdio.h>

#include "peer.h"

#define GREET(n)    #n "> PING", #n "> SUBSCRIBE 136"
#define TOPOLOGY(n) #n "< TOPOLOGY 136 node"

/* Its failures come from another thread and overtake the good news; one message object sent twice is told once. */
Test(engine_weak_spots, w23__outcomes_come_in_the_order_of_the_sends_one_for_each)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    peer_send(p, producer, "a", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND a 1", "1< 10 OK 1");
    ra_message *m = rai_message_new(0);
    rai_message_lend_body(m, "b", 1);
    for (uint64_t tag = 2; tag <= 4; tag++)
        cr_assert_eq(rai_producer_send(producer, "a", m, RAI_SEND_TAGGED, tag, p->now, NULL, NULL), RA_OK);
    rai_message_unref(m);
    PLAY(p, "1> 10 SEND b 2", "1> 10 SEND b 3", "1> 10 SEND b 4", "1< 10 OK 2", "1< 10 NO 105 3", "1< 10 OK 4");
    EVENTS(p, "sends 1-2 confirmed; sends 3-3 rejected; sends 4-4 confirmed");
    peer_free(p);
}

/* --- commits: unknown always and only when it is true --- */

static rai_producer *transaction(struct peer *p, int attempts, rai_session **s)
{
    p->config.reconnect_attempts = attempts;
    peer_open(p);
    *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, *s);
    peer_send(p, producer, "x", 0);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND x 1", "1< 11 OK 1");
    return producer;
}

/* The reference may say UNBLOCKED or NOT_CONNECTED. */
Test(engine_weak_spots, w25__a_written_commit_is_unknown_also_when_the_connection_gives_up)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *op;
    transaction(p, 0, &s);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), RA_OK);
    PLAY(p, "1> 11 COMMIT 2", "1 cut", "no dial");
    OP(p, op, "unknown -82");
    peer_free(p);
}

Test(engine_weak_spots, w25__an_unwritten_commit_is_not_done_when_the_connection_gives_up)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *op;
    transaction(p, 1, &s);
    PLAY(p, "1 cut");
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), RA_OK);
    PLAY(p, "dial refused", "no dial");
    OP(p, op, "not done -49");
    peer_free(p);
}

Test(engine_weak_spots, w25__a_commit_of_a_session_that_comes_back_is_neither)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *op;
    transaction(p, -1, &s);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), RA_OK);
    PLAY(p, "1> 11 COMMIT 2", "1 cut", "dial", GREET(2), "2> REATTACH 10 -1", "2> REATTACH 11 0", TOPOLOGY(2),
         "2< REATTACHED -1", "2< REATTACHED 1", "2> 11 BARRIER 1", "dial", GREET(3), TOPOLOGY(3), "2< 11 NOBARRIER 1",
         "3> REATTACH 10 -1", "3> REATTACH 11 1", "3< REATTACHED -1", "3< REATTACHED 2");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* --- credits --- */

/* The reference evicts the accounts of named producers when there are more than a thousand. */
Test(engine_weak_spots, w26__a_thousand_other_addresses_take_no_credits_away)
{
    struct peer *p = peer_new();
    p->config.producer_window = 1000;
    rai_session *s = peer_open(p);
    rai_producer *named = NULL, *anonymous;
    ra_message *m = rai_message_new(0);
    cr_assert_eq(rai_producer_open(s, "mine", p->now, &named, NULL, NULL), RA_OK);
    PLAY(p, "1> 10 WANT 500 mine", "1> 10 PRODUCER 1", "1< 10 CREDITS 500 mine");
    anonymous = peer_producer(p, s);
    for (int i = 0; i < 1500; i++) {
        char address[16];
        snprintf(address, sizeof address, "other%d", i);
        cr_assert_eq(rai_producer_send(anonymous, address, m, RAI_SEND_FORGET, 0, p->now, NULL, NULL), RA_E_WOULD_BLOCK);
    }
    cr_assert_eq(rai_producer_send(named, NULL, m, RAI_SEND_FORGET, 0, p->now, NULL, NULL), RA_OK);
    rai_message_unref(m);
    peer_free(p);
}

/* --- the example of the reference's manual: 1000, 2000, 4000 milliseconds --- */

Test(engine_weak_spots, pauses_of_1000_2000_and_4000_milliseconds)
{
    struct peer *p = peer_new();
    p->config.retry_interval = 1000;
    p->config.retry_interval_multiplier = 2.0;
    p->config.max_retry_interval = 60000;
    peer_open(p);
    PLAY(p, "1 cut", "dial refused", "wait 999", "no dial", "wait 1", "dial refused", "wait 1999", "no dial", "wait 1",
         "dial refused", "wait 3999", "no dial", "wait 1", "dial");
    peer_free(p);
}
