/* The mock's thread, its port, and when faults happen. */
#include "mock/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mock/conn.h"
#include "net/socket.h"
#include "net/wake.h"

enum { LISTENER = 1, WAKE, FIRST_ID, EVENTS = 64, BACKLOG = 128, US = 1000 };

/* What happens again and again. */
struct repeated {
    struct repeated *next;
    struct rai_mock_order order;
    int64_t due;
};

struct rai_mock_server {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int listener, poll, wake;
    uint16_t port;
    bool running, stopping;
    rai_mock *engine;
    struct rai_mock_conn *conns;
    struct repeated *repeated;
    uint64_t next_id, random;
    uint64_t turns;
    int64_t now, refuse_until;
    int64_t struck; /* faults that happened, beside those at packets */
    int64_t counts[RA_MOCK_STAT_ANSWERS_DOUBLED + 1];
};

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint32_t random_below(struct rai_mock_server *s, uint32_t below)
{
    s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((s->random >> 33) % below);
}

static int64_t draw(struct rai_mock_server *s, struct rai_mock_range range)
{
    return range.from + random_below(s, (uint32_t)(range.to - range.from + 1));
}

/* --- faults --- */

static void disconnect_all(struct rai_mock_server *s, int reason)
{
    for (struct rai_mock_conn *c = s->conns; c != NULL; c = c->next)
        if (c->state == RAI_MOCK_CONN_OPEN)
            rai_mock_disconnect(s->engine, c->link, reason);
}

static void refuse(struct rai_mock_server *s, bool on, int64_t ms)
{
    rai_mock_unreachable(s->engine, on);
    s->refuse_until = on && ms >= 0 ? s->now + ms * US : INT64_MAX;
}

static void happen(struct rai_mock_server *s, const struct rai_mock_order *o)
{
    s->struck++;
    switch (o->action) {
    case RAI_MOCK_DISCONNECT:
        disconnect_all(s, (int)o->code);
        break;
    case RAI_MOCK_RESTART:
        rai_mock_restart(s->engine, o->code != 0);
        break;
    case RAI_MOCK_ORDER_REFUSE:
    case RAI_MOCK_ORDER_ACCEPT:
        refuse(s, o->action == RAI_MOCK_ORDER_REFUSE, o->ms);
        break;
    case RAI_MOCK_ORDER_SLOW:
        rai_mock_slow(s->engine, o->ms * US);
        break;
    case RAI_MOCK_ORDER_SYNC:
        rai_mock_set_sync(s->engine, o->ms * US);
        break;
    case RAI_MOCK_ORDER_REDIRECT:
        rai_mock_redirect(s->engine, o->name, (uint16_t)o->port);
        break;
    case RAI_MOCK_ORDER_LIMIT:
        rai_mock_limit(s->engine, o->name, (enum rai_mock_policy)o->policy, o->bytes);
        break;
    case RAI_MOCK_ORDER_FULL:
    case RAI_MOCK_ORDER_ROOM:
        rai_mock_fill(s->engine, o->name, o->action == RAI_MOCK_ORDER_FULL);
        break;
    case RAI_MOCK_ORDER_FORBID:
        rai_mock_refuse(s->engine, o->name, (int32_t)o->code);
        break;
    default:
        rai_mock_cut(s->engine, 0, (enum rai_mock_cut)o->action);
    }
}

/* A link uses one variant of a packet, so one of these will count. */
static void wait_for_packet(struct rai_mock_server *s, const struct rai_mock_order *o)
{
    struct rai_mock_fault fault = { .action = (enum rai_mock_action)o->action,
                                    .place = (enum rai_mock_place)o->place,
                                    .from_client = o->from == RAI_MOCK_CLIENT,
                                    .channel = RAI_MOCK_ANY_CHANNEL,
                                    .nth = (uint32_t)draw(s, o->nth),
                                    .times = o->times == 0 ? RAI_MOCK_ALWAYS : (uint32_t)o->times,
                                    .chance = (int)o->chance,
                                    .code = (int32_t)o->code,
                                    .delay_us = o->ms * US };
    for (int i = 0; i < o->type_count; i++) {
        fault.type = o->types[i];
        rai_mock_fault_add(s->engine, &fault);
    }
}

static void repeat(struct rai_mock_server *s, const struct rai_mock_order *o)
{
    struct repeated *r = calloc(1, sizeof *r);
    if (r == NULL)
        abort();
    *r = (struct repeated){ .next = s->repeated, .order = *o, .due = s->now + draw(s, o->every) * US };
    s->repeated = r;
}

static void repeat_due(struct rai_mock_server *s)
{
    for (struct repeated **place = &s->repeated; *place != NULL;) {
        struct repeated *r = *place;
        bool due = r->due <= s->now, last = due && r->order.times == 1;
        if (due) {
            happen(s, &r->order);
            r->order.times -= r->order.times > 0;
            r->due = s->now + draw(s, r->order.every) * US;
        }
        if (last) {
            *place = r->next;
            free(r);
        } else {
            place = &r->next;
        }
    }
}

static void forget_repeated(struct rai_mock_server *s)
{
    while (s->repeated != NULL) {
        struct repeated *r = s->repeated;
        s->repeated = r->next;
        free(r);
    }
}

/* --- the thread --- */

static void accept_all(struct rai_mock_server *s)
{
    int fd;
    while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        uint32_t link = rai_mock_accept(s->engine, s->now);
        struct rai_mock_conn *c = link != 0 ? rai_mock_conn_new(s->engine, link, fd, s->poll, s->next_id++) : NULL;
        s->counts[link != 0 ? RA_MOCK_STAT_CONNECTIONS : RA_MOCK_STAT_REFUSED]++;
        if (link == 0)
            rai_mock_reset_socket(fd);
        if (c == NULL)
            continue;
        c->next = s->conns;
        s->conns = c;
    }
}

static void reap(struct rai_mock_server *s)
{
    for (struct rai_mock_conn **place = &s->conns; *place != NULL;) {
        struct rai_mock_conn *c = *place;
        if (c->state == RAI_MOCK_CONN_DEAF && !rai_mock_is_open(s->engine, c->link))
            rai_mock_conn_reset(c);
        if (c->state != RAI_MOCK_CONN_GONE) {
            place = &c->next;
            continue;
        }
        *place = c->next;
        free(c);
    }
}

static void work(struct rai_mock_server *s)
{
    s->now = clock_us();
    repeat_due(s);
    if (s->refuse_until <= s->now)
        refuse(s, false, 0);
    for (struct rai_mock_conn *c = s->conns; c != NULL; c = c->next)
        if (c->readable)
            rai_mock_conn_read(c);
    rai_mock_turn(s->engine, 0, s->now);
    for (struct rai_mock_conn *c = s->conns; c != NULL; c = c->next)
        s->counts[RA_MOCK_STAT_CUT] += rai_mock_conn_write(c, s->now);
    reap(s);
    s->turns++;
    pthread_cond_broadcast(&s->changed);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int timeout_ms(const struct rai_mock_server *s)
{
    int64_t at = earlier(rai_mock_deadline(s->engine), s->refuse_until), now = clock_us();
    for (const struct repeated *r = s->repeated; r != NULL; r = r->next)
        at = earlier(at, r->due);
    for (const struct rai_mock_conn *c = s->conns; c != NULL; c = c->next)
        at = earlier(at, rai_mock_conn_deadline(c, now));
    if (at <= now)
        return 0;
    return at - now > INT32_MAX ? -1 : (int)((at - now + US - 1) / US);
}

static void note(struct rai_mock_server *s, const struct epoll_event *event)
{
    if (event->data.u64 == LISTENER)
        accept_all(s);
    else if (event->data.u64 == WAKE)
        rai_wake_clear(s->wake);
    for (struct rai_mock_conn *c = s->conns; c != NULL; c = c->next)
        if (c->id == event->data.u64)
            c->readable = true;
}

static void *run(void *arg)
{
    struct rai_mock_server *s = arg;
    struct epoll_event events[EVENTS];
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        work(s);
        int wait = timeout_ms(s);
        pthread_mutex_unlock(&s->lock);
        int n = epoll_wait(s->poll, events, EVENTS, wait);
        pthread_mutex_lock(&s->lock);
        for (int i = 0; i < n; i++)
            note(s, &events[i]);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* --- start and stop --- */

static bool listen_on(struct rai_mock_server *s, uint16_t port, struct rai_fault *fault)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t size = sizeof at;
    int on = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener >= 0 && setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(s->listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(s->listener, BACKLOG) == 0 &&
        getsockname(s->listener, (struct sockaddr *)&at, &size) == 0) {
        s->port = ntohs(at.sin_port);
        return true;
    }
    rai_fault_set(fault, RA_E_STATE, "cannot listen on 127.0.0.1:%u: %s", port, strerror(errno));
    return false;
}

static bool watch(const struct rai_mock_server *s, int fd, uint32_t id)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = id };
    return epoll_ctl(s->poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool start_thread(struct rai_mock_server *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the program's own threads */
    s->running = pthread_create(&s->thread, NULL, run, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->running;
}

static void on_news(void *ctx, enum rai_mock_news what, const uint8_t *body, size_t size)
{
    struct rai_mock_server *s = ctx;
    (void)body;
    (void)size;
    s->counts[RA_MOCK_STAT_STORED] += what == RAI_MOCK_STORED;
    s->counts[RA_MOCK_STAT_CONSUMED] += what == RAI_MOCK_CONSUMED;
}

static void on_frame(void *ctx, uint32_t link, bool from_client, const struct rai_frame *frame)
{
    struct rai_mock_server *s = ctx;
    (void)link;
    (void)frame;
    s->counts[from_client ? RA_MOCK_STAT_PACKETS_IN : RA_MOCK_STAT_PACKETS_OUT]++;
}

static rai_mock *make_engine(struct rai_mock_server *s, const struct rai_mock_settings *settings)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    struct rai_mock_config config = { .seed = (uint64_t)settings->seed,
                                      .version = (int32_t)settings->version,
                                      .sync_us = settings->sync_ms * US,
                                      .lost_answers = (int)settings->lost,
                                      .doubled_answers = (int)settings->doubled,
                                      .epoch_ms = (int64_t)t.tv_sec * 1000 - clock_us() / US,
                                      .watch = { .ctx = s, .news = on_news, .frame = on_frame } };
    return rai_mock_new(&config);
}

struct rai_mock_server *rai_mock_server_start(const struct rai_mock_settings *settings, struct rai_fault *fault)
{
    struct rai_mock_server *s = calloc(1, sizeof *s);
    pthread_condattr_t monotonic;
    if (s == NULL)
        abort();
    s->random = (uint64_t)settings->seed;
    s->refuse_until = INT64_MAX;
    s->next_id = FIRST_ID;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->engine = make_engine(s, settings);
    s->poll = epoll_create1(EPOLL_CLOEXEC);
    s->wake = rai_wake_open();
    if (!listen_on(s, (uint16_t)settings->port, fault)) {
        rai_mock_server_free(s);
        return NULL;
    }
    if (!watch(s, s->listener, LISTENER) || !watch(s, s->wake, WAKE) || !start_thread(s)) {
        rai_fault_set(fault, RA_E_STATE, "cannot start a mock broker: %s", strerror(errno));
        rai_mock_server_free(s);
        return NULL;
    }
    return s;
}

static void close_everything(struct rai_mock_server *s)
{
    for (struct rai_mock_conn *c = s->conns; c != NULL; c = c->next)
        rai_mock_conn_reset(c);
    reap(s);
    rai_socket_close(s->listener);
    rai_socket_close(s->wake);
    rai_socket_close(s->poll);
    s->listener = s->wake = s->poll = -1;
}

void rai_mock_server_stop(struct rai_mock_server *s)
{
    pthread_mutex_lock(&s->lock);
    bool joins = s->running && !s->stopping;
    s->stopping = true;
    if (joins)
        rai_wake_set(s->wake);
    pthread_cond_broadcast(&s->changed);
    while (s->running && !joins) /* another thread stops it */
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    if (!joins)
        return;
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->lock);
    close_everything(s);
    s->running = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void rai_mock_server_free(struct rai_mock_server *s)
{
    rai_mock_server_stop(s);
    close_everything(s); /* of one that was never started */
    forget_repeated(s);
    rai_mock_free(s->engine);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

uint16_t rai_mock_server_port(const struct rai_mock_server *s)
{
    return s->port;
}

/* --- what others ask for --- */

rai_mock *rai_mock_server_borrow(struct rai_mock_server *s)
{
    pthread_mutex_lock(&s->lock);
    return s->engine;
}

void rai_mock_server_return(struct rai_mock_server *s)
{
    if (s->wake >= 0)
        rai_wake_set(s->wake);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* The thread has a turn, in which what was ordered is done. */
static void await_turn(struct rai_mock_server *s)
{
    uint64_t before = s->turns;
    if (s->running && !s->stopping)
        rai_wake_set(s->wake);
    while (s->running && !s->stopping && s->turns == before)
        pthread_cond_wait(&s->changed, &s->lock);
}

bool rai_mock_server_fault(struct rai_mock_server *s, const struct rai_mock_order *order)
{
    rai_mock_server_borrow(s);
    bool lives = !s->stopping;
    s->now = clock_us();
    if (lives && order->trigger == RAI_MOCK_ONCE)
        happen(s, order);
    else if (lives && order->trigger == RAI_MOCK_AT_PACKET)
        wait_for_packet(s, order);
    else if (lives)
        repeat(s, order);
    await_turn(s);
    rai_mock_server_return(s);
    return lives;
}

bool rai_mock_server_clear(struct rai_mock_server *s)
{
    rai_mock_server_borrow(s);
    bool lives = !s->stopping;
    forget_repeated(s);
    rai_mock_fault_drop(s->engine, 0);
    rai_mock_slow(s->engine, 0);
    rai_mock_redirect(s->engine, NULL, 0);
    refuse(s, false, 0);
    await_turn(s);
    rai_mock_server_return(s);
    return lives;
}

static int64_t count(const struct rai_mock_server *s, enum ra_mock_stat id)
{
    int64_t n = 0;
    switch (id) {
    case RA_MOCK_STAT_OPEN:
        for (const struct rai_mock_conn *c = s->conns; c != NULL; c = c->next)
            n += c->state == RAI_MOCK_CONN_OPEN;
        return n;
    case RA_MOCK_STAT_FAULTS:
        return s->struck + rai_mock_stat(s->engine, RAI_MOCK_STRUCK);
    case RA_MOCK_STAT_SESSIONS:
        return rai_mock_sessions(s->engine);
    case RA_MOCK_STAT_REATTACHED:
        return rai_mock_stat(s->engine, RAI_MOCK_REATTACHES);
    case RA_MOCK_STAT_NOT_FOUND:
        return rai_mock_stat(s->engine, RAI_MOCK_REFUSED_REATTACHES);
    case RA_MOCK_STAT_EXPIRED:
        return rai_mock_stat(s->engine, RAI_MOCK_EXPIRED_SESSIONS);
    case RA_MOCK_STAT_REJECTED:
        return rai_mock_stat(s->engine, RAI_MOCK_EXCEPTIONS);
    case RA_MOCK_STAT_ANSWERS_LOST:
        return rai_mock_stat(s->engine, RAI_MOCK_ANSWERS_LOST);
    case RA_MOCK_STAT_ANSWERS_DOUBLED:
        return rai_mock_stat(s->engine, RAI_MOCK_ANSWERS_DOUBLED);
    default:
        return s->counts[id];
    }
}

int64_t rai_mock_server_count(struct rai_mock_server *s, enum ra_mock_stat id)
{
    pthread_mutex_lock(&s->lock);
    int64_t n = count(s, id);
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* true: the time is over */
static bool wait_until(struct rai_mock_server *s, int64_t end)
{
    if (end == INT64_MAX)
        return pthread_cond_wait(&s->changed, &s->lock) != 0;
    struct timespec at = { .tv_sec = end / 1000000, .tv_nsec = end % 1000000 * 1000 };
    return pthread_cond_timedwait(&s->changed, &s->lock, &at) == ETIMEDOUT;
}

int rai_mock_server_wait(struct rai_mock_server *s, enum ra_mock_stat id, int64_t at_least, int64_t timeout)
{
    int64_t now = clock_us(), end = timeout < 0 || timeout > (INT64_MAX - now) / US ? INT64_MAX : now + timeout * US;
    bool over = false;
    pthread_mutex_lock(&s->lock);
    while (count(s, id) < at_least && !s->stopping && !over)
        over = wait_until(s, end);
    int code = count(s, id) >= at_least ? RA_OK : s->stopping ? RA_E_CLOSED : RA_E_TIMEOUT;
    pthread_mutex_unlock(&s->lock);
    return code;
}
