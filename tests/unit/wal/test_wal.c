/* SPDX-License-Identifier: Apache-2.0 */
/* The log as one thread sees it: order, levels, files, states. Invariants G1 to G6 of wal/wal.h. */
#include <errno.h>

#include "log_support.h"

static void wal_gives_back_what_was_written(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    for (int i = 0; i < 100; ++i) {
        assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    }
    varve_error err;
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    uint64_t durable = vv_wal_durable_lsn(world.wal);
    vv_wal_free(world.wal);
    world.wal = NULL;
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(100, seen->count);
    assert_true(log_is_prefix(seen));
    assert_int_equal(VV_END_CLEAN, seen->result.end);
    assert_true(seen->result.is_sealed_clean);
    assert_int_equal(durable, seen->result.last_lsn);
    assert_int_equal(300, seen->result.last_sequence);
    assert_int_equal(1, seen->sequences[0]);
    assert_int_equal(298, seen->sequences[99]);
    free(seen);
    log_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wal_gives_back_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
