#include "broker.h"

#include <stdlib.h>
#include <string.h>

#include "terminal.h"
#include "watch.h"

int broker_failed(ra_error *err, int status)
{
    int32_t code = ra_error_code(err);

    if (code == RA_E_URL || code == RA_E_OPTION)
        status = EXIT_USAGE;
    complain("%s", ra_error_message(err));
    ra_error_free(err);
    return status;
}

bool broker_looked_up(int rc, ra_error **err)
{
    if (rc >= 0)
        return true;
    if (rc != RA_E_TIMEOUT && rc != RA_E_INTERRUPTED && rc != RA_E_WOULD_BLOCK)
        return false;
    ra_error_free(*err);
    *err = NULL;
    return true;
}

/* --- events, for whoever watches -------------------------------------------------------------------------------- */

static void on_event(void *user, const ra_event *event)
{
    const struct broker *broker = user;
    double at = (double)(now_ms() - broker->began_ms) / 1000;
    const char *name = ra_event_kind_name(ra_event_kind(event));

    switch (ra_event_kind(event)) {
    case RA_EVENT_RETRYING:
        terminal_say("%8.3f s  %s: attempt %lld at %s in %lld ms", at, name, (long long)ra_event_attempt(event),
                     ra_event_endpoint(event), (long long)ra_event_delay_ms(event));
        break;
    case RA_EVENT_REATTACHED:
        terminal_say("%8.3f s  %s: %lld commands sent again", at, name, (long long)ra_event_replayed(event));
        break;
    case RA_EVENT_RECREATED:
        terminal_say("%8.3f s  %s: %lld commands sent again, %lld of unknown outcome", at, name,
                     (long long)ra_event_requeued(event), (long long)ra_event_unknown(event));
        break;
    default:
        terminal_say("%8.3f s  %s: %s", at, name, ra_error_message(ra_event_error(event)));
    }
}

static int listen_if_watched(struct broker *broker, ra_error **err)
{
    const uint32_t kinds = RA_EVENTS_FAILURE | RA_EVENT_MASK(RA_EVENT_DISCONNECTED) | RA_EVENT_MASK(RA_EVENT_RETRYING) |
                           RA_EVENT_MASK(RA_EVENT_GAVE_UP);

    if (!terminal_watched())
        return 0;
    return ra_connection_listen(broker->connection, NULL, kinds, on_event, broker, NULL, NULL, err);
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static bool read_password(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    bool good = file != NULL && fgets(out, (int)size, file) != NULL;

    if (file == NULL)
        complain("--password-file: %s cannot be opened", path);
    else if (!good)
        complain("--password-file: there is nothing in %s", path);
    else if (strlen(out) == size - 1 && out[size - 2] != '\n')
        good = complain("--password-file: the first line of %s is longer than %zu bytes", path, size - 2);
    else
        out[strcspn(out, "\r\n")] = '\0';
    if (file != NULL)
        fclose(file);
    return good;
}

static int set_options(ra_options *options, const struct settings *settings, ra_error **err)
{
    const char *password = settings->password != NULL ? settings->password : getenv("REATTACH_PASSWORD");
    char line[1024];
    int rc = ra_options_set(options, "reliable", "true", err);

    if (rc == 0 && settings->user != NULL)
        rc = ra_options_set(options, "user", settings->user, err);
    if (settings->password_file != NULL) {
        if (!read_password(settings->password_file, line, sizeof line))
            return 1;
        password = line;
    }
    if (rc == 0 && password != NULL)
        rc = ra_options_set(options, "password", password, err);
    return rc;
}

static int open_connection(struct broker *broker, const struct settings *settings, const char *url, ra_error **err)
{
    ra_options *options = NULL;
    int rc = ra_options_new(&options, err);

    if (rc == 0)
        rc = set_options(options, settings, err);
    if (rc == 0)
        rc = ra_connection_open(url != NULL ? url : settings->url, options, broker->close_ms, &broker->connection, err);
    ra_options_free(options);
    broker->connect_us = now_us() - broker->connect_us;
    return rc;
}

static int open_session(struct broker *broker, int mode, ra_error **err)
{
    int rc = listen_if_watched(broker, err);

    broker->login_us = now_us();
    if (rc == 0)
        rc = ra_session_open(broker->connection, mode, &broker->session, err);
    broker->login_us = now_us() - broker->login_us;
    return rc;
}

static int open_both(struct broker *broker, const struct settings *settings, const char *url, int mode, bool watched)
{
    ra_error *err = NULL;
    int rc;

    *broker = (struct broker){ .began_ms = now_ms(), .connect_us = now_us() };
    broker->close_ms = (int64_t)(settings->timeout * 1000);
    rc = open_connection(broker, settings, url, &err);
    if (rc > 0)
        return EXIT_USAGE; /* it has complained */
    if (rc == 0 && watched && !watch_start(broker->connection)) {
        complain("signals cannot be watched: no descriptor or thread is left");
        ra_connection_free(broker->connection);
        return EXIT_LEFT;
    }
    if (rc == 0)
        rc = open_session(broker, mode, &err);
    if (rc == 0)
        return EXIT_WELL;
    if (watched)
        watch_end();
    ra_session_free(broker->session);
    ra_connection_free(broker->connection);
    return broker_failed(err, EXIT_CONNECT);
}

int broker_open(struct broker *broker, const struct settings *settings, const char *url, int mode)
{
    return open_both(broker, settings, url, mode, true);
}

int broker_open_second(struct broker *broker, const struct settings *settings)
{
    return open_both(broker, settings, NULL, RA_SESSION_AUTO_COMMIT, false);
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

bool broker_settle(struct broker *broker)
{
    int rc;

    watch_settling();
    rc = ra_session_flush(broker->session, broker->close_ms, NULL);
    ra_connection_dispatch(broker->connection, 0, NULL);
    return rc == 0;
}

void broker_close(struct broker *broker)
{
    int64_t not_done = 0, unknown = 0;

    watch_settling();
    ra_session_close(broker->session, broker->close_ms, &broker->not_done, &broker->unknown, NULL);
    ra_connection_close(broker->connection, broker->close_ms, &not_done, &unknown, NULL);
    broker->not_done += not_done;
    broker->unknown += unknown;
    while (ra_connection_dispatch(broker->connection, 0, NULL) > 0)
        ;
    for (int id = RA_STAT_LINKS; id <= RA_STAT_BYTES_IN; id++)
        ra_connection_stat(broker->connection, id, &broker->statistics[id], NULL);
    watch_end();
    ra_session_free(broker->session);
    ra_connection_free(broker->connection);
}
