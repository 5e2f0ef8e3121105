/* The client room against a small peer over real sockets. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reattach/event.h>

#include "base/alloc.h"
#include "codec/message.h"
#include "harness.h"
#include "peer.h"
#include "support/test.h"

enum { LONG_MS = 60000 }; /* a wait that must end long before */

static struct peer *peer;
static long memory;

static void set_up(void)
{
    memory = rai_alloc_count();
    peer = peer_new();
}

static void tear_down(void)
{
    peer_free(peer);
    cr_expect_eq(rai_alloc_count(), memory, "%ld allocations left", rai_alloc_count() - memory);
}

static rai_client *open_client(bool manual)
{
    struct rai_config config = harness_config(peer_port(peer));
    config.manual_drive = manual;
    return harness_open(&config, NULL);
}

static void enter(rai_client *c)
{
    struct rai_fault fault;
    cr_assert_eq(rai_client_enter(c, &fault), 0);
}

/* A thread that does one thing and tells what came of it. */
struct helper {
    pthread_t thread;
    rai_client *client;
    rai_session *session;
    rai_producer *producer;
    rai_consumer *consumer;
    int64_t timeout_ms;
    int32_t flags;
    int count;
    int result;
    atomic_bool done;
};

static void start(struct helper *h, void *(*run)(void *))
{
    cr_assert_eq(pthread_create(&h->thread, NULL, run, h), 0);
}

static void *receive_main(void *arg)
{
    struct helper *h = arg;
    h->result = harness_receive(h->client, h->consumer, h->timeout_ms);
    atomic_store(&h->done, true);
    return NULL;
}

static void *event_main(void *arg)
{
    struct helper *h = arg;
    struct rai_fault fault;
    if (rai_client_enter(h->client, &fault) < 0)
        return NULL;
    h->result = rai_client_wait_event(h->client, rai_client_until(h->client, h->timeout_ms), &fault);
    rai_client_leave(h->client);
    atomic_store(&h->done, true);
    return NULL;
}

static void *send_main(void *arg)
{
    struct helper *h = arg;
    for (int i = 0; i < h->count; i++)
        h->result += harness_send(h->client, h->producer, LONG_MS, NULL) == RA_OUTCOME_CONFIRMED;
    atomic_store(&h->done, true);
    return NULL;
}

static void *query_main(void *arg)
{
    struct helper *h = arg;
    for (int i = 0; i < h->count; i++)
        h->result += harness_query(h->client, h->session, LONG_MS) == 0;
    atomic_store(&h->done, true);
    return NULL;
}

/* Until the other thread sits in its wait: there is no telling from outside, so a moment has to do. */
static void let_it_wait(void)
{
    harness_sleep_ms(20);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

Test(client_life, open_and_close__leave_nothing_behind, .init = set_up, .fini = tear_down)
{
    long fds = harness_descriptors(), threads = harness_threads();
    rai_client *c = open_client(false);
    cr_expect_eq(harness_threads(), threads + 1);
    struct rai_fault fault;
    cr_expect_geq(rai_client_descriptor(c, &fault), 0);
    cr_expect_eq(rai_client_close(c, LONG_MS, &fault), 0);
    cr_expect_eq(rai_client_close(c, LONG_MS, &fault), 0, "twice is once");
    harness_expect_threads(threads);
    rai_client_free(c);
    harness_expect_descriptors(fds); /* the peer's end included */
}

Test(client_life, free_without_close__thread_ends_by_itself, .init = set_up, .fini = tear_down)
{
    long fds = harness_descriptors(), threads = harness_threads();
    for (int i = 0; i < 20; i++)
        rai_client_free(open_client(i % 4 == 3));
    harness_expect_threads(threads);
    harness_expect_descriptors(fds);
    rai_client_free(NULL);
}

Test(client_life, sessions_left_open__are_freed_with_the_client, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    (void)harness_producer(c, s);
    (void)harness_consumer(c, s, NULL);
    harness_close(c);
}

Test(client_life, never_opened__closes_and_frees, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_client *c;
    struct rai_config config = harness_config(peer_port(peer));
    cr_assert_eq(rai_client_new(&config, NULL, &c, &fault), 0);
    cr_expect_eq(rai_client_close(c, LONG_MS, &fault), 0);
    rai_client_free(c);
    config = harness_config(peer_port(peer));
    cr_assert_eq(rai_client_new(&config, NULL, &c, &fault), 0);
    rai_client_free(c);
    cr_expect_eq(peer_connections(peer), 0);
}

Test(client_life, refused__open_fails_and_leaves_nothing, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_client *c;
    long fds = harness_descriptors(), threads = harness_threads();
    struct rai_config config = harness_config(1);
    cr_assert_eq(rai_client_new(&config, NULL, &c, &fault), 0);
    cr_expect_lt(rai_client_open(c, LONG_MS, &fault), 0);
    cr_expect_neq(fault.code, RA_E_TIMEOUT);
    rai_client_free(c);
    harness_expect_threads(threads);
    harness_expect_descriptors(fds);
}

Test(client_life, silent_peer__open_times_out, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_client *c;
    long fds = harness_descriptors();
    struct rai_config config = harness_config(peer_port(peer));
    peer_mute(peer, true);
    cr_assert_eq(rai_client_new(&config, NULL, &c, &fault), 0);
    cr_expect_eq(rai_client_open(c, 50, &fault), RA_E_TIMEOUT);
    rai_client_free(c);
    harness_expect_descriptors(fds);
}

Test(client_life, no_memory__is_a_fault_and_leaks_nothing, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_client *c;
    long fds = harness_descriptors();
    for (long n = 1; n < 100; n++) {
        struct rai_config config = harness_config(peer_port(peer));
        rai_alloc_fail_at(n);
        int rc = rai_client_new(&config, NULL, &c, &fault);
        rai_alloc_fail_at(0);
        if (rc == 0) {
            rai_client_free(c);
            break;
        }
        cr_expect_eq(rc, RA_E_NO_MEMORY);
        cr_expect_null(c);
    }
    harness_expect_descriptors(fds);
}

Test(client_life, unresponsive_peer__close_is_quick, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    peer_stall(peer, true);
    int64_t began = harness_now_ms();
    cr_expect_eq(harness_query(c, s, 20), RA_E_TIMEOUT);
    harness_close(c);
    cr_expect_lt(harness_now_ms() - began, LONG_MS / 10);
}

Test(client_life, close__ends_the_waits_of_other_threads, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    struct helper waiting[3];
    memset(waiting, 0, sizeof waiting);
    for (int i = 0; i < 3; i++) {
        waiting[i].client = c;
        waiting[i].timeout_ms = -1;
        waiting[i].consumer = i < 2 ? harness_consumer(c, s, NULL) : NULL;
        start(&waiting[i], i < 2 ? receive_main : event_main);
    }
    let_it_wait();
    struct rai_fault fault;
    cr_expect_eq(rai_client_close(c, LONG_MS, &fault), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(waiting[i].thread, NULL);
        cr_expect(waiting[i].result <= 0, "%d", waiting[i].result);
    }
    rai_client_free(c);
}

static void *close_main(void *arg)
{
    struct helper *h = arg;
    struct rai_fault fault;
    h->result = rai_client_close(h->client, LONG_MS, &fault);
    return NULL;
}

Test(client_life, close_by_two_threads__both_see_it_closed, .init = set_up, .fini = tear_down)
{
    for (int round = 0; round < 20; round++) {
        rai_client *c = open_client(round % 2);
        struct helper h[2] = { { .client = c }, { .client = c } };
        start(&h[0], close_main);
        start(&h[1], close_main);
        for (int i = 0; i < 2; i++) {
            pthread_join(h[i].thread, NULL);
            cr_expect_eq(h[i].result, 0);
        }
        rai_client_free(c);
    }
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

Test(client_wait, request__is_answered, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(harness_query(c, s, LONG_MS), 0);
    harness_release(c, s, NULL, NULL);
    harness_close(c);
}

Test(client_wait, timeout__ends_the_wait_and_not_the_work, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_op *op;
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    peer_mute(peer, true);
    enter(c);
    cr_assert_eq(rai_session_query_queue(s, "q", rai_client_now(c), &op, &fault), 0);
    cr_expect_eq(rai_client_wait_op(c, op, rai_client_until(c, 30), 0, &fault), RA_E_TIMEOUT);
    cr_expect_eq(fault.code, RA_E_TIMEOUT);
    cr_expect_eq(rai_op_outcome(op), RA_OUTCOME_PENDING);
    cr_expect_eq(rai_client_wait_op(c, op, rai_client_until(c, 0), 0, &fault), RA_E_TIMEOUT);
    peer_mute(peer, false);
    cr_expect_eq(rai_client_wait_op(c, op, RAI_FOREVER, 0, &fault), 0);
    cr_expect_eq(rai_op_outcome(op), RA_OUTCOME_CONFIRMED);
    rai_op_unref(op);
    rai_client_leave(c);
    harness_close(c);
}

static rai_client *interrupted_client;
static void *interrupt_main(void *arg)
{
    (void)arg;
    struct rai_fault fault;
    let_it_wait();
    if (rai_client_enter(interrupted_client, &fault) == 0) {
        rai_client_interrupt(interrupted_client);
        rai_client_leave(interrupted_client);
    }
    return NULL;
}

Test(client_wait, interrupt__ends_every_wait_and_none_later, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    struct helper other = { .client = c, .consumer = harness_consumer(c, s, NULL), .timeout_ms = LONG_MS };
    struct helper h = { .client = c };
    rai_consumer *mine = harness_consumer(c, s, NULL);
    interrupted_client = c;
    start(&other, receive_main);
    start(&h, interrupt_main);
    int rc = harness_receive(c, mine, LONG_MS);
    cr_expect_eq(rc, RA_E_INTERRUPTED, "%d", rc);
    pthread_join(h.thread, NULL);
    pthread_join(other.thread, NULL);
    cr_expect_eq(other.result, RA_E_INTERRUPTED, "%d", other.result);
    cr_expect_eq(harness_query(c, s, LONG_MS), 0);
    harness_close(c);
}

Test(client_wait, consumers__are_woken_by_what_another_thread_sends, .init = set_up, .fini = tear_down)
{
    enum { THREADS = 3, EACH = 50 };
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    struct helper h[THREADS];
    memset(h, 0, sizeof h);
    for (int i = 0; i < THREADS; i++)
        h[i] = (struct helper){ .client = c, .timeout_ms = LONG_MS, .consumer = harness_consumer(c, s, NULL) };
    for (int round = 0; round < EACH; round++) {
        for (int i = 0; i < THREADS; i++)
            start(&h[i], receive_main);
        if (round % 8 == 0)
            let_it_wait();
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(harness_send(c, p, LONG_MS, NULL), RA_OUTCOME_CONFIRMED);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(h[i].thread, NULL);
            cr_assert_eq(h[i].result, 1, "%d", h[i].result);
        }
    }
    harness_close(c);
}

Test(client_wait, several_threads_on_one_session__each_send_has_its_outcome, .init = set_up, .fini = tear_down,
     .timeout = 60)
{
    enum { THREADS = 4, EACH = 500 };
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    struct helper h[THREADS];
    memset(h, 0, sizeof h);
    for (int i = 0; i < THREADS; i++) {
        h[i] = (struct helper){ .client = c, .session = s, .producer = p, .count = EACH };
        start(&h[i], i == 0 ? query_main : send_main);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(h[i].thread, NULL);
        cr_expect_eq(h[i].result, EACH);
    }
    cr_expect_eq(peer_sends(peer), (THREADS - 1) * EACH);
    harness_close(c);
}

/* Begins a request and looks, without waiting, until it has ended. */
static void query_in_background(rai_client *c, rai_session *s)
{
    struct rai_fault fault;
    rai_op *op;
    enter(c);
    cr_assert_eq(rai_session_query_queue(s, "q", rai_client_now(c), &op, &fault), 0);
    rai_client_leave(c);
    for (int i = 0, outcome = RA_OUTCOME_PENDING; outcome == RA_OUTCOME_PENDING; i++) {
        cr_assert_lt(i, 10000);
        harness_sleep_ms(1);
        enter(c);
        outcome = rai_op_outcome(op);
        rai_client_leave(c);
    }
    enter(c);
    rai_op_unref(op);
    rai_client_leave(c);
}

Test(client_wait, nobody_waits__the_thread_goes_on, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    rai_consumer *consumer = harness_consumer(c, s, NULL);
    query_in_background(c, s);
    query_in_background(c, s);
    for (int wait_ms = 0; wait_ms < 60; wait_ms += 7) { /* around the lease, and long enough to be left alone */
        cr_expect_eq(harness_receive(c, consumer, wait_ms), RA_E_TIMEOUT);
        query_in_background(c, s);
    }
    harness_close(c);
}

Test(client_wait, earlier_deadline__reaches_a_driver_that_sleeps_for_longer, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    struct rai_config config = harness_config(peer_port(peer));
    config.retry_interval = config.max_retry_interval = 1000000; /* the thread has nothing to do for long */
    config.call_failover_timeout = 100;
    rai_op *op;
    rai_client *c = harness_open(&config, NULL);
    rai_session *s = harness_session(c);
    bool connected = true;
    peer_refuse(peer, true);
    peer_cut(peer);
    while (connected) {
        harness_sleep_ms(1);
        enter(c);
        connected = rai_engine_connected(rai_client_engine(c));
        rai_client_leave(c);
    }
    harness_sleep_ms(300); /* all shorter deadlines are over */
    enter(c);
    cr_assert_eq(rai_session_query_queue(s, "q", rai_client_now(c), &op, &fault), 0);
    rai_client_leave(c);
    harness_sleep_ms(1000); /* and one look only: whoever leaves looks at the deadline himself */
    enter(c);
    cr_expect_eq(rai_op_outcome(op), RA_OUTCOME_NOT_DONE);
    rai_op_unref(op);
    rai_client_leave(c);
    harness_close(c);
}

Test(client_wait, stalled_peer__writable_when_it_reads_again, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    struct rai_config config = harness_config(peer_port(peer));
    config.max_unconfirmed = 64 * 1024;
    rai_client *c = harness_open(&config, NULL);
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    ra_message *m = rai_message_new(0);
    cr_assert_not_null(m);
    int rc;
    long sent = 0;
    peer_stall(peer, true);
    enter(c);
    while ((rc = rai_producer_send(p, NULL, m, RAI_SEND_FORGET, 0, rai_client_now(c), NULL, &fault)) == 0)
        sent++;
    cr_expect_eq(rc, RA_E_WOULD_BLOCK);
    cr_expect_eq(rai_client_wait_writable(c, p, rai_client_until(c, 30), 0, &fault), RA_E_TIMEOUT);
    peer_stall(peer, false);
    cr_expect_eq(rai_client_wait_writable(c, p, rai_client_until(c, LONG_MS), 0, &fault), 0);
    cr_expect_eq(rai_producer_send(p, NULL, m, RAI_SEND_FORGET, 0, rai_client_now(c), NULL, &fault), 0);
    rai_client_leave(c);
    cr_expect_eq(harness_query(c, s, LONG_MS), 0);
    cr_expect_eq(peer_sends(peer), sent + 1);
    ra_message_unref(m);
    harness_close(c);
}

Test(client_wait, bulk__is_written_whole_with_a_full_socket, .init = set_up, .fini = tear_down)
{
    enum { BODY = 100000, COUNT = 60 };
    struct rai_fault fault;
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    ra_message *m = rai_message_new(0);
    cr_assert_not_null(m);
    static const uint8_t body[BODY];
    cr_assert_eq(ra_message_set_body(m, body, BODY, NULL), 0);
    peer_stall(peer, true);
    for (int i = 0; i < COUNT; i++) {
        enter(c);
        cr_assert_eq(rai_producer_send(p, NULL, m, RAI_SEND_FORGET, 0, rai_client_now(c), NULL, &fault), 0);
        rai_client_leave(c);
    }
    peer_stall(peer, false);
    cr_expect_eq(harness_query(c, s, LONG_MS), 0);
    cr_expect_eq(peer_sends(peer), COUNT);
    ra_message_unref(m);
    harness_close(c);
}

Test(client_wait, cut__is_survived, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    for (int i = 0; i < 10; i++) {
        long before = peer_connections(peer);
        cr_expect_eq(harness_query(c, s, LONG_MS), 0);
        peer_cut(peer);
        while (peer_connections(peer) == before)
            harness_sleep_ms(1); /* by the thread alone */
    }
    cr_expect_eq(harness_query(c, s, LONG_MS), 0);
    harness_close(c);
}

/* --- events ------------------------------------------------------------------------------------------------------ */

static void subscribe(rai_client *c)
{
    enter(c);
    rai_engine_subscribe(rai_client_engine(c), RA_EVENT_MASK(RA_EVENT_DISCONNECTED));
    rai_client_leave(c);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, timeout_ms) == 1;
}

Test(client_events, event__ends_waits_that_asked_for_it_and_shows_on_the_descriptor, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    struct rai_event event;
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    rai_consumer *consumer = harness_consumer(c, s, NULL);
    int fd = rai_client_descriptor(c, &fault);
    cr_assert_geq(fd, 0);
    cr_expect_eq(rai_client_deadline(c), -1);
    subscribe(c);
    cr_expect_not(readable(fd, 0));
    peer_cut(peer);
    enter(c);
    int rc = rai_client_wait_consumer(c, consumer, rai_client_until(c, LONG_MS), RA_WAIT_EVENTS, &fault);
    cr_expect_eq(rc, RA_EVENTS, "%d", rc);
    cr_expect_eq(rai_client_wait_event(c, RAI_FOREVER, &fault), 0);
    rai_client_leave(c);
    cr_expect(readable(fd, LONG_MS));
    enter(c);
    cr_expect_eq(rai_client_dispatch_begin(c, &fault), 0);
    cr_expect(rai_engine_next_event(rai_client_engine(c), &event));
    cr_expect_eq(event.kind, RA_EVENT_DISCONNECTED);
    rai_client_dispatch_end(c);
    rai_client_leave(c);
    cr_expect_not(readable(fd, 0));
    harness_close(c);
}

Test(client_events, in_a_listener__waiting_is_refused_for_this_thread_alone, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_client *c = open_client(false);
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    struct helper other = { .client = c, .session = s, .count = 5 };
    enter(c);
    cr_expect_eq(rai_client_may_wait(c, &fault), 0);
    cr_expect_eq(rai_client_dispatch_begin(c, &fault), 0);
    cr_expect_eq(rai_client_dispatch_begin(c, &fault), RA_E_IN_LISTENER);
    rai_client_leave(c);
    int rc;
    cr_expect_eq(harness_send(c, p, LONG_MS, &rc), RA_OUTCOME_PENDING);
    cr_expect_eq(rc, RA_E_IN_LISTENER);
    start(&other, query_main);
    pthread_join(other.thread, NULL);
    cr_expect_eq(other.result, 5);
    enter(c);
    cr_expect_eq(rai_client_may_wait(c, &fault), RA_E_IN_LISTENER);
    rai_client_dispatch_end(c);
    cr_expect_eq(rai_client_may_wait(c, &fault), 0);
    rai_client_leave(c);
    harness_close(c);
}

Test(client_events, wait_for_an_event__ends_when_none_can_come, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(false);
    struct helper h = { .client = c, .timeout_ms = -1 };
    start(&h, event_main);
    let_it_wait();
    struct rai_fault fault;
    cr_expect_eq(rai_client_close(c, LONG_MS, &fault), 0);
    pthread_join(h.thread, NULL);
    cr_expect_eq(h.result, RA_E_CLOSED, "%d", h.result);
    rai_client_free(c);
}

/* --- manual drive ------------------------------------------------------------------------------------------------ */

/* The caller's loop: until the operation has ended. */
static int process_until(rai_client *c, int fd, rai_op *op)
{
    struct rai_fault fault;
    int outcome = RA_OUTCOME_PENDING;
    int64_t limit = harness_now_ms() + LONG_MS;
    while (outcome == RA_OUTCOME_PENDING) {
        int64_t deadline = rai_client_deadline(c);
        (void)readable(fd, deadline < 0 || deadline > 1000 ? 1000 : (int)deadline);
        cr_assert_eq(rai_client_process(c, &fault), 0);
        enter(c);
        outcome = rai_op_outcome(op);
        rai_client_leave(c);
        cr_assert_lt(harness_now_ms(), limit);
    }
    return outcome;
}

static int query_by_loop(rai_client *c, rai_session *s, int fd)
{
    struct rai_fault fault;
    rai_op *op;
    enter(c);
    cr_assert_eq(rai_session_query_queue(s, "q", rai_client_now(c), &op, &fault), 0);
    rai_client_leave(c);
    int outcome = process_until(c, fd, op);
    enter(c);
    rai_op_unref(op);
    rai_client_leave(c);
    return outcome;
}

Test(client_manual, loop__needs_no_thread, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    long threads = harness_threads(), fds = harness_descriptors();
    rai_client *c = open_client(true);
    rai_session *s = harness_session(c);
    int fd = rai_client_descriptor(c, &fault);
    cr_assert_geq(fd, 0);
    cr_expect_eq(rai_client_descriptor(c, &fault), fd);
    cr_expect_eq(harness_threads(), threads);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(query_by_loop(c, s, fd), RA_OUTCOME_CONFIRMED);
    harness_close(c);
    harness_expect_descriptors(fds);
}

Test(client_manual, idle__descriptor_is_quiet, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_client *c = open_client(true);
    rai_session *s = harness_session(c);
    int fd = rai_client_descriptor(c, &fault);
    cr_expect_eq(query_by_loop(c, s, fd), RA_OUTCOME_CONFIRMED);
    for (int i = 0; i < 20 && readable(fd, 0); i++) /* what is still under way, confirmations for instance */
        cr_assert_eq(rai_client_process(c, &fault), 0);
    cr_expect_not(readable(fd, 50));
    cr_expect_gt(rai_client_deadline(c), 1000);
    harness_close(c);
}

Test(client_manual, cut__is_repaired_by_the_loop, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_client *c = open_client(true);
    rai_session *s = harness_session(c);
    int fd = rai_client_descriptor(c, &fault);
    for (int i = 0; i < 5; i++) {
        peer_cut(peer);
        cr_assert(readable(fd, LONG_MS));
        cr_assert_eq(query_by_loop(c, s, fd), RA_OUTCOME_CONFIRMED);
    }
    harness_close(c);
}

Test(client_manual, blocking_waits__process_for_themselves, .init = set_up, .fini = tear_down)
{
    rai_client *c = open_client(true);
    rai_session *s = harness_session(c);
    rai_producer *p = harness_producer(c, s);
    rai_consumer *consumer = harness_consumer(c, s, NULL);
    cr_expect_eq(harness_send(c, p, LONG_MS, NULL), RA_OUTCOME_CONFIRMED);
    cr_expect_eq(harness_receive(c, consumer, LONG_MS), 1);
    cr_expect_eq(harness_receive(c, consumer, 20), RA_E_TIMEOUT);
    struct helper h = { .client = c, .session = s, .count = 100 };
    start(&h, query_main);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(harness_query(c, s, LONG_MS), 0);
    pthread_join(h.thread, NULL);
    cr_expect_eq(h.result, 100);
    harness_close(c);
}

Test(client_manual, poll_without_time__makes_progress, .init = set_up, .fini = tear_down)
{
    struct rai_fault fault;
    rai_op *op;
    rai_client *c = open_client(true);
    rai_session *s = harness_session(c);
    enter(c);
    cr_assert_eq(rai_session_query_queue(s, "q", rai_client_now(c), &op, &fault), 0);
    int rc = RA_E_TIMEOUT;
    for (int i = 0; rc == RA_E_TIMEOUT; i++) {
        cr_assert_lt(i, 10000);
        rc = rai_client_wait_op(c, op, rai_client_until(c, 0), 0, &fault);
        rai_client_leave(c);
        harness_sleep_ms(1);
        enter(c);
    }
    cr_expect_eq(rc, 0);
    rai_op_unref(op);
    rai_client_leave(c);
    harness_close(c);
}

/* --- fork -------------------------------------------------------------------------------------------------------- */

static int child_checks(rai_client *c, rai_session *s)
{
    struct rai_fault fault;
    (void)s;
    if (!rai_client_forked(c))
        return 1;
    if (rai_client_enter(c, &fault) != RA_E_FORKED || fault.code != RA_E_FORKED)
        return 2;
    if (rai_client_close(c, 1000, &fault) != RA_E_FORKED || rai_client_process(c, &fault) != RA_E_FORKED)
        return 3;
    if (rai_client_descriptor(c, &fault) != RA_E_FORKED || rai_client_deadline(c) != -1)
        return 4;
    long before = harness_descriptors();
    rai_client_free(c);
    return harness_descriptors() < before ? 0 : 5;
}

static void check_fork(bool manual)
{
    struct rai_fault fault;
    rai_client *c = open_client(manual);
    rai_session *s = harness_session(c);
    long connections = peer_connections(peer);
    cr_assert_geq(rai_client_descriptor(c, &fault), 0);
    cr_assert_eq(harness_query(c, s, LONG_MS), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        alarm(30);
        _exit(child_checks(c, s));
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    cr_expect_not(rai_client_forked(c));
    for (int i = 0; i < 20; i++)
        cr_assert_eq(harness_query(c, s, LONG_MS), 0);
    cr_expect_eq(peer_connections(peer), connections);
    harness_close(c);
}

Test(client_fork, child__can_only_free_and_the_parent_goes_on, .init = set_up, .fini = tear_down)
{
    check_fork(false);
    check_fork(true);
}

/* --- what it costs ----------------------------------------------------------------------------------------------- */

static atomic_long wakes, signals, polls;

static void count_points(void *ctx, enum rai_point point)
{
    (void)ctx;
    if (point == RAI_POINT_WAKE)
        atomic_fetch_add(&wakes, 1);
    if (point == RAI_POINT_SIGNAL)
        atomic_fetch_add(&signals, 1);
}

static int count_poll(void *ctx, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    atomic_fetch_add(&polls, 1); /* the driver's and those of the thread that keeps out of its way */
    return rai_sys_default.poll(ctx, fds, count, timeout_us);
}

static rai_client *open_counted(struct rai_sys *sys)
{
    struct rai_config config = harness_config(peer_port(peer));
    *sys = rai_sys_default;
    sys->yield = count_points;
    sys->poll = count_poll;
    return harness_open(&config, sys);
}

Test(client_cost, request_and_answer__wakes_nobody, .init = set_up, .fini = tear_down)
{
    enum { CALLS = 5000 };
    struct rai_sys sys;
    rai_client *c = open_counted(&sys);
    rai_session *s = harness_session(c);
    atomic_store(&wakes, 0);
    atomic_store(&signals, 0);
    atomic_store(&polls, 0);
    for (int i = 0; i < CALLS; i++)
        cr_assert_eq(harness_query(c, s, LONG_MS), 0);
    cr_log_info("%d calls: %ld wakes, %ld signals, %ld polls", CALLS, atomic_load(&wakes), atomic_load(&signals),
                atomic_load(&polls));
    cr_expect_lt(atomic_load(&wakes), CALLS / 10);
    cr_expect_lt(atomic_load(&signals), CALLS / 10);
    cr_expect_lt(atomic_load(&polls), 2 * CALLS);
    harness_close(c);
}

Test(client_cost, idle_or_long_wait__nobody_stirs, .init = set_up, .fini = tear_down)
{
    struct rai_sys sys;
    rai_client *c = open_counted(&sys);
    rai_session *s = harness_session(c);
    rai_consumer *consumer = harness_consumer(c, s, NULL);
    cr_assert_eq(harness_query(c, s, LONG_MS), 0);
    harness_sleep_ms(50);
    atomic_store(&polls, 0);
    harness_sleep_ms(400);
    cr_expect_lt(atomic_load(&polls), 20, "idle: %ld", atomic_load(&polls));
    atomic_store(&polls, 0);
    cr_expect_eq(harness_receive(c, consumer, 400), RA_E_TIMEOUT);
    cr_expect_lt(atomic_load(&polls), 20, "waiting: %ld", atomic_load(&polls));
    harness_close(c);
}
