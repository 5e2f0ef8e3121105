#include "net/wake.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int rai_wake_open(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void rai_wake_set(int fd)
{
    uint64_t one = 1;
    /* EAGAIN would need 2^64 - 2 unread signals, and then it is readable anyway */
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void rai_wake_clear(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}
