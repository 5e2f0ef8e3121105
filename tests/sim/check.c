#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    BACKOFF_MAX_MS = 1000,
    WHOLE_AGAIN_US = 5000000, /* that long a session may take, when nothing was silent, and two of its waits */
    LINKS_MAX = 8,
    PIECES = 200 /* of memory for an engine with some sessions; what is under way comes on top */
};

/* --- what the broker tells --- */

static bool over(const struct work_send *s, int outcome)
{
    return s->reported && s->outcome == outcome;
}

static void stored(struct work *r, int id)
{
    struct work_send *s = &r->sends[id];
    struct work_session *session = &r->sessions[s->session];
    if (++s->stored > 1)
        world_fail(&r->w, "send %d was stored twice", id);
    if (over(s, RA_OUTCOME_NOT_DONE) || over(s, RA_OUTCOME_REJECTED))
        world_fail(&r->w, "send %d was not done, and is stored after that", id);
    if (s->to >= WORK_QUEUES)
        world_fail(&r->w, "send %d was stored, and cannot be", id);
    if (!session->recreated && id < session->last_stored[s->to])
        world_fail(&r->w, "send %d was stored behind send %d", id, session->last_stored[s->to]);
    session->last_stored[s->to] = id;
}

static void lost(struct work *r, int id)
{
    struct work_send *s = &r->sends[id];
    s->stored--;
    if (s->durable && s->transaction == 0 && over(s, RA_OUTCOME_CONFIRMED))
        world_fail(&r->w, "send %d was confirmed, and the broker loses it", id);
}

static void consumed(struct work *r, int id)
{
    r->consumed[id]++;
    if (!r->acked[id])
        world_fail(&r->w, "message %d is gone, and nobody acknowledged it", id);
}

static void news(void *ctx, enum rai_mock_news what, const uint8_t *body, size_t size)
{
    struct work *r = ctx;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)(size < 31 ? size : 31), size > 0 ? (const char *)body : "");
    int id = atoi(text + 1);
    bool sent = text[0] == 's' && id >= 0 && id < WORK_SENDS, queued = text[0] == 'q' && id < WORK_QUEUED;
    r->bad_acks += what == RAI_MOCK_BAD_ACK;
    if (sent && (size != r->sends[id].size || !work_is_body(body, 's', id, size)))
        world_fail(&r->w, "the broker has another body of send %d", id);
    if (sent && what == RAI_MOCK_STORED)
        stored(r, id);
    if (sent && what == RAI_MOCK_LOST)
        lost(r, id);
    if (queued && what == RAI_MOCK_CONSUMED)
        consumed(r, id);
    if (queued && what == RAI_MOCK_RETURNED)
        r->consumed[id]--;
    if (queued && (what == RAI_MOCK_RETURNED || what == RAI_MOCK_GIVEN_BACK))
        r->returned[id]++;
}

/* What docs/reattachment.md says that is left, and nothing else: a session at rest was asked for on a link without an anchor,
 * the link was lost, and the broker read that only when the session was on a later one. */
static void closed_late(void *ctx, uint32_t link, const char *name)
{
    struct work *r = ctx;
    for (int i = 0; i < r->session_count; i++) {
        struct work_session *s = &r->sessions[i];
        for (int k = 0; k < WORK_UNGUARDED && strcmp(s->s->name, name) == 0; k++)
            s->closed_late = s->closed_late || s->unguarded[k] == link;
    }
}

void work_watch(struct work *r, struct rai_mock_config *mock)
{
    r->pieces = rai_alloc_count();
    mock->watch.ctx = r;
    mock->watch.news = news;
    mock->watch.closed_late = closed_late;
}

/* --- what the engine tells --- */

static int session_of(const struct work *r, const struct rai_event *event)
{
    for (int i = 0; i < r->session_count; i++)
        if (event->session == &r->sessions[i])
            return i;
    world_fail(&r->w, "event %d of a session that is not there", event->kind);
}

/* What was promised with an outcome has to be true in this moment, and not only in the end. */
static void send_ended(struct work *r, int id, int outcome)
{
    struct work_send *s = &r->sends[id];
    if (s->reported)
        world_fail(&r->w, "two outcomes of send %d", id);
    s->reported = true;
    s->outcome = outcome;
    work_trace(r, outcome == RA_OUTCOME_CONFIRMED ? "hears of good send" : "hears of bad send", s->session, id);
    bool must = outcome == RA_OUTCOME_CONFIRMED && s->transaction == 0 && s->to < WORK_QUEUES;
    if (must && s->stored != 1 && (s->durable || !r->lossy))
        world_fail(&r->w, "send %d is confirmed, and not stored", id);
    bool never = outcome == RA_OUTCOME_REJECTED || outcome == RA_OUTCOME_NOT_DONE;
    if (never && s->stored != 0)
        world_fail(&r->w, "send %d is not done, and yet stored", id);
}

static void outcomes(struct work *r, const struct rai_event *event)
{
    int session = session_of(r, event);
    for (uint64_t tag = event->first; tag <= event->last; tag++) {
        int id = (int)tag - 1;
        if (tag == 0 || id >= r->send_count || r->sends[id].forget || r->sends[id].op != NULL ||
            r->sends[id].session != session)
            world_fail(&r->w, "an outcome of send %d, which was not asked for", id);
        send_ended(r, id, event->outcome);
    }
}

/* A session that has lost its link is found again or made again, once. */
static void back_again(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    if (!s->ready && s->s->fresh)
        world_fail(&r->w, "session %d is back, and was never there", session);
    if (s->lost_links == r->lost_links)
        world_fail(&r->w, "session %d is back, and was not gone", session);
    s->lost_links = r->lost_links;
}

/* A session at rest is not guarded while it moves: if the broker closes it, another one is made, and nothing is lost.
 */
static void session_recreated(struct work *r, int session, const struct rai_event *event)
{
    struct work_session *s = &r->sessions[session];
    bool holds = event->count > 0;
    for (int i = 0; i < WORK_CONSUMERS; i++) {
        const struct work_consumer *c = &s->consumers[i];
        holds = holds || (c->c != NULL && rai_op_outcome(c->opening) == RA_OUTCOME_CONFIRMED);
        s->consumers[i].seen_first = s->consumers[i].seen_first && !s->consumers[i].browse; /* from the beginning */
    }
    back_again(r, session);
    r->recreated++;
    r->closed_late += holds && s->closed_late;
    s->recreated = true;
    s->epoch++;
    if (!r->lossy && holds && !s->closed_late)
        world_fail(&r->w, "session %d was recreated, and the broker had it", session);
    s->closed_late = false;
}

static void retrying(const struct work *r, const struct rai_event *event)
{
    if (event->attempt < 1 || event->delay_ms < 0 || event->delay_ms > BACKOFF_MAX_MS)
        world_fail(&r->w, "attempt %d after %d ms", (int)event->attempt, (int)event->delay_ms);
}

static void writable(struct work *r, int session)
{
    if (!r->sessions[session].blocked && r->sessions[session].producer != NULL)
        world_fail(&r->w, "session %d is told that there is room, and did not ask", session);
    r->sessions[session].blocked = false;
}

static void on_event(struct work *r, const struct rai_event *event)
{
    switch (event->kind) {
    case RA_EVENT_DISCONNECTED:
        r->lost_links++;
        break;
    case RA_EVENT_RETRYING:
        retrying(r, event);
        break;
    case RA_EVENT_REATTACHED:
        r->reattached++;
        back_again(r, session_of(r, event));
        break;
    case RA_EVENT_RECREATED:
        session_recreated(r, session_of(r, event), event);
        break;
    case RA_EVENT_GAVE_UP:
    case RA_EVENT_SESSION_LOST:
        world_fail(&r->w, "lost: %s", event->fault.text);
    case RA_EVENT_CLOSED:
        if (!r->ending)
            world_fail(&r->w, "closed, and nobody did");
        break;
    case RA_EVENT_EVENTS_LOST:
        world_fail(&r->w, "events were lost");
    case RA_EVENT_SEND_OUTCOME:
        outcomes(r, event);
        break;
    case RA_EVENT_WRITABLE:
        writable(r, session_of(r, event));
        break;
    case RA_EVENT_OPERATION:
        r->late_outcomes++;
        break;
    default:
        break;
    }
}

/* --- operations --- */

static bool may_lose(const struct work *r, int session)
{
    return r->lossy || r->sessions[session].recreated || r->sessions[session].aborted;
}

/* A session that is not found again was closed, as was asked for, or lost before that: nobody can know. */
static bool excused(const struct work *r, int session, int outcome)
{
    return may_lose(r, session) || (r->sessions[session].closed && outcome == RA_OUTCOME_UNKNOWN);
}

/* Ended by its deadline, or because its consumer was closed: only what was never written can be. */
static bool given_up(const rai_op *op)
{
    int code = op != NULL ? rai_op_fault(op)->code : RA_OK;
    return op != NULL && rai_op_outcome(op) == RA_OUTCOME_NOT_DONE && (code == RA_E_TIMEOUT || code == RA_E_CLOSED);
}

static bool without_limit(int type)
{
    return type == RAI_SESS_ROLLBACK || type == RAI_SESS_CLOSE || type == RAI_SESS_CONSUMER_CLOSE ||
           type == RAI_SESS_STOP || type == RAI_SESS_ACKNOWLEDGE;
}

/* Passing its deadline ends what the broker cannot have got. What was written ends by its answer, and so does that
 * without which both sides' states would part. */
static bool may_be_late(const rai_op *op)
{
    const rai_session *s = op->session;
    for (uint64_t i = s != NULL ? s->pendings.head : 0; s != NULL && i < s->pendings.tail; i++) {
        const struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        const rai_producer *p = entry->type == RAI_SESS_BINDINGQUERY ? entry->subject : NULL;
        bool its = !entry->tagged && !entry->ended && (entry->as.op == op || (p != NULL && p->open_op == op));
        if (its)
            return entry->end <= s->log.written || entry->offset < s->log.planned || without_limit(entry->type);
    }
    return s != NULL && s->open_op == op; /* of a session that is being made */
}

/* When it passes: what is written just then goes on, also if not all of it arrives. */
static bool check_deadline(const struct work *r, const rai_op *op, const char *what, int id)
{
    if (rai_op_deadline(op) > r->w.now)
        return false;
    if (!may_be_late(op))
        world_fail(&r->w, "%s %d outlives its deadline", what, id);
    return true;
}

static void op_ended(struct work *r, struct work_op *o)
{
    o->ended = true;
    if (o->again != NULL && given_up(o->op))
        work_acknowledge_again(r, o);
    rai_message_unref(o->again);
    o->again = NULL;
}

/* A wait ends at its deadline, whatever becomes of the work. */
static void watch_op(struct work *r, int id)
{
    struct work_op *o = &r->ops[id];
    if (o->abandoned || !check_deadline(r, o->op, "operation", id))
        return;
    rai_op_abandon(o->op, r->w.now);
    o->abandoned = rai_op_outcome(o->op) == RA_OUTCOME_PENDING;
}

static void watch_ops(struct work *r)
{
    for (int i = r->first_pending; i < r->op_count; i++) {
        struct work_op *o = &r->ops[i];
        if (rai_op_outcome(o->op) == RA_OUTCOME_PENDING)
            watch_op(r, i);
        if (rai_op_outcome(o->op) != RA_OUTCOME_PENDING && !o->ended)
            op_ended(r, o);
    }
    while (r->first_pending < r->op_count && r->ops[r->first_pending].ended)
        r->first_pending++;
}

static void watch_sends(struct work *r)
{
    int kept = 0;
    for (int i = 0; i < r->waited_count; i++) {
        int id = r->waited[i];
        const rai_op *op = r->sends[id].op;
        if (rai_op_outcome(op) == RA_OUTCOME_PENDING) {
            r->sends[id].late = r->sends[id].late || check_deadline(r, op, "send", id);
            r->waited[kept++] = id;
        } else {
            send_ended(r, id, rai_op_outcome(op));
        }
    }
    r->waited_count = kept;
}

/* --- after each step --- */

static bool counts(const rai_session *s)
{
    bool between = s->state == RAI_S_NEW || s->state == RAI_S_CREATING || s->state == RAI_S_REFUSED ||
                   s->state == RAI_S_RECREATING || s->state == RAI_S_CLOSED || s->state == RAI_S_LOST;
    return !between && s->e->config->confirmation_window >= 0;
}

/* Nobody may have counted what the other side never sent. */
static void watch_numbers(const struct work *r, int session)
{
    const rai_session *s = r->sessions[session].s;
    struct rai_mock_count count = rai_mock_session_count(r->w.m, s->name);
    if (!counts(s) || !count.found)
        return;
    uint32_t written = rai_log_number_before(&s->log, s->log.written);
    if ((int32_t)(count.commands - written) > 0)
        world_fail(&r->w, "the broker counts %d commands more than session %d has written",
                   (int)(count.commands - written), session);
    if ((int32_t)(s->log.first - 1 - count.commands) > 0)
        world_fail(&r->w, "session %d takes %d commands for done, and the broker does not", session,
                   (int)(s->log.first - 1 - count.commands));
    if ((int32_t)(s->received - count.packets) > 0)
        world_fail(&r->w, "session %d counts %d packets more than the broker has sent", session,
                   (int)(s->received - count.packets));
}

/* Whatever the engine thinks: nothing of it is at the broker that could be lost. */
static bool at_rest(const rai_session *s)
{
    bool answered = s->log.written <= s->log.confirmed || s->log.written <= s->answered_end;
    return answered && s->consumers == NULL && !s->work && (!s->transacted || rai_log_empty(&s->log));
}

/* Where it is being asked for without a guard. */
static void watch_moves(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    const struct rai_link *l = s->s->link;
    if (s->s->state != RAI_S_ASKED || l == NULL || l->anchor == RAI_ANCHOR_HELD || !at_rest(s->s))
        return;
    for (size_t i = 0; i < r->w.link_count; i++) {
        const struct world_link *at = r->w.links[i];
        if (at->engine == l->id && at->mock != s->unguarded[(s->unguarded_count + WORK_UNGUARDED - 1) % WORK_UNGUARDED])
            s->unguarded[s->unguarded_count++ % WORK_UNGUARDED] = at->mock;
    }
}

static void watch_memory(const struct work *r)
{
    long under_way = r->waited_count + 2 * (r->op_count - r->first_pending) + r->send_count + r->op_count;
    long pieces = rai_alloc_count() - r->pieces, limit = PIECES + 4 * WORK_QUEUED + 12 * r->session_count + under_way;
    int links = 0;
    for (const struct rai_link *l = r->w.e->links; l != NULL; l = l->next)
        links++;
    if (links > LINKS_MAX)
        world_fail(&r->w, "%d links are kept", links);
    if (pieces > limit)
        world_fail(&r->w, "%ld pieces of memory are in use, at most %ld should be", pieces, limit);
    for (int i = 0; i < r->session_count; i++) {
        const rai_session *s = r->sessions[i].s;
        if ((int64_t)rai_log_bytes(&s->log) > r->w.config.max_unconfirmed + 100 * (int64_t)(r->op_count + 100))
            world_fail(&r->w, "the log of session %d has %zu bytes", i, rai_log_bytes(&s->log));
    }
}

void work_listen(struct work *r)
{
    struct rai_event event;
    rai_op *op;
    while (rai_engine_next_event(r->w.e, &event))
        on_event(r, &event);
    while ((op = rai_engine_next_done(r->w.e)) != NULL)
        rai_op_unref(op);
    watch_ops(r);
    watch_sends(r);
    for (int i = 0; i < r->session_count; i++) {
        watch_numbers(r, i);
        watch_moves(r, i);
    }
    watch_memory(r);
}

/* --- the end --- */

static bool is_open(const struct work *r)
{
    for (int i = 0; i < r->session_count; i++) {
        enum rai_session_state state = r->sessions[i].s->state;
        if (state != RAI_S_OPEN && state != RAI_S_CLOSED && !(state == RAI_S_LOST && !r->sessions[i].ready))
            return false;
    }
    return true;
}

static bool settled(const struct work *r)
{
    for (int i = 0; i < r->send_count; i++)
        if (!r->sends[i].reported && !r->sends[i].forget)
            return false;
    for (int i = 0; i < r->op_count; i++)
        if (rai_op_outcome(r->ops[i].op) == RA_OUTCOME_PENDING)
            return false;
    for (int i = 0; i < r->session_count; i++) {
        const rai_session *s = r->sessions[i].s;
        bool gone = s->state == RAI_S_CLOSED || s->state == RAI_S_LOST;
        if (work_lives(r, i) && r->sessions[i].blocked)
            return false; /* credits may be on their way, behind sends that nobody waits for */
        bool empties = r->w.config.confirmation_window >= 0; /* else only answers empty the log */
        if (!gone && (r->sessions[i].closed || (empties && (!rai_log_empty(&s->log) || s->forgets != 0))))
            return false;
    }
    return is_open(r);
}

static void show(const struct work *r)
{
    for (int i = 0; i < r->session_count; i++) {
        const rai_session *s = r->sessions[i].s;
        fprintf(stderr,
                "channel %d: %s, log %d..%d..%d..%d, %d pending, %d forgotten, received %d, broker counted %d\n",
                (int)s->channel, rai_session_state_name(s->state), (int)s->log.confirmed, (int)s->log.planned,
                (int)s->log.written, (int)s->log.end, (int)(s->pendings.tail - s->pendings.head), (int)s->forgets,
                (int)s->received, (int)rai_mock_session_count(r->w.m, s->name).commands);
    }
    for (int i = 0; i < r->op_count; i++)
        if (rai_op_outcome(r->ops[i].op) == RA_OUTCOME_PENDING)
            fprintf(stderr, "operation %d of session %d, kind %d, is under way\n", i, r->ops[i].session,
                    r->ops[i].what);
    for (int i = 0; i < WORK_QUEUED; i++)
        if (r->consumed[i] == 0)
            fprintf(stderr, "message %d: taken %d times, returned %d times\n", i, r->taken[i], r->returned[i]);
}

static void turn_all(struct work *r)
{
    while (world_turn(&r->w, 0) || work_consume_all(r))
        work_listen(r);
}

/* How long the next answer of the broker is waited for: it grows with each that does not come. */
static int64_t longest_wait(const struct work *r)
{
    int64_t longest = r->w.e->anchor_wait;
    for (int i = 0; i < r->session_count; i++) {
        const rai_session *s = r->sessions[i].s;
        longest = s->ask_wait > longest ? s->ask_wait : longest;
        longest = s->barrier_wait > longest ? s->barrier_wait : longest;
    }
    return longest;
}

static void watch_slowest(struct work *r, int64_t began, int64_t limit)
{
    if (r->slowest > 0 || !is_open(r))
        return;
    r->slowest = r->w.now - began + 1;
    if (!r->w.was_silent && r->slowest > limit)
        world_fail(&r->w, "the sessions were found again only after %.1f s", (double)r->slowest / 1e6);
}

void work_quiesce(struct work *r)
{
    int64_t began = r->w.now, soon = WHOLE_AGAIN_US + 2 * longest_wait(r);
    /* a silent link is noticed in 10 seconds, a stale request probed for in 60, and some brokers are slow */
    int64_t limit = began + 180000000;
    rai_mock_set_sync(r->w.m, 20000);
    while (true) {
        turn_all(r);
        watch_slowest(r, began, soon);
        if (settled(r)) {
            if (rai_mock_queue_messages(r->w.m, "out") == 0)
                return;
            work_finish_acks(r);
            turn_all(r);
        }
        int64_t next = world_deadline(&r->w);
        if (next > limit) {
            show(r);
            world_fail(&r->w, "something does not end");
        }
        world_pass(&r->w, next);
        work_listen(r);
    }
}

/* --- the checks at the end --- */

/* How a transaction ended. A commit that was never written leaves it to the next end. */
struct fate {
    int outcome;
    bool carried;
};

static const struct work_op *end_of(const struct work *r, int session, int transaction)
{
    for (int i = 0; i < r->op_count; i++) {
        const struct work_op *o = &r->ops[i];
        bool ends = o->what == WORK_COMMIT || o->what == WORK_ROLLBACK;
        if (ends && o->session == session && o->transaction == transaction)
            return o;
    }
    return NULL;
}

static struct fate fate_of(const struct work *r, int session, int transaction)
{
    const struct work_op *end;
    struct fate fate = { .outcome = RA_OUTCOME_NOT_DONE };
    for (; (end = end_of(r, session, transaction)) != NULL; transaction++) {
        int outcome = rai_op_outcome(end->op);
        if (outcome == RA_OUTCOME_NOT_DONE) {
            fate.carried = true;
            continue;
        }
        fate.outcome = end->what == WORK_ROLLBACK ? RA_OUTCOME_REJECTED : outcome;
        break;
    }
    return fate;
}

/* Also in what it took over from those before it. */
static bool has_denied(const struct work *r, int session, int transaction)
{
    const struct work_op *before;
    do {
        if (r->sessions[session].denied[transaction % WORK_TRANSACTIONS])
            return true;
        before = end_of(r, session, --transaction);
    } while (before != NULL && rai_op_outcome(before->op) == RA_OUTCOME_NOT_DONE);
    return false;
}

static void check_in_transaction(const struct work *r, int id)
{
    const struct work_send *s = &r->sends[id];
    struct fate fate = fate_of(r, s->session, s->transaction);
    bool refused = !s->forget && s->outcome != RA_OUTCOME_CONFIRMED;
    bool dropped = may_lose(r, s->session), kept = s->durable || !r->lossy;
    if (fate.outcome == RA_OUTCOME_CONFIRMED && s->stored != 1 && !refused && !(fate.carried && dropped) && kept)
        world_fail(&r->w, "send %d was committed, and not stored", id);
    if (fate.outcome != RA_OUTCOME_CONFIRMED && fate.outcome != RA_OUTCOME_UNKNOWN && s->stored != 0)
        world_fail(&r->w, "send %d was not committed, and yet stored (%d)", id, fate.outcome);
    /* the session was closed before a commit came */
    bool over = r->sessions[s->session].closed && s->outcome == RA_OUTCOME_NOT_DONE && fate.outcome != RA_OUTCOME_CONFIRMED;
    if (refused && !over && !excused(r, s->session, s->outcome) && !given_up(s->op))
        world_fail(&r->w, "send %d of a transaction had no reason to end as %d", id, s->outcome);
}

static void check_plain(const struct work *r, int id)
{
    const struct work_send *s = &r->sends[id];
    int outcome = s->forget ? RA_OUTCOME_PROCESSED : s->outcome;
    bool must = outcome == RA_OUTCOME_CONFIRMED || (s->forget && !may_lose(r, s->session));
    if (must && s->stored != 1 && (s->durable || !r->lossy))
        world_fail(&r->w, "send %d was confirmed, and is not stored", id);
    bool fine = excused(r, s->session, outcome) && outcome != RA_OUTCOME_REJECTED; /* there was nothing to refuse */
    if (!fine && !s->forget && outcome != RA_OUTCOME_CONFIRMED && !given_up(s->op))
        world_fail(&r->w, "send %d had no reason to end as %d", id, outcome);
}

static void check_denied(const struct work *r, int id)
{
    const struct work_send *s = &r->sends[id];
    if (s->forget || s->outcome == RA_OUTCOME_REJECTED || given_up(s->op))
        return;
    bool open = s->outcome == RA_OUTCOME_UNKNOWN || s->outcome == RA_OUTCOME_NOT_DONE;
    if (!open || !excused(r, s->session, s->outcome))
        world_fail(&r->w, "send %d was denied, and ends as %d", id, s->outcome);
}

static void check_send(const struct work *r, int id)
{
    const struct work_send *s = &r->sends[id];
    if (s->stored > 1 || s->stored < 0)
        world_fail(&r->w, "send %d is stored %d times", id, s->stored);
    if (!s->forget && (s->outcome == RA_OUTCOME_REJECTED || s->outcome == RA_OUTCOME_NOT_DONE) && s->stored != 0)
        world_fail(&r->w, "send %d was not done, and yet stored", id);
    if (s->to == WORK_DENIED)
        check_denied(r, id);
    else if (s->to < WORK_QUEUES && s->transaction > 0)
        check_in_transaction(r, id);
    else if (s->to < WORK_QUEUES)
        check_plain(r, id);
}

struct order {
    struct work *r;
    int last[WORK_SESSIONS];
    int count;
};

static void in_order(void *ctx, const uint8_t *body, size_t size)
{
    struct order *o = ctx;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)(size < 31 ? size : 31), (const char *)body);
    int id = atoi(text + 1), session = o->r->sends[id].session;
    o->count++;
    if (o->r->sends[id].stored != 1)
        world_fail(&o->r->w, "send %d is in the queue, and was not stored", id);
    if (id < o->last[session] && !o->r->lossy)
        world_fail(&o->r->w, "send %d stands behind send %d", id, o->last[session]);
    o->last[session] = id;
}

static void check_queue(struct work *r, enum work_address which, const char *name)
{
    struct order order = { .r = r };
    int stored = 0;
    for (int i = 0; i < WORK_SESSIONS; i++)
        order.last[i] = -1;
    rai_mock_each_message(r->w.m, name, in_order, &order);
    for (int i = 0; i < r->send_count; i++)
        stored += r->sends[i].to == (int)which ? r->sends[i].stored : 0;
    if (order.count != stored)
        world_fail(&r->w, "%d messages are in the queue %s, and %d were stored", order.count, name, stored);
}

static void check_op(const struct work *r, int id)
{
    const struct work_op *o = &r->ops[id];
    int outcome = rai_op_outcome(o->op);
    bool sure = o->session >= 0 && !excused(r, o->session, outcome);
    if (o->expected != 0 && outcome != o->expected && sure && !given_up(o->op))
        world_fail(&r->w, "operation %d ends as %d, expected %d: %s", id, outcome, o->expected,
                   rai_op_fault(o->op)->text);
    if (o->what == WORK_ACK && outcome == RA_OUTCOME_CONFIRMED && !r->sessions[o->session].transacted &&
        r->consumed[o->message] == 0)
        world_fail(&r->w, "message %d was acknowledged, and is not consumed", o->message);
    if (o->what == WORK_COMMIT && sure && outcome == RA_OUTCOME_REJECTED && !has_denied(r, o->session, o->transaction))
        world_fail(&r->w, "a commit had no reason to be refused: %s", rai_op_fault(o->op)->text);
}

static void check_ops(const struct work *r)
{
    int late = 0;
    for (int i = 0; i < r->op_count; i++) {
        check_op(r, i);
        late += r->ops[i].abandoned;
    }
    if (late != r->late_outcomes)
        world_fail(&r->w, "%d waits were given up, and %d late outcomes were told", late, r->late_outcomes);
    for (int i = 0; i < WORK_QUEUED; i++)
        if (r->consumed[i] != 1 || r->taken[i] == 0)
            world_fail(&r->w, "message %d was consumed %d times, taken %d times", i, r->consumed[i], r->taken[i]);
    if (r->bad_acks > 0 && !r->lossy)
        world_fail(&r->w, "%d acknowledgements were refused", r->bad_acks);
}

static void check_session(const struct work *r, int session)
{
    const rai_session *s = r->sessions[session].s;
    struct rai_mock_count count = rai_mock_session_count(r->w.m, s->name);
    if (r->sessions[session].blocked)
        world_fail(&r->w, "session %d waits for room, and nobody tells it", session);
    if (!count.found)
        world_fail(&r->w, "the broker does not have session %d", session);
    if (r->w.config.confirmation_window < 0)
        return; /* nobody counts */
    if (!rai_log_empty(&s->log) || s->log.first != count.commands + 1)
        world_fail(&r->w, "the numbers of commands differ by %d", (int)(s->log.first - count.commands - 1));
    if (s->received != count.packets)
        world_fail(&r->w, "the numbers of packets differ by %d", (int)(s->received - count.packets));
}

static void check_numbers(struct work *r)
{
    rai_mock_confirm_all(r->w.m);
    while (world_turn(&r->w, 0))
        work_listen(r);
    for (int i = 0; i < r->session_count; i++)
        if (!r->sessions[i].closed && r->sessions[i].s->state != RAI_S_LOST)
            check_session(r, i);
    if (rai_engine_stat(r->w.e, RA_STAT_NUMBERING_REPAIRS) > 0)
        world_fail(&r->w, "the numbering was repaired");
}

void work_check(struct work *r)
{
    for (int i = 0; i < r->send_count; i++)
        check_send(r, i);
    check_queue(r, WORK_IN, "in");
    check_queue(r, WORK_ALSO, "also");
    check_ops(r);
    check_numbers(r);
}
