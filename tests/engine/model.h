#ifndef REATTACH_TESTS_ENGINE_MODEL_H
#define REATTACH_TESTS_ENGINE_MODEL_H

#include "peer.h"

/*
 * A small broker on top of the peer, with what matters for exact re-attachment as it was measured on a real one:
 *
 *   - a command is counted when it is complete (disk sync included) and was not answered by an EXCEPTION;
 *   - the first count of a re-attachment leaves out what is not complete yet; commands that were read from the old link
 *     but not executed run after the move; frames of the old link that arrive later are dropped;
 *   - while a session moves, answers that become ready are thrown away though their commands count; now and then one
 * that is replayed comes twice;
 *   - a session that is moved to a link which ends in that moment is closed, unless the link was anchored;
 *   - a restart forgets the sessions, open transactions and what was not synced;
 *   - a send with a duplicate id that is stored already is answered and not stored again.
 *
 * Everything happens when the test says so, or at random from its seed.
 */
enum { MODEL_MESSAGES = 4096, MODEL_CHANNELS = 32, MODEL_CONSUMERS = 2 };

struct model_item {
    struct model_item *next;
    uint8_t *bytes; /* of a frame, or NULL */
    size_t size;
    size_t weight; /* of the command that ends */
    bool counted;
    int64_t at; /* when it is complete */
    char text[96];
};

struct model_queue {
    struct model_item *first, *last;
    int count;
};

struct model_consumer {
    bool used, unlimited;
    long long id, credits;
    int unacked[MODEL_MESSAGES]; /* in order of delivery */
    int unacked_count;
};

struct model_session {
    bool alive, started;
    int channel, link;
    uint32_t counted; /* number of the last command counted */
    uint32_t stored;  /* number of the first packet in the cache */
    int64_t bytes;
    struct model_queue exec, done, cache;
    int transaction[MODEL_MESSAGES], in_transaction;
    struct model_consumer consumers[MODEL_CONSUMERS];
};

struct model_link {
    bool dead;
    bool anchored;
    size_t limit; /* of the bytes that the engine wrote, these arrive */
    uint8_t *out;
    size_t out_size, out_room;
};

struct model {
    struct peer *p;
    uint64_t seed;
    const uint8_t *script; /* choices are taken from here first, one or two bytes each */
    size_t script_left;
    struct model_session sessions[MODEL_CHANNELS];
    struct model_link links[PEER_LINKS];
    /* the storage: sends by the number in their body */
    int stored[MODEL_MESSAGES]; /* how often */
    int order[MODEL_MESSAGES], order_count;
    int64_t synced_at[MODEL_MESSAGES];
    /* the queue that is consumed */
    int waiting[MODEL_MESSAGES], waiting_first, waiting_last; /* ring */
    bool acked[MODEL_MESSAGES];
    int bad_acks;
    int64_t sync_us;                  /* longest time a sync takes */
    int lose_answers, double_answers; /* in 100 */
    char names[MODEL_CHANNELS][64];   /* of the sessions that live here */
};

void model_init(struct model *m, struct peer *p, uint64_t seed);
void model_free(struct model *m);
uint32_t model_random(struct model *m, uint32_t below);
bool model_chance(struct model *m, int percent);

/* Takes what has arrived on all links: at most `frames` frames of each. */
bool model_read(struct model *m, int frames);
bool model_execute(struct model *m, int tasks); /* of each session */
bool model_complete(struct model *m);           /* what is synced now */
/* Hands at most `bytes` of what was sent on each link to the engine. */
bool model_deliver(struct model *m, size_t bytes);
void model_cut(struct model *m, int link); /* some of what was written still arrives, nothing comes back */
void model_restart(struct model *m);
int64_t model_next_sync(const struct model *m);
void model_confirm_all(struct model *m);     /* PACKETS_CONFIRMED as every two seconds */
void model_fill(struct model *m, int count); /* messages 0..count-1 into the queue that is consumed */

#endif
