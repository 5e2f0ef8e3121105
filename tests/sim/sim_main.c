/*
 * Random work under random faults: sim [--seeds N] [--from S] [--seed S] [--lossy|--exact]
 * [--refuse-in-transactions PERCENT] [--trace]
 *
 * Each seed is one scenario. Even seeds are exact: nothing happens after which work may be lost, so none may be; odd
 * ones are lossy: the broker restarts, and outcomes have to tell the truth. The first violation ends the program with
 * the command that shows it again.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "work.h"

enum { STEPS = 150 };

struct totals {
    long scenarios, cuts, sends, ops;
    int64_t reattached, recreated, closed_late, slowest, virtual_us, mock[RAI_MOCK_STATS];
};

static void configure(struct work *r, struct rai_mock_config *mock)
{
    static const int32_t windows[] = { 1, 100, 1000, 65536 };
    struct world *w = &r->w;
    w->config.confirmation_window = r->lossy && world_chance(w, 100) ? -1 : windows[world_random(w, 4)];
    w->config.ack_batch_size = world_chance(w, 500) ? 0 : 200;
    w->config.min_large_message_size = world_chance(w, 500) ? WORK_PIECE : 102400;
    w->config.producer_window = world_chance(w, 500) ? -1 : 600;
    w->config.max_unconfirmed = world_chance(w, 200) ? 2000 : 1 << 20;
    w->config.route_check = (enum rai_route_check)(1 + world_random(w, 3));
    if (world_chance(w, 300))
        w->config.call_timeout = w->config.call_failover_timeout = 200;
    mock->version = world_chance(w, 600) ? RAI_VERSION : RAI_VERSION_MIN + (int)world_random(w, 8);
    mock->sync_us = world_chance(w, 200) ? 3000000 : world_chance(w, 200) ? 0 : 20000;
}

/* What a slow broker does now and then: credits come late, and so does everything behind a frame. */
static void make_slow(struct work *r)
{
    struct rai_mock_fault hold = { .action = RAI_MOCK_HOLD,
                                   .type = RAI_MOCK_ANY_TYPE,
                                   .channel = RAI_MOCK_ANY_CHANNEL,
                                   .times = RAI_MOCK_ALWAYS,
                                   .chance = 10,
                                   .delay_us = 300000 };
    struct rai_mock_fault postpone = { .action = RAI_MOCK_POSTPONE,
                                       .type = RAI_SESS_PRODUCER_CREDITS,
                                       .channel = RAI_MOCK_ANY_CHANNEL,
                                       .times = RAI_MOCK_ALWAYS,
                                       .chance = 500,
                                       .delay_us = 2000000 };
    if (!world_chance(&r->w, 200))
        return;
    rai_mock_fault_add(r->w.m, &hold);
    rai_mock_fault_add(r->w.m, &postpone);
    hold.from_client = true;
    rai_mock_fault_add(r->w.m, &hold);
}

static void trouble(struct work *r, int cuts_in_1000)
{
    struct world *w = &r->w;
    for (size_t i = w->link_count; i-- > 0;) {
        w->links[i]->stalled = w->links[i]->stalled ? !world_chance(w, 300) : world_chance(w, 5);
        if (!world_chance(w, cuts_in_1000))
            continue;
        uint32_t kind = world_random(w, 40);
        if (kind == 0)
            world_cut(w, i, WORLD_SILENT);
        else if (kind == 1)
            world_disconnect(w, i);
        else
            world_cut(w, i, kind < 28 ? WORLD_RESET : WORLD_ABANDON);
    }
    w->unreachable = w->unreachable ? !world_chance(w, 200) : world_chance(w, 5);
    if (r->lossy && world_chance(w, 10))
        world_restart(w, true);
}

static void step(struct work *r, int cuts_in_1000)
{
    struct world *w = &r->w;
    work_some(r);
    world_turn(w, 2000);
    work_listen(r);
    trouble(r, cuts_in_1000);
    work_listen(r);
    world_pass(w, w->now + world_random(w, 10000));
    work_listen(r); /* also now: a deadline may have passed for what is just being written, and its link be lost next */
    if (world_chance(w, 50))
        world_pass(w, w->now + world_random(w, 2000000));
    work_listen(r);
}

static void no_more_trouble(struct work *r)
{
    r->w.unreachable = false;
    rai_mock_fault_drop(r->w.m, 0);
    for (size_t i = 0; i < r->w.link_count; i++)
        r->w.links[i]->stalled = false;
}

static void count_up(struct totals *t, const struct work *r)
{
    t->scenarios++;
    t->cuts += r->w.cuts;
    t->sends += r->send_count;
    t->ops += r->op_count;
    t->reattached += r->reattached;
    t->recreated += r->recreated;
    t->closed_late += r->closed_late;
    t->virtual_us += r->w.now;
    if (!r->w.was_silent && r->slowest > t->slowest)
        t->slowest = r->slowest;
    for (int i = 1; i < RAI_MOCK_STATS; i++)
        t->mock[i] += rai_mock_stat(r->w.m, (enum rai_mock_stat)i);
}

struct choice {
    const char *program;
    bool lossy, exact, trace;
    int refused_in_transactions; /* in 100 */
};

/* A crash is a violation, too: how to see it again has to be told. */
static char present[640];

static void on_crash(int signal)
{
    ssize_t written = write(STDERR_FILENO, present, strlen(present));
    (void)written;
    _exit(128 + signal);
}

static void remember(uint64_t seed, const char *replay)
{
    snprintf(present, sizeof present, "seed %llu, at 0 s: a crash\nshow it again: %s\n", (unsigned long long)seed,
             replay);
}

static void scenario(uint64_t seed, const struct choice *choice, struct totals *totals)
{
    static struct work r;
    struct rai_mock_config mock;
    char replay[512];
    long before = rai_alloc_count();
    bool lossy = choice->lossy || (!choice->exact && seed % 2 == 1);
    memset(&r, 0, sizeof r);
    world_init(&r.w, seed, &mock);
    snprintf(replay, sizeof replay, "%s --seed %llu %s --refuse-in-transactions %d --trace", choice->program,
             (unsigned long long)seed, lossy ? "--lossy" : "--exact", choice->refused_in_transactions);
    r.w.replay = replay;
    remember(seed, replay);
    r.w.trace = choice->trace;
    r.lossy = lossy;
    r.refused_in_transactions = choice->refused_in_transactions;
    configure(&r, &mock);
    work_watch(&r, &mock);
    world_start(&r.w, &mock);
    work_begin(&r);
    make_slow(&r);
    int cuts_in_1000 = 5 + (int)world_random(&r.w, 60);
    for (int i = 0; i < STEPS; i++)
        step(&r, cuts_in_1000);
    no_more_trouble(&r);
    work_quiesce(&r);
    work_check(&r);
    count_up(totals, &r);
    work_close(&r);
    work_free(&r);
    world_free(&r.w);
    if (rai_alloc_count() != before)
        world_fail(&r.w, "%ld pieces of memory were lost", rai_alloc_count() - before);
}

static void report(const struct totals *t, double seconds)
{
    printf("%ld scenarios, no violation: %ld cuts, %ld sends, %ld operations, %lld re-attached, %lld recreated\n",
           t->scenarios, t->cuts, t->sends, t->ops, (long long)t->reattached, (long long)t->recreated);
    printf("broker: %lld uncounted at a REATTACH, %lld answers lost, %lld doubled, %lld refusals, %lld frames of moved "
           "sessions dropped, %lld sessions closed in a move, %lld pieces of large messages corrupted\n",
           (long long)t->mock[RAI_MOCK_UNCOUNTED_AT_REATTACH], (long long)t->mock[RAI_MOCK_ANSWERS_LOST],
           (long long)t->mock[RAI_MOCK_ANSWERS_DOUBLED], (long long)t->mock[RAI_MOCK_EXCEPTIONS],
           (long long)t->mock[RAI_MOCK_FRAMES_DROPPED], (long long)t->mock[RAI_MOCK_CLOSED_IN_MOVE],
           (long long)t->mock[RAI_MOCK_PIECES_CORRUPTED]);
    printf("known limit: %lld sessions closed by a late REATTACH to a link without an anchor\n", (long long)t->closed_late);
    printf("when nothing was silent, all sessions were open again %.1f s after the last trouble at the latest\n",
           (double)t->slowest / 1e6);
    printf("%.1f s, %.0f scenarios per second, %.2f virtual hours (%.2f per second)\n", seconds,
           (double)t->scenarios / seconds, (double)t->virtual_us / 3.6e9, (double)t->virtual_us / 3.6e9 / seconds);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--seeds N] [--from S] [--seed S] [--lossy|--exact] "
            "[--refuse-in-transactions PERCENT] [--trace]\n",
            program);
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long long seeds = 1000, from = 1;
    struct choice choice = { .program = argv[0], .refused_in_transactions = 1 };
    struct totals totals = { 0 };
    for (int i = 1; i < argc; i++) {
        bool value = i + 1 < argc;
        if (strcmp(argv[i], "--lossy") == 0)
            choice.lossy = true;
        else if (strcmp(argv[i], "--exact") == 0)
            choice.exact = true;
        else if (strcmp(argv[i], "--trace") == 0)
            choice.trace = true;
        else if (strcmp(argv[i], "--seeds") == 0 && value)
            seeds = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--from") == 0 && value)
            from = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && value)
            from = strtoull(argv[++i], NULL, 10), seeds = 1;
        else if (strcmp(argv[i], "--refuse-in-transactions") == 0 && value)
            choice.refused_in_transactions = atoi(argv[++i]);
        else
            return usage(argv[0]);
    }
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    double start = seconds_now();
    for (unsigned long long seed = from; seed < from + seeds; seed++) {
        scenario(seed, &choice, &totals);
    }
    report(&totals, seconds_now() - start);
    return 0;
}
