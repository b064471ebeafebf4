/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubles that use all their bits: cut each at one place, so that sign, exponent and first bits of
 * the mantissa, which have few distinct values, are a code of at most 3 bits, and the rest stands
 * as it is (ALP_rd of "ALP: Adaptive Lossless floating-Point Compression").
 *
 *     u8       bits of the right part, 48..56
 *     u8       size of the dictionary, 1..8
 *     u16      each left part of the dictionary
 *     bitpack  codes, in the bits of size - 1
 *     bitpack  right parts
 *     varint   exceptions, at most count
 *     bitpack  their positions, ascending, in the bits of count - 1
 *     bitpack  their left parts, 16 bits each
 */
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

enum {
    SPLIT_RIGHT_MIN = 48,
    SPLIT_RIGHT_MAX = 56, /* a left part of less than 8 bits has nothing to code */
    SPLIT_CODES_MAX = VV_SPLIT_PARTS,
    SPLIT_SAMPLE = 64,   /* values looked at; arbitrary */
    SPLIT_LONG = 512,    /* half of that for less than so many; arbitrary */
    SPLIT_COUNT_MIN = 16 /* below that the dictionary costs more than it saves */
};

/* Left parts with how often the sample has them. */
typedef struct split_dictionary {
    uint32_t right_bits;
    uint32_t size;
    uint16_t parts[SPLIT_SAMPLE];
    uint16_t counts[SPLIT_SAMPLE];
} split_dictionary;

static uint64_t split_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The upper 16 bits of some values, ascending, so that equal left parts of any width stand
 * together; returns how many. */
static size_t split_take_sample(const double *values, size_t count, uint16_t *out_sample)
{
    size_t wanted = count < SPLIT_LONG ? SPLIT_SAMPLE / 2 : SPLIT_SAMPLE;
    size_t taken = count < wanted ? count : wanted;
    for (size_t i = 0; i < taken; ++i) {
        double value = values[vv_sample_index(i, count / taken)];
        uint16_t upper = (uint16_t)(split_bits(value) >> SPLIT_RIGHT_MIN);
        size_t at = i;
        for (; at > 0 && out_sample[at - 1] > upper; --at) {
            out_sample[at] = out_sample[at - 1];
        }
        out_sample[at] = upper;
    }
    return taken;
}

static void split_count(const uint16_t *sample, size_t count, uint32_t right_bits,
                        split_dictionary *out)
{
    out->right_bits = right_bits;
    out->size = 0;
    for (size_t i = 0; i < count; ++i) {
        uint16_t part = (uint16_t)(sample[i] >> (right_bits - SPLIT_RIGHT_MIN));
        if (out->size == 0 || out->parts[out->size - 1] != part) {
            out->parts[out->size] = part;
            out->counts[out->size] = 0;
            out->size += 1;
        }
        out->counts[out->size - 1] += 1;
    }
}

/* The commonest parts to the front, no more than there are codes; returns how often they occur. */
static size_t split_keep_commonest(split_dictionary *dictionary)
{
    size_t covered = 0;
    uint32_t kept = dictionary->size < SPLIT_CODES_MAX ? dictionary->size : SPLIT_CODES_MAX;
    for (uint32_t i = 0; i < kept; ++i) {
        uint32_t best = i;
        for (uint32_t j = i + 1; j < dictionary->size; ++j) {
            best = dictionary->counts[j] > dictionary->counts[best] ? j : best;
        }
        uint16_t part = dictionary->parts[best];
        uint16_t count = dictionary->counts[best];
        dictionary->parts[best] = dictionary->parts[i];
        dictionary->counts[best] = dictionary->counts[i];
        dictionary->parts[i] = part;
        dictionary->counts[i] = count;
        covered += count;
    }
    dictionary->size = kept;
    return covered;
}

/* Where to cut, by a sample; returns about how many bits a thousand values take. */
static size_t split_plan(const double *values, size_t count, split_dictionary *out_best)
{
    uint16_t sample[SPLIT_SAMPLE];
    size_t taken = split_take_sample(values, count, sample);
    size_t best = SIZE_MAX;
    for (uint32_t right_bits = SPLIT_RIGHT_MIN; right_bits <= SPLIT_RIGHT_MAX; ++right_bits) {
        split_dictionary dictionary;
        if (right_bits * (size_t)1000 >= best) {
            break; /* the right parts alone cost more */
        }
        split_count(sample, taken, right_bits, &dictionary);
        if (dictionary.size > SPLIT_CODES_MAX && dictionary.size > taken / 2) {
            continue; /* hardly two of a kind: most would be exceptions */
        }
        size_t outside = taken - split_keep_commonest(&dictionary);
        size_t each = right_bits + vv_bits_for(dictionary.size - 1);
        size_t cost = each * 1000 + outside * (16 + vv_bits_for(count - 1)) * 1000 / taken;
        if (cost < best) {
            best = cost;
            *out_best = dictionary;
        }
    }
    return best;
}

/* Right parts into scratch->deltas, codes into codes, exceptions into patch; returns their count.
 */
static size_t split_cut(const double *values, size_t count, const split_dictionary *dictionary,
                        vv_codec_scratch *scratch)
{
    uint64_t parts[SPLIT_CODES_MAX];
    for (uint32_t i = 0; i < SPLIT_CODES_MAX; ++i) {
        parts[i] = i < dictionary->size ? dictionary->parts[i] : UINT64_MAX; /* of no value */
    }
    size_t missing = vv_kernels_get()->split(values, count, dictionary->right_bits, parts,
                                             scratch->deltas, scratch->codes);
    size_t exception_count = 0;
    for (size_t i = 0; i < count && missing > 0; ++i) {
        /* Always noted: which one is an exception nobody can predict. */
        bool is_exception = scratch->codes[i] == SPLIT_CODES_MAX;
        scratch->patch_at[exception_count] = i;
        scratch->patch[exception_count] = split_bits(values[i]) >> dictionary->right_bits;
        exception_count += is_exception;
        scratch->codes[i] = is_exception ? 0 : scratch->codes[i];
    }
    VV_ASSERT(exception_count == missing);
    return exception_count;
}

static size_t split_size(size_t count, const split_dictionary *dictionary, size_t exception_count)
{
    return 2 + 2 * dictionary->size + vv_bitpack_size(count, vv_bits_for(dictionary->size - 1)) +
           vv_bitpack_size(count, dictionary->right_bits) + vv_varint_size(exception_count) +
           vv_bitpack_size(exception_count, vv_bits_for(count - 1)) +
           vv_bitpack_size(exception_count, 16);
}

bool vv_split_write(const double *values, size_t count, size_t size_max, vv_codec_scratch *scratch,
                    vv_buf *out)
{
    split_dictionary dictionary;
    if (count < SPLIT_COUNT_MIN || split_plan(values, count, &dictionary) >= (size_t)64 * 1000) {
        return false;
    }
    size_t exception_count = split_cut(values, count, &dictionary, scratch);
    if (split_size(count, &dictionary, exception_count) > size_max) {
        return false;
    }
    VV_IGNORE(vv_buf_append_u8(out, (uint8_t)dictionary.right_bits));
    VV_IGNORE(vv_buf_append_u8(out, (uint8_t)dictionary.size));
    for (uint32_t i = 0; i < dictionary.size; ++i) {
        VV_IGNORE(vv_buf_append_u16(out, dictionary.parts[i]));
    }
    vv_bitpack_write(scratch->codes, count, vv_bits_for(dictionary.size - 1), out);
    vv_bitpack_write(scratch->deltas, count, dictionary.right_bits, out);
    VV_IGNORE(vv_buf_append_varint(out, exception_count));
    vv_bitpack_write(scratch->patch_at, exception_count, vv_bits_for(count - 1), out);
    vv_bitpack_write(scratch->patch, exception_count, 16, out);
    return true;
}

/* The left parts that have no code over those that code 0 gave. */
static void split_read_exceptions(vv_reader *reader, size_t count, uint32_t right_bits,
                                  vv_codec_scratch *scratch, double *out_values)
{
    size_t exception_count = (size_t)vv_reader_varint_max(reader, count);
    vv_bitpack_read(reader, exception_count, vv_bits_for(count - 1), scratch->patch_at);
    vv_bitpack_read(reader, exception_count, 16, scratch->patch);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    for (size_t i = 0; i < exception_count; ++i) {
        uint64_t position = scratch->patch_at[i];
        if (position >= count || (i > 0 && position <= scratch->patch_at[i - 1])) {
            vv_reader_spoil(reader);
            return;
        }
        uint64_t bits = scratch->deltas[position] | scratch->patch[i] << right_bits;
        memcpy(&out_values[position], &bits, sizeof bits);
    }
}

void vv_split_read(vv_reader *reader, size_t count, vv_codec_scratch *scratch, double *out_values)
{
    uint32_t right_bits = vv_reader_u8(reader);
    uint32_t size = vv_reader_u8(reader);
    if (right_bits < SPLIT_RIGHT_MIN || right_bits > SPLIT_RIGHT_MAX || size == 0 ||
        size > SPLIT_CODES_MAX) {
        vv_reader_spoil(reader);
        return;
    }
    uint64_t parts[SPLIT_CODES_MAX] = {0}; /* codes have at most 3 bits: always within */
    for (uint32_t i = 0; i < size; ++i) {
        parts[i] = (uint64_t)vv_reader_u16(reader) << right_bits;
    }
    vv_bitpack_read(reader, count, vv_bits_for(size - 1), scratch->codes);
    vv_bitpack_read(reader, count, right_bits, scratch->deltas);
    if (vv_reader_is_bad(reader)) {
        return;
    }
    vv_kernels_get()->join(scratch->deltas, scratch->codes, count, parts, out_values);
    split_read_exceptions(reader, count, right_bits, scratch, out_values);
}
