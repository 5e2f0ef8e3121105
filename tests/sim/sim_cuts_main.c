/*
 * Exhaustive cuts: sim_cuts [--script S] [--step N] [--pairs STRIDE] [--only FIRST SECOND]
 *
 * A script is the work of one seed, some at a time, without any trouble. It is run once to see how many bytes go each
 * way on its link; then again for every byte, with a reset there: of the engine's bytes so many were written (up), so
 * many of what was written arrived (overshoot), or so many of the broker's came (down). In pairs a second cut falls
 * into the recovery. Nothing may be lost, doubled, out of order or in doubt.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "work.h"

enum { STEPS = 30, KINDS = 3 };
static const char *const kinds[KINDS] = { "up", "overshoot", "down" };

struct cut {
    int kind;
    uint64_t at; /* UINT64_MAX: none */
};

struct result {
    struct world_limit moved[WORLD_LIMITS];
    int commands;
};

static const struct cut none = { 0, UINT64_MAX };

static void set_limit(struct world *w, size_t link, struct cut cut)
{
    if (cut.kind == 2)
        w->limits[link].down = cut.at;
    else
        w->limits[link].up = cut.at;
    w->limits[link].overshoot = cut.kind == 1;
}

static struct result run(const char *program, uint64_t script, struct cut first, size_t link, struct cut second,
                         bool trace)
{
    static struct work r;
    struct rai_mock_config mock;
    struct result result = { .commands = 0 };
    char replay[512];
    memset(&r, 0, sizeof r);
    world_init(&r.w, script, &mock);
    snprintf(replay, sizeof replay, "%s --script %" PRIu64 " --only %s:%" PRIu64 " %zu:%s:%" PRIu64, program, script,
             kinds[first.kind], first.at, link, kinds[second.kind], second.at);
    r.w.replay = replay;
    r.w.trace = trace;
    r.w.config.confirmation_window = 300;
    mock.sync_us = 2500;
    set_limit(&r.w, 0, first);
    set_limit(&r.w, link, second);
    work_watch(&r, &mock);
    world_start(&r.w, &mock);
    work_begin(&r);
    for (int i = 0; i < STEPS; i++) {
        for (int k = 0; k < 4; k++)
            work_some(&r);
        world_turn(&r.w, 0);
        work_listen(&r);
        world_pass(&r.w, r.w.now + 1000);
        work_listen(&r);
    }
    work_quiesce(&r);
    work_check(&r);
    memcpy(result.moved, r.w.moved, sizeof result.moved);
    result.commands = work_commands(&r);
    r.ending = true;
    work_free(&r);
    world_free(&r.w);
    return result;
}

static uint64_t bytes_of(const struct result *result, size_t link, int kind)
{
    return kind == 2 ? result->moved[link].down : result->moved[link].up;
}

/* A second cut on each link of the recovery. */
static long cut_again(const char *program, uint64_t script, struct cut first, const struct result *once,
                      uint64_t stride)
{
    long tried = 0;
    for (size_t link = 1; link < 3; link++)
        for (int kind = 0; kind < KINDS; kind++)
            for (uint64_t at = 1; at <= bytes_of(once, link, kind); at += stride, tried++)
                run(program, script, first, link, (struct cut){ kind, at }, false);
    return tried;
}

static void all_cuts(const char *program, uint64_t script, uint64_t step, uint64_t stride)
{
    struct result plain = run(program, script, none, 1, none, false);
    for (int kind = 0; kind < KINDS; kind++) {
        long tried = 0, pairs = 0;
        for (uint64_t at = 1; at <= bytes_of(&plain, 0, kind); at += step, tried++) {
            struct cut cut = { kind, at };
            struct result once = run(program, script, cut, 1, none, false);
            if (stride > 0 && at % stride < step)
                pairs += cut_again(program, script, cut, &once, stride < 20 ? 1 : stride / 20);
        }
        printf("script %" PRIu64 ", %d commands: %-9s %6ld offsets, %6ld pairs, 0 violations\n", script, plain.commands,
               kinds[kind], tried, pairs);
        fflush(stdout);
    }
}

static bool parse_cut(const char *text, struct cut *out)
{
    for (int kind = 0; kind < KINDS; kind++) {
        size_t length = strlen(kinds[kind]);
        if (strncmp(text, kinds[kind], length) == 0 && text[length] == ':') {
            *out = (struct cut){ kind, strtoull(text + length + 1, NULL, 10) };
            return true;
        }
    }
    return false;
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--script S] [--step N] [--pairs STRIDE] [--only KIND:OFFSET LINK:KIND:OFFSET]\n",
            program);
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t script = 0, step = 1, stride = 0;
    for (int i = 1; i < argc; i++) {
        struct cut first, second;
        if (strcmp(argv[i], "--script") == 0 && i + 1 < argc) {
            script = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--step") == 0 && i + 1 < argc) {
            step = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--pairs") == 0 && i + 1 < argc) {
            stride = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0 && i + 2 < argc) {
            const char *colon = strchr(argv[i + 2], ':');
            if (!parse_cut(argv[i + 1], &first) || colon == NULL || !parse_cut(colon + 1, &second))
                return usage(argv[0]);
            run(argv[0], script, first, strtoul(argv[i + 2], NULL, 10) % WORLD_LIMITS, second, true);
            return 0;
        } else {
            return usage(argv[0]);
        }
    }
    if (step == 0)
        return usage(argv[0]);
    if (script > 0)
        all_cuts(argv[0], script, step, stride);
    for (uint64_t each = 1; script == 0 && each <= 2; each++)
        all_cuts(argv[0], each, step, stride);
    return 0;
}
