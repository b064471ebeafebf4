/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests for rows, and their answer; docs/reference/rows.md describes both. The request is a
 * varve_query_options word by word, so what the engine can, a client can ask for; unknown members
 * are errors, not silence.
 */

#include "wire/rows_json.h"

#include <jansson.h>
#include <string.h>

#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"
#include "wire/json_lines.h"
#include "wire/json_priv.h"
#include "wire/time_text.h"

#define ROWS_LIST_ITEMS_MAX 1024u

/** What the functions of one parse share. */
typedef struct rows_parse {
    vv_arena *arena;
    uint32_t precision;
    int64_t now_ns;
    uint32_t nan_rule;
    varve_error *err;
} rows_parse;

static varve_status rows_bad(const rows_parse *parse, const char *member, const char *reason)
{
    return vv_fail(parse->err, VARVE_E_INVALID, "\"%s\": %s", member, reason);
}

static varve_status rows_nomem(const rows_parse *parse, size_t size)
{
    return vv_arena_fail(parse->arena, size, parse->err);
}

static varve_status rows_text(const rows_parse *parse, const char *member, const json_t *value,
                              varve_text *out_text)
{
    if (!json_is_string(value)) {
        return rows_bad(parse, member, "a string is wanted");
    }
    return vv_arena_copy(parse->arena, vv_json_string(value), out_text) == VARVE_OK
               ? VARVE_OK
               : rows_nomem(parse, json_string_length(value));
}

/** The index of a word in a list that NULL ends. */
static varve_status rows_word(const rows_parse *parse, const char *member, const json_t *value,
                              const char *const *words, uint32_t *out_index)
{
    for (uint32_t index = 0; json_is_string(value) && words[index] != NULL; index++) {
        if (vv_text_equal(vv_json_string(value), vv_text_from_string(words[index]))) {
            *out_index = index;
            return VARVE_OK;
        }
    }
    return rows_bad(parse, member, "not one of the words it takes");
}

static varve_status rows_json_count(const rows_parse *parse, const char *member,
                                    const json_t *value, uint64_t *out_count)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return rows_bad(parse, member, "a whole number from 0 is wanted");
    }
    *out_count = (uint64_t)json_integer_value(value);
    return VARVE_OK;
}

/** A time as text or number, in the forms of wire/time_text.h. */
static varve_status rows_time(const rows_parse *parse, const char *member, const json_t *value,
                              int64_t *out_time)
{
    char number[VV_TEXT_F64_BYTES_MAX];
    varve_text text = vv_text_make(number, 0);
    if (json_is_integer(value)) {
        text.size = vv_text_print_i64(number, json_integer_value(value));
    } else if (json_is_real(value)) {
        text.size = vv_text_print_f64(number, json_real_value(value));
    } else if (json_is_string(value)) {
        text = vv_json_string(value);
    }
    varve_status status =
        vv_time_text_parse(text, parse->now_ns, parse->precision, out_time, parse->err);
    if (status != VARVE_OK) {
        vv_error_prefix(parse->err, "\"%s\"", member);
    }
    return status;
}

/** How many items a member has that is one of them or a list. */
static size_t rows_item_count(const json_t *value)
{
    return json_is_array(value) ? json_array_size(value) : 1;
}

static const json_t *rows_item(const json_t *value, size_t index)
{
    return json_is_array(value) ? json_array_get(value, index) : value;
}

static varve_status rows_texts(const rows_parse *parse, const char *member, const json_t *value,
                               const varve_text **out_texts, size_t *out_count)
{
    size_t count = rows_item_count(value);
    if (count > ROWS_LIST_ITEMS_MAX) {
        return rows_bad(parse, member, "too many");
    }
    varve_text *texts = vv_arena_array(parse->arena, count + 1, sizeof *texts);
    if (texts == NULL) {
        return rows_nomem(parse, (count + 1) * sizeof *texts);
    }
    for (size_t index = 0; index < count; index++) {
        VV_TRY(rows_text(parse, member, rows_item(value, index), &texts[index]));
    }
    *out_texts = texts;
    *out_count = count;
    return VARVE_OK;
}

/* ---- members ---- */

static varve_status rows_select(const rows_parse *parse, const json_t *value,
                                varve_query_options *query)
{
    const varve_text *texts;
    size_t count;
    VV_TRY(rows_texts(parse, "select", value, &texts, &count));
    varve_selection *selections = vv_arena_zeroed(parse->arena, (count + 1) * sizeof *selections);
    if (selections == NULL) {
        return rows_nomem(parse, (count + 1) * sizeof *selections);
    }
    for (size_t index = 0; index < count; index++) {
        selections[index].kind = VARVE_SELECT_TEXT;
        selections[index].text = texts[index];
    }
    query->selections = selections;
    query->selection_count = count;
    return VARVE_OK;
}

static const char *const rows_aggregations[] = {
    "none",   "sum",      "min",      "max",        "avg",       "first",
    "last",   "count",    "median",   "quantile",   "range",     "variance",
    "stddev", "min_time", "max_time", "first_time", "last_time", NULL,
};
static const char *const rows_nan_rules[] = {"skip", "propagate", NULL};

static varve_status rows_output_object(const rows_parse *parse, json_t *object,
                                       varve_output *output)
{
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        const json_t *value = json_object_iter_value(at);
        if (strcmp(key, "field") == 0) {
            VV_TRY(rows_text(parse, "field", value, &output->name));
        } else if (strcmp(key, "agg") == 0) {
            VV_TRY(rows_word(parse, "agg", value, rows_aggregations, &output->aggregation));
        } else if (strcmp(key, "nan") == 0) {
            VV_TRY(rows_word(parse, "nan", value, rows_nan_rules, &output->nan_rule));
        } else if (strcmp(key, "parameter") == 0 && json_is_number(value)) {
            output->parameter = json_number_value(value);
        } else if (strcmp(key, "as") == 0 && json_is_string(value) &&
                   vv_text_equal(vv_json_string(value), VV_TEXT("f64"))) {
            output->as_type = VARVE_TYPE_F64;
        } else {
            return vv_fail(parse->err, VARVE_E_INVALID, "\"fields\": bad member \"%.64s\"", key);
        }
    }
    return output->name.data != NULL ? VARVE_OK : rows_bad(parse, "fields", "\"field\" is missing");
}

static varve_status rows_fields(const rows_parse *parse, const json_t *value,
                                varve_query_options *query)
{
    size_t count = rows_item_count(value);
    if (count > ROWS_LIST_ITEMS_MAX) {
        return rows_bad(parse, "fields", "too many");
    }
    varve_output *outputs = vv_arena_zeroed(parse->arena, (count + 1) * sizeof *outputs);
    if (outputs == NULL) {
        return rows_nomem(parse, (count + 1) * sizeof *outputs);
    }
    for (size_t index = 0; index < count; index++) {
        outputs[index].nan_rule = parse->nan_rule;
        const json_t *item = rows_item(value, index);
        if (json_is_object(item)) {
            json_t *object = json_is_array(value) ? json_array_get(value, index) : NULL;
            VV_TRY(object == NULL ? rows_bad(parse, "fields", "objects stand in a list")
                                  : rows_output_object(parse, object, &outputs[index]));
        } else {
            VV_TRY(rows_text(parse, "fields", item, &outputs[index].name));
        }
    }
    query->outputs = outputs;
    query->output_count = count;
    return VARVE_OK;
}

static varve_status rows_constant(const rows_parse *parse, const json_t *value,
                                  varve_value *out_value)
{
    if (json_is_integer(value)) {
        out_value->type = VARVE_TYPE_I64;
        out_value->as.i64 = json_integer_value(value);
    } else if (json_is_real(value)) {
        out_value->type = VARVE_TYPE_F64;
        out_value->as.f64 = json_real_value(value);
    } else if (json_is_boolean(value)) {
        out_value->type = VARVE_TYPE_BOOL;
        out_value->as.boolean = json_is_true(value);
    } else {
        out_value->type = VARVE_TYPE_STRING;
        return rows_text(parse, "value", value, &out_value->as.bytes);
    }
    return VARVE_OK;
}

static varve_status rows_predicate(const rows_parse *parse, const json_t *item,
                                   varve_predicate *predicate)
{
    static const char *const ops[] = {"=", "!=", "<", "<=", ">", ">=", "present", "absent", NULL};
    const json_t *value = json_object_get(item, "value");
    if (!json_is_object(item)) {
        return rows_bad(parse, "where", "a list of objects is wanted");
    }
    VV_TRY(rows_text(parse, "field", json_object_get(item, "field"), &predicate->field));
    VV_TRY(rows_word(parse, "op", json_object_get(item, "op"), ops, &predicate->op));
    bool needs_value = predicate->op != VARVE_OP_PRESENT && predicate->op != VARVE_OP_ABSENT;
    if (json_object_size(item) != (needs_value ? 3u : 2u)) {
        return rows_bad(parse, "where", "\"field\", \"op\" and \"value\" are wanted");
    }
    return needs_value ? rows_constant(parse, value, &predicate->value) : VARVE_OK;
}

static varve_status rows_where(const rows_parse *parse, const json_t *value,
                               varve_query_options *query)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > ROWS_LIST_ITEMS_MAX) {
        return rows_bad(parse, "where", "a list of conditions is wanted");
    }
    varve_predicate *predicates = vv_arena_zeroed(parse->arena, (count + 1) * sizeof *predicates);
    if (predicates == NULL) {
        return rows_nomem(parse, (count + 1) * sizeof *predicates);
    }
    for (size_t index = 0; index < count; index++) {
        VV_TRY(rows_predicate(parse, json_array_get(value, index), &predicates[index]));
    }
    query->predicates = predicates;
    query->predicate_count = count;
    return VARVE_OK;
}

/** "1m" or {"unit":"month","width":1}. */
static varve_status rows_every(const rows_parse *parse, const json_t *value, varve_bucket *bucket)
{
    static const char *const units[] = {"hour", "day", "week", "month", "quarter", "year", NULL};
    if (json_is_object(value)) {
        const json_t *width = json_object_get(value, "width");
        bucket->kind = VARVE_BUCKET_CALENDAR;
        bucket->width = width == NULL ? 1 : json_integer_value(width);
        if (bucket->width < 1) {
            return rows_bad(parse, "every", "\"width\" is to be at least 1");
        }
        return rows_word(parse, "every", json_object_get(value, "unit"), units, &bucket->unit);
    }
    varve_text text;
    int64_t ns;
    VV_TRY(rows_text(parse, "every", value, &text));
    VV_TRY(vv_duration_text_parse(text, &ns, parse->err));
    int64_t ns_per_unit = INT64_C(1000000000) / vv_precision_per_second(parse->precision);
    if (ns <= 0 || ns % ns_per_unit != 0 || !vv_duration_text_is_exact(text)) {
        return rows_bad(parse, "every",
                        "a bucket is a whole number of units of the database's precision, and at "
                        "least one");
    }
    bucket->kind = VARVE_BUCKET_FIXED;
    bucket->width = ns / ns_per_unit;
    return VARVE_OK;
}

static varve_status rows_origin(const rows_parse *parse, const json_t *value, varve_bucket *bucket)
{
    if (json_is_string(value) && vv_text_equal(vv_json_string(value), VV_TEXT("start"))) {
        bucket->flags |= VARVE_BUCKET_FROM_START;
        return VARVE_OK;
    }
    return rows_time(parse, "origin", value, &bucket->origin);
}

static varve_status rows_group(const rows_parse *parse, const char *key, const json_t *value,
                               varve_query_options *query)
{
    static const char *const groups[] = {"series", "all", NULL};
    if (strcmp(key, "group") == 0) {
        return rows_word(parse, key, value, groups, &query->grouping);
    }
    if (query->group_labels != NULL) {
        return rows_bad(parse, key, "\"by\" and \"without\" exclude each other");
    }
    query->grouping = strcmp(key, "by") == 0 ? VARVE_GROUP_BY : VARVE_GROUP_WITHOUT;
    return rows_texts(parse, key, value, &query->group_labels, &query->group_label_count);
}

static varve_status rows_order(const rows_parse *parse, const json_t *value,
                               varve_query_options *query)
{
    static const char *const orders[] = {"series", "given", "time", "arrival", "none", NULL};
    VV_TRY(rows_word(parse, "order", value, orders, &query->order));
    bool is_by_series = query->order != VARVE_ORDER_TIME && query->order != VARVE_ORDER_ARRIVAL;
    query->layout = is_by_series ? VARVE_LAYOUT_SERIES : VARVE_LAYOUT_TABLE;
    return VARVE_OK;
}

static varve_status rows_options(const rows_parse *parse, const char *key, const json_t *value,
                                 vv_rows_request *request)
{
    varve_query_options *query = &request->query;
    if (strcmp(key, "limit") == 0) {
        return rows_json_count(parse, key, value, &query->limit);
    }
    if (strcmp(key, "offset") == 0) {
        return rows_json_count(parse, key, value, &query->offset);
    }
    if (strcmp(key, "limit_per_series") == 0) {
        return rows_json_count(parse, key, value, &query->limit_per_series);
    }
    if (strcmp(key, "descending") == 0 && json_is_boolean(value)) {
        query->flags |= json_is_true(value) ? (uint32_t)VARVE_QUERY_DESCENDING : 0;
        return VARVE_OK;
    }
    if (strcmp(key, "precision") == 0) {
        varve_text text;
        VV_TRY(rows_text(parse, key, value, &text));
        return vv_precision_text_parse(text, request->unit, &request->unit)
                   ? VARVE_OK
                   : rows_bad(parse, key, "one of ns, us, ms, s");
    }
    if (strcmp(key, "timeout") == 0) {
        varve_text text;
        int64_t ns;
        VV_TRY(rows_text(parse, key, value, &text));
        varve_status status = vv_duration_text_parse(text, &ns, parse->err);
        if (status != VARVE_OK) {
            vv_error_prefix(parse->err, "\"%s\"", key);
            return status;
        }
        request->timeout_ms = ns <= 0 ? 1 : (uint64_t)ns / 1000000 + 1;
        return VARVE_OK;
    }
    return vv_fail(parse->err, VARVE_E_INVALID, "bad or unknown member \"%.64s\"", key);
}

static varve_status rows_member(const rows_parse *parse, const char *key, const json_t *value,
                                vv_rows_request *request)
{
    varve_query_options *query = &request->query;
    if (strcmp(key, "select") == 0) {
        return rows_select(parse, value, query);
    }
    if (strcmp(key, "fields") == 0) {
        return rows_fields(parse, value, query);
    }
    if (strcmp(key, "where") == 0) {
        return rows_where(parse, value, query);
    }
    if (strcmp(key, "start") == 0) {
        return rows_time(parse, key, value, &query->range.start);
    }
    if (strcmp(key, "end") == 0) {
        return rows_time(parse, key, value, &query->range.end);
    }
    if (strcmp(key, "every") == 0) {
        return rows_every(parse, value, &query->bucket);
    }
    if (strcmp(key, "origin") == 0) {
        return rows_origin(parse, value, &query->bucket);
    }
    if (strcmp(key, "zone") == 0) {
        return rows_text(parse, key, value, &query->bucket.zone);
    }
    if (strcmp(key, "by") == 0 || strcmp(key, "without") == 0 || strcmp(key, "group") == 0) {
        return rows_group(parse, key, value, query);
    }
    if (strcmp(key, "order") == 0) {
        return rows_order(parse, value, query);
    }
    if (strcmp(key, "nan") == 0) {
        return VARVE_OK; /* read before the others */
    }
    return rows_options(parse, key, value, request);
}

/** What members rule out together. */
static varve_status rows_check(const rows_parse *parse, const vv_rows_request *request)
{
    const varve_query_options *query = &request->query;
    if (query->bucket.zone.size > 0 && query->bucket.kind != VARVE_BUCKET_CALENDAR) {
        return rows_bad(parse, "zone", "needs \"every\" to name a unit of the calendar");
    }
    bool is_grouped = query->grouping == VARVE_GROUP_BY || query->grouping == VARVE_GROUP_WITHOUT;
    if (is_grouped && query->layout == VARVE_LAYOUT_TABLE) {
        return rows_bad(parse, "order", "groups by labels come in order \"series\"");
    }
    return VARVE_OK;
}

varve_status vv_rows_json_parse(varve_text text, uint32_t precision, int64_t now_ns,
                                vv_arena *arena, vv_rows_request *out_request, varve_error *out_err)
{
    rows_parse parse = {.arena = arena, .precision = precision, .now_ns = now_ns, .err = out_err};
    *out_request = (vv_rows_request){.unit = VARVE_PRECISION_MS};
    varve_query_options_init(&out_request->query);
    json_t *root;
    VV_TRY(vv_json_load(text, &root, out_err));
    varve_status status = VARVE_OK;
    const json_t *nan_rule = json_object_get(root, "nan");
    if (nan_rule != NULL) {
        status = rows_word(&parse, "nan", nan_rule, rows_nan_rules, &parse.nan_rule);
    }
    for (void *at = json_object_iter(root); status == VARVE_OK && at != NULL;
         at = json_object_iter_next(root, at)) {
        status =
            rows_member(&parse, json_object_iter_key(at), json_object_iter_value(at), out_request);
    }
    json_decref(root);
    return status == VARVE_OK ? rows_check(&parse, out_request) : status;
}

/* ---- the answer ---- */

void vv_rows_answer_begin(vv_rows_answer *answer, vv_json *json, uint32_t from, uint32_t unit)
{
    *answer = (vv_rows_answer){.json = json, .from = from, .unit = unit};
    vv_json_object_begin(json);
    vv_json_key_text(json, VV_TEXT("status"), VV_TEXT("success"));
    vv_json_key(json, VV_TEXT("data"));
    vv_json_array_begin(json);
}

static void rows_answer_close(vv_rows_answer *answer)
{
    if (answer->is_open) {
        vv_json_array_end(answer->json);
        vv_json_object_end(answer->json);
        answer->is_open = false;
    }
}

static uint64_t rows_answer_shape(const varve_block *block)
{
    uint64_t shape = block->column_count;
    for (size_t index = 0; index < block->column_count; index++) {
        varve_text name = block->column_names[index];
        shape = vv_hash64(name.data, name.size, shape + block->columns[index].type);
    }
    return shape;
}

static const char *rows_answer_type(const varve_column *column)
{
    const varve_column *source = column->codes != NULL ? column->dictionary : column;
    return source->type == VARVE_TYPE_MIXED ? "mixed" : varve_type_name(source->type);
}

static void rows_answer_open(vv_rows_answer *answer, const varve_block *block, varve_text metric,
                             const varve_label *labels, size_t label_count)
{
    vv_json *json = answer->json;
    vv_json_object_begin(json);
    vv_json_key(json, VV_TEXT("metric"));
    vv_json_object_begin(json);
    if (metric.size > 0) {
        vv_json_key_text(json, VV_TEXT("__name__"), metric);
    }
    for (size_t index = 0; index < label_count; index++) {
        vv_json_key_text(json, labels[index].name, labels[index].value);
    }
    vv_json_object_end(json);
    vv_json_key(json, VV_TEXT("columns"));
    vv_json_array_begin(json);
    vv_json_text(json, VV_TEXT("time"));
    for (size_t index = 0; index < block->column_count; index++) {
        vv_json_text(json, block->column_names[index]);
    }
    vv_json_array_end(json);
    vv_json_key(json, VV_TEXT("types"));
    vv_json_array_begin(json);
    vv_json_text(json, VV_TEXT("time"));
    for (size_t index = 0; index < block->column_count; index++) {
        vv_json_text(json, vv_text_from_string(rows_answer_type(&block->columns[index])));
    }
    vv_json_array_end(json);
    vv_json_key(json, VV_TEXT("rows"));
    vv_json_array_begin(json);
    answer->is_open = true;
}

static void rows_answer_row(vv_rows_answer *answer, const varve_block *block, size_t row)
{
    vv_json *json = answer->json;
    vv_json_array_begin(json);
    if (block->timestamps == NULL) {
        vv_json_null(json);
    } else {
        int64_t time = block->timestamps[row];
        int64_t from = vv_precision_per_second(answer->from);
        int64_t to = vv_precision_per_second(answer->unit);
        answer->has_lost = answer->has_lost || (from > to && time % (from / to) != 0);
        vv_json_i64(json, vv_time_convert_saturating(time, answer->from, answer->unit));
    }
    for (size_t index = 0; index < block->column_count; index++) {
        varve_value value = vv_column_value(&block->columns[index], row);
        vv_json_value(json, &value);
    }
    vv_json_array_end(json);
    answer->rows += 1;
}

void vv_rows_answer_block(vv_rows_answer *answer, const varve_block *block, vv_rows_name name,
                          void *context)
{
    answer->is_partial = answer->is_partial || (block->flags & VARVE_BLOCK_PARTIAL) != 0;
    uint64_t shape = rows_answer_shape(block);
    for (size_t row = 0; row < block->rows; row++) {
        varve_text metric = block->metric;
        const varve_label *labels = block->labels;
        size_t label_count = block->label_count;
        varve_series series = block->row_series != NULL ? block->row_series[row] : block->series;
        bool goes_on = answer->is_open && answer->series.id == series.id && answer->shape == shape;
        if (!goes_on) {
            rows_answer_close(answer);
            if (block->row_series != NULL &&
                name(context, series, &metric, &labels, &label_count) != VARVE_OK) {
                label_count = 0;
            }
            answer->series = series;
            answer->shape = shape;
            rows_answer_open(answer, block, metric, labels, label_count);
        }
        rows_answer_row(answer, block, row);
    }
    if ((block->flags & VARVE_BLOCK_LAST_OF_SERIES) != 0) {
        rows_answer_close(answer);
    }
}

void vv_rows_answer_end(vv_rows_answer *answer)
{
    rows_answer_close(answer);
    vv_json_array_end(answer->json);
    if (answer->is_partial || answer->has_lost) {
        vv_json_key(answer->json, VV_TEXT("warnings"));
        vv_json_array_begin(answer->json);
        if (answer->is_partial) {
            vv_json_text(answer->json, VV_TEXT("damaged parts were left out"));
        }
        if (answer->has_lost) {
            vv_json_text(answer->json, VV_TEXT("digits of times were cut"));
        }
        vv_json_array_end(answer->json);
    }
    vv_json_object_end(answer->json);
}
