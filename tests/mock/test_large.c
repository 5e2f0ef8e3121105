#include "box.h"

#include <stdlib.h>
#include <string.h>

#include "codec/properties.h"

/* Large messages: in pieces of any size from a client, in pieces of 100 bytes to it. */
static struct box b;
static uint8_t body[250];

static void set_up(void)
{
    box_init(&b);
    box_start(&b);
    rai_mock_add_queue(b.m, "q", "a", true);
    box_link(&b);
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i + 1);
}

static void tear_down(void)
{
    box_end(&b);
}

TestSuite(mock_large, .init = set_up, .fini = tear_down);

static void send_headers(void)
{
    ra_message *m = rai_message_new(0);
    struct rai_send send = { .address = "a", .routing_type = -1 };
    m->durable = true;
    SAY(&b, 0, rai_put_send_large, BOX_CHANNEL, m, &send);
    rai_message_unref(m);
}

static void send_piece(size_t at, size_t size, bool last, int64_t correlation)
{
    struct rai_send send = { .address = "a", .respond = correlation > 0, .correlation = correlation };
    struct rai_send_piece piece = { .data = body + at, .size = size, .last = last, .body_size = sizeof body };
    SAY(&b, 0, rai_put_send_piece, BOX_CHANNEL, b.config.version, &piece, &send);
}

/* As the Java client writes each when there is a window. */
static void put_piece_that_wants_an_answer(struct rai_writer *w, size_t size, int64_t correlation)
{
    rai_put_header(w, RAI_SESS_SEND_CONTINUATION, BOX_CHANNEL, size);
    rai_put_i32(w, 100);
    rai_put_raw(w, body, 100);
    rai_put_bool(w, true);
    rai_put_bool(w, true);
    rai_put_i64(w, correlation);
    rai_put_i32(w, 0);
}

static void send_all(int64_t correlation)
{
    send_headers();
    send_piece(0, 120, false, 0);
    send_piece(120, 120, false, 0);
    send_piece(240, 10, true, correlation);
}

/* The pieces' bytes of what was heard, whatever else. */
static size_t read_pieces(int link, uint8_t *out, size_t room)
{
    size_t at = 0, sum = 0, need;
    struct rai_frame f;
    struct rai_chunk piece;
    box_run(&b);
    while (rai_frame_next(b.heard[link] + at, b.heard_size[link] - at, &f, &need) == 1) {
        at += f.size;
        if (f.type != RAI_SESS_RECEIVE_CONTINUATION || !rai_get_receive_chunk(&f, &piece))
            continue;
        cr_assert(sum + piece.size <= room);
        memcpy(out + sum, piece.data, piece.size);
        sum += piece.size;
    }
    return sum;
}

Test(mock_large, a_large_message_goes_in_and_comes_out_in_pieces)
{
    uint8_t got[500];
    box_session(&b, 0, "s", false);
    send_all(1);
    HEARS(&b, 0, "10 NULL 1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1);
    cr_expect_eq(rai_mock_session_count(b.m, "s").commands, 3, "each packet is counted");
    box_consumer(&b, 0, 0, "q", NULL);
    cr_expect_eq(read_pieces(0, got, sizeof got), sizeof body);
    cr_expect_arr_eq(got, body, sizeof body);
    HEARS(&b, 0, "10 LARGE 0 1 250", "10 CHUNK 0 100 more", "10 CHUNK 0 100 more", "10 CHUNK 0 50 last");
    SAY(&b, 0, rai_put_acknowledge, BOX_CHANNEL, 0, (int64_t)b.last_id, false, true);
    HEARS(&b, 0, "10 NULL -1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 0);
}

Test(mock_large, its_size_is_written_into_it)
{
    struct rai_delivery d;
    struct rai_frame f;
    struct rai_property p;
    size_t need;
    bool bad;
    box_session(&b, 0, "s", false);
    send_all(0);
    box_consumer(&b, 0, 0, "q", NULL);
    box_run(&b);
    cr_assert_eq(rai_frame_next(b.heard[0], b.heard_size[0], &f, &need), 1);
    cr_assert(rai_get_receive_large(&f, &d));
    ra_message *m = rai_message_decode_headers(d.blob, d.blob_size, &bad);
    cr_assert_not_null(m);
    int64_t size = 0;
    cr_expect(rai_message_long(m, "_AMQ_LARGE_SIZE", &size) && size == sizeof body);
    cr_expect(rai_message_find(m, "_AMQ_LARGE_SIZE", &p));
    rai_message_unref(m);
}

Test(mock_large, each_piece_needs_credits)
{
    box_session(&b, 0, "s", false);
    send_all(0);
    struct rai_create_consumer consumer = { .id = 0, .queue = "q" };
    SAY(&b, 0, rai_put_create_consumer, BOX_CHANNEL, RAI_VERSION, &consumer);
    SAY(&b, 0, rai_put_simple, RAI_SESS_START, BOX_CHANNEL);
    SAY(&b, 0, rai_put_flow_token, BOX_CHANNEL, 0, 1);
    HEARS(&b, 0, "10 LARGE 0 1 250");
    SAY(&b, 0, rai_put_flow_token, BOX_CHANNEL, 0, 150);
    HEARS(&b, 0, "10 CHUNK 0 100 more");
    SAY(&b, 0, rai_put_flow_token, BOX_CHANNEL, 0, 10000);
    HEARS(&b, 0, "10 CHUNK 0 100 more", "10 CHUNK 0 50 last");
}

Test(mock_large, nothing_of_an_unfinished_one_is_stored)
{
    box_session(&b, 0, "s", false);
    send_headers();
    SAY(&b, 0, put_piece_that_wants_an_answer, 1);
    send_all(2);
    HEARS(&b, 0, "10 NULL 1", "10 NULL 2");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1);
    send_headers();
    SAY(&b, 0, rai_put_simple, RAI_SESS_CLOSE, BOX_CHANNEL);
    HEARS(&b, 0, "10 CONFIRMED 7", "10 NULL -1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1);
}

Test(mock_large, a_piece_without_a_beginning_is_refused)
{
    box_session(&b, 0, "s", false);
    send_piece(0, 10, true, 1);
    HEARS(&b, 0, "10 EXCEPTION 104 1");
}

Test(mock_large, it_is_part_of_a_transaction_from_its_last_piece_on)
{
    box_session(&b, 0, "s", true);
    send_all(0);
    box_run(&b);
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 0);
    SAY(&b, 0, rai_put_commit, BOX_CHANNEL, RAI_VERSION, 1);
    HEARS(&b, 0, "10 NULL 1");
    cr_expect_eq(rai_mock_queue_messages(b.m, "q"), 1);
}

Test(mock_large, a_rollback_ends_the_pieces_and_it_comes_again)
{
    box_session(&b, 0, "s", true);
    send_all(0);
    SAY(&b, 0, rai_put_commit, BOX_CHANNEL, RAI_VERSION, 1);
    HEARS(&b, 0, "10 NULL 1");
    struct rai_create_consumer consumer = { .id = 0, .queue = "q" };
    SAY(&b, 0, rai_put_create_consumer, BOX_CHANNEL, RAI_VERSION, &consumer);
    SAY(&b, 0, rai_put_flow_token, BOX_CHANNEL, 0, 150);
    SAY(&b, 0, rai_put_simple, RAI_SESS_START, BOX_CHANNEL);
    HEARS(&b, 0, "10 LARGE 0 1 250", "10 CHUNK 0 100 more");
    SAY(&b, 0, rai_put_rollback, BOX_CHANNEL, false);
    HEARS(&b, 0, "10 NULL -1");
    SAY(&b, 0, rai_put_flow_token, BOX_CHANNEL, 0, 1000);
    HEARS(&b, 0, "10 LARGE 0 1 250", "10 CHUNK 0 100 more", "10 CHUNK 0 100 more", "10 CHUNK 0 50 last");
}

static int moved(uint8_t *got, size_t room, int32_t received)
{
    int link = box_link(&b);
    SAY(&b, link, rai_put_reattach, "s", received);
    cr_expect_eq(read_pieces(link, got, room), sizeof body);
    return link;
}

Test(mock_large, all_that_is_not_confirmed_comes_again_as_it_was)
{
    uint8_t got[500];
    box_session(&b, 0, "s", false);
    send_all(0);
    box_consumer(&b, 0, 0, "q", NULL);
    box_run(&b);
    int link = moved(got, sizeof got, -1);
    HEARS(&b, link, "10 LARGE 0 1 250", "10 CHUNK 0 100 more", "10 CHUNK 0 100 more", "10 CHUNK 0 50 last",
          "1 REATTACHED 6");
    cr_expect_arr_eq(got, body, sizeof body);
}

Test(mock_large, pieces_of_one_size_come_again_with_the_last_ones_contents)
{
    uint8_t got[500];
    box_session(&b, 0, "s", false);
    rai_mock_corrupt_pieces(b.m, 100);
    send_all(0);
    box_consumer(&b, 0, 0, "q", NULL);
    box_run(&b);
    moved(got, sizeof got, 0);
    cr_expect_arr_eq(got, body + 100, 100);
    cr_expect_arr_eq(got + 100, body + 100, 150);
    cr_expect_eq(rai_mock_stat(b.m, RAI_MOCK_PIECES_CORRUPTED), 1);
}

Test(mock_large, the_rest_comes_on_the_new_link)
{
    uint8_t got[500];
    box_session(&b, 0, "s", false);
    send_all(0);
    struct rai_create_consumer consumer = { .id = 0, .queue = "q" };
    SAY(&b, 0, rai_put_create_consumer, BOX_CHANNEL, RAI_VERSION, &consumer);
    SAY(&b, 0, rai_put_flow_token, BOX_CHANNEL, 0, 150);
    SAY(&b, 0, rai_put_simple, RAI_SESS_START, BOX_CHANNEL);
    HEARS(&b, 0, "10 LARGE 0 1 250", "10 CHUNK 0 100 more");
    int link = box_link(&b);
    SAY(&b, link, rai_put_reattach, "s", 1);
    HEARS(&b, link, "1 REATTACHED 6");
    SAY(&b, link, rai_put_flow_token, BOX_CHANNEL, 0, 1000);
    cr_expect_eq(read_pieces(link, got, sizeof got), 150);
    cr_expect_arr_eq(got, body + 100, 150);
    HEARS(&b, link, "10 CHUNK 0 100 more", "10 CHUNK 0 50 last");
}
