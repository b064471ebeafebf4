/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GET and POST /api/v1/export and /api/v1/export/native: series as JSON lines or as a stream, block
 * by block from a cursor, so that a database of any size leaves through a buffer of a few blocks.
 */

#include "base/status.h"
#include "server/server_priv.h"
#include "wire/json_lines.h"
#include "wire/stream.h"

/* A line stays well below what an import takes, estimates included. */
#define DOOR_LINE_BYTES_AIM (256u * 1024u)
/* A pull ends when this much is written. */
#define DOOR_PIECE_BYTES (64u * 1024u)

typedef struct door_export {
    vv_call *call;
    vv_reading *reading;
    uint32_t unit;
    bool splits_fields;
    uint64_t line_rows_max;
    vv_stream_writer *stream; /* native; else NULL */
    vv_arena arena;           /* of one block */
    bool has_lost;            /* digits of times were cut; told while the head can still say so */
} door_export;

static varve_status door_export_block(door_export *door, const varve_block *block, vv_json *json,
                                      varve_error *out_err)
{
    vv_json_rows rows = {
        .metric = block->metric,
        .labels = block->labels,
        .label_count = block->label_count,
        .timestamps = block->timestamps,
        .column_count = block->column_count,
        .from = door->call->server->precision,
        .unit = door->unit,
        .splits_fields = door->splits_fields,
    };
    vv_arena_reset(&door->arena);
    VV_TRY(vv_columns_sort(block, &door->arena, &rows.names, &rows.columns, out_err));
    while (rows.begin < block->rows) {
        rows.end = block->rows;
        size_t fit = vv_json_lines_fit(&rows, DOOR_LINE_BYTES_AIM);
        fit = fit < door->line_rows_max ? fit : (size_t)door->line_rows_max;
        rows.end = rows.begin + fit;
        vv_json_lines_write(json, &rows, &door->has_lost);
        rows.begin = rows.end;
    }
    return VARVE_OK;
}

/** door_export_pull of a stream. */
static varve_status door_export_pull_native(void *state, vv_buf *out, bool *out_is_end,
                                            varve_error *out_err)
{
    door_export *door = state;
    while (out->size < DOOR_PIECE_BYTES) {
        const varve_block *block;
        VV_TRY(vv_reading_next(door->reading, &block, out_err));
        if (block == NULL) {
            *out_is_end = true;
            return vv_stream_write_end(door->stream, out, out_err);
        }
        vv_stream_rows rows = {
            .metric = block->metric,
            .labels = block->labels,
            .label_count = block->label_count,
            .row_count = block->rows,
            .timestamps = block->timestamps,
            .column_count = block->column_count,
        };
        vv_arena_reset(&door->arena);
        VV_TRY(vv_columns_sort(block, &door->arena, &rows.names, &rows.columns, out_err));
        VV_TRY(vv_stream_write_rows(door->stream, &rows, out, out_err));
    }
    return VARVE_OK;
}

static varve_status door_export_pull(void *state, vv_buf *out, bool *out_is_end,
                                     varve_error *out_err)
{
    door_export *door = state;
    vv_json json;
    vv_json_init(&json, out);
    while (out->size < DOOR_PIECE_BYTES) {
        const varve_block *block;
        VV_TRY(vv_reading_next(door->reading, &block, out_err));
        if (block == NULL) {
            *out_is_end = true;
            break;
        }
        VV_TRY(door_export_block(door, block, &json, out_err));
    }
    return vv_json_end(&json, out_err);
}

static varve_status door_export_first(void *state, vv_buf *out, bool *out_is_end,
                                      varve_error *out_err)
{
    door_export *door = state;
    bool had_lost = door->has_lost;
    VV_TRY(door_export_pull(state, out, out_is_end, out_err));
    if (door->has_lost && !had_lost) {
        vv_http_add_header(door->call->request, "X-Varve-Precision-Lost", "1");
    }
    return VARVE_OK;
}

static void door_export_end(void *state)
{
    door_export *door = state;
    vv_stream_writer_free(door->stream);
    vv_arena_deinit(&door->arena);
}

static varve_status door_export_open(door_export *door, varve_error *out_err)
{
    vv_call *call = door->call;
    varve_query_options query;
    varve_query_options_init(&query);
    VV_TRY(vv_call_selections(call, true, &query.selections, &query.selection_count, out_err));
    VV_TRY(vv_call_range(call, &query.range, out_err));
    VV_TRY(vv_call_precision(call, &door->unit, out_err));
    VV_TRY(vv_call_number(call, VV_TEXT("max_rows_per_line"), UINT64_MAX, &door->line_rows_max,
                          out_err));
    door->line_rows_max = door->line_rows_max == 0 ? UINT64_MAX : door->line_rows_max;
    VV_TRY(vv_call_flag(call, VV_TEXT("split_fields"), false, &door->splits_fields, out_err));
    query.memory_max = call->server->live.query_memory_bytes_max;
    query.task = door->reading->task;
    return varve_query(call->server->db, &query, &door->reading->cursor, out_err);
}

/** The answer of the route, once the cursor is open. */
static varve_status door_export_answer(door_export *door, varve_error *out_err)
{
    vv_call *call = door->call;
    if (call->route_id != VV_ROUTE_EXPORT_NATIVE) {
        return vv_http_respond_stream(call->request, 200, "application/x-ndjson", door_export_first,
                                      door, out_err);
    }
    VV_TRY(vv_stream_writer_create(&call->server->alloc, call->server->precision, &door->stream,
                                   out_err));
    return vv_http_respond_stream(call->request, 200, VV_STREAM_CONTENT_TYPE,
                                  door_export_pull_native, door, out_err);
}

static void door_export_serve(vv_call *call)
{
    varve_error err = {.message = "out of memory"};
    varve_status status = VARVE_E_NOMEM;
    door_export *door = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *door);
    if (door != NULL) {
        door->call = call;
        vv_arena_init(&door->arena, &call->server->alloc, SIZE_MAX);
        door->reading = vv_reading_create(call);
    }
    if (door != NULL && door->reading != NULL &&
        vv_http_request_cleanup(call->request, door_export_end, door) == VARVE_OK) {
        status = door_export_open(door, &err);
    }
    if (status == VARVE_OK) {
        status = door_export_answer(door, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
    }
}

/** Parameters may come as a form. */
static void door_export_document(void *state, vv_http_request *request, varve_text body,
                                 varve_status status, const varve_error *err)
{
    (void)request;
    (void)body;
    vv_call *call = state;
    if (status != VARVE_OK) {
        vv_answer_body_error(call, status, err);
        return;
    }
    door_export_serve(call);
}

void vv_serve_export(vv_call *call)
{
    vv_http_read_document(call->request, call->server->options.form_bytes_max, true,
                          door_export_document, call);
}

void vv_serve_export_native(vv_call *call)
{
    vv_serve_export(call);
}
