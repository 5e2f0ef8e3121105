#include "engine/queue_info.h"

#include "base/alloc.h"

ra_queue_info *rai_queue_info_of_queue(const struct rai_queue_answer *a)
{
    ra_queue_info *info = rai_calloc(1, sizeof *info);
    if (info == NULL)
        return NULL;
    info->exists = a->exists;
    info->durable = a->durable;
    info->temporary = a->temporary;
    info->routing_type = a->routing_type;
    info->consumers = a->consumers;
    info->messages = a->messages;
    info->name = rai_sstr_utf8(a->name, NULL);
    info->address = rai_sstr_utf8(a->address, NULL);
    info->filter = rai_sstr_utf8(a->filter, NULL);
    return info;
}

static bool add_queue(ra_queue_info *info, struct rai_sstr name)
{
    info->queues[info->queue_count] = rai_sstr_utf8(name, NULL);
    return info->queues[info->queue_count++] != NULL;
}

ra_queue_info *rai_queue_info_of_address(const struct rai_binding_answer *a, const char *address)
{
    ra_queue_info *info = rai_calloc(1, sizeof *info);
    if (info == NULL)
        return NULL;
    info->exists = a->exists;
    info->routing_type = a->anycast == 1 && a->multicast != 1 ? RA_ROUTING_ANYCAST : RA_ROUTING_DEFAULT;
    if (a->multicast == 1 && a->anycast != 1)
        info->routing_type = RA_ROUTING_MULTICAST;
    info->address = rai_strdup(address);
    info->queues = rai_calloc((size_t)a->count + 1, sizeof *info->queues);
    bool fine = info->queues != NULL;
    struct rai_reader names = a->names;
    for (int32_t i = 0; i < a->count && fine; i++)
        fine = add_queue(info, rai_get_sstr(&names));
    if (fine)
        return info;
    rai_queue_info_free(info);
    return NULL;
}

void rai_queue_info_free(ra_queue_info *info)
{
    if (info == NULL)
        return;
    for (int32_t i = 0; i < info->queue_count; i++)
        rai_free(info->queues[i]);
    rai_free(info->queues);
    rai_free(info->name);
    rai_free(info->address);
    rai_free(info->filter);
    rai_free(info);
}
