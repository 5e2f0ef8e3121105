/* Several threads on one connection, and on one session. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kit.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 4, SENDS = 2000 };

struct worker {
    pthread_t thread;
    ra_session *session;
    ra_producer *producer;
    int number;
    int failed;
};

/* Threads do not assert: they count, and the test looks. */
static void *send_tagged(void *argument)
{
    struct worker *w = argument;
    for (int32_t i = 0; i < SENDS; i++) {
        ra_message *message = NULL;
        int32_t seq = w->number * SENDS + i;
        int rc = ra_message_new(RA_MESSAGE_DEFAULT, &message, NULL);
        rc |= ra_message_set_int(message, "seq", seq, NULL);
        int sent;
        while ((sent = ra_producer_send_tagged(w->producer, NULL, message, (uint64_t)seq, NULL)) == RA_E_WOULD_BLOCK)
            if (ra_producer_wait_writable(w->producer, PATIENCE_MS, 0, NULL) < 0)
                break;
        w->failed += rc != 0 || sent != 0;
        ra_message_unref(message);
    }
    return NULL;
}

static void start(struct worker *workers, void *(*work)(void *))
{
    for (int i = 0; i < THREADS; i++) {
        workers[i].number = i;
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
}

static void join(struct worker *workers)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        cr_assert_eq(workers[i].failed, 0, "thread %d: %d failed", i, workers[i].failed);
    }
}

/* Every seq once; in order within each thread. */
static void check_queue(const char *queue)
{
    int32_t next[THREADS] = { 0 };
    struct kit k = { .connection = kit_connect(kit_port(), "") };
    k.session = kit_session(k.connection, RA_SESSION_AUTO_COMMIT);
    k.consumer = kit_consumer(k.session, queue, -2);
    GOOD(ra_session_start(k.session, &err));
    for (int i = 0; i < THREADS * SENDS; i++) {
        ra_message *message = kit_receive(k.consumer, PATIENCE_MS);
        int32_t seq = kit_seq(message);
        cr_assert_eq(seq % SENDS, next[seq / SENDS], "thread %d: %d", (int)(seq / SENDS), (int)(seq % SENDS));
        next[seq / SENDS]++;
        GOOD(ra_consumer_acknowledge(k.consumer, message, &err));
        ra_message_unref(message);
    }
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
}

ArtemisTest(threads, on_one_session__each_send_has_one_outcome)
{
    struct worker workers[THREADS] = { 0 };
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    for (int i = 0; i < THREADS; i++)
        workers[i].producer = k.producer;
    start(workers, send_tagged);
    cr_assert_eq(kit_await_outcomes(k.connection, THREADS * SENDS, NULL), THREADS * SENDS);
    join(workers);
    kit_close(&k);
    check_queue(k.queue);
}

static void on_their_own_sessions(uint16_t port, struct relay *cutting)
{
    struct worker workers[THREADS] = { 0 };
    struct kit k;
    kit_open(&k, port, "reliable=true", RA_SESSION_AUTO_COMMIT);
    for (int i = 0; i < THREADS; i++) {
        workers[i].session = kit_session(k.connection, RA_SESSION_AUTO_COMMIT);
        workers[i].producer = kit_producer(workers[i].session, k.queue);
    }
    if (cutting != NULL)
        relay_schedule_bytes(cutting, 20000, 100000, RELAY_MASK(RELAY_RST) | RELAY_MASK(RELAY_FIN), 5);
    start(workers, send_tagged);
    cr_assert_eq(kit_await_outcomes(k.connection, THREADS * SENDS, NULL), THREADS * SENDS);
    join(workers);
    if (cutting != NULL)
        relay_schedule_stop(cutting);
    for (int i = 0; i < THREADS; i++) {
        ra_producer_free(workers[i].producer);
        ra_session_free(workers[i].session);
    }
    kit_close(&k);
    check_queue(k.queue);
}

ArtemisTest(threads, on_their_own_sessions__each_send_has_one_outcome)
{
    on_their_own_sessions(kit_port(), NULL);
}

ArtemisTest(threads, on_their_own_sessions_while_the_link_is_cut__each_send_has_one_outcome)
{
    struct relay *r = kit_relay(kit_port());
    on_their_own_sessions(relay_port(r), r);
    struct relay_counters counters;
    relay_get_counters(r, &counters);
    cr_assert_gt(counters.effective, 0);
    relay_stop(r);
}

static void *receive_for_ever(void *argument)
{
    struct worker *w = argument;
    ra_message *message = NULL;
    ra_consumer *consumer = (ra_consumer *)w->producer;
    w->failed = ra_consumer_receive(consumer, -1, 0, &message, NULL) != RA_E_INTERRUPTED || message != NULL;
    return NULL;
}

ArtemisTest(threads, interrupt__ends_every_wait)
{
    struct worker workers[THREADS] = { 0 };
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    for (int i = 0; i < THREADS; i++)
        workers[i].producer = (ra_producer *)k.consumer;
    start(workers, receive_for_ever);
    for (int i = 0; i < THREADS; i++) {
        int64_t until = kit_ms() + PATIENCE_MS; /* one that does not wait yet does not hear it: again, until all have */
        while (pthread_tryjoin_np(workers[i].thread, NULL) != 0 && kit_ms() < until) {
            GOOD(ra_connection_interrupt(k.connection, &err));
            kit_pause(2);
        }
        cr_assert_lt(kit_ms(), until);
        cr_assert_eq(workers[i].failed, 0);
    }
    kit_close(&k);
}
