#ifndef REATTACH_EVENT_H
#define REATTACH_EVENT_H

#include <stdint.h>

#include <reattach/connection.h>
#include <reattach/session.h>

/*
 * Events and listeners.
 *
 * Events wait in a queue of the connection. Only kinds that somebody listens to are queued. Your functions
 * run in exactly one place: inside ra_connection_dispatch(), on the thread that calls it, one at a time,
 * under no lock. The queue holds 1,024 events; what did not fit is reported by one EVENTS_LOST. Outcomes of
 * tagged sends are never lost: they are kept apart, as ranges, and a session with too many unread ones
 * refuses further tagged sends with RA_E_WOULD_BLOCK.
 *
 * Life. A listener hears what happens from ra_connection_listen() until it is closed or freed, its session is
 * freed with all its children, or its connection is freed; then its release function is called once, and the
 * user pointer is not used again. If it is running at that moment, the release follows when it has returned.
 * A dispatched event is lent to the listener for the call.
 *
 * Inside a listener: sending without waiting, acknowledging, closing and freeing (anything, the listener and
 * the connection included) are allowed; waiting returns RA_E_IN_LISTENER. What is freed there goes when
 * nothing uses it any more, at the end of the dispatch at the latest. An event is heard by the listeners that
 * were there when it was taken.
 *
 * Threads. Any thread may dispatch; while one does, another one's dispatch returns 0 at once. A listener must
 * return; it may not leave by longjmp or an exception.
 */
typedef struct ra_event ra_event;
typedef struct ra_listener ra_listener;

enum ra_event_kind {
    /* of the connection */
    RA_EVENT_DISCONNECTED = 1, /* error */
    RA_EVENT_RETRYING = 2,     /* attempt, delay, endpoint */
    RA_EVENT_GAVE_UP = 3,      /* error */
    RA_EVENT_CLOSED = 4,
    RA_EVENT_EVENTS_LOST = 5, /* count */
    /* of a session */
    RA_EVENT_REATTACHED = 6,   /* replayed: commands written again; failed_over 0 */
    RA_EVENT_RECREATED = 7,    /* unknown, requeued; failed_over 1 when it is another broker */
    RA_EVENT_SESSION_LOST = 8, /* error */
    RA_EVENT_SEND_OUTCOME = 9, /* first, last: range of tags; outcome; error */
    RA_EVENT_WRITABLE = 10,    /* after RA_E_WOULD_BLOCK: try again */
    RA_EVENT_OPERATION = 11,   /* an operation whose wait was given up ended after all: outcome */
    RA_EVENT_LOG = 12          /* text; only with option log */
};
#define RA_EVENT_MASK(kind) ((uint32_t)1 << (kind))
enum ra_event_masks {
    RA_EVENTS_FAILURE = 0x1c0, /* REATTACHED, RECREATED, SESSION_LOST: what a failure listener hears */
    RA_EVENTS_ALL = 0x1ffe
};

/* Calls the functions of listeners. user is what was given to ra_connection_listen(). */
typedef void (*ra_listener_function)(void *user, const ra_event *event);
typedef void (*ra_release_function)(void *user);

/* Adds a listener. session may be NULL: then all sessions and the connection itself. mask:
 * RA_EVENT_MASK(kind) | ..., for example RA_EVENTS_FAILURE. release may be NULL. listener_out may be NULL:
 * then the listener stays for the connection's life. On failure release is not called.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *listener_out belongs to the caller (ra_listener_free); user stays the caller's until
 *          release(user)
 * Errors:  RA_E_ARGUMENT also for a session of another connection
 * Since:   1.0
 */
RA_API int ra_connection_listen(ra_connection *connection, ra_session *session, uint32_t mask,
                                ra_listener_function function, void *user, ra_release_function release,
                                ra_listener **listener_out, ra_error **err);

/* It hears nothing more once this has returned, but for a call that is under way on another thread. Closing
 * twice is fine.
 *
 * Thread:  any thread
 * Blocks:  no; calls the release function
 * Owns:    nothing: the handle still has to be freed
 * Errors:  RA_E_FORKED
 * Since:   1.0
 */
RA_API int ra_listener_close(ra_listener *listener, ra_error **err);

/* Closes it and gives the handle back. NULL is fine.
 *
 * Thread:  any thread; nobody may use the handle any more
 * Blocks:  no; calls the release function
 * Owns:    takes the handle
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_listener_free(ra_listener *listener);

/* Takes up to max waiting events off the queue (max <= 0: all that wait, at most 4,096) and calls their
 * listeners. Returns how many were taken; 0 also while another thread dispatches.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  as long as the listeners take
 * Owns:    nothing
 * Errors:  RA_E_IN_LISTENER
 * Since:   1.0
 */
RA_API int ra_connection_dispatch(ra_connection *connection, int32_t max, ra_error **err);

/* Waits until an event is waiting that no other thread is dispatching, at most timeout_ms (negative: for
 * ever).
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to timeout_ms
 * Owns:    nothing
 * Errors:  RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED when none can come any more
 * Since:   1.0
 */
RA_API int ra_connection_wait_event(ra_connection *connection, int64_t timeout_ms, ra_error **err);

/* The polling form, for languages without callbacks: which kinds are to be queued although no listener wants
 * them. A later mask replaces an earlier one; 0: none.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_ARGUMENT for unknown bits
 * Since:   1.0
 */
RA_API int ra_connection_subscribe(ra_connection *connection, uint32_t mask, ra_error **err);

/* The polling form: takes one event off the queue; it is not heard by listeners. 1: there was one; 0: none.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *event_out belongs to the caller (ra_event_free)
 * Errors:  RA_E_NO_MEMORY (the event stays queued)
 * Since:   1.0
 */
RA_API int ra_connection_next_event(ra_connection *connection, ra_event **event_out, ra_error **err);

/* Ends an event that ra_connection_next_event() returned, never one lent to a listener. NULL is fine.
 *
 * Thread:  any thread; nobody may use it any more
 * Blocks:  no
 * Owns:    takes the event and all that was borrowed from it
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_event_free(ra_event *event);

/* RA_EVENT_..., 0 for NULL.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int32_t ra_event_kind(const ra_event *event);

/* "disconnected", "reattached", ...; "unknown" for other numbers.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is a constant
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_event_kind_name(int32_t kind);

/* The session that the event is about, NULL for events of the connection. It is the pointer that
 * ra_session_open() returned, valid as long as the event even if it is freed meanwhile.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing: borrowed, do not free it
 * Errors:  none
 * Since:   1.0
 */
RA_API ra_session *ra_event_session(const ra_event *event);

/* Why it happened, NULL when there is nothing to say.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing: borrowed as long as the event
 * Errors:  none
 * Since:   1.0
 */
RA_API const ra_error *ra_event_error(const ra_event *event);

/* HOST:PORT of the broker that is tried or was lost; the line of a LOG event. Never NULL, empty for other
 * kinds.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing: borrowed as long as the event
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_event_endpoint(const ra_event *event);
RA_API const char *ra_event_text(const ra_event *event);

/* RETRYING: which attempt this is, from 1, and milliseconds until it is made. EVENTS_LOST: how many.
 * REATTACHED: how many commands are written again. RECREATED: how many pieces of work ended as unknown, and
 * how many are sent again. 0 for other kinds.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int64_t ra_event_attempt(const ra_event *event);
RA_API int64_t ra_event_delay_ms(const ra_event *event);
RA_API int64_t ra_event_count(const ra_event *event);
RA_API int64_t ra_event_replayed(const ra_event *event);
RA_API int64_t ra_event_unknown(const ra_event *event);
RA_API int64_t ra_event_requeued(const ra_event *event);

/* RECREATED: 1 when the session lives on another broker now. 0 for other kinds.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_event_failed_over(const ra_event *event);

/* SEND_OUTCOME: the sends with tags from first to last, both included, ended in this way (RA_OUTCOME_...).
 * OPERATION: the outcome of the operation. 0 for other kinds.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API uint64_t ra_event_first_tag(const ra_event *event);
RA_API uint64_t ra_event_last_tag(const ra_event *event);
RA_API int32_t ra_event_outcome(const ra_event *event);

#endif
