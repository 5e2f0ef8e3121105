/* One connection: bytes both ways, and the ways in which it ends. */
#include "mock/conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "net/socket.h"

enum { READ_MOST = 65536, SETTLE_US = 1000000, LOOK_US = 1000 };

struct rai_mock_conn *rai_mock_conn_new(rai_mock *engine, uint32_t link, int fd, int poll, uint64_t id)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = id };
    struct rai_mock_conn *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    *c = (struct rai_mock_conn){ .id = id, .fd = fd, .poll = poll, .engine = engine, .link = link };
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0)
        return c;
    rai_mock_ended(engine, link);
    rai_socket_close(fd);
    free(c);
    return NULL;
}

/* --- ends --- */

void rai_mock_reset_socket(int fd)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    rai_socket_close(fd); /* which takes it out of the poll set as well */
}

void rai_mock_conn_reset(struct rai_mock_conn *c)
{
    if (c->state != RAI_MOCK_CONN_GONE)
        rai_mock_reset_socket(c->fd);
    c->state = RAI_MOCK_CONN_GONE;
}

static void want_room(struct rai_mock_conn *c, bool waits)
{
    struct epoll_event event = { .events = waits ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.u64 = c->id };
    if (waits != c->waits)
        epoll_ctl(c->poll, EPOLL_CTL_MOD, c->fd, &event);
    c->waits = waits;
}

/* Closing a socket with unread bytes would reset it. */
static void close_in_order(struct rai_mock_conn *c)
{
    want_room(c, false);
    shutdown(c->fd, SHUT_WR);
    c->state = RAI_MOCK_CONN_DRAINING;
}

static void close_because_client_did(struct rai_mock_conn *c)
{
    rai_mock_ended(c->engine, c->link);
    rai_socket_close(c->fd);
    c->state = RAI_MOCK_CONN_GONE;
}

/* --- bytes --- */

/* false: there is nothing left to read. */
static bool read_some(struct rai_mock_conn *c)
{
    uint8_t bytes[READ_MOST];
    ssize_t n = rai_socket_read(c->fd, bytes, sizeof bytes);
    if (n > 0)
        rai_mock_input(c->engine, c->link, bytes, (size_t)n);
    else if (n != -EAGAIN)
        close_because_client_did(c);
    return n > 0;
}

void rai_mock_conn_read(struct rai_mock_conn *c)
{
    c->readable = false; /* the kernel will say so again */
    if (c->state == RAI_MOCK_CONN_OPEN || c->state == RAI_MOCK_CONN_DRAINING)
        read_some(c);
}

static void write_some(struct rai_mock_conn *c, const uint8_t *bytes, size_t size)
{
    struct iovec piece = { (void *)(uintptr_t)bytes, size };
    ssize_t n = rai_socket_write(c->fd, &piece, 1);
    if (n < 0 && n != -EAGAIN) {
        close_because_client_did(c);
        return;
    }
    if (n > 0)
        rai_mock_sent(c->engine, c->link, (size_t)n);
    want_room(c, n < (ssize_t)size);
}

/* --- what the engine has ended --- */

static void end(struct rai_mock_conn *c, enum rai_mock_cut cut)
{
    switch (cut) {
    case RAI_MOCK_SILENCE:
        epoll_ctl(c->poll, EPOLL_CTL_DEL, c->fd, NULL);
        c->state = RAI_MOCK_CONN_DEAF;
        break;
    case RAI_MOCK_ABANDON:
        while (c->state == RAI_MOCK_CONN_OPEN && read_some(c))
            ;
        rai_mock_conn_reset(c);
        break;
    case RAI_MOCK_RESET:
        rai_mock_conn_reset(c);
        break;
    default:
        close_in_order(c);
    }
}

/* A reset throws away what the kernel has not sent, so that is waited for; but not for ever, as the client may not
 * read. What the engine still holds back comes first. */
static bool has_settled(struct rai_mock_conn *c, size_t ready, int64_t now)
{
    int unsent = 0;
    if (ready == 0 && rai_mock_unsent(c->engine, c->link) > 0)
        return false;
    if (c->settle_by == 0)
        c->settle_by = now + SETTLE_US;
    if (ready == 0 && (ioctl(c->fd, SIOCOUTQNSD, &unsent) != 0 || unsent == 0))
        return true;
    return now >= c->settle_by;
}

bool rai_mock_conn_write(struct rai_mock_conn *c, int64_t now)
{
    size_t size;
    const uint8_t *bytes = rai_mock_output(c->engine, c->link, &size);
    enum rai_mock_cut cut = rai_mock_cut_of(c->engine, c->link);
    if (c->state == RAI_MOCK_CONN_OPEN && size > 0)
        write_some(c, bytes, size);
    if (c->state != RAI_MOCK_CONN_OPEN || (cut == 0 && rai_mock_is_open(c->engine, c->link)))
        return false;
    rai_mock_output(c->engine, c->link, &size);
    if (!has_settled(c, size, now))
        return false;
    end(c, cut);
    return cut != 0;
}

int64_t rai_mock_conn_deadline(const struct rai_mock_conn *c, int64_t now)
{
    return c->state == RAI_MOCK_CONN_OPEN && c->settle_by > 0 ? now + LOOK_US : INT64_MAX;
}
