#ifndef REATTACH_EVENT_H
#define REATTACH_EVENT_H

#include <stdint.h>

#include <reattach/connection.h>
#include <reattach/session.h>

/*
 * Events and listeners.
 *
 * Events wait in a queue of the connection. Only kinds that somebody listens to are queued. Your functions run in exactly
 * one place: inside ra_connection_dispatch(), on the thread that calls it, one at a time, under no lock. The queue holds
 * 1,024 events; what did not fit is reported by one EVENTS_LOST. Outcomes of tagged sends are never lost: they are kept
 * apart, as ranges, and a session with too many unread ones refuses further tagged sends with RA_E_WOULD_BLOCK.
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

typedef void (*ra_listener_function)(void *user, const ra_event *event);
typedef void (*ra_release_function)(void *user);

/* session may be NULL: then all sessions. mask: RA_EVENT_MASK(kind) | ... ; release (may be NULL) is called exactly once
 * when the listener is closed or its connection is freed. */
RA_API int ra_connection_listen(ra_connection *connection, ra_session *session, uint32_t mask,
                                ra_listener_function function, void *user, ra_release_function release,
                                ra_listener **listener_out, ra_error **err);
RA_API int ra_listener_close(ra_listener *listener, ra_error **err);
RA_API void ra_listener_free(ra_listener *listener);

/* Calls listeners for at most max waiting events (max <= 0: all that wait now); returns how many events were taken. */
RA_API int ra_connection_dispatch(ra_connection *connection, int32_t max, ra_error **err);
/* Waits until an event is waiting: 0, or RA_E_TIMEOUT. */
RA_API int ra_connection_wait_event(ra_connection *connection, int64_t timeout_ms, ra_error **err);

/* The polling form, for languages without callbacks: first make kinds wanted, then take events one by one.
 * 1: an event (yours, ra_event_free); 0: none. Events taken this way are not heard by listeners. */
RA_API int ra_connection_subscribe(ra_connection *connection, uint32_t mask, ra_error **err);
RA_API int ra_connection_next_event(ra_connection *connection, ra_event **event_out, ra_error **err);
RA_API void ra_event_free(ra_event *event);

RA_API int32_t ra_event_kind(const ra_event *event);
RA_API const char *ra_event_kind_name(int32_t kind);
RA_API ra_session *ra_event_session(const ra_event *event); /* borrowed; NULL for events of the connection */
RA_API const ra_error *ra_event_error(const ra_event *event);
RA_API const char *ra_event_endpoint(const ra_event *event);
RA_API const char *ra_event_text(const ra_event *event);
RA_API int64_t ra_event_attempt(const ra_event *event);
RA_API int64_t ra_event_delay_ms(const ra_event *event);
RA_API int64_t ra_event_count(const ra_event *event);
RA_API int64_t ra_event_replayed(const ra_event *event);
RA_API int64_t ra_event_unknown(const ra_event *event);
RA_API int64_t ra_event_requeued(const ra_event *event);
RA_API int ra_event_failed_over(const ra_event *event);
RA_API uint64_t ra_event_first_tag(const ra_event *event);
RA_API uint64_t ra_event_last_tag(const ra_event *event);
RA_API int32_t ra_event_outcome(const ra_event *event);

#endif
