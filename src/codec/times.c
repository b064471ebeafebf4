/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times, never descending. First and last are known from the head, without the body; a constant
 * stride has no body.
 *
 *     u8 0  stride   zigzag first, varint stride: time i is first + i * stride
 *     u8 1  line     zigzag first, varint last - first, varint slope;
 *                    ints of time i - first - i * slope
 *
 * With the slope of a regular clock that jitters, the distances from the line stay as small as the
 * jitter is, half as wide as differences of neighbours would be; where clocks drift or pause, ints
 * takes differences, to which a slope does no harm.
 *
 *   T1  A reader answers only times that never descend, from the first to the last of the head.
 *
 * Times beside a head block are of any count: pieces of VV_VECTOR_ROWS_MAX, the last one of the
 * rest, one behind the other; none are no bytes.
 */
#include "base/checked.h"
#include "base/status.h"
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

enum { TIMES_STRIDE = 0, TIMES_LINE = 1 };

/* The roundest number from which the mean step differs by less than tolerance: clocks tick in round
 * units, and the mean of jittered ones is off by a little. */
static uint64_t times_round_step(uint64_t step, uint64_t tolerance)
{
    uint64_t unit = 1;
    while (unit <= step / 10) {
        unit *= 10;
    }
    for (; unit > 1; unit /= 10) {
        uint64_t low = step / unit * unit;
        if (step - low <= tolerance) {
            return low;
        }
        if (low <= UINT64_MAX - unit && low + unit - step <= tolerance) {
            return low + unit;
        }
    }
    return step;
}

static uint64_t times_slope(const int64_t *times, size_t count, bool *out_is_strict)
{
    uint64_t step_min = UINT64_MAX;
    uint64_t step_max = 0;
    for (size_t i = 1; i < count; ++i) {
        uint64_t step = vv_distance_i64(times[i - 1], times[i]);
        step_min = step < step_min ? step : step_min;
        step_max = step > step_max ? step : step_max;
    }
    VV_ASSERT(count > 1);
    *out_is_strict = step_min > 0;
    uint64_t mean = vv_distance_i64(times[0], times[count - 1]) / (count - 1);
    return times_round_step(mean, (step_max - step_min) / (count - 1));
}

bool vv_times_write(const int64_t *times, size_t count, vv_codec_scratch *scratch, vv_buf *out)
{
    const vv_kernels *kernels = vv_kernels_get();
    uint64_t first = (uint64_t)times[0];
    uint64_t stride = count < 2 ? 0 : (uint64_t)times[1] - first;
    /* The buffer keeps a failure; the caller asks it. */
    if (kernels->stride_breaks((const uint64_t *)times, count, stride) == 0) {
        VV_IGNORE(vv_buf_append_u8(out, TIMES_STRIDE));
        VV_IGNORE(vv_buf_append_zigzag(out, times[0]));
        VV_IGNORE(vv_buf_append_varint(out, stride));
        return count < 2 || stride > 0;
    }
    bool is_strict;
    uint64_t slope = times_slope(times, count, &is_strict);
    VV_IGNORE(vv_buf_append_u8(out, TIMES_LINE));
    VV_IGNORE(vv_buf_append_zigzag(out, times[0]));
    VV_IGNORE(vv_buf_append_varint(out, vv_distance_i64(times[0], times[count - 1])));
    VV_IGNORE(vv_buf_append_varint(out, slope));
    kernels->bias_line((const uint64_t *)times, count, first, slope, (uint64_t *)scratch->ints);
    vv_ints_write(scratch->ints, count, scratch, out);
    return is_strict;
}

void vv_times_read_head(vv_reader *reader, size_t count, vv_times_head *out_head)
{
    vv_times_head head = {.form = vv_reader_u8(reader), .first = vv_reader_zigzag(reader)};
    uint64_t span = 0;
    if (head.form == TIMES_LINE) {
        span = vv_reader_varint(reader);
        head.slope = vv_reader_varint(reader);
    } else if (head.form == TIMES_STRIDE) {
        head.slope = vv_reader_varint(reader);
        if (!vv_mul_u64(head.slope, count - 1, &span)) {
            vv_reader_spoil(reader);
        }
    } else {
        vv_reader_spoil(reader);
    }
    if (span > vv_distance_i64(head.first, INT64_MAX)) {
        vv_reader_spoil(reader);
    }
    head.last = (int64_t)((uint64_t)head.first + span);
    *out_head = head;
}

uint64_t vv_times_stride(const vv_times_head *head)
{
    return head->form == TIMES_STRIDE ? head->slope : 0;
}

static void times_read_line(vv_reader *reader, size_t count, const vv_times_head *head,
                            vv_codec_scratch *scratch, int64_t *out_times)
{
    vv_ints_read(reader, count, scratch, out_times);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    /* T1. */
    vv_kernels_get()->bias_line((const uint64_t *)out_times, count, 0 - (uint64_t)head->first,
                                0 - head->slope, (uint64_t *)out_times);
    uint64_t is_descending = out_times[0] != head->first || out_times[count - 1] != head->last;
    for (size_t i = 1; i < count; ++i) {
        is_descending |= out_times[i] < out_times[i - 1];
    }
    if (is_descending != 0) {
        vv_reader_spoil(reader);
    }
}

void vv_times_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, int64_t *out_times)
{
    vv_times_head head;
    vv_times_read_head(reader, count, &head);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    if (head.form == TIMES_LINE) {
        times_read_line(reader, count, &head, scratch, out_times);
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        out_times[i] = (int64_t)((uint64_t)head.first + i * head.slope);
    }
}

static size_t times_piece(size_t count_left)
{
    return count_left < VV_VECTOR_ROWS_MAX ? count_left : VV_VECTOR_ROWS_MAX;
}

varve_status vv_times_encode(const int64_t *times, size_t count, vv_codec_scratch *scratch,
                             vv_buf *out, varve_error *out_err)
{
    VV_TRY(vv_buf_check(out, out_err));
    size_t before = out->size;
    size_t piece = 0;
    for (size_t done = 0; done < count; done += piece) {
        piece = times_piece(count - done);
        (void)vv_times_write(times + done, piece, scratch, out);
    }
    varve_status status = vv_buf_check(out, out_err);
    if (status != VARVE_OK) {
        vv_buf_truncate(out, before);
    }
    return status;
}

varve_status vv_times_decode(vv_bytes bytes, size_t count, vv_codec_scratch *scratch,
                             int64_t *out_times, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    size_t piece = 0;
    for (size_t done = 0; done < count && !vv_reader_is_bad(&reader); done += piece) {
        piece = times_piece(count - done);
        vv_times_read(&reader, piece, scratch, out_times + done);
        if (done > 0 && !vv_reader_is_bad(&reader) && out_times[done] < out_times[done - 1]) {
            vv_reader_spoil(&reader);
        }
    }
    if (!vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "%zu encoded times in %zu bytes make no sense",
                       count, bytes.size);
    }
    return VARVE_OK;
}
