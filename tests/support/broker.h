/*
 * A real broker for C tests. It runs broker.py (which obtains the distribution) and reads the JSON
 * line that it prints, so everything that is known about brokers stays in that one file.
 *
 * Environment: PYTHON names the interpreter (default python3). REATTACH_BROKER_PORT names a broker
 * that runs already, for tests that only need one: see broker_shared.
 */
#ifndef REATTACH_TESTS_BROKER_H
#define REATTACH_TESTS_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    BROKER_BIG = 1,      /* 1 GB of heap */
    BROKER_SLOW_DISK = 2 /* a sync of the journal takes up to 300 ms */
};

struct broker {
    uint16_t port;
    pid_t pid;       /* of the Java process; 0 when it is not ours or does not run */
    char dir[512];   /* "" for a shared broker */
    bool temporary;  /* the directory was made by broker_start and goes with broker_stop */
    char error[1024];/* what went wrong, from the call that returned false */
};

/* Creates the instance in dir when there is none (NULL: a new directory under TMPDIR) and starts
   it. version: NULL for the default one. Takes seconds. Safe to call for one that runs. */
bool broker_start(struct broker *b, const char *dir, unsigned flags);
bool broker_start_version(struct broker *b, const char *dir, unsigned flags, const char *version);

bool broker_kill9(struct broker *b);   /* returns when the process is gone */
bool broker_resume(struct broker *b);  /* starts it again, on the same port and journal */
bool broker_restart(struct broker *b); /* in order: stop and start */

/* Ends the broker and removes a temporary directory. Leaves a shared one alone. */
void broker_stop(struct broker *b);

/* The broker named by REATTACH_BROKER_PORT; false when there is none. */
bool broker_shared(struct broker *b);

#endif
