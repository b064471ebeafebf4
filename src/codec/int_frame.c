/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as distances from a base, with outliers apart ("Super-Scalar RAM-CPU Cache Compression",
 * Zukowski, Heman, Nes, Boncz: patched frame of reference). Arithmetic is modulo 2^64, so every
 * array has a frame, whatever the signs.
 *
 *     u8       width of the distances, 0..64; bit 7: there are exceptions
 *     zigzag   base
 *    [varint   exceptions, 1..count
 *     u8       width of their distances]
 *     bitpack  count distances; 0 where the exceptions are
 *    [bitpack  positions of the exceptions, ascending, in the bits of count - 1
 *     bitpack  their distances as zigzag: outliers lie on both sides]
 *
 * Whether exceptions may pay is found from a few values; only then is the array looked at again.
 */
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

enum {
    FRAME_PATCHED = 0x80,
    FRAME_SAMPLE = 32,        /* values looked at; arbitrary, a few per cent of outliers show up */
    FRAME_SAMPLE_INSIDE = 24, /* of them must be near each other for an attempt */
    FRAME_GAIN_SHARE = 32,    /* one bit more per so many: of wide values one is not worth a look */
    FRAME_GAIN_BITS = 2,      /* and by this much nearer than all are; 1 would find normal noise */
};

static size_t frame_size(const vv_int_frame *frame, size_t count)
{
    size_t size = 1 + vv_varint_size(vv_zigzag_encode((int64_t)frame->base)) +
                  vv_bitpack_size(count, frame->width);
    if (frame->exception_count > 0) {
        size += vv_varint_size(frame->exception_count) + 1 +
                vv_bitpack_size(frame->exception_count, vv_bits_for(count - 1)) +
                vv_bitpack_size(frame->exception_count, frame->exception_width);
    }
    return size;
}

vv_int_frame vv_int_frame_plain(size_t count, int64_t min, int64_t max)
{
    vv_int_frame frame = {.base = (uint64_t)min,
                          .width = vv_bits_for((uint64_t)max - (uint64_t)min)};
    frame.size = frame_size(&frame, count);
    return frame;
}

/* The largest distance that is no exception. */
static uint64_t frame_reach(uint32_t width)
{
    return width == 0 ? 0 : UINT64_MAX >> (64 - width);
}

/* The distance between two values, the sign included. */
static uint64_t frame_distance(uint64_t value, uint64_t centre)
{
    return vv_zigzag_encode((int64_t)(value - centre));
}

/* By their order as signed numbers; sorts them. */
static uint64_t frame_median(uint64_t *values, size_t count)
{
    for (size_t i = 1; i < count; ++i) {
        uint64_t value = values[i];
        size_t at = i;
        for (; at > 0 && (int64_t)values[at - 1] > (int64_t)value; --at) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
    return values[count / 2];
}

static uint32_t frame_widest(const vv_int_look *look)
{
    uint32_t widest = 64;
    while (widest > 0 && look->histogram[widest] == 0) {
        widest -= 1;
    }
    return widest;
}

/* The width around the centre (sign included) with the least bits for the `looked` values seen;
 * exceptions note their position among `count`. */
static uint32_t frame_best_width(const vv_int_look *look, size_t looked, size_t count)
{
    uint32_t widest = frame_widest(look);
    uint32_t position_bits = vv_bits_for(count - 1);
    size_t outside = 0;
    size_t best_bits = SIZE_MAX;
    uint32_t best = widest;
    for (uint32_t width = widest + 1; width-- > 0;) {
        size_t bits = looked * width + outside * (position_bits + widest);
        if (bits < best_bits) {
            best_bits = bits;
            best = width;
        }
        outside += look->histogram[width];
    }
    return best;
}

/* Whether all values but the outliers are narrower than `width`, as far as the sample tells: either
 * it holds no outlier, or leaving its own out pays. */
static bool frame_sample_pays(const uint64_t *sample, uint64_t middle, uint32_t width, size_t count)
{
    vv_int_look look;
    vv_kernels_get()->look(sample, FRAME_SAMPLE, middle, &look);
    uint32_t gain = 1 + width / FRAME_GAIN_SHARE;
    return frame_best_width(&look, FRAME_SAMPLE, count) + gain <= width;
}

/* A value in the midst of most others; false when outliers do not explain the width. */
static bool frame_sample(const uint64_t *values, size_t count, uint32_t width, uint64_t *out_centre)
{
    if (count < FRAME_SAMPLE || width <= FRAME_GAIN_BITS) {
        return false;
    }
    size_t step = count / FRAME_SAMPLE;
    uint64_t sample[FRAME_SAMPLE];
    size_t near = 0;
    /* Against the middle one of three first: if most are as far from it as the outermost, give up.
     * If it is an outlier itself, a chance is missed, no more. */
    uint64_t three[3] = {values[count / 4], values[count / 2], values[count / 4 * 3]};
    uint64_t middle = frame_median(three, 3);
    uint64_t near_reach = frame_reach(width - FRAME_GAIN_BITS);
    for (size_t i = 0; i < FRAME_SAMPLE; ++i) {
        sample[i] = values[vv_sample_index(i, step)];
        near += frame_distance(sample[i], middle) <= near_reach;
    }
    if (near < FRAME_SAMPLE_INSIDE || !frame_sample_pays(sample, middle, width, count)) {
        return false;
    }
    *out_centre = frame_median(sample, FRAME_SAMPLE);
    return true;
}

/* The frame of those within width of centre; the others are exceptions. */
static vv_int_frame frame_around(const uint64_t *values, size_t count, uint64_t centre,
                                 uint32_t width)
{
    const vv_kernels *kernels = vv_kernels_get();
    int64_t min;
    int64_t max;
    kernels->inside(values, count, centre, frame_reach(width), &min, &max);
    vv_int_frame frame = vv_int_frame_plain(count, min, max);
    uint64_t all;
    frame.exception_count =
        kernels->outside(values, count, frame.base, frame_reach(frame.width), &all);
    frame.exception_width = vv_bits_for(all);
    frame.size = frame_size(&frame, count);
    return frame;
}

vv_int_frame vv_int_frame_plan(const uint64_t *values, size_t count, int64_t min, int64_t max)
{
    vv_int_frame plain = vv_int_frame_plain(count, min, max);
    uint64_t centre;
    if (!frame_sample(values, count, plain.width, &centre)) {
        return plain;
    }
    vv_int_look look;
    vv_kernels_get()->look(values, count, centre, &look);
    uint32_t width = frame_best_width(&look, count, count);
    /* The min and max given may lie further out than the values. */
    vv_int_frame other = width == frame_widest(&look)
                             ? vv_int_frame_plain(count, look.min, look.max)
                             : frame_around(values, count, centre, width);
    return other.size < plain.size ? other : plain;
}

/* Takes the exceptions out of scratch->packed. */
static void frame_take_exceptions(const vv_int_frame *frame, size_t count,
                                  vv_codec_scratch *scratch)
{
    uint64_t reach = frame_reach(frame->width);
    size_t taken = 0;
    for (size_t i = 0; i < count; ++i) {
        if (scratch->packed[i] > reach) {
            scratch->patch_at[taken] = i;
            scratch->patch[taken] = vv_zigzag_encode((int64_t)scratch->packed[i]);
            scratch->packed[i] = 0;
            taken += 1;
        }
    }
    VV_ASSERT(taken == frame->exception_count);
}

void vv_int_frame_write(const vv_int_frame *frame, const uint64_t *values, size_t count,
                        vv_codec_scratch *scratch, vv_buf *out)
{
    bool is_patched = frame->exception_count > 0;
    VV_IGNORE(vv_buf_append_u8(out, (uint8_t)(frame->width | (is_patched ? FRAME_PATCHED : 0))));
    VV_IGNORE(vv_buf_append_zigzag(out, (int64_t)frame->base));
    if (frame->width == 0 && !is_patched) {
        return;
    }
    vv_kernels_get()->bias(values, count, frame->base, scratch->packed);
    if (is_patched) {
        frame_take_exceptions(frame, count, scratch);
        VV_IGNORE(vv_buf_append_varint(out, frame->exception_count));
        VV_IGNORE(vv_buf_append_u8(out, (uint8_t)frame->exception_width));
    }
    vv_bitpack_write(scratch->packed, count, frame->width, out);
    if (is_patched) {
        vv_bitpack_write(scratch->patch_at, frame->exception_count, vv_bits_for(count - 1), out);
        vv_bitpack_write(scratch->patch, frame->exception_count, frame->exception_width, out);
    }
}

void vv_int_frame_write_best(const uint64_t *values, size_t count, vv_codec_scratch *scratch,
                             vv_buf *out)
{
    int64_t min = (int64_t)values[0];
    int64_t max = (int64_t)values[0];
    for (size_t i = 1; i < count; ++i) {
        min = (int64_t)values[i] < min ? (int64_t)values[i] : min;
        max = (int64_t)values[i] > max ? (int64_t)values[i] : max;
    }
    vv_int_frame frame = vv_int_frame_plan(values, count, min, max);
    vv_int_frame_write(&frame, values, count, scratch, out);
}

static void frame_read_exceptions(vv_reader *reader, size_t count, const vv_int_frame *frame,
                                  vv_codec_scratch *scratch, uint64_t *out_values)
{
    size_t exception_count = frame->exception_count;
    vv_bitpack_read(reader, exception_count, vv_bits_for(count - 1), scratch->patch_at);
    vv_bitpack_read(reader, exception_count, frame->exception_width, scratch->patch);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    for (size_t i = 0; i < exception_count; ++i) {
        uint64_t position = scratch->patch_at[i];
        if (position >= count || (i > 0 && position <= scratch->patch_at[i - 1])) {
            vv_reader_spoil(reader);
            return;
        }
        out_values[position] = frame->base + (uint64_t)vv_zigzag_decode(scratch->patch[i]);
    }
}

static vv_int_frame frame_read_head(vv_reader *reader, size_t count)
{
    uint8_t head = vv_reader_u8(reader);
    vv_int_frame frame = {.width = head & 0x7Fu, .base = (uint64_t)vv_reader_zigzag(reader)};
    if ((head & FRAME_PATCHED) != 0) {
        frame.exception_count = (size_t)vv_reader_varint_max(reader, count);
        frame.exception_width = vv_reader_u8(reader);
        if (frame.exception_count == 0) {
            vv_reader_spoil(reader);
        }
    }
    if (frame.width > 64) {
        vv_reader_spoil(reader);
    }
    return frame;
}

static void frame_read_body(vv_reader *reader, size_t count, const vv_int_frame *frame,
                            vv_codec_scratch *scratch, uint64_t *out_values)
{
    if (vv_reader_is_bad(reader)) {
        return;
    }
    if (frame->width == 0) {
        for (size_t i = 0; i < count; ++i) {
            out_values[i] = frame->base;
        }
    } else {
        vv_unpack how = {.width = frame->width, .base = frame->base};
        vv_bitpack_read_as(reader, count, &how, out_values);
    }
    if (frame->exception_count > 0) {
        frame_read_exceptions(reader, count, frame, scratch, out_values);
    }
}

void vv_int_frame_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                       uint64_t *out_values)
{
    vv_int_frame frame = frame_read_head(reader, count);
    frame_read_body(reader, count, &frame, scratch, out_values);
}

void vv_int_frame_read_sums(vv_reader *reader, size_t count, uint64_t first,
                            vv_codec_scratch *scratch, uint64_t *out_values)
{
    vv_int_frame frame = frame_read_head(reader, count);
    if (frame.exception_count == 0 && frame.width > 0 && !vv_reader_is_bad(reader)) {
        vv_unpack how = {.width = frame.width, .base = frame.base, .is_sum = true, .first = first};
        vv_bitpack_read_as(reader, count, &how, out_values);
        return;
    }
    frame_read_body(reader, count, &frame, scratch, out_values);
    if (!vv_reader_is_bad(reader)) {
        vv_kernels_get()->add_up(out_values, count, first);
    }
}

void vv_int_frame_read_decimals(vv_reader *reader, size_t count, const vv_decimal *decimal,
                                vv_codec_scratch *scratch, double *out_values)
{
    vv_int_frame frame = frame_read_head(reader, count);
    bool is_direct = frame.exception_count == 0 && frame.width > 0 &&
                     frame.width <= VV_UNPACK_DECIMAL_BITS && !vv_reader_is_bad(reader);
    if (is_direct) {
        vv_unpack how = {.width = frame.width, .base = frame.base, .decimal = decimal};
        vv_bitpack_read_as(reader, count, &how, out_values);
        return;
    }
    frame_read_body(reader, count, &frame, scratch, scratch->packed);
    if (!vv_reader_is_bad(reader)) {
        vv_kernels_get()->decimal_decode((const int64_t *)scratch->packed, count, decimal,
                                         out_values);
    }
}
