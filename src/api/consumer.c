#include <reattach/session.h>

#include "api/check.h"
#include "api/handle.h"
#include "base/alloc.h"

enum { WINDOW_OF_THE_CONNECTION = -2 };

/* --- references ------------------------------------------------------------------------------------------------ */

void rai_consumer_drop(struct rai_call *call, ra_consumer *consumer)
{
    ra_session *session = consumer->session;

    if (--consumer->refs > 0)
        return;
    if (call->inside && consumer->engine != NULL)
        rai_consumer_release(consumer->engine, rai_call_now(call));
    rai_free(consumer);
    rai_session_drop(call, session);
}

void ra_consumer_free(ra_consumer *consumer)
{
    struct rai_call call;

    if (consumer == NULL)
        return;
    rai_call_begin_free(&call, consumer->session->connection);
    rai_consumer_drop(&call, consumer);
    rai_call_end(&call, 0);
}

/* --- open and close -------------------------------------------------------------------------------------------- */

struct wish {
    const char *queue, *filter;
    int32_t flags, window_bytes;
};

static int check_open(ra_session *session, const struct wish *wish, ra_consumer **consumer_out, ra_error **err)
{
    int code;

    rai_error_begin(err);
    if (consumer_out != NULL)
        *consumer_out = NULL;
    if (session == NULL)
        return rai_refuse_null("session", err);
    if ((code = rai_check_name("queue", wish->queue, err)) < 0)
        return code;
    if ((code = rai_check_optional("filter", wish->filter, err)) < 0)
        return code;
    if ((code = rai_check_range("flags", wish->flags, 0, RA_CONSUMER_BROWSE | RA_CONSUMER_STREAM, err)) < 0)
        return code;
    if ((code = rai_check_range("window_bytes", wish->window_bytes, WINDOW_OF_THE_CONNECTION, INT32_MAX, err)) < 0)
        return code;
    return consumer_out == NULL ? rai_refuse_null("consumer_out", err) : 0;
}

static int open_consumer(struct rai_call *call, ra_session *session, const struct wish *wish, ra_consumer **out,
                         rai_op **op)
{
    ra_consumer *consumer = rai_calloc(1, sizeof *consumer);
    int32_t window = wish->window_bytes;
    int code;

    if (consumer == NULL)
        return rai_call_no_memory(call);
    if (window == WINDOW_OF_THE_CONNECTION)
        window = rai_client_config(call->client)->consumer_window;
    consumer->refs = 1;
    code = rai_consumer_open(session->engine, wish->queue, wish->filter, (wish->flags & RA_CONSUMER_BROWSE) != 0,
                             window, consumer, rai_call_now(call), &consumer->engine, op, &call->fault);
    if (code < 0) {
        rai_free(consumer);
        return code;
    }
    if ((wish->flags & RA_CONSUMER_STREAM) != 0)
        rai_consumer_stream(consumer->engine);
    consumer->session = rai_session_hold(session);
    *out = consumer;
    return 0;
}

int ra_consumer_open(ra_session *session, const char *queue, const char *filter, int32_t flags, int32_t window_bytes,
                     ra_consumer **consumer_out, ra_error **err)
{
    struct wish wish = { queue, filter, flags, window_bytes };
    struct rai_call call;
    ra_consumer *consumer = NULL;
    rai_op *op = NULL;
    int code = check_open(session, &wish, consumer_out, err);

    if (code < 0 || (code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    code = rai_call_may_wait(&call);
    if (code == 0)
        code = open_consumer(&call, session, &wish, &consumer, &op);
    code = rai_call_finish(&call, code, op, RAI_FOREVER);
    if (code == 0)
        *consumer_out = consumer;
    else if (consumer != NULL)
        rai_consumer_drop(&call, consumer);
    return rai_call_end(&call, code);
}

int ra_consumer_open_begin(ra_session *session, const char *queue, const char *filter, int32_t flags,
                           int32_t window_bytes, ra_consumer **consumer_out, ra_operation **operation_out,
                           ra_error **err)
{
    struct wish wish = { queue, filter, flags, window_bytes };
    struct rai_call call;
    ra_operation *operation;
    rai_op *op = NULL;
    int code;

    if (operation_out != NULL)
        *operation_out = NULL;
    code = check_open(session, &wish, consumer_out, err);
    if (code == 0 && operation_out == NULL)
        code = rai_refuse_null("operation_out", err);
    if (code < 0 || (code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    operation = rai_calloc(1, sizeof *operation);
    code = operation != NULL ? open_consumer(&call, session, &wish, consumer_out, &op) : rai_call_no_memory(&call);
    code = rai_call_hand_out(&call, code, op, operation, operation_out);
    return rai_call_end(&call, code);
}

int ra_consumer_close(ra_consumer *consumer, ra_error **err)
{
    struct rai_call call;
    rai_op *op = NULL;
    bool waits;
    int code;

    rai_error_begin(err);
    if (consumer == NULL)
        return rai_refuse_null("consumer", err);
    if ((code = rai_call_begin(&call, consumer->session->connection, err)) < 0)
        return code;
    consumer->refs++;
    waits = !rai_client_in_dispatch(call.client); /* else it goes on without us */
    code = rai_consumer_close(consumer->engine, rai_call_now(&call), waits ? &op : NULL, &call.fault);
    if (waits)
        code = rai_call_finish(&call, code, op, RAI_FOREVER);
    rai_consumer_drop(&call, consumer);
    return rai_call_end(&call, code);
}

/* --- receiving ------------------------------------------------------------------------------------------------- */

/* What is there already: RA_RECEIVED, RA_RECEIVED_NONE, or why there will be nothing. */
static int take(struct rai_call *call, ra_consumer *consumer, ra_message **out)
{
    const struct rai_fault *ended;

    *out = rai_consumer_take(consumer->engine, rai_client_epoch_ms(call->client), rai_call_now(call));
    if (*out != NULL)
        return RA_RECEIVED;
    ended = rai_consumer_fault(consumer->engine);
    if (ended->code == RA_OK)
        return RA_RECEIVED_NONE;
    call->fault = *ended;
    return ended->code;
}

/* One forced delivery: the broker says when it has nothing more. That answer is not waited for without limit, as the
 * reference does, but no longer than any other. One that is under way is not asked for again. */
static int force(struct rai_call *call, ra_consumer *consumer, int64_t timeout_ms, int32_t flags)
{
    int64_t until = rai_client_until(call->client, timeout_ms);
    rai_op *op = NULL;
    int code;

    rai_consumer_wait_begin(consumer->engine, rai_call_now(call)); /* with window 0 the broker needs a credit first */
    code = rai_consumer_force(consumer->engine, rai_call_now(call), &op, &call->fault);
    if (code < 0) {
        rai_consumer_wait_end(consumer->engine, rai_call_now(call));
        return code;
    }
    code = rai_client_wait_op(call->client, op, until, flags, &call->fault);
    rai_consumer_wait_end(consumer->engine, rai_call_now(call));
    if (rai_op_outcome(op) != RA_OUTCOME_PENDING)
        code = 0; /* however it ended, take() tells what there is */
    else if (!(flags & RA_WAIT_ASK)) /* else the next call waits for the same answer */
        rai_op_abandon(op, rai_call_now(call));
    rai_op_unref(op);
    return code;
}

static int receive(struct rai_call *call, ra_consumer *consumer, int64_t timeout_ms, int32_t flags, ra_message **out)
{
    int64_t until = rai_client_until(call->client, timeout_ms);
    int64_t answer_ms = rai_client_config(call->client)->call_timeout;
    int code, taken;

    if (flags & RA_WAIT_ASK) {
        answer_ms = timeout_ms;
        timeout_ms = 0;
    }
    while ((code = take(call, consumer, out)) == RA_RECEIVED_NONE) {
        code = timeout_ms != 0 ? rai_client_wait_consumer(call->client, consumer->engine, until, flags, &call->fault)
                               : RA_E_TIMEOUT;
        if (code == RA_EVENTS)
            return RA_RECEIVED_EVENTS;
        if (code == RA_E_TIMEOUT)
            break;
        if (code < 0)
            return code;
    }
    if (code != RA_E_TIMEOUT)
        return code;
    if ((flags & RA_WAIT_QUIET) || !consumer->session->started) /* the broker would not answer before the start */
        return take(call, consumer, out);
    code = force(call, consumer, answer_ms, flags);
    if (code == RA_E_TIMEOUT && !(flags & RA_WAIT_ASK))
        code = 0;
    if (code < 0)
        return code;
    taken = take(call, consumer, out);
    return code == RA_EVENTS && taken == RA_RECEIVED_NONE ? RA_RECEIVED_EVENTS : taken;
}

int ra_consumer_receive(ra_consumer *consumer, int64_t timeout_ms, int32_t flags, ra_message **message_out,
                        ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (message_out != NULL)
        *message_out = NULL;
    if (consumer == NULL)
        return rai_refuse_null("consumer", err);
    if ((code = rai_check_range("flags", flags, 0, RA_WAIT_EVENTS | RA_WAIT_QUIET | RA_WAIT_ASK, err)) < 0)
        return code;
    if (message_out == NULL)
        return rai_refuse_null("message_out", err);
    if ((code = rai_call_begin(&call, consumer->session->connection, err)) < 0)
        return code;
    consumer->refs++;
    code = rai_call_may_wait(&call);
    if (code == 0)
        code = receive(&call, consumer, timeout_ms, flags, message_out);
    rai_consumer_drop(&call, consumer);
    return rai_call_end(&call, code);
}

int32_t ra_consumer_take_many(ra_consumer *consumer, ra_message **messages_out, int32_t max, ra_error **err)
{
    struct rai_call call;
    int32_t taken = 0;
    int code;

    rai_error_begin(err);
    if (consumer == NULL)
        return rai_refuse_null("consumer", err);
    if (messages_out == NULL)
        return rai_refuse_null("messages_out", err);
    if ((code = rai_check_range("max", max, 0, INT32_MAX, err)) < 0)
        return code;
    if ((code = rai_call_begin(&call, consumer->session->connection, err)) < 0)
        return code;
    code = RA_RECEIVED_NONE;
    while (taken < max && (taken == 0 || !messages_out[taken - 1]->streamed) &&
           (code = take(&call, consumer, &messages_out[taken])) == RA_RECEIVED)
        taken++;
    return rai_call_end(&call, taken > 0 || code >= 0 ? taken : code);
}

/* --- acknowledging --------------------------------------------------------------------------------------------- */

static int begin_acknowledge(struct rai_call *call, ra_consumer *consumer, const ra_message *message, ra_error **err)
{
    rai_error_begin(err);
    if (consumer == NULL)
        return rai_refuse_null("consumer", err);
    if (message == NULL)
        return rai_refuse_null("message", err);
    return rai_call_begin(call, consumer->session->connection, err);
}

static int acknowledge(ra_consumer *consumer, const ra_message *message, bool individually, ra_error **err)
{
    struct rai_call call;
    rai_op *op = NULL;
    int code = begin_acknowledge(&call, consumer, message, err);
    bool answer;

    if (code < 0)
        return code;
    consumer->refs++;
    answer = rai_client_config(call.client)->block_on_acknowledge && !rai_client_in_dispatch(call.client);
    code = rai_consumer_acknowledge(consumer->engine, message, individually, rai_call_now(&call), answer ? &op : NULL,
                                    &call.fault);
    if (answer)
        code = rai_call_finish(&call, code, op, RAI_FOREVER);
    rai_consumer_drop(&call, consumer);
    return rai_call_end(&call, code);
}

int ra_consumer_acknowledge(ra_consumer *consumer, const ra_message *message, ra_error **err)
{
    return acknowledge(consumer, message, false, err);
}

int ra_consumer_acknowledge_individually(ra_consumer *consumer, const ra_message *message, ra_error **err)
{
    return acknowledge(consumer, message, true, err);
}

int ra_consumer_acknowledge_begin(ra_consumer *consumer, const ra_message *message, int individually,
                                  ra_operation **operation_out, ra_error **err)
{
    struct rai_call call;
    ra_operation *operation;
    rai_op *op = NULL;
    int code;

    rai_error_begin(err);
    if (operation_out != NULL)
        *operation_out = NULL;
    else if (consumer != NULL)
        return rai_refuse_null("operation_out", err);
    if ((code = begin_acknowledge(&call, consumer, message, err)) < 0)
        return code;
    operation = rai_calloc(1, sizeof *operation);
    code = operation != NULL ? rai_consumer_acknowledge(consumer->engine, message, individually != 0,
                                                        rai_call_now(&call), &op, &call.fault)
                             : rai_call_no_memory(&call);
    code = rai_call_hand_out(&call, code, op, operation, operation_out);
    return rai_call_end(&call, code);
}
