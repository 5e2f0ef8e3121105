#include "net/resolve.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"

enum { MOST_ADDRESSES = 32 }; /* of one name; a resolver's answer drives this allocation */

struct rai_resolve {
    ares_channel channel;
    bool has_channel;
    bool over;
    int status; /* ARES_... once over */
    int count;
    struct rai_address *addresses;
};

/* ares_library_init() is not thread safe before c-ares 1.23 (it counts); once is enough, and there is no end to it
 * because other code of the process may use c-ares too. */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void library_init(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

int rai_resolve_numeric(const char *host, uint16_t port, struct rai_address *out)
{
    struct addrinfo hints, *found = NULL;
    char service[8];
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV; /* never asks anybody */
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return 0;
    int fits = found->ai_addrlen <= sizeof out->to;
    if (fits) {
        memset(out, 0, sizeof *out);
        memcpy(&out->to, found->ai_addr, found->ai_addrlen);
        out->size = found->ai_addrlen;
    }
    freeaddrinfo(found);
    return fits;
}

/* --- sockets for c-ares ------------------------------------------------------------------------------------------ */

static ares_socket_t open_socket(int family, int type, int protocol, void *user)
{
    (void)user;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *user)
{
    (void)user;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t size, void *user)
{
    (void)user;
    return connect(fd, to, size);
}

static ares_ssize_t receive(ares_socket_t fd, void *out, size_t size, int flags, struct sockaddr *from,
                            ares_socklen_t *from_size, void *user)
{
    (void)user;
    return recvfrom(fd, out, size, flags, from, from_size);
}

static ares_ssize_t send_pieces(ares_socket_t fd, const struct iovec *pieces, int count, void *user)
{
    struct msghdr message;
    (void)user;
    memset(&message, 0, sizeof message);
    message.msg_iov = (struct iovec *)(uintptr_t)pieces;
    message.msg_iovlen = (size_t)count;
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = { open_socket, close_socket, connect_socket, receive,
                                                               send_pieces };

/* --- the look-up ------------------------------------------------------------------------------------------------- */

static int keep_addresses(struct rai_resolve *r, const struct ares_addrinfo *found)
{
    r->addresses = rai_calloc(MOST_ADDRESSES, sizeof *r->addresses);
    if (!r->addresses)
        return ARES_ENOMEM;
    for (const struct ares_addrinfo_node *n = found->nodes; n && r->count < MOST_ADDRESSES; n = n->ai_next) {
        struct rai_address *a = &r->addresses[r->count];
        if ((n->ai_family != AF_INET && n->ai_family != AF_INET6) || n->ai_addrlen > sizeof a->to)
            continue;
        memcpy(&a->to, n->ai_addr, n->ai_addrlen);
        a->size = n->ai_addrlen;
        r->count++;
    }
    return r->count > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

static void finished(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct rai_resolve *r = arg;
    (void)timeouts;
    r->over = true;
    r->status = status;
    if (status == ARES_SUCCESS && found)
        r->status = keep_addresses(r, found);
    ares_freeaddrinfo(found);
}

struct rai_resolve *rai_resolve_new(const char *host, uint16_t port)
{
    struct rai_resolve *r = rai_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    (void)pthread_once(&library_once, library_init);
    r->status = library_status;
    if (r->status == ARES_SUCCESS)
        r->status = ares_init(&r->channel);
    if (r->status != ARES_SUCCESS) {
        r->over = true;
        return r;
    }
    r->has_channel = true;
    ares_set_socket_functions(r->channel, &socket_functions, NULL);

    struct ares_addrinfo_hints hints;
    char service[8];
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = ARES_AI_NUMERICSERV;
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    ares_getaddrinfo(r->channel, host, service, &hints, finished, r);
    return r;
}

int rai_resolve_pollfds(struct rai_resolve *r, struct pollfd *fds, int max)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    int count = 0;
    if (r->over)
        return 0;
    int bits = ares_getsock(r->channel, sockets, ARES_GETSOCK_MAXNUM);
    for (int i = 0; i < ARES_GETSOCK_MAXNUM && count < max; i++) {
        short events = 0;
        if (ARES_GETSOCK_READABLE(bits, i))
            events = POLLIN;
        if (bits & (int)(1U << (i + ARES_GETSOCK_MAXNUM)))
            events |= POLLOUT;
        if (events)
            fds[count++] = (struct pollfd){ .fd = sockets[i], .events = events };
    }
    return count;
}

int rai_resolve_step(struct rai_resolve *r)
{
    struct pollfd fds[ARES_GETSOCK_MAXNUM];
    if (!r->over) {
        int count = rai_resolve_pollfds(r, fds, ARES_GETSOCK_MAXNUM);
        if (count > 0 && poll(fds, (nfds_t)count, 0) < 0)
            count = 0;
        for (int i = 0; i < count && !r->over; i++) {
            bool in = fds[i].revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL);
            bool out = fds[i].revents & POLLOUT;
            if (in || out)
                ares_process_fd(r->channel, in ? fds[i].fd : ARES_SOCKET_BAD, out ? fds[i].fd : ARES_SOCKET_BAD);
        }
        if (!r->over) /* its own time-outs and further servers */
            ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    if (!r->over)
        return 0;
    return r->status == ARES_SUCCESS ? 1 : -1;
}

const char *rai_resolve_text(const struct rai_resolve *r)
{
    return ares_strerror(r->status);
}

int64_t rai_resolve_timeout(struct rai_resolve *r, int64_t most_us)
{
    struct timeval most, out;
    if (r->over)
        return 0;
    most.tv_sec = (time_t)(most_us / 1000000);
    most.tv_usec = (suseconds_t)(most_us % 1000000);
    const struct timeval *t = ares_timeout(r->channel, &most, &out);
    return t ? (int64_t)t->tv_sec * 1000000 + t->tv_usec : most_us;
}

int rai_resolve_take(struct rai_resolve *r, struct rai_address **out)
{
    *out = r->addresses;
    r->addresses = NULL;
    return r->count;
}

void rai_resolve_free(struct rai_resolve *r)
{
    if (!r)
        return;
    if (r->has_channel)
        ares_destroy(r->channel); /* calls finished() if it is still under way */
    rai_free(r->addresses);
    rai_free(r);
}
