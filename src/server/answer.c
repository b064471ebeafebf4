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

static void answer_members(vv_json *json, vv_shape shape, uint32_t code, const char *type,
                           varve_text message)
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
        vv_json_key_text(json, VV_TEXT("errorType"), vv_text_from_string(type));
        vv_json_key_text(json, VV_TEXT("error"), message);
        break;
    }
}

/** An error in the shape of the route; of a bound, with what it is. */
static void answer_error(vv_call *call, uint32_t code, const char *type, vv_limit limit,
                         const char *message)
{
    vv_shape shape = call->route == NULL ? VV_SHAPE_JSON : call->route->shape;
    bool is_influx = shape == VV_SHAPE_INFLUX1 || shape == VV_SHAPE_INFLUX2;
    vv_buf sentence;
    vv_buf buf;
    vv_json json;
    vv_buf_init(&sentence, &call->server->alloc, SIZE_MAX);
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    vv_json_init(&json, &buf);
    vv_buf_append_text(&sentence, vv_text_from_string(message));
    if (limit != VV_LIMIT_NONE) {
        vv_limit_print(call, limit, &sentence);
    }
    vv_json_object_begin(&json);
    answer_members(&json, shape, code, type, vv_buf_text(&sentence));
    if (limit != VV_LIMIT_NONE && !is_influx) {
        vv_limit_print_json(call, limit, &json);
    }
    vv_json_object_end(&json);
    if (code == 429 || code == 503) {
        vv_http_add_header(call->request, "Retry-After", "1");
    }
    /* Without memory for the sentence the code alone has to do. */
    varve_text body = vv_json_end(&json, NULL) == VARVE_OK ? vv_buf_text(&buf) : VV_TEXT("{}");
    vv_http_respond(call->request, code, "application/json", body);
    vv_buf_deinit(&buf);
    vv_buf_deinit(&sentence);
}

void vv_answer_error_code(vv_call *call, uint32_t code, const char *message)
{
    answer_error(call, code, answer_type(code), VV_LIMIT_NONE, message);
}

void vv_answer_error(vv_call *call, varve_status status, const varve_error *err)
{
    uint32_t code = vv_answer_code(status);
    vv_limit limit = vv_limit_of(call, status, err);
    vv_limit_refuse(call, limit);
    answer_error(call, code, status == VARVE_E_TIMEOUT ? "timeout" : answer_type(code), limit,
                 err->message);
}

/** Whether the body was to be a form, which has a bound of its own. */
static bool answer_is_form(vv_call *call)
{
    varve_text type = VV_TEXT("");
    VV_IGNORE(vv_http_request_header(call->request, VV_TEXT("Content-Type"), &type)); /* none */
    varve_text name = vv_text_make(type.data, vv_text_find_char(type, ';'));
    return vv_text_equal_nocase(vv_text_trim(name), VV_TEXT("application/x-www-form-urlencoded"));
}

void vv_answer_body_error(vv_call *call, varve_status status, const varve_error *err)
{
    uint32_t code = status == VARVE_E_LIMIT         ? 413
                    : status == VARVE_E_UNSUPPORTED ? 415
                                                    : vv_answer_code(status);
    vv_limit limit = vv_limit_of(call, status, err);
    if (limit == VV_LIMIT_DOCUMENT && answer_is_form(call)) {
        limit = VV_LIMIT_FORM;
    }
    vv_limit_refuse(call, limit);
    if (code == 413 || code == 400) {
        vv_http_close_after(
            call->request); /* who sends such a body is not to be trusted with more */
    }
    answer_error(call, code, answer_type(code), limit, err->message);
}

void vv_answer_nothing(vv_call *call)
{
    vv_http_respond(call->request, 204, NULL, VV_TEXT(""));
}
