/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/ask.h"

#include <string.h>

#include "base/checked.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/listing.h"
#include "model/time_range.h"
#include "wire/time_text.h"

/* Most fields times aggregations of one query. */
#define ASK_OUTPUTS_MAX 1024u

static varve_status ask_memory(varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a query");
}

/** "a,b,c" into an array; an empty text has no part. */
static varve_status ask_split(const char *words, vv_arena *arena, varve_text **out_parts,
                              size_t *out_count, varve_error *out_err)
{
    varve_text text = vv_text_from_string(words);
    size_t count = 0;
    varve_text *parts = vv_arena_array(arena, text.size + 1, sizeof *parts);
    if (parts == NULL) {
        return ask_memory(out_err);
    }
    while (text.size > 0) {
        size_t size = vv_text_find_char(text, ',');
        size = size > text.size ? text.size : size;
        parts[count] = vv_text_sub(text, 0, size);
        count += parts[count].size > 0;
        text = vv_text_sub(text, size + 1, text.size);
    }
    *out_parts = parts;
    *out_count = count;
    return VARVE_OK;
}

/* ---- selection and range -------------------------------------------------------------------- */

static varve_status ask_selections(const vv_ask_words *words, vv_arena *arena, vv_ask *ask,
                                   varve_error *out_err)
{
    if (words->selector_count == 0) {
        return VARVE_OK;
    }
    varve_selection *selections =
        vv_arena_zeroed(arena, words->selector_count * sizeof *selections);
    if (selections == NULL) {
        return ask_memory(out_err);
    }
    for (size_t i = 0; i < words->selector_count; i++) {
        selections[i].kind = VARVE_SELECT_TEXT;
        selections[i].text = vv_text_from_string(words->selectors[i]);
    }
    ask->query.selections = selections;
    ask->query.selection_count = words->selector_count;
    return VARVE_OK;
}

static varve_status ask_time(const char *option, const char *word, int64_t now_ns,
                             uint32_t precision, int64_t *out_timestamp, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    if (word != NULL) {
        status = vv_time_text_parse(vv_text_from_string(word), now_ns, precision, out_timestamp,
                                    out_err);
    }
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "%s", option);
    }
    return status;
}

static varve_status ask_range(const vv_ask_words *words, int64_t now_ns, uint32_t precision,
                              varve_range *range, varve_error *out_err)
{
    if (words->last != NULL) {
        int64_t span_ns;
        if (words->start != NULL || words->end != NULL) {
            return vv_fail(out_err, VARVE_E_INVALID, "--last excludes --start and --end");
        }
        if (vv_duration_text_parse(vv_text_from_string(words->last), &span_ns, out_err) !=
            VARVE_OK) {
            vv_error_prefix(out_err, "--last");
            return out_err->status;
        }
        range->start = vv_time_convert_saturating(vv_sat_sub_i64(now_ns, span_ns),
                                                  VARVE_PRECISION_NS, precision);
    }
    VV_TRY(ask_time("--start", words->start, now_ns, precision, &range->start, out_err));
    VV_TRY(ask_time("--end", words->end, now_ns, precision, &range->end, out_err));
    if (range->start >= range->end) {
        return vv_fail(out_err, VARVE_E_INVALID, "--start is not before --end");
    }
    return VARVE_OK;
}

/* ---- aggregation ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t aggregation;
    bool needs_numbers;
} ask_aggregations[] = {
    {"sum", VARVE_AGG_SUM, true},
    {"min", VARVE_AGG_MIN, false},
    {"max", VARVE_AGG_MAX, false},
    {"avg", VARVE_AGG_AVG, true},
    {"first", VARVE_AGG_FIRST, false},
    {"last", VARVE_AGG_LAST, false},
    {"count", VARVE_AGG_COUNT, false},
    {"median", VARVE_AGG_MEDIAN, true},
    {"range", VARVE_AGG_RANGE, true},
    {"variance", VARVE_AGG_VARIANCE, true},
    {"stddev", VARVE_AGG_STDDEV, true},
    {"min_time", VARVE_AGG_MIN_TIME, false},
    {"max_time", VARVE_AGG_MAX_TIME, false},
    {"first_time", VARVE_AGG_FIRST_TIME, false},
    {"last_time", VARVE_AGG_LAST_TIME, false},
};

bool vv_ask_aggregation(varve_text word, uint32_t *out_aggregation, double *out_parameter)
{
    double percent;
    *out_parameter = 0.0;
    for (size_t i = 0; i < VV_ARRAY_COUNT(ask_aggregations); i++) {
        if (vv_text_equal(word, vv_text_from_string(ask_aggregations[i].name))) {
            *out_aggregation = ask_aggregations[i].aggregation;
            return true;
        }
    }
    if (word.size > 1 && word.data[0] == 'p' &&
        vv_text_parse_f64(vv_text_sub(word, 1, word.size), &percent) && percent >= 0.0 &&
        percent <= 100.0) {
        *out_aggregation = VARVE_AGG_QUANTILE;
        *out_parameter = percent / 100.0;
        return true;
    }
    return false;
}

const char *vv_ask_aggregation_name(size_t index)
{
    return index < VV_ARRAY_COUNT(ask_aggregations) ? ask_aggregations[index].name : NULL;
}

static bool ask_needs_numbers(uint32_t aggregation)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(ask_aggregations); i++) {
        if (ask_aggregations[i].aggregation == aggregation) {
            return ask_aggregations[i].needs_numbers;
        }
    }
    return true; /* quantiles */
}

/** One output for each field and aggregation, with "avg(value)" as its name. */
static varve_status ask_outputs(const varve_text *fields, size_t field_count,
                                const varve_text *words, size_t word_count, vv_arena *arena,
                                vv_ask *ask, varve_error *out_err)
{
    size_t count = 0;
    if (field_count > ASK_OUTPUTS_MAX / (word_count == 0 ? 1 : word_count)) {
        return vv_fail(out_err, VARVE_E_LIMIT, "more than %u columns are asked for",
                       ASK_OUTPUTS_MAX);
    }
    varve_output *outputs = vv_arena_zeroed(arena, ASK_OUTPUTS_MAX * sizeof *outputs);
    varve_text *names = vv_arena_array(arena, ASK_OUTPUTS_MAX, sizeof *names);
    if (outputs == NULL || names == NULL) {
        return ask_memory(out_err);
    }
    for (size_t f = 0; f < field_count; f++) {
        for (size_t w = 0; w < word_count; w++, count++) {
            outputs[count].name = fields[f];
            if (!vv_ask_aggregation(words[w], &outputs[count].aggregation,
                                    &outputs[count].parameter)) {
                return vv_fail(
                    out_err, VARVE_E_INVALID,
                    "--agg: there is no aggregation \"%.*s\"; sum, min, max, avg, first, "
                    "last, count, median, p95, range, variance and stddev are some",
                    VV_TEXT_ARGS(words[w]));
            }
            size_t size = words[w].size + fields[f].size + 2;
            char *name = vv_arena_new(arena, size + 1);
            if (name == NULL) {
                return ask_memory(out_err);
            }
            vv_text_format(name, size + 1, "%.*s(%.*s)", VV_TEXT_ARGS(words[w]),
                           VV_TEXT_ARGS(fields[f]));
            names[count] = vv_text_make(name, size);
        }
        if (word_count == 0) {
            outputs[count].name = fields[f];
            count += 1;
        }
    }
    ask->query.outputs = outputs;
    ask->query.output_count = count;
    if (word_count > 0) {
        ask->names = names;
        ask->name_count = count;
    }
    return VARVE_OK;
}

static varve_list_options ask_list_options(const vv_ask *ask)
{
    varve_list_options options;
    varve_list_options_init(&options);
    options.selections = ask->query.selections;
    options.selection_count = ask->query.selection_count;
    options.range = ask->query.range;
    options.task = ask->query.task;
    return options;
}

/** A row of varve_field_names: metric, field, type. */
static bool ask_is_number(const varve_block *block, size_t row)
{
    static const uint32_t types[] = {VARVE_TYPE_F64, VARVE_TYPE_I64, VARVE_TYPE_U64,
                                     VARVE_TYPE_BOOL};
    varve_text type = vv_listing_cell(block, 2, row);
    for (size_t i = 0; i < VV_ARRAY_COUNT(types); i++) {
        if (vv_text_equal(type, vv_text_from_string(varve_type_name(types[i])))) {
            return true;
        }
    }
    return false;
}

/** Every field of the selection; those that are numbers, if an aggregation needs them. */
static varve_status ask_all_fields(const vv_ask *ask, varve_db *db, const varve_text *words,
                                   size_t word_count, vv_arena *arena, varve_text **out_fields,
                                   size_t *out_count, varve_error *out_err)
{
    varve_list_options options = ask_list_options(ask);
    varve_cursor *cursor;
    if (db == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "--agg needs --fields with --url");
    }
    bool needs_numbers = false;
    for (size_t i = 0; i < word_count; i++) {
        uint32_t aggregation;
        double parameter;
        needs_numbers = needs_numbers || (vv_ask_aggregation(words[i], &aggregation, &parameter) &&
                                          ask_needs_numbers(aggregation));
    }
    VV_TRY(varve_field_names(db, &options, &cursor, out_err));
    return vv_listing_take(cursor, 1, needs_numbers ? ask_is_number : NULL, arena, out_fields,
                           out_count, out_err);
}

static varve_status ask_bucket(const vv_ask_words *words, uint32_t precision, varve_bucket *bucket,
                               varve_error *out_err)
{
    static const char *const units[] = {
        [VARVE_UNIT_HOUR] = "hour",   [VARVE_UNIT_DAY] = "day",         [VARVE_UNIT_WEEK] = "week",
        [VARVE_UNIT_MONTH] = "month", [VARVE_UNIT_QUARTER] = "quarter", [VARVE_UNIT_YEAR] = "year"};
    int64_t width_ns;
    if (words->zone != NULL) {
        bucket->zone = vv_text_from_string(words->zone);
    }
    for (uint32_t i = 0; i < VV_ARRAY_COUNT(units); i++) {
        if (strcmp(words->every, units[i]) == 0) {
            bucket->kind = VARVE_BUCKET_CALENDAR;
            bucket->unit = i;
            bucket->width = 1;
            return VARVE_OK;
        }
    }
    if (vv_duration_text_parse(vv_text_from_string(words->every), &width_ns, out_err) != VARVE_OK) {
        vv_error_prefix(out_err, "--every");
        return out_err->status;
    }
    bool has_lost = false;
    VV_TRY(vv_time_convert(width_ns, VARVE_PRECISION_NS, precision, &bucket->width, &has_lost,
                           out_err));
    if (has_lost || bucket->width <= 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "--every: %s is no whole number of %s",
                       words->every, vv_precision_name(precision));
    }
    bucket->kind = VARVE_BUCKET_FIXED;
    return VARVE_OK;
}

static varve_status ask_grouping(const vv_ask_words *words, vv_arena *arena,
                                 varve_query_options *query, varve_error *out_err)
{
    varve_text *labels = NULL;
    VV_TRY(ask_split(words->by, arena, &labels, &query->group_label_count, out_err));
    query->group_labels = labels;
    query->grouping = query->group_label_count == 0 ? VARVE_GROUP_ALL : VARVE_GROUP_BY;
    return VARVE_OK;
}

static varve_status ask_fields(const vv_ask_words *words, varve_db *db, vv_arena *arena,
                               vv_ask *ask, varve_error *out_err)
{
    const char *aggregations = words->aggregations;
    varve_text *parts = NULL;
    varve_text *fields = NULL;
    size_t part_count = 0;
    size_t field_count = 0;
    if (aggregations == NULL && (words->every != NULL || words->by != NULL)) {
        aggregations = "avg";
    }
    if (aggregations != NULL) {
        VV_TRY(ask_split(aggregations, arena, &parts, &part_count, out_err));
    }
    if (words->fields != NULL) {
        VV_TRY(ask_split(words->fields, arena, &fields, &field_count, out_err));
    } else if (part_count > 0) {
        VV_TRY(ask_all_fields(ask, db, parts, part_count, arena, &fields, &field_count, out_err));
        if (field_count == 0) {
            ask->query.limit = 0; /* nothing to aggregate: no rows */
        }
    }
    return field_count == 0
               ? VARVE_OK
               : ask_outputs(fields, field_count, parts, part_count, arena, ask, out_err);
}

varve_status vv_ask_parse(const vv_ask_words *words, varve_db *db, uint32_t precision,
                          int64_t now_ns, vv_arena *arena, vv_ask *out_ask, varve_error *out_err)
{
    memset(out_ask, 0, sizeof *out_ask);
    varve_query_options_init(&out_ask->query);
    VV_TRY(ask_selections(words, arena, out_ask, out_err));
    VV_TRY(ask_range(words, now_ns, precision, &out_ask->query.range, out_err));
    if (words->limit > 0) {
        out_ask->query.limit = words->limit;
    }
    if (words->is_descending) {
        out_ask->query.flags |= VARVE_QUERY_DESCENDING;
    }
    VV_TRY(ask_fields(words, db, arena, out_ask, out_err));
    if (words->every != NULL) {
        VV_TRY(ask_bucket(words, precision, &out_ask->query.bucket, out_err));
    }
    return words->by == NULL ? VARVE_OK : ask_grouping(words, arena, &out_ask->query, out_err);
}

/* ---- columns -------------------------------------------------------------------------------- */

static varve_status ask_label_columns(const vv_ask *ask, varve_db *db, vv_arena *arena,
                                      vv_rows_style *style, varve_error *out_err)
{
    varve_list_options options = ask_list_options(ask);
    varve_cursor *cursor;
    varve_text *texts = NULL;
    size_t metrics = 0;
    if (ask->query.grouping != VARVE_GROUP_SERIES) {
        style->labels = ask->query.group_labels;
        style->label_count = ask->query.group_label_count;
        style->has_metric = false;
        return VARVE_OK;
    }
    VV_TRY(varve_label_names(db, &options, &cursor, out_err));
    VV_TRY(vv_listing_take(cursor, 0, NULL, arena, &texts, &style->label_count, out_err));
    style->labels = texts;
    if (!style->has_metric) {
        VV_TRY(varve_metrics(db, &options, &cursor, out_err));
        VV_TRY(vv_listing_take(cursor, 0, NULL, arena, &texts, &metrics, out_err));
        style->has_metric = metrics > 1;
    }
    return VARVE_OK;
}

varve_status vv_ask_output_columns(const vv_ask *ask, vv_arena *arena, vv_rows_style *style,
                                   varve_error *out_err)
{
    if (ask->names != NULL) {
        style->fields = ask->names;
        style->field_count = ask->name_count;
        return VARVE_OK;
    }
    varve_text *fields = vv_arena_array(arena, ask->query.output_count + 1, sizeof *fields);
    if (fields == NULL) {
        return ask_memory(out_err);
    }
    for (size_t i = 0; i < ask->query.output_count; i++) {
        fields[i] = ask->query.outputs[i].name;
    }
    style->fields = fields;
    style->field_count = ask->query.output_count;
    return VARVE_OK;
}

varve_status vv_ask_columns(const vv_ask *ask, varve_db *db, vv_arena *arena, vv_rows_style *style,
                            varve_error *out_err)
{
    varve_list_options options = ask_list_options(ask);
    varve_cursor *cursor;
    varve_text *fields = NULL;
    style->has_time = ask->names == NULL || ask->query.bucket.kind != VARVE_BUCKET_NONE;
    VV_TRY(ask_label_columns(ask, db, arena, style, out_err));
    if (ask->query.output_count > 0) {
        return vv_ask_output_columns(ask, arena, style, out_err);
    }
    VV_TRY(varve_field_names(db, &options, &cursor, out_err));
    VV_TRY(vv_listing_take(cursor, 1, NULL, arena, &fields, &style->field_count, out_err));
    style->fields = fields;
    return VARVE_OK;
}
