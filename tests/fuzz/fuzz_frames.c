/* Frames and packets: the splitter, and every decoder on what it finds. The input is what a broker sends. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/message.h"
#include "codec/packets.h"
#include "fuzz.h"

static void check_text(const char *text, size_t room)
{
    FUZZ_CHECK(memchr(text, '\0', room) != NULL);
}

static void check_string(struct rai_sstr s)
{
    size_t size = 0;
    char *text = rai_sstr_utf8(s, &size);
    FUZZ_CHECK((text == NULL) == (s.data == NULL));
    FUZZ_CHECK(text == NULL || (text[size] == '\0' && size <= 3 * (s.size / 2)));
    rai_free(text);
}

/* --- one function for each decoder --- */

static void topology(const struct rai_frame *f)
{
    struct rai_topology out;
    if (rai_get_topology(f, &out))
        check_text(out.node_id, sizeof out.node_id);
}

static void disconnect(const struct rai_frame *f)
{
    struct rai_disconnect out;
    if (rai_get_disconnect(f, &out)) {
        check_text(out.node_id, sizeof out.node_id);
        check_text(out.target_id, sizeof out.target_id);
    }
}

static void create_session_resp(const struct rai_frame *f)
{
    int32_t version;
    (void)rai_get_create_session_resp(f, &version);
}

static void reattach_resp(const struct rai_frame *f)
{
    int32_t last;
    bool reattached;
    (void)rai_get_reattach_resp(f, &last, &reattached);
}

static void null_response(const struct rai_frame *f)
{
    int64_t correlation;
    (void)rai_get_null_response(f, &correlation);
}

static void exception(const struct rai_frame *f)
{
    static const size_t rooms[] = { 1, 2, 7, 256 };
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        char *text = malloc(rooms[i]);
        int32_t code;
        int64_t correlation;
        if (rai_get_exception(f, &code, text, rooms[i], &correlation))
            check_text(text, rooms[i]);
        free(text);
    }
}

static void packets_confirmed(const struct rai_frame *f)
{
    int32_t last;
    (void)rai_get_packets_confirmed(f, &last);
}

static void disconnect_consumer(const struct rai_frame *f)
{
    int64_t id;
    (void)rai_get_disconnect_consumer(f, &id);
}

static void producer_credits(const struct rai_frame *f)
{
    int32_t credits;
    struct rai_sstr address;
    if (rai_get_producer_credits(f, &credits, &address))
        check_string(address);
}

static void queue_answer(const struct rai_frame *f)
{
    struct rai_queue_answer out;
    if (!rai_get_queue_answer(f, &out))
        return;
    check_string(out.filter);
    check_string(out.address);
    check_string(out.name);
}

static void binding_answer(const struct rai_frame *f)
{
    struct rai_binding_answer out;
    if (!rai_get_binding_answer(f, &out))
        return;
    for (int32_t i = 0; i < out.count; i++)
        check_string(rai_get_sstr(&out.names));
    FUZZ_CHECK(!out.names.bad, "%d names", (int)out.count);
}

static void delivered(ra_message *m, const bool *bad)
{
    FUZZ_CHECK((m == NULL) == *bad);
    rai_message_unref(m);
}

static void receive(const struct rai_frame *f)
{
    struct rai_delivery out;
    bool bad;
    if (rai_get_receive(f, &out))
        delivered(rai_message_decode(out.blob, out.blob_size, NULL, &bad), &bad);
}

static void receive_large(const struct rai_frame *f)
{
    struct rai_delivery out;
    bool bad;
    if (rai_get_receive_large(f, &out))
        delivered(rai_message_decode_headers(out.blob, out.blob_size, &bad), &bad);
}

static void receive_chunk(const struct rai_frame *f)
{
    struct rai_chunk out;
    if (rai_get_receive_chunk(f, &out))
        FUZZ_CHECK(out.data >= f->bytes && out.data + out.size <= f->bytes + f->size);
}

/* Ours: what a recovery reads from its own log. Transcoding there and back changes nothing. */
static void send_tail(const struct rai_frame *f)
{
    struct rai_send_tail tail;
    for (int32_t version = RAI_VERSION_MIN; version <= RAI_VERSION; version++) {
        if (!rai_get_send_tail(f->bytes, f->size, version, &tail))
            continue;
        struct rai_writer count = { NULL, 0 };
        rai_put_send_transcoded(&count, 0, f->bytes, f->size, version, RAI_VERSION);
        uint8_t *there = malloc(count.size);
        struct rai_writer w = { there, 0 };
        rai_put_send_transcoded(&w, count.size, f->bytes, f->size, version, RAI_VERSION);
        FUZZ_CHECK(w.size == count.size);
        struct rai_send_tail same;
        FUZZ_CHECK(rai_get_send_tail(there, count.size, RAI_VERSION, &same));
        FUZZ_CHECK(same.respond == tail.respond && same.correlation == tail.correlation &&
                   same.producer == tail.producer);
        free(there);
    }
}

static const struct {
    int type;
    void (*decode)(const struct rai_frame *f);
} decoders[] = {
    { RAI_CLUSTER_TOPOLOGY, topology },
    { RAI_CLUSTER_TOPOLOGY_V2, topology },
    { RAI_CLUSTER_TOPOLOGY_V3, topology },
    { RAI_CLUSTER_TOPOLOGY_V4, topology },
    { RAI_DISCONNECT, disconnect },
    { RAI_DISCONNECT_V2, disconnect },
    { RAI_DISCONNECT_V3, disconnect },
    { RAI_CREATESESSION_RESP, create_session_resp },
    { RAI_REATTACH_SESSION_RESP, reattach_resp },
    { RAI_NULL_RESPONSE, null_response },
    { RAI_EXCEPTION, exception },
    { RAI_PACKETS_CONFIRMED, packets_confirmed },
    { RAI_DISCONNECT_CONSUMER, disconnect_consumer },
    { RAI_DISCONNECT_CONSUMER_KILL, disconnect_consumer },
    { RAI_SESS_PRODUCER_CREDITS, producer_credits },
    { RAI_SESS_PRODUCER_FAIL_CREDITS, producer_credits },
    { RAI_SESS_QUEUEQUERY_RESP, queue_answer },
    { RAI_SESS_QUEUEQUERY_RESP_V2, queue_answer },
    { RAI_SESS_QUEUEQUERY_RESP_V3, queue_answer },
    { RAI_SESS_BINDINGQUERY_RESP, binding_answer },
    { RAI_SESS_BINDINGQUERY_RESP_V2, binding_answer },
    { RAI_SESS_BINDINGQUERY_RESP_V3, binding_answer },
    { RAI_SESS_BINDINGQUERY_RESP_V4, binding_answer },
    { RAI_SESS_BINDINGQUERY_RESP_V5, binding_answer },
    { RAI_SESS_RECEIVE_MSG, receive },
    { RAI_SESS_RECEIVE_LARGE_MSG, receive_large },
    { RAI_SESS_RECEIVE_CONTINUATION, receive_chunk },
    { RAI_SESS_SEND, send_tail },
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    long before = rai_alloc_count();
    struct rai_frame f;
    size_t need = 0;
    int rc;
    while ((rc = rai_frame_next(bytes, size, &f, &need)) == 1) {
        FUZZ_CHECK(f.bytes == bytes && f.size >= RAI_FRAME_HEADER && f.size <= size);
        FUZZ_CHECK(f.body.end == bytes + f.size);
        FUZZ_CHECK(rai_packet_name(f.type) != NULL);
        for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++)
            if (decoders[i].type == f.type)
                decoders[i].decode(&f);
        bytes += f.size;
        size -= f.size;
    }
    FUZZ_CHECK(rc == -1 || need > size, "%zu of %zu", size, need);
    FUZZ_CHECK(rai_alloc_count() == before);
    return 0;
}
