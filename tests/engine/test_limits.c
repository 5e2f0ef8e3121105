/* No memory in a single call, sizes at their limits, sessions that take turns. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "peer.h"

/* --- one call without memory --- */

struct scene {
    struct peer *p;
    rai_session *s;
    rai_producer *producer;
    rai_consumer *c;
    ra_message *m;
    rai_op *op;
};

static int do_start(struct scene *x, struct rai_fault *fault)
{
    return rai_session_start(x->s, x->p->now, fault);
}

static int do_stop(struct scene *x, struct rai_fault *fault)
{
    return rai_session_stop(x->s, x->p->now, &x->op, fault);
}

static int do_commit(struct scene *x, struct rai_fault *fault)
{
    return rai_session_commit(x->s, x->p->now, &x->op, fault);
}

static int do_rollback(struct scene *x, struct rai_fault *fault)
{
    return rai_session_rollback(x->s, x->p->now, &x->op, fault);
}

static int do_flush(struct scene *x, struct rai_fault *fault)
{
    return rai_session_flush(x->s, x->p->now, &x->op, fault);
}

static int do_create_address(struct scene *x, struct rai_fault *fault)
{
    return rai_session_create_address(x->s, "a", true, true, x->p->now, &x->op, fault);
}

static int do_create_queue(struct scene *x, struct rai_fault *fault)
{
    return rai_session_create_queue(x->s, "q", NULL, 0, 0, NULL, x->p->now, &x->op, fault);
}

static int do_delete_queue(struct scene *x, struct rai_fault *fault)
{
    return rai_session_delete_queue(x->s, "q", x->p->now, &x->op, fault);
}

static int do_query_queue(struct scene *x, struct rai_fault *fault)
{
    return rai_session_query_queue(x->s, "q", x->p->now, &x->op, fault);
}

static int do_query_address(struct scene *x, struct rai_fault *fault)
{
    return rai_session_query_address(x->s, "a", x->p->now, &x->op, fault);
}

static int do_open_session(struct scene *x, struct rai_fault *fault)
{
    rai_session *s;
    return rai_session_open(x->p->e, false, NULL, x->p->now, &s, &x->op, fault);
}

static int do_close_session(struct scene *x, struct rai_fault *fault)
{
    return rai_session_close(x->s, x->p->now, &x->op, fault);
}

static int do_open_producer(struct scene *x, struct rai_fault *fault)
{
    rai_producer *producer;
    return rai_producer_open(x->s, "b", x->p->now, &producer, &x->op, fault);
}

static int do_close_producer(struct scene *x, struct rai_fault *fault)
{
    return rai_producer_close(x->producer, x->p->now, fault);
}

static int do_send(struct scene *x, enum rai_send_mode mode, struct rai_fault *fault)
{
    ra_message m = { .refs = 1 };
    return rai_producer_send(x->producer, "elsewhere", &m, mode, 7, x->p->now, &x->op, fault);
}

static int do_send_op(struct scene *x, struct rai_fault *fault)
{
    return do_send(x, RAI_SEND_OP, fault);
}

static int do_send_tagged(struct scene *x, struct rai_fault *fault)
{
    return do_send(x, RAI_SEND_TAGGED, fault);
}

static int do_open_consumer(struct scene *x, struct rai_fault *fault)
{
    rai_consumer *c;
    return rai_consumer_open(x->s, "q", "x > 1", false, 10, NULL, x->p->now, &c, &x->op, fault);
}

static int do_close_consumer(struct scene *x, struct rai_fault *fault)
{
    return rai_consumer_close(x->c, x->p->now, &x->op, fault);
}

static int do_force(struct scene *x, struct rai_fault *fault)
{
    return rai_consumer_force(x->c, x->p->now, &x->op, fault);
}

static int do_acknowledge(struct scene *x, struct rai_fault *fault)
{
    return rai_consumer_acknowledge(x->c, x->m, false, x->p->now, &x->op, fault);
}

static int do_acknowledge_one(struct scene *x, struct rai_fault *fault)
{
    return rai_consumer_acknowledge(x->c, x->m, true, x->p->now, NULL, fault);
}

static struct scene set_scene(void)
{
    struct scene x = { .p = peer_new() };
    peer_open(x.p);
    x.s = peer_session(x.p, true);
    PLAY(x.p, "1> CREATE 11 v136", "1< CREATED 136");
    x.producer = peer_producer(x.p, x.s);
    x.c = peer_consumer(x.p, x.s, "q", 1000, &x.op);
    cr_assert_eq(rai_session_start(x.s, x.p->now, NULL), RA_OK);
    PLAY(x.p, "1> 11 PRODUCER 1", "1> 11 CONSUMER 0 q", "1< 11 QUEUE q", "1> 11 START", "1> 11 CREDITS 0 1000",
         "1< 11 MSG 0 1 a", "1< 11 CONFIRMED 3");
    OP(x.p, x.op, "confirmed");
    x.op = NULL;
    peer_take(x.p, __FILE__, __LINE__, x.c, "a", &x.m);
    return x;
}

/* The n-th allocation of the call fails; whether there was one. With memory again, the same call is good. */
static bool starve(int (*call)(struct scene *x, struct rai_fault *fault), const char *name, long n)
{
    struct scene x = set_scene();
    struct rai_fault fault;
    cr_assert(rai_log_empty(&x.s->log));
    rai_log_pool_free(&x.p->e->pool); /* the log has to ask for a block, too */
    rai_alloc_fail_once(n);
    int rc = call(&x, &fault);
    bool reached = rai_alloc_fail_left() == 0;
    rai_alloc_fail_at(0);
    if (rc != RA_OK) {
        cr_assert_eq(rc, RA_E_NO_MEMORY, "%s, %ld: %d", name, n, rc);
        cr_assert_eq(fault.code, RA_E_NO_MEMORY, "%s, %ld: %d", name, n, (int)fault.code);
        cr_assert_null(x.op, "%s, %ld", name, n);
        rc = call(&x, &fault);
    }
    cr_assert_eq(rc, RA_OK, "%s, %ld: %d", name, n, rc);
    if (x.op != NULL)
        rai_op_unref(x.op);
    rai_message_unref(x.m);
    peer_free(x.p);
    return reached;
}

Test(engine_limits, a_call_without_memory_says_so_and_can_be_made_again)
{
    static const struct {
        int (*call)(struct scene *x, struct rai_fault *fault);
        const char *name;
    } calls[] = {
        { do_start, "start" },
        { do_stop, "stop" },
        { do_commit, "commit" },
        { do_rollback, "rollback" },
        { do_flush, "flush" },
        { do_create_address, "create address" },
        { do_create_queue, "create queue" },
        { do_delete_queue, "delete queue" },
        { do_query_queue, "query queue" },
        { do_query_address, "query address" },
        { do_open_session, "open session" },
        { do_close_session, "close session" },
        { do_open_producer, "open producer" },
        { do_close_producer, "close producer" },
        { do_send_op, "send" },
        { do_send_tagged, "tagged send" },
        { do_open_consumer, "open consumer" },
        { do_close_consumer, "close consumer" },
        { do_force, "forced delivery" },
        { do_acknowledge, "acknowledge" },
        { do_acknowledge_one, "acknowledge one" },
    };
    long before = rai_alloc_count(), points = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        for (long n = 1; starve(calls[i].call, calls[i].name, n); n++)
            points++;
        cr_assert_eq(rai_alloc_count(), before, "%s", calls[i].name);
    }
    printf("calls without memory: %ld points\n", points);
    cr_assert_gt(points, 30);
}

/* --- sizes --- */

Test(engine_limits, a_message_that_no_window_can_pay_for_is_refused)
{
    struct peer *p = peer_new();
    p->config.producer_window = 1000;
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    struct rai_fault fault;
    ra_message m = { .refs = 1, .body = (const uint8_t *)"", .body_size = (size_t)INT32_MAX };
    p->config.max_unconfirmed = INT64_MAX;
    int rc = rai_producer_send(producer, "a", &m, RAI_SEND_FORGET, 0, p->now, NULL, &fault);
    cr_assert_eq(rc, RA_E_ARGUMENT, "%d", rc);
    cr_assert_not_null(strstr(fault.text, "too large"));
    peer_free(p);
}

/* --- turns --- */

static void send_big(struct peer *p, rai_producer *producer)
{
    static uint8_t body[40 * 1024];
    ra_message m = { .refs = 1, .body = body, .body_size = sizeof body };
    cr_assert_eq(rai_producer_send(producer, "a", &m, RAI_SEND_FORGET, 0, p->now, NULL, NULL), RA_OK);
}

/* One session's backlog does not keep the others waiting: 64 KiB, then it is the next one's turn. */
Test(engine_limits, sessions_with_much_to_write_take_turns)
{
    enum { SESSIONS = 3, SENDS = 8 };
    struct peer *p = peer_new();
    rai_producer *producers[SESSIONS];
    char turns[128] = "", text[256];
    size_t at = 0, need;
    struct rai_frame frame;
    p->config.max_unconfirmed = INT64_MAX;
    producers[0] = peer_producer(p, peer_open(p));
    for (int i = 1; i < SESSIONS; i++) {
        rai_session *s = peer_session(p, false);
        peer_pump(p, 1, SIZE_MAX);
        PLAY(p, "1< CREATED 136");
        producers[i] = peer_producer(p, s);
    }
    peer_pump(p, 1, SIZE_MAX);
    at = p->links[1].out_size;
    for (int i = 0; i < SESSIONS; i++)
        for (int n = 0; n < SENDS; n++)
            send_big(p, producers[i]);
    peer_pump(p, 1, SIZE_MAX);
    while (rai_frame_next(p->links[1].out + at, p->links[1].out_size - at, &frame, &need) == 1) {
        peer_describe(p, &frame, text, sizeof text);
        snprintf(turns + strlen(turns), sizeof turns - strlen(turns), "%.2s", text + 1);
        at += frame.size;
    }
    cr_assert_str_eq(turns, "0 0 1 1 2 2 0 0 1 1 2 2 0 0 1 1 2 2 0 0 1 1 2 2 ");
    peer_free(p);
}

/* --- silence --- */

/* A third of the TTL would be shorter than the time between two PINGs. */
Test(engine_limits, a_short_ttl_allows_for_one_and_a_half_periods_of_silence)
{
    struct peer *p = peer_new();
    p->config.connection_ttl = 6000;
    p->config.check_period = 3000;
    peer_open(p);
    PLAY(p, "wait 4499");
    cr_assert(p->links[1].up);
    PLAY(p, "wait 1", "1 gone");
    EVENTS(p, "disconnected; retrying 1 0");
    peer_free(p);
}

/* --- many outcomes --- */

/* Ranges that nobody reads fill up, tagged sends wait, and reading makes room and says so. */
Test(engine_limits, unread_outcomes_stop_tagged_sends_until_they_are_read)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    struct rai_event event;
    struct rai_fault fault;
    ra_message m = { .refs = 1 };
    int rc = RA_OK;
    uint64_t tag = 0;
    char answer[32];
    PLAY(p, "1> 10 PRODUCER 1");
    while (rc == RA_OK && tag < 10 * RAI_OUTCOMES_MAX) {
        tag += 2; /* not neighbours: each is a range of its own */
        rc = rai_producer_send(producer, "a", &m, RAI_SEND_TAGGED, tag, p->now, NULL, &fault);
        if (rc != RA_OK)
            break;
        peer_pump(p, 1, SIZE_MAX);
        snprintf(answer, sizeof answer, "10 OK %lld", (long long)s->correlation);
        uint8_t frame[64];
        peer_input(p, 1, frame, peer_compose(p, answer, frame));
        if (tag % 1000 == 0) {
            snprintf(answer, sizeof answer, "10 CONFIRMED %lld", (long long)s->correlation);
            peer_input(p, 1, frame, peer_compose(p, answer, frame));
        }
        p->links[1].out_size = p->links[1].read = p->links[1].seen = 0;
    }
    cr_assert_eq(rc, RA_E_WOULD_BLOCK);
    cr_assert_not_null(strstr(fault.text, "outcomes"));
    cr_assert_not(rai_producer_writable(producer));
    bool told = false;
    for (uint64_t read = 0; rai_engine_next_event(p->e, &event);) {
        told = told || event.kind == RA_EVENT_WRITABLE;
        read += event.kind == RA_EVENT_SEND_OUTCOME ? event.last - event.first + 1 : 0;
        cr_assert_leq(read, tag / 2);
    }
    cr_assert(told);
    cr_assert(rai_producer_writable(producer));
    cr_assert_eq(rai_producer_send(producer, "a", &m, RAI_SEND_TAGGED, tag, p->now, NULL, &fault), RA_OK);
    peer_free(p);
}
