#include <reattach/operation.h>

#include "api/check.h"
#include "api/handle.h"
#include "base/alloc.h"

static void drop(struct rai_call *call, ra_operation *operation)
{
    if (--operation->refs > 0)
        return;
    if (call->inside) {
        if (operation->given_up && rai_op_outcome(operation->engine) == RA_OUTCOME_PENDING)
            rai_op_abandon(operation->engine, rai_call_now(call));
        rai_op_unref(operation->engine);
    }
    rai_free(operation);
    rai_connection_drop(call);
}

int ra_operation_wait(ra_operation *operation, int64_t timeout_ms, int32_t flags, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (operation == NULL)
        return rai_refuse_null("operation", err);
    if ((code = rai_check_range("flags", flags, 0, RA_WAIT_EVENTS, err)) < 0)
        return code;
    if ((code = rai_call_begin(&call, operation->connection, err)) < 0)
        return code;
    operation->refs++;
    code = rai_client_wait_op(call.client, operation->engine, rai_client_until(call.client, timeout_ms), flags,
                              &call.fault);
    operation->given_up = code == RA_E_TIMEOUT || code == RA_E_INTERRUPTED;
    drop(&call, operation);
    return rai_call_end(&call, code);
}

int32_t ra_operation_outcome(ra_operation *operation)
{
    struct rai_call call;
    int32_t outcome;
    int code;

    if (operation == NULL)
        return RA_E_ARGUMENT;
    if ((code = rai_call_begin(&call, operation->connection, NULL)) < 0)
        return code;
    outcome = rai_op_outcome(operation->engine);
    return rai_call_end(&call, outcome);
}

void ra_operation_free(ra_operation *operation)
{
    struct rai_call call;

    if (operation == NULL)
        return;
    rai_call_begin_free(&call, operation->connection);
    drop(&call, operation);
    rai_call_end(&call, 0);
}

int ra_operation_take_queue_info(ra_operation *operation, ra_queue_info **info_out, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (info_out != NULL)
        *info_out = NULL;
    if (operation == NULL)
        return rai_refuse_null("operation", err);
    if (info_out == NULL)
        return rai_refuse_null("info_out", err);
    if ((code = rai_call_begin(&call, operation->connection, err)) < 0)
        return code;
    *info_out = rai_op_take_info(operation->engine);
    if (*info_out == NULL)
        code = rai_fault_set(&call.fault, RA_E_STATE,
                             "there is no answer: it has not come yet, was taken before, or this was no query");
    return rai_call_end(&call, code);
}
