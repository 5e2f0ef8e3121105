#ifndef RAI_MOCK_SPEC_H
#define RAI_MOCK_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

/* The texts that options and faults are given in: words and NAME=VALUE, separated by commas. Who reads one goes through
 * its pieces and takes each; what is wrong ends up in the fault, with the whole text. */
enum { RAI_MOCK_WORD = 256 };

struct rai_mock_spec {
    const char *text, *at;
    char name[RAI_MOCK_WORD], value[RAI_MOCK_WORD]; /* of the present piece */
    bool has_value;
    struct rai_fault *fault;
};

struct rai_mock_range {
    int64_t from, to;
};

/* true: there is one more piece. A piece that is not acceptable sets the fault's code and ends it. */
bool rai_mock_spec_next(struct rai_mock_spec *s);
bool rai_mock_spec_wrong(struct rai_mock_spec *s, const char *wanted); /* false, and says what was wanted instead */
/* The present value as a number; false: it has complained. */
bool rai_mock_spec_number(struct rai_mock_spec *s, int64_t min, int64_t max, int64_t *out);
bool rai_mock_spec_range(struct rai_mock_spec *s, int64_t min, int64_t max, struct rai_mock_range *out);
/* The place of the value in a list of words ("a|b|c"), from 0; -1: it has complained. */
int rai_mock_spec_word(struct rai_mock_spec *s, const char *words);

#endif
