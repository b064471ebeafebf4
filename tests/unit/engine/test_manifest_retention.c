/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/manifest_retention.c: U1 to U3. */
#include "manifest_support.h"

#include "engine/manifest_priv.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        manifest_test(retention_is_folded_and_read_back),
        manifest_test(an_edit_may_not_let_a_cut_fall),
        manifest_test(entries_out_of_order_are_refused),
        manifest_test(the_reference_of_a_snapshot_comes_back),
        manifest_test(every_failing_allocation_leaves_the_state_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
