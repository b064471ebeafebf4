/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_INFLUX_WRITE_H
#define VV_WIRE_INFLUX_WRITE_H

/*
 * Rows to InfluxDB line protocol, byte-stable: tags and fields sorted by name, integers with their
 * i or u, floats always with a point or an exponent.
 *
 * What has no form is left out and counted: NaN, infinities, byte strings, histograms, labels with
 * an empty value, names with a line feed or that end in a backslash.
 */

#include "base/buf.h"
#include "varve.h"

/** What could not be written. */
typedef struct vv_influx_skipped {
    uint64_t values; /* fields of rows */
    uint64_t rows;   /* rows of which no field was left, or whose series has no form */
    uint64_t labels; /* empty label values, once per series */
} vv_influx_skipped;

/**
 * Append "measurement,tags" for vv_influx_write_row. Labels are sorted by name. False, and nothing
 * is appended, when the series has no form. A failed append stays in buf.
 */
VV_MUST_CHECK bool vv_influx_write_key(vv_buf *buf, varve_text metric, const varve_label *labels,
                                       size_t label_count, vv_influx_skipped *skipped);

/**
 * Append one line, line feed included. names are sorted; a value of type NONE is one the row does
 * not have. Sticky as vv_buf.
 */
varve_status vv_influx_write_row(vv_buf *buf, varve_text key, const varve_text *names,
                                 const varve_value *values, size_t count, int64_t timestamp,
                                 vv_influx_skipped *skipped);

#endif
