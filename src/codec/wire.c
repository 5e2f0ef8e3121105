#include "codec/wire.h"

#include <string.h>

#include "base/alloc.h"
#include "base/utf.h"
#include "codec/bytes.h"

/* A String picks its branch by its number of UTF-16 units. */
enum { SHORT_BELOW = 9, SIMPLE_FROM = 4095 };

static uint8_t *room(struct rai_writer *w, size_t size)
{
    uint8_t *at = w->at;

    w->size += size;
    if (at != NULL) {
        w->at = at + size;
    }
    return at;
}

void rai_put_u8(struct rai_writer *w, uint8_t v)
{
    uint8_t *p = room(w, 1);

    if (p != NULL) {
        *p = v;
    }
}

void rai_put_i16(struct rai_writer *w, int16_t v)
{
    uint8_t *p = room(w, 2);

    if (p != NULL) {
        rai_store16(p, (uint16_t)v);
    }
}

void rai_put_i32(struct rai_writer *w, int32_t v)
{
    uint8_t *p = room(w, 4);

    if (p != NULL) {
        rai_store32(p, (uint32_t)v);
    }
}

void rai_put_i64(struct rai_writer *w, int64_t v)
{
    uint8_t *p = room(w, 8);

    if (p != NULL) {
        rai_store64(p, (uint64_t)v);
    }
}

void rai_put_bool(struct rai_writer *w, bool v)
{
    rai_put_u8(w, v ? 0xFF : 0);
}

void rai_put_raw(struct rai_writer *w, const void *data, size_t size)
{
    uint8_t *p = room(w, size);

    if (p != NULL && size > 0) {
        memcpy(p, data, size);
    }
}

void rai_put_sstr(struct rai_writer *w, const char *utf8, size_t size)
{
    if (w->at == NULL) {
        room(w, 4 + 2 * rai_utf8_units(utf8, size));
        return;
    }
    uint8_t *start = w->at; /* the length is known when the characters stand behind it: one pass is enough */
    uint8_t *end = rai_utf8_to_utf16le(utf8, size, start + 4);

    rai_store32(start, (uint32_t)(end - start - 4));
    room(w, (size_t)(end - start));
}

void rai_put_nsstr(struct rai_writer *w, const char *utf8, size_t size)
{
    rai_put_u8(w, utf8 != NULL);
    if (utf8 != NULL) {
        rai_put_sstr(w, utf8, size);
    }
}

/* One UTF-16 unit in a UTF block: as UTF-8 has it, but surrogates are encoded one by one. NUL is a plain zero. */
static size_t unit_put(uint32_t unit, uint8_t out[3])
{
    char bytes[4];
    size_t size = rai_utf8_put(unit, bytes);

    memcpy(out, bytes, size);
    return size;
}

static size_t character_put(uint32_t c, uint8_t out[6])
{
    if (c <= 0xFFFF) {
        return unit_put(c, out);
    }
    size_t size = unit_put(0xD800 + ((c - 0x10000) >> 10), out);

    return size + unit_put(0xDC00 + ((c - 0x10000) & 0x3FF), out + size);
}

static void put_utf_block(struct rai_writer *w, const char *utf8, size_t size)
{
    struct rai_writer length = *w;
    size_t start = w->size + 2;

    rai_put_i16(w, 0);
    for (size_t i = 0; i < size;) {
        uint32_t c;
        uint8_t bytes[6];
        i += rai_utf8_next(utf8 + i, size - i, &c);
        rai_put_raw(w, bytes, character_put(c, bytes));
    }
    rai_put_i16(&length, (int16_t)(uint16_t)(w->size - start)); /* 4,094 units take at most 12,282 bytes */
}

void rai_put_str(struct rai_writer *w, const char *utf8, size_t size)
{
    size_t units = rai_utf8_units(utf8, size);

    rai_put_i32(w, (int32_t)units);
    if (units >= SIMPLE_FROM) {
        rai_put_sstr(w, utf8, size);
    } else if (units >= SHORT_BELOW) {
        put_utf_block(w, utf8, size);
    } else {
        uint8_t *p = room(w, 2 * units);
        if (p != NULL) {
            rai_utf8_to_utf16be(utf8, size, p);
        }
    }
}

void rai_put_nstr(struct rai_writer *w, const char *utf8, size_t size)
{
    rai_put_u8(w, utf8 != NULL);
    if (utf8 != NULL) {
        rai_put_str(w, utf8, size);
    }
}

/* Once bad, a reader stands at its end, so that loops over what is left end as well. */
void rai_spoil(struct rai_reader *r)
{
    r->bad = true;
    r->at = r->end;
}

const uint8_t *rai_get_raw(struct rai_reader *r, size_t size)
{
    if (r->bad || size > (size_t)(r->end - r->at)) {
        rai_spoil(r);
        return NULL;
    }
    const uint8_t *at = r->at;

    r->at += size;
    return at;
}

size_t rai_reader_left(const struct rai_reader *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->at);
}

uint8_t rai_get_u8(struct rai_reader *r)
{
    const uint8_t *p = rai_get_raw(r, 1);

    return p == NULL ? 0 : *p;
}

int16_t rai_get_i16(struct rai_reader *r)
{
    const uint8_t *p = rai_get_raw(r, 2);

    return p == NULL ? 0 : (int16_t)rai_load16(p);
}

int32_t rai_get_i32(struct rai_reader *r)
{
    const uint8_t *p = rai_get_raw(r, 4);

    return p == NULL ? 0 : (int32_t)rai_load32(p);
}

int64_t rai_get_i64(struct rai_reader *r)
{
    const uint8_t *p = rai_get_raw(r, 8);

    return p == NULL ? 0 : (int64_t)rai_load64(p);
}

bool rai_get_bool(struct rai_reader *r)
{
    return rai_get_u8(r) != 0;
}

int32_t rai_get_count(struct rai_reader *r, size_t entry_min)
{
    int32_t count = rai_get_i32(r);

    if (count < 0 || (size_t)count > rai_reader_left(r) / entry_min) {
        rai_spoil(r);
        return 0;
    }
    return count;
}

struct rai_sstr rai_get_sstr(struct rai_reader *r)
{
    struct rai_sstr none = { NULL, 0 };
    int32_t size = rai_get_i32(r);

    if (size < 0 || size % 2 != 0) {
        rai_spoil(r);
        return none;
    }
    struct rai_sstr s = { rai_get_raw(r, (size_t)size), (size_t)size };

    return s.data == NULL ? none : s;
}

struct rai_sstr rai_get_nsstr(struct rai_reader *r)
{
    struct rai_sstr none = { NULL, 0 };

    return rai_get_bool(r) ? rai_get_sstr(r) : none;
}

/* Takes UTF-16 units one by one, leaves UTF-8, and stops for good at the first character that has no room. */
struct collector {
    char *out;
    size_t room; /* without the terminator */
    size_t size;
    uint32_t high; /* a high surrogate that waits for its other half, or 0 */
    bool full;
};

static void collect_character(struct collector *c, uint32_t code_point)
{
    char bytes[4];
    size_t size = rai_utf8_put(code_point, bytes);

    if (c->full || size > c->room - c->size) {
        c->full = true;
        return;
    }
    memcpy(c->out + c->size, bytes, size);
    c->size += size;
}

static void collect_unit(struct collector *c, uint32_t unit)
{
    bool low = unit >= 0xDC00 && unit <= 0xDFFF;

    if (c->high != 0) {
        uint32_t high = c->high;
        c->high = 0;
        if (low) {
            collect_character(c, 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00));
            return;
        }
        collect_character(c, 0xFFFD);
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        c->high = unit;
    } else {
        collect_character(c, low ? 0xFFFD : unit);
    }
}

static size_t collect_end(struct collector *c, bool bad)
{
    if (c->high != 0) {
        collect_character(c, 0xFFFD);
    }
    if (bad) {
        c->size = 0;
    }
    if (c->out != NULL) {
        c->out[c->size] = '\0';
    }
    return c->size;
}

static void get_short_units(struct rai_reader *r, size_t units, struct collector *c)
{
    for (size_t i = 0; i < units; i++) {
        collect_unit(c, (uint16_t)rai_get_i16(r));
    }
}

static uint32_t get_continuation(struct rai_reader *block)
{
    uint8_t byte = rai_get_u8(block);

    if ((byte & 0xC0) != 0x80) {
        rai_spoil(block);
    }
    return byte & 0x3FU;
}

static uint32_t get_block_unit(struct rai_reader *block)
{
    uint32_t lead = rai_get_u8(block);

    if (lead < 0x80) {
        return lead;
    }
    if ((lead & 0xE0) == 0xC0) {
        return (lead & 0x1F) << 6 | get_continuation(block);
    }
    if ((lead & 0xF0) != 0xE0) {
        rai_spoil(block);
        return 0;
    }
    uint32_t middle = get_continuation(block);

    return (lead & 0x0F) << 12 | middle << 6 | get_continuation(block);
}

static void get_utf_block(struct rai_reader *r, size_t units, struct collector *c)
{
    size_t size = (uint16_t)rai_get_i16(r);
    const uint8_t *data = rai_get_raw(r, size);

    if (data == NULL) {
        return;
    }
    struct rai_reader block = { data, data + size, false };

    for (size_t i = 0; i < units && !block.bad; i++) {
        collect_unit(c, get_block_unit(&block));
    }
    if (block.bad || block.at != block.end) {
        rai_spoil(r);
    }
}

static void collect_simple(struct rai_sstr s, struct collector *c)
{
    for (size_t i = 0; i < s.size && !c->full; i += 2) {
        collect_unit(c, (uint32_t)s.data[i + 1] << 8 | s.data[i]);
    }
}

static void get_simple(struct rai_reader *r, size_t units, struct collector *c)
{
    struct rai_sstr s = rai_get_sstr(r);

    if (s.size / 2 != units) {
        rai_spoil(r);
    }
    collect_simple(s, c);
}

static struct collector collect_into(char *out, size_t size)
{
    return (struct collector){ .out = size > 0 ? out : NULL, .room = size > 0 ? size - 1 : 0 };
}

size_t rai_get_text(struct rai_reader *r, char *out, size_t size)
{
    struct collector c = collect_into(out, size);

    collect_simple(rai_get_nsstr(r), &c);
    return collect_end(&c, r->bad);
}

size_t rai_get_str(struct rai_reader *r, char *out, size_t size)
{
    struct collector c = collect_into(out, size);
    int32_t units = rai_get_i32(r);

    if (units < 0) {
        rai_spoil(r);
    } else if (units >= SIMPLE_FROM) {
        get_simple(r, (size_t)units, &c);
    } else if (units >= SHORT_BELOW) {
        get_utf_block(r, (size_t)units, &c);
    } else {
        get_short_units(r, (size_t)units, &c);
    }
    return collect_end(&c, r->bad);
}

size_t rai_get_nstr(struct rai_reader *r, char *out, size_t size, bool *null_out)
{
    bool present = rai_get_bool(r);

    if (null_out != NULL) {
        *null_out = !present;
    }
    if (present) {
        return rai_get_str(r, out, size);
    }
    if (out != NULL && size > 0) {
        out[0] = '\0';
    }
    return 0;
}

char *rai_sstr_utf8(struct rai_sstr s, size_t *size_out)
{
    if (s.data == NULL) {
        return NULL;
    }
    size_t size = rai_utf16le_utf8_size(s.data, s.size);
    char *text = rai_alloc(size + 1);

    if (text == NULL) {
        return NULL;
    }
    rai_utf16le_to_utf8(s.data, s.size, text);
    text[size] = '\0';
    if (size_out != NULL) {
        *size_out = size;
    }
    return text;
}
