#include <string.h>

#include "base/alloc.h"
#include "engine/internal.h"

/* --- credits: one account per session and address, shared by its producers --- */

static struct rai_credit *credit_of(rai_session *s, const char *address)
{
    size_t size = strlen(address);
    for (struct rai_credit *c = s->credits; c != NULL; c = c->next)
        if (c->address_size == size && memcmp(c->address, address, size) == 0)
            return c;
    struct rai_credit *c = rai_calloc(1, sizeof *c + size + 1);
    if (c == NULL)
        return NULL;
    memcpy(c->address, address, size);
    c->address_size = size;
    c->next = s->credits;
    s->credits = c;
    return c;
}

static bool request_credits(rai_session *s, struct rai_credit *credit, int32_t credits)
{
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_request_credits(&d.w, d.size, s->channel, credits, credit->address);
    if (!rai_draft_commit(&d, NULL))
        return false;
    credit->arriving += credits;
    return true;
}

static int32_t half_window(const rai_session *s)
{
    int32_t half = s->e->config->producer_window / 2;
    return half > 0 ? half : 1;
}

static bool credits_cover(const rai_session *s, const struct rai_credit *credit, size_t cost)
{
    return s->e->config->producer_window < 0 || credit->full || credit->balance >= (int64_t)cost;
}

/* For senders that wait. */
static void request_wanted(rai_session *s)
{
    for (rai_producer *p = s->producers; p != NULL; p = p->next) {
        struct rai_credit *account = p->wanted > 0 ? p->wanted_credit : NULL;
        int32_t needed = (int32_t)p->wanted > half_window(s) ? (int32_t)p->wanted : half_window(s);
        if (account == NULL || s->e->config->producer_window < 0)
            continue;
        if ((int64_t)account->balance + account->arriving < (int64_t)p->wanted && account->arriving < needed)
            request_credits(s, account, needed - account->arriving);
    }
}

/* Asks for half a window at a time, when less than that is left: a stream of small messages rarely waits for a round trip,
 * and there is one request for many of them. */
static int acquire(rai_session *s, struct rai_credit *credit, size_t cost, struct rai_fault *fault)
{
    if (s->e->config->producer_window < 0)
        return RA_OK;
    if (credit->full) {
        credit->full = false;
        return rai_fault_set(fault, RA_E_ADDRESS_FULL, "the address %.100s is full", credit->address);
    }
    if (cost > INT32_MAX / 2)
        return rai_fault_set(fault, RA_E_ARGUMENT, "a message of %zu bytes is too large", cost);
    int32_t needed = (int32_t)cost > half_window(s) ? (int32_t)cost : half_window(s);
    int64_t coming = (int64_t)credit->balance + credit->arriving;
    if (coming < needed && !request_credits(s, credit, needed - credit->arriving))
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    if (credit->balance < (int32_t)cost)
        return RA_E_WOULD_BLOCK;
    credit->balance -= (int32_t)cost;
    if (s->writable_wanted)
        request_wanted(s); /* this may have been what another one waits for */
    return RA_OK;
}

void rai_producer_credits(rai_session *s, const struct rai_frame *f)
{
    int32_t credits;
    struct rai_sstr address;
    if (!rai_get_producer_credits(f, &credits, &address))
        return;
    char *name = rai_sstr_utf8(address, NULL);
    if (name == NULL)
        return;
    struct rai_credit *credit = credit_of(s, name);
    rai_free(name);
    if (credit == NULL)
        return;
    if (f->type == RAI_SESS_PRODUCER_FAIL_CREDITS) {
        credit->full = true;
        credit->balance = credit->arriving = 0;
    } else {
        int64_t balance = (int64_t)credit->balance + (credits > 0 ? credits : 0); /* whatever a peer makes of it */
        credit->balance = balance < INT32_MAX ? (int32_t)balance : INT32_MAX;
        if (credits > 0)
            credit->arriving -= credits < credit->arriving ? credits : credit->arriving;
    }
    rai_session_check_writable(s);
}

/* --- routes: a send to an address without a queue is answered as if it had been stored --- */

/* Refused by the broker or by the check; anything else came in between. */
static int outcome_of(const struct rai_fault *fault)
{
    bool refused = fault->broker_code >= 0 || fault->code == RA_E_NO_ROUTE || fault->code == RA_E_NO_ADDRESS;
    return refused ? RA_OUTCOME_REJECTED : RA_OUTCOME_NOT_DONE;
}

static void opened(rai_producer *p, const struct rai_fault *fault)
{
    rai_op *op = p->open_op;
    p->open_op = NULL;
    p->step = RAI_ROUTE_DONE;
    p->opened = fault == NULL;
    if (fault != NULL)
        p->fault = *fault;
    rai_op_end(op, fault == NULL ? RA_OUTCOME_CONFIRMED : outcome_of(fault), fault);
    rai_op_unref(op);
    rai_producer_free_if_done(p);
}

static bool log_register(rai_producer *p)
{
    rai_session *s = p->s;
    if (s->version < 134)
        return true;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        rai_put_create_producer(&d.w, d.size, s->channel, p->id, p->address);
    return rai_draft_commit(&d, NULL);
}

static bool ask_route(rai_producer *p, int type)
{
    rai_session *s = p->s;
    struct rai_create_queue q = {.address = p->address,
                                 .queue = p->address,
                                 .durable = true,
                                 .respond = true,
                                 .auto_created = true,
                                 .routing_type = RA_ROUTING_ANYCAST,
                                 .max_consumers = -1};
    struct rai_pending pending = {.type = (int8_t)type, .correlation = RAI_NO_CORRELATION, .subject = p};
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d)) {
        if (type == RAI_SESS_BINDINGQUERY)
            rai_put_binding_query(&d.w, d.size, s->channel, p->address);
        else if (type == RAI_CREATE_ADDRESS)
            rai_put_create_address(&d.w, d.size, s->channel, p->address, false, true, true, true);
        else
            rai_put_create_queue(&d.w, d.size, s->channel, &q);
    }
    return rai_draft_commit(&d, &pending);
}

static void no_memory(rai_producer *p)
{
    struct rai_fault why;
    rai_fault_set(&why, RA_E_NO_MEMORY, "out of memory");
    opened(p, &why);
}

static void route_step(rai_producer *p, enum rai_route_step step, int type)
{
    p->step = step;
    if (!ask_route(p, type))
        no_memory(p);
}

static void route_found(rai_producer *p)
{
    if (log_register(p))
        opened(p, NULL);
    else
        no_memory(p);
}

static void judge_route(rai_producer *p, const struct rai_binding_answer *a)
{
    struct rai_fault why;
    bool create = p->s->e->config->route_check == RAI_ROUTE_CREATE;
    /* a multicast address without a queue is a topic that nobody listens to just now: legal */
    if (a->exists && (a->count > 0 || a->multicast == 1)) {
        route_found(p);
    } else if (create && a->exists) {
        route_step(p, RAI_ROUTE_MAKE_QUEUE, RAI_CREATE_QUEUE_V2);
    } else if (create) {
        route_step(p, RAI_ROUTE_MAKE_ADDRESS, RAI_CREATE_ADDRESS);
    } else {
        rai_fault_set(&why, a->exists ? RA_E_NO_ROUTE : RA_E_NO_ADDRESS,
                      a->exists ? "the address %.100s has no queue: what is sent there would vanish (routeCheck=verify)"
                                : "the address %.100s does not exist: what is sent there would vanish "
                                  "(routeCheck=verify)",
                      p->address);
        opened(p, &why);
    }
}

enum { BROKER_QUEUE_EXISTS = 101 };

/* Its deadline came: what was never written is cancelled. */
bool rai_producer_cancel_open(rai_session *s, const rai_op *op, const struct rai_fault *fault)
{
    rai_producer *p = s->producers;
    while (p != NULL && (p->open_op == NULL || p->open_op != op))
        p = p->next;
    for (uint64_t i = s->pendings.head; p != NULL && i < s->pendings.tail; i++) {
        struct rai_pending *entry = rai_pendings_at(&s->pendings, i);
        if (entry->subject == p && !entry->ended && rai_entry_cancel(s, entry)) {
            rai_entry_bad(s, entry, RA_OUTCOME_NOT_DONE, fault); /* the rest follows from that */
            break;
        }
    }
    return p != NULL;
}

/* The next step of the check, driven by the answer of the last one. */
void rai_producer_route_step(rai_producer *p, const struct rai_frame *answer, const struct rai_fault *fault)
{
    struct rai_binding_answer a;
    if (p->step == RAI_ROUTE_DONE) {
        rai_producer_free_if_done(p);
        return;
    }
    if (p->closed) {
        struct rai_fault why;
        rai_fault_set(&why, RA_E_CLOSED, "the producer was closed");
        opened(p, &why);
        return;
    }
    if (fault != NULL && fault->broker_code != BROKER_QUEUE_EXISTS) {
        opened(p, fault);
        return;
    }
    if (p->step == RAI_ROUTE_QUERY) {
        if (answer != NULL && rai_get_binding_answer(answer, &a))
            judge_route(p, &a);
        return; /* without an answer the question has been asked again */
    }
    if (p->step == RAI_ROUTE_MAKE_ADDRESS)
        route_step(p, RAI_ROUTE_MAKE_QUEUE, RAI_CREATE_QUEUE_V2);
    else
        route_found(p);
}

/* --- open and close --- */

static void list(rai_producer *p)
{
    rai_session *s = p->s;
    if (s->last_producer != NULL)
        s->last_producer->next = p;
    else
        s->producers = p;
    s->last_producer = p;
}

static void producer_free(rai_producer *p)
{
    rai_large_forget(p->s, p);
    rai_op_unref(p->open_op);
    rai_free(p->address);
    rai_free(p);
}

void rai_producer_free_if_done(rai_producer *p)
{
    if (!p->released || !(p->closed || !rai_session_is_open(p->s)) || p->step != RAI_ROUTE_DONE)
        return;
    rai_producer *last = NULL;
    for (rai_producer **at = &p->s->producers; *at != NULL;) {
        if (*at == p) {
            *at = p->next;
            continue;
        }
        last = *at;
        at = &(*at)->next;
    }
    p->s->last_producer = last;
    producer_free(p);
}

/* Credits are asked for first: they are there when the open has ended, so that the first send finds them. */
static bool check_route(rai_producer *p)
{
    bool asks = p->credit != NULL && p->s->e->config->producer_window >= 0;
    if (asks && p->credit->balance + p->credit->arriving == 0 && !request_credits(p->s, p->credit, half_window(p->s)))
        return false;
    if (p->address == NULL || p->s->e->config->route_check == RAI_ROUTE_NONE) {
        if (!log_register(p))
            return false;
        opened(p, NULL);
        return true;
    }
    p->step = RAI_ROUTE_QUERY;
    return ask_route(p, RAI_SESS_BINDINGQUERY);
}

int rai_producer_open(rai_session *s, const char *address, int64_t now, rai_producer **out, rai_op **op_out,
                      struct rai_fault *fault)
{
    s->e->now = now;
    int rc = rai_session_usable(s, fault);
    if (rc < 0)
        return rc;
    rai_producer *p = rai_calloc(1, sizeof *p);
    rai_op *op = p != NULL ? rai_op_new(s->e, s, now) : NULL;
    if (op == NULL) {
        rai_free(p);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    *p = (rai_producer){.s = s, .id = s->next_producer++, .open_op = rai_op_ref(op)};
    p->address = rai_strdup(address);
    if (address != NULL && p->address != NULL)
        p->credit = credit_of(s, address);
    if ((address != NULL && p->credit == NULL) || !check_route(p)) {
        rai_op_unref(p->open_op);
        p->open_op = NULL;
        rai_op_discard(op);
        producer_free(p);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    list(p);
    rai_op_hand_out(op, op_out);
    *out = p;
    return RA_OK;
}

int rai_producer_close(rai_producer *p, int64_t now, struct rai_fault *fault)
{
    rai_session *s = p->s;
    s->e->now = now;
    rai_large_forget(s, p);
    if (p->closed || !rai_session_is_open(s)) {
        p->closed = true;
        return RA_OK;
    }
    if (p->opened && s->version >= 134) {
        struct rai_draft d = rai_draft(s);
        while (rai_draft_next(&d))
            rai_put_remove_producer(&d.w, d.size, s->channel, p->id);
        if (!rai_draft_commit(&d, NULL))
            return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    p->closed = true;
    return RA_OK;
}

void rai_producer_release(rai_producer *p, int64_t now)
{
    p->released = true;
    p->s->e->now = now;
    rai_producer_close(p, now, NULL);
    p->closed = true;
    rai_producer_free_if_done(p);
}

void rai_producers_end(rai_session *s, const struct rai_fault *fault)
{
    for (rai_producer *p = s->producers, *next; p != NULL; p = next) {
        next = p->next;
        p->wanted = 0;
        if (p->step != RAI_ROUTE_DONE)
            opened(p, fault);
        else
            rai_producer_free_if_done(p);
    }
}

/* A grant that the broker gave while it moved the session is lost like an answer, and a sender would wait for it for ever.
 * Asking again may bring it twice, which does no harm: the broker does not check. */
void rai_producer_reattached(rai_session *s)
{
    for (struct rai_credit *account = s->credits; account != NULL; account = account->next)
        account->arriving = 0;
    request_wanted(s);
}

/* A new session on the broker: it knows no producers and has granted nothing yet. */
void rai_producer_recreated(rai_session *s)
{
    for (struct rai_credit *c = s->credits; c != NULL; c = c->next) {
        bool in_use = c->balance > 0 || c->arriving > 0;
        c->balance = c->arriving = 0;
        c->full = false;
        if (in_use && s->e->config->producer_window >= 0)
            request_credits(s, c, half_window(s)); /* now, and not behind all that survives of the old log */
    }
    for (rai_producer *p = s->producers; p != NULL; p = p->next)
        if (p->opened && !p->closed)
            log_register(p);
    request_wanted(s);
}

/* --- sends --- */

/* A message that is larger than the log may be goes when there is next to nothing else: the request for its credits, say. */
static bool log_has_room(const rai_session *s, size_t size)
{
    enum { NEXT_TO_NOTHING = 1024 };
    int64_t bytes = (int64_t)rai_log_bytes(&s->log), max = s->e->config->max_unconfirmed;
    if ((int64_t)size > max)
        return bytes <= NEXT_TO_NOTHING && bytes <= max / 2;
    return bytes + (int64_t)size <= max;
}

/* Sends that ask for no answer fill the log of a session without a window, and nothing would empty it: ask something. */
static bool make_room(rai_session *s)
{
    if (s->e->config->confirmation_window >= 0 || s->pendings.head < s->pendings.tail)
        return true;
    return rai_session_probe(s);
}

bool rai_producer_has_room(const rai_producer *p)
{
    const rai_session *s = p->s;
    if (!rai_session_is_open(s) || rai_large_is_interrupted(p))
        return true;
    if (p->wanted_credit != NULL && !credits_cover(s, p->wanted_credit, p->wanted))
        return false;
    if (s->e->stamps_full && rai_session_stamps(s))
        return false;
    return log_has_room(s, p->wanted) && !(p->wanted_outcome && s->e->outcomes_full);
}

bool rai_producer_writable(const rai_producer *p)
{
    return p->wanted == 0 || rai_producer_has_room(p);
}

static int refuse(rai_producer *p, struct rai_credit *credit, size_t cost, bool outcome, const char *why,
                  struct rai_fault *fault)
{
    p->wanted = cost;
    p->wanted_credit = credit;
    p->wanted_outcome = outcome;
    p->s->writable_wanted = true;
    return rai_fault_set(fault, RA_E_WOULD_BLOCK, "%s", why);
}

static int sendable(const rai_producer *p, const char *address, struct rai_fault *fault)
{
    int rc = rai_session_usable(p->s, fault);
    if (rc < 0)
        return rc;
    if (p->closed)
        return rai_fault_set(fault, RA_E_CLOSED, "the producer is closed");
    if (p->fault.code != RA_OK) {
        if (fault != NULL)
            *fault = p->fault;
        return p->fault.code;
    }
    if (!p->opened)
        return rai_fault_set(fault, RA_E_STATE, "the producer is not open yet: wait for its operation first");
    if (p->address != NULL && address != NULL)
        return rai_fault_set(fault, RA_E_ARGUMENT, "the producer has an address of its own; give none with the send");
    if (p->address == NULL && address == NULL)
        return rai_fault_set(fault, RA_E_ARGUMENT, "an anonymous producer needs an address with each send");
    return RA_OK;
}

static bool make_room_for_outcome(rai_engine *e, enum rai_send_mode mode)
{
    return mode != RAI_SEND_TAGGED || rai_outcomes_reserve(e, e->tagged + 1);
}

static void count_send(rai_session *s, enum rai_send_mode mode)
{
    rai_count(s->e, RA_STAT_SENT, 1);
    s->work = s->work || s->transacted;
    rai_stamped(s);
    if (mode == RAI_SEND_FORGET) {
        s->forgets++;
    } else if (mode == RAI_SEND_TAGGED) {
        s->tagged++;
        s->e->tagged++;
    }
}

/* --- the parts of a send, also of a large one (large.c) --- */

int rai_send_begin(rai_producer *p, const char *address, struct rai_credit **credit, struct rai_fault *fault)
{
    int rc = sendable(p, address, fault);
    if (rc < 0)
        return rc;
    *credit = p->credit != NULL ? p->credit : credit_of(p->s, address);
    return *credit != NULL ? RA_OK : rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
}

struct rai_send rai_send_of(const rai_producer *p, const char *address, enum rai_send_mode mode)
{
    const rai_session *s = p->s;
    /* In a transaction every send asks: a refusal that nobody hears of would be counted, and doom the commit unseen. */
    struct rai_send send = {.address = p->address != NULL ? p->address : address,
                            .respond = mode != RAI_SEND_FORGET || s->transacted,
                            .producer = p->id,
                            .routing_type = RA_ROUTING_DEFAULT,
                            .piece = (size_t)s->e->config->min_large_message_size};
    if (send.respond)
        send.correlation = s->version >= 130 ? s->correlation + 1 : RAI_NO_CORRELATION;
    return send;
}

int rai_send_admit(rai_producer *p, struct rai_credit *credit, size_t cost, bool tagged, struct rai_fault *fault)
{
    rai_session *s = p->s;
    if (s->e->stamps_full && rai_session_stamps(s))
        return refuse(p, NULL, cost, tagged, "duplicateDetectionLimit sends wait for the broker already", fault);
    if (tagged && s->e->outcomes_full)
        return refuse(p, NULL, cost, true, "too many outcomes of sends have not been read", fault);
    if (!log_has_room(s, cost) && !make_room(s))
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    if (!log_has_room(s, cost))
        return refuse(p, NULL, cost, tagged, "maxUnconfirmed bytes wait for the broker already", fault);
    int rc = acquire(s, credit, cost, fault);
    if (rc == RA_E_WOULD_BLOCK)
        return refuse(p, credit, cost, tagged, "the broker has not granted credits for more", fault);
    return rc;
}

void rai_send_give_back(rai_session *s, struct rai_credit *credit, size_t cost)
{
    if (s->e->config->producer_window >= 0)
        credit->balance += (int32_t)cost;
}

int rai_send_commit(rai_producer *p, struct rai_draft *d, const struct rai_send *send, struct rai_credit *credit,
                    enum rai_send_mode mode, uint64_t tag, rai_op **op_out, struct rai_fault *fault)
{
    rai_session *s = p->s;
    rai_op *op = mode == RAI_SEND_OP ? rai_op_new(s->e, s, s->e->now) : NULL;
    struct rai_pending pending = {
        .type = RAI_SESS_SEND, .correlation = send->correlation, .subject = credit, .tagged = mode == RAI_SEND_TAGGED};
    if (pending.tagged)
        pending.as.tag = tag;
    else
        pending.as.op = op;
    bool fine = (mode != RAI_SEND_OP || op != NULL) && make_room_for_outcome(s->e, mode) &&
                rai_draft_commit(d, send->respond ? &pending : NULL);
    if (!fine) {
        rai_op_discard(op);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    }
    if (send->respond && send->correlation != RAI_NO_CORRELATION)
        s->correlation = send->correlation;
    count_send(s, mode);
    if (op != NULL)
        rai_op_hand_out(op, op_out);
    return RA_OK;
}

/* --- a whole message --- */

static size_t put(struct rai_draft *d, const ra_message *m, const struct rai_send *send, bool large)
{
    if (large)
        return rai_put_send_in_pieces(&d->w, d->s->channel, d->s->version, m, send);
    rai_put_send(&d->w, d->size, d->s->channel, d->s->version, m, send);
    return 0;
}

static size_t cost_of(rai_session *s, const ra_message *m, const struct rai_send *send, bool large)
{
    struct rai_draft count = rai_draft(s);
    if (!large)
        return rai_send_blob_size(m, send);
    put(&count, m, send, true);
    return count.w.size;
}

int rai_producer_send(rai_producer *p, const char *address, const ra_message *m, enum rai_send_mode mode, uint64_t tag,
                      int64_t now, rai_op **op_out, struct rai_fault *fault)
{
    rai_session *s = p->s;
    struct rai_credit *credit;
    s->e->now = now;
    int rc = rai_send_begin(p, address, &credit, fault);
    if (rc < 0)
        return rc;
    struct rai_send send = rai_send_of(p, address, mode);
    send.added_size = rai_duplicate_id(s, m, &send.added);
    bool large = rai_large_is_one(m, &send);
    if (large && s->large != NULL)
        return rai_fault_set(fault, RA_E_STATE, "a large message is being written on this session: finish it first");
    size_t cost = cost_of(s, m, &send, large);
    rc = rai_send_admit(p, credit, cost, mode == RAI_SEND_TAGGED, fault);
    if (rc < 0)
        return rc;
    struct rai_draft d = rai_draft(s);
    while (rai_draft_next(&d))
        d.lead = put(&d, m, &send, large);
    rc = rai_send_commit(p, &d, &send, credit, mode, tag, op_out, fault);
    if (rc < 0)
        rai_send_give_back(s, credit, cost);
    else if (send.added != NULL && s->transacted)
        rai_session_forget_transaction_id(s); /* one message carries it */
    return rc;
}
