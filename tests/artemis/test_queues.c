/* Queues and addresses: create, delete, ask. And what routeCheck does about an address that leads nowhere. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

struct room {
    ra_connection *connection;
    ra_session *session;
};

static struct room enter(const char *options)
{
    ra_connection *connection = kit_connect(kit_port(), options);
    return (struct room){ connection, kit_session(connection, RA_SESSION_AUTO_COMMIT) };
}

static void leave(struct room room)
{
    GOOD(ra_connection_close(room.connection, PATIENCE_MS, NULL, NULL, &err));
    ra_session_free(room.session);
    ra_connection_free(room.connection);
}

static ra_queue_info *ask(ra_session *session, const char *queue)
{
    ra_queue_info *info = NULL;
    GOOD(ra_session_query_queue(session, queue, &info, &err));
    cr_assert_not_null(info);
    return info;
}

ArtemisTest(queues, created_queue__is_found_as_it_was_made)
{
    struct room room = enter("");
    const char *queue = kit_name("queue"), *address = kit_name("address");
    GOOD(ra_session_create_queue(room.session, queue, address, RA_ROUTING_MULTICAST, RA_QUEUE_DURABLE, "colour='red'",
                                 &err));
    ra_queue_info *info = ask(room.session, queue);
    cr_assert(ra_queue_info_exists(info));
    cr_assert_str_eq(ra_queue_info_name(info), queue);
    cr_assert_str_eq(ra_queue_info_address(info), address);
    cr_assert_str_eq(ra_queue_info_filter(info), "colour='red'");
    cr_assert(ra_queue_info_is_durable(info));
    cr_assert_not(ra_queue_info_is_temporary(info));
    cr_assert_eq(ra_queue_info_routing_type(info), RA_ROUTING_MULTICAST);
    cr_assert_eq(ra_queue_info_consumer_count(info), 0);
    cr_assert_eq(ra_queue_info_message_count(info), 0);
    ra_queue_info_free(info);
    leave(room);
}

ArtemisTest(queues, counts__follow_consumers_and_messages)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_fill(k.producer, 0, 3);
    kit_consume(&k, -2);
    ra_queue_info *info = ask(k.session, k.queue);
    cr_assert_eq(ra_queue_info_message_count(info), 3);
    cr_assert_eq(ra_queue_info_consumer_count(info), 1);
    cr_assert_eq(ra_queue_info_routing_type(info), RA_ROUTING_ANYCAST);
    ra_queue_info_free(info);
    kit_close(&k);
}

ArtemisTest(queues, missing_queue__does_not_exist)
{
    struct room room = enter("");
    ra_queue_info *info = ask(room.session, "queues.missing");
    cr_assert_not(ra_queue_info_exists(info));
    ra_queue_info_free(info);
    GOOD(ra_session_query_address(room.session, "queues.missing", &info, &err));
    cr_assert_not(ra_queue_info_exists(info));
    cr_assert_eq(ra_queue_info_queue_count(info), 0);
    ra_queue_info_free(info);
    leave(room);
}

ArtemisTest(queues, second_of_the_same_name__exists_already)
{
    struct room room = enter("");
    const char *queue = kit_name("queue");
    kit_queue(room.session, queue);
    FAILS(RA_E_QUEUE_EXISTS, ra_session_create_queue(room.session, queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE,
                                                     NULL, &err));
    leave(room);
}

ArtemisTest(queues, deleted_queue__is_gone)
{
    struct room room = enter("");
    const char *queue = kit_name("queue");
    kit_queue(room.session, queue);
    GOOD(ra_session_delete_queue(room.session, queue, &err));
    ra_queue_info *info = ask(room.session, queue);
    cr_assert_not(ra_queue_info_exists(info));
    ra_queue_info_free(info);
    FAILS(RA_E_NO_QUEUE, ra_session_delete_queue(room.session, queue, &err));
    leave(room);
}

ArtemisTest(queues, deleted_under_a_consumer__is_refused)
{
    struct kit k;
    kit_open(&k, kit_port(), "", RA_SESSION_AUTO_COMMIT);
    kit_consume(&k, -2);
    FAILS(RA_E_REJECTED, ra_session_delete_queue(k.session, k.queue, &err));
    kit_close(&k);
}

ArtemisTest(queues, temporary_queue__goes_with_its_connection)
{
    struct room other = enter(""), room = enter("");
    const char *queue = kit_name("queue");
    GOOD(ra_session_create_queue(room.session, queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_TEMPORARY, NULL, &err));
    ra_queue_info *info = ask(other.session, queue);
    cr_assert(ra_queue_info_exists(info));
    cr_assert(ra_queue_info_is_temporary(info));
    cr_assert_not(ra_queue_info_is_durable(info));
    ra_queue_info_free(info);
    leave(room);
    int64_t until = kit_ms() + PATIENCE_MS;
    bool there = true;
    while (there && kit_ms() < until) {
        info = ask(other.session, queue);
        there = ra_queue_info_exists(info);
        ra_queue_info_free(info);
        if (there)
            kit_pause(5);
    }
    cr_assert_not(there);
    leave(other);
}

ArtemisTest(queues, durable_and_temporary__is_refused_here)
{
    struct room room = enter("");
    FAILS(RA_E_ARGUMENT, ra_session_create_queue(room.session, "queues.both", NULL, RA_ROUTING_ANYCAST,
                                                 RA_QUEUE_DURABLE | RA_QUEUE_TEMPORARY, NULL, &err));
    leave(room);
}

ArtemisTest(queues, bad_filter__is_a_filter_error)
{
    struct room room = enter("");
    const char *queue = kit_name("queue");
    FAILS(RA_E_FILTER, ra_session_create_queue(room.session, queue, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE,
                                               "colour = = 'red'", &err));
    kit_queue(room.session, queue);
    ra_consumer *consumer = NULL;
    FAILS(RA_E_FILTER, ra_consumer_open(room.session, queue, "((", 0, -2, &consumer, &err));
    kit_queue(room.session, kit_name("queue")); /* and the session goes on */
    leave(room);
}

ArtemisTest(queues, filtered_queue__takes_what_matches)
{
    struct room room = enter("");
    const char *address = kit_name("address"), *queue = kit_name("queue");
    GOOD(ra_session_create_queue(room.session, queue, address, RA_ROUTING_MULTICAST, 0, "seq >= 3", &err));
    ra_producer *producer = kit_producer(room.session, address);
    for (int32_t seq = 0; seq < 5; seq++)
        kit_send(producer, seq, 1);
    ra_producer_free(producer);
    kit_expect_queue(kit_port(), queue, 3, 2);
    leave(room);
}

ArtemisTest(queues, address__lists_its_queues)
{
    struct room room = enter("");
    const char *address = kit_name("address"), *first = kit_name("queue"), *second = kit_name("queue");
    ra_queue_info *info = NULL;
    GOOD(ra_session_create_address(room.session, address, 1, 0, &err));
    GOOD(ra_session_query_address(room.session, address, &info, &err));
    cr_assert(ra_queue_info_exists(info));
    cr_assert_eq(ra_queue_info_queue_count(info), 0);
    ra_queue_info_free(info);
    GOOD(ra_session_create_queue(room.session, first, address, RA_ROUTING_MULTICAST, 0, NULL, &err));
    GOOD(ra_session_create_queue(room.session, second, address, RA_ROUTING_MULTICAST, 0, NULL, &err));
    GOOD(ra_session_query_address(room.session, address, &info, &err));
    cr_assert_eq(ra_queue_info_queue_count(info), 2);
    const char *a = ra_queue_info_queue_name(info, 0), *b = ra_queue_info_queue_name(info, 1);
    cr_assert((strcmp(a, first) == 0 && strcmp(b, second) == 0) || (strcmp(b, first) == 0 && strcmp(a, second) == 0));
    cr_assert_null(ra_queue_info_queue_name(info, 2));
    cr_assert_null(ra_queue_info_queue_name(info, -1));
    ra_queue_info_free(info);
    leave(room);
}

ArtemisTest(queues, existing_address_again__is_refused_and_the_session_goes_on)
{
    struct room room = enter("");
    const char *address = kit_name("address");
    GOOD(ra_session_create_address(room.session, address, 0, 1, &err));
    ra_error *error = NULL;
    int rc = ra_session_create_address(room.session, address, 0, 1, &error);
    cr_assert(rc == 0 || strstr(ra_error_message(error), address) != NULL, "%s", ra_error_message(error));
    ra_error_free(error);
    kit_queue(room.session, kit_name("queue"));
    leave(room);
}

ArtemisTest(queues, begun_requests__end_one_by_one)
{
    enum { COUNT = 20 };
    struct room room = enter("");
    ra_operation *operations[COUNT];
    const char *queue = kit_name("queue");
    char name[128];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "%s.%d", queue, i / 2); /* every second one exists already */
        GOOD(ra_session_create_queue_begin(room.session, name, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_DURABLE, NULL,
                                           &operations[i], &err));
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 2 == 0)
            GOOD(ra_operation_wait(operations[i], -1, 0, &err));
        else
            FAILS(RA_E_QUEUE_EXISTS, ra_operation_wait(operations[i], -1, 0, &err));
        cr_assert_eq(ra_operation_outcome(operations[i]), i % 2 == 0 ? RA_OUTCOME_CONFIRMED : RA_OUTCOME_REJECTED);
        ra_operation_free(operations[i]);
    }
    ra_operation *query = NULL;
    ra_queue_info *info = NULL, *again = NULL;
    GOOD(ra_session_query_queue_begin(room.session, name, &query, &err));
    GOOD(ra_operation_wait(query, -1, 0, &err));
    GOOD(ra_operation_take_queue_info(query, &info, &err));
    cr_assert_str_eq(ra_queue_info_name(info), name);
    ra_queue_info_free(info);
    cr_assert_lt(ra_operation_take_queue_info(query, &again, NULL), 0);
    cr_assert_null(again);
    ra_operation_free(query);
    leave(room);
}

/* --- routeCheck --- */

ArtemisTest(route_check, verify__refuses_an_address_without_a_queue)
{
    struct room room = enter("routeCheck=verify");
    const char *address = kit_name("address");
    ra_producer *producer = NULL;
    FAILS(RA_E_NO_ADDRESS, ra_producer_open(room.session, address, &producer, &err));
    cr_assert_null(producer);
    GOOD(ra_session_create_address(room.session, address, 0, 1, &err));
    FAILS(RA_E_NO_ROUTE, ra_producer_open(room.session, address, &producer, &err));
    kit_queue(room.session, address);
    producer = kit_producer(room.session, address);
    kit_send(producer, 0, 1);
    ra_producer_free(producer);
    kit_expect_queue(kit_port(), address, 0, 1);
    leave(room);
}

ArtemisTest(route_check, verify__lets_a_topic_without_listeners_be)
{
    struct room room = enter("routeCheck=verify");
    const char *address = kit_name("address");
    GOOD(ra_session_create_address(room.session, address, 1, 0, &err));
    ra_producer *producer = kit_producer(room.session, address);
    kit_send(producer, 0, 1);
    ra_producer_free(producer);
    leave(room);
}

ArtemisTest(route_check, create__makes_address_and_queue)
{
    struct room room = enter("routeCheck=create");
    const char *address = kit_name("address"), *bare = kit_name("address");
    ra_producer *producer = kit_producer(room.session, address);
    kit_send(producer, 0, 1);
    ra_producer *second = kit_producer(room.session, address); /* exists by now */
    kit_send(second, 1, 1);
    GOOD(ra_session_create_address(room.session, bare, 0, 1, &err));
    ra_producer *third = kit_producer(room.session, bare);
    kit_send(third, 0, 1);
    ra_producer_free(producer);
    ra_producer_free(second);
    ra_producer_free(third);
    kit_expect_queue(kit_port(), address, 0, 2);
    kit_expect_queue(kit_port(), bare, 0, 1);
    leave(room);
}

ArtemisTest(route_check, none__sends_into_nowhere)
{
    struct room room = enter("routeCheck=none");
    const char *address = kit_name("address");
    ra_producer *producer = kit_producer(room.session, address);
    ra_message *message = kit_message(0, 1);
    ra_error *error = NULL;
    int rc = ra_producer_send(producer, NULL, message, &error);
    cr_assert(rc == 0 || rc == RA_E_NO_ADDRESS || rc == RA_E_REJECTED, "%s", ra_error_message(error));
    ra_error_free(error);
    ra_message_unref(message);
    ra_producer_free(producer);
    leave(room);
}
