/* Duplicate ids: the broker's memory and its end, and transactions that are done once and only once. */
#include "kit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { COMMIT = 43, TTL_MS = 1000, REMEMBERED = 20000 /* ids of an address: the broker's id-cache-size */ };

/* --- the broker's memory --- */

static ra_message *with_id(int32_t seq)
{
    ra_message *message = kit_message(seq, 0);
    char id[16];
    snprintf(id, sizeof id, "%d", (int)seq);
    GOOD(ra_message_set_string(message, "_AMQ_DUPL_ID", id, strlen(id), &err));
    return message;
}

static void send_all(struct kit *k, int32_t first, int32_t count)
{
    for (int32_t i = first; i < first + count; i++) {
        ra_message *message = with_id(i);
        while (ra_producer_send_tagged(k->producer, NULL, message, (uint64_t)i, NULL) == RA_E_WOULD_BLOCK)
            GOOD(ra_producer_wait_writable(k->producer, PATIENCE_MS, 0, &err));
        ra_message_unref(message);
    }
}

/* What the limit is there for: of 20,001 ids the broker has forgotten the first. */
ArtemisTest(duplicate, of_more_ids_than_the_broker_remembers__arrives_twice)
{
    struct kit k;
    kit_open(&k, kit_port(), "reliable=true&duplicateDetection=true&producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    send_all(&k, 0, REMEMBERED + 1);
    kit_await_outcomes(k.connection, REMEMBERED + 1, NULL);
    send_all(&k, 2, 1); /* the broker still knows it */
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    kit_await_count(k.session, k.queue, REMEMBERED + 1);
    send_all(&k, 0, 1);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    kit_await_count(k.session, k.queue, REMEMBERED + 2);
    GOOD(ra_session_delete_queue(k.session, k.queue, &err));
    kit_close(&k);
}

ArtemisTest(duplicate, stamped__arrives_with_an_id_of_its_own)
{
    struct kit k;
    const void *ids[2];
    size_t sizes[2];
    ra_message *messages[2];
    kit_open(&k, kit_port(), "duplicateDetection=true", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    kit_fill(k.producer, 0, 2);
    for (int i = 0; i < 2; i++) {
        messages[i] = kit_receive(k.consumer, PATIENCE_MS);
        cr_assert_eq(kit_seq(messages[i]), i);
        GOOD(ra_message_get_bytes(messages[i], "_AMQ_DUPL_ID", &ids[i], &sizes[i], &err));
        cr_assert_eq(sizes[i], 24);
    }
    cr_assert_neq(memcmp(ids[0], ids[1], 24), 0);
    GOOD(ra_producer_send(k.producer, NULL, messages[0], &err)); /* the same message again, with its id: dropped */
    kit_send(k.producer, 2, 1);
    kit_expect(k.consumer, 2, true);
    ra_message_unref(messages[0]);
    ra_message_unref(messages[1]);
    kit_close(&k);
}

/* --- transactions, done again --- */

struct work {
    struct kit *k;
    struct relay *relay;
    ra_producer *producer;
    int calls;
    bool cuts;    /* inside the first call, when it has received */
    bool refuses; /* at the end of the work */
};

/* Receives one message, sends two. */
static int work(void *user, ra_session *session, ra_error **err)
{
    struct work *w = user;
    int32_t calls = ++w->calls;
    ra_message *in = NULL, *out[2] = { kit_message(10, 1), kit_message(11, 1) };
    int code = w->k->consumer == NULL ? 0 : ra_consumer_receive(w->k->consumer, PATIENCE_MS, 0, &in, err);
    if (code >= 0 && w->cuts && calls == 1) {
        relay_cut(w->relay, RELAY_RST);
        kit_await_stat(w->k->connection, RA_STAT_RECREATED, 1);
    }
    if (code >= 0 && in != NULL)
        code = ra_consumer_acknowledge(w->k->consumer, in, err);
    for (int i = 0; i < 2 && code >= 0 && w->producer != NULL; i++)
        code = ra_producer_send(w->producer, NULL, out[i], err);
    for (int i = 0; i < 2; i++)
        ra_message_unref(out[i]);
    ra_message_unref(in);
    (void)session;
    return code < 0 ? code : w->refuses ? RA_E_STALE : 0;
}

/* Without a window sessions are recreated after every cut; with one, when the broker has given them up. */
#define RECREATED "reconnectAttempts=-1&retryInterval=20"
#define GIVEN_UP  RECREATED "&confirmationWindowSize=65536&connectionTTL=1000&clientFailureCheckPeriod=200"

static void open_work(struct work *w, struct kit *k, const char *options, const char *out)
{
    struct kit helper;
    *w = (struct work){ .k = k, .relay = kit_relay(kit_port()) };
    kit_open(&helper, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_queue(helper.session, out);
    kit_close(&helper);
    kit_open(k, relay_port(w->relay), options, RA_SESSION_TRANSACTED);
    w->producer = kit_producer(k->session, out);
    kit_send(k->producer, 0, 1);
    GOOD(ra_session_commit(k->session, &err));
    kit_consume(k, -2);
}

static void close_work(struct work *w, const char *out, int32_t consumed, int32_t sent)
{
    ra_producer_free(w->producer);
    kit_close(w->k);
    relay_stop(w->relay);
    kit_expect_queue(kit_port(), w->k->queue, consumed, 1 - consumed);
    kit_expect_queue(kit_port(), out, 10, sent);
}

ArtemisTest(duplicate, transaction_of_which_the_commit_never_arrived__is_done_again)
{
    struct work w;
    struct kit k;
    const char *out = kit_name("once");
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, COMMIT);
    open_work(&w, &k, RECREATED, out);
    relay_cut_at(w.relay, &match, RELAY_BEFORE, 0, RELAY_RST);
    GOOD(ra_session_transact(k.session, NULL, work, &w, &err));
    cr_assert_eq(w.calls, 2, "%d calls", w.calls);
    close_work(&w, out, 1, 2);
}

struct transact {
    struct work *work;
    int code, error;
};

static void transact(struct transact *t)
{
    ra_error *error = NULL;
    t->code = ra_session_transact(t->work->k->session, "order 7", work, t->work, &error);
    t->error = ra_error_code(error);
    ra_error_free(error);
}

static void *transact_aside(void *argument)
{
    transact(argument);
    return NULL;
}

/* The commit is executed, and its answer, which comes behind those of the sends, gets no further than the relay. Nobody gets
 * through to the broker until it has given the session up. */
static void lose_the_answer(struct work *w, struct transact *t, unsigned sends)
{
    struct relay_match match = relay_match_type(RELAY_TO_CLIENT, 21 /* NULL_RESPONSE */);
    pthread_t thread;
    match.nth = sends + 1;
    int trap = relay_cut_at(w->relay, &match, RELAY_BEFORE, 0, RELAY_RST);
    relay_refuse(w->relay, true);
    *t = (struct transact){ .work = w };
    cr_assert_eq(pthread_create(&thread, NULL, transact_aside, t), 0);
    cr_assert(relay_wait_trap(w->relay, trap, PATIENCE_MS));
    kit_pause(TTL_MS + 3000); /* the broker looks every 2 s: how long it takes is what this is about */
    relay_refuse(w->relay, false);
    pthread_join(thread, NULL);
}

ArtemisTest(duplicate, transaction_of_which_the_answer_was_lost__has_taken_effect_once)
{
    struct work w;
    struct kit k;
    struct transact t;
    const char *out = kit_name("once");
    open_work(&w, &k, GIVEN_UP, out);
    /* what it received would be gone in the second try */
    ra_consumer_free(k.consumer);
    k.consumer = NULL;
    lose_the_answer(&w, &t, 2);
    cr_assert_eq(t.code, 0, "%s", ra_error_code_name(t.error));
    cr_assert_eq(w.calls, 2, "%d calls", w.calls);
    w.calls = 0; /* the same work once more, as after a restart of the program */
    GOOD(ra_session_transact(k.session, "order 7", work, &w, &err));
    cr_assert_eq(w.calls, 1);
    kit_send(k.producer, 12, 1); /* and the session goes on */
    GOOD(ra_session_rollback(k.session, &err));
    close_work(&w, out, 0, 2);
}

ArtemisTest(duplicate, transaction_that_sends_nothing__is_not_done_again_in_doubt)
{
    struct work w;
    struct kit k;
    struct transact t;
    const char *out = kit_name("once");
    open_work(&w, &k, GIVEN_UP, out);
    ra_producer_free(w.producer);
    w.producer = NULL;
    lose_the_answer(&w, &t, 0);
    cr_assert_eq(t.code, RA_E_OUTCOME_UNKNOWN);
    cr_assert_eq(t.error, RA_E_OUTCOME_UNKNOWN);
    cr_assert_eq(w.calls, 1);
    close_work(&w, out, 1, 0);
}

ArtemisTest(duplicate, transaction_during_which_the_session_was_recreated__is_done_again)
{
    struct work w;
    struct kit k;
    const char *out = kit_name("once");
    open_work(&w, &k, RECREATED, out);
    w.cuts = true;
    GOOD(ra_session_transact(k.session, "order 8", work, &w, &err));
    cr_assert_eq(w.calls, 2, "%d calls", w.calls);
    close_work(&w, out, 1, 2);
}

ArtemisTest(duplicate, transaction_that_its_function_gives_up__is_rolled_back)
{
    struct work w;
    struct kit k;
    const char *out = kit_name("once");
    open_work(&w, &k, RECREATED, out);
    w.refuses = true;
    ra_error *error = NULL;
    cr_assert_eq(ra_session_transact(k.session, NULL, work, &w, &error), RA_E_STALE);
    cr_assert_null(error, "the function gave none");
    cr_assert_eq(w.calls, 1);
    cr_assert_eq(ra_session_transact(k.session, NULL, NULL, &w, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_session_transact(k.session, "", work, &w, NULL), RA_E_ARGUMENT);
    close_work(&w, out, 0, 0);
}
