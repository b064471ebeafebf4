/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <math.h>
#include <string.h>

#include "support/check.h"

static void the_sequence_is_that_of_xoshiro256(void **state)
{
    (void)state;
    /* The first outputs of the published generator from the state 1, 2, 3, 4. */
    vv_random random = {.state = {1, 2, 3, 4}};
    assert_true(vv_random_u64(&random) == UINT64_C(11520));
    assert_true(vv_random_u64(&random) == UINT64_C(0));
    assert_true(vv_random_u64(&random) == UINT64_C(1509978240));
    assert_true(vv_random_u64(&random) == UINT64_C(1215971899390074240));
}

static void equal_seeds_give_equal_numbers(void **state)
{
    (void)state;
    vv_random a;
    vv_random b;
    vv_random c;
    vv_random_init(&a, 42);
    vv_random_init(&b, 42);
    vv_random_init(&c, 43);
    bool differs = false;
    for (int index = 0; index < 100; index++) {
        uint64_t number = vv_random_u64(&a);
        assert_true(number == vv_random_u64(&b));
        differs = differs || number != vv_random_u64(&c);
    }
    assert_true(differs);
    vv_random_init(&a, 0);
    assert_true((a.state[0] | a.state[1] | a.state[2] | a.state[3]) != 0);
}

static void bounded_numbers_stay_inside_and_reach_all(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 1);
    int seen[7] = {0};
    for (int index = 0; index < 7000; index++) {
        uint64_t number = vv_random_below(&random, 7);
        assert_in_range(number, 0, 6);
        seen[number] += 1;
    }
    for (int index = 0; index < 7; index++) {
        assert_in_range(seen[index], 850, 1150);
    }
    assert_int_equal(vv_random_below(&random, 1), 0);
    for (int index = 0; index < 1000; index++) {
        int64_t number = vv_random_between(&random, -3, 3);
        assert_true(number >= -3 && number <= 3);
        assert_true(vv_random_between(&random, INT64_MAX, INT64_MAX) == INT64_MAX);
        (void)vv_random_between(&random, INT64_MIN, INT64_MAX);
    }
}

static void fractions_and_normals_have_their_moments(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 2);
    double sum = 0;
    double normal_sum = 0;
    double normal_squares = 0;
    for (int index = 0; index < 20000; index++) {
        double fraction = vv_random_f64(&random);
        assert_true(fraction >= 0 && fraction < 1);
        sum += fraction;
        double normal = vv_random_normal(&random);
        normal_sum += normal;
        normal_squares += normal * normal;
    }
    assert_true(fabs(sum / 20000 - 0.5) < 0.02);
    assert_true(fabs(normal_sum / 20000) < 0.05);
    assert_true(fabs(normal_squares / 20000 - 1) < 0.05);
}

static void fill_writes_exactly_the_bytes(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 3);
    for (size_t size = 0; size < 30; size++) {
        uint8_t bytes[32];
        memset(bytes, 0, sizeof bytes);
        vv_random_fill(&random, bytes, size);
        assert_int_equal(bytes[size], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_is_that_of_xoshiro256),
        cmocka_unit_test(equal_seeds_give_equal_numbers),
        cmocka_unit_test(bounded_numbers_stay_inside_and_reach_all),
        cmocka_unit_test(fractions_and_normals_have_their_moments),
        cmocka_unit_test(fill_writes_exactly_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
