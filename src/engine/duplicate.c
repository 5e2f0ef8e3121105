#include <string.h>

#include "base/alloc.h"
#include "codec/properties.h"
#include "engine/internal.h"

/*
 * Duplicate ids. The broker remembers the last ids of each address, and takes a message whose id it knows for a second
 * copy: it drops it and answers as if it had stored it; in a transaction it refuses the commit.
 *
 * With duplicateDetection each send that commits by itself carries an id of its own, so one whose outcome is unknown is
 * simply sent again (see recreate.c). That is exact as long as its id is still remembered; so sends wait when too many are
 * without an outcome. In a transaction the program decides what is the same piece of work: it names the id, and the first
 * message that has none carries it.
 */

#define DUPLICATE_KEY "_AMQ_DUPL_ID"

bool rai_session_stamps(const rai_session *s)
{
    return s->e->config->duplicate_detection && !s->transacted;
}

/* 128 random bits of the connection and a counter */
static size_t next_stamp(rai_engine *e, const uint8_t **entry)
{
    enum { RANDOM = 16, COUNTER = 8 };
    uint8_t id[RANDOM + COUNTER] = {0};
    struct rai_writer w = {.at = e->stamp};
    if (e->stamp_size == 0) {
        e->host.random(e->host.ctx, id, RANDOM);
        rai_put_property(&w, DUPLICATE_KEY, &(struct rai_value){RAI_TAG_BYTES, id, sizeof id});
        e->stamp_size = w.size;
    }
    e->stamps++;
    for (int i = 0; i < COUNTER; i++)
        e->stamp[e->stamp_size - 1 - (size_t)i] = (uint8_t)(e->stamps >> 8 * i);
    *entry = e->stamp;
    return e->stamp_size;
}

size_t rai_duplicate_id(rai_session *s, const ra_message *m, const uint8_t **entry)
{
    struct rai_property own;
    bool stamps = rai_session_stamps(s);
    if ((!stamps && s->transaction_id == NULL) || rai_message_find(m, DUPLICATE_KEY, &own))
        return 0;
    if (stamps)
        return next_stamp(s->e, entry);
    *entry = s->transaction_id;
    return s->transaction_id_size;
}

/* --- how many are without an outcome --- */

void rai_stamped(rai_session *s)
{
    rai_engine *e = s->e;
    if (!rai_session_stamps(s))
        return;
    s->stamped++;
    if (++e->stamped >= e->config->duplicate_detection_limit)
        e->stamps_full = true;
}

void rai_stamped_end(rai_session *s, int64_t sends)
{
    rai_engine *e = s->e;
    if (sends > s->stamped)
        sends = s->stamped; /* an abort ended them, and now the broker has answered */
    if (sends == 0)
        return;
    s->stamped -= sends;
    e->stamped -= sends;
    if (!e->stamps_full || e->stamped > e->config->duplicate_detection_limit / 2)
        return;
    e->stamps_full = false;
    for (rai_session *other = e->sessions; other != NULL; other = other->next)
        rai_session_check_writable(other);
}

/* --- transactions --- */

void rai_session_forget_transaction_id(rai_session *s)
{
    rai_free(s->transaction_id);
    s->transaction_id = NULL;
}

int rai_session_set_transaction_id(rai_session *s, const char *id, int64_t now, struct rai_fault *fault)
{
    struct rai_value value = {RAI_TAG_STRING, id, strlen(id)};
    struct rai_writer w = {0};
    s->e->now = now;
    int rc = rai_session_usable(s, fault);
    if (rc < 0)
        return rc;
    if (!s->transacted)
        return rai_fault_set(fault, RA_E_STATE, "a transaction's id needs a transacted session");
    if (value.size == 0 || value.size > RAI_TRANSACTION_ID_MAX)
        return rai_fault_set(fault, RA_E_ARGUMENT, "a transaction's id has 1 to %d bytes, not %zu",
                             (int)RAI_TRANSACTION_ID_MAX, value.size);
    rai_put_property(&w, DUPLICATE_KEY, &value);
    uint8_t *entry = rai_alloc(w.size);
    if (entry == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    s->transaction_id_size = w.size;
    w = (struct rai_writer){.at = entry};
    rai_put_property(&w, DUPLICATE_KEY, &value);
    rai_free(s->transaction_id);
    s->transaction_id = entry;
    return RA_OK;
}

bool rai_session_has_transaction_id(const rai_session *s)
{
    return s->transaction_id != NULL;
}
