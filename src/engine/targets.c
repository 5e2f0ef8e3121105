#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * Where the next connection attempt goes. Attempts come in rounds; a round is a list without repetition:
 *
 *   first connection    the URL's endpoints, in the order of the load-balancing policy      initialConnectAttempts rounds
 *   after a loss        where we were, its backup, where we were before, the URL's others   reconnectAttempts rounds
 *   when these are out  the other nodes, by policy, then where we were                      failoverAttempts rounds
 *
 * A broker that sends us elsewhere is obeyed first, without any attempts allowed, but not for ever. While there is a main
 * link, other links go where it goes.
 */

static void add(struct rai_targets *t, const struct rai_endpoint *at)
{
    if (!rai_endpoint_given(at))
        return;
    for (int i = 0; i < t->count; i++)
        if (rai_endpoint_same(&t->list[i], at))
            return;
    if (t->count == t->room) {
        int room = t->room + 4;
        struct rai_endpoint *grown = rai_realloc(t->list, (size_t)room * sizeof *grown);
        if (grown == NULL)
            return; /* a shorter round */
        t->list = grown;
        t->room = room;
    }
    t->list[t->count++] = *at;
}

/* Not where the lost broker says that it is itself: we came another way, by a relay perhaps, and its session is known to the
 * acceptor behind that way only. */
static void add_pair(rai_engine *e)
{
    struct rai_targets *t = &e->targets;
    const struct rai_node *node = rai_node_find(e, e->node_id);
    add(t, rai_endpoint_given(&t->current) ? &t->current : &e->home);
    if (node != NULL)
        add(t, &node->backup);
    add(t, &t->previous);
}

/* The URL's endpoints, from that one on. */
static void add_configured(rai_engine *e, int from)
{
    int count = e->config->endpoint_count;
    for (int i = 0; i < count; i++)
        add(&e->targets, &e->config->endpoints[(from + i) % count]);
}

static int place_of_current(const rai_engine *e)
{
    for (int i = 0; i < e->config->endpoint_count; i++)
        if (rai_endpoint_same(&e->config->endpoints[i], &e->targets.current))
            return i;
    return 0;
}

static int first_of(const rai_engine *e, int count)
{
    return (int)(e->config->turn % (uint32_t)count);
}

/* The n-th of the nodes that are not ours; NULL: there are fewer. */
static const struct rai_node *other_node(const rai_engine *e, int n)
{
    for (int i = 0; i < e->node_count; i++) {
        const struct rai_node *node = &e->nodes[i];
        bool other = !node->gone && rai_endpoint_given(&node->primary) && strcmp(node->id, e->node_id) != 0;
        if (other && n-- == 0)
            return node;
    }
    return NULL;
}

static void add_other_nodes(rai_engine *e)
{
    int count = 0;
    while (other_node(e, count) != NULL)
        count++;
    for (int i = 0; i < count; i++) {
        const struct rai_node *node = other_node(e, (first_of(e, count) + i) % count);
        add(&e->targets, &node->primary);
        add(&e->targets, &node->backup);
    }
}

/* All but the pair, which stands at the beginning and comes last. */
static void shuffle(rai_engine *e)
{
    struct rai_targets *t = &e->targets;
    for (int i = t->count - 1; i > t->first; i--) {
        uint32_t r;
        e->host.random(e->host.ctx, &r, sizeof r);
        int j = t->first + (int)(r % (uint32_t)(i - t->first + 1));
        struct rai_endpoint other = t->list[i];
        t->list[i] = t->list[j];
        t->list[j] = other;
    }
}

static void begin_round(rai_engine *e)
{
    struct rai_targets *t = &e->targets;
    t->count = t->at = t->first = 0;
    if (e->ever_up)
        add_pair(e);
    if (e->ever_up && !t->elsewhere) {
        add_configured(e, place_of_current(e));
        return;
    }
    t->first = t->count;
    if (t->elsewhere && e->config->topology_for_balancing)
        add_other_nodes(e);
    add_configured(e, first_of(e, e->config->endpoint_count));
    if (e->config->balance == RAI_BALANCE_RANDOM)
        shuffle(e);
}

const struct rai_endpoint *rai_targets_next(rai_engine *e)
{
    struct rai_targets *t = &e->targets;
    if (e->main != NULL)
        return &e->main->at;
    if (rai_endpoint_given(&t->redirect))
        return &t->redirect;
    if (t->count == 0)
        begin_round(e);
    if (t->count == 0)
        return &e->config->endpoints[0]; /* out of memory */
    return &t->list[(t->first + t->at) % t->count];
}

void rai_targets_failed(rai_engine *e)
{
    struct rai_targets *t = &e->targets;
    if (rai_endpoint_given(&t->redirect)) {
        t->redirect.host[0] = '\0';
        return;
    }
    if (e->main == NULL && t->count == 0)
        begin_round(e);
    if (e->main == NULL && ++t->at < t->count)
        return;
    t->count = t->at = 0;
    t->rounds++;
}

bool rai_targets_between_rounds(const rai_engine *e)
{
    const struct rai_targets *t = &e->targets;
    return t->rounds > 0 && t->at == 0 && !rai_endpoint_given(&t->redirect);
}

static int32_t rounds_allowed(const rai_engine *e)
{
    const struct rai_config *config = e->config;
    if (!e->ever_up)
        return config->initial_connect_attempts != 0 ? config->initial_connect_attempts : 1;
    return e->targets.elsewhere ? config->failover_attempts : config->reconnect_attempts;
}

bool rai_targets_left(rai_engine *e)
{
    struct rai_targets *t = &e->targets;
    int32_t allowed = rounds_allowed(e);
    if (allowed < 0 || t->rounds < allowed || rai_endpoint_given(&t->redirect))
        return true;
    if (!e->ever_up || e->main != NULL || t->elsewhere || e->config->failover_attempts == 0)
        return false;
    t->elsewhere = true;
    t->count = t->at = 0;
    t->rounds = 0;
    e->delay = e->config->retry_interval * RAI_MS;
    return true;
}

void rai_targets_other_node(rai_engine *e)
{
    e->targets.current.host[0] = e->targets.previous.host[0] = '\0';
}

void rai_targets_proven(rai_engine *e, const struct rai_endpoint *at)
{
    struct rai_targets *t = &e->targets;
    if (!rai_endpoint_same(&t->current, at)) {
        t->previous = t->current;
        t->current = *at;
    }
    t->redirect.host[0] = '\0';
    t->redirects = 0;
    t->elsewhere = false;
    t->count = t->at = 0;
    t->rounds = 0;
}

bool rai_targets_redirect(rai_engine *e, const struct rai_endpoint *to)
{
    struct rai_targets *t = &e->targets;
    if (!rai_endpoint_given(to) || t->redirects++ >= RAI_REDIRECTS_MAX)
        return false;
    t->redirect = *to;
    return true;
}

void rai_targets_free(rai_engine *e)
{
    rai_free(e->targets.list);
    rai_free(e->nodes);
}
