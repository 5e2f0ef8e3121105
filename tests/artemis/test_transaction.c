/* Transacted sessions: commit, rollback, redelivery; and what happens to an open transaction. */
#include "kit.h"

ArtemisTest(transaction, committed_sends__are_there_and_uncommitted_ones_not)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_TRANSACTED);
    for (int32_t seq = 0; seq < 5; seq++)
        kit_send(k.producer, seq, 1);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
    GOOD(ra_session_commit(k.session, &err));
    for (int32_t seq = 5; seq < 8; seq++)
        kit_send(k.producer, seq, 1);
    GOOD(ra_session_rollback(k.session, &err));
    kit_send(k.producer, 5, 1);
    GOOD(ra_session_commit(k.session, &err));
    GOOD(ra_session_commit(k.session, &err)); /* of nothing */
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 6);
}

ArtemisTest(transaction, begun_commits__are_answered_in_order)
{
    struct kit k;
    ra_operation *commits[20];
    kit_open(&k, kit_port(), "", RA_SESSION_TRANSACTED);
    for (int32_t i = 0; i < 20; i++) {
        kit_send(k.producer, i, 1);
        GOOD(ra_session_commit_begin(k.session, &commits[i], &err));
    }
    for (int32_t i = 19; i >= 0; i--) {
        GOOD(ra_operation_wait(commits[i], -1, 0, &err));
        ra_operation_free(commits[i]);
    }
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 20);
}

ArtemisTest(transaction, rolled_back_deliveries__come_again_and_are_counted)
{
    struct kit k;
    ra_message *first[3], *second[3];
    kit_open(&k, kit_port(), "", RA_SESSION_TRANSACTED);
    for (int32_t seq = 0; seq < 3; seq++)
        kit_send(k.producer, seq, 1);
    GOOD(ra_session_commit(k.session, &err));
    kit_consume(&k, -2);
    for (int32_t i = 0; i < 3; i++) {
        first[i] = kit_receive(k.consumer, PATIENCE_MS);
        cr_assert_eq(kit_seq(first[i]), i);
        cr_assert_eq(ra_message_delivery_count(first[i]), 1);
        GOOD(ra_consumer_acknowledge(k.consumer, first[i], &err));
    }
    GOOD(ra_session_rollback(k.session, &err));
    FAILS(RA_E_STALE, ra_consumer_acknowledge(k.consumer, first[2], &err));
    FAILS(RA_E_STALE, ra_consumer_acknowledge_individually(k.consumer, first[0], &err));
    for (int32_t i = 0; i < 3; i++) {
        second[i] = kit_receive(k.consumer, PATIENCE_MS);
        cr_assert_eq(kit_seq(second[i]), i);
        cr_assert_eq(ra_message_delivery_count(second[i]), 2, "delivery %d",
                     (int)ra_message_delivery_count(second[i]));
    }
    GOOD(ra_consumer_acknowledge(k.consumer, second[2], &err));
    GOOD(ra_session_commit(k.session, &err));
    for (int i = 0; i < 3; i++) {
        ra_message_unref(first[i]);
        ra_message_unref(second[i]);
    }
    cr_assert_null(kit_receive(k.consumer, 0));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

ArtemisTest(transaction, many_rollbacks_in_a_row__keep_the_session_going)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_TRANSACTED);
    kit_send(k.producer, 0, 1);
    GOOD(ra_session_commit(k.session, &err));
    kit_consume(&k, -2);
    for (int i = 0; i < 8; i++) { /* a message is given up after ten deliveries */
        kit_expect(k.consumer, 0, true);
        kit_send(k.producer, 100 + i, 1);
        GOOD(ra_session_rollback(k.session, &err));
    }
    kit_expect(k.consumer, 0, true);
    kit_send(k.producer, 1, 1);
    GOOD(ra_session_commit(k.session, &err));
    kit_expect(k.consumer, 1, true);
    GOOD(ra_session_commit(k.session, &err));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 0);
}

ArtemisTest(transaction, open_when_its_session_closes__is_rolled_back)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_TRANSACTED);
    for (int32_t seq = 0; seq < 4; seq++)
        kit_send(k.producer, seq, 1);
    GOOD(ra_session_commit(k.session, &err));
    kit_consume(&k, -2);
    kit_expect(k.consumer, 0, true);
    kit_expect(k.consumer, 1, true);
    kit_send(k.producer, 99, 1);
    int64_t not_done = -1, unknown = -1;
    GOOD(ra_session_close(k.session, PATIENCE_MS, &not_done, &unknown, &err));
    cr_assert_eq(unknown, 0);
    GOOD(ra_session_close(k.session, PATIENCE_MS, NULL, NULL, &err));
    ra_connection_close(k.connection, PATIENCE_MS, NULL, NULL, NULL);
    kit_free(&k);
    kit_expect_queue(kit_port(), k.queue, 0, 4);
}

ArtemisTest(transaction, individual_acknowledgements__take_effect_with_the_commit)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_TRANSACTED);
    for (int32_t seq = 0; seq < 3; seq++)
        kit_send(k.producer, seq, 1);
    GOOD(ra_session_commit(k.session, &err));
    kit_consume(&k, -2);
    for (int32_t seq = 0; seq < 3; seq++) {
        ra_message *message = kit_receive(k.consumer, PATIENCE_MS);
        if (seq != 1)
            GOOD(ra_consumer_acknowledge_individually(k.consumer, message, &err));
        ra_message_unref(message);
    }
    GOOD(ra_session_commit(k.session, &err));
    kit_close(&k);
    kit_expect_queue(kit_port(), k.queue, 1, 1);
}

ArtemisTest(transaction, commit_and_rollback_without_one__are_refused)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    FAILS(RA_E_STATE, ra_session_commit(k.session, &err));
    FAILS(RA_E_STATE, ra_session_rollback(k.session, &err));
    cr_assert_not(ra_session_is_rollback_only(k.session));
    kit_close(&k);
}
