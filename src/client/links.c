#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "client/inside.h"
#include "net/socket.h"

/* The engine's links as descriptors: who may touch them and when is told in inside.h. */

enum {
    WRITE_PIECES = 64,       /* one gather-write */
    WRITE_ROUNDS = 4,        /* one turn; then whoever drives goes on, a sender has other things to do */
    WRITE_TURN = 256 * 1024, /* bytes */
    READ_ROUNDS = 4
};

static int64_t now_of(const rai_client *c)
{
    return c->sys->now(c->sys->ctx);
}

/* --- the list ---------------------------------------------------------------------------------------------------- */

static struct client_link *find(rai_client *c, uint32_t id)
{
    struct client_link *l = c->links;
    while (l && l->id != id)
        l = l->next;
    return l;
}

static void unlist(rai_client *c, struct client_link *gone)
{
    struct client_link **at = &c->links;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
}

static void adopt_dial(rai_client *c, const struct rai_dial *dial, int64_t now)
{
    struct client_link *l = rai_calloc(1, sizeof *l);
    if (!l) {
        struct rai_fault fault;
        (void)rai_fault_set(&fault, RA_E_NO_MEMORY, "out of memory for a connection");
        rai_engine_dial_failed(c->engine, dial->link, &fault, now);
        return;
    }
    l->id = dial->link;
    l->endpoint = dial->endpoint;
    l->timeout_us = dial->timeout_us;
    l->silence_us = dial->silence_us;
    l->fd = -1;
    l->next = c->links;
    c->links = l;
}

void rai_links_adopt(rai_client *c, int64_t now)
{
    struct rai_dial dial;
    uint32_t id;
    while (rai_engine_next_dial(c->engine, &dial))
        adopt_dial(c, &dial, now);
    while (rai_engine_next_hangup(c->engine, &id)) {
        struct client_link *l = find(c, id);
        if (l)
            l->hangup = true;
        else
            rai_engine_link_closed(c->engine, id);
    }
}

/* --- the token --------------------------------------------------------------------------------------------------- */

static void take(rai_client *c, struct client_link *l)
{
    l->token = true;
    rai_client_unlock(c);
    rai_client_yield(c, RAI_POINT_TOKEN_TAKEN);
}

/* The mutex again, the token still held. */
static void lock_again(rai_client *c)
{
    rai_client_yield(c, RAI_POINT_IO_DONE);
    rai_client_lock(c);
}

/* If the driver wants it now, rai_drive_turn(), which every writer is in, sees that there is work for it. */
static void release(struct client_link *l)
{
    l->token = false;
}

/* Driver: true if the link is free; else its holder will wake us. */
static bool claim(struct client_link *l)
{
    l->wanted = l->token;
    return !l->token;
}

void rai_links_no_longer_wanted(rai_client *c)
{
    for (struct client_link *l = c->links; l; l = l->next)
        l->wanted = false;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static bool can_write(const rai_client *c, const struct client_link *l)
{
    return l->fd >= 0 && !l->token && !l->wanted && !l->failed && !l->hangup && !l->blocked && !l->write_error &&
           rai_engine_wants_write(c->engine, l->id);
}

static size_t sum(const struct iovec *pieces, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += pieces[i].iov_len;
    return size;
}

/* One gather-write; false when the socket takes no more. */
static bool write_once(rai_client *c, struct client_link *l, size_t *written)
{
    struct iovec pieces[WRITE_PIECES];
    int count = rai_engine_output(c->engine, l->id, pieces, WRITE_PIECES, now_of(c));
    if (count <= 0)
        return false;
    size_t size = sum(pieces, count);
    int fd = l->fd;
    take(c, l);
    ssize_t n = c->sys->write(c->sys->ctx, fd, pieces, count);
    lock_again(c);
    size_t taken = n > 0 ? (size_t)n : 0;
    /* also when a hang-up was asked for meanwhile: what was written may be done; and that nothing was counts as well */
    rai_engine_written(c->engine, l->id, taken, now_of(c));
    *written += taken;
    if (n < 0 && n != -EAGAIN) {
        l->write_error = (int)-n; /* the driver reads what the peer said last, then reports it */
        return false;
    }
    if (n < 0 || (size_t)n < size) {
        l->blocked = true;
        return false;
    }
    return true;
}

static void flush(rai_client *c, struct client_link *l)
{
    size_t written = 0;
    l->token = true;
    for (int round = 0; round < WRITE_ROUNDS && written < WRITE_TURN && !l->hangup && !l->wanted; round++)
        if (!write_once(c, l, &written))
            break;
    release(l);
}

void rai_links_flush(rai_client *c)
{
    /* A link whose token we hold stays in the list, so its `next` is good again once we hold the mutex. */
    for (struct client_link *l = c->links; l; l = l->next)
        if (can_write(c, l))
            flush(c, l);
}

bool rai_links_want_poll_out(const rai_client *c)
{
    for (const struct client_link *l = c->links; l; l = l->next)
        if (l->fd >= 0 && !l->token && !l->failed && !l->hangup && !l->write_error && !(l->events & POLLOUT) &&
            (l->blocked || rai_engine_wants_write(c->engine, l->id)))
            return true;
    return false;
}

/* --- the driver's side ------------------------------------------------------------------------------------------- */

static bool is_dialing(const struct client_link *l)
{
    return l->fd < 0 && !l->failed;
}

bool rai_link_urgent(const struct client_link *l)
{
    if (l->token)
        return false; /* its holder wakes us */
    if (l->hangup || l->wanted)
        return true;
    return !l->failed && ((is_dialing(l) && !l->dialer) || l->write_error);
}

static bool room_for(rai_client *c, int count)
{
    if (count <= c->fd_room)
        return true;
    int room = count + RAI_DIALER_FDS;
    struct pollfd *fds = rai_realloc(c->fds, (size_t)room * sizeof *fds);
    if (!fds)
        return false;
    c->fds = fds;
    c->fd_room = room;
    return true;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int rai_links_pollfds(rai_client *c, int64_t now, int64_t *until)
{
    int count = 1;
    for (struct client_link *l = c->links; l; l = l->next) {
        l->slot = count;
        l->slots = 0;
        l->events = 0;
        l->ready = false;
        if (l->failed || l->hangup || l->wanted)
            continue;
        if (!room_for(c, count + RAI_DIALER_FDS))
            return -1;
        if (l->fd >= 0) {
            l->events = POLLIN;
            if (l->blocked || (!l->token && !l->write_error && rai_engine_wants_write(c->engine, l->id)))
                l->events |= POLLOUT;
            c->fds[count] = (struct pollfd){ .fd = l->fd, .events = l->events };
            l->slots = 1;
        } else if (l->dialer) {
            l->slots = rai_dialer_pollfds(l->dialer, &c->fds[count]);
            *until = least(*until, rai_dialer_deadline(l->dialer, now));
        }
        count += l->slots;
    }
    return count;
}

/* What poll said, while the list may have grown at its head since (new ones have no slots). */
static void read_slots(rai_client *c, struct client_link *l, int64_t now)
{
    short found = 0;
    for (int i = 0; i < l->slots; i++)
        found = (short)(found | c->fds[l->slot + i].revents);
    l->slots = 0;
    l->events = 0;
    if (l->fd >= 0) {
        if (found & (POLLOUT | POLLERR | POLLHUP))
            l->blocked = false;
        l->ready = found & (POLLIN | POLLERR | POLLHUP | POLLNVAL);
    } else if (l->dialer) {
        l->ready = found != 0 || now >= rai_dialer_deadline(l->dialer, now);
    }
}

static void hang_up(rai_client *c, struct client_link *l)
{
    take(c, l);
    rai_dialer_free(l->dialer);
    rai_socket_close(l->fd);
    lock_again(c);
    c->fd_changes++;
    rai_engine_link_closed(c->engine, l->id);
    unlist(c, l);
    rai_free(l);
}

static void dial(rai_client *c, struct client_link *l)
{
    struct rai_fault fault;
    int rc;
    memset(&fault, 0, sizeof fault);
    take(c, l);
    if (!l->dialer)
        l->dialer = rai_dialer_new(l->endpoint->host, l->endpoint->port, l->timeout_us, now_of(c));
    if (l->dialer)
        rc = rai_dialer_step(l->dialer, now_of(c), &fault);
    else
        rc = rai_fault_set(&fault, RA_E_NO_MEMORY, "out of memory for a connection");
    int fd = rc == 1 ? rai_dialer_take(l->dialer) : -1;
    if (fd >= 0 && l->silence_us < INT64_MAX)
        rai_socket_limit_silence(fd, l->silence_us);
    if (rc != 0) {
        rai_dialer_free(l->dialer);
        l->dialer = NULL;
    }
    lock_again(c);
    c->fd_changes++;
    l->fd = fd;
    l->failed = rc < 0;
    if (l->hangup) /* meanwhile the engine has lost interest */
        ;
    else if (rc == 1)
        rai_engine_dialed(c->engine, l->id, now_of(c));
    else if (rc < 0)
        rai_engine_dial_failed(c->engine, l->id, &fault, now_of(c));
    release(l);
}

static void lose(rai_client *c, struct client_link *l, int error)
{
    struct rai_fault fault;
    memset(&fault, 0, sizeof fault);
    l->failed = true;
    if (error == ENOMEM)
        (void)rai_fault_set(&fault, RA_E_NO_MEMORY, "out of memory for what arrived");
    else
        (void)rai_socket_fault(&fault, l->endpoint->host, l->endpoint->port, error);
    rai_engine_link_lost(c->engine, l->id, &fault, now_of(c));
}

/* One read; false when there is nothing more now. */
static bool read_once(rai_client *c, struct client_link *l)
{
    size_t room = 0;
    uint8_t *space = rai_engine_input_space(c->engine, l->id, &room);
    if (!space) {
        lose(c, l, ENOMEM);
        return false;
    }
    int fd = l->fd;
    take(c, l);
    ssize_t n = c->sys->read(c->sys->ctx, fd, space, room);
    lock_again(c);
    if (l->hangup)
        return false;
    if (n > 0) {
        rai_engine_input(c->engine, l->id, (size_t)n, now_of(c));
        return (size_t)n == room;
    }
    if (n == 0 || n != -EAGAIN)
        lose(c, l, n == 0 ? 0 : (int)-n);
    else if (l->write_error)
        lose(c, l, l->write_error);
    return false;
}

static void read_link(rai_client *c, struct client_link *l)
{
    l->token = true;
    l->ready = false;
    for (int round = 0; round < READ_ROUNDS && !l->failed; round++) {
        if (!read_once(c, l))
            break;
        rai_links_adopt(c, now_of(c)); /* the input may have ended this very link */
        if (l->hangup)
            break;
    }
    release(l);
}

bool rai_links_serve(rai_client *c)
{
    int64_t now = now_of(c);
    bool did = false;
    for (struct client_link *l = c->links; l; l = l->next)
        read_slots(c, l, now);
    for (struct client_link *l = c->links, *next; l; l = next) {
        bool work = l->hangup || l->wanted || l->ready || rai_link_urgent(l);
        next = l->next;
        if (!work)
            continue;
        if (!claim(l))
            continue;
        did = true;
        if (l->hangup)
            hang_up(c, l);
        else if (is_dialing(l))
            dial(c, l);
        else if (!l->failed)
            read_link(c, l);
    }
    return did;
}

void rai_links_destroy(rai_client *c)
{
    while (c->links) {
        struct client_link *l = c->links;
        c->links = l->next;
        rai_dialer_free(l->dialer);
        rai_socket_close(l->fd);
        rai_free(l);
    }
}
