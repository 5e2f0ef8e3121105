#ifndef REATTACH_SESSION_H
#define REATTACH_SESSION_H

#include <stdint.h>

#include <reattach/connection.h>
#include <reattach/message.h>

/*
 * A session: one order of work, one transaction at a time. It survives a lost connection: re-attached while the broker
 * still has it, recreated where the broker lost it. Created stopped: nothing is delivered before ra_session_start().
 */
typedef struct ra_session ra_session;
typedef struct ra_producer ra_producer;
typedef struct ra_consumer ra_consumer;

enum ra_session_mode {
    RA_SESSION_AUTO_COMMIT = 0, /* every send and acknowledgement takes effect by itself */
    RA_SESSION_TRANSACTED = 1   /* sends and acknowledgements take effect with ra_session_commit() */
};

enum ra_routing_type { RA_ROUTING_DEFAULT = -1, RA_ROUTING_MULTICAST = 0, RA_ROUTING_ANYCAST = 1 };

RA_API const char *ra_session_mode_name(int32_t mode);
RA_API const char *ra_routing_type_name(int32_t routing_type);

RA_API int ra_session_open(ra_connection *connection, int32_t mode, ra_session **session_out, ra_error **err);
RA_API int ra_session_open_begin(ra_connection *connection, int32_t mode, ra_session **session_out,
                                 ra_operation **operation_out, ra_error **err);
RA_API int ra_session_close(ra_session *session, int64_t timeout_ms, int64_t *not_done_out, int64_t *unknown_out,
                            ra_error **err);
RA_API int ra_session_close_begin(ra_session *session, ra_operation **operation_out, ra_error **err);
RA_API void ra_session_free(ra_session *session);

RA_API int ra_session_start(ra_session *session, ra_error **err);
RA_API int ra_session_stop(ra_session *session, ra_error **err);
RA_API int ra_session_commit(ra_session *session, ra_error **err);
RA_API int ra_session_commit_begin(ra_session *session, ra_operation **operation_out, ra_error **err);
RA_API int ra_session_rollback(ra_session *session, ra_error **err);
RA_API int ra_session_rollback_begin(ra_session *session, ra_operation **operation_out, ra_error **err);
RA_API int ra_session_is_rollback_only(ra_session *session);

/* Until everything sent and acknowledged so far has its outcome, at most timeout_ms. */
RA_API int ra_session_flush(ra_session *session, int64_t timeout_ms, ra_error **err);

/* Sends: how many tagged or fire-and-forget sends have no outcome yet. */
RA_API int64_t ra_session_unsettled(ra_session *session);

/* flags of create_queue */
enum ra_queue_flags { RA_QUEUE_DURABLE = 1, RA_QUEUE_TEMPORARY = 2, RA_QUEUE_AUTO_CREATED = 4 };

RA_API int ra_session_create_address(ra_session *session, const char *address, int multicast, int anycast,
                                     ra_error **err);
RA_API int ra_session_create_address_begin(ra_session *session, const char *address, int multicast, int anycast,
                                           ra_operation **operation_out, ra_error **err);
/* address NULL: the queue's name; filter may be NULL */
RA_API int ra_session_create_queue(ra_session *session, const char *queue, const char *address, int32_t routing_type,
                                   int32_t flags, const char *filter, ra_error **err);
RA_API int ra_session_create_queue_begin(ra_session *session, const char *queue, const char *address,
                                         int32_t routing_type, int32_t flags, const char *filter,
                                         ra_operation **operation_out, ra_error **err);
RA_API int ra_session_delete_queue(ra_session *session, const char *queue, ra_error **err);
RA_API int ra_session_delete_queue_begin(ra_session *session, const char *queue, ra_operation **operation_out,
                                         ra_error **err);
RA_API int ra_session_query_queue(ra_session *session, const char *queue, ra_queue_info **info_out, ra_error **err);
RA_API int ra_session_query_queue_begin(ra_session *session, const char *queue, ra_operation **operation_out,
                                        ra_error **err);
RA_API int ra_session_query_address(ra_session *session, const char *address, ra_queue_info **info_out,
                                    ra_error **err);
RA_API int ra_session_query_address_begin(ra_session *session, const char *address, ra_operation **operation_out,
                                          ra_error **err);

/* --- producers --- address NULL: anonymous, the address is given with each send. */
RA_API int ra_producer_open(ra_session *session, const char *address, ra_producer **producer_out, ra_error **err);
RA_API int ra_producer_open_begin(ra_session *session, const char *address, ra_producer **producer_out,
                                  ra_operation **operation_out, ra_error **err);
RA_API int ra_producer_close(ra_producer *producer, ra_error **err);
RA_API void ra_producer_free(ra_producer *producer);

/* Blocks for the answer if blockOnDurableSend / blockOnNonDurableSend say so and the session is not transacted; else it
 * is fire-and-forget and only waits for room. address must be NULL for a producer that has one. */
RA_API int ra_producer_send(ra_producer *producer, const char *address, ra_message *message, ra_error **err);
/* The answer comes as a SEND_OUTCOME event with this tag. Never waits: RA_E_WOULD_BLOCK when there is no room. */
RA_API int ra_producer_send_tagged(ra_producer *producer, const char *address, ra_message *message, uint64_t tag,
                                   ra_error **err);
/* The same for many: message i gets tag first_tag + i. Returns how many were taken (>= 0, fewer than count where there
 * was no room or a message is bad; the error says why it stopped). One lock, one write. */
RA_API int32_t ra_producer_send_many(ra_producer *producer, const char *address, ra_message *const *messages,
                                     int32_t count, uint64_t first_tag, ra_error **err);
RA_API int ra_producer_send_begin(ra_producer *producer, const char *address, ra_message *message,
                                  ra_operation **operation_out, ra_error **err);
/* Never waits, no outcome: RA_E_WOULD_BLOCK when there is no room. */
RA_API int ra_producer_send_forget(ra_producer *producer, const char *address, ra_message *message, ra_error **err);
/* Waits until a send would find room again: 0, RA_EVENTS, or RA_E_TIMEOUT. */
RA_API int ra_producer_wait_writable(ra_producer *producer, int64_t timeout_ms, int32_t flags, ra_error **err);

/* --- consumers --- */
enum ra_consumer_flags { RA_CONSUMER_BROWSE = 1 };

/* filter may be NULL; window_bytes: -2 for the connection's consumerWindowSize */
RA_API int ra_consumer_open(ra_session *session, const char *queue, const char *filter, int32_t flags,
                            int32_t window_bytes, ra_consumer **consumer_out, ra_error **err);
RA_API int ra_consumer_open_begin(ra_session *session, const char *queue, const char *filter, int32_t flags,
                                  int32_t window_bytes, ra_consumer **consumer_out, ra_operation **operation_out,
                                  ra_error **err);
RA_API int ra_consumer_close(ra_consumer *consumer, ra_error **err);
RA_API void ra_consumer_free(ra_consumer *consumer);

/* RA_RECEIVED: a message (yours, ra_message_unref); RA_RECEIVED_NONE: none came in time; RA_RECEIVED_EVENTS: events are
 * waiting (only with RA_WAIT_EVENTS). timeout_ms 0 asks the broker to deliver what it has and waits for its answer;
 * negative waits for ever. */
enum ra_receive_result { RA_RECEIVED_NONE = 0, RA_RECEIVED = 1, RA_RECEIVED_EVENTS = 2 };
RA_API int ra_consumer_receive(ra_consumer *consumer, int64_t timeout_ms, int32_t flags, ra_message **message_out,
                               ra_error **err);
/* What is buffered already, up to max messages; never waits; returns how many. */
RA_API int32_t ra_consumer_take_many(ra_consumer *consumer, ra_message **messages_out, int32_t max, ra_error **err);

/* Everything delivered to this consumer up to and including the message. Sent in batches of ackBatchSize bytes and
 * whenever the session is flushed, commits, rolls back or closes; waits for the answer with blockOnAcknowledge. */
RA_API int ra_consumer_acknowledge(ra_consumer *consumer, const ra_message *message, ra_error **err);
/* This message alone, at once. */
RA_API int ra_consumer_acknowledge_individually(ra_consumer *consumer, const ra_message *message, ra_error **err);
RA_API int ra_consumer_acknowledge_begin(ra_consumer *consumer, const ra_message *message, int individually,
                                         ra_operation **operation_out, ra_error **err);

#endif
