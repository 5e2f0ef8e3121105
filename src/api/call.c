/* What all exported functions do in the same way: enter, wait, leave, report. */
#include "api/handle.h"

#include "api/check.h"
#include "base/alloc.h"

static int begin(struct rai_call *call, ra_connection *connection, ra_error **err)
{
    int code;

    call->connection = connection;
    call->client = connection->client;
    call->err = err;
    call->fault.code = RA_OK;
    call->releases = NULL;
    call->last = false;
    code = rai_client_enter(call->client, &call->fault);
    call->inside = code == 0;
    return code;
}

int rai_call_begin(struct rai_call *call, ra_connection *connection, ra_error **err)
{
    int code;

    rai_error_begin(err);
    code = begin(call, connection, err);
    return code < 0 ? rai_error_out(err, &call->fault) : 0;
}

void rai_call_begin_free(struct rai_call *call, ra_connection *connection)
{
    begin(call, connection, NULL);
}

static void destroy(ra_connection *connection)
{
    rai_client_free(connection->client);
    rai_free(connection->options);
    rai_free(connection);
}

int rai_call_end(struct rai_call *call, int code)
{
    if (call->inside)
        rai_client_leave(call->client);
    while (call->releases != NULL) {
        struct rai_release *release = call->releases;

        call->releases = release->next;
        release->function(release->user);
        rai_free(release);
    }
    if (call->last)
        destroy(call->connection);
    if (code >= 0)
        return code;
    if (call->fault.code != code) /* refused without a story */
        rai_fault_set(&call->fault, code, "%s", rai_fault_sentence(code));
    return rai_error_out(call->err, &call->fault);
}

int64_t rai_call_now(const struct rai_call *call)
{
    return rai_client_now(call->client);
}

int rai_call_may_wait(struct rai_call *call)
{
    return rai_client_may_wait(call->client, &call->fault);
}

int rai_call_no_memory(struct rai_call *call)
{
    return rai_fault_set(&call->fault, RA_E_NO_MEMORY, "out of memory");
}

/* The wait is over and the work is not: what was never written is cancelled, what was written may still be done. */
static void give_up(struct rai_call *call, rai_op *op)
{
    rai_op_abandon(op, rai_call_now(call));
    if (rai_op_outcome(op) == RA_OUTCOME_PENDING) {
        rai_fault_set(&call->fault, call->fault.code, "%.180s; the work may still be done", call->fault.text);
        call->fault.outcome_unknown = true;
    } else if (rai_op_outcome(op) == RA_OUTCOME_NOT_DONE) {
        rai_fault_set(&call->fault, call->fault.code, "%.180s; the work was not done", call->fault.text);
    }
}

int rai_call_finish(struct rai_call *call, int code, rai_op *op, int64_t until)
{
    if (code < 0)
        return code;
    code = rai_client_wait_op(call->client, op, until, 0, &call->fault);
    if (code < 0 && rai_op_outcome(op) == RA_OUTCOME_PENDING)
        give_up(call, op);
    rai_op_unref(op);
    return code;
}

int rai_call_hand_out(struct rai_call *call, int code, rai_op *op, ra_operation *operation,
                      ra_operation **operation_out)
{
    if (code < 0) {
        rai_free(operation);
        return code;
    }
    operation->refs = 1;
    operation->connection = call->connection;
    operation->engine = op;
    call->connection->refs++;
    *operation_out = operation;
    return 0;
}

void rai_connection_drop(struct rai_call *call)
{
    if (--call->connection->refs > 0)
        return;
    rai_sessions_forget(call);
    call->last = true;
}
