/* Messages, queues, and the journal: what is on disk, what is on its way there, and what a restart leaves of it. */
#include <stdlib.h>
#include <string.h>

#include "mock/inside.h"

static void tell(const rai_mock *m, enum rai_mock_news what, const struct rai_mock_message *message)
{
    if (m->config.watch.news != NULL)
        m->config.watch.news(m->config.watch.ctx, what, message->body, message->body_size);
}

/* --- places in queues --- */

void rai_mock_refs_push(struct rai_mock_refs *list, struct rai_mock_ref *ref)
{
    ref->next = NULL;
    ref->prev = list->last;
    if (list->last != NULL)
        list->last->next = ref;
    else
        list->first = ref;
    list->last = ref;
    list->count++;
}

static void unlink_ref(struct rai_mock_refs *list, struct rai_mock_ref *ref)
{
    if (ref->prev != NULL)
        ref->prev->next = ref->next;
    else
        list->first = ref->next;
    if (ref->next != NULL)
        ref->next->prev = ref->prev;
    else
        list->last = ref->prev;
    ref->prev = ref->next = NULL;
    list->count--;
}

struct rai_mock_ref *rai_mock_refs_pop(struct rai_mock_refs *list)
{
    struct rai_mock_ref *ref = list->first;
    if (ref != NULL)
        unlink_ref(list, ref);
    return ref;
}

static bool stands_before(const struct rai_mock_ref *a, const struct rai_mock_ref *b)
{
    if (a->message->priority != b->message->priority)
        return a->message->priority > b->message->priority;
    return a->order < b->order;
}

/* By priority, then by age; most come to the end, and what comes back to the front. */
static void enqueue(struct rai_mock_queue *q, struct rai_mock_ref *ref)
{
    struct rai_mock_ref *after = q->waiting.last;
    while (after != NULL && stands_before(ref, after))
        after = after->prev;
    struct rai_mock_ref *before = after != NULL ? after->next : q->waiting.first;
    ref->prev = after;
    ref->next = before;
    if (after != NULL)
        after->next = ref;
    else
        q->waiting.first = ref;
    if (before != NULL)
        before->prev = ref;
    else
        q->waiting.last = ref;
    q->waiting.count++;
}

void rai_mock_queue_remove(struct rai_mock_queue *q, struct rai_mock_ref *ref)
{
    unlink_ref(&q->waiting, ref);
    q->out++;
}

static void free_ref(struct rai_mock_ref *ref)
{
    ref->queue->bytes -= (int64_t)ref->message->blob_size;
    rai_mock_message_drop(ref->message);
    free(ref);
}

void rai_mock_give_back(rai_mock *m, struct rai_mock_ref *ref)
{
    ref->queue->out--;
    if (ref->queue->dead) {
        free_ref(ref);
        return;
    }
    enqueue(ref->queue, ref);
    tell(m, RAI_MOCK_GIVEN_BACK, ref->message);
}

/* --- the journal --- */

/* What one command writes has one position: it is on disk as a whole, or not at all. */
static uint64_t record(rai_mock *m, struct rai_mock_ref *ref, bool consumed)
{
    struct rai_mock_record *r = rai_mock_take(sizeof *r);
    int64_t at = m->now + rai_mock_random(m, (uint32_t)m->config.sync_us + 1);
    if (at > m->synced_at)
        m->synced_at = at;
    if (m->together == 0)
        m->together = ++m->written;
    *r = (struct rai_mock_record){
        .prev = m->last_record, .position = m->together, .at = m->synced_at, .consumed = consumed, .ref = ref
    };
    if (m->last_record != NULL)
        m->last_record->next = r;
    else
        m->journal = r;
    m->last_record = r;
    return r->position;
}

static void drop_record(rai_mock *m, struct rai_mock_record *r)
{
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        m->journal = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    else
        m->last_record = r->prev;
    free(r);
}

void rai_mock_sync(rai_mock *m, uint64_t position)
{
    while (m->journal != NULL && m->journal->position <= position) {
        struct rai_mock_record *r = m->journal;
        if (r->consumed)
            free_ref(r->ref);
        m->synced = r->position;
        drop_record(m, r);
    }
}

void rai_mock_journal_tick(rai_mock *m)
{
    while (m->journal != NULL && m->journal->at <= m->now)
        rai_mock_sync(m, m->journal->position);
}

/* What was not on disk: a journal ends somewhere, and nothing behind that is left. */
static uint64_t lose_records(rai_mock *m)
{
    uint64_t kept = m->synced + rai_mock_random(m, (uint32_t)(m->written - m->synced) + 1);
    while (m->last_record != NULL && m->last_record->position > kept) {
        struct rai_mock_record *r = m->last_record;
        if (r->consumed) {
            tell(m, RAI_MOCK_RETURNED, r->ref->message);
            if (r->ref->queue->dead)
                free_ref(r->ref);
            else
                enqueue(r->ref->queue, r->ref);
        } else {
            tell(m, RAI_MOCK_LOST, r->ref->message);
            unlink_ref(&r->ref->queue->waiting, r->ref);
            free_ref(r->ref);
        }
        drop_record(m, r);
    }
    rai_mock_sync(m, UINT64_MAX);
    m->synced = m->written;
    return kept;
}

static void lose_queue(rai_mock *m, struct rai_mock_queue *q, bool all)
{
    struct rai_mock_ref *next;
    for (struct rai_mock_ref *ref = q->waiting.first; ref != NULL; ref = next) {
        next = ref->next;
        if (!all && ref->message->durable && q->durable)
            continue;
        tell(m, RAI_MOCK_LOST, ref->message);
        unlink_ref(&q->waiting, ref);
        free_ref(ref);
    }
}

void rai_mock_storage_restart(rai_mock *m, bool keep_journal)
{
    uint64_t kept = lose_records(m);
    rai_mock_addresses_restart(m, keep_journal, kept);
    for (struct rai_mock_queue *q = m->queues; q != NULL; q = q->next) {
        lose_queue(m, q, !keep_journal);
        q->dead = q->dead || !keep_journal || !q->durable;
    }
}

/* --- queues --- */

struct rai_mock_queue *rai_mock_queue_find(const rai_mock *m, const char *name)
{
    struct rai_mock_queue *q = m->queues;
    while (q != NULL && (q->dead || strcmp(q->name, name) != 0))
        q = q->next;
    return q;
}

struct rai_mock_queue *rai_mock_queue_make(rai_mock *m, const char *name, const char *address)
{
    struct rai_mock_queue *q = rai_mock_take(sizeof *q), **place = &m->queues;
    strcpy(q->name, name);
    strcpy(q->address, address[0] != '\0' ? address : name);
    q->routing_type = 1;
    while (*place != NULL)
        place = &(*place)->next;
    *place = q;
    return q;
}

static struct rai_mock_consumer *consumer_of(const struct rai_mock_session *s, const struct rai_mock_queue *q)
{
    struct rai_mock_consumer *c = s->consumers;
    while (c != NULL && c->queue != q)
        c = c->next;
    return c;
}

static void close_consumers(rai_mock *m, const struct rai_mock_queue *q)
{
    struct rai_mock_consumer *c;
    for (struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        while ((c = consumer_of(s, q)) != NULL) {
            rai_mock_session_packet(m, s, rai_mock_say_consumer_gone(s->channel, c->id));
            rai_mock_consumer_end(m, s, c, true);
        }
}

void rai_mock_queue_delete(rai_mock *m, struct rai_mock_queue *q)
{
    struct rai_mock_record *next;
    close_consumers(m, q);
    for (struct rai_mock_record *r = m->journal; r != NULL; r = next) {
        next = r->next;
        if (r->ref->queue == q && !r->consumed)
            drop_record(m, r);
    }
    lose_queue(m, q, true);
    q->dead = true;
    q->owner = NULL;
}

void rai_mock_delete_queue(rai_mock *m, const char *queue)
{
    struct rai_mock_queue *q = rai_mock_queue_find(m, queue);
    if (q != NULL)
        rai_mock_queue_delete(m, q);
}

bool rai_mock_address_exists(const rai_mock *m, const char *address)
{
    const struct rai_mock_address *a = rai_mock_address_find(m, address);
    const struct rai_mock_queue *q = m->queues;
    while (q != NULL && (q->dead || strcmp(q->address, address) != 0))
        q = q->next;
    return q != NULL || (a != NULL && a->exists);
}

const struct rai_mock_rule *rai_mock_rule_of(const rai_mock *m, const char *name)
{
    const struct rai_mock_rule *rule = m->rules;
    while (rule != NULL && strcmp(rule->name, name) != 0)
        rule = rule->next;
    return rule;
}

static uint64_t store_in(rai_mock *m, struct rai_mock_queue *q, struct rai_mock_message *message)
{
    struct rai_mock_ref *ref = rai_mock_take(sizeof *ref);
    *ref = (struct rai_mock_ref){ .queue = q, .message = message, .order = ++m->last_order };
    message->refs++;
    q->bytes += (int64_t)message->blob_size;
    enqueue(q, ref);
    tell(m, RAI_MOCK_STORED, message);
    return q->durable && message->durable ? record(m, ref, false) : 0;
}

static bool takes(const struct rai_mock_queue *q, const struct rai_mock_message *message)
{
    bool fits = message->routing_type < 0 || message->routing_type == q->routing_type;
    return !q->dead && fits && strcmp(q->address, message->address) == 0 && rai_mock_filter_takes(q->filter, message);
}

/* Every multicast queue, and of the anycast ones that with the fewest messages. */
uint64_t rai_mock_store(rai_mock *m, struct rai_mock_message *message)
{
    struct rai_mock_queue *any = NULL;
    uint64_t position = 0, p;
    for (struct rai_mock_queue *q = m->queues; q != NULL; q = q->next) {
        if (!takes(q, message))
            continue;
        if (q->routing_type == 1)
            any = any == NULL || q->waiting.count < any->waiting.count ? q : any;
        else if ((p = store_in(m, q, message)) > 0)
            position = p;
    }
    if (any != NULL && (p = store_in(m, any, message)) > 0)
        position = p;
    rai_mock_id_keep(m, message, position);
    return position;
}

uint64_t rai_mock_consume(rai_mock *m, struct rai_mock_ref *ref)
{
    tell(m, RAI_MOCK_CONSUMED, ref->message);
    ref->queue->out--;
    if (ref->queue->durable && ref->message->durable)
        return record(m, ref, true);
    free_ref(ref);
    return 0;
}

void rai_mock_expire(rai_mock *m, struct rai_mock_ref *ref)
{
    struct rai_mock_added added[] = {
        { .key = "_AMQ_ORIG_ADDRESS", .text = ref->message->address },
        { .key = "_AMQ_ORIG_QUEUE", .text = ref->queue->name },
        { .key = "_AMQ_ACTUAL_EXPIRY", .number = m->config.epoch_ms + m->now / 1000 },
    };
    struct rai_mock_change change = { m->config.expiry_address, added, sizeof added / sizeof *added };
    if (change.address != NULL) {
        struct rai_mock_message *copy = rai_mock_message_changed(m, ref->message, &change);
        rai_mock_store(m, copy);
        rai_mock_message_drop(copy);
    }
    rai_mock_consume(m, ref);
}

void rai_mock_storage_free(rai_mock *m)
{
    rai_mock_addresses_free(m);
    rai_mock_sync(m, UINT64_MAX);
    while (m->queues != NULL) {
        struct rai_mock_queue *q = m->queues;
        struct rai_mock_ref *ref;
        while ((ref = rai_mock_refs_pop(&q->waiting)) != NULL)
            free_ref(ref);
        m->queues = q->next;
        free(q);
    }
    while (m->rules != NULL) {
        struct rai_mock_rule *rule = m->rules;
        m->rules = rule->next;
        free(rule);
    }
}
