#include "support/test.h"

#include "peer.h"

/* W2: three requests fail, ten sends follow, the link is cut: ten arrive, not thirteen. */
Test(engine_numbering, a_request_answered_by_an_exception_leaves_a_hole)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    rai_op *ops[3];
    PLAY(p, "1> 10 PRODUCER 1");
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(rai_session_create_queue(s, "q", NULL, 0, 0, NULL, p->now, &ops[i], NULL), 0);
        PLAY(p, "1> 10 QUEUE q", "1< 10 NO 101");
        OP(p, ops[i], "rejected -62");
    }
    for (uint64_t i = 1; i <= 10; i++)
        peer_send(p, producer, "x", i);
    PLAY(p, "1> 10 SEND x 1", "1< 10 OK 1", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 3",
         "2< TOPOLOGY 136 node", "2< REATTACHED 10", "2>", "2>");
    peer_free(p);
}
