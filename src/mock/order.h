#ifndef RAI_MOCK_ORDER_H
#define RAI_MOCK_ORDER_H

#include "mock/mock.h"
#include "mock/spec.h"

/* A fault as it was ordered: what is to happen, and when. Read from its text; the server carries it out. */

/* Beside those of the engine's faults. */
enum rai_mock_order_action {
    RAI_MOCK_ORDER_REFUSE = RAI_MOCK_ACTIONS,
    RAI_MOCK_ORDER_ACCEPT,
    RAI_MOCK_ORDER_SLOW,
    RAI_MOCK_ORDER_SYNC,
    RAI_MOCK_ORDER_REDIRECT,
    RAI_MOCK_ORDER_LIMIT,
    RAI_MOCK_ORDER_FULL,
    RAI_MOCK_ORDER_ROOM,
    RAI_MOCK_ORDER_FORBID
};

enum rai_mock_trigger { RAI_MOCK_ONCE = 1, RAI_MOCK_AT_PACKET = 2, RAI_MOCK_EVERY = 4 };

enum rai_mock_side { RAI_MOCK_EITHER, RAI_MOCK_BROKER, RAI_MOCK_CLIENT };

enum { RAI_MOCK_VARIANTS = 8 };

struct rai_mock_order {
    int action; /* enum rai_mock_action, or one of the above */
    enum rai_mock_trigger trigger;
    int types[RAI_MOCK_VARIANTS]; /* at a packet: its variants, of which a link uses one */
    int type_count;
    enum rai_mock_side side;                       /* who says such packets */
    int64_t from;                                  /* enum rai_mock_side */
    int64_t place;                                 /* enum rai_mock_place */
    struct rai_mock_range nth, every;              /* packets; milliseconds */
    int64_t times;                                 /* 0: for ever */
    int64_t chance, code, ms, port, bytes, policy; /* ms, bytes -1: not given */
    char name[RAI_MOCK_WORD];
};

/* RA_OK, or RA_E_OPTION in *fault. */
int rai_mock_order_read(const char *text, struct rai_mock_order *out, struct rai_fault *fault);

#endif
