#ifndef REATTACH_TESTS_CLIENT_PEER_H
#define REATTACH_TESTS_CLIENT_PEER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A tiny CORE peer on a socket of its own and one thread: enough of a broker for the client room. It has one queue for
 * all addresses: what is sent goes to the consumers in turn. It never re-attaches (sessions are made anew after a cut)
 * and pays no attention to credits.
 */
struct peer;

struct peer *peer_new(void);
uint16_t peer_port(const struct peer *p);
void peer_free(struct peer *p);

/* Controls, from any thread. */
void peer_mute(struct peer *p, bool mute);     /* reads and does nothing with it; what came is answered when it ends */
void peer_stall(struct peer *p, bool stall);   /* does not even read */
void peer_cut(struct peer *p);                 /* closes all connections */
void peer_refuse(struct peer *p, bool refuse); /* accepts and closes at once */
long peer_sends(struct peer *p);               /* SESS_SEND seen */
long peer_connections(struct peer *p);         /* accepted so far */
long peer_open(struct peer *p);                /* connections open now */

#endif
