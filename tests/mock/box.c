#include "box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"

enum { SECOND = 1000000 };

void box_init(struct box *b)
{
    memset(b, 0, sizeof *b);
    b->now = SECOND;
    b->config = (struct rai_mock_config){ .seed = 1, .version = RAI_VERSION, .node_id = "mock" };
}

void box_start(struct box *b)
{
    b->m = rai_mock_new(&b->config);
}

void box_end(struct box *b)
{
    rai_mock_free(b->m);
    for (int i = 0; i < b->link_count; i++)
        free(b->heard[i]);
}

uint8_t *box_frame(size_t size)
{
    uint8_t *frame = malloc(size);
    if (frame == NULL)
        abort();
    return frame;
}

void box_say(struct box *b, int link, const uint8_t *frame, size_t size)
{
    rai_mock_input(b->m, b->links[link], frame, size);
    free((void *)frame);
}

/* --- hearing --- */

static void collect(struct box *b, int link)
{
    size_t size;
    const uint8_t *bytes = rai_mock_output(b->m, b->links[link], &size);
    if (bytes == NULL)
        return;
    uint8_t *all = realloc(b->heard[link], b->heard_size[link] + size);
    if (all == NULL)
        abort();
    memcpy(all + b->heard_size[link], bytes, size);
    b->heard[link] = all;
    b->heard_size[link] += size;
    rai_mock_sent(b->m, b->links[link], size);
}

void box_run(struct box *b)
{
    while (rai_mock_turn(b->m, 0, b->now))
        ;
    for (int i = 0; i < b->link_count; i++)
        collect(b, i);
}

void box_pass(struct box *b, int64_t us)
{
    int64_t until = b->now + us, next;
    box_run(b);
    while ((next = rai_mock_deadline(b->m)) <= until) {
        b->now = next > b->now ? next : b->now;
        box_run(b);
    }
    b->now = until;
    box_run(b);
}

static void put_sstr(char *out, size_t room, struct rai_sstr s)
{
    char text[256];
    if (s.data == NULL || s.size > 160)
        return;
    text[rai_utf16le_to_utf8(s.data, s.size, text)] = '\0';
    snprintf(out + strlen(out), room - strlen(out), " %s", text);
}

static void describe_message(struct box *b, const struct rai_frame *f, char *out, size_t room)
{
    struct rai_delivery d;
    int64_t sequence;
    bool bad;
    cr_assert(rai_get_receive(f, &d));
    ra_message *m = rai_message_decode(d.blob, d.blob_size, NULL, &bad);
    cr_assert_not_null(m);
    b->last_id = (uint64_t)m->id;
    if (rai_message_long(m, "_hornetq.forced.delivery.seq", &sequence))
        snprintf(out, room, "MARKER %lld %lld", (long long)d.consumer, (long long)sequence);
    else
        snprintf(out, room, "MSG %lld %d %.*s", (long long)d.consumer, d.count, (int)m->body_size,
                 (const char *)m->body);
    rai_message_unref(m);
}

static void describe_large(struct box *b, const struct rai_frame *f, char *out, size_t room)
{
    struct rai_delivery d;
    bool bad;
    cr_assert(rai_get_receive_large(f, &d));
    ra_message *m = rai_message_decode_headers(d.blob, d.blob_size, &bad);
    cr_assert_not_null(m);
    b->last_id = (uint64_t)m->id;
    rai_message_unref(m);
    snprintf(out, room, "LARGE %lld %d %lld", (long long)d.consumer, d.count, (long long)d.large_size);
}

static void describe_binding(const struct rai_frame *f, char *out, size_t room)
{
    struct rai_binding_answer answer;
    cr_assert(rai_get_binding_answer(f, &answer));
    snprintf(out, room, "BINDING%s", answer.exists ? "" : " none");
    for (int32_t i = 0; i < answer.count; i++)
        put_sstr(out, room, rai_get_sstr(&answer.names));
}

static void describe_queue(const struct rai_frame *f, char *out, size_t room)
{
    struct rai_queue_answer answer;
    cr_assert(rai_get_queue_answer(f, &answer));
    snprintf(out, room, "QUEUE");
    put_sstr(out, room, answer.name);
    if (answer.exists)
        snprintf(out + strlen(out), room - strlen(out), " %lld %d", (long long)answer.messages, answer.consumers);
    else
        snprintf(out + strlen(out), room - strlen(out), " none");
}

static void describe_exception(const struct rai_frame *f, char *out, size_t room)
{
    int32_t code;
    int64_t correlation;
    char text[256];
    cr_assert(rai_get_exception(f, &code, text, sizeof text, &correlation));
    snprintf(out, room, correlation == RAI_NO_CORRELATION ? "EXCEPTION %d" : "EXCEPTION %d %lld", code,
             (long long)correlation);
}

static void describe_answer(const struct rai_frame *f, char *out, size_t room)
{
    struct rai_sstr address;
    int32_t number;
    int64_t correlation;
    bool found;
    struct rai_reader r = f->body;
    struct rai_chunk chunk;
    struct rai_disconnect disconnect;
    snprintf(out, room, "%s", rai_packet_name(f->type));
    if (f->type == RAI_NULL_RESPONSE && rai_get_null_response(f, &correlation))
        snprintf(out, room, "NULL %lld", (long long)correlation);
    else if (f->type == RAI_PACKETS_CONFIRMED && rai_get_packets_confirmed(f, &number))
        snprintf(out, room, "CONFIRMED %d", number);
    else if (f->type == RAI_CREATESESSION_RESP && rai_get_create_session_resp(f, &number))
        snprintf(out, room, "CREATED %d", number);
    else if (f->type == RAI_REATTACH_SESSION_RESP && rai_get_reattach_resp(f, &number, &found))
        snprintf(out, room, found ? "REATTACHED %d" : "GONE", number);
    else if (f->type == RAI_SESS_RECEIVE_CONTINUATION && rai_get_receive_chunk(f, &chunk))
        snprintf(out, room, "CHUNK %lld %zu %s", (long long)chunk.consumer, chunk.size,
                 chunk.continues ? "more" : "last");
    else if (f->channel == RAI_CHANNEL_PING && f->type != RAI_PING && rai_get_disconnect(f, &disconnect))
        snprintf(out, room, "DISCONNECT %d", disconnect.reason);
    else if (f->type == RAI_PING)
        snprintf(out, room, "PING %lld", (long long)rai_get_i64(&r));
    else if ((f->type == RAI_SESS_PRODUCER_CREDITS || f->type == RAI_SESS_PRODUCER_FAIL_CREDITS) &&
             rai_get_producer_credits(f, &number, &address)) {
        snprintf(out, room, f->type == RAI_SESS_PRODUCER_CREDITS ? "CREDITS %d" : "FULL %d", number);
        put_sstr(out, room, address);
    }
}

static void describe(struct box *b, const struct rai_frame *f, char *out, size_t room)
{
    int n = snprintf(out, room, "%lld ", (long long)f->channel);
    out += n;
    room -= (size_t)n;
    switch (f->type) {
    case RAI_SESS_RECEIVE_MSG:
        describe_message(b, f, out, room);
        break;
    case RAI_SESS_RECEIVE_LARGE_MSG:
        describe_large(b, f, out, room);
        break;
    case RAI_SESS_BINDINGQUERY_RESP_V4:
    case RAI_SESS_BINDINGQUERY_RESP_V5:
        describe_binding(f, out, room);
        break;
    case RAI_SESS_QUEUEQUERY_RESP_V3:
        describe_queue(f, out, room);
        break;
    case RAI_EXCEPTION:
        describe_exception(f, out, room);
        break;
    case RAI_CLUSTER_TOPOLOGY_V2:
    case RAI_CLUSTER_TOPOLOGY_V4:
        snprintf(out, room, "TOPOLOGY");
        break;
    default:
        describe_answer(f, out, room);
    }
}

const char *box_hears(struct box *b, int link)
{
    struct rai_frame f;
    size_t need;
    if (rai_frame_next(b->heard[link], b->heard_size[link], &f, &need) != 1)
        return NULL;
    describe(b, &f, b->line, sizeof b->line);
    size_t left = b->heard_size[link] - f.size;
    memmove(b->heard[link], b->heard[link] + f.size, left);
    b->heard_size[link] = left;
    return b->line;
}

void box_ignore(struct box *b, int link)
{
    box_run(b);
    while (box_hears(b, link) != NULL)
        ;
}

void box_expect(struct box *b, int link, const char *const *lines, const char *file, int where)
{
    const char *line;
    box_run(b);
    for (; *lines != NULL; lines++) {
        line = box_hears(b, link);
        cr_assert(line != NULL && strcmp(line, *lines) == 0, "%s:%d: \"%s\" came, and not \"%s\"", file, where,
                  line != NULL ? line : "nothing", *lines);
    }
    line = box_hears(b, link);
    cr_assert_null(line, "%s:%d: \"%s\" came, and nothing was to come", file, where, line);
}

/* --- what tests often say --- */

int box_link(struct box *b)
{
    cr_assert(b->link_count < BOX_LINKS);
    int link = b->link_count++;
    b->links[link] = rai_mock_accept(b->m, b->now);
    rai_mock_input(b->m, b->links[link], (const uint8_t *)RAI_PREAMBLE, RAI_PREAMBLE_SIZE);
    SAY(b, link, rai_put_subscribe_topology, b->config.version);
    HEARS(b, link, "0 TOPOLOGY");
    return link;
}

void box_session(struct box *b, int link, const char *name, bool transacted)
{
    struct rai_create_session session = { .name = name,
                                          .channel = BOX_CHANNEL,
                                          .version = b->config.version,
                                          .min_large_message_size = 100,
                                          .auto_commit_sends = !transacted,
                                          .auto_commit_acks = !transacted,
                                          .window = 1 << 20 };
    char created[32];
    snprintf(created, sizeof created, "1 CREATED %d", b->config.version);
    SAY(b, link, rai_put_create_session, &session);
    HEARS(b, link, created);
}

void box_send_message(struct box *b, int link, const char *address, const ra_message *m, int64_t correlation)
{
    struct rai_send send = {
        .address = address, .respond = correlation > 0, .correlation = correlation, .routing_type = -1
    };
    SAY(b, link, rai_put_send, BOX_CHANNEL, b->config.version, m, &send);
}

void box_send(struct box *b, int link, const char *address, const char *body, int64_t correlation)
{
    ra_message *m = rai_message_new(0);
    rai_message_lend_body(m, body, strlen(body));
    m->durable = true;
    box_send_message(b, link, address, m, correlation);
    rai_message_unref(m);
}

void box_consumer(struct box *b, int link, int64_t id, const char *queue, const char *filter)
{
    struct rai_create_consumer consumer = { .id = id, .queue = queue, .filter = filter };
    SAY(b, link, rai_put_create_consumer, BOX_CHANNEL, b->config.version, &consumer);
    SAY(b, link, rai_put_flow_token, BOX_CHANNEL, id, -1);
    SAY(b, link, rai_put_simple, RAI_SESS_START, BOX_CHANNEL);
}
