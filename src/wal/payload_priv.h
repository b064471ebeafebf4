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
    VV_RUN_HEAD_MAX = 7,

    VV_COLUMN_TYPE_MASK = 7,
    VV_COLUMN_HAS_PRESENT = 8,
    VV_COLUMN_HAS_MARKS = 16,
    VV_COLUMN_CODING_SHIFT = 5,

    VV_CODING_RAW = 0,
    VV_CODING_HIGH = 1,
    VV_CODING_LOW = 2,
    VV_CODING_EQUAL = 3,

    /* Values of one run (arbitrary: 128 MiB of numbers), so that a few bytes cannot ask for all
     * memory. */
    VV_RUN_VALUES_MAX = 1 << 24,
};

#endif
