#ifndef REATTACH_ERROR_H
#define REATTACH_ERROR_H

#include <stdint.h>

#include <reattach/export.h>

/*
 * Errors.
 *
 * Every function that can fail returns 0 (or a count) when it worked and a negative RA_E_ code when it did
 * not. Detail is in an optional last parameter `ra_error **err`: pass NULL if you do not want it; otherwise
 * it is set to NULL on success and to an object of yours on failure, to be freed with ra_error_free(). The
 * codes are stable and grouped by what a caller does next; the sentences are for people and may change.
 *
 * Three codes can come from nearly every function and are not repeated at each: RA_E_ARGUMENT (NULL where
 * something is needed, text that is not UTF-8, a number out of range; the sentence names the argument),
 * RA_E_NO_MEMORY, and, from everything that belongs to a connection, RA_E_FORKED in a child of fork().
 *
 * Life: an error is a value of its own, made for the caller; it refers to nothing and may be kept. Errors of
 * events are borrowed from the event. Threads: an error never changes, so any number of threads may read one.
 */

/* X(name, number, sentence) */
#define RA_ERROR_MAP(X)                                                                                                \
    /* the call itself was wrong: fix the program */                                                                   \
    X(NO_MEMORY, -1, "out of memory")                                                                                  \
    X(ARGUMENT, -2, "an argument is not acceptable")                                                                   \
    X(OPTION, -3, "an option or its value is not acceptable")                                                          \
    X(URL, -4, "the URL is not acceptable")                                                                            \
    X(STATE, -5, "not possible in this state")                                                                         \
    X(IN_LISTENER, -6, "a listener may not wait")                                                                      \
    X(FORKED, -7, "this connection belongs to the parent process")                                                     \
    X(CLOSED, -8, "the object is closed")                                                                              \
    X(TYPE, -9, "the value has another type")                                                                          \
    X(NOT_FOUND, -10, "there is no such property")                                                                     \
    X(STALE, -11, "the message belongs to an earlier delivery")                                                        \
    /* not now: try again, wait, or go on */                                                                           \
    X(TIMEOUT, -20, "the time is over")                                                                                \
    X(WOULD_BLOCK, -21, "not possible without waiting")                                                                \
    X(INTERRUPTED, -22, "the wait was interrupted")                                                                    \
    /* the way to the broker */                                                                                        \
    X(RESOLVE, -40, "the host name could not be resolved")                                                             \
    X(CONNECT, -41, "the broker could not be reached")                                                                 \
    X(CONNECT_TIMEOUT, -42, "the connection was not established in time")                                              \
    X(LINK_CLOSED, -43, "the broker closed the connection")                                                            \
    X(LINK_LOST, -44, "the connection was lost")                                                                       \
    X(LINK_SILENT, -45, "nothing was heard from the broker")                                                           \
    X(PROTOCOL, -46, "the peer does not speak the Artemis CORE protocol")                                              \
    X(VERSION, -47, "client and broker have no protocol version in common")                                            \
    X(DISCONNECTED, -48, "the broker ended the connection")                                                            \
    X(GAVE_UP, -49, "no connection attempt was left")                                                                  \
    X(SESSION_LOST, -50, "the session is gone and was not recreated")                                                  \
    /* what the broker says */                                                                                         \
    X(SECURITY, -60, "the broker refused the user, the password or the permission")                                    \
    X(NO_QUEUE, -61, "the queue does not exist")                                                                       \
    X(QUEUE_EXISTS, -62, "the queue exists already")                                                                   \
    X(NO_ADDRESS, -63, "the address does not exist")                                                                   \
    X(NO_ROUTE, -64, "no queue would receive the message")                                                             \
    X(FILTER, -65, "the filter is not valid")                                                                          \
    X(ADDRESS_FULL, -66, "the address is full")                                                                        \
    X(DUPLICATE_ID, -67, "the duplicate id is known already")                                                          \
    X(REJECTED, -68, "the broker refused the request")                                                                 \
    /* how work can end */                                                                                             \
    X(ROLLED_BACK, -80, "the transaction was rolled back")                                                             \
    X(NOT_DONE, -81, "the work was not done")                                                                          \
    X(OUTCOME_UNKNOWN, -82, "the work may or may not have been done")                                                  \
    X(LARGE_INTERRUPTED, -83, "a large message was interrupted and must be sent or received again")                    \
    X(INTERNAL, -99, "the library met a state it does not know")

#define RA_ERROR_ENUM(name, number, sentence) RA_E_##name = (number),
enum ra_error_code { RA_OK = 0, RA_ERROR_MAP(RA_ERROR_ENUM) };
#undef RA_ERROR_ENUM

typedef struct ra_error ra_error;

/* The name of a code as it is written in programs: "RA_E_TIMEOUT"; "RA_OK" for 0, "unknown" for other
 * numbers. A constant.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is a constant
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_error_code_name(int32_t code);

/* The code, RA_OK for NULL.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int32_t ra_error_code(const ra_error *error);

/* Texts, UTF-8, never NULL: the code's name; the sentence for people; HOST:PORT of the broker it is about;
 * what the broker said about it in its own words. The last two are empty when there is nothing to say. With
 * NULL: those of RA_OK.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is borrowed until ra_error_free()
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_error_name(const ra_error *error);
RA_API const char *ra_error_message(const ra_error *error);
RA_API const char *ra_error_endpoint(const ra_error *error);
RA_API const char *ra_error_broker_text(const ra_error *error);

/* The number in the broker's exception (its ActiveMQExceptionType: 100 is QUEUE_DOES_NOT_EXIST), -1 when the
 * error is not the broker's.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int32_t ra_error_broker_code(const ra_error *error);

/* What a program does next, each 1 or 0 (0 for NULL). Retriable: the same call, made again later, may well
 * work. Fatal: the object will not work again. Outcome unknown: the work may have been done or may still be
 * done, so that doing it again may double it; also set on RA_E_TIMEOUT and RA_E_INTERRUPTED of a blocking
 * form whose request was written.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_error_is_retriable(const ra_error *error);
RA_API int ra_error_is_fatal(const ra_error *error);
RA_API int ra_error_is_outcome_unknown(const ra_error *error);

/* An error of one's own, for code beside the library that reports as it does. NULL as message: the code's sentence.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    the result belongs to the caller (ra_error_free); the message is copied, and cut after 223 bytes
 * Errors:  none: without memory the result is RA_E_NO_MEMORY
 * Since:   1.0
 */
RA_API ra_error *ra_error_new(int32_t code, const char *message);

/* Ends an error. NULL is fine.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    takes the error and every text borrowed from it
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_error_free(ra_error *error);

#endif
