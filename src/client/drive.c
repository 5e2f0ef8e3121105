#include <errno.h>

#include "base/alloc.h"
#include "client/inside.h"
#include "net/wake.h"

/*
 * The driver's poll, what every thread does before it waits or leaves, and the background thread.
 *
 * A program that asks and waits in a loop takes the role and gives it back with every call. The background thread must
 * not be woken for that, nor poll the same descriptors beside it: it looks every LEASE_US whether leaders still come
 * and go, without being told, and only sleeps without a limit (so that the leader's departure must wake it) when one
 * and the same leader has been at work for a whole lease.
 */
enum { LEASE_US = 2000 };

static int64_t now_of(const rai_client *c)
{
    return c->sys->now(c->sys->ctx);
}

void rai_drive_kick(rai_client *c)
{
    if (!c->polling || c->kicked)
        return;
    c->kicked = true;
    rai_client_yield(c, RAI_POINT_WAKE);
    rai_wake_set(c->wake_fd);
}

bool rai_drive_urgent(const rai_client *c)
{
    for (const struct client_link *l = c->links; l; l = l->next)
        if (rai_link_urgent(l))
            return true;
    return false;
}

/* Must the driver leave its poll for what has changed? */
static void kick_if_needed(rai_client *c)
{
    if (!c->polling || c->kicked)
        return;
    if (rai_drive_urgent(c) || rai_engine_deadline(c->engine) < c->poll_until || rai_links_want_poll_out(c))
        rai_drive_kick(c);
}

void rai_drive_turn(rai_client *c)
{
    int64_t now = now_of(c);
    if (rai_engine_deadline(c->engine) <= now)
        rai_engine_tick(c->engine, now);
    rai_links_adopt(c, now);
    rai_wait_hand_out(c); /* before writing: what is ready need not wait for that */
    rai_links_flush(c);
    rai_links_adopt(c, now);
    rai_wait_hand_out(c);
    kick_if_needed(c);
}

/* --- one poll ---------------------------------------------------------------------------------------------------- */

static void poll_unlocked(rai_client *c, int count, int64_t now, int64_t until)
{
    int64_t timeout = until == INT64_MAX ? -1 : until > now ? until - now : 0;
    struct pollfd *fds = c->fds;
    fds[0] = (struct pollfd){ .fd = c->wake_fd, .events = POLLIN };
    c->poll_until = until;
    c->polling = true;
    rai_client_unlock(c);
    rai_client_yield(c, RAI_POINT_POLL);
    int n = c->sys->poll(c->sys->ctx, fds, (nfds_t)count, timeout);
    if (n < 0) /* EINTR or ENOMEM: as if nothing were ready; the caller's loop comes back */
        for (int i = 0; i < count; i++)
            fds[i].revents = 0;
    rai_client_yield(c, RAI_POINT_POLLED);
    rai_client_lock(c);
    c->polling = false;
    if (c->kicked) {
        c->kicked = false;
        rai_wake_clear(c->wake_fd);
    }
}

bool rai_drive_round(rai_client *c, int64_t until)
{
    int64_t now = now_of(c);
    int64_t deadline = rai_engine_deadline(c->engine);
    if (deadline < until)
        until = deadline;
    int count = rai_links_pollfds(c, now, &until);
    if (count < 0) { /* no memory to look at all of them: a moment later perhaps */
        count = 1;
        if (until > now + 100000)
            until = now + 100000;
    }
    if (!rai_drive_urgent(c))
        poll_unlocked(c, count, now, until);
    return rai_links_serve(c);
}

/* --- passing the role on ----------------------------------------------------------------------------------------- */

void rai_drive_unpark(rai_client *c)
{
    if (!c->thread.parked || c->thread.park_kicked)
        return;
    c->thread.park_kicked = true;
    rai_client_yield(c, RAI_POINT_WAKE);
    rai_wake_set(c->thread.park_fd);
}

void rai_drive_step_down(rai_client *c)
{
    struct waiter *next = rai_wait_candidate(c);
    rai_links_no_longer_wanted(c);
    c->lead_wanted = false;
    c->leader = next;
    if (next) {
        c->driver = DRIVER_WAITER;
        rai_wait_notify(c, next);
        return;
    }
    c->driver = DRIVER_NONE;
    c->turnover++;
    c->lease_until = now_of(c) + LEASE_US;
    if (c->thread.parked_for_good)
        rai_drive_unpark(c);
}

/* --- the background thread --------------------------------------------------------------------------------------- */

/* How long it may sleep: 0: not at all, it is its turn; < 0: until it is woken. */
static int64_t park_time(rai_client *c)
{
    if (c->driver == DRIVER_NONE) {
        int64_t left = c->lease_until - now_of(c);
        return left > 0 ? left : 0;
    }
    if (c->thread.seen_turnover == c->turnover)
        return -1;
    c->thread.seen_turnover = c->turnover;
    return LEASE_US;
}

static void park(rai_client *c, int64_t time_us)
{
    struct client_thread *t = &c->thread;
    struct pollfd fd = { .fd = t->park_fd, .events = POLLIN };
    t->parked = true;
    t->parked_for_good = time_us < 0;
    rai_client_unlock(c);
    (void)c->sys->poll(c->sys->ctx, &fd, 1, time_us);
    rai_client_lock(c);
    t->parked = t->parked_for_good = false;
    if (t->park_kicked) {
        t->park_kicked = false;
        rai_wake_clear(t->park_fd);
    }
}

/* Closing leaves the last hang-ups to the closer; after a free nobody else is there to do them. */
static bool thread_may_end(const rai_client *c)
{
    return c->freed ? c->links == NULL : c->closing;
}

static void thread_work(rai_client *c)
{
    while (!thread_may_end(c)) {
        if (c->driver == DRIVER_THREAD && c->lead_wanted)
            rai_drive_step_down(c);
        if (c->driver != DRIVER_THREAD) {
            int64_t time_us = c->freed ? 0 : park_time(c);
            if (time_us != 0) {
                park(c, time_us);
                continue;
            }
            c->driver = DRIVER_THREAD;
        }
        rai_drive_turn(c);
        if (!thread_may_end(c) && !c->lead_wanted)
            (void)rai_drive_round(c, INT64_MAX);
    }
    if (c->driver == DRIVER_THREAD)
        rai_drive_step_down(c);
}

static void *thread_main(void *arg)
{
    rai_client *c = arg;
    rai_client_lock(c);
    thread_work(c);
    bool last = c->freed;
    c->thread.done = true;
    rai_wait_hand_out(c); /* somebody may be closing */
    rai_client_unlock(c);
    if (last)
        rai_client_destroy(c);
    return NULL;
}

int rai_drive_start_thread(rai_client *c, struct rai_fault *fault)
{
    c->thread.park_fd = rai_wake_open();
    int rc =
        c->thread.park_fd < 0 ? c->thread.park_fd : c->sys->thread_start(c->sys->ctx, &c->thread.id, thread_main, c);
    if (rc < 0)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "cannot start a thread (error %d)", -rc);
    c->thread.started = true;
    return 0;
}
