#include "print.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

bool print_flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    return complain("stdout: %s", strerror(errno));
}

bool print_json(json_t *object)
{
    int rc = json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));

    json_decref(object);
    if (rc == 0)
        putchar('\n');
    return print_flushed();
}

static json_t *base64(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = (size + 2) / 3 * 4;
    char *text = malloc(length + 1);
    json_t *value;

    if (text == NULL)
        return NULL;
    for (size_t i = 0, o = 0; i < size; i += 3, o += 4) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (i + 1 < size ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (i + 2 < size ? bytes[i + 2] : 0);

        text[o] = digits[three >> 18];
        text[o + 1] = digits[three >> 12 & 63];
        text[o + 2] = i + 1 < size ? digits[three >> 6 & 63] : '=';
        text[o + 3] = i + 2 < size ? digits[three & 63] : '=';
    }
    value = json_stringn(text, length);
    free(text);
    return value;
}

/* --- properties ------------------------------------------------------------------------------------------------- */

static json_t *real(double value)
{
    return isfinite(value) ? json_real(value)
                           : json_string(isnan(value) ? "NaN"
                                         : value > 0  ? "Infinity"
                                                      : "-Infinity");
}

static json_t *bytes_value(const ra_message *message, const char *key)
{
    const void *bytes = NULL;
    size_t size = 0;

    ra_message_get_bytes(message, key, &bytes, &size, NULL);
    return base64(bytes, size);
}

static json_t *string_value(ra_message *message, const char *key)
{
    const char *text = "";
    size_t size = 0;

    ra_message_get_string(message, key, &text, &size, NULL);
    return json_stringn(text, size);
}

static json_t *property(ra_message *message, const char *key)
{
    int64_t integer = 0;
    double number = 0;
    uint16_t unit = 0;
    int truth = 0;

    switch (ra_message_property_type(message, key)) {
    case RA_PROPERTY_NULL:
        return json_null();
    case RA_PROPERTY_BOOLEAN:
        ra_message_get_boolean(message, key, &truth, NULL);
        return json_boolean(truth);
    case RA_PROPERTY_BYTE:
    case RA_PROPERTY_SHORT:
    case RA_PROPERTY_INT:
    case RA_PROPERTY_LONG:
        ra_message_get_long(message, key, &integer, NULL);
        return json_integer(integer);
    case RA_PROPERTY_FLOAT:
    case RA_PROPERTY_DOUBLE:
        ra_message_get_double(message, key, &number, NULL);
        return real(number);
    case RA_PROPERTY_CHAR:
        ra_message_get_char(message, key, &unit, NULL);
        return json_integer(unit);
    case RA_PROPERTY_BYTES:
        return bytes_value(message, key);
    default:
        return string_value(message, key);
    }
}

static json_t *properties(ra_message *message)
{
    json_t *object = json_object();
    const char *key;

    for (int32_t i = 0; i < ra_message_property_count(message); i++) {
        if (ra_message_property_key(message, i, &key, NULL) == 0)
            json_object_set_new(object, key, property(message, key));
    }
    return object;
}

/* --- messages --------------------------------------------------------------------------------------------------- */

/* The text of a text message, otherwise the bytes; NULL for the null text. */
static const char *body_of(ra_message *message, size_t *size)
{
    const char *text = NULL;
    const void *bytes = NULL;

    *size = 0;
    if (ra_message_type(message) == RA_MESSAGE_TEXT && ra_message_get_text(message, &text, size, NULL) == 0)
        return text;
    ra_message_get_body(message, &bytes, size, NULL);
    return bytes;
}

static json_t *message_object(ra_message *message)
{
    json_t *object = json_object(), *text;
    const char *address = "", *body;
    size_t size;

    ra_message_get_address(message, &address, NULL);
    json_object_set_new(object, "kind", json_string("message"));
    json_object_set_new(object, "id", json_integer(ra_message_id(message)));
    json_object_set_new(object, "address", json_string(address));
    json_object_set_new(object, "type", json_string(ra_message_type_name(ra_message_type(message))));
    json_object_set_new(object, "durable", json_boolean(ra_message_is_durable(message)));
    json_object_set_new(object, "priority", json_integer(ra_message_priority(message)));
    json_object_set_new(object, "timestamp", json_integer(ra_message_timestamp(message)));
    json_object_set_new(object, "expiration", json_integer(ra_message_expiration(message)));
    json_object_set_new(object, "delivery_count", json_integer(ra_message_delivery_count(message)));
    json_object_set_new(object, "properties", properties(message));
    body = body_of(message, &size);
    text = body == NULL ? json_null() : json_stringn(body, size);
    if (text != NULL)
        json_object_set_new(object, "body", text);
    else
        json_object_set_new(object, "body_base64", base64((const uint8_t *)body, size));
    return object;
}

bool print_message(ra_message *message, bool json)
{
    const char *body;
    size_t size;

    terminal_clear();
    if (json)
        return print_json(message_object(message));
    body = body_of(message, &size);
    if (size > 0)
        fwrite(body, 1, size, stdout);
    putchar('\n');
    return print_flushed();
}
