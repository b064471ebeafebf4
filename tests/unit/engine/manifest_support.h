/* SPDX-License-Identifier: Apache-2.0 */
/* A world for tests of manifest, identity and lock: simulated files, a clock, a seed. */
#ifndef VV_TESTS_UNIT_ENGINE_MANIFEST_SUPPORT_H
#define VV_TESTS_UNIT_ENGINE_MANIFEST_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/manifest.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/manual_clock.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_sim.h"

typedef struct manifest_world {
    failing_alloc failing;
    vv_alloc alloc;
    vv_sim *sim;
    vv_fault *fault; /* in front of it; NULL: nothing fails */
    manual_clock clock;
    vv_random random;
    vv_env env;
    vv_manifest *manifest;
} manifest_world;

/* Of the simulation: never fails, one for all worlds, because images go from one to the other. */
static inline vv_alloc *manifest_memory(void)
{
    static vv_alloc memory;
    if (memory.source.allocate == NULL) {
        vv_alloc_init(&memory, NULL);
    }
    return &memory;
}

static inline void manifest_world_init(manifest_world *world, const vv_sim_image *image)
{
    *world = (manifest_world){0};
    failing_alloc_init(&world->failing);
    varve_allocator source = failing_alloc_source(&world->failing);
    vv_alloc_init(&world->alloc, &source);
    world->sim = vv_sim_create(manifest_memory(), image);
    manual_clock_init(&world->clock, INT64_C(1700000000000000000));
    vv_random_init(&world->random, 7);
    vv_env_init_system(&world->env, &world->alloc);
    world->env.vfs = vv_sim_vfs(world->sim);
    world->env.clock = manual_clock_of(&world->clock);
    world->env.entropy = manual_entropy_of(&world->random);
    if (image == NULL) {
        check_ok(vv_vfs_mkdir(world->env.vfs, "/manifest", NULL), NULL);
        check_ok(vv_vfs_mkdir(world->env.vfs, "/tmp", NULL), NULL);
        check_ok(vv_vfs_sync_dir(world->env.vfs, "/", VV_SITE_DIR_CREATE, NULL), NULL);
    }
}

/* Calls fail as rules say from now on. */
static inline vv_fault *manifest_add_faults(manifest_world *world)
{
    check_ok(vv_fault_create(manifest_memory(), world->env.vfs, &world->fault, NULL), NULL);
    world->env.vfs = vv_fault_vfs(world->fault);
    return world->fault;
}

static inline void manifest_put_file(manifest_world *world, const char *path, const void *bytes,
                                     size_t size)
{
    vv_file *file;
    check_ok(vv_file_open(world->env.vfs, manifest_memory(), path, VV_OPEN_WRITE | VV_OPEN_CREATE,
                          &file, NULL),
             NULL);
    check_ok(vv_file_write_all(file, 0, bytes, size, NULL), NULL);
    check_ok(vv_file_close(file, NULL), NULL);
}

static inline void manifest_world_deinit(manifest_world *world)
{
    vv_manifest_close(world->manifest);
    if (world->fault != NULL) {
        assert_int_equal(0, vv_fault_open_files(world->fault));
        vv_fault_free(world->fault);
    }
    assert_int_equal(0, vv_sim_open_files(world->sim));
    vv_sim_free(world->sim);
    assert_int_equal(0, vv_alloc_bytes(&world->alloc));
    assert_int_equal(0, atomic_load(&world->failing.live));
}

static inline int manifest_leaves_no_memory(void **state)
{
    (void)state;
    assert_int_equal(0, vv_alloc_bytes(manifest_memory()));
    return 0;
}

#define manifest_test(function) cmocka_unit_test_teardown(function, manifest_leaves_no_memory)

static inline vv_manifest_options manifest_options(void)
{
    vv_manifest_options options = {.directory = "/manifest", .tmp_directory = "/tmp"};
    memset(options.store_id, 5, sizeof options.store_id);
    return options;
}

/* A first edit: a database in milliseconds, nothing in it. */
static inline varve_status
manifest_try_create(manifest_world *world, const vv_manifest_options *options, varve_error *out_err)
{
    vv_manifest_database database = {.precision = VARVE_PRECISION_MS,
                                     .duplicates = VARVE_DUPLICATES_ALL,
                                     .row_ids = VARVE_ROW_IDS_OFF};
    vv_manifest_edit first = {
        .database = &database, .next_file_id = 1, .next_sequence = 1, .log_start = 1};
    return vv_manifest_create(&world->env, options, &first, &world->manifest, out_err);
}

static inline void manifest_create(manifest_world *world)
{
    varve_error err;
    vv_manifest_options options = manifest_options();
    check_ok(manifest_try_create(world, &options, &err), &err);
}

static inline vv_manifest_segment manifest_segment(uint64_t id)
{
    return (vv_manifest_segment){.id = id,
                                 .level = (uint32_t)(id % 4),
                                 .bytes = id * 1000,
                                 .rows = id * 10,
                                 .series = id,
                                 .vectors = id + 1,
                                 .first_time = -(int64_t)id,
                                 .last_time = (int64_t)id * 100,
                                 .first_sequence = id * 10,
                                 .last_sequence = id * 10 + 9,
                                 .digest = {id * 3, id * 5}};
}

/* Edit number n of the scripted workload: adds segment n, every fourth drops the three before. */
static inline varve_status manifest_try_step(manifest_world *world, uint64_t n,
                                             varve_error *out_err)
{
    vv_manifest_segment added = manifest_segment(n);
    vv_manifest_tombstone tombstone = {.id = 1000000 + n, .sequence = n * 7};
    uint64_t drop[3] = {n - 1, n - 3, n - 2}; /* in no order */
    uint64_t drop_tombstones[1] = {1000000 + n - 4};
    vv_manifest_policy policy = {.metric = VARVE_STR("cpu"),
                                 .duplicates = VARVE_DUPLICATES_ALL,
                                 .row_ids = n % 2 == 0 ? VARVE_ROW_IDS_ON : VARVE_ROW_IDS_OFF};
    vv_manifest_edit edit = {.add = &added,
                             .add_count = 1,
                             .add_tombstones = &tombstone,
                             .add_tombstone_count = n % 4 == 0 ? 1 : 0,
                             .drop = drop,
                             .drop_count = n % 4 == 0 ? 3 : 0,
                             .drop_tombstones = drop_tombstones,
                             .drop_tombstone_count = n % 4 == 0 && n > 4 ? 1 : 0,
                             .policies = &policy,
                             .policy_count = n % 3 == 0 ? 1 : 0,
                             .flush_lsn = n * 100,
                             .durable_lsn = n * 100 + 5,
                             .log_start = 1 + n / 5,
                             .next_file_id = n + 1,
                             .next_sequence = n * 1000};
    return vv_manifest_append(world->manifest, &edit, out_err);
}

/* The state is what the first n steps make. */
static inline bool manifest_is_state_of(const vv_manifest_state *state, uint64_t n)
{
    uint64_t kept = n % 4;   /* single segments since the last merge */
    uint64_t merged = n / 4; /* segments 4, 8, ... stay */
    bool is_right = state->edit_seq == n + 1 && state->flush_lsn == n * 100 &&
                    state->segments.count == kept + merged &&
                    state->tombstones.count == (n >= 4 ? 1u : 0u) &&
                    state->policies.count == (n >= 3 ? 1u : 0u) &&
                    state->database.precision == VARVE_PRECISION_MS && state->next_file_id == n + 1;
    for (uint64_t id = 1; is_right && id <= n; ++id) {
        bool is_there = id % 4 == 0 || id > n - kept;
        const vv_manifest_segment *found = vv_manifest_find_segment(state, id);
        vv_manifest_segment wanted = manifest_segment(id);
        is_right =
            is_there ? found != NULL && memcmp(found, &wanted, sizeof wanted) == 0 : found == NULL;
    }
    return is_right;
}

#endif
