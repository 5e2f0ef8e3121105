/*
 * REATTACH: a session moves to another link, in steps between which other things happen. It is taken off the old link's
 * list, put on the new one's, and only then listens to the new link's end. What was read from the old link and not
 * executed runs before or after; what completes meanwhile counts, but its answer is lost; the count that is told is
 * what is complete in that moment.
 */
#include <stdlib.h>
#include <string.h>

#include "mock/inside.h"

static void finish(rai_mock *m, struct rai_mock_link *l, uint32_t count, bool found)
{
    struct rai_mock_item *item = rai_mock_say_reattached((int32_t)count, found);
    rai_mock_put(m, l, item->bytes, item->size);
    free(item);
    l->stage = RAI_MOCK_STAYS;
    m->stats[found ? RAI_MOCK_REATTACHES : RAI_MOCK_REFUSED_REATTACHES]++;
}

void rai_mock_corrupt_pieces(rai_mock *m, int in_100)
{
    m->corrupted_pieces = in_100;
}

void rai_mock_move_begin(rai_mock *m, struct rai_mock_link *l, struct rai_reader r, bool reject)
{
    if (reject) {
        finish(m, l, UINT32_MAX, false);
        return;
    }
    rai_get_str(&r, l->wanted, sizeof l->wanted);
    l->received = rai_get_i32(&r);
    l->stage = RAI_MOCK_ASKED;
}

/* A sync can end just now. false: the session ended with it. */
static bool complete_some(rai_mock *m, struct rai_mock_session *s)
{
    while (s->done.first != NULL && rai_mock_chance(m, m->config.lost_answers)) {
        bool closes = s->done.first->closes;
        rai_mock_session_complete(m, s, true);
        if (closes)
            return false;
    }
    return true;
}

static bool begin(rai_mock *m, struct rai_mock_link *l, struct rai_mock_session *s)
{
    while (s->commands.first != NULL && rai_mock_chance(m, 50))
        rai_mock_session_execute(m, s);
    s->moving = true;
    if (!complete_some(m, s))
        return false;
    s->listed = NULL;
    l->stage = RAI_MOCK_OFF;
    return true;
}

/* Of pieces that have one size all come with what the last of them holds. */
static void corrupt_pieces(rai_mock *m, struct rai_mock_items *cache)
{
    for (struct rai_mock_item *item = cache->first; item != NULL; item = item->next)
        for (const struct rai_mock_item *later = item->next; item->stream != 0 && later != NULL; later = later->next) {
            if (later->stream != item->stream || later->size != item->size)
                continue;
            m->stats[RAI_MOCK_PIECES_CORRUPTED] += memcmp(item->bytes, later->bytes, item->size) != 0;
            memcpy(item->bytes, later->bytes, item->size);
        }
}

static void send_again(rai_mock *m, struct rai_mock_session *s, uint32_t received)
{
    rai_mock_session_client_has(s, received);
    if (m->corrupted_pieces > 0 && rai_mock_chance(m, m->corrupted_pieces))
        corrupt_pieces(m, &s->cache);
    for (const struct rai_mock_item *item = s->cache.first; item != NULL; item = item->next) {
        rai_mock_put(m, s->link, item->bytes, item->size);
        bool plain = item->correlated && rai_frame_type(item->bytes) == RAI_NULL_RESPONSE;
        if (!plain || !rai_mock_chance(m, m->config.doubled_answers))
            continue;
        rai_mock_put(m, s->link, item->bytes, item->size);
        m->stats[RAI_MOCK_ANSWERS_DOUBLED]++;
    }
}

static void settle(rai_mock *m, struct rai_mock_link *l, struct rai_mock_session *s)
{
    uint32_t count = s->counted;
    m->stats[RAI_MOCK_UNCOUNTED_AT_REATTACH] += s->done.count;
    s->link = s->listens = l;
    s->newest = l->id > s->newest ? l->id : s->newest;
    send_again(m, s, (uint32_t)l->received);
    bool lives = complete_some(m, s);
    if (lives)
        s->moving = false;
    finish(m, l, count, true);
    if (lives)
        rai_mock_session_deliver(m, s);
}

bool rai_mock_move_step(rai_mock *m, struct rai_mock_link *l)
{
    if (l->stage == RAI_MOCK_STAYS)
        return false;
    struct rai_mock_session *s = rai_mock_session_find(m, l->wanted);
    if (s == NULL) {
        finish(m, l, UINT32_MAX, false);
    } else if (l->stage == RAI_MOCK_ASKED) {
        if (s->moving)
            return false; /* by another link's request: one after the other */
        if (s->window < 0) {
            rai_mock_session_end(m, s, true);
            finish(m, l, UINT32_MAX, false);
        } else if (!begin(m, l, s)) {
            finish(m, l, UINT32_MAX, false);
        }
    } else if (l->stage == RAI_MOCK_OFF) {
        s->listed = l;
        l->stage = RAI_MOCK_LISTED;
    } else {
        settle(m, l, s);
    }
    return true;
}
