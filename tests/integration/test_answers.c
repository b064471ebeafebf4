/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of queries as the header promises them: orders, limits, layouts, groups, calendars,
 * predicates, blocks that are kept, bounds, cancelling, listings.
 */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "support/dump.h"
#include "support/memory_world.h"

typedef struct answers {
    memory_world *world;
    varve_options options;
    varve_db *db;
} answers;

static void answers_begin(answers *a, uint32_t precision)
{
    varve_error err;
    a->world = memory_world_create();
    varve_options_init(&a->options);
    a->options.environment = memory_world_environment(a->world);
    a->options.flags = VARVE_OPEN_NO_BACKGROUND;
    a->options.precision = precision;
    check_ok(varve_open("/db", &a->options, &a->db, &err), &err);
}

static void answers_end(answers *a)
{
    varve_error err;
    check_ok(varve_close(a->db, &err), &err);
    memory_world_free(a->world);
}

/* Three series, in a segment and in the head. */
static void answers_fill(answers *a)
{
    varve_error err;
    dump_must_put(a->db, "m{h=b,r=x}", 10, "v", dump_i64(1));
    dump_must_put(a->db, "m{h=a,r=x}", 10, "v", dump_i64(2));
    dump_must_put(a->db, "m{h=a,r=y}", 20, "v", dump_i64(3));
    check_ok(varve_flush(a->db, NULL, &err), &err);
    dump_must_put(a->db, "m{h=b,r=x}", 30, "v", dump_i64(4));
    dump_must_put(a->db, "m{h=a,r=x}", 25, "w", dump_string("t"));
    dump_must_put(a->db, "k", 5, "v", dump_i64(5));
}

static void orders_layouts_and_limits(void **state)
{
    (void)state;
    answers a;
    answers_begin(&a, 0);
    answers_fill(&a);
    const char *by_series = "k 5 v=5\nm{h=a,r=x} 10 v=2\nm{h=a,r=x} 25 w=\"t\"\n"
                            "m{h=a,r=y} 20 v=3\nm{h=b,r=x} 10 v=1\nm{h=b,r=x} 30 v=4\n";
    const char *by_time = "k 5 v=5\nm{h=a,r=x} 10 v=2\nm{h=b,r=x} 10 v=1\nm{h=a,r=y} 20 v=3\n"
                          "m{h=a,r=x} 25 w=\"t\"\nm{h=b,r=x} 30 v=4\n";
    varve_query_options options;
    for (uint32_t layout = VARVE_LAYOUT_SERIES; layout <= VARVE_LAYOUT_ROWS; layout++) {
        varve_query_options_init(&options);
        options.layout = layout;
        assert_string_equal(dump_query(a.db, &options), by_series);
        options.block_rows_max = 1;
        assert_string_equal(dump_query(a.db, &options), by_series);
        options.limit = 3;
        options.offset = 2;
        assert_string_equal(dump_query(a.db, &options), "m{h=a,r=x} 25 w=\"t\"\n"
                                                        "m{h=a,r=y} 20 v=3\nm{h=b,r=x} 10 v=1\n");
        options.limit = 0;
        assert_string_equal(dump_query(a.db, &options), "");
        varve_query_options_init(&options);
        options.layout = layout;
        options.limit_per_series = 1;
        assert_string_equal(dump_query(a.db, &options),
                            "k 5 v=5\nm{h=a,r=x} 10 v=2\nm{h=a,r=y} 20 v=3\nm{h=b,r=x} 10 v=1\n");
        options.flags = VARVE_QUERY_DESCENDING;
        const char *newest = dump_query(a.db, &options);
        assert_non_null(strstr(newest, "m{h=b,r=x} 30 v=4\n"));
        assert_non_null(strstr(newest, "m{h=a,r=x} 25 w=\"t\"\n"));
        assert_null(strstr(newest, " 10 "));
        options.offset = UINT64_MAX;
        assert_string_equal(dump_query(a.db, &options), "");
        if (layout != VARVE_LAYOUT_SERIES) {
            varve_query_options_init(&options);
            options.layout = layout;
            options.order = VARVE_ORDER_TIME;
            assert_string_equal(dump_query(a.db, &options), by_time);
            options.limit = 2;
            options.offset = 1;
            assert_string_equal(dump_query(a.db, &options),
                                "m{h=a,r=x} 10 v=2\nm{h=b,r=x} 10 v=1\n");
            options.flags = VARVE_QUERY_DESCENDING;
            options.limit = 2;
            options.offset = 0;
            assert_string_equal(dump_query(a.db, &options),
                                "m{h=b,r=x} 30 v=4\nm{h=a,r=x} 25 w=\"t\"\n");
        }
    }
    answers_end(&a);
}

static void selections_unite_and_keep_the_given_order(void **state)
{
    (void)state;
    answers a;
    answers_begin(&a, 0);
    answers_fill(&a);
    varve_series list[3] = {dump_series(a.db, "m{h=b,r=x}"), dump_series(a.db, "k"),
                            dump_series(a.db, "m{h=b,r=x}")};
    varve_label labels[2] = {{VARVE_STR("r"), VARVE_STR("y")}, {VARVE_STR("h"), VARVE_STR("a")}};
    varve_matcher matcher = {
        .kind = VARVE_MATCH_REGEX, .name = VARVE_STR("h"), .value = VARVE_STR("b|nothing")};
    varve_selection selections[3];
    memset(selections, 0, sizeof selections);
    selections[0].kind = VARVE_SELECT_LIST;
    selections[0].series = list;
    selections[0].series_count = 3;
    selections[1].kind = VARVE_SELECT_EXACT;
    selections[1].text = VARVE_STR("m");
    selections[1].labels = labels;
    selections[1].label_count = 2;
    selections[2].kind = VARVE_SELECT_MATCH; /* any metric */
    selections[2].matchers = &matcher;
    selections[2].matcher_count = 1;
    varve_query_options options;
    varve_query_options_init(&options);
    options.selections = selections;
    options.selection_count = 3;
    options.order = VARVE_ORDER_GIVEN;
    assert_string_equal(dump_query(a.db, &options),
                        "m{h=b,r=x} 10 v=1\nm{h=b,r=x} 30 v=4\nk 5 v=5\nm{h=a,r=y} 20 v=3\n");
    options.order = VARVE_ORDER_SERIES;
    assert_string_equal(dump_query(a.db, &options),
                        "k 5 v=5\nm{h=a,r=y} 20 v=3\nm{h=b,r=x} 10 v=1\nm{h=b,r=x} 30 v=4\n");
    assert_string_equal(dump_range(a.db, "{h=\"\"}", 0, 100), "k 5 v=5\n");
    assert_string_equal(dump_range(a.db, "m{h!=\"a\"}", 0, 30), "m{h=b,r=x} 10 v=1\n");
    assert_string_equal(dump_range(a.db, "m{", 0, 30), "! E_INVALID\n");
    assert_string_equal(dump_range(a.db, "m", 30, 30), "! E_INVALID\n"); /* start >= end */
    answers_end(&a);
}

static void groups_merge_series(void **state)
{
    (void)state;
    answers a;
    answers_begin(&a, 0);
    answers_fill(&a);
    varve_output sum;
    memset(&sum, 0, sizeof sum);
    sum.aggregation = VARVE_AGG_SUM;
    sum.name = VARVE_STR("v");
    varve_text label = VARVE_STR("h");
    varve_query_options options;
    varve_query_options_init(&options);
    options.outputs = &sum;
    options.output_count = 1;
    options.group_labels = &label;
    options.group_label_count = 1;
    options.grouping = VARVE_GROUP_BY;
    const char *answer = dump_query(a.db, &options);
    assert_non_null(strstr(answer, "h=a}"));
    assert_non_null(strstr(answer, "=5\n")); /* h=a, and k without the label */
    options.grouping = VARVE_GROUP_WITHOUT;
    answer = dump_query(a.db, &options);
    assert_non_null(strstr(answer, "r=x}"));
    assert_non_null(strstr(answer, "=7\n"));
    options.grouping = VARVE_GROUP_ALL;
    answer = dump_query(a.db, &options);
    assert_non_null(strstr(answer, "=15\n"));
    answers_end(&a);
}

/* ---- calendars ---- */

static const char *answers_count_days(answers *a, const char *zone, uint32_t unit, int64_t width)
{
    varve_output count;
    memset(&count, 0, sizeof count);
    count.aggregation = VARVE_AGG_COUNT;
    count.name = VARVE_STR("v");
    varve_query_options options;
    varve_query_options_init(&options);
    options.outputs = &count;
    options.output_count = 1;
    options.bucket = (varve_bucket){
        .kind = VARVE_BUCKET_CALENDAR, .unit = unit, .width = width, .zone = dump_text(zone)};
    return dump_query(a->db, &options);
}

static void days_of_a_zone_have_23_and_25_hours(void **state)
{
    (void)state;
    answers a;
    answers_begin(&a, VARVE_PRECISION_S);
    /* Hourly from 2024-03-30 00:00 UTC for 3 days, and from 2024-10-26 00:00 UTC for 3 days. */
    for (int64_t i = 0; i < 72; i++) {
        dump_must_put(a.db, "m", 1711756800 + i * 3600, "v", dump_i64(i));
        dump_must_put(a.db, "m", 1729900800 + i * 3600, "v", dump_i64(i));
    }
    const char *prague = answers_count_days(&a, "Europe/Prague", VARVE_UNIT_DAY, 1);
    if (strstr(prague, "!") == NULL) { /* where the system has zone files */
        assert_non_null(strstr(prague, "m 1711839600 v=23u\n")); /* 2024-03-31 */
        assert_non_null(strstr(prague, "m 1711922400 v=24u\n"));
        assert_non_null(strstr(prague, "m 1729980000 v=25u\n")); /* 2024-10-27 */
        assert_non_null(
            strstr(prague, "m 1711753200 v=23u\n")); /* begins an hour before the rows */
    }
    const char *utc = answers_count_days(&a, "", VARVE_UNIT_DAY, 1);
    assert_string_equal(utc, "m 1711756800 v=24u\nm 1711843200 v=24u\nm 1711929600 v=24u\n"
                             "m 1729900800 v=24u\nm 1729987200 v=24u\nm 1730073600 v=24u\n");
    assert_non_null(strstr(answers_count_days(&a, "+02:00", VARVE_UNIT_DAY, 1),
                           "m 1711749600 v=22u\nm 1711836000 v=24u\n"));
    assert_string_equal(answers_count_days(&a, "", VARVE_UNIT_YEAR, 1), "m 1704067200 v=144u\n");
    assert_string_equal(answers_count_days(&a, "", VARVE_UNIT_QUARTER, 1),
                        "m 1704067200 v=48u\nm 1711929600 v=24u\nm 1727740800 v=72u\n");
    assert_string_equal(answers_count_days(&a, "", VARVE_UNIT_MONTH, 1),
                        "m 1709251200 v=48u\nm 1711929600 v=24u\nm 1727740800 v=72u\n");
    assert_string_equal(answers_count_days(&a, "Nowhere/Land", VARVE_UNIT_DAY, 1), "! E_INVALID\n");
    assert_string_equal(answers_count_days(&a, "", VARVE_UNIT_DAY, 0), "! E_INVALID\n");
    answers_end(&a);
}

/* ---- times ---- */

static void the_ends_of_the_time_axis_hold_rows(void **state)
{
    (void)state;
    answers a;
    varve_error err;
    answers_begin(&a, 0);
    dump_must_put(a.db, "m", INT64_MIN, "v", dump_i64(1));
    dump_must_put(a.db, "m", -1, "v", dump_i64(2));
    dump_must_put(a.db, "m", INT64_MAX, "v", dump_i64(3));
    dump_must_put(a.db, "m", INT64_MAX - 1, "v", dump_i64(4));
    const char *all = "m -9223372036854775808 v=1\nm -1 v=2\nm 9223372036854775806 v=4\n"
                      "m 9223372036854775807 v=3\n";
    for (int round = 0; round < 3; round++) {
        assert_string_equal(dump_all(a.db), all);
        assert_string_equal(dump_range(a.db, "m", INT64_MIN, -1), "m -9223372036854775808 v=1\n");
        assert_string_equal(dump_range(a.db, "m", INT64_MAX - 1, INT64_MAX),
                            "m 9223372036854775806 v=4\nm 9223372036854775807 v=3\n");
        assert_string_equal(dump_range(a.db, "m", 0, INT64_MAX - 1), "");
        varve_output count;
        memset(&count, 0, sizeof count);
        count.aggregation = VARVE_AGG_COUNT;
        count.name = VARVE_STR("v");
        varve_query_options options;
        varve_query_options_init(&options);
        options.outputs = &count;
        options.output_count = 1;
        options.bucket = (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = 10};
        const char *buckets = dump_query(a.db, &options);
        assert_non_null(strstr(buckets, "m -10 v=1u\nm 9223372036854775800 v=2u\n"));
        check_ok(round == 0 ? varve_flush(a.db, NULL, &err)
                            : varve_compact(a.db, VARVE_COMPACT_ALL, NULL, &err),
                 &err);
    }
    varve_selection everything;
    memset(&everything, 0, sizeof everything);
    check_ok(varve_delete(a.db, &everything, 1, (varve_range){INT64_MAX - 1, INT64_MAX}, NULL, NULL,
                          &err),
             &err);
    assert_string_equal(dump_all(a.db), "m -9223372036854775808 v=1\nm -1 v=2\n");
    answers_end(&a);
}

/* ---- predicates ---- */

static const char *answers_where(answers *a, uint32_t op, varve_value value)
{
    varve_predicate predicate;
    memset(&predicate, 0, sizeof predicate);
    predicate.field = VARVE_STR("v");
    predicate.op = op;
    predicate.value = value;
    varve_query_options options;
    varve_query_options_init(&options);
    options.predicates = &predicate;
    options.predicate_count = 1;
    return dump_query(a->db, &options);
}

static void predicates_see_values_of_other_types(void **state)
{
    (void)state;
    answers a;
    varve_error err;
    answers_begin(&a, 0);
    dump_must_put(a.db, "m", 1, "v", dump_i64(INT64_MAX));
    dump_must_put(a.db, "m", 2, "v", dump_i64(5));
    dump_must_put(a.db, "m", 3, "w", dump_i64(5));
    varve_value none = {0};
    for (int round = 0; round < 2; round++) {
        /* 2^63 as f64 is above INT64_MAX, although converting would make them equal. */
        const char *both = "m 1 v=9223372036854775807\nm 2 v=5\n";
        assert_string_equal(answers_where(&a, VARVE_OP_LESS, dump_f64(9223372036854775808.0)),
                            both);
        assert_string_equal(answers_where(&a, VARVE_OP_EQUAL, dump_f64(9223372036854775808.0)), "");
        assert_string_equal(answers_where(&a, VARVE_OP_LESS, dump_u64(UINT64_MAX)), both);
        assert_string_equal(answers_where(&a, VARVE_OP_GREATER, dump_f64(4.5)), both);
        assert_string_equal(answers_where(&a, VARVE_OP_NOT_EQUAL, dump_i64(5)),
                            "m 1 v=9223372036854775807\n");
        assert_string_equal(answers_where(&a, VARVE_OP_PRESENT, none), both);
        assert_string_equal(answers_where(&a, VARVE_OP_ABSENT, none), "m 3 w=5\n");
        assert_string_equal(answers_where(&a, VARVE_OP_EQUAL, dump_string("5")), "! E_INVALID\n");
        check_ok(varve_flush(a.db, NULL, &err), &err);
    }
    answers_end(&a);
}

/* ---- blocks, bounds, cancelling ---- */

static bool answers_stop(void *context)
{
    int *calls = context;
    return ++*calls < 2;
}

static void answers_many(answers *a)
{
    varve_error err;
    static double numbers[20000];
    static int64_t times[20000];
    for (size_t i = 0; i < 20000; i++) {
        numbers[i] = (double)i;
        times[i] = (int64_t)i;
    }
    varve_column column = {.type = VARVE_TYPE_F64, .values = numbers};
    varve_series series = dump_series(a->db, "many");
    varve_field field = dump_field(a->db, "v");
    varve_columns columns;
    varve_columns_init(&columns);
    columns.rows = 20000;
    columns.series = &series;
    columns.series_count = 1;
    columns.timestamps = times;
    columns.timestamp_count = 20000;
    columns.fields = &field;
    columns.columns = &column;
    columns.column_count = 1;
    varve_batch *batch;
    check_ok(varve_batch_create(a->db, &batch, &err), &err);
    check_ok(varve_batch_columns(batch, &columns, &err), &err);
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
}

static void bounds_and_cancelling_end_a_query(void **state)
{
    (void)state;
    answers a;
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    varve_query_options options;
    answers_begin(&a, 0);
    answers_many(&a);
    varve_query_options_init(&options);
    options.scanned_rows_max = 3000;
    assert_non_null(strstr(dump_query(a.db, &options), "! E_LIMIT\n"));
    varve_query_options_init(&options);
    options.memory_max = 1000;
    assert_non_null(strstr(dump_query(a.db, &options), "! E_LIMIT\n"));
    varve_output median;
    memset(&median, 0, sizeof median);
    median.aggregation = VARVE_AGG_MEDIAN;
    median.name = VARVE_STR("v");
    varve_query_options_init(&options);
    options.outputs = &median;
    options.output_count = 1;
    options.memory_max = 100000; /* the values alone are 160000 bytes */
    assert_non_null(strstr(dump_query(a.db, &options), "! E_LIMIT\n"));

    varve_task *task = varve_task_create();
    varve_query_options_init(&options);
    options.task = task;
    check_ok(varve_query(a.db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    varve_task_cancel(task);
    check_status(VARVE_E_CANCELLED, varve_cursor_next(cursor, &block, &err));
    check_status(VARVE_E_CANCELLED, varve_cursor_next(cursor, &block, &err)); /* it stays */
    assert_null(block);
    varve_cursor_close(cursor);
    varve_task_free(task);

    task = varve_task_create();
    int calls = 0;
    varve_task_set_check(task, answers_stop, &calls);
    options.task = task;
    assert_non_null(strstr(dump_query(a.db, &options), "! E_CANCELLED\n"));
    varve_task_free(task);

    varve_query_options_init(&options);
    options.deadline_ms = 1;
    check_ok(varve_query(a.db, &options, &cursor, &err), &err);
    varve_status status = VARVE_OK;
    do { /* until the deadline is over, or at the latest the answer */
        status = varve_cursor_next(cursor, &block, &err);
    } while (status == VARVE_OK && block != NULL);
    assert_true(status == VARVE_OK || status == VARVE_E_TIMEOUT);
    varve_cursor_close(cursor);
    answers_end(&a);
}

static void kept_blocks_outlive_cursor_and_database(void **state)
{
    (void)state;
    answers a;
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    const varve_block *kept[32];
    size_t count = 0;
    answers_begin(&a, 0);
    answers_many(&a);
    check_ok(varve_flush(a.db, NULL, &err), &err);
    check_ok(varve_query(a.db, NULL, &cursor, &err), &err);
    assert_null(varve_cursor_keep(cursor));
    for (;;) {
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        assert_true(block->rows >= 1 && block->rows <= 1024 && count < 32);
        kept[count] = varve_cursor_keep(cursor);
        assert_non_null(kept[count++]);
        assert_null(varve_cursor_keep(cursor));
    }
    varve_cursor_close(cursor);
    answers_end(&a);
    int64_t next = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t row = 0; row < kept[i]->rows; row++) {
            assert_int_equal(kept[i]->timestamps[row], next);
            assert_true(((const double *)kept[i]->columns[0].values)[row] == (double)next);
            next++;
        }
        assert_int_equal(kept[i]->metric.size, 4);
        assert_memory_equal(kept[i]->metric.data, "many", 4);
        varve_block_free(kept[i]);
    }
    assert_int_equal(next, 20000);
}

/* ---- listings ---- */

static const char *answers_list(answers *a, char kind, int64_t start, int64_t end, uint64_t limit)
{
    varve_error err;
    varve_cursor *cursor = NULL;
    varve_list_options options;
    varve_list_options_init(&options);
    options.range = (varve_range){start, end};
    options.limit = limit;
    varve_status status =
        kind == 'm'   ? varve_metrics(a->db, &options, &cursor, &err)
        : kind == 's' ? varve_series_list(a->db, &options, &cursor, &err)
        : kind == 'l' ? varve_label_names(a->db, &options, &cursor, &err)
        : kind == 'v' ? varve_label_values(a->db, VARVE_STR("h"), &options, &cursor, &err)
        : kind == 'n' ? varve_label_values(a->db, VARVE_STR("__name__"), &options, &cursor, &err)
                      : varve_field_names(a->db, &options, &cursor, &err);
    check_ok(status, &err);
    return dump_cursor(a->db, cursor);
}

static void listings_show_what_has_a_visible_row_in_the_range(void **state)
{
    (void)state;
    answers a;
    varve_error err;
    answers_begin(&a, 0);
    answers_fill(&a);
    dump_series(a.db, "resolved{h=only}"); /* creates nothing visible */
    int64_t from = VARVE_RANGE_ALL_START;
    int64_t to = VARVE_RANGE_ALL_END;
    for (int round = 0; round < 2; round++) {
        assert_string_equal(answers_list(&a, 'm', from, to, UINT64_MAX),
                            " metric=\"k\"\n metric=\"m\"\n");
        assert_string_equal(answers_list(&a, 'n', from, to, UINT64_MAX),
                            " value=\"k\"\n value=\"m\"\n");
        assert_string_equal(answers_list(&a, 'm', from, to, 1), " metric=\"k\"\n");
        assert_string_equal(answers_list(&a, 'm', 10, 20, UINT64_MAX), " metric=\"m\"\n");
        assert_string_equal(answers_list(&a, 's', 20, 26, UINT64_MAX),
                            "m{h=a,r=x} metric=\"m\"\nm{h=a,r=y} metric=\"m\"\n");
        assert_string_equal(answers_list(&a, 'l', from, to, UINT64_MAX),
                            " name=\"h\"\n name=\"r\"\n");
        assert_string_equal(answers_list(&a, 'v', 26, to, UINT64_MAX), " value=\"b\"\n");
        assert_string_equal(answers_list(&a, 'f', from, to, UINT64_MAX),
                            " metric=\"k\" field=\"v\" type=\"i64\"\n"
                            " metric=\"m\" field=\"v\" type=\"i64\"\n"
                            " metric=\"m\" field=\"w\" type=\"string\"\n");
        check_ok(varve_flush(a.db, NULL, &err), &err);
    }
    varve_selection b;
    memset(&b, 0, sizeof b);
    b.kind = VARVE_SELECT_TEXT;
    b.text = VARVE_STR("{h=\"b\"}");
    varve_written written;
    varve_written_init(&written);
    check_ok(varve_delete(a.db, &b, 1, (varve_range){from, to}, NULL, &written, &err), &err);
    assert_int_equal(written.series_deleted, 1);
    assert_string_equal(answers_list(&a, 'v', from, to, UINT64_MAX), " value=\"a\"\n");
    answers_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_layouts_and_limits),
        cmocka_unit_test(selections_unite_and_keep_the_given_order),
        cmocka_unit_test(groups_merge_series),
        cmocka_unit_test(days_of_a_zone_have_23_and_25_hours),
        cmocka_unit_test(the_ends_of_the_time_axis_hold_rows),
        cmocka_unit_test(predicates_see_values_of_other_types),
        cmocka_unit_test(bounds_and_cancelling_end_a_query),
        cmocka_unit_test(kept_blocks_outlive_cursor_and_database),
        cmocka_unit_test(listings_show_what_has_a_visible_row_in_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
