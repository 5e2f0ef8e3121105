#ifndef RAI_MOCK_INSIDE_H
#define RAI_MOCK_INSIDE_H

#include "codec/message.h"
#include "codec/packets.h"
#include "codec/properties.h"
#include "mock/mock.h"

/* The mock's own types; nobody else includes this. */

enum { RAI_MOCK_NAME = 256 };

struct rai_mock_session;
struct rai_mock_queue;
struct rai_mock_consumer;

/* --- bytes and lists --- */

struct rai_mock_buffer {
    uint8_t *bytes;
    size_t at, size, room;
};

/* A command that waits, what comes of it, or a packet that the client may not have. */
struct rai_mock_item {
    struct rai_mock_item *next;
    size_t weight;     /* done: bytes of the command */
    uint64_t position; /* done: of the journal, before which it is not complete */
    bool counted;      /* done */
    bool closes;       /* done: the session ends with it */
    bool correlated;   /* an answer with a correlation id: the kind that was seen doubled */
    int32_t reject;    /* command: the code with which it has to fail */
    int64_t at;        /* late: when it is said */
    int fault;         /* late: by which */
    uint64_t stream;   /* packet: the large message whose piece it is; 0: none */
    size_t size;       /* 0: no answer */
    uint8_t bytes[];
};

struct rai_mock_items {
    struct rai_mock_item *first, *last;
    uint32_t count;
};

void *rai_mock_take(size_t size); /* zeroed; never NULL */
void rai_mock_append(struct rai_mock_buffer *b, const uint8_t *bytes, size_t size);
void rai_mock_skip(struct rai_mock_buffer *b, size_t size);
struct rai_mock_item *rai_mock_item_new(const uint8_t *bytes, size_t size);
void rai_mock_push(struct rai_mock_items *list, struct rai_mock_item *item);
void rai_mock_pop(struct rai_mock_items *list); /* and frees it */
void rai_mock_clear(struct rai_mock_items *list);

/* --- links --- */

enum rai_mock_stage {
    RAI_MOCK_STAYS,
    RAI_MOCK_ASKED,  /* a REATTACH was read */
    RAI_MOCK_OFF,    /* its session is off its old link's list */
    RAI_MOCK_LISTED, /* it is on the new one's */
};

enum rai_mock_end {
    RAI_MOCK_ALIVE,
    RAI_MOCK_BROKEN, /* not noticed so far */
    RAI_MOCK_TELLS,  /* no session with a window was on it: everybody who listens is told next */
    RAI_MOCK_OVER
};

/* So many bytes of a link's output wait until then. */
struct rai_mock_due {
    struct rai_mock_due *next;
    size_t size;
    int64_t at;
};

struct rai_mock_link {
    struct rai_mock_link *next;
    uint32_t id;
    struct rai_mock_buffer in, out;
    size_t ready; /* bytes of the output that may go */
    struct rai_mock_due *due, *last_due;
    int64_t deaf_until; /* nothing is read before */
    bool held;          /* the next frame was what it waited at */
    enum rai_mock_cut cut;
    bool greeted; /* the preamble came */
    bool hung_up; /* by us */
    enum rai_mock_end end;
    int32_t version; /* 0 until a packet tells */
    int64_t ttl_us, heard;
    enum rai_mock_stage stage; /* of the REATTACH under way; nothing else is read meanwhile */
    char wanted[RAI_MOCK_NAME];
    int32_t received;
};

/* --- storage --- */

/* What a SESS_SEND holds, or what all the packets of a large message do: length and body, then the headers. */
struct rai_mock_message {
    int refs;
    bool durable, large;
    int8_t type;
    int priority;
    int64_t expiration, timestamp; /* milliseconds since 1970 */
    uint64_t id;
    int routing_type; /* -1: none given */
    char address[RAI_MOCK_NAME];
    const uint8_t *body, *headers, *user_id, *marker, *properties; /* marker: of the properties */
    size_t body_size, properties_size, blob_size;
    int32_t property_count;
    uint8_t blob[];
};

/* One that comes in pieces. */
struct rai_mock_pieces {
    bool open;
    struct rai_mock_buffer headers, body;
};

/* A message's place in a queue. */
struct rai_mock_ref {
    struct rai_mock_ref *prev,
        *next; /* in the queue, while nobody has it; else next in the consumer's or transaction's list */
    struct rai_mock_queue *queue;
    struct rai_mock_message *message;
    uint64_t order; /* the queue's order */
    int deliveries;
};

struct rai_mock_refs {
    struct rai_mock_ref *first, *last;
    int count;
};

struct rai_mock_queue {
    struct rai_mock_queue *next;
    char name[RAI_MOCK_NAME], address[RAI_MOCK_NAME], filter[RAI_MOCK_NAME];
    bool durable, temporary;
    int routing_type;
    struct rai_mock_refs waiting;
    int out;                        /* delivered, or acknowledged in a transaction */
    int64_t bytes;                  /* of all of them, also of those whose end is not on disk */
    struct rai_mock_session *owner; /* temporary: it goes with him */
    int consumers;
    bool dead; /* deleted */
};

/* What was changed and is not on disk yet. */
struct rai_mock_record {
    struct rai_mock_record *next, *prev;
    uint64_t position;
    int64_t at;
    bool consumed; /* the ref is kept here; else stored */
    struct rai_mock_ref *ref;
};

struct rai_mock_rule {
    struct rai_mock_rule *next;
    char name[RAI_MOCK_NAME];
    int32_t code;
};

struct rai_mock_id {
    struct rai_mock_id *next;
    uint64_t position, hash;
    size_t size;
    uint8_t bytes[];
};

struct rai_mock_address {
    struct rai_mock_address *next;
    char name[RAI_MOCK_NAME];
    bool exists; /* created; one with a queue exists as well */
    bool full;   /* on command */
    enum rai_mock_policy policy;
    bool limited;
    int64_t limit;
    struct rai_mock_id *ids, **last_id;
    int id_count;
};

struct rai_mock_trap {
    struct rai_mock_trap *next;
    int id;
    struct rai_mock_fault fault;
    uint32_t seen, struck;
};

/* --- sessions --- */

struct rai_mock_consumer {
    struct rai_mock_consumer *next;
    int64_t id;
    struct rai_mock_queue *queue;
    bool browse, unlimited;
    char filter[RAI_MOCK_NAME];
    int64_t credits;
    uint64_t seen;                   /* browse: order of the last one */
    struct rai_mock_message *stream; /* the large one that is under way; NULL: none */
    size_t streamed;
    uint64_t stream_number;
    struct rai_mock_refs delivered;
};

struct rai_mock_sent {
    struct rai_mock_sent *next;
    struct rai_mock_message *message;
};

/* Credits that somebody has asked for and that are not granted. */
struct rai_mock_want {
    struct rai_mock_want *next;
    int32_t credits;
    char address[RAI_MOCK_NAME];
};

struct rai_mock_metadata {
    struct rai_mock_metadata *next;
    char key[RAI_MOCK_NAME], value[RAI_MOCK_NAME];
};

struct rai_mock_session {
    struct rai_mock_session *next;
    char name[RAI_MOCK_NAME];
    int64_t channel;
    int32_t version, window;
    bool auto_sends, auto_acks, pre_acknowledge, started, moving;
    int32_t piece;                    /* bytes in each of a large message that is delivered */
    struct rai_mock_metadata *metadata;
    struct rai_mock_link *link;       /* where its frames come from and go to; NULL: gone */
    struct rai_mock_link *listed;     /* on whose list it is */
    struct rai_mock_link *listens;    /* whose end it is told of */
    uint32_t newest;                  /* of the links that it was ever on */
    struct rai_mock_items commands, done, cache, late;
    uint32_t counted;  /* number of the last command */
    uint32_t numbered; /* number of the last packet */
    int64_t bytes;     /* counted since the last confirmation */
    struct rai_mock_consumer *consumers;
    struct rai_mock_want *wants;
    struct rai_mock_pieces pieces;
    struct rai_mock_sent *sent, *last_sent; /* the transaction */
    struct rai_mock_refs acked;
    int32_t doomed; /* code for which the transaction can only be rolled back */
};

struct rai_mock {
    struct rai_mock_config config;
    uint64_t seed;
    int64_t now, check_at;
    uint32_t last_link;
    struct rai_mock_link *links;
    struct rai_mock_session *sessions;
    struct rai_mock_queue *queues;
    struct rai_mock_rule *rules;
    struct rai_mock_address *addresses;
    int ids_max, corrupted_pieces;
    struct rai_mock_trap *traps;
    int last_trap;
    bool unreachable, striking;
    int restart; /* due: 1 with the journal, 2 without */
    int64_t delay_us;
    char redirect_host[RAI_MOCK_NAME]; /* empty: none */
    uint16_t redirect_port;
    struct rai_mock_record *journal, *last_record;
    uint64_t written, synced; /* positions */
    uint64_t together;        /* position of what the present command writes, 0: nothing yet */
    int64_t synced_at;        /* when the last record will be */
    uint64_t last_id, last_order, last_stream;
    int64_t stats[RAI_MOCK_STATS];
};

uint32_t rai_mock_random(rai_mock *m, uint32_t below);
bool rai_mock_chance(rai_mock *m, int in_100);

/* --- fault.c --- */
/* The fault that strikes this frame, if one does; `late` asks for POSTPONE, and for nothing else otherwise. */
const struct rai_mock_trap *rai_mock_sprung(rai_mock *m, const struct rai_frame *frame, bool from_client, bool late);
void rai_mock_strike(rai_mock *m, struct rai_mock_link *l, const struct rai_mock_fault *fault);
void rai_mock_put(rai_mock *m, struct rai_mock_link *l, const uint8_t *frame, size_t size); /* faults included */
bool rai_mock_release(rai_mock *m);                                                         /* what waited and is due */
int64_t rai_mock_next_due(const rai_mock *m);
void rai_mock_due_clear(struct rai_mock_link *l);

/* --- link.c --- */
bool rai_mock_turn_of_links(rai_mock *m, uint32_t most);
int32_t rai_mock_version(const rai_mock *m, const struct rai_mock_link *l); /* by which both sides choose variants */

/* --- session.c --- */
struct rai_mock_session *rai_mock_session_find(rai_mock *m, const char *name);
struct rai_mock_session *rai_mock_session_on(const rai_mock *m, const struct rai_mock_link *l, int64_t channel);
void rai_mock_session_create(rai_mock *m, struct rai_mock_link *l, struct rai_reader r, int32_t reject);
/* Closes and frees it; failed: what it was given counts as delivered. */
void rai_mock_session_end(rai_mock *m, struct rai_mock_session *s, bool failed);
void rai_mock_consumer_end(rai_mock *m, struct rai_mock_session *s, struct rai_mock_consumer *c, bool failed);
void rai_mock_session_roll_back(rai_mock *m, struct rai_mock_session *s);
void rai_mock_session_packet(rai_mock *m, struct rai_mock_session *s,
                             struct rai_mock_item *item); /* numbered; takes it */
void rai_mock_session_say(rai_mock *m, struct rai_mock_session *s,
                          struct rai_mock_item *item); /* the same, and nothing can postpone it */
void rai_mock_session_client_has(struct rai_mock_session *s, uint32_t number);
void rai_mock_session_confirm(rai_mock *m, struct rai_mock_session *s);
bool rai_mock_session_execute(rai_mock *m, struct rai_mock_session *s); /* one command */
bool rai_mock_session_complete(rai_mock *m, struct rai_mock_session *s,
                               bool at_once); /* one result; false: none is ready */

void rai_mock_metadata_clear(struct rai_mock_session *s);

/* --- deliver.c --- */
void rai_mock_session_deliver(rai_mock *m, struct rai_mock_session *s);
void rai_mock_deliver_all(rai_mock *m);
void rai_mock_stream_end(struct rai_mock_consumer *c);

/* --- move.c --- */
void rai_mock_move_begin(rai_mock *m, struct rai_mock_link *l, struct rai_reader r, bool reject);
bool rai_mock_move_step(rai_mock *m, struct rai_mock_link *l);

/* --- command.c --- */
struct rai_mock_call {
    rai_mock *m;
    struct rai_mock_session *s;
    const struct rai_frame *frame;
    struct rai_reader r;
    int64_t correlation;
    bool has_correlation;
    struct rai_mock_item *answer; /* NULL: none */
    bool refused;                 /* the answer is an EXCEPTION */
    int32_t reject;               /* a fault's code; 0: none */
    bool closes, uncounted;
    uint64_t position;
};
void rai_mock_call(struct rai_mock_call *c);
void rai_mock_read_name(struct rai_reader *r, char out[RAI_MOCK_NAME]);  /* sstr */
void rai_mock_read_nname(struct rai_reader *r, char out[RAI_MOCK_NAME]); /* nsstr */

/* --- answer.c: whole frames --- */
struct rai_mock_item *rai_mock_say_topology(const rai_mock *m, int32_t version);
struct rai_mock_item *rai_mock_say_disconnect(const rai_mock *m, int32_t version, int reason);
struct rai_mock_item *rai_mock_say_redirect(const rai_mock *m, int32_t version);
struct rai_mock_item *rai_mock_say_created(const rai_mock *m);
struct rai_mock_item *rai_mock_say_reattached(int32_t last, bool found);
struct rai_mock_item *rai_mock_say_ping(int64_t ttl_ms);
struct rai_mock_item *rai_mock_say_null(int64_t channel, int32_t version, int64_t correlation);
struct rai_mock_item *rai_mock_say_exception(int64_t channel, int32_t code, const char *text,
                                             const int64_t *correlation);
struct rai_mock_item *rai_mock_say_confirmed(int64_t channel, uint32_t last);
struct rai_mock_item *rai_mock_say_queue(int64_t channel, int32_t version, const char *name,
                                         const struct rai_mock_queue *q);
struct rai_mock_item *rai_mock_say_binding(const rai_mock *m, int64_t channel, int32_t version, const char *address);
struct rai_mock_item *rai_mock_say_credits(int64_t channel, int type, int32_t credits, const char *address);
struct rai_mock_item *rai_mock_say_timeout(int64_t channel);
struct rai_mock_item *rai_mock_say_xa(int64_t channel, int32_t error);
struct rai_mock_item *rai_mock_say_delivery(int64_t channel, int64_t consumer, const struct rai_mock_ref *ref);
struct rai_mock_item *rai_mock_say_large(int64_t channel, int64_t consumer, const struct rai_mock_ref *ref);
struct rai_mock_chunk {
    const uint8_t *bytes;
    size_t size;
    bool continues;
};
struct rai_mock_item *rai_mock_say_piece(int64_t channel, int64_t consumer, const struct rai_mock_chunk *piece);
struct rai_mock_item *rai_mock_say_consumer_gone(int64_t channel, int64_t consumer);
struct rai_mock_item *rai_mock_say_failover(bool good);
struct rai_mock_item *rai_mock_say_marker(int64_t channel, int64_t consumer, uint64_t id, const char *queue,
                                          int64_t sequence);

/* --- message.c --- */
struct rai_mock_message *rai_mock_message_new(rai_mock *m, const uint8_t *blob, size_t size); /* NULL: malformed */
void rai_mock_message_drop(struct rai_mock_message *message);
bool rai_mock_message_find(const struct rai_mock_message *message, const char *key, struct rai_property *out);
size_t rai_mock_message_headers_size(const struct rai_mock_message *message);
struct rai_mock_added {
    const char *key;
    const char *text; /* NULL: a number */
    int64_t number;
};
struct rai_mock_change {
    const char *address; /* where it goes instead, and never expires; NULL: it stays as it is */
    const struct rai_mock_added *added;
    int count;
};
struct rai_mock_message *rai_mock_message_changed(rai_mock *m, const struct rai_mock_message *from,
                                                  const struct rai_mock_change *change); /* a new one */
struct rai_mock_message *rai_mock_pieces_join(rai_mock *m, struct rai_mock_pieces *p, int64_t body_size);
void rai_mock_pieces_clear(struct rai_mock_pieces *p);

/* --- filter.c; "" is none --- */
bool rai_mock_filter_is_good(const char *text);
bool rai_mock_filter_takes(const char *text, const struct rai_mock_message *message);

/* --- address.c --- */
struct rai_mock_address *rai_mock_address_find(const rai_mock *m, const char *name);
struct rai_mock_address *rai_mock_address_make(rai_mock *m, const char *name);
bool rai_mock_address_is_full(const rai_mock *m, const char *name, enum rai_mock_policy policy);
struct rai_mock_item *rai_mock_want_credits(rai_mock *m, struct rai_mock_session *s, int32_t credits,
                                            const char *address);
bool rai_mock_grant_credits(rai_mock *m);
void rai_mock_wants_clear(struct rai_mock_session *s);
bool rai_mock_id_is_known(const rai_mock *m, const struct rai_mock_message *message);
void rai_mock_id_keep(rai_mock *m, const struct rai_mock_message *message, uint64_t position);
void rai_mock_id_drop(struct rai_mock_address *a); /* the oldest */
void rai_mock_addresses_restart(rai_mock *m, bool keep_journal, uint64_t position);
void rai_mock_addresses_free(rai_mock *m);

/* --- store.c --- */
struct rai_mock_queue *rai_mock_queue_find(const rai_mock *m, const char *name);
struct rai_mock_queue *rai_mock_queue_make(rai_mock *m, const char *name, const char *address);
void rai_mock_queue_delete(rai_mock *m, struct rai_mock_queue *q); /* its consumers are told */
bool rai_mock_address_exists(const rai_mock *m, const char *address);
const struct rai_mock_rule *rai_mock_rule_of(const rai_mock *m, const char *name);
/* Puts it into the queues of its address; a position of the journal, or 0 when there is nothing to wait for. */
uint64_t rai_mock_store(rai_mock *m, struct rai_mock_message *message);
uint64_t rai_mock_consume(rai_mock *m, struct rai_mock_ref *ref); /* it is gone for good */
void rai_mock_expire(rai_mock *m, struct rai_mock_ref *ref);      /* the same, to the address for that */
void rai_mock_give_back(rai_mock *m, struct rai_mock_ref *ref);   /* to its place in the queue */
void rai_mock_refs_push(struct rai_mock_refs *list, struct rai_mock_ref *ref);
struct rai_mock_ref *rai_mock_refs_pop(struct rai_mock_refs *list);
void rai_mock_queue_remove(struct rai_mock_queue *q, struct rai_mock_ref *ref); /* it is handed out */
void rai_mock_sync(rai_mock *m, uint64_t position);                             /* up to there it is on disk */
void rai_mock_journal_tick(rai_mock *m);
void rai_mock_storage_restart(rai_mock *m, bool keep_journal);
void rai_mock_storage_free(rai_mock *m);

#endif
