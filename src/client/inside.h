#ifndef RAI_CLIENT_INSIDE_H
#define RAI_CLIENT_INSIDE_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/client.h"
#include "net/dial.h"

/*
 * What the files of this room share. All fields are under the mutex unless they say otherwise.
 *
 * Two roles keep the system calls apart from the lock:
 *
 *   token   one per link. Who holds it may read, write, dial or close that link, without the mutex. Anybody may take it
 *           to write; reading, dialing and closing are for the driver. A driver that finds it taken sets `wanted`: then
 *           nobody but the driver takes it next, and who releases it wakes the driver.
 *   driver  one per client: the thread that polls. A waiter (then it is `leader`), the background thread, or a caller
 * of process. Who gives the role up passes it to a waiter that sleeps; if there is none, nobody has it for a short
 *           lease, and then the background thread takes it.
 *
 * `polling` says that the driver sleeps in poll and on what: any thread that changes something it must see kicks it.
 */
struct client_link {
    struct client_link *next;
    uint32_t id;
    const struct rai_endpoint *endpoint;
    int64_t timeout_us, silence_us;
    struct rai_dialer *dialer; /* touched by the driver only; NULL before the first step and after the last */
    int fd;                    /* -1 until connected */
    bool token;
    bool wanted;
    bool failed;     /* dialing or reading is over; only the hang-up is left */
    bool hangup;     /* the engine has done with it */
    bool blocked;    /* the socket took no more: POLLOUT has to say when */
    int write_error; /* errno; nothing is written any more, what the peer said last is still read */
    /* of the poll that runs or has just ended */
    int slot, slots;
    short events;
    bool ready;
};

enum driver { DRIVER_NONE, DRIVER_WAITER, DRIVER_THREAD, DRIVER_CALLER };

enum wait_kind { WAIT_OP, WAIT_CONSUMER, WAIT_BODY, WAIT_WRITABLE, WAIT_EVENT, WAIT_CLOSE, WAIT_CLOSED };

struct waiter {
    struct waiter *next, *previous;
    pthread_cond_t cond;
    enum wait_kind kind;
    union {
        rai_op *op;
        rai_consumer *consumer;
        rai_producer *producer;
    } on;
    int32_t flags;
    bool interrupted;
    bool asleep; /* on its condition, and nobody has signalled it */
    bool woken; /* was told to look at its result: no candidate for the lead */
};

struct client_thread {
    pthread_t id;
    bool started, done, joined;
    bool parked;          /* sleeps on park_fd */
    bool parked_for_good; /* without a time limit: a leader is at work */
    bool park_kicked;
    int park_fd;
    uint64_t seen_turnover;
};

/* drive=manual: an epoll set for the caller's loop, see descriptor.c */
struct client_loop {
    int event_fd; /* readable while events wait; -1: nobody asked for the descriptor */
    bool event_set;
    int epoll_fd, links_fd, timer_fd; /* manual drive only */
    int64_t timer_at;
    uint64_t changes;     /* client's fd_changes that links_fd was made for */
    struct pollfd *known; /* and the poll set */
    int known_count, known_room;
};

struct rai_client {
    const struct rai_sys *sys;
    struct rai_config config;
    rai_engine *engine;
    struct rai_host host;
    pthread_mutex_t mutex;
    bool locked;                       /* somebody is inside: a child forked then cannot trust what it sees */
    const volatile uint8_t *fork_page; /* reads 0 in a child; NULL: compare pid */
    pid_t pid;

    struct client_link *links;
    struct waiter *waiters, *last_waiter;

    enum driver driver;
    struct waiter *leader;
    bool lead_wanted; /* a waiter asks the background thread for the role */
    bool polling, kicked;
    int64_t poll_until;
    int wake_fd;        /* in the driver's poll */
    struct pollfd *fds; /* the driver's */
    int fd_room;
    uint64_t fd_changes; /* counts what may have opened or closed a descriptor: numbers are used again */
    uint64_t turnover;   /* how often a leader left without a successor */
    int64_t lease_until;
    struct client_thread thread;

    bool closing, closed; /* from the first close on; after the last step of one */
    bool closer;          /* a thread is in close */
    bool freed;           /* the background thread has the last reference */
    bool dispatching;
    pthread_t dispatcher;
    struct client_loop loop;
};

/* sys and lock: client.c */
void rai_client_lock(rai_client *c);
void rai_client_unlock(rai_client *c);
void rai_client_yield(rai_client *c, enum rai_point point);

/* links.c */
void rai_links_adopt(rai_client *c, int64_t now);  /* dials and hang-ups that the engine wants */
void rai_links_flush(rai_client *c);               /* writes what can be written; gives up the mutex meanwhile */
bool rai_link_urgent(const struct client_link *l); /* the driver has work that needs no poll */
bool rai_links_want_poll_out(const rai_client *c); /* output that the poll under way does not look for */
/* Fills c->fds from 1 on and the links' slots; returns the count, *until lowered to the dialers' deadlines; -1: no
 * memory. Driver only. */
int rai_links_pollfds(rai_client *c, int64_t now, int64_t *until);
bool rai_links_serve(rai_client *c); /* reads, dials, hangs up what is ready; gives up the mutex; true: did something */
void rai_links_destroy(rai_client *c);
void rai_links_no_longer_wanted(rai_client *c);

/* drive.c */
void rai_drive_kick(rai_client *c);         /* the driver, if it polls */
bool rai_drive_urgent(const rai_client *c); /* the driver has work now */
void rai_drive_turn(rai_client *c); /* deadlines, hand-outs, output: what everybody does before waiting or leaving */
bool rai_drive_round(rai_client *c, int64_t until); /* one poll and what it brought; driver only */
void rai_drive_step_down(rai_client *c);
int rai_drive_start_thread(rai_client *c, struct rai_fault *fault);
void rai_drive_unpark(rai_client *c);

/* wait.c */
void rai_wait_hand_out(rai_client *c);                  /* wakes those whose wait is over */
struct waiter *rai_wait_candidate(const rai_client *c); /* a sleeping waiter that can lead; NULL: none */
void rai_wait_notify(rai_client *c, struct waiter *w);
/* See client.h for results; w needs kind, on and flags. */
int rai_wait(rai_client *c, struct waiter *w, int64_t until, struct rai_fault *fault);
bool rai_client_events_wait(const rai_client *c);

/* descriptor.c */
void rai_loop_update(rai_client *c); /* makes the descriptor tell the truth */
void rai_loop_close(rai_client *c);

/* fork.c */
int rai_fork_mark(rai_client *c); /* 0 or RA_E_NO_MEMORY */
void rai_fork_unmark(rai_client *c);

void rai_client_destroy(rai_client *c); /* client.c; not locked, nobody else knows it any more */

#endif
