/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bitmap.h"
#include "base/idset_priv.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/random_ids.h"

static vv_alloc alloc;
static uint32_t list[RANDOM_IDS_MAX];

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

static void the_form_follows_the_count(void **state)
{
    (void)state;
    const struct {
        size_t count;
        uint32_t capacity;
    } rows[] = {{0, 0}, {1, 0}, {2, 0}, {3, 3}, {64, 64}, {65, VV_IDSET_IS_TREE}};
    for (uint32_t index = 0; index < 100; index++) {
        list[index] = index * 1000;
    }
    for (size_t row = 0; row < VV_ARRAY_COUNT(rows); row++) {
        vv_idset set;
        check_ok(vv_idset_from_sorted(list, rows[row].count, &alloc, &set), NULL);
        assert_int_equal(set.capacity, rows[row].capacity);
        vv_idset_deinit(&set, &alloc);
    }
    vv_idset set;
    for (uint32_t index = 0; index < 4097; index++) {
        list[index] = index * 2;
    }
    check_ok(vv_idset_from_sorted(list, 4096, &alloc, &set), NULL);
    assert_false(vv_idset_is_bitmap(&set.u.tree->items[0]));
    vv_idset_deinit(&set, &alloc);
    check_ok(vv_idset_from_sorted(list, 4097, &alloc, &set), NULL);
    assert_true(vv_idset_is_bitmap(&set.u.tree->items[0]));
    vv_idset_deinit(&set, &alloc);
    check_ok(vv_idset_from_range(7, 7 + 64, &alloc, &set), NULL);
    assert_int_equal(set.capacity, 64);
    vv_idset_deinit(&set, &alloc);
    check_ok(vv_idset_from_range(0, 4096, &alloc, &set), NULL);
    assert_false(vv_idset_is_bitmap(&set.u.tree->items[0]));
    vv_idset_deinit(&set, &alloc);
    check_ok(vv_idset_from_range(0, 4097, &alloc, &set), NULL);
    assert_true(vv_idset_is_bitmap(&set.u.tree->items[0]));
    vv_idset_deinit(&set, &alloc);
}

static void ranges_hold_their_ids_and_no_others(void **state)
{
    (void)state;
    const uint32_t ends[][2] = {{0, 0},       {5, 5},          {7, 3},
                                {0, 1},       {65535, 65537},  {0, 65536},
                                {10, 200000}, {65536, 131072}, {VV_IDSET_ID_MAX - 5, UINT32_MAX}};
    for (size_t row = 0; row < VV_ARRAY_COUNT(ends); row++) {
        uint32_t begin = ends[row][0];
        uint32_t end = ends[row][1];
        vv_idset set;
        check_ok(vv_idset_from_range(begin, end, &alloc, &set), NULL);
        uint32_t count = begin < end ? end - begin : 0;
        uint32_t id;
        assert_int_equal(vv_idset_count(&set), count);
        if (count > 0) {
            assert_true(vv_idset_first(&set, &id) && id == begin);
            assert_true(vv_idset_last(&set, &id) && id == end - 1);
        }
        vv_idset_deinit(&set, &alloc);
    }
}

static void the_greatest_id_can_be_held(void **state)
{
    (void)state;
    const uint32_t ids[] = {0, VV_IDSET_ID_MAX};
    vv_idset set;
    check_ok(vv_idset_from_sorted(ids, 2, &alloc, &set), NULL);
    assert_true(vv_idset_contains(&set, VV_IDSET_ID_MAX));
    vv_idset_deinit(&set, &alloc);
}

static void copies_are_equal_and_independent(void **state)
{
    (void)state;
    print_message("seed 21\n");
    static random_ids twin;
    vv_random random;
    vv_random_init(&random, 21);
    for (int round = 0; round < 20; round++) {
        random_ids_fill(&twin, &random);
        size_t count = random_ids_list(&twin, list);
        vv_idset set;
        vv_idset copy;
        check_ok(vv_idset_from_sorted(list, count, &alloc, &set), NULL);
        check_ok(vv_idset_copy(&set, &alloc, &copy), NULL);
        assert_true(vv_idset_equal(&set, &copy));
        vv_idset_deinit(&set, &alloc);
        assert_int_equal(vv_idset_count(&copy), count);
        uint32_t id = 0;
        assert_true(!vv_idset_last(&copy, &id) || id == list[count - 1]);
        vv_idset_deinit(&copy, &alloc);
    }
}

static void each_failing_allocation_leaves_nothing(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    vv_idset whole;
    check_ok(vv_idset_from_range(60000, 200000, &alloc, &whole), NULL);
    for (uint32_t index = 0; index < 40; index++) {
        list[index] = index;
    }
    varve_status status = VARVE_E_NOMEM;
    for (uint64_t number = 1; status != VARVE_OK; number++) {
        failing_alloc_plan(&source, number, false);
        vv_idset a;
        vv_idset b;
        vv_idset c;
        varve_status first = vv_idset_from_range(60000, 200000, &failing, &a);
        varve_status second = vv_idset_copy(&whole, &failing, &b);
        varve_status third = vv_idset_from_sorted(list, 40, &failing, &c);
        status = first != VARVE_OK ? first : second != VARVE_OK ? second : third;
        check_status(status == VARVE_OK ? VARVE_OK : VARVE_E_NOMEM, status);
        assert_int_equal(vv_idset_count(&a), first == VARVE_OK ? 140000 : 0);
        assert_int_equal(vv_idset_count(&b), second == VARVE_OK ? 140000 : 0);
        vv_idset_deinit(&a, &failing);
        vv_idset_deinit(&b, &failing);
        vv_idset_deinit(&c, &failing);
        assert_int_equal(vv_alloc_bytes(&failing), 0);
        assert_int_equal(source.live, 0);
    }
    assert_true(source.requests > 8);
    vv_idset_deinit(&whole, &alloc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_follows_the_count),
        cmocka_unit_test(ranges_hold_their_ids_and_no_others),
        cmocka_unit_test(the_greatest_id_can_be_held),
        cmocka_unit_test(copies_are_equal_and_independent),
        cmocka_unit_test(each_failing_allocation_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
