#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

#define FORCED_MARKER "_hornetq.forced.delivery.seq"

/* --- frames --- */

bool rai_consumer_log_create(rai_consumer *c, rai_op *op)
{
    rai_session *s = c->s;
    struct rai_create_consumer create = {
        .id = c->id, .queue = c->queue, .filter = c->filter, .browse = c->browse, .respond = true
    };
    struct rai_pending pending = {
        .type = RAI_SESS_CREATECONSUMER, .correlation = RAI_NO_CORRELATION, .subject = c, .as.op = op
    };
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_create_consumer(&d.w, d.size, s->channel, s->version, &create);
    if (!rai_draft_commit(&d, &pending))
        return false;
    c->create_pending = true;
    return true;
}

static bool log_credits(rai_consumer *c, int32_t credits)
{
    struct rai_draft d = rai_draft(c->s);
    while (rai_draft_next(&d))
        rai_put_flow_token(&d.w, d.size, c->s->channel, c->id, credits);
    return rai_draft_commit(&d, NULL);
}

/* The first credits: the whole window; for a window of 0 only while somebody waits. */
void rai_consumer_log_credits(rai_consumer *c)
{
    c->owed = 0;
    c->credit_out = c->unsure = false;
    c->withdrawn = 0;
    if (c->window != 0)
        log_credits(c, c->window);
    else if (c->waiting > 0)
        c->credit_out = log_credits(c, 1);
}

/* --- open and close --- */

static void list(rai_consumer *c)
{
    rai_session *s = c->s;
    if (s->last_consumer != NULL)
        s->last_consumer->next = c;
    else
        s->consumers = c;
    s->last_consumer = c;
}

static void end_force(rai_consumer *c, int outcome, const struct rai_fault *fault)
{
    rai_op *op = c->force_op;
    c->force_op = NULL;
    rai_op_end(op, outcome, fault);
    rai_op_unref(op);
}

static void consumer_free(rai_consumer *c)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_CLOSED, "the consumer is closed");
    end_force(c, RA_OUTCOME_NOT_DONE, &why); /* let go before its session's close was answered */
    rai_consumer_clear(c, false);
    rai_ready_forget_consumer(c);
    rai_free(c->queue);
    rai_free(c->filter);
    rai_free(c->made);
    rai_free(c);
}

static void unlist(rai_consumer *c)
{
    rai_consumer *last = NULL;
    for (rai_consumer **at = &c->s->consumers; *at != NULL;) {
        if (*at == c) {
            *at = c->next;
            continue;
        }
        last = *at;
        at = &(*at)->next;
    }
    c->s->last_consumer = last;
}

void rai_consumer_free_if_done(rai_consumer *c)
{
    bool over = c->fault.code != RA_OK || !rai_session_is_open(c->s);
    if (!c->released || !over || c->create_pending || c->close_pending)
        return;
    unlist(c);
    consumer_free(c);
}

int rai_consumer_open(rai_session *s, const char *queue, const char *filter, bool browse, int32_t window, void *owner,
                      int64_t now, rai_consumer **out, rai_op **op_out, struct rai_fault *fault)
{
    s->e->now = now;
    int rc = rai_session_usable(s, fault);
    if (rc < 0)
        return rc;
    rai_consumer *c = rai_calloc(1, sizeof *c);
    rai_op *op = c != NULL ? rai_op_new(s->e, s, now) : NULL;
    if (op == NULL) {
        rai_free(c);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    *c = (rai_consumer){ .s = s, .owner = owner, .browse = browse, .window = window, .ack_id = -1 };
    c->id = s->next_consumer++;
    c->key = ++s->e->next_consumer_key;
    c->queue = rai_strdup(queue);
    c->filter = rai_strdup(filter);
    bool fine = c->queue != NULL && (filter == NULL || c->filter != NULL);
    if (!fine || !rai_consumer_log_create(c, op)) {
        rai_op_discard(op);
        consumer_free(c);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    list(c);
    rai_op_hand_out(op, op_out);
    *out = c;
    return RA_OK;
}

static void log_force(rai_consumer *c)
{
    struct rai_draft d = rai_draft(c->s);
    c->force_sequence++;
    while (rai_draft_next(&d))
        rai_put_force_delivery(&d.w, d.size, c->s->channel, c->id, c->force_sequence);
    rai_draft_commit(&d, NULL);
}

static void learn_queue(rai_consumer *c, const struct rai_frame *answer)
{
    struct rai_queue_answer a;
    if (c->made == NULL && answer != NULL && rai_get_queue_answer(answer, &a))
        c->made = rai_made_queue_of_answer(c->queue, &a);
}

void rai_consumer_opened(rai_consumer *c, const struct rai_frame *answer)
{
    c->create_pending = false;
    learn_queue(c, answer);
    if (c->opened || c->closing) {
        rai_consumer_free_if_done(c);
        return;
    }
    c->opened = true;
    rai_consumer_log_credits(c);
    if (c->force_op != NULL) /* the broker had no credits yet when it was asked: its marker would say nothing */
        log_force(c);
}

void rai_consumer_ended(rai_consumer *c, const struct rai_fault *fault)
{
    if (c->fault.code == RA_OK) {
        if (fault != NULL)
            c->fault = *fault;
        else
            rai_fault_set(&c->fault, RA_E_CLOSED, "the consumer is closed");
        c->closing = true;
        rai_consumer_clear(c, false);
        end_force(c, RA_OUTCOME_NOT_DONE, &c->fault);
        rai_consumer_ready(c);
    }
    rai_consumer_free_if_done(c);
}

static bool log_close(rai_consumer *c, rai_op *op)
{
    struct rai_pending pending = {
        .type = RAI_SESS_CONSUMER_CLOSE, .correlation = RAI_NO_CORRELATION, .subject = c, .as.op = op
    };
    struct rai_draft d = rai_draft(c->s);
    while (rai_draft_next(&d))
        rai_put_consumer_close(&d.w, d.size, c->s->channel, c->id);
    if (!rai_draft_commit(&d, &pending))
        return false;
    c->close_pending = true;
    return true;
}

int rai_consumer_close(rai_consumer *c, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    rai_session *s = c->s;
    s->e->now = now;
    rai_op *op = rai_op_new(s->e, s, now);
    if (op == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    if (c->closing || !rai_session_is_open(s)) {
        rai_op_end(op, RA_OUTCOME_CONFIRMED, NULL);
        rai_op_hand_out(op, op_out);
        return RA_OK;
    }
    rai_consumer_flush_ack(c);
    if (!log_close(c, op)) {
        rai_op_discard(op);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    c->closing = true;
    rai_consumer_clear(c, false);
    rai_consumer_ready(c);
    rai_op_hand_out(op, op_out);
    return RA_OK;
}

void rai_consumer_release(rai_consumer *c, int64_t now)
{
    c->owner = NULL;
    c->released = true;
    c->s->e->now = now;
    if (!c->closing && rai_session_is_open(c->s))
        rai_consumer_close(c, now, NULL, NULL);
    rai_consumer_free_if_done(c);
}

/* The broker took the consumer away: its queue was deleted, or it failed. */
void rai_consumer_disconnected(rai_session *s, int64_t id)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_NO_QUEUE, "the broker closed the consumer");
    for (rai_consumer *c = s->consumers; c != NULL; c = c->next) {
        if (c->id != id || c->closing)
            continue;
        log_close(c, NULL);
        c->closing = true;
        c->fault = why;
        rai_consumer_clear(c, false);
        end_force(c, RA_OUTCOME_NOT_DONE, &c->fault);
        rai_consumer_ready(c);
        return;
    }
}

/* --- credits that come back --- */

/* Pieces are still to come, and need credits. */
static bool comes(const rai_consumer *c)
{
    return c->large != NULL || c->arriving != NULL || c->skipping;
}

/* From here on the broker counts from 0. */
static void take_credit_back(rai_consumer *c)
{
    if (log_credits(c, 0))
        c->withdrawn = c->s->log.end;
    c->credit_out = false;
}

/* Window 0: the credit is used up. What is unsure was sent before a credit was taken back or after it was given again, and
 * adding would leave too many or too few. */
static void end_credit(rai_consumer *c, size_t size)
{
    if (c->credit_out && c->unsure)
        take_credit_back(c);
    else if (c->credit_out && size > 1)
        log_credits(c, (int32_t)(size - 1));
    c->credit_out = false;
    c->unsure = c->unsure && (c->first != NULL || comes(c));
    if (c->waiting > 1 || (c->unsure && comes(c)))
        c->credit_out = log_credits(c, 1);
}

/* A delivery begins. Only a good answer to something written later tells that nothing crosses a credit taken back any more:
 * a count can be ahead of what is delivered again after a cut. */
static void begins(rai_consumer *c)
{
    c->unsure = c->unsure || (c->window == 0 && c->withdrawn > c->s->answered_end);
}

static void return_credits(rai_consumer *c, size_t size)
{
    if (c->window < 0 || c->closing)
        return;
    if (c->window == 0) {
        end_credit(c, size);
        return;
    }
    c->owed += (int64_t)size;
    if (c->owed >= ((int64_t)c->window + 1) / 2 && log_credits(c, (int32_t)c->owed))
        c->owed = 0;
}

void rai_consumer_return(rai_consumer *c, size_t size, bool last)
{
    if (last || c->window != 0)
        return_credits(c, size);
    else if (!c->closing)
        log_credits(c, (int32_t)size); /* without a buffer: so that the next piece comes */
}

void rai_consumer_renew_credit(rai_consumer *c)
{
    if (c->window == 0 && c->waiting > 0 && !c->credit_out && !c->closing)
        c->credit_out = log_credits(c, 1);
}

/* --- deliveries --- */

static rai_consumer *find(rai_session *s, int64_t id)
{
    for (rai_consumer *c = s->consumers; c != NULL; c = c->next)
        if (c->id == id)
            return c;
    return NULL;
}

/* The one that a delivery is for, if it takes any. */
static rai_consumer *receiver(rai_session *s, int64_t id, size_t frame_size)
{
    rai_consumer *c = find(s, id);
    if (c == NULL || c->closing)
        return NULL;
    if (c->fault.code == RA_E_LARGE_INTERRUPTED)
        rai_consumer_return(c, frame_size, true); /* a rollback revives it, and then it needs its window */
    return c->fault.code == RA_OK ? c : NULL;
}

void rai_consumer_out_of_memory(rai_session *s)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_NO_MEMORY, "out of memory for a delivered message");
    if (s->link != NULL)
        rai_link_fail(s->link, &why); /* the broker sends it again after the re-attachment */
}

void rai_consumer_malformed(rai_session *s)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_PROTOCOL, "the broker delivered a message that cannot be decoded");
    if (s->link != NULL)
        rai_link_fail(s->link, &why);
}

void rai_consumer_push(rai_consumer *c, ra_message *m)
{
    m->consumer_key = c->key;
    m->epoch = c->s->epoch;
    m->sequence = ++c->delivered;
    m->next = NULL;
    if (c->last != NULL)
        c->last->next = m;
    else
        c->first = m;
    c->last = m;
    rai_count(c->s->e, RA_STAT_RECEIVED, 1);
    end_force(c, RA_OUTCOME_CONFIRMED, NULL);
    rai_consumer_ready(c);
}

static bool is_marker(rai_consumer *c, const ra_message *m)
{
    int64_t sequence;
    if (m->delivery_count != 0 || !rai_message_long(m, FORCED_MARKER, &sequence))
        return false;
    if (sequence == c->force_sequence)
        end_force(c, RA_OUTCOME_CONFIRMED, NULL);
    return true;
}

void rai_consumer_message(rai_session *s, const struct rai_frame *f)
{
    struct rai_delivery delivery;
    bool bad = false;
    if (!rai_get_receive(f, &delivery)) {
        rai_consumer_malformed(s);
        return;
    }
    rai_consumer *c = receiver(s, delivery.consumer, f->size);
    if (c == NULL)
        return;
    struct rai_block *block = s->link != NULL ? s->link->in : NULL;
    ra_message *m = rai_message_decode(delivery.blob, delivery.blob_size, block, &bad);
    if (m == NULL) {
        if (bad)
            rai_consumer_malformed(s);
        else
            rai_consumer_out_of_memory(s);
        return;
    }
    m->delivery_count = delivery.count;
    m->frame_size = f->size;
    if (is_marker(c, m)) {
        ra_message_unref(m);
        return;
    }
    begins(c);
    rai_consumer_push(c, m);
}

/* The pieces of a message that is collected give their credits back as they come: it may be larger than the window. */
static void arrived(rai_consumer *c, size_t size)
{
    rai_consumer_return(c, size, false);
}

static bool too_large(rai_consumer *c, int64_t size)
{
    if (size <= c->s->e->config->max_body_in_memory)
        return false;
    rai_fault_set(
        &c->fault, RA_E_STATE,
        "a large message of %lld bytes came, maxBodyInMemory is %lld: open the consumer so that its body can be "
        "read piece by piece",
        (long long)size, (long long)c->s->e->config->max_body_in_memory);
    end_force(c, RA_OUTCOME_NOT_DONE, &c->fault);
    rai_consumer_ready(c);
    return true;
}

void rai_consumer_large(rai_session *s, const struct rai_frame *f)
{
    struct rai_delivery delivery;
    bool bad = false;
    if (!rai_get_receive_large(f, &delivery)) {
        rai_consumer_malformed(s);
        return;
    }
    rai_consumer *c = receiver(s, delivery.consumer, f->size);
    if (c == NULL || (!c->streams && too_large(c, delivery.large_size)))
        return;
    ra_message *m = rai_message_decode_headers(delivery.blob, delivery.blob_size, &bad);
    if (m == NULL) {
        if (bad)
            rai_consumer_malformed(s);
        else
            rai_consumer_out_of_memory(s);
        return;
    }
    m->delivery_count = delivery.count;
    m->large_size = delivery.large_size;
    m->frame_size = f->size;
    if (c->window == 0 && !c->credit_out) {
        m->frame_size = 1; /* taken back behind these headers: the broker counts from 0 again */
        c->credit_out = true;
    } else {
        begins(c);
    }
    if (c->streams) {
        rai_body_begin(c, m);
        return;
    }
    ra_message_unref(c->large);
    c->large = m;
    c->large_tainted = false;
    arrived(c, m->frame_size);
    m->frame_size = 0;
}

void rai_consumer_interrupt(rai_consumer *c)
{
    struct rai_fault why;
    rai_fault_set(
        &why, RA_E_LARGE_INTERRUPTED,
        "the connection was lost inside a large message: to get it again roll back, or close the consumer and "
        "open it again");
    c->fault = why;
    end_force(c, RA_OUTCOME_NOT_DONE, &c->fault); /* no marker is looked at any more */
    rai_consumer_ready(c);
}

void rai_consumer_revive(rai_consumer *c)
{
    if (c->fault.code == RA_E_LARGE_INTERRUPTED)
        c->fault = (struct rai_fault){ 0 };
}

void rai_consumer_chunk(rai_session *s, const struct rai_frame *f)
{
    struct rai_chunk chunk;
    if (!rai_get_receive_chunk(f, &chunk)) {
        rai_consumer_malformed(s);
        return;
    }
    rai_consumer *c = receiver(s, chunk.consumer, f->size);
    if (c != NULL && c->streams)
        rai_body_chunk(c, &chunk, f->size);
    if (c == NULL || c->large == NULL)
        return;
    ra_message *m = c->large;
    bool fits = (int64_t)(m->body_size + chunk.size) <= s->e->config->max_body_in_memory;
    if (s->replaying) /* the broker keeps its chunks in one buffer for all: those sent again hold later bytes */
        c->large_tainted = true;
    if (!fits || (!c->large_tainted && !rai_message_append_body(m, chunk.data, chunk.size)))
        c->large_tainted = true;
    if (chunk.continues || c->window != 0)
        arrived(c, f->size);
    else
        m->frame_size = f->size; /* window 0: the last chunk's credit goes back when the message is taken */
    if (chunk.continues)
        return;
    c->large = NULL;
    if (c->large_tainted) {
        if (c->window == 0)
            return_credits(c, m->frame_size); /* nobody takes it */
        ra_message_unref(m);
        c->broken = c->delivered + 1;
        rai_consumer_interrupt(c);
        return;
    }
    rai_consumer_push(c, m);
}

void rai_consumer_reattached(rai_consumer *c)
{
    if (c->force_op != NULL && c->opened) /* the marker may have been thrown away with the link */
        log_force(c);
}

/* --- taking --- */

static void report_expired(rai_consumer *c, const ra_message *m)
{
    struct rai_draft d = rai_draft(c->s);
    while (rai_draft_next(&d))
        rai_put_expired(&d.w, d.size, c->s->channel, c->id, m->id);
    rai_draft_commit(&d, NULL);
}

ra_message *rai_consumer_take(rai_consumer *c, int64_t epoch_ms, int64_t now)
{
    c->s->e->now = now;
    rai_body_taken(c, NULL);
    while (rai_consumer_has_message(c)) {
        ra_message *m = c->first;
        c->first = m->next;
        if (c->first == NULL)
            c->last = NULL;
        m->next = NULL;
        rai_consumer_return(c, m->frame_size, !m->streamed);
        rai_body_taken(c, m);
        bool expired = epoch_ms > 0 && m->expiration > 0 && m->expiration <= epoch_ms && !c->browse;
        if (!expired) {
            c->s->work = c->s->work || (c->s->transacted && !c->browse);
            return m;
        }
        report_expired(c, m);
        ra_message_unref(m);
        rai_body_taken(c, NULL);
        rai_consumer_renew_credit(c);
    }
    return NULL;
}

bool rai_consumer_has_message(const rai_consumer *c)
{
    return c->first != NULL && c->s->rollbacks == 0; /* what came in a transaction that is being rolled back comes again */
}

void rai_consumer_wait_begin(rai_consumer *c, int64_t now)
{
    c->s->e->now = now;
    c->waiting++;
    if (c->window == 0 && !c->credit_out && c->first == NULL && c->opened && !c->closing)
        c->credit_out = log_credits(c, 1);
}

void rai_consumer_wait_end(rai_consumer *c, int64_t now)
{
    c->s->e->now = now;
    c->waiting--;
    if (c->window == 0 && c->waiting == 0 && c->credit_out && c->first == NULL && !comes(c) && !c->closing)
        take_credit_back(c);
}

int rai_consumer_force(rai_consumer *c, int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    rai_session *s = c->s;
    s->e->now = now;
    if (c->fault.code != RA_OK) {
        if (fault != NULL)
            *fault = c->fault;
        return c->fault.code;
    }
    if (c->closing)
        return rai_fault_set(fault, RA_E_CLOSED, "the consumer is closed");
    if (c->force_op != NULL) {
        rai_op_hand_out(rai_op_ref(c->force_op), op_out);
        return RA_OK;
    }
    rai_op *op = rai_op_new(s->e, s, now);
    if (op == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    if (!s->started || rai_consumer_has_message(c)) {
        rai_op_end(op, RA_OUTCOME_CONFIRMED, NULL); /* nothing is delivered to a stopped session */
        rai_op_hand_out(op, op_out);
        return RA_OK;
    }
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_force_delivery(&d.w, d.size, s->channel, c->id, c->force_sequence + 1);
    if (!rai_draft_commit(&d, NULL)) {
        rai_op_discard(op);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    c->force_sequence++;
    op->forced = c;
    c->force_op = rai_op_ref(op);
    rai_op_hand_out(op, op_out);
    return RA_OK;
}

const struct rai_fault *rai_consumer_fault(const rai_consumer *c)
{
    static const struct rai_fault closed = { .code = RA_E_CLOSED, .broker_code = -1, .text = "the consumer is closed" };
    return c->fault.code == RA_OK && c->closing ? &closed : &c->fault;
}

void rai_consumer_clear(rai_consumer *c, bool credits_back)
{
    size_t size = 0;
    while (c->first != NULL) {
        ra_message *m = c->first;
        c->first = m->next;
        size += m->frame_size + rai_body_drop(c, m->pieces);
        m->next = NULL;
        ra_message_unref(m);
    }
    size += rai_body_clear(c);
    c->last = NULL;
    ra_message_unref(c->large);
    c->large = NULL;
    c->ack_id = -1;
    c->ack_bytes = 0;
    if (credits_back && size > 0) {
        return_credits(c, size);
        rai_consumer_renew_credit(c); /* what came for the receive that waits was thrown away */
    }
}

/* --- acknowledgements --- */

static bool log_ack(rai_consumer *c, int64_t message, bool individual)
{
    struct rai_draft d = rai_draft(c->s);
    while (rai_draft_next(&d))
        rai_put_acknowledge(&d.w, d.size, c->s->channel, c->id, message, individual, false);
    return rai_draft_commit(&d, NULL);
}

void rai_consumer_flush_ack(rai_consumer *c)
{
    if (c->ack_id < 0 || c->closing)
        return;
    if (log_ack(c, c->ack_id, false)) {
        c->ack_id = -1;
        c->ack_bytes = 0;
    }
}

static int ack_with_op(rai_consumer *c, int64_t message, bool individual, rai_op **op_out, struct rai_fault *fault)
{
    rai_session *s = c->s;
    int type = individual ? RAI_SESS_INDIVIDUAL_ACKNOWLEDGE : RAI_SESS_ACKNOWLEDGE;
    rai_op *op = rai_op_new(s->e, s, s->e->now);
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_acknowledge(&d.w, d.size, s->channel, c->id, message, individual, true);
    return rai_session_request(&d, type, RAI_NO_CORRELATION, op, NULL, op_out, fault);
}

static int checked(rai_consumer *c, const ra_message *m, struct rai_fault *fault)
{
    int rc = rai_session_usable(c->s, fault);
    if (rc < 0)
        return rc;
    if (c->closing)
        return rai_fault_set(fault, RA_E_CLOSED, "the consumer is closed");
    if (m->consumer_key != c->key)
        return rai_fault_set(fault, RA_E_ARGUMENT, "the message was not delivered by this consumer");
    if (c->fault.code == RA_E_LARGE_INTERRUPTED && m->epoch == c->s->epoch && m->sequence >= c->broken) {
        if (fault != NULL)
            *fault = c->fault; /* or it would be gone from the queue, and nobody has it */
        return c->fault.code;
    }
    if (m->epoch != c->s->epoch)
        return rai_fault_set(fault, RA_E_STALE,
                             "the message was delivered before a rollback or a recreation: it comes again");
    return RA_OK;
}

static int nothing_to_do(rai_consumer *c, rai_op **op_out, struct rai_fault *fault)
{
    if (op_out == NULL)
        return RA_OK;
    rai_op *op = rai_op_new(c->s->e, c->s, c->s->e->now);
    if (op == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    rai_op_end(op, RA_OUTCOME_CONFIRMED, NULL);
    *op_out = op;
    return RA_OK;
}

int rai_consumer_acknowledge(rai_consumer *c, const ra_message *m, bool individual, int64_t now, rai_op **op_out,
                             struct rai_fault *fault)
{
    c->s->e->now = now;
    int rc = checked(c, m, fault);
    if (rc < 0)
        return rc;
    bool known = !individual && m->sequence <= c->acked;
    if (c->browse || (known && op_out == NULL))
        return nothing_to_do(c, op_out, fault);
    c->s->work = c->s->work || c->s->transacted;
    if (individual) {
        rai_consumer_flush_ack(c);
        if (op_out != NULL)
            return ack_with_op(c, m->id, true, op_out, fault);
        return log_ack(c, m->id, true) ? RA_OK : rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    if (!known) {
        c->acked = m->sequence;
        c->ack_id = m->id;
        c->ack_bytes += m->encoded_size;
    }
    if (op_out != NULL) {
        if (c->ack_id < 0)
            return nothing_to_do(c, op_out, fault);
        rc = ack_with_op(c, c->ack_id, false, op_out, fault); /* of the last one in the batch: it covers this one */
        if (rc == RA_OK) {
            c->ack_id = -1;
            c->ack_bytes = 0;
        }
        return rc;
    }
    if (c->ack_bytes >= (size_t)(c->s->e->config->ack_batch_size > 0 ? c->s->e->config->ack_batch_size : 0))
        rai_consumer_flush_ack(c);
    return RA_OK;
}
