#ifndef REATTACH_TESTS_SIM_BARE_H
#define REATTACH_TESTS_SIM_BARE_H

#include "codec/packets.h"
#include "mock/mock.h"

/*
 * A client as bare as those that the experiments with real brokers were made with: one session, a log of its frames,
 * and four ways to go on after a cut. It knows nothing of src/engine, so what it finds out is true of the mock alone.
 */
enum bare_variant {
    BARE_A, /* replay after the count that the first REATTACH gives */
    BARE_B, /* first a request that is counted and fills the window; its number is in the confirmation before its answer
             */
    BARE_D, /* first a wait of 50 ms, and a second REATTACH on the same link */
    BARE_Q, /* first a request that is refused and not counted, and a second REATTACH on a further link */
    BARE_VARIANTS
};

enum bare_cut {
    BARE_RESET,   /* of what was on its way a part arrives, and the broker is told */
    BARE_FINISH,  /* all of it arrives, and the broker is told */
    BARE_ABANDON, /* all of it arrives, and the broker is never told */
    BARE_LATE,    /* the same, and slowly, while the session is found again and works on */
    BARE_CUTS
};

struct bare_bytes {
    uint8_t *bytes;
    size_t at, size, room;
};

struct bare_link {
    uint32_t id;
    struct bare_bytes up;
    size_t pace; /* bytes that move in a turn, at most */
    bool tell;   /* the broker, of its end */
};

enum { BARE_LINKS = 64, BARE_LOG = 16384, BARE_CORRELATIONS = 20000, BARE_CHANNEL = 10, BARE_WINDOW = 65536 };

struct bare {
    rai_mock *m;
    enum bare_variant variant;
    uint64_t seed, state;
    int64_t now;
    struct bare_link links[BARE_LINKS];
    int link_count; /* the last one is the present one */
    struct {
        uint8_t *bytes;
        size_t size;
    } log[BARE_LOG]; /* a ring */
    int log_at, log_count;
    uint32_t first; /* number of its head */
    int32_t received;
    bool answered[BARE_CORRELATIONS];
    int64_t correlation; /* the last one */
    int barriers, exceptions;
    bool recovering, holding, barrier_done, created, found; /* what was heard */
    int32_t held, count;
    void *ctx;
    void (*delivered)(void *ctx, const struct rai_delivery *d); /* may be NULL */
};

/* The mock is the caller's. Opens a link and a session. */
void bare_start(struct bare *b, bool transacted);
void bare_end(struct bare *b);
uint32_t bare_random(struct bare *b, uint32_t below);

void bare_send(struct bare *b, int seq, bool respond); /* durable, to "in"; the body is the number */
void bare_commit(struct bare *b);
void bare_consume(struct bare *b, int32_t credits); /* consumer 0 of "in", started */
void bare_credits(struct bare *b, int32_t credits);
void bare_acknowledge(struct bare *b, int64_t id, bool respond);

void bare_turn(struct bare *b);
void bare_cut_and_recover(struct bare *b, enum bare_cut how);

#endif
