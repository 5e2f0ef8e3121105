/* Event objects: what they carry, and taking them one by one. Listeners are in listener.c. */
#include <reattach/event.h>

#include "api/check.h"
#include "api/event.h"
#include "base/alloc.h"

bool rai_event_next(struct rai_call *call, ra_event *event)
{
    rai_engine *engine = rai_client_engine(call->client);

    while (rai_engine_next_event(engine, &event->raw)) {
        ra_session *session = event->raw.session;

        if (session != NULL && session->refs == 0) /* leaving: nobody can be told about it */
            continue;
        event->connection = call->connection;
        event->session = session != NULL ? rai_session_hold(session) : NULL;
        event->error = NULL;
        if (event->raw.fault.code < 0)
            rai_error_out(&event->error, &event->raw.fault);
        return true;
    }
    return false;
}

void rai_event_end(struct rai_call *call, ra_event *event)
{
    if (event->session != NULL)
        rai_session_drop(call, event->session);
    ra_error_free(event->error);
}

int ra_connection_next_event(ra_connection *connection, ra_event **event_out, ra_error **err)
{
    struct rai_call call;
    ra_event *event;
    int code;

    rai_error_begin(err);
    if (event_out != NULL)
        *event_out = NULL;
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if (event_out == NULL)
        return rai_refuse_null("event_out", err);
    if ((code = rai_call_begin(&call, connection, err)) < 0)
        return code;
    event = rai_calloc(1, sizeof *event);
    if (event == NULL)
        return rai_call_end(&call, rai_call_no_memory(&call)); /* before one is taken off the queue */
    if (!rai_event_next(&call, event)) {
        rai_free(event);
        return rai_call_end(&call, 0);
    }
    connection->refs++;
    *event_out = event;
    return rai_call_end(&call, 1);
}

void ra_event_free(ra_event *event)
{
    struct rai_call call;

    if (event == NULL)
        return;
    rai_call_begin_free(&call, event->connection);
    rai_event_end(&call, event);
    rai_free(event);
    rai_connection_drop(&call);
    rai_call_end(&call, 0);
}

int ra_connection_wait_event(ra_connection *connection, int64_t timeout_ms, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if ((code = rai_call_begin(&call, connection, err)) < 0)
        return code;
    connection->refs++;
    code = rai_client_wait_event(call.client, rai_client_until(call.client, timeout_ms), &call.fault);
    rai_connection_drop(&call);
    return rai_call_end(&call, code);
}

/* --- getters --------------------------------------------------------------------------------------------------- */

static bool is(const ra_event *event, int32_t kind)
{
    return event != NULL && event->raw.kind == kind;
}

int32_t ra_event_kind(const ra_event *event)
{
    return event != NULL ? event->raw.kind : 0;
}

ra_session *ra_event_session(const ra_event *event)
{
    return event != NULL ? event->session : NULL;
}

const ra_error *ra_event_error(const ra_event *event)
{
    return event != NULL ? event->error : NULL;
}

const char *ra_event_endpoint(const ra_event *event)
{
    if (event == NULL)
        return "";
    return is(event, RA_EVENT_RETRYING) ? event->raw.text : event->raw.fault.endpoint;
}

const char *ra_event_text(const ra_event *event)
{
    return is(event, RA_EVENT_LOG) ? event->raw.text : "";
}

int64_t ra_event_attempt(const ra_event *event)
{
    return is(event, RA_EVENT_RETRYING) ? event->raw.attempt : 0;
}

int64_t ra_event_delay_ms(const ra_event *event)
{
    return is(event, RA_EVENT_RETRYING) ? event->raw.delay_ms : 0;
}

int64_t ra_event_count(const ra_event *event)
{
    return is(event, RA_EVENT_EVENTS_LOST) ? event->raw.count : 0;
}

int64_t ra_event_replayed(const ra_event *event)
{
    return is(event, RA_EVENT_REATTACHED) ? event->raw.count : 0;
}

int64_t ra_event_unknown(const ra_event *event)
{
    return is(event, RA_EVENT_RECREATED) ? event->raw.count : 0;
}

int64_t ra_event_requeued(const ra_event *event)
{
    return is(event, RA_EVENT_RECREATED) ? event->raw.requeued : 0;
}

int ra_event_failed_over(const ra_event *event)
{
    return is(event, RA_EVENT_RECREATED) && event->raw.failed_over;
}

uint64_t ra_event_first_tag(const ra_event *event)
{
    return is(event, RA_EVENT_SEND_OUTCOME) ? event->raw.first : 0;
}

uint64_t ra_event_last_tag(const ra_event *event)
{
    return is(event, RA_EVENT_SEND_OUTCOME) ? event->raw.last : 0;
}

int32_t ra_event_outcome(const ra_event *event)
{
    if (is(event, RA_EVENT_SEND_OUTCOME) || is(event, RA_EVENT_OPERATION))
        return event->raw.outcome;
    return RA_OUTCOME_PENDING;
}
