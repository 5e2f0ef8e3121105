/* The catalogue of tests/support/java/README.md, exchanged with the Java client in both directions. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kit.h"

#include "catalogue.h"
#include "java.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* program: a class of tests/support/java and its mode */
static int java(const char *program, const char *queue, char *out, size_t size)
{
    char words[256];
    snprintf(words, sizeof words, "%s --port %u --queue %s", program, (unsigned)kit_port(), queue);
    return java_run(words, out, size);
}

static void make_queue(char *name, size_t size)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    snprintf(name, size, "%s", k.queue);
    kit_close(&k);
}

static void send_catalogue(const char *queue)
{
    ra_connection *connection = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_producer *producer = kit_producer(session, queue);
    for (int number = 0; number < CATALOGUE_CASES; number++) {
        ra_message *message = catalogue_message(number);
        GOOD(ra_producer_send(producer, NULL, message, &err));
        ra_message_unref(message);
    }
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_producer_free(producer);
    ra_session_free(session);
    ra_connection_free(connection);
}

static void receive_catalogue(const char *queue)
{
    bool seen[CATALOGUE_CASES] = { false };
    ra_connection *connection = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_consumer *consumer = kit_consumer(session, queue, -2);
    GOOD(ra_session_start(session, &err));
    for (int i = 0; i < CATALOGUE_CASES; i++) {
        ra_message *message = kit_receive(consumer, PATIENCE_MS);
        cr_assert_not_null(message, "%d messages came", i);
        int number = catalogue_check(message);
        cr_assert_not(seen[number], "case %d came twice", number);
        seen[number] = true;
        GOOD(ra_consumer_acknowledge(consumer, message, &err));
        ra_message_unref(message);
    }
    cr_assert_null(kit_receive(consumer, 0));
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_consumer_free(consumer);
    ra_session_free(session);
    ra_connection_free(connection);
}

ArtemisTest(interop, what_we_send__the_java_client_reads)
{
    char queue[96], said[8192];
    make_queue(queue, sizeof queue);
    send_catalogue(queue);
    int status = java("Peer check", queue, said, sizeof said);
    cr_assert_eq(status, 0, "%s", said);
    cr_assert_not_null(strstr(said, "{\"cases\":39,\"good\":39}"), "%s", said);
}

ArtemisTest(interop, what_the_java_client_sends__we_read)
{
    char queue[96], said[8192];
    make_queue(queue, sizeof queue);
    cr_assert_eq(java("Peer send", queue, said, sizeof said), 0, "%s", said);
    receive_catalogue(queue);
}

ArtemisTest(interop, what_we_send__we_read)
{
    char queue[96];
    make_queue(queue, sizeof queue);
    send_catalogue(queue);
    receive_catalogue(queue);
}

/* Received messages are sent on as they are: every header and property makes the second way, too. */
ArtemisTest(interop, what_the_java_client_sends__goes_through_us_to_the_java_client)
{
    char from[96], to[96], said[8192];
    make_queue(from, sizeof from);
    make_queue(to, sizeof to);
    cr_assert_eq(java("Peer send", from, said, sizeof said), 0, "%s", said);
    ra_connection *connection = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_TRANSACTED);
    ra_consumer *consumer = kit_consumer(session, from, -2);
    ra_producer *producer = kit_producer(session, to);
    GOOD(ra_session_start(session, &err));
    for (int i = 0; i < CATALOGUE_CASES; i++) {
        ra_message *message = kit_receive(consumer, PATIENCE_MS);
        cr_assert_not_null(message, "%d messages came", i);
        GOOD(ra_producer_send(producer, NULL, message, &err));
        GOOD(ra_consumer_acknowledge(consumer, message, &err));
        ra_message_unref(message);
    }
    GOOD(ra_session_commit(session, &err));
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_producer_free(producer);
    ra_consumer_free(consumer);
    ra_session_free(session);
    ra_connection_free(connection);
    int status = java("Peer check", to, said, sizeof said);
    cr_assert_eq(status, 0, "%s", said);
}

/* --- large messages --- */

enum { LARGE = 10 * 1000 * 1000 };
#define TWO_LARGE " --size 10000000 --count 2"

/* As in Large.java: pieces of a body differ. */
static uint8_t large_byte(uint32_t i)
{
    return (uint8_t)(i * 2654435761u >> 24);
}

static void send_large(const char *queue, bool in_pieces)
{
    enum { PART = 70001 };
    uint8_t *body = malloc(LARGE);
    ra_message *message = NULL;
    size_t written;
    ra_connection *connection = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_producer *producer = kit_producer(session, queue);
    GOOD(ra_message_new(RA_MESSAGE_BYTES, &message, &err));
    GOOD(ra_message_set_durable(message, 1, &err));
    for (uint32_t i = 0; i < LARGE; i++)
        body[i] = large_byte(i);
    if (in_pieces) {
        GOOD(ra_producer_start_large(producer, NULL, message, -1, &err));
        for (size_t at = 0; at < LARGE; at += written)
            GOOD(ra_producer_write_large(producer, body + at, LARGE - at < PART ? LARGE - at : PART, -1, &written, &err));
        GOOD(ra_producer_finish_large(producer, &err));
    } else {
        GOOD(ra_message_lend_body(message, body, LARGE, &err));
        GOOD(ra_producer_send(producer, NULL, message, &err));
    }
    ra_message_unref(message);
    free(body);
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_producer_free(producer);
    ra_session_free(session);
    ra_connection_free(connection);
}

static void receive_large(const char *queue, int32_t flags)
{
    static uint8_t part[65536];
    uint32_t at = 0;
    size_t got = 1;
    ra_connection *connection = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_consumer *consumer = NULL;
    GOOD(ra_consumer_open(session, queue, NULL, flags, -2, &consumer, &err));
    GOOD(ra_session_start(session, &err));
    ra_message *message = kit_receive(consumer, PATIENCE_MS);
    cr_assert_not_null(message);
    cr_assert_eq(ra_message_large_size(message), flags == RA_CONSUMER_STREAM ? LARGE : -1);
    while (got > 0) {
        GOOD(ra_consumer_read_body(consumer, message, part, sizeof part, PATIENCE_MS, 0, &got, &err));
        for (size_t i = 0; i < got; i++, at++)
            cr_assert_eq(part[i], large_byte(at), "byte %u", (unsigned)at);
    }
    cr_assert_eq(at, LARGE);
    GOOD(ra_consumer_acknowledge(consumer, message, &err));
    ra_message_unref(message);
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_consumer_free(consumer);
    ra_session_free(session);
    ra_connection_free(connection);
}

ArtemisTest(interop, large_messages_of_ours__the_java_client_streams_out)
{
    char queue[96], said[8192];
    make_queue(queue, sizeof queue);
    send_large(queue, false);
    send_large(queue, true);
    cr_assert_eq(java("Large check" TWO_LARGE, queue, said, sizeof said), 0, "%s", said);
}

ArtemisTest(interop, large_messages_of_the_java_client__we_read)
{
    char queue[96], said[8192];
    make_queue(queue, sizeof queue);
    cr_assert_eq(java("Large send" TWO_LARGE, queue, said, sizeof said), 0, "%s", said);
    receive_large(queue, 0);
    receive_large(queue, RA_CONSUMER_STREAM);
}
