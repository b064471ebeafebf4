/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Slices of rows into blocks. A TABLE takes slices of any series one after another; a SERIES block
 * is one slice, with the fields that the series has there. Descending rows are turned around on
 * their way in.
 */

#include "base/status.h"
#include "index/catalogue.h"
#include "query/rows_priv.h"

varve_status vv_rows_begin_table(varve_cursor *cursor, const vv_plan *plan,
                                 vv_block_builder *builder, varve_error *out_err)
{
    VV_TRY(
        vv_block_begin(builder, cursor, plan->output_count, (size_t)plan->block_rows_max, out_err));
    builder->has_times = true;
    builder->has_row_series = true;
    builder->has_row_ids = plan->with_row_ids;
    for (size_t i = 0; i < plan->output_count; i++) {
        const vv_plan_output *output = &plan->outputs[i];
        if (output->kind != VARVE_OUTPUT_FIELD) {
            varve_text name = output->kind == VARVE_OUTPUT_METRIC && output->name.size == 0
                                  ? VARVE_STR("metric")
                                  : output->name;
            VV_TRY(vv_block_column_set_labels(builder, i, name, out_err));
        } else {
            uint32_t type =
                plan->layout == VARVE_LAYOUT_ROWS ? (uint32_t)VARVE_TYPE_MIXED : output->type;
            VV_TRY(vv_block_column_set(builder, i, output->name, type, out_err));
        }
    }
    return VARVE_OK;
}

varve_status vv_rows_put_label(varve_cursor *cursor, vv_block_builder *builder, size_t index,
                               const vv_plan_output *output, uint32_t series, size_t count,
                               varve_error *out_err)
{
    varve_text value;
    bool has = true;
    if (output->kind == VARVE_OUTPUT_METRIC) {
        value = vv_catalogue_metric(cursor->db->catalogue, series);
    } else {
        has = vv_catalogue_label(cursor->db->catalogue, series, output->name, &value);
    }
    return vv_block_put_label(builder, index, builder->rows, count, has ? &value : NULL, out_err);
}

varve_status vv_rows_put_table(varve_cursor *cursor, const vv_plan *plan, vv_block_builder *builder,
                               const vv_stream *stream, size_t begin, size_t end,
                               varve_error *out_err)
{
    bool is_reversed = vv_plan_is_descending(plan);
    uint32_t series = plan->series[stream->place];
    for (size_t i = begin; i < end; i++) {
        size_t row = is_reversed ? end - 1 - (i - begin) : i;
        size_t to = builder->rows + (i - begin);
        builder->times[to] = stream->rows.times[row];
        builder->row_ids[to] = stream->rows.row_ids != NULL ? stream->rows.row_ids[row] : 0;
        builder->row_series[to] = (varve_series){.id = series};
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        const vv_plan_output *output = &plan->outputs[i];
        if (output->kind != VARVE_OUTPUT_FIELD) {
            VV_TRY(vv_rows_put_label(cursor, builder, i, output, series, end - begin, out_err));
        } else {
            VV_TRY(vv_block_put_slice(builder, i, builder->rows,
                                      vv_rows_find(&stream->rows, output->field), begin, end,
                                      is_reversed, out_err));
        }
    }
    builder->rows += end - begin;
    return VARVE_OK;
}

/** Type of an output's column in a SERIES block: the series' own. */
static uint32_t rows_block_type(const varve_cursor *cursor, const vv_plan_output *output,
                                const varve_column *column, uint32_t series)
{
    if (output->as_type != 0) {
        return output->as_type;
    }
    if (column != NULL) {
        return column->type;
    }
    const vv_schema *schema = vv_catalogue_schema(cursor->db->catalogue, series);
    for (uint32_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].field == output->field) {
            return schema->fields[i].type;
        }
    }
    return VARVE_TYPE_F64;
}

static varve_status rows_block_columns(varve_cursor *cursor, const vv_plan *plan,
                                       vv_block_builder *builder, const vv_stream *stream,
                                       size_t begin, size_t end, varve_error *out_err)
{
    const vv_rows *rows = &stream->rows;
    bool is_reversed = vv_plan_is_descending(plan);
    for (size_t i = 0; i < builder->column_count; i++) {
        const varve_column *column = NULL;
        varve_text name;
        uint32_t type;
        if (plan->wants_all_fields) {
            column = &rows->columns[i];
            name = vv_catalogue_field_name(cursor->db->catalogue, rows->fields[i]);
            type = column->type;
        } else {
            const vv_plan_output *output = &plan->outputs[i];
            column = output->field != 0 ? vv_rows_find(rows, output->field) : NULL;
            name = output->name;
            type = rows_block_type(cursor, output, column, plan->series[stream->place]);
        }
        VV_TRY(vv_block_column_set(builder, i, name, type, out_err));
        VV_TRY(vv_block_put_slice(builder, i, 0, column, begin, end, is_reversed, out_err));
    }
    return VARVE_OK;
}

varve_status vv_rows_make_series(varve_cursor *cursor, const vv_plan *plan, const vv_stream *stream,
                                 size_t begin, size_t end, varve_error *out_err)
{
    vv_block_builder builder;
    size_t columns = plan->wants_all_fields ? stream->rows.column_count : plan->output_count;
    uint32_t series = plan->series[stream->place];
    bool is_reversed = vv_plan_is_descending(plan);
    VV_TRY(vv_block_begin(&builder, cursor, columns, end - begin, out_err));
    builder.has_times = true;
    builder.has_row_ids = plan->with_row_ids;
    builder.rows = end - begin;
    for (size_t i = begin; i < end; i++) {
        size_t row = is_reversed ? end - 1 - (i - begin) : i;
        builder.times[i - begin] = stream->rows.times[row];
        builder.row_ids[i - begin] = stream->rows.row_ids != NULL ? stream->rows.row_ids[row] : 0;
    }
    VV_TRY(rows_block_columns(cursor, plan, &builder, stream, begin, end, out_err));
    const varve_label *labels;
    size_t label_count;
    VV_TRY(vv_catalogue_labels(cursor->db->catalogue, series, &labels, &label_count, out_err));
    VV_TRY(vv_block_name(&builder, vv_catalogue_metric(cursor->db->catalogue, series), labels,
                         label_count, out_err));
    VV_TRY(vv_block_finish(&builder, out_err));
    cursor->frame->block.series = (varve_series){.id = series};
    return VARVE_OK;
}

size_t vv_rows_fit(const vv_plan *plan, const vv_rows *rows, size_t begin, size_t end,
                   uint64_t used, bool is_reversed)
{
    bool has_blobs = false;
    for (size_t i = 0; i < rows->column_count; i++) {
        has_blobs = has_blobs || vv_type_is_blob(rows->columns[i].type);
    }
    uint64_t per_row = 16 + 8 * rows->column_count;
    for (size_t count = 0; count < end - begin; count++) {
        size_t row = is_reversed ? end - 1 - count : begin + count;
        uint64_t bytes = per_row;
        for (size_t i = 0; has_blobs && i < rows->column_count; i++) {
            if (vv_type_is_blob(rows->columns[i].type) && vv_column_has(&rows->columns[i], row)) {
                bytes += ((const varve_text *)rows->columns[i].values)[row].size;
            }
        }
        used += bytes;
        if (used > plan->block_bytes_max && count > 0) {
            return count;
        }
    }
    return end - begin;
}
