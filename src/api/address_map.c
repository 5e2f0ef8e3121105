#include "api/address_map.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <reattach/error.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/utf.h"

static bool read_port(const char *from, const char *end, uint16_t *out)
{
    unsigned port = 0;

    for (const char *p = from; p < end; p++) {
        if (*p < '0' || *p > '9' || port > UINT16_MAX / 10)
            return false;
        port = port * 10 + (unsigned)(*p - '0');
    }
    *out = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

static bool read_end(const char *from, const char *end, struct rai_endpoint *out)
{
    bool brackets = from < end && *from == '[';
    const char *host = from + brackets, *stop = memchr(host, brackets ? ']' : ':', (size_t)(end - host));

    memset(out, 0, sizeof *out);
    if (stop == NULL && !brackets)
        stop = end;
    if (stop == NULL || stop == host || stop - host >= (ptrdiff_t)sizeof out->host)
        return false;
    memcpy(out->host, host, (size_t)(stop - host));
    stop += brackets;
    return stop == end || (*stop == ':' && read_port(stop + 1, end, &out->port));
}

static bool read_one(const char *from, const char *end, struct rai_address_map *out)
{
    const char *equals = memchr(from, '=', (size_t)(end - from));

    return equals != NULL && read_end(from, equals, &out->from) && read_end(equals + 1, end, &out->to);
}

int rai_address_map_read(const char *text, struct rai_config *config)
{
    if (!rai_utf8_valid(text, strlen(text)))
        return RA_E_OPTION;
    for (const char *from = text; *from != 0;) {
        const char *end = from + strcspn(from, ",");
        size_t count = (size_t)config->address_map_count + 1;
        struct rai_address_map *grown = rai_realloc(config->address_map, count * sizeof *grown);

        if (grown == NULL)
            return RA_E_NO_MEMORY;
        config->address_map = grown;
        if (!read_one(from, end, &grown[count - 1]))
            return RA_E_OPTION;
        config->address_map_count++;
        from = *end == ',' ? end + 1 : end;
    }
    return 0;
}

static size_t print_end(const struct rai_endpoint *end, const char *before, char *out, size_t size)
{
    bool brackets = strchr(end->host, ':') != NULL;
    size_t used = (size_t)snprintf(out, size, brackets ? "%s[%s]" : "%s%s", before, end->host);

    if (end->port != 0)
        used += (size_t)snprintf(used < size ? out + used : NULL, used < size ? size - used : 0, ":%u",
                                 (unsigned)end->port);
    return used;
}

size_t rai_address_map_print(const struct rai_config *config, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%s", "");

    for (int i = 0; i < config->address_map_count; i++) {
        const struct rai_address_map *map = &config->address_map[i];

        used += print_end(&map->from, i > 0 ? "," : "", used < size ? out + used : NULL, used < size ? size - used : 0);
        used += print_end(&map->to, "=", used < size ? out + used : NULL, used < size ? size - used : 0);
    }
    return used;
}
