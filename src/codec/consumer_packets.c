/* Consumers: create, credits, acknowledge, and what the broker delivers to them. */
#include "codec/packets.h"
#include "codec/text.h"

void rai_put_create_consumer(struct rai_writer *w, size_t size, int64_t channel, int32_t version,
                             const struct rai_create_consumer *c)
{
    rai_put_header(w, RAI_SESS_CREATECONSUMER, channel, size);
    rai_put_i64(w, c->id);
    rai_put_text_sstr(w, c->queue);
    rai_put_text_nsstr(w, c->filter);
    rai_put_bool(w, c->browse);
    rai_put_bool(w, c->respond);
    if (version >= 130) {
        rai_put_i32(w, c->priority);
    }
}

void rai_put_consumer_close(struct rai_writer *w, size_t size, int64_t channel, int64_t id)
{
    rai_put_header(w, RAI_SESS_CONSUMER_CLOSE, channel, size);
    rai_put_i64(w, id);
}

void rai_put_flow_token(struct rai_writer *w, size_t size, int64_t channel, int64_t id, int32_t credits)
{
    rai_put_header(w, RAI_SESS_FLOWTOKEN, channel, size);
    rai_put_i64(w, id);
    rai_put_i32(w, credits);
}

void rai_put_force_delivery(struct rai_writer *w, size_t size, int64_t channel, int64_t id, int64_t sequence)
{
    rai_put_header(w, RAI_SESS_FORCE_CONSUMER_DELIVERY, channel, size);
    rai_put_i64(w, id);
    rai_put_i64(w, sequence);
}

void rai_put_acknowledge(struct rai_writer *w, size_t size, int64_t channel, int64_t id, int64_t message_id,
                         bool individual, bool respond)
{
    rai_put_header(w, individual ? RAI_SESS_INDIVIDUAL_ACKNOWLEDGE : RAI_SESS_ACKNOWLEDGE, channel, size);
    rai_put_i64(w, id);
    rai_put_i64(w, message_id);
    rai_put_bool(w, respond);
}

bool rai_acknowledge_responds(const uint8_t *frame, size_t size)
{
    return frame[size - 1] != 0;
}

void rai_put_expired(struct rai_writer *w, size_t size, int64_t channel, int64_t id, int64_t message_id)
{
    rai_put_header(w, RAI_SESS_EXPIRED, channel, size);
    rai_put_i64(w, id);
    rai_put_i64(w, message_id);
}

bool rai_get_disconnect_consumer(const struct rai_frame *f, int64_t *id_out)
{
    struct rai_reader r = f->body;

    *id_out = rai_get_i64(&r);
    return !r.bad;
}

/* The fields behind the blob are found from the end of the frame: a blob may have unused bytes behind its properties.
 */
bool rai_get_receive(const struct rai_frame *f, struct rai_delivery *out)
{
    enum { TRAILER = 8 + 4 };
    struct rai_reader r = f->body;
    size_t left = rai_reader_left(&r);

    *out = (struct rai_delivery){ .large_size = -1 };
    if (left < TRAILER) {
        return false;
    }
    out->blob_size = left - TRAILER;
    out->blob = rai_get_raw(&r, out->blob_size);
    out->consumer = rai_get_i64(&r);
    out->count = rai_get_i32(&r);
    return !r.bad;
}

bool rai_get_receive_large(const struct rai_frame *f, struct rai_delivery *out)
{
    struct rai_reader r = f->body;

    *out = (struct rai_delivery){ .consumer = rai_get_i64(&r) };
    out->count = rai_get_i32(&r);
    out->large_size = rai_get_i64(&r);
    out->blob_size = rai_reader_left(&r);
    out->blob = rai_get_raw(&r, out->blob_size);
    return !r.bad && out->large_size >= 0;
}

bool rai_get_receive_chunk(const struct rai_frame *f, struct rai_chunk *out)
{
    struct rai_reader r = f->body;

    *out = (struct rai_chunk){ .size = (size_t)rai_get_count(&r, 1) };
    out->data = rai_get_raw(&r, out->size);
    out->continues = rai_get_bool(&r);
    out->consumer = rai_get_i64(&r);
    return !r.bad;
}
