/* The part of Criterion that our tests use, for support/plain_runner.c. Included by support/test.h only. */
#ifndef REATTACH_TESTS_PLAIN_RUNNER_H
#define REATTACH_TESTS_PLAIN_RUNNER_H

#include <math.h>
#include <stdio.h>
#include <string.h>

struct plain_settings {
    void (*init)(void);
    void (*fini)(void);
    double timeout;          /* seconds, 0: the runner's own */
    const char *description; /* for the reader */
    bool disabled;
    int signal;    /* expected end of a process of its own: skipped here */
    int exit_code; /* the same */
    int sentinel_;
};

struct plain_test {
    const char *suite;
    const char *name;
    void (*body)(void);
    struct plain_settings settings;
    struct plain_test *next;
};

struct plain_suite {
    const char *name;
    struct plain_settings settings;
    struct plain_suite *next;
};

void plain_register(struct plain_test *test);
void plain_register_suite(struct plain_suite *suite);
/* Reports; with fatal it does not return. */
void plain_failed(bool fatal, const char *what, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void plain_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void plain_log(const char *kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define Test(...) PLAIN_TEST(__VA_ARGS__, .sentinel_ = 0)
#define PLAIN_TEST(Suite, Name, ...)                                                                                   \
    static void Suite##_##Name##_plain(void);                                                                          \
    static struct plain_test Suite##_##Name##_test = { #Suite, #Name, Suite##_##Name##_plain, { __VA_ARGS__ }, NULL }; \
    __attribute__((constructor)) static void Suite##_##Name##_register(void)                                           \
    {                                                                                                                  \
        plain_register(&Suite##_##Name##_test);                                                                        \
    }                                                                                                                  \
    static void Suite##_##Name##_plain(void)

#define TestSuite(...) PLAIN_SUITE(__VA_ARGS__, .sentinel_ = 0)
#define PLAIN_SUITE(Suite, ...)                                                  \
    static struct plain_suite Suite##_suite = { #Suite, { __VA_ARGS__ }, NULL }; \
    __attribute__((constructor)) static void Suite##_register_suite(void)        \
    {                                                                            \
        plain_register_suite(&Suite##_suite);                                    \
    }                                                                            \
    struct plain_suite

/* The message is a literal format, as with Criterion; the blank keeps "no message" a legal one. */
#define PLAIN_CHECK(Fatal, Good, What, ...) \
    ((Good) ? (void)0 : plain_failed((Fatal), (What), __FILE__, __LINE__, " " __VA_ARGS__))

#define cr_assert(C, ...)               PLAIN_CHECK(true, (C), #C, __VA_ARGS__)
#define cr_assert_not(C, ...)           PLAIN_CHECK(true, !(C), "not " #C, __VA_ARGS__)
#define cr_assert_eq(A, B, ...)         PLAIN_CHECK(true, (A) == (B), #A " == " #B, __VA_ARGS__)
#define cr_assert_neq(A, B, ...)        PLAIN_CHECK(true, (A) != (B), #A " != " #B, __VA_ARGS__)
#define cr_assert_lt(A, B, ...)         PLAIN_CHECK(true, (A) < (B), #A " < " #B, __VA_ARGS__)
#define cr_assert_leq(A, B, ...)        PLAIN_CHECK(true, (A) <= (B), #A " <= " #B, __VA_ARGS__)
#define cr_assert_gt(A, B, ...)         PLAIN_CHECK(true, (A) > (B), #A " > " #B, __VA_ARGS__)
#define cr_assert_geq(A, B, ...)        PLAIN_CHECK(true, (A) >= (B), #A " >= " #B, __VA_ARGS__)
#define cr_assert_null(P, ...)          PLAIN_CHECK(true, (P) == NULL, #P " is NULL", __VA_ARGS__)
#define cr_assert_not_null(P, ...)      PLAIN_CHECK(true, (P) != NULL, #P " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(A, B, ...)     PLAIN_CHECK(true, strcmp((A), (B)) == 0, #A " is " #B, __VA_ARGS__)
#define cr_assert_str_neq(A, B, ...)    PLAIN_CHECK(true, strcmp((A), (B)) != 0, #A " is not " #B, __VA_ARGS__)
#define cr_assert_str_empty(A, ...)     PLAIN_CHECK(true, (A)[0] == '\0', #A " is empty", __VA_ARGS__)
#define cr_assert_str_not_empty(A, ...) PLAIN_CHECK(true, (A)[0] != '\0', #A " is not empty", __VA_ARGS__)
#define cr_assert_arr_eq(A, B, N, ...)  PLAIN_CHECK(true, memcmp((A), (B), (N)) == 0, #A " equals " #B, __VA_ARGS__)
#define cr_assert_arr_neq(A, B, N, ...) \
    PLAIN_CHECK(true, memcmp((A), (B), (N)) != 0, #A " differs from " #B, __VA_ARGS__)
#define cr_assert_float_eq(A, B, E, ...) \
    PLAIN_CHECK(true, fabs((double)(A) - (double)(B)) <= (double)(E), #A " near " #B, __VA_ARGS__)
#define cr_assert_fail(...) PLAIN_CHECK(true, false, "fail", __VA_ARGS__)
#define cr_fatal(...)       PLAIN_CHECK(true, false, "fail", __VA_ARGS__)
#define cr_fail(...)        PLAIN_CHECK(false, false, "fail", __VA_ARGS__)

#define cr_expect(C, ...)              PLAIN_CHECK(false, (C), #C, __VA_ARGS__)
#define cr_expect_not(C, ...)          PLAIN_CHECK(false, !(C), "not " #C, __VA_ARGS__)
#define cr_expect_eq(A, B, ...)        PLAIN_CHECK(false, (A) == (B), #A " == " #B, __VA_ARGS__)
#define cr_expect_neq(A, B, ...)       PLAIN_CHECK(false, (A) != (B), #A " != " #B, __VA_ARGS__)
#define cr_expect_lt(A, B, ...)        PLAIN_CHECK(false, (A) < (B), #A " < " #B, __VA_ARGS__)
#define cr_expect_leq(A, B, ...)       PLAIN_CHECK(false, (A) <= (B), #A " <= " #B, __VA_ARGS__)
#define cr_expect_gt(A, B, ...)        PLAIN_CHECK(false, (A) > (B), #A " > " #B, __VA_ARGS__)
#define cr_expect_geq(A, B, ...)       PLAIN_CHECK(false, (A) >= (B), #A " >= " #B, __VA_ARGS__)
#define cr_expect_null(P, ...)         PLAIN_CHECK(false, (P) == NULL, #P " is NULL", __VA_ARGS__)
#define cr_expect_not_null(P, ...)     PLAIN_CHECK(false, (P) != NULL, #P " is not NULL", __VA_ARGS__)
#define cr_expect_str_eq(A, B, ...)    PLAIN_CHECK(false, strcmp((A), (B)) == 0, #A " is " #B, __VA_ARGS__)
#define cr_expect_arr_eq(A, B, N, ...) PLAIN_CHECK(false, memcmp((A), (B), (N)) == 0, #A " equals " #B, __VA_ARGS__)

#define cr_skip_test(...) plain_skip(" " __VA_ARGS__)
#define cr_skip(...)      plain_skip(" " __VA_ARGS__)
#define cr_log_info(...)  plain_log("info", __VA_ARGS__)
#define cr_log_warn(...)  plain_log("warning", __VA_ARGS__)
#define cr_log_error(...) plain_log("error", __VA_ARGS__)

#endif
