#include "engine/log.h"

#include <string.h>

#include "base/alloc.h"
#include "codec/frame.h"

enum { BLOCK_SIZE = 16 * 1024 - (int)sizeof(struct rai_log_block), POOL_MAX = 256 };

/* --- the pool --- */

static struct rai_log_block *block_new(struct rai_log_pool *pool, size_t size)
{
    if (size <= BLOCK_SIZE && pool->free != NULL) {
        struct rai_log_block *b = pool->free;
        pool->free = b->next;
        pool->free_count--;
        b->next = NULL;
        b->used = 0;
        return b;
    }
    size_t capacity = size <= BLOCK_SIZE ? BLOCK_SIZE : size;
    struct rai_log_block *b = rai_alloc(sizeof *b + capacity);
    if (b == NULL)
        return NULL;
    *b = (struct rai_log_block){.capacity = capacity};
    return b;
}

static void recycle(struct rai_log_pool *pool, struct rai_log_block *b)
{
    if (b->capacity != BLOCK_SIZE || pool->free_count >= POOL_MAX) {
        rai_free(b);
        return;
    }
    b->next = pool->free;
    pool->free = b;
    pool->free_count++;
}

static void block_release(struct rai_log_pool *pool, struct rai_log_block *b)
{
    if (pool->pins == 0) {
        recycle(pool, b);
        return;
    }
    b->next = pool->limbo;
    pool->limbo = b;
}

static void free_chain(struct rai_log_block *b)
{
    while (b != NULL) {
        struct rai_log_block *next = b->next;
        rai_free(b);
        b = next;
    }
}

void rai_log_pool_free(struct rai_log_pool *pool)
{
    free_chain(pool->free);
    free_chain(pool->limbo);
    *pool = (struct rai_log_pool){0};
}

void rai_log_pin(struct rai_log_pool *pool)
{
    pool->pins++;
}

void rai_log_unpin(struct rai_log_pool *pool)
{
    if (--pool->pins > 0)
        return;
    struct rai_log_block *b = pool->limbo;
    pool->limbo = NULL;
    while (b != NULL) {
        struct rai_log_block *next = b->next;
        recycle(pool, b);
        b = next;
    }
}

/* --- the log --- */

void rai_log_init(struct rai_log *log, struct rai_log_pool *pool)
{
    *log = (struct rai_log){.pool = pool};
}

static void release_blocks(struct rai_log *log)
{
    while (log->head != NULL) {
        struct rai_log_block *b = log->head;
        log->head = b->next;
        block_release(log->pool, b);
    }
    log->tail = log->plan_block = NULL;
}

void rai_log_clear(struct rai_log *log)
{
    release_blocks(log);
    log->confirmed = log->planned = log->written = log->end;
    log->first = 0;
    log->hole_count = 0;
}

void rai_log_destroy(struct rai_log *log)
{
    release_blocks(log);
    rai_free(log->holes);
    log->holes = NULL;
    log->hole_count = log->hole_room = 0;
}

uint8_t *rai_log_reserve(struct rai_log *log, size_t size)
{
    struct rai_log_block *b = log->tail;
    if (b != NULL && b->capacity - b->used >= size)
        return b->data + b->used;
    b = block_new(log->pool, size);
    if (b == NULL)
        return NULL;
    b->base = log->end;
    if (log->tail != NULL)
        log->tail->next = b;
    else
        log->head = b;
    log->tail = b;
    return b->data;
}

uint64_t rai_log_commit(struct rai_log *log, size_t size)
{
    uint64_t offset = log->end;
    log->tail->used += size;
    log->end += size;
    return offset;
}

size_t rai_log_bytes(const struct rai_log *log)
{
    return (size_t)(log->end - log->confirmed);
}

uint64_t rai_log_base(const struct rai_log *log)
{
    return log->head != NULL ? log->head->base : log->end;
}

static struct rai_log_block *block_at(const struct rai_log *log, uint64_t offset)
{
    struct rai_log_block *b = log->head;
    if (log->plan_block != NULL && log->plan_block->base <= offset)
        b = log->plan_block;
    while (b != NULL && offset >= b->base + b->used)
        b = b->next;
    return b;
}

const uint8_t *rai_log_frame(const struct rai_log *log, uint64_t offset, size_t *size)
{
    const struct rai_log_block *b = block_at(log, offset);
    const uint8_t *frame = b->data + (offset - b->base);
    *size = rai_frame_size(frame);
    return frame;
}

/* --- holes --- */

/* index of the first hole at or behind offset */
static size_t hole_at_or_behind(const struct rai_log *log, uint64_t offset)
{
    size_t low = 0, high = log->hole_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (log->holes[mid] < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool rai_log_is_hole(const struct rai_log *log, uint64_t offset)
{
    size_t i = hole_at_or_behind(log, offset);
    return i < log->hole_count && log->holes[i] == offset;
}

static void remove_holes_below(struct rai_log *log, uint64_t offset)
{
    size_t n = hole_at_or_behind(log, offset);
    if (n == 0)
        return;
    memmove(log->holes, log->holes + n, (log->hole_count - n) * sizeof *log->holes);
    log->hole_count -= n;
}

/* Releases blocks below `confirmed`; an empty log owns none. */
static void settle(struct rai_log *log)
{
    remove_holes_below(log, log->confirmed);
    if (log->planned < log->confirmed) {
        log->planned = log->confirmed;
        log->plan_block = NULL;
    }
    if (log->written < log->confirmed)
        log->written = log->confirmed;
    if (log->confirmed == log->end) {
        release_blocks(log);
        return;
    }
    while (log->head->base + log->head->used <= log->confirmed) {
        struct rai_log_block *b = log->head;
        log->head = b->next;
        if (log->plan_block == b)
            log->plan_block = NULL;
        block_release(log->pool, b);
    }
}

static void trim_holes(struct rai_log *log)
{
    size_t size;
    while (log->confirmed < log->end && rai_log_is_hole(log, log->confirmed)) {
        rai_log_frame(log, log->confirmed, &size);
        log->confirmed += size;
    }
    settle(log);
}

bool rai_log_make_hole(struct rai_log *log, uint64_t offset)
{
    if (offset < log->confirmed)
        return true;
    if (log->hole_count == log->hole_room) {
        size_t room = log->hole_room == 0 ? 8 : 2 * log->hole_room;
        uint64_t *grown = rai_realloc(log->holes, room * sizeof *grown);
        if (grown == NULL)
            return false;
        log->holes = grown;
        log->hole_room = room;
    }
    size_t i = hole_at_or_behind(log, offset);
    memmove(log->holes + i + 1, log->holes + i, (log->hole_count - i) * sizeof *log->holes);
    log->holes[i] = offset;
    log->hole_count++;
    trim_holes(log);
    return true;
}

bool rai_log_empty(const struct rai_log *log)
{
    return log->confirmed == log->end; /* leading holes are trimmed at once, so the head is always a counted frame */
}

/* --- dropping --- */

/* What is planned may have arrived already: the reader can be faster than the writer's way back from its system call. */
static bool head_is_written(const struct rai_log *log)
{
    uint64_t out = log->written > log->planned ? log->written : log->planned;
    size_t size;
    if (log->confirmed >= out)
        return false;
    rai_log_frame(log, log->confirmed, &size);
    return log->confirmed + size <= out;
}

static void drop_one(struct rai_log *log, rai_log_visitor visit, void *ctx, bool *counted)
{
    size_t size;
    const uint8_t *frame = rai_log_frame(log, log->confirmed, &size);
    *counted = !rai_log_is_hole(log, log->confirmed);
    if (*counted && visit != NULL)
        visit(ctx, frame, size);
    log->confirmed += size;
}

bool rai_log_drop(struct rai_log *log, uint32_t n, rai_log_visitor visit, void *ctx)
{
    int32_t k = (int32_t)(n - log->first + 1);
    if (k <= 0)
        return true;
    while (k > 0 && head_is_written(log)) {
        bool counted;
        drop_one(log, visit, ctx, &counted);
        if (counted)
            k--;
    }
    trim_holes(log);
    log->first = n + 1;
    return k == 0;
}

void rai_log_repair(struct rai_log *log, uint64_t offset, uint32_t next, rai_log_visitor visit, void *ctx)
{
    bool counted;
    while (log->confirmed < offset)
        drop_one(log, visit, ctx, &counted);
    trim_holes(log);
    log->first = next;
}

uint32_t rai_log_count(const struct rai_log *log, uint64_t from, uint64_t to)
{
    uint32_t count = 0;
    while (from < to) {
        size_t size;
        rai_log_frame(log, from, &size);
        if (!rai_log_is_hole(log, from))
            count++;
        from += size;
    }
    return count;
}

uint32_t rai_log_number_before(const struct rai_log *log, uint64_t offset)
{
    return log->first + rai_log_count(log, log->confirmed, offset) - 1;
}

/* --- planning --- */

static void skip_planned_holes(struct rai_log *log, uint64_t limit)
{
    while (log->planned < limit && log->hole_count > 0 && rai_log_is_hole(log, log->planned)) {
        size_t size;
        rai_log_frame(log, log->planned, &size);
        log->planned += size;
    }
}

size_t rai_log_plan(struct rai_log *log, uint64_t limit, const uint8_t **run)
{
    if (limit > log->end)
        limit = log->end;
    skip_planned_holes(log, limit);
    if (log->planned >= limit)
        return 0;
    struct rai_log_block *b = block_at(log, log->planned);
    log->plan_block = b;
    uint64_t to = b->base + b->used;
    if (to > limit)
        to = limit;
    size_t i = hole_at_or_behind(log, log->planned);
    if (i < log->hole_count && log->holes[i] < to)
        to = log->holes[i];
    *run = b->data + (log->planned - b->base);
    size_t size = (size_t)(to - log->planned);
    log->planned = to;
    return size;
}

void rai_log_link_lost(struct rai_log *log)
{
    uint64_t at = log->confirmed;
    while (at < log->written) {
        size_t size;
        rai_log_frame(log, at, &size);
        if (at + size > log->written)
            break;
        at += size;
    }
    log->written = at;
    rai_log_rewind(log);
}

void rai_log_rewind(struct rai_log *log)
{
    log->planned = log->confirmed;
    log->plan_block = NULL;
}
