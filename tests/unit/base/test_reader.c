/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"

#include "support/check.h"

static const uint8_t bytes[] = {1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0xAC, 0x02, 0x03};

static void values_are_read_in_turn(void **state)
{
    (void)state;
    vv_reader reader;
    vv_reader_init(&reader, bytes, sizeof bytes);
    assert_int_equal(vv_reader_u8(&reader), 1);
    assert_int_equal(vv_reader_u16(&reader), 2);
    assert_int_equal(vv_reader_u32(&reader), 3);
    assert_int_equal(vv_reader_u64(&reader), 4);
    assert_int_equal(vv_reader_position(&reader), 15);
    assert_int_equal(vv_reader_left(&reader), 3);
    assert_false(vv_reader_is_done(&reader));
    assert_int_equal(vv_reader_varint(&reader), 300);
    assert_int_equal(vv_reader_zigzag(&reader), -2);
    assert_true(vv_reader_is_done(&reader));
    assert_false(vv_reader_is_bad(&reader));
}

static void big_endian_is_read_for_foreign_protocols(void **state)
{
    (void)state;
    vv_reader reader = vv_reader_of("\0\0\1\2\0\0\0\0\0\0\0\3", 12);
    assert_int_equal(vv_reader_u32_be(&reader), 0x102);
    assert_int_equal(vv_reader_u64_be(&reader), 3);
}

static void a_read_past_the_end_yields_zero_for_ever(void **state)
{
    (void)state;
    vv_reader reader = vv_reader_of(bytes, 3);
    assert_int_equal(vv_reader_u32(&reader), 0);
    assert_true(vv_reader_is_bad(&reader));
    assert_int_equal(vv_reader_left(&reader), 0);
    assert_int_equal(vv_reader_u8(&reader), 0); /* would be there */
    assert_int_equal(vv_reader_varint(&reader), 0);
    assert_null(vv_reader_bytes(&reader, 0));
    assert_int_equal(vv_reader_text(&reader, 1).size, 0);
    assert_true(vv_reader_f64(&reader) == 0);
    assert_false(vv_reader_is_done(&reader));
}

static void sizes_that_would_wrap_are_refused(void **state)
{
    (void)state;
    vv_reader reader = vv_reader_of(bytes, sizeof bytes);
    vv_reader_skip(&reader, 2);
    assert_null(vv_reader_bytes(&reader, SIZE_MAX));
    assert_true(vv_reader_is_bad(&reader));
    assert_int_equal(vv_reader_position(&reader), 2);
    reader = vv_reader_of(bytes, sizeof bytes);
    vv_reader_skip(&reader, sizeof bytes);
    assert_true(vv_reader_is_done(&reader));
    vv_reader_skip(&reader, 1);
    assert_true(vv_reader_is_bad(&reader));
}

static void sub_readers_stay_inside_their_part(void **state)
{
    (void)state;
    vv_reader reader = vv_reader_of(bytes, sizeof bytes);
    vv_reader sub = vv_reader_sub(&reader, 3);
    assert_int_equal(vv_reader_left(&sub), 3);
    vv_reader_skip(&sub, 3);
    assert_true(vv_reader_is_done(&sub));
    assert_int_equal(vv_reader_u8(&sub), 0);
    assert_true(vv_reader_is_bad(&sub));
    assert_int_equal(vv_reader_u8(&reader), 3); /* the outer one goes on behind it */
    sub = vv_reader_sub(&reader, 100);
    assert_true(vv_reader_is_bad(&sub));
    assert_true(vv_reader_is_bad(&reader));
    assert_int_equal(vv_reader_u8(&sub), 0);
}

static void empty_input_is_done_at_once(void **state)
{
    (void)state;
    vv_reader reader = vv_reader_of(NULL, 0);
    assert_true(vv_reader_is_done(&reader));
    vv_reader_skip(&reader, 0);
    assert_true(vv_reader_is_done(&reader));
    vv_reader sub = vv_reader_sub(&reader, 0);
    assert_true(vv_reader_is_done(&sub));
    assert_int_equal(vv_reader_varint(&reader), 0);
    assert_true(vv_reader_is_bad(&reader));
}

static void counts_are_held_against_the_bytes_left(void **state)
{
    (void)state;
    const uint8_t counted[] = {5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    vv_reader reader = vv_reader_of(counted, sizeof counted);
    assert_int_equal(vv_reader_count(&reader, 2, 5), 5);
    assert_false(vv_reader_is_bad(&reader));
    reader = vv_reader_of(counted, sizeof counted);
    assert_int_equal(vv_reader_count(&reader, 2, 4), 0); /* above the maximum */
    assert_true(vv_reader_is_bad(&reader));
    reader = vv_reader_of(counted, sizeof counted - 1);
    assert_int_equal(vv_reader_count(&reader, 2, 5), 0); /* nine bytes are left */
    assert_true(vv_reader_is_bad(&reader));
}

static void a_varint_above_its_maximum_is_bad(void **state)
{
    (void)state;
    vv_reader reader = vv_reader_of("\xAC\x02\xAC\x02", 4);
    assert_int_equal(vv_reader_varint_max(&reader, 300), 300);
    assert_int_equal(vv_reader_varint_max(&reader, 299), 0);
    assert_true(vv_reader_is_bad(&reader));
}

static void spoiling_makes_bad(void **state)
{
    (void)state;
    vv_reader reader = vv_reader_of(bytes, sizeof bytes);
    vv_reader_spoil(&reader);
    assert_true(vv_reader_is_bad(&reader));
    assert_int_equal(vv_reader_u8(&reader), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_in_turn),
        cmocka_unit_test(big_endian_is_read_for_foreign_protocols),
        cmocka_unit_test(a_read_past_the_end_yields_zero_for_ever),
        cmocka_unit_test(sizes_that_would_wrap_are_refused),
        cmocka_unit_test(sub_readers_stay_inside_their_part),
        cmocka_unit_test(empty_input_is_done_at_once),
        cmocka_unit_test(counts_are_held_against_the_bytes_left),
        cmocka_unit_test(a_varint_above_its_maximum_is_bad),
        cmocka_unit_test(spoiling_makes_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
