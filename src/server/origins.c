/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a web page elsewhere can make a browser send here, and what it gets (security.md, T14).
 *
 * O1  A request that changes something, or may, and carries an Origin is served when that is this
 *     server itself (http://HOST of the same request) or one of cors_origins; else it is 403.
 * O2  A server that only loopback reaches is called by an address, by "localhost", or by the host
 *     of one of cors_origins: a name that somebody's DNS points to 127.0.0.1 all of a sudden
 *     reaches nothing. Browsers cannot connect to a socket of the local domain: there any name
 *     will do, which is what a proxy in front needs.
 * O3  Only a page of cors_origins can read an answer. There are no cookies, so nothing is said
 *     about credentials, and an origin is never "*".
 */

#include <string.h>

#include "base/status.h"
#include "server/server_priv.h"

#define ORIGINS_PREFIX_BYTES_MAX 256u

/* ---- options ---- */

/** "scheme://host" or "scheme://host:port"; *out_authority is what stands behind "://". */
static bool origins_parse(varve_text origin, varve_text *out_authority)
{
    varve_text mark = VV_TEXT("://");
    size_t at = vv_text_find(origin, mark);
    if (at == 0 || at >= origin.size) {
        return false;
    }
    *out_authority = vv_text_sub(origin, at + mark.size, origin.size);
    for (size_t index = 0; index < origin.size; index++) {
        unsigned char c = (unsigned char)origin.data[index];
        bool is_behind = index >= at + mark.size;
        if (c <= ' ' || c >= 0x7F || strchr("*\"<>\\^`{|}?#", c) != NULL ||
            (is_behind && (c == '/' || c == '@'))) {
            return false;
        }
    }
    return out_authority->size > 0;
}

static varve_status origins_check_prefix(varve_text prefix, varve_error *out_err)
{
    bool is_good =
        prefix.size <= ORIGINS_PREFIX_BYTES_MAX &&
        (prefix.size == 0 || (prefix.data[0] == '/' && prefix.data[prefix.size - 1] != '/'));
    for (size_t index = 0; index < prefix.size && is_good; index++) {
        unsigned char c = (unsigned char)prefix.data[index];
        is_good = c > ' ' && c < 0x7F && strchr("%?#\"<>\\", c) == NULL;
    }
    return is_good
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no prefix of paths, such as /varve",
                         VV_TEXT_ARGS(prefix));
}

varve_status vv_origins_check(const vv_server_options *options, varve_error *out_err)
{
    VV_TRY(origins_check_prefix(options->http_prefix, out_err));
    varve_text rest = options->cors_origins;
    varve_text origin;
    varve_text authority;
    while (vv_text_split(&rest, ',', &origin)) {
        origin = vv_text_trim(origin);
        if (origin.size > 0 && !origins_parse(origin, &authority)) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "\"%.*s\" is no origin: a scheme and a host, without a path",
                           VV_TEXT_ARGS(origin));
        }
    }
    return VARVE_OK;
}

/* ---- names of this server ---- */

/** The host of "host:port", "[v6]:port" or a host alone. */
static varve_text origins_host(varve_text authority)
{
    size_t colon = vv_text_find_last_char(authority, ':');
    bool is_v6_alone = authority.size > 0 && authority.data[authority.size - 1] == ']';
    return is_v6_alone ? authority : vv_text_make(authority.data, colon);
}

/** "localhost", or an address in digits: no name that somebody else's DNS may point here. */
static bool origins_is_local_name(varve_text host)
{
    if (vv_text_equal_nocase(host, VV_TEXT("localhost"))) {
        return true;
    }
    bool is_v6 = host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
    for (size_t index = 0; index < host.size; index++) {
        char c = host.data[index];
        bool is_hex = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        bool is_of_v6 = is_v6 && (is_hex || strchr("[]:%", c) != NULL);
        if (!((c >= '0' && c <= '9') || c == '.' || is_of_v6)) {
            return false;
        }
    }
    return host.size > 0;
}

static bool origins_is_allowed_name(const vv_server *server, varve_text host)
{
    varve_text rest = server->options.cors_origins;
    varve_text origin;
    varve_text authority;
    while (vv_text_split(&rest, ',', &origin)) {
        if (origins_parse(vv_text_trim(origin), &authority) &&
            vv_text_equal_nocase(origins_host(authority), host)) {
            return true;
        }
    }
    return false;
}

/** Whether this server may be called so (O2). */
static bool origins_is_own_name(vv_call *call, varve_text authority)
{
    const vv_server *server = call->server;
    varve_text host = origins_host(authority);
    return server->options.allows_public || vv_http_request_view(call->request)->is_unix ||
           authority.size == 0 || origins_is_local_name(host) ||
           origins_is_allowed_name(server, host);
}

/* ---- requests ---- */

/** Origins are compared as they are: browsers write them in one way only. */
static bool origins_is_allowed(const vv_server *server, varve_text origin)
{
    varve_text rest = server->options.cors_origins;
    varve_text one;
    while (vv_text_split(&rest, ',', &one)) {
        if (vv_text_equal(vv_text_trim(one), origin)) {
            return true;
        }
    }
    return false;
}

static void origins_admit(vv_call *call, varve_text origin)
{
    varve_text copy; /* terminated */
    if (vv_arena_copy(vv_http_request_arena(call->request), origin, &copy) != VARVE_OK) {
        return; /* the page cannot read the answer then */
    }
    vv_http_add_header(call->request, "Access-Control-Allow-Origin", copy.data);
    vv_http_add_header(call->request, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    vv_http_add_header(call->request, "Access-Control-Allow-Headers",
                       "Accept, Authorization, Content-Type, Origin");
    vv_http_add_header(call->request, "Access-Control-Expose-Headers", "Date");
}

bool vv_origins_refuse(vv_call *call, bool changes)
{
    varve_text authority = VV_TEXT("");
    varve_text origin;
    VV_IGNORE(vv_http_request_header(call->request, VV_TEXT("Host"), &authority)); /* HTTP/1.0 */
    if (!origins_is_own_name(call, authority)) {
        return true;
    }
    if (call->server->options.cors_origins.size > 0) {
        vv_http_vary_origin(call->request);
    }
    if (!vv_http_request_header(call->request, VV_TEXT("Origin"), &origin)) {
        return false;
    }
    if (origins_is_allowed(call->server, origin)) {
        origins_admit(call, origin);
        return false;
    }
    varve_text scheme = VV_TEXT("http://");
    bool is_own = vv_text_starts_with(origin, scheme) &&
                  vv_text_equal_nocase(vv_text_sub(origin, scheme.size, origin.size), authority);
    return changes && !is_own;
}

bool vv_origins_is_preflight(vv_call *call)
{
    varve_text text;
    return vv_http_request_header(call->request, VV_TEXT("Origin"), &text) &&
           origins_is_allowed(call->server, text) &&
           vv_http_request_header(call->request, VV_TEXT("Access-Control-Request-Method"), &text);
}
