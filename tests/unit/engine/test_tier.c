/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises of the warm tier (engine/tier.h), under a clock that stands until it is moved. Times are
 * seconds.
 */
#include <errno.h>
#include <string.h>

#include "base/slice.h"
#include "engine/db.h"
#include "engine/ident.h"
#include "support/check.h"
#include "support/clocked_fixture.h"
#include "support/dump.h"
#include "sys/vfs_sim.h"

enum { NOW = 10000 };

typedef clocked_fixture world;

static void world_init(world *w)
{
    clocked_fixture_create(w, NOW * VV_NS_PER_S);
    w->f.options.precision = VARVE_PRECISION_S;
    w->f.options.warm_path = VARVE_STR("/warm");
    w->f.options.merge_fan_in = 100;
    engine_fixture_open(&w->f);
}

static void keep_hot(world *w, const char *metric, int64_t hot_window)
{
    varve_error err;
    varve_retention retention;
    varve_retention_init(&retention);
    retention.hot_window = hot_window;
    check_ok(varve_policy_retention(w->f.db, vv_text_from_string(metric), &retention, &err), &err);
}

static void put(world *w, const char *series, int64_t time)
{
    varve_error err;
    dump_must_put(w->f.db, series, time, "value", dump_i64(time));
    check_ok(varve_flush(w->f.db, NULL, &err), &err);
}

/* Files of the two tiers. */
static void expect_files(world *w, size_t hot, size_t warm)
{
    vv_dir_list list;
    varve_error err;
    assert_int_equal(hot, engine_fixture_files(&w->f, "seg"));
    check_ok(vv_vfs_list(w->f.files, &w->f.alloc, "/warm/seg", &list, &err), &err);
    assert_int_equal(warm, list.count);
    vv_dir_list_deinit(&list);
}

static const char everything[] = "a 9000 value=9000\na 9950 value=9950\nb 9100 value=9100\n";

static void world_fill(world *w)
{
    world_init(w);
    put(w, "a", NOW - 1000);
    put(w, "b", NOW - 900);
    put(w, "a", NOW - 50);
    expect_files(w, 3, 0);
}

static void move_all(world *w)
{
    varve_error err;
    check_ok(varve_compact(w->f.db, 0, NULL, &err), &err);
}

static void segments_move_when_their_newest_row_is_old_enough(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_fill(&w);
    keep_hot(&w, "", 900);
    move_all(&w);
    expect_files(&w, 2, 1); /* b is 900 old: not older */
    manual_clock_advance(&w.clock, VV_NS_PER_S);
    move_all(&w);
    expect_files(&w, 1, 2);
    assert_string_equal(everything, dump_all(w.f.db));
    assert_int_equal(2, atomic_load(&w.f.db->retention.moves));
    engine_fixture_close(&w.f);
    w.f.options.warm_path.size = 0; /* the manifest knows where it is */
    engine_fixture_open(&w.f);
    assert_string_equal(everything, dump_all(w.f.db));
    expect_files(&w, 1, 2);
    keep_hot(&w, "", 10);
    move_all(&w);
    expect_files(&w, 0, 3);
    check_ok(varve_compact(w.f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    expect_files(&w, 1, 0); /* what is merged is hot, and moves with the next pass */
    move_all(&w);
    expect_files(&w, 0, 1);
    assert_string_equal(everything, dump_all(w.f.db));
    engine_fixture_free(&w.f);
}

static void a_metric_without_a_hot_window_keeps_its_segments_hot(void **state)
{
    (void)state;
    world w;
    world_fill(&w);
    keep_hot(&w, "a", 10);
    move_all(&w);
    expect_files(&w, 1, 2); /* b has none */
    keep_hot(&w, "b", 5000);
    move_all(&w);
    expect_files(&w, 1, 2);
    engine_fixture_free(&w.f);
}

static void retention_and_readers_reach_the_warm_tier(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_db *live;
    varve_options options;
    varve_scrubbed scrubbed;
    varve_scrub_options scrub;
    world_fill(&w);
    keep_hot(&w, "", 10);
    move_all(&w);
    expect_files(&w, 0, 3);
    live = w.f.db;
    options = w.f.options;
    options.warm_path.size = 0;
    options.flags |= VARVE_OPEN_READONLY;
    check_ok(varve_open("db", &options, &w.f.db, &err), &err);
    assert_string_equal(everything, dump_all(w.f.db));
    check_ok(varve_close(w.f.db, &err), &err);
    w.f.db = live;
    varve_scrubbed_init(&scrubbed);
    varve_scrub_options_init(&scrub);
    scrub.bytes_per_second = UINT64_MAX;
    check_ok(varve_scrub(w.f.db, &scrub, NULL, &scrubbed, &err), &err);
    assert_int_equal(5, scrubbed.files); /* IDENT, the manifest and three segments */
    check_ok(varve_snapshot(w.f.db, "copy", NULL, NULL, &err), &err);
    check_ok(varve_open("copy", &options, &w.f.db, &err), &err);
    assert_string_equal(everything, dump_all(w.f.db));
    assert_null(w.f.db->tier); /* a snapshot has all of it */
    check_ok(varve_close(w.f.db, &err), &err);
    w.f.db = live;
    varve_retention retention;
    varve_retention_init(&retention);
    retention.is_enforced = true;
    retention.window = 500;
    check_ok(varve_policy_retention(w.f.db, VARVE_STR(""), &retention, &err), &err);
    move_all(&w);
    manual_clock_advance(&w.clock, 3600 * VV_NS_PER_S);
    move_all(&w);
    expect_files(&w, 0, 1);
    engine_fixture_free(&w.f);
}

static void a_warm_directory_that_is_missing_or_foreign_is_told(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_fill(&w);
    keep_hot(&w, "", 10);
    move_all(&w);
    engine_fixture_close(&w.f);
    check_ok(vv_vfs_rename(w.f.files, "/warm", "/elsewhere", VV_SITE_TIER_RENAME, &err), &err);
    check_status(VARVE_E_IO, varve_open("db", &w.f.options, &w.f.db, &err));
    assert_non_null(strstr(err.message, "/warm"));
    assert_non_null(strstr(err.message, "mounted"));
    varve_options other = w.f.options;
    other.warm_path = VARVE_STR("/elsewhere");
    check_status(VARVE_E_CONFLICT, varve_open("other", &other, &w.f.db, &err));
    assert_non_null(strstr(err.message, "another database"));
    char path[VV_IDENT_PATH_BYTES_MAX + 1];
    memset(path, '/', sizeof path);
    other.warm_path = (varve_text){path, sizeof path};
    check_status(VARVE_E_LIMIT, varve_open("db", &other, &w.f.db, &err));
    static const char *const unfit[] = {"/missing/deep", "/db/IDENT", "relative", ""};
    for (size_t i = 0; unfit[i][0] != '\0'; i++) {
        other.warm_path = vv_text_from_string(unfit[i]);
        assert_int_not_equal(VARVE_OK, varve_open("other", &other, &w.f.db, &err));
        assert_non_null(strstr(err.message, unfit[i]));
    }
    bool is_made = true; /* nothing is left of a database that could not be made */
    check_ok(vv_vfs_exists(w.f.files, "other", &is_made, &err), &err);
    assert_false(is_made);
    other.warm_path = VARVE_STR("relative");
    check_status(VARVE_E_INVALID, varve_open("db", &other, &w.f.db, &err));
    check_status(VARVE_E_INVALID, varve_open(NULL, &w.f.options, &w.f.db, &err));
    w.f.options.warm_path = VARVE_STR("/elsewhere"); /* it was moved there */
    engine_fixture_open(&w.f);
    assert_string_equal(everything, dump_all(w.f.db));
    engine_fixture_close(&w.f);
    w.f.options.warm_path.size = 0;
    engine_fixture_open(&w.f);
    assert_string_equal(everything, dump_all(w.f.db));
    engine_fixture_close(&w.f);
    check_ok(vv_vfs_remove_tree(w.f.files, &w.f.alloc, "/elsewhere/seg", &err), &err);
    check_ok(vv_vfs_mkdir(w.f.files, "/elsewhere/seg", &err), &err);
    check_status(VARVE_E_CORRUPT, varve_open("db", &w.f.options, &w.f.db, &err));
    engine_fixture_free(&w.f);
}

/* ---- cuts while it is made ------------------------------------------------------------------ */

enum { CUTS_POINTS_MAX = 64, CUTS_IMAGES_MAX = 24 };

typedef struct cuts {
    vv_sim *sim;
    vv_sim_point *points[CUTS_POINTS_MAX];
    size_t count;
} cuts;

static void cuts_hook(void *context, uint64_t call, vv_vfs_op op, const char *path,
                      vv_sync_site site)
{
    cuts *c = context;
    (void)call;
    (void)op;
    (void)site;
    if (strncmp(path, "/warm", 5) == 0) {
        assert_true(c->count < CUTS_POINTS_MAX);
        c->points[c->count++] = vv_sim_capture(c->sim);
    }
}

/* Opens and closes a database with a warm directory on a simulated disk. */
static void cuts_open(vv_alloc *memory, vv_sim *sim)
{
    varve_error err;
    varve_db *db;
    vv_env env;
    varve_options options;
    vv_env_init_system(&env, memory);
    env.vfs = vv_sim_vfs(sim);
    varve_options_init(&options);
    options.environment = &env;
    options.flags = VARVE_OPEN_NO_BACKGROUND;
    options.memory_limit_bytes = 64 * 1024 * 1024;
    options.log_file_bytes = 64 * 1024;
    options.min_free_bytes = VARVE_SPACE_NONE;
    options.reserve_bytes = VARVE_SPACE_NONE;
    options.warm_path = VARVE_STR("/warm");
    check_ok(varve_open("/db", &options, &db, &err), &err);
    check_ok(varve_close(db, &err), &err);
}

static void a_cut_while_the_warm_directory_is_made_is_no_damage(void **state)
{
    (void)state;
    vv_alloc memory;
    cuts c = {0};
    vv_alloc_init(&memory, NULL);
    c.sim = vv_sim_create(&memory, NULL);
    vv_sim_set_hook(c.sim, cuts_hook, &c);
    cuts_open(&memory, c.sim);
    assert_true(c.count > 5);
    for (size_t i = 0; i < c.count; i++) {
        size_t images = vv_sim_image_count(c.points[i]);
        size_t wanted = images < CUTS_IMAGES_MAX ? images : CUTS_IMAGES_MAX;
        for (size_t at = 0; at < wanted; at++) {
            size_t index = wanted == 1 ? 0 : at * (images - 1) / (wanted - 1);
            vv_sim_image *image = vv_sim_image_make(c.points[i], index, i);
            if (image != NULL) {
                vv_sim *next = vv_sim_create(&memory, image);
                cuts_open(&memory, next);
                vv_sim_free(next);
            }
            vv_sim_image_free(image);
        }
        vv_sim_point_free(c.points[i]);
    }
    vv_sim_free(c.sim);
    assert_int_equal(0, vv_alloc_bytes(&memory));
}

static void what_nobody_names_is_removed_at_open(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_fill(&w);
    keep_hot(&w, "", 10);
    move_all(&w);
    engine_fixture_close(&w.f);
    static const char *const left[] = {"/warm/seg/00000000000000000077.vsg",
                                       "/warm/tmp/00000000000000000078.part"};
    static const char *const foreign[] = {
        "/warm/seg/notes.txt", "/warm/seg/0000000000000000007x.vsg",
        "/warm/seg/00000000000000000077.txt", "/warm/tmp/notes.txt"};
    vv_publish_sites sites = {VV_SITE_TIER_FILE, VV_SITE_TIER_RENAME, VV_SITE_TIER_DIR};
    for (size_t i = 0; i < 2; i++) {
        check_ok(vv_vfs_write_file_atomically(w.f.files, &w.f.alloc, "/warm/x", left[i], "x", 1,
                                              &sites, &err),
                 &err);
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(foreign); i++) {
        check_ok(vv_vfs_write_file_atomically(w.f.files, &w.f.alloc, "/warm/x", foreign[i], "x", 1,
                                              &sites, &err),
                 &err);
    }
    engine_fixture_open(&w.f);
    bool exists = true;
    for (size_t i = 0; i < 2; i++) {
        check_ok(vv_vfs_exists(w.f.files, left[i], &exists, &err), &err);
        assert_false(exists);
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(foreign); i++) {
        check_ok(vv_vfs_exists(w.f.files, foreign[i], &exists, &err), &err);
        assert_true(exists);
    }
    assert_string_equal(everything, dump_all(w.f.db));
    engine_fixture_free(&w.f);
}

static void a_move_that_fails_anywhere_leaves_every_row(void **state)
{
    (void)state;
    static const int errnos[] = {EIO, ENOSPC};
    for (size_t kind = 0; kind < 4; kind++) {
        bool has_fired = true;
        for (uint64_t call = 1; has_fired; call++) {
            world w;
            varve_error err;
            world_fill(&w);
            keep_hot(&w, "", 10);
            vv_fault_rule rule = {
                .first_call = call,
                .call_count = kind < 2 ? 1 : VV_FAULT_FOREVER,
                .kind = VV_FAULT_ERRNO,
                .os_errno = errnos[kind % 2],
            };
            size_t number = vv_fault_add(w.f.fault, &rule);
            VV_IGNORE(varve_compact(w.f.db, 0, NULL, &err));
            has_fired = vv_fault_fired(w.f.fault, number) > 0;
            vv_fault_clear(w.f.fault);
            assert_string_equal(everything, dump_all(w.f.db));
            engine_fixture_abandon(&w.f);
            engine_fixture_open(&w.f);
            assert_string_equal(everything, dump_all(w.f.db));
            move_all(&w);
            expect_files(&w, 0, 3);
            assert_string_equal(everything, dump_all(w.f.db));
            engine_fixture_free(&w.f);
        }
    }
}

/* A database is made with its warm directory or not at all, and then it can be made. */
static void a_warm_directory_that_cannot_be_made_is_told(void **state)
{
    (void)state;
    bool was_reached = true;
    for (uint64_t call = 1; was_reached; call++) {
        world w;
        varve_error err;
        clocked_fixture_create(&w, NOW * VV_NS_PER_S);
        w.f.options.precision = VARVE_PRECISION_S;
        w.f.options.warm_path = VARVE_STR("/warm");
        vv_fault_rule rule = {.ops = VV_VFS_OP_ALL,
                              .first_call = call,
                              .call_count = 1,
                              .kind = VV_FAULT_ERRNO,
                              .os_errno = EIO};
        size_t number = vv_fault_add(w.f.fault, &rule);
        varve_status status = varve_open("db", &w.f.options, &w.f.db, &err);
        was_reached = vv_fault_fired(w.f.fault, number) > 0;
        vv_fault_clear(w.f.fault);
        if (status != VARVE_OK) {
            check_status(VARVE_E_IO, status);
            assert_null(w.f.db);
            engine_fixture_open(&w.f);
        }
        keep_hot(&w, "", 10);
        put(&w, "a", NOW - 50);
        move_all(&w);
        expect_files(&w, 0, 1);
        engine_fixture_free(&w.f);
    }
}

static void paths_that_are_no_warm_directory_are_refused(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_db *db;
    clocked_fixture_create(&w, NOW * VV_NS_PER_S);
    static const varve_text paths[] = {{"/a\0b", 4}, {"a", 1}, {"\0", 1}};
    for (size_t i = 0; i < VV_ARRAY_COUNT(paths); i++) {
        w.f.options.warm_path = paths[i];
        check_status(VARVE_E_INVALID, varve_open("db", &w.f.options, &db, &err));
        assert_non_null(strstr(err.message, "no absolute path"));
        assert_null(db);
    }
    /* The directory itself is there, and is a file. */
    vv_publish_sites sites = {VV_SITE_TIER_FILE, VV_SITE_TIER_RENAME, VV_SITE_TIER_DIR};
    check_ok(
        vv_vfs_write_file_atomically(w.f.files, &w.f.alloc, "/x", "/warm", "x", 1, &sites, &err),
        &err);
    w.f.options.warm_path = VARVE_STR("/warm");
    check_status(VARVE_E_INVALID, varve_open("db", &w.f.options, &db, &err));
    assert_non_null(strstr(err.message, "no directory"));
    engine_fixture_free(&w.f);
}

static void failing_allocations_leave_every_row(void **state)
{
    (void)state;
    bool is_done = false;
    for (uint64_t n = 1; !is_done; n++) {
        world w;
        varve_error err;
        world_fill(&w);
        keep_hot(&w, "", 10);
        failing_alloc_plan(&w.f.source, n, true);
        VV_IGNORE(varve_compact(w.f.db, 0, NULL, &err));
        is_done = atomic_load(&w.f.source.failures) == 0;
        failing_alloc_plan(&w.f.source, 0, false);
        assert_string_equal(everything, dump_all(w.f.db));
        move_all(&w);
        expect_files(&w, 0, 3);
        engine_fixture_close(&w.f);
        engine_fixture_open(&w.f);
        assert_string_equal(everything, dump_all(w.f.db));
        engine_fixture_free(&w.f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_move_when_their_newest_row_is_old_enough),
        cmocka_unit_test(a_metric_without_a_hot_window_keeps_its_segments_hot),
        cmocka_unit_test(retention_and_readers_reach_the_warm_tier),
        cmocka_unit_test(a_warm_directory_that_is_missing_or_foreign_is_told),
        cmocka_unit_test(a_cut_while_the_warm_directory_is_made_is_no_damage),
        cmocka_unit_test(what_nobody_names_is_removed_at_open),
        cmocka_unit_test(a_move_that_fails_anywhere_leaves_every_row),
        cmocka_unit_test(a_warm_directory_that_cannot_be_made_is_told),
        cmocka_unit_test(paths_that_are_no_warm_directory_are_refused),
        cmocka_unit_test(failing_allocations_leave_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
