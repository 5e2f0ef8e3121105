#ifndef REATTACH_TESTS_MOCK_BOX_H
#define REATTACH_TESTS_MOCK_BOX_H

#include "support/test.h"

#include "codec/message.h"
#include "codec/packets.h"
#include "mock/mock.h"

/*
 * A mock broker and the client's ends of its links. What the broker says is read as text, one line for each frame:
 *
 *     10 NULL 7             channel, packet, correlation id (none: -1)
 *     10 EXCEPTION 100      code, and the correlation id if there is one
 *     10 MSG 0 1 body       consumer, count of deliveries, body
 *     10 MARKER 0 5         consumer, sequence
 *     10 LARGE 0 1 5000     consumer, count, bytes to follow
 *     10 CHUNK 0 100 more   consumer, bytes; or "last"
 *     10 QUEUE q 2 1        messages and consumers, or "none"
 *     10 BINDING q r        the address's queues, or "none"
 *     10 CREDITS 500 a, 10 FULL 500 a, 10 CONFIRMED 3, 1 CREATED 136, 1 REATTACHED 3, 1 GONE, 0 TOPOLOGY,
 *     0 DISCONNECT 4, 0 PING 30000; of all others the name
 */
enum { BOX_LINKS = 8, BOX_CHANNEL = 10 };

struct box {
    rai_mock *m;
    struct rai_mock_config config;
    int64_t now;
    uint32_t links[BOX_LINKS]; /* ids, in the order in which they came */
    int link_count;
    uint8_t *heard[BOX_LINKS]; /* bytes not looked at */
    size_t heard_size[BOX_LINKS];
    char line[512];
    uint64_t last_id; /* of the last message heard */
};

void box_start(struct box *b); /* with b->config as box_init() left it or as the test has changed it */
void box_init(struct box *b);
void box_end(struct box *b);

int box_link(struct box *b); /* preamble, and the topology with the config's version; its index */
void box_session(struct box *b, int link, const char *name, bool transacted); /* channel 10, window 1 MiB */
void box_run(struct box *b);
void box_pass(struct box *b, int64_t us);
const char *box_hears(struct box *b, int link); /* the next line; NULL: nothing more */
void box_ignore(struct box *b, int link);       /* all that was said so far */

void box_say(struct box *b, int link, const uint8_t *frame, size_t size);
uint8_t *box_frame(size_t size);
#define SAY(b, link, put, ...)                                            \
    do {                                                                  \
        struct rai_writer count_ = { NULL, 0 };                           \
        put(&count_, 0, __VA_ARGS__);                                     \
        uint8_t *frame_ = box_frame(count_.size);                         \
        put(&(struct rai_writer){ frame_, 0 }, count_.size, __VA_ARGS__); \
        box_say(b, link, frame_, count_.size);                            \
    } while (0)

/* What comes next on a link, and nothing else: HEARS(b, 0, "10 NULL 7", "10 CONFIRMED 3") */
void box_expect(struct box *b, int link, const char *const *lines, const char *file, int where);
#define HEARS(b, link, ...)                                 \
    do {                                                    \
        const char *const lines_[] = { __VA_ARGS__, NULL }; \
        box_expect(b, link, lines_, __FILE__, __LINE__);    \
    } while (0)
#define HEARS_NOTHING(b, link)                           \
    do {                                                 \
        const char *const lines_[] = { NULL };           \
        box_expect(b, link, lines_, __FILE__, __LINE__); \
    } while (0)

/* A durable send that wants an answer, to channel 10. */
void box_send(struct box *b, int link, const char *address, const char *body, int64_t correlation);
void box_send_message(struct box *b, int link, const char *address, const ra_message *m, int64_t correlation);
void box_consumer(struct box *b, int link, int64_t id, const char *queue,
                  const char *filter); /* with endless credits */

#endif
