/* SPDX-License-Identifier: Apache-2.0 */
/* Commits as one thread sees them: what is written, what is refused, what a failure leaves. */
#include <errno.h>

#include "engine/batch_priv.h"
#include "engine/flush.h"
#include "engine/head.h"
#include "sys/vfs_fault.h"
#include "wal/wal.h"

#include "write_world.h"

static void a_commit_is_visible_and_says_what_it_did(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_series series = world_series(&world, "m", "a");
    varve_field v = world_field(&world, "v");
    varve_field w = world_field(&world, "w");
    world_row(&world, series, 10, v, world_f64(1));
    world_row(&world, series, 20, v, world_f64(2));
    world_row(&world, series, 10, w, world_i64(7));
    varve_written written = world_commit(&world);
    assert_int_equal(3, written.rows);
    assert_int_equal(1, written.rows_late);
    assert_int_equal(0, written.rows_rejected);
    assert_int_equal(VARVE_ACK_VOLATILE, written.ack); /* in memory */
    assert_int_equal(1, written.first_row_id);
    assert_true(written.ticket != 0);
    assert_string_equal("10:v=1,w=7i;20:v=2;", world_read(&world, series));
    world_row(&world, series, 30, v, world_f64(3));
    written = world_commit(&world);
    assert_int_equal(4, written.first_row_id);
    assert_string_equal("10:v=1,w=7i;20:v=2;30:v=3;", world_read(&world, series));
    written = world_commit(&world); /* nothing: the batch is empty after a commit */
    assert_int_equal(0, written.rows);
    assert_int_equal(VARVE_ACK_DURABLE, written.ack);
    assert_int_equal(4, atomic_load(&world.db->counters.rows_written));
    assert_int_equal(4, atomic_load(&world.db->counters.points_written));
    assert_int_equal(2, atomic_load(&world.db->counters.batches));
    world_end(&world);
}

static void submitted_batches_keep_their_order(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field v = world_field(&world, "v");
    varve_written first;
    varve_written second;
    varve_written_init(&first);
    varve_written_init(&second);
    world_row(&world, series, 1, v, world_f64(1));
    check_ok(vv_batch_submit(world.batch, NULL, &first, &err), &err);
    assert_int_equal(VARVE_ACK_NONE, first.ack);
    world_row(&world, series, 1, v, world_f64(2));
    check_ok(vv_batch_submit(world.batch, NULL, &second, &err), &err);
    assert_true(second.ticket > first.ticket);
    assert_int_equal(first.first_row_id + 1, second.first_row_id);
    uint32_t ack;
    check_ok(vv_wal_wait(world.db->wal, second.ticket, UINT64_MAX, &ack, &err), &err);
    assert_string_equal("1:v=2;", world_read(&world, series));
    world_end(&world);
}

/* ---- types ---- */

static void a_row_of_another_type_refuses_the_whole_batch(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series a = world_series(&world, "m", "a");
    varve_series b = world_series(&world, "m", "b");
    varve_field v = world_field(&world, "v");
    world_row(&world, a, 1, v, world_f64(1));
    world_commit(&world);
    world_row(&world, b, 2, v, world_f64(2));
    world_row(&world, a, 2, v, world_text("x"));
    check_status(VARVE_E_INVALID, vv_batch_commit(world.batch, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "row 1"));
    assert_non_null(strstr(err.message, "\"v\""));
    assert_non_null(strstr(err.message, "\"m\""));
    assert_non_null(strstr(err.message, "f64"));
    assert_non_null(strstr(err.message, "bytes/string"));
    assert_string_equal("1:v=1;", world_read(&world, a));
    assert_string_equal("", world_read(&world, b));
    /* The batch is as before: with leave to skip it goes through. */
    varve_write_options options;
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    check_ok(vv_batch_commit(world.batch, &options, NULL, &err), &err);
    assert_string_equal("1:v=1;", world_read(&world, a));
    assert_string_equal("2:v=2;", world_read(&world, b));
    /* A type claimed by an earlier row of the batch holds as well. */
    varve_field n = world_field(&world, "new");
    world_row(&world, a, 3, n, world_f64(1));
    world_row(&world, a, 4, n, world_i64(1));
    check_status(VARVE_E_INVALID, vv_batch_commit(world.batch, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "row 1"));
    vv_batch_clear(world.batch);
    /* The failed batch has claimed nothing for good. */
    world_row(&world, a, 5, n, world_text("s"));
    world_commit(&world);
    assert_string_equal("1:v=1;5:new=s;", world_read(&world, a));
    world_end(&world);
}

static void rejected_rows_are_left_out_and_listed(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field v = world_field(&world, "v");
    varve_field w = world_field(&world, "w");
    world_row(&world, series, 0, v, world_f64(0));
    world_commit(&world);
    varve_error reason;
    VV_IGNORE(vv_fail(&reason, VARVE_E_LIMIT, "series_max"));
    world_row(&world, series, 1, v, world_f64(1));
    world_row(&world, series, 2, v, world_i64(2));               /* rejected: 1 */
    check_ok(vv_batch_refuse(world.batch, &reason, &err), &err); /* 2 */
    world_row(&world, series, 4, v, world_f64(4));
    varve_field both[2] = {w, v}; /* new field beside a wrong one: claims nothing */
    varve_value values[2] = {world_f64(5), world_text("x")};
    varve_row row = {
        .series = series, .timestamp = 5, .fields = both, .values = values, .count = 2};
    check_ok(vv_batch_row(world.batch, &row, &err), &err); /* 4 */
    world_row(&world, series, 6, w, world_text("w"));
    varve_rejected rejected[2] = {{0}};
    varve_write_options options;
    varve_write_options_init(&options);
    check_status(VARVE_E_LIMIT, vv_batch_commit(world.batch, &options, NULL, &err));
    assert_string_equal("series_max", err.message);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = 2;
    varve_written written;
    varve_written_init(&written);
    check_ok(vv_batch_commit(world.batch, &options, &written, &err), &err);
    assert_int_equal(3, written.rows);
    assert_int_equal(3, written.rows_rejected);
    assert_int_equal(1, rejected[0].row);
    assert_int_equal(VARVE_E_INVALID, rejected[0].status);
    assert_int_equal(v.id, rejected[0].field.id);
    assert_int_equal(2, rejected[1].row);
    assert_int_equal(VARVE_E_LIMIT, rejected[1].status);
    assert_int_equal(0, rejected[1].field.id);
    assert_string_equal("0:v=0;1:v=1;4:v=4;6:w=w;", world_read(&world, series));
    /* All rejected: nothing to write, and no failure. */
    world_row(&world, series, 9, v, world_i64(2));
    check_ok(vv_batch_commit(world.batch, &options, &written, &err), &err);
    assert_int_equal(0, written.rows);
    assert_int_equal(1, written.rows_rejected);
    world_end(&world);
}

static void a_type_may_change_when_no_visible_row_holds_it(void **state)
{
    (void)state;
    for (int is_flushed = 0; is_flushed < 2; is_flushed++) {
        write_world world;
        world_start(&world);
        varve_error err;
        varve_series series = world_series(&world, "m", "a");
        varve_field v = world_field(&world, "v");
        for (int i = 0; i < 200; i++) {
            world_row(&world, series, i, v, world_f64(i));
            world_commit(&world);
        }
        if (is_flushed != 0) {
            check_ok(vv_flush(world.db, NULL, &err), &err);
        }
        world_delete(&world, series, 0, 199);
        world_commit(&world);
        world_row(&world, series, 300, v, world_text("x"));
        check_status(VARVE_E_INVALID, vv_batch_commit(world.batch, NULL, NULL, &err)); /* 199 */
        vv_batch_clear(world.batch);
        world_delete(&world, series, 199, 200);
        world_commit(&world);
        world_row(&world, series, 300, v, world_text("x"));
        world_row(&world, series, 50, v, world_text("late"));
        world_commit(&world);
        assert_string_equal("50:v=late;300:v=x;", world_read(&world, series));
        world_row(&world, series, 400, v, world_f64(1));
        check_status(VARVE_E_INVALID, vv_batch_commit(world.batch, NULL, NULL, &err));
        vv_batch_clear(world.batch);
        check_ok(vv_flush(world.db, NULL, &err), &err);
        assert_string_equal("50:v=late;300:v=x;", world_read(&world, series));
        world_end(&world);
    }
}

static void a_delete_of_the_batch_frees_a_type(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field v = world_field(&world, "v");
    world_row(&world, series, 1, v, world_f64(1));
    world_commit(&world);
    /* Stored rows and rows of the batch are hidden before the type changes, twice. */
    world_row(&world, series, 2, v, world_f64(2));
    world_delete(&world, series, 0, 100);
    world_row(&world, series, 3, v, world_text("three"));
    world_delete(&world, series, 3, 4);
    world_row(&world, series, 4, v, world_i64(4));
    varve_written written = world_commit(&world);
    assert_int_equal(3, written.rows);
    assert_int_equal(1, written.series_deleted);
    assert_string_equal("4:v=4i;", world_read(&world, series));
    /* A range that leaves one row out frees nothing. */
    world_row(&world, series, 10, v, world_i64(10));
    world_delete(&world, series, 5, 100);
    world_row(&world, series, 11, v, world_f64(11));
    check_status(VARVE_E_INVALID, vv_batch_commit(world.batch, NULL, NULL, &err));
    vv_batch_clear(world.batch);
    world_row(&world, series, 10, v, world_i64(10));
    world_delete(&world, series, 0, 10);
    world_row(&world, series, 11, v, world_f64(11));
    check_status(VARVE_E_INVALID, vv_batch_commit(world.batch, NULL, NULL, &err));
    vv_batch_clear(world.batch);
    assert_string_equal("4:v=4i;", world_read(&world, series));
    world_end(&world);
}

/* Deletes of one batch that cover a row together, in any order and over both ends of time. */
static void deletes_that_touch_free_a_type_together(void **state)
{
    (void)state;
    static const struct {
        varve_range deletes[3];
        bool frees;
    } cases[] = {
        {{{0, 5}, {5, 10}, {2, 4}}, true},
        {{{5, 10}, {2, 4}, {0, 5}}, true},
        {{{INT64_MIN, 3}, {3, INT64_MAX}, {1, 2}}, true},
        {{{0, 5}, {6, 10}, {2, 4}}, false},
        {{{1, 10}, {1, INT64_MAX}, {2, 4}}, false},
        {{{INT64_MIN, 9}, {0, 3}, {3, 9}}, false},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        write_world world;
        world_start(&world);
        varve_error err;
        varve_series series = world_series(&world, "m", "a");
        varve_series other = world_series(&world, "m", "b");
        varve_field v = world_field(&world, "v");
        for (int time = 0; time < 10; time++) {
            world_row(&world, series, time, v, world_f64(time));
        }
        world_commit(&world);
        for (size_t at = 0; at < 3; at++) {
            world_delete(&world, series, cases[i].deletes[at].start, cases[i].deletes[at].end);
            world_delete(&world, other, INT64_MIN,
                         INT64_MAX); /* of another series: frees nothing */
        }
        world_row(&world, series, 20, v, world_text("x"));
        varve_status status = vv_batch_commit(world.batch, NULL, NULL, &err);
        assert_int_equal(status, cases[i].frees ? VARVE_OK : VARVE_E_INVALID);
        if (cases[i].frees) {
            assert_string_equal("20:v=x;", world_read(&world, series));
        }
        vv_batch_clear(world.batch);
        world_end(&world);
    }
}

/* Columns of many series at one time, some without a value: each row holds what it has. */
static void columns_hold_types_row_by_row(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series[3] = {world_series(&world, "m", "a"), world_series(&world, "m", "b"),
                              world_series(&world, "m", "c")};
    varve_field fields[2] = {world_field(&world, "v"), world_field(&world, "w")};
    int64_t time = 100;
    double numbers[3] = {1, 2, 3};
    uint64_t present = 3; /* c has no v */
    varve_column columns[2] = {{.type = VARVE_TYPE_F64, .values = numbers, .present = &present},
                               {.type = VARVE_TYPE_F64, .values = numbers}};
    varve_columns rows;
    varve_columns_init(&rows);
    rows.rows = 3;
    rows.series = series;
    rows.series_count = 3;
    rows.timestamps = &time;
    rows.timestamp_count = 1;
    rows.fields = fields;
    rows.columns = columns;
    rows.column_count = 2;
    check_ok(vv_batch_columns(world.batch, &rows, &err), &err);
    world_delete(&world, series[0], 100, 101);
    world_row(&world, series[0], 200, fields[0], world_text("a")); /* deleted */
    world_row(&world, series[2], 150, fields[0], world_f64(150));
    world_delete(&world, series[2], 150, 151);
    world_row(&world, series[2], 200, fields[0], world_text("c")); /* the row of 100 has none */
    world_row(&world, series[1], 200, fields[0], world_text("b")); /* held: row 6 */
    check_status(VARVE_E_INVALID, vv_batch_commit(world.batch, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "row 6"));
    varve_write_options options;
    varve_written written;
    varve_write_options_init(&options);
    varve_written_init(&written);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    check_ok(vv_batch_commit(world.batch, &options, &written, &err), &err);
    assert_int_equal(written.rows, 6);
    assert_int_equal(written.rows_rejected, 1);
    assert_string_equal("200:v=a;", world_read(&world, series[0]));
    assert_string_equal("100:v=2,w=2;", world_read(&world, series[1]));
    assert_string_equal("100:w=3;200:v=c;", world_read(&world, series[2]));
    world_end(&world);
}

/* A row that was rejected holds nothing for the rows behind it. */
static void rejected_rows_hold_no_type(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field v = world_field(&world, "v");
    varve_field w = world_field(&world, "w");
    world_row(&world, series, 1, v, world_f64(1));
    world_commit(&world);
    varve_field both[2] = {v, w};
    varve_value values[2] = {world_i64(2), world_i64(2)};
    varve_row row = {
        .series = series, .timestamp = 2, .fields = both, .values = values, .count = 2};
    check_ok(vv_batch_row(world.batch, &row, &err), &err); /* v is f64 */
    values[0] = world_f64(3);
    values[1] = world_f64(3);
    row.timestamp = 3;
    check_ok(vv_batch_row(world.batch, &row, &err), &err);
    world_row(&world, series, 4, w, world_text("w is f64"));
    world_delete(&world, series, 3, 4);
    world_row(&world, series, 5, w, world_text("nothing holds w"));
    varve_write_options options;
    varve_written written;
    varve_write_options_init(&options);
    varve_written_init(&written);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    check_ok(vv_batch_commit(world.batch, &options, &written, &err), &err);
    assert_int_equal(written.rows_rejected, 2);
    assert_string_equal("1:v=1;5:w=nothing holds w;", world_read(&world, series));
    world_end(&world);
}

/* Types that change, rows that are rejected, deletes between: no memory, no effect. */
static void a_change_of_type_that_finds_no_memory_has_no_effect(void **state)
{
    (void)state;
    bool has_failed = true;
    for (uint64_t number = 1; has_failed; number++) {
        write_world world;
        varve_error err;
        world_start(&world);
        varve_series a = world_series(&world, "m", "a");
        varve_series b = world_series(&world, "m", "b");
        varve_field v = world_field(&world, "v");
        world_row(&world, a, 1, v, world_f64(1));
        world_row(&world, b, 1, v, world_f64(1));
        world_commit(&world);
        world_row(&world, a, 2, v, world_f64(2));
        world_delete(&world, a, 0, 50);
        world_delete(&world, a, 50, 60);
        world_row(&world, a, 3, v, world_text("three"));
        world_row(&world, b, 3, v, world_text("is rejected"));
        world_row(&world, b, 4, v, world_f64(4));
        varve_write_options options;
        varve_write_options_init(&options);
        options.flags = VARVE_WRITE_SKIP_REJECTED;
        failing_alloc_plan(&world.failing, number, /* once */ true);
        varve_status status = vv_batch_commit(world.batch, &options, NULL, &err);
        has_failed = atomic_load(&world.failing.failures) > 0;
        failing_alloc_plan(&world.failing, 0, false);
        if (status != VARVE_OK) {
            check_status(VARVE_E_NOMEM, status);
            assert_string_equal("1:v=1;", world_read(&world, a));
            assert_string_equal("1:v=1;", world_read(&world, b));
            check_ok(vv_batch_commit(world.batch, &options, NULL, &err), &err);
        }
        assert_string_equal("3:v=three;", world_read(&world, a));
        assert_string_equal("1:v=1;4:v=4;", world_read(&world, b));
        world_end(&world);
    }
}

static void rows_may_have_more_fields_together_than_one_may(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    enum { WIDE = 1000 };
    static varve_field fields[2 * WIDE];
    static varve_value values[WIDE];
    for (int i = 0; i < 2 * WIDE; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%04d", i);
        fields[i] = world_field(&world, name);
        values[i % WIDE] = world_i64(i % WIDE);
    }
    varve_row row = {.series = series, .values = values, .count = WIDE};
    for (int attempt = 0; attempt < 3; attempt++) {
        for (int i = 0; i < 6; i++) {
            row.fields = fields + (i % 2) * WIDE;
            row.timestamp = 10 * attempt + i;
            check_ok(vv_batch_row(world.batch, &row, &err), &err);
        }
        if (attempt == 0) { /* what was reserved goes again, wherever it was */
            world_row(&world, series, 9, fields[0], world_f64(0));
            check_status(VARVE_E_INVALID, vv_batch_commit(world.batch, NULL, NULL, &err));
            assert_string_equal("", world_read(&world, series));
            vv_batch_clear(world.batch);
            continue;
        }
        if (attempt == 2) {
            row.timestamp = 22; /* late, and one with an earlier row */
            check_ok(vv_batch_row(world.batch, &row, &err), &err);
        }
        assert_int_equal(attempt - 1, world_commit(&world).rows_late);
    }
    size_t counts[2] = {0};
    for (const char *at = world_read(&world, series); *at != '\0'; at++) {
        counts[0] += *at == '=' ? 1 : 0;
        counts[1] += *at == ';' ? 1 : 0;
    }
    assert_int_equal(13 * WIDE, counts[0]);
    assert_int_equal(12, counts[1]);
    world_end(&world);
}

/* ---- deletes ---- */

static void a_delete_hides_what_precedes_it(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_series a = world_series(&world, "m", "a");
    varve_series b = world_series(&world, "m", "b");
    varve_series other = world_series(&world, "other", "a");
    world_series(&world, "m", "never written");
    varve_field v = world_field(&world, "v");
    world_row(&world, a, 1, v, world_f64(1));
    world_row(&world, b, 100, v, world_f64(1));
    world_row(&world, other, 1, v, world_f64(1));
    world_commit(&world);
    vv_view *before;
    check_ok(vv_view_open(world.db, &before, &err), &err);
    world_row(&world, a, 2, v, world_f64(2));
    varve_selection selection = {.kind = VARVE_SELECT_TEXT, .text = VARVE_STR("m")};
    check_ok(vv_batch_delete(world.batch, &selection, 1, (varve_range){0, 50}, &err), &err);
    world_row(&world, a, 3, v, world_f64(3));
    world_row(&world, a, 1, v, world_f64(10));
    varve_written written = world_commit(&world);
    assert_int_equal(1, written.series_deleted);
    assert_int_equal(3, written.rows);
    assert_int_equal(4, written.first_row_id);
    assert_string_equal("1:v=10;3:v=3;", world_read(&world, a));
    assert_string_equal("100:v=1;", world_read(&world, b));
    assert_string_equal("1:v=1;", world_read(&world, other));
    assert_string_equal("1:v=1;", world_read_at(&world, a, before)); /* E2 */
    vv_view_unref(before);
    check_ok(vv_batch_delete(world.batch, NULL, 0, (varve_range){INT64_MIN, INT64_MAX}, &err),
             &err);
    written = world_commit(&world);
    assert_int_equal(3, written.series_deleted);
    assert_int_equal(0, written.rows);
    assert_string_equal("", world_read(&world, a));
    assert_string_equal("", world_read(&world, other));
    world_delete(&world, a, INT64_MIN, INT64_MAX);
    assert_int_equal(0, world_commit(&world).series_deleted); /* nothing left to hide */
    world_end(&world);
}

static void a_delete_by_handle_survives_a_crash(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world_open(&world, WORLD_PATH);
    varve_field v = world_field(&world, "v");
    varve_series first = world_series(&world, "m", "first"); /* shifts the ids of the next open */
    varve_series a = world_series(&world, "m", "a");
    world_row(&world, a, 1, v, world_f64(1));
    world_commit(&world);
    world_row(&world, first, 1, v, world_f64(1));
    world_row(&world, a, 2, v, world_f64(2));
    world_delete(&world, a, 0, 10);
    world_row(&world, a, 3, v, world_f64(3));
    varve_written written = world_commit(&world);
    assert_int_equal(VARVE_ACK_DURABLE, written.ack);
    world_abandon(&world);
    world_open(&world, WORLD_PATH);
    assert_string_equal("3:v=3;", world_read(&world, world_series(&world, "m", "a")));
    assert_string_equal("1:v=1;", world_read(&world, world_series(&world, "m", "first")));
    world_end(&world);
}

/* ---- the log ---- */

static void each_generation_defines_what_it_uses(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world_open(&world, WORLD_PATH);
    varve_error err;
    varve_field v = world_field(&world, "v");
    varve_field w = world_field(&world, "w");
    varve_series series = world_series(&world, "m", "a");
    world_row(&world, series, 1, v, world_f64(1));
    world_commit(&world);
    world_row(&world, series, 2, w, world_f64(2)); /* a known series, a new field */
    world_commit(&world);
    check_ok(vv_flush(world.db, NULL, &err), &err);
    world_row(&world, series, 3, v, world_f64(3)); /* both anew: the log was cut */
    world_commit(&world);
    world_abandon(&world);
    world_open(&world, WORLD_PATH);
    series = world_series(&world, "m", "a");
    assert_string_equal("1:v=1;2:w=2;3:v=3;", world_read(&world, series));
    world_end(&world);
}

/* ---- bulk calls ---- */

enum { BULK_ROWS = 3000 };

/* Rows with unordered, repeated times, a sparse and a text column, as columns of one call, or row
 * by row. */
static void bulk_write(write_world *world, varve_series series, uint64_t seed, bool as_columns)
{
    static int64_t times[BULK_ROWS];
    static double numbers[BULK_ROWS];
    static varve_text texts[BULK_ROWS];
    static uint64_t present[BULK_ROWS / 64 + 1];
    static const char *const words[] = {"red", "green", "blue"};
    varve_error err;
    varve_field fields[2] = {world_field(world, "n"), world_field(world, "t")};
    memset(present, 0, sizeof present);
    uint64_t random = seed;
    for (size_t i = 0; i < BULK_ROWS; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        times[i] = (int64_t)(i + (random >> 33) % (seed % 2 == 0 ? 1 : 40)) / 2;
        numbers[i] = (double)((random >> 20) % 100);
        texts[i] = vv_text_from_string(words[(random >> 40) % 3]);
        if ((random >> 50) % 4 != 0) {
            vv_bits_set(present, i);
        }
    }
    if (as_columns) {
        varve_column columns[2] = {
            {.type = VARVE_TYPE_F64, .values = numbers},
            {.type = VARVE_TYPE_STRING, .values = texts, .present = present}};
        varve_columns call;
        varve_columns_init(&call);
        call.rows = BULK_ROWS;
        call.series = &series;
        call.series_count = 1;
        call.timestamps = times;
        call.timestamp_count = BULK_ROWS;
        call.fields = fields;
        call.columns = columns;
        call.column_count = 2;
        check_ok(vv_batch_columns(world->batch, &call, &err), &err);
    }
    for (size_t i = 0; i < BULK_ROWS && !as_columns; i++) {
        varve_value values[2] = {world_f64(numbers[i]),
                                 {.type = VARVE_TYPE_STRING, .as.bytes = texts[i]}};
        varve_row row = {.series = series,
                         .timestamp = times[i],
                         .fields = fields,
                         .values = values,
                         .count = vv_bits_get(present, i) ? 2 : 1};
        check_ok(vv_batch_row(world->batch, &row, &err), &err);
    }
    varve_written written = world_commit(world);
    assert_int_equal(BULK_ROWS, written.rows);
}

/* The call was encoded into full vectors before it came to the head. */
static void check_is_encoded(write_world *world, varve_series series)
{
    varve_error err;
    vv_arena arena;
    vv_head_pieces pieces;
    vv_arena_init(&arena, &world->db->alloc, SIZE_MAX);
    check_ok(vv_head_read(world->db->head, (uint32_t)series.id, UINT64_MAX,
                          (varve_range){INT64_MIN, INT64_MAX}, NULL, 0, &arena, &pieces, &err),
             &err);
    assert_int_equal(0, pieces.late_count);
    assert_true(pieces.in_order_count >= 2);
    assert_true(pieces.in_order[0].is_encoded);
    assert_int_equal(VV_VECTOR_ROWS_MAX, pieces.in_order[0].rows);
    vv_arena_deinit(&arena);
}

static void set_policy(write_world *world, const char *metric, uint32_t duplicates)
{
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = duplicates;
    check_ok(vv_write_policy(world->db, vv_text_from_string(metric), &policy, &err), &err);
}

static void bulk_calls_store_what_single_rows_store(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        write_world world;
        world_prepare(&world);
        world_open(&world, WORLD_PATH);
        set_policy(&world, "all", VARVE_DUPLICATES_ALL);
        static const char *const metrics[] = {"last", "all"};
        for (size_t i = 0; i < 2; i++) {
            varve_series bulk = world_series(&world, metrics[i], "bulk");
            varve_series rows = world_series(&world, metrics[i], "rows");
            bulk_write(&world, world_series(&world, metrics[i], "alone"), 2, true);
            check_is_encoded(&world, world_series(&world, metrics[i], "alone"));
            for (int round = 0; round < 2; round++) { /* the second one is late */
                bulk_write(&world, bulk, seed + 2 * (uint64_t)round, true);
                bulk_write(&world, rows, seed + 2 * (uint64_t)round, false);
            }
            assert_string_equal(world_read(&world, rows), world_read(&world, bulk));
        }
        const char *before = world_read(&world, world_series(&world, "all", "bulk"));
        world_abandon(&world);
        world_open(&world, WORLD_PATH);
        assert_string_equal(before, world_read(&world, world_series(&world, "all", "bulk")));
        assert_string_equal(before, world_read(&world, world_series(&world, "all", "rows")));
        world_end(&world);
    }
}

static void bulk_calls_keep_row_ids_in_the_order_of_the_call(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = VARVE_ROW_IDS_ON;
    check_ok(vv_write_policy(world.db, VARVE_STR("ids"), &policy, &err), &err);
    varve_series series[2] = {world_series(&world, "ids", "sorted"),
                              world_series(&world, "ids", "not sorted")};
    varve_field v = world_field(&world, "v");
    enum { ROWS = 2000 };
    static int64_t times[ROWS];
    static uint64_t values[ROWS];
    for (unsigned n = 0; n < 2; n++) {
        for (uint64_t i = 0; i < ROWS; i++) {
            times[i] = (int64_t)(n == 0 ? i / 2 : i * 7919 % ROWS);
            values[i] = i;
        }
        varve_column column = {.type = VARVE_TYPE_U64, .values = values};
        varve_columns call;
        varve_columns_init(&call);
        call.rows = ROWS;
        call.series = &series[n];
        call.series_count = 1;
        call.timestamps = times;
        call.timestamp_count = ROWS;
        call.fields = &v;
        call.columns = &column;
        call.column_count = 1;
        check_ok(vv_batch_columns(world.batch, &call, &err), &err);
        uint64_t first = world_commit(&world).first_row_id;
        vv_view *view;
        vv_codec_scratch *scratch;
        vv_scan *scan;
        const vv_part *part;
        check_ok(vv_view_open(world.db, &view, &err), &err);
        check_ok(vv_codec_scratch_create(&world.db->alloc, &scratch, &err), &err);
        vv_scan_options options = {
            .range = {INT64_MIN, INT64_MAX},
            .with_row_ids = true,
            .no_vectors = true,
            .alloc = &world.db->alloc,
            .scratch = scratch,
        };
        check_ok(vv_scan_open(view, (uint32_t)series[n].id, &options, &scan, &err), &err);
        size_t rows = 0;
        for (;;) {
            check_ok(vv_scan_next(scan, &part, &err), &err);
            if (part == NULL) {
                break;
            }
            const uint64_t *numbers = part->rows.columns[0].values;
            for (size_t i = 0; i < part->rows.count; i++) {
                assert_int_equal(first + numbers[i], part->rows.row_ids[i]);
            }
            rows += part->rows.count;
        }
        assert_int_equal(ROWS, rows);
        vv_scan_close(scan);
        vv_codec_scratch_free(scratch);
        vv_view_unref(view);
    }
    world_end(&world);
}

/* ---- limits ---- */

static void a_batch_that_is_too_large_is_refused_or_split(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world.options.batch_bytes_max = 4096;
    world_open(&world, WORLD_PATH);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field v = world_field(&world, "v");
    char text[101];
    memset(text, 'x', 100);
    text[100] = '\0';
    for (int i = 0; i < 300; i++) {
        text[i % 100] = (char)('a' + i % 26);
        world_row(&world, series, i, v, world_text(text));
    }
    check_status(VARVE_E_LIMIT, vv_batch_commit(world.batch, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "batch_bytes_max"));
    assert_string_equal("", world_read(&world, series));
    varve_write_options options;
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SPLIT;
    varve_written written;
    varve_written_init(&written);
    check_ok(vv_batch_commit(world.batch, &options, &written, &err), &err);
    assert_int_equal(300, written.rows);
    assert_int_equal(1, written.first_row_id);
    assert_int_equal(VARVE_ACK_DURABLE, written.ack);
    assert_true(atomic_load(&world.db->counters.batches) >= 8);
    const char *read = world_read(&world, series);
    size_t rows = 0;
    for (const char *at = read; *at != '\0'; at++) {
        rows += *at == ';' ? 1 : 0;
    }
    assert_int_equal(300, rows);
    /* A single row that does not fit: what was written before it stays, and is reported. */
    char *large = malloc(5000);
    memset(large, 'y', 5000);
    world_row(&world, series, 1000, v, world_text("fits"));
    varve_value value = {.type = VARVE_TYPE_STRING, .as.bytes = {large, 5000}};
    world_row(&world, series, 1001, v, value);
    varve_written_init(&written);
    check_status(VARVE_E_LIMIT, vv_batch_commit(world.batch, &options, &written, &err));
    assert_int_equal(1, written.rows);
    assert_non_null(strstr(world_read(&world, series), "1000:v=fits;"));
    assert_null(strstr(world_read(&world, series), "1001:"));
    free(large);
    world_end(&world);
}

static void a_scrape_of_many_series_is_split_between_rows(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world.options.batch_bytes_max = 1024;
    world_open(&world, NULL);
    varve_error err;
    varve_field v = world_field(&world, "v");
    varve_series series[333];
    double values[333];
    uint64_t present[6] = {UINT64_MAX, 0x0F0F, UINT64_MAX, UINT64_MAX, 0, 1};
    double others[333];
    for (size_t i = 0; i < 333; i++) {
        char host[16];
        snprintf(host, sizeof host, "%zu", i);
        series[i] = world_series(&world, "m", host);
        values[i] = (double)i;
        others[i] = -(double)i;
    }
    int64_t time = 5;
    varve_field fields[2] = {v, world_field(&world, "w")};
    varve_column columns[2] = {{.type = VARVE_TYPE_F64, .values = values},
                               {.type = VARVE_TYPE_F64, .values = others, .present = present}};
    varve_columns call;
    varve_columns_init(&call);
    call.rows = 333;
    call.series = series;
    call.series_count = 333;
    call.timestamps = &time;
    call.timestamp_count = 1;
    call.fields = fields;
    call.columns = columns;
    call.column_count = 2;
    check_ok(vv_batch_columns(world.batch, &call, &err), &err);
    varve_write_options options;
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SPLIT;
    varve_written written;
    varve_written_init(&written);
    check_ok(vv_batch_commit(world.batch, &options, &written, &err), &err);
    assert_int_equal(333, written.rows);
    assert_true(atomic_load(&world.db->counters.batches) > 3);
    for (size_t i = 0; i < 333; i++) {
        char wanted[64];
        bool has = vv_bits_get(present, i);
        snprintf(wanted, sizeof wanted, has ? "5:v=%zu,w=%s%zu;" : "5:v=%zu;", i,
                 i == 0 ? "-" : "-", i);
        assert_string_equal(wanted, world_read(&world, series[i]));
    }
    world_end(&world);
}

static void writes_wait_for_memory_and_then_say_busy(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world.options.memory_limit_bytes = UINT64_C(64) << 20;
    world.options.flush_bytes = UINT64_C(64) << 20; /* not what flushes here */
    world.options.cache_bytes = 1 << 20;
    world.options.merge_fan_in = 1000;
    world.options.write_timeout_ms = 1;
    world_open(&world, WORLD_PATH);
    varve_error err;
    varve_series series = world_series(&world, "m", "a");
    varve_field v = world_field(&world, "v");
    /* Somebody else holds all but 8 MiB; what is written beyond is flushed to go on. */
    size_t limit = (size_t)world.options.memory_limit_bytes;
    size_t held = limit - vv_alloc_bytes(&world.db->alloc) - (8 << 20);
    void *memory = vv_alloc_new(&world.db->alloc, held);
    assert_non_null(memory);
    static char text[16 * 1024];
    uint64_t random = 1;
    for (int row = 0; row < 1000; row++) {
        for (size_t i = 0; i < sizeof text; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[i] = (char)(random >> 40);
        }
        varve_value value = {.type = VARVE_TYPE_BYTES, .as.bytes = {text, sizeof text}};
        world_row(&world, series, row, v, value);
        world_commit(&world);
    }
    assert_true(atomic_load(&world.db->counters.flushes) > 0);
    /* Where a flush frees too little, the write is refused, without effect. */
    series = world_series(&world, "m", "b");
    world_row(&world, series, 1, v, (varve_value){.type = VARVE_TYPE_BYTES});
    check_ok(vv_flush(world.db, NULL, &err), &err);
    size_t rest = limit - vv_alloc_bytes(&world.db->alloc);
    void *more = vv_alloc_new(&world.db->alloc, rest);
    assert_non_null(more);
    uint64_t batches = atomic_load(&world.db->counters.batches);
    check_status(VARVE_E_BUSY, vv_batch_commit(world.batch, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "memory_limit_bytes"));
    assert_int_equal(batches, atomic_load(&world.db->counters.batches));
    vv_alloc_free(&world.db->alloc, more, rest);
    vv_alloc_free(&world.db->alloc, memory, held);
    assert_string_equal("", world_read(&world, series));
    world_commit(&world);
    assert_string_equal("1:v=b'';", world_read(&world, series));
    world_end(&world);
}

/* ---- policies ---- */

static void a_policy_is_fixed_while_rows_are_visible(void **state)
{
    (void)state;
    write_world world;
    world_start(&world);
    varve_error err;
    varve_field v = world_field(&world, "v");
    varve_series series = world_series(&world, "m", "a");
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.row_ids = VARVE_ROW_IDS_ON; /* with LAST, the database's */
    check_status(VARVE_E_INVALID, vv_write_policy(world.db, VARVE_STR("m"), &policy, &err));
    world_row(&world, series, 1, v, world_f64(1));
    world_row(&world, series, 1, v, world_f64(2));
    world_commit(&world);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    check_status(VARVE_E_CONFLICT, vv_write_policy(world.db, VARVE_STR("m"), &policy, &err));
    assert_non_null(strstr(err.message, "\"m\""));
    world_delete(&world, series, INT64_MIN, INT64_MAX);
    world_commit(&world);
    check_ok(vv_write_policy(world.db, VARVE_STR("m"), &policy, &err), &err);
    world_row(&world, series, 1, v, world_f64(3));
    world_row(&world, series, 1, v, world_f64(4));
    world_row(&world, series, 0, v, world_f64(5));
    world_commit(&world);
    assert_string_equal("0:v=5;1:v=3;1:v=4;", world_read(&world, series));
    check_ok(vv_write_policy(world.db, VARVE_STR("m"), &policy, &err), &err); /* the same */
    world_delete(&world, series, INT64_MIN, INT64_MAX);
    world_commit(&world);
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_LAST;
    check_ok(vv_write_policy(world.db, VARVE_STR("m"), &policy, &err), &err);
    world_row(&world, series, 1, v, world_f64(6));
    world_row(&world, series, 1, v, world_f64(7));
    world_commit(&world);
    assert_string_equal("1:v=7;", world_read(&world, series));
    world_end(&world);
}

static void a_policy_survives_a_crash(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world_open(&world, WORLD_PATH);
    varve_field v = world_field(&world, "v");
    varve_series series = world_series(&world, "m", "a");
    /* Rows of one policy, hidden, then of the other, then of the first again, all in one log. */
    for (int round = 0; round < 3; round++) {
        world_delete(&world, series, INT64_MIN, INT64_MAX);
        world_commit(&world);
        set_policy(&world, "m", round % 2 == 0 ? VARVE_DUPLICATES_ALL : VARVE_DUPLICATES_LAST);
        for (int i = 0; i < 5; i++) {
            world_row(&world, series, i / 2, v, world_f64(10 * round + i));
            world_commit(&world);
        }
    }
    assert_string_equal("0:v=20;0:v=21;1:v=22;1:v=23;2:v=24;", world_read(&world, series));
    world_delete(&world, series, INT64_MIN, INT64_MAX);
    world_commit(&world);
    set_policy(&world, "m", VARVE_DUPLICATES_LAST);
    world_row(&world, series, 7, v, world_f64(1));
    world_row(&world, series, 7, v, world_f64(2));
    world_commit(&world);
    world_abandon(&world);
    uint32_t flags = world.options.flags;
    world.options.flags |=
        VARVE_OPEN_READONLY; /* reads the rows in the head they are replayed to */
    world_open(&world, WORLD_PATH);
    assert_string_equal("7:v=2;", world_read(&world, world_series(&world, "m", "a")));
    world_close(&world);
    world.options.flags = flags;
    world_open(&world, WORLD_PATH);
    assert_string_equal("7:v=2;", world_read(&world, world_series(&world, "m", "a")));
    world_end(&world);
}

/* ---- failures ---- */

static void build_all_kinds(write_world *world, const varve_series *series)
{
    varve_field v = world_field(world, "v");
    varve_field s = world_field(world, "s");
    world_row(world, series[0], 5, v, world_f64(5));
    world_row(world, series[1], 5, s, world_text("five"));
    world_delete(world, series[0], 0, 5);
    world_row(world, series[0], 3, v, world_f64(3)); /* late */
    world_row(world, series[2], 1, v, world_text("another type"));
}

static void a_failed_allocation_has_no_effect(void **state)
{
    (void)state;
    uint64_t failures = 0;
    for (uint64_t at = 1;; at++) {
        write_world world;
        world_prepare(&world);
        world_open(&world, WORLD_PATH);
        varve_series series[3] = {world_series(&world, "m", "a"), world_series(&world, "m", "b"),
                                  world_series(&world, "m", "c")};
        varve_field v = world_field(&world, "v");
        world_row(&world, series[0], 4, v, world_f64(4));
        world_row(&world, series[2], 1, v, world_f64(1));
        world_commit(&world);
        world_delete(&world, series[2], 0, 10);
        world_commit(&world);
        build_all_kinds(&world, series);
        varve_error err;
        varve_written written;
        varve_written_init(&written);
        failing_alloc_plan(&world.failing, at, /* once */ true);
        varve_status status = vv_batch_commit(world.batch, NULL, &written, &err);
        bool has_failed = atomic_load(&world.failing.failures) > 0;
        failing_alloc_plan(&world.failing, 0, false);
        if (status != VARVE_OK) {
            check_status(VARVE_E_NOMEM, status);
            assert_string_equal("4:v=4;", world_read(&world, series[0]));
            assert_string_equal("", world_read(&world, series[1]));
            assert_string_equal("", world_read(&world, series[2]));
            failures++;
            /* As before: it can be committed now. */
            check_ok(vv_batch_commit(world.batch, NULL, &written, &err), &err);
        }
        assert_string_equal("3:v=3;5:v=5;", world_read(&world, series[0]));
        assert_string_equal("5:s=five;", world_read(&world, series[1]));
        assert_string_equal("1:v=another type;", world_read(&world, series[2]));
        assert_int_equal(1, written.series_deleted);
        world_end(&world);
        if (!has_failed) {
            break;
        }
    }
    print_message("%" PRIu64 " allocations failed\n", failures);
    assert_true(failures > 30);
}

static void a_read_only_database_refuses_writes(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    world_open(&world, WORLD_PATH);
    varve_series series = world_series(&world, "m", "a");
    world_row(&world, series, 1, world_field(&world, "v"), world_f64(1));
    world_commit(&world);
    world_close(&world);
    world.options.flags |= VARVE_OPEN_READONLY;
    world_open(&world, WORLD_PATH);
    varve_error err;
    series = world_series(&world, "m", "a");
    world_row(&world, series, 2, world_field(&world, "v"), world_f64(2));
    check_status(VARVE_E_READONLY, vv_batch_commit(world.batch, NULL, NULL, &err));
    assert_string_equal("1:v=1;", world_read(&world, series));
    world_end(&world);
}

static void a_failed_sync_leaves_the_outcome_open_and_ends_writing(void **state)
{
    (void)state;
    write_world world;
    world_prepare(&world);
    varve_error err;
    vv_fault *fault;
    check_ok(vv_fault_create(&world.disk_alloc, world.disk, &fault, &err), &err);
    world.env.vfs = vv_fault_vfs(fault);
    world_open(&world, WORLD_PATH);
    varve_series series = world_series(&world, "m", "a");
    varve_field v = world_field(&world, "v");
    world_row(&world, series, 1, v, world_f64(1));
    world_commit(&world);
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_BIT(VV_VFS_OP_SYNC),
        .path_part = "/wal/",
        .first_call = 1,
        .call_count = 1,
        .kind = VV_FAULT_ERRNO,
        .os_errno = EIO,
    };
    vv_fault_add(fault, &rule);
    world_row(&world, series, 2, v, world_f64(2));
    check_status(VARVE_E_IO, vv_batch_commit(world.batch, NULL, NULL, &err));
    assert_int_equal(0, world.batch->row_count); /* not to be offered again */
    assert_string_equal("1:v=1;", world_read(&world, series));
    world_row(&world, series, 3, v, world_f64(3));
    check_status(VARVE_E_FENCED, vv_batch_commit(world.batch, NULL, NULL, &err));
    assert_int_equal(1, world.batch->row_count); /* no effect: as before */
    assert_string_equal("1:v=1;", world_read(&world, series));
    world_abandon(&world);
    vv_fault_clear(fault);
    world_open(&world, WORLD_PATH);
    series = world_series(&world, "m", "a");
    assert_non_null(strstr(world_read(&world, series), "1:v=1;"));
    world_row(&world, series, 4, world_field(&world, "v"), world_f64(4));
    world_commit(&world);
    world_close(&world);
    vv_fault_free(fault);
    vv_vfs_memory_free(world.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_is_visible_and_says_what_it_did),
        cmocka_unit_test(submitted_batches_keep_their_order),
        cmocka_unit_test(a_row_of_another_type_refuses_the_whole_batch),
        cmocka_unit_test(rejected_rows_are_left_out_and_listed),
        cmocka_unit_test(a_type_may_change_when_no_visible_row_holds_it),
        cmocka_unit_test(a_delete_of_the_batch_frees_a_type),
        cmocka_unit_test(deletes_that_touch_free_a_type_together),
        cmocka_unit_test(columns_hold_types_row_by_row),
        cmocka_unit_test(rejected_rows_hold_no_type),
        cmocka_unit_test(a_change_of_type_that_finds_no_memory_has_no_effect),
        cmocka_unit_test(rows_may_have_more_fields_together_than_one_may),
        cmocka_unit_test(a_delete_hides_what_precedes_it),
        cmocka_unit_test(a_delete_by_handle_survives_a_crash),
        cmocka_unit_test(each_generation_defines_what_it_uses),
        cmocka_unit_test(bulk_calls_store_what_single_rows_store),
        cmocka_unit_test(bulk_calls_keep_row_ids_in_the_order_of_the_call),
        cmocka_unit_test(a_batch_that_is_too_large_is_refused_or_split),
        cmocka_unit_test(a_scrape_of_many_series_is_split_between_rows),
        cmocka_unit_test(writes_wait_for_memory_and_then_say_busy),
        cmocka_unit_test(a_policy_is_fixed_while_rows_are_visible),
        cmocka_unit_test(a_policy_survives_a_crash),
        cmocka_unit_test(a_failed_allocation_has_no_effect),
        cmocka_unit_test(a_read_only_database_refuses_writes),
        cmocka_unit_test(a_failed_sync_leaves_the_outcome_open_and_ends_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
