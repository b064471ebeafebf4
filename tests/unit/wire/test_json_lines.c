/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/value.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "wire/json_lines.h"

typedef struct world {
    vv_alloc alloc;
    vv_arena arena;
    vv_buf buf;
} world;

static void begin(world *w)
{
    vv_alloc_init(&w->alloc, NULL);
    vv_arena_init(&w->arena, &w->alloc, 64u * 1024u * 1024u);
    vv_buf_init(&w->buf, &w->alloc, SIZE_MAX);
}

static void end(world *w)
{
    vv_arena_deinit(&w->arena);
    vv_buf_deinit(&w->buf);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

static void json_lines_find_the_type_of_a_field(void **state)
{
    (void)state;
    static const struct {
        const char *values;
        const char *type; /* in "types", or "" */
        uint32_t wanted;
    } cases[] = {
        {"1", "", VARVE_TYPE_F64},
        {"1.5", "", VARVE_TYPE_F64},
        {"\"NaN\"", "", VARVE_TYPE_F64},
        {"\"-Inf\"", "", VARVE_TYPE_F64},
        {"true", "", VARVE_TYPE_BOOL},
        {"\"x\"", "", VARVE_TYPE_STRING},
        {"\"NaN\"", "string", VARVE_TYPE_STRING},
        {"1", "i64", VARVE_TYPE_I64},
        {"\"-5\"", "i64", VARVE_TYPE_I64},
        {"1", "u64", VARVE_TYPE_U64},
        {"1", "f64", VARVE_TYPE_F64},
        {"null", "", VARVE_TYPE_NONE},
        {"{\"bytes\":\"AA==\"}", "", VARVE_TYPE_BYTES},
        {"{\"bytes\":\"AA==\"}", "string", VARVE_TYPE_BYTES},
        {"\"x\"", "bytes", VARVE_TYPE_STRING},
    };
    world w;
    begin(&w);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{\"metric\":{\"__name__\":\"m\"},\"values\":[%s],\"timestamps\":[1]%s%s%s}",
                 cases[index].values,
                 cases[index].type[0] != '\0' ? ",\"types\":{\"value\":\"" : "", cases[index].type,
                 cases[index].type[0] != '\0' ? "\"}" : "");
        vv_json_line line;
        varve_error err;
        check_ok(vv_json_lines_parse(vv_text_from_string(text), &w.arena, &line, &err), &err);
        assert_int_equal(line.values[0].type, cases[index].wanted);
    }
    end(&w);
}

static void json_lines_refuse_what_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *reason;
    } bad[] = {
        {"", "no JSON"},
        {"[]", "no JSON object"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1]", "no JSON"},
        {"{\"values\":[1],\"timestamps\":[1]}", "\"metric\" is no object"},
        {"{\"metric\":{},\"values\":[1],\"timestamps\":[1]}", "no \"__name__\""},
        {"{\"metric\":{\"__name__\":1},\"values\":[1],\"timestamps\":[1]}", "is no string"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1]}", "\"timestamps\" is no array"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1.5]}",
         "\"timestamps\", element 1 is no whole number"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[9223372036854775808]}",
         "no JSON: too big integer"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1,2],\"timestamps\":[1]}",
         "as long as \"timestamps\""},
        {"{\"metric\":{\"__name__\":\"m\"},\"timestamps\":[1]}", "either \"values\" or \"fields\""},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"fields\":{},\"timestamps\":[1]}",
         "either \"values\" or \"fields\""},
        {"{\"metric\":{\"__name__\":\"m\"},\"fields\":{\"a\":[1],\"b\":[]},\"timestamps\":[1]}",
         "\"b\" is no array as long"},
        {"{\"metric\":{\"__name__\":\"m\"},\"fields\":{\"a\":1},\"timestamps\":[1]}",
         "\"a\" is no array as long"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1,\"x\"],\"timestamps\":[1,2]}",
         "\"value\", element 1: is no string or bytes"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1.5],\"timestamps\":[1],"
         "\"types\":{\"value\":\"i64\"}}",
         "is no 64-bit integer"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[-1],\"timestamps\":[1],"
         "\"types\":{\"value\":\"u64\"}}",
         "is no unsigned 64-bit integer"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1],"
         "\"types\":{\"value\":\"decimal\"}}",
         "no type for \"value\""},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[{\"bytes\":\"A\"}],\"timestamps\":[1]}",
         "is no base64"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[{}],\"timestamps\":[1]}",
         "is no string or bytes"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[{\"histogram\":{}}],\"timestamps\":[1]}",
         "is no 64-bit integer"},
        {"{\"metric\":{\"__name__\":\"m\",\"__name__\":\"n\"},\"values\":[],\"timestamps\":[]}",
         "duplicate"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[],\"timestamps\":[],\"exemplars\":[]}",
         "unknown member \"exemplars\""},
        {"{\"metric\":{\"__name__\":\"\xff\"},\"values\":[],\"timestamps\":[]}", "no JSON"},
    };
    world w;
    begin(&w);
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        vv_json_line line;
        varve_error err;
        check_status(VARVE_E_INVALID, vv_json_lines_parse(vv_text_from_string(bad[index].line),
                                                          &w.arena, &line, &err));
        if (strstr(err.message, bad[index].reason) == NULL) {
            print_error("%s\n-> %s\n", bad[index].line, err.message);
        }
        assert_non_null(strstr(err.message, bad[index].reason));
    }
    end(&w);
}

static void json_lines_bound_depth_and_numbers(void **state)
{
    (void)state;
    char text[400];
    for (uint32_t depth = VV_JSON_LINE_DEPTH_MAX; depth <= VV_JSON_LINE_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        check_status(
            depth > VV_JSON_LINE_DEPTH_MAX ? VARVE_E_LIMIT : VARVE_OK,
            vv_json_scan(vv_text_make(text, (size_t)depth * 2), VV_JSON_LINE_DEPTH_MAX, NULL));
    }
    for (size_t digits = VV_JSON_NUMBER_SIZE_MAX; digits <= VV_JSON_NUMBER_SIZE_MAX + 1; digits++) {
        memset(text, '1', digits);
        check_status(digits > VV_JSON_NUMBER_SIZE_MAX ? VARVE_E_LIMIT : VARVE_OK,
                     vv_json_scan(vv_text_make(text, digits), 64, NULL));
    }
    /* What stands in strings does not count, escapes included. */
    check_ok(vv_json_scan(VV_TEXT("\"[[[[\\\"[[[[\\\\\""), 1, NULL), NULL);
    check_status(VARVE_E_LIMIT, vv_json_scan(VV_TEXT("\"\\\\\"[["), 1, NULL));
}

/** Parse, write, and compare with what was parsed. */
static void expect_round(world *w, const char *text)
{
    vv_json_line line;
    varve_error err;
    vv_arena_reset(&w->arena);
    check_ok(vv_json_lines_parse(vv_text_from_string(text), &w->arena, &line, &err), &err);
    varve_column *columns = vv_arena_zeroed(&w->arena, line.field_count * sizeof *columns);
    assert_non_null(columns);
    for (size_t index = 0; index < line.field_count; index++) {
        columns[index].type = VARVE_TYPE_MIXED;
        columns[index].values = line.values + index * line.row_count;
    }
    vv_json_rows rows = {.metric = line.metric,
                         .labels = line.labels,
                         .label_count = line.label_count,
                         .timestamps = line.timestamps,
                         .names = line.names,
                         .columns = columns,
                         .column_count = line.field_count,
                         .end = line.row_count,
                         .from = VARVE_PRECISION_NS,
                         .unit = VARVE_PRECISION_NS};
    vv_json json;
    bool has_lost = false;
    vv_buf_reset(&w->buf);
    vv_json_init(&json, &w->buf);
    vv_json_lines_write(&json, &rows, &has_lost);
    check_ok(vv_json_end(&json, &err), &err);
    vv_buf_append_char(&w->buf, '\0');
    char wanted[1024];
    snprintf(wanted, sizeof wanted, "%s\n", text);
    assert_string_equal((const char *)w->buf.data, wanted);
    assert_false(has_lost);
}

static void json_lines_write_what_they_read(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect_round(&w, "{\"metric\":{\"__name__\":\"m\",\"a\":\"\",\"b\":\"\\\"\\u0001\"},"
                     "\"values\":[1.0,-0.0,1e-7,1e+22,0.1,\"NaN\",\"+Inf\",\"-Inf\","
                     "\"NaN:fff8000000000000\",5e-324,1.7976931348623157e+308],"
                     "\"timestamps\":[1,2,3,4,5,6,7,8,9,10,11]}");
    expect_round(&w, "{\"metric\":{\"__name__\":\"m\"},\"fields\":{\"a\":[true,null],"
                     "\"b\":[{\"bytes\":\"\"},{\"bytes\":\"/+8=\"}]},"
                     "\"timestamps\":[-9223372036854775808,9223372036854775807]}");
    end(&w);
}

static void json_lines_cut_times_and_say_so(void **state)
{
    (void)state;
    world w;
    begin(&w);
    static const int64_t times[] = {1000000, -1};
    static const double values[] = {1, 2};
    static const varve_text name = VV_TEXT_INIT("value");
    varve_column column = {.type = VARVE_TYPE_F64, .values = values};
    vv_json_rows rows = {.metric = VV_TEXT("m"),
                         .timestamps = times,
                         .names = &name,
                         .columns = &column,
                         .column_count = 1,
                         .end = 1,
                         .from = VARVE_PRECISION_NS,
                         .unit = VARVE_PRECISION_MS};
    vv_json json;
    bool has_lost = false;
    vv_json_init(&json, &w.buf);
    vv_json_lines_write(&json, &rows, &has_lost);
    assert_false(has_lost);
    rows.end = 2;
    vv_json_lines_write(&json, &rows, &has_lost);
    assert_true(has_lost);
    check_ok(vv_json_end(&json, NULL), NULL);
    vv_buf_append_char(&w.buf, '\0');
    assert_non_null(strstr((const char *)w.buf.data, "\"timestamps\":[1,-1]"));
    assert_int_equal(vv_json_lines_fit(&rows, 1), 1);
    assert_int_equal(vv_json_lines_fit(&rows, 1000), 2);
    end(&w);
}

static void json_lines_survive_every_failed_allocation(void **state)
{
    (void)state;
    static const char text[] = "{\"metric\":{\"__name__\":\"m\",\"a\":\"b\"},\"fields\":{\"s\":"
                               "[\"x\"],\"b\":[{\"bytes\":\"AAAA\"}]},\"timestamps\":[1]}";
    bool is_done = false;
    for (uint64_t fail_at = 1; !is_done; fail_at++) {
        failing_alloc source;
        failing_alloc_init(&source);
        failing_alloc_plan(&source, fail_at, false);
        varve_allocator allocator = failing_alloc_source(&source);
        vv_alloc alloc;
        vv_alloc_init(&alloc, &allocator);
        vv_arena arena;
        vv_arena_init(&arena, &alloc, SIZE_MAX);
        vv_json_line line;
        varve_status status =
            vv_json_lines_parse(vv_text_make(text, sizeof text - 1), &arena, &line, NULL);
        is_done = status == VARVE_OK;
        assert_true(is_done || status == VARVE_E_NOMEM);
        vv_arena_deinit(&arena);
        assert_int_equal(vv_alloc_bytes(&alloc), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_lines_find_the_type_of_a_field),
        cmocka_unit_test(json_lines_refuse_what_does_not_fit),
        cmocka_unit_test(json_lines_bound_depth_and_numbers),
        cmocka_unit_test(json_lines_write_what_they_read),
        cmocka_unit_test(json_lines_cut_times_and_say_so),
        cmocka_unit_test(json_lines_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
