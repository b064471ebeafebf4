/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Columns of a caller. They may be strided, cut by offsets, coded by a dictionary, and have
 * anything where a row has no value; what goes on to log and head is packed and zero there (R1 to
 * R5 of model/rows.h). A column that is so already is borrowed, after its values were checked.
 */

#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/status.h"
#include "engine/batch_priv.h"
#include "index/catalogue.h"
#include "model/histogram.h"
#include "model/value.h"

/** A column being converted. */
typedef struct convert {
    varve_batch *batch;
    const varve_column *given;
    const varve_column *source; /* holds the values: given, or its dictionary */
    size_t rows;
    uint32_t field;
    const uint64_t *present; /* of the result; NULL: all */
} convert;

/** Say of which row and field a failure is; returns its status. */
static varve_status columns_refuse(const convert *at, size_t row, varve_status status,
                                   varve_error *out_err)
{
    vv_batch_prefix(at->batch, at->batch->row_count + row, at->field, out_err);
    return status;
}

/** Index in source of the value of a row. */
static inline size_t columns_index(const convert *at, size_t row)
{
    return at->given->codes != NULL ? at->given->codes[row] : row;
}

static inline bool columns_has(const convert *at, size_t row)
{
    return at->present == NULL || vv_bits_get(at->present, row);
}

/** Address of a value that is width bytes wide. */
static inline const uint8_t *columns_value(const convert *at, size_t row, size_t width)
{
    int64_t stride = at->source->stride == 0 ? (int64_t)width : at->source->stride;
    return (const uint8_t *)at->source->values + stride * (int64_t)columns_index(at, row);
}

static varve_status columns_fail_nomem(size_t rows, varve_error *out_err)
{
    return vv_fail_nomem(out_err, "batch", rows * 8);
}

/* ---- which rows have a value ---- */

static varve_status columns_set_present(convert *at, varve_error *out_err)
{
    const uint64_t *given = at->given->present;
    const uint64_t *coded = at->given->codes != NULL ? at->source->present : NULL;
    at->present = NULL;
    if (given == NULL && coded == NULL) {
        return VARVE_OK;
    }
    size_t words = vv_bits_words(at->rows);
    uint64_t *present = vv_arena_array(&at->batch->arena, words, sizeof *present);
    if (present == NULL) {
        return columns_fail_nomem(words, out_err);
    }
    for (size_t i = 0; i < words; i++) {
        present[i] = given == NULL ? UINT64_MAX : given[i];
    }
    if (at->rows % 64 != 0) { /* bits behind the last row are nobody's */
        present[words - 1] &= (UINT64_C(1) << (at->rows % 64)) - 1;
    }
    for (size_t row = 0; coded != NULL && row < at->rows; row++) {
        if (vv_bits_get(present, row) && !vv_bits_get(coded, at->given->codes[row])) {
            vv_bits_clear(present, row);
        }
    }
    if (vv_bits_count(present, 0, at->rows) < at->rows) {
        at->present = present;
    }
    return VARVE_OK;
}

static varve_status columns_check_codes(const convert *at, varve_error *out_err)
{
    const varve_column *given = at->given;
    if (given->codes == NULL) {
        return VARVE_OK;
    }
    for (size_t row = 0; row < at->rows; row++) {
        bool has = given->present == NULL || vv_bits_get(given->present, row);
        if (has && given->codes[row] >= given->dictionary_count) {
            varve_status status =
                vv_fail(out_err, VARVE_E_INVALID, "code %u, but the dictionary has %zu values",
                        given->codes[row], given->dictionary_count);
            return columns_refuse(at, row, status, out_err);
        }
    }
    return VARVE_OK;
}

/* ---- numbers ---- */

static varve_status columns_numbers(const convert *at, varve_column *out, varve_error *out_err)
{
    size_t width = vv_type_width(out->type);
    bool is_packed = at->given->codes == NULL &&
                     (at->source->stride == 0 || at->source->stride == (int64_t)width) &&
                     (uintptr_t)at->source->values % width == 0;
    if (is_packed && at->present == NULL) {
        out->values = at->source->values;
        return VARVE_OK;
    }
    uint8_t *values = vv_arena_zeroed(&at->batch->arena, at->rows * width);
    if (values == NULL) {
        return columns_fail_nomem(at->rows, out_err);
    }
    for (size_t row = 0; row < at->rows; row++) {
        if (columns_has(at, row)) {
            memcpy(values + row * width, columns_value(at, row, width), width);
        }
    }
    out->values = values;
    return VARVE_OK;
}

/** Bytes that are neither 0 nor 1 mean true, as in C. */
static varve_status columns_bools(const convert *at, varve_column *out, varve_error *out_err)
{
    VV_TRY(columns_numbers(at, out, out_err));
    const uint8_t *given = out->values;
    uint8_t seen = 0;
    for (size_t row = 0; row < at->rows; row++) {
        seen |= given[row];
    }
    if (seen <= 1) {
        return VARVE_OK;
    }
    uint8_t *values = vv_arena_new(&at->batch->arena, at->rows);
    if (values == NULL) {
        return columns_fail_nomem(at->rows / 8, out_err);
    }
    for (size_t row = 0; row < at->rows; row++) {
        values[row] = given[row] != 0 ? 1 : 0;
    }
    out->values = values;
    return VARVE_OK;
}

/* ---- texts ---- */

/** Whether the value of a row is BYTES. */
static bool columns_is_bytes(const convert *at, size_t row)
{
    if (at->given->marks != NULL) {
        return vv_bits_get(at->given->marks, row);
    }
    if (at->source->marks != NULL) {
        return vv_bits_get(at->source->marks, columns_index(at, row));
    }
    return at->given->type == VARVE_TYPE_BYTES;
}

static varve_status columns_text(const convert *at, size_t row, varve_text *out_text,
                                 varve_error *out_err)
{
    if (at->source->offsets == NULL) {
        memcpy(out_text, columns_value(at, row, sizeof *out_text), sizeof *out_text);
        return VARVE_OK;
    }
    size_t index = columns_index(at, row);
    int32_t begin = at->source->offsets[index];
    int32_t end = at->source->offsets[index + 1];
    if (begin < 0 || end < begin) {
        varve_status status =
            vv_fail(out_err, VARVE_E_INVALID, "offsets go from %d to %d", begin, end);
        return columns_refuse(at, row, status, out_err);
    }
    const char *bytes = at->source->values;
    *out_text = vv_text_make(bytes == NULL ? NULL : bytes + begin, (size_t)(end - begin));
    return VARVE_OK;
}

static varve_status columns_check_text(const convert *at, size_t row, varve_text text,
                                       varve_error *out_err)
{
    varve_value value = {
        .type = columns_is_bytes(at, row) ? VARVE_TYPE_BYTES : VARVE_TYPE_STRING,
        .as.bytes = text,
    };
    varve_status status = vv_value_check(&value, out_err);
    return status == VARVE_OK ? VARVE_OK : columns_refuse(at, row, status, out_err);
}

/** Marks of the rows; NULL where all have the column's type. */
static varve_status columns_set_marks(const convert *at, varve_column *out, varve_error *out_err)
{
    if (at->given->marks == NULL && at->source->marks == NULL) {
        return VARVE_OK;
    }
    uint64_t *marks = vv_arena_zeroed(&at->batch->arena, vv_bits_words(at->rows) * sizeof *marks);
    if (marks == NULL) {
        return columns_fail_nomem(vv_bits_words(at->rows), out_err);
    }
    for (size_t row = 0; row < at->rows; row++) {
        if (columns_has(at, row) && columns_is_bytes(at, row)) {
            vv_bits_set(marks, row);
        }
    }
    out->marks = marks;
    out->type = VARVE_TYPE_STRING;
    return VARVE_OK;
}

static varve_status columns_texts(const convert *at, varve_column *out, varve_error *out_err)
{
    bool is_packed =
        at->given->codes == NULL && at->source->offsets == NULL &&
        (at->source->stride == 0 || at->source->stride == (int64_t)sizeof(varve_text)) &&
        (uintptr_t)at->source->values % _Alignof(varve_text) == 0;
    varve_text *texts = NULL;
    out->values = at->source->values;
    if (!is_packed || at->present != NULL) {
        texts = vv_arena_zeroed(&at->batch->arena, at->rows * sizeof *texts);
        if (texts == NULL) {
            return columns_fail_nomem(2 * at->rows, out_err);
        }
        out->values = texts;
    }
    for (size_t row = 0; row < at->rows; row++) {
        if (columns_has(at, row)) {
            varve_text text;
            VV_TRY(columns_text(at, row, &text, out_err));
            VV_TRY(columns_check_text(at, row, text, out_err));
            if (texts != NULL) {
                texts[row] = text;
            }
        }
    }
    return columns_set_marks(at, out, out_err);
}

/* ---- histograms ---- */

static varve_status columns_histogram(const convert *at, size_t row, varve_text *out_text,
                                      varve_error *out_err)
{
    varve_histogram histogram;
    memcpy(&histogram, columns_value(at, row, sizeof histogram), sizeof histogram);
    varve_status status = vv_histogram_check(&histogram, out_err);
    if (status != VARVE_OK) {
        return columns_refuse(at, row, status, out_err);
    }
    size_t size = vv_histogram_size(&histogram);
    uint8_t *bytes = vv_arena_aligned(&at->batch->arena, size, 1);
    if (bytes == NULL) {
        return columns_fail_nomem(size / 8, out_err);
    }
    VV_IGNORE(vv_histogram_write(&histogram, bytes)); /* writes size bytes */
    *out_text = vv_text_make((const char *)bytes, size);
    return VARVE_OK;
}

static varve_status columns_histograms(const convert *at, varve_column *out, varve_error *out_err)
{
    varve_text *texts = vv_arena_zeroed(&at->batch->arena, at->rows * sizeof *texts);
    if (texts == NULL) {
        return columns_fail_nomem(2 * at->rows, out_err);
    }
    for (size_t row = 0; row < at->rows; row++) {
        if (columns_has(at, row)) {
            VV_TRY(columns_histogram(at, row, &texts[row], out_err));
        }
    }
    out->values = texts;
    return VARVE_OK;
}

/* ---- all ---- */

static varve_status columns_check(const convert *at, varve_error *out_err)
{
    const varve_column *given = at->given;
    const varve_column *source = at->source;
    varve_text name = vv_catalogue_field_name(at->batch->db->catalogue, at->field);
    if (given->type < VARVE_TYPE_F64 || given->type > VARVE_TYPE_HISTOGRAM) {
        return vv_fail(out_err, VARVE_E_INVALID, "column \"%.*s\" has the type %s",
                       VV_TEXT_ARGS(name), vv_type_name(given->type));
    }
    bool has_offsets = source->offsets != NULL;
    bool is_text = vv_type_family(given->type) == VARVE_TYPE_STRING;
    if (given->flags != 0 || (has_offsets && !is_text) ||
        (source->values == NULL && !has_offsets)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "column \"%.*s\": flags 0x%x must be 0, values must be there, and offsets "
                       "go with bytes and strings only",
                       VV_TEXT_ARGS(name), given->flags);
    }
    if (given->codes != NULL &&
        (source->type != given->type || source->codes != NULL || source->flags != 0)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "column \"%.*s\": its dictionary must be a plain column of type %s",
                       VV_TEXT_ARGS(name), vv_type_name(given->type));
    }
    return VARVE_OK;
}

varve_status vv_batch_convert(varve_batch *batch, const varve_column *given, size_t rows,
                              uint32_t field, varve_column *out_column, varve_error *out_err)
{
    convert at = {.batch = batch, .given = given, .source = given, .rows = rows, .field = field};
    if (given->codes != NULL) {
        if (given->dictionary == NULL) {
            varve_text name = vv_catalogue_field_name(batch->db->catalogue, field);
            return vv_fail(out_err, VARVE_E_INVALID, "column \"%.*s\" has codes but no dictionary",
                           VV_TEXT_ARGS(name));
        }
        at.source = given->dictionary;
    }
    VV_TRY(columns_check(&at, out_err));
    VV_TRY(columns_check_codes(&at, out_err));
    VV_TRY(columns_set_present(&at, out_err));
    *out_column = (varve_column){.type = given->type, .present = at.present};
    if (given->type == VARVE_TYPE_BOOL) {
        return columns_bools(&at, out_column, out_err);
    }
    if (given->type == VARVE_TYPE_HISTOGRAM) {
        return columns_histograms(&at, out_column, out_err);
    }
    if (vv_type_is_blob(given->type)) {
        return columns_texts(&at, out_column, out_err);
    }
    return columns_numbers(&at, out_column, out_err);
}
