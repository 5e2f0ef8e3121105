#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/* --- frames for the log --- */

struct rai_draft rai_draft(rai_session *s)
{
    return (struct rai_draft){.s = s};
}

bool rai_draft_next(struct rai_draft *d)
{
    if (d->pass == 0) {
        d->pass = 1;
        return true;
    }
    if (d->pass == 2)
        return false;
    d->pass = 2;
    d->size = d->w.size;
    d->w = (struct rai_writer){.at = rai_log_reserve(&d->s->log, d->size)};
    d->failed = d->w.at == NULL;
    return !d->failed;
}

static bool commit(rai_session *s, size_t size, size_t lead, const struct rai_pending *pending)
{
    if (pending != NULL && !rai_pendings_reserve(&s->pendings))
        return false;
    uint64_t offset = rai_log_commit(&s->log, size);
    if (pending != NULL) {
        struct rai_pending *entry = rai_pendings_push(&s->pendings);
        *entry = *pending;
        entry->offset = offset + lead;
        entry->end = offset + size;
    }
    if (s->state == RAI_S_OPEN)
        rai_session_due(s, RAI_DUE_DATA);
    return true;
}

bool rai_draft_commit(struct rai_draft *d, const struct rai_pending *pending)
{
    return !d->failed && commit(d->s, d->size, d->lead, pending);
}

bool rai_session_append(rai_session *s, const uint8_t *frame, size_t size, const struct rai_pending *pending)
{
    uint8_t *at = rai_log_reserve(&s->log, size);
    if (at == NULL)
        return false;
    memcpy(at, frame, size);
    return commit(s, size, 0, pending);
}

int rai_session_request(struct rai_draft *d, int type, int64_t correlation, rai_op *op, void *subject,
                        rai_op **op_out, struct rai_fault *fault)
{
    struct rai_pending pending = {.type = (int8_t)type, .correlation = correlation, .subject = subject, .as.op = op};
    if (op == NULL || !rai_draft_commit(d, &pending)) {
        rai_op_discard(op);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    rai_op_hand_out(op, op_out);
    return RA_OK;
}

static int request(struct rai_draft *d, int type, rai_op **op_out, struct rai_fault *fault)
{
    rai_op *op = rai_op_new(d->s->e, d->s, d->s->e->now);
    return rai_session_request(d, type, RAI_NO_CORRELATION, op, NULL, op_out, fault);
}

/* A request of the engine's own: its answer is awaited, nobody waits for it. */
static bool own_request(struct rai_draft *d, int type)
{
    struct rai_pending pending = {.type = (int8_t)type, .correlation = RAI_NO_CORRELATION};
    return rai_draft_commit(d, &pending);
}

/* A question whose answer proves that all before it was processed. */
bool rai_session_probe(rai_session *s)
{
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_simple(&d.w, d.size, RAI_SESS_XA_GET_TIMEOUT, s->channel);
    return own_request(&d, RAI_SESS_XA_GET_TIMEOUT);
}

static int ended_op(rai_session *s, int outcome, const struct rai_fault *why, rai_op **op_out, struct rai_fault *fault)
{
    rai_op *op = rai_op_new(s->e, s, s->e->now);
    if (op == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    rai_op_end(op, outcome, why);
    rai_op_hand_out(op, op_out);
    return RA_OK;
}

/* --- life --- */

static void hex(rai_engine *e, char *out, size_t digits)
{
    static const char alphabet[] = "0123456789abcdef";
    uint8_t bytes[16];
    e->host.random(e->host.ctx, bytes, sizeof bytes);
    for (size_t i = 0; i < digits; i++)
        out[i] = alphabet[(i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2]) & 15];
    out[digits] = '\0';
}

void rai_random_name(rai_engine *e, char *out, size_t room)
{
    char digits[33];
    hex(e, digits, 32);
    snprintf(out, room, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16, digits + 20);
}

/* The name is the secret by which a session is found again; the barrier's is another one, since it shows up in texts. */
void rai_session_new_name(rai_session *s)
{
    rai_random_name(s->e, s->name, sizeof s->name);
    hex(s->e, s->barrier_key, RAI_BARRIER_NAME);
}

rai_session *rai_session_by_channel(rai_engine *e, int64_t channel)
{
    rai_session *s;
    HASH_FIND(hh, e->by_channel, &channel, sizeof channel, s);
    return s;
}

static void list(rai_session *s)
{
    rai_engine *e = s->e;
    s->prev = e->last_session;
    if (e->last_session != NULL)
        e->last_session->next = s;
    else
        e->sessions = s;
    e->last_session = s;
    HASH_ADD(hh, e->by_channel, channel, sizeof s->channel, s);
}

static void session_free(rai_session *s);

int rai_session_open(rai_engine *e, bool transacted, void *owner, int64_t now, rai_session **out, rai_op **op_out,
                     struct rai_fault *fault)
{
    e->now = now;
    if (e->dead || e->shut)
        return rai_fault_set(fault, e->shut ? RA_E_CLOSED : e->fault.code, "the connection is closed: %.150s",
                             e->fault.text);
    rai_session *s = rai_calloc(1, sizeof *s);
    rai_op *op = s != NULL ? rai_op_new(e, s, now) : NULL;
    if (op == NULL) {
        rai_free(s);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    s->e = e;
    s->owner = owner;
    s->channel = e->next_channel++;
    s->transacted = transacted;
    s->fresh = true;
    s->received = UINT32_MAX;
    s->ask_wait = RAI_ASK_FIRST_US;
    s->barrier_wait = RAI_BARRIER_FIRST_US;
    s->probe_at = RAI_NEVER;
    s->epoch = 1;
    s->next_producer = 1;
    s->open_op = rai_op_ref(op);
    rai_log_init(&s->log, &e->pool);
    rai_session_new_name(s);
    list(s);
    if (rai_session_by_channel(e, s->channel) != s) {
        session_free(s);
        rai_op_unref(op);
        rai_op_discard(op);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    rai_op_hand_out(op, op_out);
    *out = s;
    rai_recovery_step(e);
    return RA_OK;
}

bool rai_session_is_open(const rai_session *s)
{
    return s->state != RAI_S_CLOSED && s->state != RAI_S_LOST && !s->closing;
}

int rai_session_usable(const rai_session *s, struct rai_fault *fault)
{
    if (s->fault.code != RA_OK) { /* lost */
        if (fault != NULL)
            *fault = s->fault;
        return s->fault.code;
    }
    if (!rai_session_is_open(s))
        return rai_fault_set(fault, RA_E_CLOSED, "the session is closed");
    if (s->fresh)
        return rai_fault_set(fault, RA_E_STATE, "the session is not open yet: wait for its operation first");
    return RA_OK;
}

/* What every call begins with. */
static int begin(rai_session *s, int64_t now, struct rai_fault *fault)
{
    s->e->now = now;
    return rai_session_usable(s, fault);
}

bool rai_session_log_close(rai_session *s, rai_op *op)
{
    struct rai_draft d = rai_draft(s);
    struct rai_pending pending = {.type = RAI_SESS_CLOSE, .correlation = RAI_NO_CORRELATION, .as.op = op};
    while (rai_draft_next(&d))
        rai_put_simple(&d.w, d.size, RAI_SESS_CLOSE, s->channel);
    if (!rai_draft_commit(&d, &pending))
        return false;
    s->close_logged = true;
    s->close_end = s->log.end;
    return true;
}

static void end_open_op(rai_session *s, const struct rai_fault *why)
{
    rai_op_end(s->open_op, RA_OUTCOME_NOT_DONE, why);
    rai_op_unref(s->open_op);
    s->open_op = NULL;
}

static void end_children(rai_session *s, const struct rai_fault *why)
{
    for (rai_consumer *c = s->consumers, *next; c != NULL; c = next) {
        next = c->next;
        rai_consumer_ended(c, why);
    }
    rai_session_check_writable(s); /* who waits for room hears of it: the next send says why not */
    rai_producers_end(s, why);
}

void rai_session_closed(rai_session *s)
{
    struct rai_fault why;
    if (s->state == RAI_S_CLOSED)
        return;
    rai_fault_set(&why, RA_E_CLOSED, "the session is closed");
    s->closing = true;
    s->state = RAI_S_CLOSED;
    rai_link_keeps_writing(s);
    rai_session_unlink(s);
    rai_session_end_all(s, &why);
    end_open_op(s, &why);
    end_children(s, &why);
}

void rai_session_lose(rai_session *s, const struct rai_fault *why)
{
    if (s->state == RAI_S_CLOSED || s->state == RAI_S_LOST)
        return;
    bool was_open = !s->fresh;
    s->state = RAI_S_LOST;
    s->fault = *why;
    rai_link_keeps_writing(s);
    rai_session_unlink(s);
    rai_session_end_all(s, why);
    end_open_op(s, why);
    end_children(s, why);
    if (was_open)
        rai_event_simple(s->e, RA_EVENT_SESSION_LOST, s, why);
}

static int close_fresh(rai_session *s, rai_op **op_out, struct rai_fault *fault)
{
    s->closing = true; /* an answer under way finds it so, and closes it for good */
    if (s->state == RAI_S_NEW)
        rai_session_closed(s);
    return ended_op(s, RA_OUTCOME_CONFIRMED, NULL, op_out, fault);
}

int rai_session_close(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    s->e->now = now;
    if (!rai_session_is_open(s))
        return ended_op(s, RA_OUTCOME_CONFIRMED, NULL, op_out, fault);
    if (s->fresh)
        return close_fresh(s, op_out, fault);
    rai_op *op = rai_op_new(s->e, s, now);
    if (op == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    rai_session_flush_acks(s);
    if (!rai_session_log_close(s, op)) {
        rai_op_discard(op);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    s->closing = true;
    rai_op_hand_out(op, op_out);
    return RA_OK;
}

/* It does, or will as soon as a request that is under way arrives. */
static bool broker_has(const rai_session *s)
{
    return s->state == RAI_S_OPEN || s->state == RAI_S_ADRIFT || s->state == RAI_S_ASKED || s->state == RAI_S_BARRIER ||
           s->state == RAI_S_SETTLED || s->state == RAI_S_REASKED || s->state == RAI_S_RECREATING;
}

/* It is over here. The broker has to let go of it and of what it delivered to it, and may have it on a link that lives
 * long: it is looked for, if need be, and closed there. */
static void abandon(rai_session *s, const struct rai_fault *why)
{
    s->closing = s->aborted = true;
    bool closes = broker_has(s) && rai_session_drop_all(s, why);
    if (!closes || (!s->close_logged && !rai_session_log_close(s, NULL)))
        rai_session_closed(s);
}

void rai_session_dismiss(rai_session *s, const struct rai_fault *why)
{
    if (!rai_session_is_open(s))
        return;
    s->fault = *why;
    abandon(s, why);
    end_children(s, why);
    rai_event_simple(s->e, RA_EVENT_SESSION_LOST, s, why);
}

void rai_session_abort(rai_session *s, int64_t now, int64_t *not_done, int64_t *unknown)
{
    struct rai_fault why;
    s->e->now = now;
    rai_fault_set(&why, RA_E_CLOSED, "the session was closed before the broker had answered");
    if (s->state == RAI_S_CREATING) {
        s->closing = true; /* closed for good when the answer comes */
        end_open_op(s, &why);
    } else if (s->state != RAI_S_CLOSED && s->state != RAI_S_LOST) {
        abandon(s, &why);
    }
    if (not_done != NULL)
        *not_done = s->not_done;
    if (unknown != NULL)
        *unknown = s->unknown;
}

void rai_session_release(rai_session *s, int64_t now)
{
    s->e->now = now;
    rai_engine_forget_owner(s->e, s->owner);
    s->owner = NULL;
    if (rai_session_is_open(s))
        rai_session_close(s, now, NULL, NULL);
    s->released = true;
    rai_engine_reap(s->e);
}

static void free_children(rai_session *s)
{
    for (rai_consumer *c = s->consumers, *next; c != NULL; c = next) {
        next = c->next;
        c->released = true;
        rai_consumer_free_if_done(c);
    }
    for (rai_producer *p = s->producers, *next; p != NULL; p = next) {
        next = p->next;
        p->released = true;
        rai_producer_free_if_done(p);
    }
}

static void session_free(rai_session *s)
{
    rai_engine *e = s->e;
    free_children(s);
    rai_ready_forget_session(s);
    rai_link_forget_session(e, s);
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        e->sessions = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    else
        e->last_session = s->prev;
    if (rai_session_by_channel(e, s->channel) == s)
        HASH_DEL(e->by_channel, s);
    while (s->credits != NULL) {
        struct rai_credit *credit = s->credits;
        s->credits = credit->next;
        rai_free(credit);
    }
    rai_free(s->large);
    rai_session_forget_transaction_id(s);
    rai_queues_free(s);
    rai_metadata_free(s);
    rai_log_destroy(&s->log);
    rai_pendings_destroy(&s->pendings);
    rai_numbers_destroy(&s->lost_answers);
    rai_numbers_destroy(&s->barriers_unanswered);
    rai_free(s);
}

static bool children_released(const rai_session *s)
{
    for (const rai_consumer *c = s->consumers; c != NULL; c = c->next)
        if (!c->released)
            return false;
    for (const rai_producer *p = s->producers; p != NULL; p = p->next)
        if (!p->released)
            return false;
    return true;
}

void rai_engine_reap(rai_engine *e)
{
    for (rai_session *s = e->sessions, *next; s != NULL; s = next) {
        next = s->next;
        bool over = s->state == RAI_S_CLOSED || s->state == RAI_S_LOST;
        if (over && (e->freeing || (s->released && children_released(s))))
            session_free(s);
    }
}

/* --- start, stop, transactions --- */

bool rai_session_log_start(rai_session *s)
{
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_simple(&d.w, d.size, RAI_SESS_START, s->channel);
    return rai_draft_commit(&d, NULL);
}

int rai_session_start(rai_session *s, int64_t now, struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    if (rc < 0 || s->started)
        return rc;
    if (s->rollbacks == 0 && !rai_session_log_start(s))
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    s->started = true;
    return RA_OK;
}

int rai_session_stop(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    if (rc < 0)
        return rc;
    s->started = false;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_simple(&d.w, d.size, RAI_SESS_STOP, s->channel);
    return request(&d, RAI_SESS_STOP, op_out, fault);
}

void rai_session_flush_acks(rai_session *s)
{
    for (rai_consumer *c = s->consumers; c != NULL; c = c->next)
        rai_consumer_flush_ack(c);
}

static int log_rollback(rai_session *s, rai_op **op_out, struct rai_fault *fault)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_ROLLED_BACK, "the transaction was rolled back in the middle of the large message");
    rai_session_flush_acks(s);
    if (s->started) {
        struct rai_draft stop = rai_draft(s);
        while (rai_draft_next(&stop))
            rai_put_simple(&stop.w, stop.size, RAI_SESS_STOP, s->channel);
        if (!own_request(&stop, RAI_SESS_STOP))
            return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_rollback(&d.w, d.size, s->channel, false);
    int rc = request(&d, RAI_SESS_ROLLBACK, op_out, fault);
    if (rc < 0)
        return rc;
    s->rollbacks++;
    s->epoch++; /* what was delivered so far comes again */
    s->work = s->rollback_only = s->doomed = false;
    rai_large_interrupt(s, &why);
    rai_session_forget_transaction_id(s);
    return RA_OK;
}

static int only_transacted(const rai_session *s, const char *what, struct rai_fault *fault)
{
    if (s->transacted)
        return RA_OK;
    return rai_fault_set(fault, RA_E_STATE, "%s needs a transacted session", what);
}

int rai_session_rollback(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    if (rc == RA_OK)
        rc = only_transacted(s, "rollback", fault);
    return rc < 0 ? rc : log_rollback(s, op_out, fault);
}

/* The session was recreated: the broker has only what came after that, so nothing of it may be committed. */
static int refuse_commit(rai_session *s, rai_op **op_out, struct rai_fault *fault)
{
    struct rai_fault why;
    int rc = log_rollback(s, NULL, fault);
    if (rc < 0)
        return rc;
    rai_fault_set(&why, RA_E_ROLLED_BACK, "the session was recreated during the transaction, which was rolled back");
    return ended_op(s, RA_OUTCOME_NOT_DONE, &why, op_out, fault);
}

int rai_session_commit(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    if (rc == RA_OK)
        rc = only_transacted(s, "commit", fault);
    if (rc < 0)
        return rc;
    if (s->large != NULL && s->large->fault.code == RA_OK)
        return rai_fault_set(fault, RA_E_STATE, "a large message is being written on this session: finish it first");
    if (s->rollback_only)
        return refuse_commit(s, op_out, fault);
    rai_session_flush_acks(s);
    int64_t correlation = s->version >= 132 ? s->correlation + 1 : RAI_NO_CORRELATION;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_commit(&d.w, d.size, s->channel, s->version, correlation);
    rai_op *op = rai_op_new(s->e, s, now);
    struct rai_pending pending = {.type = RAI_SESS_COMMIT, .correlation = correlation, .as.op = op};
    pending.risky = !s->commits_proven;
    pending.doomed = s->doomed;
    pending.work = s->work;
    if (op == NULL || !rai_draft_commit(&d, &pending)) {
        rai_op_discard(op);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    rai_op_hand_out(op, op_out);
    if (correlation != RAI_NO_CORRELATION)
        s->correlation = correlation;
    s->work = s->doomed = false;
    rai_session_forget_transaction_id(s);
    return RA_OK;
}

bool rai_session_rollback_only(const rai_session *s)
{
    return s->rollback_only;
}

/* A harmless question whose answer can only come when everything before it has been done. */
int rai_session_flush(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    if (rc < 0)
        return rc;
    rai_session_flush_acks(s);
    if (rai_log_empty(&s->log) && s->pendings.head == s->pendings.tail)
        return ended_op(s, RA_OUTCOME_CONFIRMED, NULL, op_out, fault);
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_simple(&d.w, d.size, RAI_SESS_XA_GET_TIMEOUT, s->channel);
    return request(&d, RAI_SESS_XA_GET_TIMEOUT, op_out, fault);
}

int64_t rai_session_unsettled(const rai_session *s)
{
    return s->forgets + s->tagged;
}

/* --- addresses and queues --- */

/* An op that knows what it asks about: to ask again, and for the sentence when it is refused. */
static rai_op *op_about(rai_session *s, const char *name)
{
    rai_op *op = rai_op_new(s->e, s, s->e->now);
    if (op != NULL && (op->name = rai_strdup(name)) == NULL) {
        rai_op_discard(op);
        return NULL;
    }
    return op;
}

int rai_session_create_address(rai_session *s, const char *address, bool multicast, bool anycast, int64_t now,
                               rai_op **op_out, struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    if (rc < 0)
        return rc;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_create_address(&d.w, d.size, s->channel, address, multicast, anycast, true, false);
    return rai_session_request(&d, RAI_CREATE_ADDRESS, RAI_NO_CORRELATION, op_about(s, address), NULL, op_out, fault);
}

static rai_op *op_making(rai_session *s, const struct rai_create_queue *q)
{
    rai_op *op = op_about(s, q->queue);
    bool passing = rai_queue_is_passing(q);
    if (op != NULL && passing && (op->made = rai_made_queue_new(q)) == NULL) {
        rai_op_discard(op);
        return NULL;
    }
    return op;
}

int rai_session_create_queue(rai_session *s, const char *queue, const char *address, int routing_type, int flags,
                             const char *filter, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    struct rai_create_queue q = {.address = address != NULL ? address : queue,
                                 .queue = queue,
                                 .filter = filter,
                                 .durable = (flags & RA_QUEUE_DURABLE) != 0,
                                 .temporary = (flags & RA_QUEUE_TEMPORARY) != 0,
                                 .respond = true,
                                 .auto_created = (flags & RA_QUEUE_AUTO_CREATED) != 0,
                                 .routing_type = routing_type,
                                 .max_consumers = -1};
    int rc = begin(s, now, fault);
    if (rc < 0)
        return rc;
    if (q.durable && q.temporary)
        return rai_fault_set(fault, RA_E_ARGUMENT, "a queue cannot be both durable and temporary");
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_create_queue(&d.w, d.size, s->channel, &q);
    return rai_session_request(&d, RAI_CREATE_QUEUE_V2, RAI_NO_CORRELATION, op_making(s, &q), NULL, op_out, fault);
}

int rai_session_delete_queue(rai_session *s, const char *queue, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    if (rc < 0)
        return rc;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_delete_queue(&d.w, d.size, s->channel, queue);
    return rai_session_request(&d, RAI_DELETE_QUEUE, RAI_NO_CORRELATION, op_about(s, queue), NULL, op_out, fault);
}

static int query(rai_session *s, int type, const char *name, rai_op **op_out, struct rai_fault *fault)
{
    rai_op *op = op_about(s, name);
    if (op == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d)) {
        if (type == RAI_SESS_QUEUEQUERY)
            rai_put_queue_query(&d.w, d.size, s->channel, name);
        else
            rai_put_binding_query(&d.w, d.size, s->channel, name);
    }
    return rai_session_request(&d, type, RAI_NO_CORRELATION, op, NULL, op_out, fault);
}

int rai_session_query_queue(rai_session *s, const char *queue, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    return rc < 0 ? rc : query(s, RAI_SESS_QUEUEQUERY, queue, op_out, fault);
}

int rai_session_query_address(rai_session *s, const char *address, int64_t now, rai_op **op_out,
                              struct rai_fault *fault)
{
    int rc = begin(s, now, fault);
    return rc < 0 ? rc : query(s, RAI_SESS_BINDINGQUERY, address, op_out, fault);
}
