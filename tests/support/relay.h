/*
 * A TCP relay that stands between a client and a broker and misbehaves on request.
 *
 * It runs a thread of its own inside the test process, needs libc and pthread only, and listens on
 * 127.0.0.1. Everything a network can do to a session is one call: cut in four ways, now, after an
 * exact number of bytes, before, inside or after a given packet, or on a seeded schedule; refuse,
 * delay, hold back and record.
 *
 * Life: relay_start, any calls from any thread, relay_stop (joins the thread, closes every
 * descriptor, frees). Calls take effect before they return. Memory is bounded: one side is not read
 * while 4 MiB wait for the other.
 *
 * Packets are known by their frame only: i32 length (of what follows), i8 type, i64 channel; the
 * client's stream begins with the 7 bytes "ARTEMIS". A stream that does not is passed on as it is,
 * and no packet is ever recognised in it.
 */
#ifndef REATTACH_TESTS_RELAY_H
#define REATTACH_TESTS_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay;

enum relay_direction { RELAY_TO_BROKER = 0, RELAY_TO_CLIENT = 1 };

enum relay_how {
    RELAY_RST = 1, /* both sides reset; what was not delivered is gone */
    RELAY_FIN,     /* both sides closed in order; what was not delivered is gone */
    RELAY_SILENT,  /* both sides stay open, nothing is read from or written to them any more */
    RELAY_ABANDON  /* the client is reset; the broker still gets what the client had sent, and its
                      side stays open */
};

enum { RELAY_HOW_COUNT = 5 };

#define RELAY_MASK(how) (1u << (how))
#define RELAY_MASK_ALL                                                                             \
    (RELAY_MASK(RELAY_RST) | RELAY_MASK(RELAY_FIN) | RELAY_MASK(RELAY_SILENT) |                    \
     RELAY_MASK(RELAY_ABANDON))

const char *relay_how_name(int how); /* "rst", "fin", "silent", "abandon", or "?" */
int relay_how_parse(const char *name); /* 0 when the name is unknown */

struct relay_options {
    uint16_t port;    /* to listen on; 0: any free one */
    uint16_t target;  /* the broker's port on 127.0.0.1 */
    uint64_t seed;    /* of both schedules */
    unsigned keep_ms; /* how long the open ends of SILENT and ABANDON cuts are kept; 0: until the
                         other party closes or relay_stop */
};

/* NULL on failure, with a sentence in err. */
struct relay *relay_start(const struct relay_options *options, char *err, size_t err_size);
void relay_stop(struct relay *r); /* NULL is fine */
uint16_t relay_port(struct relay *r);
void relay_set_target(struct relay *r, uint16_t port); /* for connections from now on */

/* Cuts every open connection. Returns how many there were. */
unsigned relay_cut(struct relay *r, enum relay_how how);

/* New connections are reset at accept while this is on. */
void relay_refuse(struct relay *r, bool on);

/* What is read from now on is delivered this much later; 0 turns it off. Order is kept. */
void relay_delay(struct relay *r, unsigned ms);

/*
 * Traps. Each fires once, has an id > 0, and counts over all connections from the moment it is set.
 * It cuts or holds only the connection that stepped on it. A cut by a trap first makes sure that
 * the receiver's kernel has every byte that was to be forwarded.
 */

/* Exactly `bytes` more bytes pass in this direction, counted on each connection, present or new;
   the first connection that gets there is cut. One such trap per direction, the latest counts. */
int relay_cut_after(struct relay *r, enum relay_direction direction, uint64_t bytes,
                    enum relay_how how);

enum { RELAY_ANY_TYPE = 256 };
#define RELAY_ANY_CHANNEL INT64_MIN

struct relay_match {
    enum relay_direction direction;
    int type;            /* packet type, signed as on the wire, or RELAY_ANY_TYPE */
    int64_t channel;     /* or RELAY_ANY_CHANNEL */
    const void *bytes;   /* that the frame must contain (its first MiB is searched); may be NULL */
    size_t bytes_length;
    unsigned nth;        /* 1: the first that matches; 0 means 1 */
};

/* A match for the first packet of this type on any channel. */
struct relay_match relay_match_type(enum relay_direction direction, int type);

/* Stops that direction of that connection before the frame, for ms or (0) until released or cut.
   Data of the other direction goes on. */
int relay_hold(struct relay *r, const struct relay_match *match, unsigned ms);
void relay_release(struct relay *r); /* everything held now; traps not yet sprung stay set */

enum relay_place { RELAY_BEFORE = 1, RELAY_INSIDE, RELAY_AFTER };

/* inside_bytes: how much of the frame passes with RELAY_INSIDE; 0, or not less than the frame,
   means half of it. */
int relay_cut_at(struct relay *r, const struct relay_match *match, enum relay_place place,
                 size_t inside_bytes, enum relay_how how);

/* true once the trap has done its work; false on time-out. */
bool relay_wait_trap(struct relay *r, int trap, unsigned timeout_ms);
void relay_disarm(struct relay *r, int trap); /* 0: all that have not been sprung */

/*
 * Schedules. `hows` is a set of RELAY_MASK(how), one is drawn per cut. max_cuts 0: no limit; only
 * cuts that hit an open connection count towards it. Both schedules may run at once.
 */
void relay_schedule(struct relay *r, unsigned min_ms, unsigned max_ms, unsigned hows,
                    unsigned max_cuts);
/* Every connection, present or new, is cut after a random number of bytes in a random direction. */
void relay_schedule_bytes(struct relay *r, uint64_t min, uint64_t max, unsigned hows,
                          unsigned max_cuts);
void relay_schedule_stop(struct relay *r); /* both */

/*
 * Writes each connection into its own file `<prefix>.<number>`, one line per whole frame:
 *
 *     > 1234 000000...     client to broker, microseconds since the recording began, hex
 *     < 1250 000000...     broker to client
 *
 * The client's "ARTEMIS" is a line of its own. ">+" or "<+" continues the line before (frames over
 * 1 MiB, the rest of a frame that was under way when the recording began); ">~" or "<~" is an
 * incomplete frame at the end. NULL ends the recording.
 */
int relay_record(struct relay *r, const char *prefix);

struct relay_counters {
    uint64_t accepted;             /* connections taken, refused ones not included */
    uint64_t refused;              /* reset at accept */
    uint64_t connect_failed;       /* the broker could not be reached */
    uint64_t open;                 /* now */
    uint64_t cuts[RELAY_HOW_COUNT];/* connections cut, by relay_how */
    uint64_t effective;            /* orders to cut that hit at least one open connection */
    uint64_t idle;                 /* orders to cut that found none */
    uint64_t bytes[2];             /* written, by relay_direction */
    uint64_t holds;                /* holds that began */
    uint64_t queued_peak;          /* most bytes ever waiting in one direction */
};

void relay_get_counters(struct relay *r, struct relay_counters *out);
int relay_counters_json(const struct relay_counters *counters, char *out, size_t size);

/* These wait for a counter to reach at least n: true, or false on time-out. */
bool relay_wait_accepted(struct relay *r, uint64_t n, unsigned timeout_ms);
bool relay_wait_cuts(struct relay *r, uint64_t effective, unsigned timeout_ms);
/* And this one for the last open connection to go. */
bool relay_wait_closed(struct relay *r, unsigned timeout_ms);

#endif
