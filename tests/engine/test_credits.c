#include "support/test.h"

#include <string.h>

#include "peer.h"

static int send_bytes(struct peer *p, rai_producer *producer, size_t size)
{
    static char body[2000];
    struct rai_fault fault;
    ra_message *m = rai_message_new(0);
    rai_message_lend_body(m, body, size);
    int rc = rai_producer_send(producer, "a", m, RAI_SEND_FORGET, 0, p->now, NULL, &fault);
    rai_message_unref(m);
    return rc;
}

static rai_producer *producer(struct peer *p, rai_session **s)
{
    p->config.producer_window = 1000;
    *s = peer_open(p);
    rai_producer *made = peer_producer(p, *s);
    PLAY(p, "1> 10 PRODUCER 1");
    return made;
}

Test(engine_credits, half_a_window_is_asked_for_and_a_send_waits_for_it)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *made = producer(p, &s);
    cr_assert_eq(send_bytes(p, made, 100), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 500 a", "1>");
    cr_assert_not(rai_producer_writable(made));
    PLAY(p, "1< 10 CREDITS 500 a");
    EVENTS(p, "writable");
    cr_assert_eq(send_bytes(p, made, 100), RA_OK);
    PLAY(p, "1> 10 SEND (100)");
    peer_free(p);
}

Test(engine_credits, a_message_larger_than_the_window_asks_for_its_size)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *made = producer(p, &s);
    cr_assert_eq(send_bytes(p, made, 2000), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 2040 a", "1< 10 CREDITS 2040 a");
    cr_assert_eq(send_bytes(p, made, 2000), RA_OK);
    peer_free(p);
}

/* The request for its credits is in the log as well, and nobody confirms it. */
Test(engine_credits, a_message_larger_than_the_log_finds_room_when_its_credits_come)
{
    struct peer *p = peer_new();
    rai_session *s;
    p->config.max_unconfirmed = 1500;
    rai_producer *made = producer(p, &s);
    cr_assert_eq(send_bytes(p, made, 2000), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 2040 a", "1< 10 CREDITS 2040 a");
    EVENTS(p, "writable");
    cr_assert_eq(send_bytes(p, made, 2000), RA_OK);
    cr_assert_eq(send_bytes(p, made, 2000), RA_E_WOULD_BLOCK);
    peer_free(p);
}

Test(engine_credits, a_full_address_refuses_once_and_is_asked_again)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *made = producer(p, &s);
    cr_assert_eq(send_bytes(p, made, 100), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 500 a", "1< 10 FULL 500 a");
    EVENTS(p, "writable");
    cr_assert_eq(send_bytes(p, made, 100), RA_E_ADDRESS_FULL);
    cr_assert_eq(send_bytes(p, made, 100), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 500 a");
    peer_free(p);
}

Test(engine_credits, they_are_asked_for_anew_when_the_session_is_recreated)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *made = producer(p, &s);
    cr_assert_eq(send_bytes(p, made, 100), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 500 a", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1",
         "2< TOPOLOGY 136 node", "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136", "2> 10 WANT 500 a",
         "2> 10 PRODUCER 1", "2>", "2< 10 CREDITS 500 a");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 0; writable");
    peer_free(p);
}

Test(engine_credits, a_grant_lost_with_the_link_is_asked_for_again)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *made = producer(p, &s);
    cr_assert_eq(send_bytes(p, made, 100), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 500 a", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1",
         "2< TOPOLOGY 136 node", "2< REATTACHED 1");
    PLAY(p, "2> 10 WANT 500 a", "2< 10 CREDITS 500 a");
    cr_assert_eq(send_bytes(p, made, 100), 0);
    peer_free(p);
}

/* Smaller sends may use up what the waiting one counted on. */
Test(engine_credits, a_send_that_waits_asks_again_when_others_took_its_credits)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *made = producer(p, &s);
    cr_assert_eq(send_bytes(p, made, 160), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 500 a", "1< 10 CREDITS 500 a");
    cr_assert_eq(send_bytes(p, made, 160), RA_OK);
    cr_assert_eq(send_bytes(p, made, 100), RA_OK);
    PLAY(p, "1> 10 SEND (160)", "1> 10 WANT 500 a", "1> 10 SEND (100)");
    cr_assert_eq(send_bytes(p, made, 600), RA_E_WOULD_BLOCK); /* 160 are left, and 500 under way */
    cr_assert_eq(send_bytes(p, made, 60), RA_OK);
    EVENTS(p, "writable");
    PLAY(p, "1> 10 WANT 140 a", "1> 10 SEND (60)", "1>", "1< 10 CREDITS 500 a", "1< 10 CREDITS 140 a");
    EVENTS(p, "writable");
    cr_assert_eq(send_bytes(p, made, 600), RA_OK);
    peer_free(p);
}

Test(engine_credits, absurd_grants_do_not_overflow)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *made = producer(p, &s);
    cr_assert_eq(send_bytes(p, made, 100), RA_E_WOULD_BLOCK);
    PLAY(p, "1< 10 CREDITS 2147483647 a", "1< 10 CREDITS 2147483647 a", "1< 10 CREDITS -2147483648 a");
    cr_assert_eq(send_bytes(p, made, 100), RA_OK);
    peer_free(p);
}

Test(engine_credits, the_log_is_bounded_and_room_is_told)
{
    struct peer *p = peer_new();
    p->config.max_unconfirmed = 3000;
    rai_session *s = peer_open(p);
    rai_producer *made = peer_producer(p, s);
    cr_assert_eq(send_bytes(p, made, 1400), RA_OK);
    cr_assert_eq(send_bytes(p, made, 1400), RA_OK);
    cr_assert_eq(send_bytes(p, made, 1400), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND (1400)", "1> 10 SEND (1400)", "1< 10 CONFIRMED 1");
    EVENTS(p, "writable");
    cr_assert_eq(send_bytes(p, made, 1400), RA_OK);
    peer_free(p);
}
