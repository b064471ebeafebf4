/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CSV in and out: POST /api/v1/import/csv, GET and POST /api/v1/export/csv. What the columns are is
 * told by the parameter `format`, or by a typed header; see docs/reference/csv.md.
 */

#include "base/status.h"
#include "net/params.h"
#include "server/csv_columns.h"
#include "server/import_priv.h"
#include "wire/csv_write.h"

/* ---- import --------------------------------------------------------------------------------- */

static bool door_csv_param(vv_call *call, varve_text name, varve_text *out_value)
{
    return vv_params_find(&vv_http_request_view(call->request)->params, name, out_value) &&
           out_value->size > 0;
}

static varve_status door_csv_options(vv_call *call, vv_csv_options *csv, varve_error *out_err)
{
    vv_arena *arena = vv_http_request_arena(call->request);
    varve_text text;
    if (door_csv_param(call, VV_TEXT("separator"), &text) &&
        !vv_csv_separator_parse(text, &csv->separator)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"separator\": comma, semicolon, tab or pipe");
    }
    VV_TRY(vv_call_number(call, VV_TEXT("skip_lines"), 0, &csv->skip_lines, out_err));
    csv->turns = vv_import_turns(call);
    if (csv->turns == NULL) {
        return vv_fail_nomem(out_err, "a request", sizeof *csv);
    }
    VV_TRY(vv_call_flag(call, VV_TEXT("header"), false, &csv->has_header, out_err));
    VV_IGNORE(door_csv_param(call, VV_TEXT("metric"), &csv->metric)); /* may be absent */
    if (!door_csv_param(call, VV_TEXT("format"), &text)) {
        return VARVE_OK; /* the header tells */
    }
    vv_csv_mapping *mapping = vv_arena_zeroed(arena, sizeof *mapping);
    if (mapping == NULL) {
        return vv_arena_fail(arena, sizeof *mapping, out_err);
    }
    csv->mapping = mapping;
    varve_status status = vv_csv_mapping_parse(text, csv->metric, arena, mapping, out_err);
    if (status == VARVE_E_INVALID) {
        vv_error_prefix(out_err, "invalid parameter \"format\"");
    }
    return status;
}

void vv_serve_import_csv(vv_call *call)
{
    varve_error err = {.message = "out of memory"};
    varve_status status = VARVE_E_NOMEM;
    vv_import_plan plan = {
        .format = VV_FORMAT_CSV,
        .rows = VV_METRIC_INGEST_ROWS_CSV,
        .rejected = VV_METRIC_INGEST_REJECTED_CSV,
        .bytes = VV_METRIC_INGEST_BYTES_CSV,
    };
    vv_csv_options *csv = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *csv);
    if (csv != NULL) {
        plan.format_options = csv;
        status = door_csv_options(call, csv, &err);
    }
    if (status == VARVE_OK) {
        status = vv_import_extra_labels(call, &plan, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    vv_import_serve(call, &plan);
}

/* ---- export --------------------------------------------------------------------------------- */

/* A pull ends when this much is written. */
#define DOOR_CSV_PIECE_BYTES (64u * 1024u)
/* Rows between two looks at that: arbitrary. */
#define DOOR_CSV_STEP_ROWS 64u

typedef struct door_csv {
    vv_call *call;
    vv_reading *reading;
    vv_csv_writer writer;
    const varve_block *block; /* under way; borrowed until the next of the cursor */
    size_t row;               /* of the block, the next to be written */
    bool is_typed;
    bool owes_header;
} door_csv;

static varve_status door_csv_pull(void *state, vv_buf *out, bool *out_is_end, varve_error *out_err)
{
    door_csv *door = state;
    if (door->owes_header) {
        door->owes_header = false;
        VV_TRY(vv_csv_writer_header(&door->writer, door->is_typed, out, out_err));
    }
    while (out->size < DOOR_CSV_PIECE_BYTES) {
        if (door->block == NULL || door->row == door->block->rows) {
            VV_TRY(vv_reading_next(door->reading, &door->block, out_err));
            door->row = 0;
        }
        if (door->block == NULL) {
            *out_is_end = true;
            return VARVE_OK;
        }
        size_t left = door->block->rows - door->row;
        size_t end = door->row + (left < DOOR_CSV_STEP_ROWS ? left : DOOR_CSV_STEP_ROWS);
        VV_TRY(vv_csv_writer_rows(&door->writer, door->block, door->row, end, out, out_err));
        door->row = end;
    }
    return VARVE_OK;
}

static varve_status door_csv_first(void *state, vv_buf *out, bool *out_is_end, varve_error *out_err)
{
    door_csv *door = state;
    bool had_lost = door->writer.has_lost;
    VV_TRY(door_csv_pull(state, out, out_is_end, out_err));
    if (door->writer.has_lost && !had_lost) {
        vv_http_add_header(door->call->request, "X-Varve-Precision-Lost", "1");
    }
    return VARVE_OK;
}

static void door_csv_end(void *state)
{
    door_csv *door = state;
    vv_csv_writer_deinit(&door->writer);
}

/** The columns that `format` tells, or all there are under a typed header. */
static varve_status door_csv_columns(door_csv *door, const varve_query_options *query,
                                     const vv_csv_column **out_columns, size_t *out_count,
                                     varve_error *out_err)
{
    vv_call *call = door->call;
    vv_arena *arena = vv_http_request_arena(call->request);
    varve_text format;
    varve_text precision;
    uint32_t unit = call->server->precision;
    VV_TRY(vv_call_flag(call, VV_TEXT("header"), false, &door->owes_header, out_err));
    if (door_csv_param(call, VV_TEXT("precision"), &precision)) {
        VV_TRY(vv_call_precision(call, &unit, out_err));
    }
    if (door_csv_param(call, VV_TEXT("format"), &format)) {
        varve_status status = vv_csv_export_parse(format, arena, out_columns, out_count, out_err);
        if (status == VARVE_E_INVALID) {
            vv_error_prefix(out_err, "invalid parameter \"format\"");
        }
        return status;
    }
    varve_list_options options;
    varve_list_options_init(&options);
    options.selections = query->selections;
    options.selection_count = query->selection_count;
    options.range = query->range;
    options.task = query->task;
    door->is_typed = true;
    door->owes_header = true;
    return vv_csv_columns_find(call->server->db, &options, unit, arena, out_columns, out_count,
                               out_err);
}

static varve_status door_csv_open(door_csv *door, varve_error *out_err)
{
    vv_call *call = door->call;
    const vv_csv_column *columns;
    size_t count;
    varve_query_options query;
    varve_query_options_init(&query);
    VV_TRY(vv_call_selections(call, true, &query.selections, &query.selection_count, out_err));
    VV_TRY(vv_call_range(call, &query.range, out_err));
    query.memory_max = call->server->live.query_memory_bytes_max;
    query.task = door->reading->task;
    VV_TRY(door_csv_columns(door, &query, &columns, &count, out_err));
    vv_csv_writer_init(&door->writer, &call->server->alloc, columns, count,
                       call->server->precision);
    return varve_query(call->server->db, &query, &door->reading->cursor, out_err);
}

static void door_csv_serve(vv_call *call)
{
    varve_error err = {.message = "out of memory"};
    varve_status status = VARVE_E_NOMEM;
    door_csv *door = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *door);
    if (door != NULL) {
        door->call = call;
        vv_csv_writer_init(&door->writer, &call->server->alloc, NULL, 0, call->server->precision);
        door->reading = vv_reading_create(call);
    }
    if (door != NULL && door->reading != NULL &&
        vv_http_request_cleanup(call->request, door_csv_end, door) == VARVE_OK) {
        status = door_csv_open(door, &err);
    }
    if (status == VARVE_OK) {
        status = vv_http_respond_stream(call->request, 200, "text/csv; charset=utf-8",
                                        door_csv_first, door, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
    }
}

/** Parameters may come as a form. */
static void door_csv_document(void *state, vv_http_request *request, varve_text body,
                              varve_status status, const varve_error *err)
{
    (void)request;
    (void)body;
    vv_call *call = state;
    if (status != VARVE_OK) {
        vv_answer_body_error(call, status, err);
        return;
    }
    door_csv_serve(call);
}

void vv_serve_export_csv(vv_call *call)
{
    vv_http_read_document(call->request, call->server->options.form_bytes_max, true,
                          door_csv_document, call);
}
