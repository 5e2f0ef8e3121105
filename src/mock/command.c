/* What each request of a session does, and its answer: one function each, found through a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "mock/inside.h"

enum { NO_QUEUE = 100, QUEUE_EXISTS = 101, ILLEGAL_STATE = 104, ADDRESS_FULL = 210 };

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

static int32_t code_for_send(const struct rai_mock_call *c, const char *address)
{
    const struct rai_mock_rule *rule = rai_mock_rule_of(c->m, address);
    if (c->reject != 0)
        return c->reject;
    return rule == NULL ? 0 : rule->full ? ADDRESS_FULL : rule->code;
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
    struct rai_mock_message *message =
        rai_mock_message_new(c->m, c->frame->bytes + RAI_FRAME_HEADER, c->frame->size - RAI_FRAME_HEADER - after);
    int32_t code = message == NULL ? ILLEGAL_STATE : code_for_send(c, message->address);
    if (code != 0) {
        if (!c->s->auto_sends && c->s->doomed == 0)
            c->s->doomed = code;
        if (tail.respond)
            refuse_about(c, code, "AMQ229032: a send to", message != NULL ? message->address : "?", "is refused");
        if (message != NULL)
            rai_mock_message_drop(message);
        return;
    }
    if (c->s->auto_sends) {
        wait_for(c, rai_mock_store(c->m, message));
        rai_mock_message_drop(message);
    } else {
        keep_sent(c->s, message);
    }
    if (tail.respond)
        agree(c);
}

static void on_request_credits(struct rai_mock_call *c)
{
    char address[RAI_MOCK_NAME];
    int32_t credits = rai_get_i32(&c->r);
    rai_mock_read_name(&c->r, address);
    const struct rai_mock_rule *rule = rai_mock_rule_of(c->m, address);
    int type = rule != NULL && rule->full ? RAI_SESS_PRODUCER_FAIL_CREDITS : RAI_SESS_PRODUCER_CREDITS;
    c->answer = rai_mock_say_credits(c->s->channel, type, credits, address);
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

/* What was delivered and never looked at does not count as delivered. */
static void return_delivered(struct rai_mock_call *c, struct rai_mock_consumer *from)
{
    struct rai_mock_ref *ref;
    while ((ref = rai_mock_refs_pop(&from->delivered)) != NULL) {
        ref->deliveries--;
        rai_mock_give_back(c->m, ref);
    }
}

static void on_rollback(struct rai_mock_call *c)
{
    rai_mock_session_roll_back(c->m, c->s);
    for (struct rai_mock_consumer *each = c->s->consumers; each != NULL; each = each->next)
        return_delivered(c, each);
    agree(c);
}

/* --- consumers --- */

static void on_create_consumer(struct rai_mock_call *c)
{
    char queue[RAI_MOCK_NAME];
    int64_t id = rai_get_i64(&c->r);
    rai_mock_read_name(&c->r, queue);
    rai_get_nsstr(&c->r); /* filter */
    bool browse = rai_get_bool(&c->r), respond = rai_get_bool(&c->r);
    struct rai_mock_queue *q = rai_mock_queue_find(c->m, queue);
    if (is_forbidden(c, queue, respond))
        return;
    if (q == NULL) {
        if (respond)
            refuse_about(c, NO_QUEUE, "AMQ229017: Queue", queue, "does not exist");
        return;
    }
    struct rai_mock_consumer *fresh = rai_mock_take(sizeof *fresh), **place = &c->s->consumers;
    *fresh = (struct rai_mock_consumer){ .id = id, .queue = q, .browse = browse };
    while (*place != NULL)
        place = &(*place)->next;
    *place = fresh;
    q->consumers++;
    if (respond)
        c->answer = rai_mock_say_queue(c->s->channel, version_of(c), queue, q);
}

static void on_close_consumer(struct rai_mock_call *c)
{
    struct rai_mock_consumer *gone = consumer(c, rai_get_i64(&c->r)), **place = &c->s->consumers;
    agree(c); /* also of one that is not known */
    if (gone == NULL)
        return;
    return_delivered(c, gone);
    while (*place != gone)
        place = &(*place)->next;
    *place = gone->next;
    gone->queue->consumers--;
    free(gone);
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
    if (c->s->auto_acks)
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

static void on_create_queue(struct rai_mock_call *c)
{
    char address[RAI_MOCK_NAME], name[RAI_MOCK_NAME];
    rai_mock_read_name(&c->r, address);
    rai_mock_read_name(&c->r, name);
    rai_get_nsstr(&c->r); /* filter */
    bool durable = rai_get_bool(&c->r), temporary = rai_get_bool(&c->r), respond = rai_get_bool(&c->r);
    rai_get_bool(&c->r); /* auto-created */
    int routing_type = rai_get_u8(&c->r);
    if (c->r.bad || is_forbidden(c, name, respond))
        return;
    if (rai_mock_queue_find(c->m, name) != NULL) {
        if (respond)
            refuse_about(c, QUEUE_EXISTS, "AMQ229019: Queue", name, "already exists");
        return;
    }
    struct rai_mock_queue *q = rai_mock_queue_make(c->m, name, address);
    q->durable = durable;
    q->temporary = temporary;
    q->routing_type = routing_type == 1 ? 1 : 0;
    if (respond)
        agree(c);
}

static void on_create_address(struct rai_mock_call *c)
{
    char address[RAI_MOCK_NAME];
    rai_mock_read_name(&c->r, address);
    for (int32_t left = rai_get_count(&c->r, 1); left > 0; left--)
        rai_get_u8(&c->r);
    bool respond = rai_get_bool(&c->r);
    if (!is_forbidden(c, address, respond) && respond)
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

static void on_metadata(struct rai_mock_call *c)
{
    rai_get_str(&c->r, NULL, 0);
    rai_get_str(&c->r, NULL, 0);
    if (rai_get_bool(&c->r))
        agree(c);
}

static void on_timeout(struct rai_mock_call *c)
{
    c->answer = rai_mock_say_timeout(c->s->channel);
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
    { RAI_CREATE_ADDRESS, on_create_address, false },
    { RAI_DELETE_QUEUE, on_delete_queue, true },
    { RAI_SESS_QUEUEQUERY, on_query_queue, true },
    { RAI_SESS_BINDINGQUERY, on_query_address, true },
    { RAI_SESS_START, on_start, false },
    { RAI_SESS_STOP, on_stop, true },
    { RAI_SESS_CLOSE, on_close, true },
    { RAI_SESS_ADD_METADATA2, on_metadata, false },
    { RAI_SESS_UNIQUE_ADD_METADATA, on_metadata, false },
    { RAI_SESS_XA_GET_TIMEOUT, on_timeout, true },
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
