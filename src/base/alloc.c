#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Both are touched by every thread that allocates; nothing is ordered by them. */
static long fail_countdown; /* 0: never fail; 1: the next one fails, and all behind it unless .. */
static int fail_once;       /* .. this is set */
static long live;

static bool must_fail(void)
{
    long left = __atomic_load_n(&fail_countdown, __ATOMIC_RELAXED);

    while (left > 1 || (left == 1 && __atomic_load_n(&fail_once, __ATOMIC_RELAXED))) {
        if (__atomic_compare_exchange_n(&fail_countdown, &left, left - 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return left == 1;
        }
    }
    return left == 1;
}

static void *counted(void *p)
{
    if (p != NULL) {
        __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
    }
    return p;
}

/* malloc(0) may answer NULL, which callers would take for "out of memory". */
static size_t at_least_one(size_t size)
{
    return size == 0 ? 1 : size;
}

void *rai_alloc(size_t size)
{
    return must_fail() ? NULL : counted(malloc(at_least_one(size)));
}

void *rai_calloc(size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) { /* calloc would find out too, but sanitizers abort there */
        return NULL;
    }
    return must_fail() ? NULL : counted(calloc(at_least_one(count), at_least_one(size)));
}

void *rai_realloc(void *old, size_t size)
{
    if (old == NULL) {
        return rai_alloc(size);
    }
    return must_fail() ? NULL : realloc(old, at_least_one(size));
}

void rai_free(void *p)
{
    if (p != NULL) {
        __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
        free(p);
    }
}

char *rai_strdup(const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    char *copy = rai_alloc(size);

    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

static void fail_at(long n, int once)
{
    __atomic_store_n(&fail_once, once, __ATOMIC_RELAXED);
    __atomic_store_n(&fail_countdown, n < 0 ? 0 : n, __ATOMIC_RELAXED);
}

void rai_alloc_fail_at(long n)
{
    fail_at(n, 0);
}

void rai_alloc_fail_once(long n)
{
    fail_at(n, 1);
}

long rai_alloc_fail_left(void)
{
    return __atomic_load_n(&fail_countdown, __ATOMIC_RELAXED);
}

long rai_alloc_count(void)
{
    return __atomic_load_n(&live, __ATOMIC_RELAXED);
}
