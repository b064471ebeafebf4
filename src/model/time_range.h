/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_TIME_RANGE_H
#define VV_MODEL_TIME_RANGE_H

/*
 * Ranges of time, precisions, and buckets of fixed width.
 *
 * T1  A range is [start, end), but an end of INT64_MAX includes INT64_MAX.
 * T2  Nothing here overflows, whatever the timestamps: what leaves the axis is cut at its ends.
 */

#include "base/checked.h"
#include "base/compiler.h"
#include "varve.h"

/** E_INVALID when start >= end, naming both. */
VV_MUST_CHECK varve_status vv_range_check(varve_range range, varve_error *out_err);

/** The last timestamp of a range (T1). */
static inline int64_t vv_range_last(varve_range range)
{
    return range.end == INT64_MAX ? INT64_MAX : range.end - 1;
}

static inline bool vv_range_contains(varve_range range, int64_t timestamp)
{
    return timestamp >= range.start && (timestamp < range.end || range.end == INT64_MAX);
}

/** Whether anything of the closed [first, last] lies in the range. */
static inline bool vv_range_overlaps(varve_range range, int64_t first, int64_t last)
{
    return last >= range.start && (first < range.end || range.end == INT64_MAX);
}

/** Whether all of the closed [first, last] lies in the range. */
static inline bool vv_range_covers(varve_range range, int64_t first, int64_t last)
{
    return first >= range.start && (last < range.end || range.end == INT64_MAX);
}

/** The common part; false when there is none. */
bool vv_range_intersect(varve_range a, varve_range b, varve_range *out_common);

/** The range of the closed [first, last]. Where last is INT64_MAX - 1 it holds INT64_MAX as well:
 * no range ends just before that (T1). */
static inline varve_range vv_range_of_closed(int64_t first, int64_t last)
{
    return (varve_range){.start = first, .end = last == INT64_MAX ? INT64_MAX : last + 1};
}

/* ---- precisions: VARVE_PRECISION_NS, US, MS, S ---- */

/** Units of a precision in a second: 10^9, 10^6, 10^3, 1; 0 for no precision. */
int64_t vv_precision_per_second(uint32_t precision);
/** "ns", "us", "ms", "s"; "unknown". */
const char *vv_precision_name(uint32_t precision);

/**
 * A timestamp in another precision: floored when that is coarser (*out_lost is set, never cleared,
 * when digits were cut; it may be NULL). E_INVALID when it does not fit.
 */
VV_MUST_CHECK varve_status vv_time_convert(int64_t timestamp, uint32_t from, uint32_t to,
                                           int64_t *out_timestamp, bool *out_lost,
                                           varve_error *out_err);
/** The same, cut at the ends of the axis. */
int64_t vv_time_convert_saturating(int64_t timestamp, uint32_t from, uint32_t to);

/* ---- buckets of fixed width ---- */

/**
 * Buckets [origin + k * width, origin + (k + 1) * width). They are numbered from 0, the one that
 * holds INT64_MIN, so a number always fits 64 bits. The first and the last may be cut by the axis.
 */
typedef struct vv_buckets {
    uint64_t width; /* 1..INT64_MAX */
    uint64_t shift; /* how far INT64_MIN lies behind the beginning of bucket 0; below width */
} vv_buckets;

/** E_INVALID unless width > 0. */
VV_MUST_CHECK varve_status vv_buckets_init(vv_buckets *buckets, int64_t width, int64_t origin,
                                           varve_error *out_err);

/** Number of the bucket that holds a timestamp. */
static inline uint64_t vv_buckets_index(const vv_buckets *buckets, int64_t timestamp)
{
    uint64_t from_min = vv_distance_i64(INT64_MIN, timestamp);
    uint64_t rest = from_min % buckets->width + buckets->shift;
    return from_min / buckets->width + (rest >= buckets->width);
}

/** First timestamp of a bucket that exists; INT64_MIN for bucket 0. */
static inline int64_t vv_buckets_start(const vv_buckets *buckets, uint64_t index)
{
    uint64_t from_min = index == 0 ? 0 : index * buckets->width - buckets->shift;
    return (int64_t)(from_min ^ (UINT64_C(1) << 63));
}

/** The range of a bucket that exists. One that ends at INT64_MAX need not hold that instant, though
 * T1 says so: what bucket holds an instant is asked of vv_buckets_index. */
varve_range vv_buckets_range(const vv_buckets *buckets, uint64_t index);

/** How many buckets the range touches, saturating: first and last included. */
uint64_t vv_buckets_count(const vv_buckets *buckets, varve_range range);

#endif
