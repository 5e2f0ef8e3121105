#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { AGAIN_MS = 20 };

/* A signal handler has no argument, so this is the one object of its kind. */
static struct {
    ra_connection *connection;
    pthread_t thread;
    int stop, wake; /* eventfds: readable once a signal came; wakes the thread */
    atomic_int signals;
    atomic_int settling; /* signals that had come when settling began, plus one; 0 before */
    atomic_bool ended;
    bool running;
} watch = { .stop = -1, .wake = -1 };

static void ring(int descriptor)
{
    const uint64_t one = 1;

    if (write(descriptor, &one, sizeof one) < 0) {
        /* the counter is full: it rings already */
    }
}

static void on_signal(int number)
{
    int saved = errno;

    if (++watch.signals >= 3) {
        signal(number, SIG_DFL);
        raise(number);
    }
    ring(watch.stop);
    ring(watch.wake);
    errno = saved;
}

/* An interrupt only ends waits that have begun, so it is repeated until the main thread has seen that it is to stop. */
static bool unheard(void)
{
    int settling = watch.settling;

    return settling == 0 ? watch.signals > 0 : watch.signals >= settling;
}

static void *run(void *unused)
{
    struct pollfd wake = { .fd = watch.wake, .events = POLLIN };
    uint64_t count;

    (void)unused;
    while (!watch.ended) {
        if (unheard())
            ra_connection_interrupt(watch.connection, NULL);
        if (poll(&wake, 1, unheard() ? AGAIN_MS : -1) > 0 && read(watch.wake, &count, sizeof count) < 0)
            break;
    }
    return NULL;
}

static bool start_thread(void)
{
    sigset_t signals, before;
    int rc;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &before); /* so that signals reach the main thread's reads */
    rc = pthread_create(&watch.thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0;
}

/* A signal that whoever started the command has turned off (a shell's background job: SIGINT) stays off. */
static void handle(void (*handler)(int))
{
    static const int signals[] = { SIGINT, SIGTERM };
    struct sigaction action = { .sa_handler = handler }, before;

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

bool watch_start(ra_connection *connection)
{
    watch.connection = connection;
    watch.signals = watch.settling = 0;
    watch.ended = false;
    watch.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    watch.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch.stop < 0 || watch.wake < 0 || !start_thread()) {
        watch_end();
        return false;
    }
    watch.running = true;
    handle(on_signal);
    return true;
}

bool watch_stopped(void)
{
    return watch.signals > 0;
}

int watch_descriptor(void)
{
    return watch.stop;
}

void watch_settling(void)
{
    if (watch.settling == 0)
        watch.settling = watch.signals + 1;
}

bool watch_gave_up(void)
{
    return watch.settling != 0 && watch.signals >= watch.settling;
}

void watch_end(void)
{
    if (watch.running) {
        handle(SIG_DFL);
        watch.ended = true;
        ring(watch.wake);
        pthread_join(watch.thread, NULL);
        watch.running = false;
    }
    if (watch.stop >= 0)
        close(watch.stop);
    if (watch.wake >= 0)
        close(watch.wake);
    watch.stop = watch.wake = -1;
}
