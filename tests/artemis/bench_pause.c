/*
 * How long a cut keeps a program from getting work confirmed. The partner of `Reference pause` and its protocol, so
 * that one driver measures both in the same way (tests/support/java/Reference.java).
 *
 *     bench_pause --url tcp://HOST:PORT?OPTIONS --queue Q --mode idle|load [--size S] [--outstanding N] [--wait
 * SECONDS]
 *
 * Says {"ready":true}. The driver, which owns the relay, cuts the link and at once writes the line `cut`. The answer is
 * {"pause_ns":N,"errors":K}: the time from reading that line to the first confirmation of a send that was *started*
 * after it; -1 if none came in time. `quit` or the end of the input ends the program. idle  non-durable messages, one
 * per `cut`, everything else answered before the line is read load  a thread sends durable messages without pause, at
 * most N unconfirmed
 */
#include <reattach/reattach.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bench {
    const char *url, *queue;
    bool load;
    int64_t size, outstanding, wait_s;
    ra_connection *connection;
    ra_session *session;
    ra_producer *producer;
    ra_message *message;
    pthread_mutex_t mutex;
    pthread_cond_t confirmed;
    bool started;   /* the send of `next - 1` was begun and found no room yet */
    int64_t next;   /* the number of the next send that is begun */
    int64_t target; /* a confirmation from here on ends a pause */
    int64_t target_ns;
    atomic_llong unconfirmed, sent, good, errors;
    atomic_bool stop;
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void check(int rc, ra_error **err)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_pause: %s\n", ra_error_message(*err));
    exit(2);
}

static void on_outcome(void *user, const ra_event *event)
{
    struct bench *b = user;
    int64_t now = now_ns(), first = (int64_t)ra_event_first_tag(event), last = (int64_t)ra_event_last_tag(event);
    bool good = ra_event_outcome(event) == RA_OUTCOME_CONFIRMED;

    b->unconfirmed -= last - first + 1;
    *(good ? &b->good : &b->errors) += last - first + 1;
    pthread_mutex_lock(&b->mutex);
    if (good && last >= b->target) {
        b->target = INT64_MAX;
        b->target_ns = now;
        pthread_cond_signal(&b->confirmed);
    }
    pthread_mutex_unlock(&b->mutex);
}

static bool send_one(struct bench *b)
{
    ra_error *err = NULL;
    int64_t tag;
    int rc;

    pthread_mutex_lock(&b->mutex);
    tag = b->started ? b->next - 1 : b->next++;
    b->started = true;
    pthread_mutex_unlock(&b->mutex);
    check(ra_message_set_int(b->message, "seq", (int32_t)tag, &err), &err);
    rc = ra_producer_send_tagged(b->producer, NULL, b->message, (uint64_t)tag, &err);
    if (rc == RA_E_WOULD_BLOCK) {
        ra_error_free(err);
        return false;
    }
    check(rc, &err);
    b->started = false;
    b->unconfirmed++;
    b->sent++;
    return true;
}

/* Sends (under load) and hears the outcomes. */
static void *work(void *user)
{
    struct bench *b = user;
    ra_error *err = NULL;

    while (!b->stop) {
        bool room = true;
        int rc;

        for (int i = 0; b->load && room && i < 64 && b->unconfirmed < b->outstanding; i++)
            room = send_one(b);
        if (!b->load || !room || b->unconfirmed >= b->outstanding) {
            rc = room ? ra_connection_wait_event(b->connection, 100, &err)
                      : ra_producer_wait_writable(b->producer, 100, RA_WAIT_EVENTS, &err);
            if (rc == RA_E_TIMEOUT)
                ra_error_free(err);
            else
                check(rc, &err);
        }
        check(ra_connection_dispatch(b->connection, 0, &err), &err);
    }
    return NULL;
}

static struct timespec deadline(const struct bench *b)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += b->wait_s;
    return until;
}

/* From now on: the time of the first confirmation of a send that begins after this. */
static int64_t await_next(struct bench *b)
{
    struct timespec until = deadline(b);
    int64_t mark = now_ns(), found;

    pthread_mutex_lock(&b->mutex);
    b->target = b->next;
    b->target_ns = 0;
    pthread_mutex_unlock(&b->mutex);
    while (!b->load && !send_one(b))
        ra_producer_wait_writable(b->producer, 100, 0, NULL);
    pthread_mutex_lock(&b->mutex);
    while (b->target_ns == 0 && pthread_cond_timedwait(&b->confirmed, &b->mutex, &until) == 0)
        ;
    found = b->target_ns;
    b->target = INT64_MAX;
    pthread_mutex_unlock(&b->mutex);
    return found == 0 ? -1 : found - mark;
}

static void set_up(struct bench *b)
{
    void *body = calloc(1, (size_t)b->size + 1);
    ra_error *err = NULL;

    check(ra_connection_open(b->url, NULL, 10000, &b->connection, &err), &err);
    check(ra_session_open(b->connection, RA_SESSION_AUTO_COMMIT, &b->session, &err), &err);
    check(ra_connection_listen(b->connection, b->session, RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME), on_outcome, b, NULL,
                               NULL, &err),
          &err);
    check(ra_producer_open(b->session, b->queue, &b->producer, &err), &err);
    check(ra_message_new(RA_MESSAGE_DEFAULT, &b->message, &err), &err);
    check(ra_message_set_durable(b->message, b->load, &err), &err);
    check(ra_message_set_body(b->message, body, (size_t)b->size, &err), &err);
    free(body);
}

static void serve(struct bench *b)
{
    char line[64];
    int64_t before = b->errors;

    await_next(b);
    printf("{\"ready\":true}\n");
    while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
        int64_t ns = await_next(b);

        printf("{\"pause_ns\":%lld,\"errors\":%lld}\n", (long long)ns, (long long)(b->errors - before));
        before = b->errors;
    }
}

static void say_end(struct bench *b)
{
    int64_t stat[RA_STAT_BYTES_IN + 1] = { 0 };

    for (int id = RA_STAT_LINKS; id <= RA_STAT_BYTES_IN; id++)
        ra_connection_stat(b->connection, id, &stat[id], NULL);
    printf("{\"sent\":%lld,\"confirmed\":%lld,\"errors\":%lld,\"links_lost\":%lld,\"reattached\":%lld,"
           "\"recreated\":%lld,\"barriers\":%lld,\"recoveries_cut\":%lld}\n",
           (long long)b->sent, (long long)b->good, (long long)b->errors, (long long)stat[RA_STAT_LINKS_LOST],
           (long long)stat[RA_STAT_REATTACHED], (long long)stat[RA_STAT_RECREATED], (long long)stat[RA_STAT_BARRIERS],
           (long long)stat[RA_STAT_RECOVERIES_CUT]);
}

static void parse(struct bench *b, int argc, char **argv)
{
    const char *mode = "";

    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];

        if (strcmp(argv[i], "--url") == 0)
            b->url = value;
        else if (strcmp(argv[i], "--queue") == 0)
            b->queue = value;
        else if (strcmp(argv[i], "--mode") == 0)
            mode = value;
        else if (strcmp(argv[i], "--size") == 0)
            b->size = atoll(value);
        else if (strcmp(argv[i], "--outstanding") == 0)
            b->outstanding = atoll(value);
        else if (strcmp(argv[i], "--wait") == 0)
            b->wait_s = atoll(value);
    }
    b->load = strcmp(mode, "load") == 0;
    if (b->url == NULL || b->queue == NULL || (!b->load && strcmp(mode, "idle") != 0)) {
        fprintf(stderr, "usage: bench_pause --url URL --queue Q --mode idle|load [--size S] [--outstanding N]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct bench b = { .size = 100,
                              .outstanding = 1000,
                              .wait_s = 60,
                              .target = INT64_MAX,
                              .mutex = PTHREAD_MUTEX_INITIALIZER,
                              .confirmed = PTHREAD_COND_INITIALIZER };
    pthread_t worker;

    parse(&b, argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    set_up(&b);
    if (pthread_create(&worker, NULL, work, &b) != 0)
        return 2;
    serve(&b);
    b.stop = true;
    pthread_join(worker, NULL);
    say_end(&b);
    ra_message_unref(b.message);
    ra_connection_close(b.connection, 5000, NULL, NULL, NULL);
    ra_producer_free(b.producer);
    ra_session_free(b.session);
    ra_connection_free(b.connection);
    return 0;
}
