/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting rows by time: stable, and nothing to do where they are in order. */
#include "engine/time_sort.h"

#include <stdlib.h>

#include "base/random.h"
#include "support/check.h"

static void check_sorted(const int64_t *times, size_t count)
{
    vv_alloc alloc;
    vv_arena arena;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    uint32_t *order;
    check_ok(vv_time_sort(times, count, &arena, &order, &err), &err);
    bool is_sorted = vv_time_is_sorted(times, count, false);
    assert_true(is_sorted == (order == NULL));
    uint8_t *seen = calloc(count + 1, 1);
    for (size_t i = 0; i < count && order != NULL; i++) {
        assert_true(order[i] < count && seen[order[i]] == 0);
        seen[order[i]] = 1;
        if (i > 0) {
            assert_true(times[order[i - 1]] < times[order[i]] ||
                        (times[order[i - 1]] == times[order[i]] && order[i - 1] < order[i]));
        }
    }
    free(seen);
    vv_arena_deinit(&arena);
}

static void orders_are_stable(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 2);
    static int64_t times[5000];
    static const size_t counts[] = {0, 1, 2, 15, 16, 17, 31, 33, 100, 1023, 1024, 1025, 5000};
    for (size_t n = 0; n < sizeof counts / sizeof *counts; n++) {
        for (uint64_t spread = 1; spread < 10000; spread *= 7) {
            for (size_t i = 0; i < counts[n]; i++) {
                times[i] = (int64_t)(i % 3 == 0 ? vv_random_below(&random, spread)
                                                : vv_random_below(&random, 3) + i);
            }
            check_sorted(times, counts[n]);
        }
        for (size_t i = 0; i < counts[n]; i++) {
            times[i] = i % 2 == 0 ? INT64_MAX - (int64_t)i : INT64_MIN + (int64_t)i;
        }
        check_sorted(times, counts[n]);
    }
}

static void order_is_recognised_everywhere(void **state)
{
    (void)state;
    int64_t times[600];
    for (size_t i = 0; i < 600; i++) {
        times[i] = (int64_t)i;
    }
    assert_true(vv_time_is_sorted(times, 600, true));
    assert_true(vv_time_is_sorted(times, 0, true));
    for (size_t at = 1; at < 600; at++) { /* also where groups meet */
        times[at] = times[at - 1];
        assert_false(vv_time_is_sorted(times, 600, true));
        assert_true(vv_time_is_sorted(times, 600, false));
        times[at] = times[at - 1] - 1;
        assert_false(vv_time_is_sorted(times, 600, false));
        times[at] = (int64_t)at;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_stable),
        cmocka_unit_test(order_is_recognised_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
