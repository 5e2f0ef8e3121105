#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/frame.h"
#include "engine/log.h"

/* A frame is its length, its type and an index; the log reads nothing but the length. */
static uint64_t append(struct rai_log *log, size_t size, uint8_t index)
{
    uint8_t *at = rai_log_reserve(log, size);
    cr_assert_not_null(at);
    struct rai_writer w = { at, 0 };
    rai_put_header(&w, RAI_SESS_SEND, 10, size);
    memset(at + RAI_FRAME_HEADER, index, size - RAI_FRAME_HEADER);
    return rai_log_commit(log, size);
}

/* Everything that can be planned, as the frames' indices. */
static size_t plan(struct rai_log *log, uint64_t limit, uint8_t *indices, size_t room)
{
    const uint8_t *run;
    size_t n = 0, size;
    while ((size = rai_log_plan(log, limit, &run)) > 0)
        for (size_t at = 0; at < size; at += rai_frame_size(run + at))
            if (n < room)
                indices[n++] = run[at + RAI_FRAME_HEADER];
    log->written = log->planned;
    return n;
}

static struct rai_log_pool pool;
static struct rai_log test_log;

static void set_up(void)
{
    pool = (struct rai_log_pool){ 0 };
    rai_log_init(&test_log, &pool);
}

static void tear_down(void)
{
    rai_log_destroy(&test_log);
    rai_log_pool_free(&pool);
    cr_assert_eq(rai_alloc_count(), 0);
}

TestSuite(engine_log, .init = set_up, .fini = tear_down);

Test(engine_log, frames_come_out_in_order_across_blocks)
{
    uint8_t got[256];
    for (int i = 0; i < 200; i++)
        append(&test_log, 100 + (size_t)(i % 7) * 400, (uint8_t)i);
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, sizeof got), 200);
    for (int i = 0; i < 200; i++)
        cr_assert_eq(got[i], i);
}

Test(engine_log, a_big_frame_gets_a_block_of_its_own)
{
    uint8_t got[8];
    append(&test_log, 20, 1);
    append(&test_log, 1 << 20, 2);
    append(&test_log, 20, 3);
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, 8), 3);
    cr_assert(got[0] == 1 && got[1] == 2 && got[2] == 3);
    cr_assert(rai_log_drop(&test_log, 1, NULL, NULL));
    cr_assert_eq(rai_log_bytes(&test_log), 20);
}

Test(engine_log, an_empty_log_owns_no_block)
{
    uint8_t got[8];
    append(&test_log, 20, 1);
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, 8), 1);
    cr_assert(rai_log_drop(&test_log, 0, NULL, NULL));
    cr_assert(rai_log_empty(&test_log));
    cr_assert_null(test_log.head);
    cr_assert_null(test_log.tail);
    cr_assert_eq(pool.free_count, 1, "the block is kept for the next session");
}

Test(engine_log, a_reservation_that_is_not_committed_leaves_no_trace)
{
    uint8_t got[8];
    append(&test_log, 16 * 1024 - 200, 1);
    cr_assert_not_null(rai_log_reserve(&test_log, 500));
    append(&test_log, 30000, 2);
    append(&test_log, 20, 3);
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, 8), 3);
    cr_assert(got[0] == 1 && got[1] == 2 && got[2] == 3);
    cr_assert(rai_log_drop(&test_log, 2, NULL, NULL));
    cr_assert_null(test_log.head);
}

Test(engine_log, holes_are_neither_numbered_nor_planned)
{
    uint8_t got[8];
    uint64_t at[6];
    for (int i = 0; i < 6; i++)
        at[i] = append(&test_log, 50, (uint8_t)i);
    cr_assert(rai_log_make_hole(&test_log, at[3]));
    cr_assert(rai_log_make_hole(&test_log, at[0]));
    cr_assert(rai_log_make_hole(&test_log, at[5]));
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, 8), 3);
    cr_assert(got[0] == 1 && got[1] == 2 && got[2] == 4);
    cr_assert_eq(rai_log_number_before(&test_log, at[5]), 2);
    cr_assert(rai_log_drop(&test_log, 1, NULL, NULL));
    cr_assert_eq(test_log.confirmed, at[4], "the hole behind the dropped ones goes with them");
    cr_assert(rai_log_drop(&test_log, 2, NULL, NULL));
    cr_assert(rai_log_empty(&test_log));
}

Test(engine_log, a_log_of_holes_is_empty)
{
    uint64_t a = append(&test_log, 50, 1), b = append(&test_log, 50, 2);
    cr_assert(rai_log_make_hole(&test_log, b));
    cr_assert_not(rai_log_empty(&test_log));
    cr_assert(rai_log_make_hole(&test_log, a));
    cr_assert(rai_log_empty(&test_log));
    cr_assert_eq(test_log.first, 0, "nothing was counted");
}

Test(engine_log, planning_stops_at_the_limit_and_goes_on_there)
{
    uint8_t got[8];
    append(&test_log, 50, 1);
    uint64_t second = append(&test_log, 50, 2);
    append(&test_log, 50, 3);
    cr_assert_eq(plan(&test_log, second, got, 8), 1);
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, 8), 2);
    cr_assert(got[0] == 2 && got[1] == 3);
}

Test(engine_log, replay_begins_behind_what_was_dropped)
{
    uint8_t got[300];
    for (int i = 0; i < 250; i++)
        append(&test_log, 500, (uint8_t)i);
    plan(&test_log, UINT64_MAX, got, sizeof got);
    cr_assert(rai_log_drop(&test_log, 99, NULL, NULL));
    rai_log_link_lost(&test_log);
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, sizeof got), 150);
    cr_assert_eq(got[0], 100);
}

Test(engine_log, a_frame_cut_in_the_middle_counts_as_never_written)
{
    uint8_t got[8];
    append(&test_log, 50, 1);
    uint64_t second = append(&test_log, 50, 2);
    plan(&test_log, UINT64_MAX, got, 8);
    test_log.written = second + 49;
    rai_log_link_lost(&test_log);
    cr_assert_eq(test_log.written, second);
    cr_assert_not(rai_log_drop(&test_log, 1, NULL, NULL), "the broker cannot have counted it");
}

Test(engine_log, a_count_behind_what_was_written_is_impossible)
{
    append(&test_log, 50, 1);
    cr_assert_not(rai_log_drop(&test_log, 0, NULL, NULL));
}

Test(engine_log, an_old_count_drops_nothing)
{
    uint8_t got[8];
    for (int i = 0; i < 4; i++)
        append(&test_log, 50, (uint8_t)i);
    plan(&test_log, UINT64_MAX, got, 8);
    cr_assert(rai_log_drop(&test_log, 2, NULL, NULL));
    cr_assert(rai_log_drop(&test_log, 0, NULL, NULL));
    cr_assert(rai_log_drop(&test_log, UINT32_MAX, NULL, NULL));
    cr_assert_eq(rai_log_bytes(&test_log), 50);
    cr_assert_eq(test_log.first, 3);
}

/* Starts the numbering shortly before a border of 32-bit arithmetic and walks over it. */
static void walk_over(uint32_t border)
{
    uint8_t got[32];
    test_log.first = border - 5;
    for (uint32_t i = 0; i < 10; i++)
        append(&test_log, 50, (uint8_t)i);
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, sizeof got), 10);
    cr_assert(rai_log_drop(&test_log, border - 2, NULL, NULL));
    cr_assert_eq(rai_log_bytes(&test_log), 6 * 50);
    cr_assert(rai_log_drop(&test_log, border - 4, NULL, NULL), "an old one");
    cr_assert_eq(rai_log_bytes(&test_log), 6 * 50);
    cr_assert(rai_log_drop(&test_log, border + 3, NULL, NULL));
    cr_assert_eq(rai_log_bytes(&test_log), 50);
    cr_assert_eq(rai_log_number_before(&test_log, test_log.end), border + 4);
    cr_assert(rai_log_drop(&test_log, border + 4, NULL, NULL));
    cr_assert(rai_log_empty(&test_log));
}

Test(engine_log, numbers_go_on_at_2_to_the_31)
{
    walk_over(UINT32_C(1) << 31);
}

Test(engine_log, numbers_go_on_at_2_to_the_32)
{
    walk_over(0);
}

static void count_visit(void *ctx, const uint8_t *frame, size_t size)
{
    int *sum = ctx;
    cr_assert_eq(size, 50);
    *sum += frame[RAI_FRAME_HEADER];
}

Test(engine_log, repair_drops_to_an_offset_and_takes_the_number_given)
{
    uint8_t got[8];
    uint64_t at[4];
    int sum = 0;
    for (int i = 0; i < 4; i++)
        at[i] = append(&test_log, 50, (uint8_t)(1 << i));
    plan(&test_log, UINT64_MAX, got, 8);
    cr_assert(rai_log_make_hole(&test_log, at[1]));
    rai_log_repair(&test_log, at[3], 77, count_visit, &sum);
    cr_assert_eq(sum, 1 + 4, "holes are not visited");
    cr_assert_eq(rai_log_number_before(&test_log, test_log.end), 77);
}

Test(engine_log, pinned_blocks_are_not_used_again)
{
    uint8_t got[8];
    const uint8_t *run;
    append(&test_log, 50, 9);
    cr_assert_eq(rai_log_plan(&test_log, UINT64_MAX, &run), 50);
    test_log.written = test_log.planned;
    rai_log_pin(&pool);
    cr_assert(rai_log_drop(&test_log, 0, NULL, NULL));
    append(&test_log, 50, 7);
    cr_assert_eq(run[RAI_FRAME_HEADER], 9, "a writer still reads it");
    cr_assert_eq(pool.free_count, 0);
    rai_log_unpin(&pool);
    cr_assert_eq(pool.free_count, 1);
    cr_assert_eq(plan(&test_log, UINT64_MAX, got, 8), 1);
    cr_assert_eq(got[0], 7);
}

/* Against a plain array: appends, plans, confirmations, holes, lost links in random order. */
Test(engine_log, it_agrees_with_an_array)
{
    enum { MAX = 4000 };
    static uint64_t offsets[MAX];
    static uint8_t state[MAX]; /* 0: in the log, 1: hole, 2: dropped */
    unsigned seed = 7;
    for (int round = 0; round < 20; round++) {
        int end = 0, head = 0, planned = 0;
        memset(state, 0, sizeof state);
        rai_log_clear(&test_log);
        while (end < MAX) {
            seed = seed * 1103515245 + 12345;
            unsigned what = seed >> 28, n = (seed >> 16) & 15;
            for (unsigned i = 0; what < 8 && i <= n && end < MAX; i++, end++)
                offsets[end] = append(&test_log, 20 + (seed >> 8) % 3000, (uint8_t)end);
            uint8_t got[MAX];
            if (what >= 8 && what < 11) {
                size_t count = plan(&test_log, UINT64_MAX, got, sizeof got), k = 0;
                for (; planned < end; planned++)
                    if (state[planned] == 0)
                        cr_assert_eq(got[k++], (uint8_t)planned);
                cr_assert_eq(k, count);
            } else if (what == 11 && end > head) {
                int at = head + (int)(n % (unsigned)(end - head));
                if (state[at] == 0 && rai_log_make_hole(&test_log, offsets[at]))
                    state[at] = 1;
            } else if (what > 11 && what < 15) {
                uint32_t number = test_log.first - 1;
                for (unsigned i = 0; i < n && head < planned; head++)
                    if (state[head] == 0) {
                        number++, i++;
                        state[head] = 2;
                    }
                cr_assert(rai_log_drop(&test_log, number, NULL, NULL));
            } else if (what == 15) {
                rai_log_link_lost(&test_log);
                planned = head;
            }
            while (head < end && state[head] != 0)
                head++;
            planned = planned < head ? head : planned;
            cr_assert_eq(test_log.confirmed, head == end ? test_log.end : offsets[head], "round %d at %d", round, end);
            cr_assert_eq(rai_log_empty(&test_log), test_log.head == NULL);
        }
    }
}
