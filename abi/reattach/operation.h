#ifndef REATTACH_OPERATION_H
#define REATTACH_OPERATION_H

#include <stdint.h>

#include <reattach/error.h>

/*
 * An operation is one request under way, returned by the functions that end in _begin. ra_operation_wait() is
 * the only function that waits for one; every blocking form is begin + wait.
 *
 * Life. The request is under way when _begin returns, whether somebody waits or not. A wait that ends with
 * RA_E_TIMEOUT ends the wait, not the work: wait again, or free the operation. A request that was never
 * written is cancelled at its own deadline (callTimeout, or callFailoverTimeout while there is no connection)
 * and ends as RA_OUTCOME_NOT_DONE. Freeing an operation does not stop the work; only if its last wait ended
 * too early (RA_E_TIMEOUT, RA_E_INTERRUPTED) is it given up: then it is cancelled if it was never written,
 * and otherwise its end becomes an event (RA_EVENT_OPERATION). A blocking form whose wait ends too early
 * gives its operation up in the same way, and its error says which it was: ra_error_is_outcome_unknown().
 *
 * Errors. The error of a wait that returned because the operation ended is the error of the work; its outcome
 * tells it from an error of the wait. Threads. Several threads may wait for one operation.
 */
typedef struct ra_operation ra_operation;
typedef struct ra_queue_info ra_queue_info;

/* How work ends: each piece in exactly one of these ways. */
enum ra_outcome {
    RA_OUTCOME_PENDING = 0,   /* it has not ended */
    RA_OUTCOME_CONFIRMED = 1, /* the broker did it and said so */
    RA_OUTCOME_REJECTED = 2,  /* the broker refused it; the error has its code and text */
    RA_OUTCOME_NOT_DONE = 3,  /* it never reached the broker, or was dropped with its session's transaction */
    RA_OUTCOME_UNKNOWN = 4,   /* it may have been done */
    RA_OUTCOME_PROCESSED = 5  /* the broker took it and was asked for no answer */
};

enum ra_wait_result {
    RA_EVENTS = 1 /* the wait ended early because events are waiting: call ra_connection_dispatch() and wait again */
};

/* flags of the waiting functions, added up; QUIET and ASK belong to ra_consumer_receive() alone */
enum ra_wait_flags {
    RA_WAIT_EVENTS = 1, /* end early when events are waiting */
    RA_WAIT_QUIET = 2,  /* say that nothing came without asking the broker first */
    RA_WAIT_ASK = 4     /* ask the broker at once, and wait for the answer only up to timeout_ms */
};

/* Waits until the operation has ended, at most timeout_ms (negative: until its own deadline). 0 when it ended
 * well, its error when it ended otherwise, or RA_EVENTS (only with RA_WAIT_EVENTS in flags).
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to timeout_ms
 * Owns:    nothing
 * Errors:  RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED; what the work ended with
 * Since:   1.0
 */
RA_API int ra_operation_wait(ra_operation *operation, int64_t timeout_ms, int32_t flags, ra_error **err);

/* RA_OUTCOME_..., at once. RA_E_ARGUMENT for NULL, RA_E_FORKED in a child of fork().
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_FORKED
 * Since:   1.0
 */
RA_API int32_t ra_operation_outcome(ra_operation *operation);

/* Gives the handle back; what becomes of work under way is told above. NULL is fine.
 *
 * Thread:  any thread; nobody may use the handle any more
 * Blocks:  no
 * Owns:    takes the handle
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_operation_free(ra_operation *operation);

/* "pending", "confirmed", "rejected", "not_done", "unknown", "processed"; "unknown outcome" for other
 * numbers.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is a constant
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_outcome_name(int32_t outcome);

/* What ra_session_query_queue_begin() or ra_session_query_address_begin() found out, once, after the
 * operation has ended well.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *info_out belongs to the caller (ra_queue_info_free)
 * Errors:  RA_E_STATE when there is nothing to take
 * Since:   1.0
 */
RA_API int ra_operation_take_queue_info(ra_operation *operation, ra_queue_info **info_out, ra_error **err);

/* Whether the queue (of an address query: the address) exists. Of a queue that does, whether it is durable,
 * and whether it is temporary. 0 for NULL.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_queue_info_exists(const ra_queue_info *info);
RA_API int ra_queue_info_is_durable(const ra_queue_info *info);
RA_API int ra_queue_info_is_temporary(const ra_queue_info *info);

/* The queue's name (empty for an address query), its address and its filter (empty for none), never NULL.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing: the text is borrowed until ra_queue_info_free()
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_queue_info_name(const ra_queue_info *info);
RA_API const char *ra_queue_info_address(const ra_queue_info *info);
RA_API const char *ra_queue_info_filter(const ra_queue_info *info);

/* RA_ROUTING_..., RA_ROUTING_DEFAULT when the broker did not say or the address has both types; how many
 * consumers the queue has; how many messages are in it. 0 for an address query.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int32_t ra_queue_info_routing_type(const ra_queue_info *info);
RA_API int32_t ra_queue_info_consumer_count(const ra_queue_info *info);
RA_API int64_t ra_queue_info_message_count(const ra_queue_info *info);

/* Of an address query: how many queues are bound to the address, 0 for a queue query.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int32_t ra_queue_info_queue_count(const ra_queue_info *info);

/* Their names, index from 0, NULL behind the last one.
 *
 * Thread:  any thread; it never changes
 * Blocks:  no
 * Owns:    nothing: the text is borrowed until ra_queue_info_free()
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_queue_info_queue_name(const ra_queue_info *info, int32_t index);

/* Ends it. NULL is fine.
 *
 * Thread:  any thread; nobody may use it any more
 * Blocks:  no
 * Owns:    takes it and every text borrowed from it
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_queue_info_free(ra_queue_info *info);

#endif
