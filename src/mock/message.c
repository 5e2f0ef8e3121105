/* Messages: what a broker reads of them, and the changes that it makes. */
#include <stdlib.h>
#include <string.h>

#include "codec/bytes.h"
#include "codec/properties.h"
#include "codec/text.h"
#include "mock/inside.h"

/* Keys are ASCII. */
static bool is_key(struct rai_sstr s, const char *key)
{
    size_t n = strlen(key);
    if (s.size != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s.data[2 * i] != (uint8_t)key[i] || s.data[2 * i + 1] != 0)
            return false;
    return true;
}

bool rai_mock_message_find(const struct rai_mock_message *message, const char *key, struct rai_property *out)
{
    struct rai_reader r = { message->properties, message->properties + message->properties_size, false };
    for (int32_t left = message->property_count; left > 0 && rai_property_next(&r, out); left--)
        if (is_key(out->key, key))
            return true;
    return false;
}

/* Of messageId to the properties; they are the rest. */
static void read_headers(struct rai_mock_message *message, struct rai_reader *r)
{
    struct rai_property p;
    message->headers = r->at;
    rai_get_i64(r); /* id */
    rai_mock_read_nname(r, message->address);
    if (rai_get_bool(r))
        message->user_id = rai_get_raw(r, 16);
    message->type = (int8_t)rai_get_u8(r);
    message->durable = rai_get_bool(r);
    message->expiration = rai_get_i64(r);
    message->timestamp = rai_get_i64(r);
    message->priority = (int8_t)rai_get_u8(r);
    message->marker = r->at;
    if (!rai_get_properties(r, &message->properties, &message->properties_size, &message->property_count))
        rai_spoil(r);
    message->routing_type = -1;
    if (!r->bad && rai_mock_message_find(message, "_AMQ_ROUTING_TYPE", &p) && p.tag == RAI_TAG_BYTE)
        message->routing_type = p.value[0];
}

struct rai_mock_message *rai_mock_message_new(rai_mock *m, const uint8_t *blob, size_t size)
{
    struct rai_mock_message *message = rai_mock_take(sizeof *message + size);
    memcpy(message->blob, blob, size);
    struct rai_reader r = { message->blob, message->blob + size, false };
    int32_t end = rai_get_i32(&r);
    if (end < RAI_FRAME_HEADER)
        rai_spoil(&r);
    message->refs = 1;
    message->blob_size = size;
    message->body_size = r.bad ? 0 : (size_t)(end - RAI_FRAME_HEADER);
    message->body = rai_get_raw(&r, message->body_size);
    read_headers(message, &r);
    if (r.bad) {
        free(message);
        return NULL;
    }
    message->id = ++m->last_id;
    rai_store64(message->blob + 4 + message->body_size, message->id);
    return message;
}

size_t rai_mock_message_headers_size(const struct rai_mock_message *message)
{
    return message->blob_size - 4 - message->body_size;
}

void rai_mock_message_drop(struct rai_mock_message *message)
{
    if (--message->refs == 0)
        free(message);
}

/* --- the broker's changes --- */

static void put_key(struct rai_writer *w, const char *key, enum rai_tag tag)
{
    rai_put_text_sstr(w, key);
    rai_put_u8(w, (uint8_t)tag);
}

static void put_added(struct rai_writer *w, const struct rai_mock_added *added, int count)
{
    for (int i = 0; i < count; i++) {
        put_key(w, added[i].key, added[i].text != NULL ? RAI_TAG_STRING : RAI_TAG_LONG);
        if (added[i].text != NULL)
            rai_put_text_sstr(w, added[i].text);
        else
            rai_put_i64(w, added[i].number);
    }
}

static void put_blob(struct rai_writer *w, const struct rai_mock_message *from, const struct rai_mock_change *change)
{
    rai_put_i32(w, (int32_t)(RAI_FRAME_HEADER + from->body_size));
    rai_put_raw(w, from->body, from->body_size);
    rai_put_i64(w, 0);
    if (change->address != NULL) {
        rai_put_text_nsstr(w, change->address);
        rai_put_u8(w, from->user_id != NULL);
        if (from->user_id != NULL)
            rai_put_raw(w, from->user_id, 16);
        rai_put_u8(w, (uint8_t)from->type);
        rai_put_u8(w, from->durable);
        rai_put_i64(w, 0); /* it never expires again */
        rai_put_i64(w, from->timestamp);
        rai_put_u8(w, (uint8_t)from->priority);
    } else {
        rai_put_raw(w, from->headers + 8, (size_t)(from->marker - from->headers) - 8);
    }
    rai_put_u8(w, 1);
    rai_put_i32(w, from->property_count + change->count);
    rai_put_raw(w, from->properties, from->properties_size);
    put_added(w, change->added, change->count);
}

struct rai_mock_message *rai_mock_message_changed(rai_mock *m, const struct rai_mock_message *from,
                                                  const struct rai_mock_change *change)
{
    struct rai_writer w = { NULL, 0 };
    put_blob(&w, from, change);
    uint8_t *blob = rai_mock_take(w.size);
    size_t size = w.size;
    w = (struct rai_writer){ blob, 0 };
    put_blob(&w, from, change);
    struct rai_mock_message *changed = rai_mock_message_new(m, blob, size);
    free(blob);
    changed->large = from->large;
    return changed;
}

/* --- one that comes in pieces --- */

void rai_mock_pieces_clear(struct rai_mock_pieces *p)
{
    free(p->headers.bytes);
    free(p->body.bytes);
    *p = (struct rai_mock_pieces){ 0 };
}

/* NULL: malformed */
struct rai_mock_message *rai_mock_pieces_join(rai_mock *m, struct rai_mock_pieces *p, int64_t body_size)
{
    struct rai_mock_added added = { .key = "_AMQ_LARGE_SIZE", .number = body_size };
    struct rai_mock_change change = { .added = &added, .count = 1 };
    size_t body = p->body.size - p->body.at, headers = p->headers.size, size = 4 + body + headers;
    uint8_t *blob = rai_mock_take(size);
    struct rai_writer w = { blob, 0 };
    rai_put_i32(&w, (int32_t)(RAI_FRAME_HEADER + body));
    rai_put_raw(&w, p->body.bytes, body);
    rai_put_raw(&w, p->headers.bytes, headers);
    struct rai_mock_message *message = rai_mock_message_new(m, blob, size);
    free(blob);
    rai_mock_pieces_clear(p);
    if (message == NULL)
        return NULL;
    message->large = true;
    if (body_size < 0)
        return message;
    struct rai_mock_message *sized = rai_mock_message_changed(m, message, &change);
    rai_mock_message_drop(message);
    return sized;
}
