#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "codec/message.h"
#include "codec/packets.h"
#include "wire_bytes.h"

/* TEXT "hi" to "a", durable, _AMQ_ROUTING_TYPE = byte 1 and b = true, as the Java implementation writes it */
#define BLOB_BEFORE_PROPERTIES \
    "00000016 01 00000004 68006900 0000000000000000 01000000026100 00 03 01 0000000000000000 0000018bcfe56800 04"
#define ROUTING_ENTRY "000000225f0041004d0051005f0052004f005500540049004e0047005f005400590050004500 0301"
#define B_ENTRY       "000000026200 0201"
#define BLOB          BLOB_BEFORE_PROPERTIES "01 00000002" ROUTING_ENTRY B_ENTRY
#define HEADERS_WITH_ID                                                                                               \
    "0000000000000000 01000000026100 01 c7cc368ce6be11f1b9c202fc00000001 04 00 0000000000000000 0000000000000000 04 " \
    "00"

static const uint8_t user_id[16] = { 0xc7, 0xcc, 0x36, 0x8c, 0xe6, 0xbe, 0x11, 0xf1,
                                     0xb9, 0xc2, 0x02, 0xfc, 0x00, 0x00, 0x00, 0x01 };

/* Without the time at which it was made, so that its bytes are known. */
static int new_message(int32_t type, ra_message **message_out)
{
    int rc = ra_message_new(type, message_out, NULL);
    return rc == 0 ? ra_message_set_timestamp(*message_out, 0, NULL) : rc;
}

static ra_message *hi_message(void)
{
    ra_message *m = NULL;
    cr_assert_eq(new_message(RA_MESSAGE_DEFAULT, &m), 0);
    cr_assert_eq(ra_message_set_text(m, "hi", 2, NULL), 0);
    cr_assert_eq(ra_message_set_durable(m, 1, NULL), 0);
    cr_assert_eq(ra_message_set_timestamp(m, 1700000000000, NULL), 0);
    cr_assert_eq(ra_message_set_byte(m, "_AMQ_ROUTING_TYPE", 1, NULL), 0);
    cr_assert_eq(ra_message_set_boolean(m, "b", 1, NULL), 0);
    return m;
}

static const struct rai_send to_a = {
    .address = "a", .respond = true, .correlation = -2, .producer = 1, .routing_type = -1
};

Test(codec_message, a_new_message_knows_when_it_was_made)
{
    ra_message *m = NULL;
    int64_t before = (int64_t)time(NULL) * 1000;
    cr_assert_eq(ra_message_new(RA_MESSAGE_DEFAULT, &m, NULL), 0);
    cr_assert_geq(ra_message_timestamp(m), before);
    cr_assert_leq(ra_message_timestamp(m), (int64_t)time(NULL) * 1000 + 999);
    ra_message_unref(m);
}

/* --- sending --- */

Test(codec_message, send_is_written_as_java_writes_it)
{
    ra_message *m = hi_message();
    CHECK_ENCODES("0000007b 47 000000000000000a" BLOB "ff fffffffffffffffe 00000001",
                  rai_put_send(w, size, 10, 136, m, &to_a));
    cr_assert_eq(rai_send_blob_size(m, &to_a), 127 - 13 - 13);
    cr_assert_eq(rai_message_blob_size(m, "a"), 127 - 13 - 13);
    ra_message_unref(m);
}

Test(codec_message, send_has_three_tails_by_version)
{
    ra_message *m = hi_message();
    for (int32_t version = 129; version <= 136; version++) {
        if (version >= 134) {
            CHECK_ENCODES("0000007b 47 000000000000000a" BLOB "ff fffffffffffffffe 00000001",
                          rai_put_send(w, size, 10, version, m, &to_a));
        } else if (version >= 130) {
            CHECK_ENCODES("00000077 47 000000000000000a" BLOB "ff fffffffffffffffe",
                          rai_put_send(w, size, 10, version, m, &to_a));
        } else {
            CHECK_ENCODES("0000006f 47 000000000000000a" BLOB "ff", rai_put_send(w, size, 10, version, m, &to_a));
        }
    }
    ra_message_unref(m);
}

Test(codec_message, an_untouched_message_of_java_is_four_zero_bytes_long)
{
    const struct rai_send send = { .address = "a", .producer = 1, .routing_type = -1 };
    ra_message *m = NULL;
    cr_assert_eq(new_message(RA_MESSAGE_DEFAULT, &m), 0);
    cr_assert_eq(ra_message_set_durable(m, 1, NULL), 0);
    cr_assert_eq(ra_message_set_body(m, "\0\0\0\0", 4, NULL), 0);
    CHECK_ENCODES("00000042 47 000000000000000a 00000011 00000000 0000000000000000 01000000026100 00 00 01"
                  "0000000000000000 0000000000000000 04 00 00 0000000000000000 00000001",
                  rai_put_send(w, size, 10, 136, m, &send));
    ra_message_unref(m);
}

Test(codec_message, an_empty_body_is_really_empty)
{
    const struct rai_send send = { .address = NULL, .routing_type = -1 };
    ra_message *m = NULL;
    cr_assert_eq(new_message(RA_MESSAGE_BYTES, &m), 0);
    CHECK_ENCODES("0000002c 47 000000000000000a 0000000d 0000000000000000 00 00 04 00"
                  "0000000000000000 0000000000000000 04 00 00",
                  rai_put_send(w, size, 10, 129, m, &send));
    cr_assert_eq(rai_message_blob_size(m, NULL), 34, "four bytes and the smallest headers");
    ra_message_unref(m);
}

Test(codec_message, the_user_id_is_sent_as_it_was_set)
{
    const struct rai_send send = { .address = "a", .routing_type = -1 };
    ra_message *m = NULL;
    cr_assert_eq(new_message(RA_MESSAGE_BYTES, &m), 0);
    cr_assert_eq(ra_message_set_user_id(m, user_id, NULL), 0);
    CHECK_ENCODES("00000042 47 000000000000000a 0000000d" HEADERS_WITH_ID "00",
                  rai_put_send(w, size, 10, 129, m, &send));
    ra_message_unref(m);
}

Test(codec_message, a_routing_type_is_added_when_the_message_has_none)
{
    const struct rai_send send = {
        .address = "a", .respond = true, .correlation = -2, .producer = 1, .routing_type = 1
    };
    ra_message *m = hi_message();
    cr_assert_eq(ra_message_remove_property(m, "_AMQ_ROUTING_TYPE", NULL), 0);
    CHECK_ENCODES("0000007b 47 000000000000000a" BLOB_BEFORE_PROPERTIES "01 00000002" B_ENTRY ROUTING_ENTRY
                  "ff fffffffffffffffe 00000001",
                  rai_put_send(w, size, 10, 136, m, &send));
    cr_assert_eq(rai_send_blob_size(m, &send), 101);
    cr_assert_eq(rai_message_blob_size(m, "a"), 101 - 40);
    cr_assert_eq(ra_message_remove_property(m, "b", NULL), 0);
    cr_assert_eq(rai_send_blob_size(m, &send), 101 - 8, "the only property of the message");
    CHECK_ENCODES("00000073 47 000000000000000a" BLOB_BEFORE_PROPERTIES "01 00000001" ROUTING_ENTRY
                  "ff fffffffffffffffe 00000001",
                  rai_put_send(w, size, 10, 136, m, &send));
    ra_message_unref(m);
}

Test(codec_message, a_routing_type_of_the_message_wins)
{
    const struct rai_send send = {
        .address = "a", .respond = true, .correlation = -2, .producer = 1, .routing_type = 0
    };
    ra_message *m = hi_message();
    CHECK_ENCODES("0000007b 47 000000000000000a" BLOB "ff fffffffffffffffe 00000001",
                  rai_put_send(w, size, 10, 136, m, &send));
    ra_message_unref(m);
}

Test(codec_message, the_blob_size_is_that_inside_the_frame)
{
    static const char *const addresses[] = { NULL, "", "a", "orders.of.today", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" };
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        for (int routing = -1; routing <= 1; routing++) {
            struct rai_send send = { .address = addresses[i], .routing_type = routing };
            ra_message *m = hi_message();
            struct bytes b;
            ra_message_remove_property(m, "_AMQ_ROUTING_TYPE", NULL);
            ENCODE(b, rai_put_send(w, size, 10, 136, m, &send));
            cr_expect_eq(rai_send_blob_size(m, &send), b.size - 13 - 13, "address %zu, routing %d", i, routing);
            bytes_free(b);
            ra_message_unref(m);
        }
    }
}

Test(codec_message, the_tail_of_a_send_is_found_from_its_end)
{
    static const struct {
        int32_t version;
        int64_t correlation;
        int32_t producer;
    } table[] = { { 129, 0, 0 }, { 130, -2, 0 }, { 133, -2, 0 }, { 134, -2, 1 }, { 136, -2, 1 } };
    ra_message *m = hi_message();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rai_send_tail tail;
        struct bytes b;
        ENCODE(b, rai_put_send(w, size, 10, table[i].version, m, &to_a));
        cr_expect(rai_get_send_tail(b.data, b.size, table[i].version, &tail));
        cr_expect(tail.respond);
        cr_expect_eq(tail.correlation, table[i].correlation);
        cr_expect_eq(tail.producer, table[i].producer);
        cr_expect_not(rai_get_send_tail(b.data, 13, table[i].version, &tail), "too short");
        b.data[4] = RAI_PING;
        cr_expect_not(rai_get_send_tail(b.data, b.size, table[i].version, &tail), "another packet");
        bytes_free(b);
    }
    ra_message_unref(m);
}

Test(codec_message, a_send_is_transcoded_between_all_versions)
{
    ra_message *m = hi_message();
    for (int32_t from = 129; from <= 136; from++) {
        for (int32_t to = 129; to <= 136; to++) {
            struct rai_send expected = to_a;
            struct bytes b, direct, transcoded;
            expected.correlation = from >= 130 ? -2 : 0;
            expected.producer = from >= 134 ? 1 : 0;
            ENCODE(b, rai_put_send(w, size, 10, from, m, &to_a));
            ENCODE(direct, rai_put_send(w, size, 10, to, m, &expected));
            ENCODE(transcoded, rai_put_send_transcoded(w, size, b.data, b.size, from, to));
            cr_expect(bytes_equal(direct, transcoded), "%d to %d", (int)from, (int)to);
            bytes_free(b);
            bytes_free(direct);
            bytes_free(transcoded);
        }
    }
    ra_message_unref(m);
}

Test(codec_message, what_is_no_send_is_not_transcoded)
{
    struct bytes b = bytes_of("00000011 0a 0000000000000000 000000000000ea60");
    struct rai_writer w = { NULL, 0 };
    rai_put_send_transcoded(&w, 0, b.data, b.size, 129, 136);
    cr_assert_eq(w.size, 0);
    bytes_free(b);
}

/* --- sending large messages --- */

Test(codec_message, a_large_message_begins_with_its_headers)
{
    const struct rai_send send = { .address = "a", .routing_type = -1 };
    ra_message *m = NULL;
    cr_assert_eq(new_message(RA_MESSAGE_BYTES, &m), 0);
    cr_assert_eq(ra_message_set_user_id(m, user_id, NULL), 0);
    CHECK_ENCODES("0000003d 48 000000000000000a" HEADERS_WITH_ID, rai_put_send_large(w, size, 10, m, &send));
    ra_message_unref(m);
}

static const uint8_t three[] = { 1, 2, 3 };

Test(codec_message, pieces_are_written_as_java_writes_them)
{
    const struct rai_send send = { .respond = true, .correlation = -2, .producer = 1 };
    struct rai_send_piece piece = { .data = three, .size = 3, .body_size = 3 };
    CHECK_ENCODES("0000001e 49 000000000000000a 00000003 010203 ff 00 0000000000000000 00000001",
                  rai_put_send_piece(w, size, 10, 136, &piece, &send));
    piece.last = true;
    CHECK_ENCODES("00000026 49 000000000000000a 00000003 010203 00 0000000000000003 ff fffffffffffffffe 00000001",
                  rai_put_send_piece(w, size, 10, 136, &piece, &send));
    CHECK_ENCODES("00000022 49 000000000000000a 00000003 010203 00 0000000000000003 ff fffffffffffffffe",
                  rai_put_send_piece(w, size, 10, 130, &piece, &send));
    CHECK_ENCODES("0000001a 49 000000000000000a 00000003 010203 00 0000000000000003 ff",
                  rai_put_send_piece(w, size, 10, 129, &piece, &send));
}

Test(codec_message, a_whole_body_is_cut_into_pieces)
{
#define START "0000002d 48 000000000000000a 0000000000000000 01000000026100 00 04 00 0000000000000000" \
              "0000000000000000 04 00"
    struct rai_send send = { .address = "a", .respond = true, .correlation = -2, .routing_type = -1, .piece = 2 };
    ra_message *m = NULL;
    cr_assert_eq(new_message(RA_MESSAGE_BYTES, &m), 0);
    cr_assert_eq(ra_message_set_body(m, three, 3, NULL), 0);
    CHECK_ENCODES(START "00000019 49 000000000000000a 00000002 0102 ff 00 0000000000000000"
                        "00000020 49 000000000000000a 00000001 03 00 0000000000000003 ff fffffffffffffffe",
                  ((void)size, rai_put_send_in_pieces(w, 10, 131, m, &send)));
    send.piece = 3;
    CHECK_ENCODES(START "00000022 49 000000000000000a 00000003 010203 00 0000000000000003 ff fffffffffffffffe",
                  ((void)size, rai_put_send_in_pieces(w, 10, 131, m, &send)));
    ra_message_unref(m);
}

Test(codec_message, only_the_last_piece_has_the_tail_of_a_send)
{
    const struct rai_send send = { .respond = true, .correlation = -2, .producer = 1 };
    struct rai_send_piece piece = { .data = three, .size = 3, .body_size = 3 };
    struct rai_send_tail tail;
    struct bytes b;
    ENCODE(b, rai_put_send_piece(w, size, 10, 136, &piece, &send));
    cr_expect_not(rai_get_send_tail(b.data, b.size, 136, &tail));
    bytes_free(b);
    piece.last = true;
    ENCODE(b, rai_put_send_piece(w, size, 10, 136, &piece, &send));
    cr_assert(rai_get_send_tail(b.data, b.size, 136, &tail));
    cr_expect(tail.respond);
    cr_expect_eq(tail.correlation, -2);
    b.data[13] = 0x7f; /* a length beyond the frame */
    cr_expect_not(rai_get_send_tail(b.data, b.size, 136, &tail));
    bytes_free(b);
}

Test(codec_message, pieces_are_transcoded_between_all_versions)
{
    for (int32_t from = 129; from <= 136; from++) {
        for (int32_t to = 129; to <= 136; to++) {
            for (int last = 0; last <= 1; last++) {
                struct rai_send send = { .respond = true, .correlation = -2, .producer = 1 }, expected = send;
                struct rai_send_piece piece = { .data = three, .size = 3, .last = last, .body_size = 3 };
                struct bytes b, direct, transcoded;
                expected.correlation = from >= 130 ? -2 : 0;
                expected.producer = from >= 134 ? 1 : 0;
                ENCODE(b, rai_put_send_piece(w, size, 10, from, &piece, &send));
                ENCODE(direct, rai_put_send_piece(w, size, 10, to, &piece, &expected));
                ENCODE(transcoded, rai_put_send_transcoded(w, size, b.data, b.size, from, to));
                cr_expect(bytes_equal(direct, transcoded), "%d to %d", (int)from, (int)to);
                bytes_free(b);
                bytes_free(direct);
                bytes_free(transcoded);
            }
        }
    }
}

/* --- receiving --- */

static ra_message *decode_hex(const char *hex)
{
    struct bytes b = bytes_of(hex);
    bool bad = true;
    ra_message *m = rai_message_decode(b.data, b.size, NULL, &bad);
    cr_assert_not_null(m);
    cr_assert_not(bad);
    bytes_free(b); /* it was copied */
    return m;
}

Test(codec_message, a_received_message_has_all_its_fields)
{
    struct bytes b = bytes_of("0000007a 4b 000000000000000a" BLOB "0000000000000000 00000001");
    struct rai_frame f = frame_of(b);
    struct rai_delivery d;
    bool bad = true;
    const char *text = NULL, *address = NULL, *key = NULL;
    size_t size = 0;
    int flag = 0;
    int32_t routing = 0;

    cr_assert(rai_get_receive(&f, &d));
    ra_message *m = rai_message_decode(d.blob, d.blob_size, NULL, &bad);
    cr_assert_not_null(m);
    cr_assert_eq(m->frame_size, f.size);
    cr_assert_eq(m->encoded_size, d.blob_size);
    bytes_free(b);
    cr_assert_eq(ra_message_type(m), RA_MESSAGE_TEXT);
    cr_assert_eq(ra_message_is_durable(m), 1);
    cr_assert_eq(ra_message_priority(m), 4);
    cr_assert_eq(ra_message_timestamp(m), 1700000000000);
    cr_assert_eq(ra_message_expiration(m), 0);
    cr_assert_eq(ra_message_get_text(m, &text, &size, NULL), 0);
    cr_assert_str_eq(text, "hi");
    cr_assert_eq(size, 2);
    cr_assert_eq(ra_message_get_address(m, &address, NULL), 0);
    cr_assert_str_eq(address, "a");
    cr_assert_eq(ra_message_property_count(m), 2);
    cr_assert_eq(ra_message_get_boolean(m, "b", &flag, NULL), 0);
    cr_assert_eq(flag, 1);
    cr_assert_eq(ra_message_get_int(m, "_AMQ_ROUTING_TYPE", &routing, NULL), 0);
    cr_assert_eq(routing, 1);
    cr_assert_eq(ra_message_property_key(m, 0, &key, NULL), 0);
    cr_assert_str_eq(key, "_AMQ_ROUTING_TYPE");
    ra_message_unref(m);
}

Test(codec_message, a_received_message_can_be_sent_on)
{
    ra_message *m = decode_hex(BLOB);
    CHECK_ENCODES("0000007b 47 000000000000000a" BLOB "ff fffffffffffffffe 00000001",
                  rai_put_send(w, size, 10, 136, m, &to_a));
    ra_message_unref(m);
}

Test(codec_message, unused_bytes_behind_the_properties_are_legal)
{
    ra_message *m = decode_hex(BLOB "deadbeef");
    cr_assert_eq(ra_message_property_count(m), 2);
    ra_message_unref(m);
}

Test(codec_message, the_id_and_the_user_id_are_read)
{
    uint8_t id[16];
    ra_message *m = decode_hex("0000000d 0000000000000007 00 01 c7cc368ce6be11f1b9c202fc00000001 04 00"
                               "0000000000000009 0000000000000000 09 00");
    const char *address = "?";
    cr_assert_eq(ra_message_id(m), 7);
    cr_assert_eq(ra_message_get_user_id(m, id), 0);
    cr_assert_arr_eq(id, user_id, 16);
    cr_assert_eq(ra_message_expiration(m), 9);
    cr_assert_eq(ra_message_priority(m), 9);
    cr_assert_eq(ra_message_get_address(m, &address, NULL), 0);
    cr_assert_null(address);
    ra_message_unref(m);
}

Test(codec_message, the_forced_delivery_marker_is_recognised)
{
    /* _hornetq.forced.delivery.seq = long 3, four zero bytes of body */
    ra_message *m = NULL;
    int64_t sequence = 0;
    const void *body = NULL;
    size_t body_size = 0;
    struct bytes b;
    const struct rai_send send = { .address = "q", .routing_type = -1 };
    cr_assert_eq(new_message(RA_MESSAGE_DEFAULT, &m), 0);
    ra_message_set_body(m, "\0\0\0\0", 4, NULL);
    ra_message_set_long(m, "_hornetq.forced.delivery.seq", 3, NULL);
    ENCODE(b, rai_put_send(w, size, 10, 129, m, &send));
    ra_message_unref(m);
    bool bad = true;
    m = rai_message_decode(b.data + 13, b.size - 13 - 1, NULL, &bad);
    cr_assert_not_null(m);
    cr_assert(rai_message_long(m, "_hornetq.forced.delivery.seq", &sequence));
    cr_assert_eq(sequence, 3);
    cr_assert_not(rai_message_long(m, "other", &sequence));
    cr_assert_eq(ra_message_get_body(m, &body, &body_size, NULL), 0);
    cr_assert_eq(body_size, 4);
    ra_message_unref(m);
    bytes_free(b);
}

Test(codec_message, large_frames_reference_their_block_and_small_ones_do_not)
{
    static const size_t bodies[] = { 10, 4096 - 25 - 34 - 1, 4096 - 25 - 34, 100000 };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const struct rai_send send = { .routing_type = -1 };
        ra_message *m = rai_message_new(RA_MESSAGE_BYTES);
        uint8_t *body = calloc(1, bodies[i]);
        struct rai_writer count = { NULL, 0 };
        bool bad = true;
        long before = rai_alloc_count() - 1;

        rai_message_lend_body(m, body, bodies[i]);
        rai_put_send(&count, 0, 10, 129, m, &send);
        struct rai_block *block = rai_block_new(count.size);
        struct rai_writer w = { block->data, 0 };
        rai_put_send(&w, count.size, 10, 129, m, &send);
        rai_message_unref(m);
        m = rai_message_decode(block->data + 13, count.size - 14, block, &bad);
        cr_assert_not_null(m);
        bool large = count.size - 14 + 25 >= 4096;
        cr_expect_eq(m->block, large ? block : NULL, "body of %zu", bodies[i]);
        cr_expect_eq(rai_alloc_count(), before + 2, "one allocation for the message");
        rai_block_unref(block); /* the message keeps it if it needs it */
        cr_expect_eq(m->body_size, bodies[i]);
        cr_expect_arr_eq(m->body, body, bodies[i]);
        cr_expect_eq(ra_message_set_int(m, "k", 1, NULL), 0, "a set copies first");
        rai_message_unref(m);
        cr_expect_eq(rai_alloc_count(), before);
        free(body);
    }
}

Test(codec_message, every_truncated_blob_is_malformed)
{
    struct bytes whole = bytes_of(BLOB);
    long before = rai_alloc_count();
    for (size_t cut = 0; cut < whole.size; cut++) {
        struct bytes b = bytes_copy(whole.data, cut);
        bool bad = false;
        cr_expect_null(rai_message_decode(b.data, b.size, NULL, &bad), "cut at %zu", cut);
        cr_expect(bad, "cut at %zu", cut);
        bytes_free(b);
    }
    bytes_free(whole);
    cr_assert_eq(rai_alloc_count(), before);
}

static void use(ra_message *m)
{
    const char *text;
    size_t text_size;
    struct bytes b;
    const struct rai_send send = { .address = "a", .routing_type = 1 };

    ra_message_get_text(m, &text, &text_size, NULL);
    ra_message_get_address(m, &text, NULL);
    for (int32_t i = 0; i < ra_message_property_count(m); i++) {
        cr_assert_eq(ra_message_property_key(m, i, &text, NULL), 0);
        cr_assert_gt(ra_message_property_type(m, text), -99);
    }
    cr_assert_eq(ra_message_set_string(m, "new", "value", 5, NULL), 0);
    ENCODE(b, rai_put_send(w, size, 10, 136, m, &send));
    bytes_free(b);
}

Test(codec_message, every_corrupted_byte_of_a_blob_is_harmless)
{
    static const char *const blobs[] = { BLOB, "00000011 00000000" HEADERS_WITH_ID,
                                         "0000000d 0000000000000000 00 00 00 00 0000000000000000 0000000000000000 04"
                                         "01 00000003 000000026b00 0a 00000004 73007400 000000026c00 04 00000002 0102"
                                         "000000026d00 07 0000000000000001" };
    for (size_t k = 0; k < sizeof blobs / sizeof *blobs; k++) {
        struct bytes whole = bytes_of(blobs[k]);
        for (size_t at = 0; at < whole.size; at++) {
            for (int value = 0; value < 256; value++) {
                struct bytes b = bytes_copy(whole.data, whole.size);
                bool bad = false;
                b.data[at] = (uint8_t)value;
                ra_message *m = rai_message_decode(b.data, b.size, NULL, &bad);
                cr_assert_eq(m == NULL, bad);
                if (m != NULL) {
                    use(m);
                    ra_message_unref(m);
                }
                bytes_free(b);
            }
        }
        bytes_free(whole);
    }
}

Test(codec_message, out_of_memory_is_told_from_malformed)
{
    struct bytes b = bytes_of(BLOB);
    bool bad = true;
    rai_alloc_fail_at(1);
    cr_assert_null(rai_message_decode(b.data, b.size, NULL, &bad));
    cr_assert_not(bad);
    bad = true;
    cr_assert_null(rai_message_decode_headers(b.data, b.size, &bad));
    cr_assert_not(bad);
    rai_alloc_fail_at(0);
    bytes_free(b);
}

/* --- large messages --- */

Test(codec_message, a_large_message_is_collected_chunk_by_chunk)
{
    struct bytes b = bytes_of(HEADERS_WITH_ID);
    bool bad = true;
    uint8_t chunk[1000];
    ra_message *m = rai_message_decode_headers(b.data, b.size, &bad);
    cr_assert_not_null(m);
    cr_assert_eq(m->encoded_size, b.size);
    cr_assert_eq(m->frame_size, 85, "as in the frame it came in");
    bytes_free(b);
    cr_assert_eq(ra_message_type(m), RA_MESSAGE_BYTES);
    cr_assert_eq(m->body_size, 0);
    for (int i = 0; i < 100; i++) {
        memset(chunk, i, sizeof chunk);
        cr_assert(rai_message_append_body(m, chunk, sizeof chunk));
    }
    cr_assert(rai_message_append_body(m, NULL, 0));
    cr_assert_eq(m->body_size, 100000);
    for (size_t i = 0; i < 100; i++) {
        cr_assert_eq(m->body[i * 1000], i);
        cr_assert_eq(m->body[i * 1000 + 999], i);
    }
    ra_message_unref(m);
}

Test(codec_message, headers_cut_short_are_malformed)
{
    struct bytes whole = bytes_of(HEADERS_WITH_ID);
    for (size_t cut = 0; cut < whole.size; cut++) {
        struct bytes b = bytes_copy(whole.data, cut);
        bool bad = false;
        cr_expect_null(rai_message_decode_headers(b.data, b.size, &bad));
        cr_expect(bad);
        bytes_free(b);
    }
    bytes_free(whole);
}

Test(codec_message, appending_without_memory_changes_nothing)
{
    ra_message *m = decode_hex(BLOB);
    size_t size = m->body_size;
    rai_alloc_fail_at(1);
    cr_assert_not(rai_message_append_body(m, (const uint8_t *)"x", 1));
    rai_alloc_fail_at(0);
    cr_assert_eq(m->body_size, size);
    cr_assert(rai_message_append_body(m, (const uint8_t *)"x", 1), "also to a body that is not ours");
    cr_assert_eq(m->body_size, size + 1);
    cr_assert_eq(m->body[0], 1);
    cr_assert_eq(m->body[size], 'x');
    ra_message_unref(m);
}

/* --- the public functions for body and header --- */

Test(codec_message, bodies_are_copied_or_lent)
{
    char bytes[] = "body";
    const void *out = NULL;
    size_t size = 0;
    ra_message *m = NULL;
    cr_assert_eq(new_message(RA_MESSAGE_BYTES, &m), 0);
    cr_assert_eq(ra_message_get_body(m, &out, &size, NULL), 0);
    cr_assert_eq(size, 0);
    cr_assert_not_null(out);
    cr_assert_eq(ra_message_set_body(m, bytes, 4, NULL), 0);
    bytes[0] = 'X';
    ra_message_get_body(m, &out, &size, NULL);
    cr_assert_arr_eq(out, "body", 4);
    cr_assert_eq(ra_message_lend_body(m, bytes, 4, NULL), 0);
    ra_message_get_body(m, &out, &size, NULL);
    cr_assert_eq(out, (const void *)bytes);
    cr_assert_eq(ra_message_set_body(m, NULL, 0, NULL), 0);
    ra_message_get_body(m, &out, &size, NULL);
    cr_assert_eq(size, 0);
    ra_message_unref(m);
}

Test(codec_message, a_body_may_be_set_from_itself)
{
    const void *out = NULL;
    size_t size = 0;
    ra_message *m = rai_message_new(RA_MESSAGE_BYTES);
    ra_message_set_body(m, "0123456789", 10, NULL);
    ra_message_get_body(m, &out, &size, NULL);
    cr_assert_eq(ra_message_set_body(m, (const char *)out + 3, 4, NULL), 0);
    ra_message_get_body(m, &out, &size, NULL);
    cr_assert_eq(size, 4);
    cr_assert_arr_eq(out, "3456", 4);
    cr_assert_eq(ra_message_lend_body(m, (const char *)out + 1, 2, NULL), 0);
    ra_message_get_body(m, &out, &size, NULL);
    cr_assert_arr_eq(out, "45", 2);
    ra_message_unref(m);
}

Test(codec_message, text_is_kept_as_the_core_text_body)
{
    const char *text = NULL;
    size_t size = 0;
    ra_message *m = rai_message_new(RA_MESSAGE_BYTES);
    cr_assert_eq(ra_message_set_text(m, "a\0\xc3\xa9", 4, NULL), 0);
    cr_assert_eq(ra_message_type(m), RA_MESSAGE_TEXT);
    cr_assert_eq(m->body_size, 5 + 6);
    cr_assert_arr_eq(m->body, "\1\0\0\0\6a\0\0\0\xe9\0", 11);
    cr_assert_eq(ra_message_get_text(m, &text, &size, NULL), 0);
    cr_assert_eq(size, 4);
    cr_assert_arr_eq(text, "a\0\xc3\xa9", 5);
    cr_assert_eq(ra_message_set_text(m, text, size, NULL), 0, "from itself");
    cr_assert_eq(ra_message_get_text(m, &text, NULL, NULL), 0);
    cr_assert_arr_eq(text, "a\0\xc3\xa9", 5);
    cr_assert_eq(ra_message_set_text(m, NULL, 0, NULL), 0);
    cr_assert_eq(m->body_size, 1);
    cr_assert_eq(ra_message_get_text(m, &text, &size, NULL), 0);
    cr_assert_null(text);
    cr_assert_eq(size, 0);
    cr_assert_eq(ra_message_set_text(m, "", 0, NULL), 0);
    cr_assert_eq(ra_message_get_text(m, &text, &size, NULL), 0);
    cr_assert_str_empty(text);
    ra_message_unref(m);
}

Test(codec_message, what_is_no_text_is_refused)
{
    const char *text = NULL;
    size_t size = 0;
    ra_error *err = NULL;
    ra_message *m = rai_message_new(RA_MESSAGE_BYTES);
    cr_assert_eq(ra_message_get_text(m, &text, &size, &err), RA_E_TYPE);
    cr_assert_str_eq(ra_error_message(err), "the body is not a text");
    ra_error_free(err);
    m->type = RA_MESSAGE_TEXT;
    cr_assert_eq(ra_message_get_text(m, &text, &size, NULL), 0, "an emptied body is the null text");
    cr_assert_null(text);
    ra_message_set_body(m, "\1\0\0\0\7a", 6, NULL);
    cr_assert_eq(ra_message_get_text(m, &text, &size, NULL), RA_E_TYPE);
    ra_message_set_body(m, "\0\0\0\0", 4, NULL);
    cr_assert_eq(ra_message_get_text(m, &text, &size, NULL), 0, "the untouched body of Java");
    cr_assert_null(text);
    cr_assert_eq(ra_message_set_text(m, "\xff", 1, &err), RA_E_ARGUMENT);
    cr_assert_str_eq(ra_error_message(err), "argument text is not valid UTF-8");
    ra_error_free(err);
    ra_message_unref(m);
}

Test(codec_message, header_fields_are_checked)
{
    ra_error *err = NULL;
    ra_message *m = NULL;
    uint8_t id[16];
    cr_assert_eq(ra_message_new(1, &m, &err), RA_E_ARGUMENT);
    cr_assert_null(m);
    ra_error_free(err);
    cr_assert_eq(new_message(7, &m), RA_E_ARGUMENT);
    cr_assert_eq(new_message(-1, &m), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_new(RA_MESSAGE_MAP, NULL, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_new(RA_MESSAGE_STREAM, &m, &err), 0);
    cr_assert_null(err);
    cr_assert_eq(ra_message_set_priority(m, 10, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_priority(m, -1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_priority(m), 4);
    cr_assert_eq(ra_message_set_priority(m, 9, NULL), 0);
    cr_assert_eq(ra_message_priority(m), 9);
    cr_assert_eq(ra_message_set_expiration(m, -1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_expiration(m, 5, NULL), 0);
    cr_assert_eq(ra_message_expiration(m), 5);
    cr_assert_eq(ra_message_get_user_id(m, id), RA_E_NOT_FOUND);
    cr_assert_eq(ra_message_set_user_id(m, user_id, NULL), 0);
    cr_assert_eq(ra_message_get_user_id(m, id), 0);
    cr_assert_eq(ra_message_set_user_id(m, NULL, NULL), 0);
    cr_assert_eq(ra_message_get_user_id(m, id), RA_E_NOT_FOUND);
    cr_assert_eq(ra_message_set_durable(m, 2, NULL), 0);
    cr_assert_eq(ra_message_is_durable(m), 1);
    ra_message_unref(m);
}

Test(codec_message, no_message_is_an_argument_error_and_no_crash)
{
    const char *text;
    const void *bytes;
    size_t size;
    uint8_t id[16];
    cr_assert_null(ra_message_ref(NULL));
    ra_message_unref(NULL);
    cr_assert_eq(ra_message_set_body(NULL, "", 0, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_lend_body(NULL, "", 0, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_get_body(NULL, &bytes, &size, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_text(NULL, "", 0, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_get_text(NULL, &text, &size, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_type(NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_is_durable(NULL), 0);
    cr_assert_eq(ra_message_set_durable(NULL, 1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_priority(NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_priority(NULL, 1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_expiration(NULL), 0);
    cr_assert_eq(ra_message_set_expiration(NULL, 1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_timestamp(NULL), 0);
    cr_assert_eq(ra_message_set_timestamp(NULL, 1, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_get_user_id(NULL, id), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_set_user_id(NULL, id, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_get_address(NULL, &text, NULL), RA_E_ARGUMENT);
    cr_assert_eq(ra_message_id(NULL), 0);
    cr_assert_eq(ra_message_delivery_count(NULL), RA_E_ARGUMENT);
}

Test(codec_message, references_are_counted)
{
    long before = rai_alloc_count();
    ra_message *m = hi_message();
    cr_assert_eq(ra_message_ref(m), m);
    ra_message_unref(m);
    cr_assert_eq(ra_message_type(m), RA_MESSAGE_TEXT);
    ra_message_unref(m);
    cr_assert_eq(rai_alloc_count(), before);
}

Test(codec_message, types_have_names)
{
    cr_assert_str_eq(ra_message_type_name(RA_MESSAGE_TEXT), "text");
    cr_assert_str_eq(ra_message_type_name(RA_MESSAGE_DEFAULT), "default");
    cr_assert_str_eq(ra_message_type_name(1), "unknown");
}
