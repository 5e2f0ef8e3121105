#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * Large messages of a consumer that streams: handed out when they begin, their bodies read piece by piece. Pieces wait
 * here until they are read, and only then give their credits back: so never more than the window of them is in memory.
 *
 * Only the message taken last can be read. When the next one is taken the rest of its body is thrown away, as far as it is
 * here and as it comes.
 */

static void drop_first(struct rai_body *b)
{
    struct rai_body_piece *piece = b->first;
    b->first = piece->next;
    if (b->first == NULL)
        b->last = NULL;
    rai_free(piece);
}

size_t rai_body_drop(rai_consumer *c, struct rai_body *b)
{
    size_t size = 0;
    if (b == NULL)
        return 0;
    for (; b->first != NULL; drop_first(b))
        size += b->first->frame_size;
    if (c->arriving == b)
        c->arriving = NULL;
    if (c->reading == b)
        c->reading = NULL;
    rai_free(b);
    return size;
}

size_t rai_body_clear(rai_consumer *c)
{
    size_t size = rai_body_drop(c, c->reading);
    c->skipping = false;
    return size;
}

void rai_body_begin(rai_consumer *c, ra_message *m)
{
    struct rai_body *b = rai_calloc(1, sizeof *b);
    if (b == NULL) {
        ra_message_unref(m);
        rai_consumer_out_of_memory(c->s);
        return;
    }
    m->streamed = true;
    m->pieces = b;
    c->arriving = b;
    c->skipping = false;
    rai_consumer_push(c, m);
    b->sequence = m->sequence;
}

/* What the broker sends again may hold the bytes of later pieces: it keeps one buffer for all. */
static void interrupt(rai_consumer *c)
{
    c->broken = c->arriving->sequence;
    c->arriving = NULL;
    rai_consumer_interrupt(c);
}

static bool keep(struct rai_body *b, const struct rai_chunk *chunk, size_t frame_size)
{
    struct rai_body_piece *piece = rai_alloc(sizeof *piece + chunk->size);
    if (piece == NULL)
        return false;
    *piece = (struct rai_body_piece){.frame_size = frame_size, .size = chunk->size, .last = !chunk->continues};
    memcpy(piece->data, chunk->data, chunk->size);
    if (b->last != NULL)
        b->last->next = piece;
    else
        b->first = piece;
    b->last = piece;
    return true;
}

static void skip(rai_consumer *c, const struct rai_chunk *chunk, size_t frame_size)
{
    c->skipping = chunk->continues;
    rai_consumer_return(c, frame_size, !chunk->continues);
    if (!chunk->continues)
        rai_consumer_renew_credit(c);
}

void rai_body_chunk(rai_consumer *c, const struct rai_chunk *chunk, size_t frame_size)
{
    struct rai_body *b = c->arriving;
    if (c->skipping) {
        skip(c, chunk, frame_size);
        return;
    }
    if (b == NULL)
        return;
    if (c->s->replaying) {
        interrupt(c);
        rai_consumer_return(c, frame_size, !chunk->continues);
        return;
    }
    if (!keep(b, chunk, frame_size)) {
        rai_consumer_out_of_memory(c->s);
        return;
    }
    if (!chunk->continues) {
        b->complete = true;
        c->arriving = NULL;
    }
    rai_consumer_ready(c);
}

void rai_body_taken(rai_consumer *c, ra_message *m)
{
    struct rai_body *before = c->reading;
    bool comes = before != NULL && before == c->arriving;
    bool last = before != NULL && before->last != NULL && before->last->last;
    size_t size = rai_body_drop(c, before);
    c->skipping = c->skipping || comes;
    if (size > 0)
        rai_consumer_return(c, size, last);
    c->reading = m != NULL ? m->pieces : NULL;
    if (m != NULL)
        m->pieces = NULL;
}

/* --- reading --- */

static int readable(const rai_consumer *c, const ra_message *m, struct rai_fault *fault)
{
    int rc = rai_session_usable(c->s, fault);
    if (rc < 0)
        return rc;
    if (c->closing)
        return rai_fault_set(fault, RA_E_CLOSED, "the consumer is closed");
    if (m->consumer_key != c->key || !m->streamed)
        return rai_fault_set(fault, RA_E_ARGUMENT, "this consumer has no body of this message to read");
    if (m->epoch != c->s->epoch)
        return rai_fault_set(fault, RA_E_STALE,
                             "the message was delivered before a rollback or a recreation: it comes again");
    if (c->reading == NULL || c->reading->sequence != m->sequence)
        return rai_fault_set(fault, RA_E_STATE, "another message was taken since: the rest of this body is gone");
    return RA_OK;
}

static size_t read_piece(rai_consumer *c, struct rai_body *b, uint8_t *out, size_t room)
{
    struct rai_body_piece *piece = b->first;
    size_t n = piece->size - piece->read < room ? piece->size - piece->read : room;
    memcpy(out, piece->data + piece->read, n);
    piece->read += n;
    if (piece->read == piece->size) {
        bool last = piece->last;
        rai_consumer_return(c, piece->frame_size, last);
        drop_first(b);
        if (last)
            rai_consumer_renew_credit(c);
    }
    return n;
}

int64_t rai_consumer_read(rai_consumer *c, const ra_message *m, void *buffer, size_t room, int64_t now,
                          struct rai_fault *fault)
{
    c->s->e->now = now;
    int rc = readable(c, m, fault);
    if (rc < 0)
        return rc;
    struct rai_body *b = c->reading;
    size_t size = 0;
    while (b->first != NULL && (size < room || b->first->size == 0))
        size += read_piece(c, b, (uint8_t *)buffer + size, room - size);
    if (size > 0 || room == 0 || (b->complete && b->first == NULL))
        return (int64_t)size;
    if (c->fault.code == RA_OK)
        return RA_E_WOULD_BLOCK;
    if (fault != NULL)
        *fault = c->fault;
    return c->fault.code;
}

bool rai_consumer_readable(const rai_consumer *c)
{
    const struct rai_body *b = c->reading;
    return b == NULL || b->first != NULL || b->complete || c->fault.code != RA_OK || c->closing;
}

void rai_consumer_stream(rai_consumer *c)
{
    c->streams = true;
}
