/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations ("1h30m") and instants (RFC 3339) as text.
 *
 * Both are built as (seconds, nanoseconds of the second) or as a checked sum, so nothing overflows
 * before it is known to fit.
 */
#include "base/text.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/civil.h"
#include "base/text_priv.h"

#define TEXT_TIME_NS_PER_S  INT64_C(1000000000)
#define TEXT_TIME_S_PER_DAY INT64_C(86400)

typedef struct text_time_unit {
    const char *name;
    int64_t ns;
} text_time_unit;

/* Descending, the order in which they may follow each other. */
static const text_time_unit text_time_units[] = {
    {"y", 365 * TEXT_TIME_S_PER_DAY *TEXT_TIME_NS_PER_S},
    {"w", 7 * TEXT_TIME_S_PER_DAY *TEXT_TIME_NS_PER_S},
    {"d", TEXT_TIME_S_PER_DAY *TEXT_TIME_NS_PER_S},
    {"h", 3600 * TEXT_TIME_NS_PER_S},
    {"m", 60 * TEXT_TIME_NS_PER_S},
    {"s", TEXT_TIME_NS_PER_S},
    {"ms", 1000000},
    {"us", 1000},
    {"ns", 1},
};

/* ---- durations ---- */

/* Index of the unit at the beginning of text, the longest that fits; the count of units when none
 * does. */
static size_t text_time_find_unit(varve_text text, size_t *out_size)
{
    size_t found = VV_ARRAY_COUNT(text_time_units);
    *out_size = 0;
    for (size_t index = 0; index < VV_ARRAY_COUNT(text_time_units); index++) {
        varve_text name = vv_text_from_string(text_time_units[index].name);
        if (name.size > *out_size && vv_text_starts_with(text, name)) {
            found = index;
            *out_size = name.size;
        }
    }
    return found;
}

/* Parts from position on. Returns where they end; 0 when there is none or the sum does not fit. The
 * sum is kept negative, where int64_t reaches further. */
static size_t text_time_scan_parts(varve_text text, size_t position, int64_t *out_negative_sum)
{
    int64_t sum = 0;
    size_t next_unit = 0;
    size_t begin = position;
    while (position < text.size && vv_text_is_digit(text.data[position])) {
        uint64_t number;
        size_t digits =
            vv_text_scan_u64(vv_text_make(text.data + position, text.size - position), &number);
        size_t unit_begin = position + digits;
        size_t unit_size;
        size_t unit = text_time_find_unit(
            vv_text_make(text.data + unit_begin, text.size - unit_begin), &unit_size);
        if (digits == 0 || unit < next_unit || unit == VV_ARRAY_COUNT(text_time_units)) {
            return 0;
        }
        int64_t part;
        if (number > (uint64_t)INT64_MAX + 1 ||
            !vv_mul_i64((int64_t)(0 - number), text_time_units[unit].ns, &part) ||
            !vv_add_i64(sum, part, &sum)) {
            return 0;
        }
        next_unit = unit + 1;
        position = unit_begin + unit_size;
    }
    *out_negative_sum = sum;
    return position == begin ? 0 : position;
}

size_t vv_text_scan_duration(varve_text text, int64_t *out_ns)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t begin = is_negative ? 1 : 0;
    bool is_zero =
        text.size > begin && text.data[begin] == '0' &&
        (text.size == begin + 1 || !((text.data[begin + 1] >= '0' && text.data[begin + 1] <= '9') ||
                                     (text.data[begin + 1] >= 'a' && text.data[begin + 1] <= 'z')));
    if (is_zero) {
        *out_ns = 0;
        return begin + 1;
    }
    int64_t negative_sum;
    size_t end = text_time_scan_parts(text, begin, &negative_sum);
    if (end == 0 || (!is_negative && negative_sum == INT64_MIN)) {
        return 0;
    }
    *out_ns = is_negative ? negative_sum : -negative_sum;
    return end;
}

bool vv_text_parse_duration(varve_text text, int64_t *out_ns)
{
    int64_t ns;
    if (text.size == 0 || vv_text_scan_duration(text, &ns) != text.size) {
        return false;
    }
    *out_ns = ns;
    return true;
}

size_t vv_text_print_duration(char *target, int64_t ns)
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    size_t size = 0;
    if (ns < 0) {
        target[size] = '-';
        size += 1;
    }
    if (left == 0) {
        memcpy(target, "0s", 2);
        return 2;
    }
    for (size_t index = 0; index < VV_ARRAY_COUNT(text_time_units); index++) {
        const text_time_unit *unit = &text_time_units[index];
        uint64_t unit_ns = (uint64_t)unit->ns;
        VV_ASSERT(unit_ns > 0);
        bool is_rough = index < 2; /* years and weeks hide days unless they are all there is */
        if (left < unit_ns || (is_rough && left % unit_ns != 0)) {
            continue;
        }
        size += vv_text_print_u64(target + size, left / unit_ns);
        size_t name_size = strlen(unit->name);
        memcpy(target + size, unit->name, name_size);
        size += name_size;
        left %= unit_ns;
    }
    return size;
}

/* ---- instants: reading ---- */

/* Exactly count digits at position; false when they are not there. */
static bool text_time_number(varve_text text, size_t position, size_t count, uint32_t *out_number)
{
    if (position > text.size || count > text.size - position) {
        return false;
    }
    uint32_t number = 0;
    for (size_t index = position; index < position + count; index++) {
        if (!vv_text_is_digit(text.data[index])) {
            return false;
        }
        number = number * 10 + (uint32_t)(text.data[index] - '0');
    }
    *out_number = number;
    return true;
}

static bool text_time_is(varve_text text, size_t position, const char *one_of)
{
    return position < text.size && strchr(one_of, text.data[position]) != NULL &&
           text.data[position] != '\0';
}

/* "2026-01-02": day number. */
static bool text_time_date(varve_text text, int64_t *out_days)
{
    uint32_t year;
    vv_civil date;
    if (!text_time_number(text, 0, 4, &year) || !text_time_is(text, 4, "-") ||
        !text_time_number(text, 5, 2, &date.month) || !text_time_is(text, 7, "-") ||
        !text_time_number(text, 8, 2, &date.day)) {
        return false;
    }
    date.year = year;
    if (date.month < 1 || date.month > 12 || date.day < 1 ||
        date.day > vv_civil_month_days(date.year, date.month)) {
        return false;
    }
    *out_days = vv_civil_to_days(date);
    return true;
}

/* "03:04:05" at position 11: second of the day. */
static bool text_time_of_day(varve_text text, int64_t *out_s)
{
    uint32_t hour;
    uint32_t minute;
    uint32_t second;
    if (!text_time_number(text, 11, 2, &hour) || !text_time_is(text, 13, ":") ||
        !text_time_number(text, 14, 2, &minute) || !text_time_is(text, 16, ":") ||
        !text_time_number(text, 17, 2, &second)) {
        return false;
    }
    *out_s = (int64_t)hour * 3600 + (int64_t)minute * 60 + (int64_t)second;
    return hour <= 23 && minute <= 59 && second <= 60;
}

/* ".678" at *position, which moves behind it; nothing there is 0. */
static bool text_time_fraction(varve_text text, size_t *position, uint32_t *out_ns)
{
    *out_ns = 0;
    if (!text_time_is(text, *position, ".")) {
        return true;
    }
    size_t index = *position + 1;
    uint32_t weight = 100000000;
    while (index < text.size && vv_text_is_digit(text.data[index])) {
        *out_ns += (uint32_t)(text.data[index] - '0') * weight;
        weight /= 10;
        index += 1;
    }
    bool has_digits = index > *position + 1;
    *position = index;
    return has_digits;
}

/* "Z" or "+hh:mm", up to the end of the text: seconds east of UTC. */
static bool text_time_offset(varve_text text, size_t position, int64_t *out_s)
{
    if (text_time_is(text, position, "Zz")) {
        *out_s = 0;
        return position + 1 == text.size;
    }
    uint32_t hour;
    uint32_t minute;
    if (!text_time_is(text, position, "+-") || !text_time_number(text, position + 1, 2, &hour) ||
        !text_time_is(text, position + 3, ":") ||
        !text_time_number(text, position + 4, 2, &minute) || position + 6 != text.size) {
        return false;
    }
    int64_t offset = (int64_t)hour * 3600 + (int64_t)minute * 60;
    *out_s = text.data[position] == '-' ? -offset : offset;
    return hour <= 23 && minute <= 59;
}

bool vv_text_parse_rfc3339_parts(varve_text text, int64_t *out_s, uint32_t *out_ns)
{
    int64_t days;
    int64_t second_of_day;
    int64_t offset_s;
    uint32_t ns;
    size_t position = 19;
    if (!text_time_date(text, &days) || !text_time_is(text, 10, "Tt ") ||
        !text_time_of_day(text, &second_of_day) || !text_time_fraction(text, &position, &ns) ||
        !text_time_offset(text, position, &offset_s)) {
        return false;
    }
    *out_s = days * TEXT_TIME_S_PER_DAY + second_of_day - offset_s;
    *out_ns = ns;
    return true;
}

bool vv_text_parse_rfc3339(varve_text text, int64_t *out_ns)
{
    int64_t s;
    uint32_t ns;
    if (!vv_text_parse_rfc3339_parts(text, &s, &ns)) {
        return false;
    }
    vv_i128 total = (vv_i128)s * TEXT_TIME_NS_PER_S + ns;
    if (total < INT64_MIN || total > INT64_MAX) {
        return false;
    }
    *out_ns = (int64_t)total;
    return true;
}

/* ---- instants: printing ---- */

static size_t text_time_print_pair(char *target, uint32_t number, char after)
{
    memcpy(target, vv_text_pairs + number * 2, 2);
    target[2] = after;
    return 3;
}

static size_t text_time_print_year(char *target, int64_t year)
{
    if (year >= 0 && year <= 9999) {
        memcpy(target, vv_text_pairs + year / 100 * 2, 2);
        memcpy(target + 2, vv_text_pairs + year % 100 * 2, 2);
        return 4;
    }
    /* ISO 8601's expanded form; more than six digits only far outside of what is stored. */
    char digits[VV_TEXT_I64_BYTES_MAX];
    uint64_t magnitude = year < 0 ? 0 - (uint64_t)year : (uint64_t)year;
    size_t count = vv_text_print_u64(digits, magnitude);
    size_t padding = count < 6 ? 6 - count : 0;
    target[0] = year < 0 ? '-' : '+';
    memset(target + 1, '0', padding);
    memcpy(target + 1 + padding, digits, count);
    return 1 + padding + count;
}

size_t vv_text_print_rfc3339_parts(char *target, int64_t s, uint32_t ns, uint32_t fraction_digits)
{
    VV_ASSERT(fraction_digits <= 9 && ns < TEXT_TIME_NS_PER_S);
    vv_civil date = vv_civil_of_days(vv_floor_div_i64(s, TEXT_TIME_S_PER_DAY));
    uint32_t second = (uint32_t)vv_floor_mod_i64(s, TEXT_TIME_S_PER_DAY);
    size_t size = text_time_print_year(target, date.year);
    target[size] = '-';
    size += 1;
    size += text_time_print_pair(target + size, date.month, '-');
    size += text_time_print_pair(target + size, date.day, 'T');
    size += text_time_print_pair(target + size, second / 3600, ':');
    size += text_time_print_pair(target + size, second / 60 % 60, ':');
    size += text_time_print_pair(target + size, second % 60, fraction_digits > 0 ? '.' : 'Z');
    if (fraction_digits == 0) {
        return size;
    }
    uint32_t weight = 100000000;
    for (uint32_t digit = 0; digit < fraction_digits; digit++) {
        target[size] = (char)('0' + ns / weight % 10);
        weight /= 10;
        size += 1;
    }
    target[size] = 'Z';
    return size + 1;
}

size_t vv_text_print_rfc3339(char *target, int64_t ns)
{
    int64_t s = vv_floor_div_i64(ns, TEXT_TIME_NS_PER_S);
    uint32_t fraction = (uint32_t)vv_floor_mod_i64(ns, TEXT_TIME_NS_PER_S);
    uint32_t digits = fraction == 0 ? 0 : 9;
    for (uint32_t rest = fraction; digits > 0 && rest % 10 == 0; rest /= 10) {
        digits -= 1;
    }
    return vv_text_print_rfc3339_parts(target, s, fraction, digits);
}
