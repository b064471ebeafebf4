/* SPDX-License-Identifier: Apache-2.0 */
#include "base/varint.h"

#include <string.h>

#include "support/check.h"

static void check_round_trip(uint64_t value)
{
    uint8_t bytes[VV_VARINT_BYTES_MAX];
    size_t size = vv_varint_write(bytes, value);
    assert_int_equal(size, vv_varint_size(value));
    uint64_t read;
    assert_int_equal(vv_varint_read(bytes, size, &read), size);
    assert_true(read == value);
    for (size_t less = 0; less < size; less++) {
        assert_int_equal(vv_varint_read(bytes, less, &read), 0);
    }
}

static void values_round_trip_in_the_fewest_bytes(void **state)
{
    (void)state;
    check_round_trip(0);
    check_round_trip(UINT64_MAX);
    for (uint32_t bit = 0; bit < 64; bit++) {
        uint64_t value = UINT64_C(1) << bit;
        check_round_trip(value);
        check_round_trip(value - 1);
        assert_int_equal(vv_varint_size(value), bit / 7 + 1);
    }
    uint8_t bytes[2];
    assert_int_equal(vv_varint_write(bytes, 300), 2);
    assert_memory_equal(bytes, "\xAC\x02", 2);
}

static void more_than_64_bits_are_refused(void **state)
{
    (void)state;
    uint64_t value;
    uint8_t bytes[11];
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(vv_varint_read(bytes, 11, &value), 0); /* never ends */
    bytes[9] = 0x01;
    assert_int_equal(vv_varint_read(bytes, 11, &value), 10);
    assert_true(value == UINT64_MAX);
    bytes[9] = 0x02;
    assert_int_equal(vv_varint_read(bytes, 11, &value), 0);
}

static void longer_forms_than_needed_are_read(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(vv_varint_read((const uint8_t *)"\x80\x00", 2, &value), 2);
    assert_int_equal(value, 0);
    assert_int_equal(vv_varint_read(NULL, 0, &value), 0);
}

static void zigzag_maps_small_numbers_to_small_ones(void **state)
{
    (void)state;
    const int64_t values[] = {0, -1, 1, -2, 2, INT64_MAX, INT64_MIN};
    const uint64_t codes[] = {0, 1, 2, 3, 4, UINT64_MAX - 1, UINT64_MAX};
    for (size_t index = 0; index < 7; index++) {
        assert_true(vv_zigzag_encode(values[index]) == codes[index]);
        assert_true(vv_zigzag_decode(codes[index]) == values[index]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_round_trip_in_the_fewest_bytes),
        cmocka_unit_test(more_than_64_bits_are_refused),
        cmocka_unit_test(longer_forms_than_needed_are_read),
        cmocka_unit_test(zigzag_maps_small_numbers_to_small_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
