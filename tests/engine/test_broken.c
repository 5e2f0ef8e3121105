/* A broker that says what it should not: the link ends with a sentence that names the packet, or it does no harm. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "peer.h"

/* A frame with this body; `size` beyond the body's length claims nothing, the header is always right. */
static void frame(struct peer *p, int link, int type, int64_t channel, const void *body, size_t size)
{
    uint8_t bytes[256];
    struct rai_writer w = { bytes, 0 };
    rai_put_header(&w, type, channel, RAI_FRAME_HEADER + size);
    memcpy(bytes + RAI_FRAME_HEADER, body, size);
    peer_input(p, link, bytes, RAI_FRAME_HEADER + size);
}

static void check_ended(struct peer *p, const char *reason)
{
    cr_assert(p->links[1].hung_up, "the link lives");
    cr_assert_eq(rai_engine_last_fault(p->e)->code, RA_E_PROTOCOL);
    cr_assert_not_null(strstr(rai_engine_last_fault(p->e)->text, reason), "\"%s\"", rai_engine_last_fault(p->e)->text);
}

Test(engine_broken, a_control_packet_that_cannot_be_decoded_ends_the_link)
{
    static const struct {
        int type, channel;
        const char *name;
    } cases[] = {
        { RAI_CLUSTER_TOPOLOGY_V4, RAI_CHANNEL_PING, "CLUSTER_TOPOLOGY_V4" },
        { RAI_DISCONNECT, RAI_CHANNEL_PING, "DISCONNECT" },
        { RAI_DISCONNECT_V3, RAI_CHANNEL_PING, "DISCONNECT_V3" },
        { RAI_REATTACH_SESSION_RESP, RAI_CHANNEL_SESSION, "REATTACH_SESSION_RESP" },
        { RAI_CREATESESSION_RESP, RAI_CHANNEL_SESSION, "CREATESESSION_RESP" },
        { RAI_EXCEPTION, RAI_CHANNEL_SESSION, "EXCEPTION" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer *p = peer_new();
        peer_open(p);
        frame(p, 1, cases[i].type, cases[i].channel, "", 0);
        check_ended(p, cases[i].name);
        peer_free(p);
    }
}

Test(engine_broken, an_answer_that_nobody_asked_for_ends_the_link)
{
    static const char *const answers[] = { "CREATED 136", "REATTACHED 1", "REFUSED", "DENIED 105" };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct peer *p = peer_new();
        char step[32];
        peer_open(p);
        snprintf(step, sizeof step, "1< %s", answers[i]);
        PLAY(p, step, "1 gone");
        check_ended(p, "cannot be decoded");
        peer_free(p);
    }
}

Test(engine_broken, an_answer_to_another_question_ends_the_link)
{
    struct peer *p = peer_new();
    peer_open(p);
    peer_session(p, false);
    PLAY(p, "1> CREATE 11 v136", "1< REATTACHED 1", "1 gone");
    check_ended(p, "REATTACH_SESSION_RESP");
    peer_free(p);
}

Test(engine_broken, a_delivery_that_cannot_be_decoded_ends_the_link)
{
    static const int types[] = { RAI_SESS_RECEIVE_MSG, RAI_SESS_RECEIVE_LARGE_MSG, RAI_SESS_RECEIVE_CONTINUATION };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct peer *p = peer_new();
        peer_open(p);
        frame(p, 1, types[i], 10, "", 0);
        check_ended(p, "cannot be decoded");
        peer_free(p);
    }
}

/* The frame is fine, what is in it is not. */
Test(engine_broken, a_message_that_cannot_be_decoded_ends_the_link)
{
    static const uint8_t whole[] = { 0, 0, 0, 1, /* ends before it begins */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    static const uint8_t large[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, /* no headers */ 1 };
    for (int i = 0; i < 2; i++) {
        struct peer *p = peer_new();
        rai_session *s = peer_open(p);
        rai_op *op;
        peer_consumer(p, s, "q", 1000, &op);
        PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 CREDITS 0 1000");
        OP(p, op, "confirmed");
        if (i == 0)
            frame(p, 1, RAI_SESS_RECEIVE_MSG, 10, whole, sizeof whole);
        else
            frame(p, 1, RAI_SESS_RECEIVE_LARGE_MSG, 10, large, sizeof large);
        check_ended(p, "cannot be decoded");
        peer_free(p);
    }
}

Test(engine_broken, bytes_that_are_no_frame_end_the_link)
{
    struct peer *p = peer_new();
    peer_open(p);
    peer_input(p, 1, (const uint8_t *)"\xff\xff\xff\xff", 4);
    check_ended(p, "not a frame");
    peer_free(p);
}

Test(engine_broken, a_peer_that_is_no_broker_is_told_so)
{
    struct peer *p = peer_new();
    peer_start(p);
    PLAY(p, "dial");
    peer_input(p, 1, (const uint8_t *)"\xff\xff\xff\xff", 4);
    check_ended(p, "does not speak");
    peer_free(p);
}

Test(engine_broken, packets_for_nobody_do_no_harm)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *op;
    frame(p, 1, RAI_SESS_ADD_METADATA2, RAI_CHANNEL_PING, "", 0);
    frame(p, 1, RAI_SESS_ADD_METADATA2, RAI_CHANNEL_SESSION, "", 0);
    frame(p, 1, RAI_SESS_ADD_METADATA2, 99, "", 0);
    PLAY(p, "1< 10 MSG 5 1 a", "1< 10 LARGE 5 1 9", "1< 10 CHUNK 5 9 last", "1< 10 GONE 5", "1< 10 CREDITS 100 b");
    frame(p, 1, RAI_SESS_ADD_METADATA2, 10, "", 0); /* whatever it is, the broker numbers it */
    cr_assert_eq(s->received, 5);
    frame(p, 1, RAI_NULL_RESPONSE, 10, "xyz", 3);
    frame(p, 1, RAI_EXCEPTION, 10, "x", 1);
    frame(p, 1, RAI_DISCONNECT_CONSUMER, 10, "x", 1);
    frame(p, 1, RAI_SESS_PRODUCER_CREDITS, 10, "x", 1);
    frame(p, 1, RAI_PACKETS_CONFIRMED, 10, "x", 1);
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &op, NULL), 0);
    PLAY(p, "1> 10 QUERY q", "1< 10 QUEUE q");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* They are told from first ones, or the numbers of packets would part. */
Test(engine_broken, answers_to_nothing_are_counted_as_doubled)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *op;
    PLAY(p, "1< 10 OK", "1< 10 OK short", "1< 10 OK 7", "1< 10 NO 100", "1< 10 NO 100 7", "1< 10 QUEUE q",
         "1< 10 BINDING 1 1", "1< 10 TIMEOUT");
    cr_assert_eq(peer_stat(p, RA_STAT_ANSWERS_DOUBLED), 8);
    cr_assert_eq(s->received, UINT32_MAX);
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &op, NULL), 0);
    PLAY(p, "1> 10 QUERY q", "1< 10 OK", "1< 10 TIMEOUT", "1< 10 BINDING 1 1"); /* answers of other requests */
    OP(p, op, "pending");
    PLAY(p, "1< 10 QUEUE q");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* A count is for a session that lives. */
Test(engine_broken, a_count_beyond_what_was_written_ends_the_session)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    PLAY(p, "1< 10 CONFIRMED 77");
    EVENTS(p, "lost -46");
    PLAY(p, "1< 10 CONFIRMED 78", "1< 10 OK");
    cr_assert_not(rai_session_is_open(s));
    peer_free(p);
}

Test(engine_broken, each_reason_of_a_disconnect_is_told)
{
    static const char *const reasons[] = { "redirect",  "critical", "shut down", "critical",
                                           "shut down", "critical", "no reason", "no reason" };
    for (int reason = 0; reason < 8; reason++) {
        struct peer *p = peer_new();
        uint8_t body[4] = { 0, (uint8_t)reason, 0, 0 }; /* node, reason, target, its transport */
        peer_open(p);
        frame(p, 1, RAI_DISCONNECT_V3, RAI_CHANNEL_PING, body, sizeof body);
        cr_assert(p->links[1].hung_up);
        cr_assert_not_null(strstr(rai_engine_last_fault(p->e)->text, reasons[reason]), "%d: \"%s\"", reason,
                           rai_engine_last_fault(p->e)->text);
        peer_free(p);
    }
}

Test(engine_broken, a_version_above_ours_is_taken_as_ours)
{
    struct peer *p = peer_new();
    peer_start(p);
    peer_session(p, false);
    PLAY(p, "dial", "1> PING", "1> SUBSCRIBE 136", "1< TOPOLOGY 200 node", "1> CREATE 10 v136", "1< CREATED 136",
         "1< TOPOLOGY 130 other");
    cr_assert_str_eq(p->links[1].up ? "up" : "", "up");
    peer_free(p);
}

/* Calls about links that are over, or never were, as a driver that comes late makes them. */
Test(engine_broken, a_driver_that_comes_late_does_no_harm)
{
    struct peer *p = peer_new();
    peer_open(p);
    uint32_t link = p->links[1].id;
    struct rai_fault why;
    struct iovec pieces[4];
    size_t room = 1;
    rai_fault_set(&why, RA_E_LINK_LOST, "cut");
    cr_assert_not(rai_engine_wants_write(p->e, link));
    peer_session(p, false);
    cr_assert(rai_engine_wants_write(p->e, link));
    rai_engine_dialed(p->e, link, p->now);
    cr_assert(p->links[1].up);
    rai_engine_link_lost(p->e, link, &why, p->now);
    rai_engine_link_lost(p->e, link, &why, p->now);
    rai_engine_input(p->e, link, 0, p->now);
    rai_engine_written(p->e, link, 0, p->now);
    cr_assert_not(rai_engine_wants_write(p->e, link));
    cr_assert_eq(rai_engine_output(p->e, link, pieces, 4, p->now), 0);
    peer_hangups(p);
    rai_engine_link_lost(p->e, link, &why, p->now);
    rai_engine_dialed(p->e, 77, p->now);
    rai_engine_dial_failed(p->e, 77, &why, p->now);
    rai_engine_link_closed(p->e, 77);
    rai_engine_written(p->e, 77, 1, p->now);
    rai_engine_input(p->e, 77, 1, p->now);
    cr_assert_null(rai_engine_input_space(p->e, 77, &room));
    cr_assert_not(rai_engine_wants_write(p->e, 77));
    EVENTS(p, "disconnected; retrying 1 0");
    peer_free(p);
}
