/*
 * The broker in a box and a client that says anything. Input: one byte for the configuration, then records of one byte
 * what happens, and what that needs. The mock never crashes or leaks, and what it says are frames.
 */
#include <string.h>

#include "codec/message.h"
#include "codec/packets.h"
#include "fuzz.h"
#include "mock/mock.h"

enum { LINKS = 4, FRAME = 2048 };

struct scene {
    rai_mock *m;
    struct fuzz_input in;
    int64_t now;
    uint32_t links[LINKS];
    bool torn[LINKS]; /* a part of a frame was taken */
    bool broken;      /* garbage or parts of frames may come on command */
};

/* What was said is taken; while only whole frames were, it begins with one, and nothing else ever comes. */
static void listen(struct scene *x, int which, size_t most)
{
    size_t size, need, at = 0;
    struct rai_frame frame;
    const uint8_t *bytes = rai_mock_output(x->m, x->links[which], &size);
    int rc = 1;
    x->torn[which] |= x->broken || rai_mock_cut_of(x->m, x->links[which]) != 0;
    while (at < size && !x->torn[which] && (rc = rai_frame_next(bytes + at, size - at, &frame, &need)) == 1)
        at += frame.size;
    FUZZ_CHECK(rc >= 0);
    if (most < size && most != at)
        x->torn[which] = true;
    rai_mock_sent(x->m, x->links[which], x->torn[which] ? (most < size ? most : size) : at);
}

static void say(struct scene *x, uint32_t link, const uint8_t *bytes, size_t size)
{
    rai_mock_input(x->m, link, bytes, size);
}

static void framed(struct scene *x, uint32_t link)
{
    static const int64_t channels[] = { 10, 0, 1, 11, INT64_C(1) << 40, 99, -1, INT64_MAX };
    uint8_t type = fuzz_byte(&x->in), where = fuzz_byte(&x->in), length = fuzz_byte(&x->in), frame[512];
    size_t size;
    const uint8_t *body = fuzz_bytes(&x->in, length, &size);
    struct rai_writer w = { frame, 0 };
    rai_put_header(&w, (int8_t)type, channels[where % 8], RAI_FRAME_HEADER + size);
    memcpy(frame + RAI_FRAME_HEADER, body, size);
    say(x, link, frame, RAI_FRAME_HEADER + size);
}

/* A request as our engine writes it, with the numbers and names of the input. */
static void put_request(struct rai_writer *w, size_t size, uint8_t what, int64_t channel, uint8_t n)
{
    static const char *const names[] = { "q", "a", "nowhere", "" };
    const char *name = names[n % 4];
    struct rai_create_session session = { .name = name, .channel = channel, .version = 136, .window = n };
    static const char *const filters[] = { NULL, "AMQPriority > 3 AND x IS NULL", "NOT (x = 'y')", "x >" };
    struct rai_create_consumer consumer = {
        .id = n % 8, .queue = name, .filter = filters[n / 8 % 4], .browse = n & 64, .respond = true
    };
    struct rai_send_piece piece = { .data = "piece", .size = n % 6, .last = n & 8, .body_size = n & 16 ? n : -1 };
    struct rai_create_queue queue = { .address = names[n / 4 % 4],
                                      .queue = name,
                                      .respond = true,
                                      .durable = n & 64,
                                      .temporary = n & 32,
                                      .filter = filters[n / 16 % 4],
                                      .routing_type = n % 3 - 1,
                                      .max_consumers = -1 };
    struct rai_send send = { .address = name, .respond = n & 64, .correlation = n, .routing_type = n % 3 - 1 };
    ra_message m = { .refs = 1, .body = (const uint8_t *)"body", .body_size = 4, .durable = n & 128 };
    static const uint8_t id[] = "\0\0\0\x18_\0A\0M\0Q\0_\0D\0U\0P\0L\0_\0I\0D\0\x04\0\0\0\1x";
    session.auto_commit_sends = session.auto_commit_acks = n & 64;
    session.pre_acknowledge = n & 32;
    session.min_large_message_size = n % 4;
    m.expiration = n & 4 ? 2000 : 0;
    m.properties = n & 2 ? id : NULL;
    m.properties_size = n & 2 ? sizeof id - 1 : 0;
    m.property_count = n & 2 ? 1 : 0;
    switch (what % 24) {
    case 0:
        rai_put_ping(w, size, n * 1000);
        break;
    case 1:
        rai_put_subscribe_topology(w, size, 129 + n % 10);
        break;
    case 2:
        rai_put_create_session(w, size, &session);
        break;
    case 3:
        rai_put_reattach(w, size, name, (int8_t)n);
        break;
    case 4:
    case 5:
        rai_put_send(w, size, channel, 136, &m, &send);
        break;
    case 6:
        rai_put_create_consumer(w, size, channel, 136, &consumer);
        break;
    case 7:
        rai_put_flow_token(w, size, channel, n % 8, n & 8 ? -1 : n * 100);
        break;
    case 8:
        rai_put_acknowledge(w, size, channel, n % 8, n / 8, n & 1, n & 2);
        break;
    case 9:
        rai_put_commit(w, size, channel, 136, n);
        break;
    case 10:
        rai_put_rollback(w, size, channel, n & 1);
        break;
    case 11:
        rai_put_create_queue(w, size, channel, &queue);
        break;
    case 12:
        rai_put_delete_queue(w, size, channel, name);
        break;
    case 13:
        rai_put_queue_query(w, size, channel, name);
        break;
    case 14:
        rai_put_binding_query(w, size, channel, name);
        break;
    case 15:
        rai_put_consumer_close(w, size, channel, n % 8);
        break;
    case 16:
        rai_put_force_delivery(w, size, channel, n % 8, n);
        break;
    case 17:
        rai_put_request_credits(w, size, channel, n * 100, name);
        break;
    case 18:
        rai_put_packets_confirmed(w, size, channel, (int8_t)n);
        break;
    case 19:
        rai_put_send_large(w, size, channel, &m, &send);
        break;
    case 20:
    case 21:
        rai_put_send_piece(w, size, channel, 136, &piece, &send);
        break;
    case 22:
        rai_put_expired(w, size, channel, n % 8, n / 8);
        break;
    default:
        rai_put_simple(w, size, n & 1 ? RAI_SESS_START : n & 2 ? RAI_SESS_STOP : RAI_SESS_CLOSE, channel);
    }
}

static void request(struct scene *x, uint32_t link, uint8_t what, int64_t channel, uint8_t n)
{
    uint8_t frame[FRAME];
    struct rai_writer count = { NULL, 0 };
    put_request(&count, 0, what, channel, n);
    FUZZ_CHECK(count.size <= sizeof frame);
    struct rai_writer w = { frame, 0 };
    put_request(&w, count.size, what, channel, n);
    say(x, link, frame, count.size);
}

/* Whatever the numbers say, they are taken or refused. */
static void add_fault(struct scene *x)
{
    static const int64_t delays[] = { 0, 1000, 10000000, -1 };
    uint8_t what = fuzz_byte(&x->in), n = fuzz_byte(&x->in);
    struct rai_mock_fault f = { .action = what % 12,
                                .place = what / 12 % 5,
                                .from_client = what & 64,
                                .type = what & 128 ? RAI_MOCK_ANY_TYPE : (int8_t)fuzz_byte(&x->in),
                                .channel = RAI_MOCK_ANY_CHANNEL,
                                .nth = n % 4,
                                .times = n & 4 ? RAI_MOCK_ALWAYS : n % 3,
                                .chance = n & 8 ? 500 : 0,
                                .code = n,
                                .delay_us = delays[n / 16 % 4] };
    x->broken |= rai_mock_fault_add(x->m, &f) != 0 && (f.action == RAI_MOCK_GARBAGE || f.place == RAI_MOCK_INSIDE);
}

static void fault(struct scene *x, uint32_t link)
{
    uint8_t what = fuzz_byte(&x->in), n = fuzz_byte(&x->in);
    switch (what % 16) {
    case 6:
        add_fault(x);
        break;
    case 7:
        rai_mock_fault_drop(x->m, n);
        break;
    case 8:
        rai_mock_cut(x->m, link, n % 4 + 1);
        break;
    case 9:
        rai_mock_slow(x->m, n * 1000);
        break;
    case 10:
        rai_mock_redirect(x->m, n & 1 ? "host" : NULL, n);
        break;
    case 11:
        rai_mock_unreachable(x->m, n & 1);
        break;
    case 12:
        rai_mock_limit(x->m, n & 1 ? "q" : "a", n / 2 % 4, n & 8 ? n : -1);
        break;
    case 13:
        rai_mock_set_id_cache(x->m, n % 4);
        break;
    case 14:
        rai_mock_corrupt_pieces(x->m, n % 101);
        break;
    case 15:
        rai_mock_delete_queue(x->m, n & 1 ? "q" : "a");
        break;
    case 0:
        rai_mock_restart(x->m, n & 1);
        break;
    case 1:
        rai_mock_disconnect(x->m, link, n % 7 - 1);
        break;
    case 2:
        rai_mock_refuse(x->m, n & 1 ? "q" : "a", n / 2);
        break;
    case 3:
        rai_mock_fill(x->m, n & 1 ? "q" : "a", n & 2);
        break;
    case 4:
        (n & 2 ? rai_mock_add_large_message : rai_mock_add_message)(x->m, n & 1 ? "q" : "a", (const uint8_t *)"added",
                                                                    5);
        break;
    default:
        rai_mock_confirm_all(x->m);
    }
}

static void one_record(struct scene *x)
{
    uint8_t kind = fuzz_byte(&x->in), which = fuzz_byte(&x->in), n;
    uint32_t *link = &x->links[which % LINKS];
    size_t size;
    const uint8_t *bytes;
    switch (kind % 10) {
    case 0:
        framed(x, *link);
        break;
    case 1:
        bytes = fuzz_bytes(&x->in, which / 4, &size);
        say(x, *link, bytes, size);
        break;
    case 2:
    case 3:
    case 4:
        n = fuzz_byte(&x->in);
        request(x, *link, fuzz_byte(&x->in), 10 + which / 4 % 2, n);
        break;
    case 5:
        rai_mock_turn(x->m, which / 4, x->now);
        break;
    case 6:
        x->now += (int64_t)1000 << which % 17;
        rai_mock_turn(x->m, 0, x->now);
        break;
    case 7:
        listen(x, which % LINKS, which & 128 ? SIZE_MAX : which / 4);
        break;
    case 8:
        rai_mock_ended(x->m, *link);
        *link = rai_mock_accept(x->m, x->now);
        x->torn[which % LINKS] = false;
        if (which & 64)
            say(x, *link, (const uint8_t *)RAI_PREAMBLE, RAI_PREAMBLE_SIZE);
        break;
    default:
        fault(x, *link);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct scene x = { .in = { bytes, bytes + size }, .now = 1000000 };
    uint8_t bits = fuzz_byte(&x.in);
    struct rai_mock_config config = { .seed = bits,
                                      .version = 129 + bits % 8,
                                      .node_id = "node",
                                      .sync_us = 20000,
                                      .expiry_address = bits & 32 ? "a" : NULL,
                                      .lost_answers = bits & 8 ? 30 : 0,
                                      .doubled_answers = bits & 16 ? 30 : 0 };
    x.m = rai_mock_new(&config);
    rai_mock_add_queue(x.m, "q", "a", true);
    for (int i = 0; i < LINKS; i++)
        x.links[i] = rai_mock_accept(x.m, x.now);
    for (int i = 0; i < 2; i++) {
        say(&x, x.links[i], (const uint8_t *)RAI_PREAMBLE, RAI_PREAMBLE_SIZE);
        request(&x, x.links[i], 1, 0, 7);
        request(&x, x.links[i], 2, 10 + i, (uint8_t)(64 * i));
    }
    rai_mock_turn(x.m, 0, x.now);
    while (fuzz_left(&x.in) > 0)
        one_record(&x);
    rai_mock_turn(x.m, 0, x.now + 1000000);
    rai_mock_free(x.m);
    return 0;
}
