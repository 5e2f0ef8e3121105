#ifndef RAI_NET_RESOLVE_H
#define RAI_NET_RESOLVE_H

#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

/* A name look-up that never blocks: c-ares with socket functions of our own (close-on-exec from the start, no SIGPIPE).
 * Numeric addresses, with scope if any, are answered by rai_resolve_numeric() and need no look-up. */
struct rai_address {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to;
};

/* 1: *out is the address; 0: not numeric */
int rai_resolve_numeric(const char *host, uint16_t port, struct rai_address *out);

struct rai_resolve;
struct rai_resolve *rai_resolve_new(const char *host, uint16_t port); /* begins; NULL: out of memory */
/* 0: goes on; 1: the addresses are there; -1: it failed, see text */
int rai_resolve_step(struct rai_resolve *r);
const char *rai_resolve_text(const struct rai_resolve *r); /* why it failed, static */
int rai_resolve_pollfds(struct rai_resolve *r, struct pollfd *fds, int max);
int64_t rai_resolve_timeout(struct rai_resolve *r, int64_t most_us); /* step again within */
/* After step said 1, once: how many; the array belongs to the caller (rai_free). */
int rai_resolve_take(struct rai_resolve *r, struct rai_address **out);
void rai_resolve_free(struct rai_resolve *r);

#endif
