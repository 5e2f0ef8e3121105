/* SESS_SEND: the blob (body, headers, properties) and the fields behind it, in the variants of versions 129 to 136; and
 * the packets that a large message goes in. */
#include <string.h>

#include "base/utf.h"
#include "codec/message.h"
#include "codec/properties.h"
#include "codec/text.h"

/* The key _AMQ_ROUTING_TYPE as it stands on the wire, and the whole entry but its last byte. */
#define C(c) (c), 0
static const uint8_t routing_entry[] = { 0,      0,      0,      34,     C('_'), C('A'),      C('M'), C('Q'),
                                         C('_'), C('R'), C('O'), C('U'), C('T'), C('I'),      C('N'), C('G'),
                                         C('_'), C('T'), C('Y'), C('P'), C('E'), RAI_TAG_BYTE };
#undef C
enum { ROUTING_KEY_SIZE = 34, ROUTING_ENTRY_SIZE = sizeof routing_entry + 1 };

static bool has_routing_type(const ra_message *m)
{
    struct rai_reader r = rai_message_properties(m);
    struct rai_property p;

    while (rai_property_next(&r, &p)) {
        if (p.key.size == ROUTING_KEY_SIZE && memcmp(p.key.data, routing_entry + 4, ROUTING_KEY_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/* The routing type to add, or -1 */
static int added_routing_type(const ra_message *m, const struct rai_send *send)
{
    bool wanted = send->routing_type == 0 || send->routing_type == 1;

    return wanted && !has_routing_type(m) ? send->routing_type : -1;
}

/* added: bytes of properties that the message itself does not have */
static size_t blob_size(const ra_message *m, const char *address, size_t added)
{
    size_t properties = m->properties_size + added;
    size_t size = 4 + m->body_size; /* end of body, body */

    size += 8 + 1 + (address == NULL ? 0 : 4 + 2 * rai_utf8_units(address, strlen(address)));
    size += m->has_user_id ? 17 : 1;
    size += 1 + 1 + 8 + 8 + 1; /* type, durable, expiration, timestamp, priority */
    return size + 1 + (properties == 0 ? 0 : 4 + properties);
}

size_t rai_message_blob_size(const ra_message *m, const char *address)
{
    return blob_size(m, address, 0);
}

static size_t send_blob_size(const ra_message *m, const struct rai_send *send, int routing_type)
{
    return blob_size(m, send->address, send->added_size + (routing_type >= 0 ? ROUTING_ENTRY_SIZE : 0));
}

size_t rai_send_blob_size(const ra_message *m, const struct rai_send *send)
{
    return send_blob_size(m, send, added_routing_type(m, send));
}

static void put_properties(struct rai_writer *w, const ra_message *m, const struct rai_send *send, int routing_type)
{
    int32_t count = m->property_count + (routing_type >= 0 ? 1 : 0) + (send->added_size > 0 ? 1 : 0);

    rai_put_u8(w, count > 0);
    if (count == 0) {
        return;
    }
    rai_put_i32(w, count);
    rai_put_raw(w, m->properties, m->properties_size);
    if (routing_type >= 0) {
        rai_put_raw(w, routing_entry, sizeof routing_entry);
        rai_put_u8(w, (uint8_t)routing_type);
    }
    rai_put_raw(w, send->added, send->added_size);
}

static void put_headers(struct rai_writer *w, const ra_message *m, const struct rai_send *send, int routing_type)
{
    rai_put_i64(w, 0); /* the broker gives the id */
    rai_put_text_nsstr(w, send->address);
    rai_put_u8(w, m->has_user_id);
    if (m->has_user_id) {
        rai_put_raw(w, m->user_id, sizeof m->user_id);
    }
    rai_put_u8(w, (uint8_t)m->type);
    rai_put_u8(w, m->durable); /* 01, not the FF of packets */
    rai_put_i64(w, m->expiration);
    rai_put_i64(w, m->timestamp);
    rai_put_u8(w, (uint8_t)m->priority);
    put_properties(w, m, send, routing_type);
}

static size_t tail_size(int32_t version)
{
    return version >= 134 ? 1 + 8 + 4 : version >= 130 ? 1 + 8 : 1;
}

static void put_tail(struct rai_writer *w, int32_t version, const struct rai_send_tail *tail)
{
    rai_put_bool(w, tail->respond);
    if (version >= 130) {
        rai_put_i64(w, tail->correlation);
    }
    if (version >= 134) {
        rai_put_i32(w, tail->producer);
    }
}

void rai_put_send(struct rai_writer *w, size_t size, int64_t channel, int32_t version, const ra_message *m,
                  const struct rai_send *send)
{
    int routing_type = added_routing_type(m, send);

    if (w->at == NULL) {
        w->size += RAI_FRAME_HEADER + send_blob_size(m, send, routing_type) + tail_size(version);
        return;
    }
    struct rai_send_tail tail = { send->respond, send->correlation, send->producer };

    rai_put_header(w, RAI_SESS_SEND, channel, size);
    rai_put_i32(w, (int32_t)(uint32_t)(RAI_FRAME_HEADER + m->body_size));
    rai_put_raw(w, m->body, m->body_size);
    put_headers(w, m, send, routing_type);
    put_tail(w, version, &tail);
}

/* --- large messages --- */

void rai_put_send_large(struct rai_writer *w, size_t size, int64_t channel, const ra_message *m,
                        const struct rai_send *send)
{
    rai_put_header(w, RAI_SESS_SEND_LARGE, channel, size);
    put_headers(w, m, send, added_routing_type(m, send));
}

void rai_put_send_piece(struct rai_writer *w, size_t size, int64_t channel, int32_t version,
                        const struct rai_send_piece *piece, const struct rai_send *send)
{
    static const struct rai_send_tail none = { false, 0, 0 };
    struct rai_send_tail tail = piece->last ? (struct rai_send_tail){ send->respond, send->correlation, 0 } : none;

    tail.producer = send->producer;
    rai_put_header(w, RAI_SESS_SEND_CONTINUATION, channel, size);
    rai_put_i32(w, (int32_t)piece->size);
    rai_put_raw(w, piece->data, piece->size);
    rai_put_bool(w, !piece->last);
    if (piece->last) {
        rai_put_i64(w, piece->body_size);
    }
    put_tail(w, version, &tail);
}

static size_t piece_frame_size(int32_t version, const struct rai_send_piece *piece)
{
    return RAI_FRAME_HEADER + 4 + piece->size + 1 + (piece->last ? 8 : 0) + tail_size(version);
}

size_t rai_put_send_in_pieces(struct rai_writer *w, int64_t channel, int32_t version, const ra_message *m,
                              const struct rai_send *send)
{
    size_t headers = rai_send_blob_size(m, send) - 4 - m->body_size;
    struct rai_send_piece piece = { .body_size = (int64_t)m->body_size };
    size_t last = 0;

    rai_put_send_large(w, RAI_FRAME_HEADER + headers, channel, m, send);
    for (size_t at = 0; !piece.last; at += piece.size) {
        size_t left = m->body_size - at;

        last = w->size;
        piece.data = m->body + at;
        piece.last = left <= send->piece;
        piece.size = piece.last ? left : send->piece;
        rai_put_send_piece(w, piece_frame_size(version, &piece), channel, version, &piece, send);
    }
    return last;
}

/* --- what is found again in a frame --- */

/* Whether the frame makes a message complete. */
static bool completes(const uint8_t *frame, size_t size)
{
    struct rai_reader r = { frame + RAI_FRAME_HEADER, frame + size, false };

    if (rai_frame_type(frame) != RAI_SESS_SEND_CONTINUATION) {
        return rai_frame_type(frame) == RAI_SESS_SEND;
    }
    rai_get_raw(&r, (size_t)rai_get_count(&r, 1));
    return !rai_get_bool(&r) && !r.bad;
}

static bool get_tail(const uint8_t *frame, size_t size, int32_t version, struct rai_send_tail *out)
{
    size_t tail = tail_size(version);

    *out =
        (struct rai_send_tail){ false, 0, 0 }; /* what a variant does not carry is zero, as in a send without answer */
    if (size < RAI_FRAME_HEADER + tail) {
        return false;
    }
    struct rai_reader r = { frame + size - tail, frame + size, false };

    out->respond = rai_get_bool(&r);
    if (version >= 130) {
        out->correlation = rai_get_i64(&r);
    }
    if (version >= 134) {
        out->producer = rai_get_i32(&r);
    }
    return !r.bad;
}

bool rai_get_send_tail(const uint8_t *frame, size_t size, int32_t version, struct rai_send_tail *out)
{
    return get_tail(frame, size, version, out) && completes(frame, size);
}

void rai_put_send_transcoded(struct rai_writer *w, size_t size, const uint8_t *frame, size_t frame_size,
                             int32_t from_version, int32_t to_version)
{
    struct rai_send_tail tail;
    int type = rai_frame_type(frame);
    bool known = type == RAI_SESS_SEND || type == RAI_SESS_SEND_CONTINUATION;

    if (!known || !get_tail(frame, frame_size, from_version, &tail)) {
        return;
    }
    struct rai_reader head = { frame + 5, frame + RAI_FRAME_HEADER, false };

    rai_put_header(w, type, rai_get_i64(&head), size);
    rai_put_raw(w, frame + RAI_FRAME_HEADER, frame_size - RAI_FRAME_HEADER - tail_size(from_version));
    put_tail(w, to_version, &tail);
}
