/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From options to a plan: arguments checked and copied, selections resolved to series in the order
 * of output, wanted fields resolved to ids and types.
 */

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/vec.h"
#include "engine/db.h"
#include "engine/scan.h"
#include "index/catalogue.h"
#include "model/labels.h"
#include "model/predicate.h"
#include "model/selection.h"
#include "model/time_range.h"
#include "model/value.h"
#include "query/cursor_priv.h"

enum { PLAN_OUTPUTS_MAX = 4096, PLAN_PREDICATES_MAX = 256, PLAN_GROUP_LABELS_MAX = 64 };

/* ---- checks ---- */

static varve_status plan_check_enum(const char *what, uint32_t value, uint32_t most,
                                    varve_error *out_err)
{
    return value <= most
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_INVALID, "query: %s %u is not known", what, value);
}

static varve_status plan_check(const varve_query_options *options, varve_error *out_err)
{
    VV_TRY(plan_check_enum("grouping", options->grouping, VARVE_GROUP_WITHOUT, out_err));
    VV_TRY(plan_check_enum("order", options->order, VARVE_ORDER_NONE, out_err));
    VV_TRY(plan_check_enum("layout", options->layout, VARVE_LAYOUT_ROWS, out_err));
    VV_TRY(plan_check_enum("kind of bucket", options->bucket.kind, VARVE_BUCKET_CALENDAR, out_err));
    uint32_t known = VARVE_QUERY_DESCENDING | VARVE_QUERY_STORED_TIMES | VARVE_QUERY_PARTIAL |
                     VARVE_QUERY_ROW_IDS | VARVE_QUERY_INTERNAL | VARVE_QUERY_NO_STATISTICS;
    if ((options->flags & ~known) != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "query: unknown flags 0x%x",
                       options->flags & ~known);
    }
    VV_TRY(vv_range_check(options->range, out_err));
    if (options->output_count > PLAN_OUTPUTS_MAX ||
        options->predicate_count > PLAN_PREDICATES_MAX ||
        options->group_label_count > PLAN_GROUP_LABELS_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_QUERY_SHAPE,
                             "query: at most %d outputs, %d predicates, %d group labels",
                             PLAN_OUTPUTS_MAX, PLAN_PREDICATES_MAX, PLAN_GROUP_LABELS_MAX);
    }
    if ((options->outputs == NULL && options->output_count > 0) ||
        (options->predicates == NULL && options->predicate_count > 0) ||
        (options->selections == NULL && options->selection_count > 0) ||
        (options->group_labels == NULL && options->group_label_count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "query: a count is set, its array is NULL");
    }
    if (options->block_rows_max == 0 || options->block_bytes_max == 0) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "query: block_rows_max and block_bytes_max must not be 0");
    }
    return VARVE_OK;
}

/** What the kind of query and the layouts rule out. */
static varve_status plan_check_shape(const vv_plan *plan, varve_error *out_err)
{
    bool is_by_series = plan->order == VARVE_ORDER_SERIES || plan->order == VARVE_ORDER_GIVEN ||
                        plan->order == VARVE_ORDER_NONE;
    if (plan->layout == VARVE_LAYOUT_SERIES && !is_by_series) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "query: orders TIME and ARRIVAL need layout TABLE or ROWS");
    }
    if (plan->is_aggregate && plan->order == VARVE_ORDER_ARRIVAL) {
        return vv_fail(out_err, VARVE_E_INVALID, "query: aggregates have no order of arrival");
    }
    if (plan->is_aggregate && plan->layout == VARVE_LAYOUT_ROWS) {
        return vv_fail(out_err, VARVE_E_INVALID, "query: layout ROWS is for rows, not aggregates");
    }
    if (!plan->is_aggregate && plan->grouping != VARVE_GROUP_SERIES) {
        return vv_fail(out_err, VARVE_E_INVALID, "query: grouping needs aggregates");
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].kind != VARVE_OUTPUT_FIELD &&
            (plan->layout != VARVE_LAYOUT_TABLE || plan->grouping != VARVE_GROUP_SERIES)) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "query: label and metric outputs need layout TABLE and one output per "
                           "series");
        }
    }
    return VARVE_OK;
}

/* ---- outputs and predicates ---- */

static varve_status plan_output(varve_cursor *cursor, const varve_output *given,
                                vv_plan_output *output, varve_error *out_err)
{
    VV_TRY(plan_check_enum("kind of output", given->kind, VARVE_OUTPUT_METRIC, out_err));
    VV_TRY(plan_check_enum("aggregation", given->aggregation, VARVE_AGG_LAST_TIME, out_err));
    VV_TRY(plan_check_enum("nan_rule", given->nan_rule, VARVE_NAN_PROPAGATE, out_err));
    if (given->as_type != 0 && given->as_type != VARVE_TYPE_F64) {
        return vv_fail(out_err, VARVE_E_INVALID, "query: an output converts to f64 only");
    }
    if (given->aggregation == VARVE_AGG_QUANTILE &&
        !(given->parameter >= 0.0 && given->parameter <= 1.0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "query: a quantile's parameter lies in 0..1");
    }
    *output = (vv_plan_output){
        .kind = given->kind,
        .aggregation = given->aggregation,
        .nan_rule = given->nan_rule,
        .as_type = given->as_type,
        .parameter = given->parameter,
    };
    if (vv_arena_copy(&cursor->arena, given->name, &output->name) != VARVE_OK) {
        return vv_cursor_memory(cursor, out_err);
    }
    if (given->kind == VARVE_OUTPUT_FIELD) {
        VV_TRY(vv_field_name_check(given->name, out_err));
        uint32_t field = 0;
        varve_status status = vv_catalogue_field(cursor->db->catalogue, given->name,
                                                 /* existing_only */ true, &field, out_err);
        if (status != VARVE_OK && status != VARVE_E_NOT_FOUND) {
            return status;
        }
        output->field = status == VARVE_OK ? field : 0;
    } else if (given->aggregation != VARVE_AGG_NONE) {
        return vv_fail(out_err, VARVE_E_INVALID, "query: labels and metrics are not aggregated");
    }
    return VARVE_OK;
}

static varve_status plan_outputs(varve_cursor *cursor, const varve_query_options *options,
                                 vv_plan *plan, varve_error *out_err)
{
    size_t raw = 0;
    size_t aggregates = 0;
    plan->outputs =
        vv_arena_zeroed(&cursor->arena, (options->output_count + 1) * sizeof *plan->outputs);
    if (plan->outputs == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < options->output_count; i++) {
        VV_TRY(plan_output(cursor, &options->outputs[i], &plan->outputs[i], out_err));
        if (plan->outputs[i].kind == VARVE_OUTPUT_FIELD) {
            raw += plan->outputs[i].aggregation == VARVE_AGG_NONE;
            aggregates += plan->outputs[i].aggregation != VARVE_AGG_NONE;
        }
    }
    plan->output_count = options->output_count;
    plan->wants_all_fields = raw + aggregates == 0;
    if (plan->bucket.kind != VARVE_BUCKET_NONE) {
        /* A raw output in a bucket is the last value of the bucket. */
        for (size_t i = 0; i < plan->output_count; i++) {
            if (plan->outputs[i].kind == VARVE_OUTPUT_FIELD &&
                plan->outputs[i].aggregation == VARVE_AGG_NONE) {
                plan->outputs[i].aggregation = VARVE_AGG_LAST;
            }
        }
        plan->is_aggregate = true;
        return VARVE_OK;
    }
    if (raw > 0 && aggregates > 0) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "query: raw and aggregated outputs do not mix without buckets");
    }
    plan->is_aggregate = aggregates > 0;
    return VARVE_OK;
}

static varve_status plan_predicates(varve_cursor *cursor, const varve_query_options *options,
                                    vv_plan *plan, varve_error *out_err)
{
    size_t count = options->predicate_count;
    plan->predicates = vv_arena_zeroed(&cursor->arena, (count + 1) * sizeof *plan->predicates);
    plan->predicate_fields =
        vv_arena_zeroed(&cursor->arena, (count + 1) * sizeof *plan->predicate_fields);
    if (plan->predicates == NULL || plan->predicate_fields == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        varve_predicate own = options->predicates[i];
        if (vv_arena_copy(&cursor->arena, own.field, &own.field) != VARVE_OK ||
            (vv_type_family(own.value.type) == VARVE_TYPE_STRING &&
             vv_arena_copy(&cursor->arena, own.value.as.bytes, &own.value.as.bytes) != VARVE_OK)) {
            return vv_cursor_memory(cursor, out_err);
        }
        VV_TRY(vv_predicate_compile(&own, &plan->predicates[i], out_err));
        uint32_t field = 0;
        varve_status status = vv_catalogue_field(cursor->db->catalogue, own.field,
                                                 /* existing_only */ true, &field, out_err);
        if (status != VARVE_OK && status != VARVE_E_NOT_FOUND) {
            return status;
        }
        plan->predicate_fields[i] = status == VARVE_OK ? field : 0;
    }
    plan->predicate_count = count;
    return VARVE_OK;
}

static int plan_compare_u32(const void *a, const void *b)
{
    uint32_t x;
    uint32_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/** The fields that scans must decode: of outputs and predicates, ascending, each once. */
static varve_status plan_fields(varve_cursor *cursor, vv_plan *plan, varve_error *out_err)
{
    if (plan->wants_all_fields) {
        plan->fields = NULL;
        return VARVE_OK;
    }
    size_t most = plan->output_count + plan->predicate_count + 1;
    plan->fields = vv_arena_array(&cursor->arena, most, sizeof *plan->fields);
    if (plan->fields == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    size_t count = 0;
    for (size_t i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].field != 0) {
            plan->fields[count++] = plan->outputs[i].field;
        }
    }
    for (size_t i = 0; i < plan->predicate_count; i++) {
        if (plan->predicate_fields[i] != 0) {
            plan->fields[count++] = plan->predicate_fields[i];
        }
    }
    qsort(plan->fields, count, sizeof *plan->fields, plan_compare_u32);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || plan->fields[kept - 1] != plan->fields[i]) {
            plan->fields[kept++] = plan->fields[i];
        }
    }
    plan->field_count = kept;
    return VARVE_OK;
}

/* ---- types ---- */

/** The type of a field in a schema; NONE: not there. */
static uint32_t plan_schema_type(const vv_schema *schema, uint32_t field)
{
    for (uint32_t at = 0; at < schema->count; at++) {
        if (schema->fields[at].field == field) {
            return schema->fields[at].type;
        }
    }
    return VARVE_TYPE_NONE;
}

/** A bit for each type that the field has in some schema. */
static uint32_t plan_listed_types(const varve_cursor *cursor, const uint32_t *series, size_t count,
                                  uint32_t field)
{
    uint32_t types = 0;
    const vv_schema *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const vv_schema *schema = vv_catalogue_schema(cursor->db->catalogue, series[i]);
        if (schema != last) { /* series of one metric mostly share theirs */
            types |= UINT32_C(1) << plan_schema_type(schema, field);
            last = schema;
        }
    }
    return types & ~(UINT32_C(1) << VARVE_TYPE_NONE);
}

/** Of these types, those that a visible row holds. A schema keeps what it had after its rows were
 *  deleted; what cannot be read is taken to hold them. */
static varve_status plan_visible_types(varve_cursor *cursor, const uint32_t *series, size_t count,
                                       uint32_t field, uint32_t *types, varve_error *out_err)
{
    uint32_t listed = *types;
    uint32_t visible = 0;
    for (size_t i = 0; i < count && visible != listed; i++) {
        const vv_schema *schema = vv_catalogue_schema(cursor->db->catalogue, series[i]);
        uint32_t bit = listed & (UINT32_C(1) << plan_schema_type(schema, field));
        if ((bit & ~visible) == 0) {
            continue;
        }
        bool exists;
        varve_error error;
        VV_TRY(vv_cursor_poll(cursor, out_err));
        varve_status status =
            vv_scan_field_exists(cursor->view, series[i], field, cursor->scratch, &exists, &error);
        bool is_unreadable = status == VARVE_E_CORRUPT || status == VARVE_E_IO;
        if (status != VARVE_OK && !is_unreadable) {
            if (out_err != NULL) {
                *out_err = error;
            }
            return status;
        }
        visible |= is_unreadable || exists ? bit : 0;
    }
    *types = visible;
    return VARVE_OK;
}

/** NONE, the only one, or MIXED. */
static uint32_t plan_only_type(uint32_t types)
{
    uint32_t type = VARVE_TYPE_NONE;
    for (uint32_t has = 1; has <= VARVE_TYPE_HISTOGRAM; has++) {
        if ((types & (UINT32_C(1) << has)) != 0) {
            type = type == VARVE_TYPE_NONE ? has : (uint32_t)VARVE_TYPE_MIXED;
        }
    }
    return type;
}

/** Types that are numbers, and others. */
static void plan_split_types(uint32_t types, bool *out_has_number, bool *out_has_other)
{
    *out_has_number = false;
    *out_has_other = false;
    for (uint32_t has = 1; has <= VARVE_TYPE_HISTOGRAM; has++) {
        bool is_in = (types & (UINT32_C(1) << has)) != 0;
        *out_has_number = *out_has_number || (is_in && vv_type_is_number(has));
        *out_has_other = *out_has_other || (is_in && !vv_type_is_number(has));
    }
}

varve_status vv_plan_type(varve_cursor *cursor, const uint32_t *series, size_t count,
                          uint32_t field, bool is_aggregate, uint32_t *out_type,
                          bool *out_is_numeric, varve_error *out_err)
{
    bool has_number;
    bool has_other;
    uint32_t types = field == 0 ? 0 : plan_listed_types(cursor, series, count, field);
    plan_split_types(types, &has_number, &has_other);
    /* Rows are only looked at where it matters: where types meet, or may be refused. */
    if (plan_only_type(types) == VARVE_TYPE_MIXED || (is_aggregate && has_other)) {
        VV_TRY(plan_visible_types(cursor, series, count, field, &types, out_err));
        plan_split_types(types, &has_number, &has_other);
    }
    *out_type = plan_only_type(types);
    *out_is_numeric = has_number && !has_other;
    if (has_number && has_other && is_aggregate) {
        varve_text name = vv_catalogue_field_name(cursor->db->catalogue, field);
        return vv_fail(out_err, VARVE_E_INVALID,
                       "field %.*s is a number in some of the series and none in others; select "
                       "them apart",
                       (int)(name.size < 100 ? name.size : 100), name.data);
    }
    return VARVE_OK;
}

typedef struct plan_named_field {
    varve_text name;
    uint32_t field;
} plan_named_field;

static int plan_compare_named(const void *a, const void *b)
{
    plan_named_field x;
    plan_named_field y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return vv_text_compare(x.name, y.name);
}

/** Every field of every series becomes an output, in order of names; for fixed columns and buckets.
 */
static varve_status plan_all_fields(varve_cursor *cursor, vv_plan *plan, uint32_t aggregation,
                                    varve_error *out_err)
{
    uint32_t known = vv_catalogue_field_count(cursor->db->catalogue);
    uint64_t *has = vv_arena_zeroed(&cursor->arena, vv_bits_words(known + 1) * 8);
    if (has == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    const vv_schema *last = NULL;
    for (size_t i = 0; i < plan->series_count; i++) {
        const vv_schema *schema = vv_catalogue_schema(cursor->db->catalogue, plan->series[i]);
        for (uint32_t at = 0; schema != last && at < schema->count; at++) {
            if (schema->fields[at].field <= known) {
                vv_bits_set(has, schema->fields[at].field);
            }
        }
        last = schema;
    }
    size_t count = vv_bits_count(has, 0, known + 1);
    plan_named_field *named = vv_arena_array(&cursor->arena, count + 1, sizeof *named);
    vv_plan_output *outputs =
        vv_arena_zeroed(&cursor->arena, (count + plan->output_count + 1) * sizeof *outputs);
    if (named == NULL || outputs == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    size_t found = 0;
    for (uint32_t field = 1; field <= known; field++) {
        if (vv_bits_get(has, field)) {
            named[found].name = vv_catalogue_field_name(cursor->db->catalogue, field);
            named[found++].field = field;
        }
    }
    qsort(named, count, sizeof *named, plan_compare_named);
    memcpy(outputs, plan->outputs, plan->output_count * sizeof *outputs);
    for (size_t i = 0; i < count; i++) {
        outputs[plan->output_count + i] = (vv_plan_output){.kind = VARVE_OUTPUT_FIELD,
                                                           .aggregation = aggregation,
                                                           .name = named[i].name,
                                                           .field = named[i].field};
    }
    plan->outputs = outputs;
    plan->output_count += count;
    plan->wants_all_fields = false;
    return VARVE_OK;
}

/** Types of the columns of a TABLE. */
static varve_status plan_types(varve_cursor *cursor, vv_plan *plan, varve_error *out_err)
{
    for (size_t i = 0; i < plan->output_count; i++) {
        vv_plan_output *output = &plan->outputs[i];
        bool is_numeric;
        VV_TRY(vv_cursor_poll(cursor, out_err));
        if (output->kind != VARVE_OUTPUT_FIELD) {
            output->type = VARVE_TYPE_STRING;
            continue;
        }
        VV_TRY(vv_plan_type(cursor, plan->series, plan->series_count, output->field,
                            plan->is_aggregate, &output->type, &is_numeric, out_err));
        if (output->as_type == VARVE_TYPE_F64 && output->type != VARVE_TYPE_NONE) {
            if (!is_numeric) {
                return vv_fail(out_err, VARVE_E_INVALID, "field %.*s is no number",
                               (int)(output->name.size < 100 ? output->name.size : 100),
                               output->name.data);
            }
            output->type = VARVE_TYPE_F64;
        }
        if (output->type == VARVE_TYPE_NONE) {
            output->type = VARVE_TYPE_F64; /* no series has it: a column without values */
        }
    }
    return VARVE_OK;
}

static varve_status plan_group_labels(varve_cursor *cursor, const varve_query_options *options,
                                      vv_plan *plan, varve_error *out_err)
{
    plan->group_labels =
        vv_arena_array(&cursor->arena, options->group_label_count + 1, sizeof *plan->group_labels);
    if (plan->group_labels == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < options->group_label_count; i++) {
        varve_text name;
        VV_TRY(vv_label_name_check(options->group_labels[i], out_err));
        if (vv_arena_copy(&cursor->arena, options->group_labels[i], &name) != VARVE_OK) {
            return vv_cursor_memory(cursor, out_err);
        }
        size_t at = plan->group_label_count;
        while (at > 0 && vv_text_compare(plan->group_labels[at - 1], name) > 0) {
            at--;
        }
        if (at > 0 && vv_text_equal(plan->group_labels[at - 1], name)) {
            continue;
        }
        memmove(plan->group_labels + at + 1, plan->group_labels + at,
                (plan->group_label_count - at) * sizeof name);
        plan->group_labels[at] = name;
        plan->group_label_count++;
    }
    return VARVE_OK;
}

/** Fields that predicates compare with what they can never hold. */
static varve_status plan_check_predicates(varve_cursor *cursor, const vv_plan *plan,
                                          varve_error *out_err)
{
    for (size_t i = 0; i < plan->predicate_count; i++) {
        uint32_t type;
        bool is_numeric;
        VV_TRY(vv_cursor_poll(cursor, out_err));
        VV_TRY(vv_plan_type(cursor, plan->series, plan->series_count, plan->predicate_fields[i],
                            /* is_aggregate */ false, &type, &is_numeric, out_err));
        if (type != VARVE_TYPE_NONE && type != VARVE_TYPE_MIXED) {
            VV_TRY(vv_predicate_check_type(&plan->predicates[i], type, out_err));
        }
    }
    return VARVE_OK;
}

/** Blocks have room for as many rows as their bytes allow, so that wide ones do not reserve more.
 */
static void plan_limit_rows(vv_plan *plan)
{
    uint64_t fit = plan->block_bytes_max / (16 + 8 * (uint64_t)plan->output_count);
    fit = fit == 0 ? 1 : fit;
    plan->block_rows_max = plan->block_rows_max < fit ? plan->block_rows_max : fit;
}

varve_status vv_plan_make(varve_cursor *cursor, const varve_query_options *options,
                          vv_plan **out_plan, varve_error *out_err)
{
    VV_TRY(plan_check(options, out_err));
    vv_plan *plan = vv_arena_zeroed(&cursor->arena, sizeof *plan);
    if (plan == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    plan->flags = options->flags;
    plan->grouping = options->grouping;
    plan->order = options->order;
    plan->layout = options->layout;
    plan->range = options->range;
    plan->after_row_id = options->after_row_id;
    plan->limit = options->limit;
    plan->offset = options->offset;
    plan->limit_per_series = options->limit_per_series;
    plan->block_rows_max = options->block_rows_max < VV_VECTOR_ROWS_MAX
                               ? options->block_rows_max
                               : (uint64_t)VV_VECTOR_ROWS_MAX;
    plan->block_bytes_max = options->block_bytes_max;
    plan->scanned_rows_max = options->scanned_rows_max;
    plan->bucket = options->bucket;
    if (vv_arena_copy(&cursor->arena, options->bucket.zone, &plan->bucket.zone) != VARVE_OK) {
        return vv_cursor_memory(cursor, out_err);
    }
    plan->with_row_ids = (options->flags & VARVE_QUERY_ROW_IDS) != 0 || options->after_row_id > 0 ||
                         options->order == VARVE_ORDER_ARRIVAL;
    VV_TRY(plan_outputs(cursor, options, plan, out_err));
    VV_TRY(plan_predicates(cursor, options, plan, out_err));
    VV_TRY(plan_group_labels(cursor, options, plan, out_err));
    VV_TRY(plan_check_shape(plan, out_err));
    VV_TRY(vv_plan_select(cursor, options, plan, out_err));
    bool needs_columns = plan->layout != VARVE_LAYOUT_SERIES || plan->is_aggregate;
    if (plan->wants_all_fields && needs_columns) {
        VV_TRY(plan_all_fields(
            cursor, plan, plan->is_aggregate ? (uint32_t)VARVE_AGG_LAST : (uint32_t)VARVE_AGG_NONE,
            out_err));
    }
    VV_TRY(plan_fields(cursor, plan, out_err));
    VV_TRY(plan_check_predicates(cursor, plan, out_err));
    VV_TRY(plan_types(cursor, plan, out_err));
    plan_limit_rows(plan);
    *out_plan = plan;
    return VARVE_OK;
}

varve_status vv_plan_copy(varve_cursor *part, const vv_plan *plan, size_t begin, size_t end,
                          vv_plan **out_plan, varve_error *out_err)
{
    vv_arena *arena = &part->arena;
    vv_plan *copy = vv_arena_new(arena, sizeof *copy);
    if (copy == NULL) {
        return vv_cursor_memory(part, out_err);
    }
    *copy = *plan;
    size_t series = end - begin;
    copy->series_count = series;
    copy->series = vv_arena_array(arena, series + 1, sizeof *copy->series);
    copy->outputs = vv_arena_array(arena, plan->output_count + 1, sizeof *copy->outputs);
    copy->fields = plan->fields == NULL
                       ? NULL
                       : vv_arena_array(arena, plan->field_count + 1, sizeof *copy->fields);
    copy->predicates = vv_arena_array(arena, plan->predicate_count + 1, sizeof *copy->predicates);
    copy->predicate_fields =
        vv_arena_array(arena, plan->predicate_count + 1, sizeof *copy->predicate_fields);
    copy->group_labels = NULL; /* only GROUP_SERIES is split */
    copy->group_label_count = 0;
    copy->is_typed = plan->is_aggregate && plan->layout == VARVE_LAYOUT_TABLE;
    if (vv_arena_copy(arena, plan->bucket.zone, &copy->bucket.zone) != VARVE_OK) {
        return vv_cursor_memory(part, out_err);
    }
    if (copy->series == NULL || copy->outputs == NULL || copy->predicates == NULL ||
        copy->predicate_fields == NULL || (plan->fields != NULL && copy->fields == NULL)) {
        return vv_cursor_memory(part, out_err);
    }
    for (size_t i = 0; i < series; i++) {
        copy->series[i] = plan->series[begin + i];
    }
    for (size_t i = 0; i < plan->field_count && plan->fields != NULL; i++) {
        copy->fields[i] = plan->fields[i];
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        copy->outputs[i] = plan->outputs[i];
        if (vv_arena_copy(arena, plan->outputs[i].name, &copy->outputs[i].name) != VARVE_OK) {
            return vv_cursor_memory(part, out_err);
        }
    }
    for (size_t i = 0; i < plan->predicate_count; i++) {
        vv_predicate *predicate = &copy->predicates[i];
        *predicate = plan->predicates[i];
        copy->predicate_fields[i] = plan->predicate_fields[i];
        if (vv_arena_copy(arena, predicate->field, &predicate->field) != VARVE_OK ||
            vv_arena_copy(arena, predicate->bytes, &predicate->bytes) != VARVE_OK) {
            return vv_cursor_memory(part, out_err);
        }
    }
    *out_plan = copy;
    return VARVE_OK;
}
