/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"

static vv_alloc alloc;

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

static void pushed_items_keep_their_order(void **state)
{
    (void)state;
    vv_vec vec;
    vv_vec_init(&vec, &alloc, sizeof(int), SIZE_MAX);
    for (int item = 0; item < 100; item++) {
        check_ok(vv_vec_push(&vec, &item), NULL);
    }
    int more[] = {100, 101, 102};
    check_ok(vv_vec_push_many(&vec, more, 3), NULL);
    check_ok(vv_vec_push_many(&vec, NULL, 0), NULL);
    assert_int_equal(vec.count, 103);
    for (int item = 0; item < 103; item++) {
        assert_int_equal(*VV_VEC_AT(&vec, int, (size_t)item), item);
        assert_int_equal(VV_VEC_ITEMS(&vec, int)[item], item);
    }
    vv_vec_pop(&vec);
    assert_int_equal(vec.count, 102);
    vv_vec_clear(&vec);
    assert_int_equal(vec.count, 0);
    vv_vec_deinit(&vec);
}

static void insert_and_remove_shift_the_rest(void **state)
{
    (void)state;
    vv_vec vec;
    vv_vec_init(&vec, &alloc, sizeof(int), SIZE_MAX);
    int *zeroed = vv_vec_extend(&vec);
    assert_non_null(zeroed);
    assert_int_equal(*zeroed, 0);
    int one = 1;
    int two = 2;
    int three = 3;
    check_ok(vv_vec_insert(&vec, 1, &two), NULL);
    check_ok(vv_vec_insert(&vec, 1, &one), NULL);
    check_ok(vv_vec_insert(&vec, 3, &three), NULL);
    for (int item = 0; item < 4; item++) {
        assert_int_equal(*VV_VEC_AT(&vec, int, (size_t)item), item);
    }
    vv_vec_remove(&vec, 1);
    assert_int_equal(*VV_VEC_AT(&vec, int, 1), 2);
    vv_vec_remove_unordered(&vec, 0);
    assert_int_equal(*VV_VEC_AT(&vec, int, 0), 3);
    assert_int_equal(*VV_VEC_AT(&vec, int, 1), 2);
    vv_vec_remove_unordered(&vec, 1);
    vv_vec_remove(&vec, 0);
    assert_int_equal(vec.count, 0);
    vv_vec_deinit(&vec);
}

/* E1 */
static void the_limit_holds_to_the_item_and_is_named(void **state)
{
    (void)state;
    vv_vec vec;
    vv_vec_init(&vec, &alloc, 8, 10);
    uint64_t item = 1;
    for (int index = 0; index < 10; index++) {
        check_ok(vv_vec_push(&vec, &item), NULL);
    }
    assert_int_equal(vec.capacity, 10);
    check_status(VARVE_E_LIMIT, vv_vec_push(&vec, &item));
    check_status(VARVE_E_LIMIT, vv_vec_insert(&vec, 0, &item));
    assert_null(vv_vec_extend(&vec));
    check_status(VARVE_E_LIMIT, vv_vec_reserve(&vec, 1));
    varve_error err;
    check_status(VARVE_E_LIMIT, vv_vec_fail(&vec, VARVE_E_LIMIT, &err));
    assert_string_equal(err.message, "limit of 10 items reached");
    vv_vec_deinit(&vec);
}

static void sizes_that_overflow_are_no_memory(void **state)
{
    (void)state;
    vv_vec vec;
    vv_vec_init(&vec, &alloc, 1000, SIZE_MAX);
    check_status(VARVE_E_NOMEM, vv_vec_reserve(&vec, SIZE_MAX / 100));
    varve_error err;
    check_status(VARVE_E_NOMEM, vv_vec_fail(&vec, VARVE_E_NOMEM, &err));
    assert_non_null(strstr(err.message, "out of memory"));
    vv_vec_deinit(&vec);
}

static void each_failing_allocation_leaves_the_items(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    varve_status status = VARVE_E_NOMEM;
    for (uint64_t number = 1; status != VARVE_OK; number++) {
        failing_alloc_plan(&source, number, false);
        vv_vec vec;
        vv_vec_init(&vec, &failing, sizeof(size_t), SIZE_MAX);
        status = VARVE_OK;
        for (size_t item = 0; item < 1000 && status == VARVE_OK; item++) {
            status = vv_vec_push(&vec, &item);
        }
        for (size_t item = 0; item < vec.count; item++) {
            assert_int_equal(*VV_VEC_AT(&vec, size_t, item), item);
        }
        vv_vec_deinit(&vec);
        assert_int_equal(vv_alloc_bytes(&failing), 0);
    }
    assert_true(source.requests > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushed_items_keep_their_order),
        cmocka_unit_test(insert_and_remove_shift_the_rest),
        cmocka_unit_test(the_limit_holds_to_the_item_and_is_named),
        cmocka_unit_test(sizes_that_overflow_are_no_memory),
        cmocka_unit_test(each_failing_allocation_leaves_the_items),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
