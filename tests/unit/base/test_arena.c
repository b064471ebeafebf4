/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

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

static void objects_do_not_overlap_and_are_aligned(void **state)
{
    (void)state;
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    uint8_t *objects[300];
    for (size_t index = 0; index < 300; index++) {
        size_t align = (size_t)1 << (index % 7);
        objects[index] = vv_arena_aligned(&arena, index, align);
        assert_non_null(objects[index]);
        assert_int_equal((uintptr_t)objects[index] % align, 0);
        memset(objects[index], (int)(index & 0xFF), index);
    }
    for (size_t index = 0; index < 300; index++) {
        for (size_t byte = 0; byte < index; byte++) {
            assert_int_equal(objects[index][byte], index & 0xFF);
        }
    }
    void *object = vv_arena_new(&arena, 3);
    assert_int_equal((uintptr_t)object % 16, 0);
    vv_arena_deinit(&arena);
}

static void large_objects_get_their_own_block(void **state)
{
    (void)state;
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    uint8_t *large = vv_arena_aligned(&arena, 1000000, 64);
    assert_non_null(large);
    assert_int_equal((uintptr_t)large % 64, 0);
    memset(large, 1, 1000000);
    assert_null(vv_arena_new(&arena, SIZE_MAX));
    assert_null(vv_arena_array(&arena, SIZE_MAX / 4, 5));
    uint8_t *zeroed = vv_arena_zeroed(&arena, 100);
    assert_non_null(zeroed);
    assert_int_equal(zeroed[99], 0);
    vv_arena_deinit(&arena);
}

/* R1 */
static void the_limit_is_never_passed_and_is_named(void **state)
{
    (void)state;
    if (VV_ARENA_BLOCK_BYTES_MAX == 1) {
        skip(); /* a coverage build: no object shares a block */
    }
    vv_arena arena;
    vv_arena_init(&arena, &alloc, 10000);
    size_t count = 0;
    while (vv_arena_new(&arena, 100) != NULL) {
        count += 1;
        assert_in_range(arena.held_bytes, 1, 10000);
    }
    assert_in_range(count, 85, 100);
    assert_int_equal(vv_alloc_bytes(&alloc), arena.held_bytes);
    varve_error err;
    check_status(VARVE_E_LIMIT, vv_arena_fail(&arena, 100, &err));
    assert_non_null(strstr(err.message, "limit of 10000 bytes"));
    varve_text copy;
    varve_text text = {.data = "0123456789", .size = 10};
    while (vv_arena_copy(&arena, text, &copy) == VARVE_OK) {
    }
    check_status(VARVE_E_LIMIT, vv_arena_copy(&arena, text, &copy));
    vv_arena_deinit(&arena);
}

static void the_last_bytes_below_the_limit_can_be_used(void **state)
{
    (void)state;
    vv_arena arena;
    vv_arena_init(&arena, &alloc, 1000);
    assert_non_null(vv_arena_new(&arena, 900)); /* a block smaller than the usual */
    assert_null(vv_arena_new(&arena, 900));
    vv_arena_deinit(&arena);
    assert_null(vv_arena_new(&arena, 1000)); /* no room for the header */
    vv_arena_deinit(&arena);
}

static void reset_keeps_one_block_and_reuses_it(void **state)
{
    (void)state;
    if (VV_ARENA_BLOCK_BYTES_MAX == 1) {
        skip(); /* a coverage build: no object shares a block */
    }
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    vv_arena_reset(&arena);
    for (int round = 0; round < 5; round++) {
        for (int index = 0; index < 100; index++) {
            assert_non_null(vv_arena_new(&arena, 100));
        }
        vv_arena_reset(&arena);
        assert_in_range(arena.held_bytes, VV_ARENA_BLOCK_BYTES_MIN, VV_ARENA_BLOCK_BYTES_MAX);
        assert_int_equal(vv_alloc_bytes(&alloc), arena.held_bytes);
    }
    assert_non_null(vv_arena_new(&arena, 2 * VV_ARENA_BLOCK_BYTES_MAX));
    vv_arena_reset(&arena);
    assert_int_equal(arena.held_bytes, 0); /* too large to keep */
    vv_arena_deinit(&arena);
}

static void restore_forgets_what_came_after_the_mark(void **state)
{
    (void)state;
    if (VV_ARENA_BLOCK_BYTES_MAX == 1) {
        skip(); /* a coverage build: no object shares a block */
    }
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    vv_arena_mark empty = vv_arena_save(&arena);
    char *kept = vv_arena_new(&arena, 100);
    memset(kept, 'k', 100);
    vv_arena_mark mark = vv_arena_save(&arena);
    char *first = vv_arena_new(&arena, 16);
    for (int index = 0; index < 1000; index++) {
        assert_non_null(vv_arena_new(&arena, 100));
    }
    vv_arena_restore(&arena, mark);
    assert_ptr_equal(vv_arena_new(&arena, 16), first);
    assert_int_equal(kept[99], 'k');
    vv_arena_restore(&arena, empty);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
    vv_arena_deinit(&arena);
}

static void copies_are_terminated_and_independent(void **state)
{
    (void)state;
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    char source[] = "metric";
    varve_text copy;
    check_ok(vv_arena_copy(&arena, vv_text_make(source, 6), &copy), NULL);
    source[0] = 'X';
    assert_string_equal(copy.data, "metric");
    assert_int_equal(copy.size, 6);
    check_ok(vv_arena_copy(&arena, vv_text_make(NULL, 0), &copy), NULL);
    assert_string_equal(copy.data, "");
    void *bytes = vv_arena_copy_bytes(&arena, "ab\0c", 4);
    assert_memory_equal(bytes, "ab\0c", 4);
    assert_non_null(vv_arena_copy_bytes(&arena, NULL, 0));
    vv_arena_deinit(&arena);
}

static void each_failing_allocation_is_survived(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    for (uint64_t number = 1;; number++) {
        failing_alloc_plan(&source, number, false);
        vv_arena arena;
        vv_arena_init(&arena, &failing, SIZE_MAX);
        int done = 0;
        while (done < 200 && vv_arena_new(&arena, 500) != NULL) {
            done += 1;
        }
        if (done < 200) {
            check_status(VARVE_E_NOMEM, vv_arena_fail(&arena, 500, NULL));
        }
        vv_arena_deinit(&arena);
        assert_int_equal(vv_alloc_bytes(&failing), 0);
        if (done == 200) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_do_not_overlap_and_are_aligned),
        cmocka_unit_test(large_objects_get_their_own_block),
        cmocka_unit_test(the_limit_is_never_passed_and_is_named),
        cmocka_unit_test(the_last_bytes_below_the_limit_can_be_used),
        cmocka_unit_test(reset_keeps_one_block_and_reuses_it),
        cmocka_unit_test(restore_forgets_what_came_after_the_mark),
        cmocka_unit_test(copies_are_terminated_and_independent),
        cmocka_unit_test(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
