#ifndef RAI_CODEC_MESSAGE_H
#define RAI_CODEC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <reattach/message.h>

#include "base/block.h"
#include "base/fault.h"
#include "codec/frame.h"

/*
 * The message object behind ra_message and its encoding. Properties are kept in wire form (entries without marker and
 * count), so that sending copies them and receiving only points at them.
 */
struct ra_message {
    int refs; /* atomic */
    int8_t type;
    bool durable;
    bool has_user_id;
    uint8_t user_id[16];
    int8_t priority;
    int64_t expiration, timestamp;

    const uint8_t *body; /* wire form of the body (TEXT: nsstr) */
    size_t body_size;
    uint8_t *own_body; /* what `body` points into when it is ours */
    size_t body_room;  /* of own_body */

    const uint8_t *properties;
    size_t properties_size;
    int32_t property_count;
    uint8_t *own_properties; /* NULL: borrowed from block, or none */
    size_t properties_room;

    struct rai_block *block; /* what a received message points into, or NULL */

    /* of a received message */
    int64_t id;
    int32_t delivery_count;
    struct rai_sstr wire_address;
    size_t frame_size;     /* credits to return */
    size_t encoded_size;   /* blob size, for ackBatchSize */
    uint64_t consumer_key; /* which consumer of the connection delivered it; 0: not received */
    uint32_t epoch;        /* of its session's deliveries */
    uint64_t sequence;     /* place in the consumer's order of delivery */
    bool streamed;         /* its body is read piece by piece, from its consumer: */
    int64_t large_size;    /* so many bytes */
    struct rai_body *pieces; /* the engine's, while it is in a consumer's buffer */
    size_t body_read;      /* of a body that came with it: how far it was read as if it had not */

    /* UTF-8 made on request: at most one string each, freed with the message; strings of properties are kept in a list
     */
    char *text;
    size_t text_size;
    char *address;
    struct rai_string *strings;
    struct ra_message *next; /* in a consumer's buffer */
};

struct rai_string {
    struct rai_string *next;
    const uint8_t *source; /* the characters in `properties` that it was made from */
    size_t size;
    char data[];
};

ra_message *rai_message_new(int type); /* NULL when out of memory */
ra_message *rai_message_ref(ra_message *m);
void rai_message_unref(ra_message *m); /* NULL is fine */

/* 0 or RA_E_NO_MEMORY, and then nothing has changed. Text is valid UTF-8, or NULL for the null text. */
int rai_message_set_body(ra_message *m, const void *bytes, size_t size);
void rai_message_lend_body(ra_message *m, const void *bytes, size_t size);
int rai_message_set_text(ra_message *m, const char *text, size_t size);
/* *text_out is kept in the message (NULL: the null text). RA_E_TYPE when the body is no text, or RA_E_NO_MEMORY. */
int rai_message_text(ra_message *m, const char **text_out, size_t *size_out);
/* The address it was delivered with, kept in the message; NULL when there is none. 0 or RA_E_NO_MEMORY */
int rai_message_address(ra_message *m, const char **address_out);

/* Blob size (4 + body + headers): what producer credits are counted in. address is the UTF-8 target. */
size_t rai_message_blob_size(const ra_message *m, const char *address);

struct rai_send {
    const char *address;
    bool respond;
    int64_t correlation;
    int32_t producer;
    int routing_type; /* _AMQ_ROUTING_TYPE to add when the message has none: 0, 1; -1: add nothing */
    size_t piece;     /* of a message that goes in pieces: bytes of body in each of them */
    const uint8_t *added; /* one more property, in wire form; NULL: none */
    size_t added_size;
};
/* SESS_SEND, whole frame; the blob size below includes the added properties when given the same send */
void rai_put_send(struct rai_writer *w, size_t size, int64_t channel, int32_t version, const ra_message *m,
                  const struct rai_send *send);
size_t rai_send_blob_size(const ra_message *m, const struct rai_send *send);

/* A large message goes as SESS_SEND_LARGE, which has the headers, and its body in pieces (SESS_SEND_CONTINUATION) behind
 * it; the last one tells the size of the whole body and does what a SESS_SEND does, the answer included. */
struct rai_send_piece {
    const void *data;
    size_t size;
    bool last;
    int64_t body_size; /* of the whole message; only in the last piece */
};
void rai_put_send_large(struct rai_writer *w, size_t size, int64_t channel, const ra_message *m,
                        const struct rai_send *send);
void rai_put_send_piece(struct rai_writer *w, size_t size, int64_t channel, int32_t version,
                        const struct rai_send_piece *piece, const struct rai_send *send);
/* All of it, several frames; m has a body. Returns the bytes in front of the last one. */
size_t rai_put_send_in_pieces(struct rai_writer *w, int64_t channel, int32_t version, const ra_message *m,
                              const struct rai_send *send);

/* What stands at the end of an encoded SESS_SEND, or of the last piece of a large one: for replay, survivors and
 * outcomes. false: it is neither. */
struct rai_send_tail {
    bool respond;
    int64_t correlation;
    int32_t producer;
};
bool rai_get_send_tail(const uint8_t *frame, size_t size, int32_t version, struct rai_send_tail *out);
/* The same SEND or piece for a broker of another version: size needed (writer counting) or the frame. */
void rai_put_send_transcoded(struct rai_writer *w, size_t size, const uint8_t *frame, size_t frame_size,
                             int32_t from_version, int32_t to_version);

/* From SESS_RECEIVE_MSG's blob. Small ones (frame under 4 KiB) are copied, larger ones reference `block`, which must
 * hold the blob (NULL: always copy). NULL: *bad tells a malformed blob from out of memory. */
ra_message *rai_message_decode(const uint8_t *blob, size_t size, struct rai_block *block, bool *bad);
/* From SESS_RECEIVE_LARGE_MSG's headers; the body is appended chunk by chunk (collected in memory). */
ra_message *rai_message_decode_headers(const uint8_t *headers, size_t size, bool *bad);
bool rai_message_append_body(ra_message *m, const uint8_t *data, size_t size);
/* The value of a long property given by its UTF-8 key, for the forced-delivery marker. */
bool rai_message_long(const ra_message *m, const char *key, int64_t *value_out);

#endif
