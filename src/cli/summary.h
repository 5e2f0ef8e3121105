/* What send and receive end with. */
#ifndef REATTACH_CLI_SUMMARY_H
#define REATTACH_CLI_SUMMARY_H

#include "broker.h"

struct summary {
    int64_t messages, confirmed, processed, rejected, not_done, unknown;
    int64_t duplicates, missing, out_of_order;
    int64_t reattached, recreated;
    double seconds, cpu_seconds;
};

/* After broker_close(): takes its figures, prints; the exit status of it all. */
int summary_end(struct summary *summary, const struct broker *broker, const struct settings *settings);

#endif
