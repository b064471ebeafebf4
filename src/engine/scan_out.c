/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rows that a scan puts together: at most VV_VECTOR_ROWS_MAX, columns typed by the first value
 * that comes (S2). Slices of open units are copied column by column; bytes of blobs are copied too,
 * since the unit they lie in may be left before the caller is done with the rows.
 */

#include "engine/scan_priv.h"
#include "index/catalogue.h"

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"

enum { SCAN_OUT_WORDS = VV_VECTOR_ROWS_MAX / 64 };

static varve_status scan_out_grow(vv_scan *scan, varve_error *out_err)
{
    vv_alloc *alloc = scan->options.alloc;
    vv_scan_out *out = &scan->out;
    if (out->times == NULL) {
        out->times = vv_alloc_array(alloc, VV_VECTOR_ROWS_MAX, sizeof *out->times);
    }
    if (out->row_ids == NULL) {
        out->row_ids = vv_alloc_array(alloc, VV_VECTOR_ROWS_MAX, sizeof *out->row_ids);
    }
    if (out->times == NULL || out->row_ids == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for the rows of a scan");
    }
    if (out->column_capacity < scan->column_capacity) {
        size_t old = out->column_capacity;
        size_t new = scan->column_capacity;
        void *columns = vv_alloc_resize(alloc, out->columns, old * sizeof *out->columns,
                                        new * sizeof *out->columns);
        if (columns == NULL) {
            return vv_fail(out_err, VARVE_E_NOMEM, "no memory for %zu columns of a scan", new);
        }
        out->columns = columns;
        memset(&out->columns[old], 0, (new - old) * sizeof *out->columns);
        vv_alloc_free(alloc, out->result, old * sizeof *out->result);
        vv_alloc_free(alloc, out->result_fields, old * sizeof *out->result_fields);
        out->result = NULL;
        out->result_fields = NULL;
        out->column_capacity = new;
    }
    if (out->column_capacity > 0 && (out->result == NULL || out->result_fields == NULL)) {
        vv_alloc_free(alloc, out->result, out->column_capacity * sizeof *out->result);
        out->result = vv_alloc_array(alloc, out->column_capacity, sizeof *out->result);
        vv_alloc_free(alloc, out->result_fields, out->column_capacity * sizeof *out->result_fields);
        out->result_fields =
            vv_alloc_array(alloc, out->column_capacity, sizeof *out->result_fields);
        if (out->result == NULL || out->result_fields == NULL) {
            return vv_fail(out_err, VARVE_E_NOMEM, "no memory for the columns of a scan");
        }
    }
    return VARVE_OK;
}

void vv_scan_out_deinit(vv_scan *scan)
{
    vv_alloc *alloc = scan->options.alloc;
    vv_scan_out *out = &scan->out;
    for (size_t i = 0; i < out->column_capacity; i++) {
        vv_alloc_free(alloc, out->columns[i].values, out->columns[i].value_bytes);
        vv_alloc_free(alloc, out->columns[i].present, 2 * SCAN_OUT_WORDS * sizeof(uint64_t));
    }
    vv_alloc_free(alloc, out->columns, out->column_capacity * sizeof *out->columns);
    vv_alloc_free(alloc, out->result, out->column_capacity * sizeof *out->result);
    vv_alloc_free(alloc, out->result_fields, out->column_capacity * sizeof *out->result_fields);
    vv_alloc_free(alloc, out->times, VV_VECTOR_ROWS_MAX * sizeof *out->times);
    vv_alloc_free(alloc, out->row_ids, VV_VECTOR_ROWS_MAX * sizeof *out->row_ids);
    vv_arena_deinit(&out->blobs);
}

varve_status vv_scan_out_begin(vv_scan *scan, varve_error *out_err)
{
    VV_TRY(scan_out_grow(scan, out_err));
    scan->out.count = 0;
    scan->out.blob_bytes = 0;
    vv_arena_reset(&scan->out.blobs);
    for (size_t i = 0; i < scan->column_count; i++) {
        scan->out.columns[i].type = VARVE_TYPE_NONE;
    }
    return VARVE_OK;
}

/** The column gets its type: rows so far lack it. */
static varve_status scan_out_start_column(vv_scan *scan, size_t index, uint32_t type,
                                          varve_error *out_err)
{
    vv_alloc *alloc = scan->options.alloc;
    vv_scan_out *out = &scan->out;
    size_t value_bytes = VV_VECTOR_ROWS_MAX * vv_type_width(type);
    if (out->columns[index].value_bytes < value_bytes) {
        vv_alloc_free(alloc, out->columns[index].values, out->columns[index].value_bytes);
        out->columns[index].values = vv_alloc_new(alloc, value_bytes);
        out->columns[index].value_bytes = out->columns[index].values == NULL ? 0 : value_bytes;
    }
    if (out->columns[index].present == NULL) {
        out->columns[index].present = vv_alloc_array(alloc, 2 * SCAN_OUT_WORDS, 8);
    }
    if (out->columns[index].values == NULL || out->columns[index].present == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a column of a scan");
    }
    out->columns[index].type = type;
    out->columns[index].has_marks = false;
    out->columns[index].marks = out->columns[index].present + SCAN_OUT_WORDS;
    memset(out->columns[index].present, 0, 2 * SCAN_OUT_WORDS * sizeof(uint64_t));
    memset(out->columns[index].values, 0, out->count * vv_type_width(type));
    return VARVE_OK;
}

static varve_status scan_out_type_error(const vv_scan *scan, size_t index, uint32_t type,
                                        varve_error *out_err)
{
    varve_text name = vv_catalogue_field_name(scan->view->db->catalogue, scan->columns[index]);
    varve_text metric = vv_catalogue_metric(scan->view->db->catalogue, scan->series);
    return vv_fail(out_err, VARVE_E_CORRUPT,
                   "field %.*s of a series of %.*s holds visible values of types %u and %u",
                   (int)(name.size < 64 ? name.size : 64), name.data,
                   (int)(metric.size < 64 ? metric.size : 64), metric.data,
                   scan->out.columns[index].type, type);
}

/** Copy one value; blobs with their bytes. */
static varve_status scan_out_put(vv_scan *scan, size_t index, size_t to,
                                 const vv_scan_column_data *column, size_t from,
                                 varve_error *out_err)
{
    vv_scan_out *out = &scan->out;
    size_t width = vv_type_width(column->type);
    uint8_t *target = (uint8_t *)out->columns[index].values + to * width;
    const uint8_t *value = (const uint8_t *)column->values + from * width;
    if (vv_type_is_blob(column->type)) {
        varve_text text;
        memcpy(&text, value, sizeof text);
        varve_text copy = {.data = "", .size = 0};
        if (text.size > 0) {
            copy.data = vv_arena_copy_bytes(&out->blobs, text.data, text.size);
            copy.size = text.size;
            out->blob_bytes += text.size;
            if (copy.data == NULL) {
                return vv_arena_fail(&out->blobs, text.size, out_err);
            }
        }
        memcpy(target, &copy, sizeof copy);
        bool is_bytes = column->marks != NULL && vv_bits_get(column->marks, from);
        vv_bits_put(out->columns[index].marks, to, is_bytes);
        out->columns[index].has_marks = out->columns[index].has_marks || is_bytes;
    } else {
        memcpy(target, value, width);
    }
    vv_bits_set(out->columns[index].present, to);
    return VARVE_OK;
}

/** Make the column ready for a value of this type. */
static varve_status scan_out_accept(vv_scan *scan, size_t index, uint32_t type,
                                    varve_error *out_err)
{
    uint32_t has = scan->out.columns[index].type;
    if (has == VARVE_TYPE_NONE) {
        return scan_out_start_column(scan, index, type, out_err);
    }
    return has == type ? VARVE_OK : scan_out_type_error(scan, index, type, out_err);
}

static varve_status scan_out_slice_column(vv_scan *scan, size_t index,
                                          const vv_scan_column_data *column, size_t begin,
                                          size_t end, varve_error *out_err)
{
    vv_scan_out *out = &scan->out;
    size_t count = end - begin;
    if (column->type == VARVE_TYPE_NONE ||
        (column->present != NULL && vv_bits_find_set(column->present, begin, end) == end)) {
        if (out->columns[index].type != VARVE_TYPE_NONE) {
            size_t width = vv_type_width(out->columns[index].type);
            memset((uint8_t *)out->columns[index].values + out->count * width, 0, count * width);
        }
        return VARVE_OK;
    }
    VV_TRY(scan_out_accept(scan, index, column->type, out_err));
    size_t width = vv_type_width(column->type);
    if (!vv_type_is_blob(column->type) && column->present == NULL) {
        memcpy((uint8_t *)out->columns[index].values + out->count * width,
               (const uint8_t *)column->values + begin * width, count * width);
        vv_bits_set_range(out->columns[index].present, out->count, out->count + count);
        return VARVE_OK;
    }
    for (size_t row = begin; row < end; row++) {
        size_t to = out->count + (row - begin);
        if (column->present == NULL || vv_bits_get(column->present, row)) {
            VV_TRY(scan_out_put(scan, index, to, column, row, out_err));
        } else {
            memset((uint8_t *)out->columns[index].values + to * width, 0, width);
        }
    }
    return VARVE_OK;
}

varve_status vv_scan_out_slice(vv_scan *scan, const vv_scan_source *source, size_t begin,
                               size_t end, varve_error *out_err)
{
    vv_scan_out *out = &scan->out;
    size_t count = end - begin;
    memcpy(out->times + out->count, source->times + begin, count * sizeof *out->times);
    if (source->row_ids != NULL) {
        memcpy(out->row_ids + out->count, source->row_ids + begin, count * sizeof *out->row_ids);
    } else {
        memset(out->row_ids + out->count, 0, count * sizeof *out->row_ids);
    }
    for (size_t i = 0; i < scan->column_count; i++) {
        VV_TRY(scan_out_slice_column(scan, i, &source->columns[i], begin, end, out_err));
    }
    out->count += count;
    return VARVE_OK;
}

varve_status vv_scan_out_unite(vv_scan *scan, const vv_scan_source *source, size_t index,
                               varve_error *out_err)
{
    vv_scan_out *out = &scan->out;
    for (size_t i = 0; i < scan->column_count; i++) {
        const vv_scan_column_data *column = &source->columns[i];
        if (column->type == VARVE_TYPE_NONE ||
            (column->present != NULL && !vv_bits_get(column->present, index))) {
            continue;
        }
        if (out->columns[i].type == VARVE_TYPE_NONE) {
            VV_TRY(scan_out_start_column(scan, i, column->type, out_err));
        } else if (out->columns[i].type != column->type) {
            return scan_out_type_error(scan, i, column->type, out_err);
        }
        VV_TRY(scan_out_put(scan, i, out->count - 1, column, index, out_err));
    }
    return VARVE_OK;
}

/* ---- finishing ---- */

static void scan_out_move(vv_scan *scan, size_t to, size_t from)
{
    vv_scan_out *out = &scan->out;
    out->times[to] = out->times[from];
    out->row_ids[to] = out->row_ids[from];
    for (size_t i = 0; i < scan->column_count; i++) {
        if (out->columns[i].type == VARVE_TYPE_NONE) {
            continue;
        }
        size_t width = vv_type_width(out->columns[i].type);
        uint8_t *values = out->columns[i].values;
        memmove(values + to * width, values + from * width, width);
        vv_bits_put(out->columns[i].present, to, vv_bits_get(out->columns[i].present, from));
        vv_bits_put(out->columns[i].marks, to, vv_bits_get(out->columns[i].marks, from));
    }
}

/** Leave out rows that have none of the wanted fields. */
static void scan_out_drop_empty(vv_scan *scan)
{
    vv_scan_out *out = &scan->out;
    for (size_t i = 0; i < scan->column_count; i++) {
        if (out->columns[i].type != VARVE_TYPE_NONE &&
            vv_bits_find_clear(out->columns[i].present, 0, out->count) == out->count) {
            return; /* a column that every row has */
        }
    }
    size_t kept = 0;
    for (size_t row = 0; row < out->count; row++) {
        bool has = false;
        for (size_t i = 0; !has && i < scan->column_count; i++) {
            has = out->columns[i].type != VARVE_TYPE_NONE &&
                  vv_bits_get(out->columns[i].present, row);
        }
        if (has && kept != row) {
            scan_out_move(scan, kept, row);
        }
        kept += has;
    }
    out->count = kept;
}

static void scan_out_swap_bits(uint64_t *bits, size_t a, size_t b)
{
    bool bit = vv_bits_get(bits, a);
    vv_bits_put(bits, a, vv_bits_get(bits, b));
    vv_bits_put(bits, b, bit);
}

static void scan_out_reverse(vv_scan *scan)
{
    vv_scan_out *out = &scan->out;
    for (size_t a = 0, b = out->count; a + 1 < b; a++) {
        b--;
        int64_t time = out->times[a];
        out->times[a] = out->times[b];
        out->times[b] = time;
        uint64_t row_id = out->row_ids[a];
        out->row_ids[a] = out->row_ids[b];
        out->row_ids[b] = row_id;
        for (size_t i = 0; i < scan->column_count; i++) {
            if (out->columns[i].type == VARVE_TYPE_NONE) {
                continue;
            }
            size_t width = vv_type_width(out->columns[i].type);
            uint8_t *values = out->columns[i].values;
            uint8_t spare[sizeof(varve_text)];
            memcpy(spare, values + a * width, width);
            memcpy(values + a * width, values + b * width, width);
            memcpy(values + b * width, spare, width);
            scan_out_swap_bits(out->columns[i].present, a, b);
            scan_out_swap_bits(out->columns[i].marks, a, b);
        }
    }
}

void vv_scan_out_finish(vv_scan *scan, vv_rows *out_rows)
{
    vv_scan_out *out = &scan->out;
    if (scan->options.fields != NULL && !scan->options.keep_all_rows) {
        scan_out_drop_empty(scan);
    }
    if (scan->options.is_descending) {
        scan_out_reverse(scan);
    }
    size_t columns = 0;
    for (size_t i = 0; i < scan->column_count; i++) {
        if (out->columns[i].type == VARVE_TYPE_NONE) {
            continue;
        }
        bool is_full = vv_bits_find_clear(out->columns[i].present, 0, out->count) == out->count;
        out->result_fields[columns] = scan->columns[i];
        out->result[columns] = (varve_column){
            .type = out->columns[i].type,
            .values = out->columns[i].values,
            .present = is_full ? NULL : out->columns[i].present,
            .marks = out->columns[i].has_marks ? out->columns[i].marks : NULL,
        };
        columns++;
    }
    *out_rows = (vv_rows){
        .count = out->count,
        .times = out->times,
        .row_ids = scan->options.with_row_ids ? out->row_ids : NULL,
        .fields = out->result_fields,
        .columns = out->result,
        .column_count = columns,
    };
}

void vv_scan_out_view(vv_scan *scan, const vv_scan_source *source, vv_rows *out_rows)
{
    vv_scan_out *out = &scan->out;
    size_t columns = 0;
    for (size_t i = 0; i < scan->column_count; i++) {
        const vv_scan_column_data *column = &source->columns[i];
        if (column->type == VARVE_TYPE_NONE) {
            continue;
        }
        out->result_fields[columns] = scan->columns[i];
        out->result[columns] = (varve_column){
            .type = column->type,
            .values = column->values,
            .present = column->present,
            .marks = column->marks,
        };
        columns++;
    }
    *out_rows = (vv_rows){
        .count = source->row_end - source->begin,
        .times = source->times + source->begin,
        .row_ids = scan->options.with_row_ids ? source->row_ids : NULL,
        .fields = out->result_fields,
        .columns = out->result,
        .column_count = columns,
    };
}
