/*
 * Sessions that come back: what re-attachment is used for in practice, under cuts and silence. The scenarios are those that
 * the Java client is tried with, see docs/reconnection.md; unlike there, nothing is tolerated.
 */
#include "kit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALM "reliable=true&retryInterval=20&retryJitter=0&connectionTTL=60000&clientFailureCheckPeriod=30000"
enum { RECEIVE = 75, CREDITS = 80 };

static struct relay *open_through(struct kit *k, const char *options, int mode)
{
    struct relay *r = kit_relay(kit_port());
    kit_open(k, relay_port(r), options, mode);
    return r;
}

static void close_through(struct kit *k, struct relay *r)
{
    relay_schedule_stop(r);
    kit_close(k);
    relay_stop(r);
}

/* Every connection is cut again and again, in all ways but silence. */
static void storm(struct relay *r)
{
    relay_schedule(r, 20, 80, RELAY_MASK(RELAY_RST) | RELAY_MASK(RELAY_FIN) | RELAY_MASK(RELAY_ABANDON), 0);
}

static void cut(struct kit *k, struct relay *r)
{
    int64_t before = kit_stat(k->connection, RA_STAT_REATTACHED);
    relay_cut(r, RELAY_RST);
    kit_await_stat(k->connection, RA_STAT_REATTACHED, before + 1);
}

static void expect_run(ra_consumer *consumer, int32_t first, int32_t count, bool acknowledge)
{
    for (int32_t seq = first; seq < first + count; seq++)
        kit_expect(consumer, seq, acknowledge);
    cr_assert_null(kit_receive(consumer, 0));
}

static void send_run(ra_producer *producer, int32_t first, int32_t count)
{
    for (int32_t seq = first; seq < first + count; seq++)
        kit_send(producer, seq, 0);
}

/* --- cuts at rest --- */

ArtemisTest(reconnect, at_once_ten_times__everything_comes_in_order)
{
    struct kit k;
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    for (int32_t round = 0; round < 10; round++) {
        send_run(k.producer, 0, 100);
        kit_consume(&k, -2);
        cut(&k, r);
        expect_run(k.consumer, 0, 100, true);
        ra_consumer_free(k.consumer);
        k.consumer = NULL;
    }
    close_through(&k, r);
}

ArtemisTest(reconnect, when_a_grant_of_credits_is_lost__the_sender_goes_on)
{
    enum { COUNT = 10, BODY = 5000 };
    static char body[BODY];
    struct kit k;
    struct relay_match match = relay_match_type(RELAY_TO_CLIENT, CREDITS);
    struct relay *r = open_through(&k, CALM "&producerWindowSize=1000", RA_SESSION_AUTO_COMMIT);
    int trap = relay_cut_at(r, &match, RELAY_BEFORE, 0, RELAY_RST);
    for (int32_t seq = 0; seq < COUNT; seq++) {
        ra_message *message = kit_message(seq, 1);
        GOOD(ra_message_set_body(message, body, sizeof body, &err));
        GOOD(ra_producer_send(k.producer, NULL, message, &err));
        ra_message_unref(message);
    }
    cr_assert(relay_wait_trap(r, trap, 0));
    close_through(&k, r);
    kit_expect_queue(kit_port(), k.queue, 0, COUNT);
}

ArtemisTest(reconnect, after_several_attempts_in_vain__everything_comes_in_order)
{
    enum { COUNT = 1000 };
    struct kit k;
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    send_run(k.producer, 0, COUNT);
    kit_consume(&k, -2);
    GOOD(ra_connection_subscribe(k.connection, RA_EVENT_MASK(RA_EVENT_RETRYING), &err));
    relay_refuse(r, true);
    relay_cut(r, RELAY_RST);
    for (int64_t attempt = 0; attempt < 4;) {
        ra_event *event = kit_await_event(k.connection, RA_EVENT_RETRYING);
        attempt = ra_event_attempt(event);
        ra_event_free(event);
    }
    relay_refuse(r, false);
    expect_run(k.consumer, 0, COUNT, true);
    close_through(&k, r);
}

ArtemisTest(reconnect, then_queues_are_made__as_always)
{
    struct kit k;
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    cut(&k, r);
    for (int i = 0; i < 10; i++) {
        const char *queue = kit_name("after");
        kit_queue(k.session, queue);
        GOOD(ra_session_delete_queue(k.session, queue, &err));
    }
    close_through(&k, r);
}

ArtemisTest(reconnect, with_several_subscribers__each_sees_every_message_once_in_order)
{
    enum { SUBSCRIBERS = 5, COUNT = 300, EVERY = 100 };
    struct kit k;
    ra_consumer *consumers[SUBSCRIBERS];
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    const char *topic = kit_name("topic");
    for (int i = 0; i < SUBSCRIBERS; i++) {
        const char *queue = kit_name("subscriber");
        GOOD(ra_session_create_queue(k.session, queue, topic, RA_ROUTING_MULTICAST, RA_QUEUE_TEMPORARY, NULL, &err));
        consumers[i] = kit_consumer(k.session, queue, -2);
    }
    ra_producer *producer = kit_producer(k.session, topic);
    send_run(producer, 0, COUNT);
    for (int32_t first = 0; first < COUNT; first += EVERY) {
        for (int i = 0; i < SUBSCRIBERS; i++)
            for (int32_t seq = first; seq < first + EVERY; seq++)
                kit_expect(consumers[i], seq, false);
        cut(&k, r);
    }
    for (int i = 0; i < SUBSCRIBERS; i++) {
        cr_assert_null(kit_receive(consumers[i], 0));
        ra_consumer_free(consumers[i]);
    }
    ra_producer_free(producer);
    close_through(&k, r);
}

/* --- at random moments --- */

ArtemisTest(reconnect, at_random__transactions_are_rolled_back_and_committed_exactly)
{
    enum { COUNT = 100 };
    struct kit k;
    struct relay *r = open_through(&k, CALM, RA_SESSION_TRANSACTED);
    storm(r);
    for (int round = 0; round < 3; round++) {
        send_run(k.producer, 1000, COUNT);
        GOOD(ra_session_rollback(k.session, &err));
        send_run(k.producer, 0, COUNT);
        GOOD(ra_session_commit(k.session, &err));
        kit_consume(&k, -2);
        for (int again = 0; again < 2; again++) {
            expect_run(k.consumer, 0, COUNT, true);
            if (again == 0)
                GOOD(ra_session_rollback(k.session, &err));
        }
        GOOD(ra_session_commit(k.session, &err));
        ra_consumer_free(k.consumer);
        k.consumer = NULL;
    }
    close_through(&k, r);
}

ArtemisTest(reconnect, at_random__consumers_and_sessions_come_and_go)
{
    struct kit k;
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    storm(r);
    for (int i = 0; i < 100; i++) {
        ra_consumer *consumer = kit_consumer(k.session, k.queue, -2);
        GOOD(ra_consumer_close(consumer, &err));
        ra_consumer_free(consumer);
    }
    for (int i = 0; i < 10; i++) {
        ra_session *session = kit_session(k.connection, RA_SESSION_AUTO_COMMIT);
        GOOD(ra_session_close(session, PATIENCE_MS, NULL, NULL, &err));
        ra_session_free(session);
    }
    close_through(&k, r);
}

ArtemisTest(reconnect, at_random__a_message_comes_between_stop_and_start)
{
    struct kit k;
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    storm(r);
    for (int32_t seq = 0; seq < 20; seq++) {
        GOOD(ra_session_stop(k.session, &err));
        kit_send(k.producer, seq, 1);
        GOOD(ra_session_start(k.session, &err));
        kit_expect(k.consumer, seq, true);
    }
    close_through(&k, r);
}

ArtemisTest(reconnect, at_random__an_empty_queue_is_always_empty)
{
    struct kit k;
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    storm(r);
    for (int i = 0; i < 100; i++)
        cr_assert_null(kit_receive(k.consumer, 0));
    close_through(&k, r);
}

struct opener {
    ra_connection *connection;
    pthread_t thread;
    int sessions, failed;
};

static void *open_sessions(void *argument)
{
    struct opener *o = argument;
    for (int i = 0; i < o->sessions; i++) {
        ra_session *session = NULL;
        o->failed += ra_session_open(o->connection, RA_SESSION_AUTO_COMMIT, &session, NULL) != 0 ||
                     ra_session_close(session, PATIENCE_MS, NULL, NULL, NULL) != 0;
        ra_session_free(session);
    }
    return NULL;
}

ArtemisTest(reconnect, while_many_threads_open_sessions__all_of_them_get_theirs)
{
    enum { THREADS = 10 };
    struct kit k;
    struct opener openers[THREADS];
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    relay_refuse(r, true); /* the first ones while there is no connection at all */
    relay_cut(r, RELAY_RST);
    for (int i = 0; i < THREADS; i++) {
        openers[i] = (struct opener){ .connection = k.connection, .sessions = 5 };
        cr_assert_eq(pthread_create(&openers[i].thread, NULL, open_sessions, &openers[i]), 0);
    }
    kit_await_stat(k.connection, RA_STAT_LINKS_LOST, 1);
    relay_refuse(r, false);
    storm(r);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(openers[i].thread, NULL);
        cr_assert_eq(openers[i].failed, 0, "thread %d: %d sessions failed", i, openers[i].failed);
    }
    close_through(&k, r);
}

/* --- waits end, and nobody is held up --- */

/* W5: the reference waits for ever. */
ArtemisTest(reconnect, a_receive_whose_answer_never_comes__ends_in_time)
{
    struct kit k;
    struct relay_match match = relay_match_type(RELAY_TO_CLIENT, RECEIVE);
    struct relay *r = open_through(&k, CALM "&callTimeout=500", RA_SESSION_AUTO_COMMIT);
    ra_message *message = NULL;
    kit_consume(&k, -2);
    relay_hold(r, &match, 0);
    int64_t began = kit_ms();
    GOOD(ra_consumer_receive(k.consumer, 200, 0, &message, &err));
    cr_assert_null(message);
    cr_assert_lt(kit_ms() - began, 10 * 700);
    relay_release(r);
    cr_assert_null(kit_receive(k.consumer, 0));
    close_through(&k, r);
}

static void slow(void *user, const ra_event *event)
{
    struct kit *k = user;
    if (ra_event_kind(event) == RA_EVENT_DISCONNECTED)
        kit_await_stat(k->connection, RA_STAT_REATTACHED, 1);
}

/* W29: the reference's recovery waits for handlers. */
ArtemisTest(reconnect, a_listener_that_takes_its_time__does_not_hold_it_up)
{
    struct kit k;
    ra_listener *listener = NULL;
    struct relay *r = open_through(&k, CALM, RA_SESSION_AUTO_COMMIT);
    GOOD(ra_connection_listen(k.connection, NULL, RA_EVENT_MASK(RA_EVENT_DISCONNECTED), slow, &k, NULL, &listener, &err));
    relay_cut(r, RELAY_RST);
    int64_t until = kit_ms() + PATIENCE_MS;
    while (kit_stat(k.connection, RA_STAT_REATTACHED) == 0) {
        cr_assert_lt(kit_ms(), until);
        ra_connection_wait_event(k.connection, 100, NULL);
        GOOD(ra_connection_dispatch(k.connection, 0, &err)); /* returns when the session is back */
    }
    ra_listener_free(listener);
    close_through(&k, r);
}

/* --- silence --- */

/* Times of their own for scripts/prove, in milliseconds: the broker keeps sessions for ttl, notices at check_ms. */
static int32_t from_environment(const char *name, int32_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : otherwise;
}

static struct relay *fall_silent(struct kit *k, int32_t ttl, int32_t silence, int64_t *counts)
{
    enum { COUNT = 200 };
    char options[200];
    snprintf(options, sizeof options,
             "reliable=true&producerWindowSize=-1&retryInterval=50&maxRetryInterval=200&connectionTTL=%d&"
             "clientFailureCheckPeriod=%d",
             (int)ttl, (int)ttl / 10);
    struct relay *r = open_through(k, options, RA_SESSION_AUTO_COMMIT);
    kit_send_tagged(k->producer, 0, COUNT / 2, 1);
    relay_refuse(r, true);
    relay_cut(r, RELAY_SILENT);
    kit_send_tagged(k->producer, COUNT / 2, COUNT / 2, 1);
    kit_pause((unsigned)silence); /* how long the silence lasts is what this is about */
    relay_refuse(r, false);
    kit_await_outcomes(k->connection, COUNT, counts);
    return r;
}

ArtemisTest(silence, shorter_than_the_ttl__costs_nothing)
{
    struct kit k;
    int64_t counts[6];
    int32_t ttl = from_environment("REATTACH_TTL", 6000);
    struct relay *r = fall_silent(&k, ttl, ttl / 2, counts);
    cr_assert_eq(counts[RA_OUTCOME_CONFIRMED], 200);
    cr_assert_geq(kit_stat(k.connection, RA_STAT_REATTACHED), 1);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_RECREATED), 0);
    close_through(&k, r);
    kit_expect_queue(kit_port(), k.queue, 0, 200);
}

/* The broker looks every two seconds. Each message is there at most once, and all that are confirmed are. */
ArtemisTest(silence, beyond_the_ttl__ends_in_exact_outcomes)
{
    struct kit k;
    int64_t counts[6];
    int32_t ttl = from_environment("REATTACH_TTL", 1000);
    struct relay *r = fall_silent(&k, ttl, ttl * 3 / 2 + 3000, counts);
    cr_assert_geq(kit_stat(k.connection, RA_STAT_RECREATED), 1);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_REATTACHED), 0);
    cr_assert_eq(counts[RA_OUTCOME_CONFIRMED] + counts[RA_OUTCOME_UNKNOWN], 200);
    kit_consume(&k, -2);
    int32_t got = 0, last = -1;
    ra_message *message;
    while ((message = kit_receive(k.consumer, 0)) != NULL) {
        cr_assert_gt(kit_seq(message), last);
        last = kit_seq(message);
        got++;
        GOOD(ra_consumer_acknowledge(k.consumer, message, &err));
        ra_message_unref(message);
    }
    cr_assert(got >= counts[RA_OUTCOME_CONFIRMED] && got <= 200, "%d there, %d confirmed", (int)got,
              (int)counts[RA_OUTCOME_CONFIRMED]);
    ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, NULL);
    kit_free(&k);
    relay_stop(r);
}

/* --- processes --- */

/* A worker that was killed: what it held is nobody's until the broker gives its session up (W30). */
static void work_until_killed(const char *queue, int ready)
{
    struct kit k = { .connection = kit_connect(kit_port(), "reliable=true&connectionTTL=2000&clientFailureCheckPeriod=500") };
    k.session = kit_session(k.connection, RA_SESSION_AUTO_COMMIT);
    k.consumer = kit_consumer(k.session, queue, -2);
    GOOD(ra_session_start(k.session, &err));
    kit_expect(k.consumer, 0, false);
    if (write(ready, "!", 1) == 1)
        for (;;)
            pause();
}

ArtemisTest(process, a_killed_worker__hides_its_messages_until_the_ttl)
{
    struct kit k;
    int ready[2];
    char byte;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 3);
    cr_assert_eq(pipe(ready), 0);
    pid_t worker = fork();
    if (worker == 0) {
        work_until_killed(k.queue, ready[1]);
        _exit(1);
    }
    struct pollfd waiting = { .fd = ready[0], .events = POLLIN };
    cr_assert_eq(poll(&waiting, 1, PATIENCE_MS), 1);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    int64_t killed = kit_ms();
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    kit_consume(&k, -2);
    cr_assert_null(kit_receive(k.consumer, 500), "the broker keeps the session for its owner");
    for (int32_t seq = 0; seq < 3; seq++)
        kit_expect(k.consumer, seq, true);
    cr_assert_lt(kit_ms() - killed, 10 * (2000 + 2000));
    close(ready[0]);
    close(ready[1]);
    kit_close(&k);
}

/* The recipe for servers that fork their workers: each connects for itself, after the fork. */
static int serve(const char *queue, int32_t seq)
{
    ra_connection *connection = kit_connect(kit_port(), "reliable=true");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_producer *producer = kit_producer(session, queue);
    kit_send(producer, seq, 1);
    ra_producer_free(producer);
    ra_session_free(session);
    int code = ra_connection_close(connection, PATIENCE_MS, NULL, NULL, NULL);
    ra_connection_free(connection);
    return code;
}

ArtemisTest(process, forked_workers__connect_for_themselves)
{
    enum { WORKERS = 3 };
    struct kit k;
    kit_open(&k, kit_port(), "reliable=true", RA_SESSION_AUTO_COMMIT); /* the parent's own goes on */
    for (int32_t i = 0; i < WORKERS; i++) {
        pid_t worker = fork();
        if (worker == 0)
            _exit(serve(k.queue, i));
        int status = -1;
        cr_assert_eq(waitpid(worker, &status, 0), worker);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "worker %d ended with %d", (int)i, status);
    }
    kit_fill(k.producer, WORKERS, 2);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, WORKERS + 2);
}
