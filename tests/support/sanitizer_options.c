#include "support/test.h"

/*
 * What the sanitizers are told, linked into every test so that it also holds for one run by hand. They return NULL for
 * impossible sizes, as malloc does, because the library promises to get along with that.
 */
#ifdef TEST_ASAN
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1:halt_on_error=1";
}
#endif

#ifdef TEST_TSAN
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "exitcode=66:second_deadlock_stack=1:allocator_may_return_null=1";
}
#endif

#if !defined(TEST_ASAN) && !defined(TEST_TSAN)
extern int nothing_to_tell; /* an empty file is not C */
#endif
