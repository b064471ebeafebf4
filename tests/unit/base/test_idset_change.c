/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bitmap.h"
#include "base/idset_priv.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/random_ids.h"

static failing_alloc source;
static vv_alloc alloc;
static random_ids twin;
static uint32_t list[RANDOM_IDS_MAX];
static uint32_t read_ids[RANDOM_IDS_MAX];

static int setup(void **state)
{
    (void)state;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc_init(&alloc, &functions);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return vv_alloc_bytes(&alloc) == 0 && source.live == 0 ? 0 : -1;
}

/* D1, D2 */
static void check_whole(const vv_idset *set)
{
    size_t count = random_ids_list(&twin, list);
    assert_int_equal(vv_idset_count(set), count);
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    assert_int_equal(vv_idset_cursor_read(&cursor, read_ids, VV_ARRAY_COUNT(read_ids)), count);
    assert_memory_equal(read_ids, list, count * sizeof *list);
}

/* Ids come from [0, bound); adding is likelier at first, removing later, so all forms are passed
 * both ways. */
static void run_changes(vv_random *random, uint32_t bound, size_t changes, bool fails_often)
{
    vv_idset set;
    vv_idset_init(&set);
    memset(&twin, 0, sizeof twin);
    for (size_t change = 0; change < changes; change++) {
        uint32_t id = (uint32_t)vv_random_below(random, bound);
        bool adds = vv_random_below(random, changes) > change;
        bool was_there = vv_bits_get(twin.words, id);
        failing_alloc_plan(&source, fails_often && change % 3 == 0 ? 1 : 0, false);
        if (adds) {
            varve_status status = vv_idset_add(&set, &alloc, id);
            if (status == VARVE_OK) {
                vv_bits_set(twin.words, id);
            }
            check_status(status == VARVE_OK ? VARVE_OK : VARVE_E_NOMEM, status);
        } else {
            assert_int_equal(vv_idset_remove(&set, &alloc, id), was_there);
            vv_bits_clear(twin.words, id);
        }
        assert_int_equal(vv_idset_contains(&set, id), vv_bits_get(twin.words, id));
        if (change % (changes / 20) == 0) {
            check_whole(&set);
        }
    }
    check_whole(&set);
    failing_alloc_plan(&source, 0, false);
    size_t count = random_ids_list(&twin, list);
    for (size_t index = 0; index < count; index++) {
        assert_true(vv_idset_remove(&set, &alloc, list[index]));
    }
    assert_int_equal(vv_idset_count(&set), 0);
    assert_int_equal(vv_idset_bytes(&set), 0);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
    vv_idset_deinit(&set, &alloc);
}

static void random_changes_agree_with_the_twin(void **state)
{
    (void)state;
    print_message("seed 22\n");
    vv_random random;
    vv_random_init(&random, 22);
    run_changes(&random, 4, 200, false);
    run_changes(&random, 150, 3000, false);
    run_changes(&random, 12000, 40000, false);
    run_changes(&random, RANDOM_IDS_MAX, 20000, false);
}

/* D5; and removing never fails. */
static void changes_without_memory_happen_or_do_nothing(void **state)
{
    (void)state;
    print_message("seed 23\n");
    vv_random random;
    vv_random_init(&random, 23);
    run_changes(&random, 150, 3000, true);
    run_changes(&random, 12000, 40000, true);
    run_changes(&random, RANDOM_IDS_MAX, 10000, true);
}

static void forms_change_at_their_borders(void **state)
{
    (void)state;
    vv_idset set;
    vv_idset_init(&set);
    for (uint32_t id = 0; id < 5000; id++) {
        check_ok(vv_idset_add(&set, &alloc, id), NULL);
        bool is_tree = vv_idset_is_tree(&set);
        assert_int_equal(set.capacity == 0, id + 1 <= VV_IDSET_INLINE_MAX);
        assert_int_equal(is_tree, id + 1 > VV_IDSET_PLAIN_MAX);
        if (is_tree) {
            assert_int_equal(vv_idset_is_bitmap(&set.u.tree->items[0]), id + 1 > 4096);
        }
    }
    for (uint32_t id = 5000; id > 0; id--) {
        assert_true(vv_idset_remove(&set, &alloc, id - 1));
        if (vv_idset_is_tree(&set)) {
            assert_int_equal(vv_idset_is_bitmap(&set.u.tree->items[0]), id - 1 > 2048);
        }
        assert_int_equal(vv_idset_is_tree(&set), id - 1 > 32);
    }
    assert_int_equal(vv_idset_bytes(&set), 0);
}

static void adding_twice_and_removing_the_absent_change_nothing(void **state)
{
    (void)state;
    vv_idset set;
    vv_idset_init(&set);
    for (uint32_t id = 0; id < 200; id += 2) {
        check_ok(vv_idset_add(&set, &alloc, id), NULL);
        check_ok(vv_idset_add(&set, &alloc, id), NULL);
        assert_false(vv_idset_remove(&set, &alloc, id + 1));
        assert_false(vv_idset_remove(&set, &alloc, 70000));
        assert_int_equal(vv_idset_count(&set), id / 2 + 1);
    }
    check_ok(vv_idset_add(&set, &alloc, VV_IDSET_ID_MAX), NULL);
    assert_true(vv_idset_contains(&set, VV_IDSET_ID_MAX));
    vv_idset_deinit(&set, &alloc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_agree_with_the_twin),
        cmocka_unit_test(changes_without_memory_happen_or_do_nothing),
        cmocka_unit_test(forms_change_at_their_borders),
        cmocka_unit_test(adding_twice_and_removing_the_absent_change_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
