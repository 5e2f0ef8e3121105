#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client/inside.h"
#include "net/socket.h"
#include "net/wake.h"

/*
 * The descriptor for a loop of the caller's. With a background thread it is an eventfd that is set while events wait.
 * With drive=manual it is an epoll set of that eventfd, the driver's wake descriptor, a timer for the deadline, and a
 * second epoll set with the sockets. Descriptors of a dial come and go inside c-ares and their numbers are used again,
 * so the second set is not edited but made anew whenever it may have changed; between dials that is almost never.
 */
static int add(int set, int fd, short events)
{
    struct epoll_event e;
    memset(&e, 0, sizeof e);
    e.events = (events & POLLIN ? (uint32_t)EPOLLIN : 0) | (events & POLLOUT ? (uint32_t)EPOLLOUT : 0);
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
}

static void show_events(rai_client *c)
{
    bool set = rai_client_events_wait(c);
    if (set == c->loop.event_set)
        return;
    c->loop.event_set = set;
    if (set)
        rai_wake_set(c->loop.event_fd);
    else
        rai_wake_clear(c->loop.event_fd);
}

static bool is_known(const rai_client *c, int count)
{
    const struct client_loop *loop = &c->loop;
    if (loop->links_fd < 0 || loop->changes != c->fd_changes || loop->known_count != count)
        return false;
    for (int i = 1; i < count; i++)
        if (loop->known[i].fd != c->fds[i].fd || loop->known[i].events != c->fds[i].events)
            return false;
    return true;
}

static void remember(rai_client *c, int count)
{
    struct client_loop *loop = &c->loop;
    if (count > loop->known_room) {
        struct pollfd *known = rai_realloc(loop->known, (size_t)count * sizeof *known);
        if (!known) {
            loop->known_count = 0; /* made anew every time */
            return;
        }
        loop->known = known;
        loop->known_room = count;
    }
    memcpy(loop->known, c->fds, (size_t)count * sizeof *loop->known);
    loop->known_count = count;
    loop->changes = c->fd_changes;
}

static void show_links(rai_client *c, int count)
{
    struct client_loop *loop = &c->loop;
    if (is_known(c, count))
        return;
    rai_socket_close(loop->links_fd); /* leaves the outer set by itself */
    loop->links_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 1; i < count && loop->links_fd >= 0; i++)
        (void)add(loop->links_fd, c->fds[i].fd, c->fds[i].events);
    if (loop->links_fd >= 0)
        (void)add(loop->epoll_fd, loop->links_fd, POLLIN);
    remember(c, count);
}

static void show_deadline(rai_client *c, int64_t at)
{
    struct itimerspec when;
    if (at == c->loop.timer_at)
        return;
    c->loop.timer_at = at;
    memset(&when, 0, sizeof when);
    if (at != INT64_MAX) {
        int64_t left = at - rai_client_now(c);
        if (left < 1)
            left = 1; /* zero would switch it off */
        when.it_value.tv_sec = (time_t)(left / 1000000);
        when.it_value.tv_nsec = (long)(left % 1000000) * 1000;
    }
    (void)timerfd_settime(c->loop.timer_fd, 0, &when, NULL);
}

static void show_urgent(rai_client *c, bool urgent)
{
    if (urgent == c->kicked)
        return;
    c->kicked = urgent;
    if (urgent)
        rai_wake_set(c->wake_fd);
    else
        rai_wake_clear(c->wake_fd);
}

void rai_loop_update(rai_client *c)
{
    if (c->loop.event_fd < 0)
        return;
    show_events(c);
    if (c->loop.epoll_fd < 0 || c->driver != DRIVER_NONE)
        return; /* a driver looks after the sockets, and updates this when it is done */
    int64_t until = rai_engine_deadline(c->engine);
    int count = rai_links_pollfds(c, rai_client_now(c), &until);
    show_urgent(c, count < 0 || rai_drive_urgent(c));
    if (count < 0)
        return;
    show_links(c, count);
    show_deadline(c, until);
}

void rai_loop_close(rai_client *c)
{
    rai_socket_close(c->loop.event_fd);
    rai_socket_close(c->loop.epoll_fd);
    rai_socket_close(c->loop.links_fd);
    rai_socket_close(c->loop.timer_fd);
}

static int open_loop(rai_client *c)
{
    struct client_loop *loop = &c->loop;
    if (loop->event_fd < 0) {
        int fd = rai_wake_open();
        if (fd < 0)
            return fd;
        loop->event_fd = fd;
        loop->event_set = false;
    }
    if (!c->config.manual_drive || loop->epoll_fd >= 0)
        return 0;
    if (loop->timer_fd < 0)
        loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0 || loop->timer_fd < 0 || add(set, loop->event_fd, POLLIN) < 0 || add(set, c->wake_fd, POLLIN) < 0 ||
        add(set, loop->timer_fd, POLLIN) < 0) {
        int error = errno;
        rai_socket_close(set);
        return -error;
    }
    loop->timer_at = INT64_MAX;
    loop->epoll_fd = set;
    return 0;
}

int rai_client_descriptor(rai_client *c, struct rai_fault *fault)
{
    int rc = rai_client_enter(c, fault);
    if (rc < 0)
        return rc;
    rc = open_loop(c);
    if (rc < 0)
        rc = rai_fault_set(fault, RA_E_NO_MEMORY, "no descriptor left (error %d)", -rc);
    else
        rc = c->config.manual_drive ? c->loop.epoll_fd : c->loop.event_fd;
    rai_client_leave(c);
    return rc;
}

int64_t rai_client_deadline(rai_client *c)
{
    if (rai_client_enter(c, NULL) < 0)
        return -1;
    int64_t at = INT64_MAX;
    if (c->config.manual_drive && c->driver == DRIVER_NONE) {
        at = rai_engine_deadline(c->engine);
        if (rai_links_pollfds(c, rai_client_now(c), &at) < 0 || rai_drive_urgent(c))
            at = 0;
    }
    int64_t left = at == INT64_MAX ? -1 : at - rai_client_now(c);
    rai_client_unlock(c);
    if (at == INT64_MAX)
        return -1;
    return left <= 0 ? 0 : (left + 999) / 1000;
}

int rai_client_process(rai_client *c, struct rai_fault *fault)
{
    enum { ROUNDS = 16 }; /* then the caller's other work has its turn; the descriptor stays readable */
    int rc = rai_client_enter(c, fault);
    if (rc < 0)
        return rc;
    if (c->config.manual_drive && c->driver == DRIVER_NONE) {
        c->driver = DRIVER_CALLER;
        for (int round = 0; round < ROUNDS; round++) {
            rai_drive_turn(c);
            if (!rai_drive_round(c, 0))
                break;
        }
        rai_drive_step_down(c);
    }
    rai_client_leave(c);
    return 0;
}
