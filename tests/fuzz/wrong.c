/* How a target says that something is wrong; also the assertions of the helpers that it shares with the tests. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "support/test.h"

void fuzz_wrong(const char *file, int line, const char *what, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s:%d: wrong: %s", file, line, what);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

void plain_failed(bool fatal, const char *what, const char *file, int line, const char *format, ...)
{
    va_list arguments;
    (void)fatal;
    fprintf(stderr, "%s:%d: wrong: %s", file, line, what);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}
