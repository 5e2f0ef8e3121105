#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

/*
 * Recovery: how sessions get from a lost link to a new one.
 *
 * A first link, once it is anchored (see anchor.c), asks for every session (REATTACH). Where the log still holds work, the count in the answer is not the true
 * one: commands may be executing. So a barrier goes out on the first link, and when its answer is there, everything the
 * broker ever took has been done and counted; a REATTACH on a further link then tells the true count, and only then the
 * rest is replayed. If no session needs a barrier the first link is the main link; otherwise the further one is, and each
 * session moves as soon as it may. Losing a link is legal in every state and starts its sessions over.
 */

/* --- one session --- */

static void next_barrier(rai_session *s)
{
    if (s->barrier_out && !s->barrier_answered)
        rai_numbers_add(&s->barriers_unanswered, (int64_t)s->barrier);
    s->barrier++;
    s->barrier_out = s->barrier_answered = false;
    snprintf(s->barrier_name, sizeof s->barrier_name, "%s.%u.", s->barrier_key, s->barrier);
    s->barrier_deadline = s->e->now + s->barrier_wait;
    rai_wake_at(s->e, s->barrier_deadline);
    rai_session_due(s, RAI_DUE_BARRIER);
}

static void first_barrier(rai_session *s)
{
    const struct rai_test_hooks *hooks = &s->e->hooks;
    s->had_barrier = true;
    s->barrier_tries = 0;
    if (hooks->hold_session == s->channel && hooks->hold_us > 0) {
        s->barrier_deadline = s->e->now + hooks->hold_us; /* the tick sends it then */
        rai_wake_at(s->e, s->barrier_deadline);
        return;
    }
    next_barrier(s);
}

/* An answer without a name of its own could be taken for the next request's: then only a barrier tells that it will not
 * come any more. */
static bool waits_for_nameless_answer(const rai_session *s)
{
    for (uint64_t i = s->pendings.head; i < s->pendings.tail; i++) {
        const struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        if (!entry->ended && entry->correlation == RAI_NO_CORRELATION)
            return true;
    }
    return false;
}

/* Something that was written may be under way, or its answer. */
static bool has_open_work(const rai_session *s)
{
    return s->log.confirmed < s->log.written || waits_for_nameless_answer(s);
}

static bool refused(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)n;
    (void)why;
    rai_session_unlink(s);
    if (s->close_logged && s->close_end <= s->log.written) {
        rai_session_closed(s); /* the broker closed it and forgot it: what was asked for */
        return false;
    }
    rai_session_new_name(s);
    return true;
}

/*
 * A REATTACH whose answer never came may still be on its way: links have no order among each other. If it reaches the
 * broker after the next one, the session moves to the dead link, and what we write on the living one is dropped in
 * silence. Nothing is lost by that (the count tells), but nobody would notice. So for a while after such a loss the
 * session is probed, with barriers, which the broker does not count; one without an answer ends the link.
 */
static void watch_stale(rai_session *s)
{
    bool unanswered = s->state == RAI_S_ASKED || s->state == RAI_S_REASKED;
    if (unanswered)
        s->stale_until = s->e->now + RAI_STALE_US;
}

static bool lose_link(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    watch_stale(s);
    s->probing = false;
    rai_log_link_lost(&s->log);
    rai_session_unlink(s);
    s->replaying = true;
    s->replay_end = UINT64_MAX;
    if (s->e->config->confirmation_window >= 0)
        return true;
    refused(s, n, why); /* without a window the broker has closed it already: no need to ask */
    return false;
}

static bool start_over(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)n;
    (void)why;
    rai_session_unlink(s);
    rai_session_new_name(s); /* the broker may have made the other one */
    return true;
}

static bool ask(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)n;
    (void)why;
    s->link = s->e->first;
    s->asked_on = s->link->id;
    s->had_barrier = false;
    rai_session_due(s, RAI_DUE_ASK);
    return true;
}

/* The barrier waits for this count although it does not need it: written together with the REATTACH it was dropped, in 2.44,
 * whenever the session was busy. */
static bool first_count(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)why;
    s->n1 = n;
    rai_session_confirmed(s, n);
    if (s->state == RAI_S_LOST || s->e->hooks.no_barrier)
        return false;
    if (!has_open_work(s))
        return false; /* nothing that the broker ever got is open: what came since the cut was never on its way */
    first_barrier(s);
    return true;
}

/* The link has done something useful: losing it is no reason to hesitate with the next one. */
static void link_proven(struct rai_link *l)
{
    rai_engine *e = l->e;
    e->attempt = 0;
    e->quick_retries = 0;
    e->delay = e->config->retry_interval * RAI_MS;
    l->proven = true;
    rai_targets_proven(e, &l->at);
}

/* What the broker sends again comes before the answer to a question asked now. Only large messages need to know: see
 * rai_consumer_chunk(). */
static void end_of_replay(rai_session *s)
{
    s->replaying = s->consumers != NULL && !s->closing;
    if (s->replaying && rai_session_probe(s))
        s->replay_end = s->log.end;
}

static void release(rai_session *s)
{
    rai_engine *e = s->e;
    struct rai_event event = {.kind = RA_EVENT_REATTACHED, .session = s->owner};
    event.count = rai_log_count(&s->log, s->log.confirmed, s->log.written);
    rai_say(e, s, "found again on link %u, %s a barrier: the broker has %u commands, %lld are written again",
            (unsigned)s->link->id, s->had_barrier ? "after" : "without", (unsigned)s->log.first, (long long)event.count);
    rai_count(e, RA_STAT_REATTACHED, 1);
    rai_count(e, RA_STAT_REPLAYED, event.count);
    if (!s->had_barrier)
        rai_count(e, RA_STAT_BARRIERS_SKIPPED, 1);
    rai_log_rewind(&s->log);
    link_proven(s->link);
    s->broker = e->broker;
    s->stuck = 0;
    s->ask_wait = RAI_ASK_FIRST_US;
    s->barrier_wait = RAI_BARRIER_FIRST_US;
    s->probing = false;
    s->probe_wait = RAI_PROBE_FIRST_US;
    s->probe_at = e->now < s->stale_until ? e->now + s->probe_wait : RAI_NEVER;
    rai_wake_at(e, s->probe_at);
    rai_event_push(e, &event);
    for (rai_consumer *c = s->consumers; c != NULL; c = c->next)
        rai_consumer_reattached(c);
    rai_producer_reattached(s);
    end_of_replay(s);
    rai_session_due(s, RAI_DUE_DATA);
    rai_session_check_writable(s);
}

static bool true_count(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)why;
    if ((int32_t)(n - s->n1) > 0)
        rai_count(s->e, RA_STAT_COUNT_ADVANCED, 1);
    rai_session_settle(s, n);
    if (s->state == RAI_S_LOST || s->state == RAI_S_CLOSED)
        return false; /* closed: the count covers the close */
    s->state = RAI_S_OPEN;
    release(s);
    return true;
}

/* On the link that it was asked for on when that is the main link, else by asking again there. */
static bool move(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)n;
    struct rai_link *to = s->e->main;
    if (s->link == to)
        return true_count(s, s->n1, why);
    rai_session_unlink(s);
    s->link = to;
    rai_session_due(s, RAI_DUE_ASK);
    return false;
}

static bool barrier_done(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)s;
    (void)n;
    (void)why;
    s->barrier_deadline = RAI_NEVER;
    return true;
}

static bool create(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)n;
    (void)why;
    s->link = s->e->main;
    rai_session_due(s, RAI_DUE_CREATE);
    return true;
}

static bool opened(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)n;
    (void)why;
    s->version = s->e->version;
    s->fresh = false;
    link_proven(s->link);
    s->broker = s->e->broker;
    rai_op_end(s->open_op, RA_OUTCOME_CONFIRMED, NULL);
    rai_op_unref(s->open_op);
    s->open_op = NULL;
    if (s->closing)
        rai_session_log_close(s, NULL); /* nobody wants it any more */
    rai_session_due(s, RAI_DUE_DATA);
    return true;
}

static bool recreated(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)n;
    (void)why;
    rai_session_recreate(s, s->link);
    if (s->state == RAI_S_LOST)
        return true; /* out of memory */
    s->state = RAI_S_OPEN;
    link_proven(s->link);
    rai_session_due(s, RAI_DUE_DATA);
    rai_session_check_writable(s);
    return true;
}

static bool denied(rai_session *s, uint32_t n, const struct rai_fault *why)
{
    (void)n;
    rai_session_unlink(s);
    rai_session_lose(s, why);
    return true;
}

/* state x event -> action, next state when it says true, when it says false. Everything not named stays as it is. */
struct step {
    bool (*action)(rai_session *s, uint32_t n, const struct rai_fault *why);
    enum rai_session_state next, other;
    const char *name;
};
#define STEP(action, next, other) {action, RAI_S_##next, RAI_S_##other, #action " -> " #next " / " #other}

static const struct step steps[RAI_S_STATES][RAI_EV_SESSION_EVENTS] = {
    [RAI_S_NEW] = {[RAI_EV_LINK_LOST] = STEP(start_over, NEW, NEW), [RAI_EV_MOVE] = STEP(create, CREATING, CREATING)},
    [RAI_S_CREATING] = {[RAI_EV_LINK_LOST] = STEP(start_over, NEW, NEW),
                        [RAI_EV_CREATED] = STEP(opened, OPEN, OPEN),
                        [RAI_EV_DENIED] = STEP(denied, LOST, LOST)},
    [RAI_S_OPEN] = {[RAI_EV_LINK_LOST] = STEP(lose_link, ADRIFT, REFUSED)},
    [RAI_S_ADRIFT] = {[RAI_EV_ASK] = STEP(ask, ASKED, ASKED)},
    [RAI_S_ASKED] = {[RAI_EV_LINK_LOST] = STEP(lose_link, ADRIFT, REFUSED),
                     [RAI_EV_YES] = STEP(first_count, BARRIER, SETTLED),
                     [RAI_EV_NO] = STEP(refused, REFUSED, CLOSED)},
    [RAI_S_BARRIER] = {[RAI_EV_LINK_LOST] = STEP(lose_link, ADRIFT, REFUSED),
                       [RAI_EV_BARRIER] = STEP(barrier_done, SETTLED, SETTLED)},
    [RAI_S_SETTLED] = {[RAI_EV_LINK_LOST] = STEP(lose_link, ADRIFT, REFUSED),
                       [RAI_EV_MOVE] = STEP(move, OPEN, REASKED)},
    [RAI_S_REASKED] = {[RAI_EV_LINK_LOST] = STEP(lose_link, ADRIFT, REFUSED),
                       [RAI_EV_YES] = STEP(true_count, OPEN, LOST),
                       [RAI_EV_NO] = STEP(refused, REFUSED, CLOSED)},
    [RAI_S_REFUSED] = {[RAI_EV_MOVE] = STEP(create, RECREATING, RECREATING)},
    [RAI_S_RECREATING] = {[RAI_EV_LINK_LOST] = STEP(start_over, REFUSED, REFUSED),
                          [RAI_EV_CREATED] = STEP(recreated, OPEN, OPEN),
                          [RAI_EV_DENIED] = STEP(denied, LOST, LOST)},
};

void rai_session_event(rai_session *s, enum rai_session_event event, uint32_t n, const struct rai_fault *fault)
{
    const struct step *step = &steps[s->state][event];
    rai_engine *e = s->e;
    if (step->action == NULL)
        return;
    bool yes = step->action(s, n, fault);
    if (s->state != RAI_S_LOST && s->state != RAI_S_CLOSED) /* these are for good, whatever led there */
        s->state = yes ? step->next : step->other;
    rai_recovery_step(e);
}

const char *rai_session_state_name(int state)
{
    static const char *const names[RAI_S_STATES] = {"new",     "creating", "open",    "adrift",     "asked",  "barrier",
                                                    "settled", "reasked",  "refused", "recreating", "closed", "lost"};
    return state >= 0 && state < RAI_S_STATES ? names[state] : "?";
}

const char *rai_session_event_name(int event)
{
    static const char *const names[RAI_EV_SESSION_EVENTS] = {"link lost", "ask",  "yes",     "no",
                                                             "barrier",   "move", "created", "denied"};
    return event >= 0 && event < RAI_EV_SESSION_EVENTS ? names[event] : "?";
}

const char *rai_session_step_name(int state, int event)
{
    return steps[state][event].name;
}

void rai_session_barrier_answered(rai_session *s, uint32_t number)
{
    if (s->state == RAI_S_BARRIER && s->barrier_out && number == s->barrier)
        rai_session_event(s, RAI_EV_BARRIER, 0, NULL);
}

void rai_session_stuck(rai_session *s)
{
    s->stuck++;
    rai_say(s->e, s, "the broker holds its answer back; the session goes last in the next attempt");
    s->ask_wait = 2 * s->ask_wait < RAI_ASK_MAX_US ? 2 * s->ask_wait : RAI_ASK_MAX_US;
}

/* --- the connection --- */

static void pause_before_round(rai_engine *e)
{
    const struct rai_config *c = e->config;
    int64_t cap_us = c->max_retry_interval * RAI_MS;
    int64_t pause = e->delay < cap_us ? e->delay : cap_us;
    double next = (double)e->delay * c->retry_interval_multiplier;
    e->delay = next < (double)cap_us ? (int64_t)next : cap_us;
    if (c->retry_jitter > 0) {
        uint32_t r;
        e->host.random(e->host.ctx, &r, sizeof r);
        pause -= (int64_t)((double)pause * c->retry_jitter * ((double)r / 4294967296.0));
    }
    e->retry_at = e->now + pause;
}

static void dial_first(rai_engine *e)
{
    e->retry_at = RAI_NEVER;
    e->first = rai_link_dial(e, rai_targets_next(e));
    if (e->first == NULL) {
        e->retry_at = e->now + 10 * RAI_MS; /* out of memory: soon again */
        rai_wake_at(e, e->retry_at);
    }
}

static void announce_retry(rai_engine *e)
{
    const struct rai_endpoint *endpoint = rai_targets_next(e);
    struct rai_event event = {.kind = RA_EVENT_RETRYING, .attempt = e->attempt + 1, .fault = e->last_fault};
    event.delay_ms = (e->retry_at - e->now) / RAI_MS;
    rai_endpoint_text(event.text, sizeof event.text, endpoint->host, endpoint->port);
    rai_event_push(e, &event);
}

static void lose_adrift(rai_engine *e)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_GAVE_UP, "the session could not be asked for again: %.150s", e->last_fault.text);
    for (rai_session *s = e->sessions, *next; s != NULL; s = next) {
        next = s->next;
        if (s->state == RAI_S_ADRIFT)
            rai_session_lose(s, &why);
    }
}

/* A first link is wanted and there is none: now, after a pause, or never. */
static void schedule(rai_engine *e, bool quick)
{
    if (e->first != NULL || e->retry_at != RAI_NEVER || e->dead || e->shut)
        return;
    if (!rai_targets_left(e)) {
        if (e->main != NULL) {
            lose_adrift(e);
            return;
        }
        struct rai_fault why = e->last_fault;
        if (e->ever_up) { /* else the first attempt's own reason says more */
            rai_fault_set(&why, RA_E_GAVE_UP, "no connection attempt is left; the last one: %.170s", e->last_fault.text);
            memcpy(why.endpoint, e->last_fault.endpoint, sizeof why.endpoint);
        }
        rai_engine_die(e, &why);
        return;
    }
    if (quick || !rai_targets_between_rounds(e))
        e->retry_at = e->now;
    else
        pause_before_round(e);
    if (e->ever_up || e->attempt > 0)
        announce_retry(e);
    if (e->retry_at <= e->now)
        dial_first(e);
    else
        rai_wake_at(e, e->retry_at);
}

static bool busy(const rai_session *s)
{
    return s->state == RAI_S_ASKED || s->state == RAI_S_BARRIER || s->state == RAI_S_SETTLED ||
           s->state == RAI_S_REASKED;
}

struct census {
    int adrift, adrift_stuck, busy, asked, barriers, on_first, unmade;
    int unanswered; /* will probably need a barrier */
    int open;
    int to_come;    /* to the main link or the further one, and will need its anchor */
};

static bool unanswered(const rai_session *s)
{
    return s->answered_end < s->log.written && has_open_work(s);
}

/* If the broker closes such a session another one is made, and nobody has lost anything. A transaction's commands would be
 * dropped with it, also those that were never written. */
static bool at_rest(const rai_session *s)
{
    return !unanswered(s) && s->consumers == NULL && !s->work && (!s->transacted || rai_log_empty(&s->log));
}

/* Whether the session may be asked for on this link. */
static bool safe_on(const rai_session *s, struct rai_link *l)
{
    return at_rest(s) || rai_link_anchored(l);
}

static struct census count_sessions(const rai_engine *e)
{
    struct census c = {0};
    for (const rai_session *s = e->sessions; s != NULL; s = s->next) {
        if (s->state == RAI_S_ADRIFT && s->stuck == 0)
            c.adrift++;
        else if (s->state == RAI_S_ADRIFT)
            c.adrift_stuck++;
        c.busy += busy(s);
        c.asked += s->state == RAI_S_ASKED;
        c.barriers += busy(s) && s->had_barrier;
        c.open += s->state == RAI_S_OPEN;
        c.to_come += busy(s) && s->link != e->main && !at_rest(s);
        c.unanswered += (s->state == RAI_S_ADRIFT || s->state == RAI_S_ASKED) && s->stuck == 0 && unanswered(s);
        /* also while asked for again: until then the broker may need it, see anchor.c */
        c.on_first += (s->link != NULL && s->link == e->first) || s->state == RAI_S_REASKED;
        c.unmade += s->state == RAI_S_NEW || s->state == RAI_S_REFUSED || s->state == RAI_S_SETTLED;
    }
    return c;
}

/* A stuck session goes last and alone, and among several the one that was in the way least often. */
static rai_session *next_stuck(const rai_engine *e)
{
    rai_session *least = NULL;
    for (rai_session *s = e->sessions; s != NULL; s = s->next) {
        bool may = s->state == RAI_S_ADRIFT && s->stuck > 0 && s->asked_on != e->first->id;
        if (may && (least == NULL || s->stuck < least->stuck))
            least = s;
    }
    return least;
}

static void ask_for_sessions(rai_engine *e, struct census *c)
{
    rai_session *stuck = c->busy == 0 && c->adrift == 0 ? next_stuck(e) : NULL;
    for (rai_session *s = e->sessions; s != NULL; s = s->next)
        if (s->state == RAI_S_ADRIFT && s->asked_on != e->first->id && (s->stuck == 0 || s == stuck) &&
            safe_on(s, e->first))
            rai_session_event(s, RAI_EV_ASK, 0, NULL);
    *c = count_sessions(e);
}

static void establish_main(rai_engine *e, struct rai_link *l)
{
    struct rai_link *known = l->node_id[0] != '\0' || e->first == NULL ? l : e->first;
    e->main = l;
    /* the two of a pair have one id */
    bool other_id = e->node_id[0] != '\0' && known->node_id[0] != '\0' && strcmp(e->node_id, known->node_id) != 0;
    if (other_id || !rai_endpoint_same(&e->home, &l->at))
        e->broker++;
    e->home = l->at;
    if (other_id)
        rai_targets_other_node(e);
    if (known->node_id[0] != '\0')
        memcpy(e->node_id, known->node_id, sizeof e->node_id);
    if (known->version > 0 && (e->ever_up || !e->version_known))
        e->version = known->version;
    e->ever_up = true;
    rai_say(e, NULL, "link %u to %s:%u is up; broker version %d, node %s", (unsigned)l->id, l->at.host, (unsigned)l->at.port,
            (int)e->version, e->node_id[0] != '\0' ? e->node_id : "unknown");
    rai_count(e, RA_STAT_LINKS, 1);
    rai_op_end(e->start_op, RA_OUTCOME_CONFIRMED, NULL);
    rai_op_unref(e->start_op);
    e->start_op = NULL;
}

static void become_main(rai_engine *e, struct rai_link **which)
{
    struct rai_link *l = *which;
    *which = NULL;
    establish_main(e, l);
}

static void decide_main(rai_engine *e, const struct census *c)
{
    if (e->main != NULL || !rai_link_usable(e->first))
        return;
    if ((c->barriers > 0 || c->unanswered > 0) && e->further == NULL) {
        e->further = rai_link_dial(e, &e->first->at);
        if (e->further == NULL)
            rai_wake_at(e, e->now + 10 * RAI_MS); /* out of memory: the tick tries again */
    }
    if (c->barriers > 0) {
        if (rai_link_usable(e->further))
            become_main(e, &e->further);
        return;
    }
    bool anchoring = e->first->anchor == RAI_ANCHOR_DUE || e->first->anchor == RAI_ANCHOR_ASKED;
    if (c->asked > 0 || c->adrift > 0 || anchoring || e->first->state != RAI_LINK_UP)
        return;
    become_main(e, &e->first);
    if (e->further != NULL)
        rai_link_part(e->further, e->now); /* dialed in vain */
    e->further = NULL;
}

static void move_to_main(rai_engine *e)
{
    for (rai_session *s = e->sessions, *next; s != NULL && rai_link_usable(e->main); s = next) {
        next = s->next;
        bool settled = s->state == RAI_S_SETTLED && (s->link == e->main || safe_on(s, e->main));
        if (settled || s->state == RAI_S_NEW || s->state == RAI_S_REFUSED)
            rai_session_event(s, RAI_EV_MOVE, 0, NULL);
    }
}

static bool wanted_by_adrift(const rai_engine *e)
{
    for (const rai_session *s = e->sessions; s != NULL; s = s->next)
        if (s->state == RAI_S_ADRIFT && s->asked_on != e->first->id)
            return true;
    return false;
}

static void clean_up(rai_engine *e, const struct census *c)
{
    if (e->main == NULL)
        return;
    bool up = e->first != NULL && e->first->state != RAI_LINK_DIALING;
    if (up && c->on_first == 0 && !wanted_by_adrift(e)) {
        rai_link_part(e->first, e->now);
        e->first = NULL;
    }
    if (c->adrift + c->adrift_stuck > 0)
        schedule(e, false);
}

static void end_leave(rai_engine *e)
{
    rai_op_end(e->leave_op, RA_OUTCOME_CONFIRMED, NULL);
    rai_op_unref(e->leave_op);
    e->leave_op = NULL;
}

static void see_to_anchors(rai_engine *e, const struct census *c)
{
    struct rai_link *next = e->main != NULL ? e->main : e->further;
    bool wanted = c->to_come > 0 || (c->open > 0 && e->config->confirmation_window > 0);
    if (e->leave_op == NULL) {
        if (rai_link_usable(next) && wanted)
            rai_link_anchored(next); /* before it is needed */
        return;
    }
    bool left = e->main == NULL || rai_link_unanchored(e->main);
    for (struct rai_link *l = e->links; l != NULL; l = l->next)
        left = left && (!l->parting || l->state == RAI_LINK_DOOMED);
    if (left || e->now >= e->leave_op->deadline)
        end_leave(e);
}

void rai_recovery_step(rai_engine *e)
{
    if (e->dead || e->shut || e->stepping)
        return;
    e->stepping = true; /* what the steps below cause is seen by the steps themselves */
    struct census c = count_sessions(e);
    if (rai_link_usable(e->first) && c.adrift + c.adrift_stuck > 0)
        ask_for_sessions(e, &c);
    decide_main(e, &c);
    if (e->main != NULL && c.unmade > 0)
        move_to_main(e);
    c = count_sessions(e);
    clean_up(e, &c);
    see_to_anchors(e, &c);
    e->stepping = false;
}

static void sessions_lose(rai_engine *e, const struct rai_link *l)
{
    for (rai_session *s = e->sessions, *next; s != NULL; s = next) {
        next = s->next;
        if (s->link == l)
            rai_session_event(s, RAI_EV_LINK_LOST, 0, NULL);
    }
}

static void drop_link(rai_engine *e, struct rai_link **which)
{
    struct rai_link *l = *which;
    *which = NULL;
    if (l == NULL)
        return;
    rai_link_doom(l);
    sessions_lose(e, l);
}

void rai_recovery_link_lost(struct rai_link *l, const struct rai_fault *why)
{
    rai_engine *e = l->e;
    bool main = l == e->main;
    bool was_first = l == e->first || l == e->further;
    if ((!main && !was_first) || e->dead)
        return;
    bool stepping = e->stepping;
    e->stepping = true;
    struct census c = count_sessions(e);
    bool unasked = l->up_at > 0 && c.adrift + c.adrift_stuck > 0; /* it had only just come up */
    bool cut_recovery = c.busy > 0 || unasked;
    if (cut_recovery)
        rai_count(e, RA_STAT_RECOVERIES_CUT, 1);
    e->last_fault = *why;
    bool worked = l->heard;
    if (main) {
        rai_count(e, RA_STAT_LINKS_LOST, 1);
        rai_event_simple(e, RA_EVENT_DISCONNECTED, NULL, why);
    }
    /* without the main link nothing asked for on the first one can go on; the other way it can */
    if (main || e->main == NULL) {
        drop_link(e, &e->main);
        drop_link(e, &e->further);
    }
    drop_link(e, &e->first);
    e->stepping = stepping;
    if (e->shut)
        return;
    /* one that greets and does nothing else is dialed as if it had refused: a broker may say "not yet" for long */
    if (main && !l->proven && !l->redirected && e->now - l->up_at >= RAI_PROVEN_US)
        link_proven(l);
    bool quick = main && !cut_recovery && (l->proven || e->now - l->up_at >= RAI_PROVEN_US);
    if (l->redirected) {
        quick = true;
    } else if (!quick && worked && e->quick_retries < RAI_QUICK_RETRIES) {
        e->quick_retries++;
        quick = true;
    } else if (!quick) {
        e->attempt++;
        rai_targets_failed(e);
    }
    c = count_sessions(e);
    if (e->main == NULL || c.adrift + c.adrift_stuck > 0)
        schedule(e, quick);
}

/* A barrier that was not answered in time: its answer was lost, or the session was taken away by a stale REATTACH, or it is
 * slow. One more under the next name on the same link; then the session is asked for on another one, after the others,
 * with a longer deadline. */
static void barrier_late(rai_session *s)
{
    bool held = !s->barrier_out; /* by a test */
    bool second = s->barrier_tries++ > 0;
    if (held || !second) {
        next_barrier(s);
        return;
    }
    s->barrier_wait = 2 * s->barrier_wait < RAI_BARRIER_MAX_US ? 2 * s->barrier_wait : RAI_BARRIER_MAX_US;
    s->stale_until = s->e->now + RAI_STALE_US;
    rai_session_stuck(s);
    rai_session_event(s, RAI_EV_LINK_LOST, 0, NULL);
}

static void probe(rai_session *s, int64_t now)
{
    struct rai_fault why;
    if (s->probing && !s->barrier_answered && s->barrier_deadline <= now) {
        rai_fault_set(&why, RA_E_LINK_SILENT, "the broker does not answer for a session any more");
        rai_link_fail(s->link, &why);
        return;
    }
    if (s->probing && !s->barrier_answered) {
        rai_wake_at(s->e, s->barrier_deadline);
        return;
    }
    if (now >= s->probe_at) {
        next_barrier(s);
        s->probing = true;
        s->probe_wait *= 2;
        s->probe_at = now + s->probe_wait < s->stale_until ? now + s->probe_wait : RAI_NEVER;
    }
    rai_wake_at(s->e, s->probe_at);
}

static void tick_session(rai_session *s, int64_t now)
{
    if (s->state == RAI_S_OPEN && (s->probing || s->probe_at != RAI_NEVER))
        probe(s, now);
    if (s->state != RAI_S_BARRIER)
        return;
    if (s->barrier_deadline > now)
        rai_wake_at(s->e, s->barrier_deadline);
    else
        barrier_late(s);
}

void rai_recovery_tick(rai_engine *e, int64_t now)
{
    for (rai_session *s = e->sessions; s != NULL; s = s->next)
        tick_session(s, now);
    if (e->retry_at <= now)
        dial_first(e);
    else if (e->retry_at != RAI_NEVER)
        rai_wake_at(e, e->retry_at);
    rai_recovery_step(e); /* what could not be done for want of memory */
}

void rai_engine_die(rai_engine *e, const struct rai_fault *why)
{
    if (e->dead)
        return;
    struct rai_fault fault = *why;
    bool stepping = e->stepping;
    e->stepping = true;
    e->dead = true;
    e->fault = fault;
    e->retry_at = RAI_NEVER;
    e->main = e->first = e->further = NULL;
    for (struct rai_link *l = e->links; l != NULL; l = l->next)
        rai_link_doom(l);
    for (rai_session *s = e->sessions, *next; s != NULL; s = next) {
        next = s->next;
        rai_session_unlink(s);
        rai_session_lose(s, &fault);
    }
    rai_op_end(e->start_op, RA_OUTCOME_NOT_DONE, &fault);
    rai_op_unref(e->start_op);
    e->start_op = NULL;
    end_leave(e);
    if (!e->shut)
        rai_event_simple(e, RA_EVENT_GAVE_UP, NULL, &fault);
    e->stepping = stepping;
}
