/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_CHART_H
#define VV_CLI_CHART_H

/*
 * Numbers over time, drawn with the characters of a terminal:
 *
 *      8 ┤                   ⢀⡠⠊⠁
 *      4 ┤         ⣀⡠⠔⠊⠉
 *      0 ┤⠤⠔⠒⠊⠉
 *        └──────────┬──────────────┬──
 *                 03:04          03:05
 *        cpu{host="web1"} usage  min 0.5  max 7.5  last 7.5
 *
 * C1  A cell holds 2 x 4 braille dots where the screen has UTF-8 and series differ by colour, or
 *     there is one; else one mark of its series.
 * C2  Neighbouring points are joined, but not over a gap: a NaN, an infinity, or a pause of more
 *     than VV_CHART_GAP_STEPS times the usual step of the series.
 * C3  No line is wider than the style says, as long as it says VV_CHART_COLUMNS_MIN or more: the
 *     plot has at least half of it, else no numbers stand beside it.
 */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/vec.h"
#include "varve.h"

/* Arbitrary: more lines cannot be told apart. Further series are counted and left out. */
#define VV_CHART_SERIES_MAX 16u
/* A pause this many times the median step is a gap: late and missed samples are none. */
#define VV_CHART_GAP_STEPS   4
#define VV_CHART_COLUMNS_MIN 24u /* "to 2026-01-02T03:04:05Z" */
#define VV_CHART_COLUMNS_MAX 1000u
#define VV_CHART_LINES_MIN   3u
#define VV_CHART_LINES_MAX   200u
/* Points that are kept: 24 bytes each. */
#define VV_CHART_POINTS_MAX ((size_t)16 * 1024 * 1024)

typedef struct vv_chart_style {
    size_t columns;     /* of the whole; bounded by the two above */
    size_t lines;       /* of the plot, without axis and legend */
    bool is_utf8;       /* else ASCII */
    bool has_color;     /* ANSI colours */
    uint32_t precision; /* VARVE_PRECISION_... of timestamps */
} vv_chart_style;

typedef struct vv_chart {
    vv_alloc *alloc;      /* borrowed, outlives the chart */
    vv_buf names;         /* of the series */
    vv_vec series;        /* chart_series */
    vv_vec points;        /* chart_point, of all series in the order they came */
    uint64_t left_out;    /* series beyond the most */
    size_t current;       /* the series that points belong to; SERIES_MAX: left out */
    uint64_t last_unseen; /* hash of the name of the last one left out */
} vv_chart;

void vv_chart_init(vv_chart *chart, vv_alloc *alloc);
void vv_chart_deinit(vv_chart *chart);

/** The points that follow belong to the series of this name. E_NOMEM. */
VV_MUST_CHECK varve_status vv_chart_series(vv_chart *chart, varve_text name, varve_error *out_err);
/** In any order of time. E_NOMEM, E_LIMIT. */
VV_MUST_CHECK varve_status vv_chart_point(vv_chart *chart, int64_t timestamp, double value,
                                          varve_error *out_err);
/** Append the drawing; a sentence when there is nothing to draw. Sorts the points. E_NOMEM. */
VV_MUST_CHECK varve_status vv_chart_draw(vv_chart *chart, const vv_chart_style *style, vv_buf *out,
                                         varve_error *out_err);

#endif
