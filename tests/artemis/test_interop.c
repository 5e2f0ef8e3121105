/* The catalogue of tests/support/java/README.md, exchanged with the Java client in both directions. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kit.h"

#include "catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Runs a command of the shell and keeps the end of what it says. Returns its exit status. */
static int run(const char *command, char *out, size_t size)
{
    char line[4096];
    size_t have = 0;
    FILE *pipe = popen(command, "re");
    cr_assert_not_null(pipe);
    while (fgets(line, sizeof line, pipe) != NULL) {
        size_t n = strlen(line);
        if (strstr(line, "\"ok\":true") != NULL)
            continue;
        if (have + n >= size)
            have = 0;
        memcpy(out + have, line, n);
        have += n;
    }
    out[have] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int peer(const char *mode, const char *queue, char *out, size_t size)
{
    char path[2048] = "", command[4096];
    const char *python = getenv("PYTHON");
    snprintf(command, sizeof command, "'%s' '%s/broker.py' java", python != NULL ? python : "python3",
             REATTACH_SUPPORT_DIR);
    cr_assert_eq(run(command, path, sizeof path), 0, "%s", path);
    path[strcspn(path, "\n")] = '\0';
    snprintf(command, sizeof command,
             "java -Xshare:auto -XX:TieredStopAtLevel=1 -cp '%s' Peer %s --port %u --queue %s 2>&1", path, mode,
             (unsigned)kit_port(), queue);
    return run(command, out, size);
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
    int status = peer("check", queue, said, sizeof said);
    cr_assert_eq(status, 0, "%s", said);
    cr_assert_not_null(strstr(said, "{\"cases\":39,\"good\":39}"), "%s", said);
}

ArtemisTest(interop, what_the_java_client_sends__we_read)
{
    char queue[96], said[8192];
    make_queue(queue, sizeof queue);
    cr_assert_eq(peer("send", queue, said, sizeof said), 0, "%s", said);
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
    cr_assert_eq(peer("send", from, said, sizeof said), 0, "%s", said);
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
    int status = peer("check", to, said, sizeof said);
    cr_assert_eq(status, 0, "%s", said);
}
