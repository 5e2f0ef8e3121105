/* A connection: accept, connect, four ways to be cut, the end. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "relay_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT = 0, BROKER = 1 };

bool conn_is_open(const struct conn *c)
{
    return c->state == CONN_CONNECTING || c->state == CONN_OPEN;
}

static void close_fd(int fd, bool reset)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void close_side(struct side *s, bool reset)
{
    if (s->fd < 0)
        return;
    close_fd(s->fd, reset); /* also leaves the epoll set */
    s->fd = -1;
    s->registered = false;
}

void conn_end(struct conn *c, bool reset)
{
    struct relay *r = c->relay;
    if (c->state == CONN_DEAD)
        return;
    c->state = CONN_DEAD;
    for (int i = 0; i < 2; i++) {
        flow_clear(&c->flow[i]);
        close_side(&c->side[i], reset);
    }
    if (c->record != NULL)
        fclose(c->record);
    c->record = NULL;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        r->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    /* Its memory stays until no event can name it any more. The list pointer is left alone for
       whoever is walking the list right now. */
    c->prev = r->dead;
    r->dead = c;
    pthread_cond_broadcast(&r->changed);
}

void conn_flow_done(struct conn *c)
{
    if (c->state == CONN_OPEN && c->flow[0].done && c->flow[1].done)
        conn_end(c, false);
}

static void set_state(struct conn *c, enum conn_state state, unsigned ms)
{
    c->state = state;
    c->deadline_us = ms > 0 ? c->relay->now_us + ms * 1000ull : 0;
    pthread_cond_broadcast(&c->relay->changed);
}

static void finish(struct conn *c)
{
    for (int i = 0; i < 2; i++)
        flow_clear(&c->flow[i]);
    for (int i = 0; i < 2; i++)
        shutdown(c->side[i].fd, SHUT_WR);
    /* Closing now would reset: the parties may have sent what we have not read. */
    set_state(c, CONN_FINISHING, FINISH_MS);
}

static void silence(struct conn *c)
{
    for (int i = 0; i < 2; i++)
        flow_clear(&c->flow[i]);
    set_state(c, CONN_SILENT, c->relay->keep_ms);
}

static void abandon(struct conn *c, bool exact)
{
    struct flow *f = &c->flow[RELAY_TO_BROKER];
    memset(f->fuse, 0, sizeof f->fuse);
    if (!exact)
        flow_read_rest(f);
    f->stopped = true;
    f->held = false;
    if (c->state == CONN_DEAD)
        return;
    flow_clear(&c->flow[RELAY_TO_CLIENT]);
    close_side(&c->side[CLIENT], true);
    set_state(c, CONN_ABANDONED, c->relay->keep_ms);
    flow_run(f);
}

/* exact: by a trap, which has chosen the last byte itself. */
void conn_cut(struct conn *c, int how, bool exact)
{
    if (!conn_is_open(c))
        return;
    c->relay->counters.cuts[how]++;
    bool connecting = c->state == CONN_CONNECTING;
    if (how == RELAY_SILENT)
        silence(c);
    else if (how == RELAY_RST || connecting)
        conn_end(c, how != RELAY_FIN);
    else if (how == RELAY_FIN)
        finish(c);
    else
        abandon(c, exact);
}

static uint32_t wanted_events(const struct conn *c, int i)
{
    switch (c->state) {
    case CONN_CONNECTING:
        return i == BROKER ? EPOLLOUT : 0;
    case CONN_OPEN:
        return (flow_wants_read(&c->flow[i]) ? EPOLLIN : 0u) |
               (flow_wants_write(&c->flow[!i]) ? EPOLLOUT : 0u);
    case CONN_ABANDONED:
        return EPOLLRDHUP | (flow_wants_write(&c->flow[!i]) ? EPOLLOUT : 0u);
    case CONN_SILENT:
        return EPOLLRDHUP;
    case CONN_FINISHING:
        return EPOLLIN;
    default:
        return 0;
    }
}

/* Tells epoll what each side waits for. */
void conn_interest(struct conn *c)
{
    for (int i = 0; i < 2 && c->state != CONN_DEAD; i++) {
        struct side *s = &c->side[i];
        uint32_t events = wanted_events(c, i);
        if (s->fd < 0 || (s->registered ? events == s->events : events == 0))
            continue;
        struct epoll_event e = { .events = events, .data.ptr = s };
        epoll_ctl(c->relay->epoll, s->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &e);
        s->registered = true;
        s->events = events;
    }
}

static void connected(struct conn *c, const struct side *s)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (s != &c->side[BROKER]) { /* the client was reset while it waited */
        conn_end(c, true);
        return;
    }
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0) {
        c->relay->counters.connect_failed++;
        conn_end(c, true);
        return;
    }
    set_state(c, CONN_OPEN, 0);
}

static void open_event(struct conn *c, struct side *s, uint32_t events)
{
    int i = (int)(s - c->side);
    bool hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (events & EPOLLOUT || hung_up) {
        c->flow[!i].blocked = false;
        flow_run(&c->flow[!i]);
    }
    if (c->state == CONN_OPEN && (events & EPOLLIN || hung_up) && flow_wants_read(&c->flow[i]))
        flow_read(&c->flow[i]);
    /* A hung-up socket is reported for ever; until we want to read it again it must be silent. */
    if (c->state == CONN_OPEN && hung_up && !flow_wants_read(&c->flow[i]) && s->registered) {
        epoll_ctl(c->relay->epoll, EPOLL_CTL_DEL, s->fd, NULL);
        s->registered = false;
    }
}

static void abandoned_event(struct conn *c, uint32_t events)
{
    struct flow *f = &c->flow[RELAY_TO_BROKER];
    if (events & EPOLLOUT) {
        f->blocked = false;
        flow_run(f);
    }
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        conn_end(c, false);
}

static void close_or_end(struct conn *c, struct side *s)
{
    close_side(s, false);
    if (c->side[0].fd < 0 && c->side[1].fd < 0)
        conn_end(c, false);
}

static void discard(struct conn *c, struct side *s)
{
    struct relay *r = c->relay;
    ssize_t n = recv(s->fd, r->scratch, sizeof r->scratch, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_or_end(c, s);
}

void conn_event(struct side *s, uint32_t events)
{
    struct conn *c = s->conn;
    if (s->fd < 0 || c->state == CONN_DEAD)
        return;
    if (c->state == CONN_CONNECTING)
        connected(c, s);
    else if (c->state == CONN_OPEN)
        open_event(c, s, events);
    else if (c->state == CONN_ABANDONED)
        abandoned_event(c, events);
    else if (c->state == CONN_FINISHING)
        discard(c, s);
    else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        close_or_end(c, s);
    conn_interest(c);
}

void conn_timers(struct conn *c)
{
    if (c->deadline_us != 0 && c->deadline_us <= c->relay->now_us) {
        conn_end(c, false);
        return;
    }
    for (int i = 0; i < 2 && c->state != CONN_DEAD; i++)
        flow_wake(&c->flow[i]);
    conn_interest(c);
}

uint64_t conn_next_wake(const struct conn *c)
{
    uint64_t wake = c->deadline_us != 0 ? c->deadline_us : UINT64_MAX;
    if (c->state != CONN_OPEN && c->state != CONN_ABANDONED)
        return wake;
    for (int i = 0; i < 2; i++) {
        uint64_t next = flow_next_wake(&c->flow[i]);
        wake = next < wake ? next : wake;
    }
    return wake;
}

void conn_record_start(struct conn *c)
{
    char path[4096];
    if (c->record != NULL)
        fclose(c->record);
    c->record = NULL;
    if (c->relay->record_prefix == NULL)
        return;
    snprintf(path, sizeof path, "%s.%llu", c->relay->record_prefix,
             (unsigned long long)c->number);
    c->record = fopen(path, "we");
}

static int dial(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

void conn_light_schedule(struct conn *c)
{
    struct schedule *s = &c->relay->bytes;
    if (!s->on)
        return;
    int d = (int)relay_random(&s->random, 0, 1);
    struct fuse fuse = { true, relay_random(&s->random, s->min, s->max),
                         relay_draw_how(&s->random, s->hows), 0 };
    flow_light(&c->flow[d], FUSE_SCHEDULE, &fuse);
}

static void conn_new(struct relay *r, int client, int broker)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close_fd(client, true);
        close_fd(broker, true);
        return;
    }
    c->relay = r;
    c->number = ++r->counters.accepted;
    c->state = CONN_CONNECTING;
    c->side[CLIENT] = (struct side){ .conn = c, .fd = client };
    c->side[BROKER] = (struct side){ .conn = c, .fd = broker };
    flow_init(&c->flow[0], c, RELAY_TO_BROKER);
    flow_init(&c->flow[1], c, RELAY_TO_CLIENT);
    c->next = r->conns;
    if (c->next != NULL)
        c->next->prev = c;
    r->conns = c;
    conn_record_start(c);
    conn_light_schedule(c);
    conn_interest(c);
    pthread_cond_broadcast(&r->changed);
}

void conn_accept(struct relay *r)
{
    int on = 1;
    int client;
    while ((client = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        int broker = r->refuse ? -1 : dial(r->target);
        if (broker >= 0) {
            conn_new(r, client, broker);
            continue;
        }
        if (r->refuse)
            r->counters.refused++;
        else
            r->counters.connect_failed++;
        close_fd(client, true);
    }
}
