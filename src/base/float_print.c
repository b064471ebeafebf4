/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest decimal that reads back as the same double, and the nearest of those.
 *
 * A double c * 2^q is read back from everything between the middles to its neighbours:
 *
 *          vbl              vb              vbr
 *     ------[----------------|---------------]------     closed where c is even (ties go to even)
 *
 * With 10^k just below the width of that interval, at most one multiple of 10^(k+1) and at least
 * one of 10^k lie in it. All three bounds are scaled by 10^-k with 128-bit powers, rounded to odd
 * so that no comparison is misled by what was cut. "The Schubfach way to render doubles", Raffaello
 * Giulietti.
 */
#include "base/text.h"

#include <string.h>

#include "base/assert.h"
#include "base/text_priv.h"

typedef struct float_print_decimal {
    uint64_t digits;
    int32_t exponent; /* value = digits * 10^exponent */
} float_print_decimal;

typedef struct float_print_power {
    uint64_t high;
    uint64_t low;
} float_print_power;

/* 10^exponent in 128 bits, rounded up where it is not exact. */
static float_print_power float_print_pow10(int32_t exponent)
{
    float_print_power power;
    vv_pow10_bits(exponent, &power.high, &power.low);
    if (exponent < 0 || exponent > 55) {
        power.low += 1;
        power.high += power.low == 0;
    }
    return power;
}

/* The top of power * value, its last bit set when anything below it is. */
static uint64_t float_print_round_to_odd(float_print_power power, uint64_t value)
{
    vv_u128 low = (vv_u128)power.low * value;
    vv_u128 high = (vv_u128)power.high * value + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The decimal among s, s + 1 (times 10^k) or their tens; the three bounds are in quarters. */
static float_print_decimal float_print_choose(uint64_t lower, uint64_t middle, uint64_t upper,
                                              int32_t k)
{
    uint64_t s = middle / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool is_down_inside = lower <= 40 * tens;
        bool is_up_inside = 40 * tens + 40 <= upper;
        if (is_down_inside != is_up_inside) {
            return (float_print_decimal){tens + (is_up_inside ? 1 : 0), k + 1};
        }
    }
    bool is_down_inside = lower <= 4 * s;
    bool is_up_inside = 4 * s + 4 <= upper;
    if (is_down_inside != is_up_inside) {
        return (float_print_decimal){s + (is_up_inside ? 1 : 0), k};
    }
    uint64_t half = 4 * s + 2;
    bool rounds_up = middle > half || (middle == half && (s & 1) != 0);
    return (float_print_decimal){s + (rounds_up ? 1 : 0), k};
}

/* value is positive and finite. */
static float_print_decimal float_print_shortest(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & (UINT64_MAX >> 12);
    uint64_t exponent = bits >> 52;
    uint64_t c = exponent == 0 ? fraction : fraction | UINT64_C(1) << 52;
    int32_t q = (int32_t)(exponent == 0 ? 1 : exponent) - 1075;
    if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0) {
        return (float_print_decimal){c >> -q, 0}; /* a whole number below 2^53 */
    }
    /* Below a power of two the neighbour is half as far. */
    bool is_lower_closer = fraction == 0 && exponent > 1;
    bool is_open = (c & 1) != 0;
    /* floor(log10(2^q)), or of 3/4 of that; both compilers shift the sign in. */
    int32_t k = (q * 1262611 - (is_lower_closer ? 524031 : 0)) >> 22;
    int32_t shift = q + (-k * 1741647 >> 19) + 1;
    VV_DEBUG_ASSERT(shift >= 1 && shift <= 4);
    float_print_power power = float_print_pow10(-k);
    uint64_t lower = float_print_round_to_odd(power, (4 * c - (is_lower_closer ? 1 : 2)) << shift);
    uint64_t middle = float_print_round_to_odd(power, (4 * c) << shift);
    uint64_t upper = float_print_round_to_odd(power, (4 * c + 2) << shift);
    return float_print_choose(lower + (is_open ? 1 : 0), middle, upper - (is_open ? 1 : 0), k);
}

size_t vv_text_shortest_digits(double value, char digits[17], int32_t *out_point)
{
    VV_ASSERT(value > 0 && value <= 0x1.fffffffffffffp1023);
    float_print_decimal decimal = float_print_shortest(value);
    char text[VV_TEXT_I64_BYTES_MAX];
    size_t count = vv_text_print_u64(text, decimal.digits);
    *out_point = decimal.exponent + (int32_t)count;
    while (text[count - 1] == '0') {
        count -= 1;
    }
    VV_ASSERT(count <= 17);
    memcpy(digits, text, count);
    return count;
}

static size_t float_print_put(char *target, const char *digits, size_t count)
{
    memcpy(target, digits, count);
    return count;
}

static size_t float_print_zeros(char *target, size_t count)
{
    memset(target, '0', count);
    return count;
}

/* 0.digits * 10^point without an exponent; adds ".0" to a whole number when asked. */
static size_t float_print_fixed(char *target, const char *digits, size_t count, int32_t point,
                                bool wants_point)
{
    size_t size = 0;
    if (point <= 0) {
        size += float_print_put(target, "0.", 2);
        size += float_print_zeros(target + size, (size_t)-point);
        return size + float_print_put(target + size, digits, count);
    }
    size_t whole = (size_t)point;
    if (whole < count) {
        size += float_print_put(target, digits, whole);
        size += float_print_put(target + size, ".", 1);
        return size + float_print_put(target + size, digits + whole, count - whole);
    }
    size += float_print_put(target, digits, count);
    size += float_print_zeros(target + size, whole - count);
    return size + (wants_point ? float_print_put(target + size, ".0", 2) : 0);
}

/* d.ddde+x */
static size_t float_print_scientific(char *target, const char *digits, size_t count, int32_t point)
{
    size_t size = float_print_put(target, digits, 1);
    if (count > 1) {
        size += float_print_put(target + size, ".", 1);
        size += float_print_put(target + size, digits + 1, count - 1);
    }
    int32_t exponent = point - 1;
    size += float_print_put(target + size, exponent < 0 ? "e-" : "e+", 2);
    return size + vv_text_print_u64(target + size, (uint64_t)(exponent < 0 ? -exponent : exponent));
}

static size_t float_print(char *target, double value, bool wants_point)
{
    size_t sign = 0;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bits >> 63 != 0) {
        target[0] = '-';
        sign = 1;
        value = -value;
    }
    char digits[17] = "0";
    size_t count = 1;
    int32_t point = 1;
    if (bits << 1 != 0) {
        count = vv_text_shortest_digits(value, digits, &point);
    }
    /* 1e-6 <= value < 1e21, the borders of ECMAScript and of the Prometheus API */
    if (point >= -5 && point <= 21) {
        return sign + float_print_fixed(target + sign, digits, count, point, wants_point);
    }
    return sign + float_print_scientific(target + sign, digits, count, point);
}

size_t vv_text_print_f64(char *target, double value)
{
    return float_print(target, value, /* wants_point */ true);
}

size_t vv_text_print_f64_plain(char *target, double value)
{
    return float_print(target, value, /* wants_point */ false);
}
