/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/csv_export.h"

#include "base/buf.h"
#include "base/status.h"
#include "cli/output.h"
#include "server/csv_columns.h"
#include "wire/csv_write.h"

/* Text is handed to the output in pieces of about this size. */
#define CSV_EXPORT_PIECE_BYTES (64u * 1024u)
/* Rows between two looks at that: arbitrary. */
#define CSV_EXPORT_STEP_ROWS 64u

/** Whole rows, `rows` with those before them, to the output once they are more than `above`. */
static varve_status csv_export_flush(vv_buf *text, size_t above, vv_output *output, uint64_t rows,
                                     varve_error *out_err)
{
    if (text->size <= above) {
        return VARVE_OK;
    }
    VV_TRY(vv_output_write(output, vv_buf_bytes(text), out_err));
    vv_buf_reset(text);
    return vv_output_mark(output, rows, out_err);
}

static varve_status csv_export_block(vv_csv_writer *writer, const varve_block *block, vv_buf *text,
                                     vv_output *output, uint64_t *rows, varve_error *out_err)
{
    for (size_t row = 0; row < block->rows; row += CSV_EXPORT_STEP_ROWS) {
        size_t left = block->rows - row;
        size_t end = row + (left < CSV_EXPORT_STEP_ROWS ? left : CSV_EXPORT_STEP_ROWS);
        VV_TRY(vv_csv_writer_rows(writer, block, row, end, text, out_err));
        *rows += end - row;
        VV_TRY(csv_export_flush(text, CSV_EXPORT_PIECE_BYTES, output, *rows, out_err));
    }
    return VARVE_OK;
}

static varve_status csv_export_rows(varve_cursor *cursor, vv_csv_writer *writer, vv_buf *text,
                                    vv_output *output, uint64_t *rows, varve_error *out_err)
{
    VV_TRY(vv_csv_writer_header(writer, /* is_typed */ true, text, out_err));
    for (;;) {
        const varve_block *block;
        VV_TRY(varve_cursor_next(cursor, &block, out_err));
        if (block == NULL) {
            return csv_export_flush(text, 0, output, *rows, out_err);
        }
        VV_TRY(csv_export_block(writer, block, text, output, rows, out_err));
    }
}

/** It goes no further: the rows so far are written, and it is told how many. */
static varve_status csv_export_stop(vv_buf *text, vv_output *output, uint64_t rows,
                                    varve_status status, varve_error *out_err)
{
    varve_error stop_error;
    VV_IGNORE(csv_export_flush(text, 0, output, rows, &stop_error)); /* the output remembers */
    return vv_output_stopped(output, rows, status, out_err);
}

static varve_status csv_export_to(varve_db *db, const vv_csv_export *export, vv_csv_writer *writer,
                                  vv_alloc *alloc, varve_error *out_err)
{
    varve_cursor *cursor = NULL;
    vv_output *output;
    varve_error close_error;
    vv_buf text;
    VV_TRY(vv_output_open(export->path, &output, out_err));
    vv_buf_init(&text, alloc, SIZE_MAX); /* a few rows beyond a piece */
    varve_status status = vv_output_mark(output, 0, out_err);
    if (status == VARVE_OK) {
        status = varve_query(db, export->query, &cursor, out_err);
    }
    if (status == VARVE_OK) {
        uint64_t rows = 0;
        status = csv_export_rows(cursor, writer, &text, output, &rows, out_err);
        if (status != VARVE_OK) {
            status = csv_export_stop(&text, output, rows, status, out_err);
        }
    }
    varve_cursor_close(cursor);
    vv_buf_deinit(&text);
    varve_status closed = vv_output_close(output, &close_error);
    if (status == VARVE_OK && closed != VARVE_OK) {
        *out_err = close_error;
        status = closed;
    }
    return status;
}

varve_status vv_csv_export_run(varve_db *db, const vv_csv_export *export, vv_arena *arena,
                               bool *out_lost, varve_error *out_err)
{
    const varve_query_options *query = export->query;
    uint32_t unit = export->unit == VARVE_PRECISION_STORED ? export->from : export->unit;
    const vv_csv_column *columns;
    size_t count;
    varve_list_options options;
    varve_list_options_init(&options);
    options.selections = query->selections;
    options.selection_count = query->selection_count;
    options.range = query->range;
    options.task = query->task;
    VV_TRY(vv_csv_columns_find(db, &options, unit, arena, &columns, &count, out_err));
    vv_csv_writer writer;
    vv_csv_writer_init(&writer, arena->alloc, columns, count, export->from);
    varve_status status = csv_export_to(db, export, &writer, arena->alloc, out_err);
    *out_lost = writer.has_lost;
    vv_csv_writer_deinit(&writer);
    return status;
}
