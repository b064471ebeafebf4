/* SPDX-License-Identifier: Apache-2.0 */
/* The watch over free space: Z1 to Z4 of engine/space.c, on a disk that says what a test wants, and
 * on a simulated one that is full. */
#include "support/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/merge.h"
#include "engine/space.h"
#include "support/clocked_fixture.h"
#include "support/noise_rows.h"
#include "sys/vfs_sim.h"
#include "wal/wal.h"

enum { MIB = 1024 * 1024 };

typedef clocked_fixture space_world;

/* With these bounds and so much free space. */
static void world_open(space_world *w, uint64_t min_free, uint64_t reserve, uint64_t free_bytes)
{
    clocked_fixture_create(w, 0);
    w->f.options.min_free_bytes = min_free;
    w->f.options.reserve_bytes = reserve;
    w->f.options.write_timeout_ms = 1;
    engine_fixture_open(&w->f);
    engine_fixture_set_free(&w->f, free_bytes);
}

static void world_end(space_world *w)
{
    engine_fixture_free(&w->f);
}

static varve_status try_write(space_world *w, int64_t time, varve_error *err)
{
    return engine_fixture_try_write(&w->f, 1, time, 1, 10, (double)time, err);
}

static bool has_reserve(space_world *w)
{
    vv_file_info info;
    return vv_vfs_stat(w->f.files, "db/RESERVE", &info, NULL) == VARVE_OK;
}

static void rows_are_refused_below_the_bound_until_half_as_much_again_is_free(void **state)
{
    (void)state;
    space_world w;
    varve_error err;
    double value;
    world_open(&w, 10 * MIB, VARVE_SPACE_NONE, 10 * MIB);
    check_ok(try_write(&w, 0, &err), &err); /* the bound itself is enough */
    engine_fixture_set_free(&w.f, 10 * MIB - 1);
    manual_clock_advance(&w.clock, VV_NS_PER_S - 1);
    check_ok(try_write(&w, 10, &err), &err); /* the last look is not a second old */
    manual_clock_advance(&w.clock, 1);
    check_ok(try_write(&w, 20, &err), &err); /* looked at behind it */
    uint64_t batches = atomic_load(&w.f.db->counters.batches);
    check_status(VARVE_E_NOSPACE, try_write(&w, 30, &err));
    assert_non_null(strstr(err.message, "min_free_bytes is 10485760"));
    assert_int_equal(atomic_load(&w.f.db->counters.batches), batches);
    assert_int_equal(varve_health(w.f.db, &err), VARVE_HEALTH_NOSPACE);
    check_status(VARVE_E_NOSPACE, err.status);
    assert_true(engine_fixture_value(&w.f, 1, 20, &value)); /* reads go on */
    assert_false(engine_fixture_value(&w.f, 1, 30, &value));
    engine_fixture_set_free(&w.f, 15 * MIB);
    check_status(VARVE_E_NOSPACE, try_write(&w, 30, &err));
    engine_fixture_set_free(&w.f, 15 * MIB + 1);
    check_ok(try_write(&w, 30, &err), &err);
    assert_int_equal(varve_health(w.f.db, NULL), VARVE_HEALTH_OK);
    assert_int_equal(atomic_load(&w.f.db->space.low_total), 1);
    world_end(&w);
}

static void what_frees_space_goes_on_while_rows_are_refused(void **state)
{
    (void)state;
    space_world w;
    varve_error err;
    double value;
    world_open(&w, 10 * MIB, VARVE_SPACE_NONE, 20 * MIB);
    check_ok(try_write(&w, 0, &err), &err);
    engine_fixture_set_free(&w.f, MIB);
    check_ok(varve_flush(w.f.db, NULL, &err), &err);
    assert_true(vv_space_is_low(w.f.db));
    check_status(VARVE_E_NOSPACE, try_write(&w, 100, &err));
    engine_fixture_delete(&w.f, 1, 0, 5);
    assert_false(engine_fixture_value(&w.f, 1, 4, &value));
    assert_true(engine_fixture_value(&w.f, 1, 5, &value));
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    check_ok(varve_policy_metric(w.f.db, VARVE_STR("other"), &policy, &err), &err);
    check_ok(varve_snapshot(w.f.db, "copy", NULL, NULL, &err), &err);
    world_end(&w);
}

static void a_batch_of_rows_and_deletes_is_refused_whole(void **state)
{
    (void)state;
    space_world w;
    varve_error err;
    varve_batch *batch;
    double value;
    world_open(&w, 10 * MIB, VARVE_SPACE_NONE, 20 * MIB);
    check_ok(try_write(&w, 0, &err), &err);
    engine_fixture_set_free(&w.f, MIB);
    vv_space_look(w.f.db);
    varve_selection all = {.kind = VARVE_SELECT_ALL};
    varve_field field;
    varve_series series;
    varve_value one = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    check_ok(varve_field_resolve(w.f.db, VARVE_STR("value"), &field, &err), &err);
    check_ok(varve_series_resolve(w.f.db, VARVE_STR("other"), NULL, 0, 0, &series, &err), &err);
    varve_row row = {.series = series, .fields = &field, .values = &one, .count = 1};
    check_ok(varve_batch_create(w.f.db, &batch, &err), &err);
    check_ok(varve_batch_delete(batch, &all, 1, (varve_range){0, 100}, &err), &err);
    check_ok(varve_batch_row(batch, &row, &err), &err);
    check_status(VARVE_E_NOSPACE, varve_batch_commit(batch, NULL, NULL, &err));
    assert_true(engine_fixture_value(&w.f, 1, 4, &value));
    engine_fixture_set_free(&w.f, 20 * MIB);
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err); /* it is as it was */
    assert_false(engine_fixture_value(&w.f, 1, 4, &value));
    varve_batch_free(batch);
    world_end(&w);
}

static void the_ballast_is_made_on_a_disk_that_is_getting_full(void **state)
{
    (void)state;
    space_world w;
    world_open(&w, MIB, MIB, 100 * MIB);
    assert_false(has_reserve(&w)); /* there is plenty */
    engine_fixture_set_free(&w.f, 8 * MIB);
    vv_space_look(w.f.db);
    assert_false(has_reserve(&w)); /* four times both bounds are free */
    engine_fixture_set_free(&w.f, 8 * MIB - 4);
    vv_space_look(w.f.db);
    assert_true(has_reserve(&w));
    assert_true(vv_space_release(w.f.db));
    assert_false(has_reserve(&w));
    assert_false(vv_space_release(w.f.db));
    engine_fixture_set_free(&w.f, 5 * MIB / 2); /* making it would fill the disk */
    vv_space_look(w.f.db);
    assert_false(has_reserve(&w));
    engine_fixture_set_free(&w.f, 5 * MIB / 2 + 1);
    vv_space_look(w.f.db);
    assert_true(has_reserve(&w));
    assert_int_equal(atomic_load(&w.f.db->space.releases), 1);
    /* It stays over a reopen, and one that starts without room gives it up. */
    engine_fixture_close(&w.f);
    engine_fixture_open(&w.f);
    assert_true(has_reserve(&w));
    engine_fixture_close(&w.f);
    engine_fixture_set_free(&w.f, 2 * MIB);
    engine_fixture_open(&w.f);
    assert_false(has_reserve(&w));
    world_end(&w);
}

/* Space is there once the ballast is gone. */
static void world_heal(void *context, vv_vfs_op op, const char *path)
{
    space_world *w = context;
    if (op == VV_VFS_OP_UNLINK && strstr(path, "RESERVE") != NULL) {
        vv_fault_clear(w->f.fault);
    }
}

static void a_delete_takes_the_ballast_where_the_log_finds_no_space(void **state)
{
    (void)state;
    space_world w;
    varve_error err;
    world_open(&w, MIB, MIB, 6 * MIB);
    engine_fixture_write(&w.f, 1, 0, 1, 10, 0);
    vv_space_look(w.f.db);
    assert_true(has_reserve(&w));
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(VV_VFS_OP_ALLOCATE),
        .path_part = ".vwl",
        .first_call = 1,
        .call_count = VV_FAULT_FOREVER,
        .kind = VV_FAULT_ERRNO,
        .os_errno = ENOSPC,
    };
    vv_fault_add(w.f.fault, &rule);
    vv_fault_set_hook(w.f.fault, world_heal, &w);
    varve_status status = VARVE_OK;
    for (int64_t time = 1000; status == VARVE_OK; time += 1000) {
        status = engine_fixture_try_write(&w.f, 1, time, 1, 900, 0.1, &err);
    }
    check_status(VARVE_E_NOSPACE, status);
    assert_int_equal(varve_health(w.f.db, NULL), VARVE_HEALTH_NOSPACE);
    assert_true(has_reserve(&w)); /* rows have no right to it */
    uint64_t rotations = vv_wal_first_file(w.f.db->wal);
    int64_t deleted = 0;
    while (has_reserve(&w)) { /* until the present file is full */
        assert_true(deleted < 5000);
        engine_fixture_delete(&w.f, 1, deleted, deleted + 1);
        deleted++;
    }
    assert_true(deleted > 0 && rotations == vv_wal_first_file(w.f.db->wal));
    while (vv_wal_left_bytes(w.f.db->wal) == 0) { /* until a delete lies in the next one */
        assert_true(deleted < 5000);
        engine_fixture_delete(&w.f, 1, deleted, deleted + 1);
        deleted++;
    }
    vv_space_look(w.f.db);
    assert_true(has_reserve(&w)); /* made again */
    vv_fault_set_hook(w.f.fault, NULL, NULL);
    world_end(&w);
}

/* ---- a small disk that is really full ---- */

enum { DISK_BYTES = 1536 * 1024, DISK_CYCLES = 20 };

typedef struct disk_world {
    vv_alloc alloc;
    vv_sim *sim;
    vv_env env;
    varve_options options;
    manual_clock clock;
    noise_rows rows;
} disk_world;

static void disk_open(disk_world *w)
{
    varve_error err;
    check_ok(varve_open("/db", &w->options, &w->rows.db, &err), &err);
}

static void disk_insert(disk_world *w, const vv_sim_image *image)
{
    w->sim = vv_sim_create(&w->alloc, image);
    vv_sim_set_capacity(w->sim, DISK_BYTES);
    w->env.vfs = vv_sim_vfs(w->sim);
}

/* Power goes, and with it everything that was not synced; then it is opened again. */
static void disk_cut(disk_world *w)
{
    vv_sim_point *point = vv_sim_capture(w->sim);
    vv_sim_image *image = vv_sim_power_cut(point, &(vv_sim_cut){.model = VV_SIM_CUT_NONE});
    varve_abandon(w->rows.db);
    vv_sim_free(w->sim);
    disk_insert(w, image);
    vv_sim_point_free(point);
    vv_sim_image_free(image);
    disk_open(w);
}

static void disk_create(disk_world *w)
{
    memset(w, 0, sizeof *w);
    vv_alloc_init(&w->alloc, NULL);
    manual_clock_init(&w->clock, 0);
    vv_env_init_system(&w->env, &w->alloc);
    disk_insert(w, NULL);
    w->env.clock = manual_clock_of(&w->clock);
    varve_options_init(&w->options);
    w->options.environment = &w->env;
    w->options.flags = VARVE_OPEN_NO_BACKGROUND;
    w->options.memory_limit_bytes = 64 * MIB;
    w->options.log_file_bytes = 64 * 1024;
    w->options.min_free_bytes = 192 * 1024;
    w->options.reserve_bytes = 160 * 1024;
    w->options.write_timeout_ms = 1;
    w->rows = (noise_rows){.row_bytes = 1500, .batch_rows = 8};
    disk_open(w);
}

/* Twenty times: to the brim, refused with the reason, reads go on, a delete frees space, writes
 * resume; every third time the power goes while it is full, and not an answered row with it. */
static void a_full_disk_heals_by_a_delete_twenty_times(void **state)
{
    (void)state;
    disk_world w;
    varve_error err;
    noise_rows *rows = &w.rows;
    disk_create(&w);
    for (int cycle = 0; cycle < DISK_CYCLES; cycle++) {
        int64_t begun = rows->next;
        noise_rows_fill(rows);
        assert_true(rows->next > begun);
        assert_int_equal(varve_health(rows->db, NULL), VARVE_HEALTH_NOSPACE);
        if (cycle % 3 == 2) {
            disk_cut(&w);
        }
        noise_rows_check(rows);
        noise_rows_delete_before(rows,
                                 rows->first + (rows->next - rows->first) * (2 + cycle % 3) / 4);
        noise_rows_check(rows);
        varve_status status;
        int tries = 0;
        do { /* each refusal looks whether space can be freed, and frees some */
            status = noise_rows_write(rows, &err);
            manual_clock_advance(&w.clock, VV_NS_PER_S);
            tries++;
        } while (status == VARVE_E_NOSPACE && tries < 10);
        check_ok(status, &err);
        assert_int_equal(varve_health(rows->db, NULL), VARVE_HEALTH_OK);
        noise_rows_check(rows);
    }
    check_ok(varve_close(rows->db, &err), &err);
    disk_open(&w);
    noise_rows_check(rows);
    check_ok(varve_close(rows->db, &err), &err);
    print_message("%lld rows in %d cycles\n", (long long)rows->next, DISK_CYCLES);
    vv_sim_free(w.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_refused_below_the_bound_until_half_as_much_again_is_free),
        cmocka_unit_test(what_frees_space_goes_on_while_rows_are_refused),
        cmocka_unit_test(a_batch_of_rows_and_deletes_is_refused_whole),
        cmocka_unit_test(the_ballast_is_made_on_a_disk_that_is_getting_full),
        cmocka_unit_test(a_delete_takes_the_ballast_where_the_log_finds_no_space),
        cmocka_unit_test(a_full_disk_heals_by_a_delete_twenty_times),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
