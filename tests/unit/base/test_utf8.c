/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/random.h"
#include "support/check.h"

/* Valid by the definition: decode every form, then ask whether it was the shortest of a scalar
 * value. */
static bool is_valid_by_definition(const uint8_t *bytes, size_t size)
{
    size_t index = 0;
    while (index < size) {
        uint8_t first = bytes[index];
        size_t length = first < 0x80             ? 1
                        : (first & 0xE0) == 0xC0 ? 2
                        : (first & 0xF0) == 0xE0 ? 3
                        : (first & 0xF8) == 0xF0 ? 4
                                                 : 0;
        if (length == 0 || length > size - index) {
            return false;
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        uint32_t value = length == 1 ? first : first & (0x7Fu >> length);
        for (size_t next = 1; next < length; next++) {
            if ((bytes[index + next] & 0xC0) != 0x80) {
                return false;
            }
            value = value << 6 | (bytes[index + next] & 0x3Fu);
        }
        if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
            return false;
        }
        index += length;
    }
    return true;
}

static void every_three_byte_input_is_judged_right(void **state)
{
    (void)state;
    /* All pairs, and all third bytes that are next to a border of the table. */
    static const uint8_t thirds[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    for (uint32_t pair = 0; pair < 65536; pair++) {
        uint8_t bytes[4] = {(uint8_t)(pair >> 8), (uint8_t)pair, 0, 0x80};
        assert_true(vv_utf8_is_valid(vv_text_make((const char *)bytes, 2)) ==
                    is_valid_by_definition(bytes, 2));
        for (size_t third = 0; third < sizeof thirds; third++) {
            bytes[2] = thirds[third];
            for (size_t size = 3; size <= 4; size++) {
                if (vv_utf8_is_valid(vv_text_make((const char *)bytes, size)) !=
                    is_valid_by_definition(bytes, size)) {
                    fail_msg("%02x %02x %02x, size %zu", bytes[0], bytes[1], bytes[2], size);
                }
            }
        }
    }
}

static void every_code_point_round_trips(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        if (code_point == 0xD800) {
            code_point = 0xE000;
        }
        char bytes[4];
        size_t size = vv_utf8_write(bytes, code_point);
        size_t position = 0;
        uint32_t read = vv_utf8_next(vv_text_make(bytes, size), &position);
        if (read != code_point || position != size ||
            !vv_utf8_is_valid(vv_text_make(bytes, size))) {
            fail_msg("U+%04X", code_point);
        }
    }
}

static void a_bad_byte_at_any_place_is_found(void **state)
{
    (void)state;
    char bytes[64];
    for (size_t size = 0; size <= sizeof bytes; size++) {
        memset(bytes, 'a', sizeof bytes);
        assert_int_equal(vv_utf8_valid_prefix(vv_text_make(bytes, size)), size);
        for (size_t bad = 0; bad < size; bad++) {
            bytes[bad] = '\xFF';
            assert_int_equal(vv_utf8_valid_prefix(vv_text_make(bytes, size)), bad);
            bytes[bad] = '\xC3'; /* a beginning without its end */
            assert_int_equal(vv_utf8_valid_prefix(vv_text_make(bytes, size)), bad);
            bytes[bad] = 'a';
        }
    }
    assert_true(vv_utf8_is_valid(vv_text_make(NULL, 0)));
}

static void bad_bytes_are_one_step_each(void **state)
{
    (void)state;
    varve_text text = VV_TEXT("\xE2\x82z\xFF");
    size_t position = 0;
    assert_int_equal(vv_utf8_next(text, &position), 0xFFFD);
    assert_int_equal(position, 1);
    assert_int_equal(vv_utf8_next(text, &position), 0xFFFD);
    assert_int_equal(vv_utf8_next(text, &position), 'z');
    assert_int_equal(vv_utf8_next(text, &position), 0xFFFD);
    assert_int_equal(position, 4);
}

static void cutting_splits_no_character(void **state)
{
    (void)state;
    varve_text text = VV_TEXT("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
    const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t size_max = 0; size_max < 12; size_max++) {
        assert_int_equal(vv_utf8_cut(text, size_max).size, expected[size_max]);
    }
    assert_int_equal(vv_utf8_length(text), 4);
    assert_int_equal(vv_utf8_length(vv_text_make(NULL, 0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_three_byte_input_is_judged_right),
        cmocka_unit_test(every_code_point_round_trips),
        cmocka_unit_test(a_bad_byte_at_any_place_is_found),
        cmocka_unit_test(bad_bytes_are_one_step_each),
        cmocka_unit_test(cutting_splits_no_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
