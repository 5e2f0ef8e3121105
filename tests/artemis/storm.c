#include "storm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/handle.h"
#include "engine/internal.h"

/* --- small things --- */

int64_t storm_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

uint64_t storm_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int64_t storm_between(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(storm_random(state) % (uint64_t)(high - low + 1));
}

void storm_fail(struct storm *s, const char *what, ra_error *err)
{
    if (atomic_fetch_add(&s->failed, 1) == 0) {
        snprintf(s->error, sizeof s->error, "%s: %s", what, err != NULL ? ra_error_message(err) : "failed");
        fprintf(stderr, "storm: %s\n", s->error);
    }
    ra_error_free(err);
}

static unsigned parse_hows(const char *text)
{
    char copy[128];
    unsigned mask = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *save = NULL, *how = strtok_r(copy, ",", &save); how != NULL; how = strtok_r(NULL, ",", &save))
        mask |= RELAY_MASK(relay_how_parse(how));
    return mask;
}

struct argument {
    const char *name;
    int64_t *number;
    const char **text;
};

static bool take_number(struct storm_options *o, const char *name, int64_t n)
{
    struct {
        const char *name;
        int *to;
    } ints[] = {{"--lanes", &o->lanes},       {"--threads", &o->threads}, {"--keep", &o->keep},
                {"--body-min", &o->body_min}, {"--body-max", &o->body_max}, {"--cuts", &o->cuts},
                {"--min-ms", &o->min_ms},     {"--max-ms", &o->max_ms},   {"--delay", &o->delay_ms},
                {"--forbidden-every", &o->forbidden_every}};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        if (strcmp(name, ints[i].name) == 0) {
            *ints[i].to = (int)n;
            return true;
        }
    }
    if (strcmp(name, "--broker") == 0)
        o->broker = (uint16_t)n;
    else if (strcmp(name, "--messages") == 0)
        o->messages = n;
    else if (strcmp(name, "--seed") == 0)
        o->seed = (uint64_t)n;
    else if (strcmp(name, "--bytes") == 0)
        o->bytes_max = n;
    else if (strcmp(name, "--no-barrier") == 0)
        o->no_barrier = n != 0;
    else
        return false;
    return true;
}

static bool take_text(struct storm_options *o, const char *name, const char *value)
{
    if (strcmp(name, "--queue") == 0)
        o->queue = value;
    else if (strcmp(name, "--out") == 0)
        o->out = value;
    else if (strcmp(name, "--ack") == 0)
        o->ack = value;
    else if (strcmp(name, "--options") == 0)
        o->extra = value;
    else if (strcmp(name, "--how") == 0)
        o->hows = parse_hows(value);
    else if (strcmp(name, "--second") == 0)
        o->second = strtod(value, NULL);
    else
        return false;
    return true;
}

void storm_arguments(struct storm_options *o, int argc, char **argv)
{
    *o = (struct storm_options){.queue = "storm",
                                .lanes = 1,
                                .threads = 1,
                                .forbidden_every = 50,
                                .keep = 1000,
                                .body_min = 10,
                                .body_max = 1500,
                                .seed = 1,
                                .cuts = 20,
                                .hows = RELAY_MASK(RELAY_RST),
                                .ack = "auto",
                                .min_ms = 100,
                                .max_ms = 500,
                                .extra = ""};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (take_text(o, argv[i], argv[i + 1]) || take_number(o, argv[i], strtoll(argv[i + 1], NULL, 10)))
            continue;
        fprintf(stderr, "%s: unknown argument %s\n", argv[0], argv[i]);
        exit(2);
    }
    if (argc % 2 == 0 || o->broker == 0 || o->lanes < 1 || o->lanes > STORM_LANES_MAX || o->threads > STORM_LANES_MAX) {
        fprintf(stderr, "%s: --broker PORT is needed, and every argument has a value\n", argv[0]);
        exit(2);
    }
}

/* For a storm that hangs: where each session stands. */
void storm_dump(struct storm *s)
{
    if (rai_client_enter(s->connection->client, NULL) != 0)
        return;
    rai_engine *e = rai_client_engine(s->connection->client);
    fprintf(stderr, "main %d first %d further %d links", e->main != NULL, e->first != NULL, e->further != NULL);
    for (const struct rai_link *l = e->links; l != NULL; l = l->next)
        fprintf(stderr, " %u:%d", l->id, (int)l->state);
    for (const rai_session *session = e->sessions; session != NULL; session = session->next)
        fprintf(stderr, "\n%" PRId64 " %s link %u due %u log %zu stuck %d", session->channel,
                rai_session_state_name((int)session->state), session->link != NULL ? session->link->id : 0, session->due,
                rai_log_bytes(&session->log), session->stuck);
    fprintf(stderr, "\n");
    rai_client_leave(s->connection->client);
}

/* --- setting up --- */

ra_connection *storm_connect(struct storm *s, const char *user)
{
    char url[1024];
    ra_error *err = NULL;
    ra_connection *connection = NULL;
    snprintf(url, sizeof url,
             "tcp://127.0.0.1:%u?user=%s&password=%s&confirmationWindowSize=65536&reconnectAttempts=-1&retryInterval=5"
             "&maxRetryInterval=50&retryIntervalMultiplier=1.5&callTimeout=120000&callFailoverTimeout=120000"
             "&connect-timeout-millis=5000&routeCheck=none&producerWindowSize=-1%s%s",
             (unsigned)relay_port(s->relay), user, user, s->options.extra[0] != '\0' ? "&" : "", s->options.extra);
    if (ra_connection_open(url, NULL, 20000, &connection, &err) < 0) {
        storm_fail(s, "connecting", err);
        return NULL;
    }
    struct rai_test_hooks hooks = {.no_barrier = s->options.no_barrier};
    if (s->options.no_barrier && rai_client_enter(connection->client, NULL) == 0) {
        rai_engine_set_hooks(rai_client_engine(connection->client), &hooks);
        rai_client_leave(connection->client);
    }
    return connection;
}

static bool open_lane(struct storm *s, int index)
{
    struct lane *l = &s->lanes[index];
    ra_error *err = NULL;
    *l = (struct lane){.index = index, .storm = s, .random = s->options.seed * 1000 + (uint64_t)index};
    snprintf(l->queue, sizeof l->queue, "%s.%d", s->options.queue, index);
    l->room = s->options.messages > 0 ? s->options.messages : 1 << 22;
    l->outcome = calloc((size_t)l->room, 1);
    if (ra_session_open(s->connection, RA_SESSION_AUTO_COMMIT, &l->session, &err) < 0 ||
        ra_session_create_queue(l->session, l->queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL, &err) < 0 ||
        ra_producer_open(l->session, l->queue, &l->producer, &err) < 0 ||
        ra_producer_open(l->session, NULL, &l->forbidden, &err) < 0 ||
        ra_message_new(RA_MESSAGE_BYTES, &l->message, &err) < 0 ||
        ra_message_set_durable(l->message, 1, &err) < 0) {
        storm_fail(s, "opening a lane", err);
        return false;
    }
    return true;
}

bool storm_open(struct storm *s)
{
    char text[256];
    struct relay_options relay = {.target = s->options.broker, .seed = s->options.seed, .keep_ms = 3000};
    s->random = s->options.seed;
    s->began_us = storm_now_us();
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->moved, NULL);
    s->relay = relay_start(&relay, text, sizeof text);
    if (s->relay == NULL) {
        fprintf(stderr, "storm: relay: %s\n", text);
        return false;
    }
    s->connection = storm_connect(s, "limited");
    s->lanes = calloc((size_t)s->options.lanes, sizeof *s->lanes);
    for (int i = 0; i < s->options.lanes && s->connection != NULL; i++)
        if (!open_lane(s, i))
            return false;
    return s->connection != NULL;
}

/* --- senders --- */

static uint8_t filler[4096];

bool storm_lane_send(struct lane *l, int64_t seq)
{
    struct storm *s = l->storm;
    ra_error *err = NULL;
    int every = s->options.forbidden_every;
    bool forbidden = every > 0 && seq % every == every - 1;
    size_t size = (size_t)storm_between(&l->random, s->options.body_min, s->options.body_max);
    ra_producer *producer = forbidden ? l->forbidden : l->producer;
    const char *address = forbidden ? "forbidden.x" : NULL;
    ra_message_set_int(l->message, "seq", (int32_t)seq, NULL);
    ra_message_lend_body(l->message, filler, size, NULL);
    for (;;) {
        int rc = ra_producer_send_tagged(producer, address, l->message, (uint64_t)seq, &err);
        if (rc == 0)
            return true;
        if (rc != RA_E_WOULD_BLOCK)
            break;
        ra_error_free(err);
        err = NULL;
        if (ra_producer_wait_writable(producer, 120000, 0, &err) < 0)
            break;
    }
    storm_fail(s, "sending", err);
    return false;
}

static bool lane_wants(struct lane *l)
{
    const struct storm_options *o = &l->storm->options;
    if (atomic_load(&l->storm->quiet) || (o->messages > 0 && l->sent >= o->messages) || l->sent >= l->room)
        return false;
    return l->sent - l->settled < o->keep + o->keep / 2;
}

static bool feed(struct lane *l)
{
    int64_t batch = storm_between(&l->random, 1, 100);
    bool any = false;
    while (batch-- > 0 && lane_wants(l) && !atomic_load(&l->storm->stop)) {
        if (!storm_lane_send(l, l->sent))
            return false;
        l->sent++;
        any = true;
    }
    return any;
}

struct sender {
    struct storm *storm;
    int first, step;
};

static void *send_loop(void *argument)
{
    struct sender *me = argument;
    struct storm *s = me->storm;
    while (!atomic_load(&s->stop) && atomic_load(&s->failed) == 0) {
        bool any = false;
        for (int i = me->first; i < s->options.lanes; i += me->step)
            any = feed(&s->lanes[i]) || any;
        if (any)
            continue;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_mutex_lock(&s->lock);
        pthread_cond_timedwait(&s->moved, &s->lock, &until);
        pthread_mutex_unlock(&s->lock);
    }
    free(me);
    return NULL;
}

void storm_start_senders(struct storm *s)
{
    for (int i = 0; i < s->options.threads && i < STORM_THREADS_MAX; i++) {
        struct sender *me = malloc(sizeof *me);
        *me = (struct sender){.storm = s, .first = i, .step = s->options.threads};
        pthread_create(&s->threads[i], NULL, send_loop, me);
    }
}

/* --- outcomes --- */

static struct lane *lane_of(struct storm *s, const ra_session *session)
{
    for (int i = 0; i < s->options.lanes; i++)
        if (s->lanes[i].session == session)
            return &s->lanes[i];
    return NULL;
}

static void note(struct storm *s, const ra_event *event)
{
    struct lane *l = lane_of(s, ra_event_session(event));
    for (uint64_t tag = ra_event_first_tag(event); l != NULL && tag <= ra_event_last_tag(event); tag++) {
        if (l->outcome[tag] != 0)
            l->doubled_outcomes++;
        l->outcome[tag] = (uint8_t)ra_event_outcome(event);
        l->settled++;
    }
}

void storm_pump(struct storm *s, int64_t ms)
{
    ra_event *event = NULL;
    bool any = false;
    if (ra_connection_wait_event(s->connection, ms, NULL) < 0)
        return;
    while (ra_connection_next_event(s->connection, &event, NULL) == 1) {
        if (ra_event_kind(event) == RA_EVENT_SEND_OUTCOME)
            note(s, event);
        ra_event_free(event);
        any = true;
    }
    if (!any)
        return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

int64_t storm_total(struct storm *s, bool settled)
{
    int64_t total = 0;
    for (int i = 0; i < s->options.lanes; i++)
        total += settled ? s->lanes[i].settled : s->lanes[i].sent;
    return total;
}

int64_t storm_patience_ms(const struct storm *s, int64_t ms)
{
    return s->options.no_barrier ? 3000 : ms;
}

bool storm_settle(struct storm *s, int64_t ms)
{
    int64_t until = storm_now_us() + ms * 1000;
    while (storm_total(s, true) < storm_total(s, false) && storm_now_us() < until)
        storm_pump(s, 10);
    return storm_total(s, true) == storm_total(s, false);
}

int64_t storm_stat(struct storm *s, int32_t id)
{
    int64_t value = -1;
    ra_connection_stat(s->connection, id, &value, NULL);
    return value;
}

/* --- the end --- */

static void write_outcomes(struct storm *s)
{
    char path[512];
    for (int i = 0; i < s->options.lanes && s->options.out != NULL; i++) {
        snprintf(path, sizeof path, "%s.%d", s->options.out, i);
        FILE *f = fopen(path, "wb");
        if (f == NULL || fwrite(s->lanes[i].outcome, 1, (size_t)s->lanes[i].sent, f) != (size_t)s->lanes[i].sent)
            storm_fail(s, "writing the outcomes", NULL);
        if (f != NULL)
            fclose(f);
    }
}

static void print_stats(struct storm *s)
{
    for (int32_t id = RA_STAT_LINKS; id <= RA_STAT_RECOVERIES_CUT; id++)
        printf(", \"%s\": %" PRId64, ra_stat_name(id), storm_stat(s, id));
}

static void close_all(struct storm *s)
{
    ra_error *err = NULL;
    for (int i = 0; i < s->options.lanes; i++) {
        struct lane *l = &s->lanes[i];
        ra_producer_free(l->producer);
        ra_producer_free(l->forbidden);
        ra_message_unref(l->message);
        ra_session_free(l->session);
        free(l->outcome);
    }
    if (s->connection != NULL && ra_connection_close(s->connection, 30000, NULL, NULL, &err) < 0)
        storm_fail(s, "closing", err);
    ra_connection_free(s->connection);
    relay_stop(s->relay);
    free(s->lanes);
}

int storm_finish(struct storm *s, const char *extra)
{
    struct relay_counters relay;
    char counters[1024];
    int64_t doubled = 0;
    atomic_store(&s->stop, true);
    for (int i = 0; i < STORM_THREADS_MAX && s->threads[i] != 0; i++)
        pthread_join(s->threads[i], NULL);
    relay_schedule_stop(s->relay);
    relay_disarm(s->relay, 0);
    if (s->failed == 0 && !storm_settle(s, storm_patience_ms(s, 120000)))
        s->hangs++;
    for (int i = 0; i < s->options.lanes; i++)
        doubled += s->lanes[i].doubled_outcomes;
    write_outcomes(s);
    relay_get_counters(s->relay, &relay);
    relay_counters_json(&relay, counters, sizeof counters);
    printf("{\"sent\": %" PRId64 ", \"settled\": %" PRId64 ", \"doubled_outcomes\": %" PRId64 ", \"hangs\": %" PRId64
           ", \"errors\": %d, \"error\": \"%.200s\", \"second_cuts\": %" PRId64 ", \"quiet_cuts\": %" PRId64
           ", \"unanswered_at_cuts\": %" PRId64 ", \"seconds\": %.1f",
           storm_total(s, false), storm_total(s, true), doubled, s->hangs, s->failed, s->error, s->second_cuts,
           s->quiet_cuts, s->busy_cuts > 0 ? s->unanswered / s->busy_cuts : 0, (double)(storm_now_us() - s->began_us) / 1e6);
    print_stats(s);
    printf(", \"relay\": %s%s%s}\n", counters, extra[0] != '\0' ? ", " : "", extra);
    fflush(stdout);
    bool fine = s->failed == 0 && s->hangs == 0 && doubled == 0;
    if (!fine)
        _exit(1); /* what hangs may hang on */
    close_all(s);
    return s->failed == 0 ? 0 : 1;
}
