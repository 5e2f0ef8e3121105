#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/* --- events --- */

static bool coalesce(rai_engine *e, const struct rai_event *event)
{
    struct rai_queued_event *last = e->last_event;
    if (last == NULL || event->kind != RA_EVENT_RETRYING || last->event.kind != RA_EVENT_RETRYING)
        return false;
    last->event = *event;
    return true;
}

void rai_event_push(rai_engine *e, const struct rai_event *event)
{
    if ((e->subscribed & RA_EVENT_MASK(event->kind)) == 0 || coalesce(e, event))
        return;
    struct rai_queued_event *q = e->event_count < RAI_EVENTS_MAX ? rai_alloc(sizeof *q) : NULL;
    if (q == NULL) {
        e->events_lost++;
        return;
    }
    q->next = NULL;
    q->event = *event;
    if (e->last_event != NULL)
        e->last_event->next = q;
    else
        e->events = q;
    e->last_event = q;
    e->event_count++;
}

void rai_event_simple(rai_engine *e, int kind, const rai_session *s, const struct rai_fault *fault)
{
    struct rai_event event = {.kind = kind};
    if (s != NULL)
        event.session = s->owner;
    if (fault != NULL)
        event.fault = *fault;
    rai_event_push(e, &event);
}

void rai_say(rai_engine *e, const rai_session *s, const char *format, ...)
{
    struct rai_event event = {.kind = RA_EVENT_LOG};
    va_list arguments;
    if (!e->config->log_events)
        return;
    if (s != NULL)
        event.session = s->owner;
    int at = s != NULL ? snprintf(event.text, sizeof event.text, "session %lld: ", (long long)s->channel) : 0;
    va_start(arguments, format);
    vsnprintf(event.text + at, sizeof event.text - (size_t)at, format, arguments);
    va_end(arguments);
    rai_event_push(e, &event);
}

void rai_engine_subscribe(rai_engine *e, uint32_t mask)
{
    e->subscribed = mask;
}

bool rai_engine_has_event(const rai_engine *e)
{
    return e->events != NULL || e->events_lost > 0 || e->outcome_head != e->outcome_tail;
}

static struct rai_outcome_range *range_at(rai_engine *e, uint64_t index)
{
    return &e->outcomes[index & (e->outcome_room - 1)];
}

static void take_outcome(rai_engine *e, struct rai_event *out)
{
    struct rai_outcome_range *r = range_at(e, e->outcome_head++);
    *out = (struct rai_event){
        .kind = RA_EVENT_SEND_OUTCOME, .first = r->first, .last = r->last, .outcome = r->outcome};
    out->session = r->session->owner;
    if (r->fault != NULL)
        out->fault = *r->fault;
    rai_free(r->fault);
    if (e->outcomes_full && e->outcome_tail - e->outcome_head < RAI_OUTCOMES_MAX / 2) {
        e->outcomes_full = false;
        for (rai_session *s = e->sessions; s != NULL; s = s->next)
            rai_session_check_writable(s);
    }
}

static void drop_orphans(rai_engine *e)
{
    while (e->outcome_head != e->outcome_tail && range_at(e, e->outcome_head)->session == NULL)
        rai_free(range_at(e, e->outcome_head++)->fault);
}

bool rai_engine_next_event(rai_engine *e, struct rai_event *out)
{
    struct rai_queued_event *q = e->events;
    if (q != NULL) {
        *out = q->event;
        e->events = q->next;
        if (e->events == NULL)
            e->last_event = NULL;
        e->event_count--;
        rai_free(q);
        return true;
    }
    if (e->events_lost > 0) {
        *out = (struct rai_event){.kind = RA_EVENT_EVENTS_LOST, .count = e->events_lost};
        e->events_lost = 0;
        return true;
    }
    if (e->outcome_head == e->outcome_tail)
        return false;
    take_outcome(e, out);
    drop_orphans(e);
    return true;
}

static void forget_queued(rai_engine *e, const void *owner)
{
    struct rai_queued_event **at = &e->events;
    e->last_event = NULL;
    while (*at != NULL) {
        struct rai_queued_event *q = *at;
        if (q->event.session != owner) {
            e->last_event = q;
            at = &q->next;
            continue;
        }
        *at = q->next;
        e->event_count--;
        rai_free(q);
    }
}

void rai_engine_forget_owner(rai_engine *e, void *owner)
{
    if (owner == NULL)
        return; /* the connection's own events have none */
    forget_queued(e, owner);
    for (uint64_t i = e->outcome_head; i != e->outcome_tail; i++) {
        struct rai_outcome_range *r = range_at(e, i);
        if (r->session != NULL && r->session->owner == owner)
            r->session = NULL;
    }
    drop_orphans(e);
    for (rai_session *s = e->sessions; s != NULL; s = s->next) {
        if (s->owner == owner)
            s->owner = NULL;
        for (rai_consumer *c = s->consumers; c != NULL; c = c->next)
            if (c->owner == owner)
                c->owner = NULL;
    }
}

/* --- outcomes of tagged sends: ranges, never lost --- */

static bool same_fault(const struct rai_fault *a, const struct rai_fault *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->code == b->code && a->broker_code == b->broker_code && strcmp(a->text, b->text) == 0 &&
           strcmp(a->broker_text, b->broker_text) == 0 && strcmp(a->endpoint, b->endpoint) == 0;
}

static bool extend(rai_engine *e, const rai_session *s, uint64_t tag, int outcome, const struct rai_fault *fault)
{
    if (e->outcome_head == e->outcome_tail)
        return false;
    struct rai_outcome_range *r = range_at(e, e->outcome_tail - 1);
    if (r->session != s || r->outcome != outcome || tag != r->last + 1 || !same_fault(r->fault, fault))
        return false;
    r->last = tag;
    return true;
}

/* Room for an outcome is made when a send is taken on, so that reporting one cannot fail (see producer.c). */
static bool grow_outcomes(rai_engine *e)
{
    size_t room = e->outcome_room == 0 ? 64 : 2 * e->outcome_room;
    struct rai_outcome_range *grown = rai_alloc(room * sizeof *grown);
    if (grown == NULL)
        return false;
    for (uint64_t i = e->outcome_head; i != e->outcome_tail; i++)
        grown[i & (room - 1)] = *range_at(e, i);
    rai_free(e->outcomes);
    e->outcomes = grown;
    e->outcome_room = room;
    return true;
}

bool rai_outcomes_reserve(rai_engine *e, uint64_t more)
{
    while (e->outcome_tail - e->outcome_head + more > e->outcome_room)
        if (!grow_outcomes(e))
            return false;
    return true;
}

void rai_outcome_push(rai_session *s, uint64_t tag, int outcome, const struct rai_fault *fault)
{
    rai_engine *e = s->e;
    s->tagged--;
    e->tagged--;
    if (s->owner == NULL || extend(e, s, tag, outcome, fault))
        return;
    struct rai_outcome_range *r = range_at(e, e->outcome_tail++);
    *r = (struct rai_outcome_range){.session = s, .first = tag, .last = tag, .outcome = outcome};
    if (fault != NULL) {
        r->fault = rai_alloc(sizeof *r->fault);
        if (r->fault != NULL)
            *r->fault = *fault;
    }
    if (e->outcome_tail - e->outcome_head >= RAI_OUTCOMES_MAX)
        e->outcomes_full = true;
}

/* --- wake-ups --- */

void rai_consumer_ready(rai_consumer *c)
{
    rai_engine *e = c->s->e;
    if (c->ready_queued || c->owner == NULL)
        return;
    c->ready_queued = true;
    c->ready_next = NULL;
    if (e->last_ready_consumer != NULL)
        e->last_ready_consumer->ready_next = c;
    else
        e->ready_consumers = c;
    e->last_ready_consumer = c;
}

void rai_session_check_writable(rai_session *s)
{
    bool any = false;
    if (!s->writable_wanted)
        return;
    s->writable_wanted = false;
    for (rai_producer *p = s->producers; p != NULL; p = p->next) {
        if (p->wanted == 0)
            continue;
        if (rai_producer_has_room(p)) {
            p->wanted = 0;
            any = true;
        } else {
            s->writable_wanted = true;
        }
    }
    if (!any || s->owner == NULL)
        return;
    rai_event_simple(s->e, RA_EVENT_WRITABLE, s, NULL);
    if (!s->writable_queued) {
        s->writable_queued = true;
        s->writable_next = s->e->ready_writers;
        s->e->ready_writers = s;
    }
}

enum rai_ready rai_engine_next_ready(rai_engine *e, void **owner)
{
    rai_consumer *c = e->ready_consumers;
    if (c != NULL) {
        e->ready_consumers = c->ready_next;
        if (e->ready_consumers == NULL)
            e->last_ready_consumer = NULL;
        c->ready_queued = false;
        *owner = c->owner;
        return RAI_READY_CONSUMER;
    }
    rai_session *s = e->ready_writers;
    if (s == NULL)
        return RAI_READY_NONE;
    e->ready_writers = s->writable_next;
    s->writable_queued = false;
    *owner = s->owner;
    return RAI_READY_WRITABLE;
}

/* A consumer or session that goes away must not stay in the wake-up lists. */
void rai_ready_forget_consumer(rai_consumer *c)
{
    rai_engine *e = c->s->e;
    if (!c->ready_queued)
        return;
    rai_consumer *last = NULL;
    rai_consumer **at = &e->ready_consumers;
    while (*at != NULL) {
        if (*at == c) {
            *at = c->ready_next;
            continue;
        }
        last = *at;
        at = &(*at)->ready_next;
    }
    e->last_ready_consumer = last;
    c->ready_queued = false;
}

void rai_ready_forget_session(rai_session *s)
{
    rai_session **at = &s->e->ready_writers;
    while (*at != NULL && *at != s)
        at = &(*at)->writable_next;
    if (*at != NULL)
        *at = s->writable_next;
    s->writable_queued = false;
    for (uint64_t i = s->e->outcome_head; i != s->e->outcome_tail; i++)
        if (range_at(s->e, i)->session == s)
            range_at(s->e, i)->session = NULL;
    drop_orphans(s->e);
}

void rai_events_free(rai_engine *e)
{
    while (e->events != NULL) {
        struct rai_queued_event *q = e->events;
        e->events = q->next;
        rai_free(q);
    }
    for (uint64_t i = e->outcome_head; i != e->outcome_tail; i++)
        rai_free(range_at(e, i)->fault);
    rai_free(e->outcomes);
}
