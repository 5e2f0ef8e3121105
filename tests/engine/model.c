#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

/* --- tools --- */

/* From the script; -1 when it has ended. */
static int next_choice(struct model *m)
{
    return m->script_left > 0 ? m->script_left--, *m->script++ : -1;
}

uint32_t model_random(struct model *m, uint32_t below)
{
    int low = next_choice(m);
    if (low >= 0 && below > 256)
        low = (low << 8 | (next_choice(m) & 0xff)) * (int)(below / 65536 + 1);
    if (low >= 0)
        return below == 0 ? 0 : (uint32_t)low % below;
    m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below == 0 ? 0 : (uint32_t)((m->seed >> 33) % below);
}

bool model_chance(struct model *m, int percent)
{
    return (int)model_random(m, 100) < percent;
}

static struct model_item *push(struct model_queue *q, const uint8_t *bytes, size_t size)
{
    struct model_item *item = calloc(1, sizeof *item);
    cr_assert_not_null(item);
    if (bytes != NULL) {
        item->bytes = malloc(size);
        cr_assert_not_null(item->bytes);
        memcpy(item->bytes, bytes, size);
        item->size = size;
    }
    if (q->last != NULL)
        q->last->next = item;
    else
        q->first = item;
    q->last = item;
    q->count++;
    return item;
}

static void pop(struct model_queue *q)
{
    struct model_item *item = q->first;
    q->first = item->next;
    if (q->first == NULL)
        q->last = NULL;
    q->count--;
    free(item->bytes);
    free(item);
}

static void clear(struct model_queue *q)
{
    while (q->first != NULL)
        pop(q);
}

void model_init(struct model *m, struct peer *p, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->p = p;
    m->seed = seed * 2654435761u + 1;
    m->sync_us = 20000;
    m->lose_answers = 30;
    m->double_answers = 10;
    p->anchors_by_script = true;
}

static void end_session(struct model_session *s)
{
    clear(&s->exec);
    clear(&s->done);
    clear(&s->cache);
    memset(s, 0, sizeof *s);
}

void model_free(struct model *m)
{
    for (int i = 0; i < MODEL_CHANNELS; i++)
        end_session(&m->sessions[i]);
    for (int i = 0; i < PEER_LINKS; i++)
        free(m->links[i].out);
}

/* --- to the engine --- */

/* ENGINE_TRACE=1 shows the conversation of one seed. */
static void trace(const struct model *m, int link, const char *arrow, const char *text)
{
    static int wanted = -1;
    if (wanted < 0)
        wanted = getenv("ENGINE_TRACE") != NULL;
    if (wanted)
        fprintf(stderr, "%9lld %d%s %s\n", (long long)m->p->now, link, arrow, text);
}

static void put(struct model *m, int link, const uint8_t *bytes, size_t size)
{
    struct model_link *l = &m->links[link];
    if (link == 0 || l->dead)
        return;
    if (l->out_size + size > l->out_room) {
        l->out_room = 2 * (l->out_size + size);
        l->out = realloc(l->out, l->out_room);
        cr_assert_not_null(l->out);
    }
    memcpy(l->out + l->out_size, bytes, size);
    l->out_size += size;
}

static size_t compose(struct model *m, const char *text, uint8_t *frame)
{
    size_t size = peer_compose(m->p, text, frame);
    cr_assert_gt(size, 0, "%s", text);
    return size;
}

static void say(struct model *m, int link, const char *text)
{
    uint8_t frame[1024];
    trace(m, link, "<", text);
    put(m, link, frame, compose(m, text, frame));
}

/* A packet of a session: numbered, kept until the client has it. */
static void say_counted(struct model *m, struct model_session *s, const uint8_t *frame, size_t size, const char *text)
{
    trace(m, s->link, "<", text);
    struct model_item *kept = push(&s->cache, frame, size);
    snprintf(kept->text, sizeof kept->text, "%s", text);
    put(m, s->link, frame, size);
}

bool model_deliver(struct model *m, size_t bytes)
{
    bool any = false;
    for (int i = 1; i <= m->p->count; i++) {
        struct model_link *l = &m->links[i];
        size_t part = l->out_size < bytes ? l->out_size : bytes;
        if (part == 0 || l->dead || !m->p->links[i].up)
            continue;
        any = true;
        uint8_t *copy = malloc(part);
        cr_assert_not_null(copy);
        memcpy(copy, l->out, part);
        memmove(l->out, l->out + part, l->out_size - part);
        l->out_size -= part;
        peer_input(m->p, i, copy, part);
        free(copy);
    }
    return any;
}

/* --- deliveries --- */

void model_fill(struct model *m, int count)
{
    for (int i = 0; i < count; i++)
        m->waiting[i] = i;
    m->waiting_first = MODEL_MESSAGES; /* so that what comes back in front of the first has room */
    m->waiting_last = MODEL_MESSAGES + count;
}

static void deliver_messages(struct model *m, struct model_session *s)
{
    for (int i = 0; i < MODEL_CONSUMERS && s->started; i++) {
        struct model_consumer *c = &s->consumers[i];
        while (c->used && (c->credits > 0 || c->unlimited) && m->waiting_first != m->waiting_last) {
            uint8_t frame[512];
            char text[96];
            int id = m->waiting[m->waiting_first++ % MODEL_MESSAGES];
            snprintf(text, sizeof text, "%d MSG %lld %d m%d", s->channel, c->id, id + 1, id);
            size_t size = compose(m, text, frame);
            c->credits -= (long long)size;
            c->unacked[c->unacked_count++] = id;
            say_counted(m, s, frame, size, text);
        }
    }
}

/* Back to the front of the queue, in order. */
static void give_back(struct model *m, struct model_consumer *c)
{
    while (c->unacked_count > 0)
        m->waiting[--m->waiting_first % MODEL_MESSAGES] = c->unacked[--c->unacked_count];
    c->used = false;
}

static bool acknowledge(struct model *m, struct model_session *s, long long consumer, int id, bool individual)
{
    struct model_consumer *c = &s->consumers[consumer];
    int at = 0;
    while (at < c->unacked_count && c->unacked[at] != id)
        at++;
    if (at == c->unacked_count) {
        m->bad_acks++;
        return false;
    }
    int from = individual ? at : 0;
    for (int i = from; i <= at; i++)
        m->acked[c->unacked[i]] = true;
    memmove(c->unacked + from, c->unacked + at + 1, sizeof *c->unacked * (size_t)(c->unacked_count - at - 1));
    c->unacked_count -= at + 1 - from;
    return true;
}

/* --- commands --- */

static void store(struct model *m, int id, int64_t synced_at)
{
    cr_assert_lt(id, MODEL_MESSAGES);
    m->stored[id]++;
    m->synced_at[id] = synced_at;
    if (m->order_count < MODEL_MESSAGES)
        m->order[m->order_count++] = id;
}

static void end_transaction(struct model *m, struct model_session *s, bool commit, int64_t synced_at)
{
    for (int i = 0; i < s->in_transaction && commit; i++)
        store(m, s->transaction[i], synced_at);
    s->in_transaction = 0;
}

static void consumer_command(struct model *m, struct model_session *s, const char *what, char *answer, size_t room)
{
    long long id = 0, n = 0;
    char rr[8] = "";
    if (sscanf(what, "CONSUMER %lld", &id) == 1) {
        s->consumers[id].used = true;
        s->consumers[id].unlimited = false;
        s->consumers[id].id = id;
        s->consumers[id].credits = 0;
        snprintf(answer, room, "%d QUEUE q", s->channel);
    } else if (sscanf(what, "CLOSE_CONSUMER %lld", &id) == 1) {
        give_back(m, &s->consumers[id]);
        snprintf(answer, room, "%d OK", s->channel);
    } else if (sscanf(what, "CREDITS %lld %lld", &id, &n) == 2) {
        s->consumers[id].credits = n == 0 ? 0 : s->consumers[id].credits + n;
        s->consumers[id].unlimited |= n == -1;
    } else if (strncmp(what, "ACK", 3) == 0 && sscanf(what, "%*s %lld %lld %7s", &id, &n, rr) >= 2) {
        bool fine = acknowledge(m, s, id, (int)n - 1, what[3] == '1');
        if (rr[0] != '\0')
            snprintf(answer, room, fine ? "%d OK" : "%d NO 104", s->channel);
    }
}

/* What the command does, and its answer ("" for none). Returns how long its sync takes. */
static int64_t run(struct model *m, struct model_session *s, const char *text, char *answer, size_t room)
{
    int n = 0, skipped = 0;
    long long correlation = 0;
    char body[64];
    int64_t sync = m->sync_us > 0 ? (int64_t)model_random(m, (uint32_t)m->sync_us) : 0;
    if (sscanf(text, "%*d %n", &skipped) < 0)
        return 0;
    const char *what = text + skipped;
    int fields = sscanf(what, "SEND %63s %lld", body, &correlation);
    if (fields >= 1) {
        bool denied = body[0] == 'd';
        int id = atoi(body + 1);
        bool known = strchr(what, '=') != NULL && m->stored[id] > 0;
        if (fields == 2)
            snprintf(answer, room, denied ? "%d NO 105 %lld" : "%d OK %lld", s->channel, correlation);
        if (!denied && body[0] == 't')
            s->transaction[s->in_transaction++] = id;
        else if (!denied && !known)
            store(m, id, m->p->now + sync);
        return body[0] == 't' || denied ? 0 : sync;
    }
    if (sscanf(what, "COMMIT %lld", &correlation) == 1) {
        end_transaction(m, s, true, m->p->now + sync);
        snprintf(answer, room, "%d OK %lld", s->channel, correlation);
        return sync;
    }
    if (sscanf(what, "BARRIER %d", &n) == 1)
        snprintf(answer, room, "%d NOBARRIER %d", s->channel, n);
    else if (strncmp(what, "QUEUE ", 6) == 0)
        snprintf(answer, room, strncmp(what, "QUEUE old", 9) == 0 ? "%d NO 101" : "%d OK", s->channel);
    else if (strncmp(what, "QUERY", 5) == 0)
        snprintf(answer, room, "%d QUEUE q", s->channel);
    else if (strncmp(what, "BINDING", 7) == 0)
        snprintf(answer, room, strcmp(what, "BINDING nowhere") == 0 ? "%d BINDING 0 0" : "%d BINDING 1 1", s->channel);
    else if (strncmp(what, "ADDRESS ", 8) == 0 || strncmp(what, "METADATA ", 9) == 0 || strncmp(what, "UNIQUE ", 7) == 0)
        snprintf(answer, room, "%d OK", s->channel);
    else if (sscanf(what, "WANT %d %63s", &n, body) == 2)
        snprintf(answer, room, "%d CREDITS %d %s", s->channel, n, body);
    else if (strcmp(what, "FLUSH") == 0)
        snprintf(answer, room, "%d TIMEOUT", s->channel);
    else if (strcmp(what, "ROLLBACK") == 0 || strcmp(what, "STOP") == 0 || strcmp(what, "CLOSE") == 0)
        snprintf(answer, room, "%d OK", s->channel);
    if (strcmp(what, "ROLLBACK") == 0)
        end_transaction(m, s, false, 0);
    if (strcmp(what, "START") == 0 || strcmp(what, "STOP") == 0)
        s->started = what[2] == 'A';
    consumer_command(m, s, what, answer, room);
    return 0;
}

static void execute_one(struct model *m, struct model_session *s)
{
    char answer[160] = "";
    uint8_t frame[1024];
    struct model_item *task = s->exec.first;
    int64_t sync = run(m, s, task->text, answer, sizeof answer);
    size_t size = answer[0] != '\0' ? compose(m, answer, frame) : 0;
    struct model_item *done = push(&s->done, size > 0 ? frame : NULL, size);
    done->counted = size == 0 || rai_frame_type(frame) != RAI_EXCEPTION;
    done->weight = task->size;
    done->at = m->p->now + sync;
    snprintf(done->text, sizeof done->text, "%s", task->text);
    pop(&s->exec);
    deliver_messages(m, s);
}

bool model_execute(struct model *m, int tasks)
{
    bool any = false;
    for (int i = 0; i < MODEL_CHANNELS; i++) {
        struct model_session *s = &m->sessions[i];
        for (int k = 0; k < tasks && s->alive && s->exec.first != NULL; k++) {
            execute_one(m, s);
            any = true;
        }
    }
    return any;
}

/* --- completion --- */

static void confirm(struct model *m, struct model_session *s)
{
    char text[64];
    snprintf(text, sizeof text, "%d CONFIRMED %d", s->channel, (int32_t)s->counted);
    s->bytes = 0;
    say(m, s->link, text);
}

static void complete_one(struct model *m, struct model_session *s, bool lose_answer)
{
    struct model_item *done = s->done.first;
    bool close = strstr(done->text, " CLOSE") != NULL && strstr(done->text, "CLOSE_") == NULL;
    if (done->counted) {
        s->counted++;
        s->bytes += (int64_t)done->weight;
        if (s->bytes >= m->p->config.confirmation_window && !lose_answer)
            confirm(m, s);
    }
    if (done->bytes != NULL && !lose_answer)
        say_counted(m, s, done->bytes, done->size, done->text);
    pop(&s->done);
    if (close) {
        for (int i = 0; i < MODEL_CONSUMERS; i++)
            give_back(m, &s->consumers[i]);
        end_session(s);
    }
}

bool model_complete(struct model *m)
{
    bool any = false;
    for (int i = 0; i < MODEL_CHANNELS; i++)
        while (m->sessions[i].alive && m->sessions[i].done.first != NULL &&
               m->sessions[i].done.first->at <= m->p->now) {
            complete_one(m, &m->sessions[i], false);
            any = true;
        }
    return any;
}

int64_t model_next_sync(const struct model *m)
{
    int64_t at = INT64_MAX;
    for (int i = 0; i < MODEL_CHANNELS; i++)
        if (m->sessions[i].alive && m->sessions[i].done.first != NULL && m->sessions[i].done.first->at < at)
            at = m->sessions[i].done.first->at;
    return at;
}

void model_confirm_all(struct model *m)
{
    for (int i = 0; i < MODEL_CHANNELS; i++)
        if (m->sessions[i].alive)
            confirm(m, &m->sessions[i]);
}

/* --- sessions --- */

static void client_has(struct model_session *s, uint32_t number)
{
    while (s->cache.first != NULL && (int32_t)(number - s->stored) >= 0) {
        pop(&s->cache);
        s->stored++;
    }
}

static void complete_while_moving(struct model *m, struct model_session *s)
{
    while (s->alive && s->done.first != NULL && model_chance(m, m->lose_answers)) {
        for (int i = 0; i < MODEL_MESSAGES; i++) /* the sync came just now */
            if (m->synced_at[i] <= s->done.first->at && m->synced_at[i] > m->p->now)
                m->synced_at[i] = m->p->now;
        complete_one(m, s, true);
    }
}

static bool is_anchored(const struct model *m, int link)
{
    bool anchored = m->links[link].anchored;
    for (int i = 0; i < MODEL_CHANNELS; i++)
        anchored = anchored || (m->sessions[i].alive && m->sessions[i].link == link);
    return anchored;
}

static void reattach(struct model *m, int link, int channel, uint32_t received)
{
    struct model_session *s = &m->sessions[channel];
    char text[64];
    bool known =
        channel > 0 && channel < MODEL_CHANNELS && s->alive && strcmp(m->p->names[channel], m->names[channel]) == 0;
    while (known && s->exec.first != NULL && model_chance(m, 50))
        execute_one(m, s); /* the rest runs after the move */
    if (known)
        complete_while_moving(m, s);
    if (!known || !s->alive) {
        say(m, link, "REFUSED");
        return;
    }
    if (m->links[link].dead && !is_anchored(m, link) && model_chance(m, 50)) {
        for (int i = 0; i < MODEL_CONSUMERS; i++)
            give_back(m, &s->consumers[i]);
        end_session(s);
        return;
    }
    s->link = link;
    uint32_t count = s->counted;
    client_has(s, received);
    for (struct model_item *item = s->cache.first; item != NULL; item = item->next) {
        trace(m, link, "< again", item->text);
        put(m, link, item->bytes, item->size);
        bool correlated = item->size == 21 && rai_frame_type(item->bytes) == RAI_NULL_RESPONSE && item->bytes[13] == 0;
        if (correlated && model_chance(m, m->double_answers))
            trace(m, link, "< doubled", item->text), put(m, link, item->bytes, item->size);
    }
    complete_while_moving(m, s);
    snprintf(text, sizeof text, "REATTACHED %d", (int32_t)count);
    say(m, link, text);
}

static void create(struct model *m, int link, int channel)
{
    struct model_session *s = &m->sessions[channel];
    for (int i = 0; i < MODEL_CONSUMERS && s->alive; i++)
        give_back(m, &s->consumers[i]);
    end_session(s);
    *s = (struct model_session){ .alive = true, .channel = channel, .link = link, .counted = UINT32_MAX };
    snprintf(m->names[channel], sizeof m->names[0], "%s", m->p->names[channel]);
    say(m, link, "CREATED 136");
}

static void frame_in(struct model *m, int link, const struct rai_frame *f)
{
    char text[256];
    int channel, n;
    peer_describe(m->p, f, text, sizeof text);
    trace(m, link, ">", text);
    if (strcmp(text, "PING") == 0 || strncmp(text, "SUBSCRIBE", 9) == 0) {
        say(m, link, text[0] == 'P' ? "PING" : "TOPOLOGY 136 node");
    } else if (sscanf(text, "ANCHOR %d", &n) == 1) {
        m->links[link].anchored = true;
        say(m, link, "CREATED 136");
    } else if (sscanf(text, "UNANCHOR %d", &n) == 1) {
        m->links[link].anchored = false;
        snprintf(text, sizeof text, "UNANCHORED %d", n);
        say(m, link, text);
    } else if (sscanf(text, "CREATE %d", &channel) == 1) {
        create(m, link, channel);
    } else if (sscanf(text, "REATTACH %d %d", &channel, &n) == 2) {
        reattach(m, link, channel, (uint32_t)n);
    } else {
        struct model_session *s = &m->sessions[f->channel];
        if (!s->alive || s->link != link)
            return; /* the session lives on another link now */
        if (sscanf(text, "%*d CONFIRMED %d", &n) == 1) {
            client_has(s, (uint32_t)n);
            return;
        }
        struct model_item *task = push(&s->exec, f->bytes, f->size);
        snprintf(task->text, sizeof task->text, "%.90s", text);
    }
}

bool model_read(struct model *m, int frames)
{
    bool any = false;
    for (int i = 1; i <= m->p->count; i++) {
        struct peer_link *l = &m->p->links[i];
        if (l->read == 0 && l->out_size >= RAI_PREAMBLE_SIZE)
            l->read = RAI_PREAMBLE_SIZE;
        for (int k = 0; k < frames; k++) {
            size_t arrived = m->links[i].dead ? m->links[i].limit : l->out_size;
            struct rai_frame frame;
            size_t need;
            if (l->read >= arrived || rai_frame_next(l->out + l->read, arrived - l->read, &frame, &need) != 1)
                break;
            l->read += frame.size;
            frame_in(m, i, &frame);
            any = true;
        }
    }
    return any;
}

void model_cut(struct model *m, int link)
{
    struct peer_link *l = &m->p->links[link];
    size_t unread = l->out_size - l->read;
    m->links[link].dead = true;
    m->links[link].limit = l->read + (model_chance(m, 50) ? unread : model_random(m, (uint32_t)unread + 1));
    peer_cut(m->p, link);
}

/* What was not synced yet is lost from some point on, as a journal that was not written to its end. */
static void lose_unsynced(struct model *m)
{
    bool losing = false;
    int kept = 0;
    for (int i = 0; i < m->order_count; i++) {
        int id = m->order[i];
        losing = losing || (m->synced_at[id] > m->p->now && model_chance(m, 50));
        if (losing && m->synced_at[id] > m->p->now)
            m->stored[id]--;
        else
            m->order[kept++] = id;
        m->synced_at[id] = m->p->now; /* what is there after a restart is on the disk */
    }
    m->order_count = kept;
}

void model_restart(struct model *m)
{
    lose_unsynced(m);
    for (int i = 0; i < MODEL_CHANNELS; i++) {
        for (int k = 0; k < MODEL_CONSUMERS && m->sessions[i].alive; k++)
            give_back(m, &m->sessions[i].consumers[k]);
        end_session(&m->sessions[i]);
    }
    for (int i = 1; i <= m->p->count; i++) {
        m->links[i].dead = true;
        m->links[i].limit = 0;
        if (m->p->links[i].up)
            peer_cut(m->p, i);
    }
}
