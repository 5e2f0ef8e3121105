/* mock */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <reattach/mock.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "print.h"
#include "terminal.h"
#include "watch.h"

static int failed(ra_error *err, int status)
{
    complain("%s", ra_error_message(err));
    ra_error_free(err);
    return status;
}

/* --- what it says ----------------------------------------------------------------------------------------------- */

static json_t *counters(ra_mock *mock, const char *kind)
{
    json_t *object = json_pack("{s:s}", "kind", kind);
    int64_t value;

    for (int32_t id = 1; ra_mock_count(mock, id, &value, NULL) == 0; id++)
        json_object_set_new(object, ra_mock_stat_name(id), json_integer(value));
    return object;
}

static bool print_line(const char *text)
{
    return puts(text) >= 0 && fflush(stdout) == 0;
}

static bool say_where(ra_mock *mock, bool json)
{
    if (json)
        return print_json(
            json_pack("{s:s, s:s, s:i}", "kind", "mock", "url", ra_mock_url(mock), "port", (int)ra_mock_port(mock)));
    return print_line(ra_mock_url(mock));
}

static bool say_counters(ra_mock *mock, bool json, const char *kind, FILE *plain)
{
    int64_t value;

    if (json)
        return print_json(counters(mock, kind));
    for (int32_t id = 1; ra_mock_count(mock, id, &value, NULL) == 0; id++)
        fprintf(plain, "%s%s %lld", id > 1 ? ", " : "", ra_mock_stat_name(id), (long long)value);
    fputc('\n', plain);
    return fflush(plain) == 0;
}

/* --- orders from stdin ------------------------------------------------------------------------------------------ */

static bool answer(int rc, ra_error *err, bool json)
{
    const char *text = rc == 0 ? "" : ra_error_message(err);
    bool good;

    if (json)
        good = print_json(json_pack("{s:s, s:b, s:s}", "kind", "answer", "done", rc == 0, "error", text));
    else
        good = rc == 0 ? print_line("done") : printf("error: %s\n", text) > 0 && fflush(stdout) == 0;
    ra_error_free(err);
    return good;
}

static bool obey(ra_mock *mock, const char *order, bool json)
{
    ra_error *err = NULL;
    int rc;

    if (strcmp(order, "counters") == 0)
        return say_counters(mock, json, "counters", stdout);
    rc = strcmp(order, "clear") == 0 ? ra_mock_clear(mock, &err) : ra_mock_fault(mock, order, &err);
    return answer(rc, err, json);
}

/* One line; false at the end of stdin. */
static bool obey_line(ra_mock *mock, bool json)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size = getline(&line, &room, stdin);
    bool more = size >= 0;

    if (more && line[size - 1] == '\n')
        line[--size] = '\0';
    if (size > 0)
        more = obey(mock, line, json);
    free(line);
    return more;
}

static void serve(ra_mock *mock, const struct settings *settings)
{
    struct pollfd ready[] = { { .fd = watch_descriptor(), .events = POLLIN },
                              { .fd = STDIN_FILENO, .events = POLLIN } };
    nfds_t count = settings->control ? 2 : 1;
    bool more = true;

    setvbuf(stdin, NULL, _IONBF, 0); /* what was read ahead could not be polled for */
    while (more && !watch_stopped()) {
        if (poll(ready, count, -1) > 0 && count == 2 && ready[1].revents != 0)
            more = obey_line(mock, settings->json);
    }
}

/* --- setting up ------------------------------------------------------------------------------------------------- */

static int start(const struct settings *settings, ra_mock **mock)
{
    char options[160];
    ra_error *err = NULL;

    snprintf(options, sizeof options, "port=%lld,seed=%lld,version=%lld,sync=%lld,lost=%lld,doubled=%lld",
             (long long)settings->port, (long long)settings->seed, (long long)settings->protocol,
             (long long)settings->sync, (long long)settings->lost, (long long)settings->doubled);
    return ra_mock_start(options, mock, &err) == 0 ? EXIT_WELL : failed(err, EXIT_CONNECT);
}

static int prepare(ra_mock *mock, const struct settings *settings)
{
    ra_error *err = NULL;
    int rc = 0;

    for (int i = 0; rc == 0 && i < settings->queues.count; i++)
        rc = ra_mock_create_queue(mock, settings->queues.items[i], NULL, &err);
    for (int i = 0; rc == 0 && i < settings->faults.count; i++)
        rc = ra_mock_fault(mock, settings->faults.items[i], &err);
    return rc == 0 ? EXIT_WELL : failed(err, EXIT_USAGE);
}

static int run(ra_mock *mock, const struct settings *settings)
{
    if (!watch_start(NULL)) {
        complain("no thread could be started for signals");
        return EXIT_LEFT;
    }
    bool good = say_where(mock, settings->json);

    if (good)
        serve(mock, settings);
    ra_mock_stop(mock, NULL);
    good = good && say_counters(mock, settings->json, "summary", stderr);
    watch_end();
    return good ? EXIT_WELL : EXIT_LEFT;
}

int run_mock(const struct settings *settings)
{
    ra_mock *mock = NULL;
    int status = start(settings, &mock);

    if (status == EXIT_WELL)
        status = prepare(mock, settings);
    if (status == EXIT_WELL)
        status = run(mock, settings);
    ra_mock_free(mock);
    return status;
}
