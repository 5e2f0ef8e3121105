#include <reattach/connection.h>

#include <limits.h>
#include <string.h>

#include "api/check.h"
#include "api/handle.h"
#include "api/options.h"
#include "base/alloc.h"
#include "base/utf.h"

/* The text of ra_connection_options(), or NULL. */
static char *describe(const struct rai_config *config)
{
    size_t size = rai_config_dump(config, NULL, 0) + 1;
    char *text = rai_alloc(size);

    if (text != NULL)
        rai_config_dump(config, text, size);
    return text;
}

/* A connection whose client exists and does nothing yet. */
static int make(const char *url, const ra_options *options, ra_connection **out, struct rai_fault *fault)
{
    struct rai_config config;
    ra_connection *connection = rai_calloc(1, sizeof *connection);
    int code = rai_config_make(&config, url, options, fault);

    if (code == 0 && (connection == NULL || (connection->options = describe(&config)) == NULL)) {
        code = rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
        rai_config_clear(&config);
    } else if (code == 0) {
        code = rai_client_new(&config, NULL, &connection->client, fault);
    }
    if (code < 0 && connection != NULL) {
        rai_free(connection->options);
        rai_free(connection);
        connection = NULL;
    }
    *out = connection;
    return code;
}

int ra_connection_open(const char *url, const ra_options *options, int64_t timeout_ms, ra_connection **connection_out,
                       ra_error **err)
{
    struct rai_fault fault;
    ra_connection *connection;
    int code;

    rai_error_begin(err);
    if (connection_out != NULL)
        *connection_out = NULL;
    if (url == NULL)
        return rai_refuse_null("url", err);
    if (connection_out == NULL)
        return rai_refuse_null("connection_out", err);
    code = make(url, options, &connection, &fault);
    if (code < 0)
        return rai_error_out(err, &fault);
    connection->refs = 1;
    code = rai_client_open(connection->client, timeout_ms, &fault);
    if (code < 0) {
        ra_connection_free(connection);
        return rai_error_out(err, &fault);
    }
    *connection_out = connection;
    return 0;
}

/* --- closing --------------------------------------------------------------------------------------------------- */

/* Begins to close every session, so that they close side by side. */
static void close_sessions(struct rai_call *call)
{
    for (ra_session *s = call->connection->sessions; s != NULL; s = s->next) {
        if (s->closing == NULL && rai_session_close(s->engine, rai_call_now(call), &s->closing, &call->fault) < 0)
            s->closing = NULL;
    }
}

/* The wait gives the lock up: what it stands on is referenced, leaving sessions too. */
static void wait_sessions(struct rai_call *call, int64_t until)
{
    int code = 0;

    for (ra_session *s = call->connection->sessions, *next; s != NULL && code != RA_E_INTERRUPTED; s = next) {
        s->refs++;
        if (s->closing != NULL)
            code = rai_client_wait_op(call->client, s->closing, until, 0, &call->fault);
        next = s->next;
        rai_session_drop(call, s);
    }
}

static void abort_sessions(struct rai_call *call, int64_t *not_done, int64_t *unknown)
{
    for (ra_session *s = call->connection->sessions; s != NULL; s = s->next) {
        int64_t lost[2] = { 0, 0 };

        rai_session_abort(s->engine, rai_call_now(call), &lost[0], &lost[1]);
        if (!s->counted) {
            *not_done += lost[0];
            *unknown += lost[1];
        }
        s->counted = true;
    }
}

int ra_connection_close(ra_connection *connection, int64_t timeout_ms, int64_t *not_done_out, int64_t *unknown_out,
                        ra_error **err)
{
    struct rai_call call;
    int64_t not_done = 0, unknown = 0, until, left;
    int code;

    rai_error_begin(err);
    if (not_done_out != NULL)
        *not_done_out = 0;
    if (unknown_out != NULL)
        *unknown_out = 0;
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if ((code = rai_call_begin(&call, connection, err)) < 0)
        return code;
    until = rai_client_until(call.client, timeout_ms);
    connection->refs++;
    close_sessions(&call);
    if (rai_call_may_wait(&call) == 0)
        wait_sessions(&call, until);
    abort_sessions(&call, &not_done, &unknown);
    rai_call_end(&call, 0);
    left = until == RAI_FOREVER ? -1 : (until - rai_client_now(connection->client)) / 1000;
    code = rai_client_close(connection->client, until != RAI_FOREVER && left < 0 ? 0 : left, &call.fault);
    if (not_done_out != NULL)
        *not_done_out = not_done;
    if (unknown_out != NULL)
        *unknown_out = unknown;
    if (code < 0)
        rai_error_out(err, &call.fault);
    rai_call_begin_free(&call, connection);
    rai_connection_drop(&call);
    rai_call_end(&call, 0);
    return code;
}

void ra_connection_free(ra_connection *connection)
{
    struct rai_call call;

    if (connection == NULL)
        return;
    rai_call_begin_free(&call, connection);
    connection->freed = true;
    rai_listeners_close(&call, NULL);
    rai_connection_drop(&call);
    rai_call_end(&call, 0);
}

/* --- state ----------------------------------------------------------------------------------------------------- */

int ra_connection_is_connected(ra_connection *connection)
{
    struct rai_call call;
    int connected;

    if (connection == NULL || rai_call_begin(&call, connection, NULL) < 0)
        return 0;
    connected = rai_engine_connected(rai_client_engine(call.client));
    return rai_call_end(&call, connected);
}

const char *ra_connection_options(const ra_connection *connection)
{
    return connection != NULL ? connection->options : NULL;
}

int ra_connection_descriptor(ra_connection *connection, ra_error **err)
{
    struct rai_fault fault;
    int descriptor;

    rai_error_begin(err);
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    descriptor = rai_client_descriptor(connection->client, &fault);
    return descriptor < 0 ? rai_error_out(err, &fault) : descriptor;
}

int64_t ra_connection_deadline(ra_connection *connection)
{
    return connection != NULL ? rai_client_deadline(connection->client) : -1;
}

int ra_connection_process(ra_connection *connection, ra_error **err)
{
    struct rai_fault fault;
    int code;

    rai_error_begin(err);
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    code = rai_client_process(connection->client, &fault);
    return code < 0 ? rai_error_out(err, &fault) : code;
}

int ra_connection_interrupt(ra_connection *connection, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if ((code = rai_call_begin(&call, connection, err)) < 0)
        return code;
    rai_client_interrupt(call.client);
    return rai_call_end(&call, 0);
}

int ra_connection_stat(ra_connection *connection, int32_t id, int64_t *value_out, ra_error **err)
{
    struct rai_call call;
    int64_t value;
    int code;

    rai_error_begin(err);
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if (value_out == NULL)
        return rai_refuse_null("value_out", err);
    if ((code = rai_check_range("id", id, RA_STAT_LINKS, RA_STAT_BYTES_IN, err)) < 0)
        return code;
    if ((code = rai_call_begin(&call, connection, err)) < 0)
        return code;
    value = rai_engine_stat(rai_client_engine(call.client), id);
    *value_out = value;
    return rai_call_end(&call, 0);
}
