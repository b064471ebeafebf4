/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WAL_PAYLOAD_PRIV_H
#define VV_WAL_PAYLOAD_PRIV_H

/* Numbers that writer and reader of runs share; their meaning is in docs/formats/log.md. */

enum {
    VV_RUN_PLAIN = 0, /* shapes */
    VV_RUN_SCRAPE = 1,
    VV_RUN_VECTOR = 2,
    VV_RUN_SHAPE_MASK = 3,
    VV_RUN_ONE_TIME = 4,
    VV_RUN_ROW_IDS = 8,
    VV_RUN_HEAD_MAX = 15,

    VV_COLUMN_TYPE_MASK = 7,
    VV_COLUMN_HAS_PRESENT = 8,
    VV_COLUMN_HAS_MARKS = 16,
    VV_COLUMN_CODING_SHIFT = 5,

    VV_CODING_RAW = 0,
    VV_CODING_HIGH = 1,
    VV_CODING_LOW = 2,
    VV_CODING_EQUAL = 3,
    VV_CODING_DECIMAL = 4,
    VV_CODING_DECIMAL_DIGITS_MAX = 9,

    /* Values of one run (arbitrary: 128 MiB of numbers), so that a few bytes cannot ask for all
     * memory. */
    VV_RUN_VALUES_MAX = 1 << 24,
};

/* 10^digits; the quotient of an integer below 2^53 and one of these is correctly rounded, so both
 * sides of a DECIMAL column get the same bits everywhere. */
static inline double vv_payload_power(unsigned digits)
{
    static const double powers[VV_CODING_DECIMAL_DIGITS_MAX + 1] = {1e0, 1e1, 1e2, 1e3, 1e4,
                                                                    1e5, 1e6, 1e7, 1e8, 1e9};
    return powers[digits];
}

#endif
