/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics against a naive reference: sums with compensation in long double, which has 11 bits
 * more and a larger range; squared deviations from the mean of that.
 */
#include <float.h>

#include "codec/stats.h"
#include "codec_fixture.h"
#include "value_sets.h"

/* What the values of an array are, computed slowly. */
typedef struct reference {
    size_t count, nan_count;
    double min, max;
    long double sum, sizes; /* of the values, of their sizes */
    long double squares;    /* of the values, by count: the mean square q of the bound */
    long double variance;
} reference;

/* Neumaier's sum. */
typedef struct long_sum {
    long double sum, rest;
} long_sum;

static void long_sum_add(long_sum *sum, long double value)
{
    long double total = sum->sum + value;
    if (fabsl(sum->sum) >= fabsl(value)) {
        sum->rest += (sum->sum - total) + value;
    } else {
        sum->rest += (value - total) + sum->sum;
    }
    sum->sum = total;
}

static bool is_below(double a, double b)
{
    return a < b || (a <= b && signbit(a) != 0 && signbit(b) == 0);
}

static reference reference_of(const double *values, const uint64_t *present, size_t count)
{
    reference result = {.min = HUGE_VAL, .max = -HUGE_VAL};
    long_sum sum = {0};
    long_sum sizes = {0};
    long_sum squares = {0};
    for (size_t i = 0; i < count; ++i) {
        if (present != NULL && !vv_bits_get(present, i)) {
            continue;
        }
        if (isnan(values[i])) {
            result.nan_count += 1;
            continue;
        }
        result.count += 1;
        result.min = result.count == 1 || is_below(values[i], result.min) ? values[i] : result.min;
        result.max = result.count == 1 || is_below(result.max, values[i]) ? values[i] : result.max;
        long_sum_add(&sum, (long double)values[i]);
        long_sum_add(&sizes, fabsl((long double)values[i]));
        long_sum_add(&squares, (long double)values[i] * (long double)values[i]);
    }
    result.sum = sum.sum + sum.rest;
    result.sizes = sizes.sum + sizes.rest;
    result.squares = (squares.sum + squares.rest) / (long double)result.count;
    long double mean = result.sum / (long double)result.count;
    long_sum deviations = {0};
    for (size_t i = 0; i < count; ++i) {
        if ((present == NULL || vv_bits_get(present, i)) && !isnan(values[i])) {
            long double deviation = (long double)values[i] - mean;
            long_sum_add(&deviations, deviation * deviation);
        }
    }
    result.variance = (deviations.sum + deviations.rest) / (long double)result.count;
    return result;
}

/* The bounds of the design: sum, mean, variance. */
static void check_against(const vv_stats *stats, const reference *expected)
{
    assert_int_equal(stats->count, expected->count);
    assert_int_equal(stats->nan_count, expected->nan_count);
    if (expected->count == 0) {
        return;
    }
    assert_int_equal(codec_bits(stats->min.f64), codec_bits(expected->min));
    assert_int_equal(codec_bits(stats->max.f64), codec_bits(expected->max));
    long double sum = (long double)vv_stats_sum(stats);
    bool is_beyond = fabsl(expected->sum) > (long double)DBL_MAX && isinf(vv_stats_sum(stats)) &&
                     (sum > 0) == (expected->sum > 0);
    assert_true(is_beyond || fabsl(sum - expected->sum) <= 1e-12L * expected->sizes);
    long double mean = (long double)vv_stats_mean(stats);
    long double count = (long double)expected->count;
    assert_true(fabsl(mean - expected->sum / count) <= 1e-12L * expected->sizes / count);
    long double q = expected->squares;
    long double bound = 1e-12L * sqrtl(expected->variance * q) + 1e-24L * q;
    long double variance = (long double)vv_stats_variance(stats);
    if (expected->variance <= (long double)DBL_MAX / 2) {
        /* Below the least double nothing can be told apart. */
        assert_true(fabsl(variance - expected->variance) <= bound + 1e-320L);
    } else {
        assert_true(variance > (long double)DBL_MAX / 4);
    }
}

enum { MANY = 5000 };

static double values[MANY];
static uint64_t present[MANY / 64 + 1];

static void check_all_ways(codec_fixture *fixture, size_t count)
{
    reference expected = reference_of(values, NULL, count);
    vv_stats stats;
    vv_stats_init(&stats, VARVE_TYPE_F64);
    vv_stats_add_f64(&stats, values, NULL, count);
    check_against(&stats, &expected);

    /* In parts of any size, merged one by one and in a tree. */
    vv_stats whole;
    vv_stats_init(&whole, VARVE_TYPE_F64);
    for (size_t done = 0; done < count;) {
        size_t more = 1 + vv_random_below(&fixture->random, 600);
        more = more < count - done ? more : count - done;
        vv_stats part;
        vv_stats_init(&part, VARVE_TYPE_F64);
        vv_stats_add_f64(&part, values + done, NULL, more);
        vv_stats_merge(&whole, &part);
        done += more;
    }
    check_against(&whole, &expected);
    vv_stats twice = whole;
    vv_stats_merge(&twice, &stats);
    assert_int_equal(twice.count, 2 * expected.count);

    for (size_t i = 0; i < count; ++i) {
        vv_bits_put(present, i, vv_random_below(&fixture->random, 3) > 0);
    }
    expected = reference_of(values, present, count);
    vv_stats_init(&stats, VARVE_TYPE_F64);
    vv_stats_add_f64(&stats, values, present, count);
    check_against(&stats, &expected);

    expected = reference_of(values, NULL, count);
    vv_stats_init(&stats, VARVE_TYPE_F64);
    vv_stats_sum_f64(&stats, values, count);
    assert_int_equal(stats.count, expected.count);
    assert_int_equal(stats.nan_count, expected.nan_count);
    assert_int_equal(stats.flags & VV_STATS_HAS_MOMENTS, 0);
    if (fabsl(expected.sum) <= (long double)DBL_MAX) {
        long double sum = (long double)vv_stats_sum(&stats);
        assert_true(fabsl(sum - expected.sum) <= 1e-12L * expected.sizes);
    }
}

static void finite_values_obey_the_bounds(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t set = 0; set < VALUE_SET_COUNT; ++set) {
        for (size_t i = 0; i < VALUE_COUNT_COUNT; i += 2) {
            size_t count = value_counts[i] + (i % 3 == 0 ? 3000 : 0);
            value_sets[set].fill(&fixture->random, values, count);
            for (size_t at = 0; at < count; ++at) {
                values[at] = isinf(values[at]) ? 0.5 : values[at];
            }
            check_all_ways(fixture, count);
        }
    }
}

static void values_of_any_scale_and_offset_obey_the_bounds(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const double scales[] = {0,   5e-324, 1e-300, 1e-150, 1e-9,  1,
                                    1e9, 1e135,  1e150,  1e200,  1e300, 1.7e308};
    for (size_t scale = 0; scale < VV_ARRAY_COUNT(scales); ++scale) {
        for (size_t offset = 0; offset < VV_ARRAY_COUNT(scales); ++offset) {
            for (size_t i = 0; i < 1500; ++i) {
                double wobble = vv_random_f64(&fixture->random) - 0.5;
                values[i] = scales[offset] + scales[scale] * wobble;
                values[i] = isfinite(values[i]) ? values[i] : DBL_MAX;
            }
            check_all_ways(fixture, 1500);
        }
    }
}

static void huge_values_of_both_signs_cancel(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < 4000; ++i) {
        values[i] = vv_random_below(&fixture->random, 2) == 0 ? DBL_MAX : -DBL_MAX;
    }
    check_all_ways(fixture, 4000);
    for (size_t i = 0; i < 4000; ++i) {
        values[i] = i < 2000 ? DBL_MAX : -DBL_MAX;
    }
    values[4000] = 3;
    check_all_ways(fixture, 4001);
    vv_stats stats;
    vv_stats_init(&stats, VARVE_TYPE_F64);
    vv_stats_add_f64(&stats, values, NULL, 2000);
    assert_true(vv_stats_sum(&stats) > DBL_MAX); /* the sum is beyond, its mean is not */
    assert_true(vv_stats_mean(&stats) >= DBL_MAX && isfinite(vv_stats_mean(&stats)));
    vv_stats_add_f64(&stats, values + 2000, NULL, 2000);
    assert_true(fabs(vv_stats_sum(&stats)) <= 0);
}

static void infinities_sum_to_infinity_or_to_the_default_nan(void **state)
{
    (void)state;
    vv_stats stats;
    const double plus[] = {1, HUGE_VAL, -5};
    const double minus[] = {-HUGE_VAL, 2};
    vv_stats_init(&stats, VARVE_TYPE_F64);
    vv_stats_add_f64(&stats, plus, NULL, 3);
    assert_true(vv_stats_sum(&stats) > DBL_MAX);
    assert_true(vv_stats_mean(&stats) > DBL_MAX);
    assert_int_equal(codec_bits(vv_stats_variance(&stats)), UINT64_C(0x7FF8000000000001));
    const double huge[] = {DBL_MAX, DBL_MAX};
    vv_stats_add_f64(&stats, huge, NULL, 2);
    assert_true(vv_stats_sum(&stats) > DBL_MAX);
    assert_int_equal(stats.count, 5);
    vv_stats_add_f64(&stats, minus, NULL, 2);
    assert_int_equal(codec_bits(vv_stats_sum(&stats)), UINT64_C(0x7FF8000000000001));
    assert_int_equal(codec_bits(vv_stats_mean(&stats)), UINT64_C(0x7FF8000000000001));
    assert_true(stats.min.f64 < -DBL_MAX && stats.max.f64 > DBL_MAX);
    vv_stats_init(&stats, VARVE_TYPE_F64);
    vv_stats_sum_f64(&stats, minus, 2);
    assert_true(vv_stats_sum(&stats) < -DBL_MAX);
}

static void nothing_and_nans_have_no_mean(void **state)
{
    (void)state;
    vv_stats stats;
    vv_stats_init(&stats, VARVE_TYPE_F64);
    assert_true(codec_bits(vv_stats_sum(&stats)) == 0);
    assert_int_equal(codec_bits(vv_stats_mean(&stats)), UINT64_C(0x7FF8000000000001));
    assert_int_equal(codec_bits(vv_stats_variance(&stats)), UINT64_C(0x7FF8000000000001));
    const double nans[] = {(double)NAN, -(double)NAN, codec_double(UINT64_C(0x7FF0000000000002))};
    vv_stats_add_f64(&stats, nans, NULL, 3);
    assert_int_equal(stats.count, 0);
    assert_int_equal(stats.nan_count, 3);
    const double one[] = {4};
    vv_stats_add_f64(&stats, one, NULL, 1);
    assert_int_equal(stats.nan_count, 3);
    assert_true(stats.min.f64 >= 4 && stats.max.f64 <= 4);
    assert_true((stats.flags & VV_STATS_HAS_MOMENTS) != 0);
}

static void zeros_are_ordered_by_sign(void **state)
{
    (void)state;
    static const uint64_t plus = 0;
    static const uint64_t minus = UINT64_C(1) << 63;
    for (uint32_t signs = 0; signs < 16; ++signs) {
        double zeros[4];
        for (size_t i = 0; i < 4; ++i) {
            zeros[i] = (signs >> i & 1) != 0 ? -0.0 : 0.0;
        }
        vv_stats stats;
        vv_stats_init(&stats, VARVE_TYPE_F64);
        vv_stats_add_f64(&stats, zeros, NULL, 2);
        vv_stats part;
        vv_stats_init(&part, VARVE_TYPE_F64);
        vv_stats_add_f64(&part, zeros + 2, NULL, 2);
        vv_stats_merge(&stats, &part);
        assert_int_equal(codec_bits(stats.min.f64), signs == 0 ? plus : minus);
        assert_int_equal(codec_bits(stats.max.f64), signs == 15 ? minus : plus);
    }
}

static void a_million_merges_do_not_drift(void **state)
{
    (void)state;
    /* 0.1 added to itself drifts by 1e-11 in plain doubles; the squared deviations of 0.1 and 0.3
     * likewise. */
    vv_stats stats;
    vv_stats_init(&stats, VARVE_TYPE_F64);
    const double pair[] = {0.1, 0.3};
    vv_stats part;
    vv_stats_init(&part, VARVE_TYPE_F64);
    vv_stats_add_f64(&part, pair, NULL, 2);
    size_t merges = 1000000;
    for (size_t i = 0; i < merges; ++i) {
        vv_stats_merge(&stats, &part);
    }
    long double each = ((long double)0.3 - (long double)0.1) / 2;
    assert_true(fabsl((long double)vv_stats_variance(&stats) / (each * each) - 1) < 1e-15L);
    long double sum = ((long double)0.1 + (long double)0.3) * (long double)merges;
    assert_true(fabsl((long double)vv_stats_sum(&stats) / sum - 1) < 2e-16L);
}

static vv_i128 naive_sum(const uint64_t *numbers, size_t count, bool is_signed)
{
    vv_i128 sum = 0;
    for (size_t i = 0; i < count; ++i) {
        sum += is_signed ? (vv_i128)(int64_t)numbers[i] : (vv_i128)numbers[i];
    }
    return sum;
}

static void check_integers(const uint64_t *numbers, size_t count, uint32_t type)
{
    vv_stats stats;
    vv_stats_init(&stats, type);
    bool is_signed = type == VARVE_TYPE_I64;
    if (is_signed) {
        vv_stats_add_i64(&stats, (const int64_t *)numbers, NULL, count);
    } else {
        vv_stats_add_u64(&stats, numbers, NULL, count);
    }
    vv_i128 sum = naive_sum(numbers, count, is_signed);
    assert_true(stats.sum == sum);
    long double mean = (long double)sum / (long double)count;
    long double squares = 0;
    long double mean_square = 0;
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    for (size_t i = 0; i < count; ++i) {
        int64_t order = (int64_t)(numbers[i] ^ (is_signed ? 0 : UINT64_C(1) << 63));
        long double number = is_signed ? (long double)(int64_t)numbers[i] : (long double)numbers[i];
        min = order < min ? order : min;
        max = order > max ? order : max;
        squares += (number - mean) * (number - mean);
        mean_square += number * number / (long double)count;
    }
    uint64_t flip = is_signed ? 0 : UINT64_C(1) << 63;
    assert_int_equal(stats.min.u64, (uint64_t)min ^ flip);
    assert_int_equal(stats.max.u64, (uint64_t)max ^ flip);
    long double variance = squares / (long double)count;
    long double bound = 1e-12L * sqrtl(variance * mean_square) + 1e-24L * mean_square;
    assert_true(fabsl((long double)vv_stats_variance(&stats) - variance) <= bound);
    assert_true(fabsl((long double)vv_stats_mean(&stats) - mean) <= 1e-15L * sqrtl(mean_square));
    assert_true(fabsl((long double)vv_stats_sum(&stats) - (long double)sum) <=
                1e-15L * fabsl((long double)sum));
}

static void integers_are_exact(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static uint64_t numbers[3000];
    for (uint32_t bits = 0; bits <= 64; bits += 4) {
        for (uint32_t base = 0; base < 4; ++base) {
            size_t count = 1 + vv_random_below(&fixture->random, 3000);
            for (size_t i = 0; i < count; ++i) {
                uint64_t distance = bits == 0 ? 0 : vv_random_u64(&fixture->random) >> (64 - bits);
                numbers[i] = ((uint64_t)base << 62) + distance;
            }
            check_integers(numbers, count, VARVE_TYPE_I64);
            check_integers(numbers, count, VARVE_TYPE_U64);
        }
    }
}

static void large_integers_close_together_keep_their_variance(void **state)
{
    (void)state;
    int64_t numbers[2048];
    for (size_t i = 0; i < 2048; ++i) {
        numbers[i] = INT64_C(1700000000000000000) + (int64_t)(i % 5);
    }
    vv_stats stats;
    vv_stats_init(&stats, VARVE_TYPE_I64);
    vv_stats_add_i64(&stats, numbers, NULL, 2045);
    assert_true(fabs(vv_stats_variance(&stats) - 2) < 1e-9);
}

static void bools_count_their_ones(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    uint8_t bools[2000];
    uint64_t has[2000 / 64 + 1] = {0};
    uint64_t ones = 0;
    uint64_t count = 0;
    for (size_t i = 0; i < 2000; ++i) {
        bools[i] = (uint8_t)vv_random_below(&fixture->random, 2);
        vv_bits_put(has, i, vv_random_below(&fixture->random, 2) == 1);
        ones += vv_bits_get(has, i) && bools[i] == 1;
        count += vv_bits_get(has, i);
    }
    vv_stats stats;
    vv_stats_init(&stats, VARVE_TYPE_BOOL);
    vv_stats_add_bool(&stats, bools, has, 2000);
    assert_int_equal(stats.count, count);
    assert_int_equal((uint64_t)stats.sum, ones);
    assert_int_equal(stats.min.u64, 0);
    assert_int_equal(stats.max.u64, 1);
    double share = (double)ones / (double)count;
    assert_true(fabs(vv_stats_variance(&stats) - share * (1 - share)) < 1e-15);
}

static void equal_values_have_no_variance_however_large(void **state)
{
    (void)state;
    static const double sizes[] = {0.1, 1e15, 1e154, 1e200, 1.1e300 / 3, DBL_MAX, -DBL_MAX};
    for (size_t size = 0; size < VV_ARRAY_COUNT(sizes); ++size) {
        for (size_t count = 1; count <= 1024; count += 11) {
            for (size_t i = 0; i < count; ++i) {
                values[i] = sizes[size];
            }
            vv_stats stats;
            vv_stats_init(&stats, VARVE_TYPE_F64);
            vv_stats_add_f64(&stats, values, NULL, count);
            assert_int_equal(codec_bits(vv_stats_variance(&stats)), 0);
            assert_int_equal(codec_bits(vv_stats_mean(&stats)), codec_bits(sizes[size]));
        }
    }
}

static void moments_are_gone_where_a_part_lacks_them(void **state)
{
    (void)state;
    const double three[] = {1, 2, 3};
    vv_stats stats;
    vv_stats part;
    vv_stats_init(&stats, VARVE_TYPE_F64);
    vv_stats_init(&part, VARVE_TYPE_F64);
    vv_stats_add_f64(&stats, three, NULL, 3);
    vv_stats_sum_f64(&part, three, 3);
    vv_stats_merge(&stats, &part);
    assert_int_equal(stats.count, 6);
    assert_true(fabs(vv_stats_sum(&stats) - 12) <= 0);
    assert_true(isnan(vv_stats_variance(&stats)));
    assert_true(fabs(vv_stats_mean(&part) - 2) <= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finite_values_obey_the_bounds),
        cmocka_unit_test(values_of_any_scale_and_offset_obey_the_bounds),
        cmocka_unit_test(huge_values_of_both_signs_cancel),
        cmocka_unit_test(infinities_sum_to_infinity_or_to_the_default_nan),
        cmocka_unit_test(nothing_and_nans_have_no_mean),
        cmocka_unit_test(zeros_are_ordered_by_sign),
        cmocka_unit_test(a_million_merges_do_not_drift),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(large_integers_close_together_keep_their_variance),
        cmocka_unit_test(bools_count_their_ones),
        cmocka_unit_test(equal_values_have_no_variance_however_large),
        cmocka_unit_test(moments_are_gone_where_a_part_lacks_them),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
