/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_TIME_TEXT_H
#define VV_WIRE_TIME_TEXT_H

/*
 * Times and durations as requests and command lines give them.
 *
 *     1700000000  1700000000.25   Unix seconds; whole numbers from 1e11 are ms, from 1e17 ns
 *     2026-01-02T03:04:05.678Z    RFC 3339, any offset
 *     2026  2026-01  2026-01-02  2026-01-02T03  2026-01-02 03:04  2026-01-02T03:04:05
 *     2026-01-02 03:04 Europe/Prague   any of them with a zone: Z, UTC, an offset, a name
 *     today  yesterday 14:00  tomorrow  14:30  14:30 Europe/Prague
 *     now  now-1d  now+5m  -1h  2 days ago     spans of wire/span_text.h; months by the calendar
 *
 * docs/reference/times.md says all of it, a test for each line.
 *
 * Z1  A time that has no zone of its own is one of the world's zone: UTC unless given.
 */

#include "base/compiler.h"
#include "model/calendar.h"
#include "varve.h"

/** What a text alone does not tell. */
typedef struct vv_time_world {
    int64_t now_ns;
    varve_text zone; /* of times without one; "": UTC */
    /** A zone by its name; false when there is none. NULL: names are not known, offsets are. */
    bool (*find_zone)(void *context, varve_text name, vv_calendar_zone *out_zone);
    void *context;
} vv_time_world;

/**
 * A time in the database's precision (VARVE_PRECISION_NS..S); finer digits are floored.
 * E_INVALID: "at 6: ..." where it is no time, in bytes from 1; or outside of what the precision can
 * hold.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_time_text_parse_in(varve_text text,
                                                              const vv_time_world *world,
                                                              uint32_t precision,
                                                              int64_t *out_timestamp,
                                                              varve_error *out_err);

/** The same in UTC, with offsets and without names of zones. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_time_text_parse(varve_text text, int64_t now_ns,
                                                           uint32_t precision,
                                                           int64_t *out_timestamp,
                                                           varve_error *out_err);

/** A duration in nanoseconds: "1h30m", "2 days", or a number of seconds. E_INVALID, for months too.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_duration_text_parse(varve_text text, int64_t *out_ns,
                                                               varve_error *out_err);

/** Whether a text that vv_duration_text_parse takes means a whole number of nanoseconds. */
VV_MUST_CHECK VV_UNTRUSTED bool vv_duration_text_is_exact(varve_text text);

/** "ns", "us", "ms", "s" (and the empty text: fallback) as VARVE_PRECISION_...; false for another.
 */
VV_MUST_CHECK VV_UNTRUSTED bool vv_precision_text_parse(varve_text text, uint32_t fallback,
                                                        uint32_t *out_precision);

#endif
