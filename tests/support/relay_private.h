/*
 * What the relay's files share.
 *
 * One mutex guards everything. The relay's thread holds it while it works and gives it up while it
 * waits, so a call from a test acts on the state at once, on the caller's thread.
 *
 *   relay.c        the thread, the calls, timers and schedules
 *   relay_conn.c   a connection: its life, its two sockets, the four ways to cut it
 *   relay_flow.c   one direction of a connection: reading, the queue, writing
 *   relay_frame.c  frames: boundaries, traps, recording
 */
#ifndef REATTACH_TESTS_RELAY_PRIVATE_H
#define REATTACH_TESTS_RELAY_PRIVATE_H

#include "relay.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
    QUEUE_LIMIT = 4 * 1024 * 1024, /* one side is not read while this much waits for the other */
    FRAME_LIMIT = 1024 * 1024,     /* how much of a frame is looked at */
    READ_SIZE = 256 * 1024,
    FINISH_MS = 2000, /* how long the parties have to answer a FIN */
    DRAIN_MS = 2000   /* how long a trap waits for the receiver's kernel */
};

/* The queue holds data and, between data, orders that are carried out when their turn comes. So a
   delay, a hold and an exact cut compose without knowing of each other. */
enum entry_kind { ENTRY_DATA = 1, ENTRY_HOLD, ENTRY_CUT, ENTRY_EOF, ENTRY_RESET };

struct entry {
    struct entry *next;
    uint64_t due_us;
    enum entry_kind kind;
    int trap; /* 0: none */
    int how;
    unsigned hold_ms;
    size_t begin, end;
    uint8_t data[];
};

struct framing {
    bool raw;      /* not the protocol: no frames */
    bool started;  /* the preamble has passed */
    uint8_t head[8];
    unsigned have; /* bytes of the preamble or of a length field that have passed already */
    uint64_t left; /* bytes of a frame that pass without being looked at */
    uint8_t *partial; /* a frame that is being put together */
    size_t partial_length, partial_capacity;
};

struct fuse {
    bool lit;
    uint64_t left;
    int how;
    int trap;
};

enum { FUSE_TRAP = 0, FUSE_SCHEDULE = 1 };

struct flow {
    struct conn *conn;
    enum relay_direction direction;
    struct entry *head, *tail;
    size_t queued;
    bool stopped; /* nothing more is read: end of stream, or a cut is queued */
    bool done;    /* nothing more is written either */
    bool blocked; /* the receiver's socket is full */
    bool held;
    uint64_t held_until; /* UINT64_MAX: until released */
    uint64_t drain_since;
    struct fuse fuse[2];
    struct framing framing;
};

struct side {
    struct conn *conn;
    int fd;
    bool registered;
    uint32_t events;
};

enum conn_state { CONN_CONNECTING = 1, CONN_OPEN, CONN_SILENT, CONN_ABANDONED, CONN_FINISHING,
                  CONN_DEAD };

struct conn {
    struct relay *relay;
    struct conn *prev, *next;
    uint64_t number;
    enum conn_state state;
    uint64_t deadline_us; /* 0: none */
    struct side side[2];  /* the client's, the broker's: flow[d] reads from side[d] */
    struct flow flow[2];
    FILE *record;
};

struct trap {
    struct trap *next;
    int id;
    bool sprung; /* found its frame; its order is in a queue */
    bool cuts;   /* otherwise holds */
    struct relay_match match;
    uint8_t *bytes;
    unsigned seen;
    enum relay_place place;
    size_t inside_bytes;
    int how;
    unsigned hold_ms;
};

struct schedule {
    bool on;
    uint64_t min, max;
    unsigned hows;
    bool limited;
    unsigned cuts_left;
    uint64_t next_us;
    uint64_t random;
};

struct relay {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    atomic_int callers; /* waiting for the mutex: the thread lets them in */
    bool stopping;
    int epoll, listener, event, timer;
    uint16_t port, target;
    unsigned keep_ms, delay_ms;
    bool refuse;
    uint64_t now_us;
    struct conn *conns, *dead;
    struct trap *traps;
    int last_trap;
    unsigned armed[2];     /* traps on frames not yet sprung, per direction */
    struct fuse pending[2];/* what relay_cut_after gives to new connections */
    struct schedule every, bytes;
    char *record_prefix;
    uint64_t record_since;
    struct relay_counters counters;
    uint8_t scratch[READ_SIZE];
};

uint64_t relay_clock_us(void);
uint64_t relay_random(uint64_t *state, uint64_t min, uint64_t max);
int relay_draw_how(uint64_t *state, unsigned hows);
void relay_note_cut(struct relay *r, unsigned connections);
void relay_trap_fired(struct relay *r, int id);

void conn_accept(struct relay *r);
void conn_event(struct side *side, uint32_t events);
void conn_cut(struct conn *c, int how, bool exact);
bool conn_is_open(const struct conn *c);
void conn_end(struct conn *c, bool reset);
void conn_flow_done(struct conn *c);
void conn_interest(struct conn *c);
void conn_timers(struct conn *c);
uint64_t conn_next_wake(const struct conn *c);
void conn_record_start(struct conn *c);
void conn_light_schedule(struct conn *c);

void flow_init(struct flow *f, struct conn *c, enum relay_direction direction);
void flow_clear(struct flow *f);
void flow_read(struct flow *f);
void flow_read_rest(struct flow *f);
void flow_run(struct flow *f);
void flow_wake(struct flow *f);
void flow_deliver(struct flow *f, const uint8_t *data, size_t n);
void flow_order(struct flow *f, const struct entry *order);
void flow_light(struct flow *f, int which, const struct fuse *fuse);
bool flow_wants_read(const struct flow *f);
bool flow_wants_write(const struct flow *f);
uint64_t flow_next_wake(const struct flow *f);

void frame_feed(struct flow *f, const uint8_t *data, size_t n);
void frame_flush(struct flow *f);

#endif
