/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/row_count.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "support/check.h"
#include "wire/stream.h"

/** Fed in pieces of every size: the rows, and that whole ones end where they are said to. */
static void expect_rows(vv_row_form form, vv_bytes bytes, uint64_t rows, size_t end)
{
    for (size_t step = 1; step <= bytes.size + 1; step += step < 40 ? 1 : 7) {
        varve_error err;
        vv_row_count count;
        size_t last = 0;
        check_ok(vv_row_count_init(&count, form, &err), &err);
        for (size_t at = 0; at < bytes.size; at += step) {
            size_t size = bytes.size - at < step ? bytes.size - at : step;
            size_t whole = vv_row_count_feed(&count, vv_bytes_make(bytes.data + at, size));
            assert_true(whole <= size);
            last = whole > 0 ? at + whole : last;
        }
        assert_int_equal(count.rows, rows);
        assert_int_equal(last, end);
        vv_row_count_deinit(&count);
    }
}

static void expect_text(vv_row_form form, const char *text, uint64_t rows, size_t end)
{
    expect_rows(form, vv_bytes_make(text, strlen(text)), rows, end);
}

static void rows_of_json_lines_are_their_times(void **state)
{
    (void)state;
    static const char one[] =
        "{\"metric\":{\"__name__\":\"a\",\"b\":\"\\\"timestamps\\\":[1,2,\"},"
        "\"fields\":{\"timestamps\":[1,2,3],\"]\":[\"a,b\",null,{\"h\":[1,2]}]},"
        "\"timestamps\":[1, 2 ,3]}\n";
    expect_text(VV_ROW_FORM_JSON_LINES, one, 3, sizeof one - 1);
    expect_text(VV_ROW_FORM_JSON_LINES, "{\"values\":[1,2],\"timestamps\":[5,6]}\n{\"time", 2, 36);
    expect_text(VV_ROW_FORM_JSON_LINES, "{\"timestamps\":[],\"values\":[]}\n", 0, 30);
    expect_text(VV_ROW_FORM_JSON_LINES, "{\"timestamps\":[1]}", 0, 0);
    expect_text(VV_ROW_FORM_JSON_LINES, "{\"timestampsandmore\":[1,2]}\n\n", 0, 29);
    expect_text(VV_ROW_FORM_JSON_LINES, "", 0, 0);
}

static void records_behind_the_header_are_rows(void **state)
{
    (void)state;
    expect_text(VV_ROW_FORM_CSV, "time,a\r\n1,x\r\n2,\"y\n\"\"z\"\r\n3,", 2, 24);
    expect_text(VV_ROW_FORM_CSV, "time,a\r\n", 0, 8);
    expect_text(VV_ROW_FORM_CSV, "time,a", 0, 0);
}

static void rows_of_a_document_end_nothing(void **state)
{
    (void)state;
    expect_text(VV_ROW_FORM_DOCUMENT,
                "{\"status\":\"success\",\"data\":[{\"metric\":{\"a\":\"[[[[[]\"},\"columns\":"
                "[\"time\",\"v\"],\"types\":[\"f64\"],\"rows\":[[1,2.0],[2,{\"histogram\":"
                "{\"spans\":[[1,2]]}}]]},{\"metric\":{},\"rows\":[[1,2]]}]}\n",
                3, 0);
}

static void rows_of_a_stream_are_those_of_whole_blocks(void **state)
{
    (void)state;
    varve_error err;
    vv_alloc alloc;
    vv_buf out;
    vv_stream_writer *writer;
    int64_t times[] = {1, 2, 3};
    double values[] = {0.5, 1.5, 2.5};
    varve_text name = VARVE_STR("v");
    varve_column column = {.type = VARVE_TYPE_F64, .values = values};
    vv_stream_rows rows = {.metric = VARVE_STR("m"),
                           .row_count = 3,
                           .timestamps = times,
                           .names = &name,
                           .columns = &column,
                           .column_count = 1};
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&out, &alloc, SIZE_MAX);
    check_ok(vv_stream_writer_create(&alloc, VARVE_PRECISION_NS, &writer, &err), &err);
    check_ok(vv_stream_write_rows(writer, &rows, &out, &err), &err);
    assert_int_equal(vv_stream_writer_closed_rows(writer), 0);
    check_ok(vv_stream_write_block(writer, &out, &err), &err);
    assert_int_equal(vv_stream_writer_closed_rows(writer), 3);
    size_t first = out.size;
    check_ok(vv_stream_write_rows(writer, &rows, &out, &err), &err);
    check_ok(vv_stream_write_end(writer, &out, &err), &err);
    vv_stream_writer_free(writer);
    expect_rows(VV_ROW_FORM_NATIVE, vv_buf_bytes(&out), 6, out.size);
    expect_rows(VV_ROW_FORM_NATIVE, vv_bytes_make(out.data, first + 10), 3, first);
    vv_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_json_lines_are_their_times),
        cmocka_unit_test(records_behind_the_header_are_rows),
        cmocka_unit_test(rows_of_a_document_end_nothing),
        cmocka_unit_test(rows_of_a_stream_are_those_of_whole_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
