/* Listeners: what they hear of a cut, in which order, and what they may do. */
#include "kit.h"

#include <string.h>

#define CALM "reliable=true&connectionTTL=60000&clientFailureCheckPeriod=30000"

enum { MOST = 32 };

struct heard {
    struct kit *k;
    ra_listener *self;
    ra_session *victim;
    int kinds[MOST];
    int count, released, code;
    int64_t replayed;
    uint64_t next_tag;
};

static void note(void *user, const ra_event *event)
{
    struct heard *h = user;
    if (h->count < MOST)
        h->kinds[h->count++] = ra_event_kind(event);
    if (ra_event_kind(event) == RA_EVENT_REATTACHED)
        h->replayed = ra_event_replayed(event);
}

static void released(void *user)
{
    ((struct heard *)user)->released++;
}

static void listen(struct heard *h, ra_session *session, uint32_t mask, ra_listener_function function)
{
    GOOD(ra_connection_listen(h->k->connection, session, mask, function, h, released, &h->self, &err));
}

/* Dispatches until the listener was called n times. */
static void dispatch_until(struct heard *h, int n)
{
    int64_t until = kit_ms() + PATIENCE_MS;
    while (h->count < n) {
        cr_assert_lt(kit_ms(), until, "%d events were heard, not %d", h->count, n);
        ra_connection_wait_event(h->k->connection, 100, NULL);
        GOOD(ra_connection_dispatch(h->k->connection, 0, &err));
    }
}

static struct relay *open_and_listen(struct kit *k, struct heard *h, uint32_t mask, ra_listener_function function)
{
    struct relay *r = kit_relay(kit_port());
    kit_open(k, relay_port(r), CALM, RA_SESSION_AUTO_COMMIT);
    *h = (struct heard){ .k = k };
    listen(h, NULL, mask, function);
    return r;
}

static void end(struct kit *k, struct heard *h, struct relay *r)
{
    ra_listener_free(h->self);
    cr_assert_eq(h->released, 1, "released %d times", h->released);
    kit_close(k);
    relay_stop(r);
}

#define OF_A_CUT                                                                                                       \
    (RA_EVENT_MASK(RA_EVENT_DISCONNECTED) | RA_EVENT_MASK(RA_EVENT_RETRYING) | RA_EVENTS_FAILURE)

ArtemisTest(listener, of_a_cut__hears_disconnected_retrying_reattached)
{
    struct kit k;
    struct heard h;
    struct relay *r = open_and_listen(&k, &h, OF_A_CUT, note);
    kit_fill(k.producer, 0, 3);
    relay_cut(r, RELAY_RST);
    dispatch_until(&h, 3);
    cr_assert_eq(h.kinds[0], RA_EVENT_DISCONNECTED);
    cr_assert_eq(h.kinds[1], RA_EVENT_RETRYING);
    cr_assert_eq(h.kinds[2], RA_EVENT_REATTACHED);
    cr_assert_eq(h.count, 3);
    end(&k, &h, r);
}

ArtemisTest(listener, of_one_session__hears_nothing_of_another)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), CALM, RA_SESSION_AUTO_COMMIT);
    ra_session *other = kit_session(k.connection, RA_SESSION_AUTO_COMMIT);
    struct heard one = { .k = &k }, both = { .k = &k };
    listen(&one, other, RA_EVENTS_FAILURE, note);
    listen(&both, NULL, RA_EVENTS_FAILURE, note);
    relay_cut(r, RELAY_FIN);
    dispatch_until(&both, 2);
    cr_assert_eq(one.count, 1);
    ra_session_free(other);
    ra_listener_free(both.self);
    ra_listener_free(one.self);
    cr_assert_eq(one.released + both.released, 2);
    kit_close(&k);
    relay_stop(r);
}

/* FAILURE_DETECTED, FAILOVER_COMPLETED and FAILOVER_FAILED of the Java client as letters, made of ours as
 * docs/reconnection.md says. */
struct failover {
    struct heard heard;
    int sessions, moved;
    bool down;
    char told[16];
};

static void tell(struct failover *f, char letter)
{
    size_t length = strlen(f->told);
    cr_assert_lt(length, sizeof f->told - 1);
    f->told[length] = letter;
}

static void derive(void *user, const ra_event *event)
{
    struct failover *f = user;
    note(&f->heard, event);
    switch (ra_event_kind(event)) {
    case RA_EVENT_DISCONNECTED:
        if (!f->down)
            tell(f, 'D');
        f->down = true;
        f->moved = 0;
        break;
    case RA_EVENT_REATTACHED:
    case RA_EVENT_RECREATED:
        f->moved++;
        break;
    case RA_EVENT_SESSION_LOST:
        f->sessions--;
        break;
    case RA_EVENT_GAVE_UP:
        tell(f, 'F');
        break;
    default:
        break;
    }
    if (f->down && f->moved > 0 && f->moved == f->sessions) {
        tell(f, 'C');
        f->down = false;
    }
}

static void dispatch_until_told(struct failover *f, const char *expected)
{
    int64_t give_up = kit_ms() + PATIENCE_MS;
    while (strlen(f->told) < strlen(expected) && kit_ms() < give_up) {
        ra_connection_wait_event(f->heard.k->connection, 100, NULL);
        GOOD(ra_connection_dispatch(f->heard.k->connection, 0, &err));
    }
    cr_assert_str_eq(f->told, expected);
}

ArtemisTest(listener, of_two_sessions__can_tell_what_the_java_client_does)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), "confirmationWindowSize=65536&reconnectAttempts=3&retryInterval=20", RA_SESSION_AUTO_COMMIT);
    ra_session *other = kit_session(k.connection, RA_SESSION_AUTO_COMMIT);
    struct failover f = { .heard.k = &k, .sessions = 2 };
    GOOD(ra_connection_listen(k.connection, NULL, RA_EVENTS_ALL & ~RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME), derive, &f, NULL,
                              &f.heard.self, &err));
    relay_cut(r, RELAY_RST);
    dispatch_until_told(&f, "DC");
    relay_cut(r, RELAY_FIN);
    dispatch_until_told(&f, "DCDC");
    relay_refuse(r, true);
    relay_cut(r, RELAY_RST);
    dispatch_until_told(&f, "DCDCDF");
    ra_listener_free(f.heard.self);
    ra_session_free(other);
    ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, NULL);
    kit_free(&k);
    relay_stop(r);
}

static void close_self(void *user, const ra_event *event)
{
    struct heard *h = user;
    note(user, event);
    h->code = ra_listener_close(h->self, NULL);
    cr_assert_eq(h->released, 0, "released while it runs");
}

ArtemisTest(listener, that_closes_itself__is_called_no_more)
{
    struct kit k;
    struct heard h;
    struct relay *r = open_and_listen(&k, &h, OF_A_CUT, close_self);
    struct heard other = { .k = &k };
    listen(&other, NULL, RA_EVENT_MASK(RA_EVENT_REATTACHED), note);
    relay_cut(r, RELAY_RST);
    dispatch_until(&other, 1);
    cr_assert_eq(h.count, 1);
    cr_assert_eq(h.code, 0);
    cr_assert_eq(h.released, 1);
    ra_listener_free(other.self);
    end(&k, &h, r);
}

static void close_session(void *user, const ra_event *event)
{
    struct heard *h = user;
    note(user, event);
    cr_assert_eq(ra_event_session(event), h->victim);
    h->code = ra_session_close(h->victim, 1000, NULL, NULL, NULL);
}

ArtemisTest(listener, that_closes_its_session__closes_it)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), CALM, RA_SESSION_AUTO_COMMIT);
    struct heard h = { .k = &k, .victim = kit_session(k.connection, RA_SESSION_AUTO_COMMIT), .code = 1 };
    listen(&h, h.victim, RA_EVENTS_FAILURE, close_session);
    relay_cut(r, RELAY_RST);
    dispatch_until(&h, 1);
    cr_assert(h.code == 0 || h.code == RA_E_IN_LISTENER, "%s", ra_error_code_name(h.code));
    FAILS(RA_E_CLOSED, ra_session_flush(h.victim, 1000, &err));
    kit_fill(k.producer, 0, 1); /* the other one goes on */
    ra_session_free(h.victim);
    end(&k, &h, r);
    kit_expect_queue(kit_port(), k.queue, 0, 1);
}

static void send_inside(void *user, const ra_event *event)
{
    struct heard *h = user;
    note(user, event);
    ra_message *message = kit_message((int32_t)h->next_tag, 1);
    int rc = ra_producer_send_tagged(h->k->producer, NULL, message, h->next_tag, NULL);
    h->code = rc < 0 ? rc : h->code;
    h->next_tag++;
    ra_message_unref(message);
}

ArtemisTest(listener, that_sends__sends)
{
    struct kit k;
    struct heard h;
    struct relay *r = open_and_listen(&k, &h, RA_EVENT_MASK(RA_EVENT_REATTACHED), send_inside);
    kit_fill(k.producer, 1000, 1);
    for (int i = 0; i < 3; i++) {
        relay_cut(r, RELAY_RST);
        dispatch_until(&h, i + 1);
        GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    }
    cr_assert_eq(h.code, 0, "%s", ra_error_code_name(h.code));
    kit_await_count(k.session, k.queue, 4);
    end(&k, &h, r);
}

static void wait_inside(void *user, const ra_event *event)
{
    struct heard *h = user;
    ra_message *message = NULL, *out = kit_message(0, 1);
    ra_session *session = NULL;
    ra_queue_info *info = NULL;
    note(user, event);
    h->code += ra_consumer_receive(h->k->consumer, 1000, 0, &message, NULL) != RA_E_IN_LISTENER;
    h->code += ra_session_flush(h->k->session, 1000, NULL) != RA_E_IN_LISTENER;
    h->code += ra_session_open(h->k->connection, 0, &session, NULL) != RA_E_IN_LISTENER;
    h->code += ra_session_query_queue(h->k->session, h->k->queue, &info, NULL) != RA_E_IN_LISTENER;
    h->code += ra_producer_send(h->k->producer, NULL, out, NULL) != RA_E_IN_LISTENER;
    h->code += ra_connection_wait_event(h->k->connection, 1000, NULL) != RA_E_IN_LISTENER;
    h->code += ra_connection_dispatch(h->k->connection, 0, NULL) != RA_E_IN_LISTENER;
    ra_message_unref(out);
}

ArtemisTest(listener, that_waits__is_refused)
{
    struct kit k;
    struct heard h;
    struct relay *r = open_and_listen(&k, &h, RA_EVENT_MASK(RA_EVENT_REATTACHED), wait_inside);
    kit_consume(&k, -2);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    relay_cut(r, RELAY_RST);
    dispatch_until(&h, 1);
    cr_assert_eq(h.code, 0, "%d calls were not refused", h.code);
    kit_fill(k.producer, 7, 1);
    kit_expect(k.consumer, 7, true);
    end(&k, &h, r);
}

ArtemisTest(listener, and_waits_that_ask_for_events__hear_of_a_cut_at_once)
{
    struct kit k;
    struct heard h;
    struct relay *r = open_and_listen(&k, &h, RA_EVENT_MASK(RA_EVENT_REATTACHED), note);
    kit_consume(&k, -2);
    relay_cut(r, RELAY_RST);
    ra_message *message = NULL;
    cr_assert_eq(ra_consumer_receive(k.consumer, PATIENCE_MS, RA_WAIT_EVENTS, &message, NULL), RA_RECEIVED_EVENTS);
    GOOD(ra_connection_dispatch(k.connection, 0, &err));
    cr_assert_eq(h.count, 1);
    cr_assert_null(kit_receive(k.consumer, 0));
    end(&k, &h, r);
}

/* --- the end of it --- */

ArtemisTest(give_up, without_attempts__tells_the_connection_and_the_session)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), "confirmationWindowSize=65536", RA_SESSION_AUTO_COMMIT); /* reconnectAttempts=0 */
    struct heard h = { .k = &k };
    listen(&h, NULL, RA_EVENTS_ALL & ~RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME), note);
    relay_cut(r, RELAY_RST);
    dispatch_until(&h, 3);
    cr_assert_eq(h.kinds[0], RA_EVENT_DISCONNECTED);
    bool lost = false, gave_up = false;
    for (int i = 1; i < h.count; i++) {
        lost |= h.kinds[i] == RA_EVENT_SESSION_LOST;
        gave_up |= h.kinds[i] == RA_EVENT_GAVE_UP;
    }
    cr_assert(lost && gave_up, "%d %d", lost, gave_up);
    ra_message *message = kit_message(0, 1);
    ra_error *error = NULL;
    cr_assert_eq(ra_producer_send(k.producer, NULL, message, &error), RA_E_GAVE_UP, "%s", ra_error_message(error));
    cr_assert(ra_error_is_fatal(error));
    ra_error_free(error);
    ra_message_unref(message);
    ra_listener_free(h.self);
    ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, NULL);
    kit_free(&k);
    relay_stop(r);
}

ArtemisTest(give_up, after_the_last_attempt__ends_what_is_open)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    int64_t counts[6];
    kit_open(&k, relay_port(r),
             "confirmationWindowSize=65536&reconnectAttempts=3&retryInterval=20&producerWindowSize=-1",
             RA_SESSION_AUTO_COMMIT);
    relay_refuse(r, true);
    struct relay_match send = relay_match_type(RELAY_TO_BROKER, 71);
    send.nth = 5;
    relay_cut_at(r, &send, RELAY_BEFORE, 0, RELAY_RST);
    kit_send_tagged(k.producer, 0, 5, 1);
    kit_await_outcomes(k.connection, 5, counts);
    cr_assert_geq(counts[RA_OUTCOME_UNKNOWN] + counts[RA_OUTCOME_NOT_DONE], 1);
    ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, NULL);
    kit_free(&k);
    relay_stop(r);
}
