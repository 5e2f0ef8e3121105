#ifndef REATTACH_TESTS_FUZZ_FUZZ_H
#define REATTACH_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A target is one file: fuzz_NAME.c with LLVMFuzzerTestOneInput(). It becomes `fuzz_NAME` with libFuzzer (preset fuzz)
 * and `replay_NAME`, which runs given files once, with every compiler. What it finds wrong ends the process.
 */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FUZZ_CHECK(C, ...) ((C) ? (void)0 : fuzz_wrong(__FILE__, __LINE__, #C, " " __VA_ARGS__))
_Noreturn void fuzz_wrong(const char *file, int line, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Taking an input apart from its front; at its end everything is 0. */
struct fuzz_input {
    const uint8_t *at, *end;
};

static inline size_t fuzz_left(const struct fuzz_input *in)
{
    return (size_t)(in->end - in->at);
}

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* At most `size` bytes; *got says how many. */
static inline const uint8_t *fuzz_bytes(struct fuzz_input *in, size_t size, size_t *got)
{
    const uint8_t *at = in->at;
    *got = size < fuzz_left(in) ? size : fuzz_left(in);
    in->at += *got;
    return at;
}

#endif
