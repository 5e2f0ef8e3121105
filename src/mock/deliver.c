/* What consumers get: messages as far as credits reach, large ones piece by piece, and what does not expire before. */
#include <stdlib.h>

#include "mock/inside.h"

enum { PIECE = 102400 };

static bool has_credits(const struct rai_mock_consumer *c)
{
    return c->unlimited || c->credits > 0;
}

static void send(rai_mock *m, struct rai_mock_session *s, struct rai_mock_consumer *c, struct rai_mock_item *item)
{
    c->credits -= (int64_t)item->size;
    rai_mock_session_packet(m, s, item);
}

/* --- pieces --- */

void rai_mock_stream_end(struct rai_mock_consumer *c)
{
    if (c->stream != NULL)
        rai_mock_message_drop(c->stream);
    c->stream = NULL;
}

static void send_piece(rai_mock *m, struct rai_mock_session *s, struct rai_mock_consumer *c)
{
    size_t most = s->piece > 0 ? (size_t)s->piece : PIECE, left = c->stream->body_size - c->streamed;
    struct rai_mock_chunk piece = { .bytes = c->stream->body + c->streamed,
                                    .size = left < most ? left : most,
                                    .continues = left > most };
    struct rai_mock_item *item = rai_mock_say_piece(s->channel, c->id, &piece);
    item->stream = c->stream_number;
    c->streamed += piece.size;
    if (!piece.continues)
        rai_mock_stream_end(c);
    send(m, s, c, item);
}

static void begin_stream(rai_mock *m, struct rai_mock_session *s, struct rai_mock_consumer *c, struct rai_mock_ref *ref)
{
    c->stream = ref->message;
    c->stream->refs++;
    c->streamed = 0;
    c->stream_number = ++m->last_stream;
    send(m, s, c, rai_mock_say_large(s->channel, c->id, ref));
}

/* --- messages --- */

static void hand_out(struct rai_mock_session *s, struct rai_mock_consumer *c, struct rai_mock_ref *ref)
{
    if (c->browse) {
        c->seen = ref->order;
        return;
    }
    rai_mock_queue_remove(c->queue, ref);
    ref->deliveries++;
    if (!s->pre_acknowledge)
        rai_mock_refs_push(&c->delivered, ref);
}

static void deliver_one(rai_mock *m, struct rai_mock_session *s, struct rai_mock_consumer *c, struct rai_mock_ref *ref)
{
    hand_out(s, c, ref);
    if (ref->message->large)
        begin_stream(m, s, c, ref);
    else
        send(m, s, c, rai_mock_say_delivery(s->channel, c->id, ref));
    if (s->pre_acknowledge && !c->browse)
        rai_mock_consume(m, ref);
}

static bool is_over(const rai_mock *m, const struct rai_mock_message *message)
{
    return message->expiration != 0 && message->expiration <= m->config.epoch_ms + m->now / 1000;
}

/* The next that this consumer takes; what has expired leaves the queue on the way. */
static struct rai_mock_ref *next_for(rai_mock *m, const struct rai_mock_consumer *c)
{
    struct rai_mock_ref *next;
    for (struct rai_mock_ref *ref = c->queue->waiting.first; ref != NULL; ref = next) {
        next = ref->next;
        if (is_over(m, ref->message)) {
            rai_mock_queue_remove(c->queue, ref);
            rai_mock_expire(m, ref);
        } else if ((!c->browse || ref->order > c->seen) && rai_mock_filter_takes(c->filter, ref->message)) {
            return ref;
        }
    }
    return NULL;
}

/* false: nothing (more) for this consumer now */
static bool deliver_some(rai_mock *m, struct rai_mock_session *s, struct rai_mock_consumer *c)
{
    struct rai_mock_ref *ref = NULL;
    if (!has_credits(c) || (c->stream == NULL && (ref = next_for(m, c)) == NULL))
        return false;
    if (ref != NULL)
        deliver_one(m, s, c, ref);
    else
        send_piece(m, s, c);
    return true;
}

void rai_mock_session_deliver(rai_mock *m, struct rai_mock_session *s)
{
    if (!s->started || s->moving)
        return;
    m->together = 0;
    for (struct rai_mock_consumer *c = s->consumers; c != NULL; c = c->next)
        while (deliver_some(m, s, c))
            ;
}

void rai_mock_deliver_all(rai_mock *m)
{
    for (struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        rai_mock_session_deliver(m, s);
}
