/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Times in cells of CSV. An instant is held as nanoseconds in 128 bits, exact for every form and
 * every precision, and floored once at the end.
 *
 * Layouts have the letters of strftime:
 *
 *     %Y 2026   %y 26 (1969 to 2068)   %m 01..12   %b Jan %B January   %d %e 01..31   %j 001..366
 *     %H 00..23   %I 01..12 with %p AM PM   %M 00..59   %S 00..60   %f digits of a fraction
 *     %z +hh:mm, +hhmm or Z   %Z UTC or GMT   %s Unix seconds   %a %A weekday, not looked at
 *     %F %Y-%m-%d   %D %m/%d/%y   %T %H:%M:%S   %R %H:%M   %% a percent sign
 *
 * Numbers may lack their leading zeros in reading. Names of months and days are English. Without %z
 * times are UTC.
 */

#include "wire/csv_cell.h"

#include <string.h>

#include "base/civil.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "model/time_range.h"

#define CSV_NS_PER_S INT64_C(1000000000)

/* Years that a layout of more than four digits could give have no use and would overflow. */
#define CSV_YEAR_DIGITS 4u

static const char *const csv_months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
static const char *const csv_days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};

static const struct {
    varve_text word;
    vv_csv_time_kind kind;
    int64_t per_second;
} csv_time_words[] = {
    {VV_TEXT_INIT("unix_s"), VV_CSV_UNIX_S, 1},
    {VV_TEXT_INIT("unix_ms"), VV_CSV_UNIX_MS, 1000},
    {VV_TEXT_INIT("unix_us"), VV_CSV_UNIX_US, 1000000},
    {VV_TEXT_INIT("unix_ns"), VV_CSV_UNIX_NS, CSV_NS_PER_S},
    {VV_TEXT_INIT("rfc3339"), VV_CSV_RFC3339, 0},
};

/* ---- layouts -------------------------------------------------------------------------------- */

/** What a letter stands for when it is short for several; NULL for the others. */
static const char *csv_time_expand(char letter)
{
    switch (letter) {
    case 'F':
        return "%Y-%m-%d";
    case 'D':
        return "%m/%d/%y";
    case 'T':
        return "%H:%M:%S";
    case 'R':
        return "%H:%M";
    default:
        return NULL;
    }
}

static varve_status csv_time_layout_check(varve_text layout, varve_error *out_err)
{
    static const char letters[] = "YymbBdejHIpMSfzZsaAFDTR%";
    bool has_year = false;
    if (layout.size > VV_CSV_LAYOUT_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "a layout of times is longer than %u bytes",
                       VV_CSV_LAYOUT_BYTES_MAX);
    }
    for (size_t at = 0; at < layout.size; at++) {
        if (layout.data[at] != '%') {
            continue;
        }
        at += 1;
        if (at == layout.size || layout.data[at] == '\0' ||
            memchr(letters, layout.data[at], sizeof letters - 1) == NULL) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "the layout \"%.*s\" has a %% without one of the letters %s",
                           VV_TEXT_ARGS(vv_text_sub(layout, 0, 64)), letters);
        }
        has_year = has_year || memchr("YysFD", layout.data[at], 5) != NULL;
    }
    return has_year ? VARVE_OK
                    : vv_fail(out_err, VARVE_E_INVALID,
                              "the layout \"%.*s\" has no year: %%Y, %%y, %%F, %%D or %%s",
                              VV_TEXT_ARGS(vv_text_sub(layout, 0, 64)));
}

varve_status vv_csv_time_parse(varve_text text, vv_csv_time *out_time, varve_error *out_err)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(csv_time_words); i++) {
        if (vv_text_equal(text, csv_time_words[i].word)) {
            *out_time = (vv_csv_time){.kind = csv_time_words[i].kind};
            return VARVE_OK;
        }
    }
    if (vv_text_starts_with(text, VV_TEXT("custom:"))) {
        varve_text layout = vv_text_sub(text, 7, text.size);
        VV_TRY(csv_time_layout_check(layout, out_err));
        *out_time = (vv_csv_time){.kind = VV_CSV_CUSTOM, .layout = layout};
        return VARVE_OK;
    }
    return vv_fail(out_err, VARVE_E_INVALID,
                   "\"%.*s\" is no form of times: unix_s, unix_ms, unix_us, unix_ns, rfc3339 or "
                   "custom:LAYOUT",
                   VV_TEXT_ARGS(vv_text_sub(text, 0, 64)));
}

void vv_csv_time_print(vv_buf *buf, const vv_csv_time *time)
{
    if (time->kind == VV_CSV_CUSTOM) {
        vv_buf_append_text(buf, VV_TEXT("custom:"));
        vv_buf_append_text(buf, time->layout);
        return;
    }
    vv_buf_append_text(buf, csv_time_words[time->kind].word);
}

vv_csv_time vv_csv_time_of_precision(uint32_t precision)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(csv_time_words); i++) {
        if (csv_time_words[i].per_second == vv_precision_per_second(precision)) {
            return (vv_csv_time){.kind = csv_time_words[i].kind};
        }
    }
    return (vv_csv_time){.kind = VV_CSV_UNIX_NS};
}

/* ---- reading -------------------------------------------------------------------------------- */

/** An instant: ns nanoseconds after 1970, and whether digits follow. */
typedef struct csv_instant {
    vv_i128 ns;
    bool has_more;
} csv_instant;

static bool csv_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** A number of units with decimals: 1700000000.25. */
static bool csv_time_decimal(varve_text text, int64_t per_second, csv_instant *out)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t at = is_negative || (text.size > 0 && text.data[0] == '+') ? 1 : 0;
    size_t begin = at;
    uint64_t whole = 0;
    int64_t scale = CSV_NS_PER_S / per_second; /* of a unit, then of each decimal */
    at += vv_text_scan_u64(vv_text_sub(text, at, text.size), &whole);
    if (at == begin || !csv_is_digit(text.data[begin])) {
        return false;
    }
    vv_i128 ns = (vv_i128)whole * scale;
    bool has_more = false;
    if (at < text.size && text.data[at] == '.') {
        at += 1;
        for (; at < text.size && csv_is_digit(text.data[at]); at++) {
            int64_t digit = text.data[at] - '0';
            scale = scale / 10; /* 0 below a nanosecond: scales are powers of ten */
            ns += digit * scale;
            has_more = has_more || (scale == 0 && digit != 0);
        }
    }
    if (at != text.size) {
        return false;
    }
    /* Towards the past, as everywhere. */
    out->ns = is_negative ? -ns - (has_more ? 1 : 0) : ns;
    out->has_more = has_more;
    return true;
}

/** A number of units as programs print floats: 1.7e9. */
static bool csv_time_float(varve_text text, int64_t per_second, csv_instant *out)
{
    double value;
    if (!vv_text_parse_f64(text, &value) || !(value > -9.3e18 && value < 9.3e18)) {
        return false;
    }
    int64_t unit_ns = CSV_NS_PER_S / per_second;
    vv_i128 whole = (vv_i128)value;
    whole -= (double)whole > value ? 1 : 0;
    double rest = (value - (double)whole) * (double)unit_ns;
    out->ns = whole * unit_ns + (int64_t)rest;
    out->has_more = (double)(int64_t)rest < rest;
    return true;
}

/** What the letters of a layout have given so far. */
typedef struct csv_parts {
    int64_t year;
    int64_t month;
    int64_t day;
    int64_t year_day; /* 0: not given */
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t fraction_ns;
    int64_t offset_s;
    int64_t unix_s;
    bool has_more; /* digits of the fraction below a nanosecond */
    bool has_unix; /* unix_s is the time */
    bool has_hour12;
    bool is_pm;
} csv_parts;

/** One to digits_max digits at *at. */
static bool csv_part_number(varve_text text, size_t *at, size_t digits_max, int64_t *out)
{
    int64_t value = 0;
    size_t end = *at;
    while (end < text.size && end - *at < digits_max && csv_is_digit(text.data[end])) {
        value = value * 10 + (text.data[end] - '0');
        end += 1;
    }
    bool has_digits = end > *at;
    *at = end;
    *out = value;
    return has_digits;
}

/** One of the names, whole or its first three letters, case ignored; its index. */
static bool csv_part_name(varve_text text, size_t *at, const char *const *names, size_t count,
                          int64_t *out)
{
    for (size_t i = 0; i < count; i++) {
        varve_text name = vv_text_from_string(names[i]);
        for (int pass = 0; pass < 2; pass++) {
            if (vv_text_equal_nocase(vv_text_sub(text, *at, name.size), name)) {
                *at += name.size;
                *out = (int64_t)i;
                return true;
            }
            name.size = 3;
        }
    }
    return false;
}

/** Z, +hh:mm, +hhmm or +hh. */
static bool csv_part_offset(varve_text text, size_t *at, int64_t *out)
{
    int64_t hours = 0;
    int64_t minutes = 0;
    if (*at == text.size) {
        return false;
    }
    char sign = text.data[*at];
    *at += 1;
    *out = 0;
    if (sign == 'Z' || sign == 'z') {
        return true;
    }
    size_t begin = *at;
    if ((sign != '+' && sign != '-') || !csv_part_number(text, at, 2, &hours) || *at - begin != 2) {
        return false;
    }
    bool has_colon = *at < text.size && text.data[*at] == ':';
    *at += has_colon ? 1 : 0;
    if (!csv_part_number(text, at, 2, &minutes) && has_colon) {
        return false;
    }
    *out = (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
    return hours < 24 && minutes < 60;
}

static bool csv_part_fraction(varve_text text, size_t *at, csv_parts *parts)
{
    int64_t scale = CSV_NS_PER_S;
    size_t begin = *at;
    for (; *at < text.size && csv_is_digit(text.data[*at]); *at += 1) {
        int64_t digit = text.data[*at] - '0';
        scale = scale / 10;
        parts->fraction_ns += digit * scale;
        parts->has_more = parts->has_more || (scale == 0 && digit != 0);
    }
    return *at > begin;
}

static bool csv_part_unix(varve_text text, size_t *at, csv_parts *parts)
{
    size_t used = vv_text_scan_i64(vv_text_sub(text, *at, text.size), &parts->unix_s);
    parts->has_unix = used > 0;
    *at += used;
    return used > 0;
}

static bool csv_part_zone(varve_text text, size_t *at)
{
    varve_text zone = vv_text_sub(text, *at, 3);
    *at += zone.size;
    return vv_text_equal_nocase(zone, VV_TEXT("UTC")) || vv_text_equal_nocase(zone, VV_TEXT("GMT"));
}

static bool csv_part_half(varve_text text, size_t *at, csv_parts *parts)
{
    varve_text half = vv_text_sub(text, *at, 2);
    *at += half.size;
    parts->is_pm = vv_text_equal_nocase(half, VV_TEXT("PM"));
    return parts->is_pm || vv_text_equal_nocase(half, VV_TEXT("AM"));
}

/** What one letter stands for, at *at. */
static bool csv_part(char letter, varve_text text, size_t *at, csv_parts *parts)
{
    int64_t ignored;
    bool is_good;
    switch (letter) {
    case 'Y':
        return csv_part_number(text, at, CSV_YEAR_DIGITS, &parts->year);
    case 'y':
        is_good = csv_part_number(text, at, 2, &parts->year);
        parts->year += parts->year < 69 ? 2000 : 1900;
        return is_good;
    case 'm':
        return csv_part_number(text, at, 2, &parts->month);
    case 'b':
    case 'B':
        is_good = csv_part_name(text, at, csv_months, VV_ARRAY_COUNT(csv_months), &parts->month);
        parts->month += 1;
        return is_good;
    case 'd':
    case 'e':
        return csv_part_number(text, at, 2, &parts->day);
    case 'j':
        return csv_part_number(text, at, 3, &parts->year_day) && parts->year_day > 0;
    case 'H':
        return csv_part_number(text, at, 2, &parts->hour);
    case 'I':
        parts->has_hour12 = true;
        return csv_part_number(text, at, 2, &parts->hour) && parts->hour >= 1 && parts->hour <= 12;
    case 'p':
        return csv_part_half(text, at, parts);
    case 'M':
        return csv_part_number(text, at, 2, &parts->minute);
    case 'S':
        return csv_part_number(text, at, 2, &parts->second);
    case 'f':
        return csv_part_fraction(text, at, parts);
    case 'z':
        return csv_part_offset(text, at, &parts->offset_s);
    case 'Z':
        return csv_part_zone(text, at);
    case 's':
        return csv_part_unix(text, at, parts);
    case 'a':
    case 'A':
        return csv_part_name(text, at, csv_days, VV_ARRAY_COUNT(csv_days), &ignored);
    default: /* the check of the layout left only the percent sign */
        *at += 1;
        return *at <= text.size && text.data[*at - 1] == '%';
    }
}

static bool csv_time_match(varve_text layout, varve_text text, size_t *at, csv_parts *parts)
{
    for (size_t i = 0; i < layout.size; i++) {
        if (layout.data[i] != '%') {
            if (*at == text.size || text.data[*at] != layout.data[i]) {
                return false;
            }
            *at += 1;
            continue;
        }
        i += 1;
        const char *expanded = csv_time_expand(layout.data[i]);
        bool is_good = expanded != NULL ? csv_time_match(vv_text_from_string(expanded), text, at,
                                                         parts) /* once */
                                        : csv_part(layout.data[i], text, at, parts);
        if (!is_good) {
            return false;
        }
    }
    return true;
}

/** The parts as an instant; false when there is no such day or time of day. */
static bool csv_parts_join(csv_parts *parts, csv_instant *out)
{
    if (parts->has_hour12) {
        parts->hour = parts->hour % 12 + (parts->is_pm ? 12 : 0);
    }
    if (parts->month < 1 || parts->month > 12 || parts->day < 1 ||
        parts->day > (int64_t)vv_civil_month_days(parts->year, (uint32_t)parts->month) ||
        parts->hour > 23 || parts->minute > 59 || parts->second > 60 ||
        parts->year_day > (vv_civil_is_leap(parts->year) ? 366 : 365)) {
        return false;
    }
    vv_civil date = {
        .year = parts->year, .month = (uint32_t)parts->month, .day = (uint32_t)parts->day};
    if (parts->year_day > 0) {
        date.month = 1;
        date.day = 1;
    }
    int64_t days = vv_civil_to_days(date) + (parts->year_day > 0 ? parts->year_day - 1 : 0);
    int64_t s = days * 86400 + parts->hour * 3600 + parts->minute * 60 + parts->second;
    vv_i128 seconds = parts->has_unix ? (vv_i128)parts->unix_s : (vv_i128)s - parts->offset_s;
    out->ns = seconds * CSV_NS_PER_S + parts->fraction_ns;
    out->has_more = parts->has_more;
    return true;
}

static bool csv_time_custom(varve_text layout, varve_text text, csv_instant *out)
{
    csv_parts parts = {.year = 1970, .month = 1, .day = 1};
    size_t at = 0;
    return csv_time_match(layout, text, &at, &parts) && at == text.size &&
           csv_parts_join(&parts, out);
}

/** RFC 3339; or without its zone, seconds or time of day: UTC. */
static bool csv_time_rfc3339(varve_text text, csv_instant *out)
{
    static const varve_text layouts[] = {
        VV_TEXT_INIT("%Y-%m-%d"),
        VV_TEXT_INIT("%Y-%m-%dT%H:%M:%S"),
        VV_TEXT_INIT("%Y-%m-%d %H:%M:%S"),
        VV_TEXT_INIT("%Y-%m-%dT%H:%M:%S.%f"),
        VV_TEXT_INIT("%Y-%m-%d %H:%M:%S.%f"),
        VV_TEXT_INIT("%Y-%m-%dT%H:%M"),
        VV_TEXT_INIT("%Y-%m-%d %H:%M"),
        VV_TEXT_INIT("%Y-%m-%d %H:%M:%S%z"),
        VV_TEXT_INIT("%Y-%m-%d %H:%M:%S %z"),
    };
    int64_t s;
    uint32_t ns;
    if (vv_text_parse_rfc3339_parts(text, &s, &ns)) {
        *out = (csv_instant){.ns = (vv_i128)s * CSV_NS_PER_S + ns};
        return true;
    }
    if (text.size < 10 || text.data[4] != '-') {
        return false;
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(layouts); i++) {
        if (csv_time_custom(layouts[i], text, out)) {
            return true;
        }
    }
    return false;
}

static bool csv_time_instant(const vv_csv_time *time, varve_text cell, csv_instant *out)
{
    switch (time->kind) {
    case VV_CSV_UNIX_S:
    case VV_CSV_UNIX_MS:
    case VV_CSV_UNIX_US:
    case VV_CSV_UNIX_NS: {
        int64_t per_second = csv_time_words[time->kind].per_second;
        return cell.size <= VV_CSV_NUMBER_BYTES_MAX &&
               (csv_time_decimal(cell, per_second, out) || csv_time_float(cell, per_second, out));
    }
    case VV_CSV_RFC3339:
        return csv_time_rfc3339(cell, out);
    case VV_CSV_CUSTOM:
        return csv_time_custom(time->layout, cell, out);
    }
    return false;
}

varve_status vv_csv_time_read(const vv_csv_time *time, varve_text cell, uint32_t precision,
                              int64_t *out_timestamp, bool *out_lost, varve_error *out_err)
{
    csv_instant instant = {0};
    int64_t per_second = vv_precision_per_second(precision);
    cell = vv_text_trim(cell);
    if (time->kind != VV_CSV_CUSTOM && time->kind != VV_CSV_RFC3339 &&
        csv_time_words[time->kind].per_second == per_second &&
        vv_text_parse_i64(cell, out_timestamp)) {
        return VARVE_OK; /* most cells: a whole number in the unit of the database */
    }
    varve_text shown = vv_text_sub(cell, 0, 64);
    if (!csv_time_instant(time, cell, &instant)) {
        varve_text form = time->kind == VV_CSV_CUSTOM ? vv_text_sub(time->layout, 0, 64)
                                                      : csv_time_words[time->kind].word;
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is no time as %.*s", VV_TEXT_ARGS(shown),
                       VV_TEXT_ARGS(form));
    }
    int64_t unit_ns = CSV_NS_PER_S / per_second;
    vv_i128 whole = instant.ns / unit_ns;
    vv_i128 rest = instant.ns % unit_ns;
    whole -= rest < 0 ? 1 : 0;
    if (whole < INT64_MIN || whole > INT64_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "\"%.*s\" is outside of what %s can hold",
                       VV_TEXT_ARGS(shown), vv_precision_name(precision));
    }
    *out_lost = *out_lost || rest != 0 || instant.has_more;
    *out_timestamp = (int64_t)whole;
    return VARVE_OK;
}

/* ---- writing -------------------------------------------------------------------------------- */

/** Whole seconds, the nanoseconds behind them, and how many digits of those the precision has. */
typedef struct csv_broken {
    int64_t s;
    int64_t ns;
    vv_civil date;
    int64_t days;
    int64_t of_day; /* seconds */
    uint32_t precision;
} csv_broken;

static void csv_put_fraction(vv_buf *buf, const csv_broken *time)
{
    char digits[12];
    size_t wanted = 9;
    for (int64_t unit = CSV_NS_PER_S / vv_precision_per_second(time->precision); unit > 1;
         unit /= 10) {
        wanted -= 1;
    }
    vv_text_format(digits, sizeof digits, "%09lld", (long long)time->ns);
    vv_buf_append(buf, digits, wanted == 0 ? 1 : wanted); /* %f is a digit at least */
}

static void csv_put_name(vv_buf *buf, const char *name, bool is_whole)
{
    varve_text text = vv_text_from_string(name);
    vv_buf_append_text(buf, is_whole ? text : vv_text_sub(text, 0, 3));
}

static void csv_put_letter(vv_buf *buf, char letter, const csv_broken *time)
{
    int64_t hour = time->of_day / 3600;
    vv_civil new_year = {.year = time->date.year, .month = 1, .day = 1};
    switch (letter) {
    case 'Y':
        vv_buf_append_format(buf, "%04lld", (long long)time->date.year);
        break;
    case 'y':
        vv_buf_append_format(buf, "%02lld", (long long)vv_floor_mod_i64(time->date.year, 100));
        break;
    case 'm':
        vv_buf_append_format(buf, "%02u", time->date.month);
        break;
    case 'b':
    case 'B':
        csv_put_name(buf, csv_months[time->date.month - 1], letter == 'B');
        break;
    case 'd':
        vv_buf_append_format(buf, "%02u", time->date.day);
        break;
    case 'e':
        vv_buf_append_format(buf, "%u", time->date.day);
        break;
    case 'j':
        vv_buf_append_format(buf, "%03lld",
                             (long long)(time->days - vv_civil_to_days(new_year) + 1));
        break;
    case 'H':
        vv_buf_append_format(buf, "%02lld", (long long)hour);
        break;
    case 'I':
        vv_buf_append_format(buf, "%02lld", (long long)((hour + 11) % 12 + 1));
        break;
    case 'p':
        vv_buf_append_text(buf, hour >= 12 ? VV_TEXT("PM") : VV_TEXT("AM"));
        break;
    case 'M':
        vv_buf_append_format(buf, "%02lld", (long long)(time->of_day / 60 % 60));
        break;
    case 'S':
        vv_buf_append_format(buf, "%02lld", (long long)(time->of_day % 60));
        break;
    case 'f':
        csv_put_fraction(buf, time);
        break;
    case 'z':
        vv_buf_append_text(buf, VV_TEXT("+0000"));
        break;
    case 'Z':
        vv_buf_append_text(buf, VV_TEXT("UTC"));
        break;
    case 's':
        vv_buf_append_format(buf, "%lld", (long long)time->s);
        break;
    case 'a':
    case 'A':
        csv_put_name(buf, csv_days[vv_civil_weekday(time->days)], letter == 'A');
        break;
    default:
        vv_buf_append_char(buf, letter);
        break;
    }
}

/** True when the layout has a letter for fractions. */
static bool csv_put_layout(vv_buf *buf, varve_text layout, const csv_broken *time)
{
    bool has_fraction = false;
    for (size_t i = 0; i < layout.size; i++) {
        if (layout.data[i] != '%') {
            vv_buf_append_char(buf, layout.data[i]);
            continue;
        }
        i += 1;
        const char *expanded = csv_time_expand(layout.data[i]);
        has_fraction = has_fraction || layout.data[i] == 'f';
        if (expanded != NULL) {
            csv_put_layout(buf, vv_text_from_string(expanded), time); /* once */
        } else {
            csv_put_letter(buf, layout.data[i], time);
        }
    }
    return has_fraction;
}

void vv_csv_time_write(vv_buf *buf, const vv_csv_time *time, int64_t timestamp, uint32_t precision,
                       bool *out_lost)
{
    char text[VV_TEXT_RFC3339_BYTES_MAX];
    int64_t per_second = vv_precision_per_second(precision);
    int64_t s = vv_floor_div_i64(timestamp, per_second);
    int64_t ns = vv_floor_mod_i64(timestamp, per_second) * (CSV_NS_PER_S / per_second);
    if (time->kind == VV_CSV_RFC3339) {
        uint32_t digits = precision == VARVE_PRECISION_NS   ? 9
                          : precision == VARVE_PRECISION_US ? 6
                          : precision == VARVE_PRECISION_MS ? 3
                                                            : 0;
        vv_buf_append(buf, text, vv_text_print_rfc3339_parts(text, s, (uint32_t)ns, digits));
        return;
    }
    if (time->kind == VV_CSV_CUSTOM) {
        csv_broken broken = {.s = s, .ns = ns, .precision = precision};
        broken.days = vv_floor_div_i64(s, 86400);
        broken.of_day = vv_floor_mod_i64(s, 86400);
        broken.date = vv_civil_of_days(broken.days);
        bool has_fraction = csv_put_layout(buf, time->layout, &broken);
        *out_lost = *out_lost || (ns != 0 && !has_fraction);
        return;
    }
    /* Beyond 64 bits only where a coarser precision is written as a finer one: decimals then. */
    int64_t unit = csv_time_words[time->kind].per_second;
    vv_i128 whole = unit >= per_second ? (vv_i128)timestamp * (unit / per_second)
                                       : (vv_i128)vv_floor_div_i64(timestamp, per_second / unit);
    if (unit < per_second && vv_floor_mod_i64(timestamp, per_second / unit) != 0) {
        *out_lost = true;
    }
    if (whole >= INT64_MIN && whole <= INT64_MAX) {
        vv_buf_append(buf, text, vv_text_print_i64(text, (int64_t)whole));
        return;
    }
    vv_buf_append(buf, text, vv_text_print_i64(text, timestamp));
    for (int64_t factor = unit / per_second; factor > 1; factor /= 10) {
        vv_buf_append_char(buf, '0');
    }
}
