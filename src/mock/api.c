/* The exported functions: arguments are checked here, and errors made. */
#include <reattach/mock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "codec/frame.h"
#include "mock/server.h"

struct ra_mock {
    struct rai_mock_server *server;
    char url[40];
};

enum { NAME_MAX = 255 };

/* --- errors --- */

static int failed(const struct rai_fault *fault, ra_error **err)
{
    if (err != NULL)
        *err = ra_error_new(fault->code, fault->text);
    return fault->code;
}

static int refuse(ra_error **err, int code, const char *about, const char *wanted)
{
    struct rai_fault fault;
    rai_fault_set(&fault, code, "%.80s: %s", about, wanted);
    return failed(&fault, err);
}

static int is_there(const void *argument, const char *what, ra_error **err)
{
    return argument != NULL ? RA_OK : refuse(err, RA_E_ARGUMENT, what, "is NULL");
}

static int begin(const ra_mock *mock, ra_error **err)
{
    if (err != NULL)
        *err = NULL;
    return is_there(mock, "mock", err);
}

static int is_name(const char *name, const char *what, ra_error **err)
{
    size_t size = name != NULL ? strlen(name) : 0;
    if (size == 0 || size > NAME_MAX || !rai_utf8_valid(name, size))
        return refuse(err, RA_E_ARGUMENT, what, "wanted: a name of 1 to 255 bytes, in UTF-8");
    return RA_OK;
}

/* --- life --- */

static int read_options(const char *text, struct rai_mock_settings *out, struct rai_fault *fault)
{
    const struct {
        const char *name;
        int64_t min, max, *value;
    } options[] = {
        { "port", 0, 65535, &out->port },
        { "seed", 0, INT64_MAX, &out->seed },
        { "version", RAI_VERSION_MIN, RAI_VERSION, &out->version },
        { "sync", 0, 60000, &out->sync_ms },
        { "lost", 0, 100, &out->lost },
        { "doubled", 0, 100, &out->doubled },
    };
    enum { COUNT = sizeof options / sizeof *options };
    struct rai_mock_spec s = { .text = text, .fault = fault };
    *out = (struct rai_mock_settings){ .seed = 1, .version = RAI_VERSION };
    rai_fault_set(fault, RA_OK, "%s", "");
    while (rai_mock_spec_next(&s)) {
        size_t i = 0;
        while (i < COUNT && strcmp(options[i].name, s.name) != 0)
            i++;
        if (i == COUNT)
            rai_mock_spec_wrong(&s, "there is no such option (port, seed, version, sync, lost, doubled)");
        else
            rai_mock_spec_number(&s, options[i].min, options[i].max, options[i].value);
    }
    return fault->code;
}

int ra_mock_start(const char *options, ra_mock **mock_out, ra_error **err)
{
    struct rai_mock_settings settings;
    struct rai_fault fault;
    int code;
    if (err != NULL)
        *err = NULL;
    if ((code = is_there(mock_out, "mock_out", err)) < 0)
        return code;
    *mock_out = NULL;
    if (read_options(options, &settings, &fault) < 0)
        return failed(&fault, err);
    struct rai_mock_server *server = rai_mock_server_start(&settings, &fault);
    if (server == NULL)
        return failed(&fault, err);
    ra_mock *mock = calloc(1, sizeof *mock);
    if (mock == NULL)
        abort();
    mock->server = server;
    snprintf(mock->url, sizeof mock->url, "tcp://127.0.0.1:%u", rai_mock_server_port(server));
    *mock_out = mock;
    return RA_OK;
}

int ra_mock_stop(ra_mock *mock, ra_error **err)
{
    int code = begin(mock, err);
    if (code == RA_OK)
        rai_mock_server_stop(mock->server);
    return code;
}

void ra_mock_free(ra_mock *mock)
{
    if (mock == NULL)
        return;
    rai_mock_server_free(mock->server);
    free(mock);
}

const char *ra_mock_url(const ra_mock *mock)
{
    return mock != NULL ? mock->url : NULL;
}

int32_t ra_mock_port(const ra_mock *mock)
{
    return mock != NULL ? rai_mock_server_port(mock->server) : 0;
}

/* --- faults --- */

static int was_stopped(ra_error **err)
{
    return refuse(err, RA_E_CLOSED, "mock", "it was stopped");
}

int ra_mock_fault(ra_mock *mock, const char *text, ra_error **err)
{
    struct rai_mock_order order;
    struct rai_fault fault;
    int code = begin(mock, err);
    if (code == RA_OK)
        code = is_there(text, "fault", err);
    if (code < 0)
        return code;
    if (rai_mock_order_read(text, &order, &fault) < 0)
        return failed(&fault, err);
    return rai_mock_server_fault(mock->server, &order) ? RA_OK : was_stopped(err);
}

int ra_mock_clear(ra_mock *mock, ra_error **err)
{
    int code = begin(mock, err);
    if (code < 0)
        return code;
    return rai_mock_server_clear(mock->server) ? RA_OK : was_stopped(err);
}

/* --- queues --- */

int ra_mock_create_queue(ra_mock *mock, const char *queue, const char *address, ra_error **err)
{
    int code = begin(mock, err);
    if (code == RA_OK)
        code = is_name(queue, "queue", err);
    if (code == RA_OK && address != NULL)
        code = is_name(address, "address", err);
    if (code < 0)
        return code;
    rai_mock *engine = rai_mock_server_borrow(mock->server);
    bool fresh = rai_mock_queue_messages(engine, queue) < 0;
    if (fresh)
        rai_mock_add_queue(engine, queue, address != NULL ? address : queue, true);
    rai_mock_server_return(mock->server);
    return fresh ? RA_OK : refuse(err, RA_E_QUEUE_EXISTS, queue, "there is such a queue already");
}

int ra_mock_queue_messages(ra_mock *mock, const char *queue, int64_t *value_out, ra_error **err)
{
    int code = begin(mock, err);
    if (code == RA_OK)
        code = is_name(queue, "queue", err);
    if (code == RA_OK)
        code = is_there(value_out, "value_out", err);
    if (code < 0)
        return code;
    *value_out = rai_mock_queue_messages(rai_mock_server_borrow(mock->server), queue);
    rai_mock_server_return(mock->server);
    return *value_out >= 0 ? RA_OK : refuse(err, RA_E_NO_QUEUE, queue, "there is no such queue");
}

/* --- counters --- */

static const char *const names[] = { "unknown",      "connections",    "open",        "refused",  "cut",
                                     "faults",       "packets_in",     "packets_out", "sessions", "reattached",
                                     "not_found",    "expired",        "stored",      "consumed", "rejected",
                                     "answers_lost", "answers_doubled" };
enum { NAMES = sizeof names / sizeof *names };
_Static_assert(NAMES == RA_MOCK_STAT_ANSWERS_DOUBLED + 1, "a counter without a name");

const char *ra_mock_stat_name(int32_t id)
{
    return names[id > 0 && id < NAMES ? id : 0];
}

static int check_counter(const ra_mock *mock, int32_t id, ra_error **err)
{
    int code = begin(mock, err);
    if (code < 0)
        return code;
    return id > 0 && id < NAMES ? RA_OK : refuse(err, RA_E_ARGUMENT, "id", "there is no such counter");
}

int ra_mock_count(ra_mock *mock, int32_t id, int64_t *value_out, ra_error **err)
{
    int code = check_counter(mock, id, err);
    if (code == RA_OK)
        code = is_there(value_out, "value_out", err);
    if (code == RA_OK)
        *value_out = rai_mock_server_count(mock->server, (enum ra_mock_stat)id);
    return code;
}

int ra_mock_wait(ra_mock *mock, int32_t id, int64_t at_least, int64_t timeout_ms, ra_error **err)
{
    int code = check_counter(mock, id, err);
    if (code < 0)
        return code;
    code = rai_mock_server_wait(mock->server, (enum ra_mock_stat)id, at_least, timeout_ms);
    if (code == RA_E_CLOSED)
        return was_stopped(err);
    return code == RA_OK ? RA_OK : refuse(err, code, names[id], "it did not get that far in time");
}
