/* SPDX-License-Identifier: Apache-2.0 */
/* Retention as `varve serve` is told: flags, variables, the file; what it refuses and shows. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/check.h"
#include "support/http_client.h"
#include "support/serve_fixture.h"

/* A line of a metric, so many seconds old. */
static int write_old(const serve_fixture *f, const char *metric, long long age_s)
{
    char line[128];
    long long time_ns = ((long long)time(NULL) - age_s) * 1000000000LL;
    (void)snprintf(line, sizeof line, "%s value=%lld %lld", metric, age_s, time_ns);
    http_reply reply = http_post(f->server.port, "/write", line);
    int code = reply.code;
    http_reply_free(&reply);
    return code;
}

static bool shows(const serve_fixture *f, const char *target, const char *part)
{
    http_reply reply = http_get(f->server.port, target);
    assert_int_equal(200, reply.code);
    bool is_there = strstr(reply.body, part) != NULL;
    http_reply_free(&reply);
    return is_there;
}

static void flags_set_what_is_stored(void **state)
{
    serve_fixture *f = *state;
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--retention", "30d",
                  "--retention-metric", "brief=1h", "--retention-metric", "a=b=60d");
    assert_int_equal(204, write_old(f, "m", 29 * 86400));
    assert_int_equal(400, write_old(f, "m", 31 * 86400));
    assert_int_equal(400, write_old(f, "brief", 2 * 3600));
    assert_int_equal(204, write_old(f, "a=b", 59 * 86400));
    assert_true(shows(f, "/metrics", "varve_retention_cut_timestamp_seconds "));
    assert_false(shows(f, "/metrics", "varve_retention_cut_timestamp_seconds 0\n"));
    assert_true(shows(f, "/metrics", "varve_retention_recorded_cut_timestamp_seconds 0\n"));
    assert_int_equal(0, program_stop(&f->server, SIGTERM));
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0"); /* still so */
    assert_int_equal(400, write_old(f, "m", 31 * 86400));
    assert_int_equal(400, write_old(f, "brief", 2 * 3600));
    assert_int_equal(0, program_stop(&f->server, SIGTERM));
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--retention-metric",
                  "brief=database");
    assert_int_equal(204, write_old(f, "brief", 2 * 3600));
    assert_int_equal(0, program_stop(&f->server, SIGTERM));
}

/* The door says which line, its time, and where the window begins; the command line does too. */
static void a_row_that_is_too_old_is_told_with_its_line_and_the_cut(void **state)
{
    serve_fixture *f = *state;
    static const char *const doors[] = {"/write", "/api/v2/write", "/api/v3/write_lp?db=x"};
    char lines[256];
    long long now_ns = (long long)time(NULL) * 1000000000LL;
    long long old_ns = now_ns - 7200 * 1000000000LL;
    char said[96];
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--retention-metric",
                  "brief=1h");
    (void)snprintf(lines, sizeof lines, "brief value=1 %lld\nbrief value=2 %lld\n", now_ns, old_ns);
    (void)snprintf(said, sizeof said, "the time %lld is before ", old_ns);
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++) {
        http_reply reply = http_post(f->server.port, doors[i], lines);
        assert_int_equal(400, reply.code);
        assert_non_null(strstr(reply.body, said));
        assert_non_null(strstr(reply.body, ", where the retention window begins"));
        assert_non_null(strstr(reply.body, i == 0   ? "line 2"
                                           : i == 1 ? "\"line\":2"
                                                    : "\"line_number\":2"));
        http_reply_free(&reply);
    }
    assert_int_equal(0, program_stop(&f->server, SIGTERM));
    char line[96];
    (void)snprintf(line, sizeof line, "brief value=2 %lld", old_ns);
    program_result run = PROGRAM_RUN("write", "--data", f->data, line);
    assert_int_equal(3, run.exit_code);
    assert_non_null(strstr(run.err, said));
    assert_non_null(strstr(run.err, "the first at line 1: "));
    program_result_free(&run);
}

static void what_is_only_told_refuses_nothing(void **state)
{
    serve_fixture *f = *state;
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    assert_true(fputs("retention-enforced: false\nretention-grace: 2h\n", file) >= 0);
    assert_int_equal(0, fclose(file));
    assert_int_equal(0, setenv("VARVE_RETENTION", "1w", 1));
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--config", f->file);
    assert_int_equal(0, unsetenv("VARVE_RETENTION"));
    assert_int_equal(204, write_old(f, "m", 8 * 86400));
    assert_true(shows(f, "/metrics", "varve_retention_cut_timestamp_seconds 0\n"));
    assert_int_equal(0, program_stop(&f->server, SIGTERM));
}

static void a_warm_directory_is_made_and_remembered(void **state)
{
    serve_fixture *f = *state;
    char warm[600];
    char other[600];
    (void)snprintf(warm, sizeof warm, "%s", temp_dir_path(&f->dir, "warm"));
    (void)snprintf(other, sizeof other, "%s", temp_dir_path(&f->dir, "other"));
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0", "--warm-dir", warm,
                  "--hot-window", "1d");
    assert_int_equal(204, write_old(f, "m", 3 * 86400));
    assert_true(shows(f, "/metrics", "varve_tier_segments{tier=\"warm\"} 0"));
    assert_int_equal(0, program_stop(&f->server, SIGTERM)); /* flushes */
    program_result moved = PROGRAM_RUN("compact", "--data", f->data);
    assert_int_equal(0, moved.exit_code);
    program_result_free(&moved);
    PROGRAM_SERVE(&f->server, "--data", f->data, "--listen", "127.0.0.1:0");
    assert_true(shows(f, "/metrics", "varve_tier_segments{tier=\"warm\"} 1"));
    assert_true(shows(f, "/metrics", "varve_tier_segments{tier=\"hot\"} 0"));
    assert_int_equal(0, program_stop(&f->server, SIGTERM));
    program_result foreign = PROGRAM_RUN("serve", "--data", other, "--warm-dir", warm);
    assert_int_not_equal(0, foreign.exit_code);
    assert_non_null(strstr(foreign.err, "another database"));
    program_result_free(&foreign);
    assert_int_not_equal(0, access(other, F_OK)); /* nothing is made for it */
    char gone[600];
    (void)snprintf(gone, sizeof gone, "%s", temp_dir_path(&f->dir, "gone"));
    assert_int_equal(0, rename(warm, gone));
    program_result missing = PROGRAM_RUN("verify", "--data", f->data);
    assert_int_not_equal(0, missing.exit_code);
    assert_non_null(strstr(missing.err, "mounted"));
    program_result_free(&missing);
}

static void what_makes_no_sense_is_refused_before_anything_is_opened(void **state)
{
    serve_fixture *f = *state;
    static const char *const wrong[][2] = {
        {"--retention-metric", "cpu"},
        {"--retention-metric", "=1d"},
        {"--retention-metric", "cpu=soon"},
        {"--retention-metric", "cpu=10ms"},
        {"--retention", "10ms"},
        {"--retention", "off"},
        {"--retention", "200y"},
        {"--hot-window", "0s"},
        {"--retention-metric", "cpu=200y"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        program_result result = PROGRAM_RUN("serve", "--data", f->data, wrong[i][0], wrong[i][1]);
        assert_int_equal(2, result.exit_code);
        assert_non_null(strstr(result.err, wrong[i][0] + 2));
        program_result_free(&result);
    }
    program_result result =
        PROGRAM_RUN("serve", "--data", f->data, "--retention-metric", "varve.ids=1d");
    assert_int_not_equal(0, result.exit_code);
    assert_non_null(strstr(result.err, "kept for ever"));
    program_result_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        serve_fixture_test(flags_set_what_is_stored),
        serve_fixture_test(a_warm_directory_is_made_and_remembered),
        serve_fixture_test(a_row_that_is_too_old_is_told_with_its_line_and_the_cut),
        serve_fixture_test(what_is_only_told_refuses_nothing),
        serve_fixture_test(what_makes_no_sense_is_refused_before_anything_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
