/* Metadata on a real broker. That it has them shows in what it refuses to others. */
#include "kit.h"

#define QUICK "reliable=true&retryInterval=20&retryJitter=0"

static void leave(ra_connection *connection, ra_session *session)
{
    GOOD(ra_connection_close(connection, PATIENCE_MS, NULL, NULL, &err));
    ra_session_free(session);
    ra_connection_free(connection);
}

static void is_taken(ra_session *by_another, const char *key, const char *value)
{
    ra_error *err = NULL;
    cr_assert_eq(ra_session_add_unique_metadata(by_another, key, value, &err), RA_E_REJECTED);
    cr_assert_eq(ra_error_broker_code(err), 114, "%s", ra_error_message(err));
    ra_error_free(err);
}

/* As soon as the broker has let go of the session that had it. */
static void becomes_free(ra_session *session, const char *key)
{
    int64_t give_up = kit_ms() + PATIENCE_MS;
    while (ra_session_add_unique_metadata(session, key, "x", NULL) < 0) {
        cr_assert_lt(kit_ms(), give_up, "%s stays taken", key);
        kit_pause(5);
    }
}

ArtemisTest(metadata, unique__is_refused_to_a_second_session)
{
    ra_connection *connection = kit_connect(kit_port(), "");
    ra_session *first = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_session *second = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    const char *plain = kit_name("plain"), *own = kit_name("own");

    GOOD(ra_session_add_metadata(first, plain, "", &err));
    GOOD(ra_session_add_metadata(first, plain, "till 7 \xe2\x82\xac", &err)); /* in its place */
    GOOD(ra_session_add_unique_metadata(first, own, "x", &err));
    GOOD(ra_session_add_unique_metadata(first, own, "x", &err));
    GOOD(ra_session_add_unique_metadata(second, plain, "", &err));
    is_taken(second, plain, "till 7 \xe2\x82\xac");
    is_taken(second, own, "x");
    GOOD(ra_session_add_metadata(second, own, "x", &err)); /* nothing keeps others from that */
    GOOD(ra_session_close(first, PATIENCE_MS, NULL, NULL, &err));
    GOOD(ra_session_add_unique_metadata(second, plain, "till 7 \xe2\x82\xac", &err));
    ra_session_free(first);
    leave(connection, second);
}

/* With cuts where it hurts: each is set, and once, whatever was lost. */
ArtemisTest(metadata, under_cuts__is_set_all_the_same)
{
    enum { CUTS = 8, SET_UNIQUE = 106, NULL_RESPONSE = 21 };
    struct relay *r = kit_relay(kit_port());
    ra_connection *connection = kit_connect(relay_port(r), QUICK), *direct = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_session *another = kit_session(direct, RA_SESSION_AUTO_COMMIT);

    for (int i = 0; i < CUTS; i++) {
        const char *key = kit_name("own");
        struct relay_match command = relay_match_type(RELAY_TO_BROKER, SET_UNIQUE);
        struct relay_match answer = relay_match_type(RELAY_TO_CLIENT, NULL_RESPONSE);
        int trap = relay_cut_at(r, i % 2 == 0 ? &command : &answer, i % 4 < 2 ? RELAY_BEFORE : RELAY_AFTER, 0, RELAY_RST);
        cr_assert_gt(trap, 0);
        GOOD(ra_session_add_unique_metadata(session, key, "x", &err));
        relay_disarm(r, 0);
        is_taken(another, key, "x");
    }
    cr_assert_geq(kit_stat(connection, RA_STAT_REATTACHED), CUTS / 2);
    cr_assert_eq(kit_stat(connection, RA_STAT_RECREATED), 0);
    leave(direct, another);
    leave(connection, session);
    relay_stop(r);
}

ArtemisTest(metadata, of_a_recreated_session__is_set_again)
{
    struct relay *r = kit_relay(kit_port());
    ra_connection *connection = kit_connect(relay_port(r), QUICK "&confirmationWindowSize=-1");
    ra_connection *direct = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    ra_session *another = kit_session(direct, RA_SESSION_AUTO_COMMIT);
    const char *plain = kit_name("plain"), *own = kit_name("own");

    GOOD(ra_session_add_metadata(session, plain, "x", &err));
    relay_cut(r, RELAY_RST);
    kit_await_stat(connection, RA_STAT_RECREATED, 1);
    GOOD(ra_session_add_unique_metadata(session, own, "x", &err)); /* behind what is set again */
    is_taken(another, plain, "x");
    is_taken(another, own, "x");
    leave(direct, another);
    leave(connection, session);
    relay_stop(r);
}

ArtemisTest(metadata, that_another_one_took_meanwhile__ends_the_session)
{
    struct relay *r = kit_relay(kit_port());
    ra_connection *connection = kit_connect(relay_port(r), QUICK "&confirmationWindowSize=-1");
    ra_connection *direct = kit_connect(kit_port(), "");
    ra_session *session = kit_session(connection, RA_SESSION_AUTO_COMMIT), *sibling;
    ra_session *another = kit_session(direct, RA_SESSION_AUTO_COMMIT);
    const char *first = kit_name("own"), *own = kit_name("own");

    GOOD(ra_session_add_unique_metadata(session, first, "x", &err));
    GOOD(ra_session_add_unique_metadata(session, own, "x", &err));
    GOOD(ra_connection_subscribe(connection, RA_EVENTS_FAILURE, &err));
    relay_refuse(r, true);
    relay_cut(r, RELAY_RST);
    becomes_free(another, own); /* without a window a cut is the end of it */
    relay_refuse(r, false);
    ra_event *event = kit_await_event(connection, RA_EVENT_SESSION_LOST);
    cr_assert_eq(ra_event_session(event), session);
    cr_assert_eq(ra_error_broker_code(ra_event_error(event)), 114);
    ra_event_free(event);
    FAILS(RA_E_REJECTED, ra_session_start(session, &err));
    sibling = kit_session(connection, RA_SESSION_AUTO_COMMIT);
    becomes_free(sibling, first); /* the lost one was closed there */
    ra_session_free(session);
    leave(direct, another);
    leave(connection, sibling);
    relay_stop(r);
}
