/* SPDX-License-Identifier: Apache-2.0 */
/* An error of a bound says which one it was. */
#include "base/limit.h"

#include <errno.h>
#include <string.h>

#include "support/check.h"

static void an_error_keeps_the_bound_it_ran_into(void **state)
{
    (void)state;
    varve_error err;
    check_status(VARVE_E_LIMIT,
                 vv_fail_limit(&err, VARVE_E_LIMIT, VV_LIMIT_LINE, "%s of %d bytes", "a line", 7));
    assert_string_equal(err.message, "a line of 7 bytes");
    assert_int_equal(err.status, VARVE_E_LIMIT);
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_LINE);
    vv_error_prefix(&err, "file");
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_LINE);
    check_status(VARVE_E_BUSY, vv_fail_limit(NULL, VARVE_E_BUSY, VV_LIMIT_QUERIES, "nobody"));
}

static void other_errors_are_of_no_bound(void **state)
{
    (void)state;
    varve_error err;
    VV_IGNORE(vv_fail(&err, VARVE_E_LIMIT, "some bound"));
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_NONE);
    VV_IGNORE(vv_fail_errno(&err, VARVE_E_IO, EIO, "read"));
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_NONE);
    err.os_errno = -(int32_t)VV_LIMIT_COUNT;
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_NONE);
    err.os_errno = INT32_MIN;
    assert_int_equal(vv_error_limit(&err), VV_LIMIT_NONE);
}

static void every_bound_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(vv_limit_name(VV_LIMIT_NONE), "");
    for (uint32_t limit = 1; limit < VV_LIMIT_COUNT; limit++) {
        const char *name = vv_limit_name((vv_limit)limit);
        assert_true(strlen(name) > 3);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_keeps_the_bound_it_ran_into),
        cmocka_unit_test(other_errors_are_of_no_bound),
        cmocka_unit_test(every_bound_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
