#ifndef REATTACH_CONNECTION_H
#define REATTACH_CONNECTION_H

#include <stdint.h>

#include <reattach/error.h>
#include <reattach/operation.h>
#include <reattach/options.h>

typedef struct ra_connection ra_connection;

/* url: tcp://HOST[:PORT][?options], or a list: (tcp://a:1,tcp://b:2)?options, tcp://a:1,b:2?options,
 * tcp://a:1?options#tcp://b:2. Waits until the broker has answered as an Artemis CORE acceptor, at most timeout_ms
 * (negative: as long as the options allow). */
RA_API int ra_connection_open(const char *url, const ra_options *options, int64_t timeout_ms,
                              ra_connection **connection_out, ra_error **err);

/* Closes sessions in order (each waits for its unanswered work), then the links; joins the background thread. At most
 * timeout_ms; then what is unanswered ends as not done or unknown, counted in the two results (which may be NULL). */
RA_API int ra_connection_close(ra_connection *connection, int64_t timeout_ms, int64_t *not_done_out,
                               int64_t *unknown_out, ra_error **err);
RA_API void ra_connection_free(ra_connection *connection);
RA_API int ra_connection_is_connected(ra_connection *connection);

/* For an event loop of your own: the descriptor is readable when ra_connection_process() (drive=manual only) and then
 * ra_connection_dispatch() have something to do; the deadline is the latest moment for the next process call, in
 * milliseconds from now, -1 for none. */
RA_API int ra_connection_descriptor(ra_connection *connection, ra_error **err);
RA_API const char *ra_connection_options(const ra_connection *connection);
RA_API int64_t ra_connection_deadline(ra_connection *connection);
RA_API int ra_connection_process(ra_connection *connection, ra_error **err);

/* Ends every wait under way on this connection with RA_E_INTERRUPTED. For signal handlers use a pipe of your own. */
RA_API int ra_connection_interrupt(ra_connection *connection, ra_error **err);

/* Counters of the connection's life; unknown id: RA_E_ARGUMENT. */
enum ra_stat {
    RA_STAT_LINKS = 1,         /* links established */
    RA_STAT_LINKS_LOST,        /* established links lost */
    RA_STAT_REATTACHED,        /* sessions re-attached */
    RA_STAT_RECREATED,         /* sessions recreated */
    RA_STAT_BARRIERS,          /* barriers sent */
    RA_STAT_BARRIERS_SKIPPED,  /* re-attachments that needed none */
    RA_STAT_COUNT_ADVANCED,    /* re-attachments whose true count was higher than the first one */
    RA_STAT_REPLAYED,          /* commands written a second time */
    RA_STAT_ANSWERS_LOST,      /* completed by the count because the answer never came */
    RA_STAT_ANSWERS_DOUBLED,   /* answers that came twice */
    RA_STAT_NUMBERING_REPAIRS, /* a lost EXCEPTION was found */
    RA_STAT_RECOVERIES_CUT,    /* links lost while sessions were being moved */
    RA_STAT_SENT,              /* messages sent (encoded into the log) */
    RA_STAT_RECEIVED,          /* messages delivered to consumers' buffers */
    RA_STAT_BYTES_OUT,
    RA_STAT_BYTES_IN
};
RA_API int ra_connection_stat(ra_connection *connection, int32_t id, int64_t *value_out, ra_error **err);
RA_API const char *ra_stat_name(int32_t id);

#endif
