#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * Large messages: the headers, and the body in pieces behind them. The broker stores nothing before the last piece has
 * come, and a session has one such message at a time: headers that come too early throw the one before away. So pieces
 * that were written do no harm by themselves, and what becomes of the message is what becomes of its last piece, which
 * is a send like any other. Other commands may stand between the pieces.
 */

bool rai_large_is_one(const ra_message *m, const struct rai_send *send)
{
    enum { LENGTH = 4 };
    /* headers that fill a piece would not fit into the broker's journal either way */
    return m->body_size + LENGTH > send->piece && rai_send_blob_size(m, send) - m->body_size < send->piece;
}

/* --- in the log --- */

static bool is_piece(const uint8_t *frame)
{
    int type = rai_frame_type(frame);
    return type == RAI_SESS_SEND_LARGE || type == RAI_SESS_SEND_CONTINUATION;
}

static bool is_last(const uint8_t *frame, size_t size, int32_t version)
{
    struct rai_send_tail tail;
    return rai_frame_type(frame) == RAI_SESS_SEND_CONTINUATION && rai_get_send_tail(frame, size, version, &tail);
}

/* The frames of a message that was sent as a whole stand in one block, which lives as long as any of them is needed. */
uint64_t rai_large_start(const struct rai_log *log, uint64_t offset, int32_t version)
{
    uint64_t start = offset;
    for (uint64_t at = rai_log_base(log); at < offset;) {
        size_t size;
        const uint8_t *frame = rai_log_frame(log, at, &size);
        if (rai_frame_type(frame) == RAI_SESS_SEND_LARGE)
            start = at;
        else if (is_last(frame, size, version))
            start = offset;
        at += size;
    }
    return start;
}

uint64_t rai_large_last(const struct rai_log *log, uint64_t offset, int32_t version)
{
    uint64_t at = offset;
    while (at < log->end) {
        size_t size;
        const uint8_t *frame = rai_log_frame(log, at, &size);
        if (at > offset && rai_frame_type(frame) == RAI_SESS_SEND_LARGE)
            break; /* it was given up */
        if (is_last(frame, size, version))
            return at;
        at += size;
    }
    return log->end;
}

void rai_large_cancelled(rai_session *s, uint64_t last)
{
    struct rai_log *log = &s->log;
    uint64_t from = log->planned > log->written ? log->planned : log->written;
    for (uint64_t at = from; at < last;) { /* only behind what may have been written the last message that begins counts */
        size_t size;
        const uint8_t *frame = rai_log_frame(log, at, &size);
        if (rai_frame_type(frame) == RAI_SESS_SEND_LARGE || is_last(frame, size, s->version))
            from = rai_frame_type(frame) == RAI_SESS_SEND_LARGE ? at : at + size;
        at += size;
    }
    while (from < last) {
        size_t size;
        const uint8_t *frame = rai_log_frame(log, from, &size);
        if (is_piece(frame) && !rai_log_make_hole(log, from))
            return; /* out of memory: it is written for nothing */
        from += size;
        if (from < log->confirmed)
            from = log->confirmed; /* leading holes are gone at once */
    }
}

/* --- one that is written piece by piece --- */

static void end(rai_session *s)
{
    rai_free(s->large);
    s->large = NULL;
}

void rai_large_forget(rai_session *s, const rai_producer *p)
{
    if (s->large != NULL && s->large->producer == p)
        end(s);
}

void rai_large_interrupt(rai_session *s, const struct rai_fault *why)
{
    if (s->large != NULL && s->large->fault.code == RA_OK)
        s->large->fault = *why;
    rai_session_check_writable(s); /* who waits for room need not */
}

bool rai_large_is_interrupted(const rai_producer *p)
{
    const struct rai_large *l = p->s->large;
    return l != NULL && l->producer == p && l->fault.code != RA_OK;
}

bool rai_large_moves(rai_session *s, uint64_t begin)
{
    struct rai_large *l = s->large;
    if (l == NULL || l->moved || l->start != begin || l->fault.code != RA_OK)
        return false;
    l->start = s->log.end;
    l->moved = true;
    return true;
}

void rai_large_moved(rai_session *s)
{
    struct rai_fault why;
    if (s->large == NULL)
        return;
    rai_fault_set(&why, RA_E_LARGE_INTERRUPTED,
                  "the session was recreated in the middle of a large message: nothing of it was stored, send it again");
    if (!s->large->moved)
        rai_large_interrupt(s, &why);
    s->large->moved = false;
}

int rai_producer_start_large(rai_producer *p, const char *address, const ra_message *m, int64_t now,
                             struct rai_fault *fault)
{
    rai_session *s = p->s;
    struct rai_credit *credit;
    s->e->now = now;
    int rc = rai_send_begin(p, address, &credit, fault);
    if (rc < 0)
        return rc;
    if (s->large != NULL)
        return rai_fault_set(fault, RA_E_STATE, "a large message is being written on this session: finish it first");
    struct rai_send send = rai_send_of(p, address, RAI_SEND_FORGET);
    send.added_size = rai_duplicate_id(s, m, &send.added);
    size_t cost = rai_send_blob_size(m, &send);
    if (m->body_size > 0)
        return rai_fault_set(fault, RA_E_ARGUMENT, "the body of a message that is written in pieces has to be empty");
    if (cost >= send.piece)
        return rai_fault_set(fault, RA_E_ARGUMENT,
                             "header and properties of a large message take %zu bytes: they have to be smaller than "
                             "minLargeMessageSize, %zu",
                             cost, send.piece);
    rc = rai_send_admit(p, credit, cost, false, fault);
    if (rc < 0)
        return rc;
    struct rai_large *l = rai_alloc(sizeof *l + send.piece);
    struct rai_draft d = rai_draft(s);
    while (l != NULL && rai_draft_next(&d))
        rai_put_send_large(&d.w, d.size, s->channel, m, &send);
    if (l == NULL || !rai_draft_commit(&d, NULL)) {
        rai_send_give_back(s, credit, cost);
        rai_free(l);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    *l = (struct rai_large){.producer = p, .credit = credit, .start = s->log.end - d.size};
    l->named = send.added != NULL && s->transacted;
    s->large = l;
    return RA_OK;
}

/* The one that this producer is writing. What went wrong with it is said once, and ends it. */
static int under_way(rai_producer *p, struct rai_large **out, struct rai_fault *fault)
{
    rai_session *s = p->s;
    *out = s->large;
    int rc = rai_session_usable(s, fault);
    if (rc < 0) {
        rai_large_forget(s, p);
        return rc;
    }
    if (s->large == NULL || s->large->producer != p)
        return rai_fault_set(fault, RA_E_STATE, "no large message has been started on this producer");
    if (s->large->fault.code == RA_OK)
        return RA_OK;
    rc = s->large->fault.code;
    if (fault != NULL)
        *fault = s->large->fault;
    end(s);
    return rc;
}

static size_t frame_size(const rai_session *s, const struct rai_send_piece *piece, const struct rai_send *send)
{
    struct rai_writer count = {0};
    rai_put_send_piece(&count, 0, s->channel, s->version, piece, send);
    return count.size;
}

static int log_piece(rai_producer *p, struct rai_large *l, const uint8_t *data, size_t size, struct rai_fault *fault)
{
    rai_session *s = p->s;
    struct rai_send send = rai_send_of(p, NULL, RAI_SEND_FORGET);
    struct rai_send_piece piece = {.data = data, .size = size};
    size_t cost = frame_size(s, &piece, &send);
    int rc = rai_send_admit(p, l->credit, cost, false, fault);
    if (rc < 0)
        return rc;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_send_piece(&d.w, d.size, s->channel, s->version, &piece, &send);
    if (rai_draft_commit(&d, NULL))
        return RA_OK;
    rai_send_give_back(s, l->credit, cost);
    return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
}

/* A piece is written when more than it is there: the last one is written by the finish, and is not empty. */
int64_t rai_producer_write_large(rai_producer *p, const void *bytes, size_t size, int64_t now, struct rai_fault *fault)
{
    size_t full = (size_t)p->s->e->config->min_large_message_size, taken = 0;
    const uint8_t *data = bytes;
    struct rai_large *l;
    p->s->e->now = now;
    int rc = under_way(p, &l, fault);
    while (rc == RA_OK && taken < size) {
        size_t left = size - taken, n = full - l->filled < left ? full - l->filled : left;
        if (l->filled == 0 && left > full) {
            rc = log_piece(p, l, data + taken, full, fault);
            n = rc == RA_OK ? full : 0;
        } else if (l->filled == full) {
            rc = log_piece(p, l, l->piece, full, fault);
            l->filled = rc == RA_OK ? 0 : full;
        } else {
            memcpy(l->piece + l->filled, data + taken, n);
            l->filled += n;
        }
        taken += n;
    }
    if (taken == 0)
        return rc;
    l->size += (int64_t)taken;
    return (int64_t)taken; /* what stopped it is said by the next call */
}

int rai_producer_finish_large(rai_producer *p, enum rai_send_mode mode, int64_t now, rai_op **op_out,
                              struct rai_fault *fault)
{
    rai_session *s = p->s;
    struct rai_large *l;
    s->e->now = now;
    int rc = under_way(p, &l, fault);
    if (rc < 0)
        return rc;
    struct rai_send send = rai_send_of(p, NULL, mode);
    struct rai_send_piece piece = {.data = l->piece, .size = l->filled, .last = true, .body_size = l->size};
    size_t cost = frame_size(s, &piece, &send);
    rc = rai_send_admit(p, l->credit, cost, false, fault);
    if (rc < 0)
        return rc;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_send_piece(&d.w, d.size, s->channel, s->version, &piece, &send);
    rc = rai_send_commit(p, &d, &send, l->credit, mode, 0, op_out, fault);
    if (rc < 0)
        rai_send_give_back(s, l->credit, cost);
    if (rc == RA_OK && l->named)
        rai_session_forget_transaction_id(s);
    if (rc == RA_OK)
        end(s);
    return rc;
}

void rai_producer_cancel_large(rai_producer *p)
{
    rai_large_forget(p->s, p);
}
