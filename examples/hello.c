/* Sends a message to a queue and receives it again. hello [URL] */
#include <reattach/reattach.h>
#include <stdio.h>

static int hello(ra_session *session, ra_error **err)
{
    ra_producer *producer = NULL;
    ra_consumer *consumer = NULL;
    ra_message *out = NULL, *in = NULL;
    const char *text = NULL;
    size_t size = 0;
    int rc = -1;

    if (ra_session_create_queue(session, "hello", NULL, RA_ROUTING_ANYCAST, RA_QUEUE_TEMPORARY, NULL, err) < 0 ||
        ra_producer_open(session, "hello", &producer, err) < 0 ||
        ra_consumer_open(session, "hello", NULL, 0, -2, &consumer, err) < 0 || ra_session_start(session, err) < 0 ||
        ra_message_new(RA_MESSAGE_TEXT, &out, err) < 0 || ra_message_set_text(out, "hello", 5, err) < 0 ||
        ra_message_set_int(out, "seq", 1, err) < 0 || ra_producer_send(producer, NULL, out, err) < 0)
        goto out;
    if (ra_consumer_receive(consumer, 5000, 0, &in, err) == RA_RECEIVED &&
        ra_message_get_text(in, &text, &size, err) == 0 && ra_consumer_acknowledge(consumer, in, err) == 0) {
        printf("received: %.*s\n", (int)size, text);
        rc = 0;
    }
out:
    ra_message_unref(in);
    ra_message_unref(out);
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
        rc = ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &session, &err);
    if (rc == 0)
        rc = hello(session, &err);
    if (rc == 0)
        rc = ra_connection_close(connection, 5000, NULL, NULL, &err);
    if (rc != 0)
        fprintf(stderr, "hello: %s\n", err != NULL ? ra_error_message(err) : "no message came");
    ra_error_free(err);
    ra_session_free(session);
    ra_connection_free(connection);
    return rc != 0;
}
