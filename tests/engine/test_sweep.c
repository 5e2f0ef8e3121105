/*
 * One scenario after the other, with one thing going wrong in it: the n-th allocation (alone, or with all behind it for
 * a while), dial, write or read fails, or a write or read takes one byte only; for each n until the scenario has no
 * n-th. Nothing crashes or leaks, every operation ends, with a fault that says why if it ends badly; and what the
 * network did is recovered from: all work is confirmed, and stored once.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model.h"

enum trouble { MEMORY_FROM, MEMORY_ONCE, DIAL, WRITE, WRITE_PART, WRITE_BRIEF, READ, READ_BRIEF, TROUBLES };
enum scenario { CALM, CUT, CUT_TWICE, RESTART, NO_WINDOW, CREDITS, TWO_BROKERS, SCENARIOS };
enum { OPS = 96 };

/* What a program holds; everything may be missing. */
struct scene {
    struct peer *p;
    struct model m;
    rai_session *s, *t;
    rai_producer *producer, *other, *made;
    rai_consumer *c, *browser;
    rai_op *ops[OPS];
    int op_count, sends;
    long n; /* for messages */
    enum trouble trouble;
    enum scenario scenario;
};

static bool of_memory(const struct scene *x)
{
    return x->trouble == MEMORY_FROM || x->trouble == MEMORY_ONCE;
}

static void keep(struct scene *x, rai_op **op)
{
    if (*op != NULL)
        cr_assert_lt(x->op_count, OPS);
    if (*op != NULL)
        x->ops[x->op_count++] = *op;
    *op = NULL;
}

/* The broker of a link that the peer has cut stops reading there. */
static void mourn(struct scene *x)
{
    for (int i = 1; i <= x->p->count; i++) {
        if (x->p->links[i].up || x->m.links[i].dead)
            continue;
        x->m.links[i].dead = true;
        x->m.links[i].limit = x->p->links[i].out_size;
    }
}

static void turns(struct scene *x, int n)
{
    struct rai_event event;
    rai_op *op;
    void *owner;
    while (n-- > 0) {
        while (peer_dial(x->p) > 0)
            ;
        for (int i = 1; i <= x->p->count; i++)
            if (x->p->links[i].up)
                peer_pump(x->p, i, SIZE_MAX);
        peer_hangups(x->p);
        mourn(x);
        model_read(&x->m, 1000);
        model_execute(&x->m, 1000);
        model_complete(&x->m);
        model_deliver(&x->m, SIZE_MAX);
        mourn(x);
        while (rai_engine_next_event(x->p->e, &event))
            ;
        while (rai_engine_next_ready(x->p->e, &owner) != RAI_READY_NONE)
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
    rai_session_open(x->p->e, false, &x->s, x->p->now, &x->s, &op, NULL);
    keep(x, &op);
    rai_session_open(x->p->e, true, &x->t, x->p->now, &x->t, &op, NULL);
    keep(x, &op);
    turns(x, 8);
    if (x->s != NULL)
        rai_producer_open(x->s, "a", x->p->now, &x->producer, &op, NULL);
    keep(x, &op);
    if (x->t != NULL)
        rai_producer_open(x->t, NULL, x->p->now, &x->other, &op, NULL);
    keep(x, &op);
    if (x->t != NULL && x->p->config.route_check == RAI_ROUTE_CREATE)
        rai_producer_open(x->t, "nowhere", x->p->now, &x->made, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_consumer_open(x->s, "q", NULL, false, 300, &x->c, x->p->now, &x->c, &op, NULL);
    keep(x, &op);
    if (x->t != NULL)
        rai_consumer_open(x->t, "q", "x > 1", true, 0, &x->browser, x->p->now, &x->browser, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_session_add_metadata(x->s, "key", "value", false, x->p->now, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_session_add_metadata(x->s, "own", "value", true, x->p->now, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_session_start(x->s, x->p->now, NULL);
    turns(x, 4);
}

static void send_one(struct scene *x, rai_producer *producer, enum rai_send_mode mode, uint64_t tag)
{
    rai_op *op = NULL;
    char body[16];
    if (producer == NULL)
        return;
    snprintf(body, sizeof body, "%c%d", producer == x->other ? 't' : 'n', x->sends);
    ra_message m = { .refs = 1, .body = (const uint8_t *)body, .body_size = strlen(body) };
    if (rai_producer_send(producer, producer->address == NULL ? "a" : NULL, &m, mode, tag, x->p->now, &op, NULL) ==
        RA_OK)
        x->sends++;
    keep(x, &op);
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
    keep(x, &op);
    if (x->s != NULL)
        rai_session_query_queue(x->s, "q", x->p->now, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_session_query_address(x->s, "a", x->p->now, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_session_create_queue(x->s, "new", "a", 1, 0, NULL, x->p->now, &op, NULL);
    keep(x, &op);
    ra_message *m = x->c != NULL ? rai_consumer_take(x->c, 0, x->p->now) : NULL;
    if (m != NULL)
        rai_consumer_acknowledge(x->c, m, true, x->p->now, &op, NULL);
    keep(x, &op);
    rai_message_unref(m);
    m = x->c != NULL ? rai_consumer_take(x->c, 0, x->p->now) : NULL;
    if (m != NULL)
        rai_consumer_acknowledge(x->c, m, false, x->p->now, NULL, NULL);
    rai_message_unref(m);
}

static void more_requests(struct scene *x)
{
    rai_op *op = NULL;
    if (x->t != NULL)
        rai_session_rollback(x->t, x->p->now, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_session_stop(x->s, x->p->now, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_session_flush(x->s, x->p->now, &op, NULL);
    keep(x, &op);
    if (x->s != NULL)
        rai_session_start(x->s, x->p->now, NULL);
    if (x->browser != NULL)
        rai_consumer_close(x->browser, x->p->now, &op, NULL);
    keep(x, &op);
}

static void cut_all(struct scene *x)
{
    if (x->scenario == CALM)
        return;
    if (x->scenario == RESTART)
        model_restart(&x->m);
    for (int i = 1; i <= x->p->count; i++)
        if (x->p->links[i].up)
            model_cut(&x->m, i);
}

static void leave(struct scene *x)
{
    rai_op *op = NULL;
    if (x->s != NULL)
        rai_session_close(x->s, x->p->now, &op, NULL);
    keep(x, &op);
    turns(x, 10);
    op = rai_engine_leave(x->p->e, x->p->now);
    keep(x, &op);
    turns(x, 10);
}

/* --- the n-th --- */

static void make_trouble(struct scene *x)
{
    struct peer_trouble *t = &x->p->trouble;
    t->brief = x->trouble == WRITE_BRIEF || x->trouble == READ_BRIEF;
    t->arrives = x->trouble == WRITE_PART ? 40 : 0;
    if (x->trouble == MEMORY_FROM)
        rai_alloc_fail_at(x->n);
    else if (x->trouble == MEMORY_ONCE)
        rai_alloc_fail_once(x->n);
    else if (x->trouble == DIAL)
        t->dials = x->n;
    else if (x->trouble == READ || x->trouble == READ_BRIEF)
        t->reads = x->n;
    else
        t->writes = x->n;
}

/* Returns whether there was an n-th. */
static bool end_trouble(struct scene *x)
{
    struct peer_trouble *t = &x->p->trouble;
    bool reached = t->dials + t->writes + t->reads == 0 && rai_alloc_fail_left() <= (x->trouble == MEMORY_FROM);
    *t = (struct peer_trouble){ 0 };
    rai_alloc_fail_at(0);
    return reached;
}

static void configure(struct scene *x)
{
    struct rai_config *config = &x->p->config;
    config->route_check = x->scenario == CREDITS || x->scenario == CUT_TWICE ? RAI_ROUTE_CREATE : RAI_ROUTE_VERIFY;
    config->initial_connect_attempts = -1;
    config->max_retry_interval = 1000;
    config->producer_window = x->scenario == CREDITS ? 400 : -1;
    config->confirmation_window = x->scenario == NO_WINDOW ? -1 : 500;
    config->endpoint_count = x->scenario == TWO_BROKERS ? 2 : 1;
    config->ack_batch_size = x->scenario == CREDITS ? 1000 : 0;
}

/* --- the checks --- */

static void check_op(const struct scene *x, int i)
{
    const struct rai_fault *fault = rai_op_fault(x->ops[i]);
    int outcome = rai_op_outcome(x->ops[i]);
    bool exact = !of_memory(x) && x->scenario != RESTART && x->scenario != NO_WINDOW;
    cr_assert_neq(outcome, RA_OUTCOME_PENDING, "scenario %d, trouble %d, %ld: operation %d never ends", x->scenario,
                  x->trouble, x->n, i);
    if (outcome != RA_OUTCOME_CONFIRMED)
        cr_assert(fault->code != RA_OK && fault->text[0] != '\0',
                  "scenario %d, trouble %d, %ld: operation %d: no reason", x->scenario, x->trouble, x->n, i);
    if (exact)
        cr_assert_eq(outcome, RA_OUTCOME_CONFIRMED, "scenario %d, trouble %d, %ld: operation %d: %d, %s", x->scenario,
                     x->trouble, x->n, i, outcome, fault->text);
}

static void check(const struct scene *x)
{
    bool exact = !of_memory(x) && x->scenario != RESTART && x->scenario != NO_WINDOW;
    for (int i = 0; i < x->op_count; i++)
        check_op(x, i);
    for (int i = 0; i < x->sends; i++) {
        cr_assert_leq(x->m.stored[i], 1, "scenario %d, trouble %d, %ld: %d is stored twice", x->scenario, x->trouble,
                      x->n, i);
        if (exact)
            cr_assert_eq(x->m.stored[i], 1, "scenario %d, trouble %d, %ld: %d is not stored", x->scenario, x->trouble,
                         x->n, i);
    }
}

static bool run(enum scenario scenario, enum trouble trouble, long n)
{
    static struct scene x;
    long before = rai_alloc_count();
    memset(&x, 0, sizeof x);
    x.n = n;
    x.scenario = scenario;
    x.trouble = trouble;
    x.p = peer_new();
    configure(&x);
    model_init(&x.m, x.p, 1);
    model_fill(&x.m, 20);
    peer_start(x.p);
    make_trouble(&x);
    open_things(&x);
    work(&x);
    turns(&x, 3);
    work(&x);
    cut_all(&x);
    turns(&x, 3);
    if (scenario == CUT_TWICE)
        cut_all(&x);
    work(&x);
    turns(&x, 5);
    more_requests(&x);
    turns(&x, 5);
    bool reached = of_memory(&x) && end_trouble(&x); /* what can go on goes on */
    turns(&x, 400);
    leave(&x);
    reached = of_memory(&x) ? reached : end_trouble(&x);
    turns(&x, 400);
    if (x.c != NULL)
        rai_consumer_release(x.c, x.p->now);
    if (x.producer != NULL)
        rai_producer_release(x.producer, x.p->now);
    if (x.made != NULL)
        rai_producer_release(x.made, x.p->now);
    if (x.s != NULL)
        rai_session_release(x.s, x.p->now);
    turns(&x, 50);
    rai_engine_shut(x.p->e, x.p->now);
    check(&x);
    for (int i = 0; i < x.op_count; i++)
        rai_op_unref(x.ops[i]);
    model_free(&x.m);
    peer_free(x.p);
    cr_assert_eq(rai_alloc_count(), before, "scenario %d, trouble %d, %ld: %ld allocations were lost", scenario,
                 trouble, n, rai_alloc_count() - before);
    return reached;
}

static void sweep(enum trouble trouble, const char *what, long at_least)
{
    static const char *const names[] = { "calm", "cut", "cut twice", "restart", "no window", "credits", "two brokers" };
    for (int scenario = CALM; scenario < SCENARIOS; scenario++) {
        long n = 1;
        while (run((enum scenario)scenario, trouble, n))
            n++;
        printf("%s, %s: %ld points\n", what, names[scenario], n - 1);
        cr_assert_geq(n - 1, at_least, "%s: only %ld points", names[scenario], n - 1);
    }
}

Test(engine_sweep, memory_is_gone_for_a_while, .timeout = 120)
{
    sweep(MEMORY_FROM, "no memory from the n-th allocation on", 50);
}

Test(engine_sweep, one_allocation_fails, .timeout = 120)
{
    sweep(MEMORY_ONCE, "no memory for the n-th allocation", 50);
}

Test(engine_sweep, one_dial_fails, .timeout = 120)
{
    sweep(DIAL, "the n-th dial is refused", 1);
}

Test(engine_sweep, one_write_fails, .timeout = 120)
{
    sweep(WRITE, "the n-th write fails", 10);
    sweep(WRITE_PART, "the n-th write fails after 40 bytes", 10);
}

Test(engine_sweep, one_write_is_short, .timeout = 120)
{
    sweep(WRITE_BRIEF, "the n-th write takes one byte", 10);
}

Test(engine_sweep, one_read_fails, .timeout = 120)
{
    sweep(READ, "the n-th read fails", 10);
}

Test(engine_sweep, one_read_is_short, .timeout = 120)
{
    sweep(READ_BRIEF, "the n-th read gives one byte", 10);
}
