/* Pairs, clusters, redirects: where the next attempt goes. Endpoint n of the peer is at a:(n + 1). */
#include "support/test.h"

#include <stdio.h>

#include "peer.h"

#define GREETED(link) link "> PING", link "> SUBSCRIBE 136"
#define OPENED(link)  link "> CREATE 10 v136", link "< CREATED 136"
#define ASKED(link)   GREETED(link), link "> REATTACH 10 -1"

/* A session on a:1; `news` is what its broker says about its cluster. */
static struct peer *open_with(struct peer *p, const char *news)
{
    p->config.topology_for_balancing = true;
    peer_start(p);
    peer_session(p, false);
    PLAY(p, "dial", GREETED("1"), news, OPENED("1"), "1>");
    return p;
}

static void goes_to(struct peer *p, int link, int port)
{
    cr_assert_eq(p->links[link].endpoint + 1, port, "link %d went to a:%d", link, p->links[link].endpoint + 1);
}

/* Refuses one attempt after the other and wants to see these; -1: a pause of a second before the next. */
static void refused_at(struct peer *p, const int *ports)
{
    for (; *ports != 0; ports++) {
        if (*ports < 0) {
            PLAY(p, "no dial", "wait 1000");
            continue;
        }
        cr_assert_eq(rai_engine_target(p->e)->port, *ports, "a:%d instead of a:%d", (int)rai_engine_target(p->e)->port, *ports);
        PLAY(p, "dial refused");
    }
}
#define REFUSED_AT(p, ...) refused_at((p), (const int[]){ __VA_ARGS__, 0 })

/* --- pairs --- */

Test(engine_topology, the_backup_is_tried_after_the_live_one_and_sessions_are_made_there)
{
    struct peer *p = open_with(peer_new(), "1< NODE 4 5 pair 1 2 last");
    EVENTS(p, "");
    PLAY(p, "1 cut", "dial refused", "dial", ASKED("2"), "2< NODE 4 9 pair 2 0 last", "2< REFUSED", OPENED("2"));
    goes_to(p, 2, 2);
    EVENTS(p, "disconnected; retrying 2 0; recreated 0 0 elsewhere");
    cr_assert(rai_endpoint_same(&p->e->targets.previous, &p->endpoints[0]));
    peer_free(p);
}

/* Behind a relay the address that a broker gives itself leads around it, and maybe to another acceptor. */
Test(engine_topology, the_way_that_led_there_is_taken_again)
{
    struct peer *p = open_with(peer_new(), "1< NODE 4 5 pair 3 2 last");
    cr_assert_str_eq(p->e->node_id, "pair");
    PLAY(p, "1 cut");
    REFUSED_AT(p, 1, 2, -1, 1, 2);
    peer_free(p);
}

Test(engine_topology, every_version_of_the_packet_tells_of_the_backup)
{
    for (int version = 1; version <= 4; version++) {
        char news[64];
        snprintf(news, sizeof news, "1< NODE %d 5 pair 1 2 last", version);
        struct peer *p = peer_new();
        peer_start(p);
        peer_session(p, false);
        PLAY(p, "dial", GREETED("1"), news, version == 4 ? "1> CREATE 10 v136" : "1> CREATE 10 v130", "1< CREATED 136",
             "1 cut");
        REFUSED_AT(p, 1, 2, -1, 1);
        peer_free(p);
    }
}

Test(engine_topology, a_backup_that_comes_later_is_learned)
{
    struct peer *p = open_with(peer_new(), "1< NODE 4 5 pair 1 0 last");
    PLAY(p, "1< NODE 4 6 pair 1 3 last", "1 cut");
    REFUSED_AT(p, 1, 3, -1, 1, 3);
    peer_free(p);
}

Test(engine_topology, older_news_are_ignored)
{
    struct peer *p = open_with(peer_new(), "1< NODE 4 5 pair 1 2 last");
    PLAY(p, "1< NODE 4 4 pair 1 3 last", "1< NODE 4 6 other 4 0 last", "1< LEFT 4 7 other", "1< NODE 4 6 other 4 0 last",
         "1 cut");
    p->config.failover_attempts = 1;
    p->config.reconnect_attempts = 1;
    REFUSED_AT(p, 1, 2, 1, 2);
    cr_assert(rai_engine_dead(p->e));
    peer_free(p);
}

/* Failed over to the backup, then back: each time the other one is known, by name or from before. */
Test(engine_topology, there_and_back_again)
{
    struct peer *p = open_with(peer_new(), "1< NODE 4 5 pair 1 2 last");
    PLAY(p, "1 cut", "dial refused", "dial", ASKED("2"), "2< NODE 4 9 pair 2 0 last", "2< REFUSED", OPENED("2"));
    PLAY(p, "2 cut", "dial refused", "dial", ASKED("3"), "3< NODE 4 11 pair 1 2 last", "3< REFUSED", OPENED("3"));
    goes_to(p, 3, 1);
    EVENTS(p, "disconnected; retrying 2 0; recreated 0 0 elsewhere; disconnected; retrying 2 0; recreated 0 0 elsewhere");
    PLAY(p, "3 cut", "dial", ASKED("4"), "4< NODE 4 11 pair 1 2 last", "4< REATTACHED -1");
    goes_to(p, 4, 1);
    peer_free(p);
}

Test(engine_topology, recreated_where_it_was_is_not_failed_over)
{
    struct peer *p = open_with(peer_new(), "1< NODE 4 5 pair 1 2 last");
    PLAY(p, "1 cut", "dial", ASKED("2"), "2< NODE 4 9 pair 1 2 last", "2< REFUSED", OPENED("2"));
    EVENTS(p, "disconnected; retrying 1 0; recreated 0 0");
    peer_free(p);
}

Test(engine_topology, an_older_broker_in_between_does_not_lower_the_version_for_good)
{
    struct peer *p = open_with(peer_new(), "1< NODE 4 5 pair 1 2 last");
    PLAY(p, "1 cut", "dial refused", "dial", ASKED("2"), "2< TOPOLOGY 131 node", "2< REFUSED", "2> CREATE 10 v131",
         "2< CREATED 131", "2 cut", "dial refused", "dial", ASKED("3"), "3< TOPOLOGY 136 node", "3< REFUSED", OPENED("3"));
    peer_free(p);
}

Test(engine_topology, other_links_go_where_the_main_one_is)
{
    struct peer *p = peer_new();
    p->config.endpoint_count = 3;
    rai_producer *producer = peer_producer(p, peer_open(p));
    PLAY(p, "1> 10 PRODUCER 1");
    peer_send(p, producer, "x", 1);
    PLAY(p, "1> 10 SEND x 1", "1 cut", "dial refused", "dial", GREETED("2"), "2> REATTACH 10 -1", "dial");
    goes_to(p, 2, 2);
    goes_to(p, 3, 2);
    peer_free(p);
}

/* --- which node we are on --- */

Test(engine_topology, our_node_is_the_one_at_the_address_dialed)
{
    struct peer *p = peer_new();
    peer_start(p);
    peer_session(p, false);
    PLAY(p, "dial", GREETED("1"), "1< NODE 4 5 other 3 4 more", "1>");
    cr_assert_not(rai_engine_connected(p->e));
    PLAY(p, "1< NODE 4 5 ours 1 2 last", OPENED("1"));
    cr_assert_str_eq(p->e->node_id, "ours");
    peer_free(p);
}

Test(engine_topology, another_spelling_of_the_address_is_known_by_its_port)
{
    struct peer *p = peer_new();
    strcpy(p->endpoints[0].host, "localhost");
    peer_start(p);
    PLAY(p, "dial", GREETED("1"), "1< NODE 4 5 ours 1 2 more", "1< NODE 4 5 other 3 4 last");
    cr_assert_str_eq(p->e->node_id, "ours");
    peer_free(p);
}

Test(engine_topology, a_node_that_cannot_be_told_is_left_open)
{
    struct peer *p = peer_new();
    strcpy(p->endpoints[0].host, "localhost");
    peer_start(p);
    PLAY(p, "dial", GREETED("1"), "1< NODE 4 5 this 2 3 more", "1< NODE 4 5 that 3 4 last");
    cr_assert_str_empty(p->e->node_id);
    peer_free(p);
}

Test(engine_topology, addresses_are_mapped)
{
    struct rai_address_map map[] = { { { "a", 2 }, { "b", 0 } }, { { "a", 0 }, { "c", 7 } } };
    struct peer *p = peer_new();
    p->config.address_map = map;
    p->config.address_map_count = 2;
    open_with(p, "1< NODE 4 5 pair 2 3 last");
    const struct rai_node *node = rai_node_find(p->e, "pair");
    cr_assert(rai_endpoint_same(&node->primary, &(struct rai_endpoint){ "b", 2 }), "the first that fits, the port stays");
    cr_assert(rai_endpoint_same(&node->backup, &(struct rai_endpoint){ "c", 7 }));
    peer_free(p);
}

Test(engine_topology, a_cluster_without_end_is_remembered_in_part)
{
    struct peer *p = peer_new();
    peer_start(p);
    PLAY(p, "dial", GREETED("1"));
    for (int i = 0; i < 3 * RAI_NODES_MAX; i++) {
        char news[64];
        snprintf(news, sizeof news, "1< NODE 4 5 n%d 1 2 %s", i, i + 1 == 3 * RAI_NODES_MAX ? "last" : "more");
        PLAY(p, news);
    }
    cr_assert_eq(p->e->node_count, RAI_NODES_MAX);
    PLAY(p, "1< LEFT 4 6 n7", "1< NODE 4 5 new 1 2 last");
    cr_assert_eq(p->e->node_count, RAI_NODES_MAX);
    cr_assert_not_null(rai_node_find(p->e, "new"));
    peer_free(p);
}

/* --- other nodes --- */

#define CLUSTER "1< NODE 4 5 third 5 0 more", "1< NODE 4 5 ours 1 2 more", "1< NODE 4 5 second 3 4 last"

static struct peer *in_a_cluster(int32_t reconnects, int32_t failovers)
{
    struct peer *p = peer_new();
    p->config.topology_for_balancing = true;
    p->config.reconnect_attempts = reconnects;
    p->config.failover_attempts = failovers;
    peer_start(p);
    peer_session(p, false);
    PLAY(p, "dial", GREETED("1"), CLUSTER, OPENED("1"), "1>");
    return p;
}

Test(engine_topology, other_nodes_come_after_the_reconnect_attempts_without_a_pause)
{
    struct peer *p = in_a_cluster(2, 2);
    PLAY(p, "1 cut");
    REFUSED_AT(p, 1, 2, -1, 1, 2, 5, 3, 4, 1, 2, -1, 5, 3, 4, 1, 2);
    cr_assert(rai_engine_dead(p->e));
    peer_free(p);
}

Test(engine_topology, without_reconnect_attempts_other_nodes_are_tried_at_once)
{
    struct peer *p = in_a_cluster(0, -1);
    PLAY(p, "1 cut", "dial refused", "dial", ASKED("2"), "2< NODE 4 6 second 3 4 last", "2< REFUSED", OPENED("2"));
    goes_to(p, 2, 3);
    EVENTS(p, "disconnected; retrying 2 0; recreated 0 0 elsewhere");
    cr_assert_str_eq(p->e->node_id, "second");
    PLAY(p, "2 cut"); /* the pair is another one now */
    REFUSED_AT(p, 5, 1, 2, 3, 4, -1, 5);
    peer_free(p);
}

Test(engine_topology, turns_begin_with_different_nodes)
{
    static const int wanted[][5] = { { 5, 3, 4, 1, 2 }, { 3, 4, 5, 1, 2 } };
    for (uint32_t turn = 0; turn < 4; turn++) {
        struct peer *p = in_a_cluster(0, 1);
        p->config.turn = turn;
        PLAY(p, "1 cut");
        for (int i = 0; i < 5; i++)
            REFUSED_AT(p, wanted[turn % 2][i]);
        peer_free(p);
    }
}

Test(engine_topology, the_url_alone_if_the_topology_is_not_to_be_used)
{
    struct peer *p = in_a_cluster(0, 1);
    p->config.topology_for_balancing = false;
    p->config.endpoint_count = 4;
    PLAY(p, "1 cut");
    REFUSED_AT(p, 3, 4, 1, 2);
    cr_assert(rai_engine_dead(p->e));
    peer_free(p);
}

Test(engine_topology, the_first_connection_follows_the_policy)
{
    struct peer *p = peer_new();
    p->config.endpoint_count = 3;
    p->config.turn = 4;
    peer_start(p);
    REFUSED_AT(p, 2, 3, 1);
    peer_free(p);
    int firsts[3] = { 0 };
    for (uint64_t seed = 1; seed < 200; seed++) {
        p = peer_new();
        p->config.endpoint_count = 3;
        p->config.balance = RAI_BALANCE_RANDOM;
        p->seed = seed * 7919;
        peer_start(p);
        firsts[rai_engine_target(p->e)->port - 1]++;
        peer_free(p);
    }
    for (int i = 0; i < 3; i++)
        cr_assert(firsts[i] > 40 && firsts[i] < 95, "%d of 199", firsts[i]);
}

/* --- being sent elsewhere --- */

/* W28: the reference needs reconnectAttempts for that. */
Test(engine_topology, w28__a_redirect_is_followed_without_reconnect_attempts)
{
    struct peer *p = peer_new();
    p->config.reconnect_attempts = 0;
    peer_start(p);
    peer_session(p, false);
    PLAY(p, "dial", GREETED("1"), "1< TOPOLOGY 136 node", "1> CREATE 10 v136", "1< DISCONNECT 3 0 other 3", "1 gone", "dial",
         GREETED("2"), "2< TOPOLOGY 136 other", OPENED("2"));
    goes_to(p, 2, 3);
    EVENTS(p, "disconnected; retrying 1 0");
    peer_free(p);
}

Test(engine_topology, a_redirect_to_where_nobody_answers_is_one_failed_attempt)
{
    struct peer *p = open_with(peer_new(), "1< TOPOLOGY 136 node");
    PLAY(p, "1< DISCONNECT 3 1 - 3");
    REFUSED_AT(p, 3, 1, -1, 1);
    peer_free(p);
}

Test(engine_topology, redirects_in_a_circle_end)
{
    struct peer *p = peer_new();
    p->config.reconnect_attempts = 0;
    peer_start(p);
    peer_session(p, false);
    int dials = 0;
    while (peer_dial(p) > 0 && dials++ < 100) {
        char steps[2][64];
        snprintf(steps[0], sizeof steps[0], "%d< TOPOLOGY 136 node", p->count);
        snprintf(steps[1], sizeof steps[1], "%d< DISCONNECT 3 0 - %d", p->count, 1 + dials % 2);
        PLAY(p, steps[0], steps[1]);
    }
    cr_assert(rai_engine_dead(p->e));
    cr_assert_leq(dials, 1 + RAI_REDIRECTS_MAX + RAI_QUICK_RETRIES);
    peer_free(p);
}

Test(engine_topology, a_scale_down_goes_on_at_its_target)
{
    for (int version = 2; version <= 3; version++) {
        struct peer *p = in_a_cluster(1, 0);
        char leave[64];
        snprintf(leave, sizeof leave, "1< DISCONNECT %d 2 second 0", version);
        PLAY(p, leave, "dial", ASKED("2"));
        goes_to(p, 2, 3);
        peer_free(p);
    }
}

Test(engine_topology, an_orderly_stop_is_an_ordinary_loss)
{
    static const char *const ends[] = { "1< DISCONNECT 1 0 - 0", "1< DISCONNECT 2 0 - 0", "1< DISCONNECT 3 4 - 0",
                                        "1< DISCONNECT 3 2 unheard-of 0" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct peer *p = in_a_cluster(1, 0);
        PLAY(p, ends[i]);
        REFUSED_AT(p, 1, 2);
        cr_assert(rai_engine_dead(p->e));
        peer_free(p);
    }
}

/* --- the log --- */

/* The lines that wait; other events are thrown away. */
static void said(struct peer *p, const char *const *lines)
{
    struct rai_event event;
    while (rai_engine_next_event(p->e, &event)) {
        if (event.kind != RA_EVENT_LOG)
            continue;
        cr_assert_not_null(*lines, "also \"%s\"", event.text);
        cr_assert_str_eq(event.text, *lines++);
    }
    cr_assert_null(*lines, "not \"%s\"", *lines);
}
#define SAID(p, ...) said((p), (const char *const[]){ __VA_ARGS__, NULL })

Test(engine_topology, what_is_new_about_a_cluster_is_logged_once)
{
    struct peer *p = peer_new();
    p->config.log_events = true;
    open_with(p, "1< NODE 4 5 pair 1 0 last");
    SAID(p, "node pair is at a:1, its backup nowhere", "link 1 to a:1 is up; broker version 136, node pair");
    PLAY(p, "1< NODE 4 6 pair 1 0 last", "1< NODE 4 7 pair 1 2 last", "1< NODE 4 1 other 3 0 last", "1< NODE 4 4 pair 1 3 last");
    SAID(p, "node pair is at a:1, its backup a:2", "node other is at a:3, its backup nowhere");
    PLAY(p, "1< LEFT 4 8 other", "1< LEFT 4 9 other", "1< LEFT 4 1 stranger");
    SAID(p, "node other at a:3 has left the cluster");
    PLAY(p, "1< NODE 4 10 other 3 0 last", "1 cut", "dial", ASKED("2"), "2< NODE 4 7 pair 1 2 last", "2< NODE 4 10 other 3 0 last");
    SAID(p, "node other is at a:3, its backup nowhere");
    peer_free(p);
}

Test(engine_topology, redirects_are_logged)
{
    struct peer *p = peer_new();
    p->config.log_events = true;
    p->config.reconnect_attempts = 0;
    peer_start(p);
    peer_session(p, false);
    PLAY(p, "dial", GREETED("1"), "1< TOPOLOGY 136 node", "1> CREATE 10 v136", "1< DISCONNECT 3 0 other 3", "1 gone");
    SAID(p, "link 1 to a:1 is up; broker version 136, node node", "link 1: redirect to a:3");
    p->e->targets.redirects = RAI_REDIRECTS_MAX;
    PLAY(p, "dial", GREETED("2"), "2< TOPOLOGY 136 other", "2> CREATE 10 v136", "2< DISCONNECT 3 0 - 1", "2 gone");
    SAID(p, "link 2 to a:3 is up; broker version 136, node other",
         "link 2: redirect to a:1, which is not followed: there were too many in a row");
    peer_free(p);
}
