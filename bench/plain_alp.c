/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes to compare those of the codec with: plain ALP, zstd, the entropy of differences. Sizes
 * only: nothing here writes bytes, but each exception is found by trying the decoder's formula.
 *
 * "ALP: Adaptive Lossless floating-Point Compression" (Afroozeh, Kuffo, Boncz): the integer of a
 * value is round(v * 10^e * 10^-f), it comes back as n * 10^f * 10^-e. A vector has
 *
 *     13 bytes           e, f, exceptions, width, base
 *     count * width      integers less their minimum
 *     80 bits            an exception: position and value
 *
 * ALP_rd cuts doubles at a place from bit 48 on; the left parts are codes of at most 3 bits of a
 * dictionary, or exceptions of 16 + 16 bits.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum {
    ALP_VALUES = 1024,
    ALP_EXPONENT_MAX = 18,
    ALP_HEAD_BITS = 13 * 8,
    ALP_EXCEPTION_BITS = 80,
    ALP_RD_EXCEPTION_BITS = 32,
    ALP_RD_LEFT_MAX = 16,
    ALP_RD_CODES_MAX = 8
};

static const double alp_powers[ALP_EXPONENT_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                        1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                        1e14, 1e15, 1e16, 1e17, 1e18};
static const double alp_fractions[ALP_EXPONENT_MAX + 1] = {
    1e-0,  1e-1,  1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,  1e-8, 1e-9,
    1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18};

static uint64_t alp_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint32_t alp_width(uint64_t most)
{
    uint32_t width = 0;
    while (width < 64 && most >> width != 0) {
        width++;
    }
    return width;
}

/** The integer of a value, by the trick of the paper; false for an exception. */
static bool alp_integer(double value, uint32_t e, uint32_t f, int64_t *out_integer)
{
    const double magic = 0x1.8p52;
    double scaled = value * alp_powers[e] * alp_fractions[f];
    if (!(fabs(scaled) < 0x1p51)) {
        return false;
    }
    double whole = scaled + magic - magic;
    *out_integer = (int64_t)whole;
    double back = (double)*out_integer * alp_powers[f] * alp_fractions[e];
    return alp_bits(back) == alp_bits(value);
}

static double alp_pair_bits(const double *values, size_t count, uint32_t e, uint32_t f)
{
    int64_t least = INT64_MAX;
    int64_t most = INT64_MIN;
    size_t exceptions = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t integer;
        if (alp_integer(values[i], e, f, &integer)) {
            least = integer < least ? integer : least;
            most = integer > most ? integer : most;
        } else {
            exceptions++;
        }
    }
    uint32_t width = exceptions == count ? 0 : alp_width((uint64_t)most - (uint64_t)least);
    return ALP_HEAD_BITS + (double)count * width + (double)exceptions * ALP_EXCEPTION_BITS;
}

static int alp_compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

/** Most frequent left parts: how many values those with a code are, and how many codes there are.
 */
static size_t alp_covered(const uint64_t *sorted, size_t count, uint32_t right_bits,
                          size_t *out_codes)
{
    size_t most[ALP_RD_CODES_MAX] = {0};
    size_t run = 0;
    *out_codes = 0;
    for (size_t i = 0; i < count; i++) {
        run++;
        if (i + 1 < count && sorted[i] >> right_bits == sorted[i + 1] >> right_bits) {
            continue;
        }
        for (size_t at = 0; at < ALP_RD_CODES_MAX; at++) { /* greatest first */
            if (run > most[at]) {
                size_t other = most[at];
                most[at] = run;
                run = other;
            }
        }
        run = 0;
    }
    size_t covered = 0;
    for (size_t at = 0; at < ALP_RD_CODES_MAX && most[at] > 0; at++) {
        covered += most[at];
        *out_codes += 1;
    }
    return covered;
}

static double alp_rd_bits(const double *values, size_t count)
{
    uint64_t sorted[ALP_VALUES];
    for (size_t i = 0; i < count; i++) {
        sorted[i] = alp_bits(values[i]);
    }
    qsort(sorted, count, sizeof *sorted, alp_compare_u64);
    double best = HUGE_VAL;
    for (uint32_t left = 1; left <= ALP_RD_LEFT_MAX; left++) {
        size_t codes;
        size_t covered = alp_covered(sorted, count, 64 - left, &codes);
        double each = 64 - left + (codes <= 1 ? 0 : alp_width(codes - 1));
        double bits = ALP_HEAD_BITS + 16 * (double)codes + each * (double)count +
                      (double)(count - covered) * ALP_RD_EXCEPTION_BITS;
        best = bits < best ? bits : best;
    }
    return best;
}

double bench_plain_alp_bits(const double *values, size_t count)
{
    double best = alp_rd_bits(values, count);
    for (uint32_t e = 0; e <= ALP_EXPONENT_MAX; e++) {
        for (uint32_t f = 0; f <= e; f++) {
            double bits = alp_pair_bits(values, count, e, f);
            best = bits < best ? bits : best;
        }
    }
    return best;
}

/** The least number of decimals at which all but one value in 32 are exact; their integers. */
static void alp_decimals(const double *values, size_t count, uint64_t *out_integers)
{
    for (uint32_t digits = 0; digits <= ALP_EXPONENT_MAX; digits++) {
        size_t exceptions = 0;
        for (size_t i = 0; i < count; i++) {
            double whole = round(values[i] * alp_powers[digits]);
            bool is_exact =
                fabs(whole) < 0x1p53 && alp_bits(whole / alp_powers[digits]) == alp_bits(values[i]);
            exceptions += !is_exact;
            out_integers[i] = is_exact ? (uint64_t)(int64_t)whole : alp_bits(values[i]);
        }
        if (exceptions <= count / 32) {
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        out_integers[i] = alp_bits(values[i]);
    }
}

double bench_delta_entropy(const double *values, size_t count)
{
    uint64_t *deltas = bench_memory(count, sizeof *deltas);
    alp_decimals(values, count, deltas);
    for (size_t i = count; i-- > 1;) {
        deltas[i] -= deltas[i - 1];
    }
    qsort(deltas + 1, count - 1, sizeof *deltas, alp_compare_u64);
    double entropy = 0;
    size_t run = 0;
    for (size_t i = 1; i < count; i++) {
        run++;
        if (i + 1 == count || deltas[i] != deltas[i + 1]) {
            double share = (double)run / (double)(count - 1);
            entropy -= share * log2(share);
            run = 0;
        }
    }
    free(deltas);
    return entropy;
}

double bench_zstd_bits(const double *values, size_t count, int level)
{
    size_t room = ZSTD_compressBound(count * sizeof *values);
    void *target = bench_memory(room, 1);
    size_t size = ZSTD_compress(target, room, values, count * sizeof *values, level);
    free(target);
    if (ZSTD_isError(size) != 0) {
        bench_die("zstd: %s", ZSTD_getErrorName(size));
    }
    return 8 * (double)size;
}
