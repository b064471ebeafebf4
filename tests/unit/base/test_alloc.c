/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"

static void bytes_are_counted_up_and_down(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    uint8_t *memory = vv_alloc_new(&alloc, 100);
    assert_non_null(memory);
    assert_int_equal(vv_alloc_bytes(&alloc), 100);
    memset(memory, 7, 100);
    memory = vv_alloc_resize(&alloc, memory, 100, 1000);
    assert_non_null(memory);
    assert_int_equal(memory[99], 7);
    assert_int_equal(vv_alloc_bytes(&alloc), 1000);
    memory = vv_alloc_resize(&alloc, memory, 1000, 10);
    assert_non_null(memory);
    assert_int_equal(vv_alloc_bytes(&alloc), 10);
    vv_alloc_free(&alloc, memory, 10);
    vv_alloc_free(&alloc, NULL, 0);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void size_zero_gives_distinct_memory(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    void *a = vv_alloc_new(&alloc, 0);
    void *b = vv_alloc_resize(&alloc, NULL, 0, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    a = vv_alloc_resize(&alloc, a, 0, 50);
    assert_non_null(a);
    a = vv_alloc_resize(&alloc, a, 50, 0);
    assert_non_null(a);
    vv_alloc_free(&alloc, a, 0);
    vv_alloc_free(&alloc, b, 0);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void zeroed_memory_is_zero(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    uint8_t *used = vv_alloc_new(&alloc, 500);
    assert_non_null(used);
    memset(used, 0xAA, 500);
    vv_alloc_free(&alloc, used, 500); /* malloc hands the same piece out again */
    uint8_t *memory = vv_alloc_zeroed(&alloc, 500);
    assert_non_null(memory);
    for (size_t index = 0; index < 500; index++) {
        assert_int_equal(memory[index], 0);
    }
    vv_alloc_free(&alloc, memory, 500);
}

static void arrays_whose_size_overflows_are_refused(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    assert_null(vv_alloc_array(&alloc, SIZE_MAX / 2, 3));
    void *array = vv_alloc_array(&alloc, 10, 12);
    assert_non_null(array);
    assert_int_equal(vv_alloc_bytes(&alloc), 120);
    vv_alloc_free(&alloc, array, 120);
}

static void the_limit_holds_to_the_byte(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init_limited(&alloc, NULL, 1000);
    void *a = vv_alloc_new(&alloc, 600);
    assert_non_null(a);
    assert_null(vv_alloc_new(&alloc, 401));
    void *b = vv_alloc_new(&alloc, 400);
    assert_non_null(b);
    assert_null(vv_alloc_new(&alloc, 1));
    assert_null(vv_alloc_resize(&alloc, b, 400, 401));
    assert_int_equal(vv_alloc_bytes(&alloc), 1000);
    b = vv_alloc_resize(&alloc, b, 400, 399);
    assert_non_null(b);
    b = vv_alloc_resize(&alloc, b, 399, 400);
    assert_non_null(b);
    assert_null(vv_alloc_new(&alloc, SIZE_MAX));
    vv_alloc_free(&alloc, a, 600);
    vv_alloc_free(&alloc, b, 400);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void a_failing_source_changes_no_count(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &functions);
    char *memory = vv_alloc_new(&alloc, 10);
    assert_non_null(memory);
    memcpy(memory, "012345678", 10);
    failing_alloc_plan(&source, 1, false);
    assert_null(vv_alloc_new(&alloc, 10));
    assert_null(vv_alloc_resize(&alloc, memory, 10, 20));
    assert_null(vv_alloc_resize(&alloc, memory, 10, 5));
    assert_string_equal(memory, "012345678");
    assert_int_equal(vv_alloc_bytes(&alloc), 10);
    vv_alloc_free(&alloc, memory, 10);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
    assert_int_equal(source.live, 0);
}

static void memory_of_libraries_knows_its_size(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init_limited(&alloc, NULL, 4096);
    uint8_t *memory = vv_alloc_sized_new(&alloc, 100);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
    memset(memory, 7, 100);
    assert_true(vv_alloc_bytes(&alloc) >= 100);
    assert_null(vv_alloc_sized_new(&alloc, 4096));
    assert_null(vv_alloc_sized_new(&alloc, SIZE_MAX));
    vv_alloc_sized_free(&alloc, memory);
    vv_alloc_sized_free(&alloc, NULL);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted_up_and_down),
        cmocka_unit_test(size_zero_gives_distinct_memory),
        cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(arrays_whose_size_overflows_are_refused),
        cmocka_unit_test(the_limit_holds_to_the_byte),
        cmocka_unit_test(a_failing_source_changes_no_count),
        cmocka_unit_test(memory_of_libraries_knows_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
