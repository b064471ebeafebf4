/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Listings of the Prometheus API: /api/v1/series, /labels, /label/NAME/values. Their rows come from
 * the cursors of the catalogue, sorted bytewise, and stream.
 */

#include <string.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "base/utf8.h"
#include "model/labels.h"
#include "server/server_priv.h"
#include "wire/json_lines.h"

#define DOOR_LISTING_PIECE_BYTES (64u * 1024u)

typedef struct door_listing {
    vv_call *call;
    vv_reading *reading;
    vv_json json;
    bool is_series;
    bool is_begun;
    uint64_t limit;  /* of what is listed; never above listing_rows_max */
    uint64_t rows;   /* listed */
    bool is_cut;     /* there was more than the limit */
    bool owes_name;  /* labels: "__name__", the metric, is still to be listed in its place */
    varve_text name; /* of the label */
} door_listing;

static varve_status door_listing_series(door_listing *door, varve_series series,
                                        varve_error *out_err)
{
    varve_text metric;
    const varve_label *labels;
    size_t count;
    VV_TRY(varve_series_name(door->call->server->db, series, &metric, &labels, &count, out_err));
    vv_json_metric(&door->json, metric, labels, count);
    return VARVE_OK;
}

/** Whether one more may be listed; counts it. */
static bool door_listing_admits(door_listing *door)
{
    door->is_cut = door->is_cut || door->rows == door->limit;
    door->rows += door->is_cut ? 0 : 1;
    return !door->is_cut;
}

/** One name; before the first that stands behind it, the metric's. */
static void door_listing_text(door_listing *door, varve_text text)
{
    varve_text metric = VV_TEXT(VV_METRIC_LABEL);
    int order = vv_text_compare(text, metric);
    if (door->owes_name && order > 0 && door_listing_admits(door)) {
        vv_json_text(&door->json, metric);
    }
    door->owes_name = door->owes_name && order < 0;
    if (door_listing_admits(door)) {
        vv_json_text(&door->json, text);
    }
}

static varve_status door_listing_block(door_listing *door, const varve_block *block,
                                       varve_error *out_err)
{
    for (size_t row = 0; row < block->rows && !door->is_cut; row++) {
        if (!door->is_series) {
            varve_value value = vv_column_value(&block->columns[0], row);
            door_listing_text(door, value.as.bytes);
        } else if (door_listing_admits(door)) {
            VV_TRY(door_listing_series(door, block->row_series[row], out_err));
        }
    }
    return VARVE_OK;
}

static void door_listing_finish(door_listing *door)
{
    if (door->owes_name && door_listing_admits(door)) {
        vv_json_text(&door->json, VV_TEXT(VV_METRIC_LABEL));
    }
    vv_json_array_end(&door->json);
    if (door->is_cut) {
        vv_json_key(&door->json, VV_TEXT("warnings"));
        vv_json_array_begin(&door->json);
        vv_json_text(&door->json, VV_TEXT("results truncated due to limit"));
        vv_json_array_end(&door->json);
    }
    vv_json_object_end(&door->json);
}

static varve_status door_listing_pull(void *state, vv_buf *out, bool *out_is_end,
                                      varve_error *out_err)
{
    door_listing *door = state;
    if (!door->is_begun) {
        door->is_begun = true;
        vv_json_init(&door->json, out);
        vv_json_object_begin(&door->json);
        vv_json_key_text(&door->json, VV_TEXT("status"), VV_TEXT("success"));
        vv_json_key(&door->json, VV_TEXT("data"));
        vv_json_array_begin(&door->json);
    }
    while (out->size < DOOR_LISTING_PIECE_BYTES && !door->is_cut) {
        const varve_block *block;
        VV_TRY(vv_reading_next(door->reading, &block, out_err));
        if (block == NULL) {
            break;
        }
        VV_TRY(door_listing_block(door, block, out_err));
    }
    *out_is_end = door->is_cut || out->size < DOOR_LISTING_PIECE_BYTES;
    if (*out_is_end) {
        door_listing_finish(door);
        return vv_json_end(&door->json, out_err);
    }
    return vv_buf_check(out, out_err);
}

/** Whether any series is meant: then it has a metric. */
static varve_status door_listing_has_metric(door_listing *door, const varve_list_options *list,
                                            varve_error *out_err)
{
    varve_list_options one = *list;
    one.limit = 1;
    varve_cursor *cursor;
    const varve_block *block;
    VV_TRY(varve_metrics(door->call->server->db, &one, &cursor, out_err));
    varve_status status = varve_cursor_next(cursor, &block, out_err);
    door->owes_name = status == VARVE_OK && block != NULL && block->rows > 0;
    varve_cursor_close(cursor);
    return status;
}

static varve_status door_listing_query(door_listing *door, varve_error *out_err)
{
    vv_call *call = door->call;
    varve_list_options list;
    varve_list_options_init(&list);
    VV_TRY(vv_call_selections(call, door->is_series, &list.selections, &list.selection_count,
                              out_err));
    VV_TRY(vv_call_range(call, &list.range, out_err));
    uint64_t most = call->server->live.listing_rows_max;
    VV_TRY(vv_call_number(call, VV_TEXT("limit"), 0, &door->limit, out_err));
    door->limit = door->limit == 0 || door->limit > most ? most : door->limit;
    list.limit = door->limit + 1; /* one more tells that there is more */
    list.task = door->reading->task;
    varve_db *db = call->server->db;
    varve_cursor **cursor = &door->reading->cursor;
    if (call->route_id == VV_ROUTE_SERIES) {
        return varve_series_list(db, &list, cursor, out_err);
    }
    if (call->route_id == VV_ROUTE_LABELS) {
        VV_TRY(door_listing_has_metric(door, &list, out_err));
        return varve_label_names(db, &list, cursor, out_err);
    }
    return varve_label_values(db, door->name, &list, cursor, out_err);
}

static void door_listing_serve(vv_call *call, varve_text name)
{
    varve_error err = {.message = "out of memory"};
    varve_status status = VARVE_E_NOMEM;
    door_listing *door = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *door);
    if (door != NULL) {
        door->call = call;
        door->name = name;
        door->is_series = call->route_id == VV_ROUTE_SERIES;
        door->reading = vv_reading_create(call);
    }
    if (door != NULL && door->reading != NULL) {
        status = door_listing_query(door, &err);
    }
    if (status == VARVE_OK) {
        status = vv_http_respond_stream(call->request, 200, "application/json", door_listing_pull,
                                        door, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
    }
}

static void door_listing_document(void *state, vv_http_request *request, varve_text body,
                                  varve_status status, const varve_error *err)
{
    (void)request;
    (void)body;
    vv_call *call = state;
    if (status != VARVE_OK) {
        vv_answer_body_error(call, status, err);
        return;
    }
    door_listing_serve(call, VV_TEXT(""));
}

void vv_serve_series(vv_call *call)
{
    vv_http_read_document(call->request, call->server->options.form_bytes_max, true,
                          door_listing_document, call);
}

void vv_serve_labels(vv_call *call)
{
    vv_serve_series(call);
}

/* ---- names in U__ escaping ---- */

static int door_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** "_HEX_" at `at`: the code point and the bytes it takes; false for another form. */
static bool door_unescape_point(varve_text text, size_t at, uint32_t *out_point, size_t *out_size)
{
    uint32_t point = 0;
    size_t index = at + 1;
    while (index < text.size && index - at <= 6 && door_hex(text.data[index]) >= 0) {
        point = point * 16 + (uint32_t)door_hex(text.data[index]);
        index += 1;
    }
    bool is_scalar = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
    if (index == at + 1 || index == text.size || text.data[index] != '_' || !is_scalar) {
        return false;
    }
    *out_point = point;
    *out_size = index + 1 - at;
    return true;
}

/** A name as it is, or decoded where it is in U__ escaping ("__" is "_", "_HEX_" a code point). */
static varve_status door_label_name(vv_call *call, varve_text text, varve_text *out_name,
                                    varve_error *out_err)
{
    *out_name = text;
    if (!vv_text_starts_with(text, VV_TEXT("U__"))) {
        return VARVE_OK;
    }
    vv_arena *arena = vv_http_request_arena(call->request);
    char *target = vv_arena_new(arena, text.size);
    if (target == NULL) {
        return vv_arena_fail(arena, text.size, out_err);
    }
    size_t size = 0;
    for (size_t at = 3; at < text.size;) {
        uint32_t point;
        size_t used;
        if (text.data[at] != '_') {
            target[size] = text.data[at];
            size += 1;
            at += 1;
        } else if (at + 1 < text.size && text.data[at + 1] == '_') {
            target[size] = '_';
            size += 1;
            at += 2;
        } else if (door_unescape_point(text, at, &point, &used)) {
            size += vv_utf8_write(target + size, point);
            at += used;
        } else {
            return VARVE_OK; /* no such escaping: the name as it stands */
        }
    }
    *out_name = vv_text_make(target, size);
    return VARVE_OK;
}

void vv_serve_label_values(vv_call *call)
{
    varve_error err;
    varve_text name;
    varve_status status = vv_call_segment(call, call->wildcard, &name, &err);
    if (status == VARVE_OK) {
        status = door_label_name(call, name, &name, &err);
    }
    if (status == VARVE_OK) {
        status = vv_label_name_check(name, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    door_listing_serve(call, name);
}
