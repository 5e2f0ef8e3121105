/*
 * The engine and a broker that says anything. On virtual time, without I/O.
 *
 * Input: one byte the scene (how far things have come when the trouble begins), one byte for the configuration, then
 * records of one byte what happens, and what that needs. Whatever the broker says, the engine never crashes, never
 * spins, loses no memory, reports each send once, and ends every operation.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/peer.h"
#include "fuzz.h"

enum { OPS = 128, TAGS = 256, KEPT = 8, SESSIONS = 3, LINKS = 60 };

struct scene {
    struct peer *p;
    struct fuzz_input in;
    rai_session *sessions[SESSIONS];
    rai_producer *producers[2];
    rai_consumer *consumers[2];
    ra_message *kept[KEPT];
    rai_op *ops[OPS];
    int op_count;
    uint64_t tags;              /* given out */
    uint8_t ended[TAGS];        /* times that an outcome was reported */
    rai_session *sent[TAGS];    /* by this one; NULL when it was let go: nobody is there to be told */
    size_t answered[LINKS + 1]; /* of what the engine wrote on a link */
};

/* --- what the engine tells --- */

static void events(struct scene *x)
{
    struct rai_event event;
    rai_op *op;
    void *owner;
    while (rai_engine_next_event(x->p->e, &event)) {
        for (uint64_t tag = event.first; event.kind == RA_EVENT_SEND_OUTCOME && tag <= event.last; tag++) {
            FUZZ_CHECK(tag >= 1 && tag <= x->tags, "tag %llu", (unsigned long long)tag);
            FUZZ_CHECK(x->ended[tag - 1]++ == 0, "two outcomes of send %llu", (unsigned long long)tag);
            FUZZ_CHECK(event.outcome != RA_OUTCOME_PENDING);
        }
    }
    while ((op = rai_engine_next_done(x->p->e)) != NULL) {
        FUZZ_CHECK(rai_op_outcome(op) != RA_OUTCOME_PENDING);
        rai_op_unref(op);
    }
    while (rai_engine_next_ready(x->p->e, &owner) != RAI_READY_NONE)
        ;
}

static void keep_op(struct scene *x, rai_op *op)
{
    if (op != NULL && x->op_count < OPS)
        x->ops[x->op_count++] = op;
    else
        rai_op_unref(op);
}

/* --- time and network --- */

static void refuse_dials(struct scene *x)
{
    struct rai_dial dial;
    struct rai_fault why;
    rai_fault_set(&why, RA_E_CONNECT, "refused");
    while (rai_engine_next_dial(x->p->e, &dial))
        rai_engine_dial_failed(x->p->e, dial.link, &why, x->p->now);
    peer_hangups(x->p);
}

static void dial(struct scene *x)
{
    if (x->p->count >= LINKS)
        refuse_dials(x);
    else
        peer_dial(x->p);
}

/* Each deadline on its time, as a driver would. A deadline that does not move on is a driver's busy loop. */
static void pass(struct scene *x, int64_t us, bool refusing)
{
    int64_t until = x->p->now + us;
    int idle = 0;
    for (int64_t at; (at = rai_engine_deadline(x->p->e)) <= until;) {
        idle = at <= x->p->now ? idle + 1 : 0;
        FUZZ_CHECK(idle < 100, "the engine wants to be woken again and again");
        x->p->now = at > x->p->now ? at : x->p->now;
        rai_engine_tick(x->p->e, x->p->now);
        if (refusing)
            refuse_dials(x);
        peer_hangups(x->p);
        events(x);
    }
    x->p->now = until;
    rai_engine_tick(x->p->e, x->p->now);
    peer_hangups(x->p);
}

static void pump(struct scene *x, int link, size_t max)
{
    if (link >= 1 && link <= x->p->count && x->p->links[link].up)
        peer_pump(x->p, link, max);
}

static void say_bytes(struct scene *x, int link, const uint8_t *bytes, size_t size)
{
    if (link >= 1 && link <= x->p->count && x->p->links[link].up)
        peer_input(x->p, link, bytes, size);
    events(x);
}

static void say(struct scene *x, int link, const char *text)
{
    uint8_t frame[PEER_FRAME_MAX / 64];
    size_t size = peer_compose(x->p, text, frame);
    FUZZ_CHECK(size > 0, "\"%s\"", text);
    say_bytes(x, link, frame, size);
}

/* --- a broker that answers; `how` is 0 for a good one --- */

static int count_of(const struct scene *x, int channel)
{
    for (const rai_session *s = x->p->e->sessions; s != NULL; s = s->next)
        if (s->channel == channel)
            return (int)s->log.first - 1;
    return 0;
}

static void answer_control(struct scene *x, int link, const char *text, int how)
{
    char out[96] = "";
    int n = 0, m;
    if (strcmp(text, "PING") == 0)
        strcpy(out, "PING");
    else if (strncmp(text, "SUBSCRIBE", 9) == 0)
        strcpy(out, how == 0 ? "TOPOLOGY 136 node" : how == 1 ? "OLDTOPOLOGY node" : "TOPOLOGY 131 other");
    else if (strncmp(text, "CREATE ", 7) == 0 || strncmp(text, "ANCHOR", 6) == 0)
        strcpy(out, how == 0 ? "CREATED 136" : how == 1 ? "DENIED 105" : how == 2 ? "DENIED 108" : "CREATED 131");
    else if (sscanf(text, "UNANCHOR %d", &n) == 1)
        snprintf(out, sizeof out, "UNANCHORED %d", n);
    else if (sscanf(text, "REATTACH %d %d", &n, &m) == 2 && how == 7)
        strcpy(out, "REFUSED");
    else if (sscanf(text, "REATTACH %d %d", &n, &m) == 2)
        snprintf(out, sizeof out, "REATTACHED %d", count_of(x, n) + how);
    if (out[0] != '\0')
        say(x, link, out);
}

static void answer_session(struct scene *x, int link, int channel, const char *what, int how)
{
    static const char *const plain[] = { "QUEUE ", "DELETE",   "ADDRESS",        "STOP",
                                         "CLOSE",  "ROLLBACK", "CLOSE_CONSUMER", "COMMIT" };
    char out[128] = "", body[64];
    long long id = 0, n = 0;
    if (sscanf(what, "SEND %*s %lld", &id) == 1 || sscanf(what, "COMMIT %lld", &id) == 1)
        snprintf(out, sizeof out, how == 0 ? "%d OK %lld" : "%d NO 100 %lld", channel, id);
    else if (sscanf(what, "BARRIER %lld", &id) == 1)
        snprintf(out, sizeof out, how == 0 ? "%d NOBARRIER %lld" : "%d NO 105", channel, id);
    else if (strncmp(what, "CONSUMER ", 9) == 0 || strncmp(what, "QUERY", 5) == 0)
        snprintf(out, sizeof out, how == 0 ? "%d QUEUE q" : "%d NO 100", channel);
    else if (strncmp(what, "BINDING", 7) == 0)
        snprintf(out, sizeof out, "%d BINDING %d %d", channel, how == 0, how == 0);
    else if (sscanf(what, "WANT %lld %63s", &n, body) == 2)
        snprintf(out, sizeof out, how == 0 ? "%d CREDITS %lld %s" : "%d FULL %lld %s", channel, n, body);
    else if (strcmp(what, "FLUSH") == 0)
        snprintf(out, sizeof out, "%d TIMEOUT", channel);
    else if (sscanf(what, "FORCE %lld %lld", &id, &n) == 2)
        snprintf(out, sizeof out, "%d MARKER %lld %lld", channel, id, n);
    else if (strncmp(what, "ACK", 3) == 0 && strstr(what, " rr") != NULL)
        snprintf(out, sizeof out, how == 0 ? "%d OK" : "%d NO 104", channel);
    for (size_t i = 0; i < sizeof plain / sizeof *plain && out[0] == '\0'; i++)
        if (strncmp(what, plain[i], strlen(plain[i])) == 0)
            snprintf(out, sizeof out, how == 0 ? "%d OK" : "%d NO 111", channel);
    if (out[0] != '\0')
        say(x, link, out);
}

/* The next frame that the engine wrote on this link; false: there is none. */
static bool answer_one(struct scene *x, int link, int how)
{
    struct peer_link *l = &x->p->links[link];
    size_t *at = &x->answered[link], need;
    struct rai_frame frame;
    char text[256];
    int channel = 0, skipped = 0;
    if (link < 1 || link > x->p->count || !l->up)
        return false;
    pump(x, link, SIZE_MAX);
    if (*at == 0 && l->out_size >= RAI_PREAMBLE_SIZE)
        *at = RAI_PREAMBLE_SIZE;
    if (!l->up || rai_frame_next(l->out + *at, l->out_size - *at, &frame, &need) != 1)
        return false;
    *at += frame.size;
    peer_describe(x->p, &frame, text, sizeof text);
    if (sscanf(text, "%d %n", &channel, &skipped) == 1)
        answer_session(x, link, channel, text + skipped, how);
    else
        answer_control(x, link, text, how);
    return true;
}

static void answer_all(struct scene *x)
{
    bool any = true;
    for (int turns = 0; any && turns < 500; turns++) {
        any = false;
        while (x->p->count < LINKS && peer_dial(x->p) > 0)
            any = true;
        for (int i = 1; i <= x->p->count; i++)
            any |= answer_one(x, i, 0);
        events(x);
    }
}

/* --- what the program does --- */

static void open_session(struct scene *x, int i)
{
    rai_op *op = NULL;
    if (x->sessions[i] == NULL && x->p->e->next_channel < PEER_CHANNELS)
        rai_session_open(x->p->e, i == 1, &x->sessions[i], x->p->now, &x->sessions[i], &op, NULL);
    keep_op(x, op);
}

static void send_one(struct scene *x, uint8_t how)
{
    static const char *const bodies[] = { "n1", "n2", "n3", "n4" };
    rai_producer *producer = x->producers[how & 1];
    enum rai_send_mode mode = (enum rai_send_mode)((how >> 1) % 3);
    rai_op *op = NULL;
    if (producer == NULL || x->tags >= TAGS)
        return;
    static const uint8_t large[150];
    ra_message m = { .refs = 1, .body = (const uint8_t *)bodies[how & 3], .body_size = 2, .durable = how > 100 };
    if (how >= 224)
        m.body = large, m.body_size = sizeof large;
    int rc = rai_producer_send(producer, producer->address == NULL ? "b" : NULL, &m, mode,
                               mode == RAI_SEND_TAGGED ? x->tags + 1 : 0, x->p->now, &op, NULL);
    if (rc == RA_OK && mode == RAI_SEND_TAGGED) {
        x->sent[x->tags++] = producer->s;
    }
    keep_op(x, op);
}

static void take_one(struct scene *x, uint8_t how)
{
    rai_consumer *c = x->consumers[how & 1];
    rai_op *op = NULL;
    ra_message *m = c != NULL ? rai_consumer_take(c, how & 2 ? x->p->now / 1000 : 0, x->p->now) : NULL;
    if (m == NULL)
        return;
    if (how & 4) { /* acknowledge now, or keep it for later */
        rai_consumer_acknowledge(c, m, how & 8, x->p->now, how & 16 ? &op : NULL, NULL);
        keep_op(x, op);
        rai_message_unref(m);
    } else {
        rai_message_unref(x->kept[how / 32]);
        x->kept[how / 32] = m;
    }
}

static void acknowledge_kept(struct scene *x, uint8_t how)
{
    ra_message *m = x->kept[how / 32];
    rai_consumer *c = x->consumers[how & 1];
    rai_op *op = NULL;
    if (m != NULL && c != NULL)
        rai_consumer_acknowledge(c, m, how & 2, x->p->now, &op, NULL);
    keep_op(x, op);
}

/* Bodies that are written and read in pieces. */
static void body_in_pieces(struct scene *x, uint8_t how)
{
    static uint8_t bytes[200];
    static ra_message headers = { .refs = 1 };
    rai_producer *producer = x->producers[how & 1];
    rai_consumer *c = x->consumers[how & 1];
    ra_message *m = x->kept[how / 32];
    rai_op *op = NULL;
    if (how % 10 < 2 && producer != NULL)
        rai_producer_start_large(producer, producer->address == NULL ? "b" : NULL, &headers, x->p->now, NULL);
    else if (how % 10 < 6 && producer != NULL)
        rai_producer_write_large(producer, bytes, how, x->p->now, NULL);
    else if (how % 10 == 6 && producer != NULL)
        rai_producer_finish_large(producer, how & 64 ? RAI_SEND_OP : RAI_SEND_FORGET, x->p->now, &op, NULL);
    else if (how == 7 && producer != NULL)
        rai_producer_cancel_large(producer);
    else if (how % 10 >= 7 && c != NULL && m != NULL)
        rai_consumer_read(c, m, bytes, how, x->p->now, NULL);
    keep_op(x, op);
}

static void session_request(struct scene *x, uint8_t how)
{
    rai_session *s = x->sessions[how % SESSIONS];
    rai_op *op = NULL;
    int64_t now = x->p->now;
    if (s == NULL)
        return;
    switch (how / SESSIONS % 11) {
    case 0:
        rai_session_start(s, now, NULL);
        break;
    case 1:
        rai_session_stop(s, now, &op, NULL);
        break;
    case 2:
        rai_session_commit(s, now, &op, NULL);
        break;
    case 3:
        rai_session_rollback(s, now, &op, NULL);
        break;
    case 4:
        rai_session_flush(s, now, &op, NULL);
        break;
    case 5:
        rai_session_create_address(s, "a", true, false, now, &op, NULL);
        break;
    case 6:
        rai_session_create_queue(s, "q", NULL, 1, 0, NULL, now, &op, NULL);
        break;
    case 7:
        rai_session_delete_queue(s, "q", now, &op, NULL);
        break;
    case 8:
        rai_session_query_queue(s, "q", now, &op, NULL);
        break;
    case 9:
        rai_session_query_address(s, "a", now, &op, NULL);
        break;
    default:
        rai_session_close(s, now, &op, NULL);
    }
    keep_op(x, op);
}

static void open_producer(struct scene *x, uint8_t how)
{
    rai_producer **producer = &x->producers[how & 1];
    rai_session *s = x->sessions[how & 1];
    rai_op *op = NULL;
    if (*producer != NULL) {
        if (how & 2)
            rai_producer_close(*producer, x->p->now, NULL);
        else
            rai_producer_release(*producer, x->p->now), *producer = NULL;
    } else if (s != NULL) {
        rai_producer_open(s, how & 1 ? NULL : "a", x->p->now, producer, &op, NULL);
    }
    keep_op(x, op);
}

static void open_consumer(struct scene *x, uint8_t how)
{
    static const int32_t windows[] = { 300, -1, 0, 100000 };
    rai_consumer **consumer = &x->consumers[how & 1];
    rai_session *s = x->sessions[how & 1 ? 2 : 0];
    rai_op *op = NULL;
    if (*consumer != NULL) {
        if (how & 2)
            rai_consumer_close(*consumer, x->p->now, &op, NULL);
        else
            rai_consumer_release(*consumer, x->p->now), *consumer = NULL;
    } else if (s != NULL) {
        rai_consumer_open(s, "q", NULL, how & 64, windows[how / 4 % 4], consumer, x->p->now, consumer, &op, NULL);
        if (*consumer != NULL && how & 128)
            rai_consumer_stream(*consumer);
    }
    keep_op(x, op);
}

static void consumer_wait(struct scene *x, uint8_t how)
{
    rai_consumer *c = x->consumers[how & 1];
    rai_op *op = NULL;
    if (c == NULL)
        return;
    if ((how & 6) == 0 && c->waiting < 4)
        rai_consumer_wait_begin(c, x->p->now);
    else if ((how & 6) == 2 && c->waiting > 0)
        rai_consumer_wait_end(c, x->p->now);
    else
        rai_consumer_force(c, x->p->now, &op, NULL);
    keep_op(x, op);
}

/* Everything that belongs to it first, as the room above does. */
static void release_session(struct scene *x, int i)
{
    int64_t not_done, unknown;
    rai_session *s = x->sessions[i];
    if (s == NULL)
        return;
    for (int k = 0; k < 2; k++) {
        if (x->producers[k] != NULL && x->producers[k]->s == s)
            rai_producer_release(x->producers[k], x->p->now), x->producers[k] = NULL;
        if (x->consumers[k] != NULL && x->consumers[k]->s == s)
            rai_consumer_release(x->consumers[k], x->p->now), x->consumers[k] = NULL;
    }
    for (uint64_t k = 0; k < x->tags; k++)
        x->sent[k] = x->sent[k] == s ? NULL : x->sent[k];
    if (i == 2)
        rai_session_abort(s, x->p->now, &not_done, &unknown);
    rai_session_release(s, x->p->now);
    x->sessions[i] = NULL;
}

static void do_something(struct scene *x)
{
    uint8_t what = fuzz_byte(&x->in), how = fuzz_byte(&x->in);
    switch (what % 12) {
    case 0:
    case 1:
        send_one(x, how);
        break;
    case 2:
        take_one(x, how);
        break;
    case 3:
        acknowledge_kept(x, how);
        break;
    case 4:
    case 5:
        session_request(x, how);
        break;
    case 6:
        open_producer(x, how);
        break;
    case 7:
        open_consumer(x, how);
        break;
    case 8:
        consumer_wait(x, how);
        break;
    case 9:
        if (x->op_count > 0)
            rai_op_abandon(x->ops[how % x->op_count], x->p->now);
        break;
    case 10:
        open_session(x, how % SESSIONS);
        break;
    default:
        if (how == 255)
            keep_op(x, rai_engine_leave(x->p->e, x->p->now));
        else if (how >= 192)
            release_session(x, how % SESSIONS);
        else
            body_in_pieces(x, how);
    }
}

/* --- what the broker and the network do --- */

static int some_link(struct scene *x, uint8_t which)
{
    return x->p->count == 0 ? 0 : x->p->count - which % (x->p->count < 3 ? x->p->count : 3); /* one of the latest */
}

static int64_t channel_of(uint8_t which)
{
    static const int64_t channels[] = { 10, 0, 1, 11, 12, RAI_ANCHORS + 1, RAI_ANCHORS + 2, 13, 99, -1 };
    return channels[which % (sizeof channels / sizeof *channels)];
}

static void framed(struct scene *x)
{
    uint8_t type = fuzz_byte(&x->in), where = fuzz_byte(&x->in), length = fuzz_byte(&x->in), frame[512];
    size_t size;
    const uint8_t *body = fuzz_bytes(&x->in, length, &size);
    struct rai_writer w = { frame, 0 };
    rai_put_header(&w, (int8_t)type, channel_of(where % 16), RAI_FRAME_HEADER + size);
    memcpy(frame + RAI_FRAME_HEADER, body, size);
    say_bytes(x, some_link(x, where / 16), frame, RAI_FRAME_HEADER + size);
}

static void likely(struct scene *x)
{
    static const char *const texts[] = { "%d OK %d",
                                         "%d OK short",
                                         "%d NO %d 1",
                                         "%d CONFIRMED %d",
                                         "%d MSG 0 %d body",
                                         "%d MSG 0 7 m %d",
                                         "%d MARKER 0 %d",
                                         "%d LARGE 0 7 %d",
                                         "%d CHUNK 0 %d more",
                                         "%d CHUNK 0 %d last",
                                         "%d GONE %d",
                                         "%d QUEUE q%d",
                                         "%d BINDING 1 %d",
                                         "%d TIMEOUT",
                                         "%d CREDITS %d a",
                                         "%d FULL %d a",
                                         "%d NOBARRIER %d",
                                         "DISCONNECT",
                                         "REFUSED",
                                         "CREATED 136",
                                         "TOPOLOGY 129 old",
                                         "DENIED 108",
                                         "PING",
                                         "UNANCHORED 1",
                                         "%d CREDITS %d b" };
    char text[96];
    uint8_t which = fuzz_byte(&x->in), where = fuzz_byte(&x->in), n = fuzz_byte(&x->in);
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"")
        snprintf(text, sizeof text, texts[which % (sizeof texts / sizeof *texts)], 10 + where % 3, n);
    _Pragma("GCC diagnostic pop") say(x, some_link(x, where / 16), text);
}

static void one_record(struct scene *x)
{
    static const int64_t times[] = { 1, 1000, 100000, 1000000, 5000000, 10000000, 31000000, 61000000 };
    uint8_t kind = fuzz_byte(&x->in), which;
    size_t size;
    const uint8_t *bytes;
    switch (kind % 12) {
    case 0:
        framed(x);
        break;
    case 1:
        which = fuzz_byte(&x->in);
        bytes = fuzz_bytes(&x->in, which / 4, &size);
        say_bytes(x, some_link(x, which), bytes, size);
        break;
    case 2:
        likely(x);
        break;
    case 3:
    case 4:
        which = fuzz_byte(&x->in);
        answer_one(x, some_link(x, which / 16), which % 16 < 8 ? 0 : which % 8);
        break;
    case 5:
        answer_all(x);
        break;
    case 6:
        pass(x, times[fuzz_byte(&x->in) % 8], false);
        break;
    case 7:
        which = fuzz_byte(&x->in);
        pump(x, some_link(x, which), which / 4);
        if (which & 2 && some_link(x, which) > 0 && x->p->links[some_link(x, which)].up)
            peer_cut(x->p, some_link(x, which));
        break;
    case 8:
        dial(x);
        break;
    case 9:
        refuse_dials(x);
        break;
    default:
        do_something(x);
    }
    events(x);
}

/* --- scenes --- */

static void work(struct scene *x)
{
    for (uint8_t how = 0; how < 12; how++)
        send_one(x, how);
    for (uint8_t request = 0; request < 10; request++)
        session_request(x, (uint8_t)(SESSIONS * request + (request == 2)));
    take_one(x, 0);
    take_one(x, 4 + 16);
}

static void cut_all(struct scene *x)
{
    for (int i = 1; i <= x->p->count; i++)
        if (x->p->links[i].up)
            pump(x, i, SIZE_MAX), peer_cut(x->p, i);
}

/* The new link is there, and as many frames as told are answered: the sessions are somewhere on their way. */
static void half_way(struct scene *x, int answers)
{
    cut_all(x);
    for (int i = 0; i < answers && (peer_dial(x->p) > 0 || answer_one(x, x->p->count, 0)); i++)
        ;
}

static void set_scene(struct scene *x, int scene)
{
    if (scene == 0)
        return;
    answer_all(x);
    if (scene == 1)
        return;
    for (int i = 0; i < SESSIONS; i++)
        open_session(x, i);
    answer_all(x);
    open_producer(x, 0);
    open_producer(x, 1);
    open_consumer(x, 0);
    open_consumer(x, 1);
    session_request(x, 0);
    session_request(x, 2);
    answer_all(x);
    say(x, 1, "10 MSG 0 1 m");
    say(x, 1, "10 MSG 0 2 m");
    say(x, 1, "12 MSG 0 3 m");
    if (scene == 3 || scene == 4)
        say(x, 1, "10 LARGE 0 4 100"), say(x, 1, "10 CHUNK 0 50 more");
    if (scene >= 3)
        work(x);
    if (scene >= 4 && scene <= 8) {
        static const int answers[] = { 0, 3, 6, 9, 14 };
        half_way(x, answers[scene - 4]);
    } else if (scene == 9) {
        session_request(x, SESSIONS * 10);
        keep_op(x, rai_engine_leave(x->p->e, x->p->now));
    }
}

static void configure(struct peer *p, uint8_t bits)
{
    p->anchors_by_script = true;
    p->chunk = bits & 1 ? 3 : 0;
    p->config.initial_connect_attempts = bits & 2 ? -1 : 1;
    p->config.reconnect_attempts = bits & 4 ? 3 : -1;
    p->config.confirmation_window = bits & 8 ? -1 : 100;
    p->config.producer_window = bits & 16 ? 400 : -1;
    p->config.route_check = bits & 32 ? RAI_ROUTE_CREATE : RAI_ROUTE_VERIFY;
    p->config.check_period = bits & 64 ? 3000 : -1;
    p->config.endpoint_count = bits & 128 ? 2 : 1;
    p->config.failover_attempts = bits & 128 ? -1 : 0;
    p->config.topology_for_balancing = true;
    p->config.ack_batch_size = bits & 128 ? 200 : 0;
    p->config.min_large_message_size = 60;
}

/* Nobody answers any more: what was never written ends by its deadline, all the rest with the engine. */
static void finish(struct scene *x)
{
    pass(x, 100000000, true);
    for (int i = 0; i < x->op_count; i++)
        FUZZ_CHECK(rai_op_outcome(x->ops[i]) != RA_OUTCOME_PENDING || x->ops[i]->expired ||
                   x->ops[i]->deadline > x->p->now);
    rai_engine_shut(x->p->e, x->p->now);
    events(x);
    for (int i = 0; i < x->op_count; i++) {
        FUZZ_CHECK(rai_op_outcome(x->ops[i]) != RA_OUTCOME_PENDING, "operation %d never ends", i);
        rai_op_unref(x->ops[i]);
    }
    for (uint64_t tag = 1; tag <= x->tags; tag++)
        FUZZ_CHECK(x->ended[tag - 1] == 1 || x->sent[tag - 1] == NULL, "send %llu has no outcome",
                   (unsigned long long)tag);
    for (int i = 0; i < KEPT; i++)
        rai_message_unref(x->kept[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct scene x;
    long before = rai_alloc_count();
    memset(&x, 0, sizeof x);
    x.in = (struct fuzz_input){ bytes, bytes + size };
    x.p = peer_new();
    uint8_t scene = fuzz_byte(&x.in);
    configure(x.p, fuzz_byte(&x.in));
    peer_start(x.p);
    set_scene(&x, scene % 10);
    while (fuzz_left(&x.in) > 0)
        one_record(&x);
    finish(&x);
    peer_free(x.p);
    FUZZ_CHECK(rai_alloc_count() == before, "%ld", rai_alloc_count() - before);
    return 0;
}
