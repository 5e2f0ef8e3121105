/* Messages: life, body and header. Their properties are in message_properties.c. */
#include <reattach/message.h>

#include <string.h>

#include "api/check.h"
#include "base/utf.h"
#include "client/sys.h"
#include "codec/message.h"

#define TYPES(X)          \
    X(DEFAULT, "default") \
    X(OBJECT, "object")   \
    X(TEXT, "text")       \
    X(BYTES, "bytes")     \
    X(MAP, "map")         \
    X(STREAM, "stream")

const char *ra_message_type_name(int32_t type)
{
#define NAME(name, text)    \
    case RA_MESSAGE_##name: \
        return text;
    switch (type) {
        TYPES(NAME)
    default:
        return "unknown";
    }
#undef NAME
}

static bool known_type(int32_t type)
{
#define CASE(name, text) case RA_MESSAGE_##name:
    switch (type) {
        TYPES(CASE)
        return true;
    default:
        return false;
    }
#undef CASE
}

static int refuse(int32_t code, const char *text, ra_error **err)
{
    struct rai_fault fault;

    rai_fault_set(&fault, code, "%s", text);
    return rai_error_out(err, &fault);
}

/* What the codec says about a change is 0 or one code without a story. */
static int result_of(int code, ra_error **err)
{
    return code == RA_OK ? RA_OK : refuse(code, rai_fault_sentence(code), err);
}

int ra_message_new(int32_t type, ra_message **message_out, ra_error **err)
{
    rai_error_begin(err);
    if (message_out == NULL) {
        return rai_refuse_null("message_out", err);
    }
    *message_out = NULL;
    if (!known_type(type)) {
        return refuse(RA_E_ARGUMENT, "argument type is not one of RA_MESSAGE_...", err);
    }
    *message_out = rai_message_new(type);
    if (*message_out == NULL) {
        return result_of(RA_E_NO_MEMORY, err);
    }
    (*message_out)->timestamp = rai_sys_default.epoch_ms(NULL);
    return RA_OK;
}

ra_message *ra_message_ref(ra_message *message)
{
    return message == NULL ? NULL : rai_message_ref(message);
}

void ra_message_unref(ra_message *message)
{
    rai_message_unref(message);
}

static int check_bytes(const ra_message *message, const void *bytes, size_t size, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL) {
        return rai_refuse_null("message", err);
    }
    return bytes == NULL && size > 0 ? rai_refuse_null("bytes", err) : RA_OK;
}

int ra_message_set_body(ra_message *message, const void *bytes, size_t size, ra_error **err)
{
    int result = check_bytes(message, bytes, size, err);

    return result < 0 ? result : result_of(rai_message_set_body(message, bytes, size), err);
}

int ra_message_lend_body(ra_message *message, const void *bytes, size_t size, ra_error **err)
{
    int result = check_bytes(message, bytes, size, err);

    if (result == RA_OK) {
        rai_message_lend_body(message, bytes, size);
    }
    return result;
}

int ra_message_get_body(const ra_message *message, const void **bytes_out, size_t *size_out, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL || bytes_out == NULL || size_out == NULL) {
        return rai_refuse_null(message == NULL ? "message" : bytes_out == NULL ? "bytes_out" : "size_out", err);
    }
    *bytes_out = message->body_size > 0 ? message->body : (const void *)"";
    *size_out = message->body_size;
    return RA_OK;
}

int ra_message_set_text(ra_message *message, const char *text, size_t size, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL) {
        return rai_refuse_null("message", err);
    }
    if (text != NULL && size > INT32_MAX / 2) { /* its length in UTF-16 is an int on the wire */
        return refuse(RA_E_ARGUMENT, "argument text is too long", err);
    }
    if (text != NULL && !rai_utf8_valid(text, size)) {
        return refuse(RA_E_ARGUMENT, "argument text is not valid UTF-8", err);
    }
    return result_of(rai_message_set_text(message, text, size), err);
}

int ra_message_get_text(ra_message *message, const char **text_out, size_t *size_out, ra_error **err)
{
    size_t size;

    rai_error_begin(err);
    if (message == NULL || text_out == NULL) {
        return rai_refuse_null(message == NULL ? "message" : "text_out", err);
    }
    int result = rai_message_text(message, text_out, size_out == NULL ? &size : size_out);

    return result == RA_E_TYPE ? refuse(result, "the body is not a text", err) : result_of(result, err);
}

int32_t ra_message_type(const ra_message *message)
{
    return message == NULL ? RA_E_ARGUMENT : message->type;
}

int ra_message_is_durable(const ra_message *message)
{
    return message != NULL && message->durable;
}

int ra_message_set_durable(ra_message *message, int durable, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL) {
        return rai_refuse_null("message", err);
    }
    message->durable = durable != 0;
    return RA_OK;
}

int32_t ra_message_priority(const ra_message *message)
{
    return message == NULL ? RA_E_ARGUMENT : message->priority;
}

int ra_message_set_priority(ra_message *message, int32_t priority, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL) {
        return rai_refuse_null("message", err);
    }
    int result = rai_check_range("priority", priority, 0, 9, err);

    if (result == RA_OK) {
        message->priority = (int8_t)priority;
    }
    return result;
}

int64_t ra_message_expiration(const ra_message *message)
{
    return message == NULL ? 0 : message->expiration;
}

static int set_time(ra_message *message, int64_t *field, int64_t epoch_ms, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL) {
        return rai_refuse_null("message", err);
    }
    int result = rai_check_range("epoch_ms", epoch_ms, 0, INT64_MAX, err);

    if (result == RA_OK) {
        *field = epoch_ms;
    }
    return result;
}

int ra_message_set_expiration(ra_message *message, int64_t epoch_ms, ra_error **err)
{
    return set_time(message, message == NULL ? NULL : &message->expiration, epoch_ms, err);
}

int64_t ra_message_timestamp(const ra_message *message)
{
    return message == NULL ? 0 : message->timestamp;
}

int ra_message_set_timestamp(ra_message *message, int64_t epoch_ms, ra_error **err)
{
    return set_time(message, message == NULL ? NULL : &message->timestamp, epoch_ms, err);
}

int ra_message_get_user_id(const ra_message *message, uint8_t id_out[16])
{
    if (message == NULL || id_out == NULL) {
        return RA_E_ARGUMENT;
    }
    if (!message->has_user_id) {
        return RA_E_NOT_FOUND;
    }
    memcpy(id_out, message->user_id, sizeof message->user_id);
    return RA_OK;
}

int ra_message_set_user_id(ra_message *message, const uint8_t id[16], ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL) {
        return rai_refuse_null("message", err);
    }
    message->has_user_id = id != NULL; /* NULL takes it away */
    if (id != NULL) {
        memmove(message->user_id, id, sizeof message->user_id);
    }
    return RA_OK;
}

int ra_message_get_address(ra_message *message, const char **address_out, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL || address_out == NULL) {
        return rai_refuse_null(message == NULL ? "message" : "address_out", err);
    }
    return result_of(rai_message_address(message, address_out), err);
}

int64_t ra_message_id(const ra_message *message)
{
    return message == NULL ? 0 : message->id;
}

int32_t ra_message_delivery_count(const ra_message *message)
{
    return message == NULL ? RA_E_ARGUMENT : message->delivery_count;
}
