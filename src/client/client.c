#include "client/client.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client/inside.h"
#include "net/socket.h"
#include "net/wake.h"

/* Life of a client, its lock, and entering it. */

/* --- the lock ---------------------------------------------------------------------------------------------------- */

void rai_client_yield(rai_client *c, enum rai_point point)
{
    if (c->sys->yield)
        c->sys->yield(c->sys->ctx, point);
}

void rai_client_lock(rai_client *c)
{
    rai_client_yield(c, RAI_POINT_LOCK);
    c->sys->lock(c->sys->ctx, &c->mutex);
    c->locked = true;
}

void rai_client_unlock(rai_client *c)
{
    const struct rai_sys *sys = c->sys; /* after the unlock another thread may free the client */
    c->locked = false;
    sys->unlock(sys->ctx, &c->mutex);
    if (sys->yield)
        sys->yield(sys->ctx, RAI_POINT_UNLOCKED);
}

int rai_client_enter(rai_client *c, struct rai_fault *fault)
{
    if (rai_client_forked(c))
        return rai_fault_set(fault, RA_E_FORKED, "this connection belongs to the parent process");
    rai_client_lock(c);
    return 0;
}

void rai_client_leave(rai_client *c)
{
    rai_drive_turn(c);
    rai_client_unlock(c);
}

rai_engine *rai_client_engine(rai_client *c)
{
    return c->engine;
}

const struct rai_config *rai_client_config(const rai_client *c)
{
    return &c->config;
}

int64_t rai_client_now(const rai_client *c)
{
    return c->sys->now(c->sys->ctx);
}

int64_t rai_client_epoch_ms(const rai_client *c)
{
    return c->sys->epoch_ms(c->sys->ctx);
}

int64_t rai_client_until(const rai_client *c, int64_t timeout_ms)
{
    int64_t now = rai_client_now(c);
    if (timeout_ms < 0 || timeout_ms > (INT64_MAX - now) / 1000 - 1)
        return RAI_FOREVER;
    return now + timeout_ms * 1000;
}

/* --- new --------------------------------------------------------------------------------------------------------- */

static void config_free(struct rai_config *config)
{
    if (config->password)
        explicit_bzero(config->password, strlen(config->password));
    rai_free(config->endpoints);
    rai_free(config->address_map);
    rai_free(config->user);
    rai_free(config->password);
    rai_free(config->client_id);
}

static void host_random(void *ctx, void *out, size_t size)
{
    const rai_client *c = ctx;
    c->sys->random(c->sys->ctx, out, size);
}

/*
 * Which of several brokers a connection begins with: connections of a process take turns from a random start, or stay with
 * that. A child process starts anew, or the workers of a server would all begin with the same one.
 */
static uint32_t next_turn(rai_client *c, enum rai_balance balance)
{
    static _Atomic(pid_t) owner;
    static atomic_uint start, turn;
    if (atomic_exchange(&owner, getpid()) != getpid()) {
        uint32_t r;
        c->sys->random(c->sys->ctx, &r, sizeof r);
        atomic_store(&start, r);
        atomic_store(&turn, r);
    }
    if (balance == RAI_BALANCE_RANDOM_STICKY)
        return atomic_load(&start);
    return balance == RAI_BALANCE_ROUND_ROBIN ? atomic_fetch_add(&turn, 1) : 0;
}

static rai_client *new_client(const struct rai_config *config, const struct rai_sys *sys)
{
    rai_client *c = rai_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    if (pthread_mutex_init(&c->mutex, NULL) != 0) {
        rai_free(c);
        return NULL;
    }
    c->sys = sys ? sys : &rai_sys_default;
    c->config = *config;
    c->config.turn = next_turn(c, config->balance);
    c->host = (struct rai_host){ .random = host_random, .ctx = c };
    c->wake_fd = c->thread.park_fd = -1;
    c->loop.event_fd = c->loop.epoll_fd = c->loop.links_fd = c->loop.timer_fd = -1;
    return c;
}

static int set_up(rai_client *c)
{
    c->wake_fd = rai_wake_open();
    c->fds = rai_calloc(RAI_DIALER_FDS, sizeof *c->fds);
    c->fd_room = RAI_DIALER_FDS;
    if (c->wake_fd < 0 || !c->fds || rai_fork_mark(c) < 0)
        return RA_E_NO_MEMORY;
    c->engine = rai_engine_new(&c->config, &c->host);
    return c->engine ? 0 : RA_E_NO_MEMORY;
}

int rai_client_new(const struct rai_config *config, const struct rai_sys *sys, rai_client **out,
                   struct rai_fault *fault)
{
    rai_client *c = new_client(config, sys);
    *out = NULL;
    if (!c) {
        struct rai_config taken = *config;
        config_free(&taken);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory for a connection");
    }
    if (set_up(c) < 0) {
        rai_client_destroy(c);
        return rai_fault_set(fault, RA_E_NO_MEMORY, "no memory or no descriptor left for a connection");
    }
    *out = c;
    return 0;
}

/* --- open -------------------------------------------------------------------------------------------------------- */

/* Out of time: which peer, and what it had said so far, if anything. */
static void explain_time_out(rai_client *c, struct rai_fault *fault)
{
    const struct rai_fault *last = rai_engine_last_fault(c->engine);
    char endpoint[RAI_FAULT_ENDPOINT];
    const struct rai_endpoint *target = rai_engine_target(c->engine);
    rai_endpoint_text(endpoint, sizeof endpoint, target->host, target->port);
    if (last->code == RA_OK)
        rai_fault_set(fault, RA_E_TIMEOUT, "no connection to %s in time: the peer has not answered", endpoint);
    else
        rai_fault_set(fault, RA_E_TIMEOUT, "no connection in time; the last attempt: %.180s", last->text);
    memcpy(fault->endpoint, last->endpoint[0] != '\0' ? last->endpoint : endpoint, sizeof endpoint);
}

/* The thread starts behind the first link: until then the opener drives, and a connection that never was leaves no
 * thread behind. */
static int open_locked(rai_client *c, int64_t until, struct rai_fault *fault)
{
    rai_op *op = rai_engine_start(c->engine, rai_client_now(c));
    if (!op)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory for a connection");
    int rc = rai_client_wait_op(c, op, until, 0, fault);
    rai_op_unref(op);
    if (rc == RA_E_TIMEOUT && fault)
        explain_time_out(c, fault);
    if (rc == 0 && !c->config.manual_drive)
        rc = rai_drive_start_thread(c, fault);
    return rc;
}

int rai_client_open(rai_client *c, int64_t timeout_ms, struct rai_fault *fault)
{
    int64_t until = rai_client_until(c, timeout_ms);
    int rc = rai_client_enter(c, fault);
    if (rc < 0)
        return rc;
    rc = open_locked(c, until, fault);
    rai_client_leave(c);
    return rc;
}

/* --- close and free ---------------------------------------------------------------------------------------------- */

/* No more reconnects; the thread, wherever it sleeps, goes to its end. */
static void begin_to_end(rai_client *c)
{
    rai_engine_shut(c->engine, rai_client_now(c));
    rai_links_adopt(c, rai_client_now(c));
    rai_drive_kick(c);
    rai_drive_unpark(c);
}

static void join(rai_client *c)
{
    if (!c->thread.started || c->thread.joined)
        return;
    c->thread.joined = true;
    rai_client_unlock(c);
    (void)pthread_join(c->thread.id, NULL); /* it has said that it is done */
    rai_client_lock(c);
}

/* Hanging up and joining depend on nobody else, so they get this long also when the sessions have used up the time. */
enum { CLOSE_LEAST_US = 2000000 };

static int close_locked(rai_client *c, int64_t until, struct rai_fault *fault)
{
    struct waiter w = { .kind = WAIT_CLOSED };
    while (c->closer && !c->closed) {
        int rc = rai_wait(c, &w, until, fault);
        if (rc < 0)
            return rc;
    }
    if (c->closed)
        return 0;
    c->closer = true;
    rai_op *leave = rai_engine_leave(c->engine, rai_client_now(c));
    if (leave)
        (void)rai_client_wait_op(c, leave, until, 0, NULL);
    rai_op_unref(leave);
    c->closing = true;
    begin_to_end(c);
    w = (struct waiter){ .kind = WAIT_CLOSE };
    int rc = rai_wait(c, &w, until, fault);
    if (rc == 0) {
        join(c);
        c->closed = true;
    }
    c->closer = false;
    return rc;
}

int rai_client_close(rai_client *c, int64_t timeout_ms, struct rai_fault *fault)
{
    int64_t until = rai_client_until(c, timeout_ms);
    int rc = rai_client_enter(c, fault);
    if (rc < 0)
        return rc;
    int64_t least = rai_client_now(c) + CLOSE_LEAST_US;
    rc = close_locked(c, until > least ? until : least, fault);
    rai_client_leave(c);
    return rc;
}

void rai_client_destroy(rai_client *c)
{
    rai_links_destroy(c);
    rai_engine_free(c->engine);
    rai_socket_close(c->wake_fd);
    rai_socket_close(c->thread.park_fd);
    rai_loop_close(c);
    rai_free(c->loop.known);
    rai_free(c->fds);
    rai_fork_unmark(c);
    config_free(&c->config);
    (void)pthread_mutex_destroy(&c->mutex);
    rai_free(c);
}

/* The child has a copy of everything but the threads. If one of them was inside at the moment of the fork, what it was
 * changing is in an unknown state: then the memory is left alone, and only descriptors are closed. */
static void free_in_child(rai_client *c)
{
    if (!c->locked) {
        rai_client_destroy(c);
        return;
    }
    for (struct client_link *l = c->links; l; l = l->next)
        rai_socket_close(l->fd);
    rai_socket_close(c->wake_fd);
    rai_socket_close(c->thread.park_fd);
    rai_loop_close(c);
}

void rai_client_free(rai_client *c)
{
    if (!c)
        return;
    if (rai_client_forked(c)) {
        free_in_child(c);
        return;
    }
    rai_client_lock(c);
    bool running = c->thread.started && !c->thread.done;
    if (running) {
        c->freed = true;
        begin_to_end(c);
        (void)pthread_detach(c->thread.id);
    } else {
        join(c);
    }
    rai_client_unlock(c);
    if (!running)
        rai_client_destroy(c);
}
