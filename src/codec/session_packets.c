/* Channel 1 (create, reattach) and the session's own requests: start, stop, close, transactions, metadata. */
#include "codec/packets.h"
#include "codec/text.h"

void rai_put_create_session(struct rai_writer *w, size_t size, const struct rai_create_session *s)
{
    bool v2 = s->version >= 131;

    rai_put_header(w, v2 ? RAI_CREATESESSION_V2 : RAI_CREATESESSION, RAI_CHANNEL_SESSION, size);
    rai_put_text_str(w, s->name);
    rai_put_i64(w, s->channel);
    rai_put_i32(w, s->version);
    rai_put_text_nstr(w, s->user);
    rai_put_text_nstr(w, s->password);
    rai_put_i32(w, s->min_large_message_size);
    rai_put_bool(w, s->xa);
    rai_put_bool(w, s->auto_commit_sends);
    rai_put_bool(w, s->auto_commit_acks);
    rai_put_i32(w, s->window); /* here, not at the end: the order is the broker's */
    rai_put_bool(w, s->pre_acknowledge);
    rai_put_text_nstr(w, NULL); /* default address */
    if (v2) {
        rai_put_text_nstr(w, s->client_id);
    }
}

bool rai_get_create_session_resp(const struct rai_frame *f, int32_t *version_out)
{
    struct rai_reader r = f->body;

    *version_out = rai_get_i32(&r);
    return !r.bad;
}

void rai_put_reattach(struct rai_writer *w, size_t size, const char *name, int32_t last_received)
{
    rai_put_header(w, RAI_REATTACH_SESSION, RAI_CHANNEL_SESSION, size);
    rai_put_text_str(w, name);
    rai_put_i32(w, last_received);
}

bool rai_get_reattach_resp(const struct rai_frame *f, int32_t *last_out, bool *reattached_out)
{
    struct rai_reader r = f->body;

    *last_out = rai_get_i32(&r);
    *reattached_out = rai_get_bool(&r);
    return !r.bad;
}

void rai_put_simple(struct rai_writer *w, size_t size, int type, int64_t channel)
{
    rai_put_header(w, type, channel, size);
}

void rai_put_commit(struct rai_writer *w, size_t size, int64_t channel, int32_t version, int64_t correlation)
{
    rai_put_header(w, RAI_SESS_COMMIT, channel, size);
    if (version >= 132) {
        rai_put_i64(w, correlation);
    }
}

void rai_put_rollback(struct rai_writer *w, size_t size, int64_t channel, bool last_delivered)
{
    rai_put_header(w, RAI_SESS_ROLLBACK, channel, size);
    rai_put_bool(w, last_delivered);
}

static void put_metadata(struct rai_writer *w, size_t size, int type, int64_t channel, const char *key, const char *value,
                         bool confirm)
{
    rai_put_header(w, type, channel, size);
    rai_put_text_str(w, key);
    rai_put_text_str(w, value);
    rai_put_bool(w, confirm);
}

void rai_put_add_metadata2(struct rai_writer *w, size_t size, int64_t channel, const char *key, const char *value,
                           bool confirm)
{
    put_metadata(w, size, RAI_SESS_ADD_METADATA2, channel, key, value, confirm);
}

void rai_put_unique_add_metadata(struct rai_writer *w, size_t size, int64_t channel, const char *key, const char *value)
{
    put_metadata(w, size, RAI_SESS_UNIQUE_ADD_METADATA, channel, key, value, true);
}
