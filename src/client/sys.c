#include "client/sys.h"

#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "net/socket.h"

static int64_t sys_now(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t sys_epoch_ms(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sys_random(void *ctx, void *out, size_t size)
{
    unsigned char *at = out;
    (void)ctx;
    while (size > 0) {
        ssize_t n =
            getrandom(at, size, 0); /* only EINTR can happen: 256 bytes come whole, and the kernel has the call */
        if (n <= 0)
            continue;
        at += n;
        size -= (size_t)n;
    }
}

static struct timespec timespec_of(int64_t us)
{
    return (struct timespec){ .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };
}

static int sys_poll(void *ctx, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    struct timespec limit = timespec_of(timeout_us < 0 ? 0 : timeout_us);
    (void)ctx;
    int n = ppoll(fds, count, timeout_us < 0 ? NULL : &limit, NULL);
    return n < 0 ? -errno : n;
}

static ssize_t sys_read(void *ctx, int fd, void *out, size_t size)
{
    (void)ctx;
    return rai_socket_read(fd, out, size);
}

static ssize_t sys_write(void *ctx, int fd, const struct iovec *pieces, int count)
{
    (void)ctx;
    return rai_socket_write(fd, pieces, count);
}

static void sys_lock(void *ctx, pthread_mutex_t *mutex)
{
    (void)ctx;
    (void)pthread_mutex_lock(mutex);
}

static void sys_unlock(void *ctx, pthread_mutex_t *mutex)
{
    (void)ctx;
    (void)pthread_mutex_unlock(mutex);
}

static void sys_cond_wait(void *ctx, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_us)
{
    (void)ctx;
    if (until_us == INT64_MAX) {
        (void)pthread_cond_wait(cond, mutex);
    } else {
        struct timespec until = timespec_of(until_us);
        (void)pthread_cond_timedwait(cond, mutex, &until);
    }
}

static void sys_cond_signal(void *ctx, pthread_cond_t *cond)
{
    (void)ctx;
    (void)pthread_cond_signal(cond);
}

static int sys_thread_start(void *ctx, pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    (void)ctx;
    sigfillset(&all); /* the new thread inherits it: signals are for the program's threads */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, NULL, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

const struct rai_sys rai_sys_default = {
    .now = sys_now,
    .epoch_ms = sys_epoch_ms,
    .random = sys_random,
    .poll = sys_poll,
    .read = sys_read,
    .write = sys_write,
    .lock = sys_lock,
    .unlock = sys_unlock,
    .cond_wait = sys_cond_wait,
    .cond_signal = sys_cond_signal,
    .thread_start = sys_thread_start,
};

int rai_sys_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int rc = pthread_condattr_init(&attributes);
    if (rc != 0)
        return -rc;
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    rc = pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return -rc;
}
