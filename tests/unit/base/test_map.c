/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "support/check.h"
#include "support/failing_alloc.h"

#define KEYS 3000u

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

/* A key is a number; the value of key k is k * 10 + anything below 10. */
static bool key_equal(const void *context, const void *key, uint64_t value)
{
    (void)context;
    uint64_t number;
    memcpy(&number, key, sizeof number);
    return value / 10 == number;
}

static uint64_t hash_well(uint64_t key)
{
    return vv_hash_mix(key);
}

/* All keys in few groups and with few tags. */
static uint64_t hash_badly(uint64_t key)
{
    return (key % 3) << 60 | key % 5;
}

/* Random operations beside an array of what must be there. */
static void run_random_operations(uint64_t (*hash)(uint64_t), size_t operation_count,
                                  uint64_t key_count, uint64_t seed)
{
    static uint64_t expected[KEYS]; /* 0: absent, else the value */
    memset(expected, 0, sizeof expected);
    vv_random random;
    vv_random_init(&random, seed);
    vv_map map;
    vv_map_init(&map, &alloc, 0, key_equal, NULL);
    size_t count = 0;
    for (size_t operation = 0; operation < operation_count; operation++) {
        uint64_t key = 1 + vv_random_below(&random, key_count - 1);
        uint64_t value = 1;
        bool is_there = expected[key] != 0;
        assert_int_equal(vv_map_find(&map, hash(key), &key, &value), is_there);
        assert_true(value == (is_there ? expected[key] : 1));
        uint64_t new_value = key * 10 + vv_random_below(&random, 10);
        uint64_t choice = vv_random_below(&random, 3);
        if (choice == 0) {
            assert_int_equal(vv_map_remove(&map, hash(key), &key, &value), is_there);
            assert_true(value == (is_there ? expected[key] : 1));
            expected[key] = 0;
            count -= is_there ? 1 : 0;
        } else if (is_there) {
            assert_true(vv_map_replace(&map, hash(key), &key, new_value));
            expected[key] = new_value;
        } else {
            assert_false(vv_map_replace(&map, hash(key), &key, new_value));
            check_ok(vv_map_insert(&map, hash(key), new_value), NULL);
            expected[key] = new_value;
            count += 1;
        }
        assert_int_equal(vv_map_count(&map), count);
        assert_true(map.count + map.removed_count <= map.slot_count - map.slot_count / 8);
    }
    size_t position = 0;
    uint64_t value;
    size_t seen = 0;
    while (vv_map_next(&map, &position, &value)) {
        assert_true(expected[value / 10] == value);
        seen += 1;
    }
    assert_int_equal(seen, count);
    vv_map_deinit(&map);
    assert_int_equal(vv_map_count(&map), 0);
}

static void random_operations_agree_with_an_array(void **state)
{
    (void)state;
    print_message("seed 1\n");
    run_random_operations(hash_well, 60000, KEYS, 1);
    run_random_operations(hash_well, 20000, 20, 2);
}

/* M1: removed slots in groups that were full must not end searches. */
static void colliding_hashes_stay_correct(void **state)
{
    (void)state;
    print_message("seed 3\n");
    run_random_operations(hash_badly, 10000, 200, 3);
}

static void an_empty_map_finds_nothing_and_holds_nothing(void **state)
{
    (void)state;
    vv_map map;
    vv_map_init(&map, &alloc, 0, key_equal, NULL);
    uint64_t key = 1;
    uint64_t value;
    size_t position = 0;
    assert_false(vv_map_find(&map, 1, &key, &value));
    assert_false(vv_map_remove(&map, 1, &key, NULL));
    assert_false(vv_map_next(&map, &position, &value));
    assert_int_equal(vv_map_bytes(&map), 0);
    vv_map_clear(&map);
    vv_map_deinit(&map);
}

static void clear_keeps_the_memory(void **state)
{
    (void)state;
    vv_map map;
    vv_map_init(&map, &alloc, 0, key_equal, NULL);
    for (uint64_t key = 1; key < 100; key++) {
        check_ok(vv_map_insert(&map, hash_well(key), key * 10), NULL);
    }
    size_t bytes = vv_map_bytes(&map);
    assert_int_equal(bytes, vv_alloc_bytes(&alloc));
    vv_map_clear(&map);
    uint64_t key = 5;
    uint64_t value;
    assert_false(vv_map_find(&map, hash_well(key), &key, &value));
    assert_int_equal(vv_map_bytes(&map), bytes);
    vv_map_deinit(&map);
}

static void reserved_inserts_cannot_fail(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    for (uint64_t count = 0; count < 200; count++) {
        vv_map map;
        vv_map_init(&map, &failing, 0, key_equal, NULL);
        failing_alloc_plan(&source, 0, false);
        check_ok(vv_map_reserve(&map, count), NULL);
        failing_alloc_plan(&source, 1, false);
        for (uint64_t key = 0; key < count; key++) {
            check_ok(vv_map_insert(&map, hash_well(key), key * 10), NULL);
        }
        check_ok(vv_map_reserve(&map, count), NULL);
        vv_map_deinit(&map);
    }
    vv_map map;
    vv_map_init(&map, &failing, 0, key_equal, NULL);
    check_status(VARVE_E_NOMEM, vv_map_reserve(&map, SIZE_MAX / 2));
    check_status(VARVE_E_NOMEM, vv_map_reserve(&map, SIZE_MAX));
    vv_map_deinit(&map);
}

static void a_failed_growth_changes_nothing(void **state)
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
        vv_map map;
        vv_map_init(&map, &failing, 0, key_equal, NULL);
        status = VARVE_OK;
        uint64_t done = 0;
        while (done < 500 && status == VARVE_OK) {
            status = vv_map_insert(&map, hash_well(done), done * 10 + 1);
            done += status == VARVE_OK;
        }
        assert_int_equal(vv_map_count(&map), done);
        for (uint64_t key = 0; key < done; key++) {
            uint64_t value;
            assert_true(vv_map_find(&map, hash_well(key), &key, &value));
            assert_int_equal(value, key * 10 + 1);
        }
        vv_map_deinit(&map);
        assert_int_equal(vv_alloc_bytes(&failing), 0);
    }
}

static void coming_and_going_does_not_grow_the_map(void **state)
{
    (void)state;
    vv_map map;
    vv_map_init(&map, &alloc, 0, key_equal, NULL);
    for (uint64_t key = 0; key < 100000; key++) {
        check_ok(vv_map_insert(&map, hash_well(key), key * 10), NULL);
        if (key >= 50) {
            uint64_t old = key - 50;
            assert_true(vv_map_remove(&map, hash_well(old), &old, NULL));
        }
    }
    assert_in_range(map.slot_count, 64, 256);
    vv_map_deinit(&map);
}

static void the_seed_changes_the_hash(void **state)
{
    (void)state;
    vv_map a;
    vv_map b;
    vv_map_init(&a, &alloc, 1, key_equal, NULL);
    vv_map_init(&b, &alloc, 2, key_equal, NULL);
    assert_true(vv_map_hash(&a, "key", 3) != vv_map_hash(&b, "key", 3));
    assert_true(vv_map_hash(&a, "key", 3) == vv_hash64("key", 3, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_an_array),
        cmocka_unit_test(colliding_hashes_stay_correct),
        cmocka_unit_test(an_empty_map_finds_nothing_and_holds_nothing),
        cmocka_unit_test(clear_keeps_the_memory),
        cmocka_unit_test(reserved_inserts_cannot_fail),
        cmocka_unit_test(a_failed_growth_changes_nothing),
        cmocka_unit_test(coming_and_going_does_not_grow_the_map),
        cmocka_unit_test(the_seed_changes_the_hash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
