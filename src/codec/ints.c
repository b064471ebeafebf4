/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64-bit integers of any meaning: i64 and u64 columns, times as distances from a line, row ids,
 * floats turned into decimals, bits of floats, lengths of texts. The encoding is chosen per array
 * by its exact size; where sizes are equal the one named first is taken, which decodes faster.
 *
 *     u8 0  constant     zigzag value
 *     u8 1  frame        frame of the values
 *     u8 2  delta        zigzag first; frame of the count - 1 differences of neighbours
 *     u8 3  curve        zigzag first, zigzag first difference; frame of the count - 2 differences
 *                        of differences
 *     u8 4  runs         varint runs; frame of their values; frame of their lengths less 1
 *     u8 5  dictionary   varint size - 1; frame of the values, ascending; codes bit-packed
 *
 * Differences are modulo 2^64: INT64_MIN beside INT64_MAX is a difference like any other.
 */
#include "base/hash.h"
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

enum {
    INTS_CONSTANT = 0,
    INTS_FRAME = 1,
    INTS_DELTA = 2,
    INTS_CURVE = 3,
    INTS_RUNS = 4,
    INTS_DICTIONARY = 5
};

enum {
    INTS_SAMPLE = 64,         /* values looked at before a dictionary is tried */
    INTS_SAMPLE_DISTINCT = 40 /* with more distinct ones than this it is not; arbitrary */
};

static size_t ints_first_size(const int64_t *values, size_t index)
{
    uint64_t value = (uint64_t)values[index];
    value -= index == 0 ? 0 : (uint64_t)values[index - 1];
    return vv_varint_size(vv_zigzag_encode((int64_t)value));
}

static void ints_take_better(vv_ints_plan *plan, uint8_t form, size_t size,
                             const vv_int_frame *frame)
{
    if (size < plan->size) {
        *plan = (vv_ints_plan){.form = form, .size = size, .frame = *frame};
    }
}

/* Frame, delta and curve without exceptions: all sizes are known from the range. */
static void ints_plan_plain(const int64_t *values, size_t count, const vv_int_range *range,
                            vv_ints_plan *plan)
{
    vv_int_frame frame = vv_int_frame_plain(count, range->min, range->max);
    ints_take_better(plan, INTS_FRAME, 1 + frame.size, &frame);
    if (count < 3) {
        return;
    }
    size_t first_size = ints_first_size(values, 0);
    frame = vv_int_frame_plain(count - 1, range->delta_min, range->delta_max);
    ints_take_better(plan, INTS_DELTA, 1 + first_size + frame.size, &frame);
    first_size += ints_first_size(values, 1);
    frame = vv_int_frame_plain(count - 2, range->curve_min, range->curve_max);
    ints_take_better(plan, INTS_CURVE, 1 + first_size + frame.size, &frame);
}

/* Frame and delta with exceptions. */
static void ints_plan_patched(const int64_t *values, size_t count, const vv_int_range *range,
                              vv_codec_scratch *scratch, vv_ints_plan *plan)
{
    const uint64_t *bits = (const uint64_t *)values;
    vv_int_frame frame = vv_int_frame_plan(bits, count, range->min, range->max);
    ints_take_better(plan, INTS_FRAME, 1 + frame.size, &frame);
    vv_kernels_get()->bias_delta(bits, count, 0, scratch->deltas);
    frame = vv_int_frame_plan(scratch->deltas, count - 1, range->delta_min, range->delta_max);
    ints_take_better(plan, INTS_DELTA, 1 + ints_first_size(values, 0) + frame.size, &frame);
}

/* Runs into scratch; returns the greatest length less 1. */
static uint64_t ints_collect_runs(const int64_t *values, size_t count, vv_codec_scratch *scratch)
{
    size_t run = 0;
    size_t begin = 0;
    uint64_t longest = 0;
    for (size_t i = 1; i <= count; ++i) {
        if (i == count || values[i] != values[i - 1]) {
            scratch->runs[run] = (uint64_t)values[begin];
            scratch->lengths[run] = i - begin - 1;
            longest = i - begin - 1 > longest ? i - begin - 1 : longest;
            run += 1;
            begin = i;
        }
    }
    return longest;
}

static void ints_plan_runs(const int64_t *values, size_t count, const vv_int_range *range,
                           vv_codec_scratch *scratch, vv_ints_plan *plan)
{
    size_t run_count = range->changes + 1;
    vv_int_frame frame = vv_int_frame_plain(run_count, range->min, range->max);
    /* Shorter runs than 2 on average: the lengths cost what the values save. */
    if (run_count > count / 2 || frame.size >= plan->size) {
        return;
    }
    uint64_t longest = ints_collect_runs(values, count, scratch);
    vv_int_frame lengths = vv_int_frame_plan(scratch->lengths, run_count, 0, (int64_t)longest);
    frame = vv_int_frame_plan(scratch->runs, run_count, range->min, range->max);
    size_t size = 1 + vv_varint_size(run_count) + frame.size + lengths.size;
    if (size < plan->size) {
        *plan = (vv_ints_plan){.form = INTS_RUNS,
                               .size = size,
                               .frame = frame,
                               .length_frame = lengths,
                               .run_count = run_count};
    }
}

/* Whether a few values have so few distinct ones that a dictionary is worth the search. */
static bool ints_sample_is_repetitive(const int64_t *values, size_t count)
{
    if (count < INTS_SAMPLE) {
        return false;
    }
    uint64_t seen[8] = {0}; /* a set of 9-bit hashes */
    size_t step = count / INTS_SAMPLE;
    size_t distinct = 0;
    for (size_t i = 0; i < INTS_SAMPLE; ++i) {
        uint64_t hash = vv_hash_mix((uint64_t)values[vv_sample_index(i, step)]) % 512;
        distinct += (seen[hash / 64] >> (hash % 64) & 1) ^ 1;
        seen[hash / 64] |= UINT64_C(1) << (hash % 64);
    }
    return distinct <= INTS_SAMPLE_DISTINCT;
}

/* Distinct values into scratch->runs in order of appearance, codes of that order into lengths;
 * 0 when there are more than VV_INTS_DICTIONARY_MAX. */
static size_t ints_collect_distinct(const int64_t *values, size_t count, vv_codec_scratch *scratch)
{
    memset(scratch->slots, 0, sizeof scratch->slots);
    size_t distinct = 0;
    for (size_t i = 0; i < count; ++i) {
        uint64_t value = (uint64_t)values[i];
        size_t slot = vv_hash_mix(value) % VV_INTS_SLOTS;
        while (scratch->slots[slot] != 0 && scratch->runs[scratch->slots[slot] - 1] != value) {
            slot = (slot + 1) % VV_INTS_SLOTS;
        }
        if (scratch->slots[slot] == 0) {
            if (distinct == VV_INTS_DICTIONARY_MAX) {
                return 0;
            }
            scratch->runs[distinct] = value;
            distinct += 1;
            scratch->slots[slot] = (uint16_t)distinct;
        }
        scratch->lengths[i] = scratch->slots[slot] - 1u;
    }
    return distinct;
}

/* Shell sort (gaps of Ciura) of the dictionary as signed numbers, with its order of appearance. */
static void ints_sort_dictionary(uint64_t *values, uint8_t *order, size_t count)
{
    static const size_t gaps[] = {132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < VV_ARRAY_COUNT(gaps); ++g) {
        size_t gap = gaps[g];
        for (size_t i = gap; i < count; ++i) {
            uint64_t value = values[i];
            uint8_t was = order[i];
            size_t at = i;
            for (; at >= gap && (int64_t)values[at - gap] > (int64_t)value; at -= gap) {
                values[at] = values[at - gap];
                order[at] = order[at - gap];
            }
            values[at] = value;
            order[at] = was;
        }
    }
}

static void ints_plan_dictionary(const int64_t *values, size_t count, vv_codec_scratch *scratch,
                                 vv_ints_plan *plan)
{
    size_t distinct = ints_collect_distinct(values, count, scratch);
    size_t codes_size = distinct == 0 ? 0 : vv_bitpack_size(count, vv_bits_for(distinct - 1));
    if (distinct == 0 || codes_size >= plan->size) {
        return;
    }
    uint8_t order[VV_INTS_DICTIONARY_MAX];
    for (size_t i = 0; i < distinct; ++i) {
        order[i] = (uint8_t)i;
    }
    ints_sort_dictionary(scratch->runs, order, distinct);
    vv_int_frame frame = vv_int_frame_plan(scratch->runs, distinct, (int64_t)scratch->runs[0],
                                           (int64_t)scratch->runs[distinct - 1]);
    size_t size = 1 + vv_varint_size(distinct - 1) + frame.size + codes_size;
    if (size >= plan->size) {
        return;
    }
    uint8_t rank[VV_INTS_DICTIONARY_MAX];
    for (size_t i = 0; i < distinct; ++i) {
        rank[order[i]] = (uint8_t)i;
    }
    for (size_t i = 0; i < count; ++i) {
        scratch->lengths[i] = rank[scratch->lengths[i]];
    }
    *plan = (vv_ints_plan){
        .form = INTS_DICTIONARY, .size = size, .frame = frame, .dictionary_size = distinct};
}

void vv_ints_plan_best(const int64_t *values, size_t count, vv_codec_scratch *scratch,
                       vv_ints_plan *plan)
{
    vv_int_range range;
    vv_kernels_get()->range(values, count, &range);
    *plan = (vv_ints_plan){.form = INTS_CONSTANT, .size = SIZE_MAX};
    if (range.changes == 0) {
        plan->size = 1 + ints_first_size(values, 0);
        return;
    }
    ints_plan_plain(values, count, &range, plan);
    if (count < 3) {
        return;
    }
    ints_plan_patched(values, count, &range, scratch, plan);
    ints_plan_runs(values, count, &range, scratch, plan);
    /* A dictionary has codes of a bit at least, and its table. */
    if (plan->size > count / 2 && ints_sample_is_repetitive(values, count)) {
        ints_plan_dictionary(values, count, scratch, plan);
    }
}

static void ints_write_curve(const vv_ints_plan *plan, const int64_t *values, size_t count,
                             vv_codec_scratch *scratch, vv_buf *out)
{
    uint64_t first_delta = (uint64_t)values[1] - (uint64_t)values[0];
    VV_IGNORE(vv_buf_append_zigzag(out, values[0]));
    VV_IGNORE(vv_buf_append_zigzag(out, (int64_t)first_delta));
    const vv_kernels *kernels = vv_kernels_get();
    kernels->bias_delta((const uint64_t *)values, count, 0, scratch->runs);
    kernels->bias_delta(scratch->runs, count - 1, 0, scratch->deltas);
    vv_int_frame_write(&plan->frame, scratch->deltas, count - 2, scratch, out);
}

void vv_ints_write_planned(const vv_ints_plan *plan, const int64_t *values, size_t count,
                           vv_codec_scratch *scratch, vv_buf *out)
{
    /* The buffer keeps a failure; the caller asks it. */
    VV_IGNORE(vv_buf_append_u8(out, plan->form));
    switch (plan->form) {
    case INTS_CONSTANT:
        VV_IGNORE(vv_buf_append_zigzag(out, values[0]));
        break;
    case INTS_FRAME:
        vv_int_frame_write(&plan->frame, (const uint64_t *)values, count, scratch, out);
        break;
    case INTS_DELTA:
        VV_IGNORE(vv_buf_append_zigzag(out, values[0]));
        vv_kernels_get()->bias_delta((const uint64_t *)values, count, 0, scratch->deltas);
        vv_int_frame_write(&plan->frame, scratch->deltas, count - 1, scratch, out);
        break;
    case INTS_CURVE:
        ints_write_curve(plan, values, count, scratch, out);
        break;
    case INTS_RUNS:
        (void)ints_collect_runs(values, count, scratch);
        VV_IGNORE(vv_buf_append_varint(out, plan->run_count));
        vv_int_frame_write(&plan->frame, scratch->runs, plan->run_count, scratch, out);
        vv_int_frame_write(&plan->length_frame, scratch->lengths, plan->run_count, scratch, out);
        break;
    case INTS_DICTIONARY:
        VV_IGNORE(vv_buf_append_varint(out, plan->dictionary_size - 1));
        vv_int_frame_write(&plan->frame, scratch->runs, plan->dictionary_size, scratch, out);
        vv_bitpack_write(scratch->lengths, count, vv_bits_for(plan->dictionary_size - 1), out);
        break;
    default:
        VV_UNREACHABLE();
    }
}

void vv_ints_write(const int64_t *values, size_t count, vv_codec_scratch *scratch, vv_buf *out)
{
    vv_ints_plan plan;
    vv_ints_plan_best(values, count, scratch, &plan);
    vv_ints_write_planned(&plan, values, count, scratch, out);
}

static void ints_read_constant(vv_reader *reader, size_t count, int64_t *out_values)
{
    int64_t value = vv_reader_zigzag(reader);
    for (size_t i = 0; i < count; ++i) {
        out_values[i] = value;
    }
}

/* Running sums in place of differences: values[i] += values[i - 1]. */
static void ints_add_up(uint64_t *values, size_t count)
{
    uint64_t sum = values[0];
    for (size_t i = 1; i < count; ++i) {
        sum += values[i];
        values[i] = sum;
    }
}

static void ints_read_delta(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                            int64_t *out_values)
{
    out_values[0] = vv_reader_zigzag(reader);
    if (count < 2) {
        vv_reader_spoil(reader);
        return;
    }
    vv_int_frame_read(reader, count - 1, scratch, (uint64_t *)out_values + 1);
    if (!vv_reader_is_bad(reader)) {
        ints_add_up((uint64_t *)out_values, count);
    }
}

static void ints_read_curve(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                            int64_t *out_values)
{
    if (count < 3) {
        vv_reader_spoil(reader);
        return;
    }
    out_values[0] = vv_reader_zigzag(reader);
    out_values[1] = vv_reader_zigzag(reader);
    vv_int_frame_read(reader, count - 2, scratch, (uint64_t *)out_values + 2);
    if (!vv_reader_is_bad(reader)) {
        ints_add_up((uint64_t *)out_values + 1, count - 1);
        ints_add_up((uint64_t *)out_values, count);
    }
}

static void ints_read_runs(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                           int64_t *out_values)
{
    size_t run_count = (size_t)vv_reader_varint_max(reader, count);
    if (run_count == 0) {
        vv_reader_spoil(reader);
        return;
    }
    vv_int_frame_read(reader, run_count, scratch, scratch->runs);
    vv_int_frame_read(reader, run_count, scratch, scratch->lengths);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    size_t done = 0;
    for (size_t run = 0; run < run_count; ++run) {
        uint64_t more = scratch->lengths[run]; /* less 1 */
        if (more >= count - done) {
            vv_reader_spoil(reader);
            return;
        }
        size_t end = done + (size_t)more + 1;
        for (; done < end; ++done) {
            out_values[done] = (int64_t)scratch->runs[run];
        }
    }
    if (done != count) {
        vv_reader_spoil(reader);
    }
}

static void ints_read_dictionary(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                                 int64_t *out_values)
{
    size_t size = (size_t)vv_reader_varint_max(reader, VV_INTS_DICTIONARY_MAX - 1) + 1;
    vv_int_frame_read(reader, size, scratch, scratch->runs);
    vv_bitpack_read(reader, count, vv_bits_for(size - 1), scratch->lengths);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    uint64_t greatest = 0;
    for (size_t i = 0; i < count; ++i) {
        uint64_t code = scratch->lengths[i];
        greatest = code > greatest ? code : greatest;
        out_values[i] = (int64_t)scratch->runs[code]; /* at most 8 bits, so within the array */
    }
    if (greatest >= size) {
        vv_reader_spoil(reader);
    }
}

void vv_ints_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, int64_t *out_values)
{
    switch (vv_reader_u8(reader)) {
    case INTS_CONSTANT:
        ints_read_constant(reader, count, out_values);
        break;
    case INTS_FRAME:
        vv_int_frame_read(reader, count, scratch, (uint64_t *)out_values);
        break;
    case INTS_DELTA:
        ints_read_delta(reader, count, scratch, out_values);
        break;
    case INTS_CURVE:
        ints_read_curve(reader, count, scratch, out_values);
        break;
    case INTS_RUNS:
        ints_read_runs(reader, count, scratch, out_values);
        break;
    case INTS_DICTIONARY:
        ints_read_dictionary(reader, count, scratch, out_values);
        break;
    default:
        vv_reader_spoil(reader);
        break;
    }
}
