/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "support/check.h"

static varve_text of(const char *string)
{
    return vv_text_from_string(string);
}

static void integers_print_as_printf_does(void **state)
{
    (void)state;
    print_message("seed 9\n");
    vv_random random;
    vv_random_init(&random, 9);
    for (int round = 0; round < 20000; round++) {
        uint64_t value = vv_random_u64(&random) >> vv_random_below(&random, 64);
        char expected[32];
        char actual[VV_TEXT_I64_BYTES_MAX];
        int size = snprintf(expected, sizeof expected, "%" PRIu64, value);
        assert_int_equal(vv_text_print_u64(actual, value), size);
        assert_memory_equal(actual, expected, (size_t)size);
        size = snprintf(expected, sizeof expected, "%" PRId64, (int64_t)value);
        assert_int_equal(vv_text_print_i64(actual, (int64_t)value), size);
        assert_memory_equal(actual, expected, (size_t)size);
        int64_t back;
        assert_true(vv_text_parse_i64(vv_text_make(actual, (size_t)size), &back));
        assert_true(back == (int64_t)value);
    }
    char longest[VV_TEXT_I64_BYTES_MAX];
    assert_int_equal(vv_text_print_i64(longest, INT64_MIN), VV_TEXT_I64_BYTES_MAX);
    assert_int_equal(vv_text_print_u64(longest, UINT64_MAX), VV_TEXT_I64_BYTES_MAX);
    assert_int_equal(vv_text_print_u64(longest, 0), 1);
}

static void integers_are_read_to_their_limits(void **state)
{
    (void)state;
    uint64_t word = 7;
    int64_t number = 7;
    assert_true(vv_text_parse_u64(of("18446744073709551615"), &word));
    assert_true(word == UINT64_MAX);
    assert_true(vv_text_parse_u64(of("+00000000000000000000000000000001"), &word));
    assert_int_equal(word, 1);
    assert_false(vv_text_parse_u64(of("18446744073709551616"), &word));
    assert_false(vv_text_parse_u64(of("99999999999999999999"), &word));
    assert_false(vv_text_parse_u64(of("-1"), &word));
    assert_true(vv_text_parse_i64(of("9223372036854775807"), &number));
    assert_true(number == INT64_MAX);
    assert_true(vv_text_parse_i64(of("-9223372036854775808"), &number));
    assert_true(number == INT64_MIN);
    number = 7;
    assert_false(vv_text_parse_i64(of("9223372036854775808"), &number));
    assert_false(vv_text_parse_i64(of("-9223372036854775809"), &number));
    const char *wrong[] = {"", "+", "-", "1 ", " 1", "1.0", "0x1", "--1", "+-1", "a"};
    for (size_t index = 0; index < VV_ARRAY_COUNT(wrong); index++) {
        assert_false(vv_text_parse_i64(of(wrong[index]), &number));
        assert_false(vv_text_parse_u64(of(wrong[index]), &word));
    }
    assert_int_equal(number, 7);
    assert_false(vv_text_parse_i64(vv_text_make(NULL, 0), &number));
}

static void scanning_stops_at_the_first_other_character(void **state)
{
    (void)state;
    uint64_t word;
    int64_t number;
    assert_int_equal(vv_text_scan_u64(of("123i"), &word), 3);
    assert_int_equal(word, 123);
    assert_int_equal(vv_text_scan_i64(of("-12,"), &number), 3);
    assert_int_equal(number, -12);
    assert_int_equal(vv_text_scan_i64(of("x"), &number), 0);
    /* the bytes behind the size do not count */
    assert_int_equal(vv_text_scan_u64(vv_text_make("12345", 2), &word), 2);
    assert_int_equal(word, 12);
}

static void hex_goes_both_ways(void **state)
{
    (void)state;
    char digits[8];
    uint8_t bytes[4];
    vv_text_print_hex(digits, "\x00\x9A\xbc\xFF", 4);
    assert_memory_equal(digits, "009abcff", 8);
    assert_true(vv_text_parse_hex(of("009aBCfF"), bytes));
    assert_memory_equal(bytes, "\x00\x9A\xbc\xFF", 4);
    assert_false(vv_text_parse_hex(of("abc"), bytes));
    assert_false(vv_text_parse_hex(of("0g"), bytes));
    assert_false(vv_text_parse_hex(of("/0"), bytes));
    assert_true(vv_text_parse_hex(of(""), bytes));
}

static void base64_goes_both_ways(void **state)
{
    (void)state;
    /* RFC 4648, section 10 */
    const char *pairs[][2] = {{"", ""},
                              {"f", "Zg=="},
                              {"fo", "Zm8="},
                              {"foo", "Zm9v"},
                              {"foob", "Zm9vYg=="},
                              {"fooba", "Zm9vYmE="},
                              {"foobar", "Zm9vYmFy"},
                              {"\xFB\xEF\xFF", "++//"}};
    for (size_t index = 0; index < VV_ARRAY_COUNT(pairs); index++) {
        varve_text plain = of(pairs[index][0]);
        varve_text coded = of(pairs[index][1]);
        char target[32];
        uint8_t back[32];
        size_t size = 99;
        assert_int_equal(vv_text_base64_size(plain.size), coded.size);
        assert_int_equal(vv_text_print_base64(target, plain.data, plain.size), coded.size);
        assert_memory_equal(target, coded.data, coded.size);
        assert_true(vv_text_parse_base64(coded, back, &size));
        assert_int_equal(size, plain.size);
        assert_memory_equal(back, plain.data, size);
        coded.size = vv_text_find_char(coded, '='); /* padding is optional */
        assert_true(vv_text_parse_base64(coded, back, &size));
        assert_int_equal(size, plain.size);
    }
}

static void base64_refuses_what_nobody_would_write(void **state)
{
    (void)state;
    const char *wrong[] = {
        "Z", "Zg=", "Zg===", "Z===", "====", "Zm9v=", "Zh==", "Zm9=", "Zm 9", "Zg==Zg=="};
    uint8_t bytes[32];
    size_t size;
    for (size_t index = 0; index < VV_ARRAY_COUNT(wrong); index++) {
        if (vv_text_parse_base64(of(wrong[index]), bytes, &size)) {
            fail_msg("%s was taken", wrong[index]);
        }
    }
    assert_true(vv_text_parse_base64(of("--__"), bytes, &size));
    assert_memory_equal(bytes, "\xFB\xEF\xFF", 3);
}

static void formatting_is_cut_and_terminated(void **state)
{
    (void)state;
    char target[8];
    assert_int_equal(vv_text_format(target, sizeof target, "%s", "1234567"), 7);
    assert_string_equal(target, "1234567");
    assert_int_equal(vv_text_format(target, sizeof target, "%s", "12345678"), 7);
    assert_string_equal(target, "1234567");
    assert_int_equal(vv_text_format(target, 1, "%d", 5), 0);
    assert_string_equal(target, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_print_as_printf_does),
        cmocka_unit_test(integers_are_read_to_their_limits),
        cmocka_unit_test(scanning_stops_at_the_first_other_character),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(base64_refuses_what_nobody_would_write),
        cmocka_unit_test(formatting_is_cut_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
