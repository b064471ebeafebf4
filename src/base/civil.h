/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates of the proleptic Gregorian calendar and days since 1970-01-01, without the C library's
 * clock or zones. Source of the method: "chrono-Compatible Low-Level Date Algorithms", Howard
 * Hinnant.
 */
#ifndef VV_BASE_CIVIL_H
#define VV_BASE_CIVIL_H

#include "base/compiler.h"

typedef struct vv_civil {
    int64_t year;
    uint32_t month; /* 1 to 12 */
    uint32_t day;   /* 1 to 31 */
} vv_civil;

/* Years for which the functions below are exact; wider than int64 nanoseconds or seconds need. */
#define VV_CIVIL_YEAR_MAX INT64_C(300000000000)

/** Days from 1970-01-01; the date exists. */
int64_t vv_civil_to_days(vv_civil date);

/** The date of a day number, which lies within the years above. */
vv_civil vv_civil_of_days(int64_t days);

/** 28 to 31; month is 1 to 12. */
uint32_t vv_civil_month_days(int64_t year, uint32_t month);

bool vv_civil_is_leap(int64_t year);

/** 0 for Monday to 6 for Sunday. */
uint32_t vv_civil_weekday(int64_t days);

#endif
