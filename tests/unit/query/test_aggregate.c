/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of aggregates: answers by statistics and by rows, groups, buckets, types, NaNs. */
#include "query_world.h"

#include "query/query.h"

static int setup(void **state)
{
    world *w = malloc(sizeof *w);
    world_open(w, 0, 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

/* One output over one group: all of it. */
static world_row ask_one(world *w, varve_output output, uint32_t *out_type)
{
    varve_query_options options = options_of(&output, 1);
    options.grouping = VARVE_GROUP_ALL;
    world_answer *answer = world_ask(w, &options);
    if (answer->status != VARVE_OK) {
        fail_msg("%s", answer->error.message);
    }
    assert_true(answer->count <= 1);
    world_row row = answer->rows[0];
    if (out_type != NULL) {
        *out_type = answer->types[0];
    }
    free(answer);
    return row;
}

static double number_of(world *w, const char *field, uint32_t aggregation)
{
    world_row row = ask_one(w, output_of(field, aggregation), NULL);
    assert_true(row.has[0]);
    return row.values[0];
}

static void nans_are_skipped_or_propagate(void **state)
{
    world *w = *state;
    varve_output output = output_of("v", VARVE_AGG_SUM);
    world_put(w, "m", "a", 1, "v", f64_of(2));
    world_put(w, "m", "a", 2, "v", f64_of((double)NAN));
    world_put(w, "m", "a", 3, "v", f64_of(4));
    assert_true(number_of(w, "v", VARVE_AGG_SUM) == 6);
    assert_true(number_of(w, "v", VARVE_AGG_COUNT) == 2);
    assert_true(number_of(w, "v", VARVE_AGG_MEDIAN) == 3);
    static const uint32_t spoiled[] = {VARVE_AGG_SUM,     VARVE_AGG_MIN,    VARVE_AGG_MAX,
                                       VARVE_AGG_AVG,     VARVE_AGG_MEDIAN, VARVE_AGG_RANGE,
                                       VARVE_AGG_VARIANCE};
    for (size_t i = 0; i < 7; i++) {
        output.aggregation = spoiled[i];
        output.nan_rule = VARVE_NAN_PROPAGATE;
        world_row row = ask_one(w, output, NULL);
        uint64_t bits;
        memcpy(&bits, &row.values[0], sizeof bits);
        assert_int_equal(bits, UINT64_C(0x7ff8000000000001));
    }
    output.aggregation = VARVE_AGG_COUNT;
    assert_true(ask_one(w, output, NULL).values[0] == 3);
    assert_true(number_of(w, "v", VARVE_AGG_LAST) == 4);
}

static void quantiles_interpolate_between_neighbours(void **state)
{
    world *w = *state;
    static const double values[] = {9, 1, 4, 7}; /* sorted 1 4 7 9 */
    for (int i = 0; i < 4; i++) {
        world_put(w, "m", "a", i, "v", f64_of(values[i]));
        world_put(w, "m", "a", i, "i", i64_of((int64_t)values[i]));
    }
    static const double q[][2] = {{0, 1}, {1, 9}, {0.5, 5.5}, {1.0 / 3, 4}, {0.25, 3.25}};
    for (size_t i = 0; i < 5; i++) {
        varve_output output = output_of("v", VARVE_AGG_QUANTILE);
        output.parameter = q[i][0];
        assert_true(fabs(ask_one(w, output, NULL).values[0] - q[i][1]) < 1e-12);
        output.name = text_of("i");
        assert_true(fabs(ask_one(w, output, NULL).values[0] - q[i][1]) < 1e-12);
    }
    varve_output output = output_of("v", VARVE_AGG_QUANTILE);
    output.parameter = 1.5;
    varve_query_options options = options_of(&output, 1);
    check_status(VARVE_E_INVALID, world_try(w, &options));
}

static void infinities_of_both_signs_have_one_nan(void **state)
{
    world *w = *state;
    world_put(w, "m", "a", 1, "v", f64_of((double)INFINITY));
    world_put(w, "m", "a", 2, "v", f64_of(-(double)INFINITY));
    uint64_t bits;
    double median = number_of(w, "v", VARVE_AGG_MEDIAN);
    memcpy(&bits, &median, sizeof bits);
    assert_int_equal(bits, UINT64_C(0x7ff8000000000001));
    assert_true(number_of(w, "v", VARVE_AGG_RANGE) == (double)INFINITY);
}

static void integer_sums_and_ranges_saturate_with_a_mark(void **state)
{
    world *w = *state;
    world_put(w, "m", "a", 1, "v", i64_of(INT64_MAX));
    world_put(w, "m", "a", 2, "v", i64_of(INT64_MAX));
    world_put(w, "n", "a", 1, "w", i64_of(INT64_MIN));
    world_put(w, "n", "a", 2, "w", i64_of(INT64_MAX));
    varve_output output = output_of("v", VARVE_AGG_SUM);
    varve_query_options options = options_of(&output, 1);
    varve_cursor *cursor;
    const varve_block *block;
    varve_error err;
    options.grouping = VARVE_GROUP_ALL;
    check_ok(varve_query(w->db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    assert_int_equal(((const int64_t *)block->columns[0].values)[0], INT64_MAX);
    assert_int_equal(block->columns[0].marks[0], 1);
    assert_true(block->columns[0].approximate[0] == 2 * 0x1p63);
    varve_cursor_close(cursor);
    output.as_type = VARVE_TYPE_F64;
    uint32_t type;
    assert_true(ask_one(w, output, &type).values[0] == 2 * 0x1p63);
    assert_int_equal(type, VARVE_TYPE_F64);
    output = output_of("w", VARVE_AGG_RANGE);
    assert_true(ask_one(w, output, &type).values[0] == 0x1p63);
    assert_int_equal(type, VARVE_TYPE_I64);
    output.as_type = VARVE_TYPE_F64;
    assert_true(ask_one(w, output, &type).values[0] == 0x1p64);
}

static void places_are_the_earliest_of_equal_extremes(void **state)
{
    world *w = *state;
    static const double values[] = {3, 1, 5, 1, 5, 0.0, -0.0, 0.0};
    for (int i = 0; i < 5; i++) {
        world_put(w, "m", i % 2 ? "a" : "b", 10 + i, "v", f64_of(values[i]));
    }
    assert_true(number_of(w, "v", VARVE_AGG_MIN_TIME) == 11);
    assert_true(number_of(w, "v", VARVE_AGG_MAX_TIME) == 12);
    for (int i = 5; i < 8; i++) {
        world_put(w, "m", "c", 10 + i, "v", f64_of(values[i]));
    }
    assert_true(number_of(w, "v", VARVE_AGG_MIN_TIME) == 16); /* -0.0 */
    assert_true(signbit(number_of(w, "v", VARVE_AGG_MIN)) != 0);
    assert_true(number_of(w, "v", VARVE_AGG_FIRST_TIME) == 10);
    assert_true(number_of(w, "v", VARVE_AGG_LAST_TIME) == 17);
}

/* Whatever the order of output, of series with equal times the first by name gives the first. */
static void ties_of_first_and_last_go_by_labels_in_every_order(void **state)
{
    world *w = *state;
    world_put(w, "m", "z", 7, "v", f64_of(26));
    world_put(w, "m", "a", 7, "v", f64_of(1));
    world_put(w, "m", "k", 7, "v", f64_of(11));
    static const uint32_t orders[] = {VARVE_ORDER_SERIES, VARVE_ORDER_GIVEN, VARVE_ORDER_TIME,
                                      VARVE_ORDER_NONE};
    varve_error err;
    varve_series list[3];
    static const char *const hosts[] = {"k", "z", "a"};
    for (size_t i = 0; i < 3; i++) {
        varve_label label = {.name = text_of("host"), .value = text_of(hosts[i])};
        check_ok(varve_series_resolve(w->db, text_of("m"), &label, 1, 0, &list[i], &err), &err);
    }
    varve_selection selection = {.kind = VARVE_SELECT_LIST, .series = list, .series_count = 3};
    varve_output outputs[] = {output_of("v", VARVE_AGG_FIRST), output_of("v", VARVE_AGG_LAST)};
    for (size_t i = 0; i < 4; i++) {
        varve_query_options options = options_of(outputs, 2);
        options.selections = &selection;
        options.selection_count = 1;
        options.grouping = VARVE_GROUP_ALL;
        options.order = orders[i];
        world_answer *answer = world_ask(w, &options);
        assert_int_equal(answer->count, 1);
        assert_true(answer->rows[0].values[0] == 1);
        assert_true(answer->rows[0].values[1] == 26);
        free(answer);
    }
}

static void buckets_hold_the_ends_of_the_axis(void **state)
{
    world *w = *state;
    world_put(w, "m", "a", INT64_MIN, "v", f64_of(1));
    world_put(w, "m", "a", INT64_MIN + 9, "v", f64_of(2));
    world_put(w, "m", "a", -1, "v", f64_of(4));
    world_put(w, "m", "a", 0, "v", f64_of(8));
    world_put(w, "m", "a", INT64_MAX - 1, "v", f64_of(16));
    world_put(w, "m", "a", INT64_MAX, "v", f64_of(32));
    varve_output output = output_of("v", VARVE_AGG_SUM);
    varve_query_options options = options_of(&output, 1);
    /* With origin -1 and width 2^62 a bucket ends just below INT64_MAX. */
    options.bucket =
        (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = INT64_C(1) << 62, .origin = -1};
    world_answer *answer = world_ask(w, &options);
    assert_int_equal(answer->count, 4);
    assert_true(answer->rows[0].values[0] == 3);
    assert_true(answer->rows[1].values[0] == 12);
    assert_int_equal(answer->rows[1].time, -1);
    assert_true(answer->rows[2].values[0] == 16);
    assert_true(answer->rows[3].values[0] == 32);
    assert_int_equal(answer->rows[3].time, INT64_MAX);
    free(answer);
    options.bucket = (varve_bucket){
        .kind = VARVE_BUCKET_FIXED, .width = INT64_MAX, .flags = VARVE_BUCKET_FROM_START};
    answer = world_ask(w, &options);
    assert_int_equal(answer->status, VARVE_OK);
    double sum = 0;
    for (size_t i = 0; i < answer->count; i++) {
        sum += answer->rows[i].values[0];
    }
    assert_true(sum == 63);
    free(answer);
}

/* A day of Prague in March 2024 has 23 hours, one in October 25. */
static void calendar_days_follow_the_zone(void **state)
{
    world *w = *state;
    const int64_t hour = INT64_C(3600) * 1000000000;
    const int64_t march = INT64_C(1711756800) * 1000000000; /* 30 March 2024, 00:00 UTC */
    for (int64_t i = 0; i < 72; i++) {
        world_put(w, "m", "a", march + i * hour, "v", f64_of(1));
    }
    varve_output output = output_of("v", VARVE_AGG_COUNT);
    varve_query_options options = options_of(&output, 1);
    options.bucket = (varve_bucket){.kind = VARVE_BUCKET_CALENDAR,
                                    .unit = VARVE_UNIT_DAY,
                                    .width = 1,
                                    .zone = text_of("Europe/Prague")};
    varve_cursor *cursor;
    varve_error err;
    varve_status status = varve_query(w->db, &options, &cursor, &err);
    if (status == VARVE_E_INVALID) {
        skip(); /* no zoneinfo here */
    }
    check_ok(status, &err);
    world_answer *answer = world_read(cursor);
    assert_int_equal(answer->count, 4);
    assert_true(answer->rows[0].values[0] == 23); /* from 01:00 local to midnight */
    assert_true(answer->rows[1].values[0] == 23); /* the short day */
    assert_true(answer->rows[2].values[0] == 24);
    assert_int_equal(answer->rows[2].time - answer->rows[1].time, 23 * hour);
    free(answer);
}

static void groups_are_by_labels_metric_or_the_rest(void **state)
{
    world *w = *state;
    world_put(w, "cpu", "a", 1, "v", f64_of(1));
    world_put(w, "cpu", "b", 1, "v", f64_of(2));
    world_put(w, "disk", "a", 1, "v", f64_of(4));
    world_put(w, "disk", "", 1, "v", f64_of(8));
    varve_output output = output_of("v", VARVE_AGG_SUM);
    varve_query_options options = options_of(&output, 1);
    varve_text by = text_of("host");
    options.grouping = VARVE_GROUP_BY;
    options.group_labels = &by;
    options.group_label_count = 1;
    world_answer *answer = world_ask(w, &options);
    assert_int_equal(answer->count, 3); /* without host, a, b */
    assert_false(answer->rows[0].has[0]);
    assert_true(answer->rows[0].values[1] == 8);
    assert_string_equal(answer->rows[1].text, "a");
    assert_true(answer->rows[1].values[1] == 5);
    free(answer);
    by = text_of("__name__");
    answer = world_ask(w, &options);
    assert_int_equal(answer->count, 2);
    assert_string_equal(answer->rows[1].text, "disk");
    assert_true(answer->rows[1].values[1] == 12);
    free(answer);
    options.grouping = VARVE_GROUP_WITHOUT;
    check_status(VARVE_E_INVALID, world_try(w, &options));
    options.layout = VARVE_LAYOUT_SERIES;
    by = text_of("host");
    answer = world_ask(w, &options);
    assert_int_equal(answer->count, 1);
    assert_true(answer->rows[0].values[0] == 15);
    free(answer);
}

static void numbers_of_several_types_meet_as_f64(void **state)
{
    world *w = *state;
    world_put(w, "m", "a", 1, "v", f64_of(1.5));
    world_put(w, "m", "b", 2, "v", i64_of(2));
    uint32_t type;
    assert_true(ask_one(w, output_of("v", VARVE_AGG_SUM), &type).values[0] == 3.5);
    assert_int_equal(type, VARVE_TYPE_F64);
    assert_true(ask_one(w, output_of("v", VARVE_AGG_LAST), &type).values[0] == 2);
    varve_output raw = output_of("v", VARVE_AGG_NONE);
    varve_query_options options = options_of(&raw, 1);
    world_answer *answer = world_ask(w, &options);
    assert_int_equal(answer->types[0], VARVE_TYPE_MIXED);
    assert_true(answer->rows[0].values[0] == 1.5 && answer->rows[1].values[0] == 2);
    free(answer);
    raw.as_type = VARVE_TYPE_F64;
    answer = world_ask(w, &options);
    assert_int_equal(answer->types[0], VARVE_TYPE_F64);
    assert_true(answer->rows[1].values[0] == 2);
    free(answer);
    world_put(w, "m", "c", 3, "v", string_of("no number"));
    varve_output sum = output_of("v", VARVE_AGG_SUM);
    options = options_of(&sum, 1);
    options.grouping = VARVE_GROUP_ALL;
    check_status(VARVE_E_INVALID, world_try(w, &options));
}

/* Parts of a cursor have the columns of the whole, whatever types their own series have. */
static void parts_keep_the_types_of_the_whole(void **state)
{
    world *w = *state;
    world_put(w, "m", "a", 1, "v", f64_of(1.5));
    world_put(w, "m", "b", 2, "v", i64_of(2));
    varve_output output = output_of("v", VARVE_AGG_MAX);
    varve_query_options options = options_of(&output, 1);
    varve_cursor *cursor;
    varve_cursor *parts[2];
    size_t count;
    varve_error err;
    check_ok(varve_query(w->db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_split(cursor, parts, 2, &count, &err), &err);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        world_answer *answer = world_read(parts[i]);
        assert_int_equal(answer->types[0], VARVE_TYPE_F64);
        assert_true(answer->rows[0].values[0] == (i == 0 ? 1.5 : 2));
        free(answer);
    }
    varve_cursor_close(cursor);
}

/* Statistics, decoding, buckets over their edges, several segments: one answer. */
static void statistics_give_what_rows_give(void **state)
{
    world *w = *state;
    varve_error err;
    for (int i = 0; i < 3000; i++) {
        world_put(w, "m", i % 2 ? "a" : "b", i, "v", f64_of((i * 37) % 101 - 50));
        if (i % 1000 == 999) {
            check_ok(varve_flush(w->db, NULL, &err), &err);
        }
    }
    varve_output outputs[] = {output_of("v", VARVE_AGG_SUM), output_of("v", VARVE_AGG_MIN),
                              output_of("v", VARVE_AGG_MAX), output_of("v", VARVE_AGG_COUNT),
                              output_of("v", VARVE_AGG_VARIANCE)};
    static const int64_t widths[] = {0, 1, 7, 100, 1500, 5000};
    for (size_t i = 0; i < 6; i++) {
        for (uint32_t order = 0; order < 2; order++) {
            varve_query_options options = options_of(outputs, 5);
            options.grouping = VARVE_GROUP_ALL;
            options.order = order == 0 ? VARVE_ORDER_SERIES : VARVE_ORDER_TIME;
            if (widths[i] > 0) {
                options.bucket =
                    (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = widths[i], .origin = 3};
            }
            world_answer *quick = world_ask(w, &options);
            options.flags = VARVE_QUERY_NO_STATISTICS;
            world_answer *slow = world_ask(w, &options);
            assert_int_equal(quick->count, slow->count);
            assert_true(quick->count > 0);
            double total = 0;
            for (size_t row = 0; row < quick->count; row++) {
                assert_int_equal(quick->rows[row].time, slow->rows[row].time);
                for (size_t c = 0; c < 4; c++) {
                    assert_true(quick->rows[row].values[c] == slow->rows[row].values[c]);
                }
                assert_true(fabs(quick->rows[row].values[4] - slow->rows[row].values[4]) < 1e-9);
                total += quick->rows[row].values[3];
            }
            assert_true(total == 3000);
            free(quick);
            free(slow);
        }
    }
}

/* Longer and longer strings: what is kept stays within a few times the longest. */
static void the_last_of_many_strings_takes_little_memory(void **state)
{
    world *w = *state;
    varve_error err;
    char *text = calloc(1, 20001);
    memset(text, 'x', 20000);
    for (int i = 0; i < 400; i++) {
        varve_value value = {.type = VARVE_TYPE_STRING,
                             .as.bytes = {.data = text, .size = (size_t)(20000 - i)}};
        world_put(w, "m", i % 2 ? "a" : "b", i, "s", value);
        if (i % 8 == 7) {
            check_ok(varve_flush(w->db, NULL, &err), &err);
        }
    }
    free(text);
    varve_output outputs[] = {output_of("s", VARVE_AGG_LAST), output_of("s", VARVE_AGG_MIN)};
    varve_query_options options = options_of(outputs, 2);
    options.grouping = VARVE_GROUP_ALL;
    options.memory_max = 3 << 20;
    check_status(VARVE_OK, world_try(w, &options));
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        FRESH(nans_are_skipped_or_propagate),
        FRESH(quantiles_interpolate_between_neighbours),
        FRESH(infinities_of_both_signs_have_one_nan),
        FRESH(integer_sums_and_ranges_saturate_with_a_mark),
        FRESH(places_are_the_earliest_of_equal_extremes),
        FRESH(ties_of_first_and_last_go_by_labels_in_every_order),
        FRESH(buckets_hold_the_ends_of_the_axis),
        FRESH(calendar_days_follow_the_zone),
        FRESH(groups_are_by_labels_metric_or_the_rest),
        FRESH(numbers_of_several_types_meet_as_f64),
        FRESH(parts_keep_the_types_of_the_whole),
        FRESH(statistics_give_what_rows_give),
        FRESH(the_last_of_many_strings_takes_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
