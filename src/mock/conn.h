#ifndef RAI_MOCK_CONN_H
#define RAI_MOCK_CONN_H

#include "mock/mock.h"

/* The client's end of one of the engine's links: a socket. Who calls holds the server's lock. */
enum rai_mock_conn_state {
    RAI_MOCK_CONN_OPEN,
    RAI_MOCK_CONN_DRAINING, /* we have ended it, and read until the client has, too */
    RAI_MOCK_CONN_DEAF,     /* nothing goes through any more */
    RAI_MOCK_CONN_GONE
};

struct rai_mock_conn {
    struct rai_mock_conn *next;
    uint64_t id; /* in the poll set */
    int fd, poll;
    rai_mock *engine;
    uint32_t link;
    enum rai_mock_conn_state state;
    bool readable;     /* the kernel says so */
    bool waits;        /* for room to write */
    int64_t settle_by; /* it ends when the kernel has sent everything, or then; 0: it does not end */
};

/* NULL: there is no such connection any more. */
struct rai_mock_conn *rai_mock_conn_new(rai_mock *engine, uint32_t link, int fd, int poll, uint64_t id);
void rai_mock_conn_read(struct rai_mock_conn *c);
/* Writes what there is, and ends it where the engine has. Returns whether it was cut just now. */
bool rai_mock_conn_write(struct rai_mock_conn *c, int64_t now);
int64_t rai_mock_conn_deadline(const struct rai_mock_conn *c, int64_t now); /* INT64_MAX: none */
void rai_mock_conn_reset(struct rai_mock_conn *c);                          /* the socket alone; gone is fine */
void rai_mock_reset_socket(int fd);

#endif
