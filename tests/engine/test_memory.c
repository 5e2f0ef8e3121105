/* One scenario after the other, with the n-th allocation and all behind it failing for a while, for each n. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model.h"

/* What a program holds; everything may be missing. */
struct scene {
    struct peer *p;
    struct model m;
    rai_session *s, *t;
    rai_producer *producer, *other;
    rai_consumer *c;
    rai_op *ops[64];
    int op_count;
};

static void keep(struct scene *x, rai_op *op)
{
    if (op != NULL && x->op_count < 64)
        x->ops[x->op_count++] = op;
}

static void turns(struct scene *x, int n)
{
    struct rai_event event;
    rai_op *op;
    while (n-- > 0) {
        while (peer_dial(x->p) > 0)
            ;
        peer_pump_all(x->p);
        model_read(&x->m, 1000);
        model_execute(&x->m, 1000);
        model_complete(&x->m);
        model_deliver(&x->m, SIZE_MAX);
        while (rai_engine_next_event(x->p->e, &event))
            ;
        while ((op = rai_engine_next_done(x->p->e)) != NULL)
            rai_op_unref(op);
        x->p->now += 5000;
        rai_engine_tick(x->p->e, x->p->now);
        peer_hangups(x->p);
    }
}

static void open_things(struct scene *x)
{
    rai_op *op = NULL;
    rai_session_open(x->p->e, false, x, x->p->now, &x->s, &op, NULL);
    keep(x, op), op = NULL;
    rai_session_open(x->p->e, true, NULL, x->p->now, &x->t, &op, NULL);
    keep(x, op), op = NULL;
    turns(x, 8);
    if (x->s != NULL)
        rai_producer_open(x->s, "a", x->p->now, &x->producer, &op, NULL);
    keep(x, op), op = NULL;
    if (x->t != NULL)
        rai_producer_open(x->t, NULL, x->p->now, &x->other, &op, NULL);
    keep(x, op), op = NULL;
    if (x->s != NULL)
        rai_consumer_open(x->s, "q", NULL, false, 300, x, x->p->now, &x->c, &op, NULL);
    keep(x, op);
    if (x->s != NULL)
        rai_session_start(x->s, x->p->now, NULL);
    turns(x, 4);
}

static void send_one(struct scene *x, rai_producer *producer, enum rai_send_mode mode, uint64_t tag)
{
    static const char *const bodies[] = { "n1", "n2", "t3" };
    rai_op *op = NULL;
    ra_message m = { .refs = 1, .body = (const uint8_t *)bodies[tag % 3], .body_size = 2 };
    if (producer != NULL)
        rai_producer_send(producer, producer->address == NULL ? "a" : NULL, &m, mode, tag, x->p->now, &op, NULL);
    keep(x, op);
}

static void work(struct scene *x)
{
    rai_op *op = NULL;
    for (uint64_t i = 1; i <= 6; i++) {
        send_one(x, x->producer, RAI_SEND_TAGGED, i);
        send_one(x, x->producer, RAI_SEND_OP, 0);
        send_one(x, x->other, RAI_SEND_FORGET, 2);
    }
    if (x->t != NULL)
        rai_session_commit(x->t, x->p->now, &op, NULL);
    keep(x, op), op = NULL;
    if (x->s != NULL)
        rai_session_query_queue(x->s, "q", x->p->now, &op, NULL);
    keep(x, op), op = NULL;
    ra_message *m = x->c != NULL ? rai_consumer_take(x->c, 0, x->p->now) : NULL;
    if (m != NULL)
        rai_consumer_acknowledge(x->c, m, true, x->p->now, &op, NULL);
    keep(x, op);
    rai_message_unref(m);
}

static void cut_all(struct scene *x, bool restart)
{
    if (restart)
        model_restart(&x->m);
    for (int i = 1; i <= x->p->count; i++)
        if (x->p->links[i].up)
            model_cut(&x->m, i);
}

/* Returns whether the failure was reached. */
static bool run(long n, bool restart)
{
    static struct scene x;
    long before = rai_alloc_count();
    memset(&x, 0, sizeof x);
    x.p = peer_new();
    x.p->config.route_check = RAI_ROUTE_VERIFY;
    x.p->config.initial_connect_attempts = -1;
    x.p->config.producer_window = 400;
    model_init(&x.m, x.p, 1);
    model_fill(&x.m, 20);
    peer_start(x.p);
    rai_alloc_fail_at(n);
    open_things(&x);
    work(&x);
    turns(&x, 3);
    work(&x);
    cut_all(&x, restart);
    turns(&x, 3);
    work(&x);
    turns(&x, 5);
    void *probe = rai_alloc(1);
    bool reached = probe == NULL;
    rai_free(probe);
    rai_alloc_fail_at(0); /* memory is back: what can go on goes on */
    turns(&x, 400);
    if (x.c != NULL)
        rai_consumer_release(x.c, x.p->now);
    if (x.producer != NULL)
        rai_producer_release(x.producer, x.p->now);
    if (x.s != NULL)
        rai_session_release(x.s, x.p->now);
    turns(&x, 50);
    rai_engine_shut(x.p->e, x.p->now);
    for (int i = 0; i < x.op_count; i++) {
        cr_assert_neq(rai_op_outcome(x.ops[i]), RA_OUTCOME_PENDING, "%ld: an operation never ends", n);
        rai_op_unref(x.ops[i]);
    }
    model_free(&x.m);
    peer_free(x.p);
    cr_assert_eq(rai_alloc_count(), before, "%ld: %ld allocations were lost", n, rai_alloc_count() - before);
    return reached;
}

Test(engine_memory, any_allocation_may_fail_around_a_cut, .timeout = 120)
{
    long n = 1;
    while (run(n, false))
        n++;
    cr_assert_gt(n, 50, "%ld", n);
}

Test(engine_memory, any_allocation_may_fail_around_a_restart, .timeout = 120)
{
    long n = 1;
    while (run(n, true))
        n++;
    cr_assert_gt(n, 50, "%ld", n);
}
