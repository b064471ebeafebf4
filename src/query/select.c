/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The value of a rank among many, for medians and quantiles: in place, in linear time for what
 * people measure, never more than 64 passes, and with the caller's wish to stop asked for on the
 * way.
 *
 *   Doubles are compared as integers: the order of select_key is theirs, -0.0 below 0.0. The range
 * of keys that holds the rank is halved in each pass, and the values are parted at its middle; the
 *   side without the rank is done with.
 *
 *   Q1  Afterwards no value in front of the rank is above it, and none behind it is below.
 */

#include <string.h>

#include "base/status.h"
#include "query/cursor_priv.h"

enum { SELECT_POLL_VALUES = 1 << 18 }; /* less than a millisecond */

/** The order of doubles (no NaNs) as that of unsigned integers. */
static uint64_t select_key(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits >> 63) != 0 ? ~bits : bits | (UINT64_C(1) << 63);
}

/** Least and greatest key of values[begin..end). */
static varve_status select_bounds(varve_cursor *cursor, const double *values, size_t begin,
                                  size_t end, uint64_t *out_min, uint64_t *out_max,
                                  varve_error *out_err)
{
    uint64_t min = UINT64_MAX;
    uint64_t max = 0;
    for (size_t i = begin; i < end; i++) {
        uint64_t key = select_key(values[i]);
        min = key < min ? key : min;
        max = key > max ? key : max;
        if (i % SELECT_POLL_VALUES == 0) {
            VV_TRY(vv_cursor_poll(cursor, out_err));
        }
    }
    *out_min = min;
    *out_max = max;
    return VARVE_OK;
}

/** Put the values with keys up to `pivot` in front; *out_middle is where the others begin. */
static varve_status select_part(varve_cursor *cursor, double *values, size_t begin, size_t end,
                                uint64_t pivot, size_t *out_middle, varve_error *out_err)
{
    size_t middle = begin;
    for (size_t i = begin; i < end; i++) {
        double value = values[i];
        values[i] = values[middle];
        values[middle] = value;
        middle += select_key(value) <= pivot;
        if (i % SELECT_POLL_VALUES == 0) {
            VV_TRY(vv_cursor_poll(cursor, out_err));
        }
    }
    *out_middle = middle;
    return VARVE_OK;
}

varve_status vv_select_rank(varve_cursor *cursor, double *values, size_t count, size_t rank,
                            varve_error *out_err)
{
    size_t begin = 0;
    size_t end = count;
    while (end - begin > 1) {
        uint64_t min;
        uint64_t max;
        size_t middle;
        VV_TRY(select_bounds(cursor, values, begin, end, &min, &max, out_err));
        if (min == max) {
            break;
        }
        VV_TRY(select_part(cursor, values, begin, end, min + (max - min) / 2, &middle, out_err));
        if (rank < middle) {
            end = middle;
        } else {
            begin = middle;
        }
    }
    return VARVE_OK;
}

varve_status vv_select_min(varve_cursor *cursor, const double *values, size_t begin, size_t end,
                           double *out_min, varve_error *out_err)
{
    double min = values[begin];
    for (size_t i = begin; i < end; i++) {
        min = select_key(values[i]) < select_key(min) ? values[i] : min;
        if (i % SELECT_POLL_VALUES == 0) {
            VV_TRY(vv_cursor_poll(cursor, out_err));
        }
    }
    *out_min = min;
    return VARVE_OK;
}
