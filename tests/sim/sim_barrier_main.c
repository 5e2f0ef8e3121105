/*
 * The mock's storage model against what was measured on real brokers: bursts of durable sends, cut, and the next burst
 * at once. With the barrier (Q) nothing may be lost or doubled; without it (A: replay after the first count) a good
 * part is, as on a real broker. sim_barrier [--sessions N]; prints a table, fails when a verdict differs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { CUTS = 20, BURST_MIN = 100, BURST_MORE = 300, SENDS = CUTS * (BURST_MIN + BURST_MORE) + 1 };

struct bursts {
    struct world w; /* first: the broker's watch gets this */
    int stored[SENDS], sent;
};

struct sums {
    long cuts, sent, lost, doubled, uncounted;
};

static void news(void *ctx, enum rai_mock_news what, const uint8_t *body, size_t size)
{
    struct bursts *b = ctx;
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)(size < 15 ? size : 15), (const char *)body);
    if (what == RAI_MOCK_STORED)
        b->stored[atoi(text)]++;
}

static void one_send(struct bursts *b, rai_producer *producer)
{
    char body[16];
    int size = snprintf(body, sizeof body, "%d", b->sent);
    ra_message *m = rai_message_new(0);
    if (m == NULL)
        world_fail(&b->w, "out of memory");
    rai_message_lend_body(m, body, (size_t)size);
    m->durable = true;
    if (rai_producer_send(producer, "in", m, RAI_SEND_TAGGED, (uint64_t)b->sent + 1, b->w.now, NULL, NULL) == RA_OK)
        b->sent++;
    rai_message_unref(m);
}

static void drain_events(struct bursts *b)
{
    struct rai_event event;
    rai_op *op;
    while (rai_engine_next_event(b->w.e, &event))
        ;
    while ((op = rai_engine_next_done(b->w.e)) != NULL)
        rai_op_unref(op);
}

static void turns(struct bursts *b, int count, uint32_t amount)
{
    for (int i = 0; i < count; i++) {
        world_turn(&b->w, amount);
        world_pass(&b->w, b->w.now + world_random(&b->w, 1000));
        drain_events(b);
    }
}

static void burst_and_cut(struct bursts *b, const rai_session *s, rai_producer *producer)
{
    for (uint32_t n = BURST_MIN + world_random(&b->w, BURST_MORE); n > 0; n--)
        one_send(b, producer);
    turns(b, 1 + (int)world_random(&b->w, 12), 8000);
    for (size_t i = b->w.link_count; i-- > 0;)
        world_cut(&b->w, i, world_chance(&b->w, 500) ? WORLD_RESET : WORLD_ABANDON);
    for (int i = 0; i < 100000 && s->state != RAI_S_OPEN; i++)
        turns(b, 1, 8000);
}

static void session_of_bursts(uint64_t seed, bool naive, const char *replay, struct sums *sums)
{
    static struct bursts b;
    struct rai_mock_config mock;
    struct rai_test_hooks hooks = { .no_barrier = naive };
    rai_session *s;
    rai_producer *producer;
    memset(&b, 0, sizeof b);
    world_init(&b.w, seed, &mock);
    b.w.replay = replay;
    b.w.config.max_unconfirmed = 1 << 24;
    mock.sync_us = 3000;
    mock.watch.ctx = &b;
    mock.watch.news = news;
    world_start(&b.w, &mock);
    rai_engine_set_hooks(b.w.e, &hooks);
    rai_mock_add_queue(b.w.m, "in", "in", true);
    if (rai_session_open(b.w.e, false, NULL, b.w.now, &s, NULL, NULL) != RA_OK)
        world_fail(&b.w, "no session");
    turns(&b, 10, 0);
    if (rai_producer_open(s, NULL, b.w.now, &producer, NULL, NULL) != RA_OK)
        world_fail(&b.w, "no producer");
    for (int i = 0; i < CUTS; i++)
        burst_and_cut(&b, s, producer);
    for (int64_t end = b.w.now + 10000000; b.w.now < end;)
        turns(&b, 100, 0);
    for (int i = 0; i < b.sent; i++) {
        sums->lost += b.stored[i] == 0;
        sums->doubled += b.stored[i] > 1 ? b.stored[i] - 1 : 0;
    }
    sums->cuts += b.w.cuts;
    sums->sent += b.sent;
    sums->uncounted += (long)rai_mock_stat(b.w.m, RAI_MOCK_UNCOUNTED_AT_REATTACH);
    world_free(&b.w);
}

static struct sums variant(const char *name, bool naive, int sessions, const char *program)
{
    struct sums sums = { 0 };
    for (int seed = 1; seed <= sessions; seed++)
        session_of_bursts((uint64_t)seed, naive, program, &sums);
    printf("%-2s %6ld cuts, %8ld sent, %7ld lost, %7ld doubled, %8ld uncounted at a REATTACH\n", name, sums.cuts,
           sums.sent, sums.lost, sums.doubled, sums.uncounted);
    return sums;
}

int main(int argc, char **argv)
{
    int sessions = 10;
    if (argc == 3 && strcmp(argv[1], "--sessions") == 0)
        sessions = atoi(argv[2]);
    else if (argc != 1)
        return fprintf(stderr, "usage: %s [--sessions N]\n", argv[0]), 2;
    struct sums naive = variant("A", true, sessions, argv[0]), exact = variant("Q", false, sessions, argv[0]);
    bool good = exact.lost == 0 && exact.doubled == 0 && naive.lost > 0 && naive.doubled > 0;
    puts(good ? "the verdicts are those of a real broker" : "the verdicts differ from those of a real broker");
    return good ? 0 : 1;
}
