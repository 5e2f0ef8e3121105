/* Addresses: what they take, what happens when they are full, and which ids of messages they have seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/properties.h"
#include "mock/inside.h"

struct rai_mock_address *rai_mock_address_find(const rai_mock *m, const char *name)
{
    struct rai_mock_address *a = m->addresses;
    while (a != NULL && strcmp(a->name, name) != 0)
        a = a->next;
    return a;
}

struct rai_mock_address *rai_mock_address_make(rai_mock *m, const char *name)
{
    struct rai_mock_address *a = rai_mock_address_find(m, name);
    if (a != NULL)
        return a;
    a = rai_mock_take(sizeof *a);
    snprintf(a->name, sizeof a->name, "%s", name);
    a->next = m->addresses;
    m->addresses = a;
    return a;
}

static void forget_ids(struct rai_mock_address *a, uint64_t behind)
{
    struct rai_mock_id **place = &a->ids;
    while (*place != NULL) {
        struct rai_mock_id *id = *place;
        if (id->position <= behind) {
            place = &id->next;
            continue;
        }
        *place = id->next;
        free(id);
        a->id_count--;
    }
    a->last_id = place;
}

/* Of what was not on disk behind that position nothing is left. */
void rai_mock_addresses_restart(rai_mock *m, bool keep_journal, uint64_t position)
{
    for (struct rai_mock_address *a = m->addresses; a != NULL; a = a->next) {
        a->exists = a->exists && keep_journal;
        if (keep_journal)
            forget_ids(a, position);
        while (!keep_journal && a->ids != NULL)
            rai_mock_id_drop(a);
    }
}

void rai_mock_addresses_free(rai_mock *m)
{
    while (m->addresses != NULL) {
        struct rai_mock_address *a = m->addresses;
        while (a->ids != NULL)
            rai_mock_id_drop(a);
        m->addresses = a->next;
        free(a);
    }
}

/* --- memory --- */

static int64_t bytes_of(const rai_mock *m, const char *address)
{
    int64_t sum = 0;
    for (const struct rai_mock_queue *q = m->queues; q != NULL; q = q->next)
        if (strcmp(q->address, address) == 0)
            sum += q->bytes;
    return sum;
}

bool rai_mock_address_is_full(const rai_mock *m, const char *name, enum rai_mock_policy policy)
{
    const struct rai_mock_address *a = rai_mock_address_find(m, name);
    return a != NULL && a->policy == policy && (a->full || (a->limited && bytes_of(m, name) >= a->limit));
}

void rai_mock_limit(rai_mock *m, const char *address, enum rai_mock_policy policy, int64_t bytes)
{
    struct rai_mock_address *a = rai_mock_address_make(m, address);
    a->policy = policy;
    a->limited = bytes >= 0;
    a->limit = bytes;
}

void rai_mock_fill(rai_mock *m, const char *address, bool full)
{
    struct rai_mock_address *a = rai_mock_address_make(m, address);
    if (a->policy == 0)
        a->policy = RAI_MOCK_FAIL;
    a->full = full;
}

/* --- credits of producers --- */

static void keep_want(struct rai_mock_session *s, int32_t credits, const char *address)
{
    struct rai_mock_want *want = rai_mock_take(sizeof *want), **place = &s->wants;
    want->credits = credits;
    snprintf(want->address, sizeof want->address, "%s", address);
    while (*place != NULL)
        place = &(*place)->next;
    *place = want;
}

static bool must_wait(const rai_mock *m, const char *address)
{
    return rai_mock_address_is_full(m, address, RAI_MOCK_BLOCK) || rai_mock_address_is_full(m, address, RAI_MOCK_FAIL);
}

/* What is to be said at once; NULL: nothing. */
struct rai_mock_item *rai_mock_want_credits(rai_mock *m, struct rai_mock_session *s, int32_t credits,
                                            const char *address)
{
    int type = RAI_SESS_PRODUCER_CREDITS;
    if (must_wait(m, address)) {
        keep_want(s, credits, address);
        if (rai_mock_address_is_full(m, address, RAI_MOCK_BLOCK))
            return NULL;
        type = RAI_SESS_PRODUCER_FAIL_CREDITS;
    }
    return rai_mock_say_credits(s->channel, type, credits, address);
}

static bool grant_some(rai_mock *m, struct rai_mock_session *s)
{
    bool any = false;
    for (struct rai_mock_want **place = &s->wants; *place != NULL;) {
        struct rai_mock_want *want = *place;
        if (must_wait(m, want->address)) {
            place = &want->next;
            continue;
        }
        *place = want->next;
        rai_mock_session_packet(m, s,
                                rai_mock_say_credits(s->channel, RAI_SESS_PRODUCER_CREDITS, want->credits,
                                                     want->address));
        free(want);
        any = true;
    }
    return any;
}

bool rai_mock_grant_credits(rai_mock *m)
{
    bool any = false;
    for (struct rai_mock_session *s = m->sessions; s != NULL; s = s->next)
        if (!s->moving)
            any |= grant_some(m, s);
    return any;
}

void rai_mock_wants_clear(struct rai_mock_session *s)
{
    while (s->wants != NULL) {
        struct rai_mock_want *want = s->wants;
        s->wants = want->next;
        free(want);
    }
}

/* --- ids of messages --- */

enum { IDS_MAX = 20000 }; /* per address, as is the broker's default */

/* A text counts as its bytes on the wire. */
static bool id_of(const struct rai_mock_message *message, struct rai_property *out)
{
    return rai_mock_message_find(message, "_AMQ_DUPL_ID", out) &&
           (out->tag == RAI_TAG_STRING || out->tag == RAI_TAG_BYTES);
}

static uint64_t hash(const uint8_t *bytes, size_t size)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * UINT64_C(1099511628211);
    return h;
}

bool rai_mock_id_is_known(const rai_mock *m, const struct rai_mock_message *message)
{
    const struct rai_mock_address *a = rai_mock_address_find(m, message->address);
    struct rai_property p;
    if (a == NULL || a->ids == NULL || !id_of(message, &p))
        return false;
    uint64_t h = hash(p.value, p.value_size);
    for (const struct rai_mock_id *id = a->ids; id != NULL; id = id->next)
        if (id->hash == h && id->size == p.value_size && memcmp(id->bytes, p.value, p.value_size) == 0)
            return true;
    return false;
}

void rai_mock_id_drop(struct rai_mock_address *a)
{
    struct rai_mock_id *id = a->ids;
    a->ids = id->next;
    if (a->ids == NULL)
        a->last_id = &a->ids;
    a->id_count--;
    free(id);
}

static void trim_ids(const rai_mock *m, struct rai_mock_address *a)
{
    int most = m->ids_max > 0 ? m->ids_max : IDS_MAX;
    while (a->id_count > most)
        rai_mock_id_drop(a);
}

void rai_mock_id_keep(rai_mock *m, const struct rai_mock_message *message, uint64_t position)
{
    struct rai_property p;
    if (!id_of(message, &p))
        return;
    struct rai_mock_address *a = rai_mock_address_make(m, message->address);
    struct rai_mock_id *id = rai_mock_take(sizeof *id + p.value_size);
    *id = (struct rai_mock_id){ .position = position, .hash = hash(p.value, p.value_size), .size = p.value_size };
    memcpy(id->bytes, p.value, p.value_size);
    if (a->ids == NULL)
        a->last_id = &a->ids;
    *a->last_id = id;
    a->last_id = &id->next;
    a->id_count++;
    trim_ids(m, a);
}

void rai_mock_set_id_cache(rai_mock *m, int ids)
{
    m->ids_max = ids;
    for (struct rai_mock_address *a = m->addresses; a != NULL; a = a->next)
        trim_ids(m, a);
}
