/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest: what an edit promises (M1 to M5 of engine/manifest.h), and damage. */
#include <errno.h>

#include "base/text.h"
#include "manifest_support.h"
#include "wal/frame.h"

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
    vv_manifest_close(world.manifest);
    vv_manifest_options options = manifest_options();
    vv_manifest_found found;
    check_ok(vv_manifest_open(&world.env, &options, &world.manifest, &found, &err), &err);
    assert_true(manifest_is_state_of(vv_manifest_get_state(world.manifest), 50));
    assert_int_equal(1, found.file_seq);
    assert_int_equal(0, found.torn_bytes);
    manifest_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_keeps_what_was_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
