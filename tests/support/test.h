/*
 * What every test includes instead of Criterion.
 *
 *     #include "support/test.h"
 *
 *     Test(codec_frame, short_input__asks_for_more, .init = set_up, .fini = tear_down, .timeout = 10)
 *     {
 *         cr_assert_eq(2 + 2, 4, "told %d", 5);
 *     }
 *
 * Normally this is Criterion: every test in a process of its own. Criterion 2.4.1 has two holes, and both are closed
 * here:
 *
 *   - it hides leaks from the exit status under AddressSanitizer: so every test, after its .fini, asks the leak checker
 *     and fails when something was lost;
 *   - it aborts under ThreadSanitizer: with REATTACH_PLAIN_RUNNER (preset tsan) the same tests run one after the other
 * in one process, through support/plain_runner.c. A failing assertion ends its test by longjmp on the test's own
 * thread, and the process on any other thread.
 *
 * The plain runner knows the classic assertions listed in support/plain_runner.h; tests stay within that list. A
 * .timeout is in seconds; the plain runner gives TEST_SLOWER times as much.
 */
#ifndef REATTACH_TESTS_TEST_H
#define REATTACH_TESTS_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(TEST_ASAN)
#define TEST_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(TEST_TSAN)
#define TEST_TSAN 1
#endif

/* How much longer things take here: for amounts of work and for time-outs, never for what is asserted. */
#if defined(TEST_TSAN)
#define TEST_SLOWER 10
#elif defined(TEST_ASAN)
#define TEST_SLOWER 4
#else
#define TEST_SLOWER 1
#endif

#ifdef REATTACH_PLAIN_RUNNER
#include "support/plain_runner.h"
#else
#include <criterion/criterion.h>
#include <string.h>

#ifdef TEST_ASAN
int __lsan_do_recoverable_leak_check(void);

/*
 * Criterion only counts what fails in the test's own phase, and a leak is one only after the fixtures were undone: so
 * they are undone at the end of that phase, and Criterion's teardown finds nothing left to do. After a failed assertion
 * none of this runs, and Criterion undoes them as always.
 */
static inline void test_undo(void *data) /* by memcpy: Criterion's copy of it is not aligned */
{
    void (*nothing)(void) = NULL;
    void (*fini)(void) = NULL;
    char *place = data != NULL ? (char *)data + offsetof(struct criterion_test_extra_data, fini) : NULL;
    if (place != NULL) {
        memcpy(&fini, place, sizeof fini);
        memcpy(place, &nothing, sizeof nothing);
    }
    if (fini != NULL)
        fini();
}

static inline void test_finish(void)
{
    test_undo(criterion_current_test->data);
    test_undo(criterion_current_suite->data);
    if (__lsan_do_recoverable_leak_check() != 0)
        cr_assert_fail("the test leaks memory, see the report above");
}

/* Criterion's own, with test_finish() behind the body. */
#undef CR_TEST_TRAMPOLINE_
#define CR_TEST_TRAMPOLINE_(Category, Name)                                    \
    static void CR_IDENTIFIER_(Category, Name, checked)(void)                  \
    {                                                                          \
        CR_IDENTIFIER_(Category, Name, impl)();                                \
        test_finish();                                                         \
    }                                                                          \
    static inline void CR_IDENTIFIER_(Category, Name, jmp)(void)               \
    {                                                                          \
        criterion_internal_test_setup();                                       \
        criterion_internal_test_main(CR_IDENTIFIER_(Category, Name, checked)); \
        criterion_internal_test_teardown();                                    \
    }
#endif
#endif

#endif
