/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checked.h"

#include "support/check.h"

static void checked_results_are_exact_or_refused(void **state)
{
    (void)state;
    size_t size = 7;
    assert_true(vv_add_size(SIZE_MAX - 1, 1, &size));
    assert_true(size == SIZE_MAX);
    size = 7;
    assert_false(vv_add_size(SIZE_MAX, 1, &size));
    assert_int_equal(size, 7);
    assert_false(vv_sub_size(1, 2, &size));
    assert_true(vv_sub_size(2, 2, &size));
    assert_false(vv_mul_size(SIZE_MAX / 2, 3, &size));
    assert_true(vv_mul_size(SIZE_MAX / 2, 2, &size));
    uint64_t word;
    assert_false(vv_add_u64(UINT64_MAX, 1, &word));
    assert_false(vv_sub_u64(0, 1, &word));
    assert_false(vv_mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &word));
    int64_t number = 7;
    assert_false(vv_add_i64(INT64_MAX, 1, &number));
    assert_false(vv_sub_i64(INT64_MIN, 1, &number));
    assert_false(vv_sub_i64(0, INT64_MIN, &number));
    assert_false(vv_mul_i64(INT64_MIN, -1, &number));
    assert_int_equal(number, 7);
    assert_true(vv_add_i64(INT64_MAX, INT64_MIN, &number));
    assert_int_equal(number, -1);
}

static void saturating_results_stop_at_the_ends(void **state)
{
    (void)state;
    assert_true(vv_sat_add_i64(INT64_MAX, 1) == INT64_MAX);
    assert_true(vv_sat_add_i64(INT64_MIN, -1) == INT64_MIN);
    assert_int_equal(vv_sat_add_i64(3, 4), 7);
    assert_true(vv_sat_sub_i64(0, INT64_MIN) == INT64_MAX);
    assert_true(vv_sat_sub_i64(INT64_MIN, 1) == INT64_MIN);
    assert_true(vv_sat_sub_i64(INT64_MAX, -1) == INT64_MAX);
    assert_int_equal(vv_sat_sub_i64(3, 4), -1);
    assert_true(vv_sat_mul_i64(INT64_MAX, 2) == INT64_MAX);
    assert_true(vv_sat_mul_i64(INT64_MAX, -2) == INT64_MIN);
    assert_true(vv_sat_mul_i64(INT64_MIN, -1) == INT64_MAX);
    assert_true(vv_sat_mul_i64(INT64_MIN, 2) == INT64_MIN);
    assert_int_equal(vv_sat_mul_i64(-3, 4), -12);
}

static void division_rounds_towards_minus_infinity(void **state)
{
    (void)state;
    for (int64_t b = 1; b < 6; b++) {
        for (int64_t a = -20; a <= 20; a++) {
            int64_t quotient = vv_floor_div_i64(a, b);
            int64_t rest = vv_floor_mod_i64(a, b);
            assert_int_equal(quotient * b + rest, a);
            assert_in_range(rest, 0, b - 1);
        }
    }
    assert_true(vv_floor_div_i64(INT64_MIN, 1) == INT64_MIN);
    assert_int_equal(vv_floor_div_i64(INT64_MIN, INT64_MAX), -2);
    assert_true(vv_floor_mod_i64(INT64_MIN, INT64_MAX) == INT64_MAX - 1);
}

static void distance_is_exact_over_the_whole_range(void **state)
{
    (void)state;
    assert_true(vv_distance_i64(INT64_MIN, INT64_MAX) == UINT64_MAX);
    assert_int_equal(vv_distance_i64(-5, 5), 10);
}

static void only_whole_doubles_in_range_become_integers(void **state)
{
    (void)state;
    int64_t number = 7;
    assert_false(vv_i64_of_f64(0.5, &number));
    assert_false(vv_i64_of_f64(9223372036854775808.0, &number));
    assert_false(vv_i64_of_f64(-9223372036854777856.0, &number));
    assert_false(vv_i64_of_f64(0.0 / 0.0, &number));
    assert_false(vv_i64_of_f64(1.0 / 0.0, &number));
    assert_int_equal(number, 7);
    assert_true(vv_i64_of_f64(-9223372036854775808.0, &number));
    assert_true(number == INT64_MIN);
    assert_true(vv_i64_of_f64(9223372036854774784.0, &number));
    assert_true(number == INT64_C(9223372036854774784));
    assert_true(vv_i64_of_f64(-0.0, &number));
    assert_int_equal(number, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checked_results_are_exact_or_refused),
        cmocka_unit_test(saturating_results_stop_at_the_ends),
        cmocka_unit_test(division_rounds_towards_minus_infinity),
        cmocka_unit_test(distance_is_exact_over_the_whole_range),
        cmocka_unit_test(only_whole_doubles_in_range_become_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
