/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/manifest_retention.c, U1 to U3, and engine/manifest_tiers.c, O1. */
#include "manifest_support.h"

#include "engine/manifest_priv.h"
#include "engine/rollup_set.h"
#include "engine/tier.h"

static varve_status append(manifest_world *world, const vv_retention_entry *entries, size_t count,
                           varve_error *err)
{
    vv_manifest_edit edit = {.retention = entries, .retention_count = count};
    return vv_manifest_append(world->manifest, &edit, err);
}

static void check_state(const vv_manifest_state *state)
{
    assert_int_equal(3, state->retention.count);
    const vv_retention_entry *database = vv_manifest_find_retention(state, VV_TEXT(""));
    const vv_retention_entry *cpu = vv_manifest_find_retention(state, VV_TEXT("cpu"));
    const vv_retention_entry *disk = vv_manifest_find_retention(state, VV_TEXT("disk"));
    assert_true(database != NULL && database->window == 30 && database->is_enforced);
    assert_true(database->recorded == 12);
    assert_true(cpu != NULL && cpu->has_rule && cpu->window == 9 && cpu->recorded == 5);
    assert_true(disk != NULL && !disk->has_rule && disk->recorded == -3);
    assert_null(vv_manifest_find_retention(state, VV_TEXT("dis")));
}

static void retention_is_folded_and_read_back(void **state)
{
    (void)state;
    varve_error err;
    manifest_world world;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    vv_retention_entry first[] = {{.metric = VV_TEXT(""),
                                   .has_rule = true,
                                   .is_enforced = true,
                                   .window = 20,
                                   .recorded = 10},
                                  {.metric = VV_TEXT("disk"), .recorded = -3}};
    vv_retention_entry second[] = {
        {.metric = VV_TEXT(""),
         .has_rule = true,
         .is_enforced = true,
         .window = 30,
         .recorded = 12},
        {.metric = VV_TEXT("cpu"), .has_rule = true, .window = 9, .recorded = 5}};
    check_ok(append(&world, first, 2, &err), &err);
    check_ok(append(&world, second, 2, &err), &err);
    check_state(vv_manifest_get_state(world.manifest));
    for (int rotated = 0; rotated < 2; rotated++) { /* from edits, then from the snapshot record */
        vv_manifest_options options = manifest_options();
        vv_manifest_close(world.manifest);
        check_ok(vv_manifest_open(&world.env, &options, &world.manifest, NULL, &err), &err);
        check_state(vv_manifest_get_state(world.manifest));
        check_ok(vv_manifest_rotate(world.manifest, &err), &err);
    }
    manifest_world_deinit(&world);
}

static void an_edit_may_not_let_a_cut_fall(void **state)
{
    (void)state;
    varve_error err;
    manifest_world world;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    vv_retention_entry entry = {.metric = VV_TEXT("cpu"), .recorded = 10};
    check_ok(append(&world, &entry, 1, &err), &err);
    entry.recorded = 9;
    check_status(VARVE_E_INVALID, append(&world, &entry, 1, &err));
    assert_non_null(strstr(err.message, "\"cpu\""));
    entry.recorded = VV_RETENTION_NONE;
    check_status(VARVE_E_INVALID, append(&world, &entry, 1, &err));
    entry.recorded = 10;
    check_ok(append(&world, &entry, 1, &err), &err);
    manifest_world_deinit(&world);
}

static void entries_out_of_order_are_refused(void **state)
{
    (void)state;
    varve_error err;
    manifest_world world;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    vv_retention_entry entries[] = {{.metric = VV_TEXT("b"), .recorded = 1},
                                    {.metric = VV_TEXT("a"), .recorded = 1}};
    check_status(VARVE_E_INVALID, append(&world, entries, 2, &err));
    entries[1].metric = VV_TEXT("b");
    check_status(VARVE_E_INVALID, append(&world, entries, 2, &err));
    assert_int_equal(0, vv_manifest_get_state(world.manifest)->retention.count);
    manifest_world_deinit(&world);
}

static void the_reference_of_a_snapshot_comes_back(void **state)
{
    (void)state;
    varve_error err;
    manifest_world world;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    assert_false(vv_manifest_get_state(world.manifest)->has_reference);
    vv_manifest_edit edit = {.has_reference = true, .reference = -77};
    check_ok(vv_manifest_append(world.manifest, &edit, &err), &err);
    vv_manifest_options options = manifest_options();
    vv_manifest_close(world.manifest);
    check_ok(vv_manifest_open(&world.env, &options, &world.manifest, NULL, &err), &err);
    assert_true(vv_manifest_get_state(world.manifest)->has_reference);
    assert_true(vv_manifest_get_state(world.manifest)->reference == -77);
    manifest_world_deinit(&world);
}

static void every_failing_allocation_leaves_the_state_as_it_was(void **state)
{
    (void)state;
    varve_error err;
    vv_retention_entry entry = {.metric = VV_TEXT("cpu"), .has_rule = true, .recorded = 10};
    bool is_done = false;
    for (uint64_t n = 1; !is_done; n++) {
        manifest_world world;
        manifest_world_init(&world, NULL);
        manifest_create(&world);
        failing_alloc_plan(&world.failing, n, true);
        varve_status status = append(&world, &entry, 1, &err);
        failing_alloc_plan(&world.failing, 0, false);
        const vv_retention_entry *found =
            vv_manifest_find_retention(vv_manifest_get_state(world.manifest), VV_TEXT("cpu"));
        is_done = status == VARVE_OK;
        if (is_done) {
            assert_true(found != NULL && found->recorded == 10);
        } else {
            check_status(VARVE_E_NOMEM, status);
            assert_true(found == NULL ||
                        (!found->has_rule && found->recorded == INT64_MIN)); /* U2 */
            check_ok(append(&world, &entry, 1, &err), &err);
        }
        manifest_world_deinit(&world);
    }
}

/* What an edit holds of its own is copied before anything is written. */
static void an_edit_without_memory_for_its_parts_has_no_effect(void **state)
{
    (void)state;
    varve_error err;
    vv_rollup_set *set;
    varve_rollup rollup = {.id = VARVE_STR("hourly"),
                           .metric = VARVE_STR("cpu"),
                           .interval = 3600,
                           .aggregation = VARVE_AGG_AVG};
    check_ok(vv_rollup_set_make(manifest_memory(), &rollup, 1, NULL, &set, &err), &err);
    vv_manifest_edit edit = {.rollups = set->stored, .warm_path = VV_TEXT("/warm")};
    bool is_done = false;
    for (uint64_t n = 1; !is_done; n++) {
        manifest_world world;
        manifest_world_init(&world, NULL);
        manifest_create(&world);
        failing_alloc_plan(&world.failing, n, true);
        varve_status status = vv_manifest_append(world.manifest, &edit, &err);
        is_done = atomic_load(&world.failing.failures) == 0;
        failing_alloc_plan(&world.failing, 0, false);
        check_status(is_done ? VARVE_OK : VARVE_E_NOMEM, status);
        const vv_manifest_state *folded = vv_manifest_get_state(world.manifest);
        if (!is_done) {
            assert_int_equal(0, folded->rollups.size);
            assert_int_equal(0, folded->warm_path.size);
            check_ok(vv_manifest_append(world.manifest, &edit, &err), &err);
        }
        assert_int_equal(set->stored.size, folded->rollups.size);
        assert_memory_equal(set->stored.data, folded->rollups.data, set->stored.size);
        assert_true(vv_text_equal(VV_TEXT("/warm"), folded->warm_path));
        manifest_world_deinit(&world);
    }
    vv_rollup_set_unref(set);
}

/* ---- tiers: manifest_tiers.c ---- */

static void tiers_of_segments_are_folded_and_read_back(void **state)
{
    (void)state;
    varve_error err;
    manifest_world world;
    manifest_world_init(&world, NULL);
    manifest_create(&world);
    vv_manifest_segment segments[3] = {manifest_segment(1), manifest_segment(2),
                                       manifest_segment(3)};
    segments[0].tier = segments[2].tier = VV_TIER_WARM;
    vv_manifest_edit edit = {
        .add = segments, .add_count = 3, .warm_path = VV_TEXT("/warm"), .next_file_id = 4};
    check_ok(vv_manifest_append(world.manifest, &edit, &err), &err);
    uint64_t two = 2;
    segments[1].tier = VV_TIER_WARM; /* moves */
    vv_manifest_edit move = {.add = &segments[1], .add_count = 1, .drop = &two, .drop_count = 1};
    check_ok(vv_manifest_append(world.manifest, &move, &err), &err);
    uint64_t one = 1;
    segments[0].tier = VV_TIER_HOT;
    vv_manifest_edit back = {.add = &segments[0], .add_count = 1, .drop = &one, .drop_count = 1};
    check_ok(vv_manifest_append(world.manifest, &back, &err), &err);
    for (int i = 0; i < 3; i++) {
        const vv_manifest_state *folded = vv_manifest_get_state(world.manifest);
        assert_true(vv_text_equal(folded->warm_path, VV_TEXT("/warm")));
        assert_int_equal(VV_TIER_HOT, vv_manifest_find_segment(folded, 1)->tier);
        assert_int_equal(VV_TIER_WARM, vv_manifest_find_segment(folded, 2)->tier);
        assert_int_equal(VV_TIER_WARM, vv_manifest_find_segment(folded, 3)->tier);
        assert_int_equal(300, vv_manifest_find_segment(folded, 3)->last_time);
        vv_manifest_options options = manifest_options();
        vv_manifest_close(world.manifest);
        check_ok(vv_manifest_open(&world.env, &options, &world.manifest, NULL, &err), &err);
        if (i == 0) {
            check_ok(vv_manifest_rotate(world.manifest, &err), &err);
        }
    }
    manifest_world_deinit(&world);
}

static varve_status decode(const uint8_t *bytes, size_t size, vv_manifest_edit *out_edit,
                           vv_alloc *alloc, vv_arena *arena)
{
    vv_arena_init(arena, alloc, SIZE_MAX);
    return vv_manifest_decode(vv_bytes_make(bytes, size), arena, arena, out_edit, NULL);
}

static void tiers_that_no_writer_makes_are_damage(void **state)
{
    (void)state;
    manifest_world world;
    manifest_world_init(&world, NULL);
    /* An edit that adds segments 5 and 7, and behind it the section of tiers. */
    vv_manifest_segment segments[2] = {manifest_segment(5), manifest_segment(7)};
    vv_manifest_edit edit = {.add = segments, .add_count = 2};
    static const struct {
        uint8_t bytes[8];
        uint8_t size;
        bool is_right;
    } cases[] = {
        {{12, 4, 0, 1, 5, 1}, 6, true},        {{12, 6, 0, 2, 5, 1, 7, 1}, 8, true},
        {{12, 4, 0, 1, 6, 1}, 6, false},       /* not added here */
        {{12, 4, 0, 1, 5, 0}, 6, false},       /* hot ones are not listed */
        {{12, 4, 0, 1, 5, 2}, 6, false},       /* an unknown tier */
        {{12, 6, 0, 2, 7, 1, 5, 1}, 8, false}, /* descending */
        {{12, 6, 0, 2, 5, 1, 5, 1}, 8, false}, {{12, 2, 0, 9}, 4, false},
        {{12, 3, 4, '/', 'w'}, 5, false}, /* the path is cut short */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vv_buf buf;
        vv_arena arena;
        vv_manifest_edit read;
        vv_buf_init(&buf, &world.alloc, SIZE_MAX);
        check_ok(vv_manifest_encode(&edit, &buf, NULL), NULL);
        (void)vv_buf_append(&buf, cases[i].bytes, cases[i].size);
        varve_status status = decode(buf.data, buf.size, &read, &world.alloc, &arena);
        check_status(cases[i].is_right ? VARVE_OK : VARVE_E_CORRUPT, status);
        vv_arena_deinit(&arena);
        vv_buf_deinit(&buf);
    }
    manifest_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        manifest_test(retention_is_folded_and_read_back),
        manifest_test(an_edit_may_not_let_a_cut_fall),
        manifest_test(entries_out_of_order_are_refused),
        manifest_test(the_reference_of_a_snapshot_comes_back),
        manifest_test(tiers_of_segments_are_folded_and_read_back),
        manifest_test(tiers_that_no_writer_makes_are_damage),
        manifest_test(every_failing_allocation_leaves_the_state_as_it_was),
        manifest_test(an_edit_without_memory_for_its_parts_has_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
