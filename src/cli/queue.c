/* queue list|create|delete|purge|stat */
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "manage.h"
#include "print.h"
#include "terminal.h"

/* What happens between connecting and closing: 0, a negative code with an error, or positive after a complaint. */
typedef int (*work)(struct broker *broker, const struct settings *settings, ra_error **err);

static int run(const struct settings *settings, work function)
{
    struct broker broker;
    ra_error *err = NULL;
    int rc, status = broker_open(&broker, settings, NULL, RA_SESSION_AUTO_COMMIT);

    if (status != EXIT_WELL)
        return status;
    rc = function(&broker, settings, &err);
    if (rc < 0)
        status = broker_failed(err, EXIT_LEFT);
    else
        status = rc > 0 ? EXIT_LEFT : EXIT_WELL;
    broker_close(&broker);
    return status;
}

static int done(const struct settings *settings, const char *what)
{
    if (settings->json)
        return !print_json(json_pack("{s:s, s:s}", "kind", what, "queue", settings->queue));
    return 0;
}

/* --- settings of one queue -------------------------------------------------------------------------------------- */

static json_t *describe(const ra_queue_info *info)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:I, s:i}", "kind", "queue", "name", ra_queue_info_name(info),
                     "address", ra_queue_info_address(info), "routing_type",
                     ra_routing_type_name(ra_queue_info_routing_type(info)), "durable", ra_queue_info_is_durable(info),
                     "temporary", ra_queue_info_is_temporary(info), "filter", ra_queue_info_filter(info), "messages",
                     (json_int_t)ra_queue_info_message_count(info), "consumers", ra_queue_info_consumer_count(info));
}

static bool print_row(const json_t *queue)
{
    printf("%-40s %-9s %-11s %12lld %9lld\n", json_string_value(json_object_get(queue, "name")),
           json_string_value(json_object_get(queue, "routing_type")),
           json_is_true(json_object_get(queue, "durable")) ? "durable" : "non-durable",
           (long long)json_integer_value(json_object_get(queue, "messages")),
           (long long)json_integer_value(json_object_get(queue, "consumers")));
    return print_flushed();
}

static bool print_members(const json_t *queue)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)queue, key, value)
    {
        char *text = json_dumps(value, JSON_ENCODE_ANY);

        if (strcmp(key, "kind") != 0)
            printf("%-14s %s\n", key, json_is_string(value) ? json_string_value(value) : text != NULL ? text : "");
        free(text);
    }
    return print_flushed();
}

/* --- the commands ----------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* A queue may go between the list and the question. */
static int list_one(struct broker *broker, const struct settings *settings, const char *name, ra_error **err)
{
    ra_queue_info *info = NULL;
    json_t *queue = NULL;
    int rc = ra_session_query_queue(broker->session, name, &info, err);

    if (rc == 0 && ra_queue_info_exists(info)) {
        queue = describe(info);
        rc = settings->json ? !print_json(json_incref(queue)) : !print_row(queue);
    }
    json_decref(queue);
    ra_queue_info_free(info);
    return rc;
}

static int list_names(struct broker *broker, const struct settings *settings, const json_t *names, const char *own,
                      ra_error **err)
{
    size_t count = json_array_size(names);
    const json_t **sorted = calloc(count + 1, sizeof(json_t *));
    size_t n = 0;
    int rc = 0;

    if (sorted == NULL)
        return !complain("out of memory");
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));

        if (name != NULL && strcmp(name, own) != 0)
            sorted[n++] = json_array_get(names, i);
    }
    qsort(sorted, n, sizeof *sorted, compare_names);
    if (!settings->json)
        printf("%-40s %-9s %-11s %12s %9s\n", "name", "routing", "", "messages", "consumers");
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = list_one(broker, settings, json_string_value(sorted[i]), err);
    free(sorted);
    return rc;
}

static int list(struct broker *broker, const struct settings *settings, ra_error **err)
{
    struct manager manager;
    json_t *names = NULL;
    int rc = manager_open(&manager, broker, err);

    if (rc == 0)
        rc = manager_call(&manager, "broker", "getQueueNames", &names, err);
    if (rc == 0)
        rc = list_names(broker, settings, names, manager.reply, err);
    json_decref(names);
    manager_close(&manager);
    return rc;
}

static int create(struct broker *broker, const struct settings *settings, ra_error **err)
{
    int rc = ra_session_create_queue(broker->session, settings->queue, settings->address,
                                     settings->multicast ? RA_ROUTING_MULTICAST : RA_ROUTING_ANYCAST,
                                     settings->non_durable ? 0 : RA_QUEUE_DURABLE, settings->filter, err);

    return rc == 0 ? done(settings, "created") : rc;
}

static int delete (struct broker *broker, const struct settings *settings, ra_error **err)
{
    int rc = ra_session_delete_queue(broker->session, settings->queue, err);

    return rc == 0 ? done(settings, "deleted") : rc;
}

/* 0 and *info_out, or what went wrong. */
static int find(struct broker *broker, const struct settings *settings, ra_queue_info **info_out, ra_error **err)
{
    int rc = ra_session_query_queue(broker->session, settings->queue, info_out, err);

    if (rc == 0 && !ra_queue_info_exists(*info_out)) {
        ra_queue_info_free(*info_out);
        *info_out = NULL;
        return !complain("there is no queue \"%s\"", settings->queue);
    }
    return rc;
}

static bool resource_of(const struct settings *settings, char *out, size_t size)
{
    if ((size_t)snprintf(out, size, "queue.%s", settings->queue) < size)
        return true;
    return complain("the name of the queue is longer than %zu bytes", size - 7);
}

static int purge(struct broker *broker, const struct settings *settings, ra_error **err)
{
    struct manager manager;
    ra_queue_info *info = NULL;
    json_t *removed = NULL;
    char resource[1024];
    int rc = find(broker, settings, &info, err);

    ra_queue_info_free(info);
    if (rc != 0)
        return rc;
    if (!resource_of(settings, resource, sizeof resource))
        return 1;
    rc = manager_open(&manager, broker, err);
    if (rc == 0)
        rc = manager_call(&manager, resource, "removeAllMessages", &removed, err);
    if (rc == 0 && settings->json)
        rc = !print_json(json_pack("{s:s, s:s, s:I}", "kind", "purged", "queue", settings->queue, "messages",
                                   json_integer_value(removed)));
    else if (rc == 0)
        rc = printf("%lld messages removed\n", (long long)json_integer_value(removed)) < 0 || !print_flushed();
    json_decref(removed);
    manager_close(&manager);
    return rc;
}

/* Counters that only the management knows. A user who may not ask gets what everybody gets. */
static int add_counters(struct broker *broker, const struct settings *settings, json_t *queue, ra_error **err)
{
    static const char *const counters[][2] = { { "deliveringCount", "delivering" },
                                               { "messagesAdded", "added" },
                                               { "messagesAcknowledged", "acknowledged" },
                                               { "messagesExpired", "expired" },
                                               { "messagesKilled", "killed" } };
    struct manager manager;
    char resource[1024];
    int rc = resource_of(settings, resource, sizeof resource) ? manager_open(&manager, broker, err) : 1;

    if (rc > 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < sizeof counters / sizeof *counters; i++) {
        json_t *value = NULL;

        rc = manager_get(&manager, resource, counters[i][0], &value, err);
        if (rc == 0)
            json_object_set(queue, counters[i][1], value);
        json_decref(value);
    }
    manager_close(&manager);
    if (rc == RA_E_SECURITY) {
        ra_error_free(*err);
        *err = NULL;
        rc = 0;
    }
    return rc;
}

static int stat(struct broker *broker, const struct settings *settings, ra_error **err)
{
    ra_queue_info *info = NULL;
    json_t *queue = NULL;
    int rc = find(broker, settings, &info, err);

    if (rc == 0) {
        queue = describe(info);
        rc = add_counters(broker, settings, queue, err);
    }
    if (rc == 0)
        rc = settings->json ? !print_json(json_incref(queue)) : !print_members(queue);
    json_decref(queue);
    ra_queue_info_free(info);
    return rc;
}

int run_queue_list(const struct settings *settings)
{
    return run(settings, list);
}

int run_queue_create(const struct settings *settings)
{
    return run(settings, create);
}

int run_queue_delete(const struct settings *settings)
{
    return run(settings, delete);
}

int run_queue_purge(const struct settings *settings)
{
    return run(settings, purge);
}

int run_queue_stat(const struct settings *settings)
{
    return run(settings, stat);
}
