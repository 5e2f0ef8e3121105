/* What close and free do: with everything answered, with a broker that has gone silent, with handles in any order. */
#include "kit.h"

#define CALM "reliable=true&connectionTTL=60000&clientFailureCheckPeriod=30000"

ArtemisTest(close, with_everything_in_order__leaves_nothing)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    kit_fill(k.producer, 0, 3);
    kit_expect(k.consumer, 0, true); /* its acknowledgement still waits for the batch */
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 1, 2);
}

ArtemisTest(close, of_work_under_way__waits_for_its_answers)
{
    struct kit k;
    kit_open(&k, kit_port(), "producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    kit_send_tagged(k.producer, 0, 500, 1);
    kit_close(&k); /* checks: nothing not done, nothing unknown */
    kit_expect_queue(kit_port(), k.queue, 0, 500);
}

ArtemisTest(close, of_forgotten_work_under_way__knows_that_it_was_processed)
{
    struct kit k;
    kit_open(&k, kit_port(), CALM "&producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    for (int32_t i = 0; i < 100; i++) {
        ra_message *message = kit_message(i, 1);
        GOOD(ra_producer_send_forget(k.producer, NULL, message, &err));
        ra_message_unref(message);
    }
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 100);
}

/* The broker is still there and says nothing any more. */
ArtemisTest(close, with_a_silent_broker__is_bounded_and_counts_what_is_open)
{
    for (int forget = 0; forget < 2; forget++) {
        struct relay *r = kit_relay(kit_port());
        struct kit k;
        int64_t not_done = -1, unknown = -1;
        kit_open(&k, relay_port(r), CALM "&producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
        kit_fill(k.producer, 0, 5);
        GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
        relay_cut(r, RELAY_SILENT);
        for (int32_t i = 5; i < 15; i++) {
            ra_message *message = kit_message(i, 1);
            if (forget)
                GOOD(ra_producer_send_forget(k.producer, NULL, message, &err));
            else
                GOOD(ra_producer_send_tagged(k.producer, NULL, message, (uint64_t)i, &err));
            ra_message_unref(message);
        }
        int64_t began = kit_ms();
        ra_connection_close(k.connection, 300, &not_done, &unknown, NULL);
        int64_t took = kit_ms() - began;
        cr_assert_geq(took, 299);
        cr_assert_lt(took, 3000, "close took %lld ms", (long long)took);
        cr_assert_eq(not_done + unknown, 10, "%lld not done and %lld unknown", (long long)not_done, (long long)unknown);
        kit_free(&k);
        relay_stop(r);
    }
}

ArtemisTest(close, of_a_session_with_a_silent_broker__is_bounded_and_counts_what_is_open)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    int64_t not_done = -1, unknown = -1;
    kit_open(&k, relay_port(r), CALM "&producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    relay_cut(r, RELAY_SILENT);
    kit_send_tagged(k.producer, 0, 7, 1);
    int64_t began = kit_ms();
    ra_session_close(k.session, 200, &not_done, &unknown, NULL);
    cr_assert_lt(kit_ms() - began, 2000);
    cr_assert_eq(not_done + unknown, 7, "%lld not done and %lld unknown", (long long)not_done, (long long)unknown);
    /* counted once: not again with the connection */
    ra_connection_close(k.connection, 200, &not_done, &unknown, NULL);
    cr_assert_eq(not_done + unknown, 0);
    kit_free(&k);
    relay_stop(r);
}

ArtemisTest(close, while_the_network_is_away__is_bounded)
{
    struct relay *r = kit_relay(kit_port());
    struct kit k;
    int64_t not_done = -1, unknown = -1;
    kit_open(&k, relay_port(r), CALM "&producerWindowSize=-1", RA_SESSION_AUTO_COMMIT);
    GOOD(ra_session_flush(k.session, PATIENCE_MS, &err));
    relay_refuse(r, true);
    relay_cut(r, RELAY_RST);
    kit_await_stat(k.connection, RA_STAT_LINKS_LOST, 1);
    cr_assert_not(ra_connection_is_connected(k.connection));
    kit_send_tagged(k.producer, 0, 4, 1);
    int64_t began = kit_ms();
    ra_connection_close(k.connection, 300, &not_done, &unknown, NULL);
    cr_assert_lt(kit_ms() - began, 3000);
    cr_assert_eq(not_done, 4, "%lld not done", (long long)not_done); /* it never left */
    cr_assert_eq(unknown, 0);
    kit_free(&k);
    relay_stop(r);
}

ArtemisTest(close, twice_and_by_free_alone__is_fine)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    GOOD(ra_session_close(k.session, PATIENCE_MS, NULL, NULL, &err));
    GOOD(ra_session_close(k.session, PATIENCE_MS, NULL, NULL, &err));
    GOOD(ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, &err));
    GOOD(ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, &err));
    kit_free(&k);
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    kit_fill(k.producer, 0, 3);
    kit_free(&k);
}

/* Garbage collectors free in any order. */
ArtemisTest(close, handles_freed_from_the_root__are_fine)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    kit_fill(k.producer, 0, 1);
    ra_message *message = kit_receive(k.consumer, PATIENCE_MS);
    ra_connection_free(k.connection);
    ra_session_free(k.session);
    ra_consumer_free(k.consumer);
    ra_producer_free(k.producer);
    cr_assert_eq(kit_seq(message), 0);
    ra_message_unref(message);
}

ArtemisTest(close, then_every_call__says_closed)
{
    struct kit k;
    ra_message *message = kit_message(0, 1), *in = NULL;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    GOOD(ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, &err));
    cr_assert_not(ra_connection_is_connected(k.connection));
    ra_session *session = NULL;
    FAILS(RA_E_CLOSED, ra_session_open(k.connection, 0, &session, &err));
    FAILS(RA_E_CLOSED, ra_producer_send(k.producer, NULL, message, &err));
    FAILS(RA_E_CLOSED, ra_producer_send_tagged(k.producer, NULL, message, 0, &err));
    FAILS(RA_E_CLOSED, ra_consumer_receive(k.consumer, 100, 0, &in, &err));
    FAILS(RA_E_CLOSED, ra_session_start(k.session, &err));
    FAILS(RA_E_CLOSED, ra_session_flush(k.session, 100, &err));
    ra_message_unref(message);
    kit_free(&k);
}
