/* A forwarder on 127.0.0.1 with a thread of its own, whose connections can be reset. */
#ifndef REATTACH_CLI_CUTTER_H
#define REATTACH_CLI_CUTTER_H

#include <stdbool.h>
#include <stdint.h>

struct cutter;

/* NULL after a complaint. */
struct cutter *cutter_start(const char *host, const char *port);
uint16_t cutter_port(const struct cutter *cutter);
/* Resets all connections, both sides; returns when that is done. */
void cutter_cut(struct cutter *cutter);
void cutter_stop(struct cutter *cutter);

#endif
