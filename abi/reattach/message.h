#ifndef REATTACH_MESSAGE_H
#define REATTACH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include <reattach/error.h>

/*
 * A message: header fields, typed properties, a body.
 *
 * Life. Counted: ra_message_new() and receiving give one reference, ra_message_ref() takes another,
 * ra_message_unref() gives one back. Sending encodes a message at once, so it may be changed and sent again
 * when the send has returned. A received message is the caller's, independent of its session's fate; only
 * acknowledging it needs its session alive.
 *
 * Errors. A missing property is RA_E_NOT_FOUND, one of another type RA_E_TYPE. Getters without an error
 * parameter return RA_E_ARGUMENT or, where any number could be a value, 0 for a NULL message.
 *
 * Threads. A message is not locked: do not change it on one thread while another one uses it. Counting
 * references is safe from any thread. Functions that take a message that is not const may keep decoded texts
 * in it and count as changes.
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

/* A new, empty message: not durable, priority 4, no expiration; type is RA_MESSAGE_...
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *message_out belongs to the caller (ra_message_unref)
 * Errors:  RA_E_NO_MEMORY
 * Since:   1.0
 */
RA_API int ra_message_new(int32_t type, ra_message **message_out, ra_error **err);

/* Takes one more reference and returns the message. NULL is fine.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    the reference belongs to the caller (ra_message_unref)
 * Errors:  none
 * Since:   1.0
 */
RA_API ra_message *ra_message_ref(ra_message *message);

/* Gives one reference back; the last one ends the message. NULL is fine.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    takes the reference; with the last one all that was borrowed from the message
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_message_unref(ra_message *message);

/* --- body
 * -------------------------------------------------------------------------------------------------------- */

/* Copies the bytes and makes them the body. size in bytes; bytes may be NULL if it is 0.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing: the bytes are copied
 * Errors:  RA_E_NO_MEMORY
 * Since:   1.0
 */
RA_API int ra_message_set_body(ra_message *message, const void *bytes, size_t size, ra_error **err);

/* Makes the bytes the body without copying them: they must stay as they are until the message gets another
 * body, was sent for the last time, or ends.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    the bytes stay the caller's and are lent
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_message_lend_body(ra_message *message, const void *bytes, size_t size, ra_error **err);

/* The body as it is on the wire (of a text message: not the text, see below). *bytes_out is never NULL.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing: borrowed until the message changes or ends
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_message_get_body(const ra_message *message, const void **bytes_out, size_t *size_out, ra_error **err);

/* Makes a text the body and the type RA_MESSAGE_TEXT. UTF-8, size in bytes (zero bytes may be in it); NULL is
 * the null text.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing: the text is copied
 * Errors:  RA_E_NO_MEMORY
 * Since:   1.0
 */
RA_API int ra_message_set_text(ra_message *message, const char *text, size_t size, ra_error **err);

/* The text of a text message as UTF-8, followed by a zero byte that is not counted; *text_out is NULL for the
 * null text. size_out may be NULL.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing: borrowed until the message changes or ends
 * Errors:  RA_E_TYPE
 * Since:   1.0
 */
RA_API int ra_message_get_text(ra_message *message, const char **text_out, size_t *size_out, ra_error **err);

/* --- header
 * ------------------------------------------------------------------------------------------------------ */

/* RA_MESSAGE_... as a number (the broker may know more types than these); RA_E_ARGUMENT for NULL.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int32_t ra_message_type(const ra_message *message);

/* "default", "object", "text", "bytes", "map", "stream"; "unknown" for other numbers.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is a constant
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_message_type_name(int32_t type);

/* 1 when the broker keeps the message on disk (in a durable queue), else 0, also for NULL.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_message_is_durable(const ra_message *message);

/* durable: true or false.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_message_set_durable(ra_message *message, int durable, ra_error **err);

/* 0 to 9, higher is delivered earlier; RA_E_ARGUMENT for NULL.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int32_t ra_message_priority(const ra_message *message);

/* priority: 0 to 9.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_ARGUMENT when out of range
 * Since:   1.0
 */
RA_API int ra_message_set_priority(ra_message *message, int32_t priority, ra_error **err);

/* Milliseconds since 1970 (UTC): when it expires, 0 for never; when it was made (by ra_message_new(), or what
 * the sender has set), 0 when that is not known. 0 for NULL.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int64_t ra_message_expiration(const ra_message *message);
RA_API int64_t ra_message_timestamp(const ra_message *message);

/* The same, to be set: not negative.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_ARGUMENT when negative
 * Since:   1.0
 */
RA_API int ra_message_set_expiration(ra_message *message, int64_t epoch_ms, ra_error **err);
RA_API int ra_message_set_timestamp(ra_message *message, int64_t epoch_ms, ra_error **err);

/* Copies the 16 bytes of the user id. 0, RA_E_NOT_FOUND when there is none, RA_E_ARGUMENT for NULL.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing: id_out is the caller's
 * Errors:  RA_E_NOT_FOUND
 * Since:   1.0
 */
RA_API int ra_message_get_user_id(const ra_message *message, uint8_t id_out[16]);

/* Sets the user id to these 16 bytes; NULL takes it away.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing: the bytes are copied
 * Errors:  none
 * Since:   1.0
 */
RA_API int ra_message_set_user_id(ra_message *message, const uint8_t id[16], ra_error **err);

/* The address that a received message was sent to, UTF-8; empty for a message that was not received.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing: borrowed until the message ends
 * Errors:  RA_E_NO_MEMORY
 * Since:   1.0
 */
RA_API int ra_message_get_address(ra_message *message, const char **address_out, ra_error **err);

/* Of a received message: the broker's id for it, and how often it was delivered, this time included. 0 for a
 * message that was not received; for NULL 0 and RA_E_ARGUMENT.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int64_t ra_message_id(const ra_message *message);
RA_API int32_t ra_message_delivery_count(const ra_message *message);

/* --- properties
 * -------------------------------------------------------------------------------------------------- */

/* Sets a property of one of the protocol's types; an entry of the same key is replaced. Keys are UTF-8 and
 * not empty. char is one UTF-16 code unit, as in Java. Sizes are in bytes: strings are UTF-8 and may hold
 * zero bytes, a NULL value is fine if its size is 0.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing: keys and values are copied
 * Errors:  RA_E_NO_MEMORY
 * Since:   1.0
 */
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

/* Takes a property away.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_NOT_FOUND, RA_E_NO_MEMORY
 * Since:   1.0
 */
RA_API int ra_message_remove_property(ra_message *message, const char *key, ra_error **err);

/* Reads a property. The integer types are converted into each other when the value fits, and float to double;
 * anything else is RA_E_TYPE.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_NOT_FOUND, RA_E_TYPE
 * Since:   1.0
 */
RA_API int ra_message_get_boolean(const ra_message *message, const char *key, int *value_out, ra_error **err);
RA_API int ra_message_get_int(const ra_message *message, const char *key, int32_t *value_out, ra_error **err);
RA_API int ra_message_get_long(const ra_message *message, const char *key, int64_t *value_out, ra_error **err);
RA_API int ra_message_get_double(const ra_message *message, const char *key, double *value_out, ra_error **err);
RA_API int ra_message_get_float(const ra_message *message, const char *key, float *value_out, ra_error **err);
RA_API int ra_message_get_char(const ra_message *message, const char *key, uint16_t *value_out, ra_error **err);

/* Reads a property of the types string and bytes. Strings are UTF-8, may hold zero bytes and are followed by
 * one more that is not counted. size_out may be NULL for strings.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing: borrowed until the message changes or ends
 * Errors:  RA_E_NOT_FOUND, RA_E_TYPE, RA_E_NO_MEMORY
 * Since:   1.0
 */
RA_API int ra_message_get_string(ra_message *message, const char *key, const char **value_out, size_t *size_out,
                                 ra_error **err);
RA_API int ra_message_get_bytes(const ra_message *message, const char *key, const void **value_out, size_t *size_out,
                                ra_error **err);

/* RA_PROPERTY_..., or RA_E_NOT_FOUND, or RA_E_ARGUMENT.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_NOT_FOUND
 * Since:   1.0
 */
RA_API int32_t ra_message_property_type(const ra_message *message, const char *key);

/* How many properties there are; RA_E_ARGUMENT for NULL.
 *
 * Thread:  any thread while nobody changes the message
 * Blocks:  no
 * Owns:    nothing
 * Errors:  none
 * Since:   1.0
 */
RA_API int32_t ra_message_property_count(const ra_message *message);

/* The key of one of them, index from 0.
 *
 * Thread:  one thread at a time per message
 * Blocks:  no
 * Owns:    nothing: borrowed until the message changes or ends
 * Errors:  RA_E_NOT_FOUND behind the last one
 * Since:   1.0
 */
RA_API int ra_message_property_key(ra_message *message, int32_t index, const char **key_out, ra_error **err);

/* "null", "boolean", "byte", ...; "unknown" for other numbers.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is a constant
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_property_type_name(int32_t type);

#endif
