/* SPDX-License-Identifier: Apache-2.0 */
/* Pointing at the place of a mistake. */
#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "cli/caret.h"
#include "cli/text_width.h"
#include "support/check.h"

static void expect_lines(const char *text, size_t place, const char *wanted)
{
    vv_alloc alloc;
    vv_buf buf;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, 4096);
    vv_caret_lines(&buf, vv_text_from_string(text), place);
    vv_buf_append_char(&buf, '\0');
    assert_int_equal(buf.status, VARVE_OK);
    assert_string_equal((const char *)buf.data, wanted);
    vv_buf_deinit(&buf);
}

static void caret_stands_under_the_place(void **state)
{
    (void)state;
    expect_lines("1x", 2, "  1x\n   ^\n");
    expect_lines("cpu{", 5, "  cpu{\n      ^\n"); /* behind the end */
    expect_lines("cpu{", 99, "  cpu{\n      ^\n");
    expect_lines("", 1, "  \n  ^\n");
    expect_lines("a\tb\nc", 5, "  a b c\n      ^\n"); /* control characters are blanks */
    expect_lines("東京=", 3, "  東京=\n      ^\n");   /* two columns each */
}

static void caret_cuts_long_texts_around_the_place(void **state)
{
    (void)state;
    char text[301];
    memset(text, 'x', 300);
    text[300] = '\0';
    text[199] = 'Y';
    vv_alloc alloc;
    vv_buf buf;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, 4096);
    vv_caret_lines(&buf, vv_text_from_string(text), 200);
    varve_text rest = vv_buf_text(&buf);
    varve_text shown;
    varve_text mark;
    assert_true(vv_text_split(&rest, '\n', &shown));
    assert_true(vv_text_split(&rest, '\n', &mark));
    assert_true(vv_text_width(shown) < 80);
    assert_true(vv_text_starts_with(shown, VARVE_STR("  ...")));
    assert_true(vv_text_ends_with(shown, VARVE_STR("...")));
    assert_int_equal(vv_text_find_char(shown, 'Y'), vv_text_find_char(mark, '^'));
    vv_buf_deinit(&buf);
}

static void caret_finds_places_in_messages(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        size_t place;
    } cases[] = {
        {"at 18: expected", 18},
        {"--last: at 2: expected a unit", 2},
        {"a: b: at 7: c", 7},
        {"at first: no", 0},
        {"what happened at 5: nothing", 0},
        {"at 0: places count from 1", 0},
        {"at 99999999999999999999: no such number", 0},
        {"at 5", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t place = 0;
        assert_int_equal(vv_caret_place(cases[i].message, &place), cases[i].place != 0);
        assert_int_equal(place, cases[i].place);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caret_stands_under_the_place),
        cmocka_unit_test(caret_cuts_long_texts_around_the_place),
        cmocka_unit_test(caret_finds_places_in_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
