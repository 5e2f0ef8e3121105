#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/packets.h"
#include "wire_bytes.h"

/* The frames here are what the Java implementation writes; versions it no longer writes are made from its field lists.
 */

static void check_text(struct rai_sstr s, const char *expected)
{
    char *text = rai_sstr_utf8(s, NULL);
    cr_expect_str_eq(text, expected);
    rai_free(text);
}

/* --- connection control --- */

Test(codec_packets, ping_and_subscription_are_written)
{
    CHECK_ENCODES("00000011 0a 0000000000000000 000000000000ea60", rai_put_ping(w, size, 60000));
    CHECK_ENCODES("0000000e 71 0000000000000000 00 00000088", rai_put_subscribe_topology(w, size, 136));
}

Test(codec_packets, topology_v4_tells_node_and_version)
{
    struct bytes b = bytes_of("00000052 ef 0000000000000000 00 00000004006e006f00640065 0000000000000063 ff"
                              "000000010063 000000010046 00000001 000000040070006f00720074 03"
                              "0000000500360031003600310036 00 ff 00 00 00000088");
    struct rai_frame f = frame_of(b);
    struct rai_topology t;
    cr_assert(rai_get_topology(&f, &t));
    cr_assert_not(t.exit);
    cr_assert(t.last);
    cr_assert_eq(t.version, 136);
    cr_assert_str_eq(t.node_id, "node");
    bytes_free(b);
}

Test(codec_packets, older_topologies_have_no_version)
{
    static const char *const frames[] = {
        /* 110: both connectors absent, last */
        "00000014 6e 0000000000000000 00 00000001006e 00 00 ff 00",
        /* 114, without and with a backup group */
        "0000001a 72 0000000000000000 00 00000001006e 0000000000000001 00 00 ff",
        "0000001b 72 0000000000000000 00 00000001006e 0000000000000001 00 00 ff 00",
        /* 122, with both groups */
        "00000026 7a 0000000000000000 00 00000001006e 0000000000000001 00 00 ff 01000000010062 0100 00000000",
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct bytes b = bytes_of(frames[i]);
        b.data[3] = (uint8_t)(b.size - 4);
        struct rai_frame f = frame_of(b);
        struct rai_topology t;
        cr_expect(rai_get_topology(&f, &t), "number %zu", i);
        cr_expect(t.last, "number %zu", i);
        cr_expect_eq(t.version, -1);
        cr_expect_str_eq(t.node_id, "n");
        bytes_free(b);
    }
}

Test(codec_packets, a_node_that_left_has_no_connectors)
{
    struct bytes b = bytes_of("00000019 72 0000000000000000 ff 00000001006e 0000000000000001 00");
    struct rai_frame f = frame_of(b);
    struct rai_topology t;
    cr_assert(rai_get_topology(&f, &t));
    cr_assert(t.exit);
    cr_assert_not(t.last);
    bytes_free(b);
}

Test(codec_packets, all_kinds_of_connector_parameters_are_stepped_over)
{
    struct bytes b = bytes_of("0000005f ef 0000000000000000 00 00000001006e 0000000000000001 00 ff"
                              "000000010063 000000010046 00000004"
                              "000000010061 00 ff 000000010062 01 00000001 000000010063 02 0000000000000001"
                              "000000010064 03 000000010065 ff 00 00 00000083");
    b.data[3] = (uint8_t)(b.size - 4);
    struct rai_frame f = frame_of(b);
    struct rai_topology t;
    cr_assert(rai_get_topology(&f, &t));
    cr_assert_eq(t.version, 131);
    bytes_free(b);
    b = bytes_of("0000002f ef 0000000000000000 00 00000001006e 0000000000000001 00 ff"
                 "000000010063 000000010046 00000001 000000010061 04 ff ff 00 00 00000083");
    b.data[3] = (uint8_t)(b.size - 4);
    f = frame_of(b);
    cr_assert_not(rai_get_topology(&f, &t), "an unknown kind has an unknown size");
    bytes_free(b);
}

/* host and port as text, as a number, and not to be used: one connector each as the only one of a node. */
Test(codec_packets, connectors_need_a_host_and_a_port)
{
    static const char head[] = "00000000 ef 0000000000000000 00 00000001006e 0000000000000001 00 ff 000000010063 000000010046";
    static const char tail[] = "ff 00 00 00000088";
    static const struct {
        const char *parameters;
        uint16_t port;
    } cases[] = {
        { "00000002 00000004 0068 006f 0073 0074 03 00000001 0062 00000004 0070 006f 0072 0074 03 00000002 0035 0036", 56 },
        { "00000002 00000004 0070 006f 0072 0074 01 0000f0b0 00000004 0068 006f 0073 0074 03 00000001 0062", 0xf0b0 },
        { "00000002 00000004 0070 006f 0072 0074 02 0000000000000001 00000004 0068 006f 0073 0074 03 00000001 0062", 1 },
        { "00000001 00000004 0068 006f 0073 0074 03 00000001 0062", 0 },
        { "00000001 00000004 0070 006f 0072 0074 01 0000f0b0", 0 },
        { "00000002 00000004 0070 006f 0072 0074 01 00010000 00000004 0068 006f 0073 0074 03 00000001 0062", 0 },
        { "00000002 00000004 0070 006f 0072 0074 03 00000001 0078 00000004 0068 006f 0073 0074 03 00000001 0062", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s %s %s", head, cases[i].parameters, tail);
        struct bytes b = bytes_of(text);
        b.data[3] = (uint8_t)(b.size - 4);
        struct rai_frame f = frame_of(b);
        struct rai_topology t;
        cr_expect(rai_get_topology(&f, &t), "number %zu", i);
        cr_expect_str_eq(t.primary.host, "", "number %zu", i);
        cr_expect_eq(t.backup.port, cases[i].port, "number %zu", i);
        cr_expect_str_eq(t.backup.host, cases[i].port != 0 ? "b" : "", "number %zu", i);
        bytes_free(b);
    }
}

Test(codec_packets, all_disconnects_are_understood)
{
    struct rai_disconnect d;
    struct bytes b = bytes_of("00000013 ed 0000000000000000 01000000026e00 04 00 00");
    struct rai_frame f = frame_of(b);
    cr_assert(rai_get_disconnect(&f, &d));
    cr_assert_eq(d.reason, 4);
    cr_assert_str_eq(d.node_id, "n");
    cr_assert_str_empty(d.target_id);
    bytes_free(b);

    b = bytes_of("00000017 7c 0000000000000000 01000000026e00 01000000027400");
    f = frame_of(b);
    cr_assert(rai_get_disconnect(&f, &d));
    cr_assert_eq(d.reason, -1);
    cr_assert_str_eq(d.target_id, "t");
    bytes_free(b);

    b = bytes_of("0000000a 0b 0000000000000000 00");
    f = frame_of(b);
    cr_assert(rai_get_disconnect(&f, &d));
    cr_assert_eq(d.reason, -1);
    cr_assert_str_empty(d.node_id);
    bytes_free(b);
}

/* --- channel 1 --- */

static const struct rai_create_session session = { .name = "0123456789",
                                                   .channel = 10,
                                                   .version = 136,
                                                   .user = "u",
                                                   .password = "p",
                                                   .min_large_message_size = 102400,
                                                   .auto_commit_sends = true,
                                                   .auto_commit_acks = true,
                                                   .window = 1048576,
                                                   .client_id = "cid" };

Test(codec_packets, create_session_v2_is_written)
{
    CHECK_ENCODES("0000004b ee 0000000000000001 0000000a000a30313233343536373839 000000000000000a 00000088"
                  "01000000010075 01000000010070 00019000 00 ff ff 00100000 00 00 0100000003006300690064",
                  rai_put_create_session(w, size, &session));
}

Test(codec_packets, create_session_has_the_old_form_below_131)
{
    for (int32_t version = 129; version <= 136; version++) {
        struct rai_create_session s = session;
        struct bytes b;
        s.version = version;
        s.user = s.password = NULL;
        ENCODE(b, rai_put_create_session(w, size, &s));
        struct rai_frame f = frame_of(b);
        cr_expect_eq(f.type, version >= 131 ? RAI_CREATESESSION_V2 : RAI_CREATESESSION, "version %d", (int)version);
        cr_expect_eq(b.size, (size_t)(version >= 131 ? 67 : 56), "version %d: %zu", (int)version, b.size);
        cr_expect_eq(b.data[40], version);
        bytes_free(b);
    }
}

Test(codec_packets, create_session_answer_tells_the_version)
{
    struct bytes b = bytes_of("0000000d 1f 0000000000000001 00000088");
    struct rai_frame f = frame_of(b);
    int32_t version = 0;
    cr_assert(rai_get_create_session_resp(&f, &version));
    cr_assert_eq(version, 136);
    bytes_free(b);
}

Test(codec_packets, reattach_is_written_and_its_answer_read)
{
    CHECK_ENCODES("00000015 20 0000000000000001 0000000200730031 00000029", rai_put_reattach(w, size, "s1", 41));
    struct bytes b = bytes_of("0000000e 21 0000000000000001 00000028 ff");
    struct rai_frame f = frame_of(b);
    int32_t last = 0;
    bool reattached = false;
    cr_assert(rai_get_reattach_resp(&f, &last, &reattached));
    cr_assert_eq(last, 40);
    cr_assert(reattached);
    bytes_free(b);
    b = bytes_of("0000000e 21 0000000000000001 ffffffff 00");
    f = frame_of(b);
    cr_assert(rai_get_reattach_resp(&f, &last, &reattached));
    cr_assert_eq(last, -1);
    cr_assert_not(reattached);
    bytes_free(b);
}

/* --- answers --- */

Test(codec_packets, null_response_has_a_correlation_or_not)
{
    static const struct {
        const char *hex;
        int64_t correlation;
    } table[] = {
        { "00000011 15 000000000000000a ffffffffffffffff", RAI_NO_CORRELATION },
        { "00000011 15 000000000000000a fffffffffffffffe", -2 },
        { "00000009 15 000000000000000a", RAI_NO_CORRELATION },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct bytes b = bytes_of(table[i].hex);
        struct rai_frame f = frame_of(b);
        int64_t correlation = 99;
        cr_expect(rai_get_null_response(&f, &correlation));
        cr_expect_eq(correlation, table[i].correlation);
        bytes_free(b);
    }
}

Test(codec_packets, exceptions_carry_code_text_and_perhaps_a_correlation)
{
    static const struct {
        const char *hex;
        int32_t code;
        const char *text;
        int64_t correlation;
    } table[] = {
        { "0000001a 14 000000000000000a 00000064 0100000004006e006f00200071", 100, "no q", RAI_NO_CORRELATION },
        { "0000002b 14 000000000000000a 00000064 010000000f000f61206d657373616765206f6620392b 0000000000000007", 100,
          "a message of 9+", 7 },
        { "0000000e 14 000000000000000a 00000000 00", 0, "", RAI_NO_CORRELATION },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct bytes b = bytes_of(table[i].hex);
        struct rai_frame f = frame_of(b);
        int32_t code = -1;
        int64_t correlation = 99;
        char text[32];
        cr_expect(rai_get_exception(&f, &code, text, sizeof text, &correlation));
        cr_expect_eq(code, table[i].code);
        cr_expect_str_eq(text, table[i].text);
        cr_expect_eq(correlation, table[i].correlation);
        cr_expect(rai_get_exception(&f, &code, text, 3, &correlation));
        cr_expect_eq(correlation, table[i].correlation, "behind a text that was cut");
        bytes_free(b);
    }
}

Test(codec_packets, confirmations_go_both_ways)
{
    CHECK_ENCODES("0000000d 16 000000000000000a 00000029", rai_put_packets_confirmed(w, size, 10, 41));
    struct bytes b = bytes_of("0000000d 16 000000000000000a 00000029");
    struct rai_frame f = frame_of(b);
    int32_t last = 0;
    cr_assert(rai_get_packets_confirmed(&f, &last));
    cr_assert_eq(last, 41);
    bytes_free(b);
}

/* --- session requests --- */

Test(codec_packets, requests_without_fields_are_a_header)
{
    CHECK_ENCODES("00000009 43 000000000000000a", rai_put_simple(w, size, RAI_SESS_START, 10));
    CHECK_ENCODES("00000009 41 000000000000000a", rai_put_simple(w, size, RAI_SESS_XA_GET_TIMEOUT, 10));
}

Test(codec_packets, commit_has_a_correlation_from_132_on)
{
    for (int32_t version = 129; version <= 136; version++) {
        if (version >= 132) {
            CHECK_ENCODES("00000011 2b 000000000000000a fffffffffffffffe", rai_put_commit(w, size, 10, version, -2));
        } else {
            CHECK_ENCODES("00000009 2b 000000000000000a", rai_put_commit(w, size, 10, version, -2));
        }
    }
}

Test(codec_packets, rollback_and_metadata_are_written)
{
    CHECK_ENCODES("0000000a 2c 000000000000000a ff", rai_put_rollback(w, size, 10, true));
    CHECK_ENCODES("0000001f 69 000000000000000a 0000000b000b6a6d732d73657373696f6e 00000000 ff",
                  rai_put_add_metadata2(w, size, 10, "jms-session", "", true));
    CHECK_ENCODES("00000018 6a 000000000000000a 00000001006b 000000020076 0077 ff",
                  rai_put_unique_add_metadata(w, size, 10, "k", "vw"));
}

Test(codec_packets, create_consumer_has_a_priority_from_130_on)
{
    const struct rai_create_consumer c = { .id = 0, .queue = "q", .respond = true };
    for (int32_t version = 129; version <= 136; version++) {
        if (version >= 130) {
            CHECK_ENCODES("0000001e 28 000000000000000a 0000000000000000 000000027100 00 00 ff 00000000",
                          rai_put_create_consumer(w, size, 10, version, &c));
        } else {
            CHECK_ENCODES("0000001a 28 000000000000000a 0000000000000000 000000027100 00 00 ff",
                          rai_put_create_consumer(w, size, 10, version, &c));
        }
    }
}

Test(codec_packets, create_consumer_writes_filter_browse_and_priority)
{
    const struct rai_create_consumer c = { .id = 3, .queue = "q", .filter = "x", .browse = true, .priority = -1 };
    CHECK_ENCODES("00000024 28 000000000000000a 0000000000000003 000000027100 01000000027800 ff 00 ffffffff",
                  rai_put_create_consumer(w, size, 10, 136, &c));
}

Test(codec_packets, consumer_requests_are_written)
{
    CHECK_ENCODES("00000015 46 000000000000000a 0000000000000000 00100000",
                  rai_put_flow_token(w, size, 10, 0, 1048576));
    CHECK_ENCODES("0000001a 29 000000000000000a 0000000000000000 000000000000004d ff",
                  rai_put_acknowledge(w, size, 10, 0, 77, false, true));
    CHECK_ENCODES("0000001a 51 000000000000000a 0000000000000000 000000000000004d 00",
                  rai_put_acknowledge(w, size, 10, 0, 77, true, false));
    CHECK_ENCODES("00000011 4a 000000000000000a 0000000000000002", rai_put_consumer_close(w, size, 10, 2));
    CHECK_ENCODES("00000019 4e 000000000000000a 0000000000000002 0000000000000005",
                  rai_put_force_delivery(w, size, 10, 2, 5));
    CHECK_ENCODES("00000019 2a 000000000000000a 0000000000000002 0000000000000005", rai_put_expired(w, size, 10, 2, 5));
}

Test(codec_packets, disconnect_consumer_tells_which)
{
    struct bytes b = bytes_of("00000011 0c 000000000000000a 0000000000000002");
    struct rai_frame f = frame_of(b);
    int64_t id = 0;
    cr_assert(rai_get_disconnect_consumer(&f, &id));
    cr_assert_eq(id, 2);
    bytes_free(b);
}

Test(codec_packets, producers_and_their_credits)
{
    CHECK_ENCODES("00000014 ec 000000000000000a 00000001 01000000026100", rai_put_create_producer(w, size, 10, 1, "a"));
    CHECK_ENCODES("0000000e ec 000000000000000a 00000001 00", rai_put_create_producer(w, size, 10, 1, NULL));
    CHECK_ENCODES("0000000d eb 000000000000000a 00000001", rai_put_remove_producer(w, size, 10, 1));
    CHECK_ENCODES("00000013 4f 000000000000000a 00010000 000000026100",
                  rai_put_request_credits(w, size, 10, 65536, "a"));
    struct bytes b = bytes_of("00000013 50 000000000000000a 00010000 000000026100");
    struct rai_frame f = frame_of(b);
    int32_t credits = 0;
    struct rai_sstr address;
    cr_assert(rai_get_producer_credits(&f, &credits, &address));
    cr_assert_eq(credits, 65536);
    check_text(address, "a");
    bytes_free(b);
}

/* --- queues --- */

Test(codec_packets, queues_and_addresses_are_created_and_deleted)
{
    const struct rai_create_queue q = {
        .address = "a", .queue = "q", .durable = true, .respond = true, .routing_type = 1, .max_consumers = -1
    };
    CHECK_ENCODES("0000002f f4 000000000000000a 000000026100 000000027100 00 ff 00 ff 00 01 ffffffff 00"
                  "000000000000000000000000000000",
                  rai_put_create_queue(w, size, 10, &q));
    CHECK_ENCODES("00000017 f5 000000000000000a 000000026100 00000002 0001 ff ff",
                  rai_put_create_address(w, size, 10, "a", true, true, true, true));
    CHECK_ENCODES("00000016 f5 000000000000000a 000000026100 00000001 01 ff 00",
                  rai_put_create_address(w, size, 10, "a", false, true, true, false));
    CHECK_ENCODES("0000000f 23 000000000000000a 000000027100", rai_put_delete_queue(w, size, 10, "q"));
    CHECK_ENCODES("0000000f 2d 000000000000000a 000000027100", rai_put_queue_query(w, size, 10, "q"));
    CHECK_ENCODES("0000000f 31 000000000000000a 000000026100", rai_put_binding_query(w, size, 10, "a"));
}

Test(codec_packets, a_queue_of_no_routing_type_is_written_with_ff)
{
    const struct rai_create_queue q = {
        .address = "a", .queue = "q", .filter = "f", .temporary = true, .routing_type = -1
    };
    CHECK_ENCODES("00000035 f4 000000000000000a 000000026100 000000027100 01000000026600 00 ff 00 00 ff 00000000 00"
                  "000000000000000000000000000000",
                  rai_put_create_queue(w, size, 10, &q));
}

Test(codec_packets, queue_answer_v3_is_read)
{
    struct bytes b = bytes_of("00000045 f2 000000000000000a ff ff 00 00000001 0000000000000002 00 01000000026100"
                              "01000000027100 ff 00 00 01 ffffffff 00 00 ff00100000 00000000000000000000000000 ff00");
    struct rai_frame f = frame_of(b);
    struct rai_queue_answer a;
    cr_assert(rai_get_queue_answer(&f, &a));
    cr_assert(a.exists && a.durable && !a.temporary && a.auto_create_queues && !a.auto_created);
    cr_assert_eq(a.consumers, 1);
    cr_assert_eq(a.messages, 2);
    cr_assert_null(a.filter.data);
    check_text(a.address, "a");
    check_text(a.name, "q");
    cr_assert_eq(a.routing_type, 1);
    cr_assert_eq(a.max_consumers, -1);
    cr_assert_eq(a.default_window, 1048576);
    bytes_free(b);
}

Test(codec_packets, older_queue_answers_leave_the_rest_unknown)
{
    static const char *const frames[] = {
        "00000027 2e 000000000000000a ff ff 00 00000001 0000000000000002 00 01000000026100 01000000027100",
        "00000028 f9 000000000000000a ff ff 00 00000001 0000000000000002 00 01000000026100 01000000027100 ff",
    };
    for (size_t i = 0; i < 2; i++) {
        struct bytes b = bytes_of(frames[i]);
        b.data[3] = (uint8_t)(b.size - 4);
        struct rai_frame f = frame_of(b);
        struct rai_queue_answer a;
        cr_expect(rai_get_queue_answer(&f, &a));
        cr_expect_eq(a.messages, 2);
        cr_expect_eq(a.auto_create_queues, i == 1);
        cr_expect_eq(a.routing_type, -1);
        cr_expect_eq(a.max_consumers, -1);
        cr_expect_eq(a.default_window, -2);
        bytes_free(b);
    }
}

Test(codec_packets, a_queue_answer_may_end_before_any_group)
{
    const char base[] = "00000032 f2 000000000000000a ff ff 00 00000001 0000000000000002 00 01000000026100"
                        "01000000027100 ff ff 00 02 00000005";
    char whole[400];
    static const struct {
        const char *tail;
        int32_t window;
    } table[] = { { "", -2 }, { "00 00", -2 }, { "ffff 00 00", -2 }, { "00 00 ff00000007", 7 } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        strcpy(whole, base);
        strcat(whole, table[i].tail);
        struct bytes b = bytes_of(whole);
        b.data[3] = (uint8_t)(b.size - 4);
        struct rai_frame f = frame_of(b);
        struct rai_queue_answer a;
        cr_expect(rai_get_queue_answer(&f, &a), "number %zu", i);
        cr_expect(a.auto_created);
        cr_expect_eq(a.routing_type, -1, "2 is no routing type");
        cr_expect_eq(a.max_consumers, 5);
        cr_expect_eq(a.default_window, table[i].window, "number %zu", i);
        bytes_free(b);
    }
}

static void check_binding(const char *hex, bool queues, bool addresses, int multicast, int anycast)
{
    struct bytes b = bytes_of(hex);
    b.data[3] = (uint8_t)(b.size - 4);
    struct rai_frame f = frame_of(b);
    struct rai_binding_answer a;
    cr_expect(rai_get_binding_answer(&f, &a), "%s", hex);
    cr_expect(a.exists);
    cr_expect_eq(a.count, 2);
    check_text(rai_get_sstr(&a.names), "q");
    check_text(rai_get_sstr(&a.names), "r");
    cr_expect_not(a.names.bad);
    cr_expect_eq(rai_reader_left(&a.names), 0);
    cr_expect_eq(a.auto_create_queues, queues, "%s", hex);
    cr_expect_eq(a.auto_create_addresses, addresses, "%s", hex);
    cr_expect_eq(a.multicast, multicast, "%s", hex);
    cr_expect_eq(a.anycast, anycast, "%s", hex);
    bytes_free(b);
}

#define NAMES "000000000000000a ff 00000002 000000027100 000000027200"

Test(codec_packets, all_binding_answers_are_read)
{
    check_binding("00000000 32" NAMES, false, false, -1, -1);
    check_binding("00000000 f8" NAMES "ff", true, false, -1, -1);
    check_binding("00000000 f6" NAMES "00 ff", false, true, -1, -1);
    check_binding("00000000 f1" NAMES "ff ff 00 ffffffff", true, true, -1, -1);
    check_binding("00000000 f1" NAMES "ff ff 00 ffffffff 00 ffff", true, true, -1, -1);
    check_binding("00000000 f1" NAMES "ff 00 00 ffffffff 00 00 00 00 ff00000001 ff0000000000000001", true, false, -1,
                  -1);
    check_binding("00000000 ea" NAMES "ff ff 00 ffffffff 00 00 00 00 00 00 ff 00", true, true, 1, 0);
}

Test(codec_packets, the_binding_answer_of_a_real_broker_is_read)
{
    struct bytes b =
        bytes_of("00000023 ea 000000000000000a ff 00000001 000000027100 ff ff 00 ffffffff 00 00 00 00 00 00 ff 00");
    struct rai_frame f = frame_of(b);
    struct rai_binding_answer a;
    cr_assert(rai_get_binding_answer(&f, &a));
    cr_assert_eq(a.count, 1);
    cr_assert_eq(a.multicast, 1);
    cr_assert_eq(a.anycast, 0);
    bytes_free(b);
}

/* --- deliveries --- */

Test(codec_packets, delivery_fields_are_found_from_the_end)
{
    struct bytes b = bytes_of("0000001a 4b 000000000000000a 0102030405 0000000000000003 00000002");
    b.data[3] = (uint8_t)(b.size - 4);
    struct rai_frame f = frame_of(b);
    struct rai_delivery d;
    cr_assert(rai_get_receive(&f, &d));
    cr_assert_eq(d.consumer, 3);
    cr_assert_eq(d.count, 2);
    cr_assert_eq(d.blob_size, 5);
    cr_assert_eq(d.blob, b.data + 13);
    cr_assert_eq(d.large_size, -1);
    bytes_free(b);
}

Test(codec_packets, large_deliveries_begin_with_the_consumer)
{
    struct bytes b = bytes_of("00000051 4c 000000000000000a 0000000000000000 00000001 0000000000030d40"
                              "0000000000000000 01000000026100 01 c7cc368ce6be11f1b9c202fc00000001 04 00"
                              "0000000000000000 0000000000000000 04 00");
    struct rai_frame f = frame_of(b);
    struct rai_delivery d;
    cr_assert(rai_get_receive_large(&f, &d));
    cr_assert_eq(d.consumer, 0);
    cr_assert_eq(d.count, 1);
    cr_assert_eq(d.large_size, 200000);
    cr_assert_eq(d.blob_size, 52);
    b.data[25] = 0x80; /* a negative size */
    cr_assert_not(rai_get_receive_large(&f, &d));
    bytes_free(b);
}

Test(codec_packets, chunks_are_read)
{
    struct bytes b = bytes_of("00000019 4d 000000000000000a 00000003 010203 00 0000000000000000");
    struct rai_frame f = frame_of(b);
    struct rai_chunk c;
    cr_assert(rai_get_receive_chunk(&f, &c));
    cr_assert_eq(c.size, 3);
    cr_assert_arr_eq(c.data, "\1\2\3", 3);
    cr_assert_not(c.continues);
    cr_assert_eq(c.consumer, 0);
    bytes_free(b);
}

/* --- hostile input: nothing may be read behind the frame, whatever it says --- */

static bool decode(const struct rai_frame *f)
{
    static char text[64];
    union {
        struct rai_topology topology;
        struct rai_disconnect disconnect;
        struct rai_queue_answer queue;
        struct rai_binding_answer binding;
        struct rai_delivery delivery;
        struct rai_chunk chunk;
        struct rai_sstr string;
    } out;
    int32_t number;
    int64_t wide;
    bool flag;

    switch (f->type) {
    case RAI_CLUSTER_TOPOLOGY:
    case RAI_CLUSTER_TOPOLOGY_V2:
    case RAI_CLUSTER_TOPOLOGY_V3:
    case RAI_CLUSTER_TOPOLOGY_V4:
        return rai_get_topology(f, &out.topology);
    case RAI_DISCONNECT:
    case RAI_DISCONNECT_V2:
    case RAI_DISCONNECT_V3:
        return rai_get_disconnect(f, &out.disconnect);
    case RAI_CREATESESSION_RESP:
        return rai_get_create_session_resp(f, &number);
    case RAI_REATTACH_SESSION_RESP:
        return rai_get_reattach_resp(f, &number, &flag);
    case RAI_NULL_RESPONSE:
        return rai_get_null_response(f, &wide);
    case RAI_EXCEPTION:
        return rai_get_exception(f, &number, text, sizeof text, &wide);
    case RAI_PACKETS_CONFIRMED:
        return rai_get_packets_confirmed(f, &number);
    case RAI_DISCONNECT_CONSUMER:
        return rai_get_disconnect_consumer(f, &wide);
    case RAI_SESS_PRODUCER_CREDITS:
        return rai_get_producer_credits(f, &number, &out.string);
    case RAI_SESS_QUEUEQUERY_RESP:
    case RAI_SESS_QUEUEQUERY_RESP_V2:
    case RAI_SESS_QUEUEQUERY_RESP_V3:
        return rai_get_queue_answer(f, &out.queue);
    case RAI_SESS_RECEIVE_MSG:
        return rai_get_receive(f, &out.delivery);
    case RAI_SESS_RECEIVE_LARGE_MSG:
        return rai_get_receive_large(f, &out.delivery);
    case RAI_SESS_RECEIVE_CONTINUATION:
        return rai_get_receive_chunk(f, &out.chunk);
    default:
        return rai_get_binding_answer(f, &out.binding);
    }
}

/* `shortest`: with fewer bytes than this the frame must be refused */
static const struct {
    const char *hex;
    size_t shortest;
} hostile[] = {
    { "00000000 ef 0000000000000000 00 00000004006e006f00640065 0000000000000063 ff 000000010063 000000010046 00000001"
      "000000040070006f00720074 03 0000000500360031003600310036 00 ff 00 00 00000088",
      86 },
    { "00000000 6e 0000000000000000 00 00000001006e 00 00 ff", 23 },
    { "00000000 72 0000000000000000 00 00000001006e 0000000000000001 00 00 ff 01 00000001 0062", 31 },
    { "00000000 7a 0000000000000000 00 00000001006e 0000000000000001 00 00 ff 00 01 00000001 0062", 39 },
    { "00000000 0b 0000000000000000 01000000026e00", 20 },
    { "00000000 7c 0000000000000000 01000000026e00 01000000027400", 27 },
    { "00000000 ed 0000000000000000 01000000026e00 00 01000000027400 ff 000000010063 000000010046 00000002"
      "000000010061 00 ff 000000010062 01 00000001",
      63 },
    { "00000000 1f 0000000000000001 00000088", 17 },
    { "00000000 21 0000000000000001 00000028 ff", 18 },
    { "00000000 15 000000000000000a ffffffffffffffff", 13 },
    { "00000000 14 000000000000000a 00000064 010000000f000f61206d657373616765206f6620392b 0000000000000007", 39 },
    { "00000000 16 000000000000000a 00000029", 17 },
    { "00000000 0c 000000000000000a 0000000000000002", 21 },
    { "00000000 50 000000000000000a 00010000 000000026100", 23 },
    { "00000000 2e 000000000000000a ff ff 00 00000001 0000000000000002 00 01000000026100 01000000027100", 43 },
    { "00000000 f9 000000000000000a ff ff 00 00000001 0000000000000002 00 01000000026100 01000000027100 ff", 44 },
    { "00000000 f2 000000000000000a ff ff 00 00000001 0000000000000002 01000000026600 01000000026100 01000000027100 ff"
      "00 00 01 ffffffff 00 00 ff00100000 00000000000000000000000000 ff00",
      57 },
    { "00000000 32" NAMES, 30 },
    { "00000000 f8" NAMES "ff", 31 },
    { "00000000 f6" NAMES "ff ff", 32 },
    { "00000000 f1" NAMES "ff ff 00 ffffffff ffff ff00 01000000026b00 ffff ff00000001 ff0000000000000001", 37 },
    { "00000000 ea" NAMES "ff ff 00 ffffffff 00 00 00 00 00 00 ff 00", 37 },
    { "00000000 4b 000000000000000a 0102030405 0000000000000003 00000002", 25 },
    { "00000000 4c 000000000000000a 0000000000000000 00000001 0000000000030d40 01020304", 33 },
    { "00000000 4d 000000000000000a 00000003 010203 00 0000000000000000", 29 },
};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static void set_length(struct bytes b)
{
    b.data[0] = b.data[1] = b.data[2] = 0;
    b.data[3] = (uint8_t)(b.size - 4);
}

Test(codec_packets, every_truncated_frame_is_refused_or_harmless)
{
    for (size_t i = 0; i < HOSTILE; i++) {
        struct bytes whole = bytes_of(hostile[i].hex);
        for (size_t size = RAI_FRAME_HEADER; size <= whole.size; size++) {
            struct bytes b = bytes_copy(whole.data, size);
            set_length(b);
            struct rai_frame f = frame_of(b);
            bool good = decode(&f);
            cr_expect(size >= hostile[i].shortest || !good, "%s cut to %zu", rai_packet_name(f.type), size);
            cr_expect(size < whole.size || good, "%s whole", rai_packet_name(f.type));
            bytes_free(b);
        }
        bytes_free(whole);
    }
}

Test(codec_packets, every_corrupted_byte_is_harmless)
{
    for (size_t i = 0; i < HOSTILE; i++) {
        struct bytes whole = bytes_of(hostile[i].hex);
        for (size_t at = RAI_FRAME_HEADER; at < whole.size; at++) {
            for (int value = 0; value < 256; value++) {
                struct bytes b = bytes_copy(whole.data, whole.size);
                set_length(b);
                b.data[at] = (uint8_t)value;
                struct rai_frame f = frame_of(b);
                decode(&f);
                bytes_free(b);
            }
        }
        bytes_free(whole);
    }
}

Test(codec_packets, counts_and_lengths_of_all_ones_are_refused)
{
    static const char *const frames[] = {
        "00000000 ea 000000000000000a ff ffffffff 000000027100",
        "00000000 ea 000000000000000a ff 7fffffff 000000027100",
        "00000000 4d 000000000000000a ffffffff 010203 00 0000000000000000",
        "00000000 4d 000000000000000a 7fffffff 010203 00 0000000000000000",
        "00000000 50 000000000000000a 00010000 7ffffffe 6100",
        "00000000 ef 0000000000000000 00 00000001006e 0000000000000063 ff 000000010063 000000010046 7fffffff 00000000",
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct bytes b = bytes_of(frames[i]);
        set_length(b);
        struct rai_frame f = frame_of(b);
        cr_expect_not(decode(&f), "number %zu", i);
        bytes_free(b);
    }
}
