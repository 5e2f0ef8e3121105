#ifndef RAI_ENGINE_QUEUE_INFO_H
#define RAI_ENGINE_QUEUE_INFO_H

#include <reattach/operation.h>
#include <reattach/session.h>

#include "codec/packets.h"

/* What a query answered, kept for the caller. */
struct ra_queue_info {
    bool exists, durable, temporary;
    int32_t routing_type, consumers;
    int64_t messages;
    char *name, *address, *filter; /* NULL: none */
    int32_t queue_count;
    char **queues;
};

/* NULL when out of memory. */
ra_queue_info *rai_queue_info_of_queue(const struct rai_queue_answer *a);
ra_queue_info *rai_queue_info_of_address(const struct rai_binding_answer *a, const char *address);
void rai_queue_info_free(ra_queue_info *info);

#endif
