#ifndef RAI_CLIENT_CLIENT_H
#define RAI_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <reattach/operation.h>

#include "base/fault.h"
#include "client/sys.h"
#include "engine/config.h"
#include "engine/engine.h"

/*
 * The client: an engine, its sockets, one mutex and (unless drive=manual) one background thread.
 *
 * The pattern of every function of the api room:
 *
 *     rc = rai_client_enter(client, &fault);            (fork check, lock; on failure nothing is locked)
 *     if (rc < 0) return rai_error_out(err, &fault);
 *     rc = rai_session_commit(session, rai_client_now(client), &op, &fault);      (any calls of the engine, briefly)
 *     if (rc == 0) rc = rai_client_wait_op(client, op, RAI_FOREVER, 0, &fault);   (if it is a blocking form)
 *     rai_op_unref(op);                                                           (rai_op is not atomic: inside)
 *     rai_client_leave(client);                         (hands out, writes, unlocks)
 *
 * The engine and everything of it (rai_op_unref included) is touched between enter and leave only. enter does not nest.
 * The wait functions are called *between* enter and leave, like a condition wait: they give the lock up while they wait
 * and have it again when they return, so there is no gap between looking and waiting; other threads may have changed
 * anything meanwhile, but the waited-for handles (op, consumer, producer) must stay: keep a reference. A closed client
 * can still be entered; the engine then says what is wrong with each call.
 *
 * What leave and the waits do for everybody: finished operations and ready consumers are handed to their waiters, bytes
 * are written on the caller's thread if nobody else is writing (mutex released, bounded), dials and hang-ups reach the
 * driver. The driver is the one thread that polls: a waiting thread if there is one, else the background thread.
 *
 * Times: `until` is a moment on the client's clock in microseconds, made by rai_client_until(); RAI_FOREVER: no limit
 * (for operations: their own deadline).
 */
typedef struct rai_client rai_client;

#define RAI_FOREVER INT64_MAX

/* --- life ------------------------------------------------------------------------------------------------------- */

/* *config is copied; what its pointers point to (allocated with rai_alloc: endpoints, user, password, client_id) is
 * taken over, also on failure. sys NULL: the real system; else it must outlive the client. No thread, no I/O yet. */
int rai_client_new(const struct rai_config *config, const struct rai_sys *sys, rai_client **out,
                   struct rai_fault *fault);
/* Starts the background thread (unless manual_drive) and waits for the first link, at most timeout_ms (< 0: as long as
 * the config allows). Not entered. On failure: free the client. */
int rai_client_open(rai_client *c, int64_t timeout_ms, struct rai_fault *fault);
/* Shuts the engine, hangs up, joins the thread. Waits for no answer: sessions are closed before, by rai_session_close()
 * and wait. Every wait under way ends by what the engine says. Idempotent; a second caller waits for the first. Allowed
 * inside a listener. Not entered. 0, RA_E_FORKED, or RA_E_TIMEOUT (a thread sits in a system call that does not come
 * back; can be called again). A time-out under two seconds counts as that: all of this is local. */
int rai_client_close(rai_client *c, int64_t timeout_ms, struct rai_fault *fault);
/* Never waits, for finalizers: without close before, the thread holds the last reference and ends by itself. In a
 * forked child it closes descriptors and frees memory and nothing else. Nobody may be inside the client. NULL is fine.
 */
void rai_client_free(rai_client *c);

/* --- entering --------------------------------------------------------------------------------------------------- */

/* 0, or RA_E_FORKED (then nothing is locked and the engine must not be touched). */
int rai_client_enter(rai_client *c, struct rai_fault *fault);
void rai_client_leave(rai_client *c);
bool rai_client_forked(const rai_client *c);                       /* any thread, no lock */
rai_engine *rai_client_engine(rai_client *c);                      /* constant over the client's life; use it inside */
const struct rai_config *rai_client_config(const rai_client *c);   /* constant */
int64_t rai_client_now(const rai_client *c);                       /* microseconds; any time */
int64_t rai_client_epoch_ms(const rai_client *c);                  /* wall clock, for rai_consumer_take() */
int64_t rai_client_until(const rai_client *c, int64_t timeout_ms); /* < 0: RAI_FOREVER */

/* --- waiting: inside enter / leave ------------------------------------------------------------------------------ */

/* All return
 *   0                  it is so (also when it already was: then nothing waited)
 *   RA_EVENTS          flags has RA_WAIT_EVENTS and events wait that nobody is dispatching
 *   RA_E_TIMEOUT       `until` is over
 *   RA_E_INTERRUPTED   rai_client_interrupt() during the wait
 *   RA_E_IN_LISTENER   this thread is in a dispatch: nothing waited
 *   RA_E_FORKED, RA_E_NO_MEMORY
 * and fill *fault (may be NULL) for negative results. */

/* Until the operation has ended. 0 when it ended well; when it ended otherwise its own fault and that fault's code
 * (look at rai_op_outcome() to tell its RA_E_TIMEOUT from that of the wait: PENDING is the wait's). */
int rai_client_wait_op(rai_client *c, rai_op *op, int64_t until, int32_t flags, struct rai_fault *fault);
/* Until rai_consumer_has_message(), or the consumer has ended: 0 for both. Does rai_consumer_wait_begin/_end itself. */
int rai_client_wait_consumer(rai_client *c, rai_consumer *consumer, int64_t until, int32_t flags,
                             struct rai_fault *fault);
/* Until rai_consumer_readable(). */
int rai_client_wait_body(rai_client *c, rai_consumer *consumer, int64_t until, int32_t flags, struct rai_fault *fault);
/* Until rai_producer_writable(). */
int rai_client_wait_writable(rai_client *c, rai_producer *producer, int64_t until, int32_t flags,
                             struct rai_fault *fault);
/* Until an event waits that nobody is dispatching: 0. RA_E_CLOSED when none can come any more. */
int rai_client_wait_event(rai_client *c, int64_t until, struct rai_fault *fault);
/* For blocking forms, before they begin the work: 0 or RA_E_IN_LISTENER. */
int rai_client_may_wait(const rai_client *c, struct rai_fault *fault);
/* Ends every wait under way with RA_E_INTERRUPTED (none later). Inside. */
void rai_client_interrupt(rai_client *c);

/* --- events: inside enter / leave ------------------------------------------------------------------------------- */

/* dispatch = begin, { rai_engine_next_event(), leave, call listeners, enter }, end. 0: this thread dispatches now; 1:
 * another thread does (there is nothing to do); RA_E_IN_LISTENER: this thread already does. The forms that take single
 * events need no begin. */
int rai_client_dispatch_begin(rai_client *c, struct rai_fault *fault);
void rai_client_dispatch_end(rai_client *c);
bool rai_client_in_dispatch(const rai_client *c); /* this thread */
bool rai_client_dispatching(const rai_client *c); /* some thread */

/* --- a loop of the caller's ------------------------------------------------------------------------------------- */

/* Readable while events wait and (manual drive) when rai_client_process() has something to do. Owned by the client, the
 * same one for its life; made on the first call. Not entered. Negative RA_E_... on failure. */
int rai_client_descriptor(rai_client *c, struct rai_fault *fault);
/* Latest moment for the next process, milliseconds from now (rounded up), -1: none. Without manual drive always -1. Not
 * entered. */
int64_t rai_client_deadline(rai_client *c);
/* One round without waiting: reads, writes, dials, hang-ups, deadlines. Without manual drive it does nothing. 0 or
 * RA_E_FORKED. Not entered. */
int rai_client_process(rai_client *c, struct rai_fault *fault);

#endif
