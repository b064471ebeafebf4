/* SPDX-License-Identifier: Apache-2.0 */
#include "index/lookup.h"

#include "base/hash.h"
#include "support/check.h"
#include "support/failing_alloc.h"

#define KEYS 5000

/* Key k has id k + 1; the hash has few bits, so that many keys share a fingerprint. */
static uint64_t poor_hash(uint64_t key)
{
    return vv_hash_mix(key % 700) & UINT64_C(0xFFF0000000000000);
}

static bool key_equal(const void *context, const void *key, uint32_t id)
{
    (void)context;
    return *(const uint64_t *)key + 1 == id;
}

static uint32_t find(const vv_lookup *lookup, uint64_t key)
{
    return vv_lookup_find(lookup, poor_hash(key), key_equal, NULL, &key);
}

static void every_key_is_found_though_they_collide(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_lookup lookup;
    vv_lookup_init(&lookup, &alloc);
    assert_int_equal(find(&lookup, 0), 0);
    for (uint64_t key = 0; key < KEYS; key++) {
        assert_int_equal(find(&lookup, key), 0);
        assert_int_equal(vv_lookup_reserve(&lookup), VARVE_OK);
        vv_lookup_insert(&lookup, poor_hash(key), (uint32_t)key + 1);
        assert_int_equal(find(&lookup, key), key + 1);
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        assert_int_equal(find(&lookup, key), key + 1);
    }
    assert_int_equal(find(&lookup, KEYS), 0);
    vv_lookup_deinit(&lookup);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void a_failed_growth_keeps_what_was_there(void **state)
{
    (void)state;
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    vv_lookup lookup;
    vv_lookup_init(&lookup, &alloc);
    for (uint64_t key = 0; key < 100; key++) {
        failing_alloc_plan(&failing, 1, true);
        if (vv_lookup_reserve(&lookup) != VARVE_OK) {
            for (uint64_t old = 0; old < key; old++) {
                assert_int_equal(find(&lookup, old), old + 1);
            }
            assert_int_equal(vv_lookup_reserve(&lookup), VARVE_OK);
        }
        vv_lookup_insert(&lookup, poor_hash(key), (uint32_t)key + 1);
    }
    vv_lookup_deinit(&lookup);
    assert_int_equal(failing.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_found_though_they_collide),
        cmocka_unit_test(a_failed_growth_keeps_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
