/* Sessions: their life, start and stop, transactions. What they ask of the broker is in session_requests.c. */
#include <reattach/session.h>

#include "api/check.h"
#include "api/handle.h"
#include "base/alloc.h"

/* --- references ------------------------------------------------------------------------------------------------ */

ra_session *rai_session_hold(ra_session *session)
{
    session->refs++;
    return session;
}

static void link_session(ra_connection *connection, ra_session *session)
{
    ra_session **end = &connection->sessions;

    while (*end != NULL)
        end = &(*end)->next;
    *end = session;
    connection->refs++;
}

/* Takes it off the list and forgets it on all sides. */
static void unlink_session(struct rai_call *call, ra_session *session)
{
    ra_session **at = &call->connection->sessions;

    while (*at != session)
        at = &(*at)->next;
    *at = session->next;
    if (call->inside) {
        rai_engine_forget_owner(rai_client_engine(call->client), session);
        rai_op_unref(session->closing);
        if (session->engine != NULL)
            rai_session_release(session->engine, rai_call_now(call));
    }
    rai_free(session);
}

void rai_session_sweep(struct rai_call *call)
{
    for (ra_session *s = call->connection->sessions, *next; s != NULL; s = next) {
        next = s->next;
        if (s->refs == 0 && rai_op_outcome(s->closing) != RA_OUTCOME_PENDING)
            unlink_session(call, s);
    }
}

void rai_sessions_forget(struct rai_call *call)
{
    while (call->connection->sessions != NULL)
        unlink_session(call, call->connection->sessions);
}

/* The last handle is gone. Without a close before, it is begun now and the session stays listed until it has ended. */
static void retire(struct rai_call *call, ra_session *session)
{
    session->leaving = true;
    rai_listeners_close(call, session);
    if (call->inside && session->closing == NULL &&
        rai_session_close(session->engine, rai_call_now(call), &session->closing, &call->fault) < 0)
        session->closing = NULL;
    if (session->closing == NULL || !call->inside)
        unlink_session(call, session);
    rai_connection_drop(call);
}

void rai_session_drop(struct rai_call *call, ra_session *session)
{
    if (--session->refs == 0 && !session->leaving)
        retire(call, session);
}

/* --- open and close -------------------------------------------------------------------------------------------- */

/* With a session in hand nothing can fail, so it is made before the engine is asked. */
static int open_session(struct rai_call *call, int32_t mode, ra_session **out, rai_op **op)
{
    ra_session *session = rai_calloc(1, sizeof *session);
    int code;

    if (session == NULL)
        return rai_call_no_memory(call);
    session->refs = 1;
    session->connection = call->connection;
    session->transacted = mode == RA_SESSION_TRANSACTED;
    code = rai_session_open(rai_client_engine(call->client), session->transacted, session, rai_call_now(call),
                            &session->engine, op, &call->fault);
    if (code < 0) {
        rai_free(session);
        return code;
    }
    link_session(call->connection, session);
    *out = session;
    return 0;
}

/* What both forms check and do first. Entered when it returns 0. */
static int prepare(struct rai_call *call, ra_connection *connection, int32_t mode, ra_session **session_out,
                   ra_error **err)
{
    int code;

    rai_error_begin(err);
    if (session_out != NULL)
        *session_out = NULL;
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if (session_out == NULL)
        return rai_refuse_null("session_out", err);
    if ((code = rai_check_range("mode", mode, RA_SESSION_AUTO_COMMIT, RA_SESSION_TRANSACTED, err)) < 0)
        return code;
    if ((code = rai_call_begin(call, connection, err)) < 0)
        return code;
    rai_session_sweep(call);
    return 0;
}

int ra_session_open(ra_connection *connection, int32_t mode, ra_session **session_out, ra_error **err)
{
    struct rai_call call;
    ra_session *session = NULL;
    rai_op *op = NULL;
    int code = prepare(&call, connection, mode, session_out, err);

    if (code < 0)
        return code;
    code = rai_call_may_wait(&call);
    if (code == 0)
        code = open_session(&call, mode, &session, &op);
    code = rai_call_finish(&call, code, op, RAI_FOREVER);
    if (code == 0)
        *session_out = session;
    else if (session != NULL)
        rai_session_drop(&call, session);
    return rai_call_end(&call, code);
}

int ra_session_open_begin(ra_connection *connection, int32_t mode, ra_session **session_out,
                          ra_operation **operation_out, ra_error **err)
{
    struct rai_call call;
    ra_operation *operation;
    rai_op *op = NULL;
    int code;

    rai_error_begin(err);
    if (operation_out != NULL)
        *operation_out = NULL;
    else if (connection != NULL && session_out != NULL)
        return rai_refuse_null("operation_out", err);
    if ((code = prepare(&call, connection, mode, session_out, err)) < 0)
        return code;
    operation = rai_calloc(1, sizeof *operation);
    code = operation != NULL ? open_session(&call, mode, session_out, &op) : rai_call_no_memory(&call);
    code = rai_call_hand_out(&call, code, op, operation, operation_out);
    return rai_call_end(&call, code);
}

/* Begins to close unless that was done before. A session that cannot be closed is as good as closed. */
static bool begin_close(struct rai_call *call, ra_session *session)
{
    if (session->closing == NULL &&
        rai_session_close(session->engine, rai_call_now(call), &session->closing, &call->fault) < 0)
        session->closing = NULL;
    session->started = false;
    return session->closing != NULL;
}

int ra_session_close(ra_session *session, int64_t timeout_ms, int64_t *not_done_out, int64_t *unknown_out,
                     ra_error **err)
{
    struct rai_call call;
    int64_t lost[2] = { 0, 0 };
    int code;

    rai_error_begin(err);
    if (not_done_out != NULL)
        *not_done_out = 0;
    if (unknown_out != NULL)
        *unknown_out = 0;
    if (session == NULL)
        return rai_refuse_null("session", err);
    if ((code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    rai_session_hold(session);
    if (!begin_close(&call, session) || rai_call_may_wait(&call) == 0) {
        if (session->closing != NULL)
            rai_client_wait_op(call.client, session->closing, rai_client_until(call.client, timeout_ms), 0,
                               &call.fault);
        rai_session_abort(session->engine, rai_call_now(&call), &lost[0], &lost[1]);
        if (not_done_out != NULL && !session->counted)
            *not_done_out = lost[0];
        if (unknown_out != NULL && !session->counted)
            *unknown_out = lost[1];
        session->counted = true;
    }
    rai_session_drop(&call, session);
    return rai_call_end(&call, 0);
}

int ra_session_close_begin(ra_session *session, ra_operation **operation_out, ra_error **err)
{
    struct rai_call call;
    ra_operation *operation;
    int code;

    rai_error_begin(err);
    if (operation_out != NULL)
        *operation_out = NULL;
    if (session == NULL)
        return rai_refuse_null("session", err);
    if (operation_out == NULL)
        return rai_refuse_null("operation_out", err);
    if ((code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    operation = rai_calloc(1, sizeof *operation);
    if (operation == NULL)
        code = rai_call_no_memory(&call);
    else if (session->closing == NULL)
        code = rai_session_close(session->engine, rai_call_now(&call), &session->closing, &call.fault);
    if (code == 0)
        session->started = false;
    code = rai_call_hand_out(&call, code, code == 0 ? rai_op_ref(session->closing) : NULL, operation, operation_out);
    return rai_call_end(&call, code);
}

void ra_session_free(ra_session *session)
{
    struct rai_call call;

    if (session == NULL)
        return;
    rai_call_begin_free(&call, session->connection);
    rai_session_drop(&call, session);
    if (call.inside && !call.last)
        rai_session_sweep(&call);
    rai_call_end(&call, 0);
}

/* --- start and stop -------------------------------------------------------------------------------------------- */

int ra_session_start(ra_session *session, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (session == NULL)
        return rai_refuse_null("session", err);
    if ((code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    code = rai_session_start(session->engine, rai_call_now(&call), &call.fault);
    if (code == 0)
        session->started = true;
    return rai_call_end(&call, code);
}

int ra_session_stop(ra_session *session, ra_error **err)
{
    struct rai_call call;
    rai_op *op = NULL;
    int code;

    rai_error_begin(err);
    if (session == NULL)
        return rai_refuse_null("session", err);
    if ((code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    rai_session_hold(session);
    code = rai_call_may_wait(&call);
    if (code == 0)
        code = rai_session_stop(session->engine, rai_call_now(&call), &op, &call.fault);
    if (code == 0)
        session->started = false;
    code = rai_call_finish(&call, code, op, RAI_FOREVER);
    rai_session_drop(&call, session);
    return rai_call_end(&call, code);
}

/* --- settling -------------------------------------------------------------------------------------------------- */

int ra_session_flush(ra_session *session, int64_t timeout_ms, ra_error **err)
{
    struct rai_call call;
    rai_op *op = NULL;
    int code;

    rai_error_begin(err);
    if (session == NULL)
        return rai_refuse_null("session", err);
    if ((code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    rai_session_hold(session);
    code = rai_call_may_wait(&call);
    if (code == 0)
        code = rai_session_flush(session->engine, rai_call_now(&call), &op, &call.fault);
    if (code == 0) {
        code = rai_client_wait_op(call.client, op, rai_client_until(call.client, timeout_ms), 0, &call.fault);
        rai_op_unref(op); /* only watched: nothing is given up when the wait ends first */
    }
    rai_session_drop(&call, session);
    return rai_call_end(&call, code);
}

int64_t ra_session_unsettled(ra_session *session)
{
    struct rai_call call;
    int64_t count;
    int code;

    if (session == NULL)
        return RA_E_ARGUMENT;
    if ((code = rai_call_begin(&call, session->connection, NULL)) < 0)
        return code;
    count = rai_session_unsettled(session->engine);
    rai_call_end(&call, 0);
    return count;
}

int ra_session_is_rollback_only(ra_session *session)
{
    struct rai_call call;
    int answer;

    if (session == NULL || rai_call_begin(&call, session->connection, NULL) < 0)
        return 0;
    answer = rai_session_rollback_only(session->engine);
    return rai_call_end(&call, answer);
}
