/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubles that are decimals: value = n / 10^digits, as text readers make them, or n * 10^-digits,
 * as programs make them that scale a counter. The idea of "ALP: Adaptive Lossless floating-Point
 * Compression" (Afroozeh, Kuffo, Boncz) with another formula: a division is rounded correctly, so
 * one small number of digits says all, where a product needs a large exponent and a factor to hit
 * the same double; and both formulas are tried, because some columns were made by the second one.
 *
 *     code   bits 0..4  digits, 0..22 (10^22 is the last power that is a double)
 *            bit 7      multiply by 10^-digits instead of dividing by 10^digits
 *
 *   D1  A value is taken as decimal only when the decoder's formula gives the same 64 bits, which
 *       the encoder has tried; -0.0, NaNs and infinities never do.
 */
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

enum {
    DECIMAL_DIGITS_MAX = 22,
    DECIMAL_MULTIPLY = 0x80,
    DECIMAL_SAMPLE = 64,         /* arbitrary; a few per cent of exceptions show up */
    DECIMAL_LONG = 512,          /* half of that for less than so many; arbitrary */
    DECIMAL_GLANCE = 8,          /* of them are tried first; with more than half bad no others */
    DECIMAL_EXCEPTION_BITS = 80, /* what one exception costs, about */
    DECIMAL_WHOLE_BITS_MAX = 51  /* of an integer that kernels turn into a double */
};

static const double decimal_powers[DECIMAL_DIGITS_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static const double decimal_fractions[DECIMAL_DIGITS_MAX + 1] = {
    1e-0,  1e-1,  1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,  1e-8,  1e-9,  1e-10, 1e-11,
    1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22};

bool vv_decimal_of_code(uint8_t code, vv_decimal *out_decimal)
{
    uint32_t digits = code & 0x1Fu;
    bool is_multiply = (code & DECIMAL_MULTIPLY) != 0;
    if (digits > DECIMAL_DIGITS_MAX || (code & 0x60u) != 0) {
        return false;
    }
    *out_decimal =
        (vv_decimal){.scale = is_multiply ? decimal_fractions[digits] : decimal_powers[digits],
                     .forth = decimal_powers[digits],
                     .is_multiply = is_multiply};
    return true;
}

/* Values of the column that could be decimals, spread over it. */
typedef struct decimal_sample {
    double values[DECIMAL_SAMPLE];
    size_t count;
    double least; /* of the sizes that are not 0 */
} decimal_sample;

static void decimal_take_sample(const double *values, size_t count, decimal_sample *out_sample)
{
    size_t wanted = count < DECIMAL_LONG ? DECIMAL_SAMPLE / 2 : DECIMAL_SAMPLE;
    size_t taken = count < wanted ? count : wanted;
    size_t step = count / taken;
    out_sample->count = 0;
    out_sample->least = 1e300;
    for (size_t i = 0; i < taken; ++i) {
        double value = values[vv_sample_index(i, step)];
        double size = value < 0 ? -value : value;
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        bool is_negative_zero = bits == UINT64_C(1) << 63;
        if (size <= 1e300 && !is_negative_zero) { /* false for NaNs */
            out_sample->values[out_sample->count] = value;
            out_sample->count += 1;
            out_sample->least = size > 0 && size < out_sample->least ? size : out_sample->least;
        }
    }
}

/* About how many bits the sample takes with this code: its exceptions, and the range of the rest.
 */
static size_t decimal_cost(const decimal_sample *sample, const vv_decimal *decimal)
{
    int64_t ints[DECIMAL_SAMPLE];
    double back[DECIMAL_SAMPLE];
    const vv_kernels *kernels = vv_kernels_get();
    size_t glance = sample->count < DECIMAL_GLANCE ? sample->count : DECIMAL_GLANCE;
    if (kernels->decimal_encode(sample->values, glance, decimal, ints) > glance / 2) {
        return SIZE_MAX;
    }
    size_t bad = kernels->decimal_encode(sample->values, sample->count, decimal, ints);
    if (bad == 0) {
        return 0; /* nothing shorter can do better */
    }
    kernels->decimal_decode(ints, sample->count, decimal, back);
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    for (size_t i = 0; i < sample->count; ++i) {
        if (memcmp(&back[i], &sample->values[i], sizeof back[i]) == 0) {
            min = ints[i] < min ? ints[i] : min;
            max = ints[i] > max ? ints[i] : max;
        }
    }
    uint32_t width = bad == sample->count ? 0 : vv_bits_for((uint64_t)max - (uint64_t)min);
    return sample->count * width + bad * DECIMAL_EXCEPTION_BITS;
}

bool vv_decimal_search(const double *values, size_t count, uint8_t *out_code)
{
    decimal_sample sample;
    decimal_take_sample(values, count, &sample);
    if (sample.count == 0) {
        return false;
    }
    /* A double itself takes 64 bits. */
    size_t best = sample.count * 64;
    bool is_found = false;
    double limit = (double)(UINT64_C(1) << DECIMAL_WHOLE_BITS_MAX);
    for (uint8_t digits = 0; digits <= DECIMAL_DIGITS_MAX && best > 0; ++digits) {
        if (sample.least * decimal_powers[digits] > limit && sample.least < 1e300) {
            break; /* too many digits for the smallest one, so for all */
        }
        for (uint32_t form = 0; form < (digits == 0 ? 1u : 2u) && best > 0; ++form) {
            uint8_t code = (uint8_t)(digits | (form == 0 ? 0 : DECIMAL_MULTIPLY));
            vv_decimal decimal;
            VV_ASSERT(vv_decimal_of_code(code, &decimal));
            size_t cost = decimal_cost(&sample, &decimal);
            if (cost < best) {
                best = cost;
                *out_code = code;
                is_found = true;
            }
        }
    }
    return is_found;
}
