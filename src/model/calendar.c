/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets of the calendar. The rules C1 to C5 stand in the header.
 *
 * Units are numbered along the wall's time, which runs as if there were no zone: hour 0 is
 * 1970-01-01 00:00, month 0 is January of year 0. A bucket of width w and number k holds the units
 * [k * w, (k + 1) * w). Between instants and the wall stands the zone:
 *
 *     instant --(+ offset)--> wall --(floor)--> bucket number --> wall of its beginning --> instant
 *
 * Days and longer go back by the zone's local_to_utc, then step forward where clocks that went
 * back show a date once more though the next one had begun. Hours follow the stretches of
 * constant offset one by one.
 *
 * All is in seconds here and in int64, cut at the ends: the wall's years reach 2.9 * 10^11, which
 * base/civil.h covers.
 */
#include "model/calendar.h"

#include "base/checked.h"
#include "base/civil.h"
#include "base/slice.h"
#include "base/status.h"
#include "model/time_range.h"

#define CALENDAR_HOUR_S        INT64_C(3600)
#define CALENDAR_DAY_S         INT64_C(86400)
#define CALENDAR_MONDAY_OFFSET 3 /* 1969-12-29, a Monday, is day -3 */

/* ---- zones given as offsets ---- */

/* The two digits at the beginning of text as a number below bound; -1 when there are none. */
static int32_t calendar_two_digits(varve_text text, int32_t bound)
{
    if (text.size < 2 || text.data[0] < '0' || text.data[0] > '9' || text.data[1] < '0' ||
        text.data[1] > '9') {
        return -1;
    }
    int32_t value = (text.data[0] - '0') * 10 + (text.data[1] - '0');
    return value < bound ? value : -1;
}

bool vv_calendar_parse_offset(varve_text zone, int32_t *out_offset_s)
{
    if (zone.size == 0 || vv_text_equal(zone, VV_TEXT("Z"))) {
        *out_offset_s = 0;
        return true;
    }
    if (zone.data[0] != '+' && zone.data[0] != '-') {
        return false;
    }
    int32_t hours = calendar_two_digits(vv_text_sub(zone, 1, 2), 24);
    int32_t minutes = 0;
    if (zone.size > 3) {
        size_t begin = zone.data[3] == ':' ? 4 : 3;
        minutes =
            zone.size == begin + 2 ? calendar_two_digits(vv_text_sub(zone, begin, 2), 60) : -1;
    }
    if (hours < 0 || minutes < 0) {
        return false;
    }
    int32_t offset_s = (hours * 60 + minutes) * 60;
    *out_offset_s = zone.data[0] == '-' ? -offset_s : offset_s;
    return true;
}

varve_status vv_calendar_init(vv_calendar *calendar, uint32_t unit, int64_t width,
                              uint32_t precision, int32_t offset_s, const vv_calendar_zone *zone,
                              varve_error *out_err)
{
    if (unit > VARVE_UNIT_YEAR) {
        return vv_fail(out_err, VARVE_E_INVALID, "unknown calendar unit %u", unit);
    }
    if (width < 1 || width > VV_CALENDAR_WIDTH_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "bucket width %lld is not within 1..%lld units",
                       (long long)width, (long long)VV_CALENDAR_WIDTH_MAX);
    }
    int64_t per_second = vv_precision_per_second(precision);
    if (per_second == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "unknown precision %u", precision);
    }
    *calendar = (vv_calendar){
        .unit = unit,
        .width = width,
        .per_second = per_second,
        .offset_s = offset_s,
    };
    if (zone != NULL) {
        calendar->zone = *zone;
    }
    return VARVE_OK;
}

/* ---- the wall: bucket numbers and beginnings ---- */

static int64_t calendar_month_of(int64_t local_s)
{
    vv_civil date = vv_civil_of_days(vv_floor_div_i64(local_s, CALENDAR_DAY_S));
    return date.year * 12 + (int64_t)date.month - 1;
}

static int64_t calendar_unit_at(const vv_calendar *calendar, int64_t local_s)
{
    switch (calendar->unit) {
    case VARVE_UNIT_HOUR:
        return vv_floor_div_i64(local_s, CALENDAR_HOUR_S);
    case VARVE_UNIT_DAY:
        return vv_floor_div_i64(local_s, CALENDAR_DAY_S);
    case VARVE_UNIT_WEEK:
        return vv_floor_div_i64(vv_floor_div_i64(local_s, CALENDAR_DAY_S) + CALENDAR_MONDAY_OFFSET,
                                7);
    case VARVE_UNIT_MONTH:
        return calendar_month_of(local_s);
    case VARVE_UNIT_QUARTER:
        return vv_floor_div_i64(calendar_month_of(local_s), 3);
    default:
        VV_ASSERT(calendar->unit == VARVE_UNIT_YEAR);
        return vv_floor_div_i64(calendar_month_of(local_s), 12);
    }
}

/* Number of the bucket that the wall is in at local_s. */
static int64_t calendar_number(const vv_calendar *calendar, int64_t local_s)
{
    return vv_floor_div_i64(calendar_unit_at(calendar, local_s), calendar->width);
}

static int64_t calendar_month_begin(int64_t month)
{
    vv_civil date = {
        .year = vv_floor_div_i64(month, 12),
        .month = (uint32_t)vv_floor_mod_i64(month, 12) + 1,
        .day = 1,
    };
    return vv_sat_mul_i64(vv_civil_to_days(date), CALENDAR_DAY_S);
}

/* What the wall shows at the beginning of a bucket, cut at the ends of the axis. */
static int64_t calendar_begin(const vv_calendar *calendar, int64_t number)
{
    int64_t unit = number * calendar->width; /* fits: number came from a division by width */
    switch (calendar->unit) {
    case VARVE_UNIT_HOUR:
        return vv_sat_mul_i64(unit, CALENDAR_HOUR_S);
    case VARVE_UNIT_DAY:
        return vv_sat_mul_i64(unit, CALENDAR_DAY_S);
    case VARVE_UNIT_WEEK:
        return vv_sat_mul_i64(unit * 7 - CALENDAR_MONDAY_OFFSET, CALENDAR_DAY_S);
    case VARVE_UNIT_MONTH:
        return calendar_month_begin(unit);
    case VARVE_UNIT_QUARTER:
        return calendar_month_begin(unit * 3);
    default:
        VV_ASSERT(calendar->unit == VARVE_UNIT_YEAR);
        return calendar_month_begin(unit * 12);
    }
}

/* ---- between the wall and instants ---- */

static int32_t calendar_offset_at(const vv_calendar *calendar, int64_t unix_s)
{
    const vv_calendar_zone *zone = &calendar->zone;
    return zone->offset_at == NULL ? calendar->offset_s : zone->offset_at(zone->context, unix_s);
}

static int64_t calendar_next_change(const vv_calendar *calendar, int64_t unix_s)
{
    const vv_calendar_zone *zone = &calendar->zone;
    return zone->offset_at == NULL ? INT64_MAX : zone->next_change(zone->context, unix_s);
}

/* The instant of a wall time at an offset; the ends stay the ends. */
static int64_t calendar_to_instant(int64_t local_s, int32_t offset_s)
{
    if (local_s == INT64_MIN || local_s == INT64_MAX) {
        return local_s;
    }
    return vv_sat_sub_i64(local_s, offset_s);
}

static int64_t calendar_begin_instant(const vv_calendar *calendar, int64_t number)
{
    int64_t local_s = calendar_begin(calendar, number);
    const vv_calendar_zone *zone = &calendar->zone;
    if (zone->offset_at == NULL || local_s == INT64_MIN || local_s == INT64_MAX) {
        return calendar_to_instant(local_s, calendar->offset_s);
    }
    return zone->local_to_utc(zone->context, local_s);
}

/* ---- days and longer (C2) ---- */

static varve_range calendar_bucket_of_days(const vv_calendar *calendar, int64_t unix_s)
{
    int64_t local_s = vv_sat_add_i64(unix_s, calendar_offset_at(calendar, unix_s));
    int64_t number = calendar_number(calendar, local_s);
    int64_t start_s = calendar_begin_instant(calendar, number);
    VV_DEBUG_ASSERT(start_s <= unix_s); /* the first instant of what the wall has reached */
    int64_t end_s = calendar_begin_instant(calendar, number + 1);
    while (end_s <= unix_s && end_s < INT64_MAX) {
        number++;
        start_s = end_s;
        end_s = calendar_begin_instant(calendar, number + 1);
    }
    return (varve_range){.start = start_s, .end = end_s};
}

/* ---- hours (C3) ---- */

/* Whether a bucket begins at a change of offset: the wall shows its beginning there, or jumps over
 * it. */
static bool calendar_begins_at_change(const vv_calendar *calendar, int64_t change_s)
{
    int64_t shown_s = vv_sat_add_i64(change_s, calendar_offset_at(calendar, change_s));
    int64_t last_s = change_s - 1;
    int64_t before_s = vv_sat_add_i64(last_s, calendar_offset_at(calendar, last_s));
    int64_t number = calendar_number(calendar, shown_s);
    return calendar_begin(calendar, number) == shown_s ||
           number > calendar_number(calendar, before_s);
}

/* The last change of offset in (after_s, unix_s], or INT64_MIN. */
static int64_t calendar_last_change(const vv_calendar *calendar, int64_t after_s, int64_t unix_s)
{
    int64_t last_s = INT64_MIN;
    int64_t change_s = calendar_next_change(calendar, after_s);
    while (change_s <= unix_s && change_s < INT64_MAX) {
        last_s = change_s;
        change_s = calendar_next_change(calendar, change_s);
    }
    return last_s;
}

static int64_t calendar_hours_start(const vv_calendar *calendar, int64_t unix_s)
{
    for (;;) {
        int32_t offset_s = calendar_offset_at(calendar, unix_s);
        int64_t number = calendar_number(calendar, vv_sat_add_i64(unix_s, offset_s));
        int64_t start_s = calendar_to_instant(calendar_begin(calendar, number), offset_s);
        int64_t change_s = calendar_last_change(calendar, start_s, unix_s);
        if (change_s == INT64_MIN) {
            return start_s;
        }
        if (calendar_begins_at_change(calendar, change_s)) {
            return change_s;
        }
        unix_s = change_s - 1; /* the bucket goes on from before the change */
    }
}

static int64_t calendar_hours_end(const vv_calendar *calendar, int64_t unix_s)
{
    for (;;) {
        int32_t offset_s = calendar_offset_at(calendar, unix_s);
        int64_t number = calendar_number(calendar, vv_sat_add_i64(unix_s, offset_s));
        int64_t end_s = calendar_to_instant(calendar_begin(calendar, number + 1), offset_s);
        int64_t change_s = calendar_next_change(calendar, unix_s);
        if (change_s > end_s || change_s == INT64_MAX) {
            return end_s;
        }
        if (calendar_begins_at_change(calendar, change_s)) {
            return change_s;
        }
        unix_s = change_s; /* the bucket goes on behind the change */
    }
}

varve_range vv_calendar_bucket(const vv_calendar *calendar, int64_t timestamp)
{
    int64_t unix_s = vv_floor_div_i64(timestamp, calendar->per_second);
    varve_range seconds;
    if (calendar->unit == VARVE_UNIT_HOUR) {
        seconds.start = calendar_hours_start(calendar, unix_s);
        seconds.end = calendar_hours_end(calendar, unix_s);
    } else {
        seconds = calendar_bucket_of_days(calendar, unix_s);
    }
    return (varve_range){
        .start = vv_sat_mul_i64(seconds.start, calendar->per_second),
        .end = vv_sat_mul_i64(seconds.end, calendar->per_second),
    };
}
