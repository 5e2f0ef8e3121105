/* The broker itself is killed and started again. Sessions are recreated, and every piece of work has one outcome. */
#include "kit.h"

#include <pthread.h>

static void start(struct broker *b)
{
    *b = (struct broker){ 0 };
    cr_assert(broker_start(b, NULL, 0), "%s", b->error);
}

static void restart(struct broker *b)
{
    cr_assert(broker_kill9(b), "%s", b->error);
    cr_assert(broker_resume(b), "%s", b->error);
}

/* What the queue of a restarted broker holds: each seq at most once, in order, all but `unknown` of them. */
static int32_t drain_in_order(struct kit *k, int32_t count)
{
    int32_t got = 0, last = -1;
    ra_message *message;
    while ((message = kit_receive(k->consumer, 0)) != NULL) {
        cr_assert_gt(kit_seq(message), last, "%d behind %d", (int)kit_seq(message), (int)last);
        last = kit_seq(message);
        cr_assert_lt(last, count);
        got++;
        GOOD(ra_consumer_acknowledge(k->consumer, message, &err));
        ra_message_unref(message);
    }
    return got;
}

ArtemisTest(restart, of_the_broker__sessions_are_recreated_and_work_has_one_outcome)
{
    enum { COUNT = 400 };
    struct broker b;
    struct kit k;
    int64_t counts[6];
    start(&b);
    kit_open(&k, b.port, "reliable=true&producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    kit_fill(k.producer, 0, 2);
    kit_expect(k.consumer, 0, true);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    ra_message *stale = kit_receive(k.consumer, PATIENCE_MS);
    GOOD(ra_connection_subscribe(k.connection, RA_EVENT_MASK(RA_EVENT_RECREATED), &err));

    cr_assert(broker_kill9(&b), "%s", b.error);
    kit_send_tagged(k.producer, 0, COUNT, 1); /* into the log */
    cr_assert(broker_resume(&b), "%s", b.error);
    ra_event *event = kit_await_event(k.connection, RA_EVENT_RECREATED);
    cr_assert_eq(ra_event_session(event), k.session);
    cr_assert_eq(ra_event_failed_over(event), 0);
    int64_t unknown = ra_event_unknown(event);
    ra_event_free(event);
    kit_await_outcomes(k.connection, COUNT, counts);
    cr_assert_eq(counts[RA_OUTCOME_UNKNOWN], unknown);
    cr_assert_eq(counts[RA_OUTCOME_CONFIRMED] + unknown, COUNT);

    FAILS(RA_E_STALE, ra_consumer_acknowledge(k.consumer, stale, &err));
    ra_message_unref(stale);
    kit_expect(k.consumer, 1, true); /* it comes again */
    int32_t got = drain_in_order(&k, COUNT);
    cr_assert(got >= counts[RA_OUTCOME_CONFIRMED] && got <= COUNT, "%d of %d", (int)got, COUNT);
    kit_send(k.producer, COUNT + 1, 1); /* blocking sends go on, and so does the consumer */
    kit_expect(k.consumer, COUNT + 1, true);
    GOOD(ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, &err));
    kit_free(&k);
    broker_stop(&b);
}

struct sender {
    struct kit *k;
    int32_t done;
    int failed;
    bool stop;
};

/* A program that only knows blocking sends: a send of unknown outcome is repeated under the next number. */
static void *send_on(void *argument)
{
    struct sender *s = argument;
    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
        ra_message *message = NULL;
        ra_error *error = NULL;
        int rc = ra_message_new(RA_MESSAGE_DEFAULT, &message, NULL);
        rc |= ra_message_set_int(message, "seq", s->done, NULL) | ra_message_set_durable(message, 1, NULL);
        int sent = ra_producer_send(s->k->producer, NULL, message, &error);
        s->failed += rc != 0 || (sent != 0 && !ra_error_is_outcome_unknown(error) && sent != RA_E_OUTCOME_UNKNOWN);
        __atomic_add_fetch(&s->done, 1, __ATOMIC_RELEASE);
        ra_error_free(error);
        ra_message_unref(message);
    }
    return NULL;
}

static void await_sends(struct sender *s, int32_t more)
{
    int32_t from = __atomic_load_n(&s->done, __ATOMIC_ACQUIRE);
    int64_t until = kit_ms() + PATIENCE_MS;
    while (__atomic_load_n(&s->done, __ATOMIC_ACQUIRE) < from + more) {
        cr_assert_lt(kit_ms(), until, "no sends any more");
        kit_pause(2);
    }
}

ArtemisTest(restart, under_blocking_sends__they_go_on)
{
    struct broker b;
    struct kit k;
    pthread_t thread;
    start(&b);
    kit_open(&k, b.port, "reliable=true", RA_SESSION_AUTO_COMMIT);
    struct sender s = { .k = &k };
    cr_assert_eq(pthread_create(&thread, NULL, send_on, &s), 0);
    await_sends(&s, 50);
    restart(&b);
    await_sends(&s, 50);
    __atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    cr_assert_eq(s.failed, 0, "%d sends failed in another way than unknown", s.failed);
    cr_assert_geq(kit_stat(k.connection, RA_STAT_RECREATED), 1);
    kit_consume(&k, -2);
    int32_t got = drain_in_order(&k, s.done);
    cr_assert_geq(got, s.done - 1, "%d of %d", (int)got, (int)s.done); /* one can have been unknown */
    ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, NULL);
    kit_free(&k);
    broker_stop(&b);
}

ArtemisTest(restart, in_a_transaction__only_a_rollback_is_left)
{
    struct broker b;
    struct kit k;
    start(&b);
    kit_open(&k, b.port, "reliable=true", RA_SESSION_TRANSACTED);
    kit_send(k.producer, 0, 1);
    kit_send(k.producer, 1, 1);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    restart(&b);
    kit_await_stat(k.connection, RA_STAT_RECREATED, 1);
    cr_assert(ra_session_is_rollback_only(k.session));
    kit_send(k.producer, 2, 1);
    FAILS(RA_E_ROLLED_BACK, ra_session_commit(k.session, &err));
    cr_assert_not(ra_session_is_rollback_only(k.session));
    kit_send(k.producer, 0, 1);
    GOOD(ra_session_commit(k.session, &err));
    ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, NULL);
    kit_free(&k);
    kit_expect_queue(b.port, k.queue, 0, 1);
    broker_stop(&b);
}

/* --- what belongs to the sessions is there again --- */

static ra_consumer *temporary(ra_session *session, const char *queue, int flags)
{
    GOOD(ra_session_create_queue(session, queue, NULL, RA_ROUTING_ANYCAST, flags, NULL, &err));
    return kit_consumer(session, queue, -2);
}

static void goes_through(ra_session *session, const char *queue, ra_consumer *consumer, int32_t seq)
{
    ra_producer *producer = kit_producer(session, queue);
    kit_send(producer, seq, 0);
    kit_expect(consumer, seq, true);
    GOOD(ra_session_flush(session, PATIENCE_MS, &err)); /* else the send might end unknown */
    ra_producer_free(producer);
}

ArtemisTest(restart, of_the_broker__queues_consumers_and_browsers_are_as_before)
{
    enum { SESSIONS = 5 };
    struct broker b;
    struct kit k;
    ra_session *sessions[SESSIONS];
    ra_consumer *consumers[SESSIONS], *browser = NULL;
    const char *queues[SESSIONS];
    start(&b);
    kit_open(&k, b.port, "reliable=true", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 3);
    kit_consume(&k, -2);
    kit_expect(k.consumer, 0, false);
    for (int i = 0; i < SESSIONS; i++) {
        sessions[i] = kit_session(k.connection, RA_SESSION_AUTO_COMMIT);
        queues[i] = kit_name("passing");
        consumers[i] = temporary(sessions[i], queues[i], i % 2 == 0 ? RA_QUEUE_TEMPORARY : 0);
        GOOD(ra_session_start(sessions[i], &err));
        goes_through(sessions[i], queues[i], consumers[i], i);
    }
    const char *unwatched = kit_name("passing");
    ra_consumer_free(temporary(sessions[0], unwatched, RA_QUEUE_TEMPORARY));
    const char *browsed = kit_name("browsed");
    kit_queue(k.session, browsed);
    ra_producer *producer = kit_producer(k.session, browsed);
    kit_fill(producer, 0, 2);
    GOOD(ra_consumer_open(sessions[1], browsed, NULL, RA_CONSUMER_BROWSE, -2, &browser, &err));
    kit_expect(browser, 0, false);
    GOOD(ra_session_add_metadata(sessions[0], "plain", "x", &err));
    GOOD(ra_session_add_unique_metadata(sessions[0], "own", "x", &err));

    restart(&b);
    kit_await_stat(k.connection, RA_STAT_RECREATED, 1 + SESSIONS);
    for (int i = 0; i < SESSIONS; i++)
        goes_through(sessions[i], queues[i], consumers[i], 10 + i);
    ra_consumer_free(consumers[0]);
    consumers[0] = kit_consumer(sessions[0], unwatched, -2);
    goes_through(sessions[0], unwatched, consumers[0], 20);
    FAILS(RA_E_REJECTED, ra_session_add_unique_metadata(sessions[1], "plain", "x", &err));
    FAILS(RA_E_REJECTED, ra_session_add_unique_metadata(sessions[1], "own", "x", &err));
    for (int32_t seq = 0; seq < 2; seq++)
        kit_expect(browser, seq, false); /* from the beginning */
    for (int32_t seq = 0; seq < 3; seq++)
        kit_expect(k.consumer, seq, true); /* the first comes again */
    ra_consumer_free(browser);
    ra_producer_free(producer);
    for (int i = 0; i < SESSIONS; i++) {
        ra_consumer_free(consumers[i]);
        ra_session_free(sessions[i]);
    }
    kit_close(&k);
    broker_stop(&b);
}
