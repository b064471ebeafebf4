/* SPDX-License-Identifier: Apache-2.0 */
/* Streams in and out over the wire: /api/v1/export/native and /api/v1/import/native. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/server_case.h"

static const char every_type[] =
    "{\"metric\":{\"__name__\":\"all\",\"b\":\"2\",\"z\":\"\"},"
    "\"types\":{\"h\":\"histogram\",\"i\":\"i64\",\"s\":\"string\",\"u\":\"u64\"},"
    "\"fields\":{\"b\":[true,null,false],\"f\":[\"NaN:7ff0000000000002\",\"-Inf\",-0.0],"
    "\"h\":[{\"histogram\":{\"float\":false,\"schema\":3,\"reset_hint\":1,"
    "\"zero_threshold\":1e-10,\"sum\":2.5,\"count\":5,\"zero_count\":1,"
    "\"positive_spans\":[[0,2]],\"positive_buckets\":[1,1],\"negative_spans\":[[-3,1]],"
    "\"negative_buckets\":[1],\"custom_values\":[]}},null,null],"
    "\"i\":[-9223372036854775808,9223372036854775807,null],"
    "\"s\":[{\"bytes\":\"AAEC/w==\"},\"a\\nb\\u0000\",null],"
    "\"u\":[\"18446744073709551615\",0,null]},"
    "\"timestamps\":[-1,0,1700000000000000001]}\n";

/** Every type, and rows for several blocks. */
static void fill(const server_fixture *f)
{
    http_reply reply = http_post(f->port, "/api/v1/import?precision=ns", every_type);
    assert_int_equal(reply.code, 204);
    http_reply_free(&reply);
    size_t capacity = 8 * 1024 * 1024;
    size_t size = 0;
    char *text = malloc(capacity);
    assert_non_null(text);
    for (unsigned row = 0; row < 40000; row++) {
        size += (size_t)sprintf(text + size, "big,host=h%u value=0.%u,n=%ui %u\n", row % 7,
                                row * 2654435761u, row * 40503u, row);
    }
    assert_true(size < capacity);
    reply = http_call(f->port, "POST", "/write", "", text, size);
    assert_int_equal(reply.code, 204);
    http_reply_free(&reply);
    free(text);
}

static http_reply everything(const server_fixture *f)
{
    http_reply reply = http_get(f->port, "/api/v1/export?match[]={__name__!=\"\"}&precision=ns");
    assert_int_equal(reply.code, 200);
    assert_true(reply.is_complete);
    return reply;
}

static http_reply stream_of(const server_fixture *f, const char *headers)
{
    http_reply reply = http_call(f->port, "GET", "/api/v1/export/native?match[]={__name__!=\"\"}",
                                 headers, NULL, 0);
    assert_int_equal(reply.code, 200);
    assert_true(reply.is_complete);
    assert_string_equal(http_reply_header(&reply, "Content-Type"), "application/vnd.varve.stream");
    return reply;
}

static http_reply put_stream(const server_fixture *f, const char *headers, const char *body,
                             size_t size)
{
    return http_call(f->port, "POST", "/api/v1/import/native", headers, body, size);
}

static void streams_carry_everything_to_another_server(void **state)
{
    server_fixture *f = *state;
    fill(f);
    http_reply wanted = everything(f);
    static const char *const encodings[] = {"", "gzip", "zstd"};
    for (size_t i = 0; i < 3; i++) {
        server_fixture other;
        char accept[64] = "";
        char content[64] = "";
        if (encodings[i][0] != '\0') {
            snprintf(accept, sizeof accept, "Accept-Encoding: %s\r\n", encodings[i]);
            snprintf(content, sizeof content, "Content-Encoding: %s\r\n", encodings[i]);
        }
        server_fixture_init(&other);
        server_fixture_start(&other);
        http_reply stream = stream_of(f, accept);
        http_reply reply = put_stream(&other, content, stream.body, stream.body_size);
        if (reply.code != 204) {
            print_error("%s\n", reply.body);
        }
        assert_int_equal(reply.code, 204);
        assert_string_equal(http_reply_header(&reply, "X-Varve-Ack"), "VOLATILE");
        http_reply again = everything(&other);
        assert_int_equal(again.body_size, wanted.body_size);
        assert_memory_equal(again.body, wanted.body, wanted.body_size);
        http_reply_free(&again);
        http_reply_free(&reply);
        http_reply_free(&stream);
        server_fixture_end(&other);
    }
    http_reply_free(&wanted);
}

static void streams_take_selectors_and_ranges_as_a_form_too(void **state)
{
    server_fixture *f = *state;
    fill(f);
    server_fixture other;
    server_fixture_init(&other);
    server_fixture_start(&other);
    http_reply stream =
        http_call(f->port, "POST", "/api/v1/export/native",
                  "Content-Type: application/x-www-form-urlencoded\r\n",
                  "match[]=all&start=-1&end=1", strlen("match[]=all&start=-1&end=1"));
    assert_int_equal(stream.code, 200);
    http_reply reply = put_stream(&other, "", stream.body, stream.body_size);
    assert_int_equal(reply.code, 204);
    http_reply_free(&reply);
    http_reply_free(&stream);
    reply = everything(&other);
    assert_non_null(strstr(reply.body, "\"timestamps\":[-1,0]}"));
    http_reply_free(&reply);
    reply = http_get(f->port, "/api/v1/export/native");
    assert_int_equal(reply.code, 400);
    http_reply_free(&reply);
    server_fixture_end(&other);
}

static void streams_get_extra_labels(void **state)
{
    server_fixture *f = *state;
    http_reply reply = http_post(f->port, "/write", "m,b=1 value=1 1\n");
    http_reply_free(&reply);
    http_reply stream = stream_of(f, "");
    reply = http_call(f->port, "POST", "/api/v1/import/native?extra_label=a=x&extra_label=b=2", "",
                      stream.body, stream.body_size);
    assert_int_equal(reply.code, 204);
    http_reply_free(&reply);
    http_reply_free(&stream);
    reply = everything(f);
    assert_non_null(strstr(reply.body, "{\"__name__\":\"m\",\"a\":\"x\",\"b\":\"2\"}"));
    http_reply_free(&reply);
}

static void damaged_streams_keep_the_blocks_before(void **state)
{
    server_fixture *f = *state;
    fill(f);
    http_reply stream = stream_of(f, "");
    assert_true(stream.body_size > 200000);
    server_fixture other;
    server_fixture_init(&other);
    server_fixture_start(&other);
    http_reply reply = put_stream(&other, "", stream.body, stream.body_size - 1);
    assert_int_equal(reply.code, 400);
    assert_non_null(strstr(reply.body, "the stream was cut at byte"));
    http_reply_free(&reply);
    http_reply wanted = everything(f);
    http_reply again = everything(&other); /* only the end was missing */
    assert_int_equal(again.body_size, wanted.body_size);
    http_reply_free(&again);
    http_reply_free(&wanted);
    stream.body[150000] ^= 1;
    reply = put_stream(&other, "", stream.body, stream.body_size);
    assert_int_equal(reply.code, 400);
    assert_non_null(strstr(reply.body, "checksum"));
    http_reply_free(&reply);
    reply = put_stream(&other, "", "nonsense of thirty-two bytes.......", 35);
    assert_int_equal(reply.code, 400);
    assert_non_null(strstr(reply.body, "no stream of varve"));
    http_reply_free(&reply);
    http_reply_free(&stream);
    server_fixture_end(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_carry_everything_to_another_server, begin_started,
                                        end),
        cmocka_unit_test_setup_teardown(streams_take_selectors_and_ranges_as_a_form_too,
                                        begin_started, end),
        cmocka_unit_test_setup_teardown(streams_get_extra_labels, begin_started, end),
        cmocka_unit_test_setup_teardown(damaged_streams_keep_the_blocks_before, begin_started, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
