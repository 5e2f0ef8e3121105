#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * What the broker says about the nodes of its cluster: an id for each pair, where its active broker is, where its backup.
 * Hints, no more: a record that there is no memory or no room for is left out, and the URL is there as well.
 */

bool rai_endpoint_given(const struct rai_endpoint *at)
{
    return at->host[0] != '\0';
}

bool rai_endpoint_same(const struct rai_endpoint *a, const struct rai_endpoint *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool maps(const struct rai_endpoint *from, const struct rai_endpoint *at)
{
    return strcmp(from->host, at->host) == 0 && (from->port == 0 || from->port == at->port);
}

/* As the broker has it, then as it is from here. */
struct rai_endpoint rai_endpoint_mapped(const rai_engine *e, const struct rai_connector *connector)
{
    const struct rai_config *config = e->config;
    struct rai_endpoint at = {.port = connector->port};
    memcpy(at.host, connector->host, sizeof at.host);
    for (int i = 0; i < config->address_map_count; i++) {
        const struct rai_address_map *map = &config->address_map[i];
        if (!maps(&map->from, &at))
            continue;
        memcpy(at.host, map->to.host, sizeof at.host);
        at.port = map->to.port != 0 ? map->to.port : at.port;
        break;
    }
    return at;
}

struct rai_node *rai_node_find(const rai_engine *e, const char *id)
{
    for (int i = 0; i < e->node_count && id[0] != '\0'; i++)
        if (strcmp(e->nodes[i].id, id) == 0)
            return &e->nodes[i];
    return NULL;
}

static struct rai_node *add_node(rai_engine *e, const char *id)
{
    struct rai_node *node = NULL;
    for (int i = 0; i < e->node_count && e->node_count == RAI_NODES_MAX; i++)
        if (e->nodes[i].gone)
            node = &e->nodes[i]; /* remembered only against news that are older */
    if (node == NULL && e->node_count < RAI_NODES_MAX) {
        struct rai_node *grown = rai_realloc(e->nodes, (size_t)(e->node_count + 1) * sizeof *grown);
        if (grown == NULL)
            return NULL;
        e->nodes = grown;
        node = &grown[e->node_count++];
    }
    if (node == NULL)
        return NULL;
    *node = (struct rai_node){.event = INT64_MIN};
    snprintf(node->id, sizeof node->id, "%s", id);
    return node;
}

/* A part that the news do not mention stays: a backup that is away for a while is still where to look for one. */
static void learn_part(const rai_engine *e, const struct rai_connector *news, struct rai_endpoint *part)
{
    if (news->host[0] != '\0')
        *part = rai_endpoint_mapped(e, news);
}

static void endpoint_text(const struct rai_endpoint *at, char *out, size_t room)
{
    if (rai_endpoint_given(at))
        rai_endpoint_text(out, room, at->host, at->port);
    else
        snprintf(out, room, "nowhere");
}

/* Every link tells all of it again: only what is new is said. */
static void say_news(rai_engine *e, const struct rai_node *was, const struct rai_node *is)
{
    char primary[RAI_FAULT_ENDPOINT], backup[RAI_FAULT_ENDPOINT];
    bool same = was->gone == is->gone && rai_endpoint_same(&was->primary, &is->primary) &&
                rai_endpoint_same(&was->backup, &is->backup);
    if (same || (!rai_endpoint_given(&is->primary) && !rai_endpoint_given(&is->backup)))
        return;
    endpoint_text(&is->primary, primary, sizeof primary);
    endpoint_text(&is->backup, backup, sizeof backup);
    if (is->gone)
        rai_say(e, NULL, "node %.40s at %s has left the cluster", is->id, primary);
    else
        rai_say(e, NULL, "node %.40s is at %s, its backup %s", is->id, primary, backup);
}

void rai_node_learn(rai_engine *e, const struct rai_link *l, const struct rai_topology *news)
{
    struct rai_node *node = rai_node_find(e, news->node_id);
    if (node == NULL)
        node = add_node(e, news->node_id);
    if (node == NULL)
        return;
    node->told_on = l->id;
    if (news->event != 0 && news->event < node->event)
        return;
    struct rai_node was = *node;
    node->event = news->event;
    node->gone = news->exit;
    if (!news->exit) {
        learn_part(e, &news->primary, &node->primary);
        learn_part(e, &news->backup, &node->backup);
    }
    say_news(e, &was, node);
}

/*
 * Which of the nodes named on a link is the one at its other end. No packet says so. It is the one at the address that was
 * dialed; or the only one; or, as one address has several spellings, the only one with that port.
 */
const struct rai_node *rai_node_of_link(const struct rai_link *l)
{
    const rai_engine *e = l->e;
    const struct rai_node *only = NULL, *only_port = NULL;
    int told = 0, with_port = 0;
    for (int i = 0; i < e->node_count; i++) {
        const struct rai_node *node = &e->nodes[i];
        if (node->gone || node->told_on != l->id)
            continue;
        if (rai_endpoint_same(&node->primary, &l->at))
            return node;
        told++;
        only = node;
        if (node->primary.port == l->at.port) {
            with_port++;
            only_port = node;
        }
    }
    return told == 1 ? only : with_port == 1 ? only_port : NULL;
}
