/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a terminal. */
#include "base/slice.h"
#include "cli/text_width.h"
#include "support/check.h"

static void text_width_counts_columns_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(vv_text_width(VARVE_STR("")), 0);
    assert_int_equal(vv_text_width(VARVE_STR("web1")), 4);
    assert_int_equal(vv_text_width(VARVE_STR("čaj")), 3);
    assert_int_equal(vv_text_width(VARVE_STR("cz\xcc\x8c")), 2);       /* a combining caron */
    assert_int_equal(vv_text_width(VARVE_STR("東京")), 4);             /* wide */
    assert_int_equal(vv_text_width(VARVE_STR("\xf0\x9f\x98\x80")), 2); /* an emoji */
    assert_int_equal(vv_text_width(VARVE_STR("a\tb")), 2);             /* controls: none */
    assert_int_equal(vv_text_width(VARVE_STR("\xff\xfe")), 2);         /* bad bytes: U+FFFD */
}

static void text_width_cuts_between_characters(void **state)
{
    (void)state;
    assert_int_equal(vv_text_width_cut(VARVE_STR("東京"), 4).size, 6);
    assert_int_equal(vv_text_width_cut(VARVE_STR("東京"), 3).size, 3);
    assert_int_equal(vv_text_width_cut(VARVE_STR("東京"), 1).size, 0);
    assert_int_equal(vv_text_width_cut(VARVE_STR("z\xcc\x8cx"), 1).size, 3); /* the mark stays */
    assert_int_equal(vv_text_width_cut(VARVE_STR("abc"), 9).size, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_width_counts_columns_of_a_terminal),
        cmocka_unit_test(text_width_cuts_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
