/* The net room over real sockets: dialing, reading, writing. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/dial.h"
#include "net/socket.h"
#include "net/wake.h"
#include "support/test.h"

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Listens on a free port of the loopback. */
static int listen_on(int family, int backlog, uint16_t *port)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, address, size) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, address, &size), 0);
    *port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return fd;
}

/* Runs a dial to its end: the descriptor, or the fault's code. */
static int dial(const char *host, uint16_t port, int64_t timeout_us, struct rai_fault *fault)
{
    struct rai_dialer *d = rai_dialer_new(host, port, timeout_us, now_us());
    cr_assert_not_null(d);
    int rc;
    while ((rc = rai_dialer_step(d, now_us(), fault)) == 0) {
        struct pollfd fds[RAI_DIALER_FDS];
        int count = rai_dialer_pollfds(d, fds);
        int64_t now = now_us(), wait = rai_dialer_deadline(d, now) - now;
        cr_assert(count >= 0 && count <= RAI_DIALER_FDS);
        (void)poll(fds, (nfds_t)count, wait <= 0 ? 0 : (int)(wait / 1000) + 1);
    }
    if (rc == 1)
        rc = rai_dialer_take(d);
    rai_dialer_free(d);
    return rc;
}

static long open_descriptors(void)
{
    long count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void check_connected(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;
    cr_assert_geq(fd, 0);
    cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    cr_expect(value);
    value = 0;
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    cr_expect(value);
}

Test(net_dial, numeric_v4__connects)
{
    uint16_t port;
    struct rai_fault fault;
    int listener = listen_on(AF_INET, 8, &port);
    int fd = dial("127.0.0.1", port, 5000000, &fault);
    check_connected(fd);
    close(fd);
    close(listener);
}

Test(net_dial, numeric_v6__connects)
{
    uint16_t port;
    struct rai_fault fault;
    int listener = listen_on(AF_INET6, 8, &port);
    if (listener < 0)
        cr_skip_test("no IPv6 here");
    int fd = dial("::1", port, 5000000, &fault);
    check_connected(fd);
    close(fd);
    close(listener);
    fd = dial("::1", port, 5000000, &fault);
    cr_assert_eq(fd, RA_E_CONNECT);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "[::1]:%u", port);
    cr_expect_str_eq(fault.endpoint, endpoint);
}

Test(net_dial, name_with_several_addresses__tries_them_in_order)
{
    uint16_t port;
    struct rai_fault fault;
    int listener = listen_on(AF_INET, 8, &port);
    int fd = dial("localhost", port, 5000000, &fault); /* ::1, if it is one of them, is refused */
    check_connected(fd);
    close(fd);
    close(listener);
}

Test(net_dial, refused_port__is_a_connect_fault_that_names_the_endpoint)
{
    uint16_t port;
    struct rai_fault fault;
    close(listen_on(AF_INET, 8, &port));
    cr_assert_eq(dial("127.0.0.1", port, 5000000, &fault), RA_E_CONNECT);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", port);
    cr_expect_str_eq(fault.endpoint, endpoint);
    cr_expect_not_null(strstr(fault.text, endpoint), "%s", fault.text);
    cr_expect_not_null(strstr(fault.text, "refused"), "%s", fault.text);
}

Test(net_dial, unknown_name__is_a_fault_and_leaks_nothing)
{
    struct rai_fault fault;
    long before = open_descriptors(), memory = rai_alloc_count();
    int rc = dial("no-such-host.invalid", 61616, 3000000, &fault);
    /* a resolver that does not answer at all makes it a time-out */
    cr_assert(rc == RA_E_RESOLVE || rc == RA_E_CONNECT_TIMEOUT, "%d", rc);
    cr_expect_not_null(strstr(fault.text, "no-such-host.invalid"), "%s", fault.text);
    cr_expect_str_eq(fault.endpoint, "no-such-host.invalid:61616");
    cr_expect_eq(open_descriptors(), before);
    cr_expect_eq(rai_alloc_count(), memory);
}

Test(net_dial, freed_in_the_middle__leaks_nothing)
{
    struct rai_fault fault;
    long before = open_descriptors(), memory = rai_alloc_count();
    struct rai_dialer *d = rai_dialer_new("no-such-host.invalid", 61616, 3000000, now_us());
    cr_assert_not_null(d);
    int rc = rai_dialer_step(d, now_us(), &fault);
    cr_assert(rc == 0 || rc == RA_E_RESOLVE);
    rai_dialer_free(d);
    rai_dialer_free(rai_dialer_new("127.0.0.1", 1, 1, 1));
    cr_expect_eq(open_descriptors(), before);
    cr_expect_eq(rai_alloc_count(), memory);
}

Test(net_dial, silent_listener__times_out)
{
    enum { MOST = 16 };
    uint16_t port;
    struct rai_fault fault;
    int fds[MOST], count = 0, rc = 0;
    int listener = listen_on(AF_INET, 0, &port);
    /* connections nobody accepts fill the backlog; then the kernel drops what asks for one */
    while (count < MOST && (rc = dial("127.0.0.1", port, 300000, &fault)) >= 0)
        fds[count++] = rc;
    cr_assert_eq(rc, RA_E_CONNECT_TIMEOUT, "%d after %d connections", rc, count);
    cr_expect_not_null(strstr(fault.text, "300 ms"), "%s", fault.text);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    close(listener);
}

Test(net_dial, no_memory__is_a_fault)
{
    struct rai_fault fault;
    rai_alloc_fail_at(1);
    cr_expect_null(rai_dialer_new("127.0.0.1", 1, 1000000, now_us()));
    rai_alloc_fail_at(2);
    struct rai_dialer *d = rai_dialer_new("127.0.0.1", 1, 1000000, now_us());
    cr_assert_not_null(d);
    cr_expect_eq(rai_dialer_step(d, now_us(), &fault), RA_E_NO_MEMORY);
    rai_alloc_fail_at(0);
    cr_expect_eq(rai_dialer_step(d, now_us(), &fault), RA_E_NO_MEMORY);
    rai_dialer_free(d);
}

Test(net_socket, silence__is_limited_by_the_kernel_too)
{
    unsigned limit_ms = 0;
    socklen_t size = sizeof limit_ms;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    rai_socket_limit_silence(fd, 10000000);
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, &size), 0);
    cr_expect_eq(limit_ms, 10000);
    rai_socket_limit_silence(fd, INT64_MAX - 1);
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, &size), 0);
    cr_expect_eq(limit_ms, INT32_MAX);
    rai_socket_close(fd);
}

Test(net_socket, end_and_reset__are_told_apart)
{
    int pair[2];
    char byte;
    struct rai_fault fault;
    struct iovec pieces[2] = { { .iov_base = "ab", .iov_len = 2 }, { .iov_base = "c", .iov_len = 1 } };
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    cr_expect_eq(rai_socket_read(pair[0], &byte, 1), -EAGAIN);
    cr_expect_eq(rai_socket_write(pair[0], pieces, 2), 3);
    cr_expect_eq(rai_socket_read(pair[1], &byte, 1), 1);
    rai_socket_close(pair[1]);                                  /* with unread bytes: a reset */
    cr_expect_eq(rai_socket_write(pair[0], pieces, 2), -EPIPE); /* and no SIGPIPE */
    rai_socket_close(pair[0]);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    rai_socket_close(pair[1]);
    cr_expect_eq(rai_socket_read(pair[0], &byte, 1), 0);
    rai_socket_close(pair[0]);

    cr_expect_eq(rai_socket_fault(&fault, "host", 5, 0), RA_E_LINK_CLOSED);
    cr_expect_str_eq(fault.endpoint, "host:5");
    cr_expect_eq(rai_socket_fault(&fault, "::1", 5, ECONNRESET), RA_E_LINK_LOST);
    cr_expect_str_eq(fault.endpoint, "[::1]:5");
}

Test(net_wake, set_twice__is_set_once)
{
    int fd = rai_wake_open();
    struct pollfd p = { .fd = fd, .events = POLLIN };
    cr_assert_geq(fd, 0);
    cr_expect_eq(poll(&p, 1, 0), 0);
    rai_wake_set(fd);
    rai_wake_set(fd);
    cr_expect_eq(poll(&p, 1, 0), 1);
    rai_wake_clear(fd);
    cr_expect_eq(poll(&p, 1, 0), 0);
    rai_wake_clear(fd); /* does not block */
    close(fd);
}
