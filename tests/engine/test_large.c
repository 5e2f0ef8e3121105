/* Large messages that are sent: what is cut, replayed, recreated, refused. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "peer.h"

enum { PIECE = 100 };
#define GREET(n)    #n "> PING", #n "> SUBSCRIBE 136"
#define TOPOLOGY(n) #n "< TOPOLOGY 136 node"
#define RECREATED(received)                                                                                \
    "1 cut", "dial", GREET(2), "2> REATTACH 10 " received, TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", \
        "2< CREATED 136"

static struct peer *small_pieces(void)
{
    struct peer *p = peer_new();
    p->config.min_large_message_size = PIECE;
    return p;
}

/* A session with a producer whose address is proven: commands 0 and 1 are done, and confirmed. */
static rai_producer *proven(struct peer *p, rai_session **s)
{
    *s = peer_open(p);
    rai_producer *producer = peer_producer(p, *s);
    peer_send(p, producer, "a", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND a 1", "1< 10 OK 1", "1< 10 CONFIRMED 1");
    EVENTS(p, "sends 1-1 confirmed");
    return producer;
}

static int send_bytes(struct peer *p, rai_producer *producer, size_t size, uint64_t tag)
{
    static char body[2000];
    struct rai_fault fault = { 0 };
    ra_message *m = rai_message_new(0);
    if (m == NULL)
        return RA_E_NO_MEMORY;
    rai_message_lend_body(m, body, size);
    enum rai_send_mode mode = tag > 0 ? RAI_SEND_TAGGED : RAI_SEND_FORGET;
    int rc = rai_producer_send(producer, "a", m, mode, tag, p->now, NULL, &fault);
    rai_message_unref(m);
    return rc;
}

static int start(struct peer *p, rai_producer *producer)
{
    ra_message *m = rai_message_new(0);
    int rc = rai_producer_start_large(producer, "a", m, p->now, NULL);
    rai_message_unref(m);
    return rc;
}

static int64_t write_bytes(struct peer *p, rai_producer *producer, size_t size)
{
    static const char body[2000];
    return rai_producer_write_large(producer, body, size, p->now, NULL);
}

static rai_op *finish(struct peer *p, rai_producer *producer)
{
    rai_op *op = NULL;
    cr_assert_eq(rai_producer_finish_large(producer, RAI_SEND_OP, p->now, &op, NULL), 0);
    return op;
}

/* --- whole messages --- */

Test(engine_large, a_body_beyond_the_limit_goes_in_pieces)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(send_bytes(p, producer, 250, 2), 0);
    PLAY(p, "1> 10 LARGE", "1> 10 PIECE 100 more", "1> 10 PIECE 100 more", "1> 10 PIECE 50 last 2", "1>",
         "1< 10 OK 2", "1< 10 CONFIRMED 5");
    EVENTS(p, "sends 2-2 confirmed");
    cr_assert_eq(s->log.confirmed, s->log.end, "four commands were counted");
    peer_free(p);
}

/* The reference counts the four bytes in front of a body. */
Test(engine_large, the_limit_is_that_of_the_reference)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(send_bytes(p, producer, 96, 0), 0);
    cr_assert_eq(send_bytes(p, producer, 97, 0), 0);
    PLAY(p, "1> 10 SEND (96)", "1> 10 LARGE", "1> 10 PIECE 97 last", "1>");
    cr_assert_eq(rai_session_unsettled(s), 2);
    PLAY(p, "1< 10 CONFIRMED 4");
    cr_assert_eq(rai_session_unsettled(s), 0);
    peer_free(p);
}

Test(engine_large, headers_that_fill_a_piece_go_with_their_body)
{
    struct peer *p = small_pieces();
    rai_session *s;
    p->config.min_large_message_size = 30;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(send_bytes(p, producer, 200, 0), 0);
    cr_assert_eq(start(p, producer), RA_E_ARGUMENT);
    PLAY(p, "1> 10 SEND (200)", "1>");
    peer_free(p);
}

Test(engine_large, the_last_piece_is_refused_and_nothing_stands_behind_it)
{
    struct peer *p = small_pieces();
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    cr_assert_eq(send_bytes(p, producer, 150, 1), 0);
    cr_assert_eq(send_bytes(p, producer, 50, 2), 0);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 LARGE", "1> 10 PIECE 100 more", "1> 10 PIECE 50 last 1", "1>", "1< 10 NO 210 1",
         "1> 10 SEND (50) 2", "1< 10 OK 2", "1< 10 CONFIRMED 3");
    EVENTS(p, "sends 1-1 rejected; sends 2-2 confirmed");
    cr_assert_eq(s->log.confirmed, s->log.end, "the refused one has no number");
    peer_free(p);
}

/* The link is cut behind every byte of it; what the broker has counted is not sent again, everything else is. */
Test(engine_large, cut_anywhere_it_goes_on_where_the_count_says)
{
    static const char *const frames[] = { "> 10 LARGE", "> 10 PIECE 100 more", "> 10 PIECE 50 last 2" };
    for (size_t k = 0;; k++) {
        struct peer *p = small_pieces();
        rai_session *s;
        char cut[32], count[32], step[64];
        rai_producer *producer = proven(p, &s);
        cr_assert_eq(send_bytes(p, producer, 150, 2), 0);
        size_t total = rai_log_bytes(&s->log);
        if (k > total) {
            peer_free(p);
            break;
        }
        int arrived = 0; /* whole frames */
        for (uint64_t at = s->log.confirmed; at < s->log.end;) {
            size_t size;
            rai_log_frame(&s->log, at, &size);
            at += size;
            arrived += at - s->log.confirmed <= k;
        }
        snprintf(cut, sizeof cut, "1 cut at %zu", k);
        snprintf(count, sizeof count, "%d", 1 + arrived);
        PLAY(p, cut, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2));
        snprintf(step, sizeof step, "2< REATTACHED %s", count);
        PLAY(p, step);
        int link = 2;
        if (s->state == RAI_S_BARRIER) {
            snprintf(step, sizeof step, "3< REATTACHED %s", count);
            PLAY(p, "2> 10 BARRIER 1", "2< 10 NOBARRIER 1", "dial", GREET(3), "3> REATTACH 10 1", TOPOLOGY(3), step);
            link = 3;
        }
        for (int i = arrived; i < 3; i++) {
            snprintf(step, sizeof step, "%d%s", link, frames[i]);
            PLAY(p, step);
        }
        if (arrived < 3) {
            snprintf(step, sizeof step, "%d< 10 OK 2", link);
            PLAY(p, step);
        }
        cr_assert_eq(s->tagged, 0, "cut at %zu: it has not ended", k);
        peer_free(p);
    }
}

Test(engine_large, unwritten_it_is_sent_by_the_new_session)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    PLAY(p, "1 cut");
    cr_assert_eq(send_bytes(p, producer, 150, 2), 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136",
         "2> 10 PRODUCER 1", "2> 10 LARGE", "2> 10 PIECE 100 more", "2> 10 PIECE 50 last 2", "2< 10 OK 2");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 1; sends 2-2 confirmed");
    peer_free(p);
}

/* W6: pieces without their last one are nothing, so all of it is sent again; also what the broker had confirmed. */
Test(engine_large, written_in_part_it_is_sent_by_the_new_session_from_its_start)
{
    for (int confirmed = 0; confirmed < 2; confirmed++) {
        struct peer *p = small_pieces();
        rai_session *s;
        rai_producer *producer = proven(p, &s);
        cr_assert_eq(send_bytes(p, producer, 250, 2), 0);
        cr_assert_eq(send_bytes(p, producer, 50, 3), 0);
        peer_pump(p, 1, 200);
        if (confirmed) {
            uint8_t frame[64];
            peer_input(p, 1, frame, peer_compose(p, "10 CONFIRMED 3", frame));
        }
        PLAY(p, "1 cut at 0", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136",
             "2< CREATED 136", "2> 10 PRODUCER 1", "2> 10 LARGE", "2> 10 PIECE 100 more", "2> 10 PIECE 100 more",
             "2> 10 PIECE 50 last 2", "2> 10 SEND (50) 3", "2>", "2< 10 OK 2", "2< 10 OK 3");
        EVENTS(p, "disconnected; retrying 1 0; recreated 0 2; sends 2-3 confirmed");
        peer_free(p);
    }
}

Test(engine_large, written_to_its_end_it_is_unknown)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(send_bytes(p, producer, 150, 2), 0);
    cr_assert_eq(send_bytes(p, producer, 150, 0), 0);
    PLAY(p, "1> 10 LARGE", "1> 10 PIECE 100 more", "1> 10 PIECE 50 last 2", "1> 10 LARGE", "1> 10 PIECE 100 more",
         "1> 10 PIECE 50 last", RECREATED("0"), "2> 10 PRODUCER 1", "2>");
    EVENTS(p, "disconnected; retrying 1 0; recreated 2 0; sends 2-2 unknown");
    cr_assert_eq(s->unknown, 1);
    cr_assert_eq(s->forgets, 0);
    peer_free(p);
}

Test(engine_large, it_goes_on_to_an_older_broker_in_its_form)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    PLAY(p, "1 cut");
    cr_assert_eq(send_bytes(p, producer, 150, 2), 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", "2< TOPOLOGY 131 other", "2< REFUSED", "2> CREATE 10 v131",
         "2< CREATED 131");
    p->version = 131;
    PLAY(p, "2> 10 LARGE", "2> 10 PIECE 100 more", "2> 10 PIECE 50 last 2", "2< 10 OK 2");
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 1 elsewhere; sends 2-2 confirmed");
    peer_free(p);
}

Test(engine_large, given_up_before_it_was_written_none_of_it_is)
{
    struct peer *p = small_pieces();
    rai_session *s;
    static const char body[150];
    rai_producer *producer = proven(p, &s);
    rai_op *op;
    PLAY(p, "1 cut");
    cr_assert_eq(send_bytes(p, producer, 250, 0), 0);
    ra_message *m = rai_message_new(0);
    rai_message_lend_body(m, body, sizeof body);
    cr_assert_eq(rai_producer_send(producer, "a", m, RAI_SEND_OP, 0, p->now, &op, NULL), 0);
    rai_message_unref(m);
    rai_op_abandon(op, p->now);
    OP(p, op, "not done -20");
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 LARGE", "2> 10 PIECE 100 more",
         "2> 10 PIECE 100 more", "2> 10 PIECE 50 last", "2>", "2< 10 CONFIRMED 5");
    cr_assert_eq(s->log.confirmed, s->log.end);
    peer_free(p);
}

/* A small send behind the pieces of a message that is being written: giving it up leaves them alone. */
Test(engine_large, another_send_given_up_takes_no_pieces_along)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    PLAY(p, "1 cut");
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 150), 150);
    rai_op *small = peer_send_op(p, producer, "b");
    rai_op_abandon(small, p->now);
    OP(p, small, "not done -20");
    rai_op *op = finish(p, producer);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 LARGE", "2> 10 PIECE 100 more",
         "2> 10 PIECE 50 last 3", "2>", "2< 10 OK 3");
    OP(p, op, "confirmed");
    peer_free(p);
}

Test(engine_large, its_finish_given_up_takes_the_pieces_along_and_nothing_else)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    PLAY(p, "1 cut");
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 150), 150);
    peer_send(p, producer, "b", 2);
    rai_op *op = finish(p, producer);
    rai_op_abandon(op, p->now);
    OP(p, op, "not done -20");
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 SEND b 2", "2>");
    peer_free(p);
}

/* --- piece by piece --- */

Test(engine_large, a_body_is_written_piece_by_piece)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(start(p, producer), 0);
    PLAY(p, "1> 10 LARGE");
    cr_assert_eq(write_bytes(p, producer, 60), 60);
    PLAY(p, "1>");
    cr_assert_eq(write_bytes(p, producer, 60), 60);
    PLAY(p, "1> 10 PIECE 100 more", "1>");
    cr_assert_eq(write_bytes(p, producer, 380), 380);
    PLAY(p, "1> 10 PIECE 100 more", "1> 10 PIECE 100 more", "1> 10 PIECE 100 more", "1>");
    rai_op *op = finish(p, producer);
    PLAY(p, "1> 10 PIECE 100 last 2", "1< 10 OK 2");
    OP(p, op, "confirmed");
    cr_assert_eq(rai_producer_finish_large(producer, RAI_SEND_FORGET, p->now, NULL, NULL), RA_E_STATE);
    cr_assert_eq(write_bytes(p, producer, 1), RA_E_STATE);
    peer_free(p);
}

Test(engine_large, an_empty_body_is_one_empty_piece)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(start(p, producer), 0);
    rai_op *op = finish(p, producer);
    PLAY(p, "1> 10 LARGE", "1> 10 PIECE 0 last 2", "1< 10 OK 2");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* The broker has one such message for a session, and takes other sends between its pieces. */
Test(engine_large, one_at_a_time_and_small_sends_between_its_pieces)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    rai_producer *other = peer_producer(p, s);
    PLAY(p, "1> 10 PRODUCER 2");
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(start(p, other), RA_E_STATE);
    cr_assert_eq(start(p, producer), RA_E_STATE);
    cr_assert_eq(write_bytes(p, other, 1), RA_E_STATE);
    cr_assert_eq(send_bytes(p, other, 200, 0), RA_E_STATE);
    cr_assert_eq(write_bytes(p, producer, 150), 150);
    cr_assert_eq(send_bytes(p, other, 50, 0), 0);
    rai_producer_finish_large(producer, RAI_SEND_FORGET, p->now, NULL, NULL);
    cr_assert_eq(send_bytes(p, other, 200, 0), 0);
    PLAY(p, "1> 10 LARGE", "1> 10 PIECE 100 more", "1> 10 SEND (50)", "1> 10 PIECE 50 last", "1> 10 LARGE",
         "1> 10 PIECE 100 more", "1> 10 PIECE 100 last");
    peer_free(p);
}

Test(engine_large, cancelled_it_makes_way_for_the_next_one)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 150), 150);
    rai_producer_cancel_large(producer);
    cr_assert_eq(write_bytes(p, producer, 1), RA_E_STATE);
    cr_assert_eq(start(p, producer), 0);
    rai_op *op = finish(p, producer);
    PLAY(p, "1> 10 LARGE", "1> 10 PIECE 100 more", "1> 10 LARGE", "1> 10 PIECE 0 last 2", "1< 10 OK 2");
    OP(p, op, "confirmed");
    cr_assert_eq(start(p, producer), 0);
    rai_producer_close(producer, p->now, NULL);
    cr_assert_null(s->large, "it goes with its producer");
    peer_free(p);
}

/* A cancelled one and a whole one in the same log: only the whole one lives on. */
Test(engine_large, a_cancelled_one_is_not_sent_by_the_new_session)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    PLAY(p, "1 cut");
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 250), 250);
    rai_producer_cancel_large(producer);
    cr_assert_eq(send_bytes(p, producer, 120, 2), 0);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136",
         "2> 10 PRODUCER 1", "2> 10 LARGE", "2> 10 PIECE 100 more", "2> 10 PIECE 20 last 2", "2>");
    peer_free(p);
}

Test(engine_large, writing_finds_no_room_and_goes_on_when_there_is_some)
{
    struct peer *p = small_pieces();
    rai_session *s;
    p->config.max_unconfirmed = 300;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 1000), 100, "46 bytes of headers, and one piece of 135; a third has no room");
    cr_assert_eq(write_bytes(p, producer, 900), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 LARGE", "1> 10 PIECE 100 more", "1>", "1< 10 CONFIRMED 3");
    EVENTS(p, "writable");
    cr_assert_eq(write_bytes(p, producer, 900), 200);
    peer_free(p);
}

Test(engine_large, pieces_cost_credits)
{
    struct peer *p = small_pieces();
    rai_session *s;
    p->config.producer_window = 200;
    s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    PLAY(p, "1> 10 PRODUCER 1");
    cr_assert_eq(start(p, producer), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 WANT 100 a", "1< 10 CREDITS 100 a");
    EVENTS(p, "writable");
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 150), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 LARGE", "1> 10 WANT 131 a", "1>", "1< 10 CREDITS 131 a");
    EVENTS(p, "writable");
    cr_assert_eq(write_bytes(p, producer, 150), 150);
    PLAY(p, "1> 10 PIECE 100 more", "1>");
    peer_free(p);
}

/* W6: the reference looks at the old transport and gives up, though the session is there. */
Test(engine_large, a_cut_between_its_pieces_is_not_noticed_by_who_writes_it)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 150), 150);
    PLAY(p, "1> 10 LARGE", "1> 10 PIECE 100 more", "1 cut");
    cr_assert_eq(write_bytes(p, producer, 100), 100);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 2");
    cr_assert_eq(write_bytes(p, producer, 100), 100);
    PLAY(p, "2> 10 BARRIER 1", "2< 10 NOBARRIER 1", "dial", GREET(3), "3> REATTACH 10 1", TOPOLOGY(3),
         "3< REATTACHED 2", "3> 10 PIECE 100 more", "3> 10 PIECE 100 more", "3> 10 PIECE 100 more", "3>");
    rai_op *op = finish(p, producer);
    PLAY(p, "3> 10 PIECE 50 last 2", "3< 10 OK 2");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* W6: recreated, as long as the log has all of it, nobody notices either. */
Test(engine_large, what_the_log_has_from_its_start_goes_on_in_the_new_session)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_producer *producer = proven(p, &s);
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 150), 150);
    cr_assert_eq(send_bytes(p, producer, 50, 2), 0);
    PLAY(p, "1> 10 LARGE", "1> 10 PIECE 100 more", "1> 10 SEND (50) 2", RECREATED("0"), "2> 10 PRODUCER 1",
         "2> 10 LARGE", "2> 10 PIECE 100 more", "2>");
    EVENTS(p, "disconnected; retrying 1 0; recreated 1 0; sends 2-2 unknown");
    /* and once more */
    PLAY(p, "2 cut", "dial", GREET(3), "3> REATTACH 10 -1", TOPOLOGY(3), "3< REFUSED", "3> CREATE 10 v136",
         "3< CREATED 136", "3> 10 PRODUCER 1", "3> 10 LARGE", "3> 10 PIECE 100 more", "3>");
    cr_assert_eq(write_bytes(p, producer, 100), 100);
    rai_op *op = finish(p, producer);
    PLAY(p, "3> 10 PIECE 100 more", "3> 10 PIECE 50 last 3", "3< 10 OK 3");
    OP(p, op, "confirmed");
    peer_free(p);
}

/* W6: its start has left the log: a distinct error, nothing half stored, and the next one may begin at once. */
Test(engine_large, what_cannot_go_on_in_the_new_session_is_interrupted_and_can_be_started_again)
{
    struct peer *p = small_pieces();
    rai_session *s;
    struct rai_fault fault;
    rai_producer *producer = proven(p, &s);
    p->config.max_unconfirmed = 300;
    cr_assert_eq(start(p, producer), 0);
    PLAY(p, "1> 10 LARGE", "1< 10 CONFIRMED 2");
    cr_assert_eq(write_bytes(p, producer, 350), 200);
    cr_assert_eq(write_bytes(p, producer, 150), RA_E_WOULD_BLOCK);
    PLAY(p, "1> 10 PIECE 100 more", "1> 10 PIECE 100 more", RECREATED("0"), "2> 10 PRODUCER 1", "2>");
    EVENTS(p, "disconnected; retrying 1 0; writable; recreated 0 0");
    cr_assert_eq(rai_producer_write_large(producer, "x", 1, p->now, &fault), RA_E_LARGE_INTERRUPTED);
    cr_assert_eq(write_bytes(p, producer, 1), RA_E_STATE, "said once");
    cr_assert_eq(start(p, producer), 0);
    rai_op *op = finish(p, producer);
    PLAY(p, "2> 10 LARGE", "2> 10 PIECE 0 last 2", "2< 10 OK 2");
    OP(p, op, "confirmed");
    peer_free(p);
}

Test(engine_large, finished_and_written_it_is_unknown_and_unwritten_without_its_start_not_done)
{
    for (int written = 0; written < 2; written++) {
        struct peer *p = small_pieces();
        rai_session *s;
        rai_producer *producer = proven(p, &s);
        cr_assert_eq(start(p, producer), 0);
        PLAY(p, "1> 10 LARGE", "1< 10 CONFIRMED 2");
        if (!written)
            PLAY(p, "1 cut");
        rai_op *op = finish(p, producer);
        if (written)
            PLAY(p, "1> 10 PIECE 0 last 2", "1 cut");
        PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136", "2< CREATED 136",
             "2> 10 PRODUCER 1", "2>");
        OP(p, op, written ? "unknown -82" : "not done -81");
        peer_free(p);
    }
}

/* --- transactions --- */

Test(engine_large, a_commit_waits_for_its_end_and_a_rollback_is_its_end)
{
    struct peer *p = small_pieces();
    rai_op *op;
    peer_open(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), RA_E_STATE);
    cr_assert_eq(rai_producer_finish_large(producer, RAI_SEND_FORGET, p->now, NULL, NULL), 0);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 LARGE", "1> 11 PIECE 0 last 1", "1>", "1< 11 OK 1", "1> 11 COMMIT 2",
         "1< 11 OK 2");
    OP(p, op, "confirmed");
    cr_assert_eq(start(p, producer), 0);
    cr_assert_eq(write_bytes(p, producer, 10), 10);
    cr_assert_eq(rai_session_rollback(s, p->now, NULL, NULL), 0);
    cr_assert_eq(write_bytes(p, producer, 10), RA_E_ROLLED_BACK);
    cr_assert_eq(start(p, producer), 0);
    peer_free(p);
}

/* --- memory --- */

static void scenario(long fail_at)
{
    struct peer *p = small_pieces();
    rai_session *s;
    rai_op *op = NULL;
    rai_producer *producer = proven(p, &s);
    rai_alloc_fail_at(fail_at);
    if (send_bytes(p, producer, 250, 0) == 0)
        peer_pump_all(p);
    ra_message *m = rai_message_new(0);
    if (m != NULL && rai_producer_start_large(producer, "a", m, p->now, NULL) == 0) {
        write_bytes(p, producer, 350);
        rai_producer_finish_large(producer, RAI_SEND_OP, p->now, &op, NULL);
    }
    rai_alloc_fail_at(0);
    rai_message_unref(m);
    peer_pump_all(p);
    rai_session_close(s, p->now, NULL, NULL);
    rai_op_unref(op);
    peer_free(p);
}

Test(engine_large, without_memory_it_is_refused_and_nothing_is_left_behind)
{
    long before = rai_alloc_count();
    for (long n = 1; n < 30; n++)
        scenario(n);
    cr_assert_eq(rai_alloc_count(), before);
}
