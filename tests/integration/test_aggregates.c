/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates through the interface against a reference that walks a list of rows: every
 * aggregation, both rules for NaN, without and with buckets, per series and over all, whether the
 * rows lie in the head, in segments or in both, and with statistics left unused.
 */
#include "support/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/dump.h"
#include "support/memory_world.h"

enum { SERIES = 3, ROWS = 900, WIDTH = 700, ORIGIN = 13 };

typedef struct reference_row {
    int64_t time;
    uint32_t series;
    double number;
    int64_t integer;
    bool has_number;
} reference_row;

typedef struct aggregates {
    memory_world *world;
    varve_options options;
    varve_db *db;
    reference_row rows[ROWS]; /* ascending by time */
    uint64_t seed;
} aggregates;

static const uint64_t canonical_nan = UINT64_C(0x7ff8000000000001);

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double number_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void aggregates_put(aggregates *a, size_t from, size_t step)
{
    static const char *const names[SERIES] = {"m{h=a}", "m{h=b}", "m{h=c}"};
    varve_error err;
    varve_batch *batch;
    varve_field fields[2] = {dump_field(a->db, "i"), dump_field(a->db, "v")};
    check_ok(varve_batch_create(a->db, &batch, &err), &err);
    for (size_t i = from; i < ROWS; i += step) {
        const reference_row *row = &a->rows[i];
        varve_value values[2] = {dump_i64(row->integer), dump_f64(row->number)};
        varve_row written = {.series = dump_series(a->db, names[row->series]),
                             .timestamp = row->time,
                             .fields = fields,
                             .values = values,
                             .count = row->has_number ? 2 : 1};
        check_ok(varve_batch_row(batch, &written, &err), &err);
    }
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
}

/* Even rows to a segment, odd ones late to the head. */
static void aggregates_begin(aggregates *a, uint64_t seed)
{
    varve_error err;
    vv_random random;
    memset(a, 0, sizeof *a);
    a->seed = seed;
    vv_random_init(&random, seed);
    a->world = memory_world_create();
    varve_options_init(&a->options);
    a->options.environment = memory_world_environment(a->world);
    a->options.flags = VARVE_OPEN_NO_BACKGROUND;
    check_ok(varve_open("/db", &a->options, &a->db, &err), &err);
    int64_t time = -3000;
    for (size_t i = 0; i < ROWS; i++) {
        reference_row *row = &a->rows[i];
        time += 1 + (int64_t)vv_random_below(&random, 12);
        row->time = time;
        row->series = (uint32_t)vv_random_below(&random, SERIES);
        row->has_number = vv_random_below(&random, 9) != 0;
        row->integer = (int64_t)vv_random_below(&random, 1000) - 500;
        row->number = (double)vv_random_below(&random, 200) / 4.0 - 20.0;
        uint64_t kind = vv_random_below(&random, 100);
        if (kind < 2) {
            row->number = number_of(UINT64_C(0xfff8000000000000) | i);
        } else if (kind < 5) {
            row->number = kind == 3 ? 0.0 : -0.0;
        }
        if (i >= ROWS - 3) {
            row->integer = INT64_MAX - 1; /* the last bucket saturates */
        }
    }
    aggregates_put(a, 0, 2);
    check_ok(varve_flush(a->db, NULL, &err), &err);
    aggregates_put(a, 1, 2);
}

static void aggregates_end(aggregates *a)
{
    varve_error err;
    check_ok(varve_close(a->db, &err), &err);
    memory_world_free(a->world);
}

/* ---- the reference ---- */

typedef struct slot {
    bool exists; /* some row of the group lies in it and holds the field */
    double values[ROWS];
    int64_t times[ROWS];
    size_t count, nans;
    double first, last; /* by the rule */
    int64_t first_time, last_time;
    size_t considered; /* for first and last */
} slot;

static int compare_numbers(const void *x, const void *y)
{
    double a;
    double b;
    memcpy(&a, x, sizeof a);
    memcpy(&b, y, sizeof b);
    if (a != b) {
        return a < b ? -1 : 1;
    }
    return (signbit(b) != 0) - (signbit(a) != 0);
}

/* Rows of series (or all: SERIES) with start <= time < end. */
static void slot_fill(const aggregates *a, uint32_t series, int64_t start, int64_t end,
                      bool is_integer, slot *s)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < ROWS; i++) {
        const reference_row *row = &a->rows[i];
        bool is_in = (series == SERIES || row->series == series) && row->time >= start &&
                     row->time < end && (is_integer || row->has_number);
        if (!is_in) {
            continue;
        }
        double value = is_integer ? (double)row->integer : row->number;
        s->exists = true;
        if (s->considered++ == 0) { /* FIRST and LAST return stored bits either way */
            s->first = value;
            s->first_time = row->time;
        }
        s->last = value;
        s->last_time = row->time;
        if (value != value) {
            s->nans++;
        } else {
            s->values[s->count] = value;
            s->times[s->count++] = row->time;
        }
    }
}

static double slot_quantile(const slot *s, double q)
{
    static double sorted[ROWS];
    memcpy(sorted, s->values, s->count * sizeof *sorted);
    qsort(sorted, s->count, sizeof *sorted, compare_numbers);
    double place = q * (double)(s->count - 1);
    size_t below = (size_t)place;
    double part = place - (double)below;
    return part == 0.0 ? sorted[below] : sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

static size_t slot_extreme(const slot *s, bool is_max)
{
    size_t best = 0;
    for (size_t i = 1; i < s->count; i++) {
        int order = compare_numbers(&s->values[i], &s->values[best]);
        best = (is_max ? order > 0 : order < 0) ? i : best;
    }
    return best;
}

static long double slot_sum(const slot *s)
{
    long double sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        sum += s->values[i];
    }
    return sum;
}

static double slot_variance(const slot *s)
{
    long double mean = slot_sum(s) / (long double)s->count;
    long double squares = 0;
    for (size_t i = 0; i < s->count; i++) {
        squares += (s->values[i] - mean) * (s->values[i] - mean);
    }
    return (double)(squares / (long double)s->count);
}

/* The expected number; *out_has: whether there is a value. */
static double slot_answer(const slot *s, uint32_t aggregation, bool propagates, bool *out_has)
{
    bool is_nan = propagates && s->nans > 0;
    *out_has = s->count > 0 || is_nan;
    switch (aggregation) {
    case VARVE_AGG_COUNT:
        *out_has = s->exists;
        return (double)(s->count + (propagates ? s->nans : 0));
    case VARVE_AGG_FIRST:
        *out_has = s->considered > 0;
        return s->first;
    case VARVE_AGG_LAST:
        *out_has = s->considered > 0;
        return s->last;
    default:
        break;
    }
    if (is_nan) {
        return number_of(canonical_nan);
    }
    if (s->count == 0) {
        return 0;
    }
    switch (aggregation) {
    case VARVE_AGG_SUM:
        return (double)slot_sum(s);
    case VARVE_AGG_AVG:
        return (double)(slot_sum(s) / (long double)s->count);
    case VARVE_AGG_MIN:
        return s->values[slot_extreme(s, false)];
    case VARVE_AGG_MAX:
        return s->values[slot_extreme(s, true)];
    case VARVE_AGG_RANGE:
        return s->values[slot_extreme(s, true)] - s->values[slot_extreme(s, false)];
    case VARVE_AGG_MEDIAN:
        return slot_quantile(s, 0.5);
    case VARVE_AGG_QUANTILE:
        return slot_quantile(s, 0.3);
    case VARVE_AGG_VARIANCE:
        return slot_variance(s);
    default:
        return sqrt(slot_variance(s));
    }
}

static int64_t slot_time(const slot *s, uint32_t aggregation, bool *out_has)
{
    *out_has = s->count > 0;
    switch (aggregation) {
    case VARVE_AGG_MIN_TIME:
        return s->times[slot_extreme(s, false)];
    case VARVE_AGG_MAX_TIME:
        return s->times[slot_extreme(s, true)];
    case VARVE_AGG_FIRST_TIME:
        *out_has = s->considered > 0;
        return s->first_time;
    default:
        *out_has = s->considered > 0;
        return s->last_time;
    }
}

/* ---- comparing ---- */

typedef struct question {
    uint32_t aggregation, nan_rule, grouping, flags;
    bool has_buckets, is_integer;
} question;

static void compare_fail(const aggregates *a, const question *q, uint32_t series, int64_t start,
                         const char *what, double expected, double found)
{
    fail_msg("seed %" PRIu64 ": aggregation %u, nan rule %u, grouping %u, buckets %d, integer %d, "
             "series %u, bucket %" PRId64 ": %s, expected %.17g (%016" PRIx64 "), found %.17g "
             "(%016" PRIx64 ")",
             a->seed, q->aggregation, q->nan_rule, q->grouping, q->has_buckets, q->is_integer,
             series, start, what, expected, bits_of(expected), found, bits_of(found));
}

static bool is_exact(uint32_t aggregation)
{
    return aggregation != VARVE_AGG_SUM && aggregation != VARVE_AGG_AVG &&
           aggregation != VARVE_AGG_VARIANCE && aggregation != VARVE_AGG_STDDEV &&
           aggregation != VARVE_AGG_QUANTILE && aggregation != VARVE_AGG_MEDIAN;
}

static bool aggregates_bit(const uint64_t *words, size_t index)
{
    return ((words[index / 64] >> (index % 64)) & 1) != 0;
}

static void compare_slot(const aggregates *a, const question *q, uint32_t series, int64_t start,
                         const slot *s, const varve_column *column, size_t row)
{
    bool is_there = column->present == NULL || aggregates_bit(column->present, row);
    bool wanted;
    if (q->aggregation >= VARVE_AGG_MIN_TIME) {
        int64_t time = slot_time(s, q->aggregation, &wanted);
        assert_int_equal(column->type, VARVE_TYPE_I64);
        int64_t found = is_there ? ((const int64_t *)column->values)[row] : 0;
        if (wanted != is_there || (wanted && found != time)) {
            compare_fail(a, q, series, start, "time", (double)time, (double)found);
        }
        return;
    }
    double expected = slot_answer(s, q->aggregation, q->nan_rule == VARVE_NAN_PROPAGATE, &wanted);
    double found = 0;
    if (is_there && column->type == VARVE_TYPE_F64) {
        found = ((const double *)column->values)[row];
    } else if (is_there && column->type == VARVE_TYPE_I64) {
        found = (double)((const int64_t *)column->values)[row];
        if (column->marks != NULL && aggregates_bit(column->marks, row)) {
            found = column->approximate[row];
        }
    } else if (is_there) {
        assert_int_equal(column->type, VARVE_TYPE_U64);
        found = (double)((const uint64_t *)column->values)[row];
    }
    if (wanted != is_there) {
        compare_fail(a, q, series, start, is_there ? "unexpected" : "missing", expected, found);
    }
    bool is_same = bits_of(expected) == bits_of(found) || (q->is_integer && expected == found);
    double tolerance = 1e-9 * (fabs(expected) + 1);
    if (wanted && !is_same &&
        (is_exact(q->aggregation) || !(fabs(expected - found) <= tolerance))) {
        compare_fail(a, q, series, start, "value", expected, found);
    }
}

static uint32_t series_of(const varve_block *block, const question *q)
{
    if (q->grouping == VARVE_GROUP_ALL) {
        assert_int_equal(block->label_count, 0);
        return SERIES;
    }
    assert_int_equal(block->label_count, 1);
    return (uint32_t)(block->labels[0].value.data[0] - 'a');
}

static int64_t bucket_start(int64_t time)
{
    int64_t rest = (time - ORIGIN) % WIDTH;
    return time - (rest < 0 ? rest + WIDTH : rest);
}

/* Slots that must be in the answer. */
static size_t count_slots(const aggregates *a, const question *q)
{
    size_t count = 0;
    int64_t last[SERIES + 1];
    bool has[SERIES + 1] = {false};
    for (size_t i = 0; i < ROWS; i++) {
        uint32_t series = q->grouping == VARVE_GROUP_ALL ? SERIES : a->rows[i].series;
        int64_t start = q->has_buckets ? bucket_start(a->rows[i].time) : 0;
        bool counts = q->is_integer || a->rows[i].has_number;
        if (counts && (!has[series] || last[series] != start)) {
            has[series] = true;
            last[series] = start;
            count++;
        }
    }
    return count;
}

static void ask(const aggregates *a, const question *q)
{
    static slot s;
    varve_error err;
    varve_output output;
    memset(&output, 0, sizeof output);
    output.aggregation = q->aggregation;
    output.nan_rule = q->nan_rule;
    output.name = dump_text(q->is_integer ? "i" : "v");
    output.parameter = 0.3;
    varve_query_options options;
    varve_query_options_init(&options);
    options.outputs = &output;
    options.output_count = 1;
    options.grouping = q->grouping;
    options.flags = q->flags;
    if (q->has_buckets) {
        options.bucket =
            (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = WIDTH, .origin = ORIGIN};
    }
    varve_cursor *cursor;
    const varve_block *block;
    size_t slots = 0;
    check_ok(varve_query(a->db, &options, &cursor, &err), &err);
    for (;;) {
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        uint32_t series = series_of(block, q);
        for (size_t row = 0; row < block->rows; row++) {
            int64_t start = q->has_buckets ? block->timestamps[row] : INT64_MIN;
            int64_t end = q->has_buckets ? start + WIDTH : INT64_MAX;
            slot_fill(a, series, start, end, q->is_integer, &s);
            compare_slot(a, q, series, start, &s, &block->columns[0], row);
            slots += s.exists;
        }
    }
    varve_cursor_close(cursor);
    if (slots != count_slots(a, q)) {
        compare_fail(a, q, SERIES, 0, "slots", (double)count_slots(a, q), (double)slots);
    }
}

static void ask_all(const aggregates *a, uint32_t flags)
{
    for (uint32_t aggregation = VARVE_AGG_SUM; aggregation <= VARVE_AGG_LAST_TIME; aggregation++) {
        for (uint32_t kinds = 0; kinds < 16; kinds++) {
            question q = {
                .aggregation = aggregation,
                .nan_rule = (kinds & 1) != 0 ? VARVE_NAN_PROPAGATE : VARVE_NAN_SKIP,
                .grouping = (kinds & 2) != 0 ? VARVE_GROUP_ALL : VARVE_GROUP_SERIES,
                .has_buckets = (kinds & 4) != 0,
                .is_integer = (kinds & 8) != 0,
                .flags = flags,
            };
            bool is_open = aggregation >= VARVE_AGG_MIN_TIME && q.nan_rule == VARVE_NAN_PROPAGATE;
            bool is_wide = q.is_integer &&
                           (aggregation == VARVE_AGG_VARIANCE || aggregation == VARVE_AGG_STDDEV);
            if (!is_open && !is_wide) { /* times of a propagated NaN are not promised */
                ask(a, &q);
            }
        }
    }
}

static void aggregates_agree_with_a_walk_over_the_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        varve_error err;
        static aggregates a;
        aggregates_begin(&a, seed);
        ask_all(&a, 0);
        ask_all(&a, VARVE_QUERY_NO_STATISTICS);
        check_ok(varve_compact(a.db, VARVE_COMPACT_ALL, NULL, &err), &err);
        ask_all(&a, 0);
        aggregates_end(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregates_agree_with_a_walk_over_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
