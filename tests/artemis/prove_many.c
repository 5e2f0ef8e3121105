/*
 * Many sessions cut at once, behind a relay that delays everything: each has ten durable sends in flight, every tenth is
 * transacted with an acknowledgement pending, a few have nothing logged, one is held up on purpose, and a second cut falls
 * while barriers are out. prove_many.py drives it and judges.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "engine/internal.h"
#include "storm.h"

enum { SENDS = 10, SPACE = 16, NOT_SENT = 255 };

struct one {
    ra_connection *connection;
    ra_session *session;
    ra_producer *producer, *forbidden;
    ra_consumer *consumer;
    char source[96];
    bool transacted, idle, held;
    int64_t back_us; /* since the cut, of the last re-attachment */
    int reattached;
};

struct many {
    struct storm s;
    int connections, per_connection, count;
    ra_connection **all;
    struct one *ones;
    uint8_t *outcome;
    int64_t sent, settled, cut_us;
    ra_message *message;
};

static int64_t forbidden_seq(int index)
{
    return index % 5 == 4 && index % 10 != 9 ? (int64_t)index * SPACE + SENDS : -1;
}

static bool send_one(struct many *m, int index, int i)
{
    struct one *o = &m->ones[index];
    int64_t seq = (int64_t)index * SPACE + i;
    bool forbidden = seq == forbidden_seq(index);
    ra_error *err = NULL;
    ra_message_set_int(m->message, "seq", (int32_t)seq, NULL);
    if (ra_producer_send_tagged(forbidden ? o->forbidden : o->producer, forbidden ? "forbidden.x" : NULL, m->message,
                                (uint64_t)seq, &err) < 0) {
        storm_fail(&m->s, "sending", err);
        return false;
    }
    m->sent++;
    m->outcome[seq] = 0;
    return true;
}

/* --- events --- */

static struct one *find(struct many *m, const ra_session *session)
{
    for (int i = 0; i < m->count; i++)
        if (m->ones[i].session == session)
            return &m->ones[i];
    return NULL;
}

static void hear(struct many *m, const ra_event *event)
{
    if (ra_event_kind(event) == RA_EVENT_SEND_OUTCOME) {
        for (uint64_t tag = ra_event_first_tag(event); tag <= ra_event_last_tag(event); tag++, m->settled++) {
            if (m->outcome[tag] != 0)
                storm_fail(&m->s, "a second outcome", NULL);
            m->outcome[tag] = (uint8_t)ra_event_outcome(event);
        }
    } else if (ra_event_kind(event) == RA_EVENT_REATTACHED) {
        struct one *o = find(m, ra_event_session(event));
        if (o != NULL) {
            o->back_us = storm_now_us() - m->cut_us;
            o->reattached++;
        }
    } else if (ra_event_kind(event) == RA_EVENT_RECREATED || ra_event_kind(event) == RA_EVENT_SESSION_LOST) {
        storm_fail(&m->s, "a session was not re-attached", NULL);
    }
}

static void pump(struct many *m)
{
    struct pollfd *fds = calloc((size_t)m->connections, sizeof *fds);
    for (int i = 0; i < m->connections; i++)
        fds[i] = (struct pollfd){.fd = ra_connection_descriptor(m->all[i], NULL), .events = POLLIN};
    poll(fds, (nfds_t)m->connections, 5);
    free(fds);
    for (int i = 0; i < m->connections; i++) {
        ra_event *event = NULL;
        while (ra_connection_next_event(m->all[i], &event, NULL) == 1) {
            hear(m, event);
            ra_event_free(event);
        }
    }
}

static bool settle(struct many *m, int64_t seconds)
{
    int64_t until = storm_now_us() + seconds * 1000000;
    while (m->settled < m->sent && storm_now_us() < until && m->s.failed == 0)
        pump(m);
    return m->settled == m->sent;
}

/* --- setting up --- */

static bool open_sessions(struct many *m)
{
    ra_operation **ops = calloc((size_t)m->count, sizeof *ops);
    ra_error *err = NULL;
    int rc = 0;
    for (int i = 0; i < m->count && rc == 0; i++) {
        struct one *o = &m->ones[i];
        o->connection = m->all[i / m->per_connection];
        o->transacted = i % 10 == 9;
        o->idle = i % 100 == 50;
        rc = ra_session_open_begin(o->connection, o->transacted ? RA_SESSION_TRANSACTED : RA_SESSION_AUTO_COMMIT,
                                   &o->session, &ops[i], &err);
    }
    for (int i = 0; i < m->count; i++) {
        if (rc == 0)
            rc = ra_operation_wait(ops[i], 60000, 0, &err);
        ra_operation_free(ops[i]);
    }
    free(ops);
    if (rc != 0)
        storm_fail(&m->s, "opening sessions", err);
    return rc == 0;
}

/* One step of the preparation for all transacted sessions at once: the disk is slow. */
typedef int begin(struct many *m, int index, ra_operation **op, ra_error **err);

static int begin_queue(struct many *m, int index, ra_operation **op, ra_error **err)
{
    struct one *o = &m->ones[index];
    snprintf(o->source, sizeof o->source, "%s.source.%d", m->s.options.queue, index);
    return ra_session_create_queue_begin(o->session, o->source, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL, op, err);
}

/* By the neighbour, which commits by itself. */
static int begin_message(struct many *m, int index, ra_operation **op, ra_error **err)
{
    int rc;
    while ((rc = ra_producer_send_begin(m->ones[index - 1].forbidden, m->ones[index].source, m->message, op, err)) ==
           RA_E_WOULD_BLOCK) {
        ra_error_free(*err);
        *err = NULL;
    }
    return rc;
}

static int begin_consumer(struct many *m, int index, ra_operation **op, ra_error **err)
{
    struct one *o = &m->ones[index];
    return ra_consumer_open_begin(o->session, o->source, NULL, 0, -2, &o->consumer, op, err);
}

static bool all_transacted(struct many *m, begin *step)
{
    ra_operation **ops = calloc((size_t)m->count, sizeof *ops);
    ra_error *err = NULL;
    int rc = 0;
    for (int i = 0; i < m->count && rc == 0; i++)
        rc = m->ones[i].transacted ? step(m, i, &ops[i], &err) : 0;
    for (int i = 0; i < m->count; i++) {
        if (rc == 0 && ops[i] != NULL)
            rc = ra_operation_wait(ops[i], 60000, 0, &err);
        ra_operation_free(ops[i]);
    }
    free(ops);
    if (rc != 0)
        storm_fail(&m->s, "preparing the transacted sessions", err);
    return rc == 0;
}

static bool open_producers(struct many *m)
{
    ra_error *err = NULL;
    int rc = 0;
    for (int i = 0; i < m->count && rc == 0; i++) {
        struct one *o = &m->ones[i];
        rc = ra_producer_open(o->session, m->s.options.queue, &o->producer, &err);
        if (rc == 0)
            rc = ra_producer_open(o->session, NULL, &o->forbidden, &err);
        if (rc == 0 && o->transacted)
            rc = ra_session_start(o->session, &err);
    }
    if (rc != 0)
        storm_fail(&m->s, "opening producers", err);
    return rc == 0;
}

static bool set_up(struct many *m)
{
    ra_error *err = NULL;
    m->ones = calloc((size_t)m->count, sizeof *m->ones);
    m->outcome = malloc((size_t)m->count * SPACE);
    memset(m->outcome, NOT_SENT, (size_t)m->count * SPACE);
    m->all = calloc((size_t)m->connections, sizeof(ra_connection *));
    for (int i = 0; i < m->connections; i++) {
        m->all[i] = storm_connect(&m->s, "limited");
        if (m->all[i] == NULL || ra_connection_subscribe(m->all[i], RA_EVENTS_ALL, &err) < 0)
            return false;
    }
    ra_message_new(RA_MESSAGE_BYTES, &m->message, NULL);
    ra_message_set_durable(m->message, 1, NULL);
    ra_message_set_body(m->message, "0123456789", 10, NULL);
    if (!open_sessions(m))
        return false;
    if (ra_session_create_queue(m->ones[0].session, m->s.options.queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL,
                                &err) < 0)
        storm_fail(&m->s, "creating the queue", err);
    if (!open_producers(m) || !all_transacted(m, begin_queue) || !all_transacted(m, begin_message) ||
        !all_transacted(m, begin_consumer))
        return false;
    for (int i = 0; i < m->count && m->s.failed == 0; i++)
        if (!m->ones[i].transacted)
            send_one(m, i, 0);
    return m->s.failed == 0 && settle(m, 60); /* the first send of each proves its address, the ten are pipelined */
}

/* --- the cut --- */

static void hold_one(struct many *m)
{
    struct one *o = &m->ones[m->count / 2 + 1];
    rai_client *client = o->connection->client;
    if (rai_client_enter(client, NULL) != 0)
        return;
    struct rai_test_hooks hooks = {.hold_session = o->session->engine->channel, .hold_us = 5000000};
    rai_engine_set_hooks(rai_client_engine(client), &hooks);
    rai_client_leave(client);
    o->held = true;
}

static void pump_for(struct many *m, int64_t us)
{
    int64_t until = storm_now_us() + us;
    while (storm_now_us() < until)
        pump(m);
}

static void send_some(struct many *m, int from, int to)
{
    for (int i = 0; i < m->count && m->s.failed == 0; i++)
        for (int k = from; k <= to && !m->ones[i].idle; k++)
            send_one(m, i, k);
}

static void load(struct many *m)
{
    for (int i = 0; i < m->count && m->s.failed == 0; i++) {
        struct one *o = &m->ones[i];
        ra_message *in = NULL;
        ra_error *err = NULL;
        if (o->transacted && (ra_consumer_receive(o->consumer, 20000, 0, &in, &err) != RA_RECEIVED ||
                              ra_consumer_acknowledge_individually(o->consumer, in, &err) < 0))
            storm_fail(&m->s, "receiving", err);
        ra_message_unref(in);
    }
    relay_delay(m->s.relay, (unsigned)m->s.options.delay_ms);
    send_some(m, 1, SENDS / 2);
    pump_for(m, (int64_t)m->s.options.delay_ms * 2000); /* these reach the broker, .. */
    send_some(m, SENDS / 2 + 1, SENDS - 2);
    pump_for(m, (int64_t)m->s.options.delay_ms * 1000); /* .. these are being stored when the link is cut, .. */
    send_some(m, SENDS - 1, SENDS); /* .. and these do not arrive */
}

static bool all_back(const struct many *m)
{
    for (int i = 0; i < m->count; i++)
        if (m->ones[i].reattached == 0)
            return false;
    return true;
}

static void cut_twice(struct many *m)
{
    struct relay_match exception = relay_match_type(RELAY_TO_CLIENT, RAI_EXCEPTION);
    exception.nth = (unsigned)(m->connections == 1 ? m->count / 3 : 3);
    m->cut_us = storm_now_us();
    relay_cut(m->s.relay, RELAY_RST);
    int trap = relay_cut_at(m->s.relay, &exception, RELAY_BEFORE, 0, RELAY_RST);
    int64_t late = storm_now_us() + 60000000;
    while (m->s.failed == 0 && storm_now_us() < late && !all_back(m)) {
        pump(m);
        if (trap > 0 && relay_wait_trap(m->s.relay, trap, 0)) {
            m->s.second_cuts++;
            trap = 0;
        }
    }
    if (!all_back(m))
        storm_fail(&m->s, "not every session was re-attached within 60 s", NULL);
}

static void commit_all(struct many *m)
{
    for (int i = 0; i < m->count && m->s.failed == 0; i++) {
        ra_error *err = NULL;
        if (m->ones[i].transacted && ra_session_commit(m->ones[i].session, &err) < 0)
            storm_fail(&m->s, "committing", err);
    }
}

/* --- the end --- */

static int64_t left_at_sources(struct many *m)
{
    int64_t left = 0;
    for (int i = 0; i < m->count && m->s.failed == 0; i++) {
        ra_queue_info *info = NULL;
        if (!m->ones[i].transacted)
            continue;
        if (ra_session_query_queue(m->ones[i].session, m->ones[i].source, &info, NULL) == 0)
            left += ra_queue_info_message_count(info);
        ra_queue_info_free(info);
        ra_consumer_close(m->ones[i].consumer, NULL);
        ra_session_delete_queue(m->ones[i].session, m->ones[i].source, NULL);
    }
    return left;
}

static int64_t stat_of_all(const struct many *m, int32_t id)
{
    int64_t total = 0, value = 0;
    for (int i = 0; i < m->connections; i++)
        if (ra_connection_stat(m->all[i], id, &value, NULL) == 0)
            total += value;
    return total;
}

static void report(struct many *m, int64_t left)
{
    int64_t others = 0, held = 0;
    for (int i = 0; i < m->count; i++) {
        int64_t *to = m->ones[i].held ? &held : &others;
        *to = m->ones[i].back_us > *to ? m->ones[i].back_us : *to;
    }
    FILE *f = m->s.options.out != NULL ? fopen(m->s.options.out, "wb") : NULL;
    if (f != NULL) {
        fwrite(m->outcome, 1, (size_t)m->count * SPACE, f);
        fclose(f);
    }
    printf("{\"sent\": %" PRId64 ", \"settled\": %" PRId64 ", \"errors\": %d, \"error\": \"%.200s\", \"hangs\": %d"
           ", \"second_cuts\": %" PRId64 ", \"others_ms\": %" PRId64 ", \"held_ms\": %" PRId64 ", \"left\": %" PRId64,
           m->sent, m->settled, m->s.failed, m->s.error, m->settled != m->sent, m->s.second_cuts, others / 1000,
           held / 1000, left);
    for (int32_t id = RA_STAT_LINKS; id <= RA_STAT_RECOVERIES_CUT; id++)
        printf(", \"%s\": %" PRId64, ra_stat_name(id), stat_of_all(m, id));
    printf("}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct many m;
    char text[256];
    storm_arguments(&m.s.options, argc, argv);
    m.connections = m.s.options.threads; /* --threads: connections, --lanes: sessions on each */
    m.per_connection = m.s.options.lanes;
    m.count = m.connections * m.per_connection;
    struct relay_options relay = {.target = m.s.options.broker, .seed = m.s.options.seed};
    m.s.relay = relay_start(&relay, text, sizeof text);
    if (m.s.relay == NULL || !set_up(&m))
        storm_fail(&m.s, "setting up", NULL);
    if (m.s.failed == 0) {
        hold_one(&m);
        load(&m);
        cut_twice(&m);
        if (!settle(&m, 60))
            storm_fail(&m.s, "sends without outcome", NULL);
        relay_delay(m.s.relay, 0);
        commit_all(&m);
    }
    int64_t left = left_at_sources(&m);
    report(&m, left);
    int64_t not_done = 0, unknown = 0;
    for (int i = 0; i < m.connections && m.s.failed == 0; i++)
        if (ra_connection_close(m.all[i], 30000, &not_done, &unknown, NULL) < 0 || not_done + unknown > 0)
            storm_fail(&m.s, "closing", NULL);
    return m.s.failed == 0 ? 0 : 1;
}
