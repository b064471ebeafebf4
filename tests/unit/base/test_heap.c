/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/random.h"
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

static bool int_before(const void *context, const void *a, const void *b)
{
    (void)context;
    return *(const int *)a < *(const int *)b;
}

static void items_leave_in_order(void **state)
{
    (void)state;
    vv_random random;
    vv_random_init(&random, 4);
    int items[500];
    vv_heap heap;
    vv_heap_init(&heap, &alloc, int_before, NULL);
    for (size_t count = 0; count <= 500; count += count < 20 ? 1 : 60) {
        for (size_t index = 0; index < count; index++) {
            items[index] = (int)vv_random_below(&random, 100);
            check_ok(vv_heap_push(&heap, &items[index]), NULL);
        }
        assert_int_equal(vv_heap_count(&heap), count);
        int last = -1;
        for (size_t index = 0; index < count; index++) {
            const int *top = vv_heap_top(&heap);
            const int *item = vv_heap_pop(&heap);
            assert_ptr_equal(top, item);
            assert_true(*item >= last);
            last = *item;
        }
        assert_null(vv_heap_top(&heap));
        assert_null(vv_heap_pop(&heap));
    }
    vv_heap_deinit(&heap);
}

static void a_changed_top_finds_its_place(void **state)
{
    (void)state;
    int items[] = {3, 1, 4, 1, 5, 9, 2, 6};
    vv_heap heap;
    vv_heap_init(&heap, &alloc, int_before, NULL);
    for (size_t index = 0; index < 8; index++) {
        check_ok(vv_heap_push(&heap, &items[index]), NULL);
    }
    int last = 0;
    for (int round = 0; round < 200; round++) {
        int *top = vv_heap_top(&heap);
        assert_true(*top >= last);
        last = *top;
        *top += 3;
        if (round % 2 == 0) {
            vv_heap_top_changed(&heap);
        } else {
            vv_heap_replace_top(&heap, top);
        }
    }
    vv_heap_clear(&heap);
    assert_int_equal(vv_heap_count(&heap), 0);
    vv_heap_deinit(&heap);
}

static void a_failed_growth_keeps_the_items(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    int item = 1;
    vv_heap heap;
    vv_heap_init(&heap, &failing, int_before, NULL);
    check_ok(vv_heap_reserve(&heap, 3), NULL);
    failing_alloc_plan(&source, 1, false);
    for (int index = 0; index < 3; index++) {
        check_ok(vv_heap_push(&heap, &item), NULL);
    }
    check_status(VARVE_E_NOMEM, vv_heap_push(&heap, &item));
    check_status(VARVE_E_NOMEM, vv_heap_reserve(&heap, SIZE_MAX));
    assert_int_equal(vv_heap_count(&heap), 3);
    vv_heap_deinit(&heap);
    assert_int_equal(vv_alloc_bytes(&failing), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_leave_in_order),
        cmocka_unit_test(a_changed_top_finds_its_place),
        cmocka_unit_test(a_failed_growth_keeps_the_items),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
