#include "client/inside.h"

#include <string.h>

/* Waiting, interrupting, dispatching. A waiter lives on its thread's stack and in the client's list. */

bool rai_client_events_wait(const rai_client *c)
{
    return !c->dispatching && rai_engine_has_event(c->engine);
}

static bool is_ready(const rai_client *c, const struct waiter *w)
{
    switch (w->kind) {
    case WAIT_OP:
        return rai_op_outcome(w->on.op) != RA_OUTCOME_PENDING;
    case WAIT_CONSUMER:
        return rai_consumer_has_message(w->on.consumer) || rai_consumer_fault(w->on.consumer)->code != RA_OK;
    case WAIT_BODY:
        return rai_consumer_readable(w->on.consumer);
    case WAIT_WRITABLE:
        return rai_producer_writable(w->on.producer);
    case WAIT_EVENT:
        return rai_client_events_wait(c);
    case WAIT_CLOSE:
        return !c->links && (!c->thread.started || c->thread.done);
    case WAIT_CLOSED:
        return c->closed || !c->closer;
    }
    return true;
}

static bool is_closer(const struct waiter *w)
{
    return w->kind == WAIT_CLOSE || w->kind == WAIT_CLOSED;
}

/* Why the wait is over, but for its time: 1 while it is not. */
enum { GOES_ON = 100 };
static int result(const rai_client *c, const struct waiter *w)
{
    if (is_ready(c, w))
        return 0;
    if (is_closer(w))
        return GOES_ON;
    if (w->interrupted)
        return RA_E_INTERRUPTED;
    if (c->closing || (w->kind == WAIT_EVENT && !c->dispatching && rai_engine_dead(c->engine)))
        return RA_E_CLOSED;
    if ((w->flags & RA_WAIT_EVENTS) && rai_client_events_wait(c))
        return RA_EVENTS;
    return GOES_ON;
}

/* --- waking ------------------------------------------------------------------------------------------------------ */

void rai_wait_notify(rai_client *c, struct waiter *w)
{
    if (w == c->leader && c->polling)
        rai_drive_kick(c);
    if (!w->asleep)
        return; /* it looks before it sleeps */
    w->asleep = false;
    rai_client_yield(c, RAI_POINT_SIGNAL);
    c->sys->cond_signal(c->sys->ctx, &w->cond);
}

/* Waiters are as few as threads, and looking costs a comparison: so whoever changed anything looks at all of them, and
 * no wake-up can be lost because somebody forgot to name its reason. */
void rai_wait_hand_out(rai_client *c)
{
    rai_op *op;
    void *owner;
    while ((op = rai_engine_next_done(c->engine)))
        rai_op_unref(op);
    while (rai_engine_next_ready(c->engine, &owner) != RAI_READY_NONE)
        ;
    for (struct waiter *w = c->waiters; w; w = w->next) {
        if (w->woken || result(c, w) == GOES_ON)
            continue;
        w->woken = true;
        rai_wait_notify(c, w);
    }
    rai_loop_update(c);
}

struct waiter *rai_wait_candidate(const rai_client *c)
{
    for (struct waiter *w = c->waiters; w; w = w->next)
        if (!w->woken && w != c->leader)
            return w;
    return NULL;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

static void enlist(rai_client *c, struct waiter *w)
{
    w->next = NULL;
    w->previous = c->last_waiter;
    *(c->last_waiter ? &c->last_waiter->next : &c->waiters) = w;
    c->last_waiter = w;
}

static void unlist(rai_client *c, struct waiter *w)
{
    *(w->previous ? &w->previous->next : &c->waiters) = w->next;
    *(w->next ? &w->next->previous : &c->last_waiter) = w->previous;
}

static int64_t limit_of(const struct waiter *w, int64_t until)
{
    return w->kind == WAIT_OP && until == RAI_FOREVER ? rai_op_deadline(w->on.op) : until;
}

/* Sleeps once: as the leader in poll, else on the condition. */
static void sleep_once(rai_client *c, struct waiter *w, int64_t limit)
{
    if (c->driver == DRIVER_NONE) {
        c->driver = DRIVER_WAITER;
        c->leader = w;
    }
    if (c->leader == w) {
        (void)rai_drive_round(c, limit);
        return;
    }
    if (c->driver == DRIVER_THREAD && !c->lead_wanted) {
        c->lead_wanted = true;
        rai_drive_kick(c);
    }
    rai_client_yield(c, RAI_POINT_WAIT);
    w->asleep = true;
    c->locked = false;
    c->sys->cond_wait(c->sys->ctx, &w->cond, &c->mutex, limit);
    c->locked = true;
    w->asleep = false;
}

static int wait_enlisted(rai_client *c, struct waiter *w, int64_t until)
{
    /* Without a background thread also a wait of no time at all has to look at the sockets. */
    bool look = c->config.manual_drive;
    for (;;) {
        int64_t now = rai_client_now(c);
        rai_drive_turn(c);
        w->woken = false;
        int rc = result(c, w);
        if (rc != GOES_ON)
            return rc;
        int64_t limit = limit_of(w, until);
        if (limit <= now && !(look && (c->driver == DRIVER_NONE || c->leader == w)))
            return RA_E_TIMEOUT;
        look = false;
        sleep_once(c, w, limit);
    }
}

static int explain(int rc, struct rai_fault *fault)
{
    switch (rc) {
    case RA_E_TIMEOUT:
        return rai_fault_set(fault, rc, "the time is over");
    case RA_E_INTERRUPTED:
        return rai_fault_set(fault, rc, "the wait was interrupted");
    case RA_E_CLOSED:
        return rai_fault_set(fault, rc, "the connection is closed");
    default:
        return rc;
    }
}

int rai_wait(rai_client *c, struct waiter *w, int64_t until, struct rai_fault *fault)
{
    int rc = result(c, w);
    if (rc != GOES_ON)
        return explain(rc, fault);
    if (!is_closer(w) && rai_client_may_wait(c, fault) < 0)
        return RA_E_IN_LISTENER;
    if (rai_sys_cond_init(&w->cond) < 0)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory for a wait");
    enlist(c, w);
    rc = wait_enlisted(c, w, until);
    w->woken = true;
    if (c->leader == w)
        rai_drive_step_down(c);
    unlist(c, w);
    (void)pthread_cond_destroy(&w->cond);
    return explain(rc, fault);
}

int rai_client_wait_op(rai_client *c, rai_op *op, int64_t until, int32_t flags, struct rai_fault *fault)
{
    struct waiter w = { .kind = WAIT_OP, .on.op = op, .flags = flags };
    int rc = rai_wait(c, &w, until, fault);
    if (rc != 0)
        return rc;
    const struct rai_fault *why = rai_op_fault(op);
    if (fault && why->code != RA_OK)
        *fault = *why;
    return why->code;
}

int rai_client_wait_consumer(rai_client *c, rai_consumer *consumer, int64_t until, int32_t flags,
                             struct rai_fault *fault)
{
    struct waiter w = { .kind = WAIT_CONSUMER, .on.consumer = consumer, .flags = flags };
    rai_consumer_wait_begin(consumer, rai_client_now(c));
    int rc = rai_wait(c, &w, until, fault);
    rai_consumer_wait_end(consumer, rai_client_now(c));
    return rc;
}

int rai_client_wait_body(rai_client *c, rai_consumer *consumer, int64_t until, int32_t flags, struct rai_fault *fault)
{
    struct waiter w = { .kind = WAIT_BODY, .on.consumer = consumer, .flags = flags };
    return rai_wait(c, &w, until, fault);
}

int rai_client_wait_writable(rai_client *c, rai_producer *producer, int64_t until, int32_t flags,
                             struct rai_fault *fault)
{
    struct waiter w = { .kind = WAIT_WRITABLE, .on.producer = producer, .flags = flags };
    return rai_wait(c, &w, until, fault);
}

int rai_client_wait_event(rai_client *c, int64_t until, struct rai_fault *fault)
{
    struct waiter w = { .kind = WAIT_EVENT };
    return rai_wait(c, &w, until, fault);
}

int rai_client_may_wait(const rai_client *c, struct rai_fault *fault)
{
    if (!rai_client_in_dispatch(c))
        return 0;
    return rai_fault_set(fault, RA_E_IN_LISTENER, "a listener may not wait");
}

void rai_client_interrupt(rai_client *c)
{
    for (struct waiter *w = c->waiters; w; w = w->next)
        w->interrupted = true;
    rai_wait_hand_out(c);
}

/* --- dispatching ------------------------------------------------------------------------------------------------- */

bool rai_client_dispatching(const rai_client *c)
{
    return c->dispatching;
}

bool rai_client_in_dispatch(const rai_client *c)
{
    return c->dispatching && pthread_equal(c->dispatcher, pthread_self());
}

int rai_client_dispatch_begin(rai_client *c, struct rai_fault *fault)
{
    if (rai_client_in_dispatch(c))
        return rai_fault_set(fault, RA_E_IN_LISTENER, "a listener may not dispatch");
    if (c->dispatching)
        return 1;
    c->dispatching = true;
    c->dispatcher = pthread_self();
    return 0;
}

void rai_client_dispatch_end(rai_client *c)
{
    c->dispatching = false; /* leaving wakes those who wait for what is left */
}
