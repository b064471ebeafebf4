/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_JSON_LINES_H
#define VV_WIRE_JSON_LINES_H

/*
 * The JSON-lines form of import and export, described in docs/reference/json-lines.md. One line is
 * rows of one series:
 *
 *     {"metric":{"__name__":"cpu","host":"a"},"values":[1.5,null],"timestamps":[1,2]}
 *     {"metric":{"__name__":"cpu"},"fields":{"n":[1],"s":["x"]},"types":{"n":"i64","s":"string"},
 *      "timestamps":[1]}
 *
 * What vv_json_lines_write makes reads back with the same types and the same bits.
 */

#include "base/arena.h"
#include "base/compiler.h"
#include "base/json_writer.h"
#include "varve.h"

#define VV_JSON_LINE_BYTES_MAX  (1024u * 1024u)
#define VV_JSON_LINE_DEPTH_MAX  64u
#define VV_JSON_NUMBER_SIZE_MAX 64u

/** One parsed line; everything is borrowed from the arena. */
typedef struct vv_json_line {
    varve_text metric;
    varve_label *labels; /* sorted by name */
    size_t label_count;
    const int64_t *timestamps; /* as written: in the unit that the caller knows */
    size_t row_count;
    const varve_text *names; /* of fields, sorted */
    size_t field_count;
    const varve_value *values; /* row r of field f is values[f * row_count + r]; NONE: null */
} vv_json_line;

/**
 * Parse one line (without its line feed). Errors: E_INVALID, which names the member; E_LIMIT
 * (depth, length of a number, size); E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_json_lines_parse(varve_text line, vv_arena *arena,
                                                            vv_json_line *out_line,
                                                            varve_error *out_err);

/**
 * Check nesting and the length of numbers of a JSON text before jansson sees it. Errors: E_LIMIT.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_json_scan(varve_text text, uint32_t depth_max,
                                                     varve_error *out_err);

/**
 * The format_options of wire/decode.h: lines longer than free_bytes take turns, since jansson makes
 * of them a tree of twenty times their size. `take` may wait; what it fails with ends the reading.
 */
typedef struct vv_json_lines_turns {
    size_t free_bytes;
    varve_status (*take)(void *context, varve_error *out_err);
    void (*give)(void *context);
    void *context;
} vv_json_lines_turns;

/** Rows of one series to be written. */
typedef struct vv_json_rows {
    varve_text metric;
    const varve_label *labels;
    size_t label_count;
    const int64_t *timestamps; /* in the precision `from` */
    const varve_text *names;   /* of columns */
    const varve_column *columns;
    size_t column_count;
    size_t begin, end;   /* rows of the columns to write */
    uint32_t from, unit; /* VARVE_PRECISION_... stored, and written */
    bool splits_fields;  /* a line for each field, as the series metric_field */
} vv_json_rows;

/** Write lines, each with its line feed; true in *out_lost (never cleared) when digits of a time
 * were cut. */
void vv_json_lines_write(vv_json *json, const vv_json_rows *rows, bool *out_lost);

/**
 * The columns of a block in the order of their names, in the arena: the order in which fields were
 * created reaches no text. Where they stand so already they are borrowed from the block.
 */
VV_MUST_CHECK varve_status vv_columns_sort(const varve_block *block, vv_arena *arena,
                                           const varve_text **out_names,
                                           const varve_column **out_columns, varve_error *out_err);

/** How many rows from `begin` on make a line of about bytes_max; at least 1. */
size_t vv_json_lines_fit(const vv_json_rows *rows, size_t bytes_max);

/** The value at a row of a column of an answer; type NONE where it has none. Dictionaries, offsets,
 * marks and MIXED columns are looked through. */
varve_value vv_column_value(const varve_column *column, size_t row);

/** One typed value: floats with point or exponent, "NaN" and kin, bytes and histograms as objects.
 */
void vv_json_value(vv_json *json, const varve_value *value);

/**
 * A histogram alone, the members that "histogram" has in a line; in the arena. E_INVALID, E_LIMIT,
 * E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_json_histogram_parse(
    varve_text text, vv_arena *arena, const varve_histogram **out_histogram, varve_error *out_err);

/** The labels with the metric as "__name__" as one object. */
void vv_json_metric(vv_json *json, varve_text metric, const varve_label *labels, size_t count);

#endif
