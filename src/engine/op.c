#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

rai_op *rai_op_new(rai_engine *e, rai_session *s, int64_t now)
{
    rai_op *op = rai_calloc(1, sizeof *op);
    if (op == NULL)
        return NULL;
    op->refs = 2;
    op->e = e;
    op->session = s;
    int64_t ms = e->main != NULL ? e->config->call_timeout : e->config->call_failover_timeout;
    op->deadline = ms < 0 ? RAI_NEVER : now + ms * RAI_MS;
    op->prev = e->last_op;
    if (e->last_op != NULL)
        e->last_op->next = op;
    else
        e->ops = op;
    e->last_op = op;
    rai_wake_at(e, op->deadline);
    return op;
}

rai_op *rai_op_ref(rai_op *op)
{
    op->refs++;
    return op;
}

void rai_op_unref(rai_op *op)
{
    if (op == NULL || --op->refs > 0)
        return;
    rai_queue_info_free(op->info);
    rai_free(op->made);
    rai_free(op->metadata);
    rai_free(op->name);
    rai_free(op);
}

void rai_op_hand_out(rai_op *op, rai_op **op_out)
{
    if (op_out != NULL)
        *op_out = op;
    else
        rai_op_unref(op);
}

static void unlist(rai_op *op)
{
    rai_engine *e = op->e;
    if (e->next_tick == op)
        e->next_tick = op->next;
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        e->ops = op->next;
    if (op->next != NULL)
        op->next->prev = op->prev;
    else
        e->last_op = op->prev;
    op->prev = op->next = NULL;
}

void rai_op_discard(rai_op *op)
{
    if (op == NULL)
        return;
    unlist(op);
    op->refs = 1;
    rai_op_unref(op);
}

static void late_outcome(rai_op *op)
{
    struct rai_event event = {.kind = RA_EVENT_OPERATION, .outcome = op->outcome, .fault = op->fault};
    if (op->session != NULL)
        event.session = op->session->owner;
    rai_event_push(op->e, &event);
}

void rai_op_end(rai_op *op, int outcome, const struct rai_fault *fault)
{
    if (op == NULL || op->outcome != RA_OUTCOME_PENDING)
        return;
    rai_engine *e = op->e;
    op->outcome = outcome;
    if (fault != NULL)
        op->fault = *fault;
    unlist(op);
    if (op->abandoned)
        late_outcome(op);
    op->session = NULL;
    op->forced = NULL;
    /* the engine's reference goes with the queue */
    op->next_done = NULL;
    if (e->done_last != NULL)
        e->done_last->next_done = op;
    else
        e->done_first = op;
    e->done_last = op;
}

rai_op *rai_engine_next_done(rai_engine *e)
{
    rai_op *op = e->done_first;
    if (op == NULL)
        return NULL;
    e->done_first = op->next_done;
    if (e->done_first == NULL)
        e->done_last = NULL;
    return op;
}

int rai_op_outcome(const rai_op *op)
{
    return op->outcome;
}

const struct rai_fault *rai_op_fault(const rai_op *op)
{
    return &op->fault;
}

int64_t rai_op_deadline(const rai_op *op)
{
    return op->deadline;
}

ra_queue_info *rai_op_take_info(rai_op *op)
{
    ra_queue_info *info = op->info;
    op->info = NULL;
    return info;
}

static void give_up(rai_op *op)
{
    struct rai_fault fault;
    rai_fault_set(&fault, RA_E_TIMEOUT, "no answer came in time; nothing had been written yet, nothing was done");
    if (op->session != NULL)
        rai_session_cancel_op(op->session, op, &fault);
}

void rai_op_abandon(rai_op *op, int64_t now)
{
    if (op->outcome != RA_OUTCOME_PENDING)
        return;
    op->e->now = now;
    give_up(op); /* if that ends it, the caller sees it: no event */
    op->abandoned = op->outcome == RA_OUTCOME_PENDING;
}

void rai_ops_tick(rai_engine *e, int64_t now)
{
    for (rai_op *op = e->ops; op != NULL; op = e->next_tick) {
        e->next_tick = op->next; /* kept right by unlist(): the end of one may be the end of others */
        if (op->expired)
            continue;
        if (op->deadline <= now) {
            op->expired = true; /* once: what was written goes on */
            give_up(op);
        } else {
            rai_wake_at(e, op->deadline);
        }
    }
}
