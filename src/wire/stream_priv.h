/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_STREAM_PRIV_H
#define VV_WIRE_STREAM_PRIV_H

/* What writer and reader of the stream share: sizes, limits, the bits of a column's kind. Bytes:
 * docs/formats/stream.md. */

#include "model/rows.h"
#include "wire/stream.h"

enum {
    VV_STREAM_VERSION = 1,
    VV_STREAM_END_BYTES = 24,
    VV_STREAM_ZERO_BYTES = 11, /* of the header, behind the precision */

    VV_STREAM_KIND_ROWS = 1,
    VV_STREAM_KIND_END = 2,
    VV_STREAM_KIND_OPTIONAL = 0x80, /* who does not know it skips it */
    VV_STREAM_FLAG_ZSTD = 1,

    /* A block is closed when it holds this much, unpacked: enough for zstd to find what repeats,
     * and with the largest run behind it still below the MiB that a server takes (computed:
     * 256 KiB + 16 Ki cells of 10 bytes + 1024 names of 256 bytes). */
    VV_STREAM_BLOCK_BYTES_AIM = 256 * 1024,
    /* A payload, packed or not: the largest batch that the log takes, so every row fits. */
    VV_STREAM_BLOCK_BYTES_MAX = 64 * 1024 * 1024 + 64 * 1024,
    VV_STREAM_RUN_ROWS_MAX = 4096, /* arbitrary: four blocks of a cursor */
    /* Rows times fields of a run: a reader gives out 32 bytes for each, 512 KiB. */
    VV_STREAM_RUN_CELLS_MAX = 16 * 1024,

    /* A column's kind. */
    VV_STREAM_TYPE_MASK = 0x07,
    VV_STREAM_HAS_PRESENCE = 0x08,
    VV_STREAM_HAS_MARKS = 0x10,
    VV_STREAM_CODING_SHIFT = 5,
    /* Codings of 64-bit numbers. */
    VV_STREAM_PLAIN = 0,   /* 8 bytes each */
    VV_STREAM_DELTAS = 1,  /* zigzag varints of differences */
    VV_STREAM_DECIMAL = 2, /* u8 digits; deltas of value * 10^digits */
    VV_STREAM_PLANES = 3,  /* xor with the value before, all first bytes, all second bytes ... */

    VV_STREAM_DIGITS_MAX = 9,
};

/* A decimal is used up to here: its double and that of its integer are then exact. */
#define VV_STREAM_DECIMAL_MAX (INT64_C(1) << 51)

/** 10^digits, 0..VV_STREAM_DIGITS_MAX; exact. */
static inline double vv_stream_power(uint32_t digits)
{
    static const double powers[VV_STREAM_DIGITS_MAX + 1] = {1e0, 1e1, 1e2, 1e3, 1e4,
                                                            1e5, 1e6, 1e7, 1e8, 1e9};
    return powers[digits];
}

#endif
