#ifndef REATTACH_SESSION_H
#define REATTACH_SESSION_H

#include <stdint.h>

#include <reattach/connection.h>
#include <reattach/message.h>

/*
 * A session: one order of work, one transaction at a time; with its producers and consumers.
 *
 * Life. It survives a lost connection: re-attached while the broker still has it, recreated where the broker
 * lost it. Created stopped: nothing is delivered before ra_session_start(). After a recreation, messages that
 * were delivered before and not acknowledged come again, and a transaction that was open is rollback-only.
 * Close settles it; free gives the handle back. A session that is freed and was not closed is closed in the
 * background.
 *
 * The functions whose names end in _begin start the same work as those without and return an operation at
 * once (reattach/operation.h); the others wait for the broker's answer, for callTimeout at most
 * (callFailoverTimeout while there is no connection). A request that timed out was not done, or may still be
 * done: the error says which.
 *
 * Errors. What the broker refuses comes with its code and text. RA_E_SESSION_LOST: the session is gone and
 * could not be recreated. RA_E_GAVE_UP, RA_E_CLOSED: so is the connection, or the object was closed. These
 * three can come from all functions that work on a session, as can RA_E_NOT_DONE and RA_E_OUTCOME_UNKNOWN
 * from those that wait for an answer.
 *
 * Threads. A session may be used by several threads; the order of its work is that of the calls' return. One
 * consumer is best used by one thread at a time.
 */
typedef struct ra_session ra_session;
typedef struct ra_producer ra_producer;
typedef struct ra_consumer ra_consumer;

enum ra_session_mode {
    RA_SESSION_AUTO_COMMIT = 0, /* every send and acknowledgement takes effect by itself */
    RA_SESSION_TRANSACTED = 1   /* sends and acknowledgements take effect with ra_session_commit() */
};

enum ra_routing_type { RA_ROUTING_DEFAULT = -1, RA_ROUTING_MULTICAST = 0, RA_ROUTING_ANYCAST = 1 };

/* "auto_commit", "transacted"; "default", "multicast", "anycast"; "unknown" for other numbers.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is a constant
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_session_mode_name(int32_t mode);
RA_API const char *ra_routing_type_name(int32_t routing_type);

/* --- sessions
 * ---------------------------------------------------------------------------------------------------- */

/* Opens a session; mode is RA_SESSION_...
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    *session_out belongs to the caller (ra_session_close, ra_session_free)
 * Errors:  RA_E_SECURITY, RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER
 * Since:   1.0
 */
RA_API int ra_session_open(ra_connection *connection, int32_t mode, ra_session **session_out, ra_error **err);

/* The same without waiting. The session can be used when the operation has ended well (before: RA_E_STATE);
 * if it ended badly, free it.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *session_out and *operation_out belong to the caller
 * Errors:  RA_E_GAVE_UP, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_open_begin(ra_connection *connection, int32_t mode, ra_session **session_out,
                                 ra_operation **operation_out, ra_error **err);

/* Waits for the answers of all that was sent and acknowledged, then closes, with its producers and consumers;
 * an open transaction is rolled back. That takes at most timeout_ms (negative: until the close's own
 * deadline); then what is unanswered ends as not done or unknown, counted in the two results (which may be
 * NULL), together with work that ended so earlier and was reported nowhere else. ra_connection_interrupt()
 * ends the wait in the same way. Closing twice is fine. Inside a listener it begins to close and does not
 * wait.
 *
 * Thread:  any thread
 * Blocks:  up to timeout_ms
 * Owns:    nothing: the handle still has to be freed
 * Errors:  RA_E_FORKED
 * Since:   1.0
 */
RA_API int ra_session_close(ra_session *session, int64_t timeout_ms, int64_t *not_done_out, int64_t *unknown_out,
                            ra_error **err);

/* The same without waiting.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_GAVE_UP, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_close_begin(ra_session *session, ra_operation **operation_out, ra_error **err);

/* Gives the handle back. Without a close before, and when its producers and consumers are freed, the session
 * is closed in the background; closing the connection waits for that. Safe in a finalizer, inside a listener
 * and after fork(). NULL is fine.
 *
 * Thread:  any thread; nobody may use the handle any more
 * Blocks:  no; calls release functions of the session's listeners
 * Owns:    takes the handle
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_session_free(ra_session *session);

/* Lets messages come. Starting twice is fine.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_CLOSED, RA_E_SESSION_LOST, RA_E_GAVE_UP
 * Since:   1.0
 */
RA_API int ra_session_start(ra_session *session, ra_error **err);

/* Stops delivery. What is in consumers' buffers stays there and can be received.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    nothing
 * Errors:  RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_stop(ra_session *session, ra_error **err);

/* Transactions: everything sent and acknowledged since the last one takes effect, or does not; a rollback has
 * the messages delivered again. After RA_E_ROLLED_BACK (the session was recreated in a transaction), or the
 * error with which the broker refused some of it, begin it anew. Not for auto-commit sessions.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    nothing
 * Errors:  RA_E_ROLLED_BACK, RA_E_STATE, RA_E_DUPLICATE_ID, RA_E_SECURITY, RA_E_ADDRESS_FULL, RA_E_REJECTED,
 *          RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_commit(ra_session *session, ra_error **err);
RA_API int ra_session_rollback(ra_session *session, ra_error **err);

/* The same without waiting.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_ROLLED_BACK, RA_E_STATE, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_commit_begin(ra_session *session, ra_operation **operation_out, ra_error **err);
RA_API int ra_session_rollback_begin(ra_session *session, ra_operation **operation_out, ra_error **err);

/* 1 when the open transaction can only be rolled back (a commit would say RA_E_ROLLED_BACK); 0 for NULL.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_session_is_rollback_only(ra_session *session);

/* Once and only once: gives the open transaction an id. The next message sent in it that has no duplicate id
 * (property _AMQ_DUPL_ID) carries this one, and the broker refuses a commit with an id that it has taken
 * before: RA_E_DUPLICATE_ID. So a transaction whose commit ended RA_E_OUTCOME_UNKNOWN can be done again under
 * its id. 1 to 1024 bytes of UTF-8; forgotten at the end of the transaction. The broker remembers so many ids
 * for each address (its id-cache-size, 20000), whoever sends there.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_STATE for an auto-commit session, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_set_transaction_id(ra_session *session, const char *id, ra_error **err);

/* 1 when no message carries the id yet: a transaction that sends nothing cannot be recognised. 0 for NULL.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_session_has_transaction_id(ra_session *session);

/* What is done in one transaction. 0; or a negative code, with *err set or not, to give it up. */
typedef int (*ra_transaction_function)(void *user, ra_session *session, ra_error **err);

/* Does a transaction once and only once: calls the function, on this thread, which sends and acknowledges, and
 * commits. If the session was recreated meanwhile, or the commit's outcome is unknown, it does so again under
 * the same id, as often as it takes, so the function has to do the same each time it is called. 0 when it took
 * effect, now or in an earlier try. Otherwise it was rolled back, and the error says why: the function's own,
 * or what the commit ended with. Only when RA_E_OUTCOME_UNKNOWN comes out (nothing was sent in it, so no
 * message carried the id) or ra_error_is_outcome_unknown() says so (interrupted) may it have taken effect.
 *
 * id: what names this work, such as the number of an order; also when the program is started again, the same
 * id is the same work. NULL: one is drawn. The function may not commit or roll back.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  until the transaction has ended or the session is gone; ra_connection_interrupt() ends it
 * Owns:    nothing; user is only handed to the function
 * Errors:  RA_E_STATE, RA_E_OUTCOME_UNKNOWN, RA_E_REJECTED, RA_E_TIMEOUT, RA_E_INTERRUPTED,
 *          RA_E_IN_LISTENER, RA_E_CLOSED; those of the function
 * Since:   1.0
 */
RA_API int ra_session_transact(ra_session *session, const char *id, ra_transaction_function function, void *user,
                               ra_error **err);

/* Sends acknowledgements that wait for their batch, and waits until everything sent and acknowledged so far
 * has its outcome, at most timeout_ms (negative: until callTimeout). A time-out gives nothing up.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to timeout_ms
 * Owns:    nothing
 * Errors:  RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_flush(ra_session *session, int64_t timeout_ms, ra_error **err);

/* How many tagged or fire-and-forget sends have no outcome yet. RA_E_ARGUMENT for NULL, RA_E_FORKED in a
 * child of fork().
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_FORKED
 * Since:   1.0
 */
RA_API int64_t ra_session_unsettled(ra_session *session);

/* --- metadata
 * ---------------------------------------------------------------------------------------------------------- */

/* Metadata are pairs of texts that the broker keeps with a session, and shows to its administrators in the list
 * of sessions. Setting a key again replaces its value; there is no way to remove one. A session that has to be
 * recreated sets them again, in the order in which they were set last and before all else.
 *
 * Unique: of all sessions of the broker only this one may have this value under this key, whether the others
 * set it as unique or not; otherwise RA_E_REJECTED (broker code 114). So a program can see to it that it runs
 * only once. A session that is recreated and finds it taken is lost, with that error. A session whose program
 * was killed has it until the broker gives it up (connectionTTL).
 *
 * These are two functions because they are two commands of the protocol, of which only the second can be
 * refused for its value. Both are answered and counted, so they are neither lost nor done twice by a
 * re-attachment; the form of the first that is not (the Java client's, after a reconnection) is not used.
 *
 * key and value are UTF-8; the value may be empty.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    nothing: both texts are copied
 * Errors:  RA_E_REJECTED, RA_E_SECURITY, RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_add_metadata(ra_session *session, const char *key, const char *value, ra_error **err);
RA_API int ra_session_add_unique_metadata(ra_session *session, const char *key, const char *value, ra_error **err);

/* The same without waiting.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_add_metadata_begin(ra_session *session, const char *key, const char *value,
                                         ra_operation **operation_out, ra_error **err);
RA_API int ra_session_add_unique_metadata_begin(ra_session *session, const char *key, const char *value,
                                                ra_operation **operation_out, ra_error **err);

/* --- addresses and queues
 * ---------------------------------------------------------------------------------------- */

/* flags of create_queue */
enum ra_queue_flags { RA_QUEUE_DURABLE = 1, RA_QUEUE_TEMPORARY = 2, RA_QUEUE_AUTO_CREATED = 4 };

/* Creates an address for one or both routing types (true or false, at least one true).
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    nothing
 * Errors:  RA_E_REJECTED, RA_E_SECURITY, RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_create_address(ra_session *session, const char *address, int multicast, int anycast,
                                     ra_error **err);

/* The same without waiting.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_create_address_begin(ra_session *session, const char *address, int multicast, int anycast,
                                           ra_operation **operation_out, ra_error **err);

/* Creates a queue, and its address if there is none. address NULL: the queue's name. routing_type:
 * RA_ROUTING_...; flags: RA_QUEUE_... added up. filter (may be NULL): only messages that match it come into
 * the queue. A temporary queue lives until its connection is closed, or the broker gives the session up, and
 * is created again when the session is.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    nothing
 * Errors:  RA_E_QUEUE_EXISTS, RA_E_FILTER, RA_E_SECURITY, RA_E_REJECTED, RA_E_TIMEOUT, RA_E_INTERRUPTED,
 *          RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_create_queue(ra_session *session, const char *queue, const char *address, int32_t routing_type,
                                   int32_t flags, const char *filter, ra_error **err);

/* The same without waiting.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_create_queue_begin(ra_session *session, const char *queue, const char *address,
                                         int32_t routing_type, int32_t flags, const char *filter,
                                         ra_operation **operation_out, ra_error **err);

/* Deletes a queue with the messages in it. It must have no consumers.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    nothing
 * Errors:  RA_E_NO_QUEUE, RA_E_SECURITY, RA_E_REJECTED, RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER,
 *          RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_delete_queue(ra_session *session, const char *queue, ra_error **err);

/* The same without waiting.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_delete_queue_begin(ra_session *session, const char *queue, ra_operation **operation_out,
                                         ra_error **err);

/* What the broker knows of a queue, or of an address. One that does not exist is an answer, not an error:
 * ra_queue_info_exists().
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    *info_out belongs to the caller (ra_queue_info_free)
 * Errors:  RA_E_SECURITY, RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_query_queue(ra_session *session, const char *queue, ra_queue_info **info_out, ra_error **err);
RA_API int ra_session_query_address(ra_session *session, const char *address, ra_queue_info **info_out,
                                    ra_error **err);

/* The same without waiting; the answer is in ra_operation_take_queue_info().
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_session_query_queue_begin(ra_session *session, const char *queue, ra_operation **operation_out,
                                        ra_error **err);
RA_API int ra_session_query_address_begin(ra_session *session, const char *address, ra_operation **operation_out,
                                          ra_error **err);

/* --- producers
 * --------------------------------------------------------------------------------------------------- */

/* Opens a producer for one address. NULL: an anonymous one, the address is given with each send. The option
 * routeCheck decides what happens if no queue is bound to the address; what an anonymous producer sends is not
 * checked.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    *producer_out belongs to the caller (ra_producer_free)
 * Errors:  RA_E_NO_ADDRESS, RA_E_NO_ROUTE, RA_E_SECURITY, RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER,
 *          RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_open(ra_session *session, const char *address, ra_producer **producer_out, ra_error **err);

/* The same without waiting. The producer can be used when the operation has ended well (before: RA_E_STATE).
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *producer_out and *operation_out belong to the caller
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_open_begin(ra_session *session, const char *address, ra_producer **producer_out,
                                  ra_operation **operation_out, ra_error **err);

/* It sends nothing more; what was sent goes its way. Closing twice is fine.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the handle still has to be freed
 * Errors:  RA_E_FORKED
 * Since:   1.0
 */
RA_API int ra_producer_close(ra_producer *producer, ra_error **err);

/* Closes it and gives the handle back. NULL is fine.
 *
 * Thread:  any thread; nobody may use the handle any more
 * Blocks:  no
 * Owns:    takes the handle
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_producer_free(ra_producer *producer);

/* Sends one message. Waits for the broker's answer if blockOnDurableSend or blockOnNonDurableSend says so for
 * it and the session is not transacted; else it only waits for room, for callTimeout at most. Inside a
 * listener it waits for neither: RA_E_IN_LISTENER or RA_E_WOULD_BLOCK, and nothing is sent. address must be
 * NULL for a producer that has one.
 *
 * Thread:  any thread
 * Blocks:  up to callTimeout
 * Owns:    nothing: the message is encoded before it returns
 * Errors:  RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_NO_ROUTE, RA_E_ADDRESS_FULL, RA_E_DUPLICATE_ID,
 *          RA_E_SECURITY, RA_E_REJECTED, RA_E_IN_LISTENER, RA_E_WOULD_BLOCK, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_send(ra_producer *producer, const char *address, ra_message *message, ra_error **err);

/* Sends one message whose outcome comes as an event (RA_EVENT_SEND_OUTCOME) with this tag. Tags that count up
 * by one are reported as ranges.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the message is encoded before it returns
 * Errors:  RA_E_WOULD_BLOCK when there is no room, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_send_tagged(ra_producer *producer, const char *address, ra_message *message, uint64_t tag,
                                   ra_error **err);

/* The same for many at once: message i gets tag first_tag + i. Returns how many were taken, from the front;
 * when these are fewer than count, 0 included, the error says why it stopped. A negative result is a wrong
 * call.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the messages are encoded before it returns
 * Errors:  RA_E_WOULD_BLOCK when there is no room, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int32_t ra_producer_send_many(ra_producer *producer, const char *address, ra_message *const *messages,
                                     int32_t count, uint64_t first_tag, ra_error **err);

/* Sends one message with an operation for its answer.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_WOULD_BLOCK when there is no room, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_send_begin(ra_producer *producer, const char *address, ra_message *message,
                                  ra_operation **operation_out, ra_error **err);

/* Sends one message whose outcome is not told. ra_session_flush() waits for it, and closing the session counts
 * what was not done or is unknown. In a transaction a refusal of it has the commit rejected.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the message is encoded before it returns
 * Errors:  RA_E_WOULD_BLOCK when there is no room, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_send_forget(ra_producer *producer, const char *address, ra_message *message, ra_error **err);

/* After RA_E_WOULD_BLOCK: waits until a send would find room, at most timeout_ms (negative: for ever). 0, or
 * RA_EVENTS (only with RA_WAIT_EVENTS in flags). Another thread may take the room first.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to timeout_ms
 * Owns:    nothing
 * Errors:  RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_IN_LISTENER
 * Since:   1.0
 */
RA_API int ra_producer_wait_writable(ra_producer *producer, int64_t timeout_ms, int32_t flags, ra_error **err);

/* --- consumers
 * --------------------------------------------------------------------------------------------------- */

enum ra_consumer_flags {
    RA_CONSUMER_BROWSE = 1, /* messages stay in the queue */
    RA_CONSUMER_STREAM = 2  /* bodies of large messages are read piece by piece: see reattach/large.h */
};

/* Opens a consumer of a queue. filter (may be NULL): it only gets messages that match. flags: RA_CONSUMER_...
 * added up. window_bytes: how much the broker sends ahead; 0: nothing, -1: without limit, -2: the
 * connection's consumerWindowSize.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to callTimeout
 * Owns:    *consumer_out belongs to the caller (ra_consumer_free)
 * Errors:  RA_E_NO_QUEUE, RA_E_FILTER, RA_E_SECURITY, RA_E_REJECTED, RA_E_TIMEOUT, RA_E_INTERRUPTED,
 *          RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_consumer_open(ra_session *session, const char *queue, const char *filter, int32_t flags,
                            int32_t window_bytes, ra_consumer **consumer_out, ra_error **err);

/* The same without waiting. Receiving may begin at once.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *consumer_out and *operation_out belong to the caller
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_consumer_open_begin(ra_session *session, const char *queue, const char *filter, int32_t flags,
                                  int32_t window_bytes, ra_consumer **consumer_out, ra_operation **operation_out,
                                  ra_error **err);

/* Sends what is left of its acknowledgements and closes it; what it did not acknowledge goes back to the
 * queue. Closing twice is fine. Inside a listener it does not wait for the answer.
 *
 * Thread:  any thread
 * Blocks:  up to callTimeout
 * Owns:    nothing: the handle still has to be freed
 * Errors:  RA_E_TIMEOUT, RA_E_INTERRUPTED
 * Since:   1.0
 */
RA_API int ra_consumer_close(ra_consumer *consumer, ra_error **err);

/* Gives the handle back and closes in the background what is open. NULL is fine.
 *
 * Thread:  any thread; nobody may use the handle any more
 * Blocks:  no
 * Owns:    takes the handle
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_consumer_free(ra_consumer *consumer);

enum ra_receive_result {
    RA_RECEIVED_NONE = 0,  /* no message came in time */
    RA_RECEIVED = 1,       /* a message */
    RA_RECEIVED_EVENTS = 2 /* events are waiting (only with RA_WAIT_EVENTS) */
};

/* Waits for the next message, at most timeout_ms (0: what is there; negative: for ever). Before it says that
 * there is none, it asks the broker to deliver what it has and waits for the answer to that, for callTimeout
 * at most. Messages that expired are skipped.
 *
 * For callers that have to look up in between, the same in slices: RA_WAIT_QUIET waits without asking,
 * RA_WAIT_ASK asks without waiting longer than timeout_ms. Then RA_E_TIMEOUT says that the answer is still to
 * come, and the next such call waits for the same answer.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to timeout_ms, and up to callTimeout more
 * Owns:    *message_out belongs to the caller (ra_message_unref)
 * Errors:  RA_E_INTERRUPTED, RA_E_IN_LISTENER, RA_E_CLOSED, RA_E_NO_QUEUE when the queue is gone,
 *          RA_E_TIMEOUT with RA_WAIT_ASK
 * Since:   1.0
 */
RA_API int ra_consumer_receive(ra_consumer *consumer, int64_t timeout_ms, int32_t flags, ra_message **message_out,
                               ra_error **err);

/* What has arrived already, up to max messages; returns how many, 0 for none. For listeners and event loops. A
 * message whose body is to be read piece by piece is the last one.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    messages_out[0] and so on belong to the caller (ra_message_unref)
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int32_t ra_consumer_take_many(ra_consumer *consumer, ra_message **messages_out, int32_t max, ra_error **err);

/* Acknowledges everything delivered to this consumer up to and including the message. Sent in batches of
 * ackBatchSize bytes and whenever the session is flushed, commits, rolls back or closes. Waits for the answer
 * with blockOnAcknowledge (not inside a listener). RA_E_STALE: the session was recreated since, the message
 * comes again.
 *
 * Thread:  any thread
 * Blocks:  with blockOnAcknowledge up to callTimeout
 * Owns:    nothing: the message stays the caller's
 * Errors:  RA_E_STALE, RA_E_ARGUMENT for another consumer's message, RA_E_TIMEOUT, RA_E_INTERRUPTED,
 *          RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_consumer_acknowledge(ra_consumer *consumer, const ra_message *message, ra_error **err);

/* Acknowledges this message alone, at once. Otherwise as above.
 *
 * Thread:  any thread
 * Blocks:  with blockOnAcknowledge up to callTimeout
 * Owns:    nothing: the message stays the caller's
 * Errors:  RA_E_STALE, RA_E_ARGUMENT for another consumer's message, RA_E_TIMEOUT, RA_E_INTERRUPTED,
 *          RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_consumer_acknowledge_individually(ra_consumer *consumer, const ra_message *message, ra_error **err);

/* Either of them at once, with an operation for the answer. individually: true or false.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free); the message stays the caller's
 * Errors:  RA_E_STALE, RA_E_ARGUMENT for another consumer's message, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_consumer_acknowledge_begin(ra_consumer *consumer, const ra_message *message, int individually,
                                         ra_operation **operation_out, ra_error **err);

#endif
