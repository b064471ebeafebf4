/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler gets to see of a request. */
#include <string.h>

#include "base/text.h"
#include "net/http.h"
#include "support/check.h"
#include "support/http_client.h"

/** Answers with the values of the headers it knows; "-" for one that is not there. */
static void echo_headers(void *context, vv_http_request *request)
{
    (void)context;
    static const char *const names[] = {"X-Varve-User", "x-varve-role", "X-Varved", "Accept"};
    char text[256];
    size_t size = 0;
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        varve_text value = VV_TEXT("-");
        VV_IGNORE(vv_http_request_header(request, vv_text_from_string(names[index]), &value));
        size += vv_text_format(text + size, sizeof text - size, "%.*s;", VV_TEXT_ARGS(value));
    }
    vv_http_respond(request, 200, "text/plain", vv_text_make(text, size));
}

static void ignore_request(void *context, vv_http_request *request)
{
    (void)context;
    (void)request;
}

static void ignore_refusal(void *context)
{
    (void)context;
}

static void http_hides_headers_that_say_who_somebody_is(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_http_options options = {
        .listen = VARVE_STR("127.0.0.1:0"),
        .connections_max = 4,
        .connections_per_address_max = 4,
        .header_timeout_ms = 10000,
        .idle_timeout_ms = 10000,
        .stall_timeout_ms = 10000,
        .request_bytes_max = 65536,
        .pending_bytes_max = 65536,
        .id_begin = 0xffffffffffffffff,
        .alloc = &alloc,
        .head = echo_headers,
        .finished = ignore_request,
        .refused = ignore_refusal,
    };
    vv_http *http;
    varve_error err;
    check_ok(vv_http_start(&options, &http, &err), &err);
    http_reply reply = http_call(
        vv_http_port(http), "GET", "/",
        "X-Varve-User: root\r\nX-VARVE-ROLE: admin\r\nX-Varved: a\r\nAccept: b\r\n", NULL, 0);
    assert_string_equal(reply.body, "-;-;a;b;");
    assert_string_equal(http_reply_header(&reply, "X-Request-Id"), "ffffffffffffffff");
    http_reply_free(&reply);
    reply = http_get(vv_http_port(http), "/");
    assert_string_equal(http_reply_header(&reply, "X-Request-Id"), "0000000000000000");
    http_reply_free(&reply);
    vv_http_stop(http);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_hides_headers_that_say_who_somebody_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
