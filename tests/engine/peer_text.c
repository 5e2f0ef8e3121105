/* Frames as text, both ways. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/properties.h"
#include "peer.h"

/* --- what the engine writes --- */

static void sstr(struct rai_reader *r, char *out, size_t room)
{
    char *text = rai_sstr_utf8(rai_get_sstr(r), NULL);
    snprintf(out, room, "%s", text != NULL ? text : "?");
    rai_free(text);
}

/* What older forms of the packet do not have reads as nothing. */
static void put_client_id(struct rai_reader r, char *out, size_t room)
{
    char id[64];
    bool none = true;
    rai_get_nstr(&r, NULL, 0, NULL); /* user */
    rai_get_nstr(&r, NULL, 0, NULL); /* password */
    rai_get_raw(&r, 4 + 1 + 1 + 1 + 4 + 1); /* large message size, three modes, window, pre-acknowledge */
    rai_get_nstr(&r, NULL, 0, NULL); /* default address */
    rai_get_nstr(&r, id, sizeof id, &none);
    if (!r.bad && !none)
        snprintf(out, room, " as %s", id);
}

static void describe_create(struct peer *p, struct rai_reader r, char *out, size_t room)
{
    char name[64];
    rai_get_str(&r, name, sizeof name);
    long long channel = rai_get_i64(&r);
    if (channel > RAI_ANCHORS) {
        snprintf(out, room, "ANCHOR %lld", channel - RAI_ANCHORS);
        return;
    }
    if (channel >= 0 && channel < PEER_CHANNELS)
        snprintf(p->names[channel], sizeof p->names[0], "%s", name);
    int n = snprintf(out, room, "CREATE %lld v%d", channel, rai_get_i32(&r));
    put_client_id(r, out + n, room - (size_t)n);
}

static void describe_reattach(struct peer *p, struct rai_reader r, char *out, size_t room)
{
    char name[64];
    rai_get_str(&r, name, sizeof name);
    int channel = PEER_CHANNELS - 1;
    while (channel > 0 && strcmp(p->names[channel], name) != 0)
        channel--;
    snprintf(out, room, "REATTACH %d %d", channel, rai_get_i32(&r));
}

static int put_body(const struct rai_frame *f, char *out, size_t room)
{
    struct rai_reader r = f->body;
    size_t size = (size_t)(rai_get_i32(&r) - 13);
    const uint8_t *body = rai_get_raw(&r, size);
    if (body == NULL || size > 40)
        return snprintf(out, room, "(%zu)", size);
    return snprintf(out, room, "%.*s", (int)size, (const char *)body);
}

/* The properties of a message, behind its body and the fields before them. */
static struct rai_reader send_properties(const struct rai_frame *f)
{
    struct rai_reader r = f->body;
    const uint8_t *entries = NULL;
    size_t size = 0;
    int32_t count;
    if (f->type == RAI_SESS_SEND)
        rai_get_raw(&r, (size_t)(rai_get_i32(&r) - 13));
    rai_get_i64(&r);
    rai_get_nsstr(&r);
    if (rai_get_u8(&r) != 0)
        rai_get_raw(&r, 16);
    rai_get_raw(&r, 1 + 1 + 8 + 8 + 1); /* type, durable, expiration, timestamp, priority */
    if (!rai_get_properties(&r, &entries, &size, &count))
        size = 0;
    return (struct rai_reader){ entries, size > 0 ? entries + size : entries, false };
}

static void put_duplicate_id(const struct rai_frame *f, char *out, size_t room)
{
    struct rai_reader r = send_properties(f);
    struct rai_property property;
    while (rai_property_next(&r, &property)) {
        if (property.key.size != 24 || memcmp(property.key.data, "_\0A\0M\0Q\0_\0D\0U\0P\0L\0_\0I\0D\0", 24) != 0)
            continue;
        if (property.tag == RAI_TAG_BYTES) {
            snprintf(out, room, " =%d", property.value[property.value_size - 1]);
        } else {
            char *text = rai_sstr_utf8((struct rai_sstr){ property.value, property.value_size }, NULL);
            snprintf(out, room, " =%s", text);
            rai_free(text);
        }
    }
}

static void describe_send(const struct peer *p, const struct rai_frame *f, char *out, size_t room)
{
    struct rai_send_tail tail;
    int n = snprintf(out, room, "%d SEND ", (int)f->channel);
    n += put_body(f, out + n, room - (size_t)n);
    if (rai_get_send_tail(f->bytes, f->size, p->version, &tail) && tail.respond)
        n += snprintf(out + n, room - (size_t)n, " %lld", (long long)tail.correlation);
    put_duplicate_id(f, out + n, room - (size_t)n);
}

static void describe_piece(const struct peer *p, const struct rai_frame *f, char *out, size_t room)
{
    struct rai_reader r = f->body;
    struct rai_send_tail tail;
    int size = rai_get_i32(&r);
    bool last = rai_get_send_tail(f->bytes, f->size, p->version, &tail);
    int n = snprintf(out, room, "%d PIECE %d %s", (int)f->channel, size, last ? "last" : "more");
    if (last && tail.respond)
        snprintf(out + n, room - (size_t)n, " %lld", (long long)tail.correlation);
}

static void describe_consumer(struct peer *p, const struct rai_frame *f, char *out, size_t room)
{
    struct rai_reader r = f->body;
    char queue[96];
    long long id = rai_get_i64(&r);
    int channel = (int)f->channel;
    sstr(&r, queue, sizeof queue);
    if (id == INT64_C(1) << 40) {
        snprintf(p->barriers[channel], sizeof p->barriers[0], "%.32s", queue);
        snprintf(out, room, "%d BARRIER %d", channel, atoi(queue + 33));
    } else {
        snprintf(out, room, "%d CONSUMER %lld %s", channel, id, queue);
    }
}

/* Packets that begin with a consumer's id. */
static bool describe_of_consumer(const struct rai_frame *f, char *out, size_t room)
{
    struct rai_reader r = f->body;
    int channel = (int)f->channel;
    long long id = rai_get_i64(&r);
    const char *name;
    switch (f->type) {
    case RAI_SESS_CONSUMER_CLOSE:
        snprintf(out, room, "%d CLOSE_CONSUMER %lld", channel, id);
        return true;
    case RAI_SESS_FLOWTOKEN:
        snprintf(out, room, "%d CREDITS %lld %d", channel, id, rai_get_i32(&r));
        return true;
    case RAI_SESS_FORCE_CONSUMER_DELIVERY:
    case RAI_SESS_EXPIRED:
        name = f->type == RAI_SESS_EXPIRED ? "EXPIRED" : "FORCE";
        snprintf(out, room, "%d %s %lld %lld", channel, name, id, (long long)rai_get_i64(&r));
        return true;
    case RAI_SESS_ACKNOWLEDGE:
    case RAI_SESS_INDIVIDUAL_ACKNOWLEDGE:
        name = f->type == RAI_SESS_ACKNOWLEDGE ? "ACK" : "ACK1";
        snprintf(out, room, "%d %s %lld %lld", channel, name, id, (long long)rai_get_i64(&r));
        if (rai_get_bool(&r))
            strncat(out, " rr", room - strlen(out) - 1);
        return true;
    default:
        return false;
    }
}

static bool describe_named(const struct rai_frame *f, char *out, size_t room)
{
    static const struct {
        int type;
        const char *text;
    } known[] = {
        { RAI_CREATE_QUEUE_V2, "QUEUE" },  { RAI_DELETE_QUEUE, "DELETE" },       { RAI_CREATE_ADDRESS, "ADDRESS" },
        { RAI_SESS_QUEUEQUERY, "QUERY" },  { RAI_SESS_BINDINGQUERY, "BINDING" }, { RAI_SESS_START, "START" },
        { RAI_SESS_STOP, "STOP" },         { RAI_SESS_CLOSE, "CLOSE" },          { RAI_SESS_XA_GET_TIMEOUT, "FLUSH" },
        { RAI_SESS_ROLLBACK, "ROLLBACK" },
    };
    struct rai_reader r = f->body;
    char name[96] = "";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].type != f->type)
            continue;
        if (i < 5)
            sstr(&r, name, sizeof name);
        snprintf(out, room, "%d %s%s%s", (int)f->channel, known[i].text, i < 5 ? " " : "", name);
        return true;
    }
    return false;
}

static bool describe_metadata(const struct rai_frame *f, char *out, size_t room)
{
    struct rai_reader r = f->body;
    char key[64], value[64];
    if (!rai_metadata_is(f->type))
        return false;
    rai_get_str(&r, key, sizeof key);
    rai_get_str(&r, value, sizeof value);
    bool answered = rai_get_bool(&r);
    snprintf(out, room, "%d %s %s=%s%s", (int)f->channel, f->type == RAI_SESS_ADD_METADATA2 ? "METADATA" : "UNIQUE", key,
             value, answered ? "" : " unanswered");
    return true;
}

static void describe_other(const struct peer *p, const struct rai_frame *f, char *out, size_t room)
{
    struct rai_reader r = f->body;
    int channel = (int)f->channel;
    char name[96];
    int32_t n;
    switch (f->type) {
    case RAI_SESS_COMMIT:
        if (p->version >= 132)
            snprintf(out, room, "%d COMMIT %lld", channel, (long long)rai_get_i64(&r));
        else
            snprintf(out, room, "%d COMMIT", channel);
        break;
    case RAI_SESS_PRODUCER_REQUEST_CREDITS:
        n = rai_get_i32(&r);
        sstr(&r, name, sizeof name);
        snprintf(out, room, "%d WANT %d %s", channel, n, name);
        break;
    case RAI_CREATE_PRODUCER:
    case RAI_REMOVE_PRODUCER:
        snprintf(out, room, "%d %s %d", channel, f->type == RAI_CREATE_PRODUCER ? "PRODUCER" : "UNPRODUCER",
                 rai_get_i32(&r));
        break;
    case RAI_PACKETS_CONFIRMED:
        snprintf(out, room, "%d CONFIRMED %d", channel, rai_get_i32(&r));
        break;
    default:
        snprintf(out, room, "%d packet %d", channel, f->type);
    }
}

void peer_describe(struct peer *p, const struct rai_frame *f, char *out, size_t room)
{
    int n;
    struct rai_reader r = f->body;
    switch (f->type) {
    case RAI_PING:
        snprintf(out, room, "PING");
        break;
    case RAI_SUBSCRIBE_TOPOLOGY_V2:
        rai_get_bool(&r);
        snprintf(out, room, "SUBSCRIBE %d", rai_get_i32(&r));
        break;
    case RAI_CREATESESSION:
    case RAI_CREATESESSION_V2:
        describe_create(p, f->body, out, room);
        break;
    case RAI_REATTACH_SESSION:
        describe_reattach(p, f->body, out, room);
        break;
    case RAI_SESS_SEND:
        describe_send(p, f, out, room);
        break;
    case RAI_SESS_SEND_LARGE:
        n = snprintf(out, room, "%d LARGE", (int)f->channel);
        put_duplicate_id(f, out + n, room - (size_t)n);
        break;
    case RAI_SESS_SEND_CONTINUATION:
        describe_piece(p, f, out, room);
        break;
    case RAI_SESS_CREATECONSUMER:
        describe_consumer(p, f, out, room);
        break;
    default:
        if (f->type == RAI_SESS_CLOSE && f->channel > RAI_ANCHORS)
            snprintf(out, room, "UNANCHOR %lld", (long long)(f->channel - RAI_ANCHORS));
        else if (!describe_of_consumer(f, out, room) && !describe_named(f, out, room) &&
                 !describe_metadata(f, out, room))
            describe_other(p, f, out, room);
    }
}

/* --- what the peer says --- */

static void put_node(struct rai_writer *w, int32_t version, const char *node)
{
    rai_put_bool(w, false);
    rai_put_str(w, node, strlen(node));
    rai_put_i64(w, 1);
    rai_put_bool(w, false);
    rai_put_bool(w, false);
    rai_put_bool(w, true);
    rai_put_nstr(w, NULL, 0);
    if (version > 0) {
        rai_put_nstr(w, NULL, 0);
        rai_put_i32(w, version);
    }
}

static void put_connector(struct rai_writer *w, int port)
{
    char text[16];
    rai_put_bool(w, port != 0);
    if (port == 0)
        return;
    rai_put_str(w, "artemis", 7);
    rai_put_str(w, "NettyConnectorFactory", 21);
    rai_put_i32(w, 3);
    rai_put_str(w, "tcpNoDelay", 10);
    rai_put_u8(w, 0);
    rai_put_bool(w, true);
    rai_put_str(w, "port", 4);
    if (port % 2 == 0) { /* some brokers have it as a number */
        rai_put_u8(w, 1);
        rai_put_i32(w, port);
    } else {
        rai_put_u8(w, 3);
        rai_put_str(w, text, (size_t)snprintf(text, sizeof text, "%d", port));
    }
    rai_put_str(w, "host", 4);
    rai_put_u8(w, 3);
    rai_put_str(w, "a", 1);
}

/* In the packet's version 1 to 4; primary -1: the node left. */
static int put_topology(struct rai_writer *w, int version, int event, const char *node, int primary, int backup, bool last)
{
    static const int types[] = { RAI_CLUSTER_TOPOLOGY, RAI_CLUSTER_TOPOLOGY_V2, RAI_CLUSTER_TOPOLOGY_V3, RAI_CLUSTER_TOPOLOGY_V4 };
    rai_put_bool(w, primary < 0);
    rai_put_str(w, node, strlen(node));
    if (version > 1)
        rai_put_i64(w, event);
    if (primary >= 0) {
        put_connector(w, primary);
        put_connector(w, backup);
        rai_put_bool(w, last);
    }
    if (version > 1)
        rai_put_nstr(w, NULL, 0);
    if (version > 2)
        rai_put_nstr(w, NULL, 0);
    if (version > 3)
        rai_put_i32(w, 136);
    return types[version - 1];
}

/* In the packet's version 1 to 3; node "-": no target. */
static int put_disconnect(struct rai_writer *w, int version, int reason, const char *node, int connector)
{
    static const int types[] = { RAI_DISCONNECT, RAI_DISCONNECT_V2, RAI_DISCONNECT_V3 };
    const char *target = strcmp(node, "-") != 0 ? node : NULL;
    rai_put_nsstr(w, "node", 4);
    if (version == 3)
        rai_put_u8(w, (uint8_t)reason);
    if (version > 1)
        rai_put_nsstr(w, target, target != NULL ? strlen(target) : 0);
    if (version == 3)
        put_connector(w, connector);
    return types[version - 1];
}

/* Channels 0 and 1; returns the type, or 0. */
static int compose_control(struct rai_writer *w, const char *text, int64_t *channel)
{
    char node[64] = "node", word[8];
    int n = 0, event, primary, backup;
    *channel = RAI_CHANNEL_PING;
    if (strcmp(text, "PING") == 0) {
        rai_put_i64(w, 60000);
        return RAI_PING;
    }
    if (sscanf(text, "TOPOLOGY %d %63s", &n, node) >= 1) {
        put_node(w, n, node);
        return RAI_CLUSTER_TOPOLOGY_V4;
    }
    if (sscanf(text, "OLDTOPOLOGY %63s", node) == 1) {
        put_node(w, 0, node);
        return RAI_CLUSTER_TOPOLOGY_V2;
    }
    if (sscanf(text, "NODE %d %d %63s %d %d %7s", &n, &event, node, &primary, &backup, word) == 6)
        return put_topology(w, n, event, node, primary, backup, word[0] == 'l');
    if (sscanf(text, "LEFT %d %d %63s", &n, &event, node) == 3)
        return put_topology(w, n, event, node, -1, -1, false);
    if (sscanf(text, "DISCONNECT %d %d %63s %d", &n, &event, node, &primary) == 4)
        return put_disconnect(w, n, event, node, primary);
    if (strcmp(text, "DISCONNECT") == 0) {
        rai_put_nsstr(w, NULL, 0);
        return RAI_DISCONNECT;
    }
    if (sscanf(text, "UNANCHORED %d", &n) == 1) {
        *channel = RAI_ANCHORS + n;
        return RAI_NULL_RESPONSE;
    }
    *channel = RAI_CHANNEL_SESSION;
    if (sscanf(text, "CREATED %d", &n) == 1) {
        rai_put_i32(w, n);
        return RAI_CREATESESSION_RESP;
    }
    if (sscanf(text, "DENIED %d", &n) == 1) {
        rai_put_i32(w, n);
        rai_put_nstr(w, "denied", 6);
        return RAI_EXCEPTION;
    }
    bool found = sscanf(text, "REATTACHED %d", &n) == 1;
    if (found || strcmp(text, "REFUSED") == 0) {
        rai_put_i32(w, found ? n : -1);
        rai_put_bool(w, found);
        return RAI_REATTACH_SESSION_RESP;
    }
    return 0;
}

static int compose_answer(struct peer *p, struct rai_writer *w, int channel, const char *text)
{
    long long correlation = -1;
    char barrier[128];
    int n;
    if (strcmp(text, "OK short") == 0)
        return RAI_NULL_RESPONSE;
    if (strcmp(text, "OK") == 0 || sscanf(text, "OK %lld", &correlation) == 1) {
        rai_put_i64(w, correlation);
        return RAI_NULL_RESPONSE;
    }
    if (sscanf(text, "NOBARRIER %d", &n) == 1) {
        int size = snprintf(barrier, sizeof barrier, "AMQ229017: Queue %s.%d. does not exist", p->barriers[channel], n);
        rai_put_i32(w, 100);
        rai_put_nstr(w, barrier, (size_t)size);
        return RAI_EXCEPTION;
    }
    if (sscanf(text, "NO %d %lld", &n, &correlation) >= 1) {
        rai_put_i32(w, n);
        rai_put_nstr(w, "refused", 7);
        if (correlation != -1)
            rai_put_i64(w, correlation);
        return RAI_EXCEPTION;
    }
    if (sscanf(text, "CONFIRMED %d", &n) == 1) {
        rai_put_i32(w, n);
        return RAI_PACKETS_CONFIRMED;
    }
    return 0;
}

static int compose_data(struct rai_writer *w, const char *text)
{
    char name[64];
    int n, count;
    if (sscanf(text, "QUEUE %63s", name) == 1) {
        bool durable = strstr(text, " passing") == NULL;
        for (int i = 0; i < 3; i++) /* exists, durable, temporary */
            rai_put_bool(w, i == 0 || (i == 1 && durable));
        rai_put_i32(w, 1);
        rai_put_i64(w, 7);
        rai_put_nsstr(w, NULL, 0);
        rai_put_nsstr(w, name, strlen(name));
        rai_put_nsstr(w, name, strlen(name));
        return RAI_SESS_QUEUEQUERY_RESP;
    }
    if (sscanf(text, "BINDING %d %d", &n, &count) == 2) {
        rai_put_bool(w, n != 0);
        rai_put_i32(w, count);
        for (int i = 0; i < count; i++)
            rai_put_sstr(w, "q", 1);
        return RAI_SESS_BINDINGQUERY_RESP;
    }
    if (strcmp(text, "TIMEOUT") == 0) {
        rai_put_i32(w, 300);
        return RAI_SESS_XA_GET_TIMEOUT_RESP;
    }
    bool credits = sscanf(text, "CREDITS %d %63s", &n, name) == 2;
    if (credits || sscanf(text, "FULL %d %63s", &n, name) == 2) {
        rai_put_i32(w, n);
        rai_put_sstr(w, name, strlen(name));
        return credits ? RAI_SESS_PRODUCER_CREDITS : RAI_SESS_PRODUCER_FAIL_CREDITS;
    }
    return 0;
}

static void put_headers(struct rai_writer *w, long long id, long long expiration, long long marker)
{
    rai_put_i64(w, id);
    rai_put_nsstr(w, "a", 1);
    rai_put_u8(w, 0);
    rai_put_u8(w, 0);
    rai_put_u8(w, 1);
    rai_put_i64(w, expiration);
    rai_put_i64(w, 0);
    rai_put_u8(w, 4);
    rai_put_u8(w, marker >= 0);
    if (marker >= 0) {
        rai_put_i32(w, 1);
        rai_put_sstr(w, "_hornetq.forced.delivery.seq", strlen("_hornetq.forced.delivery.seq"));
        rai_put_u8(w, RAI_TAG_LONG);
        rai_put_i64(w, marker);
    }
}

static int compose_delivery(struct rai_writer *w, const char *text)
{
    static const uint8_t zeros[256 * 1024];
    long long consumer, id, size, expiration = 0;
    char body[64], more[8];
    if (sscanf(text, "MSG %lld %lld %63s %lld", &consumer, &id, body, &expiration) >= 3) {
        rai_put_i32(w, (int32_t)(13 + strlen(body)));
        rai_put_raw(w, body, strlen(body));
        put_headers(w, id, expiration, -1);
        rai_put_i64(w, consumer);
        rai_put_i32(w, 1);
        return RAI_SESS_RECEIVE_MSG;
    }
    if (sscanf(text, "MARKER %lld %lld", &consumer, &id) == 2) {
        rai_put_i32(w, 13 + 4);
        rai_put_i32(w, 0);
        put_headers(w, 0, 0, id);
        rai_put_i64(w, consumer);
        rai_put_i32(w, 0);
        return RAI_SESS_RECEIVE_MSG;
    }
    if (sscanf(text, "LARGE %lld %lld %lld", &consumer, &id, &size) == 3) {
        rai_put_i64(w, consumer);
        rai_put_i32(w, 1);
        rai_put_i64(w, size);
        put_headers(w, id, 0, -1);
        return RAI_SESS_RECEIVE_LARGE_MSG;
    }
    if (sscanf(text, "CHUNK %lld %lld %7s", &consumer, &size, more) == 3) {
        rai_put_i32(w, (int32_t)size);
        rai_put_raw(w, zeros, (size_t)size);
        rai_put_bool(w, strcmp(more, "more") == 0);
        rai_put_i64(w, consumer);
        return RAI_SESS_RECEIVE_CONTINUATION;
    }
    if (sscanf(text, "GONE %lld", &consumer) == 1) {
        rai_put_i64(w, consumer);
        return RAI_DISCONNECT_CONSUMER;
    }
    return 0;
}

size_t peer_compose(struct peer *p, const char *text, uint8_t *out)
{
    struct rai_writer w = { out + RAI_FRAME_HEADER, 0 };
    int64_t channel;
    int skipped = 0, on = 0;
    if (strncmp(text, "RAW ", 4) == 0) {
        memcpy(out, text + 4, strlen(text + 4));
        return strlen(text + 4);
    }
    int type = compose_control(&w, text, &channel);
    if (type == 0 && sscanf(text, "%d %n", &on, &skipped) == 1 && on >= RAI_CHANNEL_FIRST) {
        channel = on;
        type = compose_answer(p, &w, on, text + skipped);
        if (type == 0)
            type = compose_data(&w, text + skipped);
        if (type == 0)
            type = compose_delivery(&w, text + skipped);
    }
    if (type == 0)
        return 0;
    size_t size = RAI_FRAME_HEADER + w.size;
    w = (struct rai_writer){ out, 0 };
    rai_put_header(&w, type, channel, size);
    return size;
}
