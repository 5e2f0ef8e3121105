/* The message object: its life, its body, and the texts made from it on request. */
#include "codec/message.h"

#include <string.h>

#include "base/alloc.h"

enum { DEFAULT_PRIORITY = 4 };

ra_message *rai_message_new(int type)
{
    ra_message *m = rai_calloc(1, sizeof *m);

    if (m != NULL) {
        m->refs = 1;
        m->type = (int8_t)type;
        m->priority = DEFAULT_PRIORITY;
    }
    return m;
}

ra_message *rai_message_ref(ra_message *m)
{
    __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

static void free_strings(struct rai_string *s)
{
    while (s != NULL) {
        struct rai_string *next = s->next;
        rai_free(s);
        s = next;
    }
}

void rai_message_unref(ra_message *m)
{
    if (m == NULL || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    rai_free(m->own_body);
    rai_free(m->own_properties);
    rai_free(m->text);
    rai_free(m->address);
    free_strings(m->strings);
    rai_block_unref(m->block);
    rai_free(m);
}

/* What the caller hands in may be what it got from this message before. */
static bool points_into_body(const ra_message *m, const void *p)
{
    uintptr_t start = (uintptr_t)m->own_body;

    return m->own_body != NULL && (uintptr_t)p >= start && (uintptr_t)p < start + m->body_room;
}

/* Room for a new body made from source: the old room where that is possible. Nothing changes before use_body(). */
static uint8_t *body_room(const ra_message *m, size_t size, const void *source)
{
    bool fits = m->own_body != NULL && size <= m->body_room && !points_into_body(m, source);

    return fits ? m->own_body : rai_alloc(size);
}

static void use_body(ra_message *m, uint8_t *data, size_t size)
{
    if (data != m->own_body) {
        rai_free(m->own_body);
        m->own_body = data;
        m->body_room = size;
    }
    m->body = data;
    m->body_size = size;
    m->body_read = 0;
    rai_free(m->text);
    m->text = NULL;
}

int rai_message_set_body(ra_message *m, const void *bytes, size_t size)
{
    uint8_t *data = body_room(m, size, bytes);

    if (data == NULL) {
        return RA_E_NO_MEMORY;
    }
    if (size > 0) {
        memcpy(data, bytes, size);
    }
    use_body(m, data, size);
    return RA_OK;
}

void rai_message_lend_body(ra_message *m, const void *bytes, size_t size)
{
    if (!points_into_body(m, bytes)) {
        rai_free(m->own_body);
        m->own_body = NULL;
        m->body_room = 0;
    }
    rai_free(m->text);
    m->text = NULL;
    m->body = bytes;
    m->body_size = size;
    m->body_read = 0;
}

int rai_message_set_text(ra_message *m, const char *text, size_t size)
{
    struct rai_writer count = { NULL, 0 };
    rai_put_nsstr(&count, text, size);
    uint8_t *data = body_room(m, count.size, text);

    if (data == NULL) {
        return RA_E_NO_MEMORY;
    }
    struct rai_writer w = { data, 0 };
    rai_put_nsstr(&w, text, size);
    use_body(m, data, count.size);
    m->type = RA_MESSAGE_TEXT;
    return RA_OK;
}

static int make_text(ra_message *m)
{
    struct rai_reader r = { m->body, m->body + m->body_size, false };
    struct rai_sstr s = rai_get_nsstr(&r);

    if (r.bad) {
        return RA_E_TYPE;
    }
    if (s.data != NULL) {
        m->text = rai_sstr_utf8(s, &m->text_size);
        return m->text == NULL ? RA_E_NO_MEMORY : RA_OK;
    }
    return RA_OK;
}

int rai_message_text(ra_message *m, const char **text_out, size_t *size_out)
{
    int result = RA_OK;

    *text_out = NULL;
    *size_out = 0;
    if (m->type != RA_MESSAGE_TEXT) {
        return RA_E_TYPE;
    }
    if (m->text == NULL && m->body_size > 0) { /* an emptied body is the null text */
        result = make_text(m);
    }
    if (m->text != NULL) {
        *text_out = m->text;
        *size_out = m->text_size;
    }
    return result;
}

int rai_message_address(ra_message *m, const char **address_out)
{
    if (m->address == NULL && m->wire_address.data != NULL) {
        m->address = rai_sstr_utf8(m->wire_address, NULL);
        if (m->address == NULL) {
            *address_out = NULL;
            return RA_E_NO_MEMORY;
        }
    }
    *address_out = m->address;
    return RA_OK;
}

static bool grow_body(ra_message *m, size_t size)
{
    enum { ROOM_MIN = 16 * 1024 };
    size_t room = m->body_room > SIZE_MAX / 2 ? size : 2 * m->body_room;
    room = room < size ? size : room;
    room = room < ROOM_MIN ? ROOM_MIN : room;
    bool ours = m->own_body != NULL && m->body == m->own_body;
    uint8_t *data = ours ? rai_realloc(m->own_body, room) : rai_alloc(room);

    if (data == NULL) {
        return false;
    }
    if (!ours) {
        if (m->body_size > 0) {
            memcpy(data, m->body, m->body_size);
        }
        rai_free(m->own_body);
    }
    m->own_body = data;
    m->body_room = room;
    m->body = data;
    return true;
}

bool rai_message_append_body(ra_message *m, const uint8_t *data, size_t size)
{
    bool ours = m->own_body != NULL && m->body == m->own_body;

    if (size > SIZE_MAX - m->body_size) {
        return false;
    }
    if ((!ours || m->body_size + size > m->body_room) && !grow_body(m, m->body_size + size)) {
        return false;
    }
    if (size > 0) {
        memcpy(m->own_body + m->body_size, data, size);
    }
    m->body_size += size;
    rai_free(m->text);
    m->text = NULL;
    return true;
}
