#ifndef REATTACH_TESTS_JAVA_H
#define REATTACH_TESTS_JAVA_H

#include <stdio.h>

/* The programs of tests/support/java: starts "PROGRAM ARGUMENTS"; waits for its end, keeps the end of what it said, without
 * the lines of single cases that are good, and returns its exit status. */
FILE *java_start(const char *words);
int java_finish(FILE *java, char *out, size_t size);
int java_run(const char *words, char *out, size_t size); /* both */

#endif
