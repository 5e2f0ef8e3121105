#include "bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/message.h"

enum { PACE = 10000, SLOW_PACE = 2000, TURN_US = 1000, STEPS = 60, MOST_TURNS = 1000000 };

static const char session_name[] = "bare";

uint32_t bare_random(struct bare *b, uint32_t below)
{
    b->state = b->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below == 0 ? 0 : (uint32_t)((b->state >> 33) % below);
}

static void fail(const struct bare *b, const char *what)
{
    fprintf(stderr, "seed %llu, at %.6f s: %s\n", (unsigned long long)b->seed, (double)b->now / 1e6, what);
    exit(1);
}

/* --- bytes --- */

static struct bare_link *present(struct bare *b)
{
    return &b->links[b->link_count - 1];
}

static void write_up(const struct bare *b, struct bare_link *l, const uint8_t *bytes, size_t size)
{
    struct bare_bytes *up = &l->up;
    if (up->size + size > up->room) {
        up->room = 2 * (up->size + size);
        up->bytes = realloc(up->bytes, up->room);
        if (up->bytes == NULL)
            fail(b, "out of memory");
    }
    memcpy(up->bytes + up->size, bytes, size);
    up->size += size;
}

static uint8_t *frame_of(const struct bare *b, size_t size)
{
    uint8_t *frame = malloc(size);
    if (frame == NULL)
        fail(b, "out of memory");
    return frame;
}

/* Encodes a packet; `use` gets the frame and owns it. */
#define WITH_FRAME(b, use, put, ...)                                      \
    do {                                                                  \
        struct rai_writer count_ = { NULL, 0 };                           \
        put(&count_, 0, __VA_ARGS__);                                     \
        uint8_t *frame_ = frame_of(b, count_.size);                       \
        put(&(struct rai_writer){ frame_, 0 }, count_.size, __VA_ARGS__); \
        use(b, frame_, count_.size);                                      \
    } while (0)

static void say(struct bare *b, uint8_t *frame, size_t size)
{
    write_up(b, present(b), frame, size);
    free(frame);
}

static void command(struct bare *b, uint8_t *frame, size_t size)
{
    int at = (b->log_at + b->log_count) % BARE_LOG;
    if (b->log_count++ == BARE_LOG)
        fail(b, "the log is full");
    b->log[at].bytes = frame;
    b->log[at].size = size;
    if (!b->recovering)
        write_up(b, present(b), frame, size);
}

/* --- the log --- */

static void drop(struct bare *b, uint32_t number)
{
    int32_t n = (int32_t)(number - b->first + 1);
    if (n <= 0)
        return;
    for (; n > 0 && b->log_count > 0; n--) {
        free(b->log[b->log_at].bytes);
        b->log_at = (b->log_at + 1) % BARE_LOG;
        b->log_count--;
    }
    b->first = number + 1;
}

static void replay(struct bare *b)
{
    for (int i = 0; i < b->log_count; i++) {
        int at = (b->log_at + i) % BARE_LOG;
        write_up(b, present(b), b->log[at].bytes, b->log[at].size);
    }
}

/* --- what the broker says --- */

/* An answer that comes a second time is no packet of its own. */
static void on_null(struct bare *b, const struct rai_frame *f)
{
    int64_t correlation;
    if (!rai_get_null_response(f, &correlation))
        fail(b, "a malformed answer");
    bool known = correlation > 0 && correlation < BARE_CORRELATIONS;
    if (known && b->answered[correlation])
        return;
    if (known)
        b->answered[correlation] = true;
    b->received++;
}

static void on_exception(struct bare *b, const struct rai_frame *f)
{
    char text[256], name[32];
    int32_t code;
    int64_t correlation;
    b->received++;
    snprintf(name, sizeof name, "barrier.%d.", b->barriers);
    if (rai_get_exception(f, &code, text, sizeof text, &correlation) && strstr(text, name) != NULL)
        b->barrier_done = true;
    else if (strstr(text, "barrier.") == NULL)
        b->exceptions++;
}

static void on_delivery(struct bare *b, const struct rai_frame *f)
{
    struct rai_delivery d;
    b->received++;
    if (b->delivered != NULL && rai_get_receive(f, &d))
        b->delivered(b->ctx, &d);
}

static void on_confirmed(struct bare *b, const struct rai_frame *f)
{
    int32_t last;
    if (!rai_get_packets_confirmed(f, &last))
        fail(b, "a malformed confirmation");
    if (b->holding)
        b->held = last;
    else
        drop(b, (uint32_t)last);
}

static void on_session_packet(struct bare *b, const struct rai_frame *f)
{
    switch (f->type) {
    case RAI_PACKETS_CONFIRMED:
        on_confirmed(b, f);
        break;
    case RAI_NULL_RESPONSE:
        on_null(b, f);
        break;
    case RAI_EXCEPTION:
        on_exception(b, f);
        break;
    case RAI_SESS_RECEIVE_MSG:
        on_delivery(b, f);
        break;
    default:
        b->barrier_done |= f->type == RAI_SESS_XA_RESP;
        b->received++;
    }
}

static void on_frame(struct bare *b, const struct rai_frame *f)
{
    bool good;
    if (f->channel == BARE_CHANNEL)
        on_session_packet(b, f);
    else if (f->type == RAI_CREATESESSION_RESP)
        b->created = true;
    else if (f->type == RAI_REATTACH_SESSION_RESP && rai_get_reattach_resp(f, &b->count, &good)) {
        b->found = true;
        if (!good)
            fail(b, "the session is gone");
    }
}

/* --- turns --- */

static void move_up(struct bare *b, struct bare_link *l)
{
    size_t left = l->up.size - l->up.at, part = l->pace > PACE ? left : bare_random(b, (uint32_t)l->pace + 1);
    part = part < left ? part : left;
    if (part > 0)
        rai_mock_input(b->m, l->id, l->up.bytes + l->up.at, part);
    l->up.at += part;
    if (l->up.at == l->up.size)
        l->up.at = l->up.size = 0;
    if (l->up.size == 0 && l->tell) {
        rai_mock_ended(b->m, l->id);
        l->tell = false;
    }
}

/* Only the present link is listened to. */
static void move_down(struct bare *b, const struct bare_link *l)
{
    struct rai_frame f;
    size_t size, need, at = 0;
    const uint8_t *bytes = rai_mock_output(b->m, l->id, &size);
    while (at < size && rai_frame_next(bytes + at, size - at, &f, &need) == 1) {
        if (l == present(b))
            on_frame(b, &f);
        at += f.size;
    }
    rai_mock_sent(b->m, l->id, at);
}

void bare_turn(struct bare *b)
{
    for (int i = 0; i < b->link_count; i++)
        move_up(b, &b->links[i]);
    rai_mock_turn(b->m, STEPS, b->now);
    for (int i = 0; i < b->link_count; i++)
        move_down(b, &b->links[i]);
    b->now += bare_random(b, TURN_US);
}

static void wait_for(struct bare *b, const bool *what, const char *name)
{
    for (int i = 0; !*what && i < MOST_TURNS; i++)
        bare_turn(b);
    if (!*what)
        fail(b, name);
}

/* --- links and sessions --- */

static void forget_link(struct bare *b, int which)
{
    free(b->links[which].up.bytes);
    memmove(&b->links[which], &b->links[which + 1], sizeof *b->links * (size_t)(b->link_count - which - 1));
    b->link_count--;
}

static void put_session(struct bare *b, const char *name, int64_t channel, bool transacted)
{
    struct rai_create_session session = { .name = name,
                                          .channel = channel,
                                          .version = RAI_VERSION,
                                          .auto_commit_sends = !transacted,
                                          .auto_commit_acks = !transacted,
                                          .window = BARE_WINDOW };
    WITH_FRAME(b, say, rai_put_create_session, &session);
}

/* With an anchor: a broker that notices a link's end closes a session that is just moving, unless another is there. */
static void open_link(struct bare *b)
{
    char anchor[32];
    if (b->link_count == BARE_LINKS)
        forget_link(b, 0);
    b->links[b->link_count++] = (struct bare_link){ .id = rai_mock_accept(b->m, b->now), .pace = PACE };
    write_up(b, present(b), (const uint8_t *)RAI_PREAMBLE, RAI_PREAMBLE_SIZE);
    WITH_FRAME(b, say, rai_put_ping, 3600000);
    WITH_FRAME(b, say, rai_put_subscribe_topology, RAI_VERSION);
    snprintf(anchor, sizeof anchor, "anchor.%u", (unsigned)present(b)->id);
    put_session(b, anchor, BARE_CHANNEL + 1, false);
}

void bare_start(struct bare *b, bool transacted)
{
    b->state = b->seed * UINT64_C(2862933555777941757) + 3037000493;
    b->received = -1;
    b->now = 1000000;
    open_link(b);
    put_session(b, session_name, BARE_CHANNEL, transacted);
    wait_for(b, &b->created, "no session");
}

void bare_end(struct bare *b)
{
    while (b->link_count > 0)
        forget_link(b, b->link_count - 1);
    drop(b, b->first + (uint32_t)b->log_count);
}

/* --- commands --- */

void bare_send(struct bare *b, int seq, bool respond)
{
    char body[16];
    struct rai_send send = { .address = "in", .respond = respond, .correlation = 0, .routing_type = -1 };
    ra_message *m = rai_message_new(0);
    if (m == NULL)
        fail(b, "out of memory");
    if (respond)
        send.correlation = ++b->correlation;
    rai_message_lend_body(m, body, (size_t)snprintf(body, sizeof body, "%d", seq));
    m->durable = true;
    WITH_FRAME(b, command, rai_put_send, BARE_CHANNEL, RAI_VERSION, m, &send);
    rai_message_unref(m);
}

void bare_commit(struct bare *b)
{
    b->correlation++;
    WITH_FRAME(b, command, rai_put_commit, BARE_CHANNEL, RAI_VERSION, b->correlation);
}

void bare_credits(struct bare *b, int32_t credits)
{
    WITH_FRAME(b, command, rai_put_flow_token, BARE_CHANNEL, 0, credits);
}

void bare_consume(struct bare *b, int32_t credits)
{
    struct rai_create_consumer consumer = { .queue = "in" };
    WITH_FRAME(b, command, rai_put_create_consumer, BARE_CHANNEL, RAI_VERSION, &consumer);
    bare_credits(b, credits);
    WITH_FRAME(b, command, rai_put_simple, RAI_SESS_START, BARE_CHANNEL);
}

void bare_acknowledge(struct bare *b, int64_t id, bool respond)
{
    WITH_FRAME(b, command, rai_put_acknowledge, BARE_CHANNEL, 0, id, true, respond);
}

/* --- cuts and what comes after them --- */

static void cut(struct bare *b, enum bare_cut how)
{
    struct bare_link *l = present(b);
    if (how == BARE_RESET)
        l->up.size -= bare_random(b, (uint32_t)(l->up.size - l->up.at) + 1);
    l->tell = how == BARE_RESET || how == BARE_FINISH;
    if (how == BARE_LATE)
        l->pace = SLOW_PACE;
    if (how == BARE_ABANDON)
        l->pace = SIZE_MAX; /* it stands in the broker's kernel */
}

static uint32_t reattach(struct bare *b)
{
    b->found = false;
    WITH_FRAME(b, say, rai_put_reattach, session_name, b->received);
    wait_for(b, &b->found, "no answer to a REATTACH");
    return (uint32_t)b->count;
}

/* XA_FORGET of a transaction that nobody knows, its branch as long as the window is. */
static void put_counted_barrier(struct rai_writer *w, size_t size, int32_t number)
{
    static const uint8_t branch[BARE_WINDOW];
    rai_put_header(w, RAI_SESS_XA_FORGET, BARE_CHANNEL, size);
    rai_put_i32(w, number);
    rai_put_i32(w, sizeof branch - 30);
    rai_put_raw(w, branch, sizeof branch - 30);
    rai_put_i32(w, 1);
    rai_put_u8(w, 7);
}

/* What is confirmed meanwhile is looked at when the answer is there: the last number is the barrier's own. */
static void counted_barrier(struct bare *b)
{
    b->holding = true;
    b->barrier_done = false;
    b->barriers++;
    WITH_FRAME(b, say, put_counted_barrier, b->barriers);
    wait_for(b, &b->barrier_done, "no answer to a barrier");
    b->holding = false;
    drop(b, (uint32_t)b->held - 1);
    b->first = (uint32_t)b->held + 1;
}

static void uncounted_barrier(struct bare *b)
{
    char name[32];
    struct rai_create_consumer consumer = { .id = 99, .queue = name, .respond = true };
    b->barrier_done = false;
    snprintf(name, sizeof name, "barrier.%d.", ++b->barriers);
    WITH_FRAME(b, say, rai_put_create_consumer, BARE_CHANNEL, RAI_VERSION, &consumer);
    wait_for(b, &b->barrier_done, "no answer to a barrier");
    open_link(b);
}

static void wait_a_while(struct bare *b)
{
    for (int64_t until = b->now + 50000; b->now < until;)
        bare_turn(b);
}

void bare_cut_and_recover(struct bare *b, enum bare_cut how)
{
    cut(b, how);
    b->recovering = true; /* what is to be sent meanwhile goes with the replay */
    open_link(b);
    drop(b, reattach(b));
    if (b->variant == BARE_B)
        counted_barrier(b);
    if (b->variant == BARE_D)
        wait_a_while(b);
    if (b->variant == BARE_Q)
        uncounted_barrier(b);
    if (b->variant == BARE_D || b->variant == BARE_Q)
        drop(b, reattach(b));
    b->recovering = false;
    replay(b);
}
