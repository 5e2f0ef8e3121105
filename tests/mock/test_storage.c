#include "box.h"

#include <string.h>

#include "codec/properties.h"

static struct box b;

static void set_up(void)
{
    box_init(&b);
    b.config.epoch_ms = 1000000;
    b.config.expiry_address = "over";
    box_start(&b);
    rai_mock_add_queue(b.m, "q", "a", true);
    rai_mock_add_queue(b.m, "over", "over", true);
    box_link(&b);
}

static void tear_down(void)
{
    box_end(&b);
}

TestSuite(mock_storage, .init = set_up, .fini = tear_down);

static void send_with_id(const char *id, int64_t correlation)
{
    ra_message *m = rai_message_new(0);
    struct rai_value value = { .tag = RAI_TAG_STRING, .data = id, .size = strlen(id) };
    rai_message_lend_body(m, id, strlen(id));
    rai_message_set_property(m, "_AMQ_DUPL_ID", &value);
    m->durable = true;
    box_send_message(&b, 0, "a", m, correlation);
    rai_message_unref(m);
}

static void commit(int64_t correlation)
{
    SAY(&b, 0, rai_put_commit, BOX_CHANNEL, RAI_VERSION, correlation);
}

/* --- ids --- */

Test(mock_storage, a_known_id_is_answered_and_not_stored)
{
    box_session(&b, 0, "s", false);
    send_with_id("x", 1);
    send_with_id("x", 2);
    send_with_id("y", 3);
    HEARS(&b, 0, "10 NULL 1", "10 NULL 2", "10 NULL 3");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 2);
    cr_expect_eq(rai_mock_stat(b.m, RAI_MOCK_DUPLICATES), 1);
    cr_expect_eq(rai_mock_session_count(b.m, "s").commands, 2, "it is counted");
}

Test(mock_storage, a_known_id_dooms_its_transaction)
{
    box_session(&b, 0, "s", true);
    send_with_id("x", 0);
    commit(1);
    send_with_id("y", 0);
    send_with_id("x", 2);
    commit(3);
    send_with_id("y", 0);
    commit(4);
    HEARS(&b, 0, "10 NULL 1", "10 NULL 2", "10 EXCEPTION 113 3", "10 NULL 4");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 2);
}

Test(mock_storage, an_id_that_was_rolled_back_is_free)
{
    box_session(&b, 0, "s", true);
    send_with_id("x", 0);
    SAY(&b, 0, rai_put_rollback, BOX_CHANNEL, false);
    send_with_id("x", 0);
    commit(1);
    HEARS(&b, 0, "10 NULL -1", "10 NULL 1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1);
}

Test(mock_storage, the_oldest_id_leaves_a_cache_that_is_full)
{
    box_session(&b, 0, "s", false);
    rai_mock_set_id_cache(b.m, 2);
    send_with_id("x", 0);
    send_with_id("y", 0);
    send_with_id("z", 0);
    send_with_id("y", 0);
    send_with_id("x", 0);
    box_run(&b);
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 4);
}

Test(mock_storage, ids_that_are_on_disk_survive_a_restart)
{
    box_session(&b, 0, "s", false);
    send_with_id("x", 0);
    box_pass(&b, 1000000);
    rai_mock_restart(b.m, true);
    int link = box_link(&b);
    b.links[0] = b.links[link];
    box_session(&b, 0, "s", false);
    send_with_id("x", 1);
    HEARS(&b, 0, "10 NULL 1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1);
}

/* What was not on disk is lost together with its id: sent again it is stored. */
Test(mock_storage, an_id_is_lost_with_its_message)
{
    int lost = 0;
    for (uint64_t seed = 1; seed < 20; seed++) {
        box_end(&b);
        box_init(&b);
        b.config.seed = seed;
        b.config.sync_us = 1000000;
        box_start(&b);
        rai_mock_add_queue(b.m, "q", "a", true);
        box_link(&b);
        box_session(&b, 0, "s", false);
        send_with_id("x", 0);
        rai_mock_turn(b.m, 0, b.now);
        rai_mock_restart(b.m, true);
        int64_t left = rai_mock_queue_messages(b.m, "q");
        int link = box_link(&b);
        b.links[0] = b.links[link];
        box_session(&b, 0, "s", false);
        send_with_id("x", 0);
        box_run(&b);
        cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1, "seed %d: %d were left", (int)seed, (int)left);
        lost += left == 0;
    }
    cr_expect(lost > 0 && lost < 19);
}

/* --- expiry --- */

static void send_until(int64_t expiration)
{
    ra_message *m = rai_message_new(0);
    rai_message_lend_body(m, "late", 4);
    m->durable = true;
    m->expiration = expiration;
    box_send_message(&b, 0, "a", m, 0);
    rai_message_unref(m);
}

Test(mock_storage, what_has_expired_goes_elsewhere_instead_of_to_a_consumer)
{
    box_session(&b, 0, "s", false);
    send_until(1000000 + 5000);
    send_until(1000000 + 50000);
    box_pass(&b, 10000000);
    box_consumer(&b, 0, 0, "q", NULL);
    box_consumer(&b, 0, 1, "over", NULL);
    HEARS(&b, 0, "10 CONFIRMED 1", "10 MSG 0 1 late", "10 MSG 1 1 late");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1);
}

Test(mock_storage, what_a_client_calls_expired_goes_there_too)
{
    box_session(&b, 0, "s", false);
    send_until(1000000 + 50000);
    box_consumer(&b, 0, 0, "q", NULL);
    HEARS(&b, 0, "10 MSG 0 1 late");
    SAY(&b, 0, rai_put_expired, BOX_CHANNEL, 0, (int64_t)b.last_id);
    box_run(&b);
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 0);
    cr_expect_eq(rai_mock_queue_messages(b.m, "over"), 1);
}

/* --- counts of deliveries --- */

static void ack(uint64_t id)
{
    SAY(&b, 0, rai_put_acknowledge, BOX_CHANNEL, 0, (int64_t)id, true, false);
}

static uint64_t three_delivered(void)
{
    box_session(&b, 0, "s", true);
    rai_mock_add_message(b.m, "a", (const uint8_t *)"one", 3);
    rai_mock_add_message(b.m, "a", (const uint8_t *)"two", 3);
    rai_mock_add_message(b.m, "a", (const uint8_t *)"three", 5);
    box_consumer(&b, 0, 0, "q", NULL);
    box_run(&b);
    cr_assert_str_eq(box_hears(&b, 0), "10 MSG 0 1 one");
    uint64_t first = b.last_id;
    HEARS(&b, 0, "10 MSG 0 1 two", "10 MSG 0 1 three");
    return first;
}

Test(mock_storage, a_rollback_counts_what_was_acknowledged_as_delivered)
{
    ack(three_delivered());
    SAY(&b, 0, rai_put_rollback, BOX_CHANNEL, false);
    HEARS(&b, 0, "10 MSG 0 2 one", "10 MSG 0 1 two", "10 MSG 0 1 three", "10 NULL -1");
}

Test(mock_storage, a_rollback_can_count_the_first_that_was_not_acknowledged_as_well)
{
    ack(three_delivered());
    SAY(&b, 0, rai_put_rollback, BOX_CHANNEL, true);
    HEARS(&b, 0, "10 MSG 0 2 one", "10 MSG 0 2 two", "10 MSG 0 1 three", "10 NULL -1");
}

Test(mock_storage, a_consumer_that_closes_leaves_counts_as_they_were)
{
    three_delivered();
    SAY(&b, 0, rai_put_consumer_close, BOX_CHANNEL, 0);
    HEARS(&b, 0, "10 NULL -1");
    box_consumer(&b, 0, 1, "q", NULL);
    HEARS(&b, 0, "10 MSG 1 1 one", "10 MSG 1 1 two", "10 MSG 1 1 three");
}

Test(mock_storage, a_session_that_is_lost_leaves_them_counted)
{
    three_delivered();
    rai_mock_ended(b.m, b.links[0]);
    box_pass(&b, 70000000);
    cr_assert_eq(rai_mock_sessions(b.m), 0);
    int link = box_link(&b);
    box_session(&b, link, "t", false);
    box_consumer(&b, link, 0, "q", NULL);
    HEARS(&b, link, "10 MSG 0 2 one", "10 MSG 0 2 two", "10 MSG 0 2 three");
}

/* --- filters --- */

static void send_sized(const char *body, int32_t size, const char *color)
{
    uint8_t number[4] = { 0, 0, (uint8_t)(size >> 8), (uint8_t)size };
    struct rai_value s = { .tag = RAI_TAG_INT, .data = number, .size = 4 };
    struct rai_value c = { .tag = RAI_TAG_STRING, .data = color, .size = strlen(color) };
    ra_message *m = rai_message_new(0);
    rai_message_lend_body(m, body, strlen(body));
    rai_message_set_property(m, "size", &s);
    if (color[0] != '\0')
        rai_message_set_property(m, "color", &c);
    box_send_message(&b, 0, "a", m, 0);
    rai_message_unref(m);
}

Test(mock_storage, a_filter_takes_what_it_describes)
{
    static const struct {
        const char *filter;
        const char *bodies; /* of those that it takes */
    } cases[] = {
        { "size > 5", "bc" },
        { "size >= 5 AND color = 'red'", "a" },
        { "color='red' OR color<>'red'", "ab" },
        { "NOT (color = 'red')", "b" },
        { "color IS NULL", "c" },
        { "color is not null and size<9", "a" },
        { "size = 5.0", "a" },
        { "size < -1 OR (size <= 9 AND NOT color = 'it''s')", "a" },
        { "AMQPriority = 4 AND AMQDurable = 'NON_DURABLE' AND AMQAddress = 'a'", "abc" },
        { "nothing = 1 OR size = 10", "b" },
        { "size = 'red'", "" },
        { "TRUE", "abc" },
    };
    box_session(&b, 0, "s", false);
    send_sized("a", 5, "red");
    send_sized("b", 10, "blue");
    send_sized("c", 1000, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rai_create_consumer consumer = {
            .id = (int64_t)i, .queue = "q", .filter = cases[i].filter, .browse = true
        };
        char got[8] = "";
        const char *line;
        SAY(&b, 0, rai_put_create_consumer, BOX_CHANNEL, RAI_VERSION, &consumer);
        SAY(&b, 0, rai_put_flow_token, BOX_CHANNEL, (int64_t)i, -1);
        SAY(&b, 0, rai_put_simple, RAI_SESS_START, BOX_CHANNEL);
        box_run(&b);
        while ((line = box_hears(&b, 0)) != NULL)
            strncat(got, line + strlen(line) - 1, 1);
        cr_expect_str_eq(got, cases[i].bodies, "%s: %s", cases[i].filter, got);
    }
}

Test(mock_storage, a_bad_filter_is_refused)
{
    static const char *const bad[] = { "size >",     "(size = 1", "size = 1 AND",  "color = 'red", "size IS 1",
                                       "size = 1 2", "= 1",       "size == 1 ( )", "1x = 1",       "NOT" };
    box_session(&b, 0, "s", false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rai_create_consumer consumer = { .queue = "q", .filter = bad[i], .respond = true };
        SAY(&b, 0, rai_put_create_consumer, BOX_CHANNEL, RAI_VERSION, &consumer);
        HEARS(&b, 0, "10 EXCEPTION 103");
    }
    struct rai_create_queue queue = { .address = "a", .queue = "r", .filter = "size >", .respond = true };
    SAY(&b, 0, rai_put_create_queue, BOX_CHANNEL, &queue);
    HEARS(&b, 0, "10 EXCEPTION 103");
}

Test(mock_storage, a_deep_filter_is_refused_and_does_no_harm)
{
    char deep[201];
    memset(deep, '(', 200);
    deep[200] = '\0';
    struct rai_create_consumer consumer = { .queue = "q", .filter = deep, .respond = true };
    box_session(&b, 0, "s", false);
    SAY(&b, 0, rai_put_create_consumer, BOX_CHANNEL, RAI_VERSION, &consumer);
    HEARS(&b, 0, "10 EXCEPTION 103");
}

Test(mock_storage, a_queues_filter_chooses_what_comes_in)
{
    struct rai_create_queue queue = {
        .address = "m", .queue = "small", .filter = "size < 6", .respond = true, .routing_type = 0
    };
    box_session(&b, 0, "s", false);
    SAY(&b, 0, rai_put_create_queue, BOX_CHANNEL, &queue);
    rai_mock_delete_queue(b.m, "q");
    queue = (struct rai_create_queue){ .address = "a", .queue = "r", .filter = "size < 6", .respond = true };
    SAY(&b, 0, rai_put_create_queue, BOX_CHANNEL, &queue);
    send_sized("a", 5, "");
    send_sized("b", 10, "");
    HEARS(&b, 0, "10 NULL -1", "10 NULL -1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "r"), 1);
}
