#include "times.h"

#include <stdlib.h>

bool times_open(struct times *times, int64_t room)
{
    *times = (struct times){ .room = room, .ms = malloc((size_t)room * sizeof *times->ms) };
    return times->ms != NULL;
}

void times_add(struct times *times, double ms)
{
    if (times->count < times->room)
        times->ms[times->count++] = ms;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double times_at(struct times *times, double share)
{
    if (times->count == 0)
        return 0;
    qsort(times->ms, (size_t)times->count, sizeof *times->ms, compare);
    return times->ms[(int64_t)(share * (double)(times->count - 1) + 0.5)];
}

void times_close(struct times *times)
{
    free(times->ms);
}
