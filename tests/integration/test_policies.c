/* SPDX-License-Identifier: Apache-2.0 */
/* Duplicates, row ids, types of fields: what the header promises of them, before and after flushes,
 * merges and reopening. */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "support/dump.h"
#include "support/memory_world.h"

typedef struct policies {
    memory_world *world;
    varve_options options;
    varve_db *db;
} policies;

static void policies_begin(policies *p, uint32_t duplicates, uint32_t row_ids)
{
    varve_error err;
    p->world = memory_world_create();
    varve_options_init(&p->options);
    p->options.environment = memory_world_environment(p->world);
    p->options.flags = VARVE_OPEN_NO_BACKGROUND;
    p->options.duplicates = duplicates;
    p->options.row_ids = row_ids;
    check_ok(varve_open("/db", &p->options, &p->db, &err), &err);
}

static void policies_reopen(policies *p)
{
    varve_error err;
    check_ok(varve_close(p->db, &err), &err);
    check_ok(varve_open("/db", &p->options, &p->db, &err), &err);
}

static void policies_end(policies *p)
{
    varve_error err;
    check_ok(varve_close(p->db, &err), &err);
    memory_world_free(p->world);
}

static void policies_delete(policies *p, const char *selector, int64_t start, int64_t end)
{
    varve_error err;
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_TEXT;
    selection.text = dump_text(selector);
    check_ok(varve_delete(p->db, &selection, 1, (varve_range){start, end}, NULL, NULL, &err), &err);
}

/* The answer stays the same through flush, merge, reopening. */
static void policies_expect(policies *p, const varve_query_options *options, const char *expected)
{
    varve_error err;
    assert_string_equal(dump_query(p->db, options), expected);
    check_ok(varve_flush(p->db, NULL, &err), &err);
    assert_string_equal(dump_query(p->db, options), expected);
    check_ok(varve_compact(p->db, VARVE_COMPACT_ALL, NULL, &err), &err);
    assert_string_equal(dump_query(p->db, options), expected);
    policies_reopen(p);
    assert_string_equal(dump_query(p->db, options), expected);
}

static void under_last_fields_of_equal_times_unite(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    policies_begin(&p, 0, 0);
    dump_must_put(p.db, "m", 10, "a", dump_i64(1));
    dump_must_put(p.db, "m", 10, "b", dump_i64(2));
    dump_must_put(p.db, "m", 20, "a", dump_i64(3));
    check_ok(varve_flush(p.db, NULL, &err), &err);
    dump_must_put(p.db, "m", 10, "a", dump_i64(4)); /* the newest value of each field wins */
    dump_must_put(p.db, "m", 10, "c", dump_string("x"));
    policies_expect(&p, NULL, "m 10 a=4 b=2 c=\"x\"\nm 20 a=3\n");
    policies_end(&p);
}

static void under_all_every_row_stays_in_order_of_arrival(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    policies_begin(&p, VARVE_DUPLICATES_ALL, 0);
    dump_must_put(p.db, "m", 10, "a", dump_i64(1));
    dump_must_put(p.db, "m", 10, "b", dump_i64(2));
    check_ok(varve_flush(p.db, NULL, &err), &err);
    dump_must_put(p.db, "m", 10, "a", dump_i64(0));
    dump_must_put(p.db, "m", 5, "a", dump_i64(9));
    policies_expect(&p, NULL, "m 5 a=9\nm 10 a=1\nm 10 b=2\nm 10 a=0\n");
    policies_end(&p);
}

static void a_metric_may_have_a_policy_of_its_own(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    varve_metric_policy policy;
    policies_begin(&p, 0, 0);
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    check_ok(varve_policy_metric(p.db, VARVE_STR("all"), &policy, &err), &err);
    for (int i = 0; i < 2; i++) {
        dump_must_put(p.db, "all", 10, "a", dump_i64(i));
        dump_must_put(p.db, "last", 10, "a", dump_i64(i));
    }
    policies_expect(&p, NULL, "all 10 a=0\nall 10 a=1\nlast 10 a=1\n");
    check_ok(varve_policy_metric(p.db, VARVE_STR("all"), &policy, &err), &err); /* no change */
    policy.duplicates = VARVE_DUPLICATES_LAST;
    check_status(VARVE_E_CONFLICT, varve_policy_metric(p.db, VARVE_STR("all"), &policy, &err));
    assert_true(strlen(err.message) > 0 && err.status == VARVE_E_CONFLICT);
    policy.duplicates = VARVE_DUPLICATES_STORED; /* as the database: LAST */
    check_status(VARVE_E_CONFLICT, varve_policy_metric(p.db, VARVE_STR("all"), &policy, &err));
    policies_delete(&p, "all", VARVE_RANGE_ALL_START, VARVE_RANGE_ALL_END);
    check_ok(varve_policy_metric(p.db, VARVE_STR("all"), &policy, &err), &err);
    dump_must_put(p.db, "all", 10, "a", dump_i64(5));
    dump_must_put(p.db, "all", 10, "a", dump_i64(6));
    policies_expect(&p, NULL, "all 10 a=6\nlast 10 a=1\n");
    policy.row_ids = VARVE_ROW_IDS_ON;
    policy.duplicates = VARVE_DUPLICATES_LAST;
    check_status(VARVE_E_INVALID, varve_policy_metric(p.db, VARVE_STR("x"), &policy, &err));
    policies_end(&p);
}

static void another_policy_than_stored_is_a_conflict(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    varve_db *db;
    policies_begin(&p, VARVE_DUPLICATES_ALL, VARVE_ROW_IDS_ON);
    check_ok(varve_close(p.db, &err), &err);
    varve_options options = p.options;
    options.duplicates = VARVE_DUPLICATES_LAST;
    options.row_ids = 0;
    check_status(VARVE_E_CONFLICT, varve_open("/db", &options, &db, &err));
    assert_null(db);
    options = p.options;
    options.row_ids = VARVE_ROW_IDS_OFF;
    check_status(VARVE_E_CONFLICT, varve_open("/db", &options, &db, &err));
    options = p.options;
    options.precision = VARVE_PRECISION_S;
    check_status(VARVE_E_CONFLICT, varve_open("/db", &options, &db, &err));
    p.options.duplicates = 0; /* as stored */
    p.options.row_ids = 0;
    check_ok(varve_open("/db", &p.options, &p.db, &err), &err);
    varve_info info;
    varve_info_init(&info);
    check_ok(varve_db_info(p.db, &info, &err), &err);
    assert_int_equal(info.duplicates, VARVE_DUPLICATES_ALL);
    assert_int_equal(info.row_ids, VARVE_ROW_IDS_ON);
    assert_int_equal(info.precision, VARVE_PRECISION_NS);
    policies_end(&p);
    policies q;
    q.world = memory_world_create();
    varve_options_init(&options);
    options.environment = memory_world_environment(q.world);
    options.row_ids = VARVE_ROW_IDS_ON; /* without ALL */
    check_status(VARVE_E_INVALID, varve_open("/db", &options, &db, &err));
    memory_world_free(q.world);
}

/* ---- row ids ---- */

static uint64_t policies_put_two(policies *p, const char *series, int64_t time, int64_t value)
{
    varve_error err;
    varve_batch *batch;
    varve_written written;
    varve_written_init(&written);
    varve_field field = dump_field(p->db, "a");
    check_ok(varve_batch_create(p->db, &batch, &err), &err);
    for (int64_t i = 0; i < 2; i++) {
        varve_value number = dump_i64(value + i);
        varve_row row = {.series = dump_series(p->db, series),
                         .timestamp = time - i * 5,
                         .row_id = 12345, /* ignored */
                         .fields = &field,
                         .values = &number,
                         .count = 1};
        check_ok(varve_batch_row(batch, &row, &err), &err);
    }
    check_ok(varve_batch_commit(batch, NULL, &written, &err), &err);
    varve_batch_free(batch);
    return written.first_row_id;
}

static void policies_read_ids(policies *p, uint32_t order, uint32_t flags, uint64_t after,
                              uint64_t limit, uint64_t offset, const char *expected)
{
    varve_query_options options;
    varve_query_options_init(&options);
    options.order = order;
    options.flags = flags;
    options.after_row_id = after;
    options.limit = limit;
    options.offset = offset;
    options.layout = VARVE_LAYOUT_TABLE;
    assert_string_equal(dump_query(p->db, &options), expected);
    options.layout = VARVE_LAYOUT_ROWS;
    assert_string_equal(dump_query(p->db, &options), expected);
}

static void policies_check_ids(policies *p, uint64_t a, uint64_t b, uint64_t c)
{
    char lines[6][64];
    char text[400];
    snprintf(lines[0], 64, "x 10 #%llu a=1\n", (unsigned long long)a);
    snprintf(lines[1], 64, "x 5 #%llu a=2\n", (unsigned long long)(a + 1));
    snprintf(lines[2], 64, "y 10 #%llu a=3\n", (unsigned long long)b);
    snprintf(lines[3], 64, "y 5 #%llu a=4\n", (unsigned long long)(b + 1));
    snprintf(lines[4], 64, "x 10 #%llu a=5\n", (unsigned long long)c);
    snprintf(lines[5], 64, "x 5 #%llu a=6\n", (unsigned long long)(c + 1));
    uint32_t ids = VARVE_QUERY_ROW_IDS;
    snprintf(text, sizeof text, "%s%s%s%s%s%s", lines[0], lines[1], lines[2], lines[3], lines[4],
             lines[5]);
    policies_read_ids(p, VARVE_ORDER_ARRIVAL, ids, 0, UINT64_MAX, 0, text);
    snprintf(text, sizeof text, "%s%s", lines[2], lines[3]);
    policies_read_ids(p, VARVE_ORDER_ARRIVAL, ids, 0, 2, 2, text);
    snprintf(text, sizeof text, "%s%s", lines[4], lines[5]);
    policies_read_ids(p, VARVE_ORDER_ARRIVAL, ids, b + 1, UINT64_MAX, 0, text);
    snprintf(text, sizeof text, "%s%s%s", lines[4], lines[3], lines[2]);
    policies_read_ids(p, VARVE_ORDER_ARRIVAL, ids | VARVE_QUERY_DESCENDING, 0, 3, 1, text);
    snprintf(text, sizeof text, "%s%s%s%s%s%s", lines[1], lines[5], lines[0], lines[4], lines[3],
             lines[2]);
    policies_read_ids(p, VARVE_ORDER_SERIES, ids, 0, UINT64_MAX, 0, text);
    snprintf(text, sizeof text, "%s%s%s%s%s%s", lines[1], lines[3], lines[5], lines[0], lines[2],
             lines[4]);
    policies_read_ids(p, VARVE_ORDER_TIME, ids, 0, UINT64_MAX, 0, text);
}

static void row_ids_are_given_in_order_and_stay(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    policies_begin(&p, VARVE_DUPLICATES_ALL, VARVE_ROW_IDS_ON);
    uint64_t a = policies_put_two(&p, "x", 10, 1);
    uint64_t b = policies_put_two(&p, "y", 10, 3);
    check_ok(varve_flush(p.db, NULL, &err), &err);
    uint64_t c = policies_put_two(&p, "x", 10, 5);
    assert_true(a >= 1 && b > a + 1 && c > b + 1);
    policies_check_ids(&p, a, b, c);
    check_ok(varve_flush(p.db, NULL, &err), &err);
    policies_check_ids(&p, a, b, c);
    check_ok(varve_compact(p.db, VARVE_COMPACT_ALL, NULL, &err), &err);
    policies_check_ids(&p, a, b, c);
    policies_reopen(&p);
    policies_check_ids(&p, a, b, c);
    varve_abandon(p.db);
    check_ok(varve_open("/db", &p.options, &p.db, &err), &err);
    policies_check_ids(&p, a, b, c);
    assert_true(policies_put_two(&p, "z", 10, 7) > c + 1);
    policies_end(&p);
}

static void deletes_and_rejected_rows_count_as_the_header_says(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    varve_batch *batch;
    varve_written written;
    varve_write_options options;
    policies_begin(&p, VARVE_DUPLICATES_ALL, VARVE_ROW_IDS_ON);
    dump_must_put(p.db, "bad", 1, "v", dump_string("x"));
    check_ok(varve_batch_create(p.db, &batch, &err), &err);
    varve_selection other;
    memset(&other, 0, sizeof other);
    other.kind = VARVE_SELECT_TEXT;
    other.text = VARVE_STR("other");
    varve_field field = dump_field(p.db, "v");
    for (int64_t i = 0; i < 4; i++) {
        varve_value value = dump_i64(i);
        varve_row row = {.series = dump_series(p.db, i == 2 ? "bad" : "a"),
                         .timestamp = 10 + i,
                         .fields = &field,
                         .values = &value,
                         .count = 1};
        check_ok(varve_batch_row(batch, &row, &err), &err);
        if (i == 0) {
            check_ok(varve_batch_delete(batch, &other, 1, (varve_range){0, 1}, &err), &err);
        }
    }
    varve_write_options_init(&options);
    options.flags = VARVE_WRITE_SKIP_REJECTED;
    varve_written_init(&written);
    check_ok(varve_batch_commit(batch, &options, &written, &err), &err);
    varve_batch_free(batch);
    unsigned long long first = written.first_row_id;
    char text[200];
    snprintf(text, sizeof text, "a 10 #%llu v=0\na 11 #%llu v=1\na 13 #%llu v=3\n", first,
             first + 2, first + 3);
    policies_read_ids(&p, VARVE_ORDER_ARRIVAL, VARVE_QUERY_ROW_IDS, first - 1, UINT64_MAX, 0, text);
    policies_end(&p);
}

static void paging_by_row_id_sees_every_row_once(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    policies_begin(&p, VARVE_DUPLICATES_ALL, VARVE_ROW_IDS_ON);
    uint64_t last = 0;
    size_t seen = 0;
    for (int64_t round = 0; round < 6; round++) {
        policies_put_two(&p, round % 2 == 0 ? "x" : "y", 100 - round, round * 10);
        if (round == 2) {
            check_ok(varve_flush(p.db, NULL, &err), &err);
        } else if (round == 4) {
            policies_reopen(&p);
        }
        uint64_t visible = 0;
        check_ok(varve_wait_visible(p.db, last, 1000, &visible, &err), &err);
        varve_query_options options;
        varve_query_options_init(&options);
        options.order = VARVE_ORDER_ARRIVAL;
        options.after_row_id = last;
        options.layout = VARVE_LAYOUT_ROWS;
        varve_cursor *cursor;
        const varve_block *block;
        check_ok(varve_query(p.db, &options, &cursor, &err), &err);
        last = varve_cursor_last_row_id(cursor);
        assert_true(last >= visible);
        for (;;) {
            check_ok(varve_cursor_next(cursor, &block, &err), &err);
            if (block == NULL) {
                break;
            }
            for (size_t i = 0; i < block->rows; i++) {
                assert_int_equal(block->row[i].values[0].as.i64, round * 10 + (int64_t)i);
                seen++;
            }
        }
        varve_cursor_close(cursor);
    }
    assert_int_equal(seen, 12);
    check_status(VARVE_E_TIMEOUT, varve_wait_visible(p.db, last, 0, NULL, &err));
    policies_end(&p);
}

static void without_row_ids_they_are_not_supported(void **state)
{
    (void)state;
    policies p;
    policies_begin(&p, VARVE_DUPLICATES_ALL, 0);
    dump_must_put(p.db, "x", 1, "a", dump_i64(1));
    varve_query_options options;
    varve_query_options_init(&options);
    options.flags = VARVE_QUERY_ROW_IDS;
    assert_string_equal(dump_query(p.db, &options), "! E_UNSUPPORTED\n");
    varve_query_options_init(&options);
    options.order = VARVE_ORDER_ARRIVAL;
    options.layout = VARVE_LAYOUT_ROWS;
    assert_string_equal(dump_query(p.db, &options), "! E_UNSUPPORTED\n");
    varve_query_options_init(&options);
    options.after_row_id = 1;
    assert_string_equal(dump_query(p.db, &options), "! E_UNSUPPORTED\n");
    policies_end(&p);
}

/* ---- types ---- */

static void a_field_has_one_type_while_a_visible_row_holds_it(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    policies_begin(&p, 0, 0);
    for (int round = 0; round < 4; round++) {
        dump_must_put(p.db, "m", 10, "a", dump_i64(1));
        if (round >= 1) {
            check_ok(varve_flush(p.db, NULL, &err), &err);
        }
        if (round >= 2) {
            check_ok(varve_compact(p.db, VARVE_COMPACT_ALL, NULL, &err), &err);
        }
        if (round >= 3) {
            policies_reopen(&p);
        }
        check_status(VARVE_E_INVALID, dump_put(p.db, "m", 20, "a", dump_f64(1)));
        check_status(VARVE_E_INVALID, dump_put(p.db, "m", 20, "a", dump_string("x")));
        dump_must_put(p.db, "n", 20, "a", dump_f64(1)); /* of a series, not of the metric */
        policies_delete(&p, "m", 10, 11);
        dump_must_put(p.db, "m", 20, "a", dump_f64(1));
        check_status(VARVE_E_INVALID, dump_put(p.db, "m", 30, "a", dump_i64(1)));
        policies_delete(&p, "m", 20, 21);
        policies_delete(&p, "n", 20, 21);
    }
    policies_expect(&p, NULL, "");
    policies_end(&p);
}

static void bytes_and_strings_share_a_field(void **state)
{
    (void)state;
    policies p;
    policies_begin(&p, 0, 0);
    varve_value bytes = {.type = VARVE_TYPE_BYTES, .as.bytes = {"\0a", 2}};
    dump_must_put(p.db, "m", 1, "a", dump_string("s"));
    dump_must_put(p.db, "m", 2, "a", bytes);
    dump_must_put(p.db, "m", 3, "a", dump_string(""));
    bytes.as.bytes.size = 0;
    dump_must_put(p.db, "m", 4, "a", bytes);
    policies_expect(&p, NULL, "m 1 a=\"s\"\nm 2 a=<0061>\nm 3 a=\"\"\nm 4 a=<>\n");
    varve_value bad = {.type = VARVE_TYPE_STRING, .as.bytes = {"\xff", 1}};
    check_status(VARVE_E_INVALID, dump_put(p.db, "m", 5, "a", bad));
    policies_end(&p);
}

static void series_of_several_types_give_a_mixed_column(void **state)
{
    (void)state;
    policies p;
    policies_begin(&p, 0, 0);
    dump_must_put(p.db, "m{h=a}", 1, "v", dump_f64(1.5));
    dump_must_put(p.db, "m{h=b}", 1, "v", dump_i64(2));
    dump_must_put(p.db, "m{h=c}", 1, "v", dump_string("x"));
    dump_must_put(p.db, "m{h=d}", 1, "v", dump_u64(7));
    varve_query_options options;
    varve_query_options_init(&options);
    options.layout = VARVE_LAYOUT_TABLE;
    policies_expect(&p, &options,
                    "m{h=a} 1 v=1.5\nm{h=b} 1 v=2\nm{h=c} 1 v=\"x\"\nm{h=d} 1 v=7u\n");
    varve_output sum = {.aggregation = VARVE_AGG_SUM, .name = VARVE_STR("v")};
    options.outputs = &sum;
    options.output_count = 1;
    options.layout = VARVE_LAYOUT_SERIES;
    options.grouping = VARVE_GROUP_ALL;
    assert_string_equal(dump_query(p.db, &options), "! E_INVALID\n"); /* a number with a string */
    varve_selection numbers;
    memset(&numbers, 0, sizeof numbers);
    numbers.kind = VARVE_SELECT_TEXT;
    numbers.text = dump_text("m{h!=\"c\"}");
    options.selections = &numbers;
    options.selection_count = 1;
    assert_non_null(strstr(dump_query(p.db, &options), "=10.5"));
    policies_end(&p);
}

/* A series whose rows are all deleted holds no type against others of its metric. */
static void a_type_goes_with_its_last_visible_row(void **state)
{
    (void)state;
    policies p;
    varve_error err;
    varve_output sum = {.aggregation = VARVE_AGG_SUM, .name = VARVE_STR("v")};
    varve_query_options options;
    varve_query_options_init(&options);
    options.outputs = &sum;
    options.output_count = 1;
    options.grouping = VARVE_GROUP_ALL;
    for (int round = 0; round < 3; round++) {
        policies_begin(&p, 0, 0);
        dump_must_put(p.db, "m{h=a}", 1, "v", dump_string("x"));
        dump_must_put(p.db, "m{h=c}", 1, "v", dump_string("y"));
        if (round == 1) {
            check_ok(varve_flush(p.db, NULL, &err), &err);
        }
        assert_string_equal(dump_query(p.db, &options), "! E_INVALID\n");
        policies_delete(&p, "m", INT64_MIN, INT64_MAX);
        if (round == 2) {
            check_ok(varve_flush(p.db, NULL, &err), &err);
        }
        assert_string_equal(dump_query(p.db, &options), ""); /* as if it had never been */
        dump_must_put(p.db, "m{h=b}", 2, "v", dump_f64(1.5));
        dump_must_put(p.db, "m{h=c}", 2, "v", dump_i64(2));
        assert_non_null(strstr(dump_query(p.db, &options), "=3.5"));
        dump_must_put(p.db, "m{h=a}", 3, "v", dump_string("z"));
        assert_string_equal(dump_query(p.db, &options), "! E_INVALID\n");
        policies_delete(&p, "m{h=\"a\"}", INT64_MIN, INT64_MAX);
        const char *answer = dump_query(p.db, &options);
        assert_non_null(strstr(answer, "=3.5"));
        policies_expect(&p, &options, answer);
        policies_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_last_fields_of_equal_times_unite),
        cmocka_unit_test(under_all_every_row_stays_in_order_of_arrival),
        cmocka_unit_test(a_metric_may_have_a_policy_of_its_own),
        cmocka_unit_test(another_policy_than_stored_is_a_conflict),
        cmocka_unit_test(row_ids_are_given_in_order_and_stay),
        cmocka_unit_test(deletes_and_rejected_rows_count_as_the_header_says),
        cmocka_unit_test(paging_by_row_id_sees_every_row_once),
        cmocka_unit_test(without_row_ids_they_are_not_supported),
        cmocka_unit_test(a_field_has_one_type_while_a_visible_row_holds_it),
        cmocka_unit_test(bytes_and_strings_share_a_field),
        cmocka_unit_test(series_of_several_types_give_a_mixed_column),
        cmocka_unit_test(a_type_goes_with_its_last_visible_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
