#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

enum { INPUT_BLOCK = 64 * 1024, INPUT_ROOM_MIN = 8 * 1024 };

/* --- birth and end --- */

struct rai_link *rai_link_dial(rai_engine *e, const struct rai_endpoint *at)
{
    struct rai_link *l = rai_calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->e = e;
    l->id = ++e->last_link;
    l->at = *at;
    l->state = RAI_LINK_DIALING;
    l->ask_deadline = l->greet_deadline = l->ping_at = l->part_deadline = RAI_NEVER;
    l->next = e->links;
    e->links = l;
    return l;
}

struct rai_link *rai_link_of(const rai_engine *e, uint32_t id)
{
    for (struct rai_link *l = e->links; l != NULL; l = l->next)
        if (l->id == id)
            return l;
    return NULL;
}

bool rai_link_usable(const struct rai_link *l)
{
    return l != NULL && (l->state == RAI_LINK_GREETING || l->state == RAI_LINK_UP);
}

static void finish_plan(struct rai_link *l)
{
    if (l->plan_pins)
        rai_log_unpin(&l->e->pool);
    l->plan_pins = false;
    l->plan_count = l->plan_at = 0;
    l->plan_done = 0;
}

void rai_link_free(struct rai_link *l)
{
    struct rai_link **at = &l->e->links;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    finish_plan(l);
    rai_block_unref(l->in);
    rai_free(l->asks);
    rai_free(l->control);
    rai_free(l);
}

/* A writer may be inside its system call right now: all it holds may reach the broker, so all of it counts as written. */
static void plan_is_written(struct rai_link *l)
{
    for (int i = l->plan_at; i < l->plan_count && l->writing; i++) {
        struct rai_piece *piece = &l->plan[i];
        if (piece->session != NULL && piece->end > piece->session->log.written)
            piece->session->log.written = piece->end;
    }
    for (int i = 0; i < l->plan_count; i++)
        l->plan[i].session = NULL;
}

void rai_link_keeps_writing(rai_session *s)
{
    struct rai_link *l = s->link;
    for (int i = 0; l != NULL && l->state != RAI_LINK_DOOMED && i < l->plan_count; i++)
        if (l->plan[i].session == s && l->plan[i].end > s->log.written)
            s->log.written = l->plan[i].end;
}

void rai_link_doom(struct rai_link *l)
{
    if (l == NULL || l->state == RAI_LINK_DOOMED)
        return;
    plan_is_written(l);
    while (l->ready_first != NULL) {
        rai_session *s = l->ready_first;
        l->ready_first = s->ready_next;
        s->ready_queued = false;
        s->due = 0;
    }
    l->ready_last = NULL;
    l->last_session = NULL;
    l->state = RAI_LINK_DOOMED;
}

void rai_link_name_endpoint(const struct rai_link *l, struct rai_fault *fault)
{
    if (fault->endpoint[0] == '\0')
        rai_endpoint_text(fault->endpoint, sizeof fault->endpoint, l->at.host, l->at.port);
}

void rai_link_fail(struct rai_link *l, const struct rai_fault *why)
{
    if (l->state == RAI_LINK_DOOMED)
        return;
    struct rai_fault fault = *why;
    rai_link_name_endpoint(l, &fault);
    rai_link_doom(l);
    rai_recovery_link_lost(l, &fault);
}

/* How long nothing may be heard: a third of the TTL, so that the broker still has our sessions when we come back, but at
 * least one and a half PING periods, and at most the TTL. */
static int64_t silence_limit(const struct rai_config *config)
{
    if (config->connection_ttl < 0 || config->check_period < 0)
        return RAI_NEVER;
    int64_t limit = config->connection_ttl / 3;
    if (limit < config->check_period + config->check_period / 2)
        limit = config->check_period + config->check_period / 2;
    return (limit < config->connection_ttl ? limit : config->connection_ttl) * RAI_MS;
}

bool rai_engine_next_dial(rai_engine *e, struct rai_dial *out)
{
    for (struct rai_link *l = e->links; l != NULL; l = l->next) {
        if (l->state != RAI_LINK_DIALING || l->dial_taken)
            continue;
        l->dial_taken = true;
        *out = (struct rai_dial){.link = l->id,
                                 .endpoint = &l->at,
                                 .timeout_us = e->config->connect_timeout * RAI_MS,
                                 .silence_us = silence_limit(e->config)};
        return true;
    }
    return false;
}

void rai_engine_dialed(rai_engine *e, uint32_t link, int64_t now)
{
    struct rai_link *l = rai_link_of(e, link);
    if (l == NULL || l->state != RAI_LINK_DIALING)
        return;
    e->now = now;
    l->state = RAI_LINK_GREETING;
    l->last_heard = l->up_at = now;
    l->greet_deadline = now + e->config->connect_timeout * RAI_MS;
    rai_wake_at(e, l->greet_deadline);
    rai_recovery_step(e);
}

void rai_engine_dial_failed(rai_engine *e, uint32_t link, const struct rai_fault *why, int64_t now)
{
    rai_engine_link_lost(e, link, why, now);
}

void rai_engine_link_lost(rai_engine *e, uint32_t link, const struct rai_fault *why, int64_t now)
{
    struct rai_link *l = rai_link_of(e, link);
    struct rai_fault fault = *why;
    e->now = now;
    if (l == NULL)
        return;
    bool ended = why->code == RA_E_LINK_CLOSED || why->code == RA_E_LINK_LOST;
    if (l->state == RAI_LINK_GREETING && !l->heard && ended) {
        /* whether a peer that hangs up at once shows as a reset or as an end of file is chance: one code for both */
        rai_fault_set(&fault, RA_E_LINK_CLOSED, "the peer accepted the connection and closed it without a word");
        rai_link_name_endpoint(l, &fault);
        rai_fault_about(&fault, fault.endpoint);
    }
    rai_link_fail(l, &fault);
}

bool rai_engine_next_hangup(rai_engine *e, uint32_t *link)
{
    for (struct rai_link *l = e->links; l != NULL; l = l->next) {
        if (l->state != RAI_LINK_DOOMED || l->hangup_taken)
            continue;
        l->hangup_taken = true;
        *link = l->id;
        return true;
    }
    return false;
}

void rai_engine_link_closed(rai_engine *e, uint32_t link)
{
    struct rai_link *l = rai_link_of(e, link);
    if (l != NULL)
        rai_link_free(l);
}

/* --- who has something to write --- */

void rai_session_due(rai_session *s, unsigned what)
{
    s->due |= what;
    struct rai_link *l = s->link;
    if (l == NULL || s->ready_queued || l->state == RAI_LINK_DOOMED)
        return;
    s->ready_queued = true;
    s->ready_next = NULL;
    if (l->ready_last != NULL)
        l->ready_last->ready_next = s;
    else
        l->ready_first = s;
    l->ready_last = s;
}

/* Takes a session off whatever link it is on: ready list, plan, shortcuts. */
void rai_session_unlink(rai_session *s)
{
    struct rai_link *l = s->link;
    s->due = 0;
    s->link = NULL;
    if (l == NULL)
        return;
    rai_session *last = NULL;
    for (rai_session **at = &l->ready_first; s->ready_queued && *at != NULL;) {
        if (*at == s) {
            *at = s->ready_next;
            continue;
        }
        last = *at;
        at = &(*at)->ready_next;
    }
    if (s->ready_queued)
        l->ready_last = last;
    s->ready_queued = false;
    if (l->last_session == s)
        l->last_session = NULL;
}

void rai_link_forget_session(rai_engine *e, rai_session *s)
{
    for (struct rai_link *l = e->links; l != NULL; l = l->next) {
        for (int i = 0; i < l->plan_count; i++)
            if (l->plan[i].session == s)
                l->plan[i].session = NULL;
        if (l->last_session == s)
            l->last_session = NULL;
    }
}

/* --- writing --- */

bool rai_engine_wants_write(const rai_engine *e, uint32_t link)
{
    const struct rai_link *l = rai_link_of(e, link);
    if (!rai_link_usable(l))
        return false;
    return l->plan_at < l->plan_count || l->ready_first != NULL || !l->preamble_sent || l->ping_at <= e->now ||
           rai_anchor_wants_write(l);
}

static int pieces_of_plan(struct rai_link *l, struct iovec *pieces, int max)
{
    int n = 0;
    for (int i = l->plan_at; i < l->plan_count && n < max; i++, n++) {
        size_t done = i == l->plan_at ? l->plan_done : 0;
        /* iovec is not const-correct; nobody writes through it */
        pieces[n].iov_base = (void *)(uintptr_t)(l->plan[i].at + done);
        pieces[n].iov_len = l->plan[i].size - done;
    }
    l->writing = n > 0;
    return n;
}

int rai_engine_output(rai_engine *e, uint32_t link, struct iovec *pieces, int max, int64_t now)
{
    struct rai_link *l = rai_link_of(e, link);
    if (!rai_link_usable(l))
        return 0;
    e->now = now;
    if (l->plan_at == l->plan_count && !rai_plan_build(l, now)) {
        struct rai_fault fault;
        rai_fault_set(&fault, RA_E_NO_MEMORY, "out of memory while writing");
        rai_link_fail(l, &fault);
        return 0;
    }
    return pieces_of_plan(l, pieces, max);
}

static void piece_written(struct rai_piece *piece, size_t left)
{
    if (piece->session == NULL)
        return;
    uint64_t to = piece->end - left;
    if (to > piece->session->log.written)
        piece->session->log.written = to;
}

void rai_engine_written(rai_engine *e, uint32_t link, size_t size, int64_t now)
{
    struct rai_link *l = rai_link_of(e, link);
    if (l == NULL)
        return;
    e->now = now;
    l->writing = false;
    rai_count(e, RA_STAT_BYTES_OUT, (int64_t)size);
    if (l->state == RAI_LINK_DOOMED)
        return;
    while (size > 0 && l->plan_at < l->plan_count) {
        struct rai_piece *piece = &l->plan[l->plan_at];
        size_t step = piece->size - l->plan_done;
        if (step > size)
            step = size;
        l->plan_done += step;
        size -= step;
        piece_written(piece, piece->size - l->plan_done);
        if (l->plan_done == piece->size) {
            l->plan_at++;
            l->plan_done = 0;
        }
    }
    if (l->plan_at == l->plan_count)
        finish_plan(l);
}

/* --- reading --- */

static size_t room_needed(struct rai_link *l)
{
    struct rai_frame frame;
    size_t need = 0;
    size_t have = l->in_end - l->in_at;
    if (l->in != NULL && rai_frame_next(l->in->data + l->in_at, have, &frame, &need) == 0 && need > have)
        return need - have;
    return 1;
}

uint8_t *rai_engine_input_space(rai_engine *e, uint32_t link, size_t *room)
{
    struct rai_link *l = rai_link_of(e, link);
    if (l == NULL)
        return NULL;
    size_t need = room_needed(l);
    if (need < INPUT_ROOM_MIN)
        need = INPUT_ROOM_MIN;
    size_t have = l->in_end - l->in_at;
    bool own = l->in != NULL && __atomic_load_n(&l->in->refs, __ATOMIC_ACQUIRE) == 1;
    if (own && have == 0)
        l->in_at = l->in_end = 0;
    if (l->in == NULL || l->in->capacity - l->in_end < need) {
        if (own && l->in->capacity - have >= need) {
            memmove(l->in->data, l->in->data + l->in_at, have);
        } else {
            struct rai_block *b = rai_block_new(have + need > INPUT_BLOCK ? have + need : INPUT_BLOCK);
            if (b == NULL)
                return NULL;
            if (have > 0)
                memcpy(b->data, l->in->data + l->in_at, have);
            rai_block_unref(l->in);
            l->in = b;
        }
        l->in_at = 0;
        l->in_end = have;
    }
    *room = l->in->capacity - l->in_end;
    return l->in->data + l->in_end;
}

static void not_core(struct rai_link *l)
{
    struct rai_fault fault;
    const uint8_t *start = l->in->data + l->in_at;
    bool http = l->in_end - l->in_at >= 4 && memcmp(start, "HTTP", 4) == 0;
    if (http)
        rai_fault_set(&fault, RA_E_PROTOCOL, "the peer speaks HTTP, not the Artemis CORE protocol");
    else if (!l->heard)
        rai_fault_set(&fault, RA_E_PROTOCOL, "the peer does not speak the Artemis CORE protocol");
    else
        rai_fault_set(&fault, RA_E_PROTOCOL, "the broker sent bytes that are not a frame");
    rai_link_fail(l, &fault);
}

static void malformed(struct rai_link *l, const struct rai_frame *f)
{
    struct rai_fault fault;
    rai_fault_set(&fault, RA_E_PROTOCOL, "the broker sent a %s that cannot be decoded", rai_packet_name(f->type));
    rai_link_fail(l, &fault);
}

/* --- channel 0 --- */

static void topology(struct rai_link *l, const struct rai_frame *f)
{
    struct rai_topology t;
    rai_engine *e = l->e;
    if (!rai_get_topology(f, &t)) {
        malformed(l, f);
        return;
    }
    rai_node_learn(e, l, &t);
    if (!t.last || l->state != RAI_LINK_GREETING)
        return;
    const struct rai_node *node = rai_node_of_link(l);
    if (node != NULL)
        memcpy(l->node_id, node->id, sizeof l->node_id);
    /* a broker before 2.18 does not tell its version here; 130 is the newest such one, see also the refusal 108, which
     * may have taught us better */
    int32_t guess = e->version_known && e->version < 130 ? e->version : 130;
    l->version = t.version > 0 ? t.version : guess;
    if (l->version > RAI_VERSION)
        l->version = RAI_VERSION;
    l->state = RAI_LINK_UP;
    l->greet_deadline = RAI_NEVER;
    if (!e->version_known)
        e->version = l->version;
    rai_recovery_step(e);
}

/* Where the broker wants us to go instead; host "": nowhere. */
static struct rai_endpoint instead(const struct rai_link *l, const struct rai_disconnect *d)
{
    const struct rai_config *config = l->e->config;
    const struct rai_node *node = rai_node_find(l->e, d->target_id);
    if (d->target.host[0] != '\0')
        return rai_endpoint_mapped(l->e, &d->target);
    if (node != NULL && (config->reconnect_attempts != 0 || config->failover_attempts != 0))
        return node->primary; /* of a scale-down: what was here is there now */
    return (struct rai_endpoint){.port = 0};
}

static void disconnected(struct rai_link *l, const struct rai_frame *f)
{
    static const char *const reasons[] = {"redirect",   "redirect on a critical error", "scale down", "scale down on a critical error",
                                          "shut down", "shut down on a critical error"};
    struct rai_disconnect d;
    struct rai_fault fault;
    if (!rai_get_disconnect(f, &d)) {
        malformed(l, f);
        return;
    }
    const char *reason = d.reason >= 0 && d.reason < 6 ? reasons[d.reason] : "no reason given";
    if (d.reason == 2 && d.target_id[0] == '\0')
        reason = "shut down"; /* how an orderly stop announces itself */
    struct rai_endpoint to = instead(l, &d);
    char where[RAI_FAULT_ENDPOINT] = "";
    if (rai_endpoint_given(&to))
        rai_endpoint_text(where, sizeof where, to.host, to.port);
    rai_fault_set(&fault, RA_E_DISCONNECTED, "the broker ended the connection: %s%s%s", reason, where[0] != '\0' ? " to " : "",
                  where);
    bool ours = l->e->main == NULL || l->e->main == l;
    l->redirected = ours && rai_targets_redirect(l->e, &to);
    if (ours && where[0] != '\0')
        rai_say(l->e, NULL, "link %u: %s to %s%s", (unsigned)l->id, reason, where,
                l->redirected ? "" : ", which is not followed: there were too many in a row");
    rai_link_fail(l, &fault);
}

static void control_frame(struct rai_link *l, const struct rai_frame *f)
{
    switch (f->type) {
    case RAI_CLUSTER_TOPOLOGY:
    case RAI_CLUSTER_TOPOLOGY_V2:
    case RAI_CLUSTER_TOPOLOGY_V3:
    case RAI_CLUSTER_TOPOLOGY_V4:
        topology(l, f);
        break;
    case RAI_DISCONNECT:
    case RAI_DISCONNECT_V2:
    case RAI_DISCONNECT_V3:
        disconnected(l, f);
        break;
    default: /* PING and what later versions may add */
        break;
    }
}

/* --- channel 1 --- */

static bool is_anchor(const struct rai_link *l, int64_t channel)
{
    return l->anchor != RAI_ANCHOR_NONE && channel == l->anchor_channel;
}

/* The deadline of the request that is now the first to be answered. */
static void next_ask(struct rai_link *l)
{
    l->ask_deadline = RAI_NEVER;
    if (l->ask_head == l->ask_tail)
        return;
    struct rai_ask ask = l->asks[l->ask_head & (l->ask_room - 1)];
    const rai_session *s = rai_session_by_channel(l->e, ask.channel);
    int64_t wait = l->e->config->call_timeout * RAI_MS;
    if (is_anchor(l, ask.channel))
        wait = l->e->anchor_wait;
    else if (ask.type == RAI_REATTACH_SESSION)
        wait = s != NULL ? s->ask_wait : RAI_ASK_FIRST_US;
    l->ask_deadline = l->e->now + wait;
    rai_wake_at(l->e, l->ask_deadline);
}

bool rai_link_ask(struct rai_link *l, int64_t channel, int type)
{
    if (l->ask_tail - l->ask_head == l->ask_room) {
        size_t room = l->ask_room == 0 ? 16 : 2 * l->ask_room;
        struct rai_ask *grown = rai_alloc(room * sizeof *grown);
        if (grown == NULL)
            return false;
        for (uint64_t i = l->ask_head; i < l->ask_tail; i++)
            grown[i & (room - 1)] = l->asks[i & (l->ask_room - 1)];
        rai_free(l->asks);
        l->asks = grown;
        l->ask_room = room;
    }
    l->asks[l->ask_tail++ & (l->ask_room - 1)] = (struct rai_ask){
        .channel = channel, .type = (int8_t)type, .version = (int16_t)l->e->version};
    if (l->ask_tail - l->ask_head == 1)
        next_ask(l);
    return true;
}

/* Half of the creations in flight are answered: those that had to wait may go on. */
static void more_creates(struct rai_link *l)
{
    for (rai_session *s = l->e->sessions; s != NULL; s = s->next)
        if (s->link == l && (s->due & RAI_DUE_CREATE) != 0)
            rai_session_due(s, RAI_DUE_CREATE);
}

/* The session whose request this answers; none when it has gone meanwhile, or when it is the anchor's. */
static bool take_ask(struct rai_link *l, int type, rai_session **out, bool *anchor_out)
{
    if (l->ask_head == l->ask_tail)
        return false;
    struct rai_ask ask = l->asks[l->ask_head & (l->ask_room - 1)];
    if (ask.type != type)
        return false;
    l->ask_head++;
    if (type == RAI_CREATESESSION && --l->creates == RAI_CREATES_IN_FLIGHT / 2)
        more_creates(l);
    *anchor_out = is_anchor(l, ask.channel);
    *out = rai_session_by_channel(l->e, ask.channel);
    if (*out != NULL && (*out)->link != l)
        *out = NULL;
    next_ask(l);
    return true;
}

static void reattach_answer(struct rai_link *l, const struct rai_frame *f)
{
    int32_t n;
    bool found, anchor;
    rai_session *s;
    if (!rai_get_reattach_resp(f, &n, &found) || !take_ask(l, RAI_REATTACH_SESSION, &s, &anchor)) {
        malformed(l, f);
        return;
    }
    if (s != NULL)
        rai_session_event(s, found ? RAI_EV_YES : RAI_EV_NO, (uint32_t)n, NULL);
}

static void create_answer(struct rai_link *l, const struct rai_frame *f)
{
    int32_t version;
    rai_session *s;
    bool anchor;
    if (!rai_get_create_session_resp(f, &version) || !take_ask(l, RAI_CREATESESSION, &s, &anchor)) {
        malformed(l, f);
        return;
    }
    l->e->version_known = true;
    if (anchor)
        rai_anchor_answered(l, true);
    if (s != NULL)
        rai_session_event(s, RAI_EV_CREATED, 0, NULL);
}

enum { BROKER_INCOMPATIBLE = 108, BROKER_STARTING = 112, BROKER_ROUTING = 222 };

static void create_refused(struct rai_link *l, const struct rai_frame *f)
{
    int32_t code;
    int64_t correlation;
    char text[RAI_FAULT_TEXT];
    struct rai_fault fault;
    rai_session *s;
    bool anchor;
    int32_t tried = l->ask_head != l->ask_tail ? l->asks[l->ask_head & (l->ask_room - 1)].version : 0;
    if (!rai_get_exception(f, &code, text, sizeof text, &correlation) || !take_ask(l, RAI_CREATESESSION, &s, &anchor)) {
        malformed(l, f);
        return;
    }
    rai_fault_set_broker(&fault, code, text, strlen(text));
    rai_link_name_endpoint(l, &fault);
    if (code == BROKER_INCOMPATIBLE && tried > RAI_VERSION_MIN && !l->e->version_known) {
        if (l->e->version >= tried)
            l->e->version = tried - 1; /* an older broker: the next lower number, on the same link */
        if (s != NULL)
            rai_session_due(s, RAI_DUE_CREATE);
        if (anchor)
            rai_anchor_again(l);
        return;
    }
    if (code == BROKER_INCOMPATIBLE)
        fault.code = RA_E_VERSION;
    if (code == BROKER_STARTING || code == BROKER_ROUTING) {
        rai_link_fail(l, &fault); /* not now: the usual pause and another attempt */
        return;
    }
    if (anchor)
        rai_anchor_answered(l, false);
    if (s != NULL)
        rai_session_event(s, RAI_EV_DENIED, 0, &fault);
}

static void session_control_frame(struct rai_link *l, const struct rai_frame *f)
{
    switch (f->type) {
    case RAI_REATTACH_SESSION_RESP:
        reattach_answer(l, f);
        break;
    case RAI_CREATESESSION_RESP:
        create_answer(l, f);
        break;
    case RAI_EXCEPTION:
        create_refused(l, f);
        break;
    default:
        break;
    }
}

/* --- frames --- */

static void frame_in(struct rai_link *l, const struct rai_frame *f)
{
    if (f->channel == RAI_CHANNEL_PING) {
        control_frame(l, f);
        return;
    }
    if (f->channel == RAI_CHANNEL_SESSION) {
        session_control_frame(l, f);
        return;
    }
    if (rai_anchor_frame(l, f))
        return;
    rai_session *s = l->last_session;
    if (s == NULL || s->channel != f->channel)
        s = rai_session_by_channel(l->e, f->channel);
    /* what still comes on a link that the session has left is not for it any more */
    if (s == NULL || s->link != l)
        return;
    l->last_session = s;
    rai_session_frame(s, f);
}

void rai_engine_input(rai_engine *e, uint32_t link, size_t size, int64_t now)
{
    struct rai_link *l = rai_link_of(e, link);
    if (l == NULL || l->state == RAI_LINK_DOOMED)
        return;
    e->now = now;
    l->in_end += size;
    l->last_heard = now;
    rai_count(e, RA_STAT_BYTES_IN, (int64_t)size);
    while (l->state != RAI_LINK_DOOMED) {
        struct rai_frame frame;
        size_t need;
        int got = rai_frame_next(l->in->data + l->in_at, l->in_end - l->in_at, &frame, &need);
        if (got == 0)
            break;
        if (got < 0) {
            not_core(l);
            break;
        }
        l->in_at += frame.size;
        l->heard = true;
        frame_in(l, &frame);
    }
    rai_engine_reap(e);
}

/* --- the clock --- */

void rai_link_tick(struct rai_link *l, int64_t now)
{
    struct rai_fault fault;
    if (!rai_link_usable(l))
        return;
    int64_t limit = silence_limit(l->e->config);
    int64_t silent_at = limit == RAI_NEVER ? RAI_NEVER : l->last_heard + limit;
    if (now >= l->greet_deadline) {
        rai_fault_set(&fault, RA_E_LINK_SILENT, "the peer accepted the connection and did not answer within %lld ms",
                      (long long)l->e->config->connect_timeout);
        rai_link_fail(l, &fault);
    } else if (now >= silent_at) {
        rai_fault_set(&fault, RA_E_LINK_SILENT, "nothing was heard from the broker for %lld ms",
                      (long long)(limit / RAI_MS));
        rai_link_fail(l, &fault);
    } else if (now >= l->ask_deadline) {
        int64_t channel = l->asks[l->ask_head & (l->ask_room - 1)].channel;
        rai_session *s = rai_session_by_channel(l->e, channel);
        if (is_anchor(l, channel))
            l->e->anchor_wait = 2 * l->e->anchor_wait < RAI_ASK_MAX_US ? 2 * l->e->anchor_wait : RAI_ASK_MAX_US;
        else if (s != NULL && s->link == l)
            rai_session_stuck(s);
        rai_fault_set(&fault, RA_E_LINK_SILENT, "the broker did not answer for a session in time");
        rai_link_fail(l, &fault);
    } else if (now >= l->part_deadline) {
        rai_link_doom(l);
    } else {
        rai_wake_at(l->e, l->part_deadline);
        rai_wake_at(l->e, l->greet_deadline);
        rai_wake_at(l->e, silent_at);
        rai_wake_at(l->e, l->ask_deadline);
        if (l->ping_at > now)
            rai_wake_at(l->e, l->ping_at);
    }
}
