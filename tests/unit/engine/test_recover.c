/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening with a log that is whole and says what no varve writes: each such record is named as
 * damage (or as of a newer version), and nothing on disk changes. Invariant C1 of engine/recover.c,
 * and what recovery does with names it does not know.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/text.h"
#include "codec/vector.h"
#include "engine/db.h"
#include "support/check.h"
#include "support/engine_fixture.h"
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

/* A vector of the log: times 0, 10, 20 ... of field 1. */
static void recover_make_vector(engine_fixture *f, vv_buf *out)
{
    enum { ROWS = 100 };
    static int64_t times[ROWS];
    static double values[ROWS];
    varve_error err;
    for (int i = 0; i < ROWS; i++) {
        times[i] = i * 10;
        values[i] = i % 7 * 0.3;
    }
    uint32_t field = 1;
    varve_column column = {.type = VARVE_TYPE_F64, .values = values};
    vv_rows rows = {
        .count = ROWS, .times = times, .fields = &field, .columns = &column, .column_count = 1};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(a_definition_of_an_impossible_id_is_damage),
        engine_fixture_test(rows_of_names_that_were_never_defined_are_damage),
        engine_fixture_test(a_replacement_of_a_row_that_comes_later_is_damage),
        engine_fixture_test(a_vector_that_does_not_decode_is_damage),
        engine_fixture_test(records_that_make_no_sense_are_damage),
        engine_fixture_test(fields_used_in_another_order_keep_their_values),
        engine_fixture_test(foreign_files_are_left_alone),
        engine_fixture_test(an_old_log_file_that_stays_harms_nothing),
        engine_fixture_test(a_file_that_is_missing_is_damage_for_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
