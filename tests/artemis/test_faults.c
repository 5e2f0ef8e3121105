/* What can be wrong with the other side: each has a code of its own, a sentence that helps, and its time. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECRET "t0p-s3cret"

/* --- a server that is not a broker: one connection after the other --- */

enum habit { SILENT, CLOSES, SPEAKS_HTTP, SPEAKS_NOISE };

struct impostor {
    enum habit habit;
    int listener;
    uint16_t port;
    pthread_t thread;
};

static void serve(enum habit habit, int fd)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    static const char noise[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    char buffer[512];
    if (habit == SPEAKS_HTTP && recv(fd, buffer, sizeof buffer, 0) > 0)
        (void)send(fd, http, sizeof http - 1, MSG_NOSIGNAL);
    if (habit == SPEAKS_NOISE)
        (void)send(fd, noise, sizeof noise - 1, MSG_NOSIGNAL);
    while (habit != CLOSES && recv(fd, buffer, sizeof buffer, 0) > 0)
        ;
    close(fd);
}

static void *accept_all(void *argument)
{
    struct impostor *s = argument;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0)
        serve(s->habit, fd);
    return NULL;
}

static void impostor_start(struct impostor *s, enum habit habit)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    *s = (struct impostor){ .habit = habit, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    cr_assert_eq(bind(s->listener, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    cr_assert_eq(listen(s->listener, 8), 0);
    cr_assert_eq(pthread_create(&s->thread, NULL, accept_all, s), 0);
}

static void impostor_stop(struct impostor *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

/* A port that nobody listens on: bound, so that nobody else gets it meanwhile. */
static int closed_port(uint16_t *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* --- what is checked --- */

static void check_says(const ra_error *error, int32_t code, const char *endpoint)
{
    const char *message = ra_error_message(error);
    cr_assert_eq(ra_error_code(error), code, "%s: %s", ra_error_name(error), message);
    cr_assert_str_not_empty(message);
    cr_assert_null(strstr(message, SECRET), "the password is in: %s", message);
    cr_assert_null(strstr(ra_error_broker_text(error), SECRET), "the password is in: %s", ra_error_broker_text(error));
    cr_assert(strstr(message, endpoint) != NULL || strstr(ra_error_endpoint(error), endpoint) != NULL,
              "%s is neither in \"%s\" nor the endpoint \"%s\"", endpoint, message, ra_error_endpoint(error));
}

/* Opening fails with this code, not before at_least and not much after `within`. */
static void check_open(const char *url, int64_t timeout_ms, int32_t code, const char *endpoint, int64_t at_least,
                       int64_t within)
{
    ra_connection *connection = (ra_connection *)&connection;
    ra_error *error = NULL;
    int64_t began = kit_ms();
    int rc = ra_connection_open(url, NULL, timeout_ms, &connection, &error);
    int64_t took = kit_ms() - began;
    cr_assert_eq(rc, code, "%s: %s", ra_error_code_name(rc), ra_error_message(error));
    cr_assert_null(connection);
    check_says(error, code, endpoint);
    ra_error_free(error);
    cr_assert_geq(took, at_least, "after %lld ms already", (long long)took);
    cr_assert_leq(took, within * 10, "after %lld ms only", (long long)took);
}

static const char *endpoint_of(uint16_t port)
{
    static char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)port);
    return text;
}

/* --- the broker refuses --- */

ArtemisTest(faults, wrong_password__is_a_security_error_of_the_session)
{
    ra_connection *connection = NULL;
    ra_session *session = NULL;
    ra_error *error = NULL;
    int64_t began = kit_ms();
    GOOD(ra_connection_open(kit_url_as(kit_port(), "admin", SECRET, ""), NULL, 5000, &connection, &err));
    int rc = ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &session, &error);
    cr_assert_lt(kit_ms() - began, 10000);
    cr_assert_eq(rc, RA_E_SECURITY);
    cr_assert_null(session);
    check_says(error, RA_E_SECURITY, endpoint_of(kit_port()));
    cr_assert_not_null(strstr(ra_error_message(error), "admin"), "whose password? %s", ra_error_message(error));
    cr_assert_eq(ra_error_broker_code(error), 105);
    cr_assert_not(ra_error_is_retriable(error));
    ra_error_free(error);
    GOOD(ra_connection_close(connection, 5000, NULL, NULL, &err));
    ra_connection_free(connection);
}

ArtemisTest(faults, unknown_queue__is_named)
{
    ra_connection *connection = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_consumer *consumer = NULL;
    ra_error *error = NULL;
    cr_assert_eq(ra_consumer_open(session, "no.such.queue", NULL, 0, -2, &consumer, &error), RA_E_NO_QUEUE);
    cr_assert_null(consumer);
    check_says(error, RA_E_NO_QUEUE, "no.such.queue");
    cr_assert_eq(ra_error_broker_code(error), 100);
    ra_error_free(error);
    cr_assert_eq(ra_session_delete_queue(session, "no.such.queue", &error), RA_E_NO_QUEUE);
    check_says(error, RA_E_NO_QUEUE, "no.such.queue");
    ra_error_free(error);
    ra_producer *producer = NULL;
    cr_assert_eq(ra_producer_open(session, "no.such.queue", &producer, &error), RA_E_NO_ADDRESS);
    check_says(error, RA_E_NO_ADDRESS, "no.such.queue");
    ra_error_free(error);
    GOOD(ra_connection_close(connection, 5000, NULL, NULL, &err));
    ra_session_free(session);
    ra_connection_free(connection);
}

/* --- nobody there --- */

ArtemisTest(faults, broker_down__cannot_be_reached)
{
    uint16_t port;
    int fd = closed_port(&port);
    check_open(kit_url_as(port, "admin", SECRET, ""), 5000, RA_E_CONNECT, endpoint_of(port), 0, 500);
    close(fd);
}

ArtemisTest(faults, broker_down_with_attempts__is_tried_as_often_as_allowed)
{
    uint16_t port;
    int fd = closed_port(&port);
    const char *url = kit_url_as(port, "admin", SECRET, "initialConnectAttempts=3&retryInterval=100");
    check_open(url, 5000, RA_E_CONNECT, endpoint_of(port), 200, 500);
    close(fd);
}

ArtemisTest(faults, broker_down_for_ever__ends_with_the_time_out)
{
    uint16_t port;
    int fd = closed_port(&port);
    const char *url = kit_url_as(port, "admin", SECRET, "initialConnectAttempts=-1&retryInterval=50");
    check_open(url, 300, RA_E_TIMEOUT, endpoint_of(port), 300, 300);
    close(fd);
}

ArtemisTest(faults, unknown_host__is_not_resolved)
{
    const char *url = "tcp://no-such-host.invalid:61616?user=admin&password=" SECRET;
    check_open(url, 10000, RA_E_RESOLVE, "no-such-host.invalid", 0, 10000);
}

/* --- somebody else --- */

ArtemisTest(faults, a_port_that_speaks_http__does_not_speak_core)
{
    struct impostor s;
    impostor_start(&s, SPEAKS_HTTP);
    check_open(kit_url_as(s.port, "admin", SECRET, ""), 5000, RA_E_PROTOCOL, endpoint_of(s.port), 0, 500);
    impostor_stop(&s);
}

ArtemisTest(faults, a_port_that_sends_noise__does_not_speak_core)
{
    struct impostor s;
    impostor_start(&s, SPEAKS_NOISE);
    check_open(kit_url_as(s.port, "admin", SECRET, ""), 5000, RA_E_PROTOCOL, endpoint_of(s.port), 0, 500);
    impostor_stop(&s);
}

ArtemisTest(faults, a_port_that_stays_silent__is_given_up_in_time)
{
    struct impostor s;
    impostor_start(&s, SILENT);
    const char *url = kit_url_as(s.port, "admin", SECRET, "connect-timeout-millis=300");
    check_open(url, 5000, RA_E_LINK_SILENT, endpoint_of(s.port), 300, 300);
    impostor_stop(&s);
}

ArtemisTest(faults, a_port_that_stays_silent__is_given_up_with_the_callers_time_too)
{
    struct impostor s;
    impostor_start(&s, SILENT);
    check_open(kit_url_as(s.port, "admin", SECRET, ""), 300, RA_E_TIMEOUT, endpoint_of(s.port), 300, 300);
    impostor_stop(&s);
}

ArtemisTest(faults, a_port_that_closes_at_once__closed_the_connection)
{
    struct impostor s;
    impostor_start(&s, CLOSES);
    check_open(kit_url_as(s.port, "admin", SECRET, ""), 5000, RA_E_LINK_CLOSED, endpoint_of(s.port), 0, 500);
    impostor_stop(&s);
}

/* A route into nowhere: the documentation network of RFC 5737. Without any route it is unreachable at once. */
ArtemisTest(faults, a_host_that_swallows_everything__is_given_up_in_time)
{
    ra_connection *connection = NULL;
    ra_error *error = NULL;
    int64_t began = kit_ms();
    int rc = ra_connection_open("tcp://192.0.2.1:61616?connect-timeout-millis=300&password=" SECRET, NULL, 5000,
                                &connection, &error);
    cr_assert(rc == RA_E_CONNECT_TIMEOUT || rc == RA_E_CONNECT, "%s", ra_error_message(error));
    cr_assert_lt(kit_ms() - began, 3000);
    check_says(error, rc, "192.0.2.1:61616");
    ra_error_free(error);
}

ArtemisTest(faults, the_second_of_two_brokers__is_found)
{
    uint16_t port;
    int fd = closed_port(&port);
    char url[256];
    snprintf(url, sizeof url, "(tcp://127.0.0.1:%u,tcp://127.0.0.1:%u)?user=admin&password=admin", (unsigned)port,
             (unsigned)kit_port());
    ra_connection *connection = NULL;
    GOOD(ra_connection_open(url, NULL, 5000, &connection, &err));
    cr_assert(ra_connection_is_connected(connection));
    GOOD(ra_connection_close(connection, 5000, NULL, NULL, &err));
    ra_connection_free(connection);
    close(fd);
}
