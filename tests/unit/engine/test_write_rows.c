/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises of deletes and replacements of single rows (engine/write_rows.c, docs/decisions/0020).
 * Rows are compared as text: "10#1=1.5;" is the row at time 10 with the first row id of the test
 * and the value 1.5; a text value is quoted. What random programs of such changes give is compared
 * with a naive twin in tests/model.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "support/engine_fixture.h"
#include "sys/thread.h"

typedef struct rows_world {
    engine_fixture f;
    varve_series a, b, plain; /* plain: of a metric without row ids */
    varve_field value, other;
    uint64_t base; /* row ids are told as distances to it */
    varve_written written;
    char text[4096];
} rows_world;

static varve_series rows_series(rows_world *w, const char *metric, const char *host)
{
    varve_error err;
    varve_series series;
    varve_label label = {VARVE_STR("host"), vv_text_from_string(host)};
    check_ok(
        varve_series_resolve(w->f.db, vv_text_from_string(metric), &label, 1, 0, &series, &err),
        &err);
    return series;
}

static void rows_resolve(rows_world *w)
{
    varve_error err;
    w->a = rows_series(w, "m", "a");
    w->b = rows_series(w, "m", "b");
    w->plain = rows_series(w, "plain", "a");
    check_ok(varve_field_resolve(w->f.db, VARVE_STR("value"), &w->value, &err), &err);
    check_ok(varve_field_resolve(w->f.db, VARVE_STR("other"), &w->other, &err), &err);
}

static int rows_setup(void **state)
{
    varve_error err;
    rows_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    engine_fixture_create(&w->f);
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = VARVE_ROW_IDS_ON;
    check_ok(varve_policy_metric(w->f.db, VARVE_STR("m"), &policy, &err), &err);
    rows_resolve(w);
    *state = w;
    return 0;
}

static int rows_teardown(void **state)
{
    rows_world *w = *state;
    engine_fixture_free(&w->f);
    free(w);
    return 0;
}

static void rows_reopen(rows_world *w, bool is_crash)
{
    if (is_crash) {
        engine_fixture_abandon(&w->f);
    } else {
        engine_fixture_close(&w->f);
    }
    engine_fixture_open(&w->f);
    rows_resolve(w);
}

static void rows_flush(rows_world *w)
{
    varve_error err;
    check_ok(varve_flush(w->f.db, NULL, &err), &err);
}

static void rows_compact(rows_world *w)
{
    varve_error err;
    check_ok(varve_compact(w->f.db, VARVE_COMPACT_ALL, NULL, &err), &err);
}

/* ---- batches ---- */

static varve_batch *rows_batch(rows_world *w)
{
    varve_error err;
    varve_batch *batch;
    check_ok(varve_batch_create(w->f.db, &batch, &err), &err);
    return batch;
}

static varve_status rows_try_commit(rows_world *w, varve_batch *batch, varve_error *err)
{
    varve_written_init(&w->written);
    varve_status status = varve_batch_commit(batch, NULL, &w->written, err);
    varve_batch_free(batch);
    return status;
}

static void rows_commit(rows_world *w, varve_batch *batch)
{
    varve_error err;
    check_ok(rows_try_commit(w, batch, &err), &err);
}

static varve_value rows_f64(double number)
{
    return (varve_value){.type = VARVE_TYPE_F64, .as.f64 = number};
}

static varve_value rows_text(const char *text)
{
    return (varve_value){.type = VARVE_TYPE_STRING, .as.bytes = vv_text_from_string(text)};
}

static varve_row rows_row(rows_world *w, varve_series series, int64_t time,
                          const varve_value *value)
{
    return (varve_row){
        .series = series, .timestamp = time, .fields = &w->value, .values = value, .count = 1};
}

static void rows_add(rows_world *w, varve_batch *batch, varve_series series, int64_t time,
                     varve_value value)
{
    varve_error err;
    varve_row row = rows_row(w, series, time, &value);
    check_ok(varve_batch_row(batch, &row, &err), &err);
}

static varve_row_id rows_id(const rows_world *w, varve_series series, int64_t time, uint64_t nth)
{
    return (varve_row_id){.series = series, .timestamp = time, .row_id = w->base + nth};
}

static void rows_delete(rows_world *w, varve_batch *batch, varve_series series, int64_t time,
                        uint64_t nth)
{
    varve_error err;
    varve_row_id id = rows_id(w, series, time, nth);
    check_ok(varve_batch_delete_row(batch, &id, &err), &err);
}

static void rows_replace(rows_world *w, varve_batch *batch, varve_row_id id, varve_series series,
                         int64_t time, varve_value value)
{
    varve_error err;
    varve_row row = rows_row(w, series, time, &value);
    check_ok(varve_batch_replace(batch, &id, &row, &err), &err);
}

static void rows_delete_range(varve_batch *batch, const varve_series *series, int64_t start,
                              int64_t end)
{
    varve_error err;
    varve_selection selection = {.kind = VARVE_SELECT_LIST, .series = series, .series_count = 1};
    check_ok(varve_batch_delete(batch, &selection, 1, (varve_range){start, end}, &err), &err);
}

/* Rows of a at the times 10, 20 ... with the values 1, 2 ...; their ids are the first ones. */
static void rows_write(rows_world *w, uint32_t count)
{
    varve_batch *batch = rows_batch(w);
    for (uint32_t i = 1; i <= count; i++) {
        rows_add(w, batch, w->a, 10 * (int64_t)i, rows_f64(i));
    }
    rows_commit(w, batch);
    w->base = w->written.first_row_id - 1;
}

static void rows_expect_counts(const rows_world *w, uint64_t deleted, uint64_t replaced,
                               uint64_t missing)
{
    assert_int_equal(w->written.rows_deleted, deleted);
    assert_int_equal(w->written.rows_replaced, replaced);
    assert_int_equal(w->written.rows_missing, missing);
}

/* ---- what is there ---- */

static void rows_tell(const varve_block *block, size_t row, uint64_t base, char *text, size_t size)
{
    const varve_column *column = &block->columns[0];
    char value[64] = "";
    if (column->type == VARVE_TYPE_F64) {
        snprintf(value, sizeof value, "%g", ((const double *)column->values)[row]);
    } else if (column->type == VARVE_TYPE_STRING) {
        varve_text bytes = ((const varve_text *)column->values)[row];
        snprintf(value, sizeof value, "'%.*s'", VV_TEXT_ARGS(bytes));
    }
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%" PRId64 "#%" PRIu64 "=%s;", block->timestamps[row],
             block->row_ids[row] - base, value);
}

static const char *rows_drain(rows_world *w, varve_cursor *cursor)
{
    varve_error err;
    const varve_block *block;
    w->text[0] = '\0';
    for (;;) {
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            varve_cursor_close(cursor);
            return w->text;
        }
        for (size_t row = 0; row < block->rows; row++) {
            rows_tell(block, row, w->base, w->text, sizeof w->text);
        }
    }
}

static varve_cursor *rows_query(rows_world *w, varve_db *db, const varve_series *series,
                                uint32_t order, uint64_t after_row_id, uint32_t flags)
{
    varve_error err;
    varve_cursor *cursor;
    varve_query_options options;
    varve_selection selection = {.kind = VARVE_SELECT_LIST, .series = series, .series_count = 1};
    varve_output output = {.kind = VARVE_OUTPUT_FIELD, .name = VARVE_STR("value")};
    varve_query_options_init(&options);
    options.flags = VARVE_QUERY_ROW_IDS | flags;
    options.selections = &selection;
    options.selection_count = 1;
    options.outputs = &output;
    options.output_count = 1;
    options.order = order;
    options.layout = order == VARVE_ORDER_SERIES ? VARVE_LAYOUT_SERIES : VARVE_LAYOUT_TABLE;
    options.after_row_id = after_row_id == 0 ? 0 : w->base + after_row_id;
    check_ok(varve_query(db, &options, &cursor, &err), &err);
    return cursor;
}

static const char *rows_of(rows_world *w, varve_series series)
{
    return rows_drain(w, rows_query(w, w->f.db, &series, VARVE_ORDER_SERIES, 0, 0));
}

/* The same rows in all places: head, segment, merged, after a crash and after a clean end. */
static void rows_expect_for_good(rows_world *w, const char *in_a, const char *in_b)
{
    for (int place = 0; place < 6; place++) {
        assert_string_equal(rows_of(w, w->a), in_a);
        assert_string_equal(rows_of(w, w->b), in_b);
        if (place == 1) {
            rows_flush(w);
        } else if (place == 3) {
            rows_compact(w);
        } else {
            rows_reopen(w, /* is_crash */ place != 4);
        }
    }
    assert_string_equal(rows_of(w, w->a), in_a);
    assert_string_equal(rows_of(w, w->b), in_b);
    assert_int_equal(engine_fixture_files(&w->f, "del"), 0);
}

/* ---- tests ---- */

static void single_rows_are_changed_only_where_rows_have_ids(void **state)
{
    rows_world *w = *state;
    varve_error err;
    varve_value value = rows_f64(1);
    varve_row row = rows_row(w, w->plain, 1, &value);
    varve_row_id id = {.series = w->plain, .timestamp = 1, .row_id = 1};
    varve_batch *batch = rows_batch(w);
    check_status(VARVE_E_UNSUPPORTED, varve_batch_delete_row(batch, &id, &err));
    check_status(VARVE_E_UNSUPPORTED, varve_batch_replace(batch, &id, &row, &err));
    id.series = w->a;
    check_status(VARVE_E_UNSUPPORTED, varve_batch_replace(batch, &id, &row, &err));
    row.series = w->a;
    id.row_id = 0;
    check_status(VARVE_E_INVALID, varve_batch_delete_row(batch, &id, &err));
    check_status(VARVE_E_INVALID, varve_batch_replace(batch, &id, &row, &err));
    id.row_id = UINT64_C(1) << 63;
    check_status(VARVE_E_INVALID, varve_batch_delete_row(batch, &id, &err));
    id.row_id = INT64_MAX;
    check_ok(varve_batch_delete_row(batch, &id, &err), &err);
    id.series.id = 1000;
    check_status(VARVE_E_INVALID, varve_batch_delete_row(batch, &id, &err));
    row.count = 0;
    id.series = w->a;
    check_status(VARVE_E_INVALID, varve_batch_replace(batch, &id, &row, &err));
    check_status(VARVE_E_INVALID, varve_batch_delete_row(batch, NULL, &err));
    check_status(VARVE_E_INVALID, varve_batch_replace(batch, NULL, &row, &err));
    check_status(VARVE_E_INVALID, varve_batch_replace(batch, &id, NULL, &err));
    rows_commit(w, batch);
    rows_expect_counts(w, 0, 0, 1);
    assert_int_equal(w->written.rows, 0);
}

static void a_policy_without_row_ids_refuses_what_was_gathered_before(void **state)
{
    rows_world *w = *state;
    varve_error err;
    varve_metric_policy policy;
    varve_batch *batch = rows_batch(w);
    rows_replace(w, batch, (varve_row_id){w->a, 1, 1}, w->a, 2, rows_f64(1));
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = VARVE_ROW_IDS_OFF;
    check_ok(varve_policy_metric(w->f.db, VARVE_STR("m"), &policy, &err), &err);
    check_status(VARVE_E_UNSUPPORTED, rows_try_commit(w, batch, &err));
}

static void a_deleted_row_stays_gone(void **state)
{
    rows_world *w = *state;
    rows_write(w, 3);
    varve_batch *batch = rows_batch(w);
    rows_delete(w, batch, w->a, 20, 2);
    rows_commit(w, batch);
    rows_expect_counts(w, 1, 0, 0);
    rows_expect_for_good(w, "10#1=1;30#3=3;", "");
}

static void a_row_of_a_segment_is_deleted_and_its_space_given_back(void **state)
{
    rows_world *w = *state;
    varve_error err;
    rows_write(w, 3);
    rows_flush(w);
    varve_batch *batch = rows_batch(w);
    rows_delete(w, batch, w->a, 20, 2);
    rows_commit(w, batch);
    rows_flush(w);
    assert_int_equal(engine_fixture_files(&w->f, "del"), 1);
    assert_string_equal(rows_of(w, w->a), "10#1=1;30#3=3;");
    rows_reopen(w, /* is_crash */ false);
    assert_string_equal(rows_of(w, w->a), "10#1=1;30#3=3;");
    batch = rows_batch(w);
    rows_delete(w, batch, w->a, 20, 2);
    rows_delete(w, batch, w->a, 10, 1);
    rows_delete(w, batch, w->a, 30, 3);
    rows_commit(w, batch);
    rows_expect_counts(w, 2, 0, 1);
    rows_flush(w);
    rows_compact(w);
    assert_string_equal(rows_of(w, w->a), "");
    assert_int_equal(engine_fixture_files(&w->f, "del"), 0);
    assert_int_equal(engine_fixture_files(&w->f, "seg"), 0);
    varve_verified verified;
    varve_verified_init(&verified);
    check_ok(varve_verify(w->f.db, NULL, &verified, &err), &err);
    assert_int_equal(verified.rows, 0);
}

static void a_replacement_keeps_its_id_and_its_place(void **state)
{
    rows_world *w = *state;
    varve_batch *batch = rows_batch(w);
    for (int i = 1; i <= 4; i++) {
        rows_add(w, batch, w->a, 10, rows_f64(i)); /* all at one time */
    }
    rows_commit(w, batch);
    w->base = w->written.first_row_id - 1;
    rows_flush(w);
    batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 10, 2), w->a, 10, rows_f64(22));
    rows_replace(w, batch, rows_id(w, w->a, 10, 3), w->b, 5, rows_f64(33));
    rows_add(w, batch, w->a, 10, rows_f64(5));
    rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->a, 10, rows_f64(11));
    rows_commit(w, batch);
    rows_expect_counts(w, 0, 3, 0);
    assert_int_equal(w->written.rows, 4);
    assert_int_equal(w->written.rows_late, 0);
    uint64_t added = w->written.first_row_id - w->base;
    char in_a[128];
    snprintf(in_a, sizeof in_a, "10#1=11;10#2=22;10#4=4;10#%" PRIu64 "=5;", added);
    rows_expect_for_good(w, in_a, "5#3=33;");
    assert_string_equal(rows_drain(w, rows_query(w, w->f.db, &w->a, VARVE_ORDER_ARRIVAL, 0, 0)),
                        in_a);
    snprintf(in_a, sizeof in_a, "10#%" PRIu64 "=5;10#4=4;10#2=22;10#1=11;", added);
    assert_string_equal(
        rows_drain(w, rows_query(w, w->f.db, &w->a, VARVE_ORDER_SERIES, 0, VARVE_QUERY_DESCENDING)),
        in_a);
}

static void a_replaced_row_is_not_fed_again(void **state)
{
    rows_world *w = *state;
    rows_write(w, 3);
    varve_batch *batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 50, rows_f64(22));
    rows_commit(w, batch);
    assert_string_equal(rows_drain(w, rows_query(w, w->f.db, &w->a, VARVE_ORDER_ARRIVAL, 3, 0)),
                        "");
    assert_string_equal(rows_drain(w, rows_query(w, w->f.db, &w->a, VARVE_ORDER_ARRIVAL, 1, 0)),
                        "50#2=22;30#3=3;");
    rows_flush(w);
    assert_string_equal(rows_drain(w, rows_query(w, w->f.db, &w->a, VARVE_ORDER_ARRIVAL, 3, 0)),
                        "");
    assert_string_equal(rows_drain(w, rows_query(w, w->f.db, &w->a, VARVE_ORDER_ARRIVAL, 1, 0)),
                        "50#2=22;30#3=3;");
}

static void rows_that_are_not_there_are_counted(void **state)
{
    rows_world *w = *state;
    rows_write(w, 3);
    varve_batch *batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 25, rows_f64(2));
    rows_delete(w, batch, w->a, 30, 3);
    rows_commit(w, batch);
    batch = rows_batch(w);
    rows_delete(w, batch, w->a, 20, 2);                                     /* moved */
    rows_delete(w, batch, w->a, 30, 3);                                     /* deleted */
    rows_delete(w, batch, w->b, 10, 1);                                     /* another series */
    rows_delete(w, batch, w->a, 11, 1);                                     /* another time */
    rows_delete(w, batch, w->a, 10, 100000);                                /* never was */
    rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 1, rows_f64(9));  /* moved */
    rows_replace(w, batch, rows_id(w, w->a, 30, 3), w->a, 1, rows_f64(9));  /* deleted */
    rows_replace(w, batch, rows_id(w, w->b, 10, 1), w->b, 10, rows_f64(9)); /* elsewhere */
    rows_commit(w, batch);
    rows_expect_counts(w, 0, 0, 8);
    assert_int_equal(w->written.rows, 0);
    rows_expect_for_good(w, "10#1=1;25#2=2;", "");
}

static void a_batch_sees_what_it_did_before(void **state)
{
    rows_world *w = *state;
    rows_write(w, 6);
    rows_flush(w);
    varve_batch *batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->a, 11, rows_f64(1.5));
    rows_replace(w, batch, rows_id(w, w->a, 11, 1), w->b, 12, rows_f64(1.75)); /* of the batch */
    rows_delete(w, batch, w->a, 11, 1);                                        /* no longer there */
    rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 21, rows_f64(2.5));
    rows_delete(w, batch, w->a, 21, 2);
    rows_delete(w, batch, w->a, 21, 2); /* gone by now */
    rows_delete(w, batch, w->a, 30, 3);
    rows_replace(w, batch, rows_id(w, w->a, 30, 3), w->a, 31, rows_f64(3.5)); /* gone */
    rows_replace(w, batch, rows_id(w, w->a, 40, 4), w->a, 99, rows_f64(4.5));
    rows_delete_range(batch, &w->a, 50, 100); /* takes the replacement, and 5 and 6 */
    rows_replace(w, batch, rows_id(w, w->a, 99, 4), w->a, 41, rows_f64(4.75)); /* gone */
    rows_replace(w, batch, rows_id(w, w->a, 50, 5), w->a, 51, rows_f64(5.5));  /* gone */
    rows_replace(w, batch, rows_id(w, w->b, 12, 1), w->b, 12, rows_f64(7));
    rows_commit(w, batch);
    rows_expect_counts(w, 2, 5, 5);
    rows_expect_for_good(w, "", "12#1=7;");
}

static void a_row_comes_back_to_its_address_with_new_content(void **state)
{
    rows_world *w = *state;
    rows_write(w, 1);
    for (int i = 0; i < 3; i++) {
        rows_flush(w);
        varve_batch *batch = rows_batch(w);
        rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->a, 20, rows_f64(2));
        rows_replace(w, batch, rows_id(w, w->a, 20, 1), w->a, 10, rows_f64(10 + i));
        rows_commit(w, batch);
    }
    rows_expect_for_good(w, "10#1=12;", "");
}

static void an_older_cursor_keeps_what_it_saw(void **state)
{
    rows_world *w = *state;
    rows_write(w, 3);
    varve_cursor *in_head = rows_query(w, w->f.db, &w->a, VARVE_ORDER_SERIES, 0, 0);
    rows_flush(w);
    varve_cursor *in_segment = rows_query(w, w->f.db, &w->a, VARVE_ORDER_SERIES, 0, 0);
    varve_batch *batch = rows_batch(w);
    rows_delete(w, batch, w->a, 10, 1);
    rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 60, rows_f64(6));
    rows_commit(w, batch);
    varve_cursor *changed = rows_query(w, w->f.db, &w->a, VARVE_ORDER_SERIES, 0, 0);
    rows_flush(w);
    rows_compact(w);
    assert_string_equal(rows_drain(w, in_head), "10#1=1;20#2=2;30#3=3;");
    assert_string_equal(rows_drain(w, in_segment), "10#1=1;20#2=2;30#3=3;");
    assert_string_equal(rows_drain(w, changed), "30#3=3;60#2=6;");
}

/* Count and sum of a, from statistics where these may answer. */
static void rows_expect_sum(rows_world *w, uint64_t count, double sum)
{
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    varve_query_options options;
    varve_selection selection = {.kind = VARVE_SELECT_LIST, .series = &w->a, .series_count = 1};
    varve_output outputs[2] = {
        {.aggregation = VARVE_AGG_COUNT, .name = VARVE_STR("value")},
        {.aggregation = VARVE_AGG_SUM, .name = VARVE_STR("value")},
    };
    varve_query_options_init(&options);
    options.selections = &selection;
    options.selection_count = 1;
    options.outputs = outputs;
    options.output_count = 2;
    check_ok(varve_query(w->f.db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    assert_non_null(block);
    assert_int_equal(((const uint64_t *)block->columns[0].values)[0], count);
    assert_true(((const double *)block->columns[1].values)[0] == sum);
    varve_cursor_close(cursor);
}

static double rows_figure(rows_world *w, const char *name)
{
    varve_error err;
    varve_stat stats[256];
    size_t count;
    check_ok(varve_stats(w->f.db, stats, 256, &count, &err), &err);
    for (size_t i = 0; i < count && i < 256; i++) {
        if (strcmp(stats[i].name, name) == 0) {
            return stats[i].value;
        }
    }
    fail_msg("no figure %s", name);
    return 0;
}

static void statistics_do_not_answer_for_hidden_rows(void **state)
{
    rows_world *w = *state;
    enum { ROWS = 4096 };
    rows_write(w, ROWS);
    rows_flush(w);
    rows_compact(w);
    double sum = ROWS * (ROWS + 1) / 2.0;
    rows_expect_sum(w, ROWS, sum);
    varve_batch *batch = rows_batch(w);
    rows_delete(w, batch, w->a, 10 * 100, 100);
    rows_replace(w, batch, rows_id(w, w->a, 10 * 200, 200), w->a, 10 * 200, rows_f64(0));
    rows_commit(w, batch);
    for (int place = 0; place < 2; place++) {
        double before = rows_figure(w, "varve_query_vectors_by_statistics_total");
        rows_expect_sum(w, ROWS - 1, sum - 300);
        /* The vectors without a changed row still answer so. */
        assert_true(rows_figure(w, "varve_query_vectors_by_statistics_total") >= before + 2);
        rows_flush(w);
    }
    rows_compact(w);
    rows_expect_sum(w, ROWS - 1, sum - 300);
}

static void types_are_free_when_the_last_row_that_held_one_is_replaced(void **state)
{
    rows_world *w = *state;
    varve_error err;
    rows_write(w, 2);
    varve_batch *batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->a, 10, rows_text("x"));
    check_status(VARVE_E_INVALID, rows_try_commit(w, batch, &err)); /* the other row holds f64 */
    assert_string_equal(rows_of(w, w->a), "10#1=1;20#2=2;");
    rows_flush(w);
    batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->a, 10, rows_text("x"));
    rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 20, rows_text("y"));
    rows_add(w, batch, w->a, 5, rows_text("z"));
    rows_commit(w, batch);
    rows_expect_counts(w, 0, 2, 0);
    char in_a[96];
    snprintf(in_a, sizeof in_a, "5#%" PRIu64 "='z';10#1='x';20#2='y';",
             w->written.first_row_id - w->base);
    rows_expect_for_good(w, in_a, "");
    batch = rows_batch(w);
    rows_add(w, batch, w->a, 1, rows_f64(1));
    check_status(VARVE_E_INVALID, rows_try_commit(w, batch, &err));
}

static void a_rejected_replacement_leaves_the_row_alone(void **state)
{
    rows_world *w = *state;
    varve_error err;
    varve_rejected rejected[4];
    varve_write_options options;
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    options.rejected = rejected;
    options.rejected_capacity = 4;
    rows_write(w, 3);
    varve_batch *batch = rows_batch(w);
    rows_add(w, batch, w->a, 40, rows_f64(4));
    rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->a, 10, rows_text("x"));
    rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 20, rows_f64(22));
    varve_written_init(&w->written);
    check_ok(varve_batch_commit(batch, &options, &w->written, &err), &err);
    varve_batch_free(batch);
    rows_expect_counts(w, 0, 1, 0);
    assert_int_equal(w->written.rows, 2);
    assert_int_equal(w->written.rows_rejected, 1);
    assert_int_equal(rejected[0].row, 1);
    char in_a[96];
    snprintf(in_a, sizeof in_a, "10#1=1;20#2=22;30#3=3;40#%" PRIu64 "=4;",
             w->written.first_row_id - w->base);
    rows_expect_for_good(w, in_a, "");
}

static void a_submitted_row_is_found_before_it_is_visible(void **state)
{
    rows_world *w = *state;
    varve_error err;
    varve_batch *batch = rows_batch(w);
    rows_add(w, batch, w->a, 10, rows_f64(1));
    varve_written_init(&w->written);
    check_ok(varve_batch_submit(batch, NULL, &w->written, &err), &err);
    varve_batch_free(batch);
    w->base = w->written.first_row_id - 1;
    batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->a, 20, rows_f64(2));
    check_ok(varve_batch_submit(batch, NULL, &w->written, &err), &err);
    varve_batch_free(batch);
    rows_expect_counts(w, 0, 1, 0);
    batch = rows_batch(w);
    rows_delete(w, batch, w->a, 10, 1);
    rows_delete(w, batch, w->a, 20, 1);
    rows_commit(w, batch);
    rows_expect_counts(w, 1, 0, 1);
    rows_expect_for_good(w, "", "");
}

static void a_submitted_delete_counts_before_it_is_visible(void **state)
{
    rows_world *w = *state;
    varve_error err;
    rows_write(w, 2);
    varve_batch *batch = rows_batch(w);
    rows_delete_range(batch, &w->a, 0, 15);
    check_ok(varve_batch_submit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
    batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->a, 11, rows_f64(9));
    rows_delete(w, batch, w->a, 20, 2);
    rows_commit(w, batch);
    rows_expect_counts(w, 1, 0, 1);
    rows_expect_for_good(w, "", "");
}

/* ---- what comes between looking and locking (T3) ---- */

/* The clock on the wall, which a commit asks after it has looked its rows up and before it takes a
 * lock. */
typedef struct rows_meddler {
    vv_clock inner;
    rows_world *w;
    void (*act)(rows_world *w); /* once; NULL: done */
} rows_meddler;

static int64_t rows_meddler_wall(void *context)
{
    rows_meddler *meddler = context;
    void (*act)(rows_world * w) = meddler->act;
    meddler->act = NULL;
    if (act != NULL) {
        act(meddler->w);
    }
    return meddler->inner.wall_ns(meddler->inner.context);
}

static int64_t rows_meddler_mono(void *context)
{
    rows_meddler *meddler = context;
    return meddler->inner.mono_ns(meddler->inner.context);
}

static void rows_delete_first(rows_world *w)
{
    varve_batch *batch = rows_batch(w);
    rows_delete(w, batch, w->a, 10, 1);
    rows_commit(w, batch);
    rows_expect_counts(w, 1, 0, 0);
}

static void rows_delete_first_and_flush(rows_world *w)
{
    rows_delete_first(w);
    rows_flush(w);
}

static void rows_delete_all(rows_world *w)
{
    varve_batch *batch = rows_batch(w);
    rows_delete_range(batch, &w->a, INT64_MIN, INT64_MAX);
    rows_commit(w, batch);
}

static void rows_move_there_and_back(rows_world *w)
{
    varve_batch *batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 10, 1), w->b, 10, rows_f64(5));
    rows_replace(w, batch, rows_id(w, w->b, 10, 1), w->a, 10, rows_f64(6));
    rows_commit(w, batch);
}

static void rows_add_third(rows_world *w)
{
    varve_batch *batch = rows_batch(w);
    rows_add(w, batch, w->a, 30, rows_f64(3));
    rows_commit(w, batch);
    assert_int_equal(w->written.first_row_id, w->base + 3);
}

static void what_comes_between_looking_and_locking_is_looked_at(void **state)
{
    static const struct {
        void (*act)(rows_world *w);
        uint64_t deleted, missing; /* of the first row, and of one that is not there yet */
        const char *left;
    } cases[] = {
        {rows_flush, 1, 1, "20#2=2;"},
        {rows_delete_first, 0, 2, "20#2=2;"},
        {rows_delete_first_and_flush, 0, 2, "20#2=2;"},
        {rows_delete_all, 0, 2, ""},
        {rows_move_there_and_back, 1, 1, "20#2=2;"},
        {rows_add_third, 2, 0, "20#2=2;"},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        rows_world *w = *state;
        rows_meddler meddler = {.inner = w->f.env.clock, .w = w};
        engine_fixture_close(&w->f);
        w->f.env.clock = (vv_clock){
            .context = &meddler, .mono_ns = rows_meddler_mono, .wall_ns = rows_meddler_wall};
        engine_fixture_open(&w->f);
        rows_resolve(w);
        rows_write(w, 2);
        varve_batch *batch = rows_batch(w);
        rows_delete(w, batch, w->a, 10, 1);
        rows_delete(w, batch, w->a, 30, 3);
        meddler.act = cases[i].act;
        rows_commit(w, batch);
        assert_null(meddler.act);
        rows_expect_counts(w, cases[i].deleted, 0, cases[i].missing);
        assert_string_equal(rows_of(w, w->a), cases[i].left);
        assert_string_equal(rows_of(w, w->b), "");
        assert_int_equal(rows_teardown(state), 0);
        assert_int_equal(rows_setup(state), 0);
    }
}

static void a_reader_beside_the_writer_follows(void **state)
{
    rows_world *w = *state;
    varve_error err;
    varve_db *reader;
    varve_options options = w->f.options;
    options.flags = VARVE_OPEN_READONLY;
    rows_write(w, 3);
    rows_flush(w);
    check_ok(varve_open("db", &options, &reader, &err), &err);
    for (int place = 0; place < 3; place++) {
        varve_batch *batch = rows_batch(w);
        if (place == 0) {
            rows_delete(w, batch, w->a, 10, 1);
            rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 40, rows_f64(22));
            rows_commit(w, batch);
        } else {
            varve_batch_free(batch);
            rows_flush(w);
        }
        if (place == 2) {
            rows_compact(w);
        }
        check_ok(varve_refresh(reader, &err), &err);
        varve_label label = {VARVE_STR("host"), VARVE_STR("a")};
        varve_series a;
        check_ok(varve_series_resolve(reader, VARVE_STR("m"), &label, 1, 0, &a, &err), &err);
        assert_string_equal(rows_drain(w, rows_query(w, reader, &a, VARVE_ORDER_SERIES, 0, 0)),
                            "30#3=3;40#2=22;");
        batch = NULL;
    }
    check_ok(varve_close(reader, &err), &err);
}

static void rows_at_the_ends_of_time_are_told_apart(void **state)
{
    rows_world *w = *state;
    varve_batch *batch = rows_batch(w);
    rows_add(w, batch, w->a, INT64_MAX, rows_f64(1));
    rows_add(w, batch, w->a, INT64_MIN, rows_f64(2));
    rows_add(w, batch, w->a, INT64_MAX - 1, rows_f64(3));
    rows_commit(w, batch);
    w->base = w->written.first_row_id - 1;
    batch = rows_batch(w);
    rows_delete(w, batch, w->a, INT64_MAX - 1, 1);
    rows_delete(w, batch, w->a, INT64_MAX, 3);
    rows_delete(w, batch, w->a, INT64_MAX, 1);
    rows_replace(w, batch, rows_id(w, w->a, INT64_MIN, 2), w->a, INT64_MAX, rows_f64(4));
    rows_commit(w, batch);
    rows_expect_counts(w, 1, 1, 2);
    rows_expect_for_good(w, "9223372036854775806#3=3;9223372036854775807#2=4;", "");
}

static void a_long_list_of_changes_is_split_where_that_is_asked(void **state)
{
    rows_world *w = *state;
    enum { ROWS = 3000 };
    varve_error err;
    varve_write_options options;
    engine_fixture_close(&w->f);
    w->f.options.batch_bytes_max = 4096;
    w->f.options.log_file_bytes = 1 << 20;
    engine_fixture_open(&w->f);
    rows_resolve(w);
    for (int i = 0; i < ROWS; i += 100) {
        varve_batch *rows = rows_batch(w);
        for (int k = 1; k <= 100; k++) {
            rows_add(w, rows, w->a, 10 * (i + k), rows_f64(i + k));
        }
        rows_commit(w, rows);
        w->base = i == 0 ? w->written.first_row_id - 1 : w->base;
    }
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SPLIT;
    varve_batch *batch = rows_batch(w);
    for (int i = 1; i <= ROWS; i++) {
        if (i % 2 == 0) {
            rows_delete(w, batch, w->a, 10 * i, (uint64_t)i);
        }
    }
    for (int i = 1; i <= ROWS; i++) {
        if (i % 2 != 0) {
            rows_replace(w, batch, rows_id(w, w->a, 10 * i, (uint64_t)i), w->a, 10 * i,
                         rows_f64(0));
        }
    }
    varve_written_init(&w->written);
    check_ok(varve_batch_commit(batch, &options, &w->written, &err), &err);
    varve_batch_free(batch);
    rows_expect_counts(w, ROWS / 2, ROWS / 2, 0);
    rows_expect_sum(w, ROWS / 2, 0);
}

/* ---- chains: more than a batch without changes may be ---- */

static void rows_set_limits(rows_world *w, uint64_t batch_bytes, uint64_t chain_bytes)
{
    engine_fixture_close(&w->f);
    w->f.options.batch_bytes_max = batch_bytes;
    w->f.options.chain_bytes_max = chain_bytes;
    w->f.options.memory_limit_bytes = UINT64_C(1) << 30;
    engine_fixture_open(&w->f);
    rows_resolve(w);
}

static varve_status rows_try_texts(rows_world *w, size_t count, size_t size, bool deletes_first,
                                   varve_error *err)
{
    char *text = calloc(1, size + 1);
    assert_non_null(text);
    varve_batch *batch = rows_batch(w);
    if (deletes_first) {
        rows_delete_range(batch, &w->b, INT64_MIN, INT64_MAX);
    }
    memset(text, 'x', size);
    for (size_t i = 0; i < count; i++) {
        rows_add(w, batch, w->b, (int64_t)i, rows_text(text));
    }
    varve_status status = rows_try_commit(w, batch, err);
    free(text);
    return status;
}

static uint64_t rows_count(rows_world *w)
{
    uint64_t digest[2];
    uint64_t rows;
    engine_fixture_digest(&w->f, digest, &rows);
    return rows;
}

static void a_batch_that_deletes_may_be_as_long_as_a_chain(void **state)
{
    rows_world *w = *state;
    varve_error err;
    rows_set_limits(w, 4096, 16384);
    check_ok(rows_try_texts(w, 30, 100, /* deletes_first */ false, &err), &err);
    check_status(VARVE_E_LIMIT, rows_try_texts(w, 60, 100, false, &err));
    assert_non_null(strstr(err.message, "batch_bytes_max"));
    check_ok(rows_try_texts(w, 60, 100, /* deletes_first */ true, &err), &err);
    assert_int_equal(rows_count(w), 60);
    check_ok(rows_try_texts(w, 140, 100, true, &err), &err);
    check_status(VARVE_E_LIMIT, rows_try_texts(w, 180, 100, true, &err));
    assert_non_null(strstr(err.message, "chain_bytes_max"));
    assert_int_equal(rows_count(w), 140); /* nothing of it, not the delete either */
    rows_reopen(w, /* is_crash */ true);
    assert_int_equal(rows_count(w), 140);
    rows_set_limits(w, 4096, 1024); /* never less than a batch */
    check_ok(rows_try_texts(w, 30, 100, true, &err), &err);
    check_status(VARVE_E_LIMIT, rows_try_texts(w, 60, 100, true, &err));
    assert_non_null(strstr(err.message, "batch_bytes_max"));
}

static void a_chain_takes_as_many_records_as_it_needs(void **state)
{
    enum { ROWS = 70, ROW_BYTES = 1024 * 1024 }; /* more than a record may have */
    rows_world *w = *state;
    varve_error err;
    rows_set_limits(w, 1 << 20, 0);
    varve_batch *batch = rows_batch(w);
    for (int i = 1; i <= ROWS; i++) {
        rows_add(w, batch, w->a, i, rows_text("old"));
    }
    rows_commit(w, batch);
    w->base = w->written.first_row_id - 1;
    char *text = calloc(1, ROW_BYTES + 1);
    assert_non_null(text);
    memset(text, 'x', ROW_BYTES);
    batch = rows_batch(w);
    for (int i = 1; i <= ROWS; i++) {
        rows_replace(w, batch, rows_id(w, w->a, i, (uint64_t)i), w->b, -i, rows_text(text));
    }
    rows_commit(w, batch);
    rows_expect_counts(w, 0, ROWS, 0);
    free(text);
    for (int place = 0; place < 2; place++) {
        assert_int_equal(rows_count(w), ROWS);
        assert_string_equal(rows_of(w, w->a), "");
        if (place == 0) {
            rows_reopen(w, /* is_crash */ true);
        }
    }
    batch = rows_batch(w);
    for (int i = 1; i <= ROWS; i++) {
        rows_delete(w, batch, w->b, -i, (uint64_t)i); /* the ids went through the log too */
    }
    rows_commit(w, batch);
    rows_expect_counts(w, ROWS, 0, 0);
    check_status(VARVE_E_LIMIT, rows_try_texts(w, 3, 400 * 1024, /* deletes_first */ false, &err));
}

static void options_of_chains_have_bounds(void **state)
{
    rows_world *w = *state;
    static const uint64_t limits[] = {1023, 1024, UINT64_C(1) << 30, (UINT64_C(1) << 30) + 1};
    engine_fixture_close(&w->f);
    for (size_t i = 0; i < VV_ARRAY_COUNT(limits); i++) {
        varve_error err;
        w->f.options.chain_bytes_max = limits[i];
        varve_status status = varve_open("db", &w->f.options, &w->f.db, &err);
        check_status(i == 1 || i == 2 ? VARVE_OK : VARVE_E_INVALID, status);
        if (status == VARVE_OK) {
            engine_fixture_close(&w->f);
        }
    }
}

/* ---- failures ---- */

/* A batch of every kind of change over head and segment; the rows before and after it. */
static const char rows_before[] = "10#1=1;20#2=2;30#3=3;40#4=4;";
static const char rows_after[] = "35#2=22;40#4=4;";

static void rows_prepare(rows_world *w)
{
    rows_write(w, 4);
    rows_flush(w);
    varve_batch *batch = rows_batch(w);
    rows_replace(w, batch, rows_id(w, w->a, 40, 4), w->a, 40, rows_f64(4));
    rows_commit(w, batch);
}

static varve_status rows_try_change(rows_world *w, varve_error *err)
{
    varve_batch *batch;
    varve_value value = rows_f64(22);
    varve_row row = rows_row(w, w->a, 35, &value);
    varve_row_id first = rows_id(w, w->a, 10, 1);
    varve_row_id second = rows_id(w, w->a, 20, 2);
    varve_row_id third = rows_id(w, w->a, 30, 3);
    VV_TRY(varve_batch_create(w->f.db, &batch, err));
    varve_status status = varve_batch_delete_row(batch, &first, err);
    if (status == VARVE_OK) {
        status = varve_batch_replace(batch, &second, &row, err);
    }
    if (status == VARVE_OK) {
        status = varve_batch_delete_row(batch, &third, err);
    }
    varve_written_init(&w->written);
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, &w->written, err);
    }
    varve_batch_free(batch);
    return status;
}

static void each_failed_allocation_of_a_change_has_no_effect(void **state)
{
    rows_world *w = *state;
    varve_error err;
    rows_prepare(w);
    for (uint64_t n = 1;; n++) {
        failing_alloc_plan(&w->f.source, n, false);
        varve_status status = rows_try_change(w, &err);
        failing_alloc_plan(&w->f.source, 0, false);
        if (status == VARVE_OK) {
            assert_true(n > 5);
            break;
        }
        check_status(VARVE_E_NOMEM, status);
        assert_string_equal(rows_of(w, w->a), rows_before);
    }
    for (uint64_t n = 1;; n++) { /* and of the flush that takes it along */
        failing_alloc_plan(&w->f.source, n, false);
        varve_status status = varve_flush(w->f.db, NULL, &err);
        failing_alloc_plan(&w->f.source, 0, false);
        assert_string_equal(rows_of(w, w->a), rows_after);
        if (status == VARVE_OK) {
            break;
        }
        check_status(VARVE_E_NOMEM, status);
    }
    rows_expect_for_good(w, rows_after, "");
}

static void each_failed_allocation_of_a_replay_of_changes_is_clean(void **state)
{
    for (uint64_t n = 1;; n++) { /* an open that failed leaves a log file: each has its own world */
        rows_world *w = *state;
        varve_error err;
        rows_prepare(w);
        check_ok(rows_try_change(w, &err), &err);
        engine_fixture_abandon(&w->f);
        failing_alloc_plan(&w->f.source, n, false);
        varve_status status = varve_open("db", &w->f.options, &w->f.db, &err);
        failing_alloc_plan(&w->f.source, 0, false);
        if (status != VARVE_OK) {
            assert_int_equal(atomic_load(&w->f.source.live), 0);
            engine_fixture_open(&w->f);
        }
        rows_resolve(w);
        assert_string_equal(rows_of(w, w->a), rows_after);
        assert_int_equal(rows_teardown(state), 0);
        assert_int_equal(rows_setup(state), 0);
        if (status == VARVE_OK) {
            assert_true(n > 50);
            return;
        }
    }
}

static void each_failed_call_leaves_all_of_a_change_or_nothing(void **state)
{
    for (uint64_t n = 1; n < 200; n++) {
        rows_world *w = *state;
        varve_error err;
        rows_prepare(w);
        size_t rule = vv_fault_add(w->f.fault, &(vv_fault_rule){.first_call = n,
                                                                .call_count = 1,
                                                                .kind = VV_FAULT_ERRNO,
                                                                .os_errno = 5});
        varve_status status = rows_try_change(w, &err);
        bool is_known = status == VARVE_OK;
        if (is_known) {
            VV_IGNORE(varve_flush(w->f.db, NULL, &err)); /* may be what fails */
            VV_IGNORE(varve_compact(w->f.db, VARVE_COMPACT_ALL, NULL, &err));
        }
        bool is_done = vv_fault_fired(w->f.fault, rule) == 0;
        vv_fault_clear(w->f.fault);
        rows_reopen(w, /* is_crash */ true);
        const char *rows = rows_of(w, w->a);
        assert_true(strcmp(rows, rows_after) == 0 || (!is_known && strcmp(rows, rows_before) == 0));
        assert_int_equal(rows_teardown(state), 0);
        assert_int_equal(rows_setup(state), 0);
        if (is_done) {
            return;
        }
    }
    fail_msg("no end of calls");
}

/* Flip a bit of the text where it lies in the log. */
static void rows_damage_log(rows_world *w, const char *text)
{
    varve_error err;
    vv_dir_list list;
    bool is_found = false;
    check_ok(vv_vfs_list(w->f.files, &w->f.alloc, "db/wal", &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        char path[64];
        void *data;
        size_t size;
        vv_file *file;
        snprintf(path, sizeof path, "db/wal/%s", list.entries[i].name);
        check_ok(vv_vfs_read_file(w->f.files, &w->f.alloc, path, 1 << 20, &data, &size, &err),
                 &err);
        const uint8_t *bytes = data;
        for (size_t at = 0; at + strlen(text) <= size; at++) {
            if (memcmp(bytes + at, text, strlen(text)) == 0) {
                uint8_t flipped = bytes[at] ^ 1;
                check_ok(vv_file_open(w->f.files, &w->f.alloc, path, VV_OPEN_WRITE, &file, &err),
                         &err);
                check_ok(vv_file_write_all(file, (int64_t)at, &flipped, 1, &err), &err);
                check_ok(vv_file_close(file, &err), &err);
                is_found = true;
            }
        }
        vv_alloc_free(&w->f.alloc, data, size);
    }
    vv_dir_list_deinit(&list);
    assert_true(is_found);
}

static void a_salvage_applies_the_changes_that_it_can_read(void **state)
{
    for (int lost = 1; lost <= 2; lost++) { /* the batch that is lost */
        rows_world *w = *state;
        varve_error err;
        varve_batch *batch = rows_batch(w);
        rows_add(w, batch, w->a, 10, rows_text("batch one")); /* names the series */
        rows_add(w, batch, w->a, 20, rows_text("two"));
        rows_commit(w, batch);
        w->base = w->written.first_row_id - 1;
        batch = rows_batch(w);
        rows_add(w, batch, w->b, 10, rows_text("batch two"));
        rows_commit(w, batch);
        batch = rows_batch(w);
        rows_delete(w, batch, w->a, 10, 1);
        rows_replace(w, batch, rows_id(w, w->a, 20, 2), w->a, 30, rows_text("three"));
        rows_commit(w, batch);
        engine_fixture_abandon(&w->f);
        rows_damage_log(w, lost == 1 ? "batch one" : "batch two");
        check_status(VARVE_E_CORRUPT, varve_open("db", &w->f.options, &w->f.db, &err));
        w->f.options.flags |= VARVE_OPEN_SALVAGE;
        engine_fixture_open(&w->f);
        rows_resolve(w);
        assert_string_equal(rows_of(w, w->a), lost == 1 ? "" : "30#2='three';");
        assert_int_equal(rows_teardown(state), 0);
        assert_int_equal(rows_setup(state), 0);
    }
}

/* ---- threads ---- */

enum { THREADS = 3, THREAD_ROWS = 150 };

typedef struct rows_thread {
    rows_world *w;
    uint64_t deleted, replaced, missing;
    bool has_failed;
} rows_thread;

/* Everybody deletes, or moves on, each row. */
static void rows_run_thread(void *context)
{
    rows_thread *thread = context;
    rows_world *w = thread->w;
    varve_error err;
    varve_batch *batch;
    thread->has_failed = varve_batch_create(w->f.db, &batch, &err) != VARVE_OK;
    for (uint64_t i = 1; i <= THREAD_ROWS && !thread->has_failed; i++) {
        varve_row_id id = rows_id(w, w->a, 10 * (int64_t)i, i);
        varve_value value = rows_f64(0);
        varve_row row = rows_row(w, w->b, 10 * (int64_t)i, &value);
        varve_written written;
        varve_written_init(&written);
        varve_status status = i % 2 == 0 ? varve_batch_delete_row(batch, &id, &err)
                                         : varve_batch_replace(batch, &id, &row, &err);
        if (status == VARVE_OK) {
            status = varve_batch_commit(batch, NULL, &written, &err);
        }
        thread->has_failed = status != VARVE_OK;
        thread->deleted += written.rows_deleted;
        thread->replaced += written.rows_replaced;
        thread->missing += written.rows_missing;
        if (i % 40 == 0 && varve_flush(w->f.db, NULL, &err) != VARVE_OK) {
            thread->has_failed = true;
        }
    }
    varve_batch_free(batch);
}

static void each_row_is_changed_by_one_of_many_writers(void **state)
{
    rows_world *w = *state;
    varve_error err;
    rows_thread threads[THREADS];
    vv_thread handles[THREADS];
    rows_thread sum = {.w = w};
    rows_write(w, THREAD_ROWS);
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = (rows_thread){.w = w};
        check_ok(vv_thread_start(&handles[i], "rows", rows_run_thread, &threads[i], &err), &err);
    }
    for (size_t i = 0; i < THREADS; i++) {
        vv_thread_join(&handles[i]);
        assert_false(threads[i].has_failed);
        sum.deleted += threads[i].deleted;
        sum.replaced += threads[i].replaced;
        sum.missing += threads[i].missing;
    }
    assert_int_equal(sum.deleted, THREAD_ROWS / 2);
    assert_int_equal(sum.replaced, THREAD_ROWS / 2);
    assert_int_equal(sum.missing, (THREADS - 1) * THREAD_ROWS);
    assert_string_equal(rows_of(w, w->a), "");
    uint64_t digest[2];
    uint64_t rows;
    engine_fixture_digest(&w->f, digest, &rows);
    assert_int_equal(rows, THREAD_ROWS / 2);
}

int main(void)
{
#define ROWS_TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
    const struct CMUnitTest tests[] = {
        ROWS_TEST(single_rows_are_changed_only_where_rows_have_ids),
        ROWS_TEST(a_policy_without_row_ids_refuses_what_was_gathered_before),
        ROWS_TEST(a_deleted_row_stays_gone),
        ROWS_TEST(a_row_of_a_segment_is_deleted_and_its_space_given_back),
        ROWS_TEST(a_replacement_keeps_its_id_and_its_place),
        ROWS_TEST(a_replaced_row_is_not_fed_again),
        ROWS_TEST(rows_that_are_not_there_are_counted),
        ROWS_TEST(a_batch_sees_what_it_did_before),
        ROWS_TEST(a_row_comes_back_to_its_address_with_new_content),
        ROWS_TEST(an_older_cursor_keeps_what_it_saw),
        ROWS_TEST(statistics_do_not_answer_for_hidden_rows),
        ROWS_TEST(types_are_free_when_the_last_row_that_held_one_is_replaced),
        ROWS_TEST(a_rejected_replacement_leaves_the_row_alone),
        ROWS_TEST(a_submitted_row_is_found_before_it_is_visible),
        ROWS_TEST(a_submitted_delete_counts_before_it_is_visible),
        ROWS_TEST(what_comes_between_looking_and_locking_is_looked_at),
        ROWS_TEST(a_reader_beside_the_writer_follows),
        ROWS_TEST(rows_at_the_ends_of_time_are_told_apart),
        ROWS_TEST(a_long_list_of_changes_is_split_where_that_is_asked),
        ROWS_TEST(a_batch_that_deletes_may_be_as_long_as_a_chain),
        ROWS_TEST(a_chain_takes_as_many_records_as_it_needs),
        ROWS_TEST(options_of_chains_have_bounds),
        ROWS_TEST(each_failed_allocation_of_a_change_has_no_effect),
        ROWS_TEST(each_failed_allocation_of_a_replay_of_changes_is_clean),
        ROWS_TEST(each_failed_call_leaves_all_of_a_change_or_nothing),
        ROWS_TEST(a_salvage_applies_the_changes_that_it_can_read),
        ROWS_TEST(each_row_is_changed_by_one_of_many_writers),
    };
    return cmocka_run_group_tests_name("changes of rows", tests, NULL, NULL);
}
