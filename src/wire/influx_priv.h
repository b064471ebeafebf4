/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_INFLUX_PRIV_H
#define VV_WIRE_INFLUX_PRIV_H

/* What the files of the reader of line protocol share; see wire/influx.c. */

#include "wire/influx.h"

/** States of the search for the end of a line. */
enum {
    INFLUX_AT_START, /* blanks before the first character */
    INFLUX_AT_COMMENT,
    INFLUX_AT_KEY,
    INFLUX_AT_KEY_ESCAPE,
    INFLUX_AT_GAP, /* blanks between key and fields */
    INFLUX_AT_FIELDS,
    INFLUX_AT_FIELDS_ESCAPE,
    INFLUX_AT_EQUAL, /* right behind an unescaped '=' */
    INFLUX_AT_STRING,
    INFLUX_AT_STRING_ESCAPE,
    INFLUX_AT_TIME
};

/** What became of an attempt to parse a line. */
typedef enum vv_influx_result {
    INFLUX_IS_ROW,
    INFLUX_IS_EMPTY, /* blank, or a comment */
    INFLUX_IS_SHORT, /* the text ends before the line does */
    INFLUX_IS_BAD,
    INFLUX_IS_FATAL,
} vv_influx_result;

/** A line under the knife. */
typedef struct vv_influx_cursor {
    const char *data;
    size_t size;
    size_t at;
    bool is_whole; /* the end of the data ends the line */
    varve_error *err;
} vv_influx_cursor;

/* ---- influx_line.c ---- */

/** Parse the line at the cursor; on a row or nothing the cursor stands behind it. */
VV_MUST_CHECK vv_influx_result vv_influx_line_parse(vv_influx *parser, vv_influx_cursor *cursor,
                                                    vv_influx_row *row);

/* ---- influx_scan.c ---- */

/** The index behind the line feed that ends the line, or SIZE_MAX; *state is where the text ends.
 */
size_t vv_influx_scan(varve_text text, uint32_t *state);

#endif
