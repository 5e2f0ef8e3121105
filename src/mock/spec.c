#include "mock/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_over(const struct rai_mock_spec *s)
{
    return s->fault->code != RA_OK;
}

static int hex(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    if (found == NULL)
        return -1;
    return (int)(found - digits) < 16 ? (int)(found - digits) : (int)(found - digits) - 6;
}

/* Copies what is between two places, with %XX decoded; false: it does not fit, or is no text. */
static bool decode(const char *from, const char *end, char out[RAI_MOCK_WORD])
{
    size_t size = 0;
    for (; from < end; from++) {
        char c = *from;
        if (c == '%') {
            if (end - from < 3 || hex(from[1]) < 0 || hex(from[2]) < 0)
                return false;
            c = (char)(16 * hex(from[1]) + hex(from[2]));
            from += 2;
        }
        if (c == '\0' || size + 1 >= RAI_MOCK_WORD)
            return false;
        out[size++] = c;
    }
    out[size] = '\0';
    return true;
}

bool rai_mock_spec_wrong(struct rai_mock_spec *s, const char *wanted)
{
    if (!is_over(s))
        rai_fault_set(s->fault, RA_E_OPTION, "\"%.80s\": %s%s%s is not acceptable; %s", s->text, s->name,
                      s->has_value ? "=" : "", s->has_value ? s->value : "", wanted);
    return false;
}

bool rai_mock_spec_next(struct rai_mock_spec *s)
{
    if (s->at == NULL)
        s->at = s->text != NULL ? s->text : "";
    if (is_over(s) || *s->at == '\0')
        return false;
    const char *end = s->at + strcspn(s->at, ","), *equals = memchr(s->at, '=', (size_t)(end - s->at));
    s->has_value = equals != NULL;
    s->value[0] = s->name[0] = '\0';
    if (!decode(s->at, equals != NULL ? equals : end, s->name) ||
        (equals != NULL && !decode(equals + 1, end, s->value)))
        return rai_mock_spec_wrong(s, "it is too long, or has a % that is not %XX");
    if (s->name[0] == '\0')
        return rai_mock_spec_wrong(s, "a word or NAME=VALUE was expected between commas");
    s->at = *end == ',' ? end + 1 : end;
    return true;
}

static bool read_number(const char *text, const char **end, int64_t min, int64_t max, int64_t *out)
{
    char *after;
    if ((*text < '0' || *text > '9') && *text != '-')
        return false;
    *out = strtoll(text, &after, 10);
    *end = after;
    return after > text && *out >= min && *out <= max;
}

static bool number_wanted(struct rai_mock_spec *s, int64_t min, int64_t max, const char *or_range)
{
    char wanted[96];
    snprintf(wanted, sizeof wanted, "wanted: a number from %lld to %lld%s", (long long)min, (long long)max, or_range);
    return rai_mock_spec_wrong(s, wanted);
}

bool rai_mock_spec_number(struct rai_mock_spec *s, int64_t min, int64_t max, int64_t *out)
{
    const char *end = "x";
    return (read_number(s->value, &end, min, max, out) && *end == '\0') || number_wanted(s, min, max, "");
}

bool rai_mock_spec_range(struct rai_mock_spec *s, int64_t min, int64_t max, struct rai_mock_range *out)
{
    const char *end = "x";
    bool good = read_number(s->value, &end, min, max, &out->from);
    out->to = out->from;
    if (good && strncmp(end, "..", 2) == 0)
        good = read_number(end + 2, &end, out->from, max, &out->to);
    return (good && *end == '\0') || number_wanted(s, min, max, ", or two of them: N..M");
}

int rai_mock_spec_word(struct rai_mock_spec *s, const char *words)
{
    size_t size = strlen(s->value);
    int place = 0;
    for (const char *word = words; size > 0; word++, place++) {
        size_t n = strcspn(word, "|");
        if (n == size && strncmp(word, s->value, n) == 0)
            return place;
        word += n;
        if (*word == '\0')
            break;
    }
    char wanted[128];
    snprintf(wanted, sizeof wanted, "wanted: %s", words);
    rai_mock_spec_wrong(s, wanted);
    return -1;
}
