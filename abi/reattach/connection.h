#ifndef REATTACH_CONNECTION_H
#define REATTACH_CONNECTION_H

#include <stdint.h>

#include <reattach/error.h>
#include <reattach/operation.h>
#include <reattach/options.h>

/*
 * A connection: the way to one broker (or to whichever of several endpoints answers), kept up for the
 * sessions on it.
 *
 * Life. ra_connection_open() waits for the first link. When a link breaks, the connection makes a new one as
 * often as `reconnectAttempts` allows and moves its sessions: calls under way just take longer, and listeners
 * are told (reattach/event.h). When no attempt is left it has given up: then every call says so.
 * ra_connection_close() settles and ends it; ra_connection_free() gives the handle back. Children (sessions,
 * operations, listeners, events) keep what they need of it, so handles may be freed in any order.
 *
 * Errors. What a broken link means for a piece of work is told by that work: not done, or unknown. A call
 * that waits does so for callTimeout at most (callFailoverTimeout while there is no connection); such a
 * time-out never breaks a link.
 *
 * Threads. A connection and everything on it may be used by any number of threads. A background thread keeps
 * it alive while the program is busy elsewhere; with `drive=manual` there is none, and the program calls
 * ra_connection_process(). No function of yours is ever called on the background thread. In a child of fork()
 * all calls fail with RA_E_FORKED; freeing there closes descriptors and sends nothing.
 */
typedef struct ra_connection ra_connection;

/* url: tcp://HOST[:PORT][?options], or a list: (tcp://a:1,tcp://b:2)?options, tcp://a:1,b:2?options,
 * tcp://a:1?options#tcp://b:2. Without a port it is 61616; IPv6 addresses stand in brackets; USER:PASSWORD@
 * may precede the host; what has a meaning in URLs is percent-encoded (also in passwords). options may be
 * NULL.
 *
 * Waits until a broker has answered as an Artemis CORE acceptor, at most timeout_ms (negative: as long as the
 * options allow). User and password are only checked when the first session is opened.
 *
 * Thread:  any thread
 * Blocks:  up to timeout_ms
 * Owns:    *connection_out belongs to the caller (ra_connection_close, ra_connection_free); url and options
 *          are copied
 * Errors:  RA_E_URL, RA_E_OPTION, RA_E_RESOLVE, RA_E_CONNECT, RA_E_CONNECT_TIMEOUT, RA_E_PROTOCOL,
 *          RA_E_VERSION, RA_E_GAVE_UP, RA_E_TIMEOUT
 * Since:   1.0
 */
RA_API int ra_connection_open(const char *url, const ra_options *options, int64_t timeout_ms,
                              ra_connection **connection_out, ra_error **err);

/* Closes the sessions (each waits for its unanswered work), then the links; joins the background thread. That
 * takes at most timeout_ms (negative: as long as the calls' own time-outs allow); then what is unanswered
 * ends as not done or unknown, counted in the two results (which may be NULL). ra_connection_interrupt() ends
 * the wait in the same way. Waits of other threads end with RA_E_CLOSED. Closing twice is fine: the second
 * call finds nothing to do. Inside a listener it does not wait for answers.
 *
 * Thread:  any thread
 * Blocks:  up to timeout_ms
 * Owns:    nothing: the handle still has to be freed
 * Errors:  RA_E_TIMEOUT when the background thread does not end in time (close again)
 * Since:   1.0
 */
RA_API int ra_connection_close(ra_connection *connection, int64_t timeout_ms, int64_t *not_done_out,
                               int64_t *unknown_out, ra_error **err);

/* Gives the handle back; the release functions of its listeners are called. Without a close before, and when
 * no child is left, the connection ends by itself in the background, without waiting for anything. Safe in a
 * finalizer, inside a listener and after fork(). NULL is fine.
 *
 * Thread:  any thread; nobody may use the handle any more
 * Blocks:  no
 * Owns:    takes the handle
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_connection_free(ra_connection *connection);

/* 1 while there is a link to a broker, 0 otherwise (also for NULL and in a child of fork()). It may be lost
 * the moment after.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_connection_is_connected(ra_connection *connection);

/* All options in force as lines NAME=VALUE, the password as "***"; NULL for NULL.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is borrowed until ra_connection_free()
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_connection_options(const ra_connection *connection);

/* For an event loop of your own: a descriptor that is readable when ra_connection_process() (drive=manual
 * only) and then ra_connection_dispatch() have something to do. The same one for the connection's life; only
 * poll it.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the descriptor is closed by the connection
 * Errors:  RA_E_NO_MEMORY also when no descriptor is left
 * Since:   1.0
 */
RA_API int ra_connection_descriptor(ra_connection *connection, ra_error **err);

/* drive=manual: the latest moment for the next ra_connection_process(), in milliseconds from now; -1 for none
 * (always so with a background thread, and for NULL).
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int64_t ra_connection_deadline(ra_connection *connection);

/* drive=manual: reads, writes, connects and looks at the clock once, as far as that goes without waiting.
 * Otherwise it does nothing. Blocking functions do the same for themselves while they wait.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_FORKED
 * Since:   1.0
 */
RA_API int ra_connection_process(ra_connection *connection, ra_error **err);

/* Ends every wait under way on this connection with RA_E_INTERRUPTED, on all threads; later waits are not
 * concerned. Not for signal handlers: write to a pipe of your own there.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_FORKED
 * Since:   1.0
 */
RA_API int ra_connection_interrupt(ra_connection *connection, ra_error **err);

/* Counters of the connection's life. */
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

/* Reads one counter; id is RA_STAT_...
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_ARGUMENT for an unknown id
 * Since:   1.0
 */
RA_API int ra_connection_stat(ra_connection *connection, int32_t id, int64_t *value_out, ra_error **err);

/* "links", "links_lost", ...; "unknown" for other numbers. The known ids are 1, 2, 3, ... without gaps.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is a constant
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_stat_name(int32_t id);

#endif
