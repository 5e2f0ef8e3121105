#ifndef RAI_NET_DIAL_H
#define RAI_NET_DIAL_H

#include <poll.h>
#include <stdint.h>

#include "base/fault.h"

/*
 * One attempt to connect: host name -> addresses (c-ares; numeric ones skip it) -> the addresses in order, each with
 * its share of the time that is left. Nothing here waits: poll what rai_dialer_pollfds() names until
 * rai_dialer_deadline(), then step; it does not matter which of them was ready. Stepped by one thread at a time. Times
 * in microseconds on one clock that never goes back.
 */
struct rai_dialer;
enum { RAI_DIALER_FDS = 16 }; /* at most so many descriptors at a time */

struct rai_dialer *rai_dialer_new(const char *host, uint16_t port, int64_t timeout_us,
                                  int64_t now); /* NULL: no memory */
/* 0: goes on; 1: connected, see rai_dialer_take(); negative: over, *fault says why (RA_E_RESOLVE, RA_E_CONNECT,
 * RA_E_CONNECT_TIMEOUT, RA_E_NO_MEMORY), further steps say the same code. The first step begins the work. */
int rai_dialer_step(struct rai_dialer *d, int64_t now, struct rai_fault *fault);
int rai_dialer_pollfds(struct rai_dialer *d, struct pollfd fds[RAI_DIALER_FDS]); /* how many */
int64_t rai_dialer_deadline(struct rai_dialer *d, int64_t now);                  /* step again then at the latest */
/* The connected descriptor: non-blocking, close-on-exec, TCP_NODELAY, SO_KEEPALIVE; the caller's from now on. */
int rai_dialer_take(struct rai_dialer *d);
void rai_dialer_free(struct rai_dialer *d); /* in any state; NULL is fine */

#endif
