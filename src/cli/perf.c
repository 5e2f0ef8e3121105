/* perf reattach: cuts its own connection and looks how long no new send is confirmed. */
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "cutter.h"
#include "manage.h"
#include "print.h"
#include "seqs.h"
#include "terminal.h"
#include "times.h"
#include "watch.h"

enum { TURN = 64, LOOK_MS = 10, PATIENCE_MS = 60000, LAST_MS = 1000 };

struct perf {
    const struct settings *settings;
    struct broker sending, receiving; /* through the forwarder; straight */
    struct cutter *cutter;
    ra_producer *producer;
    ra_consumer *consumer;
    ra_message *message;
    char queue[64];
    struct times pauses;
    struct seqs seqs;
    int64_t sent, settled, confirmed;
    int64_t mark; /* the first send after the cut under way, -1 for none */
    int64_t cut_us, next_cut_ms;
};

static void on_outcome(void *user, const ra_event *event)
{
    struct perf *p = user;
    int64_t first = (int64_t)ra_event_first_tag(event), last = (int64_t)ra_event_last_tag(event);

    p->settled += last - first + 1;
    if (ra_event_outcome(event) != RA_OUTCOME_CONFIRMED)
        return;
    p->confirmed += last - first + 1;
    if (p->mark >= 0 && last >= p->mark) {
        times_add(&p->pauses, (double)(now_us() - p->cut_us) / 1000);
        p->mark = -1;
        p->next_cut_ms = now_ms() + (int64_t)(p->settings->interval * 1000);
    }
}

/* --- the URL, with the forwarder in the broker's place ---------------------------------------------------------- */

struct endpoint {
    char host[256], port[8], login[512];
    const char *rest; /* the options */
};

static bool read_endpoint(const char *url, struct endpoint *out)
{
    const char *authority = strstr(url, "://"), *at, *port, *end;
    size_t size;

    authority = authority != NULL ? authority + 3 : url;
    size = strcspn(authority, "/?#");
    end = authority + size;
    if (url[0] == '(' || strchr(url, '#') != NULL || memchr(authority, ',', size) != NULL)
        return complain("--url: one broker is measured, not a list of them");
    at = authority;
    for (const char *c = authority; c < end; c++)
        at = *c == '@' ? c + 1 : at;
    port = end;
    for (const char *c = at; c < end; c++)
        port = *c == ':' ? c : *c == ']' ? end : port;
    snprintf(out->login, sizeof out->login, "%.*s", (int)(at - authority), authority);
    if (*at == '[')
        snprintf(out->host, sizeof out->host, "%.*s", (int)(strcspn(at, "]") - 1), at + 1);
    else
        snprintf(out->host, sizeof out->host, "%.*s", (int)(port - at), at);
    snprintf(out->port, sizeof out->port, "%.*s", port < end ? (int)(end - port - 1) : 5,
             port < end ? port + 1 : "61616");
    out->rest = end;
    return true;
}

static int open_sending(struct perf *p)
{
    struct endpoint to;
    char url[2048];

    if (!read_endpoint(p->settings->url, &to))
        return EXIT_USAGE;
    p->cutter = cutter_start(to.host, to.port);
    if (p->cutter == NULL)
        return EXIT_LEFT;
    if ((size_t)snprintf(url, sizeof url, "tcp://%s127.0.0.1:%d%s", to.login, cutter_port(p->cutter), to.rest) >=
        sizeof url) {
        complain("--url: it is too long");
        return EXIT_USAGE;
    }
    return broker_open(&p->sending, p->settings, url, RA_SESSION_AUTO_COMMIT);
}

/* --- the run ---------------------------------------------------------------------------------------------------- */

static int set_up_receiving(struct perf *p, ra_error **err)
{
    int rc = ra_session_create_queue(p->receiving.session, p->queue, NULL, RA_ROUTING_ANYCAST,
                                     p->settings->durable ? RA_QUEUE_DURABLE : 0, NULL, err);

    if (rc == 0)
        rc = ra_consumer_open(p->receiving.session, p->queue, NULL, 0, -2, &p->consumer, err);
    if (rc == 0)
        rc = ra_session_start(p->receiving.session, err);
    return rc;
}

static int set_up_sending(struct perf *p, ra_error **err)
{
    char *body = calloc(1, (size_t)p->settings->size + 1);
    int rc = body != NULL ? ra_message_new(RA_MESSAGE_BYTES, &p->message, err) : !complain("out of memory");

    if (rc == 0)
        rc = ra_message_set_body(p->message, body, (size_t)p->settings->size, err);
    if (rc == 0)
        rc = ra_message_set_durable(p->message, p->settings->durable, err);
    if (rc == 0)
        rc = ra_producer_open(p->sending.session, p->queue, &p->producer, err);
    if (rc == 0)
        rc = ra_connection_listen(p->sending.connection, p->sending.session, RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME),
                                  on_outcome, p, NULL, NULL, err);
    free(body);
    return rc;
}

static int take(struct perf *p, ra_message *message, ra_error **err)
{
    int32_t seq = -1;
    int rc = ra_consumer_acknowledge(p->consumer, message, err);

    if (ra_message_get_int(message, "seq", &seq, NULL) == 0 && seq >= 0 && !seqs_add(&p->seqs, seq))
        rc = !complain("out of memory");
    ra_message_unref(message);
    return rc;
}

/* What has arrived by now, so that the queue stays short. */
static int take_some(struct perf *p, ra_error **err)
{
    ra_message *messages[TURN];
    int32_t n = ra_consumer_take_many(p->consumer, messages, TURN, err);
    int rc = n < 0 ? n : 0;

    for (int32_t i = 0; i < n; i++) {
        if (rc == 0)
            rc = take(p, messages[i], err);
        else
            ra_message_unref(messages[i]);
    }
    return rc;
}

static int send_some(struct perf *p, ra_error **err)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < TURN && p->sent - p->settled < p->settings->outstanding; i++) {
        rc = ra_message_set_int(p->message, "seq", (int32_t)p->sent, err);
        if (rc == 0)
            rc = ra_producer_send_tagged(p->producer, NULL, p->message, (uint64_t)p->sent, err);
        p->sent += rc == 0;
    }
    return rc;
}

static int turn(struct perf *p, ra_error **err)
{
    int64_t wait = p->next_cut_ms - now_ms();
    int rc;

    if (p->mark < 0 && wait <= 0) {
        p->cut_us = now_us();
        cutter_cut(p->cutter);
        p->mark = p->sent;
    }
    if (p->mark >= 0 && now_us() - p->cut_us > PATIENCE_MS * 1000LL)
        return !complain("no send was confirmed for %d s after a cut", PATIENCE_MS / 1000);
    rc = send_some(p, err);
    if (rc == 0 && p->sent - p->settled >= p->settings->outstanding)
        rc = ra_connection_wait_event(p->sending.connection, p->mark < 0 && wait > 0 && wait < LOOK_MS ? wait : LOOK_MS,
                                      err);
    if (!broker_looked_up(rc, err))
        return rc;
    rc = ra_connection_dispatch(p->sending.connection, 0, err);
    return rc < 0 ? rc : take_some(p, err);
}

/* Answers still under way, then what is left in the queue. */
static int finish(struct perf *p, ra_error **err)
{
    ra_message *message;
    int rc;

    broker_settle(&p->sending);
    while ((rc = ra_consumer_receive(p->consumer, p->seqs.distinct < p->confirmed ? LAST_MS : 0, 0, &message, err)) ==
           RA_RECEIVED)
        take(p, message, NULL);
    return rc;
}

static int measure(struct perf *p, ra_error **err)
{
    int rc = set_up_sending(p, err);

    p->next_cut_ms = now_ms() + (int64_t)(p->settings->interval * 1000);
    while (rc == 0 && p->pauses.count < p->settings->cuts && !watch_stopped()) {
        rc = turn(p, err);
        if (terminal_due())
            terminal_progress("%lld of %lld cuts, %lld messages, median %.1f ms", (long long)p->pauses.count,
                              (long long)p->settings->cuts, (long long)p->sent, times_at(&p->pauses, 0.5));
    }
    return rc == 0 ? finish(p, err) : rc;
}

static int report(struct perf *p)
{
    int64_t lost = p->confirmed - p->seqs.distinct, unknown = p->sent - p->confirmed, doubled = p->seqs.duplicates;
    double median = times_at(&p->pauses, 0.5), p90 = times_at(&p->pauses, 0.9), most = times_at(&p->pauses, 1);
    bool written;

    lost = lost < 0 ? 0 : lost;
    terminal_clear();
    if (p->settings->json)
        written = print_json(
            json_pack("{s:s, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "kind", "reattach", "cuts",
                      (json_int_t)p->pauses.count, "median_ms", median, "p90_ms", p90, "max_ms", most, "messages",
                      (json_int_t)p->sent, "confirmed", (json_int_t)p->confirmed, "unknown", (json_int_t)unknown,
                      "lost", (json_int_t)lost, "doubled", (json_int_t)doubled, "reattached",
                      (json_int_t)p->sending.statistics[RA_STAT_REATTACHED], "recreated", (json_int_t)p->sending.statistics[RA_STAT_RECREATED]));
    else {
        printf(
            "%lld cuts, pause until the next confirmed send: median %.3f, p90 %.3f, max %.3f ms\n"
            "%lld messages, %lld confirmed, %lld unknown, %lld lost, %lld doubled; %lld re-attached, %lld recreated\n",
            (long long)p->pauses.count, median, p90, most, (long long)p->sent, (long long)p->confirmed,
            (long long)unknown, (long long)lost, (long long)doubled, (long long)p->sending.statistics[RA_STAT_REATTACHED],
            (long long)p->sending.statistics[RA_STAT_RECREATED]);
        written = print_flushed();
    }
    return !written || lost + doubled + unknown > 0 || p->pauses.count < p->settings->cuts;
}

/* With the way straight to the broker open. */
static int run_between(struct perf *p)
{
    ra_error *err = NULL;
    int rc = set_up_receiving(p, &err), status;

    if (rc < 0)
        return broker_failed(err, EXIT_LEFT);
    status = open_sending(p);
    if (status == EXIT_WELL) {
        rc = measure(p, &err);
        broker_close(&p->sending);
        ra_producer_free(p->producer);
        if (rc < 0)
            status = broker_failed(err, EXIT_LEFT);
        else
            status = report(p) || rc > 0 ? EXIT_LEFT : EXIT_WELL;
    }
    ra_consumer_close(p->consumer, NULL);
    ra_session_delete_queue(p->receiving.session, p->queue, NULL);
    return status;
}

int run_perf_reattach(const struct settings *settings)
{
    struct perf p = { .settings = settings, .mark = -1 };
    int status = EXIT_LEFT;

    if (!times_open(&p.pauses, settings->cuts) || !seqs_open(&p.seqs))
        complain("out of memory");
    else if (random_name(p.queue, sizeof p.queue, "reattach.perf"))
        status = broker_open_second(&p.receiving, settings);
    if (status == EXIT_WELL) {
        status = run_between(&p);
        broker_close(&p.receiving);
    }
    ra_consumer_free(p.consumer);
    ra_message_unref(p.message);
    cutter_stop(p.cutter);
    times_close(&p.pauses);
    seqs_close(&p.seqs);
    return status;
}
