/* Messages from the broker: the blob of SESS_RECEIVE_MSG and the headers of SESS_RECEIVE_LARGE_MSG. */
#include <string.h>

#include "base/alloc.h"
#include "codec/message.h"
#include "codec/properties.h"

/* What frames 75 and 76 hold beside blob or headers */
enum { RECEIVE_OVERHEAD = RAI_FRAME_HEADER + 12, LARGE_OVERHEAD = RAI_FRAME_HEADER + 20 };
enum { COPY_BELOW = 4096 };

static void get_user_id(struct rai_reader *r, ra_message *m)
{
    m->has_user_id = rai_get_bool(r);
    if (m->has_user_id) {
        const uint8_t *id = rai_get_raw(r, sizeof m->user_id);
        if (id != NULL) {
            memcpy(m->user_id, id, sizeof m->user_id);
        }
    }
}

static bool get_headers(struct rai_reader *r, ra_message *m)
{
    m->id = rai_get_i64(r);
    m->wire_address = rai_get_nsstr(r);
    get_user_id(r, m);
    m->type = (int8_t)rai_get_u8(r);
    m->durable = rai_get_bool(r);
    m->expiration = rai_get_i64(r);
    m->timestamp = rai_get_i64(r);
    m->priority = (int8_t)rai_get_u8(r);
    return rai_get_properties(r, &m->properties, &m->properties_size, &m->property_count);
}

static bool get_blob(struct rai_reader *r, ra_message *m)
{
    /* "end of body" is 13 + body size for historical reasons: the size of a frame's header */
    int32_t end = rai_get_i32(r);

    if (end < RAI_FRAME_HEADER) {
        return false;
    }
    m->body_size = (size_t)(end - RAI_FRAME_HEADER);
    m->body = rai_get_raw(r, m->body_size);
    return get_headers(r, m);
}

/* A message with room for `copied` bytes behind it: one allocation for both. */
static ra_message *new_received(size_t copied)
{
    if (copied > SIZE_MAX - sizeof(ra_message)) {
        return NULL;
    }
    ra_message *m = rai_alloc(sizeof *m + copied);

    if (m != NULL) {
        memset(m, 0, sizeof *m);
        m->refs = 1;
    }
    return m;
}

static ra_message *finish(ra_message *m, bool good, bool *bad)
{
    *bad = !good;
    if (good) {
        return m;
    }
    rai_free(m); /* it owns nothing yet */
    return NULL;
}

ra_message *rai_message_decode(const uint8_t *blob, size_t size, struct rai_block *block, bool *bad)
{
    bool copy = block == NULL || size < COPY_BELOW - RECEIVE_OVERHEAD;
    ra_message *m = new_received(copy ? size : 0);

    *bad = false;
    if (m == NULL) {
        return NULL;
    }
    if (copy && size > 0) {
        blob = memcpy(m + 1, blob, size);
    }
    struct rai_reader r = { blob, blob + size, false };

    m->encoded_size = size;
    m->frame_size = size + RECEIVE_OVERHEAD;
    if (!get_blob(&r, m)) {
        return finish(m, false, bad);
    }
    if (!copy) {
        m->block = rai_block_ref(block);
    }
    return finish(m, true, bad);
}

ra_message *rai_message_decode_headers(const uint8_t *headers, size_t size, bool *bad)
{
    ra_message *m = new_received(size);

    *bad = false;
    if (m == NULL) {
        return NULL;
    }
    uint8_t *data = (uint8_t *)(m + 1);

    if (size > 0) {
        memcpy(data, headers, size);
    }
    struct rai_reader r = { data, data + size, false };

    m->encoded_size = size;
    m->frame_size = size + LARGE_OVERHEAD;
    return finish(m, get_headers(&r, m), bad);
}
