/* Connection control on channel 0, and the answers and confirmations that every session channel knows. */
#include <stdlib.h>
#include <string.h>

#include "codec/packets.h"

void rai_put_ping(struct rai_writer *w, size_t size, int64_t ttl_ms)
{
    rai_put_header(w, RAI_PING, RAI_CHANNEL_PING, size);
    rai_put_i64(w, ttl_ms);
}

void rai_put_subscribe_topology(struct rai_writer *w, size_t size, int32_t version)
{
    rai_put_header(w, RAI_SUBSCRIBE_TOPOLOGY_V2, RAI_CHANNEL_PING, size);
    rai_put_bool(w, false); /* not a cluster connection */
    rai_put_i32(w, version);
}

/* The two parameters that matter; a port is text as a rule, a number now and then. */
static void get_parameter(struct rai_reader *r, struct rai_connector *out)
{
    char key[8], text[sizeof out->host] = "";
    int64_t number = 0;

    size_t length = rai_get_str(r, key, sizeof key);
    switch (rai_get_u8(r)) {
    case 0:
        rai_get_u8(r);
        break;
    case 1:
        number = rai_get_i32(r);
        break;
    case 2:
        number = rai_get_i64(r);
        break;
    case 3:
        if (rai_get_str(r, text, sizeof text) >= sizeof text - 1) {
            text[0] = '\0'; /* longer than any name */
        }
        number = strtol(text, NULL, 10);
        break;
    default:
        rai_spoil(r);
    }
    if (length == 4 && strcmp(key, "host") == 0) {
        memcpy(out->host, text, sizeof text);
    } else if (length == 4 && strcmp(key, "port") == 0) {
        out->port = number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0;
    }
}

/* What has no host and port, or no good ones, cannot be dialed: as good as absent. */
static void get_connector(struct rai_reader *r, struct rai_connector *out)
{
    enum { PARAMETER_MIN = 4 + 1 + 1 };

    *out = (struct rai_connector){ .port = 0 };
    if (!rai_get_bool(r)) {
        return;
    }
    rai_get_str(r, NULL, 0); /* name */
    rai_get_str(r, NULL, 0); /* factory class */
    for (int32_t left = rai_get_count(r, PARAMETER_MIN); left > 0 && !r->bad; left--) {
        get_parameter(r, out);
    }
    if (out->host[0] == '\0' || out->port == 0) {
        *out = (struct rai_connector){ .port = 0 };
    }
}

bool rai_get_topology(const struct rai_frame *f, struct rai_topology *out)
{
    struct rai_reader r = f->body;

    *out = (struct rai_topology){ .version = -1 };
    out->exit = rai_get_bool(&r);
    rai_get_str(&r, out->node_id, sizeof out->node_id);
    if (f->type != RAI_CLUSTER_TOPOLOGY) {
        out->event = rai_get_i64(&r);
    }
    if (!out->exit) {
        get_connector(&r, &out->primary);
        get_connector(&r, &out->backup);
        out->last = rai_get_bool(&r);
    }
    if (f->type != RAI_CLUSTER_TOPOLOGY && rai_reader_left(&r) > 0) {
        rai_get_nstr(&r, NULL, 0, NULL); /* backup group, which old writers leave out */
    }
    if (f->type == RAI_CLUSTER_TOPOLOGY_V3 || f->type == RAI_CLUSTER_TOPOLOGY_V4) {
        rai_get_nstr(&r, NULL, 0, NULL); /* scale-down group */
    }
    if (f->type == RAI_CLUSTER_TOPOLOGY_V4) {
        out->version = rai_get_i32(&r);
    }
    return !r.bad;
}

bool rai_get_disconnect(const struct rai_frame *f, struct rai_disconnect *out)
{
    struct rai_reader r = f->body;

    *out = (struct rai_disconnect){ .reason = -1 };
    rai_get_text(&r, out->node_id, sizeof out->node_id);
    if (f->type == RAI_DISCONNECT_V3) {
        out->reason = (int8_t)rai_get_u8(&r);
    }
    if (f->type != RAI_DISCONNECT) {
        rai_get_text(&r, out->target_id, sizeof out->target_id);
    }
    if (f->type == RAI_DISCONNECT_V3) {
        get_connector(&r, &out->target);
    }
    return !r.bad;
}

/* Absent in the short forms: a broker leaves it out when the request had none. */
static int64_t get_correlation(struct rai_reader *r)
{
    return rai_reader_left(r) >= 8 ? rai_get_i64(r) : RAI_NO_CORRELATION;
}

bool rai_get_null_response(const struct rai_frame *f, int64_t *correlation_out)
{
    struct rai_reader r = f->body;

    *correlation_out = get_correlation(&r);
    return !r.bad;
}

bool rai_get_exception(const struct rai_frame *f, int32_t *code_out, char *text, size_t room, int64_t *correlation_out)
{
    struct rai_reader r = f->body;

    *code_out = rai_get_i32(&r);
    rai_get_nstr(&r, text, room, NULL);
    *correlation_out = get_correlation(&r);
    return !r.bad;
}

void rai_put_packets_confirmed(struct rai_writer *w, size_t size, int64_t channel, int32_t last)
{
    rai_put_header(w, RAI_PACKETS_CONFIRMED, channel, size);
    rai_put_i32(w, last);
}

bool rai_get_packets_confirmed(const struct rai_frame *f, int32_t *last_out)
{
    struct rai_reader r = f->body;

    *last_out = rai_get_i32(&r);
    return !r.bad;
}
