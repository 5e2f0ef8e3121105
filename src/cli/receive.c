/* receive QUEUE: prints, then acknowledges; the numbers are checked when the acknowledgement was taken. */
#include <signal.h>
#include <stdlib.h>

#include "print.h"
#include "seqs.h"
#include "summary.h"
#include "terminal.h"
#include "watch.h"

enum { LOOK_MS = 200 };
enum ack { ACK_AUTO, ACK_INDIVIDUAL, ACK_TRANSACTED };

struct receiver {
    const struct settings *settings;
    struct broker broker;
    ra_consumer *consumer;
    enum ack ack;
    struct seqs seqs;
    struct summary summary;
    int64_t acknowledged; /* outside transactions, since the last time that all of it was known to have arrived */
    int32_t *open;        /* numbers of the open transaction, -1 for messages without one */
    int64_t open_count;
    int64_t last_ms; /* the last message, or the last time without a connection */
    int64_t began_ms;
    bool failed; /* it has complained */
};

/* Says why, once: what fails afterwards fails for the same reason. */
static void fail(struct receiver *r, ra_error *err)
{
    if (r->failed)
        ra_error_free(err);
    else
        broker_failed(err, EXIT_LEFT);
    r->failed = true;
}

static int32_t seq_of(const struct receiver *r, const ra_message *message)
{
    int32_t seq;

    if (r->settings->no_check || ra_message_get_int(message, "seq", &seq, NULL) < 0 || seq < 0)
        return -1;
    return seq;
}

static void check(struct receiver *r, int32_t seq)
{
    if (seq >= 0 && !seqs_add(&r->seqs, seq)) {
        complain("out of memory");
        r->failed = true;
    }
}

/* --- transactions ----------------------------------------------------------------------------------------------- */

/* The messages of the open transaction come again. */
static void take_back(struct receiver *r)
{
    ra_error *err = NULL;

    if (r->open_count > 0)
        terminal_say("a transaction of %lld messages was rolled back; they come again", (long long)r->open_count);
    r->summary.messages -= r->open_count;
    r->open_count = 0;
    if (!broker_looked_up(ra_session_rollback(r->broker.session, &err), &err))
        fail(r, err);
}

/* Waits for the commit however long it takes to come back to the broker; once the command is to end, for its
 * time-out. */
static int wait_commit(struct receiver *r, ra_operation *commit, ra_error **err)
{
    int64_t until = INT64_MAX;
    int rc;

    while (ra_operation_outcome(commit) == RA_OUTCOME_PENDING && now_ms() < until && !watch_gave_up()) {
        if (watch_stopped() && until == INT64_MAX) {
            until = now_ms() + r->broker.close_ms;
            watch_settling();
        }
        rc = ra_operation_wait(commit, LOOK_MS, RA_WAIT_EVENTS, err);
        if (ra_operation_outcome(commit) == RA_OUTCOME_PENDING) {
            if (!broker_looked_up(rc, err))
                return rc;
            ra_connection_dispatch(r->broker.connection, 0, NULL);
            continue;
        }
        return rc;
    }
    rc = ra_operation_wait(commit, 0, 0, err); /* it has ended already, or nobody waits any more */
    return broker_looked_up(rc, err) ? 0 : rc;
}

static void commit(struct receiver *r)
{
    ra_operation *operation = NULL;
    ra_error *err = NULL;
    int rc;

    if (r->open_count == 0)
        return;
    rc = ra_session_commit_begin(r->broker.session, &operation, &err);
    if (rc == 0)
        rc = wait_commit(r, operation, &err);
    if (rc == RA_E_ROLLED_BACK) {
        ra_error_free(err);
        ra_operation_free(operation);
        take_back(r);
        return;
    }
    if (ra_operation_outcome(operation) == RA_OUTCOME_CONFIRMED) {
        r->summary.confirmed += r->open_count;
        for (int64_t i = 0; i < r->open_count; i++)
            check(r, r->open[i]);
    } else {
        bool not_done = operation == NULL || ra_operation_outcome(operation) == RA_OUTCOME_NOT_DONE;

        *(not_done ? &r->summary.not_done : &r->summary.unknown) += r->open_count;
        if (err != NULL)
            fail(r, err);
    }
    r->open_count = 0;
    ra_operation_free(operation);
}

/* --- messages --------------------------------------------------------------------------------------------------- */

static void acknowledge(struct receiver *r, const ra_message *message)
{
    int32_t seq = seq_of(r, message);
    ra_error *err = NULL;
    int rc = r->ack == ACK_INDIVIDUAL ? ra_consumer_acknowledge_individually(r->consumer, message, &err)
                                      : ra_consumer_acknowledge(r->consumer, message, &err);

    if (rc == RA_E_STALE || rc == RA_E_ROLLED_BACK) { /* the session was recreated meanwhile: it comes again */
        ra_error_free(err);
        if (r->ack == ACK_TRANSACTED)
            take_back(r);
        return;
    }
    if (rc < 0 && rc != RA_E_INTERRUPTED) {
        fail(r, err);
        return;
    }
    ra_error_free(err);
    r->summary.messages++;
    if (r->ack != ACK_TRANSACTED) {
        r->acknowledged++;
        check(r, seq);
        return;
    }
    r->open[r->open_count++] = seq;
    if (r->open_count == r->settings->batch)
        commit(r);
}

static void take(struct receiver *r, ra_message *message)
{
    r->last_ms = now_ms();
    if (r->settings->quiet || print_message(message, r->settings->json))
        acknowledge(r, message);
    else
        r->failed = true;
    ra_message_unref(message);
}

static bool over(struct receiver *r)
{
    if (r->failed || watch_stopped())
        return true;
    return r->settings->count > 0 && r->summary.messages >= r->settings->count;
}

/* After a flush. */
static void count_acknowledged(struct receiver *r, bool arrived)
{
    if (!arrived)
        return;
    r->summary.processed += r->acknowledged;
    r->acknowledged = 0;
}

/* Nothing was there: a time to commit, to send acknowledgements that wait for their batch, and to ask whether this has
 * lasted long enough. */
static bool idle(struct receiver *r)
{
    commit(r);
    if (r->acknowledged > 0)
        count_acknowledged(r, ra_session_flush(r->broker.session, LOOK_MS, NULL) == 0);
    if (!ra_connection_is_connected(r->broker.connection))
        r->last_ms = now_ms();
    return r->settings->idle > 0 && (double)(now_ms() - r->last_ms) >= r->settings->idle * 1000;
}

static int64_t look_ms(const struct receiver *r)
{
    double left = r->settings->idle * 1000 - (double)(now_ms() - r->last_ms);

    return r->settings->idle > 0 && left < LOOK_MS ? (left < 1 ? 1 : (int64_t)left + 1) : LOOK_MS;
}

static void show(const struct receiver *r)
{
    double seconds = (double)(now_ms() - r->began_ms) / 1000;

    if ((r->settings->quiet || r->settings->json) && terminal_due())
        terminal_progress("%lld received, %.0f a second", (long long)r->summary.messages,
                          seconds > 0 ? (double)r->summary.messages / seconds : 0);
}

static void loop(struct receiver *r)
{
    ra_message *message;
    ra_error *err = NULL;
    bool ended = false;

    while (!ended && !over(r)) {
        int rc = ra_consumer_receive(r->consumer, look_ms(r), RA_WAIT_EVENTS, &message, &err);

        if (rc == RA_RECEIVED)
            take(r, message);
        else if (rc == RA_RECEIVED_NONE)
            ended = idle(r);
        else if (!broker_looked_up(rc, &err))
            fail(r, err);
        ra_connection_dispatch(r->broker.connection, 0, NULL);
        show(r);
    }
}

static void work(struct receiver *r)
{
    ra_error *err = NULL;
    int rc = ra_consumer_open(r->broker.session, r->settings->queue, r->settings->filter, 0, -2, &r->consumer, &err);

    if (rc == 0)
        rc = ra_session_start(r->broker.session, &err);
    if (rc < 0) {
        fail(r, err);
        return;
    }
    r->began_ms = r->last_ms = now_ms();
    loop(r);
    commit(r);
}

static int count_up(struct receiver *r)
{
    struct summary *s = &r->summary;
    int status;

    if (r->acknowledged > 0) { /* it ended before it was known what had arrived: the close knows no more */
        s->unknown += r->acknowledged;
    } else {
        s->not_done += r->broker.not_done;
        s->unknown += r->broker.unknown;
        if (r->ack != ACK_TRANSACTED)
            s->processed -= r->broker.not_done + r->broker.unknown;
        s->processed = s->processed < 0 ? 0 : s->processed;
    }
    s->duplicates = r->seqs.duplicates;
    s->out_of_order = r->seqs.out_of_order;
    s->missing = seqs_missing(&r->seqs);
    status = summary_end(s, &r->broker, r->settings);
    return r->failed ? EXIT_LEFT : status;
}

static int prepare(struct receiver *r)
{
    r->ack = r->settings->ack[0] == 'a' ? ACK_AUTO : r->settings->ack[0] == 'i' ? ACK_INDIVIDUAL : ACK_TRANSACTED;
    r->open = malloc((size_t)r->settings->batch * sizeof *r->open);
    if (r->open == NULL || !seqs_open(&r->seqs)) {
        complain("out of memory");
        return EXIT_LEFT;
    }
    return broker_open(&r->broker, r->settings, NULL,
                       r->ack == ACK_TRANSACTED ? RA_SESSION_TRANSACTED : RA_SESSION_AUTO_COMMIT);
}

int run_receive(const struct settings *settings)
{
    struct receiver r = { .settings = settings };
    int status;

    signal(SIGPIPE, SIG_IGN);
    status = prepare(&r);
    if (status == EXIT_WELL) {
        work(&r);
        count_acknowledged(&r, broker_settle(&r.broker));
        broker_close(&r.broker);
        status = count_up(&r);
        ra_consumer_free(r.consumer);
    }
    seqs_close(&r.seqs);
    free(r.open);
    return status;
}
