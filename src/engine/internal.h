#ifndef RAI_ENGINE_INTERNAL_H
#define RAI_ENGINE_INTERNAL_H

#include "base/alloc.h"

#define uthash_malloc(size) rai_alloc(size)
#define uthash_free(p, size) rai_free(p)
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "codec/packets.h"
#include "engine/engine.h"
#include "engine/log.h"
#include "engine/pending.h"
#include "engine/queue_info.h"

/* The engine's own types, shared by its files and by its tests; nobody else includes this. */

#define RAI_NEVER INT64_MAX
#define RAI_ANCHORS (INT64_C(1) << 40) /* their channels are above all others */

enum {
    RAI_MS = 1000,
    RAI_PLAN_PIECES = 64,
    RAI_TURN_BYTES = 64 * 1024,       /* what one session may add to a plan before the next one's turn */
    RAI_EVENTS_MAX = 1024,
    RAI_OUTCOMES_MAX = 65536,         /* unread outcome ranges before tagged sends are refused */
    RAI_BARRIER_FIRST_US = 1000000,   /* a barrier's own deadline: doubled up to the next one */
    RAI_BARRIER_MAX_US = 30000000,
    RAI_STALE_US = 60000000,          /* how long a REATTACH on a lost link is reckoned with */
    RAI_PROBE_FIRST_US = 250000,      /* after a release: probes at this, doubled each time */
    RAI_ASK_FIRST_US = 2000000,       /* an answer to REATTACH: the same */
    RAI_ASK_MAX_US = 30000000,
    RAI_CREATES_IN_FLIGHT = 64,       /* CREATESESSION requests pipelined on one link */
    RAI_PROVEN_US = 10000000,         /* a main link that lived so long was worth something */
    RAI_QUICK_RETRIES = 3,            /* redials without a pause after a link that had worked */
    RAI_BARRIER_NAME = 32,
    RAI_NODES_MAX = 64,               /* of a cluster, known at a time */
    RAI_REDIRECTS_MAX = 16,           /* followed in a row without a session */
    RAI_ANCHOR_WINDOW = 1024,         /* any positive one */
    RAI_PART_US = 1000000,            /* to leave in good order; then the broker's TTL does the rest */
    RAI_STAMP_ROOM = 64,              /* of a duplicate id as a property */
    RAI_TRANSACTION_ID_MAX = 1024
};

/* --- operations --- */

struct rai_op {
    int refs;
    rai_engine *e;
    struct rai_op *prev, *next; /* all ops under way, for deadlines */
    struct rai_op *next_done;
    int outcome;
    struct rai_fault fault;
    int64_t deadline;
    bool abandoned, expired;
    rai_session *session;       /* NULL for the connection's own */
    struct rai_consumer *forced; /* a forced delivery waits on this consumer */
    ra_queue_info *info;
    struct rai_made_queue *made; /* what it creates, to be created again with its session; NULL: it stays by itself */
    struct rai_metadata *metadata; /* what it sets, the same; NULL: it sets none */
    char *name; /* of the queue, address or metadata that it is about: to ask again, and for the fault */
};

rai_op *rai_op_new(rai_engine *e, rai_session *s, int64_t now); /* one reference for the engine, one for the caller */
void rai_op_end(rai_op *op, int outcome, const struct rai_fault *fault); /* drops the engine's reference */
void rai_op_discard(rai_op *op); /* begun and at once given up: nobody has seen it */
void rai_ops_tick(rai_engine *e, int64_t now);
/* Hands an op to the caller, or drops the caller's reference when it does not want it. */
void rai_op_hand_out(rai_op *op, rai_op **op_out);

/* --- links --- */

enum rai_link_state { RAI_LINK_DIALING, RAI_LINK_GREETING, RAI_LINK_UP, RAI_LINK_DOOMED };

enum rai_anchor {
    RAI_ANCHOR_NONE,
    RAI_ANCHOR_DUE,     /* CREATESESSION is to be written */
    RAI_ANCHOR_ASKED,   /* it is out */
    RAI_ANCHOR_HELD,
    RAI_ANCHOR_REFUSED, /* the broker does not want it: go on without */
    RAI_ANCHOR_CLOSING, /* SESS_CLOSE is to be written */
    RAI_ANCHOR_CLOSED   /* it is out */
};

/* A request on channel 1 that waits for its answer; answers come in order. */
struct rai_ask {
    int64_t channel;
    int8_t type; /* RAI_REATTACH_SESSION or RAI_CREATESESSION */
    int16_t version; /* that it was made for */
};

struct rai_piece {
    const uint8_t *at;
    size_t size;
    rai_session *session; /* NULL: control bytes; also set to NULL when the session goes away */
    uint64_t end;         /* log offset behind the piece */
};

struct rai_link {
    uint32_t id;
    enum rai_link_state state;
    struct rai_link *next;
    rai_engine *e;
    struct rai_endpoint at;
    bool dial_taken, hangup_taken, preamble_sent, heard;
    bool redirected; /* the broker said where to go instead */
    bool proven;   /* a session was opened or found again on it */
    int64_t up_at; /* when the dial was answered */
    int64_t greet_deadline;
    int32_t version; /* the broker's, as far as it tells */
    char node_id[128];

    struct rai_ask *asks; /* ring */
    size_t ask_room;
    uint64_t ask_head, ask_tail;
    int creates; /* CREATESESSION among them */
    int64_t ask_deadline;

    enum rai_anchor anchor; /* see anchor.c */
    int64_t anchor_channel;
    bool parting; /* done with: hung up when its anchor is gone */
    int64_t part_deadline;

    rai_session *ready_first, *ready_last; /* sessions with something to write */

    uint8_t *control; /* control frames of the present plan */
    size_t control_size, control_room;
    struct rai_piece plan[RAI_PLAN_PIECES];
    int plan_count, plan_at;
    size_t plan_done; /* bytes written of plan[plan_at] */
    bool plan_pins;
    bool writing; /* a writer holds the plan's bytes right now */

    struct rai_block *in;
    size_t in_at, in_end;

    int64_t last_heard, ping_at;
    rai_session *last_session; /* of the last frame: spares a look-up */
};

/* --- sessions --- */

enum rai_session_state {
    RAI_S_NEW = 0,   /* to be created as soon as there is a main link */
    RAI_S_CREATING,  /* CREATESESSION is out */
    RAI_S_OPEN,      /* frames flow on `link` */
    RAI_S_ADRIFT,    /* its link is gone; waits for a first link */
    RAI_S_ASKED,     /* REATTACH is out on the first link */
    RAI_S_BARRIER,   /* a barrier is out there */
    RAI_S_SETTLED,   /* the first link has nothing more for it; waits for the main link */
    RAI_S_REASKED,   /* REATTACH is out on the further link */
    RAI_S_REFUSED,   /* the broker does not know it; to be created anew on the main link */
    RAI_S_RECREATING, /* that CREATESESSION is out */
    RAI_S_CLOSED,
    RAI_S_LOST,
    RAI_S_STATES
};

enum rai_due {
    RAI_DUE_DATA = 1,
    RAI_DUE_CONFIRM = 2,
    RAI_DUE_BARRIER = 4,
    RAI_DUE_ASK = 8,   /* REATTACH */
    RAI_DUE_CREATE = 16
};

struct rai_credit {
    struct rai_credit *next;
    int32_t balance, arriving; /* bytes of message blobs */
    bool full;                 /* the broker said the address is full */
    bool proven;               /* the last answer to a send there was good: more of them may be pipelined */
    int users;                 /* producers bound to it */
    size_t address_size;
    char address[];
};

/* A large message that is being written, piece by piece. */
struct rai_large {
    rai_producer *producer;
    struct rai_credit *credit;
    uint64_t start;         /* log offset of its headers */
    bool moved;             /* a recreation took its pieces along */
    bool named;             /* its headers carry the transaction's id, which is used up when it is complete */
    struct rai_fault fault; /* it cannot be completed */
    int64_t size;           /* of the body so far */
    size_t filled;
    uint8_t piece[];        /* the next one, until there is more than one */
};

/* see queues.c */
struct rai_made_queue {
    struct rai_made_queue *next;
    struct rai_create_queue q; /* its strings are in text */
    char text[];
};

/* see metadata.c */
struct rai_metadata {
    struct rai_metadata *next;
    bool unique;
    const char *value; /* in text, behind the key */
    char text[];
};

struct rai_session {
    rai_engine *e;
    void *owner;
    rai_session *prev, *next; /* all sessions, in order of creation */
    UT_hash_handle hh;
    int64_t channel;
    char name[RAI_NAME];
    enum rai_session_state state;
    struct rai_link *link;
    rai_session *ready_next;
    bool ready_queued;
    unsigned due;

    bool transacted, started, closing, close_logged, released;
    bool aborted;       /* all that is left to do is to close it on the broker */
    bool work;          /* in the present transaction */
    bool doomed;        /* the broker refused some of it, so it will refuse the commit */
    bool commits_proven; /* the last commit was good */
    bool rollback_only;
    uint8_t *transaction_id; /* duplicate id for the next message, as a property; NULL: none */
    size_t transaction_id_size;
    int rollbacks;      /* under way: START waits for them */
    bool fresh;         /* never opened so far */
    uint64_t close_end; /* log offset behind SESS_CLOSE */
    int32_t version;
    struct rai_fault fault;
    rai_op *open_op, *close_op; /* references */

    struct rai_log log;
    struct rai_pendings pendings;
    struct rai_numbers lost_answers;
    int64_t correlation; /* last one used */
    uint64_t gate_index;   /* no entry before it holds back what is behind it */
    uint64_t answered_end; /* log offset behind the last frame whose good answer came: the broker counted all before */
    int64_t forgets;     /* fire-and-forget sends not yet confirmed */
    int64_t stamped;     /* sends with a duplicate id and without an outcome */
    int64_t tagged;      /* tagged sends without outcome */
    int64_t not_done, unknown; /* ended so in this session's life, for close */
    bool unasked_ended;        /* what nobody waits for is in these counts */
    uint64_t doubtful_end; /* log offset: sends before it had been written in an earlier epoch, so they may have been done */

    uint32_t received; /* number of the last packet counted */
    int64_t received_bytes;

    /* recovery */
    char barrier_key[RAI_BARRIER_NAME + 1]; /* 128 random bits, not derived from the session's name */
    char barrier_name[RAI_BARRIER_NAME + 16];
    uint32_t barrier; /* number of the latest */
    int barrier_tries;
    bool barrier_out, barrier_answered;
    struct rai_numbers barriers_unanswered;
    int64_t barrier_deadline, barrier_wait;
    uint32_t asked_on;              /* link of the last REATTACH: never twice on one */
    bool replaying;      /* what comes in may be sent again by the broker, until what ends at replay_end is answered */
    uint64_t replay_end; /* log offset */
    int64_t stale_until, probe_at, probe_wait; /* see watch_stale() in recovery.c */
    bool probing;
    bool had_barrier;
    uint32_t n1;
    int stuck;
    int64_t ask_wait;

    uint32_t broker; /* e->broker when it was there last */
    uint32_t epoch; /* of deliveries: moves on when delivered messages stop being ours */
    rai_consumer *consumers, *last_consumer;
    rai_producer *producers, *last_producer;
    struct rai_made_queue *made; /* in order */
    struct rai_metadata *metadata; /* in order */
    struct rai_credit *credits;
    struct rai_large *large; /* NULL: none is under way */
    int64_t next_consumer;
    int32_t next_producer;
    bool writable_wanted, writable_queued;
    rai_session *writable_next;
};

/* --- consumers and producers --- */

/* The body of a large message that is handed out before all of it is there. */
struct rai_body_piece {
    struct rai_body_piece *next;
    size_t frame_size; /* credits to return */
    size_t size, read;
    bool last;
    uint8_t data[];
};

struct rai_body {
    uint64_t sequence; /* of its message */
    struct rai_body_piece *first, *last;
    bool complete; /* the last piece has come */
};

struct rai_consumer {
    rai_session *s;
    void *owner;
    rai_consumer *next;
    int64_t id;
    uint64_t key; /* unique in the connection: what messages carry */
    char *queue, *filter;
    struct rai_made_queue *made; /* its queue, when that does not stay by itself */
    bool browse, opened, closing, released;
    bool create_pending; /* CREATECONSUMER waits for its answer, which will look for this object */
    bool close_pending;  /* CONSUMER_CLOSE does */
    int32_t window;
    struct rai_fault fault;
    ra_message *first, *last; /* buffer */
    int64_t owed;             /* credits to return */
    int waiting;              /* receives under way (window 0) */
    bool credit_out;          /* window 0: the one credit is with the broker */
    bool unsure;              /* window 0: something that came may have crossed a credit taken back */
    uint64_t withdrawn;       /* window 0: log offset behind the frame that took the credit back last */
    ra_message *large;        /* being collected */
    bool large_tainted;
    bool streams;             /* large messages are not collected: see body.c */
    struct rai_body *arriving; /* its last piece is still to come */
    struct rai_body *reading;  /* of the message taken last */
    bool skipping;            /* the pieces that arrive are of no use to anybody */
    uint64_t broken;          /* from this message on nothing may be acknowledged: it was interrupted */
    uint64_t delivered;       /* messages so far: the order acknowledgements go by */
    uint64_t acked;           /* the last one acknowledged cumulatively */
    int64_t ack_id;           /* its message, while the acknowledgement is not yet logged; -1 none */
    size_t ack_bytes;
    int64_t force_sequence;
    rai_op *force_op; /* reference */
    bool ready_queued;
    rai_consumer *ready_next;
};

enum rai_route_step { RAI_ROUTE_DONE, RAI_ROUTE_QUERY, RAI_ROUTE_MAKE_ADDRESS, RAI_ROUTE_MAKE_QUEUE, RAI_ROUTE_REGISTER };

struct rai_producer {
    rai_session *s;
    rai_producer *next;
    int32_t id;
    char *address; /* NULL: anonymous */
    struct rai_credit *credit;
    bool opened, closed, released;
    enum rai_route_step step;
    rai_op *open_op; /* reference */
    struct rai_credit *wanted_credit;
    size_t wanted; /* bytes that the refused send needs; 0: nothing was refused */
    bool wanted_outcome;
    struct rai_fault fault;
};

/* --- where to --- */

/* A live broker and its backup. See topology.c. */
struct rai_node {
    char id[128];
    int64_t event;     /* news with a smaller number are older */
    bool gone;         /* it left; kept against older news */
    uint32_t told_on;  /* the link that named it last */
    struct rai_endpoint primary, backup; /* host "": none */
};

/* See targets.c. */
struct rai_targets {
    struct rai_endpoint *list; /* the round under way; count 0: none is */
    int count, room;
    int first, at;             /* the next one is the at-th from first on */
    int64_t rounds;            /* that came to nothing */
    bool elsewhere;            /* these are the rounds over other nodes */
    struct rai_endpoint current, previous; /* of the main links that were good for something; host "": none */
    struct rai_endpoint redirect;          /* host "": none is pending */
    int redirects;
};

/* --- the engine --- */

struct rai_queued_event {
    struct rai_queued_event *next;
    struct rai_event event;
};

struct rai_outcome_range {
    rai_session *session; /* NULL: gone */
    uint64_t first, last;
    int outcome;
    struct rai_fault *fault; /* NULL: none */
};

struct rai_engine {
    const struct rai_config *config;
    struct rai_host host;
    struct rai_test_hooks hooks;
    int64_t now; /* of the call under way */
    int64_t wake_at; /* not later than the next thing to do by the clock */

    struct rai_link *links;
    uint32_t last_link;
    struct rai_link *main;    /* where released sessions live */
    struct rai_link *first;   /* where adrift sessions are asked for */
    struct rai_link *further; /* will be the main link if some session needs two */
    bool started, ever_up, shut, dead, freeing;
    bool stepping; /* inside the recovery's own steps */
    struct rai_fault fault, last_fault;
    rai_op *start_op, *leave_op;
    int32_t version;
    bool version_known;
    char node_id[128];
    struct rai_endpoint home; /* of the last main link */
    uint32_t broker; /* counts the changes of those */

    struct rai_node *nodes;
    int node_count;
    struct rai_targets targets;
    int64_t attempt;     /* attempts since the last success */
    int quick_retries;
    int64_t delay;       /* the next pause, microseconds */
    int64_t retry_at;    /* RAI_NEVER: no dial is due */

    rai_session *sessions, *last_session;
    rai_session *by_channel; /* uthash */
    int64_t next_channel, next_anchor;
    int64_t anchor_wait; /* for its answer */
    uint64_t next_consumer_key;
    struct rai_log_pool pool;

    struct rai_op *ops, *last_op;
    rai_op *next_tick; /* of the walk over them */
    rai_op *done_first, *done_last;

    uint32_t subscribed;
    struct rai_queued_event *events, *last_event;
    int event_count;
    int64_t events_lost;
    struct rai_outcome_range *outcomes; /* ring, room is a power of two */
    size_t outcome_room;
    uint64_t outcome_head, outcome_tail;
    uint64_t tagged; /* sends of all sessions that will need an outcome */
    bool outcomes_full;

    uint8_t stamp[RAI_STAMP_ROOM]; /* the last duplicate id, as a property */
    size_t stamp_size;             /* 0: none was needed so far */
    uint64_t stamps;
    int64_t stamped; /* sends with one that have no outcome yet */
    bool stamps_full;

    rai_consumer *ready_consumers, *last_ready_consumer;
    rai_session *ready_writers;

    int64_t stats[RA_STAT_BYTES_IN + 1];
};

static inline void rai_wake_at(rai_engine *e, int64_t at)
{
    if (at < e->wake_at)
        e->wake_at = at;
}

static inline void rai_count(rai_engine *e, enum ra_stat id, int64_t n)
{
    e->stats[id] += n;
}

/* --- events.c --- */
void rai_event_push(rai_engine *e, const struct rai_event *event); /* when subscribed */
void rai_event_simple(rai_engine *e, int kind, const rai_session *s, const struct rai_fault *fault);
/* A line for who set the option log: what the other events do not say. Never a session's name, which is a secret. */
void rai_say(rai_engine *e, const rai_session *s, const char *format, ...) __attribute__((format(printf, 3, 4)));
void rai_outcome_push(rai_session *s, uint64_t tag, int outcome, const struct rai_fault *fault);
void rai_consumer_ready(rai_consumer *c);
void rai_session_check_writable(rai_session *s);
/* Room for `more` outcomes beyond those that wait: reporting one must not fail. */
bool rai_outcomes_reserve(rai_engine *e, uint64_t more);
void rai_ready_forget_consumer(rai_consumer *c);
void rai_ready_forget_session(rai_session *s);
void rai_events_free(rai_engine *e);

/* --- link.c --- */
struct rai_link *rai_link_dial(rai_engine *e, const struct rai_endpoint *at);
struct rai_link *rai_link_of(const rai_engine *e, uint32_t id);
void rai_link_doom(struct rai_link *l); /* to be hung up; says nothing to anybody */
void rai_link_fail(struct rai_link *l, const struct rai_fault *why); /* doom + what follows from it */
void rai_link_tick(struct rai_link *l, int64_t now);
bool rai_link_ask(struct rai_link *l, int64_t channel, int type); /* remembers a request of channel 1 */
void rai_link_forget_session(rai_engine *e, rai_session *s);
/* The session ends while its link lives: what is planned will be written to its end, so it counts as written. */
void rai_link_keeps_writing(rai_session *s);
void rai_link_free(struct rai_link *l);
void rai_link_name_endpoint(const struct rai_link *l, struct rai_fault *fault); /* unless it has one */
bool rai_link_usable(const struct rai_link *l);

/* Marks a session as having something to write on its link. */
void rai_session_due(rai_session *s, unsigned what);
void rai_session_unlink(rai_session *s);
/* The broker holds its answer back: it goes last next time, with a longer deadline. */
void rai_session_stuck(rai_session *s);
/* --- anchor.c --- */
bool rai_link_anchored(struct rai_link *l); /* whether sessions may be asked for on it; begins to see to it if not */
bool rai_link_unanchored(struct rai_link *l); /* whether it has none; begins to see to it if it has */
void rai_link_part(struct rai_link *l, int64_t now); /* hangs up, in good order */
bool rai_anchor_wants_write(const struct rai_link *l);
void rai_anchor_answered(struct rai_link *l, bool good);
void rai_anchor_again(struct rai_link *l); /* under another version */
bool rai_anchor_frame(struct rai_link *l, const struct rai_frame *f); /* false: not on its channel */

/* --- topology.c --- */
bool rai_endpoint_given(const struct rai_endpoint *at);
bool rai_endpoint_same(const struct rai_endpoint *a, const struct rai_endpoint *b);
struct rai_endpoint rai_endpoint_mapped(const rai_engine *e, const struct rai_connector *connector);
void rai_node_learn(rai_engine *e, const struct rai_link *l, const struct rai_topology *news);
struct rai_node *rai_node_find(const rai_engine *e, const char *id);
const struct rai_node *rai_node_of_link(const struct rai_link *l); /* NULL: it cannot be told */

/* --- targets.c --- */
const struct rai_endpoint *rai_targets_next(rai_engine *e);
void rai_targets_failed(rai_engine *e); /* an attempt there, or a link that was good for nothing */
bool rai_targets_left(rai_engine *e);   /* may there be another attempt? Turns to the other nodes when it is time to */
bool rai_targets_between_rounds(const rai_engine *e);
void rai_targets_proven(rai_engine *e, const struct rai_endpoint *at); /* a link there was good for something */
void rai_targets_other_node(rai_engine *e); /* the main link leads to another pair: where it was before does not count */
bool rai_targets_redirect(rai_engine *e, const struct rai_endpoint *to); /* false: not any more */
void rai_targets_free(rai_engine *e);

/* plan.c: builds l->plan; returns false when there is nothing to write */
bool rai_plan_build(struct rai_link *l, int64_t now);

/* --- recovery.c: the life of sessions across links --- */
enum rai_session_event {
    RAI_EV_LINK_LOST,
    RAI_EV_ASK,      /* a first link may take its REATTACH */
    RAI_EV_YES,      /* REATTACH answered: found */
    RAI_EV_NO,       /* REATTACH answered: not found */
    RAI_EV_BARRIER,  /* the latest barrier was answered */
    RAI_EV_MOVE,     /* the main link is decided and usable */
    RAI_EV_CREATED,
    RAI_EV_DENIED,   /* CREATESESSION refused for good */
    RAI_EV_SESSION_EVENTS
};
void rai_session_event(rai_session *s, enum rai_session_event event, uint32_t n, const struct rai_fault *fault);
const char *rai_session_state_name(int state);
const char *rai_session_event_name(int event);
const char *rai_session_step_name(int state, int event); /* for the printed table; NULL: nothing happens */
void rai_recovery_link_lost(struct rai_link *l, const struct rai_fault *why);
void rai_recovery_step(rai_engine *e); /* whatever is possible now */
void rai_recovery_tick(rai_engine *e, int64_t now);
void rai_engine_die(rai_engine *e, const struct rai_fault *why);
void rai_session_barrier_answered(rai_session *s, uint32_t number);

/* --- recreate.c --- */
void rai_session_recreate(rai_session *s, struct rai_link *l); /* CREATESESSION was answered: new epoch */
/* Everything unanswered ends: unwritten as not done, written as unknown. */
void rai_session_end_all(rai_session *s, const struct rai_fault *why);
/* The same of a session that the broker still has: what was written keeps its place and number, the rest, but for the
 * session's close, is never written. false: out of memory. */
bool rai_session_drop_all(rai_session *s, const struct rai_fault *why);

/* An earlier epoch has written it, so whatever becomes of it here, it may have been done. */
bool rai_send_is_doubtful(const rai_session *s, int type, uint64_t offset);

/* --- session.c --- */
rai_session *rai_session_by_channel(rai_engine *e, int64_t channel);
void rai_session_lose(rai_session *s, const struct rai_fault *why);
/* The same while the broker has it, which is to let go of it. */
void rai_session_dismiss(rai_session *s, const struct rai_fault *why);
void rai_session_closed(rai_session *s);
int rai_session_usable(const rai_session *s, struct rai_fault *fault);
void rai_engine_reap(rai_engine *e); /* frees sessions that are over and released */
bool rai_session_log_start(rai_session *s);
bool rai_session_log_close(rai_session *s, rai_op *op);
void rai_session_new_name(rai_session *s);

/* A frame for the log, in two passes:  for (struct rai_draft d = rai_draft(s); rai_draft_next(&d);) put(&d.w, d.size..) */
struct rai_draft {
    rai_session *s;
    struct rai_writer w;
    size_t size;
    size_t lead; /* bytes of frames in front of the one that the entry is about; all are appended together */
    int pass;
    bool failed;
};
struct rai_draft rai_draft(rai_session *s);
bool rai_draft_next(struct rai_draft *d);
/* Appends the draft. Returns false when it failed (out of memory). pending: what waits for the answer, or NULL. */
bool rai_draft_commit(struct rai_draft *d, const struct rai_pending *pending);
/* The same for a ready frame (survivors). */
bool rai_session_append(rai_session *s, const uint8_t *frame, size_t size, const struct rai_pending *pending);

/* A request with an operation: the common end of all begin forms. Takes the op (NULL: no memory) over. */
int rai_session_request(struct rai_draft *d, int type, int64_t correlation, rai_op *op, void *subject,
                        rai_op **op_out, struct rai_fault *fault);
void rai_session_flush_acks(rai_session *s);
bool rai_session_probe(rai_session *s);

/* --- answers.c --- */
void rai_session_frame(rai_session *s, const struct rai_frame *f);
void rai_session_confirmed(rai_session *s, uint32_t n);
/* Ends an entry. frame: the answer, or NULL when the count proves it or nothing came. */
void rai_entry_good(rai_session *s, struct rai_pending *entry, const struct rai_frame *frame);
void rai_entry_bad(rai_session *s, struct rai_pending *entry, int outcome, const struct rai_fault *fault);
void rai_entry_end(rai_session *s, struct rai_pending *entry, int outcome, const struct rai_fault *fault);
void rai_entries_pop(rai_session *s);
/* Nothing is written behind such an entry before it has ended. */
bool rai_entry_may_be_refused(const struct rai_pending *entry);
/* The end of a recovery: n is the true count. */
void rai_session_settle(rai_session *s, uint32_t n);
/* Cancels an entry that was never written; false when it was. */
bool rai_entry_cancel(rai_session *s, struct rai_pending *entry);
void rai_session_cancel_op(rai_session *s, rai_op *op, const struct rai_fault *fault);

/* --- consumer.c --- */
void rai_consumer_message(rai_session *s, const struct rai_frame *f);
void rai_consumer_large(rai_session *s, const struct rai_frame *f);
void rai_consumer_chunk(rai_session *s, const struct rai_frame *f);
void rai_consumer_opened(rai_consumer *c, const struct rai_frame *answer); /* answer NULL: it was lost */
void rai_consumer_ended(rai_consumer *c, const struct rai_fault *fault); /* fault NULL: closed in order */
void rai_consumer_clear(rai_consumer *c, bool return_credits);
void rai_consumer_flush_ack(rai_consumer *c);
void rai_consumer_disconnected(rai_session *s, int64_t id);
void rai_consumer_reattached(rai_consumer *c); /* after a re-attachment */
bool rai_consumer_log_create(rai_consumer *c, rai_op *op);
void rai_consumer_log_credits(rai_consumer *c);
void rai_consumer_free_if_done(rai_consumer *c);

/* --- large.c: messages that go in pieces --- */
bool rai_large_is_one(const ra_message *m, const struct rai_send *send);
/* The offset of the first frame of the message that is incomplete at `offset` and still in the log; else `offset`. */
uint64_t rai_large_start(const struct rai_log *log, uint64_t offset, int32_t version);
/* The offset of the frame that completes the message begun at `offset`; the log's end: it is not there. */
uint64_t rai_large_last(const struct rai_log *log, uint64_t offset, int32_t version);
/* A recreation: whether the message that begins at this offset is the one under way, which goes on at the log's end; and
 * the end of it: one that was not met is interrupted. */
bool rai_large_moves(rai_session *s, uint64_t begin);
void rai_large_moved(rai_session *s);
/* It cannot be completed any more, which its producer hears; or the producer goes away. */
void rai_large_interrupt(rai_session *s, const struct rai_fault *why);
bool rai_large_is_interrupted(const rai_producer *p);
void rai_large_forget(rai_session *s, const rai_producer *p);
/* The message's last frame is not to be written: nor is what can be spared of the others. */
void rai_large_cancelled(rai_session *s, uint64_t last);
/* --- queues.c --- */
bool rai_queue_is_passing(const struct rai_create_queue *q); /* it goes with the broker's memory */
struct rai_made_queue *rai_made_queue_new(const struct rai_create_queue *q);
struct rai_made_queue *rai_made_queue_of_answer(const char *queue, const struct rai_queue_answer *a);
void rai_queue_made(rai_session *s, struct rai_made_queue *made); /* takes it over */
void rai_queue_created(rai_session *s, struct rai_pending *entry); /* as its operation asked for */
void rai_queue_deleted(rai_session *s, const char *name);
bool rai_queues_recreate(rai_session *s);
bool rai_queue_of_consumer_recreate(rai_consumer *c);
void rai_queues_free(rai_session *s);

/* --- metadata.c --- */
struct rai_metadata *rai_metadata_new(const char *key, const char *value, bool unique);
bool rai_metadata_is(int type); /* a packet that sets some */
bool rai_metadata_log(rai_session *s, const struct rai_metadata *m, rai_op *op); /* op NULL: the engine sets it again */
void rai_metadata_added(rai_session *s, struct rai_pending *entry);
void rai_metadata_refused(rai_session *s, const struct rai_pending *entry, const struct rai_fault *why);
bool rai_metadata_recreate(rai_session *s);
void rai_metadata_free(rai_session *s);

/* --- duplicate.c --- */
bool rai_session_stamps(const rai_session *s); /* what it sends can be sent again */
/* The property that a send is given, in wire form; returns its size, 0: none. */
size_t rai_duplicate_id(rai_session *s, const ra_message *m, const uint8_t **entry);
void rai_stamped(rai_session *s); /* one more is without an outcome */
void rai_stamped_end(rai_session *s, int64_t sends);
void rai_session_forget_transaction_id(rai_session *s);

void rai_consumer_malformed(rai_session *s);
void rai_consumer_out_of_memory(rai_session *s);
void rai_consumer_push(rai_consumer *c, ra_message *m);
void rai_consumer_return(rai_consumer *c, size_t size, bool last); /* credits of one frame; last: of its message */
void rai_consumer_renew_credit(rai_consumer *c); /* window 0: somebody waits, and what came was not for him */
void rai_consumer_interrupt(rai_consumer *c); /* the large message that arrives cannot be trusted */
void rai_consumer_revive(rai_consumer *c);    /* what it was interrupted in comes again */

/* --- body.c: large messages that come in pieces --- */
void rai_body_begin(rai_consumer *c, ra_message *m);
void rai_body_chunk(rai_consumer *c, const struct rai_chunk *chunk, size_t frame_size);
void rai_body_taken(rai_consumer *c, ra_message *m); /* its message is handed out; the one before cannot be read any more */
size_t rai_body_drop(rai_consumer *c, struct rai_body *b); /* returns the credits that it holds */
size_t rai_body_clear(rai_consumer *c);

/* --- producer.c --- */
void rai_producer_credits(rai_session *s, const struct rai_frame *f);
void rai_producer_route_step(rai_producer *p, const struct rai_frame *answer, const struct rai_fault *fault);
void rai_producer_recreated(rai_session *s);
void rai_producer_reattached(rai_session *s);
bool rai_producer_cancel_open(rai_session *s, const rai_op *op, const struct rai_fault *fault); /* false: not one of theirs */
bool rai_producer_has_room(const rai_producer *p);
void rai_producer_free_if_done(rai_producer *p);
/* The parts of a send: who and where to (the credit account; only a good result sets it), room and credits, and the end:
 * takes over the draft and what waits for its answer. */
int rai_send_begin(rai_producer *p, const char *address, struct rai_credit **credit, struct rai_fault *fault);
int rai_send_admit(rai_producer *p, struct rai_credit *credit, size_t cost, bool tagged, struct rai_fault *fault);
void rai_send_give_back(rai_session *s, struct rai_credit *credit, size_t cost); /* what was admitted and did not go */
int rai_send_commit(rai_producer *p, struct rai_draft *d, const struct rai_send *send, struct rai_credit *credit,
                    enum rai_send_mode mode, uint64_t tag, rai_op **op_out, struct rai_fault *fault);
struct rai_send rai_send_of(const rai_producer *p, const char *address, enum rai_send_mode mode);
void rai_producers_end(rai_session *s, const struct rai_fault *fault);

#endif
