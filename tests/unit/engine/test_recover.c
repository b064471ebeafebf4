/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening with a log that is whole and says what no varve writes: each such record is named as
 * damage (or as of a newer version), and nothing on disk changes. Invariant C1 of engine/recover.c,
 * and what recovery does with names it does not know.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/crc.h"
#include "base/text.h"
#include "codec/vector.h"
#include "engine/db.h"
#include "engine/manifest.h"
#include "engine/replay_crew.h"
#include "support/check.h"
#include "support/engine_fixture.h"
#include "support/file_tree.h"
#include "wal/frame.h"
#include "wal/payload.h"
#include "wal/wal.h"

/* ---- records by hand ---- */

static void recover_log_record(engine_fixture *f, vv_wal_type type, uint64_t sequences,
                               const void *bytes, size_t size)
{
    varve_error err;
    vv_wal_record record = {.type = type,
                            .sequences = sequences,
                            .payload = vv_bytes_make(bytes, size),
                            .payload_crc = vv_crc32c(0, bytes, size)};
    check_ok(vv_wal_reserve(f->db->wal, size, 1, VV_NO_DEADLINE, &err), &err);
    vv_wal_ticket ticket = vv_wal_append(f->db->wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_applied(f->db->wal, ticket);
    check_ok(vv_wal_wait(f->db->wal, ticket.id, UINT64_MAX, NULL, &err), &err);
}

/* The database does not open; the message has these words; with them gone it is as before. */
static void recover_expect(engine_fixture *f, varve_status expected, const char *words)
{
    varve_error err;
    engine_fixture_abandon(f);
    check_status(expected, varve_open("db", &f->options, &f->db, NULL));
    check_status(expected, varve_open("db", &f->options, &f->db, &err));
    assert_null(f->db);
    if (strstr(err.message, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, err.message);
    }
    assert_int_equal(atomic_load(&f->source.live), 0);
    check_ok(vv_vfs_remove_tree(f->files, &f->alloc, "db", &err), &err);
    engine_fixture_open(f);
}

static void recover_log_definition(engine_fixture *f, uint32_t kind, uint32_t id, varve_text name)
{
    varve_error err;
    vv_buf payload;
    vv_wal_definition definition = {.id = id, .kind = kind, .metric = name};
    vv_buf_init(&payload, &f->alloc, SIZE_MAX);
    check_ok(vv_payload_add_definition(&payload, &definition, &err), &err);
    recover_log_record(f, VV_WAL_SERIES, 0, payload.data, payload.size);
    vv_buf_deinit(&payload);
}

/* Series 1 and field 1 of the log are defined. */
static void recover_log_names(engine_fixture *f)
{
    recover_log_definition(f, 0, 1, VV_TEXT("metric"));
    recover_log_definition(f, 1, 1, VV_TEXT("field"));
}

static void recover_log_run(engine_fixture *f, const vv_run *run)
{
    varve_error err;
    vv_buf payload;
    vv_buf_init(&payload, &f->alloc, SIZE_MAX);
    check_ok(vv_payload_add_run(&payload, run, &err), &err);
    recover_log_record(f, VV_WAL_ROWS, run->count, payload.data, payload.size);
    vv_buf_deinit(&payload);
}

/* ---- tests ---- */

static void a_definition_of_an_impossible_id_is_damage(void **state)
{
    engine_fixture *f = *state;
    recover_log_definition(f, 0, UINT32_MAX, VV_TEXT("metric"));
    recover_expect(f, VARVE_E_CORRUPT, "a definition of id 4294967295");
    recover_log_definition(f, 1, 0, VV_TEXT("field"));
    recover_expect(f, VARVE_E_CORRUPT, "a definition of id 0");
}

static void rows_of_names_that_were_never_defined_are_damage(void **state)
{
    engine_fixture *f = *state;
    static const uint32_t series[] = {0, 2, 1};
    static const uint32_t fields[] = {1, 1, 2};
    static const char *const words[] = {"series 0", "series 2", "field 2"};
    for (size_t i = 0; i < VV_ARRAY_COUNT(series); i++) {
        int64_t time = 5;
        double value = 1;
        varve_column column = {.type = VARVE_TYPE_F64, .values = &value};
        vv_run run = {.count = 1,
                      .series = &series[i],
                      .series_count = 1,
                      .times = &time,
                      .time_count = 1,
                      .fields = &fields[i],
                      .columns = &column,
                      .column_count = 1};
        recover_log_names(f);
        recover_log_run(f, &run);
        recover_expect(f, VARVE_E_CORRUPT, words[i]);
    }
}

static void a_replacement_of_a_row_that_comes_later_is_damage(void **state)
{
    engine_fixture *f = *state;
    uint32_t one = 1;
    int64_t time = 5;
    double value = 1;
    uint64_t row_id = UINT64_C(1) << 40;
    varve_column column = {.type = VARVE_TYPE_F64, .values = &value};
    vv_run run = {.count = 1,
                  .series = &one,
                  .series_count = 1,
                  .times = &time,
                  .time_count = 1,
                  .row_ids = &row_id,
                  .fields = &one,
                  .columns = &column,
                  .column_count = 1};
    recover_log_names(f);
    recover_log_run(f, &run);
    recover_expect(f, VARVE_E_CORRUPT, "a replacement of row 1099511627776");
}

/* A vector of the log: times about 10 apart, of fields 1 and 2. */
static void recover_make_vector(engine_fixture *f, vv_buf *out)
{
    enum { ROWS = 100 };
    static int64_t times[ROWS];
    static double values[ROWS];
    varve_error err;
    for (int i = 0; i < ROWS; i++) {
        times[i] = i * 10 + i * i % 7;
        values[i] = i % 7 * 0.3;
    }
    static const uint64_t present[2] = {~UINT64_C(2), UINT64_MAX >> 28}; /* one row has none */
    uint32_t fields[2] = {1, 2};
    varve_column columns[2] = {{.type = VARVE_TYPE_F64, .values = values},
                               {.type = VARVE_TYPE_F64, .values = values, .present = present}};
    vv_rows rows = {
        .count = ROWS, .times = times, .fields = fields, .columns = columns, .column_count = 2};
    vv_codec_scratch *scratch;
    check_ok(vv_codec_scratch_create(&f->alloc, &scratch, &err), &err);
    vv_buf_init(out, &f->alloc, SIZE_MAX);
    check_ok(vv_vector_encode(&rows, scratch, out, &err), &err);
    vv_codec_scratch_free(scratch);
}

/* Every byte of a vector in turn: the rows as they were, or damage. */
static void a_vector_that_does_not_decode_is_damage(void **state)
{
    engine_fixture *f = *state;
    vv_buf vector;
    recover_make_vector(f, &vector);
    uint32_t one = 1;
    uint64_t damaged = 0;
    for (size_t at = 0; at <= vector.size; at++) {
        varve_error err;
        uint8_t bits = at < vector.size ? (uint8_t)(1u << at % 8) : 0;
        if (at < vector.size) {
            vector.data[at] ^= bits;
        }
        vv_run run = {.count = 100,
                      .series = &one,
                      .series_count = 1,
                      .vector = vector.data,
                      .vector_size = vector.size};
        recover_log_names(f);
        recover_log_definition(f, 1, 2, VV_TEXT("other"));
        recover_log_run(f, &run);
        engine_fixture_abandon(f);
        varve_status status = varve_open("db", &f->options, &f->db, &err);
        if (status == VARVE_OK) {
            engine_fixture_abandon(f);
        } else {
            check_status(VARVE_E_CORRUPT, status);
            damaged++;
        }
        assert_int_equal(atomic_load(&f->source.live), 0);
        assert_true(at < vector.size || status == VARVE_OK); /* the last one is whole */
        check_ok(vv_vfs_remove_tree(f->files, &f->alloc, "db", &err), &err);
        engine_fixture_open(f);
        if (at < vector.size) {
            vector.data[at] ^= bits;
        }
    }
    assert_true(damaged > 10);
    vv_run run = {.count = 99,
                  .series = &one,
                  .series_count = 1,
                  .vector = vector.data,
                  .vector_size = vector.size};
    recover_log_names(f);
    recover_log_run(f, &run);
    recover_expect(f, VARVE_E_CORRUPT, "a run of 99 rows has a vector of 100");
    vv_buf_deinit(&vector);
}

/* What a head cannot hold: as columns, and as a vector. */
static void a_row_without_a_value_is_damage(void **state)
{
    engine_fixture *f = *state;
    static const int64_t times[2] = {5, 6};
    static const double values[2] = {1, 0};
    static const uint64_t present = 1;
    uint32_t one = 1;
    varve_column column = {.type = VARVE_TYPE_F64, .values = values, .present = &present};
    vv_run run = {.count = 2,
                  .series = &one,
                  .series_count = 1,
                  .times = times,
                  .time_count = 2,
                  .fields = &one,
                  .columns = &column,
                  .column_count = 1};
    recover_log_names(f);
    recover_log_run(f, &run);
    recover_expect(f, VARVE_E_CORRUPT, "row 1 of a run has no value");

    varve_error err;
    vv_buf vector;
    vv_codec_scratch *scratch;
    vv_rows rows = {
        .count = 2, .times = times, .fields = &one, .columns = &column, .column_count = 1};
    check_ok(vv_codec_scratch_create(&f->alloc, &scratch, &err), &err);
    vv_buf_init(&vector, &f->alloc, SIZE_MAX);
    check_ok(vv_vector_encode(&rows, scratch, &vector, &err), &err);
    run = (vv_run){.count = 2,
                   .series = &one,
                   .series_count = 1,
                   .vector = vector.data,
                   .vector_size = vector.size};
    recover_log_names(f);
    recover_log_run(f, &run);
    recover_expect(f, VARVE_E_CORRUPT, "row 1 of a run has no value");
    vv_buf_deinit(&vector);
    vv_codec_scratch_free(scratch);
}

static void records_that_make_no_sense_are_damage(void **state)
{
    engine_fixture *f = *state;
    static const struct {
        vv_wal_type type;
        uint8_t bytes[12];
        size_t size;
        varve_status status;
        const char *words;
    } cases[] = {
        {VV_WAL_SERIES, {0, 9}, 2, VARVE_E_CORRUPT, "log"},
        {VV_WAL_ROWS, {0xff, 1}, 2, VARVE_E_CORRUPT, "log"},
        {VV_WAL_TOMBSTONE, {0xff, 1, 2}, 3, VARVE_E_CORRUPT, ""},
        {VV_WAL_TOMBSTONE, {0, 1}, 2, VARVE_E_CORRUPT, ""},
        {VV_WAL_TOMBSTONE, {1, 0xff}, 2, VARVE_E_CORRUPT, ""},
        {VV_WAL_POLICY, {VV_POLICY_METRIC, 9}, 2, VARVE_E_CORRUPT, "policy"},
        {VV_WAL_POLICY, {VV_POLICY_RETENTION, 9}, 2, VARVE_E_CORRUPT, "retention"},
        {VV_WAL_POLICY, {VV_POLICY_CUTS}, 1, VARVE_E_CORRUPT, "retention"},
        {VV_WAL_POLICY, {VV_POLICY_ROLLUPS, 9, 9}, 3, VARVE_E_CORRUPT, "rollup"},
        {VV_WAL_POLICY, {99}, 1, VARVE_E_UNSUPPORTED, "newer"},
        {VV_WAL_RINGPAGE, {1, 2, 3}, 3, VARVE_E_CORRUPT, ""},
        {VV_WAL_META, {0}, 1, VARVE_E_UNSUPPORTED, "newer"},
        {VV_WAL_EXEMPLARS, {0}, 1, VARVE_E_UNSUPPORTED, "newer"},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        recover_log_record(f, cases[i].type, 1, cases[i].bytes, cases[i].size);
        recover_expect(f, cases[i].status, cases[i].words);
    }
}

/* Names are numbered anew at each open, by their first use in the log: columns follow. */
static void fields_used_in_another_order_keep_their_values(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    varve_series series;
    varve_field fields[2]; /* resolved as a, b; b is written first */
    check_ok(varve_series_resolve(f->db, VARVE_STR("m"), NULL, 0, 0, &series, &err), &err);
    check_ok(varve_field_resolve(f->db, VARVE_STR("a"), &fields[0], &err), &err);
    check_ok(varve_field_resolve(f->db, VARVE_STR("b"), &fields[1], &err), &err);
    varve_value values[2] = {{.type = VARVE_TYPE_I64, .as.i64 = 7},
                             {.type = VARVE_TYPE_F64, .as.f64 = 0.5}};
    for (size_t count = 1; count <= 2; count++) {
        varve_batch *batch;
        varve_row row = {.series = series,
                         .timestamp = (int64_t)count,
                         .fields = fields + 2 - count,
                         .values = values + 2 - count,
                         .count = count};
        check_ok(varve_batch_create(f->db, &batch, &err), &err);
        check_ok(varve_batch_row(batch, &row, &err), &err);
        check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
        varve_batch_free(batch);
    }
    uint64_t before[2];
    uint64_t after[2];
    uint64_t rows;
    engine_fixture_digest(f, before, &rows);
    assert_int_equal(rows, 2);
    for (int i = 0; i < 2; i++) {
        engine_fixture_abandon(f);
        engine_fixture_open(f);
        engine_fixture_digest(f, after, &rows);
        assert_int_equal(rows, 2);
        assert_memory_equal(before, after, sizeof before);
    }
}

static void recover_put_file(engine_fixture *f, const char *path)
{
    vv_file *file;
    varve_error err;
    check_ok(vv_file_open(f->files, &f->alloc, path, VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err),
             &err);
    check_ok(vv_file_close(file, &err), &err);
}

static void foreign_files_are_left_alone(void **state)
{
    engine_fixture *f = *state;
    static const char *const paths[] = {
        "db/seg/README", "db/seg/notes of somebody, quite long.txt", "db/del/x",
        "db/wal/README", "db/wal/notes of somebody, quite long.txt",
    };
    engine_fixture_write(f, 1, 0, 10, 5, 1);
    engine_fixture_close(f);
    for (size_t i = 0; i < VV_ARRAY_COUNT(paths); i++) {
        recover_put_file(f, paths[i]);
    }
    recover_put_file(f, "db/seg/00000000000000009999.vsg"); /* ours, of a flush that was cut */
    engine_fixture_open(f);
    for (size_t i = 0; i < VV_ARRAY_COUNT(paths); i++) {
        bool exists;
        varve_error err;
        check_ok(vv_vfs_exists(f->files, paths[i], &exists, &err), &err);
        assert_true(exists);
        check_ok(vv_vfs_exists(f->files, "db/seg/00000000000000009999.vsg", &exists, &err), &err);
        assert_false(exists);
    }
    double value;
    assert_true(engine_fixture_value(f, 1, 40, &value));
}

static void an_old_log_file_that_stays_harms_nothing(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    engine_fixture_write(f, 1, 0, 10, 5, 1);
    engine_fixture_abandon(f);
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_UNLINK),
                          .path_part = ".vwl",
                          .first_call = 1,
                          .call_count = VV_FAULT_FOREVER,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EACCES};
    (void)vv_fault_add(f->fault, &rule);
    engine_fixture_open(f);
    assert_true(engine_fixture_files(f, "wal") >= 2);
    engine_fixture_write(f, 1, 100, 10, 5, 1);
    engine_fixture_abandon(f);
    vv_fault_clear(f->fault);
    engine_fixture_open(f);
    assert_int_equal(engine_fixture_files(f, "wal"), 1);
    double value;
    assert_true(engine_fixture_value(f, 1, 40, &value));
    assert_true(engine_fixture_value(f, 1, 140, &value));
    check_ok(varve_flush(f->db, NULL, &err), &err);
}

static void a_file_that_is_missing_is_damage_for_everybody(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    engine_fixture_write(f, 1, 0, 10, 5, 1);
    check_ok(varve_flush(f->db, NULL, &err), &err);
    engine_fixture_close(f);
    vv_dir_list list;
    check_ok(vv_vfs_list(f->files, &f->alloc, "db/seg", &list, &err), &err);
    assert_int_equal(list.count, 1);
    char path[64];
    snprintf(path, sizeof path, "db/seg/%s", list.entries[0].name);
    vv_dir_list_deinit(&list);
    check_ok(vv_vfs_unlink(f->files, path, &err), &err);
    for (int is_reader = 0; is_reader < 2; is_reader++) {
        varve_options options = f->options;
        options.flags |= is_reader == 1 ? (uint32_t)VARVE_OPEN_READONLY : 0;
        check_status(VARVE_E_CORRUPT, varve_open("db", &options, &f->db, &err));
        check_status(VARVE_E_CORRUPT, varve_open("db", &options, &f->db, NULL));
        assert_int_equal(atomic_load(&f->source.live), 0);
    }
    check_ok(vv_vfs_remove_tree(f->files, &f->alloc, "db", &err), &err);
    engine_fixture_open(f);
}

/* Both names of a segment have to fit: what is in it, and how much. */
static void a_segment_that_is_not_the_one_named_is_damage(void **state)
{
    engine_fixture *f = *state;
    for (int is_rows = 0; is_rows < 2; is_rows++) {
        varve_error err;
        engine_fixture_write(f, 1, 0, 10, 5, 1);
        check_ok(varve_flush(f->db, NULL, &err), &err);
        const vv_manifest_state *manifest = vv_manifest_get_state(f->db->manifest);
        vv_manifest_segment segment = *VV_VEC_AT(&manifest->segments, vv_manifest_segment, 0);
        segment.bytes += is_rows == 1 ? 0 : 1;
        segment.rows += is_rows == 1 ? 1 : 0;
        vv_manifest_edit edit = {
            .drop = &segment.id, .drop_count = 1, .add = &segment, .add_count = 1};
        check_ok(vv_manifest_append(f->db->manifest, &edit, &err), &err);
        recover_expect(f, VARVE_E_CORRUPT, "is not the file that the manifest names");
    }
}

/* Files of flushes that were cut: an open that cannot remove them says so, the next one does. */
static void what_a_cut_has_left_is_removed_or_told(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    engine_fixture_write(f, 1, 0, 10, 5, 1);
    engine_fixture_close(f);
    recover_put_file(f, "db/seg/00000000000000009998.vsg");
    recover_put_file(f, "db/seg/00000000000000009999.vsg");
    vv_fault_rule rule = {.ops = VV_VFS_OP_BIT(VV_VFS_OP_UNLINK),
                          .path_part = ".vsg",
                          .first_call = 1,
                          .call_count = 1,
                          .kind = VV_FAULT_ERRNO,
                          .os_errno = EIO};
    (void)vv_fault_add(f->fault, &rule);
    check_status(VARVE_E_IO, varve_open("db", &f->options, &f->db, &err));
    assert_non_null(strstr(err.message, "00000000000000009998.vsg"));
    assert_int_equal(engine_fixture_files(f, "seg"), 3);
    engine_fixture_open(f);
    assert_int_equal(engine_fixture_files(f, "seg"), 1);
    double value;
    assert_true(engine_fixture_value(f, 1, 40, &value));
}

/* A reader of a database that a salvage left with holes shows all that there is, and says so. */
static void a_reader_is_told_of_holes_that_were_left(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    engine_fixture_write(f, 1, 0, 10, 5, 1);
    vv_manifest_edit edit = {.set_flags = VV_MANIFEST_LOG_HOLES};
    check_ok(vv_manifest_append(f->db->manifest, &edit, &err), &err);
    engine_fixture_close(f);
    varve_options options = f->options;
    options.flags |= VARVE_OPEN_READONLY | VARVE_OPEN_ALLOW_DAMAGE;
    check_ok(varve_open("db", &options, &f->db, &err), &err);
    assert_int_equal(VARVE_HEALTH_DEGRADED, varve_health(f->db, &err));
    check_status(VARVE_E_CORRUPT, err.status);
    double value;
    assert_true(engine_fixture_value(f, 1, 40, &value));
}

/* ---- everything that an open reads ---- */

enum { RECOVER_ROWS = 2 * VV_REPLAY_CREW_ROWS_MIN };

/* One batch of columns: of one series (the log holds vectors), or of two in turn. */
static void recover_write_columns(engine_fixture *f, uint64_t series_count, int64_t first)
{
    static varve_series series[RECOVER_ROWS];
    static int64_t times[RECOVER_ROWS];
    static double numbers[RECOVER_ROWS];
    varve_error err;
    varve_field field;
    varve_batch *batch;
    check_ok(varve_field_resolve(f->db, VARVE_STR("late"), &field, &err), &err);
    for (uint64_t i = 0; i < RECOVER_ROWS; i++) {
        varve_text metric = i % series_count == 0 ? VARVE_STR("even") : VARVE_STR("odd");
        check_ok(varve_series_resolve(f->db, metric, NULL, 0, 0, &series[i], &err), &err);
        times[i] = first + (int64_t)i;
        numbers[i] = (double)(i * 7919 % 10007) / 7;
    }
    varve_column column = {.type = VARVE_TYPE_F64, .values = numbers};
    varve_columns columns;
    varve_columns_init(&columns);
    columns.rows = RECOVER_ROWS;
    columns.series = series;
    columns.series_count = series_count == 1 ? 1 : RECOVER_ROWS;
    columns.timestamps = times;
    columns.timestamp_count = RECOVER_ROWS;
    columns.fields = &field;
    columns.columns = &column;
    columns.column_count = 1;
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    check_ok(varve_batch_columns(batch, &columns, &err), &err);
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
}

/* Without background threads one thread does it all, run after run. */
static void large_runs_come_back_without_a_second_thread(void **state)
{
    engine_fixture *f = *state;
    uint64_t before[2];
    uint64_t after[2];
    uint64_t rows;
    recover_write_columns(f, 2, 0);
    recover_write_columns(f, 2, 1000000);
    recover_write_columns(f, 1, 2000000);
    engine_fixture_digest(f, before, &rows);
    assert_int_equal(rows, 3 * RECOVER_ROWS);
    engine_fixture_abandon(f);
    engine_fixture_open(f);
    engine_fixture_digest(f, after, &rows);
    assert_int_equal(rows, 3 * RECOVER_ROWS);
    assert_memory_equal(before, after, sizeof before);
}

static void recover_set_policies(engine_fixture *f, const char *metric, int64_t interval)
{
    varve_error err;
    varve_metric_policy policy;
    varve_retention retention;
    varve_rollup rollup = {.id = VARVE_STR("hourly"),
                           .metric = VARVE_STR("cpu"),
                           .interval = interval,
                           .aggregation = VARVE_AGG_AVG};
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = VARVE_ROW_IDS_ON;
    check_ok(varve_policy_metric(f->db, vv_text_from_string(metric), &policy, &err), &err);
    varve_retention_init(&retention);
    retention.window = interval * 1000000;
    check_ok(varve_policy_retention(f->db, vv_text_from_string(metric), &retention, &err), &err);
    check_ok(varve_policy_rollups(f->db, &rollup, 1, &err), &err);
}

/* Deletes a row by its address: it need not be there. */
static void recover_delete_row(engine_fixture *f)
{
    varve_error err;
    varve_batch *batch;
    varve_row_id id = {.timestamp = 7, .row_id = 1};
    check_ok(varve_series_resolve(f->db, VARVE_STR("kept"), NULL, 0, 0, &id.series, &err), &err);
    check_ok(varve_batch_create(f->db, &batch, &err), &err);
    check_ok(varve_batch_delete_row(batch, &id, &err), &err);
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
}

/* Something of each kind in the manifest, and in the log behind it. */
static void recover_make_all(engine_fixture *f, file_tree *out_tree)
{
    varve_error err;
    check_ok(vv_vfs_mkdir(f->files, "/warm", &err), &err);
    engine_fixture_close(f);
    f->options.warm_path = VARVE_STR("/warm");
    engine_fixture_open(f);
    recover_set_policies(f, "kept", 60);
    engine_fixture_write(f, 1, 0, 10, 5, 1);
    engine_fixture_write(f, 2, 0, 10, 5, 1);
    check_ok(varve_flush(f->db, NULL, &err), &err);
    engine_fixture_delete(f, 1, 0, 20);
    check_ok(varve_flush(f->db, NULL, &err), &err);
    recover_set_policies(f, "logged", 61);
    engine_fixture_write(f, 3, 0, 10, 5, 1);
    recover_write_columns(f, 1, 0);
    for (int i = 0; i < 20; i++) { /* so many that the list of them grows */
        engine_fixture_delete(f, 2, 0, 20);
    }
    recover_delete_row(f);
    engine_fixture_abandon(f);
    file_tree_load(out_tree, f->files, &f->alloc, "db");
}

static void recover_store(engine_fixture *f, const file_tree *tree)
{
    varve_error err;
    check_ok(vv_vfs_remove_tree(f->files, &f->alloc, "db", &err), &err);
    file_tree_store(tree, f->files, &f->alloc);
}

/* Each allocation and each call of an open fails once: the answer says so, and the next open finds
 * what this one would have found. */
static void recover_fail_each(engine_fixture *f, const file_tree *tree, uint64_t wanted_rows)
{
    uint64_t wanted[2] = {0};
    for (int kind = 0; kind < 2; kind++) {
        bool is_over = false;
        for (uint64_t n = 0; !is_over; n++) { /* the first one undisturbed */
            varve_error err;
            recover_store(f, tree);
            vv_fault_rule rule = {.first_call = kind == 1 ? n : 0,
                                  .call_count = 1,
                                  .kind = VV_FAULT_ERRNO,
                                  .os_errno = EIO};
            size_t number = vv_fault_add(f->fault, &rule);
            failing_alloc_plan(&f->source, kind == 0 ? n : 0, true);
            varve_status status = varve_open("db", &f->options, &f->db, &err);
            uint64_t fired =
                kind == 1 ? vv_fault_fired(f->fault, number) : atomic_load(&f->source.failures);
            failing_alloc_plan(&f->source, 0, true);
            vv_fault_clear(f->fault);
            is_over = n > 0 && fired == 0;
            if (status == VARVE_OK) {
                engine_fixture_abandon(f);
            } else {
                assert_true(fired > 0);
                check_status(kind == 1 ? VARVE_E_IO : VARVE_E_NOMEM, status);
                assert_int_equal(atomic_load(&f->source.live), 0);
            }
            uint64_t digest[2];
            uint64_t rows;
            engine_fixture_open(f);
            engine_fixture_digest(f, digest, &rows);
            assert_int_equal(wanted_rows, rows);
            if (kind == 0 && n == 0) {
                memcpy(wanted, digest, sizeof wanted);
            }
            assert_memory_equal(wanted, digest, sizeof wanted);
            engine_fixture_abandon(f);
        }
    }
}

static void every_failure_of_an_open_is_an_answer(void **state)
{
    engine_fixture *f = *state;
    file_tree tree;
    recover_make_all(f, &tree);
    recover_fail_each(f, &tree, 3 + 3 + 5 + RECOVER_ROWS);
    file_tree_free(&tree);
    engine_fixture_open(f);
}

/* The same with a hole in the log. */
static void every_failure_of_a_salvage_is_an_answer(void **state)
{
    engine_fixture *f = *state;
    file_tree tree;
    recover_make_all(f, &tree);
    file_tree_entry *log = NULL;
    for (size_t i = 0; i < tree.count; i++) {
        size_t size = strlen(tree.files[i].path);
        bool is_log = size > 4 && strcmp(tree.files[i].path + size - 4, ".vwl") == 0;
        log = is_log && log == NULL ? &tree.files[i] : log;
    }
    assert_non_null(log);
    size_t records = file_tree_used_bytes(log) - VV_FRAME_FILE_HEADER_BYTES;
    log->data[VV_FRAME_FILE_HEADER_BYTES + records / 2] ^= 1; /* of the columns */
    f->options.flags |= VARVE_OPEN_SALVAGE;
    recover_store(f, &tree);
    engine_fixture_open(f);
    uint64_t digest[2];
    uint64_t rows;
    engine_fixture_digest(f, digest, &rows);
    assert_in_range(rows, 6, 3 + 3 + 5 + RECOVER_ROWS - 1);
    engine_fixture_abandon(f);
    recover_fail_each(f, &tree, rows);
    file_tree_free(&tree);
    engine_fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(a_definition_of_an_impossible_id_is_damage),
        engine_fixture_test(rows_of_names_that_were_never_defined_are_damage),
        engine_fixture_test(a_replacement_of_a_row_that_comes_later_is_damage),
        engine_fixture_test(a_vector_that_does_not_decode_is_damage),
        engine_fixture_test(a_row_without_a_value_is_damage),
        engine_fixture_test(records_that_make_no_sense_are_damage),
        engine_fixture_test(fields_used_in_another_order_keep_their_values),
        engine_fixture_test(foreign_files_are_left_alone),
        engine_fixture_test(an_old_log_file_that_stays_harms_nothing),
        engine_fixture_test(a_file_that_is_missing_is_damage_for_everybody),
        engine_fixture_test(a_segment_that_is_not_the_one_named_is_damage),
        engine_fixture_test(what_a_cut_has_left_is_removed_or_told),
        engine_fixture_test(a_reader_is_told_of_holes_that_were_left),
        engine_fixture_test(large_runs_come_back_without_a_second_thread),
        engine_fixture_test(every_failure_of_an_open_is_an_answer),
        engine_fixture_test(every_failure_of_a_salvage_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
