/* Where there is no room for a send: refused at once, and said when there is room again. */
#include "kit.h"

#define CALM "reliable=true&connectionTTL=60000&clientFailureCheckPeriod=30000"

static int send_big(struct kit *k, int32_t seq)
{
    static const char body[4000];
    ra_message *message = kit_message(seq, 1);
    GOOD(ra_message_set_body(message, body, sizeof body, &err));
    int rc = ra_producer_send_tagged(k->producer, NULL, message, (uint64_t)seq, NULL);
    ra_message_unref(message);
    return rc;
}

/* A hold that has not begun yet would begin after its release. */
static void release(struct relay *r)
{
    struct relay_counters counters;
    int64_t until = kit_ms() + PATIENCE_MS;
    do {
        cr_assert_lt(kit_ms(), until, "nothing is held");
        kit_pause(1);
        relay_get_counters(r, &counters);
    } while (counters.holds == 0);
    relay_release(r);
}

/* Fills the log while the relay holds back all that goes to the broker. */
static int32_t fill(struct kit *k)
{
    int32_t sent = 0;
    int rc;
    while ((rc = send_big(k, sent)) == 0)
        sent++;
    cr_assert_eq(rc, RA_E_WOULD_BLOCK, "%s", ra_error_code_name(rc));
    return sent;
}

ArtemisTest(flow, maxUnconfirmed_reached__would_block_then_writable)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), CALM "&producerWindowSize=-1&confirmationWindowSize=4096&maxUnconfirmed=65536",
             RA_SESSION_AUTO_COMMIT);
    GOOD(ra_connection_subscribe(k.connection, RA_EVENT_MASK(RA_EVENT_WRITABLE), &err));
    struct relay_match send = relay_match_type(RELAY_TO_BROKER, 71);
    relay_hold(r, &send, 0);
    int32_t sent = fill(&k);
    cr_assert(sent >= 10 && sent <= 17, "%d sends of 4 kB found room in 64 kB", (int)sent);
    FAILS(RA_E_TIMEOUT, ra_producer_wait_writable(k.producer, 50, 0, &err));
    cr_assert_eq(send_big(&k, sent), RA_E_WOULD_BLOCK);
    release(r);
    GOOD(ra_producer_wait_writable(k.producer, PATIENCE_MS, 0, &err));
    ra_event *event = kit_await_event(k.connection, RA_EVENT_WRITABLE);
    cr_assert_eq(ra_event_session(event), k.session);
    ra_event_free(event);
    cr_assert_eq(send_big(&k, sent), 0);
    cr_assert_eq(kit_await_outcomes(k.connection, sent + 1, NULL), sent + 1);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, sent + 1);
    relay_stop(r);
}

ArtemisTest(flow, producer_window_used_up__would_block_then_writable)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), CALM "&producerWindowSize=20000", RA_SESSION_AUTO_COMMIT);
    GOOD(ra_connection_subscribe(k.connection, RA_EVENT_MASK(RA_EVENT_WRITABLE), &err));
    kit_fill(k.producer, 0, 1);
    struct relay_match credits = relay_match_type(RELAY_TO_CLIENT, 80);
    relay_hold(r, &credits, 0); /* the broker's next credits do not come through */
    static const char body[4000];
    ra_message *message = kit_message(1, 1);
    GOOD(ra_message_set_body(message, body, sizeof body, &err));
    int32_t sent = 0;
    while (ra_producer_send_tagged(k.producer, NULL, message, (uint64_t)sent, NULL) == 0)
        GOOD(ra_message_set_int(message, "seq", ++sent + 1, &err));
    cr_assert_lt(sent, 20, "%d sends of 4 kB with credits for 20 kB", (int)sent);
    release(r);
    GOOD(ra_producer_wait_writable(k.producer, PATIENCE_MS, 0, &err));
    ra_event_free(kit_await_event(k.connection, RA_EVENT_WRITABLE));
    GOOD(ra_producer_send_tagged(k.producer, NULL, message, (uint64_t)sent, &err));
    ra_message_unref(message);
    cr_assert_eq(kit_await_outcomes(k.connection, sent + 1, NULL), sent + 1);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, sent + 2);
    relay_stop(r);
}

ArtemisTest(flow, blocking_send_without_room__ends_with_its_time_out_and_was_not_sent)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), CALM "&callTimeout=300&producerWindowSize=-1&confirmationWindowSize=4096&"
                                     "maxUnconfirmed=65536", RA_SESSION_AUTO_COMMIT);
    struct relay_match send = relay_match_type(RELAY_TO_BROKER, 71);
    relay_hold(r, &send, 0);
    int32_t sent = fill(&k);
    static const char body[4000];
    ra_message *message = kit_message(999, 1);
    GOOD(ra_message_set_body(message, body, sizeof body, &err));
    int64_t began = kit_ms();
    FAILS(RA_E_TIMEOUT, ra_producer_send(k.producer, NULL, message, &err));
    cr_assert_geq(kit_ms() - began, 299);
    cr_assert_lt(kit_ms() - began, 3000);
    ra_message_unref(message);
    release(r);
    cr_assert_eq(kit_await_outcomes(k.connection, sent, NULL), sent);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, sent);
    relay_stop(r);
}

ArtemisTest(flow, flush_without_answers__ends_with_its_time_out_and_nothing_is_lost)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), CALM "&producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    struct relay_match send = relay_match_type(RELAY_TO_BROKER, 71);
    relay_hold(r, &send, 0);
    kit_send_tagged(k.producer, 0, 10, 1);
    int64_t began = kit_ms();
    FAILS(RA_E_TIMEOUT, ra_session_flush(k.session, 200, &err));
    cr_assert_geq(kit_ms() - began, 199);
    cr_assert_lt(kit_ms() - began, 2000);
    cr_assert_eq(ra_session_unsettled(k.session), 10);
    release(r);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    cr_assert_eq(kit_await_outcomes(k.connection, 10, NULL), 10);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 10);
    relay_stop(r);
}
