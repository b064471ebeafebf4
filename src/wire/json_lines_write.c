/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows to JSON lines; wire/json_lines.c reads them.
 *
 * J1  A reader that knows nothing of "types" takes numbers for floats, so a column of floats needs
 *     no entry there, and the lines of a database of floats are those that other tools write.
 * J2  A NaN whose bits are not those of the quiet NaN is written with them: "NaN:7ff0000000000002".
 */

#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "model/rows.h"
#include "model/time_range.h"
#include "wire/json_lines.h"

/* The quiet NaN that "NaN" stands for. */
#define JSON_NAN_BITS UINT64_C(0x7ff8000000000000)

varve_value vv_column_value(const varve_column *column, size_t row)
{
    varve_value value = {.type = VARVE_TYPE_NONE};
    if (!vv_column_has(column, row)) {
        return value;
    }
    size_t at = row;
    const varve_column *source = column;
    if (column->codes != NULL && column->dictionary != NULL) {
        at = column->codes[row];
        source = column->dictionary;
        if (at >= column->dictionary_count) {
            return value;
        }
    }
    value.type = source->type;
    switch (source->type) {
    case VARVE_TYPE_F64:
        value.as.f64 = ((const double *)source->values)[at];
        break;
    case VARVE_TYPE_I64:
        value.as.i64 = ((const int64_t *)source->values)[at];
        break;
    case VARVE_TYPE_U64:
        value.as.u64 = ((const uint64_t *)source->values)[at];
        break;
    case VARVE_TYPE_BOOL:
        value.as.boolean = ((const uint8_t *)source->values)[at] != 0;
        break;
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        if (source->offsets != NULL) {
            const char *bytes = source->values;
            int32_t begin = source->offsets[at];
            value.as.bytes = (varve_text){.data = bytes + begin,
                                          .size = (size_t)(source->offsets[at + 1] - begin)};
        } else {
            value.as.bytes = ((const varve_text *)source->values)[at];
        }
        if (source->marks != NULL) {
            bool is_bytes = ((source->marks[at / 64] >> (at % 64)) & 1) != 0;
            value.type = is_bytes ? VARVE_TYPE_BYTES : VARVE_TYPE_STRING;
        }
        break;
    case VARVE_TYPE_HISTOGRAM:
        value.as.histogram = &((const varve_histogram *)source->values)[at];
        break;
    case VARVE_TYPE_MIXED:
        value = ((const varve_value *)source->values)[at];
        break;
    default:
        value.type = VARVE_TYPE_NONE;
        break;
    }
    return value;
}

varve_status vv_columns_sort(const varve_block *block, vv_arena *arena,
                             const varve_text **out_names, const varve_column **out_columns,
                             varve_error *out_err)
{
    size_t count = block->column_count;
    *out_names = block->column_names;
    *out_columns = block->columns;
    bool is_sorted = true;
    for (size_t index = 1; index < count; index++) {
        is_sorted = is_sorted && vv_text_compare(block->column_names[index - 1],
                                                 block->column_names[index]) <= 0;
    }
    if (is_sorted) {
        return VARVE_OK;
    }
    varve_text *names = vv_arena_array(arena, count, sizeof *names);
    varve_column *columns = vv_arena_array(arena, count, sizeof *columns);
    if (names == NULL || columns == NULL) {
        return vv_arena_fail(arena, count * sizeof *columns, out_err);
    }
    /* Insertion: columns are few, and mostly in order. */
    for (size_t index = 0; index < count; index++) {
        size_t at = index;
        while (at > 0 && vv_text_compare(names[at - 1], block->column_names[index]) > 0) {
            names[at] = names[at - 1];
            columns[at] = columns[at - 1];
            at -= 1;
        }
        names[at] = block->column_names[index];
        columns[at] = block->columns[index];
    }
    *out_names = names;
    *out_columns = columns;
    return VARVE_OK;
}

/* ---- values ---- */

static void json_lines_f64(vv_json *json, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bool is_nan = (bits & INT64_MAX) > UINT64_C(0x7ff0000000000000);
    if (!is_nan || bits == JSON_NAN_BITS) {
        vv_json_f64(json, value);
        return;
    }
    char text[24];
    vv_text_format(text, sizeof text, "NaN:%016llx", (unsigned long long)bits);
    vv_json_text(json, vv_text_from_string(text));
}

/** {"bytes":"BASE64"}, encoded in pieces of a fixed size. */
static void json_lines_bytes(vv_json *json, varve_text bytes)
{
    /* A piece of 3 * 256 bytes gives exactly 1024 characters, so pieces join without padding. */
    char text[1024];
    vv_json_object_begin(json);
    vv_json_key(json, VV_TEXT("bytes"));
    vv_json_raw(json, VV_TEXT("\""));
    for (size_t at = 0; at < bytes.size; at += 768) {
        size_t left = bytes.size - at;
        size_t size = vv_text_print_base64(text, bytes.data + at, left < 768 ? left : 768);
        vv_buf_append(json->buf, text, size);
    }
    vv_buf_append_char(json->buf, '"');
    vv_json_object_end(json);
}

static void json_lines_count(vv_json *json, varve_text key, varve_count count, bool is_float)
{
    vv_json_key(json, key);
    if (is_float) {
        json_lines_f64(json, count.f64);
    } else {
        vv_json_u64(json, count.u64);
    }
}

static void json_lines_spans(vv_json *json, varve_text key, const varve_span *spans, size_t count)
{
    vv_json_key(json, key);
    vv_json_array_begin(json);
    for (size_t index = 0; index < count; index++) {
        vv_json_array_begin(json);
        vv_json_i64(json, spans[index].offset);
        vv_json_u64(json, spans[index].length);
        vv_json_array_end(json);
    }
    vv_json_array_end(json);
}

static void json_lines_buckets(vv_json *json, varve_text key, const int64_t *deltas,
                               const double *counts, size_t count)
{
    vv_json_key(json, key);
    vv_json_array_begin(json);
    for (size_t index = 0; index < count; index++) {
        if (counts != NULL) {
            json_lines_f64(json, counts[index]);
        } else {
            vv_json_i64(json, deltas[index]);
        }
    }
    vv_json_array_end(json);
}

static void json_lines_histogram(vv_json *json, const varve_histogram *histogram)
{
    bool is_float = (histogram->flags & VARVE_HISTOGRAM_FLOAT) != 0;
    vv_json_object_begin(json);
    vv_json_key(json, VV_TEXT("histogram"));
    vv_json_object_begin(json);
    vv_json_key_bool(json, VV_TEXT("float"), is_float);
    vv_json_key_i64(json, VV_TEXT("schema"), histogram->schema);
    vv_json_key_u64(json, VV_TEXT("reset_hint"), histogram->reset_hint);
    vv_json_key(json, VV_TEXT("zero_threshold"));
    json_lines_f64(json, histogram->zero_threshold);
    vv_json_key(json, VV_TEXT("sum"));
    json_lines_f64(json, histogram->sum);
    json_lines_count(json, VV_TEXT("count"), histogram->count, is_float);
    json_lines_count(json, VV_TEXT("zero_count"), histogram->zero_count, is_float);
    json_lines_spans(json, VV_TEXT("positive_spans"), histogram->positive_spans,
                     histogram->positive_span_count);
    json_lines_buckets(json, VV_TEXT("positive_buckets"), histogram->positive_deltas,
                       histogram->positive_counts, histogram->positive_bucket_count);
    json_lines_spans(json, VV_TEXT("negative_spans"), histogram->negative_spans,
                     histogram->negative_span_count);
    json_lines_buckets(json, VV_TEXT("negative_buckets"), histogram->negative_deltas,
                       histogram->negative_counts, histogram->negative_bucket_count);
    vv_json_key(json, VV_TEXT("custom_values"));
    vv_json_array_begin(json);
    for (size_t index = 0; index < histogram->custom_value_count; index++) {
        json_lines_f64(json, histogram->custom_values[index]);
    }
    vv_json_array_end(json);
    vv_json_object_end(json);
    vv_json_object_end(json);
}

void vv_json_value(vv_json *json, const varve_value *value)
{
    switch (value->type) {
    case VARVE_TYPE_F64:
        json_lines_f64(json, value->as.f64);
        break;
    case VARVE_TYPE_I64:
        vv_json_i64(json, value->as.i64);
        break;
    case VARVE_TYPE_U64:
        vv_json_u64(json, value->as.u64);
        break;
    case VARVE_TYPE_BOOL:
        vv_json_bool(json, value->as.boolean);
        break;
    case VARVE_TYPE_BYTES:
        json_lines_bytes(json, value->as.bytes);
        break;
    case VARVE_TYPE_STRING:
        vv_json_text(json, value->as.bytes);
        break;
    case VARVE_TYPE_HISTOGRAM:
        json_lines_histogram(json, value->as.histogram);
        break;
    default:
        vv_json_null(json);
        break;
    }
}

void vv_json_metric(vv_json *json, varve_text metric, const varve_label *labels, size_t count)
{
    vv_json_object_begin(json);
    vv_json_key_text(json, VV_TEXT("__name__"), metric);
    for (size_t index = 0; index < count; index++) {
        vv_json_key_text(json, labels[index].name, labels[index].value);
    }
    vv_json_object_end(json);
}

/* ---- lines ---- */

/** Whether all values of a column of the bytes family are BYTES. */
static bool json_lines_all_bytes(const vv_json_rows *rows, const varve_column *column)
{
    for (size_t row = rows->begin; row < rows->end; row++) {
        if (vv_column_value(column, row).type == VARVE_TYPE_STRING) {
            return false;
        }
    }
    return true;
}

/** The type that "types" has to name: NONE where a reader finds it alone (J1). */
static uint32_t json_lines_named_type(const vv_json_rows *rows, const varve_column *column)
{
    uint32_t type = column->codes != NULL ? column->dictionary->type : column->type;
    switch (type) {
    case VARVE_TYPE_I64:
    case VARVE_TYPE_U64:
    case VARVE_TYPE_HISTOGRAM:
        return type;
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        return json_lines_all_bytes(rows, column) ? VARVE_TYPE_BYTES : VARVE_TYPE_STRING;
    default:
        return VARVE_TYPE_NONE;
    }
}

static bool json_lines_has_rows(const vv_json_rows *rows, const varve_column *column)
{
    for (size_t row = rows->begin; row < rows->end; row++) {
        if (vv_column_has(column, row)) {
            return true;
        }
    }
    return false;
}

static void json_lines_values(vv_json *json, const vv_json_rows *rows, const varve_column *column,
                              bool skips_absent)
{
    vv_json_array_begin(json);
    for (size_t row = rows->begin; row < rows->end; row++) {
        if (skips_absent && !vv_column_has(column, row)) {
            continue;
        }
        varve_value value = vv_column_value(column, row);
        vv_json_value(json, &value);
    }
    vv_json_array_end(json);
}

/** only_present: the column whose rows count; NULL: all. */
static void json_lines_times(vv_json *json, const vv_json_rows *rows,
                             const varve_column *only_present, bool *out_lost)
{
    vv_json_key(json, VV_TEXT("timestamps"));
    vv_json_array_begin(json);
    int64_t from = vv_precision_per_second(rows->from);
    int64_t to = vv_precision_per_second(rows->unit);
    for (size_t row = rows->begin; row < rows->end; row++) {
        if (only_present != NULL && !vv_column_has(only_present, row)) {
            continue;
        }
        int64_t time = rows->timestamps[row];
        if (from != to) {
            *out_lost = *out_lost || (from > to && time % (from / to) != 0);
            time = vv_time_convert_saturating(time, rows->from, rows->unit);
        }
        vv_json_i64(json, time);
    }
    vv_json_array_end(json);
}

static void json_lines_types_begin(vv_json *json, bool *has_types)
{
    if (!*has_types) {
        vv_json_key(json, VV_TEXT("types"));
        vv_json_object_begin(json);
        *has_types = true;
    }
}

/** A line whose only field is `value`, or one field under a name of its own. */
static void json_lines_single(vv_json *json, const vv_json_rows *rows, varve_text metric,
                              const varve_column *column, bool *out_lost)
{
    vv_json_object_begin(json);
    vv_json_key(json, VV_TEXT("metric"));
    vv_json_metric(json, metric, rows->labels, rows->label_count);
    uint32_t type = json_lines_named_type(rows, column);
    if (type != VARVE_TYPE_NONE) {
        vv_json_key(json, VV_TEXT("types"));
        vv_json_object_begin(json);
        vv_json_key_text(json, VV_TEXT("value"), vv_text_from_string(varve_type_name(type)));
        vv_json_object_end(json);
    }
    vv_json_key(json, VV_TEXT("values"));
    json_lines_values(json, rows, column, true);
    json_lines_times(json, rows, column, out_lost);
    vv_json_object_end(json);
    vv_json_between(json, VV_TEXT("\n"));
}

static void json_lines_fields(vv_json *json, const vv_json_rows *rows, bool *out_lost)
{
    vv_json_object_begin(json);
    vv_json_key(json, VV_TEXT("metric"));
    vv_json_metric(json, rows->metric, rows->labels, rows->label_count);
    bool has_types = false;
    for (size_t index = 0; index < rows->column_count; index++) {
        uint32_t type = json_lines_named_type(rows, &rows->columns[index]);
        if (type != VARVE_TYPE_NONE) {
            json_lines_types_begin(json, &has_types);
            vv_json_key_text(json, rows->names[index], vv_text_from_string(varve_type_name(type)));
        }
    }
    if (has_types) {
        vv_json_object_end(json);
    }
    vv_json_key(json, VV_TEXT("fields"));
    vv_json_object_begin(json);
    for (size_t index = 0; index < rows->column_count; index++) {
        vv_json_key(json, rows->names[index]);
        json_lines_values(json, rows, &rows->columns[index], false);
    }
    vv_json_object_end(json);
    json_lines_times(json, rows, NULL, out_lost);
    vv_json_object_end(json);
    vv_json_between(json, VV_TEXT("\n"));
}

/** The series metric_field of each field; `value` keeps the metric alone. */
static void json_lines_split(vv_json *json, const vv_json_rows *rows, bool *out_lost)
{
    /* Names that are too long are cut between characters; they could not be stored again. */
    char name[VV_METRIC_BYTES_MAX + 1 + VV_FIELD_NAME_BYTES_MAX];
    for (size_t index = 0; index < rows->column_count; index++) {
        varve_text field = rows->names[index];
        varve_text metric = rows->metric;
        if (!json_lines_has_rows(rows, &rows->columns[index])) {
            continue;
        }
        if (!vv_text_equal(field, VV_TEXT("value")) && metric.size <= VV_METRIC_BYTES_MAX &&
            field.size <= VV_FIELD_NAME_BYTES_MAX) {
            memcpy(name, metric.data, metric.size);
            name[metric.size] = '_';
            memcpy(name + metric.size + 1, field.data, field.size);
            metric = vv_text_make(name, metric.size + 1 + field.size);
        }
        json_lines_single(json, rows, metric, &rows->columns[index], out_lost);
    }
}

void vv_json_lines_write(vv_json *json, const vv_json_rows *rows, bool *out_lost)
{
    if (rows->begin >= rows->end || rows->column_count == 0) {
        return;
    }
    if (rows->splits_fields) {
        json_lines_split(json, rows, out_lost);
    } else if (rows->column_count == 1 && vv_text_equal(rows->names[0], VV_TEXT("value"))) {
        json_lines_single(json, rows, rows->metric, &rows->columns[0], out_lost);
    } else {
        json_lines_fields(json, rows, out_lost);
    }
}

/** About how many characters a value takes. */
static size_t json_lines_size(const varve_value *value)
{
    switch (value->type) {
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        /* Base64 and escapes: a control character takes six. Twice the size is a fair guess. */
        return 16 + value->as.bytes.size * 2;
    case VARVE_TYPE_HISTOGRAM:
        return 256 +
               26 * (value->as.histogram->positive_bucket_count +
                     value->as.histogram->negative_bucket_count +
                     value->as.histogram->custom_value_count) +
               16 * (value->as.histogram->positive_span_count +
                     value->as.histogram->negative_span_count);
    default:
        return 20;
    }
}

size_t vv_json_lines_fit(const vv_json_rows *rows, size_t bytes_max)
{
    size_t bytes = 0;
    size_t row = rows->begin;
    while (row < rows->end) {
        bytes += 21;
        for (size_t index = 0; index < rows->column_count; index++) {
            varve_value value = vv_column_value(&rows->columns[index], row);
            bytes += json_lines_size(&value);
        }
        if (bytes > bytes_max && row > rows->begin) {
            break;
        }
        row += 1;
    }
    return row - rows->begin;
}
