#ifndef RAI_ENGINE_LOG_H
#define RAI_ENGINE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The command log of one session: encoded frames in a chain of blocks, addressed by a 64-bit offset that only grows.
 *
 *      confirmed          planned            end
 *         v                  v                v
 *    ...  | frame | frame | hole | frame | frame | <- the next append encodes here, in place
 *
 * `written` is the high-water mark of what was ever handed to a socket in this epoch: a frame that ends behind it was
 * never executed by the broker. Frames never straddle blocks, so every block ends at a frame border. No number is stored
 * per frame: the log knows the number of its first counted frame and walks by the length prefix. Holes are frames that the
 * broker does not count (answered by EXCEPTION) or will never see (cancelled); numbering and replay step over them.
 */
struct rai_log_block {
    struct rai_log_block *next;
    uint64_t base;
    size_t used, capacity;
    uint8_t data[];
};

/* Blocks of a connection. While a writer reads blocks without the lock (pins > 0), released ones wait in limbo. */
struct rai_log_pool {
    struct rai_log_block *free, *limbo;
    int free_count;
    int pins;
};

struct rai_log {
    struct rai_log_pool *pool;
    struct rai_log_block *head, *tail;
    struct rai_log_block *plan_block; /* holds `planned`, or NULL when it has to be looked up */
    uint64_t confirmed, planned, written, end;
    uint32_t first; /* number of the first counted frame at or behind `confirmed` */
    uint64_t *holes; /* sorted offsets */
    size_t hole_count, hole_room;
};

void rai_log_pool_free(struct rai_log_pool *pool);
void rai_log_pin(struct rai_log_pool *pool);
void rai_log_unpin(struct rai_log_pool *pool);

void rai_log_init(struct rai_log *log, struct rai_log_pool *pool);
/* Forgets everything; offsets go on, numbers start at 0 again: a new epoch. */
void rai_log_clear(struct rai_log *log);
void rai_log_destroy(struct rai_log *log);

/* Room for one frame of exactly `size` bytes, or NULL; committed by the next call, or never. */
uint8_t *rai_log_reserve(struct rai_log *log, size_t size);
uint64_t rai_log_commit(struct rai_log *log, size_t size); /* returns the frame's offset */

size_t rai_log_bytes(const struct rai_log *log);
bool rai_log_empty(const struct rai_log *log); /* holes aside */
/* The first frame that is still there: at or before `confirmed`. */
uint64_t rai_log_base(const struct rai_log *log);
/* The frame at an offset that is a frame border below end, not before the base. */
const uint8_t *rai_log_frame(const struct rai_log *log, uint64_t offset, size_t *size);
bool rai_log_is_hole(const struct rai_log *log, uint64_t offset);
bool rai_log_make_hole(struct rai_log *log, uint64_t offset); /* false: out of memory */

/* Called for each counted frame that is dropped. */
typedef void (*rai_log_visitor)(void *ctx, const uint8_t *frame, size_t size);
/* Everything up to and including number n is the broker's. Returns false when n lies behind what was ever written: a
 * count that cannot be. */
bool rai_log_drop(struct rai_log *log, uint32_t n, rai_log_visitor visit, void *ctx);
/* Drops up to an offset whatever the numbers say and takes the next number from the broker (audit). */
void rai_log_repair(struct rai_log *log, uint64_t offset, uint32_t next, rai_log_visitor visit, void *ctx);
/* The number of the last counted frame below `offset` (>= confirmed). */
uint32_t rai_log_number_before(const struct rai_log *log, uint64_t offset);
/* Counted frames in [from, to). */
uint32_t rai_log_count(const struct rai_log *log, uint64_t from, uint64_t to);

/* Planning: the next run of whole, counted frames below `limit` that lies in one block; 0 when there is none. Advances
 * `planned`. */
size_t rai_log_plan(struct rai_log *log, uint64_t limit, const uint8_t **run);
/* The end of what was handed to the socket: rounded down to a frame border, so that a frame cut in the middle counts as
 * never written. */
void rai_log_link_lost(struct rai_log *log);
void rai_log_rewind(struct rai_log *log); /* replay: planned := confirmed */

#endif
