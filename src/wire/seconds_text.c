/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Decimal seconds without a detour over a double, whose 53 bits are short of nanoseconds today.
 * Digits are kept as they stand, with the place of the point; what they mean is counted out from
 * there, so an exponent only moves the point.
 */

#include "wire/seconds_text.h"

#include "base/checked.h"
#include "base/slice.h"

/* Digits of a time that can matter: those of 64 bits, and nine behind the point (chosen). */
#define SECONDS_TEXT_DIGITS_MAX 32u
/* Exponents beyond are as good as this one: no line is so long that digits could make up for it. */
#define SECONDS_TEXT_POWER_MAX INT64_C(1000000000)
#define SECONDS_TEXT_NS_PER_S  INT64_C(1000000000)

/** A number of seconds without its point: digits, and how many of them stand before the point. */
typedef struct seconds_text {
    bool is_negative;
    char digits[SECONDS_TEXT_DIGITS_MAX]; /* the first ones that are not leading zeros */
    int64_t digit_count;
    int64_t point; /* digits before it; beyond the range of what counts, cut */
    bool has_more; /* later digits that are not zero */
} seconds_text;

static void seconds_text_digit(seconds_text *decimal, char c, bool is_fraction)
{
    bool is_leading = decimal->digit_count == 0 && c == '0';
    if (is_leading) {
        decimal->point -= is_fraction ? 1 : 0;
        return;
    }
    decimal->point += is_fraction ? 0 : 1;
    if (decimal->digit_count < (int64_t)SECONDS_TEXT_DIGITS_MAX) {
        decimal->digits[decimal->digit_count] = c;
        decimal->digit_count += 1;
    } else {
        decimal->has_more = decimal->has_more || c != '0';
    }
}

/** The exponent behind its 'e'; false when it is none. Sizes beyond all bounds are cut. */
static bool seconds_text_exponent(varve_text text, int64_t *out_exponent)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    int64_t exponent = 0;
    if (at == text.size) {
        return false;
    }
    for (; at < text.size; at++) {
        char c = text.data[at];
        if (c < '0' || c > '9') {
            return false;
        }
        exponent = exponent >= SECONDS_TEXT_POWER_MAX ? exponent : exponent * 10 + (c - '0');
    }
    *out_exponent = is_negative ? -exponent : exponent;
    return true;
}

static bool seconds_text_read(varve_text text, seconds_text *decimal)
{
    size_t at = 0;
    size_t digits = 0;
    bool has_point = false;
    int64_t exponent = 0;
    *decimal = (seconds_text){.is_negative = text.size > 0 && text.data[0] == '-'};
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        at = 1;
    }
    for (; at < text.size; at++) {
        char c = text.data[at];
        if (c == '.' && !has_point) {
            has_point = true;
        } else if (c >= '0' && c <= '9') {
            seconds_text_digit(decimal, c, has_point);
            digits += 1;
        } else {
            break;
        }
    }
    if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E') &&
        seconds_text_exponent(vv_text_sub(text, at + 1, text.size), &exponent)) {
        at = text.size;
    }
    decimal->point += exponent;
    return digits > 0 && at == text.size;
}

bool vv_seconds_text_parse(varve_text text, vv_seconds *out_time)
{
    seconds_text decimal;
    int64_t s = 0;
    int64_t ns = 0;
    if (!seconds_text_read(text, &decimal)) {
        return false;
    }
    /* Nothing before the first digit: numbers below one begin with zeros. */
    int64_t places = decimal.digit_count == 0 ? 0 : decimal.point;
    for (int64_t i = 0; i < places; i++) {
        int64_t digit = i < decimal.digit_count ? decimal.digits[i] - '0' : 0;
        if (!vv_mul_i64(s, 10, &s) || !vv_add_i64(s, digit, &s)) {
            return false;
        }
    }
    for (int64_t i = places; i < places + 9; i++) {
        int64_t digit = i >= 0 && i < decimal.digit_count ? decimal.digits[i] - '0' : 0;
        ns = ns * 10 + digit;
    }
    bool has_more = decimal.has_more;
    for (int64_t i = places + 9 < 0 ? 0 : places + 9; i < decimal.digit_count; i++) {
        has_more = has_more || decimal.digits[i] != '0';
    }
    if (decimal.is_negative) {
        ns = -ns - (has_more ? 1 : 0);
        s = -s;
    }
    if (ns < 0) {
        ns += SECONDS_TEXT_NS_PER_S;
        s -= 1; /* above -2^63: s was positive */
    }
    *out_time = (vv_seconds){.s = s, .ns = (uint32_t)ns, .has_more = has_more};
    return true;
}
