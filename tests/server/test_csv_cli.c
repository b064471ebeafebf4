/* SPDX-License-Identifier: Apache-2.0 */
/* varve import and export of CSV: what is guessed and shown, what is left out, what comes back. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "support/program_case.h"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static const char weather[] = "location,date,rain,days,note\n"
                              "Seattle,2012-01-01,0.5,3,\"a, b\"\n"
                              "New York,2012-01-01,1,4,\n";

static void what_is_guessed_is_shown_and_stored(void **state)
{
    char file[256];
    char data[256];
    snprintf(file, sizeof file, "%s", temp_dir_path(*state, "weather.csv"));
    snprintf(data, sizeof data, "%s", temp_dir_path(*state, "guessed"));
    write_file(file, weather);
    expect(PROGRAM_RUN("import", file, "--labels", "location", "--data", data), 0,
           "2 rows stored, 0 left out",
           "weather.csv: separator comma, metric weather\n"
           "   column    is     type     such as\n"
           "   location  label           Seattle\n"
           "   date      time   rfc3339  2012-01-01\n"
           "   rain      field  f64      0.5\n"
           "   days      field  i64      3\n"
           "   note      field  string   a, b\n");
    expect(PROGRAM_RUN("query", "weather", "--csv", "--data", data), 0,
           "time,location,days,note,rain\r\n"
           "2012-01-01T00:00:00.000000000Z,New York,4,,1.0\r\n"
           "2012-01-01T00:00:00.000000000Z,Seattle,3,\"a, b\",0.5\r\n",
           NULL);
}

static void a_dry_run_stores_nothing(void **state)
{
    char file[256];
    char data[256];
    snprintf(file, sizeof file, "%s", temp_dir_path(*state, "dry.csv"));
    snprintf(data, sizeof data, "%s", temp_dir_path(*state, "dry"));
    write_file(file, weather);
    expect(PROGRAM_RUN("import", file, "--dry-run", "--data", data), 0,
           "2012-01-01T00:00:00.000000000Z dry location=Seattle rain=0.5 days=3 note=a, b\n"
           "2012-01-01T00:00:00.000000000Z dry location=New York rain=1.0 days=4\n",
           "lines 2 and 3 have the same time and series, so the later takes the place of the "
           "earlier; what tells them apart is a label: --labels location or note\n");
    assert_int_equal(access(data, F_OK), -1);
}

static void the_options_say_what_the_columns_are(void **state)
{
    const char *data = temp_dir_path(*state, "told");
    expect(PROGRAM_FEED("a note\ncpu|h1|5|7|1.2.2026 10:30\n", "import", "--format", "csv",
                        "--no-header", "--skip-lines", "1", "--separator", "pipe", "--columns",
                        "what,host,n,x,when", "--metric-column", "what", "--labels", "host",
                        "--fields", "n:u64", "--time", "when:%d.%m.%Y %H:%M", "--data", data),
           0, "1 rows stored", "x       not read");
    expect(PROGRAM_RUN("export", "--format", "csv", "--precision", "s", "--data", data), 0,
           "time:unix_s,metric:name,host:label,n:u64\r\n1769941800,cpu,h1,5\r\n", NULL);
}

static void what_does_not_fit_a_guess_is_left_out_with_a_hint(void **state)
{
    const char *data = temp_dir_path(*state, "hints");
    char text[200000];
    size_t size = (size_t)snprintf(text, sizeof text, "time,n\n");
    for (int row = 0; row < 10000; row++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%d,1\n", 1700000000 + row);
    }
    snprintf(text + size, sizeof text - size, "1800000000,2.5\n1800000001,3\n");
    expect(PROGRAM_FEED(text, "import", "--format", "csv", "--metric", "m", "--data", data), 3,
           "10001 rows stored, 1 left out",
           "the first at line 10002: column 2 (n): \"2.5\" is no 64-bit integer (i64); that was "
           "guessed: give --fields n:f64");
}

static void what_cannot_be_guessed_is_asked_for(void **state)
{
    const char *data = temp_dir_path(*state, "asked");
    expect(PROGRAM_FEED("d,v\n01/02/2012,1\n", "import", "--format", "csv", "--metric", "m",
                        "--data", data),
           2, "", "month or day first? Give --time");
    expect(PROGRAM_FEED("a,v\nx,1\n", "import", "--format", "csv", "--metric", "m", "--data", data),
           2, "", "standard input: no column looks like times: give --time COLUMN:LAYOUT");
    expect(PROGRAM_FEED("time,v\n2026-01-01,1\n", "import", "--format", "csv", "--data", data), 2,
           "", "give --metric or --metric-column");
    expect(PROGRAM_FEED("time,v\n2026-01-01,1\n", "import", "--format", "csv", "--separator", "x",
                        "--data", data),
           2, "", "--separator is comma, semicolon, tab or pipe");
    expect(PROGRAM_FEED("m v=1\n", "import", "--format", "lp", "--labels", "a", "--data", data), 2,
           "", "an option is given that only csv has");
    expect(PROGRAM_FEED("time,v\n1700000000,\"open\n1700000001,2\n", "import", "--format", "csv",
                        "--metric", "m", "--data", data),
           1, "", "no row can be read: line 2: column 2: the quote is never closed");
    expect(PROGRAM_FEED("time,v\r1700000000,1\r1700000001,2\r", "import", "--format", "csv",
                        "--metric", "m", "--data", data),
           1, "", "the lines end in CR alone: make that LF or CR LF");
    expect(PROGRAM_FEED("time,v\n", "import", "--format", "csv", "--metric", "m", "--data", data),
           0, "0 rows stored", "standard input: no rows");
    expect(PROGRAM_FEED("", "import", "--format", "csv", "--metric", "m", "--data", data), 0,
           "0 rows stored", "standard input: no rows");
}

static void csv_goes_to_a_server_by_the_same_options(void **state)
{
    char file[256];
    program server;
    snprintf(file, sizeof file, "%s", temp_dir_path(*state, "to,server.csv"));
    write_file(file, "time;a,b;c\n2026-01-01;x;1\n2026-01-02;\"y\n\";2\n2026-01-03;z;many\n");
    PROGRAM_SERVE(&server, "--data", temp_dir_path(*state, "server"), "--listen", "127.0.0.1:0");
    expect(PROGRAM_RUN("import", file, "--labels", "2", "--fields", "c:i64", "--url", server.url),
           3, "", "line 5: column 3 (c): \"many\" is no 64-bit integer");
    expect(PROGRAM_RUN("export", "--format", "csv", "--url", server.url), 0,
           "time:unix_ns,metric:name,\"a,b:label\",c:i64\r\n"
           "1767225600000000000,\"to,server\",x,1\r\n"
           "1767312000000000000,\"to,server\",\"y\n\",2\r\n",
           NULL);
    assert_int_equal(program_stop(&server, SIGTERM), 0);
}

/* ---- back and forth ---- */

static void put_text(FILE *file, vv_random *random)
{
    static const char *const words[] = {"a", "\\\"", ",", "\\n", "\\r", "\\\\", "x", " ", "é", ""};
    fputc('"', file);
    for (uint64_t n = vv_random_below(random, 5); n > 0; n--) {
        fputs(words[vv_random_below(random, VV_ARRAY_COUNT(words))], file);
    }
    fputc('"', file);
}

static void put_value(FILE *file, vv_random *random, size_t type)
{
    static const char *const floats[] = {"1.5",      "\"NaN\"", "\"NaN:7ff0000000000002\"",
                                         "\"+Inf\"", "-0.0",    "1e-320"};
    static const char *const integers[] = {"-9223372036854775808", "9223372036854775807", "0"};
    if (vv_random_below(random, 4) == 0) {
        fputs("null", file);
        return;
    }
    switch (type) {
    case 0:
        fputs(floats[vv_random_below(random, VV_ARRAY_COUNT(floats))], file);
        break;
    case 1:
        fputs(integers[vv_random_below(random, VV_ARRAY_COUNT(integers))], file);
        break;
    case 2:
        fputs(vv_random_below(random, 2) == 0 ? "\"18446744073709551615\"" : "7", file);
        break;
    case 3:
        fputs(vv_random_below(random, 2) == 0 ? "true" : "false", file);
        break;
    case 4:
        put_text(file, random);
        break;
    default:
        fputs(vv_random_below(random, 2) == 0 ? "{\"bytes\":\"AP8=\"}" : "{\"bytes\":\"\"}", file);
        break;
    }
}

/** JSON lines of a few series with fields of all types, one name in several of them. */
static void write_tables(const char *path, uint64_t seed)
{
    static const char *const types[] = {"f64", "i64", "u64", "bool", "string", "bytes"};
    vv_random random;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    vv_random_init(&random, seed);
    for (int series = 0; series < 6; series++) {
        size_t rows = 1 + vv_random_below(&random, 30);
        size_t shift = vv_random_below(&random, 6);
        fprintf(file, "{\"metric\":{\"__name__\":\"m%d\",\"l\":", series % 3);
        put_text(file, &random);
        fprintf(file, ",\"n\":\"%d\"},\"types\":{", series);
        for (size_t f = 0; f < 6; f++) {
            fprintf(file, "%s\"f%zu\":\"%s\"", f > 0 ? "," : "", f, types[(f + shift) % 6]);
        }
        fprintf(file, "},\"fields\":{");
        for (size_t f = 0; f < 6; f++) {
            fprintf(file, "%s\"f%zu\":[", f > 0 ? "," : "", f);
            for (size_t row = 0; row < rows; row++) {
                fputs(row > 0 ? "," : "", file);
                put_value(file, &random, (f + shift) % 6);
            }
            fputc(']', file);
        }
        fprintf(file, "},\"timestamps\":[");
        for (size_t row = 0; row < rows; row++) {
            fprintf(file, "%s%" PRId64, row > 0 ? "," : "",
                    (int64_t)(vv_random_u64(&random) << 8) + (int64_t)row);
        }
        fprintf(file, "]}\n");
    }
    assert_int_equal(fclose(file), 0);
}

static void expect_same_files(const char *a, const char *b)
{
    program_result result = program_run(NULL, 0, (const char *const[]){"/usr/bin/cmp", a, b, NULL});
    if (result.exit_code != 0) {
        print_error("%s%s\n", result.out, result.err);
    }
    assert_int_equal(result.exit_code, 0);
    program_result_free(&result);
}

static void what_is_exported_as_csv_is_imported_the_same(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        char paths[6][256];
        char name[32];
        static const char *const names[] = {"t.jsonl",     "one",     "two",
                                            "out.csv.zst", "a.jsonl", "b.jsonl"};
        print_message("seed %" PRIu64 "\n", seed);
        for (size_t i = 0; i < 6; i++) {
            snprintf(name, sizeof name, "%" PRIu64 "-%s", seed, names[i]);
            snprintf(paths[i], sizeof paths[i], "%s", temp_dir_path(*state, name));
        }
        write_tables(paths[0], seed);
        expect(PROGRAM_RUN("import", paths[0], "--data", paths[1]), 0, NULL, NULL);
        expect(PROGRAM_RUN("export", "--format", "csv", "-o", paths[3], "--data", paths[1]), 0, "",
               "");
        expect(PROGRAM_RUN("import", paths[3], "--data", paths[2]), 0, ", 0 left out", NULL);
        expect(PROGRAM_RUN("export", "-o", paths[4], "--data", paths[1]), 0, "", "");
        expect(PROGRAM_RUN("export", "-o", paths[5], "--data", paths[2]), 0, "", "");
        expect_same_files(paths[4], paths[5]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_guessed_is_shown_and_stored),
        cmocka_unit_test(a_dry_run_stores_nothing),
        cmocka_unit_test(the_options_say_what_the_columns_are),
        cmocka_unit_test(what_does_not_fit_a_guess_is_left_out_with_a_hint),
        cmocka_unit_test(what_cannot_be_guessed_is_asked_for),
        cmocka_unit_test(csv_goes_to_a_server_by_the_same_options),
        cmocka_unit_test(what_is_exported_as_csv_is_imported_the_same),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
