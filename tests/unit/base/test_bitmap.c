/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bitmap.h"

#include <string.h>

#include "base/random.h"
#include "support/check.h"

#define BITS  300u
#define WORDS 5u

static uint64_t words[WORDS];
static bool naive[BITS];

static void fill_randomly(vv_random *random, uint64_t density)
{
    memset(words, 0, sizeof words);
    for (size_t index = 0; index < BITS; index++) {
        naive[index] = vv_random_below(random, 10) < density;
        vv_bits_put(words, index, naive[index]);
    }
}

static void check_equal(void)
{
    for (size_t index = 0; index < BITS; index++) {
        assert_int_equal(vv_bits_get(words, index), naive[index]);
    }
}

static void single_bits_are_set_and_cleared(void **state)
{
    (void)state;
    memset(words, 0, sizeof words);
    for (size_t index = 0; index < BITS; index++) {
        vv_bits_set(words, index);
        assert_true(vv_bits_get(words, index));
        assert_int_equal(vv_bits_count(words, 0, BITS), 1);
        vv_bits_clear(words, index);
        assert_false(vv_bits_get(words, index));
    }
    assert_int_equal(vv_bits_words(0), 0);
    assert_int_equal(vv_bits_words(1), 1);
    assert_int_equal(vv_bits_words(64), 1);
    assert_int_equal(vv_bits_words(65), 2);
}

static void ranges_touch_exactly_their_bits(void **state)
{
    (void)state;
    print_message("seed 5\n");
    vv_random random;
    vv_random_init(&random, 5);
    for (int round = 0; round < 2000; round++) {
        fill_randomly(&random, vv_random_below(&random, 11));
        size_t begin = vv_random_below(&random, BITS + 1);
        size_t end = round % 10 == 0 ? begin : vv_random_below(&random, BITS + 1);
        bool value = round % 2 == 0;
        if (value) {
            vv_bits_set_range(words, begin, end);
        } else {
            vv_bits_clear_range(words, begin, end);
        }
        for (size_t index = begin; index < end; index++) {
            naive[index] = value;
        }
        check_equal();
    }
}

static void empty_ranges_touch_no_word(void **state)
{
    (void)state;
    for (size_t end = 0; end <= 128; end += 64) {
        for (size_t begin = end; begin <= end + 1; begin++) {
            vv_bits_set_range(NULL, begin, end);
            vv_bits_clear_range(NULL, begin, end);
            assert_int_equal(vv_bits_count(NULL, begin, end), 0);
            assert_int_equal(vv_bits_find_set(NULL, begin, end), end);
            assert_int_equal(vv_bits_find_clear(NULL, begin, end), end);
            assert_int_equal(vv_bits_find_last_set(NULL, begin, end), end);
        }
    }
}

static void counting_and_finding_agree_with_a_loop(void **state)
{
    (void)state;
    print_message("seed 6\n");
    vv_random random;
    vv_random_init(&random, 6);
    for (int round = 0; round < 3000; round++) {
        fill_randomly(&random, round % 3 == 0 ? 0 : vv_random_below(&random, 11));
        size_t end = vv_random_below(&random, BITS + 1);
        size_t begin = vv_random_below(&random, end + 1);
        size_t count = 0;
        size_t first_set = end;
        size_t first_clear = end;
        size_t last_set = end;
        for (size_t index = begin; index < end; index++) {
            count += naive[index] ? 1 : 0;
            first_set = naive[index] && first_set == end ? index : first_set;
            first_clear = !naive[index] && first_clear == end ? index : first_clear;
            last_set = naive[index] ? index : last_set;
        }
        assert_int_equal(vv_bits_count(words, begin, end), count);
        assert_int_equal(vv_bits_find_set(words, begin, end), first_set);
        assert_int_equal(vv_bits_find_clear(words, begin, end), first_clear);
        assert_int_equal(vv_bits_find_last_set(words, begin, end), last_set);
    }
}

static void word_operations_are_and_or_andnot(void **state)
{
    (void)state;
    uint64_t target[2] = {0xF0F0, 0xFF};
    const uint64_t source[2] = {0xFF00, 0x0F};
    vv_bits_and(target, source, 2);
    assert_int_equal(target[0], 0xF000);
    assert_int_equal(target[1], 0x0F);
    vv_bits_or(target, source, 1);
    assert_int_equal(target[0], 0xFF00);
    target[0] = 0xFFFF;
    vv_bits_andnot(target, source, 2);
    assert_int_equal(target[0], 0x00FF);
    assert_int_equal(target[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_bits_are_set_and_cleared),
        cmocka_unit_test(ranges_touch_exactly_their_bits),
        cmocka_unit_test(empty_ranges_touch_no_word),
        cmocka_unit_test(counting_and_finding_agree_with_a_loop),
        cmocka_unit_test(word_operations_are_and_or_andnot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
