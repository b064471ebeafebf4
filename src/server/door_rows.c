/* SPDX-License-Identifier: Apache-2.0 */

/* POST /api/v1/rows: a varve_query in JSON, its answer streamed. */

#include "base/status.h"
#include "server/server_priv.h"
#include "sys/clock.h"
#include "wire/json_lines.h"
#include "wire/rows_json.h"

#define DOOR_ROWS_PIECE_BYTES    (64u * 1024u)
#define DOOR_ROWS_TIMEOUT_MS_MAX UINT64_C(120000)

typedef struct door_rows {
    vv_call *call;
    vv_reading *reading;
    vv_rows_request asked;
    vv_json json;
    vv_rows_answer answer;
    vv_arena arena; /* of one block */
    bool is_begun;
} door_rows;

static void door_rows_end(void *state)
{
    door_rows *door = state;
    vv_arena_deinit(&door->arena);
}

static varve_status door_rows_name(void *context, varve_series series, varve_text *out_metric,
                                   const varve_label **out_labels, size_t *out_label_count)
{
    vv_server *server = context;
    return varve_series_name(server->db, series, out_metric, out_labels, out_label_count, NULL);
}

/** All fields come in the order of their names; those that were asked for as they were. */
static varve_status door_rows_block(door_rows *door, const varve_block *block, varve_error *out_err)
{
    varve_block sorted = *block;
    vv_arena_reset(&door->arena);
    if (door->asked.query.output_count == 0) {
        VV_TRY(
            vv_columns_sort(block, &door->arena, &sorted.column_names, &sorted.columns, out_err));
    }
    vv_rows_answer_block(&door->answer, &sorted, door_rows_name, door->call->server);
    return VARVE_OK;
}

static varve_status door_rows_pull(void *state, vv_buf *out, bool *out_is_end, varve_error *out_err)
{
    door_rows *door = state;
    vv_server *server = door->call->server;
    if (!door->is_begun) {
        door->is_begun = true;
        vv_json_init(&door->json, out);
        vv_rows_answer_begin(&door->answer, &door->json, server->precision, door->asked.unit);
    }
    while (out->size < DOOR_ROWS_PIECE_BYTES) {
        const varve_block *block;
        VV_TRY(vv_reading_next(door->reading, &block, out_err));
        if (block == NULL) {
            vv_rows_answer_end(&door->answer);
            *out_is_end = true;
            return vv_json_end(&door->json, out_err);
        }
        VV_TRY(door_rows_block(door, block, out_err));
    }
    return vv_buf_check(out, out_err);
}

static varve_status door_rows_query(door_rows *door, varve_text body, varve_error *out_err)
{
    vv_server *server = door->call->server;
    varve_query_options *query = &door->asked.query;
    VV_TRY(vv_rows_json_parse(body, server->precision, vv_wall_now_ns(),
                              vv_http_request_arena(door->call->request), &door->asked, out_err));
    VV_TRY(vv_call_narrow(door->call, &query->selections, &query->selection_count, out_err));
    uint64_t timeout_ms = door->asked.timeout_ms;
    timeout_ms = timeout_ms == 0 ? server->live.query_timeout_ms : timeout_ms;
    query->deadline_ms =
        timeout_ms < DOOR_ROWS_TIMEOUT_MS_MAX ? timeout_ms : DOOR_ROWS_TIMEOUT_MS_MAX;
    query->memory_max = server->live.query_memory_bytes_max;
    query->scanned_rows_max = server->live.query_rows_max;
    query->task = door->reading->task;
    return varve_query(server->db, query, &door->reading->cursor, out_err);
}

static void door_rows_document(void *state, vv_http_request *request, varve_text body,
                               varve_status status, const varve_error *body_err)
{
    vv_call *call = state;
    if (status != VARVE_OK) {
        vv_answer_body_error(call, status, body_err);
        return;
    }
    varve_error err = {.message = "out of memory"};
    status = VARVE_E_NOMEM;
    door_rows *door = vv_arena_zeroed(vv_http_request_arena(request), sizeof *door);
    if (door != NULL) {
        door->call = call;
        vv_arena_init(&door->arena, &call->server->alloc, SIZE_MAX);
        door->reading = vv_reading_create(call);
    }
    if (door != NULL && door->reading != NULL &&
        vv_http_request_cleanup(request, door_rows_end, door) == VARVE_OK) {
        status = door_rows_query(door, body, &err);
    }
    if (status == VARVE_OK) {
        status =
            vv_http_respond_stream(request, 200, "application/json", door_rows_pull, door, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
    }
}

void vv_serve_rows(vv_call *call)
{
    vv_http_read_document(call->request, call->server->options.document_bytes_max, false,
                          door_rows_document, call);
}
