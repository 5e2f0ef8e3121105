/* The way to the broker that all commands share: a connection with one session on it. */
#ifndef REATTACH_CLI_BROKER_H
#define REATTACH_CLI_BROKER_H

#include <reattach/reattach.h>

#include "cli.h"

struct broker {
    ra_connection *connection;
    ra_session *session;
    int64_t began_ms;
    int64_t close_ms; /* how long settling may take at the end */
    int64_t connect_us, login_us;
    int64_t not_done, unknown; /* what the close counted */
    int64_t statistics[RA_STAT_BYTES_IN + 1]; /* of the connection when it was closed, by RA_STAT_... */
};

/* Connects, logs in and begins to watch for signals. 0, or an exit status after a complaint. url NULL: the settings'.
 */
int broker_open(struct broker *broker, const struct settings *settings, const char *url, int mode);
/* Opens a further connection that signals do not reach. */
int broker_open_second(struct broker *broker, const struct settings *settings);
/* Waits for answers, within the time-out; then dispatches the last events. Whether all have come. */
bool broker_settle(struct broker *broker);
/* Settles, counts, and gives everything back. */
void broker_close(struct broker *broker);
/* Complains and frees the error; returns the exit status it means: before anything was done, or in the middle of it. */
int broker_failed(ra_error *err, int status);
/* Whether a wait's result is only a reason to look around; frees the error then. */
bool broker_looked_up(int rc, ra_error **err);

#endif
