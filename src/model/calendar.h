/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_CALENDAR_H
#define VV_MODEL_CALENDAR_H

/*
 * Buckets of the calendar: hours, days, weeks (from Monday), months, quarters, years, or several of
 * them, as clocks on the wall show them.
 *
 * C1  Buckets are consecutive: each instant lies in exactly one, and starts ascend with time.
 * C2  From days on a bucket begins at the first instant at which the wall shows its beginning, or
 *     at the instant at which the wall jumps over it.
 * C3  The same of hours, but what the wall shows twice begins twice: an hour that is repeated in
 *     autumn is two buckets.
 * C4  Several units: days and hours count from 1970-01-01 00:00, weeks from Monday 1969-12-29,
 *     months, quarters and years from the beginning of year 0, so that 6 hours divide a day and 6
 *     months a year.
 * C5  What leaves the axis is cut at its ends, as in model/time_range.h.
 */

#include "base/compiler.h"
#include "varve.h"

/** A zone as three functions, those of sys/zoneinfo.h; seconds of Unix time and of the wall. */
typedef struct vv_calendar_zone {
    const void *context;
    /** Seconds to add to UTC at this instant. */
    int32_t (*offset_at)(const void *context, int64_t unix_s);
    /** The first instant above unix_s at which the offset changes, or INT64_MAX. */
    int64_t (*next_change)(const void *context, int64_t unix_s);
    /** The instant at which the wall shows local_s: the earlier of two, or that of the jump. */
    int64_t (*local_to_utc)(const void *context, int64_t local_s);
} vv_calendar_zone;

typedef struct vv_calendar {
    uint32_t unit;         /* VARVE_UNIT_... */
    int64_t width;         /* > 0 */
    int64_t per_second;    /* units of the database's precision in a second */
    int32_t offset_s;      /* of a fixed zone */
    vv_calendar_zone zone; /* offset_at NULL: the fixed offset */
} vv_calendar;

#define VV_CALENDAR_WIDTH_MAX INT64_C(1000000)

/** "" and "Z" are UTC; "+02:00", "-0330", "+02" are offsets below 24 h. False for anything else,
 * such as a name. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_calendar_parse_offset(varve_text zone, int32_t *out_offset_s);

/** zone NULL: the fixed offset_s. E_INVALID: unknown unit or precision, width below 1 or above
 * VV_CALENDAR_WIDTH_MAX. */
VV_MUST_CHECK varve_status vv_calendar_init(vv_calendar *calendar, uint32_t unit, int64_t width,
                                            uint32_t precision, int32_t offset_s,
                                            const vv_calendar_zone *zone, varve_error *out_err);

/** The bucket that holds a timestamp; an end of INT64_MAX includes INT64_MAX. */
varve_range vv_calendar_bucket(const vv_calendar *calendar, int64_t timestamp);

#endif
