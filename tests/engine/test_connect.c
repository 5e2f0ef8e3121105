/* From the first dial to a session: greetings, peers that are no brokers, versions, pauses between attempts. */
#include "support/test.h"

#include <stdio.h>

#include "peer.h"

#define GREETED(link) link "> PING", link "> SUBSCRIBE 136", link "< TOPOLOGY 136 node"

static struct peer *started(void)
{
    struct peer *p = peer_new();
    peer_start(p);
    return p;
}

Test(engine_connect, preamble_ping_and_subscription_come_first)
{
    struct peer *p = started();
    PLAY(p, "dial", "no dial", "1> PING", "1> SUBSCRIBE 136", "1>");
    cr_assert_arr_eq(p->links[1].out, "ARTEMIS", 7);
    cr_assert_not(rai_engine_connected(p->e));
    PLAY(p, "1< TOPOLOGY 136 node", "1>");
    cr_assert(rai_engine_connected(p->e));
    cr_assert_str_eq(p->e->node_id, "node");
    peer_free(p);
}

Test(engine_connect, input_may_come_in_single_bytes)
{
    struct peer *p = peer_new();
    p->chunk = 1;
    cr_assert(rai_session_is_open(peer_open(p)));
    peer_free(p);
}

Test(engine_connect, a_silent_peer_is_given_up_after_the_connect_time_out)
{
    struct peer *p = started();
    PLAY(p, "dial", "1> PING", "wait 9999");
    cr_assert_not(rai_engine_dead(p->e));
    PLAY(p, "wait 1", "1 gone");
    cr_assert(rai_engine_dead(p->e));
    cr_assert_eq(rai_engine_fault(p->e)->code, RA_E_LINK_SILENT);
    EVENTS(p, "gave up -45");
    peer_free(p);
}

Test(engine_connect, http_is_recognised)
{
    struct peer *p = started();
    PLAY(p, "dial", "1< RAW HTTP/1.1 400 Bad Request", "1 gone");
    cr_assert_eq(rai_engine_fault(p->e)->code, RA_E_PROTOCOL);
    cr_assert_not_null(strstr(rai_engine_fault(p->e)->text, "HTTP"));
    peer_free(p);
}

Test(engine_connect, a_peer_that_closes_at_once_is_told)
{
    struct peer *p = started();
    PLAY(p, "dial", "1 cut");
    cr_assert_eq(rai_engine_fault(p->e)->code, RA_E_LINK_CLOSED);
    peer_free(p);
}

Test(engine_connect, versions_are_tried_downwards_on_the_same_link)
{
    struct peer *p = peer_new();
    peer_start(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "dial", GREETED("1"), "1> CREATE 10 v136", "1< DENIED 108", "1> CREATE 10 v135", "1< DENIED 108",
         "1> CREATE 10 v134", "1< CREATED 134", "1>");
    cr_assert_eq(s->version, 134);
    peer_free(p);
}

/* Refusals of requests that were pipelined with the same version are about that version only. */
Test(engine_connect, pipelined_refusals_lower_the_version_once)
{
    struct peer *p = peer_new();
    peer_start(p);
    peer_session(p, false);
    rai_session *s = peer_session(p, false);
    PLAY(p, "dial", GREETED("1"), "1> CREATE 10 v136", "1> CREATE 11 v136", "1< DENIED 108", "1< DENIED 108",
         "1> CREATE 10 v135", "1> CREATE 11 v135", "1< CREATED 135", "1< CREATED 135");
    cr_assert_eq(s->version, 135);
    peer_free(p);
}

Test(engine_connect, no_version_in_common_ends_the_session)
{
    struct peer *p = peer_new();
    peer_start(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "dial", GREETED("1"));
    for (int version = 136; version >= 129; version--) {
        char create[32];
        snprintf(create, sizeof create, "1> CREATE 10 v%d", version);
        PLAY(p, create, "1< DENIED 108");
    }
    cr_assert_eq(s->state, RAI_S_LOST);
    cr_assert_eq(s->fault.code, RA_E_VERSION);
    peer_free(p);
}

Test(engine_connect, the_topology_tells_the_version)
{
    struct peer *p = peer_new();
    peer_start(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "dial", "1> PING", "1> SUBSCRIBE 136", "1< TOPOLOGY 131 node", "1> CREATE 10 v131", "1< CREATED 131");
    cr_assert_eq(s->version, 131);
    peer_free(p);
}

Test(engine_connect, a_topology_without_version_means_130)
{
    struct peer *p = peer_new();
    peer_start(p);
    peer_session(p, false);
    PLAY(p, "dial", "1> PING", "1> SUBSCRIBE 136", "1< OLDTOPOLOGY node", "1> CREATE 10 v130", "1< CREATED 130");
    peer_free(p);
}

Test(engine_connect, what_an_old_broker_refused_is_remembered_on_the_next_link)
{
    struct peer *p = peer_new();
    peer_start(p);
    peer_session(p, false);
    PLAY(p, "dial", "1> PING", "1> SUBSCRIBE 136", "1< OLDTOPOLOGY node", "1> CREATE 10 v130", "1< DENIED 108",
         "1> CREATE 10 v129", "1< CREATED 129", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1",
         "2< OLDTOPOLOGY node", "2< REFUSED", "2> CREATE 10 v129", "2< CREATED 129");
    peer_free(p);
}

Test(engine_connect, a_refused_user_ends_the_session_not_the_connection)
{
    struct peer *p = peer_new();
    peer_start(p);
    rai_session *s = peer_session(p, false);
    PLAY(p, "dial", GREETED("1"), "1> CREATE 10 v136", "1< DENIED 105");
    cr_assert_eq(s->state, RAI_S_LOST);
    cr_assert_eq(s->fault.code, RA_E_SECURITY);
    cr_assert(rai_engine_connected(p->e));
    peer_free(p);
}

/* --- pauses --- */

Test(engine_connect, pauses_double_up_to_their_cap)
{
    struct peer *p = peer_new();
    p->config.initial_connect_attempts = 6;
    p->config.max_retry_interval = 5000;
    peer_start(p);
    PLAY(p, "dial refused", "no dial", "wait 999", "no dial", "wait 1", "dial refused", "wait 1999", "no dial",
         "wait 1", "dial refused", "wait 4000", "dial refused", "wait 4999", "no dial", "wait 1", "dial refused",
         "wait 5000");
    EVENTS(p, "retrying 6 5000");
    PLAY(p, "dial refused", "wait 100000", "no dial");
    EVENTS(p, "gave up -41");
    peer_free(p);
}

Test(engine_connect, jitter_shortens_a_pause_by_at_most_its_share)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct peer *p = peer_new();
        p->config.initial_connect_attempts = -1;
        p->config.retry_jitter = 0.25;
        p->seed = seed;
        peer_start(p);
        PLAY(p, "dial refused");
        cr_assert_geq(p->e->retry_at - p->now, 750000);
        cr_assert_leq(p->e->retry_at - p->now, 1000000);
        PLAY(p, "deadline", "dial");
        peer_free(p);
    }
}

Test(engine_connect, endpoints_take_turns_and_only_a_whole_round_pauses)
{
    struct peer *p = peer_new();
    p->config.endpoint_count = 3;
    p->config.initial_connect_attempts = 2;
    peer_start(p);
    PLAY(p, "dial refused", "dial refused", "dial refused", "no dial", "wait 1000", "dial refused", "dial");
    cr_assert_eq(p->links[1].endpoint, 1);
    PLAY(p, GREETED("1"), "1 cut", "dial");
    cr_assert_eq(p->links[2].endpoint, 1, "the one that worked comes first");
    peer_free(p);
}

Test(engine_connect, without_reconnect_attempts_a_lost_link_is_the_end)
{
    struct peer *p = peer_new();
    p->config.reconnect_attempts = 0;
    rai_session *s = peer_open(p);
    PLAY(p, "1 cut", "no dial");
    cr_assert(rai_engine_dead(p->e));
    cr_assert_eq(s->state, RAI_S_LOST);
    EVENTS(p, "disconnected; lost -49; gave up -49");
    peer_free(p);
}

Test(engine_connect, reconnect_attempts_are_counted)
{
    struct peer *p = peer_new();
    p->config.reconnect_attempts = 2;
    peer_open(p);
    PLAY(p, "1 cut", "dial refused", "wait 1000", "dial refused", "no dial");
    cr_assert(rai_engine_dead(p->e));
    peer_free(p);
}

Test(engine_connect, a_lost_link_that_worked_is_dialed_again_at_once)
{
    struct peer *p = peer_new();
    peer_open(p);
    PLAY(p, "1 cut", "dial");
    peer_free(p);
}

/* A broker that greets and then says "not yet": no spinning. */
Test(engine_connect, a_broker_that_is_starting_is_not_dialed_in_a_tight_loop)
{
    struct peer *p = peer_new();
    peer_start(p);
    peer_session(p, false);
    int dials = 0;
    for (int i = 0; i < 50 && peer_dial(p) > 0; i++, dials++) {
        char greeted[2][64];
        snprintf(greeted[0], sizeof greeted[0], "%d< TOPOLOGY 136 node", p->count);
        snprintf(greeted[1], sizeof greeted[1], "%d< DENIED 112", p->count);
        PLAY(p, greeted[0], greeted[1]);
    }
    cr_assert_leq(dials, 1 + RAI_QUICK_RETRIES, "%d dials without a pause", dials);
    PLAY(p, "wait 1000", "dial");
    peer_free(p);
}

/* The reference tries again for ever, with a constant pause (W17). */
Test(engine_connect, w17__credentials_that_are_no_good_any_more_end_the_session_with_that_error)
{
    static const struct {
        const char *denied;
        int code;
    } cases[] = { { "2< DENIED 105", RA_E_SECURITY }, { "2< DENIED 108", RA_E_VERSION } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer *p = peer_new();
        rai_session *s = peer_open(p);
        PLAY(p, "1 cut", "dial", GREETED("2"), "2> REATTACH 10 -1", "2< REFUSED", "2> CREATE 10 v136", cases[i].denied, "2>",
             "no dial");
        cr_assert_eq(s->state, RAI_S_LOST);
        cr_assert_eq(s->fault.code, cases[i].code);
        peer_free(p);
    }
}

/* The reference waits once more although the last endpoint of the round has answered (W18). */
Test(engine_connect, w18__no_pause_behind_an_attempt_that_succeeded)
{
    struct peer *p = peer_new();
    p->config.endpoint_count = 2;
    p->config.reconnect_attempts = 0;
    p->config.failover_attempts = 1;
    peer_open(p);
    PLAY(p, "1 cut", "dial refused", "dial", GREETED("2"), "2> REATTACH 10 -1", "2< REATTACHED -1");
    cr_assert(rai_engine_connected(p->e));
    peer_free(p);
}

/* The reference's first pause is as long as retryInterval, whatever maxRetryInterval says (W19). */
Test(engine_connect, w19__the_first_pause_is_capped_like_the_others)
{
    struct peer *p = peer_new();
    p->config.retry_interval = 60000;
    p->config.max_retry_interval = 2000;
    peer_open(p);
    PLAY(p, "1 cut", "dial refused", "wait 1999", "no dial", "wait 1", "dial");
    peer_free(p);
}

/* The reference notices after the TTL at the earliest, when the broker has forgotten the session (W20). With reliable=true: */
Test(engine_connect, w20__silence_is_noticed_while_the_broker_still_has_the_session)
{
    struct peer *p = peer_new();
    struct rai_dial dial;
    p->config.check_period = 3000;
    p->config.connection_ttl = 30000;
    peer_start(p);
    peer_session(p, false);
    cr_assert(rai_engine_next_dial(p->e, &dial));
    cr_assert_eq(dial.silence_us, 10000000, "the kernel is told as well");
    cr_assert_eq(dial.timeout_us, 10000000, "and connecting has a limit of its own");
    peer_free(p);
    p = peer_new();
    p->config.check_period = 3000;
    p->config.connection_ttl = 30000;
    peer_open(p);
    for (int i = 0; i < 3; i++)
        PLAY(p, "wait 3000", "1> PING");
    PLAY(p, "wait 999");
    cr_assert(rai_engine_connected(p->e));
    PLAY(p, "wait 1", "1 gone", "dial");
    peer_free(p);
}

Test(engine_connect, pings_go_out_in_their_period_and_silence_ends_the_link)
{
    struct peer *p = peer_new();
    p->config.check_period = 3000;
    p->config.connection_ttl = 30000;
    peer_open(p);
    PLAY(p, "wait 2999", "1>", "wait 1", "1> PING", "1< PING", "wait 3000", "1> PING", "wait 6999");
    cr_assert(rai_engine_connected(p->e));
    PLAY(p, "wait 1", "1 gone");
    peer_free(p);
}

Test(engine_connect, a_disconnect_packet_ends_the_link)
{
    struct peer *p = peer_new();
    peer_open(p);
    PLAY(p, "1< DISCONNECT", "1 gone", "dial");
    cr_assert_eq(rai_engine_last_fault(p->e)->code, RA_E_DISCONNECTED);
    peer_free(p);
}

static void expect_line(struct peer *p, const char *text)
{
    struct rai_event event;
    while (rai_engine_next_event(p->e, &event))
        if (event.kind == RA_EVENT_LOG) {
            cr_assert_str_eq(event.text, text);
            return;
        }
    cr_assert_fail("no line: %s", text);
}

/* With the option log the engine says what no other event does; session names, which are secrets, never. */
Test(engine_connect, what_happens_is_logged_for_who_wants_it)
{
    struct peer *p = peer_new();
    p->config.log_events = true;
    p->config.confirmation_window = 0;
    rai_session *s = peer_open(p);
    expect_line(p, "confirmationWindowSize=0 counts as 1: every packet is confirmed; -1 switches re-attachment off");
    expect_line(p, "link 1 to a:1 is up; broker version 136, node node");
    rai_producer *producer = peer_producer(p, s);
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 10 PRODUCER 1", "1> 10 SEND x 1", "1 cut", "dial", "2> PING", "2> SUBSCRIBE 136", "2> REATTACH 10 -1",
         "2< TOPOLOGY 136 node", "2< REATTACHED 0", "2> 10 BARRIER 1", "dial", "3> PING", "3> SUBSCRIBE 136",
         "2< 10 NOBARRIER 1", "3< TOPOLOGY 136 node", "3> REATTACH 10 0", "3< REATTACHED 0", "3> 10 SEND x 1");
    expect_line(p, "link 3 to a:1 is up; broker version 136, node node");
    expect_line(p, "session 10: found again on link 3, after a barrier: the broker has 1 commands, 1 are written again");
    peer_free(p);
}
