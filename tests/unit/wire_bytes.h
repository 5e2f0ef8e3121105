#ifndef TESTS_UNIT_WIRE_BYTES_H
#define TESTS_UNIT_WIRE_BYTES_H

#include <stdint.h>

#include "codec/frame.h"

/* Bytes in a heap block of exactly their size, so that AddressSanitizer sees a read behind them. */
struct bytes {
    uint8_t *data;
    size_t size;
};

struct bytes bytes_of(const char *hex); /* anything but hex digits is skipped */
struct bytes bytes_copy(const uint8_t *data, size_t size);
void bytes_free(struct bytes b);
bool bytes_equal(struct bytes a, struct bytes b);
char *bytes_hex(struct bytes b); /* for messages; free() */

/* The whole of b must be one frame. */
struct rai_frame frame_of(struct bytes b);
struct rai_reader reader_of(struct bytes b);

/* Runs CALL, which uses `w` and `size`, first counting, then writing into exactly the counted room. */
#define ENCODE(RESULT, CALL)                                                            \
    do {                                                                                \
        struct rai_writer writer_ = { NULL, 0 };                                        \
        struct rai_writer *w = &writer_;                                                \
        size_t size = 0;                                                                \
        CALL;                                                                           \
        size = writer_.size;                                                            \
        (RESULT).data = malloc(size == 0 ? 1 : size);                                   \
        (RESULT).size = size;                                                           \
        writer_ = (struct rai_writer){ (RESULT).data, 0 };                              \
        CALL;                                                                           \
        cr_assert_eq(writer_.size, size, "counted %zu, wrote %zu", size, writer_.size); \
        cr_assert_eq(writer_.at, (RESULT).data + size, "the writer stands elsewhere");  \
    } while (0)

#define CHECK_ENCODES(HEX, CALL)                                     \
    do {                                                             \
        struct bytes expected_ = bytes_of(HEX);                      \
        struct bytes got_;                                           \
        ENCODE(got_, CALL);                                          \
        char *shown_ = bytes_hex(got_);                              \
        cr_assert(bytes_equal(expected_, got_), "wrote %s", shown_); \
        free(shown_);                                                \
        bytes_free(got_);                                            \
        bytes_free(expected_);                                       \
    } while (0)

#endif
