#ifndef REATTACH_MESSAGE_H
#define REATTACH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include <reattach/error.h>

/*
 * A message: header fields, typed properties, a body. Counted: ra_message_ref / ra_message_unref. A message is not
 * locked: do not change it on one thread while another one uses it. Sending encodes it at once, so it may be changed and
 * sent again when the send has returned.
 */
typedef struct ra_message ra_message;

enum ra_message_type {
    RA_MESSAGE_DEFAULT = 0,
    RA_MESSAGE_OBJECT = 2,
    RA_MESSAGE_TEXT = 3,
    RA_MESSAGE_BYTES = 4,
    RA_MESSAGE_MAP = 5,
    RA_MESSAGE_STREAM = 6
};

enum ra_property_type {
    RA_PROPERTY_NULL = 1,
    RA_PROPERTY_BOOLEAN,
    RA_PROPERTY_BYTE,
    RA_PROPERTY_BYTES,
    RA_PROPERTY_SHORT,
    RA_PROPERTY_INT,
    RA_PROPERTY_LONG,
    RA_PROPERTY_FLOAT,
    RA_PROPERTY_DOUBLE,
    RA_PROPERTY_STRING,
    RA_PROPERTY_CHAR
};

RA_API int ra_message_new(int32_t type, ra_message **message_out, ra_error **err);
RA_API ra_message *ra_message_ref(ra_message *message);
RA_API void ra_message_unref(ra_message *message);

/* Body. Bytes are copied by set and only lent by lend (until the message is changed, sent a last time or unreferenced).
 * Text is UTF-8 and becomes the CORE text body (message type TEXT); NULL is the null text. */
RA_API int ra_message_set_body(ra_message *message, const void *bytes, size_t size, ra_error **err);
RA_API int ra_message_lend_body(ra_message *message, const void *bytes, size_t size, ra_error **err);
RA_API int ra_message_get_body(const ra_message *message, const void **bytes_out, size_t *size_out, ra_error **err);
RA_API int ra_message_set_text(ra_message *message, const char *text, size_t size, ra_error **err);
RA_API int ra_message_get_text(ra_message *message, const char **text_out, size_t *size_out, ra_error **err);

/* Header */
RA_API int32_t ra_message_type(const ra_message *message);
RA_API int ra_message_is_durable(const ra_message *message);
RA_API int ra_message_set_durable(ra_message *message, int durable, ra_error **err);
RA_API int32_t ra_message_priority(const ra_message *message);
RA_API int ra_message_set_priority(ra_message *message, int32_t priority, ra_error **err);
RA_API int64_t ra_message_expiration(const ra_message *message);
RA_API int ra_message_set_expiration(ra_message *message, int64_t epoch_ms, ra_error **err);
RA_API int64_t ra_message_timestamp(const ra_message *message);
RA_API int ra_message_set_timestamp(ra_message *message, int64_t epoch_ms, ra_error **err);
RA_API int ra_message_get_user_id(const ra_message *message, uint8_t id_out[16]);
RA_API int ra_message_set_user_id(ra_message *message, const uint8_t id[16], ra_error **err);
RA_API int ra_message_get_address(ra_message *message, const char **address_out, ra_error **err);
RA_API int64_t ra_message_id(const ra_message *message);
RA_API int32_t ra_message_delivery_count(const ra_message *message);

/* Properties. Keys and strings are UTF-8, sizes in bytes. A set replaces an entry of the same key. */
RA_API int ra_message_set_null(ra_message *message, const char *key, ra_error **err);
RA_API int ra_message_set_boolean(ra_message *message, const char *key, int value, ra_error **err);
RA_API int ra_message_set_byte(ra_message *message, const char *key, int8_t value, ra_error **err);
RA_API int ra_message_set_short(ra_message *message, const char *key, int16_t value, ra_error **err);
RA_API int ra_message_set_int(ra_message *message, const char *key, int32_t value, ra_error **err);
RA_API int ra_message_set_long(ra_message *message, const char *key, int64_t value, ra_error **err);
RA_API int ra_message_set_float(ra_message *message, const char *key, float value, ra_error **err);
RA_API int ra_message_set_double(ra_message *message, const char *key, double value, ra_error **err);
RA_API int ra_message_set_char(ra_message *message, const char *key, uint16_t value, ra_error **err);
RA_API int ra_message_set_string(ra_message *message, const char *key, const char *value, size_t size, ra_error **err);
RA_API int ra_message_set_bytes(ra_message *message, const char *key, const void *value, size_t size, ra_error **err);
RA_API int ra_message_remove_property(ra_message *message, const char *key, ra_error **err);

/* Getting converts between the integer types when the value fits, and from float to double; else RA_E_TYPE. A missing
 * key is RA_E_NOT_FOUND. Strings and bytes are borrowed until the message changes or ends; strings may hold NULs and are
 * terminated by one more. */
RA_API int ra_message_get_boolean(const ra_message *message, const char *key, int *value_out, ra_error **err);
RA_API int ra_message_get_int(const ra_message *message, const char *key, int32_t *value_out, ra_error **err);
RA_API int ra_message_get_long(const ra_message *message, const char *key, int64_t *value_out, ra_error **err);
RA_API int ra_message_get_double(const ra_message *message, const char *key, double *value_out, ra_error **err);
RA_API int ra_message_get_float(const ra_message *message, const char *key, float *value_out, ra_error **err);
RA_API int ra_message_get_char(const ra_message *message, const char *key, uint16_t *value_out, ra_error **err);
RA_API int ra_message_get_string(ra_message *message, const char *key, const char **value_out, size_t *size_out,
                                 ra_error **err);
RA_API int ra_message_get_bytes(const ra_message *message, const char *key, const void **value_out, size_t *size_out,
                                ra_error **err);
/* RA_PROPERTY_..., or RA_E_NOT_FOUND */
RA_API int32_t ra_message_property_type(const ra_message *message, const char *key);
RA_API int32_t ra_message_property_count(const ra_message *message);
RA_API int ra_message_property_key(ra_message *message, int32_t index, const char **key_out, ra_error **err);
RA_API const char *ra_property_type_name(int32_t type);
RA_API const char *ra_message_type_name(int32_t type);

#endif
