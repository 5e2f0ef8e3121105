#ifndef REATTACH_TESTS_ENGINE_WORKLOAD_H
#define REATTACH_TESTS_ENGINE_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* what happens besides cuts */
enum workload_kind { WORKLOAD_CUTS, WORKLOAD_RESTARTS, WORKLOAD_RESTARTS_WITH_DUPLICATE_IDS };

/*
 * Random work of three sessions (sends, a transaction, a consumer) under random cuts, refused dials and, when asked
 * for, restarts of the broker, against the model; then everything settles and is checked: each work has one outcome,
 * and what the broker has stored agrees with it. A violation is a failed assertion.
 *
 * Every choice comes from the seed, or from a script (a fuzzer's): then the work lasts as long as the script does.
 */
void workload_run(uint64_t seed, enum workload_kind kind, const uint8_t *script, size_t size);

#endif
