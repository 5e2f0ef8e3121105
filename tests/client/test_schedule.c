/*
 * Schedule fuzzing: two to four threads work on one connection while a seed decides, at every lock, token and wake
 * point, who dawdles; reads and writes come short, polls and condition waits wake for nothing, and in some rounds the
 * peer cuts the connection. Every wait has to end far before its deadline, every send has to have exactly one outcome.
 *
 * REATTACH_SEED=n runs one seed; REATTACH_SECONDS=n changes how long it goes on with new ones (from the seed, if both).
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <reattach/event.h>

#include "base/alloc.h"
#include "codec/message.h"
#include "harness.h"
#include "peer.h"
#include "support/test.h"

enum { WORKERS = 4, STEPS = 24, TAGS = WORKERS * STEPS, WAIT_MS = 120000, SOON_MS = 10000 };

/* --- the seed's decisions ---------------------------------------------------------------------------------------- */

struct schedule {
    uint64_t seed;
    atomic_ullong count;
    int laziness;         /* of 100 points, how many are slept at */
    void *(*run)(void *); /* of the background thread, which may outlive its client's handle */
    void *arg;
    atomic_int threads;
};

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static uint64_t draw(struct schedule *s)
{
    return mix(s->seed ^ mix(atomic_fetch_add(&s->count, 1)));
}

/* Every 64 points the threads' ranks are dealt anew: half of the threads run freely, the others dawdle. */
static void schedule_yield(void *ctx, enum rai_point point)
{
    struct schedule *s = ctx;
    uint64_t r = draw(s), era = atomic_load(&s->count) / 64;
    bool slow = mix(s->seed ^ era ^ (uint64_t)(uintptr_t)pthread_self() ^ ((uint64_t)point << 56)) & 1;
    if (!slow || r % 100 >= (uint64_t)s->laziness)
        return;
    if (r & 1024) {
        sched_yield();
        return;
    }
    struct timespec t = { .tv_nsec = (long)((r >> 16) % (r & 2048 ? 400000 : 20000)) };
    nanosleep(&t, NULL);
}

static int schedule_poll(void *ctx, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    uint64_t r = draw(ctx);
    if (r % 16 == 0)
        return -EINTR;
    int n = rai_sys_default.poll(NULL, fds, count, timeout_us);
    if (r % 16 == 1 && n > 0) /* only some of what is ready */
        for (nfds_t i = 1; i < count; i++)
            fds[i].revents = (r >> (i % 32)) & 256 ? fds[i].revents : 0;
    return n;
}

static ssize_t schedule_read(void *ctx, int fd, void *out, size_t size)
{
    uint64_t r = draw(ctx);
    if (r % 8 == 0)
        return -EAGAIN;
    return rai_sys_default.read(NULL, fd, out, r % 4 == 1 && size > 100 ? 1 + (r >> 8) % 100 : size);
}

static ssize_t schedule_write(void *ctx, int fd, const struct iovec *pieces, int count)
{
    uint64_t r = draw(ctx);
    if (r % 8 == 0)
        return -EAGAIN;
    if (r % 4 == 1) {
        struct iovec first = pieces[0];
        first.iov_len = 1 + (r >> 8) % first.iov_len;
        return rai_sys_default.write(NULL, fd, &first, 1);
    }
    return rai_sys_default.write(NULL, fd, pieces, count);
}

static void schedule_cond_wait(void *ctx, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_us)
{
    if (draw(ctx) % 16 == 0) { /* for nothing */
        pthread_mutex_unlock(mutex);
        sched_yield();
        pthread_mutex_lock(mutex);
        return;
    }
    rai_sys_default.cond_wait(NULL, cond, mutex, until_us);
}

static void *schedule_thread(void *arg)
{
    struct schedule *s = arg;
    void *result = s->run(s->arg);
    atomic_fetch_sub(&s->threads, 1);
    return result;
}

static int schedule_thread_start(void *ctx, pthread_t *thread, void *(*run)(void *), void *arg)
{
    struct schedule *s = ctx;
    s->run = run;
    s->arg = arg;
    atomic_fetch_add(&s->threads, 1);
    return rai_sys_default.thread_start(NULL, thread, schedule_thread, s);
}

static struct rai_sys schedule_table(struct schedule *s)
{
    struct rai_sys sys = rai_sys_default;
    sys.ctx = s;
    sys.poll = schedule_poll;
    sys.read = schedule_read;
    sys.write = schedule_write;
    sys.cond_wait = schedule_cond_wait;
    sys.thread_start = schedule_thread_start;
    sys.yield = schedule_yield;
    return sys;
}

/* --- the work ---------------------------------------------------------------------------------------------------- */

struct scene {
    uint64_t seed;
    struct schedule schedule;
    struct rai_sys sys;
    struct peer *peer;
    rai_client *client;
    rai_session *session;
    rai_producer *producer;
    bool cuts, manual, interrupts, dispatches;
    int workers;
    atomic_int next_tag;
    atomic_int outcomes[TAGS]; /* how often each tag's outcome was told */
    atomic_long confirmed, sent, working;
};

struct worker {
    struct scene *scene;
    int number;
    pthread_t thread;
    uint64_t random;
    rai_consumer *consumer;
};

_Noreturn static void broken(const struct scene *scene, const char *what)
{
    harness_fail("REATTACH_SEED=%llu: %s", (unsigned long long)scene->seed, what);
}

static void check_soon(const struct scene *scene, int64_t began_ms, const char *what)
{
    if (harness_now_ms() - began_ms > SOON_MS * TEST_SLOWER)
        broken(scene, what);
}

static void step_send(struct worker *w)
{
    struct scene *s = w->scene;
    int rc, outcome = RA_OUTCOME_PENDING;
    outcome = harness_send(s->client, s->producer, WAIT_MS, &rc);
    atomic_fetch_add(&s->sent, 1);
    if (outcome == RA_OUTCOME_CONFIRMED)
        atomic_fetch_add(&s->confirmed, 1);
    else if (!s->cuts && rc != RA_E_INTERRUPTED)
        broken(s, "a send was not confirmed");
    if (outcome == RA_OUTCOME_PENDING && rc != RA_E_INTERRUPTED)
        broken(s, "a wait ended before its operation");
}

static void step_query(struct worker *w)
{
    int rc = harness_query(w->scene->client, w->scene->session, WAIT_MS);
    if (rc == RA_E_TIMEOUT)
        broken(w->scene, "a query timed out");
    if (rc != 0 && !w->scene->cuts && rc != RA_E_INTERRUPTED)
        broken(w->scene, "a query failed");
}

static void step_short_wait(struct worker *w)
{
    int rc = harness_receive(w->scene->client, w->consumer, (int64_t)(w->random >> 32) % 2);
    if (rc != 1 && rc != RA_E_TIMEOUT && rc != RA_E_INTERRUPTED && !w->scene->cuts)
        broken(w->scene, "a receive failed");
}

static void step_tagged(struct worker *w)
{
    struct scene *s = w->scene;
    struct rai_fault fault;
    ra_message *m = rai_message_new(0);
    int tag = atomic_fetch_add(&s->next_tag, 1), rc;
    if (!m || rai_client_enter(s->client, &fault) < 0)
        broken(s, "no memory");
    while ((rc = rai_producer_send(s->producer, NULL, m, RAI_SEND_TAGGED, (uint64_t)tag, rai_client_now(s->client),
                                   NULL, &fault)) == RA_E_WOULD_BLOCK) {
        int64_t until = rai_client_until(s->client, WAIT_MS);
        if (rai_client_wait_writable(s->client, s->producer, until, 0, &fault) == RA_E_TIMEOUT)
            broken(s, "no room was made");
    }
    if (rc < 0)
        broken(s, "a tagged send was refused");
    rai_client_leave(s->client);
    ra_message_unref(m);
}

static void take_events(struct scene *s)
{
    struct rai_event event;
    while (rai_engine_next_event(rai_client_engine(s->client), &event)) {
        if (event.kind != RA_EVENT_SEND_OUTCOME)
            continue;
        if (event.outcome != RA_OUTCOME_CONFIRMED && !s->cuts)
            broken(s, "a tagged send was not confirmed");
        for (uint64_t tag = event.first; tag <= event.last && tag < TAGS; tag++)
            atomic_fetch_add(&s->outcomes[tag], 1);
    }
}

static void step_dispatch(struct worker *w)
{
    struct scene *s = w->scene;
    struct rai_fault fault;
    if (rai_client_enter(s->client, &fault) < 0)
        broken(s, "enter");
    if (rai_client_dispatch_begin(s->client, &fault) == 0) {
        take_events(s);
        rai_client_leave(s->client);
        int rc = harness_send(s->client, s->producer, WAIT_MS, &fault.code); /* as a listener would */
        if (rc == RA_OUTCOME_PENDING && fault.code != RA_E_IN_LISTENER)
            broken(s, "a listener could wait");
        atomic_fetch_add(&s->sent, 1);
        if (rai_client_enter(s->client, &fault) < 0)
            broken(s, "enter");
        rai_client_dispatch_end(s->client);
    }
    rai_client_leave(s->client);
}

static void step_wake_others(struct worker *w)
{
    struct scene *s = w->scene;
    struct rai_fault fault;
    if (s->cuts)
        peer_cut(s->peer);
    if (!s->interrupts || rai_client_enter(s->client, &fault) < 0)
        return;
    rai_client_interrupt(s->client);
    rai_client_leave(s->client);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < STEPS; i++) {
        int64_t began = harness_now_ms();
        w->random = mix(w->random);
        switch (w->random % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
        case 5:
            step_send(w);
            break;
        case 6:
        case 7:
        case 8:
            step_query(w);
            break;
        case 9:
        case 10:
            step_short_wait(w);
            break;
        case 11:
        case 12:
        case 13:
            step_tagged(w);
            break;
        case 14:
            if (w->scene->dispatches)
                step_dispatch(w);
            break;
        default:
            step_wake_others(w);
        }
        check_soon(w->scene, began, "a step took too long: a wake-up was lost");
    }
    atomic_fetch_sub(&w->scene->working, 1);
    return NULL;
}

/* Everything sent by now has its outcome; then each tag's must have been told once. */
static void settle(struct scene *s)
{
    struct rai_fault fault;
    rai_op *op = NULL;
    if (rai_client_enter(s->client, &fault) < 0)
        broken(s, "enter");
    if (rai_session_flush(s->session, rai_client_now(s->client), &op, &fault) < 0 ||
        rai_client_wait_op(s->client, op, rai_client_until(s->client, WAIT_MS), 0, &fault) < 0)
        broken(s, fault.text);
    rai_op_unref(op);
    take_events(s);
    rai_client_leave(s->client);
    for (int tag = 0; tag < atomic_load(&s->next_tag); tag++)
        if (atomic_load(&s->outcomes[tag]) != 1)
            harness_fail("REATTACH_SEED=%llu: tag %d of %d has %d outcomes", (unsigned long long)s->seed, tag,
                         atomic_load(&s->next_tag), atomic_load(&s->outcomes[tag]));
    if (atomic_load(&s->confirmed) > peer_sends(s->peer))
        broken(s, "more was confirmed than the peer has seen");
}

static void set_scene(struct scene *s, uint64_t seed)
{
    uint64_t r = mix(seed);
    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->schedule.seed = r;
    s->schedule.laziness = (int)(r >> 8) % 60;
    s->cuts = r % 4 == 0;
    s->manual = (r >> 2) % 4 == 0;
    s->interrupts = (r >> 4) % 4 == 0;
    s->dispatches = (r >> 6) % 2 == 0;
    s->workers = 2 + (int)((r >> 16) % (WORKERS - 1));
    s->sys = schedule_table(&s->schedule);
    s->peer = peer_new();
}

static struct scene scene;

static void run_seed(uint64_t seed)
{
    struct worker workers[WORKERS];
    set_scene(&scene, seed);
    struct rai_config config = harness_config(peer_port(scene.peer));
    config.manual_drive = scene.manual;
    int64_t began = harness_now_ms();
    scene.client = harness_open(&config, &scene.sys);
    scene.session = harness_session(scene.client);
    scene.producer = harness_producer(scene.client, scene.session);
    atomic_store(&scene.working, scene.workers);
    for (int i = 0; i < scene.workers; i++) {
        workers[i] = (struct worker){ .scene = &scene, .number = i, .random = mix(seed + 1) + (uint64_t)i };
        workers[i].consumer = harness_consumer(scene.client, scene.session, NULL);
    }
    for (int i = 0; i < scene.workers; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            broken(&scene, "no thread");
    for (int i = 0; i < scene.workers; i++)
        pthread_join(workers[i].thread, NULL);
    settle(&scene);
    if (seed % 3 == 0)
        rai_client_free(scene.client); /* its thread goes on to its own end, with this table */
    else
        harness_close(scene.client);
    while (atomic_load(&scene.schedule.threads) > 0) {
        check_soon(&scene, began, "the thread of a freed client does not end");
        harness_sleep_ms(1);
    }
    check_soon(&scene, began, "the round took too long");
}

Test(client_schedule, any_schedule__loses_no_wake_up, .timeout = 120)
{
    const char *seed_text = getenv("REATTACH_SEED"), *seconds_text = getenv("REATTACH_SECONDS");
    uint64_t first = seed_text ? strtoull(seed_text, NULL, 10) : 1, seed = first;
    peer_free(peer_new()); /* ThreadSanitizer starts a thread of its own with the first one */
    long memory = rai_alloc_count(), threads = harness_threads();
    int64_t limit = harness_now_ms() + (seconds_text ? atol(seconds_text) : 15) * 1000;
    do {
        run_seed(seed++);
        harness_expect_threads(threads + 1); /* the peer's: a freed client's has ended */
        peer_free(scene.peer);
        cr_assert_eq(rai_alloc_count(), memory, "REATTACH_SEED=%llu left %ld allocations",
                     (unsigned long long)(seed - 1), rai_alloc_count() - memory);
    } while ((!seed_text || seconds_text) && harness_now_ms() < limit);
    cr_log_info("seeds %llu to %llu", (unsigned long long)first, (unsigned long long)(seed - 1));
}
