/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON lines, read; wire/json_lines_write.c has the other direction, and
 * docs/reference/json-lines.md the form.
 *
 * J3  jansson never sees text that nests deeper than VV_JSON_LINE_DEPTH_MAX or has numbers longer
 *     than VV_JSON_NUMBER_SIZE_MAX: vv_json_scan looks first.
 * J4  What the parser allocates follows from elements that are there, never from a count in the
 *     text: every array of values is as long as "timestamps".
 * J5  A field without an entry in "types" is of the type that its values have: booleans are bool,
 *     objects are what they name, strings other than NaN and the infinities are string, all else
 *     is f64.
 */

#include "wire/json_lines.h"

#include <jansson.h>
#include <string.h>

#include "base/checked.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/labels.h"
#include "model/rows.h"
#include "model/value.h"
#include "wire/json_priv.h"

/* ---- before jansson ---- */

static bool json_scan_is_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/** The index behind a string that begins at `at`. */
static size_t json_scan_string(varve_text text, size_t at)
{
    at += 1;
    while (at < text.size && text.data[at] != '"') {
        at += text.data[at] == '\\' ? 2 : 1;
    }
    return at + 1;
}

varve_status vv_json_scan(varve_text text, uint32_t depth_max, varve_error *out_err)
{
    uint32_t depth = 0;
    size_t at = 0;
    while (at < text.size) {
        char c = text.data[at];
        if (c == '"') {
            at = json_scan_string(text, at);
            continue;
        }
        if (json_scan_is_number(c)) {
            size_t begin = at;
            while (at < text.size && json_scan_is_number(text.data[at])) {
                at += 1;
            }
            if (at - begin > VV_JSON_NUMBER_SIZE_MAX) {
                return vv_fail(out_err, VARVE_E_LIMIT, "a number is longer than %u characters",
                               VV_JSON_NUMBER_SIZE_MAX);
            }
            continue;
        }
        if (c == '{' || c == '[') {
            depth += 1;
            if (depth > depth_max) {
                return vv_fail(out_err, VARVE_E_LIMIT, "JSON nests deeper than %u", depth_max);
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth -= 1;
        }
        at += 1;
    }
    return VARVE_OK;
}

varve_status vv_json_load(varve_text text, json_t **out_root, varve_error *out_err)
{
    *out_root = NULL;
    VV_TRY(vv_json_scan(text, VV_JSON_LINE_DEPTH_MAX, out_err));
    json_error_t error;
    json_t *root = json_loadb(text.size == 0 ? "" : text.data, text.size,
                              JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "no JSON: %s at byte %d", error.text,
                       error.position);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return vv_fail(out_err, VARVE_E_INVALID, "no JSON object");
    }
    *out_root = root;
    return VARVE_OK;
}

varve_text vv_json_string(const json_t *value)
{
    return vv_text_make(json_string_value(value), json_string_length(value));
}

/* ---- values ---- */

bool vv_json_word_f64(varve_text text, double *out_value)
{
    static const struct {
        varve_text word;
        uint64_t bits;
    } words[] = {
        {VV_TEXT_INIT("NaN"), UINT64_C(0x7ff8000000000000)},
        {VV_TEXT_INIT("+Inf"), UINT64_C(0x7ff0000000000000)},
        {VV_TEXT_INIT("-Inf"), UINT64_C(0xfff0000000000000)},
        {VV_TEXT_INIT("Inf"), UINT64_C(0x7ff0000000000000)},
        {VV_TEXT_INIT("Infinity"), UINT64_C(0x7ff0000000000000)},
        {VV_TEXT_INIT("+Infinity"), UINT64_C(0x7ff0000000000000)},
        {VV_TEXT_INIT("-Infinity"), UINT64_C(0xfff0000000000000)},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(words); index++) {
        if (vv_text_equal(text, words[index].word)) {
            memcpy(out_value, &words[index].bits, sizeof *out_value);
            return true;
        }
    }
    uint8_t bytes[8];
    if (text.size != 20 || !vv_text_starts_with(text, VV_TEXT("NaN:")) ||
        !vv_text_parse_hex(vv_text_sub(text, 4, 16), bytes)) {
        return false;
    }
    uint64_t bits = 0;
    for (size_t index = 0; index < sizeof bytes; index++) {
        bits = bits << 8 | bytes[index];
    }
    memcpy(out_value, &bits, sizeof bits);
    return *out_value != *out_value; /* only NaNs are written so */
}

/** What goes wrong inside a value; the caller says where. */
static varve_status json_value_bad(const char *wanted, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_INVALID, "is no %s", wanted);
}

static varve_status json_f64(const json_t *value, double *out_value, varve_error *out_err)
{
    if (json_is_number(value)) {
        *out_value = json_number_value(value);
        return VARVE_OK;
    }
    if (json_is_string(value) && (vv_json_word_f64(vv_json_string(value), out_value) ||
                                  vv_text_parse_f64(vv_json_string(value), out_value))) {
        return VARVE_OK;
    }
    return json_value_bad("number", out_err);
}

static varve_status json_i64(const json_t *value, int64_t *out_value, varve_error *out_err)
{
    if (json_is_integer(value)) {
        *out_value = json_integer_value(value);
        return VARVE_OK;
    }
    if (json_is_string(value) && vv_text_parse_i64(vv_json_string(value), out_value)) {
        return VARVE_OK;
    }
    return json_value_bad("64-bit integer", out_err);
}

static varve_status json_u64(const json_t *value, uint64_t *out_value, varve_error *out_err)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out_value = (uint64_t)json_integer_value(value);
        return VARVE_OK;
    }
    if (json_is_string(value) && vv_text_parse_u64(vv_json_string(value), out_value)) {
        return VARVE_OK;
    }
    return json_value_bad("unsigned 64-bit integer", out_err);
}

static varve_status json_bytes(const json_t *value, vv_arena *arena, varve_text *out_bytes,
                               varve_error *out_err)
{
    varve_text text = vv_json_string(value);
    uint8_t *target = vv_arena_new(arena, text.size / 4 * 3 + 4);
    if (target == NULL) {
        return vv_arena_fail(arena, text.size, out_err);
    }
    size_t size;
    if (!vv_text_parse_base64(text, target, &size)) {
        return json_value_bad("base64", out_err);
    }
    *out_bytes = vv_text_make((const char *)target, size);
    return VARVE_OK;
}

/* ---- histograms ---- */

/** A member that is an array, or absent; its length is bounded by the line. */
static varve_status json_member_array(const json_t *object, const char *name,
                                      const json_t **out_array, size_t *out_count,
                                      varve_error *out_err)
{
    *out_array = json_object_get(object, name);
    *out_count = 0;
    if (*out_array == NULL) {
        return VARVE_OK;
    }
    if (!json_is_array(*out_array)) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%s\" is no array", name);
    }
    *out_count = json_array_size(*out_array);
    return VARVE_OK;
}

static varve_status json_spans(const json_t *object, const char *name, vv_arena *arena,
                               const varve_span **out_spans, size_t *out_count,
                               varve_error *out_err)
{
    const json_t *array;
    VV_TRY(json_member_array(object, name, &array, out_count, out_err));
    varve_span *spans = vv_arena_array(arena, *out_count + 1, sizeof *spans);
    if (spans == NULL) {
        return vv_arena_fail(arena, (*out_count + 1) * sizeof *spans, out_err);
    }
    for (size_t index = 0; index < *out_count; index++) {
        const json_t *pair = json_array_get(array, index);
        int64_t offset;
        uint64_t length;
        if (!json_is_array(pair) || json_array_size(pair) != 2) {
            return vv_fail(out_err, VARVE_E_INVALID, "\"%s\" has no pairs", name);
        }
        VV_TRY(json_i64(json_array_get(pair, 0), &offset, out_err));
        VV_TRY(json_u64(json_array_get(pair, 1), &length, out_err));
        if (offset < INT32_MIN || offset > INT32_MAX || length > UINT32_MAX) {
            return vv_fail(out_err, VARVE_E_INVALID, "\"%s\" has a number out of range", name);
        }
        spans[index] = (varve_span){.offset = (int32_t)offset, .length = (uint32_t)length};
    }
    *out_spans = spans;
    return VARVE_OK;
}

static varve_status json_doubles(const json_t *object, const char *name, vv_arena *arena,
                                 const double **out_values, size_t *out_count, varve_error *out_err)
{
    const json_t *array;
    VV_TRY(json_member_array(object, name, &array, out_count, out_err));
    double *values = vv_arena_array(arena, *out_count + 1, sizeof *values);
    if (values == NULL) {
        return vv_arena_fail(arena, (*out_count + 1) * sizeof *values, out_err);
    }
    for (size_t index = 0; index < *out_count; index++) {
        VV_TRY(json_f64(json_array_get(array, index), &values[index], out_err));
    }
    *out_values = values;
    return VARVE_OK;
}

static varve_status json_deltas(const json_t *object, const char *name, vv_arena *arena,
                                const int64_t **out_values, size_t *out_count, varve_error *out_err)
{
    const json_t *array;
    VV_TRY(json_member_array(object, name, &array, out_count, out_err));
    int64_t *values = vv_arena_array(arena, *out_count + 1, sizeof *values);
    if (values == NULL) {
        return vv_arena_fail(arena, (*out_count + 1) * sizeof *values, out_err);
    }
    for (size_t index = 0; index < *out_count; index++) {
        VV_TRY(json_i64(json_array_get(array, index), &values[index], out_err));
    }
    *out_values = values;
    return VARVE_OK;
}

static varve_status json_count(const json_t *object, const char *name, bool is_float,
                               varve_count *out_count, varve_error *out_err)
{
    const json_t *value = json_object_get(object, name);
    return is_float ? json_f64(value, &out_count->f64, out_err)
                    : json_u64(value, &out_count->u64, out_err);
}

static varve_status json_histogram_head(const json_t *object, varve_histogram *histogram,
                                        varve_error *out_err)
{
    bool is_float = json_is_true(json_object_get(object, "float"));
    histogram->flags = is_float ? VARVE_HISTOGRAM_FLOAT : 0;
    int64_t schema = 0;
    uint64_t hint = 0;
    VV_TRY(json_i64(json_object_get(object, "schema"), &schema, out_err));
    if (json_object_get(object, "reset_hint") != NULL) {
        VV_TRY(json_u64(json_object_get(object, "reset_hint"), &hint, out_err));
    }
    if (schema < INT32_MIN || schema > INT32_MAX || hint > UINT32_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "has a schema or hint out of range");
    }
    histogram->schema = (int32_t)schema;
    histogram->reset_hint = (uint32_t)hint;
    VV_TRY(
        json_f64(json_object_get(object, "zero_threshold"), &histogram->zero_threshold, out_err));
    VV_TRY(json_f64(json_object_get(object, "sum"), &histogram->sum, out_err));
    VV_TRY(json_count(object, "count", is_float, &histogram->count, out_err));
    return json_count(object, "zero_count", is_float, &histogram->zero_count, out_err);
}

static varve_status json_histogram(const json_t *object, vv_arena *arena,
                                   const varve_histogram **out_histogram, varve_error *out_err)
{
    varve_histogram *h = vv_arena_zeroed(arena, sizeof *h);
    if (h == NULL) {
        return vv_arena_fail(arena, sizeof *h, out_err);
    }
    VV_TRY(json_histogram_head(object, h, out_err));
    VV_TRY(json_spans(object, "positive_spans", arena, &h->positive_spans, &h->positive_span_count,
                      out_err));
    VV_TRY(json_spans(object, "negative_spans", arena, &h->negative_spans, &h->negative_span_count,
                      out_err));
    if ((h->flags & VARVE_HISTOGRAM_FLOAT) != 0) {
        VV_TRY(json_doubles(object, "positive_buckets", arena, &h->positive_counts,
                            &h->positive_bucket_count, out_err));
        VV_TRY(json_doubles(object, "negative_buckets", arena, &h->negative_counts,
                            &h->negative_bucket_count, out_err));
    } else {
        VV_TRY(json_deltas(object, "positive_buckets", arena, &h->positive_deltas,
                           &h->positive_bucket_count, out_err));
        VV_TRY(json_deltas(object, "negative_buckets", arena, &h->negative_deltas,
                           &h->negative_bucket_count, out_err));
    }
    VV_TRY(json_doubles(object, "custom_values", arena, &h->custom_values, &h->custom_value_count,
                        out_err));
    varve_value value = {.type = VARVE_TYPE_HISTOGRAM, .as.histogram = h};
    VV_TRY(vv_value_check(&value, out_err));
    *out_histogram = h;
    return VARVE_OK;
}

varve_status vv_json_histogram_parse(varve_text text, vv_arena *arena,
                                     const varve_histogram **out_histogram, varve_error *out_err)
{
    json_t *root;
    VV_TRY(vv_json_load(text, &root, out_err));
    varve_status status = json_histogram(root, arena, out_histogram, out_err);
    json_decref(root);
    return status;
}

/* ---- columns ---- */

/** The type a value has by itself (J5); NONE for null. */
static uint32_t json_natural_type(const json_t *value)
{
    double ignored;
    if (json_is_null(value)) {
        return VARVE_TYPE_NONE;
    }
    if (json_is_boolean(value)) {
        return VARVE_TYPE_BOOL;
    }
    if (json_is_object(value)) {
        return json_object_get(value, "histogram") != NULL ? VARVE_TYPE_HISTOGRAM
                                                           : VARVE_TYPE_BYTES;
    }
    if (json_is_string(value) && !vv_json_word_f64(vv_json_string(value), &ignored)) {
        return VARVE_TYPE_STRING;
    }
    return VARVE_TYPE_F64;
}

/** The type of a column without an entry in "types": that of its first value which decides. */
static uint32_t json_column_type(const json_t *array)
{
    uint32_t type = VARVE_TYPE_F64;
    for (size_t index = 0; index < json_array_size(array); index++) {
        uint32_t natural = json_natural_type(json_array_get(array, index));
        if (natural != VARVE_TYPE_NONE && natural != VARVE_TYPE_F64) {
            return natural;
        }
    }
    return type;
}

static varve_status json_value(const json_t *source, uint32_t type, vv_arena *arena,
                               varve_value *out_value, varve_error *out_err)
{
    out_value->type = type;
    switch (type) {
    case VARVE_TYPE_F64:
        return json_f64(source, &out_value->as.f64, out_err);
    case VARVE_TYPE_I64:
        return json_i64(source, &out_value->as.i64, out_err);
    case VARVE_TYPE_U64:
        return json_u64(source, &out_value->as.u64, out_err);
    case VARVE_TYPE_BOOL:
        out_value->as.boolean = json_is_true(source);
        return json_is_boolean(source) ? VARVE_OK : json_value_bad("boolean", out_err);
    case VARVE_TYPE_HISTOGRAM: {
        const json_t *inner = json_object_get(source, "histogram");
        return json_is_object(inner)
                   ? json_histogram(inner, arena, &out_value->as.histogram, out_err)
                   : json_value_bad("histogram", out_err);
    }
    default: /* string and bytes are one family: each value says what it is */
        break;
    }
    if (json_is_string(source)) {
        out_value->type = VARVE_TYPE_STRING;
        return vv_arena_copy(arena, vv_json_string(source), &out_value->as.bytes) == VARVE_OK
                   ? VARVE_OK
                   : vv_arena_fail(arena, json_string_length(source), out_err);
    }
    const json_t *inner = json_object_get(source, "bytes");
    out_value->type = VARVE_TYPE_BYTES;
    return json_is_string(inner) ? json_bytes(inner, arena, &out_value->as.bytes, out_err)
                                 : json_value_bad("string or bytes", out_err);
}

static varve_status json_column(const json_t *array, varve_text name, uint32_t type,
                                vv_arena *arena, varve_value *values, size_t count,
                                varve_error *out_err)
{
    if (!json_is_array(array) || json_array_size(array) != count) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "\"%.*s\" is no array as long as \"timestamps\" (%zu)", VV_TEXT_ARGS(name),
                       count);
    }
    if (type == VARVE_TYPE_NONE) {
        type = json_column_type(array);
    }
    for (size_t index = 0; index < count; index++) {
        const json_t *source = json_array_get(array, index);
        values[index] = (varve_value){.type = VARVE_TYPE_NONE};
        if (json_is_null(source)) {
            continue;
        }
        varve_status status = json_value(source, type, arena, &values[index], out_err);
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "\"%.*s\", element %zu", VV_TEXT_ARGS(name), index + 1);
            return status;
        }
    }
    return VARVE_OK;
}

static varve_status json_named_type(const json_t *types, const char *name, size_t name_size,
                                    uint32_t *out_type, varve_error *out_err)
{
    *out_type = VARVE_TYPE_NONE;
    const json_t *word = types == NULL ? NULL : json_object_getn(types, name, name_size);
    if (word == NULL) {
        return VARVE_OK;
    }
    for (uint32_t type = VARVE_TYPE_F64; type <= VARVE_TYPE_HISTOGRAM; type++) {
        if (json_is_string(word) &&
            vv_text_equal(vv_json_string(word), vv_text_from_string(vv_type_name(type)))) {
            *out_type = type;
            return VARVE_OK;
        }
    }
    return vv_fail(out_err, VARVE_E_INVALID, "\"types\": no type for \"%.*s\"",
                   (int)(name_size < 128 ? name_size : 128), name);
}

/* ---- lines ---- */

static varve_status json_line_metric(json_t *metric, vv_arena *arena, vv_json_line *line,
                                     varve_error *out_err)
{
    if (!json_is_object(metric)) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"metric\" is no object");
    }
    size_t most = json_object_size(metric);
    line->labels = vv_arena_array(arena, most + 1, sizeof *line->labels);
    if (line->labels == NULL) {
        return vv_arena_fail(arena, (most + 1) * sizeof *line->labels, out_err);
    }
    bool has_name = false;
    for (void *at = json_object_iter(metric); at != NULL; at = json_object_iter_next(metric, at)) {
        const json_t *value = json_object_iter_value(at);
        varve_label label;
        varve_text name = vv_text_make(json_object_iter_key(at), json_object_iter_key_len(at));
        if (!json_is_string(value)) {
            return vv_fail(out_err, VARVE_E_INVALID, "label \"%.*s\" is no string",
                           VV_TEXT_ARGS(name));
        }
        if (vv_arena_copy(arena, name, &label.name) != VARVE_OK ||
            vv_arena_copy(arena, vv_json_string(value), &label.value) != VARVE_OK) {
            return vv_arena_fail(arena, json_string_length(value), out_err);
        }
        if (vv_text_equal(label.name, VV_TEXT(VV_METRIC_LABEL))) {
            line->metric = label.value;
            has_name = true;
            continue;
        }
        line->labels[line->label_count] = label;
        line->label_count += 1;
    }
    vv_labels_sort(line->labels, line->label_count);
    return has_name ? VARVE_OK
                    : vv_fail(out_err, VARVE_E_INVALID, "\"metric\" has no \"__name__\"");
}

static varve_status json_line_times(const json_t *times, vv_arena *arena, vv_json_line *line,
                                    varve_error *out_err)
{
    if (!json_is_array(times)) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"timestamps\" is no array");
    }
    size_t count = json_array_size(times);
    int64_t *target = vv_arena_array(arena, count + 1, sizeof *target);
    if (target == NULL) {
        return vv_arena_fail(arena, (count + 1) * sizeof *target, out_err);
    }
    for (size_t index = 0; index < count; index++) {
        const json_t *value = json_array_get(times, index);
        bool is_whole = json_is_integer(value);
        if (is_whole) {
            target[index] = json_integer_value(value);
        } else if (json_is_real(value)) {
            is_whole = vv_i64_of_f64(json_real_value(value), &target[index]);
        }
        if (!is_whole) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "\"timestamps\", element %zu is no whole number", index + 1);
        }
    }
    line->timestamps = target;
    line->row_count = count;
    return VARVE_OK;
}

/** The names of "fields", sorted; "value" where there is only "values". */
static varve_status json_line_names(json_t *fields, vv_arena *arena, vv_json_line *line,
                                    varve_error *out_err)
{
    size_t count = fields == NULL ? 1 : json_object_size(fields);
    varve_text *names = vv_arena_array(arena, count + 1, sizeof *names);
    if (names == NULL) {
        return vv_arena_fail(arena, (count + 1) * sizeof *names, out_err);
    }
    names[0] = VV_TEXT("value");
    size_t at = 0;
    for (void *iter = fields == NULL ? NULL : json_object_iter(fields); iter != NULL;
         iter = json_object_iter_next(fields, iter)) {
        varve_text key = vv_text_make(json_object_iter_key(iter), json_object_iter_key_len(iter));
        if (vv_arena_copy(arena, key, &names[at]) != VARVE_OK) {
            return vv_arena_fail(arena, key.size, out_err);
        }
        at += 1;
    }
    vv_text_sort(names, count);
    line->names = names;
    line->field_count = count;
    return count <= VV_ROW_FIELDS_MAX
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_LIMIT, "more than %d fields", (int)VV_ROW_FIELDS_MAX);
}

static varve_status json_line_columns(json_t *root, vv_arena *arena, vv_json_line *line,
                                      varve_error *out_err)
{
    json_t *single = json_object_get(root, "values");
    json_t *fields = json_object_get(root, "fields");
    const json_t *types = json_object_get(root, "types");
    if ((single == NULL) == (fields == NULL)) {
        return vv_fail(out_err, VARVE_E_INVALID, "either \"values\" or \"fields\" is needed");
    }
    if ((fields != NULL && !json_is_object(fields)) || (types != NULL && !json_is_object(types))) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"fields\" and \"types\" are objects");
    }
    VV_TRY(json_line_names(fields, arena, line, out_err));
    /* Lengths first (J4): the product is then at most the number of elements in the text. */
    for (size_t index = 0; fields != NULL && index < line->field_count; index++) {
        varve_text name = line->names[index];
        if (json_array_size(json_object_getn(fields, name.data, name.size)) != line->row_count) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "\"%.*s\" is no array as long as \"timestamps\" (%zu)",
                           VV_TEXT_ARGS(name), line->row_count);
        }
    }
    size_t cells;
    if ((single != NULL && json_array_size(single) != line->row_count) ||
        !vv_mul_size(line->field_count, line->row_count, &cells)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "\"values\" is no array as long as \"timestamps\"");
    }
    varve_value *values = vv_arena_array(arena, cells + 1, sizeof *values);
    if (values == NULL) {
        return vv_arena_fail(arena, (cells + 1) * sizeof *values, out_err);
    }
    for (size_t index = 0; index < line->field_count; index++) {
        varve_text name = line->names[index];
        const json_t *array =
            single != NULL ? single : json_object_getn(fields, name.data, name.size);
        uint32_t type;
        VV_TRY(json_named_type(types, name.data, name.size, &type, out_err));
        VV_TRY(json_column(array, name, type, arena, values + index * line->row_count,
                           line->row_count, out_err));
    }
    line->values = values;
    return VARVE_OK;
}

static varve_status json_line_members(json_t *root, varve_error *out_err)
{
    static const char *const known[] = {"metric", "values", "fields", "types", "timestamps"};
    for (void *at = json_object_iter(root); at != NULL; at = json_object_iter_next(root, at)) {
        bool is_known = false;
        for (size_t index = 0; index < VV_ARRAY_COUNT(known); index++) {
            is_known = is_known || strcmp(json_object_iter_key(at), known[index]) == 0;
        }
        if (!is_known) {
            return vv_fail(out_err, VARVE_E_INVALID, "unknown member \"%.64s\"",
                           json_object_iter_key(at));
        }
    }
    return VARVE_OK;
}

varve_status vv_json_lines_parse(varve_text line, vv_arena *arena, vv_json_line *out_line,
                                 varve_error *out_err)
{
    *out_line = (vv_json_line){.row_count = 0};
    json_t *root;
    VV_TRY(vv_json_load(line, &root, out_err));
    varve_status status = json_line_members(root, out_err);
    if (status == VARVE_OK) {
        status = json_line_metric(json_object_get(root, "metric"), arena, out_line, out_err);
    }
    if (status == VARVE_OK) {
        status = json_line_times(json_object_get(root, "timestamps"), arena, out_line, out_err);
    }
    if (status == VARVE_OK) {
        status = json_line_columns(root, arena, out_line, out_err);
    }
    json_decref(root);
    return status;
}
