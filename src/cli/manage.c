#include "manage.h"

#include <string.h>
#include <sys/random.h>

#include "terminal.h"

#define ADDRESS "activemq.management"
enum { ANSWER_MS = 10000 };

bool random_name(char *out, size_t size, const char *stem)
{
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return complain("no random numbers can be had");
    snprintf(out, size, "%s.%016llx", stem, (unsigned long long)random);
    return true;
}

int manager_open(struct manager *m, struct broker *broker, ra_error **err)
{
    int rc = 1;

    *m = (struct manager){ .broker = broker };
    if (random_name(m->reply, sizeof m->reply, "reattach.reply"))
        rc =
            ra_session_create_queue(broker->session, m->reply, NULL, RA_ROUTING_ANYCAST, RA_QUEUE_TEMPORARY, NULL, err);
    if (rc == 0)
        rc = ra_consumer_open(broker->session, m->reply, NULL, 0, -2, &m->consumer, err);
    if (rc == 0) /* without an address: no queue is bound to that of the management */
        rc = ra_producer_open(broker->session, NULL, &m->producer, err);
    if (rc == 0)
        rc = ra_session_start(broker->session, err);
    return rc;
}

static int set_string(ra_message *message, const char *key, const char *value, ra_error **err)
{
    return ra_message_set_string(message, key, value, strlen(value), err);
}

/* A producer without an address has no credits for this one yet: it asks, and waits until they come. */
static int send_request(struct manager *m, ra_message *message, ra_operation **operation, ra_error **err)
{
    int rc = ra_producer_send_begin(m->producer, ADDRESS, message, operation, err);

    while (rc == RA_E_WOULD_BLOCK) {
        ra_error_free(*err);
        *err = NULL;
        rc = ra_producer_wait_writable(m->producer, ANSWER_MS, 0, err);
        if (rc == 0)
            rc = ra_producer_send_begin(m->producer, ADDRESS, message, operation, err);
    }
    return rc;
}

static int request(struct manager *m, const char *resource, const char *key, const char *name, ra_error **err)
{
    ra_message *message = NULL;
    ra_operation *operation = NULL;
    int rc = ra_message_new(RA_MESSAGE_TEXT, &message, err);

    if (rc == 0)
        rc = ra_message_set_text(message, NULL, 0, err); /* no parameters */
    if (rc == 0)
        rc = set_string(message, "_AMQ_ResourceName", resource, err);
    if (rc == 0)
        rc = set_string(message, key, name, err);
    if (rc == 0)
        rc = set_string(message, "JMSReplyTo", m->reply, err);
    if (rc == 0)
        rc = send_request(m, message, &operation, err);
    if (rc == 0)
        rc = ra_operation_wait(operation, ANSWER_MS, 0, err);
    ra_operation_free(operation);
    ra_message_unref(message);
    return rc;
}

/* The answer is an array with one element. */
static int read_answer(ra_message *message, const char *resource, const char *name, json_t **result_out)
{
    const char *text = NULL;
    json_t *array, *element;
    size_t size = 0;
    int good = 0;

    ra_message_get_boolean(message, "_AMQ_OperationSucceeded", &good, NULL);
    ra_message_get_text(message, &text, &size, NULL);
    array = text != NULL ? json_loadb(text, size, JSON_DECODE_ANY, NULL) : NULL;
    element = json_array_get(array, 0);
    if (good) {
        *result_out = json_incref(element);
    } else {
        const char *why = json_string_value(element);

        complain("the broker refused %s of %s: %s", name, resource, why != NULL ? why : "it does not say why");
    }
    json_decref(array);
    return good ? 0 : 1;
}

static int ask(struct manager *m, const char *resource, const char *key, const char *name, json_t **result_out,
               ra_error **err)
{
    ra_message *message = NULL;
    int rc = request(m, resource, key, name, err);

    *result_out = NULL;
    if (rc == 0)
        rc = ra_consumer_receive(m->consumer, ANSWER_MS, 0, &message, err);
    if (rc < 0)
        return rc;
    if (rc == RA_RECEIVED_NONE) {
        complain("the broker's management does not answer");
        return 1;
    }
    ra_consumer_acknowledge(m->consumer, message, NULL);
    rc = read_answer(message, resource, name, result_out);
    ra_message_unref(message);
    return rc;
}

int manager_call(struct manager *m, const char *resource, const char *operation, json_t **result_out, ra_error **err)
{
    return ask(m, resource, "_AMQ_OperationName", operation, result_out, err);
}

int manager_get(struct manager *m, const char *resource, const char *attribute, json_t **result_out, ra_error **err)
{
    return ask(m, resource, "_AMQ_Attribute", attribute, result_out, err);
}

void manager_close(struct manager *m)
{
    ra_producer_free(m->producer);
    if (m->consumer == NULL)
        return;
    ra_consumer_close(m->consumer, NULL);
    ra_consumer_free(m->consumer);
    ra_session_delete_queue(m->broker->session, m->reply, NULL); /* the broker may keep it a while otherwise */
}
