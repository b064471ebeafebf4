/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Errors as answers. One table turns a status into a code; each route has its own shape, since its
 * clients look for it.
 */

#include "base/json_writer.h"
#include "base/status.h"
#include "server/server_priv.h"

uint32_t vv_answer_code(varve_status status)
{
    switch (status) {
    case VARVE_OK:
        return 200;
    case VARVE_E_INVALID:
        return 400;
    case VARVE_E_NOT_FOUND:
        return 404;
    case VARVE_E_LIMIT:
    case VARVE_E_UNSUPPORTED:
    case VARVE_E_CONFLICT:
    case VARVE_E_EXISTS:
        return 422;
    case VARVE_E_READONLY:
        return 403;
    case VARVE_E_CANCELLED:
        return 499;
    case VARVE_E_NOMEM:
    case VARVE_E_BUSY:
    case VARVE_E_TIMEOUT:
    case VARVE_E_NOSPACE:
    case VARVE_E_LOCKED:
    case VARVE_E_FENCED:
        return 503;
    case VARVE_E_INTERNAL:
    case VARVE_E_IO:
    case VARVE_E_CORRUPT:
        return 500;
    }
    return 500;
}

/** errorType of the Prometheus API. */
static const char *answer_type(uint32_t code)
{
    switch (code) {
    case 404:
        return "not_found";
    case 422:
        return "execution";
    case 499:
        return "canceled";
    case 429:
    case 503:
        return "unavailable";
    case 500:
        return "internal";
    default:
        return "bad_data";
    }
}

/** `code` of the API of InfluxDB 2. */
static const char *answer_influx_code(uint32_t code)
{
    switch (code) {
    case 401:
        return "unauthorized";
    case 403:
        return "forbidden";
    case 404:
        return "not found";
    case 405:
        return "method not allowed";
    case 413:
        return "request too large";
    case 415:
        return "unsupported media type";
    case 429:
        return "too many requests";
    case 503:
        return "unavailable";
    case 500:
        return "internal error";
    default:
        return "invalid";
    }
}

static void answer_members(vv_json *json, vv_shape shape, uint32_t code, varve_text message)
{
    switch (shape) {
    case VV_SHAPE_INFLUX1:
        vv_json_key_text(json, VV_TEXT("error"), message);
        break;
    case VV_SHAPE_INFLUX2:
        vv_json_key_text(json, VV_TEXT("code"), vv_text_from_string(answer_influx_code(code)));
        vv_json_key_text(json, VV_TEXT("message"), message);
        break;
    case VV_SHAPE_JSON:
    case VV_SHAPE_TEXT:
        vv_json_key_text(json, VV_TEXT("status"), VV_TEXT("error"));
        vv_json_key_text(json, VV_TEXT("errorType"), vv_text_from_string(answer_type(code)));
        vv_json_key_text(json, VV_TEXT("error"), message);
        break;
    }
}

static void answer_error(vv_call *call, uint32_t code, const char *type_override,
                         const char *message)
{
    vv_buf buf;
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    vv_json json;
    vv_json_init(&json, &buf);
    vv_json_object_begin(&json);
    vv_shape shape = call->route == NULL ? VV_SHAPE_JSON : call->route->shape;
    if (type_override != NULL && (shape == VV_SHAPE_JSON || shape == VV_SHAPE_TEXT)) {
        vv_json_key_text(&json, VV_TEXT("status"), VV_TEXT("error"));
        vv_json_key_text(&json, VV_TEXT("errorType"), vv_text_from_string(type_override));
        vv_json_key_text(&json, VV_TEXT("error"), vv_text_from_string(message));
    } else {
        answer_members(&json, shape, code, vv_text_from_string(message));
    }
    vv_json_object_end(&json);
    if (code == 429 || code == 503) {
        vv_http_add_header(call->request, "Retry-After", "1");
    }
    /* Without memory for the sentence the code alone has to do. */
    varve_text body = vv_json_end(&json, NULL) == VARVE_OK ? vv_buf_text(&buf) : VV_TEXT("{}");
    vv_http_respond(call->request, code, "application/json", body);
    vv_buf_deinit(&buf);
}

void vv_answer_error_code(vv_call *call, uint32_t code, const char *message)
{
    answer_error(call, code, NULL, message);
}

void vv_answer_error(vv_call *call, varve_status status, const varve_error *err)
{
    uint32_t code = vv_answer_code(status);
    if (status == VARVE_E_LIMIT) {
        vv_count(call->server, VV_METRIC_LIMIT_QUERY, 1);
    }
    answer_error(call, code, status == VARVE_E_TIMEOUT ? "timeout" : NULL, err->message);
}

void vv_answer_body_error(vv_call *call, varve_status status, const varve_error *err)
{
    uint32_t code = status == VARVE_E_LIMIT         ? 413
                    : status == VARVE_E_UNSUPPORTED ? 415
                                                    : vv_answer_code(status);
    if (code == 413) {
        vv_count(call->server, VV_METRIC_LIMIT_SIZE, 1);
    }
    if (code == 413 || code == 400) {
        vv_http_close_after(
            call->request); /* who sends such a body is not to be trusted with more */
    }
    vv_answer_error_code(call, code, err->message);
}

void vv_answer_nothing(vv_call *call)
{
    vv_http_respond(call->request, 204, NULL, VV_TEXT(""));
}
