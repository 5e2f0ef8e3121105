/*
 * Listeners, and the one function that calls them.
 *
 * A dispatch leaves the lock around every call of user code, and anything may happen meanwhile: listeners are added and
 * closed (the one that runs included), sessions close, the connection is closed and freed. So while one is under way
 * nothing is taken off the list, closed listeners are only marked, and the end of the dispatch sweeps.
 */
#include <reattach/event.h>

#include "api/check.h"
#include "api/event.h"
#include "base/alloc.h"

/* Bounds one dispatch of "all that wait": its listeners may cause new events for ever. */
enum { MOST_EVENTS_AT_ONCE = 4096 };

/* --- the list -------------------------------------------------------------------------------------------------- */

/* Tells the engine which kinds are worth queueing. */
static void subscribe(struct rai_call *call)
{
    uint32_t mask = call->connection->polled;

    for (const ra_listener *l = call->connection->listeners; l != NULL; l = l->next)
        mask |= l->closed ? 0 : l->mask;
    if (call->inside)
        rai_engine_subscribe(rai_client_engine(call->client), mask);
}

/* The user pointer is not needed any more: its release is called when the lock is left. */
static void hand_over(struct rai_call *call, ra_listener *listener)
{
    if (listener->release == NULL)
        return;
    listener->release->next = call->releases;
    call->releases = listener->release;
    listener->release = NULL;
}

static void drop(ra_listener *listener)
{
    if (--listener->refs == 0)
        rai_free(listener);
}

static void sweep(ra_connection *connection)
{
    for (ra_listener **at = &connection->listeners; *at != NULL;) {
        ra_listener *listener = *at;

        if (listener->closed) {
            *at = listener->next;
            drop(listener);
        } else {
            at = &listener->next;
        }
    }
}

static void close_one(struct rai_call *call, ra_listener *listener)
{
    listener->closed = true;
    if (!listener->running)
        hand_over(call, listener);
}

void rai_listeners_close(struct rai_call *call, const ra_session *session)
{
    for (ra_listener *l = call->connection->listeners; l != NULL; l = l->next) {
        if (!l->closed && (session == NULL || l->session == session))
            close_one(call, l);
    }
    subscribe(call);
    if (!call->connection->dispatching)
        sweep(call->connection);
}

/* --- the exported part ----------------------------------------------------------------------------------------- */

static int check_listen(ra_connection *connection, const ra_session *session, uint32_t mask,
                        ra_listener_function function, ra_error **err)
{
    struct rai_fault fault;

    rai_error_begin(err);
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if (function == NULL)
        return rai_refuse_null("function", err);
    if (mask == 0 || (mask & ~(uint32_t)RA_EVENTS_ALL) != 0)
        rai_fault_set(&fault, RA_E_ARGUMENT, "argument mask is 0x%x, it takes bits of RA_EVENTS_ALL (0x%x)", mask,
                      (unsigned)RA_EVENTS_ALL);
    else if (session != NULL && session->connection != connection)
        rai_fault_set(&fault, RA_E_ARGUMENT, "argument session belongs to another connection");
    else
        return 0;
    return rai_error_out(err, &fault);
}

static ra_listener *make(ra_release_function release, void *user)
{
    ra_listener *listener = rai_calloc(1, sizeof *listener);

    if (listener == NULL || release == NULL)
        return listener;
    listener->release = rai_alloc(sizeof *listener->release);
    if (listener->release == NULL) {
        rai_free(listener);
        return NULL;
    }
    *listener->release = (struct rai_release){ NULL, release, user };
    return listener;
}

static void append(ra_connection *connection, ra_listener *listener)
{
    ra_listener **end = &connection->listeners;

    while (*end != NULL)
        end = &(*end)->next;
    *end = listener;
    listener->refs++;
    listener->serial = ++connection->listener_serial;
}

int ra_connection_listen(ra_connection *connection, ra_session *session, uint32_t mask, ra_listener_function function,
                         void *user, ra_release_function release, ra_listener **listener_out, ra_error **err)
{
    struct rai_call call;
    ra_listener *listener;
    int code;

    if (listener_out != NULL)
        *listener_out = NULL;
    if ((code = check_listen(connection, session, mask, function, err)) < 0)
        return code;
    if ((code = rai_call_begin(&call, connection, err)) < 0)
        return code;
    listener = make(release, user);
    if (listener == NULL)
        return rai_call_end(&call, rai_call_no_memory(&call));
    listener->connection = connection;
    listener->session = session;
    listener->mask = mask;
    listener->function = function;
    listener->user = user;
    append(connection, listener);
    if (listener_out != NULL) {
        listener->refs++;
        connection->refs++;
        *listener_out = listener;
    }
    subscribe(&call);
    return rai_call_end(&call, 0);
}

static void close_listener(struct rai_call *call, ra_listener *listener)
{
    if (listener->closed)
        return;
    close_one(call, listener);
    subscribe(call);
    if (!call->connection->dispatching)
        sweep(call->connection);
}

int ra_listener_close(ra_listener *listener, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (listener == NULL)
        return rai_refuse_null("listener", err);
    if ((code = rai_call_begin(&call, listener->connection, err)) < 0)
        return code;
    close_listener(&call, listener);
    return rai_call_end(&call, 0);
}

void ra_listener_free(ra_listener *listener)
{
    struct rai_call call;

    if (listener == NULL)
        return;
    rai_call_begin_free(&call, listener->connection);
    close_listener(&call, listener);
    drop(listener);
    rai_connection_drop(&call);
    rai_call_end(&call, 0);
}

int ra_connection_subscribe(ra_connection *connection, uint32_t mask, ra_error **err)
{
    struct rai_call call;
    struct rai_fault fault;
    int code;

    rai_error_begin(err);
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if ((mask & ~(uint32_t)RA_EVENTS_ALL) != 0) {
        rai_fault_set(&fault, RA_E_ARGUMENT, "argument mask is 0x%x, it takes bits of RA_EVENTS_ALL (0x%x)", mask,
                      (unsigned)RA_EVENTS_ALL);
        return rai_error_out(err, &fault);
    }
    if ((code = rai_call_begin(&call, connection, err)) < 0)
        return code;
    connection->polled = mask;
    subscribe(&call);
    return rai_call_end(&call, 0);
}

/* --- dispatch -------------------------------------------------------------------------------------------------- */

static bool hears(const ra_listener *listener, const ra_event *event, uint64_t newest)
{
    return !listener->closed && listener->serial <= newest && (listener->mask & RA_EVENT_MASK(event->raw.kind)) != 0 &&
           (listener->session == NULL || listener->session == event->session);
}

/* Leaves the lock for the call. false: a child of fork() came back from the listener; nothing may be touched. */
static bool call_listener(struct rai_call *call, ra_listener *listener, const ra_event *event)
{
    int code;

    listener->running = true;
    rai_client_leave(call->client);
    listener->function(listener->user, event);
    code = rai_client_enter(call->client, &call->fault);
    call->inside = code == 0;
    listener->running = false;
    if (listener->closed)
        hand_over(call, listener);
    return call->inside;
}

static bool call_listeners(struct rai_call *call, const ra_event *event)
{
    uint64_t newest = call->connection->listener_serial;

    for (ra_listener *l = call->connection->listeners; l != NULL; l = l->next) {
        if (hears(l, event, newest) && !call_listener(call, l, event))
            return false;
    }
    return true;
}

/* Number of events taken, or RA_E_FORKED. */
static int dispatch(struct rai_call *call, int32_t max)
{
    int32_t taken = 0;
    ra_event event;

    while (taken < max && !call->connection->freed && rai_event_next(call, &event)) {
        bool here = call_listeners(call, &event);

        rai_event_end(call, &event);
        if (!here)
            return RA_E_FORKED;
        taken++;
    }
    return taken;
}

int ra_connection_dispatch(ra_connection *connection, int32_t max, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (connection == NULL)
        return rai_refuse_null("connection", err);
    if ((code = rai_call_begin(&call, connection, err)) < 0)
        return code;
    code = rai_client_dispatch_begin(call.client, &call.fault);
    if (code != 0)
        return rai_call_end(&call, code < 0 ? code : 0); /* 1: another thread dispatches */
    connection->refs++;
    connection->dispatching = true;
    code = dispatch(&call, max > 0 && max < MOST_EVENTS_AT_ONCE ? max : MOST_EVENTS_AT_ONCE);
    connection->dispatching = false;
    sweep(connection);
    if (call.inside)
        rai_client_dispatch_end(call.client);
    rai_connection_drop(&call);
    return rai_call_end(&call, code);
}
