/* send QUEUE: tagged sends without waiting for their answers; the tag is the number of the message. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "source.h"
#include "summary.h"
#include "terminal.h"
#include "watch.h"

enum { TURN = 256, WAIT_MS = 100 };

struct sender {
    const struct settings *settings;
    struct broker broker;
    struct source source;
    ra_producer *producer;
    int64_t sent, settled;
    int64_t outcomes[RA_OUTCOME_PROCESSED + 1];
    int64_t began_ms;
    int state;   /* of the source */
    bool loaded; /* the source's message waits to be sent */
    char first_refusal[512];
};

static void on_outcome(void *user, const ra_event *event)
{
    struct sender *s = user;
    int64_t n = (int64_t)(ra_event_last_tag(event) - ra_event_first_tag(event)) + 1;
    int32_t outcome = ra_event_outcome(event);

    s->settled += n;
    s->outcomes[outcome >= 0 && outcome <= RA_OUTCOME_PROCESSED ? outcome : RA_OUTCOME_UNKNOWN] += n;
    if (outcome != RA_OUTCOME_CONFIRMED && s->first_refusal[0] == '\0' && ra_event_error(event) != NULL)
        snprintf(s->first_refusal, sizeof s->first_refusal, "%s", ra_error_message(ra_event_error(event)));
}

static int send_one(struct sender *s, ra_error **err)
{
    int rc;

    if (!s->loaded) {
        s->state = source_next(&s->source, s->sent);
        if (s->state != SOURCE_READY)
            return 0;
        rc = ra_message_set_int(s->source.message, "seq", (int32_t)s->sent, err);
        if (rc < 0)
            return rc;
        s->loaded = true;
    }
    rc = s->settings->forget ? ra_producer_send_forget(s->producer, NULL, s->source.message, err)
                             : ra_producer_send_tagged(s->producer, NULL, s->source.message, (uint64_t)s->sent, err);
    if (rc == 0) {
        s->sent++;
        s->loaded = false;
    }
    return rc;
}

/* How many may be sent by now, and when the next one may. */
static int64_t due(const struct sender *s, int64_t *wait_ms)
{
    int64_t rate = s->settings->rate, passed = now_ms() - s->began_ms;

    *wait_ms = WAIT_MS;
    if (rate == 0)
        return INT64_MAX;
    if (passed * rate / 1000 < s->sent + 1) {
        *wait_ms = ((s->sent + 1) * 1000 + rate - 1) / rate - passed;
        *wait_ms = *wait_ms > WAIT_MS ? WAIT_MS : *wait_ms < 1 ? 1 : *wait_ms;
    }
    return passed * rate / 1000 + 1;
}

/* Nothing can be sent before stdin, the broker or the user says something. */
static void wait_for_input(const struct sender *s)
{
    struct pollfd who[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                            { .fd = watch_descriptor(), .events = POLLIN },
                            { .fd = ra_connection_descriptor(s->broker.connection, NULL), .events = POLLIN } };

    poll(who, 3, WAIT_MS);
}

static void show(const struct sender *s)
{
    double seconds = (double)(now_ms() - s->began_ms) / 1000;

    if (terminal_due())
        terminal_progress("%lld sent, %lld confirmed, %lld waiting, %.0f a second", (long long)s->sent,
                          (long long)s->outcomes[RA_OUTCOME_CONFIRMED],
                          (long long)(s->settings->forget ? 0 : s->sent - s->settled),
                          seconds > 0 ? (double)s->sent / seconds : 0);
}

/* Sends what may be sent, then waits for a reason to go on. */
static int turn(struct sender *s, ra_error **err)
{
    int64_t wait_ms, most = due(s, &wait_ms);
    int rc = 0;

    for (int i = 0; rc == 0 && i < TURN && s->sent < most && s->state == SOURCE_READY; i++)
        rc = send_one(s, err);
    if (rc == RA_E_WOULD_BLOCK) {
        broker_looked_up(rc, err);
        rc = ra_producer_wait_writable(s->producer, WAIT_MS, RA_WAIT_EVENTS, err);
    } else if (rc == 0 && s->state == SOURCE_WAIT) {
        wait_for_input(s);
        s->state = SOURCE_READY;
    } else if (rc == 0 && (s->state == SOURCE_END || s->sent >= most)) {
        rc = ra_connection_wait_event(s->broker.connection, wait_ms, err);
    }
    if (!broker_looked_up(rc, err))
        return rc;
    rc = ra_connection_dispatch(s->broker.connection, 0, err);
    return rc < 0 ? rc : 0;
}

static bool busy(const struct sender *s)
{
    if (watch_stopped() || s->state == SOURCE_FAILED)
        return false;
    return s->state != SOURCE_END || (!s->settings->forget && s->settled < s->sent);
}

static int work(struct sender *s)
{
    ra_error *err = NULL;
    int rc = ra_connection_listen(s->broker.connection, s->broker.session, RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME),
                                  on_outcome, s, NULL, NULL, &err);

    if (rc == 0)
        rc = ra_producer_open(s->broker.session, s->settings->queue, &s->producer, &err);
    s->began_ms = now_ms();
    while (rc == 0 && busy(s)) {
        rc = turn(s, &err);
        show(s);
    }
    if (rc < 0 && err != NULL)
        return broker_failed(err, EXIT_LEFT);
    return rc < 0 || s->state == SOURCE_FAILED ? EXIT_LEFT : EXIT_WELL;
}

static int count_up(struct sender *s, int status)
{
    struct summary summary = { .messages = s->sent,
                               .confirmed = s->outcomes[RA_OUTCOME_CONFIRMED],
                               .rejected = s->outcomes[RA_OUTCOME_REJECTED],
                               .not_done = s->outcomes[RA_OUTCOME_NOT_DONE],
                               .unknown = s->outcomes[RA_OUTCOME_UNKNOWN] };
    int of_all;

    if (s->settings->forget) { /* nobody told of them but the close */
        summary.not_done = s->broker.not_done;
        summary.unknown = s->broker.unknown;
        summary.processed = s->sent - summary.not_done - summary.unknown;
    } else { /* none should be left without an outcome; if one is, nobody knows */
        summary.unknown += s->sent - s->settled;
    }
    if (s->first_refusal[0] != '\0')
        complain("%lld messages were not confirmed; the first one: %s",
                 (long long)(s->sent - s->outcomes[RA_OUTCOME_CONFIRMED]), s->first_refusal);
    of_all = summary_end(&summary, &s->broker, s->settings);
    return status != EXIT_WELL ? status : of_all;
}

int run_send(const struct settings *settings)
{
    struct sender s = { .settings = settings };
    int status = source_open(&s.source, settings);

    if (status == EXIT_WELL)
        status = broker_open(&s.broker, settings, NULL, RA_SESSION_AUTO_COMMIT);
    if (status == EXIT_WELL) {
        status = work(&s);
        broker_settle(&s.broker);
        broker_close(&s.broker);
        status = count_up(&s, status);
        ra_producer_free(s.producer);
    }
    source_close(&s.source);
    return status;
}
