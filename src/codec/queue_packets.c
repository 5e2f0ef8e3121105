/* Queues and addresses: create, delete, and the answers of queries in all their versions. */
#include "codec/packets.h"
#include "codec/text.h"

void rai_put_create_queue(struct rai_writer *w, size_t size, int64_t channel, const struct rai_create_queue *q)
{
    /* exclusive ... groupRebalancePauseDispatch: one null each, so that the broker's address settings decide */
    static const uint8_t nulls[15];

    rai_put_header(w, RAI_CREATE_QUEUE_V2, channel, size);
    rai_put_text_sstr(w, q->address);
    rai_put_text_sstr(w, q->queue);
    rai_put_text_nsstr(w, q->filter);
    rai_put_bool(w, q->durable);
    rai_put_bool(w, q->temporary);
    rai_put_bool(w, q->respond);
    rai_put_bool(w, q->auto_created);
    rai_put_u8(w, (uint8_t)q->routing_type);
    rai_put_i32(w, q->max_consumers);
    rai_put_bool(w, q->purge_on_no_consumers);
    rai_put_raw(w, nulls, sizeof nulls);
}

void rai_put_create_address(struct rai_writer *w, size_t size, int64_t channel, const char *address, bool multicast,
                            bool anycast, bool respond, bool auto_created)
{
    rai_put_header(w, RAI_CREATE_ADDRESS, channel, size);
    rai_put_text_sstr(w, address);
    rai_put_i32(w, (multicast ? 1 : 0) + (anycast ? 1 : 0));
    if (multicast) {
        rai_put_u8(w, 0);
    }
    if (anycast) {
        rai_put_u8(w, 1);
    }
    rai_put_bool(w, respond); /* before autoCreated, unlike in CREATE_QUEUE_V2 */
    rai_put_bool(w, auto_created);
}

static void put_name(struct rai_writer *w, size_t size, int type, int64_t channel, const char *name)
{
    rai_put_header(w, type, channel, size);
    rai_put_text_sstr(w, name);
}

void rai_put_delete_queue(struct rai_writer *w, size_t size, int64_t channel, const char *queue)
{
    put_name(w, size, RAI_DELETE_QUEUE, channel, queue);
}

void rai_put_queue_query(struct rai_writer *w, size_t size, int64_t channel, const char *queue)
{
    put_name(w, size, RAI_SESS_QUEUEQUERY, channel, queue);
}

void rai_put_binding_query(struct rai_writer *w, size_t size, int64_t channel, const char *address)
{
    put_name(w, size, RAI_SESS_BINDINGQUERY, channel, address);
}

static void skip_nbool(struct rai_reader *r)
{
    if (rai_get_bool(r)) {
        rai_get_u8(r);
    }
}

static int32_t get_ni32(struct rai_reader *r, int32_t when_null)
{
    return rai_get_bool(r) ? rai_get_i32(r) : when_null;
}

static void skip_ni64(struct rai_reader *r)
{
    if (rai_get_bool(r)) {
        rai_get_i64(r);
    }
}

static int get_routing_type(struct rai_reader *r)
{
    uint8_t type = rai_get_u8(r);

    return type <= 1 ? type : -1;
}

/* A frame may end before any group of late fields, but not inside one. What stands behind the default consumer window
 * is of no use to us and is left unread. */
static void get_queue_answer_v3(struct rai_reader *r, struct rai_queue_answer *out)
{
    out->auto_created = rai_get_bool(r);
    rai_get_bool(r); /* purge on no consumers */
    out->routing_type = get_routing_type(r);
    out->max_consumers = rai_get_i32(r);
    if (rai_reader_left(r) > 0) {
        skip_nbool(r); /* exclusive */
        skip_nbool(r); /* last value */
    }
    if (rai_reader_left(r) > 0) {
        out->default_window = get_ni32(r, -2);
    }
}

bool rai_get_queue_answer(const struct rai_frame *f, struct rai_queue_answer *out)
{
    struct rai_reader r = f->body;

    *out = (struct rai_queue_answer){ .routing_type = -1, .max_consumers = -1, .default_window = -2 };
    out->exists = rai_get_bool(&r);
    out->durable = rai_get_bool(&r);
    out->temporary = rai_get_bool(&r);
    out->consumers = rai_get_i32(&r);
    out->messages = rai_get_i64(&r);
    out->filter = rai_get_nsstr(&r);
    out->address = rai_get_nsstr(&r);
    out->name = rai_get_nsstr(&r);
    if (f->type != RAI_SESS_QUEUEQUERY_RESP) {
        out->auto_create_queues = rai_get_bool(&r);
    }
    if (f->type == RAI_SESS_QUEUEQUERY_RESP_V3) {
        get_queue_answer_v3(&r, out);
    }
    return !r.bad;
}

static void get_binding_answer_v4(struct rai_reader *r)
{
    rai_get_bool(r); /* default purge on no consumers */
    rai_get_i32(r);  /* default max consumers */
    if (rai_reader_left(r) > 0) {
        skip_nbool(r); /* exclusive */
        skip_nbool(r); /* last value */
    }
    if (rai_reader_left(r) > 0) {
        rai_get_nsstr(r); /* last value key */
        skip_nbool(r);    /* non-destructive */
        get_ni32(r, 0);   /* consumers before dispatch */
        skip_ni64(r);     /* delay before dispatch */
    }
}

/* Which of the five answers carries what; they only ever grow at their end. */
static int binding_answer_generation(int type)
{
    switch (type) {
    case RAI_SESS_BINDINGQUERY_RESP_V2:
        return 2;
    case RAI_SESS_BINDINGQUERY_RESP_V3:
        return 3;
    case RAI_SESS_BINDINGQUERY_RESP_V4:
        return 4;
    case RAI_SESS_BINDINGQUERY_RESP_V5:
        return 5;
    default:
        return 1;
    }
}

bool rai_get_binding_answer(const struct rai_frame *f, struct rai_binding_answer *out)
{
    int generation = binding_answer_generation(f->type);
    struct rai_reader r = f->body;

    *out = (struct rai_binding_answer){ .multicast = -1, .anycast = -1 };
    out->exists = rai_get_bool(&r);
    out->count = rai_get_count(&r, 4);
    out->names.at = r.at;
    for (int32_t i = 0; i < out->count && !r.bad; i++) {
        rai_get_sstr(&r);
    }
    out->names.end = r.at;
    if (generation >= 2) {
        out->auto_create_queues = rai_get_bool(&r);
    }
    if (generation >= 3) {
        out->auto_create_addresses = rai_get_bool(&r);
    }
    if (generation >= 4) {
        get_binding_answer_v4(&r);
    }
    if (generation >= 5 && rai_reader_left(&r) > 0) {
        out->multicast = rai_get_bool(&r) ? 1 : 0;
        out->anycast = rai_get_bool(&r) ? 1 : 0;
    }
    return !r.bad;
}
