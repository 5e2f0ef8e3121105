/* The recovery's states: the input chooses work, cuts, refused dials, restarts, answers lost and late; see
 * engine/workload.h for what has to be true of it. */
#include "engine/workload.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_input in = { bytes, bytes + size };
    bool restarts = fuzz_byte(&in) % 2 != 0;
    workload_run(1, restarts, in.at, fuzz_left(&in));
    return 0;
}
