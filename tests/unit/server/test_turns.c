/* SPDX-License-Identifier: Apache-2.0 */
/* Turns are given to so many, and who gets none learns which bound it was. */
#include "server/server_priv.h"
#include "support/check.h"

static void a_turn_that_is_not_free_is_a_bound_of_its_kind(void **state)
{
    (void)state;
    vv_turns turns = {.most = 0};
    varve_error err;
    check_ok(vv_turns_init(&turns, 2, 0, &err), &err);
    turns.limit = VV_LIMIT_QUERIES;
    check_ok(vv_turns_take(&turns, &err), &err);
    check_ok(vv_turns_take(&turns, &err), &err);
    check_status(VARVE_E_BUSY, vv_turns_take(&turns, &err));
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_QUERIES);
    vv_turns_give(&turns);
    check_ok(vv_turns_take(&turns, &err), &err);
    vv_turns_give(&turns);
    vv_turns_give(&turns);
    vv_turns_deinit(&turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_that_is_not_free_is_a_bound_of_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
