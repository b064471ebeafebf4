/* SPDX-License-Identifier: Apache-2.0 */

#include "wire/span_text.h"

#include <string.h>

#include "base/checked.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"

#define SPAN_NS_PER_S   INT64_C(1000000000)
#define SPAN_NS_PER_DAY (86400 * SPAN_NS_PER_S)

static const struct {
    int64_t ns;
    int64_t months;
} span_units[VV_SPAN_UNIT_COUNT] = {
    [VV_SPAN_YEAR] = {.ns = 365 * SPAN_NS_PER_DAY},
    [VV_SPAN_QUARTER] = {.months = 3},
    [VV_SPAN_MONTH] = {.months = 1},
    [VV_SPAN_WEEK] = {.ns = 7 * SPAN_NS_PER_DAY},
    [VV_SPAN_DAY] = {.ns = SPAN_NS_PER_DAY},
    [VV_SPAN_HOUR] = {.ns = 3600 * SPAN_NS_PER_S},
    [VV_SPAN_MINUTE] = {.ns = 60 * SPAN_NS_PER_S},
    [VV_SPAN_SECOND] = {.ns = SPAN_NS_PER_S},
    [VV_SPAN_MS] = {.ns = 1000000},
    [VV_SPAN_US] = {.ns = 1000},
    [VV_SPAN_NS] = {.ns = 1},
};

static const struct {
    const char *word;
    vv_span_unit unit;
} span_words[] = {
    {"y", VV_SPAN_YEAR},          {"yr", VV_SPAN_YEAR},
    {"yrs", VV_SPAN_YEAR},        {"year", VV_SPAN_YEAR},
    {"years", VV_SPAN_YEAR},      {"q", VV_SPAN_QUARTER},
    {"quarter", VV_SPAN_QUARTER}, {"quarters", VV_SPAN_QUARTER},
    {"mo", VV_SPAN_MONTH},        {"month", VV_SPAN_MONTH},
    {"months", VV_SPAN_MONTH},    {"w", VV_SPAN_WEEK},
    {"wk", VV_SPAN_WEEK},         {"wks", VV_SPAN_WEEK},
    {"week", VV_SPAN_WEEK},       {"weeks", VV_SPAN_WEEK},
    {"d", VV_SPAN_DAY},           {"day", VV_SPAN_DAY},
    {"days", VV_SPAN_DAY},        {"h", VV_SPAN_HOUR},
    {"hr", VV_SPAN_HOUR},         {"hrs", VV_SPAN_HOUR},
    {"hour", VV_SPAN_HOUR},       {"hours", VV_SPAN_HOUR},
    {"m", VV_SPAN_MINUTE},        {"min", VV_SPAN_MINUTE},
    {"mins", VV_SPAN_MINUTE},     {"minute", VV_SPAN_MINUTE},
    {"minutes", VV_SPAN_MINUTE},  {"s", VV_SPAN_SECOND},
    {"sec", VV_SPAN_SECOND},      {"secs", VV_SPAN_SECOND},
    {"second", VV_SPAN_SECOND},   {"seconds", VV_SPAN_SECOND},
    {"ms", VV_SPAN_MS},           {"us", VV_SPAN_US},
    {"\xc2\xb5s", VV_SPAN_US},    {"\xce\xbcs", VV_SPAN_US},
    {"ns", VV_SPAN_NS},
};

/** The text, how far it is read, and what came out. */
typedef struct span_scan {
    varve_text text;
    size_t at;
    size_t part; /* where the part under way begins */
    vv_span_text span;
    size_t parts;
    varve_error *err;
} span_scan;

static bool span_bad(const span_scan *scan, size_t at, const char *why)
{
    VV_IGNORE(vv_fail(scan->err, VARVE_E_INVALID, "at %zu: %s", at + 1, why));
    return false;
}

static bool span_is_digit(const span_scan *scan, size_t at)
{
    return at < scan->text.size && scan->text.data[at] >= '0' && scan->text.data[at] <= '9';
}

/** Letters, and every byte beyond ASCII. */
static bool span_is_letter(const span_scan *scan, size_t at)
{
    unsigned char c = at < scan->text.size ? (unsigned char)scan->text.data[at] : 0;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static void span_skip_spaces(span_scan *scan)
{
    while (scan->at < scan->text.size && scan->text.data[scan->at] == ' ') {
        scan->at += 1;
    }
}

static bool span_unit(span_scan *scan, vv_span_unit *out_unit)
{
    size_t begin = scan->at;
    while (span_is_letter(scan, scan->at)) {
        scan->at += 1;
    }
    varve_text word = vv_text_sub(scan->text, begin, scan->at - begin);
    for (size_t i = 0; i < VV_ARRAY_COUNT(span_words); i++) {
        if (vv_text_equal(word, vv_text_from_string(span_words[i].word))) {
            *out_unit = span_words[i].unit;
            return true;
        }
    }
    return span_bad(scan, begin, "expected a unit: ns us ms s m h d w mo y");
}

/** The digits behind a point, as nanoseconds: exact, floored. */
static int64_t span_fraction(span_scan *scan, size_t begin, size_t end, int64_t unit_ns)
{
    int64_t ns = 0;
    int64_t rest = unit_ns;
    bool is_rest_exact = true;
    for (size_t at = begin; at < end; at++) {
        /* Units are 2^a 3^b 5^c ns: what a digit leaves over matters below a nanosecond only. */
        int64_t digit = scan->text.data[at] - '0';
        bool is_exact = digit == 0 || (is_rest_exact && digit * rest % 10 == 0);
        scan->span.is_inexact = scan->span.is_inexact || !is_exact;
        ns += digit * rest / 10;
        is_rest_exact = is_rest_exact && rest % 10 == 0;
        rest /= 10;
    }
    return ns;
}

static bool span_add(span_scan *scan, vv_span_unit unit, uint64_t whole, int64_t fraction_ns)
{
    int64_t months;
    int64_t ns;
    if (whole > INT64_MAX || !vv_mul_i64((int64_t)whole, span_units[unit].months, &months) ||
        !vv_mul_i64((int64_t)whole, span_units[unit].ns, &ns) ||
        !vv_add_i64(ns, fraction_ns, &ns) ||
        !vv_add_i64(scan->span.months, months, &scan->span.months) ||
        !vv_add_i64(scan->span.ns, ns, &scan->span.ns)) {
        return span_bad(scan, scan->part, "the span is too long");
    }
    return true;
}

static bool span_part(span_scan *scan)
{
    uint64_t whole;
    vv_span_unit unit;
    scan->part = scan->at;
    size_t digits = span_is_digit(scan, scan->at)
                        ? vv_text_scan_u64(vv_text_sub(scan->text, scan->at, SIZE_MAX), &whole)
                        : 0;
    if (digits == 0) {
        return span_bad(scan, scan->at, "expected a number and a unit, such as 90s or 1h30m");
    }
    scan->at += digits;
    size_t fraction = scan->at + 1;
    size_t fraction_end = fraction;
    bool has_fraction = scan->at < scan->text.size && scan->text.data[scan->at] == '.';
    while (has_fraction && span_is_digit(scan, fraction_end)) {
        fraction_end += 1;
    }
    scan->at = has_fraction ? fraction_end : scan->at;
    span_skip_spaces(scan);
    size_t unit_at = scan->at;
    if (!span_unit(scan, &unit)) {
        return false;
    }
    if (scan->parts > 0 && unit <= scan->span.unit) {
        return span_bad(scan, unit_at, "units come from large to small, each once");
    }
    if (has_fraction && span_units[unit].months > 0) {
        return span_bad(scan, scan->part, "months and quarters are whole");
    }
    scan->parts += 1;
    scan->span.unit = unit;
    scan->span.is_one = scan->parts == 1 && !has_fraction;
    scan->span.count = whole < INT64_MAX ? (int64_t)whole : INT64_MAX;
    return span_add(scan, unit, whole,
                    has_fraction ? span_fraction(scan, fraction, fraction_end, span_units[unit].ns)
                                 : 0);
}

/** Parts as long as digits follow; what stands behind them is not looked at. */
static bool span_parts(span_scan *scan)
{
    size_t end;
    do {
        if (!span_part(scan)) {
            return false;
        }
        end = scan->at;
        span_skip_spaces(scan);
    } while (span_is_digit(scan, scan->at));
    scan->at = end;
    return true;
}

size_t vv_span_text_scan(varve_text text, vv_span_text *out_span, varve_error *out_err)
{
    span_scan scan = {.text = text, .err = out_err};
    if (!span_parts(&scan)) {
        return 0;
    }
    *out_span = scan.span;
    return scan.at;
}

varve_status vv_span_text_parse(varve_text text, vv_span_text *out_span, varve_error *out_err)
{
    if (vv_text_equal(text, VV_TEXT("0"))) {
        *out_span = (vv_span_text){.unit = VV_SPAN_SECOND};
        return VARVE_OK;
    }
    vv_span_text span;
    size_t used = vv_span_text_scan(text, &span, out_err);
    if (used == 0) {
        return VARVE_E_INVALID;
    }
    if (used < text.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "at %zu: expected a number and a unit, or the end",
                       used + 1);
    }
    *out_span = span;
    return VARVE_OK;
}
