/* SPDX-License-Identifier: Apache-2.0 */
#include "support/rollup_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/twin.h"

enum { RULES_MAX = 4 };

static const uint32_t kept_aggregations[] = {VARVE_AGG_SUM,      VARVE_AGG_MIN,    VARVE_AGG_MAX,
                                             VARVE_AGG_AVG,      VARVE_AGG_FIRST,  VARVE_AGG_LAST,
                                             VARVE_AGG_COUNT,    VARVE_AGG_MEDIAN, VARVE_AGG_RANGE,
                                             VARVE_AGG_VARIANCE, VARVE_AGG_STDDEV};
enum { KEPT = sizeof kept_aggregations / sizeof kept_aggregations[0] };

static varve_text text_of(const char *string)
{
    return (varve_text){string, strlen(string)};
}

static int64_t pick_interval(vv_random *random, const rollup_world *world)
{
    /* Few of them, so that queries meet them. */
    int64_t base = 1 + world->interval_max / 8;
    return base * (int64_t)(1 + vv_random_below(random, 3));
}

varve_status rollup_check_set(varve_db *db, vv_random *random, const rollup_world *world,
                              varve_error *out_err)
{
    static const char *const ids[RULES_MAX] = {"one", "two", "three", "four"};
    varve_rollup rollups[RULES_MAX];
    varve_matcher matchers[RULES_MAX];
    varve_text fields[RULES_MAX];
    size_t count = vv_random_below(random, RULES_MAX + 1);
    memset(rollups, 0, sizeof rollups);
    for (size_t i = 0; i < count; i++) {
        varve_rollup *rollup = &rollups[i];
        rollup->id = text_of(ids[i]);
        rollup->metric = text_of(world->metrics[vv_random_below(random, world->metric_count)]);
        rollup->interval = pick_interval(random, world);
        rollup->origin = vv_random_below(random, 3) == 0 ? 7 : 0;
        rollup->aggregation = kept_aggregations[vv_random_below(random, KEPT)];
        fields[i] = text_of(world->fields[vv_random_below(random, world->field_count)]);
        if (vv_random_below(random, 3) == 0) {
            rollup->fields = &fields[i];
            rollup->field_count = 1;
        } else {
            rollup->flags = VARVE_ROLLUP_ALL_FIELDS;
        }
        if (vv_random_below(random, 3) == 0) {
            matchers[i] = (varve_matcher){.kind = (uint32_t)vv_random_below(random, 4),
                                          .name = text_of(world->label),
                                          .value = text_of(world->value)};
            rollup->matchers = &matchers[i];
            rollup->matcher_count = 1;
        }
    }
    return varve_policy_rollups(db, rollups, count, out_err);
}

/* ---- asking ---- */

static bool has_bounds(uint32_t aggregation)
{
    return aggregation == VARVE_AGG_SUM || aggregation == VARVE_AGG_AVG ||
           aggregation == VARVE_AGG_VARIANCE || aggregation == VARVE_AGG_STDDEV;
}

bool rollup_check_open(varve_db *db, varve_query_options *options, rollup_pair *out_pair)
{
    varve_error err;
    varve_output bounds[3];
    const varve_output *asked = options->outputs;
    memset(bounds, 0, sizeof bounds);
    out_pair->aggregation = asked->aggregation;
    out_pair->bounds = NULL;
    out_pair->without = NULL;
    if (varve_query(db, options, &out_pair->with, &err) != VARVE_OK) {
        return false;
    }
    options->flags |= VARVE_QUERY_NO_STATISTICS;
    bool is_open = varve_query(db, options, &out_pair->without, &err) == VARVE_OK;
    if (is_open && has_bounds(asked->aggregation)) {
        static const uint32_t aggregations[3] = {VARVE_AGG_COUNT, VARVE_AGG_MIN, VARVE_AGG_MAX};
        for (size_t i = 0; i < 3; i++) {
            bounds[i].name = asked->name;
            bounds[i].aggregation = aggregations[i];
            bounds[i].as_type = i == 0 ? 0 : (uint32_t)VARVE_TYPE_F64;
        }
        options->outputs = bounds;
        options->output_count = 3;
        is_open = varve_query(db, options, &out_pair->bounds, &err) == VARVE_OK;
        options->outputs = asked;
        options->output_count = 1;
    }
    options->flags &= ~(uint32_t)VARVE_QUERY_NO_STATISTICS;
    if (!is_open) {
        varve_cursor_close(out_pair->with);
        varve_cursor_close(out_pair->without);
    }
    return is_open;
}

bool rollup_check_ask(varve_db *db, vv_random *random, const rollup_world *world, int64_t last,
                      rollup_pair *out_pair)
{
    varve_output outputs[1];
    varve_query_options options;
    varve_selection selection;
    memset(out_pair, 0, sizeof *out_pair);
    memset(outputs, 0, sizeof outputs);
    memset(&selection, 0, sizeof selection);
    varve_query_options_init(&options);
    const char *metric = world->metrics[vv_random_below(random, world->metric_count)];
    const char *field = world->fields[vv_random_below(random, world->field_count)];
    out_pair->aggregation = kept_aggregations[vv_random_below(random, KEPT)];
    selection.kind = VARVE_SELECT_MATCH;
    selection.text = text_of(metric);
    outputs[0].name = text_of(field);
    outputs[0].aggregation = out_pair->aggregation;
    outputs[0].nan_rule = (uint32_t)vv_random_below(random, 2);
    options.selections = &selection;
    options.selection_count = 1;
    options.outputs = outputs;
    options.output_count = 1;
    int64_t start = (int64_t)vv_random_below(random, (uint64_t)last + 1);
    options.range =
        (varve_range){start, start + 1 + (int64_t)vv_random_below(random, (uint64_t)last + 1)};
    if (vv_random_below(random, 3) == 0) {
        options.range = (varve_range){INT64_MIN, INT64_MAX};
    } else if (vv_random_below(random, 2) == 0) {
        options.range = (varve_range){0, last + 1};
    }
    options.bucket = (varve_bucket){.kind = VARVE_BUCKET_FIXED,
                                    .width = pick_interval(random, world) *
                                             (int64_t)(1 + vv_random_below(random, 2)),
                                    .origin = vv_random_below(random, 3) == 0 ? 7 : 0};
    if (vv_random_below(random, 4) == 0) {
        options.bucket.flags |= VARVE_BUCKET_FROM_START;
    }
    static const uint32_t groupings[] = {VARVE_GROUP_SERIES, VARVE_GROUP_SERIES, VARVE_GROUP_ALL,
                                         VARVE_GROUP_BY};
    varve_text group = text_of(world->label);
    options.grouping = groupings[vv_random_below(random, 4)];
    options.group_labels = options.grouping == VARVE_GROUP_BY ? &group : NULL;
    options.group_label_count = options.grouping == VARVE_GROUP_BY ? 1 : 0;
    if (vv_random_below(random, 3) == 0) {
        options.flags |= VARVE_QUERY_DESCENDING;
    }
    if (vv_random_below(random, 3) == 0) {
        options.layout = VARVE_LAYOUT_TABLE;
    }
    snprintf(out_pair->text, sizeof out_pair->text,
             "aggregation %u of %s.%s, [%lld, %lld), width %lld, grouping %u",
             out_pair->aggregation, metric, field, (long long)options.range.start,
             (long long)options.range.end, (long long)options.bucket.width, options.grouping);
    return rollup_check_open(db, &options, out_pair);
}

/* ---- comparing ---- */

typedef struct slot_list {
    struct slot_row {
        uint64_t series;
        int64_t time;
        twin_value values[3];
        bool is_saturated;
        double approximate;
    } * rows;
    size_t count, capacity;
    varve_status status;
} slot_list;

static void list_add(slot_list *list, const varve_block *block, size_t row)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 256 : list->capacity * 2;
        list->rows = realloc(list->rows, list->capacity * sizeof *list->rows);
        if (list->rows == NULL) {
            abort();
        }
    }
    struct slot_row *to = &list->rows[list->count++];
    memset(to, 0, sizeof *to);
    to->series = block->row_series != NULL ? block->row_series[row].id : block->series.id;
    to->time = block->timestamps[row];
    /* Columns of labels come first in a grouped table. */
    size_t first = 0;
    while (first < block->column_count && block->columns[first].codes != NULL) {
        first++;
    }
    for (size_t i = first; i < block->column_count && i - first < 3; i++) {
        to->values[i - first] = twin_value_of_column(&block->columns[i], row);
    }
    const varve_column *column = &block->columns[first];
    if (column->approximate != NULL && column->marks != NULL) {
        to->is_saturated = ((column->marks[row / 64] >> (row % 64)) & 1) != 0;
        to->approximate = to->is_saturated ? column->approximate[row] : 0;
    }
}

static slot_list list_read(varve_cursor *cursor)
{
    slot_list list = {0};
    varve_error err;
    const varve_block *block = NULL;
    do {
        list.status = varve_cursor_next(cursor, &block, &err);
        for (size_t row = 0; list.status == VARVE_OK && block != NULL && row < block->rows; row++) {
            list_add(&list, block, row);
        }
    } while (list.status == VARVE_OK && block != NULL);
    varve_cursor_close(cursor);
    return list;
}

static void list_free(slot_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t at = 0; at < 3; at++) {
            free(list->rows[i].values[at].bytes);
        }
    }
    free(list->rows);
}

static double number_of(const twin_value *value)
{
    double number = 0;
    memcpy(&number, &value->bits, sizeof number);
    return number;
}

/* Whether two floats are within the bounds that both obey. */
static bool is_close(uint32_t aggregation, double a, double b, const struct slot_row *bounds)
{
    if (!isfinite(a) || !isfinite(b)) {
        return (isnan(a) && isnan(b)) || a == b;
    }
    double count = (double)bounds->values[0].bits;
    double most = fmax(fabs(number_of(&bounds->values[1])), fabs(number_of(&bounds->values[2])));
    long double slack = 4e-12L * most + 1e-320L;
    if (aggregation == VARVE_AGG_SUM) {
        return fabsl((long double)a - b) <= slack * count;
    }
    if (aggregation == VARVE_AGG_AVG) {
        return fabsl((long double)a - b) <= slack;
    }
    long double v = aggregation == VARVE_AGG_STDDEV ? (long double)a * a : a;
    long double w = aggregation == VARVE_AGG_STDDEV ? (long double)b * b : b;
    long double root = sqrtl(v > w ? v : w);
    return fabsl(v - w) <= slack * root + slack * slack + 1e-14L * (v > w ? v : w);
}

static bool is_same(const rollup_pair *pair, const struct slot_row *with,
                    const struct slot_row *without, const slot_list *bounds, size_t index)
{
    const twin_value *a = &with->values[0];
    const twin_value *b = &without->values[0];
    if (with->series != without->series || with->time != without->time || a->type != b->type ||
        with->is_saturated != without->is_saturated) {
        return false;
    }
    if (twin_value_equal(a, b)) {
        return true; /* approximations of equal 128-bit sums are equal as well */
    }
    return pair->bounds != NULL && a->type == VARVE_TYPE_F64 && index < bounds->count &&
           is_close(pair->aggregation, number_of(a), number_of(b), &bounds->rows[index]);
}

bool rollup_check_compare(rollup_pair *pair, char out_failure[400])
{
    slot_list with = list_read(pair->with);
    slot_list without = list_read(pair->without);
    slot_list bounds = {0};
    if (pair->bounds != NULL) {
        bounds = list_read(pair->bounds);
    }
    bool are_same = with.status == without.status && with.count == without.count;
    if (!are_same) {
        snprintf(out_failure, 400, "%s: %zu rows (status %d) with rollups, %zu (%d) without",
                 pair->text, with.count, (int)with.status, without.count, (int)without.status);
    }
    for (size_t i = 0; are_same && i < with.count; i++) {
        are_same = is_same(pair, &with.rows[i], &without.rows[i], &bounds, i);
        if (!are_same) {
            snprintf(
                out_failure, 400,
                "%s: series %llu time %lld type %u bits %llx (%.17g) with rollups, series %llu "
                "time %lld type %u bits %llx (%.17g) without",
                pair->text, (unsigned long long)with.rows[i].series, (long long)with.rows[i].time,
                with.rows[i].values[0].type, (unsigned long long)with.rows[i].values[0].bits,
                number_of(&with.rows[i].values[0]), (unsigned long long)without.rows[i].series,
                (long long)without.rows[i].time, without.rows[i].values[0].type,
                (unsigned long long)without.rows[i].values[0].bits,
                number_of(&without.rows[i].values[0]));
        }
    }
    list_free(&with);
    list_free(&without);
    list_free(&bounds);
    return are_same;
}
