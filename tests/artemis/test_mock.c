/* The Java client with the mock as its broker: the judge of the mock's wire format and of how it re-attaches. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <reattach/mock.h>

#include "kit.h"

#include "java.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ra_mock *start(const char *queue)
{
    ra_mock *mock = NULL;
    GOOD(ra_mock_start(NULL, &mock, &err));
    if (queue != NULL)
        GOOD(ra_mock_create_queue(mock, queue, NULL, &err));
    return mock;
}

static long long counter(ra_mock *mock, int32_t id)
{
    int64_t value = -1;
    GOOD(ra_mock_count(mock, id, &value, &err));
    return value;
}

static void expect(const char *said, const char *part)
{
    cr_assert_not_null(strstr(said, part), "%s", said);
}

static void run(const char *words, const char *expected)
{
    char said[8192];
    cr_assert_eq(java_run(words, said, sizeof said), 0, "%s", said);
    expect(said, expected);
}

ArtemisTest(mock, what_the_java_client_sends__it_gets_back_in_every_detail)
{
    char words[128];
    ra_mock *mock = start("q");
    snprintf(words, sizeof words, "Peer send --port %d --queue q", ra_mock_port(mock));
    run(words, "{\"sent\":39}");
    snprintf(words, sizeof words, "Peer check --port %d --queue q", ra_mock_port(mock));
    run(words, "{\"cases\":39,\"good\":39}");
    ra_mock_free(mock);
}

static void await_more(ra_mock *mock, int32_t id, int64_t more)
{
    GOOD(ra_mock_wait(mock, id, counter(mock, id) + more, PATIENCE_MS, &err));
}

/* The Java client does not recover by itself from a cut while it sets up its sessions, nor from one while it
 * recovers: each comes when messages flow on both its connections. */
static void cut_now_and_then(ra_mock *mock, struct relay *relay, int cuts)
{
    static const enum relay_how hows[] = { RELAY_RST, RELAY_FIN, RELAY_ABANDON };
    for (int i = 0; i < cuts; i++) {
        await_more(mock, RA_MOCK_STAT_STORED, 50);
        await_more(mock, RA_MOCK_STAT_CONSUMED, 50);
        cr_assert_eq(relay_cut(relay, hows[i % 3]), 2);
        GOOD(ra_mock_wait(mock, RA_MOCK_STAT_REATTACHED, 2 * (i + 1), PATIENCE_MS, &err));
    }
}

/* Its standard input is a fifo: it sends until we close our end. */
static FILE *start_transfer(const char *ack, uint16_t port, int32_t direct, int *input)
{
    char place[] = "/tmp/reattach-java-XXXXXX", fifo[64], words[320];
    cr_assert_not_null(mkdtemp(place));
    snprintf(fifo, sizeof fifo, "%s/stdin", place);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    snprintf(words, sizeof words,
             "Reference transfer --port %u --direct %d --queue q --count 100000 --rate 500 --ack %s --limit 60 --idle "
             "10 --until-eof 1 < %s",
             port, direct, ack, fifo);
    FILE *java = java_start(words);
    *input = open(fifo, O_WRONLY | O_CLOEXEC); /* waits for the other end */
    unlink(fifo);
    rmdir(place);
    return java;
}

/* Left alone the mock stores at once and loses no answer, so the Java client, which does not look twice, is exact. */
static void transfers_through_cuts(const char *ack)
{
    char said[8192];
    int input, sent = -1, confirmed = -1, received = -1;
    ra_mock *mock = start(NULL);
    struct relay_options options = { .target = (uint16_t)ra_mock_port(mock) };
    struct relay *relay = relay_start(&options, said, sizeof said);
    cr_assert_not_null(relay, "%s", said);
    FILE *java = start_transfer(ack, relay_port(relay), ra_mock_port(mock), &input);
    cut_now_and_then(mock, relay, 6);
    close(input);
    cr_assert_eq(java_finish(java, said, sizeof said), 0, "%s", said);
    const char *summary = strstr(said, "{\"sent\"");
    cr_assert_not_null(summary, "%s", said);
    sscanf(summary, "{\"sent\":%d,\"confirmed\":%d,\"received\":%d", &sent, &confirmed, &received);
    cr_assert(sent >= 300 && confirmed == sent && received == sent, "%s", said);
    expect(summary,
           "\"lost\":0,\"confirmed_lost\":0,\"left\":0,\"doubled\":0,\"out_of_order\":0,\"refused\":0,\"errors\":0");
    relay_stop(relay);
    cr_assert_eq(counter(mock, RA_MOCK_STAT_NOT_FOUND), 0);
    ra_mock_free(mock);
}

ArtemisTest(mock, the_java_client__acknowledges_through_cuts)
{
    transfers_through_cuts("individual");
}

ArtemisTest(mock, the_java_client__commits_through_cuts)
{
    transfers_through_cuts("transacted");
}
