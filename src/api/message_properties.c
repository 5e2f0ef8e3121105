/* The typed properties of messages. */
#include <reattach/message.h>

#include <string.h>

#include "api/check.h"
#include "base/utf.h"
#include "codec/properties.h"

#define TYPES(X)          \
    X(NULL, "null")       \
    X(BOOLEAN, "boolean") \
    X(BYTE, "byte")       \
    X(BYTES, "bytes")     \
    X(SHORT, "short")     \
    X(INT, "int")         \
    X(LONG, "long")       \
    X(FLOAT, "float")     \
    X(DOUBLE, "double")   \
    X(STRING, "string")   \
    X(CHAR, "char")

const char *ra_property_type_name(int32_t type)
{
#define NAME(name, text)     \
    case RA_PROPERTY_##name: \
        return text;
    switch (type) {
        TYPES(NAME)
    default:
        return "unknown";
    }
#undef NAME
}

/* The public numbers are the wire's tags, but for null, which must not be the zero of "no type at all". */
static int32_t public_type(int tag)
{
    return tag == RAI_TAG_NULL ? RA_PROPERTY_NULL : tag;
}

static int check_set(const ra_message *message, const char *key, ra_error **err)
{
    rai_error_begin(err);
    return message == NULL ? rai_refuse_null("message", err) : rai_check_name("key", key, err);
}

static int set(ra_message *message, const char *key, const struct rai_value *value, ra_error **err)
{
    struct rai_fault fault;
    int result = check_set(message, key, err);

    if (result < 0) {
        return result;
    }
    result = rai_message_set_property(message, key, value);
    if (result == RA_E_ARGUMENT) {
        rai_fault_set(&fault, result, "the properties of the message become too big");
        return rai_error_out(err, &fault);
    }
    if (result < 0) {
        rai_fault_set(&fault, result, "%s", rai_fault_sentence(result));
        return rai_error_out(err, &fault);
    }
    return RA_OK;
}

/* The low `size` bytes of bits, big-endian */
static int set_scalar(ra_message *message, const char *key, int tag, uint64_t bits, size_t size, ra_error **err)
{
    uint8_t data[8];
    struct rai_writer w = { data, 0 };

    rai_put_i64(&w, (int64_t)bits);
    return set(message, key, &(struct rai_value){ tag, data + sizeof data - size, size }, err);
}

int ra_message_set_null(ra_message *message, const char *key, ra_error **err)
{
    return set_scalar(message, key, RAI_TAG_NULL, 0, 0, err);
}

int ra_message_set_boolean(ra_message *message, const char *key, int value, ra_error **err)
{
    return set_scalar(message, key, RAI_TAG_BOOLEAN, value != 0, 1, err);
}

int ra_message_set_byte(ra_message *message, const char *key, int8_t value, ra_error **err)
{
    return set_scalar(message, key, RAI_TAG_BYTE, (uint64_t)value, 1, err);
}

int ra_message_set_short(ra_message *message, const char *key, int16_t value, ra_error **err)
{
    return set_scalar(message, key, RAI_TAG_SHORT, (uint64_t)value, 2, err);
}

int ra_message_set_int(ra_message *message, const char *key, int32_t value, ra_error **err)
{
    return set_scalar(message, key, RAI_TAG_INT, (uint64_t)value, 4, err);
}

int ra_message_set_long(ra_message *message, const char *key, int64_t value, ra_error **err)
{
    return set_scalar(message, key, RAI_TAG_LONG, (uint64_t)value, 8, err);
}

int ra_message_set_float(ra_message *message, const char *key, float value, ra_error **err)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return set_scalar(message, key, RAI_TAG_FLOAT, bits, 4, err);
}

int ra_message_set_double(ra_message *message, const char *key, double value, ra_error **err)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return set_scalar(message, key, RAI_TAG_DOUBLE, bits, 8, err);
}

int ra_message_set_char(ra_message *message, const char *key, uint16_t value, ra_error **err)
{
    return set_scalar(message, key, RAI_TAG_CHAR, value, 2, err);
}

int ra_message_set_string(ra_message *message, const char *key, const char *value, size_t size, ra_error **err)
{
    rai_error_begin(err);
    if (value == NULL) {
        return rai_refuse_null("value", err);
    }
    if (!rai_utf8_valid(value, size)) {
        struct rai_fault fault;
        rai_fault_set(&fault, RA_E_ARGUMENT, "argument value is not valid UTF-8");
        return rai_error_out(err, &fault);
    }
    return set(message, key, &(struct rai_value){ RAI_TAG_STRING, value, size }, err);
}

int ra_message_set_bytes(ra_message *message, const char *key, const void *value, size_t size, ra_error **err)
{
    rai_error_begin(err);
    if (value == NULL && size > 0) {
        return rai_refuse_null("value", err);
    }
    return set(message, key, &(struct rai_value){ RAI_TAG_BYTES, value, size }, err);
}

static int not_found(const char *key, ra_error **err)
{
    struct rai_fault fault;

    rai_fault_set(&fault, RA_E_NOT_FOUND, "there is no property %s", key);
    return rai_error_out(err, &fault);
}

static int no_memory(ra_error **err)
{
    struct rai_fault fault;

    rai_fault_set(&fault, RA_E_NO_MEMORY, "out of memory");
    return rai_error_out(err, &fault);
}

int ra_message_remove_property(ra_message *message, const char *key, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL || key == NULL) {
        return rai_refuse_null(message == NULL ? "message" : "key", err);
    }
    int result = rai_message_remove_property(message, key);

    return result == RA_E_NOT_FOUND ? not_found(key, err) : result < 0 ? no_memory(err) : RA_OK;
}

static int find(const ra_message *message, const char *key, const void *out, struct rai_property *property,
                ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL || key == NULL || out == NULL) {
        return rai_refuse_null(message == NULL ? "message" : key == NULL ? "key" : "value_out", err);
    }
    return rai_message_find(message, key, property) ? RA_OK : not_found(key, err);
}

static int wrong_type(const struct rai_property *property, const char *key, int32_t wanted, ra_error **err)
{
    struct rai_fault fault;
    int shown = (int)rai_utf8_cut(key, strlen(key), 100);

    rai_fault_set(&fault, RA_E_TYPE, "property %.*s is a %s and cannot be read as %s", shown, key,
                  ra_property_type_name(public_type(property->tag)), ra_property_type_name(wanted));
    return rai_error_out(err, &fault);
}

/* The payload of a scalar as a number without sign */
static uint64_t bits_of(const struct rai_property *property)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < property->value_size; i++) {
        bits = bits << 8 | property->value[i];
    }
    return bits;
}

static int get_integer(const struct rai_property *property, int64_t *value_out)
{
    uint64_t bits;

    switch (property->tag) {
    case RAI_TAG_BYTE:
        *value_out = (int8_t)property->value[0];
        return RA_OK;
    case RAI_TAG_SHORT:
        bits = bits_of(property);
        *value_out = (int16_t)bits;
        return RA_OK;
    case RAI_TAG_INT:
        bits = bits_of(property);
        *value_out = (int32_t)bits;
        return RA_OK;
    case RAI_TAG_LONG:
        *value_out = (int64_t)bits_of(property);
        return RA_OK;
    default:
        return RA_E_TYPE;
    }
}

int ra_message_get_boolean(const ra_message *message, const char *key, int *value_out, ra_error **err)
{
    struct rai_property property;
    int result = find(message, key, value_out, &property, err);

    if (result < 0) {
        return result;
    }
    if (property.tag != RAI_TAG_BOOLEAN) {
        return wrong_type(&property, key, RA_PROPERTY_BOOLEAN, err);
    }
    *value_out = property.value[0] != 0;
    return RA_OK;
}

int ra_message_get_long(const ra_message *message, const char *key, int64_t *value_out, ra_error **err)
{
    struct rai_property property;
    int result = find(message, key, value_out, &property, err);

    if (result == RA_OK && get_integer(&property, value_out) < 0) {
        return wrong_type(&property, key, RA_PROPERTY_LONG, err);
    }
    return result;
}

int ra_message_get_int(const ra_message *message, const char *key, int32_t *value_out, ra_error **err)
{
    struct rai_property property;
    int64_t value;
    int result = find(message, key, value_out, &property, err);

    if (result < 0) {
        return result;
    }
    if (get_integer(&property, &value) < 0 || value < INT32_MIN || value > INT32_MAX) {
        return wrong_type(&property, key, RA_PROPERTY_INT, err);
    }
    *value_out = (int32_t)value;
    return RA_OK;
}

static float float_of(const struct rai_property *property)
{
    uint32_t bits = (uint32_t)bits_of(property);
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

int ra_message_get_double(const ra_message *message, const char *key, double *value_out, ra_error **err)
{
    struct rai_property property;
    int result = find(message, key, value_out, &property, err);

    if (result < 0) {
        return result;
    }
    if (property.tag == RAI_TAG_FLOAT) {
        *value_out = (double)float_of(&property);
        return RA_OK;
    }
    if (property.tag != RAI_TAG_DOUBLE) {
        return wrong_type(&property, key, RA_PROPERTY_DOUBLE, err);
    }
    uint64_t bits = bits_of(&property);

    memcpy(value_out, &bits, sizeof *value_out);
    return RA_OK;
}

int ra_message_get_float(const ra_message *message, const char *key, float *value_out, ra_error **err)
{
    struct rai_property property;
    int result = find(message, key, value_out, &property, err);

    if (result < 0) {
        return result;
    }
    if (property.tag != RAI_TAG_FLOAT) {
        return wrong_type(&property, key, RA_PROPERTY_FLOAT, err);
    }
    *value_out = float_of(&property);
    return RA_OK;
}

int ra_message_get_char(const ra_message *message, const char *key, uint16_t *value_out, ra_error **err)
{
    struct rai_property property;
    int result = find(message, key, value_out, &property, err);

    if (result < 0) {
        return result;
    }
    if (property.tag != RAI_TAG_CHAR) {
        return wrong_type(&property, key, RA_PROPERTY_CHAR, err);
    }
    *value_out = (uint16_t)bits_of(&property);
    return RA_OK;
}

int ra_message_get_string(ra_message *message, const char *key, const char **value_out, size_t *size_out,
                          ra_error **err)
{
    struct rai_property property;
    int result = find(message, key, value_out, &property, err);

    if (result < 0) {
        return result;
    }
    if (property.tag != RAI_TAG_STRING) {
        return wrong_type(&property, key, RA_PROPERTY_STRING, err);
    }
    const struct rai_string *s = rai_message_string(message, (struct rai_sstr){ property.value, property.value_size });

    if (s == NULL) {
        return no_memory(err);
    }
    *value_out = s->data;
    if (size_out != NULL) {
        *size_out = s->size;
    }
    return RA_OK;
}

int ra_message_get_bytes(const ra_message *message, const char *key, const void **value_out, size_t *size_out,
                         ra_error **err)
{
    struct rai_property property;
    int result = find(message, key, size_out == NULL ? NULL : (const void *)value_out, &property, err);

    if (result < 0) {
        return result;
    }
    if (property.tag != RAI_TAG_BYTES) {
        return wrong_type(&property, key, RA_PROPERTY_BYTES, err);
    }
    *value_out = property.value;
    *size_out = property.value_size;
    return RA_OK;
}

int32_t ra_message_property_type(const ra_message *message, const char *key)
{
    struct rai_property property;

    if (message == NULL || key == NULL) {
        return RA_E_ARGUMENT;
    }
    return rai_message_find(message, key, &property) ? public_type(property.tag) : (int32_t)RA_E_NOT_FOUND;
}

int32_t ra_message_property_count(const ra_message *message)
{
    return message == NULL ? (int32_t)RA_E_ARGUMENT : message->property_count;
}

int ra_message_property_key(ra_message *message, int32_t index, const char **key_out, ra_error **err)
{
    rai_error_begin(err);
    if (message == NULL || key_out == NULL) {
        return rai_refuse_null(message == NULL ? "message" : "key_out", err);
    }
    if (index < 0 || index >= message->property_count) {
        struct rai_fault fault;
        rai_fault_set(&fault, RA_E_NOT_FOUND, "there is no property number %d", (int)index);
        return rai_error_out(err, &fault);
    }
    struct rai_reader r = rai_message_properties(message);
    struct rai_property property = { .key = { NULL, 0 } };

    for (int32_t i = 0; i <= index; i++) {
        rai_property_next(&r, &property);
    }
    const struct rai_string *s = rai_message_string(message, property.key);

    if (s == NULL) {
        return no_memory(err);
    }
    *key_out = s->data;
    return RA_OK;
}
