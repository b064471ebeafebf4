/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Blocks under construction. Everything a block shows is copied into its frame, so that keeping one
 * is handing over the frame. Columns take decoded slices (fast where types agree) or single values;
 * a histogram becomes the public struct on its way in.
 */

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "model/histogram.h"
#include "model/rows.h"
#include "model/value.h"
#include "query/cursor_priv.h"

enum { BLOCK_ENTRIES_LOOKED_AT = 32 }; /* of a dictionary: series that alternate are few */

static vv_arena *block_arena(const vv_block_builder *builder)
{
    return &builder->cursor->frame->arena;
}

static varve_status block_memory(varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a block of rows");
}

varve_status vv_block_begin(vv_block_builder *builder, varve_cursor *cursor, size_t column_count,
                            size_t capacity, varve_error *out_err)
{
    VV_TRY(vv_cursor_frame(cursor, out_err));
    memset(builder, 0, sizeof *builder);
    builder->cursor = cursor;
    builder->capacity = capacity;
    builder->column_count = column_count;
    vv_arena *arena = block_arena(builder);
    builder->times = vv_arena_array(arena, capacity, sizeof *builder->times);
    builder->row_ids = vv_arena_array(arena, capacity, sizeof *builder->row_ids);
    builder->row_series = vv_arena_array(arena, capacity, sizeof *builder->row_series);
    builder->columns = vv_arena_zeroed(arena, column_count * sizeof *builder->columns + 1);
    if (builder->times == NULL || builder->row_ids == NULL || builder->row_series == NULL ||
        builder->columns == NULL) {
        return block_memory(out_err);
    }
    return VARVE_OK;
}

/** Bytes of a value in a block: histograms and mixed columns are the public structs. */
static size_t block_width(uint32_t type)
{
    if (type == VARVE_TYPE_MIXED) {
        return sizeof(varve_value);
    }
    return type == VARVE_TYPE_HISTOGRAM ? sizeof(varve_histogram) : vv_type_width(type);
}

varve_status vv_block_column_set(vv_block_builder *builder, size_t index, varve_text name,
                                 uint32_t type, varve_error *out_err)
{
    vv_arena *arena = block_arena(builder);
    vv_block_column *column = &builder->columns[index];
    size_t words = vv_bits_words(builder->capacity);
    column->type = type;
    column->values = vv_arena_zeroed(arena, builder->capacity * block_width(type));
    column->present = vv_arena_zeroed(arena, words * sizeof *column->present);
    column->marks = vv_arena_zeroed(arena, words * sizeof *column->marks);
    if (column->values == NULL || column->present == NULL || column->marks == NULL ||
        vv_arena_copy(arena, name, &column->name) != VARVE_OK) {
        return block_memory(out_err);
    }
    return VARVE_OK;
}

varve_status vv_block_column_set_labels(vv_block_builder *builder, size_t index, varve_text name,
                                        varve_error *out_err)
{
    vv_block_column *column = &builder->columns[index];
    VV_TRY(vv_block_column_set(builder, index, name, VARVE_TYPE_STRING, out_err));
    column->codes = vv_arena_zeroed(block_arena(builder), builder->capacity * sizeof(uint32_t));
    return column->codes == NULL ? block_memory(out_err) : VARVE_OK;
}

static varve_status block_add_entry(vv_block_builder *builder, vv_block_column *column,
                                    varve_text value, varve_error *out_err)
{
    vv_arena *arena = block_arena(builder);
    if (column->dictionary_count == column->dictionary_capacity) {
        size_t capacity = column->dictionary_capacity == 0 ? 16 : column->dictionary_capacity * 2;
        varve_text *dictionary = vv_arena_array(arena, capacity, sizeof *dictionary);
        if (dictionary == NULL) {
            return block_memory(out_err);
        }
        for (size_t i = 0; i < column->dictionary_count; i++) {
            dictionary[i] = column->dictionary[i];
        }
        column->dictionary = dictionary;
        column->dictionary_capacity = capacity;
    }
    if (vv_arena_copy(arena, value, &column->dictionary[column->dictionary_count]) != VARVE_OK) {
        return block_memory(out_err);
    }
    column->dictionary_count++;
    return VARVE_OK;
}

varve_status vv_block_put_label(vv_block_builder *builder, size_t index, size_t to, size_t count,
                                const varve_text *value, varve_error *out_err)
{
    vv_block_column *column = &builder->columns[index];
    if (value == NULL) {
        column->has_absent = true;
        return VARVE_OK;
    }
    /* The last few entries are looked at; a value may so stand in the dictionary twice. */
    size_t entries = column->dictionary_count;
    size_t first = entries < BLOCK_ENTRIES_LOOKED_AT ? 0 : entries - BLOCK_ENTRIES_LOOKED_AT;
    size_t code = entries;
    while (code > first && !vv_text_equal(column->dictionary[code - 1], *value)) {
        code--;
    }
    if (code == first) {
        VV_TRY(block_add_entry(builder, column, *value, out_err));
        code = column->dictionary_count;
    }
    for (size_t i = 0; i < count; i++) {
        column->codes[to + i] = (uint32_t)(code - 1);
    }
    vv_bits_set_range(column->present, to, to + count);
    return VARVE_OK;
}

varve_status vv_block_put_approximate(vv_block_builder *builder, size_t index, size_t to,
                                      double approximate, varve_error *out_err)
{
    vv_block_column *column = &builder->columns[index];
    if (column->approximate == NULL) {
        column->approximate =
            vv_arena_zeroed(block_arena(builder), builder->capacity * sizeof(double));
        if (column->approximate == NULL) {
            return block_memory(out_err);
        }
    }
    column->approximate[to] = approximate;
    column->has_approximate = true;
    column->has_marks = true;
    vv_bits_set(column->marks, to);
    return VARVE_OK;
}

varve_value vv_block_value_of(const varve_column *column, size_t row)
{
    varve_value value = {0};
    if (column == NULL || !vv_column_has(column, row)) {
        return value;
    }
    value.type = column->type;
    switch (column->type) {
    case VARVE_TYPE_F64:
        value.as.f64 = ((const double *)column->values)[row];
        break;
    case VARVE_TYPE_I64:
        value.as.i64 = ((const int64_t *)column->values)[row];
        break;
    case VARVE_TYPE_U64:
        value.as.u64 = ((const uint64_t *)column->values)[row];
        break;
    case VARVE_TYPE_BOOL:
        value.as.boolean = ((const uint8_t *)column->values)[row] != 0;
        break;
    default:
        value.as.bytes = ((const varve_text *)column->values)[row];
        if (column->marks != NULL && vv_bits_get(column->marks, row)) {
            value.type = VARVE_TYPE_BYTES;
        }
        break;
    }
    return value;
}

static varve_status block_copy_text(vv_block_builder *builder, varve_text text,
                                    varve_text *out_copy, varve_error *out_err)
{
    builder->bytes += text.size;
    out_copy->data = "";
    out_copy->size = text.size;
    if (text.size > 0) {
        out_copy->data = vv_arena_copy_bytes(block_arena(builder), text.data, text.size);
        if (out_copy->data == NULL) {
            return block_memory(out_err);
        }
    }
    return VARVE_OK;
}

static varve_status block_decode_histogram(vv_block_builder *builder, varve_text bytes,
                                           varve_histogram *out_histogram, varve_error *out_err)
{
    builder->bytes += bytes.size;
    vv_bytes canonical = {.data = (const uint8_t *)bytes.data, .size = bytes.size};
    return vv_histogram_decode(canonical, block_arena(builder), out_histogram, out_err);
}

/** A value of any type into a MIXED column. */
static varve_status block_put_mixed(vv_block_builder *builder, varve_value *target,
                                    const varve_value *value, varve_error *out_err)
{
    *target = *value;
    if (value->type == VARVE_TYPE_BYTES || value->type == VARVE_TYPE_STRING) {
        return block_copy_text(builder, value->as.bytes, &target->as.bytes, out_err);
    }
    if (value->type == VARVE_TYPE_HISTOGRAM) {
        varve_histogram *histogram = vv_arena_new(block_arena(builder), sizeof *histogram);
        if (histogram == NULL) {
            return block_memory(out_err);
        }
        target->as.histogram = histogram;
        return block_decode_histogram(builder, value->as.bytes, histogram, out_err);
    }
    return VARVE_OK;
}

varve_status vv_block_put(vv_block_builder *builder, size_t index, size_t to,
                          const varve_value *value, varve_error *out_err)
{
    vv_block_column *column = &builder->columns[index];
    if (value->type == VARVE_TYPE_NONE) {
        column->has_absent = true;
        return VARVE_OK;
    }
    uint8_t *target = (uint8_t *)column->values + to * block_width(column->type);
    vv_bits_set(column->present, to);
    switch (column->type) {
    case VARVE_TYPE_MIXED: {
        varve_value mixed;
        VV_TRY(block_put_mixed(builder, &mixed, value, out_err));
        memcpy(target, &mixed, sizeof mixed);
        break;
    }
    case VARVE_TYPE_F64: {
        double number = value->type == VARVE_TYPE_F64 ? value->as.f64 : vv_number_to_f64(value);
        memcpy(target, &number, sizeof number);
        break;
    }
    case VARVE_TYPE_I64:
        memcpy(target, &value->as.i64, sizeof value->as.i64);
        break;
    case VARVE_TYPE_U64:
        memcpy(target, &value->as.u64, sizeof value->as.u64);
        break;
    case VARVE_TYPE_BOOL:
        *target = value->as.boolean ? 1 : 0;
        break;
    case VARVE_TYPE_HISTOGRAM: {
        varve_histogram histogram;
        VV_TRY(block_decode_histogram(builder, value->as.bytes, &histogram, out_err));
        memcpy(target, &histogram, sizeof histogram);
        break;
    }
    default: {
        varve_text text;
        VV_TRY(block_copy_text(builder, value->as.bytes, &text, out_err));
        memcpy(target, &text, sizeof text);
        if (value->type == VARVE_TYPE_BYTES) {
            vv_bits_set(column->marks, to);
            column->has_marks = true;
        }
        break;
    }
    }
    return VARVE_OK;
}

varve_status vv_block_put_slice(vv_block_builder *builder, size_t index, size_t to,
                                const varve_column *column, size_t begin, size_t end,
                                bool is_reversed, varve_error *out_err)
{
    vv_block_column *target = &builder->columns[index];
    size_t count = end - begin;
    if (column == NULL) {
        target->has_absent = target->has_absent || count > 0;
        return VARVE_OK;
    }
    bool is_plain = column->type == target->type && !vv_type_is_blob(column->type);
    if (is_plain && column->present == NULL && !is_reversed) {
        size_t width = vv_type_width(column->type);
        memcpy((uint8_t *)target->values + to * width,
               (const uint8_t *)column->values + begin * width, count * width);
        vv_bits_set_range(target->present, to, to + count);
        return VARVE_OK;
    }
    for (size_t i = 0; i < count; i++) {
        varve_value value = vv_block_value_of(column, is_reversed ? end - 1 - i : begin + i);
        VV_TRY(vv_block_put(builder, index, to + i, &value, out_err));
    }
    return VARVE_OK;
}

varve_status vv_block_name(vv_block_builder *builder, varve_text metric, const varve_label *labels,
                           size_t label_count, varve_error *out_err)
{
    vv_arena *arena = block_arena(builder);
    varve_block *block = &builder->cursor->frame->block;
    varve_label *copies = vv_arena_array(arena, label_count + 1, sizeof *copies);
    if (copies == NULL || vv_arena_copy(arena, metric, &block->metric) != VARVE_OK) {
        return block_memory(out_err);
    }
    for (size_t i = 0; i < label_count; i++) {
        if (vv_arena_copy(arena, labels[i].name, &copies[i].name) != VARVE_OK ||
            vv_arena_copy(arena, labels[i].value, &copies[i].value) != VARVE_OK) {
            return block_memory(out_err);
        }
    }
    block->labels = copies;
    block->label_count = label_count;
    return VARVE_OK;
}

/* ---- layout ROWS: one struct a row, with the fields that it has ---- */

static varve_status block_make_rows(vv_block_builder *builder, varve_error *out_err)
{
    vv_arena *arena = block_arena(builder);
    varve_block *block = &builder->cursor->frame->block;
    size_t cells = builder->rows * builder->column_count;
    varve_row *rows = vv_arena_array(arena, builder->rows + 1, sizeof *rows);
    varve_field *fields = vv_arena_array(arena, cells + 1, sizeof *fields);
    varve_value *values = vv_arena_array(arena, cells + 1, sizeof *values);
    varve_field *ids = vv_arena_zeroed(arena, (builder->column_count + 1) * sizeof *ids);
    if (rows == NULL || fields == NULL || values == NULL || ids == NULL) {
        return block_memory(out_err);
    }
    for (size_t i = 0; i < builder->column_count; i++) {
        VV_TRY(
            varve_field_resolve(builder->cursor->db, builder->columns[i].name, &ids[i], out_err));
    }
    size_t used = 0;
    for (size_t row = 0; row < builder->rows; row++) {
        rows[row] = (varve_row){
            .series = builder->row_series[row],
            .timestamp = builder->has_times ? builder->times[row] : 0,
            .row_id = builder->has_row_ids ? builder->row_ids[row] : 0,
            .fields = fields + used,
            .values = values + used,
        };
        for (size_t i = 0; i < builder->column_count; i++) {
            const vv_block_column *column = &builder->columns[i];
            if (!vv_bits_get(column->present, row)) {
                continue;
            }
            fields[used] = ids[i];
            /* ROWS columns are built as MIXED: their values are the public structs already. */
            values[used] = ((const varve_value *)column->values)[row];
            used++;
            rows[row].count++;
        }
    }
    block->row = rows;
    block->columns = NULL;
    block->column_names = NULL;
    block->column_count = 0;
    return VARVE_OK;
}

/** The dictionary of a label column as a column of its own. */
static varve_status block_make_dictionary(vv_block_builder *builder, const vv_block_column *built,
                                          varve_column *column, varve_error *out_err)
{
    varve_column *dictionary = vv_arena_zeroed(block_arena(builder), sizeof *dictionary);
    if (dictionary == NULL) {
        return block_memory(out_err);
    }
    dictionary->type = VARVE_TYPE_STRING;
    dictionary->values = built->dictionary;
    column->values = NULL;
    column->codes = built->codes;
    column->dictionary = dictionary;
    column->dictionary_count = built->dictionary_count;
    return VARVE_OK;
}

static varve_status block_make_columns(vv_block_builder *builder, varve_error *out_err)
{
    vv_arena *arena = block_arena(builder);
    varve_block *block = &builder->cursor->frame->block;
    varve_column *columns = vv_arena_zeroed(arena, (builder->column_count + 1) * sizeof *columns);
    varve_text *names = vv_arena_array(arena, builder->column_count + 1, sizeof *names);
    if (columns == NULL || names == NULL) {
        return block_memory(out_err);
    }
    for (size_t i = 0; i < builder->column_count; i++) {
        const vv_block_column *built = &builder->columns[i];
        bool is_full = vv_bits_find_clear(built->present, 0, builder->rows) == builder->rows;
        names[i] = built->name;
        columns[i] = (varve_column){
            .type = built->type,
            .values = built->values,
            .present = is_full ? NULL : built->present,
            .marks = built->has_marks ? built->marks : NULL,
            .approximate = built->has_approximate ? built->approximate : NULL,
        };
        if (built->codes != NULL) {
            VV_TRY(block_make_dictionary(builder, built, &columns[i], out_err));
        }
    }
    block->columns = columns;
    block->column_names = names;
    block->column_count = builder->column_count;
    return VARVE_OK;
}

varve_status vv_block_finish(vv_block_builder *builder, varve_error *out_err)
{
    varve_cursor *cursor = builder->cursor;
    varve_block *block = &cursor->frame->block;
    block->struct_size = sizeof *block;
    block->rows = builder->rows;
    block->timestamps = builder->has_times ? builder->times : NULL;
    block->row_ids = builder->has_row_ids ? builder->row_ids : NULL;
    block->row_series = builder->has_row_series ? builder->row_series : NULL;
    if (cursor->layout == VARVE_LAYOUT_ROWS) {
        VV_TRY(block_make_rows(builder, out_err));
    } else {
        VV_TRY(block_make_columns(builder, out_err));
    }
    cursor->has_block = true;
    return VARVE_OK;
}
