/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows into the database over HTTP: the body goes piece by piece through a decoder into an ingest,
 * and the answer tells what was left out. Good lines before a bad end of the body are kept, since
 * parts of them are stored already; only a text that counts as a whole leaves nothing.
 */

#include "server/import_priv.h"

#include "base/checked.h"
#include "base/limit.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/time_range.h"
#include "sys/clock.h"
#include "wire/json_lines.h"

/* Lines up to here are parsed by all at once: 256 connections then take 400 MB at the very worst.
 */
#define DOOR_LINE_FREE_BYTES (64u * 1024u)

/* Of a string, or of bytes, in a text (security.md, section 4); streams move what is stored. */
#define DOOR_STRING_BYTES_MAX (64u * 1024u)

/* A text is given up when so many of its rows are left out, and more than are good. Arbitrary: it
 * takes some 50 ms to get there. */
#define DOOR_REJECTED_MAX 100000u

typedef struct door_import {
    vv_call *call;
    vv_import_plan plan;
    vv_decoder_options options;
    vv_wire_sink sink;
    vv_decoder *decoder;
    vv_ingest ingest;
} door_import;

/** What the decoder counts. */
static const char *door_import_noun(const door_import *door)
{
    return door->plan.format == VV_FORMAT_NATIVE ? "block" : "line";
}

static void door_import_end(void *state)
{
    door_import *door = state;
    vv_decoder_free(door->decoder);
    vv_ingest_deinit(&door->ingest);
}

/** How far ahead of the clock rows may be from now on (security.md, section 4). */
static void door_import_look_ahead(door_import *door)
{
    const vv_server *server = door->call->server;
    uint64_t ms = server->live.future_ms_max;
    if (ms > 0) {
        int64_t latest_ns =
            vv_sat_add_i64(vv_wall_now_ns(), vv_sat_mul_i64((int64_t)ms, VV_NS_PER_MS));
        door->ingest.latest =
            vv_time_convert_saturating(latest_ns, VARVE_PRECISION_NS, server->precision);
    }
}

/** What is left out costs time, and finds nobody who misses it where nearly all of a text is. */
static varve_status door_import_check_sense(const door_import *door, varve_error *out_err)
{
    const vv_ingest *ingest = &door->ingest;
    uint64_t good = ingest->rows + ingest->row_lines.count;
    if (ingest->rejected <= DOOR_REJECTED_MAX || ingest->rejected <= good) {
        return VARVE_OK;
    }
    return vv_fail(out_err, VARVE_E_INVALID,
                   "%llu rows are left out and %llu are good: what follows is not read; the first "
                   "at %s %llu: %s",
                   (unsigned long long)ingest->rejected, (unsigned long long)good,
                   door_import_noun(door), (unsigned long long)ingest->first_line,
                   ingest->first_err.message);
}

static varve_status door_import_piece(void *state, vv_bytes piece, varve_error *out_err)
{
    door_import *door = state;
    door_import_look_ahead(door);
    vv_count(door->call->server, door->plan.bytes, piece.size);
    VV_TRY(vv_decoder_feed(door->decoder, piece, out_err));
    return door_import_check_sense(door, out_err);
}

/* ---- answers -------------------------------------------------------------------------------- */

static void door_import_partial(const door_import *door, vv_json *json)
{
    const vv_ingest *ingest = &door->ingest;
    char text[400];
    vv_text_format(text, sizeof text, "%s %llu: %s", door_import_noun(door),
                   (unsigned long long)ingest->first_line, ingest->first_err.message);
    vv_json_key_text(json, VV_TEXT("status"), VV_TEXT("error"));
    vv_json_key_text(json, VV_TEXT("errorType"), VV_TEXT("bad_data"));
    vv_json_key_text(json, VV_TEXT("error"), vv_text_from_string(text));
    vv_json_key(json, VV_TEXT("data"));
    vv_json_object_begin(json);
    vv_json_key_u64(json, VV_TEXT("line"), ingest->first_line);
    vv_json_key_u64(json, VV_TEXT("written"), ingest->rows);
    vv_json_key_u64(json, VV_TEXT("rejected"), ingest->rejected);
    vv_json_object_end(json);
}

/** 400 that names the first line that was left out, and how many were. */
static void door_import_answer_partial(door_import *door)
{
    vv_buf buf;
    vv_json json;
    vv_buf_init(&buf, &door->call->server->alloc, SIZE_MAX);
    vv_json_init(&json, &buf);
    vv_json_object_begin(&json);
    vv_limit limit = vv_error_limit(&door->ingest.first_err);
    if (door->plan.partial != NULL) {
        door->plan.partial(&json, &door->ingest);
    } else {
        door_import_partial(door, &json);
        if (limit != VV_LIMIT_NONE) {
            vv_limit_print_json(door->call, limit, &json);
        }
    }
    vv_json_object_end(&json);
    varve_text body = vv_json_end(&json, NULL) == VARVE_OK ? vv_buf_text(&buf) : VV_TEXT("{}");
    vv_http_respond(door->call->request, 400, "application/json", body);
    vv_buf_deinit(&buf);
}

/** The failure that ended the text; of a text in parts, also how much is stored of what came
 * before: who sends it again should know. */
static void door_import_answer_failure(door_import *door, varve_status status,
                                       const varve_error *err)
{
    varve_error told = *err;
    char stored[96];
    size_t size = vv_text_format(stored, sizeof stored, "; %llu rows are stored, of %ss 1 to %llu",
                                 (unsigned long long)door->ingest.rows, door_import_noun(door),
                                 (unsigned long long)door->ingest.lines_stored);
    if (door->ingest.rows > 0) {
        varve_text why =
            vv_utf8_cut(vv_text_from_string(err->message), sizeof told.message - 1 - size);
        vv_text_format(told.message, sizeof told.message, "%.*s%s", VV_TEXT_ARGS(why), stored);
    }
    vv_answer_body_error(door->call, status, &told);
}

static void door_import_answer(door_import *door, varve_status status, const varve_error *err)
{
    const vv_ingest *ingest = &door->ingest;
    vv_http_request *request = door->call->request;
    char rows[VV_TEXT_I64_BYTES_MAX + 1];
    vv_text_format(rows, sizeof rows, "%llu", (unsigned long long)ingest->rows);
    vv_http_add_header(request, "X-Varve-Rows", rows);
    vv_http_add_header(request, "X-Varve-Ack", vv_ingest_ack_text(ingest));
    if (vv_decoder_has_lost_digits(door->decoder)) {
        vv_http_add_header(request, "X-Varve-Precision-Lost", "1");
    }
    bool is_told = door->plan.partial != NULL && ingest->rejected > 0 && door->plan.is_whole;
    if (status == VARVE_E_INVALID && is_told) {
        door_import_answer_partial(door);
    } else if (status != VARVE_OK) {
        door_import_answer_failure(door, status, err);
    } else if (ingest->rejected > 0 && !door->plan.is_quiet) {
        door_import_answer_partial(door);
    } else {
        if (ingest->rejected > 0) {
            char count[VV_TEXT_I64_BYTES_MAX + 1];
            vv_text_format(count, sizeof count, "%llu", (unsigned long long)ingest->rejected);
            vv_http_add_header(request, "X-Varve-Rejected-Lines", count);
        }
        vv_answer_nothing(door->call);
    }
}

static void door_import_done(void *state, vv_http_request *request, varve_status status,
                             const varve_error *body_err)
{
    door_import *door = state;
    vv_ingest *ingest = &door->ingest;
    vv_server *server = door->call->server;
    varve_error err = *body_err;
    (void)request;
    if (status == VARVE_OK) {
        status = vv_decoder_end(door->decoder, &err);
    }
    varve_error flush_err;
    varve_status flushed = VARVE_OK;
    if (status == VARVE_OK || !door->plan.is_whole) {
        flushed = vv_ingest_flush(ingest, &flush_err);
    }
    vv_count(server, door->plan.rows, ingest->rows);
    for (uint32_t reason = 0; reason < VV_INGEST_REASON_COUNT; reason++) {
        vv_count(server, (vv_metric_id)((uint32_t)door->plan.rejected + reason),
                 ingest->reasons[reason]);
    }
    for (uint32_t limit = 1; limit < VV_LIMIT_COUNT; limit++) {
        if ((ingest->limits >> limit & 1) != 0) {
            vv_limit_count(server, (vv_limit)limit);
            door->call->is_refused = true; /* that is, counted */
        }
    }
    vv_count(server, VV_METRIC_CACHE_HITS, ingest->cache_hits);
    vv_count(server, VV_METRIC_CACHE_MISSES, ingest->cache_misses);
    if (status == VARVE_OK && flushed != VARVE_OK) {
        status = flushed;
        err = flush_err;
    }
    door_import_answer(door, status, &err);
}

/* ---- begin ---------------------------------------------------------------------------------- */

static varve_status door_import_open(door_import *door, varve_error *out_err)
{
    vv_server *server = door->call->server;
    const vv_import_plan *plan = &door->plan;
    vv_ingest_options ingest = {
        .db = server->db,
        .alloc = &server->alloc,
        .series = &server->series,
        .fields = &server->fields,
        .batch_rows_max = server->live.batch_rows_max,
        .batch_bytes = server->live.batch_bytes,
        .unit = plan->is_whole ? VV_INGEST_WHOLE : VV_INGEST_PARTS,
        .bounds_names = true,
        .string_bytes_max = plan->format == VV_FORMAT_NATIVE ? 0 : DOOR_STRING_BYTES_MAX,
        .bad_lines_max = plan->bad_lines_max,
    };
    door->options = (vv_decoder_options){
        .precision = server->precision,
        .unit = plan->unit,
        .now = plan->now != NULL ? *plan->now
                                 : vv_time_convert_saturating(vv_wall_now_ns(), VARVE_PRECISION_NS,
                                                              server->precision),
        .line_bytes_max = plan->line_bytes_max > 0 ? plan->line_bytes_max
                                                   : (size_t)server->live.text_line_bytes_max,
        .extra = plan->extra,
        .extra_count = plan->extra_count,
        .extra_wins = plan->extra_wins,
        .seed = server->series.seed,
        .format_options = plan->format_options,
    };
    varve_status status = vv_ingest_init(&door->ingest, &ingest, out_err);
    varve_status kept = vv_http_request_cleanup(door->call->request, door_import_end, door);
    if (kept != VARVE_OK) {
        door_import_end(door);
        return vv_fail_nomem(out_err, "a request", sizeof *door);
    }
    VV_TRY(status);
    VV_TRY(vv_ingest_set_origin(&door->ingest, plan->format, &door->options, out_err));
    vv_ingest_sink(&door->ingest, &door->sink);
    return vv_decoder_create(plan->format, &server->alloc, &door->options, &door->sink,
                             &door->decoder, out_err);
}

void vv_import_serve(vv_call *call, const vv_import_plan *plan)
{
    varve_error err = {.message = "out of memory"};
    varve_status status = VARVE_E_NOMEM;
    door_import *door = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *door);
    if (door != NULL) {
        door->call = call;
        call->line_bytes_max = plan->line_bytes_max;
        door->plan = *plan;
        status = door_import_open(door, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    vv_http_read_body(call->request, plan->is_whole ? VV_INGEST_WHOLE_BYTES_MAX : UINT64_MAX,
                      door_import_piece, door_import_done, door);
}

static varve_label *door_import_find_extra(vv_import_plan *plan, varve_text name)
{
    for (size_t i = 0; i < plan->extra_count; i++) {
        if (vv_text_equal(plan->extra[i].name, name)) {
            return &plan->extra[i];
        }
    }
    return NULL;
}

varve_status vv_import_extra_label(vv_call *call, vv_import_plan *plan, varve_label label,
                                   varve_error *out_err)
{
    if (plan->extra == NULL) {
        size_t bytes = VV_IMPORT_EXTRA_LABELS_MAX * sizeof *plan->extra;
        plan->extra = vv_arena_zeroed(vv_http_request_arena(call->request), bytes);
        if (plan->extra == NULL) {
            return vv_fail_nomem(out_err, "extra labels", bytes);
        }
    }
    if (door_import_find_extra(plan, label.name) != NULL) {
        return VARVE_OK;
    }
    if (plan->extra_count == VV_IMPORT_EXTRA_LABELS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "more than %u extra labels",
                       VV_IMPORT_EXTRA_LABELS_MAX);
    }
    plan->extra[plan->extra_count] = label;
    plan->extra_count += 1;
    return VARVE_OK;
}

varve_status vv_import_extra_labels(vv_call *call, vv_import_plan *plan, varve_error *out_err)
{
    const vv_params *params = &vv_http_request_view(call->request)->params;
    size_t position = 0;
    varve_text text;
    plan->extra_count = 0;
    while (vv_params_next(params, VV_TEXT("extra_label"), &position, &text)) {
        size_t equal = vv_text_find_char(text, '=');
        if (equal == 0 || equal + 1 >= text.size) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "invalid parameter \"extra_label\": \"%.*s\" is no NAME=VALUE",
                           VV_TEXT_ARGS(vv_text_sub(text, 0, 64)));
        }
        varve_label label = {.name = vv_text_sub(text, 0, equal),
                             .value = vv_text_sub(text, equal + 1, text.size)};
        if (vv_text_equal(label.name, VV_TEXT("__name__"))) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "invalid parameter \"extra_label\": \"__name__\" is the metric's");
        }
        varve_label *known = door_import_find_extra(plan, label.name);
        if (known != NULL) {
            *known = label;
        } else {
            VV_TRY(vv_import_extra_label(call, plan, label, out_err));
        }
    }
    plan->extra_wins = plan->extra_count;
    return VARVE_OK;
}

/* ---- JSON lines ----------------------------------------------------------------------------- */

static varve_status door_import_take_turn(void *context, varve_error *out_err)
{
    return vv_turns_take(context, out_err);
}

static void door_import_give_turn(void *context)
{
    vv_turns_give(context);
}

const vv_json_lines_turns *vv_import_turns(vv_call *call)
{
    vv_json_lines_turns *turns =
        vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *turns);
    if (turns != NULL) {
        turns->free_bytes = DOOR_LINE_FREE_BYTES;
        turns->take = door_import_take_turn;
        turns->give = door_import_give_turn;
        turns->context = &call->server->parses;
    }
    return turns;
}

void vv_serve_import(vv_call *call)
{
    varve_error err = {.message = "out of memory"};
    varve_status status = VARVE_E_NOMEM;
    vv_import_plan plan = {
        .format = VV_FORMAT_JSONL,
        .rows = VV_METRIC_INGEST_ROWS_JSON,
        .rejected = VV_METRIC_INGEST_REJECTED_JSON,
        .bytes = VV_METRIC_INGEST_BYTES_JSON,
    };
    plan.format_options = vv_import_turns(call);
    if (plan.format_options != NULL) {
        status = vv_call_precision(call, &plan.unit, &err);
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

/* ---- streams -------------------------------------------------------------------------------- */

void vv_serve_import_native(vv_call *call)
{
    varve_error err;
    vv_import_plan plan = {
        .format = VV_FORMAT_NATIVE,
        .rows = VV_METRIC_INGEST_ROWS_NATIVE,
        .rejected = VV_METRIC_INGEST_REJECTED_NATIVE,
        .bytes = VV_METRIC_INGEST_BYTES_NATIVE,
    };
    varve_status status = vv_import_extra_labels(call, &plan, &err);
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    vv_import_serve(call, &plan);
}
