#include "engine/engine.h"

#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

rai_engine *rai_engine_new(const struct rai_config *config, const struct rai_host *host)
{
    rai_engine *e = rai_calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->config = config;
    e->host = *host;
    e->version = RAI_VERSION;
    e->next_channel = RAI_CHANNEL_FIRST;
    e->next_anchor = RAI_ANCHORS;
    e->anchor_wait = RAI_ASK_FIRST_US;
    e->wake_at = RAI_NEVER;
    e->retry_at = RAI_NEVER;
    e->delay = config->retry_interval * RAI_MS;
    return e;
}

void rai_engine_free(rai_engine *e)
{
    if (e == NULL)
        return;
    rai_engine_shut(e, e->now);
    e->freeing = true;
    rai_engine_reap(e);
    while (e->links != NULL)
        rai_link_free(e->links);
    for (rai_op *op = rai_engine_next_done(e); op != NULL; op = rai_engine_next_done(e))
        rai_op_unref(op);
    rai_events_free(e);
    rai_targets_free(e);
    rai_log_pool_free(&e->pool);
    rai_free(e);
}

rai_op *rai_engine_start(rai_engine *e, int64_t now)
{
    rai_op *op = rai_op_new(e, NULL, now);
    if (op == NULL)
        return NULL;
    op->deadline = RAI_NEVER; /* the attempts bound it */
    e->now = now;
    e->started = true;
    e->start_op = rai_op_ref(op);
    e->retry_at = now;
    if (e->config->confirmation_window == 0)
        rai_say(e, NULL, "confirmationWindowSize=0 counts as 1: every packet is confirmed; -1 switches re-attachment off");
    rai_recovery_tick(e, now);
    return op;
}

rai_op *rai_engine_leave(rai_engine *e, int64_t now)
{
    rai_op *op = e->leave_op == NULL && !e->dead ? rai_op_new(e, NULL, now) : NULL;
    if (op == NULL)
        return NULL;
    op->deadline = now + RAI_PART_US;
    rai_wake_at(e, op->deadline);
    e->now = now;
    e->leave_op = rai_op_ref(op);
    rai_recovery_step(e);
    return op;
}

void rai_engine_shut(rai_engine *e, int64_t now)
{
    struct rai_fault why;
    e->now = now;
    if (e->shut)
        return;
    e->shut = true;
    rai_fault_set(&why, RA_E_CLOSED, "the connection is closed");
    for (struct rai_link *l = e->links; l != NULL; l = l->next)
        rai_link_doom(l); /* first: what a writer holds right now may arrive, and so counts as written */
    for (rai_session *s = e->sessions, *next; s != NULL; s = next) {
        next = s->next;
        rai_session_closed(s);
    }
    rai_engine_die(e, &why);
    rai_event_simple(e, RA_EVENT_CLOSED, NULL, NULL);
}

bool rai_engine_connected(const rai_engine *e)
{
    return e->main != NULL;
}

const struct rai_endpoint *rai_engine_target(rai_engine *e)
{
    return rai_targets_next(e);
}

bool rai_engine_dead(const rai_engine *e)
{
    return e->dead;
}

const struct rai_fault *rai_engine_last_fault(const rai_engine *e)
{
    return &e->last_fault;
}

const struct rai_fault *rai_engine_fault(const rai_engine *e)
{
    return &e->fault;
}

int64_t rai_engine_deadline(const rai_engine *e)
{
    return e->wake_at;
}

void rai_engine_tick(rai_engine *e, int64_t now)
{
    e->now = now;
    if (now < e->wake_at)
        return;
    e->wake_at = RAI_NEVER;
    if (!e->dead) {
        for (struct rai_link *l = e->links, *next; l != NULL; l = next) {
            next = l->next;
            rai_link_tick(l, now);
        }
        rai_recovery_tick(e, now);
    }
    rai_ops_tick(e, now);
    rai_engine_reap(e);
}

int64_t rai_engine_stat(const rai_engine *e, int id)
{
    return id >= RA_STAT_LINKS && id <= RA_STAT_BYTES_IN ? e->stats[id] : -1;
}

void rai_engine_set_hooks(rai_engine *e, const struct rai_test_hooks *hooks)
{
    e->hooks = *hooks;
}
