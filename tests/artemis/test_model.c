/*
 * The model against reality: the same work, at rest after each step, once on the real broker and once on the mock, both
 * behind a recording relay. Each has to see and to say the same packets: kinds, order and counts, for each connection,
 * channel and direction; of deliveries also how often, of refusals the code. What goes by a clock is left out: PING,
 * confirmations, the topology.
 */
#include "kit.h"

#include <reattach/mock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/packets.h"

#define CALM "reliable=true&connectionTTL=60000&clientFailureCheckPeriod=30000"

#define ANCHORS (INT64_C(1) << 40) /* the channels from here on */

enum { CONNECTIONS = 8, LINE = 40, LINES = 2000 };

/* --- what was recorded --- */

struct trace {
    char lines[LINES][LINE]; /* "connection direction channel packet" */
    int count;
};

/* Whether the answer to an anchor's end comes before the link is closed is chance as well. */
static bool goes_by_a_clock(const struct rai_frame *f)
{
    return f->type == RAI_PING || f->type == RAI_PACKETS_CONFIRMED || f->type == RAI_CLUSTER_TOPOLOGY_V4 ||
           f->channel >= ANCHORS;
}

static void describe(const struct rai_frame *f, char *out, size_t room)
{
    struct rai_delivery d;
    char text[8];
    int32_t code;
    int64_t correlation;
    if (f->type == RAI_EXCEPTION && rai_get_exception(f, &code, text, sizeof text, &correlation))
        snprintf(out, room, "EXCEPTION %d", code);
    else if (f->type == RAI_SESS_RECEIVE_MSG && rai_get_receive(f, &d))
        snprintf(out, room, "RECEIVE_MSG %d", d.count);
    else if (f->type == RAI_SESS_RECEIVE_LARGE_MSG && rai_get_receive_large(f, &d))
        snprintf(out, room, "RECEIVE_LARGE_MSG %d", d.count);
    else
        snprintf(out, room, "%.28s", rai_packet_name(f->type));
}

static void note(struct trace *t, int connection, char direction, const struct rai_frame *f)
{
    char what[32];
    if (goes_by_a_clock(f))
        return;
    cr_assert(t->count < LINES, "too many packets for this test");
    describe(f, what, sizeof what);
    snprintf(t->lines[t->count++], LINE, "%d%c%lld %s", connection, direction, (long long)f->channel, what);
}

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (unsigned byte; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        out[n] = (uint8_t)byte;
    return n;
}

/* Lines of "> microseconds hex"; the preamble is no frame. */
static void read_record(struct trace *t, const char *path, int connection)
{
    static char line[1 << 20];
    static uint8_t bytes[1 << 19];
    struct rai_frame f;
    size_t need;
    long long at;
    int hex = 0;
    char direction;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%c %lld %n", &direction, &at, &hex) != 2)
            continue;
        if (rai_frame_next(bytes, unhex(line + hex, bytes), &f, &need) == 1)
            note(t, connection, direction, &f);
    }
    fclose(file);
    unlink(path);
}

/* By connection, direction and channel; in each in the order in which they came. */
static int by_channel(const void *a, const void *b)
{
    const char *x = a, *y = b;
    size_t n = strcspn(x, " "), m = strcspn(y, " ");
    int order = n != m ? (int)n - (int)m : strncmp(x, y, n);
    return order != 0 ? order : x < y ? -1 : 1;
}

static void sort(struct trace *t)
{
    struct trace *sorted = calloc(1, sizeof *sorted);
    const char *order[LINES];
    cr_assert_not_null(sorted);
    for (int i = 0; i < t->count; i++) {
        int place = i;
        while (place > 0 && by_channel(order[place - 1], t->lines[i]) > 0) {
            order[place] = order[place - 1];
            place--;
        }
        order[place] = t->lines[i];
    }
    for (int i = 0; i < t->count; i++)
        memcpy(sorted->lines[i], order[i], LINE);
    memcpy(t->lines, sorted->lines, sizeof t->lines);
    free(sorted);
}

/* --- one work on both brokers --- */

struct work {
    const char *options; /* beside those that make it calm */
    int mode;
    void (*run)(struct kit *k, struct relay *r);
};

static void open_kit(struct kit *k, uint16_t port, const struct work *work, const char *queue)
{
    char options[256];
    snprintf(options, sizeof options, CALM "%s", work->options);
    *k = (struct kit){ .connection = kit_connect(port, options) };
    k->session = kit_session(k->connection, work->mode);
    snprintf(k->queue, sizeof k->queue, "%s", queue);
    kit_queue(k->session, k->queue);
    k->producer = kit_producer(k->session, k->queue);
    GOOD(ra_session_start(k->session, &err));
}

static const char *record_of(int connection)
{
    static char path[80];
    int n = snprintf(path, sizeof path, "/tmp/reattach-model.%ld", (long)getpid());
    if (connection > 0)
        snprintf(path + n, sizeof path - (size_t)n, ".%d", connection);
    return path;
}

static void run_on(uint16_t broker, const struct work *work, const char *queue, struct trace *t)
{
    struct relay *r = kit_relay(broker);
    struct kit k;
    for (int i = 1; i <= CONNECTIONS; i++)
        unlink(record_of(i)); /* of a run that failed */
    cr_assert_eq(relay_record(r, record_of(0)), 0);
    open_kit(&k, relay_port(r), work, queue);
    work->run(&k, r);
    kit_close(&k);
    cr_assert(relay_wait_closed(r, PATIENCE_MS));
    relay_stop(r);
    for (int i = 1; i <= CONNECTIONS; i++)
        read_record(t, record_of(i), i);
    sort(t);
}

/* The first difference, with what stood before it. */
static void compare(const struct trace *real, const struct trace *mock)
{
    for (int i = 0; i < real->count || i < mock->count; i++) {
        const char *a = i < real->count ? real->lines[i] : "nothing", *b = i < mock->count ? mock->lines[i] : "nothing";
        cr_assert(strcmp(a, b) == 0, "packet %d: \"%s\" with the real broker, \"%s\" with the mock; before it \"%s\"",
                  i, a, b, i > 0 ? real->lines[i - 1] : "nothing");
    }
    cr_assert(real->count > 10, "only %d packets were recorded", real->count);
}

static void on_both(const struct work *work)
{
    struct trace *real = calloc(1, sizeof *real), *mock = calloc(1, sizeof *mock);
    const char *queue = kit_name("model");
    ra_mock *m = NULL;
    cr_assert(real != NULL && mock != NULL);
    run_on(kit_port(), work, queue, real);
    GOOD(ra_mock_start(NULL, &m, &err));
    run_on((uint16_t)ra_mock_port(m), work, queue, mock);
    ra_mock_free(m);
    compare(real, mock);
    free(real);
    free(mock);
}

#define ModelTest(name, mode_, options_)                                                      \
    static void run_##name(struct kit *k, struct relay *r);                                   \
    ArtemisTest(model, name)                                                                  \
    {                                                                                         \
        on_both(&(struct work){ .options = (options_), .mode = (mode_), .run = run_##name }); \
    }                                                                                         \
    static void run_##name(struct kit *k, struct relay *r)

/* --- steps --- */

/* Nothing is under way any more: a request has gone there and come back. */
static void rest(struct kit *k)
{
    ra_queue_info *info = NULL;
    GOOD(ra_session_query_queue(k->session, k->queue, &info, &err));
    ra_queue_info_free(info);
}

/* What is to come has come: so many messages by now, those that came again included. */
static void await_arrivals(struct kit *k, int64_t count)
{
    kit_await_stat(k->connection, RA_STAT_RECEIVED, count);
}

static void take(struct kit *k, int32_t first, int32_t count, bool individually)
{
    for (int32_t seq = first; seq < first + count; seq++) {
        ra_message *message = kit_receive(k->consumer, PATIENCE_MS);
        cr_assert_not_null(message);
        cr_expect_eq(kit_seq(message), seq);
        if (individually)
            GOOD(ra_consumer_acknowledge_individually(k->consumer, message, &err));
        else
            GOOD(ra_consumer_acknowledge(k->consumer, message, &err));
        ra_message_unref(message);
    }
}

static void close_consumer(struct kit *k)
{
    GOOD(ra_consumer_close(k->consumer, &err));
    ra_consumer_free(k->consumer);
    k->consumer = NULL;
}

static void filtered_consumer(struct kit *k, const char *filter, int32_t flags)
{
    GOOD(ra_consumer_open(k->session, k->queue, filter, flags, -2, &k->consumer, &err));
}

static void send(struct kit *k, ra_message *message)
{
    GOOD(ra_producer_send(k->producer, NULL, message, &err));
    ra_message_unref(message);
}

/* --- works --- */

ModelTest(sends_of_every_kind, RA_SESSION_AUTO_COMMIT, "")
{
    (void)r;
    kit_fill(k->producer, 0, 5);
    kit_send(k->producer, 5, 0);
    rest(k);
    kit_send_tagged(k->producer, 0, 20, 1);
    cr_assert_eq(kit_await_outcomes(k->connection, 20, NULL), 20);
    rest(k);
}

ModelTest(requests_that_are_refused, RA_SESSION_AUTO_COMMIT, "")
{
    ra_consumer *consumer = NULL;
    (void)r;
    FAILS(RA_E_QUEUE_EXISTS,
          ra_session_create_queue(k->session, k->queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL, &err));
    FAILS(RA_E_NO_QUEUE, ra_session_delete_queue(k->session, "missing", &err));
    FAILS(RA_E_NO_QUEUE, ra_consumer_open(k->session, "missing", NULL, 0, -2, &consumer, &err));
    ra_consumer_free(consumer);
    kit_fill(k->producer, 0, 3);
    rest(k);
}

ModelTest(a_consumer_with_a_buffer, RA_SESSION_AUTO_COMMIT, "")
{
    (void)r;
    kit_fill(k->producer, 0, 10);
    kit_consume(k, -2);
    await_arrivals(k, 10);
    take(k, 0, 5, true);
    rest(k);
    take(k, 5, 5, false);
    cr_assert_null(kit_receive(k->consumer, 0));
    rest(k);
    close_consumer(k);
}

ModelTest(a_consumer_without_a_buffer, RA_SESSION_AUTO_COMMIT, "")
{
    (void)r;
    kit_fill(k->producer, 0, 3);
    kit_consume(k, 0);
    take(k, 0, 3, true);
    cr_assert_null(kit_receive(k->consumer, 0));
    rest(k);
    close_consumer(k);
}

ModelTest(a_consumer_with_a_small_buffer, RA_SESSION_AUTO_COMMIT, "")
{
    (void)r;
    kit_fill(k->producer, 0, 12);
    kit_consume(k, 400);
    take(k, 0, 12, true);
    cr_assert_null(kit_receive(k->consumer, 0));
    close_consumer(k);
}

ModelTest(messages_come_again_after_a_rollback, RA_SESSION_TRANSACTED, "")
{
    (void)r;
    kit_fill(k->producer, 0, 5);
    GOOD(ra_session_commit(k->session, &err));
    kit_consume(k, -2);
    await_arrivals(k, 5);
    take(k, 0, 3, false);
    GOOD(ra_session_rollback(k->session, &err));
    await_arrivals(k, 10);
    take(k, 0, 2, false);
    GOOD(ra_session_commit(k->session, &err));
    GOOD(ra_session_rollback(k->session, &err));
    await_arrivals(k, 13);
    take(k, 2, 3, true);
    GOOD(ra_session_commit(k->session, &err));
    close_consumer(k);
}

ModelTest(sends_that_are_rolled_back, RA_SESSION_TRANSACTED, "")
{
    (void)r;
    kit_fill(k->producer, 0, 3);
    GOOD(ra_session_rollback(k->session, &err));
    kit_fill(k->producer, 3, 2);
    GOOD(ra_session_commit(k->session, &err));
    rest(k);
    kit_consume(k, -2);
    await_arrivals(k, 2);
    take(k, 3, 2, false);
    GOOD(ra_session_commit(k->session, &err));
}

ModelTest(filters_and_browsing, RA_SESSION_AUTO_COMMIT, "")
{
    (void)r;
    kit_fill(k->producer, 0, 6);
    filtered_consumer(k, "seq >= 2 AND NOT (seq > 3) AND AMQDurable = 'DURABLE' AND nothing IS NULL", 0);
    take(k, 2, 2, true);
    cr_assert_null(kit_receive(k->consumer, 0));
    close_consumer(k);
    filtered_consumer(k, "seq <> 1", RA_CONSUMER_BROWSE);
    for (int i = 0; i < 3; i++)
        ra_message_unref(kit_receive(k->consumer, PATIENCE_MS));
    cr_assert_null(kit_receive(k->consumer, 0));
    close_consumer(k);
    ra_error *why = NULL;
    cr_expect_lt(ra_consumer_open(k->session, k->queue, "seq >", 0, -2, &k->consumer, &why), 0);
    cr_expect_eq(ra_error_broker_code(why), 103);
    ra_error_free(why);
    k->consumer = NULL;
    rest(k);
}

static ra_message *with_id(int32_t seq, const char *id)
{
    ra_message *message = kit_message(seq, 1);
    GOOD(ra_message_set_string(message, "_AMQ_DUPL_ID", id, strlen(id), &err));
    return message;
}

ModelTest(a_known_id, RA_SESSION_AUTO_COMMIT, "")
{
    (void)r;
    send(k, with_id(0, "one"));
    send(k, with_id(1, "one"));
    send(k, with_id(2, "two"));
    rest(k);
    kit_consume(k, -2);
    ra_message_unref(kit_receive(k->consumer, PATIENCE_MS));
    ra_message_unref(kit_receive(k->consumer, PATIENCE_MS));
    cr_assert_null(kit_receive(k->consumer, 0));
}

ModelTest(a_known_id_in_a_transaction, RA_SESSION_TRANSACTED, "")
{
    (void)r;
    send(k, with_id(0, "one"));
    GOOD(ra_session_commit(k->session, &err));
    send(k, with_id(1, "one"));
    ra_error *why = NULL;
    cr_expect_lt(ra_session_commit(k->session, &why), 0);
    cr_expect_eq(ra_error_broker_code(why), 113);
    ra_error_free(why);
    send(k, with_id(2, "two"));
    send(k, with_id(3, "two"));
    GOOD(ra_session_commit(k->session, &err));
    rest(k);
    kit_consume(k, -2);
    await_arrivals(k, 3);
    take(k, 0, 1, false);
    take(k, 2, 2, false);
    GOOD(ra_session_commit(k->session, &err));
}

static ra_message *of_size(int32_t seq, size_t size)
{
    ra_message *message = kit_message(seq, 1);
    char *body = calloc(1, size);
    GOOD(ra_message_set_body(message, body, size, &err));
    free(body);
    return message;
}

ModelTest(large_messages, RA_SESSION_AUTO_COMMIT, "&minLargeMessageSize=1000")
{
    (void)r;
    send(k, of_size(0, 3500));
    send(k, of_size(1, 100));
    send(k, of_size(2, 3000));
    rest(k);
    kit_consume(k, -2);
    take(k, 0, 3, true);
    cr_assert_null(kit_receive(k->consumer, 0));
}

ModelTest(large_messages_in_transactions, RA_SESSION_TRANSACTED, "&minLargeMessageSize=1000")
{
    (void)r;
    send(k, of_size(0, 3500));
    GOOD(ra_session_rollback(k->session, &err));
    send(k, of_size(1, 3500));
    GOOD(ra_session_commit(k->session, &err));
    kit_consume(k, 1500);
    take(k, 1, 1, false);
    GOOD(ra_session_rollback(k->session, &err));
    take(k, 1, 1, false);
    GOOD(ra_session_commit(k->session, &err));
}

ModelTest(producer_credits, RA_SESSION_AUTO_COMMIT, "&producerWindowSize=1000")
{
    (void)r;
    for (int32_t seq = 0; seq < 12; seq++)
        send(k, of_size(seq, 300));
    rest(k);
}

ModelTest(a_session_moves_at_rest, RA_SESSION_AUTO_COMMIT, "&retryInterval=50")
{
    kit_fill(k->producer, 0, 5);
    kit_consume(k, -2);
    await_arrivals(k, 5);
    take(k, 0, 2, true);
    rest(k);
    for (int64_t cuts = 1; cuts <= 2; cuts++) {
        cr_assert_eq(relay_cut(r, RELAY_RST), 1);
        kit_await_stat(k->connection, RA_STAT_REATTACHED, cuts);
        rest(k);
    }
    take(k, 2, 3, true);
    kit_fill(k->producer, 5, 2);
    take(k, 5, 2, true);
}

ModelTest(a_multicast_address_with_two_queues, RA_SESSION_AUTO_COMMIT, "")
{
    char address[128], one[128], two[128];
    ra_queue_info *info = NULL;
    (void)r;
    snprintf(address, sizeof address, "%s.m", k->queue);
    snprintf(one, sizeof one, "%s.one", k->queue);
    snprintf(two, sizeof two, "%s.two", k->queue);
    GOOD(ra_session_create_address(k->session, address, 1, 0, &err));
    GOOD(ra_session_create_queue(k->session, one, address, RA_ROUTING_MULTICAST, RA_QUEUE_DURABLE, NULL, &err));
    GOOD(ra_session_create_queue(k->session, two, address, RA_ROUTING_MULTICAST, RA_QUEUE_TEMPORARY, NULL, &err));
    ra_message *message = kit_message(0, 1);
    ra_producer *producer = kit_producer(k->session, address);
    GOOD(ra_producer_send(producer, NULL, message, &err));
    ra_message_unref(message);
    GOOD(ra_producer_close(producer, &err));
    ra_producer_free(producer);
    GOOD(ra_session_query_address(k->session, address, &info, &err));
    cr_expect_eq(ra_queue_info_exists(info), 1);
    ra_queue_info_free(info);
    GOOD(ra_session_delete_queue(k->session, one, &err));
}

ModelTest(a_queue_with_a_consumer_is_not_deleted, RA_SESSION_AUTO_COMMIT, "")
{
    (void)r;
    kit_consume(k, -2);
    ra_error *why = NULL;
    cr_expect_lt(ra_session_delete_queue(k->session, k->queue, &why), 0);
    cr_expect_eq(ra_error_broker_code(why), 104);
    ra_error_free(why);
    close_consumer(k);
    GOOD(ra_session_delete_queue(k->session, k->queue, &err));
}

ModelTest(what_has_expired_does_not_come, RA_SESSION_AUTO_COMMIT, "")
{
    ra_message *message = kit_message(0, 1);
    (void)r;
    GOOD(ra_message_set_expiration(message, 1000, &err)); /* long ago */
    send(k, message);
    kit_fill(k->producer, 1, 1);
    rest(k);
    kit_consume(k, -2);
    take(k, 1, 1, true);
    cr_assert_null(kit_receive(k->consumer, 0));
}
