/* SPDX-License-Identifier: Apache-2.0 */

#include "server/csv_columns.h"

#include "wire/csv_write.h"
#include "wire/json_lines.h"

static varve_text csv_columns_cell(const varve_block *block, size_t column, size_t row)
{
    varve_value value = vv_column_value(&block->columns[column], row);
    return value.type == VARVE_TYPE_STRING ? value.as.bytes : (varve_text){0};
}

/** All rows of a listing: of labels (name), or of fields (metric, field, type). */
static varve_status csv_columns_take(varve_cursor *cursor, bool is_fields, vv_csv_layout *layout,
                                     varve_error *out_err)
{
    for (;;) {
        const varve_block *block;
        VV_TRY(varve_cursor_next(cursor, &block, out_err));
        if (block == NULL) {
            return VARVE_OK;
        }
        for (size_t row = 0; row < block->rows; row++) {
            if (is_fields) {
                VV_TRY(vv_csv_layout_field(layout, csv_columns_cell(block, 1, row),
                                           csv_columns_cell(block, 2, row), out_err));
            } else {
                VV_TRY(vv_csv_layout_label(layout, csv_columns_cell(block, 0, row), out_err));
            }
        }
    }
}

static varve_status csv_columns_list(varve_db *db, const varve_list_options *options,
                                     bool is_fields, vv_csv_layout *layout, varve_error *out_err)
{
    varve_cursor *cursor;
    VV_TRY(is_fields ? varve_field_names(db, options, &cursor, out_err)
                     : varve_label_names(db, options, &cursor, out_err));
    varve_status status = csv_columns_take(cursor, is_fields, layout, out_err);
    varve_cursor_close(cursor);
    return status;
}

varve_status vv_csv_columns_find(varve_db *db, const varve_list_options *options, uint32_t unit,
                                 vv_arena *arena, const vv_csv_column **out_columns,
                                 size_t *out_count, varve_error *out_err)
{
    vv_csv_layout layout;
    vv_csv_layout_init(&layout, arena->alloc, arena);
    varve_status status = csv_columns_list(db, options, /* is_fields */ false, &layout, out_err);
    if (status == VARVE_OK) {
        status = csv_columns_list(db, options, /* is_fields */ true, &layout, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_csv_layout_end(&layout, unit, out_columns, out_count, out_err);
    }
    vv_csv_layout_deinit(&layout);
    return status;
}
