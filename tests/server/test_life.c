/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a running server: where they come from, reading them anew, stopping over HTTP. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/http_client.h"
#include "support/serve_fixture.h"

static void expect_reply(http_reply reply, int code, const char *body)
{
    if (reply.code != code || (body != NULL && strstr(reply.body, body) == NULL)) {
        print_error("%s\n%s\n", reply.head, reply.body);
    }
    assert_int_equal(reply.code, code);
    assert_true(body == NULL || strstr(reply.body, body) != NULL);
    http_reply_free(&reply);
}

static http_reply call(const serve_fixture *f, const char *method, const char *path)
{
    return http_call(f->server.port, method, path, "Content-Length: 0\r\n", NULL, 0);
}

static bool has_setting(const serve_fixture *f, const char *line)
{
    http_reply reply = http_get(f->server.port, "/api/v1/status/config");
    assert_int_equal(reply.code, 200);
    bool has = strstr(reply.body, line) != NULL;
    http_reply_free(&reply);
    return has;
}

/** A change comes some time after its signal; the test's time limit bounds the wait. */
static void wait_for_setting(const serve_fixture *f, const char *line)
{
    while (!has_setting(f, line)) {
    }
}

static void settings_in_use_are_shown(void **state)
{
    serve_fixture *f = *state;
    serve_fixture_write_file(f, "query-timeout: 5s\nlisten: 127.0.0.1:1\n");
    assert_int_equal(setenv("VARVE_LINE_MAX", "2MiB", 1), 0);
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--config", f->file);
    assert_int_equal(unsetenv("VARVE_LINE_MAX"), 0);
    assert_true(has_setting(f, "\"name\":\"query-timeout\",\"value\":\"5s\",\"origin\":\"file\""));
    assert_true(
        has_setting(f, "\"name\":\"listen\",\"value\":\"127.0.0.1:0\",\"origin\":\"flag\""));
    assert_true(has_setting(f, "\"name\":\"line-max\",\"value\":\"2MiB\",\"origin\":\"variable\""));
    assert_true(has_setting(f, "\"name\":\"sync\",\"value\":\"group\",\"origin\":\"default\""));
    assert_true(has_setting(f, "\\nquery-timeout: 5s\\n"));
    assert_int_equal(program_stop(&f->server, SIGTERM), 0);
}

static void a_reload_over_http_applies_what_can_change(void **state)
{
    serve_fixture *f = *state;
    serve_fixture_write_file(f, "enable-lifecycle: true\nline-max: 2KiB\n");
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--config", f->file);
    char row[3001] = "";
    memset(row, 'x', sizeof row - 1);
    memcpy(row + 2990, " v=1 1", 7);
    expect_reply(http_post(f->server.port, "/write", row), 413, "2048");
    serve_fixture_write_file(f, "enable-lifecycle: true\nline-max: 3KiB\nqueries-max: 7\n");
    expect_reply(call(f, "POST", "/-/reload"), 200, "reloaded");
    assert_true(has_setting(f, "\"line-max\",\"value\":\"3KiB\""));
    assert_true(has_setting(f, "\"queries-max\",\"value\":\"auto\"")); /* not while it runs */
    memset(row + 500, 'x', 2490);
    expect_reply(http_post(f->server.port, "/write", row), 400, "at most 512");
    serve_fixture_write_file(f, "enable-lifecycle: true\nline-max: 4GiB\n");
    expect_reply(call(f, "PUT", "/-/reload"), 500, "varve.yaml:2:11: line-max: takes");
    assert_true(has_setting(f, "\"line-max\",\"value\":\"3KiB\"")); /* V1 */
    assert_int_equal(remove(f->file), 0);
    expect_reply(call(f, "POST", "/-/reload"), 500, "varve.yaml");
    assert_true(has_setting(f, "\"line-max\",\"value\":\"3KiB\""));
    expect_reply(call(f, "GET", "/-/reload"), 405, NULL);
    assert_int_equal(program_stop(&f->server, SIGTERM), 0);
}

static void a_hangup_reloads(void **state)
{
    serve_fixture *f = *state;
    serve_fixture_write_file(f, "query-timeout: 5s\n");
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--config", f->file);
    serve_fixture_write_file(f, "query-timeout: 6s\naccess-log: json\nlog-level: debug\n");
    assert_int_equal(kill(f->server.pid, SIGHUP), 0);
    wait_for_setting(f, "\"query-timeout\",\"value\":\"6s\"");
    serve_fixture_write_file(f, "no-such-thing: 6s\n");
    assert_int_equal(kill(f->server.pid, SIGHUP), 0);
    serve_fixture_write_file(f, "query-timeout: 7s\n");
    assert_int_equal(kill(f->server.pid, SIGHUP), 0);
    wait_for_setting(f, "\"query-timeout\",\"value\":\"7s\"");
    expect_reply(call(f, "POST", "/-/reload"), 403, "--enable-lifecycle");
    expect_reply(call(f, "POST", "/-/quit"), 403, "--enable-lifecycle");
    assert_int_equal(program_stop(&f->server, SIGTERM), 0);
}

static void quit_over_http_stops_cleanly(void **state)
{
    serve_fixture *f = *state;
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--enable-lifecycle");
    expect_reply(http_post(f->server.port, "/write", "m v=1 1"), 204, NULL);
    expect_reply(call(f, "PUT", "/-/quit"), 200, "stopping");
    assert_int_equal(program_stop(&f->server, 0), 0);
}

/* ---- the command ---- */

static void expect_result(program_result result, int exit_code, const char *out, const char *err)
{
    if (result.exit_code != exit_code || (out != NULL && strstr(result.out, out) == NULL) ||
        (err != NULL && strstr(result.err, err) == NULL)) {
        print_error("exit code %d\n%s\n%s\n", result.exit_code, result.out, result.err);
    }
    assert_int_equal(result.exit_code, exit_code);
    assert_true(out == NULL || strstr(result.out, out) != NULL);
    assert_true(err == NULL || strstr(result.err, err) != NULL);
    program_result_free(&result);
}

static void the_command_shows_and_checks_settings(void **state)
{
    serve_fixture *f = *state;
    serve_fixture_write_file(f, "# of a test\nsync: none\n");
    expect_result(PROGRAM_RUN("config", "show", "--origin", "--config", f->file), 0,
                  "varve.yaml:2\n", "");
    expect_result(PROGRAM_RUN("config", "--query-timeout=7"), 0, "\nquery-timeout: 7s\n", "");
    expect_result(PROGRAM_RUN("config", "show", "--json"), 0, "{\"name\":\"data\",", "");
    assert_int_equal(setenv("VARVE_SYNC", "never", 1), 0);
    expect_result(PROGRAM_RUN("config", "show"), 2, "", "VARVE_SYNC: takes group, always");
    expect_result(PROGRAM_RUN("serve"), 2, "", "VARVE_SYNC: takes group, always");
    expect_result(PROGRAM_RUN("config", "check", f->file), 0, "", "");
    assert_int_equal(unsetenv("VARVE_SYNC"), 0);
    assert_int_equal(setenv("VARVE_CONFIG", f->file, 1), 0);
    expect_result(PROGRAM_RUN("config", "show"), 0, "\nsync: none\n", "");
    assert_int_equal(unsetenv("VARVE_CONFIG"), 0);
    serve_fixture_write_file(f, "sync: none\nsink: 1\n");
    expect_result(PROGRAM_RUN("config", "check", f->file), 1, "",
                  "varve.yaml:2:1: sink is no setting");
    expect_result(PROGRAM_RUN("config", "check"), 2, "", "a file");
    expect_result(PROGRAM_RUN("config", "check", "/no/such/file"), 1, "", "/no/such/file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        serve_fixture_test(settings_in_use_are_shown),
        serve_fixture_test(a_reload_over_http_applies_what_can_change),
        serve_fixture_test(a_hangup_reloads),
        serve_fixture_test(quit_over_http_stops_cleanly),
        serve_fixture_test(the_command_shows_and_checks_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
