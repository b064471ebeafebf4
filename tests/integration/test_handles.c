/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles as the header promises them: one writer, readers beside it, closing, databases in memory,
 * what is told about a database.
 */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "support/dump.h"
#include "support/memory_world.h"
#include "support/temp_dir.h"

typedef struct handles {
    temp_dir dir;
    const char *path;
    varve_options options;
    varve_db *db;
} handles;

static void handles_begin(handles *h)
{
    varve_error err;
    memset(h, 0, sizeof *h);
    temp_dir_create(&h->dir);
    h->path = temp_dir_path(&h->dir, "db");
    varve_options_init(&h->options);
    h->options.sync = VARVE_SYNC_NONE;
    check_ok(varve_open(h->path, &h->options, &h->db, &err), &err);
}

static void handles_end(handles *h)
{
    varve_error err;
    check_ok(varve_close(h->db, &err), &err);
    temp_dir_remove(&h->dir);
}

static void there_is_one_writer(void **state)
{
    (void)state;
    handles h;
    varve_error err;
    varve_db *other;
    handles_begin(&h);
    check_status(VARVE_E_LOCKED, varve_open(h.path, &h.options, &other, &err));
    assert_null(other);
    assert_non_null(strstr(err.message, h.path));
    h.options.lock_wait_ms = 20;
    check_status(VARVE_E_LOCKED, varve_open(h.path, &h.options, &other, &err));
    char roundabout[700];
    snprintf(roundabout, sizeof roundabout, "%s/../db/.", h.path);
    check_status(VARVE_E_LOCKED, varve_open(roundabout, NULL, &other, &err));
    handles_end(&h);
}

static void opening_says_what_is_wrong(void **state)
{
    (void)state;
    handles h;
    varve_error err;
    varve_db *other;
    handles_begin(&h);
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_NO_CREATE;
    check_status(VARVE_E_NOT_FOUND,
                 varve_open(temp_dir_path(&h.dir, "no"), &options, &other, &err));
    options.flags = VARVE_OPEN_READONLY;
    check_status(VARVE_E_NOT_FOUND,
                 varve_open(temp_dir_path(&h.dir, "no"), &options, &other, &err));
    check_status(VARVE_E_NOT_FOUND,
                 varve_open(temp_dir_path(&h.dir, "no/deeper/db"), NULL, &other, &err));
    varve_options_init(&options);
    options.flags = 1u << 30;
    check_status(VARVE_E_INVALID, varve_open(h.path, &options, &other, &err));
    varve_options_init(&options);
    options.struct_size = 0;
    check_status(VARVE_E_INVALID, varve_open(h.path, &options, &other, &err));
    varve_options_init(&options);
    options.log_file_bytes = 1;
    check_status(VARVE_E_INVALID, varve_open(h.path, &options, &other, &err));
    check_status(VARVE_E_INVALID, varve_open("", NULL, &other, &err));
    check_status(VARVE_E_INVALID, varve_open(h.path, NULL, NULL, &err));
    check_ok(varve_close(NULL, &err), &err);
    varve_abandon(NULL);
    handles_end(&h);
}

static void a_busy_database_does_not_close(void **state)
{
    (void)state;
    handles h;
    varve_error err;
    varve_cursor *cursor;
    varve_batch *batch;
    handles_begin(&h);
    dump_must_put(h.db, "m", 1, "v", dump_i64(1));
    check_ok(varve_query(h.db, NULL, &cursor, &err), &err);
    check_status(VARVE_E_BUSY, varve_close(h.db, &err));
    assert_string_equal(dump_cursor(h.db, cursor), "m 1 v=1\n");
    check_ok(varve_batch_create(h.db, &batch, &err), &err);
    check_status(VARVE_E_BUSY, varve_close(h.db, &err));
    varve_batch_free(batch);
    dump_must_put(h.db, "m", 2, "v", dump_i64(2)); /* nothing was closed */
    handles_end(&h);
}

static void a_reader_follows_a_writer(void **state)
{
    (void)state;
    handles h;
    varve_error err;
    varve_db *reader;
    varve_cursor *old;
    varve_series known;
    handles_begin(&h);
    dump_must_put(h.db, "m{h=a}", 1, "v", dump_i64(1));
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READONLY;
    check_ok(varve_open(h.path, &options, &reader, &err), &err);
    assert_string_equal(dump_all(reader), "m{h=a} 1 v=1\n");
    known = dump_series(reader, "m{h=a}");
    varve_field field = dump_field(reader, "v");
    dump_must_put(h.db, "m{h=a}", 2, "v", dump_i64(2));
    dump_must_put(h.db, "k", 1, "v", dump_i64(3));
    assert_string_equal(dump_all(reader), "m{h=a} 1 v=1\n");
    check_ok(varve_query(reader, NULL, &old, &err), &err);
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_all(reader), "k 1 v=3\nm{h=a} 1 v=1\nm{h=a} 2 v=2\n");
    check_ok(varve_flush(h.db, NULL, &err), &err);
    varve_selection m;
    memset(&m, 0, sizeof m);
    m.kind = VARVE_SELECT_TEXT;
    m.text = VARVE_STR("m");
    check_ok(varve_delete(h.db, &m, 1, (varve_range){1, 2}, NULL, NULL, &err), &err);
    check_ok(varve_compact(h.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    dump_must_put(h.db, "m{h=a}", 3, "v", dump_i64(4));
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_all(reader), "k 1 v=3\nm{h=a} 2 v=2\nm{h=a} 3 v=4\n");
    assert_string_equal(dump_cursor(reader, old), "m{h=a} 1 v=1\n"); /* keeps its snapshot */
    assert_int_equal(dump_series(reader, "m{h=a}").id, known.id);
    varve_text name;
    check_ok(varve_field_name(reader, field, &name, &err), &err);
    assert_memory_equal(name.data, "v", 1);
    /* It changes nothing. */
    check_status(VARVE_E_READONLY, varve_flush(reader, NULL, &err));
    check_status(VARVE_E_READONLY, varve_compact(reader, 0, NULL, &err));
    varve_batch *batch;
    check_status(VARVE_E_READONLY, varve_batch_create(reader, &batch, &err));
    check_status(VARVE_E_READONLY, varve_write(reader, NULL, 0, NULL, NULL, &err));
    check_status(VARVE_E_READONLY,
                 varve_delete(reader, &m, 1, (varve_range){0, 1}, NULL, NULL, &err));
    check_status(VARVE_E_INVALID, varve_refresh(h.db, &err));
    varve_info info;
    varve_info_init(&info);
    check_ok(varve_db_info(reader, &info, &err), &err);
    assert_int_equal(info.is_readonly, 1);
    check_ok(varve_close(h.db, &err), &err);
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_all(reader), "k 1 v=3\nm{h=a} 2 v=2\nm{h=a} 3 v=4\n");
    check_ok(varve_open(h.path, &h.options, &h.db, &err), &err);
    check_ok(varve_refresh(reader, &err), &err);
    dump_must_put(h.db, "m{h=a}", 4, "v", dump_i64(5));
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_all(reader), "k 1 v=3\nm{h=a} 2 v=2\nm{h=a} 3 v=4\nm{h=a} 4 v=5\n");
    check_ok(varve_close(reader, &err), &err);
    handles_end(&h);
}

static void a_database_may_live_in_memory(void **state)
{
    (void)state;
    varve_error err;
    varve_db *a;
    varve_db *b;
    varve_written written;
    check_ok(varve_open(NULL, NULL, &a, &err), &err);
    check_ok(varve_open(NULL, NULL, &b, &err), &err);
    varve_text field = VARVE_STR("v");
    varve_value value = dump_i64(1);
    varve_named_row row = {
        .metric = VARVE_STR("m"), .timestamp = 1, .fields = &field, .values = &value, .count = 1};
    varve_written_init(&written);
    check_ok(varve_write(a, &row, 1, NULL, &written, &err), &err);
    assert_int_equal(written.ack, VARVE_ACK_VOLATILE);
    for (int round = 0; round < 2; round++) {
        assert_string_equal(dump_all(a), "m 1 v=1\n");
        assert_string_equal(dump_all(b), "");
        check_ok(varve_flush(a, NULL, &err), &err);
        check_ok(varve_compact(a, VARVE_COMPACT_ALL, NULL, &err), &err);
    }
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READONLY;
    varve_db *none;
    check_status(VARVE_E_INVALID, varve_open(NULL, &options, &none, &err));
    check_ok(varve_close(b, &err), &err);
    check_ok(varve_close(a, &err), &err);
}

static void precisions_are_stored(void **state)
{
    (void)state;
    for (uint32_t precision = VARVE_PRECISION_NS; precision <= VARVE_PRECISION_S; precision++) {
        varve_error err;
        varve_options options;
        varve_info info;
        memory_world *world = memory_world_create();
        varve_options_init(&options);
        options.environment = memory_world_environment(world);
        options.precision = precision;
        varve_db *db;
        check_ok(varve_open("/db", &options, &db, &err), &err);
        dump_must_put(db, "m", -7, "v", dump_i64(1));
        check_ok(varve_close(db, &err), &err);
        options.precision = VARVE_PRECISION_STORED;
        check_ok(varve_open("/db", &options, &db, &err), &err);
        varve_info_init(&info);
        check_ok(varve_db_info(db, &info, &err), &err);
        assert_int_equal(info.precision, precision);
        assert_string_equal(dump_all(db), "m -7 v=1\n");
        check_ok(varve_close(db, &err), &err);
        memory_world_free(world);
    }
}

static double handles_figure(varve_db *db, const char *name)
{
    varve_error err;
    varve_stat stats[200];
    size_t count;
    check_ok(varve_stats(db, stats, 200, &count, &err), &err);
    assert_true(count <= 200);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(stats[i].name, name) == 0) {
            assert_true(stats[i].help != NULL && stats[i].kind <= VARVE_STAT_HISTOGRAM);
            return stats[i].value;
        }
    }
    fail_msg("no figure %s", name);
    return 0;
}

static void figures_health_and_digest_tell_the_state(void **state)
{
    (void)state;
    handles h;
    varve_error err;
    varve_verified first;
    varve_verified second;
    size_t count;
    handles_begin(&h);
    for (int64_t i = 0; i < 10; i++) {
        dump_must_put(h.db, i % 2 == 0 ? "m" : "n", i, "v", dump_i64(i));
    }
    check_ok(varve_stats(h.db, NULL, 0, &count, &err), &err); /* how many there are */
    assert_true(count > 20);
    assert_true(handles_figure(h.db, "varve_head_rows") == 10.0);
    assert_true(handles_figure(h.db, "varve_series") == 2.0);
    assert_true(handles_figure(h.db, "varve_series_created_total") == 2.0);
    assert_true(handles_figure(h.db, "varve_wal_fsync_duration_seconds_count") ==
                handles_figure(h.db, "varve_wal_syncs_total"));
    assert_true(handles_figure(h.db, "varve_wal_fsync_duration_seconds_bucket{le=\"+Inf\"}") ==
                handles_figure(h.db, "varve_wal_syncs_total"));
    varve_verified_init(&first);
    check_ok(varve_verify(h.db, NULL, &first, &err), &err);
    check_ok(varve_flush(h.db, NULL, &err), &err);
    assert_true(handles_figure(h.db, "varve_head_rows") == 0.0);
    assert_true(handles_figure(h.db, "varve_segments") == 1.0);
    assert_true(handles_figure(h.db, "varve_level_segments{level=\"0\"}") == 1.0);
    varve_verified_init(&second);
    check_ok(varve_verify(h.db, NULL, &second, &err), &err);
    assert_int_equal(first.rows, 10);
    assert_int_equal(first.series, 2);
    assert_int_equal(second.rows, 10);
    assert_true(second.files > 0 && second.blocks > 0);
    assert_memory_equal(first.digest, second.digest, sizeof first.digest);
    dump_must_put(h.db, "m", 0, "v", dump_i64(77));
    check_ok(varve_verify(h.db, NULL, &second, &err), &err);
    assert_memory_not_equal(first.digest, second.digest, sizeof first.digest);
    memset(&err, 1, sizeof err);
    assert_int_equal(varve_health(h.db, &err), VARVE_HEALTH_OK);
    assert_int_equal(err.status, VARVE_OK);
    assert_int_equal(varve_health(h.db, NULL), VARVE_HEALTH_OK);
    handles_end(&h);
}

static void names_come_back(void **state)
{
    (void)state;
    handles h;
    varve_error err;
    varve_series series;
    varve_text metric;
    const varve_label *labels;
    size_t count;
    handles_begin(&h);
    varve_series made = dump_series(h.db, "m{z=1,a=2}");
    assert_int_equal(dump_series(h.db, "m{a=2,z=1}").id, made.id);
    check_ok(varve_series_name(h.db, made, &metric, &labels, &count, &err), &err);
    assert_int_equal(count, 2);
    assert_memory_equal(labels[0].name.data, "a", 1); /* sorted by name */
    assert_memory_equal(labels[1].value.data, "1", 1);
    series.id = 0;
    check_status(VARVE_E_INVALID, varve_series_name(h.db, series, &metric, &labels, &count, &err));
    series.id = UINT64_MAX;
    check_status(VARVE_E_INVALID, varve_series_name(h.db, series, &metric, &labels, &count, &err));
    check_status(VARVE_E_NOT_FOUND, varve_series_resolve(h.db, VARVE_STR("x"), NULL, 0,
                                                         VARVE_RESOLVE_EXISTING, &series, &err));
    char wide[300];
    memset(wide, 'x', sizeof wide);
    varve_field field;
    varve_text long_name = {wide, 257};
    check_status(VARVE_E_INVALID, varve_field_resolve(h.db, long_name, &field, &err));
    long_name.size = 256;
    check_ok(varve_field_resolve(h.db, long_name, &field, &err), &err);
    varve_label label = {long_name, VARVE_STR("v")};
    check_ok(varve_series_resolve(h.db, VARVE_STR("m"), &label, 1, 0, &series, &err), &err);
    label.name.size = 257;
    check_status(VARVE_E_INVALID,
                 varve_series_resolve(h.db, VARVE_STR("m"), &label, 1, 0, &series, &err));
    handles_end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_one_writer),
        cmocka_unit_test(opening_says_what_is_wrong),
        cmocka_unit_test(a_busy_database_does_not_close),
        cmocka_unit_test(a_reader_follows_a_writer),
        cmocka_unit_test(a_database_may_live_in_memory),
        cmocka_unit_test(precisions_are_stored),
        cmocka_unit_test(figures_health_and_digest_tell_the_state),
        cmocka_unit_test(names_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
