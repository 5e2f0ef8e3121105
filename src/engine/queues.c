#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * Queues that go with the broker's memory: temporary, not durable, or created automatically. Those that a session has made,
 * and those that it consumes from, are made again when the session is recreated, in the order in which they were made and
 * before their consumers. One that is there all the same is as good: the broker's refusal is nobody's.
 */

static size_t length(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

static const char *copy(char **at, const char *text)
{
    char *start = *at;
    if (text == NULL)
        return NULL;
    memcpy(start, text, length(text));
    *at += length(text);
    return start;
}

bool rai_queue_is_passing(const struct rai_create_queue *q)
{
    return !q->durable || q->auto_created;
}

struct rai_made_queue *rai_made_queue_new(const struct rai_create_queue *q)
{
    size_t text = length(q->queue) + length(q->address) + length(q->filter);
    struct rai_made_queue *made = rai_calloc(1, sizeof *made + text);
    if (made == NULL)
        return NULL;
    char *at = made->text;
    made->q = *q;
    made->q.queue = copy(&at, q->queue);
    made->q.address = copy(&at, q->address);
    made->q.filter = copy(&at, q->filter);
    return made;
}

/* What the broker says of a queue that is consumed from; NULL: it stays by itself, or there is no memory. */
struct rai_made_queue *rai_made_queue_of_answer(const char *queue, const struct rai_queue_answer *a)
{
    struct rai_create_queue q = {.queue = queue,
                                 .durable = a->durable,
                                 .temporary = a->temporary,
                                 .auto_created = a->auto_created,
                                 .respond = true,
                                 .routing_type = a->routing_type,
                                 .max_consumers = a->max_consumers};
    if (!a->exists || !rai_queue_is_passing(&q))
        return NULL;
    char *address = rai_sstr_utf8(a->address, NULL), *filter = rai_sstr_utf8(a->filter, NULL);
    q.address = address != NULL ? address : queue;
    q.filter = filter;
    struct rai_made_queue *made = rai_made_queue_new(&q);
    rai_free(address);
    rai_free(filter);
    return made;
}

static struct rai_made_queue **find(rai_session *s, const char *name)
{
    struct rai_made_queue **at = &s->made;
    while (*at != NULL && strcmp((*at)->q.queue, name) != 0)
        at = &(*at)->next;
    return at;
}

void rai_queue_deleted(rai_session *s, const char *name)
{
    struct rai_made_queue **at = find(s, name), *gone = *at;
    if (gone == NULL)
        return;
    *at = gone->next;
    rai_free(gone);
}

void rai_queue_made(rai_session *s, struct rai_made_queue *made)
{
    rai_queue_deleted(s, made->q.queue);
    *find(s, made->q.queue) = made;
}

void rai_queue_created(rai_session *s, struct rai_pending *entry)
{
    rai_op *op = entry->as.op;
    if (op == NULL || op->made == NULL)
        return;
    rai_queue_made(s, op->made);
    op->made = NULL;
}

/* A request of nobody's. */
static bool log_queue(rai_session *s, const struct rai_create_queue *q)
{
    struct rai_pending pending = {.type = RAI_CREATE_QUEUE_V2, .correlation = RAI_NO_CORRELATION};
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_create_queue(&d.w, d.size, s->channel, q);
    return rai_draft_commit(&d, &pending);
}

bool rai_queues_recreate(rai_session *s)
{
    bool fine = true;
    for (const struct rai_made_queue *made = s->made; made != NULL; made = made->next)
        fine = log_queue(s, &made->q) && fine;
    return fine;
}

bool rai_queue_of_consumer_recreate(rai_consumer *c)
{
    return c->made == NULL || *find(c->s, c->made->q.queue) != NULL || log_queue(c->s, &c->made->q);
}

void rai_queues_free(rai_session *s)
{
    while (s->made != NULL)
        rai_queue_deleted(s, s->made->q.queue);
}
