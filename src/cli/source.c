#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "properties.h"
#include "terminal.h"

enum { DEFAULT_SIZE = 100, CHUNK = 64 * 1024, MOST = 100 << 20 };

static bool grow(struct source *s)
{
    size_t room = s->room == 0 ? CHUNK : s->room * 2;
    char *buffer;

    if (s->room - s->used >= CHUNK / 2)
        return true;
    if (s->used > MOST)
        return complain("more than %d bytes in one message", MOST);
    buffer = realloc(s->buffer, room);
    if (buffer == NULL)
        return complain("out of memory");
    s->buffer = buffer;
    s->room = room;
    return true;
}

/* Appends what can be read; false after a complaint. */
static bool fill(struct source *s, int descriptor, const char *name)
{
    ssize_t n;

    if (!grow(s))
        return false;
    n = read(descriptor, s->buffer + s->used, s->room - s->used);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        return complain("%s: %s", name, strerror(errno));
    s->ended = n == 0;
    s->used += n > 0 ? (size_t)n : 0;
    return true;
}

static bool read_file(struct source *s, const char *name)
{
    bool is_stdin = strcmp(name, "-") == 0, good = true;
    int descriptor = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);

    if (descriptor < 0)
        return complain("--file: %s: %s", name, strerror(errno));
    while (good && !s->ended)
        good = fill(s, descriptor, is_stdin ? "stdin" : name);
    if (!is_stdin)
        close(descriptor);
    return good;
}

static int set_body(struct source *s, int type, const char *bytes, size_t size)
{
    ra_error *err = NULL;
    int rc = type == RA_MESSAGE_TEXT ? ra_message_set_text(s->message, bytes, size, &err)
                                     : ra_message_set_body(s->message, bytes, size, &err);

    if (rc == 0)
        return EXIT_WELL;
    complain("%s", ra_error_message(err));
    ra_error_free(err);
    return EXIT_USAGE;
}

static int make_filler(struct source *s, int64_t size)
{
    s->buffer = calloc(1, (size_t)size + 1);
    if (s->buffer == NULL) {
        complain("out of memory");
        return EXIT_LEFT;
    }
    return set_body(s, RA_MESSAGE_BYTES, s->buffer, (size_t)size);
}

static bool one_source(const struct settings *settings)
{
    int given = (settings->body != NULL) + (settings->file != NULL) + settings->lines + (settings->size >= 0);

    if (given > 1)
        return complain("--body, --file, --lines and --size exclude each other");
    if (given == 0 && settings->count == 0)
        return complain("what is to be sent? Give --body, --file, --lines, --size, or --count for messages of %d bytes",
                        DEFAULT_SIZE);
    return true;
}

static int new_message(struct source *s, const struct settings *settings)
{
    bool text = settings->body != NULL || settings->lines;
    ra_error *err = NULL;
    int rc = ra_message_new(text ? RA_MESSAGE_TEXT : RA_MESSAGE_BYTES, &s->message, &err);

    if (rc == 0)
        rc = ra_message_set_durable(s->message, settings->durable, &err);
    for (int i = 0; rc == 0 && i < settings->properties.count; i++)
        rc = property_set(s->message, settings->properties.items[i], &err);
    if (err != NULL)
        complain("%s", ra_error_message(err));
    ra_error_free(err);
    return rc == 0 ? EXIT_WELL : EXIT_USAGE;
}

int source_open(struct source *s, const struct settings *settings)
{
    int status = EXIT_USAGE;

    *s = (struct source){ .lines = settings->lines, .count = settings->count > 0 ? settings->count : 1 };
    if (settings->lines && settings->count == 0)
        s->count = -1;
    if (!one_source(settings))
        return EXIT_USAGE;
    status = new_message(s, settings);
    if (status != EXIT_WELL)
        return status;
    if (settings->body != NULL)
        return set_body(s, RA_MESSAGE_TEXT, settings->body, strlen(settings->body));
    if (settings->lines)
        return EXIT_WELL;
    if (settings->file == NULL)
        return make_filler(s, settings->size >= 0 ? settings->size : DEFAULT_SIZE);
    if (!read_file(s, settings->file))
        return EXIT_USAGE;
    return set_body(s, RA_MESSAGE_BYTES, s->buffer, s->used);
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static bool readable(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

    return poll(&input, 1, 0) > 0;
}

/* The line up to here, and the newline behind it if there is one. */
static int take_line(struct source *s, const char *end)
{
    const char *line = s->buffer + s->taken;
    size_t size = (size_t)(end - line);

    s->taken += size + (end < s->buffer + s->used);
    if (size > 0 && line[size - 1] == '\r')
        size--;
    return set_body(s, RA_MESSAGE_TEXT, line, size) == EXIT_WELL ? SOURCE_READY : SOURCE_FAILED;
}

static int next_line(struct source *s)
{
    for (;;) {
        size_t left = s->used - s->taken;
        const char *end = left > 0 ? memchr(s->buffer + s->taken, '\n', left) : NULL;

        if (end != NULL)
            return take_line(s, end);
        if (s->ended)
            return left > 0 ? take_line(s, s->buffer + s->used) : SOURCE_END;
        if (s->taken > 0)
            memmove(s->buffer, s->buffer + s->taken, left);
        s->used = left;
        s->taken = 0;
        if (!readable())
            return SOURCE_WAIT;
        if (!fill(s, STDIN_FILENO, "stdin"))
            return SOURCE_FAILED;
    }
}

int source_next(struct source *s, int64_t number)
{
    if (s->count >= 0 && number >= s->count)
        return SOURCE_END;
    if (!s->lines)
        return SOURCE_READY;
    return next_line(s);
}

void source_close(struct source *s)
{
    ra_message_unref(s->message);
    free(s->buffer);
}
