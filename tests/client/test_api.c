/* The exported functions against a small peer: blocking forms, listeners, lives of handles in every order. */
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reattach/reattach.h>

#include "base/alloc.h"
#include "peer.h"

#define GOOD(call)                                                       \
    do {                                                                 \
        ra_error *err = NULL;                                            \
        int64_t code_ = (call);                                          \
        cr_assert_geq(code_, 0, "%s: %s", #call, ra_error_message(err)); \
        cr_assert_null(err);                                             \
    } while (0)

#define FAILS(call, code)                                                                   \
    do {                                                                                    \
        ra_error *err = NULL;                                                               \
        int64_t code_ = (call);                                                             \
        cr_assert_eq(code_, (code), "%s: %d %s", #call, (int)code_, ra_error_message(err)); \
        cr_assert_eq(ra_error_code(err), (code), "%s", #call);                              \
        ra_error_free(err);                                                                 \
    } while (0)

static struct peer *peer;
static ra_connection *connection;
static ra_session *session;
static ra_producer *producer;
static ra_consumer *consumer;
static ra_message *message;

static ra_connection *connect_with(const char *options)
{
    char url[300];
    ra_connection *made = NULL;

    snprintf(url, sizeof url, "tcp://127.0.0.1:%d?reconnectAttempts=-1&retryInterval=10&routeCheck=none&%s",
             (int)peer_port(peer), options);
    GOOD(ra_connection_open(url, NULL, 10000, &made, &err));
    return made;
}

static void open_all(const char *options)
{
    connection = connect_with(options);
    GOOD(ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &session, &err));
    GOOD(ra_producer_open(session, "q", &producer, &err));
    GOOD(ra_consumer_open(session, "q", NULL, 0, -2, &consumer, &err));
    GOOD(ra_session_start(session, &err));
}

static void set_up(void)
{
    peer = peer_new();
    GOOD(ra_message_new(RA_MESSAGE_BYTES, &message, &err));
    GOOD(ra_message_set_body(message, "hello", 5, &err));
    GOOD(ra_message_set_durable(message, 1, &err));
}

static void free_all(void)
{
    ra_consumer_free(consumer);
    ra_producer_free(producer);
    ra_session_free(session);
    ra_connection_free(connection);
    consumer = NULL;
    producer = NULL;
    session = NULL;
    connection = NULL;
}

static void tear_down(void)
{
    if (connection != NULL)
        ra_connection_close(connection, 10000, NULL, NULL, NULL);
    free_all();
    ra_message_unref(message);
    peer_free(peer);
    cr_expect_eq(rai_alloc_count(), 0);
}

/* --- blocking forms -------------------------------------------------------------------------------------------- */

Test(client_api, a_message__goes_and_comes, .init = set_up, .fini = tear_down)
{
    ra_message *got = NULL;
    const void *body;
    size_t size;

    open_all("");
    GOOD(ra_producer_send(producer, NULL, message, &err));
    cr_assert_eq(ra_consumer_receive(consumer, 10000, 0, &got, NULL), RA_RECEIVED);
    GOOD(ra_message_get_body(got, &body, &size, &err));
    cr_assert(size == 5 && memcmp(body, "hello", 5) == 0);
    GOOD(ra_consumer_acknowledge(consumer, got, &err));
    GOOD(ra_session_flush(session, 10000, &err));
    ra_message_unref(got);
    GOOD(ra_consumer_receive(consumer, 0, 0, &got, &err));
    cr_assert_eq(ra_consumer_receive(consumer, 0, 0, &got, NULL), RA_RECEIVED_NONE);
    cr_assert_null(got);
    cr_assert_eq(ra_consumer_receive(consumer, 20, 0, &got, NULL), RA_RECEIVED_NONE);
    cr_assert_eq(ra_connection_is_connected(connection), 1);
    cr_assert_not_null(strstr(ra_connection_options(connection), "\nrouteCheck=none\n"));
}

Test(client_api, a_receive_on_a_session_that_was_not_started__finds_nothing, .init = set_up, .fini = tear_down)
{
    ra_message *got = NULL;

    connection = connect_with("");
    GOOD(ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &session, &err));
    GOOD(ra_consumer_open(session, "q", NULL, 0, -2, &consumer, &err));
    cr_assert_eq(ra_consumer_receive(consumer, 0, 0, &got, NULL), RA_RECEIVED_NONE);
}

Test(client_api, a_query__has_an_answer_to_take_once, .init = set_up, .fini = tear_down)
{
    ra_queue_info *info = NULL;
    ra_operation *operation = NULL;

    open_all("");
    GOOD(ra_session_query_queue(session, "q", &info, &err));
    cr_assert_eq(ra_queue_info_exists(info), 1);
    cr_assert_eq(ra_queue_info_message_count(info), 42);
    cr_assert_str_eq(ra_queue_info_name(info), "q");
    ra_queue_info_free(info);
    GOOD(ra_session_query_queue_begin(session, "q", &operation, &err));
    GOOD(ra_operation_wait(operation, 10000, 0, &err));
    cr_assert_eq(ra_operation_outcome(operation), RA_OUTCOME_CONFIRMED);
    GOOD(ra_operation_take_queue_info(operation, &info, &err));
    ra_queue_info_free(info);
    FAILS(ra_operation_take_queue_info(operation, &info, &err), RA_E_STATE);
    cr_assert_null(info);
    ra_operation_free(operation);
}

Test(client_api, a_blocking_send_without_an_answer__may_still_happen, .init = set_up, .fini = tear_down)
{
    ra_error *err = NULL;

    open_all("callTimeout=100&producerWindowSize=-1");
    peer_mute(peer, true);
    cr_assert_eq(ra_producer_send(producer, NULL, message, &err), RA_E_TIMEOUT, "%s", ra_error_message(err));
    cr_assert_eq(ra_error_is_outcome_unknown(err), 1);
    cr_assert_not_null(strstr(ra_error_message(err), "may still be done"), "%s", ra_error_message(err));
    ra_error_free(err);
    peer_mute(peer, false);
}

Test(client_api, a_blocking_send_without_a_connection__is_not_done, .init = set_up, .fini = tear_down)
{
    ra_error *err = NULL;

    open_all("callFailoverTimeout=100&callTimeout=100");
    peer_refuse(peer, true);
    peer_cut(peer);
    while (ra_connection_is_connected(connection))
        usleep(1000);
    cr_assert_eq(ra_producer_send(producer, NULL, message, &err), RA_E_TIMEOUT, "%s", ra_error_message(err));
    cr_assert_eq(ra_error_is_outcome_unknown(err), 0);
    ra_error_free(err);
    peer_refuse(peer, false);
}

Test(client_api, a_transacted_send__does_not_wait, .init = set_up, .fini = tear_down)
{
    ra_session *transacted;
    ra_producer *sender;

    open_all("");
    GOOD(ra_session_open(connection, RA_SESSION_TRANSACTED, &transacted, &err));
    GOOD(ra_producer_open(transacted, NULL, &sender, &err));
    for (int i = 0; i < 10; i++)
        GOOD(ra_producer_send(sender, "q", message, &err));
    GOOD(ra_session_commit(transacted, &err));
    FAILS(ra_session_commit(session, &err), RA_E_STATE);
    FAILS(ra_producer_send(sender, NULL, message, &err), RA_E_ARGUMENT);
    FAILS(ra_producer_send(producer, "q", message, &err), RA_E_ARGUMENT);
    ra_session_free(transacted);
    ra_producer_free(sender);
}

Test(client_api, many_sends__are_told_apart_by_their_tags, .init = set_up, .fini = tear_down)
{
    ra_message *messages[100];
    ra_event *event = NULL;
    uint64_t told = 0;

    open_all("producerWindowSize=-1");
    for (int i = 0; i < 100; i++)
        messages[i] = message;
    messages[50] = NULL;
    {
        ra_error *err = NULL;

        cr_assert_eq(ra_producer_send_many(producer, NULL, messages, 100, 1000, &err), 50);
        cr_assert_eq(ra_error_code(err), RA_E_ARGUMENT);
        cr_assert_not_null(strstr(ra_error_message(err), "messages[50] is NULL"));
        ra_error_free(err);
    }
    messages[50] = message;
    cr_assert_eq(ra_producer_send_many(producer, NULL, messages + 50, 50, 1050, NULL), 50);
    while (told < 100) {
        if (ra_connection_next_event(connection, &event, NULL) == 0) {
            GOOD(ra_connection_wait_event(connection, 10000, &err));
            continue;
        }
        cr_assert_eq(ra_event_kind(event), RA_EVENT_SEND_OUTCOME);
        cr_assert_eq(ra_event_outcome(event), RA_OUTCOME_CONFIRMED);
        cr_assert_eq(ra_event_first_tag(event), 1000 + told);
        cr_assert_eq(ra_event_session(event), session);
        told = ra_event_last_tag(event) - 1000 + 1;
        ra_event_free(event);
    }
    cr_assert_eq(told, 100);
    cr_assert_eq(ra_session_unsettled(session), 0);
}

static void *interrupt_soon(void *unused)
{
    (void)unused;
    usleep(50000);
    ra_connection_interrupt(connection, NULL);
    return NULL;
}

Test(client_api, an_interrupt__ends_a_receive, .init = set_up, .fini = tear_down)
{
    pthread_t thread;
    ra_message *got = NULL;

    open_all("");
    cr_assert_eq(pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
    FAILS(ra_consumer_receive(consumer, -1, 0, &got, &err), RA_E_INTERRUPTED);
    pthread_join(thread, NULL);
}

/* --- lives ----------------------------------------------------------------------------------------------------- */

Test(client_api, handles__may_be_freed_in_any_order, .init = set_up, .fini = tear_down)
{
    for (int order = 0; order < 24; order++) {
        int left[4] = { 0, 1, 2, 3 };

        open_all("");
        GOOD(ra_producer_send(producer, NULL, message, &err));
        for (int i = 0, code = order; i < 4; i++) {
            int at = code % (4 - i), which = left[at];

            code /= 4 - i;
            memmove(&left[at], &left[at + 1], (size_t)(3 - at) * sizeof left[0]);
            switch (which) {
            case 0:
                ra_connection_free(connection);
                break;
            case 1:
                ra_session_free(session);
                break;
            case 2:
                ra_producer_free(producer);
                break;
            default:
                ra_consumer_free(consumer);
                break;
            }
        }
        connection = NULL;
        session = NULL;
        producer = NULL;
        consumer = NULL;
    }
    for (int i = 0; i < 10000 && rai_alloc_count() > 2; i++) /* the background threads end by themselves */
        usleep(1000);
}

Test(client_api, closing__may_be_done_twice_and_in_any_order, .init = set_up, .fini = tear_down)
{
    int64_t not_done, unknown;

    open_all("");
    GOOD(ra_connection_close(connection, 10000, &not_done, &unknown, &err));
    cr_assert(not_done == 0 && unknown == 0);
    GOOD(ra_connection_close(connection, 10000, NULL, NULL, &err));
    GOOD(ra_consumer_close(consumer, &err));
    GOOD(ra_producer_close(producer, &err));
    GOOD(ra_session_close(session, 1000, &not_done, &unknown, &err));
    GOOD(ra_session_close(session, -1, NULL, NULL, &err));
    FAILS(ra_producer_send(producer, NULL, message, &err), RA_E_CLOSED);
    FAILS(ra_consumer_receive(consumer, 1000, 0, &(ra_message *){ NULL }, &err), RA_E_CLOSED);
    FAILS(ra_session_open(connection, 0, &(ra_session *){ NULL }, &err), RA_E_CLOSED);
    FAILS(ra_connection_wait_event(connection, 1000, &err), RA_E_CLOSED);
    cr_assert_eq(ra_connection_is_connected(connection), 0);
}

Test(client_api, closing_in_time__tells_what_is_lost, .init = set_up, .fini = tear_down)
{
    int64_t not_done = -1, unknown = -1;

    open_all("blockOnDurableSend=false&producerWindowSize=-1");
    peer_mute(peer, true);
    for (int i = 0; i < 7; i++)
        GOOD(ra_producer_send_forget(producer, NULL, message, &err));
    GOOD(ra_connection_close(connection, 50, &not_done, &unknown, &err));
    cr_assert_eq(not_done + unknown, 7, "%d %d", (int)not_done, (int)unknown);
    peer_mute(peer, false);
}

Test(client_api, sessions_freed_before_the_close__are_waited_for, .init = set_up, .fini = tear_down)
{
    open_all("blockOnDurableSend=false&producerWindowSize=-1");
    for (int i = 0; i < 100; i++)
        GOOD(ra_producer_send(producer, NULL, message, &err));
    ra_producer_free(producer);
    ra_consumer_free(consumer);
    ra_session_free(session);
    producer = NULL;
    consumer = NULL;
    session = NULL;
    GOOD(ra_connection_close(connection, 10000, NULL, NULL, &err));
    cr_assert_eq(peer_sends(peer), 100);
}

Test(client_api, an_operation_that_outlives_everything__can_still_be_asked, .init = set_up, .fini = tear_down)
{
    ra_operation *operation;

    open_all("producerWindowSize=-1");
    GOOD(ra_producer_send_begin(producer, NULL, message, &operation, &err));
    GOOD(ra_connection_close(connection, 10000, NULL, NULL, &err));
    free_all();
    cr_assert_eq(ra_operation_outcome(operation), RA_OUTCOME_CONFIRMED);
    GOOD(ra_operation_wait(operation, 0, 0, &err));
    ra_operation_free(operation);
}

Test(client_api, a_child_of_fork__can_only_free, .init = set_up, .fini = tear_down)
{
    pid_t child;
    int status;

    open_all("");
    child = fork();
    if (child == 0) {
        ra_error *err = NULL;
        int good = ra_session_start(session, &err) == RA_E_FORKED && ra_error_code(err) == RA_E_FORKED;

        ra_error_free(err);
        good = good && ra_producer_send(producer, NULL, message, NULL) == RA_E_FORKED;
        good = good && ra_connection_close(connection, 0, NULL, NULL, NULL) == RA_E_FORKED;
        good = good && ra_connection_dispatch(connection, 0, NULL) == RA_E_FORKED;
        good = good && ra_session_unsettled(session) == RA_E_FORKED;
        good = good && ra_connection_is_connected(connection) == 0;
        free_all();
        _exit(good ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    GOOD(ra_producer_send(producer, NULL, message, &err));
}

/* --- listeners ------------------------------------------------------------------------------------------------- */

struct heard {
    int calls, released, kind;
    ra_listener *listener, *other;
    void (*act)(struct heard *heard, const ra_event *event);
};

static void hear(void *user, const ra_event *event)
{
    struct heard *heard = user;

    cr_assert_eq(heard->released, 0);
    heard->calls++;
    heard->kind = ra_event_kind(event);
    if (heard->act != NULL)
        heard->act(heard, event);
    cr_assert_eq(ra_event_kind(event), heard->kind);
    cr_assert_eq(heard->released, 0, "released while it runs");
}

static void release(void *user)
{
    struct heard *heard = user;

    heard->released++;
}

static void listen_to(struct heard *heard, ra_session *which, uint32_t mask)
{
    GOOD(ra_connection_listen(connection, which, mask, hear, heard, release, &heard->listener, &err));
}

/* Cuts, and dispatches until the session has been made anew. */
static void cut_and_dispatch(struct heard *heard)
{
    int calls = heard->calls;

    peer_cut(peer);
    for (int i = 0; i < 100 && heard->calls == calls; i++) {
        GOOD(ra_connection_wait_event(connection, 10000, &err));
        GOOD(ra_connection_dispatch(connection, 0, &err));
    }
}

Test(client_api, a_failure_listener__hears_of_its_session, .init = set_up, .fini = tear_down)
{
    struct heard mine = { 0 }, others = { 0 }, all = { 0 }, links = { 0 };
    ra_session *second;

    open_all("");
    GOOD(ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &second, &err));
    listen_to(&others, second, RA_EVENT_MASK(RA_EVENT_SESSION_LOST));
    listen_to(&mine, session, RA_EVENTS_FAILURE);
    listen_to(&all, NULL, RA_EVENT_MASK(RA_EVENT_RECREATED));
    listen_to(&links, NULL, RA_EVENT_MASK(RA_EVENT_DISCONNECTED));
    cut_and_dispatch(&mine);
    cr_assert_eq(mine.calls, 1);
    cr_assert_eq(mine.kind, RA_EVENT_RECREATED);
    while (all.calls < 2) {
        GOOD(ra_connection_wait_event(connection, 10000, &err));
        GOOD(ra_connection_dispatch(connection, 1, &err));
    }
    cr_assert_eq(mine.calls, 1);
    cr_assert_eq(others.calls, 0);
    cr_assert_geq(links.calls, 1);
    ra_session_free(second);
    cr_assert_eq(others.released, 1, "goes with its session");
    GOOD(ra_listener_close(mine.listener, &err));
    GOOD(ra_listener_close(mine.listener, &err));
    cr_assert_eq(mine.released, 1);
    ra_listener_free(mine.listener);
    ra_listener_free(others.listener);
    ra_listener_free(links.listener);
    ra_connection_free(connection);
    connection = NULL;
    cr_assert_eq(all.released, 1, "goes with the connection");
    ra_listener_free(all.listener);
    cr_assert(mine.released == 1 && others.released == 1 && all.released == 1 && links.released == 1);
    free_all();
    for (int i = 0; i < 10000 && rai_alloc_count() > 2; i++)
        usleep(1000);
}

static void act_table(struct heard *heard, const ra_event *event)
{
    ra_message *got = NULL;
    ra_operation *operation = NULL;

    cr_assert_eq(ra_event_session(event), session);
    /* allowed */
    GOOD(ra_producer_send_tagged(producer, NULL, message, 1, &err));
    GOOD(ra_producer_send_forget(producer, NULL, message, &err));
    GOOD(ra_producer_send_begin(producer, NULL, message, &operation, &err));
    ra_operation_free(operation);
    GOOD(ra_consumer_take_many(consumer, &got, 1, &err));
    ra_message_unref(got);
    GOOD(ra_session_start(session, &err));
    GOOD(ra_session_query_queue_begin(session, "q", &operation, &err));
    /* waiting */
    FAILS(ra_operation_wait(operation, 1000, 0, &err), RA_E_IN_LISTENER);
    ra_operation_free(operation);
    FAILS(ra_producer_send(producer, NULL, message, &err), RA_E_IN_LISTENER);
    FAILS(ra_consumer_receive(consumer, 0, 0, &got, &err), RA_E_IN_LISTENER);
    FAILS(ra_session_flush(session, 1000, &err), RA_E_IN_LISTENER);
    FAILS(ra_session_open(connection, 0, &(ra_session *){ NULL }, &err), RA_E_IN_LISTENER);
    FAILS(ra_session_stop(session, &err), RA_E_IN_LISTENER);
    FAILS(ra_session_delete_queue(session, "q", &err), RA_E_IN_LISTENER);
    FAILS(ra_producer_open(session, "q", &(ra_producer *){ NULL }, &err), RA_E_IN_LISTENER);
    FAILS(ra_consumer_open(session, "q", NULL, 0, -2, &(ra_consumer *){ NULL }, &err), RA_E_IN_LISTENER);
    FAILS(ra_connection_dispatch(connection, 0, &err), RA_E_IN_LISTENER);
    FAILS(ra_connection_wait_event(connection, 1000, &err), RA_E_IN_LISTENER);
    /* listeners that come and go */
    listen_to(heard + 1, NULL, RA_EVENTS_ALL);
    ra_listener_free(heard->other);
    cr_assert_eq(heard[2].released, 1);
    ra_listener_free(heard->listener);
    cr_assert_eq(heard->released, 0, "it runs");
}

Test(client_api, inside_a_listener__all_but_waiting_is_allowed, .init = set_up, .fini = tear_down)
{
    struct heard heard[3] = { { .act = act_table }, { 0 }, { 0 } };

    open_all("producerWindowSize=-1");
    listen_to(&heard[0], session, RA_EVENT_MASK(RA_EVENT_RECREATED));
    listen_to(&heard[2], session, RA_EVENT_MASK(RA_EVENT_RECREATED)); /* behind it, closed before its turn */
    heard[0].other = heard[2].listener;
    cut_and_dispatch(&heard[0]);
    cr_assert_eq(heard[0].calls, 1);
    cr_assert_eq(heard[0].released, 1);
    cr_assert_eq(heard[2].calls, 0);
    cr_assert_neq(heard[1].kind, RA_EVENT_RECREATED, "it was not there yet");
    ra_listener_free(heard[1].listener);
    cr_assert_eq(heard[1].released, 1);
}

static void act_close(struct heard *heard, const ra_event *event)
{
    (void)event;
    GOOD(ra_consumer_close(consumer, &err));
    GOOD(ra_producer_close(producer, &err));
    GOOD(ra_session_close(session, 1000, NULL, NULL, &err));
    GOOD(ra_connection_close(connection, 10000, NULL, NULL, &err));
    heard->kind = ra_event_kind(event);
}

Test(client_api, inside_a_listener__everything_can_be_closed, .init = set_up, .fini = tear_down)
{
    struct heard heard = { .act = act_close };

    open_all("");
    listen_to(&heard, NULL, RA_EVENT_MASK(RA_EVENT_RECREATED));
    cut_and_dispatch(&heard);
    cr_assert_eq(heard.calls, 1);
    ra_listener_free(heard.listener);
}

static void act_free(struct heard *heard, const ra_event *event)
{
    (void)heard;
    free_all();
    cr_assert_neq(ra_event_kind(event), 0);
    cr_assert_not_null(ra_event_session(event));
}

Test(client_api, inside_a_listener__everything_can_be_freed, .init = set_up, .fini = tear_down)
{
    struct heard heard = { .act = act_free };
    ra_connection *kept;

    open_all("");
    kept = connection;
    GOOD(ra_connection_listen(connection, NULL, RA_EVENT_MASK(RA_EVENT_RECREATED), hear, &heard, release, NULL, &err));
    peer_cut(peer);
    while (heard.calls == 0) {
        GOOD(ra_connection_wait_event(kept, 10000, &err));
        GOOD(ra_connection_dispatch(kept, 0, &err));
    }
    cr_assert_eq(heard.released, 1);
    for (int i = 0; i < 10000 && rai_alloc_count() > 2; i++)
        usleep(1000);
}

Test(client_api, a_wait_that_was_asked_to__ends_for_events, .init = set_up, .fini = tear_down)
{
    struct heard heard = { 0 };
    ra_message *got = NULL;

    open_all("");
    listen_to(&heard, NULL, RA_EVENTS_FAILURE);
    peer_cut(peer);
    cr_assert_eq(ra_consumer_receive(consumer, 10000, RA_WAIT_EVENTS, &got, NULL), RA_RECEIVED_EVENTS);
    while (heard.calls == 0) {
        GOOD(ra_connection_wait_event(connection, 10000, &err));
        GOOD(ra_connection_dispatch(connection, 0, &err));
    }
    GOOD(ra_producer_send(producer, NULL, message, &err));
    cr_assert_eq(ra_consumer_receive(consumer, 10000, RA_WAIT_EVENTS, &got, NULL), RA_RECEIVED);
    ra_message_unref(got);
    ra_listener_free(heard.listener);
}

Test(client_api, polled_events__keep_their_session, .init = set_up, .fini = tear_down)
{
    ra_event *event = NULL;

    open_all("");
    GOOD(ra_connection_subscribe(connection, RA_EVENTS_FAILURE, &err));
    peer_cut(peer);
    GOOD(ra_connection_wait_event(connection, 10000, &err));
    cr_assert_eq(ra_connection_next_event(connection, &event, NULL), 1);
    cr_assert_eq(ra_event_kind(event), RA_EVENT_RECREATED);
    cr_assert_eq(ra_event_session(event), session);
    GOOD(ra_connection_close(connection, 10000, NULL, NULL, &err));
    free_all();
    GOOD(ra_session_close(ra_event_session(event), 0, NULL, NULL, &err));
    ra_event_free(event);
}

Test(client_api, manual_drive__needs_no_thread, .init = set_up, .fini = tear_down)
{
    ra_message *got = NULL;

    open_all("drive=manual");
    cr_assert_geq(ra_connection_descriptor(connection, NULL), 0);
    cr_assert_geq(ra_connection_deadline(connection), -1);
    GOOD(ra_connection_process(connection, &err));
    GOOD(ra_producer_send(producer, NULL, message, &err));
    cr_assert_eq(ra_consumer_receive(consumer, 10000, 0, &got, NULL), RA_RECEIVED);
    ra_message_unref(got);
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

/* Everything once, stopping at the first failure; an error is there exactly when something failed. */
static int everything_once(struct heard *heard, ra_error **err)
{
    ra_message *got = NULL;
    ra_queue_info *info = NULL;
    ra_operation *operation = NULL;
    char url[200];
    int rc;

    snprintf(url, sizeof url, "tcp://127.0.0.1:%d?drive=manual&routeCheck=none&callTimeout=500&user=u&password=p",
             (int)peer_port(peer));
    rc = ra_connection_open(url, NULL, 2000, &connection, err);
    if (rc >= 0)
        rc = ra_connection_listen(connection, NULL, RA_EVENTS_ALL, hear, heard, release, NULL, err);
    if (rc >= 0)
        rc = ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &session, err);
    if (rc >= 0)
        rc = ra_session_start(session, err);
    if (rc >= 0)
        rc = ra_producer_open(session, "q", &producer, err);
    if (rc >= 0)
        rc = ra_consumer_open(session, "q", NULL, 0, -2, &consumer, err);
    if (rc >= 0)
        rc = ra_producer_send(producer, NULL, message, err);
    if (rc >= 0)
        rc = ra_consumer_receive(consumer, 2000, 0, &got, err);
    if (rc >= 0 && got != NULL)
        rc = ra_consumer_acknowledge(consumer, got, err);
    if (rc >= 0)
        rc = ra_session_query_queue_begin(session, "q", &operation, err);
    if (rc >= 0)
        rc = ra_operation_wait(operation, 2000, 0, err);
    if (rc >= 0)
        rc = ra_operation_take_queue_info(operation, &info, err);
    if (rc >= 0)
        rc = ra_connection_dispatch(connection, 0, err);
    ra_operation_free(operation);
    ra_queue_info_free(info);
    ra_message_unref(got);
    return rc;
}

Test(client_api, out_of_memory__is_an_error_and_leaves_nothing_behind, .init = set_up, .fini = tear_down, .timeout = 60)
{
    long before = rai_alloc_count();

    for (long n = 1;; n++) {
        struct heard heard = { 0 };
        ra_error *err = NULL;
        int rc;

        rai_alloc_fail_at(n);
        rc = everything_once(&heard, &err);
        cr_assert_eq(rc < 0, err != NULL, "allocation %ld: %d", n, rc);
        rai_alloc_fail_at(0);
        ra_error_free(err);
        if (connection != NULL)
            ra_connection_close(connection, 1000, NULL, NULL, NULL);
        free_all();
        cr_assert_leq(heard.released, 1);
        cr_assert_eq(rai_alloc_count(), before, "allocation %ld: %ld left", n, rai_alloc_count() - before);
        if (rc >= 0) {
            cr_assert_gt(n, 30);
            return;
        }
    }
}

/* --- threads --------------------------------------------------------------------------------------------------- */

static int ended;  /* atomic */
static int failed; /* atomic */

static bool is_over(void)
{
    return __atomic_load_n(&ended, __ATOMIC_ACQUIRE) != 0;
}

static void must(bool good)
{
    if (!good)
        __atomic_store_n(&failed, 1, __ATOMIC_RELEASE);
}

static void *send_all_the_time(void *unused)
{
    for (uint64_t tag = 0; !is_over(); tag++) {
        int rc = ra_producer_send_tagged(producer, NULL, message, tag, NULL);

        must(rc == 0 || rc == RA_E_WOULD_BLOCK);
        usleep(200);
    }
    return unused;
}

static void *receive_all_the_time(void *unused)
{
    while (!is_over()) {
        ra_message *got = NULL;
        int rc = ra_consumer_receive(consumer, 5, RA_WAIT_EVENTS, &got, NULL);

        must(rc >= 0);
        if (got != NULL) {
            rc = ra_consumer_acknowledge(consumer, got, NULL);
            must(rc == 0 || rc == RA_E_STALE);
        }
        ra_message_unref(got);
    }
    return unused;
}

static void *dispatch_all_the_time(void *unused)
{
    while (!is_over()) {
        int rc = ra_connection_wait_event(connection, 5, NULL);

        must(rc == 0 || rc == RA_E_TIMEOUT);
        must(ra_connection_dispatch(connection, 0, NULL) >= 0);
    }
    return unused;
}

static void count_call(void *user, const ra_event *event)
{
    (void)event;
    __atomic_add_fetch((int *)user, 1, __ATOMIC_RELAXED);
}

static void count_release(void *user)
{
    __atomic_add_fetch((int *)user + 1, 1, __ATOMIC_RELAXED);
}

static void *listen_all_the_time(void *counts)
{
    for (int opened = 0; !is_over(); opened++) {
        ra_listener *listener = NULL;
        ra_session *own = NULL;
        int rc = ra_connection_listen(connection, session, RA_EVENTS_ALL, count_call, counts, count_release, &listener,
                                      NULL);

        must(rc == 0);
        __atomic_add_fetch((int *)counts + 2, 1, __ATOMIC_RELAXED);
        if (opened < 40) /* the peer knows 64 channels */
            must(ra_session_open(connection, RA_SESSION_TRANSACTED, &own, NULL) == 0);
        usleep(1000);
        ra_listener_free(listener);
        ra_session_free(own);
    }
    return counts;
}

Test(client_api, several_threads__share_a_connection, .init = set_up, .fini = tear_down, .timeout = 60)
{
    void *(*const work[])(void *) = { send_all_the_time,     send_all_the_time,     receive_all_the_time,
                                      dispatch_all_the_time, dispatch_all_the_time, listen_all_the_time };
    pthread_t threads[6];
    int counts[3] = { 0 }; /* calls, releases, listeners */

    ended = failed = 0;
    open_all("producerWindowSize=-1");
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, work[i], counts), 0);
    for (int i = 0; i < 5; i++) {
        usleep(50000 * TEST_SLOWER);
        peer_cut(peer);
    }
    usleep(50000 * TEST_SLOWER);
    __atomic_store_n(&ended, 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(failed, 0);
    cr_assert_gt(counts[0], 0);
    cr_assert_eq(counts[1], counts[2], "each listener is released once: %d of %d", counts[1], counts[2]);
}
