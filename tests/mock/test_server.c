/* reattach/mock.h: a broker on a port. The client is a bare socket that says a few packets. */
#include "support/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <reattach/mock.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec/packets.h"

enum { PATIENCE_MS = 20000 * TEST_SLOWER, CHANNEL = 10 };

#define GOOD(call)                                                    \
    do {                                                              \
        ra_error *err = NULL;                                         \
        int rc_ = (call);                                             \
        cr_assert_eq(rc_, 0, "%s: %s", #call, ra_error_message(err)); \
        cr_assert_null(err);                                          \
    } while (0)

#define FAILS(code, part, call)                                                               \
    do {                                                                                      \
        ra_error *err = NULL;                                                                 \
        int rc_ = (call);                                                                     \
        cr_assert_eq(rc_, (code), "%s: %d", #call, rc_);                                      \
        cr_assert_eq(ra_error_code(err), (code));                                             \
        cr_assert_not_null(strstr(ra_error_message(err), part), "%s", ra_error_message(err)); \
        ra_error_free(err);                                                                   \
    } while (0)

static ra_mock *start(const char *options)
{
    ra_mock *mock = NULL;
    GOOD(ra_mock_start(options, &mock, &err));
    return mock;
}

static int64_t count(ra_mock *mock, int32_t id)
{
    int64_t value = -1;
    GOOD(ra_mock_count(mock, id, &value, &err));
    return value;
}

/* --- a client --- */

static int dial(const ra_mock *mock)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)ra_mock_port(mock)) };
    struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

/* It may be cut by now, which hear() will tell. */
static void say(int fd, const void *bytes, size_t size)
{
    (void)!send(fd, bytes, size, MSG_NOSIGNAL);
}

#define SAY(fd, put, ...)                                                 \
    do {                                                                  \
        uint8_t frame_[512];                                              \
        struct rai_writer count_ = { NULL, 0 };                           \
        put(&count_, 0, __VA_ARGS__);                                     \
        cr_assert_leq(count_.size, sizeof frame_);                        \
        put(&(struct rai_writer){ frame_, 0 }, count_.size, __VA_ARGS__); \
        say(fd, frame_, count_.size);                                     \
    } while (0)

/* The next packet's type, or how it ended. A send that fails takes the reset, and leaves an end behind: CUT is either.
 */
enum { END = -1000, RESET = -1001, CUT = -1002 };
static int hear(int fd)
{
    uint8_t frame[4096];
    ssize_t n = recv(fd, frame, 4, MSG_WAITALL);
    if (n <= 0) {
        cr_assert(n == 0 || errno == ECONNRESET, "nothing came: %s", strerror(errno));
        return n == 0 ? END : RESET;
    }
    size_t left = rai_frame_size(frame) - 4;
    cr_assert_leq(left, sizeof frame - 4);
    n = recv(fd, frame + 4, left, MSG_WAITALL);
    return n == (ssize_t)left ? rai_frame_type(frame) : RESET;
}

static int hear_or_cut(int fd)
{
    int heard = hear(fd);
    return heard == END || heard == RESET ? CUT : heard;
}

/* What the broker says to a greeting. */
static int greet(const ra_mock *mock, int *fd)
{
    *fd = dial(mock);
    say(*fd, RAI_PREAMBLE, RAI_PREAMBLE_SIZE);
    SAY(*fd, rai_put_subscribe_topology, RAI_VERSION);
    return hear_or_cut(*fd);
}

static int greet_and_leave(const ra_mock *mock)
{
    int fd, heard = greet(mock, &fd);
    close(fd);
    return heard;
}

static int open_session(const ra_mock *mock)
{
    struct rai_create_session session = { .name = "s",
                                          .channel = CHANNEL,
                                          .version = RAI_VERSION,
                                          .auto_commit_sends = true,
                                          .auto_commit_acks = true,
                                          .window = 65536 };
    int fd;
    cr_assert_eq(greet(mock, &fd), RAI_CLUSTER_TOPOLOGY_V4);
    SAY(fd, rai_put_create_session, &session);
    cr_assert_eq(hear(fd), RAI_CREATESESSION_RESP);
    return fd;
}

static void ask(int fd)
{
    SAY(fd, rai_put_queue_query, CHANNEL, "q");
}

/* --- life --- */

Test(mock_server, options__are_checked)
{
    ra_mock *mock = NULL, *other = NULL;
    char taken[32];
    FAILS(RA_E_OPTION, "\"prot=1\": prot=1", ra_mock_start("prot=1", &mock, &err));
    FAILS(RA_E_OPTION, "0 to 65535", ra_mock_start("port=65536", &mock, &err));
    FAILS(RA_E_OPTION, "0 to 65535", ra_mock_start("port=", &mock, &err));
    FAILS(RA_E_OPTION, "0 to 65535", ra_mock_start("seed=1,port=1x", &mock, &err));
    FAILS(RA_E_OPTION, "between commas", ra_mock_start("seed=1,,port=1", &mock, &err));
    FAILS(RA_E_OPTION, "%XX", ra_mock_start("seed=%4", &mock, &err));
    FAILS(RA_E_ARGUMENT, "mock_out", ra_mock_start(NULL, NULL, &err));
    cr_assert_null(mock);
    mock = start("seed=%31,version=129");
    cr_assert_str_eq(ra_mock_stat_name(RA_MOCK_STAT_OPEN), "open");
    snprintf(taken, sizeof taken, "port=%d", ra_mock_port(mock));
    FAILS(RA_E_STATE, taken + 5, ra_mock_start(taken, &other, &err));
    ra_mock_free(mock);
    mock = start(taken); /* the port is free again */
    ra_mock_free(mock);
    ra_mock_free(NULL);
}

Test(mock_server, arguments__are_checked)
{
    int64_t value;
    ra_mock *mock = start("");
    FAILS(RA_E_ARGUMENT, "mock", ra_mock_stop(NULL, &err));
    FAILS(RA_E_ARGUMENT, "mock", ra_mock_clear(NULL, &err));
    FAILS(RA_E_ARGUMENT, "mock", ra_mock_fault(NULL, "reset", &err));
    FAILS(RA_E_ARGUMENT, "fault", ra_mock_fault(mock, NULL, &err));
    FAILS(RA_E_ARGUMENT, "queue", ra_mock_create_queue(mock, "", NULL, &err));
    FAILS(RA_E_ARGUMENT, "UTF-8", ra_mock_create_queue(mock, "\xff", NULL, &err));
    FAILS(RA_E_ARGUMENT, "value_out", ra_mock_queue_messages(mock, "q", NULL, &err));
    FAILS(RA_E_NO_QUEUE, "q:", ra_mock_queue_messages(mock, "q", &value, &err));
    FAILS(RA_E_ARGUMENT, "id", ra_mock_count(mock, 0, &value, &err));
    FAILS(RA_E_ARGUMENT, "id", ra_mock_wait(mock, 1000, 1, 0, &err));
    FAILS(RA_E_TIMEOUT, "open", ra_mock_wait(mock, RA_MOCK_STAT_OPEN, 1, 1, &err));
    GOOD(ra_mock_create_queue(mock, "q", "a", &err));
    FAILS(RA_E_QUEUE_EXISTS, "q:", ra_mock_create_queue(mock, "q", NULL, &err));
    cr_assert_null(ra_mock_url(NULL));
    cr_assert_str_eq(ra_mock_stat_name(0), "unknown");
    cr_assert_str_eq(ra_mock_stat_name(1000), "unknown");
    GOOD(ra_mock_stop(mock, &err));
    FAILS(RA_E_CLOSED, "stopped", ra_mock_fault(mock, "reset", &err));
    FAILS(RA_E_CLOSED, "stopped", ra_mock_clear(mock, &err));
    FAILS(RA_E_CLOSED, "stopped", ra_mock_wait(mock, RA_MOCK_STAT_OPEN, 1, -1, &err));
    GOOD(ra_mock_queue_messages(mock, "q", &value, &err));
    GOOD(ra_mock_stop(mock, &err));
    ra_mock_free(mock);
}

Test(mock_server, faults__are_checked)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        { "", "wanted first: reset|close|" },
        { "rest", "rest is not acceptable" },
        { "reset=1", "wanted first" },
        { "reset,now", "no part of this fault" },
        { "reset,at", "NAME=VALUE" },
        { "reset,at=", "NAME=VALUE" },
        { "reset,at=sned", "no packet of that name" },
        { "reset,ms=5", "no part of this fault" },
        { "reset,nth=2", "need an at=PACKET" },
        { "reset,at=send,nth=0", "from 1 to 1000000000" },
        { "reset,at=send,nth=5..3", "N..M" },
        { "reset,at=send,when=later", "before|inside|after" },
        { "reset,at=send,from=broker", "broker sends no such packet" },
        { "reset,at=receive_msg,from=client", "client sends no such packet" },
        { "reset,at=send,every=5", "either at=PACKET or every=N..M" },
        { "reset,times=2", "times needs" },
        { "reject,at=receive_msg,code=105", "client sends no such packet" },
        { "reject,at=send", "it needs code=" },
        { "reject,code=105", "it needs an at=PACKET" },
        { "postpone,at=send,ms=5", "broker sends no such packet" },
        { "refuse,at=send", "it cannot wait for a packet" },
        { "full,name=a,every=5", "it cannot happen again and again" },
        { "full", "it needs name=" },
        { "disconnect,reason=6", "from 0 to 5" },
        { "restart,journal=no", "lose|keep" },
    };
    ra_mock *mock = start(NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        FAILS(RA_E_OPTION, wrong[i].says, ra_mock_fault(mock, wrong[i].text, &err));
    cr_assert_eq(count(mock, RA_MOCK_STAT_FAULTS), 0);
    ra_mock_free(mock);
}

/* --- faults --- */

Test(mock_server, each_end__is_seen_by_the_client_and_by_the_broker)
{
    static const struct {
        const char *fault;
        int heard, sessions;
    } ends[] = { { "reset", RESET, 1 }, { "close", END, 1 }, { "abandon", RESET, 1 }, { "restart", END, 0 } };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        ra_mock *mock = start(NULL);
        int fd = open_session(mock);
        GOOD(ra_mock_fault(mock, ends[i].fault, &err));
        cr_assert_eq(hear(fd), ends[i].heard, "%s", ends[i].fault);
        cr_assert_eq(count(mock, RA_MOCK_STAT_SESSIONS), ends[i].sessions, "%s", ends[i].fault);
        cr_assert_eq(count(mock, RA_MOCK_STAT_FAULTS), 1);
        close(fd);
        ra_mock_free(mock);
    }
}

Test(mock_server, silence__is_an_open_connection_without_a_word)
{
    char byte;
    ra_mock *mock = start(NULL);
    int fd = open_session(mock);
    GOOD(ra_mock_fault(mock, "silence", &err));
    ask(fd);
    cr_assert_eq(count(mock, RA_MOCK_STAT_OPEN), 0);
    cr_assert_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    cr_assert_eq(errno, EAGAIN);
    close(fd);
    ra_mock_free(mock);
}

Test(mock_server, disconnect__is_said_before_the_end)
{
    ra_mock *mock = start(NULL);
    int fd = open_session(mock);
    GOOD(ra_mock_fault(mock, "disconnect,reason=1", &err));
    cr_assert_eq(hear(fd), RAI_DISCONNECT_V3);
    cr_assert_eq(hear(fd), END);
    close(fd);
    ra_mock_free(mock);
}

Test(mock_server, refused__until_accepted_again_or_cleared_or_for_a_time)
{
    ra_mock *mock = start(NULL);
    GOOD(ra_mock_fault(mock, "refuse", &err));
    cr_assert_eq(greet_and_leave(mock), CUT);
    GOOD(ra_mock_fault(mock, "accept", &err));
    cr_assert_eq(greet_and_leave(mock), RAI_CLUSTER_TOPOLOGY_V4);
    GOOD(ra_mock_fault(mock, "refuse", &err));
    cr_assert_eq(greet_and_leave(mock), CUT);
    GOOD(ra_mock_clear(mock, &err));
    cr_assert_eq(greet_and_leave(mock), RAI_CLUSTER_TOPOLOGY_V4);
    cr_assert_eq(count(mock, RA_MOCK_STAT_REFUSED), 2);
    GOOD(ra_mock_fault(mock, "refuse,ms=1", &err));
    while (greet_and_leave(mock) == CUT)
        ;
    ra_mock_free(mock);
}

Test(mock_server, at_a_packet__before_inside_and_after)
{
    static const struct {
        const char *fault;
        int first, second;
    } cuts[] = {
        { "reset,at=queuequery,nth=2,when=before", RAI_SESS_QUEUEQUERY_RESP_V3, CUT },
        { "reset,at=queuequery,nth=2", RAI_SESS_QUEUEQUERY_RESP_V3, CUT },
        { "close,at=queuequery_resp,nth=2,when=before", RAI_SESS_QUEUEQUERY_RESP_V3, CUT },
        { "reset,at=queuequery_resp,when=inside", CUT, CUT },
        { "close,at=queuequery_resp", RAI_SESS_QUEUEQUERY_RESP_V3, CUT },
        { "reset,at=any,nth=2", RAI_SESS_QUEUEQUERY_RESP_V3, CUT },
        { "reject,at=sess-queuequery,nth=2,code=105", RAI_SESS_QUEUEQUERY_RESP_V3, RAI_EXCEPTION },
    };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        ra_mock *mock = start(NULL);
        int fd = open_session(mock);
        GOOD(ra_mock_fault(mock, cuts[i].fault, &err));
        ask(fd);
        cr_assert_eq(hear_or_cut(fd), cuts[i].first, "%s", cuts[i].fault);
        ask(fd);
        cr_assert_eq(hear_or_cut(fd), cuts[i].second, "%s", cuts[i].fault);
        close(fd);
        ra_mock_free(mock);
    }
}

Test(mock_server, again_and_again__so_often_and_no_more)
{
    ra_mock *mock = start(NULL);
    GOOD(ra_mock_fault(mock, "reset,every=1..2,times=3", &err));
    GOOD(ra_mock_fault(mock, "close,every=1", &err));
    GOOD(ra_mock_wait(mock, RA_MOCK_STAT_FAULTS, 20, PATIENCE_MS, &err));
    GOOD(ra_mock_clear(mock, &err));
    int64_t faults = count(mock, RA_MOCK_STAT_FAULTS);
    int fd = open_session(mock);
    ask(fd);
    cr_assert_eq(hear(fd), RAI_SESS_QUEUEQUERY_RESP_V3);
    cr_assert_eq(count(mock, RA_MOCK_STAT_FAULTS), faults);
    close(fd);
    ra_mock_free(mock);
}

Test(mock_server, slow__is_what_it_says)
{
    struct timespec before, after;
    ra_mock *mock = start(NULL);
    int fd = open_session(mock);
    GOOD(ra_mock_fault(mock, "slow,ms=50", &err));
    clock_gettime(CLOCK_MONOTONIC, &before);
    ask(fd);
    cr_assert_eq(hear(fd), RAI_SESS_QUEUEQUERY_RESP_V3);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert_geq((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 49);
    close(fd);
    ra_mock_free(mock);
}

/* --- threads --- */

static void *bother(void *arg)
{
    ra_mock *mock = arg;
    int64_t value;
    for (int i = 0; i < 30; i++) {
        GOOD(ra_mock_fault(mock, i % 2 == 0 ? "reset" : "reset,at=any", &err));
        GOOD(ra_mock_count(mock, RA_MOCK_STAT_OPEN, &value, &err));
        GOOD(ra_mock_wait(mock, RA_MOCK_STAT_FAULTS, 1, PATIENCE_MS, &err));
        if (i % 10 == 0)
            GOOD(ra_mock_clear(mock, &err));
        greet_and_leave(mock);
    }
    return NULL;
}

static void *wait_for_ever(void *mock)
{
    ra_error *err = NULL;
    int rc = ra_mock_wait(mock, RA_MOCK_STAT_CONNECTIONS, 1 << 30, -1, &err);
    ra_error_free(err);
    return rc == RA_E_CLOSED ? mock : NULL;
}

Test(mock_server, many_threads__may_call_and_a_stop_ends_their_waits)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS], waiting;
    void *closed;
    ra_mock *mock = start(NULL);
    cr_assert_eq(pthread_create(&waiting, NULL, wait_for_ever, mock), 0);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, bother, mock), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    GOOD(ra_mock_stop(mock, &err));
    pthread_join(waiting, &closed);
    cr_assert_eq(closed, mock);
    ra_mock_free(mock);
}
