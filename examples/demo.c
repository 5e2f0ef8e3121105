/*
 * Moves numbered durable messages through a network that keeps breaking, and counts what arrives.
 *
 *     demo --url tcp://HOST:PORT [--user U] [--password P] [--queue NAME] [--count N] [--size BYTES]
 *          [--rate PER_SECOND] [--ack individual|cumulative] [--quiet]
 *
 * Two threads, each with a connection of its own. The sender never waits for an answer: it sends with a tag (the number
 * of the message), and what became of each send comes as an event. The receiver acknowledges what it gets. Neither of
 * them does anything about a lost connection but print the events. Exit status 0: every message arrived exactly once
 * and in order.
 */
#include <reattach/reattach.h>

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_MS = 15000, LAST_LOOK_MS = 500 };

/* One end of the queue: a thread, a connection, a session. */
struct end {
    const char *name;
    struct demo *demo;
    ra_connection *connection;
    ra_session *session;
    ra_error *err;      /* why it ended early */
    int64_t lost_links; /* DISCONNECTED events */
    int64_t reattached; /* REATTACHED events, and the commands that were sent a second time for them */
    int64_t replayed;
    int64_t recreated; /* RECREATED and SESSION_LOST events: not expected here */
    int64_t last_ms;   /* the last progress, and the longest time without any */
    int64_t pause_ms;
};

struct demo {
    const char *url, *user, *password, *ack;
    char queue[64];
    int32_t count, size;
    int64_t rate;
    int quiet, terminal;
    int64_t start_ms;
    struct end sender, receiver;
    atomic_int sent, settled, arrived, sending_done, receiving_done;
    uint8_t *outcome; /* per message: enum ra_outcome */
    int64_t outcomes[8], outcomes_doubled;
    uint8_t *seen;   /* per message: how often it came */
    int32_t highest; /* number that came last in order */
    int64_t doubled, out_of_order, strange, left;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void progressed(struct end *end)
{
    int64_t now = now_ms();

    if (end->last_ms != 0 && now - end->last_ms > end->pause_ms)
        end->pause_ms = now - end->last_ms;
    end->last_ms = now;
}

/* --- events: called only inside ra_connection_dispatch(), on the thread of that end ---------------------------- */

static void say(const struct end *end, const ra_event *event, const char *text)
{
    const struct demo *demo = end->demo;

    if (!demo->quiet)
        printf("%s%8.3f s  %-8s  %-12s  %s\n", demo->terminal ? "\r\033[K" : "",
               (double)(now_ms() - demo->start_ms) / 1000, end->name, ra_event_kind_name(ra_event_kind(event)), text);
}

static void on_event(void *user, const ra_event *event)
{
    struct end *end = user;
    char text[300] = "";

    switch (ra_event_kind(event)) {
    case RA_EVENT_DISCONNECTED:
        end->lost_links++;
        snprintf(text, sizeof text, "%s", ra_error_message(ra_event_error(event)));
        break;
    case RA_EVENT_RETRYING:
        snprintf(text, sizeof text, "attempt %lld at %s in %lld ms", (long long)ra_event_attempt(event),
                 ra_event_endpoint(event), (long long)ra_event_delay_ms(event));
        break;
    case RA_EVENT_REATTACHED:
        end->reattached++;
        end->replayed += ra_event_replayed(event);
        snprintf(text, sizeof text, "%lld commands sent again", (long long)ra_event_replayed(event));
        break;
    case RA_EVENT_RECREATED:
        end->recreated++;
        snprintf(text, sizeof text, "%lld commands with unknown outcome", (long long)ra_event_unknown(event));
        break;
    default: /* SESSION_LOST, GAVE_UP: it is over, the next call says so too */
        end->recreated++;
        snprintf(text, sizeof text, "%s", ra_error_message(ra_event_error(event)));
    }
    say(end, event, text);
}

/* Outcomes come as ranges of tags. */
static void on_outcome(void *user, const ra_event *event)
{
    struct end *end = user;
    struct demo *demo = end->demo;

    for (uint64_t tag = ra_event_first_tag(event); tag <= ra_event_last_tag(event); tag++) {
        demo->outcomes_doubled += demo->outcome[tag] != RA_OUTCOME_PENDING;
        demo->outcome[tag] = (uint8_t)ra_event_outcome(event);
        demo->outcomes[ra_event_outcome(event)]++;
        demo->settled++;
    }
    progressed(end);
}

/* --- both ends -------------------------------------------------------------------------------------------------- */

static int open_end(struct end *end)
{
    const uint32_t failures = RA_EVENTS_FAILURE | RA_EVENT_MASK(RA_EVENT_DISCONNECTED) |
                              RA_EVENT_MASK(RA_EVENT_RETRYING) | RA_EVENT_MASK(RA_EVENT_GAVE_UP);
    ra_options *options = NULL;
    int rc = ra_options_new(&options, &end->err);

    if (rc == 0)
        rc = ra_options_set(options, "reliable", "true", &end->err); /* without it, nothing is done about a cut */
    if (rc == 0)
        rc = ra_options_set(options, "initialConnectAttempts", "-1", &end->err); /* the first link may be cut as well */
    if (rc == 0)
        rc = ra_options_set(options, "user", end->demo->user, &end->err);
    if (rc == 0)
        rc = ra_options_set(options, "password", end->demo->password, &end->err);
    if (rc == 0)
        rc = ra_connection_open(end->demo->url, options, 10000, &end->connection, &end->err);
    if (rc == 0)
        rc = ra_connection_listen(end->connection, NULL, failures, on_event, end, NULL, NULL, &end->err);
    if (rc == 0)
        rc = ra_session_open(end->connection, RA_SESSION_AUTO_COMMIT, &end->session, &end->err);
    ra_options_free(options);
    return rc;
}

/* Sends and acknowledgements still under way are waited for, so a close without an error is the last confirmation. */
static void close_end(struct end *end)
{
    if (end->connection != NULL)
        ra_connection_close(end->connection, 10000, NULL, NULL, end->err == NULL ? &end->err : NULL);
    ra_session_free(end->session);
    ra_connection_free(end->connection);
}

/* --- the sender ------------------------------------------------------------------------------------------------- */

/* How many may have been sent by now. */
static int32_t due(const struct demo *demo, int64_t begun_ms)
{
    int64_t due = demo->rate > 0 ? (now_ms() - begun_ms) * demo->rate / 1000 : demo->count;

    return due < demo->count ? (int32_t)due : demo->count;
}

static int send_one(struct end *end, ra_producer *producer, ra_message *message)
{
    struct demo *demo = end->demo;
    int rc = ra_message_set_int(message, "seq", demo->sent, &end->err);

    if (rc == 0)
        rc = ra_producer_send_tagged(producer, NULL, message, (uint64_t)demo->sent, &end->err);
    if (rc == 0)
        demo->sent++;
    return rc;
}

static int send_all(struct end *end, ra_producer *producer, ra_message *message)
{
    struct demo *demo = end->demo;
    int64_t begun_ms = now_ms();
    int rc = 0;

    progressed(end);
    while (rc == 0 && demo->settled < demo->count && now_ms() - end->last_ms < IDLE_MS) {
        while (rc == 0 && demo->sent < due(demo, begun_ms))
            rc = send_one(end, producer, message);
        if (rc == RA_E_WOULD_BLOCK) { /* enough is under way: room comes with the outcomes */
            ra_error_free(end->err);
            rc = ra_producer_wait_writable(producer, 1000, RA_WAIT_EVENTS, &end->err);
        } else if (rc == 0) {
            rc = ra_connection_wait_event(end->connection, demo->sent < demo->count ? 1 : 100, &end->err);
        }
        if (rc == RA_EVENTS || rc == RA_E_TIMEOUT) {
            ra_error_free(end->err);
            end->err = NULL;
            rc = 0;
        }
        if (rc == 0 && (rc = ra_connection_dispatch(end->connection, 0, &end->err)) > 0)
            rc = 0;
    }
    return rc;
}

static void *run_sender(void *user)
{
    struct end *end = user;
    ra_producer *producer = NULL;
    ra_message *message = NULL;
    char *body = calloc(1, (size_t)end->demo->size + 1);
    int rc = ra_connection_listen(end->connection, end->session, RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME), on_outcome, end,
                                  NULL, NULL, &end->err);

    if (rc == 0)
        rc = ra_producer_open(end->session, end->demo->queue, &producer, &end->err);
    if (rc == 0)
        rc = ra_message_new(RA_MESSAGE_BYTES, &message, &end->err);
    if (rc == 0)
        rc = ra_message_set_durable(message, 1, &end->err);
    if (rc == 0)
        rc = ra_message_set_body(message, body, (size_t)end->demo->size, &end->err);
    if (rc == 0)
        send_all(end, producer, message);
    end->demo->sending_done = 1;
    ra_message_unref(message);
    ra_producer_free(producer);
    free(body);
    return NULL;
}

/* --- the receiver ----------------------------------------------------------------------------------------------- */

static void count_message(struct demo *demo, const ra_message *message)
{
    int32_t seq;

    if (ra_message_get_int(message, "seq", &seq, NULL) < 0 || seq < 0 || seq >= demo->count) {
        demo->strange++;
        return;
    }
    if (demo->seen[seq]++ == 0)
        demo->arrived++;
    else
        demo->doubled++;
    if (seq < demo->highest)
        demo->out_of_order++;
    else
        demo->highest = seq;
}

static int take(struct end *end, ra_consumer *consumer, ra_message *message)
{
    int rc;

    progressed(end);
    count_message(end->demo, message);
    if (strcmp(end->demo->ack, "cumulative") == 0)
        rc = ra_consumer_acknowledge(consumer, message, &end->err);
    else
        rc = ra_consumer_acknowledge_individually(consumer, message, &end->err);
    ra_message_unref(message);
    return rc;
}

/* Until everything has come and then nothing more, or until nothing comes any more. */
static int receive_all(struct end *end, ra_consumer *consumer)
{
    struct demo *demo = end->demo;
    int64_t last = now_ms();
    ra_message *message;
    int rc = 0;

    while (rc >= 0 && now_ms() - last < (demo->arrived < demo->count ? IDLE_MS : LAST_LOOK_MS)) {
        rc = ra_consumer_receive(consumer, 100, RA_WAIT_EVENTS, &message, &end->err);
        if (rc == RA_RECEIVED) {
            last = now_ms();
            rc = take(end, consumer, message);
        }
        if (rc >= 0)
            rc = ra_connection_dispatch(end->connection, 0, &end->err);
        if (!demo->sending_done)
            last = now_ms();
    }
    return rc;
}

static void *run_receiver(void *user)
{
    struct end *end = user;
    ra_consumer *consumer = NULL;
    ra_queue_info *info = NULL;
    int rc = ra_consumer_open(end->session, end->demo->queue, NULL, 0, -2, &consumer, &end->err);

    if (rc == 0)
        rc = ra_session_start(end->session, &end->err);
    if (rc == 0)
        rc = receive_all(end, consumer);
    if (rc >= 0)
        rc = ra_session_flush(end->session, 10000, &end->err);
    if (rc == 0 && ra_session_query_queue(end->session, end->demo->queue, &info, &end->err) == 0)
        end->demo->left = ra_queue_info_message_count(info);
    ra_queue_info_free(info);
    if (consumer != NULL)
        ra_consumer_close(consumer, NULL);
    if (rc == 0 && end->demo->left == 0)
        ra_session_delete_queue(end->session, end->demo->queue, NULL);
    ra_consumer_free(consumer);
    end->demo->receiving_done = 1;
    return NULL;
}

/* --- the run ---------------------------------------------------------------------------------------------------- */

static void show_progress(const struct demo *demo)
{
    const struct timespec tenth = { .tv_nsec = 100000000 };

    while (!demo->receiving_done) {
        if (demo->terminal) {
            printf("\r\033[K%8.3f s  sent %d, confirmed %d, received %d", (double)(now_ms() - demo->start_ms) / 1000,
                   demo->sent, demo->settled, demo->arrived);
            fflush(stdout);
        }
        nanosleep(&tenth, NULL);
    }
    if (demo->terminal)
        printf("\r\033[K");
}

static int move_messages(struct demo *demo)
{
    struct end *sender = &demo->sender, *receiver = &demo->receiver;
    pthread_t sending, receiving;

    if (open_end(sender) < 0 || open_end(receiver) < 0 ||
        ra_session_create_queue(receiver->session, demo->queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL,
                                &receiver->err) < 0)
        return -1;
    if (pthread_create(&receiving, NULL, run_receiver, receiver) != 0)
        return -1;
    if (pthread_create(&sending, NULL, run_sender, sender) != 0)
        exit(2);
    show_progress(demo);
    pthread_join(receiving, NULL);
    return pthread_join(sending, NULL);
}

static void row(const char *name, int64_t value)
{
    printf("  %-32s %10lld\n", name, (long long)value);
}

/* Returns whether all is well. */
static int report(const struct demo *demo)
{
    const struct end *ends[] = { &demo->sender, &demo->receiver };
    int64_t confirmed = demo->outcomes[RA_OUTCOME_CONFIRMED];
    int64_t missing = demo->sent - demo->settled, lost = 0;
    int64_t reattached = demo->sender.reattached + demo->receiver.reattached;
    int64_t recreated = demo->sender.recreated + demo->receiver.recreated;
    int64_t pause = demo->sender.pause_ms > demo->receiver.pause_ms ? demo->sender.pause_ms : demo->receiver.pause_ms;
    int well = 1;

    for (int32_t i = 0; i < demo->count; i++)
        lost += demo->outcome[i] == RA_OUTCOME_CONFIRMED && demo->seen[i] == 0;
    printf("\n");
    row("sent", demo->sent);
    row("confirmed", confirmed);
    row("rejected or not done", demo->outcomes[RA_OUTCOME_REJECTED] + demo->outcomes[RA_OUTCOME_NOT_DONE]);
    row("unknown", demo->outcomes[RA_OUTCOME_UNKNOWN]);
    row("without an outcome, or with two", missing + demo->outcomes_doubled);
    row("received", demo->arrived);
    row("lost", lost);
    row("doubled", demo->doubled);
    row("out of order", demo->out_of_order);
    row("left in the queue", demo->left);
    row("connections lost", demo->sender.lost_links + demo->receiver.lost_links);
    row("re-attachments", reattached);
    row("recreated or lost sessions", recreated);
    row("commands sent again", demo->sender.replayed + demo->receiver.replayed);
    row("longest pause, ms", pause);
    for (int i = 0; i < 2; i++) {
        if (ends[i]->err != NULL)
            printf("  %s: %s\n", ends[i]->name, ra_error_message(ends[i]->err));
        well = well && ends[i]->err == NULL;
    }
    return well && demo->sent == demo->count && confirmed == demo->count && demo->arrived == demo->count && lost == 0 &&
           demo->doubled == 0 && demo->out_of_order == 0 && demo->strange == 0 && missing == 0 &&
           demo->outcomes_doubled == 0 && demo->left == 0 && recreated == 0;
}

static int parse(struct demo *demo, int argc, char **argv)
{
    static const struct option options[] = {
        { "url", 1, NULL, 'u' },   { "user", 1, NULL, 'n' }, { "password", 1, NULL, 'p' }, { "queue", 1, NULL, 'q' },
        { "count", 1, NULL, 'c' }, { "size", 1, NULL, 's' }, { "rate", 1, NULL, 'r' },     { "ack", 1, NULL, 'a' },
        { "quiet", 0, NULL, 'Q' }, { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            demo->url = optarg;
            break;
        case 'n':
            demo->user = optarg;
            break;
        case 'p':
            demo->password = optarg;
            break;
        case 'q':
            snprintf(demo->queue, sizeof demo->queue, "%s", optarg);
            break;
        case 'c':
            demo->count = atoi(optarg);
            break;
        case 's':
            demo->size = atoi(optarg);
            break;
        case 'r':
            demo->rate = atoll(optarg);
            break;
        case 'a':
            demo->ack = optarg;
            break;
        case 'Q':
            demo->quiet = 1;
            break;
        default:
            return -1;
        }
    }
    return optind == argc && demo->count > 0 && demo->size >= 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct demo demo = { .url = "tcp://127.0.0.1:61616",
                                .user = "admin",
                                .password = "admin",
                                .ack = "individual",
                                .count = 20000,
                                .size = 200,
                                .highest = -1,
                                .left = -1 };
    int well;

    snprintf(demo.queue, sizeof demo.queue, "demo.%ld", (long)getpid());
    if (parse(&demo, argc, argv) < 0) {
        fprintf(stderr, "usage: demo --url tcp://HOST:PORT [--user U] [--password P] [--queue NAME] [--count N]\n"
                        "            [--size BYTES] [--rate PER_SECOND] [--ack individual|cumulative] [--quiet]\n");
        return 2;
    }
    demo.terminal = isatty(STDOUT_FILENO);
    demo.start_ms = now_ms();
    demo.sender = (struct end){ .name = "sender", .demo = &demo };
    demo.receiver = (struct end){ .name = "receiver", .demo = &demo };
    demo.outcome = calloc((size_t)demo.count, 1);
    demo.seen = calloc((size_t)demo.count, 1);
    if (demo.outcome == NULL || demo.seen == NULL)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (move_messages(&demo) < 0)
        demo.left = -1;
    close_end(&demo.sender);
    close_end(&demo.receiver);
    well = report(&demo);
    ra_error_free(demo.sender.err);
    ra_error_free(demo.receiver.err);
    free(demo.outcome);
    free(demo.seen);
    return well ? 0 : 1;
}
