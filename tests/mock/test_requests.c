#include "box.h"

#include <stdio.h>
#include <string.h>

static struct box b;

static void set_up(void)
{
    box_init(&b);
    box_start(&b);
    rai_mock_add_queue(b.m, "q", "a", true);
    box_link(&b);
    box_session(&b, 0, "s", false);
}

static void tear_down(void)
{
    box_end(&b);
}

TestSuite(mock_requests, .init = set_up, .fini = tear_down);

/* --- credits of producers --- */

static void want(int32_t credits)
{
    SAY(&b, 0, rai_put_request_credits, BOX_CHANNEL, credits, "a");
}

static void empty(void)
{
    box_consumer(&b, 0, 0, "q", NULL);
    box_run(&b);
    while (box_hears(&b, 0) != NULL)
        ;
    SAY(&b, 0, rai_put_acknowledge, BOX_CHANNEL, 0, (int64_t)b.last_id, false, false);
}

Test(mock_requests, credits_are_granted_at_once_by_an_address_that_pages)
{
    rai_mock_limit(b.m, "a", RAI_MOCK_PAGE, 1);
    box_send(&b, 0, "a", "one", 1);
    want(500);
    HEARS(&b, 0, "10 NULL 1", "10 CREDITS 500 a");
}

Test(mock_requests, a_full_address_that_blocks_grants_credits_when_there_is_room)
{
    rai_mock_limit(b.m, "a", RAI_MOCK_BLOCK, 10);
    box_send(&b, 0, "a", "one", 1);
    want(500);
    want(600);
    HEARS(&b, 0, "10 NULL 1");
    empty();
    HEARS(&b, 0, "10 CREDITS 500 a", "10 CREDITS 600 a");
}

Test(mock_requests, a_full_address_that_fails_refuses_credits_and_sends_and_grants_later)
{
    rai_mock_limit(b.m, "a", RAI_MOCK_FAIL, 10);
    box_send(&b, 0, "a", "one", 1);
    want(500);
    box_send(&b, 0, "a", "two", 2);
    HEARS(&b, 0, "10 NULL 1", "10 FULL 500 a", "10 EXCEPTION 210 2");
    empty();
    HEARS(&b, 0, "10 CREDITS 500 a");
}

Test(mock_requests, a_full_address_that_drops_takes_everything_and_keeps_nothing)
{
    rai_mock_limit(b.m, "a", RAI_MOCK_DROP, 10);
    box_send(&b, 0, "a", "one", 1);
    box_send(&b, 0, "a", "two", 2);
    want(500);
    HEARS(&b, 0, "10 NULL 1", "10 NULL 2", "10 CREDITS 500 a");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1);
}

Test(mock_requests, an_address_can_be_full_on_command)
{
    rai_mock_fill(b.m, "a", true);
    want(500);
    HEARS(&b, 0, "10 FULL 500 a");
    rai_mock_fill(b.m, "a", false);
    HEARS(&b, 0, "10 CREDITS 500 a");
}

/* --- queues and addresses --- */

Test(mock_requests, an_address_without_queues_exists_when_it_was_created)
{
    SAY(&b, 0, rai_put_binding_query, BOX_CHANNEL, "x");
    SAY(&b, 0, rai_put_create_address, BOX_CHANNEL, "x", true, false, true, false);
    SAY(&b, 0, rai_put_binding_query, BOX_CHANNEL, "x");
    SAY(&b, 0, rai_put_binding_query, BOX_CHANNEL, "a");
    HEARS(&b, 0, "10 BINDING none", "10 NULL -1", "10 BINDING", "10 BINDING q");
}

static void put_shared_queue(struct rai_writer *w, size_t size, const char *address, const char *queue)
{
    static const uint8_t nulls[17];
    rai_put_header(w, RAI_CREATE_SHARED_QUEUE_V2, BOX_CHANNEL, size);
    rai_put_sstr(w, address, strlen(address));
    rai_put_sstr(w, queue, strlen(queue));
    rai_put_nsstr(w, NULL, 0);
    rai_put_bool(w, true);
    rai_put_u8(w, 0);
    rai_put_bool(w, true);
    rai_put_raw(w, nulls, sizeof nulls);
}

Test(mock_requests, a_shared_queue_may_be_there_if_it_is_the_same)
{
    SAY(&b, 0, put_shared_queue, "a", "shared");
    SAY(&b, 0, put_shared_queue, "a", "shared");
    SAY(&b, 0, put_shared_queue, "other", "shared");
    HEARS(&b, 0, "10 NULL -1", "10 NULL -1", "10 EXCEPTION 118");
}

Test(mock_requests, a_temporary_queue_ends_with_its_link)
{
    struct rai_create_queue queue = { .address = "t", .queue = "t", .temporary = true, .respond = true };
    struct rai_create_session session = {
        .name = "other", .channel = 11, .version = RAI_VERSION, .window = -1, .auto_commit_sends = true
    };
    SAY(&b, 0, rai_put_create_queue, BOX_CHANNEL, &queue);
    HEARS(&b, 0, "10 NULL -1");
    SAY(&b, 0, rai_put_create_session, &session);
    SAY(&b, 0, rai_put_simple, RAI_SESS_CLOSE, BOX_CHANNEL);
    HEARS(&b, 0, "1 CREATED 136", "10 CONFIRMED 1", "10 NULL -1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "t"), 0, "another session is on the link");
    SAY(&b, 0, rai_put_simple, RAI_SESS_CLOSE, 11);
    HEARS(&b, 0, "11 NULL -1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "t"), -1);
}

Test(mock_requests, consumers_are_told_of_their_queues_end)
{
    box_consumer(&b, 0, 7, "q", NULL);
    box_run(&b);
    rai_mock_delete_queue(b.m, "q");
    HEARS(&b, 0, "10 DISCONNECT_CONSUMER");
    SAY(&b, 0, rai_put_consumer_close, BOX_CHANNEL, 7);
    HEARS(&b, 0, "10 NULL -1");
}

Test(mock_requests, forced_delivery_ends_with_a_marker)
{
    struct rai_create_consumer consumer = { .queue = "q" };
    rai_mock_add_message(b.m, "a", (const uint8_t *)"one", 3);
    rai_mock_add_message(b.m, "a", (const uint8_t *)"two", 3);
    SAY(&b, 0, rai_put_simple, RAI_SESS_START, BOX_CHANNEL);
    SAY(&b, 0, rai_put_create_consumer, BOX_CHANNEL, RAI_VERSION, &consumer);
    SAY(&b, 0, rai_put_force_delivery, BOX_CHANNEL, 0, 5);
    HEARS(&b, 0, "10 MARKER 0 5");
    SAY(&b, 0, rai_put_flow_token, BOX_CHANNEL, 0, 1);
    SAY(&b, 0, rai_put_force_delivery, BOX_CHANNEL, 0, 6);
    HEARS(&b, 0, "10 MSG 0 1 one", "10 MARKER 0 6");
}

/* --- sessions --- */

Test(mock_requests, who_acknowledges_before_is_asked_for_nothing)
{
    struct rai_create_session session = { .name = "pre",
                                          .channel = 11,
                                          .version = RAI_VERSION,
                                          .window = -1,
                                          .auto_commit_sends = true,
                                          .auto_commit_acks = true,
                                          .pre_acknowledge = true };
    struct rai_create_consumer consumer = { .queue = "q" };
    rai_mock_add_message(b.m, "a", (const uint8_t *)"one", 3);
    SAY(&b, 0, rai_put_create_session, &session);
    SAY(&b, 0, rai_put_create_consumer, 11, RAI_VERSION, &consumer);
    SAY(&b, 0, rai_put_flow_token, 11, 0, -1);
    SAY(&b, 0, rai_put_simple, RAI_SESS_START, 11);
    HEARS(&b, 0, "1 CREATED 136", "11 MSG 0 1 one");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 0);
}

static void put_metadata(struct rai_writer *w, size_t size, int type, int64_t channel, const char *value)
{
    rai_put_header(w, type, channel, size);
    rai_put_str(w, "key", 3);
    rai_put_str(w, value, strlen(value));
    rai_put_bool(w, true);
}

Test(mock_requests, metadata_is_counted_when_it_says_so)
{
    SAY(&b, 0, rai_put_add_metadata2, BOX_CHANNEL, "key", "value", false);
    SAY(&b, 0, rai_put_add_metadata2, BOX_CHANNEL, "key", "value", true);
    SAY(&b, 0, put_metadata, RAI_SESS_ADD_METADATA, BOX_CHANNEL, "old");
    HEARS(&b, 0, "10 NULL -1", "10 NULL -1");
    cr_expect_eq(rai_mock_session_count(b.m, "s").commands, 0);
}

Test(mock_requests, unique_metadata_is_given_once)
{
    struct rai_create_session session = { .name = "other", .channel = 11, .version = RAI_VERSION, .window = -1 };
    SAY(&b, 0, rai_put_create_session, &session);
    SAY(&b, 0, put_metadata, RAI_SESS_UNIQUE_ADD_METADATA, BOX_CHANNEL, "one");
    HEARS(&b, 0, "1 CREATED 136", "10 NULL -1");
    SAY(&b, 0, put_metadata, RAI_SESS_UNIQUE_ADD_METADATA, 11, "one");
    SAY(&b, 0, put_metadata, RAI_SESS_UNIQUE_ADD_METADATA, 11, "two");
    HEARS(&b, 0, "11 EXCEPTION 114", "11 NULL -1");
}

Test(mock_requests, a_value_is_taken_however_it_was_set_until_it_is_replaced_or_its_session_ends)
{
    struct rai_create_session session = { .name = "other", .channel = 11, .version = RAI_VERSION, .window = -1 };
    SAY(&b, 0, rai_put_create_session, &session);
    SAY(&b, 0, rai_put_add_metadata2, BOX_CHANNEL, "key", "one", true);
    SAY(&b, 0, rai_put_unique_add_metadata, BOX_CHANNEL, "own", "one");
    HEARS(&b, 0, "1 CREATED 136", "10 NULL -1", "10 NULL -1");
    SAY(&b, 0, rai_put_unique_add_metadata, 11, "key", "one");
    SAY(&b, 0, rai_put_unique_add_metadata, 11, "own", "one");
    SAY(&b, 0, rai_put_add_metadata2, 11, "key", "one", true);
    HEARS(&b, 0, "11 EXCEPTION 114", "11 EXCEPTION 114", "11 NULL -1");
    SAY(&b, 0, rai_put_unique_add_metadata, BOX_CHANNEL, "own", "two");
    HEARS(&b, 0, "10 NULL -1");
    SAY(&b, 0, rai_put_unique_add_metadata, 11, "own", "one");
    HEARS(&b, 0, "11 NULL -1");
    SAY(&b, 0, rai_put_simple, RAI_SESS_CLOSE, 11);
    HEARS(&b, 0, "11 NULL -1");
    SAY(&b, 0, rai_put_unique_add_metadata, BOX_CHANNEL, "own", "one");
    HEARS(&b, 0, "10 NULL -1");
}

static void put_check_for_failover(struct rai_writer *w, size_t size, const char *node)
{
    rai_put_header(w, RAI_CHECK_FOR_FAILOVER, RAI_CHANNEL_SESSION, size);
    rai_put_nstr(w, node, node != NULL ? strlen(node) : 0);
}

Test(mock_requests, failover_is_good_to_this_node)
{
    SAY(&b, 0, put_check_for_failover, "mock");
    SAY(&b, 0, put_check_for_failover, "another");
    SAY(&b, 0, put_check_for_failover, NULL);
    box_run(&b);
    const uint8_t *last = b.heard[0];
    cr_assert_eq(b.heard_size[0], 42);
    cr_expect(last[13] != 0 && last[27] == 0 && last[41] != 0);
    b.heard_size[0] = 0;
}

/* --- versions --- */

Test(mock_requests, every_version_speaks_its_own_variants)
{
    for (int32_t version = RAI_VERSION_MIN; version <= RAI_VERSION; version++) {
        char created[32];
        box_end(&b);
        box_init(&b);
        b.config.version = version;
        box_start(&b);
        rai_mock_add_queue(b.m, "q", "a", true);
        box_link(&b);
        box_session(&b, 0, "s", false);
        struct rai_create_consumer consumer = { .queue = "q", .respond = true };
        box_send(&b, 0, "a", "one", 1);
        HEARS(&b, 0, version >= 130 ? "10 NULL 1" : "10 NULL -1");
        SAY(&b, 0, rai_put_commit, BOX_CHANNEL, version, 2);
        HEARS(&b, 0, version >= 132 ? "10 NULL 2" : "10 NULL -1");
        SAY(&b, 0, rai_put_create_consumer, BOX_CHANNEL, version, &consumer);
        SAY(&b, 0, rai_put_binding_query, BOX_CHANNEL, "a");
        HEARS(&b, 0, "10 QUEUE q 1 1", "10 BINDING q");
        rai_mock_disconnect(b.m, b.links[0], 4);
        HEARS(&b, 0, "10 CONFIRMED 3", version >= 131 ? "0 DISCONNECT 4" : "0 DISCONNECT -1");
        struct rai_create_session newer = { .name = "t", .channel = 11, .version = version + 1, .window = -1 };
        int link = box_link(&b);
        SAY(&b, link, rai_put_create_session, &newer);
        HEARS(&b, link, "1 EXCEPTION 108");
        snprintf(created, sizeof created, "1 CREATED %d", version);
        newer.version = version;
        SAY(&b, link, rai_put_create_session, &newer);
        HEARS(&b, link, created);
    }
}
