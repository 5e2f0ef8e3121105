/* --property KEY[:TYPE]=VALUE */
#include "properties.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "terminal.h"

#define TYPES "string|boolean|byte|short|int|long|float|double"

static bool integer(const char *text, const char *value, int64_t min, int64_t max, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(value, &end, 10);
    if (end != value && *end == '\0' && errno == 0 && *out >= min && *out <= max)
        return true;
    return complain("--property: %s: \"%s\" is not acceptable; a whole number from %lld to %lld is", text, value,
                    (long long)min, (long long)max);
}

static bool number(const char *text, const char *value, double *out)
{
    char *end;

    *out = strtod(value, &end);
    if (end != value && *end == '\0')
        return true;
    return complain("--property: %s: \"%s\" is not a number", text, value);
}

static int set_integer(ra_message *message, const char *text, const char *key, const char *type, const char *value,
                       ra_error **err)
{
    static const struct {
        const char *name;
        int64_t min, max;
    } types[] = { { "byte", INT8_MIN, INT8_MAX },
                  { "short", INT16_MIN, INT16_MAX },
                  { "int", INT32_MIN, INT32_MAX },
                  { "long", INT64_MIN, INT64_MAX } };
    size_t i = 0;
    int64_t n;

    while (strcmp(types[i].name, type) != 0)
        i++;
    if (!integer(text, value, types[i].min, types[i].max, &n))
        return 1;
    switch (i) {
    case 0:
        return ra_message_set_byte(message, key, (int8_t)n, err);
    case 1:
        return ra_message_set_short(message, key, (int16_t)n, err);
    case 2:
        return ra_message_set_int(message, key, (int32_t)n, err);
    default:
        return ra_message_set_long(message, key, n, err);
    }
}

static int set_typed(ra_message *message, const char *text, const char *key, const char *type, const char *value,
                     ra_error **err)
{
    char near[64];
    double n;

    if (strcmp(type, "string") == 0)
        return ra_message_set_string(message, key, value, strlen(value), err);
    if (strcmp(type, "boolean") == 0) {
        if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
            return ra_message_set_boolean(message, key, value[0] == 't', err);
        return complain("--property: %s: \"%s\" is not true or false", text, value) ? 0 : 1;
    }
    if (strcmp(type, "float") == 0)
        return number(text, value, &n) ? ra_message_set_float(message, key, (float)n, err) : 1;
    if (strcmp(type, "double") == 0)
        return number(text, value, &n) ? ra_message_set_double(message, key, n, err) : 1;
    if (strcmp(type, "byte") == 0 || strcmp(type, "short") == 0 || strcmp(type, "int") == 0 ||
        strcmp(type, "long") == 0)
        return set_integer(message, text, key, type, value, err);
    if (nearest(type, TYPES, near) != NULL)
        complain("--property: %s: \"%s\" is no type; the nearest one is %s (a key with a colon: KEY:string=VALUE)",
                 text, type, near);
    else
        complain("--property: %s: \"%s\" is not one of %s (a key with a colon: KEY:string=VALUE)", text, type, TYPES);
    return 1;
}

int property_set(ra_message *message, const char *text, ra_error **err)
{
    char key[256], *type;
    const char *value = strchr(text, '=');
    size_t size = value != NULL ? (size_t)(value - text) : 0;

    if (size == 0 || size >= sizeof key) {
        complain("--property: \"%s\" is not acceptable; KEY=VALUE or KEY:TYPE=VALUE is, with a key of 1 to %zu bytes",
                 text, sizeof key - 1);
        return 1;
    }
    memcpy(key, text, size);
    key[size] = '\0';
    type = strrchr(key, ':');
    if (type != NULL)
        *type++ = '\0';
    if (key[0] == '\0') {
        complain("--property: \"%s\": the key is empty", text);
        return 1;
    }
    if (strcmp(key, "seq") == 0) {
        complain("--property: seq is the number of the message, send sets it itself");
        return 1;
    }
    return set_typed(message, text, key, type != NULL ? type : "string", value + 1, err);
}
