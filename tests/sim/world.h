#ifndef REATTACH_TESTS_SIM_WORLD_H
#define REATTACH_TESTS_SIM_WORLD_H

#include "engine/internal.h"
#include "mock/mock.h"

/*
 * A client engine, a network and a mock broker in one thread, on virtual time and one seed. The network moves bytes in
 * pieces, each direction of each link for itself; a link can be cut at any byte, and what was on its way then arrives
 * as far as chance has it, or not at all.
 */
enum world_cut {
    WORLD_RESET,   /* both sides are told; of what was on its way to the broker some arrives first */
    WORLD_ABANDON, /* the broker is never told, and gets all that was on its way */
    WORLD_SILENT,  /* nobody is told, and nothing arrives */
    WORLD_CUTS
};

struct world_bytes {
    uint8_t *bytes;
    size_t at, size, room;
    uint64_t total; /* ever put in */
};

/* A link is reset when so many bytes have been moved; UINT64_MAX: never. */
struct world_limit {
    uint64_t up, down;
    bool overshoot; /* more was written than the bytes that arrive */
};
enum { WORLD_LIMITS = 6 };

struct world_link {
    uint32_t engine, mock; /* ids; 0: that side has done with it */
    size_t number;         /* of its dial, from 0 */
    bool silent;
    bool ended;     /* the engine was told */
    bool stalled;   /* nothing moves for now */
    bool tell_mock; /* of the end, when `up` is empty */
    struct world_bytes up, down;
};

struct world {
    uint64_t seed, state;
    const char *replay; /* what shows this run again */
    bool trace;
    int64_t now;
    rai_engine *e;
    rai_mock *m;
    struct rai_config config;
    struct rai_endpoint endpoint;
    struct world_link **links;
    size_t link_count, link_room;
    bool unreachable;                        /* connections are refused */
    bool was_silent;                         /* some link, ever */
    struct world_limit limits[WORLD_LIMITS]; /* of the first links, in order of their dials */
    size_t dialed;
    struct world_limit moved[WORLD_LIMITS]; /* so far */
    int cuts;
};

/* Defaults that scenarios change before world_start(). A watch's ctx begins with the world. */
void world_init(struct world *w, uint64_t seed, struct rai_mock_config *mock);
void world_start(struct world *w, const struct rai_mock_config *mock);
void world_free(struct world *w);

uint32_t world_random(struct world *w, uint32_t below);
bool world_chance(struct world *w, int in_1000);

/* Some of what there is to do, at most `amount` bytes in each direction; 0: all of it. Whether anything was done. */
bool world_turn(struct world *w, uint32_t amount);
void world_pass(struct world *w, int64_t until);
int64_t world_deadline(const struct world *w);
void world_cut(struct world *w, size_t link, enum world_cut how);
void world_restart(struct world *w, bool keep_journal);
void world_disconnect(struct world *w, size_t link); /* by the broker, in good order */

/* Prints what is wrong and how to see it again, and ends the process. */
void world_fail(const struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
