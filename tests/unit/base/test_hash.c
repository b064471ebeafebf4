/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include "base/random.h"
#include "support/check.h"

static void values_are_those_of_the_published_algorithm(void **state)
{
    (void)state;
    /* XXH3_64bits and XXH3_128bits of the empty input, seed 0, from the specification's tests. */
    assert_true(vv_hash64("", 0, 0) == UINT64_C(0x2D06800538D394C2));
    vv_hash128 empty = vv_hash128_of("", 0, 0);
    assert_true(empty.low == UINT64_C(0x6001C324468D497F));
    assert_true(empty.high == UINT64_C(0x99AA06D3014798D8));
}

static void streams_equal_the_whole_for_any_cut(void **state)
{
    (void)state;
    print_message("seed 7\n");
    static uint8_t bytes[5000];
    vv_random random;
    vv_random_init(&random, 7);
    vv_random_fill(&random, bytes, sizeof bytes);
    for (int round = 0; round < 200; round++) {
        size_t size = vv_random_below(&random, sizeof bytes + 1);
        uint64_t seed = round % 2 == 0 ? 0 : vv_random_u64(&random);
        vv_hash_stream stream;
        vv_hash_stream_init(&stream, seed);
        vv_hash_stream_add(&stream, NULL, 0);
        for (size_t at = 0; at < size;) {
            size_t part = 1 + vv_random_below(&random, 700);
            part = part > size - at ? size - at : part;
            vv_hash_stream_add(&stream, bytes + at, part);
            at += part;
        }
        assert_true(vv_hash_stream_end64(&stream) == vv_hash64(bytes, size, seed));
        assert_true(
            vv_hash128_equal(vv_hash_stream_end128(&stream), vv_hash128_of(bytes, size, seed)));
    }
}

static void seeds_and_order_matter(void **state)
{
    (void)state;
    assert_true(vv_hash64("a", 1, 1) != vv_hash64("a", 1, 2));
    assert_true(vv_hash_mix2(1, 2) != vv_hash_mix2(2, 1));
    assert_true(vv_hash_mix(1) != vv_hash_mix(2));
    vv_hash128 a = {.low = 1, .high = 2};
    vv_hash128 b = {.low = 1, .high = 3};
    assert_false(vv_hash128_equal(a, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_published_algorithm),
        cmocka_unit_test(streams_equal_the_whole_for_any_cut),
        cmocka_unit_test(seeds_and_order_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
