/* What ra_session_query_queue() and ra_session_query_address() answered. */
#include "engine/queue_info.h"

#include <reattach/operation.h>

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

int ra_queue_info_exists(const ra_queue_info *info)
{
    return info != NULL && info->exists;
}

const char *ra_queue_info_name(const ra_queue_info *info)
{
    return text_or_empty(info != NULL ? info->name : NULL);
}

const char *ra_queue_info_address(const ra_queue_info *info)
{
    return text_or_empty(info != NULL ? info->address : NULL);
}

const char *ra_queue_info_filter(const ra_queue_info *info)
{
    return text_or_empty(info != NULL ? info->filter : NULL);
}

int ra_queue_info_is_durable(const ra_queue_info *info)
{
    return info != NULL && info->durable;
}

int ra_queue_info_is_temporary(const ra_queue_info *info)
{
    return info != NULL && info->temporary;
}

int32_t ra_queue_info_routing_type(const ra_queue_info *info)
{
    return info != NULL ? info->routing_type : RA_ROUTING_DEFAULT;
}

int32_t ra_queue_info_consumer_count(const ra_queue_info *info)
{
    return info != NULL ? info->consumers : 0;
}

int64_t ra_queue_info_message_count(const ra_queue_info *info)
{
    return info != NULL ? info->messages : 0;
}

int32_t ra_queue_info_queue_count(const ra_queue_info *info)
{
    return info != NULL ? info->queue_count : 0;
}

const char *ra_queue_info_queue_name(const ra_queue_info *info, int32_t index)
{
    return info != NULL && index >= 0 && index < info->queue_count ? info->queues[index] : NULL;
}

void ra_queue_info_free(ra_queue_info *info)
{
    rai_queue_info_free(info);
}
