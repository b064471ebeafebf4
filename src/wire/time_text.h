/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_TIME_TEXT_H
#define VV_WIRE_TIME_TEXT_H

/*
 * Times and durations as requests and command lines give them.
 *
 *     1700000000  1700000000.25   Unix seconds; whole numbers from 1e11 are ms, from 1e17 ns
 *     2026-01-02T03:04:05.678Z    RFC 3339, any offset
 *     2026  2026-01  2026-01-02  2026-01-02T03  2026-01-02T03:04  2026-01-02T03:04:05   UTC
 *     now  now-1d  now+5m  -1h    from the clock that is passed in
 */

#include "base/compiler.h"
#include "varve.h"

/**
 * A time in the database's precision (VARVE_PRECISION_NS..S); finer digits are floored.
 * E_INVALID: not a time, or outside of what the precision can hold.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_time_text_parse(varve_text text, int64_t now_ns,
                                                           uint32_t precision,
                                                           int64_t *out_timestamp,
                                                           varve_error *out_err);

/** A duration in nanoseconds: "1h30m", or a number of seconds. E_INVALID. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_duration_text_parse(varve_text text, int64_t *out_ns,
                                                               varve_error *out_err);

/** "ns", "us", "ms", "s" (and the empty text: fallback) as VARVE_PRECISION_...; false for another.
 */
VV_MUST_CHECK VV_UNTRUSTED bool vv_precision_text_parse(varve_text text, uint32_t fallback,
                                                        uint32_t *out_precision);

#endif
