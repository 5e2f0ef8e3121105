/* One direction of a connection: from one socket, through the queue, into the other. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "relay_private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { READS_A_TURN = 4, DRAIN_POLL_US = 500, REST_LIMIT = 8 * 1024 * 1024 };

static int source(const struct flow *f) { return f->conn->side[f->direction].fd; }
static int sink(const struct flow *f) { return f->conn->side[!f->direction].fd; }

void flow_init(struct flow *f, struct conn *c, enum relay_direction direction)
{
    f->conn = c;
    f->direction = direction;
    f->framing.started = direction == RELAY_TO_CLIENT; /* the broker sends no preamble */
    f->fuse[FUSE_TRAP] = c->relay->pending[direction];
}

static void drop_head(struct flow *f)
{
    struct entry *e = f->head;
    f->head = e->next;
    if (f->head == NULL)
        f->tail = NULL;
    f->queued -= sizeof *e + (e->end - e->begin);
    free(e);
}

/* The flow is over; a trap whose order never got its turn has done what it could. */
void flow_clear(struct flow *f)
{
    f->stopped = true;
    f->done = true;
    f->held = false;
    while (f->head != NULL) {
        int trap = f->head->trap;
        drop_head(f);
        if (trap != 0)
            relay_trap_fired(f->conn->relay, trap);
    }
    free(f->framing.partial);
    f->framing.partial = NULL;
    f->framing.partial_length = f->framing.partial_capacity = 0;
}

static struct entry *enqueue(struct flow *f, const struct entry *like, const uint8_t *p, size_t n)
{
    struct relay *r = f->conn->relay;
    struct entry *e = malloc(sizeof *e + n);
    if (e == NULL)
        return NULL;
    *e = *like;
    e->next = NULL;
    e->due_us = r->delay_ms > 0 ? r->now_us + r->delay_ms * 1000ull : 0;
    e->begin = 0;
    e->end = n;
    if (n > 0)
        memcpy(e->data, p, n);
    if (f->tail != NULL)
        f->tail->next = e;
    else
        f->head = e;
    f->tail = e;
    f->queued += sizeof *e + n;
    if (f->queued > r->counters.queued_peak)
        r->counters.queued_peak = f->queued;
    return e;
}

/* Bytes taken by the sink; 0 when it is full or gone. A sink that is gone ends the flow only: the
   other one may still have something to read from that party, and will find the end by itself. */
static size_t write_some(struct flow *f, const uint8_t *p, size_t n)
{
    ssize_t sent = send(sink(f), p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
        f->conn->relay->counters.bytes[f->direction] += (uint64_t)sent;
        f->blocked = (size_t)sent < n;
        return (size_t)sent;
    }
    f->blocked = true;
    if (errno != EAGAIN && errno != EINTR) {
        flow_clear(f);
        conn_flow_done(f->conn);
    }
    return 0;
}

static void pass(struct flow *f, const uint8_t *data, size_t n)
{
    size_t sent = 0;
    if (f->head == NULL && !f->held && !f->blocked && f->conn->relay->delay_ms == 0)
        sent = write_some(f, data, n);
    if (sent == n || f->done)
        return;
    static const struct entry plain = { .kind = ENTRY_DATA };
    if (enqueue(f, &plain, data + sent, n - sent) == NULL)
        conn_end(f->conn, true); /* no memory: a reset is honest, a gap would not be */
}

void flow_deliver(struct flow *f, const uint8_t *data, size_t n)
{
    if (f->stopped || n == 0)
        return;
    const struct fuse *blown = NULL;
    for (int i = 0; i < 2; i++)
        if (f->fuse[i].lit && f->fuse[i].left <= n) {
            n = (size_t)f->fuse[i].left;
            blown = &f->fuse[i];
        }
    for (int i = 0; i < 2; i++)
        f->fuse[i].left -= f->fuse[i].lit ? n : 0;
    pass(f, data, n);
    if (blown == NULL || f->done)
        return;
    struct entry order = { .kind = ENTRY_CUT, .how = blown->how, .trap = blown->trap };
    flow_order(f, &order);
}

void flow_light(struct flow *f, int which, const struct fuse *fuse)
{
    if (f->stopped)
        return;
    f->fuse[which] = *fuse;
    if (!fuse->lit || fuse->left > 0)
        return;
    struct entry order = { .kind = ENTRY_CUT, .how = fuse->how, .trap = fuse->trap };
    flow_order(f, &order);
}

/* Queues an order, behind everything read so far, and carries it out if its turn is now. */
void flow_order(struct flow *f, const struct entry *order)
{
    if (f->stopped)
        return;
    if (order->kind != ENTRY_HOLD)
        f->stopped = true;
    struct relay *r = f->conn->relay;
    for (int d = 0; d < 2; d++)
        if (r->pending[d].lit && r->pending[d].trap == order->trap)
            r->pending[d].lit = false;
    for (struct conn *c = r->conns; c != NULL && order->trap != 0; c = c->next)
        for (int d = 0; d < 2; d++)
            if (c->flow[d].fuse[FUSE_TRAP].trap == order->trap)
                c->flow[d].fuse[FUSE_TRAP].lit = false;
    if (enqueue(f, order, NULL, 0) == NULL)
        conn_end(f->conn, true);
    else
        flow_run(f);
}

/* A reset throws away what our own kernel still holds, so an exact cut waits for it to be taken. */
static bool drained(struct flow *f)
{
    uint64_t now = f->conn->relay->now_us;
    int waiting = 0;
    if (ioctl(sink(f), SIOCOUTQ, &waiting) < 0 || waiting == 0)
        return true;
    if (f->drain_since == 0)
        f->drain_since = now;
    return now - f->drain_since >= DRAIN_MS * 1000ull;
}

static bool run_data(struct flow *f)
{
    struct entry *e = f->head;
    size_t k = write_some(f, e->data + e->begin, e->end - e->begin);
    if (f->done)
        return false;
    e->begin += k;
    f->queued -= k;
    if (e->begin < e->end)
        return false;
    drop_head(f);
    return true;
}

static bool run_hold(struct flow *f)
{
    struct relay *r = f->conn->relay;
    unsigned ms = f->head->hold_ms;
    int trap = f->head->trap;
    f->held = f->conn->state == CONN_OPEN; /* an abandoned connection only delivers */
    f->held_until = ms > 0 ? r->now_us + ms * 1000ull : UINT64_MAX;
    drop_head(f);
    r->counters.holds++;
    relay_trap_fired(r, trap);
    return !f->held;
}

/* The ends of a flow: the rest of the connection may die here. */
static bool run_end(struct flow *f)
{
    struct relay *r = f->conn->relay;
    struct entry e = *f->head;
    if (e.kind != ENTRY_EOF && !drained(f))
        return false;
    drop_head(f);
    if (e.kind == ENTRY_CUT) {
        relay_note_cut(r, conn_is_open(f->conn));
        conn_cut(f->conn, e.how, true);
        relay_trap_fired(r, e.trap);
    } else if (e.kind == ENTRY_RESET) {
        conn_end(f->conn, true);
    } else {
        shutdown(sink(f), SHUT_WR);
        f->done = true;
        conn_flow_done(f->conn);
    }
    return false;
}

/* Works through the queue as far as time, holds and the sink allow. */
void flow_run(struct flow *f)
{
    enum conn_state state = f->conn->state;
    if (state != CONN_OPEN && state != CONN_ABANDONED)
        return;
    bool more = true;
    while (more && f->head != NULL && !f->held && !f->blocked &&
           f->head->due_us <= f->conn->relay->now_us) {
        if (f->head->kind == ENTRY_DATA)
            more = run_data(f);
        else if (f->head->kind == ENTRY_HOLD)
            more = run_hold(f);
        else
            more = run_end(f);
    }
}

void flow_wake(struct flow *f)
{
    if (f->held && f->held_until <= f->conn->relay->now_us)
        f->held = false;
    flow_run(f);
}

static void end_of_stream(struct flow *f, enum entry_kind kind)
{
    struct entry order = { .kind = kind };
    frame_flush(f);
    flow_order(f, &order);
}

bool flow_wants_read(const struct flow *f)
{
    return !f->stopped && f->queued < QUEUE_LIMIT;
}

void flow_read(struct flow *f)
{
    struct relay *r = f->conn->relay;
    for (int turn = 0; turn < READS_A_TURN && flow_wants_read(f); turn++) {
        ssize_t n = recv(source(f), r->scratch, sizeof r->scratch, MSG_DONTWAIT);
        if (n > 0) {
            frame_feed(f, r->scratch, (size_t)n);
            if ((size_t)n < sizeof r->scratch)
                return;
        } else if (n == 0) {
            end_of_stream(f, ENTRY_EOF);
        } else if (errno == EAGAIN || errno == EINTR) {
            return;
        } else {
            end_of_stream(f, ENTRY_RESET);
        }
    }
}

/* What the party has sent so far, whatever the queue's limit. Reading opens the window, so what its
   kernel still held comes as well; the budget ends this against a party that never stops. */
void flow_read_rest(struct flow *f)
{
    struct relay *r = f->conn->relay;
    size_t budget = REST_LIMIT;
    while (budget > 0 && !f->stopped) {
        size_t want = budget < sizeof r->scratch ? budget : sizeof r->scratch;
        ssize_t n = recv(source(f), r->scratch, want, MSG_DONTWAIT);
        if (n <= 0)
            break;
        frame_feed(f, r->scratch, (size_t)n);
        budget -= (size_t)n;
    }
    frame_flush(f);
    f->stopped = true;
}

bool flow_wants_write(const struct flow *f)
{
    return f->blocked && f->head != NULL && !f->held;
}

uint64_t flow_next_wake(const struct flow *f)
{
    if (f->held)
        return f->held_until;
    if (f->head == NULL || f->blocked)
        return UINT64_MAX;
    uint64_t soon = f->conn->relay->now_us + DRAIN_POLL_US;
    return f->head->due_us > soon ? f->head->due_us : soon;
}
