/* Birth and end, chance, faults, and one turn of work. */
#include "mock/mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/inside.h"

enum { CHECK_US = 2000000 };

/* --- memory --- */

void *rai_mock_take(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);
    if (p == NULL) {
        fputs("mock broker: out of memory\n", stderr);
        abort();
    }
    return p;
}

void rai_mock_append(struct rai_mock_buffer *b, const uint8_t *bytes, size_t size)
{
    if (b->at == b->size)
        b->at = b->size = 0;
    if (b->size + size > b->room) {
        size_t room = 2 * (b->size - b->at + size) + 512;
        uint8_t *fresh = rai_mock_take(room);
        if (b->size > b->at)
            memcpy(fresh, b->bytes + b->at, b->size - b->at);
        free(b->bytes);
        *b = (struct rai_mock_buffer){ fresh, 0, b->size - b->at, room };
    }
    if (size > 0)
        memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

void rai_mock_skip(struct rai_mock_buffer *b, size_t size)
{
    b->at += size;
}

struct rai_mock_item *rai_mock_item_new(const uint8_t *bytes, size_t size)
{
    struct rai_mock_item *item = rai_mock_take(sizeof *item + size);
    item->size = size;
    if (bytes != NULL && size > 0)
        memcpy(item->bytes, bytes, size);
    return item;
}

void rai_mock_push(struct rai_mock_items *list, struct rai_mock_item *item)
{
    item->next = NULL;
    if (list->last != NULL)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
    list->count++;
}

void rai_mock_pop(struct rai_mock_items *list)
{
    struct rai_mock_item *item = list->first;
    list->first = item->next;
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    free(item);
}

void rai_mock_clear(struct rai_mock_items *list)
{
    while (list->first != NULL)
        rai_mock_pop(list);
}

/* --- birth and end --- */

rai_mock *rai_mock_new(const struct rai_mock_config *config)
{
    rai_mock *m = rai_mock_take(sizeof *m);
    m->config = *config;
    m->seed = config->seed * UINT64_C(2654435761) + 1;
    if (m->config.check_us <= 0)
        m->config.check_us = CHECK_US;
    if (m->config.node_id == NULL)
        m->config.node_id = "mock";
    m->check_at = INT64_MAX;
    return m;
}

static void free_link(struct rai_mock_link *l)
{
    free(l->in.bytes);
    free(l->out.bytes);
    rai_mock_due_clear(l);
    free(l);
}

static void end_everything(rai_mock *m)
{
    while (m->sessions != NULL)
        rai_mock_session_end(m, m->sessions, true);
}

void rai_mock_free(rai_mock *m)
{
    if (m == NULL)
        return;
    m->config.watch = (struct rai_mock_watch){ 0 };
    end_everything(m);
    while (m->links != NULL) {
        struct rai_mock_link *l = m->links;
        m->links = l->next;
        free_link(l);
    }
    rai_mock_fault_drop(m, 0);
    rai_mock_storage_free(m);
    free(m);
}

uint32_t rai_mock_random(rai_mock *m, uint32_t below)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below == 0 ? 0 : (uint32_t)((m->seed >> 33) % below);
}

bool rai_mock_chance(rai_mock *m, int in_100)
{
    return (int)rai_mock_random(m, 100) < in_100;
}

int64_t rai_mock_stat(const rai_mock *m, enum rai_mock_stat id)
{
    return id > 0 && id < RAI_MOCK_STATS ? m->stats[id] : -1;
}

/* --- faults --- */

void rai_mock_restart(rai_mock *m, bool keep_journal)
{
    end_everything(m);
    for (struct rai_mock_link *l = m->links; l != NULL; l = l->next) {
        l->hung_up = true;
        l->end = RAI_MOCK_OVER;
    }
    rai_mock_storage_restart(m, keep_journal);
}

static struct rai_mock_rule *rule_for(rai_mock *m, const char *name)
{
    struct rai_mock_rule *rule = m->rules;
    while (rule != NULL && strcmp(rule->name, name) != 0)
        rule = rule->next;
    if (rule == NULL) {
        rule = rai_mock_take(sizeof *rule);
        snprintf(rule->name, sizeof rule->name, "%s", name);
        rule->next = m->rules;
        m->rules = rule;
    }
    return rule;
}

void rai_mock_refuse(rai_mock *m, const char *name, int32_t code)
{
    rule_for(m, name)->code = code;
}

void rai_mock_set_sync(rai_mock *m, int64_t longest_us)
{
    m->config.sync_us = longest_us;
}

/* --- what there is --- */

void rai_mock_add_queue(rai_mock *m, const char *queue, const char *address, bool durable)
{
    char name[RAI_MOCK_NAME], where[RAI_MOCK_NAME];
    snprintf(name, sizeof name, "%s", queue);
    snprintf(where, sizeof where, "%s", address);
    rai_mock_queue_make(m, name, where)->durable = durable;
}

static void add_message(rai_mock *m, const char *address, const uint8_t *body, size_t size, bool large)
{
    ra_message *message = rai_message_new(0);
    struct rai_send send = { .address = address, .routing_type = -1 };
    struct rai_writer w = { NULL, 0 };
    if (message == NULL)
        return;
    rai_message_lend_body(message, body, size);
    message->durable = true;
    rai_put_send(&w, 0, 0, RAI_VERSION_MIN, message, &send);
    size_t whole = w.size;
    uint8_t *frame = rai_mock_take(whole);
    w = (struct rai_writer){ frame, 0 };
    rai_put_send(&w, whole, 0, RAI_VERSION_MIN, message, &send);
    struct rai_mock_message *stored = rai_mock_message_new(m, frame + RAI_FRAME_HEADER, whole - RAI_FRAME_HEADER - 1);
    stored->large = large;
    m->together = 0;
    rai_mock_store(m, stored);
    rai_mock_sync(m, UINT64_MAX);
    rai_mock_message_drop(stored);
    rai_message_unref(message);
    free(frame);
}

void rai_mock_add_message(rai_mock *m, const char *address, const uint8_t *body, size_t size)
{
    add_message(m, address, body, size, false);
}

void rai_mock_add_large_message(rai_mock *m, const char *address, const uint8_t *body, size_t size)
{
    add_message(m, address, body, size, true);
}

int64_t rai_mock_queue_messages(const rai_mock *m, const char *queue)
{
    const struct rai_mock_queue *q = rai_mock_queue_find(m, queue);
    return q == NULL ? -1 : q->waiting.count + q->out;
}

void rai_mock_each_message(const rai_mock *m, const char *queue,
                           void (*visit)(void *ctx, const uint8_t *body, size_t size), void *ctx)
{
    const struct rai_mock_queue *q = rai_mock_queue_find(m, queue);
    for (const struct rai_mock_ref *ref = q != NULL ? q->waiting.first : NULL; ref != NULL; ref = ref->next)
        visit(ctx, ref->message->body, ref->message->body_size);
}

struct rai_mock_count rai_mock_session_count(const rai_mock *m, const char *session)
{
    for (const struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        if (strcmp(s->name, session) == 0)
            return (struct rai_mock_count){ s->counted, s->numbered, true };
    return (struct rai_mock_count){ 0 };
}

int rai_mock_sessions(const rai_mock *m)
{
    int n = 0;
    for (const struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        n++;
    return n;
}

/* --- work and time --- */

static uint32_t steps(rai_mock *m, uint32_t most)
{
    return most == 0 ? UINT32_MAX : rai_mock_random(m, most + 1);
}

/* A session may end with what it does: its successor is asked for first, and nobody else ends with it. */
static bool turn_of_sessions(rai_mock *m, uint32_t most)
{
    bool any = false;
    struct rai_mock_session *next;
    for (struct rai_mock_session *s = m->sessions; s != NULL; s = next) {
        next = s->next;
        for (uint32_t n = steps(m, most); n > 0 && s->commands.first != NULL; n--)
            any |= rai_mock_session_execute(m, s);
        bool more = true;
        while (more && s->done.first != NULL) {
            more = s->done.first->position <= m->synced;
            bool closes = more && s->done.first->closes;
            any |= more && rai_mock_session_complete(m, s, false);
            if (closes)
                break; /* and s is gone */
        }
    }
    return any;
}

void rai_mock_confirm_all(rai_mock *m)
{
    for (struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        if (s->bytes > 0)
            rai_mock_session_confirm(m, s);
}

static void expire_links(rai_mock *m)
{
    for (struct rai_mock_link *l = m->links; l != NULL; l = l->next) {
        struct rai_mock_session *next;
        if (l->ttl_us < 0 || m->now - l->heard < l->ttl_us)
            continue;
        l->hung_up = true;
        l->end = RAI_MOCK_OVER;
        for (struct rai_mock_session *s = m->sessions; s != NULL; s = next) {
            next = s->next;
            if (s->listed != l || s->moving)
                continue;
            m->stats[RAI_MOCK_EXPIRED_SESSIONS]++;
            rai_mock_session_end(m, s, true);
        }
    }
}

static bool in_use(const rai_mock *m, const struct rai_mock_link *l)
{
    for (const struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        if (s->link == l || s->listed == l || s->listens == l)
            return true;
    return false;
}

static void reap_links(rai_mock *m)
{
    for (struct rai_mock_link **place = &m->links; *place != NULL;) {
        struct rai_mock_link *l = *place;
        bool read = l->in.at == l->in.size || l->hung_up;
        if (l->end != RAI_MOCK_OVER || l->stage != RAI_MOCK_STAYS || !read || l->due != NULL || in_use(m, l)) {
            place = &l->next;
            continue;
        }
        *place = l->next;
        free_link(l);
    }
}

static bool restart_if_due(rai_mock *m)
{
    if (m->restart == 0)
        return false;
    rai_mock_restart(m, m->restart == 1);
    m->restart = 0;
    return true;
}

bool rai_mock_turn(rai_mock *m, uint32_t most, int64_t now)
{
    bool any = false, more = true;
    m->now = now;
    rai_mock_journal_tick(m);
    if (m->check_at <= now) {
        rai_mock_confirm_all(m);
        expire_links(m);
        reap_links(m);
        m->check_at = INT64_MAX;
        any = true;
    }
    any |= rai_mock_release(m);
    any |= rai_mock_grant_credits(m);
    while (more) {
        more = rai_mock_turn_of_links(m, most);
        more |= turn_of_sessions(m, most);
        more |= restart_if_due(m);
        any |= more;
        more = more && most == 0;
    }
    if (m->check_at == INT64_MAX && (m->sessions != NULL || m->links != NULL))
        m->check_at = now + m->config.check_us;
    return any;
}

int64_t rai_mock_deadline(const rai_mock *m)
{
    int64_t at = rai_mock_next_due(m);
    if (m->journal != NULL && m->journal->at < at)
        at = m->journal->at;
    return at < m->check_at ? at : m->check_at;
}
