/* The n-th socket, connect, read, write, poll, thread start or allocation fails: the client goes on, or says so, and
 * leaves nothing. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "harness.h"
#include "peer.h"
#include "support/test.h"

enum { CALLS = 8, LONG_MS = 60000, NO_END = 400 };

enum call { SOCKET, CONNECT, READ, WRITE, POLL, CALL_KINDS };

/* What goes wrong: the n-th call of a kind, counted down. error 0: it does less than asked for (a read: one byte, a
 * write: one byte), END: the end of the stream. */
enum { LESS = 0, END = -1 };
struct failing {
    atomic_int left[CALL_KINDS];
    int error;
};

static struct failing *connecting; /* for the calls that are not in the table of the client room */

static bool is_due(struct failing *f, enum call call)
{
    return f != NULL && atomic_load(&f->left[call]) > 0 && atomic_fetch_sub(&f->left[call], 1) == 1;
}

/* In place of the library's: dial.c opens its sockets itself. */
int socket(int domain, int type, int protocol)
{
    if (is_due(connecting, SOCKET)) {
        errno = connecting->error;
        return -1;
    }
    return (int)syscall(SYS_socket, domain, type, protocol);
}

int connect(int fd, const struct sockaddr *to, socklen_t size)
{
    if (is_due(connecting, CONNECT)) {
        errno = connecting->error;
        return -1;
    }
    return (int)syscall(SYS_connect, fd, to, size);
}

static ssize_t failing_read(void *ctx, int fd, void *out, size_t size)
{
    struct failing *f = ctx;
    if (!is_due(f, READ))
        return rai_sys_default.read(NULL, fd, out, size);
    return f->error > 0 ? -f->error : f->error == END ? 0 : rai_sys_default.read(NULL, fd, out, 1);
}

static ssize_t failing_write(void *ctx, int fd, const struct iovec *pieces, int count)
{
    struct failing *f = ctx;
    if (!is_due(f, WRITE))
        return rai_sys_default.write(NULL, fd, pieces, count);
    struct iovec one = { pieces->iov_base, 1 };
    return f->error > 0 ? -f->error : rai_sys_default.write(NULL, fd, &one, 1);
}

static int failing_poll(void *ctx, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    if (is_due(ctx, POLL))
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
static void work_on(rai_client *c, struct peer *peer)
{
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    for (int i = 0; i < CALLS; i++) {
        if (i == CALLS / 2)
            peer_cut(peer);
        (void)harness_send(c, p, LONG_MS, NULL); /* unknown when it was the one that was cut */
        int rc = harness_query(c, s, LONG_MS);
        cr_assert_eq(rc, 0, "query %d: %d", i, rc);
    }
}

/* Returns whether there was an n-th call. One that fails while the client opens may end that: with a reason. */
static bool check_failure(enum call call, int error, int n)
{
    long memory = rai_alloc_count(), fds = harness_descriptors();
    struct peer *peer = peer_new();
    struct failing f = { .error = error };
    struct rai_sys sys = failing_table(&f);
    struct rai_config config = harness_config(peer_port(peer));
    struct rai_fault fault = { 0 };
    rai_client *c;
    config.manual_drive = n % 2 == 0;
    cr_assert_eq(rai_client_new(&config, &sys, &c, &fault), 0);
    atomic_store(&f.left[call], n);
    connecting = &f;
    int rc = rai_client_open(c, LONG_MS, &fault);
    if (rc == 0)
        work_on(c, peer);
    else
        cr_assert(fault.code == rc && fault.text[0] != '\0', "%d: no reason", n);
    bool reached = atomic_load(&f.left[call]) <= 0;
    harness_close(c);
    connecting = NULL;
    peer_free(peer);
    harness_expect_descriptors(fds);
    cr_assert_eq(rai_alloc_count(), memory, "%d: %ld left", n, rai_alloc_count() - memory);
    return reached;
}

static void sweep(const char *what, enum call call, int error, int at_least)
{
    int n = 1;
    while (n < NO_END && check_failure(call, error, n))
        n++;
    printf("%s: %d points\n", what, n - 1);
    cr_assert_lt(n, NO_END);
    cr_assert_gt(n, at_least);
}

Test(client_faults, nth_connect_fails__is_tried_again_or_told, .timeout = 120)
{
    sweep("no socket", SOCKET, EMFILE, 2);
    sweep("no route", CONNECT, ENETUNREACH, 2);
}

Test(client_faults, nth_read_fails__work_goes_on, .timeout = 120)
{
    sweep("a reset read", READ, ECONNRESET, 10);
    sweep("the end of the stream", READ, END, 10);
}

/* What the system refused to take was not written: it is sent when the session is there again, and not unknown. */
Test(client_faults, failed_write__wrote_nothing)
{
    struct peer *peer = peer_new();
    struct failing f = { .error = EPIPE };
    struct rai_sys sys = failing_table(&f);
    struct rai_config config = harness_config(peer_port(peer));
    config.manual_drive = true;
    rai_client *c = harness_open(&config, &sys);
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    cr_expect_eq(harness_send(c, p, LONG_MS, NULL), RA_OUTCOME_CONFIRMED);
    cr_expect_eq(harness_query(c, s, LONG_MS), 0);
    /* the peer knows no session again: it is recreated, and what was written would end unknown */
    atomic_store(&f.left[WRITE], 1);
    cr_expect_eq(harness_send(c, p, LONG_MS, NULL), RA_OUTCOME_CONFIRMED);
    harness_close(c);
    peer_free(peer);
}

Test(client_faults, nth_write_fails__work_goes_on, .timeout = 120)
{
    sweep("a broken pipe", WRITE, EPIPE, 10);
    sweep("a write without buffers", WRITE, ENOBUFS, 10);
}

Test(client_faults, nth_read_or_write_is_short__nobody_notices, .timeout = 120)
{
    sweep("a read of one byte", READ, LESS, 10);
    sweep("a write of one byte", WRITE, LESS, 10);
}

Test(client_faults, nth_poll_fails__work_goes_on, .timeout = 120)
{
    sweep("a failed poll", POLL, ENOMEM, 10);
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
