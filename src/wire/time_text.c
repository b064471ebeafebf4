/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Times and durations of requests. An instant is held as whole seconds and nanoseconds within the
 * second, so that a database of seconds can be asked about years that nanoseconds cannot name.
 */

#include "wire/time_text.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/civil.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"
#include "wire/span_text.h"

#define TIME_TEXT_NS_PER_S  INT64_C(1000000000)
#define TIME_TEXT_S_PER_DAY INT64_C(86400)

/* Farther away is no time that anybody means; below it no sum of months overflows. */
#define TIME_TEXT_MONTHS_MAX INT64_C(1200000)

/* Whole numbers from here on are milliseconds, and nanoseconds (protocols.md, section 0). */
#define TIME_TEXT_MS_MIN INT64_C(100000000000)
#define TIME_TEXT_NS_MIN INT64_C(100000000000000000)

typedef struct time_text_instant {
    int64_t s;
    int64_t ns; /* 0..999999999 */
} time_text_instant;

static time_text_instant time_text_of_ns(int64_t ns)
{
    return (time_text_instant){.s = vv_floor_div_i64(ns, TIME_TEXT_NS_PER_S),
                               .ns = vv_floor_mod_i64(ns, TIME_TEXT_NS_PER_S)};
}

static bool time_text_whole(varve_text text, time_text_instant *out)
{
    int64_t number;
    if (!vv_text_parse_i64(text, &number)) {
        return false;
    }
    if (number >= TIME_TEXT_NS_MIN || number <= -TIME_TEXT_NS_MIN) {
        *out = time_text_of_ns(number);
    } else if (number >= TIME_TEXT_MS_MIN || number <= -TIME_TEXT_MS_MIN) {
        *out = (time_text_instant){.s = vv_floor_div_i64(number, 1000),
                                   .ns = vv_floor_mod_i64(number, 1000) * 1000000};
    } else {
        *out = (time_text_instant){.s = number};
    }
    return true;
}

/** Seconds with a fraction, exact to the nanosecond; digits beyond are floored. */
static bool time_text_decimal(varve_text text, time_text_instant *out)
{
    size_t point = vv_text_find_char(text, '.');
    if (point == text.size || point == 0) {
        return false;
    }
    int64_t whole;
    bool is_negative = text.data[0] == '-';
    if (!vv_text_parse_i64(vv_text_make(text.data, point), &whole)) {
        return false;
    }
    int64_t ns = 0;
    int64_t unit = TIME_TEXT_NS_PER_S / 10;
    bool has_more = false;
    for (size_t index = point + 1; index < text.size; index++) {
        char c = text.data[index];
        if (c < '0' || c > '9') {
            return false;
        }
        ns += (c - '0') * unit;
        has_more = has_more || (unit == 0 && c != '0');
        unit /= 10;
    }
    *out = (time_text_instant){.s = whole, .ns = ns};
    if (is_negative) {
        int64_t back = ns + (has_more ? 1 : 0);
        if (back > 0 && !vv_sub_i64(whole, 1, &whole)) {
            return false; /* before what a second can name */
        }
        if (back > 0) {
            *out = (time_text_instant){.s = whole, .ns = TIME_TEXT_NS_PER_S - back};
        }
    }
    return true;
}

/** Numbers with an exponent, as clients print floats. */
static bool time_text_float(varve_text text, time_text_instant *out)
{
    double seconds;
    if (!vv_text_parse_f64(text, &seconds) || !(seconds > -9.0e18 && seconds < 9.0e18)) {
        return false;
    }
    int64_t s = (int64_t)seconds;
    s -= (double)s > seconds ? 1 : 0;
    *out = (time_text_instant){.s = s, .ns = (int64_t)((seconds - (double)s) * 1e9)};
    return true;
}

/** The error of a span that stands `by` bytes into the text; used: how much of it was right. */
static varve_status time_text_move(const varve_error *why, size_t by, size_t used,
                                   varve_error *out_err)
{
    varve_text message = vv_text_from_string(why->message);
    uint64_t at = 0;
    if (used > 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "at %zu: expected a number and a unit, or the end",
                       by + used + 1);
    }
    message = vv_text_sub(message, VV_TEXT("at ").size, SIZE_MAX);
    size_t digits = vv_text_scan_u64(message, &at);
    message = vv_text_sub(message, digits, SIZE_MAX);
    return vv_fail(out_err, VARVE_E_INVALID, "at %llu%.*s", (unsigned long long)at + by,
                   VV_TEXT_ARGS(message));
}

/* ---- the clock ------------------------------------------------------------------------------ */

/** The instant so many calendar months and nanoseconds away; a day that the month lacks is its
 * last. False when it leaves what seconds can name. */
static bool time_text_shift(int64_t now_ns, const vv_span_text *span, bool is_back,
                            time_text_instant *out)
{
    int64_t ns = is_back ? vv_sat_sub_i64(now_ns, span->ns) : vv_sat_add_i64(now_ns, span->ns);
    time_text_instant instant = time_text_of_ns(ns);
    if (span->months > TIME_TEXT_MONTHS_MAX) {
        return false;
    }
    if (span->months > 0) {
        int64_t days = vv_floor_div_i64(instant.s, TIME_TEXT_S_PER_DAY);
        vv_civil date = vv_civil_of_days(days);
        int64_t month = date.year * 12 + (int64_t)date.month - 1;
        month += is_back ? -span->months : span->months;
        date.year = vv_floor_div_i64(month, 12);
        date.month = (uint32_t)vv_floor_mod_i64(month, 12) + 1;
        uint32_t last = vv_civil_month_days(date.year, date.month);
        date.day = date.day < last ? date.day : last;
        instant.s += (vv_civil_to_days(date) - days) * TIME_TEXT_S_PER_DAY;
    }
    *out = instant;
    return true;
}

/** now, now-1d, now + 5m, -1h. True with *out_is_one when the text is of this form; then *out_err
 * says what is wrong unless *out_is_right. */
static bool time_text_relative(varve_text text, int64_t now_ns, time_text_instant *out,
                               bool *out_is_right, varve_error *out_err)
{
    size_t at = vv_text_starts_with(text, VV_TEXT("now")) ? 3 : 0;
    *out_is_right = true;
    if (at == 3 && text.size == 3) {
        *out = time_text_of_ns(now_ns);
        return true;
    }
    while (at > 0 && at < text.size && text.data[at] == ' ') {
        at += 1;
    }
    bool has_sign = at < text.size && (text.data[at] == '-' || text.data[at] == '+');
    if (!has_sign) {
        return false;
    }
    bool is_back = text.data[at] == '-';
    at += 1;
    while (at > 1 && at < text.size && text.data[at] == ' ') {
        at += 1;
    }
    vv_span_text span;
    varve_error why;
    size_t used = vv_span_text_scan(vv_text_sub(text, at, SIZE_MAX), &span, &why);
    *out_is_right =
        used > 0 && at + used == text.size && time_text_shift(now_ns, &span, is_back, out);
    if (!*out_is_right) {
        VV_IGNORE(used > 0 && at + used == text.size
                      ? vv_fail(out_err, VARVE_E_INVALID, "at %zu: too far away", at + 1)
                      : time_text_move(&why, at, used, out_err));
    }
    return true;
}

/** "2 days ago", in the same manner. */
static bool time_text_ago(varve_text text, int64_t now_ns, time_text_instant *out,
                          bool *out_is_right, varve_error *out_err)
{
    vv_span_text span;
    varve_error why;
    if (!vv_text_ends_with(text, VV_TEXT(" ago"))) {
        return false;
    }
    varve_text head = vv_text_sub(text, 0, text.size - VV_TEXT(" ago").size);
    size_t used = vv_span_text_scan(head, &span, &why);
    *out_is_right = used > 0 && used == head.size && time_text_shift(now_ns, &span, true, out);
    if (!*out_is_right) {
        VV_IGNORE(used > 0 && used == head.size
                      ? vv_fail(out_err, VARVE_E_INVALID, "at 1: too far away")
                      : time_text_move(&why, 0, used, out_err));
    }
    return true;
}

/* ---- the calendar --------------------------------------------------------------------------- */

/** A date or a time of the day under way. */
typedef struct time_text_scan {
    varve_text text;
    size_t at;
    const vv_time_world *world;
    varve_error *err;
    int64_t days;     /* of the date, from 1970-01-01 */
    int64_t second;   /* of the day */
    int64_t ns;       /* of the second */
    bool is_relative; /* days are yet to be added to today */
} time_text_scan;

static bool time_text_bad(const time_text_scan *scan, size_t at, const char *why)
{
    VV_IGNORE(vv_fail(scan->err, VARVE_E_INVALID, "at %zu: %s", at + 1, why));
    return false;
}

static bool time_text_has(const time_text_scan *scan, size_t at, char c)
{
    return at < scan->text.size && scan->text.data[at] == c;
}

static bool time_text_is_digit(const time_text_scan *scan, size_t at)
{
    return at < scan->text.size && scan->text.data[at] >= '0' && scan->text.data[at] <= '9';
}

/** Two digits from low to high, which the position moves behind. */
static bool time_text_two(time_text_scan *scan, int64_t low, int64_t high, const char *wanted,
                          int64_t *out)
{
    size_t at = scan->at;
    if (!time_text_is_digit(scan, at) || !time_text_is_digit(scan, at + 1)) {
        return time_text_bad(scan, at, wanted);
    }
    *out = (scan->text.data[at] - '0') * 10 + (scan->text.data[at + 1] - '0');
    if (*out < low || *out > high) {
        return time_text_bad(scan, at, wanted);
    }
    scan->at += 2;
    return true;
}

/** The separator, if it is next; the position moves behind it. */
static bool time_text_take(time_text_scan *scan, char separator)
{
    bool is_next = time_text_has(scan, scan->at, separator);
    scan->at += is_next;
    return is_next;
}

/** YYYY[-MM[-DD]] */
static bool time_text_date(time_text_scan *scan)
{
    int64_t century;
    int64_t rest;
    int64_t month = 1;
    int64_t day = 1;
    if (!time_text_two(scan, 0, 99, "expected a time, such as 2026-01-02 03:04 or now-1h",
                       &century) ||
        !time_text_two(scan, 0, 99, "expected a year of four digits", &rest)) {
        return false;
    }
    int64_t year = century * 100 + rest;
    if (time_text_take(scan, '-')) {
        if (!time_text_two(scan, 1, 12, "expected a month, 01 to 12", &month)) {
            return false;
        }
        int64_t last = vv_civil_month_days(year, (uint32_t)month);
        if (time_text_take(scan, '-') &&
            !time_text_two(scan, 1, last, "expected a day of that month", &day)) {
            return false;
        }
    }
    vv_civil date = {.year = year, .month = (uint32_t)month, .day = (uint32_t)day};
    scan->days = vv_civil_to_days(date);
    return true;
}

/** Digits behind the second, floored to nanoseconds. */
static bool time_text_fraction(time_text_scan *scan)
{
    int64_t unit = TIME_TEXT_NS_PER_S / 10;
    if (!time_text_is_digit(scan, scan->at)) {
        return time_text_bad(scan, scan->at, "expected digits of the second");
    }
    for (; time_text_is_digit(scan, scan->at); scan->at += 1) {
        scan->ns += (scan->text.data[scan->at] - '0') * unit;
        unit /= 10;
    }
    return true;
}

/** HH[:MM[:SS[.digits]]] */
static bool time_text_clock(time_text_scan *scan)
{
    int64_t hour;
    int64_t minute = 0;
    int64_t second = 0;
    if (!time_text_two(scan, 0, 23, "expected an hour, 00 to 23", &hour)) {
        return false;
    }
    if (time_text_take(scan, ':')) {
        if (!time_text_two(scan, 0, 59, "expected a minute, 00 to 59", &minute)) {
            return false;
        }
        if (time_text_take(scan, ':') &&
            (!time_text_two(scan, 0, 59, "expected a second, 00 to 59", &second) ||
             (time_text_take(scan, '.') && !time_text_fraction(scan)))) {
            return false;
        }
    }
    scan->second = hour * 3600 + minute * 60 + second;
    return true;
}

/** today, yesterday, tomorrow; false when it is none of them. */
static bool time_text_day_word(time_text_scan *scan)
{
    static const struct {
        varve_text word;
        int64_t days;
    } words[] = {
        {VV_TEXT_INIT("today"), 0}, {VV_TEXT_INIT("yesterday"), -1}, {VV_TEXT_INIT("tomorrow"), 1}};
    for (size_t i = 0; i < VV_ARRAY_COUNT(words); i++) {
        if (vv_text_starts_with(scan->text, words[i].word)) {
            scan->at = words[i].word.size;
            scan->days = words[i].days;
            scan->is_relative = true;
            return true;
        }
    }
    return false;
}

/** A date, a word for one, or neither; then the time of the day. */
static bool time_text_date_and_clock(time_text_scan *scan)
{
    bool is_clock = time_text_has(scan, 2, ':') && time_text_is_digit(scan, 0);
    if (is_clock) {
        scan->is_relative = true;
        return time_text_clock(scan);
    }
    if (!time_text_day_word(scan) && !time_text_date(scan)) {
        return false;
    }
    bool has_letter = time_text_has(scan, scan->at, 'T') || time_text_has(scan, scan->at, 't');
    bool has_space = time_text_has(scan, scan->at, ' ') && time_text_is_digit(scan, scan->at + 1);
    if (!has_letter && !has_space) {
        return true;
    }
    scan->at += 1;
    return time_text_clock(scan);
}

/** The zone named by the rest of the text; that of the world when there is no rest. */
static bool time_text_zone(time_text_scan *scan, int32_t *out_offset_s, vv_calendar_zone *out_zone)
{
    size_t spaces = 0;
    while (time_text_has(scan, scan->at + spaces, ' ')) {
        spaces += 1;
    }
    varve_text name = vv_text_sub(scan->text, scan->at + spaces, SIZE_MAX);
    bool is_given = name.size > 0;
    if (!is_given) {
        spaces = 0;
        name = scan->world->zone;
    }
    *out_zone = (vv_calendar_zone){.context = NULL};
    *out_offset_s = 0;
    bool is_at_end = !is_given && scan->at < scan->text.size; /* blanks at the end */
    if (!is_at_end &&
        (vv_text_equal_nocase(name, VV_TEXT("utc")) || vv_text_equal(name, VV_TEXT("z")) ||
         vv_calendar_parse_offset(name, out_offset_s))) {
        return true;
    }
    bool is_glued = is_given && spaces == 0; /* "2026-01x" is no zone */
    if (!is_at_end && !is_glued && scan->world->find_zone != NULL &&
        scan->world->find_zone(scan->world->context, name, out_zone)) {
        return true;
    }
    return time_text_bad(scan, scan->at + spaces,
                         is_glued || is_at_end ? "expected the end of the time, or a zone"
                                               : "there is no such time zone");
}

static int64_t time_text_offset_at(int32_t offset_s, const vv_calendar_zone *zone, int64_t unix_s)
{
    return zone->offset_at == NULL ? offset_s : zone->offset_at(zone->context, unix_s);
}

static bool time_text_calendar(varve_text text, const vv_time_world *world, time_text_instant *out,
                               varve_error *out_err)
{
    time_text_scan scan = {.text = text, .world = world, .err = out_err};
    int32_t offset_s;
    vv_calendar_zone zone;
    if (!time_text_date_and_clock(&scan) || !time_text_zone(&scan, &offset_s, &zone)) {
        return false;
    }
    if (scan.is_relative) {
        int64_t now_s = vv_floor_div_i64(world->now_ns, TIME_TEXT_NS_PER_S);
        now_s += time_text_offset_at(offset_s, &zone, now_s);
        scan.days += vv_floor_div_i64(now_s, TIME_TEXT_S_PER_DAY);
    }
    int64_t local_s = scan.days * TIME_TEXT_S_PER_DAY + scan.second;
    out->s =
        zone.local_to_utc == NULL ? local_s - offset_s : zone.local_to_utc(zone.context, local_s);
    out->ns = scan.ns;
    return true;
}

static bool time_text_rfc3339(varve_text text, time_text_instant *out)
{
    uint32_t ns;
    if (!vv_text_parse_rfc3339_parts(text, &out->s, &ns)) {
        return false;
    }
    out->ns = ns;
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static bool time_text_instant_of(varve_text text, const vv_time_world *world,
                                 time_text_instant *out, varve_error *out_err)
{
    /* A year of four digits is a number of seconds in 1970 too; it is taken as a year. */
    bool is_number = text.size != 4 && (time_text_whole(text, out) || time_text_decimal(text, out));
    bool is_right;
    if (is_number || time_text_rfc3339(text, out)) {
        return true;
    }
    if (time_text_relative(text, world->now_ns, out, &is_right, out_err) ||
        time_text_ago(text, world->now_ns, out, &is_right, out_err)) {
        return is_right || time_text_float(text, out);
    }
    return time_text_calendar(text, world, out, out_err) ||
           (text.size == 4 && time_text_whole(text, out)) || time_text_float(text, out);
}

varve_status vv_time_text_parse_in(varve_text text, const vv_time_world *world, uint32_t precision,
                                   int64_t *out_timestamp, varve_error *out_err)
{
    time_text_instant instant = {0};
    if (!time_text_instant_of(text, world, &instant, out_err)) {
        return VARVE_E_INVALID;
    }
    int64_t per_second = vv_precision_per_second(precision);
    int64_t whole;
    if (per_second == 0 || !vv_mul_i64(instant.s, per_second, &whole) ||
        !vv_add_i64(whole, instant.ns / (TIME_TEXT_NS_PER_S / per_second), &whole)) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is outside of what %s can hold",
                       (int)(text.size < 64 ? text.size : 64), text.data,
                       vv_precision_name(precision));
    }
    *out_timestamp = whole;
    return VARVE_OK;
}

varve_status vv_time_text_parse(varve_text text, int64_t now_ns, uint32_t precision,
                                int64_t *out_timestamp, varve_error *out_err)
{
    vv_time_world world = {.now_ns = now_ns};
    return vv_time_text_parse_in(text, &world, precision, out_timestamp, out_err);
}

bool vv_duration_text_is_exact(varve_text text)
{
    double seconds;
    int64_t ns;
    vv_span_text span;
    if (vv_text_parse_duration(text, &ns)) {
        return true;
    }
    if (vv_text_parse_f64(text, &seconds)) {
        double exact = seconds * 1e9;
        double off = fabs(exact - nearbyint(exact));
        return off <= 1e-3 + fabs(exact) * 1e-15; /* the digits of a double are not at fault */
    }
    return vv_span_text_parse(text, &span, NULL) == VARVE_OK && !span.is_inexact;
}

varve_status vv_duration_text_parse(varve_text text, int64_t *out_ns, varve_error *out_err)
{
    double seconds;
    vv_span_text span;
    if (vv_text_parse_duration(text, out_ns)) {
        return VARVE_OK;
    }
    if (vv_text_parse_f64(text, &seconds) && seconds > -9.2e9 && seconds < 9.2e9) {
        double ns = seconds * 1e9;
        *out_ns = (int64_t)(ns < 0 ? ns - 0.5 : ns + 0.5);
        return VARVE_OK;
    }
    VV_TRY(vv_span_text_parse(text, &span, out_err));
    if (span.months > 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "at 1: a month has no fixed length here");
    }
    *out_ns = span.ns;
    return VARVE_OK;
}

bool vv_precision_text_parse(varve_text text, uint32_t fallback, uint32_t *out_precision)
{
    if (text.size == 0) {
        *out_precision = fallback;
        return true;
    }
    for (uint32_t precision = VARVE_PRECISION_NS; precision <= VARVE_PRECISION_S; precision++) {
        if (vv_text_equal(text, vv_text_from_string(vv_precision_name(precision)))) {
            *out_precision = precision;
            return true;
        }
    }
    return false;
}
