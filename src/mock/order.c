#include "mock/order.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "codec/frame.h"

enum { MS_MAX = 86400000, COUNT_MAX = 1000000000, ALWAYS = RAI_MOCK_ONCE | RAI_MOCK_AT_PACKET | RAI_MOCK_EVERY };

/* --- what a text can say --- */

enum key { AT, EVERY, TIMES, NTH, CHANCE, FROM, WHEN, MS, REASON, CODE, PORT, JOURNAL, BYTES, POLICY, NAME, KEYS };
enum { OF_PACKET = 1 << NTH | 1 << CHANCE | 1 << FROM | 1 << WHEN };

static const struct {
    const char *name;
    enum { PACKET, NUMBER, RANGE, WORD, TEXT } kind;
    size_t place;
    int64_t min, max;
    const char *words; /* of a WORD: counted from min */
} keys[KEYS] = {
    [AT] = { .name = "at", .kind = PACKET },
    [EVERY] = { "every", RANGE, offsetof(struct rai_mock_order, every), 1, MS_MAX, NULL },
    [TIMES] = { "times", NUMBER, offsetof(struct rai_mock_order, times), 0, COUNT_MAX, NULL },
    [NTH] = { "nth", RANGE, offsetof(struct rai_mock_order, nth), 1, COUNT_MAX, NULL },
    [CHANCE] = { "chance", NUMBER, offsetof(struct rai_mock_order, chance), 1, 1000, NULL },
    [FROM] = { "from", WORD, offsetof(struct rai_mock_order, from), RAI_MOCK_BROKER, 0, "broker|client" },
    [WHEN] = { "when", WORD, offsetof(struct rai_mock_order, place), RAI_MOCK_BEFORE, 0, "before|inside|after" },
    [MS] = { "ms", NUMBER, offsetof(struct rai_mock_order, ms), 0, MS_MAX, NULL },
    [REASON] = { "reason", NUMBER, offsetof(struct rai_mock_order, code), 0, 5, NULL },
    [CODE] = { "code", NUMBER, offsetof(struct rai_mock_order, code), 0, 1000, NULL },
    [PORT] = { "port", NUMBER, offsetof(struct rai_mock_order, port), 1, UINT16_MAX, NULL },
    [JOURNAL] = { "journal", WORD, offsetof(struct rai_mock_order, code), 0, 0, "lose|keep" },
    [BYTES] = { "bytes", NUMBER, offsetof(struct rai_mock_order, bytes), 0, INT64_MAX, NULL },
    [POLICY] = { "policy", WORD, offsetof(struct rai_mock_order, policy), RAI_MOCK_PAGE, 0, "page|block|fail|drop" },
    [NAME] = { .name = "name", .kind = TEXT, .place = offsetof(struct rai_mock_order, name) },
};

static const struct {
    const char *name;
    int action, triggers;
    uint32_t needs, takes;
} actions[] = {
    { "reset", RAI_MOCK_CUT_RESET, ALWAYS, 0, 0 },
    { "close", RAI_MOCK_CUT_FINISH, ALWAYS, 0, 0 },
    { "silence", RAI_MOCK_CUT_SILENCE, ALWAYS, 0, 0 },
    { "abandon", RAI_MOCK_CUT_ABANDON, ALWAYS, 0, 0 },
    { "disconnect", RAI_MOCK_DISCONNECT, ALWAYS, 0, 1 << REASON },
    { "restart", RAI_MOCK_RESTART, ALWAYS, 0, 1 << JOURNAL },
    { "reject", RAI_MOCK_REJECT, RAI_MOCK_AT_PACKET, 1 << CODE, 0 },
    { "hold", RAI_MOCK_HOLD, RAI_MOCK_AT_PACKET, 1 << MS, 0 },
    { "postpone", RAI_MOCK_POSTPONE, RAI_MOCK_AT_PACKET, 1 << MS, 0 },
    { "garbage", RAI_MOCK_GARBAGE, RAI_MOCK_AT_PACKET, 0, 0 },
    { "refuse", RAI_MOCK_ORDER_REFUSE, RAI_MOCK_ONCE | RAI_MOCK_EVERY, 0, 1 << MS },
    { "accept", RAI_MOCK_ORDER_ACCEPT, RAI_MOCK_ONCE, 0, 0 },
    { "slow", RAI_MOCK_ORDER_SLOW, RAI_MOCK_ONCE, 1 << MS, 0 },
    { "sync", RAI_MOCK_ORDER_SYNC, RAI_MOCK_ONCE, 1 << MS, 0 },
    { "forbid", RAI_MOCK_ORDER_FORBID, RAI_MOCK_ONCE, 1 << NAME | 1 << CODE, 0 },
    { "limit", RAI_MOCK_ORDER_LIMIT, RAI_MOCK_ONCE, 1 << NAME | 1 << POLICY, 1 << BYTES },
    { "full", RAI_MOCK_ORDER_FULL, RAI_MOCK_ONCE, 1 << NAME, 0 },
    { "room", RAI_MOCK_ORDER_ROOM, RAI_MOCK_ONCE, 1 << NAME, 0 },
    { "redirect", RAI_MOCK_ORDER_REDIRECT, RAI_MOCK_ONCE, 1 << NAME | 1 << PORT, 0 },
};
enum { ACTIONS = sizeof actions / sizeof *actions };

/* --- packets --- */

/* "SESS_SEND" is "send", "CREATE_QUEUE_V2" is "create_queue". */
static void plain_name(const char *name, char out[RAI_MOCK_WORD])
{
    size_t n = 0;
    for (; *name != '\0' && n + 1 < RAI_MOCK_WORD; name++)
        out[n++] = *name == '-' ? '_' : (char)tolower((unsigned char)*name);
    if (n > 3 && out[n - 3] == '_' && out[n - 2] == 'v' && isdigit((unsigned char)out[n - 1]))
        n -= 3;
    out[n] = '\0';
    if (strncmp(out, "sess_", 5) == 0)
        memmove(out, out + 5, n - 4);
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static enum rai_mock_side side_of(const char *name)
{
    static const char *const of_broker[] = { "exception", "null_response", "producer_credits",
                                             "producer_fail_credits" };
    size_t n = strlen(name);
    if (strcmp(name, "any") == 0 || strcmp(name, "ping") == 0 || strcmp(name, "packets_confirmed") == 0)
        return RAI_MOCK_EITHER;
    for (size_t i = 0; i < sizeof of_broker / sizeof *of_broker; i++)
        if (strcmp(name, of_broker[i]) == 0)
            return RAI_MOCK_BROKER;
    bool answer = n > 5 && strcmp(name + n - 5, "_resp") == 0;
    return answer || begins(name, "receive_") || begins(name, "disconnect") || begins(name, "cluster_topology")
               ? RAI_MOCK_BROKER
               : RAI_MOCK_CLIENT;
}

static bool read_packet(struct rai_mock_spec *s, struct rai_mock_order *o)
{
    char wanted[RAI_MOCK_WORD], name[RAI_MOCK_WORD];
    plain_name(s->value, wanted);
    o->side = side_of(wanted);
    o->type_count = 0;
    if (strcmp(wanted, "any") == 0)
        o->types[o->type_count++] = RAI_MOCK_ANY_TYPE;
    for (int type = INT8_MIN; type <= INT8_MAX; type++) {
        plain_name(rai_packet_name(type), name);
        if (strcmp(name, wanted) == 0 && o->type_count < RAI_MOCK_VARIANTS)
            o->types[o->type_count++] = type;
    }
    return o->type_count > 0 ||
           rai_mock_spec_wrong(s, "there is no packet of that name (send, commit, receive_msg, ..., any)");
}

/* --- reading --- */

static bool read_word(struct rai_mock_spec *s, int key, int64_t *out)
{
    int word = rai_mock_spec_word(s, keys[key].words);
    *out = keys[key].min + word;
    return word >= 0;
}

static bool read_value(struct rai_mock_spec *s, struct rai_mock_order *o, int key)
{
    void *out = (char *)o + keys[key].place;
    if (!s->has_value || s->value[0] == '\0')
        return rai_mock_spec_wrong(s, "wanted: NAME=VALUE");
    switch (keys[key].kind) {
    case PACKET:
        return read_packet(s, o);
    case NUMBER:
        return rai_mock_spec_number(s, keys[key].min, keys[key].max, out);
    case RANGE:
        return rai_mock_spec_range(s, keys[key].min, keys[key].max, out);
    case WORD:
        return read_word(s, key, out);
    default:
        memcpy(out, s->value, RAI_MOCK_WORD);
        return true;
    }
}

static int find_action(struct rai_mock_spec *s)
{
    char wanted[RAI_MOCK_WORD] = "wanted first: ";
    if (rai_mock_spec_next(s) && !s->has_value)
        for (int i = 0; i < ACTIONS; i++)
            if (strcmp(actions[i].name, s->name) == 0)
                return i;
    for (int i = 0; i < ACTIONS; i++)
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s%s", i > 0 ? "|" : "", actions[i].name);
    rai_mock_spec_wrong(s, wanted);
    return -1;
}

static int find_key(const struct rai_mock_spec *s, uint32_t allowed)
{
    for (int key = 0; key < KEYS; key++)
        if ((allowed >> key & 1) != 0 && strcmp(keys[key].name, s->name) == 0)
            return key;
    return -1;
}

/* --- what does not go together --- */

static bool check_side(struct rai_mock_spec *s, struct rai_mock_order *o)
{
    bool of_broker = o->action == RAI_MOCK_POSTPONE || o->action == RAI_MOCK_GARBAGE;
    int64_t only = of_broker ? RAI_MOCK_BROKER : o->action == RAI_MOCK_REJECT ? RAI_MOCK_CLIENT : o->side;
    if (o->from == RAI_MOCK_EITHER)
        o->from = only != RAI_MOCK_EITHER ? only : RAI_MOCK_CLIENT;
    if ((o->side != RAI_MOCK_EITHER && o->side != o->from) || (only != RAI_MOCK_EITHER && only != o->from))
        return rai_mock_spec_wrong(s, o->from == RAI_MOCK_CLIENT
                                          ? "a client sends no such packet, or this is no fault of it"
                                          : "a broker sends no such packet, or this is no fault of it");
    return true;
}

static bool check_together(struct rai_mock_spec *s, struct rai_mock_order *o, int action, uint32_t given)
{
    uint32_t missing = actions[action].needs & ~given;
    char wanted[48];
    for (int key = 0; key < KEYS; key++)
        if ((missing >> key & 1) != 0) {
            snprintf(wanted, sizeof wanted, "it needs %s=", keys[key].name);
            return rai_mock_spec_wrong(s, wanted);
        }
    if ((given & 1 << AT) != 0 && (given & 1 << EVERY) != 0)
        return rai_mock_spec_wrong(s, "either at=PACKET or every=N..M");
    if ((given & OF_PACKET) != 0 && (given & 1 << AT) == 0)
        return rai_mock_spec_wrong(s, "nth, chance, from and when need an at=PACKET");
    if ((given & 1 << TIMES) != 0 && o->trigger == RAI_MOCK_ONCE)
        return rai_mock_spec_wrong(s, "times needs an at=PACKET or every=N..M");
    if ((actions[action].triggers & (int)o->trigger) == 0)
        return rai_mock_spec_wrong(s, o->trigger == RAI_MOCK_ONCE        ? "it needs an at=PACKET"
                                      : o->trigger == RAI_MOCK_AT_PACKET ? "it cannot wait for a packet"
                                                                         : "it cannot happen again and again");
    return o->trigger != RAI_MOCK_AT_PACKET || check_side(s, o);
}

int rai_mock_order_read(const char *text, struct rai_mock_order *out, struct rai_fault *fault)
{
    struct rai_mock_spec s = { .text = text, .fault = fault };
    uint32_t given = 0;
    rai_fault_set(fault, RA_OK, "%s", "");
    *out = (struct rai_mock_order){ .place = RAI_MOCK_AFTER, .nth = { 1, 1 }, .ms = -1, .bytes = -1 };
    int action = find_action(&s);
    if (action < 0)
        return fault->code;
    uint32_t allowed = actions[action].needs | actions[action].takes | OF_PACKET | 1 << AT | 1 << EVERY | 1 << TIMES;
    out->action = actions[action].action;
    out->code = out->action == RAI_MOCK_RESTART; /* the journal is kept */
    while (rai_mock_spec_next(&s)) {
        int key = find_key(&s, allowed);
        if (key < 0)
            rai_mock_spec_wrong(&s, "it is no part of this fault");
        else if (read_value(&s, out, key))
            given |= (uint32_t)1 << key;
    }
    out->trigger = (given & 1 << AT) != 0      ? RAI_MOCK_AT_PACKET
                   : (given & 1 << EVERY) != 0 ? RAI_MOCK_EVERY
                                               : RAI_MOCK_ONCE;
    if ((given & 1 << TIMES) == 0)
        out->times = out->trigger == RAI_MOCK_EVERY ? 0 : 1;
    check_together(&s, out, action, given);
    return fault->code;
}
