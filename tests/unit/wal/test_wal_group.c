/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: several threads, one sync for many; and what a failed sync does to everybody. Invariants
 * G2, G3, G4 of wal/wal.h. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "log_support.h"
#include "sys/thread.h"
#include "wal/wal_priv.h"

enum { GROUP_SECONDS_MAX = 60 }; /* of the whole program; it takes less than one */

/* ---- nobody waits for ever ------------------------------------------------------------------ */

static void group_time_is_up(int number)
{
    static const char text[] = "a batch is waited for although the log failed, or nobody leads\n";
    (void)number;
    _exit(write(STDERR_FILENO, text, sizeof text - 1) > 0 ? 1 : 2);
}

static int group_begin(void **state)
{
    (void)state;
    (void)signal(SIGALRM, group_time_is_up);
    (void)alarm(GROUP_SECONDS_MAX);
    return 0;
}

/* ---- failures ------------------------------------------------------------------------------- */

static void log_fail_syncs(log_world *world, uint64_t first, vv_sim_fsync_fail_mode mode)
{
    vv_sim_sync_fault fault = {.site = VV_SITE_WAL_GROUP,
                               .first_sync = first,
                               .is_permanent = false, /* the next one would succeed: never asked */
                               .os_errno = EIO,
                               .mode = mode};
    vv_sim_set_sync_fault(world->sim, &fault);
}

static void after_a_failed_sync_nothing_is_durable_any_more(void **state)
{
    (void)state;
    for (int mode = VV_SIM_PAGES_DIRTY; mode <= VV_SIM_PAGES_REVERTED; ++mode) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        log_open(&world);
        vv_wal_ticket good = {0};
        for (int i = 0; i < 5; ++i) {
            good = log_put(&world, VARVE_SYNC_GROUP);
            (void)log_wait(&world, good);
        }
        uint64_t durable = vv_wal_durable_lsn(world.wal);
        log_fail_syncs(&world, 1, (vv_sim_fsync_fail_mode)mode);
        uint8_t payload[16];
        log_fill(payload, 6, sizeof payload);
        vv_wal_record record = log_record(payload, sizeof payload, 3);
        check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
        check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
        vv_wal_ticket lost = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
        log_fill(payload, 7, sizeof payload);
        record.payload_crc = vv_crc32c(0, payload, sizeof payload);
        vv_wal_ticket behind = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_BUFFERED);
        vv_wal_applied(world.wal, lost);
        vv_wal_applied(world.wal, behind);
        uint32_t ack = 99;
        check_status(VARVE_E_IO, vv_wal_wait(world.wal, lost.id, UINT64_MAX, &ack, &err));
        assert_int_equal(EIO, err.os_errno);
        check_status(VARVE_E_IO, vv_wal_wait(world.wal, behind.id, UINT64_MAX, &ack, &err));
        assert_int_equal(99, ack);
        assert_int_equal(15, vv_wal_visible(world.wal));
        assert_int_equal(durable, vv_wal_durable_lsn(world.wal));
        assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, &err));
        check_status(VARVE_E_IO, err.status);
        /* Later ones, old ones, and everything that would sync again. */
        vv_wal_ticket ticket;
        uint64_t syncs = vv_sim_syncs(world.sim);
        check_status(VARVE_E_FENCED, log_try_put(&world, VARVE_SYNC_GROUP, &ticket, &err));
        check_status(VARVE_E_FENCED, log_try_put(&world, VARVE_SYNC_BUFFERED, &ticket, &err));
        assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, good));
        check_status(VARVE_E_IO, vv_wal_sync(world.wal, lost.last_lsn, &err));
        check_status(VARVE_E_FENCED, vv_wal_wait_visible(world.wal, 1000, 10, &err));
        vv_wal_service(world.wal);
        check_status(VARVE_E_FENCED, vv_wal_seal(world.wal, 0, &err));
        assert_int_equal(syncs, vv_sim_syncs(world.sim));
        assert_int_equal(15, vv_wal_visible(world.wal));
        log_free(&world);
        log_seen *seen = log_seen_new();
        check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
        assert_in_range(seen->count, 5, 7);
        assert_true(log_is_prefix(seen));
        free(seen);
        log_world_deinit(&world);
    }
}

static void a_reservation_before_a_failure_ends_as_refused(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    uint8_t payload[16] = {0};
    vv_wal_record record = log_record(payload, sizeof payload, 1);
    check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
    log_fail_syncs(&world, 1, VV_SIM_PAGES_CLEAN);
    vv_wal_ticket lost = log_put(&world, VARVE_SYNC_GROUP);
    check_status(VARVE_E_IO, vv_wal_wait(world.wal, lost.id, UINT64_MAX, NULL, &err));
    vv_wal_ticket late = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_applied(world.wal, late);
    assert_int_equal(lost.id + 1, late.id);
    check_status(VARVE_E_FENCED, vv_wal_wait(world.wal, late.id, UINT64_MAX, NULL, &err));
    vv_wal_applied(world.wal, lost); /* once more: nothing becomes visible any more */
    assert_int_equal(0, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

static void a_failed_write_fails_the_log_and_keeps_what_was_visible(void **state)
{
    (void)state;
    static const int errnos[] = {EIO, ENOSPC, EDQUOT, EROFS};
    for (size_t i = 0; i < VV_ARRAY_COUNT(errnos); ++i) {
        log_world world;
        varve_error err;
        log_world_init(&world, NULL, 1);
        vv_fault *fault = log_add_faults(&world);
        log_open(&world);
        (void)log_write(&world, VARVE_SYNC_BUFFERED);
        vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_WRITE),
                              .first_call = 1,
                              .call_count = 1,
                              .kind = VV_FAULT_ERRNO,
                              .os_errno = errnos[i]};
        (void)vv_fault_add(fault, &rule);
        vv_wal_ticket lost = log_put(&world, VARVE_SYNC_NONE);
        check_status(VARVE_E_IO, vv_wal_wait(world.wal, lost.id, UINT64_MAX, NULL, &err));
        assert_int_equal(errnos[i], err.os_errno);
        assert_int_equal(3, vv_wal_visible(world.wal)); /* the buffered rows stay readable */
        assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, &err));
        log_world_deinit(&world);
    }
}

/* Only the sync of what was written already is missing, and fails. */
static void a_failed_sync_of_written_rows_fails_the_log(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_NONE);
    assert_int_equal(VARVE_ACK_APPENDED, log_wait(&world, ticket));
    vv_sim_sync_fault fault = {
        .site = VV_SITE_WAL_MARK, .first_sync = 1, .os_errno = EIO, .mode = VV_SIM_PAGES_CLEAN};
    vv_sim_set_sync_fault(world.sim, &fault);
    check_status(VARVE_E_IO, vv_wal_sync(world.wal, ticket.last_lsn, &err));
    assert_int_equal(0, vv_wal_durable_lsn(world.wal));
    assert_int_equal(3, vv_wal_visible(world.wal));
    assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, NULL));
    log_world_deinit(&world);
}

static void the_first_failure_is_the_one_that_is_told(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_GROUP);
    varve_error first = {.status = VARVE_E_NOSPACE, .os_errno = ENOSPC, .message = "the first"};
    varve_error second = {.status = VARVE_E_IO, .os_errno = EROFS, .message = "the second"};
    vv_wal_fail(world.wal, &first);
    vv_wal_fail(world.wal, &second);
    assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, &err));
    assert_string_equal("the first", err.message);
    check_status(VARVE_E_IO, vv_wal_wait(world.wal, ticket.id, UINT64_MAX, NULL, NULL));
    check_status(VARVE_E_IO, vv_wal_wait(world.wal, ticket.id, UINT64_MAX, NULL, &err));
    assert_int_equal(ENOSPC, err.os_errno);
    assert_string_equal("outcome unknown, the log failed: the first", err.message);
    log_world_deinit(&world);
}

static void group_slow_sync_hook(void *context, vv_vfs_op op, const char *path)
{
    (void)path;
    if (op == VV_VFS_OP_SYNC) {
        manual_clock_advance(context, VV_NS_PER_S);
    }
}

/* The last bucket has no bound. */
static void a_sync_slower_than_every_bound_is_counted(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    vv_fault_set_hook(fault, group_slow_sync_hook, &world.clock);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    vv_fault_set_hook(fault, NULL, NULL);
    (void)log_write(&world, VARVE_SYNC_GROUP);
    vv_wal_stats stats;
    vv_wal_get_stats(world.wal, &stats);
    assert_int_equal(2, stats.syncs);
    assert_int_equal(VV_NS_PER_S, stats.sync_ns);
    assert_int_equal(1, stats.sync_buckets[0]);
    assert_int_equal(1, stats.sync_buckets[VV_WAL_SYNC_BUCKETS - 1]);
    log_world_deinit(&world);
}

static void short_writes_are_continued(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_WRITE),
                          .first_call = 1,
                          .call_count = VV_FAULT_FOREVER,
                          .kind = VV_FAULT_SHORT,
                          .short_bytes = 13};
    (void)vv_fault_add(fault, &rule);
    for (int i = 0; i < 20; ++i) {
        assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    }
    log_free(&world);
    log_seen *seen = log_seen_new();
    check_ok(log_replay(&world, VV_REPLAY_STRICT, seen, &err), &err);
    assert_int_equal(20, seen->count);
    assert_true(log_is_prefix(seen));
    free(seen);
    log_world_deinit(&world);
}

/* ---- threads -------------------------------------------------------------------------------- */

#define THREADS 4
#define BATCHES 120

typedef struct group_writer {
    log_world *world;
    vv_thread thread;
    uint32_t sync;
    uint64_t first_number;
    uint64_t acked;
    atomic_uint_least64_t *last_visible;
    bool is_wrong;
} group_writer;

static void group_write_main(void *context)
{
    group_writer *writer = context;
    vv_wal *wal = writer->world->wal;
    uint8_t payload[600];
    for (uint64_t i = 0; i < BATCHES; ++i) {
        uint64_t number = writer->first_number + i;
        size_t size = 8 + (size_t)(number * 37 % 500);
        log_fill(payload, number, size);
        vv_wal_record record = log_record(payload, size, 2);
        varve_error err;
        uint32_t ack;
        if (vv_wal_reserve(wal, size, 1, VV_NO_DEADLINE, &err) != VARVE_OK) {
            break; /* failed meanwhile */
        }
        vv_wal_ticket ticket = vv_wal_append(wal, &record, 1, writer->sync);
        vv_wal_applied(wal, ticket);
        if (vv_wal_wait(wal, ticket.id, UINT64_MAX, &ack, &err) != VARVE_OK) {
            break;
        }
        bool is_durable = ack == VARVE_ACK_DURABLE;
        writer->is_wrong = writer->is_wrong || vv_wal_visible(wal) < ticket.first_sequence + 1 ||
                           (writer->sync <= VARVE_SYNC_ALWAYS && !is_durable) ||
                           (is_durable && vv_wal_durable_lsn(wal) < ticket.last_lsn);
        writer->acked += 1;
    }
}

static void group_run(log_world *world, group_writer *writers, const uint32_t syncs[THREADS])
{
    varve_error err;
    for (uint64_t i = 0; i < THREADS; ++i) {
        writers[i] =
            (group_writer){.world = world, .sync = syncs[i], .first_number = 1 + i * BATCHES};
        check_ok(vv_thread_start(&writers[i].thread, "writer", group_write_main, &writers[i], &err),
                 &err);
    }
    for (size_t i = 0; i < THREADS; ++i) {
        vv_thread_join(&writers[i].thread);
        assert_false(writers[i].is_wrong);
    }
}

/* Each writer's batches are there in its order, as many as were acknowledged at least. */
static void group_check_log(log_world *world, const group_writer *writers)
{
    varve_error err;
    log_seen *seen = log_seen_new();
    check_ok(log_replay(world, VV_REPLAY_STRICT, seen, &err), &err);
    uint64_t next[THREADS];
    for (uint64_t i = 0; i < THREADS; ++i) {
        next[i] = writers[i].first_number;
    }
    assert_false(seen->is_bad);
    for (uint64_t i = 0; i < seen->count; ++i) {
        uint64_t writer = (seen->numbers[i] - 1) / BATCHES;
        assert_true(writer < THREADS && seen->numbers[i] == next[writer]);
        next[writer] += 1;
    }
    for (uint64_t i = 0; i < THREADS; ++i) {
        assert_true(next[i] - writers[i].first_number >= writers[i].acked);
    }
    free(seen);
}

static void writers_of_every_mode_share_groups(void **state)
{
    (void)state;
    static const uint32_t mixes[][THREADS] = {
        {VARVE_SYNC_GROUP, VARVE_SYNC_GROUP, VARVE_SYNC_GROUP, VARVE_SYNC_GROUP},
        {VARVE_SYNC_GROUP, VARVE_SYNC_ALWAYS, VARVE_SYNC_NONE, VARVE_SYNC_BUFFERED},
        {VARVE_SYNC_INTERVAL, VARVE_SYNC_NONE, VARVE_SYNC_NO_LOG, VARVE_SYNC_BUFFERED}};
    for (size_t mix = 0; mix < VV_ARRAY_COUNT(mixes); ++mix) {
        for (int has_thread = 0; has_thread < 2; ++has_thread) {
            log_world world;
            varve_error err;
            group_writer writers[THREADS];
            log_world_init(&world, NULL, 1);
            vv_wal_options options = log_options();
            options.has_threads = has_thread == 1;
            options.group_delay_us = mix == 0 && has_thread == 1 ? 50 : 0;
            world.env.clock = vv_clock_system();
            log_open_with(&world, &options);
            group_run(&world, writers, mixes[mix]);
            check_ok(vv_wal_seal(world.wal, 0, &err), &err);
            assert_int_equal(THREADS * BATCHES * 2, vv_wal_visible(world.wal));
            vv_wal_stats stats;
            vv_wal_get_stats(world.wal, &stats);
            assert_true(stats.groups <= THREADS * BATCHES && stats.rotations > 0);
            group_check_log(&world, writers);
            log_world_deinit(&world);
        }
    }
}

static void a_failed_sync_reaches_every_waiting_thread(void **state)
{
    (void)state;
    static const uint32_t syncs[THREADS] = {VARVE_SYNC_GROUP, VARVE_SYNC_GROUP, VARVE_SYNC_NONE,
                                            VARVE_SYNC_BUFFERED};
    for (int mode = VV_SIM_PAGES_DIRTY; mode <= VV_SIM_PAGES_REVERTED; ++mode) {
        log_world world;
        group_writer writers[THREADS];
        log_world_init(&world, NULL, 1);
        vv_wal_options options = log_options();
        options.has_threads = true;
        world.env.clock = vv_clock_system();
        log_open_with(&world, &options);
        log_fail_syncs(&world, 20, (vv_sim_fsync_fail_mode)mode);
        group_run(&world, writers, syncs); /* nobody hangs */
        assert_true(writers[0].acked < BATCHES);
        assert_int_equal(VARVE_HEALTH_WRITE_FAILED, vv_wal_health(world.wal, NULL));
        log_free(&world);
        writers[2].acked = 0; /* promised to survive the process, not its pages */
        writers[3].acked = 0;
        group_check_log(&world, writers);
        log_world_deinit(&world);
    }
}

/* A file system on which a sync waits until enough callers have joined the next group. */
typedef struct group_gate {
    vv_mutex lock;
    vv_cond cond;
    bool is_open;
    bool is_in_sync;
} group_gate;

static void group_gate_hook(void *context, vv_vfs_op op, const char *path)
{
    group_gate *gate = context;
    (void)path;
    if (op != VV_VFS_OP_SYNC) {
        return;
    }
    vv_mutex_lock(&gate->lock);
    gate->is_in_sync = true;
    vv_cond_broadcast(&gate->cond);
    while (!gate->is_open) {
        VV_IGNORE(vv_cond_wait_until(&gate->cond, &gate->lock, VV_NO_DEADLINE));
    }
    vv_mutex_unlock(&gate->lock);
}

typedef struct group_caller {
    log_world *world;
    vv_thread thread;
    vv_wal_ticket ticket;
    varve_status status;
    uint32_t ack;
} group_caller;

static void group_caller_main(void *context)
{
    group_caller *caller = context;
    caller->status =
        vv_wal_wait(caller->world->wal, caller->ticket.id, UINT64_MAX, &caller->ack, NULL);
}

static void callers_during_a_sync_share_the_next_one(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    group_gate gate = {.is_open = true};
    check_ok(vv_mutex_init(&gate.lock, VV_RANK_TEST_HIGH, 0, &err), &err);
    check_ok(vv_cond_init(&gate.cond, &err), &err);
    log_world_init(&world, NULL, 1);
    vv_fault *fault = log_add_faults(&world);
    log_open(&world);
    vv_fault_set_hook(fault, group_gate_hook, &gate);
    gate.is_open = false;
    group_caller leader = {.world = &world, .ticket = log_put(&world, VARVE_SYNC_GROUP)};
    check_ok(vv_thread_start(&leader.thread, "leader", group_caller_main, &leader, &err), &err);
    vv_mutex_lock(&gate.lock);
    while (!gate.is_in_sync) {
        VV_IGNORE(vv_cond_wait_until(&gate.cond, &gate.lock, VV_NO_DEADLINE));
    }
    vv_mutex_unlock(&gate.lock);
    /* The leader is in its sync: five more batches come and find it in flight. */
    vv_wal_ticket followers[5];
    for (size_t i = 0; i < 5; ++i) {
        followers[i] = log_put(&world, VARVE_SYNC_GROUP);
        check_status(VARVE_E_TIMEOUT, vv_wal_wait(world.wal, followers[i].id, 0, NULL, &err));
    }
    vv_mutex_lock(&gate.lock);
    gate.is_open = true;
    vv_cond_broadcast(&gate.cond);
    vv_mutex_unlock(&gate.lock);
    vv_thread_join(&leader.thread);
    assert_int_equal(VARVE_ACK_DURABLE, leader.ack);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, followers[4]));
    vv_wal_stats stats;
    vv_wal_get_stats(world.wal, &stats);
    assert_int_equal(2, stats.syncs);
    assert_int_equal(2, stats.groups);
    log_world_deinit(&world);
    vv_cond_deinit(&gate.cond);
    vv_mutex_deinit(&gate.lock);
}

/* ---- waiting without the lock --------------------------------------------------------------- */

enum { FOLLOWERS = 5 };

/* A log whose leader stands in its sync, and callers that sleep meanwhile. */
typedef struct group_crowd {
    log_world world;
    vv_fault *fault;
    group_gate gate;
    group_caller leader;
    group_caller followers[FOLLOWERS];
} group_crowd;

static void group_crowd_init(group_crowd *crowd)
{
    varve_error err;
    memset(crowd, 0, sizeof *crowd);
    crowd->gate.is_open = true;
    check_ok(vv_mutex_init(&crowd->gate.lock, VV_RANK_TEST_HIGH, 0, &err), &err);
    check_ok(vv_cond_init(&crowd->gate.cond, &err), &err);
    log_world_init(&crowd->world, NULL, 1);
    check_ok(vv_fault_create(log_memory(), crowd->world.env.vfs, &crowd->fault, &err), &err);
    crowd->world.env.vfs = vv_fault_vfs(crowd->fault);
    log_open(&crowd->world);
    vv_fault_set_hook(crowd->fault, group_gate_hook, &crowd->gate);
}

static void group_crowd_start(group_crowd *crowd, group_caller *caller)
{
    varve_error err;
    *caller =
        (group_caller){.world = &crowd->world, .ticket = log_put(&crowd->world, VARVE_SYNC_GROUP)};
    check_ok(vv_thread_start(&caller->thread, "caller", group_caller_main, caller, &err), &err);
}

static void group_crowd_gather(group_crowd *crowd)
{
    crowd->gate.is_open = false;
    group_crowd_start(crowd, &crowd->leader);
    vv_mutex_lock(&crowd->gate.lock);
    while (!crowd->gate.is_in_sync) {
        VV_IGNORE(vv_cond_wait_until(&crowd->gate.cond, &crowd->gate.lock, VV_NO_DEADLINE));
    }
    vv_mutex_unlock(&crowd->gate.lock);
    for (size_t i = 0; i < FOLLOWERS; ++i) {
        group_crowd_start(crowd, &crowd->followers[i]);
    }
    const vv_event *cohorts = crowd->world.wal->cohorts;
    while (atomic_load(&cohorts[0].waiters) + atomic_load(&cohorts[1].waiters) < FOLLOWERS) {
        vv_thread_yield();
    }
}

static void group_crowd_let_go(group_crowd *crowd)
{
    vv_mutex_lock(&crowd->gate.lock);
    crowd->gate.is_open = true;
    vv_cond_broadcast(&crowd->gate.cond);
    vv_mutex_unlock(&crowd->gate.lock);
    vv_thread_join(&crowd->leader.thread);
    for (size_t i = 0; i < FOLLOWERS; ++i) {
        vv_thread_join(&crowd->followers[i].thread);
    }
}

static void group_crowd_deinit(group_crowd *crowd)
{
    vv_wal_free(crowd->world.wal);
    crowd->world.wal = NULL;
    vv_fault_free(crowd->fault);
    log_world_deinit(&crowd->world);
    vv_cond_deinit(&crowd->gate.cond);
    vv_mutex_deinit(&crowd->gate.lock);
}

/* Q2: there is no thread of the log, so that only the leader can have woken one of them. */
static void the_end_of_a_round_wakes_one_who_leads_the_next(void **state)
{
    (void)state;
    static group_crowd crowd;
    group_crowd_init(&crowd);
    group_crowd_gather(&crowd);
    group_crowd_let_go(&crowd);
    vv_wal_stats stats;
    vv_wal_get_stats(crowd.world.wal, &stats);
    assert_int_equal(VARVE_ACK_DURABLE, crowd.leader.ack);
    assert_int_equal(VARVE_OK, crowd.leader.status);
    for (size_t i = 0; i < FOLLOWERS; ++i) {
        assert_int_equal(VARVE_OK, crowd.followers[i].status);
        assert_int_equal(VARVE_ACK_DURABLE, crowd.followers[i].ack);
    }
    assert_int_equal(2, stats.syncs);
    group_crowd_deinit(&crowd);
}

/* Q1: those who wait for the round that fails, and those whose round never comes. */
static void a_failed_round_wakes_all_who_sleep(void **state)
{
    (void)state;
    static group_crowd crowd;
    for (int has_failed_before = 0; has_failed_before < 2; ++has_failed_before) {
        group_crowd_init(&crowd);
        log_fail_syncs(&crowd.world, 1, VV_SIM_PAGES_CLEAN);
        group_crowd_gather(&crowd);
        if (has_failed_before == 1) { /* the engine met a failure of its own meanwhile */
            varve_error reason;
            VV_IGNORE(vv_fail_errno(&reason, VARVE_E_IO, EIO, "a sync of the manifest"));
            vv_wal_fail(crowd.world.wal, &reason);
        }
        group_crowd_let_go(&crowd);
        assert_int_equal(VARVE_E_IO, crowd.leader.status);
        for (size_t i = 0; i < FOLLOWERS; ++i) {
            assert_int_equal(VARVE_E_IO, crowd.followers[i].status);
        }
        assert_int_equal(0, vv_wal_visible(crowd.world.wal));
        group_crowd_deinit(&crowd);
    }
}

static void a_waiter_of_the_next_cohort_times_out(void **state)
{
    (void)state;
    static group_crowd crowd;
    varve_error err;
    group_crowd_init(&crowd);
    group_crowd_gather(&crowd);
    uint64_t asleep = crowd.followers[0].ticket.id;
    check_status(VARVE_E_TIMEOUT, vv_wal_wait(crowd.world.wal, asleep, 0, NULL, &err));
    check_status(VARVE_E_TIMEOUT, vv_wal_wait(crowd.world.wal, asleep, 2, NULL, &err));
    check_status(VARVE_E_TIMEOUT,
                 vv_wal_wait(crowd.world.wal, crowd.leader.ticket.id, 2, NULL, &err));
    group_crowd_let_go(&crowd);
    check_ok(vv_wal_wait(crowd.world.wal, asleep, 0, NULL, &err), &err);
    group_crowd_deinit(&crowd);
}

/* The lock is held all the time by somebody else. */
static void a_visible_ticket_is_answered_without_the_lock(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    group_caller caller = {.world = &world, .ticket = log_put(&world, VARVE_SYNC_GROUP)};
    (void)log_wait(&world, caller.ticket);
    vv_mutex_lock(&world.wal->lock);
    check_ok(vv_thread_start(&caller.thread, "caller", group_caller_main, &caller, &err), &err);
    vv_thread_join(&caller.thread);
    vv_mutex_unlock(&world.wal->lock);
    assert_int_equal(VARVE_OK, caller.status);
    assert_int_equal(VARVE_ACK_DURABLE, caller.ack);
    log_world_deinit(&world);
}

/* It moves no sequence: nothing but its ticket becomes visible. */
static void a_batch_without_rows_before_all_rows_is_answered(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    uint8_t payload[16];
    log_fill(payload, 1, sizeof payload);
    vv_wal_record record = {.type = VV_WAL_POLICY,
                            .payload = vv_bytes_make(payload, sizeof payload),
                            .payload_crc = vv_crc32c(0, payload, sizeof payload)};
    check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
    vv_wal_ticket ticket = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_applied(world.wal, ticket);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    assert_int_equal(0, vv_wal_visible(world.wal));
    log_world_deinit(&world);
}

/* Q3 */
static void a_written_ticket_waits_for_an_earlier_batch_to_be_applied(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    log_world_init(&world, NULL, 1);
    log_open(&world);
    uint8_t payload[16];
    log_fill(payload, 1, sizeof payload);
    vv_wal_record record = {.type = VV_WAL_ROWS,
                            .sequences = 1,
                            .payload = vv_bytes_make(payload, sizeof payload),
                            .payload_crc = vv_crc32c(0, payload, sizeof payload)};
    check_ok(vv_wal_reserve(world.wal, sizeof payload, 1, 0, &err), &err);
    vv_wal_ticket early = vv_wal_append(world.wal, &record, 1, VARVE_SYNC_GROUP);
    group_caller caller = {.world = &world, .ticket = log_put(&world, VARVE_SYNC_GROUP)};
    check_ok(vv_thread_start(&caller.thread, "caller", group_caller_main, &caller, &err), &err);
    while (vv_wal_durable_lsn(world.wal) < caller.ticket.last_lsn) {
        vv_thread_yield();
    }
    check_status(VARVE_E_TIMEOUT, vv_wal_wait(world.wal, caller.ticket.id, 1, NULL, &err));
    assert_int_equal(0, vv_wal_visible(world.wal));
    vv_wal_applied(world.wal, early);
    vv_thread_join(&caller.thread);
    assert_int_equal(VARVE_OK, caller.status);
    assert_int_equal(VARVE_ACK_DURABLE, caller.ack);
    log_world_deinit(&world);
}

static void a_group_delay_ends_when_somebody_asked_for_always(void **state)
{
    (void)state;
    log_world world;
    log_world_init(&world, NULL, 1);
    vv_wal_options options = log_options();
    options.has_threads = true;
    options.group_delay_us = 1000000; /* cut to the 10 ms that are allowed */
    world.env.clock = vv_clock_system();
    log_open_with(&world, &options);
    int64_t start_ns = vv_mono_now_ns();
    for (int i = 0; i < 20; ++i) {
        assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_ALWAYS));
    }
    int64_t always_ns = vv_mono_now_ns() - start_ns;
    start_ns = vv_mono_now_ns();
    for (int i = 0; i < 20; ++i) {
        assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_GROUP));
    }
    int64_t group_ns = vv_mono_now_ns() - start_ns;
    assert_true(group_ns >= 20 * 10 * VV_NS_PER_MS);
    assert_true(always_ns < group_ns);
    log_world_deinit(&world);
}

/* A delay of an hour: whoever does wait for company meets the time limit of this program. */
static void group_open_patient(log_world *world)
{
    log_world_init(world, NULL, 1);
    vv_wal_options options = log_options();
    options.has_threads = true;
    options.file_bytes = 16 << 20;
    log_open_with(world, &options);
    vv_mutex_lock(&world->wal->lock);
    world->wal->options.group_delay_us = UINT32_C(3600000000);
    vv_mutex_unlock(&world->wal->lock);
}

static void a_group_that_nobody_wants_synced_is_not_delayed(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    group_open_patient(&world);
    assert_int_equal(VARVE_ACK_APPENDED, log_write(&world, VARVE_SYNC_NONE));
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_BUFFERED);
    check_ok(vv_wal_sync(world.wal, ticket.last_lsn, &err), &err);
    check_ok(vv_wal_sync(world.wal, ticket.last_lsn, &err), &err);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    check_ok(vv_wal_seal(world.wal, 0, &err), &err); /* a SEAL is no group */
    log_world_deinit(&world);
}

static uint64_t group_bytes_written(log_world *world)
{
    vv_wal_stats stats;
    vv_wal_get_stats(world->wal, &stats);
    return stats.bytes_written;
}

/* A full group has no room for company; a MARK is no group. */
static void a_full_group_is_not_delayed(void **state)
{
    (void)state;
    for (int is_many = 0; is_many < 2; ++is_many) {
        log_world world;
        varve_error err;
        vv_wal_ticket ticket = {0};
        group_open_patient(&world);
        size_t size = is_many == 1 ? 8 : VV_WAL_GROUP_BYTES_MAX;
        uint64_t count = is_many == 1 ? VV_WAL_GROUP_BATCHES_MAX : 1;
        for (uint64_t i = 1; i <= count; ++i) {
            check_ok(log_try_put_sized(&world, i, size, 1, VARVE_SYNC_GROUP, &ticket, &err), &err);
        }
        assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
        vv_wal_stats stats;
        vv_wal_get_stats(world.wal, &stats);
        assert_int_equal(1, stats.groups);
        assert_int_equal(1, stats.syncs);
        uint64_t bytes = stats.bytes_written;
        manual_clock_advance(&world.clock, VV_WAL_MARK_IDLE_NS);
        log_until(group_bytes_written(&world) == bytes + VV_WAL_MARK_RECORD);
        log_world_deinit(&world);
    }
}

static bool group_is_led(log_world *world)
{
    vv_mutex_lock(&world->wal->lock);
    bool is_led = world->wal->is_leading;
    vv_mutex_unlock(&world->wal->lock);
    return is_led;
}

/* The leader waits for company; a batch that asks for ALWAYS joins it and ends that. */
static void a_delayed_group_goes_with_the_first_in_a_hurry(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    group_open_patient(&world);
    group_caller leader = {.world = &world, .ticket = log_put(&world, VARVE_SYNC_GROUP)};
    check_ok(vv_thread_start(&leader.thread, "leader", group_caller_main, &leader, &err), &err);
    log_until(group_is_led(&world));
    assert_int_equal(VARVE_ACK_DURABLE, log_write(&world, VARVE_SYNC_ALWAYS));
    vv_thread_join(&leader.thread);
    assert_int_equal(VARVE_ACK_DURABLE, leader.ack);
    vv_wal_stats stats;
    vv_wal_get_stats(world.wal, &stats);
    assert_int_equal(1, stats.groups);
    assert_int_equal(1, stats.syncs);
    log_world_deinit(&world);
}

/* The thread of the log leads and waits for company: closing does not wait with it. */
static void a_delayed_group_goes_when_the_log_is_closed(void **state)
{
    (void)state;
    log_world world;
    varve_error err;
    group_open_patient(&world);
    vv_wal_ticket ticket = log_put(&world, VARVE_SYNC_GROUP);
    manual_clock_advance(&world.clock, VV_WAL_UNWAITED_AGE_NS);
    log_until(group_is_led(&world));
    check_ok(vv_wal_seal(world.wal, 0, &err), &err);
    assert_int_equal(VARVE_ACK_DURABLE, log_wait(&world, ticket));
    log_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(after_a_failed_sync_nothing_is_durable_any_more),
        log_test(a_reservation_before_a_failure_ends_as_refused),
        log_test(a_failed_write_fails_the_log_and_keeps_what_was_visible),
        log_test(a_failed_sync_of_written_rows_fails_the_log),
        log_test(the_first_failure_is_the_one_that_is_told),
        log_test(a_sync_slower_than_every_bound_is_counted),
        log_test(short_writes_are_continued),
        log_test(writers_of_every_mode_share_groups),
        log_test(a_failed_sync_reaches_every_waiting_thread),
        log_test(callers_during_a_sync_share_the_next_one),
        log_test(the_end_of_a_round_wakes_one_who_leads_the_next),
        log_test(a_failed_round_wakes_all_who_sleep),
        log_test(a_waiter_of_the_next_cohort_times_out),
        log_test(a_visible_ticket_is_answered_without_the_lock),
        log_test(a_batch_without_rows_before_all_rows_is_answered),
        log_test(a_written_ticket_waits_for_an_earlier_batch_to_be_applied),
        log_test(a_group_delay_ends_when_somebody_asked_for_always),
        log_test(a_group_that_nobody_wants_synced_is_not_delayed),
        log_test(a_full_group_is_not_delayed),
        log_test(a_delayed_group_goes_with_the_first_in_a_hurry),
        log_test(a_delayed_group_goes_when_the_log_is_closed),
    };
    return cmocka_run_group_tests(tests, group_begin, NULL);
}
