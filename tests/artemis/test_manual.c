/* drive=manual: the program's own loop and no thread; and what a child of fork() may do. */
#include "kit.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

/* One turn of an ordinary event loop. */
static void turn(ra_connection *connection, int64_t until)
{
    int64_t deadline = ra_connection_deadline(connection), left = until - kit_ms();
    struct pollfd p = { .fd = ra_connection_descriptor(connection, NULL), .events = POLLIN };
    cr_assert_geq(p.fd, 0);
    cr_assert_gt(left, 0, "it takes too long");
    poll(&p, 1, (int)(deadline >= 0 && deadline < left ? deadline : left));
    GOOD(ra_connection_process(connection, &err));
}

static void finish(ra_connection *connection, ra_operation *operation)
{
    int64_t until = kit_ms() + PATIENCE_MS;
    while (ra_operation_outcome(operation) == RA_OUTCOME_PENDING)
        turn(connection, until);
    cr_assert_eq(ra_operation_outcome(operation), RA_OUTCOME_CONFIRMED);
    ra_operation_free(operation);
}

struct loop {
    ra_connection *connection;
    ra_session *session;
    ra_producer *producer;
    ra_consumer *consumer;
    const char *queue;
};

static void loop_open(struct loop *l, uint16_t port)
{
    ra_operation *operation = NULL;
    l->queue = kit_name("loop");
    l->connection = kit_connect(port, "reliable=true&drive=manual");
    GOOD(ra_session_open_begin(l->connection, RA_SESSION_AUTO_COMMIT, &l->session, &operation, &err));
    finish(l->connection, operation);
    GOOD(ra_session_create_queue_begin(l->session, l->queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL,
                                       &operation, &err));
    finish(l->connection, operation);
    GOOD(ra_producer_open_begin(l->session, l->queue, &l->producer, &operation, &err));
    finish(l->connection, operation);
    GOOD(ra_consumer_open_begin(l->session, l->queue, NULL, 0, -2, &l->consumer, &operation, &err));
    finish(l->connection, operation);
    GOOD(ra_session_start(l->session, &err));
}

static void loop_close(struct loop *l)
{
    GOOD(ra_connection_close(l->connection, PATIENCE_MS, NULL, NULL, &err));
    ra_consumer_free(l->consumer);
    ra_producer_free(l->producer);
    ra_session_free(l->session);
    ra_connection_free(l->connection);
}

static void loop_send(struct loop *l, int32_t seq)
{
    ra_operation *operation = NULL;
    ra_message *message = kit_message(seq, 1);
    int64_t until = kit_ms() + PATIENCE_MS;
    while (ra_producer_send_begin(l->producer, NULL, message, &operation, NULL) == RA_E_WOULD_BLOCK)
        turn(l->connection, until);
    ra_message_unref(message);
    finish(l->connection, operation);
}

static void loop_receive(struct loop *l, int32_t seq)
{
    ra_message *message = NULL;
    int64_t until = kit_ms() + PATIENCE_MS;
    while (ra_consumer_take_many(l->consumer, &message, 1, NULL) == 0)
        turn(l->connection, until);
    cr_assert_eq(kit_seq(message), seq);
    GOOD(ra_consumer_acknowledge(l->consumer, message, &err));
    ra_message_unref(message);
}

ArtemisTest(manual, a_loop_with_poll__needs_no_thread)
{
    struct loop l;
    int threads = kit_count().threads;
    loop_open(&l, kit_port());
    cr_assert_eq(kit_count().threads, threads);
    for (int32_t seq = 0; seq < 50; seq++) {
        loop_send(&l, seq);
        loop_receive(&l, seq);
    }
    cr_assert_eq(kit_count().threads, threads);
    loop_close(&l);
}

ArtemisTest(manual, a_cut__is_repaired_by_the_loop)
{
    struct relay *r = kit_relay(kit_port());
    struct loop l;
    loop_open(&l, relay_port(r));
    for (int32_t seq = 0; seq < 10; seq++) {
        if (seq % 3 == 1)
            relay_cut(r, RELAY_RST);
        loop_send(&l, seq);
        if (seq % 3 == 2)
            relay_cut(r, RELAY_FIN);
        loop_receive(&l, seq);
    }
    cr_assert_geq(kit_stat(l.connection, RA_STAT_REATTACHED), 3);
    loop_close(&l);
    relay_stop(r);
}

ArtemisTest(manual, blocking_forms__process_for_themselves)
{
    struct kit k;
    kit_open(&k, kit_port(), "drive=manual", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    kit_fill(k.producer, 0, 10);
    for (int32_t seq = 0; seq < 10; seq++)
        kit_expect(k.consumer, seq, true);
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
}

/* --- fork --- */

static int in_the_child(struct kit *k)
{
    ra_message *message = kit_message(0, 1), *in = NULL;
    ra_error *error = NULL;
    int wrong = 0;
    wrong += ra_producer_send(k->producer, NULL, message, &error) != RA_E_FORKED;
    wrong += ra_error_code(error) != RA_E_FORKED;
    wrong += ra_consumer_receive(k->consumer, 1000, 0, &in, NULL) != RA_E_FORKED;
    wrong += ra_session_flush(k->session, 1000, NULL) != RA_E_FORKED;
    wrong += ra_connection_dispatch(k->connection, 0, NULL) != RA_E_FORKED;
    wrong += ra_connection_close(k->connection, 1000, NULL, NULL, NULL) != RA_E_FORKED;
    ra_error_free(error);
    ra_message_unref(message);
    kit_free(k);
    return wrong;
}

ArtemisTest(fork, child__is_refused_and_frees_and_the_parent_goes_on)
{
    for (int manual = 0; manual < 2; manual++) {
        struct kit k;
        int status = -1;
        kit_open(&k, kit_port(), manual ? "drive=manual" : "", RA_SESSION_AUTO_COMMIT);
        kit_consume(&k, -2);
        kit_fill(k.producer, 0, 1);
        pid_t child = fork();
        if (child == 0)
            _exit(in_the_child(&k));
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
        kit_expect(k.consumer, 0, true);
        kit_fill(k.producer, 1, 1);
        kit_expect(k.consumer, 1, true);
        kit_close(&k);
    }
}
