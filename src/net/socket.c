#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t rai_socket_read(int fd, void *out, size_t size)
{
    ssize_t n;
    do
        n = recv(fd, out, size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return n;
}

ssize_t rai_socket_write(int fd, const struct iovec *pieces, int count)
{
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = (struct iovec *)(uintptr_t)pieces; /* the call does not write to it */
    message.msg_iovlen = (size_t)count;
    ssize_t n;
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return n;
}

void rai_socket_limit_silence(int fd, int64_t limit_us)
{
    unsigned limit_ms = limit_us / 1000 < INT32_MAX ? (unsigned)(limit_us / 1000) : INT32_MAX;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms); /* the engine watches as well */
}

void rai_socket_close(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* with EINTR the descriptor is gone as well */
}

int rai_socket_fault(struct rai_fault *fault, const char *host, uint16_t port, int error)
{
    char endpoint[RAI_FAULT_ENDPOINT], reason[96];
    int code;
    rai_endpoint_text(endpoint, sizeof endpoint, host, port);
    if (error == 0)
        code = rai_fault_set(fault, RA_E_LINK_CLOSED, "%s closed the connection", endpoint);
    else
        code = rai_fault_set(fault, RA_E_LINK_LOST, "the connection to %s was lost: %s", endpoint,
                             strerror_r(error, reason, sizeof reason));
    if (fault)
        memcpy(fault->endpoint, endpoint, sizeof endpoint);
    return code;
}
