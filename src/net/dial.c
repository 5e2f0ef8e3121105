#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "net/resolve.h"
#include "net/socket.h"

enum dial_state { BEGIN, RESOLVING, CONNECTING, CONNECTED, OVER };

struct rai_dialer {
    enum dial_state state;
    char host[256];
    uint16_t port;
    char endpoint[RAI_FAULT_ENDPOINT];
    int64_t timeout_us, deadline;
    struct rai_resolve *resolve;
    struct rai_address *addresses;
    int count, next;
    int fd;
    int64_t share_ends; /* this address gets no more time */
    int error;          /* errno of the last address that failed */
    struct rai_fault fault;
};

struct rai_dialer *rai_dialer_new(const char *host, uint16_t port, int64_t timeout_us, int64_t now)
{
    struct rai_dialer *d = rai_calloc(1, sizeof *d);
    if (!d)
        return NULL;
    (void)snprintf(d->host, sizeof d->host, "%s", host);
    d->port = port;
    rai_endpoint_text(d->endpoint, sizeof d->endpoint, d->host, port);
    d->timeout_us = timeout_us;
    d->deadline = timeout_us >= INT64_MAX - now ? INT64_MAX : now + timeout_us;
    d->fd = -1;
    return d;
}

void rai_dialer_free(struct rai_dialer *d)
{
    if (!d)
        return;
    rai_resolve_free(d->resolve);
    rai_socket_close(d->fd);
    rai_free(d->addresses);
    rai_free(d);
}

static int end(struct rai_dialer *d)
{
    memcpy(d->fault.endpoint, d->endpoint, sizeof d->fault.endpoint);
    rai_resolve_free(d->resolve);
    d->resolve = NULL;
    rai_socket_close(d->fd);
    d->fd = -1;
    d->state = OVER;
    return d->fault.code;
}

static int end_no_memory(struct rai_dialer *d)
{
    (void)rai_fault_set(&d->fault, RA_E_NO_MEMORY, "out of memory while connecting to %s", d->endpoint);
    return end(d);
}

/* The last address failed, or there is no time left. */
static int end_connect(struct rai_dialer *d)
{
    char reason[96];
    if (d->error == ETIMEDOUT)
        (void)rai_fault_set(&d->fault, RA_E_CONNECT_TIMEOUT, "%s did not answer within %lld ms", d->endpoint,
                            (long long)(d->timeout_us / 1000));
    else
        (void)rai_fault_set(&d->fault, RA_E_CONNECT, "cannot connect to %s: %s", d->endpoint,
                            strerror_r(d->error, reason, sizeof reason));
    return end(d);
}

static void set_option(int fd, int level, int option)
{
    int on = 1;
    (void)setsockopt(fd, level, option, &on, sizeof on); /* a refusal costs speed, not correctness */
}

/* On the loopback a connect to a free port can meet itself when the kernel picks that very port as the source; it would
 * then keep a restarting broker from listening. */
static bool met_itself(int fd)
{
    struct rai_address self, peer;
    memset(&self, 0, sizeof self);
    memset(&peer, 0, sizeof peer);
    self.size = peer.size = sizeof self.to;
    return getsockname(fd, &self.to.any, &self.size) == 0 && getpeername(fd, &peer.to.any, &peer.size) == 0 &&
           self.size == peer.size && memcmp(&self.to, &peer.to, self.size) == 0;
}

/* 1: connected at once; 0: under way; -errno */
static int begin_connect(struct rai_dialer *d, const struct rai_address *address)
{
    d->fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (d->fd < 0)
        return -errno;
    set_option(d->fd, IPPROTO_TCP, TCP_NODELAY);
    set_option(d->fd, SOL_SOCKET, SO_KEEPALIVE);
    if (connect(d->fd, &address->to.any, address->size) == 0)
        return met_itself(d->fd) ? -ECONNREFUSED : 1;
    return errno == EINPROGRESS || errno == EINTR ? 0 : -errno;
}

/* Tries the addresses that are left until one is under way. */
static int next_address(struct rai_dialer *d, int64_t now)
{
    while (d->next < d->count && now < d->deadline) {
        int left = d->count - d->next;
        int rc = begin_connect(d, &d->addresses[d->next++]);
        if (rc < 0) {
            rai_socket_close(d->fd);
            d->fd = -1;
            d->error = -rc;
            continue;
        }
        /* one silent address must not eat the time of the others */
        d->share_ends = d->deadline == INT64_MAX ? INT64_MAX : now + (d->deadline - now) / left;
        d->state = rc == 1 ? CONNECTED : CONNECTING;
        return rc;
    }
    if (now >= d->deadline && d->next < d->count)
        d->error = ETIMEDOUT;
    return end_connect(d);
}

/* 1: numeric, goes on with the address; 0: a look-up is under way; negative: over */
static int begin(struct rai_dialer *d)
{
    struct rai_address numeric;
    if (rai_resolve_numeric(d->host, d->port, &numeric)) {
        d->addresses = rai_alloc(sizeof *d->addresses);
        if (!d->addresses)
            return end_no_memory(d);
        d->addresses[0] = numeric;
        d->count = 1;
        return 1;
    }
    d->resolve = rai_resolve_new(d->host, d->port);
    if (!d->resolve)
        return end_no_memory(d);
    d->state = RESOLVING;
    return 0;
}

static int step_resolve(struct rai_dialer *d, int64_t now)
{
    int rc = rai_resolve_step(d->resolve);
    if (rc < 0) {
        (void)rai_fault_set(&d->fault, RA_E_RESOLVE, "cannot resolve %s: %s", d->host, rai_resolve_text(d->resolve));
        return end(d);
    }
    if (rc == 0 && now >= d->deadline) {
        (void)rai_fault_set(&d->fault, RA_E_CONNECT_TIMEOUT, "%s was not resolved within %lld ms", d->host,
                            (long long)(d->timeout_us / 1000));
        return end(d);
    }
    if (rc == 0)
        return 0;
    d->count = rai_resolve_take(d->resolve, &d->addresses);
    rai_resolve_free(d->resolve);
    d->resolve = NULL;
    return next_address(d, now);
}

static int step_connect(struct rai_dialer *d, int64_t now)
{
    struct pollfd fd = { .fd = d->fd, .events = POLLOUT };
    if (poll(&fd, 1, 0) > 0) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
            error = errno;
        if (error == 0 && met_itself(d->fd))
            error = ECONNREFUSED;
        if (error == 0) {
            d->state = CONNECTED;
            return 1;
        }
        d->error = error;
    } else if (now < d->share_ends) {
        return 0;
    } else {
        d->error = ETIMEDOUT;
    }
    rai_socket_close(d->fd);
    d->fd = -1;
    return next_address(d, now);
}

static int step(struct rai_dialer *d, int64_t now)
{
    int rc;
    switch (d->state) {
    case BEGIN:
        rc = begin(d);
        if (rc < 0)
            return rc;
        return rc == 1 ? next_address(d, now) : step_resolve(d, now);
    case RESOLVING:
        return step_resolve(d, now);
    case CONNECTING:
        return step_connect(d, now);
    case CONNECTED:
        return 1;
    case OVER:
        break;
    }
    return d->fault.code;
}

int rai_dialer_step(struct rai_dialer *d, int64_t now, struct rai_fault *fault)
{
    int rc = step(d, now);
    if (rc < 0 && fault)
        *fault = d->fault;
    return rc;
}

int rai_dialer_pollfds(struct rai_dialer *d, struct pollfd fds[RAI_DIALER_FDS])
{
    if (d->state == RESOLVING)
        return rai_resolve_pollfds(d->resolve, fds, RAI_DIALER_FDS);
    if (d->state != CONNECTING)
        return 0;
    fds[0] = (struct pollfd){ .fd = d->fd, .events = POLLOUT };
    return 1;
}

int64_t rai_dialer_deadline(struct rai_dialer *d, int64_t now)
{
    switch (d->state) {
    case RESOLVING: {
        int64_t left = d->deadline > now ? d->deadline - now : 0;
        return now + rai_resolve_timeout(d->resolve, left < INT32_MAX ? left : INT32_MAX);
    }
    case CONNECTING:
        return d->share_ends;
    default:
        return now;
    }
}

int rai_dialer_take(struct rai_dialer *d)
{
    int fd = d->fd;
    d->fd = -1;
    d->state = OVER;
    return fd;
}
