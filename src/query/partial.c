/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Partial aggregates to bytes and back (docs/formats/partial.md).
 *
 *   u8 type, varint count, varint count of NaNs, then by aggregation:
 *
 *   COUNT                nothing
 *   SUM AVG              sum
 *   MIN MAX RANGE        least and greatest value, where count > 0
 *   VARIANCE STDDEV      sum, least, greatest, f64 mean, f64 m2, f64 m2_lo
 *   FIRST LAST           varint time behind the bucket's start, value
 *   MEDIAN               f64, where count > 0
 *
 *   P1  No bytes at all are the partial of no values; one byte 255 says that the rows are to be
 *       read.
 *
 *   P2  What is read is understood to its last byte or refused.
 */

#include "query/partial.h"

#include <math.h>
#include <string.h>

#include "base/reader.h"
#include "base/status.h"
#include "model/histogram.h"
#include "model/rows.h"
#include "model/value.h"

enum { PARTIAL_RAW = 255 };

/* ---- writing ---- */

static void partial_put_value(vv_buf *out, const varve_value *value)
{
    (void)vv_buf_append_u8(out, (uint8_t)value->type);
    if (vv_type_is_blob(value->type)) {
        (void)vv_buf_append_varint(out, value->as.bytes.size);
        (void)vv_buf_append_text(out, value->as.bytes);
    } else if (value->type == VARVE_TYPE_BOOL) {
        (void)vv_buf_append_u8(out, value->as.boolean ? 1 : 0);
    } else {
        (void)vv_buf_append(out, &value->as, sizeof(uint64_t));
    }
}

static void partial_put_sum(vv_buf *out, const vv_stats *stats)
{
    if (stats->type == VARVE_TYPE_F64) {
        (void)vv_buf_append_u8(out, (stats->flags & VV_STATS_SCALED) != 0 ? 1 : 0);
        (void)vv_buf_append_f64(out, stats->sum_hi);
        (void)vv_buf_append_f64(out, stats->sum_lo);
    } else {
        vv_u128 sum = (vv_u128)stats->sum;
        (void)vv_buf_append_u64(out, (uint64_t)sum);
        (void)vv_buf_append_u64(out, (uint64_t)(sum >> 64));
    }
}

static void partial_put_extremes(vv_buf *out, const vv_stats *stats)
{
    (void)vv_buf_append(out, &stats->min, sizeof stats->min);
    (void)vv_buf_append(out, &stats->max, sizeof stats->max);
}

/** False: it cannot be kept. */
static varve_status partial_put_median(varve_cursor *cursor, vv_accumulator *accumulator,
                                       uint32_t type, vv_buf *out, bool *out_can_be_kept,
                                       varve_error *out_err)
{
    vv_plan_output output = {.aggregation = VARVE_AGG_MEDIAN};
    vv_answer answer;
    VV_TRY(vv_accumulator_result(cursor, accumulator, type, &output, &answer, out_err));
    /* That of infinities of both signs is a NaN, which merging would leave out. */
    *out_can_be_kept = answer.value.type == VARVE_TYPE_F64 && !isnan(answer.value.as.f64);
    (void)vv_buf_append_f64(out, *out_can_be_kept ? answer.value.as.f64 : 0.0);
    return VARVE_OK;
}

static varve_status partial_put_parts(varve_cursor *cursor, vv_accumulator *accumulator,
                                      uint32_t type, uint32_t aggregation, int64_t start,
                                      vv_buf *out, bool *out_can_be_kept, varve_error *out_err)
{
    const vv_stats *stats = &accumulator->stats;
    bool is_number = vv_type_is_number(type);
    switch (aggregation) {
    case VARVE_AGG_SUM:
    case VARVE_AGG_AVG:
        partial_put_sum(out, stats);
        break;
    case VARVE_AGG_MIN:
    case VARVE_AGG_MAX:
    case VARVE_AGG_RANGE:
        if (!is_number) {
            partial_put_value(out, &accumulator->min);
            partial_put_value(out, &accumulator->max);
        } else if (stats->count > 0) {
            partial_put_extremes(out, stats);
        }
        break;
    case VARVE_AGG_VARIANCE:
    case VARVE_AGG_STDDEV:
        partial_put_sum(out, stats);
        partial_put_extremes(out, stats);
        (void)vv_buf_append_f64(out, stats->mean);
        (void)vv_buf_append_f64(out, stats->m2);
        (void)vv_buf_append_f64(out, stats->m2_lo);
        break;
    case VARVE_AGG_FIRST:
        (void)vv_buf_append_varint(out, (uint64_t)accumulator->first_time - (uint64_t)start);
        partial_put_value(out, &accumulator->first);
        break;
    case VARVE_AGG_LAST:
        (void)vv_buf_append_varint(out, (uint64_t)accumulator->last_time - (uint64_t)start);
        partial_put_value(out, &accumulator->last);
        break;
    case VARVE_AGG_MEDIAN:
        return stats->count == 0
                   ? VARVE_OK
                   : partial_put_median(cursor, accumulator, type, out, out_can_be_kept, out_err);
    default: /* COUNT */
        break;
    }
    return VARVE_OK;
}

varve_status vv_partial_write(varve_cursor *cursor, vv_accumulator *accumulator, uint32_t type,
                              uint32_t aggregation, int64_t start, vv_buf *out,
                              varve_error *out_err)
{
    const vv_stats *stats = &accumulator->stats;
    uint64_t count = vv_type_is_number(type) ? stats->count : accumulator->blobs;
    if (count + stats->nan_count == 0) {
        return VARVE_OK;
    }
    size_t size_before = out->size;
    bool can_be_kept = true;
    (void)vv_buf_append_u8(out, (uint8_t)type);
    (void)vv_buf_append_varint(out, count);
    (void)vv_buf_append_varint(out, stats->nan_count);
    VV_TRY(partial_put_parts(cursor, accumulator, type, aggregation, start, out, &can_be_kept,
                             out_err));
    VV_TRY(vv_buf_check(out, out_err));
    if (!can_be_kept || out->size - size_before > VV_PARTIAL_BYTES_MAX) {
        vv_buf_truncate(out, size_before);
        (void)vv_buf_append_u8(out, PARTIAL_RAW);
    }
    return vv_buf_check(out, out_err);
}

/* ---- reading ---- */

static varve_value partial_get_value(vv_reader *reader, uint32_t family)
{
    varve_value value = {.type = vv_reader_u8(reader)};
    if (value.type < VARVE_TYPE_F64 || value.type > VARVE_TYPE_HISTOGRAM ||
        vv_type_family(value.type) != family) {
        vv_reader_spoil(reader);
        return (varve_value){0};
    }
    if (vv_type_is_blob(value.type)) {
        size_t size = (size_t)vv_reader_varint_max(reader, VV_PARTIAL_BYTES_MAX);
        value.as.bytes = vv_reader_text(reader, size);
    } else if (value.type == VARVE_TYPE_BOOL) {
        value.as.boolean = vv_reader_u8(reader) != 0;
    } else {
        value.as.u64 = vv_reader_u64(reader); /* all numbers have its 8 bytes */
    }
    return value;
}

/* Values of one series in one bucket: what fits leaves room in 128 bits for 32768 such sums. */
#define PARTIAL_COUNT_MAX (UINT64_C(1) << 48)

static void partial_get_sum(vv_reader *reader, vv_stats *stats)
{
    if (stats->type == VARVE_TYPE_F64) {
        stats->flags = vv_reader_u8(reader) != 0 ? (uint32_t)VV_STATS_SCALED : 0;
        stats->sum_hi = vv_reader_f64(reader);
        stats->sum_lo = vv_reader_f64(reader);
    } else {
        vv_u128 low = vv_reader_u64(reader);
        vv_u128 high = vv_reader_u64(reader);
        int64_t top = (int64_t)high;
        if (stats->count > PARTIAL_COUNT_MAX || top > (int64_t)stats->count ||
            top < -(int64_t)stats->count) {
            vv_reader_spoil(reader); /* no sum of so many numbers of 64 bits */
            return;
        }
        stats->sum = (vv_i128)(high << 64 | low);
    }
}

static void partial_get_extremes(vv_reader *reader, vv_stats *stats)
{
    stats->min.u64 = vv_reader_u64(reader);
    stats->max.u64 = vv_reader_u64(reader);
}

static void partial_get_edge(vv_reader *reader, int64_t start, uint32_t family,
                             vv_accumulator *accumulator)
{
    int64_t time = (int64_t)((uint64_t)start + vv_reader_varint(reader));
    varve_value value = partial_get_value(reader, family);
    accumulator->has_edges = true;
    accumulator->first_time = time;
    accumulator->last_time = time;
    accumulator->first = value;
    accumulator->last = value;
}

static void partial_get_parts(vv_reader *reader, uint32_t aggregation, int64_t start,
                              vv_partial *partial)
{
    vv_stats *stats = &partial->accumulator.stats;
    bool is_number = vv_type_is_number(partial->type);
    switch (aggregation) {
    case VARVE_AGG_SUM:
    case VARVE_AGG_AVG:
        partial_get_sum(reader, stats);
        break;
    case VARVE_AGG_MIN:
    case VARVE_AGG_MAX:
    case VARVE_AGG_RANGE:
        if (!is_number) {
            partial->accumulator.min = partial_get_value(reader, partial->type);
            partial->accumulator.max = partial_get_value(reader, partial->type);
            partial->accumulator.has_extremes = true;
        } else if (stats->count > 0) {
            partial_get_extremes(reader, stats);
        }
        break;
    case VARVE_AGG_VARIANCE:
    case VARVE_AGG_STDDEV:
        partial_get_sum(reader, stats);
        partial_get_extremes(reader, stats);
        stats->mean = vv_reader_f64(reader);
        stats->m2 = vv_reader_f64(reader);
        stats->m2_lo = vv_reader_f64(reader);
        stats->flags |= VV_STATS_HAS_MOMENTS;
        break;
    case VARVE_AGG_FIRST:
    case VARVE_AGG_LAST:
        partial_get_edge(reader, start, partial->type, &partial->accumulator);
        break;
    case VARVE_AGG_MEDIAN:
        partial->has_median = stats->count > 0;
        partial->median = partial->has_median ? vv_reader_f64(reader) : 0.0;
        if (isnan(partial->median)) {
            vv_reader_spoil(reader);
        }
        break;
    default: /* COUNT */
        break;
    }
}

varve_status vv_partial_read(vv_bytes bytes, uint32_t aggregation, int64_t start,
                             vv_partial *out_partial, varve_error *out_err)
{
    memset(out_partial, 0, sizeof *out_partial);
    if (bytes.size == 0) {
        return VARVE_OK;
    }
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    uint32_t type = vv_reader_u8(&reader);
    out_partial->is_raw = type == PARTIAL_RAW;
    if (!out_partial->is_raw) {
        bool is_known = type >= VARVE_TYPE_F64 && type <= VARVE_TYPE_HISTOGRAM &&
                        type == vv_type_family(type) && aggregation != VARVE_AGG_QUANTILE &&
                        vv_aggregate_type(aggregation, type) != VARVE_TYPE_NONE;
        if (!is_known) {
            return vv_fail(out_err, VARVE_E_CORRUPT, "a partial aggregate of type %u", type);
        }
        vv_accumulator *accumulator = &out_partial->accumulator;
        vv_accumulator_init(accumulator, type);
        accumulator->stats.flags = 0;
        out_partial->type = type;
        uint64_t count = vv_reader_varint(&reader);
        accumulator->stats.nan_count = vv_reader_varint(&reader);
        if (vv_type_is_number(type)) {
            accumulator->stats.count = count;
        } else {
            accumulator->blobs = count;
        }
        partial_get_parts(&reader, aggregation, start, out_partial);
    }
    if (!vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a partial aggregate of %zu bytes makes no sense",
                       bytes.size);
    }
    return VARVE_OK;
}

varve_status vv_partial_merge(vv_accumulator *accumulator, const vv_partial *partial,
                              vv_arena *arena, varve_error *out_err)
{
    VV_TRY(vv_accumulator_merge(accumulator, &partial->accumulator, arena, out_err));
    return partial->has_median
               ? vv_accumulator_add_number(accumulator, partial->median, arena, out_err)
               : VARVE_OK;
}
