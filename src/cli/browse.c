/* browse QUEUE */
#include <signal.h>

#include "broker.h"
#include "print.h"
#include "terminal.h"
#include "watch.h"

/* The broker walks the queue in the background and can say "that is all" while the messages sent last are still being
 * put in line. So the end is believed at once only when as many have come as were counted; before that it takes some
 * silence. */
enum { SILENCE_MS = 500 };

static int64_t messages_in(struct broker *broker, const struct settings *settings)
{
    ra_queue_info *info = NULL;
    int64_t count = INT64_MAX; /* with a filter nobody can say */

    if (settings->filter == NULL && ra_session_query_queue(broker->session, settings->queue, &info, NULL) == 0)
        count = ra_queue_info_message_count(info);
    ra_queue_info_free(info);
    return count;
}

static int browse(struct broker *broker, const struct settings *settings, ra_consumer **consumer)
{
    ra_message *message;
    ra_error *err = NULL;
    bool good = true;
    int64_t counted = messages_in(broker, settings);
    int rc =
        ra_consumer_open(broker->session, settings->queue, settings->filter, RA_CONSUMER_BROWSE, -2, consumer, &err);

    if (rc == 0)
        rc = ra_session_start(broker->session, &err);
    for (int64_t n = 0; rc >= 0 && good && !watch_stopped() && (settings->count == 0 || n < settings->count);) {
        rc = ra_consumer_receive(*consumer, n < counted ? SILENCE_MS : 0, RA_WAIT_EVENTS, &message, &err);
        if (rc == RA_RECEIVED_NONE)
            break;
        if (rc == RA_RECEIVED) {
            good = print_message(message, settings->json);
            ra_message_unref(message);
            n++;
        } else if (broker_looked_up(rc, &err)) {
            rc = 0;
        }
        ra_connection_dispatch(broker->connection, 0, NULL);
    }
    return rc < 0 ? broker_failed(err, EXIT_LEFT) : good ? EXIT_WELL : EXIT_LEFT;
}

int run_browse(const struct settings *settings)
{
    struct broker broker;
    ra_consumer *consumer = NULL;
    int status = broker_open(&broker, settings, NULL, RA_SESSION_AUTO_COMMIT);

    signal(SIGPIPE, SIG_IGN);
    if (status != EXIT_WELL)
        return status;
    status = browse(&broker, settings, &consumer);
    broker_close(&broker);
    ra_consumer_free(consumer);
    return status;
}
