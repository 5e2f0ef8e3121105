/* Questions to the broker's management: a message to its management address, and the answer in a temporary queue. */
#ifndef REATTACH_CLI_MANAGE_H
#define REATTACH_CLI_MANAGE_H

#include <jansson.h>

#include "broker.h"

struct manager {
    struct broker *broker;
    ra_producer *producer;
    ra_consumer *consumer;
    char reply[64]; /* the temporary queue; gone with the session */
};

int manager_open(struct manager *manager, struct broker *broker, ra_error **err);
/* Runs an operation of a resource ("broker", "queue.NAME"). *result_out is the caller's (json_decref), NULL for a void
 * result. 0, or negative with an error, or 1 after a complaint. */
int manager_call(struct manager *manager, const char *resource, const char *operation, json_t **result_out,
                 ra_error **err);
/* The same with the value of an attribute. */
int manager_get(struct manager *manager, const char *resource, const char *attribute, json_t **result_out,
                ra_error **err);
void manager_close(struct manager *manager);

/* stem.<random>, for a queue that nobody else has */
bool random_name(char *out, size_t size, const char *stem);

#endif
