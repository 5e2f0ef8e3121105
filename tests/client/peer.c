#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/frame.h"
#include "codec/packets.h"
#include "codec/wire.h"

enum { CONNECTIONS = 16, CONSUMERS = 64, CHANNELS = 64, SEND_TAIL = 13, CONFIRM_EVERY = 8 };

struct buffer {
    uint8_t *data;
    size_t size, room;
};

struct blob {
    struct blob *next;
    size_t size;
    uint8_t data[];
};

struct consumer {
    bool used;
    int64_t channel, id;
};

struct connection {
    int fd; /* -1: free */
    bool greeted;
    struct buffer in, out;
    int32_t counted[CHANNELS]; /* last command id by channel - RAI_CHANNEL_FIRST */
    int32_t window[CHANNELS];
    struct consumer consumers[CONSUMERS];
};

struct peer {
    int listener, wake;
    uint16_t port;
    pthread_t thread;
    atomic_bool end, mute, stall, cut, refuse;
    atomic_long sends, accepted, open;
    struct connection connections[CONNECTIONS];
    struct blob *first, **last;
    int turn;
    int64_t next_message;
};

/* --- bytes out --------------------------------------------------------------------------------------------------- */

static uint8_t *reserve(struct buffer *b, size_t more)
{
    if (b->size + more > b->room) {
        b->room = (b->size + more) * 2;
        b->data = realloc(b->data, b->room);
        if (!b->data)
            abort();
    }
    b->size += more;
    return b->data + b->size - more;
}

static void drop_front(struct buffer *b, size_t size)
{
    b->size -= size;
    if (b->size > 0)
        memmove(b->data, b->data + size, b->size);
}

#define ANSWER(c, put)                                             \
    do {                                                           \
        struct rai_writer w = { 0 };                               \
        size_t size = 0;                                           \
        put;                                                       \
        size = w.size;                                             \
        w = (struct rai_writer){ .at = reserve(&(c)->out, size) }; \
        put;                                                       \
    } while (0)

static void put_topology(struct rai_writer *w, size_t size)
{
    rai_put_header(w, RAI_CLUSTER_TOPOLOGY_V4, RAI_CHANNEL_PING, size);
    rai_put_bool(w, false);
    rai_put_str(w, "peer-node", 9);
    rai_put_i64(w, 1);
    rai_put_bool(w, false);
    rai_put_bool(w, false);
    rai_put_bool(w, true);
    rai_put_nstr(w, NULL, 0);
    rai_put_nstr(w, NULL, 0);
    rai_put_i32(w, RAI_VERSION);
}

static void put_i32_packet(struct rai_writer *w, size_t size, int type, int32_t value)
{
    rai_put_header(w, type, RAI_CHANNEL_SESSION, size);
    rai_put_i32(w, value);
}

static void put_not_reattached(struct rai_writer *w, size_t size)
{
    rai_put_header(w, RAI_REATTACH_SESSION_RESP, RAI_CHANNEL_SESSION, size);
    rai_put_i32(w, -1);
    rai_put_bool(w, false);
}

static void put_null(struct rai_writer *w, size_t size, int64_t channel, int64_t correlation)
{
    rai_put_header(w, RAI_NULL_RESPONSE, channel, size);
    rai_put_i64(w, correlation);
}

static void put_xa_timeout(struct rai_writer *w, size_t size, int64_t channel)
{
    rai_put_header(w, RAI_SESS_XA_GET_TIMEOUT_RESP, channel, size);
    rai_put_i32(w, 60);
}

static void put_queue(struct rai_writer *w, size_t size, int64_t channel)
{
    rai_put_header(w, RAI_SESS_QUEUEQUERY_RESP_V3, channel, size);
    rai_put_bool(w, true);
    rai_put_bool(w, true);
    rai_put_bool(w, false);
    rai_put_i32(w, 1);
    rai_put_i64(w, 42);
    rai_put_nsstr(w, NULL, 0);
    rai_put_nsstr(w, "q", 1);
    rai_put_nsstr(w, "q", 1);
    rai_put_bool(w, true);
    rai_put_bool(w, false);
    rai_put_bool(w, false);
    rai_put_u8(w, 1);
    rai_put_i32(w, -1);
}

static void put_message(struct rai_writer *w, size_t size, const struct consumer *to, const struct blob *blob)
{
    rai_put_header(w, RAI_SESS_RECEIVE_MSG, to->channel, size);
    rai_put_raw(w, blob->data, blob->size);
    rai_put_i64(w, to->id);
    rai_put_i32(w, 1);
}

static void put_credits(struct rai_writer *w, size_t size, int64_t channel, int32_t credits, struct rai_sstr address)
{
    rai_put_header(w, RAI_SESS_PRODUCER_CREDITS, channel, size);
    rai_put_i32(w, credits);
    rai_put_i32(w, (int32_t)address.size);
    rai_put_raw(w, address.data, address.size);
}

/* An empty message with the marker property of a forced delivery; body offset and headers as on the wire. */
static void put_marker(struct rai_writer *w, size_t size, const struct consumer *to, int64_t sequence)
{
    static const char key[] = "_hornetq.forced.delivery.seq";
    rai_put_header(w, RAI_SESS_RECEIVE_MSG, to->channel, size);
    rai_put_i32(w, 13 + 4);
    rai_put_i32(w, 0);
    rai_put_i64(w, 7); /* message id */
    rai_put_nsstr(w, "q", 1);
    rai_put_u8(w, 0); /* no user id */
    rai_put_u8(w, 0); /* type */
    rai_put_bool(w, false);
    rai_put_i64(w, 0);
    rai_put_i64(w, 0);
    rai_put_u8(w, 4);
    rai_put_u8(w, 1); /* properties */
    rai_put_i32(w, 1);
    rai_put_i32(w, 2 * (int32_t)(sizeof key - 1));
    for (size_t i = 0; i + 1 < sizeof key; i++) {
        rai_put_u8(w, (uint8_t)key[i]);
        rai_put_u8(w, 0);
    }
    rai_put_u8(w, 7); /* long */
    rai_put_i64(w, sequence);
    rai_put_i64(w, to->id);
    rai_put_i32(w, 0);
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

static struct connection *next_consumer(struct peer *p, struct consumer **to)
{
    for (int i = 0; i < CONNECTIONS * CONSUMERS; i++) {
        int at = (p->turn + i) % (CONNECTIONS * CONSUMERS);
        struct connection *c = &p->connections[at / CONSUMERS];
        *to = &c->consumers[at % CONSUMERS];
        if (c->fd >= 0 && (*to)->used) {
            p->turn = at + 1;
            return c;
        }
    }
    return NULL;
}

static void deliver(struct peer *p)
{
    struct consumer *to;
    struct connection *c;
    while (p->first && (c = next_consumer(p, &to))) {
        struct blob *blob = p->first;
        p->first = blob->next;
        if (!p->first)
            p->last = &p->first;
        ANSWER(c, put_message(&w, size, to, blob));
        free(blob);
    }
}

static void keep_blob(struct peer *p, const struct rai_frame *f)
{
    size_t size = f->size - RAI_FRAME_HEADER - SEND_TAIL;
    struct blob *blob = malloc(sizeof *blob + size);
    if (!blob)
        abort();
    memcpy(blob->data, f->bytes + RAI_FRAME_HEADER, size);
    int64_t id = ++p->next_message;
    struct rai_reader r = { .at = blob->data, .end = blob->data + size };
    int32_t body = rai_get_i32(&r) - 13; /* the first field says how long the body is; behind it the message id */
    if (body >= 0 && (size_t)body + 12 <= size)
        for (int i = 0; i < 8; i++)
            blob->data[body + 4 + i] = (uint8_t)(id >> (56 - 8 * i));
    blob->size = size;
    blob->next = NULL;
    *p->last = blob;
    p->last = &blob->next;
}

/* --- packets ----------------------------------------------------------------------------------------------------- */

static void on_send(struct peer *p, struct connection *c, const struct rai_frame *f)
{
    struct rai_reader tail = { .at = f->bytes + f->size - SEND_TAIL, .end = f->bytes + f->size };
    bool respond = rai_get_bool(&tail);
    int64_t correlation = rai_get_i64(&tail);
    atomic_fetch_add(&p->sends, 1);
    keep_blob(p, f);
    if (respond)
        ANSWER(c, put_null(&w, size, f->channel, correlation));
    deliver(p);
}

static void on_create_consumer(struct peer *p, struct connection *c, struct rai_frame *f)
{
    for (int i = 0; i < CONSUMERS; i++)
        if (!c->consumers[i].used) {
            c->consumers[i] = (struct consumer){ .used = true, .channel = f->channel, .id = rai_get_i64(&f->body) };
            break;
        }
    ANSWER(c, put_queue(&w, size, f->channel));
    deliver(p);
}

static void drop_consumers(struct connection *c, int64_t channel, int64_t id, bool all)
{
    for (int i = 0; i < CONSUMERS; i++)
        if (c->consumers[i].channel == channel && (all || c->consumers[i].id == id))
            c->consumers[i].used = false;
}

static void confirm(struct connection *c, int64_t channel)
{
    int i = (int)(channel - RAI_CHANNEL_FIRST);
    if (c->window[i] >= 0 && c->counted[i] >= 0)
        ANSWER(c, rai_put_packets_confirmed(&w, size, channel, c->counted[i]));
}

static void count_frame(struct connection *c, const struct rai_frame *f)
{
    int i = (int)(f->channel - RAI_CHANNEL_FIRST);
    if (f->type == RAI_PACKETS_CONFIRMED || (f->type == RAI_SESS_ADD_METADATA2 && f->bytes[f->size - 1] == 0))
        return;
    c->counted[i]++;
    if (c->counted[i] % CONFIRM_EVERY == CONFIRM_EVERY - 1)
        confirm(c, f->channel);
}

static void on_session_frame(struct peer *p, struct connection *c, struct rai_frame *f)
{
    bool anchor = f->channel >= RAI_CHANNEL_FIRST + CHANNELS;
    if (f->type == RAI_SESS_CLOSE && anchor)
        ANSWER(c, put_null(&w, size, f->channel, RAI_NO_CORRELATION));
    if (f->channel < RAI_CHANNEL_FIRST || anchor)
        return;
    count_frame(c, f);
    switch (f->type) {
    case RAI_SESS_SEND:
        on_send(p, c, f);
        break;
    case RAI_SESS_CREATECONSUMER:
        on_create_consumer(p, c, f);
        break;
    case RAI_SESS_FORCE_CONSUMER_DELIVERY: {
        struct consumer to = { .channel = f->channel, .id = rai_get_i64(&f->body) };
        int64_t sequence = rai_get_i64(&f->body);
        ANSWER(c, put_marker(&w, size, &to, sequence));
        break;
    }
    case RAI_SESS_PRODUCER_REQUEST_CREDITS: {
        int32_t credits = rai_get_i32(&f->body);
        struct rai_sstr address = rai_get_sstr(&f->body);
        ANSWER(c, put_credits(&w, size, f->channel, credits, address));
        break;
    }
    case RAI_SESS_CONSUMER_CLOSE:
        drop_consumers(c, f->channel, rai_get_i64(&f->body), false);
        ANSWER(c, put_null(&w, size, f->channel, RAI_NO_CORRELATION));
        break;
    case RAI_SESS_CLOSE:
        drop_consumers(c, f->channel, 0, true);
        confirm(c, f->channel);
        ANSWER(c, put_null(&w, size, f->channel, RAI_NO_CORRELATION));
        break;
    case RAI_SESS_COMMIT: {
        int64_t correlation = rai_get_i64(&f->body);
        ANSWER(c, put_null(&w, size, f->channel, correlation));
        break;
    }
    case RAI_SESS_ROLLBACK:
    case RAI_SESS_STOP:
    case RAI_CREATE_QUEUE_V2:
    case RAI_DELETE_QUEUE:
        ANSWER(c, put_null(&w, size, f->channel, RAI_NO_CORRELATION));
        break;
    case RAI_SESS_XA_GET_TIMEOUT:
        ANSWER(c, put_xa_timeout(&w, size, f->channel));
        break;
    case RAI_SESS_QUEUEQUERY:
        ANSWER(c, put_queue(&w, size, f->channel));
        break;
    case RAI_SESS_ACKNOWLEDGE:
    case RAI_SESS_INDIVIDUAL_ACKNOWLEDGE:
    case RAI_SESS_ADD_METADATA2:
        if (f->bytes[f->size - 1] != 0)
            ANSWER(c, put_null(&w, size, f->channel, RAI_NO_CORRELATION));
        break;
    default:
        break;
    }
}

static void on_create_session(struct connection *c, struct rai_frame *f)
{
    struct rai_reader *r = &f->body;
    rai_get_str(r, NULL, 0);
    int64_t channel = rai_get_i64(r);
    rai_get_i32(r);
    rai_get_nstr(r, NULL, 0, NULL);
    rai_get_nstr(r, NULL, 0, NULL);
    rai_get_i32(r);
    rai_get_bool(r);
    rai_get_bool(r);
    rai_get_bool(r);
    if (channel >= RAI_CHANNEL_FIRST && channel < RAI_CHANNEL_FIRST + CHANNELS) {
        c->counted[channel - RAI_CHANNEL_FIRST] = -1;
        c->window[channel - RAI_CHANNEL_FIRST] = rai_get_i32(r);
    }
    ANSWER(c, put_i32_packet(&w, size, RAI_CREATESESSION_RESP, RAI_VERSION));
}

static void on_frame(struct peer *p, struct connection *c, struct rai_frame *f)
{
    switch (f->type) {
    case RAI_PING:
        ANSWER(c, rai_put_ping(&w, size, rai_get_i64(&(struct rai_reader){ f->body.at, f->body.end, false })));
        break;
    case RAI_SUBSCRIBE_TOPOLOGY_V2:
        ANSWER(c, put_topology(&w, size));
        break;
    case RAI_CREATESESSION:
    case RAI_CREATESESSION_V2:
        on_create_session(c, f);
        break;
    case RAI_REATTACH_SESSION:
        ANSWER(c, put_not_reattached(&w, size));
        break;
    default:
        on_session_frame(p, c, f);
    }
}

/* --- connections ------------------------------------------------------------------------------------------------- */

static void hang_up(struct peer *p, struct connection *c)
{
    close(c->fd);
    free(c->in.data);
    free(c->out.data);
    memset(c, 0, sizeof *c);
    c->fd = -1;
    atomic_fetch_sub(&p->open, 1);
}

static void digest(struct peer *p, struct connection *c)
{
    size_t at = 0;
    if (!c->greeted) {
        if (c->in.size < RAI_PREAMBLE_SIZE)
            return;
        c->greeted = true;
        at = RAI_PREAMBLE_SIZE;
    }
    for (;;) {
        struct rai_frame frame;
        size_t need;
        int rc = rai_frame_next(c->in.data + at, c->in.size - at, &frame, &need);
        if (rc <= 0)
            break;
        on_frame(p, c, &frame);
        at += frame.size;
    }
    drop_front(&c->in, at);
}

static void receive(struct peer *p, struct connection *c)
{
    uint8_t bytes[16384];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n > 0) {
        memcpy(reserve(&c->in, (size_t)n), bytes, (size_t)n);
        return;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        hang_up(p, c);
}

static void transmit(struct peer *p, struct connection *c)
{
    ssize_t n = send(c->fd, c->out.data, c->out.size, MSG_NOSIGNAL);
    if (n > 0)
        drop_front(&c->out, (size_t)n);
    else if (errno != EAGAIN && errno != EINTR)
        hang_up(p, c);
}

static void accept_one(struct peer *p)
{
    int on = 1, fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    atomic_fetch_add(&p->accepted, 1);
    for (int i = 0; i < CONNECTIONS && !atomic_load(&p->refuse); i++) {
        if (p->connections[i].fd >= 0)
            continue;
        p->connections[i].fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        atomic_fetch_add(&p->open, 1);
        return;
    }
    close(fd);
}

static void serve(struct peer *p, struct connection *c, short ready)
{
    if (ready & (POLLIN | POLLERR | POLLHUP))
        receive(p, c);
    if (c->fd >= 0 && !atomic_load(&p->mute))
        digest(p, c);
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;
    while (!atomic_load(&p->end)) {
        struct pollfd fds[CONNECTIONS + 2] = { { .fd = p->listener, .events = POLLIN },
                                               { .fd = p->wake, .events = POLLIN } };
        bool stall = atomic_load(&p->stall);
        for (int i = 0; i < CONNECTIONS; i++)
            fds[i + 2] = (struct pollfd){ .fd = stall ? -1 : p->connections[i].fd,
                                          .events = p->connections[i].out.size > 0 ? POLLIN | POLLOUT : POLLIN };
        poll(fds, CONNECTIONS + 2, -1);
        if (fds[1].revents) {
            uint64_t count;
            (void)!read(p->wake, &count, sizeof count);
        }
        stall = stall || atomic_load(&p->stall);
        bool cut = atomic_exchange(&p->cut, false);
        for (int i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &p->connections[i];
            if (c->fd >= 0 && cut)
                hang_up(p, c);
            else if (c->fd >= 0 && !stall)
                serve(p, c, fds[i + 2].fd == c->fd ? fds[i + 2].revents : 0);
        }
        for (int i = 0; i < CONNECTIONS; i++) /* also what another connection's frames brought */
            if (p->connections[i].fd >= 0 && p->connections[i].out.size > 0 && !stall)
                transmit(p, &p->connections[i]);
        if (fds[0].revents)
            accept_one(p);
    }
    return NULL;
}

/* --- outside ----------------------------------------------------------------------------------------------------- */

static void wake(struct peer *p)
{
    uint64_t one = 1;
    (void)!write(p->wake, &one, sizeof one);
}

struct peer *peer_new(void)
{
    struct peer *p = calloc(1, sizeof *p);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    if (!p)
        abort();
    p->last = &p->first;
    for (int i = 0; i < CONNECTIONS; i++)
        p->connections[i].fd = -1;
    p->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&address, size) < 0 || listen(p->listener, 16) < 0 ||
        getsockname(p->listener, (struct sockaddr *)&address, &size) < 0)
        abort();
    p->port = ntohs(address.sin_port);
    if (pthread_create(&p->thread, NULL, peer_main, p) != 0)
        abort();
    return p;
}

void peer_free(struct peer *p)
{
    atomic_store(&p->end, true);
    wake(p);
    pthread_join(p->thread, NULL);
    for (int i = 0; i < CONNECTIONS; i++)
        if (p->connections[i].fd >= 0)
            hang_up(p, &p->connections[i]);
    while (p->first) {
        struct blob *blob = p->first;
        p->first = blob->next;
        free(blob);
    }
    close(p->listener);
    close(p->wake);
    free(p);
}

uint16_t peer_port(const struct peer *p)
{
    return p->port;
}

void peer_mute(struct peer *p, bool mute)
{
    atomic_store(&p->mute, mute);
    wake(p);
}

void peer_stall(struct peer *p, bool stall)
{
    atomic_store(&p->stall, stall);
    wake(p);
}

void peer_cut(struct peer *p)
{
    atomic_store(&p->cut, true);
    wake(p);
}

void peer_refuse(struct peer *p, bool refuse)
{
    atomic_store(&p->refuse, refuse);
    wake(p);
}

long peer_sends(struct peer *p)
{
    return atomic_load(&p->sends);
}

long peer_connections(struct peer *p)
{
    return atomic_load(&p->accepted);
}

long peer_open(struct peer *p)
{
    return atomic_load(&p->open);
}
