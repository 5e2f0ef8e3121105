#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/*
 * Metadata: pairs of texts that the broker shows with a session, some of which no other session may have. They are set by
 * numbered and answered commands, and a recreated session sets them again, in order and before all else: who does not get
 * back what is to be its alone must not go on as if it had it.
 */

struct rai_metadata *rai_metadata_new(const char *key, const char *value, bool unique)
{
    size_t key_size = strlen(key) + 1, value_size = strlen(value) + 1;
    struct rai_metadata *m = rai_calloc(1, sizeof *m + key_size + value_size);
    if (m == NULL)
        return NULL;
    memcpy(m->text, key, key_size);
    memcpy(m->text + key_size, value, value_size);
    m->value = m->text + key_size;
    m->unique = unique;
    return m;
}

static int type_of(const struct rai_metadata *m)
{
    return m->unique ? RAI_SESS_UNIQUE_ADD_METADATA : RAI_SESS_ADD_METADATA2;
}

bool rai_metadata_is(int type)
{
    return type == RAI_SESS_ADD_METADATA2 || type == RAI_SESS_UNIQUE_ADD_METADATA;
}

bool rai_metadata_log(rai_session *s, const struct rai_metadata *m, rai_op *op)
{
    struct rai_pending pending = {.type = (int8_t)type_of(m), .correlation = RAI_NO_CORRELATION, .as.op = op};
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d)) {
        if (m->unique)
            rai_put_unique_add_metadata(&d.w, d.size, s->channel, m->text, m->value);
        else
            rai_put_add_metadata2(&d.w, d.size, s->channel, m->text, m->value, true);
    }
    return rai_draft_commit(&d, &pending);
}

int rai_session_add_metadata(rai_session *s, const char *key, const char *value, bool unique, int64_t now, rai_op **op_out,
                             struct rai_fault *fault)
{
    s->e->now = now;
    int rc = rai_session_usable(s, fault);
    if (rc < 0)
        return rc;
    rai_op *op = rai_op_new(s->e, s, now);
    if (op == NULL || (op->name = rai_strdup(key)) == NULL ||
        (op->metadata = rai_metadata_new(key, value, unique)) == NULL || !rai_metadata_log(s, op->metadata, op)) {
        rai_op_discard(op);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    rai_op_hand_out(op, op_out);
    return RA_OK;
}

static struct rai_metadata **find(rai_session *s, const char *key)
{
    struct rai_metadata **at = &s->metadata;
    while (*at != NULL && strcmp((*at)->text, key) != 0)
        at = &(*at)->next;
    return at;
}

static void forget(rai_session *s, const char *key)
{
    struct rai_metadata **at = find(s, key), *gone = *at;
    if (gone == NULL)
        return;
    *at = gone->next;
    rai_free(gone);
}

void rai_metadata_added(rai_session *s, struct rai_pending *entry)
{
    rai_op *op = entry->as.op;
    if (op == NULL || op->metadata == NULL)
        return; /* set again */
    forget(s, op->metadata->text);
    *find(s, op->metadata->text) = op->metadata;
    op->metadata = NULL;
}

void rai_metadata_refused(rai_session *s, const struct rai_pending *entry, const struct rai_fault *why)
{
    if (entry->as.op != NULL || s->aborted)
        return;
    if (entry->type == RAI_SESS_UNIQUE_ADD_METADATA)
        rai_session_dismiss(s, why);
    else
        rai_say(s->e, s, "metadata of a recreated session was refused: %.150s", why->text);
}

bool rai_metadata_recreate(rai_session *s)
{
    bool fine = true;
    for (const struct rai_metadata *m = s->metadata; m != NULL; m = m->next)
        fine = rai_metadata_log(s, m, NULL) && fine;
    return fine;
}

void rai_metadata_free(rai_session *s)
{
    while (s->metadata != NULL)
        forget(s, s->metadata->text);
}
