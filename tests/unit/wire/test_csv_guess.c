/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "wire/csv_guess.h"

typedef struct world {
    vv_alloc alloc;
    vv_arena arena;
    vv_buf buf;
    vv_csv_guess guess;
} world;

static void begin(world *w, const varve_allocator *source)
{
    vv_alloc_init(&w->alloc, source);
    vv_arena_init(&w->arena, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->buf, &w->alloc, SIZE_MAX);
}

static void end(world *w)
{
    vv_arena_deinit(&w->arena);
    vv_buf_deinit(&w->buf);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

static varve_status guess(world *w, const vv_csv_wish *wish, const char *text, bool is_whole,
                          varve_error *out_err)
{
    return vv_csv_guess_make(wish, vv_bytes_make(text, strlen(text)), is_whole, &w->alloc,
                             &w->arena, &w->guess, out_err);
}

/** The mapping as a format, and its metric before a space. */
static const char *told(world *w)
{
    vv_buf_reset(&w->buf);
    vv_buf_append_text(&w->buf, w->guess.mapping.metric);
    vv_buf_append_char(&w->buf, ' ');
    vv_csv_mapping_print(&w->buf, &w->guess.mapping);
    vv_buf_append_char(&w->buf, '\0');
    return (const char *)w->buf.data;
}

static void csv_guess_finds_types_and_the_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"location,date,temp_max,weather\nSeattle,2012-01-01,12.8,drizzle\n",
         "f 1:string:location,2:time:rfc3339,3:f64:temp_max,4:string:weather"},
        {"symbol,date,price\nMSFT,Jan 1 2000,39.81\n",
         "f 1:string:symbol,2:time:custom:%b %d %Y,3:f64:price"},
        {"a,b,c,d,e,f,g,time\n1,-1,18446744073709551615,1.5,true,007,,1700000000\n"
         "2,2,0,NaN,FALSE,8,,1700000001.5\n",
         "f 1:i64:a,2:i64:b,3:u64:c,4:f64:d,5:bool:e,6:string:f,7:f64:g,8:time:unix_s"},
        {"when,v\n2012/01/13 10:00,1\n", "f 1:time:custom:%Y/%m/%d %H:%M,2:i64:v"},
        {"d,v\n01/02/2012,1\n01/13/2012,2\n", "f 1:time:custom:%m/%d/%Y,2:i64:v"},
        {"d,v\n01/02/2012,1\n13/02/2012,2\n", "f 1:time:custom:%d/%m/%Y,2:i64:v"},
        {"d;v\n13.02.2012;1\n", "f 1:time:custom:%d.%m.%Y,2:i64:v"},
        {"v\tts\n1700000000\t1700000000123\n", "f 1:i64:v,2:time:unix_ms"},
        {"a,timestamp\n2026-01-01,1700000000123456789\n", "f 1:string:a,2:time:unix_ns"},
        {"v|created\n1|2026-01-02T03:04:05Z\n", "f 1:i64:v,2:time:rfc3339"},
        {"n,Jan\n1,\"Jan 5, 2026\"\n", "f 1:i64:n,2:time:custom:%b %d\\, %Y"},
        {"time:unix_s,m:name,v:f64\n", " 1:time:unix_s,2:name,3:f64:v"},
        {"\xEF\xBB\xBFtime,v\n2026-01-01,x\n", "f 1:time:rfc3339,2:string:v"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world w;
        varve_error err = {.message = ""};
        begin(&w, NULL);
        vv_csv_wish wish = {.fallback = i == 11 ? (varve_text){0} : VV_TEXT("f")};
        check_ok(guess(&w, &wish, cases[i].text, true, &err), &err);
        assert_string_equal(told(&w), cases[i].wanted);
        assert_int_equal(w.guess.is_typed, i == 11);
        end(&w);
    }
}

static void csv_guess_follows_what_is_asked_for(void **state)
{
    (void)state;
    static const char text[] = "name,host,when,a:b,n,x\ncpu,h1,1.5.2026,1,2,z\n";
    static const struct {
        vv_csv_wish wish;
        const char *wanted;
    } cases[] = {
        {{.metric = "m", .time = "when", .labels = "host"},
         "m 1:string:name,2:label:host,3:time:custom:%d.%m.%Y,4:i64:a:b,5:i64:n,6:string:x"},
        {{.metric_column = "name", .time = "when:%d.%m.%Y", .labels = "host,x", .fields = "n:f64"},
         " 1:name,2:label:host,3:time:custom:%d.%m.%Y,4:skip:a:b,5:f64:n,6:label:x"},
        {{.metric_column = "1", .time = "3:custom:%d.%m.%Y", .labels = "2", .fields = "a:b,5:u64"},
         " 1:name,2:label:host,3:time:custom:%d.%m.%Y,4:i64:a:b,5:u64:n,6:skip:x"},
        {{.metric = "m", .fields = "a:b:text,when:string", .time = "n:unix_ms"},
         "m 1:skip:name,2:skip:host,3:string:when,4:text:a:b,5:time:unix_ms,6:skip:x"},
        {{.metric = "m", .columns = "a,b,c,d,e,f", .labels = "f"},
         "m 1:string:a,2:string:b,3:time:custom:%d.%m.%Y,4:i64:d,5:i64:e,6:label:f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world w;
        varve_error err = {.message = ""};
        begin(&w, NULL);
        check_ok(guess(&w, &cases[i].wish, text, true, &err), &err);
        vv_csv_column columns[6];
        memcpy(columns, w.guess.mapping.columns, sizeof columns);
        for (size_t c = 0; c < 6; c++) {
            columns[c].name = columns[c].role == VV_CSV_NAME ? (varve_text){0} : columns[c].name;
        }
        w.guess.mapping.columns = columns;
        assert_string_equal(told(&w), cases[i].wanted);
        end(&w);
    }
}

static void csv_guess_without_a_header_numbers_the_columns(void **state)
{
    (void)state;
    world w;
    varve_error err = {.message = ""};
    begin(&w, NULL);
    vv_csv_wish wish = {.metric = "m", .has_no_header = true, .skip_lines = 1, .labels = "2"};
    check_ok(guess(&w, &wish, "# x\n2026-01-01,a,5\n2026-01-02,b,6\n", true, &err), &err);
    assert_string_equal(told(&w), "m 1:time:rfc3339,2:label:2,3:i64:3");
    assert_int_equal(w.guess.rows, 2);
    assert_false(w.guess.options.has_header);
    assert_int_equal(w.guess.options.skip_lines, 1);
    assert_true(vv_text_equal(w.guess.columns[2].example, VV_TEXT("5")));
    end(&w);
}

static void csv_guess_asks_where_it_cannot_know(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        vv_csv_wish wish;
        const char *reason;
    } cases[] = {
        {"d,v\n01/02/2012,1\n", {.metric = "m"}, "is \"01/02/2012\" of column d month or day"},
        {"d,v\n01/02/2012 10:00,1\n", {.metric = "m", .time = "d"}, "month or day first"},
        {"a,v\nx,1\n", {.metric = "m"}, "no column looks like times: give --time"},
        {"a,v\nx,1\n", {.metric = "m", .time = "a"}, "how are the times of column a written"},
        {"a,v\nx,1\n", {.metric = "m", .time = "b"}, "no column \"b\"; there are a, v"},
        {"a,v\nx,1\n", {.metric = "m", .time = "a:%Q"}, "--time: the layout \"%Q\" has a %"},
        {"a,v\nx,1\n", {.metric = "m", .time = "a:unix"}, "--time: \"unix\" is no form"},
        {"a,v\n2026-01-01,1\n", {.time = "a"}, "give --metric or --metric-column"},
        {"a,v\n2026-01-01,1\n", {.metric = "m", .metric_column = "v"}, "exclude each other"},
        {"a,v\n2026-01-01,1\n", {.metric = "m", .labels = "x"}, "--labels: there is no column"},
        {"a,v\n2026-01-01,1\n", {.metric = "m", .labels = "v,v"}, "asked for twice"},
        {"a,v\n2026-01-01,1\n", {.metric = "m", .labels = "v"}, "no column holds values"},
        {"a,v\n2026-01-01,1\n",
         {.metric = "m", .fields = "v:float"},
         "--fields: \"float\" is no type"},
        {"a,v\n2026-01-01,1\n", {.metric = "m", .columns = "a"}, "fewer names than the 2"},
        {"a,v\n2026-01-01,1\n", {.metric = "m", .columns = "a,b,c"}, "more names than the 2"},
        {"\"a,v\n", {.metric = "m"}, "column 1: the quote is never closed"},
        {"v\n1700000000\n", {.metric = "m", .time = "v:rfc3339"}, "no column holds values"},
        {"v,t\n1,500\n", {.metric = "m"}, "no column looks like times"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world w;
        varve_error err = {.message = ""};
        begin(&w, NULL);
        varve_status status = guess(&w, &cases[i].wish, cases[i].text, true, &err);
        if (status != VARVE_E_INVALID || strstr(err.message, cases[i].reason) == NULL) {
            print_error("%s-> %s\n", cases[i].text, err.message);
        }
        check_status(VARVE_E_INVALID, status);
        assert_non_null(strstr(err.message, cases[i].reason));
        end(&w);
    }
}

static void csv_guess_sees_rows_that_replace_each_other(void **state)
{
    (void)state;
    static const char text[] = "t,city,v\n2026-01-01,a,1\n2026-01-02,a,2\n2026-01-01,b,3\n"
                               "2026-01-01,b,4\n";
    world w;
    begin(&w, NULL);
    vv_csv_wish wish = {.metric = "m"};
    check_ok(guess(&w, &wish, text, true, NULL), NULL);
    assert_int_equal(w.guess.same_lines[0], 2);
    assert_int_equal(w.guess.same_lines[1], 4);
    wish.labels = "city";
    check_ok(guess(&w, &wish, text, true, NULL), NULL);
    assert_int_equal(w.guess.same_lines[0], 4);
    assert_int_equal(w.guess.same_lines[1], 5);
    wish.labels = "city,v";
    wish.fields = NULL;
    check_status(VARVE_E_INVALID, guess(&w, &wish, text, true, NULL)); /* no values are left */
    end(&w);
}

static void csv_guess_looks_at_whole_records_of_a_part(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    vv_csv_wish wish = {.metric = "m"};
    check_ok(guess(&w, &wish, "t,v\n2026-01-01,1\n2026-01-02,1.", false, NULL), NULL);
    assert_string_equal(told(&w), "m 1:time:rfc3339,2:i64:v");
    assert_int_equal(w.guess.rows, 1);
    check_ok(guess(&w, &wish, "t,v\n2026-01-01,1\n2026-01-02,1.5", true, NULL), NULL);
    assert_string_equal(told(&w), "m 1:time:rfc3339,2:f64:v");
    check_ok(guess(&w, &wish, "t,v\n", true, NULL), NULL);
    assert_int_equal(w.guess.rows, 0);
    check_ok(guess(&w, &wish, "", true, NULL), NULL);
    assert_int_equal(w.guess.rows, 0);
    end(&w);
}

static void csv_guess_looks_at_a_bounded_number_of_rows(void **state)
{
    (void)state;
    world w;
    begin(&w, NULL);
    vv_csv_wish wish = {.metric = "m"};
    for (uint32_t rows = VV_CSV_GUESS_ROWS; rows <= VV_CSV_GUESS_ROWS + 1; rows++) {
        vv_buf text;
        vv_buf_init(&text, &w.alloc, SIZE_MAX);
        vv_buf_append_text(&text, VV_TEXT("t,v\n"));
        for (uint32_t i = 1; i < rows; i++) {
            vv_buf_append_format(&text, "%u,1\n", 1700000000 + i);
        }
        vv_buf_append_text(&text, VV_TEXT("1800000000,x\n"));
        check_ok(
            vv_csv_guess_make(&wish, vv_buf_bytes(&text), true, &w.alloc, &w.arena, &w.guess, NULL),
            NULL);
        assert_int_equal(w.guess.rows, VV_CSV_GUESS_ROWS);
        assert_int_equal(w.guess.mapping.columns[1].type,
                         rows == VV_CSV_GUESS_ROWS ? VARVE_TYPE_STRING : VARVE_TYPE_I64);
        vv_buf_deinit(&text);
    }
    end(&w);
}

static void csv_guess_survives_every_failing_allocation(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator allocator = failing_alloc_source(&source);
    bool has_failed = true;
    for (uint64_t n = 1; has_failed; n++) {
        world w;
        failing_alloc_plan(&source, n, true);
        begin(&w, &allocator);
        vv_csv_wish wish = {.metric = "m", .separator = ',', .time = "t:%Y"};
        varve_status status = guess(&w, &wish, "t,\"v\"\"\"\n2026,1\n", true, NULL);
        has_failed = atomic_load(&source.failures) > 0;
        check_status(has_failed ? VARVE_E_NOMEM : VARVE_OK, status);
        end(&w);
        assert_int_equal(atomic_load(&source.live), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_guess_finds_types_and_the_time),
        cmocka_unit_test(csv_guess_follows_what_is_asked_for),
        cmocka_unit_test(csv_guess_without_a_header_numbers_the_columns),
        cmocka_unit_test(csv_guess_asks_where_it_cannot_know),
        cmocka_unit_test(csv_guess_sees_rows_that_replace_each_other),
        cmocka_unit_test(csv_guess_looks_at_whole_records_of_a_part),
        cmocka_unit_test(csv_guess_looks_at_a_bounded_number_of_rows),
        cmocka_unit_test(csv_guess_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
