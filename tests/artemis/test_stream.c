/* Large messages whose bodies are written and read piece by piece, through cuts and recreations. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

#define CALM "reliable=true&connectionTTL=60000&clientFailureCheckPeriod=30000"
enum { PART = 30011 }; /* of a body, for one call: no divisor of anything */

/* No two pieces of a body are alike, and no two bodies. */
static uint8_t byte_at(uint64_t i, int32_t seq)
{
    return (uint8_t)((uint32_t)(i + (uint64_t)seq * 7919) * 2654435761u >> 24);
}

/* While this is set, cuts come a little behind now, every so often. */
static struct {
    struct relay *relay;
    enum relay_direction direction;
    uint32_t random, one_in;
} cutter;

static void perhaps_cut(void)
{
    static const enum relay_how hows[] = { RELAY_RST, RELAY_FIN, RELAY_ABANDON };
    if (cutter.relay == NULL)
        return;
    cutter.random = cutter.random * 1664525 + 1013904223;
    if ((cutter.random >> 8) % cutter.one_in == 0)
        relay_cut_after(cutter.relay, cutter.direction, (cutter.random >> 12) % 120000, hows[(cutter.random >> 10) % 3]);
}

static void start_cutting(struct relay *r, enum relay_direction direction, uint32_t one_in)
{
    cutter.relay = r;
    cutter.direction = direction;
    cutter.random = 1;
    cutter.one_in = one_in;
}

static uint64_t stop_cutting(void)
{
    struct relay_counters counters;
    relay_get_counters(cutter.relay, &counters);
    cutter.relay = NULL;
    return counters.effective;
}

static int write_part(ra_producer *producer, int32_t seq, uint64_t from, size_t size, ra_error **err)
{
    static uint8_t part[PART];
    size_t written;
    for (size_t i = 0; i < size; i++)
        part[i] = byte_at(from + i, seq);
    return ra_producer_write_large(producer, part, size, PATIENCE_MS, &written, err);
}

static int write_body(ra_producer *producer, int32_t seq, uint64_t size, ra_error **err)
{
    int code = 0;
    for (uint64_t at = 0; code == 0 && at < size; at += PART) {
        perhaps_cut();
        code = write_part(producer, seq, at, size - at < PART ? (size_t)(size - at) : PART, err);
    }
    return code == 0 ? ra_producer_finish_large(producer, err) : code;
}

/* What a program with a source that it can rewind does. Returns how often it began again. */
static int send_body(ra_producer *producer, int32_t seq, uint64_t size)
{
    ra_message *message = kit_message(seq, 1);
    for (int again = 0;; again++) {
        ra_error *why = NULL;
        GOOD(ra_producer_start_large(producer, NULL, message, PATIENCE_MS, &err));
        int code = write_body(producer, seq, size, &why);
        if (code != RA_E_LARGE_INTERRUPTED && code != RA_E_NOT_DONE)
            cr_assert_eq(code, 0, "%s", ra_error_message(why));
        ra_error_free(why);
        if (code == 0) {
            ra_message_unref(message);
            return again;
        }
    }
}

/* 0 when the whole body came as it was sent. */
static int read_body(ra_consumer *consumer, ra_message *message, uint64_t size)
{
    static uint8_t part[PART];
    int32_t seq = kit_seq(message);
    uint64_t at = 0;
    size_t got = 1;
    while (got > 0) {
        perhaps_cut();
        int code = ra_consumer_read_body(consumer, message, part, sizeof part, PATIENCE_MS, 0, &got, NULL);
        if (code < 0)
            return code;
        for (size_t i = 0; i < got; i++)
            cr_assert_eq(part[i], byte_at(at + i, seq), "byte %llu of message %d is wrong", (unsigned long long)(at + i),
                         (int)seq);
        at += got;
    }
    cr_assert_eq(at, size);
    return 0;
}

static void stream(struct kit *k, int32_t window)
{
    ra_consumer *consumer = NULL;
    GOOD(ra_consumer_open(k->session, k->queue, NULL, RA_CONSUMER_STREAM, window, &consumer, &err));
    k->consumer = consumer;
}

static long peak_kib(void)
{
    char line[128];
    long peak = -1;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmHWM: %ld kB", &peak) == 1)
            break;
    fclose(status);
    return peak;
}

/* Peak memory moves by what may be unconfirmed and by the window, not by the size of the body. */
ArtemisTest(stream, a_large_body__goes_through_constant_memory)
{
    enum { SIZE = 50 * 1000 * 1000 };
    struct kit k;
    kit_open(&k, kit_port(), "maxUnconfirmed=2000000&confirmationWindowSize=200000", RA_SESSION_AUTO_COMMIT);
    long before = peak_kib();
    cr_assert_eq(send_body(k.producer, 1, SIZE), 0);
    stream(&k, 1000000);
    ra_message *in = kit_receive(k.consumer, PATIENCE_MS);
    cr_assert_not_null(in);
    cr_assert_eq(ra_message_large_size(in), SIZE);
    cr_assert_eq(read_body(k.consumer, in, SIZE), 0);
    long grown = peak_kib() - before;
    GOOD(ra_consumer_acknowledge(k.consumer, in, &err));
    ra_message_unref(in);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
#if TEST_SLOWER == 1 /* sanitizers keep freed memory */
    cr_assert_leq(grown, 10000, "%ld KiB for a body of %d bytes", grown, SIZE);
#endif
    fprintf(stderr, "50 MB through %ld KiB\n", grown);
}

/* Small messages are as ever, the rest of a body may be left unread, and every window works. */
ArtemisTest(stream, large_and_small_messages__come_in_order_whatever_is_read_of_them)
{
    static const int32_t windows[] = { -2, -1, 0, 1, 150000 };
    for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
        struct kit k;
        kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
        for (int32_t i = 0; i < 9; i++) {
            if (i % 3 == 0)
                kit_send(k.producer, i, 1);
            else
                cr_assert_eq(send_body(k.producer, i, 250000), 0);
        }
        stream(&k, windows[w]);
        for (int32_t i = 0; i < 9; i++) {
            ra_message *in = kit_receive(k.consumer, PATIENCE_MS);
            char part[100];
            size_t got = 0;
            cr_assert_not_null(in, "window %d: message %d did not come", (int)windows[w], (int)i);
            cr_assert_eq(kit_seq(in), i);
            cr_assert_eq(ra_message_large_size(in), i % 3 == 0 ? -1 : 250000);
            if (i % 3 == 1)
                cr_assert_eq(read_body(k.consumer, in, 250000), 0);
            else if (i % 3 == 2 && i > 2)
                GOOD(ra_consumer_read_body(k.consumer, in, part, sizeof part, PATIENCE_MS, 0, &got, &err));
            GOOD(ra_consumer_acknowledge(k.consumer, in, &err));
            ra_message_unref(in);
        }
        cr_assert_null(kit_receive(k.consumer, 0));
        kit_close(&k);
        kit_expect_queue(kit_port(), k.queue, 0, 0);
    }
}

/* W6: re-attached in the middle, sending just goes on: nothing fails, nothing begins again. */
ArtemisTest(stream, W6__sends_cut_at_random__go_on_and_arrive_once)
{
    enum { MESSAGES = 8, SIZE = 2500000 };
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    kit_open(&k, relay_port(r), CALM, RA_SESSION_AUTO_COMMIT);
    start_cutting(r, RELAY_TO_BROKER, 20);
    for (int32_t i = 0; i < MESSAGES; i++)
        cr_assert_eq(send_body(k.producer, i, SIZE), 0, "it began again");
    uint64_t cuts = stop_cutting();
    cr_assert_geq(cuts, 10, "only %llu cuts", (unsigned long long)cuts);
    fprintf(stderr, "sends: %llu cuts\n", (unsigned long long)cuts);
    stream(&k, -2);
    for (int32_t i = 0; i < MESSAGES; i++) {
        ra_message *in = kit_receive(k.consumer, PATIENCE_MS);
        cr_assert_not_null(in);
        cr_assert_eq(kit_seq(in), i);
        cr_assert_eq(read_body(k.consumer, in, SIZE), 0);
        GOOD(ra_consumer_acknowledge(k.consumer, in, &err));
        ra_message_unref(in);
    }
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
    relay_stop(r);
}

/* W6: every cut ends the session on the broker. What is still in memory from its start goes on; the rest is told apart and
 * begins again. */
ArtemisTest(stream, W6__sends_of_recreated_sessions__begin_again_and_arrive_once)
{
    enum { MESSAGES = 6, SIZE = 2000000 };
    int again[2] = { 0, 0 };
    for (int small = 0; small < 2; small++) {
        struct relay *r = kit_relay(kit_port());
        struct kit k;
        kit_open(&k, relay_port(r),
                 small ? CALM "&confirmationWindowSize=-1&maxUnconfirmed=300000" : CALM "&confirmationWindowSize=-1",
                 RA_SESSION_TRANSACTED);
        for (int32_t i = 0; i < MESSAGES; i++) {
            struct relay_match piece = relay_match_type(RELAY_TO_BROKER, 73);
            piece.nth = 15;
            int trap = i % 2 == 0 ? relay_cut_at(r, &piece, RELAY_INSIDE, 1000, RELAY_RST) : 0;
            int code = RA_E_ROLLED_BACK;
            for (int tries = 0; code == RA_E_ROLLED_BACK && tries < 3; tries++) {
                again[small] += send_body(k.producer, i, SIZE);
                code = ra_session_commit(k.session, NULL);
            }
            cr_assert_eq(code, 0, "%s", ra_error_code_name(code));
            cr_assert(trap == 0 || relay_wait_trap(r, trap, PATIENCE_MS));
        }
        kit_close(&k);
        ra_connection *connection = kit_connect(kit_port(), "");
        ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
        ra_consumer *consumer = NULL;
        GOOD(ra_consumer_open(session, k.queue, NULL, RA_CONSUMER_STREAM, -2, &consumer, &err));
        GOOD(ra_session_start(session, &err));
        for (int32_t i = 0; i < MESSAGES; i++) {
            ra_message *in = kit_receive(consumer, PATIENCE_MS);
            cr_assert_not_null(in);
            cr_assert_eq(kit_seq(in), i);
            cr_assert_eq(read_body(consumer, in, SIZE), 0);
            GOOD(ra_consumer_acknowledge(consumer, in, &err));
            ra_message_unref(in);
        }
        cr_assert_null(kit_receive(consumer, 0));
        GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
        ra_consumer_free(consumer);
        ra_session_free(session);
        ra_connection_free(connection);
        relay_stop(r);
    }
    cr_assert_eq(again[0], 0, "all of it was in memory");
    cr_assert_geq(again[1], 1, "nothing had to begin again");
}

/* Never a byte that was not sent; what is interrupted comes again, whole, when the consumer is opened anew. */
ArtemisTest(stream, receives_cut_at_random__are_right_or_reported_and_none_is_lost_or_doubled)
{
    enum { MESSAGES = 12, SIZE = 1500000 };
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    int interrupted = 0;
    bool seen[MESSAGES] = { false };
    kit_open(&k, relay_port(r), CALM "&blockOnAcknowledge=true", RA_SESSION_AUTO_COMMIT);
    for (int32_t i = 0; i < MESSAGES; i++)
        cr_assert_eq(send_body(k.producer, i, SIZE), 0);
    stream(&k, 300000);
    start_cutting(r, RELAY_TO_CLIENT, 40);
    for (int done = 0; done < MESSAGES;) {
        ra_message *in = NULL;
        int code = ra_consumer_receive(k.consumer, PATIENCE_MS, 0, &in, NULL);
        cr_assert(code == RA_RECEIVED || code == RA_E_LARGE_INTERRUPTED, "%s", ra_error_code_name(code));
        if (code == RA_RECEIVED)
            code = read_body(k.consumer, in, SIZE);
        if (code == 0) {
            cr_assert_not(seen[kit_seq(in)], "message %d came twice", (int)kit_seq(in));
            seen[kit_seq(in)] = true;
            GOOD(ra_consumer_acknowledge(k.consumer, in, &err));
            done++;
        } else {
            cr_assert_eq(code, RA_E_LARGE_INTERRUPTED, "%s", ra_error_code_name(code));
            if (in != NULL)
                FAILS(RA_E_LARGE_INTERRUPTED, ra_consumer_acknowledge(k.consumer, in, &err));
            interrupted++;
            GOOD(ra_consumer_close(k.consumer, &err));
            ra_consumer_free(k.consumer);
            stream(&k, 300000);
        }
        ra_message_unref(in);
    }
    uint64_t cuts = stop_cutting();
    cr_assert_geq(cuts, 10, "only %llu cuts", (unsigned long long)cuts);
    fprintf(stderr, "receives: %llu cuts, %d bodies interrupted\n", (unsigned long long)cuts, interrupted);
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
    relay_stop(r);
}

/* The broker sends the pieces that were lost again, and they hold the bytes of later ones. */
ArtemisTest(stream, pieces_sent_again__are_never_handed_out)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    ra_message *in;
    kit_open(&k, relay_port(r), CALM, RA_SESSION_TRANSACTED);
    cr_assert_eq(send_body(k.producer, 0, 1200000), 0);
    GOOD(ra_session_commit(k.session, &err));
    struct relay_match piece = relay_match_type(RELAY_TO_CLIENT, 77);
    piece.nth = 3;
    int trap = relay_cut_at(r, &piece, RELAY_INSIDE, 0, RELAY_RST);
    stream(&k, -1);
    in = kit_receive(k.consumer, PATIENCE_MS);
    cr_assert_not_null(in);
    cr_assert_eq(read_body(k.consumer, in, 1200000), RA_E_LARGE_INTERRUPTED);
    cr_assert(relay_wait_trap(r, trap, PATIENCE_MS));
    FAILS(RA_E_LARGE_INTERRUPTED, ra_consumer_acknowledge(k.consumer, in, &err));
    ra_message_unref(in);
    GOOD(ra_session_rollback(k.session, &err));
    in = kit_receive(k.consumer, PATIENCE_MS);
    cr_assert_not_null(in, "it did not come again after the rollback");
    cr_assert_eq(read_body(k.consumer, in, 1200000), 0);
    GOOD(ra_consumer_acknowledge(k.consumer, in, &err));
    GOOD(ra_session_commit(k.session, &err));
    ra_message_unref(in);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
    relay_stop(r);
}

ArtemisTest(stream, a_cancelled_message__is_not_there_and_the_next_one_is)
{
    struct kit k;
    ra_message *message = kit_message(0, 1);
    size_t written;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    FAILS(RA_E_STATE, ra_producer_finish_large(k.producer, &err));
    FAILS(RA_E_STATE, ra_producer_write_large(k.producer, "x", 1, 0, &written, &err));
    GOOD(ra_producer_start_large(k.producer, NULL, message, PATIENCE_MS, &err));
    FAILS(RA_E_STATE, ra_producer_start_large(k.producer, NULL, message, PATIENCE_MS, &err));
    for (int i = 0; i < 10; i++)
        cr_assert_eq(write_part(k.producer, 0, 0, PART, NULL), 0);
    GOOD(ra_producer_cancel_large(k.producer, &err));
    GOOD(ra_producer_cancel_large(k.producer, &err));
    cr_assert_eq(send_body(k.producer, 0, 200000), 0);
    ra_message_unref(message);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 1);
}

ArtemisTest(stream, a_consumer_closed_in_the_middle__gives_the_message_back)
{
    struct kit k;
    char part[100];
    size_t got;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    cr_assert_eq(send_body(k.producer, 0, 3000000), 0);
    stream(&k, 200000);
    ra_message *in = kit_receive(k.consumer, PATIENCE_MS);
    GOOD(ra_consumer_read_body(k.consumer, in, part, sizeof part, PATIENCE_MS, 0, &got, &err));
    GOOD(ra_consumer_close(k.consumer, &err));
    FAILS(RA_E_CLOSED, ra_consumer_read_body(k.consumer, in, part, sizeof part, PATIENCE_MS, 0, &got, &err));
    ra_message_unref(in);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 1);
}
