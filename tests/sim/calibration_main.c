/*
 * The experiments that were made with real brokers, made with the mock: four ways to go on after a cut, under sends,
 * transactions and acknowledgements, on a fast and a slow disk. calibration [--sessions N]; one JSON object for each.
 * Whether the verdicts agree is for prove_calibration.py to say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare.h"

enum {
    CUTS = 20,
    MESSAGES = 2000, /* queued, where they are to be acknowledged */
    SENDS = CUTS * 500 + 1,
    FAST_US = 3000,
    SLOW_US = 300000
};

enum work { SEND, TRANSACT, ACKNOWLEDGE };

struct experiment {
    struct bare b;
    enum work work;
    int sent, stored[SENDS];
    int delivered[MESSAGES], deliveries, bad_acks;
    int64_t to_ack[MESSAGES];
    int to_ack_count;
};

struct sums {
    long cuts, sent, lost, doubled, uncounted, refused, left;
};

/* --- what is seen --- */

static int number_in(const uint8_t *body, size_t size)
{
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)(size < 15 ? size : 15), size > 0 ? (const char *)body : "");
    return atoi(text);
}

static void news(void *ctx, enum rai_mock_news what, const uint8_t *body, size_t size)
{
    struct experiment *x = ctx;
    x->bad_acks += what == RAI_MOCK_BAD_ACK;
    if (what == RAI_MOCK_STORED && x->work != ACKNOWLEDGE)
        x->stored[number_in(body, size)]++;
}

static void delivered(void *ctx, const struct rai_delivery *d)
{
    struct experiment *x = ctx;
    struct rai_reader r = { d->blob, d->blob + d->blob_size, false };
    size_t size = (size_t)rai_get_i32(&r) - RAI_FRAME_HEADER;
    const uint8_t *body = rai_get_raw(&r, size);
    int64_t id = rai_get_i64(&r);
    x->deliveries++;
    if (x->delivered[number_in(body, size)]++ == 0)
        x->to_ack[x->to_ack_count++] = id;
    bare_credits(&x->b, 90);
}

/* --- work --- */

static void some_sends(struct experiment *x)
{
    for (uint32_t n = 100 + bare_random(&x->b, 300); n > 0; n--)
        bare_send(&x->b, x->sent++, true);
}

static void some_transactions(struct experiment *x)
{
    for (uint32_t n = 5 + bare_random(&x->b, 36); n > 0; n--) {
        for (uint32_t each = 1 + bare_random(&x->b, 12); each > 0; each--)
            bare_send(&x->b, x->sent++, false);
        bare_commit(&x->b);
    }
}

static void some_acknowledgements(struct experiment *x)
{
    for (int turns = 0; turns < 3; turns++) {
        for (int i = 0; i < x->to_ack_count; i++)
            bare_acknowledge(&x->b, x->to_ack[i], bare_random(&x->b, 2) == 0);
        x->to_ack_count = 0;
        bare_turn(&x->b);
    }
}

static void some_work(struct experiment *x)
{
    if (x->work == SEND)
        some_sends(x);
    else if (x->work == TRANSACT)
        some_transactions(x);
    else
        some_acknowledgements(x);
}

/* --- one session --- */

static void prepare(struct experiment *x)
{
    char body[16];
    rai_mock_add_queue(x->b.m, "in", "in", true);
    for (int i = 0; i < MESSAGES && x->work == ACKNOWLEDGE; i++)
        rai_mock_add_message(x->b.m, "in", (const uint8_t *)body, (size_t)snprintf(body, sizeof body, "%d", i));
    bare_start(&x->b, x->work == TRANSACT);
    if (x->work == ACKNOWLEDGE)
        bare_consume(&x->b, 3000);
}

static void finish(struct experiment *x)
{
    for (int64_t end = x->b.now + 5000000; x->b.now < end;) {
        if (x->work == ACKNOWLEDGE)
            some_acknowledgements(x);
        bare_turn(&x->b);
    }
}

static void sum_up(const struct experiment *x, struct sums *sums)
{
    for (int i = 0; i < x->sent; i++) {
        sums->lost += x->stored[i] == 0;
        sums->doubled += x->stored[i] > 1 ? x->stored[i] - 1 : 0;
    }
    for (int i = 0; i < MESSAGES && x->work == ACKNOWLEDGE; i++) {
        sums->lost += x->delivered[i] == 0;
        sums->doubled += x->delivered[i] > 1 ? x->delivered[i] - 1 : 0;
    }
    sums->cuts += CUTS;
    sums->sent += x->work == ACKNOWLEDGE ? x->deliveries : x->sent;
    sums->refused += x->bad_acks;
    sums->left += x->work == ACKNOWLEDGE ? rai_mock_queue_messages(x->b.m, "in") : 0;
    sums->uncounted += rai_mock_stat(x->b.m, RAI_MOCK_UNCOUNTED_AT_REATTACH);
}

static void one_session(uint64_t seed, enum work work, enum bare_variant variant, enum bare_cut how, bool slow,
                        struct sums *sums)
{
    static struct experiment x;
    memset(&x, 0, sizeof x);
    struct rai_mock_config config = { .seed = seed,
                                      .version = RAI_VERSION,
                                      .sync_us = slow ? SLOW_US : FAST_US,
                                      .lost_answers = 30,
                                      .doubled_answers = 10,
                                      .watch = { .ctx = &x, .news = news } };
    x.work = work;
    x.b = (struct bare){
        .m = rai_mock_new(&config), .variant = variant, .seed = seed, .ctx = &x, .delivered = delivered
    };
    prepare(&x);
    for (int i = 0; i < CUTS; i++) {
        some_work(&x);
        for (uint32_t n = 1 + bare_random(&x.b, 6); n > 0; n--)
            bare_turn(&x.b);
        bare_cut_and_recover(&x.b, how);
    }
    finish(&x);
    sum_up(&x, sums);
    bare_end(&x.b);
    rai_mock_free(x.b.m);
}

static void run(int sessions, enum work work, enum bare_variant variant, enum bare_cut how, bool slow)
{
    static const char *const works[] = { "sends", "transactions", "acknowledgements" };
    static const char *const cuts[] = { "rst", "fin", "abandon", "late" };
    struct sums s = { 0 };
    for (int seed = 1; seed <= sessions; seed++)
        one_session((uint64_t)seed, work, variant, how, slow, &s);
    printf("{\"work\": \"%s\", \"variant\": \"%c\", \"cut\": \"%s\", \"disk\": \"%s\", \"cuts\": %ld, \"sent\": %ld, "
           "\"lost\": %ld, \"doubled\": %ld, \"refused\": %ld, \"left\": %ld, \"uncounted\": %ld}\n",
           works[work], "ABDQ"[variant], cuts[how], slow ? "slow" : "fast", s.cuts, s.sent, s.lost, s.doubled,
           s.refused, s.left, s.uncounted);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int sessions = 3;
    if (argc == 3 && strcmp(argv[1], "--sessions") == 0)
        sessions = atoi(argv[2]);
    else if (argc != 1)
        return fprintf(stderr, "usage: %s [--sessions N]\n", argv[0]), 2;
    for (enum bare_variant v = 0; v < BARE_VARIANTS; v++) {
        for (enum bare_cut how = 0; how < BARE_CUTS; how++)
            run(sessions, SEND, v, how, false);
        run(sessions, SEND, v, BARE_RESET, true);
        run(sessions, TRANSACT, v, BARE_RESET, false);
        run(sessions, TRANSACT, v, BARE_ABANDON, false);
        if (v != BARE_D) /* a second REATTACH on a link on which deliveries are under way is unsound with any broker */
            run(sessions, ACKNOWLEDGE, v, BARE_RESET, false);
    }
    return 0;
}
