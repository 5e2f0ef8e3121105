/* What a producer's opening asks about its address: routeCheck=verify and routeCheck=create. */
#include "support/test.h"

#include <string.h>

#include "peer.h"

static struct peer *connected(enum rai_route_check check, rai_session **s)
{
    struct peer *p = peer_new();
    p->config.route_check = check;
    *s = peer_open(p);
    return p;
}

static rai_producer *opening(struct peer *p, rai_session *s, rai_op **op)
{
    rai_producer *producer = NULL;
    cr_assert_eq(rai_producer_open(s, "a", p->now, &producer, op, NULL), RA_OK);
    return producer;
}

static int send_to(struct peer *p, rai_producer *producer, const char *address, struct rai_fault *fault)
{
    ra_message m = { .refs = 1 };
    return rai_producer_send(producer, address, &m, RAI_SEND_FORGET, 0, p->now, NULL, fault);
}

Test(engine_route, verify__an_address_with_a_queue_is_fine)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_VERIFY, &s);
    rai_producer *producer = opening(p, s, &op);
    struct rai_fault fault;
    PLAY(p, "1> 10 BINDING a", "1>");
    cr_assert_eq(send_to(p, producer, NULL, &fault), RA_E_STATE);
    OP(p, op, "pending");
    PLAY(p, "1< 10 BINDING 1 1", "1> 10 PRODUCER 1");
    OP(p, op, "confirmed");
    cr_assert_eq(send_to(p, producer, NULL, &fault), RA_OK);
    peer_free(p);
}

Test(engine_route, verify__an_address_without_a_queue_is_refused)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_VERIFY, &s);
    rai_producer *producer = opening(p, s, &op);
    struct rai_fault fault;
    PLAY(p, "1> 10 BINDING a", "1< 10 BINDING 1 0", "1>");
    cr_assert_eq(rai_op_fault(op)->code, RA_E_NO_ROUTE);
    cr_assert_not_null(strstr(rai_op_fault(op)->text, "the address a has no queue"));
    cr_assert_eq(send_to(p, producer, NULL, &fault), RA_E_NO_ROUTE);
    cr_assert_not_null(strstr(fault.text, "routeCheck"));
    cr_assert_eq(send_to(p, producer, NULL, NULL), RA_E_NO_ROUTE);
    rai_op_unref(op);
    peer_free(p);
}

Test(engine_route, verify__no_address_is_refused)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_VERIFY, &s);
    opening(p, s, &op);
    PLAY(p, "1> 10 BINDING a", "1< 10 BINDING 0 0", "1>");
    cr_assert_eq(rai_op_fault(op)->code, RA_E_NO_ADDRESS);
    rai_op_unref(op);
    peer_free(p);
}

Test(engine_route, create__makes_what_is_missing_step_by_step)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_CREATE, &s);
    opening(p, s, &op);
    PLAY(p, "1> 10 BINDING a", "1< 10 BINDING 0 0", "1> 10 ADDRESS a", "1>", "1< 10 OK", "1> 10 QUEUE a", "1>",
         "1< 10 OK", "1> 10 PRODUCER 1");
    OP(p, op, "confirmed");
    peer_free(p);
}

Test(engine_route, create__a_queue_that_another_one_has_just_made_is_as_good)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_CREATE, &s);
    opening(p, s, &op);
    PLAY(p, "1> 10 BINDING a", "1< 10 BINDING 1 0", "1> 10 QUEUE a", "1< 10 NO 101", "1> 10 PRODUCER 1");
    OP(p, op, "confirmed");
    peer_free(p);
}

Test(engine_route, create__a_refusal_is_the_brokers)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_CREATE, &s);
    opening(p, s, &op);
    PLAY(p, "1> 10 BINDING a", "1< 10 BINDING 0 0", "1> 10 ADDRESS a", "1< 10 NO 105", "1>");
    cr_assert_eq(rai_op_fault(op)->code, RA_E_SECURITY);
    rai_op_unref(op);
    peer_free(p);
}

Test(engine_route, a_question_whose_answer_was_lost_is_asked_again)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_VERIFY, &s);
    opening(p, s, &op);
    PLAY(p, "1> 10 BINDING a", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1",
         "2< TOPOLOGY 136 node", "2< REATTACHED 0", "2> 10 BARRIER 1", "dial", "3> PING", "3> SUBSCRIBE 136",
         "2< 10 NOBARRIER 1", "3> REATTACH 10 0", "3< TOPOLOGY 136 node", "3< REATTACHED 0", "3> 10 BINDING a",
         "3< 10 BINDING 1 1", "3> 10 PRODUCER 1");
    OP(p, op, "confirmed");
    peer_free(p);
}

Test(engine_route, closed_before_the_answer_it_ends_with_it)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_VERIFY, &s);
    rai_producer *producer = opening(p, s, &op);
    struct rai_fault fault;
    cr_assert_eq(rai_producer_close(producer, p->now, &fault), RA_OK);
    PLAY(p, "1> 10 BINDING a", "1< 10 BINDING 1 1", "1>");
    OP(p, op, "not done -8");
    cr_assert_eq(send_to(p, producer, NULL, &fault), RA_E_CLOSED);
    rai_producer_release(producer, p->now);
    peer_free(p);
}

Test(engine_route, producers_are_closed_on_the_broker_and_their_siblings_stay)
{
    rai_session *s;
    struct peer *p = connected(RAI_ROUTE_NONE, &s);
    rai_op *op;
    rai_producer *first = peer_producer(p, s), *second = opening(p, s, &op), *third = peer_producer(p, s);
    OP(p, op, "confirmed");
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 PRODUCER 2", "1> 10 PRODUCER 3");
    rai_producer_release(third, p->now);
    rai_producer_release(first, p->now);
    cr_assert_eq(rai_producer_close(second, p->now, NULL), RA_OK);
    cr_assert_eq(rai_producer_close(second, p->now, NULL), RA_OK);
    PLAY(p, "1> 10 UNPRODUCER 3", "1> 10 UNPRODUCER 1", "1> 10 UNPRODUCER 2", "1>");
    rai_producer_release(second, p->now);
    cr_assert_null(s->producers);
    peer_free(p);
}

Test(engine_route, a_send_says_what_is_wrong_with_its_address)
{
    rai_session *s;
    rai_op *op;
    struct peer *p = connected(RAI_ROUTE_NONE, &s);
    rai_producer *anonymous = peer_producer(p, s), *bound = opening(p, s, &op);
    struct rai_fault fault;
    OP(p, op, "confirmed");
    cr_assert_eq(send_to(p, anonymous, NULL, &fault), RA_E_ARGUMENT);
    cr_assert_not_null(strstr(fault.text, "needs an address"));
    cr_assert_eq(send_to(p, bound, "b", &fault), RA_E_ARGUMENT);
    cr_assert_not_null(strstr(fault.text, "address of its own"));
    peer_free(p);
}
