/* SPDX-License-Identifier: Apache-2.0 */

/* Parameters that several routes share, with errors that name them. */

#include "base/checked.h"
#include "base/status.h"
#include "base/text.h"
#include "server/server_priv.h"
#include "sys/clock.h"
#include "wire/time_text.h"

/* A request may ask for more time than the default, up to here (security.md, section 4). */
#define CALL_TIMEOUT_MS_MAX UINT64_C(120000)

static const vv_params *call_params(vv_call *call)
{
    return &vv_http_request_view(call->request)->params;
}

/** Put what Prometheus says before the reason of a bad parameter. */
static varve_status call_blame(varve_status status, const char *name, varve_error *out_err)
{
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "invalid parameter \"%s\"", name);
    }
    return status;
}

/** What Prometheus and its clients write for the ends of all time, which no clock of nanoseconds
 * can name. */
static bool call_end_of_time(varve_text text, int64_t *out_time)
{
    if (vv_text_equal(text, VV_TEXT("-292273086-05-16T16:47:06Z"))) {
        *out_time = VARVE_RANGE_ALL_START;
        return true;
    }
    if (vv_text_equal(text, VV_TEXT("292277025-08-18T07:12:54.999999999Z"))) {
        *out_time = VARVE_RANGE_ALL_END;
        return true;
    }
    return false;
}

static varve_status call_time(vv_call *call, const char *name, int64_t fallback, int64_t *out_time,
                              varve_error *out_err)
{
    varve_text text;
    *out_time = fallback;
    if (!vv_params_find(call_params(call), vv_text_from_string(name), &text) || text.size == 0 ||
        call_end_of_time(text, out_time)) {
        return VARVE_OK;
    }
    return call_blame(
        vv_time_text_parse(text, vv_wall_now_ns(), call->server->precision, out_time, out_err),
        name, out_err);
}

varve_status vv_call_range(vv_call *call, varve_range *out_range, varve_error *out_err)
{
    int64_t last;
    VV_TRY(call_time(call, "start", VARVE_RANGE_ALL_START, &out_range->start, out_err));
    VV_TRY(call_time(call, "end", VARVE_RANGE_ALL_END, &last, out_err));
    if (last < out_range->start) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"end\": end timestamp must not be before start time");
    }
    out_range->end = vv_sat_add_i64(last, 1);
    if (out_range->start == INT64_MAX) {
        out_range->start = INT64_MAX - 1; /* the end includes INT64_MAX; ranges are not empty */
    }
    return VARVE_OK;
}

varve_status vv_call_number(vv_call *call, varve_text name, uint64_t fallback, uint64_t *out_number,
                            varve_error *out_err)
{
    varve_text text;
    *out_number = fallback;
    if (!vv_params_find(call_params(call), name, &text) || text.size == 0) {
        return VARVE_OK;
    }
    if (!vv_text_parse_u64(text, out_number)) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid parameter \"%.*s\": not a whole number",
                       VV_TEXT_ARGS(name));
    }
    return VARVE_OK;
}

varve_status vv_call_precision(vv_call *call, uint32_t *out_precision, varve_error *out_err)
{
    varve_text text = VV_TEXT("");
    VV_IGNORE(vv_params_find(call_params(call), VV_TEXT("precision"), &text)); /* absent: ms */
    if (!vv_precision_text_parse(text, VARVE_PRECISION_MS, out_precision)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"precision\": one of ns, us, ms, s");
    }
    return VARVE_OK;
}

varve_status vv_call_timeout(vv_call *call, uint64_t *out_timeout_ms, varve_error *out_err)
{
    varve_text text;
    *out_timeout_ms = call->server->live.query_timeout_ms;
    if (!vv_params_find(call_params(call), VV_TEXT("timeout"), &text) || text.size == 0) {
        return VARVE_OK;
    }
    int64_t ns = 0;
    VV_TRY(call_blame(vv_duration_text_parse(text, &ns, out_err), "timeout", out_err));
    if (ns <= 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "invalid parameter \"timeout\": not above 0");
    }
    uint64_t ms = (uint64_t)ns / (uint64_t)VV_NS_PER_MS + 1;
    *out_timeout_ms = ms < CALL_TIMEOUT_MS_MAX ? ms : CALL_TIMEOUT_MS_MAX;
    return VARVE_OK;
}

varve_status vv_call_flag(vv_call *call, varve_text name, bool fallback, bool *out_flag,
                          varve_error *out_err)
{
    varve_text text;
    *out_flag = fallback;
    if (!vv_params_find(call_params(call), name, &text)) {
        return VARVE_OK;
    }
    *out_flag = vv_text_equal(text, VV_TEXT("1")) || vv_text_equal(text, VV_TEXT("true"));
    if (!*out_flag && !vv_text_equal(text, VV_TEXT("0")) &&
        !vv_text_equal(text, VV_TEXT("false"))) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"%.*s\": 1 or true, 0 or false", VV_TEXT_ARGS(name));
    }
    return VARVE_OK;
}

varve_status vv_call_segment(vv_call *call, varve_text segment, varve_text *out_text,
                             varve_error *out_err)
{
    return vv_percent_decode(segment, VV_PERCENT_SEGMENT, vv_http_request_arena(call->request),
                             out_text, out_err);
}
