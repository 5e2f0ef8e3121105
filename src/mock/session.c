/* Sessions: what was counted, what is complete, and what the client may not have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/inside.h"

struct rai_mock_session *rai_mock_session_find(rai_mock *m, const char *name)
{
    struct rai_mock_session *s = m->sessions;
    while (s != NULL && strcmp(s->name, name) != 0)
        s = s->next;
    return s;
}

struct rai_mock_session *rai_mock_session_on(const rai_mock *m, const struct rai_mock_link *l, int64_t channel)
{
    struct rai_mock_session *s = m->sessions;
    while (s != NULL && (s->link != l || s->channel != channel))
        s = s->next;
    return s;
}

/* --- birth and end --- */

enum { SECURITY = 105, INCOMPATIBLE = 108, ROUTING = 222 };

static void answer(rai_mock *m, struct rai_mock_link *l, struct rai_mock_item *item)
{
    m->stats[RAI_MOCK_EXCEPTIONS] += rai_frame_type(item->bytes) == RAI_EXCEPTION;
    rai_mock_put(m, l, item->bytes, item->size);
    free(item);
}

void rai_mock_session_create(rai_mock *m, struct rai_mock_link *l, struct rai_reader r, int32_t reject)
{
    struct rai_mock_session *s = rai_mock_take(sizeof *s);
    char user[RAI_MOCK_NAME];
    rai_get_str(&r, s->name, sizeof s->name);
    s->channel = rai_get_i64(&r);
    s->version = rai_get_i32(&r);
    rai_get_nstr(&r, user, sizeof user, NULL);
    rai_get_nstr(&r, NULL, 0, NULL); /* password */
    s->piece = rai_get_i32(&r);
    bool xa = rai_get_bool(&r);
    s->auto_sends = rai_get_bool(&r) || xa;
    s->auto_acks = rai_get_bool(&r) || xa;
    s->window = rai_get_i32(&r);
    s->pre_acknowledge = rai_get_bool(&r);
    const struct rai_mock_rule *rule = rai_mock_rule_of(m, user);
    int32_t code = rule != NULL ? rule->code : 0;
    if (reject != 0)
        code = reject;
    else if (s->version > m->config.version)
        code = INCOMPATIBLE;
    else if (r.bad)
        code = SECURITY;
    else if (m->redirect_host[0] != '\0')
        code = ROUTING;
    if (code == ROUTING && m->redirect_host[0] != '\0')
        answer(m, l, rai_mock_say_redirect(m, rai_mock_version(m, l)));
    if (code != 0) {
        free(s);
        answer(m, l, rai_mock_say_exception(RAI_CHANNEL_SESSION, code, "the session is refused", NULL));
        return;
    }
    if (l->version == 0)
        l->version = s->version;
    s->link = s->listed = s->listens = l;
    s->newest = l->id;
    s->counted = s->numbered = UINT32_MAX;
    s->next = m->sessions;
    m->sessions = s;
    answer(m, l, rai_mock_say_created(m));
}

void rai_mock_session_roll_back(rai_mock *m, struct rai_mock_session *s)
{
    struct rai_mock_ref *ref;
    while (s->sent != NULL) {
        struct rai_mock_sent *sent = s->sent;
        s->sent = sent->next;
        rai_mock_message_drop(sent->message);
        free(sent);
    }
    s->last_sent = NULL;
    s->doomed = 0;
    while ((ref = rai_mock_refs_pop(&s->acked)) != NULL)
        rai_mock_give_back(m, ref);
}

void rai_mock_consumer_end(rai_mock *m, struct rai_mock_session *s, struct rai_mock_consumer *c, bool failed)
{
    struct rai_mock_consumer **place = &s->consumers;
    struct rai_mock_ref *ref;
    while ((ref = rai_mock_refs_pop(&c->delivered)) != NULL) {
        ref->deliveries -= !failed; /* what was never looked at does not count */
        rai_mock_give_back(m, ref);
    }
    rai_mock_stream_end(c);
    while (*place != c)
        place = &(*place)->next;
    *place = c->next;
    c->queue->consumers--;
    free(c);
}

/* Temporary queues live as long as their link, which is: as any session on it. */
static void leave_queues(rai_mock *m, const struct rai_mock_session *gone)
{
    struct rai_mock_session *heir = m->sessions;
    while (heir != NULL && (heir == gone || heir->listed != gone->listed))
        heir = heir->next;
    for (struct rai_mock_queue *q = m->queues; q != NULL; q = q->next) {
        if (q->owner != gone)
            continue;
        q->owner = heir;
        if (heir == NULL)
            rai_mock_queue_delete(m, q);
    }
}

void rai_mock_session_end(rai_mock *m, struct rai_mock_session *s, bool failed)
{
    struct rai_mock_session **place = &m->sessions;
    rai_mock_session_roll_back(m, s);
    while (s->consumers != NULL)
        rai_mock_consumer_end(m, s, s->consumers, failed);
    rai_mock_clear(&s->commands);
    rai_mock_clear(&s->done);
    rai_mock_clear(&s->cache);
    rai_mock_clear(&s->late);
    rai_mock_wants_clear(s);
    rai_mock_pieces_clear(&s->pieces);
    rai_mock_metadata_clear(s);
    while (*place != s)
        place = &(*place)->next;
    *place = s->next;
    leave_queues(m, s);
    free(s);
    rai_mock_deliver_all(m); /* what came back */
}

/* --- packets to the client --- */

void rai_mock_session_packet(rai_mock *m, struct rai_mock_session *s, struct rai_mock_item *item)
{
    struct rai_frame f;
    size_t need;
    rai_frame_next(item->bytes, item->size, &f, &need);
    const struct rai_mock_trap *trap = rai_mock_sprung(m, &f, false, true);
    if (trap == NULL) {
        rai_mock_session_say(m, s, item);
        return;
    }
    item->at = trap->fault.delay_us < 0 ? INT64_MAX : m->now + trap->fault.delay_us;
    item->fault = trap->id;
    rai_mock_push(&s->late, item);
}

void rai_mock_session_say(rai_mock *m, struct rai_mock_session *s, struct rai_mock_item *item)
{
    s->numbered++;
    rai_mock_push(&s->cache, item);
    rai_mock_put(m, s->link, item->bytes, item->size);
}

void rai_mock_session_client_has(struct rai_mock_session *s, uint32_t number)
{
    while (s->cache.first != NULL && (int32_t)(number - (s->numbered - s->cache.count + 1)) >= 0)
        rai_mock_pop(&s->cache);
}

void rai_mock_session_confirm(rai_mock *m, struct rai_mock_session *s)
{
    if (s->window < 0 || s->moving)
        return;
    struct rai_mock_item *item = rai_mock_say_confirmed(s->channel, s->counted);
    s->bytes = 0;
    rai_mock_put(m, s->link, item->bytes, item->size);
    free(item);
}

/* --- commands --- */

bool rai_mock_session_execute(rai_mock *m, struct rai_mock_session *s)
{
    struct rai_mock_item *command = s->commands.first;
    struct rai_frame frame;
    size_t need;
    if (command == NULL || rai_frame_next(command->bytes, command->size, &frame, &need) != 1)
        return false;
    struct rai_mock_call call = {
        .m = m, .s = s, .frame = &frame, .r = frame.body, .correlation = RAI_NO_CORRELATION, .reject = command->reject
    };
    m->together = 0;
    rai_mock_call(&call);
    struct rai_mock_item *done = call.answer != NULL ? call.answer : rai_mock_item_new(NULL, 0);
    done->counted = !call.refused && !call.uncounted;
    done->closes = call.closes;
    done->weight = command->size;
    done->position = call.position;
    m->stats[RAI_MOCK_EXCEPTIONS] += call.refused;
    rai_mock_push(&s->done, done);
    rai_mock_pop(&s->commands);
    rai_mock_deliver_all(m);
    return true;
}

/* While the session moves its answers are refused: they count, and nobody hears them, now or later. */
static void complete(rai_mock *m, struct rai_mock_session *s)
{
    struct rai_mock_item *done = s->done.first;
    s->done.first = done->next;
    if (s->done.first == NULL)
        s->done.last = NULL;
    s->done.count--;
    if (done->counted) {
        s->counted++;
        s->bytes += (int64_t)done->weight;
        if (s->window >= 0 && (s->bytes >= s->window || done->closes))
            rai_mock_session_confirm(m, s);
    }
    if (done->size > 0 && !s->moving) {
        rai_mock_session_packet(m, s, done);
        return;
    }
    m->stats[RAI_MOCK_ANSWERS_LOST] += done->size > 0;
    free(done);
}

bool rai_mock_session_complete(rai_mock *m, struct rai_mock_session *s, bool at_once)
{
    if (s->done.first == NULL || (s->done.first->position > m->synced && !at_once))
        return false;
    bool closes = s->done.first->closes;
    rai_mock_sync(m, s->done.first->position);
    complete(m, s);
    if (closes)
        rai_mock_session_end(m, s, false);
    return true;
}
