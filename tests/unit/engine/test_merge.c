/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of engine/merge.c and merge_write.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/live_segment_priv.h"
#include "engine/merge.h"
#include "engine/version.h"
#include "support/check.h"
#include "support/engine_fixture.h"
#include "sys/thread.h"
#include "wal/wal.h"

typedef struct digest {
    uint64_t parts[2];
    uint64_t rows;
} digest;

static digest digest_of(engine_fixture *f)
{
    digest found;
    engine_fixture_digest(f, found.parts, &found.rows);
    return found;
}

static void check_digest(engine_fixture *f, digest wanted)
{
    digest found = digest_of(f);
    assert_int_equal(found.rows, wanted.rows);
    assert_memory_equal(found.parts, wanted.parts, sizeof wanted.parts);
}

static void check_reopened(engine_fixture *f, digest wanted)
{
    engine_fixture_close(f);
    engine_fixture_open(f);
    check_digest(f, wanted);
}

static const vv_segment_info *info_of(engine_fixture *f, size_t index)
{
    return &f->db->version->segments[index]->info;
}

/* --- which, and when --- */

static void fan_in_neighbours_of_one_level_are_merged(void **state)
{
    engine_fixture *f = *state;
    f->db->options.merge_fan_in = 3;
    for (uint32_t i = 0; i < 13; i++) {
        engine_fixture_write(f, i % 3, i * 1000, 10, 20, i);
        digest before = digest_of(f);
        engine_fixture_flush(f);
        check_digest(f, before);
        assert_false(vv_merge_is_due(f->db));
    }
    /* 13 = 1 * 9 + 1 * 3 + 1 */
    assert_int_equal(f->db->version->segment_count, 3);
    assert_int_equal(info_of(f, 0)->level, 2);
    assert_int_equal(info_of(f, 1)->level, 1);
    assert_int_equal(info_of(f, 2)->level, 0);
    assert_int_equal(info_of(f, 0)->rows, 9 * 20);
    assert_true(info_of(f, 0)->last_sequence < info_of(f, 1)->first_sequence);
    assert_true(info_of(f, 1)->last_sequence < info_of(f, 2)->first_sequence);
    assert_int_equal(engine_fixture_files(f, "seg"), 3);
    check_reopened(f, digest_of(f));
}

static void compacting_all_leaves_one_segment(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    engine_fixture_compact(f); /* nothing there */
    assert_int_equal(f->db->version->segment_count, 0);
    for (uint32_t i = 0; i < 3; i++) {
        engine_fixture_write(f, i, i * 1000, 10, 20, i);
        engine_fixture_flush(f);
    }
    digest before = digest_of(f);
    check_ok(varve_compact(f->db, 0, NULL, &err), &err); /* nothing is due */
    assert_int_equal(f->db->version->segment_count, 3);
    engine_fixture_compact(f);
    assert_int_equal(f->db->version->segment_count, 1);
    uint64_t id = info_of(f, 0)->id;
    engine_fixture_compact(f); /* it is one already */
    assert_int_equal(info_of(f, 0)->id, id);
    check_digest(f, before);
    check_reopened(f, before);
}

/* --- rows --- */

static void overlapping_rows_are_resolved_by_arrival(void **state)
{
    engine_fixture *f = *state;
    double value;
    engine_fixture_write(f, 1, 0, 10, 2000, 0);
    engine_fixture_flush(f);
    engine_fixture_write(f, 1, 5000, 10, 100, 7000); /* the same times again */
    engine_fixture_write(f, 1, 105, 10, 300, 9000);  /* between */
    engine_fixture_flush(f);
    engine_fixture_write(f, 1, 5000, 20, 2, 100);
    engine_fixture_flush(f);
    digest before = digest_of(f);
    assert_int_equal(before.rows, 2300);
    engine_fixture_compact(f);
    check_digest(f, before);
    assert_int_equal(info_of(f, 0)->rows, 2300);
    assert_int_equal(info_of(f, 0)->vectors, 3);
    assert_true(engine_fixture_value(f, 1, 5000, &value) && value > 99 && value < 101);
    assert_true(engine_fixture_value(f, 1, 5010, &value) && value > 7000 && value < 7002);
    assert_true(engine_fixture_value(f, 1, 5020, &value) && value > 100 && value < 102);
    check_reopened(f, before);
}

static void every_row_stays_where_all_stay(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    check_ok(varve_policy_metric(f->db, VARVE_STR("cpu"), &policy, &err), &err);
    for (uint32_t i = 0; i < 3; i++) {
        engine_fixture_write(f, 1, 0, 5, 700, i * 1000);
        engine_fixture_flush(f);
    }
    digest before = digest_of(f);
    assert_int_equal(before.rows, 2100);
    engine_fixture_compact(f);
    check_digest(f, before);
    check_reopened(f, before);
}

static void full_vectors_stay_full(void **state)
{
    engine_fixture *f = *state;
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t part = 0; part < 8; part++) { /* 2048 rows */
            engine_fixture_write(f, 1, i * 100000 + part * 2560, 10, 256, part);
        }
        digest before = digest_of(f);
        engine_fixture_flush(f);
        check_digest(f, before);
    }
    assert_int_equal(f->db->version->segment_count, 1);
    assert_int_equal(info_of(f, 0)->level, 1);
    assert_int_equal(info_of(f, 0)->vectors, 8);
    check_reopened(f, digest_of(f));
}

/* Ids of fields differ between segments and the catalogue after opening again: first the segment
 * with b alone is opened, then the one with a and b. */
static void fields_keep_their_names(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_field fields[2];
    varve_series series;
    check_ok(varve_field_resolve(f->db, VARVE_STR("a"), &fields[0], &err), &err);
    check_ok(varve_field_resolve(f->db, VARVE_STR("b"), &fields[1], &err), &err);
    check_ok(varve_series_resolve(f->db, VARVE_STR("m"), NULL, 0, 0, &series, &err), &err);
    for (int64_t round = 0; round < 2; round++) {
        varve_batch *batch;
        check_ok(varve_batch_create(f->db, &batch, &err), &err);
        for (int64_t i = 0; i < 1100; i++) {
            varve_value values[2] = {{.type = VARVE_TYPE_I64, .as.i64 = i},
                                     {.type = VARVE_TYPE_BOOL, .as.boolean = i % 3 == 0}};
            varve_row row = {
                .series = series,
                .timestamp = round * 10000 + i,
                .fields = round == 0 ? fields + 1 : fields,
                .values = round == 0 ? values + 1 : values,
                .count = round == 0 ? 1 : 2,
            };
            check_ok(varve_batch_row(batch, &row, &err), &err);
        }
        check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
        varve_batch_free(batch);
        engine_fixture_flush(f);
    }
    digest before = digest_of(f);
    engine_fixture_close(f);
    engine_fixture_open(f);
    check_digest(f, before);
    assert_int_not_equal(f->db->version->segments[0]->field_ids[0],
                         f->db->version->segments[0]->field_names[0]);
    engine_fixture_compact(f);
    check_digest(f, before);
    check_reopened(f, before);
}

/* --- large values --- */

static void long_values_are_cut_into_vectors(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_field field;
    varve_field rare;
    varve_series series;
    varve_batch *batch;
    char *bytes = malloc(100000);
    for (size_t i = 0; i < 100000; i++) {
        bytes[i] = (char)('a' + i * i % 26);
    }
    check_ok(varve_field_resolve(f->db, VARVE_STR("text"), &field, &err), &err);
    check_ok(varve_field_resolve(f->db, VARVE_STR("rare"), &rare, &err), &err);
    check_ok(varve_series_resolve(f->db, VARVE_STR("m"), NULL, 0, 0, &series, &err), &err);
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    for (int64_t i = 0; i < 100; i++) {
        varve_field fields[2] = {field, rare};
        varve_value values[2] = {
            {.type = i % 5 == 0 ? VARVE_TYPE_BYTES : VARVE_TYPE_STRING,
             .as.bytes = {.data = bytes + i, .size = i == 50 ? 99000 : 10000}},
            {.type = VARVE_TYPE_I64, .as.i64 = i},
        };
        varve_row row = {
            .series = series,
            .timestamp = i,
            .fields = fields,
            .values = values,
            .count = i % 7 == 0 ? 2 : 1,
        };
        check_ok(varve_batch_row(batch, &row, &err), &err);
    }
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
    free(bytes);
    digest before = digest_of(f);
    engine_fixture_flush(f);
    check_digest(f, before);
    /* Six values of 10,000 bytes fit 64 KiB; the long one is alone. */
    assert_in_range(info_of(f, 0)->vectors, 17, 20);
    engine_fixture_write(f, 1, 0, 1, 5, 0);
    engine_fixture_flush(f);
    before = digest_of(f);
    engine_fixture_compact(f);
    check_digest(f, before);
    check_reopened(f, before);
}

/* --- deletes --- */

static void a_merge_applies_deletes_and_forgets_them(void **state)
{
    engine_fixture *f = *state;
    double value;
    engine_fixture_write(f, 1, 0, 10, 1000, 0);
    engine_fixture_write(f, 2, 0, 10, 1000, 0);
    engine_fixture_flush(f);
    engine_fixture_delete(f, 1, 1000, 2000);
    engine_fixture_write(f, 1, 1500, 10, 1, 5);
    engine_fixture_flush(f);
    engine_fixture_delete(f, 2, INT64_MIN, INT64_MAX);
    digest before = digest_of(f);
    assert_int_equal(before.rows, 901);
    engine_fixture_compact(f); /* flushes first */
    assert_int_equal(f->db->version->segment_count, 1);
    assert_int_equal(f->db->version->tombstone_count, 0);
    assert_int_equal(engine_fixture_files(f, "del"), 0);
    assert_int_equal(info_of(f, 0)->rows, 901);
    assert_int_equal(info_of(f, 0)->series, 1);
    check_digest(f, before);
    assert_false(engine_fixture_value(f, 1, 1490, &value));
    assert_true(engine_fixture_value(f, 1, 1500, &value));
    check_reopened(f, before);
}

static void a_delete_newer_than_the_inputs_stays(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    f->db->options.merge_fan_in = 2;
    engine_fixture_write(f, 1, 0, 10, 100, 0);
    engine_fixture_flush(f);
    engine_fixture_write(f, 1, 5000, 10, 100, 0);
    engine_fixture_write(f, 1, 100, 10, 3, 0); /* late: older times in a younger segment */
    f->db->options.merge_fan_in = 100;
    engine_fixture_flush(f);
    engine_fixture_write(f, 3, 0, 10, 10, 0);
    engine_fixture_delete(f, 1, 100, 200);
    digest before = digest_of(f);
    f->db->options.merge_fan_in = 2;
    check_ok(vv_merge(f->db, false, NULL, &err), &err); /* the delete is in the log only */
    check_digest(f, before);
    engine_fixture_abandon(f);
    engine_fixture_open(f);
    check_digest(f, before);
    check_reopened(f, before);
}

static uint64_t last_lsn_of(engine_fixture *f)
{
    uint64_t last_lsn;
    uint64_t last_sequence;
    vv_wal_position(f->db->wal, &last_lsn, &last_sequence);
    return last_lsn;
}

/* G7. Found by a schedule in which the merge came between the delete and the next flush. */
static void a_merge_applies_what_is_durable(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    engine_fixture_close(f);
    f->options.sync = VARVE_SYNC_NONE;
    engine_fixture_open(f);
    for (uint32_t i = 0; i < 2; i++) {
        engine_fixture_write(f, 1, i * 1000, 10, 100, 0);
        engine_fixture_flush(f);
    }
    engine_fixture_write(f, 2, 0, 10, 10, 0);
    uint64_t written = last_lsn_of(f);
    check_ok(vv_merge(f->db, true, NULL, &err), &err);
    assert_int_equal(f->db->version->segment_count, 1);
    assert_true(vv_wal_durable_lsn(f->db->wal) < written); /* nothing was left out */
    engine_fixture_delete(f, 1, 100, 200);
    digest before = digest_of(f);
    uint64_t deleted = last_lsn_of(f);
    assert_true(vv_wal_durable_lsn(f->db->wal) < written);
    check_ok(vv_merge(f->db, true, NULL, &err), &err);
    assert_true(vv_wal_durable_lsn(f->db->wal) >= deleted);
    check_digest(f, before);
    check_reopened(f, before);
}

static void a_merge_may_leave_nothing(void **state)
{
    engine_fixture *f = *state;
    for (uint32_t i = 0; i < 2; i++) {
        engine_fixture_write(f, 1, i * 1000, 10, 100, 0);
        engine_fixture_flush(f);
    }
    engine_fixture_delete(f, 1, INT64_MIN, INT64_MAX);
    engine_fixture_compact(f);
    assert_int_equal(f->db->version->segment_count, 0);
    assert_int_equal(f->db->version->tombstone_count, 0);
    assert_int_equal(engine_fixture_files(f, "seg"), 0);
    assert_int_equal(engine_fixture_files(f, "del"), 0);
    engine_fixture_write(f, 1, 5, 1, 1, 3);
    check_reopened(f, digest_of(f));
}

/* --- readers --- */

static void inputs_stay_until_their_last_reader_leaves(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_cursor *cursor;
    varve_query_options options;
    const varve_block *block;
    for (uint32_t i = 0; i < 3; i++) {
        engine_fixture_write(f, 1, i * 10000, 10, 900, i);
        engine_fixture_flush(f);
    }
    varve_query_options_init(&options);
    check_ok(varve_query(f->db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    uint64_t rows = block->rows;
    engine_fixture_compact(f);
    assert_int_equal(f->db->version->segment_count, 1);
    assert_int_equal(engine_fixture_files(f, "seg"), 4);
    for (;;) {
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        rows += block->rows;
    }
    assert_int_equal(rows, 2700);
    varve_cursor_close(cursor);
    assert_int_equal(engine_fixture_files(f, "seg"), 1);
}

/* --- failures --- */

static void fill(engine_fixture *f)
{
    f->db->options.merge_fan_in = 100;
    for (uint32_t i = 0; i < 3; i++) {
        engine_fixture_write(f, 1, i * 3000, 10, 400, i);
        engine_fixture_write(f, 10 + i, 0, 10, 100, i);
        engine_fixture_flush(f);
        engine_fixture_delete(f, 1, i * 3000 + 100, i * 3000 + 200);
    }
    engine_fixture_flush(f);
}

static void each_failed_call_loses_nothing(void **state)
{
    (void)state;
    bool is_done = false;
    for (uint64_t n = 1; !is_done; n++) {
        engine_fixture fixture;
        engine_fixture *f = &fixture;
        varve_error err;
        engine_fixture_create(f);
        fill(f);
        digest before = digest_of(f);
        vv_fault_clear(f->fault);
        size_t rule = vv_fault_add(f->fault, &(vv_fault_rule){.first_call = n,
                                                              .call_count = 1,
                                                              .kind = VV_FAULT_ERRNO,
                                                              .os_errno = n % 2 ? 5 : 28});
        varve_status status = vv_merge(f->db, true, NULL, &err);
        is_done = vv_fault_fired(f->fault, rule) == 0;
        vv_fault_clear(f->fault);
        check_digest(f, before);
        if (status != VARVE_OK && varve_health(f->db, NULL) == VARVE_HEALTH_OK) {
            assert_int_equal(engine_fixture_files(f, "seg"), 3);
            check_ok(vv_merge(f->db, true, NULL, &err), &err);
            assert_int_equal(f->db->version->segment_count, 1);
            check_digest(f, before);
        }
        engine_fixture_abandon(f);
        engine_fixture_open(f);
        check_digest(f, before);
        assert_int_equal(engine_fixture_files(f, "seg"), f->db->version->segment_count);
        engine_fixture_close(f);
        engine_fixture_free(f);
        assert_true(n < 200);
    }
}

static void each_failed_allocation_loses_nothing(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    digest before = digest_of(f);
    for (uint64_t n = 1;; n++) {
        failing_alloc_plan(&f->source, n, true);
        varve_status status = vv_merge(f->db, true, NULL, &err);
        bool is_done = atomic_load(&f->source.failures) == 0;
        failing_alloc_plan(&f->source, 0, false);
        if (status == VARVE_OK) {
            assert_int_equal(f->db->version->segment_count, 1);
            check_digest(f, before);
            engine_fixture_write(f, 50, (int64_t)n * 100, 1, 3, 0); /* something to merge again */
            engine_fixture_flush(f);
            before = digest_of(f);
        } else {
            check_status(VARVE_E_NOMEM, status);
            if (n % 8 == 0) {
                check_digest(f, before);
            }
        }
        assert_int_equal(engine_fixture_files(f, "seg"), f->db->version->segment_count);
        assert_int_equal(engine_fixture_files(f, "tmp"), 0);
        if (is_done) {
            check_ok(status, &err);
            break;
        }
        assert_true(n < 3000);
    }
}

static bool cancel(void *context)
{
    uint32_t *calls_left = context;
    *calls_left -= *calls_left > 0 ? 1 : 0;
    return *calls_left > 0;
}

static void a_cancelled_merge_changes_nothing(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    fill(f);
    digest before = digest_of(f);
    uint32_t calls_left = 3;
    varve_task *task = varve_task_create();
    varve_task_set_check(task, cancel, &calls_left);
    check_status(VARVE_E_CANCELLED, vv_merge(f->db, true, task, &err));
    varve_task_free(task);
    assert_int_equal(f->db->version->segment_count, 3);
    assert_int_equal(engine_fixture_files(f, "seg"), 3);
    assert_int_equal(engine_fixture_files(f, "tmp"), 0);
    check_digest(f, before);
}

/* --- threads --- */

typedef struct writer_thread {
    vv_thread thread;
    engine_fixture *f;
    uint32_t series;
    varve_status status;
    varve_error err;
} writer_thread;

static void writer_thread_main(void *context)
{
    writer_thread *self = context;
    for (uint32_t i = 0; i < 60 && self->status == VARVE_OK; i++) {
        self->status = engine_fixture_try_write(self->f, self->series, i * 500, 10, 40,
                                                self->series, &self->err);
    }
}

static void flushes_and_merges_run_beside_writers(void **state)
{
    engine_fixture *f = *state;
    writer_thread threads[3] = {0};
    varve_error err;
    engine_fixture_close(f);
    f->options.flags = 0;
    f->options.flush_rows = 500;
    f->options.merge_fan_in = 2;
    engine_fixture_open(f);
    for (uint32_t i = 0; i < 3; i++) {
        threads[i].f = f;
        threads[i].series = i;
        check_ok(
            vv_thread_start(&threads[i].thread, "writer", writer_thread_main, &threads[i], &err),
            &err);
    }
    for (uint32_t i = 0; i < 10; i++) {
        engine_fixture_delete(f, 900, 0, 10); /* versions change from here too */
        engine_fixture_compact(f);
    }
    for (uint32_t i = 0; i < 3; i++) {
        vv_thread_join(&threads[i].thread);
        check_ok(threads[i].status, &threads[i].err);
    }
    digest before = digest_of(f);
    assert_int_equal(before.rows, 3 * 60 * 40);
    engine_fixture_compact(f);
    check_digest(f, before);
    check_reopened(f, before);
}

/* ---- G4 ---- */

static void a_merge_that_would_not_fit_does_not_begin(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    f->options.merge_fan_in = 2;
    engine_fixture_set_free(f, UINT64_MAX);
    engine_fixture_write(f, 0, 1000, 3, 2000, 1.37);
    engine_fixture_flush(f);
    engine_fixture_set_free(f, 100); /* less than a segment */
    engine_fixture_write(f, 1, 1000, 7, 2000, 1.37);
    digest wanted = digest_of(f);
    engine_fixture_flush(f); /* which would merge */
    assert_int_equal(engine_fixture_files(f, "seg"), 2);
    check_status(VARVE_E_NOSPACE, varve_compact(f->db, 0, NULL, &err));
    check_status(VARVE_E_NOSPACE, varve_compact(f->db, VARVE_COMPACT_ALL, NULL, &err));
    assert_non_null(strstr(err.message, "100 are free"));
    assert_int_equal(varve_health(f->db, NULL), VARVE_HEALTH_OK);
    check_digest(f, wanted);
    engine_fixture_delete(f, 0, INT64_MIN, INT64_MAX); /* such a merge gives space back */
    engine_fixture_delete(f, 1, 1000, 1001);
    wanted = digest_of(f);
    engine_fixture_compact(f);
    assert_int_equal(engine_fixture_files(f, "seg"), 1);
    check_digest(f, wanted);
    engine_fixture_write(f, 1, 0, 7, 20, 2);
    engine_fixture_set_free(f, UINT64_MAX);
    engine_fixture_flush(f);
    engine_fixture_compact(f);
    assert_int_equal(engine_fixture_files(f, "seg"), 1);
    engine_fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(fan_in_neighbours_of_one_level_are_merged),
        engine_fixture_test(compacting_all_leaves_one_segment),
        engine_fixture_test(overlapping_rows_are_resolved_by_arrival),
        engine_fixture_test(every_row_stays_where_all_stay),
        engine_fixture_test(full_vectors_stay_full),
        engine_fixture_test(fields_keep_their_names),
        engine_fixture_test(long_values_are_cut_into_vectors),
        engine_fixture_test(a_merge_applies_deletes_and_forgets_them),
        engine_fixture_test(a_delete_newer_than_the_inputs_stays),
        engine_fixture_test(a_merge_applies_what_is_durable),
        engine_fixture_test(a_merge_may_leave_nothing),
        engine_fixture_test(inputs_stay_until_their_last_reader_leaves),
        cmocka_unit_test(each_failed_call_loses_nothing),
        engine_fixture_test(each_failed_allocation_loses_nothing),
        engine_fixture_test(a_cancelled_merge_changes_nothing),
        engine_fixture_test(flushes_and_merges_run_beside_writers),
        engine_fixture_test(a_merge_that_would_not_fit_does_not_begin),
    };
    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
