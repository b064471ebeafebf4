/* SPDX-License-Identifier: Apache-2.0 */
/* Every route of server/routes.def does what its row says; errors have the shape of the route. */
#include <stdio.h>
#include <string.h>

#include "support/server_case.h"

static void health_is_told_at_every_spelling(void **state)
{
    server_fixture *f = *state;
    expect(http_get(f->port, "/healthz"), 200, "ok");
    expect(http_get(f->port, "/-/healthy"), 200, "ok");
    expect(http_get(f->port, "/ready"), 200, "ready");
    expect(http_get(f->port, "/-/ready"), 200, "ready");
    expect(http_get(f->port, "/readyz"), 200, "ready");
    expect(http_get(f->port, "/version"), 200, varve_version());
    expect(http_get(f->port, "/api/v1/status/info"), 200,
           "\"precision\":\"ns\",\"duplicates\":\"last\",\"row_ids\":false,"
           "\"snapshot\":false,\"health\":\"ok\",\"stats\":{\"");
    expect(http_get(f->port, "/health"), 200, "\"pass\"");
    expect(http_get(f->port, "/ping"), 204, NULL);
}

static void lines_written_are_exported(void **state)
{
    server_fixture *f = *state;
    http_reply reply = http_post(f->port, "/write?precision=s",
                                 "cpu,host=a usage=1.5,n=3i,u=7u,ok=t,s=\"x y\" 100\n"
                                 "cpu,host=a usage=2 101\n"
                                 "up,host=a value=1 100\n");
    assert_int_equal(reply.code, 204);
    assert_string_equal(http_reply_header(&reply, "X-Varve-Ack"), "VOLATILE");
    http_reply_free(&reply);
    expect(http_get(f->port, "/api/v1/export?match[]=up"), 200,
           "{\"metric\":{\"__name__\":\"up\",\"host\":\"a\"},\"values\":[1.0],"
           "\"timestamps\":[100000]}\n");
    reply = http_get(f->port, "/api/v1/export?match%5B%5D=cpu&precision=s");
    assert_int_equal(reply.code, 200);
    assert_non_null(strstr(reply.body, "\"usage\":[1.5,2.0]"));
    assert_non_null(strstr(reply.body, "\"n\":[3,null]"));
    assert_non_null(strstr(reply.body, "\"s\":[\"x y\",null]"));
    assert_non_null(strstr(reply.body, "\"timestamps\":[100,101]"));
    assert_non_null(strstr(reply.body, "\"n\":\"i64\""));
    assert_non_null(strstr(reply.body, "\"u\":\"u64\""));
    http_reply_free(&reply);
    expect(http_call(f->port, "POST", "/api/v1/export",
                     "Content-Type: application/x-www-form-urlencoded\r\n", "match[]=up", 10),
           200, "\"values\":[1.0]");
    expect(http_get(f->port, "/api/v1/export?match[]=up&start=101"), 200, "");
    expect(http_get(f->port, "/api/v1/export?match[]=cpu&split_fields=1"), 200, "cpu_usage");
    expect(http_get(f->port, "/api/v1/export"), 400, "no match[] parameter provided");
    expect(http_get(f->port, "/api/v1/export?match[]=cpu%7B"), 400, "\"bad_data\"");
    expect(http_get(f->port, "/api/v1/export?match[]=cpu&precision=min"), 400, "precision");
    expect(http_get(f->port, "/api/v1/export?match[]=cpu&start=someday"), 400, "\\\"start\\\"");
}

static void good_lines_of_a_bad_body_are_kept(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port, "/write", "a v=1 1\nb v 2\nc v=3 3\n"), 400,
           "{\"error\":\"partial write: line 2: field without a value dropped=1\"}");
    expect(http_post(f->port, "/api/v2/write?bucket=x", "a v=1 1\n\nb v=\nc v=3 3\n"), 400,
           "\"line\":3,\"written\":2,\"rejected\":1");
    expect(http_post(f->port, "/write", "a v=1i 5\n"), 400, "line 1: field \\\"v\\\"");
    expect(http_get(f->port, "/api/v1/export?match[]=c"), 200, "\"db\"");
    expect(http_post(f->port, "/write?precision=fortnight", "a v=1\n"), 400, "{\"error\":");
    expect(http_post(f->port, "/api/v2/write?precision=fortnight", "a v=1\n"), 400,
           "\"code\":\"invalid\"");
}

static void listings_give_what_is_stored(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port, "/write", "m,host=b v=1 1\nm,host=a,zone=z v=1 1\nn v=1 1\n"), 204,
           NULL);
    expect(http_get(f->port, "/api/v1/labels"), 200,
           "{\"status\":\"success\",\"data\":[\"__name__\",\"host\",\"zone\"]}");
    expect(http_get(f->port, "/api/v1/label/host/values"), 200, "\"data\":[\"a\",\"b\"]");
    expect(http_get(f->port, "/api/v1/label/U__h_6f_st/values"), 200, "\"data\":[\"a\",\"b\"]");
    expect(http_get(f->port, "/api/v1/label/__name__/values"), 200, "\"data\":[\"m\",\"n\"]");
    expect(http_get(f->port, "/api/v1/series?match[]=m"), 200,
           "\"data\":[{\"__name__\":\"m\",\"host\":\"a\",\"zone\":\"z\"},"
           "{\"__name__\":\"m\",\"host\":\"b\"}]");
    expect(http_get(f->port, "/api/v1/series?match[]=m&limit=1"), 200,
           "\"zone\":\"z\"}],\"warnings\":[\"results truncated due to limit\"]}");
    expect(http_get(f->port, "/api/v1/series"), 400, "no match[] parameter provided");
    expect(http_get(f->port, "/prometheus/api/v1/labels?match[]=n"), 200, "[\"__name__\"]");
}

static void fields_are_listed_with_their_types(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port, "/write", "m,host=b v=1,s=\"x\" 1\nn v=1i 5000000000\n"), 204, NULL);
    expect(
        http_get(f->port, "/api/v1/fields"), 200,
        "{\"status\":\"success\",\"data\":[{\"metric\":\"m\",\"field\":\"s\",\"type\":\"string\"},"
        "{\"metric\":\"m\",\"field\":\"v\",\"type\":\"f64\"},"
        "{\"metric\":\"n\",\"field\":\"v\",\"type\":\"i64\"}]}");
    expect(http_get(f->port, "/api/v1/fields?match[]=n"), 200, "\"data\":[{\"metric\":\"n\"");
    expect(http_get(f->port, "/api/v1/fields?start=2"), 200, "\"data\":[{\"metric\":\"n\"");
    expect(http_post(f->port, "/api/v1/fields?limit=1", ""), 200,
           "\"type\":\"string\"}],\"warnings\":[\"results truncated due to limit\"]}");
    expect(http_get(f->port, "/api/v1/fields?match[]=m{"), 400, "1:3: parse error");
}

/** A request is counted when it has ended, which may be after its answer was read. */
static void expect_figure(server_fixture *f, const char *line)
{
    bool is_there = false;
    while (!is_there) {
        http_reply reply = http_get(f->port, "/metrics");
        assert_int_equal(reply.code, 200);
        is_there = strstr(reply.body, line) != NULL;
        http_reply_free(&reply);
    }
}

static void figures_count_what_was_done(void **state)
{
    server_fixture *f = *state;
    expect(http_post(f->port, "/write", "m v=1 1\nm v=2 2\nm v 3\n"), 400, NULL);
    expect_figure(f, "varve_ingest_samples_total{protocol=\"influx\"} 2\n");
    expect_figure(f, "varve_ingest_rejected_total{protocol=\"influx\",reason=\"invalid\"} 1\n");
    expect_figure(f, "varve_http_requests_total{path=\"/write\",code=\"400\"} 1\n");
    expect_figure(f, "varve_build_info{version=");
    char line[700];
    memset(line, 'x', 600);
    memcpy(line + 600, " v=1 1\n", 8);
    expect(http_post(f->port, "/write", line), 400, NULL);
    expect_figure(f, "varve_ingest_rejected_total{protocol=\"influx\",reason=\"limit\"} 1\n");
    expect(http_get(f->port, "/api/v1/export?match[]=m"), 200, NULL);
    expect_figure(f, "varve_query_duration_seconds_count{api=\"/api/v1/export\"} 1\n");
    expect_figure(f, "varve_queries_in_flight 0\n");
    expect_figure(f, "varve_segments{level=\"0\"} 0\n");
}

/** Of each family the head first, then all of its lines, and nothing else in between. */
static void check_families(char *text, bool is_open)
{
    char seen[200][96];
    size_t count = 0;
    char *at = NULL;
    for (char *line = strtok_r(text, "\n", &at); line != NULL; line = strtok_r(NULL, "\n", &at)) {
        char name[96];
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line + 7, "%95s", name), 1);
            for (size_t index = 0; index < count; index++) {
                assert_string_not_equal(seen[index], name);
            }
            assert_true(count < 200);
            memcpy(seen[count++], name, sizeof name);
            assert_true(!is_open || strlen(name) < 6 ||
                        strcmp(name + strlen(name) - 6, "_total") != 0);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(sscanf(line + 7, "%95s", name), 1);
            assert_string_equal(name, seen[count - 1]);
        } else if (strcmp(line, "# EOF") != 0) {
            assert_true(count > 0);
            assert_memory_equal(line, seen[count - 1], strlen(seen[count - 1]));
        }
    }
    assert_true(count > 40);
}

static void figures_have_two_forms(void **state)
{
    server_fixture *f = *state;
    expect(http_get(f->port, "/api/v1/labels"), 200, NULL);
    http_reply reply = http_get(f->port, "/metrics");
    assert_string_equal(http_reply_header(&reply, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
    assert_null(strstr(reply.body, "# EOF"));
    assert_non_null(strstr(reply.body, "# TYPE varve_ingest_samples_total counter\n"));
    check_families(reply.body, false);
    http_reply_free(&reply);
    reply = http_call(f->port, "GET", "/metrics",
                      "Accept: application/openmetrics-text;version=1.0.0,"
                      "application/openmetrics-text;version=0.0.1;q=0.75,"
                      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
                      NULL, 0);
    assert_string_equal(http_reply_header(&reply, "Content-Type"),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_non_null(strstr(reply.body, "# TYPE varve_ingest_samples counter\n"));
    assert_non_null(strstr(reply.body, "\nvarve_ingest_samples_total{"));
    assert_string_equal(reply.body + reply.body_size - 6, "# EOF\n");
    check_families(reply.body, true);
    http_reply_free(&reply);
    static const char *const plain[] = {
        "Accept: text/plain\r\n", "Accept: */*\r\n", "Accept: ;;,,q=\r\n",
        "Accept: application/openmetrics-text;q=0.5, text/plain\r\n",
        "Accept: application/openmetrics-text; q=0\r\n"};
    for (size_t index = 0; index < sizeof plain / sizeof plain[0]; index++) {
        reply = http_call(f->port, "GET", "/metrics", plain[index], NULL, 0);
        assert_null(strstr(reply.body, "# EOF"));
        http_reply_free(&reply);
    }
}

static void methods_and_paths_are_closed_lists(void **state)
{
    server_fixture *f = *state;
    http_reply reply = http_get(f->port, "/write");
    assert_int_equal(reply.code, 405);
    assert_string_equal(http_reply_header(&reply, "Allow"), "POST");
    assert_non_null(strstr(reply.body, "{\"error\":"));
    http_reply_free(&reply);
    reply = http_post(f->port, "/healthz", "x");
    assert_int_equal(reply.code, 405);
    assert_string_equal(http_reply_header(&reply, "Allow"), "GET, HEAD");
    http_reply_free(&reply);
    expect(http_call(f->port, "DELETE", "/api/v1/series", "", NULL, 0), 405, NULL);
    expect(http_call(f->port, "OPTIONS", "/api/v1/series", "", NULL, 0), 204, NULL);
    expect(http_get(f->port, "/nothing"), 404, "\"errorType\":\"not_found\"");
    expect(http_get(f->port, "/api/v1/label//values"), 404, NULL);
    expect(http_get(f->port, "/api/v1/label/a/b/values"), 404, NULL);
    expect(http_get(f->port, "/healthz?a=%zz"), 400, "bad escape");
}

static void head_gives_the_head_alone(void **state)
{
    server_fixture *f = *state;
    static const char *const paths[] = {"/healthz", "/metrics", "/version", "/", "/ready"};
    for (size_t index = 0; index < sizeof paths / sizeof paths[0]; index++) {
        http_reply reply = http_call(f->port, "HEAD", paths[index], "", NULL, 0);
        assert_int_equal(reply.code, 200);
        assert_int_equal(reply.body_size, 0);
        http_reply_free(&reply);
    }
}

static void the_page_has_no_script(void **state)
{
    server_fixture *f = *state;
    http_reply reply = http_get(f->port, "/");
    assert_int_equal(reply.code, 200);
    assert_non_null(
        strstr(http_reply_header(&reply, "Content-Security-Policy"), "default-src 'none'"));
    assert_string_equal(http_reply_header(&reply, "X-Content-Type-Options"), "nosniff");
    assert_null(strstr(reply.body, "<script"));
    assert_non_null(strstr(reply.body, "/api/v1/export"));
    assert_non_null(strstr(reply.body, varve_version()));
    http_reply_free(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(health_is_told_at_every_spelling, begin_started, end),
        cmocka_unit_test_setup_teardown(lines_written_are_exported, begin_started, end),
        cmocka_unit_test_setup_teardown(good_lines_of_a_bad_body_are_kept, begin_started, end),
        cmocka_unit_test_setup_teardown(listings_give_what_is_stored, begin_started, end),
        cmocka_unit_test_setup_teardown(fields_are_listed_with_their_types, begin_started, end),
        cmocka_unit_test_setup_teardown(figures_count_what_was_done, begin_started, end),
        cmocka_unit_test_setup_teardown(figures_have_two_forms, begin_started, end),
        cmocka_unit_test_setup_teardown(methods_and_paths_are_closed_lists, begin_started, end),
        cmocka_unit_test_setup_teardown(head_gives_the_head_alone, begin_started, end),
        cmocka_unit_test_setup_teardown(the_page_has_no_script, begin_started, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
