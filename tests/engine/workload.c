#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model.h"
#include "support/test.h"

enum { STEPS = 150, SENDS = 1000, OPS = 1000, QUEUED = 40 };
enum { PLAIN, DENIED, IN_TRANSACTION };

struct send {
    int kind, outcome, transaction;
    bool forget, reported;
    rai_op *op;
};

struct request {
    rai_op *op;
    int transaction; /* committed by it; 0: something else */
    int message;     /* acknowledged by it, -1 */
};

struct run {
    struct peer *p;
    struct model m;
    uint64_t seed;
    bool restarts, duplicate_ids;
    rai_session *plain, *transacted, *consuming;
    rai_producer *plain_producer, *transacted_producer;
    rai_consumer *consumer;
    struct send sends[SENDS];
    int send_count;
    struct request requests[OPS];
    int request_count;
    int transaction; /* number of the present one */
    int rolled_back[OPS];
    int taken[QUEUED], last_taken;
    bool recreated; /* since the last message taken */
};

static void fail(const struct run *r, const char *what, int id)
{
    cr_assert_fail("seed %llu: %s (%d)", (unsigned long long)r->seed, what, id);
}

/* --- the work --- */

static void one_send(struct run *r, bool transacted)
{
    static const char letters[] = "ndt";
    struct send *s = &r->sends[r->send_count];
    struct rai_fault fault;
    char body[64];
    *s = (struct send){ .kind = transacted ? IN_TRANSACTION : model_chance(&r->m, 10) ? DENIED : PLAIN };
    s->transaction = transacted ? r->transaction : 0;
    snprintf(body, sizeof body, "%c%d", letters[s->kind], r->send_count);
    enum rai_send_mode mode = (enum rai_send_mode)model_random(&r->m, 3);
    ra_message *m = rai_message_new(0);
    rai_message_lend_body(m, body, strlen(body));
    int rc =
        rai_producer_send(transacted ? r->transacted_producer : r->plain_producer, s->kind == DENIED ? "denied" : "a",
                          m, mode, (uint64_t)r->send_count + 1, r->p->now, &s->op, &fault);
    rai_message_unref(m);
    if (rc != RA_OK)
        return;
    s->forget = mode == RAI_SEND_FORGET;
    r->send_count++;
}

static void add_request(struct run *r, int rc, rai_op *op, int transaction, int message)
{
    if (rc == RA_OK)
        r->requests[r->request_count++] = (struct request){ op, transaction, message };
}

static void one_request(struct run *r)
{
    rai_op *op = NULL;
    rai_session *s = model_chance(&r->m, 50) ? r->plain : r->consuming;
    int rc;
    switch (model_random(&r->m, 4)) {
    case 0:
        rc = rai_session_create_queue(s, "old", NULL, 0, 0, NULL, r->p->now, &op, NULL);
        break;
    case 1:
        rc = rai_session_create_queue(s, "new", NULL, 0, 0, NULL, r->p->now, &op, NULL);
        break;
    case 2:
        rc = rai_session_query_queue(s, "q", r->p->now, &op, NULL);
        break;
    default:
        rc = rai_session_flush(s, r->p->now, &op, NULL);
    }
    add_request(r, rc, op, 0, -1);
}

static void end_transaction(struct run *r, bool commit)
{
    rai_op *op = NULL;
    int rc = commit ? rai_session_commit(r->transacted, r->p->now, &op, NULL)
                    : rai_session_rollback(r->transacted, r->p->now, &op, NULL);
    add_request(r, rc, op, commit ? r->transaction : 0, -1);
    r->rolled_back[r->transaction] = !commit;
    r->transaction++;
}

static void consume(struct run *r)
{
    ra_message *m = rai_consumer_take(r->consumer, 0, r->p->now);
    rai_op *op = NULL;
    if (m == NULL)
        return;
    int id = (int)m->id - 1;
    if (r->taken[id]++ > 0 && !r->restarts)
        fail(r, "a message was delivered twice", id);
    if (id != r->last_taken + 1 && !r->restarts)
        fail(r, "messages are out of order", id);
    r->last_taken = id;
    bool with_op = model_chance(&r->m, 30);
    int rc = rai_consumer_acknowledge(r->consumer, m, model_chance(&r->m, 50), r->p->now, with_op ? &op : NULL, NULL);
    if (with_op)
        add_request(r, rc, op, 0, id);
    rai_message_unref(m);
}

static void some_work(struct run *r)
{
    if (r->send_count > SENDS - 20 || r->request_count > OPS - 20 || r->plain_producer == NULL)
        return;
    switch (model_random(&r->m, 8)) {
    case 0:
    case 1:
    case 2:
        for (uint32_t n = model_random(&r->m, 8); n > 0; n--)
            one_send(r, false);
        break;
    case 3:
    case 4:
        for (uint32_t n = model_random(&r->m, 4); n > 0; n--)
            one_send(r, true);
        break;
    case 5:
        end_transaction(r, model_chance(&r->m, 80));
        break;
    case 6:
        one_request(r);
        break;
    default:
        consume(r);
    }
}

/* --- what comes of it --- */

static void events(struct run *r)
{
    struct rai_event event;
    rai_op *op;
    while (rai_engine_next_event(r->p->e, &event)) {
        if (event.kind == RA_EVENT_SESSION_LOST || event.kind == RA_EVENT_GAVE_UP)
            fail(r, event.fault.text, event.fault.code);
        if (event.kind != RA_EVENT_SEND_OUTCOME)
            continue;
        for (uint64_t tag = event.first; tag <= event.last; tag++) {
            struct send *s = &r->sends[tag - 1];
            if (s->reported)
                fail(r, "two outcomes of one send", (int)tag - 1);
            s->reported = true;
            s->outcome = event.outcome;
        }
    }
    while ((op = rai_engine_next_done(r->p->e)) != NULL)
        rai_op_unref(op);
}

static bool settled(struct run *r)
{
    for (int i = 0; i < r->send_count; i++) {
        struct send *s = &r->sends[i];
        if (s->op != NULL && rai_op_outcome(s->op) != RA_OUTCOME_PENDING)
            s->reported = true, s->outcome = rai_op_outcome(s->op);
        if (!s->reported && !s->forget)
            return false;
    }
    for (int i = 0; i < r->request_count; i++)
        if (rai_op_outcome(r->requests[i].op) == RA_OUTCOME_PENDING)
            return false;
    for (rai_session *s = r->p->e->sessions; s != NULL; s = s->next)
        if (s->state != RAI_S_OPEN || !rai_log_empty(&s->log))
            return false;
    for (int i = 0; i < QUEUED; i++)
        if (r->taken[i] == 0)
            return false;
    return r->plain->forgets == 0 && r->transacted->forgets == 0;
}

static bool refuse_dial(struct run *r)
{
    struct rai_dial dial;
    struct rai_fault why;
    if (!rai_engine_next_dial(r->p->e, &dial))
        return false;
    rai_fault_set(&why, RA_E_CONNECT, "refused");
    rai_engine_dial_failed(r->p->e, dial.link, &why, r->p->now);
    peer_hangups(r->p);
    return true;
}

static bool turn(struct run *r, uint32_t amount)
{
    struct model *m = &r->m;
    bool any = amount > 0 && model_chance(m, 5) && refuse_dial(r);
    while (peer_dial(r->p) > 0)
        any = true;
    for (int i = 1; i <= r->p->count; i++)
        any |= r->p->links[i].up && peer_pump(r->p, i, amount == 0 ? SIZE_MAX : 1 + model_random(m, amount)) > 0;
    any |= model_read(m, amount == 0 ? 1000 : (int)model_random(m, 20));
    any |= model_execute(m, amount == 0 ? 1000 : (int)model_random(m, 20));
    any |= model_complete(m);
    any |= model_deliver(m, amount == 0 ? SIZE_MAX : model_random(m, amount));
    events(r);
    return any;
}

static void pass_time(struct run *r, int64_t at)
{
    r->p->now = at > r->p->now ? at : r->p->now;
    rai_engine_tick(r->p->e, r->p->now);
    peer_hangups(r->p);
    events(r);
}

/* What does not end, for the reader of a failure. */
static void show(const struct run *r)
{
    for (const rai_session *s = r->p->e->sessions; s != NULL; s = s->next)
        fprintf(stderr, "channel %d: %s, log %d..%d..%d..%d, %d pending, received %d, counted by the broker %d\n",
                (int)s->channel, rai_session_state_name(s->state), (int)s->log.confirmed, (int)s->log.planned,
                (int)s->log.written, (int)s->log.end, (int)(s->pendings.tail - s->pendings.head), (int)s->received,
                (int)r->m.sessions[s->channel].counted);
    for (int i = 0; i < QUEUED; i++)
        if (r->taken[i] == 0)
            fprintf(stderr, "message %d not taken\n", i);
    fprintf(stderr, "%d sends, %d requests\n", r->send_count, r->request_count);
}

/* No more trouble: everything must end soon, long before the call time-out of 30 seconds. */
static void quiesce(struct run *r)
{
    int64_t limit = r->p->now + 20000000;
    r->m.sync_us = 20000;
    for (bool confirmed = false;;) {
        while (turn(r, 0) || rai_consumer_has_message(r->consumer))
            consume(r);
        if (settled(r))
            return;
        int64_t sync = model_next_sync(&r->m), deadline = rai_engine_deadline(r->p->e);
        int64_t next = sync < deadline ? sync : deadline;
        if (next <= limit) {
            pass_time(r, next);
            continue;
        }
        if (confirmed)
            show(r);
        if (confirmed)
            fail(r, "something does not end", r->p->e->main == NULL);
        confirmed = true;
        model_confirm_all(&r->m); /* as the broker does every two seconds */
    }
}

static void trouble(struct run *r)
{
    struct model *m = &r->m;
    for (int i = 1; i <= r->p->count && r->p->count < PEER_LINKS / 2; i++) {
        if (!r->p->links[i].up || !model_chance(m, 4))
            continue;
        peer_pump(r->p, i, model_random(m, 400));
        model_cut(m, i);
    }
    if (r->restarts && model_chance(m, 1))
        model_restart(m);
}

/* --- the checks --- */

static int outcome_of_transaction(const struct run *r, int transaction)
{
    for (int i = 0; i < r->request_count; i++)
        if (r->requests[i].transaction == transaction)
            return rai_op_outcome(r->requests[i].op);
    return RA_OUTCOME_NOT_DONE; /* never committed */
}

static void check_send(const struct run *r, int id)
{
    const struct send *s = &r->sends[id];
    int stored = r->m.stored[id];
    int outcome = s->forget ? RA_OUTCOME_PROCESSED : s->outcome;
    if (stored > 1)
        fail(r, "stored twice", id);
    if (s->kind == DENIED && stored > 0)
        fail(r, "stored though denied", id);
    if (s->kind == DENIED && !s->forget && outcome != RA_OUTCOME_REJECTED &&
        !(r->restarts && outcome == RA_OUTCOME_UNKNOWN))
        fail(r, "a denied send was not rejected", outcome);
    if ((outcome == RA_OUTCOME_REJECTED || outcome == RA_OUTCOME_NOT_DONE) && stored != 0)
        fail(r, "not done, and yet stored", id);
    if (s->kind == PLAIN && (outcome == RA_OUTCOME_CONFIRMED || (s->forget && !r->restarts)) && stored != 1)
        fail(r, "confirmed, and not stored", id);
    if (r->duplicate_ids && s->kind == PLAIN && (stored != 1 || (!s->forget && outcome != RA_OUTCOME_CONFIRMED)))
        fail(r, "a send with a duplicate id is not there, or nobody knows", outcome);
    if (r->duplicate_ids && s->kind == DENIED && !s->forget && outcome != RA_OUTCOME_REJECTED)
        fail(r, "a denied send with a duplicate id is in doubt", outcome);
    if (s->kind != IN_TRANSACTION)
        return;
    int commit = outcome_of_transaction(r, s->transaction);
    if (commit == RA_OUTCOME_CONFIRMED && stored != 1)
        fail(r, "committed, and not stored", id);
    if (commit != RA_OUTCOME_CONFIRMED && commit != RA_OUTCOME_UNKNOWN && stored != 0)
        fail(r, "not committed, and yet stored", id);
    if (!r->restarts && !s->forget && outcome != RA_OUTCOME_CONFIRMED)
        fail(r, "a send of a transaction without reason to fail", outcome);
}

static void check_order(const struct run *r)
{
    int last[3] = { -1, -1, -1 };
    for (int i = 0; i < r->m.order_count; i++) {
        int id = r->m.order[i], kind = r->sends[id].kind;
        if (id < last[kind])
            fail(r, "stored out of order", id);
        last[kind] = id;
    }
}

static void check_numbers(struct run *r)
{
    model_confirm_all(&r->m);
    while (turn(r, 0))
        ;
    for (rai_session *s = r->p->e->sessions; s != NULL; s = s->next) {
        const struct model_session *b = &r->m.sessions[s->channel];
        if (!rai_log_empty(&s->log) || s->log.first != b->counted + 1)
            fail(r, "the numbers of commands differ", (int)(s->log.first - b->counted - 1));
        if (s->received != b->stored + (uint32_t)b->cache.count - 1)
            fail(r, "the numbers of packets differ", (int)(s->received - b->stored - (uint32_t)b->cache.count + 1));
        if (s->not_done > 0 && !r->restarts)
            fail(r, "work was not done", (int)s->not_done);
    }
    if (peer_stat(r->p, RA_STAT_NUMBERING_REPAIRS) > 0)
        fail(r, "the numbering was repaired", 0);
}

static void check_messages(struct run *r)
{
    for (int i = 0; i < QUEUED; i++)
        if (r->taken[i] == 0)
            fail(r, "a message was not delivered", i);
    if (r->m.bad_acks > 0 && !r->restarts)
        fail(r, "acknowledgements were refused", r->m.bad_acks);
    for (int i = 0; i < r->request_count; i++) {
        const struct request *q = &r->requests[i];
        if (q->message >= 0 && rai_op_outcome(q->op) == RA_OUTCOME_CONFIRMED && !r->m.acked[q->message])
            fail(r, "acknowledged, and not", q->message);
    }
}

static void check(struct run *r)
{
    for (int i = 0; i < r->send_count; i++)
        check_send(r, i);
    if (!r->restarts)
        check_order(r);
    check_messages(r);
    check_numbers(r);
}

/* --- one run --- */

static void open_all(struct run *r)
{
    struct rai_fault fault;
    r->plain = peer_session(r->p, false);
    r->transacted = peer_session(r->p, true);
    r->consuming = peer_session(r->p, false);
    while (turn(r, 0))
        ;
    r->plain_producer = peer_producer(r->p, r->plain);
    r->transacted_producer = peer_producer(r->p, r->transacted);
    cr_assert_eq(rai_consumer_open(r->consuming, "q", NULL, false, 300, NULL, r->p->now, &r->consumer, NULL, &fault),
                 0);
    rai_session_start(r->consuming, r->p->now, NULL);
    r->transaction = 1;
    r->last_taken = -1;
}

static void configure(struct run *r)
{
    static const int windows[] = { 1, 100, 1000, 65536 };
    r->p->config.confirmation_window = windows[model_random(&r->m, 4)];
    r->p->config.max_retry_interval = 1000;
    r->p->config.initial_connect_attempts = -1;
    r->p->config.duplicate_detection = r->duplicate_ids;
    r->p->config.duplicate_detection_limit = 10;
    r->p->config.ack_batch_size = model_chance(&r->m, 50) ? 0 : 200;
    r->m.sync_us = model_chance(&r->m, 20) ? 3000000 : 20000;
}

static void one_step(struct run *r)
{
    some_work(r);
    turn(r, 2000);
    trouble(r);
    pass_time(r, r->p->now + model_random(&r->m, 10000));
    if (model_chance(&r->m, 5))
        pass_time(r, r->p->now + model_random(&r->m, 2000000));
}

static void let_go(struct run *r)
{
    for (int i = 0; i < r->request_count; i++)
        rai_op_unref(r->requests[i].op);
    for (int i = 0; i < r->send_count; i++)
        rai_op_unref(r->sends[i].op);
    model_free(&r->m);
    peer_free(r->p);
}

void workload_run(uint64_t seed, enum workload_kind kind, const uint8_t *script, size_t size)
{
    static struct run r;
    long before = rai_alloc_count();
    memset(&r, 0, sizeof r);
    r.p = peer_new();
    r.seed = seed;
    r.restarts = kind != WORKLOAD_CUTS;
    r.duplicate_ids = kind == WORKLOAD_RESTARTS_WITH_DUPLICATE_IDS;
    r.p->seed = seed;
    model_init(&r.m, r.p, seed);
    r.m.script = script;
    r.m.script_left = size;
    configure(&r);
    model_fill(&r.m, QUEUED);
    peer_start(r.p);
    open_all(&r);
    for (int step = 0; step < STEPS && (script == NULL || r.m.script_left > 0); step++)
        one_step(&r);
    r.m.script_left = 0;
    quiesce(&r);
    check(&r);
    let_go(&r);
    if (rai_alloc_count() != before)
        fail(&r, "memory was lost", (int)(rai_alloc_count() - before));
}
