/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubles, bit for bit: whatever NaN, zero or subnormal goes in comes out.
 *
 *     u8 0  raw      count * 8 bytes
 *     u8 1  decimal  u8 code (decimal.c); varint exceptions;
 *                   [bitpack of their positions, ascending, in the bits of count - 1;
 *                    ints of their bits;]
 *                    ints of the decimals, count of them
 *     u8 2  bits     u8 shift, 0..63; ints of the 64 bits of each value, shifted right by it
 *     u8 3  split    split.c
 *
 * Decimals are tried first; where they take more than 5 bytes a value or leave more than an eighth
 * of the values out, the others are written too and the shortest stays. `bits` is for constants,
 * for few distinct values, and for floats of 32 bits, whose last 29 bits are zero.
 *
 *   F1  At an exception the decimal is that of a neighbour, so that it widens nothing.
 */
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

enum { FLOATS_RAW = 0, FLOATS_DECIMAL = 1, FLOATS_BITS = 2, FLOATS_SPLIT = 3 };

enum {
    FLOATS_GOOD_BYTES = 5, /* a decimal that takes less is not worth a second try; arbitrary */
    FLOATS_GOOD_SHARE = 8, /* if at most count / this are exceptions; arbitrary */
    FLOATS_EXCEPTION_SHARE = 32, /* more than count / this: look for a better code */
    FLOATS_EXCEPTION_BITS = 80,  /* what one costs, about */
    FLOATS_DIGIT_BITS = 4        /* what one more digit costs each value, rounded up */
};

static uint64_t floats_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static bool floats_is_nan(double value)
{
    return (floats_bits(value) & INT64_MAX) > UINT64_C(0x7FF0000000000000);
}

/* Positions and bits of the exceptions into scratch, from the decimals in scratch->ints; the test
 * is that of the kernel (D1). */
static size_t floats_collect_exceptions(const double *values, size_t count,
                                        const vv_decimal *decimal, vv_codec_scratch *scratch)
{
    const uint64_t whole_max = UINT64_C(1) << 51;
    double *back = (double *)scratch->packed;
    vv_kernels_get()->decimal_decode(scratch->ints, count, decimal, back);
    size_t exception_count = 0;
    for (size_t i = 0; i < count; ++i) {
        uint64_t bits = floats_bits(values[i]);
        bool is_small = (uint64_t)scratch->ints[i] + whole_max <= 2 * whole_max;
        if (bits != floats_bits(back[i]) || !is_small) {
            scratch->positions[exception_count] = i;
            scratch->outliers[exception_count] = (int64_t)bits;
            exception_count += 1;
        }
    }
    return exception_count;
}

/* A code that suits the exceptions of the first one and is worth its digits; the decimals are then
 * those of the better code. */
static size_t floats_improve(const double *values, size_t count, size_t exception_count,
                             vv_codec_scratch *scratch, uint8_t *code, vv_decimal *decimal)
{
    uint8_t other_code = 0;
    vv_decimal other;
    if (exception_count <= count / FLOATS_EXCEPTION_SHARE ||
        !vv_decimal_search((const double *)scratch->outliers, exception_count, &other_code) ||
        other_code == *code || !vv_decimal_of_code(other_code, &other)) {
        return exception_count;
    }
    const vv_kernels *kernels = vv_kernels_get();
    size_t other_count = kernels->decimal_encode(values, count, &other, scratch->ints);
    size_t digits = other.forth > decimal->forth ? (other_code & 0x1Fu) - (*code & 0x1Fu) : 0;
    size_t other_cost = other_count * FLOATS_EXCEPTION_BITS + count * digits * FLOATS_DIGIT_BITS;
    if (other_cost < exception_count * FLOATS_EXCEPTION_BITS) {
        *code = other_code;
        *decimal = other;
    } else {
        VV_IGNORE(kernels->decimal_encode(values, count, decimal, scratch->ints));
    }
    return floats_collect_exceptions(values, count, decimal, scratch);
}

/* F1: the decimal before, for those at the beginning the first good one. */
static void floats_fill_exceptions(size_t count, size_t exception_count, vv_codec_scratch *scratch)
{
    size_t leading = 0;
    while (leading < exception_count && scratch->positions[leading] == leading) {
        leading += 1;
    }
    int64_t first = leading < count ? scratch->ints[leading] : 0;
    for (size_t i = 0; i < exception_count; ++i) {
        uint64_t position = scratch->positions[i];
        scratch->ints[position] = i < leading ? first : scratch->ints[position - 1];
    }
}

/* Leaves only the decimals of values that are no exceptions; true when those were NaNs only. */
static bool floats_drop_exceptions(size_t count, size_t exception_count, vv_codec_scratch *scratch)
{
    size_t kept = 0;
    size_t next = 0;
    bool are_nans = true;
    for (size_t i = 0; i < count; ++i) {
        if (next < exception_count && scratch->positions[next] == i) {
            double value;
            memcpy(&value, &scratch->outliers[next], sizeof value);
            are_nans = are_nans && floats_is_nan(value);
            next += 1;
        } else {
            scratch->ints[kept] = scratch->ints[i];
            kept += 1;
        }
    }
    return are_nans;
}

/* Returns whether that is good enough to try nothing else. */
static bool floats_write_decimal(const double *values, size_t count, uint8_t code,
                                 vv_codec_scratch *scratch, vv_buf *out, vv_decimal_fit *out_fit)
{
    size_t first = out->size;
    vv_decimal decimal;
    VV_ASSERT(vv_decimal_of_code(code, &decimal));
    size_t exception_count =
        vv_kernels_get()->decimal_encode(values, count, &decimal, scratch->ints);
    if (exception_count > 0) {
        exception_count = floats_collect_exceptions(values, count, &decimal, scratch);
        exception_count = floats_improve(values, count, exception_count, scratch, &code, &decimal);
    }
    VV_IGNORE(vv_buf_append_u8(out, FLOATS_DECIMAL));
    VV_IGNORE(vv_buf_append_u8(out, code));
    VV_IGNORE(vv_buf_append_varint(out, exception_count));
    if (exception_count > 0) {
        floats_fill_exceptions(count, exception_count, scratch);
        vv_bitpack_write(scratch->positions, exception_count, vv_bits_for(count - 1), out);
        vv_ints_write(scratch->outliers, exception_count, scratch, out);
    }
    vv_ints_write(scratch->ints, count, scratch, out);
    *out_fit = (vv_decimal_fit){.is_exact = true, .code = code};
    if (exception_count > 0) {
        out_fit->is_exact = floats_drop_exceptions(count, exception_count, scratch);
        out_fit->nan_count = exception_count;
    }
    return out->size - first <= count * FLOATS_GOOD_BYTES &&
           exception_count <= count / FLOATS_GOOD_SHARE;
}

/* The bits of all values, shifted by as many zeros as all end with, into outliers. */
static uint8_t floats_take_bits(const double *values, size_t count, vv_codec_scratch *scratch)
{
    uint64_t any = 0;
    for (size_t i = 0; i < count; ++i) {
        any |= floats_bits(values[i]);
    }
    uint32_t shift = any == 0 ? 0 : vv_ctz64(any);
    for (size_t i = 0; i < count; ++i) {
        scratch->outliers[i] = (int64_t)(floats_bits(values[i]) >> shift);
    }
    return (uint8_t)shift;
}

/* The shorter of bits and split, bits if equal. */
static void floats_write_words(const double *values, size_t count, vv_codec_scratch *scratch,
                               vv_buf *out)
{
    size_t first = out->size;
    uint8_t shift = floats_take_bits(values, count, scratch);
    vv_ints_plan plan;
    vv_ints_plan_best(scratch->outliers, count, scratch, &plan);
    size_t bits_size = 2 + plan.size;
    if (bits_size > vv_split_size_min(count)) {
        VV_IGNORE(vv_buf_append_u8(out, FLOATS_SPLIT));
        if (vv_split_write(values, count, bits_size - 2, scratch, out)) {
            return;
        }
        vv_buf_truncate(out, first);
        if (plan.dictionary_size > 0) { /* was in the scratch */
            vv_ints_plan_best(scratch->outliers, count, scratch, &plan);
        }
    }
    VV_IGNORE(vv_buf_append_u8(out, FLOATS_BITS));
    VV_IGNORE(vv_buf_append_u8(out, shift));
    vv_ints_write_planned(&plan, scratch->outliers, count, scratch, out);
}

/* Of two forms, one from `first` on and one from `second` on, keep the shorter, the first if equal.
 */
static void floats_keep_shorter(vv_buf *out, size_t first, size_t second)
{
    size_t second_size = out->size - second;
    if (second_size < second - first) {
        memmove(out->data + first, out->data + second, second_size);
        vv_buf_truncate(out, first + second_size);
    } else {
        vv_buf_truncate(out, second);
    }
}

void vv_floats_write(const double *values, size_t count, vv_codec_scratch *scratch, vv_buf *out,
                     vv_decimal_fit *out_fit)
{
    *out_fit = (vv_decimal_fit){.is_exact = false};
    size_t first = out->size;
    uint8_t code = 0;
    bool is_decimal = vv_decimal_search(values, count, &code);
    if (is_decimal && floats_write_decimal(values, count, code, scratch, out, out_fit)) {
        return;
    }
    size_t second = out->size;
    floats_write_words(values, count, scratch, out);
    if (is_decimal) {
        floats_keep_shorter(out, first, second);
    }
    if (out->size - first > 1 + count * sizeof *values) {
        vv_buf_truncate(out, first);
        VV_IGNORE(vv_buf_append_u8(out, FLOATS_RAW));
        VV_IGNORE(vv_buf_append(out, values, count * sizeof *values));
    }
}

static void floats_read_raw(vv_reader *reader, size_t count, double *out_values)
{
    const uint8_t *bytes = vv_reader_bytes(reader, count * sizeof *out_values);
    if (bytes != NULL) {
        memcpy(out_values, bytes, count * sizeof *out_values);
    }
}

static void floats_patch(vv_reader *reader, size_t count, size_t exception_count,
                         const vv_codec_scratch *scratch, double *out_values)
{
    for (size_t i = 0; i < exception_count; ++i) {
        uint64_t position = scratch->positions[i];
        if (position >= count || (i > 0 && position <= scratch->positions[i - 1])) {
            vv_reader_spoil(reader);
            return;
        }
        memcpy(&out_values[position], &scratch->outliers[i], sizeof *out_values);
    }
}

static void floats_read_decimal(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                                double *out_values)
{
    vv_decimal decimal = {0};
    if (!vv_decimal_of_code(vv_reader_u8(reader), &decimal)) {
        vv_reader_spoil(reader);
    }
    size_t exception_count = (size_t)vv_reader_varint_max(reader, count);
    if (exception_count > 0) {
        vv_bitpack_read(reader, exception_count, vv_bits_for(count - 1), scratch->positions);
        vv_ints_read(reader, exception_count, scratch, scratch->outliers);
    }
    vv_ints_read_decimals(reader, count, &decimal, scratch, out_values);
    if (!vv_reader_is_bad(reader)) {
        floats_patch(reader, count, exception_count, scratch, out_values);
    }
}

static void floats_read_bits(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                             double *out_values)
{
    uint32_t shift = vv_reader_u8(reader);
    vv_ints_read(reader, count, scratch, scratch->ints);
    if (vv_reader_is_bad(reader) || shift > 63) {
        vv_reader_spoil(reader);
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        uint64_t bits = (uint64_t)scratch->ints[i] << shift;
        memcpy(&out_values[i], &bits, sizeof bits);
    }
}

void vv_floats_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, double *out_values)
{
    switch (vv_reader_u8(reader)) {
    case FLOATS_RAW:
        floats_read_raw(reader, count, out_values);
        break;
    case FLOATS_DECIMAL:
        floats_read_decimal(reader, count, scratch, out_values);
        break;
    case FLOATS_BITS:
        floats_read_bits(reader, count, scratch, out_values);
        break;
    case FLOATS_SPLIT:
        vv_split_read(reader, count, scratch, out_values);
        break;
    default:
        vv_reader_spoil(reader);
        break;
    }
}
