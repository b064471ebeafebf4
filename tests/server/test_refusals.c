/* SPDX-License-Identifier: Apache-2.0 */
/* Every bound: what is at it passes, what is beyond is told which bound it was, and counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "support/server_case.h"

/** A request is counted when it has ended, which may be after its answer was read. */
static void expect_count(server_fixture *f, const char *limit, int count)
{
    char line[128];
    bool has = false;
    (void)snprintf(line, sizeof line, "varve_limit_rejects_total{limit=\"%s\"} %d\n", limit, count);
    while (!has) {
        http_reply reply = http_get(f->port, "/metrics");
        assert_int_equal(reply.code, 200);
        has = strstr(reply.body, line) != NULL;
        http_reply_free(&reply);
    }
}

static const char *filled(char *target, size_t size, const char *head, char c, const char *tail)
{
    size_t head_size = strlen(head);
    size_t tail_size = strlen(tail);
    assert_true(head_size + tail_size <= size);
    memcpy(target, head, head_size);
    memset(target + head_size, c, size - head_size - tail_size);
    memcpy(target + size - tail_size, tail, tail_size + 1);
    return target;
}

static void lines_are_bounded(void **state)
{
    server_fixture *f = *state;
    char text[128];
    f->options.text_line_bytes_max = 64;
    server_fixture_start(f);
    expect(http_post(f->port, "/write", filled(text, 65, "m v=\"", 'x', "\"\n")), 204, NULL);
    http_reply reply = http_post(f->port, "/write", filled(text, 100, "m v=\"", 'x', "\"\n"));
    assert_int_equal(reply.code, 413);
    if (strstr(reply.body, "(limit_line: 64, --line-max)\"}") == NULL) {
        fail_msg("%s", reply.body);
    }
    assert_null(strstr(reply.body, "\"limit\"")); /* clients of InfluxDB know one member */
    http_reply_free(&reply);
    expect(http_post(f->port, "/api/v1/import", filled(text, 100, "{\"a\":\"", 'x', "\"}\n")), 413,
           "\"limit\":{\"code\":\"limit_line\",\"value\":64,\"option\":\"--line-max\"}");
    expect_count(f, "line", 2);
    expect(http_post(f->port, "/api/v1/import/csv?format=1:metric:m",
                     filled(text, 100, "1,", 'x', "\n")),
           413, "\"limit\":{\"code\":\"limit_line\",\"value\":64,\"option\":\"--line-max\"}");
    expect_count(f, "line", 3);
}

/** The other lines are stored, and still the answer names the bound. */
static void a_line_left_out_for_a_bound_names_it(void **state)
{
    server_fixture *f = *state;
    char text[513 + 12];
    server_fixture_start(f);
    expect(http_post(f->port, "/api/v1/import/prometheus",
                     filled(text, 513 + 7, "a 1\n", 'm', " 1\n")),
           400, "\"written\":1,\"rejected\":1},\"limit\":{\"code\":\"limit_series_name\"}}");
    expect_count(f, "series_name", 1);
    expect(http_post(f->port, "/write", filled(text, 513 + 11, "a v=1\n", 'm', " v=1\n")), 400,
           "dropped=1\"}");
    expect_count(f, "series_name", 2);
}

/** Strings of texts; a stream moves what is stored. */
static void strings_are_bounded(void **state)
{
    enum { MOST = 64 * 1024 };
    server_fixture *f = *state;
    static char text[MOST + 256];
    static const struct {
        const char *target;
        const char *head;
        const char *tail;
    } cases[] = {
        {"/write", "m s=\"", "\" 1\n"},
        {"/api/v3/write_lp?db=d", "m s=\"", "\" 1\n"},
        {"/api/v1/import",
         "{\"metric\":{\"__name__\":\"m\"},\"timestamps\":[1],\"fields\":{\"s\":[\"", "\"]}}\n"},
        {"/api/v1/import/csv?format=1:metric:n,2:string:s&metric=m", "1,", "\n"},
    };
    server_fixture_start(f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t around = strlen(cases[i].head) + strlen(cases[i].tail);
        bool is_influx = i < 2;
        expect(http_post(f->port, cases[i].target,
                         filled(text, MOST + around, cases[i].head, 'x', cases[i].tail)),
               204, NULL);
        filled(text, MOST + 1 + around, cases[i].head, 'x', cases[i].tail);
        expect(http_post(f->port, cases[i].target, text), 400,
               is_influx ? "a string of 65537 bytes; at most 65536"
                         : "\"limit\":{\"code\":\"limit_value\"}");
        expect_count(f, "value", (int)i + 1);
    }
    http_reply reply = http_get(f->port, "/metrics");
    assert_non_null(strstr(
        reply.body, "varve_ingest_rejected_total{protocol=\"influx\",reason=\"limit\"} 2\n"));
    assert_non_null(strstr(
        reply.body, "varve_ingest_rejected_total{protocol=\"influx\",reason=\"invalid\"} 0\n"));
    http_reply_free(&reply);
}

/** A line with a time that is so many seconds ahead of the clock. */
static http_reply write_ahead(server_fixture *f, const char *target, int seconds)
{
    char text[128];
    (void)snprintf(text, sizeof text, "good v=1 1\nahead v=1 %lld\n",
                   (long long)time(NULL) + seconds);
    return http_post(f->port, target, text);
}

static void times_ahead_of_the_clock_are_bounded(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    /* A day, unless it is set. The clock goes on meanwhile: a minute on either side. */
    expect(write_ahead(f, "/write?precision=s", 86400 - 60), 204, NULL);
    expect(write_ahead(f, "/write?precision=s", 86400 + 60), 400,
           "partial write: line 2: the time");
    expect_count(f, "future", 1);
    char text[256];
    (void)snprintf(
        text, sizeof text,
        "{\"metric\":{\"__name__\":\"m\"},\"values\":[1,2],\"timestamps\":[1,%lld000]}\n",
        (long long)time(NULL) + 86400 + 60);
    expect(http_post(f->port, "/api/v1/import", text), 400,
           "\"data\":{\"line\":1,\"written\":1,\"rejected\":1},\"limit\":{\"code\":"
           "\"limit_future\",\"value\":86400000,\"option\":\"--ingest-max-future\"}");
    expect_count(f, "future", 2);
    /* A reload sets another bound, or none. */
    f->options.future_ms_max = 1;
    vv_server_reconfigure(f->server, &f->options);
    expect(write_ahead(f, "/write?precision=s", 60), 400, "--ingest-max-future");
    expect(write_ahead(f, "/write?precision=s", -60), 204, NULL);
    f->options.future_ms_max = 0;
    vv_server_reconfigure(f->server, &f->options);
    expect(http_post(f->port, "/write", "m v=1 9223372036854775807\n"), 204, NULL);
}

/** Rows that are left out, behind so many that are good. */
static http_reply write_bad(server_fixture *f, int good, int bad)
{
    char *text = malloc((size_t)(good * 8 + bad * 2 + 1));
    assert_non_null(text);
    for (int i = 0; i < good; i++) {
        memcpy(text + i * 8, "m v=1 1\n", 8);
    }
    for (int i = 0; i < bad; i++) {
        memcpy(text + good * 8 + i * 2, "x\n", 2);
    }
    http_reply reply = http_call(f->port, "POST", "/write", "", text, (size_t)(good * 8 + bad * 2));
    free(text);
    return reply;
}

static void a_text_of_rubbish_is_given_up(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    expect(write_bad(f, 0, 100000), 400, "{\"error\":\"line 1: missing fields dropped=100000\"}");
    expect(write_bad(f, 0, 400000), 400,
           "0 are good: what follows is not read; the first at line 1");
    expect(write_bad(f, 1000, 400000), 400, "; 1000 rows are stored, of lines 1 to ");
    /* What is mostly good is read to its end. */
    expect(write_bad(f, 400000, 399999), 400, "dropped=399999\"}");
}

static void documents_and_forms_are_bounded(void **state)
{
    server_fixture *f = *state;
    char text[256];
    static const char form[] = "Content-Type: application/x-www-form-urlencoded\r\n";
    f->options.document_bytes_max = 100;
    f->options.form_bytes_max = 120;
    server_fixture_start(f);
    expect(http_post(f->port, "/api/v1/rows", filled(text, 100, "{", ' ', "\"select\":\"m\"}")),
           200, NULL);
    expect(http_post(f->port, "/api/v1/rows", filled(text, 101, "{", ' ', "\"select\":\"m\"}")),
           413,
           "\"limit\":{\"code\":\"limit_document\",\"value\":100,\"option\":\"--document-max\"}");
    filled(text, 120, "match[]=", 'm', "");
    expect(http_call(f->port, "POST", "/api/v1/series", form, text, 120), 200, NULL);
    filled(text, 121, "match[]=", 'm', "");
    expect(http_call(f->port, "POST", "/api/v1/series", form, text, 121), 413,
           "\"limit\":{\"code\":\"limit_form\",\"value\":120,\"option\":\"--form-max\"}");
    expect_count(f, "document", 1);
    expect_count(f, "form", 1);
}

static void queries_are_bounded(void **state)
{
    server_fixture *f = *state;
    f->options.query_rows_max = 3;
    server_fixture_start(f);
    expect(http_post(f->port, "/write", "m v=1 1\nm v=2 2\nm v=3 3\nn v=1 1\nn v=2 2\nn v=3 3\n"),
           204, NULL);
    expect(http_post(f->port, "/api/v1/rows", "{\"select\":\"m\"}"), 200, NULL);
    expect(http_post(f->port, "/api/v1/rows", "{\"select\":\"{__name__=~\\\"m|n\\\"}\"}"), 422,
           "(limit_query_rows: 3, --query-rows-max)\",\"limit\":{\"code\":\"limit_query_rows\","
           "\"value\":3,\"option\":\"--query-rows-max\"}");
    expect_count(f, "query_rows", 1);
}

static void memory_of_queries_is_bounded(void **state)
{
    server_fixture *f = *state;
    f->options.query_memory_bytes_max = 64;
    server_fixture_start(f);
    expect(http_post(f->port, "/write", "m v=1 1\n"), 204, NULL);
    expect(http_post(f->port, "/api/v1/rows", "{\"select\":\"m\"}"), 422,
           "\"limit\":{\"code\":\"limit_query_memory\",\"value\":64,\"option\":\"--query-memory-"
           "max\"}");
    expect_count(f, "query_memory", 1);
}

static void patterns_are_bounded(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    expect(http_get(f->port, "/api/v1/export?match[]=m%7Ba%3D~%22(x%7C.y)%7B1000%7D%22%7D"), 200,
           NULL);
    expect(http_get(f->port, "/api/v1/export?match[]=m%7Ba%3D~%22(x%7C.y)%7B1001%7D%22%7D"), 422,
           "\"limit\":{\"code\":\"limit_regex\"}");
    expect_count(f, "regex", 1);
}

static void bodies_that_inflate_too_much_are_named(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    size_t size = 8u * 1024u * 1024u;
    size_t capacity = 64u * 1024u;
    char *text = malloc(size);
    char *packed = malloc(capacity);
    assert_non_null(text);
    assert_non_null(packed);
    memset(text, '\n', size);
    size_t packed_size = ZSTD_compress(packed, capacity, text, size, 3);
    assert_false(ZSTD_isError(packed_size));
    expect(http_call(f->port, "POST", "/api/v1/import", "Content-Encoding: zstd\r\n", packed,
                     packed_size),
           413, "\"limit\":{\"code\":\"limit_inflate\"}");
    expect_count(f, "inflate", 1);
    free(packed);
    free(text);
}

/** The client of the tests has short heads: this one sends what it is given. */
static http_reply send_head(const server_fixture *f, const char *target, const char *headers)
{
    static char head[20000];
    int size = snprintf(head, sizeof head,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Connection: close\r\n%s\r\n",
                        target, headers);
    int fd = http_connect(f->port);
    assert_true(http_send_bytes(fd, head, (size_t)size));
    return http_receive(fd);
}

static void heads_are_bounded(void **state)
{
    server_fixture *f = *state;
    static char target[9000];
    static char headers[9000];
    server_fixture_start(f);
    expect(send_head(f, filled(target, 8192, "/healthz?a=", 'x', ""), ""), 200, NULL);
    expect(send_head(f, filled(target, 8193, "/healthz?a=", 'x', ""), ""), 414, "(limit_target)");
    expect_count(f, "target", 1);
    filled(headers, 8900, "X-Long: ", 'x', "\r\n");
    expect(send_head(f, "/healthz", headers), 431, "(limit_head)");
    expect_count(f, "head", 1);
    size_t size = (size_t)snprintf(target, sizeof target, "/healthz?");
    for (int count = 0; count < 1024; count++) {
        memcpy(target + size, "a&", 3);
        size += 2;
    }
    target[size - 1] = '\0';
    expect(send_head(f, target, ""), 200, NULL);
    memcpy(target + size - 1, "&b", 3);
    expect(send_head(f, target, ""), 413, "(limit_parameters)");
    expect_count(f, "parameters", 1);
}

static void connections_beyond_the_bound_are_named(void **state)
{
    server_fixture *f = *state;
    f->options.connections_max = 1;
    server_fixture_start(f);
    int first = http_connect(f->port);
    static const char get[] = "GET /healthz HTTP/1.1\r\nHost: 1\r\n\r\n";
    char answer[512];
    assert_true(http_send_bytes(first, get, sizeof get - 1));
    assert_true(recv(first, answer, sizeof answer, 0) > 0);
    expect(http_get(f->port, "/healthz"), 503, "\"limit\":{\"code\":\"limit_connections\"}}");
    close(first);
}

static void a_fixed_bound_of_lines_names_no_option(void **state)
{
    server_fixture *f = *state;
    server_fixture_start(f);
    size_t size = 70000;
    char *text = malloc(size + 1);
    assert_non_null(text);
    filled(text, size, "m{a=\"", 'x', "\"} 1\n");
    http_reply reply = http_post(f->port, "/api/v1/import/prometheus", text);
    assert_int_equal(reply.code, 413);
    assert_non_null(strstr(reply.body, "(limit_line: 65536)"));
    http_reply_free(&reply);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(a_line_left_out_for_a_bound_names_it, begin, end),
        cmocka_unit_test_setup_teardown(strings_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(times_ahead_of_the_clock_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(a_text_of_rubbish_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(documents_and_forms_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(queries_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(memory_of_queries_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(patterns_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(bodies_that_inflate_too_much_are_named, begin, end),
        cmocka_unit_test_setup_teardown(heads_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(connections_beyond_the_bound_are_named, begin, end),
        cmocka_unit_test_setup_teardown(a_fixed_bound_of_lines_names_no_option, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
