/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Line protocol over HTTP, as InfluxDB 1 and 2 take it. The body streams: lines become rows as they
 * come, good ones are stored in parts, and the answer tells what was left out.
 *
 * The database or bucket that a client names becomes a label of its series, `db` unless set
 * otherwise, where the line has no tag of that name.
 */

#include "base/status.h"
#include "base/text.h"
#include "server/import_priv.h"
#include "wire/influx.h"

#define DOOR_DB_BYTES_MAX 1024u

/** "partial write: line 3: ... dropped=1" */
static void door_influx_sentence(const vv_ingest *ingest, char *target, size_t capacity)
{
    vv_text_format(target, capacity, "%sline %llu: %s dropped=%llu",
                   ingest->rows > 0 ? "partial write: " : "",
                   (unsigned long long)ingest->first_line, ingest->first_err.message,
                   (unsigned long long)ingest->rejected);
}

static void door_influx_partial1(vv_json *json, const vv_ingest *ingest)
{
    char text[400];
    door_influx_sentence(ingest, text, sizeof text);
    vv_json_key_text(json, VV_TEXT("error"), vv_text_from_string(text));
}

static void door_influx_partial2(vv_json *json, const vv_ingest *ingest)
{
    char text[400];
    door_influx_sentence(ingest, text, sizeof text);
    vv_json_key_text(json, VV_TEXT("code"), VV_TEXT("invalid"));
    vv_json_key_text(json, VV_TEXT("message"), vv_text_from_string(text));
    vv_json_key_u64(json, VV_TEXT("line"), ingest->first_line);
    vv_json_key_u64(json, VV_TEXT("written"), ingest->rows);
    vv_json_key_u64(json, VV_TEXT("rejected"), ingest->rejected);
}

/** The parameter "precision", in the request's arena. */
static varve_status door_influx_unit(vv_call *call, const void **out_unit, varve_error *out_err)
{
    varve_text text = VV_TEXT("");
    const vv_params *params = &vv_http_request_view(call->request)->params;
    VV_IGNORE(vv_params_find(params, VV_TEXT("precision"), &text)); /* absent: ns */
    vv_influx_unit *unit = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *unit);
    if (unit == NULL) {
        return vv_fail_nomem(out_err, "a request", sizeof *unit);
    }
    if (!vv_influx_unit_parse(text, unit)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"precision\": one of ns, us, ms, s, m, h");
    }
    *out_unit = unit;
    return VARVE_OK;
}

/** The label of the database that the client names, if it does. */
static varve_status door_influx_db(vv_call *call, varve_text param, vv_import_plan *plan,
                                   varve_error *out_err)
{
    varve_text db;
    if (!vv_params_find(&vv_http_request_view(call->request)->params, param, &db) || db.size == 0) {
        return VARVE_OK;
    }
    if (db.size > DOOR_DB_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid parameter \"%.*s\": too long",
                       VV_TEXT_ARGS(param));
    }
    varve_label *label = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *label);
    if (label == NULL) {
        return vv_fail_nomem(out_err, "a request", sizeof *label);
    }
    label->name = call->server->options.influx_db_label;
    label->value = db;
    plan->extra = label;
    plan->extra_count = 1;
    return VARVE_OK;
}

static void door_influx_serve(vv_call *call, varve_text db_param,
                              void (*partial)(vv_json *json, const vv_ingest *ingest))
{
    varve_error err;
    vv_import_plan plan = {
        .format = VV_FORMAT_LP,
        .rows = VV_METRIC_INGEST_ROWS_INFLUX,
        .rejected = VV_METRIC_INGEST_REJECTED_INFLUX,
        .bytes = VV_METRIC_INGEST_BYTES_INFLUX,
        .partial = partial,
    };
    varve_status status = door_influx_unit(call, &plan.format_options, &err);
    if (status == VARVE_OK) {
        status = door_influx_db(call, db_param, &plan, &err);
    }
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    vv_import_serve(call, &plan);
}

void vv_serve_write1(vv_call *call)
{
    door_influx_serve(call, VV_TEXT("db"), door_influx_partial1);
}

void vv_serve_write2(vv_call *call)
{
    door_influx_serve(call, VV_TEXT("bucket"), door_influx_partial2);
}
