/*
 * Exhaustive cuts: sim_cuts [--script S] [--steps N] [--from OFFSET] [--to OFFSET] [--step BYTES] [--pairs BYTES]
 * [--only KIND:OFFSET LINK:KIND:OFFSET]
 *
 * A script is the work of one seed, some at a time, without any trouble and with small bodies. It is run once to see
 * how many bytes go each way on its link; then again for every byte, with a reset there: of the engine's bytes so many
 * were written (up), so many of what was written arrived (overshoot), or so many of the broker's came (down). With
 * --pairs each first cut, BYTES apart, is followed by a second one, behind every frame of the recovery in turn. Nothing
 * may be lost, doubled, out of order or in doubt.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "work.h"

enum { STEPS = 8, KINDS = 3, UP = 0, OVERSHOOT, DOWN, FRAMES_MAX = 512 };
static const char *const kinds[KINDS] = { "up", "overshoot", "down" };

struct cut {
    int kind;
    uint64_t at; /* UINT64_MAX: none */
};

/* Where the frames of a recovery end, on each link and in each direction. */
struct frames {
    uint64_t ends[WORLD_LIMITS][KINDS][FRAMES_MAX];
    int count[WORLD_LIMITS][KINDS];
    uint64_t total[WORLD_LIMITS][KINDS];
};

struct result {
    struct world_limit moved[WORLD_LIMITS];
    int commands;
};

struct choice {
    const char *program;
    uint64_t script, steps, from, to, step, pairs;
};

static const struct cut none = { UP, UINT64_MAX };
static struct work r;
static struct frames frames;

/* --- one run --- */

static bool is_recovering(void)
{
    for (int i = 0; i < r.session_count; i++) {
        const rai_session *s = r.sessions[i].s;
        bool calm = s->state == RAI_S_OPEN || s->state == RAI_S_CLOSED || s->state == RAI_S_NEW;
        if (!calm || s->log.planned < s->log.written)
            return true;
    }
    return false;
}

static void on_frame(void *ctx, uint32_t link, bool from_client, const struct rai_frame *f)
{
    int kind = from_client ? UP : DOWN;
    (void)ctx;
    if (link > WORLD_LIMITS)
        return;
    uint64_t *total = &frames.total[link - 1][kind];
    int *count = &frames.count[link - 1][kind];
    if (*total == 0 && from_client)
        *total = sizeof RAI_PREAMBLE - 1;
    *total += f->size;
    if (is_recovering() && *count < FRAMES_MAX)
        frames.ends[link - 1][kind][(*count)++] = *total;
}

static void set_limit(struct world *w, size_t link, struct cut cut)
{
    if (cut.kind == DOWN)
        w->limits[link].down = cut.at;
    else
        w->limits[link].up = cut.at;
    w->limits[link].overshoot = cut.kind == OVERSHOOT;
}

static void play(const struct choice *choice)
{
    work_begin(&r);
    for (uint64_t i = 0; i < choice->steps; i++) {
        for (int k = 0; k < 4; k++)
            work_some(&r);
        world_turn(&r.w, 0);
        work_listen(&r);
        world_pass(&r.w, r.w.now + 1000);
        work_listen(&r);
    }
    work_quiesce(&r);
    work_check(&r);
}

static struct result run(const struct choice *choice, struct cut first, size_t link, struct cut second, bool trace)
{
    struct rai_mock_config mock;
    struct result result = { .commands = 0 };
    char replay[512];
    memset(&r, 0, sizeof r);
    memset(&frames, 0, sizeof frames);
    world_init(&r.w, choice->script, &mock);
    snprintf(replay, sizeof replay, "%s --script %" PRIu64 " --steps %" PRIu64 " --only %s:%" PRIu64 " %zu:%s:%" PRIu64,
             choice->program, choice->script, choice->steps, kinds[first.kind], first.at, link, kinds[second.kind],
             second.at);
    r.w.replay = replay;
    r.w.trace = trace;
    r.small = true;
    r.w.config.confirmation_window = 300;
    r.w.config.min_large_message_size = 102400; /* none is that large */
    mock.sync_us = 2500;
    set_limit(&r.w, 0, first);
    set_limit(&r.w, link, second);
    work_watch(&r, &mock);
    mock.watch.frame = on_frame;
    world_start(&r.w, &mock);
    play(choice);
    memcpy(result.moved, r.w.moved, sizeof result.moved);
    result.commands = work_commands(&r);
    r.ending = true;
    work_free(&r);
    world_free(&r.w);
    return result;
}

/* --- all of them --- */

static uint64_t bytes_of(const struct result *result, int kind)
{
    return kind == DOWN ? result->moved[0].down : result->moved[0].up;
}

/* A second cut behind each frame of the recovery from this one. */
static long cut_again(const struct choice *choice, struct cut first)
{
    static struct frames recovery;
    long tried = 0;
    recovery = frames;
    for (size_t link = 1; link < WORLD_LIMITS; link++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int i = 0; i < recovery.count[link][kind]; i++, tried++)
                run(choice, first, link, (struct cut){ kind, recovery.ends[link][kind][i] }, false);
    return tried;
}

static void all_cuts(const struct choice *choice)
{
    struct result plain = run(choice, none, 1, none, false);
    for (int kind = 0; kind < KINDS; kind++) {
        long tried = 0, pairs = 0;
        uint64_t end = bytes_of(&plain, kind);
        for (uint64_t at = choice->from; at <= end && at <= choice->to; at += choice->step, tried++) {
            struct cut cut = { kind, at };
            run(choice, cut, 1, none, false);
            if (choice->pairs > 0 && at % choice->pairs < choice->step)
                pairs += cut_again(choice, cut);
        }
        printf("script %" PRIu64 ", %d commands: %-9s %6ld of %6" PRIu64 " offsets, %8ld pairs, 0 violations\n",
               choice->script, plain.commands, kinds[kind], tried, end, pairs);
        fflush(stdout);
    }
}

/* --- the command line --- */

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

static bool parse_number(struct choice *choice, const char *option, const char *value)
{
    const struct {
        const char *name;
        uint64_t *out;
    } numbers[] = { { "--script", &choice->script }, { "--steps", &choice->steps }, { "--from", &choice->from },
                    { "--to", &choice->to },         { "--step", &choice->step },   { "--pairs", &choice->pairs } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(option, numbers[i].name) == 0) {
            *numbers[i].out = strtoull(value, NULL, 10);
            return true;
        }
    return false;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--script S] [--steps N] [--from OFFSET] [--to OFFSET] [--step BYTES] [--pairs BYTES] "
            "[--only KIND:OFFSET LINK:KIND:OFFSET]\n",
            program);
    return 2;
}

int main(int argc, char **argv)
{
    struct choice choice = { .program = argv[0], .script = 1, .steps = STEPS, .from = 1, .to = UINT64_MAX, .step = 1 };
    struct cut first = none, second = none;
    size_t link = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 2 < argc) {
            const char *colon = strchr(argv[i + 2], ':');
            if (!parse_cut(argv[i + 1], &first) || colon == NULL || !parse_cut(colon + 1, &second))
                return usage(argv[0]);
            link = strtoul(argv[i + 2], NULL, 10);
            i += 2;
        } else if (i + 1 < argc && parse_number(&choice, argv[i], argv[i + 1])) {
            i++;
        } else {
            return usage(argv[0]);
        }
    }
    if (choice.step == 0 || choice.from == 0 || link >= WORLD_LIMITS)
        return usage(argv[0]);
    if (link > 0)
        run(&choice, first, link, second, true);
    else
        all_cuts(&choice);
    return 0;
}
