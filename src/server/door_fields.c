/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GET and POST /api/v1/fields: which fields the metrics have, and of what type; by metric, then
 * field, bytewise.
 *
 *     {"status":"success","data":[{"metric":"cpu","field":"usage","type":"f64"}]}
 */

#include "base/json_writer.h"
#include "base/status.h"
#include "server/server_priv.h"
#include "wire/json_lines.h"

#define DOOR_FIELDS_PIECE_BYTES (64u * 1024u)

typedef struct door_fields {
    vv_call *call;
    vv_reading *reading;
    vv_json json;
    bool is_begun;
    uint64_t limit; /* rows */
    uint64_t rows;
    bool is_cut; /* there was more than the limit */
} door_fields;

static void door_fields_block(door_fields *door, const varve_block *block)
{
    static const varve_text keys[] = {VV_TEXT_INIT("metric"), VV_TEXT_INIT("field"),
                                      VV_TEXT_INIT("type")};
    for (size_t row = 0; row < block->rows && !door->is_cut; row++) {
        door->is_cut = door->rows == door->limit;
        if (door->is_cut) {
            return;
        }
        door->rows += 1;
        vv_json_object_begin(&door->json);
        for (size_t i = 0; i < VV_ARRAY_COUNT(keys); i++) {
            vv_json_key_text(&door->json, keys[i],
                             vv_column_value(&block->columns[i], row).as.bytes);
        }
        vv_json_object_end(&door->json);
    }
}

static void door_fields_begin(door_fields *door, vv_buf *out)
{
    door->is_begun = true;
    vv_json_init(&door->json, out);
    vv_json_object_begin(&door->json);
    vv_json_key_text(&door->json, VV_TEXT("status"), VV_TEXT("success"));
    vv_json_key(&door->json, VV_TEXT("data"));
    vv_json_array_begin(&door->json);
}

static void door_fields_finish(door_fields *door)
{
    vv_json_array_end(&door->json);
    if (door->is_cut) {
        vv_json_key(&door->json, VV_TEXT("warnings"));
        vv_json_array_begin(&door->json);
        vv_json_text(&door->json, VV_TEXT("results truncated due to limit"));
        vv_json_array_end(&door->json);
    }
    vv_json_object_end(&door->json);
}

static varve_status door_fields_pull(void *state, vv_buf *out, bool *out_is_end,
                                     varve_error *out_err)
{
    door_fields *door = state;
    if (!door->is_begun) {
        door_fields_begin(door, out);
    }
    while (out->size < DOOR_FIELDS_PIECE_BYTES) {
        const varve_block *block = NULL;
        if (!door->is_cut) {
            VV_TRY(vv_reading_next(door->reading, &block, out_err));
        }
        if (block == NULL) {
            door_fields_finish(door);
            *out_is_end = true;
            return vv_json_end(&door->json, out_err);
        }
        door_fields_block(door, block);
    }
    return vv_buf_check(out, out_err);
}

static varve_status door_fields_query(door_fields *door, varve_error *out_err)
{
    vv_call *call = door->call;
    varve_list_options list;
    varve_list_options_init(&list);
    VV_TRY(vv_call_selections(call, false, &list.selections, &list.selection_count, out_err));
    VV_TRY(vv_call_range(call, &list.range, out_err));
    uint64_t most = call->server->live.listing_rows_max;
    VV_TRY(vv_call_number(call, VV_TEXT("limit"), 0, &door->limit, out_err));
    door->limit = door->limit == 0 || door->limit > most ? most : door->limit;
    list.limit = door->limit + 1; /* one more tells that there is more */
    list.task = door->reading->task;
    return varve_field_names(call->server->db, &list, &door->reading->cursor, out_err);
}

static void door_fields_document(void *state, vv_http_request *request, varve_text body,
                                 varve_status status, const varve_error *body_err)
{
    vv_call *call = state;
    (void)body; /* a form: its parameters are among the others */
    if (status != VARVE_OK) {
        vv_answer_body_error(call, status, body_err);
        return;
    }
    varve_error err = {.message = "out of memory"};
    status = VARVE_E_NOMEM;
    door_fields *door = vv_arena_zeroed(vv_http_request_arena(request), sizeof *door);
    if (door != NULL) {
        door->call = call;
        door->reading = vv_reading_create(call);
    }
    if (door != NULL && door->reading != NULL) {
        status = door_fields_query(door, &err);
    }
    if (status == VARVE_OK) {
        status =
            vv_http_respond_stream(request, 200, "application/json", door_fields_pull, door, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
    }
}

void vv_serve_fields(vv_call *call)
{
    vv_http_read_document(call->request, call->server->options.form_bytes_max, true,
                          door_fields_document, call);
}
