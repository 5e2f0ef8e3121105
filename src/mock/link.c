/* Bytes, channels 0 and 1, and the end of a link. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/inside.h"

enum { TTL_US = 60000000 };

static struct rai_mock_link *find(const rai_mock *m, uint32_t id)
{
    struct rai_mock_link *l = m->links;
    while (l != NULL && l->id != id)
        l = l->next;
    return l;
}

uint32_t rai_mock_accept(rai_mock *m, int64_t now)
{
    struct rai_mock_link *l, **place = &m->links;
    if (m->unreachable)
        return 0;
    l = rai_mock_take(sizeof *l);
    *l = (struct rai_mock_link){ .id = ++m->last_link, .ttl_us = TTL_US, .heard = now };
    while (*place != NULL)
        place = &(*place)->next;
    *place = l;
    return l->id;
}

void rai_mock_input(rai_mock *m, uint32_t link, const uint8_t *bytes, size_t size)
{
    struct rai_mock_link *l = find(m, link);
    if (l != NULL && !l->hung_up && (l->cut == 0 || l->cut == RAI_MOCK_ABANDON))
        rai_mock_append(&l->in, bytes, size);
}

void rai_mock_ended(rai_mock *m, uint32_t link)
{
    struct rai_mock_link *l = find(m, link);
    if (l != NULL && l->end == RAI_MOCK_ALIVE && l->cut == 0)
        l->end = RAI_MOCK_BROKEN;
}

const uint8_t *rai_mock_output(rai_mock *m, uint32_t link, size_t *size)
{
    const struct rai_mock_link *l = find(m, link);
    *size = l != NULL ? l->ready : 0;
    return *size > 0 ? l->out.bytes + l->out.at : NULL;
}

void rai_mock_sent(rai_mock *m, uint32_t link, size_t size)
{
    struct rai_mock_link *l = find(m, link);
    if (l == NULL)
        return;
    rai_mock_skip(&l->out, size);
    l->ready -= size;
}

size_t rai_mock_unsent(const rai_mock *m, uint32_t link)
{
    const struct rai_mock_link *l = find(m, link);
    return l != NULL ? l->out.size - l->out.at : 0;
}

bool rai_mock_is_open(const rai_mock *m, uint32_t link)
{
    const struct rai_mock_link *l = find(m, link);
    return l != NULL && !l->hung_up && (l->cut == 0 || l->cut == RAI_MOCK_SILENCE);
}

enum rai_mock_cut rai_mock_cut_of(const rai_mock *m, uint32_t link)
{
    const struct rai_mock_link *l = find(m, link);
    return l != NULL ? l->cut : 0;
}

int32_t rai_mock_version(const rai_mock *m, const struct rai_mock_link *l)
{
    return l->version < m->config.version ? l->version : m->config.version;
}

static void say(rai_mock *m, struct rai_mock_link *l, struct rai_mock_item *item)
{
    rai_mock_put(m, l, item->bytes, item->size);
    free(item);
}

void rai_mock_disconnect(rai_mock *m, uint32_t link, int reason)
{
    struct rai_mock_link *l = find(m, link);
    if (l == NULL || l->hung_up)
        return;
    rai_mock_confirm_all(m);
    say(m, l, rai_mock_say_disconnect(m, rai_mock_version(m, l), reason));
    l->hung_up = true;
    l->end = RAI_MOCK_BROKEN;
}

/* --- frames --- */

static void on_ping(rai_mock *m, struct rai_mock_link *l, struct rai_reader r)
{
    int64_t ttl = rai_get_i64(&r);
    l->ttl_us = ttl < 0 || ttl > INT64_MAX / 1000 ? -1 : ttl * 1000;
    say(m, l, rai_mock_say_ping(ttl));
}

static void on_subscribe(rai_mock *m, struct rai_mock_link *l, struct rai_reader r)
{
    rai_get_bool(&r); /* cluster connection */
    l->version = rai_get_i32(&r);
    say(m, l, rai_mock_say_topology(m, rai_mock_version(m, l)));
}

/* Good is this node, or none. */
static void on_check_for_failover(rai_mock *m, struct rai_mock_link *l, struct rai_reader r)
{
    char node[RAI_MOCK_NAME];
    rai_get_nstr(&r, node, sizeof node, NULL);
    say(m, l, rai_mock_say_failover(node[0] == '\0' || strcmp(node, m->config.node_id) == 0));
}

static void on_session_frame(rai_mock *m, struct rai_mock_link *l, const struct rai_frame *f, int32_t reject)
{
    struct rai_mock_session *s = rai_mock_session_on(m, l, f->channel);
    struct rai_reader r = f->body;
    if (s == NULL) {
        m->stats[RAI_MOCK_FRAMES_DROPPED]++; /* it lives on another link now, or nowhere */
    } else if (f->type == RAI_PACKETS_CONFIRMED) {
        rai_mock_session_client_has(s, (uint32_t)rai_get_i32(&r));
    } else {
        struct rai_mock_item *command = rai_mock_item_new(f->bytes, f->size);
        command->reject = reject;
        rai_mock_push(&s->commands, command);
    }
}

static void on_frame(rai_mock *m, struct rai_mock_link *l, const struct rai_frame *f, int32_t reject)
{
    if (m->config.watch.frame != NULL)
        m->config.watch.frame(m->config.watch.ctx, l->id, true, f);
    l->heard = m->now;
    switch (f->type) {
    case RAI_PING:
        on_ping(m, l, f->body);
        break;
    case RAI_SUBSCRIBE_TOPOLOGY_V2:
        on_subscribe(m, l, f->body);
        break;
    case RAI_CREATESESSION:
    case RAI_CREATESESSION_V2:
        rai_mock_session_create(m, l, f->body, reject);
        break;
    case RAI_CHECK_FOR_FAILOVER:
        on_check_for_failover(m, l, f->body);
        break;
    case RAI_REATTACH_SESSION:
        rai_mock_move_begin(m, l, f->body, reject != 0);
        break;
    default:
        on_session_frame(m, l, f, reject);
    }
}

static void hang_up(struct rai_mock_link *l)
{
    l->hung_up = true;
    if (l->end == RAI_MOCK_ALIVE)
        l->end = RAI_MOCK_BROKEN;
}

static bool read_preamble(struct rai_mock_link *l)
{
    if (l->in.size - l->in.at < RAI_PREAMBLE_SIZE)
        return false;
    if (memcmp(l->in.bytes + l->in.at, RAI_PREAMBLE, RAI_PREAMBLE_SIZE) != 0) {
        hang_up(l);
        return false;
    }
    rai_mock_skip(&l->in, RAI_PREAMBLE_SIZE);
    l->greeted = true;
    return true;
}

/* The frame is taken off the link and done, as far as a fault lets it come. */
static void take_frame(rai_mock *m, struct rai_mock_link *l, const struct rai_frame *f,
                       const struct rai_mock_fault *fault)
{
    int32_t reject = fault != NULL && fault->action == RAI_MOCK_REJECT ? fault->code : 0;
    rai_mock_skip(&l->in, f->size);
    if (fault == NULL || reject != 0 || fault->place == RAI_MOCK_AFTER)
        on_frame(m, l, f, reject); /* the bytes stay where they are until more arrive */
    if (fault != NULL)
        rai_mock_strike(m, l, fault);
}

static bool can_read(const rai_mock *m, const struct rai_mock_link *l)
{
    return !l->hung_up && l->stage == RAI_MOCK_STAYS && m->restart == 0 && !(l->held && l->deaf_until > m->now);
}

/* One frame; false: there is none, or a REATTACH is under way and the link's thread with it. */
static bool read_one(rai_mock *m, struct rai_mock_link *l)
{
    struct rai_frame f;
    size_t need;
    if (!can_read(m, l) || (!l->greeted && !read_preamble(l)))
        return false;
    int found = rai_frame_next(l->in.bytes + l->in.at, l->in.size - l->in.at, &f, &need);
    if (found < 0)
        hang_up(l);
    if (found <= 0)
        return false;
    const struct rai_mock_trap *trap = l->held ? NULL : rai_mock_sprung(m, &f, true, false);
    const struct rai_mock_fault *fault = trap != NULL ? &trap->fault : NULL;
    l->held = fault != NULL && fault->action == RAI_MOCK_HOLD;
    if (l->held)
        l->deaf_until = m->now + fault->delay_us;
    else
        take_frame(m, l, &f, fault);
    return !l->held;
}

/* --- the end of a link --- */

static bool keeps_sessions(const rai_mock *m, const struct rai_mock_link *l)
{
    for (const struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        if (s->listed == l && s->window > 0)
            return true;
    return false;
}

/* Who is told closes, also a session that is just moving here or away. */
static void tell_listeners(rai_mock *m, const struct rai_mock_link *l)
{
    const struct rai_mock_watch *watch = &m->config.watch;
    struct rai_mock_session *next;
    for (struct rai_mock_session *s = m->sessions; s != NULL; s = next) {
        next = s->next;
        if (s->listens != l)
            continue;
        m->stats[RAI_MOCK_CLOSED_IN_MOVE] += s->window > 0;
        if (s->newest > l->id && watch->closed_late != NULL)
            watch->closed_late(watch->ctx, l->id, s->name);
        rai_mock_session_end(m, s, true);
    }
}

/* First a look at the list, then, some time later, the telling. */
static bool end_step(rai_mock *m, struct rai_mock_link *l)
{
    switch (l->end) {
    case RAI_MOCK_BROKEN:
        l->end = keeps_sessions(m, l) ? RAI_MOCK_OVER : RAI_MOCK_TELLS;
        return true;
    case RAI_MOCK_TELLS:
        l->end = RAI_MOCK_OVER;
        tell_listeners(m, l);
        return true;
    default:
        return false;
    }
}

bool rai_mock_turn_of_links(rai_mock *m, uint32_t most)
{
    bool any = false;
    for (struct rai_mock_link *l = m->links; l != NULL; l = l->next) {
        uint32_t n = most == 0 ? UINT32_MAX : rai_mock_random(m, most + 1);
        while (n-- > 0 && read_one(m, l))
            any = true;
        if (most == 0 || rai_mock_chance(m, 50))
            any |= rai_mock_move_step(m, l);
        if (most == 0 || rai_mock_chance(m, 30))
            any |= end_step(m, l);
    }
    return any;
}
