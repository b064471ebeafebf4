/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal text to the nearest double, ties to even.
 *
 * The text is reduced to w * 10^q with at most 19 digits in w, and one of three ways taken:
 *
 *   1. w and 10^|q| are doubles themselves: one multiplication or division rounds correctly
 * (Clinger).
 *   2. w times the leading 128 bits of 10^q, "Number Parsing at a Gigabyte per Second" (Lemire).
 * The product is exact enough to round all but a few inputs, and says when it is not. Where digits
 * were cut off, w and w + 1 must round to the same double.
 *   3. the rest, some in a million and the ones made for it: the estimate of 2 is compared with the
 * middle between it and its neighbour in whole numbers of any length, "How to Read Floating Point
 * Numbers Accurately" (Clinger).
 *
 * F1: the middle of two doubles has at most 768 significant digits, so of a longer text the first
 * 800 and whether anything follows decide.
 */
#include "base/text.h"

#include <string.h>

#include "base/assert.h"
#include "base/text_priv.h"

#define FLOAT_PARSE_DIGITS_MAX 800u /* F1 */
#define FLOAT_PARSE_INFINITY   (UINT64_C(0x7FF) << 52)

/* Exponents are cut here: beyond, no text that fits memory could bring the number back into range.
 */
#define FLOAT_PARSE_EXPONENT_MAX (INT64_C(1) << 48)

/* What the text says. */
typedef struct float_parse_decimal {
    uint64_t w;         /* first 19 significant digits */
    int64_t q;          /* the number is about w * 10^q */
    varve_text digits;  /* all digits, with the point among them */
    int64_t digits_q;   /* power of ten of the last of them */
    size_t digit_count; /* how many, the point not counted */
    bool has_more;      /* there are digits behind those in w */
    bool is_negative;
} float_parse_decimal;

/* ---- scanning ---- */

/* Whether eight bytes are eight digits, and what they are worth: three multiplications add up
 * neighbours, pairs and fours ("Quickly parsing eight digits", Lemire). */
static bool float_parse_is_eight(uint64_t word)
{
    return ((word & UINT64_C(0xF0F0F0F0F0F0F0F0)) |
            (((word + UINT64_C(0x0606060606060606)) & UINT64_C(0xF0F0F0F0F0F0F0F0)) >> 4)) ==
           UINT64_C(0x3333333333333333);
}

static uint64_t float_parse_eight(uint64_t word)
{
    word -= UINT64_C(0x3030303030303030);
    word = word * 10 + (word >> 8);
    uint64_t low = (word & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064);
    uint64_t high = (word >> 16 & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001);
    return (low + high) >> 32;
}

/* Take digits into *w (which wraps when there are too many); returns where they end. */
static size_t float_parse_run(varve_text text, size_t position, uint64_t *w)
{
    uint64_t word;
    while (text.size - position >= sizeof word) {
        memcpy(&word, text.data + position, sizeof word);
        if (!float_parse_is_eight(word)) {
            break;
        }
        *w = *w * 100000000 + float_parse_eight(word);
        position += sizeof word;
    }
    while (position < text.size && vv_text_is_digit(text.data[position])) {
        *w = *w * 10 + (uint64_t)(text.data[position] - '0');
        position += 1;
    }
    return position;
}

/* "e-12" at position: adds to *q and returns where it ends; position when there is none. */
static size_t float_parse_exponent(varve_text text, size_t position, int64_t *q)
{
    if (position >= text.size || (text.data[position] != 'e' && text.data[position] != 'E')) {
        return position;
    }
    size_t index = position + 1;
    bool is_negative = index < text.size && text.data[index] == '-';
    if (is_negative || (index < text.size && text.data[index] == '+')) {
        index += 1;
    }
    size_t begin = index;
    int64_t exponent = 0;
    for (; index < text.size && vv_text_is_digit(text.data[index]); index++) {
        if (exponent < FLOAT_PARSE_EXPONENT_MAX) {
            exponent = exponent * 10 + (text.data[index] - '0');
        }
    }
    if (index == begin) {
        return position;
    }
    *q += is_negative ? -exponent : exponent;
    return index;
}

/* w again from the first 19 significant digits, when there are more than that. */
static void float_parse_first_19(float_parse_decimal *decimal)
{
    size_t left = decimal->digit_count;
    uint32_t taken = 0;
    uint64_t w = 0;
    for (size_t index = 0; index < decimal->digits.size && taken < 19; index++) {
        char c = decimal->digits.data[index];
        if (c == '.') {
            continue;
        }
        w = w * 10 + (uint64_t)(c - '0');
        taken += w != 0;
        left -= 1;
    }
    decimal->w = w;
    decimal->q = decimal->digits_q + (int64_t)left;
    decimal->has_more = left > 0;
}

/* Returns the bytes used, 0 when there is no number. */
static size_t float_parse_scan(varve_text text, float_parse_decimal *decimal)
{
    decimal->is_negative = text.size > 0 && text.data[0] == '-';
    size_t begin = decimal->is_negative || (text.size > 0 && text.data[0] == '+') ? 1 : 0;
    uint64_t w = 0;
    size_t end = float_parse_run(text, begin, &w);
    size_t digit_count = end - begin;
    int64_t q = 0;
    if (end < text.size && text.data[end] == '.') {
        size_t fraction_end = float_parse_run(text, end + 1, &w);
        q = -(int64_t)(fraction_end - end - 1);
        digit_count += fraction_end - end - 1;
        end = fraction_end;
    }
    if (digit_count == 0) {
        return 0;
    }
    decimal->digits = vv_text_make(text.data + begin, end - begin);
    decimal->digit_count = digit_count;
    end = float_parse_exponent(text, end, &q);
    decimal->w = w;
    decimal->q = q;
    decimal->digits_q = q;
    decimal->has_more = false;
    if (digit_count > 19) {
        float_parse_first_19(decimal);
    }
    return end;
}

/* ---- way 2 ---- */

/* The leading 128 bits of w * 10^q, w and the power normalised. False: the bits cut off could carry
 * into those that count. */
static bool float_parse_product(uint64_t w, int32_t q, vv_u128 *out_product)
{
    uint64_t high;
    uint64_t low;
    vv_pow10_bits(q, &high, &low);
    if (q >= -27 && q < 0) {
        low += 1; /* there the table of the paper is rounded up */
        high += low == 0;
    }
    vv_u128 product = (vv_u128)w * high;
    if (((uint64_t)(product >> 64) & 0x1FF) == 0x1FF) {
        product += (uint64_t)(((vv_u128)w * low) >> 64);
    }
    *out_product = product;
    return (uint64_t)product != UINT64_MAX || (q >= -27 && q <= 55);
}

/* Bits of the double nearest to w * 10^q, w not 0. False: they may be off by one. */
static bool float_parse_estimate(uint64_t w, int64_t q, uint64_t *out_bits)
{
    *out_bits = 0;
    if (q < VV_POW10_MIN) {
        return true; /* below half of the least double */
    }
    if (q > 308) {
        *out_bits = FLOAT_PARSE_INFINITY;
        return true;
    }
    uint32_t zeros = vv_clz64(w);
    vv_u128 product;
    bool is_certain = float_parse_product(w << zeros, (int32_t)q, &product);
    uint64_t high = (uint64_t)(product >> 64);
    uint32_t top = (uint32_t)(high >> 63);
    uint32_t shift = top + 9; /* leaves 54 bits: the significand and one to round by */
    uint64_t bits = high >> shift;
    /* floor(log2(10^q)) + 63 by multiplication; both compilers shift the sign in. */
    int64_t exponent = (217706 * q >> 16) + 63 + (int64_t)top - (int64_t)zeros + 1023;
    if (exponent <= 0) {
        if (exponent < -62) {
            return true;
        }
        bits >>= 1 - exponent;
        *out_bits = (bits + (bits & 1)) >> 1; /* a carry into bit 52 makes the least normal one */
        return is_certain;
    }
    /* Exactly in the middle: only there is "up" not right. Powers this small are in the table in
     * full. */
    if ((uint64_t)product <= 1 && q >= -4 && q <= 23 && (bits & 3) == 1 && bits << shift == high) {
        bits -= 1;
    }
    bits = (bits + (bits & 1)) >> 1;
    if (bits >> 53 != 0) {
        bits >>= 1;
        exponent += 1;
    }
    *out_bits = exponent >= 0x7FF ? FLOAT_PARSE_INFINITY
                                  : (bits & ~(UINT64_C(1) << 52)) | (uint64_t)exponent << 52;
    return is_certain;
}

/* ---- way 3: whole numbers of any length ---- */

/* Computed: both sides of the comparison stay below 10^800 * 2^64 < 2^2722. */
#define FLOAT_PARSE_WORDS 48u

typedef struct float_parse_big {
    uint32_t count; /* words in use; the last is not 0 */
    uint64_t words[FLOAT_PARSE_WORDS];
} float_parse_big;

/* big = big * factor + addend */
static void float_parse_big_multiply(float_parse_big *big, uint64_t factor, uint64_t addend)
{
    uint64_t carry = addend;
    for (uint32_t index = 0; index < big->count; index++) {
        vv_u128 product = (vv_u128)big->words[index] * factor + carry;
        big->words[index] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
    if (carry != 0) {
        VV_ASSERT(big->count < FLOAT_PARSE_WORDS);
        big->words[big->count] = carry;
        big->count += 1;
    }
}

static void float_parse_big_times_pow5(float_parse_big *big, uint64_t exponent)
{
    for (; exponent >= 27; exponent -= 27) {
        float_parse_big_multiply(big, UINT64_C(7450580596923828125), 0);
    }
    for (; exponent > 0; exponent--) {
        float_parse_big_multiply(big, 5, 0);
    }
}

static void float_parse_big_shift(float_parse_big *big, uint64_t bit_count)
{
    uint32_t words = (uint32_t)(bit_count / 64);
    float_parse_big_multiply(big, UINT64_C(1) << (bit_count % 64), 0);
    if (words == 0 || big->count == 0) {
        return;
    }
    VV_ASSERT(words <= FLOAT_PARSE_WORDS - big->count);
    memmove(big->words + words, big->words, big->count * sizeof *big->words);
    memset(big->words, 0, words * sizeof *big->words);
    big->count += words;
}

static int float_parse_big_compare(const float_parse_big *a, const float_parse_big *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (uint32_t index = a->count; index > 0; index--) {
        if (a->words[index - 1] != b->words[index - 1]) {
            return a->words[index - 1] < b->words[index - 1] ? -1 : 1;
        }
    }
    return 0;
}

/* The first digits as a whole number; the decimal is *out_big * 10^*out_q, and more when
 * *out_has_more. */
static void float_parse_big_digits(const float_parse_decimal *decimal, float_parse_big *out_big,
                                   int64_t *out_q, bool *out_has_more)
{
    size_t taken = 0;
    size_t left = decimal->digit_count;
    bool has_more = false;
    out_big->count = 0;
    for (size_t index = 0; index < decimal->digits.size; index++) {
        char c = decimal->digits.data[index];
        if (c == '.') {
            continue;
        }
        if (taken == FLOAT_PARSE_DIGITS_MAX) {
            has_more = has_more || c != '0';
            continue;
        }
        float_parse_big_multiply(out_big, 10, (uint64_t)(c - '0'));
        taken += out_big->count != 0;
        left -= 1;
    }
    *out_q = decimal->digits_q + (int64_t)left;
    *out_has_more = has_more;
}

/* Below, at or above 0 as the decimal is to the middle between the double of these bits and the
 * next. */
static int float_parse_compare_middle(const float_parse_decimal *decimal, uint64_t bits)
{
    float_parse_big value;
    int64_t q;
    bool has_more;
    float_parse_big_digits(decimal, &value, &q, &has_more);
    uint64_t exponent = bits >> 52;
    uint64_t significand = bits & (UINT64_MAX >> 12);
    significand |= exponent == 0 ? 0 : UINT64_C(1) << 52;
    int64_t power = (int64_t)(exponent == 0 ? 1 : exponent) - 1075 - 1;
    float_parse_big middle = {.count = 1, .words = {2 * significand + 1}};
    /* value * 10^q against middle * 2^power, made whole numbers */
    if (q >= 0) {
        float_parse_big_times_pow5(&value, (uint64_t)q);
    } else {
        float_parse_big_times_pow5(&middle, (uint64_t)-q);
    }
    if (q >= power) {
        float_parse_big_shift(&value, (uint64_t)(q - power));
    } else {
        float_parse_big_shift(&middle, (uint64_t)(power - q));
    }
    int order = float_parse_big_compare(&value, &middle);
    return order == 0 && has_more ? 1 : order;
}

static uint64_t float_parse_exact(const float_parse_decimal *decimal, uint64_t bits)
{
    bits = bits == FLOAT_PARSE_INFINITY ? bits - 1 : bits;
    while (bits < FLOAT_PARSE_INFINITY) {
        int order = float_parse_compare_middle(decimal, bits);
        if (order < 0 || (order == 0 && (bits & 1) == 0)) {
            break;
        }
        bits += 1;
    }
    while (bits > 0) {
        int order = float_parse_compare_middle(decimal, bits - 1);
        if (order > 0 || (order == 0 && (bits & 1) == 0)) {
            break;
        }
        bits -= 1;
    }
    return bits;
}

/* ---- the three ways ---- */

static uint64_t float_parse_bits(const float_parse_decimal *decimal)
{
    uint64_t bits;
    uint64_t bits_above;
    if (decimal->w == 0) {
        return 0;
    }
    bool is_certain = float_parse_estimate(decimal->w, decimal->q, &bits);
    if (is_certain && decimal->has_more) {
        is_certain =
            float_parse_estimate(decimal->w + 1, decimal->q, &bits_above) && bits == bits_above;
    }
    return is_certain ? bits : float_parse_exact(decimal, bits);
}

size_t vv_text_scan_f64(varve_text text, double *out_value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    float_parse_decimal decimal;
    size_t used = float_parse_scan(text, &decimal);
    if (used == 0) {
        return 0;
    }
    if (!decimal.has_more && decimal.w <= UINT64_C(1) << 53 && decimal.q >= -22 &&
        decimal.q <= 22) {
        double w = (double)decimal.w;
        double value = decimal.q < 0 ? w / powers[-decimal.q] : w * powers[decimal.q];
        *out_value = decimal.is_negative ? -value : value;
        return used;
    }
    uint64_t bits = float_parse_bits(&decimal);
    if (bits == FLOAT_PARSE_INFINITY) {
        return 0;
    }
    bits |= decimal.is_negative ? UINT64_C(1) << 63 : 0;
    memcpy(out_value, &bits, sizeof bits);
    return used;
}

bool vv_text_parse_f64(varve_text text, double *out_value)
{
    double value;
    if (text.size == 0 || vv_text_scan_f64(text, &value) != text.size) {
        return false;
    }
    *out_value = value;
    return true;
}
