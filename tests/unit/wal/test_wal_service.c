/* SPDX-License-Identifier: Apache-2.0 */
/* What is due without anybody waiting: intervals, buffers, MARK, the next file; by callers and by
 * the thread. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_support.h"
#include "support/child.h"
#include "support/temp_dir.h"

static void interval_batches_are_synced_in_time(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_INTERVAL);
    assert_int_equal(VARVE_ACK_APPENDED, log_wait(&world, ticket));
    manual_clock_advance(&world.clock, 999 * VV_NS_PER_MS);
    vv_wal_service(world.wal);
    assert_int_equal(VARVE_ACK_APPENDED, log_wait(&world, ticket));
    manual_clock_advance(&world.clock, 1 * VV_NS_PER_MS);
    vv_wal_service(world.wal);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    uint64_t syncs = vv_sim_syncs(world.sim);
    manual_clock_advance(&world.clock, 5000 * VV_NS_PER_MS);
    vv_wal_service(world.wal);
    vv_wal_service(world.wal);
    assert_int_equal(syncs, vv_sim_syncs(world.sim)); /* nothing new: no sync */
    log_world_deinit(&world);
}

static void interval_batches_are_synced_by_later_callers_without_service(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_INTERVAL);
    (void)log_wait(&world, ticket);
    manual_clock_advance(&world.clock, 1500 * VV_NS_PER_MS);
    (void)log_write(&world, VARVE_SYNC_INTERVAL);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    log_world_deinit(&world);
}

static void batches_without_sync_are_never_synced_by_time(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_NONE);
    (void)log_wait(&world, ticket);
    manual_clock_advance(&world.clock, 100 * VV_NS_PER_S);
    vv_wal_service(world.wal);
    assert_int_equal(VARVE_ACK_APPENDED, log_wait(&world, ticket));
    log_world_deinit(&world);
}

static void buffered_batches_are_written_after_a_while_or_when_many(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_BUFFERED);
    vv_wal_service(world.wal);
    assert_int_equal(VARVE_ACK_VOLATILE, log_wait(&world, ticket));
    manual_clock_advance(&world.clock, 100 * VV_NS_PER_MS);
    vv_wal_service(world.wal);
    assert_int_equal(VARVE_ACK_APPENDED, log_wait(&world, ticket));
    vv_wal_ticket last = {0};
    for (int i = 0; i < 5; ++i) {
        check_ok(log_try_put_sized(&world, 1, 60000, 1, VARVE_SYNC_BUFFERED, &last, &err), &err);
    }
    assert_int_equal(VARVE_ACK_VOLATILE, log_wait(&world, last));
    vv_wal_service(world.wal);
    assert_int_equal(VARVE_ACK_APPENDED, log_wait(&world, last));
    log_world_deinit(&world);
}

static void a_batch_that_nobody_waits_for_is_led_by_the_next_caller(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_put(&world, VARVE_SYNC_GROUP);
    assert_int_equal(0, vv_wal_visible(world.wal));
    (void)log_put(&world, VARVE_SYNC_GROUP); /* its reservation leads the first */
    assert_int_equal(3, vv_wal_visible(world.wal));
    vv_wal_service(world.wal);
    assert_int_equal(6, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

/* ---- MARK ----------------------------------------------------------------------------------- */

/* The last group of the log has a flipped bit; what does replay say? */
static varve_status service_replay_damaged_end(log_world *world, int64_t flip_offset)
{
    varve_error err;
    vv_file *file;
    uint8_t byte;
    log_free(world);
    check_ok(vv_file_open(world->env.vfs, log_memory(), "/wal/00000000000000000001.vwl",
                          VV_OPEN_READ | VV_OPEN_WRITE, &file, &err),
             &err);
    check_ok(vv_file_read_exact(file, flip_offset, &byte, 1, &err), &err);
    byte ^= 1;
    check_ok(vv_file_write_all(file, flip_offset, &byte, 1, &err), &err);
    check_ok(vv_file_close(file, NULL), NULL);
    log_seen *seen = log_seen_new();
    varve_status status = log_replay(world, VV_REPLAY_STRICT, seen, &err);
    free(seen);
    return status;
}

static void an_idle_log_marks_what_was_synced(void **state)
{
    (void)state;
    for (int is_idle = 0; is_idle < 2; ++is_idle) {
        log_world world;
        log_world_init(&world, NULL, 1);
        log_open(&world);
        (void)log_write(&world, VARVE_SYNC_GROUP);
        int64_t last_group = (int64_t)vv_wal_bytes(world.wal);
        (void)log_write(&world, VARVE_SYNC_GROUP);
        manual_clock_advance(&world.clock, 199 * VV_NS_PER_MS);
        uint64_t bytes = vv_wal_bytes(world.wal);
        vv_wal_service(world.wal);
        assert_int_equal(bytes, vv_wal_bytes(world.wal));
        if (is_idle == 1) {
            uint64_t syncs = vv_sim_syncs(world.sim);
            manual_clock_advance(&world.clock, 1 * VV_NS_PER_MS);
            vv_wal_service(world.wal);
            assert_int_equal(bytes + 48, vv_wal_bytes(world.wal));
            assert_int_equal(syncs, vv_sim_syncs(world.sim));
            manual_clock_advance(&world.clock, VV_NS_PER_S);
            vv_wal_service(world.wal); /* one is enough */
            assert_int_equal(bytes + 48, vv_wal_bytes(world.wal));
        }
        /* The known limit, and how MARK narrows it. */
        varve_status status = service_replay_damaged_end(&world, last_group + 40);
        check_status(is_idle == 1 ? VARVE_E_CORRUPT : VARVE_OK, status);
        log_world_deinit(&world);
    }
}

static void no_mark_without_a_sync(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_write(&world, VARVE_SYNC_NONE);
    uint64_t bytes = vv_wal_bytes(world.wal);
    manual_clock_advance(&world.clock, VV_NS_PER_S);
    vv_wal_service(world.wal);
    assert_int_equal(bytes, vv_wal_bytes(world.wal));
    log_world_deinit(&world);
}

/* The memory of a large batch was given back, and a MARK finds none: it is only a help. */
static void without_memory_there_is_no_mark(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    check_ok(log_try_put_sized(&world, 1, 5000000, 1, VARVE_SYNC_NONE, &ticket, &err), &err);
    (void)log_wait(&world, ticket);
    check_ok(vv_wal_sync(world.wal, ticket.last_lsn, &err), &err);
    uint64_t bytes = vv_wal_bytes(world.wal);
    failing_alloc_plan(&world.failing, 1, false);
    manual_clock_advance(&world.clock, VV_NS_PER_S);
    vv_wal_service(world.wal);
    assert_true(atomic_load(&world.failing.failures) > 0);
    failing_alloc_plan(&world.failing, 0, false);
    vv_wal_service(world.wal); /* nor is it asked for again */
    assert_int_equal(bytes, vv_wal_bytes(world.wal));
    world.next_number = 2;
    assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    bytes = vv_wal_bytes(world.wal);
    manual_clock_advance(&world.clock, VV_NS_PER_S);
    vv_wal_service(world.wal); /* but after the next sync */
    assert_int_equal(bytes + 48, vv_wal_bytes(world.wal));
    log_world_deinit(&world);
}

/* A write that fails while an interval is due as well: the sync is not tried on top of it. */
static void what_is_due_behind_a_failed_write_stays_undone(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    (void)log_write(&world, VARVE_SYNC_INTERVAL);
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_WRITE),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    (void)vv_fault_add(fault, &rule);
    (void)log_put(&world, VARVE_SYNC_BUFFERED);
    manual_clock_advance(&world.clock, 2 * VV_NS_PER_S);
    uint64_t syncs = vv_sim_syncs(world.sim);
    vv_wal_service(world.wal);
    assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, NULL));
    assert_int_equal(syncs, vv_sim_syncs(world.sim));
    assert_int_equal(0, vv_wal_durable_lsn(world.wal));
    log_world_deinit(&world);
}

static void a_mark_leaves_reserved_room_alone(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    uint64_t bytes = vv_wal_bytes(world.wal);
    /* The largest batch that the file takes: its record, COMMIT, MARK and SEAL, and the SEAL of the
     * file. */
    size_t size = 65536 - (size_t)bytes - 47 - 72 - 48 - 64 - 64;
    uint8_t *payload = malloc(size);
    assert_non_null(payload);
    log_fill(payload, 2, size);
    check_ok(vv_wal_reserve(world.wal, size, 1, 0, &err), &err);
    manual_clock_advance(&world.clock, VV_NS_PER_S);
    vv_wal_service(world.wal);
    assert_int_equal(bytes, vv_wal_bytes(world.wal));
    vv_wal_record record = log_record(payload, size, 1);
    vv_wal_ticket ticket = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_applied(world.wal, ticket);
    (void)log_wait(&world, ticket);
    free(payload);
    assert_in_range(vv_wal_bytes(world.wal), 65536 - 300, 65536);
    manual_clock_advance(&world.clock, VV_NS_PER_S);
    bytes = vv_wal_bytes(world.wal);
    vv_wal_service(world.wal);
    assert_int_equal(bytes + 48, vv_wal_bytes(world.wal)); /* nobody else wants the room now */
    world.next_number = 3;
    (void)log_write(&world, VARVE_SYNC_GROUP);
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(3, seen->count);
    assert_true(log_is_prefix(seen) && seen->result.is_sealed_clean);
    free(seen);
    log_world_deinit(&world);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void service_open_threaded(log_world *world, uint32_t interval_ms)
{
    log_world_init(world, NULL, 1);
    vv_wal_options options = log_options();
    options.has_threads = true;
    options.sync_interval_ms = interval_ms;
    world->env.clock = vv_clock_system();
    log_open_with(world, &options);
}

static void the_thread_leads_what_nobody_waits_for(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    service_open_threaded(&world, 1000);
    for (int i = 0; i < 5; ++i) {
        vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_GROUP);
        check_ok(vv_wal_wait_visible(world.wal, ticket.first_sequence, 30000, &err), &err);
        assert_true(vv_wal_durable_lsn(world.wal) >= ticket.last_lsn);
    }
    log_world_deinit(&world);
}

static void the_thread_syncs_intervals_and_writes_buffers(void **state)
{
    (void)state;
    log_world world;
    service_open_threaded(&world, 20);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_INTERVAL);
    (void)log_wait(&world, ticket);
    log_until(vv_wal_durable_lsn(world.wal) >= ticket.last_lsn);
    ticket = log_put(&world, VARVE_SYNC_BUFFERED);
    log_until(log_wait(&world, ticket) >= VARVE_ACK_APPENDED);
    log_world_deinit(&world);
}

/* By the clock of the log no time passes: so many bytes do not wait for it. */
static void the_thread_writes_a_full_buffer_at_once(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    log_world_init(&world, NULL, 1);
    vv_wal_options options = log_options();
    options.has_threads = true;
    options.file_bytes = 1 << 20;
    log_open_with(&world, &options);
    for (uint64_t i = 1; i <= 5; ++i) {
        check_ok(log_try_put_sized(&world, i, 60000, 1, VARVE_SYNC_BUFFERED, &ticket, &err), &err);
    }
    log_until(log_wait(&world, ticket) == VARVE_ACK_APPENDED);
    log_world_deinit(&world);
}

static void the_thread_makes_the_next_file_ahead_of_need(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    service_open_threaded(&world, 1000);
    check_ok(log_try_put_sized(&world, 1, 40000, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
    (void)log_wait(&world, ticket);
    bool exists = false;
    log_until(vv_vfs_exists(world.env.vfs, "/wal/00000000000000000002.vwl", &exists, &err) ==
                  VARVE_OK &&
              exists);
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    log_world_deinit(&world);
}

static void the_thread_tries_a_full_disk_again(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    vv_wal_ticket ticket;
    service_open_threaded(&world, 1000);
    vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 1000);
    check_ok(log_try_put_sized(&world, 1, 40000, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
    (void)log_wait(&world, ticket);
    log_until(vv_wal_health(world.wal, NULL) == VARVE_HEALTH_NOSPACE);
    check_status(VARVE_E_NOSPACE,
                 log_try_put_sized(&world, 2, 40000, 1, VARVE_SYNC_GROUP, &ticket, &err));
    vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 1000000);
    log_until(vv_wal_health(world.wal, NULL) == VARVE_HEALTH_OK);
    check_ok(log_try_put_sized(&world, 2, 40000, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    log_world_deinit(&world);
}

/* In a forked child there is neither the thread nor a lock that may be taken. */
static void a_forked_child_frees_its_handle_and_the_parent_goes_on(void **state)
{
    (void)state;
    temp_dir dir;
    vv_alloc alloc;
    vv_env env;
    varve_error err;
    temp_dir_create(&dir);
    vv_alloc_init(&alloc, NULL);
    vv_env_init_system(&env, &alloc);
    vv_wal_options options = log_options();
    options.directory = dir.path;
    options.tmp_directory = dir.path;
    options.has_threads = true;
    log_world world = {.env = env, .next_number = 1};
    log_open_with(&world, &options);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        vv_wal_free(world.wal);
        child_exit(vv_alloc_bytes(&alloc) == 0 ? 0 : 1);
    }
    int exit_status;
    assert_int_equal(child, waitpid(child, &exit_status, 0));
    assert_true(WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 0);
    assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    vv_wal_free(world.wal);
    assert_int_equal(0, vv_alloc_bytes(&alloc));
    temp_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(interval_batches_are_synced_in_time),
        log_test(interval_batches_are_synced_by_later_callers_without_service),
        log_test(batches_without_sync_are_never_synced_by_time),
        log_test(buffered_batches_are_written_after_a_while_or_when_many),
        log_test(a_batch_that_nobody_waits_for_is_led_by_the_next_caller),
        log_test(an_idle_log_marks_what_was_synced),
        log_test(no_mark_without_a_sync),
        log_test(without_memory_there_is_no_mark),
        log_test(what_is_due_behind_a_failed_write_stays_undone),
        log_test(a_mark_leaves_reserved_room_alone),
        log_test(the_thread_leads_what_nobody_waits_for),
        log_test(the_thread_syncs_intervals_and_writes_buffers),
        log_test(the_thread_writes_a_full_buffer_at_once),
        log_test(the_thread_makes_the_next_file_ahead_of_need),
        log_test(the_thread_tries_a_full_disk_again),
        log_test(a_forked_child_frees_its_handle_and_the_parent_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
