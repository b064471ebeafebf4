/* SPDX-License-Identifier: Apache-2.0 */

/*
 * POST /api/v1/import: JSON lines into the database. Lines are cut from the body as it comes; a bad
 * line is left out and counted, good ones are stored in parts.
 */

#include <string.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"
#include "server/ingest.h"
#include "wire/json_lines.h"

/* A parsed line: its text many times over ("1," becomes a value of 32 bytes). */
#define DOOR_LINE_ARENA_FACTOR 64u
/* Lines up to here are parsed by all at once: 256 connections then take 400 MB at the very worst.
 */
#define DOOR_LINE_FREE_BYTES (64u * 1024u)

typedef struct door_import {
    vv_call *call;
    vv_ingest ingest;
    vv_arena arena; /* of one line */
    vv_buf carry;   /* the beginning of a line */
    uint64_t line;  /* lines seen */
    uint32_t unit;
    bool has_lost;
} door_import;

static void door_import_end(void *state)
{
    door_import *door = state;
    vv_ingest_deinit(&door->ingest);
    vv_arena_deinit(&door->arena);
    vv_buf_deinit(&door->carry);
}

static varve_status door_import_rows(door_import *door, const vv_json_line *line,
                                     varve_error *out_err)
{
    vv_server *server = door->call->server;
    varve_series series;
    VV_TRY(
        vv_ingest_series(server, line->metric, line->labels, line->label_count, &series, out_err));
    for (size_t row = 0; row < line->row_count; row++) {
        int64_t timestamp;
        varve_error err;
        if (vv_time_convert(line->timestamps[row], door->unit, server->precision, &timestamp,
                            &door->has_lost, &err) != VARVE_OK) {
            vv_ingest_reject(&door->ingest, door->line, 1, &err);
            continue;
        }
        VV_TRY(vv_ingest_row(&door->ingest, series, timestamp, line->names, line->values + row,
                             line->field_count, line->row_count, door->line, out_err));
    }
    return VARVE_OK;
}

/** Parse a line. Long ones take turns: jansson makes of them a tree of twenty times their size. */
static varve_status door_import_parse(door_import *door, varve_text text, vv_json_line *line,
                                      varve_error *out_err)
{
    if (text.size <= DOOR_LINE_FREE_BYTES) {
        return vv_json_lines_parse(text, &door->arena, line, out_err);
    }
    vv_turns *turns = &door->call->server->parses;
    VV_TRY(vv_turns_take(turns, out_err));
    varve_status status = vv_json_lines_parse(text, &door->arena, line, out_err);
    vv_turns_give(turns);
    return status;
}

/** A whole line. Only what ends the request is a failure. */
static varve_status door_import_line(door_import *door, varve_text text, varve_error *out_err)
{
    door->line += 1;
    text = vv_text_trim(text);
    if (text.size == 0) {
        return VARVE_OK;
    }
    vv_arena_reset(&door->arena);
    vv_json_line line;
    varve_error err;
    varve_status status = door_import_parse(door, text, &line, &err);
    if (status == VARVE_OK) {
        status = door_import_rows(door, &line, &err);
    }
    if (status == VARVE_E_INVALID || status == VARVE_E_LIMIT) {
        vv_ingest_reject(&door->ingest, door->line, 1, &err);
        return VARVE_OK;
    }
    if (status != VARVE_OK) {
        *out_err = err;
    }
    return status;
}

static varve_status door_import_piece(void *state, vv_bytes piece, varve_error *out_err)
{
    door_import *door = state;
    vv_count(door->call->server, VV_METRIC_INGEST_BYTES_JSON, piece.size);
    varve_text text = vv_text_of_bytes(piece);
    for (;;) {
        size_t end = vv_text_find_char(text, '\n');
        if (end == text.size) {
            break;
        }
        varve_text line = vv_text_make(text.data, end);
        if (door->carry.size > 0) {
            if (vv_buf_append_text(&door->carry, line) != VARVE_OK) {
                break;
            }
            line = vv_buf_text(&door->carry);
        }
        VV_TRY(door_import_line(door, line, out_err));
        vv_buf_reset(&door->carry);
        text = vv_text_sub(text, end + 1, text.size);
    }
    if (door->carry.status != VARVE_OK || vv_buf_append_text(&door->carry, text) != VARVE_OK) {
        return vv_fail(out_err, door->carry.status, "line %llu: longer than %llu bytes",
                       (unsigned long long)door->line + 1,
                       (unsigned long long)door->call->server->options.text_line_bytes_max);
    }
    return VARVE_OK;
}

static void door_import_answer_partial(door_import *door)
{
    const vv_ingest *ingest = &door->ingest;
    vv_buf buf;
    vv_buf_init(&buf, &door->call->server->alloc, SIZE_MAX);
    vv_json json;
    vv_json_init(&json, &buf);
    char text[400];
    vv_text_format(text, sizeof text, "line %llu: %s", (unsigned long long)ingest->first_line,
                   ingest->first_err.message);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("status"), VV_TEXT("error"));
    vv_json_key_text(&json, VV_TEXT("errorType"), VV_TEXT("bad_data"));
    vv_json_key_text(&json, VV_TEXT("error"), vv_text_from_string(text));
    vv_json_key(&json, VV_TEXT("data"));
    vv_json_object_begin(&json);
    vv_json_key_u64(&json, VV_TEXT("line"), ingest->first_line);
    vv_json_key_u64(&json, VV_TEXT("written"), ingest->rows);
    vv_json_key_u64(&json, VV_TEXT("rejected"), ingest->rejected);
    vv_json_object_end(&json);
    vv_json_object_end(&json);
    varve_text body = vv_json_end(&json, NULL) == VARVE_OK ? vv_buf_text(&buf) : VV_TEXT("{}");
    vv_http_respond(door->call->request, 400, "application/json", body);
    vv_buf_deinit(&buf);
}

static void door_import_done(void *state, vv_http_request *request, varve_status status,
                             const varve_error *body_err)
{
    door_import *door = state;
    vv_ingest *ingest = &door->ingest;
    vv_server *server = door->call->server;
    varve_error err = *body_err;
    if (status == VARVE_OK) {
        status = door_import_line(door, vv_buf_text(&door->carry), &err);
    }
    /* What was good before the end of a bad body is kept: parts of it are stored already. */
    varve_error flush_err;
    varve_status flushed = vv_ingest_flush(ingest, &flush_err);
    vv_count(server, VV_METRIC_INGEST_ROWS_JSON, ingest->rows);
    vv_count(server, VV_METRIC_INGEST_REJECTED_JSON, ingest->rejected);
    if (status == VARVE_OK && flushed != VARVE_OK) {
        status = flushed;
        err = flush_err;
    }
    vv_http_add_header(request, "X-Varve-Ack", vv_ingest_ack_text(ingest));
    if (door->has_lost) {
        vv_http_add_header(request, "X-Varve-Precision-Lost", "1");
    }
    if (status != VARVE_OK) {
        vv_answer_body_error(door->call, status, &err);
    } else if (ingest->rejected > 0) {
        door_import_answer_partial(door);
    } else {
        vv_answer_nothing(door->call);
    }
}

void vv_serve_import(vv_call *call)
{
    varve_error err = {.message = "out of memory"};
    varve_status status = VARVE_E_NOMEM;
    vv_alloc *alloc = &call->server->alloc;
    size_t line_bytes_max = (size_t)call->server->options.text_line_bytes_max;
    door_import *door = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *door);
    if (door != NULL) {
        door->call = call;
        vv_arena_init(&door->arena, alloc, line_bytes_max * DOOR_LINE_ARENA_FACTOR);
        vv_buf_init(&door->carry, alloc, line_bytes_max);
        status = vv_ingest_init(&door->ingest, call->server, &err);
        varve_status kept = vv_http_request_cleanup(call->request, door_import_end, door);
        if (kept != VARVE_OK) {
            door_import_end(door);
            status = kept;
        }
    }
    if (status == VARVE_OK) {
        status = vv_call_precision(call, &door->unit, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    vv_http_read_body(call->request, UINT64_MAX, door_import_piece, door_import_done, door);
}
