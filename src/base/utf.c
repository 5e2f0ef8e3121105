#include "base/utf.h"

#include <string.h>

enum { REPLACEMENT = 0xFFFD };

/* Is the whole group of eight bytes ASCII? Most addresses, keys and texts are. */
static bool eight_ascii(const char *text)
{
    uint64_t group;

    memcpy(&group, text, sizeof group);
    return (group & UINT64_C(0x8080808080808080)) == 0;
}

static bool continues(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Length of the well-formed sequence at the front (Unicode, table 3-7), 0 if there is none. */
static size_t sequence(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        return left >= 2 && continues(p[1]) ? 2 : 0;
    }
    if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        uint8_t low = p[0] == 0xE0 ? 0xA0 : 0x80;
        uint8_t high = p[0] == 0xED ? 0x9F : 0xBF;
        return left >= 3 && p[1] >= low && p[1] <= high && continues(p[2]) ? 3 : 0;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        uint8_t low = p[0] == 0xF0 ? 0x90 : 0x80;
        uint8_t high = p[0] == 0xF4 ? 0x8F : 0xBF;
        return left >= 4 && p[1] >= low && p[1] <= high && continues(p[2]) && continues(p[3]) ? 4 : 0;
    }
    return 0;
}

size_t rai_utf8_next(const char *text, size_t size, uint32_t *code_point)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t length = sequence(p, size);

    switch (length) {
    case 1:
        *code_point = p[0];
        return 1;
    case 2:
        *code_point = (p[0] & 0x1FU) << 6 | (p[1] & 0x3FU);
        return 2;
    case 3:
        *code_point = (p[0] & 0x0FU) << 12 | (p[1] & 0x3FU) << 6 | (p[2] & 0x3FU);
        return 3;
    case 4:
        *code_point = (p[0] & 0x07U) << 18 | (p[1] & 0x3FU) << 12 | (p[2] & 0x3FU) << 6 | (p[3] & 0x3FU);
        return 4;
    default:
        *code_point = REPLACEMENT;
        return 1;
    }
}

bool rai_utf8_valid(const char *text, size_t size)
{
    size_t i = 0;

    while (i < size) {
        if (size - i >= 8 && eight_ascii(text + i)) {
            i += 8;
            continue;
        }
        size_t length = sequence((const uint8_t *)text + i, size - i);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

size_t rai_utf8_cut(const char *text, size_t size, size_t limit)
{
    size_t length = size < limit ? size : limit;
    size_t start = length;

    /* The character that the cut may have split begins at most three bytes before it. */
    while (start > 0 && length - start < 3 && continues((uint8_t)text[start - 1])) {
        start--;
    }
    if (start == 0) {
        return length;
    }
    uint8_t lead = (uint8_t)text[start - 1];
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;

    return length - (start - 1) < wanted ? start - 1 : length;
}

size_t rai_utf8_units(const char *text, size_t size)
{
    size_t units = 0;
    size_t i = 0;

    while (i < size) {
        if (size - i >= 8 && eight_ascii(text + i)) {
            i += 8;
            units += 8;
            continue;
        }
        uint32_t c;
        i += rai_utf8_next(text + i, size - i, &c);
        units += c > 0xFFFF ? 2 : 1;
    }
    return units;
}

static inline uint8_t *put_unit(uint8_t *out, uint32_t unit, bool big)
{
    out[big ? 0 : 1] = (uint8_t)(unit >> 8);
    out[big ? 1 : 0] = (uint8_t)unit;
    return out + 2;
}

static inline uint8_t *to_utf16(const char *text, size_t size, uint8_t *out, bool big)
{
    size_t i = 0;

    while (i < size) {
        if (size - i >= 8 && eight_ascii(text + i)) {
            for (size_t k = 0; k < 8; k++) {
                out[2 * k + (big ? 1 : 0)] = (uint8_t)text[i + k];
                out[2 * k + (big ? 0 : 1)] = 0;
            }
            out += 16;
            i += 8;
            continue;
        }
        uint32_t c;
        i += rai_utf8_next(text + i, size - i, &c);
        if (c > 0xFFFF) {
            out = put_unit(out, 0xD800 + ((c - 0x10000) >> 10), big);
            out = put_unit(out, 0xDC00 + ((c - 0x10000) & 0x3FF), big);
        } else {
            out = put_unit(out, c, big);
        }
    }
    return out;
}

uint8_t *rai_utf8_to_utf16le(const char *text, size_t size, uint8_t *out)
{
    return to_utf16(text, size, out, false);
}

uint8_t *rai_utf8_to_utf16be(const char *text, size_t size, uint8_t *out)
{
    return to_utf16(text, size, out, true);
}

static inline uint32_t unit_at(const uint8_t *in, bool big)
{
    return big ? (uint32_t)in[0] << 8 | in[1] : (uint32_t)in[1] << 8 | in[0];
}

/* One character from the front of `bytes` > 0 bytes; returns the bytes it took. */
static inline size_t next_utf16(const uint8_t *in, size_t bytes, bool big, uint32_t *code_point)
{
    uint32_t c = unit_at(in, big);

    *code_point = c;
    if (c < 0xD800 || c > 0xDFFF) {
        return 2;
    }
    if (c <= 0xDBFF && bytes >= 4) {
        uint32_t low = unit_at(in + 2, big);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *code_point = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            return 4;
        }
    }
    *code_point = REPLACEMENT;
    return 2;
}

size_t rai_utf8_put(uint32_t c, char *out)
{
    uint8_t *p = (uint8_t *)out;

    if (c < 0x80) {
        p[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        p[0] = (uint8_t)(0xC0 | c >> 6);
        p[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (uint8_t)(0xE0 | c >> 12);
        p[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        p[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    p[0] = (uint8_t)(0xF0 | c >> 18);
    p[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    p[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    p[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

static inline size_t to_utf8(const uint8_t *in, size_t bytes, char *out, bool big)
{
    char *start = out;
    size_t i = 0;

    while (bytes - i >= 2) {
        uint32_t c;
        i += next_utf16(in + i, bytes - i, big, &c);
        if (c < 0x80) {
            *out++ = (char)c;
        } else {
            out += rai_utf8_put(c, out);
        }
    }
    return (size_t)(out - start);
}

size_t rai_utf16le_utf8_size(const uint8_t *in, size_t bytes)
{
    size_t size = 0;
    size_t i = 0;

    while (bytes - i >= 2) {
        uint32_t c;
        i += next_utf16(in + i, bytes - i, false, &c);
        size += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    }
    return size;
}

size_t rai_utf16le_to_utf8(const uint8_t *in, size_t bytes, char *out)
{
    return to_utf8(in, bytes, out, false);
}

size_t rai_utf16be_to_utf8(const uint8_t *in, size_t bytes, char *out)
{
    return to_utf8(in, bytes, out, true);
}
