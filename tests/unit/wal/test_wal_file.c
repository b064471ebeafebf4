/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the log: rotation, release, a full disk, failing calls while a file is made. */
#include <errno.h>

#include "log_support.h"
#include "wal/wal_priv.h"

static size_t log_count_files(log_world *world, const char *directory)
{
    vv_dir_list list;
    varve_error err;
    check_ok(vv_vfs_list(world->env.vfs, log_memory(), directory, &list, &err), &err);
    size_t count = list.count;
    vv_dir_list_deinit(&list);
    return count;
}

static void a_storm_of_rotations_loses_nothing(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    for (int i = 0; i < 3000; ++i) {
        (void)log_put(&world, i % 7 == 0 ? VARVE_SYNC_GROUP : VARVE_SYNC_NONE);
    }
    uint64_t lsn;
    uint64_t sequence;
    vv_wal_position(world.wal, &lsn, &sequence);
    check_ok(vv_wal_sync(world.wal, lsn, &err), &err);
    vv_wal_stats stats;
    vv_wal_get_stats(world.wal, &stats);
    assert_true(stats.rotations >= 20);
    assert_true(log_count_files(&world, "/wal") >= stats.rotations + 1);
    assert_int_equal(0, log_count_files(&world, "/tmp"));
    assert_int_equal(stats.rotations, vv_sim_site_calls(world.sim, VV_SITE_WAL_SEAL));
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(3000, seen->count);
    assert_true(log_is_prefix(seen));
    assert_int_equal(VV_END_CLEAN, seen->result.end);
    assert_false(seen->result.is_sealed_clean);
    free(seen);
    log_world_deinit(&world);
}

static void released_files_are_gone_and_the_rest_replays(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket half = {0};
    for (int i = 0; i < 1000; ++i) {
        vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_GROUP);
        half = i == 500 ? ticket : half;
    }
    uint64_t lsn;
    uint64_t sequence;
    vv_wal_position(world.wal, &lsn, &sequence);
    check_ok(vv_wal_sync(world.wal, lsn, &err), &err);
    assert_int_equal(1, vv_wal_first_file(world.wal));
    assert_int_equal(1, vv_wal_first_file_above(world.wal, 0));
    uint64_t log_start = vv_wal_first_file_above(world.wal, half.last_lsn);
    assert_true(log_start > 1);
    size_t files = log_count_files(&world, "/wal");
    uint64_t bytes = vv_wal_bytes(world.wal);
    vv_wal_release(world.wal, half.last_lsn);
    assert_int_equal(log_start, vv_wal_first_file(world.wal));
    assert_int_equal(files - (log_start - 1), log_count_files(&world, "/wal"));
    assert_true(vv_wal_bytes(world.wal) < bytes);
    log_seen *seen = log_seen_new();
    vv_replay_options options = log_replay_options(VV_REPLAY_STRICT);
    options.flush_lsn = half.last_lsn;
    options.durable_lsn = half.last_lsn;
    for (options.log_start = 1; options.log_start <= log_start;
         options.log_start += log_start - 1) {
        check_ok(log_replay_with(&world, &options, seen, &err), &err);
        assert_int_equal(499, seen->count);
        assert_int_equal(502, seen->numbers[0]);
        assert_int_equal(1000, seen->numbers[498]);
    }
    /* Everything: the file that is written stays. */
    vv_wal_release(world.wal, lsn);
    assert_int_equal(vv_wal_first_file(world.wal), vv_wal_first_file_above(world.wal, lsn));
    assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    free(seen);
    log_world_deinit(&world);
}

static void sealing_removes_the_file_made_ahead(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    check_ok(vv_wal_reserve(world.wal, 100000, 1, 0, &err), &err);
    assert_int_equal(2, log_count_files(&world, "/wal"));
    vv_wal_unreserve(world.wal, 100000, 1);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    assert_int_equal(1, log_count_files(&world, "/wal"));
    log_world_deinit(&world);
}

static void a_leftover_of_an_earlier_attempt_is_replaced(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    vv_file *file;
    check_ok(vv_file_open(world.env.vfs, log_memory(), "/tmp/00000000000000000001.vwl.part",
                          VV_OPEN_WRITE | VV_OPEN_CREATE, &file, NULL),
             NULL);
    check_ok(vv_file_write_all(file, 0, "old", 3, NULL), NULL);
    check_ok(vv_file_close(file, NULL), NULL);
    log_open(&world);
    assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    assert_int_equal(0, log_count_files(&world, "/tmp"));
    log_world_deinit(&world);
}

/* ---- allocation ----------------------------------------------------------------------------- */

static void without_allocation_zeros_are_written(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_sim_lacks lacks = {.allocate = true};
    vv_sim_set_lacks(world.sim, &lacks);
    log_open(&world);
    vv_file_info info;
    check_ok(vv_vfs_stat(world.env.vfs, "/wal/00000000000000000001.vwl", &info, &err), &err);
    assert_int_equal(65536, info.size);
    for (int i = 0; i < 500; ++i) {
        (void)log_write(&world, VARVE_SYNC_GROUP);
    }
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(500, seen->count);
    free(seen);
    log_world_deinit(&world);
}

static void file_slow_hook(void *context, vv_vfs_op op, const char *path)
{
    (void)path;
    if (op == VV_VFS_OP_WRITE) {
        manual_clock_advance(context, 3 * VV_NS_PER_S);
    }
}

static void a_disk_too_slow_for_zeros_is_used_without(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_sim_lacks lacks = {.allocate = true};
    vv_sim_set_lacks(world.sim, &lacks);
    vv_fault *fault = log_add_faults(&world);
    vv_fault_set_hook(fault, file_slow_hook, &world.clock);
    vv_wal_options options = log_options();
    options.file_bytes = 1024 * 1024;
    log_open_with(&world, &options);
    vv_fault_set_hook(fault, NULL, NULL);
    vv_file_info info;
    check_ok(vv_vfs_stat(world.env.vfs, "/wal/00000000000000000001.vwl", &info, &err), &err);
    assert_in_range(info.size, 4096, 600000);
    for (int i = 0; i < 1500; ++i) {
        (void)log_write(&world, VARVE_SYNC_GROUP);
    }
    vv_sim_point *point = vv_sim_capture(world.sim);
    vv_sim_cut cut = {.model = VV_SIM_CUT_NONE};
    vv_sim_image *image = vv_sim_power_cut(point, &cut);
    log_world after;
    log_world_init(&after, image, 2);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&after, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(1500, seen->count);
    free(seen);
    log_world_deinit(&after);
    vv_sim_image_free(image);
    vv_sim_point_free(point);
    log_world_deinit(&world);
}

/* ---- a full disk ---------------------------------------------------------------------------- */

static void a_full_disk_refuses_writes_and_heals_when_space_returns(void **state)
{
    (void)state;
    for (int lacks_allocate = 0; lacks_allocate < 2; ++lacks_allocate) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        vv_sim_lacks lacks = {.allocate = lacks_allocate == 1};
        vv_sim_set_lacks(world.sim, &lacks);
        log_open(&world);
        log_seen *seen = log_seen_new();
        for (int round = 0; round < 5; ++round) {
            vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 10000);
            varve_status status = VARVE_OK;
            uint64_t accepted = 0;
            while (status == VARVE_OK) {
                vv_wal_ticket ticket;
                status = log_try_put(&world, VARVE_SYNC_GROUP, &ticket, &err);
                if (status == VARVE_OK) {
                    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
                    accepted += 1;
                }
            }
            check_status(VARVE_E_NOSPACE, status);
            assert_int_equal(ENOSPC, err.os_errno);
            assert_true(accepted > 0); /* until the present file was full */
            assert_int_equal(VARVE_HEALTH_NOSPACE, vv_wal_health(world.wal, &err));
            check_status(VARVE_E_NOSPACE, err.status);
            assert_int_equal(0, log_count_files(&world, "/tmp"));
            uint64_t visible = vv_wal_visible(world.wal);
            vv_wal_ticket ticket;
            check_status(VARVE_E_NOSPACE, log_try_put(&world, VARVE_SYNC_NONE, &ticket, &err));
            assert_int_equal(visible, vv_wal_visible(world.wal));
            check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
            assert_int_equal(world.next_number - 1, seen->count);
            vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 2000000);
            assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
            assert_int_equal(VARVE_HEALTH_OK, vv_wal_health(world.wal, &err));
        }
        check_ok(vv_wal_seal(world.wal, 0, &err), &err);
        check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
        assert_int_equal(world.next_number - 1, seen->count);
        assert_true(log_is_prefix(seen));
        free(seen);
        log_world_deinit(&world);
    }
}

/* The thread of the log looks at the disk again; writers do not make a full one busy. */
static void a_full_disk_is_not_asked_by_each_writer(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    vv_wal_options options = log_options();
    options.has_threads = true; /* with little in the file, it has nothing to do */
    log_open_with(&world, &options);
    vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 1000);
    check_status(VARVE_E_NOSPACE, vv_wal_reserve(world.wal, 100000, 1, 0, &err));
    vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 2000000);
    uint64_t calls = vv_fault_calls(fault, VV_VFS_OP_OPEN);
    check_status(VARVE_E_NOSPACE, vv_wal_reserve(world.wal, 100000, 1, 0, &err));
    assert_int_equal(ENOSPC, err.os_errno);
    check_status(VARVE_E_NOSPACE, vv_wal_reserve(world.wal, 100000, 1, 0, NULL));
    assert_int_equal(calls, vv_fault_calls(fault, VV_VFS_OP_OPEN));
    manual_clock_advance(&world.clock, VV_WAL_SPACE_INLINE_NS);
    check_ok(vv_wal_reserve(world.wal, 100000, 1, 0, &err), &err);
    vv_wal_unreserve(world.wal, 100000, 1);
    log_world_deinit(&world);
}

/* What a close reports belongs to the file: behind it nothing is acknowledged. */
static void a_file_that_cannot_be_closed_fails_the_log(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    vv_wal_ticket ticket;
    check_ok(log_try_put_sized(&world, 1, 40000, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
    (void)log_wait(&world, ticket);
    check_ok(log_try_put_sized(&world, 2, 40000, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_CLOSE),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    (void)vv_fault_add(fault, &rule);
    check_status(VARVE_E_IO, vv_wal_wait(world.wal, ticket.id, UINT64_MAX, NULL, &err));
    assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, NULL));
    assert_int_equal(1, vv_wal_visible(world.wal));
    log_free(&world);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_in_range(seen->count, 1, 2);
    assert_true(log_is_prefix(seen));
    free(seen);
    log_world_deinit(&world);
}

static void a_sync_of_a_new_file_that_finds_the_disk_full_is_final(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_sim_sync_fault fault = {.site = VV_SITE_WAL_FILE_CREATE,
                               .first_sync = 1,
                               .os_errno = ENOSPC,
                               .mode = VV_SIM_PAGES_CLEAN};
    vv_sim_set_sync_fault(world.sim, &fault);
    check_status(VARVE_E_IO, vv_wal_reserve(world.wal, 100000, 1, 0, &err));
    assert_int_equal(ENOSPC, err.os_errno);
    assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, NULL));
    check_status(VARVE_E_FENCED, vv_wal_reserve(world.wal, 100, 1, 0, &err));
    log_world_deinit(&world);
}

static void growing_the_next_file_on_a_full_disk_refuses_one_batch_only(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    check_ok(vv_wal_reserve(world.wal, 100000, 1, 0, &err), &err); /* makes a next file */
    vv_wal_unreserve(world.wal, 100000, 1);
    assert_int_equal(2, log_count_files(&world, "/wal"));
    vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 10000);
    check_status(VARVE_E_NOSPACE,
                 log_try_put_sized(&world, 1, 200000, 1, VARVE_SYNC_GROUP, &ticket, &err));
    assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 1000000);
    check_ok(log_try_put_sized(&world, 2, 200000, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(2, seen->count);
    free(seen);
    log_world_deinit(&world);
}

static void the_next_file_grows_without_allocation_too(void **state)
{
    (void)state;
    for (int is_slow = 0; is_slow < 2; ++is_slow) {
        log_world world;
        varve_error err;
        vv_wal_ticket ticket;
        log_world_init(&world, NULL, 1);
        vv_sim_lacks lacks = {.allocate = true};
        vv_sim_set_lacks(world.sim, &lacks);
        vv_fault *fault = log_add_faults(&world);
        vv_fault_set_hook(fault, is_slow == 1 ? file_slow_hook : NULL, &world.clock);
        log_open(&world);
        check_ok(vv_wal_reserve(world.wal, 1000000, 1, 0, &err), &err);
        vv_wal_unreserve(world.wal, 1000000, 1);
        assert_int_equal(2, log_count_files(&world, "/wal"));
        for (uint64_t i = 0; i < 3; ++i) {
            uint64_t number = world.next_number++;
            check_ok(log_try_put_sized(&world, number, 2000000 * (size_t)(i + 1), 1,
                                       VARVE_SYNC_GROUP, &ticket, &err),
                     &err);
            assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
        }
        log_free(&world);
        log_seen *seen = log_seen_new();
        check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
        assert_int_equal(3, seen->count);
        free(seen);
        log_world_deinit(&world);
    }
}

static void a_disk_that_cannot_grow_the_next_file_fails_the_log(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    check_ok(vv_wal_reserve(world.wal, 100000, 1, 0, &err), &err);
    vv_wal_unreserve(world.wal, 100000, 1);
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_ALLOCATE),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    (void)vv_fault_add(fault, &rule);
    check_status(VARVE_E_IO, vv_wal_reserve(world.wal, 200000, 1, 0, NULL));
    assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, NULL));
    log_world_deinit(&world);
}

/* While the next file grows other writers go on, past the end of the present file into it. */
static void file_write_hook(void *context, vv_vfs_op op, const char *path)
{
    (void)path;
    log_world *world = context;
    if (op == VV_VFS_OP_ALLOCATE && world->next_number == 1) {
        varve_error err;
        vv_wal_ticket ticket;
        world->next_number = 2;
        check_ok(log_try_put_sized(world, 1, 70000, 1, VARVE_SYNC_NONE, &ticket, &err), &err);
    }
}

static void the_next_file_may_be_in_use_before_it_has_grown(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    check_ok(vv_wal_reserve(world.wal, 100000, 1, 0, &err), &err);
    vv_wal_unreserve(world.wal, 100000, 1);
    vv_fault_set_hook(fault, file_write_hook, &world);
    check_ok(log_try_put_sized(&world, 2, 200000, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
    vv_fault_set_hook(fault, NULL, NULL);
    assert_int_equal(2, world.next_number);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(2, seen->count);
    assert_true(log_is_prefix(seen));
    free(seen);
    log_world_deinit(&world);
}

/* While one writer makes the next file another that needs it waits, and makes no second one. */
static void file_wait_hook(void *context, vv_vfs_op op, const char *path)
{
    (void)path;
    log_world *world = context;
    if (op == VV_VFS_OP_ALLOCATE && world->next_number == 1) {
        varve_error err;
        world->next_number = 2;
        check_status(VARVE_E_TIMEOUT, vv_wal_reserve(world->wal, 100000, 1, 0, &err));
    }
}

static void the_next_file_is_made_by_one_writer(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    vv_fault_set_hook(fault, file_wait_hook, &world);
    check_ok(vv_wal_reserve(world.wal, 100000, 1, 0, &err), &err);
    vv_fault_set_hook(fault, NULL, NULL);
    assert_int_equal(2, world.next_number);
    assert_int_equal(2, log_count_files(&world, "/wal"));
    vv_wal_unreserve(world.wal, 100000, 1);
    log_world_deinit(&world);
}

static void without_memory_for_zeros_there_is_no_file(void **state)
{
    (void)state;
    bool is_over = false;
    for (uint64_t n = 1; !is_over; ++n) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        vv_sim_lacks lacks = {.allocate = true};
        vv_sim_set_lacks(world.sim, &lacks);
        vv_wal_options options = log_options();
        failing_alloc_plan(&world.failing, n, true);
        varve_status status = vv_wal_open(&world.env, &options, &world.wal, &err);
        is_over = atomic_load(&world.failing.failures) == 0;
        failing_alloc_plan(&world.failing, 0, true);
        check_status(is_over ? VARVE_OK : VARVE_E_NOMEM, status);
        log_world_deinit(&world);
    }
}

static void files_that_stay_after_their_release_are_counted(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    vv_wal_ticket ticket = {0};
    vv_wal_stats stats = {0};
    while (stats.rotations < 3) {
        ticket = log_put(&world, VARVE_SYNC_GROUP);
        (void)log_wait(&world, ticket);
        vv_wal_get_stats(world.wal, &stats);
    }
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_UNLINK),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    (void)vv_fault_add(fault, &rule);
    vv_wal_release(world.wal, ticket.last_lsn);
    vv_wal_get_stats(world.wal, &stats);
    assert_int_equal(1, stats.release_failures);
    assert_int_equal(2, stats.released);
    assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    log_world_deinit(&world);
}

/* ---- failing calls -------------------------------------------------------------------------- */

static void a_leftover_that_cannot_be_removed_is_told(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_file *file;
    log_world_init(&world, NULL, 1);
    check_ok(vv_file_open(world.env.vfs, log_memory(), "/tmp/00000000000000000001.vwl.part",
                          VV_OPEN_WRITE | VV_OPEN_CREATE, &file, NULL),
             NULL);
    check_ok(vv_file_close(file, NULL), NULL);
    vv_fault *fault = log_add_faults(&world);
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_UNLINK),
                          .first_call = 1,
                          .call_count = VV_FAULT_FOREVER,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    (void)vv_fault_add(fault, &rule);
    vv_wal_options options = log_options();
    check_status(VARVE_E_IO, vv_wal_open(&world.env, &options, &world.wal, &err));
    assert_null(world.wal);
    log_world_deinit(&world);
}

static bool file_is_passing(int os_errno)
{
    return os_errno == ENOSPC || os_errno == EMFILE || os_errno == ENOMEM || os_errno == EDQUOT;
}

/* Every call that opening and 400 writes make fails once, with each errno. Whatever happens:
 * acknowledged batches are there after a replay, refused ones are not, and what failed for want of
 * something works again. */
static void every_failing_call_is_an_answer(void **state)
{
    (void)state;
    static const int errnos[] = {EIO, ENOSPC, EMFILE, EACCES};
    log_seen *seen = log_seen_new();
    for (size_t kind = 0; kind < VV_ARRAY_COUNT(errnos); ++kind) {
        bool is_over = false;
        for (uint64_t n = 1; !is_over; n += n < 60 ? 1 : 13) {
            log_world world;
            varve_error err;
            log_world_init(&world, NULL, n);
            vv_fault *fault = log_add_faults(&world);
            vv_fault_rule rule = {.first_call = n,
                                  .call_count = 1,
                                  .kind = VV_FAULT_ERRNO,
                                  .os_errno = errnos[kind],
                                  .is_done_first = n % 2 == 0};
            size_t rule_number = vv_fault_add(fault, &rule);
            vv_wal_options options = log_options();
            varve_status status = vv_wal_open(&world.env, &options, &world.wal, &err);
            uint64_t acked = 0;
            bool is_failed = status != VARVE_OK;
            for (int i = 0; i < 400 && !is_failed; ++i) {
                vv_wal_ticket ticket;
                status = log_try_put(&world, VARVE_SYNC_GROUP, &ticket, &err);
                if (status != VARVE_OK) {
                    is_failed = vv_wal_health(world.wal, NULL) == VARVE_HEALTH_WRITE_FAILED;
                    assert_true(is_failed || file_is_passing(errnos[kind]));
                    continue;
                }
                status = vv_wal_wait(world.wal, ticket.id, UINT64_MAX, NULL, &err);
                is_failed = status != VARVE_OK;
                acked += is_failed ? 0 : 1;
            }
            is_over = vv_fault_fired(fault, rule_number) == 0;
            assert_true(is_over || is_failed || file_is_passing(errnos[kind]));
            log_free(&world);
            vv_fault_clear(fault);
            if (acked > 0) {
                check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
                assert_true(log_is_prefix(seen));
                assert_in_range(seen->count, acked, world.next_number - 1);
            }
            log_world_deinit(&world);
        }
    }
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(a_storm_of_rotations_loses_nothing),
        log_test(released_files_are_gone_and_the_rest_replays),
        log_test(sealing_removes_the_file_made_ahead),
        log_test(a_leftover_of_an_earlier_attempt_is_replaced),
        log_test(without_allocation_zeros_are_written),
        log_test(a_disk_too_slow_for_zeros_is_used_without),
        log_test(a_full_disk_refuses_writes_and_heals_when_space_returns),
        log_test(a_full_disk_is_not_asked_by_each_writer),
        log_test(a_file_that_cannot_be_closed_fails_the_log),
        log_test(a_sync_of_a_new_file_that_finds_the_disk_full_is_final),
        log_test(growing_the_next_file_on_a_full_disk_refuses_one_batch_only),
        log_test(the_next_file_grows_without_allocation_too),
        log_test(a_disk_that_cannot_grow_the_next_file_fails_the_log),
        log_test(the_next_file_may_be_in_use_before_it_has_grown),
        log_test(the_next_file_is_made_by_one_writer),
        log_test(without_memory_for_zeros_there_is_no_file),
        log_test(files_that_stay_after_their_release_are_counted),
        log_test(a_leftover_that_cannot_be_removed_is_told),
        log_test(every_failing_call_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
