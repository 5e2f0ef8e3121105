#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- the process --- */

static int entries(const char *directory)
{
    DIR *d = opendir(directory);
    int n = 0;
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        closedir(d);
    return n;
}

struct kit_census kit_count(void)
{
    return (struct kit_census){ entries("/proc/self/fd"), entries("/proc/self/task") };
}

void kit_assert_nothing_left(struct kit_census before)
{
    int64_t until = kit_ms() + PATIENCE_MS / 4;
    struct kit_census now = kit_count();
    while ((now.descriptors != before.descriptors || now.threads != before.threads) && kit_ms() < until) {
        kit_pause(2);
        now = kit_count();
    }
    cr_assert_eq(now.descriptors, before.descriptors, "%d descriptors, before %d", now.descriptors, before.descriptors);
    cr_assert_eq(now.threads, before.threads, "%d threads, before %d", now.threads, before.threads);
}

int64_t kit_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void kit_pause(unsigned ms)
{
    struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

uint16_t kit_port(void)
{
    struct broker b;
    cr_assert(broker_shared(&b), "no REATTACH_BROKER_PORT: tests/support/broker.py run -- ctest -L artemis");
    return b.port;
}

const char *kit_name(const char *stem)
{
    static char names[16][96];
    static unsigned last;
    char *name = names[++last % 16];
    snprintf(name, sizeof names[0], "%s.%d.%llx.%u", stem, (int)getpid(), (unsigned long long)kit_ms(), last);
    return name;
}

/* --- opening --- */

const char *kit_url_as(uint16_t port, const char *user, const char *password, const char *options)
{
    static char url[512];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u?user=%s&password=%s%s%s", (unsigned)port, user, password,
             options[0] != '\0' ? "&" : "", options);
    return url;
}

const char *kit_url(uint16_t port, const char *options)
{
    return kit_url_as(port, "admin", "admin", options);
}

ra_connection *kit_connect(uint16_t port, const char *options)
{
    ra_connection *connection = NULL;
    GOOD(ra_connection_open(kit_url(port, options), NULL, PATIENCE_MS, &connection, &err));
    return connection;
}

ra_session *kit_session(ra_connection *connection, int mode)
{
    ra_session *session = NULL;
    GOOD(ra_session_open(connection, mode, &session, &err));
    return session;
}

ra_producer *kit_producer(ra_session *session, const char *address)
{
    ra_producer *producer = NULL;
    GOOD(ra_producer_open(session, address, &producer, &err));
    return producer;
}

ra_consumer *kit_consumer(ra_session *session, const char *queue, int32_t window)
{
    ra_consumer *consumer = NULL;
    GOOD(ra_consumer_open(session, queue, NULL, 0, window, &consumer, &err));
    return consumer;
}

void kit_queue(ra_session *session, const char *queue)
{
    GOOD(ra_session_create_queue(session, queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL, &err));
}

int64_t kit_stat(ra_connection *connection, int id)
{
    int64_t value = -1;
    GOOD(ra_connection_stat(connection, id, &value, &err));
    return value;
}

void kit_await_stat(ra_connection *connection, int id, int64_t n)
{
    int64_t until = kit_ms() + PATIENCE_MS;
    while (kit_stat(connection, id) < n) {
        cr_assert_lt(kit_ms(), until, "%s is %lld, not %lld", ra_stat_name(id), (long long)kit_stat(connection, id),
                     (long long)n);
        kit_pause(1);
    }
}

void kit_open(struct kit *k, uint16_t port, const char *options, int mode)
{
    *k = (struct kit){ .connection = kit_connect(port, options) };
    k->session = kit_session(k->connection, mode);
    snprintf(k->queue, sizeof k->queue, "%s", kit_name("kit"));
    kit_queue(k->session, k->queue);
    k->producer = kit_producer(k->session, k->queue);
    GOOD(ra_session_start(k->session, &err));
}

void kit_consume(struct kit *k, int32_t window)
{
    k->consumer = kit_consumer(k->session, k->queue, window);
}

void kit_free(struct kit *k)
{
    ra_consumer_free(k->consumer);
    ra_producer_free(k->producer);
    ra_session_free(k->session);
    ra_connection_free(k->connection);
    k->consumer = NULL;
    k->producer = NULL;
    k->session = NULL;
    k->connection = NULL;
}

void kit_close(struct kit *k)
{
    int64_t not_done = -1, unknown = -1;
    GOOD(ra_connection_close(k->connection, PATIENCE_MS, &not_done, &unknown, &err));
    cr_assert_eq(not_done, 0, "%lld not done", (long long)not_done);
    cr_assert_eq(unknown, 0, "%lld unknown", (long long)unknown);
    kit_free(k);
}

/* --- messages --- */

ra_message *kit_message(int32_t seq, int durable)
{
    ra_message *message = NULL;
    GOOD(ra_message_new(RA_MESSAGE_DEFAULT, &message, &err));
    GOOD(ra_message_set_int(message, "seq", seq, &err));
    GOOD(ra_message_set_durable(message, durable, &err));
    return message;
}

int32_t kit_seq(const ra_message *message)
{
    int32_t seq = -1;
    return ra_message_get_int(message, "seq", &seq, NULL) == 0 ? seq : -1;
}

void kit_send(ra_producer *producer, int32_t seq, int durable)
{
    ra_message *message = kit_message(seq, durable);
    GOOD(ra_producer_send(producer, NULL, message, &err));
    ra_message_unref(message);
}

void kit_send_tagged(ra_producer *producer, int32_t first, int32_t count, int durable)
{
    for (int32_t seq = first; seq < first + count; seq++) {
        ra_message *message = kit_message(seq, durable);
        int rc;
        while ((rc = ra_producer_send_tagged(producer, NULL, message, (uint64_t)seq, NULL)) == RA_E_WOULD_BLOCK)
            GOOD(ra_producer_wait_writable(producer, PATIENCE_MS, 0, &err));
        cr_assert_eq(rc, 0, "tagged send: %s", ra_error_code_name(rc));
        ra_message_unref(message);
    }
}

void kit_fill(ra_producer *producer, int32_t first, int32_t count)
{
    for (int32_t seq = first; seq < first + count; seq++)
        kit_send(producer, seq, 1);
}

ra_message *kit_receive(ra_consumer *consumer, int64_t timeout_ms)
{
    ra_message *message = NULL;
    GOOD(ra_consumer_receive(consumer, timeout_ms, 0, &message, &err));
    return message;
}

void kit_expect(ra_consumer *consumer, int32_t seq, bool acknowledge)
{
    ra_message *message = kit_receive(consumer, PATIENCE_MS);
    cr_assert_not_null(message, "message %d did not come", (int)seq);
    cr_assert_eq(kit_seq(message), seq, "message %d came, not %d", (int)kit_seq(message), (int)seq);
    if (acknowledge)
        GOOD(ra_consumer_acknowledge(consumer, message, &err));
    ra_message_unref(message);
}

void kit_expect_queue(uint16_t port, const char *queue, int32_t first, int32_t count)
{
    ra_connection *connection = kit_connect(port, "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_consumer *consumer = kit_consumer(session, queue, -2);
    GOOD(ra_session_start(session, &err));
    for (int32_t seq = first; seq < first + count; seq++)
        kit_expect(consumer, seq, true);
    ra_message *more = kit_receive(consumer, 0);
    cr_assert_null(more, "the queue holds more than %d messages, the next is %d", (int)count,
                   more != NULL ? (int)kit_seq(more) : -1);
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_consumer_free(consumer);
    ra_session_free(session);
    ra_connection_free(connection);
}

int64_t kit_message_count(ra_session *session, const char *queue)
{
    ra_queue_info *info = NULL;
    GOOD(ra_session_query_queue(session, queue, &info, &err));
    int64_t count = ra_queue_info_exists(info) ? ra_queue_info_message_count(info) : -1;
    ra_queue_info_free(info);
    return count;
}

void kit_await_count(ra_session *session, const char *queue, int64_t count)
{
    int64_t until = kit_ms() + PATIENCE_MS, now;
    while ((now = kit_message_count(session, queue)) != count)
        cr_assert_lt(kit_ms(), until, "%s holds %lld messages, not %lld", queue, (long long)now, (long long)count);
}

/* --- events --- */

ra_event *kit_await_event(ra_connection *connection, int kind)
{
    int64_t until = kit_ms() + PATIENCE_MS;
    for (;;) {
        ra_event *event = NULL;
        GOOD(ra_connection_next_event(connection, &event, &err));
        if (event != NULL && ra_event_kind(event) == kind)
            return event;
        ra_event_free(event);
        if (event != NULL)
            continue;
        int64_t left = until - kit_ms();
        cr_assert_gt(left, 0, "%s did not come", ra_event_kind_name(kind));
        ra_connection_wait_event(connection, left, NULL);
    }
}

int64_t kit_await_outcomes(ra_connection *connection, int64_t count, int64_t *counts)
{
    int64_t none[6], left = count;
    bool *seen = calloc((size_t)count + 1, sizeof *seen);
    counts = counts != NULL ? counts : none;
    memset(counts, 0, 6 * sizeof *counts);
    while (left > 0) {
        ra_event *event = kit_await_event(connection, RA_EVENT_SEND_OUTCOME);
        int outcome = ra_event_outcome(event);
        cr_assert(outcome > RA_OUTCOME_PENDING && outcome <= RA_OUTCOME_PROCESSED, "outcome %d", outcome);
        for (uint64_t tag = ra_event_first_tag(event); tag <= ra_event_last_tag(event); tag++) {
            cr_assert_lt(tag, (uint64_t)count, "tag %llu was never given", (unsigned long long)tag);
            cr_assert_not(seen[tag], "tag %llu has two outcomes", (unsigned long long)tag);
            seen[tag] = true;
            counts[outcome]++;
            left--;
        }
        ra_event_free(event);
    }
    free(seen);
    return counts[RA_OUTCOME_CONFIRMED];
}

struct relay *kit_relay(uint16_t target)
{
    struct relay_options options = { .target = target, .seed = 1 };
    char why[256] = "";
    struct relay *r = relay_start(&options, why, sizeof why);
    cr_assert_not_null(r, "%s", why);
    return r;
}
