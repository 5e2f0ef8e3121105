#include "engine/pending.h"

#include <string.h>

#include "base/alloc.h"

enum { FIRST_ROOM = 16, NUMBERS_MAX = 1 << 16 };

void rai_pendings_destroy(struct rai_pendings *p)
{
    rai_free(p->entries);
    *p = (struct rai_pendings){0};
}

bool rai_pendings_reserve(struct rai_pendings *p)
{
    if (p->tail - p->head < p->room)
        return true;
    size_t room = p->room == 0 ? FIRST_ROOM : 2 * p->room;
    struct rai_pending *grown = rai_alloc(room * sizeof *grown);
    if (grown == NULL)
        return false;
    for (uint64_t i = p->head; i < p->tail; i++)
        grown[i & (room - 1)] = p->entries[i & (p->room - 1)];
    rai_free(p->entries);
    p->entries = grown;
    p->room = room;
    return true;
}

struct rai_pending *rai_pendings_push(struct rai_pendings *p)
{
    struct rai_pending *entry = rai_pendings_at(p, p->tail++);
    *entry = (struct rai_pending){0};
    return entry;
}

struct rai_pending *rai_pendings_at(const struct rai_pendings *p, uint64_t index)
{
    return &p->entries[index & (p->room - 1)];
}

struct rai_pending *rai_pendings_find(const struct rai_pendings *p, int64_t correlation)
{
    /* answers come in order, so it is nearly always the first one */
    for (uint64_t i = p->head; i < p->tail; i++) {
        struct rai_pending *entry = rai_pendings_at(p, i);
        if (entry->correlation == correlation)
            return entry;
    }
    return NULL;
}

struct rai_pending *rai_pendings_by_offset(const struct rai_pendings *p, uint64_t offset)
{
    uint64_t low = p->head, high = p->tail;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (rai_pendings_at(p, mid)->offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == p->tail || rai_pendings_at(p, low)->offset != offset)
        return NULL;
    return rai_pendings_at(p, low);
}

static size_t position(const struct rai_numbers *n, int64_t value)
{
    size_t low = 0, high = n->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (n->values[mid] < value)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool rai_numbers_add(struct rai_numbers *n, int64_t value)
{
    if (n->count == NUMBERS_MAX) {
        n->count /= 2;
        memmove(n->values, n->values + n->count, n->count * sizeof *n->values);
    }
    if (n->count == n->room) {
        size_t room = n->room == 0 ? FIRST_ROOM : 2 * n->room;
        int64_t *grown = rai_realloc(n->values, room * sizeof *grown);
        if (grown == NULL)
            return false;
        n->values = grown;
        n->room = room;
    }
    size_t at = position(n, value);
    memmove(n->values + at + 1, n->values + at, (n->count - at) * sizeof *n->values);
    n->values[at] = value;
    n->count++;
    return true;
}

bool rai_numbers_remove(struct rai_numbers *n, int64_t value)
{
    size_t at = position(n, value);
    if (at == n->count || n->values[at] != value)
        return false;
    n->count--;
    memmove(n->values + at, n->values + at + 1, (n->count - at) * sizeof *n->values);
    return true;
}

void rai_numbers_destroy(struct rai_numbers *n)
{
    rai_free(n->values);
    *n = (struct rai_numbers){0};
}
