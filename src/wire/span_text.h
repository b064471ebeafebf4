/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_SPAN_TEXT_H
#define VV_WIRE_SPAN_TEXT_H

/*
 * Spans of time as people write them:
 *
 *     90s   1h30m   1.5h   2 days   1 week 3 days   250ms   1mo
 *
 *     span  = part { [space] part }          units descending, each once
 *     part  = digits [ "." digits ] [space] unit
 *     unit  = ns | us (µs) | ms | s sec second | m min minute | h hr hour | d day | w wk week
 *           | mo month | q quarter | y yr year      long ones also with an s
 *
 * A week is 7 days, a year 365; months and quarters are the calendar's, so they are kept apart and
 * take whole numbers. "0" needs no unit.
 */

#include "base/compiler.h"
#include "varve.h"

/** In descending order. */
typedef enum vv_span_unit {
    VV_SPAN_YEAR,
    VV_SPAN_QUARTER,
    VV_SPAN_MONTH,
    VV_SPAN_WEEK,
    VV_SPAN_DAY,
    VV_SPAN_HOUR,
    VV_SPAN_MINUTE,
    VV_SPAN_SECOND,
    VV_SPAN_MS,
    VV_SPAN_US,
    VV_SPAN_NS,
    VV_SPAN_UNIT_COUNT
} vv_span_unit;

typedef struct vv_span_text {
    int64_t months;    /* not negative */
    int64_t ns;        /* not negative */
    bool is_one;       /* a single part with a whole number: the two below */
    vv_span_unit unit; /* of the last part */
    int64_t count;
    bool is_inexact; /* a fraction goes below the nanosecond, where it was cut */
} vv_span_text;

/** Errors: E_INVALID "at 3: ...", counted in bytes from 1: the units are ASCII but for one sign. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_span_text_parse(varve_text text, vv_span_text *out_span,
                                                           varve_error *out_err);

/**
 * The same at the beginning of a text: the bytes used, up to the end of the last unit; 0 with the
 * error when there is no span.
 */
VV_MUST_CHECK VV_UNTRUSTED size_t vv_span_text_scan(varve_text text, vv_span_text *out_span,
                                                    varve_error *out_err);

#endif
