#ifndef REATTACH_LARGE_H
#define REATTACH_LARGE_H

#include <stddef.h>
#include <stdint.h>

#include <reattach/session.h>

/*
 * Large messages: bodies that need not be in memory as a whole.
 *
 * Who has the body in memory needs nothing of this. ra_producer_send() and the others send one that is larger
 * than minLargeMessageSize as a large message by themselves, and a consumer collects it, up to maxBodyInMemory.
 *
 * Sending. ra_producer_start_large() sends the headers, ra_producer_write_large() the body in as many calls as
 * you like, ra_producer_finish_large() the rest: with that the message is sent, and until then the broker has
 * stored nothing. A session has one such message at a time. Other, small messages may be sent in between; a
 * commit waits for the finish (RA_E_STATE), a rollback ends the message (RA_E_ROLLED_BACK).
 *
 * When the connection is lost in the middle and the session is still there, sending goes on as if nothing had
 * happened. When the session had to be recreated, it goes on if all of the message so far is still in memory,
 * that is: not yet confirmed by the broker; else the next call says RA_E_LARGE_INTERRUPTED, nothing of the
 * message was stored, and who can read its body again from the start begins again with start_large.
 *
 * Receiving. A consumer that was opened with RA_CONSUMER_STREAM hands a large message out when it begins, and
 * its body is read with ra_consumer_read_body(). No more of it than the consumer's window is in memory: the
 * broker sends on as the body is read. Acknowledge it when it has been read.
 *
 * When the connection is lost in the middle of a body, reading goes on, unless the broker has to send a part
 * of it again: brokers are known to send such parts with wrong bytes. Then reading ends with
 * RA_E_LARGE_INTERRUPTED before any of them, and so does the consumer; the message cannot be acknowledged. To
 * get it again roll the transaction back, or close the consumer and open it again. After RA_E_STALE (the session
 * was recreated) it comes again by itself.
 */

/* Begins a large message; message has its headers and properties, and an empty body. They have to be smaller
 * than minLargeMessageSize. Waits for room, at most timeout_ms (0: not at all, negative: callTimeout). address
 * must be NULL for a producer that has one.
 *
 * Thread:  any thread
 * Blocks:  up to timeout_ms, not inside a listener
 * Owns:    nothing: the message is encoded before it returns
 * Errors:  RA_E_STATE while another one is written on this session, RA_E_ARGUMENT, RA_E_WOULD_BLOCK,
 *          RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_ADDRESS_FULL, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_start_large(ra_producer *producer, const char *address, ra_message *message, int64_t timeout_ms,
                                   ra_error **err);

/* Writes more of its body. Waits for room as often as it has to, each time at most timeout_ms (0: not at all,
 * negative: callTimeout). *written_out is how much was taken, also when it fails: after RA_E_WOULD_BLOCK,
 * RA_E_TIMEOUT, RA_E_INTERRUPTED and RA_E_ADDRESS_FULL go on behind that (ra_producer_wait_writable() waits for
 * room); after any other error the message has ended.
 *
 * Thread:  any thread
 * Blocks:  up to timeout_ms at a time, not inside a listener
 * Owns:    nothing: the bytes are copied
 * Errors:  RA_E_LARGE_INTERRUPTED, RA_E_ROLLED_BACK, RA_E_STATE when none was started, RA_E_WOULD_BLOCK,
 *          RA_E_TIMEOUT, RA_E_INTERRUPTED, RA_E_ADDRESS_FULL, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_write_large(ra_producer *producer, const void *bytes, size_t size, int64_t timeout_ms,
                                   size_t *written_out, ra_error **err);

/* Ends the body: the message is sent, and its answer waited for as by ra_producer_send(). Errors as there, and
 * those of writing.
 *
 * Thread:  any thread
 * Blocks:  up to callTimeout
 * Owns:    nothing
 * Errors:  RA_E_LARGE_INTERRUPTED, RA_E_ROLLED_BACK, RA_E_STATE when none was started, RA_E_TIMEOUT,
 *          RA_E_INTERRUPTED, RA_E_NO_ROUTE, RA_E_ADDRESS_FULL, RA_E_DUPLICATE_ID, RA_E_SECURITY,
 *          RA_E_REJECTED, RA_E_IN_LISTENER, RA_E_WOULD_BLOCK, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_finish_large(ra_producer *producer, ra_error **err);

/* The same without waiting, with an operation for its answer.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *operation_out belongs to the caller (ra_operation_free)
 * Errors:  RA_E_LARGE_INTERRUPTED, RA_E_ROLLED_BACK, RA_E_STATE when none was started, RA_E_WOULD_BLOCK,
 *          RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_producer_finish_large_begin(ra_producer *producer, ra_operation **operation_out, ra_error **err);

/* Gives up what was started: it is never delivered. The broker keeps what it has of the body in a file until the
 * session is closed. Nothing happens when there is none.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_FORKED
 * Since:   1.0
 */
RA_API int ra_producer_cancel_large(ra_producer *producer, ra_error **err);

/* The size of a body that is to be read with ra_consumer_read_body(), as the broker told it; -1 when it came with
 * the message (ra_message_get_body). RA_E_ARGUMENT for NULL.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int64_t ra_message_large_size(const ra_message *message);

/* Reads the next bytes of the body of the message that was taken last from this consumer, at most room; waits for
 * the first of them at most timeout_ms (negative: for ever). *size_out is how many came: 0 is the end of the
 * body. RA_EVENTS, with RA_WAIT_EVENTS in flags, as by ra_operation_wait(). Asking for the next message throws
 * away what was not read. A body that came with its message is read as well.
 *
 * Thread:  any thread, not inside a listener
 * Blocks:  up to timeout_ms
 * Owns:    nothing: the bytes are copied into buffer
 * Errors:  RA_E_LARGE_INTERRUPTED, RA_E_STALE, RA_E_STATE when another message was taken, RA_E_TIMEOUT,
 *          RA_E_INTERRUPTED, RA_E_ARGUMENT for another consumer's message, RA_E_IN_LISTENER, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_consumer_read_body(ra_consumer *consumer, ra_message *message, void *buffer, size_t room,
                                 int64_t timeout_ms, int32_t flags, size_t *size_out, ra_error **err);

#endif
