/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings: what the header promises of them, before and after flushes, merges, reopening, crashes,
 * reshapes, snapshots, and with damaged files.
 */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "support/dump.h"
#include "support/memory_world.h"
#include "sys/env.h"

typedef struct rings {
    memory_world *world;
    varve_options options;
    varve_db *db;
    varve_series series; /* "r" */
    uint64_t dropped;    /* of the last put */
} rings;

static void rings_begin(rings *r)
{
    varve_error err;
    memset(r, 0, sizeof *r);
    r->world = memory_world_create();
    varve_options_init(&r->options);
    r->options.environment = memory_world_environment(r->world);
    r->options.flags = VARVE_OPEN_NO_BACKGROUND;
    r->options.log_file_bytes = 64 * 1024;
    check_ok(varve_open("/db", &r->options, &r->db, &err), &err);
}

static void rings_end(rings *r)
{
    varve_error err;
    check_ok(varve_close(r->db, &err), &err);
    memory_world_free(r->world);
}

static varve_status rings_try(rings *r, int64_t step, uint64_t slots,
                              const varve_ring_field *fields, size_t count, varve_error *err)
{
    varve_ring ring;
    varve_ring_init(&ring);
    ring.step = step;
    ring.slots = slots;
    ring.fields = fields;
    ring.field_count = count;
    return varve_policy_ring(r->db, VARVE_STR("r"), NULL, 0, &ring, &r->series, err);
}

/* "r" becomes a ring of one f64. */
static void rings_make(rings *r, int64_t step, uint64_t slots)
{
    varve_error err;
    check_ok(rings_try(r, step, slots, NULL, 0, &err), &err);
}

static void rings_put(rings *r, int64_t time, double value)
{
    varve_error err;
    varve_written written;
    varve_text name = VARVE_STR("value");
    varve_value number = {.type = VARVE_TYPE_F64, .as.f64 = value};
    varve_named_row row = {.metric = VARVE_STR("r"),
                           .timestamp = time,
                           .fields = &name,
                           .values = &number,
                           .count = 1};
    varve_written_init(&written);
    check_ok(varve_write(r->db, &row, 1, NULL, &written, &err), &err);
    assert_int_equal(written.rows, 1);
    r->dropped = written.rows_late_dropped;
}

static void rings_delete(rings *r, int64_t start, int64_t end)
{
    varve_error err;
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_TEXT;
    selection.text = VARVE_STR("r");
    check_ok(varve_delete(r->db, &selection, 1, (varve_range){start, end}, NULL, NULL, &err), &err);
}

static void rings_reopen(rings *r, bool is_crash)
{
    varve_error err;
    if (is_crash) {
        varve_abandon(r->db);
    } else {
        check_ok(varve_close(r->db, &err), &err);
    }
    check_ok(varve_open("/db", &r->options, &r->db, &err), &err);
}

/* The answer stays the same through crash, flush, merge, reopening, crash. */
static void rings_expect(rings *r, const char *expected)
{
    varve_error err;
    varve_verified before;
    varve_verified after;
    varve_verified_init(&before);
    varve_verified_init(&after);
    assert_string_equal(dump_query(r->db, NULL), expected);
    check_ok(varve_verify(r->db, NULL, &before, &err), &err);
    rings_reopen(r, /* is_crash */ true);
    assert_string_equal(dump_query(r->db, NULL), expected);
    check_ok(varve_flush(r->db, NULL, &err), &err);
    assert_string_equal(dump_query(r->db, NULL), expected);
    check_ok(varve_compact(r->db, VARVE_COMPACT_ALL, NULL, &err), &err);
    assert_string_equal(dump_query(r->db, NULL), expected);
    rings_reopen(r, /* is_crash */ false);
    assert_string_equal(dump_query(r->db, NULL), expected);
    rings_reopen(r, /* is_crash */ true);
    assert_string_equal(dump_query(r->db, NULL), expected);
    check_ok(varve_verify(r->db, NULL, &after, &err), &err);
    assert_int_equal(before.digest[0], after.digest[0]);
    assert_int_equal(before.digest[1], after.digest[1]);
    assert_int_equal(before.rows, after.rows);
}

/* ---- what a ring keeps ---- */

static void a_newer_window_takes_the_slot(void **state)
{
    (void)state;
    rings r;
    rings_begin(&r);
    rings_make(&r, 10, 3);
    rings_put(&r, 100, 1);
    rings_put(&r, 110, 2);
    rings_put(&r, 120, 3);
    rings_expect(&r, "r 100 value=1\nr 110 value=2\nr 120 value=3\n");
    rings_put(&r, 130, 4); /* the slot of 100 */
    assert_int_equal(r.dropped, 0);
    rings_expect(&r, "r 110 value=2\nr 120 value=3\nr 130 value=4\n");
    rings_put(&r, 1000, 5); /* far ahead: the other slots keep what they hold */
    rings_expect(&r, "r 110 value=2\nr 120 value=3\nr 1000 value=5\n");
    rings_end(&r);
}

static void times_are_those_of_the_step_and_the_last_to_arrive_wins(void **state)
{
    (void)state;
    rings r;
    rings_begin(&r);
    rings_make(&r, 10, 3);
    rings_put(&r, 119, 1);
    rings_put(&r, 112, 2); /* the same window, later to arrive, earlier by its own time */
    assert_int_equal(r.dropped, 0);
    rings_put(&r, -11, 9);
    assert_string_equal(dump_range(r.db, "r", 111, 1000), "");
    assert_string_equal(dump_range(r.db, "r", 110, 111), "r 110 value=2\n");
    rings_expect(&r, "r -20 value=9\nr 110 value=2\n");
    rings_end(&r);
}

static void a_late_row_never_replaces_a_newer_one(void **state)
{
    (void)state;
    rings r;
    rings_begin(&r);
    rings_make(&r, 10, 3);
    rings_put(&r, 130, 1);
    rings_put(&r, 100, 2);
    assert_int_equal(r.dropped, 1);
    rings_put(&r, 110, 3); /* older, but its slot is free */
    assert_int_equal(r.dropped, 0);
    rings_expect(&r, "r 110 value=3\nr 130 value=1\n");
    rings_put(&r, 100, 4); /* also on top of the pages of a file */
    assert_int_equal(r.dropped, 1);
    rings_expect(&r, "r 110 value=3\nr 130 value=1\n");
    rings_end(&r);
}

static void late_rows_are_counted_within_a_batch(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    varve_written written;
    varve_text name = VARVE_STR("value");
    varve_value number = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    varve_named_row rows[4];
    int64_t times[4] = {130, 100, 110, 80};
    rings_begin(&r);
    rings_make(&r, 10, 3);
    for (size_t i = 0; i < 4; i++) {
        rows[i] = (varve_named_row){.metric = i == 2 ? VARVE_STR("other") : VARVE_STR("r"),
                                    .timestamp = times[i],
                                    .fields = &name,
                                    .values = &number,
                                    .count = 1};
    }
    varve_written_init(&written);
    check_ok(varve_write(r.db, rows, 4, NULL, &written, &err), &err);
    assert_int_equal(written.rows, 4);
    assert_int_equal(written.rows_late_dropped, 1); /* 80 has a slot of its own */
    rings_expect(&r, "other 110 value=1\nr 80 value=1\nr 130 value=1\n");
    rings_end(&r);
}

static void fields_of_one_window_unite(void **state)
{
    (void)state;
    static const varve_ring_field fields[] = {{.name = {"a", 1}, .type = VARVE_TYPE_I64},
                                              {.name = {"b", 1}, .type = VARVE_TYPE_BOOL},
                                              {.name = {"c", 1}, .type = VARVE_TYPE_U64}};
    rings r;
    varve_error err;
    rings_begin(&r);
    check_ok(rings_try(&r, 10, 2, fields, 3, &err), &err);
    dump_must_put(r.db, "r", 10, "a", dump_i64(1));
    dump_must_put(r.db, "r", 15, "a", dump_i64(2));
    varve_value flag = {.type = VARVE_TYPE_BOOL, .as.boolean = true};
    dump_must_put(r.db, "r", 11, "b", flag);
    rings_expect(&r, "r 10 a=2 b=true\n");
    dump_must_put(r.db, "r", 12, "a", dump_i64(3)); /* b stays */
    dump_must_put(r.db, "r", 20, "a", dump_i64(4));
    rings_expect(&r, "r 10 a=3 b=true\nr 20 a=4\n");
    dump_must_put(r.db, "r", 30, "a", dump_i64(5)); /* another window: b goes */
    rings_expect(&r, "r 20 a=4\nr 30 a=5\n");
    rings_end(&r);
}

static void a_database_in_memory_has_rings_too(void **state)
{
    (void)state;
    rings r = {.world = NULL};
    varve_error err;
    check_ok(varve_open(NULL, NULL, &r.db, &err), &err);
    rings_make(&r, 10, 3);
    for (int64_t i = 0; i < 100; i++) {
        rings_put(&r, i * 10, (double)i);
    }
    const char *expected = "r 970 value=97\nr 980 value=98\nr 990 value=99\n";
    assert_string_equal(dump_query(r.db, NULL), expected);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    assert_string_equal(dump_query(r.db, NULL), expected);
    rings_put(&r, 995, 5);
    rings_put(&r, 10, 5);
    assert_int_equal(r.dropped, 1);
    assert_string_equal(dump_query(r.db, NULL), "r 970 value=97\nr 980 value=98\nr 990 value=5\n");
    check_ok(varve_close(r.db, &err), &err);
}

static void a_large_batch_fills_a_ring_of_many_pages(void **state)
{
    (void)state;
    enum { ROWS = 3000 };
    static double numbers[ROWS];
    static int64_t times[ROWS];
    rings r;
    varve_error err;
    varve_batch *batch;
    varve_field value;
    varve_written written;
    rings_begin(&r);
    rings_make(&r, 10, 1000);
    check_ok(varve_field_resolve(r.db, VARVE_STR("value"), &value, &err), &err);
    for (size_t i = 0; i < ROWS; i++) {
        times[i] = (int64_t)i * 10;
        numbers[i] = (double)i;
    }
    varve_column column = {.type = VARVE_TYPE_F64, .values = numbers};
    varve_columns columns;
    varve_columns_init(&columns);
    columns.rows = ROWS;
    columns.series = &r.series;
    columns.series_count = 1;
    columns.timestamps = times;
    columns.timestamp_count = ROWS;
    columns.fields = &value;
    columns.columns = &column;
    columns.column_count = 1;
    check_ok(varve_batch_create(r.db, &batch, &err), &err);
    check_ok(varve_batch_columns(batch, &columns, &err), &err);
    varve_written_init(&written);
    check_ok(varve_batch_commit(batch, NULL, &written, &err), &err);
    varve_batch_free(batch);
    assert_int_equal(written.rows_late_dropped, 0);
    for (int pass = 0; pass < 3; pass++) {
        varve_verified verified;
        varve_verified_init(&verified);
        check_ok(varve_verify(r.db, NULL, &verified, &err), &err);
        assert_int_equal(verified.rows, 1000);
        assert_string_equal(dump_range(r.db, "r", 19980, 20020),
                            "r 20000 value=2000\nr 20010 value=2001\n");
        assert_string_equal(dump_range(r.db, "r", 29980, INT64_MAX),
                            "r 29980 value=2998\nr 29990 value=2999\n");
        if (pass == 0) {
            check_ok(varve_flush(r.db, NULL, &err), &err);
        } else {
            rings_reopen(&r, pass == 1);
        }
    }
    rings_end(&r);
}

/* ---- what it refuses ---- */

static void shapes_have_limits(void **state)
{
    (void)state;
    static const varve_ring_field text = {.name = {"a", 1}, .type = VARVE_TYPE_STRING};
    static const varve_ring_field twice[] = {{.name = {"a", 1}, .type = VARVE_TYPE_I64},
                                             {.name = {"a", 1}, .type = VARVE_TYPE_F64}};
    static varve_ring_field many[65];
    static char names[65][4];
    rings r;
    varve_error err;
    rings_begin(&r);
    check_status(VARVE_E_INVALID, rings_try(&r, 0, 3, NULL, 0, &err));
    check_status(VARVE_E_INVALID, rings_try(&r, -1, 3, NULL, 0, &err));
    check_status(VARVE_E_INVALID, rings_try(&r, 10, 0, NULL, 0, &err));
    check_status(VARVE_E_INVALID, rings_try(&r, 10, (1 << 24) + 1, NULL, 0, &err));
    check_status(VARVE_E_INVALID, rings_try(&r, 1, 1, NULL, 0, &err));
    check_status(VARVE_E_INVALID, rings_try(&r, INT64_MAX / 2 + 1, 2, NULL, 0, &err));
    check_status(VARVE_E_INVALID, rings_try(&r, 10, 3, &text, 1, &err));
    check_status(VARVE_E_INVALID, rings_try(&r, 10, 3, twice, 2, &err));
    for (size_t i = 0; i < 65; i++) {
        snprintf(names[i], sizeof names[i], "f%02zu", i);
        many[i] = (varve_ring_field){.name = {names[i], 3}, .type = VARVE_TYPE_BOOL};
    }
    check_status(VARVE_E_INVALID, rings_try(&r, 10, 3, many, 65, &err));
    check_ok(rings_try(&r, 10, 3, many, 64, &err), &err);
    check_ok(rings_try(&r, 1, 2, NULL, 0, &err), &err);
    check_ok(rings_try(&r, 2, 1, NULL, 0, &err), &err);
    check_ok(rings_try(&r, INT64_MAX / 2, 2, NULL, 0, &err), &err);
    rings_put(&r, INT64_MAX, 1);
    rings_put(&r, -5, 2);
    rings_expect(&r, "r -4611686018427387903 value=2\nr 9223372036854775806 value=1\n");
    rings_end(&r);
}

static void a_ring_that_takes_too_much_memory_is_refused(void **state)
{
    (void)state;
    rings r = {.world = NULL};
    varve_error err;
    varve_options_init(&r.options);
    r.options.memory_limit_bytes = UINT64_C(16) << 20;
    check_ok(varve_open(NULL, &r.options, &r.db, &err), &err);
    check_status(VARVE_E_LIMIT, rings_try(&r, 10, 1 << 20, NULL, 0, &err));
    check_ok(rings_try(&r, 10, 1 << 10, NULL, 0, &err), &err);
    check_ok(varve_close(r.db, &err), &err);
}

static void rows_hold_the_fields_of_the_ring_and_no_others(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    varve_written written;
    varve_rejected rejected[4];
    varve_write_options options;
    varve_text names[2] = {VARVE_STR("value"), VARVE_STR("other")};
    varve_value values[2] = {{.type = VARVE_TYPE_F64, .as.f64 = 1},
                             {.type = VARVE_TYPE_F64, .as.f64 = 1}};
    varve_value integer = dump_i64(1);
    rings_begin(&r);
    rings_make(&r, 10, 3);
    varve_named_row rows[] = {
        {.metric = VARVE_STR("r"), .timestamp = 10, .fields = names, .values = values, .count = 1},
        {.metric = VARVE_STR("r"), .timestamp = 20, .fields = names, .values = values, .count = 2},
        {.metric = VARVE_STR("r"),
         .timestamp = 30,
         .fields = names,
         .values = &integer,
         .count = 1},
        {.metric = VARVE_STR("r"),
         .timestamp = INT64_MIN,
         .fields = names,
         .values = values,
         .count = 1},
    };
    for (size_t i = 1; i < 4; i++) {
        check_status(VARVE_E_INVALID, varve_write(r.db, &rows[i], 1, NULL, NULL, &err));
        assert_true(strlen(err.message) > 0);
    }
    assert_string_equal(dump_query(r.db, NULL), "");
    varve_write_options_init(&options);
    varve_written_init(&written);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = 4;
    check_ok(varve_write(r.db, rows, 4, &options, &written, &err), &err);
    assert_int_equal(written.rows, 1);
    assert_int_equal(written.rows_rejected, 3);
    assert_int_equal(rejected[0].row, 1);
    assert_int_equal(rejected[2].row, 3);
    assert_int_equal(rejected[2].field.id, 0);
    rings_expect(&r, "r 10 value=1\n");
    rings_end(&r);
}

static void a_series_with_rows_does_not_become_a_ring(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    rings_begin(&r);
    dump_must_put(r.db, "r", 5, "value", dump_i64(1));
    check_status(VARVE_E_CONFLICT, rings_try(&r, 10, 3, NULL, 0, &err));
    check_ok(varve_flush(r.db, NULL, &err), &err);
    check_status(VARVE_E_CONFLICT, rings_try(&r, 10, 3, NULL, 0, &err));
    rings_delete(&r, VARVE_RANGE_ALL_START, VARVE_RANGE_ALL_END);
    rings_make(&r, 10, 3); /* it may be of another type, too */
    rings_put(&r, 7, 2);
    rings_expect(&r, "r 0 value=2\n");
    rings_end(&r);
}

static void on_disk_rings_need_the_log(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    rings_begin(&r);
    check_ok(varve_close(r.db, &err), &err);
    r.options.sync = VARVE_SYNC_NO_LOG;
    check_ok(varve_open("/db", &r.options, &r.db, &err), &err);
    check_status(VARVE_E_UNSUPPORTED, rings_try(&r, 10, 3, NULL, 0, &err));
    check_ok(varve_close(r.db, &err), &err);
    r.options.sync = VARVE_SYNC_NONE;
    check_ok(varve_open("/db", &r.options, &r.db, &err), &err);
    rings_make(&r, 10, 3);
    check_ok(varve_close(r.db, &err), &err);
    r.options.sync = VARVE_SYNC_NO_LOG;
    check_status(VARVE_E_UNSUPPORTED, varve_open("/db", &r.options, &r.db, &err));
    r.options.sync = 0;
    check_ok(varve_open("/db", &r.options, &r.db, &err), &err);
    rings_end(&r);
}

static void rings_keep_no_row_ids(void **state)
{
    (void)state;
    rings r = {.world = NULL};
    varve_error err;
    varve_cursor *cursor;
    varve_query_options query;
    varve_options_init(&r.options);
    r.options.duplicates = VARVE_DUPLICATES_ALL;
    r.options.row_ids = VARVE_ROW_IDS_ON;
    check_ok(varve_open(NULL, &r.options, &r.db, &err), &err);
    rings_make(&r, 10, 3);
    rings_put(&r, 10, 1);
    rings_put(&r, 12, 2); /* `last` all the same */
    assert_string_equal(dump_query(r.db, NULL), "r 10 value=2\n");
    varve_query_options_init(&query);
    query.flags = VARVE_QUERY_ROW_IDS;
    check_status(VARVE_E_UNSUPPORTED, varve_query(r.db, &query, &cursor, &err));
    check_ok(varve_close(r.db, &err), &err);
}

/* ---- deletes ---- */

static void a_delete_clears_slots_and_nothing_comes_back(void **state)
{
    (void)state;
    rings r;
    rings_begin(&r);
    rings_make(&r, 10, 3);
    rings_put(&r, 100, 1);
    rings_put(&r, 110, 2);
    rings_put(&r, 130, 3); /* over 100 */
    rings_delete(&r, 130, 131);
    rings_expect(&r, "r 110 value=2\n"); /* 100 stays gone */
    rings_put(&r, 100, 4);               /* the slot is free, so an older window may have it */
    assert_int_equal(r.dropped, 0);
    rings_expect(&r, "r 100 value=4\nr 110 value=2\n");
    rings_delete(&r, VARVE_RANGE_ALL_START, VARVE_RANGE_ALL_END);
    rings_expect(&r, "");
    rings_put(&r, 50, 5);
    rings_expect(&r, "r 50 value=5\n");
    rings_end(&r);
}

static void a_delete_of_flushed_slots_counts_before_its_flush(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    rings_begin(&r);
    rings_make(&r, 10, 3);
    rings_put(&r, 100, 1);
    rings_put(&r, 110, 2);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    rings_delete(&r, 105, 200);
    assert_string_equal(dump_query(r.db, NULL), "r 100 value=1\n");
    check_ok(varve_compact(r.db, 0, NULL, &err), &err);
    rings_put(&r, 80, 3); /* the slot of 110 */
    assert_int_equal(r.dropped, 0);
    rings_expect(&r, "r 80 value=3\nr 100 value=1\n");
    rings_end(&r);
}

/* ---- readers of their own time ---- */

static void an_old_cursor_sees_the_values_of_its_time(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    varve_cursor *cursor;
    varve_query_options query;
    const varve_block *block;
    rings_begin(&r);
    rings_make(&r, 10, 2);
    rings_put(&r, 100, 1);
    rings_put(&r, 110, 2);
    for (int pass = 0; pass < 2; pass++) {
        varve_query_options_init(&query);
        check_ok(varve_query(r.db, &query, &cursor, &err), &err);
        rings_put(&r, 120 + pass * 20, 3);
        rings_put(&r, 130 + pass * 20, 4);
        check_ok(varve_flush(r.db, NULL, &err), &err); /* in place, below the cursor */
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        assert_non_null(block);
        assert_int_equal(block->rows, 2);
        assert_int_equal(block->timestamps[0], 100 + pass * 20);
        assert_true(((const double *)block->columns[0].values)[0] == (pass == 0 ? 1 : 3));
        varve_cursor_close(cursor);
    }
    rings_expect(&r, "r 140 value=3\nr 150 value=4\n");
    rings_end(&r);
}

static void a_read_only_handle_follows(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    varve_db *reader;
    rings_begin(&r);
    rings_make(&r, 10, 2);
    rings_put(&r, 100, 1);
    varve_options options = r.options;
    options.flags = VARVE_OPEN_READONLY;
    check_ok(varve_open("/db", &options, &reader, &err), &err);
    assert_string_equal(dump_query(reader, NULL), "r 100 value=1\n");
    rings_put(&r, 120, 2);
    assert_string_equal(dump_query(reader, NULL), "r 100 value=1\n");
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_query(reader, NULL), "r 120 value=2\n");
    check_ok(varve_flush(r.db, NULL, &err), &err);
    rings_put(&r, 110, 3);
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_query(reader, NULL), "r 110 value=3\nr 120 value=2\n");
    check_ok(varve_flush(r.db, NULL, &err), &err);
    assert_string_equal(dump_query(reader, NULL), "r 110 value=3\nr 120 value=2\n");
    rings_make(&r, 20, 4);
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_query(reader, NULL), "r 100 value=3\nr 120 value=2\n");
    check_status(VARVE_E_READONLY, varve_policy_ring_drop(reader, VARVE_STR("r"), NULL, 0, &err));
    check_ok(varve_policy_ring_drop(r.db, VARVE_STR("r"), NULL, 0, &err), &err);
    check_ok(varve_refresh(reader, &err), &err);
    assert_string_equal(dump_query(reader, NULL), "");
    check_ok(
        varve_verify(reader, NULL, &(varve_verified){.struct_size = sizeof(varve_verified)}, &err),
        &err);
    check_ok(varve_close(reader, &err), &err);
    rings_end(&r);
}

static void a_batch_of_ring_and_other_rows_is_one(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    rings_begin(&r);
    rings_make(&r, 10, 2);
    for (int64_t i = 0; i < 50; i++) {
        varve_text name = VARVE_STR("value");
        varve_value number = {.type = VARVE_TYPE_F64, .as.f64 = (double)i};
        varve_named_row rows[2] = {{.metric = VARVE_STR("r"),
                                    .timestamp = i * 10,
                                    .fields = &name,
                                    .values = &number,
                                    .count = 1},
                                   {.metric = VARVE_STR("s"),
                                    .timestamp = i * 10,
                                    .fields = &name,
                                    .values = &number,
                                    .count = 1}};
        check_ok(varve_write(r.db, rows, 2, NULL, NULL, &err), &err);
        if (i % 20 == 0) {
            check_ok(varve_flush(r.db, NULL, &err), &err);
        }
    }
    rings_delete(&r, 0, 10);
    assert_string_equal(dump_range(r.db, "s", 480, 1000), "s 480 value=48\ns 490 value=49\n");
    rings_reopen(&r, /* is_crash */ true);
    assert_string_equal(dump_range(r.db, "{__name__=~\"r|s\"}", 480, 1000),
                        "r 480 value=48\nr 490 value=49\ns 480 value=48\ns 490 value=49\n");
    rings_end(&r);
}

/* ---- other shapes ---- */

static void a_reshape_keeps_what_still_fits(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    rings_begin(&r);
    rings_make(&r, 10, 100);
    for (int64_t time = 1000; time <= 1090; time += 10) {
        rings_put(&r, time, (double)time);
    }
    rings_make(&r, 30, 5); /* the last of each window, at its start */
    rings_expect(&r, "r 990 value=1010\nr 1020 value=1040\nr 1050 value=1070\nr 1080 value=1090\n");
    rings_make(&r, 1, 2); /* all of them share one slot */
    rings_expect(&r, "r 1080 value=1090\n");
    rings_make(&r, 1, 2);
    rings_put(&r, 1083, 5);
    rings_expect(&r, "r 1080 value=1090\nr 1083 value=5\n");
    rings_put(&r, 1000, 6);
    assert_int_equal(r.dropped, 1);
    varve_stat stats[200];
    size_t count;
    check_ok(varve_stats(r.db, stats, 200, &count, &err), &err);
    rings_end(&r);
}

static void a_reshape_keeps_fields_of_the_same_name_and_type(void **state)
{
    (void)state;
    static const varve_ring_field before[] = {{.name = {"a", 1}, .type = VARVE_TYPE_I64},
                                              {.name = {"b", 1}, .type = VARVE_TYPE_F64},
                                              {.name = {"c", 1}, .type = VARVE_TYPE_I64}};
    static const varve_ring_field after[] = {{.name = {"d", 1}, .type = VARVE_TYPE_I64},
                                             {.name = {"c", 1}, .type = VARVE_TYPE_I64},
                                             {.name = {"a", 1}, .type = VARVE_TYPE_U64}};
    rings r;
    varve_error err;
    varve_ring ring;
    varve_ring_field fields[4];
    rings_begin(&r);
    check_ok(rings_try(&r, 10, 4, before, 3, &err), &err);
    dump_must_put(r.db, "r", 10, "a", dump_i64(1));
    dump_must_put(r.db, "r", 20, "a", dump_i64(2));
    dump_must_put(r.db, "r", 20, "c", dump_i64(3));
    check_ok(rings_try(&r, 10, 4, after, 3, &err), &err);
    rings_expect(&r, "r 20 c=3\n");
    dump_must_put(r.db, "r", 40, "d", dump_i64(4));
    varve_value number = {.type = VARVE_TYPE_U64, .as.u64 = 5};
    dump_must_put(r.db, "r", 30, "a", number);
    rings_expect(&r, "r 20 c=3\nr 30 a=5u\nr 40 d=4\n");
    check_ok(varve_series_resolve(r.db, VARVE_STR("r"), NULL, 0, 0, &r.series, &err), &err);
    varve_ring_init(&ring);
    check_status(VARVE_E_LIMIT, varve_ring_info(r.db, r.series, &ring, fields, 2, &err));
    check_ok(varve_ring_info(r.db, r.series, &ring, fields, 4, &err), &err);
    assert_int_equal(ring.step, 10);
    assert_int_equal(ring.slots, 4);
    assert_int_equal(ring.field_count, 3);
    assert_memory_equal(ring.fields[1].name.data, "c", 1);
    assert_int_equal(ring.fields[2].type, VARVE_TYPE_U64);
    rings_end(&r);
}

static void a_dropped_ring_is_a_series_like_any(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    varve_ring ring;
    varve_ring_field fields[64];
    varve_series listed[4];
    size_t count;
    rings_begin(&r);
    check_status(VARVE_E_NOT_FOUND, varve_policy_ring_drop(r.db, VARVE_STR("r"), NULL, 0, &err));
    rings_make(&r, 10, 2);
    rings_put(&r, 10, 1);
    check_ok(varve_ring_list(r.db, listed, 4, &count, &err), &err);
    assert_int_equal(count, 1);
    assert_int_equal(listed[0].id, r.series.id);
    check_ok(varve_policy_ring_drop(r.db, VARVE_STR("r"), NULL, 0, &err), &err);
    assert_string_equal(dump_query(r.db, NULL), "");
    check_status(VARVE_E_NOT_FOUND, varve_policy_ring_drop(r.db, VARVE_STR("r"), NULL, 0, &err));
    varve_ring_init(&ring);
    check_status(VARVE_E_NOT_FOUND, varve_ring_info(r.db, r.series, &ring, fields, 64, &err));
    check_ok(varve_ring_list(r.db, NULL, 0, &count, &err), &err);
    assert_int_equal(count, 0);
    dump_must_put(r.db, "r", 7, "text", dump_string("x"));
    rings_expect(&r, "r 7 text=\"x\"\n");
    const vv_env *env = r.options.environment;
    vv_dir_list files;
    check_ok(vv_vfs_list(env->vfs, env->alloc, "/db/ring", &files, &err), &err);
    assert_int_equal(files.count, 0);
    vv_dir_list_deinit(&files);
    rings_end(&r);
}

/* ---- files ---- */

/* The only file in ring/. */
static void rings_file(rings *r, char path[64])
{
    varve_error err;
    const vv_env *env = r->options.environment;
    vv_dir_list files;
    check_ok(vv_vfs_list(env->vfs, env->alloc, "/db/ring", &files, &err), &err);
    assert_int_equal(files.count, 1);
    snprintf(path, 64, "/db/ring/%s", files.entries[0].name);
    vv_dir_list_deinit(&files);
}

static void the_file_never_grows(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    char path[64];
    char again[64];
    vv_file_info before;
    vv_file_info after;
    rings_begin(&r);
    const vv_env *env = r.options.environment;
    rings_make(&r, 10, 500);
    rings_file(&r, path);
    check_ok(vv_vfs_stat(env->vfs, path, &before, &err), &err);
    assert_int_equal(before.size, 3 * 4096);
    for (int64_t i = 0; i < 2000; i++) {
        rings_put(&r, i * 10, 1);
        if (i % 100 == 0) {
            check_ok(varve_flush(r.db, NULL, &err), &err);
        }
    }
    check_ok(varve_flush(r.db, NULL, &err), &err);
    rings_file(&r, again);
    assert_string_equal(path, again); /* in place */
    check_ok(vv_vfs_stat(env->vfs, path, &after, &err), &err);
    assert_int_equal(after.size, before.size);
    rings_end(&r);
}

/* Turn one bit of a page around. */
static void rings_damage(rings *r, const char *path, int64_t offset)
{
    varve_error err;
    uint8_t byte;
    vv_file *file;
    const vv_env *env = r->options.environment;
    check_ok(vv_file_open(env->vfs, env->alloc, path, VV_OPEN_READ | VV_OPEN_WRITE, &file, &err),
             &err);
    check_ok(vv_file_read_exact(file, offset, &byte, 1, &err), &err);
    byte ^= 4;
    check_ok(vv_file_write_all(file, offset, &byte, 1, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}

static void a_damaged_page_is_never_read_as_data(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    char path[64];
    rings_begin(&r);
    rings_make(&r, 10, 500);
    rings_put(&r, 10, 1);
    rings_put(&r, 4500, 2);
    check_ok(varve_close(r.db, &err), &err);
    /* The log of the close still has images of what its flush wrote: another one lets them go. */
    check_ok(varve_open("/db", &r.options, &r.db, &err), &err);
    check_ok(varve_close(r.db, &err), &err);
    rings_file(&r, path);
    rings_damage(&r, path, 4096 + 100);
    check_status(VARVE_E_CORRUPT, varve_open("/db", &r.options, &r.db, &err));
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "page 0"));
    varve_options options = r.options;
    options.flags = VARVE_OPEN_READONLY;
    check_status(VARVE_E_CORRUPT, varve_open("/db", &options, &r.db, &err));
    options.flags = VARVE_OPEN_READONLY | VARVE_OPEN_ALLOW_DAMAGE;
    check_ok(varve_open("/db", &options, &r.db, &err), &err);
    assert_string_equal(dump_query(r.db, NULL), "r 4500 value=2\n");
    check_ok(varve_close(r.db, &err), &err);
    options.flags = VARVE_OPEN_NO_BACKGROUND | VARVE_OPEN_SALVAGE;
    check_ok(varve_open("/db", &options, &r.db, &err), &err);
    assert_int_equal(varve_health(r.db, NULL), VARVE_HEALTH_DEGRADED);
    rings_expect(&r, "r 4500 value=2\n");
    const vv_env *env = r.options.environment;
    bool exists = false;
    vv_dir_list files;
    check_ok(vv_vfs_list(env->vfs, env->alloc, "/db/quarantine", &files, &err), &err);
    for (size_t i = 0; i < files.count; i++) {
        exists = exists || strstr(files.entries[i].name, ".vrg.page0") != NULL;
    }
    vv_dir_list_deinit(&files);
    assert_true(exists);
    rings_end(&r);
}

static void a_torn_page_is_rebuilt_from_the_log(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    char path[64];
    rings_begin(&r);
    rings_make(&r, 10, 500);
    rings_put(&r, 10, 1);
    rings_put(&r, 4500, 2);
    check_ok(varve_flush(r.db, NULL, &err), &err); /* its images are in the log now */
    rings_put(&r, 20, 3);
    varve_abandon(r.db);
    rings_file(&r, path);
    rings_damage(&r, path, 4096 + 100);
    rings_damage(&r, path, 2 * 4096 + 4000);
    varve_options options = r.options;
    options.flags = VARVE_OPEN_READONLY;
    check_ok(varve_open("/db", &options, &r.db, &err), &err);
    assert_string_equal(dump_query(r.db, NULL), "r 10 value=1\nr 20 value=3\nr 4500 value=2\n");
    check_ok(varve_close(r.db, &err), &err);
    check_ok(varve_open("/db", &r.options, &r.db, &err), &err);
    rings_expect(&r, "r 10 value=1\nr 20 value=3\nr 4500 value=2\n");
    rings_end(&r);
}

/* Replace the file's bytes. */
static void rings_replace(const rings *r, const char *path, const uint8_t *bytes, size_t size)
{
    varve_error err;
    vv_file *file;
    const vv_env *env = r->options.environment;
    check_ok(vv_file_open(env->vfs, env->alloc, path, VV_OPEN_WRITE, &file, &err), &err);
    check_ok(vv_file_truncate(file, 0, &err), &err);
    check_ok(vv_file_write_all(file, 0, bytes, size, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
}

static void rings_expect_damage(rings *r, const char *path, const uint8_t *bytes, size_t size)
{
    varve_error err;
    varve_options options = r->options;
    options.flags = VARVE_OPEN_READONLY;
    rings_replace(r, path, bytes, size);
    varve_status status = varve_open("/db", &options, &r->db, &err);
    assert_true(status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "/db/ring/"));
}

static void damage_anywhere_in_the_file_is_noticed(void **state)
{
    (void)state;
    enum { SIZE = 3 * 4096, PAGE = 4096 };
    static uint8_t bytes[SIZE];
    static uint8_t bad[SIZE];
    rings r;
    varve_error err;
    char path[64];
    vv_file *file;
    rings_begin(&r);
    const vv_env *env = r.options.environment;
    rings_make(&r, 10, 500);
    rings_put(&r, 10, 1);
    rings_put(&r, 4500, 2);
    for (int i = 0; i < 2; i++) { /* the second lets go of the images */
        rings_reopen(&r, /* is_crash */ false);
    }
    check_ok(varve_close(r.db, &err), &err);
    rings_file(&r, path);
    check_ok(vv_file_open(env->vfs, env->alloc, path, VV_OPEN_READ, &file, &err), &err);
    check_ok(vv_file_read_exact(file, 0, bytes, SIZE, &err), &err);
    check_ok(vv_file_close(file, &err), &err);
    for (size_t i = 0; i < SIZE; i += 61) {
        memcpy(bad, bytes, SIZE);
        bad[i] ^= (uint8_t)(1u << (i % 8));
        rings_expect_damage(&r, path, bad, SIZE);
    }
    for (size_t page = 0; page < 3; page++) {
        memcpy(bad, bytes, SIZE);
        memset(bad + page * PAGE, 0, PAGE);
        rings_expect_damage(&r, path, bad, SIZE);
    }
    memcpy(bad, bytes, SIZE); /* pages that are whole, at the wrong place */
    memcpy(bad + 1 * PAGE, bytes + 2 * PAGE, PAGE);
    memcpy(bad + 2 * PAGE, bytes + 1 * PAGE, PAGE);
    rings_expect_damage(&r, path, bad, SIZE);
    for (size_t size = 0; size < SIZE; size += 333) {
        rings_expect_damage(&r, path, bytes, size);
    }
    rings_replace(&r, path, bytes, SIZE);
    check_ok(varve_open("/db", &r.options, &r.db, &err), &err);
    rings_expect(&r, "r 10 value=1\nr 4500 value=2\n");
    rings_end(&r);
}

typedef struct damage_seen {
    size_t count;
    uint64_t block;
} damage_seen;

static void see_damage(void *context, const varve_damage *damage)
{
    damage_seen *seen = context;
    seen->count++;
    seen->block = damage->block;
    assert_memory_equal(damage->file.data, "ring/", 5);
    assert_int_equal(damage->error->status, VARVE_E_CORRUPT);
}

static void scrub_finds_a_bad_page_and_the_next_flush_mends_it(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    char path[64];
    damage_seen seen = {.count = 0};
    varve_scrub_options options;
    varve_scrubbed scrubbed;
    rings_begin(&r);
    rings_make(&r, 10, 500);
    rings_put(&r, 4500, 2);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    rings_file(&r, path);
    rings_damage(&r, path, 2 * 4096 + 100);
    varve_scrub_options_init(&options);
    varve_scrubbed_init(&scrubbed);
    options.visit = see_damage;
    options.context = &seen;
    options.bytes_per_second = UINT64_MAX;
    check_ok(varve_scrub(r.db, &options, NULL, &scrubbed, &err), &err);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.block, 1);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    check_ok(varve_scrub(r.db, &options, NULL, &scrubbed, &err), &err);
    assert_int_equal(seen.count, 1);
    check_ok(
        varve_verify(r.db, NULL, &(varve_verified){.struct_size = sizeof(varve_verified)}, &err),
        &err);
    rings_expect(&r, "r 4500 value=2\n");
    rings_file(&r, path); /* the old file is gone */
    rings_damage(&r, path, 2 * 4096 + 100);
    check_status(
        VARVE_E_CORRUPT,
        varve_verify(r.db, NULL, &(varve_verified){.struct_size = sizeof(varve_verified)}, &err));
    rings_end(&r);
}

static void snapshots_hold_rings_as_of_their_moment(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    varve_db *copy;
    varve_verified before;
    varve_verified after;
    rings_begin(&r);
    rings_make(&r, 10, 3);
    rings_put(&r, 100, 1);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    rings_put(&r, 110, 2);
    rings_put(&r, 130, 3); /* over 100, in memory */
    rings_delete(&r, 110, 111);
    rings_put(&r, 115, 4);
    varve_verified_init(&before);
    varve_verified_init(&after);
    check_ok(varve_verify(r.db, NULL, &before, &err), &err);
    check_ok(varve_snapshot(r.db, "/copy", NULL, NULL, &err), &err);
    rings_put(&r, 160, 5);
    check_ok(varve_flush(r.db, NULL, &err), &err);
    varve_options options = r.options;
    options.flags = VARVE_OPEN_READONLY;
    check_ok(varve_open("/copy", &options, &copy, &err), &err);
    assert_string_equal(dump_query(copy, NULL), "r 110 value=4\nr 130 value=3\n");
    check_ok(varve_verify(copy, NULL, &after, &err), &err);
    assert_int_equal(before.digest[0], after.digest[0]);
    check_ok(varve_close(copy, &err), &err);
    check_ok(varve_restore("/copy", "/new", &r.options, NULL, NULL, &err), &err);
    check_ok(varve_close(r.db, &err), &err);
    check_ok(varve_open("/new", &r.options, &r.db, &err), &err);
    rings_put(&r, 100, 6); /* behind 130 */
    assert_int_equal(r.dropped, 1);
    rings_put(&r, 140, 7);
    assert_string_equal(dump_query(r.db, NULL), "r 130 value=3\nr 140 value=7\n");
    check_ok(varve_close(r.db, &err), &err);
    check_ok(varve_open("/new", &r.options, &r.db, &err), &err);
    assert_string_equal(dump_query(r.db, NULL), "r 130 value=3\nr 140 value=7\n");
    rings_end(&r);
}

static void aggregates_and_listings_see_rings(void **state)
{
    (void)state;
    rings r;
    varve_error err;
    varve_cursor *cursor;
    varve_query_options query;
    varve_output output;
    const varve_block *block;
    rings_begin(&r);
    rings_make(&r, 10, 4);
    for (int64_t i = 0; i < 6; i++) {
        rings_put(&r, i * 10, (double)i);
    }
    varve_query_options_init(&query);
    memset(&output, 0, sizeof output);
    output.aggregation = VARVE_AGG_SUM;
    output.name = VARVE_STR("value");
    query.outputs = &output;
    query.output_count = 1;
    query.bucket = (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = 20};
    query.range = (varve_range){0, 50};
    check_ok(varve_query(r.db, &query, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    assert_int_equal(block->rows, 2);
    assert_true(((const double *)block->columns[0].values)[0] == 5); /* 2 + 3 */
    assert_true(((const double *)block->columns[0].values)[1] == 4);
    varve_cursor_close(cursor);
    varve_list_options list;
    varve_list_options_init(&list);
    list.range = (varve_range){0, 20}; /* those slots hold other windows by now */
    check_ok(varve_metrics(r.db, &list, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    assert_null(block);
    varve_cursor_close(cursor);
    list.range.end = 30;
    check_ok(varve_metrics(r.db, &list, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    assert_int_equal(block->rows, 1);
    varve_cursor_close(cursor);
    query.flags = VARVE_QUERY_DESCENDING;
    query.output_count = 0;
    query.bucket.kind = VARVE_BUCKET_NONE;
    query.limit_per_series = 2;
    query.range = (varve_range){0, 1000};
    assert_string_equal(dump_query(r.db, &query), "r 50 value=5\nr 40 value=4\n");
    rings_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newer_window_takes_the_slot),
        cmocka_unit_test(times_are_those_of_the_step_and_the_last_to_arrive_wins),
        cmocka_unit_test(a_late_row_never_replaces_a_newer_one),
        cmocka_unit_test(late_rows_are_counted_within_a_batch),
        cmocka_unit_test(fields_of_one_window_unite),
        cmocka_unit_test(a_database_in_memory_has_rings_too),
        cmocka_unit_test(a_large_batch_fills_a_ring_of_many_pages),
        cmocka_unit_test(shapes_have_limits),
        cmocka_unit_test(a_ring_that_takes_too_much_memory_is_refused),
        cmocka_unit_test(rows_hold_the_fields_of_the_ring_and_no_others),
        cmocka_unit_test(a_series_with_rows_does_not_become_a_ring),
        cmocka_unit_test(on_disk_rings_need_the_log),
        cmocka_unit_test(rings_keep_no_row_ids),
        cmocka_unit_test(a_delete_clears_slots_and_nothing_comes_back),
        cmocka_unit_test(a_delete_of_flushed_slots_counts_before_its_flush),
        cmocka_unit_test(an_old_cursor_sees_the_values_of_its_time),
        cmocka_unit_test(a_read_only_handle_follows),
        cmocka_unit_test(a_batch_of_ring_and_other_rows_is_one),
        cmocka_unit_test(a_reshape_keeps_what_still_fits),
        cmocka_unit_test(a_reshape_keeps_fields_of_the_same_name_and_type),
        cmocka_unit_test(a_dropped_ring_is_a_series_like_any),
        cmocka_unit_test(the_file_never_grows),
        cmocka_unit_test(a_damaged_page_is_never_read_as_data),
        cmocka_unit_test(a_torn_page_is_rebuilt_from_the_log),
        cmocka_unit_test(damage_anywhere_in_the_file_is_noticed),
        cmocka_unit_test(scrub_finds_a_bad_page_and_the_next_flush_mends_it),
        cmocka_unit_test(snapshots_hold_rings_as_of_their_moment),
        cmocka_unit_test(aggregates_and_listings_see_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
