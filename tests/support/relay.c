/* The relay's thread and the calls on it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "relay_private.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64 };

static const char *const how_names[RELAY_HOW_COUNT] = { "?", "rst", "fin", "silent", "abandon" };

const char *relay_how_name(int how)
{
    return how > 0 && how < RELAY_HOW_COUNT ? how_names[how] : how_names[0];
}

int relay_how_parse(const char *name)
{
    for (int how = 1; how < RELAY_HOW_COUNT; how++)
        if (strcmp(name, how_names[how]) == 0)
            return how;
    return 0;
}

uint64_t relay_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* splitmix64: any seed is good, and the whole state is one number to print. */
uint64_t relay_random(uint64_t *state, uint64_t min, uint64_t max)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return max <= min ? min : min + z % (max - min + 1);
}

int relay_draw_how(uint64_t *state, unsigned hows)
{
    int list[RELAY_HOW_COUNT], n = 0;
    for (int how = 1; how < RELAY_HOW_COUNT; how++)
        if (hows & RELAY_MASK(how))
            list[n++] = how;
    return n == 0 ? RELAY_RST : list[relay_random(state, 0, (uint64_t)n - 1)];
}

/* ---- the lock ---- */

static void enter(struct relay *r)
{
    atomic_fetch_add(&r->callers, 1);
    pthread_mutex_lock(&r->mutex);
    atomic_fetch_sub(&r->callers, 1);
    r->now_us = relay_clock_us();
}

static void leave(struct relay *r)
{
    pthread_mutex_unlock(&r->mutex);
}

/* After a call that changed something: what epoll and the timer wait for may be different now. */
static void settle(struct relay *r)
{
    uint64_t one = 1;
    for (struct conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->next;
        conn_interest(c);
    }
    ssize_t ignored = write(r->event, &one, sizeof one);
    (void)ignored; /* fails only when the counter is full, and then the thread is awake anyway */
    leave(r);
}

/* ---- cuts, traps, schedules ---- */

void relay_note_cut(struct relay *r, unsigned connections)
{
    if (connections > 0)
        r->counters.effective++;
    else
        r->counters.idle++;
    pthread_cond_broadcast(&r->changed);
}

static unsigned cut_all(struct relay *r, int how)
{
    unsigned n = 0;
    for (struct conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (!conn_is_open(c))
            continue;
        conn_cut(c, how, false);
        n++;
    }
    relay_note_cut(r, n);
    return n;
}

static void trap_free(struct relay *r, struct trap **at)
{
    struct trap *t = *at;
    *at = t->next;
    if (!t->sprung)
        r->armed[t->match.direction]--;
    free(t->bytes);
    free(t);
    pthread_cond_broadcast(&r->changed);
}

static void spend_scheduled(struct relay *r, struct schedule *s)
{
    if (!s->limited || --s->cuts_left > 0)
        return;
    s->on = false;
    if (s != &r->bytes)
        return;
    for (struct conn *c = r->conns; c != NULL; c = c->next)
        for (int d = 0; d < 2; d++)
            c->flow[d].fuse[FUSE_SCHEDULE].lit = false;
}

/* An order of a trap was carried out, or died with its connection. 0: the byte schedule's. */
void relay_trap_fired(struct relay *r, int id)
{
    if (id == 0) {
        if (r->bytes.on)
            spend_scheduled(r, &r->bytes);
        return;
    }
    for (struct trap **at = &r->traps; *at != NULL; at = &(*at)->next)
        if ((*at)->id == id) {
            trap_free(r, at);
            return;
        }
}

static void run_schedule(struct relay *r)
{
    struct schedule *s = &r->every;
    if (!s->on || s->next_us > r->now_us)
        return;
    if (cut_all(r, relay_draw_how(&s->random, s->hows)) > 0)
        spend_scheduled(r, s);
    s->next_us = r->now_us + relay_random(&s->random, s->min, s->max);
}

/* ---- the thread ---- */

static void arm_timer(struct relay *r, uint64_t *armed)
{
    uint64_t wake = r->every.on ? r->every.next_us : UINT64_MAX;
    for (struct conn *c = r->conns; c != NULL; c = c->next) {
        uint64_t next = conn_next_wake(c);
        wake = next < wake ? next : wake;
    }
    if (wake == *armed)
        return;
    *armed = wake;
    struct itimerspec when = { .it_value = { 0, 0 } };
    if (wake != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(wake / 1000000u);
        when.it_value.tv_nsec = (long)(wake % 1000000u) * 1000 + 1; /* never zero: that disarms */
    }
    timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void reap(struct relay *r)
{
    while (r->dead != NULL) {
        struct conn *c = r->dead;
        r->dead = c->prev;
        free(c);
    }
}

static void drain_counter(int fd)
{
    uint64_t ignored;
    while (read(fd, &ignored, sizeof ignored) > 0)
        ;
}

static void handle(struct relay *r, const struct epoll_event *e)
{
    if (e->data.ptr == &r->listener)
        conn_accept(r);
    else if (e->data.ptr == &r->event)
        drain_counter(r->event);
    else if (e->data.ptr == &r->timer)
        drain_counter(r->timer);
    else
        conn_event(e->data.ptr, e->events);
}

static void work(struct relay *r, const struct epoll_event *events, int n)
{
    r->now_us = relay_clock_us();
    for (int i = 0; i < n; i++)
        handle(r, &events[i]);
    for (struct conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->next;
        conn_timers(c);
    }
    run_schedule(r);
}

/* Mutexes are not fair: without this a busy relay would keep its callers out. */
static void let_callers_in(struct relay *r)
{
    for (int i = 0; i < 1000 && atomic_load(&r->callers) > 0; i++)
        sched_yield();
}

static void *run(void *argument)
{
    struct relay *r = argument;
    struct epoll_event events[EVENTS];
    uint64_t armed = UINT64_MAX;
    pthread_mutex_lock(&r->mutex);
    while (!r->stopping) {
        reap(r);
        arm_timer(r, &armed);
        pthread_mutex_unlock(&r->mutex);
        int n = epoll_wait(r->epoll, events, EVENTS, -1);
        let_callers_in(r);
        pthread_mutex_lock(&r->mutex);
        if (!r->stopping)
            work(r, events, n);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* ---- start and stop ---- */

static bool complain(char *err, size_t size, const char *what)
{
    if (err != NULL && size > 0)
        snprintf(err, size, "relay: %s: %s", what, strerror(errno));
    return false;
}

static bool watch(struct relay *r, int *fd)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = fd };
    return epoll_ctl(r->epoll, EPOLL_CTL_ADD, *fd, &e) == 0;
}

static bool open_listener(struct relay *r, uint16_t port, char *err, size_t size)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof at;
    int on = 1;
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (r->listener < 0)
        return complain(err, size, "socket");
    setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(r->listener, (struct sockaddr *)&at, sizeof at) < 0)
        return complain(err, size, "bind");
    if (listen(r->listener, 128) < 0)
        return complain(err, size, "listen");
    getsockname(r->listener, (struct sockaddr *)&at, &length);
    r->port = ntohs(at.sin_port);
    return true;
}

static bool open_all(struct relay *r, const struct relay_options *o, char *err, size_t size)
{
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (r->epoll < 0 || r->event < 0 || r->timer < 0)
        return complain(err, size, "descriptors");
    if (!open_listener(r, o->port, err, size))
        return false;
    if (!watch(r, &r->listener) || !watch(r, &r->event) || !watch(r, &r->timer))
        return complain(err, size, "epoll");
    return true;
}

/* Signals are the program's business, not this thread's. */
static bool start_thread(struct relay *r, char *err, size_t size)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    errno = pthread_create(&r->thread, NULL, run, r);
    bool started = errno == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return started || complain(err, size, "thread");
}

static void release_all(struct relay *r)
{
    while (r->conns != NULL)
        conn_end(r->conns, false);
    reap(r);
    while (r->traps != NULL)
        trap_free(r, &r->traps);
    int fds[] = { r->epoll, r->listener, r->event, r->timer };
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
    free(r->record_prefix);
    free(r);
}

struct relay *relay_start(const struct relay_options *o, char *err, size_t size)
{
    struct relay *r = calloc(1, sizeof *r);
    if (r == NULL) {
        complain(err, size, "memory");
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&r->mutex, NULL);
    r->epoll = r->listener = r->event = r->timer = -1;
    r->target = o->target;
    r->keep_ms = o->keep_ms;
    r->every.random = o->seed;
    r->bytes.random = ~o->seed;
    r->now_us = relay_clock_us();
    if (open_all(r, o, err, size) && start_thread(r, err, size))
        return r;
    release_all(r);
    return NULL;
}

void relay_stop(struct relay *r)
{
    if (r == NULL)
        return;
    enter(r);
    r->stopping = true;
    settle(r);
    pthread_join(r->thread, NULL);
    release_all(r);
}

/* ---- calls ---- */

uint16_t relay_port(struct relay *r)
{
    return r->port;
}

void relay_set_target(struct relay *r, uint16_t port)
{
    enter(r);
    r->target = port;
    leave(r);
}

unsigned relay_cut(struct relay *r, enum relay_how how)
{
    enter(r);
    unsigned n = cut_all(r, (int)how);
    settle(r);
    return n;
}

void relay_refuse(struct relay *r, bool on)
{
    enter(r);
    r->refuse = on;
    leave(r);
}

void relay_delay(struct relay *r, unsigned ms)
{
    enter(r);
    r->delay_ms = ms;
    leave(r);
}

static struct trap *trap_new(struct relay *r, const struct relay_match *match)
{
    struct trap *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->match = *match;
    if (match->bytes != NULL && match->bytes_length > 0) {
        t->bytes = malloc(match->bytes_length);
        if (t->bytes == NULL) {
            free(t);
            return NULL;
        }
        memcpy(t->bytes, match->bytes, match->bytes_length);
    }
    t->id = ++r->last_trap;
    struct trap **at = &r->traps;
    while (*at != NULL)
        at = &(*at)->next;
    *at = t;
    return t;
}

static void disarm_fuse(struct relay *r, int id)
{
    for (int d = 0; d < 2; d++)
        if (r->pending[d].trap == id)
            r->pending[d].lit = false;
    for (struct conn *c = r->conns; c != NULL; c = c->next)
        for (int d = 0; d < 2; d++)
            if (c->flow[d].fuse[FUSE_TRAP].trap == id)
                c->flow[d].fuse[FUSE_TRAP].lit = false;
}

int relay_cut_after(struct relay *r, enum relay_direction direction, uint64_t bytes,
                    enum relay_how how)
{
    struct relay_match match = { .direction = direction };
    enter(r);
    int old = r->pending[direction].lit ? r->pending[direction].trap : 0;
    if (old != 0) {
        disarm_fuse(r, old);
        relay_trap_fired(r, old);
    }
    struct trap *t = trap_new(r, &match);
    int id = t == NULL ? 0 : t->id;
    if (t != NULL) {
        t->sprung = true; /* waits for no frame */
        r->pending[direction] = (struct fuse){ true, bytes, (int)how, id };
        for (struct conn *c = r->conns, *next; c != NULL; c = next) {
            next = c->next;
            if (conn_is_open(c) && r->pending[direction].lit)
                flow_light(&c->flow[direction], FUSE_TRAP, &r->pending[direction]);
        }
    }
    settle(r);
    return id;
}

struct relay_match relay_match_type(enum relay_direction direction, int type)
{
    struct relay_match match = { .direction = direction, .type = type,
                                 .channel = RELAY_ANY_CHANNEL, .nth = 1 };
    return match;
}

static int set_trap(struct relay *r, const struct relay_match *match, const struct trap *like)
{
    enter(r);
    struct trap *t = trap_new(r, match);
    int id = t == NULL ? 0 : t->id;
    if (t != NULL) {
        t->cuts = like->cuts;
        t->place = like->place;
        t->inside_bytes = like->inside_bytes;
        t->how = like->how;
        t->hold_ms = like->hold_ms;
        r->armed[match->direction]++;
    }
    leave(r);
    return id;
}

int relay_hold(struct relay *r, const struct relay_match *match, unsigned ms)
{
    struct trap like = { .hold_ms = ms };
    return set_trap(r, match, &like);
}

int relay_cut_at(struct relay *r, const struct relay_match *match, enum relay_place place,
                 size_t inside_bytes, enum relay_how how)
{
    struct trap like = { .cuts = true, .place = place, .inside_bytes = inside_bytes,
                         .how = (int)how };
    return set_trap(r, match, &like);
}

void relay_release(struct relay *r)
{
    enter(r);
    for (struct conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->next;
        for (int d = 0; d < 2; d++)
            c->flow[d].held = false;
        for (int d = 0; d < 2; d++)
            flow_run(&c->flow[d]);
    }
    settle(r);
}

static bool is_armed(const struct relay *r, const struct trap *t)
{
    if (!t->sprung)
        return true;
    return r->pending[0].trap == t->id ? r->pending[0].lit
                                       : r->pending[1].trap == t->id && r->pending[1].lit;
}

void relay_disarm(struct relay *r, int id)
{
    enter(r);
    for (struct trap **at = &r->traps; *at != NULL;) {
        if ((id != 0 && (*at)->id != id) || !is_armed(r, *at)) {
            at = &(*at)->next;
            continue;
        }
        disarm_fuse(r, (*at)->id);
        trap_free(r, at);
    }
    settle(r);
}

void relay_schedule(struct relay *r, unsigned min_ms, unsigned max_ms, unsigned hows,
                    unsigned max_cuts)
{
    enter(r);
    struct schedule *s = &r->every;
    s->on = true;
    s->min = min_ms * 1000ull;
    s->max = max_ms * 1000ull;
    s->hows = hows;
    s->limited = max_cuts > 0;
    s->cuts_left = max_cuts;
    s->next_us = r->now_us + relay_random(&s->random, s->min, s->max);
    settle(r);
}

void relay_schedule_bytes(struct relay *r, uint64_t min, uint64_t max, unsigned hows,
                          unsigned max_cuts)
{
    enter(r);
    struct schedule *s = &r->bytes;
    s->on = true;
    s->min = min;
    s->max = max;
    s->hows = hows;
    s->limited = max_cuts > 0;
    s->cuts_left = max_cuts;
    for (struct conn *c = r->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (conn_is_open(c))
            conn_light_schedule(c);
    }
    settle(r);
}

void relay_schedule_stop(struct relay *r)
{
    enter(r);
    r->every.on = false;
    r->bytes.on = false;
    for (struct conn *c = r->conns; c != NULL; c = c->next)
        for (int d = 0; d < 2; d++)
            c->flow[d].fuse[FUSE_SCHEDULE].lit = false;
    settle(r);
}

int relay_record(struct relay *r, const char *prefix)
{
    char *copy = prefix != NULL ? strdup(prefix) : NULL;
    if (prefix != NULL && copy == NULL)
        return -1;
    int result = 0;
    enter(r);
    free(r->record_prefix);
    r->record_prefix = copy;
    r->record_since = r->now_us;
    for (struct conn *c = r->conns; c != NULL; c = c->next) {
        conn_record_start(c);
        if (copy != NULL && c->record == NULL)
            result = -1;
    }
    leave(r);
    return result;
}

/* ---- counters and waits ---- */

static uint64_t count_open(const struct relay *r)
{
    uint64_t n = 0;
    for (const struct conn *c = r->conns; c != NULL; c = c->next)
        n += conn_is_open(c);
    return n;
}

void relay_get_counters(struct relay *r, struct relay_counters *out)
{
    enter(r);
    r->counters.open = count_open(r);
    *out = r->counters;
    leave(r);
}

int relay_counters_json(const struct relay_counters *c, char *out, size_t size)
{
    return snprintf(out, size,
                    "{\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"connect_failed\":%" PRIu64
                    ",\"open\":%" PRIu64 ",\"cuts\":{\"rst\":%" PRIu64 ",\"fin\":%" PRIu64
                    ",\"silent\":%" PRIu64 ",\"abandon\":%" PRIu64 "},\"effective\":%" PRIu64
                    ",\"idle\":%" PRIu64 ",\"bytes_to_broker\":%" PRIu64
                    ",\"bytes_to_client\":%" PRIu64 ",\"holds\":%" PRIu64
                    ",\"queued_peak\":%" PRIu64 "}",
                    c->accepted, c->refused, c->connect_failed, c->open, c->cuts[RELAY_RST],
                    c->cuts[RELAY_FIN], c->cuts[RELAY_SILENT], c->cuts[RELAY_ABANDON],
                    c->effective, c->idle, c->bytes[RELAY_TO_BROKER], c->bytes[RELAY_TO_CLIENT],
                    c->holds, c->queued_peak);
}

static bool accepted_enough(const struct relay *r, uint64_t n) { return r->counters.accepted >= n; }
static bool cut_enough(const struct relay *r, uint64_t n) { return r->counters.effective >= n; }
static bool all_closed(const struct relay *r, uint64_t n) { return count_open(r) <= n; }

static bool trap_gone(const struct relay *r, uint64_t id)
{
    for (const struct trap *t = r->traps; t != NULL; t = t->next)
        if ((uint64_t)t->id == id)
            return false;
    return true;
}

static bool wait_until(struct relay *r, bool (*reached)(const struct relay *, uint64_t),
                       uint64_t n, unsigned timeout_ms)
{
    enter(r);
    uint64_t end = r->now_us + timeout_ms * 1000ull;
    struct timespec until = { (time_t)(end / 1000000u), (long)(end % 1000000u) * 1000 };
    int late = 0;
    while (!reached(r, n) && late == 0)
        late = pthread_cond_timedwait(&r->changed, &r->mutex, &until);
    bool result = reached(r, n);
    leave(r);
    return result;
}

bool relay_wait_trap(struct relay *r, int trap, unsigned timeout_ms)
{
    return wait_until(r, trap_gone, (uint64_t)trap, timeout_ms);
}

bool relay_wait_accepted(struct relay *r, uint64_t n, unsigned timeout_ms)
{
    return wait_until(r, accepted_enough, n, timeout_ms);
}

bool relay_wait_cuts(struct relay *r, uint64_t effective, unsigned timeout_ms)
{
    return wait_until(r, cut_enough, effective, timeout_ms);
}

bool relay_wait_closed(struct relay *r, unsigned timeout_ms)
{
    return wait_until(r, all_closed, 0, timeout_ms);
}
