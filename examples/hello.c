/* Sends a message to a queue and receives it again, through lost connections if need be. hello [URL] */
#include <reattach/reattach.h>
#include <stdio.h>

/* A failure listener: hears when the session was moved to a new connection, recreated, or lost. */
static void on_failure(void *user, const ra_event *event)
{
    (void)user;
    fprintf(stderr, "hello: session %s\n", ra_event_kind_name(ra_event_kind(event)));
}

static int send(ra_producer *producer, ra_error **err)
{
    ra_message *message = NULL;
    int rc = ra_message_new(RA_MESSAGE_TEXT, &message, err);

    if (rc == 0)
        rc = ra_message_set_text(message, "hello", 5, err);
    if (rc == 0)
        rc = ra_message_set_int(message, "seq", 1, err);
    if (rc == 0)
        rc = ra_producer_send(producer, NULL, message, err);
    ra_message_unref(message);
    return rc;
}

static int receive(ra_connection *connection, ra_consumer *consumer, ra_error **err)
{
    ra_message *message = NULL;
    const char *text = "";
    size_t size = 0;
    int rc;

    while ((rc = ra_consumer_receive(consumer, 5000, RA_WAIT_EVENTS, &message, err)) == RA_RECEIVED_EVENTS)
        ra_connection_dispatch(connection, 0, NULL); /* listeners run here and nowhere else */
    if (rc == RA_RECEIVED)
        rc = ra_message_get_text(message, &text, &size, err);
    else if (rc == RA_RECEIVED_NONE)
        printf("nothing came\n");
    if (message != NULL && rc == 0)
        rc = ra_consumer_acknowledge(consumer, message, err);
    if (message != NULL && rc == 0)
        printf("received: %.*s\n", (int)size, text);
    ra_message_unref(message);
    return rc;
}

static int hello(ra_connection *connection, ra_session *session, ra_error **err)
{
    ra_producer *producer = NULL;
    ra_consumer *consumer = NULL;
    int rc = ra_session_create_queue(session, "hello", NULL, RA_ROUTING_ANYCAST, RA_QUEUE_TEMPORARY, NULL, err);

    if (rc == 0)
        rc = ra_producer_open(session, "hello", &producer, err);
    if (rc == 0)
        rc = ra_consumer_open(session, "hello", NULL, 0, -2, &consumer, err);
    if (rc == 0)
        rc = ra_session_start(session, err);
    if (rc == 0)
        rc = send(producer, err);
    if (rc == 0)
        rc = receive(connection, consumer, err);
    ra_consumer_free(consumer);
    ra_producer_free(producer);
    return rc;
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "tcp://127.0.0.1:61616?reliable=true&user=admin&password=admin";
    ra_connection *connection = NULL;
    ra_session *session = NULL;
    ra_error *err = NULL;
    int rc = ra_connection_open(url, NULL, 5000, &connection, &err);

    if (rc == 0)
        rc = ra_connection_listen(connection, NULL, RA_EVENTS_FAILURE, on_failure, NULL, NULL, NULL, &err);
    if (rc == 0)
        rc = ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &session, &err);
    if (rc == 0)
        rc = hello(connection, session, &err);
    if (rc == 0)
        rc = ra_connection_close(connection, 5000, NULL, NULL, &err);
    if (rc != 0)
        fprintf(stderr, "hello: %s\n", ra_error_message(err));
    ra_error_free(err);
    ra_session_free(session);
    ra_connection_free(connection);
    return rc != 0;
}
