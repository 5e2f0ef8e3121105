#ifndef REATTACH_TESTS_SIM_WORK_H
#define REATTACH_TESTS_SIM_WORK_H

#include "world.h"

/*
 * A program's work and what is known about it: each send, delivery, acknowledgement, commit and request with its
 * outcome, beside what the broker stored. work.c does the work, check.c listens to what is told and judges it.
 */
enum {
    WORK_SENDS = 1500,
    WORK_OPS = 1500,
    WORK_QUEUED = 50,
    WORK_SESSIONS = 12,
    WORK_CONSUMERS = 2,
    WORK_HELD = 6,
    WORK_TRANSACTIONS = 256,
    WORK_UNGUARDED = 8,
    WORK_BODY = 512,
    WORK_PIECE = 150 /* with pieces of this size some messages are large ones */
};

enum work_address {
    WORK_IN,
    WORK_ALSO,
    WORK_QUEUES, /* the addresses above have a queue of the same name */
    WORK_NOWHERE = WORK_QUEUES,
    WORK_DENIED,
    WORK_ADDRESSES
};

struct work_send {
    int to, outcome, session, transaction; /* transaction 0: none */
    bool forget, durable, reported;
    bool late; /* its deadline has passed */
    rai_op *op;
    size_t size; /* of its body */
    int stored;  /* as the broker tells */
};

enum work_what { WORK_REQUEST, WORK_COMMIT, WORK_ROLLBACK, WORK_ACK, WORK_CLOSE };

struct work_op {
    rai_op *op;
    int what, session, transaction;
    int message; /* WORK_ACK, also what follows */
    rai_consumer *consumer;
    ra_message *again; /* to be acknowledged again when it is given up */
    int expected;      /* outcome, where only one can be; else 0 */
    bool abandoned, ended;
};

/* A message that was taken and not acknowledged so far. */
struct work_held {
    ra_message *message;
    int id, epoch;
};

struct work_consumer {
    rai_consumer *c;
    const rai_op *opening; /* one of the ops below */
    bool browse;
    bool by_hand; /* its window is 0 */
    bool waiting;
    int last;           /* taken by it */
    bool seen_first;    /* it has taken one */
    uint64_t acked_all; /* up to that one of its deliveries */
    struct work_held held[WORK_HELD];
    int held_count;
};

struct work_session {
    rai_session *s;
    bool transacted, consumes;
    bool ready;            /* it was open once, and has its producer and consumers */
    bool stopped, blocked; /* blocked: a send would have had to wait, and nobody said since that there is room */
    bool closed, aborted;  /* by the program */
    bool recreated;        /* ever: a transaction that was open then is rolled back */
    int epoch;             /* of deliveries: moves on when what was delivered comes again */
    int transaction;       /* number of the present one */
    bool denied[WORK_TRANSACTIONS];
    int lost_links; /* of the connection, when it was open last */
    uint32_t unguarded[WORK_UNGUARDED]; /* links, as the broker numbers them, that it was asked for on at rest, without an anchor */
    int unguarded_count;                /* ever; the last ones are kept */
    bool closed_late;                   /* one of these requests was read late, and its link's end closed the session */
    int last_stored[WORK_QUEUES];
    rai_producer *producer;
    int bound;           /* the producer's address; WORK_ADDRESSES: none of its own */
    rai_consumer *odd;   /* one that the broker refuses */
    ra_message *message; /* of all its sends, which change it as soon as they are done */
    char body[WORK_BODY];
    struct work_consumer consumers[WORK_CONSUMERS];
};

struct work {
    struct world w;              /* first: the broker's watch gets this */
    bool lossy;                  /* restarts and other things after which work can be lost, if it is told */
    bool small;                  /* no body is longer than it has to be */
    int refused_in_transactions; /* in 100 */
    struct work_session sessions[WORK_SESSIONS];
    int session_count;
    struct work_send sends[WORK_SENDS];
    int send_count;
    int waited[WORK_SENDS], waited_count; /* sends with an operation under way */
    struct work_op ops[WORK_OPS];
    int op_count, first_pending;
    int consumed[WORK_QUEUED]; /* as the broker tells */
    int returned[WORK_QUEUED]; /* the same: how often it was in the queue again */
    int taken[WORK_QUEUED];
    bool acked[WORK_QUEUED]; /* the copy that was taken last */
    int bad_acks, queues_made;
    int lost_links, late_outcomes; /* as events tell */
    bool ending;
    long pieces;                            /* of memory before all this */
    int64_t reattached, recreated, slowest; /* slowest: to be whole again, microseconds */
    int64_t closed_late;                    /* recreated for that reason, though there was something to lose */
};

void work_watch(struct work *r, struct rai_mock_config *mock); /* before world_start() */
void work_begin(struct work *r);                               /* queues, messages, sessions */
void work_some(struct work *r);
void work_listen(struct work *r); /* events and operations: after each step */
/* Nothing goes wrong any more: everything has to end soon. */
void work_quiesce(struct work *r);
void work_check(struct work *r);
void work_close(struct work *r);         /* in good order: nothing of it may stay on the broker */
int work_commands(const struct work *r); /* that the broker counted, of all sessions */
void work_free(struct work *r);

/* --- between work.c and check.c --- */

/* A body: what it is, its number, and behind that letters that depend on the number and on their place. */
void work_fill_body(char *body, char what, int id, size_t size);
bool work_is_body(const void *body, char what, int id, size_t size);
enum { WORK_BODY_MIN = 6 };
void work_trace(const struct work *r, const char *what, int session, int id);
bool work_lives(const struct work *r, int session); /* opened, and not closed by the program nor given up */
bool work_consume_all(struct work *r);              /* whether there was anything */
void work_finish_acks(struct work *r);
void work_acknowledge_again(struct work *r, const struct work_op *o);

#endif
