#ifndef REATTACH_MOCK_H
#define REATTACH_MOCK_H

#include <stddef.h>
#include <stdint.h>

#include <reattach/error.h>

/*
 * A broker in a box, for tests of programs that talk to one: it speaks the Artemis CORE protocol on a port of
 * 127.0.0.1, keeps queues in memory, and misbehaves on command. It is a library of its own, libreattach-mock, and
 * runs as a thread of the program that starts it; `reattach mock` is the same as a process.
 *
 * What it does as a real broker does, and what it does not know, is in docs/mock.md. Left alone it behaves well and,
 * with the same seed, always in the same way. It lets every user in, and it is no place for data.
 *
 * Options and faults are texts: words and NAME=VALUE, separated by commas; %2C in a value is a comma, %25 a percent
 * sign. A name that is not known, or a value that is not acceptable, is RA_E_OPTION, and nothing was done.
 *
 * Life: a mock listens from ra_mock_start() to ra_mock_stop() or ra_mock_free(). Threads: any thread may call
 * anything; a call has taken effect when it returns. A child of fork() has no thread to serve it, and must not call.
 * Out of memory ends the program: this is a tool for tests.
 */
typedef struct ra_mock ra_mock;

/* Starts one. options may be NULL or empty; names, with defaults:
 *
 *   port=0           to listen on; 0: any that is free
 *   seed=1           of everything that is left to chance
 *   version=136      of the protocol that it speaks, 129 to 136
 *   sync=0           milliseconds that storing a durable message takes, at most
 *   lost=0           of the answers that could come while a session moves, so many in 100 are lost, and
 *   doubled=0        so many in 100 of those sent again come twice: both as on real brokers
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    *mock_out belongs to the caller (ra_mock_free)
 * Errors:  RA_E_OPTION; RA_E_STATE when the port is taken or the system is out of something
 * Since:   1.0
 */
RA_API int ra_mock_start(const char *options, ra_mock **mock_out, ra_error **err);

/* Ends it: connections are reset, the port is free. Counters and queues can still be asked for. Stopping twice is fine.
 *
 * Thread:  any thread
 * Blocks:  until its thread has ended, which is at once
 * Owns:    nothing: the handle still has to be freed
 * Errors:  none of its own
 * Since:   1.0
 */
RA_API int ra_mock_stop(ra_mock *mock, ra_error **err);

/* Stops it and gives the handle back. NULL is fine.
 *
 * Thread:  any thread; nobody may use the handle any more
 * Blocks:  as ra_mock_stop()
 * Owns:    takes the handle
 * Errors:  none
 * Since:   1.0
 */
RA_API void ra_mock_free(ra_mock *mock);

/* Where it listens: "tcp://127.0.0.1:PORT", and the port alone.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is borrowed until ra_mock_free()
 * Errors:  none; NULL and 0 for NULL
 * Since:   1.0
 */
RA_API const char *ra_mock_url(const ra_mock *mock);
RA_API int32_t ra_mock_port(const ra_mock *mock);

/* Orders a fault: ACTION[,NAME=VALUE]...
 *
 * What happens to connections:
 *
 *   reset                    they end with an RST
 *   close                    they end in order
 *   silence                  they stay open, and nothing goes through any more, either way
 *   abandon                  the client's side is reset, and the broker does not notice
 *   disconnect[,reason=0..5] the broker says DISCONNECT and hangs up
 *   restart[,journal=lose]   as if the broker had been killed and started again: all connections end, sessions are gone
 *                            and so is what was not stored; with journal=lose, everything
 *   refuse[,ms=T], accept    new connections are reset, for T milliseconds or until they are accepted again
 *   redirect,name=HOST,port=N    who wants a session is sent there
 *   slow,ms=T                what the broker says arrives T milliseconds later; 0: no longer
 *
 * What happens to packets, with at=PACKET only:
 *
 *   reject,code=N            the request fails with that code
 *   hold,ms=T                it waits, and all behind it on its connection
 *   postpone,ms=T            the broker's packet waits alone, and others overtake it
 *   garbage                  chance bytes come before or after the broker's packet, or as its inside
 *
 * How the broker is:
 *
 *   sync,ms=T                storing takes up to so long
 *   forbid,name=NAME,code=N  requests about that address or queue, or sessions of that user, fail; code=0: no longer
 *   limit,name=ADDRESS,policy=page|block|fail|drop[,bytes=N]    what becomes of an address with so much in its queues:
 *                            nothing; no credits until there is room; no credits, and sends fail; sends vanish
 *   full,name=ADDRESS, room,name=ADDRESS     it is full whatever is in it (policy fail if it had none), and no longer
 *
 * When, and to whom: without more, now and to all connections. Later with
 *
 *   at=PACKET        when such a packet passes, to the connection that it passes on: the name as in the broker's
 *                    sources, small letters will do and SESS_ may be left out: send, commit, receive_msg, ...; any
 *   nth=N            not the first one but the N-th, counted over all connections from now on; N..M: by chance
 *   when=before|inside|after    the packet is not taken, or half of it is sent, or it passes (the default): what comes
 *                    after a client's packet comes when the broker has taken it, and before it answers
 *   from=client|broker    of packets that both send: whose (default: the client's)
 *   chance=N         of those packets, N in 1,000
 *   every=N..M       again and again, after so many milliseconds
 *   times=N          at so many packets, or so often, then no more; 0: for ever. The default is 1, with every 0
 *
 * Thread:  any thread
 * Blocks:  until its thread has done it, which is at once
 * Owns:    nothing: the text is copied
 * Errors:  RA_E_OPTION, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_mock_fault(ra_mock *mock, const char *fault, ra_error **err);

/* Takes back all faults that wait for their time, and those that last and concern all connections: they are accepted
 * again, where they are, and as fast as they go.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_mock_clear(ra_mock *mock, ra_error **err);

/* Makes a durable queue for an address (NULL: of the same name), each message of which goes to one queue (anycast).
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_QUEUE_EXISTS, RA_E_CLOSED
 * Since:   1.0
 */
RA_API int ra_mock_create_queue(ra_mock *mock, const char *queue, const char *address, ra_error **err);

/* How many messages are in a queue; what is delivered and not acknowledged is counted.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_NO_QUEUE
 * Since:   1.0
 */
RA_API int ra_mock_queue_messages(ra_mock *mock, const char *queue, int64_t *value_out, ra_error **err);

/* Counters; but for the two that say "now" they only grow. */
enum ra_mock_stat {
    RA_MOCK_STAT_CONNECTIONS = 1, /* accepted */
    RA_MOCK_STAT_OPEN,            /* connections now */
    RA_MOCK_STAT_REFUSED,         /* connections reset at once */
    RA_MOCK_STAT_CUT,             /* connections reset, closed, silenced, abandoned */
    RA_MOCK_STAT_FAULTS,          /* faults that happened */
    RA_MOCK_STAT_PACKETS_IN,      /* whole packets from clients */
    RA_MOCK_STAT_PACKETS_OUT,     /* to clients */
    RA_MOCK_STAT_SESSIONS,        /* now; a client may keep one more on each connection, as an anchor */
    RA_MOCK_STAT_REATTACHED,      /* sessions found again */
    RA_MOCK_STAT_NOT_FOUND,       /* asked for again, and gone */
    RA_MOCK_STAT_EXPIRED,         /* sessions closed because their client was not heard for its TTL */
    RA_MOCK_STAT_STORED,          /* messages put into queues */
    RA_MOCK_STAT_CONSUMED,        /* messages acknowledged */
    RA_MOCK_STAT_REJECTED,        /* requests answered with an exception */
    RA_MOCK_STAT_ANSWERS_LOST,    /* answers that came while a session moved, and were dropped */
    RA_MOCK_STAT_ANSWERS_DOUBLED  /* answers sent again twice */
};

/* Reads one counter; id is RA_MOCK_STAT_...
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing
 * Errors:  RA_E_ARGUMENT for an unknown id
 * Since:   1.0
 */
RA_API int ra_mock_count(ra_mock *mock, int32_t id, int64_t *value_out, ra_error **err);

/* Waits until a counter is at_least that.
 *
 * Thread:  any thread
 * Blocks:  up to timeout_ms; negative: for ever
 * Owns:    nothing
 * Errors:  RA_E_TIMEOUT, RA_E_CLOSED when it was stopped before; RA_E_ARGUMENT for an unknown id
 * Since:   1.0
 */
RA_API int ra_mock_wait(ra_mock *mock, int32_t id, int64_t at_least, int64_t timeout_ms, ra_error **err);

/* "connections", "open", ...; "unknown" for other numbers. The known ids are 1, 2, 3, ... without gaps.
 *
 * Thread:  any thread
 * Blocks:  no
 * Owns:    nothing: the text is a constant
 * Errors:  none
 * Since:   1.0
 */
RA_API const char *ra_mock_stat_name(int32_t id);

#endif
