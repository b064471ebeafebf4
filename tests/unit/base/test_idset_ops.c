/* SPDX-License-Identifier: Apache-2.0 */
/* Oracles: a plain bit array always, CRoaring where it is installed. */
#include <string.h>

#ifdef VARVE_HAVE_ROARING
#include <roaring/roaring.h>
#endif

#include "base/bitmap.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/random_ids.h"

static vv_alloc alloc;
static random_ids a_twin;
static random_ids b_twin;
static random_ids result_twin;
static uint32_t list[RANDOM_IDS_MAX];
static uint32_t read_ids[RANDOM_IDS_MAX];

static int setup(void **state)
{
    (void)state;
    vv_alloc_init(&alloc, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return vv_alloc_bytes(&alloc) == 0 ? 0 : -1;
}

static vv_idset set_of(const random_ids *twin)
{
    vv_idset set;
    size_t count = random_ids_list(twin, list);
    check_ok(vv_idset_from_sorted(list, count, &alloc, &set), NULL);
    return set;
}

/* Compares with result_twin and ends the set. */
static void check_result(vv_idset *set)
{
    size_t count = random_ids_list(&result_twin, list);
    assert_int_equal(vv_idset_count(set), count);
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    assert_int_equal(vv_idset_cursor_read(&cursor, read_ids, VV_ARRAY_COUNT(read_ids)), count);
    assert_memory_equal(read_ids, list, count * sizeof *list);
    vv_idset_deinit(set, &alloc);
}

static void pairs_of_every_shape_agree_with_their_twins(void **state)
{
    (void)state;
    print_message("seed 24\n");
    vv_random random;
    vv_random_init(&random, 24);
    for (int round = 0; round < 120; round++) {
        random_ids_fill(&a_twin, &random);
        random_ids_fill(&b_twin, &random);
        vv_idset a = set_of(&a_twin);
        vv_idset b = set_of(&b_twin);
        vv_idset result;
        result_twin = a_twin;
        vv_bits_and(result_twin.words, b_twin.words, RANDOM_IDS_WORDS);
        assert_int_equal(vv_idset_and_count(&a, &b),
                         vv_bits_count(result_twin.words, 0, RANDOM_IDS_MAX));
        check_ok(vv_idset_and(&a, &b, &alloc, &result), NULL);
        check_result(&result);
        result_twin = a_twin;
        vv_bits_or(result_twin.words, b_twin.words, RANDOM_IDS_WORDS);
        check_ok(vv_idset_or(&a, &b, &alloc, &result), NULL);
        check_result(&result);
        result_twin = a_twin;
        vv_bits_andnot(result_twin.words, b_twin.words, RANDOM_IDS_WORDS);
        check_ok(vv_idset_andnot(&a, &b, &alloc, &result), NULL);
        check_result(&result);
        vv_idset_deinit(&a, &alloc);
        vv_idset_deinit(&b, &alloc);
    }
}

static void unions_of_many_agree_with_their_twins(void **state)
{
    (void)state;
    print_message("seed 25\n");
    vv_random random;
    vv_random_init(&random, 25);
    for (int round = 0; round < 20; round++) {
        vv_idset sets[20];
        const vv_idset *pointers[20];
        size_t count = vv_random_below(&random, 21);
        memset(&result_twin, 0, sizeof result_twin);
        for (size_t index = 0; index < count; index++) {
            random_ids_fill(&a_twin, &random);
            if (round % 2 == 0) { /* few ids: the way that gathers and sorts */
                size_t keep = vv_random_below(&random, 600);
                vv_bits_clear_range(a_twin.words, keep, RANDOM_IDS_MAX);
                vv_bits_clear_range(a_twin.words, 0, keep > 40 ? keep - 40 : 0);
            }
            vv_bits_or(result_twin.words, a_twin.words, RANDOM_IDS_WORDS);
            sets[index] = set_of(&a_twin);
            pointers[index] = &sets[index];
        }
        vv_idset result;
        check_ok(vv_idset_or_many(pointers, count, &alloc, &result), NULL);
        check_result(&result);
        for (size_t index = 0; index < count; index++) {
            vv_idset_deinit(&sets[index], &alloc);
        }
    }
}

static varve_status run_all_operations(const vv_idset *a, const vv_idset *b, vv_alloc *failing)
{
    const vv_idset *both[] = {a, b};
    varve_status statuses[4];
    vv_idset results[4];
    statuses[0] = vv_idset_and(a, b, failing, &results[0]);
    statuses[1] = vv_idset_or(a, b, failing, &results[1]);
    statuses[2] = vv_idset_andnot(a, b, failing, &results[2]);
    statuses[3] = vv_idset_or_many(both, 2, failing, &results[3]);
    varve_status first = VARVE_OK;
    for (size_t index = 0; index < 4; index++) {
        check_status(statuses[index] == VARVE_OK ? VARVE_OK : VARVE_E_NOMEM, statuses[index]);
        if (statuses[index] != VARVE_OK) {
            first = statuses[index];
            assert_int_equal(vv_idset_count(&results[index]), 0);
            assert_int_equal(vv_idset_bytes(&results[index]), 0);
        }
        vv_idset_deinit(&results[index], failing);
    }
    return first;
}

static void each_failing_allocation_leaves_nothing(void **state)
{
    (void)state;
    print_message("seed 26\n");
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    vv_random random;
    vv_random_init(&random, 26);
    for (int round = 0; round < 15; round++) {
        random_ids_fill(&a_twin, &random);
        random_ids_fill(&b_twin, &random);
        vv_idset a = set_of(&a_twin);
        vv_idset b = set_of(&b_twin);
        varve_status status = VARVE_E_NOMEM;
        for (uint64_t number = 1; status != VARVE_OK; number++) {
            failing_alloc_plan(&source, number, true);
            status = run_all_operations(&a, &b, &failing);
            assert_int_equal(vv_alloc_bytes(&failing), 0);
            assert_int_equal(source.live, 0);
        }
        vv_idset_deinit(&a, &alloc);
        vv_idset_deinit(&b, &alloc);
    }
}

#ifdef VARVE_HAVE_ROARING

static void check_against_roaring(vv_idset *set, roaring_bitmap_t *oracle)
{
    assert_non_null(oracle);
    assert_int_equal(vv_idset_count(set), roaring_bitmap_get_cardinality(oracle));
    roaring_bitmap_to_uint32_array(oracle, list);
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    size_t count = vv_idset_cursor_read(&cursor, read_ids, VV_ARRAY_COUNT(read_ids));
    assert_memory_equal(read_ids, list, count * sizeof *list);
    vv_idset_deinit(set, &alloc);
    roaring_bitmap_free(oracle);
}

static void random_pairs_agree_with_roaring(void **state)
{
    (void)state;
    print_message("seed 27\n");
    vv_random random;
    vv_random_init(&random, 27);
    for (int round = 0; round < 60; round++) {
        random_ids_fill(&a_twin, &random);
        random_ids_fill(&b_twin, &random);
        vv_idset a = set_of(&a_twin);
        roaring_bitmap_t *a_oracle = roaring_bitmap_of_ptr(vv_idset_count(&a), list);
        vv_idset b = set_of(&b_twin);
        roaring_bitmap_t *b_oracle = roaring_bitmap_of_ptr(vv_idset_count(&b), list);
        vv_idset result;
        assert_int_equal(vv_idset_and_count(&a, &b),
                         roaring_bitmap_and_cardinality(a_oracle, b_oracle));
        check_ok(vv_idset_and(&a, &b, &alloc, &result), NULL);
        check_against_roaring(&result, roaring_bitmap_and(a_oracle, b_oracle));
        check_ok(vv_idset_or(&a, &b, &alloc, &result), NULL);
        check_against_roaring(&result, roaring_bitmap_or(a_oracle, b_oracle));
        check_ok(vv_idset_andnot(&a, &b, &alloc, &result), NULL);
        check_against_roaring(&result, roaring_bitmap_andnot(a_oracle, b_oracle));
        vv_idset_deinit(&a, &alloc);
        vv_idset_deinit(&b, &alloc);
        roaring_bitmap_free(a_oracle);
        roaring_bitmap_free(b_oracle);
    }
}

#else

static void random_pairs_agree_with_roaring(void **state)
{
    (void)state;
    skip(); /* libroaring was not there when this was built */
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_of_every_shape_agree_with_their_twins),
        cmocka_unit_test(unions_of_many_agree_with_their_twins),
        cmocka_unit_test(each_failing_allocation_leaves_nothing),
        cmocka_unit_test(random_pairs_agree_with_roaring),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
