#include "support/test.h"

#include <stdio.h>

#include "peer.h"

#define GREET(n)    #n "> PING", #n "> SUBSCRIBE 136"
#define TOPOLOGY(n) #n "< TOPOLOGY 136 node"

/* One session, first send proven (number 1; the producer is 0), two more written and not answered. */
static rai_producer *two_open(struct peer *p, rai_session **s_out)
{
    rai_session *s = peer_open(p);
    rai_producer *producer = peer_producer(p, s);
    peer_send(p, producer, "a", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND a 1", "1< 10 OK 1");
    peer_send(p, producer, "b", 2);
    peer_send(p, producer, "c", 3);
    PLAY(p, "1> 10 SEND b 2", "1> 10 SEND c 3", "1>");
    if (s_out != NULL)
        *s_out = s;
    return producer;
}

Test(engine_recovery, every_state_handles_a_lost_link)
{
    printf("%-12s", "");
    for (int event = 0; event < RAI_EV_SESSION_EVENTS; event++)
        printf("%-34s", rai_session_event_name(event));
    for (int state = 0; state < RAI_S_STATES; state++) {
        printf("\n%-12s", rai_session_state_name(state));
        for (int event = 0; event < RAI_EV_SESSION_EVENTS; event++) {
            const char *name = rai_session_step_name(state, event);
            printf("%-34s", name != NULL ? name : "-");
        }
    }
    printf("\n");
    for (int state = 0; state < RAI_S_STATES; state++) {
        /* these have no link */
        bool linkless = state == RAI_S_ADRIFT || state == RAI_S_REFUSED || state == RAI_S_CLOSED || state == RAI_S_LOST;
        cr_expect(linkless || rai_session_step_name(state, RAI_EV_LINK_LOST) != NULL, "%s",
                  rai_session_state_name(state));
    }
}

Test(engine_recovery, without_open_work_the_first_new_link_is_enough)
{
    struct peer *p = peer_new();
    rai_producer *producer;
    rai_session *s = peer_open(p);
    producer = peer_producer(p, s);
    peer_send(p, producer, "a", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND a 1", "1< 10 OK 1", "1 cut", "dial", GREET(2), "2> REATTACH 10 0",
         TOPOLOGY(2), "2< REATTACHED 1", "2>", "no dial");
    EVENTS(p, "disconnected; retrying 1 0; reattached 0; sends 1-1 confirmed");
    cr_assert_eq(peer_stat(p, RA_STAT_BARRIERS_SKIPPED), 1);
    peer_free(p);
}

/* The first count leaves out what is still being stored: only the further link tells the true one. */
Test(engine_recovery, the_true_count_comes_from_the_further_link_and_exactly_the_rest_is_replayed)
{
    struct peer *p = peer_new();
    two_open(p, NULL);
    PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 BARRIER 1", "2>",
         "dial", GREET(3), "3>", "2< 10 OK 2", "2< 10 NOBARRIER 1", "3> REATTACH 10 2", TOPOLOGY(3), "3< REATTACHED 2",
         "3> 10 SEND c 3", "3>", "2 gone", "3< 10 OK 3");
    EVENTS(p, "disconnected; retrying 1 0; reattached 1; sends 1-3 confirmed");
    cr_assert_eq(peer_stat(p, RA_STAT_COUNT_ADVANCED), 1);
    cr_assert_eq(peer_stat(p, RA_STAT_REPLAYED), 1);
    peer_free(p);
}

Test(engine_recovery, what_the_true_count_covers_is_confirmed_without_its_answer)
{
    struct peer *p = peer_new();
    two_open(p, NULL);
    PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 BARRIER 1", "dial",
         GREET(3), "2< 10 NOBARRIER 1", "3> REATTACH 10 1", TOPOLOGY(3), "3< REATTACHED 3", "3>");
    EVENTS(p, "disconnected; retrying 1 0; reattached 0; sends 1-3 confirmed");
    cr_assert_eq(peer_stat(p, RA_STAT_ANSWERS_LOST), 2);
    /* a first answer that comes after all counts, a second one does not */
    PLAY(p, "3< 10 OK 2", "3< 10 OK 2", "3 cut", "dial", GREET(4), "4> REATTACH 10 2");
    cr_assert_eq(peer_stat(p, RA_STAT_ANSWERS_DOUBLED), 1);
    peer_free(p);
}

/* The broker rolled back and began another transaction, in which the commit that is written again has nothing to do. */
Test(engine_recovery, a_refused_commit_whose_refusal_was_lost_is_not_confirmed)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    rai_op *refused, *next;
    peer_send(p, producer, "x", 0);
    cr_assert_eq(rai_session_commit(s, p->now, &refused, NULL), 0);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND x 1", "1>", "1< 11 NO 105 1", "1> 11 COMMIT 2", "1>", "1 cut", "dial",
         GREET(2), "2> REATTACH 10 -1", "2> REATTACH 11 0", TOPOLOGY(2), "2< REATTACHED -1", "2< REATTACHED 0",
         "2> 11 BARRIER 1", "dial", GREET(3), "2< 11 NOBARRIER 1", TOPOLOGY(3), "3> REATTACH 10 -1", "3> REATTACH 11 1",
         "3< REATTACHED -1", "3< REATTACHED 0", "3> 11 COMMIT 2", "3< 11 OK 2");
    OP(p, refused, "rejected -80");
    peer_send(p, producer, "y", 0);
    cr_assert_eq(rai_session_commit(s, p->now, &next, NULL), 0);
    PLAY(p, "3> 11 SEND y 3", "3< 11 OK 3", "3> 11 COMMIT 4", "3< 11 OK 4");
    OP(p, next, "confirmed");
    peer_free(p);
}

Test(engine_recovery, a_barrier_that_is_not_answered_is_repeated_under_the_next_name)
{
    struct peer *p = peer_new();
    two_open(p, NULL);
    PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 BARRIER 1",
         "wait 999", "2>", "wait 1", "2> 10 BARRIER 2", "dial", GREET(3), "2< 10 NOBARRIER 1", "3>",
         "2< 10 NOBARRIER 2", "3> REATTACH 10 2");
    peer_free(p);
}

/* The answer to an earlier recovery's barrier must not release this one; ".1." is not ".10.". */
Test(engine_recovery, stale_barrier_answers_are_counted_and_swallowed)
{
    struct peer *p = peer_new();
    rai_session *s;
    two_open(p, &s);
    s->barrier = 8;
    PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 BARRIER 9", "dial",
         "2 cut", "dial", GREET(4), "4> REATTACH 10 0", TOPOLOGY(4), "4< REATTACHED 1", "4> 10 BARRIER 10",
         "4< 10 NOBARRIER 1", "4< 10 NOBARRIER 9");
    cr_assert_eq(s->state, RAI_S_BARRIER);
    PLAY(p, "4< 10 NOBARRIER 9", "4< 10 NOBARRIER 10", GREET(3), "3> REATTACH 10 2");
    peer_free(p);
}

Test(engine_recovery, nothing_counted_is_written_before_the_release)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_producer *producer = two_open(p, &s);
    PLAY(p, "1 cut");
    peer_send(p, producer, "d", 4);
    PLAY(p, "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2>", "2< REATTACHED 1", "2> 10 BARRIER 1");
    peer_send(p, producer, "e", 5);
    PLAY(p, "2>", "dial", GREET(3), "3>", "2< 10 NOBARRIER 1", "3> REATTACH 10 1", "3>", "2>", TOPOLOGY(3),
         "3< REATTACHED 1", "3> 10 SEND b 2", "3> 10 SEND c 3", "3> 10 SEND d 4", "3> 10 SEND e 5", "3>");
    peer_free(p);
}

Test(engine_recovery, many_sessions_are_asked_for_in_one_go)
{
    struct peer *p = peer_new();
    peer_open(p);
    for (int i = 11; i < 100; i++)
        peer_session(p, false);
    for (int i = 11; i < 100; i++)
        PLAY(p, "1< CREATED 136");
    PLAY(p, "1 cut", "dial");
    peer_pump(p, 2, SIZE_MAX);
    for (int i = 10; i < 100; i++)
        PLAY(p, "2< REATTACHED -1");
    PLAY(p, TOPOLOGY(2));
    cr_assert_eq(peer_stat(p, RA_STAT_REATTACHED), 90);
    peer_free(p);
}

/* Each step of a recovery, cut there: one retry, no waiting. */
Test(engine_recovery, a_cut_at_any_step_costs_one_retry)
{
    static const char *const to_the_cut[][12] = {
        { "dial", "2 cut" },
        { "dial", "2> PING", "2 cut" },
        { "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 0", "2 cut" },
        { "dial", "2< REATTACHED 1", "2 cut" },
        { "dial", "2< REATTACHED 1", "2 cut at 10" },
        { "dial", "2< REATTACHED 1", "dial", "3 cut" },
        { "dial", "2< REATTACHED 1", "dial", "3> PING", "3 cut" },
        { "dial", "2< TOPOLOGY 136 node", "2< REATTACHED 1", "dial refused" },
        { "dial", "2< REATTACHED 1", "dial", "2> PING", "2< 10 NOBARRIER 1", "3 cut" },
        { "dial", "2< REATTACHED 1", "dial", "2> PING", "2< 10 NOBARRIER 1", "3 cut at 40" },
        { "dial", "2< REATTACHED 1", "dial", "2> PING", "2< 10 NOBARRIER 1", "3< REATTACHED 1", "3 cut" },
    };
    for (size_t i = 0; i < sizeof to_the_cut / sizeof *to_the_cut; i++) {
        struct peer *p = peer_new();
        rai_session *s;
        char link[8];
        two_open(p, &s);
        snprintf(p->barriers[10], sizeof p->barriers[10], "%s", s->barrier_key);
        PLAY(p, "1 cut");
        peer_play(p, __FILE__, (int)i, to_the_cut[i]);
        int64_t before = p->now;
        PLAY(p, "wait 1000");
        cr_assert_leq(p->now - before, 1000000);
        cr_assert_neq(peer_dial(p), 0, "case %zu", i);
        snprintf(link, sizeof link, "%d", p->count);
        peer_pump(p, p->count, SIZE_MAX);
        cr_assert_eq(s->state, RAI_S_ASKED, "case %zu: %s", i, rai_session_state_name(s->state));
        peer_free(p);
    }
}

/* The replay is cut after each byte; the next one begins at the right frame each time. */
Test(engine_recovery, a_replay_cut_at_any_byte_is_replayed_again)
{
    for (int byte = 0; byte < 140; byte++) {
        struct peer *p = peer_new();
        char cut[32];
        two_open(p, NULL);
        snprintf(cut, sizeof cut, "3 cut at %d", byte);
        PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 BARRIER 1",
             "dial", GREET(3), "2< 10 NOBARRIER 1", "3> REATTACH 10 1", TOPOLOGY(3), "3< REATTACHED 1", cut, "dial",
             GREET(4), "4> REATTACH 10 1", TOPOLOGY(4), "4< REATTACHED 1", "4> 10 BARRIER 2", "dial", GREET(5),
             "4< 10 NOBARRIER 2", "5> REATTACH 10 2", TOPOLOGY(5), "5< REATTACHED 1", "5> 10 SEND b 2",
             "5> 10 SEND c 3", "5>");
        peer_free(p);
    }
}

/* --- anchors --- */

Test(engine_recovery, nothing_that_can_be_lost_is_asked_for_on_a_link_without_an_anchor)
{
    struct peer *p = peer_new();
    two_open(p, NULL);
    p->anchors_by_script = true;
    PLAY(p, "1 cut", "dial", GREET(2), "2> ANCHOR 2", "2>", "dial", GREET(3), "3>", "2< CREATED 136",
         "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 BARRIER 1", "3> ANCHOR 3", "2< 10 NOBARRIER 1",
         "3>", "3< CREATED 136", "3> REATTACH 10 1", TOPOLOGY(3), "3< REATTACHED 3", "3>", "2> UNANCHOR 2", "2>",
         "2< UNANCHORED 2", "2 gone");
    peer_free(p);
}

Test(engine_recovery, a_session_at_rest_does_not_wait_for_the_anchor)
{
    struct peer *p = peer_new();
    peer_open(p);
    p->anchors_by_script = true;
    PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 -1", "2>", TOPOLOGY(2), "2< REATTACHED -1", "2> ANCHOR 2");
    EVENTS(p, "disconnected; retrying 1 0; reattached 0");
    peer_free(p);
}

Test(engine_recovery, a_broker_that_refuses_the_anchor_is_asked_all_the_same)
{
    struct peer *p = peer_new();
    two_open(p, NULL);
    p->anchors_by_script = true;
    PLAY(p, "1 cut", "dial", GREET(2), "2> ANCHOR 2", "2< DENIED 119", "2> REATTACH 10 0", "2>");
    peer_free(p);
}

Test(engine_recovery, an_anchor_that_is_not_answered_ends_the_link_later_each_time)
{
    struct peer *p = peer_new();
    two_open(p, NULL);
    p->anchors_by_script = true;
    PLAY(p, "1 cut", "dial", GREET(2), "2> ANCHOR 2", TOPOLOGY(2), "dial", "wait 1999", "2>", "wait 1", "2 gone",
         "3 gone", "wait 2000", "dial", GREET(4), "4> ANCHOR 3", TOPOLOGY(4), "dial", "wait 3999", "4>", "wait 1",
         "4 gone");
    peer_free(p);
}

Test(engine_recovery, leaving_lets_the_anchor_go_and_waits_for_that)
{
    for (int answered = 0; answered < 2; answered++) {
        struct peer *p = peer_new();
        peer_open(p);
        p->anchors_by_script = true;
        rai_op *op = rai_engine_leave(p->e, p->now);
        PLAY(p, "1> UNANCHOR 1", "1>");
        OP(p, op, "pending");
        if (answered)
            PLAY(p, "1< UNANCHORED 1");
        else
            PLAY(p, "wait 1000");
        OP(p, op, "confirmed");
        PLAY(p, "1>");
        peer_free(p);
    }
}

/* Nobody has lost anything when such a session is closed in its move, but for a transaction: it would be dropped whole.
 */
Test(engine_recovery, a_transaction_that_was_never_written_waits_for_the_anchor)
{
    struct peer *p = peer_new();
    rai_op *op;
    peer_start(p);
    rai_session *s = peer_session(p, true);
    PLAY(p, "dial", GREET(1), TOPOLOGY(1), "1> CREATE 10 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    PLAY(p, "1> 10 PRODUCER 1", "1< 10 CONFIRMED 0", "1>");
    p->anchors_by_script = true;
    PLAY(p, "1 cut");
    peer_send(p, producer, "a", 1);
    cr_assert_eq(rai_session_commit(s, p->now, &op, NULL), 0);
    PLAY(p, "dial", GREET(2), "2> ANCHOR 2", "2>", "2< CREATED 136", "2> REATTACH 10 -1");
    OP(p, op, "pending");
    rai_op_unref(op);
    peer_free(p);
}

/* --- several sessions, several links --- */

/* Sessions 10 and 11; 11 has open work. */
static void two_sessions(struct peer *p)
{
    peer_open(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136");
    rai_producer *producer = peer_producer(p, s);
    peer_send(p, producer, "a", 1);
    PLAY(p, "1> 11 PRODUCER 1", "1> 11 SEND a 1", "1 cut", "dial", GREET(2), "2> REATTACH 10 -1", "2> REATTACH 11 -1",
         TOPOLOGY(2), "2< REATTACHED -1", "2< REATTACHED 0", "2> 11 BARRIER 1", "dial", GREET(3), "3> REATTACH 10 -1",
         TOPOLOGY(3), "3< REATTACHED -1");
}

Test(engine_recovery, the_first_link_is_lost_while_the_main_one_lives)
{
    struct peer *p = peer_new();
    two_sessions(p);
    EVENTS(p, "disconnected; retrying 1 0; reattached 0");
    PLAY(p, "2 cut", "3>", "dial", GREET(4), "4> REATTACH 11 -1", TOPOLOGY(4), "4< REATTACHED 0", "4> 11 BARRIER 2",
         "4< 11 NOBARRIER 2", "3> REATTACH 11 0", "3< REATTACHED 1", "3>", "4 gone");
    EVENTS(p, "retrying 1 0; reattached 0; sends 1-1 confirmed");
    cr_assert_eq(peer_stat(p, RA_STAT_REATTACHED), 2, "the released session was not moved again");
    peer_free(p);
}

Test(engine_recovery, the_main_link_is_lost_while_the_first_one_lives)
{
    struct peer *p = peer_new();
    two_sessions(p);
    PLAY(p, "3 cut", "2 gone", "dial", GREET(4), "4> REATTACH 10 -1", "4> REATTACH 11 -1", TOPOLOGY(4));
    peer_free(p);
}

Test(engine_recovery, a_session_without_an_answer_delays_the_others_once)
{
    struct peer *p = peer_new();
    rai_session *stuck = peer_open(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136", "1 cut", "dial", GREET(2), "2> REATTACH 10 -1", "2> REATTACH 11 -1",
         TOPOLOGY(2), "wait 2000", "2 gone", "dial", GREET(3), "3> REATTACH 11 -1", "3>", TOPOLOGY(3),
         "3< REATTACHED -1");
    cr_assert_eq(s->state, RAI_S_OPEN);
    PLAY(p, "dial", GREET(4), "4> REATTACH 10 -1", TOPOLOGY(4), "4< REATTACHED -1", "3> REATTACH 10 -1",
         "3< REATTACHED -1");
    cr_assert_eq(stuck->state, RAI_S_OPEN);
    peer_free(p);
}

/* The broker may have it on the link where it got stuck: that one is left with its anchor, or the session could be
 * closed when it moves on. */
Test(engine_recovery, a_link_on_which_a_session_got_stuck_keeps_its_anchor)
{
    struct peer *p = peer_new();
    rai_session *stuck;
    two_open(p, &stuck);
    peer_session(p, false);
    p->anchors_by_script = true;
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136", "1 cut", "dial", GREET(2), "2> ANCHOR 2", "2> REATTACH 11 -1",
         "2< CREATED 136", "2< REATTACHED -1", "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 BARRIER 1",
         "dial", GREET(3), "3> ANCHOR 3", "3> REATTACH 11 -1", "3< CREATED 136", "3< REATTACHED -1", TOPOLOGY(3),
         "wait 1000", "2> 10 BARRIER 2", "wait 1000", "2>", "2 gone");
    cr_assert_eq(stuck->state, RAI_S_ADRIFT);
    peer_free(p);
}

/* Two that are stuck: one that stays so must not keep the other from being asked for. */
Test(engine_recovery, stuck_sessions_take_turns)
{
    struct peer *p = peer_new();
    peer_open(p);
    rai_session *second = peer_session(p, false);
    PLAY(p, "1> CREATE 11 v136", "1< CREATED 136", "1 cut");
    bool asked = false;
    for (int i = 0; i < 6 && !asked; i++) {
        PLAY(p, "wait 20000");
        if (peer_dial(p) == 0)
            continue;
        char greeted[40];
        snprintf(greeted, sizeof greeted, "%d< TOPOLOGY 136 node", p->count);
        PLAY(p, greeted);
        peer_pump(p, p->count, SIZE_MAX);
        asked = i > 1 && second->state == RAI_S_ASKED && p->e->sessions->state != RAI_S_ASKED;
    }
    cr_assert(asked);
    peer_free(p);
}

Test(engine_recovery, sessions_are_opened_and_closed_while_it_runs)
{
    struct peer *p = peer_new();
    rai_session *s;
    rai_op *closed;
    two_open(p, &s);
    PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 1", "2> 10 BARRIER 1");
    rai_session *other = peer_session(p, false);
    rai_session *third = peer_session(p, false);
    rai_session_release(third, p->now);
    cr_assert_eq(rai_session_close(s, p->now, &closed, NULL), 0);
    PLAY(p, "dial", GREET(3), "3> CREATE 11 v136", "3>", "2< 10 NOBARRIER 1", "3> REATTACH 10 1", TOPOLOGY(3),
         "3< CREATED 136", "3< REATTACHED 3", "3> 10 CLOSE", "3< 10 OK", "3>", "2 gone");
    OP(p, closed, "confirmed");
    cr_assert_eq(other->state, RAI_S_OPEN);
    cr_assert_eq(s->state, RAI_S_CLOSED);
    peer_free(p);
}

Test(engine_recovery, it_may_be_shut_down_at_any_step)
{
    static const char *const steps[] = { "1 cut",
                                         "dial",
                                         "2> PING",
                                         "2> SUBSCRIBE 136",
                                         "2> REATTACH 10 0",
                                         "2< TOPOLOGY 136 node",
                                         "2< REATTACHED 1",
                                         "2> 10 BARRIER 1",
                                         "dial",
                                         "3> PING",
                                         "2< 10 NOBARRIER 1",
                                         "3> SUBSCRIBE 136",
                                         "3< REATTACHED 1" };
    for (size_t n = 0; n <= sizeof steps / sizeof *steps; n++) {
        struct peer *p = peer_new();
        two_open(p, NULL);
        for (size_t i = 0; i < n; i++)
            PLAY(p, steps[i]);
        rai_engine_subscribe(p->e, 0);
        while (rai_engine_has_event(p->e)) {
            struct rai_event event;
            rai_engine_next_event(p->e, &event);
        }
        rai_engine_shut(p->e, p->now);
        EVENTS(p, "sends 2-3 unknown");
        PLAY(p, "no dial");
        peer_free(p);
    }
}

Test(engine_recovery, a_count_of_what_was_never_sent_ends_the_session)
{
    struct peer *p = peer_new();
    rai_session *s;
    two_open(p, &s);
    PLAY(p, "1 cut", "dial", GREET(2), "2> REATTACH 10 0", TOPOLOGY(2), "2< REATTACHED 9");
    cr_assert_eq(s->state, RAI_S_LOST);
    EVENTS(p, "disconnected; retrying 1 0; lost -46; sends 1-1 confirmed; sends 2-3 unknown");
    peer_free(p);
}

/* The refusal of b was lost: c is answered, yet the count does not reach it. */
Test(engine_recovery, a_lost_refusal_is_noticed_and_the_numbering_repaired)
{
    struct peer *p = peer_new();
    rai_producer *producer = two_open(p, NULL);
    PLAY(p, "1< 10 OK 3", "1 cut", "dial", GREET(2), "2> REATTACH 10 1", TOPOLOGY(2), "2< REATTACHED 2",
         "2> 10 BARRIER 1", "dial", GREET(3), "2< 10 NOBARRIER 1", "3> REATTACH 10 2", TOPOLOGY(3), "3< REATTACHED 2",
         "3>");
    EVENTS(p, "disconnected; retrying 1 0; reattached 0; sends 1-1 confirmed; sends 3-3 confirmed; sends 2-2 unknown");
    cr_assert_eq(peer_stat(p, RA_STAT_NUMBERING_REPAIRS), 1);
    peer_send(p, producer, "d", 4);
    PLAY(p, "3> 10 SEND d 4", "3< 10 CONFIRMED 3", "3< 10 OK 4");
    EVENTS(p, "sends 4-4 confirmed");
    peer_free(p);
}

/* The close was done and its answer lost, and the broker still knows the session: it must not come to life again. */
Test(engine_recovery, a_close_that_the_count_covers_is_a_close)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *closed;
    cr_assert_eq(rai_session_close(s, p->now, &closed, NULL), 0);
    PLAY(p, "1> 10 CLOSE", "1 cut", "dial", GREET(2), "2> REATTACH 10 -1", TOPOLOGY(2), "2< REATTACHED -1",
         "2> 10 BARRIER 1", "dial", GREET(3), "2< 10 NOBARRIER 1", "3> REATTACH 10 0", TOPOLOGY(3), "3< REATTACHED 0");
    cr_assert_eq(s->state, RAI_S_CLOSED);
    OP(p, closed, "confirmed");
    EVENTS(p, "disconnected; retrying 1 0");
    peer_free(p);
}

Test(engine_recovery, a_refused_close_that_was_written_is_a_close)
{
    struct peer *p = peer_new();
    rai_session *s = peer_open(p);
    rai_op *closed;
    cr_assert_eq(rai_session_close(s, p->now, &closed, NULL), 0);
    PLAY(p, "1> 10 CLOSE", "1 cut", "dial", GREET(2), "2> REATTACH 10 -1", TOPOLOGY(2), "2< REFUSED", "2>");
    OP(p, closed, "confirmed");
    peer_free(p);
}
