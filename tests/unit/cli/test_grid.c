/* SPDX-License-Identifier: Apache-2.0 */
/* Columns in line, plain and as Markdown. */
#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "cli/grid.h"
#include "support/check.h"

static void fill(vv_grid *grid, vv_buf *out)
{
    static const char *const rows[][3] = {
        {"host", "note", "value"}, {"東京", "a|b*", "1.5"}, {"web1", "", "100"}};
    varve_error err;
    for (size_t r = 0; r < 3; r++) {
        for (size_t c = 0; c < 3; c++) {
            vv_grid_cell(grid, vv_text_from_string(rows[r][c]), r > 0 && c == 2);
        }
        check_ok(vv_grid_end_row(grid, out, &err), &err);
    }
    check_ok(vv_grid_end(grid, out, &err), &err);
}

static void expect_grid(bool is_markdown, const char *wanted)
{
    vv_alloc alloc;
    vv_grid grid;
    vv_buf out;
    vv_alloc_init(&alloc, NULL);
    vv_grid_init(&grid, &alloc);
    vv_buf_init(&out, &alloc, SIZE_MAX);
    grid.is_markdown = is_markdown;
    fill(&grid, &out);
    vv_buf_append_char(&out, '\0');
    assert_string_equal((const char *)out.data, wanted);
    vv_buf_deinit(&out);
    vv_grid_deinit(&grid);
}

static void grid_columns_stand_in_line_with_wide_characters(void **state)
{
    (void)state;
    expect_grid(false, "host  note  value\n"
                       "東京  a|b*    1.5\n"
                       "web1          100\n");
}

static void grid_of_markdown_escapes_and_aligns(void **state)
{
    (void)state;
    expect_grid(true, "| host | note   | value |\n"
                      "|------|--------|------:|\n"
                      "| 東京 | a\\|b\\* |   1.5 |\n"
                      "| web1 |        |   100 |\n");
}

static void grid_of_markdown_with_a_header_alone_is_a_table(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_grid grid;
    vv_buf out;
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_grid_init(&grid, &alloc);
    vv_buf_init(&out, &alloc, SIZE_MAX);
    grid.is_markdown = true;
    vv_grid_cell(&grid, VARVE_STR("time"), false);
    check_ok(vv_grid_end_row(&grid, &out, &err), &err);
    check_ok(vv_grid_end(&grid, &out, &err), &err);
    vv_buf_append_char(&out, '\0');
    assert_string_equal((const char *)out.data, "| time |\n|------|\n");
    vv_buf_deinit(&out);
    vv_grid_deinit(&grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grid_columns_stand_in_line_with_wide_characters),
        cmocka_unit_test(grid_of_markdown_escapes_and_aligns),
        cmocka_unit_test(grid_of_markdown_with_a_header_alone_is_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
