/* Random work under random cuts, against the broker model, on virtual time. A failing seed is printed; it runs alone
 * with ENGINE_SEED=n in the environment. */
#include <stdlib.h>

#include "support/test.h"
#include "workload.h"

static void run_seed(uint64_t seed, enum workload_kind kind)
{
    workload_run(seed, kind, NULL, 0);
}

static void run_seeds(uint64_t count, enum workload_kind kind)
{
    const char *one = getenv("ENGINE_SEED"), *many = getenv("ENGINE_SEEDS");
    if (one != NULL) {
        run_seed(strtoull(one, NULL, 10), kind);
        return;
    }
    if (many != NULL)
        count = strtoull(many, NULL, 10);
    for (uint64_t seed = 1; seed <= count; seed++)
        run_seed(seed, kind);
}

Test(engine_random, cuts_lose_nothing_and_double_nothing, .timeout = 240)
{
    run_seeds(2000 / TEST_SLOWER, WORKLOAD_CUTS);
}

Test(engine_random, restarts_of_the_broker_are_told_truthfully, .timeout = 240)
{
    run_seeds(2000 / TEST_SLOWER, WORKLOAD_RESTARTS);
}

Test(engine_random, sends_with_duplicate_ids_survive_restarts_once_and_without_doubt, .timeout = 240)
{
    run_seeds(2000 / TEST_SLOWER, WORKLOAD_RESTARTS_WITH_DUPLICATE_IDS);
}
