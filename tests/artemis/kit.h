/*
 * What the tests on a real broker share. They use the public ABI, and the relay where the network has to misbehave.
 *
 *     ArtemisTest(producer, blocking_send__is_in_the_queue_when_it_returns)
 *     {
 *         struct kit k;
 *         kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
 *         GOOD(ra_producer_send(k.producer, NULL, m, &err));
 *         FAILS(RA_E_NO_QUEUE, ra_session_delete_queue(k.session, "missing", &err));
 *         kit_close(&k);
 *     }
 *
 * An ArtemisTest fails when it leaves a descriptor or a thread behind. Every wait has a deadline, PATIENCE_MS, that
 * says "hangs" and nothing else; the claims about time are made with kit_ms().
 *
 * All tests share the broker whose port is in REATTACH_BROKER_PORT, so every queue has a name of its own (kit_name).
 */
#ifndef REATTACH_TESTS_KIT_H
#define REATTACH_TESTS_KIT_H

#include <reattach/reattach.h>

#include "support/broker.h"
#include "support/relay.h"
#include "support/test.h"

enum { PATIENCE_MS = 20000 * TEST_SLOWER };

/* In both, `err` is what the call reports into. */
#define GOOD(call)                                                                                                     \
    do {                                                                                                               \
        ra_error *err = NULL;                                                                                          \
        int64_t good_ = (call);                                                                                        \
        cr_assert_geq(good_, 0, "%s: %s: %s", #call, ra_error_name(err), ra_error_message(err));                       \
        cr_assert_null(err, "%s succeeded and reported an error", #call);                                              \
    } while (0)

#define FAILS(code, call)                                                                                              \
    do {                                                                                                               \
        ra_error *err = NULL;                                                                                          \
        int64_t bad_ = (call);                                                                                         \
        cr_assert_eq(bad_, (code), "%s: %lld (%s), not %s", #call, (long long)bad_,                                    \
                     err != NULL ? ra_error_message(err) : "no error", ra_error_code_name(code));                      \
        cr_assert_eq(ra_error_code(err), (code), "%s: the error says %s", #call, ra_error_name(err));                  \
        cr_assert_str_not_empty(ra_error_message(err), "%s: no sentence", #call);                                      \
        ra_error_free(err);                                                                                            \
    } while (0)

/* Descriptors and threads of this process. */
struct kit_census {
    int descriptors, threads;
};
struct kit_census kit_count(void);
/* The same as before, at the latest after a while: a freed connection's thread may still be on its way out. */
void kit_assert_nothing_left(struct kit_census before);

#define ArtemisTest(suite, name, ...)                                                                                  \
    static void suite##_##name##_body(void);                                                                           \
    Test(suite, name, .timeout = 120, ##__VA_ARGS__)                                                                   \
    {                                                                                                                  \
        struct kit_census before_ = kit_count();                                                                       \
        suite##_##name##_body();                                                                                       \
        kit_assert_nothing_left(before_);                                                                              \
    }                                                                                                                  \
    static void suite##_##name##_body(void)

uint16_t kit_port(void);     /* of the shared broker */
int64_t kit_ms(void);        /* a clock that never goes back */
void kit_pause(unsigned ms); /* between two looks of a bounded wait, for nothing else */
/* Unique in the broker's life; valid until 16 further calls. */
const char *kit_name(const char *stem);

/* user, password and `options` ("a=1&b=2", may be empty) for 127.0.0.1:port; the text is good until the next call. */
const char *kit_url(uint16_t port, const char *options);
const char *kit_url_as(uint16_t port, const char *user, const char *password, const char *options);
ra_connection *kit_connect(uint16_t port, const char *options);
ra_session *kit_session(ra_connection *connection, int mode);
ra_producer *kit_producer(ra_session *session, const char *address);
/* window -2: the connection's */
ra_consumer *kit_consumer(ra_session *session, const char *queue, int32_t window);
void kit_queue(ra_session *session, const char *queue); /* durable, anycast */
int64_t kit_stat(ra_connection *connection, int id);
/* Until the counter is at least n. */
void kit_await_stat(ra_connection *connection, int id, int64_t n);

/* One of everything on a queue of its own: what most tests begin with. The consumer is NULL; the session is started. */
struct kit {
    ra_connection *connection;
    ra_session *session;
    ra_producer *producer;
    ra_consumer *consumer;
    char queue[96];
};
void kit_open(struct kit *k, uint16_t port, const char *options, int mode);
void kit_consume(struct kit *k, int32_t window); /* opens k->consumer */
void kit_close(struct kit *k);                   /* in order: nothing may be left undone or unknown */
void kit_free(struct kit *k);                    /* without asking anybody; the queue's name stays */

/* A message with int property "seq". */
ra_message *kit_message(int32_t seq, int durable);
int32_t kit_seq(const ra_message *message); /* -1: has none */
void kit_send(ra_producer *producer, int32_t seq, int durable);
/* durable or not, tagged with their seq; waits for room where there is none */
void kit_send_tagged(ra_producer *producer, int32_t first, int32_t count, int durable);
/* Blocking durable sends seq first, first + 1, ... */
void kit_fill(ra_producer *producer, int32_t first, int32_t count);
/* NULL when none came in time. */
ra_message *kit_receive(ra_consumer *consumer, int64_t timeout_ms);
/* The next message has to be this one; it is acknowledged (cumulatively) or not. */
void kit_expect(ra_consumer *consumer, int32_t seq, bool acknowledge);
/* Empties the queue over a connection of its own: exactly seq first to first + count - 1, in this order, each once. */
void kit_expect_queue(uint16_t port, const char *queue, int32_t first, int32_t count);
int64_t kit_message_count(ra_session *session, const char *queue); /* what a query says */
/* The broker counts a message when it has put it in line, a moment after it has taken it. */
void kit_await_count(ra_session *session, const char *queue, int64_t count);

/* Polled events (ra_connection_subscribe first): waits for the next one of this kind, throws others away. Yours. */
ra_event *kit_await_event(ra_connection *connection, int kind);

/* Reads SEND_OUTCOME events until every tag from 0 to count - 1 has exactly one; fails on a second one. Returns how
   many were confirmed, and by outcome in counts[6] (may be NULL). */
int64_t kit_await_outcomes(ra_connection *connection, int64_t count, int64_t *counts);

struct relay *kit_relay(uint16_t target);

#endif
