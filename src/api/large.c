/* Large messages: bodies that are written and read in pieces. */
#include <reattach/large.h>

#include <string.h>

#include "api/check.h"
#include "api/handle.h"
#include "base/alloc.h"

/* --- writing --------------------------------------------------------------------------------------------------- */

int ra_producer_start_large(ra_producer *producer, const char *address, ra_message *message, int64_t timeout_ms,
                            ra_error **err)
{
    struct rai_call call;
    int code = rai_send_enter(&call, producer, address, message, err);

    if (code < 0)
        return code;
    producer->refs++;
    do {
        code = rai_producer_start_large(producer->engine, address, message, rai_call_now(&call), &call.fault);
    } while (code == RA_E_WOULD_BLOCK && (code = rai_send_wait_room(&call, producer, timeout_ms)) == 0);
    if (code == 0)
        producer->large_durable = message->durable;
    rai_producer_drop(&call, producer);
    return rai_call_end(&call, code);
}

static int enter(struct rai_call *call, ra_producer *producer, ra_error **err)
{
    rai_error_begin(err);
    return producer == NULL ? rai_refuse_null("producer", err)
                            : rai_call_begin(call, producer->session->connection, err);
}

static int write_all(struct rai_call *call, ra_producer *producer, const uint8_t *bytes, size_t size,
                     int64_t timeout_ms, size_t *written)
{
    int64_t n = 0;

    while (*written < size) {
        n = rai_producer_write_large(producer->engine, bytes + *written, size - *written, rai_call_now(call),
                                     &call->fault);
        if (n > 0)
            *written += (size_t)n;
        else if (n != RA_E_WOULD_BLOCK || (n = rai_send_wait_room(call, producer, timeout_ms)) < 0)
            return (int)n;
    }
    return 0;
}

int ra_producer_write_large(ra_producer *producer, const void *bytes, size_t size, int64_t timeout_ms,
                            size_t *written_out, ra_error **err)
{
    struct rai_call call;
    int code;

    if (written_out != NULL)
        *written_out = 0;
    else
        return rai_refuse_null("written_out", err);
    if (bytes == NULL && size > 0)
        return rai_refuse_null("bytes", err);
    if ((code = enter(&call, producer, err)) < 0)
        return code;
    producer->refs++;
    code = write_all(&call, producer, bytes, size, timeout_ms, written_out);
    rai_producer_drop(&call, producer);
    return rai_call_end(&call, code);
}

int ra_producer_finish_large(ra_producer *producer, ra_error **err)
{
    struct rai_call call;
    rai_op *op = NULL;
    int code = enter(&call, producer, err);
    bool answer;

    if (code < 0)
        return code;
    producer->refs++;
    answer = rai_send_wants_answer(&call, producer, producer->large_durable);
    code = answer ? rai_send_may_wait(&call) : 0;
    while (code == 0) {
        code = rai_producer_finish_large(producer->engine, answer ? RAI_SEND_OP : RAI_SEND_FORGET, rai_call_now(&call),
                                         answer ? &op : NULL, &call.fault);
        if (code != RA_E_WOULD_BLOCK)
            break;
        code = rai_send_wait_room(&call, producer, -1);
    }
    if (answer)
        code = rai_call_finish(&call, code, op, RAI_FOREVER);
    rai_producer_drop(&call, producer);
    return rai_call_end(&call, code);
}

int ra_producer_finish_large_begin(ra_producer *producer, ra_operation **operation_out, ra_error **err)
{
    struct rai_call call;
    ra_operation *operation;
    rai_op *op = NULL;
    int code;

    if (operation_out == NULL)
        return rai_refuse_null("operation_out", err);
    *operation_out = NULL;
    if ((code = enter(&call, producer, err)) < 0)
        return code;
    operation = rai_calloc(1, sizeof *operation);
    code = operation != NULL ? rai_producer_finish_large(producer->engine, RAI_SEND_OP, rai_call_now(&call), &op,
                                                         &call.fault)
                             : rai_call_no_memory(&call);
    code = rai_call_hand_out(&call, code, op, operation, operation_out);
    return rai_call_end(&call, code);
}

int ra_producer_cancel_large(ra_producer *producer, ra_error **err)
{
    struct rai_call call;
    int code = enter(&call, producer, err);

    if (code < 0)
        return code;
    rai_producer_cancel_large(producer->engine);
    return rai_call_end(&call, 0);
}

/* --- reading --------------------------------------------------------------------------------------------------- */

int64_t ra_message_large_size(const ra_message *message)
{
    if (message == NULL)
        return RA_E_ARGUMENT;
    return message->streamed ? message->large_size : -1;
}

/* What came with its message. */
static size_t read_here(ra_message *message, void *buffer, size_t room)
{
    size_t left = message->body_size - message->body_read, size = left < room ? left : room;

    if (size > 0)
        memcpy(buffer, message->body + message->body_read, size);
    message->body_read += size;
    return size;
}

static int read_there(struct rai_call *call, ra_consumer *consumer, const ra_message *message, void *buffer, size_t room,
                      int64_t timeout_ms, int32_t flags, size_t *size)
{
    int64_t until = rai_client_until(call->client, timeout_ms);

    for (;;) {
        int64_t n = rai_consumer_read(consumer->engine, message, buffer, room, rai_call_now(call), &call->fault);
        int code = (int)n;

        if (n >= 0) {
            *size = (size_t)n;
            return 0;
        }
        if (n == RA_E_WOULD_BLOCK)
            code = rai_client_wait_body(call->client, consumer->engine, until, flags, &call->fault);
        if (code != 0)
            return code;
    }
}

int ra_consumer_read_body(ra_consumer *consumer, ra_message *message, void *buffer, size_t room, int64_t timeout_ms,
                          int32_t flags, size_t *size_out, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (size_out == NULL)
        return rai_refuse_null("size_out", err);
    *size_out = 0;
    if (consumer == NULL)
        return rai_refuse_null("consumer", err);
    if (message == NULL)
        return rai_refuse_null("message", err);
    if (buffer == NULL && room > 0)
        return rai_refuse_null("buffer", err);
    if ((code = rai_check_range("flags", flags, 0, RA_WAIT_EVENTS, err)) < 0)
        return code;
    if (!message->streamed) {
        *size_out = read_here(message, buffer, room);
        return 0;
    }
    if ((code = rai_call_begin(&call, consumer->session->connection, err)) < 0)
        return code;
    consumer->refs++;
    code = read_there(&call, consumer, message, buffer, room, timeout_ms, flags, size_out);
    rai_consumer_drop(&call, consumer);
    return rai_call_end(&call, code);
}
