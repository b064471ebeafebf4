/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CODEC_STATS_H
#define VV_CODEC_STATS_H

/*
 * Statistics of the values of one field: of a vector (stored with it), of a bucket (while a query
 * runs). Both are the same struct, so an answer from statistics and one from decoded values merge
 * by the same code and obey the same bounds (error of a float sum at most 1e-12 of the sum of
 * absolute values; variance from count, mean and summed squared deviations merged pairwise after
 * "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", Chan, Golub,
 * LeVeque).
 *
 * Ask for sum, mean and variance by the functions below: they know of VV_STATS_SCALED, which keeps
 * values near the end of the range of a double from overflowing on the way to a result that fits.
 */

#include "base/compiler.h"
#include "varve.h"

/** A value in 8 bytes, by the type of its column. */
typedef union vv_scalar {
    double f64;
    int64_t i64;
    uint64_t u64;
} vv_scalar;

enum {
    VV_STATS_HAS_MOMENTS = 1, /* mean and m2 are kept */
    VV_STATS_SCALED = 2       /* F64: sum, mean and m2 are those of the values times 2^-600 */
};

typedef struct vv_stats {
    uint32_t type;         /* F64, I64, U64, BOOL; for blobs only count is kept */
    uint32_t flags;        /* VV_STATS_... */
    uint64_t count;        /* values present, NaNs left out */
    uint64_t nan_count;    /* F64: NaNs present */
    vv_scalar min, max;    /* of the count values; -0.0 below 0.0; BOOL as u64 */
    double sum_hi, sum_lo; /* F64: double-double */
    vv_i128 sum;           /* I64, U64, BOOL */
    double mean;           /* of the count values, as f64 */
    double m2, m2_lo;      /* summed squared deviations from the mean, double-double */
} vv_stats;

/** Of no values yet. */
void vv_stats_init(vv_stats *stats, uint32_t type);

/** Add what `part` has seen; types are equal. */
void vv_stats_merge(vv_stats *stats, const vv_stats *part);

/**
 * Add packed values (R2 of model/rows.h); present may be NULL. Kernels behind a table of ISA
 * levels, which all give the same bits. The parts into which a caller cuts its values may show in
 * the last bits of a float sum or variance, never beyond the bounds above.
 */
void vv_stats_add_f64(vv_stats *stats, const double *values, const uint64_t *present, size_t count);
void vv_stats_add_i64(vv_stats *stats, const int64_t *values, const uint64_t *present,
                      size_t count);
void vv_stats_add_u64(vv_stats *stats, const uint64_t *values, const uint64_t *present,
                      size_t count);
void vv_stats_add_bool(vv_stats *stats, const uint8_t *values, const uint64_t *present,
                       size_t count);

/** Sum, count and NaNs only: the fast kernel of plain scans. min, max and moments are then gone
 * (VV_STATS_HAS_MOMENTS is cleared, min and max mean nothing). */
void vv_stats_sum_f64(vv_stats *stats, const double *values, size_t count);

/** The sum as f64, of every type; 0.0 of nothing. Not a NaN unless infinities of both signs are
 * in it, then 0x7ff8000000000001. */
double vv_stats_sum(const vv_stats *stats);

/** Sum by count; the NaN 0x7ff8000000000001 where count is 0. */
double vv_stats_mean(const vv_stats *stats);

/** Of the values as the whole population; a NaN where count is 0 or moments are not kept. */
double vv_stats_variance(const vv_stats *stats);

#endif
