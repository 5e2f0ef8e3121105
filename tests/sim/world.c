#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- chance and failure --- */

uint32_t world_random(struct world *w, uint32_t below)
{
    w->state = w->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below == 0 ? 0 : (uint32_t)((w->state >> 33) % below);
}

bool world_chance(struct world *w, int in_1000)
{
    return (int)world_random(w, 1000) < in_1000;
}

void world_fail(const struct world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "seed %llu, at %.6f s: ", (unsigned long long)w->seed, (double)w->now / 1e6);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nshow it again: %s\n", w->replay);
    exit(1);
}

static void *take(const struct world *w, void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p == NULL)
        world_fail(w, "out of memory");
    return p;
}

/* --- bytes on their way --- */

static void put(const struct world *w, struct world_bytes *b, const void *bytes, size_t size)
{
    if (b->at == b->size)
        b->at = b->size = 0;
    if (b->size + size > b->room) {
        b->room = 2 * (b->size + size);
        b->bytes = take(w, b->bytes, b->room);
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
    b->total += size;
}

static size_t waiting(const struct world_bytes *b)
{
    return b->size - b->at;
}

/* --- birth and end --- */

static void pseudo_random(void *ctx, void *out, size_t size)
{
    struct world *w = ctx;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)out)[i] = (uint8_t)world_random(w, 256);
}

void world_init(struct world *w, uint64_t seed, struct rai_mock_config *mock)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->state = seed * UINT64_C(2862933555777941757) + 3037000493;
    w->now = 1000000;
    for (int i = 0; i < WORLD_LIMITS; i++)
        w->limits[i] = (struct world_limit){ UINT64_MAX, UINT64_MAX, false };
    w->replay = "";
    w->endpoint = (struct rai_endpoint){ .host = "broker", .port = 61616 };
    w->config = (struct rai_config){ .endpoints = &w->endpoint,
                                     .endpoint_count = 1,
                                     .confirmation_window = 65536,
                                     .reconnect_attempts = -1,
                                     .initial_connect_attempts = -1,
                                     .retry_interval = 100,
                                     .retry_interval_multiplier = 2,
                                     .max_retry_interval = 1000,
                                     .connect_timeout = 5000,
                                     .call_timeout = 30000,
                                     .call_failover_timeout = 60000,
                                     .connection_ttl = 30000,
                                     .check_period = 3000,
                                     .consumer_window = 1000,
                                     .producer_window = -1,
                                     .max_unconfirmed = 1 << 20,
                                     .min_large_message_size = 100, /* so that some sends are large */
                                     .max_body_in_memory = 1 << 20,
                                     .route_check = RAI_ROUTE_NONE };
    *mock = (struct rai_mock_config){ .seed = seed,
                                      .version = RAI_VERSION,
                                      .node_id = "mock",
                                      .sync_us = 20000,
                                      .lost_answers = 30,
                                      .doubled_answers = 10 };
}

static void show_frame(void *ctx, uint32_t link, bool from_client, const struct rai_frame *f)
{
    const struct world *w = ctx;
    fprintf(stderr, "%12.6f  %2u %s %3lld %s\n", (double)w->now / 1e6, link, from_client ? ">" : "<",
            (long long)(f->channel > RAI_ANCHORS ? f->channel - RAI_ANCHORS : f->channel), rai_packet_name(f->type));
}

void world_start(struct world *w, const struct rai_mock_config *mock)
{
    struct rai_host host = { pseudo_random, w };
    struct rai_mock_config config = *mock;
    if (w->trace) {
        config.watch.frame = show_frame;
        if (config.watch.ctx == NULL)
            config.watch.ctx = w;
    }
    w->m = rai_mock_new(&config);
    w->e = rai_engine_new(&w->config, &host);
    if (w->e == NULL)
        world_fail(w, "out of memory");
    rai_engine_subscribe(w->e, UINT32_MAX);
    rai_op_unref(rai_engine_start(w->e, w->now));
}

static void free_link(struct world_link *l)
{
    free(l->up.bytes);
    free(l->down.bytes);
    free(l);
}

void world_free(struct world *w)
{
    rai_engine_free(w->e);
    rai_mock_free(w->m);
    for (size_t i = 0; i < w->link_count; i++)
        free_link(w->links[i]);
    free(w->links);
}

/* --- links --- */

static void hangups(struct world *w)
{
    uint32_t id;
    while (rai_engine_next_hangup(w->e, &id)) {
        for (size_t i = 0; i < w->link_count; i++) {
            struct world_link *l = w->links[i];
            if (l->engine != id)
                continue;
            l->engine = 0;
            l->tell_mock = !l->silent;
        }
        rai_engine_link_closed(w->e, id);
    }
}

static bool dial(struct world *w)
{
    struct rai_dial request;
    struct rai_fault why;
    if (!rai_engine_next_dial(w->e, &request))
        return false;
    if (w->unreachable) {
        rai_fault_set(&why, RA_E_CONNECT, "refused");
        rai_engine_dial_failed(w->e, request.link, &why, w->now);
        hangups(w);
        return true;
    }
    if (w->link_count == w->link_room) {
        w->link_room = w->link_room == 0 ? 8 : 2 * w->link_room;
        w->links = take(w, w->links, w->link_room * sizeof(struct world_link *));
    }
    struct world_link *l = take(w, NULL, sizeof *l);
    *l = (struct world_link){ .engine = request.link, .mock = rai_mock_accept(w->m, w->now), .number = w->dialed++ };
    w->links[w->link_count++] = l;
    rai_engine_dialed(w->e, request.link, w->now);
    return true;
}

static bool done_with(const struct world *w, const struct world_link *l)
{
    (void)w;
    return l->engine == 0 && (l->mock == 0 || waiting(&l->up) == 0);
}

static void reap(struct world *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->link_count; i++) {
        struct world_link *l = w->links[i];
        if (done_with(w, l) && l->tell_mock)
            rai_mock_ended(w->m, l->mock);
        if (done_with(w, l))
            free_link(l);
        else
            w->links[kept++] = l;
    }
    w->link_count = kept;
}

static void lost(struct world *w, struct world_link *l)
{
    struct rai_fault why;
    if (l->engine == 0 || l->ended)
        return;
    rai_fault_set(&why, RA_E_LINK_LOST, "cut");
    l->ended = true; /* whenever the engine hangs up */
    rai_engine_link_lost(w->e, l->engine, &why, w->now);
    hangups(w);
}

/* --- what moves --- */

static const struct world_limit *limit_of(const struct world *w, const struct world_link *l)
{
    static const struct world_limit none = { UINT64_MAX, UINT64_MAX, false };
    return l->number < WORLD_LIMITS ? &w->limits[l->number] : &none;
}

static size_t at_most(uint64_t limit, uint64_t total, size_t amount)
{
    if (limit == UINT64_MAX)
        return amount;
    uint64_t left = limit > total ? limit - total : 0;
    return left < amount ? (size_t)left : amount;
}

/* From the engine into the network. */
static bool move_out(struct world *w, struct world_link *l, size_t amount)
{
    struct iovec pieces[RAI_PLAN_PIECES];
    bool any = false;
    int n;
    if (!limit_of(w, l)->overshoot)
        amount = at_most(limit_of(w, l)->up, l->up.total, amount);
    while (amount > 0 && l->engine != 0 && !l->ended &&
           (n = rai_engine_output(w->e, l->engine, pieces, RAI_PLAN_PIECES, w->now)) > 0) {
        size_t now = 0;
        for (int i = 0; i < n && now < amount; i++) {
            size_t part = pieces[i].iov_len < amount - now ? pieces[i].iov_len : amount - now;
            put(w, &l->up, pieces[i].iov_base, part);
            now += part;
        }
        rai_engine_written(w->e, l->engine, now, w->now);
        amount -= now;
        any = true;
    }
    return any;
}

/* From the network to the broker. */
static bool move_in(struct world *w, struct world_link *l, size_t amount)
{
    size_t part = waiting(&l->up) < amount ? waiting(&l->up) : amount;
    if (l->mock == 0 || part == 0)
        return false;
    rai_mock_input(w->m, l->mock, l->up.bytes + l->up.at, part);
    l->up.at += part;
    return true;
}

/* From the broker through the network to the engine. */
static bool move_back(struct world *w, struct world_link *l, size_t amount)
{
    size_t size;
    if (l->engine == 0 || l->ended)
        return false;
    const uint8_t *bytes = l->mock != 0 ? rai_mock_output(w->m, l->mock, &size) : NULL;
    if (bytes != NULL) {
        put(w, &l->down, bytes, size);
        rai_mock_sent(w->m, l->mock, size);
    }
    uint64_t given = l->down.total - waiting(&l->down);
    size_t part = waiting(&l->down) < amount ? waiting(&l->down) : amount;
    part = at_most(limit_of(w, l)->down, given, part);
    if (part == 0)
        return false;
    while (part > 0 && l->engine != 0) {
        size_t room;
        uint8_t *space = rai_engine_input_space(w->e, l->engine, &room);
        if (space == NULL)
            world_fail(w, "out of memory");
        size_t now = part < room ? part : room;
        memcpy(space, l->down.bytes + l->down.at, now);
        l->down.at += now;
        part -= now;
        rai_engine_input(w->e, l->engine, now, w->now);
        hangups(w);
    }
    return true;
}

static size_t amount_of(struct world *w, uint32_t amount)
{
    return amount == 0 ? SIZE_MAX : world_random(w, amount + 1);
}

/* Of what was written only so much arrives. */
static void cut_overshoot(struct world *w, struct world_link *l)
{
    const struct world_limit *limit = limit_of(w, l);
    if (limit->overshoot && l->up.total > limit->up) {
        l->up.size -= (size_t)(l->up.total - limit->up);
        l->up.total = limit->up;
    }
}

static void check_limits(struct world *w, struct world_link *l)
{
    const struct world_limit *limit = limit_of(w, l);
    uint64_t given = l->down.total - waiting(&l->down);
    if (l->number < WORLD_LIMITS)
        w->moved[l->number] = (struct world_limit){ .up = l->up.total, .down = given };
    if (l->engine == 0 || l->ended || (l->up.total < limit->up && given < limit->down))
        return;
    w->cuts++;
    l->tell_mock = true;
    lost(w, l);
}

bool world_turn(struct world *w, uint32_t amount)
{
    bool any = false;
    while (dial(w))
        any = true;
    for (size_t i = 0; i < w->link_count; i++) {
        struct world_link *l = w->links[i];
        if (l->silent || l->stalled)
            continue;
        any |= move_out(w, l, amount_of(w, amount));
        cut_overshoot(w, l);
        any |= move_in(w, l, amount_of(w, amount));
        check_limits(w, l);
    }
    any |= rai_mock_turn(w->m, amount == 0 ? 0 : 12, w->now);
    for (size_t i = 0; i < w->link_count; i++) {
        struct world_link *l = w->links[i];
        if (l->silent || l->stalled)
            continue;
        any |= move_back(w, l, amount_of(w, amount));
        check_limits(w, l);
        if (l->engine != 0 && !l->ended && waiting(&l->down) == 0 && !rai_mock_is_open(w->m, l->mock))
            lost(w, l); /* the broker has hung up */
    }
    hangups(w);
    reap(w);
    return any;
}

int64_t world_deadline(const struct world *w)
{
    int64_t a = rai_engine_deadline(w->e), b = rai_mock_deadline(w->m);
    return a < b ? a : b;
}

void world_pass(struct world *w, int64_t until)
{
    w->now = until > w->now ? until : w->now;
    rai_engine_tick(w->e, w->now);
    hangups(w);
}

/* --- faults --- */

/* Some bytes can be out though nobody could tell the engine. */
static void write_untold(struct world *w, struct world_link *l)
{
    struct iovec pieces[RAI_PLAN_PIECES];
    size_t amount = world_random(w, 400);
    int n = rai_engine_output(w->e, l->engine, pieces, RAI_PLAN_PIECES, w->now);
    for (int i = 0; i < n && amount > 0; i++) {
        size_t part = pieces[i].iov_len < amount ? pieces[i].iov_len : amount;
        put(w, &l->up, pieces[i].iov_base, part);
        amount -= part;
    }
}

void world_cut(struct world *w, size_t link, enum world_cut how)
{
    struct world_link *l = w->links[link];
    if (l->engine == 0 || l->ended)
        return;
    w->cuts++;
    l->stalled = false;
    if (how == WORLD_SILENT) {
        l->silent = w->was_silent = true;
        l->up.at = l->up.size;
        return;
    }
    move_out(w, l, world_random(w, 400));
    if (l->engine != 0)
        write_untold(w, l);
    if (how == WORLD_RESET && world_chance(w, 500))
        l->up.size -= world_random(w, (uint32_t)waiting(&l->up) + 1);
    lost(w, l);
    l->tell_mock = how == WORLD_RESET;
}

void world_disconnect(struct world *w, size_t link)
{
    w->cuts++;
    rai_mock_disconnect(w->m, w->links[link]->mock, 4);
}

void world_restart(struct world *w, bool keep_journal)
{
    w->cuts++;
    rai_mock_restart(w->m, keep_journal);
    for (size_t i = 0; i < w->link_count; i++) {
        struct world_link *l = w->links[i];
        l->mock = 0;
        if (!l->silent)
            lost(w, l);
    }
    reap(w);
}
