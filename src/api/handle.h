#ifndef RAI_API_HANDLE_H
#define RAI_API_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

#include <reattach/event.h>
#include <reattach/operation.h>
#include <reattach/session.h>

#include "base/fault.h"
#include "client/client.h"
#include "engine/engine.h"

/*
 * The handles. Each is counted: one reference for the program, one for each child, one while a call on it waits. The
 * counts and everything else here are touched between enter and leave of the connection's client only (a forked child,
 * which has one thread and may not enter, frees without). So programs and garbage collectors may free in any order, and
 * a handle that is freed inside a listener or under a waiting call lives until that has returned.
 */

/* What a listener's release function is called with, kept apart so that it can be called without the lock. */
struct rai_release {
    struct rai_release *next;
    ra_release_function function;
    void *user;
};

struct ra_listener {
    int refs; /* the list and the handle */
    struct ra_listener *next;
    ra_connection *connection;
    ra_session *session; /* only compared; NULL: all */
    uint32_t mask;
    uint64_t serial; /* grows with each listener: new ones do not hear the event that is being dispatched */
    ra_listener_function function;
    void *user;
    struct rai_release *release; /* NULL: none, or handed over */
    bool closed;
    bool running; /* a dispatch is inside of function */
};

struct ra_connection {
    int refs;
    rai_client *client;
    char *options;        /* text of ra_connection_options() */
    ra_session *sessions; /* in order of creation, leaving ones included */
    struct ra_listener *listeners;
    uint64_t listener_serial;
    uint32_t polled; /* mask of ra_connection_subscribe() */
    bool dispatching;
    bool freed; /* the program's reference is gone */
};

/* A session that was freed before it was closed stays in its connection's list, without references, until the close
 * that this began has ended: so that closing the connection can wait for its work. */
struct ra_session {
    int refs;
    struct ra_session *next;
    ra_connection *connection;
    rai_session *engine;
    rai_op *closing; /* the close under way or done; NULL: not closed */
    bool transacted;
    bool started;
    bool leaving; /* retired */
    bool counted; /* its lost work was told by a close */
};

struct ra_producer {
    int refs;
    ra_session *session;
    rai_producer *engine;
    bool anonymous;
    bool large_durable; /* the large message under way */
};

struct ra_consumer {
    int refs;
    ra_session *session;
    rai_consumer *engine;
};

struct ra_operation {
    int refs;
    ra_connection *connection;
    rai_op *engine;
    bool given_up; /* the last wait ended before the work did */
};

struct ra_event {
    struct rai_event raw;
    ra_error *error;
    ra_session *session; /* referenced */
    ra_connection *connection;
};

/* --- one call of an exported function -------------------------------------------------------------------------- */

struct rai_call {
    ra_connection *connection;
    rai_client *client;
    ra_error **err;
    struct rai_fault fault;
    struct rai_release *releases; /* to be called when the lock is left */
    bool inside;                  /* false: a forked child frees something */
    bool last;                    /* the connection lost its last reference */
};

/* Enters. 0, or RA_E_FORKED with the error stored and nothing to end. */
int rai_call_begin(struct rai_call *call, ra_connection *connection, ra_error **err);
/* The same for functions that free: goes on in a forked child, where `inside` is false. */
void rai_call_begin_free(struct rai_call *call, ra_connection *connection);
/* Leaves, calls what is to be called without the lock, stores call->fault if code is negative. Returns code. */
int rai_call_end(struct rai_call *call, int code);

int64_t rai_call_now(const struct rai_call *call);
int rai_call_may_wait(struct rai_call *call);
int rai_call_no_memory(struct rai_call *call);
/* The second half of a blocking form: waits for the op that code and op_out of an engine call gave, and releases it.
 * When the wait ends first, the work is given up and the fault says what became of it. */
int rai_call_finish(struct rai_call *call, int code, rai_op *op, int64_t until);
/* The second half of a _begin form; operation was made before the work began, so that nothing can fail behind it. */
int rai_call_hand_out(struct rai_call *call, int code, rai_op *op, ra_operation *operation,
                      ra_operation **operation_out);

/* --- references: inside ---------------------------------------------------------------------------------------- */

void rai_connection_drop(struct rai_call *call);
ra_session *rai_session_hold(ra_session *session);
void rai_session_drop(struct rai_call *call, ra_session *session);
/* Frees sessions that have left. */
void rai_session_sweep(struct rai_call *call);
/* The connection ends: the same for those that have not left yet. */
void rai_sessions_forget(struct rai_call *call);

void rai_producer_drop(struct rai_call *call, ra_producer *producer);
void rai_consumer_drop(struct rai_call *call, ra_consumer *consumer);

/* What sends have in common, see producer.c: checks and enters; whether it waits for the answer, and may; waits for room:
 * 0 when there may be some, RA_E_WOULD_BLOCK when it must not wait. */
int rai_send_enter(struct rai_call *call, ra_producer *producer, const char *address, const ra_message *message,
                   ra_error **err);
bool rai_send_wants_answer(const struct rai_call *call, const ra_producer *producer, bool durable);
int rai_send_may_wait(struct rai_call *call);
int rai_send_wait_room(struct rai_call *call, ra_producer *producer, int64_t timeout_ms);

/* Listeners: closes those of a session (NULL: all), see listener.c. */
void rai_listeners_close(struct rai_call *call, const ra_session *session);

#endif
