/*
 * Two senders and two receivers, one of each transacted, while their broker is lost and taken over again and again.
 *
 *     prove_failover --url URL --queue Q [--rate N] [--keep N] [--batch N] [--once 1]
 *
 * Each of the four is a thread with a connection of its own. Q.auto gets tagged sends, N of them unanswered at most, and is
 * read with an acknowledgement for every N messages; Q.tx is written and read in transactions of N messages. Senders do
 * what a program has to do: what ended as unknown or not done is sent again, with the same `seq`. So whoever got a message
 * twice can be told whether somebody had reported it as unknown. With --once the transactions are those that the library does
 * until they have taken effect, once and only once.
 *
 * Every 100 ms a JSON line: the messages that each of the four got through, and what became of their sessions. The end of the
 * input ends the sending; then everything is confirmed and received, and the last line is the verdict for each queue.
 */
#include <reattach/reattach.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SEQS = 1 << 21, SENDS = 1 << 22, BATCH_MAX = 1000, PATIENCE_MS = 120000, IDLE_MS = 3000, TOLD = 200 };

/* Of one queue. Each field has one writing thread. */
struct ledger {
    const char *queue, *suffix;
    bool transacted;
    uint32_t next;                /* seq */
    uint8_t *confirmed;           /* per seq, as are the next four: how often */
    uint8_t *unknown;             /* sends */
    uint8_t *consumed;            /* acknowledged, and the broker said yes */
    uint8_t *consumed_unknown;
    uint8_t *delivered;
    int32_t *ended;               /* how its last acknowledgement ended: 0 or an error */
    int64_t *confirmed_at;        /* ms since 1970, to find the place in a broker's log */
    uint32_t *seq_of_send;        /* by tag */
    uint8_t *outcome_of_send;
    uint32_t *again;              /* seqs to send once more */
    uint32_t again_count, sends;
    int64_t confirmed_seqs, not_done, doubled_outcomes, odd, stale;
    atomic_llong sent, received;  /* progress */
    atomic_bool sender_done;
};

enum role { SENDER, RECEIVER };

struct worker {
    struct run *run;
    struct ledger *ledger;
    enum role role;
    pthread_t thread;
    ra_connection *connection;
    ra_session *session;
    ra_producer *producer;
    ra_consumer *consumer;
    ra_message *message;
    char address[96];
    atomic_llong reattached, recreated, elsewhere, lost;
    int64_t began_ms;
};

struct run {
    const char *url, *queue;
    int64_t rate, keep, batch, once;
    struct ledger ledgers[2];
    struct worker workers[4];
    atomic_bool stop;
    atomic_int running;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void note_confirmed(struct ledger *l, uint32_t seq)
{
    l->confirmed_seqs += l->confirmed[seq]++ == 0;
    l->confirmed_at[seq] = clock_ms();
}

/* err by its address: arguments are evaluated in any order. */
static void check(int rc, ra_error **err)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "prove_failover: %s: %s\n", ra_error_name(err != NULL ? *err : NULL), ra_error_message(err != NULL ? *err : NULL));
    exit(2);
}

/* What a failed call may say while brokers come and go. */
static void note_error(struct ledger *l, int rc, ra_error *err)
{
    bool expected = rc == RA_E_ROLLED_BACK || rc == RA_E_NOT_DONE || ra_error_is_outcome_unknown(err);

    if (!expected && l->odd++ < 3)
        fprintf(stderr, "prove_failover: %s: %s: %s\n", l->suffix, ra_error_name(err), ra_error_message(err));
    if (rc == RA_E_CLOSED || rc == RA_E_GAVE_UP)
        exit(2);
    ra_error_free(err);
}

/* --- a connection ----------------------------------------------------------------------------------------------- */

static void on_session(void *user, const ra_event *event)
{
    struct worker *w = user;
    int32_t kind = ra_event_kind(event);

    w->reattached += kind == RA_EVENT_REATTACHED;
    w->recreated += kind == RA_EVENT_RECREATED;
    w->elsewhere += ra_event_failed_over(event);
    w->lost += kind == RA_EVENT_SESSION_LOST;
}

static void on_outcome(void *user, const ra_event *event)
{
    struct ledger *l = ((struct worker *)user)->ledger;
    int outcome = ra_event_outcome(event);

    for (uint64_t tag = ra_event_first_tag(event); tag <= ra_event_last_tag(event); tag++) {
        uint32_t seq = l->seq_of_send[tag];

        l->doubled_outcomes += l->outcome_of_send[tag] != 0;
        l->outcome_of_send[tag] = (uint8_t)outcome;
        l->sent++;
        if (outcome == RA_OUTCOME_CONFIRMED) {
            note_confirmed(l, seq);
            continue;
        }
        l->unknown[seq] += outcome == RA_OUTCOME_UNKNOWN;
        l->not_done += outcome == RA_OUTCOME_NOT_DONE;
        l->odd += outcome != RA_OUTCOME_UNKNOWN && outcome != RA_OUTCOME_NOT_DONE;
        l->again[l->again_count++] = seq;
    }
}

static void dispatch(struct worker *w, int64_t wait_ms)
{
    ra_error *err = NULL;
    int rc = ra_connection_wait_event(w->connection, wait_ms, &err);

    if (rc != RA_E_TIMEOUT)
        check(rc, &err);
    ra_error_free(err);
    if (rc >= 0)
        check(ra_connection_dispatch(w->connection, 0, NULL), NULL);
}

static void set_up(struct worker *w)
{
    struct ledger *l = w->ledger;
    const uint32_t sessions = RA_EVENT_MASK(RA_EVENT_REATTACHED) | RA_EVENT_MASK(RA_EVENT_RECREATED) |
                              RA_EVENT_MASK(RA_EVENT_SESSION_LOST);
    ra_error *err = NULL;

    snprintf(w->address, sizeof w->address, "%s.%s", w->run->queue, l->suffix);
    check(ra_connection_open(w->run->url, NULL, 30000, &w->connection, &err), &err);
    check(ra_connection_listen(w->connection, NULL, sessions, on_session, w, NULL, NULL, &err), &err);
    check(ra_session_open(w->connection, l->transacted ? RA_SESSION_TRANSACTED : RA_SESSION_AUTO_COMMIT, &w->session, &err),
          &err);
    if (w->role == RECEIVER) {
        check(ra_consumer_open(w->session, w->address, NULL, 0, -2, &w->consumer, &err), &err);
        check(ra_session_start(w->session, &err), &err);
        return;
    }
    check(ra_connection_listen(w->connection, NULL, RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME), on_outcome, w, NULL, NULL, &err),
          &err);
    check(ra_session_create_queue(w->session, w->address, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL, &err), &err);
    check(ra_producer_open(w->session, w->address, &w->producer, &err), &err);
    check(ra_message_new(RA_MESSAGE_BYTES, &w->message, &err), &err);
    check(ra_message_set_durable(w->message, 1, &err), &err);
    check(ra_message_set_body(w->message, "sixty-four bytes of body sixty-four bytes of body sixty-four", 60, &err), &err);
}

static void tear_down(struct worker *w)
{
    ra_error *err = NULL;

    check(ra_connection_close(w->connection, 20000, NULL, NULL, &err), &err);
    ra_message_unref(w->message);
    ra_producer_free(w->producer);
    ra_consumer_free(w->consumer);
    ra_session_free(w->session);
    ra_connection_free(w->connection);
}

/* --- senders ---------------------------------------------------------------------------------------------------- */

/* The rate has to be kept over the whole, not made up for after an outage: there is enough to do then. */
static void pace(struct worker *w, int64_t sent)
{
    int64_t due = w->began_ms + sent * 1000 / w->run->rate, now = now_ms();

    if (now > due + 100)
        w->began_ms += now - due;
    else if (due > now)
        dispatch(w, due - now);
}

static uint32_t take_seq(struct worker *w)
{
    struct ledger *l = w->ledger;

    return l->again_count > 0 ? l->again[--l->again_count] : l->next++;
}

static bool more(struct worker *w)
{
    const struct ledger *l = w->ledger;

    return l->again_count > 0 || (!w->run->stop && l->next < SEQS && l->sends < SENDS - BATCH_MAX);
}

static void send_tagged(struct worker *w)
{
    struct ledger *l = w->ledger;
    uint32_t seq = take_seq(w);
    ra_error *err = NULL;
    int rc;

    check(ra_message_set_int(w->message, "seq", (int32_t)seq, &err), &err);
    l->seq_of_send[l->sends] = seq;
    rc = ra_producer_send_tagged(w->producer, NULL, w->message, l->sends, &err);
    if (rc == RA_E_WOULD_BLOCK) {
        ra_error_free(err);
        l->again[l->again_count++] = seq;
        dispatch(w, 20);
        return;
    }
    check(rc, &err);
    l->sends++;
}

static void send_auto(struct worker *w)
{
    struct ledger *l = w->ledger;
    int64_t end = INT64_MAX;

    while ((more(w) || l->sent < l->sends) && now_ms() < end) {
        if (more(w) && l->sends - l->sent < w->run->keep)
            send_tagged(w);
        else
            dispatch(w, 20);
        pace(w, l->sends);
        if (w->run->stop && end == INT64_MAX)
            end = now_ms() + PATIENCE_MS;
    }
}

struct batch {
    struct worker *worker;
    uint32_t seqs[BATCH_MAX];
    int count;
};

static int send_all(void *user, ra_session *session, ra_error **err)
{
    const struct batch *b = user;

    (void)session;
    for (int i = 0; i < b->count; i++) {
        int rc = ra_message_set_int(b->worker->message, "seq", (int32_t)b->seqs[i], err);

        if (rc == 0)
            rc = ra_producer_send(b->worker->producer, NULL, b->worker->message, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Sends and commits; the negative code of the first call that failed. */
static int try_batch(struct batch *b, ra_error **err)
{
    int rc;

    if (b->worker->run->once)
        return ra_session_transact(b->worker->session, NULL, send_all, b, err);
    rc = send_all(b, b->worker->session, err);
    return rc < 0 ? rc : ra_session_commit(b->worker->session, err);
}

static void roll_back(struct worker *w)
{
    ra_error *err = NULL;
    int rc = ra_session_rollback(w->session, &err);

    if (rc < 0)
        note_error(w->ledger, rc, err);
}

static void send_batch(struct worker *w)
{
    struct ledger *l = w->ledger;
    struct batch b = { .worker = w };
    ra_error *err = NULL;
    int rc;

    while (b.count < w->run->batch && more(w))
        b.seqs[b.count++] = take_seq(w);
    l->sends += (uint32_t)b.count;
    rc = try_batch(&b, &err);
    for (int i = 0; i < b.count; i++) {
        if (rc == 0)
            note_confirmed(l, b.seqs[i]);
        else
            l->again[l->again_count++] = b.seqs[i];
        l->unknown[b.seqs[i]] += rc < 0 && ra_error_is_outcome_unknown(err);
    }
    if (rc == 0) {
        l->sent += b.count;
        return;
    }
    l->not_done += ra_error_is_outcome_unknown(err) ? 0 : b.count;
    note_error(l, rc, err);
    if (!w->run->once) /* there it has been */
        roll_back(w);
}

static void send_transacted(struct worker *w)
{
    int64_t end = INT64_MAX;

    while (more(w) && now_ms() < end) {
        send_batch(w);
        pace(w, w->ledger->sends);
        if (w->run->stop && end == INT64_MAX)
            end = now_ms() + PATIENCE_MS;
    }
}

/* --- receivers -------------------------------------------------------------------------------------------------- */

static uint32_t seq_of(struct worker *w, const ra_message *message)
{
    int32_t seq = -1;

    if (ra_message_get_int(message, "seq", &seq, NULL) < 0 || seq < 0 || seq >= SEQS) {
        w->ledger->odd++;
        return 0;
    }
    w->ledger->delivered[seq]++;
    return (uint32_t)seq;
}

/* NULL: nothing came, although the broker was asked. */
static ra_message *receive(struct worker *w, int64_t timeout_ms)
{
    ra_message *message = NULL;
    ra_error *err = NULL;
    int rc = ra_consumer_receive(w->consumer, timeout_ms, 0, &message, &err);

    if (rc < 0)
        note_error(w->ledger, rc, err);
    dispatch(w, 0);
    return message;
}

static void note_consumed(struct worker *w, uint32_t seq, int rc, bool unknown)
{
    struct ledger *l = w->ledger;

    l->consumed[seq] += rc == 0;
    l->consumed_unknown[seq] += unknown;
    l->ended[seq] = rc;
    l->received += rc == 0;
}

/* The messages of one acknowledgement. One from before a recreation is not covered by an acknowledgement behind it: it comes
 * again. */
struct received {
    uint32_t seqs[BATCH_MAX];
    int64_t epochs[BATCH_MAX]; /* recreations so far */
    int count;
};

/* 0, RA_E_STALE, or another error. Not waited for: the last one is. */
static int note_received(struct worker *w, struct received *batch, const ra_message *message)
{
    int64_t epoch = w->recreated; /* read before the call that would notice another recreation */
    int rc = ra_consumer_acknowledge(w->consumer, message, NULL);

    if (rc != 0) {
        w->ledger->stale++;
        return rc;
    }
    batch->epochs[batch->count] = epoch;
    batch->seqs[batch->count++] = seq_of(w, message);
    return 0;
}

static void note_acknowledged(struct worker *w, const struct received *batch, int rc, bool unknown)
{
    for (int i = 0; i < batch->count; i++) {
        bool covered = batch->epochs[i] == batch->epochs[batch->count - 1];

        note_consumed(w, batch->seqs[i], covered ? rc : RA_E_STALE, covered && unknown);
        w->ledger->stale += !covered;
    }
}

/* Whether something came. */
static bool receive_auto(struct worker *w)
{
    struct received batch = { .count = 0 };
    ra_message *last = NULL, *message;
    ra_operation *operation = NULL;
    ra_error *err = NULL;
    int rc;

    while (batch.count < w->run->batch && (message = receive(w, last == NULL ? 500 : 100)) != NULL) {
        if (note_received(w, &batch, message) == 0) {
            ra_message_unref(last);
            last = message;
        } else {
            ra_message_unref(message);
        }
    }
    if (last == NULL)
        return false;
    rc = ra_consumer_acknowledge_begin(w->consumer, last, 0, &operation, &err);
    if (rc == 0)
        rc = ra_operation_wait(operation, -1, 0, &err);
    ra_operation_free(operation);
    ra_message_unref(last);
    note_acknowledged(w, &batch, rc, rc < 0 && ra_error_is_outcome_unknown(err));
    if (rc < 0 && rc != RA_E_STALE)
        note_error(w->ledger, rc, err);
    else
        ra_error_free(err);
    return true;
}

static bool receive_transacted(struct worker *w)
{
    uint32_t seqs[BATCH_MAX];
    int count = 0, rc = 0;
    ra_error *err = NULL;

    while (rc == 0 && count < w->run->batch) {
        ra_message *message = receive(w, count == 0 ? 1000 : 100);

        if (message == NULL)
            break;
        rc = ra_consumer_acknowledge(w->consumer, message, &err);
        if (rc == 0)
            seqs[count++] = seq_of(w, message);
        ra_message_unref(message);
    }
    if (rc == 0 && count == 0)
        return false;
    if (rc == 0)
        rc = ra_session_commit(w->session, &err);
    for (int i = 0; i < count; i++)
        note_consumed(w, seqs[i], rc, rc < 0 && ra_error_is_outcome_unknown(err));
    if (rc == 0)
        return true;
    w->ledger->stale += rc == RA_E_STALE;
    if (rc == RA_E_STALE)
        ra_error_free(err);
    else
        note_error(w->ledger, rc, err);
    roll_back(w);
    return true;
}

static void receive_all(struct worker *w)
{
    int64_t last = now_ms();

    while (!w->ledger->sender_done || now_ms() - last < IDLE_MS)
        if ((w->ledger->transacted ? receive_transacted : receive_auto)(w) || !w->ledger->sender_done)
            last = now_ms();
}

/* --- the run ---------------------------------------------------------------------------------------------------- */

static void *work(void *user)
{
    struct worker *w = user;

    w->began_ms = now_ms();
    if (w->role == RECEIVER) {
        receive_all(w);
    } else {
        (w->ledger->transacted ? send_transacted : send_auto)(w);
        w->ledger->sender_done = true;
    }
    tear_down(w);
    w->run->running--;
    return NULL;
}

static void *read_input(void *user)
{
    struct run *run = user;

    while (getchar() != EOF)
        ;
    run->stop = true;
    return NULL;
}

static void say_progress(struct run *run)
{
    printf("{\"through\":[%lld,%lld,%lld,%lld]", (long long)run->ledgers[0].sent, (long long)run->ledgers[1].sent,
           (long long)run->ledgers[0].received, (long long)run->ledgers[1].received);
    printf(",\"sessions\":[");
    for (int i = 0; i < 4; i++) {
        struct worker *w = &run->workers[i];

        printf("%s{\"reattached\":%lld,\"recreated\":%lld,\"elsewhere\":%lld,\"lost\":%lld}", i > 0 ? "," : "",
               (long long)w->reattached, (long long)w->recreated, (long long)w->elsewhere, (long long)w->lost);
    }
    printf("]}\n");
}

/* For whoever looks for the cause. */
static void tell_lost(const struct ledger *l, uint32_t seq)
{
    time_t at = (time_t)(l->confirmed_at[seq] / 1000);
    char text[32];
    struct tm tm;

    strftime(text, sizeof text, "%H:%M:%S", localtime_r(&at, &tm));
    fprintf(stderr, "prove_failover: %s.%s: %u is lost: confirmed at %s.%03d, %d times unknown, delivered %d times, its last "
            "acknowledgement ended with %d\n", l->queue, l->suffix, seq, text, (int)(l->confirmed_at[seq] % 1000), l->unknown[seq],
            l->delivered[seq], (int)l->ended[seq]);
}

static bool is_lost(const struct ledger *l, uint32_t seq)
{
    return l->confirmed[seq] > 0 && l->consumed[seq] == 0 && l->consumed_unknown[seq] == 0;
}

static void judge(const struct ledger *l)
{
    int64_t lost = 0, doubled = 0, unannounced = 0, unknown = 0, acks_unknown = 0, consumed = 0;

    for (uint32_t seq = 0; seq < l->next; seq++) {
        int times = l->consumed[seq];

        unknown += l->unknown[seq];
        acks_unknown += l->consumed_unknown[seq];
        consumed += times;
        lost += is_lost(l, seq);
        if (is_lost(l, seq) && lost <= TOLD)
            tell_lost(l, seq);
        doubled += times > 1;
        unannounced += times > 1 + l->unknown[seq];
    }
    printf("{\"queue\":\"%s\",\"messages\":%lld,\"confirmed\":%lld,\"sends\":%lld,\"unknown\":%lld,\"not_done\":%lld,"
           "\"consumed\":%lld,\"acks_unknown\":%lld,\"stale\":%lld,\"lost\":%lld,\"doubled\":%lld,"
           "\"doubled_unannounced\":%lld,\"doubled_outcomes\":%lld,\"odd\":%lld}",
           l->suffix, (long long)l->next, (long long)l->confirmed_seqs, (long long)l->sends, (long long)unknown,
           (long long)l->not_done, (long long)consumed, (long long)acks_unknown, (long long)l->stale, (long long)lost,
           (long long)doubled, (long long)unannounced, (long long)l->doubled_outcomes, (long long)l->odd);
}

static bool ledger_new(struct ledger *l, const char *queue, const char *suffix, bool transacted)
{
    l->queue = queue;
    l->suffix = suffix;
    l->transacted = transacted;
    l->confirmed = calloc(SEQS, 1);
    l->unknown = calloc(SEQS, 1);
    l->consumed = calloc(SEQS, 1);
    l->consumed_unknown = calloc(SEQS, 1);
    l->delivered = calloc(SEQS, 1);
    l->ended = calloc(SEQS, sizeof *l->ended);
    l->confirmed_at = calloc(SEQS, sizeof *l->confirmed_at);
    l->seq_of_send = calloc(SENDS, sizeof *l->seq_of_send);
    l->outcome_of_send = calloc(SENDS, 1);
    l->again = calloc(SENDS, sizeof *l->again);
    return l->confirmed != NULL && l->unknown != NULL && l->consumed != NULL && l->consumed_unknown != NULL &&
           l->delivered != NULL && l->ended != NULL && l->confirmed_at != NULL &&
           l->seq_of_send != NULL && l->outcome_of_send != NULL && l->again != NULL;
}

static void ledger_free(struct ledger *l)
{
    free(l->confirmed);
    free(l->unknown);
    free(l->consumed);
    free(l->consumed_unknown);
    free(l->delivered);
    free(l->ended);
    free(l->confirmed_at);
    free(l->seq_of_send);
    free(l->outcome_of_send);
    free(l->again);
}

static bool parse(struct run *run, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--url") == 0)
            run->url = argv[i + 1];
        else if (strcmp(argv[i], "--queue") == 0)
            run->queue = argv[i + 1];
        else if (strcmp(argv[i], "--rate") == 0)
            run->rate = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--keep") == 0)
            run->keep = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--batch") == 0)
            run->batch = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--once") == 0)
            run->once = atoll(argv[i + 1]);
        else
            return false;
    }
    return run->url != NULL && run->queue != NULL && run->rate > 0 && run->keep > 0 && run->batch > 0 &&
           run->batch <= BATCH_MAX;
}

static void start(struct run *run)
{
    for (int i = 0; i < 4; i++) { /* senders first: they make the queues */
        struct worker *w = &run->workers[i];

        w->run = run;
        w->ledger = &run->ledgers[i % 2];
        w->role = i < 2 ? SENDER : RECEIVER;
        set_up(w);
    }
    run->running = 4;
    for (int i = 0; i < 4; i++)
        check(pthread_create(&run->workers[i].thread, NULL, work, &run->workers[i]) == 0 ? 0 : -1, NULL);
}

int main(int argc, char **argv)
{
    static struct run run = { .rate = 500, .keep = 100, .batch = 20 };
    const struct timespec tick = { .tv_nsec = 100000000 };
    pthread_t reader;

    if (!parse(&run, argc, argv)) {
        fprintf(stderr, "usage: prove_failover --url URL --queue Q [--rate N] [--keep N] [--batch N] [--once 1]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!ledger_new(&run.ledgers[0], run.queue, "auto", false) || !ledger_new(&run.ledgers[1], run.queue, "tx", true))
        return 2;
    start(&run);
    check(pthread_create(&reader, NULL, read_input, &run) == 0 ? 0 : -1, NULL);
    while (run.running > 0) {
        say_progress(&run);
        nanosleep(&tick, NULL);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(run.workers[i].thread, NULL);
    say_progress(&run);
    printf("{\"verdict\":[");
    judge(&run.ledgers[0]);
    printf(",");
    judge(&run.ledgers[1]);
    printf("]}\n");
    pthread_join(reader, NULL);
    ledger_free(&run.ledgers[0]);
    ledger_free(&run.ledgers[1]);
    return 0;
}
