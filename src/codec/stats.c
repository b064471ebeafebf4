/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of values, and of statistics.
 *
 * Values are taken in pieces of VV_VECTOR_ROWS_MAX. Inside of a piece the kernels add in 8 lanes,
 * where plain doubles are good enough: 128 additions a lane are off by at most 128 * 2^-53
 * = 1.5e-14 of the sum of absolute values. Between pieces sums and squared deviations are
 * double-doubles, so that a million merges add nothing to that.
 *
 *   M1  The mean of a piece is computed first and deviations are taken from it ("two passes"). It
 * is off by no more than 1.5e-14 of the mean size of the values, of which the variance sees the
 *       square.
 *   M2  A piece with a finite value beyond 2^448 is seen through a factor of 2^-600 (SCALED), and
 * so is all that it is merged with. 2^64 values below 2^448, and their squares, cannot overflow;
 *       neither can scaled ones. What a value below 2^-422 loses then is nothing beside 2^448.
 *   M3  sum_hi is infinite or a NaN only by infinities among the values; sum_lo is then 0.
 */
#include "codec/stats.h"

#include <float.h>

#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

VV_FLOATS_EXACT

#define STATS_PLAIN_MAX 0x1p448  /* M2 */
#define STATS_SCALE     0x1p-600 /* M2 */
#define STATS_UNSCALE   0x1p600

static double stats_default_nan(void)
{
    uint64_t bits = UINT64_C(0x7FF8000000000001);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool stats_is_finite(double value)
{
    return value >= -DBL_MAX && value <= DBL_MAX;
}

static double stats_size(double value)
{
    return value < 0 ? -value : value;
}

static uint64_t stats_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void vv_two_sum(double a, double b, double *out_sum, double *out_error)
{
    /* Knuth's two-sum: exact for every order of sizes. */
    double sum = a + b;
    double b_part = sum - a;
    double a_part = sum - b_part;
    *out_sum = sum;
    *out_error = (a - a_part) + (b - b_part);
}

/* Dekker's split into two halves of 26 bits. */
static void stats_halves(double value, double *out_high, double *out_low)
{
    double far = value * 134217729.0; /* 2^27 + 1 */
    *out_high = far - (far - value);
    *out_low = value - *out_high;
}

void vv_two_product(double a, double b, double *out_product, double *out_error)
{
    double a_high;
    double a_low;
    double b_high;
    double b_low;
    stats_halves(a, &a_high, &a_low);
    stats_halves(b, &b_high, &b_low);
    double product = a * b;
    *out_product = product;
    *out_error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
}

/* (*hi, *lo) += (more_hi, more_lo), not overflowing (M2). */
static void stats_add_double_double(double *hi, double *lo, double more_hi, double more_lo)
{
    double sum = *hi + more_hi;
    if (!stats_is_finite(sum)) { /* M3 */
        *hi = sum;
        *lo = 0;
        return;
    }
    double error;
    vv_two_sum(*hi, more_hi, &sum, &error);
    error += *lo + more_lo;
    *hi = sum + error;
    *lo = error - (*hi - sum);
}

void vv_stats_init(vv_stats *stats, uint32_t type)
{
    *stats = (vv_stats){.type = type, .flags = VV_STATS_HAS_MOMENTS};
}

static void stats_make_scaled(vv_stats *stats)
{
    stats->flags |= VV_STATS_SCALED;
    stats->sum_hi *= STATS_SCALE;
    stats->sum_lo *= STATS_SCALE;
    stats->mean *= STATS_SCALE;
    stats->m2 = stats->m2 * STATS_SCALE * STATS_SCALE;
    stats->m2_lo = stats->m2_lo * STATS_SCALE * STATS_SCALE;
}

void vv_stats_set_mean(vv_stats *stats)
{
    double count = (double)stats->count;
    if (stats->count == 0) {
        stats->mean = 0;
    } else if (stats->type == VARVE_TYPE_F64) {
        stats->mean = (stats->sum_hi + stats->sum_lo) / count;
    } else {
        stats->mean = (double)stats->sum / count;
    }
}

/* How far apart the means are; exact up to rounding for integers of any size. */
static double stats_mean_distance(const vv_stats *a, const vv_stats *b)
{
    if (a->type == VARVE_TYPE_F64) {
        return b->mean - a->mean;
    }
    vv_i128 base = a->sum / (vv_i128)a->count;
    double a_rest = (double)(a->sum - base * (vv_i128)a->count) / (double)a->count;
    double b_rest = (double)(b->sum - base * (vv_i128)b->count) / (double)b->count;
    return b_rest - a_rest;
}

/* Equal finite values deviate by nothing, whatever rounding makes of it: of values near the end of
 * the range the square of a rounding error would be infinite. */
static bool stats_are_equal(const vv_stats *stats)
{
    if (stats->type == VARVE_TYPE_F64) {
        return stats->min.f64 >= stats->max.f64 && stats_is_finite(stats->min.f64);
    }
    return stats->min.u64 == stats->max.u64;
}

static void stats_merge_moments(vv_stats *stats, const vv_stats *part)
{
    double distance = stats_mean_distance(stats, part);
    double count = (double)stats->count;
    double part_count = (double)part->count;
    double weight = count * (part_count / (count + part_count));
    stats_add_double_double(&stats->m2, &stats->m2_lo, part->m2, part->m2_lo);
    stats_add_double_double(&stats->m2, &stats->m2_lo, distance * distance * weight, 0);
}

static bool stats_f64_below(double a, double b)
{
    return a < b || (a <= b && stats_bits(a) >> 63 > stats_bits(b) >> 63);
}

/* Whether a is below b, by type; -0.0 below 0.0. */
static bool stats_is_below(uint32_t type, vv_scalar a, vv_scalar b)
{
    if (type == VARVE_TYPE_F64) {
        return stats_f64_below(a.f64, b.f64);
    }
    return type == VARVE_TYPE_I64 ? a.i64 < b.i64 : a.u64 < b.u64;
}

void vv_stats_merge(vv_stats *stats, const vv_stats *part)
{
    stats->nan_count += part->nan_count;
    uint32_t both = stats->flags & part->flags & VV_STATS_HAS_MOMENTS;
    if (part->count == 0) {
        return;
    }
    if (stats->count == 0) {
        uint64_t nan_count = stats->nan_count;
        *stats = *part;
        stats->nan_count = nan_count;
        stats->flags = (part->flags & (uint32_t)VV_STATS_SCALED) | both;
        return;
    }
    vv_stats scaled;
    if (((stats->flags ^ part->flags) & VV_STATS_SCALED) != 0) {
        scaled = *part;
        stats_make_scaled((part->flags & VV_STATS_SCALED) != 0 ? stats : &scaled);
        part = (part->flags & VV_STATS_SCALED) != 0 ? part : &scaled;
    }
    if (both != 0) {
        stats_merge_moments(stats, part);
    }
    stats->flags = (stats->flags & (uint32_t)VV_STATS_SCALED) | both;
    if (stats_is_below(stats->type, part->min, stats->min)) {
        stats->min = part->min;
    }
    if (stats_is_below(stats->type, stats->max, part->max)) {
        stats->max = part->max;
    }
    stats_add_double_double(&stats->sum_hi, &stats->sum_lo, part->sum_hi, part->sum_lo);
    stats->sum += part->sum;
    stats->count += part->count;
    vv_stats_set_mean(stats);
    if (stats_are_equal(stats)) {
        stats->m2 = 0;
        stats->m2_lo = 0;
    }
}

/* Kernels do not tell zeros apart: a least value of 0 is -0.0 if any is, a greatest one 0.0. */
static void stats_sign_zeros(const double *values, size_t count, double *min, double *max)
{
    bool has_negative = false;
    bool has_positive = false;
    for (size_t i = 0; i < count; ++i) {
        has_negative |= stats_bits(values[i]) == UINT64_C(1) << 63;
        has_positive |= stats_bits(values[i]) == 0;
    }
    if (stats_size(*min) <= 0) {
        *min = has_negative ? -0.0 : 0.0;
    }
    if (stats_size(*max) <= 0) {
        *max = has_positive ? 0.0 : -0.0;
    }
}

/* M1, of the values of which part has count and sum. */
static void stats_set_moments(vv_stats *part, const double *values, size_t count)
{
    vv_stats_set_mean(part);
    if (!stats_are_equal(part)) {
        part->m2 = vv_kernels_get()->squares_f64(values, count, part->mean);
    }
}

/* M2. */
static VV_NOINLINE void stats_set_scaled(vv_stats *part, const double *values, size_t count)
{
    VV_NOT_CLEARED double scaled[VV_VECTOR_ROWS_MAX];
    for (size_t i = 0; i < count; ++i) {
        scaled[i] = values[i] * STATS_SCALE;
    }
    vv_f64_scan scan;
    vv_kernels_get()->sum_f64(scaled, count, &scan);
    part->flags |= VV_STATS_SCALED;
    part->sum_hi = scan.sum;
    stats_set_moments(part, scaled, count);
}

static void stats_of_f64(vv_stats *out_part, const double *values, size_t count)
{
    vv_f64_scan scan;
    vv_kernels_get()->scan_f64(values, count, &scan);
    vv_stats_init(out_part, VARVE_TYPE_F64);
    out_part->nan_count = scan.nan_count;
    out_part->count = count - scan.nan_count;
    if (out_part->count == 0) {
        return;
    }
    if (stats_size(scan.min) <= 0 || stats_size(scan.max) <= 0) {
        stats_sign_zeros(values, count, &scan.min, &scan.max);
    }
    out_part->min.f64 = scan.min;
    out_part->max.f64 = scan.max;
    bool has_low = scan.min < -DBL_MAX;
    bool has_high = scan.max > DBL_MAX;
    if (has_low || has_high) {
        double infinity = has_low ? scan.min : scan.max;
        out_part->sum_hi = has_low && has_high ? stats_default_nan() : infinity;
        out_part->mean = out_part->sum_hi;
        out_part->m2 = stats_default_nan();
    } else if (scan.min < -STATS_PLAIN_MAX || scan.max > STATS_PLAIN_MAX) {
        stats_set_scaled(out_part, values, count);
    } else {
        out_part->sum_hi = scan.sum;
        stats_set_moments(out_part, values, count);
    }
}

static void stats_add_dense_f64(vv_stats *stats, const void *source, size_t count)
{
    vv_stats part;
    stats_of_f64(&part, (const double *)source, count);
    vv_stats_merge(stats, &part);
}

/* Of integers as distances from the least one, so that large numbers close together keep their
 * deviations. */
static VV_NOINLINE void stats_set_int_moments(vv_stats *part, const uint64_t *values, size_t count,
                                              uint64_t base, vv_i128 base_value)
{
    VV_NOT_CLEARED uint64_t distances[VV_VECTOR_ROWS_MAX];
    VV_NOT_CLEARED double numbers[VV_VECTOR_ROWS_MAX];
    const vv_kernels *kernels = vv_kernels_get();
    kernels->bias(values, count, base, distances);
    kernels->convert_u64(distances, count, numbers);
    double mean = (double)(part->sum - base_value * (vv_i128)count) / (double)count;
    part->m2 = kernels->squares_f64(numbers, count, mean);
    vv_stats_set_mean(part);
}

static vv_i128 stats_sum_of(const vv_i64_scan *scan, size_t count)
{
    vv_i128 sum = (vv_i128)scan->sum_high * ((vv_i128)1 << 32) + (vv_i128)scan->sum_low;
    return sum - (vv_i128)count * ((vv_i128)1 << 63);
}

static void stats_add_dense_i64(vv_stats *stats, const void *source, size_t count)
{
    const int64_t *values = (const int64_t *)source;
    vv_i64_scan scan;
    vv_kernels_get()->scan_i64(values, count, &scan);
    vv_stats part;
    vv_stats_init(&part, VARVE_TYPE_I64);
    part.count = count;
    part.min.i64 = scan.min;
    part.max.i64 = scan.max;
    part.sum = stats_sum_of(&scan, count);
    stats_set_int_moments(&part, (const uint64_t *)source, count, (uint64_t)scan.min, scan.min);
    vv_stats_merge(stats, &part);
}

static VV_NOINLINE void stats_add_dense_u64(vv_stats *stats, const void *source, size_t count)
{
    /* Less 2^63 they are signed numbers in the same order. */
    const uint64_t half = UINT64_C(1) << 63;
    VV_NOT_CLEARED uint64_t shifted[VV_VECTOR_ROWS_MAX];
    vv_kernels_get()->bias((const uint64_t *)source, count, half, shifted);
    vv_i64_scan scan;
    vv_kernels_get()->scan_i64((const int64_t *)shifted, count, &scan);
    vv_stats part;
    vv_stats_init(&part, VARVE_TYPE_U64);
    part.count = count;
    part.min.u64 = (uint64_t)scan.min + half;
    part.max.u64 = (uint64_t)scan.max + half;
    part.sum = stats_sum_of(&scan, count) + (vv_i128)count * ((vv_i128)1 << 63);
    stats_set_int_moments(&part, (const uint64_t *)source, count, part.min.u64,
                          (vv_i128)part.min.u64);
    vv_stats_merge(stats, &part);
}

static void stats_add_dense_bool(vv_stats *stats, const void *source, size_t count)
{
    const uint8_t *values = (const uint8_t *)source;
    uint32_t ones = 0;
    for (size_t i = 0; i < count; ++i) {
        ones += values[i];
    }
    vv_stats part;
    vv_stats_init(&part, VARVE_TYPE_BOOL);
    part.count = count;
    part.min.u64 = ones == count;
    part.max.u64 = ones != 0;
    part.sum = ones;
    part.m2 = (double)ones * (double)(count - ones) / (double)count;
    vv_stats_set_mean(&part);
    vv_stats_merge(stats, &part);
}

/* Adds at most VV_VECTOR_ROWS_MAX values that lie side by side. */
typedef void stats_add_dense(vv_stats *stats, const void *source, size_t count);

/* The values of a piece that are present, side by side; returns their count. */
static size_t stats_compact(const uint8_t *values, size_t width, const uint64_t *present,
                            size_t count, uint8_t *target)
{
    size_t taken = 0;
    for (size_t word = 0; word * 64 < count; ++word) {
        uint64_t bits = present[word];
        if (count - word * 64 < 64) {
            bits &= (UINT64_C(1) << (count - word * 64)) - 1;
        }
        for (; bits != 0; bits &= bits - 1) {
            size_t index = word * 64 + vv_ctz64(bits);
            memcpy(target + taken * width, values + index * width, width);
            taken += 1;
        }
    }
    return taken;
}

static VV_NOINLINE void stats_add_sparse(vv_stats *stats, const uint8_t *values, size_t width,
                                         const uint64_t *present, size_t count,
                                         stats_add_dense *add)
{
    VV_NOT_CLEARED uint64_t dense[VV_VECTOR_ROWS_MAX];
    size_t taken = stats_compact(values, width, present, count, (uint8_t *)dense);
    if (taken > 0) {
        add(stats, dense, taken);
    }
}

static void stats_add_all(vv_stats *stats, const void *source, size_t width,
                          const uint64_t *present, size_t count, stats_add_dense *add)
{
    const uint8_t *values = (const uint8_t *)source;
    size_t piece = 0;
    for (size_t done = 0; done < count; done += piece) {
        piece = count - done < VV_VECTOR_ROWS_MAX ? count - done : VV_VECTOR_ROWS_MAX;
        if (present == NULL) {
            add(stats, values + done * width, piece);
        } else {
            stats_add_sparse(stats, values + done * width, width, present + done / 64, piece, add);
        }
    }
}

void vv_stats_add_f64(vv_stats *stats, const double *values, const uint64_t *present, size_t count)
{
    stats_add_all(stats, values, sizeof *values, present, count, stats_add_dense_f64);
}

void vv_stats_add_i64(vv_stats *stats, const int64_t *values, const uint64_t *present, size_t count)
{
    stats_add_all(stats, values, sizeof *values, present, count, stats_add_dense_i64);
}

void vv_stats_add_u64(vv_stats *stats, const uint64_t *values, const uint64_t *present,
                      size_t count)
{
    stats_add_all(stats, values, sizeof *values, present, count, stats_add_dense_u64);
}

void vv_stats_add_bool(vv_stats *stats, const uint8_t *values, const uint64_t *present,
                       size_t count)
{
    stats_add_all(stats, values, sizeof *values, present, count, stats_add_dense_bool);
}

void vv_stats_sum_f64(vv_stats *stats, const double *values, size_t count)
{
    stats->flags &= ~(uint32_t)VV_STATS_HAS_MOMENTS;
    const vv_kernels *kernels = vv_kernels_get();
    size_t piece = 0;
    for (size_t done = 0; done < count; done += piece) {
        piece = count - done < VV_VECTOR_ROWS_MAX ? count - done : VV_VECTOR_ROWS_MAX;
        vv_f64_scan scan;
        kernels->sum_f64(values + done, piece, &scan);
        bool is_plain = stats_size(scan.sum) <= STATS_PLAIN_MAX; /* so no lane has overflowed */
        if (is_plain && (stats->flags & VV_STATS_SCALED) == 0) {
            stats->nan_count += scan.nan_count;
            stats->count += piece - scan.nan_count;
            stats_add_double_double(&stats->sum_hi, &stats->sum_lo, scan.sum, 0);
        } else {
            stats_add_dense_f64(stats, values + done, piece);
        }
    }
}

/* A finite result that rounding has pushed past the greatest double. */
static double stats_not_beyond(double value)
{
    return value > DBL_MAX ? DBL_MAX : value < -DBL_MAX ? -DBL_MAX : value;
}

double vv_stats_sum(const vv_stats *stats)
{
    if (stats->type != VARVE_TYPE_F64) {
        return (double)stats->sum;
    }
    double sum = stats->sum_hi + stats->sum_lo;
    if (sum != sum) {
        return stats_default_nan();
    }
    if ((stats->flags & VV_STATS_SCALED) == 0 || !stats_is_finite(sum)) {
        return sum;
    }
    /* 2^-40, about 1e-12, past the greatest double may be rounding. */
    bool is_edge = stats_size(sum) <= DBL_MAX * STATS_SCALE * (1 + 0x1p-40);
    return is_edge ? stats_not_beyond(sum * STATS_UNSCALE) : sum * STATS_UNSCALE;
}

double vv_stats_mean(const vv_stats *stats)
{
    vv_stats copy = *stats;
    vv_stats_set_mean(&copy);
    double mean = copy.mean;
    if (stats->count == 0 || mean != mean) {
        return stats_default_nan();
    }
    if ((stats->flags & VV_STATS_SCALED) != 0 && stats_is_finite(mean)) {
        mean = stats_not_beyond(mean * STATS_UNSCALE);
    }
    if (stats->type == VARVE_TYPE_F64 && (stats->flags & VV_STATS_HAS_MOMENTS) != 0) {
        /* Rounding must not put the mean of equal values beside them. */
        mean = mean < stats->min.f64 ? stats->min.f64 : mean;
        mean = mean > stats->max.f64 ? stats->max.f64 : mean;
    }
    return mean;
}

double vv_stats_variance(const vv_stats *stats)
{
    double variance = (stats->m2 + stats->m2_lo) / (double)stats->count;
    if (stats->count == 0 || (stats->flags & VV_STATS_HAS_MOMENTS) == 0 || variance != variance) {
        return stats_default_nan();
    }
    if ((stats->flags & VV_STATS_SCALED) != 0) {
        variance = variance * STATS_UNSCALE * STATS_UNSCALE;
    }
    return variance > 0 ? variance : 0;
}
