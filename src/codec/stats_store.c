/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics as bytes beside a column: no more than tell what the reader cannot derive. How many
 * rows have a value is known from the column.
 *
 *     u8        bits 0..2: form; bit 3: nan_count follows; bit 4: all values equal; bit 5: scaled
 *    [varint    nan_count, at least 1]
 *
 *     form 0    none: no value but NaNs (blobs have no bytes at all)
 *     form 1    i64: zigzag min [varint max - min, sum, squares]
 *     form 2    u64: varint min [varint max - min, sum, squares]
 *     form 3    bool: varint ones
 *     form 4    decimal: u8 code (decimal.c); then as i64, of the integers
 *     form 5    doubles: f64 min [f64 max, f64 sum_hi, f64 sum_lo, f64 m2]
 *
 *     sum       varint of at most 11 bytes: sum of value - min
 *     squares   varint m2 * count, which is a whole number, where below 2^49; else u8 0, f64 m2
 *
 * What stands in [] is absent where all values are equal.
 */
#include "base/checked.h"
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

#include <float.h>

VV_FLOATS_EXACT

enum {
    STORE_NONE = 0,
    STORE_I64 = 1,
    STORE_U64 = 2,
    STORE_BOOL = 3,
    STORE_DECIMAL = 4,
    STORE_F64 = 5
};

enum { STORE_FORM_MASK = 7, STORE_HAS_NANS = 8, STORE_IS_EQUAL = 16, STORE_IS_SCALED = 32 };

/* 7 bytes of varint; rounding to a whole number costs at most 2^-50 of what is above it. */
#define STORE_SQUARES_MAX 0x1p49
/* Decimals are at most this, either sign (decimal.c). */
#define STORE_WHOLE_MAX (INT64_C(1) << 51)

static uint64_t store_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void store_write_u128(vv_u128 value, vv_buf *out)
{
    while (value >= 0x80) {
        VV_IGNORE(vv_buf_append_u8(out, (uint8_t)((uint64_t)value & 0x7F) | 0x80));
        value >>= 7;
    }
    VV_IGNORE(vv_buf_append_u8(out, (uint8_t)value));
}

static vv_u128 store_read_u128(vv_reader *reader, vv_u128 max)
{
    vv_u128 value = 0;
    for (uint32_t shift = 0; shift < 77; shift += 7) {
        uint8_t byte = vv_reader_u8(reader);
        value |= (vv_u128)(byte & 0x7Fu) << shift;
        if (byte < 0x80) {
            if (value > max) {
                break;
            }
            return value;
        }
    }
    vv_reader_spoil(reader);
    return 0;
}

static void store_write_squares(const vv_stats *stats, vv_buf *out)
{
    double squares = stats->m2 * (double)stats->count + 0.5;
    if (squares >= 1 && squares < STORE_SQUARES_MAX) {
        VV_IGNORE(vv_buf_append_varint(out, (uint64_t)squares));
    } else {
        VV_IGNORE(vv_buf_append_u8(out, 0));
        VV_IGNORE(vv_buf_append_f64(out, stats->m2));
    }
}

static double store_read_squares(vv_reader *reader, size_t count)
{
    uint64_t squares = vv_reader_varint(reader);
    double m2 = squares == 0 ? vv_reader_f64(reader) : (double)squares / (double)count;
    if (!(m2 >= 0 && m2 <= 0x1p200)) { /* 2^10 values of at most 2^64 */
        vv_reader_spoil(reader);
    }
    return m2;
}

/* What I64, U64 and decimals have in common, behind min. */
static void store_write_spread(const vv_stats *stats, uint64_t range, vv_i128 min, vv_buf *out)
{
    if (range > 0) {
        VV_IGNORE(vv_buf_append_varint(out, range));
        store_write_u128((vv_u128)(stats->sum - min * (vv_i128)stats->count), out);
        store_write_squares(stats, out);
    }
}

static void store_write_i64(const vv_stats *stats, vv_buf *out)
{
    VV_IGNORE(vv_buf_append_zigzag(out, stats->min.i64));
    store_write_spread(stats, (uint64_t)stats->max.i64 - (uint64_t)stats->min.i64, stats->min.i64,
                       out);
}

static uint8_t store_equal_flag(bool is_equal)
{
    return is_equal ? STORE_IS_EQUAL : 0;
}

/* The general form of doubles. */
static void store_write_doubles(const vv_stats *stats, vv_buf *out)
{
    bool is_equal = store_bits(stats->min.f64) == store_bits(stats->max.f64);
    bool is_scaled = !is_equal && (stats->flags & VV_STATS_SCALED) != 0;
    VV_IGNORE(vv_buf_append_u8(out, (uint8_t)(STORE_F64 | store_equal_flag(is_equal) |
                                              (is_scaled ? STORE_IS_SCALED : 0) |
                                              (stats->nan_count > 0 ? STORE_HAS_NANS : 0))));
    if (stats->nan_count > 0) {
        VV_IGNORE(vv_buf_append_varint(out, stats->nan_count));
    }
    VV_IGNORE(vv_buf_append_f64(out, stats->min.f64));
    if (!is_equal) {
        VV_IGNORE(vv_buf_append_f64(out, stats->max.f64));
        VV_IGNORE(vv_buf_append_f64(out, stats->sum_hi));
        VV_IGNORE(vv_buf_append_f64(out, stats->sum_lo));
        VV_IGNORE(vv_buf_append_f64(out, stats->m2));
    }
}

static void store_write_nans(uint64_t nan_count, vv_buf *out)
{
    VV_IGNORE(vv_buf_append_u8(out, STORE_NONE | STORE_HAS_NANS));
    VV_IGNORE(vv_buf_append_varint(out, nan_count));
}

static void store_write_decimal(const vv_stats *stats, uint8_t code, uint64_t nan_count,
                                vv_buf *out)
{
    bool is_equal = stats->min.i64 == stats->max.i64;
    VV_IGNORE(vv_buf_append_u8(out, (uint8_t)(STORE_DECIMAL | store_equal_flag(is_equal) |
                                              (nan_count > 0 ? STORE_HAS_NANS : 0))));
    if (nan_count > 0) {
        VV_IGNORE(vv_buf_append_varint(out, nan_count));
    }
    VV_IGNORE(vv_buf_append_u8(out, code));
    store_write_i64(stats, out);
}

static size_t store_count_nans(const double *values, size_t count)
{
    vv_f64_scan scan;
    vv_kernels_get()->sum_f64(values, count, &scan);
    return scan.nan_count;
}

void vv_stats_write_f64(const double *values, size_t count, const vv_decimal_fit *fit,
                        const int64_t *ints, vv_buf *out)
{
    vv_stats stats;
    size_t nan_count = fit->is_exact ? fit->nan_count : store_count_nans(values, count);
    if (nan_count == count) {
        store_write_nans(nan_count, out);
    } else if (fit->is_exact) {
        vv_stats_init(&stats, VARVE_TYPE_I64);
        vv_stats_add_i64(&stats, ints, NULL, count - nan_count);
        store_write_decimal(&stats, fit->code, nan_count, out);
    } else {
        vv_stats_init(&stats, VARVE_TYPE_F64);
        vv_stats_add_f64(&stats, values, NULL, count);
        store_write_doubles(&stats, out);
    }
}

void vv_stats_write_ints(const int64_t *values, size_t count, uint32_t type, vv_buf *out)
{
    vv_stats stats;
    vv_stats_init(&stats, type);
    if (type == VARVE_TYPE_U64) {
        vv_stats_add_u64(&stats, (const uint64_t *)values, NULL, count);
        uint8_t equal = store_equal_flag(stats.min.u64 == stats.max.u64);
        VV_IGNORE(vv_buf_append_u8(out, (uint8_t)(STORE_U64 | equal)));
        VV_IGNORE(vv_buf_append_varint(out, stats.min.u64));
        store_write_spread(&stats, stats.max.u64 - stats.min.u64, (vv_i128)stats.min.u64, out);
    } else {
        vv_stats_add_i64(&stats, values, NULL, count);
        uint8_t equal = store_equal_flag(stats.min.i64 == stats.max.i64);
        VV_IGNORE(vv_buf_append_u8(out, (uint8_t)(STORE_I64 | equal)));
        store_write_i64(&stats, out);
    }
}

void vv_stats_write_bools(const uint8_t *values, size_t count, vv_buf *out)
{
    vv_stats stats;
    vv_stats_init(&stats, VARVE_TYPE_BOOL);
    vv_stats_add_bool(&stats, values, NULL, count);
    VV_IGNORE(vv_buf_append_u8(out, STORE_BOOL));
    VV_IGNORE(vv_buf_append_varint(out, (uint64_t)stats.sum));
}

/* Behind min: range, sum and m2 into stats; returns the range. */
static uint64_t store_read_spread(vv_reader *reader, bool is_equal, vv_i128 min, vv_stats *stats)
{
    vv_i128 count = (vv_i128)stats->count;
    stats->sum = min * count;
    if (is_equal) {
        return 0;
    }
    uint64_t range = vv_reader_varint(reader);
    stats->sum += (vv_i128)store_read_u128(reader, (vv_u128)range * (vv_u128)stats->count);
    stats->m2 = store_read_squares(reader, (size_t)stats->count);
    if (range == 0) {
        vv_reader_spoil(reader);
    }
    return range;
}

static void store_read_i64(vv_reader *reader, bool is_equal, int64_t min_limit, int64_t max_limit,
                           vv_stats *stats)
{
    int64_t min = vv_reader_zigzag(reader);
    uint64_t range = store_read_spread(reader, is_equal, min, stats);
    if (min < min_limit || min > max_limit || range > vv_distance_i64(min, max_limit)) {
        vv_reader_spoil(reader);
        return;
    }
    stats->min.i64 = min;
    stats->max.i64 = (int64_t)((uint64_t)min + range);
}

static void store_read_u64(vv_reader *reader, bool is_equal, vv_stats *stats)
{
    stats->min.u64 = vv_reader_varint(reader);
    uint64_t range = store_read_spread(reader, is_equal, (vv_i128)stats->min.u64, stats);
    if (range > UINT64_MAX - stats->min.u64) {
        vv_reader_spoil(reader);
    }
    stats->max.u64 = stats->min.u64 + range;
}

static void store_read_bool(vv_reader *reader, vv_stats *stats)
{
    uint64_t ones = vv_reader_varint_max(reader, stats->count);
    stats->min.u64 = ones == stats->count;
    stats->max.u64 = ones != 0;
    stats->sum = (vv_i128)ones;
    stats->m2 = (double)ones * (double)(stats->count - ones) / (double)stats->count;
}

/* A sum of integers of a decimal column as double-double, by the column's own formula. */
static void store_scale_sum(const vv_decimal *decimal, vv_stats *stats)
{
    double high = (double)stats->sum;
    double low = (double)(stats->sum - (vv_i128)high);
    stats->sum = 0;
    double product;
    double error;
    if (decimal->is_multiply) {
        vv_two_product(high, decimal->scale, &product, &error);
        stats->sum_hi = product;
        stats->sum_lo = error + low * decimal->scale;
        return;
    }
    double quotient = high / decimal->scale;
    vv_two_product(quotient, decimal->scale, &product, &error);
    stats->sum_hi = quotient;
    stats->sum_lo = (((high - product) - error) + low) / decimal->scale;
}

static void store_read_decimal(vv_reader *reader, bool is_equal, vv_stats *stats)
{
    vv_decimal decimal;
    if (!vv_decimal_of_code(vv_reader_u8(reader), &decimal)) {
        vv_reader_spoil(reader);
        return;
    }
    store_read_i64(reader, is_equal, -STORE_WHOLE_MAX, STORE_WHOLE_MAX, stats);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    int64_t ints[2] = {stats->min.i64, stats->max.i64};
    double limits[2];
    vv_kernels_get()->decimal_decode(ints, 2, &decimal, limits);
    stats->min.f64 = limits[0];
    stats->max.f64 = limits[1];
    store_scale_sum(&decimal, stats);
    if (decimal.is_multiply) {
        stats->m2 = stats->m2 * decimal.scale * decimal.scale;
    } else {
        stats->m2 = stats->m2 / decimal.scale / decimal.scale;
    }
}

static void store_read_doubles(vv_reader *reader, bool is_equal, bool is_scaled, vv_stats *stats)
{
    stats->min.f64 = vv_reader_f64(reader);
    if (is_equal) {
        /* As if added up; min and max come from it too, so that a NaN is found below. */
        VV_NOT_CLEARED double values[VV_VECTOR_ROWS_MAX];
        size_t count = (size_t)stats->count;
        for (size_t i = 0; i < count; ++i) {
            values[i] = stats->min.f64;
        }
        uint64_t nan_count = stats->nan_count;
        vv_stats_init(stats, VARVE_TYPE_F64);
        vv_stats_add_f64(stats, values, NULL, count);
        if (stats->count != count) {
            vv_reader_spoil(reader);
        }
        stats->nan_count = nan_count;
        return;
    }
    stats->max.f64 = vv_reader_f64(reader);
    stats->sum_hi = vv_reader_f64(reader);
    stats->sum_lo = vv_reader_f64(reader);
    stats->m2 = vv_reader_f64(reader);
    stats->flags |= is_scaled ? (uint32_t)VV_STATS_SCALED : 0;
    bool is_finite = stats->min.f64 >= -DBL_MAX && stats->max.f64 <= DBL_MAX;
    bool are_sums_finite = stats->sum_hi >= -DBL_MAX && stats->sum_hi <= DBL_MAX &&
                           stats->sum_lo >= -DBL_MAX && stats->sum_lo <= DBL_MAX &&
                           stats->m2 >= 0 && stats->m2 <= DBL_MAX;
    bool is_ordered = stats->min.f64 <= stats->max.f64; /* false for a NaN */
    if (!is_ordered || is_finite != are_sums_finite || (!is_finite && is_scaled)) {
        vv_reader_spoil(reader);
    }
}

static void store_read_form(vv_reader *reader, uint8_t head, uint32_t type, vv_stats *stats)
{
    bool is_equal = (head & STORE_IS_EQUAL) != 0;
    uint32_t form = head & STORE_FORM_MASK;
    if (form == STORE_NONE && type == VARVE_TYPE_F64 && stats->count == 0) {
        return;
    }
    if (form == STORE_I64 && type == VARVE_TYPE_I64) {
        store_read_i64(reader, is_equal, INT64_MIN, INT64_MAX, stats);
    } else if (form == STORE_U64 && type == VARVE_TYPE_U64) {
        store_read_u64(reader, is_equal, stats);
    } else if (form == STORE_BOOL && type == VARVE_TYPE_BOOL) {
        store_read_bool(reader, stats);
    } else if (form == STORE_DECIMAL && type == VARVE_TYPE_F64 && stats->count > 0) {
        store_read_decimal(reader, is_equal, stats);
    } else if (form == STORE_F64 && type == VARVE_TYPE_F64 && stats->count > 0) {
        store_read_doubles(reader, is_equal, (head & STORE_IS_SCALED) != 0, stats);
    } else {
        vv_reader_spoil(reader);
    }
}

void vv_stats_read(vv_reader *reader, uint32_t type, size_t count, vv_stats *out_stats)
{
    vv_stats stats;
    vv_stats_init(&stats, type);
    stats.count = count;
    if (count > 0 && !vv_type_is_blob(type)) {
        uint8_t head = vv_reader_u8(reader);
        if ((head & STORE_HAS_NANS) != 0) {
            stats.nan_count = vv_reader_varint_max(reader, count);
            stats.count -= stats.nan_count;
        }
        bool may_have_nans = type == VARVE_TYPE_F64;
        if ((head & 0xC0u) != 0 || (stats.nan_count > 0 && !may_have_nans)) {
            vv_reader_spoil(reader);
        }
        store_read_form(reader, head, type, &stats);
        vv_stats_set_mean(&stats);
    }
    *out_stats = stats;
}
