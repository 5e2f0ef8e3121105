#ifndef RAI_MOCK_SERVER_H
#define RAI_MOCK_SERVER_H

#include <reattach/mock.h>

#include "mock/mock.h"
#include "mock/order.h"

/*
 * The mock on a port: sockets, a thread, a clock, and the faults that a network has. Every function may be called from
 * any thread; what it does is done when it returns.
 */
struct rai_mock_server;

struct rai_mock_settings {
    int64_t port, seed, version, sync_ms, lost, doubled;
};

/* NULL: see *fault. */
struct rai_mock_server *rai_mock_server_start(const struct rai_mock_settings *settings, struct rai_fault *fault);
void rai_mock_server_stop(struct rai_mock_server *s); /* twice is fine */
void rai_mock_server_free(struct rai_mock_server *s);
uint16_t rai_mock_server_port(const struct rai_mock_server *s);

/* false: it was stopped, and nothing was done. */
bool rai_mock_server_fault(struct rai_mock_server *s, const struct rai_mock_order *order);
bool rai_mock_server_clear(struct rai_mock_server *s);

/* The engine, until it is given back: nothing happens meanwhile. */
rai_mock *rai_mock_server_borrow(struct rai_mock_server *s);
void rai_mock_server_return(struct rai_mock_server *s);

int64_t rai_mock_server_count(struct rai_mock_server *s, enum ra_mock_stat id);
/* RA_OK, RA_E_TIMEOUT, RA_E_CLOSED */
int rai_mock_server_wait(struct rai_mock_server *s, enum ra_mock_stat id, int64_t at_least, int64_t timeout_ms);

#endif
