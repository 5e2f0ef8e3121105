#ifndef REATTACH_TESTS_SIM_WORK_H
#define REATTACH_TESTS_SIM_WORK_H

#include "world.h"

/*
 * A program's work and what is known about it: each send, acknowledgement, commit and request with its outcome, beside
 * what the broker stored. Work ends in the checks at the bottom.
 */
enum { WORK_SENDS = 1500, WORK_OPS = 1500, WORK_QUEUED = 50, WORK_SESSIONS = 6, WORK_CONSUMERS = 2 };

enum work_kind { WORK_PLAIN, WORK_DENIED, WORK_IN_TRANSACTION };

struct work_send {
    int kind, outcome, session, transaction;
    bool forget, reported;
    rai_op *op;
    int stored; /* as the broker tells */
};

enum work_what { WORK_REQUEST, WORK_COMMIT, WORK_ROLLBACK, WORK_ACK, WORK_CLOSE };

struct work_op {
    rai_op *op;
    int what, session, transaction;
    int message;  /* WORK_ACK */
    int expected; /* outcome, where only one can be; else 0 */
    bool abandoned;
};

struct work_consumer {
    rai_consumer *c;
    int last;        /* taken by it */
    bool seen_first; /* it has taken one */
};

struct work_session {
    rai_session *s;
    bool transacted, consumes;
    bool recreated; /* ever: a transaction that was open then is rolled back */
    rai_producer *producer;
    bool bound; /* the producer has an address */
    struct work_consumer consumers[WORK_CONSUMERS];
    int transaction; /* number of the present one */
};

struct work {
    struct world w;              /* first: the broker's watch gets this */
    bool lossy;                  /* restarts and other things after which work can be lost, if it is told */
    int refused_in_transactions; /* in 100 */
    struct work_session sessions[WORK_SESSIONS];
    int session_count;
    struct work_send sends[WORK_SENDS];
    int send_count;
    struct work_op ops[WORK_OPS];
    int op_count, first_pending;
    int held[WORK_QUEUED];     /* by which consumer of which session, or 0 */
    int consumed[WORK_QUEUED]; /* as the broker tells */
    int taken[WORK_QUEUED];
    bool given_back[WORK_QUEUED]; /* ever: its place in the order is lost */
    int bad_acks, queues_made;
    bool down, ever_down; /* as events tell */
    bool ending;
    int64_t reattached, recreated;
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

#endif
