#ifndef REATTACH_TESTS_CLIENT_HARNESS_H
#define REATTACH_TESTS_CLIENT_HARNESS_H

#include <stdint.h>

#include "client/client.h"

/* What the tests of the client room do again and again. A failure ends the process with a line on stderr: most of this
 * runs on threads where the test library cannot report. */
struct rai_config harness_config(uint16_t port); /* reconnects quickly and for ever, window 64 KiB, no route check */
rai_client *harness_open(const struct rai_config *config, const struct rai_sys *sys);
void harness_close(rai_client *c); /* and frees */

rai_session *harness_session(rai_client *c); /* started */
rai_producer *harness_producer(rai_client *c, rai_session *s);
rai_consumer *harness_consumer(rai_client *c, rai_session *s, void *owner);
void harness_release(rai_client *c, rai_session *s, rai_producer *p, rai_consumer *consumer); /* NULLs are fine */

/* One blocking send (an operation): the outcome, *rc (may be NULL) what the wait returned. */
int harness_send(rai_client *c, rai_producer *p, int64_t timeout_ms, int *rc);
/* One blocking request: what the wait returned. */
int harness_query(rai_client *c, rai_session *s, int64_t timeout_ms);
/* 1: received and released; else what the wait returned. */
int harness_receive(rai_client *c, rai_consumer *consumer, int64_t timeout_ms);

int64_t harness_now_ms(void);
void harness_sleep_ms(int ms);
long harness_descriptors(void); /* open in this process */
long harness_threads(void);     /* of this process */
/* Looks until it is so, at most 10 s (more under a sanitizer). */
void harness_expect_descriptors(long count);
void harness_expect_threads(long count);
_Noreturn void harness_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
