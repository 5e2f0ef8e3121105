#ifndef RAI_CODEC_WIRE_H
#define RAI_CODEC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Primitives of the wire. Everything is big-endian but the characters of a SimpleString (UTF-16LE).
 *
 * A writer either counts (at == NULL) or writes: each packet is one function that is run twice, first to learn the
 * size, then to write into exactly that much room. A reader never passes its end: a read behind it sets `bad`, returns
 * zero and keeps doing so, so a decoder checks once, at its end.
 */
struct rai_writer {
    uint8_t *at; /* where the next byte goes; NULL: count only */
    size_t size; /* bytes counted or written so far */
};

struct rai_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

/* A string as it stands on the wire, not yet converted: SimpleString data (UTF-16LE). */
struct rai_sstr {
    const uint8_t *data; /* NULL: null */
    size_t size;         /* bytes */
};

void rai_put_u8(struct rai_writer *w, uint8_t v);
void rai_put_i16(struct rai_writer *w, int16_t v);
void rai_put_i32(struct rai_writer *w, int32_t v);
void rai_put_i64(struct rai_writer *w, int64_t v);
void rai_put_bool(struct rai_writer *w, bool v); /* true is FF, as in packets */
void rai_put_raw(struct rai_writer *w, const void *data, size_t size);
void rai_put_sstr(struct rai_writer *w, const char *utf8, size_t size);  /* SimpleString */
void rai_put_nsstr(struct rai_writer *w, const char *utf8, size_t size); /* nullable: utf8 NULL */
void rai_put_str(struct rai_writer *w, const char *utf8, size_t size);   /* String: three branches by length */
void rai_put_nstr(struct rai_writer *w, const char *utf8, size_t size);

uint8_t rai_get_u8(struct rai_reader *r);
int16_t rai_get_i16(struct rai_reader *r);
int32_t rai_get_i32(struct rai_reader *r);
int64_t rai_get_i64(struct rai_reader *r);
bool rai_get_bool(struct rai_reader *r); /* any non-zero */
const uint8_t *rai_get_raw(struct rai_reader *r, size_t size);
struct rai_sstr rai_get_sstr(struct rai_reader *r);
struct rai_sstr rai_get_nsstr(struct rai_reader *r);
/* String / nullable String into out as UTF-8, cut at room - 1 and always terminated; returns the length; *null_out (may
 * be NULL) tells null from empty. The whole string is consumed also when it is cut. */
size_t rai_get_str(struct rai_reader *r, char *out, size_t room);
size_t rai_get_nstr(struct rai_reader *r, char *out, size_t room, bool *null_out);
/* An nsstr the same way; "" for null. */
size_t rai_get_text(struct rai_reader *r, char *out, size_t room);
/* A count of entries that take at least entry_min bytes each: bad if what is left cannot hold them. */
int32_t rai_get_count(struct rai_reader *r, size_t entry_min);
void rai_spoil(struct rai_reader *r); /* makes it bad: for values that are no good */
size_t rai_reader_left(const struct rai_reader *r);
/* SimpleString to newly allocated, terminated UTF-8 (rai_free); NULL for a null string or out of memory */
char *rai_sstr_utf8(struct rai_sstr s, size_t *size_out);

#endif
