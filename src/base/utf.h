#ifndef RAI_BASE_UTF_H
#define RAI_BASE_UTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * UTF-8 <-> UTF-16. The broker allows lone surrogates in its strings; they come out as U+FFFD in UTF-8. UTF-8 from the
 * caller must be valid (no overlong forms, no surrogates, at most U+10FFFF); should other bytes get this far, each one
 * that fits nowhere becomes U+FFFD, in the counting and in the converting function alike.
 */
bool rai_utf8_valid(const char *text, size_t size);
/* The longest piece of at most `limit` bytes that does not end inside a character. */
size_t rai_utf8_cut(const char *text, size_t size, size_t limit);
size_t rai_utf8_units(const char *text, size_t size); /* UTF-16 code units that valid UTF-8 text takes */
/* out has room for 2 * rai_utf8_units(...) bytes; returns the end */
uint8_t *rai_utf8_to_utf16le(const char *text, size_t size, uint8_t *out);
uint8_t *rai_utf8_to_utf16be(const char *text, size_t size, uint8_t *out);
/* bytes is even; out has room for 3 * (bytes / 2) bytes; returns the size written, not terminated */
size_t rai_utf16le_utf8_size(const uint8_t *in, size_t bytes); /* what the next one will write */
size_t rai_utf16le_to_utf8(const uint8_t *in, size_t bytes, char *out);
size_t rai_utf16be_to_utf8(const uint8_t *in, size_t bytes, char *out);

/* One character at a time: from `size` > 0 bytes, returning the bytes taken; into up to 4 bytes, returning their
 * number. */
size_t rai_utf8_next(const char *text, size_t size, uint32_t *code_point);
size_t rai_utf8_put(uint32_t code_point, char *out);

#endif
