/*
 * A stream of durable messages from senders to receivers, both through a relay that keeps cutting. Each lane has a
 * receiver on its queue; it has to get every confirmed message once and in order. prove_flow.py drives it and judges what
 * is left in the queues.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storm.h"

struct receiver {
    struct storm *storm;
    struct lane *lane;
    ra_session *session;
    ra_consumer *consumer;
    pthread_t thread;
    int64_t received, doubled, missing, next, unsettled;
    bool transacted, individual;
};

static atomic_bool senders_done;

static bool forbidden(const struct storm *s, int64_t seq)
{
    return s->options.forbidden_every > 0 && seq % s->options.forbidden_every == s->options.forbidden_every - 1;
}

static bool acknowledge(struct receiver *r, ra_message *m)
{
    ra_error *err = NULL;
    int rc = r->individual ? ra_consumer_acknowledge_individually(r->consumer, m, &err)
                           : ra_consumer_acknowledge(r->consumer, m, &err);
    if (rc == 0 && r->transacted && ++r->unsettled == 50) {
        rc = ra_session_commit(r->session, &err);
        r->unsettled = 0;
    }
    if (rc < 0)
        storm_fail(r->storm, "acknowledging", err);
    return rc == 0;
}

static void check(struct receiver *r, const ra_message *m)
{
    int32_t seq = -1;
    ra_message_get_int(m, "seq", &seq, NULL);
    r->received++;
    if (seq < r->next) {
        r->doubled++;
        return;
    }
    for (; r->next < seq; r->next++)
        if (!forbidden(r->storm, r->next))
            r->missing++;
    r->next = seq + 1;
}

static void *receive_loop(void *argument)
{
    struct receiver *r = argument;
    struct storm *s = r->storm;
    while (s->failed == 0) {
        ra_message *m = NULL;
        ra_error *err = NULL;
        bool last = atomic_load(&senders_done); /* looked at first: what is confirmed then is in the queue */
        int got = ra_consumer_receive(r->consumer, last ? 0 : 200, 0, &m, &err);
        if (got < 0) {
            storm_fail(s, "receiving", err);
        } else if (got == RA_RECEIVED) {
            check(r, m);
            acknowledge(r, m);
            ra_message_unref(m);
        } else if (last) {
            break;
        }
    }
    return NULL;
}

static bool open_receiver(struct storm *s, ra_connection *connection, struct receiver *r, int index)
{
    ra_error *err = NULL;
    *r = (struct receiver){.storm = s, .lane = &s->lanes[index]};
    r->transacted = strcmp(s->options.ack, "transacted") == 0;
    r->individual = strcmp(s->options.ack, "individual") == 0;
    if (ra_session_open(connection, r->transacted ? RA_SESSION_TRANSACTED : RA_SESSION_AUTO_COMMIT, &r->session, &err) <
            0 ||
        ra_consumer_open(r->session, r->lane->queue, NULL, 0, 100000, &r->consumer, &err) < 0 ||
        ra_session_start(r->session, &err) < 0) {
        storm_fail(s, "opening a receiver", err);
        return false;
    }
    pthread_create(&r->thread, NULL, receive_loop, r);
    return true;
}

static bool close_receiver(struct storm *s, struct receiver *r)
{
    ra_error *err = NULL;
    int64_t not_done = 0, unknown = 0;
    pthread_join(r->thread, NULL);
    int rc = s->failed > 0 ? -1 : 0;
    if (rc == 0 && r->transacted)
        rc = ra_session_commit(r->session, &err);
    if (rc == 0)
        rc = ra_session_flush(r->session, 60000, &err);
    if (rc == 0)
        rc = ra_session_close(r->session, 60000, &not_done, &unknown, &err);
    if (rc < 0 || not_done + unknown > 0)
        storm_fail(s, "closing a receiver", err);
    ra_consumer_free(r->consumer);
    ra_session_free(r->session);
    return rc == 0;
}

static void cut(struct storm *s)
{
    const struct storm_options *o = &s->options;
    if (o->bytes_max > 0)
        relay_schedule_bytes(s->relay, 1, (uint64_t)o->bytes_max, o->hows, 0);
    else
        relay_schedule(s->relay, (unsigned)o->min_ms, (unsigned)o->max_ms, o->hows, 0);
}

/* Goes on until every lane has sent its share, and longer where that was over before enough cuts. */
static void send_all(struct storm *s)
{
    struct relay_counters relay;
    for (;;) {
        storm_pump(s, 50);
        relay_get_counters(s->relay, &relay);
        if (s->failed > 0 || (storm_total(s, false) >= s->share && relay.effective >= (uint64_t)s->options.cuts))
            break;
    }
    atomic_store(&s->quiet, true);
    if (s->failed == 0 && !storm_settle(s, 300000))
        storm_fail(s, "sends without outcome after 300 s", NULL);
    atomic_store(&senders_done, true);
}

int main(int argc, char **argv)
{
    static struct storm s;
    static struct receiver receivers[64];
    char extra[512];
    storm_arguments(&s.options, argc, argv);
    s.share = s.options.messages;
    s.options.messages = 0; /* the lanes send until they are told to stop */
    if (!storm_open(&s))
        return 1;
    ra_connection *connection = storm_connect(&s, "limited");
    for (int i = 0; i < s.options.lanes && connection != NULL; i++)
        if (!open_receiver(&s, connection, &receivers[i], i))
            return 1;
    storm_start_senders(&s);
    cut(&s);
    send_all(&s);
    int64_t received = 0, doubled = 0, missing = 0, reattached = 0, recreated = 0;
    for (int i = 0; i < s.options.lanes; i++) {
        close_receiver(&s, &receivers[i]);
        received += receivers[i].received;
        doubled += receivers[i].doubled;
        missing += receivers[i].missing;
    }
    ra_connection_stat(connection, RA_STAT_REATTACHED, &reattached, NULL);
    ra_connection_stat(connection, RA_STAT_RECREATED, &recreated, NULL);
    if (ra_connection_close(connection, 30000, NULL, NULL, NULL) < 0)
        storm_fail(&s, "closing the receivers' connection", NULL);
    ra_connection_free(connection);
    snprintf(extra, sizeof extra,
             "\"received\": %" PRId64 ", \"received_twice\": %" PRId64 ", \"missing\": %" PRId64
             ", \"receivers_reattached\": %" PRId64 ", \"receivers_recreated\": %" PRId64,
             received, doubled, missing, reattached, recreated);
    return storm_finish(&s, extra);
}
