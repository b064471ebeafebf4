/* SPDX-License-Identifier: Apache-2.0 */
#include "model/presence.h"

#include "support/check.h"

static void the_first_row_without_any_value_is_found(void **state)
{
    (void)state;
    enum { ROWS = 130 };
    uint64_t present[2][3];
    varve_column columns[2] = {{.type = VARVE_TYPE_F64, .present = present[0]},
                               {.type = VARVE_TYPE_F64, .present = present[1]}};
    for (size_t missing = 0; missing < ROWS; missing++) {
        for (size_t word = 0; word < 3; word++) { /* a value here or there, but for one row */
            present[0][word] = UINT64_C(0x5555555555555555);
            present[1][word] = ~present[0][word];
        }
        present[missing % 2][missing / 64] &= ~(UINT64_C(1) << missing % 64);
        assert_int_equal(vv_columns_find_empty(columns, 2, ROWS), missing);
        assert_int_equal(vv_columns_find_empty(columns, 2, missing),
                         missing); /* all that is asked */
        assert_int_equal(vv_columns_find_empty(columns, 1, ROWS), missing == 0 ? 0 : 1);
    }
}

static void a_column_without_a_bitmap_has_a_value_in_each_row(void **state)
{
    (void)state;
    static const uint64_t none[1] = {0};
    varve_column columns[2] = {{.type = VARVE_TYPE_F64, .present = none},
                               {.type = VARVE_TYPE_F64, .present = NULL}};
    assert_int_equal(vv_columns_find_empty(columns, 2, 64), 64);
    assert_int_equal(vv_columns_find_empty(columns, 1, 64), 0);
    assert_int_equal(vv_columns_find_empty(columns, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_without_any_value_is_found),
        cmocka_unit_test(a_column_without_a_bitmap_has_a_value_in_each_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
