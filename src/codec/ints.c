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
 *     u8 4  runs         varint runs; ints of their values, in another form than this; frame of
 *                        their lengths less 1
 *     u8 5  dictionary   varint size - 1; zigzag least value; [frame of the size - 1 differences of
 *                        neighbours, the values ascending;] codes bit-packed
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
    INTS_SAMPLE = 256, /* values looked at before a dictionary is tried */
    /* Of them, where a value takes many bits: about 650 distinct of 1024. With 16 one of 21 real
     * columns got 6 % smaller, and took four times as long to encode. */
    INTS_SAMPLE_REPEATS = 24,
    INTS_FEW_REPEATS = 128, /* where it takes few; arbitrary */
    INTS_MANY_BITS = 14     /* codes have 10, the table some too */
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

/* Runs into scratch; returns the frame of their lengths less 1. */
static vv_int_frame ints_collect_runs(const int64_t *values, size_t count,
                                      vv_codec_scratch *scratch)
{
    size_t run = 0;
    size_t begin = 0;
    uint64_t shortest = UINT64_MAX;
    uint64_t longest = 0;
    for (size_t i = 1; i <= count; ++i) {
        if (i == count || values[i] != values[i - 1]) {
            scratch->runs[run] = (uint64_t)values[begin];
            scratch->lengths[run] = i - begin - 1;
            shortest = scratch->lengths[run] < shortest ? scratch->lengths[run] : shortest;
            longest = scratch->lengths[run] > longest ? scratch->lengths[run] : longest;
            run += 1;
            begin = i;
        }
    }
    return vv_int_frame_plan(scratch->lengths, run, (int64_t)shortest, (int64_t)longest);
}

static void ints_plan_one(const int64_t *values, size_t count, const vv_int_range *range,
                          vv_codec_scratch *scratch, vv_ints_plan *plan);

/* A plan of the values of runs, which are values like others, but never runs again. */
static void ints_plan_run_values(size_t run_count, vv_codec_scratch *scratch, vv_ints_plan *plan)
{
    vv_int_range range;
    const int64_t *values = (const int64_t *)scratch->runs;
    vv_kernels_get()->range(values, run_count, &range);
    ints_plan_one(values, run_count, &range, scratch, plan);
}

static void ints_plan_runs(const int64_t *values, size_t count, const vv_int_range *range,
                           vv_codec_scratch *scratch, vv_ints_plan *plan)
{
    size_t run_count = range->changes + 1;
    /* Shorter runs than 2 on average: the lengths cost what the values save. */
    if (run_count > count / 2 || run_count / 8 >= plan->size) {
        return;
    }
    vv_int_frame lengths = ints_collect_runs(values, count, scratch);
    vv_ints_plan inner;
    ints_plan_run_values(run_count, scratch, &inner);
    size_t size = 1 + vv_varint_size(run_count) + inner.size + lengths.size;
    if (size < plan->size) {
        *plan = (vv_ints_plan){.form = INTS_RUNS, .size = size, .run_count = run_count};
    }
}

/* How many of some values others of them equal, about: of INTS_SAMPLE, or as if of so many. */
static size_t ints_sample_repeats(const int64_t *values, size_t count, vv_codec_scratch *scratch)
{
    enum { HASH_BITS = 14 };
    _Static_assert(1 << HASH_BITS == VV_INTS_SAMPLE_WORDS * 64, "a bit for each hash");
    size_t taken = count < INTS_SAMPLE ? count : INTS_SAMPLE;
    size_t step = count / taken;
    /* Not quite evenly, as vv_sample_index, without its division. */
    size_t mask = step < 2 ? 0 : step < 4 ? 1 : 3;
    size_t repeats = 0;
    memset(scratch->sample, 0, sizeof scratch->sample);
    for (size_t i = 0; i < taken; ++i) {
        uint64_t value = (uint64_t)values[i * step + (i * 5 & mask)];
        uint64_t hash = (value ^ value >> 32) * UINT64_C(0x9E3779B97F4A7C15) >> (64 - HASH_BITS);
        uint64_t word = scratch->sample[hash / 64];
        repeats += word >> (hash % 64) & 1;
        scratch->sample[hash / 64] = word | UINT64_C(1) << (hash % 64);
    }
    return repeats * INTS_SAMPLE / taken;
}

/* Distinct values into scratch->table in order of appearance, codes of that order into codes. */
static size_t ints_collect_distinct(const int64_t *values, size_t count, vv_codec_scratch *scratch)
{
    memset(scratch->slots, 0, sizeof scratch->slots);
    size_t distinct = 0;
    for (size_t i = 0; i < count; ++i) {
        uint64_t value = (uint64_t)values[i];
        size_t slot = vv_hash_mix(value) % VV_INTS_SLOTS;
        while (scratch->slots[slot] != 0 && scratch->table[scratch->slots[slot] - 1] != value) {
            slot = (slot + 1) % VV_INTS_SLOTS;
        }
        if (scratch->slots[slot] == 0) {
            scratch->table[distinct] = value;
            distinct += 1;
            scratch->slots[slot] = (uint16_t)distinct;
        }
        scratch->codes[i] = scratch->slots[slot] - 1u;
    }
    return distinct;
}

/* One pass of the sort: by 8 bits of value - min, stable. */
static void ints_sort_pass(const uint64_t *values, const uint16_t *order, size_t count,
                           uint64_t min, uint32_t shift, uint64_t *out_values, uint16_t *out_order)
{
    uint16_t ends[257] = {0}; /* of the digits below */
    for (size_t i = 0; i < count; ++i) {
        ends[((values[i] - min) >> shift & 0xFF) + 1] += 1;
    }
    for (size_t digit = 1; digit < 257; ++digit) {
        ends[digit] = (uint16_t)(ends[digit] + ends[digit - 1]);
    }
    for (size_t i = 0; i < count; ++i) {
        size_t at = ends[(values[i] - min) >> shift & 0xFF]++;
        out_values[at] = values[i];
        out_order[at] = order[i];
    }
}

/* Radix sort of the table as signed numbers from min to max, with its order of appearance; returns
 * that order. */
static const uint16_t *ints_sort_table(size_t count, int64_t min, int64_t max,
                                       vv_codec_scratch *scratch)
{
    uint32_t width = vv_bits_for((uint64_t)max - (uint64_t)min);
    uint64_t *values[2] = {scratch->table, scratch->deltas};
    uint32_t from = 0;
    for (size_t i = 0; i < count; ++i) {
        scratch->order[0][i] = (uint16_t)i;
    }
    for (uint32_t shift = 0; shift < width; shift += 8) {
        ints_sort_pass(values[from], scratch->order[from], count, (uint64_t)min, shift,
                       values[1 - from], scratch->order[1 - from]);
        from = 1 - from;
    }
    if (from == 1) {
        memcpy(scratch->table, scratch->deltas, count * sizeof *scratch->table);
    }
    return scratch->order[from];
}

/* Codes of the order of appearance become those of the ascending one. */
static void ints_recode(const uint16_t *order, size_t distinct, size_t count,
                        vv_codec_scratch *scratch)
{
    VV_NOT_CLEARED uint16_t rank[VV_INTS_DICTIONARY_MAX];
    for (size_t i = 0; i < distinct; ++i) {
        rank[order[i]] = (uint16_t)i;
    }
    for (size_t i = 0; i < count; ++i) {
        scratch->codes[i] = rank[scratch->codes[i]];
    }
}

/* The frame of the differences of neighbours in the table. */
static vv_int_frame ints_table_frame(size_t distinct, vv_codec_scratch *scratch)
{
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    vv_kernels_get()->bias_delta(scratch->table, distinct, 0, scratch->deltas);
    for (size_t i = 0; i < distinct - 1; ++i) {
        int64_t delta = (int64_t)scratch->deltas[i];
        min = delta < min ? delta : min;
        max = delta > max ? delta : max;
    }
    return vv_int_frame_plan(scratch->deltas, distinct - 1, min, max);
}

/* Bytes of a table of values that lie evenly; others may take somewhat less. */
static size_t ints_table_size(size_t distinct, const vv_int_range *range)
{
    uint64_t gap = ((uint64_t)range->max - (uint64_t)range->min) / distinct;
    return distinct * vv_bits_for(gap) / 8;
}

static void ints_plan_dictionary(const int64_t *values, size_t count, const vv_int_range *range,
                                 vv_codec_scratch *scratch, vv_ints_plan *plan)
{
    size_t distinct = ints_collect_distinct(values, count, scratch);
    size_t codes_size = vv_bitpack_size(count, vv_bits_for(distinct - 1));
    if (distinct < 2 || codes_size + ints_table_size(distinct, range) >= plan->size) {
        return;
    }
    const uint16_t *order = ints_sort_table(distinct, range->min, range->max, scratch);
    vv_int_frame frame = ints_table_frame(distinct, scratch);
    size_t size = 1 + vv_varint_size(distinct - 1) +
                  vv_varint_size(vv_zigzag_encode((int64_t)scratch->table[0])) + frame.size +
                  codes_size;
    if (size >= plan->size) {
        return;
    }
    ints_recode(order, distinct, count, scratch);
    *plan = (vv_ints_plan){
        .form = INTS_DICTIONARY, .size = size, .frame = frame, .dictionary_size = distinct};
}

/* Whether a dictionary is worth the search: each value is looked up. */
static bool ints_may_repeat(const int64_t *values, size_t count, const vv_ints_plan *plan,
                            vv_codec_scratch *scratch)
{
    /* A dictionary has codes of a bit at least, and its table. */
    if (count < INTS_SAMPLE / 4 || plan->size <= count / 2) {
        return false;
    }
    size_t least =
        plan->size >= count * INTS_MANY_BITS / 8 ? INTS_SAMPLE_REPEATS : INTS_FEW_REPEATS;
    return ints_sample_repeats(values, count, scratch) >= least;
}

/* All forms but runs. */
static void ints_plan_one(const int64_t *values, size_t count, const vv_int_range *range,
                          vv_codec_scratch *scratch, vv_ints_plan *plan)
{
    *plan = (vv_ints_plan){.form = INTS_CONSTANT, .size = SIZE_MAX};
    if (range->changes == 0) {
        plan->size = 1 + ints_first_size(values, 0);
        return;
    }
    ints_plan_plain(values, count, range, plan);
    if (count < 3) {
        return;
    }
    ints_plan_patched(values, count, range, scratch, plan);
    if (ints_may_repeat(values, count, plan, scratch)) {
        ints_plan_dictionary(values, count, range, scratch, plan);
    }
}

void vv_ints_plan_best(const int64_t *values, size_t count, vv_codec_scratch *scratch,
                       vv_ints_plan *plan)
{
    vv_int_range range;
    vv_kernels_get()->range(values, count, &range);
    ints_plan_one(values, count, &range, scratch, plan);
    bool was_dictionary = plan->form == INTS_DICTIONARY;
    if (count < 3 || plan->form == INTS_CONSTANT) {
        return;
    }
    ints_plan_runs(values, count, &range, scratch, plan);
    if (was_dictionary && plan->form == INTS_DICTIONARY && range.changes < count / 2) {
        ints_plan_dictionary(values, count, &range, scratch, &(vv_ints_plan){.size = SIZE_MAX});
    }
}

static void ints_write_curve(const vv_ints_plan *plan, const int64_t *values, size_t count,
                             vv_codec_scratch *scratch, vv_buf *out)
{
    uint64_t first_delta = (uint64_t)values[1] - (uint64_t)values[0];
    VV_IGNORE(vv_buf_append_zigzag(out, values[0]));
    VV_IGNORE(vv_buf_append_zigzag(out, (int64_t)first_delta));
    const vv_kernels *kernels = vv_kernels_get();
    kernels->bias_delta((const uint64_t *)values, count, 0, scratch->table);
    kernels->bias_delta(scratch->table, count - 1, 0, scratch->deltas);
    vv_int_frame_write(&plan->frame, scratch->deltas, count - 2, scratch, out);
}

static void ints_write_dictionary(const vv_ints_plan *plan, size_t count, vv_codec_scratch *scratch,
                                  vv_buf *out)
{
    size_t size = plan->dictionary_size;
    VV_IGNORE(vv_buf_append_varint(out, size - 1));
    VV_IGNORE(vv_buf_append_zigzag(out, (int64_t)scratch->table[0]));
    vv_kernels_get()->bias_delta(scratch->table, size, 0, scratch->deltas);
    vv_int_frame_write(&plan->frame, scratch->deltas, size - 1, scratch, out);
    vv_bitpack_write(scratch->codes, count, vv_bits_for(size - 1), out);
}

/* The values are planned again: their plan is not kept, since a dictionary needs the scratch. */
static void ints_write_runs(const vv_ints_plan *plan, const int64_t *values, size_t count,
                            vv_codec_scratch *scratch, vv_buf *out)
{
    vv_ints_plan inner;
    vv_int_frame lengths = ints_collect_runs(values, count, scratch);
    VV_IGNORE(vv_buf_append_varint(out, plan->run_count));
    ints_plan_run_values(plan->run_count, scratch, &inner);
    vv_ints_write_planned(&inner, (const int64_t *)scratch->runs, plan->run_count, scratch, out);
    vv_int_frame_write(&lengths, scratch->lengths, plan->run_count, scratch, out);
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
        ints_write_runs(plan, values, count, scratch, out);
        break;
    case INTS_DICTIONARY:
        ints_write_dictionary(plan, count, scratch, out);
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

static void ints_read_delta(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                            int64_t *out_values)
{
    out_values[0] = vv_reader_zigzag(reader);
    if (count < 2) {
        vv_reader_spoil(reader);
        return;
    }
    vv_int_frame_read_sums(reader, count - 1, (uint64_t)out_values[0], scratch,
                           (uint64_t *)out_values + 1);
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
    vv_int_frame_read_sums(reader, count - 2, (uint64_t)out_values[1], scratch,
                           (uint64_t *)out_values + 2);
    if (!vv_reader_is_bad(reader)) {
        vv_kernels_get()->add_up((uint64_t *)out_values, count, 0);
    }
}

static void ints_read_form(vv_reader *reader, uint32_t form, size_t count,
                           vv_codec_scratch *scratch, int64_t *out_values);

/* One run; where there is room behind it, without a branch on its length as long as it is short. */
static VV_ALWAYS_INLINE void ints_fill(uint8_t *target, size_t length, size_t room, uint64_t value)
{
    enum { FILL_SHORT = 8 };
    size_t filled = 0;
    if (room >= FILL_SHORT) {
        for (; filled < FILL_SHORT; ++filled) {
            memcpy(target + filled * sizeof value, &value, sizeof value);
        }
    }
    for (; filled < length; ++filled) {
        memcpy(target + filled * sizeof value, &value, sizeof value);
    }
}

/* Reads the lengths, and fills with the values of the scratch, of 8 bytes whatever they are. */
static void ints_fill_runs(vv_reader *reader, size_t run_count, size_t count,
                           vv_codec_scratch *scratch, void *out_values)
{
    vv_int_frame_read(reader, run_count, scratch, scratch->lengths);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    uint8_t *target = (uint8_t *)out_values;
    size_t left = count;
    for (size_t run = 0; run < run_count; ++run) {
        uint64_t more = scratch->lengths[run]; /* less 1 */
        if (more >= left) {
            vv_reader_spoil(reader);
            return;
        }
        size_t length = (size_t)more + 1;
        ints_fill(target, length, left, scratch->runs[run]);
        target += length * sizeof(uint64_t);
        left -= length;
    }
    if (left != 0) {
        vv_reader_spoil(reader);
    }
}

/* How many runs there are, and the form of their values. */
static size_t ints_read_runs_head(vv_reader *reader, size_t count, uint32_t *out_form)
{
    size_t run_count = (size_t)vv_reader_varint_max(reader, count);
    *out_form = vv_reader_u8(reader);
    if (run_count == 0 || *out_form == INTS_RUNS) {
        vv_reader_spoil(reader);
    }
    return run_count;
}

static void ints_read_runs(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                           int64_t *out_values)
{
    uint32_t form;
    size_t run_count = ints_read_runs_head(reader, count, &form);
    if (!vv_reader_is_bad(reader)) {
        ints_read_form(reader, form, run_count, scratch, (int64_t *)scratch->runs);
        ints_fill_runs(reader, run_count, count, scratch, out_values);
    }
}

/* Table and codes into scratch; each code is below the size that is returned. */
static size_t ints_read_table(vv_reader *reader, size_t count, vv_codec_scratch *scratch)
{
    size_t size = (size_t)vv_reader_varint_max(reader, VV_INTS_DICTIONARY_MAX - 1) + 1;
    scratch->table[0] = (uint64_t)vv_reader_zigzag(reader);
    if (size > 1) {
        vv_int_frame_read_sums(reader, size - 1, scratch->table[0], scratch, scratch->table + 1);
    }
    vv_bitpack_read(reader, count, vv_bits_for(size - 1), scratch->codes);
    if (vv_reader_is_bad(reader)) {
        return size;
    }
    uint64_t below = UINT64_MAX; /* its upper bit stays while codes are below size */
    for (size_t i = 0; i < count; ++i) {
        below &= scratch->codes[i] - size;
    }
    if (below >> 63 == 0) {
        vv_reader_spoil(reader);
    }
    return size;
}

static void ints_look_up(const vv_codec_scratch *scratch, size_t count, void *out_values)
{
    uint8_t *target = (uint8_t *)out_values;
    for (size_t i = 0; i < count; ++i) {
        memcpy(target + i * sizeof(uint64_t), &scratch->table[scratch->codes[i]], sizeof(uint64_t));
    }
}

static void ints_read_dictionary(vv_reader *reader, size_t count, vv_codec_scratch *scratch,
                                 int64_t *out_values)
{
    VV_IGNORE(ints_read_table(reader, count, scratch));
    if (!vv_reader_is_bad(reader)) {
        ints_look_up(scratch, count, out_values);
    }
}

static void ints_read_form(vv_reader *reader, uint32_t form, size_t count,
                           vv_codec_scratch *scratch, int64_t *out_values)
{
    switch (form) {
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

void vv_ints_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, int64_t *out_values)
{
    ints_read_form(reader, vv_reader_u8(reader), count, scratch, out_values);
}

static void ints_read_dictionary_decimals(vv_reader *reader, size_t count,
                                          const vv_decimal *decimal, vv_codec_scratch *scratch,
                                          double *out_values)
{
    size_t size = ints_read_table(reader, count, scratch);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    /* The kernel copies what it reads and writes: in place is well. */
    vv_kernels_get()->decimal_decode((const int64_t *)scratch->table, size, decimal,
                                     (double *)scratch->table);
    ints_look_up(scratch, count, out_values);
}

/* Any form but runs. */
static void ints_read_form_decimals(vv_reader *reader, uint32_t form, size_t count,
                                    const vv_decimal *decimal, vv_codec_scratch *scratch,
                                    double *out_values)
{
    if (form == INTS_FRAME) {
        vv_int_frame_read_decimals(reader, count, decimal, scratch, out_values);
    } else if (form == INTS_DICTIONARY) {
        ints_read_dictionary_decimals(reader, count, decimal, scratch, out_values);
    } else {
        ints_read_form(reader, form, count, scratch, scratch->ints);
        if (!vv_reader_is_bad(reader)) {
            vv_kernels_get()->decimal_decode(scratch->ints, count, decimal, out_values);
        }
    }
}

void vv_ints_read_decimals(vv_reader *reader, size_t count, const vv_decimal *decimal,
                           vv_codec_scratch *scratch, double *out_values)
{
    uint32_t form = vv_reader_u8(reader);
    if (form != INTS_RUNS) {
        ints_read_form_decimals(reader, form, count, decimal, scratch, out_values);
        return;
    }
    size_t run_count = ints_read_runs_head(reader, count, &form);
    if (!vv_reader_is_bad(reader)) {
        ints_read_form_decimals(reader, form, run_count, decimal, scratch, (double *)scratch->runs);
        ints_fill_runs(reader, run_count, count, scratch, out_values);
    }
}
