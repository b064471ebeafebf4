/* SPDX-License-Identifier: Apache-2.0 */
/* The program as its users run it: verbs on a directory and on a server, exit codes, signals. */
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/program_case.h"

static void expect_same(program_result a, program_result b)
{
    if (a.exit_code != 0 || b.exit_code != 0) {
        print_error("%s\n%s\n", a.err, b.err);
    }
    assert_int_equal(a.exit_code, 0);
    assert_int_equal(b.exit_code, 0);
    assert_string_equal(a.out, b.out);
    program_result_free(&a);
    program_result_free(&b);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

/* Every value that text could lose, in line protocol with times in ns. */
static const char every_value[] = "all,host=a f=-0.0 1\n"
                                  "all,host=a f=5e-324 2\n"
                                  "all,host=a f=1.7976931348623157e+308 3\n"
                                  "all,host=a f=0.1 4\n"
                                  "all,host=a i=-9223372036854775808i 5\n"
                                  "all,host=a i=9223372036854775807i 6\n"
                                  "all,host=a u=18446744073709551615u 7\n"
                                  "all,host=a s=\"\" 8\n"
                                  "all,host=a s=\"say \\\"hi\\\", \\\\ and\nnew, lines\" 9\n"
                                  "all,host=a b=true 10\n"
                                  "all,host=a b=false,f=1.5,s=\"t\xc3\xa9xt\" 11\n"
                                  "all,ho\\ st=x\\,y\\=z f=2.0 -1\n";

/* ---- help and mistakes ---- */

static void every_verb_has_help_that_fits_a_screen(void **state)
{
    (void)state;
    static const char *const verbs[] = {
        "serve", "write",  "import",  "query",    "export",  "config", "series", "metrics",
        "info",  "verify", "version", "snapshot", "restore", "scrub",  "ping",   "inspect"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        program_result result = PROGRAM_RUN(verbs[i], "--help");
        assert_int_equal(result.exit_code, 0);
        assert_non_null(strstr(result.out, "\nexample:\n  varve "));
        assert_true(count_lines(result.out) <= 25);
        assert_string_equal(result.err, "");
        expect_same(result, PROGRAM_RUN("help", verbs[i]));
    }
    expect(PROGRAM_RUN("help"), 0, "varve serve --collect-host", NULL);
    expect(PROGRAM_RUN("--version"), 0, "varve ", NULL);
}

static void mistakes_are_named_and_exit_with_2(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "mistakes");
    expect(program_run(NULL, 0, (const char *const[]){VARVE_PROGRAM, NULL}), 2, NULL, "usage");
    expect(PROGRAM_RUN("qeury"), 2, NULL, "did you mean \"query\"?");
    expect(PROGRAM_RUN("frobnicate"), 2, NULL, "there is no command \"frobnicate\"");
    expect(PROGRAM_RUN("help", "frobnicate"), 2, NULL, "there is no command");
    expect(PROGRAM_RUN("query", "m", "--wrong"), 2, NULL, "unknown option --wrong");
    expect(PROGRAM_RUN("query", "m", "-x"), 2, NULL, "unknown option -x");
    expect(PROGRAM_RUN("query", "m", "--limit"), 2, NULL, "--limit needs a value");
    expect(PROGRAM_RUN("query", "m", "--limit=x"), 2, NULL, "takes a whole number");
    expect(PROGRAM_RUN("query", "m", "--json=1"), 2, NULL, "takes no value");
    expect(PROGRAM_RUN("query", "m", "--json", "--csv"), 2, NULL, "exclude each other");
    expect(PROGRAM_RUN("query", "--data", data), 2, NULL, "takes one selector");
    expect(PROGRAM_RUN("query", "m", "--format", "xml"), 2, NULL, "--format is table");
    expect(PROGRAM_RUN("query", "m", "--precision", "h"), 2, NULL, "--precision is ns");
    expect(PROGRAM_RUN("info", "x"), 2, NULL, "takes no operand");
    expect(PROGRAM_RUN("write", "--sync", "never", "m v=1"), 2, NULL, "--sync is group");
    expect(PROGRAM_RUN("write", "--data", data, "--url", "http://127.0.0.1:1", "m v=1"), 2, NULL,
           "exclude");
    expect(PROGRAM_RUN("serve", "--collect-host=0", "--data", data), 2, NULL, "1 to 86400");
    expect(PROGRAM_RUN("serve", "--memory-limit", "much", "--data", data), 2, NULL, "512MiB");
    expect(PROGRAM_RUN("import", "--data", data), 2, NULL, "give --format");
    expect(PROGRAM_RUN("import", "--data", data, "x.parquet"), 1, NULL, "x.parquet");
    expect(PROGRAM_RUN("import", "--data", data, "--format", "xml", "x"), 2, NULL, "lp, jsonl, ");
}

static void a_missing_database_is_no_empty_one(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "missing");
    expect(PROGRAM_RUN("query", "m", "--data", data), 1, "", "there is no database");
    expect(PROGRAM_RUN("info", "--data", data), 1, "", "there is no database");
    expect(PROGRAM_RUN("verify", "--data", data), 1, "", "there is no database");
    struct stat info;
    assert_int_not_equal(stat(data, &info), 0); /* and looking creates nothing */
}

/* ---- values ---- */

static void every_value_survives_line_protocol_and_json_lines(void **state)
{
    const temp_dir *dir = *state;
    const char *first = temp_dir_path(dir, "values1");
    const char *second = temp_dir_path(dir, "values2");
    const char *third = temp_dir_path(dir, "values3");
    expect(PROGRAM_FEED(every_value, "write", "--data", first), 0, "", NULL);
    program_result lines = PROGRAM_RUN("export", "--data", first, "--format", "lp");
    program_result json = PROGRAM_RUN("export", "--data", first);
    assert_int_equal(lines.exit_code, 0);
    assert_non_null(strstr(lines.out, "f=-0.0 1\n"));
    assert_non_null(strstr(lines.out, "f=5e-324 2\n"));
    assert_non_null(strstr(lines.out, "s=\"\" 8\n"));
    assert_non_null(strstr(lines.out, "all,ho\\ st=x\\,y\\=z f=2.0 -1\n"));
    assert_non_null(strstr(json.out, "\"18446744073709551615\""));
    expect(program_run(lines.out, lines.out_size,
                       (const char *const[]){VARVE_PROGRAM, "write", "--data", second, NULL}),
           0, "", NULL);
    expect(program_run(json.out, json.out_size,
                       (const char *const[]){VARVE_PROGRAM, "import", "--format", "jsonl", "--data",
                                             third, NULL}),
           0, "12 rows stored, 0 left out", NULL);
    expect_same(json, PROGRAM_RUN("export", "--data", second));
    expect_same(lines, PROGRAM_RUN("export", "--data", third, "--format", "lp"));
    expect_same(PROGRAM_RUN("export", "--data", first), PROGRAM_RUN("export", "--data", third));
}

static void long_strings_survive(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "long");
    const char *other = temp_dir_path(dir, "long2");
    char *line = malloc(70000);
    assert_non_null(line);
    size_t size = (size_t)snprintf(line, 70000, "m s=\"");
    memset(line + size, 'x', 65536);
    size += 65536;
    snprintf(line + size, 70000 - size, "\" 1\n");
    expect(PROGRAM_FEED(line, "write", "--data", data), 0, "", NULL);
    program_result exported = PROGRAM_RUN("export", "--data", data, "--format", "lp");
    assert_string_equal(exported.out, line);
    program_result json = PROGRAM_RUN("export", "--data", data);
    expect(PROGRAM_FEED(json.out, "import", "--data", other, "--format", "jsonl"), 0, NULL, NULL);
    expect_same(exported, PROGRAM_RUN("export", "--data", other, "--format", "lp"));
    program_result_free(&json);
    /* A server takes no longer ones; for a directory only the length of a line counts. */
    memmove(line + 6, line + 5, strlen(line + 5) + 1);
    expect(PROGRAM_FEED(line, "write", "--data", data), 0, "", NULL);
    exported = PROGRAM_RUN("export", "--data", data, "--format", "lp");
    assert_string_equal(exported.out, line);
    program_result_free(&exported);
    free(line);
}

static void formats_show_what_they_should(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "formats");
    expect(PROGRAM_RUN("write", "--data", data, "--precision", "s", "cpu,host=a v=1,s=\"x,y\" 1000",
                       "cpu,host=b v=2.5 1060", "cpu,host=a v=3,s=\"\" 1120", "other w=1i 0"),
           0, "", NULL);
    expect(PROGRAM_RUN("query", "cpu", "--data", data), 0,
           "time                            host  s    v\n"
           "1970-01-01T00:16:40.000000000Z  a     x,y  1.0\n"
           "1970-01-01T00:18:40.000000000Z  a          3.0\n"
           "1970-01-01T00:17:40.000000000Z  b          2.5\n",
           NULL);
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--csv", "--precision", "s"), 0,
           "time,host,s,v\r\n1000,a,\"x,y\",1.0\r\n1120,a,\"\",3.0\r\n1060,b,,2.5\r\n", NULL);
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--format", "tsv", "--precision=ms",
                       "--fields", "v", "--descending", "--limit", "1"),
           0, "time\thost\tv\n1120000\ta\t3.0\n", NULL);
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--agg", "avg,max,count", "--fields", "v",
                       "--by", ""),
           0, "avg(v)              max(v)  count(v)\n2.1666666666666665     3.0         3\n", NULL);
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--agg", "sum", "--by", "host", "--csv"), 0,
           "host,sum(v)\r\na,4.0\r\nb,2.5\r\n", NULL);
    expect(
        PROGRAM_RUN("query", "cpu", "--data", data, "--every", "1h", "--csv", "--precision", "s"),
        0, "time,host,avg(v)\r\n0,a,2.0\r\n0,b,2.5\r\n", NULL);
    expect(PROGRAM_RUN("query", "cpu{host=\"b\"}", "--data", data, "--json"), 0,
           "\"rows\":[[1060000000000,2.5]]", NULL);
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--start", "1060.0", "--end", "1120.0",
                       "--format", "lp"),
           0, "cpu,host=b v=2.5 1060000000000\n", NULL);
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--last", "1h", "--csv"), 0, "time\r\n",
           NULL);
    expect(PROGRAM_RUN("query", "cpu{", "--data", data), 2, "", "at 5");
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--agg", "mode"), 2, "", "--agg");
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--start", "later"), 2, "", "--start");
    expect(PROGRAM_RUN("query", "cpu", "--data", data, "--last", "1h", "--end", "now"), 2, "",
           "--last excludes");
    expect(PROGRAM_RUN("series", "--data", data), 0, "cpu{host=\"a\"}\ncpu{host=\"b\"}\nother\n",
           NULL);
    expect(PROGRAM_RUN("series", "--data", data, "cpu", "--json"), 0,
           "[{\"__name__\":\"cpu\",\"host\":\"a\"},{\"__name__\":\"cpu\",\"host\":\"b\"}]\n", NULL);
    expect(PROGRAM_RUN("metrics", "--data", data), 0,
           "metric  field  type\ncpu     s      string\ncpu     v      f64\nother   w      i64\n",
           NULL);
    expect(PROGRAM_RUN("info", "--data", data), 0, "precision    ns\n", NULL);
    expect(PROGRAM_RUN("info", "--data", data, "--json"), 0, "\"health\":\"ok\"", NULL);
}

/* ---- files ---- */

static void packed_files_are_read_and_written(void **state)
{
    const temp_dir *dir = *state;
    char data[1024];
    snprintf(data, sizeof data, "%s", temp_dir_path(dir, "packed")); /* paths are used in turn */
    static const char *const names[] = {"x.lp", "x.lp.gz", "x.jsonl.zst", "x.jsonl.gz"};
    expect(PROGRAM_FEED(every_value, "write", "--data", data), 0, "", NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *file = temp_dir_path(dir, names[i]);
        char other[64];
        snprintf(other, sizeof other, "packed-%zu", i);
        const char *target = temp_dir_path(dir, other);
        bool is_lines = strstr(names[i], ".lp") != NULL;
        expect(PROGRAM_RUN("export", "--data", data, "--format", is_lines ? "lp" : "jsonl", "-o",
                           file),
               0, "", NULL);
        expect(PROGRAM_RUN("import", "--data", target, file), 0, "12 rows stored", NULL);
        expect_same(PROGRAM_RUN("export", "--data", data), PROGRAM_RUN("export", "--data", target));
    }
    /* A file that ends too early says so. */
    const char *cut = temp_dir_path(dir, "x.lp.gz");
    assert_int_equal(truncate(cut, 60), 0);
    expect(PROGRAM_RUN("import", "--data", temp_dir_path(dir, "cut"), cut), 1, NULL,
           "x.lp.gz: the body ends");
    expect(PROGRAM_RUN("import", "--data", data, temp_dir_path(dir, "none.lp")), 1, NULL,
           "none.lp");
}

static void bad_lines_are_left_out_and_named(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "partial");
    expect(PROGRAM_FEED("m v=1 1\nnonsense\nm v=\"text\" 2\nm v=4 3\n", "import", "--data", data,
                        "--format", "lp"),
           3, "2 rows stored, 2 left out", "the first at line 2");
    expect(PROGRAM_FEED("{\"metric\":{\"__name__\":\"m\"},\"values\":[5],\"timestamps\":[9]}\n{\n",
                        "import", "--data", data, "--format", "jsonl"),
           3, "1 rows stored, 1 left out", "the first at line 2");
    expect(PROGRAM_RUN("query", "m", "--data", data, "--fields", "v", "--csv", "--precision", "ns"),
           0, "time,v\r\n1,1.0\r\n3,4.0\r\n", NULL);
}

static void an_interrupted_import_leaves_a_prefix(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "interrupted");
    program import;
    program_start(&import, (const char *const[]){VARVE_PROGRAM, "import", "--data", data,
                                                 "--format", "lp", "-", NULL});
    char line[64];
    for (int i = 1; i <= 120000; i++) { /* more than two batches */
        int size = snprintf(line, sizeof line, "m v=%d %d\n", i, i);
        assert_int_equal(write(import.in, line, (size_t)size), size);
    }
    assert_int_equal(program_stop(&import, SIGINT), 130);
    program_result result =
        PROGRAM_RUN("query", "m", "--data", data, "--agg", "count,max", "--csv");
    unsigned long count = 0;
    double most = -1.0;
    const char *values = strstr(result.out, "\r\n");
    assert_non_null(values);
    char *rest;
    count = strtoul(values + 2, &rest, 10);
    most = strtod(rest + 1, NULL);
    assert_true(count > 0 && count < 120000);
    assert_true((double)count == most); /* 1 to count, none missing */
    program_result_free(&result);
}

/* ---- a server ---- */

static void host_metrics_are_there_within_seconds(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "host");
    program server;
    PROGRAM_SERVE(&server, "--data", data, "--listen", "127.0.0.1:0", "--collect-host=1");
    for (int i = 0;; i++) {
        program_result result = PROGRAM_RUN("export", "--url", server.url, "mem_used_percent");
        assert_int_equal(result.exit_code, 0);
        bool is_there = strstr(result.out, "\"values\":[") != NULL;
        program_result_free(&result);
        if (is_there) {
            break;
        }
        assert_true(i < 100);
        const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    /* The directory is read beside the server, and written by it alone. */
    expect(PROGRAM_RUN("query", "mem_used_percent", "--data", data, "--csv"), 0, "time,host,value",
           NULL);
    expect(PROGRAM_RUN("metrics", "--data", data), 0, "load_avg_1m", NULL);
    expect(PROGRAM_RUN("verify", "--data", data), 0, "digest", NULL);
    expect(PROGRAM_RUN("write", "--data", data, "m v=1"), 1, "", "--url");
    expect(PROGRAM_RUN("import", "--data", data, "--format", "lp"), 1, "", "--url");
    expect(PROGRAM_RUN("serve", "--data", data, "--listen", "127.0.0.1:0"), 1, "", "open");
    assert_int_equal(program_stop(&server, SIGTERM), 0);
    expect(PROGRAM_RUN("write", "--data", data, "m v=1"), 0, "", NULL);
}

static void verbs_give_the_same_on_a_server_as_on_its_directory(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "same");
    program server;
    PROGRAM_SERVE(&server, "--data", data, "--listen", "127.0.0.1:0", "--precision", "ns");
    expect(PROGRAM_FEED(every_value, "write", "--url", server.url), 0, "", NULL);
    static const char *const asked[][8] = {
        {"query", "all"},
        {"query", "all", "--csv"},
        {"query", "all", "--json"},
        {"query", "all", "--format", "jsonl"},
        {"query", "all", "--format", "tsv"},
        {"query", "all", "--format", "lp"},
        {"query", "all", "--fields", "f,i", "--precision", "us"},
        {"query", "all", "--fields", "f", "--agg", "avg,max,p50"},
        {"query", "all", "--fields", "f,i", "--agg", "max", "--by", "host"},
        {"query", "all", "--fields", "f", "--agg", "count", "--every", "1h"},
        {"query", "all", "--end", "1970-01-01T00:00:00Z"},
        {"export"},
        {"export", "all{host=\"a\"}", "--precision", "s"},
        {"export", "--format", "lp"},
        {"export", "--format", "csv"},
        {"series"},
        {"series", "--json", "all{host=\"a\"}"},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const char *argv[12] = {VARVE_PROGRAM};
        size_t count = 1;
        for (size_t k = 0; k < 8 && asked[i][k] != NULL; k++) {
            argv[count++] = asked[i][k];
        }
        argv[count] = "--data";
        argv[count + 1] = data;
        program_result local = program_run(NULL, 0, argv);
        argv[count] = "--url";
        argv[count + 1] = server.url;
        expect_same(program_run(NULL, 0, argv), local);
    }
    expect(PROGRAM_RUN("metrics", "--url", server.url), 0, "all     f      f64\n", NULL);
    expect(PROGRAM_RUN("query", "all{", "--url", server.url), 2, "", "at 5");
    expect(PROGRAM_RUN("write", "--url", server.url, "m v=1 1", "bad"), 3, "", "line 2");
    expect(PROGRAM_FEED("{\"metric\":{\"__name__\":\"j\"},\"values\":[1],\"timestamps\":[1]}\n{\n",
                        "import", "--url", server.url, "--format", "jsonl"),
           3, NULL, "line 2");
    assert_int_equal(setenv("VARVE_URL", server.url, 1), 0);
    expect(PROGRAM_RUN("query", "m", "--csv", "--precision", "ns"), 0, "1,1.0", NULL);
    assert_int_equal(unsetenv("VARVE_URL"), 0);
    assert_int_equal(program_stop(&server, SIGINT), 0);
}

static void a_server_that_is_not_there_exits_with_4(void **state)
{
    const temp_dir *dir = *state;
    program server;
    PROGRAM_SERVE(&server, "--data", temp_dir_path(dir, "gone"), "--listen", "127.0.0.1:0");
    assert_int_equal(program_stop(&server, SIGTERM), 0);
    expect(PROGRAM_RUN("query", "m", "--url", server.url), 4, "", "connect");
    expect(PROGRAM_RUN("write", "m v=1", "--url", server.url), 4, "", "connect");
    expect(PROGRAM_RUN("series", "--url", server.url), 4, "", "connect");
    expect(PROGRAM_RUN("export", "--url", server.url), 4, "", "connect");
    expect(PROGRAM_RUN("series", "--url", "ftp://127.0.0.1"), 2, "", "ftp://");
}

static void a_server_that_cannot_start_says_why(void **state)
{
    const temp_dir *dir = *state;
    program server;
    const char *data = temp_dir_path(dir, "first");
    const char *other = temp_dir_path(dir, "other");
    PROGRAM_SERVE(&server, "--data", data, "--listen", "127.0.0.1:0");
    const char *address = server.url + strlen("http://");
    expect(PROGRAM_RUN("serve", "--data", other, "--listen", address), 1, "", "in use");
    expect(PROGRAM_RUN("serve", "--data", other, "--listen", "nonsense"), 2, "", "nonsense");
    expect(PROGRAM_RUN("serve", "--data", other, "--listen", "0.0.0.0:0"), 2, "", "0.0.0.0");
    expect(PROGRAM_RUN("serve", "--data", temp_dir_path(dir, "no/such/parent"), "--listen",
                       "127.0.0.1:0"),
           1, "", "no/such");
    expect(PROGRAM_RUN("serve", "--data", data, "--listen", "127.0.0.1:0"), 1, "", data);
    assert_int_equal(program_stop(&server, SIGTERM), 0);
    PROGRAM_SERVE(&server, "--data", other, "--listen", "0.0.0.0:0", "--insecure-no-auth",
                  "--allow-root");
    assert_int_equal(program_stop(&server, SIGTERM), 0);
}

static void acknowledged_rows_survive_kill_9(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "killed");
    program server;
    PROGRAM_SERVE(&server, "--data", data, "--listen", "127.0.0.1:0");
    for (int i = 1; i <= 20; i++) {
        char line[64];
        snprintf(line, sizeof line, "m v=%d %d", i, i);
        expect(PROGRAM_RUN("write", "--url", server.url, line), 0, "", NULL);
    }
    assert_int_equal(program_stop(&server, SIGKILL), 128 + SIGKILL);
    expect(PROGRAM_RUN("query", "m", "--data", data, "--agg", "count,min,max", "--csv"), 0,
           "20,1.0,20.0", NULL);
    PROGRAM_SERVE(&server, "--data", data, "--listen", "127.0.0.1:0");
    expect(
        PROGRAM_RUN("query", "m", "--url", server.url, "--fields", "v", "--agg", "count", "--csv"),
        0, "20", NULL);
    assert_int_equal(program_stop(&server, SIGTERM), 0);
}

/* ---- verify ---- */

static char segment_path[1024];

static int find_segment(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)walk;
    size_t size = strlen(path);
    if (kind == FTW_F && size > 4 && strcmp(path + size - 4, ".vsg") == 0) {
        snprintf(segment_path, sizeof segment_path, "%s", path);
    }
    return 0;
}

static char manifest_path[1024];

/* The one with the highest number. */
static int find_manifest(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)walk;
    size_t size = strlen(path);
    if (kind == FTW_F && size > 4 && strcmp(path + size - 4, ".vmf") == 0 &&
        strcmp(path, manifest_path) > 0) {
        snprintf(manifest_path, sizeof manifest_path, "%s", path);
    }
    return 0;
}

/* Through a handle that may write: what was found is kept. */
static void scrub_to_the_manifest(const char *data)
{
    varve_error err;
    varve_db *db;
    varve_scrubbed found;
    varve_scrubbed_init(&found);
    check_ok(varve_open(data, NULL, &db, &err), &err);
    check_ok(varve_scrub(db, NULL, NULL, &found, &err), &err);
    check_ok(varve_close(db, &err), &err);
}

static void flip_segment(off_t offset)
{
    char byte;
    int fd = open(segment_path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte = (char)(byte ^ 0x40);
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void damage_is_found_and_exits_with_1(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "damaged");
    expect(PROGRAM_FEED(every_value, "write", "--data", data), 0, "", NULL);
    program_result before = PROGRAM_RUN("verify", "--data", data, "--json");
    assert_int_equal(before.exit_code, 0);
    assert_non_null(strstr(before.out, "\"rows\":12,\"digest\":\""));
    program_result_free(&before);
    segment_path[0] = '\0';
    assert_int_equal(nftw(data, find_segment, 8, FTW_PHYS), 0);
    assert_true(segment_path[0] != '\0');
    struct stat info;
    assert_int_equal(stat(segment_path, &info), 0);
    flip_segment(info.st_size / 2);
    expect(PROGRAM_RUN("verify", "--data", data), 1, "", "verify");
    expect(PROGRAM_RUN("scrub", "--data", data), 1, "", "checksum");
    flip_segment(info.st_size / 2);
    flip_segment(100); /* in the first block */
    expect(PROGRAM_RUN("verify", "--data", data), 1, "", "verify");
    expect(PROGRAM_RUN("scrub", "--data", data, "--rate", "0"), 1, "damaged places  1\n",
           "block 0");
    expect(PROGRAM_RUN("scrub", "--data", data, "--status"), 0, "completed       never\n", NULL);
    expect(PROGRAM_RUN("scrub", "--data", data, "--status", "--json"), 0,
           "{\"completed\":null,\"files\":0,", NULL);
    scrub_to_the_manifest(data);
    expect(PROGRAM_RUN("scrub", "--data", data, "--status"), 1, "still in use    1\n", "block 0");
    expect(PROGRAM_RUN("scrub", "--data", data, "--status", "--json"), 1, "{\"completed\":\"2",
           "block 0");
    assert_int_equal(nftw(data, find_manifest, 8, FTW_PHYS), 0);
    expect(PROGRAM_RUN("inspect", "--details", manifest_path), 0, "bad place", NULL);
}

/* Until the process handles SIGINT itself, as its status tells, or has ended. */
static void wait_until_it_listens(const program *running)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)running->pid);
    for (bool listens = false; !listens;) {
        char line[256];
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        while (!listens && fgets(line, sizeof line, file) != NULL) {
            listens = strncmp(line, "State:\tZ", 8) == 0 ||
                      (strncmp(line, "SigCgt:", 7) == 0 &&
                       (strtoull(line + 7, NULL, 16) >> (SIGINT - 1) & 1) != 0);
        }
        fclose(file);
        sched_yield();
    }
}

static void long_work_stops_at_a_signal_and_exits_with_130(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "slow");
    const char *copy = temp_dir_path(dir, "slow.copy");
    expect(PROGRAM_FEED(every_value, "write", "--data", data), 0, "", NULL);
    program scrub;
    program_start(&scrub, (const char *const[]){VARVE_PROGRAM, "scrub", "--data", data, "--rate",
                                                "1", NULL}); /* for an hour */
    wait_until_it_listens(&scrub);
    assert_int_equal(program_stop(&scrub, SIGINT), 130);
    /* A snapshot may have ended before it hears of it: all or nothing. */
    program snapshot;
    program_start(&snapshot,
                  (const char *const[]){VARVE_PROGRAM, "snapshot", "--data", data, copy, NULL});
    wait_until_it_listens(&snapshot);
    int exit_code = program_stop(&snapshot, SIGINT);
    struct stat info;
    assert_true(exit_code == 130 || exit_code == 0);
    assert_int_equal(stat(copy, &info), exit_code == 0 ? 0 : -1);
    assert_int_not_equal(stat(temp_dir_path(dir, "slow.copy.tmp"), &info), 0);
}

/* ---- snapshot and restore ---- */

static void a_snapshot_beside_a_server_is_restored_to_the_same_rows(void **state)
{
    const temp_dir *dir = *state;
    const char *data = temp_dir_path(dir, "live");
    const char *copy = temp_dir_path(dir, "copy");
    const char *again = temp_dir_path(dir, "again");
    program server;
    PROGRAM_SERVE(&server, "--data", data, "--listen", "127.0.0.1:0");
    expect(PROGRAM_FEED(every_value, "write", "--url", server.url), 0, "", NULL);
    expect(PROGRAM_RUN("snapshot", "--data", data, copy), 0, "sequence  12\n", NULL);
    expect(PROGRAM_RUN("write", "--url", server.url, "later v=1"), 0, "", NULL);
    assert_int_equal(program_stop(&server, SIGTERM), 0);
    expect(PROGRAM_RUN("snapshot", "--data", data, copy), 1, "", "exists");
    expect(PROGRAM_RUN("write", "--data", copy, "m v=1"), 1, NULL, "is a snapshot");
    expect(PROGRAM_RUN("info", "--data", copy), 0, "snapshot     yes\n", NULL);
    expect(PROGRAM_RUN("restore", copy, again, "--json"), 0, "\"linked\":0", NULL);
    expect_same(PROGRAM_RUN("verify", "--data", copy), PROGRAM_RUN("verify", "--data", again));
    expect_same(PROGRAM_RUN("export", "--data", copy), PROGRAM_RUN("export", "--data", again));
    expect(PROGRAM_RUN("write", "--data", again, "m v=1"), 0, NULL, NULL);
    expect(PROGRAM_RUN("scrub", "--data", again, "--json"), 0, "\"damaged_places\":0", NULL);
    expect(PROGRAM_RUN("write", "--data", again, "m v=2"), 0, NULL, NULL);
    expect(PROGRAM_RUN("compact", "--data", again, "--all"), 0, "segments after   1\n", NULL);
    expect(PROGRAM_RUN("compact", "--data", again, "--json"), 0,
           "{\"segments_before\":1,\"segments_after\":1,", NULL);
    expect(PROGRAM_RUN("compact", "--data", copy), 1, "", "is a snapshot");
    expect(PROGRAM_RUN("restore", temp_dir_path(dir, "none"), copy), 1, "", "no database");
    expect(PROGRAM_RUN("restore", copy), 2, "", "takes a snapshot and");
    expect(PROGRAM_RUN("snapshot", "--data", data), 2, "", "takes one directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_has_help_that_fits_a_screen),
        cmocka_unit_test(mistakes_are_named_and_exit_with_2),
        cmocka_unit_test(a_missing_database_is_no_empty_one),
        cmocka_unit_test(every_value_survives_line_protocol_and_json_lines),
        cmocka_unit_test(long_strings_survive),
        cmocka_unit_test(formats_show_what_they_should),
        cmocka_unit_test(packed_files_are_read_and_written),
        cmocka_unit_test(bad_lines_are_left_out_and_named),
        cmocka_unit_test(an_interrupted_import_leaves_a_prefix),
        cmocka_unit_test(host_metrics_are_there_within_seconds),
        cmocka_unit_test(verbs_give_the_same_on_a_server_as_on_its_directory),
        cmocka_unit_test(a_server_that_is_not_there_exits_with_4),
        cmocka_unit_test(a_server_that_cannot_start_says_why),
        cmocka_unit_test(acknowledged_rows_survive_kill_9),
        cmocka_unit_test(damage_is_found_and_exits_with_1),
        cmocka_unit_test(long_work_stops_at_a_signal_and_exits_with_130),
        cmocka_unit_test(a_snapshot_beside_a_server_is_restored_to_the_same_rows),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
