/* SPDX-License-Identifier: Apache-2.0 */

/*
 * POST /api/v1/import/prometheus: Prometheus text, or OpenMetrics when the content type says so.
 * Behind /metrics/ the path gives labels as that of a Pushgateway does:
 *
 *     /api/v1/import/prometheus/metrics/job/backup/instance/db1
 *     /api/v1/import/prometheus/metrics/job/backup/path@base64/L3Zhci90bXA
 *
 * Labels of extra_label win over those of the path, which win over those of the text. OpenMetrics
 * is stored as a whole or not at all; of Prometheus text good lines are stored, unless atomic=1.
 */

#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/time_range.h"
#include "server/import_priv.h"
#include "wire/prom_text.h"

/* What a text of OpenMetrics may name, which is remembered to its end: names in all (arbitrary),
 * and series of a metric (security.md, section 4). */
#define DOOR_NAMES_MAX  100000u
#define DOOR_GROUPS_MAX 200000u
/* Behind the name of a label in a path: its value is base64, of either alphabet. */
#define DOOR_BASE64_MARK "@base64"

/* ---- labels of the path --------------------------------------------------------------------- */

static bool door_prometheus_is_name(varve_text name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !(c >= '0' && c <= '9' && i > 0)) {
            return false;
        }
    }
    return name.size > 0 && !vv_text_starts_with(name, VV_TEXT("__"));
}

static varve_status door_prometheus_base64(vv_call *call, varve_text text, varve_text *out_value,
                                           varve_error *out_err)
{
    size_t room = text.size / 4 * 3 + 2;
    size_t size = 0;
    uint8_t *target = vv_arena_new(vv_http_request_arena(call->request), room);
    if (target == NULL) {
        return vv_fail_nomem(out_err, "a label of the path", room);
    }
    /* "=" alone stands for the empty value, which a path cannot show. */
    if (!vv_text_equal(text, VV_TEXT("=")) && !vv_text_parse_base64(text, target, &size)) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid path: \"%.*s\" is no base64",
                       VV_TEXT_ARGS(vv_text_sub(text, 0, 64)));
    }
    *out_value = vv_text_make((const char *)target, size);
    return vv_utf8_is_valid(*out_value)
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_INVALID, "invalid path: a label that is not UTF-8");
}

static varve_status door_prometheus_label(vv_call *call, varve_text name, varve_text value,
                                          bool is_first, vv_import_plan *plan, varve_error *out_err)
{
    varve_text mark = VV_TEXT(DOOR_BASE64_MARK);
    if (vv_text_ends_with(name, mark)) {
        name.size -= mark.size;
        VV_TRY(door_prometheus_base64(call, value, &value, out_err));
    } else if (value.size == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid path: a label without a value");
    }
    if (!door_prometheus_is_name(name)) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid path: \"%.*s\" is no name of a label",
                       VV_TEXT_ARGS(vv_text_sub(name, 0, 64)));
    }
    if (is_first && (!vv_text_equal(name, VV_TEXT("job")) || value.size == 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid path: it begins with job/NAME");
    }
    if (value.size == 0) {
        return VARVE_OK; /* as no label */
    }
    return vv_import_extra_label(call, plan, (varve_label){.name = name, .value = value}, out_err);
}

static varve_status door_prometheus_path(vv_call *call, vv_import_plan *plan, varve_error *out_err)
{
    varve_text rest = call->wildcard;
    varve_text name;
    bool is_first = true;
    while (rest.size > 0 && vv_text_split(&rest, '/', &name)) {
        varve_text value = {.data = ""};
        VV_IGNORE(vv_text_split(&rest, '/', &value)); /* none: empty */
        VV_TRY(vv_call_segment(call, name, &name, out_err));
        VV_TRY(vv_call_segment(call, value, &value, out_err));
        VV_TRY(door_prometheus_label(call, name, value, is_first, plan, out_err));
        is_first = false;
    }
    plan->extra_wins = plan->extra_count;
    return VARVE_OK;
}

/* ---- parameters ----------------------------------------------------------------------------- */

static varve_status door_prometheus_format(vv_call *call, vv_import_plan *plan,
                                           varve_error *out_err)
{
    static const varve_text media = VV_TEXT_INIT("application/openmetrics-text");
    varve_text word = VV_TEXT("auto");
    varve_text type = VV_TEXT("");
    const vv_params *params = &vv_http_request_view(call->request)->params;
    VV_IGNORE(vv_params_find(params, VV_TEXT("format"), &word)); /* absent: auto */
    VV_IGNORE(vv_http_request_header(call->request, VV_TEXT("Content-Type"), &type)); /* the same */
    bool is_named = vv_text_equal(word, VV_TEXT("openmetrics"));
    bool is_auto = word.size == 0 || vv_text_equal(word, VV_TEXT("auto"));
    if (!is_named && !is_auto && !vv_text_equal(word, VV_TEXT("prometheus"))) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"format\": one of auto, prometheus, openmetrics");
    }
    type = vv_text_trim(vv_text_sub(type, 0, vv_text_find_char(type, ';')));
    bool is_whole = is_named || (is_auto && vv_text_equal_nocase(type, media));
    plan->format = is_whole ? VV_FORMAT_OPENMETRICS : VV_FORMAT_PROMETHEUS;
    VV_TRY(vv_call_flag(call, VV_TEXT("atomic"), false, &plan->is_whole, out_err));
    plan->is_whole = plan->is_whole || is_whole;
    return VARVE_OK;
}

/** Parameter "timestamp", in milliseconds: the time of samples without one. */
static varve_status door_prometheus_now(vv_call *call, vv_import_plan *plan, varve_error *out_err)
{
    varve_text text;
    int64_t given;
    const vv_params *params = &vv_http_request_view(call->request)->params;
    if (!vv_params_find(params, VV_TEXT("timestamp"), &text) || text.size == 0) {
        return VARVE_OK;
    }
    int64_t *now = vv_arena_zeroed(vv_http_request_arena(call->request), sizeof *now);
    if (now == NULL) {
        return vv_fail_nomem(out_err, "a request", sizeof *now);
    }
    if (!vv_text_parse_i64(text, &given) ||
        vv_time_convert(given, VARVE_PRECISION_MS, call->server->precision, now, NULL, NULL) !=
            VARVE_OK) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"timestamp\": a time in milliseconds");
    }
    plan->now = now;
    return VARVE_OK;
}

static varve_status door_prometheus_plan(vv_call *call, vv_import_plan *plan, varve_error *out_err)
{
    static const vv_prom_text_options bounds[] = {
        {.names_max = DOOR_NAMES_MAX, .groups_max = DOOR_GROUPS_MAX},
        {.names_max = DOOR_NAMES_MAX, .groups_max = DOOR_GROUPS_MAX, .keeps_created = true},
    };
    bool is_strict;
    size_t line_bytes_max = (size_t)call->server->live.text_line_bytes_max;
    *plan = (vv_import_plan){
        .line_bytes_max =
            line_bytes_max < VV_PROM_LINE_BYTES_MAX ? line_bytes_max : VV_PROM_LINE_BYTES_MAX,
        .format_options = &bounds[call->server->options.keeps_created ? 1 : 0],
        .rows = VV_METRIC_INGEST_ROWS_PROMETHEUS,
        .rejected = VV_METRIC_INGEST_REJECTED_PROMETHEUS,
        .bytes = VV_METRIC_INGEST_BYTES_PROMETHEUS,
    };
    VV_TRY(vv_call_flag(call, VV_TEXT("strict"), true, &is_strict, out_err));
    plan->is_quiet = !is_strict;
    VV_TRY(door_prometheus_format(call, plan, out_err));
    VV_TRY(door_prometheus_now(call, plan, out_err));
    VV_TRY(vv_import_extra_labels(call, plan, out_err));
    return door_prometheus_path(call, plan, out_err);
}

void vv_serve_import_prometheus(vv_call *call)
{
    varve_error err;
    vv_import_plan plan;
    varve_status status = door_prometheus_plan(call, &plan, &err);
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    vv_import_serve(call, &plan);
}
