/* The n-th read, write, poll, thread start or allocation fails: the client goes on, or says so, and leaves nothing. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "harness.h"
#include "peer.h"
#include "support/test.h"

enum { CALLS = 20, LONG_MS = 60000 };

struct failing {
    atomic_int reads, writes, polls; /* counts down to the call that fails; 0: none */
    int read_error, write_error;
};

static bool is_due(atomic_int *left)
{
    return atomic_load(left) > 0 && atomic_fetch_sub(left, 1) == 1;
}

static ssize_t failing_read(void *ctx, int fd, void *out, size_t size)
{
    struct failing *f = ctx;
    if (is_due(&f->reads))
        return -f->read_error;
    return rai_sys_default.read(NULL, fd, out, size);
}

static ssize_t failing_write(void *ctx, int fd, const struct iovec *pieces, int count)
{
    struct failing *f = ctx;
    if (is_due(&f->writes))
        return -f->write_error;
    return rai_sys_default.write(NULL, fd, pieces, count);
}

static int failing_poll(void *ctx, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    struct failing *f = ctx;
    if (is_due(&f->polls))
        return -ENOMEM;
    return rai_sys_default.poll(NULL, fds, count, timeout_us);
}

static int failing_thread_start(void *ctx, pthread_t *thread, void *(*run)(void *), void *arg)
{
    (void)ctx, (void)thread, (void)run, (void)arg;
    return -EAGAIN;
}

static struct rai_sys failing_table(struct failing *f)
{
    struct rai_sys sys = rai_sys_default;
    sys.ctx = f;
    sys.read = failing_read;
    sys.write = failing_write;
    sys.poll = failing_poll;
    return sys;
}

/* After the failure has been prepared: work goes on, over a new link if need be. */
static void work_on(rai_client *c)
{
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    for (int i = 0; i < CALLS; i++) {
        (void)harness_send(c, p, LONG_MS, NULL); /* unknown when it was the one that was cut */
        int rc = harness_query(c, s, LONG_MS);
        cr_assert_eq(rc, 0, "query %d: %d", i, rc);
    }
}

static void check_failure(bool manual, struct failing *f, int *reads, int *writes, int *polls)
{
    struct peer *peer = peer_new();
    struct rai_sys sys = failing_table(f);
    struct rai_config config = harness_config(peer_port(peer));
    config.manual_drive = manual;
    rai_client *c = harness_open(&config, &sys);
    atomic_store(&f->reads, *reads);
    atomic_store(&f->writes, *writes);
    atomic_store(&f->polls, *polls);
    work_on(c);
    harness_close(c);
    peer_free(peer);
}

Test(client_faults, nth_read_fails__work_goes_on, .timeout = 120)
{
    for (int n = 1, none = 0; n <= 25; n++) {
        struct failing f = { .read_error = n % 2 ? ECONNRESET : EINVAL };
        check_failure(n % 3 == 0, &f, &n, &none, &none);
        cr_expect_leq(atomic_load(&f.reads), 0, "%d", n);
    }
}

Test(client_faults, nth_write_fails__work_goes_on, .timeout = 120)
{
    for (int n = 1, none = 0; n <= 25; n++) {
        struct failing f = { .write_error = n % 2 ? EPIPE : ENOBUFS };
        check_failure(n % 3 == 0, &f, &none, &n, &none);
        cr_expect_leq(atomic_load(&f.writes), 0, "%d", n);
    }
}

Test(client_faults, nth_poll_fails__work_goes_on, .timeout = 120)
{
    for (int n = 1, none = 0; n <= 25; n++) {
        struct failing f = { .reads = 0 };
        check_failure(n % 3 == 0, &f, &none, &none, &n);
        cr_expect_leq(atomic_load(&f.polls), 0, "%d", n);
    }
}

Test(client_faults, no_thread__open_fails_and_leaves_nothing)
{
    struct peer *peer = peer_new();
    long memory = rai_alloc_count(), fds = harness_descriptors();
    struct rai_sys sys = rai_sys_default;
    struct rai_config config = harness_config(peer_port(peer));
    struct rai_fault fault;
    rai_client *c;
    sys.thread_start = failing_thread_start;
    cr_assert_eq(rai_client_new(&config, &sys, &c, &fault), 0);
    cr_expect_eq(rai_client_open(c, LONG_MS, &fault), RA_E_NO_MEMORY);
    rai_client_free(c);
    harness_expect_descriptors(fds);
    cr_expect_eq(rai_alloc_count(), memory);
    peer_free(peer);
}

/* No memory at all from the n-th allocation on, for a while: calls may fail, nothing may crash, hang or leak. */
static bool starve(struct peer *peer, long n)
{
    struct rai_config config = harness_config(peer_port(peer));
    struct rai_fault fault;
    rai_client *c;
    rai_session *s = NULL;
    rai_producer *p = NULL;
    rai_op *op = NULL;
    config.manual_drive = n % 2;
    cr_assert_eq(rai_client_new(&config, NULL, &c, &fault), 0);
    rai_alloc_fail_at(n);
    int rc = rai_client_open(c, 200, &fault);
    if (rc == 0 && rai_client_enter(c, &fault) == 0) {
        rc = rai_session_open(rai_client_engine(c), false, c, rai_client_now(c), &s, &op, &fault);
        if (rc == 0) {
            rc = rai_client_wait_op(c, op, rai_client_until(c, 200), 0, &fault);
            rai_op_unref(op);
        }
        if (rc == 0)
            rc = rai_producer_open(s, "q", rai_client_now(c), &p, NULL, &fault);
        rai_client_leave(c);
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = harness_query(c, s, 200);
    }
    rai_alloc_fail_at(0);
    harness_close(c);
    return rc != 0;
}

Test(client_faults, nth_allocation_fails__nothing_crashes_or_leaks, .timeout = 120)
{
    struct peer *peer = peer_new();
    long memory = rai_alloc_count(), fds = harness_descriptors();
    long n = 1;
    while (n < 200 && starve(peer, n)) {
        harness_expect_descriptors(fds);
        cr_assert_eq(rai_alloc_count(), memory, "n = %ld: %ld left", n, rai_alloc_count() - memory);
        n++;
    }
    cr_expect_gt(n, 5);
    cr_expect_lt(n, 200);
    peer_free(peer);
}
