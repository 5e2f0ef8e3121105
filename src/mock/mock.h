#ifndef RAI_MOCK_MOCK_H
#define RAI_MOCK_MOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/frame.h"

/*
 * A broker without I/O. Bytes that arrived and "it is now t" go in; bytes to send and "wake me at t" come out. What a
 * real broker leaves to its threads (which link is read next, how far a session gets before another one's turn, when a
 * sync ends) is left to chance here, and all chance comes from the seed: the same calls give the same bytes.
 *
 * Time is in microseconds on a clock that never goes back. Out of memory ends the program: this is a tool for tests,
 * and it does not take its memory from where those tests make it scarce.
 */
typedef struct rai_mock rai_mock;

/* What is told of each message, where a queue of its address is concerned. */
enum rai_mock_news {
    RAI_MOCK_STORED = 1, /* it is in the queue */
    RAI_MOCK_CONSUMED,   /* acknowledged, or expired */
    RAI_MOCK_LOST,       /* a restart came before it was on disk */
    RAI_MOCK_RETURNED,   /* the same of its acknowledgement: it is in the queue again */
    RAI_MOCK_GIVEN_BACK, /* delivered, or acknowledged in a transaction, and in the queue again */
    RAI_MOCK_BAD_ACK     /* an acknowledgement of what was not delivered; without a body */
};

struct rai_mock_watch {
    void *ctx;
    void (*news)(void *ctx, enum rai_mock_news what, const uint8_t *body, size_t size);       /* may be NULL */
    void (*frame)(void *ctx, uint32_t link, bool from_client, const struct rai_frame *frame); /* may be NULL */
    /* This session closed itself with the end of this link, to which a REATTACH had brought it that was read after the one
     * of a later link; may be NULL. */
    void (*closed_late)(void *ctx, uint32_t link, const char *session);
};

struct rai_mock_config {
    uint64_t seed;
    int32_t version;            /* 129..136 */
    const char *node_id;        /* borrowed */
    int64_t sync_us;            /* the longest that a sync takes */
    int lost_answers;           /* in 100: of those that could come while a session moves, these do */
    int doubled_answers;        /* in 100: of those that are sent again after a move */
    int64_t epoch_ms;           /* what time it is, in milliseconds since 1970, when the clock shows 0 */
    const char *expiry_address; /* borrowed; where expired messages go; NULL: nowhere */
    int64_t check_us;           /* so often are confirmations flushed and silent links looked for; 0: 2 seconds */
    struct rai_mock_watch watch;
};

rai_mock *rai_mock_new(const struct rai_mock_config *config);
void rai_mock_free(rai_mock *m); /* NULL is fine */

/* --- links --- */

uint32_t rai_mock_accept(rai_mock *m, int64_t now); /* ids are never reused; 0: refused */
void rai_mock_input(rai_mock *m, uint32_t link, const uint8_t *bytes, size_t size);
/* The peer has ended the link. What arrived before may still be read, and the end is noticed some time later. */
void rai_mock_ended(rai_mock *m, uint32_t link);
/* What is to be sent; valid until the next call. */
const uint8_t *rai_mock_output(rai_mock *m, uint32_t link, size_t *size);
void rai_mock_sent(rai_mock *m, uint32_t link, size_t size);
size_t rai_mock_unsent(const rai_mock *m, uint32_t link); /* what is to be sent now and later */
bool rai_mock_is_open(const rai_mock *m, uint32_t link);  /* false: the broker has hung up, or never knew it */

/* --- work and time --- */

/* Does some of what there is to do: on each link and in each session up to `most` steps, by chance; 0: all of it.
 * Returns whether anything was done. */
bool rai_mock_turn(rai_mock *m, uint32_t most, int64_t now);
int64_t rai_mock_deadline(const rai_mock *m); /* INT64_MAX: none */
void rai_mock_confirm_all(rai_mock *m);       /* PACKETS_CONFIRMED for everybody, as the check does */

/* --- faults: now --- */

/* All links and sessions are gone, as is what was not on disk; keep_journal false: the rest as well. */
void rai_mock_restart(rai_mock *m, bool keep_journal);
void rai_mock_disconnect(rai_mock *m, uint32_t link,
                         int reason); /* DISCONNECT of the link's version, then it hangs up */

/* How a link ends by accident. What was said before goes out first. */
enum rai_mock_cut {
    RAI_MOCK_RESET = 1, /* both sides notice; what is on its way to the broker is gone */
    RAI_MOCK_FINISH,    /* the same, and the client sees an end in good order */
    RAI_MOCK_SILENCE,   /* nobody is told, and nothing passes any more */
    RAI_MOCK_ABANDON    /* the client is reset; the broker gets all that was on its way, and is never told */
};
void rai_mock_cut(rai_mock *m, uint32_t link, enum rai_mock_cut how); /* link 0: every one that is open */
/* For whoever holds the client's end: how to end it once rai_mock_output() is empty. 0: it was not cut. */
enum rai_mock_cut rai_mock_cut_of(const rai_mock *m, uint32_t link);

void rai_mock_unreachable(rai_mock *m, bool on);   /* rai_mock_accept() gives 0, "refused" */
void rai_mock_slow(rai_mock *m, int64_t delay_us); /* whatever is said is ready to go so much later */
/* Who wants a session is sent there: DISCONNECT with the target, and 222. NULL: no longer. */
void rai_mock_redirect(rai_mock *m, const char *host, uint16_t port);
/* Requests about this address or queue are refused with a code (0: no longer). */
void rai_mock_refuse(rai_mock *m, const char *name, int32_t code);
/* What becomes of an address that has so many bytes in its queues (below 0: no limit). PAGE, the default: nothing;
 * BLOCK: credits are granted when there is room again; FAIL: they are refused, and sends with 210; DROP: sends vanish.
 */
enum rai_mock_policy { RAI_MOCK_PAGE, RAI_MOCK_BLOCK, RAI_MOCK_FAIL, RAI_MOCK_DROP };
void rai_mock_limit(rai_mock *m, const char *address, enum rai_mock_policy policy, int64_t bytes);
void rai_mock_fill(rai_mock *m, const char *address, bool full); /* full whatever is in it; FAIL if it had no policy */
void rai_mock_set_id_cache(rai_mock *m, int ids);                /* so many of _AMQ_DUPL_ID are kept for each address */
/* In so many of 100 re-attachments the pieces of large messages come again with wrong contents, as from 2.44. */
void rai_mock_corrupt_pieces(rai_mock *m, int in_100);
void rai_mock_set_sync(rai_mock *m, int64_t longest_us);

/* --- faults: at a certain frame, or by chance --- */

enum rai_mock_action {
    RAI_MOCK_CUT_RESET = RAI_MOCK_RESET, /* the link is cut there: the four of enum rai_mock_cut */
    RAI_MOCK_CUT_FINISH = RAI_MOCK_FINISH,
    RAI_MOCK_CUT_SILENCE = RAI_MOCK_SILENCE,
    RAI_MOCK_CUT_ABANDON = RAI_MOCK_ABANDON,
    RAI_MOCK_DISCONNECT, /* in good order; code: the reason */
    RAI_MOCK_RESTART,    /* of the broker; code 0: the journal is lost as well */
    RAI_MOCK_REJECT,     /* client's frames only: the request fails with the code */
    RAI_MOCK_HOLD,       /* the frame and all behind it on its link wait delay_us */
    RAI_MOCK_POSTPONE,   /* broker's frames of sessions only: it alone waits, and others overtake it; delay_us below 0:
                            until the fault is taken back */
    RAI_MOCK_GARBAGE,    /* broker's frames only: chance bytes before it, behind it, or as its inside */
    RAI_MOCK_ACTIONS
};

enum rai_mock_place { RAI_MOCK_BEFORE = 1, RAI_MOCK_INSIDE, RAI_MOCK_AFTER };

enum { RAI_MOCK_ANY_TYPE = 256 };
#define RAI_MOCK_ANY_CHANNEL INT64_MIN
#define RAI_MOCK_ALWAYS      UINT32_MAX

/* Strikes at frames that fit. Each fault counts for itself; of several that are ready the oldest strikes. */
struct rai_mock_fault {
    enum rai_mock_action action;
    enum rai_mock_place
        place; /* of cuts, DISCONNECT, RESTART, GARBAGE; a frame that was not read as a whole has no effect */
    bool from_client;
    int type;        /* of the packet, signed as on the wire, or RAI_MOCK_ANY_TYPE */
    int64_t channel; /* or RAI_MOCK_ANY_CHANNEL */
    uint32_t nth;    /* the first that it strikes, counted from now; 0 is 1 */
    uint32_t times;  /* how many it strikes from there on; 0 is 1 */
    int chance;      /* in 1000, from the seed; 0: certain */
    int32_t code;
    int64_t delay_us;
};
int rai_mock_fault_add(rai_mock *m,
                       const struct rai_mock_fault *fault); /* its id; 0: these things do not go together */
void rai_mock_fault_drop(rai_mock *m, int id);              /* 0: all; what one has postponed is said now */
int64_t rai_mock_fault_struck(const rai_mock *m, int id);   /* how often; -1: there is no such fault */

/* --- what there is --- */

void rai_mock_add_queue(rai_mock *m, const char *queue, const char *address, bool durable);
void rai_mock_delete_queue(rai_mock *m, const char *queue); /* with all in it; consumers are told */
/* A message as if a program had sent it there. */
void rai_mock_add_message(rai_mock *m, const char *address, const uint8_t *body, size_t size);
void rai_mock_add_large_message(rai_mock *m, const char *address, const uint8_t *body, size_t size);
/* -1: there is no such queue. What is delivered and not acknowledged is counted. */
int64_t rai_mock_queue_messages(const rai_mock *m, const char *queue);
/* The bodies in a queue, in its order. */
void rai_mock_each_message(const rai_mock *m, const char *queue,
                           void (*visit)(void *ctx, const uint8_t *body, size_t size), void *ctx);

struct rai_mock_count {
    uint32_t commands; /* number of the last command counted, as the wire has it */
    uint32_t packets;  /* number of the last packet sent to the client */
    bool found;
};
struct rai_mock_count rai_mock_session_count(const rai_mock *m, const char *session);
int rai_mock_sessions(const rai_mock *m);

enum rai_mock_stat {
    RAI_MOCK_REATTACHES = 1,
    RAI_MOCK_REFUSED_REATTACHES,
    RAI_MOCK_UNCOUNTED_AT_REATTACH, /* commands that a first count left out */
    RAI_MOCK_ANSWERS_LOST,
    RAI_MOCK_ANSWERS_DOUBLED,
    RAI_MOCK_EXCEPTIONS,
    RAI_MOCK_FRAMES_DROPPED, /* of a session that had moved away */
    RAI_MOCK_CLOSED_IN_MOVE, /* sessions that were told of a link's end while they moved */
    RAI_MOCK_EXPIRED_SESSIONS,
    RAI_MOCK_DUPLICATES,       /* messages with an id that was known */
    RAI_MOCK_PIECES_CORRUPTED, /* of large messages, sent again with wrong contents */
    RAI_MOCK_STRUCK,           /* faults at frames */
    RAI_MOCK_STATS
};
int64_t rai_mock_stat(const rai_mock *m, enum rai_mock_stat id);

#endif
