/* Bodies of every size: through the input buffer, beyond it, and what the broker makes a large message of. */
#include "kit.h"

#include <stdlib.h>
#include <string.h>

#define CALM "reliable=true&connectionTTL=60000&clientFailureCheckPeriod=30000"

static uint8_t byte_at(size_t i, int32_t seq)
{
    return (uint8_t)(31 * i + (i >> 8) + (size_t)seq);
}

static ra_message *large(int32_t seq, size_t size)
{
    uint8_t *body = malloc(size + 1);
    ra_message *message = kit_message(seq, 1);
    for (size_t i = 0; i < size; i++)
        body[i] = byte_at(i, seq);
    GOOD(ra_message_set_body(message, body, size, &err));
    free(body);
    return message;
}

static void check_body(const ra_message *message, int32_t seq, size_t size)
{
    const void *bytes = NULL;
    size_t got = 0, i = 0;
    GOOD(ra_message_get_body(message, &bytes, &got, &err));
    cr_assert_eq(got, size, "body of %zu bytes, not %zu", got, size);
    while (i < size && ((const uint8_t *)bytes)[i] == byte_at(i, seq))
        i++;
    cr_assert_eq(i, size, "byte %zu of %zu is wrong", i, size);
}

static const size_t sizes[] = { 0,     1,     3900,   4095,   4096,   65000,   65536,
                                70000, 99000, 102400, 300000, 600000, 1048576, 3000000 };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void there_and_back(uint16_t port, const char *options, int32_t window)
{
    struct kit k;
    kit_open(&k, port, options, RA_SESSION_AUTO_COMMIT);
    for (int32_t i = 0; i < SIZES; i++) {
        ra_message *message = large(i, sizes[i]);
        GOOD(ra_producer_send(k.producer, NULL, message, &err));
        ra_message_unref(message);
    }
    kit_consume(&k, window);
    for (int32_t i = 0; i < SIZES; i++) {
        ra_message *message = kit_receive(k.consumer, PATIENCE_MS);
        cr_assert_not_null(message, "the body of %zu bytes did not come", sizes[i]);
        cr_assert_eq(kit_seq(message), i);
        check_body(message, i, sizes[i]);
        GOOD(ra_consumer_acknowledge(k.consumer, message, &err));
        ra_message_unref(message);
    }
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

ArtemisTest(large, bodies_of_every_size__come_as_they_went)
{
    there_and_back(kit_port(), "", -2);
}

ArtemisTest(large, bodies_of_every_size__with_every_window)
{
    there_and_back(kit_port(), "", -1);
    there_and_back(kit_port(), "", 0);
    there_and_back(kit_port(), "", 1);
    there_and_back(kit_port(), "producerWindowSize=-1", 200000);
}

/* Sent while the link is cut inside a piece of the second one: that piece is replayed. */
ArtemisTest(large, sends_cut_in_the_middle__arrive_once)
{
    for (int how = RELAY_RST; how <= RELAY_FIN; how++) {
        struct relay *r = kit_relay(kit_port());
        struct kit k;
        kit_open(&k, relay_port(r), CALM "&producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
        struct relay_match piece = relay_match_type(RELAY_TO_BROKER, 73);
        piece.nth = 8;
        int trap = relay_cut_at(r, &piece, RELAY_INSIDE, 50000, (enum relay_how)how);
        for (int32_t i = 0; i < 4; i++) {
            ra_message *message = large(i, 600000);
            GOOD(ra_producer_send(k.producer, NULL, message, &err));
            ra_message_unref(message);
        }
        cr_assert(relay_wait_trap(r, trap, PATIENCE_MS));
        kit_consume(&k, -2);
        for (int32_t i = 0; i < 4; i++) {
            ra_message *message = kit_receive(k.consumer, PATIENCE_MS);
            cr_assert_eq(kit_seq(message), i);
            check_body(message, i, 600000);
            GOOD(ra_consumer_acknowledge(k.consumer, message, &err));
            ra_message_unref(message);
        }
        kit_close(&k);
        relay_stop(r);
    }
}

/* A cut between the pieces of a large delivery: never a wrong body. The message comes whole, or the consumer says that
 * it has to be received again. */
ArtemisTest(large, delivery_cut_in_the_middle__is_whole_or_reported)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    ra_message *message = large(0, 600000), *in = NULL;
    kit_open(&k, relay_port(r), CALM, RA_SESSION_AUTO_COMMIT);
    GOOD(ra_producer_send(k.producer, NULL, message, &err));
    ra_message_unref(message);
    struct relay_match chunk = relay_match_type(RELAY_TO_CLIENT, 77);
    chunk.nth = 2;
    int trap = relay_cut_at(r, &chunk, RELAY_INSIDE, 0, RELAY_RST);
    kit_consume(&k, -2);
    int rc = ra_consumer_receive(k.consumer, PATIENCE_MS, 0, &in, NULL);
    cr_assert(relay_wait_trap(r, trap, PATIENCE_MS), "the broker sent no second chunk");
    cr_assert(rc == RA_RECEIVED || rc == RA_E_LARGE_INTERRUPTED, "%s", ra_error_code_name(rc));
    if (rc != RA_RECEIVED) {
        GOOD(ra_consumer_close(k.consumer, &err));
        ra_consumer_free(k.consumer);
        kit_consume(&k, -2);
        in = kit_receive(k.consumer, PATIENCE_MS);
    }
    check_body(in, 0, 600000);
    GOOD(ra_consumer_acknowledge(k.consumer, in, &err));
    ra_message_unref(in);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
    relay_stop(r);
}
