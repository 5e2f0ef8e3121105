#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/properties.h"
#include "wire_bytes.h"

/* The map of a message as it goes out: what stands at the end of a send without routing type. */
static struct bytes map_of(const ra_message *m)
{
    struct rai_send send = { .routing_type = -1 };
    struct bytes frame;
    ENCODE(frame, rai_put_send(w, size, 10, 129, m, &send));
    size_t before = 13 + 4 + m->body_size + 29;
    struct bytes map = bytes_copy(frame.data + before, frame.size - before - 1);
    bytes_free(frame);
    return map;
}

static void check_map(ra_message *m, const char *hex)
{
    struct bytes expected = bytes_of(hex);
    struct bytes map = map_of(m);
    char *shown = bytes_hex(map);
    cr_expect(bytes_equal(expected, map), "%s instead of %s", shown, hex);
    free(shown);
    bytes_free(map);
    bytes_free(expected);
}

/* A received message with this map */
static ra_message *with_map(const char *hex)
{
    char whole[2000];
    bool bad = true;
    snprintf(whole, sizeof whole, "0000000d 0000000000000000 00 00 00 00 0000000000000000 0000000000000000 04 %s", hex);
    struct bytes b = bytes_of(whole);
    ra_message *m = rai_message_decode(b.data, b.size, NULL, &bad);
    bytes_free(b);
    return m;
}

static ra_message *new_message(void)
{
    ra_message *m = NULL;
    cr_assert_eq(ra_message_new(RA_MESSAGE_DEFAULT, &m, NULL), 0);
    return m;
}

#define BOOLEAN_MAP "0100000001000000026b000201"
#define BYTE_MAP    "0100000001000000026b000307"
#define BYTES_MAP   "0100000001000000026b0004000000020102"
#define SHORT_MAP   "0100000001000000026b00050008"
#define INT_MAP     "0100000001000000026b000600000009"
#define LONG_MAP    "0100000001000000026b0007000000000000000a"
#define FLOAT_MAP   "0100000001000000026b00083fc00000"
#define DOUBLE_MAP  "0100000001000000026b00094004000000000000"
#define STRING_MAP  "0100000001000000026b000a0000000473007400"
#define CHAR_MAP    "0100000001000000026b000b0063"
#define NULL_MAP    "0100000001000000026b0000"

Test(codec_properties, every_type_is_written_as_java_writes_it)
{
    ra_message *m = new_message();
    check_map(m, "00");
    cr_assert_eq(ra_message_set_boolean(m, "k", 5, NULL), 0);
    check_map(m, BOOLEAN_MAP);
    cr_assert_eq(ra_message_set_byte(m, "k", 7, NULL), 0);
    check_map(m, BYTE_MAP);
    cr_assert_eq(ra_message_set_bytes(m, "k", "\1\2", 2, NULL), 0);
    check_map(m, BYTES_MAP);
    cr_assert_eq(ra_message_set_short(m, "k", 8, NULL), 0);
    check_map(m, SHORT_MAP);
    cr_assert_eq(ra_message_set_int(m, "k", 9, NULL), 0);
    check_map(m, INT_MAP);
    cr_assert_eq(ra_message_set_long(m, "k", 10, NULL), 0);
    check_map(m, LONG_MAP);
    cr_assert_eq(ra_message_set_float(m, "k", 1.5F, NULL), 0);
    check_map(m, FLOAT_MAP);
    cr_assert_eq(ra_message_set_double(m, "k", 2.5, NULL), 0);
    check_map(m, DOUBLE_MAP);
    cr_assert_eq(ra_message_set_string(m, "k", "st", 2, NULL), 0);
    check_map(m, STRING_MAP);
    cr_assert_eq(ra_message_set_char(m, "k", 'c', NULL), 0);
    check_map(m, CHAR_MAP);
    cr_assert_eq(ra_message_set_null(m, "k", NULL), 0);
    check_map(m, NULL_MAP);
    cr_assert_eq(ra_message_property_count(m), 1);
    ra_message_unref(m);
}

Test(codec_properties, negative_numbers_keep_their_sign)
{
    ra_message *m = new_message();
    int64_t wide = 0;
    int32_t number = 0;
    ra_message_set_byte(m, "b", -1, NULL);
    ra_message_set_short(m, "s", -2, NULL);
    ra_message_set_int(m, "i", -3, NULL);
    ra_message_set_long(m, "l", -4, NULL);
    cr_assert_eq(ra_message_get_long(m, "b", &wide, NULL), 0);
    cr_assert_eq(wide, -1);
    cr_assert_eq(ra_message_get_long(m, "s", &wide, NULL), 0);
    cr_assert_eq(wide, -2);
    cr_assert_eq(ra_message_get_long(m, "i", &wide, NULL), 0);
    cr_assert_eq(wide, -3);
    cr_assert_eq(ra_message_get_int(m, "l", &number, NULL), 0);
    cr_assert_eq(number, -4);
    ra_message_unref(m);
}

/* What each getter says to each type: 0 or the code */
Test(codec_properties, getters_convert_where_nothing_is_lost_and_refuse_the_rest)
{
    static const struct {
        const char *map;
        int32_t type;
        bool boolean, integer, floating, twice, character, string, bytes;
    } table[] = {
        { BOOLEAN_MAP, RA_PROPERTY_BOOLEAN, true, false, false, false, false, false, false },
        { BYTE_MAP, RA_PROPERTY_BYTE, false, true, false, false, false, false, false },
        { BYTES_MAP, RA_PROPERTY_BYTES, false, false, false, false, false, false, true },
        { SHORT_MAP, RA_PROPERTY_SHORT, false, true, false, false, false, false, false },
        { INT_MAP, RA_PROPERTY_INT, false, true, false, false, false, false, false },
        { LONG_MAP, RA_PROPERTY_LONG, false, true, false, false, false, false, false },
        { FLOAT_MAP, RA_PROPERTY_FLOAT, false, false, true, true, false, false, false },
        { DOUBLE_MAP, RA_PROPERTY_DOUBLE, false, false, false, true, false, false, false },
        { STRING_MAP, RA_PROPERTY_STRING, false, false, false, false, false, true, false },
        { CHAR_MAP, RA_PROPERTY_CHAR, false, false, false, false, true, false, false },
        { NULL_MAP, RA_PROPERTY_NULL, false, false, false, false, false, false, false },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ra_message *m = with_map(table[i].map);
        int flag;
        int32_t number;
        int64_t wide;
        float single;
        double twice;
        uint16_t character;
        const char *text;
        const void *bytes;
        size_t size;
        cr_assert_not_null(m, "number %zu", i);
        cr_expect_eq(ra_message_property_type(m, "k"), table[i].type);
        cr_expect_eq(ra_message_get_boolean(m, "k", &flag, NULL), table[i].boolean ? 0 : RA_E_TYPE);
        cr_expect_eq(ra_message_get_int(m, "k", &number, NULL), table[i].integer ? 0 : RA_E_TYPE);
        cr_expect_eq(ra_message_get_long(m, "k", &wide, NULL), table[i].integer ? 0 : RA_E_TYPE);
        cr_expect_eq(ra_message_get_float(m, "k", &single, NULL), table[i].floating ? 0 : RA_E_TYPE);
        cr_expect_eq(ra_message_get_double(m, "k", &twice, NULL), table[i].twice ? 0 : RA_E_TYPE);
        cr_expect_eq(ra_message_get_char(m, "k", &character, NULL), table[i].character ? 0 : RA_E_TYPE);
        cr_expect_eq(ra_message_get_string(m, "k", &text, &size, NULL), table[i].string ? 0 : RA_E_TYPE);
        cr_expect_eq(ra_message_get_bytes(m, "k", &bytes, &size, NULL), table[i].bytes ? 0 : RA_E_TYPE);
        cr_expect_eq(ra_message_get_long(m, "other", &wide, NULL), RA_E_NOT_FOUND);
        ra_message_unref(m);
    }
}

Test(codec_properties, values_are_read_as_written)
{
    ra_message *m = with_map(FLOAT_MAP);
    double twice = 0;
    float single = 0;
    const char *text = NULL;
    const void *bytes = NULL;
    uint16_t character = 0;
    size_t size = 0;
    cr_assert_eq(ra_message_get_double(m, "k", &twice, NULL), 0);
    cr_assert_float_eq(twice, 1.5, 0);
    cr_assert_eq(ra_message_get_float(m, "k", &single, NULL), 0);
    cr_assert_float_eq(single, 1.5, 0);
    ra_message_unref(m);
    m = with_map(DOUBLE_MAP);
    cr_assert_eq(ra_message_get_double(m, "k", &twice, NULL), 0);
    cr_assert_float_eq(twice, 2.5, 0);
    ra_message_unref(m);
    m = with_map(STRING_MAP);
    cr_assert_eq(ra_message_get_string(m, "k", &text, &size, NULL), 0);
    cr_assert_str_eq(text, "st");
    cr_assert_eq(size, 2);
    ra_message_unref(m);
    m = with_map(BYTES_MAP);
    cr_assert_eq(ra_message_get_bytes(m, "k", &bytes, &size, NULL), 0);
    cr_assert_eq(size, 2);
    cr_assert_arr_eq(bytes, "\1\2", 2);
    ra_message_unref(m);
    m = with_map(CHAR_MAP);
    cr_assert_eq(ra_message_get_char(m, "k", &character, NULL), 0);
    cr_assert_eq(character, 'c');
    ra_message_unref(m);
}

Test(codec_properties, a_long_is_read_as_int_only_if_it_fits)
{
    static const int64_t values[] = { INT32_MAX, (int64_t)INT32_MAX + 1, INT32_MIN, (int64_t)INT32_MIN - 1 };
    ra_message *m = new_message();
    for (size_t i = 0; i < 4; i++) {
        int32_t number = 0;
        ra_message_set_long(m, "k", values[i], NULL);
        cr_expect_eq(ra_message_get_int(m, "k", &number, NULL), i % 2 == 0 ? 0 : RA_E_TYPE);
        cr_expect(i % 2 == 1 || number == values[i]);
    }
    ra_message_unref(m);
}

Test(codec_properties, errors_name_the_property)
{
    ra_message *m = with_map(STRING_MAP);
    ra_error *err = NULL;
    int32_t number;
    cr_assert_eq(ra_message_get_int(m, "k", &number, &err), RA_E_TYPE);
    cr_assert_str_eq(ra_error_message(err), "property k is a string and cannot be read as int");
    ra_error_free(err);
    cr_assert_eq(ra_message_get_int(m, "gone", &number, &err), RA_E_NOT_FOUND);
    cr_assert_str_eq(ra_error_message(err), "there is no property gone");
    ra_error_free(err);
    ra_message_unref(m);
}

Test(codec_properties, a_set_replaces_in_place_and_the_others_stay_in_order)
{
    ra_message *m = new_message();
    const char *key = NULL;
    static const char *const keys[] = { "a", "b", "c" };
    ra_message_set_int(m, "a", 1, NULL);
    ra_message_set_int(m, "b", 2, NULL);
    ra_message_set_int(m, "c", 3, NULL);
    ra_message_set_string(m, "b", "a much longer value than before", 31, NULL);
    ra_message_set_null(m, "a", NULL);
    cr_assert_eq(ra_message_property_count(m), 3);
    for (int32_t i = 0; i < 3; i++) {
        cr_assert_eq(ra_message_property_key(m, i, &key, NULL), 0);
        cr_assert_str_eq(key, keys[i]);
    }
    cr_assert_eq(ra_message_property_type(m, "a"), RA_PROPERTY_NULL);
    cr_assert_eq(ra_message_property_type(m, "b"), RA_PROPERTY_STRING);
    cr_assert_eq(ra_message_property_type(m, "c"), RA_PROPERTY_INT);
    cr_assert_eq(ra_message_remove_property(m, "b", NULL), 0);
    cr_assert_eq(ra_message_remove_property(m, "b", NULL), RA_E_NOT_FOUND);
    cr_assert_eq(ra_message_property_count(m), 2);
    cr_assert_eq(ra_message_property_key(m, 1, &key, NULL), 0);
    cr_assert_str_eq(key, "c");
    cr_assert_eq(ra_message_property_key(m, 2, &key, NULL), RA_E_NOT_FOUND);
    cr_assert_eq(ra_message_property_key(m, -1, &key, NULL), RA_E_NOT_FOUND);
    ra_message_unref(m);
}

Test(codec_properties, the_last_property_removed_leaves_an_empty_map)
{
    ra_message *m = with_map(INT_MAP);
    cr_assert_eq(ra_message_remove_property(m, "k", NULL), 0);
    check_map(m, "00");
    ra_message_unref(m);
}

Test(codec_properties, keys_that_only_begin_alike_are_different)
{
    ra_message *m = new_message();
    static const char *const keys[] = {
        "key", "keys", "ke", "\xc3\xa9", "\xc3\xa9\xc3\xa9", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81"
    };
    for (int32_t i = 0; i < 7; i++) {
        cr_assert_eq(ra_message_set_int(m, keys[i], i, NULL), 0);
    }
    cr_assert_eq(ra_message_property_count(m), 7);
    for (int32_t i = 0; i < 7; i++) {
        int32_t value = -1;
        const char *key = NULL;
        cr_assert_eq(ra_message_get_int(m, keys[i], &value, NULL), 0);
        cr_assert_eq(value, i);
        cr_assert_eq(ra_message_property_key(m, i, &key, NULL), 0);
        cr_assert_str_eq(key, keys[i]);
    }
    ra_message_unref(m);
}

Test(codec_properties, a_set_on_a_received_message_copies_first)
{
    const char blob[] = "0000000d 0000000000000000 00 00 00 00 0000000000000000 0000000000000000 04" STRING_MAP;
    struct bytes b = bytes_of(blob);
    struct bytes untouched = bytes_of(blob);
    bool bad = true;
    ra_message *m = rai_message_decode(b.data, b.size, NULL, &bad);
    const uint8_t *before = m->properties;
    cr_assert_eq(ra_message_set_int(m, "k", 9, NULL), 0);
    cr_assert_neq(m->properties, before);
    check_map(m, INT_MAP);
    cr_assert(bytes_equal(b, untouched));
    ra_message_unref(m);
    bytes_free(b);
    bytes_free(untouched);
}

Test(codec_properties, repeated_gets_do_not_grow_the_message)
{
    ra_message *m = with_map(STRING_MAP);
    const char *first = NULL, *again = NULL, *key = NULL;
    size_t size;
    cr_assert_eq(ra_message_get_string(m, "k", &first, &size, NULL), 0);
    cr_assert_eq(ra_message_property_key(m, 0, &key, NULL), 0);
    long before = rai_alloc_count();
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(ra_message_get_string(m, "k", &again, &size, NULL), 0);
        cr_assert_eq(again, first, "the same text at the same place");
        cr_assert_eq(ra_message_property_key(m, 0, &again, NULL), 0);
        cr_assert_eq(again, key);
    }
    cr_assert_eq(rai_alloc_count(), before);
    ra_message_unref(m);
}

Test(codec_properties, a_set_is_seen_by_the_next_get)
{
    ra_message *m = new_message();
    const char *text = NULL;
    size_t size = 0;
    ra_message_set_string(m, "k", "one", 3, NULL);
    ra_message_get_string(m, "k", &text, &size, NULL);
    ra_message_set_string(m, "k", "two", 3, NULL);
    cr_assert_eq(ra_message_get_string(m, "k", &text, &size, NULL), 0);
    cr_assert_str_eq(text, "two");
    ra_message_unref(m);
}

Test(codec_properties, values_may_come_from_the_same_message)
{
    ra_message *m = new_message();
    const char *text = NULL, *key = NULL;
    const void *bytes = NULL;
    size_t size = 0;
    ra_message_set_string(m, "s", "text", 4, NULL);
    ra_message_set_bytes(m, "b", "bytes", 5, NULL);
    ra_message_get_string(m, "s", &text, &size, NULL);
    cr_assert_eq(ra_message_set_string(m, "s2", text, size, NULL), 0);
    ra_message_get_bytes(m, "b", &bytes, &size, NULL);
    cr_assert_eq(ra_message_set_bytes(m, "s", bytes, size, NULL), 0, "moves what it reads from");
    ra_message_property_key(m, 0, &key, NULL);
    cr_assert_eq(ra_message_set_string(m, key, key, 1, NULL), 0);
    cr_assert_eq(ra_message_get_string(m, "s2", &text, &size, NULL), 0);
    cr_assert_str_eq(text, "text");
    cr_assert_eq(ra_message_get_string(m, "s", &text, &size, NULL), 0);
    cr_assert_str_eq(text, "s");
    cr_assert_eq(ra_message_get_bytes(m, "b", &bytes, &size, NULL), 0);
    cr_assert_arr_eq(bytes, "bytes", 5);
    ra_message_unref(m);
}

Test(codec_properties, strings_may_hold_nul_and_be_empty)
{
    ra_message *m = new_message();
    const char *text = NULL;
    const void *bytes = NULL;
    size_t size = 9;
    ra_message_set_string(m, "n", "a\0b", 3, NULL);
    ra_message_set_string(m, "e", "", 0, NULL);
    ra_message_set_bytes(m, "x", NULL, 0, NULL);
    cr_assert_eq(ra_message_get_string(m, "n", &text, &size, NULL), 0);
    cr_assert_eq(size, 3);
    cr_assert_arr_eq(text, "a\0b", 4);
    cr_assert_eq(ra_message_get_string(m, "e", &text, &size, NULL), 0);
    cr_assert_eq(size, 0);
    cr_assert_str_empty(text);
    cr_assert_eq(ra_message_get_bytes(m, "x", &bytes, &size, NULL), 0);
    cr_assert_eq(size, 0);
    ra_message_unref(m);
}

Test(codec_properties, keys_and_values_must_be_utf8)
{
    ra_message *m = new_message();
    ra_error *err = NULL;
    cr_assert_eq(ra_message_set_int(m, NULL, 1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_int(m, "", 1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_int(m, "\xff", 1, &err), RA_E_ARGUMENT);
    cr_assert_str_eq(ra_error_message(err), "argument key is not valid UTF-8");
    ra_error_free(err);
    cr_assert_eq(ra_message_set_string(m, "k", "\xed\xa0\x80", 3, &err), RA_E_ARGUMENT);
    cr_assert_str_eq(ra_error_message(err), "argument value is not valid UTF-8");
    ra_error_free(err);
    cr_assert_eq(ra_message_set_string(m, "k", NULL, 0, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_bytes(m, "k", NULL, 1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_property_count(m), 0);
    ra_message_unref(m);
}

Test(codec_properties, no_message_or_no_place_is_an_argument_error)
{
    ra_message *m = with_map(INT_MAP);
    int32_t number;
    const char *text;
    cr_assert_eq(ra_message_set_int(NULL, "k", 1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_string(NULL, "k", "", 0, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_get_int(NULL, "k", &number, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_get_int(m, NULL, &number, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_get_int(m, "k", NULL, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_remove_property(NULL, "k", NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_remove_property(m, NULL, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_property_type(NULL, "k"), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_property_type(m, "gone"), RA_E_NOT_FOUND);
    cr_assert_eq(ra_message_property_count(NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_property_key(NULL, 0, &text, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_property_key(m, 0, NULL, NULL), RA_E_ARGUMENT);
    ra_message_unref(m);
}

Test(codec_properties, properties_too_big_for_a_frame_are_refused)
{
    size_t size = (size_t)RAI_PROPERTIES_MAX;
    char *value = calloc(1, size + 1);
    ra_message *m = new_message();
    ra_error *err = NULL;
    cr_assert_eq(ra_message_set_bytes(m, "k", value, size + 1, &err), RA_E_ARGUMENT);
    cr_assert_str_eq(ra_error_message(err), "the properties of the message become too big");
    ra_error_free(err);
    cr_assert_eq(ra_message_set_bytes(m, "k", value, size, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_string(m, "k", value, size / 2, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_property_count(m), 0);
    free(value);
    ra_message_unref(m);
}

Test(codec_properties, malformed_maps_are_refused)
{
    static const char *const bad[] = {
        "01 ffffffff",                          /* negative count */
        "01 7fffffff 000000026b00 00",          /* count beyond the frame */
        "01 00000002 000000026b00 00",          /* one missing */
        "01 00000001 000000026b00 01 00",       /* tag 1 is never a type */
        "01 00000001 000000026b00 0c 00",       /* unknown tag */
        "01 00000001 000000016b 00",            /* odd key */
        "01 00000001 000000026b00 04 ffffffff", /* negative length */
        "01 00000001 000000026b00 04 00000003 0102",
        "01 00000001 000000026b00 0a 00000001 73", /* odd string */
        "01 00000001 000000026b00 06 000000",
        "01",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_null(with_map(bad[i]), "number %zu", i);
    }
}

Test(codec_properties, a_map_of_count_zero_is_read_as_empty)
{
    ra_message *m = with_map("01 00000000");
    cr_assert_not_null(m);
    cr_assert_eq(ra_message_property_count(m), 0);
    check_map(m, "00");
    cr_assert_eq(ra_message_set_int(m, "k", 9, NULL), 0);
    check_map(m, INT_MAP);
    ra_message_unref(m);
}

/* --- no memory --- */

static int build(ra_message **out)
{
    const char *text;
    size_t size;
    ra_message *m = NULL;
    int result = ra_message_new(RA_MESSAGE_DEFAULT, &m, NULL);

    *out = m;
    if (result < 0) {
        return result;
    }
    if ((result = ra_message_set_text(m, "some text", 9, NULL)) < 0 ||
        (result = ra_message_set_int(m, "seq", 1, NULL)) < 0 ||
        (result = ra_message_set_string(m, "name", "a value that makes the properties grow a few times over", 55,
                                        NULL)) < 0 ||
        (result = ra_message_set_bytes(m, "bytes", "0123456789012345678901234567890123456789012345678901234567890123",
                                       64, NULL)) < 0 ||
        (result = ra_message_get_text(m, &text, &size, NULL)) < 0 ||
        (result = ra_message_get_string(m, "name", &text, &size, NULL)) < 0 ||
        (result = ra_message_property_key(m, 2, &text, NULL)) < 0 ||
        (result = ra_message_set_body(m, "a body that is longer than the text, so that it needs its own room", 66,
                                      NULL)) < 0) {
        return result;
    }
    return 0;
}

Test(codec_properties, every_allocation_of_building_a_message_may_fail)
{
    long before = rai_alloc_count();
    long n = 1;
    for (;; n++) {
        ra_message *m = NULL;
        rai_alloc_fail_at(n);
        int result = build(&m);
        rai_alloc_fail_at(0);
        ra_message_unref(m);
        cr_assert_eq(rai_alloc_count(), before, "allocation %ld", n);
        if (result == 0) {
            break;
        }
        cr_assert_eq(result, RA_E_NO_MEMORY, "allocation %ld", n);
    }
    cr_assert_gt(n, 7);
}

Test(codec_properties, a_set_without_memory_changes_nothing)
{
    ra_message *m = with_map(INT_MAP);
    ra_error *err = NULL;
    rai_alloc_fail_at(1);
    cr_assert_eq(ra_message_set_string(m, "k", "st", 2, &err), RA_E_NO_MEMORY);
    cr_assert_eq(ra_message_remove_property(m, "k", NULL), RA_E_NO_MEMORY);
    rai_alloc_fail_at(0);
    cr_assert_eq(ra_error_code(err), RA_E_NO_MEMORY);
    ra_error_free(err);
    cr_assert_eq(ra_message_property_count(m), 1);
    check_map(m, INT_MAP);
    ra_message_unref(m);
}

/* --- against a model --- */

enum { MODEL_KEYS = 12 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static void check_model(ra_message *m, const int32_t sizes[MODEL_KEYS])
{
    int32_t count = 0;
    for (int k = 0; k < MODEL_KEYS; k++) {
        char key[16];
        const void *bytes = NULL;
        size_t size = 0;
        snprintf(key, sizeof key, "key%d", k);
        int result = ra_message_get_bytes(m, key, &bytes, &size, NULL);
        cr_assert_eq(result, sizes[k] < 0 ? RA_E_NOT_FOUND : 0);
        if (sizes[k] >= 0) {
            count++;
            cr_assert_eq(size, (size_t)sizes[k]);
            for (size_t i = 0; i < size; i++) {
                cr_assert_eq(((const uint8_t *)bytes)[i], k + 1);
            }
        }
    }
    cr_assert_eq(ra_message_property_count(m), count);
}

Test(codec_properties, a_long_random_life_agrees_with_a_model)
{
    uint32_t random = 20240607;
    int32_t sizes[MODEL_KEYS];
    uint8_t value[200];
    ra_message *m = new_message();
    for (int k = 0; k < MODEL_KEYS; k++) {
        sizes[k] = -1;
    }
    for (int step = 0; step < 3000; step++) {
        uint32_t k = next_random(&random) % MODEL_KEYS;
        char key[16];
        snprintf(key, sizeof key, "key%d", (int)k);
        if (next_random(&random) % 3 == 0) {
            cr_assert_eq(ra_message_remove_property(m, key, NULL), sizes[k] < 0 ? RA_E_NOT_FOUND : 0);
            sizes[k] = -1;
        } else {
            sizes[k] = (int32_t)(next_random(&random) % sizeof value);
            memset(value, (int)k + 1, sizeof value);
            cr_assert_eq(ra_message_set_bytes(m, key, value, (size_t)sizes[k], NULL), 0);
        }
        check_model(m, sizes);
    }
    ra_message_unref(m);
}

Test(codec_properties, types_have_names)
{
    cr_assert_str_eq(ra_property_type_name(RA_PROPERTY_NULL), "null");
    cr_assert_str_eq(ra_property_type_name(RA_PROPERTY_CHAR), "char");
    cr_assert_str_eq(ra_property_type_name(0), "unknown");
    cr_assert_str_eq(ra_property_type_name(99), "unknown");
}
