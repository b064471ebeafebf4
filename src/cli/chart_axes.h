/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_CHART_AXES_H
#define VV_CLI_CHART_AXES_H

/* The axes of a chart: round numbers beside it, times below it. */

#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

#define VV_CHART_LABEL_BYTES 24u

/** Values from bottom to top, both multiples of the step. */
typedef struct vv_chart_scale {
    double bottom;
    double top;
    double step;
    size_t height; /* lines */
} vv_chart_scale;

/** Finite values, low <= high. A constant gets room above and below. */
void vv_chart_scale_init(vv_chart_scale *scale, double low, double high, size_t height);

/** 0 at the bottom, 1 at the top. */
double vv_chart_scale_share(const vv_chart_scale *scale, double value);

/** The number that stands beside a line, counted from the top; false when none does. */
bool vv_chart_scale_label(const vv_chart_scale *scale, size_t line, size_t height, char *target,
                          size_t capacity);
/** Columns of the widest number. */
size_t vv_chart_scale_width(const vv_chart_scale *scale);

/** A number for people, about six digits: "0.25", "1.5e+09". */
void vv_chart_number(char *target, size_t capacity, double value);

/** The axis of time. */
typedef struct vv_chart_times {
    int64_t first_ts;
    int64_t last_ts;
    uint32_t precision;
    size_t indent; /* columns before the axis' corner */
    size_t width;  /* columns of the plot */
    bool is_utf8;
} vv_chart_times;

/** The axis, its times, and from when to when in UTC: three lines. Sticky as vv_buf. */
void vv_chart_print_times(const vv_chart_times *times, vv_buf *out);

#endif
