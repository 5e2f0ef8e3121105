#include "wire_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct bytes bytes_of(const char *hex)
{
    uint8_t *data = malloc(strlen(hex) / 2 + 1);
    size_t digits = 0;

    for (; *hex != '\0'; hex++) {
        if (digit(*hex) >= 0) {
            int high = digits % 2 == 0 ? 0 : data[digits / 2] << 4;
            data[digits / 2] = (uint8_t)(high | digit(*hex));
            digits++;
        }
    }
    struct bytes exact = bytes_copy(data, digits / 2);
    free(data);
    return exact;
}

struct bytes bytes_copy(const uint8_t *data, size_t size)
{
    struct bytes b = { malloc(size == 0 ? 1 : size), size };

    memcpy(b.data, data, size);
    return b;
}

void bytes_free(struct bytes b)
{
    free(b.data);
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

char *bytes_hex(struct bytes b)
{
    char *text = malloc(2 * b.size + 1);

    text[0] = '\0';
    for (size_t i = 0; i < b.size; i++) {
        snprintf(text + 2 * i, 3, "%02x", b.data[i]);
    }
    return text;
}

struct rai_frame frame_of(struct bytes b)
{
    struct rai_frame f = { .type = 127 };
    size_t need = 0;

    if (rai_frame_next(b.data, b.size, &f, &need) != 1 || f.size != b.size) {
        fprintf(stderr, "not one frame: %zu bytes\n", b.size);
        abort();
    }
    return f;
}

struct rai_reader reader_of(struct bytes b)
{
    return (struct rai_reader){ b.data, b.data + b.size, false };
}
