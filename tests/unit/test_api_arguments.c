/* What every exported function does with NULL and with numbers and texts that it cannot take. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include <reattach/reattach.h>

#include "api/handle.h"
#include "api/options.h"
#include "base/alloc.h"

/* The call is refused, and the error names the argument. */
#define REFUSED(call, words)                                                                                   \
    do {                                                                                                       \
        ra_error *err = (ra_error *)(void *)&err; /* must be overwritten */                                    \
        int64_t code_ = (call);                                                                                \
        cr_assert_eq(code_, RA_E_ARGUMENT, "%s: %d", #call, (int)code_);                                       \
        cr_assert_not_null(err, "%s", #call);                                                                  \
        cr_assert_eq(ra_error_code(err), RA_E_ARGUMENT, "%s", #call);                                          \
        cr_assert_not_null(strstr(ra_error_message(err), "argument"), "%s: %s", #call, ra_error_message(err)); \
        cr_assert_not_null(strstr(ra_error_message(err), words), "%s: %s", #call, ra_error_message(err));      \
        ra_error_free(err);                                                                                    \
    } while (0)

#define NULL_REFUSED(call, name) REFUSED(call, "argument " name " is NULL")

static void ignore_event(void *user, const ra_event *event)
{
    (void)user;
    (void)event;
}

/* --- NULL handles ---------------------------------------------------------------------------------------------- */

Test(api_arguments, null_connections__are_refused_by_name)
{
    ra_connection *connection;
    ra_session *session = NULL;
    ra_operation *operation;
    ra_event *event;
    ra_listener *listener;
    int64_t value;

    NULL_REFUSED(ra_connection_open(NULL, NULL, 0, &connection, &err), "url");
    NULL_REFUSED(ra_connection_open("tcp://a", NULL, 0, NULL, &err), "connection_out");
    NULL_REFUSED(ra_connection_close(NULL, 0, NULL, NULL, &err), "connection");
    NULL_REFUSED(ra_connection_descriptor(NULL, &err), "connection");
    NULL_REFUSED(ra_connection_process(NULL, &err), "connection");
    NULL_REFUSED(ra_connection_interrupt(NULL, &err), "connection");
    NULL_REFUSED(ra_connection_stat(NULL, RA_STAT_LINKS, &value, &err), "connection");
    NULL_REFUSED(ra_connection_listen(NULL, NULL, RA_EVENTS_ALL, ignore_event, NULL, NULL, &listener, &err),
                 "connection");
    NULL_REFUSED(ra_connection_dispatch(NULL, 0, &err), "connection");
    NULL_REFUSED(ra_connection_wait_event(NULL, 0, &err), "connection");
    NULL_REFUSED(ra_connection_subscribe(NULL, 0, &err), "connection");
    NULL_REFUSED(ra_connection_next_event(NULL, &event, &err), "connection");
    NULL_REFUSED(ra_session_open(NULL, 0, &session, &err), "connection");
    NULL_REFUSED(ra_session_open_begin(NULL, 0, &session, &operation, &err), "connection");
    NULL_REFUSED(ra_listener_close(NULL, &err), "listener");
    ra_connection_free(NULL);
    ra_listener_free(NULL);
    ra_event_free(NULL);
    cr_assert_eq(ra_connection_is_connected(NULL), 0);
    cr_assert_eq(ra_connection_deadline(NULL), -1);
    cr_assert_null(ra_connection_options(NULL));
}

Test(api_arguments, null_sessions__are_refused_by_name)
{
    ra_operation *operation;
    ra_queue_info *info;
    ra_producer *producer;
    ra_consumer *consumer;

    NULL_REFUSED(ra_session_close(NULL, 0, NULL, NULL, &err), "session");
    NULL_REFUSED(ra_session_close_begin(NULL, &operation, &err), "session");
    NULL_REFUSED(ra_session_start(NULL, &err), "session");
    NULL_REFUSED(ra_session_stop(NULL, &err), "session");
    NULL_REFUSED(ra_session_commit(NULL, &err), "session");
    NULL_REFUSED(ra_session_commit_begin(NULL, &operation, &err), "session");
    NULL_REFUSED(ra_session_rollback(NULL, &err), "session");
    NULL_REFUSED(ra_session_rollback_begin(NULL, &operation, &err), "session");
    NULL_REFUSED(ra_session_flush(NULL, 0, &err), "session");
    NULL_REFUSED(ra_session_add_metadata(NULL, "k", "v", &err), "session");
    NULL_REFUSED(ra_session_add_metadata_begin(NULL, "k", "v", &operation, &err), "session");
    NULL_REFUSED(ra_session_add_unique_metadata(NULL, "k", "v", &err), "session");
    NULL_REFUSED(ra_session_add_unique_metadata_begin(NULL, "k", "v", &operation, &err), "session");
    NULL_REFUSED(ra_session_create_address(NULL, "a", 1, 1, &err), "session");
    NULL_REFUSED(ra_session_create_address_begin(NULL, "a", 1, 1, &operation, &err), "session");
    NULL_REFUSED(ra_session_create_queue(NULL, "q", NULL, 0, 0, NULL, &err), "session");
    NULL_REFUSED(ra_session_create_queue_begin(NULL, "q", NULL, 0, 0, NULL, &operation, &err), "session");
    NULL_REFUSED(ra_session_delete_queue(NULL, "q", &err), "session");
    NULL_REFUSED(ra_session_delete_queue_begin(NULL, "q", &operation, &err), "session");
    NULL_REFUSED(ra_session_query_queue(NULL, "q", &info, &err), "session");
    NULL_REFUSED(ra_session_query_queue_begin(NULL, "q", &operation, &err), "session");
    NULL_REFUSED(ra_session_query_address(NULL, "a", &info, &err), "session");
    NULL_REFUSED(ra_session_query_address_begin(NULL, "a", &operation, &err), "session");
    NULL_REFUSED(ra_producer_open(NULL, "a", &producer, &err), "session");
    NULL_REFUSED(ra_producer_open_begin(NULL, "a", &producer, &operation, &err), "session");
    NULL_REFUSED(ra_consumer_open(NULL, "q", NULL, 0, -2, &consumer, &err), "session");
    NULL_REFUSED(ra_consumer_open_begin(NULL, "q", NULL, 0, -2, &consumer, &operation, &err), "session");
    ra_session_free(NULL);
    cr_assert_eq(ra_session_unsettled(NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_session_is_rollback_only(NULL), 0);
}

Test(api_arguments, null_producers_and_consumers__are_refused_by_name)
{
    ra_message *message, *list[1];
    ra_operation *operation;
    size_t size;

    cr_assert_eq(ra_message_new(RA_MESSAGE_BYTES, &message, NULL), 0);
    list[0] = message;
    NULL_REFUSED(ra_producer_close(NULL, &err), "producer");
    NULL_REFUSED(ra_producer_send(NULL, NULL, message, &err), "producer");
    NULL_REFUSED(ra_producer_send_tagged(NULL, NULL, message, 1, &err), "producer");
    NULL_REFUSED(ra_producer_send_many(NULL, NULL, list, 1, 1, &err), "producer");
    NULL_REFUSED(ra_producer_send_begin(NULL, NULL, message, &operation, &err), "producer");
    NULL_REFUSED(ra_producer_send_forget(NULL, NULL, message, &err), "producer");
    NULL_REFUSED(ra_producer_wait_writable(NULL, 0, 0, &err), "producer");
    NULL_REFUSED(ra_consumer_close(NULL, &err), "consumer");
    NULL_REFUSED(ra_consumer_receive(NULL, 0, 0, list, &err), "consumer");
    list[0] = message;
    NULL_REFUSED(ra_consumer_take_many(NULL, list, 1, &err), "consumer");
    NULL_REFUSED(ra_consumer_acknowledge(NULL, message, &err), "consumer");
    NULL_REFUSED(ra_consumer_acknowledge_individually(NULL, message, &err), "consumer");
    NULL_REFUSED(ra_consumer_acknowledge_begin(NULL, message, 0, &operation, &err), "consumer");
    NULL_REFUSED(ra_producer_start_large(NULL, NULL, message, 0, &err), "producer");
    NULL_REFUSED(ra_producer_write_large(NULL, "x", 1, 0, &size, &err), "producer");
    NULL_REFUSED(ra_producer_write_large(NULL, NULL, 1, 0, &size, &err), "bytes");
    NULL_REFUSED(ra_producer_write_large(NULL, "x", 1, 0, NULL, &err), "written_out");
    NULL_REFUSED(ra_producer_finish_large(NULL, &err), "producer");
    NULL_REFUSED(ra_producer_finish_large_begin(NULL, &operation, &err), "producer");
    NULL_REFUSED(ra_producer_cancel_large(NULL, &err), "producer");
    NULL_REFUSED(ra_consumer_read_body(NULL, message, &size, 1, 0, 0, &size, &err), "consumer");
    cr_assert_eq(ra_message_large_size(NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_large_size(message), -1);
    ra_producer_free(NULL);
    ra_consumer_free(NULL);
    ra_message_unref(message);
}

Test(api_arguments, null_operations_options_and_answers__are_refused_or_empty)
{
    ra_queue_info *info;
    ra_options *options;

    NULL_REFUSED(ra_operation_wait(NULL, 0, 0, &err), "operation");
    NULL_REFUSED(ra_operation_take_queue_info(NULL, &info, &err), "operation");
    cr_assert_eq(ra_operation_outcome(NULL), RA_E_ARGUMENT);
    ra_operation_free(NULL);

    NULL_REFUSED(ra_options_new(NULL, &err), "options_out");
    NULL_REFUSED(ra_options_set(NULL, "user", "x", &err), "options");
    cr_assert_eq(ra_options_new(&options, NULL), 0);
    NULL_REFUSED(ra_options_set(options, NULL, "x", &err), "name");
    NULL_REFUSED(ra_options_set(options, "user", NULL, &err), "value");
    ra_options_free(options);
    ra_options_free(NULL);

    cr_assert_eq(ra_queue_info_exists(NULL), 0);
    cr_assert_eq(ra_queue_info_is_durable(NULL), 0);
    cr_assert_eq(ra_queue_info_is_temporary(NULL), 0);
    cr_assert_str_eq(ra_queue_info_name(NULL), "");
    cr_assert_str_eq(ra_queue_info_address(NULL), "");
    cr_assert_str_eq(ra_queue_info_filter(NULL), "");
    cr_assert_eq(ra_queue_info_routing_type(NULL), RA_ROUTING_DEFAULT);
    cr_assert_eq(ra_queue_info_consumer_count(NULL), 0);
    cr_assert_eq(ra_queue_info_message_count(NULL), 0);
    cr_assert_eq(ra_queue_info_queue_count(NULL), 0);
    cr_assert_null(ra_queue_info_queue_name(NULL, 0));
    ra_queue_info_free(NULL);
}

Test(api_arguments, null_events__are_empty)
{
    cr_assert_eq(ra_event_kind(NULL), 0);
    cr_assert_null(ra_event_session(NULL));
    cr_assert_null(ra_event_error(NULL));
    cr_assert_str_eq(ra_event_endpoint(NULL), "");
    cr_assert_str_eq(ra_event_text(NULL), "");
    cr_assert_eq(ra_event_attempt(NULL), 0);
    cr_assert_eq(ra_event_delay_ms(NULL), 0);
    cr_assert_eq(ra_event_count(NULL), 0);
    cr_assert_eq(ra_event_replayed(NULL), 0);
    cr_assert_eq(ra_event_unknown(NULL), 0);
    cr_assert_eq(ra_event_requeued(NULL), 0);
    cr_assert_eq(ra_event_failed_over(NULL), 0);
    cr_assert_eq(ra_event_first_tag(NULL), 0);
    cr_assert_eq(ra_event_last_tag(NULL), 0);
    cr_assert_eq(ra_event_outcome(NULL), RA_OUTCOME_PENDING);
}

Test(api_arguments, errors__may_be_null_everywhere)
{
    cr_assert_eq(ra_connection_open(NULL, NULL, 0, NULL, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_connection_open("nonsense", NULL, 0, &(ra_connection *){ NULL }, NULL), RA_E_URL);
    cr_assert_eq(ra_session_commit(NULL, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_options_set(NULL, NULL, NULL, NULL), RA_E_ARGUMENT);
}

/* --- other arguments: on a connection that was never opened ---------------------------------------------------- */

static ra_connection *connection;
static ra_session *session;
static ra_message *message;

static ra_connection *unopened(void)
{
    struct rai_config config;
    struct rai_fault fault = { 0 };
    ra_connection *made = rai_calloc(1, sizeof *made);

    cr_assert_eq(rai_config_make(&config, "tcp://127.0.0.1:1?drive=manual", NULL, &fault), 0, "%s", fault.text);
    cr_assert_eq(rai_client_new(&config, NULL, &made->client, &fault), 0, "%s", fault.text);
    made->refs = 1;
    return made;
}

static void set_up(void)
{
    ra_operation *operation;

    connection = unopened();
    cr_assert_eq(ra_session_open_begin(connection, RA_SESSION_AUTO_COMMIT, &session, &operation, NULL), 0);
    ra_operation_free(operation);
    cr_assert_eq(ra_message_new(RA_MESSAGE_BYTES, &message, NULL), 0);
}

static void tear_down(void)
{
    ra_message_unref(message);
    ra_session_free(session);
    ra_connection_free(connection);
    cr_expect_eq(rai_alloc_count(), 0);
}

Test(api_arguments, out_parameters__must_be_there, .init = set_up, .fini = tear_down)
{
    ra_session *another;

    NULL_REFUSED(ra_session_open(connection, 0, NULL, &err), "session_out");
    NULL_REFUSED(ra_session_open_begin(connection, 0, NULL, &(ra_operation *){ NULL }, &err), "session_out");
    NULL_REFUSED(ra_session_open_begin(connection, 0, &another, NULL, &err), "operation_out");
    NULL_REFUSED(ra_connection_stat(connection, RA_STAT_LINKS, NULL, &err), "value_out");
    NULL_REFUSED(ra_connection_next_event(connection, NULL, &err), "event_out");
    NULL_REFUSED(ra_connection_listen(connection, NULL, RA_EVENTS_ALL, NULL, NULL, NULL, NULL, &err), "function");
    NULL_REFUSED(ra_session_close_begin(session, NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_commit_begin(session, NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_rollback_begin(session, NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_add_metadata_begin(session, "k", "v", NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_add_unique_metadata_begin(session, "k", "v", NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_create_address_begin(session, "a", 1, 0, NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_create_queue_begin(session, "q", NULL, 0, 0, NULL, NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_delete_queue_begin(session, "q", NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_query_queue_begin(session, "q", NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_query_address_begin(session, "q", NULL, &err), "operation_out");
    NULL_REFUSED(ra_session_query_queue(session, "q", NULL, &err), "info_out");
    NULL_REFUSED(ra_session_query_address(session, "a", NULL, &err), "info_out");
    NULL_REFUSED(ra_producer_open(session, "a", NULL, &err), "producer_out");
    NULL_REFUSED(ra_producer_open_begin(session, "a", NULL, &(ra_operation *){ NULL }, &err), "producer_out");
    NULL_REFUSED(ra_producer_open_begin(session, "a", &(ra_producer *){ NULL }, NULL, &err), "operation_out");
    NULL_REFUSED(ra_consumer_open(session, "q", NULL, 0, -2, NULL, &err), "consumer_out");
    NULL_REFUSED(ra_consumer_open_begin(session, "q", NULL, 0, -2, NULL, &(ra_operation *){ NULL }, &err),
                 "consumer_out");
    NULL_REFUSED(ra_consumer_open_begin(session, "q", NULL, 0, -2, &(ra_consumer *){ NULL }, NULL, &err),
                 "operation_out");
}

Test(api_arguments, names__must_be_there_and_be_utf8, .init = set_up, .fini = tear_down)
{
    ra_operation *operation;
    ra_queue_info *info;
    ra_producer *producer;
    ra_consumer *consumer;

    NULL_REFUSED(ra_session_add_metadata(session, NULL, "v", &err), "key");
    NULL_REFUSED(ra_session_add_metadata(session, "k", NULL, &err), "value");
    NULL_REFUSED(ra_session_add_unique_metadata_begin(session, "k", NULL, &operation, &err), "value");
    REFUSED(ra_session_add_unique_metadata(session, "", "v", &err), "argument key is empty");
    REFUSED(ra_session_add_metadata(session, "k", "\xff", &err), "argument value is not valid UTF-8");
    NULL_REFUSED(ra_session_create_address(session, NULL, 1, 0, &err), "address");
    NULL_REFUSED(ra_session_create_address_begin(session, NULL, 1, 0, &operation, &err), "address");
    NULL_REFUSED(ra_session_create_queue(session, NULL, NULL, 0, 0, NULL, &err), "queue");
    NULL_REFUSED(ra_session_create_queue_begin(session, NULL, NULL, 0, 0, NULL, &operation, &err), "queue");
    NULL_REFUSED(ra_session_delete_queue(session, NULL, &err), "queue");
    NULL_REFUSED(ra_session_delete_queue_begin(session, NULL, &operation, &err), "queue");
    NULL_REFUSED(ra_session_query_queue(session, NULL, &info, &err), "queue");
    NULL_REFUSED(ra_session_query_queue_begin(session, NULL, &operation, &err), "queue");
    NULL_REFUSED(ra_session_query_address(session, NULL, &info, &err), "address");
    NULL_REFUSED(ra_session_query_address_begin(session, NULL, &operation, &err), "address");
    NULL_REFUSED(ra_consumer_open(session, NULL, NULL, 0, -2, &consumer, &err), "queue");
    REFUSED(ra_session_create_queue(session, "", NULL, 0, 0, NULL, &err), "argument queue is empty");
    REFUSED(ra_session_create_queue(session, "q", "", 0, 0, NULL, &err), "argument address is empty");
    REFUSED(ra_session_create_queue(session, "q", NULL, 0, 0, "", &err), "argument filter is empty");
    REFUSED(ra_session_create_queue(session, "\xff", NULL, 0, 0, NULL, &err), "argument queue is not valid UTF-8");
    REFUSED(ra_session_create_queue(session, "q", "\xc3", 0, 0, NULL, &err), "argument address is not valid UTF-8");
    REFUSED(ra_session_create_queue(session, "q", NULL, 0, 0, "\xc3", &err), "argument filter is not valid UTF-8");
    REFUSED(ra_session_create_address(session, "\xed\xa0\x80", 1, 0, &err), "argument address is not valid UTF-8");
    REFUSED(ra_producer_open(session, "\xff", &producer, &err), "argument address is not valid UTF-8");
    REFUSED(ra_producer_open(session, "", &producer, &err), "argument address is empty");
    REFUSED(ra_consumer_open(session, "q", "\xff", 0, -2, &consumer, &err), "argument filter is not valid UTF-8");
}

Test(api_arguments, numbers__must_be_in_range, .init = set_up, .fini = tear_down)
{
    ra_session *another;
    ra_consumer *consumer;
    int64_t value;

    REFUSED(ra_session_open(connection, 2, &another, &err), "argument mode is 2, it takes 0 to 1");
    REFUSED(ra_session_open(connection, -1, &another, &err), "argument mode is -1");
    REFUSED(ra_connection_stat(connection, 0, &value, &err), "argument id is 0");
    REFUSED(ra_connection_stat(connection, RA_STAT_BYTES_IN + 1, &value, &err), "argument id is");
    REFUSED(ra_connection_subscribe(connection, 1, &err), "argument mask is 0x1");
    REFUSED(ra_connection_subscribe(connection, 0x2000, &err), "argument mask is 0x2000");
    REFUSED(ra_connection_listen(connection, NULL, 0, ignore_event, NULL, NULL, NULL, &err), "argument mask is 0x0");
    REFUSED(ra_session_create_address(session, "a", 0, 0, &err), "multicast and anycast");
    REFUSED(ra_session_create_queue(session, "q", NULL, 2, 0, NULL, &err), "argument routing_type is 2");
    REFUSED(ra_session_create_queue(session, "q", NULL, -2, 0, NULL, &err), "argument routing_type is -2");
    REFUSED(ra_session_create_queue(session, "q", NULL, 0, 8, NULL, &err), "argument flags is 8, it takes 0 to 7");
    REFUSED(ra_consumer_open(session, "q", NULL, 4, -2, &consumer, &err), "argument flags is 4, it takes 0 to 3");
    REFUSED(ra_consumer_open(session, "q", NULL, 0, -3, &consumer, &err), "argument window_bytes is -3");
    cr_assert_eq(ra_connection_stat(connection, RA_STAT_LINKS, &value, NULL), 0);
    cr_assert_eq(value, 0);
}

Test(api_arguments, sessions__belong_to_their_connection, .init = set_up, .fini = tear_down)
{
    ra_connection *other = unopened();

    REFUSED(ra_connection_listen(other, session, RA_EVENTS_ALL, ignore_event, NULL, NULL, NULL, &err),
            "argument session belongs to another connection");
    ra_connection_free(other);
}

Test(api_arguments, a_session_that_is_not_open_yet__says_so, .init = set_up, .fini = tear_down)
{
    ra_error *err = NULL;
    ra_producer *producer = (ra_producer *)&producer;
    ra_operation *operation = (ra_operation *)&operation;

    cr_assert_eq(ra_session_start(session, &err), RA_E_STATE, "%s", ra_error_message(err));
    ra_error_free(err);
    cr_assert_eq(ra_producer_open_begin(session, "a", &producer, &operation, &err), RA_E_STATE);
    cr_assert_null(producer);
    cr_assert_null(operation);
    ra_error_free(err);
    cr_assert_eq(ra_session_commit_begin(session, &operation, &err), RA_E_STATE);
    ra_error_free(err);
    cr_assert_eq(ra_session_unsettled(session), 0);
    cr_assert_eq(ra_session_is_rollback_only(session), 0);
    cr_assert_eq(ra_connection_is_connected(connection), 0);
}

/* --- names ----------------------------------------------------------------------------------------------------- */

Test(api_arguments, names_of_numbers__are_told_for_all_that_exist)
{
    cr_assert_str_eq(ra_outcome_name(RA_OUTCOME_PENDING), "pending");
    cr_assert_str_eq(ra_outcome_name(RA_OUTCOME_PROCESSED), "processed");
    cr_assert_str_eq(ra_outcome_name(6), "unknown outcome");
    cr_assert_str_eq(ra_event_kind_name(RA_EVENT_REATTACHED), "reattached");
    cr_assert_str_eq(ra_event_kind_name(0), "unknown");
    cr_assert_str_eq(ra_event_kind_name(13), "unknown");
    cr_assert_str_eq(ra_stat_name(RA_STAT_LINKS), "links");
    cr_assert_str_eq(ra_stat_name(RA_STAT_BYTES_IN), "bytes_in");
    cr_assert_str_eq(ra_stat_name(RA_STAT_BYTES_IN + 1), "unknown");
    for (int32_t id = RA_STAT_LINKS; id <= RA_STAT_BYTES_IN; id++)
        cr_assert_str_neq(ra_stat_name(id), "unknown");
    for (int32_t kind = RA_EVENT_DISCONNECTED; kind <= RA_EVENT_LOG; kind++) {
        cr_assert_str_neq(ra_event_kind_name(kind), "unknown");
        cr_assert_neq(RA_EVENTS_ALL & RA_EVENT_MASK(kind), 0);
    }
    cr_assert_str_eq(ra_routing_type_name(RA_ROUTING_DEFAULT), "default");
    cr_assert_str_eq(ra_routing_type_name(RA_ROUTING_ANYCAST), "anycast");
    cr_assert_str_eq(ra_routing_type_name(2), "unknown");
    cr_assert_str_eq(ra_session_mode_name(RA_SESSION_TRANSACTED), "transacted");
    cr_assert_str_eq(ra_session_mode_name(2), "unknown");
}
