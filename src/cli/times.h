/* Durations, and how they are spread. */
#ifndef REATTACH_CLI_TIMES_H
#define REATTACH_CLI_TIMES_H

#include <stdbool.h>
#include <stdint.h>

struct times {
    double *ms;
    int64_t count, room;
};

bool times_open(struct times *times, int64_t room);
void times_add(struct times *times, double ms); /* not more than there is room */
/* The value below which this share (0 to 1) of them lies; 0 without any. */
double times_at(struct times *times, double share);
void times_close(struct times *times);

#endif
