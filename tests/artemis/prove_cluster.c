/*
 * Many connections at once, one session each, for somebody who wants to know which brokers they are connected to.
 *
 *     prove_cluster --url URL --queue Q [--connections N]
 *
 * Says {"open":N} when all are there. For each line of input every connection sends one durable message to Q and waits for the
 * answer; then a line says how many got theirs and what became of the sessions so far. Ends with the input.
 */
#include <reattach/reattach.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MAX = 1000 };

struct member {
    ra_connection *connection;
    ra_session *session;
    ra_producer *producer;
    int64_t recreated, elsewhere, reattached;
};

/* err by its address: arguments are evaluated in any order. */
static void check(int rc, ra_error **err)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "prove_cluster: %s: %s\n", ra_error_name(err != NULL ? *err : NULL), ra_error_message(err != NULL ? *err : NULL));
    exit(2);
}

static void on_session(void *user, const ra_event *event)
{
    struct member *m = user;

    m->recreated += ra_event_kind(event) == RA_EVENT_RECREATED;
    m->reattached += ra_event_kind(event) == RA_EVENT_REATTACHED;
    m->elsewhere += ra_event_failed_over(event);
}

static void open_member(struct member *m, const char *url, const char *queue)
{
    ra_error *err = NULL;

    check(ra_connection_open(url, NULL, 30000, &m->connection, &err), &err);
    check(ra_connection_listen(m->connection, NULL,
                               RA_EVENT_MASK(RA_EVENT_RECREATED) | RA_EVENT_MASK(RA_EVENT_REATTACHED), on_session, m, NULL,
                               NULL, &err),
          &err);
    check(ra_session_open(m->connection, RA_SESSION_AUTO_COMMIT, &m->session, &err), &err);
    check(ra_producer_open(m->session, queue, &m->producer, &err), &err);
}

static bool send_one(struct member *m, ra_message *message)
{
    ra_error *err = NULL;
    int rc = ra_producer_send(m->producer, NULL, message, &err);

    if (rc < 0)
        fprintf(stderr, "prove_cluster: %s: %s\n", ra_error_name(err), ra_error_message(err));
    ra_error_free(err);
    ra_connection_dispatch(m->connection, 0, NULL);
    return rc == 0;
}

static void send_all(struct member *members, int count, ra_message *message)
{
    int sent = 0, recreated = 0, elsewhere = 0, reattached = 0;

    for (int i = 0; i < count; i++) {
        sent += send_one(&members[i], message);
        recreated += members[i].recreated > 0;
        elsewhere += members[i].elsewhere > 0;
        reattached += members[i].reattached > 0;
    }
    printf("{\"sent\":%d,\"recreated\":%d,\"elsewhere\":%d,\"reattached\":%d}\n", sent, recreated, elsewhere, reattached);
}

static void close_member(struct member *m)
{
    ra_error *err = NULL;

    check(ra_connection_close(m->connection, 10000, NULL, NULL, &err), &err);
    ra_producer_free(m->producer);
    ra_session_free(m->session);
    ra_connection_free(m->connection);
}

int main(int argc, char **argv)
{
    static struct member members[CONNECTIONS_MAX];
    const char *url = NULL, *queue = NULL;
    int count = 100;
    char line[64];
    ra_message *message = NULL;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--url") == 0)
            url = argv[i + 1];
        else if (strcmp(argv[i], "--queue") == 0)
            queue = argv[i + 1];
        else if (strcmp(argv[i], "--connections") == 0)
            count = atoi(argv[i + 1]);
    }
    if (url == NULL || queue == NULL || count < 1 || count > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: prove_cluster --url URL --queue Q [--connections N]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    check(ra_message_new(RA_MESSAGE_TEXT, &message, NULL), NULL);
    check(ra_message_set_durable(message, 1, NULL), NULL);
    for (int i = 0; i < count; i++)
        open_member(&members[i], url, queue);
    printf("{\"open\":%d}\n", count);
    while (fgets(line, sizeof line, stdin) != NULL)
        send_all(members, count, message);
    for (int i = 0; i < count; i++)
        close_member(&members[i]);
    ra_message_unref(message);
    return 0;
}
