/* Reads the command line by the tables. Each complaint names the flag, what came, and what was expected. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

enum { NAME_MOST = 63, FAR = 3 };

/* Letters to change, leave out, put in, or exchange with their neighbour. */
static int distance(const char *a, size_t n, const char *b, size_t m)
{
    int d[NAME_MOST + 1][NAME_MOST + 1];

    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            int best = (int)(i > j ? i : j);

            if (i > 0 && j > 0) {
                best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
                best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
                best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                    best = d[i - 2][j - 2] + 1;
            }
            d[i][j] = best;
        }
    }
    return d[n][m];
}

const char *nearest(const char *word, const char *list, char out[64])
{
    size_t size = strlen(word), length;
    int best = FAR;

    out[0] = '\0';
    for (const char *at = list; size <= NAME_MOST && *at != '\0'; at += length + (at[length] != '\0')) {
        int d = FAR;

        length = strcspn(at, "| ");
        if (length <= NAME_MOST)
            d = size >= 2 && strncmp(at, word, size) == 0 ? 1 : distance(word, size, at, length);
        if (d < best && (size_t)d < size) {
            best = d;
            memcpy(out, at, length);
            out[length] = '\0';
        }
    }
    return out[0] != '\0' ? out : NULL;
}

static const struct flag *find(const struct command *command, const char *name, size_t size)
{
    const struct flag *tables[] = { command->flags, command->shared };

    for (size_t t = 0; t < 2; t++) {
        for (const struct flag *f = tables[t]; f->name != NULL; f++) {
            if (strlen(f->name) == size && strncmp(f->name, name, size) == 0)
                return f;
        }
    }
    return NULL;
}

static bool unknown(const struct command *command, const char *name, size_t size)
{
    const struct flag *tables[] = { command->flags, command->shared };
    char list[512] = "", word[64], near[64];

    for (size_t t = 0; t < 2; t++) {
        for (const struct flag *f = tables[t]; f->name != NULL; f++)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s|", f->name);
    }
    snprintf(word, sizeof word, "%.*s", (int)size, name);
    if (nearest(word, list, near) != NULL)
        return complain("unknown flag --%s; the nearest one is --%s", word, near);
    return complain("unknown flag --%s; \"reattach help %s\" lists them", word, command->name);
}

static bool read_integer(const struct flag *f, const char *text, int64_t *out)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || n < f->min || n > f->max)
        return complain("--%s: \"%s\" is not acceptable; a whole number from %lld to %lld is", f->name, text,
                        (long long)f->min, (long long)f->max);
    *out = n;
    return true;
}

static bool read_seconds(const struct flag *f, const char *text, double *out)
{
    char *end;
    double n = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(n) || n < 0.001 || n > (double)f->max)
        return complain("--%s: \"%s\" is not acceptable; seconds from 0.001 to %lld are", f->name, text,
                        (long long)f->max);
    *out = n;
    return true;
}

static bool read_word(const struct flag *f, const char *text, const char **out)
{
    size_t size = strlen(text), length;
    char near[64];

    for (const char *at = f->value; *at != '\0'; at += length + (at[length] != '\0')) {
        length = strcspn(at, "|");
        if (length == size && strncmp(at, text, size) == 0) {
            *out = text;
            return true;
        }
    }
    if (nearest(text, f->value, near) != NULL)
        return complain("--%s: \"%s\" is not one of %s; the nearest one is %s", f->name, text, f->value, near);
    return complain("--%s: \"%s\" is not one of %s", f->name, text, f->value);
}

static bool add_text(void *at, const char *text)
{
    struct texts *list = at;
    const char **items = realloc(list->items, ((size_t)list->count + 1) * sizeof *items);

    if (items == NULL)
        return complain("out of memory");
    list->items = items;
    list->items[list->count++] = text;
    return true;
}

static bool read_value(const struct flag *f, const char *text, struct settings *settings)
{
    char *at = (char *)settings + f->at;

    switch (f->kind) {
    case FLAG_SWITCH:
        *(bool *)at = true;
        return true;
    case FLAG_INTEGER:
        return read_integer(f, text, (int64_t *)at);
    case FLAG_SECONDS:
        return read_seconds(f, text, (double *)at);
    case FLAG_WORD:
        return read_word(f, text, (const char **)at);
    case FLAG_LIST:
        return add_text(at, text);
    default:
        *(const char **)at = text;
        return true;
    }
}

/* One "--name", "--name=value" or "--name value"; *i moves to its last word. */
static bool read_flag(const struct command *command, int argc, char **argv, int *i, struct settings *settings)
{
    const char *name = argv[*i] + 2, *value = strchr(name, '=');
    size_t size = value != NULL ? (size_t)(value - name) : strlen(name);
    const struct flag *f = find(command, name, size);

    if (f == NULL)
        return unknown(command, name, size);
    if (f->kind == FLAG_SWITCH && value != NULL)
        return complain("--%s takes no value", f->name);
    if (f->kind != FLAG_SWITCH && value == NULL && *i + 1 >= argc)
        return complain("--%s: its value is missing: %s", f->name, f->value);
    return read_value(f, value != NULL ? value + 1 : f->kind == FLAG_SWITCH ? NULL : argv[++*i], settings);
}

static bool set_defaults(const struct flag *table, struct settings *settings)
{
    for (const struct flag *f = table; f->name != NULL; f++) {
        if (f->initial != NULL && !read_value(f, f->initial, settings))
            return false;
    }
    return true;
}

static bool check(const struct command *command, const struct settings *settings)
{
    if (command->operand != NULL && settings->queue == NULL)
        return complain("the name of the queue is missing: reattach %s %s", command->name, command->operand);
    if (settings->password != NULL && settings->password_file != NULL)
        return complain("--password and --password-file exclude each other");
    if (settings->password != NULL)
        fprintf(stderr, "reattach: other users can see what --password says; REATTACH_PASSWORD and --password-file are "
                        "safer\n");
    return true;
}

bool flags_ask_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

bool flags_read(const struct command *command, int argc, char **argv, struct settings *settings)
{
    bool only_operands = false;

    *settings = (struct settings){ .size = -1 };
    if (!set_defaults(command->shared, settings) || !set_defaults(command->flags, settings))
        return false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];

        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && flags_ask_for_help(word)) {
            settings->help = true;
            return true;
        } else if (!only_operands && strncmp(word, "--", 2) == 0) {
            if (!read_flag(command, argc, argv, &i, settings))
                return false;
        } else if (!only_operands && word[0] == '-' && word[1] != '\0') {
            return complain("unknown flag %s; flags have two dashes: \"reattach help %s\"", word, command->name);
        } else if (command->operand == NULL || settings->queue != NULL) {
            return complain("\"%s\" is one word too many; expected: reattach %s%s%s [FLAGS]", word, command->name,
                            command->operand != NULL ? " " : "", command->operand != NULL ? command->operand : "");
        } else if (*word == '\0') {
            return complain("the name of the queue is empty");
        } else {
            settings->queue = word;
        }
    }
    return check(command, settings);
}

void settings_free(struct settings *settings)
{
    struct texts *lists[] = { &settings->properties, &settings->queues, &settings->faults };

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        free(lists[i]->items);
        *lists[i] = (struct texts){ 0 };
    }
}
