/* SPDX-License-Identifier: Apache-2.0 */
/* The rules at the end of zone files. Times are checked against their civil form. */
#include "base/civil.h"
#include "base/slice.h"
#include "support/check.h"
#include "sys/zoneinfo_priv.h"

static vv_zone_rule rule_of(const char *text)
{
    vv_zone_rule rule;
    assert_true(vv_zone_rule_parse(vv_text_from_string(text), &rule));
    return rule;
}

static int64_t at(int64_t year, uint32_t month, uint32_t day, int hour, int minute)
{
    vv_civil date = {.year = year, .month = month, .day = day};
    return vv_civil_to_days(date) * 86400 + hour * 3600 + minute * 60;
}

#define HOUR 3600

static void a_rule_without_daylight_is_constant(void **state)
{
    (void)state;
    vv_zone_rule rule = rule_of("<+0545>-5:45");
    assert_int_equal(5 * HOUR + 45 * 60, vv_zone_rule_offset_at(&rule, 0));
    assert_int_equal(INT64_MAX, vv_zone_rule_next_change(&rule, 0));
    rule = rule_of("EST5");
    assert_int_equal(-5 * HOUR, vv_zone_rule_offset_at(&rule, at(2500, 7, 1, 0, 0)));
}

static void central_europe(void **state)
{
    (void)state;
    vv_zone_rule rule = rule_of("CET-1CEST,M3.5.0,M10.5.0/3");
    int64_t spring = at(2024, 3, 31, 1, 0);
    int64_t autumn = at(2024, 10, 27, 1, 0);
    assert_int_equal(HOUR, vv_zone_rule_offset_at(&rule, spring - 1));
    assert_int_equal(2 * HOUR, vv_zone_rule_offset_at(&rule, spring));
    assert_int_equal(2 * HOUR, vv_zone_rule_offset_at(&rule, autumn - 1));
    assert_int_equal(HOUR, vv_zone_rule_offset_at(&rule, autumn));
    assert_int_equal(spring, vv_zone_rule_next_change(&rule, at(2023, 12, 31, 23, 59)));
    assert_int_equal(spring, vv_zone_rule_next_change(&rule, spring - 1));
    assert_int_equal(autumn, vv_zone_rule_next_change(&rule, spring));
    assert_int_equal(at(2025, 3, 30, 1, 0), vv_zone_rule_next_change(&rule, autumn));
}

static void the_southern_summer_spans_the_new_year(void **state)
{
    (void)state;
    vv_zone_rule rule = rule_of("AEST-10AEDT,M10.1.0,M4.1.0/3");
    assert_int_equal(11 * HOUR, vv_zone_rule_offset_at(&rule, at(2024, 1, 1, 0, 0)));
    assert_int_equal(11 * HOUR, vv_zone_rule_offset_at(&rule, at(2023, 12, 31, 23, 59)));
    assert_int_equal(10 * HOUR, vv_zone_rule_offset_at(&rule, at(2024, 7, 1, 0, 0)));
    assert_int_equal(at(2024, 4, 6, 16, 0),
                     vv_zone_rule_next_change(&rule, at(2023, 12, 31, 0, 0)));
}

static void days_are_counted_in_three_ways(void **state)
{
    (void)state;
    /* J60 is 1 March in every year, 59 is 29 February in a leap year. */
    vv_zone_rule julian = rule_of("AAA0BBB,J60/0,J365/0");
    vv_zone_rule plain = rule_of("AAA0BBB,59/0,364/0");
    assert_int_equal(at(2024, 3, 1, 0, 0), vv_zone_rule_next_change(&julian, at(2024, 1, 1, 0, 0)));
    assert_int_equal(at(2023, 3, 1, 0, 0), vv_zone_rule_next_change(&julian, at(2023, 1, 1, 0, 0)));
    assert_int_equal(at(2024, 2, 29, 0, 0), vv_zone_rule_next_change(&plain, at(2024, 1, 1, 0, 0)));
    assert_int_equal(at(2023, 3, 1, 0, 0), vv_zone_rule_next_change(&plain, at(2023, 1, 1, 0, 0)));
    /* Week 5 is the last one, week 4 the fourth. */
    vv_zone_rule weeks = rule_of("AAA0BBB,M2.5.4/0,M12.4.0/0");
    assert_int_equal(at(2024, 2, 29, 0, 0), vv_zone_rule_next_change(&weeks, at(2024, 1, 1, 0, 0)));
    assert_int_equal(at(2023, 2, 23, 0, 0), vv_zone_rule_next_change(&weeks, at(2023, 1, 1, 0, 0)));
    assert_int_equal(at(2024, 12, 21, 23, 0),
                     vv_zone_rule_next_change(&weeks, at(2024, 6, 1, 0, 0)));
}

static void times_may_be_days_away(void **state)
{
    (void)state;
    /* Godthab: the Saturday before the last Sunday, written from the Sunday backwards. */
    vv_zone_rule rule = rule_of("<-02>2<-01>,M3.5.0/-1,M10.5.0/0");
    assert_int_equal(at(2024, 3, 31, 1, 0), vv_zone_rule_next_change(&rule, at(2024, 1, 1, 0, 0)));
    vv_zone_rule far = rule_of("AAA0BBB,M1.1.0/-167,M6.1.0/167");
    assert_int_equal(at(2024, 1, 7, 0, 0) - 167 * HOUR,
                     vv_zone_rule_next_change(&far, at(2023, 12, 1, 0, 0)));
}

static void daylight_time_all_year(void **state)
{
    (void)state;
    vv_zone_rule rule = rule_of("EST5EDT,0/0,J365/25");
    for (int64_t year = 1999; year < 2030; ++year) {
        assert_int_equal(-4 * HOUR, vv_zone_rule_offset_at(&rule, at(year, 1, 1, 4, 59)));
        assert_int_equal(-4 * HOUR, vv_zone_rule_offset_at(&rule, at(year, 1, 1, 5, 0)));
        assert_int_equal(-4 * HOUR, vv_zone_rule_offset_at(&rule, at(year, 7, 1, 0, 0)));
        assert_int_equal(-4 * HOUR, vv_zone_rule_offset_at(&rule, at(year, 12, 31, 23, 59)));
    }
    assert_int_equal(INT64_MAX, vv_zone_rule_next_change(&rule, at(2024, 1, 1, 0, 0)));
}

static void daylight_time_may_be_behind(void **state)
{
    (void)state;
    vv_zone_rule rule = rule_of("IST-1GMT0,M10.5.0,M3.5.0/1"); /* Dublin */
    assert_int_equal(HOUR, vv_zone_rule_offset_at(&rule, at(2024, 7, 1, 0, 0)));
    assert_int_equal(0, vv_zone_rule_offset_at(&rule, at(2024, 1, 1, 0, 0)));
    assert_int_equal(at(2024, 3, 31, 1, 0), vv_zone_rule_next_change(&rule, at(2024, 1, 1, 0, 0)));
}

static void extreme_moments_have_an_offset(void **state)
{
    (void)state;
    vv_zone_rule rule = rule_of("CET-1CEST,M3.5.0,M10.5.0/3");
    const int64_t moments[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX - 1, INT64_MAX};
    for (size_t i = 0; i < 4; ++i) {
        int32_t offset_s = vv_zone_rule_offset_at(&rule, moments[i]);
        assert_true(offset_s == HOUR || offset_s == 2 * HOUR);
        int64_t next_s = vv_zone_rule_next_change(&rule, moments[i]);
        assert_true(next_s > moments[i] || next_s == INT64_MAX);
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "A",
        "AB1",
        "ABC",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "<CET-1",
        "<+05",
        "CET26",
        "CET-27",
        "CET1:60",
        "CET1:30:60",
        "CET-1CEST,M0.1.0,M1.1.0",
        "CET-1CEST,M13.1.0,M1.1.0",
        "CET-1CEST,M1.0.0,M1.1.0",
        "CET-1CEST,M1.6.0,M1.1.0",
        "CET-1CEST,M1.1.7,M1.1.0",
        "CET-1CEST,J0,J1",
        "CET-1CEST,J366,J1",
        "CET-1CEST,366,1",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0 ",
        "CET-1CEST,M3.5.0,M10.5.0,1",
        "CET-1CEST,M3.5,M10.5.0",
        "CET-1CEST26,M3.5.0,M10.5.0",
        "CET99999999999",
        "CET-25CEST,M3.5.0,M10.5.0",
        "CET-1C",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i) {
        vv_zone_rule rule = {.standard_offset_s = 12345};
        if (vv_zone_rule_parse(vv_text_from_string(texts[i]), &rule)) {
            print_error("accepted: %s\n", texts[i]);
            fail();
        }
        assert_int_equal(12345, rule.standard_offset_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_without_daylight_is_constant),
        cmocka_unit_test(central_europe),
        cmocka_unit_test(the_southern_summer_spans_the_new_year),
        cmocka_unit_test(days_are_counted_in_three_ways),
        cmocka_unit_test(times_may_be_days_away),
        cmocka_unit_test(daylight_time_all_year),
        cmocka_unit_test(daylight_time_may_be_behind),
        cmocka_unit_test(extreme_moments_have_an_offset),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
