/* Receiving: time-outs, windows, browsing, filters, prefetch; and acknowledgements in auto-commit sessions. */
#include "kit.h"

#include <stdio.h>
#include <time.h>

ArtemisTest(receive, with_a_time_out__waits_that_long_and_no_longer)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    int64_t began = kit_ms();
    cr_assert_null(kit_receive(k.consumer, 200));
    int64_t took = kit_ms() - began;
    cr_assert_geq(took, 199);
    cr_assert_lt(took, 2000);
    kit_fill(k.producer, 0, 1);
    kit_expect(k.consumer, 0, true);
    kit_close(&k);
}

static void immediate(int32_t window)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, window);
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_fill(k.producer, 0, 3);
    for (int32_t seq = 0; seq < 3; seq++) { /* what is in the queue is found without any waiting for it */
        ra_message *message = kit_receive(k.consumer, 0);
        cr_assert_not_null(message, "window %d: message %d was not found", (int)window, (int)seq);
        cr_assert_eq(kit_seq(message), seq);
        GOOD(ra_consumer_acknowledge(k.consumer, message, &err));
        ra_message_unref(message);
    }
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

ArtemisTest(receive, immediate__finds_what_the_broker_has)
{
    immediate(-2);
    immediate(-1);
    immediate(0);
    immediate(1);
}

ArtemisTest(receive, without_limit__waits_for_the_message)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    kit_fill(k.producer, 0, 1);
    ra_message *message = kit_receive(k.consumer, -1);
    cr_assert_eq(kit_seq(message), 0);
    GOOD(ra_consumer_acknowledge(k.consumer, message, &err));
    ra_message_unref(message);
    kit_close(&k);
}

ArtemisTest(receive, before_the_start__nothing_comes)
{
    ra_connection *connection = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    const char *queue = kit_name("stopped");
    kit_queue(session, queue);
    ra_producer *producer = kit_producer(session, queue);
    kit_fill(producer, 0, 1);
    ra_consumer *consumer = kit_consumer(session, queue, -2);
    cr_assert_null(kit_receive(consumer, 0));
    cr_assert_null(kit_receive(consumer, 50));
    GOOD(ra_session_start(session, &err));
    kit_expect(consumer, 0, true);
    GOOD(ra_session_stop(session, &err));
    kit_fill(producer, 1, 1);
    cr_assert_null(kit_receive(consumer, 50));
    GOOD(ra_session_start(session, &err));
    kit_expect(consumer, 1, true);
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_consumer_free(consumer);
    ra_producer_free(producer);
    ra_session_free(session);
    ra_connection_free(connection);
}

static void window(int32_t bytes, int32_t count, size_t body_size)
{
    static char body[60000];
    struct kit k;
    kit_open(&k, kit_port(), "producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    for (int32_t seq = 0; seq < count; seq++) {
        ra_message *message = kit_message(seq, 0);
        GOOD(ra_message_set_body(message, body, body_size, &err));
        GOOD(ra_producer_send_tagged(k.producer, NULL, message, (uint64_t)seq, &err));
        ra_message_unref(message);
    }
    cr_assert_eq(kit_await_outcomes(k.connection, count, NULL), count);
    kit_consume(&k, bytes);
    for (int32_t seq = 0; seq < count; seq++)
        kit_expect(k.consumer, seq, true);
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

ArtemisTest(consumer_window, of_any_size__delivers_all_in_order)
{
    static const int32_t windows[] = { -1, 0, 1, 100, 5000, 1048576, INT32_MAX };
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++)
        window(windows[i], 100, 200);
}

ArtemisTest(consumer_window, smaller_than_a_message__delivers_it_all_the_same)
{
    window(1, 10, 60000);
    window(1000, 10, 60000);
    window(0, 10, 60000);
}

/* What a consumer holds ahead, nobody else gets. */
ArtemisTest(consumer_window, zero__holds_nothing_ahead)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 20);
    kit_consume(&k, 0);
    kit_expect(k.consumer, 0, true);
    kit_expect_queue(kit_port(), k.queue, 1, 19); /* somebody else gets all others */
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
}

ArtemisTest(consumer_window, big__holds_all_ahead)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 20);
    kit_consume(&k, -1);
    kit_await_stat(k.connection, RA_STAT_RECEIVED, 20);
    ra_message *messages[25];
    cr_assert_eq(ra_consumer_take_many(k.consumer, messages, 5, NULL), 5);
    cr_assert_eq(ra_consumer_take_many(k.consumer, messages + 5, 20, NULL), 15);
    cr_assert_eq(ra_consumer_take_many(k.consumer, messages, 0, NULL), 0);
    for (int32_t i = 0; i < 20; i++)
        cr_assert_eq(kit_seq(messages[i]), i);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
    GOOD(ra_consumer_acknowledge(k.consumer, messages[19], &err));
    for (int i = 0; i < 20; i++)
        ra_message_unref(messages[i]);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

ArtemisTest(browse, looks_and_takes_nothing)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 10);
    GOOD(ra_consumer_open(k.session, k.queue, NULL, RA_CONSUMER_BROWSE, -2, &k.consumer, &err));
    for (int32_t seq = 0; seq < 10; seq++)
        kit_expect(k.consumer, seq, true); /* an acknowledgement means nothing here */
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 10);
}

ArtemisTest(consumer_filter, chooses_by_property)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 10);
    GOOD(ra_consumer_open(k.session, k.queue, "seq > 2 AND seq < 6", 0, -2, &k.consumer, &err));
    for (int32_t seq = 3; seq < 6; seq++)
        kit_expect(k.consumer, seq, true);
    cr_assert_null(kit_receive(k.consumer, 0));
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    kit_await_count(k.session, k.queue, 7);
    kit_close(&k);
}

ArtemisTest(consumer, closed__receives_no_more_and_gives_back_what_it_held)
{
    struct kit k;
    ra_message *message = NULL;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 5);
    kit_consume(&k, -2);
    kit_expect(k.consumer, 0, true);
    GOOD(ra_consumer_close(k.consumer, &err));
    GOOD(ra_consumer_close(k.consumer, &err));
    FAILS(RA_E_CLOSED, ra_consumer_receive(k.consumer, 100, 0, &message, &err));
    kit_expect_queue(kit_port(), k.queue, 1, 4);
    kit_close(&k);
}

/* What the console does: the queue goes, its consumers with it. */
static void destroy_by_management(ra_session *session, const char *queue)
{
    char arguments[128];
    ra_message *message = NULL;
    int n = snprintf(arguments, sizeof arguments, "[\"%s\", true]", queue);
    GOOD(ra_message_new(RA_MESSAGE_TEXT, &message, &err));
    GOOD(ra_message_set_string(message, "_AMQ_ResourceName", "broker", 6, &err));
    GOOD(ra_message_set_string(message, "_AMQ_OperationName", "destroyQueue", 12, &err));
    GOOD(ra_message_set_text(message, arguments, (size_t)n, &err));
    ra_producer *producer = kit_producer(session, NULL);
    GOOD(ra_producer_send(producer, "activemq.management", message, &err));
    ra_message_unref(message);
    ra_producer_free(producer);
}

ArtemisTest(consumer, whose_queue_is_deleted__says_so)
{
    struct kit k;
    ra_message *message = NULL;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    destroy_by_management(k.session, k.queue);
    FAILS(RA_E_NO_QUEUE, ra_consumer_receive(k.consumer, PATIENCE_MS, 0, &message, &err));
    kit_close(&k);
}

/* --- acknowledgements --- */

static void take(struct kit *k, ra_message **messages, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        messages[i] = kit_receive(k->consumer, PATIENCE_MS);
        cr_assert_eq(kit_seq(messages[i]), i);
    }
}

static void drop(ra_message **messages, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        ra_message_unref(messages[i]);
}

ArtemisTest(acknowledge, cumulatively__covers_all_before)
{
    struct kit k;
    ra_message *m[10];
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 10);
    kit_consume(&k, -2);
    take(&k, m, 10);
    GOOD(ra_consumer_acknowledge(k.consumer, m[6], &err));
    GOOD(ra_consumer_acknowledge(k.consumer, m[3], &err)); /* covered already */
    drop(m, 10);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 7, 3);
}

ArtemisTest(acknowledge, individually__covers_one)
{
    struct kit k;
    ra_message *m[4];
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 4);
    kit_consume(&k, -2);
    take(&k, m, 4);
    GOOD(ra_consumer_acknowledge_individually(k.consumer, m[3], &err));
    GOOD(ra_consumer_acknowledge_individually(k.consumer, m[0], &err));
    drop(m, 4);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 1, 2);
}

ArtemisTest(acknowledge, in_batches__is_sent_by_a_flush)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 5);
    kit_consume(&k, -2);
    for (int32_t seq = 0; seq < 5; seq++)
        kit_expect(k.consumer, seq, true);
    kit_await_count(k.session, k.queue, 5);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    kit_await_count(k.session, k.queue, 0);
    kit_close(&k);
}

ArtemisTest(acknowledge, without_batches__is_sent_at_once)
{
    struct kit k;
    kit_open(&k, kit_port(), "ackBatchSize=0", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 3);
    kit_consume(&k, -2);
    for (int32_t seq = 0; seq < 3; seq++) {
        kit_expect(k.consumer, seq, true);
        int64_t until = kit_ms() + PATIENCE_MS;
        while (kit_message_count(k.session, k.queue) != 2 - seq) {
            cr_assert_lt(kit_ms(), until, "message %d is not acknowledged", (int)seq);
            kit_pause(1);
        }
    }
    kit_close(&k);
}

ArtemisTest(acknowledge, blocking__has_happened_when_it_returns)
{
    struct kit k;
    kit_open(&k, kit_port(), "blockOnAcknowledge=true", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 3);
    kit_consume(&k, -2);
    ra_connection *other = kit_connect(kit_port(), "");
    ra_session *witness = kit_session(other, RA_SESSION_AUTO_COMMIT);
    for (int32_t seq = 0; seq < 3; seq++) {
        kit_expect(k.consumer, seq, true);
        kit_await_count(witness, k.queue, 2 - seq);
    }
    ra_session_free(witness);
    GOOD(ra_connection_close(other, PATIENCE_MS, NULL, NULL, &err));
    ra_connection_free(other);
    kit_close(&k);
}

ArtemisTest(acknowledge, begun__is_confirmed_by_its_operation)
{
    struct kit k;
    ra_message *m[2];
    ra_operation *first = NULL, *second = NULL, *again = NULL;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 2);
    kit_consume(&k, -2);
    take(&k, m, 2);
    GOOD(ra_consumer_acknowledge_begin(k.consumer, m[1], 1, &first, &err));
    GOOD(ra_consumer_acknowledge_begin(k.consumer, m[0], 0, &second, &err));
    GOOD(ra_operation_wait(second, -1, 0, &err));
    GOOD(ra_operation_wait(first, -1, 0, &err));
    GOOD(ra_consumer_acknowledge_begin(k.consumer, m[0], 0, &again, &err)); /* nothing left to do */
    GOOD(ra_operation_wait(again, -1, 0, &err));
    ra_operation_free(first);
    ra_operation_free(second);
    ra_operation_free(again);
    drop(m, 2);
    kit_await_count(k.session, k.queue, 0);
    kit_close(&k);
}

ArtemisTest(acknowledge, of_another_consumers_message__is_refused)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 1);
    kit_consume(&k, -2);
    ra_message *message = kit_receive(k.consumer, PATIENCE_MS);
    ra_consumer *other = kit_consumer(k.session, k.queue, -2);
    FAILS(RA_E_ARGUMENT, ra_consumer_acknowledge(other, message, &err));
    GOOD(ra_consumer_acknowledge(k.consumer, message, &err));
    ra_message_unref(message);
    ra_consumer_free(other);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

/* --- time --- */

ArtemisTest(expiration, passed__is_not_delivered)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    ra_message *message = kit_message(0, 1);
    GOOD(ra_message_set_expiration(message, 1000, &err)); /* 1970 */
    GOOD(ra_producer_send(k.producer, NULL, message, &err));
    ra_message_unref(message);
    kit_fill(k.producer, 1, 1);
    kit_consume(&k, -2);
    kit_expect(k.consumer, 1, true);
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

/* It expires in the consumer's buffer, behind the broker's back. */
ArtemisTest(expiration, in_the_buffer__is_noticed_when_taken)
{
    struct kit k;
    struct timespec wall;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    ra_message *message = kit_message(0, 1);
    clock_gettime(CLOCK_REALTIME, &wall);
    int64_t until = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 + 400;
    GOOD(ra_message_set_expiration(message, until, &err));
    GOOD(ra_producer_send(k.producer, NULL, message, &err));
    ra_message_unref(message);
    kit_await_stat(k.connection, RA_STAT_RECEIVED, 1);
    do {
        kit_pause(5);
        clock_gettime(CLOCK_REALTIME, &wall);
    } while ((int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 <= until);
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_fill(k.producer, 1, 1);
    kit_expect(k.consumer, 1, true);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

ArtemisTest(consumer, receive_in_slices__asks_only_when_told_to)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    ra_message *message = NULL;
    kit_open(&k, relay_port(r), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    cr_assert_eq(ra_consumer_receive(k.consumer, 20, RA_WAIT_QUIET, &message, NULL), RA_RECEIVED_NONE);
    relay_delay(r, 400);
    int64_t began = kit_ms();
    cr_assert_eq(ra_consumer_receive(k.consumer, 20, RA_WAIT_QUIET, &message, NULL), RA_RECEIVED_NONE);
    FAILS(RA_E_TIMEOUT, ra_consumer_receive(k.consumer, 20, RA_WAIT_ASK, &message, &err));
    FAILS(RA_E_TIMEOUT, ra_consumer_receive(k.consumer, 0, RA_WAIT_ASK, &message, &err));
    cr_assert_lt(kit_ms() - began, 400, "one of them waited for the answer");
    int rc;
    while ((rc = ra_consumer_receive(k.consumer, 100, RA_WAIT_ASK, &message, NULL)) == RA_E_TIMEOUT)
        cr_assert_lt(kit_ms() - began, PATIENCE_MS);
    cr_assert_eq(rc, RA_RECEIVED_NONE);
    relay_delay(r, 0);
    kit_fill(k.producer, 3, 1);
    GOOD(ra_consumer_receive(k.consumer, PATIENCE_MS, RA_WAIT_ASK, &message, &err));
    cr_assert_eq(kit_seq(message), 3);
    ra_message_unref(message);
    kit_close(&k);
    relay_stop(r);
}
