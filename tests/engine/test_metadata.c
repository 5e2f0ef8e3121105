/* Metadata: what a session carries for all to see, and what it alone may have. */
#include "support/test.h"

#include <string.h>

#include "peer.h"

#define GREET(n)    #n "> PING", #n "> SUBSCRIBE 136"
#define TOPOLOGY(n) #n "< TOPOLOGY 136 node"
/* link 2 learns that the broker has forgotten the session, and it is made anew there */
#define RECREATED(received)                                                                                \
    "1 cut", "dial", GREET(2), "2> REATTACH 10 " received, TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", \
        "2< CREATED 136"

static rai_op *add(struct peer *p, rai_session *s, const char *key, const char *value, bool unique)
{
    rai_op *op = NULL;
    cr_assert_eq(rai_session_add_metadata(s, key, value, unique, p->now, &op, NULL), RA_OK);
    return op;
}

/* Two plain ones and one that is its own: commands 0 to 2 are done. */
static rai_session *with_three(struct peer *p)
{
    rai_session *s = peer_open(p);
    rai_op *one = add(p, s, "app", "till", false), *two = add(p, s, "id", "7", true), *three = add(p, s, "place", "", false);
    PLAY(p, "1> 10 METADATA app=till", "1>", "1< 10 OK", "1> 10 UNIQUE id=7", "1>", "1< 10 OK", "1> 10 METADATA place=",
         "1< 10 OK");
    OP(p, one, "confirmed");
    OP(p, two, "confirmed");
    OP(p, three, "confirmed");
    return s;
}

Test(engine_metadata, each_is_answered_before_more_is_written)
{
    struct peer *p = peer_new();
    rai_session *s = with_three(p);
    rai_op *op = add(p, s, "id", "8", true);
    rai_session_start(s, p->now, NULL);
    PLAY(p, "1> 10 UNIQUE id=8", "1>", "1< 10 NO 114", "1> 10 START", "1>");
    cr_assert_not_null(strstr(rai_op_fault(op)->text, "id"));
    OP(p, op, "rejected -68");
    cr_assert_eq((int)s->log.hole_count, 1, "the broker does not count what it refuses");
    peer_free(p);
}

Test(engine_metadata, an_answer_that_was_lost_is_made_up_for_by_the_count)
{
    struct peer *p = peer_new();
    rai_session *s = with_three(p);
    rai_op *op = add(p, s, "id", "8", true);
    PLAY(p, "1> 10 UNIQUE id=8", "1 cut", "dial", GREET(2), "2> REATTACH 10 2", TOPOLOGY(2), "2< REATTACHED 2",
         "2> 10 BARRIER 1", "dial", GREET(3), "2< 10 NOBARRIER 1", "3> REATTACH 10 3", TOPOLOGY(3), "3< REATTACHED 3", "3>");
    OP(p, op, "confirmed");
    EVENTS(p, "disconnected; retrying 1 0; reattached 0");
    peer_free(p);
}

Test(engine_metadata, what_was_not_counted_is_written_again)
{
    struct peer *p = peer_new();
    rai_session *s = with_three(p);
    rai_op *op = add(p, s, "id", "8", true);
    PLAY(p, "1> 10 UNIQUE id=8", "1 cut", "dial", GREET(2), "2> REATTACH 10 2", TOPOLOGY(2), "2< REATTACHED 2",
         "2> 10 BARRIER 1", "dial", GREET(3), "2< 10 NOBARRIER 1", "3> REATTACH 10 3", TOPOLOGY(3), "3< REATTACHED 2",
         "3> 10 UNIQUE id=8", "3>", "3< 10 NO 114");
    OP(p, op, "rejected -68");
    peer_free(p);
}

Test(engine_metadata, a_recreated_session_sets_it_again_in_order_and_first)
{
    struct peer *p = peer_new();
    p->config.client_id = "me";
    peer_start(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "dial", "1> PING", "1> SUBSCRIBE 136", "1< TOPOLOGY 136 node", "1> CREATE 10 v136 as me", "1< CREATED 136");
    rai_op_unref(add(p, s, "app", "till", false));
    rai_op_unref(add(p, s, "id", "7", true));
    rai_op_unref(add(p, s, "app", "till 2", false)); /* in place of the first, and behind the second */
    PLAY(p, "1> 10 METADATA app=till", "1< 10 OK", "1> 10 UNIQUE id=7", "1< 10 OK", "1> 10 METADATA app=till 2", "1< 10 OK");
    peer_consumer(p, s, "q", 500, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q passing", "1> 10 CREDITS 0 500", "1 cut", "dial", GREET(2),
         "2> REATTACH 10 3", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136 as me", "2< CREATED 136", "2> 10 UNIQUE id=7",
         "2>", "2< 10 OK", "2> 10 METADATA app=till 2", "2< 10 OK", "2> 10 QUEUE q", "2< 10 OK", "2> 10 CONSUMER 0 q",
         "2< 10 QUEUE q passing", "2> 10 CREDITS 0 500", "2>");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 0");
    peer_free(p);
}

Test(engine_metadata, what_was_under_way_is_set_in_the_new_session)
{
    struct peer *p = peer_new();
    rai_session *s = with_three(p);
    rai_op *written = add(p, s, "id", "8", true), *unwritten = add(p, s, "more", "x", false);
    PLAY(p, "1> 10 UNIQUE id=8", "1>", RECREATED("2"), "2> 10 METADATA app=till", "2< 10 OK", "2> 10 UNIQUE id=7",
         "2< 10 OK", "2> 10 METADATA place=", "2< 10 OK", "2> 10 UNIQUE id=8", "2< 10 OK", "2> 10 METADATA more=x",
         "2< 10 OK", "2>");
    OP(p, written, "confirmed");
    OP(p, unwritten, "confirmed");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 2");
    PLAY(p, "2 cut", "dial", GREET(3), "3> REATTACH 10 4", TOPOLOGY(3), "3< REFUSED", "3> CREATE 10 v136", "3< CREATED 136",
         "3> 10 METADATA app=till", "3< 10 OK", "3> 10 METADATA place=", "3< 10 OK", "3> 10 UNIQUE id=8", "3< 10 OK",
         "3> 10 METADATA more=x", "3< 10 OK", "3>");
    peer_free(p);
}

/* The count says that it was set, and then there was no session any more. */
Test(engine_metadata, what_was_counted_and_went_with_the_session_is_set_in_the_new_one)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *op = add(p, s, "id", "7", true);
    PLAY(p, "1> 10 UNIQUE id=7", "1< 10 CONFIRMED 0", RECREATED("-1"), "2> 10 UNIQUE id=7", "2>");
    OP(p, op, "confirmed");
    peer_free(p);
}

Test(engine_metadata, a_set_up_that_is_cut_short_begins_anew)
{
    struct peer *p = peer_new();
    rai_session *s = with_three(p);
    PLAY(p, RECREATED("2"), "2> 10 METADATA app=till", "2< 10 OK", "2> 10 UNIQUE id=7", "2 cut", "dial", GREET(3),
         "3> REATTACH 10 0", TOPOLOGY(3), "3< REFUSED", "3> CREATE 10 v136", "3< CREATED 136", "3> 10 METADATA app=till",
         "3< 10 OK", "3> 10 UNIQUE id=7", "3< 10 OK", "3> 10 METADATA place=", "3< 10 OK", "3>");
    cr_assert_eq(s->unknown, 0);
    cr_assert_eq(s->not_done, 0);
    peer_free(p);
}

/* Somebody else has it now: who is not the only one any more must not go on, and its broker is to let go of what it has. */
Test(engine_metadata, a_session_that_does_not_get_back_what_is_its_own_is_lost)
{
    struct peer *p = peer_new();
    rai_session *s = with_three(p);
    struct rai_fault fault;
    rai_op *query, *close;
    rai_consumer *c = peer_consumer(p, s, "q", 500, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 CREDITS 0 500", "1 cut");
    cr_assert_eq(rai_session_query_queue(s, "q", p->now, &query, NULL), 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 3", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136",
         "2> 10 METADATA app=till", "2< 10 OK", "2> 10 UNIQUE id=7", "2>", "2< 10 NO 114", "2> 10 CLOSE", "2>");
    OP(p, query, "not done -68");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 1; lost -68");
    cr_assert_eq(rai_consumer_fault(c)->code, RA_E_REJECTED);
    cr_assert_eq(rai_session_start(s, p->now, &fault), RA_E_REJECTED);
    PLAY(p, "2< 10 OK", "2>");
    cr_assert_eq(s->state, RAI_S_CLOSED);
    cr_assert_eq(rai_session_start(s, p->now, &fault), RA_E_REJECTED, "why it is over stays to be said");
    cr_assert_eq(rai_session_close(s, p->now, &close, NULL), 0);
    OP(p, close, "confirmed");
    peer_free(p);
}

Test(engine_metadata, its_siblings_go_on)
{
    struct peer *p = peer_new();
    rai_session *s = with_three(p);
    rai_session *other = peer_session(p, false);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136", "1 cut", "dial", GREET(2), "2> REATTACH 10 2", "2> REATTACH 11 -1",
         TOPOLOGY(2), "2< REFUSED", "2< REFUSED", "2> CREATE 10 v136", "2> CREATE 11 v136", "2< CREATED 136",
         "2< CREATED 136", "2> 10 METADATA app=till", "2< 10 OK", "2> 10 UNIQUE id=7", "2< 10 NO 114", "2> 10 CLOSE");
    rai_op_unref(add(p, other, "k", "v", false));
    PLAY(p, "2> 11 METADATA k=v", "2< 11 OK", "2< 10 OK");
    cr_assert_not(rai_session_is_open(s));
    cr_assert(rai_session_is_open(other));
    peer_free(p);
}

/* A close that is under way ends it just as well. */
Test(engine_metadata, a_session_that_is_being_closed_is_not_lost_for_it)
{
    struct peer *p = peer_new();
    rai_session *s = with_three(p);
    rai_op *op;
    PLAY(p, "1 cut");
    cr_assert_eq(rai_session_close(s, p->now, &op, NULL), 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 2", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136",
         "2> 10 METADATA app=till", "2< 10 OK", "2> 10 UNIQUE id=7", "2< 10 NO 114", "2> 10 METADATA place=", "2< 10 OK",
         "2> 10 CLOSE", "2< 10 OK");
    OP(p, op, "confirmed");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 1");
    peer_free(p);
}

/* Of plain ones nobody depends on: told to who reads logs. */
Test(engine_metadata, plain_ones_that_are_refused_are_told_in_the_log)
{
    struct peer *p = peer_new();
    p->config.log_events = true;
    rai_session *s = with_three(p);
    PLAY(p, RECREATED("2"), "2> 10 METADATA app=till", "2< 10 NO 105", "2> 10 UNIQUE id=7", "2< 10 OK",
         "2> 10 METADATA place=", "2< 10 OK", "2>");
    EVENTS(p, "log; disconnected; retrying 1 0; log; recreated 0 0; log");
    cr_assert(rai_session_is_open(s));
    peer_free(p);
}

Test(engine_metadata, none_is_set_in_a_session_that_is_over)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    struct rai_fault fault;
    rai_op *op = NULL;
    rai_session_abort(s, p->now, NULL, NULL);
    cr_assert_eq(rai_session_add_metadata(s, "k", "v", false, p->now, &op, &fault), RA_E_CLOSED);
    cr_assert_null(op);
    peer_free(p);
}
