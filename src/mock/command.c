/* What each request of a session does, and its answer: one function each, found through a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "mock/inside.h"

enum {
    NO_QUEUE = 100,
    QUEUE_EXISTS = 101,
    BAD_FILTER = 103,
    ILLEGAL_STATE = 104,
    DUPLICATE_ID = 113,
    DUPLICATE_METADATA = 114,
    OTHER_QUEUE = 118,
    ADDRESS_FULL = 210
};

/* --- tools --- */

static void take_name(struct rai_reader *r, struct rai_sstr s, char out[RAI_MOCK_NAME])
{
    out[0] = '\0';
    if (s.data == NULL)
        return;
    if (s.size % 2 != 0 || rai_utf16le_utf8_size(s.data, s.size) >= RAI_MOCK_NAME)
        rai_spoil(r);
    else
        out[rai_utf16le_to_utf8(s.data, s.size, out)] = '\0';
}

void rai_mock_read_name(struct rai_reader *r, char out[RAI_MOCK_NAME])
{
    take_name(r, rai_get_sstr(r), out);
}

void rai_mock_read_nname(struct rai_reader *r, char out[RAI_MOCK_NAME])
{
    take_name(r, rai_get_nsstr(r), out);
}

static int32_t version_of(const struct rai_mock_call *c)
{
    return rai_mock_version(c->m, c->s->link);
}

static void agree(struct rai_mock_call *c)
{
    c->answer = rai_mock_say_null(c->s->channel, version_of(c), c->correlation);
}

static void refuse(struct rai_mock_call *c, int32_t code, const char *text)
{
    c->answer = rai_mock_say_exception(c->s->channel, code, text, c->has_correlation ? &c->correlation : NULL);
    c->refused = true;
}

static void refuse_about(struct rai_mock_call *c, int32_t code, const char *before, const char *name, const char *after)
{
    char text[RAI_MOCK_NAME + 64];
    snprintf(text, sizeof text, "%s %s %s", before, name, after);
    refuse(c, code, text);
}

/* By a fault, or by a rule about this name; then it is refused, if an answer is wanted. */
static bool is_forbidden(struct rai_mock_call *c, const char *name, bool respond)
{
    const struct rai_mock_rule *rule = rai_mock_rule_of(c->m, name);
    int32_t code = c->reject != 0 ? c->reject : rule != NULL ? rule->code : 0;
    if (code != 0 && respond)
        refuse_about(c, code, "AMQ229032:", name, "is refused");
    return code != 0;
}

static struct rai_mock_consumer *consumer(const struct rai_mock_call *c, int64_t id)
{
    struct rai_mock_consumer *each = c->s->consumers;
    while (each != NULL && each->id != id)
        each = each->next;
    return each;
}

static void wait_for(struct rai_mock_call *c, uint64_t position)
{
    if (position > c->position)
        c->position = position;
}

/* --- sends --- */

static void keep_sent(struct rai_mock_session *s, struct rai_mock_message *message)
{
    struct rai_mock_sent *sent = rai_mock_take(sizeof *sent);
    sent->message = message;
    if (s->last_sent != NULL)
        s->last_sent->next = sent;
    else
        s->sent = sent;
    s->last_sent = sent;
}

static int32_t code_for_send(const struct rai_mock_call *c, const struct rai_mock_message *message)
{
    if (c->reject != 0 || message == NULL)
        return c->reject != 0 ? c->reject : ILLEGAL_STATE;
    const struct rai_mock_rule *rule = rai_mock_rule_of(c->m, message->address);
    if (rai_mock_address_is_full(c->m, message->address, RAI_MOCK_FAIL))
        return ADDRESS_FULL;
    return rule != NULL ? rule->code : 0;
}

static void doom(struct rai_mock_session *s, int32_t code)
{
    if (!s->auto_sends && s->doomed == 0)
        s->doomed = code;
}

/* Of a message that was there before, or that a full address drops, nobody is told; but a transaction that has the
 * former will not be committed. */
static void keep_or_drop(struct rai_mock_call *c, struct rai_mock_message *message)
{
    bool known = rai_mock_id_is_known(c->m, message);
    c->m->stats[RAI_MOCK_DUPLICATES] += known;
    if (known)
        doom(c->s, DUPLICATE_ID);
    if (known || rai_mock_address_is_full(c->m, message->address, RAI_MOCK_DROP)) {
        rai_mock_message_drop(message);
    } else if (c->s->auto_sends) {
        wait_for(c, rai_mock_store(c->m, message));
        rai_mock_message_drop(message);
    } else {
        keep_sent(c->s, message);
    }
}

/* A whole message has come; takes it. NULL: it was malformed. */
static void take_message(struct rai_mock_call *c, struct rai_mock_message *message, bool respond)
{
    int32_t code = code_for_send(c, message);
    if (code == 0) {
        keep_or_drop(c, message);
        if (respond)
            agree(c);
        return;
    }
    doom(c->s, code);
    if (respond)
        refuse_about(c, code, "AMQ229032: a send to", message != NULL ? message->address : "?", "is refused");
    if (message != NULL)
        rai_mock_message_drop(message);
}

static void on_send(struct rai_mock_call *c)
{
    struct rai_send_tail tail;
    int32_t version = version_of(c);
    size_t after = version >= 134 ? 13 : version >= 130 ? 9 : 1;
    if (!rai_get_send_tail(c->frame->bytes, c->frame->size, version, &tail))
        return;
    c->correlation = version >= 130 ? tail.correlation : RAI_NO_CORRELATION;
    c->has_correlation = version >= 130;
    take_message(c,
                 rai_mock_message_new(c->m, c->frame->bytes + RAI_FRAME_HEADER,
                                      c->frame->size - RAI_FRAME_HEADER - after),
                 tail.respond);
}

/* Of one that was not finished nothing is left. */
static void on_send_large(struct rai_mock_call *c)
{
    rai_mock_pieces_clear(&c->s->pieces);
    c->s->pieces.open = true;
    rai_mock_append(&c->s->pieces.headers, c->r.at, rai_reader_left(&c->r));
}

static void on_send_piece(struct rai_mock_call *c)
{
    int32_t version = version_of(c), size = rai_get_i32(&c->r);
    const uint8_t *bytes = rai_get_raw(&c->r, size > 0 ? (size_t)size : 0);
    bool more = rai_get_bool(&c->r);
    int64_t body_size = more ? -1 : rai_get_i64(&c->r);
    bool respond = rai_get_bool(&c->r);
    c->has_correlation = version >= 130 && rai_reader_left(&c->r) >= 8;
    c->correlation = c->has_correlation ? rai_get_i64(&c->r) : RAI_NO_CORRELATION;
    if (c->r.bad || size < 0)
        return;
    if (!c->s->pieces.open) {
        if (respond)
            refuse(c, ILLEGAL_STATE, "AMQ229107: a piece of a large message that was not begun");
        return;
    }
    rai_mock_append(&c->s->pieces.body, bytes, (size_t)size);
    if (!more)
        take_message(c, rai_mock_pieces_join(c->m, &c->s->pieces, body_size), respond);
    else if (respond)
        agree(c);
}

static void on_request_credits(struct rai_mock_call *c)
{
    char address[RAI_MOCK_NAME];
    int32_t credits = rai_get_i32(&c->r);
    rai_mock_read_name(&c->r, address);
    c->answer = rai_mock_want_credits(c->m, c->s, credits, address);
}

/* --- transactions --- */

static void on_commit(struct rai_mock_call *c)
{
    struct rai_mock_ref *ref;
    if (version_of(c) >= 132 && rai_reader_left(&c->r) >= 8) {
        c->correlation = rai_get_i64(&c->r);
        c->has_correlation = true;
    }
    int32_t code = c->reject != 0 ? c->reject : c->s->doomed;
    if (code != 0) {
        rai_mock_session_roll_back(c->m, c->s);
        refuse(c, code, "AMQ229013: the transaction was rolled back");
        return;
    }
    while (c->s->sent != NULL) {
        struct rai_mock_sent *sent = c->s->sent;
        c->s->sent = sent->next;
        wait_for(c, rai_mock_store(c->m, sent->message));
        rai_mock_message_drop(sent->message);
        free(sent);
    }
    c->s->last_sent = NULL;
    while ((ref = rai_mock_refs_pop(&c->s->acked)) != NULL)
        wait_for(c, rai_mock_consume(c->m, ref));
    agree(c);
}

/* What was never looked at does not count as delivered; with `last_counts` the first of each consumer does. */
static void on_rollback(struct rai_mock_call *c)
{
    bool last_counts = rai_get_bool(&c->r);
    rai_mock_session_roll_back(c->m, c->s);
    for (struct rai_mock_consumer *each = c->s->consumers; each != NULL; each = each->next) {
        struct rai_mock_ref *ref;
        for (bool first = true; (ref = rai_mock_refs_pop(&each->delivered)) != NULL; first = false) {
            ref->deliveries -= !(first && last_counts);
            rai_mock_give_back(c->m, ref);
        }
        rai_mock_stream_end(each);
    }
    agree(c);
}

/* --- consumers --- */

/* One that is too long for us is no good either. */
static bool read_filter(struct rai_mock_call *c, char filter[RAI_MOCK_NAME])
{
    struct rai_sstr text = rai_get_nsstr(&c->r);
    struct rai_reader scratch = { 0 };
    take_name(&scratch, text, filter);
    return !scratch.bad && rai_mock_filter_is_good(filter);
}

static void on_create_consumer(struct rai_mock_call *c)
{
    char queue[RAI_MOCK_NAME], filter[RAI_MOCK_NAME];
    int64_t id = rai_get_i64(&c->r);
    rai_mock_read_name(&c->r, queue);
    bool good_filter = read_filter(c, filter);
    bool browse = rai_get_bool(&c->r), respond = rai_get_bool(&c->r);
    struct rai_mock_queue *q = rai_mock_queue_find(c->m, queue);
    if (is_forbidden(c, queue, respond))
        return;
    if (q == NULL) {
        if (respond)
            refuse_about(c, NO_QUEUE, "AMQ229017: Queue", queue, "does not exist");
        return;
    }
    if (!good_filter) {
        if (respond)
            refuse_about(c, BAD_FILTER, "AMQ229020: Invalid filter:", filter, "");
        return;
    }
    struct rai_mock_consumer *fresh = rai_mock_take(sizeof *fresh), **place = &c->s->consumers;
    *fresh = (struct rai_mock_consumer){ .id = id, .queue = q, .browse = browse };
    strcpy(fresh->filter, filter);
    while (*place != NULL)
        place = &(*place)->next;
    *place = fresh;
    q->consumers++;
    if (respond)
        c->answer = rai_mock_say_queue(c->s->channel, version_of(c), queue, q);
}

static void on_close_consumer(struct rai_mock_call *c)
{
    struct rai_mock_consumer *gone = consumer(c, rai_get_i64(&c->r));
    agree(c); /* also of one that is not known */
    if (gone != NULL)
        rai_mock_consumer_end(c->m, c->s, gone, false);
}

static void on_flow_token(struct rai_mock_call *c)
{
    struct rai_mock_consumer *to = consumer(c, rai_get_i64(&c->r));
    int32_t credits = rai_get_i32(&c->r);
    if (to == NULL)
        return;
    to->unlimited |= credits == -1;
    to->credits = credits == 0 ? 0 : to->credits + (credits > 0 ? credits : 0);
}

static void on_force_delivery(struct rai_mock_call *c)
{
    struct rai_mock_consumer *to = consumer(c, rai_get_i64(&c->r));
    int64_t sequence = rai_get_i64(&c->r);
    if (to == NULL)
        return;
    rai_mock_session_deliver(c->m, c->s);
    rai_mock_session_packet(c->m, c->s,
                            rai_mock_say_marker(c->s->channel, to->id, ++c->m->last_id, to->queue->name, sequence));
}

static void accept_ack(struct rai_mock_call *c, struct rai_mock_ref *ref)
{
    if (c->frame->type == RAI_SESS_EXPIRED)
        rai_mock_expire(c->m, ref);
    else if (c->s->auto_acks)
        wait_for(c, rai_mock_consume(c->m, ref));
    else
        rai_mock_refs_push(&c->s->acked, ref);
}

/* Takes a message, or all up to it, off what was delivered; false: it is not there, and nothing was taken. */
static bool take_delivered(struct rai_mock_call *c, struct rai_mock_consumer *from, uint64_t id, bool all)
{
    struct rai_mock_refs kept = { 0 };
    struct rai_mock_ref *ref = from->delivered.first;
    while (ref != NULL && ref->message->id != id)
        ref = ref->next;
    if (ref == NULL)
        return false;
    for (bool found = false; !found && (ref = rai_mock_refs_pop(&from->delivered)) != NULL;) {
        found = ref->message->id == id;
        if (found || all)
            accept_ack(c, ref);
        else
            rai_mock_refs_push(&kept, ref);
    }
    while ((ref = rai_mock_refs_pop(&from->delivered)) != NULL)
        rai_mock_refs_push(&kept, ref);
    from->delivered = kept;
    return true;
}

static void on_acknowledge(struct rai_mock_call *c)
{
    struct rai_mock_consumer *from = consumer(c, rai_get_i64(&c->r));
    uint64_t id = (uint64_t)rai_get_i64(&c->r);
    bool respond = rai_get_bool(&c->r);
    bool browsing = from != NULL && from->browse, all = c->frame->type == RAI_SESS_ACKNOWLEDGE;
    int32_t code = c->reject;
    if (code == 0 && !browsing && (from == NULL || !take_delivered(c, from, id, all))) {
        const struct rai_mock_watch *watch = &c->m->config.watch;
        code = ILLEGAL_STATE;
        if (watch->news != NULL)
            watch->news(watch->ctx, RAI_MOCK_BAD_ACK, NULL, 0);
    }
    if (code != 0 && !c->s->auto_acks && c->s->doomed == 0)
        c->s->doomed = code;
    if (respond && code != 0)
        refuse(c, code, "AMQ229027: could not find the message of an acknowledgement");
    else if (respond)
        agree(c);
}

static void on_expired(struct rai_mock_call *c)
{
    struct rai_mock_consumer *from = consumer(c, rai_get_i64(&c->r));
    if (from != NULL)
        take_delivered(c, from, (uint64_t)rai_get_i64(&c->r), false);
}

/* --- queues and addresses --- */

/* What the packets of queues have in common. */
struct wanted {
    char address[RAI_MOCK_NAME], name[RAI_MOCK_NAME], filter[RAI_MOCK_NAME];
    bool good_filter, durable, temporary, respond;
    int routing_type;
};

static void make_queue(struct rai_mock_call *c, const struct wanted *w)
{
    struct rai_mock_queue *q = rai_mock_queue_make(c->m, w->name, w->address);
    strcpy(q->filter, w->filter);
    q->durable = w->durable;
    q->temporary = w->temporary;
    q->owner = w->temporary ? c->s : NULL;
    q->routing_type = w->routing_type == 1;
    rai_mock_address_make(c->m, q->address)->exists = true;
}

static void create_queue(struct rai_mock_call *c, const struct wanted *w, int32_t code)
{
    if (c->r.bad || is_forbidden(c, w->name, w->respond))
        return;
    if (code == 0 && !w->good_filter)
        code = BAD_FILTER;
    if (code == 0 && rai_mock_queue_find(c->m, w->name) == NULL)
        make_queue(c, w);
    if (w->respond && code != 0)
        refuse_about(c, code, "AMQ229019: Queue", w->name, code == BAD_FILTER ? "has a bad filter" : "already exists");
    else if (w->respond)
        agree(c);
}

static void on_create_queue(struct rai_mock_call *c)
{
    struct wanted w;
    rai_mock_read_name(&c->r, w.address);
    rai_mock_read_name(&c->r, w.name);
    w.good_filter = read_filter(c, w.filter);
    w.durable = rai_get_bool(&c->r);
    w.temporary = rai_get_bool(&c->r);
    w.respond = rai_get_bool(&c->r);
    rai_get_bool(&c->r); /* auto-created */
    w.routing_type = rai_get_u8(&c->r);
    create_queue(c, &w, rai_mock_queue_find(c->m, w.name) != NULL ? QUEUE_EXISTS : 0);
}

/* It may be there, if it is the same. */
static void on_create_shared_queue(struct rai_mock_call *c)
{
    struct wanted w = { .temporary = false };
    rai_mock_read_name(&c->r, w.address);
    rai_mock_read_name(&c->r, w.name);
    w.good_filter = read_filter(c, w.filter);
    w.durable = rai_get_bool(&c->r);
    w.routing_type = rai_get_u8(&c->r);
    w.respond = rai_get_bool(&c->r);
    const struct rai_mock_queue *q = rai_mock_queue_find(c->m, w.name);
    bool other = q != NULL && (strcmp(q->address, w.address) != 0 || strcmp(q->filter, w.filter) != 0);
    create_queue(c, &w, other ? OTHER_QUEUE : 0);
}

static void on_create_address(struct rai_mock_call *c)
{
    char address[RAI_MOCK_NAME];
    rai_mock_read_name(&c->r, address);
    for (int32_t left = rai_get_count(&c->r, 1); left > 0; left--)
        rai_get_u8(&c->r);
    bool respond = rai_get_bool(&c->r);
    if (c->r.bad || is_forbidden(c, address, respond))
        return;
    rai_mock_address_make(c->m, address)->exists = true;
    if (respond)
        agree(c);
}

static void on_delete_queue(struct rai_mock_call *c)
{
    char name[RAI_MOCK_NAME];
    rai_mock_read_name(&c->r, name);
    struct rai_mock_queue *q = rai_mock_queue_find(c->m, name);
    if (q == NULL) {
        refuse(c, NO_QUEUE, NULL);
    } else if (q->consumers > 0) {
        refuse_about(c, ILLEGAL_STATE, "AMQ229025: cannot delete queue", name, ": it has consumers");
    } else {
        rai_mock_queue_delete(c->m, q);
        agree(c);
    }
}

static void on_query_queue(struct rai_mock_call *c)
{
    char name[RAI_MOCK_NAME];
    rai_mock_read_name(&c->r, name);
    c->answer = rai_mock_say_queue(c->s->channel, version_of(c), name, rai_mock_queue_find(c->m, name));
}

static void on_query_address(struct rai_mock_call *c)
{
    char name[RAI_MOCK_NAME];
    rai_mock_read_name(&c->r, name);
    c->answer = rai_mock_say_binding(c->m, c->s->channel, version_of(c), name);
}

/* --- the session itself --- */

static void on_start(struct rai_mock_call *c)
{
    c->s->started = true;
}

static void on_stop(struct rai_mock_call *c)
{
    c->s->started = false;
    agree(c);
}

static void on_close(struct rai_mock_call *c)
{
    c->closes = true;
    agree(c);
}

/* --- metadata --- */

void rai_mock_metadata_clear(struct rai_mock_session *s)
{
    while (s->metadata != NULL) {
        struct rai_mock_metadata *m = s->metadata;
        s->metadata = m->next;
        free(m);
    }
}

static struct rai_mock_metadata *metadata_of(const struct rai_mock_session *s, const char *key)
{
    struct rai_mock_metadata *m = s->metadata;
    while (m != NULL && strcmp(m->key, key) != 0)
        m = m->next;
    return m;
}

static void set_metadata(struct rai_mock_session *s, const struct rai_mock_metadata *pair)
{
    struct rai_mock_metadata *m = metadata_of(s, pair->key);
    if (m == NULL) {
        m = rai_mock_take(sizeof *m);
        m->next = s->metadata;
        s->metadata = m;
        strcpy(m->key, pair->key);
    }
    strcpy(m->value, pair->value);
}

static struct rai_mock_metadata get_metadata(struct rai_mock_call *c)
{
    struct rai_mock_metadata pair = { .next = NULL };
    rai_get_str(&c->r, pair.key, sizeof pair.key);
    rai_get_str(&c->r, pair.value, sizeof pair.value);
    return pair;
}

/* Counted is only what says that it wants to be. */
static void on_metadata(struct rai_mock_call *c)
{
    struct rai_mock_metadata pair = get_metadata(c);
    bool old = c->frame->type == RAI_SESS_ADD_METADATA, counted = !old && rai_get_bool(&c->r);
    c->uncounted = !counted;
    if (is_forbidden(c, pair.key, counted))
        return;
    set_metadata(c->s, &pair);
    if (old || counted)
        agree(c);
}

/* However the other one has set it. */
static bool is_taken(const struct rai_mock_call *c, const struct rai_mock_metadata *pair)
{
    for (const struct rai_mock_session *s = c->m->sessions; s != NULL; s = s->next) {
        const struct rai_mock_metadata *other = s != c->s ? metadata_of(s, pair->key) : NULL;
        if (other != NULL && strcmp(other->value, pair->value) == 0)
            return true;
    }
    return false;
}

static void on_unique_metadata(struct rai_mock_call *c)
{
    struct rai_mock_metadata pair = get_metadata(c);
    if (is_forbidden(c, pair.key, true))
        return;
    if (is_taken(c, &pair)) {
        refuse_about(c, DUPLICATE_METADATA, "AMQ229031: metadata", pair.key, "is already there");
        return;
    }
    set_metadata(c->s, &pair);
    agree(c);
}

static void on_timeout(struct rai_mock_call *c)
{
    c->answer = rai_mock_say_timeout(c->s->channel);
}

/* There are no transactions of others here: nobody knows this one. */
static void on_xa_forget(struct rai_mock_call *c)
{
    enum { XAER_NOTA = -4 };
    c->answer = rai_mock_say_xa(c->s->channel, XAER_NOTA);
}

static void on_nothing(struct rai_mock_call *c)
{
    (void)c;
}

static const struct {
    int type;
    void (*run)(struct rai_mock_call *c);
    bool answers; /* whatever it holds, and without a correlation id */
} commands[] = {
    { RAI_SESS_SEND, on_send, false },
    { RAI_SESS_SEND_LARGE, on_send_large, false },
    { RAI_SESS_SEND_CONTINUATION, on_send_piece, false },
    { RAI_SESS_PRODUCER_REQUEST_CREDITS, on_request_credits, false },
    { RAI_SESS_COMMIT, on_commit, false },
    { RAI_SESS_ROLLBACK, on_rollback, true },
    { RAI_SESS_CREATECONSUMER, on_create_consumer, false },
    { RAI_SESS_CONSUMER_CLOSE, on_close_consumer, true },
    { RAI_SESS_FLOWTOKEN, on_flow_token, false },
    { RAI_SESS_FORCE_CONSUMER_DELIVERY, on_force_delivery, false },
    { RAI_SESS_ACKNOWLEDGE, on_acknowledge, false },
    { RAI_SESS_INDIVIDUAL_ACKNOWLEDGE, on_acknowledge, false },
    { RAI_SESS_EXPIRED, on_expired, false },
    { RAI_CREATE_QUEUE_V2, on_create_queue, false },
    { RAI_CREATE_SHARED_QUEUE_V2, on_create_shared_queue, false },
    { RAI_CREATE_ADDRESS, on_create_address, false },
    { RAI_DELETE_QUEUE, on_delete_queue, true },
    { RAI_SESS_QUEUEQUERY, on_query_queue, true },
    { RAI_SESS_BINDINGQUERY, on_query_address, true },
    { RAI_SESS_START, on_start, false },
    { RAI_SESS_STOP, on_stop, true },
    { RAI_SESS_CLOSE, on_close, true },
    { RAI_SESS_ADD_METADATA2, on_metadata, false },
    { RAI_SESS_ADD_METADATA, on_metadata, false },
    { RAI_SESS_UNIQUE_ADD_METADATA, on_unique_metadata, false },
    { RAI_SESS_XA_GET_TIMEOUT, on_timeout, true },
    { RAI_SESS_XA_FORGET, on_xa_forget, false },
    { RAI_CREATE_PRODUCER, on_nothing, false },
    { RAI_REMOVE_PRODUCER, on_nothing, false },
};

void rai_mock_call(struct rai_mock_call *c)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (commands[i].type == c->frame->type) {
            if (c->reject != 0 && commands[i].answers)
                refuse(c, c->reject, "AMQ229032: refused on command");
            else
                commands[i].run(c);
            return;
        }
    refuse(c, 1, "AMQ229999: this packet is not supported");
}
