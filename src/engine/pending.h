#ifndef RAI_ENGINE_PENDING_H
#define RAI_ENGINE_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The work of one session that waits for its answer, in log order. An entry stays until it and everything before it has
 * ended. Indices only grow, so they stay valid while entries before them leave.
 */
struct rai_pending {
    uint64_t offset, end; /* of its frame in the log */
    int64_t correlation; /* RAI_NO_CORRELATION for requests that cannot carry one */
    union {
        uint64_t tag;
        struct rai_op *op; /* a reference; NULL for work of the engine's own */
    } as;
    void *subject; /* what it is about: consumer, producer (route), credit account (send); or NULL */
    int8_t type;   /* packet type */
    bool tagged;   /* as.tag, else as.op */
    bool ended;
    bool risky; /* a commit that may be refused: the last one was */
    bool doomed; /* a commit that can only be refused, whatever is answered: a send of its transaction was */
    bool work;  /* a commit of work: cancelled, the transaction is what it was */
    bool answered; /* ended by its own answer, so the broker counted it */
};

struct rai_pendings {
    struct rai_pending *entries; /* ring, room is a power of two */
    size_t room;
    uint64_t head, tail; /* indices of the oldest entry and behind the newest */
};

void rai_pendings_destroy(struct rai_pendings *p);
bool rai_pendings_reserve(struct rai_pendings *p); /* room for one more; false: out of memory */
struct rai_pending *rai_pendings_push(struct rai_pendings *p); /* after a reserve; zeroed */
struct rai_pending *rai_pendings_at(const struct rai_pendings *p, uint64_t index);
/* The entry of a correlation id, also an ended one that is still kept; NULL when there is none. */
struct rai_pending *rai_pendings_find(const struct rai_pendings *p, int64_t correlation);

/* The entry of the frame at an offset, while it is kept; entries are in order of offsets. */
struct rai_pending *rai_pendings_by_offset(const struct rai_pendings *p, uint64_t offset);

/* A small set of numbers, kept sorted: answers that never came, so that a late one is known as the first. */
struct rai_numbers {
    int64_t *values;
    size_t count, room;
};
bool rai_numbers_add(struct rai_numbers *n, int64_t value); /* bounded: the smallest leave first */
bool rai_numbers_remove(struct rai_numbers *n, int64_t value); /* true: it was there */
void rai_numbers_destroy(struct rai_numbers *n);

#endif
