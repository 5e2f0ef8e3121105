#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * What a link writes next. Control frames (PING, confirmations, REATTACH, barriers) are never queued: they are derived
 * from what is due at the moment a plan is built, and forgotten with the link. Behind them sessions take turns with runs
 * of their logs. A plan consists of whole frames and is written to its end before the next one is built.
 */

static bool control_room(struct rai_link *l, size_t more)
{
    if (l->control_size + more <= l->control_room)
        return true;
    size_t room = l->control_room == 0 ? 1024 : l->control_room;
    while (room < l->control_size + more)
        room *= 2;
    uint8_t *grown = rai_realloc(l->control, room);
    if (grown == NULL)
        return false;
    l->control = grown;
    l->control_room = room;
    return true;
}

/* Two passes over a put function, into the control buffer. */
#define CONTROL(l, put)                                                                                                \
    do {                                                                                                               \
        struct rai_writer w = {0};                                                                                     \
        size_t size = 0;                                                                                               \
        put;                                                                                                           \
        size = w.size;                                                                                                 \
        if (!control_room((l), size))                                                                                  \
            return false;                                                                                              \
        w = (struct rai_writer){.at = (l)->control + (l)->control_size};                                               \
        put;                                                                                                           \
        (l)->control_size += size;                                                                                     \
    } while (0)

static bool put_ping(struct rai_link *l)
{
    CONTROL(l, rai_put_ping(&w, size, l->e->config->connection_ttl));
    return true;
}

static bool put_greeting(struct rai_link *l)
{
    if (!control_room(l, RAI_PREAMBLE_SIZE))
        return false;
    memcpy(l->control + l->control_size, RAI_PREAMBLE, RAI_PREAMBLE_SIZE);
    l->control_size += RAI_PREAMBLE_SIZE;
    if (!put_ping(l))
        return false;
    CONTROL(l, rai_put_subscribe_topology(&w, size, RAI_VERSION));
    return true;
}

static bool put_ask(struct rai_link *l, rai_session *s)
{
    CONTROL(l, rai_put_reattach(&w, size, s->name, (int32_t)s->received));
    return rai_link_ask(l, s->channel, RAI_REATTACH_SESSION);
}

static bool put_create(struct rai_link *l, const char *name, int64_t channel, bool transacted, int32_t window)
{
    const struct rai_config *config = l->e->config;
    struct rai_create_session create = {.name = name,
                                        .channel = channel,
                                        .version = l->e->version,
                                        .user = config->user,
                                        .password = config->password,
                                        .min_large_message_size = config->min_large_message_size,
                                        .auto_commit_sends = !transacted,
                                        .auto_commit_acks = !transacted,
                                        .window = window,
                                        .client_id = config->client_id};
    CONTROL(l, rai_put_create_session(&w, size, &create));
    l->creates++;
    return rai_link_ask(l, channel, RAI_CREATESESSION);
}

static bool put_anchor(struct rai_link *l)
{
    char name[RAI_NAME];
    if (l->anchor == RAI_ANCHOR_CLOSING) {
        CONTROL(l, rai_put_simple(&w, size, RAI_SESS_CLOSE, l->anchor_channel));
        l->anchor = RAI_ANCHOR_CLOSED;
        return true;
    }
    rai_random_name(l->e, name, sizeof name);
    if (!put_create(l, name, l->anchor_channel, false, RAI_ANCHOR_WINDOW))
        return false;
    l->anchor = RAI_ANCHOR_ASKED;
    return true;
}

static bool put_confirm(struct rai_link *l, rai_session *s)
{
    CONTROL(l, rai_put_packets_confirmed(&w, size, s->channel, (int32_t)s->received));
    s->received_bytes = 0;
    return true;
}

/* A consumer on a queue that cannot exist: refused, so never counted, and refused only when everything before it is done. */
static bool put_barrier(struct rai_link *l, rai_session *s)
{
    struct rai_create_consumer barrier = {.id = INT64_C(1) << 40, .queue = s->barrier_name, .respond = true};
    CONTROL(l, rai_put_create_consumer(&w, size, s->channel, s->version, &barrier));
    rai_count(l->e, RA_STAT_BARRIERS, 1);
    s->barrier_out = true;
    return true;
}

static bool put_controls(struct rai_link *l, rai_session *s)
{
    bool fine = true;
    if ((s->due & RAI_DUE_ASK) != 0) {
        fine = put_ask(l, s);
        s->due &= ~(unsigned)RAI_DUE_ASK;
    }
    if (fine && (s->due & RAI_DUE_CREATE) != 0 && l->creates < RAI_CREATES_IN_FLIGHT) {
        fine = put_create(l, s->name, s->channel, s->transacted, l->e->config->confirmation_window);
        s->due &= ~(unsigned)RAI_DUE_CREATE;
    }
    if (fine && (s->due & RAI_DUE_CONFIRM) != 0) {
        fine = put_confirm(l, s);
        s->due &= ~(unsigned)RAI_DUE_CONFIRM;
    }
    if (fine && (s->due & RAI_DUE_BARRIER) != 0) {
        fine = put_barrier(l, s);
        s->due &= ~(unsigned)RAI_DUE_BARRIER;
    }
    return fine;
}

static void confirmations_due(struct rai_link *l)
{
    for (rai_session *s = l->e->sessions; s != NULL; s = s->next)
        if (s->link == l && s->state == RAI_S_OPEN && s->received_bytes > 0 && l->e->config->confirmation_window >= 0)
            rai_session_due(s, RAI_DUE_CONFIRM);
}

static bool plan_controls(struct rai_link *l, int64_t now)
{
    const struct rai_config *config = l->e->config;
    if (!l->preamble_sent) {
        if (!put_greeting(l))
            return false;
        l->preamble_sent = true;
        l->ping_at = config->check_period > 0 ? now + config->check_period * RAI_MS : RAI_NEVER;
        rai_wake_at(l->e, l->ping_at);
    } else if (l->ping_at <= now) {
        if (!put_ping(l))
            return false;
        confirmations_due(l);
        l->ping_at = now + config->check_period * RAI_MS;
        rai_wake_at(l->e, l->ping_at);
    }
    if (rai_anchor_wants_write(l) && !put_anchor(l))
        return false;
    for (rai_session *s = l->ready_first; s != NULL; s = s->ready_next)
        if (!put_controls(l, s))
            return false;
    if (l->control_size > 0)
        l->plan[l->plan_count++] = (struct rai_piece){.at = l->control, .size = l->control_size};
    return true;
}

/* --- data --- */

/*
 * Where a session's plan must stop: behind the first command that is unanswered and may be refused. The broker does not
 * count a refused command, and it can lose the refusal while it moves the session. As long as such a command is the last
 * one written this does no harm: it is not in the count, so it is written again, and refused again. With others behind it
 * every number after it would be one off. Requests without a correlation need the gate in any case: nothing else tells
 * their answers apart. What has been proven good (see rai_entry_may_be_refused) is pipelined, and what an aborted session
 * leaves behind it is nobody's business any more.
 */
static uint64_t gate(rai_session *s)
{
    struct rai_pendings *p = &s->pendings;
    if (s->aborted)
        return UINT64_MAX;
    if (s->gate_index < p->head)
        s->gate_index = p->head;
    for (; s->gate_index < p->tail; s->gate_index++) {
        const struct rai_pending *entry = rai_pendings_at(p, s->gate_index);
        if (!entry->ended && rai_entry_may_be_refused(entry))
            return entry->end;
    }
    return UINT64_MAX;
}

static bool plan_run(struct rai_link *l, rai_session *s, size_t *turn)
{
    struct rai_piece piece = {.session = s};
    piece.size = rai_log_plan(&s->log, gate(s), &piece.at);
    if (piece.size == 0)
        return false;
    piece.end = s->log.planned;
    l->plan[l->plan_count++] = piece;
    *turn += piece.size;
    return true;
}

static bool plan_session(struct rai_link *l, rai_session *s)
{
    size_t turn = 0;
    while (l->plan_count < RAI_PLAN_PIECES && turn < RAI_TURN_BYTES)
        if (!plan_run(l, s, &turn))
            return false; /* nothing more for now */
    return true;
}

static void plan_data(struct rai_link *l)
{
    rai_session *s = l->ready_first;
    l->ready_first = l->ready_last = NULL;
    rai_session *again_first = NULL, *again_last = NULL; /* had their turn and want another */
    while (s != NULL) {
        rai_session *next = s->ready_next;
        bool turn = (s->due & RAI_DUE_DATA) != 0 && s->state == RAI_S_OPEN;
        bool full = l->plan_count == RAI_PLAN_PIECES;
        if (turn && !full && !plan_session(l, s))
            s->due &= ~(unsigned)RAI_DUE_DATA;
        else if (s->state != RAI_S_OPEN)
            s->due &= ~(unsigned)RAI_DUE_DATA;
        /* creations beyond the limit come back when answers do, see link.c */
        bool waits = s->due == RAI_DUE_CREATE && l->creates >= RAI_CREATES_IN_FLIGHT;
        s->ready_queued = s->due != 0 && !waits;
        s->ready_next = NULL;
        if (s->ready_queued) {
            rai_session **first = turn && !full ? &again_first : &l->ready_first;
            rai_session **last = turn && !full ? &again_last : &l->ready_last;
            if (*last != NULL)
                (*last)->ready_next = s;
            else
                *first = s;
            *last = s;
        }
        s = next;
    }
    if (again_first == NULL)
        return;
    if (l->ready_last != NULL)
        l->ready_last->ready_next = again_first;
    else
        l->ready_first = again_first;
    l->ready_last = again_last;
}

bool rai_plan_build(struct rai_link *l, int64_t now)
{
    l->plan_count = l->plan_at = 0;
    l->plan_done = 0;
    l->control_size = 0;
    if (!plan_controls(l, now))
        return false;
    int controls = l->plan_count;
    if (l->ready_first != NULL)
        plan_data(l);
    if (l->plan_count > controls) {
        rai_log_pin(&l->e->pool);
        l->plan_pins = true;
    }
    return true;
}
