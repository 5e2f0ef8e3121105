/* Frames that the broker writes, in the variants of versions 129 to 136. Each is made in a buffer and sealed with its
 * header. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/properties.h"
#include "codec/text.h"
#include "mock/inside.h"

/* Of names, and of texts with one name in them: UTF-16 takes twice their bytes at most. */
enum { BODY_MAX = 8 * RAI_MOCK_NAME };

static struct rai_mock_item *seal(int type, int64_t channel, const uint8_t *body, size_t size)
{
    struct rai_mock_item *item = rai_mock_item_new(NULL, RAI_FRAME_HEADER + size);
    struct rai_writer w = { item->bytes, 0 };
    rai_put_header(&w, type, channel, item->size);
    rai_put_raw(&w, body, size);
    return item;
}

struct rai_mock_item *rai_mock_say_topology(const rai_mock *m, int32_t version)
{
    uint8_t body[BODY_MAX];
    struct rai_writer w = { body, 0 };
    rai_put_bool(&w, false); /* exit */
    rai_put_text_str(&w, m->config.node_id);
    if (version >= 122)
        rai_put_i64(&w, m->now);
    rai_put_bool(&w, false); /* primary */
    rai_put_bool(&w, false); /* backup */
    rai_put_bool(&w, true);  /* last */
    if (version >= 122)
        rai_put_nstr(&w, NULL, 0); /* backup group */
    if (version >= 131) {
        rai_put_nstr(&w, NULL, 0); /* scale-down group */
        rai_put_i32(&w, m->config.version);
    }
    int type = version >= 131   ? RAI_CLUSTER_TOPOLOGY_V4
               : version >= 122 ? RAI_CLUSTER_TOPOLOGY_V2
                                : RAI_CLUSTER_TOPOLOGY;
    return seal(type, RAI_CHANNEL_PING, body, w.size);
}

struct rai_mock_item *rai_mock_say_disconnect(const rai_mock *m, int32_t version, int reason)
{
    uint8_t body[BODY_MAX];
    struct rai_writer w = { body, 0 };
    rai_put_text_nsstr(&w, m->config.node_id);
    if (version >= 131)
        rai_put_u8(&w, (uint8_t)reason);
    if (version >= 125)
        rai_put_nsstr(&w, NULL, 0);
    if (version >= 131)
        rai_put_bool(&w, false); /* connector */
    int type = version >= 131 ? RAI_DISCONNECT_V3 : version >= 125 ? RAI_DISCONNECT_V2 : RAI_DISCONNECT;
    return seal(type, RAI_CHANNEL_PING, body, w.size);
}

static void put_parameter(struct rai_writer *w, const char *key, const char *value)
{
    rai_put_text_str(w, key);
    rai_put_u8(w, 3); /* a string */
    rai_put_text_str(w, value);
}

/* "Go there": only versions from 131 on can say where. */
struct rai_mock_item *rai_mock_say_redirect(const rai_mock *m, int32_t version)
{
    enum { REDIRECT = 0 };
    uint8_t body[BODY_MAX];
    char port[8];
    struct rai_writer w = { body, 0 };
    if (version < 131)
        return rai_mock_say_disconnect(m, version, REDIRECT);
    snprintf(port, sizeof port, "%u", (unsigned)m->redirect_port);
    rai_put_text_nsstr(&w, m->config.node_id);
    rai_put_u8(&w, REDIRECT);
    rai_put_nsstr(&w, NULL, 0);
    rai_put_bool(&w, true); /* connector */
    rai_put_text_str(&w, "redirect-connector");
    rai_put_text_str(&w, "org.apache.activemq.artemis.core.remoting.impl.netty.NettyConnectorFactory");
    rai_put_i32(&w, 2);
    put_parameter(&w, "host", m->redirect_host);
    put_parameter(&w, "port", port);
    return seal(RAI_DISCONNECT_V3, RAI_CHANNEL_PING, body, w.size);
}

struct rai_mock_item *rai_mock_say_created(const rai_mock *m)
{
    uint8_t body[4];
    struct rai_writer w = { body, 0 };
    rai_put_i32(&w, m->config.version);
    return seal(RAI_CREATESESSION_RESP, RAI_CHANNEL_SESSION, body, w.size);
}

struct rai_mock_item *rai_mock_say_reattached(int32_t last, bool found)
{
    uint8_t body[5];
    struct rai_writer w = { body, 0 };
    rai_put_i32(&w, last);
    rai_put_bool(&w, found);
    return seal(RAI_REATTACH_SESSION_RESP, RAI_CHANNEL_SESSION, body, w.size);
}

struct rai_mock_item *rai_mock_say_ping(int64_t ttl_ms)
{
    uint8_t body[8];
    struct rai_writer w = { body, 0 };
    rai_put_i64(&w, ttl_ms);
    return seal(RAI_PING, RAI_CHANNEL_PING, body, w.size);
}

/* Requests without a correlation id are answered with -1, by brokers before 131 with the short form. */
struct rai_mock_item *rai_mock_say_null(int64_t channel, int32_t version, int64_t correlation)
{
    uint8_t body[8];
    struct rai_writer w = { body, 0 };
    if (version >= 130 && !(version < 131 && correlation == RAI_NO_CORRELATION))
        rai_put_i64(&w, correlation);
    struct rai_mock_item *item = seal(RAI_NULL_RESPONSE, channel, body, w.size);
    item->correlated = correlation != RAI_NO_CORRELATION;
    return item;
}

struct rai_mock_item *rai_mock_say_exception(int64_t channel, int32_t code, const char *text,
                                             const int64_t *correlation)
{
    uint8_t body[BODY_MAX];
    struct rai_writer w = { body, 0 };
    rai_put_i32(&w, code);
    rai_put_text_nstr(&w, text);
    if (correlation != NULL)
        rai_put_i64(&w, *correlation);
    return seal(RAI_EXCEPTION, channel, body, w.size);
}

struct rai_mock_item *rai_mock_say_confirmed(int64_t channel, uint32_t last)
{
    uint8_t body[4];
    struct rai_writer w = { body, 0 };
    rai_put_i32(&w, (int32_t)last);
    return seal(RAI_PACKETS_CONFIRMED, channel, body, w.size);
}

/* q NULL: there is none, and the answer holds what it would be. */
struct rai_mock_item *rai_mock_say_queue(int64_t channel, int32_t version, const char *name,
                                         const struct rai_mock_queue *q)
{
    static const uint8_t nulls[2];
    uint8_t body[BODY_MAX];
    struct rai_writer w = { body, 0 };
    rai_put_bool(&w, q != NULL);
    rai_put_bool(&w, q == NULL || q->durable);
    rai_put_bool(&w, q != NULL && q->temporary);
    rai_put_i32(&w, q != NULL ? q->consumers : 0);
    rai_put_i64(&w, q != NULL ? q->waiting.count + q->out : 0);
    rai_put_text_nsstr(&w, q != NULL && q->filter[0] != '\0' ? q->filter : NULL);
    rai_put_text_nsstr(&w, q != NULL ? q->address : name);
    rai_put_text_nsstr(&w, name);
    rai_put_bool(&w, true); /* auto-create queues */
    if (version >= 129) {
        rai_put_bool(&w, false); /* auto-created */
        rai_put_bool(&w, false); /* purge on no consumers */
        rai_put_u8(&w, q != NULL ? (uint8_t)q->routing_type : 0);
        rai_put_i32(&w, -1);                  /* max consumers */
        rai_put_raw(&w, nulls, sizeof nulls); /* exclusive, last value */
        rai_put_u8(&w, 1);
        rai_put_i32(&w, -1); /* default consumer window */
    }
    return seal(version >= 129 ? RAI_SESS_QUEUEQUERY_RESP_V3 : RAI_SESS_QUEUEQUERY_RESP_V2, channel, body, w.size);
}

static void put_binding(struct rai_writer *w, const rai_mock *m, int32_t version, const char *address)
{
    static const uint8_t nulls[6];
    int32_t count = 0;
    for (const struct rai_mock_queue *q = m->queues; q != NULL; q = q->next)
        count += !q->dead && strcmp(q->address, address) == 0;
    rai_put_bool(w, rai_mock_address_exists(m, address));
    rai_put_i32(w, count);
    for (const struct rai_mock_queue *q = m->queues; q != NULL; q = q->next)
        if (!q->dead && strcmp(q->address, address) == 0)
            rai_put_text_sstr(w, q->name);
    rai_put_bool(w, true);  /* auto-create queues */
    rai_put_bool(w, true);  /* auto-create addresses */
    rai_put_bool(w, false); /* purge on no consumers */
    rai_put_i32(w, -1);     /* max consumers */
    rai_put_raw(w, nulls, sizeof nulls);
    if (version >= 135) {
        rai_put_bool(w, true); /* multicast */
        rai_put_bool(w, true); /* anycast */
    }
}

struct rai_mock_item *rai_mock_say_binding(const rai_mock *m, int64_t channel, int32_t version, const char *address)
{
    struct rai_writer count = { NULL, 0 };
    put_binding(&count, m, version, address);
    struct rai_mock_item *item = rai_mock_item_new(NULL, RAI_FRAME_HEADER + count.size);
    struct rai_writer w = { item->bytes, 0 };
    rai_put_header(&w, version >= 135 ? RAI_SESS_BINDINGQUERY_RESP_V5 : RAI_SESS_BINDINGQUERY_RESP_V4, channel,
                   item->size);
    put_binding(&w, m, version, address);
    return item;
}

struct rai_mock_item *rai_mock_say_credits(int64_t channel, int type, int32_t credits, const char *address)
{
    uint8_t body[BODY_MAX];
    struct rai_writer w = { body, 0 };
    rai_put_i32(&w, credits);
    rai_put_text_sstr(&w, address);
    return seal(type, channel, body, w.size);
}

struct rai_mock_item *rai_mock_say_timeout(int64_t channel)
{
    uint8_t body[4];
    struct rai_writer w = { body, 0 };
    rai_put_i32(&w, 300); /* seconds */
    return seal(RAI_SESS_XA_GET_TIMEOUT_RESP, channel, body, w.size);
}

struct rai_mock_item *rai_mock_say_xa(int64_t channel, int32_t error)
{
    uint8_t body[6];
    struct rai_writer w = { body, 0 };
    rai_put_bool(&w, true);
    rai_put_i32(&w, error);
    rai_put_nstr(&w, NULL, 0);
    return seal(RAI_SESS_XA_RESP, channel, body, w.size);
}

struct rai_mock_item *rai_mock_say_delivery(int64_t channel, int64_t consumer, const struct rai_mock_ref *ref)
{
    enum { TRAILER = 12 };
    const struct rai_mock_message *message = ref->message;
    struct rai_mock_item *item = rai_mock_item_new(NULL, RAI_FRAME_HEADER + message->blob_size + TRAILER);
    struct rai_writer w = { item->bytes, 0 };
    rai_put_header(&w, RAI_SESS_RECEIVE_MSG, channel, item->size);
    rai_put_raw(&w, message->blob, message->blob_size);
    rai_put_i64(&w, consumer);
    rai_put_i32(&w, ref->deliveries);
    return item;
}

struct rai_mock_item *rai_mock_say_large(int64_t channel, int64_t consumer, const struct rai_mock_ref *ref)
{
    enum { LEADER = 20 };
    const struct rai_mock_message *message = ref->message;
    size_t headers = rai_mock_message_headers_size(message);
    struct rai_mock_item *item = rai_mock_item_new(NULL, RAI_FRAME_HEADER + LEADER + headers);
    struct rai_writer w = { item->bytes, 0 };
    rai_put_header(&w, RAI_SESS_RECEIVE_LARGE_MSG, channel, item->size);
    rai_put_i64(&w, consumer);
    rai_put_i32(&w, ref->deliveries);
    rai_put_i64(&w, (int64_t)message->body_size);
    rai_put_raw(&w, message->headers, headers);
    return item;
}

struct rai_mock_item *rai_mock_say_piece(int64_t channel, int64_t consumer, const struct rai_mock_chunk *piece)
{
    enum { AROUND = 13 };
    struct rai_mock_item *item = rai_mock_item_new(NULL, RAI_FRAME_HEADER + AROUND + piece->size);
    struct rai_writer w = { item->bytes, 0 };
    rai_put_header(&w, RAI_SESS_RECEIVE_CONTINUATION, channel, item->size);
    rai_put_i32(&w, (int32_t)piece->size);
    rai_put_raw(&w, piece->bytes, piece->size);
    rai_put_bool(&w, piece->continues);
    rai_put_i64(&w, consumer);
    return item;
}

struct rai_mock_item *rai_mock_say_consumer_gone(int64_t channel, int64_t consumer)
{
    uint8_t body[8];
    struct rai_writer w = { body, 0 };
    rai_put_i64(&w, consumer);
    return seal(RAI_DISCONNECT_CONSUMER, channel, body, w.size);
}

struct rai_mock_item *rai_mock_say_failover(bool good)
{
    uint8_t body[1];
    struct rai_writer w = { body, 0 };
    rai_put_bool(&w, good);
    return seal(RAI_CHECK_FOR_FAILOVER_REPLY, RAI_CHANNEL_SESSION, body, w.size);
}

/* "That was all": a message with four bytes of body and one property. */
struct rai_mock_item *rai_mock_say_marker(int64_t channel, int64_t consumer, uint64_t id, const char *queue,
                                          int64_t sequence)
{
    static const char key[] = "_hornetq.forced.delivery.seq";
    uint8_t body[BODY_MAX];
    struct rai_writer w = { body, 0 };
    rai_put_i32(&w, RAI_FRAME_HEADER + 4);
    rai_put_i32(&w, 0);
    rai_put_i64(&w, (int64_t)id);
    rai_put_text_nsstr(&w, queue);
    rai_put_u8(&w, 0); /* no user id */
    rai_put_u8(&w, 0); /* type */
    rai_put_u8(&w, 0); /* durable */
    rai_put_i64(&w, 0);
    rai_put_i64(&w, 0);
    rai_put_u8(&w, 4);
    rai_put_u8(&w, 1);
    rai_put_i32(&w, 1);
    rai_put_text_sstr(&w, key);
    rai_put_u8(&w, RAI_TAG_LONG);
    rai_put_i64(&w, sequence);
    rai_put_i64(&w, consumer);
    rai_put_i32(&w, 0);
    return seal(RAI_SESS_RECEIVE_MSG, channel, body, w.size);
}
