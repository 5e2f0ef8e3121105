/*
 * Messages from a broker: decoded, read and changed through the public functions, encoded again.
 *
 * Input: one byte how it is decoded, one byte n, n bytes that say what is done with it, the rest is its wire form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reattach/error.h>

#include "base/alloc.h"
#include "codec/message.h"
#include "codec/packets.h"
#include "codec/properties.h"
#include "fuzz.h"

enum { WHOLE, IN_A_BLOCK, HEADERS, EMPTY, WAYS };
enum { KEY_MAX = 1024 };

/* --- reading --- */

static void read_one(ra_message *m, const char *key)
{
    const char *text = NULL;
    const void *bytes = NULL;
    size_t size = 0;
    int i;
    int32_t n;
    int64_t l;
    float f;
    double d;
    uint16_t c;
    FUZZ_CHECK(ra_message_property_type(m, key) > 0, "\"%s\" is listed and not found", key);
    (void)ra_message_get_boolean(m, key, &i, NULL);
    (void)ra_message_get_int(m, key, &n, NULL);
    (void)ra_message_get_long(m, key, &l, NULL);
    (void)ra_message_get_float(m, key, &f, NULL);
    (void)ra_message_get_double(m, key, &d, NULL);
    (void)ra_message_get_char(m, key, &c, NULL);
    if (ra_message_get_string(m, key, &text, &size, NULL) == RA_OK && text != NULL)
        FUZZ_CHECK(text[size] == '\0');
    if (ra_message_get_bytes(m, key, &bytes, &size, NULL) == RA_OK && size > 0)
        FUZZ_CHECK(bytes != NULL);
}

/* The keys of our functions are terminated: one with a zero inside, or with half a character, is listed but not found.
 */
static bool is_plain(const ra_message *m, int32_t index)
{
    struct rai_reader r = rai_message_properties(m);
    struct rai_property p;
    for (int32_t i = 0; i <= index; i++)
        FUZZ_CHECK(rai_property_next(&r, &p));
    for (size_t i = 0; i + 1 < p.key.size; i += 2)
        if ((p.key.data[i] == 0 && p.key.data[i + 1] == 0) || (p.key.data[i + 1] & 0xF8) == 0xD8)
            return false;
    return p.key.size > 0 && p.key.size % 2 == 0;
}

static void read_all(ra_message *m)
{
    const char *text = NULL;
    const void *bytes = NULL;
    size_t size = 0;
    int32_t count = ra_message_property_count(m);
    FUZZ_CHECK(count >= 0);
    for (int32_t i = 0; i < count && i < 64; i++) {
        ra_error *error = NULL;
        int rc = ra_message_property_key(m, i, &text, &error);
        FUZZ_CHECK(rc == RA_OK, "key %d of %d: %s", (int)i, (int)count, ra_error_message(error));
        if (is_plain(m, i))
            read_one(m, text);
    }
    if (count < 64)
        FUZZ_CHECK(ra_message_property_key(m, count, &text, NULL) < 0);
    if (ra_message_get_text(m, &text, &size, NULL) == RA_OK && text != NULL)
        FUZZ_CHECK(text[size] == '\0');
    FUZZ_CHECK(ra_message_get_body(m, &bytes, &size, NULL) == RA_OK);
    (void)ra_message_get_address(m, &text, NULL);
    (void)ra_message_type_name(ra_message_type(m));
}

/* --- changing --- */

static const char *some_key(ra_message *m, uint8_t which)
{
    static const char *const own[] = {
        "a", "b", "seq", "\xC3\xA9", "_AMQ_ROUTING_TYPE", "a longer key, as long as that"
    };
    const char *key = NULL;
    if (which < 128 || ra_message_property_key(m, which - 128, &key, NULL) != RA_OK || *key == '\0' ||
        strlen(key) >= KEY_MAX)
        return own[which % (sizeof own / sizeof *own)];
    return key;
}

static void change(ra_message *m, struct fuzz_input *script)
{
    uint8_t op = fuzz_byte(script), length = 0;
    char key[KEY_MAX]; /* the message may free its own text of it */
    size_t size;
    snprintf(key, sizeof key, "%s", some_key(m, fuzz_byte(script)));
    int64_t value = 0;
    int32_t count = ra_message_property_count(m);
    bool there = ra_message_property_type(m, key) > 0;
    switch (op % 7) {
    case 0:
        FUZZ_CHECK(ra_message_set_long(m, key, INT64_MIN + op, NULL) < 0 ||
                   (ra_message_get_long(m, key, &value, NULL) == RA_OK && value == INT64_MIN + op));
        break;
    case 1:
        FUZZ_CHECK((ra_message_remove_property(m, key, NULL) == RA_OK) == there);
        return;
    case 2:
        length = fuzz_byte(script);
        const uint8_t *bytes = fuzz_bytes(script, length, &size);
        (void)ra_message_set_bytes(m, key, bytes, size, NULL);
        break;
    case 3:
        length = fuzz_byte(script);
        const uint8_t *text = fuzz_bytes(script, length, &size);
        (void)ra_message_set_string(m, key, (const char *)text, size, NULL); /* refused unless it is UTF-8 */
        break;
    case 4:
        (void)ra_message_set_null(m, key, NULL);
        break;
    case 5:
        (void)ra_message_set_text(m, "text", 4, NULL);
        break;
    default:
        (void)ra_message_set_body(m, key, strlen(key), NULL);
    }
    int32_t now = ra_message_property_count(m);
    FUZZ_CHECK(now == count || (now == count + 1 && !there));
}

/* --- encoding --- */

static void same_message(const ra_message *m, const ra_message *n)
{
    FUZZ_CHECK(m->type == n->type && m->durable == n->durable && m->priority == n->priority);
    FUZZ_CHECK(m->expiration == n->expiration && m->timestamp == n->timestamp);
    FUZZ_CHECK(m->has_user_id == n->has_user_id && memcmp(m->user_id, n->user_id, sizeof m->user_id) == 0);
    FUZZ_CHECK(m->body_size == n->body_size && (m->body_size == 0 || memcmp(m->body, n->body, m->body_size) == 0));
    FUZZ_CHECK(m->property_count == n->property_count && m->properties_size == n->properties_size);
    FUZZ_CHECK(m->properties_size == 0 || memcmp(m->properties, n->properties, m->properties_size) == 0);
}

static void encode(const ra_message *m, int32_t version)
{
    struct rai_send send = {
        .address = "address", .respond = true, .correlation = 7, .producer = 3, .routing_type = -1
    };
    struct rai_send_tail tail;
    struct rai_writer count = { NULL, 0 };
    rai_put_send(&count, 0, 10, version, m, &send);
    uint8_t *frame = malloc(count.size);
    struct rai_writer w = { frame, 0 };
    rai_put_send(&w, count.size, 10, version, m, &send);
    FUZZ_CHECK(w.size == count.size, "counted %zu, wrote %zu", count.size, w.size);
    FUZZ_CHECK(rai_get_send_tail(frame, count.size, version, &tail) && tail.respond);
    bool bad;
    ra_message *n = rai_message_decode(frame + RAI_FRAME_HEADER, rai_message_blob_size(m, send.address), NULL, &bad);
    FUZZ_CHECK(n != NULL);
    same_message(m, n);
    rai_message_unref(n);
    free(frame);
}

/* --- one input --- */

static ra_message *decode_in_block(const uint8_t *bytes, size_t size, bool *bad)
{
    enum { FILL = 4096 }; /* small ones would be copied */
    struct rai_block *block = rai_block_new(size + FILL);
    memset(block->data, 0, size + FILL);
    memcpy(block->data, bytes, size);
    ra_message *m = rai_message_decode(block->data, size + FILL, block, bad);
    rai_block_unref(block);
    return m;
}

static ra_message *decode(int way, struct fuzz_input *in, bool *bad)
{
    *bad = false;
    size_t size = fuzz_left(in);
    if (way == EMPTY)
        return rai_message_new(0);
    if (way == IN_A_BLOCK)
        return decode_in_block(in->at, size, bad);
    if (way == WHOLE)
        return rai_message_decode(in->at, size, NULL, bad);
    ra_message *m = rai_message_decode_headers(in->at, size, bad);
    for (int i = 0; m != NULL && i < 3; i++)
        FUZZ_CHECK(rai_message_append_body(m, in->at, size));
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    long before = rai_alloc_count();
    struct fuzz_input in = { bytes, bytes + size }, script;
    bool bad;
    uint8_t way = fuzz_byte(&in), length = fuzz_byte(&in);
    script.at = fuzz_bytes(&in, length, &size);
    script.end = script.at + size;
    ra_message *m = decode(way % WAYS, &in, &bad);
    FUZZ_CHECK((m == NULL) == bad);
    if (m != NULL) {
        read_all(m);
        encode(m, RAI_VERSION_MIN + way / WAYS % (RAI_VERSION - RAI_VERSION_MIN + 1));
        while (fuzz_left(&script) > 0)
            change(m, &script);
        read_all(m);
        encode(m, RAI_VERSION);
    }
    rai_message_unref(m);
    FUZZ_CHECK(rai_alloc_count() == before);
    return 0;
}
