/*
 * What the storm proofs share: lanes. A lane is a session with a producer on a queue of its own; a sender keeps it full of
 * unanswered durable sends, numbered by the int property `seq`. Some go where the user may not send and have to come back
 * as rejected. Every outcome is noted by its tag, which is the seq; the driver joins them with what the Java
 * judge finds in the queues.
 */
#ifndef REATTACH_TESTS_STORM_H
#define REATTACH_TESTS_STORM_H

#include <pthread.h>
#include <reattach/reattach.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/relay.h"

enum { STORM_LANES_MAX = 2048, STORM_THREADS_MAX = 64 };

struct storm_options {
    uint16_t broker;
    const char *queue;  /* lane i uses QUEUE.i */
    const char *out;    /* outcomes of lane i go to OUT.i, one byte each */
    int lanes, threads; /* senders */
    int forbidden_every; /* one send in so many goes where it is refused; 0: none */
    int keep;           /* unanswered sends per lane to keep at least */
    int64_t messages;   /* per lane, 0: until told to stop */
    int body_min, body_max;
    uint64_t seed;
    int cuts;
    unsigned hows;
    double second; /* share of cuts followed by one inside the recovery */
    bool no_barrier;
    const char *ack;
    int64_t bytes_max; /* cut each connection after up to so many bytes; 0: by time */
    int min_ms, max_ms;
    int delay_ms;
    const char *extra; /* more options for the URL */
};

struct lane {
    int index;
    struct storm *storm;
    ra_session *session;
    ra_producer *producer, *forbidden;
    ra_message *message;
    char queue[96];
    uint8_t *outcome;
    int64_t room;
    _Atomic int64_t sent, settled;
    int64_t doubled_outcomes;
    uint64_t random;
};

struct storm {
    struct storm_options options;
    struct relay *relay;
    ra_connection *connection;
    struct lane *lanes;
    pthread_t threads[STORM_THREADS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t moved; /* outcomes came, or the mode changed */
    atomic_bool quiet, stop;
    atomic_int failed;
    uint64_t random;
    int64_t second_cuts, quiet_cuts, busy_cuts, hangs;
    int64_t share;      /* messages to send altogether */
    int64_t unanswered; /* sum over the busy cuts, of sends that waited for their answer at that moment */
    int64_t began_us;
    char error[512];
};

int64_t storm_now_us(void);
uint64_t storm_random(uint64_t *state);
int64_t storm_between(uint64_t *state, int64_t low, int64_t high);
void storm_arguments(struct storm_options *o, int argc, char **argv);
void storm_fail(struct storm *s, const char *what, ra_error *err);

/* Starts the relay, connects through it, makes queues and lanes. */
bool storm_open(struct storm *s);
ra_connection *storm_connect(struct storm *s, const char *user);
void storm_start_senders(struct storm *s);
/* Takes events for at most ms; returns early after a batch. */
void storm_pump(struct storm *s, int64_t ms);
/* How long to wait for what should come: without the barrier much never does. */
int64_t storm_patience_ms(const struct storm *s, int64_t ms);
bool storm_settle(struct storm *s, int64_t ms); /* until every send has its outcome */
int64_t storm_total(struct storm *s, bool settled);
int64_t storm_stat(struct storm *s, int32_t id);
/* Stops the senders, waits for the rest, writes the outcomes, prints the summary with `extra` JSON members in it. */
int storm_finish(struct storm *s, const char *extra);
void storm_dump(struct storm *s); /* to stderr */
bool storm_lane_send(struct lane *l, int64_t seq);

#endif
