/* Faults on command: what happens to a link, and what happens at a certain frame. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/inside.h"

/* --- what waits --- */

static void hold_back(struct rai_mock_link *l, size_t size, int64_t at)
{
    struct rai_mock_due *due = rai_mock_take(sizeof *due);
    *due = (struct rai_mock_due){ .size = size, .at = at };
    if (l->last_due != NULL)
        l->last_due->next = due;
    else
        l->due = due;
    l->last_due = due;
}

/* Order is kept: what comes behind waits as well. */
static void put_bytes(rai_mock *m, struct rai_mock_link *l, const uint8_t *bytes, size_t size, int64_t delay_us)
{
    int64_t at = m->now + m->delay_us + delay_us;
    rai_mock_append(&l->out, bytes, size);
    if (l->last_due != NULL && at < l->last_due->at)
        at = l->last_due->at;
    if (l->due == NULL && at <= m->now)
        l->ready += size;
    else if (size > 0)
        hold_back(l, size, at);
}

static bool release_link(rai_mock *m, struct rai_mock_link *l)
{
    bool any = false;
    while (l->due != NULL && l->due->at <= m->now) {
        struct rai_mock_due *due = l->due;
        l->ready += due->size;
        l->due = due->next;
        if (l->due == NULL)
            l->last_due = NULL;
        free(due);
        any = true;
    }
    return any;
}

void rai_mock_due_clear(struct rai_mock_link *l)
{
    while (l->due != NULL) {
        struct rai_mock_due *due = l->due;
        l->due = due->next;
        free(due);
    }
    l->last_due = NULL;
}

static struct rai_mock_item *take_late(rai_mock *m, struct rai_mock_session *s)
{
    struct rai_mock_items kept = { 0 };
    struct rai_mock_item *found = NULL, *next;
    for (struct rai_mock_item *item = s->late.first; item != NULL; item = next) {
        next = item->next;
        if (found == NULL && item->at <= m->now)
            found = item;
        else
            rai_mock_push(&kept, item);
    }
    s->late = kept;
    return found;
}

bool rai_mock_release(rai_mock *m)
{
    bool any = false;
    for (struct rai_mock_link *l = m->links; l != NULL; l = l->next)
        any |= release_link(m, l);
    for (struct rai_mock_session *s = m->sessions; s != NULL; s = s->next) {
        struct rai_mock_item *item;
        while (!s->moving && (item = take_late(m, s)) != NULL) {
            rai_mock_session_say(m, s, item);
            any = true;
        }
    }
    return any;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t rai_mock_next_due(const rai_mock *m)
{
    int64_t at = INT64_MAX;
    for (const struct rai_mock_link *l = m->links; l != NULL; l = l->next) {
        at = l->due != NULL ? earlier(at, l->due->at) : at;
        at = l->held && l->deaf_until > m->now ? earlier(at, l->deaf_until)
                                               : at; /* else it cannot be read for other reasons */
    }
    for (const struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        for (const struct rai_mock_item *item = s->moving ? NULL : s->late.first; item != NULL; item = item->next)
            at = earlier(at, item->at);
    return at;
}

/* --- traps --- */

static bool is_cut(enum rai_mock_action action)
{
    return action >= RAI_MOCK_CUT_RESET && action <= RAI_MOCK_CUT_ABANDON;
}

static bool has_place(enum rai_mock_action action)
{
    return is_cut(action) || action == RAI_MOCK_DISCONNECT || action == RAI_MOCK_RESTART || action == RAI_MOCK_GARBAGE;
}

static bool makes_sense(const struct rai_mock_fault *f)
{
    bool waits = f->action == RAI_MOCK_HOLD || f->action == RAI_MOCK_POSTPONE;
    if (f->action <= 0 || f->action >= RAI_MOCK_ACTIONS || f->chance < 0 || f->chance > 1000)
        return false;
    if (f->action == RAI_MOCK_DISCONNECT && f->place == RAI_MOCK_INSIDE)
        return false;
    if (has_place(f->action) && (f->place < RAI_MOCK_BEFORE || f->place > RAI_MOCK_AFTER))
        return false;
    if (waits && (f->delay_us > INT64_MAX / 4 || (f->delay_us < 0 && f->action == RAI_MOCK_HOLD)))
        return false;
    return f->from_client ? f->action != RAI_MOCK_POSTPONE && f->action != RAI_MOCK_GARBAGE
                          : f->action != RAI_MOCK_REJECT;
}

int rai_mock_fault_add(rai_mock *m, const struct rai_mock_fault *fault)
{
    struct rai_mock_trap *trap, **place = &m->traps;
    if (!makes_sense(fault))
        return 0;
    trap = rai_mock_take(sizeof *trap);
    *trap = (struct rai_mock_trap){ .id = ++m->last_trap, .fault = *fault };
    trap->fault.nth = fault->nth > 0 ? fault->nth : 1;
    trap->fault.times = fault->times > 0 ? fault->times : 1;
    while (*place != NULL)
        place = &(*place)->next;
    *place = trap;
    return trap->id;
}

/* What it postponed is said now. */
static void let_go(rai_mock *m, int id)
{
    for (struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        for (struct rai_mock_item *item = s->late.first; item != NULL; item = item->next)
            if (item->fault == id && item->at > m->now)
                item->at = m->now;
}

void rai_mock_fault_drop(rai_mock *m, int id)
{
    for (struct rai_mock_trap **place = &m->traps; *place != NULL;) {
        struct rai_mock_trap *trap = *place;
        if (id != 0 && trap->id != id) {
            place = &trap->next;
            continue;
        }
        let_go(m, trap->id);
        *place = trap->next;
        free(trap);
    }
}

int64_t rai_mock_fault_struck(const rai_mock *m, int id)
{
    const struct rai_mock_trap *trap = m->traps;
    while (trap != NULL && trap->id != id)
        trap = trap->next;
    return trap != NULL ? (int64_t)trap->struck : -1;
}

static bool fits(const struct rai_mock_fault *f, const struct rai_frame *frame, bool from_client)
{
    return f->from_client == from_client && (f->type == RAI_MOCK_ANY_TYPE || f->type == frame->type) &&
           (f->channel == RAI_MOCK_ANY_CHANNEL || f->channel == frame->channel);
}

static bool strikes(rai_mock *m, const struct rai_mock_trap *trap)
{
    const struct rai_mock_fault *f = &trap->fault;
    if (trap->seen < f->nth || (f->times != RAI_MOCK_ALWAYS && trap->struck >= f->times))
        return false;
    return f->chance == 0 || (int)rai_mock_random(m, 1000) < f->chance;
}

const struct rai_mock_trap *rai_mock_sprung(rai_mock *m, const struct rai_frame *frame, bool from_client, bool late)
{
    struct rai_mock_trap *found = NULL;
    if (m->striking) /* what a fault makes the broker say is not struck again */
        return NULL;
    for (struct rai_mock_trap *trap = m->traps; trap != NULL; trap = trap->next) {
        if (!fits(&trap->fault, frame, from_client) || (trap->fault.action == RAI_MOCK_POSTPONE) != late)
            continue;
        trap->seen += trap->seen < UINT32_MAX;
        if (found == NULL && strikes(m, trap))
            found = trap;
    }
    if (found == NULL)
        return NULL;
    found->struck++;
    m->stats[RAI_MOCK_STRUCK]++;
    return found;
}

/* --- what happens --- */

static void cut_link(struct rai_mock_link *l, enum rai_mock_cut how)
{
    if (l->cut != 0 || l->hung_up)
        return;
    l->cut = how;
    if (how == RAI_MOCK_ABANDON)
        return;
    l->in.at = l->in.size;
    l->held = false;
    if (how != RAI_MOCK_SILENCE && l->end == RAI_MOCK_ALIVE)
        l->end = RAI_MOCK_BROKEN;
}

void rai_mock_cut(rai_mock *m, uint32_t link, enum rai_mock_cut how)
{
    for (struct rai_mock_link *l = m->links; l != NULL; l = l->next)
        if (link == 0 || l->id == link)
            cut_link(l, how);
}

/* A restart ends what is at work just now: it waits until the turn is over. */
void rai_mock_strike(rai_mock *m, struct rai_mock_link *l, const struct rai_mock_fault *fault)
{
    m->striking = true;
    if (is_cut(fault->action))
        cut_link(l, (enum rai_mock_cut)fault->action);
    else if (fault->action == RAI_MOCK_DISCONNECT)
        rai_mock_disconnect(m, l->id, fault->code);
    else if (fault->action == RAI_MOCK_RESTART)
        m->restart = fault->code != 0 ? 1 : 2;
    m->striking = false;
}

static void put_whole(rai_mock *m, struct rai_mock_link *l, const struct rai_frame *f, int64_t delay_us)
{
    put_bytes(m, l, f->bytes, f->size, delay_us);
    if (m->config.watch.frame != NULL)
        m->config.watch.frame(m->config.watch.ctx, l->id, false, f);
}

static void put_garbage(rai_mock *m, struct rai_mock_link *l, const struct rai_frame *f, enum rai_mock_place place)
{
    uint8_t junk[64];
    size_t size = 1 + rai_mock_random(m, sizeof junk);
    for (size_t i = 0; i < size; i++)
        junk[i] = (uint8_t)rai_mock_random(m, 256);
    if (place == RAI_MOCK_AFTER)
        put_whole(m, l, f, 0);
    if (place == RAI_MOCK_INSIDE)
        put_bytes(m, l, f->bytes, RAI_FRAME_HEADER, 0);
    if (place == RAI_MOCK_INSIDE && f->size - RAI_FRAME_HEADER < size)
        size = f->size - RAI_FRAME_HEADER;
    put_bytes(m, l, junk, size, 0);
    if (place == RAI_MOCK_INSIDE)
        put_bytes(m, l, f->bytes + RAI_FRAME_HEADER + size, f->size - RAI_FRAME_HEADER - size, 0);
    if (place == RAI_MOCK_BEFORE)
        put_whole(m, l, f, 0);
}

void rai_mock_put(rai_mock *m, struct rai_mock_link *l, const uint8_t *frame, size_t size)
{
    struct rai_frame f;
    size_t need;
    if (l == NULL || l->end != RAI_MOCK_ALIVE || l->hung_up || l->cut != 0 ||
        rai_frame_next(frame, size, &f, &need) != 1)
        return;
    const struct rai_mock_trap *trap = rai_mock_sprung(m, &f, false, false);
    const struct rai_mock_fault *fault = trap != NULL ? &trap->fault : NULL;
    if (fault == NULL || fault->action == RAI_MOCK_HOLD) {
        put_whole(m, l, &f, fault != NULL ? fault->delay_us : 0);
    } else if (fault->action == RAI_MOCK_GARBAGE) {
        put_garbage(m, l, &f, fault->place);
    } else {
        if (fault->place == RAI_MOCK_AFTER)
            put_whole(m, l, &f, 0);
        else if (fault->place == RAI_MOCK_INSIDE)
            put_bytes(m, l, frame, size / 2, 0);
        rai_mock_strike(m, l, fault);
    }
}

/* --- all links --- */

void rai_mock_unreachable(rai_mock *m, bool on)
{
    m->unreachable = on;
}

void rai_mock_slow(rai_mock *m, int64_t delay_us)
{
    m->delay_us = delay_us > 0 ? delay_us : 0;
}

void rai_mock_redirect(rai_mock *m, const char *host, uint16_t port)
{
    snprintf(m->redirect_host, sizeof m->redirect_host, "%s", host != NULL ? host : "");
    m->redirect_port = port;
}
