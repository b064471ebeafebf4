/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Line protocol over HTTP, as InfluxDB 1, 2 and 3 take it. The body streams: lines become rows as
 * they come, good ones are stored in parts, and the answer tells what was left out. Only version 3
 * can be told to take all or nothing.
 *
 * The database or bucket that a client names becomes a label of its series, `db` unless set
 * otherwise, where the line has no tag of that name.
 */

#include "base/status.h"
#include "base/text.h"
#include "server/import_priv.h"
#include "wire/influx.h"

#define DOOR_DB_BYTES_MAX 1024u

/** What the versions of the API differ in. */
typedef struct door_influx_version {
    varve_text db;    /* the parameter that names the database */
    varve_text units; /* of the parameter "precision", each between commas */
    vv_influx_unit unit;
    bool needs_db;
    size_t bad_lines_max; /* that the answer lists */
    void (*partial)(vv_json *json, const vv_ingest *ingest);
} door_influx_version;

/* ---- what was left out ---- */

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

static void door_influx_bad_line(vv_json *json, const vv_ingest_bad *bad)
{
    vv_json_object_begin(json);
    vv_json_key_text(json, VV_TEXT("original_line"), vv_text_make(bad->text, bad->size));
    vv_json_key_u64(json, VV_TEXT("line_number"), bad->line);
    vv_json_key_text(json, VV_TEXT("error_message"), vv_text_from_string(bad->why.message));
    vv_json_object_end(json);
}

/** The lines that were left out, as far as they are kept, and how many in all; of a text that is
 * refused as a whole the first. */
static void door_influx_partial3(vv_json *json, const vv_ingest *ingest)
{
    bool is_whole = ingest->options.unit == VV_INGEST_WHOLE;
    const vv_ingest_bad *bad = VV_VEC_ITEMS(&ingest->bad_lines, const vv_ingest_bad);
    size_t count = ingest->bad_lines.count;
    vv_json_key_text(json, VV_TEXT("error"),
                     is_whole ? VV_TEXT("parsing failed for write_lp endpoint")
                              : VV_TEXT("partial write of line protocol occurred"));
    if (is_whole && count > 0) {
        vv_json_key(json, VV_TEXT("data"));
        door_influx_bad_line(json, bad);
    } else if (!is_whole) {
        vv_json_key(json, VV_TEXT("data"));
        vv_json_array_begin(json);
        for (size_t i = 0; i < count; i++) {
            door_influx_bad_line(json, &bad[i]);
        }
        vv_json_array_end(json);
    }
    vv_json_key_u64(json, VV_TEXT("written"), ingest->rows);
    vv_json_key_u64(json, VV_TEXT("rejected"), ingest->rejected);
}

static const door_influx_version door_influx_version1 = {
    .db = VV_TEXT_INIT("db"),
    .units = VV_TEXT_INIT(",n,ns,u,us,\xc2\xb5,\xce\xbc,\xc2\xb5s,ms,s,m,h,auto,"),
    .unit = VV_INFLUX_NS,
    .partial = door_influx_partial1,
};
static const door_influx_version door_influx_version2 = {
    .db = VV_TEXT_INIT("bucket"),
    .units = VV_TEXT_INIT(",ns,us,ms,s,auto,"),
    .unit = VV_INFLUX_NS,
    .partial = door_influx_partial2,
};
static const door_influx_version door_influx_version3 = {
    .db = VV_TEXT_INIT("db"),
    .units = VV_TEXT_INIT(",auto,nanosecond,microsecond,millisecond,second,ns,us,ms,s,"),
    .unit = VV_INFLUX_AUTO,
    .needs_db = true,
    .bad_lines_max = VV_INGEST_BAD_LINES_MAX,
    .partial = door_influx_partial3,
};

/* ---- parameters ---- */

static const vv_params *door_influx_params(vv_call *call)
{
    return &vv_http_request_view(call->request)->params;
}

/** Whether a word is in ",a,b,c,". */
static bool door_influx_is_listed(varve_text list, varve_text word)
{
    varve_text one;
    while (vv_text_split(&list, ',', &one)) {
        if (one.size > 0 && vv_text_equal(one, word)) {
            return true;
        }
    }
    return false;
}

static varve_status door_influx_unit(vv_call *call, const door_influx_version *version,
                                     vv_influx_unit *out_unit, varve_error *out_err)
{
    varve_text text = VV_TEXT("");
    *out_unit = version->unit;
    if (!vv_params_find(door_influx_params(call), VV_TEXT("precision"), &text) || text.size == 0) {
        return VARVE_OK;
    }
    if (!door_influx_is_listed(version->units, text) || !vv_influx_unit_parse(text, out_unit)) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid parameter \"precision\": one of %.*s",
                       VV_TEXT_ARGS(vv_text_sub(version->units, 1, version->units.size - 2)));
    }
    return VARVE_OK;
}

/** "true" or "false", as version 3 has them; absent: fallback. */
static varve_status door_influx_bool(vv_call *call, const char *name, bool fallback,
                                     bool *out_value, varve_error *out_err)
{
    varve_text text;
    *out_value = fallback;
    if (!vv_params_find(door_influx_params(call), vv_text_from_string(name), &text)) {
        return VARVE_OK;
    }
    *out_value = vv_text_equal(text, VV_TEXT("true"));
    if (!*out_value && !vv_text_equal(text, VV_TEXT("false"))) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid parameter \"%s\": true or false", name);
    }
    return VARVE_OK;
}

/** The labels of extra_label, and that of the database that the client names, if it does. */
static varve_status door_influx_labels(vv_call *call, const door_influx_version *version,
                                       vv_import_plan *plan, varve_error *out_err)
{
    varve_text db = VV_TEXT("");
    VV_TRY(vv_import_extra_labels(call, plan, out_err));
    VV_IGNORE(vv_params_find(door_influx_params(call), version->db, &db)); /* absent: none */
    if (db.size == 0) {
        return version->needs_db
                   ? vv_fail(out_err, VARVE_E_INVALID, "invalid parameter \"%.*s\": it is required",
                             VV_TEXT_ARGS(version->db))
                   : VARVE_OK;
    }
    if (db.size > DOOR_DB_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid parameter \"%.*s\": too long",
                       VV_TEXT_ARGS(version->db));
    }
    varve_label label = {.name = call->server->options.influx_db_label, .value = db};
    return vv_import_extra_label(call, plan, label, out_err);
}

static varve_status door_influx_plan(vv_call *call, const door_influx_version *version,
                                     vv_import_plan *plan, varve_error *out_err)
{
    const vv_server_options *options = &call->server->options;
    vv_arena *arena = vv_http_request_arena(call->request);
    vv_influx_format *format = vv_arena_zeroed(arena, sizeof *format);
    if (format == NULL) {
        return vv_fail_nomem(out_err, "a request", sizeof *format);
    }
    format->is_flat = options->influx_flat;
    format->skips_single = options->influx_skip_single;
    format->separator = options->influx_separator;
    plan->format_options = format;
    VV_TRY(door_influx_unit(call, version, &format->unit, out_err));
    bool takes_part = true;
    bool is_early = false;
    if (version == &door_influx_version3) {
        VV_TRY(door_influx_bool(call, "accept_partial", true, &takes_part, out_err));
        /* Answers here are as safe as --sync makes them: an early one would not be sooner. */
        VV_TRY(door_influx_bool(call, "no_sync", false, &is_early, out_err));
    }
    format->is_strict = !takes_part;
    plan->is_whole = !takes_part;
    return door_influx_labels(call, version, plan, out_err);
}

static void door_influx_serve(vv_call *call, const door_influx_version *version)
{
    varve_error err;
    vv_import_plan plan = {
        .format = VV_FORMAT_LP,
        .rows = VV_METRIC_INGEST_ROWS_INFLUX,
        .rejected = VV_METRIC_INGEST_REJECTED_INFLUX,
        .bytes = VV_METRIC_INGEST_BYTES_INFLUX,
        .bad_lines_max = version->bad_lines_max,
        .partial = version->partial,
    };
    varve_status status = door_influx_plan(call, version, &plan, &err);
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    vv_import_serve(call, &plan);
}

void vv_serve_write1(vv_call *call)
{
    door_influx_serve(call, &door_influx_version1);
}

void vv_serve_write2(vv_call *call)
{
    door_influx_serve(call, &door_influx_version2);
}

void vv_serve_write3(vv_call *call)
{
    door_influx_serve(call, &door_influx_version3);
}
