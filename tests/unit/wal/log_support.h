/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for tests of the log: simulated files, a clock that stands, batches whose payload tells
 * who they are, and a replay that checks what it is given.
 *
 * The payload of a batch is its number (u64), then bytes that follow from the number; so a replay
 * knows of each record whether it is what was written.
 */
#ifndef VV_TESTS_UNIT_WAL_LOG_SUPPORT_H
#define VV_TESTS_UNIT_WAL_LOG_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/manual_clock.h"
#include "sys/thread.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_sim.h"
#include "wal/replay.h"
#include "wal/wal.h"

#define LOG_BATCHES_MAX 20000

typedef struct log_world {
    failing_alloc failing;
    vv_alloc alloc; /* of the log */
    vv_sim *sim;
    vv_fault *fault; /* in front of it; NULL: nothing fails */
    manual_clock clock;
    vv_random random;
    vv_env env;
    vv_wal *wal;
    uint64_t next_number; /* of the next batch, from 1 */
} log_world;

static const uint8_t log_store_id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* Of the simulation: never fails, and is one for all worlds, because images go from one to the
 * other. */
static inline vv_alloc *log_memory(void)
{
    static vv_alloc memory;
    if (memory.source.allocate == NULL) {
        vv_alloc_init(&memory, NULL);
    }
    return &memory;
}

static inline void log_world_init(log_world *world, const vv_sim_image *image, uint64_t seed)
{
    *world = (log_world){.next_number = 1};
    failing_alloc_init(&world->failing);
    varve_allocator source = failing_alloc_source(&world->failing);
    vv_alloc_init(&world->alloc, &source);
    world->sim = vv_sim_create(log_memory(), image);
    manual_clock_init(&world->clock, INT64_C(1700000000000000000));
    vv_random_init(&world->random, seed);
    vv_env_init_system(&world->env, &world->alloc);
    world->env.vfs = vv_sim_vfs(world->sim);
    world->env.clock = manual_clock_of(&world->clock);
    world->env.entropy = manual_entropy_of(&world->random);
    if (image == NULL) {
        const char *names[] = {"/wal", "/tmp", "/quarantine"};
        for (size_t i = 0; i < 3; ++i) {
            check_ok(vv_vfs_mkdir(world->env.vfs, names[i], NULL), NULL);
        }
        check_ok(vv_vfs_sync_dir(world->env.vfs, "/", VV_SITE_DIR_CREATE, NULL), NULL);
    }
}

/* Calls of the log fail as rules say from now on. */
static inline vv_fault *log_add_faults(log_world *world)
{
    check_ok(vv_fault_create(log_memory(), world->env.vfs, &world->fault, NULL), NULL);
    world->env.vfs = vv_fault_vfs(world->fault);
    return world->fault;
}

/* Without sealing it: as a process that ends. */
static inline void log_free(log_world *world)
{
    vv_wal_free(world->wal);
    world->wal = NULL;
}

static inline void log_world_deinit(log_world *world)
{
    log_free(world);
    if (world->fault != NULL) {
        assert_int_equal(0, vv_fault_open_files(world->fault));
        vv_fault_free(world->fault);
    }
    assert_int_equal(0, vv_sim_open_files(world->sim));
    vv_sim_free(world->sim);
    assert_int_equal(0, vv_alloc_bytes(&world->alloc));
    assert_int_equal(0, atomic_load(&world->failing.live));
}

static inline int log_leaves_no_memory(void **state)
{
    (void)state;
    assert_int_equal(0, vv_alloc_bytes(log_memory()));
    return 0;
}

/* A claim that another thread makes true; half a minute is a broken one. */
#define log_until(claim)                                                    \
    for (int64_t until_ = vv_mono_now_ns() + 30 * VV_NS_PER_S; !(claim);) { \
        assert_true(vv_mono_now_ns() < until_);                             \
        vv_thread_yield();                                                  \
    }

#define log_test(function) cmocka_unit_test_teardown(function, log_leaves_no_memory)

static inline vv_wal_options log_options(void)
{
    vv_wal_options options = {.directory = "/wal",
                              .tmp_directory = "/tmp",
                              .file_seq = 1,
                              .first_lsn = 1,
                              .first_sequence = 1,
                              .file_bytes = 65536,
                              .sync = VARVE_SYNC_GROUP,
                              .sync_interval_ms = 1000};
    memcpy(options.store_id, log_store_id, 16);
    return options;
}

static inline void log_open_with(log_world *world, const vv_wal_options *options)
{
    varve_error err;
    check_ok(vv_wal_open(&world->env, options, &world->wal, &err), &err);
}

static inline void log_open(log_world *world)
{
    vv_wal_options options = log_options();
    log_open_with(world, &options);
}

/* ---- batches -------------------------------------------------------------------------------- */

/* Size of the payload of batch `number`: mostly small, now and then some kilobytes. */
static inline size_t log_size_of(uint64_t number)
{
    uint64_t mixed = number * UINT64_C(0x9E3779B97F4A7C15) >> 40;
    return mixed % 16 == 0 ? 2000 + mixed % 9000 : 8 + mixed % 120;
}

static inline void log_fill(uint8_t *target, uint64_t number, size_t size)
{
    memcpy(target, &number, 8);
    for (size_t i = 8; i < size; ++i) {
        target[i] = (uint8_t)(number * 31 + i * 7);
    }
}

static inline bool log_is_filled(vv_bytes payload, uint64_t *out_number)
{
    if (payload.size < 8) {
        return false;
    }
    memcpy(out_number, payload.data, 8);
    for (size_t i = 8; i < payload.size; ++i) {
        if (payload.data[i] != (uint8_t)(*out_number * 31 + i * 7)) {
            return false;
        }
    }
    return true;
}

static inline vv_wal_record log_record(const uint8_t *payload, size_t size, uint64_t rows)
{
    return (vv_wal_record){.type = VV_WAL_ROWS,
                           .sequences = rows,
                           .payload = vv_bytes_make(payload, size),
                           .payload_crc = vv_crc32c(0, payload, size)};
}

/* One ROWS record of `rows` rows; the status of the reservation. */
static inline varve_status log_try_put_sized(log_world *world, uint64_t number, size_t size,
                                             uint64_t rows, uint32_t sync, vv_wal_ticket *out,
                                             varve_error *out_err)
{
    uint8_t *payload = malloc(size);
    assert_non_null(payload);
    log_fill(payload, number, size);
    vv_wal_record record = log_record(payload, size, rows);
    varve_status status = vv_wal_reserve(world->wal, size, 1, VV_NO_DEADLINE, out_err);
    if (status == VARVE_OK) {
        *out = vv_wal_append(world->wal, &record, 1, sync);
        vv_wal_applied(world->wal, *out);
    }
    free(payload);
    return status;
}

static inline varve_status log_try_put(log_world *world, uint32_t sync, vv_wal_ticket *out,
                                       varve_error *out_err)
{
    uint64_t number = world->next_number;
    varve_status status =
        log_try_put_sized(world, number, log_size_of(number), 3, sync, out, out_err);
    world->next_number += status == VARVE_OK ? 1 : 0;
    return status;
}

static inline vv_wal_ticket log_put(log_world *world, uint32_t sync)
{
    varve_error err;
    vv_wal_ticket ticket = {0};
    check_ok(log_try_put(world, sync, &ticket, &err), &err);
    return ticket;
}

static inline uint32_t log_wait(log_world *world, vv_wal_ticket ticket)
{
    varve_error err;
    uint32_t ack = 99;
    check_ok(vv_wal_wait(world->wal, ticket.id, UINT64_MAX, &ack, &err), &err);
    return ack;
}

static inline uint32_t log_write(log_world *world, uint32_t sync)
{
    return log_wait(world, log_put(world, sync));
}

/* ---- replay --------------------------------------------------------------------------------- */

typedef struct log_seen {
    uint64_t count;
    uint64_t numbers[LOG_BATCHES_MAX];
    uint64_t sequences[LOG_BATCHES_MAX];
    uint64_t lsns[LOG_BATCHES_MAX];
    uint64_t after_hole;
    bool is_bad; /* something that was never written, or out of order */
    vv_replay_result result;
} log_seen;

static inline varve_status log_visit(void *context, const vv_replay_record *record,
                                     varve_error *out_err)
{
    (void)out_err;
    log_seen *seen = context;
    uint64_t number = 0;
    if (!log_is_filled(record->payload, &number) || seen->count == LOG_BATCHES_MAX ||
        (seen->count > 0 && record->lsn <= seen->lsns[seen->count - 1])) {
        seen->is_bad = true;
        return VARVE_OK;
    }
    seen->numbers[seen->count] = number;
    seen->sequences[seen->count] = record->first_sequence;
    seen->lsns[seen->count] = record->lsn;
    seen->after_hole += record->is_after_hole ? 1 : 0;
    seen->count += 1;
    return VARVE_OK;
}

static inline vv_replay_options log_replay_options(vv_replay_mode mode)
{
    vv_replay_options options = {
        .directory = "/wal", .mode = mode, .log_start = 1, .quarantine = "/quarantine"};
    memcpy(options.store_id, log_store_id, 16);
    return options;
}

static inline varve_status log_replay_with(log_world *world, const vv_replay_options *options,
                                           log_seen *seen, varve_error *out_err)
{
    memset(seen, 0, sizeof *seen);
    return vv_replay(&world->env, options, log_visit, seen, &seen->result, out_err);
}

static inline varve_status log_replay(log_world *world, vv_replay_mode mode, log_seen *seen,
                                      varve_error *out_err)
{
    vv_replay_options options = log_replay_options(mode);
    return log_replay_with(world, &options, seen, out_err);
}

/* The batches seen are 1, 2, ... in order, without a gap. */
static inline bool log_is_prefix(const log_seen *seen)
{
    for (uint64_t i = 0; i < seen->count; ++i) {
        if (seen->numbers[i] != i + 1) {
            return false;
        }
    }
    return !seen->is_bad;
}

/* A big struct: one for each test program. */
static inline log_seen *log_seen_new(void)
{
    log_seen *seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    return seen;
}

#endif
