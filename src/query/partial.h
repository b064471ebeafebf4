/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_QUERY_PARTIAL_H
#define VV_QUERY_PARTIAL_H

/*
 * Partial aggregates as bytes: what an accumulator has of the values of one field in one bucket, as
 * far as one aggregation needs it. Rollups keep them; merged into another accumulator they count as
 * the values themselves would. docs/formats/partial.md.
 */

#include "base/buf.h"
#include "query/accumulator_priv.h"

/* A bucket whose partial would be larger keeps none and is read from its rows. Arbitrary: the raw
 * size of a vector. */
enum { VV_PARTIAL_BYTES_MAX = 64 * 1024 };

/** Append what `aggregation` needs of an accumulator over values of `type` in a bucket that begins
 *  at `start`. No values: no bytes. Medians poll. */
VV_MUST_CHECK varve_status vv_partial_write(varve_cursor *cursor, vv_accumulator *accumulator,
                                            uint32_t type, uint32_t aggregation, int64_t start,
                                            vv_buf *out, varve_error *out_err);

/** A partial read back; texts are borrowed from its bytes. */
typedef struct vv_partial {
    uint32_t type; /* of the values, as accumulated; NONE: there were none */
    bool is_raw;   /* too large to be kept: read the rows */
    double median; /* where has_median */
    bool has_median;
    vv_accumulator accumulator;
} vv_partial;

/** E_CORRUPT: it is none of `aggregation`. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_partial_read(vv_bytes bytes, uint32_t aggregation,
                                                        int64_t start, vv_partial *out_partial,
                                                        varve_error *out_err);
/** Add a partial of the same type to an accumulator, whose values lie before or at its times, or
 *  after. A median only to one that has no values. */
VV_MUST_CHECK varve_status vv_partial_merge(vv_accumulator *accumulator, const vv_partial *partial,
                                            vv_arena *arena, varve_error *out_err);

#endif
