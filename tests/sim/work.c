#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t pick(struct work *r, uint32_t below)
{
    return world_random(&r->w, below);
}

static bool chance(struct work *r, int in_100)
{
    return world_chance(&r->w, 10 * in_100);
}

static void trace(const struct work *r, const char *what, int session, int id)
{
    if (r->w.trace)
        fprintf(stderr, "%12.6f  * session %d: %s %d\n", (double)r->w.now / 1e6, session, what, id);
}

/* --- what the broker tells --- */

static void news(void *ctx, enum rai_mock_news what, const uint8_t *body, size_t size)
{
    struct work *r = ctx;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)(size < 31 ? size : 31), size > 0 ? (const char *)body : "");
    int id = atoi(text + 1);
    bool sent = text[0] == 's' && id >= 0 && id < WORK_SENDS, queued = text[0] == 'q' && id < WORK_QUEUED;
    r->bad_acks += what == RAI_MOCK_BAD_ACK;
    if (sent && what == RAI_MOCK_STORED && ++r->sends[id].stored > 1)
        world_fail(&r->w, "send %d was stored twice", id);
    if (sent && what == RAI_MOCK_LOST)
        r->sends[id].stored--;
    if (queued && what == RAI_MOCK_CONSUMED)
        r->consumed[id]++;
    if (queued && what == RAI_MOCK_RETURNED)
        r->consumed[id]--;
    if (queued && (what == RAI_MOCK_RETURNED || what == RAI_MOCK_GIVEN_BACK))
        r->given_back[id] = true;
}

void work_watch(struct work *r, struct rai_mock_config *mock)
{
    mock->watch.ctx = r;
    mock->watch.news = news;
}

/* --- sends --- */

static void one_send(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    struct work_send *send = &r->sends[r->send_count];
    struct rai_fault fault;
    char body[32];
    bool denied = !s->bound && chance(r, s->transacted ? r->refused_in_transactions : 10);
    if (s->producer == NULL || r->send_count >= WORK_SENDS)
        return;
    *send = (struct work_send){ .kind = denied          ? WORK_DENIED
                                        : s->transacted ? WORK_IN_TRANSACTION
                                                        : WORK_PLAIN,
                                .session = session,
                                .transaction = s->transaction };
    int size = snprintf(body, sizeof body, "s%d", r->send_count);
    enum rai_send_mode mode = (enum rai_send_mode)pick(r, 3);
    ra_message *m = rai_message_new(0);
    if (m == NULL)
        world_fail(&r->w, "out of memory");
    rai_message_lend_body(m, body, (size_t)size);
    m->durable = true;
    const char *address = s->bound ? NULL : denied ? "denied" : "in";
    int rc = rai_producer_send(s->producer, address, m, mode, (uint64_t)r->send_count + 1, r->w.now, &send->op, &fault);
    rai_message_unref(m);
    if (rc != RA_OK)
        return;
    send->forget = mode == RAI_SEND_FORGET;
    trace(r, denied ? "sends, to be denied," : "sends", session, r->send_count);
    r->send_count++;
}

/* --- requests --- */

static struct work_op *note(struct work *r, int rc, rai_op *op, int what, int session)
{
    static struct work_op nowhere;
    if (rc != RA_OK || op == NULL)
        return &nowhere;
    if (r->op_count >= WORK_OPS)
        world_fail(&r->w, "too many operations for this test");
    struct work_op *entry = &r->ops[r->op_count++];
    *entry = (struct work_op){ .op = op, .what = what, .session = session };
    return entry;
}

static void one_request(struct work *r, int session)
{
    rai_session *s = r->sessions[session].s;
    rai_op *op = NULL;
    char name[32];
    int rc = RA_OK, expected = RA_OUTCOME_CONFIRMED;
    switch (pick(r, 8)) {
    case 0:
        rc = rai_session_create_queue(s, "in", NULL, 0, 0, NULL, r->w.now, &op, NULL);
        expected = RA_OUTCOME_REJECTED;
        break;
    case 1:
        snprintf(name, sizeof name, "made%d", r->queues_made++);
        rc = rai_session_create_queue(s, name, NULL, 0, RA_QUEUE_DURABLE, NULL, r->w.now, &op, NULL);
        break;
    case 2:
        rc = rai_session_delete_queue(s, "nowhere", r->w.now, &op, NULL);
        expected = RA_OUTCOME_REJECTED;
        break;
    case 3:
        rc = rai_session_query_queue(s, "in", r->w.now, &op, NULL);
        break;
    case 4:
        rc = rai_session_query_address(s, "in", r->w.now, &op, NULL);
        break;
    case 5:
        rc = rai_session_create_address(s, "elsewhere", true, true, r->w.now, &op, NULL);
        break;
    default:
        rc = rai_session_flush(s, r->w.now, &op, NULL);
    }
    note(r, rc, op, WORK_REQUEST, session)->expected = expected;
}

/* What the session's consumers hold is theirs no longer. */
static void let_go(struct work *r, int session, int consumer)
{
    for (int i = 0; i < WORK_QUEUED; i++) {
        int holder = r->held[i] - 1;
        if (holder < 0 || holder / WORK_CONSUMERS != session)
            continue;
        if (consumer < 0 || holder % WORK_CONSUMERS == consumer)
            r->held[i] = 0;
    }
}

static void end_transaction(struct work *r, int session, bool commit)
{
    struct work_session *s = &r->sessions[session];
    rai_op *op = NULL;
    int rc = commit ? rai_session_commit(s->s, r->w.now, &op, NULL) : rai_session_rollback(s->s, r->w.now, &op, NULL);
    if (rc != RA_OK)
        return;
    note(r, rc, op, commit ? WORK_COMMIT : WORK_ROLLBACK, session)->transaction = s->transaction;
    if (!commit)
        let_go(r, session, -1);
    trace(r, commit ? "commits" : "rolls back", session, s->transaction);
    s->transaction++;
}

/* --- consumers --- */

static void take_one(struct work *r, int session, int consumer)
{
    struct work_session *s = &r->sessions[session];
    struct work_consumer *c = &s->consumers[consumer];
    rai_op *op = NULL;
    if (c->c == NULL || s->s->rollbacks > 0)
        return; /* what was delivered before a rollback is done is not for us */
    ra_message *m = rai_consumer_take(c->c, 0, r->w.now);
    if (m == NULL)
        return;
    int id = m->body_size > 1 ? atoi((const char *)m->body + 1) : -1; /* the blob goes on behind it with a zero byte */
    if (id < 0 || id >= WORK_QUEUED || m->body[0] != 'q')
        world_fail(&r->w, "a message that nobody queued");
    if (r->consumed[id] > 0 && !r->lossy)
        world_fail(&r->w, "message %d is delivered after it was acknowledged", id);
    if (r->held[id] != 0 && !r->lossy)
        world_fail(&r->w, "message %d was delivered to %d, and %d has it", id, session * WORK_CONSUMERS + consumer + 1,
                   r->held[id]);
    if (c->seen_first && id <= c->last && !r->given_back[id])
        world_fail(&r->w, "message %d is delivered after %d", id, c->last);
    *c = (struct work_consumer){ .c = c->c, .last = id, .seen_first = true };
    r->held[id] = session * WORK_CONSUMERS + consumer + 1;
    r->taken[id]++;
    trace(r, "takes", session, id);
    bool with_op = chance(r, 30);
    int rc = rai_consumer_acknowledge(c->c, m, chance(r, 50), r->w.now, with_op ? &op : NULL, NULL);
    if (with_op)
        note(r, rc, op, WORK_ACK, session)->message = id;
    rai_message_unref(m);
}

static void open_consumer(struct work *r, int session, int consumer)
{
    static const int32_t windows[] = { 1, 300, 1000, -1 };
    struct work_consumer *c = &r->sessions[session].consumers[consumer];
    rai_op *op = NULL;
    *c = (struct work_consumer){ .c = NULL };
    int rc = rai_consumer_open(r->sessions[session].s, "out", NULL, false, windows[pick(r, 4)], NULL, r->w.now, &c->c,
                               &op, NULL);
    note(r, rc, op, WORK_REQUEST, session)->expected = RA_OUTCOME_CONFIRMED;
}

static void close_consumer(struct work *r, int session, int consumer)
{
    struct work_consumer *c = &r->sessions[session].consumers[consumer];
    rai_op *op = NULL;
    int rc = rai_consumer_close(c->c, r->w.now, &op, NULL);
    note(r, rc, op, WORK_REQUEST, session)->expected = RA_OUTCOME_CONFIRMED;
    rai_consumer_release(c->c, r->w.now);
    c->c = NULL;
    trace(r, "closes consumer", session, consumer);
    let_go(r, session, consumer);
}

static void force_delivery(struct work *r, int session, struct work_consumer *c)
{
    rai_op *op = NULL;
    int rc = rai_consumer_force(c->c, r->w.now, &op, NULL);
    note(r, rc, op, WORK_REQUEST, session);
}

static void change_consumer(struct work *r, int session)
{
    int consumer = (int)pick(r, WORK_CONSUMERS);
    struct work_consumer *c = &r->sessions[session].consumers[consumer];
    if (c->c == NULL)
        open_consumer(r, session, consumer);
    else if (chance(r, 50))
        close_consumer(r, session, consumer);
    else
        force_delivery(r, session, c);
}

/* --- a step --- */

static void work_of_producer(struct work *r, int session)
{
    bool transacted = r->sessions[session].transacted;
    uint32_t what = pick(r, 8);
    if (what < 5)
        for (uint32_t n = pick(r, 8); n > 0; n--)
            one_send(r, session);
    else if (what < 7 && transacted)
        end_transaction(r, session, chance(r, 80));
    else
        one_request(r, session);
}

static void work_of_consumer(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    uint32_t what = pick(r, 16);
    if (what < 10)
        take_one(r, session, (int)pick(r, WORK_CONSUMERS));
    else if (what < 12 && s->transacted)
        end_transaction(r, session, chance(r, 80));
    else if (what < 13)
        change_consumer(r, session);
    else if (what < 14)
        one_request(r, session);
}

void work_some(struct work *r)
{
    int session = (int)pick(r, (uint32_t)r->session_count);
    if (r->op_count > WORK_OPS / 2 || r->send_count > WORK_SENDS - 20)
        return;
    if (r->sessions[session].consumes)
        work_of_consumer(r, session);
    else
        work_of_producer(r, session);
}

/* --- what the engine tells --- */

static int session_of(const struct work *r, const void *owner)
{
    for (int i = 0; i < r->session_count; i++)
        if (owner == &r->sessions[i])
            return i;
    world_fail(&r->w, "an event of a session that is not there");
}

static void send_ended(struct work *r, int id, int outcome)
{
    struct work_send *s = &r->sends[id];
    if (id >= r->send_count || s->forget || s->op != NULL)
        world_fail(&r->w, "an outcome of send %d, which was not asked for", id);
    if (s->reported)
        world_fail(&r->w, "two outcomes of send %d", id);
    s->reported = true;
    s->outcome = outcome;
    trace(r, outcome == RA_OUTCOME_CONFIRMED ? "hears of good send" : "hears of bad send", s->session, id);
}

/* A session at rest is not guarded while it moves: if the broker closes it, another one is made, and nothing is lost.
 */
static void session_recreated(struct work *r, int session, const struct rai_event *event)
{
    bool holds = false;
    for (int i = 0; i < WORK_QUEUED; i++)
        holds = holds || (r->held[i] > 0 && (r->held[i] - 1) / WORK_CONSUMERS == session && r->consumed[i] == 0);
    r->recreated++;
    r->sessions[session].recreated = true;
    if (!r->lossy && (holds || event->count > 0))
        world_fail(&r->w, "session %d was recreated, and the broker had it", session);
    let_go(r, session, -1);
}

static void on_event(struct work *r, const struct rai_event *event)
{
    switch (event->kind) {
    case RA_EVENT_DISCONNECTED:
        r->down = r->ever_down = true;
        break;
    case RA_EVENT_REATTACHED:
        r->reattached++;
        if (!r->ever_down)
            world_fail(&r->w, "re-attached, and no link was lost");
        session_of(r, event->session);
        break;
    case RA_EVENT_RECREATED:
        session_recreated(r, session_of(r, event->session), event);
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
        for (uint64_t tag = event->first; tag <= event->last; tag++)
            send_ended(r, (int)tag - 1, event->outcome);
        break;
    default:
        break;
    }
}

/* A wait ends at its deadline, whatever becomes of the work. */
static void give_up_late_ones(struct work *r)
{
    while (r->first_pending < r->op_count && rai_op_outcome(r->ops[r->first_pending].op) != RA_OUTCOME_PENDING)
        r->first_pending++;
    for (int i = r->first_pending; i < r->op_count; i++) {
        struct work_op *o = &r->ops[i];
        if (rai_op_outcome(o->op) != RA_OUTCOME_PENDING || o->abandoned || rai_op_deadline(o->op) > r->w.now)
            continue;
        o->abandoned = true;
        rai_op_abandon(o->op, r->w.now);
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
    give_up_late_ones(r);
}

/* --- the beginning --- */

static void open_session(struct work *r, bool transacted, bool consumes)
{
    int id = r->session_count++;
    struct work_session *s = &r->sessions[id];
    struct rai_fault fault;
    *s = (struct work_session){ .transacted = transacted, .consumes = consumes, .transaction = 1 };
    if (rai_session_open(r->w.e, transacted, s, r->w.now, &s->s, NULL, &fault) != RA_OK)
        world_fail(&r->w, "no session: %s", fault.text);
}

static void fill_session(struct work *r, int id)
{
    struct work_session *s = &r->sessions[id];
    struct rai_fault fault;
    rai_op *op = NULL;
    if (s->consumes) {
        for (int i = 0; i < 1 + (int)pick(r, WORK_CONSUMERS); i++)
            open_consumer(r, id, i);
        rai_session_start(s->s, r->w.now, NULL);
        return;
    }
    s->bound = chance(r, 40);
    if (rai_producer_open(s->s, s->bound ? "in" : NULL, r->w.now, &s->producer, &op, &fault) != RA_OK)
        world_fail(&r->w, "no producer: %s", fault.text);
    note(r, RA_OK, op, WORK_REQUEST, id)->expected = RA_OUTCOME_CONFIRMED;
}

static bool sessions_open(const struct work *r)
{
    for (int i = 0; i < r->session_count; i++)
        if (r->sessions[i].s->state != RAI_S_OPEN)
            return false;
    return true;
}

static void await_sessions(struct work *r)
{
    while (!sessions_open(r)) {
        if (!world_turn(&r->w, 0))
            world_pass(&r->w, world_deadline(&r->w));
        work_listen(r);
    }
}

void work_begin(struct work *r)
{
    rai_mock_add_queue(r->w.m, "in", "in", true);
    rai_mock_add_queue(r->w.m, "out", "out", true);
    rai_mock_refuse(r->w.m, "denied", 105);
    for (int i = 0; i < WORK_QUEUED; i++) {
        char body[16];
        int size = snprintf(body, sizeof body, "q%d", i);
        rai_mock_add_message(r->w.m, "out", (const uint8_t *)body, (size_t)size);
    }
    for (int i = 1 + (int)pick(r, 2); i > 0; i--)
        open_session(r, false, false);
    for (int i = (int)pick(r, 3); i > 0; i--)
        open_session(r, true, false);
    open_session(r, chance(r, 40), true);
    if (chance(r, 30))
        open_session(r, chance(r, 40), true);
    await_sessions(r);
    for (int i = 0; i < r->session_count; i++)
        fill_session(r, i);
}

/* --- the end --- */

static bool settled(struct work *r)
{
    for (int i = 0; i < r->send_count; i++) {
        struct work_send *s = &r->sends[i];
        if (s->op != NULL && !s->reported && rai_op_outcome(s->op) != RA_OUTCOME_PENDING)
            s->reported = true, s->outcome = rai_op_outcome(s->op);
        if (!s->reported && !s->forget)
            return false;
    }
    for (int i = 0; i < r->op_count; i++)
        if (rai_op_outcome(r->ops[i].op) == RA_OUTCOME_PENDING)
            return false;
    for (int i = 0; i < r->session_count; i++) {
        const rai_session *s = r->sessions[i].s;
        bool counts = r->w.config.confirmation_window >= 0; /* else only answers empty the log */
        if (s->state != RAI_S_OPEN || (counts && (!rai_log_empty(&s->log) || s->forgets != 0)))
            return false;
    }
    return true;
}

static bool consume_all(struct work *r)
{
    bool any = false;
    for (int i = 0; i < r->session_count; i++)
        for (int k = 0; k < WORK_CONSUMERS; k++) {
            const struct work_consumer *c = &r->sessions[i].consumers[k];
            while (c->c != NULL && r->sessions[i].s->rollbacks == 0 && rai_consumer_has_message(c->c)) {
                take_one(r, i, k);
                any = true;
            }
        }
    return any;
}

/* Acknowledgements wait for their batch, those of a transaction for its end. */
static void finish_acks(struct work *r)
{
    for (int i = 0; i < r->session_count; i++) {
        struct work_session *s = &r->sessions[i];
        rai_op *op = NULL;
        if (!s->consumes)
            continue;
        if (s->consumers[0].c == NULL)
            open_consumer(r, i, 0);
        if (s->transacted) {
            end_transaction(r, i, true);
        } else {
            int rc = rai_session_flush(s->s, r->w.now, &op, NULL);
            note(r, rc, op, WORK_REQUEST, i);
        }
    }
}

static void show(const struct work *r)
{
    for (int i = 0; i < r->session_count; i++) {
        const rai_session *s = r->sessions[i].s;
        fprintf(stderr, "channel %d: %s, log %d..%d..%d..%d, %d pending, received %d, broker counted %d\n",
                (int)s->channel, rai_session_state_name(s->state), (int)s->log.confirmed, (int)s->log.planned,
                (int)s->log.written, (int)s->log.end, (int)(s->pendings.tail - s->pendings.head), (int)s->received,
                (int)rai_mock_session_count(r->w.m, s->name).commands);
    }
    for (int i = 0; i < WORK_QUEUED; i++)
        if (r->consumed[i] == 0)
            fprintf(stderr, "message %d: taken %d times, held by %d\n", i, r->taken[i], r->held[i]);
}

static void turn_all(struct work *r)
{
    while (world_turn(&r->w, 0) || consume_all(r))
        work_listen(r);
}

void work_quiesce(struct work *r)
{
    int64_t limit = r->w.now + 60000000; /* a silent link is noticed in 10 seconds, a stale request probed for in 60 */
    rai_mock_set_sync(r->w.m, 20000);
    while (true) {
        turn_all(r);
        if (settled(r)) {
            if (rai_mock_queue_messages(r->w.m, "out") == 0)
                return;
            finish_acks(r);
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

/* --- the checks --- */

/* A commit that was never written leaves the transaction to the next end. */
static int fate_of(const struct work *r, int session, int transaction, bool *carried)
{
    *carried = false;
    for (int i = 0; i < r->op_count; i++) {
        const struct work_op *o = &r->ops[i];
        bool ends = o->what == WORK_COMMIT || o->what == WORK_ROLLBACK;
        if (!ends || o->session != session || o->transaction != transaction)
            continue;
        int outcome = rai_op_outcome(o->op);
        if (o->what == WORK_ROLLBACK && outcome != RA_OUTCOME_NOT_DONE)
            return RA_OUTCOME_REJECTED;
        if (outcome != RA_OUTCOME_NOT_DONE)
            return outcome;
        *carried = true;
        transaction++;
    }
    return RA_OUTCOME_NOT_DONE; /* never ended */
}

static void check_in_transaction(const struct work *r, int id)
{
    const struct work_send *s = &r->sends[id];
    bool carried;
    int fate = fate_of(r, s->session, s->transaction, &carried);
    bool refused = !s->forget && s->outcome != RA_OUTCOME_CONFIRMED;
    bool dropped = r->lossy || r->sessions[s->session].recreated;
    if (fate == RA_OUTCOME_CONFIRMED && s->stored != 1 && !refused && !(carried && dropped))
        world_fail(&r->w, "send %d was committed, and not stored", id);
    if (fate != RA_OUTCOME_CONFIRMED && fate != RA_OUTCOME_UNKNOWN && s->stored != 0)
        world_fail(&r->w, "send %d was not committed, and yet stored (%d)", id, fate);
    if (!dropped && refused)
        world_fail(&r->w, "send %d of a transaction had no reason to end as %d", id, s->outcome);
}

static void check_send(const struct work *r, int id)
{
    const struct work_send *s = &r->sends[id];
    int outcome = s->forget ? RA_OUTCOME_PROCESSED : s->outcome;
    if (s->stored > 1 || s->stored < 0)
        world_fail(&r->w, "send %d is stored %d times", id, s->stored);
    if ((outcome == RA_OUTCOME_REJECTED || outcome == RA_OUTCOME_NOT_DONE) && s->stored != 0)
        world_fail(&r->w, "send %d was not done, and yet stored", id);
    if (s->kind == WORK_DENIED) {
        if (s->stored != 0)
            world_fail(&r->w, "send %d was denied, and yet stored", id);
        if (!s->forget && outcome != RA_OUTCOME_REJECTED && !(r->lossy && outcome == RA_OUTCOME_UNKNOWN) &&
            !(r->lossy && outcome == RA_OUTCOME_NOT_DONE))
            world_fail(&r->w, "send %d was denied, and ends as %d", id, outcome);
    } else if (s->kind == WORK_IN_TRANSACTION) {
        check_in_transaction(r, id);
    } else {
        bool must = outcome == RA_OUTCOME_CONFIRMED || (s->forget && !r->lossy);
        if (must && s->stored != 1)
            world_fail(&r->w, "send %d was confirmed, and is not stored", id);
        if (!r->lossy && !s->forget && outcome != RA_OUTCOME_CONFIRMED)
            world_fail(&r->w, "send %d had no reason to end as %d", id, outcome);
    }
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
    snprintf(text, sizeof text, "%.*s", (int)size, (const char *)body);
    int id = atoi(text + 1), session = o->r->sends[id].session;
    o->count++;
    if (o->r->sends[id].stored != 1)
        world_fail(&o->r->w, "send %d is in the queue, and was not stored", id);
    if (id < o->last[session] && !o->r->lossy)
        world_fail(&o->r->w, "send %d stands behind send %d", id, o->last[session]);
    o->last[session] = id;
}

static void check_queue(struct work *r)
{
    struct order order = { .r = r };
    int stored = 0;
    for (int i = 0; i < WORK_SESSIONS; i++)
        order.last[i] = -1;
    rai_mock_each_message(r->w.m, "in", in_order, &order);
    for (int i = 0; i < r->send_count; i++)
        stored += r->sends[i].stored;
    if (order.count != stored)
        world_fail(&r->w, "%d messages are in the queue, and %d were stored", order.count, stored);
}

static void check_ops(const struct work *r)
{
    for (int i = 0; i < r->op_count; i++) {
        const struct work_op *o = &r->ops[i];
        int outcome = rai_op_outcome(o->op);
        int code = rai_op_fault(o->op)->code; /* late, or its consumer was closed before it was open */
        bool given_up = outcome == RA_OUTCOME_NOT_DONE && (code == RA_E_TIMEOUT || code == RA_E_CLOSED);
        if (o->expected != 0 && outcome != o->expected && !r->lossy && !given_up)
            world_fail(&r->w, "operation %d ends as %d, expected %d: %s", i, outcome, o->expected,
                       rai_op_fault(o->op)->text);
        if (o->what == WORK_ACK && outcome == RA_OUTCOME_CONFIRMED && !r->sessions[o->session].transacted &&
            r->consumed[o->message] == 0)
            world_fail(&r->w, "message %d was acknowledged, and is not consumed", o->message);
    }
    for (int i = 0; i < WORK_QUEUED; i++)
        if (r->consumed[i] != 1 || r->taken[i] == 0)
            world_fail(&r->w, "message %d was consumed %d times, taken %d times", i, r->consumed[i], r->taken[i]);
    if (r->bad_acks > 0 && !r->lossy)
        world_fail(&r->w, "%d acknowledgements were refused", r->bad_acks);
}

static void check_numbers(struct work *r)
{
    rai_mock_confirm_all(r->w.m);
    turn_all(r);
    for (int i = 0; i < r->session_count; i++) {
        const rai_session *s = r->sessions[i].s;
        struct rai_mock_count count = rai_mock_session_count(r->w.m, s->name);
        if (!count.found)
            world_fail(&r->w, "the broker does not have session %d", i);
        if (r->w.config.confirmation_window < 0)
            continue; /* nobody counts */
        if (!rai_log_empty(&s->log) || s->log.first != count.commands + 1)
            world_fail(&r->w, "the numbers of commands differ by %d", (int)(s->log.first - count.commands - 1));
        if (s->received != count.packets)
            world_fail(&r->w, "the numbers of packets differ by %d", (int)(s->received - count.packets));
    }
    if (rai_engine_stat(r->w.e, RA_STAT_NUMBERING_REPAIRS) > 0)
        world_fail(&r->w, "the numbering was repaired");
}

void work_check(struct work *r)
{
    for (int i = 0; i < r->send_count; i++)
        check_send(r, i);
    check_queue(r);
    check_ops(r);
    check_numbers(r);
}

static bool ended_all(const struct work *r)
{
    for (int i = 0; i < r->op_count; i++)
        if (rai_op_outcome(r->ops[i].op) == RA_OUTCOME_PENDING)
            return false;
    return true;
}

static void await_end(struct work *r, const char *what)
{
    int64_t limit = r->w.now + 30000000;
    while (world_turn(&r->w, 0) || !ended_all(r)) {
        work_listen(r);
        if (ended_all(r))
            continue;
        if (world_deadline(&r->w) > limit)
            world_fail(&r->w, "%s does not end", what);
        world_pass(&r->w, world_deadline(&r->w));
    }
}

void work_close(struct work *r)
{
    r->ending = true;
    for (int i = 0; i < r->session_count; i++) {
        rai_op *op = NULL;
        int rc = rai_session_close(r->sessions[i].s, r->w.now, &op, NULL);
        note(r, rc, op, WORK_CLOSE, i)->expected = RA_OUTCOME_CONFIRMED;
    }
    await_end(r, "closing the sessions");
    rai_op *leave = rai_engine_leave(r->w.e, r->w.now);
    note(r, RA_OK, leave, WORK_CLOSE, -1)->expected = RA_OUTCOME_CONFIRMED;
    await_end(r, "leaving");
    rai_engine_shut(r->w.e, r->w.now);
    await_end(r, "the end");
    for (int i = 0; i < r->op_count; i++)
        if (r->ops[i].what == WORK_CLOSE && rai_op_outcome(r->ops[i].op) != RA_OUTCOME_CONFIRMED)
            world_fail(&r->w, "a close ends as %d", rai_op_outcome(r->ops[i].op));
    for (int i = 0; i < r->session_count; i++)
        if (rai_mock_session_count(r->w.m, r->sessions[i].s->name).found)
            world_fail(&r->w, "session %d was closed, and the broker has it", i);
    if (!rai_engine_dead(r->w.e))
        world_fail(&r->w, "shut, and not dead");
}

int work_commands(const struct work *r)
{
    int n = 0;
    for (int i = 0; i < r->session_count; i++)
        n += (int)rai_mock_session_count(r->w.m, r->sessions[i].s->name).commands + 1;
    return n;
}

void work_free(struct work *r)
{
    for (int i = 0; i < r->op_count; i++)
        rai_op_unref(r->ops[i].op);
    for (int i = 0; i < r->send_count; i++)
        rai_op_unref(r->sends[i].op);
}
