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
    VV_STATS_HAS_MOMENTS = 1 /* mean and m2 are kept */
};

typedef struct vv_stats {
    uint32_t type;         /* F64, I64, U64, BOOL; for blobs only count is kept */
    uint32_t flags;        /* VV_STATS_... */
    uint64_t count;        /* values present, NaNs left out */
    uint64_t nan_count;    /* F64: NaNs present */
    vv_scalar min, max;    /* of the count values; -0.0 below 0.0; BOOL as u64 */
    double sum_hi, sum_lo; /* F64: double-double */
    vv_i128 sum;           /* I64, U64, BOOL */
    double mean, m2;       /* of the count values, as f64 */
} vv_stats;

void vv_stats_init(vv_stats *stats, uint32_t type);
/** Add what `part` has seen; types are equal. */
void vv_stats_merge(vv_stats *stats, const vv_stats *part);
/** Add packed values (R2 of model/rows.h); present may be NULL. Kernels behind a table of ISA
 * levels. */
void vv_stats_add_f64(vv_stats *stats, const double *values, const uint64_t *present, size_t count);
void vv_stats_add_i64(vv_stats *stats, const int64_t *values, const uint64_t *present,
                      size_t count);
void vv_stats_add_u64(vv_stats *stats, const uint64_t *values, const uint64_t *present,
                      size_t count);
void vv_stats_add_bool(vv_stats *stats, const uint8_t *values, const uint64_t *present,
                       size_t count);
/** Sum, count and NaNs only: the fast kernel of plain scans. */
void vv_stats_sum_f64(vv_stats *stats, const double *values, size_t count);

#endif
