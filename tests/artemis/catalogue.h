/* The catalogue of tests/support/java/README.md, on our side of the interoperation test. */
#ifndef REATTACH_TESTS_CATALOGUE_H
#define REATTACH_TESTS_CATALOGUE_H

#include <reattach/reattach.h>

enum { CATALOGUE_CASES = 39 };

ra_message *catalogue_message(int number);
/* Fails the test when this is not exactly the message of its number. Returns that number. */
int catalogue_check(ra_message *message);

#endif
