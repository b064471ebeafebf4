/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Line protocol over HTTP, as InfluxDB 1 and 2 take it. The body streams: lines become rows as they
 * come, good ones are stored in parts, and the answer tells what was left out.
 *
 * The database or bucket that a client names becomes the label `db` of its series, unless the line
 * has a tag of that name.
 */

#include <string.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"
#include "server/ingest.h"
#include "sys/clock.h"
#include "wire/influx.h"

#define DOOR_DB_LABEL     "db"
#define DOOR_DB_BYTES_MAX 1024u
/* A key and the labels parsed from it, in the arena of one resolve. */
#define DOOR_KEY_ARENA_BYTES (4u * 1024u * 1024u)

typedef struct door_influx {
    vv_call *call;
    bool is_v2;
    vv_influx parser;
    vv_ingest ingest;
    vv_arena scratch;  /* of one key */
    vv_buf key;        /* what the cache is asked for: see door_influx_open */
    varve_text db;     /* empty: none was named */
    size_t key_prefix; /* bytes of `key` that stay */
    bool has_ingest;
} door_influx;

static void door_influx_end(void *state)
{
    door_influx *door = state;
    vv_influx_deinit(&door->parser);
    if (door->has_ingest) {
        vv_ingest_deinit(&door->ingest);
    }
    vv_arena_deinit(&door->scratch);
    vv_buf_deinit(&door->key);
}

/** The labels of a key with the one of the database among them. */
static varve_status door_influx_labels(door_influx *door, varve_text key, varve_text *out_metric,
                                       varve_label **out_labels, size_t *out_count,
                                       varve_error *out_err)
{
    varve_label *parsed;
    size_t count;
    VV_TRY(vv_influx_key_parse(key, &door->scratch, out_metric, &parsed, &count, out_err));
    *out_labels = parsed;
    *out_count = count;
    if (door->db.size == 0) {
        return VARVE_OK;
    }
    for (size_t index = 0; index < count; index++) {
        if (vv_text_equal(parsed[index].name, VV_TEXT(DOOR_DB_LABEL))) {
            return VARVE_OK;
        }
    }
    varve_label *labels = vv_arena_array(&door->scratch, count + 1, sizeof *labels);
    if (labels == NULL) {
        return vv_arena_fail(&door->scratch, (count + 1) * sizeof *labels, out_err);
    }
    memcpy(labels, parsed, count * sizeof *labels);
    labels[count] = (varve_label){.name = VV_TEXT(DOOR_DB_LABEL), .value = door->db};
    *out_labels = labels;
    *out_count = count + 1;
    return VARVE_OK;
}

static varve_status door_influx_series(door_influx *door, varve_text key, varve_series *out_series,
                                       varve_error *out_err)
{
    vv_server *server = door->call->server;
    varve_text name = key;
    if (door->key_prefix > 0) {
        vv_buf_truncate(&door->key, door->key_prefix);
        if (vv_buf_append_text(&door->key, key) != VARVE_OK) {
            return vv_buf_check(&door->key, out_err);
        }
        name = vv_buf_text(&door->key);
    }
    if (vv_name_cache_find(&server->series, name, &out_series->id)) {
        vv_count(server, VV_METRIC_CACHE_HITS, 1);
        return VARVE_OK;
    }
    vv_count(server, VV_METRIC_CACHE_MISSES, 1);
    vv_arena_reset(&door->scratch);
    varve_text metric;
    varve_label *labels;
    size_t count;
    VV_TRY(door_influx_labels(door, key, &metric, &labels, &count, out_err));
    VV_TRY(vv_ingest_series(server, metric, labels, count, out_series, out_err));
    vv_name_cache_put(&server->series, name, out_series->id);
    return VARVE_OK;
}

static varve_status door_influx_row(door_influx *door, const vv_influx_row *row,
                                    varve_error *out_err)
{
    varve_error err;
    varve_series series = {0};
    varve_status status = door_influx_series(door, row->key, &series, &err);
    if (status == VARVE_E_INVALID || status == VARVE_E_LIMIT) {
        vv_ingest_reject(&door->ingest, row->line, 1, &err);
        return VARVE_OK;
    }
    if (status != VARVE_OK) {
        *out_err = err;
        return status;
    }
    return vv_ingest_row(&door->ingest, series, row->timestamp, row->names, row->values, row->count,
                         1, row->line, out_err);
}

/** Take every line that the parser has. */
static varve_status door_influx_drain(door_influx *door, varve_error *out_err)
{
    vv_influx_row row;
    for (;;) {
        varve_error err;
        switch (vv_influx_next(&door->parser, &row, &err)) {
        case VV_INFLUX_ROW:
            VV_TRY(door_influx_row(door, &row, out_err));
            break;
        case VV_INFLUX_ERROR:
            vv_ingest_reject(&door->ingest, row.line, 1, &err);
            break;
        case VV_INFLUX_MORE:
            return VARVE_OK;
        case VV_INFLUX_STOP:
            return vv_fail(out_err, err.status, "line %llu: %s", (unsigned long long)row.line,
                           err.message);
        }
    }
}

static varve_status door_influx_piece(void *state, vv_bytes piece, varve_error *out_err)
{
    door_influx *door = state;
    vv_count(door->call->server, VV_METRIC_INGEST_BYTES_INFLUX, piece.size);
    vv_influx_feed(&door->parser, vv_text_of_bytes(piece), false);
    return door_influx_drain(door, out_err);
}

/** 400 that names the first line that was left out, and how many were. */
static void door_influx_answer_partial(door_influx *door)
{
    vv_ingest *ingest = &door->ingest;
    vv_buf buf;
    vv_buf_init(&buf, &door->call->server->alloc, SIZE_MAX);
    vv_json json;
    vv_json_init(&json, &buf);
    char text[400];
    vv_text_format(text, sizeof text, "%sline %llu: %s dropped=%llu",
                   ingest->rows > 0 ? "partial write: " : "",
                   (unsigned long long)ingest->first_line, ingest->first_err.message,
                   (unsigned long long)ingest->rejected);
    varve_text message = vv_text_from_string(text);
    vv_json_object_begin(&json);
    if (door->is_v2) {
        vv_json_key_text(&json, VV_TEXT("code"), VV_TEXT("invalid"));
        vv_json_key_text(&json, VV_TEXT("message"), message);
        vv_json_key_u64(&json, VV_TEXT("line"), ingest->first_line);
        vv_json_key_u64(&json, VV_TEXT("written"), ingest->rows);
        vv_json_key_u64(&json, VV_TEXT("rejected"), ingest->rejected);
    } else {
        vv_json_key_text(&json, VV_TEXT("error"), message);
    }
    vv_json_object_end(&json);
    varve_text body = vv_json_end(&json, NULL) == VARVE_OK ? vv_buf_text(&buf) : VV_TEXT("{}");
    vv_http_respond(door->call->request, 400, "application/json", body);
    vv_buf_deinit(&buf);
}

static void door_influx_done(void *state, vv_http_request *request, varve_status status,
                             const varve_error *body_err)
{
    door_influx *door = state;
    vv_ingest *ingest = &door->ingest;
    vv_server *server = door->call->server;
    varve_error err = *body_err;
    if (status == VARVE_OK) {
        vv_influx_feed(&door->parser, VV_TEXT(""), true);
        status = door_influx_drain(door, &err);
    }
    /* What was good before the end of a bad body is kept: parts of it are stored already. */
    varve_error flush_err;
    varve_status flushed = vv_ingest_flush(ingest, &flush_err);
    vv_count(server, VV_METRIC_INGEST_ROWS_INFLUX, ingest->rows);
    vv_count(server, VV_METRIC_INGEST_REJECTED_INFLUX, ingest->rejected);
    if (status == VARVE_OK && flushed != VARVE_OK) {
        status = flushed;
        err = flush_err;
    }
    vv_http_add_header(request, "X-Varve-Ack", vv_ingest_ack_text(ingest));
    if (status != VARVE_OK) {
        vv_answer_body_error(door->call, status, &err);
    } else if (ingest->rejected > 0) {
        door_influx_answer_partial(door);
    } else {
        vv_answer_nothing(door->call);
    }
}

/** The unit of times, and "now" in the precision of the database. */
static varve_status door_influx_options(vv_call *call, vv_influx_options *out_options,
                                        varve_error *out_err)
{
    varve_text text = VV_TEXT("");
    const vv_params *params = &vv_http_request_view(call->request)->params;
    VV_IGNORE(vv_params_find(params, VV_TEXT("precision"), &text)); /* absent: ns */
    *out_options = (vv_influx_options){.precision = call->server->precision,
                                       .line_bytes_max = call->server->options.text_line_bytes_max};
    if (!vv_influx_unit_parse(text, &out_options->unit)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"precision\": one of ns, us, ms, s, m, h");
    }
    out_options->now =
        vv_time_convert_saturating(vv_wall_now_ns(), VARVE_PRECISION_NS, call->server->precision);
    return VARVE_OK;
}

static varve_status door_influx_open(door_influx *door, varve_text db_param, varve_error *out_err)
{
    vv_call *call = door->call;
    vv_influx_options options;
    VV_TRY(door_influx_options(call, &options, out_err));
    VV_IGNORE(vv_params_find(&vv_http_request_view(call->request)->params, db_param,
                             &door->db)); /* absent: no label */
    if (door->db.size > DOOR_DB_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid parameter \"%.*s\": too long",
                       VV_TEXT_ARGS(db_param));
    }
    vv_influx_init(&door->parser, &call->server->alloc, &options);
    vv_arena_init(&door->scratch, &call->server->alloc, DOOR_KEY_ARENA_BYTES);
    vv_buf_init(&door->key, &call->server->alloc, SIZE_MAX);
    if (door->db.size > 0) {
        /* A key of its own begins with no comma, and the size says where the database ends: names
         * may hold any character, so no separator could. */
        VV_TRY(vv_buf_append_char(&door->key, ','));
        VV_TRY(vv_buf_append_u64(&door->key, door->db.size));
        VV_TRY(vv_buf_append_text(&door->key, door->db));
        door->key_prefix = door->key.size;
    }
    door->has_ingest = true;
    return vv_ingest_init(&door->ingest, call->server, out_err);
}

static void door_influx_serve(vv_call *call, bool is_v2, varve_text db_param)
{
    varve_error err = {.message = "out of memory"};
    door_influx *door = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *door);
    if (door == NULL) {
        vv_answer_error(call, VARVE_E_NOMEM, &err);
        return;
    }
    door->call = call;
    door->is_v2 = is_v2;
    varve_status status = door_influx_open(door, db_param, &err);
    if (status == VARVE_OK || door->has_ingest) {
        varve_status kept = vv_http_request_cleanup(call->request, door_influx_end, door);
        if (kept != VARVE_OK) {
            door_influx_end(door);
            status = kept;
        }
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    vv_http_read_body(call->request, UINT64_MAX, door_influx_piece, door_influx_done, door);
}

void vv_serve_write1(vv_call *call)
{
    door_influx_serve(call, false, VV_TEXT("db"));
}

void vv_serve_write2(vv_call *call)
{
    door_influx_serve(call, true, VV_TEXT("bucket"));
}
