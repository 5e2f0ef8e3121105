#ifndef REATTACH_TESTS_ENGINE_PEER_H
#define REATTACH_TESTS_ENGINE_PEER_H

#include "engine/internal.h"

/*
 * A scripted peer: drives one engine on virtual time, without sockets or threads, and speaks in lines of text.
 *
 *     PLAY(p, "dial",                          the engine asks for a connection: it becomes link 1, 2, ...
 *             "1> PING",                       the next frame the engine writes on link 1
 *             "1> SUBSCRIBE 136",
 *             "1< TOPOLOGY 136 node",          what the peer answers
 *             "1> CREATE 10 v136",
 *             "1< CREATED 136",
 *             "1>",                            ... and nothing more is written there
 *             "1 cut");                        the link is lost
 *
 * Steps:  dial | dial refused | no dial          the next dial request
 *         N> TEXT | N>                           see peer_text.c for the frames' texts
 *         N< TEXT                                a frame of the peer
 *         N cut | N cut at K                     lost; of what would be written now all, or the first K bytes, arrive
 *         N cut in write K                       lost while a writer is inside its call: K bytes arrive, nobody said so
 *         N gone                                 the engine has hung up
 *         wait MS | deadline                     time passes; to the next deadline
 *
 * Anchors are taken and let go by the peer itself and do not show in scripts, unless a test wants it so.
 */
enum { PEER_LINKS = 512, PEER_CHANNELS = 512 };

/* The n-th dial, write or read from now goes wrong; 0: none does. */
struct peer_trouble {
    long dials, writes, reads;
    bool brief;    /* a write or read of one byte; else the link is lost .. */
    size_t arrives; /* .. when so many bytes of the write have arrived */
};

struct peer_link {
    uint32_t id; /* the engine's; 0: closed */
    int endpoint;
    bool up, hung_up;
    uint8_t *out; /* everything the engine wrote */
    size_t out_size, out_room, read;
    size_t seen; /* by what answers for anchors */
};

struct peer {
    struct rai_config config;
    struct rai_endpoint endpoints[4];
    rai_engine *e;
    int64_t now;
    uint64_t seed;
    int32_t version; /* in which sends are decoded */
    struct peer_link links[PEER_LINKS];
    int count;                        /* of links; the first one is links[1] */
    char names[PEER_CHANNELS][64];    /* of sessions by channel, learned from CREATE */
    char barriers[PEER_CHANNELS][64]; /* the key of a session's barriers, learned from the last one */
    bool anchors_by_script;
    struct peer_trouble trouble;
    size_t chunk;                     /* input comes in pieces of this size; 0: whole */
    const char *where;                /* of the script that runs, for messages */
    int line;
};

struct peer *peer_new(void); /* with a config for tests: change it before peer_start() */
void peer_start(struct peer *p);
void peer_free(struct peer *p);
/* peer_start, link 1 and a session on channel 10 that is open. */
rai_session *peer_open(struct peer *p);
rai_session *peer_session(struct peer *p, bool transacted); /* begins to open one more; its owner is &names[channel] */

void peer_play(struct peer *p, const char *where, int line, const char *const *steps);
#define PLAY(p, ...) peer_play((p), __FILE__, __LINE__, (const char *const[]){ __VA_ARGS__, NULL })

/* What the engine wants to write on a link now goes there, at most `max` bytes. */
size_t peer_pump(struct peer *p, int link, size_t max);
void peer_pump_all(struct peer *p);
void peer_input(struct peer *p, int link, const uint8_t *bytes, size_t size);
int peer_dial(struct peer *p); /* takes the next dial request and connects it; 0: there is none */
void peer_cut(struct peer *p, int link);
void peer_hangups(struct peer *p);

/* All events that wait, as text, one after the other: "disconnected; retrying 1 0; reattached 3". */
#define EVENTS(p, expected) peer_events((p), __FILE__, __LINE__, (expected))
void peer_events(struct peer *p, const char *where, int line, const char *expected);
/* Whether an op ended so ("confirmed", "pending", "not done -20", ...); drops the reference unless it is pending. */
#define OP(p, op, expected) peer_op((p), __FILE__, __LINE__, (op), (expected))
void peer_op(struct peer *p, const char *where, int line, rai_op *op, const char *expected);
int64_t peer_stat(struct peer *p, int id);

/* A producer without address, and sends of one short text. */
rai_producer *peer_producer(struct peer *p, rai_session *s);
void peer_send(struct peer *p, rai_producer *producer, const char *body, uint64_t tag); /* tag 0: fire and forget */
rai_op *peer_send_op(struct peer *p, rai_producer *producer, const char *body);
rai_consumer *peer_consumer(struct peer *p, rai_session *s, const char *queue, int32_t window, rai_op **op);
/* The next message's body must be this one; NULL: there is none. The message stays with the caller when out is given.
 */
#define TAKE(p, c, body) peer_take((p), __FILE__, __LINE__, (c), (body), NULL)
void peer_take(struct peer *p, const char *where, int line, rai_consumer *c, const char *body, ra_message **out);

/* --- peer_text.c --- */

/* The text of a frame that the engine wrote:
 *     PING, SUBSCRIBE v, CREATE ch v [as client id], REATTACH ch n, ANCHOR i, UNANCHOR i
 *     ch SEND body [corr] [=duplicate id: the text, or of bytes the last one], ch LARGE [=..], ch PIECE size more, ch PIECE size last [corr], ch CONFIRMED n, ch BARRIER j,
 *     ch CONSUMER id queue, ch CLOSE_CONSUMER id, ch CREDITS id n,
 *     ch FORCE id seq, ch ACK id m [rr], ch ACK1 id m [rr], ch EXPIRED id m, ch START, ch STOP [..], ch CLOSE, ch
 * FLUSH, ch COMMIT [corr], ch ROLLBACK, ch QUEUE q, ch DELETE q, ch ADDRESS a, ch QUERY q, ch BINDING a, ch WANT n a,
 *     ch PRODUCER id, ch UNPRODUCER id, ch METADATA key=value, ch UNIQUE key=value */
void peer_describe(struct peer *p, const struct rai_frame *f, char *out, size_t room);
/* Frames of the peer, appended to a buffer of PEER_FRAME_MAX bytes; returns the size, 0 for a text it does not know:
 *     PING, TOPOLOGY v node, OLDTOPOLOGY node, NODE version event node primary backup more|last, LEFT version event node,
 *     DISCONNECT, DISCONNECT version reason node connector (connectors are ports, 0: none; versions as in the packets), CREATED v, DENIED code, REATTACHED n, REFUSED, UNANCHORED i
 *     RAW text
 *     ch OK [corr | short], ch NO code [corr], ch NOBARRIER j, ch CONFIRMED n, ch QUEUE name [passing], ch BINDING exists queues
 *     ch TIMEOUT, ch CREDITS n address, ch FULL n address, ch MSG consumer id body [expiration], ch MARKER consumer seq
 *     ch LARGE consumer id size, ch CHUNK consumer size more|last, ch GONE consumer */
enum { PEER_FRAME_MAX = 512 * 1024 };
size_t peer_compose(struct peer *p, const char *text, uint8_t *out);

#endif
