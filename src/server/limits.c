/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Refusals by a bound: which it was, how large it is, what raises it. Each is counted, and told in
 * the same words by every route:
 *
 *     ... (limit_query_rows: 50000000, --query-rows-max)      as the end of the sentence
 *     "limit":{"code":"limit_query_rows","value":50000000,"option":"--query-rows-max"}
 */

#include "base/json_writer.h"
#include "base/text.h"
#include "server/config.h"
#include "server/server_priv.h"

/** The bound of a line: the server's, or a smaller one of the format. */
static uint64_t limits_line(const vv_call *call)
{
    return call->line_bytes_max > 0 ? call->line_bytes_max : call->server->live.text_line_bytes_max;
}

/** The setting that raises a bound; VV_SETTING_COUNT: it is fixed. */
static vv_setting_id limits_setting(const vv_call *call, vv_limit limit)
{
    static const struct {
        vv_limit limit;
        vv_setting_id setting;
    } rows[] = {
        {VV_LIMIT_QUERY_ROWS, VV_SETTING_QUERY_ROWS_MAX},
        {VV_LIMIT_QUERY_MEMORY, VV_SETTING_QUERY_MEMORY_MAX},
        {VV_LIMIT_QUERY_TIME, VV_SETTING_QUERY_TIMEOUT},
        {VV_LIMIT_QUERIES, VV_SETTING_QUERIES_MAX},
        {VV_LIMIT_SERIES, VV_SETTING_SERIES_MAX},
        {VV_LIMIT_LINE, VV_SETTING_LINE_MAX},
        {VV_LIMIT_FUTURE, VV_SETTING_INGEST_MAX_FUTURE},
        {VV_LIMIT_DOCUMENT, VV_SETTING_DOCUMENT_MAX},
        {VV_LIMIT_FORM, VV_SETTING_FORM_MAX},
        {VV_LIMIT_BODIES, VV_SETTING_REQUEST_MEMORY_MAX},
        {VV_LIMIT_REQUEST_MEMORY, VV_SETTING_REQUEST_MEMORY_MAX},
        {VV_LIMIT_CONNECTIONS, VV_SETTING_CONNECTIONS_MAX},
        {VV_LIMIT_NAMES_MEMORY, VV_SETTING_MEMORY_LIMIT},
    };
    bool is_fixed =
        limit == VV_LIMIT_LINE && limits_line(call) < call->server->live.text_line_bytes_max;
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows) && !is_fixed; index++) {
        if (rows[index].limit == limit) {
            return rows[index].setting;
        }
    }
    return VV_SETTING_COUNT;
}

/** How large it is now; 0 when this is not for the server to know. */
static uint64_t limits_value(const vv_call *call, vv_limit limit)
{
    const vv_server *server = call->server;
    const vv_server_options *options = &server->options;
    switch ((uint32_t)limit) {
    case VV_LIMIT_QUERY_ROWS:
        return server->live.query_rows_max;
    case VV_LIMIT_QUERY_MEMORY:
        return server->live.query_memory_bytes_max;
    case VV_LIMIT_QUERY_TIME:
        return server->live.query_timeout_ms;
    case VV_LIMIT_QUERIES:
        return server->turns.most;
    case VV_LIMIT_PARSES:
        return server->parses.most;
    case VV_LIMIT_LINE:
        return limits_line(call);
    case VV_LIMIT_FUTURE:
        return server->live.future_ms_max;
    case VV_LIMIT_DOCUMENT:
        return options->document_bytes_max;
    case VV_LIMIT_FORM:
        return options->form_bytes_max;
    case VV_LIMIT_REQUEST_MEMORY:
        return options->memory_bytes_max;
    case VV_LIMIT_CONNECTIONS:
        return options->connections_max;
    default:
        return 0;
    }
}

void vv_limit_count(vv_server *server, vv_limit limit)
{
    atomic_fetch_add(&server->counters.limits[limit], 1);
}

void vv_limit_refuse(vv_call *call, vv_limit limit)
{
    if (limit != VV_LIMIT_NONE && !call->is_refused) {
        call->is_refused = true;
        vv_limit_count(call->server, limit);
    }
}

vv_limit vv_limit_of(const vv_call *call, varve_status status, const varve_error *err)
{
    vv_limit limit = vv_error_limit(err);
    if (limit != VV_LIMIT_NONE) {
        return limit;
    }
    if (status == VARVE_E_TIMEOUT) {
        return VV_LIMIT_QUERY_TIME;
    }
    if (status == VARVE_E_NOMEM && vv_alloc_was_limited(&call->server->alloc)) {
        return VV_LIMIT_REQUEST_MEMORY;
    }
    return status == VARVE_E_LIMIT ? VV_LIMIT_OTHER : VV_LIMIT_NONE;
}

void vv_limit_print(const vv_call *call, vv_limit limit, vv_buf *out)
{
    vv_setting_id setting = limits_setting(call, limit);
    uint64_t value = limits_value(call, limit);
    vv_buf_append_format(out, " (limit_%s", vv_limit_name(limit));
    if (value > 0) {
        vv_buf_append_format(out, ": %llu", (unsigned long long)value);
    }
    if (setting < VV_SETTING_COUNT) {
        vv_buf_append_format(out, ", --%s", vv_settings[setting].name);
    }
    vv_buf_append_char(out, ')');
}

void vv_limit_print_json(const vv_call *call, vv_limit limit, vv_json *json)
{
    char text[128];
    vv_setting_id setting = limits_setting(call, limit);
    uint64_t value = limits_value(call, limit);
    size_t size = vv_text_format(text, sizeof text, "limit_%s", vv_limit_name(limit));
    vv_json_key(json, VV_TEXT("limit"));
    vv_json_object_begin(json);
    vv_json_key_text(json, VV_TEXT("code"), vv_text_make(text, size));
    if (value > 0) {
        vv_json_key_u64(json, VV_TEXT("value"), value);
    }
    if (setting < VV_SETTING_COUNT) {
        size = vv_text_format(text, sizeof text, "--%s", vv_settings[setting].name);
        vv_json_key_text(json, VV_TEXT("option"), vv_text_make(text, size));
    }
    vv_json_object_end(json);
}
