#ifndef RAI_CLIENT_SYS_H
#define RAI_CLIENT_SYS_H

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * What the client room asks of the operating system, as a table, so that a test can put a schedule (or a failing call)
 * under it. Only what takes part in a schedule is here: time, waiting, link I/O, locks, threads.
 */
enum rai_point { /* where sys->yield() is called; never with the mutex held unless the name says so */
                 RAI_POINT_LOCK = 1,    /* before the mutex is taken */
                 RAI_POINT_UNLOCKED,    /* after it was released */
                 RAI_POINT_TOKEN_TAKEN, /* an I/O token was taken, mutex released */
                 RAI_POINT_IO_DONE,     /* read or written, before the mutex is taken again */
                 RAI_POINT_POLL,        /* the driver, before it polls */
                 RAI_POINT_POLLED,      /* the driver, after poll and before the mutex */
                 RAI_POINT_WAKE,        /* before an eventfd is written, mutex held */
                 RAI_POINT_SIGNAL,      /* before a condition is signalled, mutex held */
                 RAI_POINT_WAIT         /* before a condition wait, mutex held */
};

struct rai_sys {
    void *ctx;                      /* first argument of all */
    int64_t (*now)(void *ctx);      /* microseconds, never goes back */
    int64_t (*epoch_ms)(void *ctx); /* wall clock */
    void (*random)(void *ctx, void *out, size_t size);
    /* Like the system call, but in microseconds (< 0: no limit) and -errno in place of -1. */
    int (*poll)(void *ctx, struct pollfd *fds, nfds_t count, int64_t timeout_us);
    /* One non-blocking call each: bytes, 0 (end of file), or -errno. */
    ssize_t (*read)(void *ctx, int fd, void *out, size_t size);
    ssize_t (*write)(void *ctx, int fd, const struct iovec *pieces, int count);
    void (*lock)(void *ctx, pthread_mutex_t *mutex);
    void (*unlock)(void *ctx, pthread_mutex_t *mutex);
    void (*cond_wait)(void *ctx, pthread_cond_t *cond, pthread_mutex_t *mutex,
                      int64_t until_us); /* INT64_MAX: for ever */
    void (*cond_signal)(void *ctx, pthread_cond_t *cond);
    int (*thread_start)(void *ctx, pthread_t *thread, void *(*run)(void *),
                        void *arg);                 /* all signals blocked; 0 or -errno */
    void (*yield)(void *ctx, enum rai_point point); /* may be NULL */
};

extern const struct rai_sys rai_sys_default;
/* Conditions must be made for the clock of rai_sys_default.cond_wait. 0 or -errno. */
int rai_sys_cond_init(pthread_cond_t *cond);

#endif
