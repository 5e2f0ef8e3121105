#include "codec/properties.h"

#include <string.h>

#include "base/alloc.h"
#include "base/utf.h"

enum { ENTRY_MIN = 4 + 1 }; /* an empty key and a null */

static size_t scalar_size(int tag)
{
    switch (tag) {
    case RAI_TAG_BOOLEAN:
    case RAI_TAG_BYTE:
        return 1;
    case RAI_TAG_SHORT:
    case RAI_TAG_CHAR:
        return 2;
    case RAI_TAG_INT:
    case RAI_TAG_FLOAT:
        return 4;
    case RAI_TAG_LONG:
    case RAI_TAG_DOUBLE:
        return 8;
    default:
        return 0;
    }
}

static void get_value(struct rai_reader *r, struct rai_property *out)
{
    struct rai_sstr s;

    switch (out->tag) {
    case RAI_TAG_STRING:
        s = rai_get_sstr(r);
        out->value = s.data;
        out->value_size = s.size;
        return;
    case RAI_TAG_BYTES:
        out->value_size = (size_t)rai_get_count(r, 1);
        break;
    default:
        out->value_size = scalar_size(out->tag);
        if (out->value_size == 0 && out->tag != RAI_TAG_NULL) {
            rai_spoil(r); /* without its type nobody knows where it ends */
        }
    }
    out->value = rai_get_raw(r, out->value_size);
}

bool rai_property_next(struct rai_reader *r, struct rai_property *out)
{
    if (rai_reader_left(r) == 0) {
        return false;
    }
    out->entry = r->at;
    out->key = rai_get_sstr(r);
    out->tag = rai_get_u8(r);
    get_value(r, out);
    out->entry_size = (size_t)(r->at - out->entry);
    return !r->bad;
}

bool rai_get_properties(struct rai_reader *r, const uint8_t **entries_out, size_t *size_out, int32_t *count_out)
{
    int32_t count = rai_get_bool(r) ? rai_get_count(r, ENTRY_MIN) : 0;
    const uint8_t *start = r->at;
    struct rai_property property;

    for (int32_t i = 0; i < count; i++) {
        if (!rai_property_next(r, &property)) {
            rai_spoil(r);
            break;
        }
    }
    *entries_out = start;
    *size_out = r->bad ? 0 : (size_t)(r->at - start);
    *count_out = r->bad ? 0 : count;
    return !r->bad;
}

struct rai_reader rai_message_properties(const ra_message *m)
{
    static const uint8_t none[1];
    const uint8_t *start = m->properties_size > 0 ? m->properties : none;

    return (struct rai_reader){ start, start + m->properties_size, false };
}

static bool unit_is(struct rai_sstr s, size_t at, uint32_t unit)
{
    return at + 2 <= s.size && s.data[at] == (uint8_t)unit && s.data[at + 1] == (uint8_t)(unit >> 8);
}

static bool key_is(struct rai_sstr s, const char *key, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < size; at += 2) {
        uint32_t c;
        i += rai_utf8_next(key + i, size - i, &c);
        if (c > 0xFFFF) {
            if (!unit_is(s, at, 0xD800 + ((c - 0x10000) >> 10))) {
                return false;
            }
            at += 2;
            c = 0xDC00 + ((c - 0x10000) & 0x3FF);
        }
        if (!unit_is(s, at, c)) {
            return false;
        }
    }
    return at == s.size;
}

bool rai_message_find(const ra_message *m, const char *key, struct rai_property *out)
{
    struct rai_reader r = rai_message_properties(m);
    size_t size = strlen(key);

    while (rai_property_next(&r, out)) {
        if (key_is(out->key, key, size)) {
            return true;
        }
    }
    return false;
}

bool rai_message_long(const ra_message *m, const char *key, int64_t *value_out)
{
    struct rai_property property;

    if (!rai_message_find(m, key, &property) || property.tag != RAI_TAG_LONG) {
        return false;
    }
    struct rai_reader r = { property.value, property.value + property.value_size, false };

    *value_out = rai_get_i64(&r);
    return true;
}

void rai_put_property(struct rai_writer *w, const char *key, const struct rai_value *value)
{
    rai_put_sstr(w, key, strlen(key));
    rai_put_u8(w, (uint8_t)value->tag);
    if (value->tag == RAI_TAG_STRING) {
        rai_put_sstr(w, value->data, value->size);
        return;
    }
    if (value->tag == RAI_TAG_BYTES) {
        rai_put_i32(w, (int32_t)value->size);
    }
    rai_put_raw(w, value->data, value->size);
}

static void drop_strings(ra_message *m)
{
    while (m->strings != NULL) {
        struct rai_string *s = m->strings;
        m->strings = s->next;
        rai_free(s);
    }
}

/* A value may have been borrowed from this very message. */
static bool points_into_own(const ra_message *m, const void *p)
{
    uintptr_t start = (uintptr_t)m->own_properties;

    return m->own_properties != NULL && (uintptr_t)p >= start && (uintptr_t)p < start + m->properties_room;
}

/* Where one piece of the properties gives way to another. */
struct splice {
    size_t offset, old_size, new_size;
    const char *key; /* NULL: nothing comes in its place */
    const struct rai_value *value;
};

static void put_new(uint8_t *at, const struct splice *s)
{
    struct rai_writer w = { at, 0 };

    if (s->key != NULL) {
        rai_put_property(&w, s->key, s->value);
    }
}

static void splice_in_place(ra_message *m, const struct splice *s)
{
    uint8_t *at = m->own_properties + s->offset;
    size_t behind = m->properties_size - s->offset - s->old_size;

    memmove(at + s->new_size, at + s->old_size, behind);
    put_new(at, s);
}

static bool splice_into_new(ra_message *m, const struct splice *s, size_t size)
{
    size_t room = size + size / 2 + 64;
    uint8_t *data = rai_alloc(room);
    size_t behind = m->properties_size - s->offset - s->old_size;

    if (data == NULL) {
        return false;
    }
    if (s->offset > 0) {
        memcpy(data, m->properties, s->offset);
    }
    put_new(data + s->offset, s);
    if (behind > 0) {
        memcpy(data + s->offset + s->new_size, m->properties + s->offset + s->old_size, behind);
    }
    rai_free(m->own_properties);
    m->own_properties = data;
    m->properties_room = room;
    return true;
}

static int splice(ra_message *m, const struct splice *s)
{
    size_t size = m->properties_size - s->old_size + s->new_size;

    if (size > RAI_PROPERTIES_MAX) {
        return RA_E_ARGUMENT;
    }
    bool aliased = s->value != NULL && points_into_own(m, s->value->data);

    if (m->own_properties != NULL && size <= m->properties_room && !aliased) {
        splice_in_place(m, s);
    } else if (!splice_into_new(m, s, size)) {
        return RA_E_NO_MEMORY;
    }
    m->properties = m->own_properties;
    m->properties_size = size;
    drop_strings(m);
    return RA_OK;
}

int rai_message_set_property(ra_message *m, const char *key, const struct rai_value *value)
{
    /* before any sum: a string doubles at most, so that nothing below can overflow */
    if (strlen(key) > RAI_PROPERTIES_MAX / 4 || value->size > RAI_PROPERTIES_MAX) {
        return RA_E_ARGUMENT;
    }
    struct rai_writer count = { NULL, 0 };
    rai_put_property(&count, key, value);

    struct splice s = { .offset = m->properties_size, .new_size = count.size, .key = key, .value = value };
    struct rai_property old;
    bool replaces = rai_message_find(m, key, &old);

    if (replaces) {
        s.offset = (size_t)(old.entry - m->properties);
        s.old_size = old.entry_size;
    }
    int result = splice(m, &s);

    if (result == RA_OK && !replaces) {
        m->property_count++;
    }
    return result;
}

int rai_message_remove_property(ra_message *m, const char *key)
{
    struct rai_property old;

    if (!rai_message_find(m, key, &old)) {
        return RA_E_NOT_FOUND;
    }
    struct splice s = { .offset = (size_t)(old.entry - m->properties), .old_size = old.entry_size };
    int result = splice(m, &s);

    if (result == RA_OK) {
        m->property_count--;
    }
    return result;
}

const struct rai_string *rai_message_string(ra_message *m, struct rai_sstr s)
{
    for (const struct rai_string *known = m->strings; known != NULL; known = known->next) {
        if (known->source == s.data) {
            return known;
        }
    }
    size_t size = rai_utf16le_utf8_size(s.data, s.size);
    struct rai_string *made = rai_alloc(sizeof *made + size + 1);

    if (made == NULL) {
        return NULL;
    }
    made->source = s.data;
    made->size = rai_utf16le_to_utf8(s.data, s.size, made->data);
    made->data[made->size] = '\0';
    made->next = m->strings;
    m->strings = made;
    return made;
}
