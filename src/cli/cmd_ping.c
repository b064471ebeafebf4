/* SPDX-License-Identifier: Apache-2.0 */

/* varve ping: whether a server is ready, by its exit code; for scripts and health checks. */

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/text.h"
#include "cli/cli.h"
#include "net/http_fetch.h"
#include "net/http_url.h"
#include "sys/clock.h"

#define PING_URL_DEFAULT "http://127.0.0.1:9428"
/* A server that takes longer is not ready. */
#define PING_TIMEOUT_NS    (INT64_C(5) * VV_NS_PER_S)
#define PING_URL_BYTES_MAX (VV_HTTP_URL_BYTES_MAX + 16u) /* "/ready" behind it */

static bool ping_goes_on(void *context)
{
    return vv_mono_now_ns() < *(const int64_t *)context;
}

static int ping_print(const char *given, bool is_json)
{
    char url[PING_URL_BYTES_MAX];
    vv_http_url_print(url, sizeof url, given);
    vv_alloc alloc;
    vv_buf buf;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, 8 * PING_URL_BYTES_MAX);
    if (is_json) {
        vv_json json;
        vv_json_init(&json, &buf);
        vv_json_object_begin(&json);
        vv_json_key_text(&json, VV_TEXT("url"), vv_text_from_string(url));
        vv_json_key_bool(&json, VV_TEXT("ready"), true);
        vv_json_object_end(&json);
        vv_buf_append_char(&buf, '\n');
    } else {
        vv_buf_append_format(&buf, "%s is ready\n", url);
    }
    varve_error error;
    varve_status status = vv_buf_check(&buf, &error);
    int exit_code = status == VARVE_OK ? vv_cli_print("ping", vv_buf_text(&buf))
                                       : vv_cli_report("ping", status, &error);
    vv_buf_deinit(&buf);
    return exit_code;
}

static int ping_server(const char *url, bool is_json)
{
    char ready[PING_URL_BYTES_MAX];
    char shown[PING_URL_BYTES_MAX];
    vv_http_url_print(shown, sizeof shown, url);
    varve_text base = vv_text_from_string(url);
    while (base.size > 0 && base.data[base.size - 1] == '/') {
        base.size -= 1;
    }
    vv_text_format(ready, sizeof ready, "%.*s/ready", VV_TEXT_ARGS(base));
    varve_error error;
    vv_http_fetch_answer answer;
    int64_t deadline = vv_deadline_after_ns(PING_TIMEOUT_NS);
    const vv_http_fetch_request request = {
        .url = ready, .check = ping_goes_on, .check_context = &deadline};
    varve_status status = vv_http_fetch_run(&request, &answer, &error);
    if (answer.code == 0) {
        bool is_late = status == VARVE_E_CANCELLED;
        vv_cli_fail("ping", "%s%s", is_late ? shown : error.message,
                    is_late ? " does not answer" : "");
        return VV_EXIT_CONNECTION;
    }
    if (answer.code != 200) {
        vv_cli_fail("ping", "%s is not ready: %u %.*s", shown, answer.code, (int)answer.body_size,
                    answer.body);
        return VV_EXIT_FAILED;
    }
    return ping_print(url, is_json);
}

int vv_cmd_ping(int argc, char **argv)
{
    const char *given = getenv(VV_URL_VARIABLE);
    const char *url = given == NULL || given[0] == '\0' ? PING_URL_DEFAULT : given;
    bool is_json = false;
    const vv_option table[] = {
        {"url", VV_OPTION_TEXT, &url, "URL",
         "the server (" VV_URL_VARIABLE ", " PING_URL_DEFAULT ")"},
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as a JSON document"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("ping", "varve ping --url http://127.0.0.1:9428", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("ping", operands, argv) ||
        !vv_cli_check_url("ping", url == given ? VV_URL_VARIABLE : "--url", url)) {
        return VV_EXIT_USAGE;
    }
    return ping_server(url, is_json);
}
