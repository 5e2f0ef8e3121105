#include <reattach/session.h>

#include "api/check.h"
#include "api/handle.h"
#include "base/alloc.h"

/* --- references ------------------------------------------------------------------------------------------------ */

void rai_producer_drop(struct rai_call *call, ra_producer *producer)
{
    ra_session *session = producer->session;

    if (--producer->refs > 0)
        return;
    if (call->inside && producer->engine != NULL)
        rai_producer_release(producer->engine, rai_call_now(call));
    rai_free(producer);
    rai_session_drop(call, session);
}

void ra_producer_free(ra_producer *producer)
{
    struct rai_call call;

    if (producer == NULL)
        return;
    rai_call_begin_free(&call, producer->session->connection);
    rai_producer_drop(&call, producer);
    rai_call_end(&call, 0);
}

/* --- open and close -------------------------------------------------------------------------------------------- */

static int check_open(ra_session *session, const char *address, ra_producer **producer_out, ra_error **err)
{
    rai_error_begin(err);
    if (producer_out != NULL)
        *producer_out = NULL;
    if (session == NULL)
        return rai_refuse_null("session", err);
    if (producer_out == NULL)
        return rai_refuse_null("producer_out", err);
    return rai_check_optional("address", address, err);
}

static int open_producer(struct rai_call *call, ra_session *session, const char *address, ra_producer **out,
                         rai_op **op)
{
    ra_producer *producer = rai_calloc(1, sizeof *producer);
    int code;

    if (producer == NULL)
        return rai_call_no_memory(call);
    producer->refs = 1;
    producer->anonymous = address == NULL;
    code = rai_producer_open(session->engine, address, rai_call_now(call), &producer->engine, op, &call->fault);
    if (code < 0) {
        rai_free(producer);
        return code;
    }
    producer->session = rai_session_hold(session);
    *out = producer;
    return 0;
}

int ra_producer_open(ra_session *session, const char *address, ra_producer **producer_out, ra_error **err)
{
    struct rai_call call;
    ra_producer *producer = NULL;
    rai_op *op = NULL;
    int code = check_open(session, address, producer_out, err);

    if (code < 0 || (code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    code = rai_call_may_wait(&call);
    if (code == 0)
        code = open_producer(&call, session, address, &producer, &op);
    code = rai_call_finish(&call, code, op, RAI_FOREVER);
    if (code == 0)
        *producer_out = producer;
    else if (producer != NULL)
        rai_producer_drop(&call, producer);
    return rai_call_end(&call, code);
}

int ra_producer_open_begin(ra_session *session, const char *address, ra_producer **producer_out,
                           ra_operation **operation_out, ra_error **err)
{
    struct rai_call call;
    ra_operation *operation;
    rai_op *op = NULL;
    int code;

    if (operation_out != NULL)
        *operation_out = NULL;
    code = check_open(session, address, producer_out, err);
    if (code == 0 && operation_out == NULL)
        code = rai_refuse_null("operation_out", err);
    if (code < 0 || (code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    operation = rai_calloc(1, sizeof *operation);
    code = operation != NULL ? open_producer(&call, session, address, producer_out, &op) : rai_call_no_memory(&call);
    code = rai_call_hand_out(&call, code, op, operation, operation_out);
    return rai_call_end(&call, code);
}

int ra_producer_close(ra_producer *producer, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (producer == NULL)
        return rai_refuse_null("producer", err);
    if ((code = rai_call_begin(&call, producer->session->connection, err)) < 0)
        return code;
    code = rai_producer_close(producer->engine, rai_call_now(&call), &call.fault);
    return rai_call_end(&call, code);
}

/* --- sending --------------------------------------------------------------------------------------------------- */

static int check_target(const ra_producer *producer, const char *address, ra_error **err)
{
    struct rai_fault fault;

    if (producer == NULL)
        return rai_refuse_null("producer", err);
    if (producer->anonymous)
        return rai_check_name("address", address, err);
    if (address == NULL)
        return 0;
    rai_fault_set(&fault, RA_E_ARGUMENT, "argument address has to be NULL: the producer was opened with one");
    return rai_error_out(err, &fault);
}

int rai_send_enter(struct rai_call *call, ra_producer *producer, const char *address, const ra_message *message,
                   ra_error **err)
{
    int code;

    rai_error_begin(err);
    if ((code = check_target(producer, address, err)) < 0)
        return code;
    if (message == NULL)
        return rai_refuse_null("message", err);
    return rai_call_begin(call, producer->session->connection, err);
}

bool rai_send_wants_answer(const struct rai_call *call, const ra_producer *producer, bool durable)
{
    const struct rai_config *config = rai_client_config(call->client);

    if (producer->session->transacted) /* the commit's answer stands for all */
        return false;
    return durable ? config->block_on_durable_send : config->block_on_non_durable_send;
}

int rai_send_may_wait(struct rai_call *call)
{
    int code = rai_call_may_wait(call);

    if (code < 0)
        rai_fault_set(&call->fault, code,
                      "a send that waits for its answer is not possible inside a listener; use one that does not");
    return code;
}

int rai_send_wait_room(struct rai_call *call, ra_producer *producer, int64_t timeout_ms)
{
    int64_t call_timeout = rai_client_config(call->client)->call_timeout;
    int64_t limit_ms = timeout_ms < 0 ? call_timeout : timeout_ms;
    int64_t until = rai_client_until(call->client, limit_ms);
    int code;

    if (timeout_ms == 0 || rai_client_in_dispatch(call->client))
        return RA_E_WOULD_BLOCK;
    code = rai_client_wait_writable(call->client, producer->engine, until, 0, &call->fault);
    if (code == RA_E_TIMEOUT)
        return rai_fault_set(&call->fault, code, "no room for the message within %lld ms; it was not sent",
                             (long long)limit_ms);
    return code;
}

/* Waits for room until the message is in the log. */
static int send_with_room(struct rai_call *call, ra_producer *producer, const char *address, const ra_message *message,
                          enum rai_send_mode mode, rai_op **op)
{
    int code;

    do {
        code = rai_producer_send(producer->engine, address, message, mode, 0, rai_call_now(call), op, &call->fault);
        if (code != RA_E_WOULD_BLOCK)
            return code;
    } while ((code = rai_send_wait_room(call, producer, -1)) == 0);
    return code;
}

int ra_producer_send(ra_producer *producer, const char *address, ra_message *message, ra_error **err)
{
    struct rai_call call;
    rai_op *op = NULL;
    int code = rai_send_enter(&call, producer, address, message, err);
    bool answer;

    if (code < 0)
        return code;
    producer->refs++;
    answer = rai_send_wants_answer(&call, producer, message->durable);
    if (answer)
        code = rai_send_may_wait(&call);
    if (code == 0)
        code = send_with_room(&call, producer, address, message, answer ? RAI_SEND_OP : RAI_SEND_FORGET,
                              answer ? &op : NULL);
    if (answer)
        code = rai_call_finish(&call, code, op, RAI_FOREVER);
    rai_producer_drop(&call, producer);
    return rai_call_end(&call, code);
}

int ra_producer_send_tagged(ra_producer *producer, const char *address, ra_message *message, uint64_t tag,
                            ra_error **err)
{
    struct rai_call call;
    int code = rai_send_enter(&call, producer, address, message, err);

    if (code < 0)
        return code;
    code = rai_producer_send(producer->engine, address, message, RAI_SEND_TAGGED, tag, rai_call_now(&call), NULL,
                             &call.fault);
    return rai_call_end(&call, code);
}

int ra_producer_send_forget(ra_producer *producer, const char *address, ra_message *message, ra_error **err)
{
    struct rai_call call;
    int code = rai_send_enter(&call, producer, address, message, err);

    if (code < 0)
        return code;
    code = rai_producer_send(producer->engine, address, message, RAI_SEND_FORGET, 0, rai_call_now(&call), NULL,
                             &call.fault);
    return rai_call_end(&call, code);
}

/* Sends from the front; why it stopped early is in call->fault. */
static int32_t send_run(struct rai_call *call, ra_producer *producer, const char *address, ra_message *const *messages,
                        int32_t count, uint64_t first_tag, int *code)
{
    int64_t now = rai_call_now(call);
    int32_t taken = 0;

    for (*code = 0; taken < count; taken++) {
        if (messages[taken] == NULL)
            *code = rai_fault_set(&call->fault, RA_E_ARGUMENT, "argument messages[%d] is NULL", (int)taken);
        else
            *code = rai_producer_send(producer->engine, address, messages[taken], RAI_SEND_TAGGED,
                                      first_tag + (uint64_t)taken, now, NULL, &call->fault);
        if (*code < 0)
            break;
    }
    return taken;
}

int32_t ra_producer_send_many(ra_producer *producer, const char *address, ra_message *const *messages, int32_t count,
                              uint64_t first_tag, ra_error **err)
{
    struct rai_call call;
    int32_t taken;
    int code;

    rai_error_begin(err);
    if ((code = check_target(producer, address, err)) < 0)
        return code;
    if (messages == NULL)
        return rai_refuse_null("messages", err);
    if ((code = rai_check_range("count", count, 0, INT32_MAX, err)) < 0)
        return code;
    if ((code = rai_call_begin(&call, producer->session->connection, err)) < 0)
        return code;
    taken = send_run(&call, producer, address, messages, count, first_tag, &code);
    rai_call_end(&call, code);
    return taken;
}

int ra_producer_send_begin(ra_producer *producer, const char *address, ra_message *message,
                           ra_operation **operation_out, ra_error **err)
{
    struct rai_call call;
    ra_operation *operation;
    rai_op *op = NULL;
    int code;

    rai_error_begin(err);
    if (operation_out != NULL)
        *operation_out = NULL;
    else if (producer != NULL)
        return rai_refuse_null("operation_out", err);
    if ((code = rai_send_enter(&call, producer, address, message, err)) < 0)
        return code;
    operation = rai_calloc(1, sizeof *operation);
    code = operation != NULL ? rai_producer_send(producer->engine, address, message, RAI_SEND_OP, 0,
                                                 rai_call_now(&call), &op, &call.fault)
                             : rai_call_no_memory(&call);
    code = rai_call_hand_out(&call, code, op, operation, operation_out);
    return rai_call_end(&call, code);
}

int ra_producer_wait_writable(ra_producer *producer, int64_t timeout_ms, int32_t flags, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (producer == NULL)
        return rai_refuse_null("producer", err);
    if ((code = rai_check_range("flags", flags, 0, RA_WAIT_EVENTS, err)) < 0)
        return code;
    if ((code = rai_call_begin(&call, producer->session->connection, err)) < 0)
        return code;
    producer->refs++;
    code = rai_client_wait_writable(call.client, producer->engine, rai_client_until(call.client, timeout_ms), flags,
                                    &call.fault);
    rai_producer_drop(&call, producer);
    return rai_call_end(&call, code);
}
