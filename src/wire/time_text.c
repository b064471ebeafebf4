/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Times and durations of requests. An instant is held as whole seconds and nanoseconds within the
 * second, so that a database of seconds can be asked about years that nanoseconds cannot name.
 */

#include "wire/time_text.h"

#include <string.h>

#include "base/checked.h"
#include "base/civil.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"

#define TIME_TEXT_NS_PER_S INT64_C(1000000000)

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

/** Two digits at a place, or -1. */
static int64_t time_text_two(varve_text text, size_t at)
{
    if (at > text.size || text.size - at < 2 || text.data[at] < '0' || text.data[at] > '9' ||
        text.data[at + 1] < '0' || text.data[at + 1] > '9') {
        return -1;
    }
    return (text.data[at] - '0') * 10 + (text.data[at + 1] - '0');
}

/** YYYY[-MM[-DD[THH[:MM[:SS]]]]], UTC. */
static bool time_text_partial(varve_text text, time_text_instant *out)
{
    /* Length, and the separator before the part that ends there. */
    static const struct {
        size_t size;
        char separator;
    } parts[] = {{4, 0}, {7, '-'}, {10, '-'}, {13, 'T'}, {16, ':'}, {19, ':'}};
    int64_t values[6] = {0, 1, 1, 0, 0, 0};
    int64_t century = time_text_two(text, 0);
    int64_t rest = time_text_two(text, 2);
    if (century < 0 || rest < 0) {
        return false;
    }
    values[0] = century * 100 + rest;
    size_t part = 0;
    while (parts[part].size < text.size) {
        part += 1;
        if (part == VV_ARRAY_COUNT(parts)) {
            return false;
        }
        char separator = text.data[parts[part].size - 3];
        bool is_right = separator == parts[part].separator ||
                        (part == 3 && (separator == 't' || separator == ' '));
        values[part] = time_text_two(text, parts[part].size - 2);
        if (!is_right || values[part] < 0) {
            return false;
        }
    }
    if (parts[part].size != text.size || values[1] < 1 || values[1] > 12 || values[2] < 1 ||
        values[2] > (int64_t)vv_civil_month_days(values[0], (uint32_t)values[1]) ||
        values[3] > 23 || values[4] > 59 || values[5] > 59) {
        return false;
    }
    vv_civil date = {.year = values[0], .month = (uint32_t)values[1], .day = (uint32_t)values[2]};
    *out = (time_text_instant){.s = vv_civil_to_days(date) * 86400 + values[3] * 3600 +
                                    values[4] * 60 + values[5]};
    return true;
}

/** now, now-1d, now+5m, -1h, +5m. */
static bool time_text_relative(varve_text text, int64_t now_ns, time_text_instant *out)
{
    if (vv_text_starts_with(text, VV_TEXT("now"))) {
        text = vv_text_sub(text, 3, text.size);
        if (text.size == 0) {
            *out = time_text_of_ns(now_ns);
            return true;
        }
    }
    if (text.size < 2 || (text.data[0] != '-' && text.data[0] != '+')) {
        return false;
    }
    int64_t distance;
    if (text.data[1] == '-' || text.data[1] == '+' ||
        !vv_text_parse_duration(vv_text_sub(text, 1, text.size), &distance)) {
        return false;
    }
    *out = time_text_of_ns(text.data[0] == '-' ? vv_sat_sub_i64(now_ns, distance)
                                               : vv_sat_add_i64(now_ns, distance));
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

varve_status vv_time_text_parse(varve_text text, int64_t now_ns, uint32_t precision,
                                int64_t *out_timestamp, varve_error *out_err)
{
    time_text_instant instant = {0};
    /* A year of four digits is a number of seconds in 1970 too; the calendar form begins with a
     * separator behind it, except for the year alone, which is taken as a year. */
    bool is_year = text.size == 4;
    bool is_known = (is_year && time_text_partial(text, &instant)) ||
                    time_text_whole(text, &instant) || time_text_decimal(text, &instant) ||
                    time_text_relative(text, now_ns, &instant) ||
                    time_text_rfc3339(text, &instant) || time_text_partial(text, &instant) ||
                    time_text_float(text, &instant);
    if (!is_known) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no time",
                       (int)(text.size < 64 ? text.size : 64), text.data);
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

varve_status vv_duration_text_parse(varve_text text, int64_t *out_ns, varve_error *out_err)
{
    double seconds;
    if (vv_text_parse_duration(text, out_ns)) {
        return VARVE_OK;
    }
    if (vv_text_parse_f64(text, &seconds) && seconds > -9.2e9 && seconds < 9.2e9) {
        double ns = seconds * 1e9;
        *out_ns = (int64_t)(ns < 0 ? ns - 0.5 : ns + 0.5);
        return VARVE_OK;
    }
    return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no duration",
                   (int)(text.size < 64 ? text.size : 64), text.data);
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
