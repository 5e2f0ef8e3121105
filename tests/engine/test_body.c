/* Large messages that are received piece by piece. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "peer.h"

#define GREET(n)    #n "> PING", #n "> SUBSCRIBE 136"
#define TOPOLOGY(n) #n "< TOPOLOGY 136 node"
enum { HEADERS = 69, FRAME = 26 }; /* of a header packet; what a chunk's packet is longer than the chunk */

/* A streaming consumer 0 on queue q with this window, open; the session is started. */
static rai_consumer *consumer(struct peer *p, rai_session *s, int32_t window)
{
    rai_op *op;
    rai_consumer *c = peer_consumer(p, s, "q", window, &op);
    rai_consumer_stream(c);
    rai_session_start(s, p->now, NULL);
    PLAY(p, "1> 10 CONSUMER 0 q", "1< 10 QUEUE q", "1> 10 START");
    OP(p, op, "confirmed");
    return c;
}

static ra_message *taken(struct peer *p, rai_consumer *c)
{
    ra_message *m = rai_consumer_take(c, 0, p->now);
    cr_assert_not_null(m);
    return m;
}

static int64_t read_bytes(struct peer *p, rai_consumer *c, const ra_message *m, size_t room)
{
    static uint8_t buffer[10000];
    return rai_consumer_read(c, m, buffer, room, p->now, NULL);
}

Test(engine_body, a_large_message_is_handed_out_when_it_begins_and_pays_as_it_is_read)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 2000);
    PLAY(p, "1> 10 CREDITS 0 2000", "1< 10 LARGE 0 1 3000");
    ra_message *m = taken(p, c);
    cr_assert(m->streamed);
    cr_assert_eq(m->large_size, 3000);
    cr_assert_eq(read_bytes(p, c, m, 1000), RA_E_WOULD_BLOCK);
    cr_assert_not(rai_consumer_readable(c));
    PLAY(p, "1< 10 CHUNK 0 1500 more", "1>");
    cr_assert(rai_consumer_readable(c));
    cr_assert_eq(read_bytes(p, c, m, 1000), 1000);
    PLAY(p, "1>");
    cr_assert_eq(read_bytes(p, c, m, 1000), 500);
    PLAY(p, "1> 10 CREDITS 0 1595", "1< 10 CHUNK 0 1500 last", "1< 10 MSG 0 2 small");
    cr_assert_eq(read_bytes(p, c, m, 5000), 1500);
    PLAY(p, "1> 10 CREDITS 0 1526", "1>");
    cr_assert_eq(read_bytes(p, c, m, 5000), 0);
    cr_assert_eq(read_bytes(p, c, m, 5000), 0);
    rai_message_unref(m);
    TAKE(p, c, "small");
    peer_free(p);
}

Test(engine_body, pieces_are_read_across_and_an_empty_last_one_ends_it)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 20000);
    PLAY(p, "1> 10 CREDITS 0 20000", "1< 10 LARGE 0 1 30", "1< 10 CHUNK 0 15 more", "1< 10 CHUNK 0 15 more",
         "1< 10 CHUNK 0 0 last");
    ra_message *m = taken(p, c);
    cr_assert_eq(read_bytes(p, c, m, 20), 20);
    cr_assert_eq(read_bytes(p, c, m, 20), 10);
    cr_assert_eq(read_bytes(p, c, m, 20), 0);
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_body, the_next_message_throws_away_what_was_not_read)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 2000);
    PLAY(p, "1> 10 CREDITS 0 2000", "1< 10 LARGE 0 1 3000", "1< 10 CHUNK 0 1500 more");
    ra_message *m = taken(p, c);
    TAKE(p, c, NULL);
    PLAY(p, "1> 10 CREDITS 0 1595", "1< 10 CHUNK 0 1500 last", "1> 10 CREDITS 0 1526", "1< 10 LARGE 0 2 20",
         "1< 10 CHUNK 0 20 last");
    cr_assert_eq(read_bytes(p, c, m, 20), RA_E_STATE);
    ra_message *next = taken(p, c);
    cr_assert_eq(read_bytes(p, c, m, 20), RA_E_STATE);
    cr_assert_eq(read_bytes(p, c, next, 30), 20);
    rai_message_unref(m);
    rai_message_unref(next);
    peer_free(p);
}

Test(engine_body, without_a_window_one_piece_comes_at_a_time)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1< 10 LARGE 0 1 3000", "1>");
    rai_consumer_wait_end(c, p->now);
    ra_message *m = taken(p, c);
    PLAY(p, "1> 10 CREDITS 0 69", "1>", "1< 10 CHUNK 0 1500 more", "1>");
    cr_assert_eq(read_bytes(p, c, m, 5000), 1500);
    PLAY(p, "1> 10 CREDITS 0 1526", "1< 10 CHUNK 0 1500 last", "1>");
    cr_assert_eq(read_bytes(p, c, m, 5000), 1500);
    PLAY(p, "1> 10 CREDITS 0 1525", "1>");
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1");
    rai_consumer_wait_end(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 0", "1>");
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_body, without_a_window_it_comes_when_its_credit_was_taken_back_behind_it)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    rai_consumer_wait_begin(c, p->now);
    rai_consumer_wait_end(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1> 10 CREDITS 0 0", "1< 10 LARGE 0 1 1500", "1>");
    ra_message *m = taken(p, c);
    PLAY(p, "1> 10 CREDITS 0 1", "1>", "1< 10 CHUNK 0 1500 last", "1>");
    cr_assert_eq(read_bytes(p, c, m, 5000), 1500);
    PLAY(p, "1> 10 CREDITS 0 1525", "1>");
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_body, without_a_window_what_is_thrown_away_comes_all_the_same)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 0);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1", "1< 10 LARGE 0 1 3000");
    rai_consumer_wait_end(c, p->now);
    ra_message *m = taken(p, c);
    PLAY(p, "1> 10 CREDITS 0 69", "1< 10 CHUNK 0 1000 more");
    TAKE(p, c, NULL);
    rai_consumer_wait_begin(c, p->now);
    PLAY(p, "1> 10 CREDITS 0 1026", "1< 10 CHUNK 0 1000 more", "1> 10 CREDITS 0 1026", "1< 10 CHUNK 0 1000 last",
         "1> 10 CREDITS 0 1025", "1> 10 CREDITS 0 1", "1>", "1< 10 MSG 0 2 next");
    rai_consumer_wait_end(c, p->now);
    TAKE(p, c, "next");
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_body, one_that_expired_is_thrown_away_with_its_pieces)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 2000);
    PLAY(p, "1> 10 CREDITS 0 2000", "1< 10 LARGE 0 1 1500");
    c->first->expiration = 1;
    PLAY(p, "1< 10 CHUNK 0 1000 more");
    cr_assert_null(rai_consumer_take(c, 2, p->now));
    PLAY(p, "1> 10 EXPIRED 0 1", "1> 10 CREDITS 0 1095", "1< 10 CHUNK 0 500 last", "1< 10 MSG 0 2 next");
    TAKE(p, c, "next");
    peer_free(p);
}

Test(engine_body, a_closed_consumer_has_no_body_any_more)
{
    struct peer *p = peer_new();
    rai_consumer *c = consumer(p, peer_open(p), 2000);
    PLAY(p, "1> 10 CREDITS 0 2000", "1< 10 LARGE 0 1 3000", "1< 10 CHUNK 0 1500 more");
    ra_message *m = taken(p, c);
    rai_consumer_close(c, p->now, NULL, NULL);
    cr_assert(rai_consumer_readable(c));
    cr_assert_eq(read_bytes(p, c, m, 10), RA_E_CLOSED);
    PLAY(p, "1< 10 CHUNK 0 1500 last");
    rai_message_unref(m);
    peer_free(p);
}

/* --- drops --- */

#define REATTACHED(received) \
    "1 cut", "dial", GREET(2), "2> REATTACH 10 " received, TOPOLOGY(2), "2< REATTACHED 2", "2> 10 FLUSH"

static void confirm(struct peer *p)
{
    PLAY(p, "1> 10 CREDITS 0 100000", "1< 10 CONFIRMED 2");
}

/* What had come before the cut is good, and so is what the broker sends for the first time behind it. */
Test(engine_body, a_cut_between_pieces_is_not_noticed_where_none_is_sent_again)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 100000);
    confirm(p);
    PLAY(p, "1< 10 LARGE 0 1 3000", "1< 10 CHUNK 0 1500 more");
    ra_message *m = taken(p, c);
    PLAY(p, REATTACHED("2"), "2< 10 TIMEOUT", "2< 10 CHUNK 0 1500 last");
    cr_assert_eq(read_bytes(p, c, m, 5000), 3000);
    cr_assert_eq(read_bytes(p, c, m, 5000), 0);
    cr_assert_eq(rai_consumer_acknowledge(c, m, true, p->now, NULL, NULL), 0);
    rai_message_unref(m);
    peer_free(p);
}

/* The broker keeps its pieces in one buffer: one that is sent again may hold the bytes of a later one. */
Test(engine_body, a_piece_that_is_sent_again_is_never_handed_out)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 100000);
    confirm(p);
    PLAY(p, "1< 10 MSG 0 7 before", "1< 10 LARGE 0 1 3000", "1< 10 CHUNK 0 1000 more");
    ra_message *before = taken(p, c), *m = taken(p, c);
    PLAY(p, REATTACHED("3"), "2< 10 CHUNK 0 1000 more", "2< 10 CHUNK 0 1000 last", "2< 10 TIMEOUT",
         "2< 10 MSG 0 8 behind");
    cr_assert_eq(read_bytes(p, c, m, 5000), 1000, "what came before the cut");
    cr_assert_eq(read_bytes(p, c, m, 5000), RA_E_LARGE_INTERRUPTED);
    cr_assert_eq(rai_consumer_fault(c)->code, RA_E_LARGE_INTERRUPTED);
    TAKE(p, c, NULL);
    cr_assert_eq(rai_consumer_acknowledge(c, m, false, p->now, NULL, NULL), RA_E_LARGE_INTERRUPTED, "it would be lost");
    cr_assert_eq(rai_consumer_acknowledge(c, before, false, p->now, NULL, NULL), 0);
    rai_message_unref(before);
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_body, an_interrupted_one_comes_again_after_a_rollback)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_consumer *c = peer_consumer(p, s, "q", 5000, NULL);
    rai_consumer_stream(c);
    rai_session_start(s, p->now, NULL);
    PLAY(p, "1> 11 CONSUMER 0 q", "1< 11 QUEUE q", "1> 11 START", "1> 11 CREDITS 0 5000", "1< 11 CONFIRMED 2",
         "1< 11 LARGE 0 1 3000", "1 cut", "dial", GREET(2), "2> REATTACH 10 -1", "2> REATTACH 11 1", TOPOLOGY(2),
         "2< REATTACHED -1", "2< REATTACHED 2", "2> 11 FLUSH", "2< 11 CHUNK 0 3000 last", "2< 11 TIMEOUT");
    ra_message *m = taken(p, c);
    cr_assert_eq(read_bytes(p, c, m, 100), RA_E_LARGE_INTERRUPTED);
    PLAY(p, "2> 11 CREDITS 0 3026"); /* as if it had been read */
    cr_assert_eq(rai_session_rollback(s, p->now, NULL, NULL), 0);
    PLAY(p, "2> 11 STOP", "2< 11 OK", "2> 11 ROLLBACK", "2< 11 OK", "2> 11 START", "2< 11 LARGE 0 1 3000",
         "2< 11 CHUNK 0 3000 last");
    cr_assert_eq(read_bytes(p, c, m, 100), RA_E_STALE);
    rai_message_unref(m);
    m = taken(p, c);
    cr_assert_eq(read_bytes(p, c, m, 5000), 3000);
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_body, recreated_it_comes_again)
{
    for (int interrupted = 0; interrupted < 2; interrupted++) {
        struct peer *p = peer_new();
        rai_session *s = peer_open(p);
        rai_consumer *c = consumer(p, s, 100000);
        confirm(p);
        PLAY(p, "1< 10 LARGE 0 1 3000", "1< 10 CHUNK 0 1000 more");
        ra_message *m = taken(p, c);
        if (interrupted)
            rai_consumer_interrupt(c);
        PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 2", TOPOLOGY(2), "2< REFUSED", "2> CREATE 10 v136",
             "2< CREATED 136", "2> 10 CONSUMER 0 q", "2< 10 QUEUE q", "2> 10 START", "2> 10 CREDITS 0 100000",
             "2< 10 LARGE 0 1 3000", "2< 10 CHUNK 0 1000 more");
        cr_assert_eq(read_bytes(p, c, m, 5000), RA_E_STALE);
        rai_message_unref(m);
        m = taken(p, c);
        PLAY(p, "2< 10 CHUNK 0 2000 last");
        cr_assert_eq(read_bytes(p, c, m, 5000), 3000);
        rai_message_unref(m);
        peer_free(p);
    }
}

/* Behind each frame of it, and with each number of the frames behind that sent again: whole, or interrupted exactly when a
 * piece was among them. */
static void cut_behind(bool streams, int arrived, int again)
{
    static const char *const said[2][4] = {
        { "1< 10 LARGE 0 1 3000", "1< 10 CHUNK 0 1000 more", "1< 10 CHUNK 0 1000 more", "1< 10 CHUNK 0 1000 last" },
        { "2< 10 LARGE 0 1 3000", "2< 10 CHUNK 0 1000 more", "2< 10 CHUNK 0 1000 more", "2< 10 CHUNK 0 1000 last" }
    };
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 100000);
    char step[32];
    c->streams = streams;
    confirm(p);
    for (int i = 0; i <= 4; i++) {
        if (i == arrived) {
            snprintf(step, sizeof step, "2> REATTACH 10 %d", arrived);
            PLAY(p, "1 cut", "dial", GREET(2), step, TOPOLOGY(2), "2< REATTACHED 2", "2> 10 FLUSH");
        }
        if (i == arrived + again)
            PLAY(p, "2< 10 TIMEOUT");
        if (i < 4)
            PLAY(p, said[i >= arrived][i]);
    }
    bool piece_again = again > 0 && arrived + again > 1;
    ra_message *m = rai_consumer_take(c, 0, p->now);
    cr_assert_eq(rai_consumer_fault(c)->code, piece_again ? RA_E_LARGE_INTERRUPTED : RA_OK, "behind %d, %d again", arrived,
                 again);
    cr_assert(m != NULL || (piece_again && !streams));
    int64_t good = !piece_again ? 3000 : arrived < 2 ? RA_E_LARGE_INTERRUPTED : 1000 * (arrived - 1);
    if (m != NULL)
        cr_assert_eq(streams ? read_bytes(p, c, m, 5000) : (int64_t)m->body_size, good);
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_body, cut_anywhere_it_is_whole_or_interrupted)
{
    for (int streams = 0; streams < 2; streams++)
        for (int arrived = 0; arrived <= 4; arrived++)
            for (int again = 0; arrived + again <= 4; again++)
                cut_behind(streams, arrived, again);
}

/* The same for a consumer that collects. */
Test(engine_body, a_collected_one_goes_on_where_no_piece_is_sent_again)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 100000);
    c->streams = false;
    confirm(p);
    PLAY(p, "1< 10 LARGE 0 1 3000", "1< 10 CHUNK 0 1500 more", REATTACHED("2"), "2< 10 TIMEOUT",
         "2< 10 CHUNK 0 1500 last");
    ra_message *m = taken(p, c);
    cr_assert_eq(m->body_size, 3000);
    rai_message_unref(m);
    peer_free(p);
}

Test(engine_body, one_too_large_to_be_collected_is_refused_by_its_size)
{
    struct peer *p = peer_new();
    p->config.max_body_in_memory = 1000;
    rai_session *s = peer_open(p);
    rai_consumer *c = consumer(p, s, 100000);
    c->streams = false;
    PLAY(p, "1< 10 LARGE 0 1 1000", "1< 10 CHUNK 0 1000 last", "1< 10 LARGE 0 2 1001", "1< 10 CHUNK 0 1001 last");
    ra_message *m = taken(p, c);
    cr_assert_eq(m->body_size, 1000);
    rai_message_unref(m);
    cr_assert_null(rai_consumer_take(c, 0, p->now));
    cr_assert_eq(rai_consumer_fault(c)->code, RA_E_STATE);
    cr_assert_not_null(strstr(rai_consumer_fault(c)->text, "maxBodyInMemory is 1000"));
    peer_free(p);
}

Test(engine_body, without_memory_the_link_ends_and_nothing_is_left_behind)
{
    long before = rai_alloc_count();
    for (long n = 1; n < 12; n++) {
        struct peer *p = peer_new();
        rai_consumer *c = consumer(p, peer_open(p), 100000);
        PLAY(p, "1> 10 CREDITS 0 100000");
        rai_alloc_fail_at(n);
        uint8_t *out = malloc(PEER_FRAME_MAX);
        static const char *const said[] = { "10 LARGE 0 1 3000", "10 CHUNK 0 1500 more", "10 CHUNK 0 1500 last" };
        for (int i = 0; i < 3; i++)
            peer_input(p, 1, out, peer_compose(p, said[i], out));
        rai_alloc_fail_at(0);
        free(out);
        ra_message *m = rai_consumer_take(c, 0, p->now);
        if (m != NULL)
            read_bytes(p, c, m, 100);
        rai_message_unref(m);
        peer_free(p);
    }
    cr_assert_eq(rai_alloc_count(), before);
}
