/*
 * SIGINT and SIGTERM. The first one ends the work in order: waits on the connection return, the command settles what is
 * under way and prints its summary. The second one (or one that comes while the command settles) gives up waiting for
 * answers. The third one ends the process.
 *
 * Before watch_start() and after watch_end() a signal ends the process at once: nothing is under way then.
 */
#ifndef REATTACH_CLI_WATCH_H
#define REATTACH_CLI_WATCH_H

#include <reattach/connection.h>
#include <stdbool.h>

bool watch_start(ra_connection *connection);
bool watch_stopped(void); /* a signal came */
/* Readable from the first signal on. */
int watch_descriptor(void);
/* From now on waits are for settling; they are interrupted only by the next signal. */
void watch_settling(void);
bool watch_gave_up(void); /* a signal came since then */
void watch_end(void);

#endif
