/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense bit arrays. A range [begin, end) touches a first word, whole words and a last word; the
 * masks of the two ends are all that can go wrong, so every function here is built on the same two.
 */
#include "base/bitmap.h"

#include "base/assert.h"

/* Bits of begin's word from begin on. */
static uint64_t bitmap_from(size_t begin)
{
    return UINT64_MAX << (begin % 64);
}

/* Bits of the word of end - 1 below end; end is not 0. */
static uint64_t bitmap_below(size_t end)
{
    return UINT64_MAX >> (63 - (end - 1) % 64);
}

/* The part of word index that belongs to [begin, end), which is not empty and touches it. */
static uint64_t bitmap_mask(size_t index, size_t begin, size_t end)
{
    uint64_t mask = UINT64_MAX;
    if (index == begin / 64) {
        mask &= bitmap_from(begin);
    }
    if (index == (end - 1) / 64) {
        mask &= bitmap_below(end);
    }
    return mask;
}

void vv_bits_set_range(uint64_t *words, size_t begin, size_t end)
{
    if (begin >= end) {
        return;
    }
    for (size_t index = begin / 64; index <= (end - 1) / 64; index++) {
        words[index] |= bitmap_mask(index, begin, end);
    }
}

void vv_bits_clear_range(uint64_t *words, size_t begin, size_t end)
{
    if (begin >= end) {
        return;
    }
    for (size_t index = begin / 64; index <= (end - 1) / 64; index++) {
        words[index] &= ~bitmap_mask(index, begin, end);
    }
}

size_t vv_bits_count(const uint64_t *words, size_t begin, size_t end)
{
    size_t count = 0;
    if (begin >= end) {
        return count;
    }
    for (size_t index = begin / 64; index <= (end - 1) / 64; index++) {
        count += vv_popcount64(words[index] & bitmap_mask(index, begin, end));
    }
    return count;
}

/* First bit of [begin, end) in words whose bits are flipped by flip (0 or all ones). */
static size_t bitmap_find(const uint64_t *words, size_t begin, size_t end, uint64_t flip)
{
    if (begin >= end) {
        return end;
    }
    for (size_t index = begin / 64; index <= (end - 1) / 64; index++) {
        uint64_t word = (words[index] ^ flip) & bitmap_mask(index, begin, end);
        if (word != 0) {
            return index * 64 + vv_ctz64(word);
        }
    }
    return end;
}

size_t vv_bits_find_set(const uint64_t *words, size_t begin, size_t end)
{
    return bitmap_find(words, begin, end, 0);
}

size_t vv_bits_find_clear(const uint64_t *words, size_t begin, size_t end)
{
    return bitmap_find(words, begin, end, UINT64_MAX);
}

size_t vv_bits_find_last_set(const uint64_t *words, size_t begin, size_t end)
{
    if (begin >= end) {
        return end;
    }
    for (size_t index = (end - 1) / 64 + 1; index > begin / 64; index--) {
        uint64_t word = words[index - 1] & bitmap_mask(index - 1, begin, end);
        if (word != 0) {
            return (index - 1) * 64 + 63 - vv_clz64(word);
        }
    }
    return end;
}

void vv_bits_and(uint64_t *target, const uint64_t *source, size_t word_count)
{
    for (size_t index = 0; index < word_count; index++) {
        target[index] &= source[index];
    }
}

void vv_bits_or(uint64_t *target, const uint64_t *source, size_t word_count)
{
    for (size_t index = 0; index < word_count; index++) {
        target[index] |= source[index];
    }
}

void vv_bits_andnot(uint64_t *target, const uint64_t *source, size_t word_count)
{
    for (size_t index = 0; index < word_count; index++) {
        target[index] &= ~source[index];
    }
}
