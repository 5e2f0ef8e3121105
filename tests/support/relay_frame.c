/* Frames: where they begin, which of them a trap waits for, and the recording. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "relay_private.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t preamble[7] = { 'A', 'R', 'T', 'E', 'M', 'I', 'S' };

enum { HEADER = 13, LENGTH_FIELD = 4, SMALLEST_LENGTH = 9 };

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

/* Follows the stream without touching it. Takes at most up to the next frame boundary. */
static size_t step(struct framing *g, const uint8_t *p, size_t n)
{
    if (g->raw)
        return n;
    if (g->left > 0) {
        size_t k = n < g->left ? n : (size_t)g->left;
        g->left -= k;
        return k;
    }
    size_t want = g->started ? LENGTH_FIELD : sizeof preamble;
    size_t k = want - g->have < n ? want - g->have : n;
    memcpy(g->head + g->have, p, k);
    g->have += (unsigned)k;
    if (g->have < want)
        return k;
    g->have = 0;
    if (!g->started) {
        g->started = true;
        g->raw = memcmp(g->head, preamble, sizeof preamble) != 0;
    } else {
        g->left = be32(g->head);
        g->raw = g->left < SMALLEST_LENGTH || g->left > INT32_MAX;
    }
    return k;
}

static void record(struct flow *f, const char *kind, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    FILE *out = f->conn->record;
    if (out == NULL || n == 0)
        return;
    struct relay *r = f->conn->relay;
    fprintf(out, "%c%s %llu ", f->direction == RELAY_TO_BROKER ? '>' : '<', kind,
            (unsigned long long)(r->now_us - r->record_since));
    for (size_t i = 0; i < n; i++) {
        putc_unlocked(digits[p[i] >> 4], out);
        putc_unlocked(digits[p[i] & 15], out);
    }
    putc_unlocked('\n', out);
}

static bool matches(const struct trap *t, const struct flow *f, const uint8_t *p, size_t n)
{
    const struct relay_match *m = &t->match;
    if (t->sprung || m->direction != f->direction)
        return false;
    if (m->type != RELAY_ANY_TYPE && m->type != (int8_t)p[LENGTH_FIELD])
        return false;
    if (m->channel != RELAY_ANY_CHANNEL && m->channel != be64(p + LENGTH_FIELD + 1))
        return false;
    return t->bytes == NULL || memmem(p, n, t->bytes, m->bytes_length) != NULL;
}

/* Every trap counts the frame; the first whose turn it is springs. */
static struct trap *find_trap(struct flow *f, const uint8_t *p, size_t n)
{
    struct relay *r = f->conn->relay;
    struct trap *found = NULL;
    if (r->armed[f->direction] == 0)
        return NULL;
    for (struct trap *t = r->traps; t != NULL; t = t->next) {
        if (!matches(t, f, p, n))
            continue;
        t->seen++;
        if (found == NULL && t->seen >= t->match.nth)
            found = t;
    }
    if (found != NULL) {
        found->sprung = true;
        r->armed[f->direction]--;
    }
    return found;
}

static void spring(struct flow *f, const struct trap *t, const uint8_t *p, size_t n)
{
    struct entry order = { .kind = t->cuts ? ENTRY_CUT : ENTRY_HOLD, .trap = t->id,
                           .how = t->how, .hold_ms = t->hold_ms };
    size_t whole = LENGTH_FIELD + (size_t)be32(p);
    if (!t->cuts) {
        flow_order(f, &order);
        flow_deliver(f, p, n);
        return;
    }
    size_t pass = 0;
    if (t->place == RELAY_INSIDE)
        pass = t->inside_bytes > 0 && t->inside_bytes < whole ? t->inside_bytes : whole / 2;
    else if (t->place == RELAY_AFTER)
        pass = whole;
    if (pass <= n) {
        flow_deliver(f, p, pass);
        flow_order(f, &order);
        return;
    }
    /* A frame of which we have seen the first MiB only: count the rest. */
    flow_deliver(f, p, n);
    struct fuse fuse = { true, pass - n, t->how, t->id };
    flow_light(f, FUSE_TRAP, &fuse);
}

/* One frame, or the first FRAME_LIMIT bytes of one. */
static void emit(struct flow *f, const struct trap *t, const uint8_t *p, size_t n)
{
    if (t != NULL)
        spring(f, t, p, n);
    else
        flow_deliver(f, p, n);
}

static bool append(struct framing *g, const uint8_t *p, size_t n)
{
    if (g->partial_length + n > g->partial_capacity) {
        size_t capacity = g->partial_capacity ? g->partial_capacity * 2 : 4096;
        while (capacity < g->partial_length + n)
            capacity *= 2;
        uint8_t *grown = realloc(g->partial, capacity);
        if (grown == NULL)
            return false;
        g->partial = grown;
        g->partial_capacity = capacity;
    }
    memcpy(g->partial + g->partial_length, p, n);
    g->partial_length += n;
    return true;
}

/* How much of a frame is wanted before it is judged; p holds its length field. Sets what will
   follow unseen. 0: this is no frame. */
static size_t wanted(const uint8_t *p, uint64_t *rest)
{
    uint32_t length = be32(p);
    if (length < SMALLEST_LENGTH || length > INT32_MAX)
        return 0;
    uint64_t whole = LENGTH_FIELD + (uint64_t)length;
    *rest = whole > FRAME_LIMIT ? whole - FRAME_LIMIT : 0;
    return whole > FRAME_LIMIT ? FRAME_LIMIT : (size_t)whole;
}

/* Adds to the frame under way; returns the bytes taken. */
static size_t assemble(struct flow *f, const uint8_t *p, size_t n)
{
    struct framing *g = &f->framing;
    uint64_t rest = 0;
    size_t want = LENGTH_FIELD;
    if (g->partial_length >= LENGTH_FIELD)
        want = wanted(g->partial, &rest);
    if (want == 0) {
        g->raw = true;
        frame_flush(f);
        return 0;
    }
    size_t k = want - g->partial_length < n ? want - g->partial_length : n;
    if (!append(g, p, k)) {
        g->raw = true; /* out of memory: give up on frames, not on the stream */
        frame_flush(f);
        return 0;
    }
    if (g->partial_length < want || want == LENGTH_FIELD)
        return k;
    size_t length = g->partial_length;
    g->partial_length = 0;
    g->left = rest;
    record(f, "", g->partial, length);
    emit(f, find_trap(f, g->partial, length), g->partial, length);
    return k;
}

/* Whole frames that lie in p one after the other go out in one piece, up to a trap. */
static size_t run_of_frames(struct flow *f, const uint8_t *p, size_t n)
{
    struct trap *t = NULL;
    uint64_t rest = 0;
    size_t run = 0, size = 0;
    while (t == NULL && rest == 0 && n - run >= LENGTH_FIELD) {
        size = wanted(p + run, &rest);
        if (size == 0 || size > n - run) {
            rest = 0;
            break;
        }
        record(f, "", p + run, size);
        t = find_trap(f, p + run, size);
        if (t == NULL)
            run += size;
    }
    f->framing.left = rest;
    if (run > 0)
        flow_deliver(f, p, run);
    if (t == NULL)
        return run;
    emit(f, t, p + run, size);
    return run + size;
}

static size_t pass_unseen(struct flow *f, const uint8_t *p, size_t n)
{
    struct framing *g = &f->framing;
    bool inside = g->started && !g->raw;
    size_t k = step(g, p, n);
    record(f, inside ? "+" : "", p, k);
    flow_deliver(f, p, k);
    return k;
}

static size_t feed_watched(struct flow *f, const uint8_t *p, size_t n)
{
    struct framing *g = &f->framing;
    if (g->partial_length > 0)
        return assemble(f, p, n);
    if (g->raw || !g->started || g->left > 0 || g->have > 0)
        return pass_unseen(f, p, n);
    size_t k = run_of_frames(f, p, n);
    return k > 0 ? k : assemble(f, p, n);
}

void frame_feed(struct flow *f, const uint8_t *data, size_t n)
{
    struct framing *g = &f->framing;
    bool watched = f->conn->relay->armed[f->direction] > 0 || f->conn->record != NULL;
    if (!watched && g->partial_length == 0) {
        for (size_t i = 0; i < n && !g->raw;)
            i += step(g, data + i, n - i);
        flow_deliver(f, data, n);
        return;
    }
    while (n > 0 && !f->stopped) {
        size_t k = feed_watched(f, data, n);
        data += k;
        n -= k;
    }
    /* An exact cut must not wait for the end of a frame that is still coming. */
    for (int i = 0; i < 2; i++)
        if (f->fuse[i].lit && g->partial_length >= f->fuse[i].left)
            frame_flush(f);
}

void frame_flush(struct flow *f)
{
    struct framing *g = &f->framing;
    size_t n = g->partial_length;
    if (n == 0)
        return;
    g->partial_length = 0;
    record(f, "~", g->partial, n);
    flow_deliver(f, g->partial, n);
}
