/* A connection as such: options and URL as they work on a live one, counters, time-outs of calls, the descriptor. */
#include "kit.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

static void finish(ra_connection *connection)
{
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_connection_free(connection);
}

ArtemisTest(connection, options_object_and_url__both_count_and_the_url_wins)
{
    char url[128];
    ra_options *options = NULL;
    ra_connection *connection = NULL;
    GOOD(ra_options_new(&options, &err));
    GOOD(ra_options_set(options, "user", "admin", &err));
    GOOD(ra_options_set(options, "password", "admin", &err));
    GOOD(ra_options_set(options, "callTimeout", "1234", &err));
    GOOD(ra_options_set(options, "retryInterval", "77", &err));
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u?callTimeout=4321&reliable=true", (unsigned)kit_port());
    GOOD(ra_connection_open(url, options, PATIENCE_MS, &connection, &err));
    ra_options_free(options); /* it was copied */
    const char *text = ra_connection_options(connection);
    cr_assert_not_null(strstr(text, "callTimeout=4321"), "%s", text);
    cr_assert_not_null(strstr(text, "retryInterval=77"), "%s", text);
    cr_assert_not_null(strstr(text, "reconnectAttempts=-1"), "%s", text);
    cr_assert_null(strstr(text, "password=admin"), "%s", text);
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_session_free(session);
    finish(connection);
}

ArtemisTest(connection, every_spelling_of_the_url__connects)
{
    static const char *const spellings[] = {
        "tcp://127.0.0.1:%u?user=admin&password=admin",        "tcp://admin:admin@127.0.0.1:%u",
        "tcp://localhost:%u?user=admin&password=adm%%69n",     "(tcp://127.0.0.1:%u)?user=admin&password=admin",
        "tcp://127.0.0.1:%u?user=admin&password=admin#tcp://127.0.0.1:1",
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        char url[256];
        ra_connection *connection = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(url, sizeof url, spellings[i], (unsigned)kit_port());
#pragma GCC diagnostic pop
        GOOD(ra_connection_open(url, NULL, PATIENCE_MS, &connection, &err));
        cr_assert(ra_connection_is_connected(connection));
        ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
        ra_session_free(session);
        finish(connection);
    }
}

ArtemisTest(connection, counters__say_what_happened)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), "reliable=true", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    kit_fill(k.producer, 0, 4);
    for (int32_t seq = 0; seq < 4; seq++)
        kit_expect(k.consumer, seq, true);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_LINKS), 1);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_SENT), 4);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_RECEIVED), 4);
    cr_assert_gt(kit_stat(k.connection, RA_STAT_BYTES_OUT), 500);
    cr_assert_gt(kit_stat(k.connection, RA_STAT_BYTES_IN), 500);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_LINKS_LOST), 0);
    relay_cut(r, RELAY_RST);
    kit_await_stat(k.connection, RA_STAT_REATTACHED, 1);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_LINKS), 2);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_LINKS_LOST), 1);
    cr_assert(ra_connection_is_connected(k.connection));
    kit_close(&k);
    relay_stop(r);
}

/* The answer is held back: the wait ends, the work goes on, and its late end is an event. */
ArtemisTest(connection, call_without_an_answer__ends_in_time_and_reports_later)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    ra_queue_info *info = NULL;
    kit_open(&k, relay_port(r), "reliable=true&connectionTTL=60000&clientFailureCheckPeriod=30000&callTimeout=300",
             RA_SESSION_AUTO_COMMIT);
    GOOD(ra_connection_subscribe(k.connection, RA_EVENT_MASK(RA_EVENT_OPERATION), &err));
    struct relay_match answer = relay_match_type(RELAY_TO_CLIENT, RELAY_ANY_TYPE);
    relay_hold(r, &answer, 0);
    int64_t began = kit_ms();
    ra_error *error = NULL;
    cr_assert_eq(ra_session_query_queue(k.session, k.queue, &info, &error), RA_E_TIMEOUT);
    cr_assert_geq(kit_ms() - began, 299);
    cr_assert_lt(kit_ms() - began, 3000);
    cr_assert(ra_error_is_outcome_unknown(error));
    ra_error_free(error);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_LINKS_LOST), 0, "a call time-out killed a living link");
    relay_release(r);
    ra_event *event = kit_await_event(k.connection, RA_EVENT_OPERATION);
    cr_assert_eq(ra_event_outcome(event), RA_OUTCOME_CONFIRMED);
    ra_event_free(event);
    kit_close(&k);
    relay_stop(r);
}

/* While the network is away a request is never written: it is cancelled, not done, and leaves no trace. */
ArtemisTest(connection, call_without_a_link__was_not_done)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    ra_operation *operation = NULL;
    const char *queue = kit_name("never");
    kit_open(&k, relay_port(r), "reliable=true&callFailoverTimeout=300", RA_SESSION_AUTO_COMMIT);
    relay_refuse(r, true);
    relay_cut(r, RELAY_RST);
    kit_await_stat(k.connection, RA_STAT_LINKS_LOST, 1);
    GOOD(ra_session_create_queue_begin(k.session, queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL, &operation,
                                       &err));
    FAILS(RA_E_TIMEOUT, ra_operation_wait(operation, 50, 0, &err)); /* the wait only */
    cr_assert_eq(ra_operation_outcome(operation), RA_OUTCOME_PENDING);
    FAILS(RA_E_TIMEOUT, ra_operation_wait(operation, PATIENCE_MS, 0, &err));
    cr_assert_eq(ra_operation_outcome(operation), RA_OUTCOME_NOT_DONE);
    ra_operation_free(operation);
    relay_refuse(r, false);
    kit_await_stat(k.connection, RA_STAT_REATTACHED, 1);
    kit_await_count(k.session, queue, -1);
    kit_close(&k);
    relay_stop(r);
}

ArtemisTest(connection, descriptor__is_readable_while_events_wait)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), "reliable=true", RA_SESSION_AUTO_COMMIT);
    GOOD(ra_connection_subscribe(k.connection, RA_EVENT_MASK(RA_EVENT_REATTACHED), &err));
    struct pollfd p = { .fd = ra_connection_descriptor(k.connection, NULL), .events = POLLIN };
    cr_assert_geq(p.fd, 0);
    cr_assert_eq(poll(&p, 1, 0), 0);
    relay_cut(r, RELAY_RST);
    cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1);
    ra_event_free(kit_await_event(k.connection, RA_EVENT_REATTACHED));
    cr_assert_eq(poll(&p, 1, 0), 0);
    kit_close(&k);
    relay_stop(r);
}

/* A silent network: nothing comes, nothing is refused. The link counts as lost when its time is over. */
ArtemisTest(connection, silent_network__is_noticed_and_repaired)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), "reliable=true&connectionTTL=900&clientFailureCheckPeriod=200", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 3);
    int64_t began = kit_ms();
    relay_cut(r, RELAY_SILENT);
    kit_fill(k.producer, 3, 3);
    cr_assert_lt(kit_ms() - began, 10 * 900);
    cr_assert_geq(kit_stat(k.connection, RA_STAT_LINKS_LOST), 1);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 6);
    relay_stop(r);
}
