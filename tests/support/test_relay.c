/* The relay against an echo server in the same process: every mode, and nothing left behind. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "support/relay.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, PING_TYPE = 10, SEND_TYPE = 71, MOST_WORKERS = 200 };

/* ---- the server: one thread per connection, echoes or only counts ---- */

static struct {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_t worker[MOST_WORKERS];
    int fd[MOST_WORKERS];
    _Atomic int workers;
    _Atomic bool mute;
    _Atomic uint64_t received;
} server;

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    static _Thread_local char buffer[1 << 16];
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        server.received += (uint64_t)n;
        if (!server.mute && send(fd, buffer, (size_t)n, MSG_NOSIGNAL) < 0)
            break;
    }
    shutdown(fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *argument)
{
    (void)argument;
    int fd;
    while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
        int i = server.workers;
        if (i == MOST_WORKERS) {
            close(fd);
            continue;
        }
        server.fd[i] = fd;
        pthread_create(&server.worker[i], NULL, serve, (void *)(intptr_t)fd);
        server.workers = i + 1;
    }
    return NULL;
}

static void server_start(bool mute)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    server.workers = 0;
    server.received = 0;
    server.mute = mute;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(server.listener, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(server.listener, 64), 0);
    getsockname(server.listener, (struct sockaddr *)&at, &size);
    server.port = ntohs(at.sin_port);
    pthread_create(&server.thread, NULL, accept_all, NULL);
}

static void server_stop(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    for (int i = 0; i < server.workers; i++) {
        shutdown(server.fd[i], SHUT_RDWR);
        pthread_join(server.worker[i], NULL);
        close(server.fd[i]);
    }
}

/* ---- set-up and teardown ---- */

static struct relay *relay;
static int entries_before[2];

static int entries(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static void start_relay(bool mute, uint64_t seed)
{
    char err[200];
    server_start(mute);
    struct relay_options options = { .target = server.port, .seed = seed };
    relay = relay_start(&options, err, sizeof err);
    cr_assert_not_null(relay, "%s", err);
}

static void *nothing(void *argument)
{
    return argument;
}

/* ThreadSanitizer starts a thread of its own with the program's first: before we count. */
static void wake_sanitizer(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    wake_sanitizer();
    entries_before[0] = entries("/proc/self/fd");
    entries_before[1] = entries("/proc/self/task");
    start_relay(false, 7);
}

static void setup_mute(void)
{
    setup();
    server.mute = true;
}

static void teardown(void)
{
    relay_stop(relay);
    server_stop();
    cr_assert_eq(entries("/proc/self/fd"), entries_before[0], "a descriptor is left");
    cr_assert_eq(entries("/proc/self/task"), entries_before[1], "a thread is left");
}

TestSuite(relay, .init = setup, .fini = teardown, .timeout = 60);
TestSuite(relay_mute, .init = setup_mute, .fini = teardown, .timeout = 60);

/* ---- a client ---- */

static int dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(relay_port(relay)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void put(int fd, const void *data, size_t n)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t k = send(fd, (const char *)data + sent, n - sent, MSG_NOSIGNAL);
        cr_assert_gt(k, 0, "send: %s", strerror(errno));
        sent += (size_t)k;
    }
}

static bool readable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, ms) == 1;
}

/* Reads exactly n bytes. */
static void get(int fd, void *data, size_t n)
{
    for (size_t have = 0; have < n;) {
        cr_assert(readable(fd, PATIENCE_MS), "only %zu of %zu bytes came", have, n);
        ssize_t k = recv(fd, (char *)data + have, n - have, 0);
        cr_assert_gt(k, 0, "end after %zu of %zu bytes", have, n);
        have += (size_t)k;
    }
}

/* Reads to the end. *error is 0 after an orderly close. */
static size_t get_all(int fd, int *error)
{
    char buffer[4096];
    size_t have = 0;
    for (;;) {
        cr_assert(readable(fd, PATIENCE_MS), "no end after %zu bytes", have);
        ssize_t k = recv(fd, buffer, sizeof buffer, 0);
        if (k <= 0) {
            *error = k < 0 ? errno : 0;
            return have;
        }
        have += (size_t)k;
    }
}

static void echo(int fd, const char *text)
{
    char back[256];
    put(fd, text, strlen(text));
    get(fd, back, strlen(text));
    cr_assert_eq(memcmp(text, back, strlen(text)), 0);
}

static void wait_received(uint64_t n)
{
    for (int i = 0; i < PATIENCE_MS && server.received < n; i++)
        usleep(1000);
    cr_assert_eq(server.received, n, "the server got %llu bytes, not %llu",
                 (unsigned long long)server.received, (unsigned long long)n);
}

static struct relay_counters counters(void)
{
    struct relay_counters c;
    relay_get_counters(relay, &c);
    return c;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Builds a frame of `size` bytes in all; returns its end. */
static uint8_t *frame(uint8_t *at, int type, uint8_t channel, size_t size)
{
    uint32_t length = (uint32_t)size - 4;
    memset(at, 'x', size);
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(length >> (24 - 8 * i));
    at[4] = (uint8_t)type;
    memset(at + 5, 0, 8);
    at[12] = channel;
    return at + size;
}

static int dial_preamble(void)
{
    int fd = dial();
    put(fd, "ARTEMIS", 7);
    return fd;
}

/* ---- plain ---- */

Test(relay, bytes_pass_both_ways)
{
    int fd = dial();
    echo(fd, "hello");
    struct relay_counters c = counters();
    cr_expect_eq(c.accepted, 1);
    cr_expect_eq(c.open, 1);
    cr_expect_eq(c.bytes[RELAY_TO_BROKER], 5);
    cr_expect_eq(c.bytes[RELAY_TO_CLIENT], 5);
    close(fd);
    cr_expect(relay_wait_closed(relay, PATIENCE_MS));
}

Test(relay, half_close_passes_and_the_answer_still_comes)
{
    int fd = dial(), error;
    put(fd, "last words", 10);
    shutdown(fd, SHUT_WR);
    cr_expect_eq(get_all(fd, &error), 10);
    cr_expect_eq(error, 0);
    close(fd);
    cr_expect(relay_wait_closed(relay, PATIENCE_MS));
}

static void *send_bulk(void *argument)
{
    int fd = *(int *)argument;
    static uint8_t block[1 << 16];
    for (int i = 0; i < 512; i++) {
        for (size_t j = 0; j < sizeof block; j++)
            block[j] = (uint8_t)((size_t)i * 31 + j * 7);
        put(fd, block, sizeof block);
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

Test(relay, bulk_data_arrives_unchanged)
{
    int fd = dial();
    pthread_t sender;
    static uint8_t block[1 << 16];
    pthread_create(&sender, NULL, send_bulk, &fd);
    for (int i = 0; i < 512; i++) {
        get(fd, block, sizeof block);
        for (size_t j = 0; j < sizeof block; j += 61)
            cr_assert_eq(block[j], (uint8_t)((size_t)i * 31 + j * 7));
    }
    pthread_join(sender, NULL);
    close(fd);
}

Test(relay, a_broker_that_is_away_resets_the_client)
{
    int closed = socket(AF_INET, SOCK_STREAM, 0), error;
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    bind(closed, (struct sockaddr *)&at, sizeof at);
    getsockname(closed, (struct sockaddr *)&at, &size);
    relay_set_target(relay, ntohs(at.sin_port)); /* bound, but nobody listens */
    int fd = dial();
    get_all(fd, &error);
    cr_expect_eq(error, ECONNRESET);
    cr_expect_eq(counters().connect_failed, 1);
    close(fd);
    close(closed);
}

/* ---- cuts ---- */

Test(relay, rst_resets_the_client)
{
    int fd = dial(), error;
    echo(fd, "a");
    cr_expect_eq(relay_cut(relay, RELAY_RST), 1);
    get_all(fd, &error);
    cr_expect_eq(error, ECONNRESET);
    cr_expect_eq(counters().cuts[RELAY_RST], 1);
    cr_expect_eq(counters().open, 0);
    close(fd);
}

Test(relay, fin_ends_the_stream_in_order)
{
    int fd = dial(), error;
    echo(fd, "a");
    cr_expect_eq(relay_cut(relay, RELAY_FIN), 1);
    get_all(fd, &error);
    cr_expect_eq(error, 0);
    cr_expect_eq(counters().open, 0);
    close(fd);
}

Test(relay, silent_says_nothing_and_new_connections_work)
{
    int fd = dial();
    echo(fd, "a");
    cr_expect_eq(relay_cut(relay, RELAY_SILENT), 1);
    put(fd, "b", 1);
    cr_expect_not(readable(fd, 100));
    cr_expect_eq(server.received, 1);
    int second = dial();
    echo(second, "c");
    close(fd);
    close(second);
}

Test(relay_mute, abandon_delivers_what_the_client_had_sent)
{
    int fd = dial(), error;
    static char block[1 << 20];
    put(fd, "a", 1);
    wait_received(1);
    put(fd, block, sizeof block);
    cr_expect_eq(relay_cut(relay, RELAY_ABANDON), 1);
    get_all(fd, &error);
    cr_expect_eq(error, ECONNRESET);
    wait_received(1 + sizeof block);
    char byte;
    cr_expect_eq(recv(server.fd[0], &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1,
                 "the broker's side must stay open");
    close(fd);
}

Test(relay_mute, abandon_releases_what_was_held)
{
    uint8_t bytes[7 + 40];
    memcpy(bytes, "ARTEMIS", 7);
    frame(bytes + 7, SEND_TYPE, 10, 40);
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, SEND_TYPE);
    int trap = relay_hold(relay, &match, 0);
    int fd = dial();
    put(fd, bytes, sizeof bytes);
    cr_assert(relay_wait_trap(relay, trap, PATIENCE_MS));
    wait_received(7);
    relay_cut(relay, RELAY_ABANDON);
    wait_received(47);
    close(fd);
}

Test(relay, a_cut_without_connections_is_idle)
{
    cr_expect_eq(relay_cut(relay, RELAY_RST), 0);
    cr_expect_eq(counters().idle, 1);
    cr_expect_eq(counters().effective, 0);
}

Test(relay_mute, cut_after_forwards_exactly_that_many_bytes)
{
    static char block[1 << 20];
    for (int how = RELAY_RST; how <= RELAY_ABANDON; how++) {
        server.received = 0;
        int trap = relay_cut_after(relay, RELAY_TO_BROKER, 300001, (enum relay_how)how);
        int fd = dial();
        send(fd, block, sizeof block, MSG_NOSIGNAL);
        cr_assert(relay_wait_trap(relay, trap, PATIENCE_MS), "%s", relay_how_name(how));
        wait_received(300001);
        cr_expect_eq(counters().cuts[how], 1);
        close(fd);
    }
    cr_expect_eq(counters().effective, 4);
}

Test(relay, cut_after_towards_the_client)
{
    int fd = dial(), error;
    echo(fd, "a");
    relay_cut_after(relay, RELAY_TO_CLIENT, 3, RELAY_FIN);
    put(fd, "abcdef", 6);
    cr_expect_eq(get_all(fd, &error), 3);
    cr_expect_eq(error, 0);
    close(fd);
}

Test(relay, cut_after_is_one_shot_and_can_be_disarmed)
{
    int trap = relay_cut_after(relay, RELAY_TO_BROKER, 3, RELAY_RST);
    relay_disarm(relay, trap);
    int fd = dial();
    echo(fd, "abcdef");
    close(fd);
}

/* ---- packets ---- */

static void send_three(int fd)
{
    uint8_t bytes[256], *end = frame(bytes, PING_TYPE, 0, 21);
    end = frame(end, SEND_TYPE, 10, 50);
    end = frame(end, SEND_TYPE, 11, 60);
    put(fd, bytes, (size_t)(end - bytes));
}

static void cut_at_place(enum relay_place place, size_t inside, uint64_t expected)
{
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, SEND_TYPE);
    match.channel = 11;
    server.received = 0;
    int trap = relay_cut_at(relay, &match, place, inside, RELAY_RST);
    int fd = dial_preamble();
    send_three(fd);
    cr_assert(relay_wait_trap(relay, trap, PATIENCE_MS));
    wait_received(expected);
    close(fd);
}

Test(relay_mute, cut_before_inside_and_after_a_frame)
{
    cut_at_place(RELAY_BEFORE, 0, 7 + 21 + 50);
    cut_at_place(RELAY_INSIDE, 0, 7 + 21 + 50 + 30);
    cut_at_place(RELAY_INSIDE, 2, 7 + 21 + 50 + 2);
    cut_at_place(RELAY_AFTER, 0, 7 + 21 + 50 + 60);
}

Test(relay_mute, a_frame_in_single_bytes_is_recognised)
{
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, SEND_TYPE);
    match.nth = 2;
    match.bytes = "needle";
    match.bytes_length = 6;
    int trap = relay_cut_at(relay, &match, RELAY_BEFORE, 0, RELAY_FIN);
    uint8_t bytes[7 + 3 * 40], *end = bytes + 7;
    memcpy(bytes, "ARTEMIS", 7);
    for (int i = 0; i < 3; i++) {
        end = frame(end, SEND_TYPE, 10, 40);
        if (i != 1)
            memcpy(end - 20, "needle", 6);
    }
    int fd = dial();
    for (uint8_t *p = bytes; p < end; p++) {
        put(fd, p, 1);
        usleep(300);
    }
    cr_assert(relay_wait_trap(relay, trap, PATIENCE_MS));
    wait_received(7 + 80);
    close(fd);
}

Test(relay_mute, a_trap_set_inside_a_frame_sees_the_next_one)
{
    uint8_t bytes[7 + 50 + 60];
    memcpy(bytes, "ARTEMIS", 7);
    frame(frame(bytes + 7, SEND_TYPE, 10, 50), SEND_TYPE, 10, 60);
    int fd = dial();
    put(fd, bytes, 7 + 20);
    wait_received(27);
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, SEND_TYPE);
    int trap = relay_cut_at(relay, &match, RELAY_INSIDE, 13, RELAY_RST);
    put(fd, bytes + 27, sizeof bytes - 27);
    cr_assert(relay_wait_trap(relay, trap, PATIENCE_MS));
    wait_received(7 + 50 + 13);
    close(fd);
}

Test(relay_mute, cut_after_a_frame_of_many_megabytes)
{
    size_t size = 3 << 20;
    uint8_t *bytes = malloc(size + 100);
    frame(frame(bytes, SEND_TYPE, 10, size), PING_TYPE, 0, 100);
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, SEND_TYPE);
    int trap = relay_cut_at(relay, &match, RELAY_AFTER, 0, RELAY_RST);
    int fd = dial_preamble();
    for (size_t sent = 0; sent < size + 100;) {
        ssize_t k = send(fd, bytes + sent, size + 100 - sent, MSG_NOSIGNAL);
        if (k <= 0)
            break; /* the cut may come before we are through */
        sent += (size_t)k;
    }
    cr_assert(relay_wait_trap(relay, trap, PATIENCE_MS));
    wait_received(7 + size);
    free(bytes);
    close(fd);
}

Test(relay, cut_at_a_frame_towards_the_client)
{
    struct relay_match match = relay_match_type(RELAY_TO_CLIENT, SEND_TYPE);
    uint8_t bytes[100];
    int error;
    frame(frame(bytes, PING_TYPE, 0, 40), SEND_TYPE, 1, 60);
    relay_cut_at(relay, &match, RELAY_BEFORE, 0, RELAY_FIN);
    /* The echo server has no preamble of its own to send, so this client sends none either. */
    int fd = dial();
    put(fd, bytes, sizeof bytes);
    cr_expect_eq(get_all(fd, &error), 40);
    close(fd);
}

Test(relay_mute, hold_stops_one_direction_until_released)
{
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, SEND_TYPE);
    match.nth = 2;
    int trap = relay_hold(relay, &match, 0);
    int fd = dial_preamble();
    send_three(fd);
    cr_assert(relay_wait_trap(relay, trap, PATIENCE_MS));
    wait_received(7 + 21 + 50);
    usleep(50000);
    cr_expect_eq(server.received, 7 + 21 + 50);
    relay_release(relay);
    wait_received(7 + 21 + 50 + 60);
    cr_expect_eq(counters().holds, 1);
    close(fd);
}

Test(relay_mute, hold_ends_by_itself)
{
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, RELAY_ANY_TYPE);
    uint64_t begin = now_ms();
    relay_hold(relay, &match, 80);
    int fd = dial_preamble();
    send_three(fd);
    wait_received(7 + 21 + 50 + 60);
    cr_expect_geq(now_ms() - begin, 80);
    close(fd);
}

/* ---- delay, limits, refusal ---- */

Test(relay, delay_is_paid_per_direction_and_does_not_throttle)
{
    static uint8_t block[256 << 10];
    relay_delay(relay, 50);
    int fd = dial();
    uint64_t begin = now_ms();
    echo(fd, "a");
    uint64_t trip = now_ms() - begin;
    cr_expect_geq(trip, 100);
    begin = now_ms();
    for (int i = 0; i < 4; i++)
        put(fd, block, sizeof block);
    for (int i = 0; i < 4; i++)
        get(fd, block, sizeof block);
    cr_expect_lt(now_ms() - begin, 10 * trip); /* one delay a chunk would be seconds */
    relay_delay(relay, 0);
    echo(fd, "b");
    close(fd);
}

Test(relay_mute, memory_is_bounded_when_the_receiver_stands_still)
{
    static char block[1 << 20];
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, RELAY_ANY_TYPE);
    uint8_t head[21];
    int trap = relay_hold(relay, &match, 0);
    int fd = dial_preamble();
    frame(head, PING_TYPE, 0, sizeof head);
    put(fd, head, sizeof head);
    cr_assert(relay_wait_trap(relay, trap, PATIENCE_MS));
    uint64_t sent = 0;
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    while (poll(&p, 1, 200) == 1) {
        ssize_t k = send(fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += k > 0 ? (uint64_t)k : 0;
    }
    cr_expect_gt(sent, 4 << 20);
    cr_expect_lt(counters().queued_peak, 5 << 20);
    relay_release(relay);
    wait_received(7 + sizeof head + sent);
    close(fd);
}

Test(relay, refuse_resets_at_accept)
{
    int error;
    relay_refuse(relay, true);
    int fd = dial();
    get_all(fd, &error);
    cr_expect_eq(error, ECONNRESET);
    close(fd);
    cr_expect_eq(counters().refused, 1);
    relay_refuse(relay, false);
    fd = dial();
    echo(fd, "a");
    close(fd);
}

/* ---- schedules ---- */

static void reconnect_until_cut(uint64_t cuts)
{
    uint64_t end = now_ms() + 4 * PATIENCE_MS;
    while (counters().effective < cuts && now_ms() < end) {
        int fd = dial();
        char block[512] = { 0 };
        while (send(fd, block, sizeof block, MSG_NOSIGNAL) > 0 && readable(fd, 1000) &&
               recv(fd, block, sizeof block, 0) > 0)
            ;
        close(fd);
    }
    cr_assert_eq(counters().effective, cuts);
}

Test(relay, a_schedule_cuts_so_often_and_no_more)
{
    relay_schedule(relay, 2, 10, RELAY_MASK(RELAY_RST) | RELAY_MASK(RELAY_FIN), 20);
    reconnect_until_cut(20);
    int fd = dial();
    usleep(50000);
    echo(fd, "a");
    struct relay_counters c = counters();
    cr_expect_eq(c.cuts[RELAY_RST] + c.cuts[RELAY_FIN], 20);
    cr_expect_gt(c.cuts[RELAY_RST], 0);
    cr_expect_gt(c.cuts[RELAY_FIN], 0);
    close(fd);
}

Test(relay, a_byte_schedule_cuts_every_connection)
{
    relay_schedule_bytes(relay, 1000, 5000, RELAY_MASK(RELAY_RST), 20);
    reconnect_until_cut(20);
    cr_expect_eq(counters().cuts[RELAY_RST], 20);
    int fd = dial();
    for (int i = 0; i < 1000; i++)
        echo(fd, "0123456789");
    close(fd);
}

static uint64_t bytes_of_first_cut(void)
{
    int error;
    relay_schedule_bytes(relay, 1, 100000, RELAY_MASK(RELAY_RST), 1);
    int fd = dial();
    char block[1000] = { 0 };
    while (send(fd, block, sizeof block, MSG_NOSIGNAL) > 0 && counters().effective == 0)
        usleep(100);
    get_all(fd, &error);
    close(fd);
    cr_assert(relay_wait_cuts(relay, 1, PATIENCE_MS));
    return counters().bytes[RELAY_TO_BROKER];
}

Test(relay_mute, a_seed_repeats_its_cuts)
{
    uint64_t first = 0;
    for (int i = 0; i < 2; i++) {
        relay_stop(relay);
        server_stop();
        start_relay(true, 6); /* a seed whose first direction is towards the broker */
        uint64_t bytes = bytes_of_first_cut();
        cr_expect(i == 0 || bytes == first);
        first = bytes;
    }
}

Test(relay, a_schedule_can_be_stopped)
{
    relay_schedule(relay, 1, 2, RELAY_MASK_ALL, 0);
    relay_schedule_bytes(relay, 1, 1, RELAY_MASK_ALL, 0);
    usleep(20000);
    relay_schedule_stop(relay);
    int fd = dial();
    usleep(20000);
    echo(fd, "abc");
    close(fd);
}

/* ---- recording ---- */

Test(relay_mute, record_writes_whole_frames)
{
    char prefix[] = "/tmp/test-relay-XXXXXX", path[64], line[512];
    cr_assert_not_null(mkdtemp(prefix));
    snprintf(path, sizeof path, "%s/rec", prefix);
    relay_record(relay, path);
    int fd = dial_preamble();
    send_three(fd);
    wait_received(7 + 21 + 50 + 60);
    close(fd);
    cr_assert(relay_wait_closed(relay, PATIENCE_MS));
    snprintf(path, sizeof path, "%s/rec.1", prefix);
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in);
    size_t lengths[8], n = 0;
    while (fgets(line, sizeof line, in) != NULL)
        if (line[0] == '>' && n < 8) {
            char hex[400];
            cr_assert_eq(sscanf(line, "> %*u %399s", hex), 1);
            lengths[n++] = strlen(hex) / 2;
        }
    fclose(in);
    cr_assert_eq(n, 4);
    size_t expected[] = { 7, 21, 50, 60 };
    cr_expect_arr_eq(lengths, expected, sizeof expected);
    unlink(path);
    rmdir(prefix);
}

/* ---- many things at once ---- */

static void *storm_client(void *argument)
{
    (void)argument;
    uint64_t end = now_ms() + 1000;
    while (now_ms() < end && server.workers < MOST_WORKERS - 8) {
        int fd = dial();
        char block[4096] = { 0 };
        while (now_ms() < end && send(fd, block, sizeof block, MSG_NOSIGNAL) > 0 &&
               readable(fd, 100) && recv(fd, block, sizeof block, 0) > 0)
            ;
        close(fd);
    }
    return NULL;
}

Test(relay, calls_from_outside_and_traffic_do_not_disturb_each_other)
{
    pthread_t client[2];
    struct relay_match match = relay_match_type(RELAY_TO_BROKER, RELAY_ANY_TYPE);
    for (int i = 0; i < 2; i++)
        pthread_create(&client[i], NULL, storm_client, NULL);
    for (int i = 0; i < 20; i++) {
        relay_hold(relay, &match, 1);
        relay_delay(relay, (unsigned)i % 2);
        relay_cut_after(relay, RELAY_TO_CLIENT, 100000, RELAY_RST);
        usleep(20000);
        relay_cut(relay, (enum relay_how)(1 + i % 4));
        relay_release(relay);
        relay_disarm(relay, 0);
    }
    relay_delay(relay, 0);
    for (int i = 0; i < 2; i++)
        pthread_join(client[i], NULL);
    int fd = dial();
    echo(fd, "still here");
    close(fd);
}
