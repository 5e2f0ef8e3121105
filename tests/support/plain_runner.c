#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/test.h"

/*
 * Runs the registered tests in their order in this process; arguments are parts of "suite/name" to run only those. The
 * time-out of a test ends the process: there is no other process to watch it. The last line is "N passed, N failed".
 */
enum { DEFAULT_TIMEOUT_S = 120 };

static struct plain_test *tests;
static struct plain_test **last = &tests;
static struct plain_suite *suites;
static struct {
    const struct plain_test *test;
    pthread_t thread;
    jmp_buf out;
    bool failed;
    bool skipped;
} run;

void plain_register(struct plain_test *test)
{
    *last = test;
    last = &test->next;
}

void plain_register_suite(struct plain_suite *suite)
{
    suite->next = suites;
    suites = suite;
}

void plain_failed(bool fatal, const char *what, const char *file, int line, const char *format, ...)
{
    bool own_thread = pthread_equal(pthread_self(), run.thread) != 0;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: %s/%s: %s:", file, line, run.test->suite, run.test->name, what);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    if (!own_thread) {
        fprintf(stderr, "an assertion failed on a thread of the test: giving up\n");
        _exit(1);
    }
    run.failed = true;
    if (fatal)
        longjmp(run.out, 1);
}

void plain_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("skipped: ");
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    run.skipped = true;
    longjmp(run.out, 1);
}

void plain_log(const char *kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", kind);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static void too_slow(int number)
{
    static const char text[] = "a test took longer than its time-out: giving up\n";
    (void)number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(2);
    _exit(1);
}

static const struct plain_settings *suite_settings(const char *name)
{
    static const struct plain_settings none = { .sentinel_ = 0 };
    for (const struct plain_suite *suite = suites; suite != NULL; suite = suite->next) {
        if (strcmp(suite->name, name) == 0)
            return &suite->settings;
    }
    return &none;
}

static void call(void (*function)(void))
{
    if (function != NULL && setjmp(run.out) == 0)
        function();
}

/* Suite before test, and the other way round at the end, as with Criterion. */
static void run_test(const struct plain_test *test)
{
    const struct plain_settings *suite = suite_settings(test->suite);
    double timeout = test->settings.timeout > 0 ? test->settings.timeout : suite->timeout;

    run.test = test;
    run.thread = pthread_self();
    run.failed = run.skipped = false;
    alarm(timeout > 0 ? (unsigned)(timeout * TEST_SLOWER + 1) : DEFAULT_TIMEOUT_S * TEST_SLOWER);
    call(suite->init);
    if (!run.failed && !run.skipped)
        call(test->settings.init);
    if (!run.failed && !run.skipped)
        call(test->body);
    call(test->settings.fini);
    call(suite->fini);
    alarm(0);
}

static bool is_wanted(const struct plain_test *test, int argc, char **argv)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", test->suite, test->name);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && strstr(full, argv[i]) != NULL)
            return true;
    }
    return argc < 2;
}

int main(int argc, char **argv)
{
    int passed = 0;
    int failed = 0;
    int skipped = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, too_slow);
    for (const struct plain_test *test = tests; test != NULL; test = test->next) {
        const char *state = "ok";
        if (!is_wanted(test, argc, argv))
            continue;
        if (test->settings.disabled || test->settings.signal != 0 || test->settings.exit_code != 0) {
            printf("skipped %s/%s: disabled, or needs a process of its own\n", test->suite, test->name);
            skipped++;
            continue;
        }
        run_test(test);
        if (run.failed) {
            state = "FAILED";
            failed++;
        } else if (run.skipped) {
            state = "skipped";
            skipped++;
        } else {
            passed++;
        }
        printf("%s %s/%s\n", state, test->suite, test->name);
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
