#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * Recreation: the broker does not know the session any more, so there is a new one: a new epoch with a new log. First go
 * the frames that set it up again, numbered and answered like any others; then what survives of the old log.
 *
 *   kind                          unwritten        written                 answered
 *   send, auto-commit             requeued         unknown                 done
 *   pieces of a large message     as the last one; if that is still to come requeued as long as the log has all of them,
 *                                 else the message is interrupted
 *   the same with a duplicate id  requeued         requeued                done
 *   work of a transaction         dropped, not done (the transaction is rollback-only); unknown when its commit is
 *   commit                        not done         unknown                 done
 *   acknowledgement               not done         unknown                 done       (their deliveries come again)
 *   create / delete queue         requeued         unknown                 done
 *   query, create address, flush  requeued         requeued (harmless)     done
 *   metadata                      requeued         requeued                done
 *   create consumer               part of the set-up
 *   stop, rollback, close consumer  done: the new session begins so
 *   close session                 requeued         done (see recovery.c)
 *   credits, start, producers,    part of the set-up
 *   queues that do not stay,
 *   metadata that was set
 */

enum fate { FATE_DROP, FATE_REQUEUE, FATE_DONE, FATE_NOT_DONE, FATE_UNKNOWN, FATE_SETUP };

static const struct {
    int type;
    enum fate unwritten, written;
} fates[] = {
    {RAI_SESS_SEND, FATE_REQUEUE, FATE_UNKNOWN},
    {RAI_SESS_COMMIT, FATE_NOT_DONE, FATE_UNKNOWN},
    {RAI_SESS_ACKNOWLEDGE, FATE_NOT_DONE, FATE_UNKNOWN},
    {RAI_SESS_INDIVIDUAL_ACKNOWLEDGE, FATE_NOT_DONE, FATE_UNKNOWN},
    {RAI_CREATE_QUEUE_V2, FATE_REQUEUE, FATE_UNKNOWN},
    {RAI_DELETE_QUEUE, FATE_REQUEUE, FATE_UNKNOWN},
    {RAI_SESS_QUEUEQUERY, FATE_REQUEUE, FATE_REQUEUE},
    {RAI_SESS_BINDINGQUERY, FATE_REQUEUE, FATE_REQUEUE},
    {RAI_CREATE_ADDRESS, FATE_REQUEUE, FATE_REQUEUE},
    {RAI_SESS_XA_GET_TIMEOUT, FATE_REQUEUE, FATE_REQUEUE},
    {RAI_SESS_ADD_METADATA2, FATE_REQUEUE, FATE_REQUEUE},
    {RAI_SESS_UNIQUE_ADD_METADATA, FATE_REQUEUE, FATE_REQUEUE},
    {RAI_SESS_CREATECONSUMER, FATE_SETUP, FATE_SETUP},
    {RAI_SESS_STOP, FATE_DONE, FATE_DONE},
    {RAI_SESS_ROLLBACK, FATE_DONE, FATE_DONE},
    {RAI_SESS_CONSUMER_CLOSE, FATE_DONE, FATE_DONE},
    {RAI_SESS_CLOSE, FATE_REQUEUE, FATE_DONE},
};

static enum fate fate_of(const rai_session *s, int type, bool written, bool committed, const struct rai_pending *entry)
{
    if (type == RAI_SESS_SEND && s->transacted)
        return committed ? FATE_UNKNOWN : FATE_NOT_DONE;
    if (type == RAI_SESS_COMMIT && entry != NULL && entry->doomed)
        return FATE_NOT_DONE;
    if (type == RAI_SESS_SEND && rai_session_stamps(s))
        return FATE_REQUEUE;
    if (type == RAI_CREATE_QUEUE_V2 && entry != NULL && entry->subject != NULL)
        return FATE_REQUEUE; /* of routeCheck=create, where "exists already" is as good */
    if ((type == RAI_CREATE_QUEUE_V2 || rai_metadata_is(type)) && entry != NULL && entry->as.op == NULL)
        return FATE_DONE; /* of the last set-up: the present one has its own */
    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++)
        if (fates[i].type == type)
            return written ? fates[i].written : fates[i].unwritten;
    return FATE_DROP;
}

/* The old epoch while it is being worked off. */
struct old_epoch {
    struct rai_log log;
    struct rai_pendings pendings;
    uint64_t index;
    uint64_t answered_end;
    uint64_t doubtful_end;
    uint64_t commit; /* offset of the last commit that was written and not answered */
    bool pieces_kept; /* of the large message under way: they go on, so its last one can */
    int32_t version;
    int64_t unknown, requeued;
    bool failed; /* out of memory */
};

static void end_entry(rai_session *s, struct rai_pending *entry, enum fate fate, const struct rai_fault *why)
{
    int outcome = fate == FATE_DONE ? RA_OUTCOME_CONFIRMED : fate == FATE_UNKNOWN ? RA_OUTCOME_UNKNOWN : RA_OUTCOME_NOT_DONE;
    const struct rai_fault *fault = fate == FATE_DONE ? NULL : why;
    rai_entry_end(s, entry, outcome, fault);
    if (entry->type == RAI_SESS_CONSUMER_CLOSE) {
        rai_consumer *c = entry->subject;
        c->close_pending = false;
        rai_consumer_ended(c, NULL);
    }
}

/* What a frame is to the table: the last piece of a large message is a send. */
static int kind_of(const struct old_epoch *old, const uint8_t *frame, size_t size)
{
    struct rai_send_tail tail;
    return rai_get_send_tail(frame, size, old->version, &tail) ? RAI_SESS_SEND : rai_frame_type(frame);
}

/* The same frame for the new session. */
static bool append(rai_session *s, const struct old_epoch *old, const uint8_t *frame, size_t size,
                   const struct rai_pending *entry)
{
    int type = rai_frame_type(frame);
    if (old->version == s->version || (type != RAI_SESS_SEND && type != RAI_SESS_SEND_CONTINUATION))
        return rai_session_append(s, frame, size, entry);
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_send_transcoded(&d.w, d.size, frame, size, old->version, s->version);
    return rai_draft_commit(&d, entry);
}

static bool requeue(rai_session *s, struct old_epoch *old, const uint8_t *frame, size_t size,
                    const struct rai_pending *entry)
{
    old->requeued++;
    if (rai_frame_type(frame) == RAI_SESS_CLOSE)
        return rai_session_log_close(s, entry->as.op);
    return append(s, old, frame, size, entry);
}

static void explain(const rai_session *s, int type, enum fate fate, struct rai_fault *why)
{
    if (s->transacted && fate == FATE_NOT_DONE)
        rai_fault_set(why, RA_E_ROLLED_BACK, "the session was recreated: the transaction was rolled back");
    else if (fate == FATE_NOT_DONE)
        rai_fault_set(why, RA_E_NOT_DONE, "the session was recreated before the command was sent");
    else
        rai_fault_set(why, RA_E_OUTCOME_UNKNOWN, "the session was recreated before the answer to %s came",
                      rai_packet_name(type));
}

static void forget_send(rai_session *s, struct old_epoch *old, enum fate fate)
{
    if (fate == FATE_REQUEUE)
        return; /* still ours to do */
    s->forgets--;
    rai_stamped_end(s, 1);
    s->unknown += fate == FATE_UNKNOWN;
    s->not_done += fate == FATE_NOT_DONE;
    old->unknown += fate == FATE_UNKNOWN;
}

static bool crosses_correlation(const struct old_epoch *old, const rai_session *s)
{
    return (old->version < 130) != (s->version < 130);
}

/* A consumer that was closed before it was there is not created again: its creation ends with it. */
static void end_creation(rai_session *s, struct rai_pending *entry)
{
    rai_consumer *c = entry->subject;
    struct rai_fault why;
    if (!c->closing)
        return; /* its operation has gone over to the new request */
    rai_fault_set(&why, RA_E_CLOSED, "the consumer was closed");
    end_entry(s, entry, FATE_NOT_DONE, &why);
    c->create_pending = false;
    rai_consumer_free_if_done(c);
}

static bool was_written(const struct old_epoch *old, uint64_t offset, size_t size)
{
    return offset + size <= old->log.written || offset < old->doubtful_end;
}

static enum fate judge(const rai_session *s, const struct old_epoch *old, uint64_t offset, const uint8_t *frame,
                       size_t size, const struct rai_pending *entry)
{
    int type = kind_of(old, frame, size);
    bool written = was_written(old, offset, size);
    enum fate fate = fate_of(s, type, written, offset < old->commit, entry);
    bool lacks_pieces = rai_frame_type(frame) == RAI_SESS_SEND_CONTINUATION && !old->pieces_kept;
    /* crossing: a broker that cannot match its answers to our sends, or the other way round */
    if (type == RAI_SESS_SEND && fate == FATE_REQUEUE && (lacks_pieces || crosses_correlation(old, s)))
        return written ? FATE_UNKNOWN : FATE_NOT_DONE;
    return fate;
}

static void survivor(rai_session *s, struct old_epoch *old, uint64_t offset, const uint8_t *frame, size_t size,
                     struct rai_pending *entry)
{
    struct rai_fault why;
    int type = kind_of(old, frame, size);
    enum fate fate = judge(s, old, offset, frame, size, entry);
    bool written = was_written(old, offset, size);
    if (fate == FATE_REQUEUE && !requeue(s, old, frame, size, entry)) {
        old->failed = true; /* out of memory: the session ends, and this with it */
        fate = written ? FATE_UNKNOWN : FATE_NOT_DONE;
    }
    if (fate == FATE_REQUEUE && written && type == RAI_SESS_SEND)
        s->doubtful_end = s->log.end; /* survivors keep their order: the unwritten ones come behind it */
    explain(s, type, fate, &why);
    if (entry == NULL && type == RAI_SESS_SEND)
        forget_send(s, old, fate);
    if (fate == FATE_REQUEUE)
        return;
    if (entry != NULL && fate == FATE_SETUP)
        end_creation(s, entry);
    else if (entry != NULL)
        end_entry(s, entry, fate, &why);
    if (entry != NULL && fate == FATE_UNKNOWN)
        old->unknown++;
}

/* A frame without an entry never asked for an answer, or has got it and waits for the broker's confirmation only. */
static bool is_over(const struct old_epoch *old, const struct rai_pending *entry, const uint8_t *frame, size_t size)
{
    struct rai_send_tail tail;
    if (entry != NULL)
        return entry->ended;
    return !rai_get_send_tail(frame, size, old->version, &tail) || tail.respond;
}

static uint64_t counted_end(const struct old_epoch *old)
{
    return old->answered_end > old->log.confirmed ? old->answered_end : old->log.confirmed;
}

/* The offset of the last commit that was written and not answered; 0: none is. */
static uint64_t open_commit(const struct rai_pendings *pendings, uint64_t written)
{
    uint64_t offset = 0;
    for (uint64_t i = pendings->head; i < pendings->tail; i++) {
        const struct rai_pending *entry = rai_pendings_at(pendings, i);
        if (entry->type == RAI_SESS_COMMIT && !entry->ended && entry->end <= written)
            offset = entry->offset;
    }
    return offset;
}

/* Whether the large message that begins here goes on: because its last piece is sent (again), or is still to come. */
static bool keeps_pieces(rai_session *s, struct old_epoch *old, uint64_t begin)
{
    uint64_t last = rai_large_last(&old->log, begin, old->version);
    if (last == old->log.end)
        return rai_large_moves(s, begin);
    size_t size;
    const uint8_t *frame = rai_log_frame(&old->log, last, &size);
    const struct rai_pending *entry = rai_pendings_by_offset(&old->pendings, last);
    if (rai_log_is_hole(&old->log, last) || is_over(old, entry, frame, size))
        return false;
    old->pieces_kept = true;
    return judge(s, old, last, frame, size, entry) == FATE_REQUEUE;
}

static void piece(rai_session *s, struct old_epoch *old, uint64_t at, const uint8_t *frame, size_t size)
{
    if (rai_frame_type(frame) == RAI_SESS_SEND_LARGE)
        old->pieces_kept = keeps_pieces(s, old, at);
    if (old->pieces_kept && !append(s, old, frame, size, NULL))
        old->failed = true;
}

static void survivors(rai_session *s, struct old_epoch *old)
{
    uint64_t counted = counted_end(old);
    size_t size;
    old->commit = open_commit(&old->pendings, old->log.written);
    for (uint64_t at = rai_large_start(&old->log, counted, old->version); at < old->log.end; at += size) {
        const uint8_t *frame = rai_log_frame(&old->log, at, &size);
        struct rai_pending *entry = rai_pendings_by_offset(&old->pendings, at);
        int kind = kind_of(old, frame, size);
        if (kind == RAI_SESS_SEND_LARGE || kind == RAI_SESS_SEND_CONTINUATION)
            piece(s, old, at, frame, size);
        else if (at >= counted && !rai_log_is_hole(&old->log, at) && !is_over(old, entry, frame, size))
            survivor(s, old, at, frame, size, entry);
    }
    rai_large_moved(s);
}

/* What the broker had counted went with the old session, even if its answer is missing: it is part of the set-up. */
static void keep_what_was_done(rai_session *s, struct old_epoch *old)
{
    for (uint64_t i = old->pendings.head; i < old->pendings.tail; i++) {
        struct rai_pending *entry = rai_pendings_at(&old->pendings, i);
        if (entry->offset >= counted_end(old))
            break;
        if (rai_metadata_is(entry->type) && !entry->ended)
            rai_metadata_added(s, entry);
        else if (entry->type == RAI_CREATE_QUEUE_V2 && !entry->ended)
            rai_queue_created(s, entry);
    }
}

/* What the broker had counted already, by its confirmations or by a later answer: done, even if the answer is missing. */
static void confirmed_entries(rai_session *s, struct old_epoch *old)
{
    for (uint64_t i = old->pendings.head; i < old->pendings.tail; i++) {
        struct rai_pending *entry = rai_pendings_at(&old->pendings, i);
        if (entry->offset >= counted_end(old))
            break;
        if (entry->ended)
            continue;
        if (entry->type == RAI_SESS_CREATECONSUMER) {
            end_creation(s, entry);
            continue;
        }
        struct rai_fault why;
        bool data = entry->type == RAI_SESS_QUEUEQUERY || entry->type == RAI_SESS_BINDINGQUERY;
        rai_fault_set(&why, RA_E_OUTCOME_UNKNOWN, "the session was recreated before the answer came");
        end_entry(s, entry, data ? FATE_UNKNOWN : FATE_DONE, &why);
        if (data && entry->subject != NULL)
            rai_producer_route_step(entry->subject, NULL, &why);
    }
}

static rai_op *op_of_consumer(const struct old_epoch *old, const rai_consumer *c)
{
    for (uint64_t i = old->pendings.head; i < old->pendings.tail; i++) {
        const struct rai_pending *entry = rai_pendings_at(&old->pendings, i);
        if (entry->type == RAI_SESS_CREATECONSUMER && entry->subject == c && !entry->ended)
            return entry->as.op;
    }
    return NULL;
}

static bool set_up_consumer(rai_consumer *c, rai_op *op)
{
    bool queue = rai_queue_of_consumer_recreate(c);
    rai_consumer_clear(c, false);
    c->opened = false; /* its credits follow the answer */
    c->owed = 0;
    c->credit_out = false;
    c->acked = c->delivered;
    c->create_pending = false;
    if (queue && rai_consumer_log_create(c, op))
        return true;
    struct rai_fault why;
    rai_fault_set(&why, RA_E_NO_MEMORY, "out of memory while recreating the session");
    rai_op_end(op, RA_OUTCOME_UNKNOWN, &why);
    return false;
}

static bool set_up(rai_session *s, const struct old_epoch *old)
{
    bool fine = rai_metadata_recreate(s);
    rai_producer_recreated(s);
    fine = rai_queues_recreate(s) && fine;
    for (rai_consumer *c = s->consumers; c != NULL; c = c->next)
        rai_consumer_revive(c);
    for (rai_consumer *c = s->consumers; c != NULL; c = c->next)
        if (!c->closing && c->fault.code == RA_OK)
            fine = set_up_consumer(c, op_of_consumer(old, c)) && fine;
    if (s->started)
        fine = rai_session_log_start(s) && fine;
    for (rai_consumer *c = s->consumers; c != NULL; c = c->next)
        if (!c->closing)
            rai_consumer_reattached(c);
    return fine;
}

static void new_epoch(rai_session *s)
{
    rai_log_init(&s->log, &s->e->pool);
    s->pendings = (struct rai_pendings){0};
    s->lost_answers.count = 0;
    s->barriers_unanswered.count = 0;
    s->barrier_out = s->barrier_answered = false;
    s->gate_index = 0;
    s->answered_end = s->doubtful_end = 0;
    s->replaying = false;
    s->received = UINT32_MAX;
    s->received_bytes = 0;
    s->rollbacks = 0;
    s->close_logged = false;
    s->stuck = 0;
    s->probing = false;
    s->probe_at = RAI_NEVER;
    s->stale_until = 0;
    s->barrier_wait = RAI_BARRIER_FIRST_US;
    s->ask_wait = RAI_ASK_FIRST_US;
    s->epoch++;
    s->doomed = false;
    if (s->transacted && s->work)
        s->rollback_only = true;
}

void rai_session_recreate(rai_session *s, struct rai_link *l)
{
    struct old_epoch old = {
        .log = s->log, .pendings = s->pendings, .answered_end = s->answered_end, .doubtful_end = s->doubtful_end,
        .version = s->version};
    struct rai_event event = {.kind = RA_EVENT_RECREATED, .session = s->owner, .failed_over = s->broker != s->e->broker};
    (void)l;
    new_epoch(s);
    s->version = s->e->version;
    s->broker = s->e->broker;
    keep_what_was_done(s, &old);
    old.failed = !set_up(s, &old);
    confirmed_entries(s, &old);
    survivors(s, &old);
    rai_log_destroy(&old.log);
    rai_pendings_destroy(&old.pendings);
    rai_count(s->e, RA_STAT_RECREATED, 1);
    event.count = old.unknown;
    event.requeued = old.requeued;
    rai_event_push(s->e, &event);
    if (old.failed) {
        struct rai_fault why;
        rai_fault_set(&why, RA_E_NO_MEMORY, "out of memory while recreating the session");
        rai_session_lose(s, &why);
    }
}

/* --- the end without a successor --- */

bool rai_send_is_doubtful(const rai_session *s, int type, uint64_t offset)
{
    return type == RAI_SESS_SEND && offset < s->doubtful_end;
}

/* Work that nobody waits for. What a transaction acknowledges its commit answers for. */
static bool is_unasked(const rai_session *s, const uint8_t *frame, size_t size)
{
    struct rai_send_tail tail;
    int type = rai_frame_type(frame);
    if (type == RAI_SESS_ACKNOWLEDGE || type == RAI_SESS_INDIVIDUAL_ACKNOWLEDGE)
        return !s->transacted && !rai_acknowledge_responds(frame, size);
    return rai_get_send_tail(frame, size, s->version, &tail) && !tail.respond;
}

static void end_unasked(rai_session *s)
{
    if (s->unasked_ended)
        return; /* an abort ends it first, and then the close */
    s->unasked_ended = true;
    for (uint64_t at = s->log.confirmed; at < s->log.end;) {
        size_t size;
        const uint8_t *frame = rai_log_frame(&s->log, at, &size);
        bool ends = at >= s->answered_end && !rai_log_is_hole(&s->log, at) && is_unasked(s, frame, size);
        if (ends && (at + size <= s->log.written || rai_send_is_doubtful(s, RAI_SESS_SEND, at)))
            s->unknown++;
        else if (ends)
            s->not_done++;
        at += size;
    }
    for (const rai_consumer *c = s->consumers; c != NULL; c = c->next)
        s->not_done += !s->transacted && c->ack_id >= 0; /* still waiting for its batch */
    rai_stamped_end(s, s->forgets);
    s->forgets = 0;
}

/* Written or not: no commit that may have come in covers it. */
static bool is_rolled_back(const rai_session *s, const struct rai_pending *entry, uint64_t commit)
{
    return s->transacted && entry->type == RAI_SESS_SEND && entry->offset >= commit;
}

/* Its own answer was lost, and the one to something behind it came: it was done, and its commit with it, if that did. */
static bool is_proven(const rai_session *s, const struct rai_pending *entry)
{
    return (entry->type == RAI_SESS_SEND || entry->type == RAI_SESS_COMMIT) && entry->end <= s->answered_end;
}

static void end_entries(rai_session *s, const struct rai_fault *why)
{
    uint64_t commit = open_commit(&s->pendings, s->log.written);
    for (uint64_t i = s->pendings.head; i < s->pendings.tail; i++) {
        if (i < s->pendings.head)
            continue;
        struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        bool doubtful = rai_send_is_doubtful(s, entry->type, entry->offset);
        bool written = (doubtful || entry->end <= s->log.written) && !is_rolled_back(s, entry, commit);
        struct rai_fault fault = *why;
        if (entry->ended)
            continue;
        if (entry->type == RAI_SESS_CLOSE) {
            rai_entry_good(s, entry, NULL); /* closed is what it is now */
            continue;
        }
        if (is_proven(s, entry)) {
            rai_entry_end(s, entry, RA_OUTCOME_CONFIRMED, NULL);
            continue;
        }
        if (written)
            fault.code = RA_E_OUTCOME_UNKNOWN;
        rai_entry_bad(s, entry, written ? RA_OUTCOME_UNKNOWN : RA_OUTCOME_NOT_DONE, &fault);
    }
    end_unasked(s);
}

void rai_session_end_all(rai_session *s, const struct rai_fault *why)
{
    end_entries(s, why);
    rai_log_clear(&s->log);
}

/* Nobody waits for it any more. Its answer still has to be told from others. */
static void disown(rai_session *s, struct rai_pending *entry, int outcome, const struct rai_fault *why)
{
    struct rai_pending rest = *entry;
    rest.as.op = NULL;
    rest.tagged = false;
    rai_entry_end(s, entry, outcome, why);
    *entry = rest;
}

/* out: behind what the broker may have got */
static void drop_entries(rai_session *s, uint64_t out, const struct rai_fault *why)
{
    struct rai_fault unknown = *why;
    int64_t sends = 0;
    uint64_t commit = open_commit(&s->pendings, s->log.written);
    unknown.code = RA_E_OUTCOME_UNKNOWN;
    for (uint64_t i = s->pendings.head; i < s->pendings.tail; i++) {
        if (i < s->pendings.head)
            continue;
        struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        if (entry->ended)
            continue;
        bool rolled_back = is_rolled_back(s, entry, commit);
        if (entry->type == RAI_SESS_CLOSE || is_proven(s, entry)) {
            disown(s, entry, RA_OUTCOME_CONFIRMED, NULL); /* closed is what it is now */
        } else if (entry->end <= out) {
            sends += entry->type == RAI_SESS_SEND;
            disown(s, entry, rolled_back ? RA_OUTCOME_NOT_DONE : RA_OUTCOME_UNKNOWN, rolled_back ? why : &unknown);
        } else if (rai_send_is_doubtful(s, entry->type, entry->offset)) {
            rai_entry_bad(s, entry, RA_OUTCOME_UNKNOWN, &unknown);
        } else {
            rai_entry_bad(s, entry, RA_OUTCOME_NOT_DONE, why);
        }
    }
    end_unasked(s);
    s->forgets = sends; /* that is what they are from now on */
}

bool rai_session_drop_all(rai_session *s, const struct rai_fault *why)
{
    rai_link_keeps_writing(s);
    uint64_t at = s->state == RAI_S_OPEN ? s->log.planned : s->log.written;
    drop_entries(s, at, why);
    while (at < s->log.end) {
        size_t size;
        bool stays = rai_frame_type(rai_log_frame(&s->log, at, &size)) == RAI_SESS_CLOSE;
        if (!stays && !rai_log_is_hole(&s->log, at) && !rai_log_make_hole(&s->log, at))
            return false;
        at = at + size > s->log.confirmed ? at + size : s->log.confirmed; /* which moves over holes */
    }
    return true;
}
