/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "wire/csv.h"

typedef struct world {
    vv_alloc alloc;
    vv_arena arena;
    vv_buf buf;
} world;

static void begin(world *w)
{
    vv_alloc_init(&w->alloc, NULL);
    vv_arena_init(&w->arena, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->buf, &w->alloc, SIZE_MAX);
}

static void end(world *w)
{
    vv_arena_deinit(&w->arena);
    vv_buf_deinit(&w->buf);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

static void csv_formats_are_printed_as_they_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        const char *printed; /* NULL: the same */
    } cases[] = {
        {"2:metric:ask,3:metric:bid,1:label:ticker,4:time:unix_s",
         "1:label:ticker,2:metric:ask,3:metric:bid,4:time:unix_s"},
        {"1:f64:a", NULL},
        {"1:time:custom:%Y-%m-%d %H:%M:%S,2:mixed:x", NULL},
        {"1:time:custom:%b %d\\, %Y,2:text:x", NULL},
        {"1:f64:a\\,b:c,2:i64:d\\\\e", NULL},
        {"1:f64:a\\:b", "1:f64:a:b"},
        {"3:name,1:u64:x,2:skip", "1:u64:x,2:skip,3:name"},
        {"1000:bool:last,1:string:s", "1:string:s,1000:bool:last"},
        {"1:bytes:b,2:histogram:h,3:time:rfc3339", NULL},
    };
    world w;
    begin(&w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vv_csv_mapping mapping;
        varve_error err = {.message = ""};
        check_ok(vv_csv_mapping_parse(vv_text_from_string(cases[i].format), VV_TEXT("m"), &w.arena,
                                      &mapping, &err),
                 &err);
        vv_buf_reset(&w.buf);
        vv_csv_mapping_print(&w.buf, &mapping);
        vv_buf_append_char(&w.buf, '\0');
        assert_string_equal((const char *)w.buf.data,
                            cases[i].printed == NULL ? cases[i].format : cases[i].printed);
    }
    end(&w);
}

static void csv_formats_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        const char *metric;
        const char *reason;
    } cases[] = {
        {"", "m", "entry 1: \"\" is no number of a column"},
        {"0:f64:a", "m", "\"0\" is no number of a column, 1 to 1000"},
        {"1001:f64:a", "m", "\"1001\" is no number"},
        {"a:f64:a", "m", "\"a\" is no number"},
        {"1:f64:a,", "m", "entry 2: \"\" is no number"},
        {"1:f64:a,2:float:b", "m", "entry 2: \"float\" is none of"},
        {"1", "m", "\"\" is none of"},
        {"1:f64", "m", "a f64 needs a name"},
        {"1:label:,2:f64:a", "m", "a label needs a name"},
        {"1:time:soon,2:f64:a", "m", "\"soon\" is no form of times"},
        {"1:time:custom:%H,2:f64:a", "m", "has no year"},
        {"1:f64:a,1:f64:b", "m", "column 1 is there twice"},
        {"1:time:unix_s,2:time:unix_s,3:f64:a", "m", "two columns tell the time"},
        {"1:name,2:name,3:f64:a", "", "two columns tell the metric"},
        {"1:f64:a", "", "fields without a metric"},
        {"1:label:a", "m", "no column holds values"},
        {"1:label:a,2:label:a,3:f64:b", "m", "columns 1 and 2 are both label a"},
        {"1:f64:b,2:label:__name__", "m", "column 2: the metric is no label"},
    };
    world w;
    begin(&w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vv_csv_mapping mapping;
        varve_error err = {.message = ""};
        check_status(VARVE_E_INVALID, vv_csv_mapping_parse(vv_text_from_string(cases[i].format),
                                                           vv_text_from_string(cases[i].metric),
                                                           &w.arena, &mapping, &err));
        if (strstr(err.message, cases[i].reason) == NULL) {
            print_error("%s\n-> %s\n", cases[i].format, err.message);
        }
        assert_non_null(strstr(err.message, cases[i].reason));
    }
    end(&w);
}

static void csv_formats_have_a_bound(void **state)
{
    (void)state;
    world w;
    begin(&w);
    for (uint32_t columns = VV_CSV_COLUMNS_MAX; columns <= VV_CSV_COLUMNS_MAX + 1; columns++) {
        vv_csv_mapping mapping;
        vv_buf_reset(&w.buf);
        for (uint32_t i = 1; i <= columns; i++) {
            vv_buf_append_format(&w.buf, "%s%u:f64:c%u", i > 1 ? "," : "", i, i);
        }
        check_status(
            columns > VV_CSV_COLUMNS_MAX ? VARVE_E_LIMIT : VARVE_OK,
            vv_csv_mapping_parse(vv_buf_text(&w.buf), VV_TEXT("m"), &w.arena, &mapping, NULL));
    }
    end(&w);
}

static void csv_headers_are_typed_only_when_every_cell_is(void **state)
{
    (void)state;
    static const struct {
        const char *cells[4];
        bool is_typed;
    } cases[] = {
        {{"time:unix_ns", "metric:name", "host:label", "v:f64"}, true},
        {{"v:f64"}, true},
        {{"a:b:c:text"}, true},
        {{"time", "v:f64"}, false},
        {{"v:f64", ""}, false},
        {{"v:float"}, false},
        {{":f64"}, false},
        {{"time:unix_ns", "metric:name", "host:label"}, false},
        {{"time:soon", "v:f64"}, false},
        {{"time:custom:%Y:label", "v:f64"}, true},
        {{"load:metric", "time:rfc3339"}, true},
    };
    world w;
    begin(&w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vv_csv_cell cells[4];
        vv_csv_record record = {.line = 1, .last_line = 1, .cells = cells};
        for (; record.count < 4 && cases[i].cells[record.count] != NULL; record.count++) {
            cells[record.count].text = vv_text_from_string(cases[i].cells[record.count]);
        }
        assert_int_equal(vv_csv_header_is_typed(&record), cases[i].is_typed);
        vv_csv_mapping mapping;
        varve_status status = vv_csv_header_parse(&record, VV_TEXT("m"), &w.arena, &mapping, NULL);
        check_status(cases[i].is_typed ? VARVE_OK : VARVE_E_INVALID, status);
        if (i == 9) {
            assert_int_equal(mapping.columns[0].role, VV_CSV_LABEL);
            assert_true(vv_text_equal(mapping.columns[0].name, VV_TEXT("time:custom:%Y")));
        }
    }
    end(&w);
}

static void csv_export_formats_name_labels_values_and_times(void **state)
{
    (void)state;
    const vv_csv_column *columns;
    size_t count;
    world w;
    begin(&w);
    varve_error err = {.message = ""};
    check_ok(vv_csv_export_parse(VV_TEXT("__name__,job,__value__,__value__:a\\,b:c,"
                                         "__timestamp__:custom:%H:%M %F,__timestamp__"),
                                 &w.arena, &columns, &count, &err),
             &err);
    assert_int_equal(count, 6);
    assert_int_equal(columns[0].role, VV_CSV_NAME);
    assert_int_equal(columns[1].role, VV_CSV_LABEL);
    assert_true(vv_text_equal(columns[2].name, VV_TEXT("value")));
    assert_true(vv_text_equal(columns[3].name, VV_TEXT("a,b:c")));
    assert_true(vv_text_equal(columns[4].time.layout, VV_TEXT("%H:%M %F")));
    assert_int_equal(columns[5].time.kind, VV_CSV_UNIX_MS);
    static const char *const bad[] = {"", "a,", "__timestamp__:soon", "a,,b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_status(VARVE_E_INVALID, vv_csv_export_parse(vv_text_from_string(bad[i]), &w.arena,
                                                          &columns, &count, NULL));
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_formats_are_printed_as_they_are_read),
        cmocka_unit_test(csv_formats_that_cannot_be_are_refused),
        cmocka_unit_test(csv_formats_have_a_bound),
        cmocka_unit_test(csv_headers_are_typed_only_when_every_cell_is),
        cmocka_unit_test(csv_export_formats_name_labels_values_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
