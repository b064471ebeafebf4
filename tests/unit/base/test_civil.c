/* SPDX-License-Identifier: Apache-2.0 */
#include "base/civil.h"

#include "support/check.h"

static void known_days_convert(void **state)
{
    (void)state;
    assert_int_equal(vv_civil_to_days((vv_civil){1970, 1, 1}), 0);
    assert_int_equal(vv_civil_to_days((vv_civil){1969, 12, 31}), -1);
    assert_int_equal(vv_civil_to_days((vv_civil){2000, 2, 29}), 11016);
    assert_int_equal(vv_civil_to_days((vv_civil){0, 1, 1}), -719528);
    assert_int_equal(vv_civil_to_days((vv_civil){9999, 12, 31}), 2932896);
    assert_int_equal(vv_civil_weekday(0), 3); /* Thursday */
    assert_int_equal(vv_civil_weekday(-1), 2);
    assert_int_equal(vv_civil_weekday(20454), 3); /* 2026-01-01 */
}

/* Counts days one by one beside the conversion, over several eras. */
static void every_day_of_1200_years_round_trips(void **state)
{
    (void)state;
    vv_civil date = {1500, 1, 1};
    int64_t days = vv_civil_to_days(date);
    while (date.year < 2700) {
        vv_civil converted = vv_civil_of_days(days);
        assert_true(converted.year == date.year && converted.month == date.month &&
                    converted.day == date.day);
        assert_true(vv_civil_to_days(date) == days);
        days += 1;
        date.day += 1;
        if (date.day > vv_civil_month_days(date.year, date.month)) {
            date.day = 1;
            date.month += 1;
        }
        if (date.month > 12) {
            date.month = 1;
            date.year += 1;
        }
    }
}

static void far_years_round_trip(void **state)
{
    (void)state;
    for (int64_t year = -VV_CIVIL_YEAR_MAX; year <= VV_CIVIL_YEAR_MAX;
         year += VV_CIVIL_YEAR_MAX / 100) {
        vv_civil date = {year, 2, 28};
        vv_civil back = vv_civil_of_days(vv_civil_to_days(date));
        assert_true(back.year == year && back.month == 2 && back.day == 28);
    }
}

static void leap_years_follow_the_gregorian_rule(void **state)
{
    (void)state;
    assert_true(vv_civil_is_leap(2024));
    assert_false(vv_civil_is_leap(2023));
    assert_false(vv_civil_is_leap(1900));
    assert_true(vv_civil_is_leap(2000));
    assert_true(vv_civil_is_leap(0));
    assert_true(vv_civil_is_leap(-4));
    assert_int_equal(vv_civil_month_days(2024, 2), 29);
    assert_int_equal(vv_civil_month_days(2023, 2), 28);
    assert_int_equal(vv_civil_month_days(2023, 12), 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_days_convert),
        cmocka_unit_test(every_day_of_1200_years_round_trips),
        cmocka_unit_test(far_years_round_trip),
        cmocka_unit_test(leap_years_follow_the_gregorian_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
