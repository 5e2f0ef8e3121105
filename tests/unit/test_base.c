#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/block.h"
#include "base/fault.h"
#include "base/utf.h"

#define E_ACUTE "\xc3\xa9"
#define EURO    "\xe2\x82\xac"
#define GRIN    "\xf0\x9f\x98\x80"

/* --- allocation --- */

Test(base_alloc, the_nth_allocation_and_all_behind_it_fail)
{
    rai_alloc_fail_at(3);
    void *first = rai_alloc(1);
    void *second = rai_calloc(2, 2);
    cr_assert_not_null(first);
    cr_assert_not_null(second);
    cr_assert_null(rai_alloc(1));
    cr_assert_null(rai_strdup("x"));
    cr_assert_null(rai_realloc(first, 100));
    rai_alloc_fail_at(0);
    void *third = rai_alloc(1);
    cr_assert_not_null(third);
    rai_free(first);
    rai_free(second);
    rai_free(third);
}

Test(base_alloc, the_nth_allocation_alone_fails)
{
    rai_alloc_fail_once(2);
    void *first = rai_alloc(1);
    cr_assert_eq(rai_alloc_fail_left(), 1);
    cr_assert_null(rai_alloc(1));
    cr_assert_eq(rai_alloc_fail_left(), 0);
    void *third = rai_alloc(1);
    cr_assert_not_null(first);
    cr_assert_not_null(third);
    rai_free(first);
    rai_free(third);
}

Test(base_alloc, live_allocations_are_counted)
{
    long before = rai_alloc_count();
    void *p = rai_alloc(10);
    char *q = rai_strdup("text");
    p = rai_realloc(p, 20);
    cr_assert_eq(rai_alloc_count(), before + 2);
    cr_assert_str_eq(q, "text");
    rai_free(p);
    rai_free(q);
    rai_free(NULL);
    cr_assert_eq(rai_alloc_count(), before);
}

Test(base_alloc, nothing_asked_for_is_still_something)
{
    void *a = rai_alloc(0);
    void *b = rai_calloc(0, 8);
    void *c = rai_realloc(NULL, 0);
    cr_assert_not_null(a);
    cr_assert_not_null(b);
    cr_assert_not_null(c);
    rai_free(a);
    rai_free(b);
    rai_free(c);
    cr_assert_null(rai_strdup(NULL));
}

Test(base_alloc, an_impossible_product_is_refused)
{
    volatile size_t huge = SIZE_MAX / 2;
    cr_assert_null(rai_calloc(huge, 3));
}

/* --- blocks --- */

Test(base_block, the_last_reference_frees_it)
{
    long before = rai_alloc_count();
    struct rai_block *block = rai_block_new(100);
    cr_assert_eq(block->capacity, 100);
    memset(block->data, 1, 100);
    cr_assert_eq(rai_block_ref(block), block);
    rai_block_unref(block);
    cr_assert_eq(rai_alloc_count(), before + 1);
    rai_block_unref(block);
    rai_block_unref(NULL);
    cr_assert_eq(rai_alloc_count(), before);
}

Test(base_block, an_impossible_capacity_is_refused)
{
    cr_assert_null(rai_block_new(SIZE_MAX));
    cr_assert_null(rai_block_new(SIZE_MAX - 4));
}

static void *ref_and_unref(void *argument)
{
    for (int i = 0; i < 10000; i++) {
        rai_block_unref(rai_block_ref(argument));
    }
    rai_block_unref(argument);
    return NULL;
}

Test(base_block, references_are_dropped_on_any_thread)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    long before = rai_alloc_count();
    struct rai_block *block = rai_block_new(8);
    for (int i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, ref_and_unref, rai_block_ref(block)), 0);
    }
    rai_block_unref(block);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(rai_alloc_count(), before);
}

/* --- UTF --- */

static bool valid(const char *text)
{
    return rai_utf8_valid(text, strlen(text));
}

Test(base_utf, well_formed_text_is_valid)
{
    cr_assert(valid(""));
    cr_assert(valid("plain text that is longer than eight bytes"));
    cr_assert(valid(E_ACUTE EURO GRIN));
    cr_assert(rai_utf8_valid("a\0b", 3));
    cr_assert(valid("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"));
}

Test(base_utf, overlong_forms_surrogates_and_strays_are_not_valid)
{
    const char *const bad[] = { "\xc0\x80",
                                "\xc1\xbf",
                                "\xe0\x9f\xbf",
                                "\xf0\x8f\xbf\xbf",
                                "\xed\xa0\x80",
                                "\xed\xbf\xbf",
                                "\xf4\x90\x80\x80",
                                "\xf5\x80\x80\x80",
                                "\x80",
                                "\xff",
                                "\xc3",
                                "\xe2\x82",
                                "\xf0\x9f\x98",
                                "\xc3(",
                                "\xe2(\xac",
                                "\xf0\x9f(\x80",
                                "12345678\xc3",
                                "1234567\x80",
                                "\xe2\x82(" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_not(valid(bad[i]), "number %zu", i);
    }
}

Test(base_utf, a_truncated_character_is_found_at_the_very_end)
{
    const char text[] = "abc" GRIN;
    for (size_t cut = 4; cut < sizeof text - 1; cut++) {
        char *exact = malloc(cut);
        memcpy(exact, text, cut);
        cr_expect_not(rai_utf8_valid(exact, cut), "at %zu", cut);
        cr_expect_eq(rai_utf8_units(exact, cut), cut, "strays count one each");
        free(exact);
    }
}

Test(base_utf, units_count_supplementary_characters_twice)
{
    cr_assert_eq(rai_utf8_units("", 0), 0);
    cr_assert_eq(rai_utf8_units("0123456789", 10), 10);
    cr_assert_eq(rai_utf8_units(E_ACUTE EURO GRIN, 9), 4);
}

Test(base_utf, both_orders_come_back_as_they_were)
{
    const char text[] = "start of it, long enough " E_ACUTE EURO GRIN " and more ascii behind it" GRIN;
    size_t size = sizeof text - 1;
    size_t units = rai_utf8_units(text, size);
    uint8_t *wide = malloc(2 * units);
    char *back = malloc(3 * units);

    cr_assert_eq(rai_utf8_to_utf16le(text, size, wide), wide + 2 * units);
    cr_assert_eq(wide[0], 's');
    cr_assert_eq(wide[1], 0);
    cr_assert_eq(rai_utf16le_utf8_size(wide, 2 * units), size);
    cr_assert_eq(rai_utf16le_to_utf8(wide, 2 * units, back), size);
    cr_assert_arr_eq(back, text, size);
    cr_assert_eq(rai_utf8_to_utf16be(text, size, wide), wide + 2 * units);
    cr_assert_eq(wide[0], 0);
    cr_assert_eq(wide[1], 's');
    cr_assert_eq(rai_utf16be_to_utf8(wide, 2 * units, back), size);
    cr_assert_arr_eq(back, text, size);
    free(wide);
    free(back);
}

Test(base_utf, every_character_comes_back_as_it_was)
{
    for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 97) {
        char text[4];
        uint8_t wide[4];
        char back[6];
        uint32_t read = 0;
        if (c >= 0xD800 && c <= 0xDFFF) {
            continue;
        }
        size_t size = rai_utf8_put(c, text);
        cr_assert(rai_utf8_valid(text, size), "U+%04X", (unsigned)c);
        cr_assert_eq(rai_utf8_next(text, size, &read), size);
        cr_assert_eq(read, c);
        size_t bytes = (size_t)(rai_utf8_to_utf16le(text, size, wide) - wide);
        cr_assert_eq(bytes, 2 * rai_utf8_units(text, size));
        cr_assert_eq(rai_utf16le_to_utf8(wide, bytes, back), size);
        cr_assert_arr_eq(back, text, size);
    }
}

Test(base_utf, lone_surrogates_become_replacement_characters)
{
    const uint8_t high_then_a[] = { 0x3D, 0xD8, 'a', 0 };
    const uint8_t low[] = { 0x00, 0xDE };
    const uint8_t high_at_end[] = { 'a', 0, 0x3D, 0xD8 };
    char out[6];

    cr_assert_eq(rai_utf16le_to_utf8(high_then_a, 4, out), 4);
    cr_assert_arr_eq(out,
                     "\xef\xbf\xbd"
                     "a",
                     4);
    cr_assert_eq(rai_utf16le_to_utf8(low, 2, out), 3);
    cr_assert_arr_eq(out, "\xef\xbf\xbd", 3);
    cr_assert_eq(rai_utf16le_to_utf8(high_at_end, 4, out), 4);
    cr_assert_arr_eq(out, "a\xef\xbf\xbd", 4);
    cr_assert_eq(rai_utf16le_utf8_size(high_at_end, 4), 4);
}

Test(base_utf, a_cut_never_splits_a_character)
{
    const char text[] = "a" E_ACUTE EURO GRIN;
    const size_t expected[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };
    for (size_t limit = 0; limit < 12; limit++) {
        cr_expect_eq(rai_utf8_cut(text, 10, limit), expected[limit], "limit %zu", limit);
    }
}

/* --- faults and errors --- */

Test(base_fault, setting_one_returns_the_code)
{
    struct rai_fault fault;
    memset(&fault, 0x55, sizeof fault);
    cr_assert_eq(rai_fault_set(&fault, RA_E_URL, "port %d", 7), RA_E_URL);
    cr_assert_eq(fault.code, RA_E_URL);
    cr_assert_eq(fault.broker_code, -1);
    cr_assert_str_eq(fault.text, "port 7");
    cr_assert_str_empty(fault.broker_text);
    cr_assert_str_empty(fault.endpoint);
    cr_assert_eq(rai_fault_set(NULL, RA_E_URL, "port %d", 7), RA_E_URL);
}

Test(base_fault, text_may_be_made_from_the_fault_itself)
{
    struct rai_fault fault;
    rai_fault_set(&fault, RA_E_URL, "inner");
    rai_fault_set(&fault, RA_E_CONNECT, "outer: %s", fault.text);
    cr_assert_str_eq(fault.text, "outer: inner");
}

Test(base_fault, long_text_is_cut_between_characters)
{
    struct rai_fault fault;
    char text[400] = "";
    for (int lead = 0; lead < 4; lead++) {
        memset(text, 'x', (size_t)lead);
        for (size_t i = (size_t)lead; i + 4 < sizeof text; i += 4) {
            memcpy(text + i, GRIN, 5);
        }
        rai_fault_set(&fault, RA_E_URL, "%s", text);
        cr_assert(valid(fault.text));
        cr_assert_gt(strlen(fault.text), RAI_FAULT_TEXT - 5);
        rai_fault_set_broker(&fault, 100, text, strlen(text));
        cr_assert(valid(fault.text));
        cr_assert(valid(fault.broker_text));
        cr_assert_gt(strlen(fault.broker_text), RAI_FAULT_TEXT - 5);
    }
}

Test(base_fault, text_cut_by_the_format_is_repaired_too)
{
    struct rai_fault fault;
    char text[1000];
    for (size_t i = 0; i + 1 < sizeof text; i += 3) {
        memcpy(text + i, EURO, 4);
    }
    rai_fault_set(&fault, RA_E_URL, "%.999s", text);
    cr_assert(valid(fault.text));
}

Test(base_fault, the_brokers_code_and_text_are_kept_apart)
{
    struct rai_fault fault;
    cr_assert_eq(rai_fault_set_broker(&fault, 100, "AMQ229017: no q", 15), RA_E_NO_QUEUE);
    cr_assert_eq(fault.broker_code, 100);
    cr_assert_str_eq(fault.broker_text, "AMQ229017: no q");
    cr_assert_str_eq(fault.text, "the queue does not exist (broker code 100: AMQ229017: no q)");
    cr_assert_eq(rai_fault_set_broker(&fault, 0, NULL, 0), RA_E_REJECTED);
    cr_assert_str_empty(fault.broker_text);
    cr_assert_str_eq(fault.text, "the broker refused the request (broker code 0)");
}

Test(base_fault, broker_codes_have_their_meaning)
{
    static const int32_t table[][2] = {
        { 100, RA_E_NO_QUEUE },     { 101, RA_E_QUEUE_EXISTS },      { 103, RA_E_FILTER },
        { 105, RA_E_SECURITY },     { 106, RA_E_NO_ADDRESS },        { 108, RA_E_VERSION },
        { 111, RA_E_ROLLED_BACK },  { 113, RA_E_DUPLICATE_ID },      { 115, RA_E_OUTCOME_UNKNOWN },
        { 210, RA_E_ADDRESS_FULL }, { 211, RA_E_LARGE_INTERRUPTED }, { 104, RA_E_REJECTED },
        { 0, RA_E_REJECTED },       { 999, RA_E_REJECTED },          { -5, RA_E_REJECTED },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        cr_expect_eq(rai_fault_code_of_broker(table[i][0]), table[i][1], "code %d", (int)table[i][0]);
    }
}

Test(base_error, carries_the_whole_fault)
{
    struct rai_fault fault;
    ra_error *error = NULL;
    rai_fault_set_broker(&fault, 210, "full", 4);
    snprintf(fault.endpoint, sizeof fault.endpoint, "tcp://host:1");
    cr_assert_eq(rai_error_out(&error, &fault), RA_E_ADDRESS_FULL);
    cr_assert_eq(ra_error_code(error), RA_E_ADDRESS_FULL);
    cr_assert_str_eq(ra_error_name(error), "RA_E_ADDRESS_FULL");
    cr_assert_str_eq(ra_error_message(error), "the address is full (broker code 210: full)");
    cr_assert_str_eq(ra_error_endpoint(error), "tcp://host:1");
    cr_assert_eq(ra_error_broker_code(error), 210);
    cr_assert_str_eq(ra_error_broker_text(error), "full");
    cr_assert_eq(ra_error_is_retriable(error), 1);
    cr_assert_eq(ra_error_is_fatal(error), 0);
    ra_error_free(error);
}

Test(base_error, nobody_has_to_want_it)
{
    struct rai_fault fault;
    long before = rai_alloc_count();
    rai_fault_set(&fault, RA_E_URL, "x");
    cr_assert_eq(rai_error_out(NULL, &fault), RA_E_URL);
    cr_assert_eq(rai_alloc_count(), before);
}

Test(base_error, is_a_static_object_when_there_is_no_memory)
{
    struct rai_fault fault;
    ra_error *error = NULL;
    rai_fault_set(&fault, RA_E_URL, "x");
    rai_alloc_fail_at(1);
    cr_assert_eq(rai_error_out(&error, &fault), RA_E_URL);
    rai_alloc_fail_at(0);
    cr_assert_eq(ra_error_code(error), RA_E_NO_MEMORY);
    cr_assert_str_eq(ra_error_message(error), "out of memory");
    ra_error_free(error);
    ra_error_free(error);
    rai_fault_set(&fault, RA_E_NO_MEMORY, "out of memory");
    long before = rai_alloc_count();
    rai_error_out(&error, &fault);
    cr_assert_eq(rai_alloc_count(), before, "reporting no memory must not need any");
    ra_error_free(error);
}

Test(base_error, no_error_answers_like_success)
{
    cr_assert_eq(ra_error_code(NULL), RA_OK);
    cr_assert_str_eq(ra_error_name(NULL), "RA_OK");
    cr_assert_str_eq(ra_error_message(NULL), "no error");
    cr_assert_str_empty(ra_error_endpoint(NULL));
    cr_assert_str_empty(ra_error_broker_text(NULL));
    cr_assert_eq(ra_error_broker_code(NULL), -1);
    cr_assert_eq(ra_error_is_retriable(NULL) + ra_error_is_fatal(NULL) + ra_error_is_outcome_unknown(NULL), 0);
    ra_error_free(NULL);
}

Test(base_error, every_code_has_a_name_and_a_sentence)
{
#define CHECK(name, number, sentence)                            \
    cr_expect_str_eq(ra_error_code_name(number), "RA_E_" #name); \
    cr_expect_str_eq(rai_fault_sentence(number), sentence);
    RA_ERROR_MAP(CHECK)
    cr_assert_str_eq(ra_error_code_name(-1234), "unknown");
}

Test(base_error, only_an_unknown_outcome_says_so)
{
    struct rai_fault fault;
    ra_error *error = NULL;
    rai_fault_set(&fault, RA_E_OUTCOME_UNKNOWN, "x");
    rai_error_out(&error, &fault);
    cr_assert_eq(ra_error_is_outcome_unknown(error), 1);
    cr_assert_eq(ra_error_is_retriable(error), 0, "sending again could double it");
    ra_error_free(error);
}

Test(base_alloc, endpoints_have_brackets_where_the_host_has_colons)
{
    char text[32];

    rai_endpoint_text(text, sizeof text, "::1", 61616);
    cr_assert_str_eq(text, "[::1]:61616");
    rai_endpoint_text(text, sizeof text, "broker", 5);
    cr_assert_str_eq(text, "broker:5");
    rai_endpoint_text(text, 8, "a.name.that.is.too.long", 61616);
    cr_assert_str_eq(text, "a.name.");
}
