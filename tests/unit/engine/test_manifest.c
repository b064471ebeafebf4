/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest as it is written: M1 to M5 of engine/manifest.h, cuts at every call, failing calls.
 */
#include <errno.h>

#include "engine/manifest_priv.h"
#include "manifest_support.h"

static size_t manifest_count_files(manifest_world *world)
{
    vv_dir_list list;
    varve_error err;
    check_ok(vv_vfs_list(world->env.vfs, manifest_memory(), "/manifest", &list, &err), &err);
    size_t count = list.count;
    vv_dir_list_deinit(&list);
    return count;
}

static void manifest_reopen_world(manifest_world *world, const vv_manifest_options *options,
                                  vv_manifest_found *out_found)
{
    varve_error err;
    vv_manifest_close(world->manifest);
    check_ok(vv_manifest_open(&world->env, options, &world->manifest, out_found, &err), &err);
}

static void manifest_keeps_what_was_appended(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    for (uint64_t n = 1; n <= 50; ++n) {
        check_ok(manifest_try_step(&world, n, &err), &err);
        assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), n));
    }
    vv_manifest_options options = manifest_options();
    vv_manifest_found found;
    manifest_reopen_world(&world, &options, &found);
    assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), 50));
    assert_int_equal(1, found.file_seq);
    assert_int_equal(0, found.torn_bytes);
    const vv_manifest_state *folded = vv_manifest_get_state(world.manifest);
    assert_int_equal(5005, folded->durable_lsn);
    assert_int_equal(11, folded->log_start);
    assert_int_equal(50000, folded->next_sequence);
    assert_int_equal(VARVE_DUPLICATES_ALL, folded->database.duplicates);
    manifest_world_deinit(&world);
}

/* An edit is one record: a larger one is refused, and the manifest goes on. */
static void an_edit_above_the_limit_of_a_record_is_refused(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    size_t size = VV_FRAME_PAYLOAD_BYTES_MAX; /* of a section; with its head, too much */
    uint8_t *bytes = calloc(1, size + 1);
    assert_non_null(bytes);
    vv_manifest_database database = {.precision = VARVE_PRECISION_MS,
                                     .duplicates = VARVE_DUPLICATES_ALL,
                                     .row_ids = VARVE_ROW_IDS_OFF};
    vv_manifest_edit edit = {.database = &database,
                             .next_file_id = 1,
                             .next_sequence = 1,
                             .log_start = 1,
                             .rollups = vv_bytes_make(bytes, size)};
    vv_manifest_options options = manifest_options();
    check_status(VARVE_E_LIMIT,
                 vv_manifest_create(&world.env, &options, &edit, &world.manifest, &err));
    assert_null(world.manifest);
    manifest_create(&world);
    edit.database = NULL;
    check_status(VARVE_E_LIMIT, vv_manifest_append(world.manifest, &edit, &err));
    edit.rollups = vv_bytes_make(bytes, size + 1);
    check_status(VARVE_E_LIMIT, vv_manifest_append(world.manifest, &edit, &err));
    free(bytes);
    for (uint64_t n = 1; n <= 3; ++n) {
        check_ok(manifest_try_step(&world, n, &err), &err);
    }
    vv_manifest_found found;
    manifest_reopen_world(&world, &options, &found);
    assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), 3));
    manifest_world_deinit(&world);
}

/* Whatever an edit says byte by byte: it is read, or refused as damage or as newer. */
static void every_changed_byte_of_an_edit_is_read_or_refused(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_buf payload;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&payload, &alloc, SIZE_MAX);
    vv_manifest_segment segments[] = {manifest_segment(4), manifest_segment(9)};
    uint64_t ids[] = {1, 2, 300};
    vv_manifest_tombstone tombstones[] = {{.id = 7, .sequence = 70}, {.id = 8, .sequence = 80}};
    vv_manifest_policy policies[] = {{.metric = VV_TEXT("cpu"),
                                      .duplicates = VARVE_DUPLICATES_LAST,
                                      .row_ids = VARVE_ROW_IDS_OFF},
                                     {.metric = VV_TEXT("mem"),
                                      .duplicates = VARVE_DUPLICATES_ALL,
                                      .row_ids = VARVE_ROW_IDS_ON}};
    vv_manifest_database database = {.precision = VARVE_PRECISION_MS,
                                     .duplicates = VARVE_DUPLICATES_ALL,
                                     .row_ids = VARVE_ROW_IDS_OFF};
    vv_retention_entry retention[] = {
        {.metric = VV_TEXT("cpu"), .recorded = 5},
        {.metric = VV_TEXT("mem"), .has_rule = true, .window = 100, .recorded = 5}};
    vv_manifest_edit edit = {.add = segments,
                             .add_count = 2,
                             .drop = ids,
                             .drop_count = 3,
                             .add_tombstones = tombstones,
                             .add_tombstone_count = 2,
                             .drop_tombstones = ids,
                             .drop_tombstone_count = 3,
                             .policies = policies,
                             .policy_count = 2,
                             .retention = retention,
                             .retention_count = 2,
                             .has_reference = true,
                             .reference = 77,
                             .add_rings = ids,
                             .add_ring_count = 2,
                             .drop_rings = ids + 2,
                             .drop_ring_count = 1,
                             .warm_path = VV_TEXT("/warm"),
                             .database = &database,
                             .flush_lsn = 1,
                             .durable_lsn = 2,
                             .set_flags = 1};
    check_ok(vv_manifest_encode(&edit, &payload, &err), &err);
    uint64_t refused = 0;
    for (size_t at = 0; at < payload.size; ++at) {
        uint8_t before = payload.data[at];
        for (unsigned byte = 0; byte < 256; ++byte) {
            vv_arena arena;
            vv_arena texts;
            vv_manifest_edit read;
            vv_arena_init(&arena, &alloc, 1 << 20);
            vv_arena_init(&texts, &alloc, 1 << 20);
            payload.data[at] = (uint8_t)byte;
            varve_status status =
                vv_manifest_decode(vv_buf_bytes(&payload), &arena, &texts, &read, &err);
            assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT ||
                        status == VARVE_E_UNSUPPORTED || status == VARVE_E_LIMIT);
            assert_true(byte != before || status == VARVE_OK);
            refused += status == VARVE_OK ? 0 : 1;
            vv_arena_deinit(&texts);
            vv_arena_deinit(&arena);
        }
        payload.data[at] = before;
    }
    assert_true(refused > payload.size);
    vv_buf_deinit(&payload);
    assert_int_equal(0, vv_alloc_bytes(&alloc));
}

static void opening_writes_nothing_and_the_first_edit_begins_a_new_file(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    check_ok(manifest_try_step(&world, 1, &err), &err);
    vv_manifest_options options = manifest_options();
    manifest_reopen_world(&world, &options, NULL);
    assert_int_equal(1, manifest_count_files(&world));
    check_ok(manifest_try_step(&world, 2, &err), &err);
    assert_int_equal(2, manifest_count_files(&world)); /* the one before is kept */
    check_ok(manifest_try_step(&world, 3, &err), &err);
    assert_int_equal(2, manifest_count_files(&world));
    vv_manifest_found found;
    manifest_reopen_world(&world, &options, &found);
    assert_int_equal(2, found.file_seq);
    check_ok(manifest_try_step(&world, 4, &err), &err);
    assert_int_equal(2, manifest_count_files(&world)); /* 2 and 3: 1 is gone */
    manifest_reopen_world(&world, &options, &found);
    assert_int_equal(3, found.file_seq);
    assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), 4));
    manifest_world_deinit(&world);
}

static void files_are_begun_anew_at_both_limits(void **state)
{
    (void)state;
    for (int by_bytes = 0; by_bytes < 2; ++by_bytes) {
        manifest_world world;
        varve_error err;
        manifest_world_init(&world, NULL);
        vv_manifest_options options = manifest_options();
        options.rotate_bytes = by_bytes == 1 ? 5000 : 0;
        options.rotate_edits = by_bytes == 1 ? 0 : 4;
        check_ok(manifest_try_create(&world, &options, &err), &err);
        for (uint64_t n = 1; n <= 60; ++n) {
            check_ok(manifest_try_step(&world, n, &err), &err);
            assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), n));
            assert_in_range(manifest_count_files(&world), 1, 2);
        }
        vv_manifest_found found;
        manifest_reopen_world(&world, &options, &found);
        assert_true(found.file_seq >= 5);
        assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), 60));
        manifest_world_deinit(&world);
    }
}

static void rotating_on_request_changes_nothing_but_the_file(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    check_ok(manifest_try_step(&world, 1, &err), &err);
    check_ok(vv_manifest_rotate(world.manifest, &err), &err);
    check_ok(vv_manifest_rotate(world.manifest, &err), &err);
    vv_manifest_options options = manifest_options();
    vv_manifest_found found;
    manifest_reopen_world(&world, &options, &found);
    assert_int_equal(3, found.file_seq);
    assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), 1));
    manifest_world_deinit(&world);
}

/* ---- contradictions ------------------------------------------------------------------------- */

static void an_edit_that_contradicts_the_state_has_no_effect(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    for (uint64_t n = 1; n <= 5; ++n) {
        check_ok(manifest_try_step(&world, n, &err), &err);
    }
    vv_manifest_segment there = manifest_segment(5);
    vv_manifest_segment fresh[2] = {manifest_segment(6), manifest_segment(6)};
    vv_manifest_tombstone tombstone = {.id = 1000004, .sequence = 1};
    uint64_t gone = 2;
    uint64_t twice[2] = {4, 4};
    vv_manifest_policy nameless = {.duplicates = 1};
    vv_manifest_database odd = {.precision = 99};
    const vv_manifest_edit edits[] = {{.add = &there, .add_count = 1},
                                      {.add = fresh, .add_count = 2},
                                      {.drop = &gone, .drop_count = 1},
                                      {.drop = twice, .drop_count = 2},
                                      {.add_tombstones = &tombstone, .add_tombstone_count = 1},
                                      {.drop_tombstones = &gone, .drop_tombstone_count = 1},
                                      {.flush_lsn = 499},
                                      {.durable_lsn = 504},
                                      {.log_start = 1},
                                      {.next_file_id = 5},
                                      {.next_sequence = 4999},
                                      {.flush_lsn = 506}, /* above durable_lsn */
                                      {.policies = &nameless, .policy_count = 1},
                                      {.database = &odd}};
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; ++i) {
        check_status(VARVE_E_INVALID, vv_manifest_append(world.manifest, &edits[i], &err));
        assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), 5));
    }
    /* Dropped and added in one edit is fine. */
    uint64_t five = 5;
    vv_manifest_edit replaced = {.add = &there, .add_count = 1, .drop = &five, .drop_count = 1};
    check_ok(vv_manifest_append(world.manifest, &replaced, &err), &err);
    check_ok(manifest_try_step(&world, 6, &err), &err);
    manifest_world_deinit(&world);
}

static void lists_in_any_order_end_sorted(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    static const uint64_t orders[][3] = {{50, 30, 40}, {10, 60, 35}, {33, 20, 70}};
    for (size_t i = 0; i < 3; ++i) {
        vv_manifest_segment segments[3];
        vv_manifest_tombstone tombstones[3];
        for (size_t k = 0; k < 3; ++k) {
            segments[k] = manifest_segment(orders[i][k]);
            tombstones[k] = (vv_manifest_tombstone){.id = orders[i][k] + 100, .sequence = k};
        }
        vv_manifest_edit edit = {.add = segments,
                                 .add_count = 3,
                                 .add_tombstones = tombstones,
                                 .add_tombstone_count = 3};
        check_ok(vv_manifest_append(world.manifest, &edit, &err), &err);
    }
    static const uint64_t sorted[] = {10, 20, 30, 33, 35, 40, 50, 60, 70};
    vv_manifest_options options = manifest_options();
    for (int round = 0; round < 2; ++round) {
        const vv_manifest_state *folded = vv_manifest_get_state(world.manifest);
        assert_int_equal(9, folded->segments.count);
        assert_int_equal(9, folded->tombstones.count);
        for (size_t i = 0; i < 9; ++i) {
            vv_manifest_segment wanted = manifest_segment(sorted[i]);
            assert_memory_equal(&wanted, VV_VEC_AT(&folded->segments, vv_manifest_segment, i),
                                sizeof wanted);
            assert_int_equal(sorted[i] + 100,
                             VV_VEC_AT(&folded->tombstones, vv_manifest_tombstone, i)->id);
        }
        assert_null(vv_manifest_find_segment(folded, 34));
        assert_null(vv_manifest_find_segment(folded, 71));
        manifest_reopen_world(&world, &options, NULL);
    }
    manifest_world_deinit(&world);
}

static void policies_are_set_and_removed(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    char names[3][8] = {"mem", "cpu", "disk"};
    for (int i = 0; i < 3; ++i) {
        vv_manifest_policy policy = {.metric = {names[i], strlen(names[i])},
                                     .duplicates = VARVE_DUPLICATES_ALL,
                                     .row_ids = VARVE_ROW_IDS_ON};
        vv_manifest_edit edit = {.policies = &policy, .policy_count = 1};
        check_ok(vv_manifest_append(world.manifest, &edit, &err), &err);
    }
    memset(names, 'x', sizeof names); /* the manifest keeps its own copies */
    vv_manifest_policy changes[2] = {
        {.metric = VARVE_STR("disk")},
        {.metric = VARVE_STR("cpu"), .duplicates = VARVE_DUPLICATES_LAST}};
    vv_manifest_edit edit = {
        .policies = changes, .policy_count = 2, .set_flags = VV_MANIFEST_LOG_HOLES};
    check_ok(vv_manifest_append(world.manifest, &edit, &err), &err);
    /* Half of a policy of its own, and the removal of none. */
    vv_manifest_policy more[2] = {{.metric = VARVE_STR("mem"), .row_ids = VARVE_ROW_IDS_ON},
                                  {.metric = VARVE_STR("never")}};
    edit = (vv_manifest_edit){.policies = more, .policy_count = 2};
    check_ok(vv_manifest_append(world.manifest, &edit, &err), &err);
    vv_manifest_options options = manifest_options();
    for (int round = 0; round < 3; ++round) { /* in memory, from edits, from a snapshot */
        const vv_manifest_state *folded = vv_manifest_get_state(world.manifest);
        assert_int_equal(2, folded->policies.count);
        const vv_manifest_policy *cpu = VV_VEC_AT(&folded->policies, vv_manifest_policy, 0);
        const vv_manifest_policy *mem = VV_VEC_AT(&folded->policies, vv_manifest_policy, 1);
        assert_true(vv_text_equal(VV_TEXT("cpu"), cpu->metric));
        assert_int_equal(VARVE_DUPLICATES_LAST, cpu->duplicates);
        assert_int_equal(VARVE_ROW_IDS_STORED, cpu->row_ids);
        assert_true(vv_text_equal(VV_TEXT("mem"), mem->metric));
        assert_int_equal(VARVE_ROW_IDS_ON, mem->row_ids);
        assert_int_equal(VARVE_DUPLICATES_STORED, mem->duplicates);
        assert_int_equal(VV_MANIFEST_LOG_HOLES, folded->flags);
        manifest_reopen_world(&world, &options, NULL);
        check_ok(vv_manifest_rotate(world.manifest, &err), &err);
    }
    vv_manifest_edit acknowledged = {.clear_flags = VV_MANIFEST_LOG_HOLES};
    check_ok(vv_manifest_append(world.manifest, &acknowledged, &err), &err);
    assert_int_equal(0, vv_manifest_get_state(world.manifest)->flags);
    manifest_world_deinit(&world);
}

static void rings_are_added_exchanged_and_dropped(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    const uint64_t first[3] = {30, 10, 20};
    const uint64_t twenty = 20;
    const uint64_t forty = 40;
    vv_manifest_edit add = {.add_rings = first, .add_ring_count = 3};
    vv_manifest_edit exchange = {
        .add_rings = &forty, .add_ring_count = 1, .drop_rings = &twenty, .drop_ring_count = 1};
    check_ok(vv_manifest_append(world.manifest, &add, &err), &err);
    check_ok(vv_manifest_append(world.manifest, &exchange, &err), &err);
    check_status(VARVE_E_INVALID, vv_manifest_append(world.manifest, &exchange, &err));
    vv_manifest_edit again = {.add_rings = &forty, .add_ring_count = 1};
    check_status(VARVE_E_INVALID, vv_manifest_append(world.manifest, &again, &err));
    vv_manifest_options options = manifest_options();
    for (int round = 0; round < 3; ++round) { /* in memory, from edits, from a snapshot */
        const vv_manifest_state *folded = vv_manifest_get_state(world.manifest);
        assert_int_equal(3, folded->rings.count);
        assert_int_equal(10, *VV_VEC_AT(&folded->rings, uint64_t, 0));
        assert_int_equal(30, *VV_VEC_AT(&folded->rings, uint64_t, 1));
        assert_int_equal(40, *VV_VEC_AT(&folded->rings, uint64_t, 2));
        manifest_reopen_world(&world, &options, NULL);
        check_ok(vv_manifest_rotate(world.manifest, &err), &err);
    }
    manifest_world_deinit(&world);
}

/* ---- failures ------------------------------------------------------------------------------- */

static void after_a_failed_sync_no_edit_is_taken(void **state)
{
    (void)state;
    for (int mode = VV_SIM_PAGES_DIRTY; mode <= VV_SIM_PAGES_REVERTED; ++mode) {
        manifest_world world;
        varve_error err;
        manifest_world_init(&world, NULL);
        manifest_create(&world);
        check_ok(manifest_try_step(&world, 1, &err), &err);
        vv_sim_sync_fault fault = {.site = VV_SITE_MANIFEST_EDIT,
                                   .first_sync = 1,
                                   /* Whatever the reason: a full disk is no better one here. */
                                   .os_errno = mode == VV_SIM_PAGES_CLEAN ? ENOSPC : EIO,
                                   .mode = (vv_sim_fsync_fail_mode)mode};
        vv_sim_set_sync_fault(world.sim, &fault);
        check_status(VARVE_E_IO, manifest_try_step(&world, 2, &err));
        check_status(VARVE_E_IO, err.status);
        assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), 1));
        assert_true(vv_manifest_has_failed(world.manifest));
        check_status(VARVE_E_FENCED, manifest_try_step(&world, 2, &err));
        check_status(VARVE_E_FENCED, vv_manifest_rotate(world.manifest, &err));
        /* The next open reads what is there, and makes it durable before it builds on it. */
        vv_manifest_options options = manifest_options();
        manifest_reopen_world(&world, &options, NULL);
        uint64_t steps = vv_manifest_get_state(world.manifest)->edit_seq - 1;
        assert_in_range(steps, 1, 2);
        check_ok(manifest_try_step(&world, steps + 1, &err), &err);
        vv_sim_point *point = vv_sim_capture(world.sim);
        vv_sim_cut cut = {.model = VV_SIM_CUT_NONE};
        vv_sim_image *image = vv_sim_power_cut(point, &cut);
        manifest_world after;
        manifest_world_init(&after, image);
        check_ok(vv_manifest_open(&after.env, &options, &after.manifest, NULL, &err), &err);
        assert_true(manifest_is_state_of(vv_manifest_get_state(after.manifest), steps + 1));
        manifest_world_deinit(&after);
        vv_sim_image_free(image);
        vv_sim_point_free(point);
        manifest_world_deinit(&world);
    }
}

static void a_full_disk_has_no_effect_and_passes(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    vv_manifest_options options = manifest_options();
    options.rotate_edits = 5;
    check_ok(manifest_try_create(&world, &options, &err), &err);
    uint64_t n = 1;
    uint64_t refused = 0;
    for (int round = 0; round < 40; ++round) {
        vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + (uint64_t)round * 64);
        varve_status status = manifest_try_step(&world, n, &err);
        if (status == VARVE_OK) {
            n += 1;
            continue;
        }
        refused += 1;
        check_status(VARVE_E_NOSPACE, status);
        assert_false(vv_manifest_has_failed(world.manifest));
        assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), n - 1));
        vv_manifest_state state_read;
        vv_manifest_state_init(&state_read, &world.alloc);
        check_ok(vv_manifest_load(&world.env, &options, &state_read, NULL, &err), &err);
        assert_true(manifest_is_state_of(&state_read, n - 1));
        vv_manifest_state_deinit(&state_read);
        vv_sim_set_capacity(world.sim, vv_sim_used_bytes(world.sim) + 1000000);
        check_ok(manifest_try_step(&world, n, &err), &err);
        n += 1;
    }
    assert_true(refused > 3);
    manifest_reopen_world(&world, &options, NULL);
    assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), n - 1));
    manifest_world_deinit(&world);
}

/* Creates, appends, reopens, appends; answers how many steps returned OK. */
static varve_status manifest_run_script(manifest_world *world, uint64_t *steps, varve_error *err)
{
    vv_manifest_options options = manifest_options();
    options.rotate_edits = 4;
    varve_status status = manifest_try_create(world, &options, err);
    for (uint64_t n = 1; n <= 7 && status == VARVE_OK; ++n) {
        status = manifest_try_step(world, n, err);
        *steps += status == VARVE_OK ? 1 : 0;
    }
    if (status == VARVE_OK) {
        vv_manifest_close(world->manifest);
        world->manifest = NULL;
        status = vv_manifest_open(&world->env, &options, &world->manifest, NULL, err);
    }
    for (uint64_t n = 8; n <= 14 && status == VARVE_OK; ++n) {
        status = manifest_try_step(world, n, err);
        *steps += status == VARVE_OK ? 1 : 0;
    }
    return status;
}

static void a_leftover_that_cannot_be_removed_is_told(void **state)
{
    (void)state;
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    manifest_put_file(&world, "/tmp/00000000000000000002.vmf.part", "x", 1);
    vv_manifest_options options = manifest_options();
    vv_fault *fault = manifest_add_faults(&world);
    manifest_reopen_world(&world, &options, NULL);
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_UNLINK),
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EACCES};
    (void)vv_fault_add(fault, &rule);
    check_status(VARVE_E_IO, vv_manifest_rotate(world.manifest, &err));
    assert_non_null(strstr(err.message, "/tmp/00000000000000000002.vmf.part"));
    assert_false(vv_manifest_has_failed(world.manifest));
    check_ok(vv_manifest_rotate(world.manifest, &err), &err); /* it could be, by now */
    assert_int_equal(2, manifest_count_files(&world));
    manifest_world_deinit(&world);
}

static void every_failing_call_and_allocation_is_an_answer(void **state)
{
    (void)state;
    static const int errnos[] = {EIO, ENOSPC, EMFILE, 0 /* an allocation */};
    for (size_t kind = 0; kind < 4; ++kind) {
        bool is_over = false;
        for (uint64_t n = 1; !is_over; ++n) {
            manifest_world world;
            varve_error err;
            manifest_world_init(&world, NULL);
            vv_fault *fault = manifest_add_faults(&world);
            vv_fault_rule rule = {.first_call = errnos[kind] != 0 ? n : 0,
                                  .call_count = 1,
                                  .kind = VV_FAULT_ERRNO,
                                  .os_errno = errnos[kind],
                                  .is_done_first = n % 2 == 1};
            size_t number = vv_fault_add(fault, &rule);
            failing_alloc_plan(&world.failing, errnos[kind] == 0 ? n : 0, true);
            uint64_t steps = 0;
            varve_status status = manifest_run_script(&world, &steps, &err);
            is_over = errnos[kind] != 0 ? vv_fault_fired(fault, number) == 0
                                        : atomic_load(&world.failing.failures) == 0;
            vv_fault_clear(fault);
            failing_alloc_plan(&world.failing, 0, true);
            assert_true(!is_over || status == VARVE_OK);
            vv_manifest_close(world.manifest);
            world.manifest = NULL;
            assert_int_equal(0, vv_fault_open_files(fault));
            vv_manifest_options options = manifest_options();
            varve_status opened =
                vv_manifest_open(&world.env, &options, &world.manifest, NULL, &err);
            if (steps > 0) {
                check_ok(opened, &err);
                uint64_t found = vv_manifest_get_state(world.manifest)->edit_seq - 1;
                /* An edit whose answer was a failure may be there. */
                assert_in_range(found, steps, steps + 1);
                assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), found));
                check_ok(manifest_try_step(&world, found + 1, &err), &err);
            } else {
                assert_true(opened == VARVE_OK || opened == VARVE_E_NOT_FOUND);
            }
            manifest_world_deinit(&world);
        }
    }
}

/* ---- power cuts ----------------------------------------------------------------------------- */

#define POINTS_MAX 400

typedef struct manifest_cut_run {
    manifest_world world;
    vv_sim_point *points[POINTS_MAX];
    uint64_t steps_by_then[POINTS_MAX];
    size_t count;
    uint64_t steps;
    uint64_t states;
    uint64_t violations;
} manifest_cut_run;

static void manifest_cut_hook(void *context, uint64_t call, vv_vfs_op op, const char *path,
                              vv_sync_site site)
{
    manifest_cut_run *run = context;
    (void)call;
    (void)op;
    (void)path;
    (void)site;
    assert_true(run->count < POINTS_MAX);
    run->points[run->count] = vv_sim_capture(run->world.sim);
    run->steps_by_then[run->count] = run->steps;
    run->count += 1;
}

/* After a cut: all acknowledged edits, at most one more; and the same again after going on. */
static bool manifest_image_is_right(const vv_sim_image *image, uint64_t steps)
{
    manifest_world world;
    varve_error err;
    manifest_world_init(&world, image);
    vv_manifest_options options = manifest_options();
    options.rotate_edits = 4;
    varve_status status = vv_manifest_open(&world.env, &options, &world.manifest, NULL, &err);
    bool is_right = status == VARVE_OK || (status == VARVE_E_NOT_FOUND && steps == 0);
    if (status == VARVE_OK) {
        uint64_t found = vv_manifest_get_state(world.manifest)->edit_seq - 1;
        is_right = found >= steps && found <= steps + 1 &&
                   manifest_is_state_of(vv_manifest_get_state(world.manifest), found) &&
                   manifest_try_step(&world, found + 1, &err) == VARVE_OK;
        vv_sim_point *point = vv_sim_capture(world.sim);
        vv_sim_cut cut = {.model = VV_SIM_CUT_NONE};
        vv_sim_image *second = vv_sim_power_cut(point, &cut);
        manifest_world after;
        manifest_world_init(&after, second);
        is_right =
            is_right &&
            vv_manifest_open(&after.env, &options, &after.manifest, NULL, &err) == VARVE_OK &&
            manifest_is_state_of(vv_manifest_get_state(after.manifest), found + 1);
        manifest_world_deinit(&after);
        vv_sim_image_free(second);
        vv_sim_point_free(point);
    }
    manifest_world_deinit(&world);
    return is_right;
}

static void manifest_cut_everywhere(manifest_cut_run *run, vv_sync_site ignored)
{
    varve_error err;
    *run = (manifest_cut_run){0};
    manifest_world_init(&run->world, NULL);
    if (ignored < VV_SYNC_SITE_COUNT) {
        vv_sim_ignore_site(run->world.sim, ignored, true);
    }
    vv_sim_set_hook(run->world.sim, manifest_cut_hook, run);
    check_ok(manifest_run_script(&run->world, &run->steps, &err), &err);
    vv_sim_set_hook(run->world.sim, NULL, NULL);
    for (size_t i = 0; i < run->count; ++i) {
        size_t images = vv_sim_image_count(run->points[i]);
        for (size_t k = 0; k < images; ++k) {
            vv_sim_image *image = vv_sim_image_make(run->points[i], k, 9);
            if (image != NULL) {
                run->states += 1;
                run->violations += manifest_image_is_right(image, run->steps_by_then[i]) ? 0 : 1;
                vv_sim_image_free(image);
            }
        }
        vv_sim_point_free(run->points[i]);
    }
    manifest_world_deinit(&run->world);
}

static void a_cut_at_any_call_keeps_every_edit(void **state)
{
    (void)state;
    manifest_cut_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    manifest_cut_everywhere(run, VV_SYNC_SITE_COUNT);
    print_message("crash states: %llu at %llu points\n", (unsigned long long)run->states,
                  (unsigned long long)run->count);
    assert_int_equal(0, run->violations);
    assert_true(run->states > 200);
    free(run);
}

static void every_sync_of_the_manifest_is_needed(void **state)
{
    (void)state;
    static const vv_sync_site sites[] = {VV_SITE_MANIFEST_EDIT, VV_SITE_MANIFEST_CREATE,
                                         VV_SITE_MANIFEST_DIR};
    for (size_t i = 0; i < sizeof sites / sizeof sites[0]; ++i) {
        manifest_cut_run *run = calloc(1, sizeof *run);
        assert_non_null(run);
        manifest_cut_everywhere(run, sites[i]);
        if (run->violations == 0) {
            print_error("%s: nothing was lost without it\n", vv_sync_site_get(sites[i])->name);
        }
        assert_true(run->violations > 0);
        free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        manifest_test(manifest_keeps_what_was_appended),
        manifest_test(an_edit_above_the_limit_of_a_record_is_refused),
        manifest_test(every_changed_byte_of_an_edit_is_read_or_refused),
        manifest_test(opening_writes_nothing_and_the_first_edit_begins_a_new_file),
        manifest_test(files_are_begun_anew_at_both_limits),
        manifest_test(rotating_on_request_changes_nothing_but_the_file),
        manifest_test(an_edit_that_contradicts_the_state_has_no_effect),
        manifest_test(lists_in_any_order_end_sorted),
        manifest_test(policies_are_set_and_removed),
        manifest_test(rings_are_added_exchanged_and_dropped),
        manifest_test(after_a_failed_sync_no_edit_is_taken),
        manifest_test(a_full_disk_has_no_effect_and_passes),
        manifest_test(a_leftover_that_cannot_be_removed_is_told),
        manifest_test(every_failing_call_and_allocation_is_an_answer),
        manifest_test(a_cut_at_any_call_keeps_every_edit),
        manifest_test(every_sync_of_the_manifest_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
