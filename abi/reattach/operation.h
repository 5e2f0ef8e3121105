#ifndef REATTACH_OPERATION_H
#define REATTACH_OPERATION_H

#include <stdint.h>

#include <reattach/error.h>

/*
 * An operation is one request under way. ra_operation_wait() is the only function that waits; every blocking form is
 * begin + wait. A wait that ends with RA_E_TIMEOUT ends the wait, not the work: wait again, or free the operation.
 * A request that was never written is cancelled by the time-out of its own deadline (callTimeout, or callFailoverTimeout
 * while there is no connection) and ends as RA_OUTCOME_NOT_DONE.
 */
typedef struct ra_operation ra_operation;
typedef struct ra_queue_info ra_queue_info;

enum ra_outcome {
    RA_OUTCOME_PENDING = 0,
    RA_OUTCOME_CONFIRMED = 1,
    RA_OUTCOME_REJECTED = 2,
    RA_OUTCOME_NOT_DONE = 3,
    RA_OUTCOME_UNKNOWN = 4,
    RA_OUTCOME_PROCESSED = 5
};

enum ra_wait_result {
    RA_EVENTS = 1 /* the wait ended early because events are waiting: call ra_connection_dispatch() and wait again */
};

/* flags of the waiting functions */
enum ra_wait_flags { RA_WAIT_EVENTS = 1 };

/* 0 when the operation ended well, its error when it ended otherwise, RA_E_TIMEOUT, or RA_EVENTS (only with
 * RA_WAIT_EVENTS). timeout_ms < 0 waits for the operation's own deadline. */
RA_API int ra_operation_wait(ra_operation *operation, int64_t timeout_ms, int32_t flags, ra_error **err);
RA_API int32_t ra_operation_outcome(ra_operation *operation);
RA_API void ra_operation_free(ra_operation *operation);
RA_API const char *ra_outcome_name(int32_t outcome);

/* What ra_session_query_queue / _query_address answered. */
RA_API int ra_operation_take_queue_info(ra_operation *operation, ra_queue_info **info_out, ra_error **err);
RA_API int ra_queue_info_exists(const ra_queue_info *info);
RA_API const char *ra_queue_info_name(const ra_queue_info *info);
RA_API const char *ra_queue_info_address(const ra_queue_info *info);
RA_API const char *ra_queue_info_filter(const ra_queue_info *info);
RA_API int ra_queue_info_is_durable(const ra_queue_info *info);
RA_API int ra_queue_info_is_temporary(const ra_queue_info *info);
RA_API int32_t ra_queue_info_routing_type(const ra_queue_info *info);
RA_API int32_t ra_queue_info_consumer_count(const ra_queue_info *info);
RA_API int64_t ra_queue_info_message_count(const ra_queue_info *info);
/* of an address query: the queues bound to it */
RA_API int32_t ra_queue_info_queue_count(const ra_queue_info *info);
RA_API const char *ra_queue_info_queue_name(const ra_queue_info *info, int32_t index);
RA_API void ra_queue_info_free(ra_queue_info *info);

#endif
