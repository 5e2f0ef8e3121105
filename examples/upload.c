/* Sends a file as one message, in constant memory, through lost connections if need be. upload URL QUEUE FILE */
#include <reattach/reattach.h>
#include <stdio.h>

/* The body from its start to its end: the message is sent when the finish has its answer. */
static int send_body(ra_producer *producer, ra_message *headers, FILE *file, ra_error **err)
{
    static char piece[64 * 1024];
    size_t size, written;
    int rc = ra_producer_start_large(producer, NULL, headers, -1, err);

    rewind(file);
    while (rc == 0 && (size = fread(piece, 1, sizeof piece, file)) > 0)
        rc = ra_producer_write_large(producer, piece, size, -1, &written, err);
    if (rc == 0 && ferror(file)) {
        ra_producer_cancel_large(producer, NULL);
        return RA_E_ARGUMENT;
    }
    return rc == 0 ? ra_producer_finish_large(producer, err) : rc;
}

/* A session that was found again just goes on. One that had to be recreated may have lost what the broker had of the message,
 * and says so; nothing of it was stored, and a file can be read again. */
static int upload(ra_session *session, const char *queue, FILE *file, ra_error **err)
{
    ra_producer *producer = NULL;
    ra_message *headers = NULL;
    int rc = ra_producer_open(session, queue, &producer, err);

    if (rc == 0)
        rc = ra_message_new(RA_MESSAGE_BYTES, &headers, err);
    if (rc == 0)
        rc = ra_message_set_durable(headers, 1, err);
    while (rc == 0) {
        rc = send_body(producer, headers, file, err);
        if (rc != RA_E_LARGE_INTERRUPTED && rc != RA_E_NOT_DONE)
            break;
        fprintf(stderr, "upload: %s; once more\n", ra_error_message(*err));
        ra_error_free(*err);
        *err = NULL;
        rc = 0;
    }
    ra_message_unref(headers);
    ra_producer_free(producer);
    return rc;
}

int main(int argc, char **argv)
{
    ra_connection *connection = NULL;
    ra_session *session = NULL;
    ra_error *err = NULL;
    FILE *file = argc == 4 ? fopen(argv[3], "rb") : NULL;
    int rc;

    if (file == NULL) {
        fprintf(stderr, "upload URL QUEUE FILE\n");
        return 1;
    }
    rc = ra_connection_open(argv[1], NULL, -1, &connection, &err);
    if (rc == 0)
        rc = ra_session_open(connection, RA_SESSION_AUTO_COMMIT, &session, &err);
    if (rc == 0)
        rc = upload(session, argv[2], file, &err);
    if (rc != 0)
        fprintf(stderr, "upload: %s\n", err != NULL ? ra_error_message(err) : "the file cannot be read");
    if (connection != NULL)
        ra_connection_close(connection, 5000, NULL, NULL, NULL);
    ra_session_free(session);
    ra_connection_free(connection);
    ra_error_free(err);
    fclose(file);
    return rc == 0 ? 0 : 1;
}
