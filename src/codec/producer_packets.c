/* Producers and their credits. The send itself is in message_send.c. */
#include "codec/packets.h"
#include "codec/text.h"

void rai_put_create_producer(struct rai_writer *w, size_t size, int64_t channel, int32_t id, const char *address)
{
    rai_put_header(w, RAI_CREATE_PRODUCER, channel, size);
    rai_put_i32(w, id);
    rai_put_text_nsstr(w, address); /* null: an anonymous producer */
}

void rai_put_remove_producer(struct rai_writer *w, size_t size, int64_t channel, int32_t id)
{
    rai_put_header(w, RAI_REMOVE_PRODUCER, channel, size);
    rai_put_i32(w, id);
}

void rai_put_request_credits(struct rai_writer *w, size_t size, int64_t channel, int32_t credits, const char *address)
{
    rai_put_header(w, RAI_SESS_PRODUCER_REQUEST_CREDITS, channel, size);
    rai_put_i32(w, credits);
    rai_put_text_sstr(w, address);
}

bool rai_get_producer_credits(const struct rai_frame *f, int32_t *credits_out, struct rai_sstr *address_out)
{
    struct rai_reader r = f->body;

    *credits_out = rai_get_i32(&r);
    *address_out = rai_get_sstr(&r);
    return !r.bad;
}
