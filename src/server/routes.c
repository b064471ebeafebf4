/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a path to its handler. The table is routes.def.
 */

#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "server/server_priv.h"

static const vv_route routes_table[VV_ROUTE_OTHER] = {
#define VV_ROUTE(id, path, methods, shape, handler, help) \
    {VV_ROUTE_##id, path, methods, shape, handler, help},
#include "server/routes.def"
#undef VV_ROUTE
};

const vv_route *vv_route_at(vv_route_id id)
{
    return &routes_table[id];
}

/** Whether a path is of the pattern, whose "*" is one segment that is not empty, and whose "**" at
 * the end is all that follows. */
static bool routes_matches(varve_text pattern, varve_text path, varve_text *out_wildcard)
{
    size_t star = vv_text_find_char(pattern, '*');
    if (star == pattern.size) {
        return vv_text_equal(pattern, path);
    }
    bool takes_all = vv_text_ends_with(pattern, VV_TEXT("**"));
    varve_text tail = vv_text_sub(pattern, takes_all ? pattern.size : star + 1, pattern.size);
    if (path.size <= star + tail.size || !vv_text_ends_with(path, tail) ||
        !vv_text_starts_with(path, vv_text_make(pattern.data, star))) {
        return false;
    }
    varve_text segment = vv_text_sub(path, star, path.size - star - tail.size);
    *out_wildcard = segment;
    return takes_all || vv_text_find_char(segment, '/') == segment.size;
}

/**
 * The path as the table has it: below the prefix of the server, and behind the name that clients of
 * other systems put before it. False when it is not below the prefix.
 */
static bool routes_strip(const vv_server *server, varve_text path, varve_text *out_path)
{
    static const varve_text aliases[] = {VV_TEXT_INIT("/prometheus/"), VV_TEXT_INIT("/influx/"),
                                         VV_TEXT_INIT("/opentsdb/"), VV_TEXT_INIT("/graphite/")};
    varve_text prefix = server->options.http_prefix;
    if (!vv_text_starts_with(path, prefix)) {
        return false;
    }
    path = vv_text_sub(path, prefix.size, path.size);
    for (size_t index = 0; index < VV_ARRAY_COUNT(aliases); index++) {
        if (vv_text_starts_with(path, aliases[index])) {
            *out_path = vv_text_sub(path, aliases[index].size - 1, path.size);
            return true;
        }
    }
    *out_path = path.size == 0 ? VV_TEXT("/") : path;
    return path.size == 0 || path.data[0] == '/';
}

static uint32_t routes_method(varve_text method)
{
    static const struct {
        varve_text name;
        uint32_t method;
    } methods[] = {{VV_TEXT_INIT("GET"), VV_GET},
                   {VV_TEXT_INIT("HEAD"), VV_GET},
                   {VV_TEXT_INIT("POST"), VV_POST},
                   {VV_TEXT_INIT("PUT"), VV_PUT},
                   {VV_TEXT_INIT("DELETE"), VV_DELETE}};
    for (size_t index = 0; index < VV_ARRAY_COUNT(methods); index++) {
        if (vv_text_equal(method, methods[index].name)) {
            return methods[index].method;
        }
    }
    return 0;
}

/** The header that says what a path takes; HEAD wherever there is a GET. */
static void routes_allow(vv_call *call, bool has_options)
{
    uint32_t methods = call->route->methods;
    char text[64];
    vv_text_format(text, sizeof text, "%s%s%s%s%s", (methods & VV_GET) != 0 ? ", GET, HEAD" : "",
                   (methods & VV_POST) != 0 ? ", POST" : "", (methods & VV_PUT) != 0 ? ", PUT" : "",
                   (methods & VV_DELETE) != 0 ? ", DELETE" : "", has_options ? ", OPTIONS" : "");
    vv_http_add_header(call->request, "Allow", text + 2);
}

static void routes_find(vv_call *call, varve_text path)
{
    for (size_t index = 0; index < VV_ROUTE_OTHER; index++) {
        varve_text pattern = vv_text_from_string(routes_table[index].path);
        if (routes_matches(pattern, path, &call->wildcard)) {
            call->route = &routes_table[index];
            call->route_id = routes_table[index].id;
            return;
        }
    }
}

/** Answer, or let the route answer. */
static void routes_serve(vv_call *call, varve_text path)
{
    const vv_http_view *view = vv_http_request_view(call->request);
    uint32_t method = routes_method(view->method);
    bool is_asking = vv_text_equal(view->method, VV_TEXT("OPTIONS"));
    bool has_options = vv_text_starts_with(path, VV_TEXT("/api/"));
    if (vv_origins_refuse(call, method != VV_GET && !is_asking)) {
        vv_answer_error_code(call, 403, "this request comes from another site");
    } else if (call->route == NULL) {
        vv_answer_error_code(call, 404, "there is nothing at this path");
    } else if (is_asking && (has_options || vv_origins_is_preflight(call))) {
        routes_allow(call, true);
        vv_answer_nothing(call);
    } else if ((call->route->methods & method) == 0) {
        routes_allow(call, has_options);
        vv_answer_error_code(call, 405, "this path does not take this method");
    } else {
        call->route->serve(call);
    }
}

void vv_routes_head(void *context, vv_http_request *request)
{
    vv_server *server = context;
    vv_http_view *view = vv_http_request_view(request);
    vv_call *call = vv_arena_zeroed(vv_http_request_arena(request), sizeof *call);
    if (call == NULL) {
        vv_call nothing = {.server = server, .request = request};
        vv_answer_error_code(&nothing, 503, "out of memory");
        return;
    }
    call->server = server;
    call->request = request;
    call->route_id = VV_ROUTE_OTHER;
    view->user = call;
    varve_text path = VV_TEXT("");
    if (routes_strip(server, view->path, &path)) {
        routes_find(call, path);
    }
    routes_serve(call, path);
}
