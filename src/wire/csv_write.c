/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Blocks to CSV. Cells stand in quotes only where RFC 4180 asks for it, and where an empty text
 * must differ from one that is absent. Lines end in CR LF, as RFC 4180 has them.
 *
 *     time:unix_ns,metric:name,host:label,usage:f64,note:text
 *     1700000000000000000,cpu,a,0.5,
 *     1700000010000000000,cpu,a,0.25,"a ""quoted"" word"
 *
 * A field that has several types in an answer is one column of type mixed.
 */

#include "wire/csv_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "wire/json_lines.h"

void vv_csv_writer_init(vv_csv_writer *writer, vv_alloc *alloc, const vv_csv_column *columns,
                        size_t count, uint32_t from)
{
    memset(writer, 0, sizeof *writer);
    writer->columns = columns;
    writer->count = count;
    writer->from = from;
    vv_buf_init(&writer->cell, alloc, SIZE_MAX); /* a value bounds it */
    vv_buf_init(&writer->places, alloc, VV_CSV_COLUMNS_MAX * sizeof(size_t));
}

void vv_csv_writer_deinit(vv_csv_writer *writer)
{
    vv_buf_deinit(&writer->places);
    vv_buf_deinit(&writer->cell);
}

/* ---- cells ---------------------------------------------------------------------------------- */

/** The cell in writer->cell, behind a comma unless it is the first. */
static void csv_end_cell(vv_csv_writer *writer, size_t index, bool is_text, vv_buf *out)
{
    static const char special[] = ",\"\r\n";
    varve_text cell = vv_buf_text(&writer->cell);
    if (index > 0) {
        vv_buf_append_char(out, ',');
    }
    bool is_quoted = is_text && cell.size == 0;
    for (size_t i = 0; i < sizeof special - 1 && cell.size > 0 && !is_quoted; i++) {
        is_quoted = memchr(cell.data, special[i], cell.size) != NULL;
    }
    if (!is_quoted) {
        vv_buf_append_text(out, cell);
        return;
    }
    vv_buf_append_char(out, '"');
    while (cell.size > 0) {
        size_t quote = vv_text_find_char(cell, '"');
        size_t size = quote + (quote < cell.size ? 1 : 0);
        vv_buf_append(out, cell.data, size);
        if (quote < cell.size) {
            vv_buf_append_char(out, '"');
        }
        cell = vv_text_sub(cell, size, cell.size);
    }
    vv_buf_append_char(out, '"');
}

static void csv_put_header(const vv_csv_column *column, bool is_typed, vv_buf *cell)
{
    switch (column->role) {
    case VV_CSV_TIME:
        vv_buf_append_text(cell, is_typed ? VV_TEXT("time:") : VV_TEXT("time"));
        if (is_typed) {
            vv_csv_time_print(cell, &column->time);
        }
        break;
    case VV_CSV_NAME:
        vv_buf_append_text(cell, is_typed ? VV_TEXT("metric:name") : VV_TEXT("metric"));
        break;
    case VV_CSV_LABEL:
        vv_buf_append_text(cell, column->name);
        vv_buf_append_text(cell, is_typed ? VV_TEXT(":label") : VV_TEXT(""));
        break;
    case VV_CSV_FIELD:
    case VV_CSV_METRIC:
    case VV_CSV_SKIP:
        vv_buf_append_text(cell, column->name);
        if (is_typed) {
            vv_buf_append_format(cell, ":%s", vv_csv_type_name(column->type));
        }
        break;
    }
}

varve_status vv_csv_writer_header(vv_csv_writer *writer, bool is_typed, vv_buf *out,
                                  varve_error *out_err)
{
    for (size_t i = 0; i < writer->count; i++) {
        vv_buf_reset(&writer->cell);
        csv_put_header(&writer->columns[i], is_typed, &writer->cell);
        VV_TRY(vv_buf_check(&writer->cell, out_err));
        csv_end_cell(writer, i, true, out);
    }
    vv_buf_append_text(out, VV_TEXT("\r\n"));
    return vv_buf_check(out, out_err);
}

/* ---- rows ----------------------------------------------------------------------------------- */

/** Whether a column of a type takes a value. */
static bool csv_takes(uint32_t column_type, uint32_t type)
{
    if (column_type == VV_CSV_TEXT) {
        return type == VARVE_TYPE_STRING || type == VARVE_TYPE_BYTES;
    }
    return column_type == VV_CSV_PLAIN || column_type == VV_CSV_MIXED || column_type == type;
}

static varve_status csv_put_field(vv_csv_writer *writer, const vv_csv_column *column,
                                  const varve_block *block, size_t place, size_t row,
                                  bool *out_is_text, varve_error *out_err)
{
    if (place == SIZE_MAX) {
        return VARVE_OK;
    }
    varve_value value = vv_column_value(&block->columns[place], row);
    if (value.type != VARVE_TYPE_NONE && !csv_takes(column->type, value.type)) {
        return vv_fail(out_err, VARVE_E_CONFLICT,
                       "field %.*s has become %s while it was exported as %s",
                       VV_TEXT_ARGS(vv_text_sub(column->name, 0, 64)), varve_type_name(value.type),
                       vv_csv_type_name(column->type));
    }
    vv_csv_value_write(&writer->cell, &value, column->type, out_is_text);
    return VARVE_OK;
}

static varve_status csv_put_cell(vv_csv_writer *writer, size_t index, const varve_block *block,
                                 size_t row, bool *out_is_text, varve_error *out_err)
{
    const vv_csv_column *column = &writer->columns[index];
    const size_t *places = (const void *)writer->places.data;
    switch (column->role) {
    case VV_CSV_TIME:
        if (block->timestamps != NULL) {
            vv_csv_time_write(&writer->cell, &column->time, block->timestamps[row], writer->from,
                              &writer->has_lost);
        }
        return VARVE_OK;
    case VV_CSV_NAME:
        vv_buf_append_text(&writer->cell, block->metric);
        *out_is_text = true;
        return VARVE_OK;
    case VV_CSV_LABEL:
        *out_is_text = places[index] != SIZE_MAX;
        if (*out_is_text) {
            vv_buf_append_text(&writer->cell, block->labels[places[index]].value);
        }
        return VARVE_OK;
    case VV_CSV_FIELD:
    case VV_CSV_METRIC:
        return csv_put_field(writer, column, block, places[index], row, out_is_text, out_err);
    case VV_CSV_SKIP:
        return VARVE_OK;
    }
    return VARVE_OK;
}

/** Where the block has what a column shows; SIZE_MAX: nowhere. */
static size_t csv_find_place(const vv_csv_column *column, const varve_block *block)
{
    if (column->role == VV_CSV_LABEL) {
        for (size_t i = 0; i < block->label_count; i++) {
            if (vv_text_equal(block->labels[i].name, column->name)) {
                return i;
            }
        }
    } else if (column->role == VV_CSV_FIELD) {
        for (size_t i = 0; i < block->column_count; i++) {
            if (vv_text_equal(block->column_names[i], column->name)) {
                return i;
            }
        }
    }
    return SIZE_MAX;
}

/** Whether the row has one of the fields that are columns, or no column is a field. */
static bool csv_has_row(const vv_csv_writer *writer, const varve_block *block, size_t row)
{
    const size_t *places = (const void *)writer->places.data;
    bool has_fields = false;
    for (size_t i = 0; i < writer->count; i++) {
        bool is_field = writer->columns[i].role == VV_CSV_FIELD;
        has_fields = has_fields || is_field;
        if (is_field && places[i] != SIZE_MAX &&
            vv_column_value(&block->columns[places[i]], row).type != VARVE_TYPE_NONE) {
            return true;
        }
    }
    return !has_fields;
}

varve_status vv_csv_writer_rows(vv_csv_writer *writer, const varve_block *block, size_t begin,
                                size_t end, vv_buf *out, varve_error *out_err)
{
    vv_buf_reset(&writer->places);
    for (size_t i = 0; i < writer->count; i++) {
        size_t place = csv_find_place(&writer->columns[i], block);
        vv_buf_append(&writer->places, &place, sizeof place);
    }
    VV_TRY(vv_buf_check(&writer->places, out_err));
    for (size_t row = begin; row < end; row++) {
        if (!csv_has_row(writer, block, row)) {
            continue;
        }
        for (size_t i = 0; i < writer->count; i++) {
            bool is_text = false;
            vv_buf_reset(&writer->cell);
            VV_TRY(csv_put_cell(writer, i, block, row, &is_text, out_err));
            VV_TRY(vv_buf_check(&writer->cell, out_err));
            csv_end_cell(writer, i, is_text, out);
        }
        vv_buf_append_text(out, VV_TEXT("\r\n"));
        writer->rows += 1;
    }
    return vv_buf_check(out, out_err);
}

/* ---- which columns -------------------------------------------------------------------------- */

void vv_csv_layout_init(vv_csv_layout *layout, vv_alloc *alloc, vv_arena *arena)
{
    layout->arena = arena;
    vv_buf_init(&layout->columns, alloc, VV_CSV_COLUMNS_MAX * sizeof(vv_csv_column));
}

void vv_csv_layout_deinit(vv_csv_layout *layout)
{
    vv_buf_deinit(&layout->columns);
}

/** Labels before fields, each by name. */
static int csv_layout_compare(const vv_csv_column *a, const vv_csv_column *b)
{
    return a->role != b->role ? (a->role < b->role ? -1 : 1) : vv_text_compare(a->name, b->name);
}

/** The type of a field that has both. */
static uint32_t csv_layout_unite(uint32_t a, uint32_t b)
{
    return a == b ? a : (uint32_t)VV_CSV_MIXED;
}

/** Put a column in its place, unless it is there. */
static varve_status csv_layout_add(vv_csv_layout *layout, const vv_csv_column *column,
                                   varve_error *out_err)
{
    vv_csv_column *columns = (void *)layout->columns.data;
    size_t count = layout->columns.size / sizeof *columns;
    size_t begin = 0;
    size_t end = count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = csv_layout_compare(&columns[middle], column);
        if (order == 0) {
            columns[middle].type = csv_layout_unite(columns[middle].type, column->type);
            return VARVE_OK;
        }
        begin = order < 0 ? middle + 1 : begin;
        end = order < 0 ? end : middle;
    }
    /* Two are those of time and metric. */
    if (count + 2 >= VV_CSV_COLUMNS_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT,
                       "more than %u labels and fields do not fit one table: export fewer metrics",
                       VV_CSV_COLUMNS_MAX - 2);
    }
    vv_csv_column added = *column;
    if (vv_arena_copy(layout->arena, column->name, &added.name) != VARVE_OK) {
        return vv_arena_fail(layout->arena, column->name.size, out_err);
    }
    vv_buf_append(&layout->columns, &added, sizeof added);
    VV_TRY(vv_buf_check(&layout->columns, out_err));
    columns = (void *)layout->columns.data;
    memmove(columns + begin + 1, columns + begin, (count - begin) * sizeof *columns);
    columns[begin] = added;
    return VARVE_OK;
}

varve_status vv_csv_layout_label(vv_csv_layout *layout, varve_text name, varve_error *out_err)
{
    vv_csv_column column = {.role = VV_CSV_LABEL, .name = name};
    return csv_layout_add(layout, &column, out_err);
}

varve_status vv_csv_layout_field(vv_csv_layout *layout, varve_text name, varve_text type,
                                 varve_error *out_err)
{
    vv_csv_column column = {.role = VV_CSV_FIELD, .name = name};
    /* A listing tells the family of strings and bytes by either name. */
    if (!vv_csv_type_parse(type, &column.type)) {
        column.type = VV_CSV_MIXED;
    } else if (column.type == VARVE_TYPE_STRING || column.type == VARVE_TYPE_BYTES) {
        column.type = VV_CSV_TEXT;
    }
    return csv_layout_add(layout, &column, out_err);
}

varve_status vv_csv_layout_end(vv_csv_layout *layout, uint32_t unit,
                               const vv_csv_column **out_columns, size_t *out_count,
                               varve_error *out_err)
{
    const vv_csv_column *found = (const void *)layout->columns.data;
    size_t count = layout->columns.size / sizeof *found;
    vv_csv_column *columns = vv_arena_zeroed(layout->arena, (count + 2) * sizeof *columns);
    if (columns == NULL) {
        return vv_arena_fail(layout->arena, (count + 2) * sizeof *columns, out_err);
    }
    columns[0].role = VV_CSV_TIME;
    columns[0].time = vv_csv_time_of_precision(unit);
    columns[1].role = VV_CSV_NAME;
    if (count > 0) {
        memcpy(columns + 2, found, count * sizeof *columns);
    }
    for (size_t i = 0; i < count + 2; i++) {
        columns[i].index = i;
    }
    *out_columns = columns;
    *out_count = count + 2;
    return VARVE_OK;
}
