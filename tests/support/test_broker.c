/* A broker is started, killed, started again and leaves nothing behind. Takes about 15 s. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "support/broker.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool reachable(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool result = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return result;
}

/* A process that has ended but was not yet collected by init still has a number. */
static bool alive(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return false;
    cr_assert_eq(fscanf(in, "%*d (%*[^)]) %c", &state), 1);
    fclose(in);
    return state != 'Z' && state != 'X';
}

Test(broker, lives_dies_and_lives_again, .timeout = 240)
{
    struct broker b;
    cr_assert(broker_start(&b, NULL, 0), "%s", b.error);
    uint16_t port = b.port;
    pid_t first = b.pid;
    cr_expect(reachable(port));
    cr_expect_gt(first, 1);

    cr_assert(broker_kill9(&b), "%s", b.error);
    cr_expect_not(reachable(port));
    cr_expect_not(alive(first));

    cr_assert(broker_resume(&b), "%s", b.error);
    cr_expect_eq(b.port, port);
    cr_expect_neq(b.pid, first);
    cr_expect(reachable(port));

    char dir[sizeof b.dir];
    pid_t second = b.pid;
    snprintf(dir, sizeof dir, "%s", b.dir);
    broker_stop(&b);
    cr_expect_not(reachable(port));
    cr_expect_not(alive(second));
    cr_expect_neq(access(dir, F_OK), 0);
}

Test(broker, a_failure_tells_its_reason, .timeout = 60)
{
    struct broker b;
    setenv("PYTHON", "/nonexistent/python", 1);
    cr_expect_not(broker_start(&b, NULL, 0));
    unsetenv("PYTHON");
    cr_expect_neq(b.error[0], '\0');
}

Test(broker, a_shared_broker_is_found_by_its_port)
{
    struct broker b;
    setenv("REATTACH_BROKER_PORT", "61616", 1);
    cr_assert(broker_shared(&b));
    cr_expect_eq(b.port, 61616);
    broker_stop(&b); /* is not ours to stop */
    unsetenv("REATTACH_BROKER_PORT");
    cr_expect_not(broker_shared(&b));
}
