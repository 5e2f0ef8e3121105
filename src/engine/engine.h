#ifndef RAI_ENGINE_ENGINE_H
#define RAI_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <reattach/event.h>
#include <reattach/operation.h>
#include <reattach/session.h>

#include "base/fault.h"
#include "codec/message.h"
#include "engine/config.h"

/*
 * The re-attach engine of one connection. No sockets, no threads, no clock, no randomness of its own: bytes, commands and
 * "it is now t" go in; byte ranges to write, dial requests, finished operations, events and "wake me at t" come out.
 * Nothing here is locked: whoever embeds it calls it from one thread at a time (the client room: under the connection's
 * mutex), with one exception named at rai_engine_output().
 *
 * Time is in microseconds on a clock that never goes back. Deadlines of INT64_MAX mean "never".
 */
typedef struct rai_engine rai_engine;
typedef struct rai_session rai_session;
typedef struct rai_producer rai_producer;
typedef struct rai_consumer rai_consumer;
typedef struct rai_op rai_op;

struct rai_host {
    void (*random)(void *ctx, void *out, size_t size); /* cryptographically secure outside of tests */
    void *ctx;
};

/* The config is borrowed and must outlive the engine. NULL when out of memory. */
rai_engine *rai_engine_new(const struct rai_config *config, const struct rai_host *host);
/* Frees everything that is left, sessions, operations and messages in buffers included. */
void rai_engine_free(rai_engine *e);

/* --- life ------------------------------------------------------------------------------------------------------- */

/* Begins to connect. The operation ends when the first link is established, or with the reason why none can be. */
rai_op *rai_engine_start(rai_engine *e, int64_t now);
/* The last thing before shutting: nothing of ours is to stay behind on the broker. The operation ends when that is so, or
 * after a second. NULL: nothing to wait for. */
rai_op *rai_engine_leave(rai_engine *e, int64_t now);
/* No more reconnects; links are hung up, everything unanswered ends (not done or unknown). Idempotent. */
void rai_engine_shut(rai_engine *e, int64_t now);
bool rai_engine_connected(const rai_engine *e); /* a main link is established */
/* Where the next attempt would go. */
const struct rai_endpoint *rai_engine_target(rai_engine *e);
bool rai_engine_dead(const rai_engine *e);      /* gave up or shut: nothing will ever move again */
const struct rai_fault *rai_engine_fault(const rai_engine *e); /* why it is dead */
const struct rai_fault *rai_engine_last_fault(const rai_engine *e); /* of the link or attempt lost last; or RA_OK */

/* --- links ------------------------------------------------------------------------------------------------------ */

/* Link ids are never reused. A dial request: connect to the endpoint within timeout, then say how it went. The endpoint is
 * valid until rai_engine_link_closed(). */
struct rai_dial {
    uint32_t link;
    const struct rai_endpoint *endpoint;
    int64_t timeout_us;
    int64_t silence_us; /* after so much silence the link counts as lost; INT64_MAX: never */
};
bool rai_engine_next_dial(rai_engine *e, struct rai_dial *out); /* each request is handed out once */
void rai_engine_dialed(rai_engine *e, uint32_t link, int64_t now);
void rai_engine_dial_failed(rai_engine *e, uint32_t link, const struct rai_fault *why, int64_t now);

/* An established link broke (end of file, reset, ...). May be called for a link that is being hung up. */
void rai_engine_link_lost(rai_engine *e, uint32_t link, const struct rai_fault *why, int64_t now);
/* A link (dialing or established) that the engine has done with: close its descriptor as soon as nobody reads or writes
 * it, then say so with rai_engine_link_closed(), which frees the engine's part. Also after link_lost and dial_failed.
 * Handed out once each. */
bool rai_engine_next_hangup(rai_engine *e, uint32_t *link);
void rai_engine_link_closed(rai_engine *e, uint32_t link);

/* Reading: take the space, read into it (without the lock if you like: the space stays valid until input() or
 * link_closed()), report how much came. */
uint8_t *rai_engine_input_space(rai_engine *e, uint32_t link, size_t *room); /* NULL: unknown link or out of memory */
void rai_engine_input(rai_engine *e, uint32_t link, size_t size, int64_t now);

/* Writing: up to max pieces to write, in order; 0: nothing to write. The bytes stay valid and unchanged, also without the
 * lock and while other calls are made, until rai_engine_written() or rai_engine_link_closed() for this link; calling it
 * again before that gives the same pieces. Only whole frames are begun; after a partial write the rest comes first. */
int rai_engine_output(rai_engine *e, uint32_t link, struct iovec *pieces, int max, int64_t now);
void rai_engine_written(rai_engine *e, uint32_t link, size_t size, int64_t now);
bool rai_engine_wants_write(const rai_engine *e, uint32_t link);

int64_t rai_engine_deadline(const rai_engine *e); /* absolute, INT64_MAX for none */
void rai_engine_tick(rai_engine *e, int64_t now); /* call at the deadline, or whenever */

/* --- operations ------------------------------------------------------------------------------------------------- */

/* Counted (not atomic): a function that returns an op gives one reference to the caller. The engine holds its own while
 * it is under way. Ops that just ended are handed out once, so that waiters can be woken; each comes with a reference. */
rai_op *rai_op_ref(rai_op *op);
void rai_op_unref(rai_op *op);
rai_op *rai_engine_next_done(rai_engine *e);
int rai_op_outcome(const rai_op *op); /* RA_OUTCOME_..., PENDING while under way */
const struct rai_fault *rai_op_fault(const rai_op *op); /* code RA_OK unless it ended badly */
/* The deadline that callTimeout / callFailoverTimeout gave it; passing it cancels what was never written. */
int64_t rai_op_deadline(const rai_op *op);
/* Nobody waits any more: if nothing was written it is cancelled (ends NOT_DONE), else it goes on and its end becomes an
 * OPERATION event if somebody listens. */
void rai_op_abandon(rai_op *op, int64_t now);
/* The answer of a query, or NULL; ownership moves to the caller once. */
ra_queue_info *rai_op_take_info(rai_op *op);

/* --- sessions --------------------------------------------------------------------------------------------------- */

/* All functions below return 0 or RA_E_...; *fault says more. *op_out (may be NULL where the caller does not care) is a
 * reference to release. Names and addresses are valid UTF-8, checked by the caller. A handle lives until its _release:
 * the engine keeps its own state beyond that as long as the wire needs it. `owner` comes back in events. */
int rai_session_open(rai_engine *e, bool transacted, void *owner, int64_t now, rai_session **out, rai_op **op_out,
                     struct rai_fault *fault);
int rai_session_close(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault);
void rai_session_release(rai_session *s, int64_t now); /* closes in the background what is still open */
bool rai_session_is_open(const rai_session *s);
/* At the end of a bounded close: everything unanswered ends now; counts of not done and unknown work (and of work that
 * ended so earlier without being reported by an operation or outcome). */
void rai_session_abort(rai_session *s, int64_t now, int64_t *not_done, int64_t *unknown);

int rai_session_start(rai_session *s, int64_t now, struct rai_fault *fault);
int rai_session_stop(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault);
int rai_session_commit(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault);
int rai_session_rollback(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault);
bool rai_session_rollback_only(const rai_session *s);
enum { RAI_NAME = 37 }; /* a UUID with its end */
void rai_random_name(rai_engine *e, char *out, size_t room); /* 128 random bits */
/* The next message of this transaction that has no duplicate id carries this one; forgotten at the transaction's end. */
int rai_session_set_transaction_id(rai_session *s, const char *id, int64_t now, struct rai_fault *fault);
bool rai_session_has_transaction_id(const rai_session *s); /* no message carries it yet */
/* Ends when everything logged so far has its outcome. */
int rai_session_flush(rai_session *s, int64_t now, rai_op **op_out, struct rai_fault *fault);
int64_t rai_session_unsettled(const rai_session *s);

int rai_session_create_address(rai_session *s, const char *address, bool multicast, bool anycast, int64_t now,
                               rai_op **op_out, struct rai_fault *fault);
int rai_session_create_queue(rai_session *s, const char *queue, const char *address, int routing_type, int flags,
                             const char *filter, int64_t now, rai_op **op_out, struct rai_fault *fault);
int rai_session_delete_queue(rai_session *s, const char *queue, int64_t now, rai_op **op_out, struct rai_fault *fault);
int rai_session_query_queue(rai_session *s, const char *queue, int64_t now, rai_op **op_out, struct rai_fault *fault);
int rai_session_query_address(rai_session *s, const char *address, int64_t now, rai_op **op_out,
                              struct rai_fault *fault);

/* unique: refused when another session has this value under this key. What was set is set again when the session is
 * recreated; if it is unique and refused then, the session is lost. */
int rai_session_add_metadata(rai_session *s, const char *key, const char *value, bool unique, int64_t now, rai_op **op_out,
                             struct rai_fault *fault);

/* --- producers -------------------------------------------------------------------------------------------------- */

/* address NULL: anonymous. The op ends when routeCheck is content. */
int rai_producer_open(rai_session *s, const char *address, int64_t now, rai_producer **out, rai_op **op_out,
                      struct rai_fault *fault);
int rai_producer_close(rai_producer *p, int64_t now, struct rai_fault *fault);
void rai_producer_release(rai_producer *p, int64_t now);

enum rai_send_mode {
    RAI_SEND_FORGET, /* no answer asked: processed, not done or unknown, only counted */
    RAI_SEND_TAGGED, /* answer asked: a SEND_OUTCOME range */
    RAI_SEND_OP      /* answer asked: an operation */
};
/* Encodes into the log. RA_E_WOULD_BLOCK when log, credits or unread outcomes leave no room; then a WRITABLE event
 * follows when they do (and rai_producer_writable() turns true). address only for anonymous producers. */
int rai_producer_send(rai_producer *p, const char *address, const ra_message *m, enum rai_send_mode mode, uint64_t tag,
                      int64_t now, rai_op **op_out, struct rai_fault *fault);
/* A message whose body is written in pieces, one at a time on a session: m has its headers and no body. The broker stores
 * it when the finish's answer says so; one that is cancelled, or whose producer is closed, leaves nothing. write takes what
 * finds room and returns how much that was. RA_E_WOULD_BLOCK as above, for each of the three; any other failure to write
 * or finish ends it. RA_E_LARGE_INTERRUPTED: the session was recreated, begin again. */
int rai_producer_start_large(rai_producer *p, const char *address, const ra_message *m, int64_t now,
                             struct rai_fault *fault);
int64_t rai_producer_write_large(rai_producer *p, const void *bytes, size_t size, int64_t now, struct rai_fault *fault);
int rai_producer_finish_large(rai_producer *p, enum rai_send_mode mode, int64_t now, rai_op **op_out,
                              struct rai_fault *fault);
void rai_producer_cancel_large(rai_producer *p);
/* Would a send like the one refused last find room now? Dead and closed ones are "writable": the send says why not. */
bool rai_producer_writable(const rai_producer *p);

/* --- consumers -------------------------------------------------------------------------------------------------- */

/* window: bytes, -1 unlimited, 0 none buffered. owner is where wake-ups for it go (see rai_engine_next_ready). */
int rai_consumer_open(rai_session *s, const char *queue, const char *filter, bool browse, int32_t window, void *owner,
                      int64_t now, rai_consumer **out, rai_op **op_out, struct rai_fault *fault);
int rai_consumer_close(rai_consumer *c, int64_t now, rai_op **op_out, struct rai_fault *fault);
void rai_consumer_release(rai_consumer *c, int64_t now);

/* The next buffered message (the caller's reference), credits are returned; NULL: none. Expired ones are skipped and
 * reported to the broker (epoch_ms is the wall clock, 0: do not look). */
ra_message *rai_consumer_take(rai_consumer *c, int64_t epoch_ms, int64_t now);
bool rai_consumer_has_message(const rai_consumer *c);
/* A receive begins or ends to wait: with window 0 this gives and takes back the one credit. */
void rai_consumer_wait_begin(rai_consumer *c, int64_t now);
void rai_consumer_wait_end(rai_consumer *c, int64_t now);
/* From now on large messages are handed out when they begin. */
void rai_consumer_stream(rai_consumer *c);
/* The next bytes of the body of the message taken last: how many, 0 at its end, RA_E_WOULD_BLOCK when none has come yet (the
 * owner becomes ready when that changes). Credits are returned as it is read. RA_E_LARGE_INTERRUPTED: the rest cannot be
 * trusted. */
int64_t rai_consumer_read(rai_consumer *c, const ra_message *m, void *buffer, size_t room, int64_t now,
                          struct rai_fault *fault);
bool rai_consumer_readable(const rai_consumer *c); /* a read would not say RA_E_WOULD_BLOCK */
/* Asks the broker to deliver what it has; the op ends (CONFIRMED) when it has said "that is all", or when a message
 * arrived; NOT_DONE with a fault when the consumer ended. */
int rai_consumer_force(rai_consumer *c, int64_t now, rai_op **op_out, struct rai_fault *fault);
/* Why the consumer can deliver no more: code RA_OK while it can. */
const struct rai_fault *rai_consumer_fault(const rai_consumer *c);

/* Cumulative ones are batched (ackBatchSize) unless an op is asked for. RA_E_STALE for a message of an earlier epoch. */
int rai_consumer_acknowledge(rai_consumer *c, const ra_message *m, bool individual, int64_t now, rai_op **op_out,
                             struct rai_fault *fault);

/* --- wake-ups and events ---------------------------------------------------------------------------------------- */

/* Things that changed since the last call, each once: a consumer's owner (messages or its end), or a session's owner
 * (room for sends). For waiters; costs nothing when nobody asks. */
enum rai_ready { RAI_READY_NONE, RAI_READY_CONSUMER, RAI_READY_WRITABLE };
enum rai_ready rai_engine_next_ready(rai_engine *e, void **owner);

/* One event, in the form it is queued. Texts are short and copied. */
struct rai_event {
    int32_t kind; /* enum ra_event_kind */
    void *session; /* owner of the session, NULL for the connection */
    struct rai_fault fault;
    char text[RAI_FAULT_TEXT]; /* RETRYING: endpoint; LOG: the line */
    int64_t attempt, delay_ms;
    int64_t count; /* EVENTS_LOST: how many; REATTACHED: replayed; RECREATED: unknown */
    int64_t requeued;
    bool failed_over;
    uint64_t first, last;
    int32_t outcome;
};
void rai_engine_subscribe(rai_engine *e, uint32_t mask); /* kinds that are queued; SEND_OUTCOME always is */
bool rai_engine_has_event(const rai_engine *e);
bool rai_engine_next_event(rai_engine *e, struct rai_event *out);
/* The session's owner goes away: its queued events lose their session and are dropped. */
void rai_engine_forget_owner(rai_engine *e, void *owner);

int64_t rai_engine_stat(const rai_engine *e, int id); /* enum ra_stat; -1: unknown id */

/* --- for tests -------------------------------------------------------------------------------------------------- */

struct rai_test_hooks {
    bool no_barrier;      /* replay after the first count, as the reference does: loses and doubles */
    int64_t hold_session; /* channel of a session whose barriers are not sent for hold_us after each re-attach; 0: none */
    int64_t hold_us;
};
void rai_engine_set_hooks(rai_engine *e, const struct rai_test_hooks *hooks);

#endif
