#include "cutter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "terminal.h"

enum { PAIRS = 16, BUFFER = 64 * 1024 };

/* Bytes on their way from one end to the other. */
struct way {
    size_t begin, end;
    char bytes[BUFFER];
};

struct pair {
    int ends[2]; /* of the command, of the broker; -1: free */
    struct way ways[2];
};

struct cutter {
    struct addrinfo *target;
    int listener, wake;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cut;
    int64_t asked, done; /* cuts */
    atomic_bool ended;
    struct pair pairs[PAIRS];
};

static void reset(int descriptor)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };

    if (descriptor >= 0) {
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(descriptor);
    }
}

static void drop(struct pair *pair)
{
    reset(pair->ends[0]);
    reset(pair->ends[1]);
    pair->ends[0] = pair->ends[1] = -1;
}

static int dial(const struct addrinfo *target)
{
    for (const struct addrinfo *a = target; a != NULL; a = a->ai_next) {
        int descriptor = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (descriptor >= 0 && connect(descriptor, a->ai_addr, a->ai_addrlen) == 0)
            return descriptor;
        if (descriptor >= 0)
            close(descriptor);
    }
    return -1;
}

static void prepare(int descriptor)
{
    const int yes = 1;

    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
}

static void welcome(struct cutter *c)
{
    int client = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC), broker;

    if (client < 0)
        return;
    for (int i = 0; i < PAIRS; i++) {
        struct pair *pair = &c->pairs[i];

        if (pair->ends[0] >= 0)
            continue;
        broker = dial(c->target);
        if (broker < 0)
            break;
        prepare(client);
        prepare(broker);
        pair->ends[0] = client;
        pair->ends[1] = broker;
        for (int w = 0; w < 2; w++)
            pair->ways[w].begin = pair->ways[w].end = 0;
        return;
    }
    reset(client);
}

/* false: the connection is over. */
static bool move(struct way *way, int from, int to)
{
    ssize_t n;

    if (way->begin == way->end) {
        n = read(from, way->bytes, BUFFER);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        way->begin = 0;
        way->end = n > 0 ? (size_t)n : 0;
    }
    while (way->begin < way->end) {
        n = send(to, way->bytes + way->begin, way->end - way->begin, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        way->begin += (size_t)n;
    }
    return true;
}

static short wanted(const struct pair *pair, int end)
{
    const struct way *from = &pair->ways[end], *to = &pair->ways[1 - end];

    return (short)((from->begin == from->end ? POLLIN : 0) | (to->begin < to->end ? POLLOUT : 0));
}

static void obey(struct cutter *c)
{
    uint64_t count;

    if (read(c->wake, &count, sizeof count) < 0)
        return;
    pthread_mutex_lock(&c->mutex);
    for (int i = 0; c->done < c->asked && i < PAIRS; i++)
        drop(&c->pairs[i]);
    c->done = c->asked;
    pthread_cond_signal(&c->cut);
    pthread_mutex_unlock(&c->mutex);
}

static void *run(void *argument)
{
    struct cutter *c = argument;
    struct pollfd who[2 + 2 * PAIRS];

    while (!c->ended) {
        who[0] = (struct pollfd){ .fd = c->wake, .events = POLLIN };
        who[1] = (struct pollfd){ .fd = c->listener, .events = POLLIN };
        for (int i = 0; i < 2 * PAIRS; i++)
            who[2 + i] =
                (struct pollfd){ .fd = c->pairs[i / 2].ends[i % 2], .events = wanted(&c->pairs[i / 2], i % 2) };
        poll(who, sizeof who / sizeof *who, -1);
        for (int i = 0; i < PAIRS; i++) {
            struct pair *pair = &c->pairs[i];

            if (pair->ends[0] >= 0 && (who[2 + 2 * i].revents || who[3 + 2 * i].revents) &&
                !(move(&pair->ways[0], pair->ends[0], pair->ends[1]) &&
                  move(&pair->ways[1], pair->ends[1], pair->ends[0])))
                drop(pair);
        }
        if (who[0].revents)
            obey(c);
        if (who[1].revents)
            welcome(c);
    }
    return NULL;
}

static bool open_listener(struct cutter *c)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;

    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->wake = eventfd(0, EFD_CLOEXEC);
    if (c->listener < 0 || c->wake < 0 || bind(c->listener, (struct sockaddr *)&at, sizeof at) < 0 ||
        listen(c->listener, PAIRS) < 0 || getsockname(c->listener, (struct sockaddr *)&at, &size) < 0)
        return complain("the forwarder cannot listen: %s", strerror(errno));
    c->port = ntohs(at.sin_port);
    return true;
}

static void give_back(struct cutter *c)
{
    for (int i = 0; i < PAIRS; i++)
        drop(&c->pairs[i]);
    if (c->listener >= 0)
        close(c->listener);
    if (c->wake >= 0)
        close(c->wake);
    freeaddrinfo(c->target);
    free(c);
}

struct cutter *cutter_start(const char *host, const char *port)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct cutter *c = calloc(1, sizeof *c);
    int rc;

    if (c == NULL) {
        complain("out of memory");
        return NULL;
    }
    c->listener = c->wake = -1;
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->cut, NULL);
    for (int i = 0; i < PAIRS; i++)
        c->pairs[i].ends[0] = c->pairs[i].ends[1] = -1;
    rc = getaddrinfo(host, port, &hints, &c->target);
    if (rc != 0)
        complain("%s: %s", host, gai_strerror(rc));
    if (rc == 0 && open_listener(c)) {
        rc = pthread_create(&c->thread, NULL, run, c);
        if (rc == 0)
            return c;
        complain("the forwarder has no thread: %s", strerror(rc));
    }
    give_back(c);
    return NULL;
}

uint16_t cutter_port(const struct cutter *c)
{
    return c->port;
}

static void ring(struct cutter *c)
{
    const uint64_t one = 1;

    if (write(c->wake, &one, sizeof one) < 0) {
        /* it rings already */
    }
}

void cutter_cut(struct cutter *c)
{
    pthread_mutex_lock(&c->mutex);
    c->asked++;
    ring(c);
    while (c->done < c->asked)
        pthread_cond_wait(&c->cut, &c->mutex);
    pthread_mutex_unlock(&c->mutex);
}

void cutter_stop(struct cutter *c)
{
    if (c == NULL)
        return;
    c->ended = true;
    ring(c);
    pthread_join(c->thread, NULL);
    give_back(c);
}
