/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/flush.c and publish.c. */
#include <stdio.h>
#include <string.h>

#include "engine/flush.h"
#include "engine/head.h"
#include "engine/live_segment_priv.h"
#include "engine/version.h"
#include "support/check.h"
#include "support/engine_fixture.h"
#include "wal/wal.h"

static void check_value(engine_fixture *f, uint32_t series, int64_t time, double wanted)
{
    double value = 0;
    assert_true(engine_fixture_value(f, series, time, &value));
    assert_true(value >= wanted && value <= wanted);
}

static void check_gone(engine_fixture *f, uint32_t series, int64_t time)
{
    double value;
    assert_false(engine_fixture_value(f, series, time, &value));
}

/* --- what a flush does --- */

static void a_flush_moves_rows_from_memory_to_a_segment(void **state)
{
    engine_fixture *f = *state;
    uint64_t before[2];
    uint64_t after[2];
    uint64_t rows;
    for (uint32_t series = 0; series < 20; series++) {
        engine_fixture_write(f, series, 1000, 10, 150 + series, 1.5);
    }
    engine_fixture_digest(f, before, &rows);
    engine_fixture_flush(f);
    assert_int_equal(f->db->version->segment_count, 1);
    assert_int_equal(f->db->frozen_count, 0);
    assert_int_equal(vv_head_rows(f->db->head), 0);
    assert_int_equal(f->db->version->segments[0]->info.rows, rows);
    assert_int_equal(f->db->version->segments[0]->info.level, 0);
    engine_fixture_digest(f, after, &rows);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(engine_fixture_files(f, "tmp"), 0);
    engine_fixture_close(f);
    engine_fixture_open(f);
    engine_fixture_digest(f, after, &rows);
    assert_memory_equal(before, after, sizeof before);
}

static void a_flush_of_nothing_touches_no_file(void **state)
{
    engine_fixture *f = *state;
    engine_fixture_write(f, 1, 0, 1, 10, 0);
    engine_fixture_flush(f);
    vv_fault_clear(f->fault);
    engine_fixture_flush(f);
    for (uint32_t op = 0; op < VV_VFS_OP_COUNT; op++) {
        assert_int_equal(vv_fault_calls(f->fault, (vv_vfs_op)op), 0);
    }
    assert_int_equal(f->db->version->segment_count, 1);
}

static void small_parts_become_full_vectors(void **state)
{
    engine_fixture *f = *state;
    for (uint32_t i = 0; i < 30; i++) {
        engine_fixture_write(f, 1, i * 1000, 10, 100, i);
    }
    engine_fixture_flush(f);
    const vv_segment_info *info = &f->db->version->segments[0]->info;
    assert_int_equal(info->rows, 3000);
    assert_int_equal(info->vectors, 3); /* 1024, 1024, 952 */
}

static void late_rows_and_duplicates_are_resolved(void **state)
{
    engine_fixture *f = *state;
    engine_fixture_write(f, 1, 100, 10, 50, 0);
    engine_fixture_write(f, 1, 105, 10, 20, 500); /* late, between */
    engine_fixture_write(f, 1, 100, 10, 5, 900);  /* the same times again */
    engine_fixture_flush(f);
    assert_int_equal(f->db->version->segments[0]->info.rows, 70);
    check_value(f, 1, 100, 900);
    check_value(f, 1, 105, 500);
    check_value(f, 1, 150, 5);
}

static void a_flush_lets_the_log_go(void **state)
{
    engine_fixture *f = *state;
    for (uint32_t i = 0; engine_fixture_files(f, "wal") <= 3; i++) {
        engine_fixture_write(f, i, 0, 7, 500, i * 0.37);
        assert_true(i < 1000);
    }
    engine_fixture_flush(f);
    assert_true(engine_fixture_files(f, "wal") <= 2); /* the one in use, and the next */
}

static void rows_written_after_the_freeze_are_in_the_log(void **state)
{
    engine_fixture *f = *state;
    engine_fixture_write(f, 1, 0, 1, 10, 0);
    engine_fixture_flush(f);
    engine_fixture_write(f, 1, 100, 1, 10, 50);
    engine_fixture_abandon(f);
    engine_fixture_open(f);
    check_value(f, 1, 5, 5);
    check_value(f, 1, 105, 55);
}

/* --- when it is due --- */

static void bounds_make_a_flush_due(void **state)
{
    engine_fixture *f = *state;
    assert_false(vv_flush_is_due(f->db));
    engine_fixture_write(f, 1, 0, 1, 10, 0);
    assert_false(vv_flush_is_due(f->db));
    f->db->options.flush_rows = 10;
    assert_true(vv_flush_is_due(f->db));
    f->db->options.flush_rows = 11;
    assert_false(vv_flush_is_due(f->db));
    f->db->options.flush_bytes = 1;
    assert_true(vv_flush_is_due(f->db));
    f->db->options.flush_bytes = UINT64_MAX;
    f->db->options.flush_age_ms = 0;
    assert_true(vv_flush_is_due(f->db));
    f->db->options.flush_age_ms = 3600000;
    f->db->options.flush_rows = UINT64_MAX;
    f->db->options.log_bytes_max = 2 * 1024;
    assert_false(vv_flush_is_due(f->db)); /* the present file cannot go */
    for (int64_t i = 0; vv_wal_left_bytes(f->db->wal) == 0; i++) {
        f->db->options.log_bytes_max = UINT64_MAX;
        engine_fixture_write(f, 1, 1000 * i, 1, 1000, 0.1);
    }
    assert_false(vv_flush_is_due(f->db));
    f->db->options.log_bytes_max = 2 * vv_wal_left_bytes(f->db->wal);
    assert_true(vv_flush_is_due(f->db)); /* half of it */
    f->db->options.log_bytes_max += 2;
    assert_false(vv_flush_is_due(f->db));
    f->db->options.log_bytes_max = 1;
    assert_true(vv_flush_is_due(f->db));
    engine_fixture_flush(f);
    assert_false(vv_flush_is_due(f->db));
}

/* --- deletes --- */

static void deleted_rows_are_not_written(void **state)
{
    engine_fixture *f = *state;
    engine_fixture_write(f, 1, 0, 10, 100, 0);
    engine_fixture_delete(f, 1, 200, 500);
    engine_fixture_write(f, 1, 300, 10, 2, 7);
    engine_fixture_flush(f);
    assert_int_equal(f->db->version->segments[0]->info.rows, 72);
    assert_int_equal(f->db->version->tombstone_count, 0); /* nothing older is anywhere */
    assert_int_equal(engine_fixture_files(f, "del"), 0);
    check_gone(f, 1, 200);
    check_value(f, 1, 300, 7);
    check_value(f, 1, 500, 50);
}

static void a_flush_of_deleted_rows_only_makes_no_segment(void **state)
{
    engine_fixture *f = *state;
    engine_fixture_write(f, 1, 0, 10, 100, 0);
    engine_fixture_delete(f, 1, INT64_MIN, INT64_MAX);
    engine_fixture_flush(f);
    assert_int_equal(f->db->version->segment_count, 0);
    assert_int_equal(engine_fixture_files(f, "seg"), 0);
    assert_int_equal(f->db->frozen_count, 0);
    engine_fixture_close(f);
    engine_fixture_open(f);
    check_gone(f, 1, 50);
}

static void a_delete_of_older_rows_gets_a_file(void **state)
{
    engine_fixture *f = *state;
    engine_fixture_write(f, 1, 0, 10, 100, 0);
    engine_fixture_write(f, 2, 0, 10, 100, 0);
    engine_fixture_flush(f);
    engine_fixture_delete(f, 1, 200, 500);
    check_gone(f, 1, 300);
    engine_fixture_flush(f); /* nothing but the delete */
    assert_int_equal(f->db->version->segment_count, 1);
    assert_int_equal(f->db->version->tombstone_count, 1);
    assert_true(f->db->version->tombstones[0]->file_id != 0);
    assert_int_equal(engine_fixture_files(f, "del"), 1);
    engine_fixture_write(f, 1, 300, 10, 1, 77);
    engine_fixture_abandon(f);
    engine_fixture_open(f);
    check_gone(f, 1, 200);
    check_value(f, 1, 300, 77);
    check_gone(f, 1, 310);
    check_value(f, 2, 300, 30);
    engine_fixture_flush(f);
    check_gone(f, 1, 310);
    check_value(f, 1, 300, 77);
}

static void deletes_in_several_flushes_stay(void **state)
{
    engine_fixture *f = *state;
    for (uint32_t i = 0; i < 3; i++) {
        engine_fixture_write(f, 1, i * 1000, 10, 100, 0);
        engine_fixture_flush(f);
        engine_fixture_delete(f, 1, i * 1000 + 100, i * 1000 + 200);
    }
    engine_fixture_flush(f);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            check_gone(f, 1, i * 1000 + 150);
            check_value(f, 1, i * 1000 + 210, 21);
        }
        engine_fixture_close(f);
        engine_fixture_open(f);
    }
}

/* --- policies --- */

static void policies_outlive_the_log(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    check_ok(varve_policy_metric(f->db, VARVE_STR("cpu"), &policy, &err), &err);
    for (uint32_t round = 0; round < 3; round++) {
        engine_fixture_write(f, 1, 5, 1, 1, round); /* the same time: all stay */
        if (round == 1) {
            engine_fixture_abandon(f);
        } else {
            engine_fixture_close(f);
        }
        engine_fixture_open(f);
        uint64_t digest[2];
        uint64_t rows;
        engine_fixture_digest(f, digest, &rows);
        assert_int_equal(rows, round + 1);
    }
}

static void a_policy_alone_is_kept(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    check_ok(varve_policy_metric(f->db, VARVE_STR("cpu"), &policy, &err), &err);
    engine_fixture_abandon(f);
    engine_fixture_open(f);
    engine_fixture_close(f);
    engine_fixture_open(f);
    engine_fixture_write(f, 1, 5, 0, 2, 0);
    uint64_t digest[2];
    uint64_t rows;
    engine_fixture_digest(f, digest, &rows);
    assert_int_equal(rows, 2);
}

/* --- failures --- */

static void fill(engine_fixture *f)
{
    engine_fixture_write(f, 1, 0, 10, 300, 0);
    engine_fixture_write(f, 2, 0, 10, 300, 0);
    engine_fixture_flush(f);
    engine_fixture_delete(f, 1, 100, 200);
    engine_fixture_write(f, 3, 0, 10, 300, 0.5);
    engine_fixture_write(f, 1, 5000, 10, 300, 0.25);
}

/* Every call of a flush fails once: what was answered stays readable, now and after opening again;
 * where nothing was written in doubt the next flush goes through. */
static void each_failed_call_loses_nothing(void **state)
{
    bool is_done = false;
    (void)state;
    for (uint64_t n = 1; !is_done; n++) {
        engine_fixture fixture;
        engine_fixture *f = &fixture;
        varve_error err;
        uint64_t before[2];
        uint64_t after[2];
        uint64_t rows;
        engine_fixture_create(f);
        fill(f);
        engine_fixture_digest(f, before, &rows);
        vv_fault_clear(f->fault);
        size_t rule = vv_fault_add(f->fault, &(vv_fault_rule){.first_call = n,
                                                              .call_count = 1,
                                                              .kind = VV_FAULT_ERRNO,
                                                              .os_errno = n % 2 ? 5 : 28});
        varve_status status = varve_flush(f->db, NULL, &err);
        is_done = vv_fault_fired(f->fault, rule) == 0;
        vv_fault_clear(f->fault);
        engine_fixture_digest(f, after, &rows);
        assert_memory_equal(before, after, sizeof before);
        if (status != VARVE_OK && varve_health(f->db, NULL) == VARVE_HEALTH_OK) {
            check_ok(varve_flush(f->db, NULL, &err), &err);
            engine_fixture_digest(f, after, &rows);
            assert_memory_equal(before, after, sizeof before);
            assert_int_equal(engine_fixture_files(f, "seg"), f->db->version->segment_count);
        }
        engine_fixture_abandon(f);
        engine_fixture_open(f);
        engine_fixture_digest(f, after, &rows);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(engine_fixture_files(f, "seg"), f->db->version->segment_count);
        engine_fixture_close(f);
        engine_fixture_free(f);
        assert_true(n < 200);
    }
}

static void each_failed_allocation_loses_nothing(void **state)
{
    bool is_done = false;
    engine_fixture *f = *state;
    varve_error err;
    uint64_t before[2];
    uint64_t after[2];
    uint64_t rows;
    fill(f);
    engine_fixture_digest(f, before, &rows);
    for (uint64_t n = 1; !is_done; n++) {
        failing_alloc_plan(&f->source, n, true);
        varve_status status = varve_flush(f->db, NULL, &err);
        is_done = atomic_load(&f->source.failures) == 0;
        failing_alloc_plan(&f->source, 0, false);
        if (status != VARVE_OK) {
            check_status(VARVE_E_NOMEM, status);
        }
        if (n % 8 == 0 || is_done) {
            engine_fixture_digest(f, after, &rows);
            assert_memory_equal(before, after, sizeof before);
        }
        if (status == VARVE_OK && !is_done) { /* one that did not matter: fill up again */
            engine_fixture_write(f, 4, (int64_t)n * 100, 1, 3, 0);
            engine_fixture_digest(f, before, &rows);
        }
        assert_true(n < 3000);
    }
    assert_int_equal(engine_fixture_files(f, "seg"), f->db->version->segment_count);
}

static bool cancel(void *context)
{
    (void)context;
    return false;
}

static void a_cancelled_flush_changes_nothing(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    varve_task *task = varve_task_create();
    varve_task_set_check(task, cancel, NULL);
    check_status(VARVE_E_CANCELLED, varve_flush(f->db, task, &err));
    varve_task_free(task);
    assert_int_equal(f->db->frozen_count, 1);
    assert_int_equal(engine_fixture_files(f, "tmp"), 0);
    engine_fixture_write(f, 3, 9000, 1, 1, 4);
    check_value(f, 3, 10, 1.5);
    engine_fixture_flush(f); /* the frozen one first, then the other */
    assert_int_equal(f->db->version->segment_count, 3);
    check_value(f, 3, 10, 1.5);
    check_value(f, 3, 9000, 4);
    check_gone(f, 1, 150);
}

/* Rows of one field each, of thousands: what a scan of them takes follows what is there, and not
 * 1024 rows of 16 bytes for each field, twice over, which is more than all the memory here. */
static void a_series_of_thousands_of_thin_fields_is_flushed_and_merged(void **state)
{
    enum { FIELDS = 4000, ROWS = 4 * FIELDS, BATCH = 1000 };
    engine_fixture *f = *state;
    static varve_field fields[FIELDS];
    varve_error err;
    varve_series series;
    varve_batch *batch;
    uint64_t before[2];
    uint64_t after[2];
    uint64_t rows;
    check_ok(varve_series_resolve(f->db, VARVE_STR("wide"), NULL, 0, 0, &series, &err), &err);
    for (unsigned i = 0; i < FIELDS; i++) {
        char name[8];
        int size = snprintf(name, sizeof name, "f%u", i);
        varve_text text = {.data = name, .size = (size_t)size};
        check_ok(varve_field_resolve(f->db, text, &fields[i], &err), &err);
    }
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    for (int row = 0; row < FIELDS / BATCH; row++) { /* all fields, in few steps */
        static varve_value values[BATCH];
        for (int i = 0; i < BATCH; i++) {
            values[i] = (varve_value){.type = VARVE_TYPE_F64, .as.f64 = i};
        }
        varve_row wide = {.series = series,
                          .timestamp = row - FIELDS,
                          .fields = &fields[row * BATCH],
                          .values = values,
                          .count = BATCH};
        check_ok(varve_batch_row(batch, &wide, &err), &err);
    }
    for (int row = 0; row < ROWS; row++) {
        varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = row};
        varve_row one = {.series = series,
                         .timestamp = row,
                         .fields = &fields[row * 7 % FIELDS],
                         .values = &value,
                         .count = 1};
        check_ok(varve_batch_row(batch, &one, &err), &err);
        if (row % BATCH == BATCH - 1) {
            check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
            varve_batch_clear(batch);
        }
        if (row % FIELDS == FIELDS - 1) {
            engine_fixture_flush(f);
        }
    }
    varve_batch_free(batch);
    engine_fixture_flush(f);
    engine_fixture_digest(f, before, &rows);
    assert_int_equal(rows, ROWS + FIELDS / BATCH);
    engine_fixture_compact(f);
    engine_fixture_digest(f, after, &rows);
    assert_memory_equal(before, after, sizeof before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(a_flush_moves_rows_from_memory_to_a_segment),
        engine_fixture_test(a_flush_of_nothing_touches_no_file),
        engine_fixture_test(small_parts_become_full_vectors),
        engine_fixture_test(late_rows_and_duplicates_are_resolved),
        engine_fixture_test(a_flush_lets_the_log_go),
        engine_fixture_test(rows_written_after_the_freeze_are_in_the_log),
        engine_fixture_test(bounds_make_a_flush_due),
        engine_fixture_test(deleted_rows_are_not_written),
        engine_fixture_test(a_flush_of_deleted_rows_only_makes_no_segment),
        engine_fixture_test(a_delete_of_older_rows_gets_a_file),
        engine_fixture_test(deletes_in_several_flushes_stay),
        engine_fixture_test(policies_outlive_the_log),
        engine_fixture_test(a_policy_alone_is_kept),
        cmocka_unit_test(each_failed_call_loses_nothing),
        engine_fixture_test(each_failed_allocation_loses_nothing),
        engine_fixture_test(a_cancelled_flush_changes_nothing),
        engine_fixture_test(a_series_of_thousands_of_thin_fields_is_flushed_and_merged),
    };
    return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}
