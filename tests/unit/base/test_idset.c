/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bitmap.h"
#include "support/check.h"
#include "support/random_ids.h"

static vv_alloc alloc;
static random_ids twin;
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

static void an_empty_set_has_nothing(void **state)
{
    (void)state;
    vv_idset set;
    uint32_t id;
    vv_idset_cursor cursor;
    vv_idset_init(&set);
    assert_int_equal(sizeof set, 16);
    assert_int_equal(vv_idset_count(&set), 0);
    assert_int_equal(vv_idset_bytes(&set), 0);
    assert_false(vv_idset_contains(&set, 0));
    assert_false(vv_idset_first(&set, &id));
    assert_false(vv_idset_last(&set, &id));
    vv_idset_cursor_init(&cursor, &set);
    assert_false(vv_idset_cursor_next(&cursor, &id));
    vv_idset_cursor_seek(&cursor, 5);
    assert_int_equal(vv_idset_cursor_read(&cursor, &id, 1), 0);
    vv_idset_deinit(&set, &alloc);
}

static void check_reading(const vv_idset *set, vv_random *random, size_t count)
{
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    size_t done = 0;
    for (;;) {
        size_t capacity = 1 + vv_random_below(random, 5000);
        size_t part = vv_idset_cursor_read(&cursor, read_ids + done, capacity);
        done += part;
        if (part < capacity) {
            break;
        }
    }
    assert_int_equal(done, count);
    assert_memory_equal(read_ids, list, count * sizeof *list);
    assert_int_equal(vv_idset_cursor_read(&cursor, read_ids, 10), 0);
}

static void check_seeking(const vv_idset *set, vv_random *random)
{
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    size_t at = 0; /* nothing below it is left */
    for (int step = 0; step < 60; step++) {
        size_t target = vv_random_below(random, RANDOM_IDS_MAX);
        if (step % 3 != 0) {
            target = at + vv_random_below(random, 9000);
            target = target < RANDOM_IDS_MAX ? target : RANDOM_IDS_MAX;
        }
        vv_idset_cursor_seek(&cursor, (uint32_t)target);
        at = target > at ? target : at; /* never back */
        size_t expected = vv_bits_find_set(twin.words, at, RANDOM_IDS_MAX);
        uint32_t id = 0;
        bool found = vv_idset_cursor_next(&cursor, &id);
        assert_int_equal(found, expected < RANDOM_IDS_MAX);
        if (!found) {
            return;
        }
        assert_int_equal(id, expected);
        at = expected + 1;
    }
}

static void sets_of_every_shape_read_as_their_twin(void **state)
{
    (void)state;
    print_message("seed 20\n");
    vv_random random;
    vv_random_init(&random, 20);
    for (int round = 0; round < 40; round++) {
        random_ids_fill(&twin, &random);
        size_t count = random_ids_list(&twin, list);
        vv_idset set;
        check_ok(vv_idset_from_sorted(list, count, &alloc, &set), NULL);
        assert_int_equal(vv_idset_count(&set), count);
        assert_int_equal(vv_idset_bytes(&set), vv_alloc_bytes(&alloc));
        check_reading(&set, &random, count);
        check_seeking(&set, &random);
        for (int probe = 0; probe < 300; probe++) {
            uint32_t id = (uint32_t)vv_random_below(&random, RANDOM_IDS_MAX);
            assert_int_equal(vv_idset_contains(&set, id), vv_bits_get(twin.words, id));
        }
        uint32_t id = 0;
        assert_int_equal(vv_idset_first(&set, &id), count > 0);
        assert_int_equal(id, count > 0 ? list[0] : 0);
        assert_int_equal(vv_idset_last(&set, &id), count > 0);
        assert_int_equal(id, count > 0 ? list[count - 1] : 0);
        assert_false(vv_idset_contains(&set, VV_IDSET_ID_MAX));
        vv_idset_deinit(&set, &alloc);
    }
}

static void equality_is_of_ids_not_of_forms(void **state)
{
    (void)state;
    vv_idset built;
    vv_idset grown;
    vv_idset_init(&grown);
    for (uint32_t id = 0; id < 100; id++) {
        list[id] = id * 3;
        check_ok(vv_idset_add(&grown, &alloc, id * 3), NULL);
    }
    for (uint32_t id = 99; id >= 40; id--) {
        assert_true(vv_idset_remove(&grown, &alloc, id * 3)); /* a tree with 40 ids */
    }
    check_ok(vv_idset_from_sorted(list, 40, &alloc, &built), NULL); /* a plain array */
    assert_int_not_equal(grown.capacity, built.capacity);
    assert_true(vv_idset_equal(&built, &grown));
    assert_true(vv_idset_remove(&grown, &alloc, 0));
    assert_false(vv_idset_equal(&built, &grown));
    check_ok(vv_idset_add(&grown, &alloc, 1), NULL);
    assert_false(vv_idset_equal(&built, &grown)); /* the same count */
    vv_idset_deinit(&built, &alloc);
    vv_idset_deinit(&grown, &alloc);
    check_ok(vv_idset_from_range(0, 1000, &alloc, &built), NULL);
    check_ok(vv_idset_from_range(1, 1001, &alloc, &grown), NULL);
    assert_false(vv_idset_equal(&built, &grown));
    vv_idset_deinit(&built, &alloc);
    vv_idset_deinit(&grown, &alloc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_set_has_nothing),
        cmocka_unit_test(sets_of_every_shape_read_as_their_twin),
        cmocka_unit_test(equality_is_of_ids_not_of_forms),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
