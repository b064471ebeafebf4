/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What runs here and how it is: health, readiness, version, figures, and the page at "/", which
 * says in a few lines how to write and read the first row.
 */

#include <string.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"
#include "server/db_facts.h"
#include "server/server_priv.h"

#define DOOR_TEXT "text/plain; charset=utf-8"

void vv_serve_healthy(vv_call *call)
{
    vv_http_respond(call->request, 200, DOOR_TEXT, VV_TEXT("ok\n"));
}

/** Empty when reads and writes are served, else the state and what it means. The error behind it
 *  may name files: it is in the log, and in /metrics as a reason. */
static const char *door_not_ready(uint32_t health)
{
    switch (health) {
    case VARVE_HEALTH_OK:
    case VARVE_HEALTH_DEGRADED:
        return "";
    case VARVE_HEALTH_NOSPACE:
        return "nospace: no space left, writes are refused";
    case VARVE_HEALTH_WRITE_FAILED:
        return "write_failed: a write to the disk failed, writes are refused until the next start";
    default:
        return "corrupt: stored bytes are damaged";
    }
}

void vv_serve_ready(vv_call *call)
{
    uint32_t health = varve_health(call->server->db, NULL);
    const char *text = door_not_ready(health);
    if (text[0] == '\0') {
        vv_http_respond(call->request, 200, DOOR_TEXT,
                        health == VARVE_HEALTH_OK ? VV_TEXT("ready\n")
                                                  : VV_TEXT("ready, degraded\n"));
        return;
    }
    vv_http_add_header(call->request, "Retry-After", "1");
    vv_http_respond(call->request, 503, DOOR_TEXT, vv_text_from_string(text));
}

void vv_serve_ping(vv_call *call)
{
    vv_http_add_header(call->request, "X-Influxdb-Version", varve_version());
    vv_http_add_header(call->request, "X-Influxdb-Build", "varve");
    vv_answer_nothing(call);
}

/** Send a small document; buf is released. */
static void door_send(vv_call *call, uint32_t code, const char *type, vv_buf *buf)
{
    varve_error err;
    varve_status status = vv_buf_check(buf, &err);
    if (status == VARVE_OK) {
        vv_http_respond(call->request, code, type, vv_buf_text(buf));
    } else {
        vv_answer_error(call, status, &err);
    }
    vv_buf_deinit(buf);
}

void vv_serve_health(vv_call *call)
{
    const char *text = door_not_ready(varve_health(call->server->db, NULL));
    bool is_ready = text[0] == '\0';
    vv_buf buf;
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    vv_json json;
    vv_json_init(&json, &buf);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("name"), VV_TEXT("varve"));
    vv_json_key_text(&json, VV_TEXT("message"),
                     vv_text_from_string(is_ready ? "ready for queries and writes" : text));
    vv_json_key_text(&json, VV_TEXT("status"), is_ready ? VV_TEXT("pass") : VV_TEXT("fail"));
    vv_json_key(&json, VV_TEXT("checks"));
    vv_json_array_begin(&json);
    vv_json_array_end(&json);
    vv_json_key_text(&json, VV_TEXT("version"), vv_text_from_string(varve_version()));
    vv_json_object_end(&json);
    door_send(call, is_ready ? 200 : 503, "application/json", &buf);
}

void vv_serve_version(vv_call *call)
{
    vv_buf buf;
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    vv_json json;
    vv_json_init(&json, &buf);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("version"), vv_text_from_string(varve_version()));
    vv_json_key_text(&json, VV_TEXT("revision"), VV_TEXT(""));
    vv_json_key_text(&json, VV_TEXT("buildDate"), VV_TEXT("")); /* builds are reproducible */
#if defined(__clang__)
    vv_json_key_text(&json, VV_TEXT("compiler"), VV_TEXT("clang " __clang_version__));
#else
    vv_json_key_text(&json, VV_TEXT("compiler"), VV_TEXT("gcc " __VERSION__));
#endif
    vv_json_key_text(&json, VV_TEXT("platform"), VV_TEXT("linux"));
    vv_json_key_text(&json, VV_TEXT("precision"),
                     vv_text_from_string(vv_precision_name(call->server->precision)));
    vv_json_key(&json, VV_TEXT("features"));
    vv_json_array_begin(&json);
    vv_json_array_end(&json);
    vv_json_object_end(&json);
    door_send(call, 200, "application/json", &buf);
}

void vv_serve_info(vv_call *call)
{
    varve_error err;
    vv_db_facts facts;
    varve_status status =
        vv_db_facts_read(call->server->db, vv_http_request_arena(call->request), &facts, &err);
    if (status != VARVE_OK) {
        vv_answer_error(call, status, &err);
        return;
    }
    facts.reason = (varve_text){0}; /* it may name files */
    vv_buf buf;
    vv_json json;
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    vv_json_init(&json, &buf);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("status"), VV_TEXT("success"));
    vv_json_key(&json, VV_TEXT("data"));
    vv_json_object_begin(&json);
    vv_db_facts_print_json(&facts, &json);
    vv_json_object_end(&json);
    vv_json_object_end(&json);
    door_send(call, 200, "application/json", &buf);
}

void vv_serve_metrics(vv_call *call)
{
    varve_text accept = VV_TEXT("");
    varve_error err;
    vv_buf buf;
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    VV_IGNORE(vv_http_request_header(call->request, VV_TEXT("Accept"), &accept)); /* any will do */
    vv_figures_form form = vv_figures_choose(accept);
    varve_status status = vv_figures_print(call->server, form, &buf, &err);
    if (status == VARVE_OK) {
        vv_http_add_header(call->request, "Vary", "Accept");
        door_send(call, 200, vv_figures_type(form), &buf);
    } else {
        vv_answer_error(call, status, &err);
        vv_buf_deinit(&buf);
    }
}

/* ---- the page ---- */

static const char door_page_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    "<title>varve</title></head>\n<body><main>\n<h1>varve</h1>\n"
    "<p>A time-series database, version ";

static void door_page_escaped(vv_buf *buf, varve_text text)
{
    for (size_t index = 0; index < text.size; index++) {
        switch (text.data[index]) {
        case '<':
            vv_buf_append_text(buf, VV_TEXT("&lt;"));
            break;
        case '>':
            vv_buf_append_text(buf, VV_TEXT("&gt;"));
            break;
        case '&':
            vv_buf_append_text(buf, VV_TEXT("&amp;"));
            break;
        case '"':
            vv_buf_append_text(buf, VV_TEXT("&quot;"));
            break;
        default:
            vv_buf_append_char(buf, text.data[index]);
            break;
        }
    }
}

/** How a shell on this machine calls the server: curl, and where to. */
static void door_page_call(vv_buf *buf, vv_call *call, const char *options, const char *path)
{
    const vv_server *server = call->server;
    varve_text address = vv_text_from_string(vv_server_address(server));
    varve_text local = VV_TEXT("unix:");
    vv_buf_append_text(buf, VV_TEXT("curl "));
    if (vv_text_starts_with(address, local)) {
        vv_buf_append_text(buf, VV_TEXT("--unix-socket "));
        door_page_escaped(buf, vv_text_sub(address, local.size, address.size));
        vv_buf_append_char(buf, ' ');
        address = VV_TEXT("localhost");
    }
    door_page_escaped(buf, vv_text_from_string(options));
    vv_buf_append_text(buf, VV_TEXT(" http://"));
    door_page_escaped(buf, address);
    door_page_escaped(buf, server->options.http_prefix);
    door_page_escaped(buf, vv_text_from_string(path));
    vv_buf_append_char(buf, '\n');
}

static void door_page_commands(vv_buf *buf, vv_call *call)
{
    vv_buf_append_text(buf, VV_TEXT("<h2>The first row, in and out</h2>\n<pre><code>"));
    door_page_call(buf, call, "--data-binary 'weather,city=Brno temperature=21.5'", "/write");
    door_page_call(buf, call, "-G --data-urlencode 'match[]=weather'", "/api/v1/export");
    vv_buf_append_text(buf, VV_TEXT("</code></pre>\n"));
}

static void door_page_routes(vv_buf *buf, const vv_server *server)
{
    vv_buf_append_text(buf, VV_TEXT("<h2>What is served</h2>\n<table>\n"));
    for (uint32_t id = 0; id < VV_ROUTE_OTHER; id++) {
        const vv_route *route = vv_route_at((vv_route_id)id);
        varve_text path = vv_text_from_string(route->path);
        bool is_link = (route->methods & VV_GET) != 0 && vv_text_find_char(path, '*') == path.size;
        vv_buf_append_text(buf, VV_TEXT("<tr><td>"));
        if (is_link) {
            vv_buf_append_text(buf, VV_TEXT("<a href=\""));
            door_page_escaped(buf, server->options.http_prefix);
            door_page_escaped(buf, path);
            vv_buf_append_text(buf, VV_TEXT("\">"));
        }
        door_page_escaped(buf, path);
        vv_buf_append_text(buf, is_link ? VV_TEXT("</a></td><td>") : VV_TEXT("</td><td>"));
        door_page_escaped(buf, vv_text_from_string(route->help));
        vv_buf_append_text(buf, VV_TEXT("</td></tr>\n"));
    }
    vv_buf_append_text(buf, VV_TEXT("</table>\n"));
}

void vv_serve_welcome(vv_call *call)
{
    vv_buf buf;
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    vv_buf_append_text(&buf, vv_text_from_string(door_page_head));
    door_page_escaped(&buf, vv_text_from_string(varve_version()));
    vv_buf_append_text(&buf, VV_TEXT(".</p>\n"));
    door_page_commands(&buf, call);
    door_page_routes(&buf, call->server);
    vv_buf_append_text(&buf, VV_TEXT("</main></body></html>\n"));
    vv_http_add_header(call->request, "Content-Security-Policy",
                       "default-src 'none'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'");
    vv_http_add_header(call->request, "Referrer-Policy", "no-referrer");
    door_send(call, 200, "text/html; charset=utf-8", &buf);
}
