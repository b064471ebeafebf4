/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unsigned numbers of one width side by side, lowest bit first:
 *
 *     width 5   byte 0     byte 1     byte 2
 *               bbbaaaaa   dccccc bb  ...        a b c d: the values, low bits to the right
 *
 * Eight values fill exactly `width` bytes, a group; the last group may be short and the unused bits
 * of the last byte are zero. The layout knows nothing of vector registers: a byte shuffle brings
 * eight values into their lanes (kernels), and a vector of 3 rows takes no more than its bits.
 *
 * B1  A read never touches bytes outside the reader: groups near the end go through a padded copy.
 */
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"

enum {
    BITPACK_GROUP = 8,        /* values */
    BITPACK_WIDTH_ONE = 56,   /* up to here a value and the bits before it fit one word */
    BITPACK_GROUP_BYTES = 64, /* what an unpack kernel may touch from the beginning of a group */
};

/* What is written to: the word holds what is not yet written, the next store begins at its byte. */
typedef struct bitpack_end {
    uint64_t word;
    uint32_t fill; /* bits of the word, below 8 */
    uint8_t *at;
} bitpack_end;

static VV_ALWAYS_INLINE void bitpack_put(bitpack_end *end, uint64_t bits, uint32_t width)
{
    end->word |= bits << end->fill;
    memcpy(end->at, &end->word, sizeof end->word);
    uint32_t fill = end->fill + width;
    end->at += fill / 8;
    end->word >>= fill / 8 * 8;
    end->fill = fill % 8;
}

/* One store for `lanes` values, which fit BITPACK_WIDTH_ONE bits: they are joined beside the chain
 * of words, in which each store waits for the one before. */
static VV_ALWAYS_INLINE size_t bitpack_narrow(const uint64_t *values, size_t count, uint32_t width,
                                              uint32_t lanes, uint8_t *target)
{
    bitpack_end end = {.at = target};
    size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        uint64_t joined = values[i];
        for (uint32_t lane = 1; lane < lanes; ++lane) {
            joined |= values[i + lane] << (lane * width);
        }
        bitpack_put(&end, joined, lanes * width);
    }
    for (; i < count; ++i) {
        bitpack_put(&end, values[i], width);
    }
    return (size_t)(end.at - target) + (end.fill != 0);
}

/* Whole bytes: no value waits for another one. */
static size_t bitpack_bytes(const uint64_t *values, size_t count, size_t bytes, uint8_t *target)
{
    for (size_t i = 0; i < count; ++i) {
        memcpy(target + i * bytes, &values[i], sizeof *values);
    }
    return count * bytes;
}

/* As above where a value may reach into a second word. */
static size_t bitpack_wide(const uint64_t *values, size_t count, uint32_t width, uint8_t *target)
{
    uint64_t word = 0;
    uint32_t fill = 0;
    uint8_t *at = target;
    for (size_t i = 0; i < count; ++i) {
        word |= values[i] << fill;
        memcpy(at, &word, sizeof word);
        fill += width;
        if (fill >= 64) {
            fill -= 64;
            at += 8;
            word = fill == 0 ? 0 : values[i] >> (width - fill);
        } else {
            at += fill / 8;
            word >>= fill / 8 * 8;
            fill %= 8;
        }
    }
    memcpy(at, &word, sizeof word);
    return (size_t)(at - target) + (fill != 0);
}

void vv_bitpack_write(const uint64_t *values, size_t count, uint32_t width, vv_buf *out)
{
    size_t size = vv_bitpack_size(count, width);
    /* Stores are of whole words, the last one behind a wide value. */
    if (width == 0 || vv_buf_reserve(out, size + 16) != VARVE_OK) {
        return;
    }
    uint8_t *target = out->data + out->size;
    size_t written;
    if (width % 8 == 0) {
        written = bitpack_bytes(values, count, width / 8, target);
    } else if (8 * width <= BITPACK_WIDTH_ONE) {
        written = bitpack_narrow(values, count, width, 8, target);
    } else if (4 * width <= BITPACK_WIDTH_ONE) {
        written = bitpack_narrow(values, count, width, 4, target);
    } else if (2 * width <= BITPACK_WIDTH_ONE) {
        written = bitpack_narrow(values, count, width, 2, target);
    } else if (width <= BITPACK_WIDTH_ONE) {
        written = bitpack_narrow(values, count, width, 1, target);
    } else {
        written = bitpack_wide(values, count, width, target);
    }
    VV_ASSERT(written == size);
    vv_buf_advance(out, size);
}

/* The groups that start less than 64 bytes before the end of the bytes, and the short one. */
static void bitpack_read_tail(const uint8_t *source, size_t size, size_t count, vv_unpack *how,
                              uint8_t *target)
{
    const vv_kernels *kernels = vv_kernels_get();
    uint8_t padded[2 * BITPACK_GROUP_BYTES] = {0};
    VV_ASSERT(size <= BITPACK_GROUP_BYTES);
    memcpy(padded, source, size);
    size_t group_count = count / BITPACK_GROUP;
    kernels->unpack(padded, group_count, how, target);
    size_t rest = count % BITPACK_GROUP;
    if (rest > 0) {
        VV_NOT_CLEARED uint64_t last[BITPACK_GROUP];
        kernels->unpack(padded + group_count * how->width, 1, how, last);
        memcpy(target + group_count * sizeof last, last, rest * sizeof *last);
    }
}

void vv_bitpack_read_as(vv_reader *reader, size_t count, vv_unpack *how, void *out_values)
{
    uint8_t *target = (uint8_t *)out_values;
    uint32_t width = how->width;
    VV_ASSERT(width >= 1 && width <= 64);
    size_t size = vv_bitpack_size(count, width);
    size_t readable = vv_reader_left(reader); /* bytes behind the numbers may be touched (B1) */
    const uint8_t *source = vv_reader_bytes(reader, size);
    if (source == NULL) {
        memset(target, 0, count * sizeof(uint64_t));
        return;
    }
    size_t direct = 0;
    if (readable >= BITPACK_GROUP_BYTES) {
        direct = (readable - BITPACK_GROUP_BYTES) / width + 1;
        direct = direct < count / BITPACK_GROUP ? direct : count / BITPACK_GROUP;
    }
    vv_kernels_get()->unpack(source, direct, how, target);
    size_t done = direct * BITPACK_GROUP;
    if (done < count) {
        bitpack_read_tail(source + direct * width, size - direct * width, count - done, how,
                          target + done * sizeof(uint64_t));
    }
}

void vv_bitpack_read(vv_reader *reader, size_t count, uint32_t width, uint64_t *out_values)
{
    if (width == 0 || width > 64 || count == 0) {
        if (width > 64) {
            vv_reader_spoil(reader);
        }
        memset(out_values, 0, count * sizeof *out_values);
        return;
    }
    vv_unpack how = {.width = width};
    vv_bitpack_read_as(reader, count, &how, out_values);
}
