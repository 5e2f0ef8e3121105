#ifndef RAI_CODEC_PACKETS_H
#define RAI_CODEC_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/frame.h"

/*
 * One put function per packet, header included; run it once with a counting writer (any `size`) and once with the real
 * one. `version` is the smaller of our and the broker's protocol number where a packet has variants (129..136).
 * Strings are UTF-8, terminated; NULL where the field is nullable. Booleans that the wire allows to be unset are -1.
 *
 * Typical use:  struct rai_writer count = {NULL, 0};
 *               rai_put_ping(&count, 0, ttl);
 *               struct rai_writer w = {reserve(count.size), 0};
 *               rai_put_ping(&w, count.size, ttl);
 */

/* --- connection control --- */
void rai_put_ping(struct rai_writer *w, size_t size, int64_t ttl_ms);
void rai_put_subscribe_topology(struct rai_writer *w, size_t size, int32_t version);

struct rai_connector {
    char host[256]; /* "": none, or none that can be dialed */
    uint16_t port;
};

struct rai_topology {
    bool exit;
    bool last;
    int32_t version; /* -1 when the variant has none */
    int64_t event;   /* orders what is said about a node; 0 when the variant has none */
    char node_id[128];
    struct rai_connector primary, backup; /* none of both: the broker that says so */
};
bool rai_get_topology(const struct rai_frame *f, struct rai_topology *out); /* 110, 114, 122, -17 */

struct rai_disconnect {
    int reason; /* -1 none, else 0..5 of DISCONNECT_V3 */
    char node_id[128];
    char target_id[128];
    struct rai_connector target; /* of a redirect */
};
bool rai_get_disconnect(const struct rai_frame *f, struct rai_disconnect *out); /* 11, 124, -19 */

/* --- channel 1 --- */
struct rai_create_session {
    const char *name;
    int64_t channel;
    int32_t version;
    const char *user;     /* nullable */
    const char *password; /* nullable */
    int32_t min_large_message_size;
    bool xa, auto_commit_sends, auto_commit_acks, pre_acknowledge;
    int32_t window;
    const char *client_id; /* nullable; only carried by V2 */
};
/* type -18 when version >= 131, else 30 */
void rai_put_create_session(struct rai_writer *w, size_t size, const struct rai_create_session *s);
bool rai_get_create_session_resp(const struct rai_frame *f, int32_t *version_out);
void rai_put_reattach(struct rai_writer *w, size_t size, const char *name, int32_t last_received);
bool rai_get_reattach_resp(const struct rai_frame *f, int32_t *last_out, bool *reattached_out);

/* --- answers --- */
enum { RAI_NO_CORRELATION = -1 };
/* *correlation_out = RAI_NO_CORRELATION when the packet has none (short form) or carries -1 */
bool rai_get_null_response(const struct rai_frame *f, int64_t *correlation_out);
/* text is UTF-8, terminated, cut to fit */
bool rai_get_exception(const struct rai_frame *f, int32_t *code_out, char *text, size_t room, int64_t *correlation_out);
void rai_put_packets_confirmed(struct rai_writer *w, size_t size, int64_t channel, int32_t last);
bool rai_get_packets_confirmed(const struct rai_frame *f, int32_t *last_out);

/* --- session requests; all on `channel` --- */
void rai_put_simple(struct rai_writer *w, size_t size, int type,
                    int64_t channel); /* START, STOP, CLOSE, XA_GET_TIMEOUT */
void rai_put_commit(struct rai_writer *w, size_t size, int64_t channel, int32_t version, int64_t correlation);
void rai_put_rollback(struct rai_writer *w, size_t size, int64_t channel, bool last_delivered);
void rai_put_add_metadata2(struct rai_writer *w, size_t size, int64_t channel, const char *key, const char *value,
                           bool confirm);
void rai_put_unique_add_metadata(struct rai_writer *w, size_t size, int64_t channel, const char *key, const char *value);

struct rai_create_consumer {
    int64_t id;
    const char *queue;
    const char *filter; /* nullable */
    bool browse, respond;
    int32_t priority;
};
void rai_put_create_consumer(struct rai_writer *w, size_t size, int64_t channel, int32_t version,
                             const struct rai_create_consumer *c);
void rai_put_consumer_close(struct rai_writer *w, size_t size, int64_t channel, int64_t id);
void rai_put_flow_token(struct rai_writer *w, size_t size, int64_t channel, int64_t id, int32_t credits);
void rai_put_force_delivery(struct rai_writer *w, size_t size, int64_t channel, int64_t id, int64_t sequence);
void rai_put_acknowledge(struct rai_writer *w, size_t size, int64_t channel, int64_t id, int64_t message_id,
                         bool individual, bool respond);
bool rai_acknowledge_responds(const uint8_t *frame, size_t size); /* of a whole frame that was put */
void rai_put_expired(struct rai_writer *w, size_t size, int64_t channel, int64_t id, int64_t message_id);
bool rai_get_disconnect_consumer(const struct rai_frame *f, int64_t *id_out);

void rai_put_create_producer(struct rai_writer *w, size_t size, int64_t channel, int32_t id, const char *address);
void rai_put_remove_producer(struct rai_writer *w, size_t size, int64_t channel, int32_t id);
void rai_put_request_credits(struct rai_writer *w, size_t size, int64_t channel, int32_t credits, const char *address);
/* 80 and 82 */
bool rai_get_producer_credits(const struct rai_frame *f, int32_t *credits_out, struct rai_sstr *address_out);

struct rai_create_queue {
    const char *address, *queue;
    const char *filter; /* nullable */
    bool durable, temporary, respond, auto_created;
    int routing_type; /* 0, 1, -1 */
    int32_t max_consumers;
    bool purge_on_no_consumers;
};
void rai_put_create_queue(struct rai_writer *w, size_t size, int64_t channel, const struct rai_create_queue *q);
void rai_put_create_address(struct rai_writer *w, size_t size, int64_t channel, const char *address, bool multicast,
                            bool anycast, bool respond, bool auto_created);
void rai_put_delete_queue(struct rai_writer *w, size_t size, int64_t channel, const char *queue);
void rai_put_queue_query(struct rai_writer *w, size_t size, int64_t channel, const char *queue);
void rai_put_binding_query(struct rai_writer *w, size_t size, int64_t channel, const char *address);

/* Answers of queries, strings still as on the wire (valid while the frame is). */
struct rai_queue_answer {
    bool exists, durable, temporary, auto_create_queues, auto_created;
    int32_t consumers;
    int64_t messages;
    struct rai_sstr filter, address, name;
    int routing_type;       /* -1 unknown */
    int32_t max_consumers;  /* -1 unknown or unlimited */
    int32_t default_window; /* -2 when not given */
};
bool rai_get_queue_answer(const struct rai_frame *f, struct rai_queue_answer *out); /* 46, -7, -14 */

struct rai_binding_answer {
    bool exists, auto_create_queues, auto_create_addresses;
    int32_t count;
    struct rai_reader names; /* count x sstr, checked to be complete */
    int multicast, anycast;  /* 1, 0, -1 unknown */
};
bool rai_get_binding_answer(const struct rai_frame *f, struct rai_binding_answer *out); /* 50, -8, -10, -15, -22 */

/* --- messages: see codec/message.h for the blob --- */
struct rai_delivery {
    int64_t consumer;
    int32_t count;
    const uint8_t *blob; /* 75: message blob (4-byte E, body, headers); 76: headers */
    size_t blob_size;
    int64_t large_size; /* 76: body bytes to follow; 75: -1 */
};
bool rai_get_receive(const struct rai_frame *f, struct rai_delivery *out);       /* 75 */
bool rai_get_receive_large(const struct rai_frame *f, struct rai_delivery *out); /* 76 */
struct rai_chunk {
    int64_t consumer;
    const uint8_t *data;
    size_t size;
    bool continues;
};
bool rai_get_receive_chunk(const struct rai_frame *f, struct rai_chunk *out); /* 77 */

#endif
