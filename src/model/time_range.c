/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of time, precisions, and buckets of fixed width. T1 and T2 stand in the header.
 *
 * Buckets count from the beginning of the axis in unsigned 64 bits:
 *
 *     INT64_MIN                    origin
 *     |---|--------|--------|--------|--------|--- ...
 *       0      1        2        3        4          index
 *    <--^ shift: bucket 0 begins that far before the axis does
 *
 * so every index and every distance fits, whatever width and origin are.
 */
#include "model/time_range.h"

#include "base/status.h"

varve_status vv_range_check(varve_range range, varve_error *out_err)
{
    if (range.start >= range.end) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "time range is empty: start %lld is not before end %lld",
                       (long long)range.start, (long long)range.end);
    }
    return VARVE_OK;
}

bool vv_range_intersect(varve_range a, varve_range b, varve_range *out_common)
{
    varve_range common = {
        .start = a.start > b.start ? a.start : b.start,
        .end = a.end < b.end ? a.end : b.end,
    };
    bool is_last_instant = common.start == INT64_MAX && common.end == INT64_MAX; /* T1 */
    if (common.start >= common.end && !is_last_instant) {
        return false;
    }
    *out_common = common;
    return true;
}

/* ---- precisions ---- */

int64_t vv_precision_per_second(uint32_t precision)
{
    switch (precision) {
    case VARVE_PRECISION_NS:
        return 1000000000;
    case VARVE_PRECISION_US:
        return 1000000;
    case VARVE_PRECISION_MS:
        return 1000;
    case VARVE_PRECISION_S:
        return 1;
    default:
        return 0;
    }
}

const char *vv_precision_name(uint32_t precision)
{
    switch (precision) {
    case VARVE_PRECISION_NS:
        return "ns";
    case VARVE_PRECISION_US:
        return "us";
    case VARVE_PRECISION_MS:
        return "ms";
    case VARVE_PRECISION_S:
        return "s";
    default:
        return "unknown";
    }
}

static int64_t time_range_coarser(int64_t timestamp, int64_t divisor, bool *out_lost)
{
    if (out_lost != NULL && timestamp % divisor != 0) {
        *out_lost = true;
    }
    return vv_floor_div_i64(timestamp, divisor);
}

varve_status vv_time_convert(int64_t timestamp, uint32_t from, uint32_t to, int64_t *out_timestamp,
                             bool *out_lost, varve_error *out_err)
{
    int64_t from_units = vv_precision_per_second(from);
    int64_t to_units = vv_precision_per_second(to);
    if (from_units == 0 || to_units == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "unknown precision %u",
                       from_units == 0 ? from : to);
    }
    if (to_units <= from_units) {
        *out_timestamp = time_range_coarser(timestamp, from_units / to_units, out_lost);
        return VARVE_OK;
    }
    if (!vv_mul_i64(timestamp, to_units / from_units, out_timestamp)) {
        return vv_fail(out_err, VARVE_E_INVALID, "time %lld %s does not fit 64 bits of %s",
                       (long long)timestamp, vv_precision_name(from), vv_precision_name(to));
    }
    return VARVE_OK;
}

int64_t vv_time_convert_saturating(int64_t timestamp, uint32_t from, uint32_t to)
{
    int64_t from_units = vv_precision_per_second(from);
    int64_t to_units = vv_precision_per_second(to);
    VV_ASSERT(from_units > 0 && to_units > 0);
    return to_units <= from_units ? vv_floor_div_i64(timestamp, from_units / to_units)
                                  : vv_sat_mul_i64(timestamp, to_units / from_units);
}

/* ---- buckets ---- */

varve_status vv_buckets_init(vv_buckets *buckets, int64_t width, int64_t origin,
                             varve_error *out_err)
{
    if (width <= 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "bucket width %lld is not above 0",
                       (long long)width);
    }
    uint64_t unsigned_width = (uint64_t)width;
    uint64_t rest = vv_distance_i64(INT64_MIN, origin) % unsigned_width;
    buckets->width = unsigned_width;
    buckets->shift = rest == 0 ? 0 : unsigned_width - rest;
    return VARVE_OK;
}

varve_range vv_buckets_range(const vv_buckets *buckets, uint64_t index)
{
    int64_t start = vv_buckets_start(buckets, index);
    uint64_t length = index == 0 ? buckets->width - buckets->shift : buckets->width;
    uint64_t left = vv_distance_i64(start, INT64_MAX);
    return (varve_range){
        .start = start,
        .end = length > left ? INT64_MAX : (int64_t)((uint64_t)start + length),
    };
}

uint64_t vv_buckets_count(const vv_buckets *buckets, varve_range range)
{
    uint64_t first = vv_buckets_index(buckets, range.start);
    uint64_t last = vv_buckets_index(buckets, vv_range_last(range));
    uint64_t between = last - first;
    return between == UINT64_MAX ? UINT64_MAX : between + 1;
}
