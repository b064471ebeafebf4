/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "server/name_cache.h"
#include "server/server_priv.h"
#include "support/check.h"

static varve_text name_of(unsigned number, char buffer[32])
{
    snprintf(buffer, 32, "name,tag=%u", number);
    return vv_text_from_string(buffer);
}

static void name_cache_finds_what_was_put(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_name_cache cache = {.shard_count = 0};
    check_ok(vv_name_cache_init(&cache, &alloc, 4u << 20, 1, NULL), NULL);
    char buffer[32];
    uint64_t id = 0;
    for (unsigned number = 0; number < 5000; number++) {
        assert_false(vv_name_cache_find(&cache, name_of(number, buffer), &id));
        vv_name_cache_put(&cache, name_of(number, buffer), number + 1);
    }
    for (unsigned number = 0; number < 5000; number++) {
        assert_true(vv_name_cache_find(&cache, name_of(number, buffer), &id));
        assert_int_equal(id, number + 1);
    }
    /* Putting again changes nothing; a beginning of a name is another one. */
    vv_name_cache_put(&cache, name_of(7, buffer), 99);
    assert_true(vv_name_cache_find(&cache, name_of(7, buffer), &id));
    assert_int_equal(id, 8);
    assert_false(vv_name_cache_find(&cache, VV_TEXT("name,tag="), &id));
    vv_name_cache_deinit(&cache);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void name_cache_stays_within_its_bytes(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_name_cache cache = {.shard_count = 0};
    check_ok(vv_name_cache_init(&cache, &alloc, 256 * 1024, 1, NULL), NULL);
    char buffer[32];
    uint64_t id = 0;
    size_t most = 0;
    for (unsigned number = 0; number < 50000; number++) {
        vv_name_cache_put(&cache, name_of(number, buffer), number + 1);
        /* The newest is always there. */
        assert_true(vv_name_cache_find(&cache, name_of(number, buffer), &id));
        assert_int_equal(id, number + 1);
        most = vv_alloc_bytes(&alloc) > most ? vv_alloc_bytes(&alloc) : most;
    }
    /* Buffers and maps grow by doubling. */
    assert_true(most <= 2 * 256 * 1024);
    char large[8192];
    memset(large, 'x', sizeof large);
    vv_name_cache_put(&cache, vv_text_make(large, sizeof large), 1);
    assert_false(vv_name_cache_find(&cache, vv_text_make(large, sizeof large), &id));
    vv_name_cache_deinit(&cache);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void turns_refuse_when_nobody_gives_one_back(void **state)
{
    (void)state;
    vv_turns turns = {.most = 0};
    varve_error err;
    check_ok(vv_turns_init(&turns, 2, 10, &err), &err);
    check_ok(vv_turns_take(&turns, &err), &err);
    check_ok(vv_turns_take(&turns, &err), &err);
    check_status(VARVE_E_BUSY, vv_turns_take(&turns, &err));
    vv_turns_give(&turns);
    check_ok(vv_turns_take(&turns, &err), &err);
    vv_turns_give(&turns);
    vv_turns_give(&turns);
    vv_turns_deinit(&turns);
}

static void turns_taker(void *context)
{
    vv_turns *turns = context;
    VV_IGNORE(vv_turns_take(turns, NULL)); /* the test sees whether it came */
    vv_turns_give(turns);
}

static void turns_pass_to_who_waits(void **state)
{
    (void)state;
    vv_turns turns = {.most = 0};
    check_ok(vv_turns_init(&turns, 1, 20000, NULL), NULL);
    check_ok(vv_turns_take(&turns, NULL), NULL);
    vv_thread thread;
    check_ok(vv_thread_start(&thread, "taker", turns_taker, &turns, NULL), NULL);
    bool is_waiting = false;
    while (!is_waiting) {
        vv_mutex_lock(&turns.lock);
        is_waiting = turns.waiting == 1;
        vv_mutex_unlock(&turns.lock);
        vv_thread_yield();
    }
    vv_turns_give(&turns);
    vv_thread_join(&thread);
    assert_int_equal(turns.taken, 0);
    vv_turns_deinit(&turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_cache_finds_what_was_put),
        cmocka_unit_test(name_cache_stays_within_its_bytes),
        cmocka_unit_test(turns_refuse_when_nobody_gives_one_back),
        cmocka_unit_test(turns_pass_to_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
