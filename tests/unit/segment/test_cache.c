/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of segment/cache.c (K1 to K5). */
#include <stdlib.h>
#include <string.h>

#include "segment/cache_priv.h"
#include "support/check.h"
#include "support/failing_alloc.h"

enum { BLOCK = 10000 };

typedef struct fixture {
    failing_alloc source;
    vv_alloc alloc;
    vv_block_cache *cache;
} fixture;

static int setup(void **state)
{
    varve_error err;
    fixture *f = calloc(1, sizeof *f);
    failing_alloc_init(&f->source);
    varve_allocator source = failing_alloc_source(&f->source);
    vv_alloc_init(&f->alloc, &source);
    check_ok(vv_block_cache_create(&f->alloc, 10 * (BLOCK + 200), &f->cache, &err), &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    vv_block_cache_free(f->cache);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
    free(f);
    return 0;
}

static vv_block_entry *new_entry(fixture *f, uint64_t owner, uint32_t block, size_t size)
{
    varve_error err;
    vv_block_entry *entry;
    check_ok(vv_block_entry_create(f->cache, owner, block, size, &entry, &err), &err);
    memset(vv_block_entry_frame(entry), (int)(block & 0xFF), VV_SEGMENT_FRAME_BYTES + size);
    return entry;
}

/* Find, or load: true when it was there. */
static bool use(fixture *f, uint64_t owner, uint32_t block, vv_block_pin *pin)
{
    if (vv_block_cache_find(f->cache, owner, block, pin)) {
        return true;
    }
    vv_block_cache_add(f->cache, new_entry(f, owner, block, BLOCK), pin);
    return false;
}

static bool touch(fixture *f, uint64_t owner, uint32_t block)
{
    vv_block_pin pin;
    bool was_there = use(f, owner, block, &pin);
    assert_int_equal(pin.bytes.size, BLOCK);
    assert_int_equal(pin.bytes.data[BLOCK - 1], block & 0xFF);
    vv_block_unpin(f->cache, &pin);
    return was_there;
}

static vv_block_cache_stats stats_of(const fixture *f)
{
    vv_block_cache_stats stats;
    vv_block_cache_get_stats(f->cache, &stats);
    return stats;
}

static void a_block_is_found_again_under_its_key_only(void **state)
{
    fixture *f = *state;
    uint64_t one = vv_block_cache_owner(f->cache);
    uint64_t two = vv_block_cache_owner(f->cache);
    assert_true(one != two);
    assert_false(touch(f, one, 0));
    assert_true(touch(f, one, 0));
    assert_false(touch(f, one, 1));
    assert_false(touch(f, two, 0));
    vv_block_cache_stats stats = stats_of(f);
    assert_int_equal(stats.hits, 1);
    assert_int_equal(stats.misses, 3);
    assert_int_equal(stats.evictions, 0);
    assert_true(stats.bytes > 3 * BLOCK && stats.bytes < 3 * (BLOCK + 200));
}

static void blocks_beyond_the_budget_are_evicted(void **state)
{
    fixture *f = *state;
    for (uint32_t block = 0; block < 100; ++block) {
        assert_false(touch(f, 1, block));
        assert_true(stats_of(f).bytes <= 10 * (BLOCK + 200));
    }
    assert_int_equal(stats_of(f).evictions, 90);
    assert_true(touch(f, 1, 99));
    assert_false(touch(f, 1, 0));
}

static void a_block_that_is_used_often_stays(void **state)
{
    fixture *f = *state;
    (void)touch(f, 1, 0);
    for (uint32_t block = 1; block < 100; ++block) {
        (void)touch(f, 1, block);
        assert_true(touch(f, 1, 0));
    }
}

static void pinned_blocks_stay_beyond_the_budget(void **state)
{
    fixture *f = *state;
    vv_block_pin pins[30];
    for (uint32_t block = 0; block < 30; ++block) {
        assert_false(use(f, 1, block, &pins[block]));
    }
    assert_int_equal(stats_of(f).evictions, 0);
    assert_true(stats_of(f).bytes > 30 * BLOCK);
    for (uint32_t block = 0; block < 30; ++block) {
        assert_int_equal(pins[block].bytes.data[0], block);
        vv_block_pin again;
        assert_true(use(f, 1, block, &again));
        assert_ptr_equal(again.bytes.data, pins[block].bytes.data);
        vv_block_unpin(f->cache, &again);
    }
    for (uint32_t block = 0; block < 30; ++block) {
        vv_block_unpin(f->cache, &pins[block]);
        assert_null(pins[block].entry);
    }
    assert_true(stats_of(f).bytes <= 10 * (BLOCK + 200));
    vv_block_unpin(f->cache, &pins[0]); /* holds nothing */
}

static void a_block_too_large_to_keep_lives_as_long_as_its_pin(void **state)
{
    fixture *f = *state;
    vv_block_pin pin;
    (void)touch(f, 1, 1);
    vv_block_cache_add(f->cache, new_entry(f, 1, 7, 6 * (BLOCK + 200)), &pin);
    assert_true(vv_block_pin_holds(&pin, 1, 7));
    assert_false(vv_block_pin_holds(&pin, 1, 8));
    assert_false(vv_block_pin_holds(&pin, 2, 7));
    vv_block_pin other;
    assert_false(vv_block_cache_find(f->cache, 1, 7, &other));
    assert_int_equal(pin.bytes.size, 6 * (BLOCK + 200));
    vv_block_unpin(f->cache, &pin);
    assert_true(touch(f, 1, 1)); /* it drove out nothing */
    assert_true(stats_of(f).bytes < BLOCK + 200);
}

static void the_second_of_two_loads_takes_the_first(void **state)
{
    fixture *f = *state;
    vv_block_pin first;
    vv_block_pin second;
    vv_block_entry *slow = new_entry(f, 1, 5, BLOCK);
    vv_block_cache_add(f->cache, new_entry(f, 1, 5, BLOCK), &first);
    vv_block_cache_add(f->cache, slow, &second);
    assert_ptr_equal(first.bytes.data, second.bytes.data);
    assert_true(stats_of(f).bytes < BLOCK + 200);
    vv_block_unpin(f->cache, &first);
    assert_int_equal(second.bytes.data[9], 5);
    vv_block_unpin(f->cache, &second);
}

static void without_memory_for_the_table_a_block_is_not_kept(void **state)
{
    fixture *f = *state;
    vv_block_pin pin;
    vv_block_entry *entry = new_entry(f, 1, 5, BLOCK);
    failing_alloc_plan(&f->source, 1, true);
    vv_block_cache_add(f->cache, entry, &pin);
    assert_int_equal(atomic_load(&f->source.failures), 1);
    failing_alloc_plan(&f->source, 0, false);
    assert_int_equal(pin.bytes.data[0], 5);
    vv_block_unpin(f->cache, &pin);
    assert_int_equal(stats_of(f).bytes, 0);
}

static void creating_fails_cleanly(void **state)
{
    fixture *f = *state;
    varve_error err;
    size_t bytes = vv_alloc_bytes(&f->alloc);
    for (uint64_t n = 1; n <= 2; ++n) {
        vv_block_cache *cache;
        failing_alloc_plan(&f->source, n, true);
        check_status(VARVE_E_NOMEM, vv_block_cache_create(&f->alloc, 1 << 30, &cache, &err));
        failing_alloc_plan(&f->source, 0, false);
        assert_null(cache);
        assert_int_equal(vv_alloc_bytes(&f->alloc), bytes);
    }
}

static void a_budget_of_nothing_keeps_nothing(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_block_cache_free(f->cache);
    check_ok(vv_block_cache_create(&f->alloc, 0, &f->cache, &err), &err);
    assert_false(touch(f, 1, 1));
    assert_false(touch(f, 1, 1));
    assert_int_equal(stats_of(f).bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_block_is_found_again_under_its_key_only, setup, teardown),
        cmocka_unit_test_setup_teardown(blocks_beyond_the_budget_are_evicted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_block_that_is_used_often_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(pinned_blocks_stay_beyond_the_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(a_block_too_large_to_keep_lives_as_long_as_its_pin, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_second_of_two_loads_takes_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_for_the_table_a_block_is_not_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(creating_fails_cleanly, setup, teardown),
        cmocka_unit_test_setup_teardown(a_budget_of_nothing_keeps_nothing, setup, teardown),
    };
    return cmocka_run_group_tests_name("block cache", tests, NULL, NULL);
}
