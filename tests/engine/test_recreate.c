#include "support/test.h"

#include <stdio.h>

#include "peer.h"

#define GREET(n)    #n "> PING", #n "> SUBSCRIBE 136"
#define TOPOLOGY(n) #n "< TOPOLOGY 136 node"
/* link 2 learns that the broker has forgotten the session, and it is made anew there */
#define RECREATED(received)                                                                                \
    "1 cut", "dial", GREET(2), "2> REATTACH 10 " received, TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", \
        "2< CREATED 136"

/* A session with a producer whose address is proven: commands 0 and 1 are done. */
static rai_producer *proven(struct peer *p, rai_session **s)
{
    *s = peer_open(p);
    rai_producer *producer = peer_producer(p, *s);
    peer_send(p, producer, "a", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND a 1", "1< 10 OK 1");
    EVENTS(p, "sends 1-1 confirmed");
    return producer;
}

Test(engine_recreate, written_sends_are_unknown_and_unwritten_ones_are_sent_again)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    peer_send(p, producer, "b", 2);
    peer_send(p, producer, "f", 0);
    PLAY(p, "1> 10 SEND b 2", "1> 10 SEND f");
    PLAY(p, "1 cut");
    peer_send(p, producer, "c", 3);
    peer_send(p, producer, "g", 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136",
         "2> 10 PRODUCER 1", "2> 10 SEND c 3", "2> 10 SEND g", "2>", "2< 10 OK 3");
    EVENTS(p, "disconnected; retrying 1 0; recreated 2 2; sends 2-2 unknown; sends 3-3 confirmed");
    cr_assert_eq(s->unknown, 1, "what nobody hears of otherwise is left for the close");
    peer_free(p);
}

/* W1, W4: what sets the session up is numbered and logged, so the next re-attachment counts right. */
Test(engine_recreate, the_set_up_is_logged_and_numbered)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    peer_consumer(p, s, "q", 500, NULL);
    peer_consumer(p, s, "r", 700, NULL);
    rai_session_start(s, p->now, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1>", "1< 10 QUEUE q", "1> 10 CONSUMER 1 r", "1< 10 QUEUE r", "1> 10 START",
         "1> 10 CREDITS 0 500", "1> 10 CREDITS 1 700", RECREATED("1"), "2> 10 CONSUMER 0 q", "2>", "2 cut", "dial",
         GREET(3), "3> REATTACH 10 -1", TOPOLOGY(3), "3< REATTACHED -1", "3> 10 BARRIER 1", "dial", GREET(4),
         "3< 10 NOBARRIER 1", "4> REATTACH 10 0", TOPOLOGY(4), "4< REATTACHED -1", "4> 10 CONSUMER 0 q", "4>",
         "4< 10 QUEUE q", "4> 10 CONSUMER 1 r", "4< 10 QUEUE r", "4> 10 START");
    cr_assert_eq(s->log.first, 0, "all of it is still in the log");
    peer_free(p);
}

/* W12: in order, with answers asked; who cannot come back is told, the others go on. */
Test(engine_recreate, a_consumer_that_cannot_come_back_is_told_and_its_siblings_go_on)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *first = peer_consumer(p, s, "q", 500, NULL);
    rai_consumer *second = peer_consumer(p, s, "r", 700, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 CONSUMER 1 r", "1< 10 QUEUE r", RECREATED("1"),
         "2> 10 CONSUMER 0 q", "2< 10 NO 100", "2> 10 CONSUMER 1 r", "2< 10 QUEUE r", "2> 10 CREDITS 1 700", "2>");
    cr_assert_eq(rai_consumer_fault(first)->code, RA_E_NO_QUEUE);
    cr_assert_eq(rai_consumer_fault(second)->code, RA_OK);
    peer_free(p);
}

/* W8 */
Test(engine_recreate, messages_of_the_old_epoch_cannot_be_acknowledged)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = peer_consumer(p, s, "q", 500, NULL);
    rai_session_start(s, p->now, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 START", "1> 10 CREDITS 0 500", "1< 10 MSG 0 1 a",
         "1< 10 MSG 0 2 b");
    ra_message *m = rai_consumer_take(c, 0, p->now);
    PLAY(p, RECREATED("2"));
    cr_assert_eq(rai_consumer_acknowledge(c, m, false, p->now, NULL, NULL), RA_E_STALE);
    rai_message_unref(m);
    TAKE(p, c, NULL);
    PLAY(p, "2> 10 CONSUMER 0 q", "2< 10 QUEUE q", "2> 10 START", "2> 10 CREDITS 0 500", "2< 10 MSG 0 9 a");
    TAKE(p, c, "a");
    peer_free(p);
}

/* W11 */
Test(engine_recreate, a_consumer_without_buffer_gets_a_credit_only_while_somebody_waits)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = peer_consumer(p, s, "q", 0, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", RECREATED("0"), "2> 10 CONSUMER 0 q", "2< 10 QUEUE q", "2>");
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "2> 10 CREDITS 0 1", "2>");
    peer_free(p);
}

/* W14: the log holds bytes. */
Test(engine_recreate, a_message_changed_after_its_send_is_replayed_as_it_was)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    char body[] = "old";
    peer_send(p, producer, body, 2);
    memcpy(body, "new", 3);
    PLAY(p, "1> 10 SEND old 2");
    peer_free(p);
}

Test(engine_recreate, requests_follow_the_table)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *written, *unwritten, *query;
    cr_assert_eq(rai_session_create_queue(s, "one", NULL, 0, 0, NULL, p->now, &written, NULL), 0);
    cr_assert_eq(rai_session_create_queue(s, "two", NULL, 0, 0, NULL, p->now, &unwritten, NULL), 0);
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &query, NULL), 0);
    PLAY(p, "1> 10 QUEUE one", "1>", RECREATED("-1"));
    OP(p, written, "unknown -82");
    PLAY(p, "2> 10 QUEUE two", "2>", "2< 10 OK", "2> 10 QUERY q", "2< 10 QUEUE q");
    OP(p, unwritten, "confirmed");
    cr_assert_not_null(query->info);
    OP(p, query, "confirmed");
    peer_free(p);
}

/* --- queues that do not stay (W13) --- */

static void made(struct peer *p, rai_session *s, const char *queue, int flags)
{
    rai_op *op;
    char frame[64];
    cr_assert_eq(rai_session_create_queue(s, queue, NULL, 1, flags, NULL, p->now, &op, NULL), 0);
    snprintf(frame, sizeof frame, "1> 10 QUEUE %s", queue);
    PLAY(p, frame, "1< 10 OK");
    OP(p, op, "confirmed");
}

Test(engine_recreate, temporary_queues_are_made_again_also_without_a_consumer)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *op;
    made(p, s, "temporary", RA_QUEUE_TEMPORARY);
    made(p, s, "durable", RA_QUEUE_DURABLE);
    made(p, s, "deleted", 0);
    made(p, s, "automatic", RA_QUEUE_DURABLE | RA_QUEUE_AUTO_CREATED);
    cr_assert_eq(rai_session_delete_queue(s, "deleted", p->now, &op, NULL), 0);
    PLAY(p, "1> 10 DELETE deleted", "1< 10 OK");
    OP(p, op, "confirmed");
    PLAY(p, RECREATED("4"), "2> 10 QUEUE temporary", "2< 10 OK", "2> 10 QUEUE automatic", "2< 10 NO 101", "2>");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 0");
    peer_free(p);
}

/* The count says that it was made, and then the broker's memory was gone. */
Test(engine_recreate, a_temporary_queue_of_which_the_answer_was_lost_is_made_again)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *op;
    cr_assert_eq(rai_session_create_queue(s, "t", NULL, 1, RA_QUEUE_TEMPORARY, NULL, p->now, &op, NULL), 0);
    PLAY(p, "1> 10 QUEUE t", "1< 10 CONFIRMED 0", RECREATED("-1"), "2> 10 QUEUE t", "2< 10 OK", "2>");
    OP(p, op, "confirmed");
    PLAY(p, "2 cut", "dial", GREET(3), "3> REATTACH 10 0", TOPOLOGY(3), "3< REFUSED", "3> CREATE 10 v136", "3< CREATED 136",
         "3> 10 QUEUE t");
    peer_free(p);
}

Test(engine_recreate, the_queue_of_a_consumer_is_made_before_it)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = peer_consumer(p, s, "q", 500, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q passing", "1> 10 CREDITS 0 500", RECREATED("0"), "2> 10 QUEUE q", "2>",
         "2< 10 OK", "2> 10 CONSUMER 0 q", "2< 10 QUEUE q passing", "2> 10 CREDITS 0 500", "2>");
    cr_assert_eq(rai_consumer_fault(c)->code, RA_OK);
    peer_free(p);
}

/* Twice in a row, in the middle of the set-up: nobody's work is in doubt by that. */
Test(engine_recreate, a_set_up_that_is_cut_short_begins_anew)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    made(p, s, "t", RA_QUEUE_TEMPORARY);
    peer_consumer(p, s, "q", 500, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 CREDITS 0 500", RECREATED("1"), "2> 10 QUEUE t", "2 cut", "dial",
         GREET(3), "3> REATTACH 10 -1", TOPOLOGY(3), "3< REFUSED", "3> CREATE 10 v136", "3< CREATED 136", "3> 10 QUEUE t",
         "3< 10 OK", "3> 10 CONSUMER 0 q", "3< 10 QUEUE q", "3> 10 CREDITS 0 500", "3>");
    cr_assert_eq(s->unknown, 0);
    cr_assert_eq(s->not_done, 0);
    peer_free(p);
}

/* --- transactions --- */

static rai_producer *transaction(struct peer *p, rai_session **s)
{
    peer_open(p);
    *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, *s);
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND x 1", "1< 11 OK 1");
    EVENTS(p, "sends 1-1 confirmed");
    return producer;
}

#define BOTH_RECREATED(received)                                                                           \
    "1 cut", "dial", GREET(2), "2> REATTACH 10 -1", "2> REATTACH 11 " received, TOPOLOGY(2), "2< REFUSED", \
        "2< REFUSED", "2> CREATE 10 v136", "2> CREATE 11 v136", "2< CREATED 136", "2< CREATED 136"

Test(engine_recreate, an_open_transaction_can_only_be_rolled_back)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *op;
    transaction(p, &s);
    PLAY(p, BOTH_RECREATED("0"), "2> 11 PRODUCER 1");
    cr_assert(rai_session_rollback_only(s));
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    OP(p, op, "not done -80");
    PLAY(p, "2> 11 ROLLBACK", "2< 11 OK");
    cr_assert_not(rai_session_rollback_only(s));
    peer_free(p);
}

Test(engine_recreate, a_written_commit_is_unknown_and_so_are_its_sends)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *op;
    rai_producer *producer = transaction(p, &s);
    peer_send(p, producer, "f", 0);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    PLAY(p, "1> 11 SEND f 2", "1> 11 COMMIT 3", BOTH_RECREATED("0"));
    OP(p, op, "unknown -82");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 0; recreated 2 0");
    cr_assert_eq(s->unknown, 0, "the commit's operation has said so, for the send as well");
    cr_assert_not(rai_session_rollback_only(s));
    peer_free(p);
}

Test(engine_recreate, an_unwritten_commit_was_rolled_back)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *op;
    transaction(p, &s);
    PLAY(p, "1 cut");
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 -1", "2> REATTACH 11 0", TOPOLOGY(2), "2< REFUSED", "2< REFUSED",
         "2> CREATE 10 v136", "2> CREATE 11 v136", "2< CREATED 136", "2< CREATED 136");
    OP(p, op, "not done -80");
    peer_free(p);
}

Test(engine_recreate, an_unwritten_close_is_done_on_the_new_session)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *op;
    PLAY(p, "1 cut");
    cr_assert_eq(rai_session_close(s, p->now, &op, NULL), 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 -1", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136",
         "2> 10 CLOSE", "2< 10 OK");
    OP(p, op, "confirmed");
    cr_assert_eq(s->state, RAI_S_CLOSED);
    peer_free(p);
}

Test(engine_recreate, another_node_is_told)
{
    struct peer *p = peer_new();
    peer_open(p);
    PLAY(p, "1 cut", "dial", GREET(2), "2< TOPOLOGY 136 other", "2< REFUSED", "2> REATTACH 10 -1", "2> CREATE 10 v136",
         "2< CREATED 136");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 0 elsewhere");
    peer_free(p);
}

/* Without a window the broker has closed the session already: nobody asks. */
Test(engine_recreate, without_a_window_nothing_is_asked_for)
{
    struct peer *p = peer_new();
    p->config.confirmation_window = -1;
    peer_open(p);
    PLAY(p, "1 cut", "dial", GREET(2), TOPOLOGY(2), "2> CREATE 10 v136", "2< CREATED 136");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 0");
    peer_free(p);
}

/* --- a broker of another version --- */

static rai_producer *older(struct peer *p, int version)
{
    rai_session *s;
    char topology[32], create[32], created[32];
    rai_producer *producer = proven(p, &s);
    PLAY(p, "1 cut");
    peer_send(p, producer, "b", 2);
    peer_send(p, producer, "f", 0);
    snprintf(topology, sizeof topology, "2< TOPOLOGY %d other", version);
    snprintf(create, sizeof create, "2> CREATE 10 v%d", version);
    snprintf(created, sizeof created, "2< CREATED %d", version);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", topology, "2< REFUSED", create, created);
    p->version = version;
    return producer;
}

Test(engine_recreate, what_goes_on_to_an_older_broker_is_written_in_its_form)
{
    struct peer *p = peer_new();
    rai_producer *producer = older(p, 131);
    PLAY(p, "2> 10 SEND b 2", "2> 10 SEND f", "2< 10 OK 2");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 2 elsewhere; sends 2-2 confirmed");
    peer_send(p, producer, "c", 3);
    PLAY(p, "2> 10 SEND c 3", "2< 10 OK 3");
    peer_free(p);
}

Test(engine_recreate, a_broker_without_correlations_cannot_take_over_what_waits_for_one)
{
    struct peer *p = peer_new();
    older(p, 129);
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 0 elsewhere; sends 2-2 not done");
    PLAY(p, "2>");
    peer_free(p);
}

Test(engine_recreate, a_commit_of_before_leaves_the_next_transaction_alone)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *op;
    transaction(p, &s);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    PLAY(p, "1> 11 COMMIT 2", "1< 11 OK 2", BOTH_RECREATED("1"));
    OP(p, op, "confirmed");
    cr_assert_not(rai_session_rollback_only(s));
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    PLAY(p, "2> 11 PRODUCER 1", "2> 11 COMMIT 3", "2< 11 OK 3");
    OP(p, op, "confirmed");
    peer_free(p);
}
