#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * What comes in on a session's channel: counting, answers, and the end of each piece of work.
 *
 * Answers are less reliable than counts. While the broker moves a session it may throw an answer away, or write it twice.
 * A second copy is not counted; an answer that never came is made up for by the true count of the recovery.
 */

/* --- the end of entries --- */

/* For the counts that a close reports: what the close itself ends, and what nobody hears of otherwise. What became of a
 * transaction is told by its commit. */
static void count_for_close(rai_session *s, const struct rai_pending *entry, int outcome)
{
    bool has_owner = entry->tagged || entry->as.op != NULL;
    bool reported = has_owner || (entry->type == RAI_SESS_SEND && s->transacted);
    bool own = !has_owner && entry->type != RAI_SESS_SEND; /* the engine's, of a set-up for instance */
    if (own || (reported && !s->closing))
        return;
    s->unknown += outcome == RA_OUTCOME_UNKNOWN;
    s->not_done += outcome == RA_OUTCOME_NOT_DONE;
}

/* A fire-and-forget send that asked all the same: see rai_producer_send(). */
static bool is_forgotten(const struct rai_pending *entry)
{
    return entry->type == RAI_SESS_SEND && !entry->tagged && entry->as.op == NULL;
}

void rai_entry_end(rai_session *s, struct rai_pending *entry, int outcome, const struct rai_fault *fault)
{
    struct rai_fault why;
    if (entry->ended)
        return;
    entry->ended = true;
    if (entry->type == RAI_SESS_SEND)
        rai_stamped_end(s, 1);
    if (entry->doomed && outcome == RA_OUTCOME_CONFIRMED) {
        rai_fault_set(&why, RA_E_ROLLED_BACK, "the broker refused a send of the transaction, so it was rolled back");
        outcome = RA_OUTCOME_REJECTED;
        fault = &why;
    }
    count_for_close(s, entry, outcome);
    s->forgets -= is_forgotten(entry);
    if (entry->tagged) {
        rai_outcome_push(s, entry->as.tag, outcome, fault);
    } else if (entry->as.op != NULL) {
        rai_op_end(entry->as.op, outcome, fault);
        entry->as.op = NULL;
    }
}

void rai_entries_pop(rai_session *s)
{
    struct rai_pendings *p = &s->pendings;
    while (p->head < p->tail && rai_pendings_at(p, p->head)->ended)
        p->head++;
    if (p->head == p->tail && p->room > 4096) {
        rai_free(p->entries); /* a burst is over: do not keep its room */
        p->entries = NULL;
        p->room = 0;
    }
}

static void queue_answer(struct rai_pending *entry, const struct rai_frame *f)
{
    struct rai_queue_answer answer;
    rai_op *op = entry->tagged ? NULL : entry->as.op;
    if (op != NULL && f != NULL && rai_get_queue_answer(f, &answer))
        op->info = rai_queue_info_of_queue(&answer);
}

static void binding_answer(struct rai_pending *entry, const struct rai_frame *f)
{
    struct rai_binding_answer answer;
    rai_op *op = entry->tagged ? NULL : entry->as.op;
    if (op != NULL && f != NULL && rai_get_binding_answer(f, &answer))
        op->info = rai_queue_info_of_address(&answer, op->name);
}

static void rolled_back(rai_session *s)
{
    s->rollbacks--;
    s->epoch++;
    for (rai_consumer *c = s->consumers; c != NULL; c = c->next) {
        rai_consumer_clear(c, true);
        rai_consumer_revive(c);
        if (c->opened)
            rai_consumer_renew_credit(c); /* for who waited all along */
    }
    if (s->rollbacks == 0 && s->started && rai_session_is_open(s) && !rai_session_log_start(s)) {
        struct rai_fault why;
        rai_fault_set(&why, RA_E_NO_MEMORY, "out of memory while starting the session after a rollback");
        rai_session_lose(s, &why);
    }
}

bool rai_entry_may_be_refused(const struct rai_pending *entry)
{
    if (entry->correlation == RAI_NO_CORRELATION || entry->risky || entry->doomed)
        return true;
    const struct rai_credit *account = entry->subject;
    return entry->type == RAI_SESS_SEND && account != NULL && !account->proven;
}

static void address_proven(rai_session *s, struct rai_credit *account, bool good)
{
    if (account->proven && !good)
        s->gate_index = s->pendings.head; /* what was thought harmless is no longer */
    account->proven = good;
}

/* An entry ends by the broker's word: what may be pipelined from now on, and what it held back may be written. Whether it
 * held anything back does not show any more, when the answer before it proved it harmless. */
static void entry_over(rai_session *s, const struct rai_pending *entry, bool good)
{
    if (entry->type == RAI_SESS_SEND && entry->subject != NULL)
        address_proven(s, entry->subject, good);
    else if (entry->type == RAI_SESS_COMMIT)
        s->commits_proven = good;
    if (s->state == RAI_S_OPEN && s->log.planned < s->log.end)
        rai_session_due(s, RAI_DUE_DATA);
}

static void consumer_closed(rai_consumer *c)
{
    c->close_pending = false;
    rai_consumer_ended(c, NULL);
}

/* What a good end does besides ending the work. */
static void follow_up(rai_session *s, struct rai_pending *entry, const struct rai_frame *frame)
{
    switch (entry->type) {
    case RAI_SESS_QUEUEQUERY:
        queue_answer(entry, frame);
        break;
    case RAI_SESS_BINDINGQUERY:
        if (entry->subject == NULL)
            binding_answer(entry, frame);
        break;
    case RAI_SESS_CREATECONSUMER:
        rai_consumer_opened(entry->subject, frame);
        break;
    case RAI_SESS_CONSUMER_CLOSE:
        consumer_closed(entry->subject);
        break;
    case RAI_CREATE_QUEUE_V2:
        rai_queue_created(s, entry);
        break;
    case RAI_SESS_ADD_METADATA2:
    case RAI_SESS_UNIQUE_ADD_METADATA:
        rai_metadata_added(s, entry);
        break;
    case RAI_DELETE_QUEUE:
        if (!entry->tagged && entry->as.op != NULL)
            rai_queue_deleted(s, entry->as.op->name);
        break;
    case RAI_SESS_ROLLBACK:
        rolled_back(s);
        break;
    default:
        break;
    }
}

static bool is_forget(const rai_session *s, const uint8_t *frame, size_t size)
{
    struct rai_send_tail tail;
    return rai_get_send_tail(frame, size, s->version, &tail) && !tail.respond;
}

static void forget_over(rai_session *s)
{
    s->forgets--;
    rai_stamped_end(s, 1);
}

/* The broker answers in order, so an answer proves that everything before it was processed, also what asked for none. */
static void answered_up_to(rai_session *s, uint64_t end)
{
    uint64_t at = s->answered_end > s->log.confirmed ? s->answered_end : s->log.confirmed;
    if (end <= s->answered_end)
        return;
    s->answered_end = end;
    if (end >= s->replay_end)
        s->replaying = false;
    while (s->forgets > 0 && at < end) {
        size_t size;
        const uint8_t *frame = rai_log_frame(&s->log, at, &size);
        if (!rai_log_is_hole(&s->log, at) && is_forget(s, frame, size))
            forget_over(s);
        at += size;
    }
}

/* Without a window the broker confirms nothing: what it has answered leaves the log. Numbers mean nothing there. */
static void drop_answered(rai_session *s)
{
    uint64_t end = s->answered_end;
    if (s->e->config->confirmation_window >= 0)
        return;
    if (s->pendings.head < s->pendings.tail && rai_pendings_at(&s->pendings, s->pendings.head)->offset < end)
        end = rai_pendings_at(&s->pendings, s->pendings.head)->offset;
    if (end <= s->log.confirmed)
        return;
    rai_log_repair(&s->log, end, s->log.first, NULL, NULL);
    rai_session_check_writable(s);
}

void rai_entry_good(rai_session *s, struct rai_pending *entry, const struct rai_frame *frame)
{
    struct rai_pending done = *entry; /* what follows may add entries and so move the ring */
    if (frame != NULL) {
        entry->answered = true;
        answered_up_to(s, done.end);
    }
    if (done.ended)
        return;
    entry_over(s, &done, !done.doomed);
    follow_up(s, &done, frame);
    /* a consumer's close or a query may have been handed its result: only now does the waiter hear of it */
    entry = rai_pendings_by_offset(&s->pendings, done.offset);
    if (entry != NULL)
        rai_entry_end(s, entry, RA_OUTCOME_CONFIRMED, NULL);
    rai_entries_pop(s);
    drop_answered(s);
    if (done.type == RAI_SESS_CLOSE)
        rai_session_closed(s);
    else if (done.subject != NULL && (done.type == RAI_SESS_BINDINGQUERY || done.type == RAI_CREATE_ADDRESS ||
                                      done.type == RAI_CREATE_QUEUE_V2))
        rai_producer_route_step(done.subject, frame, NULL);
}

void rai_entry_bad(rai_session *s, struct rai_pending *entry, int outcome, const struct rai_fault *fault)
{
    struct rai_pending done = *entry;
    if (done.ended)
        return;
    entry_over(s, &done, false);
    rai_entry_end(s, entry, outcome, fault);
    rai_entries_pop(s);
    switch (done.type) {
    case RAI_SESS_CREATECONSUMER:
        ((rai_consumer *)done.subject)->create_pending = false;
        rai_consumer_ended(done.subject, fault);
        break;
    case RAI_SESS_CONSUMER_CLOSE:
        consumer_closed(done.subject);
        break;
    case RAI_SESS_ROLLBACK:
        rolled_back(s);
        break;
    case RAI_SESS_BINDINGQUERY:
    case RAI_CREATE_ADDRESS:
    case RAI_CREATE_QUEUE_V2:
        if (done.subject != NULL)
            rai_producer_route_step(done.subject, NULL, fault);
        break;
    case RAI_SESS_ADD_METADATA2:
    case RAI_SESS_UNIQUE_ADD_METADATA:
        if (outcome == RA_OUTCOME_REJECTED)
            rai_metadata_refused(s, &done, fault);
        break;
    case RAI_SESS_CLOSE:
        if (outcome == RA_OUTCOME_REJECTED)
            rai_session_closed(s);
        break;
    default:
        break;
    }
}

bool rai_entry_cancel(rai_session *s, struct rai_pending *entry)
{
    if (entry->end <= s->log.written || entry->offset < s->log.planned ||
        rai_send_is_doubtful(s, entry->type, entry->offset))
        return false;
    size_t size;
    bool large = rai_frame_type(rai_log_frame(&s->log, entry->offset, &size)) == RAI_SESS_SEND_CONTINUATION;
    if (!rai_log_make_hole(&s->log, entry->offset))
        return false;
    if (large)
        rai_large_cancelled(s, entry->offset);
    return true;
}

/* The broker will roll the transaction of this send back when its commit comes, and begin another one. If that answer is
 * lost, the commit is written again and succeeds with nothing in it: its good answer must not be taken for what it says. */
static void doom_commit(rai_session *s, uint64_t from)
{
    for (uint64_t i = s->pendings.head; i < s->pendings.tail; i++) {
        struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        bool ends = entry->type == RAI_SESS_COMMIT || entry->type == RAI_SESS_ROLLBACK;
        if (entry->offset < from || !ends || rai_log_is_hole(&s->log, entry->offset))
            continue;
        entry->doomed = entry->type == RAI_SESS_COMMIT;
        return;
    }
    s->doomed = true;
}

void rai_session_cancel_op(rai_session *s, rai_op *op, const struct rai_fault *fault)
{
    if (op->forced != NULL) {
        rai_consumer *c = op->forced;
        c->force_op = NULL;
        rai_op_end(op, RA_OUTCOME_NOT_DONE, fault);
        rai_op_unref(op); /* the consumer's */
        return;
    }
    for (uint64_t i = s->pendings.head; i < s->pendings.tail; i++) {
        struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        if (entry->tagged || entry->ended || entry->as.op != op)
            continue;
        /* without these the broker's state and ours would part: they stay, and end late; a cumulative acknowledgement
         * also stands for others that came before it */
        bool structural = entry->type == RAI_SESS_ROLLBACK || entry->type == RAI_SESS_CLOSE ||
                          entry->type == RAI_SESS_CONSUMER_CLOSE || entry->type == RAI_SESS_STOP ||
                          entry->type == RAI_SESS_ACKNOWLEDGE;
        if (structural || !rai_entry_cancel(s, entry))
            return;
        s->work = s->work || entry->work;
        if (entry->doomed)
            doom_commit(s, entry->offset); /* its transaction goes on to the next end, which may be logged already */
        rai_entry_bad(s, entry, RA_OUTCOME_NOT_DONE, fault);
        rai_session_check_writable(s);
        return;
    }
    if (rai_producer_cancel_open(s, op, fault))
        return;
    if (s->fresh && s->open_op == op && s->state == RAI_S_NEW)
        rai_session_lose(s, fault);
}

/* --- counting --- */

static void frame_processed(void *ctx, const uint8_t *frame, size_t size)
{
    rai_session *s = ctx;
    if (s->log.confirmed >= s->answered_end && is_forget(s, frame, size)) /* else it was settled by an answer */
        forget_over(s);
}

static void miscounted(rai_session *s)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_PROTOCOL, "the broker counted commands that were never sent to it");
    rai_session_lose(s, &why);
}

void rai_session_confirmed(rai_session *s, uint32_t n)
{
    if (!rai_log_drop(&s->log, n, frame_processed, s) && !s->e->hooks.no_barrier) {
        miscounted(s);
        return;
    }
    rai_session_check_writable(s);
}

static bool settles_by_count(const struct rai_pending *entry)
{
    return entry->type != RAI_SESS_QUEUEQUERY && entry->type != RAI_SESS_BINDINGQUERY;
}

/* The count proves that a question was asked, not what was answered: ask again. */
static void ask_again(rai_session *s, struct rai_pending *entry)
{
    struct rai_pending again = *entry;
    const rai_producer *p = entry->subject;
    const char *name = p != NULL ? p->address : entry->as.op != NULL ? entry->as.op->name : NULL;
    entry->ended = true;
    entry->as.op = NULL;
    if (name == NULL)
        return;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d)) {
        if (again.type == RAI_SESS_QUEUEQUERY)
            rai_put_queue_query(&d.w, d.size, s->channel, name);
        else
            rai_put_binding_query(&d.w, d.size, s->channel, name);
    }
    if (!rai_draft_commit(&d, &again)) {
        struct rai_fault why;
        rai_fault_set(&why, RA_E_NO_MEMORY, "out of memory");
        rai_op_end(again.as.op, RA_OUTCOME_UNKNOWN, &why);
        if (again.subject != NULL)
            rai_producer_route_step(again.subject, NULL, &why);
    }
}

static void settle_entry(rai_session *s, uint64_t index)
{
    struct rai_pending *entry = rai_pendings_at(&s->pendings, index);
    if (entry->ended)
        return;
    rai_count(s->e, RA_STAT_ANSWERS_LOST, 1);
    if (entry->correlation != RAI_NO_CORRELATION)
        rai_numbers_add(&s->lost_answers, entry->correlation); /* its first copy may still come, and counts then */
    if (settles_by_count(entry))
        rai_entry_good(s, entry, NULL);
    else
        ask_again(s, entry);
}

static void end_candidates(rai_session *s, uint64_t before)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_OUTCOME_UNKNOWN, "the broker's refusal of one command was lost, perhaps of this one");
    for (uint64_t i = s->pendings.head; i < s->pendings.tail; i++) {
        if (i < s->pendings.head)
            continue; /* left meanwhile */
        struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        if (entry->offset >= before)
            break;
        if (!entry->ended && entry->correlation != RAI_NO_CORRELATION)
            rai_numbers_add(&s->lost_answers, entry->correlation);
        rai_entry_bad(s, entry, RA_OUTCOME_UNKNOWN, &why);
    }
}

/* The true count is known. Everything up to it has been done, answered or not. A good answer to a frame *behind* it can
 * only mean that an EXCEPTION was lost: the broker did not count one of ours that we did. */
void rai_session_settle(rai_session *s, uint32_t n)
{
    bool naive = s->e->hooks.no_barrier; /* the reference takes any count for true */
    if (!rai_log_drop(&s->log, n, frame_processed, s) && !naive) {
        miscounted(s);
        return;
    }
    if (s->answered_end > s->log.confirmed && !naive) {
        rai_count(s->e, RA_STAT_NUMBERING_REPAIRS, 1);
        rai_say(s->e, s, "a refusal was lost: the broker counted %u commands, fewer than it has answered", (unsigned)n);
        uint64_t before = s->answered_end;
        end_candidates(s, before);
        rai_log_repair(&s->log, before, n + 1, frame_processed, s);
        return;
    }
    uint64_t tail = s->pendings.tail; /* questions asked again come behind it */
    for (uint64_t i = s->pendings.head; i < tail; i++) {
        if (i < s->pendings.head)
            continue;
        if (rai_pendings_at(&s->pendings, i)->offset >= s->log.confirmed)
            break;
        settle_entry(s, i);
    }
    rai_entries_pop(s);
}

/* --- answers --- */

/* There is at most one: see the gate in plan.c. */
static struct rai_pending *request_in_flight(rai_session *s)
{
    for (uint64_t i = s->pendings.head; i < s->pendings.tail; i++) {
        struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        if (entry->ended || entry->correlation != RAI_NO_CORRELATION)
            continue;
        bool out = s->state == RAI_S_OPEN ? entry->offset < s->log.planned : entry->end <= s->log.written;
        return out ? entry : NULL;
    }
    return NULL;
}

/* A correlated answer: its entry, and whether this is the first copy. */
static bool first_copy(rai_session *s, int64_t correlation, struct rai_pending **entry_out)
{
    struct rai_pending *entry = rai_pendings_find(&s->pendings, correlation);
    *entry_out = entry;
    if (entry != NULL && !entry->ended)
        return true;
    return rai_numbers_remove(&s->lost_answers, correlation);
}

static bool doubled(rai_session *s)
{
    rai_count(s->e, RA_STAT_ANSWERS_DOUBLED, 1);
    return false;
}

static bool answered_with_data(int request)
{
    return request == RAI_SESS_QUEUEQUERY || request == RAI_SESS_BINDINGQUERY || request == RAI_SESS_CREATECONSUMER ||
           request == RAI_SESS_XA_GET_TIMEOUT;
}

/* These return whether the packet counts. */

static bool null_response(rai_session *s, const struct rai_frame *f)
{
    int64_t correlation;
    struct rai_pending *entry;
    if (!rai_get_null_response(f, &correlation))
        return true;
    if (correlation == RAI_NO_CORRELATION || correlation == 0) { /* 0 is never one of ours, and older brokers say it */
        entry = request_in_flight(s);
        if (entry != NULL && answered_with_data(entry->type))
            entry = NULL;
    } else {
        if (!first_copy(s, correlation, &entry))
            return doubled(s);
        if (entry == NULL || entry->ended)
            return true; /* completed by the count before */
    }
    if (entry == NULL)
        return doubled(s);
    rai_entry_good(s, entry, f);
    return true;
}

/* 0: not a barrier's; 1: counts; -1: a second copy */
static int barrier_exception(rai_session *s, const char *text)
{
    const char *at = strstr(text, s->barrier_key);
    if (at == NULL || at[RAI_BARRIER_NAME] != '.')
        return 0;
    char *end;
    unsigned long number = strtoul(at + RAI_BARRIER_NAME + 1, &end, 10);
    if (end == at + RAI_BARRIER_NAME + 1 || *end != '.')
        return 0;
    if (number == s->barrier && s->barrier_out && !s->barrier_answered) {
        s->barrier_answered = true;
        return 1;
    }
    return rai_numbers_remove(&s->barriers_unanswered, (int64_t)number) ? 1 : -1;
}

/* What the request was about: the broker's text does not always tell. */
static const char *name_of(const struct rai_pending *entry)
{
    const rai_consumer *c = entry->subject;
    const rai_producer *p = entry->subject;
    const struct rai_credit *account = entry->subject;
    if (c != NULL && (entry->type == RAI_SESS_CREATECONSUMER || entry->type == RAI_SESS_CONSUMER_CLOSE))
        return c->queue;
    if (account != NULL && entry->type == RAI_SESS_SEND)
        return account->address;
    if (p != NULL)
        return p->address;
    return !entry->tagged && entry->as.op != NULL ? entry->as.op->name : NULL;
}

static bool rejected(rai_session *s, struct rai_pending *entry, int32_t code, const char *text)
{
    struct rai_fault why;
    rai_fault_set_broker(&why, code, text, strlen(text));
    rai_fault_about(&why, name_of(entry));
    if (s->link != NULL)
        rai_link_name_endpoint(s->link, &why);
    if (!rai_log_make_hole(&s->log, entry->offset)) {
        rai_fault_set(&why, RA_E_NO_MEMORY, "out of memory");
        rai_session_lose(s, &why); /* without the hole every later number would be wrong */
        return true;
    }
    if (s->transacted && entry->type == RAI_SESS_SEND)
        doom_commit(s, entry->offset);
    rai_entry_bad(s, entry, RA_OUTCOME_REJECTED, &why);
    rai_session_check_writable(s);
    return true;
}

static bool exception(rai_session *s, const struct rai_frame *f)
{
    int32_t code;
    int64_t correlation;
    char text[512];
    struct rai_pending *entry = NULL;
    if (!rai_get_exception(f, &code, text, sizeof text, &correlation))
        return true;
    /* packets without the field read as -1; 0 is never one of ours */
    if (correlation != RAI_NO_CORRELATION && correlation != 0) {
        if (!first_copy(s, correlation, &entry))
            return doubled(s);
        return entry == NULL || entry->ended ? true : rejected(s, entry, code, text);
    }
    int barrier = barrier_exception(s, text);
    if (barrier != 0)
        return barrier > 0 ? true : doubled(s);
    entry = request_in_flight(s);
    return entry != NULL ? rejected(s, entry, code, text) : doubled(s);
}

static bool fits(int request, int answer)
{
    switch (answer) {
    case RAI_SESS_QUEUEQUERY_RESP:
    case RAI_SESS_QUEUEQUERY_RESP_V2:
    case RAI_SESS_QUEUEQUERY_RESP_V3:
        return request == RAI_SESS_QUEUEQUERY || request == RAI_SESS_CREATECONSUMER;
    case RAI_SESS_XA_GET_TIMEOUT_RESP:
        return request == RAI_SESS_XA_GET_TIMEOUT;
    default:
        return request == RAI_SESS_BINDINGQUERY;
    }
}

static bool data_answer(rai_session *s, const struct rai_frame *f)
{
    struct rai_pending *entry = request_in_flight(s);
    if (entry == NULL || !fits(entry->type, f->type))
        return doubled(s);
    rai_entry_good(s, entry, f);
    return true;
}

static void disconnect_consumer(rai_session *s, const struct rai_frame *f)
{
    int64_t id;
    if (rai_get_disconnect_consumer(f, &id))
        rai_consumer_disconnected(s, id);
}

static bool packet(rai_session *s, const struct rai_frame *f)
{
    switch (f->type) {
    case RAI_NULL_RESPONSE:
        return null_response(s, f);
    case RAI_EXCEPTION:
        return exception(s, f);
    case RAI_SESS_RECEIVE_MSG:
        rai_consumer_message(s, f);
        return true;
    case RAI_SESS_RECEIVE_LARGE_MSG:
        rai_consumer_large(s, f);
        return true;
    case RAI_SESS_RECEIVE_CONTINUATION:
        rai_consumer_chunk(s, f);
        return true;
    case RAI_SESS_PRODUCER_CREDITS:
    case RAI_SESS_PRODUCER_FAIL_CREDITS:
        rai_producer_credits(s, f);
        return true;
    case RAI_DISCONNECT_CONSUMER:
        disconnect_consumer(s, f);
        return true;
    case RAI_SESS_QUEUEQUERY_RESP:
    case RAI_SESS_QUEUEQUERY_RESP_V2:
    case RAI_SESS_QUEUEQUERY_RESP_V3:
    case RAI_SESS_BINDINGQUERY_RESP:
    case RAI_SESS_BINDINGQUERY_RESP_V2:
    case RAI_SESS_BINDINGQUERY_RESP_V3:
    case RAI_SESS_BINDINGQUERY_RESP_V4:
    case RAI_SESS_BINDINGQUERY_RESP_V5:
    case RAI_SESS_XA_GET_TIMEOUT_RESP:
        return data_answer(s, f);
    default:
        return true; /* whatever it is, the broker numbers it */
    }
}

void rai_session_frame(rai_session *s, const struct rai_frame *f)
{
    if (s->state == RAI_S_CLOSED || s->state == RAI_S_LOST)
        return;
    if (f->type == RAI_PACKETS_CONFIRMED) {
        int32_t n;
        if (rai_get_packets_confirmed(f, &n))
            rai_session_confirmed(s, (uint32_t)n);
        return;
    }
    bool answered_before = s->barrier_answered;
    if (!packet(s, f))
        return;
    s->received++;
    s->received_bytes += (int64_t)f->size;
    int32_t window = s->e->config->confirmation_window;
    if (window >= 0 && s->received_bytes >= window)
        rai_session_due(s, RAI_DUE_CONFIRM);
    if (s->barrier_answered && !answered_before)
        rai_session_barrier_answered(s, s->barrier);
}
