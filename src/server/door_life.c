/* SPDX-License-Identifier: Apache-2.0 */

/* The life of the server over HTTP: its settings, reading them anew, its end. */

#include "base/json_writer.h"
#include "base/status.h"
#include "server/life.h"
#include "server/server_priv.h"

/** Whether who asks may; answers when not. */
static bool door_life_is_allowed(vv_call *call)
{
    const vv_server_options *options = &call->server->options;
    bool is_allowed = options->life != NULL && options->allows_lifecycle;
    if (!is_allowed) {
        vv_answer_error_code(call, 403, "this is off; --enable-lifecycle turns it on");
    }
    return is_allowed;
}

void vv_serve_reload(vv_call *call)
{
    varve_error err;
    if (!door_life_is_allowed(call)) {
        return;
    }
    varve_status status = vv_life_reload(call->server->options.life, call->server, &err);
    if (status == VARVE_OK) {
        vv_http_respond(call->request, 200, "text/plain; charset=utf-8", VV_TEXT("reloaded\n"));
    } else {
        vv_answer_error_code(call, 500, err.message);
    }
}

void vv_serve_quit(vv_call *call)
{
    if (door_life_is_allowed(call)) {
        vv_http_close_after(call->request);
        vv_http_respond(call->request, 200, "text/plain; charset=utf-8", VV_TEXT("stopping\n"));
        vv_life_quit(call->server->options.life);
    }
}

void vv_serve_config(vv_call *call)
{
    vv_life *life = call->server->options.life;
    if (life == NULL) {
        vv_answer_error_code(call, 404, "this server was started without settings");
        return;
    }
    varve_error err;
    vv_buf yaml;
    vv_buf buf;
    vv_json json;
    vv_buf_init(&yaml, &call->server->alloc, SIZE_MAX);
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    vv_json_init(&json, &buf);
    vv_life_print_yaml(life, &yaml);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("status"), VV_TEXT("success"));
    vv_json_key(&json, VV_TEXT("data"));
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("yaml"), vv_buf_text(&yaml));
    vv_json_key(&json, VV_TEXT("settings"));
    vv_life_print_json(life, &json);
    vv_json_object_end(&json);
    vv_json_object_end(&json);
    varve_status status = vv_buf_check(&yaml, &err);
    if (status == VARVE_OK) {
        status = vv_json_end(&json, &err);
    }
    if (status == VARVE_OK) {
        vv_http_respond(call->request, 200, "application/json", vv_buf_text(&buf));
    } else {
        vv_answer_error(call, status, &err);
    }
    vv_buf_deinit(&buf);
    vv_buf_deinit(&yaml);
}
