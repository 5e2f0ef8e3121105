/* The recovery's states: the input chooses work, cuts, refused dials, restarts, answers lost and late; see
 * engine/workload.h for what has to be true of it. */
#include "engine/workload.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_input in = { bytes, bytes + size };
    enum workload_kind kind = (enum workload_kind)(fuzz_byte(&in) % 3);
    workload_run(1, kind, in.at, fuzz_left(&in));
    return 0;
}
