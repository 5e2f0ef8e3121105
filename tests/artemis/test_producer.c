/* The ways to send, the outcome of each, and what a refused one does not disturb. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

#define CALM "reliable=true&connectionTTL=60000&clientFailureCheckPeriod=30000"

ArtemisTest(producer, blocking_send__is_in_the_queue_when_it_returns)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    for (int32_t seq = 0; seq < 5; seq++) {
        kit_send(k.producer, seq, 1);
        kit_await_count(k.session, k.queue, seq + 1);
    }
    cr_assert_eq(ra_session_unsettled(k.session), 0);
    cr_assert_eq(kit_stat(k.connection, RA_STAT_SENT), 5);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 5);
}

ArtemisTest(producer, tagged_sends__each_have_one_outcome_in_ranges)
{
    enum { COUNT = 3000 };
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_send_tagged(k.producer, 0, COUNT, 1);
    cr_assert_eq(kit_await_outcomes(k.connection, COUNT, NULL), COUNT);
    cr_assert_eq(ra_session_unsettled(k.session), 0);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, COUNT);
}

ArtemisTest(producer, outcomes_that_wait__are_one_range)
{
    enum { COUNT = 500 };
    struct kit k;
    kit_open(&k, kit_port(), "producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    kit_send_tagged(k.producer, 0, COUNT, 1);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    ra_event *event = kit_await_event(k.connection, RA_EVENT_SEND_OUTCOME);
    cr_assert_eq(ra_event_first_tag(event), 0);
    cr_assert_eq(ra_event_last_tag(event), COUNT - 1);
    cr_assert_eq(ra_event_outcome(event), RA_OUTCOME_CONFIRMED);
    cr_assert_eq(ra_event_session(event), k.session);
    ra_event_free(event);
    kit_close(&k);
}

ArtemisTest(producer, send_many__takes_all_that_find_room)
{
    enum { COUNT = 2000 };
    static ra_message *messages[COUNT];
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    for (int32_t i = 0; i < COUNT; i++)
        messages[i] = kit_message(i, 1);
    for (int32_t done = 0; done < COUNT;) {
        ra_error *error = NULL;
        int32_t taken = ra_producer_send_many(k.producer, NULL, messages + done, COUNT - done, (uint64_t)done, &error);
        cr_assert_geq(taken, 0, "%s", ra_error_message(error));
        done += taken;
        cr_assert(done == COUNT || ra_error_code(error) == RA_E_WOULD_BLOCK, "%s", ra_error_message(error));
        ra_error_free(error);
        if (done < COUNT)
            GOOD(ra_producer_wait_writable(k.producer, PATIENCE_MS, 0, &err));
    }
    cr_assert_eq(kit_await_outcomes(k.connection, COUNT, NULL), COUNT);
    for (int32_t i = 0; i < COUNT; i++)
        ra_message_unref(messages[i]);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, COUNT);
}

ArtemisTest(producer, send_many_with_a_bad_one__stops_there)
{
    struct kit k;
    kit_open(&k, kit_port(), "producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    ra_message *messages[3] = { kit_message(0, 1), NULL, kit_message(2, 1) };
    FAILS(RA_E_ARGUMENT, (ra_producer_send_many(k.producer, NULL, messages, 3, 0, &err) == 1 ? ra_error_code(err) : 0));
    cr_assert_eq(kit_await_outcomes(k.connection, 1, NULL), 1);
    ra_message_unref(messages[0]);
    ra_message_unref(messages[2]);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 1);
}

ArtemisTest(producer, begun_send__is_confirmed_by_its_operation)
{
    struct kit k;
    kit_open(&k, kit_port(), "producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    ra_operation *operations[10];
    for (int32_t i = 0; i < 10; i++) {
        ra_message *message = kit_message(i, 1);
        GOOD(ra_producer_send_begin(k.producer, NULL, message, &operations[i], &err));
        ra_message_unref(message);
    }
    for (int32_t i = 9; i >= 0; i--) { /* in any order */
        GOOD(ra_operation_wait(operations[i], -1, 0, &err));
        GOOD(ra_operation_wait(operations[i], 0, 0, &err)); /* and again */
        cr_assert_eq(ra_operation_outcome(operations[i]), RA_OUTCOME_CONFIRMED);
        ra_operation_free(operations[i]);
    }
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 10);
}

ArtemisTest(producer, forgotten_sends__are_settled_by_a_flush)
{
    struct kit k;
    kit_open(&k, kit_port(), "producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    for (int32_t i = 0; i < 100; i++) {
        ra_message *message = kit_message(i, 0);
        GOOD(ra_producer_send_forget(k.producer, NULL, message, &err));
        ra_message_unref(message);
    }
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    kit_await_count(k.session, k.queue, 100);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 100);
}

ArtemisTest(producer, anonymous_producer__takes_the_address_with_each_send)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    const char *other = kit_name("other");
    kit_queue(k.session, other);
    ra_producer *anonymous = kit_producer(k.session, NULL);
    ra_message *message = kit_message(0, 1);
    GOOD(ra_producer_send(anonymous, k.queue, message, &err));
    GOOD(ra_producer_send(anonymous, other, message, &err));
    FAILS(RA_E_ARGUMENT, ra_producer_send(anonymous, NULL, message, &err));
    FAILS(RA_E_ARGUMENT, ra_producer_send(k.producer, other, message, &err));
    ra_message_unref(message);
    ra_producer_free(anonymous);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 1);
    kit_expect_queue(kit_port(), other, 0, 1);
}

ArtemisTest(producer, message__may_be_changed_and_sent_again)
{
    struct kit k;
    kit_open(&k, kit_port(), "producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    ra_message *message = kit_message(0, 1);
    for (int32_t i = 0; i < 50; i++) {
        GOOD(ra_message_set_int(message, "seq", i, &err));
        GOOD(ra_producer_send_tagged(k.producer, NULL, message, (uint64_t)i, &err));
    }
    ra_message_unref(message);
    cr_assert_eq(kit_await_outcomes(k.connection, 50, NULL), 50);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 50);
}

ArtemisTest(producer, closed__sends_no_more_and_its_session_goes_on)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    ra_message *message = kit_message(0, 1);
    GOOD(ra_producer_close(k.producer, &err));
    GOOD(ra_producer_close(k.producer, &err));
    FAILS(RA_E_CLOSED, ra_producer_send(k.producer, NULL, message, &err));
    ra_producer *next = kit_producer(k.session, k.queue);
    GOOD(ra_producer_send(next, NULL, message, &err));
    ra_message_unref(message);
    ra_producer_free(next);
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 1);
}

/* --- refused sends --- */

struct forbidden {
    ra_connection *connection;
    ra_session *session;
    ra_producer *good, *bad;
    char queue[96];
};

/* User `limited` may create and fill its queue, and not send to forbidden.x. */
static void enter_forbidden(struct forbidden *f, uint16_t port, int mode)
{
    GOOD(ra_connection_open(kit_url_as(port, "limited", "limited", CALM), NULL, PATIENCE_MS, &f->connection, &err));
    f->session = kit_session(f->connection, mode);
    snprintf(f->queue, sizeof f->queue, "%s", kit_name("limited"));
    kit_queue(f->session, f->queue);
    const char *forbidden = kit_name("forbidden.x");
    kit_queue(f->session, forbidden);
    f->good = kit_producer(f->session, f->queue);
    f->bad = kit_producer(f->session, forbidden);
}

static void leave_forbidden(struct forbidden *f)
{
    GOOD(ra_connection_close(f->connection, PATIENCE_MS, NULL, NULL, &err));
    ra_producer_free(f->good);
    ra_producer_free(f->bad);
    ra_session_free(f->session);
    ra_connection_free(f->connection);
}

/* Nobody waits for the send, so its refusal shows in the commit alone. The next transaction is another one. */
ArtemisTest(refused_send, in_a_transaction__has_the_commit_rejected)
{
    struct forbidden f;
    enter_forbidden(&f, kit_port(), RA_SESSION_TRANSACTED);
    ra_message *message = kit_message(1, 1);
    kit_send(f.good, 0, 1);
    GOOD(ra_producer_send_forget(f.bad, NULL, message, &err));
    kit_send(f.good, 2, 1);
    FAILS(RA_E_SECURITY, ra_session_commit(f.session, &err)); /* the broker says why it rolled back */
    kit_send(f.good, 0, 1);
    GOOD(ra_session_commit(f.session, &err));
    ra_message_unref(message);
    leave_forbidden(&f);
    kit_expect_queue(kit_port(), f.queue, 0, 1);
}

ArtemisTest(refused_send, blocking__says_why)
{
    struct forbidden f;
    enter_forbidden(&f, kit_port(), RA_SESSION_AUTO_COMMIT);
    ra_message *message = kit_message(0, 1);
    ra_error *error = NULL;
    cr_assert_eq(ra_producer_send(f.bad, NULL, message, &error), RA_E_SECURITY);
    cr_assert_eq(ra_error_broker_code(error), 105);
    cr_assert_not_null(strstr(ra_error_broker_text(error), "forbidden.x"), "%s", ra_error_broker_text(error));
    cr_assert_null(strstr(ra_error_message(error), "password=limited"));
    cr_assert_not(ra_error_is_outcome_unknown(error));
    ra_error_free(error);
    GOOD(ra_producer_send(f.good, NULL, message, &err));
    ra_message_unref(message);
    leave_forbidden(&f);
    kit_expect_queue(kit_port(), f.queue, 0, 1);
}

ArtemisTest(refused_send, tagged__is_rejected_among_confirmed_ones)
{
    enum { COUNT = 40 };
    struct forbidden f;
    int64_t counts[6];
    enter_forbidden(&f, kit_port(), RA_SESSION_AUTO_COMMIT);
    for (int32_t i = 0; i < COUNT; i++)
        kit_send_tagged(i % 4 == 3 ? f.bad : f.good, i, 1, 1);
    cr_assert_eq(kit_await_outcomes(f.connection, COUNT, counts), COUNT - COUNT / 4);
    cr_assert_eq(counts[RA_OUTCOME_REJECTED], COUNT / 4);
    ra_message *message = kit_message(99, 1);
    GOOD(ra_producer_send_tagged(f.bad, NULL, message, 0, &err));
    ra_event *event = kit_await_event(f.connection, RA_EVENT_SEND_OUTCOME);
    cr_assert_eq(ra_event_outcome(event), RA_OUTCOME_REJECTED);
    cr_assert_eq(ra_error_code(ra_event_error(event)), RA_E_SECURITY);
    cr_assert_eq(ra_error_broker_code(ra_event_error(event)), 105);
    ra_event_free(event);
    ra_message_unref(message);
    leave_forbidden(&f);
}

/* Refused ones are not counted by the broker: after the cut the numbers still have to agree. */
ArtemisTest(refused_send, then_a_cut__loses_and_doubles_nothing)
{
    enum { COUNT = 60 };
    for (int round = 0; round < 3; round++) {
        static const enum relay_how hows[] = { RELAY_RST, RELAY_FIN, RELAY_ABANDON };
        struct relay *r = kit_relay(kit_port());
        struct forbidden f;
        int64_t counts[6];
        enter_forbidden(&f, relay_port(r), RA_SESSION_AUTO_COMMIT);
        struct relay_match match = relay_match_type(RELAY_TO_BROKER, 71);
        match.nth = 30;
        int trap = relay_cut_at(r, &match, RELAY_INSIDE, 0, hows[round]);
        int32_t next = 0;
        for (int32_t i = 0; i < COUNT; i++) {
            bool bad = i % 5 == 1;
            ra_message *message = kit_message(bad ? -1 : next++, 1);
            while (ra_producer_send_tagged(bad ? f.bad : f.good, NULL, message, (uint64_t)i, NULL) != 0)
                GOOD(ra_producer_wait_writable(bad ? f.bad : f.good, PATIENCE_MS, 0, &err));
            ra_message_unref(message);
        }
        cr_assert_eq(kit_await_outcomes(f.connection, COUNT, counts), COUNT - COUNT / 5);
        cr_assert_eq(counts[RA_OUTCOME_REJECTED], COUNT / 5);
        cr_assert(relay_wait_trap(r, trap, PATIENCE_MS));
        cr_assert_eq(kit_stat(f.connection, RA_STAT_NUMBERING_REPAIRS), 0);
        leave_forbidden(&f);
        kit_expect_queue(kit_port(), f.queue, 0, next);
        relay_stop(r);
    }
}

/* Without confirmations nothing tells that the log may be emptied but the answers themselves. */
static void pour(const char *options, bool forget)
{
    enum { COUNT = 300, BODY = 10000 };
    static const char body[BODY];
    struct kit k;
    kit_open(&k, kit_port(), options, RA_SESSION_AUTO_COMMIT);
    for (int32_t i = 0; i < COUNT; i++) {
        ra_message *message = kit_message(i, 1);
        GOOD(ra_message_set_body(message, body, sizeof body, &err));
        if (forget) {
            while (ra_producer_send_forget(k.producer, NULL, message, NULL) == RA_E_WOULD_BLOCK)
                GOOD(ra_producer_wait_writable(k.producer, PATIENCE_MS, 0, &err));
        } else {
            GOOD(ra_producer_send(k.producer, NULL, message, &err));
        }
        ra_message_unref(message);
    }
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, COUNT);
}

ArtemisTest(producer, more_than_maxUnconfirmed_without_confirmations__all_find_room)
{
    pour("callTimeout=5000&confirmationWindowSize=-1&maxUnconfirmed=1000000", false);
    pour("callTimeout=5000&confirmationWindowSize=-1&maxUnconfirmed=1000000", true);
}

ArtemisTest(producer, more_than_maxUnconfirmed_with_confirmations__all_find_room)
{
    pour("callTimeout=5000&confirmationWindowSize=65536&maxUnconfirmed=1000000", false);
    pour("callTimeout=5000&confirmationWindowSize=65536&maxUnconfirmed=1000000", true);
}
