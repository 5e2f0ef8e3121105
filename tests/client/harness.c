#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "codec/message.h"

enum { PATIENCE_MS = 60000 };

void harness_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    abort();
}

int64_t harness_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void harness_sleep_ms(int ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

struct rai_config harness_config(uint16_t port)
{
    struct rai_config config;
    memset(&config, 0, sizeof config);
    config.endpoints = rai_calloc(1, sizeof *config.endpoints);
    config.endpoint_count = 1;
    strcpy(config.endpoints->host, "127.0.0.1");
    config.endpoints->port = port;
    config.user = rai_strdup("user");
    config.password = rai_strdup("secret");
    config.confirmation_window = 65536;
    config.reconnect_attempts = -1;
    config.initial_connect_attempts = 1;
    config.retry_interval = 10;
    config.retry_interval_multiplier = 1.0;
    config.max_retry_interval = 10;
    config.connect_timeout = 10000;
    config.call_timeout = 30000;
    config.call_failover_timeout = 30000;
    config.connection_ttl = 60000;
    config.check_period = 30000;
    config.consumer_window = 1024 * 1024;
    config.producer_window = -1;
    config.max_unconfirmed = 8 * 1024 * 1024;
    config.min_large_message_size = 102400;
    config.max_body_in_memory = 1 << 20;
    config.ack_batch_size = 1024 * 1024;
    config.block_on_durable_send = true;
    config.route_check = RAI_ROUTE_NONE;
    return config;
}

rai_client *harness_open(const struct rai_config *config, const struct rai_sys *sys)
{
    rai_client *c;
    struct rai_fault fault;
    if (rai_client_new(config, sys, &c, &fault) < 0 || rai_client_open(c, PATIENCE_MS, &fault) < 0)
        harness_fail("open: %d %s", fault.code, fault.text);
    return c;
}

void harness_close(rai_client *c)
{
    struct rai_fault fault;
    if (rai_client_close(c, PATIENCE_MS, &fault) < 0)
        harness_fail("close: %d %s", fault.code, fault.text);
    rai_client_free(c);
}

static void enter(rai_client *c)
{
    struct rai_fault fault;
    if (rai_client_enter(c, &fault) < 0)
        harness_fail("enter: %d %s", fault.code, fault.text);
}

static void done(rai_client *c, int rc, rai_op *op, const char *what)
{
    struct rai_fault fault;
    memset(&fault, 0, sizeof fault);
    if (rc == 0 && op)
        rc = rai_client_wait_op(c, op, rai_client_until(c, PATIENCE_MS), 0, &fault);
    if (rc < 0)
        harness_fail("%s: %d %s", what, rc, fault.text);
    if (op)
        rai_op_unref(op);
}

rai_session *harness_session(rai_client *c)
{
    rai_session *s = NULL;
    rai_op *op = NULL;
    enter(c);
    int rc = rai_session_open(rai_client_engine(c), false, c, rai_client_now(c), &s, &op, NULL);
    done(c, rc, op, "session");
    done(c, rai_session_start(s, rai_client_now(c), NULL), NULL, "start");
    rai_client_leave(c);
    return s;
}

rai_producer *harness_producer(rai_client *c, rai_session *s)
{
    rai_producer *p = NULL;
    rai_op *op = NULL;
    enter(c);
    int rc = rai_producer_open(s, "q", rai_client_now(c), &p, &op, NULL);
    done(c, rc, op, "producer");
    rai_client_leave(c);
    return p;
}

rai_consumer *harness_consumer(rai_client *c, rai_session *s, void *owner)
{
    rai_consumer *consumer = NULL;
    rai_op *op = NULL;
    enter(c);
    int rc = rai_consumer_open(s, "q", NULL, false, -1, owner, rai_client_now(c), &consumer, &op, NULL);
    done(c, rc, op, "consumer");
    rai_client_leave(c);
    return consumer;
}

void harness_release(rai_client *c, rai_session *s, rai_producer *p, rai_consumer *consumer)
{
    enter(c);
    if (p)
        rai_producer_release(p, rai_client_now(c));
    if (consumer)
        rai_consumer_release(consumer, rai_client_now(c));
    if (s)
        rai_session_release(s, rai_client_now(c));
    rai_client_leave(c);
}

int harness_send(rai_client *c, rai_producer *p, int64_t timeout_ms, int *rc_out)
{
    struct rai_fault fault;
    rai_op *op = NULL;
    ra_message *m = rai_message_new(0);
    if (!m)
        harness_fail("no memory");
    m->durable = true;
    enter(c);
    int rc = rai_producer_send(p, NULL, m, RAI_SEND_OP, 0, rai_client_now(c), &op, &fault);
    if (rc == 0)
        rc = rai_client_wait_op(c, op, rai_client_until(c, timeout_ms), 0, &fault);
    int outcome = op ? rai_op_outcome(op) : RA_OUTCOME_NOT_DONE;
    if (op) {
        if (outcome == RA_OUTCOME_PENDING)
            rai_op_abandon(op, rai_client_now(c));
        rai_op_unref(op);
    }
    rai_client_leave(c);
    ra_message_unref(m);
    if (rc_out)
        *rc_out = rc;
    return outcome;
}

int harness_query(rai_client *c, rai_session *s, int64_t timeout_ms)
{
    struct rai_fault fault;
    rai_op *op = NULL;
    enter(c);
    int rc = rai_session_query_queue(s, "q", rai_client_now(c), &op, &fault);
    if (rc == 0)
        rc = rai_client_wait_op(c, op, rai_client_until(c, timeout_ms), 0, &fault);
    if (op) {
        if (rai_op_outcome(op) == RA_OUTCOME_PENDING)
            rai_op_abandon(op, rai_client_now(c));
        rai_op_unref(op);
    }
    rai_client_leave(c);
    return rc;
}

int harness_receive(rai_client *c, rai_consumer *consumer, int64_t timeout_ms)
{
    struct rai_fault fault;
    int64_t until = rai_client_until(c, timeout_ms);
    ra_message *m;
    int rc = 0;
    enter(c);
    while (!(m = rai_consumer_take(consumer, 0, rai_client_now(c))) && rc == 0) {
        if (rai_consumer_fault(consumer)->code != RA_OK)
            rc = rai_consumer_fault(consumer)->code;
        else
            rc = rai_client_wait_consumer(c, consumer, until, 0, &fault);
    }
    rai_client_leave(c);
    if (!m)
        return rc;
    ra_message_unref(m);
    return 1;
}

long harness_descriptors(void)
{
    long count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

long harness_threads(void)
{
    long count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return -1;
    for (const struct dirent *e; (e = readdir(tasks));)
        count += e->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void expect(long (*look)(void), long count, const char *what)
{
    int64_t limit = harness_now_ms() + 10000;
    long found;
    while ((found = look()) != count) {
        if (harness_now_ms() > limit)
            harness_fail("%ld %s, not %ld", found, what, count);
        harness_sleep_ms(1);
    }
}

void harness_expect_descriptors(long count)
{
    expect(harness_descriptors, count, "descriptors");
}

void harness_expect_threads(long count)
{
    expect(harness_threads, count, "threads");
}
