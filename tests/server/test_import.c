/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines in and out, and queries of rows, over the wire. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/server_case.h"

static const char every_type[] =
    "{\"metric\":{\"__name__\":\"all\",\"b\":\"2\",\"z\":\"\"},"
    "\"types\":{\"bin\":\"bytes\",\"h\":\"histogram\",\"i\":\"i64\",\"s\":\"string\","
    "\"u\":\"u64\"},"
    "\"fields\":{\"b\":[true,null,false],"
    "\"bin\":[{\"bytes\":\"AAEC/w==\"},{\"bytes\":\"\"},null],"
    "\"f\":[\"NaN:7ff0000000000002\",\"-Inf\",-0.0],"
    "\"h\":[{\"histogram\":{\"float\":false,\"schema\":3,\"reset_hint\":1,"
    "\"zero_threshold\":1e-10,\"sum\":2.5,\"count\":5,\"zero_count\":1,"
    "\"positive_spans\":[[0,2]],\"positive_buckets\":[1,1],\"negative_spans\":[[-3,1]],"
    "\"negative_buckets\":[1],\"custom_values\":[]}},null,null],"
    "\"i\":[-9223372036854775808,9223372036854775807,null],"
    "\"s\":[\"NaN\",\"a\\nb\\u0000\",null],"
    "\"u\":[\"18446744073709551615\",0,null]},"
    "\"timestamps\":[-1,0,1700000000000000001]}\n";

static void what_is_exported_imports_to_the_same(void **state)
{
    server_fixture *f = *state;
    http_reply reply = http_post(f->port, "/api/v1/import?precision=ns", every_type);
    if (reply.code != 204) {
        print_error("%s\n", reply.body);
    }
    assert_int_equal(reply.code, 204);
    assert_string_equal(http_reply_header(&reply, "X-Varve-Ack"), "VOLATILE");
    http_reply_free(&reply);
    http_reply first = http_get(f->port, "/api/v1/export?match[]=all&precision=ns");
    assert_int_equal(first.code, 200);
    assert_string_equal(first.body, every_type);
    server_fixture other;
    server_fixture_init(&other);
    server_fixture_start(&other);
    expect(http_post(other.port, "/api/v1/import?precision=ns", first.body), 204, NULL);
    http_reply second = http_get(other.port, "/api/v1/export?match[]=all&precision=ns");
    assert_string_equal(second.body, first.body);
    http_reply_free(&first);
    http_reply_free(&second);
    server_fixture_end(&other);
}

static void cut_digits_of_times_are_told(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port, "/write", "m value=1 1000001\n"), 204, NULL);
    http_reply reply = http_get(f->port, "/api/v1/export?match[]=m");
    assert_string_equal(http_reply_header(&reply, "X-Varve-Precision-Lost"), "1");
    assert_non_null(strstr(reply.body, "\"timestamps\":[1]"));
    http_reply_free(&reply);
}

static void good_lines_around_bad_ones_are_imported(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port, "/api/v1/import",
                     "{\"metric\":{\"__name__\":\"a\"},\"values\":[1,2],\"timestamps\":[1,2]}\n"
                     "\n"
                     "{\"metric\":{\"__name__\":\"a\"},\"values\":[1,2],\"timestamps\":[1]}\n"
                     "nonsense\n"
                     "{\"metric\":{\"__name__\":\"b\"},\"values\":[null,7],\"timestamps\":[1,2]}"),
           400, "\"line\":3,\"written\":3,\"rejected\":2");
    expect(http_get(f->port, "/api/v1/export?match[]=b"), 200, "\"values\":[7.0]");
    expect(http_post(f->port, "/api/v1/import",
                     "{\"metric\":{\"__name__\":\"a\"},\"values\":[\"x\"],\"timestamps\":[9]}\n"),
           400, "line 1: field \\\"value\\\"");
    expect(http_post(f->port, "/api/v1/import",
                     "{\"metric\":{\"host\":\"a\"},\"values\":[1],\"timestamps\":[9]}\n"),
           400, "__name__");
    expect(http_post(f->port, "/api/v1/import", ""), 204, NULL);
}

static void rows_answer_what_is_asked(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port, "/write?precision=s",
                     "cpu,host=a usage=1,n=1i 0\ncpu,host=a usage=3,n=2i 30\n"
                     "cpu,host=b usage=5,n=3i 60\ncpu,host=b usage=7,n=4i 90\n"),
           204, NULL);
    expect(http_post(f->port, "/api/v1/rows", "{\"select\":\"cpu{host=\\\"a\\\"}\"}"), 200,
           "{\"status\":\"success\",\"data\":[{\"metric\":{\"__name__\":\"cpu\",\"host\":\"a\"},"
           "\"columns\":[\"time\",\"n\",\"usage\"],\"types\":[\"time\",\"i64\",\"f64\"],"
           "\"rows\":[[0,1,1.0],[30000,2,3.0]]}]}");
    expect(http_post(f->port, "/api/v1/rows",
                     "{\"select\":\"cpu\",\"fields\":[{\"field\":\"usage\",\"agg\":\"avg\"}],"
                     "\"every\":\"1m\",\"group\":\"all\",\"precision\":\"s\"}"),
           200, "\"rows\":[[0,2.0],[60,6.0]]");
    expect(http_post(f->port, "/api/v1/rows",
                     "{\"select\":[\"cpu\"],\"fields\":[{\"field\":\"n\",\"agg\":\"sum\"}],"
                     "\"by\":[\"host\"]}"),
           200, "\"host\":\"b\"},");
    expect(http_post(f->port, "/api/v1/rows",
                     "{\"select\":\"cpu\",\"fields\":\"usage\",\"order\":\"time\","
                     "\"descending\":true,\"limit\":2,\"precision\":\"s\"}"),
           200, "\"rows\":[[90,7.0],[60,5.0]]");
    expect(http_post(f->port, "/api/v1/rows",
                     "{\"select\":\"cpu\",\"fields\":\"usage\",\"start\":30,\"end\":90,"
                     "\"where\":[{\"field\":\"n\",\"op\":\">=\",\"value\":3}],"
                     "\"precision\":\"s\"}"),
           200, "\"rows\":[[60,5.0]]");
    expect(http_post(f->port, "/api/v1/rows", "{\"select\":\"nothing\"}"), 200, "\"data\":[]}");
    expect(http_post(f->port, "/api/v1/rows", "{\"selector\":\"cpu\"}"), 400, "selector");
    expect(http_post(f->port, "/api/v1/rows", "{\"select\":\"cpu{\"}"), 400, "bad_data");
    expect(http_call(f->port, "POST", "/api/v1/rows",
                     "Content-Type: application/x-www-form-urlencoded\r\n", "{\"select\":\"100%\"}",
                     17),
           200, "\"data\":[]");
    expect(http_post(f->port, "/api/v1/rows", "[1]"), 400, "no JSON object");
    expect(http_post(f->port, "/api/v1/rows", "{\"select\":\"cpu\",\"start\":\"soon\"}"), 400,
           "start");
}

static void a_large_export_comes_whole_and_compressed(void **state)
{
    server_fixture *f = *state;
    size_t size = 0;
    char *text = malloc(4 * 1024 * 1024);
    assert_non_null(text);
    for (int row = 0; row < 40000; row++) {
        size += (size_t)sprintf(text + size, "big,host=h%d value=%d.5 %d\n", row % 7, row, row);
    }
    http_reply reply = http_call(f->port, "POST", "/write", "", text, size);
    assert_int_equal(reply.code, 204);
    http_reply_free(&reply);
    http_reply plain = http_get(f->port, "/api/v1/export?match[]=big&precision=ns");
    assert_true(plain.is_complete);
    assert_string_equal(http_reply_header(&plain, "Transfer-Encoding"), "chunked");
    server_fixture other;
    server_fixture_init(&other);
    server_fixture_start(&other);
    static const char *const encodings[] = {"gzip", "zstd"};
    for (size_t index = 0; index < 2; index++) {
        char header[64];
        snprintf(header, sizeof header, "Accept-Encoding: %s\r\n", encodings[index]);
        http_reply packed =
            http_call(f->port, "GET", "/api/v1/export?match[]=big&precision=ns", header, NULL, 0);
        assert_true(packed.is_complete);
        assert_string_equal(http_reply_header(&packed, "Content-Encoding"), encodings[index]);
        assert_true(packed.body_size < plain.body_size / 2);
        snprintf(header, sizeof header, "Content-Encoding: %s\r\n", encodings[index]);
        reply = http_call(other.port, "POST", "/api/v1/import?precision=ns", header, packed.body,
                          packed.body_size);
        assert_int_equal(reply.code, 204);
        http_reply_free(&reply);
        http_reply_free(&packed);
        http_reply again = http_get(other.port, "/api/v1/export?match[]=big&precision=ns");
        assert_string_equal(again.body, plain.body);
        http_reply_free(&again);
    }
    server_fixture_end(&other);
    http_reply_free(&plain);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_exported_imports_to_the_same, begin_started, end),
        cmocka_unit_test_setup_teardown(cut_digits_of_times_are_told, begin_started, end),
        cmocka_unit_test_setup_teardown(good_lines_around_bad_ones_are_imported, begin_started,
                                        end),
        cmocka_unit_test_setup_teardown(rows_answer_what_is_asked, begin_started, end),
        cmocka_unit_test_setup_teardown(a_large_export_comes_whole_and_compressed, begin_started,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
