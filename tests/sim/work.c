#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const addresses[WORK_ADDRESSES] = { "in", "also", "nowhere", "denied" };

static uint32_t pick(struct work *r, uint32_t below)
{
    return world_random(&r->w, below);
}

static bool chance(struct work *r, int in_100)
{
    return world_chance(&r->w, 10 * in_100);
}

void work_trace(const struct work *r, const char *what, int session, int id)
{
    if (r->w.trace)
        fprintf(stderr, "%12.6f  * session %d: %s %d\n", (double)r->w.now / 1e6, session, what, id);
}

bool work_lives(const struct work *r, int session)
{
    const struct work_session *s = &r->sessions[session];
    return s->ready && !s->closed;
}

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

/* --- sends --- */

static int address_for(struct work *r, const struct work_session *s)
{
    if (s->bound < WORK_ADDRESSES)
        return s->bound;
    if (chance(r, s->transacted ? r->refused_in_transactions : 10))
        return WORK_DENIED;
    return chance(r, 4) ? WORK_NOWHERE : chance(r, 15) ? WORK_ALSO : WORK_IN;
}

void work_fill_body(char *body, char what, int id, size_t size)
{
    char start[16];
    snprintf(start, sizeof start, "%c%04d ", what, id);
    for (size_t i = 0; i < size; i++)
        body[i] = i < WORK_BODY_MIN ? start[i] : (char)('a' + ((size_t)id + 3 * i + i / 100) % 26);
}

bool work_is_body(const void *body, char what, int id, size_t size)
{
    char expected[WORK_BODY];
    if (size > sizeof expected)
        return false;
    work_fill_body(expected, what, id, size);
    return memcmp(body, expected, size) == 0;
}

/* The session's only message, and its only body: what is written again has to be what was sent. */
static size_t prepare(struct work *r, struct work_session *s)
{
    size_t size = WORK_BODY_MIN + (!r->small && chance(r, 10) ? pick(r, WORK_BODY - WORK_BODY_MIN) : 0);
    work_fill_body(s->body, 's', r->send_count, size);
    rai_message_lend_body(s->message, s->body, size);
    s->message->durable = chance(r, 90);
    return size;
}

static bool may_fail_so(const struct work *r, int rc)
{
    return rc == RA_E_WOULD_BLOCK || rc == RA_E_STATE || rc == RA_E_CLOSED || rc == RA_E_TIMEOUT ||
           (r->lossy && rc == RA_E_OUTCOME_UNKNOWN); /* the producer was being opened when its session was made anew */
}

static void one_send(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    struct work_send *send = &r->sends[r->send_count];
    struct rai_fault fault;
    if (s->producer == NULL || r->send_count >= WORK_SENDS)
        return;
    int to = address_for(r, s);
    size_t size = prepare(r, s);
    *send = (struct work_send){ .to = to,
                                .size = size,
                                .session = session,
                                .transaction = s->transacted ? s->transaction : 0,
                                .durable = s->message->durable };
    enum rai_send_mode mode = (enum rai_send_mode)pick(r, 3);
    int rc = rai_producer_send(s->producer, s->bound < WORK_ADDRESSES ? NULL : addresses[to], s->message, mode,
                               (uint64_t)r->send_count + 1, r->w.now, &send->op, &fault);
    s->blocked = s->blocked || rc == RA_E_WOULD_BLOCK;
    if (rc != RA_OK && !may_fail_so(r, rc))
        world_fail(&r->w, "a send ends with %d: %s", rc, fault.text);
    if (rc != RA_OK)
        return;
    send->forget = mode == RAI_SEND_FORGET;
    if (send->op != NULL)
        r->waited[r->waited_count++] = r->send_count;
    if (to == WORK_DENIED && s->transacted)
        s->denied[s->transaction % WORK_TRANSACTIONS] = true;
    work_trace(r, to == WORK_DENIED ? "sends, to be denied," : "sends", session, r->send_count);
    r->send_count++;
}

static void open_producer(struct work *r, int session)
{
    static const int kinds[] = { WORK_IN, WORK_IN, WORK_ALSO, WORK_ADDRESSES, WORK_ADDRESSES, WORK_ADDRESSES };
    struct work_session *s = &r->sessions[session];
    struct rai_fault fault;
    rai_op *op = NULL;
    s->bound = kinds[pick(r, 6)];
    if (rai_producer_open(s->s, s->bound < WORK_ADDRESSES ? addresses[s->bound] : NULL, r->w.now, &s->producer, &op,
                          &fault) != RA_OK)
        world_fail(&r->w, "no producer: %s", fault.text);
    note(r, RA_OK, op, WORK_REQUEST, session)->expected = RA_OUTCOME_CONFIRMED;
}

static void change_producer(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    if (s->producer == NULL) {
        open_producer(r, session);
        return;
    }
    rai_producer_release(s->producer, r->w.now);
    s->producer = NULL;
    s->blocked = false; /* whoever waited for room has gone */
}

/* --- requests --- */

/* A consumer that cannot be, and lets go of it sooner or later. */
static void odd_consumer(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    rai_op *op = NULL;
    if (s->odd != NULL) {
        rai_consumer_release(s->odd, r->w.now);
        s->odd = NULL;
        return;
    }
    int rc = rai_consumer_open(s->s, chance(r, 50) ? "nowhere" : "denied", NULL, false, 1000, NULL, r->w.now, &s->odd,
                               &op, NULL);
    note(r, rc, op, WORK_REQUEST, session)->expected = RA_OUTCOME_REJECTED;
}

static void one_request(struct work *r, int session)
{
    rai_session *s = r->sessions[session].s;
    rai_op *op = NULL;
    char name[32];
    int rc = RA_OK, expected = RA_OUTCOME_CONFIRMED;
    switch (pick(r, 12)) {
    case 0:
        rc = rai_session_create_queue(s, "in", NULL, 0, 0, NULL, r->w.now, &op, NULL);
        expected = RA_OUTCOME_REJECTED;
        break;
    case 1:
        snprintf(name, sizeof name, "made%d", r->queues_made++);
        rc = rai_session_create_queue(s, name, NULL, 0, chance(r, 50) ? RA_QUEUE_DURABLE : RA_QUEUE_TEMPORARY, NULL,
                                      r->w.now, &op, NULL);
        break;
    case 2:
        rc = rai_session_delete_queue(s, "nowhere", r->w.now, &op, NULL);
        expected = RA_OUTCOME_REJECTED;
        break;
    case 3:
        rc = rai_session_query_queue(s, chance(r, 50) ? "in" : "nowhere", r->w.now, &op, NULL);
        break;
    case 4:
        rc = rai_session_query_address(s, chance(r, 50) ? "in" : "nowhere", r->w.now, &op, NULL);
        break;
    case 5:
        rc = rai_session_create_address(s, "elsewhere", true, true, r->w.now, &op, NULL);
        break;
    case 6:
        rc = rai_session_create_queue(s, "denied", NULL, 0, RA_QUEUE_DURABLE, NULL, r->w.now, &op, NULL);
        expected = RA_OUTCOME_REJECTED;
        break;
    case 7:
        odd_consumer(r, session);
        return;
    default:
        rc = rai_session_flush(s, r->w.now, &op, NULL);
    }
    note(r, rc, op, WORK_REQUEST, session)->expected = expected;
}

static void end_transaction(struct work *r, int session, bool commit)
{
    struct work_session *s = &r->sessions[session];
    rai_op *op = NULL;
    int rc = commit ? rai_session_commit(s->s, r->w.now, &op, NULL) : rai_session_rollback(s->s, r->w.now, &op, NULL);
    if (rc != RA_OK)
        return;
    note(r, rc, op, commit ? WORK_COMMIT : WORK_ROLLBACK, session)->transaction = s->transaction;
    work_trace(r, commit ? "commits" : "rolls back", session, s->transaction);
    s->epoch += !commit || rai_op_fault(op)->code == RA_E_ROLLED_BACK; /* because the session was made anew */
    s->transaction++;
    s->denied[s->transaction % WORK_TRANSACTIONS] = false;
}

/* --- consumers --- */

static void let_go(struct work_consumer *c, int from, int count)
{
    for (int i = from; i < from + count; i++)
        rai_message_unref(c->held[i].message);
    memmove(c->held + from, c->held + from + count, sizeof *c->held * (size_t)(c->held_count - from - count));
    c->held_count -= count;
}

/* One of those that it holds; of an earlier epoch, it comes again, or has done so. */
static void acknowledge(struct work *r, int session, struct work_consumer *c)
{
    struct work_session *s = &r->sessions[session];
    int which = (int)pick(r, (uint32_t)c->held_count);
    bool individual = chance(r, 50), with_op = chance(r, 30);
    struct work_held held = c->held[which];
    rai_op *op = NULL;
    int first = individual ? which : 0;
    int rc = rai_consumer_acknowledge(c->c, held.message, individual, r->w.now, with_op ? &op : NULL, NULL);
    if (rc == RA_OK && held.epoch != s->epoch)
        world_fail(&r->w, "an acknowledgement of message %d, which comes again, is taken", held.id);
    if (rc == RA_E_STALE && held.epoch == s->epoch && s->s->rollbacks == 0)
        world_fail(&r->w, "an acknowledgement of message %d is refused as stale", held.id);
    if (rc != RA_OK && rc != RA_E_STALE)
        world_fail(&r->w, "an acknowledgement ends with %d", rc);
    for (int i = first; rc == RA_OK && i <= which; i++)
        if (c->held[i].epoch == s->epoch)
            r->acked[c->held[i].id] = true;
    if (rc == RA_OK && !individual && held.message->sequence > c->acked_all)
        c->acked_all = held.message->sequence;
    if (with_op) {
        struct work_op *entry = note(r, rc, op, WORK_ACK, session);
        entry->message = held.id;
        entry->consumer = c->c;
        entry->again = rc == RA_OK && individual ? rai_message_ref(held.message) : NULL;
    }
    work_trace(r, rc == RA_OK ? "acknowledges" : "may not acknowledge", session, held.id);
    let_go(c, first, which - first + 1);
}

/* An acknowledgement that was given up is still to be made, unless a later one stood for it as well. */
void work_acknowledge_again(struct work *r, const struct work_op *o)
{
    struct work_session *s = &r->sessions[o->session];
    for (int i = 0; i < WORK_CONSUMERS && o->consumer != NULL; i++)
        if (s->consumers[i].c == o->consumer && s->consumers[i].acked_all < o->again->sequence)
            rai_consumer_acknowledge(o->consumer, o->again, true, r->w.now, NULL, NULL);
}

static void taken(struct work *r, int session, int consumer, int id)
{
    struct work_consumer *c = &r->sessions[session].consumers[consumer];
    work_trace(r, c->browse ? "looks at" : "takes", session, id);
    if (c->seen_first && id <= c->last && (c->browse || r->returned[id] == 0))
        world_fail(&r->w, "message %d is delivered after %d", id, c->last);
    c->last = id;
    c->seen_first = true;
    if (c->browse)
        return;
    r->acked[id] = false;
    if (++r->taken[id] > 1 + r->returned[id])
        world_fail(&r->w, "message %d was taken %d times, and was in the queue again %d times", id, r->taken[id],
                   r->returned[id]);
}

static void open_consumer(struct work *r, int session, int consumer, bool browse)
{
    static const int32_t windows[] = { 0, 1, 300, 1000, -1 };
    struct work_consumer *c = &r->sessions[session].consumers[consumer];
    rai_op *op = NULL;
    int32_t window = windows[pick(r, 5)];
    *c = (struct work_consumer){ .browse = browse, .by_hand = window == 0 };
    int rc = rai_consumer_open(r->sessions[session].s, "out", NULL, browse, window, NULL, r->w.now, &c->c, &op, NULL);
    note(r, rc, op, WORK_REQUEST, session)->expected = RA_OUTCOME_CONFIRMED;
    c->opening = op;
}

static void close_consumer(struct work *r, int session, int consumer)
{
    struct work_consumer *c = &r->sessions[session].consumers[consumer];
    rai_op *op = NULL;
    if (c->waiting)
        rai_consumer_wait_end(c->c, r->w.now);
    int rc = rai_consumer_close(c->c, r->w.now, &op, NULL);
    note(r, rc, op, WORK_REQUEST, session)->expected = RA_OUTCOME_CONFIRMED;
    rai_consumer_release(c->c, r->w.now);
    c->c = NULL;
    c->waiting = false;
    let_go(c, 0, c->held_count);
    work_trace(r, "closes consumer", session, consumer);
}

/* A large message was cut off: it comes again to another consumer, or after a rollback. */
static void get_again(struct work *r, int session, int consumer)
{
    struct work_session *s = &r->sessions[session];
    if (s->s->rollbacks > 0)
        return;
    if (s->transacted && !s->consumers[consumer].browse && chance(r, 50))
        end_transaction(r, session, false);
    else
        close_consumer(r, session, consumer);
}

/* Its opening was given up, or a large message was cut off: what else would end one of ours? */
static void drop_ended_consumers(struct work *r, int session)
{
    for (int i = 0; i < WORK_CONSUMERS; i++) {
        rai_consumer *c = r->sessions[session].consumers[i].c;
        int code = c != NULL ? rai_consumer_fault(c)->code : RA_OK;
        if (code == RA_E_LARGE_INTERRUPTED)
            get_again(r, session, i);
        else if (code == RA_E_TIMEOUT)
            close_consumer(r, session, i);
        else if (code != RA_OK)
            world_fail(&r->w, "a consumer has ended: %s", rai_consumer_fault(c)->text);
    }
}

static ra_message *take_from(struct work *r, struct work_consumer *c)
{
    if (c->by_hand && !c->waiting)
        rai_consumer_wait_begin(c->c, r->w.now);
    c->waiting = c->by_hand;
    ra_message *m = rai_consumer_take(c->c, 0, r->w.now);
    if (c->waiting && (m != NULL || chance(r, 10))) {
        rai_consumer_wait_end(c->c, r->w.now);
        c->waiting = false;
    }
    return m;
}

static bool is_large(const struct work *r, int id)
{
    return r->w.config.min_large_message_size == WORK_PIECE && id % 5 == 0;
}

/* Also the others differ, so that credits do not come out even by luck. */
static size_t size_of_queued(const struct work *r, int id)
{
    if (is_large(r, id))
        return WORK_PIECE + 6 * (size_t)(id + 1);
    return WORK_BODY_MIN + (r->small ? 0 : 10 * (size_t)(id % 4));
}

static bool take_one(struct work *r, int session, int consumer)
{
    struct work_session *s = &r->sessions[session];
    struct work_consumer *c = &s->consumers[consumer];
    drop_ended_consumers(r, session);
    if (c->c == NULL || s->s->rollbacks > 0)
        return false; /* what was delivered before a rollback is done is not for us */
    if (c->held_count == WORK_HELD)
        acknowledge(r, session, c);
    ra_message *m = take_from(r, c);
    if (m == NULL)
        return false;
    int id = m->body_size > 1 ? atoi((const char *)m->body + 1) : -1; /* the blob goes on behind it with a zero byte */
    if (id < 0 || id >= WORK_QUEUED || m->body[0] != 'q')
        world_fail(&r->w, "a message that nobody queued");
    if (m->body_size != size_of_queued(r, id) || !work_is_body(m->body, 'q', id, m->body_size))
        world_fail(&r->w, "message %d has another body", id);
    taken(r, session, consumer, id);
    if (c->browse)
        rai_message_unref(m);
    else
        c->held[c->held_count++] = (struct work_held){ m, id, s->epoch };
    if (c->held_count > 0 && chance(r, 70))
        acknowledge(r, session, c);
    return true;
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
    drop_ended_consumers(r, session);
    if (c->c == NULL)
        open_consumer(r, session, consumer, chance(r, 20));
    else if (chance(r, 50))
        close_consumer(r, session, consumer);
    else
        force_delivery(r, session, c);
}

static void stop_or_start(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    rai_op *op = NULL;
    if (s->stopped) {
        rai_session_start(s->s, r->w.now, NULL);
    } else {
        int rc = rai_session_stop(s->s, r->w.now, &op, NULL);
        note(r, rc, op, WORK_REQUEST, session)->expected = RA_OUTCOME_CONFIRMED;
    }
    s->stopped = !s->stopped;
}

/* --- sessions --- */

static void open_session(struct work *r, bool transacted, bool consumes)
{
    int id = r->session_count++;
    struct work_session *s = &r->sessions[id];
    struct rai_fault fault;
    *s = (struct work_session){ .transacted = transacted, .consumes = consumes, .transaction = 1 };
    s->lost_links = r->lost_links;
    s->message = rai_message_new(0);
    for (int i = 0; i < WORK_QUEUES; i++)
        s->last_stored[i] = -1;
    if (s->message == NULL || rai_session_open(r->w.e, transacted, s, r->w.now, &s->s, NULL, &fault) != RA_OK)
        world_fail(&r->w, "no session: %s", fault.text);
}

/* As soon as it is open. */
static void fill_session(struct work *r, int id)
{
    struct work_session *s = &r->sessions[id];
    s->ready = true;
    s->lost_links = r->lost_links;
    if (s->consumes) {
        for (int i = 0; i < 1 + (int)pick(r, WORK_CONSUMERS); i++)
            open_consumer(r, id, i, i > 0 && chance(r, 20));
        rai_session_start(s->s, r->w.now, NULL);
    }
    if (!s->consumes || chance(r, 30))
        open_producer(r, id);
}

static void drop_children(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    for (int i = 0; i < WORK_CONSUMERS; i++) {
        struct work_consumer *c = &s->consumers[i];
        if (c->c != NULL)
            rai_consumer_release(c->c, r->w.now);
        c->c = NULL;
        let_go(c, 0, c->held_count);
    }
    if (s->producer != NULL)
        rai_producer_release(s->producer, r->w.now);
    if (s->odd != NULL)
        rai_consumer_release(s->odd, r->w.now);
    s->producer = NULL;
    s->odd = NULL;
}

/* Somebody has to stay who empties the queue. */
static bool can_go(const struct work *r, int session)
{
    if (!r->sessions[session].consumes)
        return true;
    for (int i = 0; i < r->session_count; i++)
        if (i != session && r->sessions[i].consumes && work_lives(r, i))
            return true;
    return false;
}

static void replace_session(struct work *r, int session)
{
    struct work_session *s = &r->sessions[session];
    rai_op *op = NULL;
    if (!can_go(r, session) || r->session_count == WORK_SESSIONS)
        return;
    s->closed = true;
    s->aborted = chance(r, 25);
    work_trace(r, s->aborted ? "is aborted," : "is closed,", session, 0);
    if (!s->aborted || chance(r, 50)) {
        int rc = rai_session_close(s->s, r->w.now, &op, NULL);
        note(r, rc, op, WORK_CLOSE, session)->expected = RA_OUTCOME_CONFIRMED;
    }
    if (s->aborted)
        rai_session_abort(s->s, r->w.now, NULL, NULL);
    drop_children(r, session);
    open_session(r, chance(r, 50), s->consumes);
}

/* --- a step --- */

static void work_of_producer(struct work *r, int session)
{
    bool transacted = r->sessions[session].transacted;
    uint32_t what = pick(r, 16);
    if (what < 10)
        for (uint32_t n = pick(r, 8); n > 0; n--)
            one_send(r, session);
    else if (what < 13 && transacted)
        end_transaction(r, session, chance(r, 80));
    else if (what == 14 && chance(r, 40))
        change_producer(r, session);
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
    else if (what < 15)
        one_send(r, session);
    else if (chance(r, 30))
        stop_or_start(r, session);
}

void work_some(struct work *r)
{
    int session = (int)pick(r, (uint32_t)r->session_count);
    struct work_session *s = &r->sessions[session];
    if (r->op_count > WORK_OPS / 2 || r->send_count > WORK_SENDS - 20 || s->closed)
        return;
    if (!s->ready && s->s->state == RAI_S_OPEN)
        fill_session(r, session);
    if (!s->ready)
        return;
    if (chance(r, 1))
        replace_session(r, session);
    else if (s->consumes)
        work_of_consumer(r, session);
    else
        work_of_producer(r, session);
}

/* --- the beginning --- */

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
    for (int i = 0; i < WORK_QUEUES; i++)
        rai_mock_add_queue(r->w.m, addresses[i], addresses[i], true);
    rai_mock_add_queue(r->w.m, "out", "out", true);
    rai_mock_refuse(r->w.m, addresses[WORK_DENIED], 105);
    rai_mock_corrupt_pieces(r->w.m, 100);
    for (int i = 0; i < WORK_QUEUED; i++) {
        char body[WORK_BODY];
        size_t size = size_of_queued(r, i);
        work_fill_body(body, 'q', i, size);
        if (is_large(r, i))
            rai_mock_add_large_message(r->w.m, "out", (const uint8_t *)body, size);
        else
            rai_mock_add_message(r->w.m, "out", (const uint8_t *)body, size);
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

bool work_consume_all(struct work *r)
{
    bool any = false;
    for (int i = 0; i < r->session_count; i++)
        for (int k = 0; work_lives(r, i) && k < WORK_CONSUMERS; k++) {
            struct work_consumer *c = &r->sessions[i].consumers[k];
            while (take_one(r, i, k))
                any = true;
            while (c->held_count > 0)
                acknowledge(r, i, c);
        }
    return any;
}

/* Acknowledgements wait for their batch, those of a transaction for its end. */
void work_finish_acks(struct work *r)
{
    for (int i = 0; i < r->session_count; i++) {
        struct work_session *s = &r->sessions[i];
        rai_op *op = NULL;
        if (!s->consumes || !work_lives(r, i))
            continue;
        if (s->stopped)
            stop_or_start(r, i);
        drop_ended_consumers(r, i);
        if (s->consumers[0].c == NULL)
            open_consumer(r, i, 0, false);
        else if (s->consumers[0].browse)
            close_consumer(r, i, 0); /* another one in the next round */
        if (s->transacted) {
            end_transaction(r, i, true);
        } else {
            int rc = rai_session_flush(s->s, r->w.now, &op, NULL);
            note(r, rc, op, WORK_REQUEST, i);
        }
    }
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

static void check_closed(const struct work *r)
{
    for (int i = 0; i < r->op_count; i++)
        if (r->ops[i].what == WORK_CLOSE && rai_op_outcome(r->ops[i].op) != RA_OUTCOME_CONFIRMED)
            world_fail(&r->w, "a close ends as %d", rai_op_outcome(r->ops[i].op));
    bool asks =
        r->w.config.confirmation_window >= 0; /* else it is over with its link, whenever the broker hears of that */
    for (int i = 0; i < r->session_count; i++)
        if (asks && rai_mock_session_count(r->w.m, r->sessions[i].s->name).found)
            world_fail(&r->w, "session %d was closed, and the broker has it", i);
    if (!rai_engine_dead(r->w.e))
        world_fail(&r->w, "shut, and not dead");
}

void work_close(struct work *r)
{
    r->ending = true;
    for (int i = 0; i < r->session_count; i++) {
        rai_op *op = NULL;
        if (r->sessions[i].closed)
            continue;
        int rc = rai_session_close(r->sessions[i].s, r->w.now, &op, NULL);
        note(r, rc, op, WORK_CLOSE, i)->expected = RA_OUTCOME_CONFIRMED;
        drop_children(r, i);
    }
    await_end(r, "closing the sessions");
    rai_op *leave = rai_engine_leave(r->w.e, r->w.now);
    note(r, RA_OK, leave, WORK_CLOSE, -1)->expected = RA_OUTCOME_CONFIRMED;
    await_end(r, "leaving");
    rai_engine_shut(r->w.e, r->w.now);
    await_end(r, "the end");
    check_closed(r);
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
    for (int i = 0; i < r->op_count; i++) {
        rai_message_unref(r->ops[i].again);
        rai_op_unref(r->ops[i].op);
    }
    for (int i = 0; i < r->send_count; i++)
        rai_op_unref(r->sends[i].op);
    for (int i = 0; i < r->session_count; i++) {
        rai_message_unref(r->sessions[i].message);
        for (int k = 0; k < WORK_CONSUMERS; k++)
            let_go(&r->sessions[i].consumers[k], 0, r->sessions[i].consumers[k].held_count);
    }
}
