/* Usage, from the tables. */
#include "cli.h"

#include <string.h>

enum { WIDTH = 96 };

/* Words of a text in lines, each behind an indent. */
static void wrap(FILE *out, const char *text, int indent)
{
    int column = WIDTH;

    for (size_t size; *text != '\0'; text += size + strspn(text + size, " ")) {
        size = strcspn(text, " ");
        if (column + 1 + (int)size > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)size, text);
        column += (int)size;
    }
}

static void help_flags(FILE *out, const struct flag *table)
{
    for (const struct flag *f = table; f->name != NULL; f++) {
        bool number = f->kind == FLAG_INTEGER || f->kind == FLAG_SECONDS;

        fprintf(out, "  --%s%s%s", f->name, f->value != NULL ? " " : "", f->value != NULL ? f->value : "");
        wrap(out, f->text, 6);
        if (f->kind == FLAG_INTEGER)
            fprintf(out, "\n      %lld to %lld", (long long)f->min, (long long)f->max);
        else if (f->kind == FLAG_SECONDS)
            fprintf(out, "\n      0.001 to %lld seconds", (long long)f->max);
        if (f->initial != NULL)
            fprintf(out, "%sdefault %s", number ? ", " : "\n      ", f->initial);
        fputc('\n', out);
    }
}

void help_command(const struct command *command, FILE *out)
{
    fprintf(out, "usage: reattach %s%s%s [FLAGS]\n\n%s\n", command->name, command->operand != NULL ? " " : "",
            command->operand != NULL ? command->operand : "", command->text);
    if (command->more != NULL)
        fprintf(out, "%s\n", command->more);
    fprintf(out, "\nflags:\n");
    help_flags(out, command->flags);
    help_flags(out, command->shared);
    fprintf(out, "\nexit status:\n"
                 "  0  all is well\n"
                 "  1  the command line or the URL is wrong\n"
                 "  2  the broker could not be reached, or refused the user\n"
                 "  3  work is left without a good outcome\n");
}

static void help_line(const struct command *c, FILE *out)
{
    char name[64];

    snprintf(name, sizeof name, "%s%s%s", c->name, c->operand != NULL ? " " : "", c->operand != NULL ? c->operand : "");
    fprintf(out, "  %-20s  %s\n", name, c->text);
}

bool help_group(const char *word, FILE *out)
{
    size_t size = strlen(word);
    bool found = false;

    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strncmp(c->name, word, size) != 0 || c->name[size] != ' ')
            continue;
        if (!found)
            fprintf(out, "usage: reattach %s COMMAND [FLAGS]\n\ncommands:\n", word);
        found = true;
        help_line(c, out);
    }
    return found;
}

void help_all(FILE *out)
{
    fprintf(out, "usage: reattach COMMAND [FLAGS]\n\n"
                 "A client of Apache Artemis whose sessions survive lost connections.\n\ncommands:\n");
    for (const struct command *c = commands; c->name != NULL; c++)
        help_line(c, out);
    fprintf(out, "  %-20s  %s\n  %-20s  %s\n", "help [COMMAND]", "Shows every flag of a command.", "--version",
            "Shows the version.");
}
