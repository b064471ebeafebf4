/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of bits: which rows have a value, which values are BYTES, and bools.
 *
 *     u8 0  none       no bit is set
 *     u8 1  all        every bit is set
 *     u8 2  bits       (count + 7) / 8 bytes, lowest bit first; bits behind count are zero
 *     u8 3  runs       varint runs, at least 2; frame of their lengths less 1; the first is of
 * zeros u8 4  runs       the same, the first is of ones
 */
#include "codec/codec_priv.h"

enum {
    BOOLS_NONE = 0,
    BOOLS_ALL = 1,
    BOOLS_BITS = 2,
    BOOLS_RUNS_FROM_ZERO = 3,
    BOOLS_RUNS_FROM_ONE = 4
};

/* Lengths less 1 of the runs into scratch->lengths; their count, or limit + 1 when they are more.
 */
static size_t bools_collect_runs(const uint64_t *words, size_t count, size_t limit,
                                 vv_codec_scratch *scratch)
{
    size_t run_count = 0;
    bool is_set = vv_bits_get(words, 0);
    for (size_t begin = 0; begin < count;) {
        if (run_count == limit) {
            return limit + 1;
        }
        size_t end = is_set ? vv_bits_find_clear(words, begin, count)
                            : vv_bits_find_set(words, begin, count);
        scratch->lengths[run_count] = end - begin - 1;
        run_count += 1;
        is_set = !is_set;
        begin = end;
    }
    return run_count;
}

static void bools_write_bits(const uint64_t *words, size_t count, vv_buf *out)
{
    uint8_t *target = vv_buf_extend(out, (count + 7) / 8);
    if (target == NULL) {
        return;
    }
    memcpy(target, words, (count + 7) / 8);
    if (count % 8 != 0) {
        target[count / 8] &= (uint8_t)((1u << (count % 8)) - 1);
    }
}

void vv_bitset_write(const uint64_t *words, size_t count, vv_codec_scratch *scratch, vv_buf *out)
{
    size_t set = vv_bits_count(words, 0, count);
    if (set == 0 || set == count) {
        VV_IGNORE(vv_buf_append_u8(out, set == 0 ? BOOLS_NONE : BOOLS_ALL));
        return;
    }
    /* A run takes a bit at least; with as many runs as bytes it takes about eight. */
    size_t bytes = (count + 7) / 8;
    size_t run_count = bools_collect_runs(words, count, bytes, scratch);
    size_t before = out->size;
    if (run_count <= bytes) {
        bool is_set = vv_bits_get(words, 0);
        VV_IGNORE(vv_buf_append_u8(out, is_set ? BOOLS_RUNS_FROM_ONE : BOOLS_RUNS_FROM_ZERO));
        VV_IGNORE(vv_buf_append_varint(out, run_count));
        vv_int_frame_write_best(scratch->lengths, run_count, scratch, out);
    }
    if (run_count > bytes || out->size - before > 1 + bytes) {
        vv_buf_truncate(out, before);
        VV_IGNORE(vv_buf_append_u8(out, BOOLS_BITS));
        bools_write_bits(words, count, out);
    }
}

static void bools_read_bits(vv_reader *reader, size_t count, uint64_t *out_words)
{
    const uint8_t *bytes = vv_reader_bytes(reader, (count + 7) / 8);
    if (bytes == NULL) {
        return;
    }
    memcpy(out_words, bytes, (count + 7) / 8);
    if (count % 64 != 0 && (out_words[count / 64] >> (count % 64)) != 0) {
        vv_reader_spoil(reader);
    }
}

static void bools_read_runs(vv_reader *reader, size_t count, bool is_set, vv_codec_scratch *scratch,
                            uint64_t *out_words)
{
    size_t run_count = (size_t)vv_reader_varint_max(reader, count);
    if (run_count < 2) {
        vv_reader_spoil(reader);
        return;
    }
    vv_int_frame_read(reader, run_count, scratch, scratch->lengths);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    size_t begin = 0;
    for (size_t run = 0; run < run_count; ++run) {
        if (scratch->lengths[run] >= count - begin) {
            vv_reader_spoil(reader);
            return;
        }
        size_t end = begin + (size_t)scratch->lengths[run] + 1;
        if (is_set) {
            vv_bits_set_range(out_words, begin, end);
        }
        is_set = !is_set;
        begin = end;
    }
    if (begin != count) {
        vv_reader_spoil(reader);
    }
}

void vv_bitset_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, uint64_t *out_words)
{
    memset(out_words, 0, vv_bits_words(count) * sizeof *out_words);
    switch (vv_reader_u8(reader)) {
    case BOOLS_NONE:
        break;
    case BOOLS_ALL:
        vv_bits_set_range(out_words, 0, count);
        break;
    case BOOLS_BITS:
        bools_read_bits(reader, count, out_words);
        break;
    case BOOLS_RUNS_FROM_ZERO:
        bools_read_runs(reader, count, false, scratch, out_words);
        break;
    case BOOLS_RUNS_FROM_ONE:
        bools_read_runs(reader, count, true, scratch, out_words);
        break;
    default:
        vv_reader_spoil(reader);
        break;
    }
}

void vv_bools_write(const uint8_t *values, size_t count, vv_codec_scratch *scratch, vv_buf *out)
{
    uint64_t *words = scratch->words;
    memset(words, 0, vv_bits_words(count) * sizeof *words);
    for (size_t i = 0; i < count; ++i) {
        words[i / 64] |= (uint64_t)(values[i] & 1) << (i % 64);
    }
    vv_bitset_write(words, count, scratch, out);
}

void vv_bools_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, uint8_t *out_values)
{
    vv_bitset_read(reader, count, scratch, scratch->words);
    for (size_t i = 0; i < count; ++i) {
        out_values[i] = (uint8_t)vv_bits_get(scratch->words, i);
    }
}
