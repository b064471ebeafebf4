/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Civil dates. The year is taken to begin in March, so that the leap day is its last; 400 years, an
 * era, are always 146097 days.
 */
#include "base/civil.h"

#include "base/assert.h"
#include "base/checked.h"

#define CIVIL_ERA_DAYS 146097
/* Days from 0000-03-01 to 1970-01-01. */
#define CIVIL_EPOCH_DAYS 719468

int64_t vv_civil_to_days(vv_civil date)
{
    VV_DEBUG_ASSERT(date.month >= 1 && date.month <= 12);
    VV_DEBUG_ASSERT(date.year >= -VV_CIVIL_YEAR_MAX && date.year <= VV_CIVIL_YEAR_MAX);
    int64_t year = date.year - (date.month <= 2);
    int64_t era = vv_floor_div_i64(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = (date.month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + (int64_t)date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * CIVIL_ERA_DAYS + day_of_era - CIVIL_EPOCH_DAYS;
}

vv_civil vv_civil_of_days(int64_t days)
{
    days += CIVIL_EPOCH_DAYS;
    int64_t era = vv_floor_div_i64(days, CIVIL_ERA_DAYS);
    int64_t day_of_era = days - era * CIVIL_ERA_DAYS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return (vv_civil){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = (uint32_t)month,
        .day = (uint32_t)day,
    };
}

bool vv_civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

uint32_t vv_civil_month_days(int64_t year, uint32_t month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    VV_ASSERT(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && vv_civil_is_leap(year) ? 1u : 0u);
}

uint32_t vv_civil_weekday(int64_t days)
{
    return (uint32_t)vv_floor_mod_i64(days + 3, 7); /* 1970-01-01 was a Thursday */
}
