#include "peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

/* --- birth and end --- */

static void pseudo_random(void *ctx, void *out, size_t size)
{
    struct peer *p = ctx;
    for (size_t i = 0; i < size; i++) {
        p->seed = p->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)out)[i] = (uint8_t)(p->seed >> 40);
    }
}

struct peer *peer_new(void)
{
    struct peer *p = calloc(1, sizeof *p);
    cr_assert_not_null(p);
    p->now = 1000000;
    p->seed = 1;
    p->version = RAI_VERSION;
    for (int i = 0; i < 4; i++)
        p->endpoints[i] = (struct rai_endpoint){ .host = { 'a', '\0' }, .port = (uint16_t)(i + 1) };
    p->config = (struct rai_config){ .endpoints = p->endpoints,
                                     .endpoint_count = 1,
                                     .confirmation_window = 65536,
                                     .reconnect_attempts = -1,
                                     .initial_connect_attempts = 1,
                                     .retry_interval = 1000,
                                     .retry_interval_multiplier = 2,
                                     .max_retry_interval = 30000,
                                     .connect_timeout = 10000,
                                     .call_timeout = 30000,
                                     .call_failover_timeout = 30000,
                                     .connection_ttl = 60000,
                                     .check_period = -1, /* no PINGs but the first, unless a test is about them */
                                     .consumer_window = 1000,
                                     .producer_window = -1,
                                     .max_unconfirmed = 1 << 20,
                                     .min_large_message_size = 102400,
                                     .max_body_in_memory = 1 << 20,
                                     .route_check = RAI_ROUTE_NONE };
    return p;
}

void peer_start(struct peer *p)
{
    struct rai_host host = { pseudo_random, p };
    p->e = rai_engine_new(&p->config, &host);
    cr_assert_not_null(p->e);
    rai_engine_subscribe(p->e, UINT32_MAX);
    rai_op *op = rai_engine_start(p->e, p->now);
    cr_assert_not_null(op);
    rai_op_unref(op);
}

void peer_free(struct peer *p)
{
    rai_engine_free(p->e);
    for (int i = 1; i <= p->count; i++)
        free(p->links[i].out);
    free(p);
}

rai_session *peer_session(struct peer *p, bool transacted)
{
    struct rai_fault fault;
    rai_session *s = NULL;
    int64_t channel = p->e->next_channel;
    int rc = rai_session_open(p->e, transacted, p->names[channel], p->now, &s, NULL, &fault);
    cr_assert_eq(rc, RA_OK, "%s", fault.text);
    return s;
}

rai_session *peer_open(struct peer *p)
{
    peer_start(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "dial", "1> PING", "1> SUBSCRIBE 136", "1< TOPOLOGY 136 node", "1> CREATE 10 v136", "1< CREATED 136", "1>");
    return s;
}

/* --- bytes --- */

static void keep(struct peer_link *l, const void *bytes, size_t size)
{
    if (l->out_size + size > l->out_room) {
        l->out_room = 2 * (l->out_size + size);
        l->out = realloc(l->out, l->out_room);
        cr_assert_not_null(l->out);
    }
    memcpy(l->out + l->out_size, bytes, size);
    l->out_size += size;
}

static void skip_preamble(const struct peer_link *l, size_t *at)
{
    if (*at == 0 && l->out_size >= RAI_PREAMBLE_SIZE && memcmp(l->out, RAI_PREAMBLE, RAI_PREAMBLE_SIZE) == 0)
        *at = RAI_PREAMBLE_SIZE;
}

static bool next_frame(struct peer_link *l, size_t *at, struct rai_frame *f)
{
    size_t need;
    skip_preamble(l, at);
    if (*at >= l->out_size || rai_frame_next(l->out + *at, l->out_size - *at, f, &need) != 1)
        return false;
    *at += f->size;
    return true;
}

/* Its number, or 0. */
static int anchor_of(const struct rai_frame *f)
{
    struct rai_reader r = f->body;
    char name[64];
    int64_t channel = 0;
    if (f->type == RAI_CREATESESSION || f->type == RAI_CREATESESSION_V2) {
        rai_get_str(&r, name, sizeof name);
        channel = rai_get_i64(&r);
    } else if (f->type == RAI_SESS_CLOSE) {
        channel = f->channel;
    }
    return channel > RAI_ANCHORS ? (int)(channel - RAI_ANCHORS) : 0;
}

static void tell(struct peer *p, int link, const char *text)
{
    uint8_t bytes[256];
    peer_input(p, link, bytes, peer_compose(p, text, bytes));
}

/* Whether there was one to answer for. */
static bool answer_for_anchors(struct peer *p, int link)
{
    struct peer_link *l = &p->links[link];
    struct rai_frame frame;
    char answer[64];
    bool any = false;
    while (l->up && next_frame(l, &l->seen, &frame)) {
        int anchor = anchor_of(&frame);
        if (anchor == 0)
            continue;
        if (frame.type == RAI_SESS_CLOSE)
            snprintf(answer, sizeof answer, "UNANCHORED %d", anchor);
        else
            snprintf(answer, sizeof answer, "CREATED %d", p->version);
        tell(p, link, answer);
        any = true;
    }
    return any;
}

static bool is_due(long *left)
{
    return *left > 0 && --*left == 0;
}

/* One write goes wrong. */
static size_t write_badly(struct peer *p, int link, const struct iovec *pieces, int n)
{
    struct peer_link *l = &p->links[link];
    size_t left = p->trouble.brief ? 1 : p->trouble.arrives, arrived = 0;
    for (int i = 0; i < n && left > 0; i++) {
        size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;
        keep(l, pieces[i].iov_base, part);
        arrived += part;
        left -= part;
    }
    if (p->trouble.brief)
        rai_engine_written(p->e, l->id, arrived, p->now);
    else
        peer_cut(p, link);
    return arrived;
}

static size_t pump(struct peer *p, int link, size_t max)
{
    struct peer_link *l = &p->links[link];
    struct iovec pieces[RAI_PLAN_PIECES];
    size_t total = 0;
    int n;
    while (l->up && total < max && (n = rai_engine_output(p->e, l->id, pieces, RAI_PLAN_PIECES, p->now)) > 0) {
        size_t now = 0;
        if (is_due(&p->trouble.writes)) {
            total += write_badly(p, link, pieces, n);
            continue;
        }
        for (int i = 0; i < n && total + now < max; i++) {
            size_t part = pieces[i].iov_len < max - total - now ? pieces[i].iov_len : max - total - now;
            keep(l, pieces[i].iov_base, part);
            now += part;
        }
        rai_engine_written(p->e, l->id, now, p->now);
        total += now;
    }
    return total;
}

size_t peer_pump(struct peer *p, int link, size_t max)
{
    size_t total = pump(p, link, max);
    while (max == SIZE_MAX && !p->anchors_by_script && answer_for_anchors(p, link))
        total += pump(p, link, max);
    return total;
}

void peer_pump_all(struct peer *p)
{
    for (int i = 1; i <= p->count; i++)
        if (p->links[i].up)
            peer_pump(p, i, SIZE_MAX);
    peer_hangups(p);
}

void peer_input(struct peer *p, int link, const uint8_t *bytes, size_t size)
{
    struct peer_link *l = &p->links[link];
    while (size > 0 && l->up) {
        size_t room;
        uint8_t *space = rai_engine_input_space(p->e, l->id, &room);
        if (space == NULL)
            break; /* out of memory, where a test asked for it: the bytes are gone and so is the link, see peer_cut */
        size_t part = size < room ? size : room;
        if (p->chunk > 0 && part > p->chunk)
            part = p->chunk;
        if (is_due(&p->trouble.reads)) {
            part = 1;
            if (!p->trouble.brief) {
                peer_cut(p, link);
                break;
            }
        }
        memcpy(space, bytes, part);
        rai_engine_input(p->e, l->id, part, p->now);
        bytes += part;
        size -= part;
    }
    peer_hangups(p);
}

void peer_hangups(struct peer *p)
{
    uint32_t id;
    while (rai_engine_next_hangup(p->e, &id)) {
        for (int i = 1; i <= p->count; i++) {
            if (p->links[i].id != id)
                continue;
            p->links[i].up = false;
            p->links[i].hung_up = true;
            p->links[i].id = 0;
        }
        rai_engine_link_closed(p->e, id);
    }
}

int peer_dial(struct peer *p)
{
    struct rai_dial dial;
    if (!rai_engine_next_dial(p->e, &dial))
        return 0;
    if (is_due(&p->trouble.dials)) {
        struct rai_fault why;
        rai_fault_set(&why, RA_E_CONNECT, "refused");
        rai_engine_dial_failed(p->e, dial.link, &why, p->now);
        peer_hangups(p);
        return 0;
    }
    cr_assert_lt(p->count, PEER_LINKS - 1);
    struct peer_link *l = &p->links[++p->count];
    *l = (struct peer_link){ .id = dial.link, .up = true, .endpoint = dial.endpoint->port - 1 };
    rai_engine_dialed(p->e, dial.link, p->now);
    return p->count;
}

void peer_cut(struct peer *p, int link)
{
    struct rai_fault why;
    struct peer_link *l = &p->links[link];
    rai_fault_set(&why, RA_E_LINK_LOST, "cut");
    l->up = false;
    if (l->id != 0)
        rai_engine_link_lost(p->e, l->id, &why, p->now);
    peer_hangups(p);
}

/* --- scripts --- */

static void failed(struct peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void failed(struct peer *p, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cr_assert_fail("%s:%d: %s", p->where, p->line, text);
}

static void expect_frame(struct peer *p, int link, const char *expected)
{
    struct peer_link *l = &p->links[link];
    struct rai_frame frame;
    char text[256] = "";
    bool got;
    peer_pump(p, link, SIZE_MAX);
    do
        got = next_frame(l, &l->read, &frame);
    while (got && anchor_of(&frame) != 0 && !p->anchors_by_script);
    if (got)
        peer_describe(p, &frame, text, sizeof text);
    if (strcmp(text, expected) != 0)
        failed(p, "link %d: expected \"%s\", got \"%s\"", link, expected, text);
}

static void say(struct peer *p, int link, const char *text)
{
    uint8_t *bytes = malloc(PEER_FRAME_MAX);
    cr_assert_not_null(bytes);
    peer_pump(p, link, SIZE_MAX); /* an answer has a question */
    size_t size = peer_compose(p, text, bytes);
    if (size == 0)
        failed(p, "unknown text \"%s\"", text);
    if (!p->links[link].up)
        failed(p, "link %d is not up for \"%s\"", link, text);
    peer_input(p, link, bytes, size);
    free(bytes);
}

static void cut_in_write(struct peer *p, int link, size_t arrives)
{
    struct iovec pieces[RAI_PLAN_PIECES];
    struct peer_link *l = &p->links[link];
    int n = rai_engine_output(p->e, l->id, pieces, RAI_PLAN_PIECES, p->now);
    for (int i = 0; i < n && arrives > 0; i++) {
        size_t part = pieces[i].iov_len < arrives ? pieces[i].iov_len : arrives;
        keep(l, pieces[i].iov_base, part);
        arrives -= part;
    }
    peer_cut(p, link);
}

static void gone(struct peer *p, int link)
{
    peer_pump(p, link, SIZE_MAX); /* it may have to let its anchor go first */
    peer_hangups(p);
    if (!p->links[link].hung_up)
        failed(p, "link %d was not hung up", link);
}

static bool link_step(struct peer *p, const char *step)
{
    int link = 0, skipped = 0;
    unsigned long at;
    if (sscanf(step, "%d%n", &link, &skipped) != 1 || link <= 0 || link > PEER_LINKS - 1)
        return false;
    const char *rest = step + skipped;
    if (link > p->count)
        failed(p, "there is no link %d", link);
    if (strncmp(rest, ">", 1) == 0)
        expect_frame(p, link, rest[1] == ' ' ? rest + 2 : "");
    else if (strncmp(rest, "< ", 2) == 0)
        say(p, link, rest + 2);
    else if (sscanf(rest, " cut at %lu", &at) == 1)
        peer_pump(p, link, at), peer_cut(p, link);
    else if (sscanf(rest, " cut in write %lu", &at) == 1)
        cut_in_write(p, link, at);
    else if (strcmp(rest, " cut") == 0)
        peer_pump(p, link, SIZE_MAX), peer_cut(p, link);
    else if (strcmp(rest, " gone") == 0)
        gone(p, link);
    else
        return false;
    return true;
}

static void dial_step(struct peer *p, const char *step)
{
    struct rai_dial dial;
    struct rai_fault why;
    bool none = strcmp(step, "no dial") == 0;
    if (strcmp(step, "dial refused") == 0) {
        if (!rai_engine_next_dial(p->e, &dial))
            failed(p, "no dial request");
        rai_fault_set(&why, RA_E_CONNECT, "refused");
        rai_engine_dial_failed(p->e, dial.link, &why, p->now);
    } else if ((peer_dial(p) == 0) != none) {
        failed(p, none ? "a dial request, there should be none" : "no dial request");
    }
}

static bool time_step(struct peer *p, const char *step)
{
    double ms;
    if (strcmp(step, "deadline") == 0) {
        int64_t at = rai_engine_deadline(p->e);
        if (at == INT64_MAX)
            failed(p, "there is no deadline");
        p->now = at > p->now ? at : p->now;
    } else if (sscanf(step, "wait %lf", &ms) == 1) {
        int64_t until = p->now + (int64_t)(ms * 1000);
        while (rai_engine_deadline(p->e) < until) { /* each on its time, as a driver would */
            p->now = rai_engine_deadline(p->e) > p->now ? rai_engine_deadline(p->e) : p->now;
            rai_engine_tick(p->e, p->now);
        }
        p->now = until;
    } else {
        return false;
    }
    rai_engine_tick(p->e, p->now);
    return true;
}

void peer_play(struct peer *p, const char *where, int line, const char *const *steps)
{
    p->where = where;
    p->line = line;
    for (; *steps != NULL; steps++) {
        bool dial = strncmp(*steps, "dial", 4) == 0 || strcmp(*steps, "no dial") == 0;
        bool time = !dial && time_step(p, *steps);
        dial = dial && !(strcmp(*steps, "deadline") == 0);
        if (dial)
            dial_step(p, *steps);
        else if (!time && !link_step(p, *steps))
            failed(p, "unknown step \"%s\"", *steps);
        peer_hangups(p);
    }
}

/* --- events, operations --- */

static const char *outcome_name(int outcome)
{
    static const char *const names[] = { "pending", "confirmed", "rejected", "not done", "unknown", "processed" };
    return outcome >= 0 && outcome < 6 ? names[outcome] : "?";
}

static void describe_event(const struct rai_event *event, char *out, size_t room)
{
    static const char *const names[] = { "?",           "disconnected", "retrying",  "gave up", "closed",
                                         "events lost", "reattached",   "recreated", "lost",    "sends",
                                         "writable",    "operation",    "log" };
    int n = snprintf(out, room, "%s", names[event->kind]);
    size_t left = room - (size_t)n;
    if (event->kind == RA_EVENT_RETRYING)
        snprintf(out + n, left, " %d %d", (int)event->attempt, (int)event->delay_ms);
    else if (event->kind == RA_EVENT_REATTACHED || event->kind == RA_EVENT_EVENTS_LOST)
        snprintf(out + n, left, " %d", (int)event->count);
    else if (event->kind == RA_EVENT_RECREATED)
        snprintf(out + n, left, " %d %d%s", (int)event->count, (int)event->requeued,
                 event->failed_over ? " elsewhere" : "");
    else if (event->kind == RA_EVENT_SESSION_LOST || event->kind == RA_EVENT_GAVE_UP)
        snprintf(out + n, left, " %d", event->fault.code);
    else if (event->kind == RA_EVENT_OPERATION)
        snprintf(out + n, left, " %s", outcome_name(event->outcome));
    else if (event->kind == RA_EVENT_SEND_OUTCOME)
        snprintf(out + n, left, " %d-%d %s", (int)event->first, (int)event->last, outcome_name(event->outcome));
}

void peer_events(struct peer *p, const char *where, int line, const char *expected)
{
    char text[4096] = "";
    size_t n = 0;
    struct rai_event event;
    while (n + 64 < sizeof text && rai_engine_next_event(p->e, &event)) {
        if (n > 0)
            n += (size_t)snprintf(text + n, sizeof text - n, "; ");
        describe_event(&event, text + n, sizeof text - n);
        n += strlen(text + n);
    }
    cr_assert_str_eq(text, expected, "%s:%d: events are \"%s\", expected \"%s\"", where, line, text, expected);
}

void peer_op(struct peer *p, const char *where, int line, rai_op *op, const char *expected)
{
    char text[64];
    rai_op *done;
    while ((done = rai_engine_next_done(p->e)) != NULL)
        rai_op_unref(done);
    int outcome = rai_op_outcome(op);
    int code = rai_op_fault(op)->code;
    if (code != RA_OK)
        snprintf(text, sizeof text, "%s %d", outcome_name(outcome), code);
    else
        snprintf(text, sizeof text, "%s", outcome_name(outcome));
    cr_assert_str_eq(text, expected, "%s:%d: the operation is \"%s\", expected \"%s\"", where, line, text, expected);
    if (outcome != RA_OUTCOME_PENDING)
        rai_op_unref(op);
}

int64_t peer_stat(struct peer *p, int id)
{
    return rai_engine_stat(p->e, id);
}

/* --- sends and messages --- */

rai_producer *peer_producer(struct peer *p, rai_session *s)
{
    struct rai_fault fault;
    rai_producer *producer = NULL;
    int rc = rai_producer_open(s, NULL, p->now, &producer, NULL, &fault);
    cr_assert_eq(rc, RA_OK, "%s", fault.text);
    return producer;
}

static int send(struct peer *p, rai_producer *producer, const char *body, enum rai_send_mode mode, uint64_t tag,
                rai_op **op)
{
    struct rai_fault fault;
    ra_message *m = rai_message_new(0);
    cr_assert_not_null(m);
    rai_message_lend_body(m, body, strlen(body));
    int rc = rai_producer_send(producer, producer->address == NULL ? "a" : NULL, m, mode, tag, p->now, op, &fault);
    rai_message_unref(m);
    cr_assert_eq(rc, RA_OK, "%s:%d: %s", p->where, p->line, fault.text);
    return rc;
}

void peer_send(struct peer *p, rai_producer *producer, const char *body, uint64_t tag)
{
    send(p, producer, body, tag == 0 ? RAI_SEND_FORGET : RAI_SEND_TAGGED, tag, NULL);
}

rai_op *peer_send_op(struct peer *p, rai_producer *producer, const char *body)
{
    rai_op *op = NULL;
    send(p, producer, body, RAI_SEND_OP, 0, &op);
    return op;
}

rai_consumer *peer_consumer(struct peer *p, rai_session *s, const char *queue, int32_t window, rai_op **op)
{
    struct rai_fault fault;
    rai_consumer *c = NULL;
    int rc = rai_consumer_open(s, queue, NULL, false, window, p, p->now, &c, op, &fault);
    cr_assert_eq(rc, RA_OK, "%s", fault.text);
    return c;
}

void peer_take(struct peer *p, const char *where, int line, rai_consumer *c, const char *body, ra_message **out)
{
    char text[64] = "";
    ra_message *m = rai_consumer_take(c, p->now / 1000, p->now);
    if (m != NULL)
        snprintf(text, sizeof text, "%.*s", (int)(m->body_size < 60 ? m->body_size : 60), (const char *)m->body);
    cr_assert_eq(m == NULL, body == NULL, "%s:%d: message \"%s\"", where, line, text);
    if (body != NULL)
        cr_assert_str_eq(text, body, "%s:%d: message \"%s\", expected \"%s\"", where, line, text, body);
    if (out != NULL)
        *out = m;
    else
        rai_message_unref(m);
}
