#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/wire.h"
#include "wire_bytes.h"

#define E_ACUTE  "\xc3\xa9"
#define EURO     "\xe2\x82\xac"
#define GRIN     "\xf0\x9f\x98\x80"
#define REPLACED "\xef\xbf\xbd"

Test(codec_wire, numbers_are_big_endian)
{
    CHECK_ENCODES("7f", rai_put_u8(w, 0x7f));
    CHECK_ENCODES("fffe", rai_put_i16(w, -2));
    CHECK_ENCODES("01020304", rai_put_i32(w, 0x01020304));
    CHECK_ENCODES("fffffffffffffffe", rai_put_i64(w, -2));
    CHECK_ENCODES("ff", rai_put_bool(w, true));
    CHECK_ENCODES("00", rai_put_bool(w, false));
}

Test(codec_wire, numbers_are_read_as_written)
{
    struct bytes b = bytes_of("7f fffe 01020304 fffffffffffffffe 01 00");
    struct rai_reader r = reader_of(b);
    cr_assert_eq(rai_get_u8(&r), 0x7f);
    cr_assert_eq(rai_get_i16(&r), -2);
    cr_assert_eq(rai_get_i32(&r), 0x01020304);
    cr_assert_eq(rai_get_i64(&r), -2);
    cr_assert_eq(rai_get_bool(&r), true, "any non-zero is true");
    cr_assert_eq(rai_get_bool(&r), false);
    cr_assert_eq(rai_reader_left(&r), 0);
    cr_assert_not(r.bad);
    bytes_free(b);
}

Test(codec_wire, a_read_behind_the_end_makes_the_reader_bad_for_good)
{
    struct bytes b = bytes_of("010203");
    struct rai_reader r = reader_of(b);
    cr_assert_eq(rai_get_i32(&r), 0);
    cr_assert(r.bad);
    cr_assert_eq(rai_get_u8(&r), 0, "also what would have fitted");
    cr_assert_eq(rai_get_i64(&r), 0);
    cr_assert_null(rai_get_raw(&r, 0));
    cr_assert_eq(rai_reader_left(&r), 0);
    bytes_free(b);
}

Test(codec_wire, nothing_can_be_read_from_the_very_end)
{
    struct bytes b = bytes_of("01");
    struct rai_reader r = reader_of(b);
    rai_get_u8(&r);
    cr_assert_not_null(rai_get_raw(&r, 0));
    cr_assert_not(r.bad);
    cr_assert_null(rai_get_raw(&r, SIZE_MAX));
    cr_assert(r.bad);
    bytes_free(b);
}

Test(codec_wire, simple_strings_are_little_endian_with_a_byte_length)
{
    CHECK_ENCODES("00000002 6100", rai_put_sstr(w, "a", 1));
    CHECK_ENCODES("00000000", rai_put_sstr(w, "", 0));
    CHECK_ENCODES("0000000a e900 ac20 3dd8 00de 0000", rai_put_sstr(w, E_ACUTE EURO GRIN "\0", 10));
    CHECK_ENCODES("00", rai_put_nsstr(w, NULL, 0));
    CHECK_ENCODES("01 00000002 6100", rai_put_nsstr(w, "a", 1));
}

Test(codec_wire, simple_strings_come_back_as_utf8)
{
    struct bytes b = bytes_of("0000000a e900 ac20 3dd8 00de 0000");
    struct rai_reader r = reader_of(b);
    size_t size = 0;
    struct rai_sstr s = rai_get_sstr(&r);
    cr_assert_eq(s.size, 10);
    char *text = rai_sstr_utf8(s, &size);
    cr_assert_eq(size, 10);
    cr_assert_arr_eq(text, E_ACUTE EURO GRIN "\0", 11, "terminated by one more zero");
    rai_free(text);
    rai_alloc_fail_at(1);
    cr_assert_null(rai_sstr_utf8(s, &size));
    rai_alloc_fail_at(0);
    cr_assert_null(rai_sstr_utf8((struct rai_sstr){ NULL, 0 }, NULL));
    bytes_free(b);
}

Test(codec_wire, an_empty_simple_string_is_not_a_null_one)
{
    struct bytes b = bytes_of("01 00000000 00 01 00000000");
    struct rai_reader r = reader_of(b);
    cr_assert_not_null(rai_get_nsstr(&r).data);
    cr_assert_null(rai_get_nsstr(&r).data);
    struct rai_sstr last = rai_get_nsstr(&r);
    cr_assert_not_null(last.data, "also at the very end of the frame");
    char *text = rai_sstr_utf8(last, NULL);
    cr_assert_str_empty(text);
    rai_free(text);
    bytes_free(b);
}

Test(codec_wire, impossible_lengths_of_simple_strings_are_bad)
{
    const char *const bad[] = { "ffffffff 6100", "00000001 61",   "00000004 6100",
                                "7ffffffe 6100", "80000000 6100", "000000" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bytes b = bytes_of(bad[i]);
        struct rai_reader r = reader_of(b);
        cr_expect_null(rai_get_sstr(&r).data, "number %zu", i);
        cr_expect(r.bad, "number %zu", i);
        bytes_free(b);
    }
}

Test(codec_wire, string_of_eight_units_is_short_and_big_endian)
{
    CHECK_ENCODES("00000000", rai_put_str(w, "", 0));
    CHECK_ENCODES("00000008 0061 0062 00e9 20ac d83d de00 0063 0000", rai_put_str(w, "ab" E_ACUTE EURO GRIN "c\0", 13));
}

Test(codec_wire, string_of_nine_units_uses_the_utf_block)
{
    CHECK_ENCODES("00000009 0009 616263646566676869", rai_put_str(w, "abcdefghi", 9));
}

Test(codec_wire, supplementary_characters_take_two_groups_in_the_utf_block)
{
    CHECK_ENCODES("0000000b 0012 c3a9 e282ac eda0bd edb880 616263646566 00",
                  rai_put_str(w, E_ACUTE EURO GRIN "abcdef\0", 16));
}

Test(codec_wire, nullable_strings_have_a_marker)
{
    CHECK_ENCODES("00", rai_put_nstr(w, NULL, 0));
    CHECK_ENCODES("01 00000001 0075", rai_put_nstr(w, "u", 1));
}

/* n units of x, as the three branches have them */
static struct bytes put_units(size_t n)
{
    struct bytes b;
    char *text = malloc(n + 1);
    memset(text, 'x', n);
    ENCODE(b, rai_put_str(w, text, n));
    free(text);
    return b;
}

Test(codec_wire, the_branches_change_at_9_and_4095_units)
{
    static const size_t table[][2] = { { 0, 4 },
                                       { 8, 4 + 16 },
                                       { 9, 4 + 2 + 9 },
                                       { 4094, 4 + 2 + 4094 },
                                       { 4095, 4 + 4 + 8190 },
                                       { 5000, 4 + 4 + 10000 } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct bytes b = put_units(table[i][0]);
        cr_expect_eq(b.size, table[i][1], "%zu units take %zu bytes", table[i][0], b.size);
        struct rai_reader r = reader_of(b);
        char out[6000];
        cr_expect_eq(rai_get_str(&r, out, sizeof out), table[i][0]);
        cr_expect_eq(strlen(out), table[i][0]);
        cr_expect_not(r.bad);
        cr_expect_eq(rai_reader_left(&r), 0);
        bytes_free(b);
    }
}

Test(codec_wire, units_not_bytes_or_characters_choose_the_branch)
{
    char text[2 * 4095];
    struct bytes b;
    for (size_t i = 0; i < 4095; i++) {
        memcpy(text + 2 * i, E_ACUTE, 2);
    }
    ENCODE(b, rai_put_str(w, text, 2 * 4094));
    cr_assert_eq(b.size, 4 + 2 + 2 * 4094);
    cr_assert_eq(b.data[4], 0x1f);
    bytes_free(b);
    ENCODE(b, rai_put_str(w, text, 2 * 4095));
    cr_assert_eq(b.size, 4 + 4 + 2 * 4095);
    cr_assert_eq(b.data[8], 0xe9, "little-endian");
    bytes_free(b);
    CHECK_ENCODES("00000008 d83dde00 d83dde00 d83dde00 d83dde00", rai_put_str(w, GRIN GRIN GRIN GRIN, 16));
}

Test(codec_wire, the_longest_utf_block_fits_its_length)
{
    char *text = malloc(3 * 4094);
    struct bytes b;
    char *out = malloc(3 * 4094 + 1);
    for (size_t i = 0; i < 4094; i++) {
        memcpy(text + 3 * i, EURO, 3);
    }
    ENCODE(b, rai_put_str(w, text, 3 * 4094));
    cr_assert_eq(b.size, 4 + 2 + 3 * 4094);
    struct rai_reader r = reader_of(b);
    cr_assert_eq(rai_get_str(&r, out, 3 * 4094 + 1), 3 * 4094);
    cr_assert_arr_eq(out, text, 3 * 4094);
    bytes_free(b);
    free(text);
    free(out);
}

static void check_read(const char *hex, const char *text, size_t size)
{
    struct bytes b = bytes_of(hex);
    struct rai_reader r = reader_of(b);
    char out[64];
    cr_expect_eq(rai_get_str(&r, out, sizeof out), size, "%s", hex);
    cr_expect_arr_eq(out, text, size + 1, "%s", hex);
    cr_expect_not(r.bad, "%s", hex);
    cr_expect_eq(rai_reader_left(&r), 0, "%s", hex);
    bytes_free(b);
}

Test(codec_wire, strings_are_read_as_written)
{
    check_read("00000000", "", 0);
    check_read("00000003 0061 00e9 20ac", "a" E_ACUTE EURO, 6);
    check_read("00000002 d83d de00", GRIN, 4);
    check_read("00000002 0000 0061", "\0a", 2);
    check_read("0000000b 0012 c3a9 e282ac eda0bd edb880 616263646566 00", E_ACUTE EURO GRIN "abcdef\0", 16);
}

Test(codec_wire, lone_surrogates_are_read_as_replacement_characters)
{
    check_read("00000002 d83d 0061", REPLACED "a", 4);
    check_read("00000002 de00 0061", REPLACED "a", 4);
    check_read("00000001 d83d", REPLACED, 3);
    check_read("00000003 d83d d83d de00", REPLACED GRIN, 7);
    check_read("00000009 000b eda0bd 6162636465666768", REPLACED "abcdefgh", 11);
    check_read("00000009 000b 6162636465666768 edb880", "abcdefgh" REPLACED, 11);
}

Test(codec_wire, a_string_is_cut_between_characters_and_consumed_whole)
{
    for (size_t room = 1; room < 12; room++) {
        static const size_t sizes[] = { 0, 0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9 };
        struct bytes whole = bytes_of("00000005 0061 20ac d83d de00 0062 2a");
        struct rai_reader r = reader_of(whole);
        char *out = malloc(room); /* exactly, for AddressSanitizer */
        cr_expect_eq(rai_get_str(&r, out, room), sizes[room], "room %zu", room);
        cr_expect_eq(strlen(out), sizes[room]);
        cr_expect_eq(rai_get_u8(&r), 0x2a, "what follows is in its place");
        free(out);
        bytes_free(whole);
    }
}

Test(codec_wire, a_small_character_behind_a_cut_is_not_taken)
{
    struct bytes b = bytes_of("00000002 20ac 0061");
    struct rai_reader r = reader_of(b);
    char out[3];
    cr_assert_eq(rai_get_str(&r, out, sizeof out), 0, "a text with a hole would be another text");
    cr_assert_str_empty(out);
    bytes_free(b);
}

Test(codec_wire, a_long_string_is_cut_too)
{
    struct bytes b = put_units(5000);
    struct rai_reader r = reader_of(b);
    char out[10];
    cr_assert_eq(rai_get_str(&r, out, sizeof out), 9);
    cr_assert_str_eq(out, "xxxxxxxxx");
    cr_assert_not(r.bad);
    cr_assert_eq(rai_reader_left(&r), 0);
    bytes_free(b);
}

Test(codec_wire, a_string_can_be_skipped)
{
    struct bytes b = bytes_of("00000003 0061 00e9 20ac 2a");
    struct rai_reader r = reader_of(b);
    cr_assert_eq(rai_get_str(&r, NULL, 0), 0);
    cr_assert_eq(rai_get_u8(&r), 0x2a);
    bytes_free(b);
}

Test(codec_wire, null_strings_are_told_from_empty_ones)
{
    struct bytes b = bytes_of("00 01 00000000");
    struct rai_reader r = reader_of(b);
    char out[4] = "xyz";
    bool null = false;
    cr_assert_eq(rai_get_nstr(&r, out, sizeof out, &null), 0);
    cr_assert(null);
    cr_assert_str_empty(out);
    cr_assert_eq(rai_get_nstr(&r, out, sizeof out, &null), 0);
    cr_assert_not(null);
    cr_assert_not(r.bad);
    bytes_free(b);
}

Test(codec_wire, malformed_strings_are_bad_and_read_as_empty)
{
    const char *const bad[] = {
        "ffffffff",                           /* negative */
        "00000003 0061 0062",                 /* short branch, too short */
        "00000009 0009 6162636465666768",     /* block longer than the frame */
        "00000009 0008 6162636465666768",     /* fewer characters than announced */
        "00000009 000a 61626364656667686961", /* more of them */
        "00000009 0009 f09f9880 6162636465",  /* four-byte groups do not exist here */
        "00000009 0009 80 6162636465666768",  /* stray continuation */
        "00000009 0009 6162636465666768 c3",  /* group cut by the block's end */
        "00000009 0009 61626364656667 c328",  /* broken group */
        "00000fff 00001ffe 0000",             /* simple, longer than the frame */
        "00000fff 00000002 6100",             /* simple, other length than announced */
        "7fffffff 00000002 6100",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bytes b = bytes_of(bad[i]);
        struct rai_reader r = reader_of(b);
        char out[32] = "xyz";
        cr_expect_eq(rai_get_str(&r, out, sizeof out), 0, "number %zu", i);
        cr_expect(r.bad, "number %zu", i);
        cr_expect_eq(out[0], 0, "number %zu", i);
        bytes_free(b);
    }
}

Test(codec_wire, every_truncation_of_a_string_is_bad)
{
    static const size_t units[] = { 1, 8, 9, 300, 4094, 4095 };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct bytes whole = put_units(units[i]);
        for (size_t cut = 0; cut < whole.size; cut += cut < 40 ? 1 : 211) {
            struct bytes b = bytes_copy(whole.data, cut);
            struct rai_reader r = reader_of(b);
            char out[16];
            rai_get_str(&r, out, sizeof out);
            cr_expect(r.bad, "%zu units cut at %zu", units[i], cut);
            bytes_free(b);
        }
        bytes_free(whole);
    }
}

Test(codec_wire, nullable_simple_text_is_read_into_a_buffer)
{
    struct bytes b = bytes_of("01 00000006 6100 ac20 6200 00");
    struct rai_reader r = reader_of(b);
    char out[4];
    cr_assert_eq(rai_get_text(&r, out, sizeof out), 1);
    cr_assert_str_eq(out, "a");
    cr_assert_eq(rai_get_text(&r, out, sizeof out), 0);
    cr_assert_str_empty(out);
    cr_assert_not(r.bad);
    bytes_free(b);
}

Test(codec_wire, counts_must_fit_in_what_is_left)
{
    struct bytes b = bytes_of("00000002 0000000000");
    struct rai_reader r = reader_of(b);
    cr_assert_eq(rai_get_count(&r, 2), 2);
    r = reader_of(b);
    cr_assert_eq(rai_get_count(&r, 3), 0);
    cr_assert(r.bad);
    bytes_free(b);
    b = bytes_of("ffffffff 00");
    r = reader_of(b);
    cr_assert_eq(rai_get_count(&r, 1), 0);
    cr_assert(r.bad);
    bytes_free(b);
}
