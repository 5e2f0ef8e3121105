/* A test of a program's own, in short: its broker is a mock, which cuts the connection at the second of three sends. */
#include <reattach/mock.h>
#include <reattach/reattach.h>
#include <stdio.h>

static void on_failure(void *user, const ra_event *event)
{
    (void)user;
    printf("heard: %s\n", ra_event_kind_name(ra_event_kind(event)));
}

static int send(ra_session *session, ra_error **err)
{
    ra_producer *producer = NULL;
    ra_message *message = NULL;
    int rc = ra_producer_open(session, "orders", &producer, err);

    if (rc == 0)
        rc = ra_message_new(RA_MESSAGE_TEXT, &message, err);
    if (rc == 0)
        rc = ra_message_set_durable(message, 1, err); /* so that a send waits for its answer */
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = ra_producer_send(producer, NULL, message, err);
    ra_message_unref(message);
    ra_producer_free(producer);
    return rc;
}

static int program(const char *url, ra_error **err)
{
    ra_connection *connection = NULL;
    ra_options *options = NULL;
    ra_session *session = NULL;
    int rc = ra_options_new(&options, err);

    if (rc == 0)
        rc = ra_options_set(options, "reliable", "true", err);
    if (rc == 0)
        rc = ra_connection_open(url, options, 5000, &connection, err);
    if (rc == 0)
        rc = ra_connection_listen(connection, NULL, RA_EVENTS_FAILURE, on_failure, NULL, NULL, NULL, err);
    if (rc == 0)
        rc = ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &session, err);
    if (rc == 0)
        rc = send(session, err);
    if (rc == 0)
        rc = ra_connection_dispatch(connection, 0, err) < 0;
    if (rc == 0)
        rc = ra_connection_close(connection, 5000, NULL, NULL, err);
    ra_session_free(session);
    ra_connection_free(connection);
    ra_options_free(options);
    return rc;
}

int main(void)
{
    ra_mock *mock = NULL;
    ra_error *err = NULL;
    int64_t messages = 0;
    int rc = ra_mock_start(NULL, &mock, &err);

    if (rc == 0)
        rc = ra_mock_create_queue(mock, "orders", NULL, &err);
    if (rc == 0)
        rc = ra_mock_fault(mock, "reset,at=send,nth=2", &err);
    if (rc == 0)
        rc = program(ra_mock_url(mock), &err);
    if (rc == 0)
        rc = ra_mock_queue_messages(mock, "orders", &messages, &err);
    if (rc == 0)
        printf("in the queue: %lld\n", (long long)messages); /* 3 */
    else
        fprintf(stderr, "mock: %s\n", ra_error_message(err));
    ra_error_free(err);
    ra_mock_free(mock);
    return rc != 0 || messages != 3;
}
