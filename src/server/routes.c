/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a path to its handler. The table is routes.def; the prefixes /prometheus and /influx lead to
 * the same handlers, for clients that put them there.
 */

#include <string.h>

#include "base/status.h"
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

/** Whether a path is of the pattern, whose "*" is one segment that is not empty. */
static bool routes_matches(varve_text pattern, varve_text path, varve_text *out_wildcard)
{
    size_t star = vv_text_find_char(pattern, '*');
    if (star == pattern.size) {
        return vv_text_equal(pattern, path);
    }
    varve_text tail = vv_text_sub(pattern, star + 1, pattern.size);
    if (path.size <= star + tail.size || !vv_text_ends_with(path, tail) ||
        !vv_text_starts_with(path, vv_text_make(pattern.data, star))) {
        return false;
    }
    varve_text segment = vv_text_sub(path, star, path.size - star - tail.size);
    *out_wildcard = segment;
    return vv_text_find_char(segment, '/') == segment.size;
}

static varve_text routes_strip(varve_text path)
{
    static const varve_text prefixes[] = {VV_TEXT_INIT("/prometheus/"), VV_TEXT_INIT("/influx/")};
    for (size_t index = 0; index < VV_ARRAY_COUNT(prefixes); index++) {
        if (vv_text_starts_with(path, prefixes[index])) {
            return vv_text_sub(path, prefixes[index].size - 1, path.size);
        }
    }
    return path;
}

static uint32_t routes_method(varve_text method)
{
    if (vv_text_equal(method, VV_TEXT("GET")) || vv_text_equal(method, VV_TEXT("HEAD"))) {
        return VV_GET;
    }
    return vv_text_equal(method, VV_TEXT("POST")) ? VV_POST : 0;
}

static const char *routes_allow(uint32_t methods)
{
    switch (methods) {
    case VV_GET:
        return "GET, HEAD";
    case VV_POST:
        return "POST";
    default:
        return "GET, HEAD, POST";
    }
}

static void routes_find(vv_call *call, varve_text path)
{
    call->route_id = VV_ROUTE_OTHER;
    for (size_t index = 0; index < VV_ROUTE_OTHER; index++) {
        varve_text pattern = vv_text_from_string(routes_table[index].path);
        if (routes_matches(pattern, path, &call->wildcard)) {
            call->route = &routes_table[index];
            call->route_id = routes_table[index].id;
            return;
        }
    }
}

/** The host of "host:port", "[v6]:port" or a host alone. */
static varve_text routes_host(varve_text authority)
{
    size_t colon = vv_text_find_last_char(authority, ':');
    bool is_v6_alone = authority.size > 0 && authority.data[authority.size - 1] == ']';
    return is_v6_alone ? authority : vv_text_make(authority.data, colon);
}

/** "localhost", or an address in digits: no name that somebody else's DNS may point here. */
static bool routes_is_local_name(varve_text host)
{
    if (vv_text_equal_nocase(host, VV_TEXT("localhost"))) {
        return true;
    }
    bool is_v6 = host.size > 2 && host.data[0] == '[';
    for (size_t index = 0; index < host.size; index++) {
        char c = host.data[index];
        if (!((c >= '0' && c <= '9') || c == '.' || is_v6)) {
            return false;
        }
    }
    return host.size > 0;
}

/*
 * What a web page elsewhere could make a browser send (security.md, T14): a request that changes
 * something carries an Origin, which has to be this server; and a server on loopback is called by
 * its address or "localhost", so that a name which is rebound to 127.0.0.1 reaches nothing.
 */
static bool routes_is_foreign(vv_call *call, uint32_t method)
{
    varve_text authority = VV_TEXT("");
    varve_text origin;
    VV_IGNORE(vv_http_request_header(call->request, VV_TEXT("Host"), &authority)); /* HTTP/1.0 */
    if (!call->server->options.allows_public && authority.size > 0 &&
        !routes_is_local_name(routes_host(authority))) {
        return true;
    }
    if (method == VV_GET || !vv_http_request_header(call->request, VV_TEXT("Origin"), &origin)) {
        return false;
    }
    varve_text scheme = VV_TEXT("http://");
    return !vv_text_starts_with(origin, scheme) ||
           !vv_text_equal_nocase(vv_text_sub(origin, scheme.size, origin.size), authority);
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
    view->user = call;
    varve_text path = routes_strip(view->path);
    routes_find(call, path);
    uint32_t method = routes_method(view->method);
    if (routes_is_foreign(call, method)) {
        vv_answer_error_code(call, 403, "this request comes from another site");
    } else if (vv_text_equal(view->method, VV_TEXT("OPTIONS")) &&
               vv_text_starts_with(path, VV_TEXT("/api/"))) {
        vv_http_add_header(request, "Allow",
                           routes_allow(call->route == NULL ? VV_GET : call->route->methods));
        vv_answer_nothing(call);
    } else if (call->route == NULL) {
        vv_answer_error_code(call, 404, "there is nothing at this path");
    } else if ((call->route->methods & method) == 0) {
        vv_http_add_header(request, "Allow", routes_allow(call->route->methods));
        vv_answer_error_code(call, 405, "this path does not take this method");
    } else {
        call->route->serve(call);
    }
}
