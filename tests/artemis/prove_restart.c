/*
 * Durable sends while somebody kills the broker and starts it again: what became of each of them.
 *
 *     prove_restart --url URL --queue Q --mode pipelined|blocking --out FILE [--keep N] [--threads N] [--forbidden N]
 *
 * One send in N (50) goes to `forbidden.x`, where the user may not send. pipelined: one thread, tagged sends, always N
 * unanswered ones; a line tells each time that so many are under way again. blocking: threads, the first two on one
 * session, the others on one each. Every event becomes a JSON line at once, with the number of its session and of the
 * sends that have no outcome. The end of the input ends the sending; then what is unanswered is waited for. FILE gets
 * one byte per send, enum ra_outcome, the send's `seq` being its place; the last line is the summary.
 */
#include <reattach/reattach.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SEQS = 1 << 23, THREADS = 16, PATIENCE_MS = 90000 };

struct proof {
    const char *url, *queue, *mode, *out;
    int64_t keep, threads, forbidden;
    ra_connection *connection;
    ra_session *sessions[THREADS];
    ra_producer *producers[THREADS]; /* per thread; anonymous */
    atomic_uchar *outcome;           /* per seq */
    atomic_llong next, settled, doubled, odd;
    atomic_bool stop;
    int64_t start_ms;
    bool full; /* told; the next outage makes it false */
};

struct sender {
    struct proof *proof;
    int64_t index;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* err by its address: arguments are evaluated in any order. */
static void check(int rc, ra_error **err)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "prove_restart: %s: %s\n", ra_error_name(err != NULL ? *err : NULL), ra_error_message(err != NULL ? *err : NULL));
    exit(2);
}

static void settle(struct proof *p, int64_t seq, int outcome)
{
    if (atomic_exchange(&p->outcome[seq], (unsigned char)outcome) != RA_OUTCOME_PENDING)
        p->doubled++;
    p->settled++;
}

/* --- events ----------------------------------------------------------------------------------------------------- */

static void on_outcome(void *user, const ra_event *event)
{
    for (uint64_t tag = ra_event_first_tag(event); tag <= ra_event_last_tag(event); tag++)
        settle(user, (int64_t)tag, ra_event_outcome(event));
}

static int session_index(const struct proof *p, const ra_event *event)
{
    for (int i = 0; i < THREADS; i++)
        if (p->sessions[i] != NULL && p->sessions[i] == ra_event_session(event))
            return i;
    return -1;
}

static void on_event(void *user, const ra_event *event)
{
    struct proof *p = user;

    p->full = false;
    printf("{\"event\":\"%s\",\"session\":%d,\"ms\":%lld,\"open\":%lld,\"attempt\":%lld,\"unknown\":%lld,"
           "\"requeued\":%lld}\n",
           ra_event_kind_name(ra_event_kind(event)), session_index(p, event), (long long)(now_ms() - p->start_ms),
           (long long)(p->next - p->settled), (long long)ra_event_attempt(event), (long long)ra_event_unknown(event),
           (long long)ra_event_requeued(event));
}

static bool dispatch(struct proof *p, int64_t wait_ms)
{
    ra_error *err = NULL;
    int rc = ra_connection_wait_event(p->connection, wait_ms, &err);

    ra_error_free(err);
    if (rc < 0)
        return rc == RA_E_TIMEOUT;
    check(ra_connection_dispatch(p->connection, 0, &err), &err);
    return true;
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static const char *address_of(const struct proof *p, int64_t seq)
{
    return p->forbidden > 0 && seq % p->forbidden == p->forbidden - 1 ? "forbidden.x" : p->queue;
}

static ra_message *make_message(void)
{
    ra_message *message = NULL;
    ra_error *err = NULL;

    check(ra_message_new(RA_MESSAGE_BYTES, &message, &err), &err);
    check(ra_message_set_durable(message, 1, &err), &err);
    check(ra_message_set_body(message, "sixty-four bytes of body sixty-four bytes of body sixty-four", 64 - 4, &err),
          &err);
    return message;
}

/* Keeps N unanswered. */
static void send_pipelined(struct proof *p, ra_message *message)
{
    ra_error *err = NULL;
    bool room = true;

    while (!p->stop && p->next < SEQS) {
        while (room && !p->stop && p->next - p->settled < p->keep) {
            int64_t seq = p->next;
            int rc;

            check(ra_message_set_int(message, "seq", (int32_t)seq, &err), &err);
            rc = ra_producer_send_tagged(p->producers[0], address_of(p, seq), message, (uint64_t)seq, &err);
            room = rc != RA_E_WOULD_BLOCK;
            if (!room)
                ra_error_free(err);
            else
                check(rc, &err);
            p->next += room;
            if (room && !p->full && p->next - p->settled == p->keep) {
                p->full = true;
                printf("{\"event\":\"full\"}\n");
            }
        }
        dispatch(p, 20);
        room = true;
    }
}

static int outcome_of(struct proof *p, int rc, const ra_error *err)
{
    if (rc == 0)
        return RA_OUTCOME_CONFIRMED;
    if (ra_error_is_outcome_unknown(err))
        return RA_OUTCOME_UNKNOWN;
    if (rc == RA_E_SECURITY)
        return RA_OUTCOME_REJECTED;
    if (rc != RA_E_NOT_DONE && p->odd++ == 0)
        fprintf(stderr, "prove_restart: a send ended with %s: %s\n", ra_error_name(err), ra_error_message(err));
    return RA_OUTCOME_NOT_DONE;
}

static void *send_blocking(void *user)
{
    struct sender *sender = user;
    struct proof *p = sender->proof;
    ra_message *message = make_message();
    int64_t seq;

    while (!p->stop && (seq = p->next++) < SEQS) {
        ra_error *err = NULL;
        int rc;

        ra_message_set_int(message, "seq", (int32_t)seq, NULL);
        rc = ra_producer_send(p->producers[sender->index], address_of(p, seq), message, &err);
        settle(p, seq, outcome_of(p, rc, err));
        ra_error_free(err);
    }
    ra_message_unref(message);
    return NULL;
}

/* --- the run ---------------------------------------------------------------------------------------------------- */

static void *read_input(void *user)
{
    struct proof *p = user;

    while (getchar() != EOF)
        ;
    p->stop = true;
    return NULL;
}

static void set_up(struct proof *p)
{
    const uint32_t mask = RA_EVENTS_ALL & ~(RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME) | RA_EVENT_MASK(RA_EVENT_WRITABLE) |
                                            RA_EVENT_MASK(RA_EVENT_LOG));
    ra_error *err = NULL;

    check(ra_connection_open(p->url, NULL, 20000, &p->connection, &err), &err);
    check(ra_connection_listen(p->connection, NULL, mask, on_event, p, NULL, NULL, &err), &err);
    check(ra_connection_listen(p->connection, NULL, RA_EVENT_MASK(RA_EVENT_SEND_OUTCOME), on_outcome, p, NULL, NULL,
                               &err),
          &err);
    for (int64_t i = 0; i < p->threads; i++) {
        if (i != 1)
            check(ra_session_open(p->connection, RA_SESSION_AUTO_COMMIT, &p->sessions[i], &err), &err);
        check(ra_producer_open(p->sessions[i == 1 ? 0 : i], NULL, &p->producers[i], &err), &err);
    }
}

static void run_blocking(struct proof *p)
{
    struct sender senders[THREADS];
    pthread_t threads[THREADS];
    int64_t end = INT64_MAX;

    for (int64_t i = 0; i < p->threads; i++) {
        senders[i] = (struct sender){ p, i };
        check(pthread_create(&threads[i], NULL, send_blocking, &senders[i]) == 0 ? 0 : -1, NULL);
    }
    while (!p->stop || (p->settled < p->next && now_ms() < end)) {
        dispatch(p, 50);
        if (p->stop && end == INT64_MAX)
            end = now_ms() + PATIENCE_MS;
    }
    for (int64_t i = 0; i < p->threads && p->settled == p->next; i++)
        pthread_join(threads[i], NULL);
}

static void run_pipelined(struct proof *p)
{
    ra_message *message = make_message();
    int64_t end;

    send_pipelined(p, message);
    end = now_ms() + PATIENCE_MS;
    while (p->settled < p->next && now_ms() < end)
        dispatch(p, 50);
    ra_message_unref(message);
}

static int finish(struct proof *p)
{
    int64_t count[RA_OUTCOME_PROCESSED + 1] = { 0 }, not_done = -1, unknown = -1;
    FILE *out = fopen(p->out, "wb");
    ra_error *err = NULL;
    int rc = ra_connection_close(p->connection, 20000, &not_done, &unknown, &err);

    while (dispatch(p, 0))
        if (ra_connection_dispatch(p->connection, 0, NULL) <= 0)
            break;
    for (int64_t seq = 0; seq < p->next; seq++)
        count[p->outcome[seq]]++;
    if (out == NULL || fwrite((void *)p->outcome, 1, (size_t)p->next, out) != (size_t)p->next || fclose(out) != 0)
        return 2;
    printf("{\"sent\":%lld,\"confirmed\":%lld,\"rejected\":%lld,\"not_done\":%lld,\"unknown\":%lld,\"pending\":%lld,"
           "\"doubled_outcomes\":%lld,\"odd_errors\":%lld,\"closed\":%d,\"close_not_done\":%lld,"
           "\"close_unknown\":%lld}\n",
           (long long)p->next, (long long)count[RA_OUTCOME_CONFIRMED], (long long)count[RA_OUTCOME_REJECTED],
           (long long)count[RA_OUTCOME_NOT_DONE], (long long)count[RA_OUTCOME_UNKNOWN], (long long)count[0],
           (long long)p->doubled, (long long)p->odd, rc, (long long)not_done, (long long)unknown);
    ra_error_free(err);
    return 0;
}

static bool parse(struct proof *p, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--url") == 0)
            p->url = argv[i + 1];
        else if (strcmp(argv[i], "--queue") == 0)
            p->queue = argv[i + 1];
        else if (strcmp(argv[i], "--mode") == 0)
            p->mode = argv[i + 1];
        else if (strcmp(argv[i], "--out") == 0)
            p->out = argv[i + 1];
        else if (strcmp(argv[i], "--keep") == 0)
            p->keep = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--forbidden") == 0)
            p->forbidden = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--threads") == 0)
            p->threads = atoll(argv[i + 1]);
        else
            return false;
    }
    return p->url != NULL && p->queue != NULL && p->out != NULL && p->threads >= 1 && p->threads <= THREADS;
}

int main(int argc, char **argv)
{
    static struct proof p = { .mode = "pipelined", .keep = 1500, .threads = 4, .forbidden = 50 };
    pthread_t reader;
    bool pipelined;
    int rc;

    if (!parse(&p, argc, argv)) {
        fprintf(stderr, "usage: prove_restart --url URL --queue Q --mode pipelined|blocking --out FILE\n");
        return 2;
    }
    pipelined = strcmp(p.mode, "pipelined") == 0;
    if (pipelined)
        p.threads = 1;
    p.outcome = calloc(SEQS, 1);
    p.start_ms = now_ms();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (p.outcome == NULL || pthread_create(&reader, NULL, read_input, &p) != 0)
        return 2;
    set_up(&p);
    printf("{\"event\":\"ready\",\"sessions\":%lld}\n", (long long)(pipelined ? 1 : p.threads - 1));
    (pipelined ? run_pipelined : run_blocking)(&p);
    rc = finish(&p);
    for (int i = 0; i < THREADS; i++) {
        ra_producer_free(p.producers[i]);
        ra_session_free(p.sessions[i]);
    }
    ra_connection_free(p.connection);
    pthread_join(reader, NULL);
    free((void *)p.outcome);
    return rc;
}
