/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing as the header promises it: values of every kind through every door, batches in order,
 * tickets, rejected rows, splitting, acknowledgements.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/dump.h"
#include "support/memory_world.h"

typedef struct writing {
    memory_world *world;
    varve_options options;
    varve_db *db;
} writing;

static void writing_begin(writing *w, uint32_t sync, uint32_t flags)
{
    varve_error err;
    w->world = memory_world_create();
    varve_options_init(&w->options);
    w->options.environment = memory_world_environment(w->world);
    w->options.flags = flags;
    w->options.sync = sync;
    check_ok(varve_open("/db", &w->options, &w->db, &err), &err);
}

static void writing_end(writing *w)
{
    varve_error err;
    check_ok(varve_close(w->db, &err), &err);
    memory_world_free(w->world);
}

static const char *writing_all(writing *w)
{
    varve_query_options options;
    varve_query_options_init(&options);
    options.layout = VARVE_LAYOUT_TABLE; /* fields in the order of their names */
    return dump_query(w->db, &options);
}

/* The same answer from head, segment, merged segment, after reopening. */
static void writing_expect(writing *w, const char *expected)
{
    varve_error err;
    assert_string_equal(writing_all(w), expected);
    check_ok(varve_flush(w->db, NULL, &err), &err);
    assert_string_equal(writing_all(w), expected);
    check_ok(varve_close(w->db, &err), &err);
    check_ok(varve_open("/db", &w->options, &w->db, &err), &err);
    assert_string_equal(writing_all(w), expected);
}

/* ---- values ---- */

static void named_rows_carry_labels_in_any_order(void **state)
{
    (void)state;
    writing w;
    varve_error err;
    varve_written written;
    writing_begin(&w, 0, VARVE_OPEN_NO_BACKGROUND);
    varve_label labels[2] = {{VARVE_STR("z"), VARVE_STR("1")}, {VARVE_STR("a"), VARVE_STR("")}};
    varve_text fields[2] = {VARVE_STR("y"), VARVE_STR("x")};
    varve_value values[2] = {dump_i64(2), dump_i64(1)};
    varve_named_row row = {.metric = VARVE_STR("m"),
                           .labels = labels,
                           .label_count = 2,
                           .timestamp = 5,
                           .fields = fields,
                           .values = values,
                           .count = 2};
    varve_written_init(&written);
    check_ok(varve_write(w.db, &row, 1, NULL, &written, &err), &err);
    assert_int_equal(written.rows, 1);
    assert_int_equal(written.ack, VARVE_ACK_DURABLE);
    row.label_count = 1; /* an absent label is another series than an empty one */
    check_ok(varve_write(w.db, &row, 1, NULL, NULL, &err), &err);
    writing_expect(&w, "m{a=,z=1} 5 x=1 y=2\nm{z=1} 5 x=1 y=2\n");
    check_ok(varve_write(w.db, NULL, 0, NULL, &written, &err), &err);
    assert_int_equal(written.ack, VARVE_ACK_DURABLE);
    labels[1].name = VARVE_STR("z");
    row.label_count = 2;
    check_status(VARVE_E_INVALID, varve_write(w.db, &row, 1, NULL, NULL, &err));
    row.label_count = 0;
    fields[1] = VARVE_STR("y");
    check_status(VARVE_E_INVALID, varve_write(w.db, &row, 1, NULL, NULL, &err));
    row.count = 0;
    check_status(VARVE_E_INVALID, varve_write(w.db, &row, 1, NULL, NULL, &err));
    row.count = 1;
    row.metric = VARVE_STR("");
    check_status(VARVE_E_INVALID, varve_write(w.db, &row, 1, NULL, NULL, &err));
    row.metric = VARVE_STR("\xc3");
    check_status(VARVE_E_INVALID, varve_write(w.db, &row, 1, NULL, NULL, &err));
    writing_end(&w);
}

static void large_values_come_back_whole(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    writing w;
    varve_error err;
    writing_begin(&w, 0, VARVE_OPEN_NO_BACKGROUND);
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (char)(i * 2654435761u >> 13);
    }
    varve_value value = {.type = VARVE_TYPE_BYTES, .as.bytes = {bytes, SIZE}};
    dump_must_put(w.db, "m", 1, "v", value);
    value.as.bytes.size = 3;
    dump_must_put(w.db, "m", 2, "v", value);
    for (int round = 0; round < 3; round++) {
        varve_cursor *cursor;
        const varve_block *block;
        varve_query_options options;
        varve_query_options_init(&options);
        options.layout = VARVE_LAYOUT_ROWS;
        check_ok(varve_query(w.db, &options, &cursor, &err), &err);
        size_t rows = 0;
        for (;;) {
            check_ok(varve_cursor_next(cursor, &block, &err), &err);
            if (block == NULL) {
                break;
            }
            for (size_t i = 0; i < block->rows; i++) {
                const varve_value *found = &block->row[i].values[0];
                assert_int_equal(found->as.bytes.size, rows == 0 ? (size_t)SIZE : 3u);
                assert_memory_equal(found->as.bytes.data, bytes, found->as.bytes.size);
                rows++;
            }
        }
        assert_int_equal(rows, 2);
        varve_cursor_close(cursor);
        check_ok(round == 0 ? varve_flush(w.db, NULL, &err)
                            : varve_compact(w.db, VARVE_COMPACT_ALL, NULL, &err),
                 &err);
    }
    free(bytes);
    writing_end(&w);
}

static void columns_come_in_every_shape(void **state)
{
    (void)state;
    writing w;
    varve_error err;
    varve_written written;
    writing_begin(&w, 0, VARVE_OPEN_NO_BACKGROUND);
    struct pair {
        int64_t time;
        double number;
    } pairs[3] = {{30, 3.5}, {20, 2.5}, {10, 1.5}};
    varve_text dictionary_texts[2] = {VARVE_STR("red"), VARVE_STR("blue")};
    varve_column dictionary = {.type = VARVE_TYPE_STRING, .values = dictionary_texts};
    uint32_t codes[3] = {1, 0, 1};
    int32_t offsets[4] = {0, 1, 1, 3};
    uint64_t marks = 5; /* rows 0 and 2 are BYTES */
    uint64_t present = 6;
    uint8_t bools[3] = {1, 0, 1};
    int64_t times[3] = {10, 20, 30};
    varve_column columns[4] = {
        {.type = VARVE_TYPE_F64, .values = &pairs[2].number, .stride = -(int64_t)sizeof pairs[0]},
        {.type = VARVE_TYPE_STRING,
         .codes = codes,
         .dictionary = &dictionary,
         .dictionary_count = 2},
        {.type = VARVE_TYPE_STRING, .values = "abc", .offsets = offsets, .marks = &marks},
        {.type = VARVE_TYPE_BOOL, .values = bools, .present = &present},
    };
    varve_field fields[4] = {dump_field(w.db, "f"), dump_field(w.db, "c"), dump_field(w.db, "s"),
                             dump_field(w.db, "b")};
    varve_series series[3] = {dump_series(w.db, "m"), dump_series(w.db, "n"),
                              dump_series(w.db, "o")};
    varve_columns rows;
    varve_columns_init(&rows);
    rows.rows = 3;
    rows.series = series;
    rows.series_count = 1;
    rows.timestamps = times;
    rows.timestamp_count = 3;
    rows.fields = fields;
    rows.columns = columns;
    rows.column_count = 4;
    varve_batch *batch;
    check_ok(varve_batch_create(w.db, &batch, &err), &err);
    check_ok(varve_batch_columns(batch, &rows, &err), &err);
    rows.series_count = 3; /* a scrape: one time, a series a row */
    rows.timestamp_count = 1;
    rows.columns = &columns[3];
    rows.fields = &fields[3];
    rows.column_count = 1;
    columns[3].present = NULL;
    check_ok(varve_batch_columns(batch, &rows, &err), &err);
    rows.series_count = 2;
    check_status(VARVE_E_INVALID, varve_batch_columns(batch, &rows, &err));
    varve_written_init(&written);
    check_ok(varve_batch_commit(batch, NULL, &written, &err), &err);
    assert_int_equal(written.rows, 6);
    varve_batch_free(batch);
    writing_expect(&w, "m 10 b=true c=\"blue\" f=1.5 s=<61>\nm 20 b=false c=\"red\" f=2.5 s=\"\"\n"
                       "m 30 b=true c=\"blue\" f=3.5 s=<6263>\nn 10 b=false\no 10 b=true\n");
    writing_end(&w);
}

/* ---- order ---- */

static void writing_row(varve_batch *batch, varve_db *db, const char *series, int64_t time,
                        int64_t number)
{
    varve_error err;
    varve_field field = dump_field(db, "v");
    varve_value value = dump_i64(number);
    varve_row row = {.series = dump_series(db, series),
                     .timestamp = time,
                     .fields = &field,
                     .values = &value,
                     .count = 1};
    check_ok(varve_batch_row(batch, &row, &err), &err);
}

static void writing_delete(varve_batch *batch, const char *selector, int64_t start, int64_t end)
{
    varve_error err;
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_TEXT;
    selection.text = dump_text(selector);
    check_ok(varve_batch_delete(batch, &selection, 1, (varve_range){start, end}, &err), &err);
}

static void deletes_hide_what_precedes_them_in_the_batch(void **state)
{
    (void)state;
    writing w;
    varve_error err;
    varve_batch *batch;
    varve_written written;
    writing_begin(&w, 0, VARVE_OPEN_NO_BACKGROUND);
    dump_must_put(w.db, "m", 1, "v", dump_i64(1));
    dump_must_put(w.db, "n", 1, "v", dump_i64(1));
    check_ok(varve_batch_create(w.db, &batch, &err), &err);
    writing_row(batch, w.db, "m", 2, 2);
    writing_delete(batch, "m", 0, 10);
    writing_row(batch, w.db, "m", 2, 3);
    writing_row(batch, w.db, "m", 3, 4);
    writing_delete(batch, "m", 3, 4);
    writing_row(batch, w.db, "m", 4, 5);
    varve_written_init(&written);
    check_ok(varve_batch_commit(batch, NULL, &written, &err), &err);
    assert_int_equal(written.rows, 4);
    assert_int_equal(written.series_deleted, 1);
    varve_written again;
    varve_written_init(&again);
    check_ok(varve_batch_commit(batch, NULL, &again, &err), &err); /* empty now */
    assert_int_equal(again.rows, 0);
    varve_batch_free(batch);
    writing_expect(&w, "m 2 v=3\nm 4 v=5\nn 1 v=1\n");
    writing_end(&w);
}

static void submitted_batches_keep_their_order(void **state)
{
    (void)state;
    for (uint32_t flags = 0; flags <= VARVE_OPEN_NO_BACKGROUND; flags += VARVE_OPEN_NO_BACKGROUND) {
        writing w;
        varve_error err;
        varve_batch *batch;
        varve_written written;
        uint64_t tickets[10];
        uint32_t ack = 0;
        writing_begin(&w, 0, flags);
        check_ok(varve_batch_create(w.db, &batch, &err), &err);
        for (int64_t i = 0; i < 10; i++) {
            writing_row(batch, w.db, "m", 1, i);
            varve_written_init(&written);
            check_ok(varve_batch_submit(batch, NULL, &written, &err), &err);
            assert_int_equal(written.ack, VARVE_ACK_NONE);
            tickets[i] = written.ticket;
            assert_true(i == 0 || tickets[i] > tickets[i - 1]);
        }
        check_ok(varve_wait(w.db, tickets[9], UINT64_MAX, &ack, &err), &err);
        assert_int_equal(ack, VARVE_ACK_DURABLE);
        check_ok(varve_wait(w.db, tickets[0], 0, &ack, &err), &err);
        assert_int_equal(ack, VARVE_ACK_DURABLE);
        assert_string_equal(dump_all(w.db), "m 1 v=9\n");
        check_status(VARVE_E_INVALID, varve_wait(w.db, tickets[9] + 1, 0, &ack, &err));
        check_status(VARVE_E_INVALID, varve_wait(w.db, 0, 0, &ack, &err));
        /* Nobody waits: it becomes visible all the same. */
        writing_row(batch, w.db, "m", 2, 1);
        check_ok(varve_batch_submit(batch, NULL, &written, &err), &err);
        if (flags == 0) {
            check_ok(varve_wait_visible(w.db, written.first_row_id - 1, 10000, NULL, &err), &err);
        } else {
            check_ok(varve_flush(w.db, NULL, &err),
                     &err); /* without threads a call drives the log */
        }
        varve_batch_free(batch);
        writing_expect(&w, "m 1 v=9\nm 2 v=1\n");
        writing_end(&w);
    }
}

/* ---- rejected rows, long batches ---- */

static void rejected_rows_are_left_out_and_reported(void **state)
{
    (void)state;
    writing w;
    varve_error err;
    varve_batch *batch;
    varve_written written;
    varve_write_options options;
    varve_rejected rejected[2];
    writing_begin(&w, 0, VARVE_OPEN_NO_BACKGROUND);
    dump_must_put(w.db, "m", 1, "v", dump_f64(1)); /* i64 does not fit */
    check_ok(varve_batch_create(w.db, &batch, &err), &err);
    writing_row(batch, w.db, "n", 1, 1);
    writing_row(batch, w.db, "m", 2, 2);
    writing_row(batch, w.db, "n", 3, 3);
    writing_row(batch, w.db, "m", 4, 4);
    writing_row(batch, w.db, "m", 5, 5);
    check_status(VARVE_E_INVALID, varve_batch_commit(batch, NULL, NULL, &err));
    assert_string_equal(dump_all(w.db), "m 1 v=1\n"); /* all or nothing; the batch is as before */
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = 2;
    varve_written_init(&written);
    check_ok(varve_batch_commit(batch, &options, &written, &err), &err);
    assert_int_equal(written.rows, 2);
    assert_int_equal(written.rows_rejected, 3);
    assert_int_equal(rejected[0].row, 1);
    assert_int_equal(rejected[0].status, VARVE_E_INVALID);
    assert_int_equal(rejected[0].reason, VARVE_REJECTED_TYPE);
    assert_int_equal(rejected[0].field.id, dump_field(w.db, "v").id);
    assert_int_equal(rejected[1].row, 3);
    varve_batch_free(batch);
    writing_expect(&w, "m 1 v=1\nn 1 v=1\nn 3 v=3\n");
    writing_end(&w);
}

/* Named rows: a name that is not valid, a series too many. */
static void named_rows_that_cannot_be_stored_are_left_out(void **state)
{
    (void)state;
    writing w;
    varve_error err;
    varve_written written;
    varve_write_options options;
    varve_rejected rejected[4];
    writing_begin(&w, 0, VARVE_OPEN_NO_BACKGROUND);
    check_ok(varve_close(w.db, &err), &err);
    w.options.series_max = 2;
    check_ok(varve_open("/db", &w.options, &w.db, &err), &err);
    static const char *const metrics[] = {"a", "", "b", "c", "a"};
    varve_text field = VARVE_STR("v");
    varve_value values[5];
    varve_named_row rows[5];
    memset(rows, 0, sizeof rows);
    for (size_t i = 0; i < 5; i++) {
        values[i] = dump_i64((int64_t)i);
        rows[i] = (varve_named_row){.metric = dump_text(metrics[i]),
                                    .timestamp = (int64_t)i,
                                    .fields = &field,
                                    .values = &values[i],
                                    .count = 1};
    }
    check_status(VARVE_E_INVALID, varve_write(w.db, rows, 5, NULL, NULL, &err));
    assert_string_equal(dump_all(w.db), "");
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = 4;
    varve_written_init(&written);
    check_ok(varve_write(w.db, rows, 5, &options, &written, &err), &err);
    assert_int_equal(written.rows, 3);
    assert_int_equal(written.rows_rejected, 2);
    assert_int_equal(rejected[0].row, 1);
    assert_int_equal(rejected[0].status, VARVE_E_INVALID);
    assert_int_equal(rejected[1].row, 3);
    assert_int_equal(rejected[1].status, VARVE_E_LIMIT);
    writing_expect(&w, "a 0 v=0\na 4 v=4\nb 2 v=2\n");
    writing_end(&w);
}

static void a_type_conflict_inside_one_batch_is_refused(void **state)
{
    (void)state;
    writing w;
    varve_error err;
    varve_batch *batch;
    writing_begin(&w, 0, VARVE_OPEN_NO_BACKGROUND);
    varve_field field = dump_field(w.db, "v");
    varve_value values[2] = {dump_i64(1), dump_f64(1)};
    varve_series series = dump_series(w.db, "m");
    for (int order = 0; order < 2; order++) {
        check_ok(varve_batch_create(w.db, &batch, &err), &err);
        varve_status status = VARVE_OK;
        for (int i = 0; i < 2 && status == VARVE_OK; i++) {
            varve_row row = {.series = series,
                             .timestamp = i,
                             .fields = &field,
                             .values = &values[i ^ order],
                             .count = 1};
            status = varve_batch_row(batch, &row, &err);
        }
        if (status == VARVE_OK) {
            status = varve_batch_commit(batch, NULL, NULL, &err);
        }
        check_status(VARVE_E_INVALID, status);
        varve_batch_free(batch);
    }
    /* With a delete between them the field is retyped inside the batch. */
    check_ok(varve_batch_create(w.db, &batch, &err), &err);
    for (int i = 0; i < 2; i++) {
        varve_row row = {
            .series = series, .timestamp = i, .fields = &field, .values = &values[i], .count = 1};
        check_ok(varve_batch_row(batch, &row, &err), &err);
        if (i == 0) {
            writing_delete(batch, "m", 0, 10);
        }
    }
    varve_status status = varve_batch_commit(batch, NULL, NULL, &err);
    varve_batch_free(batch);
    if (status == VARVE_OK) { /* or refused, never half */
        writing_expect(&w, "m 1 v=1\n");
    } else {
        check_status(VARVE_E_INVALID, status);
        writing_expect(&w, "");
    }
    writing_end(&w);
}

static void long_batches_are_refused_or_split(void **state)
{
    (void)state;
    enum { ROWS = 3000 };
    writing w;
    varve_error err;
    varve_batch *batch;
    varve_written written;
    varve_write_options options;
    writing_begin(&w, 0, VARVE_OPEN_NO_BACKGROUND);
    check_ok(varve_close(w.db, &err), &err);
    w.options.batch_bytes_max = 8192;
    check_ok(varve_open("/db", &w.options, &w.db, &err), &err);
    check_ok(varve_batch_create(w.db, &batch, &err), &err);
    static char noise[ROWS][32];
    varve_field field = dump_field(w.db, "v");
    varve_series series = dump_series(w.db, "m");
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < 32; k++) {
            noise[i][k] = (char)((i * 131 + k * 7919) * 2654435761u >> 11);
        }
        varve_value value = {.type = VARVE_TYPE_BYTES, .as.bytes = {noise[i], 32}};
        varve_row row = {.series = series,
                         .timestamp = (int64_t)i,
                         .fields = &field,
                         .values = &value,
                         .count = 1};
        check_ok(varve_batch_row(batch, &row, &err), &err);
    }
    varve_written_init(&written);
    check_status(VARVE_E_LIMIT, varve_batch_commit(batch, NULL, &written, &err));
    assert_string_equal(dump_all(w.db), "");
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SPLIT;
    check_ok(varve_batch_commit(batch, &options, &written, &err), &err);
    assert_int_equal(written.rows, ROWS);
    assert_int_equal(written.ack, VARVE_ACK_DURABLE);
    varve_batch_free(batch);
    varve_verified verified;
    varve_verified_init(&verified);
    check_ok(varve_verify(w.db, NULL, &verified, &err), &err);
    assert_int_equal(verified.rows, ROWS);
    writing_end(&w);
}

/* ---- acknowledgements ---- */

static void every_way_of_syncing_answers_how_safe_it_is(void **state)
{
    (void)state;
    static const uint32_t acks[] = {VARVE_ACK_DURABLE,  VARVE_ACK_DURABLE,  VARVE_ACK_DURABLE,
                                    VARVE_ACK_APPENDED, VARVE_ACK_APPENDED, VARVE_ACK_VOLATILE,
                                    VARVE_ACK_VOLATILE};
    for (uint32_t sync = VARVE_SYNC_GROUP; sync <= VARVE_SYNC_NO_LOG; sync++) {
        for (uint32_t flags = 0; flags <= VARVE_OPEN_NO_BACKGROUND;
             flags += VARVE_OPEN_NO_BACKGROUND) {
            writing w;
            varve_error err;
            varve_written written;
            varve_write_options options;
            writing_begin(&w, sync, flags);
            varve_text field = VARVE_STR("v");
            varve_value value = dump_i64(1);
            varve_named_row row = {.metric = VARVE_STR("m"),
                                   .timestamp = 1,
                                   .fields = &field,
                                   .values = &value,
                                   .count = 1};
            varve_written_init(&written);
            check_ok(varve_write(w.db, &row, 1, NULL, &written, &err), &err);
            assert_true(written.ack >= acks[sync]); /* a thread may have come by */
            assert_true(flags == 0 || written.ack == acks[sync]);
            assert_string_equal(dump_all(w.db), "m 1 v=1\n"); /* visible when answered */
            if (sync != VARVE_SYNC_NO_LOG) {
                varve_write_options_init(&options);
                options.sync = VARVE_SYNC_ALWAYS; /* stronger for this one */
                row.timestamp = 2;
                check_ok(varve_write(w.db, &row, 1, &options, &written, &err), &err);
                assert_int_equal(written.ack, VARVE_ACK_DURABLE);
                options.sync = VARVE_SYNC_BUFFERED; /* weaker */
                row.timestamp = 3;
                check_ok(varve_write(w.db, &row, 1, &options, &written, &err), &err);
                assert_true(written.ack >= VARVE_ACK_VOLATILE);
                writing_expect(&w, "m 1 v=1\nm 2 v=1\nm 3 v=1\n");
            } else {
                writing_expect(&w, "m 1 v=1\n");
            }
            writing_end(&w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_rows_carry_labels_in_any_order),
        cmocka_unit_test(large_values_come_back_whole),
        cmocka_unit_test(columns_come_in_every_shape),
        cmocka_unit_test(deletes_hide_what_precedes_them_in_the_batch),
        cmocka_unit_test(submitted_batches_keep_their_order),
        cmocka_unit_test(rejected_rows_are_left_out_and_reported),
        cmocka_unit_test(named_rows_that_cannot_be_stored_are_left_out),
        cmocka_unit_test(a_type_conflict_inside_one_batch_is_refused),
        cmocka_unit_test(long_batches_are_refused_or_split),
        cmocka_unit_test(every_way_of_syncing_answers_how_safe_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
