/* Connection control on channel 0, and the answers and confirmations that every session channel knows. */
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

static void skip_str(struct rai_reader *r)
{
    rai_get_str(r, NULL, 0);
}

static void skip_parameter(struct rai_reader *r)
{
    skip_str(r);
    switch (rai_get_u8(r)) {
    case 0:
        rai_get_u8(r);
        break;
    case 1:
        rai_get_i32(r);
        break;
    case 2:
        rai_get_i64(r);
        break;
    case 3:
        skip_str(r);
        break;
    default:
        rai_spoil(r);
    }
}

static void skip_transport(struct rai_reader *r)
{
    enum { PARAMETER_MIN = 4 + 1 + 1 };

    skip_str(r); /* name */
    skip_str(r); /* factory class */
    for (int32_t left = rai_get_count(r, PARAMETER_MIN); left > 0 && !r->bad; left--) {
        skip_parameter(r);
    }
}

static void skip_optional_transport(struct rai_reader *r)
{
    if (rai_get_bool(r)) {
        skip_transport(r);
    }
}

bool rai_get_topology(const struct rai_frame *f, struct rai_topology *out)
{
    struct rai_reader r = f->body;

    *out = (struct rai_topology){ .version = -1 };
    out->exit = rai_get_bool(&r);
    rai_get_str(&r, out->node_id, sizeof out->node_id);
    if (f->type != RAI_CLUSTER_TOPOLOGY) {
        rai_get_i64(&r); /* unique event id */
    }
    if (!out->exit) {
        skip_optional_transport(&r); /* primary */
        skip_optional_transport(&r); /* backup */
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
        skip_optional_transport(&r); /* the redirect's target */
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
