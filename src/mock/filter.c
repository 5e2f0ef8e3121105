/*
 * Filters: comparisons of a property or header with a number, a text or a truth value, IS [NOT] NULL, NOT, AND, OR and
 * parentheses. A property that is not there, or of another kind, makes a comparison neither true nor false, as in SQL.
 * A filter is read anew for each message: they are short.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf.h"
#include "codec/bytes.h"
#include "codec/properties.h"
#include "mock/inside.h"

enum { DEPTH_MAX = 40 };

enum truth { NO, UNKNOWN, YES }; /* AND is the smaller one, OR the larger */

enum kind { NOTHING, NUMBER, TEXT, BOOLEAN };

struct value {
    enum kind kind;
    double number; /* BOOLEAN: 0 or 1 */
    char text[RAI_MOCK_NAME];
};

struct filter {
    const char *at;
    const struct rai_mock_message *message; /* NULL: only the form is checked */
    bool bad;
    int depth;
};

/* --- words --- */

static void skip_space(struct filter *f)
{
    while (isspace((unsigned char)*f->at))
        f->at++;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '.';
}

static size_t name_length(const struct filter *f)
{
    size_t n = 0;
    while (is_name(f->at[n]))
        n++;
    return n;
}

static bool take_word(struct filter *f, const char *word)
{
    skip_space(f);
    size_t n = name_length(f);
    if (n != strlen(word) || strncasecmp(f->at, word, n) != 0)
        return false;
    f->at += n;
    return true;
}

static bool take_sign(struct filter *f, const char *sign)
{
    skip_space(f);
    if (strncmp(f->at, sign, strlen(sign)) != 0)
        return false;
    f->at += strlen(sign);
    return true;
}

static enum truth bad(struct filter *f)
{
    f->bad = true;
    return UNKNOWN;
}

/* --- values --- */

static void set_text(struct value *v, struct rai_sstr s)
{
    if (s.size % 2 != 0 || rai_utf16le_utf8_size(s.data, s.size) >= sizeof v->text)
        return;
    v->kind = TEXT;
    v->text[rai_utf16le_to_utf8(s.data, s.size, v->text)] = '\0';
}

static void set_number(struct value *v, double number)
{
    v->kind = NUMBER;
    v->number = number;
}

static double as_double(const uint8_t *bytes, size_t size)
{
    uint64_t wide = size == 8 ? rai_load64(bytes) : rai_load32(bytes);
    uint32_t narrow = (uint32_t)wide;
    double d;
    float s;
    memcpy(&d, &wide, sizeof d);
    memcpy(&s, &narrow, sizeof s);
    return size == 8 ? d : (double)s;
}

static void set_property(struct value *v, const struct rai_property *p)
{
    switch (p->tag) {
    case RAI_TAG_BOOLEAN:
        set_number(v, p->value[0] != 0);
        v->kind = BOOLEAN;
        break;
    case RAI_TAG_BYTE:
        set_number(v, (int8_t)p->value[0]);
        break;
    case RAI_TAG_SHORT:
        set_number(v, (int16_t)rai_load16(p->value));
        break;
    case RAI_TAG_INT:
        set_number(v, (int32_t)rai_load32(p->value));
        break;
    case RAI_TAG_LONG:
        set_number(v, (double)(int64_t)rai_load64(p->value));
        break;
    case RAI_TAG_FLOAT:
    case RAI_TAG_DOUBLE:
        set_number(v, as_double(p->value, p->value_size));
        break;
    case RAI_TAG_STRING:
        set_text(v, (struct rai_sstr){ p->value, p->value_size });
        break;
    default:
        break;
    }
}

static void set_plain(struct value *v, const char *text)
{
    v->kind = TEXT;
    snprintf(v->text, sizeof v->text, "%s", text);
}

static bool set_header(struct value *v, const char *name, const struct rai_mock_message *m)
{
    if (strcmp(name, "AMQPriority") == 0)
        set_number(v, m->priority);
    else if (strcmp(name, "AMQTimestamp") == 0)
        set_number(v, (double)m->timestamp);
    else if (strcmp(name, "AMQExpiration") == 0)
        set_number(v, (double)m->expiration);
    else if (strcmp(name, "AMQSize") == 0)
        set_number(v, (double)m->blob_size);
    else if (strcmp(name, "AMQDurable") == 0)
        set_plain(v, m->durable ? "DURABLE" : "NON_DURABLE");
    else if (strcmp(name, "AMQAddress") == 0)
        set_plain(v, m->address);
    else
        return false;
    return true;
}

static void look_up(struct filter *f, const char *name, struct value *v)
{
    struct rai_property p;
    if (f->message == NULL || set_header(v, name, f->message))
        return;
    if (strcmp(name, "AMQGroupID") == 0)
        name = "_AMQ_GROUP_ID";
    if (rai_mock_message_find(f->message, name, &p))
        set_property(v, &p);
}

/* A quote in a text is written twice. */
static bool read_text(struct filter *f, struct value *v)
{
    size_t n = 0;
    if (*f->at != '\'')
        return false;
    v->kind = TEXT;
    for (f->at++; *f->at != '\0'; f->at++) {
        if (*f->at == '\'' && *++f->at != '\'') {
            v->text[n] = '\0';
            return true;
        }
        if (n + 1 < sizeof v->text)
            v->text[n++] = *f->at;
    }
    bad(f);
    return true;
}

static bool read_number(struct filter *f, struct value *v)
{
    char *end;
    if (!isdigit((unsigned char)*f->at) && *f->at != '-' && *f->at != '+' && *f->at != '.')
        return false;
    set_number(v, strtod(f->at, &end));
    if (end == f->at || is_name(*end))
        bad(f);
    f->at = end;
    return true;
}

static struct value read_value(struct filter *f)
{
    struct value v = { .kind = NOTHING };
    char name[RAI_MOCK_NAME];
    skip_space(f);
    if (read_text(f, &v) || read_number(f, &v))
        return v;
    bool yes = take_word(f, "TRUE");
    if (yes || take_word(f, "FALSE")) {
        set_number(&v, yes);
        v.kind = BOOLEAN;
        return v;
    }
    size_t n = name_length(f);
    if (n == 0 || n >= sizeof name) {
        bad(f);
        return v;
    }
    memcpy(name, f->at, n);
    name[n] = '\0';
    f->at += n;
    look_up(f, name, &v);
    return v;
}

/* --- comparisons --- */

enum sign { SAME, OTHER, AT_MOST, AT_LEAST, LESS, MORE, NO_SIGN };

static enum sign read_sign(struct filter *f)
{
    static const char *const signs[] = { "=", "<>", "<=", ">=", "<", ">" };
    for (int i = 0; i < NO_SIGN; i++)
        if (take_sign(f, signs[i]))
            return (enum sign)i;
    return NO_SIGN;
}

static enum truth of(bool b)
{
    return b ? YES : NO;
}

static enum truth compare(const struct value *a, enum sign sign, const struct value *b)
{
    if (a->kind == NOTHING || a->kind != b->kind || (a->kind != NUMBER && sign > OTHER))
        return UNKNOWN;
    double x = a->kind == TEXT ? strcmp(a->text, b->text) : a->number, y = a->kind == TEXT ? 0 : b->number;
    switch (sign) {
    case SAME:
        return of(x == y);
    case OTHER:
        return of(x != y);
    case AT_MOST:
        return of(x <= y);
    case AT_LEAST:
        return of(x >= y);
    case LESS:
        return of(x < y);
    default:
        return of(x > y);
    }
}

static enum truth comparison(struct filter *f)
{
    struct value left = read_value(f), right;
    if (take_word(f, "IS")) {
        bool negated = take_word(f, "NOT");
        if (!take_word(f, "NULL"))
            return bad(f);
        return of((left.kind == NOTHING) != negated);
    }
    enum sign sign = read_sign(f);
    if (sign == NO_SIGN) /* a truth value by itself */
        return left.kind == BOOLEAN ? of(left.number != 0) : UNKNOWN;
    right = read_value(f);
    return compare(&left, sign, &right);
}

/* --- conditions --- */

static enum truth either(struct filter *f);

static enum truth one(struct filter *f)
{
    enum truth t;
    if (f->bad || ++f->depth > DEPTH_MAX)
        return bad(f);
    if (take_word(f, "NOT")) {
        t = (enum truth)(YES - one(f));
    } else if (take_sign(f, "(")) {
        t = either(f);
        if (!take_sign(f, ")"))
            bad(f);
    } else {
        t = comparison(f);
    }
    f->depth--;
    return t;
}

static enum truth both(struct filter *f)
{
    enum truth t = one(f);
    while (!f->bad && take_word(f, "AND")) {
        enum truth more = one(f);
        t = more < t ? more : t;
    }
    return t;
}

static enum truth either(struct filter *f)
{
    enum truth t = both(f);
    while (!f->bad && take_word(f, "OR")) {
        enum truth more = both(f);
        t = more > t ? more : t;
    }
    return t;
}

static enum truth run(const char *text, const struct rai_mock_message *message, bool *bad_out)
{
    struct filter f = { .at = text, .message = message };
    enum truth t = either(&f);
    skip_space(&f);
    *bad_out = f.bad || *f.at != '\0';
    return t;
}

bool rai_mock_filter_is_good(const char *text)
{
    bool bad_form = false;
    if (text[0] != '\0')
        run(text, NULL, &bad_form);
    return !bad_form;
}

bool rai_mock_filter_takes(const char *text, const struct rai_mock_message *message)
{
    bool bad_form;
    return text[0] == '\0' || (run(text, message, &bad_form) == YES && !bad_form);
}
