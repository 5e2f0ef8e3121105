#ifndef RAI_NET_SOCKET_H
#define RAI_NET_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/fault.h"

/* Reading and writing a connected, non-blocking stream socket: the bytes moved, 0 for the end of the stream (reading),
 * or -errno; -EAGAIN: not now. Never SIGPIPE, never EINTR. */
ssize_t rai_socket_read(int fd, void *out, size_t size);
ssize_t rai_socket_write(int fd, const struct iovec *pieces, int count);
/* The kernel gives the connection up when what was written has not been taken for so long. */
void rai_socket_limit_silence(int fd, int64_t limit_us);
void rai_socket_close(int fd); /* -1 is fine */

/* What an end of reading or writing means: error 0 (end of file) is RA_E_LINK_CLOSED, an errno RA_E_LINK_LOST. Fills
 * *fault, names host:port, and returns the code. */
int rai_socket_fault(struct rai_fault *fault, const char *host, uint16_t port, int error);

#endif
