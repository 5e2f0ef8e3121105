/*
 * The relay as a command.
 *
 *     relay --listen PORT --target PORT [--seed N] [--every MIN..MAX] [--bytes MIN..MAX]
 *           [--how rst,fin,silent,abandon] [--cuts N] [--delay MS] [--keep MS]
 *           [--record PREFIX] [--control]
 *
 * Prints {"port":N} when it listens and one line of counters when SIGTERM or SIGINT ends it.
 * With --control it reads commands from standard input, answers each with one JSON line, and also
 * ends when the input does, so that it cannot outlive the program that drives it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "relay.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct range {
    bool given;
    unsigned long long min, max;
};

struct settings {
    struct relay_options options;
    struct range every, bytes;
    unsigned hows, cuts, delay_ms;
    const char *record;
    bool control;
};

static const char usage[] =
    "usage: relay --listen PORT --target PORT [--seed N] [--every MIN..MAX (ms)]\n"
    "             [--bytes MIN..MAX] [--how rst,fin,silent,abandon] [--cuts N] [--delay MS]\n"
    "             [--keep MS] [--record PREFIX] [--control]\n"
    "commands:    cut HOW | cut-after broker|client BYTES HOW | refuse on|off | delay MS\n"
    "             target PORT | every MIN..MAX HOWS CUTS | bytes MIN..MAX HOWS CUTS\n"
    "             schedule off | hold broker|client TYPE NTH MS | release | disarm\n"
    "             cut-at broker|client TYPE NTH before|inside|after HOW\n"
    "             wait TRAP MS | record PREFIX | stats | quit\n";

static bool parse_range(const char *text, struct range *out)
{
    char *end;
    out->min = strtoull(text, &end, 0);
    if (strncmp(end, "..", 2) == 0)
        out->max = strtoull(end + 2, &end, 0);
    else
        out->max = out->min;
    out->given = *text != '\0' && *end == '\0' && out->min <= out->max;
    return out->given;
}

static unsigned parse_hows(const char *text)
{
    char copy[128], *rest = copy;
    unsigned mask = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        int how = relay_how_parse(name);
        if (how == 0)
            return 0;
        mask |= RELAY_MASK(how);
    }
    return mask;
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 0);
}

enum { OPT_LISTEN = 1, OPT_TARGET, OPT_SEED, OPT_EVERY, OPT_BYTES, OPT_HOW, OPT_CUTS, OPT_DELAY,
       OPT_KEEP, OPT_RECORD, OPT_CONTROL };

static const struct option options[] = {
    { "listen", 1, NULL, OPT_LISTEN }, { "target", 1, NULL, OPT_TARGET },
    { "seed", 1, NULL, OPT_SEED },     { "every", 1, NULL, OPT_EVERY },
    { "bytes", 1, NULL, OPT_BYTES },   { "how", 1, NULL, OPT_HOW },
    { "cuts", 1, NULL, OPT_CUTS },     { "delay", 1, NULL, OPT_DELAY },
    { "keep", 1, NULL, OPT_KEEP },     { "record", 1, NULL, OPT_RECORD },
    { "control", 0, NULL, OPT_CONTROL }, { NULL, 0, NULL, 0 },
};

static bool take(struct settings *s, int option, const char *value)
{
    switch (option) {
    case OPT_LISTEN: s->options.port = (uint16_t)number(value); return true;
    case OPT_TARGET: s->options.target = (uint16_t)number(value); return true;
    case OPT_SEED: s->options.seed = strtoull(value, NULL, 0); return true;
    case OPT_EVERY: return parse_range(value, &s->every);
    case OPT_BYTES: return parse_range(value, &s->bytes);
    case OPT_HOW: return (s->hows = parse_hows(value)) != 0;
    case OPT_CUTS: s->cuts = number(value); return true;
    case OPT_DELAY: s->delay_ms = number(value); return true;
    case OPT_KEEP: s->options.keep_ms = number(value); return true;
    case OPT_RECORD: s->record = value; return true;
    case OPT_CONTROL: s->control = true; return true;
    default: return false;
    }
}

static bool parse(struct settings *s, int argc, char **argv)
{
    int option;
    s->hows = RELAY_MASK(RELAY_RST);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take(s, option, optarg))
            return false;
    return optind == argc && s->options.target != 0;
}

static void print_counters(struct relay *r)
{
    struct relay_counters counters;
    char line[512];
    relay_get_counters(r, &counters);
    relay_counters_json(&counters, line, sizeof line);
    printf("%s\n", line);
}

/* ---- commands ---- */

struct command {
    char *word[8]; /* never NULL: missing words are empty */
    int words;
};

static enum relay_direction direction(const char *word)
{
    return strcmp(word, "client") == 0 ? RELAY_TO_CLIENT : RELAY_TO_BROKER;
}

static struct relay_match match(const struct command *c)
{
    struct relay_match m = relay_match_type(direction(c->word[1]), RELAY_ANY_TYPE);
    if (strcmp(c->word[2], "any") != 0)
        m.type = atoi(c->word[2]);
    m.nth = number(c->word[3]);
    return m;
}

static int place(const char *word)
{
    static const char *const names[] = { "", "before", "inside", "after" };
    for (int i = RELAY_BEFORE; i <= RELAY_AFTER; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return 0;
}

static long do_cut(struct relay *r, const struct command *c)
{
    int how = relay_how_parse(c->word[1]);
    return how == 0 ? -1 : (long)relay_cut(r, (enum relay_how)how);
}

static long do_cut_after(struct relay *r, const struct command *c)
{
    int how = relay_how_parse(c->word[3]);
    if (how == 0)
        return -1;
    return relay_cut_after(r, direction(c->word[1]), strtoull(c->word[2], NULL, 0),
                           (enum relay_how)how);
}

static long do_cut_at(struct relay *r, const struct command *c)
{
    struct relay_match m = match(c);
    int where = place(c->word[4]), how = relay_how_parse(c->word[5]);
    if (where == 0 || how == 0)
        return -1;
    return relay_cut_at(r, &m, (enum relay_place)where, 0, (enum relay_how)how);
}

static long do_hold(struct relay *r, const struct command *c)
{
    struct relay_match m = match(c);
    return relay_hold(r, &m, number(c->word[4]));
}

static long do_refuse(struct relay *r, const struct command *c)
{
    relay_refuse(r, strcmp(c->word[1], "on") == 0);
    return 0;
}

static long do_delay(struct relay *r, const struct command *c)
{
    relay_delay(r, number(c->word[1]));
    return 0;
}

static long do_target(struct relay *r, const struct command *c)
{
    relay_set_target(r, (uint16_t)number(c->word[1]));
    return 0;
}

static long do_every(struct relay *r, const struct command *c)
{
    struct range range;
    unsigned hows = parse_hows(c->word[2]);
    if (!parse_range(c->word[1], &range) || hows == 0)
        return -1;
    relay_schedule(r, (unsigned)range.min, (unsigned)range.max, hows, number(c->word[3]));
    return 0;
}

static long do_bytes(struct relay *r, const struct command *c)
{
    struct range range;
    unsigned hows = parse_hows(c->word[2]);
    if (!parse_range(c->word[1], &range) || hows == 0)
        return -1;
    relay_schedule_bytes(r, range.min, range.max, hows, number(c->word[3]));
    return 0;
}

static long do_schedule(struct relay *r, const struct command *c)
{
    if (strcmp(c->word[1], "off") != 0)
        return -1;
    relay_schedule_stop(r);
    return 0;
}

static long do_release(struct relay *r, const struct command *c)
{
    (void)c;
    relay_release(r);
    return 0;
}

static long do_disarm(struct relay *r, const struct command *c)
{
    relay_disarm(r, atoi(c->word[1]));
    return 0;
}

static long do_wait(struct relay *r, const struct command *c)
{
    return relay_wait_trap(r, atoi(c->word[1]), number(c->word[2])) ? 1 : 0;
}

static long do_record(struct relay *r, const struct command *c)
{
    return relay_record(r, c->word[1][0] != '\0' ? c->word[1] : NULL);
}

static const struct {
    const char *name;
    long (*act)(struct relay *, const struct command *); /* a number for the answer, or -1 */
} commands[] = {
    { "cut", do_cut },           { "cut-after", do_cut_after }, { "cut-at", do_cut_at },
    { "hold", do_hold },         { "release", do_release },     { "disarm", do_disarm },
    { "refuse", do_refuse },     { "delay", do_delay },         { "target", do_target },
    { "every", do_every },       { "bytes", do_bytes },         { "schedule", do_schedule },
    { "wait", do_wait },         { "record", do_record },
};

/* Returns false when the relay shall end. */
static bool obey(struct relay *r, char *line)
{
    static char empty[] = "";
    struct command c = { .words = 0 };
    char *rest = line;
    for (int i = 0; i < 8; i++)
        c.word[i] = empty;
    for (char *word; c.words < 8 && (word = strsep(&rest, " \t\r")) != NULL;)
        if (*word != '\0')
            c.word[c.words++] = word;
    if (strcmp(c.word[0], "quit") == 0)
        return false;
    if (strcmp(c.word[0], "stats") == 0) {
        print_counters(r);
        return true;
    }
    long result = -1;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(c.word[0], commands[i].name) == 0)
            result = commands[i].act(r, &c);
    printf("{\"ok\":%s,\"result\":%ld}\n", result >= 0 ? "true" : "false", result);
    return true;
}

/* Feeds whole lines to obey. Returns false at the end of input or when the relay shall end. */
static bool read_commands(struct relay *r, char *buffer, size_t size, size_t *have)
{
    ssize_t n = read(STDIN_FILENO, buffer + *have, size - 1 - *have);
    if (n <= 0)
        return false;
    *have += (size_t)n;
    buffer[*have] = '\0';
    char *line = buffer, *end;
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        if (!obey(r, line))
            return false;
        line = end + 1;
    }
    *have -= (size_t)(line - buffer);
    memmove(buffer, line, *have);
    return *have < size - 1;
}

static void serve(struct relay *r, int signals, bool control)
{
    static char buffer[4096];
    size_t have = 0;
    struct pollfd wait[2] = { { .fd = signals, .events = POLLIN },
                              { .fd = control ? STDIN_FILENO : -1, .events = POLLIN } };
    for (;;) {
        if (poll(wait, 2, -1) < 0)
            continue;
        if (wait[0].revents != 0)
            return;
        if (wait[1].revents != 0 && !read_commands(r, buffer, sizeof buffer, &have))
            return;
    }
}

static void apply(struct relay *r, const struct settings *s)
{
    if (s->delay_ms > 0)
        relay_delay(r, s->delay_ms);
    if (s->every.given)
        relay_schedule(r, (unsigned)s->every.min, (unsigned)s->every.max, s->hows, s->cuts);
    if (s->bytes.given)
        relay_schedule_bytes(r, s->bytes.min, s->bytes.max, s->hows, s->cuts);
    if (s->record != NULL)
        relay_record(r, s->record);
}

int main(int argc, char **argv)
{
    struct settings s = { .hows = 0 };
    char err[200];
    sigset_t set;
    if (!parse(&s, argc, argv)) {
        fputs(usage, stderr);
        return 1;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    struct relay *r = relay_start(&s.options, err, sizeof err);
    if (r == NULL || signals < 0) {
        fprintf(stderr, "%s\n", r == NULL ? err : "relay: signalfd failed");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    apply(r, &s);
    printf("{\"port\":%u}\n", (unsigned)relay_port(r));
    serve(r, signals, s.control);
    print_counters(r);
    relay_stop(r);
    close(signals);
    return 0;
}
