#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "wire_bytes.h"

static const char ping[] = "00000011 0a 0000000000000000 000000000000ea60";

Test(codec_frame, a_whole_frame_is_found)
{
    struct bytes b = bytes_of(ping);
    struct rai_frame f;
    size_t need = 0;
    cr_assert_eq(rai_frame_next(b.data, b.size, &f, &need), 1);
    cr_assert_eq(f.type, RAI_PING);
    cr_assert_eq(f.channel, 0);
    cr_assert_eq(f.size, 21);
    cr_assert_eq(f.bytes, b.data);
    cr_assert_eq(rai_reader_left(&f.body), 8);
    cr_assert_eq(rai_get_i64(&f.body), 60000);
    cr_assert_eq(rai_frame_size(b.data), 21);
    bytes_free(b);
}

Test(codec_frame, what_follows_is_left_alone)
{
    struct bytes b = bytes_of("00000009 ed 000000000000000a ffffff");
    struct rai_frame f;
    size_t need = 0;
    cr_assert_eq(rai_frame_next(b.data, b.size, &f, &need), 1);
    cr_assert_eq(f.type, RAI_DISCONNECT_V3, "types are signed");
    cr_assert_eq(rai_frame_type(b.data), RAI_DISCONNECT_V3);
    cr_assert_eq(f.channel, 10);
    cr_assert_eq(f.size, 13);
    cr_assert_eq(rai_reader_left(&f.body), 0);
    bytes_free(b);
}

Test(codec_frame, every_truncation_asks_for_what_is_missing)
{
    struct bytes whole = bytes_of(ping);
    for (size_t cut = 0; cut < whole.size; cut++) {
        struct bytes b = bytes_copy(whole.data, cut);
        struct rai_frame f;
        size_t need = 0;
        cr_expect_eq(rai_frame_next(b.data, b.size, &f, &need), 0, "at %zu", cut);
        cr_expect_eq(need, cut < 4 ? 4 : whole.size, "at %zu", cut);
        bytes_free(b);
    }
    bytes_free(whole);
}

Test(codec_frame, impossible_lengths_are_refused_at_once)
{
    const char *const bad[] = { "00000008", "00000000", "ffffffff", "80000000", "07fffffd", "41525445" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bytes b = bytes_of(bad[i]);
        struct rai_frame f;
        size_t need = 0;
        cr_expect_eq(rai_frame_next(b.data, b.size, &f, &need), -1, "%s", bad[i]);
        bytes_free(b);
    }
}

Test(codec_frame, the_largest_legal_frame_is_waited_for)
{
    struct bytes b = bytes_of("07fffffc");
    struct rai_frame f;
    size_t need = 0;
    cr_assert_eq(rai_frame_next(b.data, b.size, &f, &need), 0);
    cr_assert_eq(need, (size_t)RAI_FRAME_MAX);
    bytes_free(b);
}

Test(codec_frame, packets_have_names)
{
    cr_assert_str_eq(rai_packet_name(RAI_SESS_SEND), "SESS_SEND");
    cr_assert_str_eq(rai_packet_name(RAI_SESS_BINDINGQUERY_RESP_V5), "SESS_BINDINGQUERY_RESP_V5");
    cr_assert_str_eq(rai_packet_name(99), "packet 99");
    cr_assert_str_eq(rai_packet_name(0), "packet 0");
    cr_assert_str_eq(rai_packet_name(127), "packet 127");
    cr_assert_str_eq(rai_packet_name(-1), "packet -1");
    cr_assert_str_eq(rai_packet_name(-128), "packet -128");
    cr_assert_str_eq(rai_packet_name(1000), "packet out of range");
    for (int type = -128; type <= 127; type++) {
        cr_expect_neq(rai_packet_name(type)[0], 0, "%d", type);
    }
}
