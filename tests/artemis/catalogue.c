#include "catalogue.h"

#include "kit.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDE "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
#define CLEF "\xf0\x9d\x84\x9e"
#define EXPIRY INT64_C(4102444800000)
#define TIME INT64_C(1700000000000)

static const uint8_t user_id[16] = { 0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3,
                                     0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00 };

/* --- making --- */

static void text_property(ra_message *m, const char *key, const char *text, size_t size)
{
    GOOD(ra_message_set_string(m, key, text, size, &err));
}

static void floats(ra_message *m)
{
    static const char *const keys[] = { "p", "q", "r", "s", "t", "u", "v" };
    const float values[] = { 1.5f, -0.0f, NAN, INFINITY, -INFINITY, FLT_TRUE_MIN, FLT_MAX };
    for (int i = 0; i < 7; i++)
        GOOD(ra_message_set_float(m, keys[i], values[i], &err));
}

static void doubles(ra_message *m)
{
    static const char *const keys[] = { "p", "q", "r", "s", "t", "u", "v" };
    const double values[] = { 1.5, -0.0, (double)NAN, (double)INFINITY, -(double)INFINITY, DBL_TRUE_MIN, DBL_MAX };
    for (int i = 0; i < 7; i++)
        GOOD(ra_message_set_double(m, keys[i], values[i], &err));
}

static void strings(ra_message *m)
{
    char many[10000];
    memset(many, 'x', sizeof many);
    text_property(m, "p", "", 0);
    text_property(m, "q", "hello", 5);
    text_property(m, "r", WIDE "\0!", sizeof WIDE + 1);
    text_property(m, "s", many, sizeof many);
}

static void characters(ra_message *m)
{
    GOOD(ra_message_set_char(m, "p", 'A', &err));
    GOOD(ra_message_set_char(m, "q", 0, &err));
    GOOD(ra_message_set_char(m, "r", 0xffff, &err));
    GOOD(ra_message_set_char(m, "s", 0x20ac, &err));
}

static void ramp(uint8_t out[256])
{
    for (int i = 0; i < 256; i++)
        out[i] = (uint8_t)i;
}

static void one_of_each(ra_message *m)
{
    GOOD(ra_message_set_boolean(m, "b", 1, &err));
    GOOD(ra_message_set_byte(m, "y", -1, &err));
    GOOD(ra_message_set_short(m, "s", -2, &err));
    GOOD(ra_message_set_int(m, "i", -3, &err));
    GOOD(ra_message_set_long(m, "l", -4, &err));
    GOOD(ra_message_set_float(m, "f", 0.5f, &err));
    GOOD(ra_message_set_double(m, "d", -0.25, &err));
    text_property(m, "t", "text", 4);
    GOOD(ra_message_set_char(m, "c", 'Z', &err));
    GOOD(ra_message_set_bytes(m, "a", "\1\2\3", 3, &err));
    GOOD(ra_message_set_null(m, "n", &err));
}

static void small_integers(ra_message *m, int number)
{
    if (number == 1) {
        GOOD(ra_message_set_boolean(m, "p", 1, &err));
        GOOD(ra_message_set_boolean(m, "q", 0, &err));
    } else if (number == 2) {
        GOOD(ra_message_set_byte(m, "p", INT8_MIN, &err));
        GOOD(ra_message_set_byte(m, "q", INT8_MAX, &err));
        GOOD(ra_message_set_byte(m, "r", 0, &err));
    } else if (number == 3) {
        GOOD(ra_message_set_short(m, "p", INT16_MIN, &err));
        GOOD(ra_message_set_short(m, "q", INT16_MAX, &err));
    }
}

static void big_integers(ra_message *m, int number)
{
    if (number == 4) {
        GOOD(ra_message_set_int(m, "p", INT32_MIN, &err));
        GOOD(ra_message_set_int(m, "q", INT32_MAX, &err));
    } else if (number == 5) {
        GOOD(ra_message_set_long(m, "p", INT64_MIN, &err));
        GOOD(ra_message_set_long(m, "q", INT64_MAX, &err));
    }
}

static void odd_names(ra_message *m)
{
    char name[301];
    memset(name, 'k', sizeof name - 1);
    name[300] = '\0';
    GOOD(ra_message_set_int(m, "schl\xc3\xbcssel \xf0\x9f\x98\x80", 7, &err));
    GOOD(ra_message_set_int(m, name, 8, &err));
}

static void properties(ra_message *m, int number)
{
    uint8_t bytes[256];
    ramp(bytes);
    small_integers(m, number);
    big_integers(m, number);
    if (number == 6)
        floats(m);
    if (number == 7)
        doubles(m);
    if (number == 8)
        strings(m);
    if (number == 9)
        characters(m);
    if (number == 10) {
        GOOD(ra_message_set_bytes(m, "p", "", 0, &err));
        GOOD(ra_message_set_bytes(m, "q", bytes, sizeof bytes, &err));
    }
    if (number == 11)
        GOOD(ra_message_set_null(m, "p", &err));
    if (number == 12)
        one_of_each(m);
    if (number == 13)
        odd_names(m);
    if (number == 38) {
        text_property(m, "t", "text", 4);
        GOOD(ra_message_set_long(m, "l", -4, &err));
    }
}

static void many_bytes(ra_message *m, size_t size, unsigned factor, unsigned start)
{
    static uint8_t bytes[100000];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(factor * i + start);
    GOOD(ra_message_set_body(m, bytes, size, &err));
}

static void long_text(ra_message *m)
{
    char text[5000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('0' + i % 10);
    GOOD(ra_message_set_text(m, text, sizeof text, &err));
}

static void body(ra_message *m, int number)
{
    switch (number) {
    case 14:
        many_bytes(m, 256, 1, 0);
        break;
    case 15:
        many_bytes(m, 100000, 31, 7);
        break;
    case 17:
        GOOD(ra_message_set_text(m, "hello", 5, &err));
        break;
    case 18:
        GOOD(ra_message_set_text(m, WIDE " " CLEF, sizeof(WIDE " " CLEF) - 1, &err));
        break;
    case 19:
        GOOD(ra_message_set_text(m, NULL, 0, &err));
        break;
    case 20:
        GOOD(ra_message_set_text(m, "", 0, &err));
        break;
    case 21:
        long_text(m);
        break;
    case 22:
        GOOD(ra_message_set_body(m, "\xca\xfe", 2, &err));
        break;
    case 23:
        GOOD(ra_message_set_body(m, "durable", 7, &err));
        break;
    case 38:
        GOOD(ra_message_set_text(m, WIDE, sizeof WIDE - 1, &err));
        break;
    default:
        break;
    }
}

static int32_t type_of(int number)
{
    if ((number >= 14 && number <= 16) || number == 23)
        return RA_MESSAGE_BYTES;
    if ((number >= 17 && number <= 21) || number == 38)
        return RA_MESSAGE_TEXT;
    return number == 22 ? RA_MESSAGE_OBJECT : RA_MESSAGE_DEFAULT;
}

static void header(ra_message *m, int number)
{
    int64_t timestamp = number == 36 ? 0 : number == 37 ? INT64_MAX : TIME + number;
    GOOD(ra_message_set_timestamp(m, timestamp, &err));
    if (number == 23 || number == 38)
        GOOD(ra_message_set_durable(m, 1, &err));
    if (number >= 24 && number <= 33)
        GOOD(ra_message_set_priority(m, number - 24, &err));
    if (number == 38)
        GOOD(ra_message_set_priority(m, 9, &err));
    if (number == 34 || number == 38)
        GOOD(ra_message_set_expiration(m, EXPIRY, &err));
    if (number == 35 || number == 38)
        GOOD(ra_message_set_user_id(m, user_id, &err));
}

ra_message *catalogue_message(int number)
{
    ra_message *m = NULL;
    GOOD(ra_message_new(type_of(number), &m, &err));
    GOOD(ra_message_set_int(m, "case", number, &err));
    header(m, number);
    properties(m, number);
    body(m, number);
    return m;
}

/* --- comparing --- */

static void check_header(const ra_message *want, const ra_message *got, int number)
{
    uint8_t a[16], b[16];
    cr_expect_eq(ra_message_type(got), ra_message_type(want), "case %d: type", number);
    cr_expect_eq(ra_message_is_durable(got), ra_message_is_durable(want), "case %d: durable", number);
    cr_expect_eq(ra_message_priority(got), ra_message_priority(want), "case %d: priority", number);
    cr_expect_eq(ra_message_expiration(got), ra_message_expiration(want), "case %d: expiration", number);
    cr_expect_eq(ra_message_timestamp(got), ra_message_timestamp(want), "case %d: timestamp", number);
    int had = ra_message_get_user_id(want, a);
    int has = ra_message_get_user_id(got, b);
    cr_expect_eq(has, had, "case %d: user id: %d", number, has);
    if (had == 0 && has == 0)
        cr_expect_arr_eq(a, b, sizeof a, "case %d: user id", number);
}

static void check_body(ra_message *want, ra_message *got, int number)
{
    const void *a = NULL, *b = NULL;
    const char *text_a = NULL, *text_b = NULL;
    size_t size_a = 0, size_b = 0;
    if (ra_message_type(want) == RA_MESSAGE_TEXT) {
        GOOD(ra_message_get_text(want, &text_a, &size_a, &err));
        GOOD(ra_message_get_text(got, &text_b, &size_b, &err));
        cr_expect_eq(text_a == NULL, text_b == NULL, "case %d: null text", number);
        a = text_a;
        b = text_b;
    } else {
        GOOD(ra_message_get_body(want, &a, &size_a, &err));
        GOOD(ra_message_get_body(got, &b, &size_b, &err));
    }
    cr_expect_eq(size_b, size_a, "case %d: body of %zu bytes, not %zu", number, size_b, size_a);
    if (size_a == size_b && size_a > 0)
        cr_expect_arr_eq(a, b, size_a, "case %d: body", number);
}

static bool same_blob(ra_message *want, ra_message *got, const char *key, bool text)
{
    const void *a = NULL, *b = NULL;
    const char *s = NULL, *t = NULL;
    size_t size_a = 0, size_b = 0;
    if (text) {
        GOOD(ra_message_get_string(want, key, &s, &size_a, &err));
        GOOD(ra_message_get_string(got, key, &t, &size_b, &err));
        a = s;
        b = t;
    } else {
        GOOD(ra_message_get_bytes(want, key, &a, &size_a, &err));
        GOOD(ra_message_get_bytes(got, key, &b, &size_b, &err));
    }
    return size_a == size_b && (size_a == 0 || memcmp(a, b, size_a) == 0);
}

static bool same_number(ra_message *want, ra_message *got, const char *key, int32_t type)
{
    union {
        int64_t l;
        double d;
        float f;
        uint16_t c;
        int b;
    } a = { 0 }, b = { 0 };
    if (type == RA_PROPERTY_DOUBLE) {
        GOOD(ra_message_get_double(want, key, &a.d, &err));
        GOOD(ra_message_get_double(got, key, &b.d, &err));
    } else if (type == RA_PROPERTY_FLOAT) {
        GOOD(ra_message_get_float(want, key, &a.f, &err));
        GOOD(ra_message_get_float(got, key, &b.f, &err));
    } else if (type == RA_PROPERTY_CHAR) {
        GOOD(ra_message_get_char(want, key, &a.c, &err));
        GOOD(ra_message_get_char(got, key, &b.c, &err));
    } else if (type == RA_PROPERTY_BOOLEAN) {
        GOOD(ra_message_get_boolean(want, key, &a.b, &err));
        GOOD(ra_message_get_boolean(got, key, &b.b, &err));
    } else {
        GOOD(ra_message_get_long(want, key, &a.l, &err));
        GOOD(ra_message_get_long(got, key, &b.l, &err));
    }
    return memcmp(&a, &b, sizeof a) == 0; /* by their bits */
}

static bool same_value(ra_message *want, ra_message *got, const char *key, int32_t type)
{
    if (type == RA_PROPERTY_NULL)
        return true;
    if (type == RA_PROPERTY_STRING || type == RA_PROPERTY_BYTES)
        return same_blob(want, got, key, type == RA_PROPERTY_STRING);
    return same_number(want, got, key, type);
}

static void check_properties(ra_message *want, ra_message *got, int number)
{
    int32_t extra = 0;
    for (int32_t i = 0; i < ra_message_property_count(want); i++) {
        const char *key = NULL;
        GOOD(ra_message_property_key(want, i, &key, &err));
        int32_t type = ra_message_property_type(want, key);
        cr_expect_eq(ra_message_property_type(got, key), type, "case %d: %s is %s, not %s", number, key,
                     ra_property_type_name(ra_message_property_type(got, key)), ra_property_type_name(type));
        if (ra_message_property_type(got, key) == type)
            cr_expect(same_value(want, got, key, type), "case %d: the value of %s", number, key);
    }
    for (int32_t i = 0; i < ra_message_property_count(got); i++) {
        const char *key = NULL;
        GOOD(ra_message_property_key(got, i, &key, &err));
        extra += strncmp(key, "_AMQ", 4) == 0;
    }
    cr_expect_eq(ra_message_property_count(got) - extra, ra_message_property_count(want), "case %d: %d properties",
                 number, (int)ra_message_property_count(got));
}

int catalogue_check(ra_message *message)
{
    int32_t number = -1;
    GOOD(ra_message_get_int(message, "case", &number, &err));
    cr_assert(number >= 0 && number < CATALOGUE_CASES, "case %d", (int)number);
    ra_message *want = catalogue_message(number);
    check_header(want, message, number);
    check_body(want, message, number);
    check_properties(want, message, number);
    ra_message_unref(want);
    return number;
}
