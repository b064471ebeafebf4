/* SPDX-License-Identifier: Apache-2.0 */
#include "model/time_range.h"

#include <stdlib.h>

#include "base/random.h"
#include "support/check.h"

static varve_range range(int64_t start, int64_t end)
{
    return (varve_range){.start = start, .end = end};
}

static void ranges_are_half_open_but_for_the_last_instant(void **state)
{
    (void)state;
    varve_error err;
    assert_int_equal(vv_range_check(range(1, 2), &err), VARVE_OK);
    assert_int_equal(vv_range_check(range(2, 2), &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "time range is empty: start 2 is not before end 2");
    assert_int_equal(vv_range_check(range(INT64_MIN, INT64_MAX), &err), VARVE_OK);
    assert_true(vv_range_contains(range(1, 3), 1));
    assert_true(vv_range_contains(range(1, 3), 2));
    assert_false(vv_range_contains(range(1, 3), 3));
    assert_true(vv_range_contains(range(1, INT64_MAX), INT64_MAX));
    assert_false(vv_range_contains(range(1, INT64_MAX - 1), INT64_MAX - 1));
    assert_true(vv_range_last(range(1, INT64_MAX)) == INT64_MAX);
    assert_true(vv_range_last(range(1, 9)) == 8);
    varve_range last = vv_range_of_closed(INT64_MAX, INT64_MAX);
    assert_true(vv_range_contains(last, INT64_MAX) && !vv_range_contains(last, INT64_MAX - 1));
}

static void ranges_meet_closed_intervals(void **state)
{
    (void)state;
    assert_true(vv_range_overlaps(range(5, 9), 8, 20));
    assert_false(vv_range_overlaps(range(5, 9), 9, 20));
    assert_true(vv_range_overlaps(range(5, 9), 1, 5));
    assert_false(vv_range_overlaps(range(5, 9), 1, 4));
    assert_true(vv_range_overlaps(range(5, INT64_MAX), INT64_MAX, INT64_MAX));
    assert_true(vv_range_covers(range(5, 9), 5, 8));
    assert_false(vv_range_covers(range(5, 9), 5, 9));
    assert_true(vv_range_covers(range(5, INT64_MAX), 5, INT64_MAX));
}

static void ranges_intersect(void **state)
{
    (void)state;
    varve_range common = range(7, 7);
    assert_true(vv_range_intersect(range(1, 5), range(3, 9), &common));
    assert_true(common.start == 3 && common.end == 5);
    assert_false(vv_range_intersect(range(1, 5), range(5, 9), &common));
    assert_true(common.start == 3);
    varve_range last = vv_range_of_closed(INT64_MAX, INT64_MAX);
    assert_true(vv_range_intersect(last, range(0, INT64_MAX), &common));
    assert_true(vv_range_contains(common, INT64_MAX));
    assert_false(vv_range_intersect(last, range(0, INT64_MAX - 1), &common));
}

static void precisions_convert_by_flooring(void **state)
{
    (void)state;
    varve_error err;
    bool has_lost = false;
    int64_t out = 0;
    assert_int_equal(
        vv_time_convert(1999, VARVE_PRECISION_NS, VARVE_PRECISION_US, &out, &has_lost, &err),
        VARVE_OK);
    assert_true(out == 1 && has_lost);
    has_lost = false;
    assert_int_equal(
        vv_time_convert(-1, VARVE_PRECISION_NS, VARVE_PRECISION_S, &out, &has_lost, &err),
        VARVE_OK);
    assert_true(out == -1 && has_lost);
    has_lost = false;
    assert_int_equal(
        vv_time_convert(-3000, VARVE_PRECISION_MS, VARVE_PRECISION_S, &out, &has_lost, &err),
        VARVE_OK);
    assert_true(out == -3 && !has_lost);
    assert_int_equal(vv_time_convert(7, VARVE_PRECISION_S, VARVE_PRECISION_NS, &out, NULL, &err),
                     VARVE_OK);
    assert_true(out == 7000000000);
    assert_int_equal(
        vv_time_convert(INT64_MIN, VARVE_PRECISION_MS, VARVE_PRECISION_MS, &out, &has_lost, &err),
        VARVE_OK);
    assert_true(out == INT64_MIN && !has_lost);
    static const char *const names[] = {"unknown", "ns", "us", "ms", "s", "unknown"};
    for (uint32_t precision = 0; precision < 6; precision++) {
        assert_string_equal(vv_precision_name(precision), names[precision]);
    }
}

static void times_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    varve_error err;
    int64_t out = 42;
    assert_int_equal(vv_time_convert(INT64_MAX / 1000 + 1, VARVE_PRECISION_MS, VARVE_PRECISION_US,
                                     &out, NULL, &err),
                     VARVE_E_INVALID);
    assert_string_equal(err.message, "time 9223372036854776 ms does not fit 64 bits of us");
    assert_true(out == 42);
    assert_int_equal(
        vv_time_convert(INT64_MAX / 1000, VARVE_PRECISION_MS, VARVE_PRECISION_US, &out, NULL, &err),
        VARVE_OK);
    assert_int_equal(vv_time_convert(1, 0, VARVE_PRECISION_US, &out, NULL, &err), VARVE_E_INVALID);
    assert_int_equal(vv_time_convert(1, VARVE_PRECISION_US, 5, &out, NULL, &err), VARVE_E_INVALID);
    assert_true(vv_time_convert_saturating(INT64_MAX, VARVE_PRECISION_S, VARVE_PRECISION_NS) ==
                INT64_MAX);
    assert_true(vv_time_convert_saturating(INT64_MIN, VARVE_PRECISION_S, VARVE_PRECISION_NS) ==
                INT64_MIN);
    assert_true(vv_time_convert_saturating(-1, VARVE_PRECISION_NS, VARVE_PRECISION_S) == -1);
}

static void check_bucket(const vv_buckets *buckets, int64_t width, int64_t origin, int64_t t)
{
    uint64_t index = vv_buckets_index(buckets, t);
    varve_range bucket = vv_buckets_range(buckets, index);
    assert_true(vv_range_contains(bucket, t));
    /* The exact beginning, in 128 bits. */
    vv_i128 away = (vv_i128)t - origin;
    vv_i128 number = away / width - (away % width < 0);
    vv_i128 start = origin + number * width;
    vv_i128 end = start + width;
    assert_true(bucket.start == (start < INT64_MIN ? INT64_MIN : (int64_t)start));
    assert_true(bucket.end == (end > INT64_MAX ? INT64_MAX : (int64_t)end));
    assert_true(vv_buckets_start(buckets, index) == bucket.start);
    if (bucket.start > INT64_MIN) {
        assert_true(vv_buckets_index(buckets, bucket.start - 1) == index - 1);
    }
    if (end <= INT64_MAX) {
        assert_true(vv_buckets_index(buckets, bucket.end) == index + 1);
    }
    if (t != INT64_MAX - 1) { /* no range ends just before INT64_MAX */
        assert_true(vv_buckets_count(buckets, vv_range_of_closed(t, t)) == 1);
    }
}

static void buckets_are_exact_on_the_whole_axis(void **state)
{
    (void)state;
    uint64_t seed = 33550336;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, -1,       0,
                                       1,         INT64_MAX - 1, INT64_MAX};
    static const int64_t widths[] = {1, 2, 3, 10, 86400000000000, INT64_MAX - 1, INT64_MAX};
    for (int round = 0; round < 40000; round++) {
        bool is_extreme = vv_random_below(&random, 2) == 0;
        int64_t width =
            is_extreme ? widths[vv_random_below(&random, 7)]
                       : (int64_t)(vv_random_u64(&random) >> 1 >> vv_random_below(&random, 60)) | 1;
        int64_t origin = vv_random_below(&random, 2) == 0 ? extremes[vv_random_below(&random, 7)]
                                                          : (int64_t)vv_random_u64(&random);
        int64_t t = vv_random_below(&random, 2) == 0 ? extremes[vv_random_below(&random, 7)]
                                                     : (int64_t)vv_random_u64(&random);
        vv_buckets buckets;
        assert_int_equal(vv_buckets_init(&buckets, width, origin, NULL), VARVE_OK);
        check_bucket(&buckets, width, origin, t);
    }
}

static void buckets_are_counted(void **state)
{
    (void)state;
    vv_buckets buckets;
    varve_error err;
    assert_int_equal(vv_buckets_init(&buckets, 0, 0, &err), VARVE_E_INVALID);
    assert_int_equal(vv_buckets_init(&buckets, -5, 0, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "bucket width -5 is not above 0");
    assert_int_equal(vv_buckets_init(&buckets, 10, 3, &err), VARVE_OK);
    assert_true(vv_buckets_count(&buckets, range(3, 13)) == 1);
    assert_true(vv_buckets_count(&buckets, range(2, 13)) == 2);
    assert_true(vv_buckets_count(&buckets, range(3, 14)) == 2);
    assert_int_equal(vv_buckets_init(&buckets, 1, 0, &err), VARVE_OK);
    assert_true(vv_buckets_count(&buckets, range(INT64_MIN, INT64_MAX)) == UINT64_MAX);
    assert_true(vv_buckets_count(&buckets, range(INT64_MIN, INT64_MAX - 1)) == UINT64_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_half_open_but_for_the_last_instant),
        cmocka_unit_test(ranges_meet_closed_intervals),
        cmocka_unit_test(ranges_intersect),
        cmocka_unit_test(precisions_convert_by_flooring),
        cmocka_unit_test(times_that_do_not_fit_are_refused),
        cmocka_unit_test(buckets_are_exact_on_the_whole_axis),
        cmocka_unit_test(buckets_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
