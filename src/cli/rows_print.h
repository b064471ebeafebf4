/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_ROWS_PRINT_H
#define VV_CLI_ROWS_PRINT_H

/*
 * Blocks of rows as text. Values are exact in every format: floats show the shortest digits that
 * read back as the same number, always with a point or an exponent.
 *
 *     table  columns in line, for people
 *     csv    RFC 4180; a value that is missing is empty, an empty string is ""
 *     tsv    the same with tabs; tab, line feed, carriage return and backslash are \t \n \r \\
 *     json   one document, as POST /api/v1/rows answers
 *     jsonl  JSON lines, which import takes
 *     lp     line protocol, which import takes
 *     markdown  a table of Markdown, in line as well
 *     chart  drawn (cli/chart.h); strings and histograms are left out
 *     native docs/formats/stream.md: every bit of every value, which import takes
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "cli/chart.h"
#include "cli/output.h"
#include "varve.h"

typedef enum vv_rows_format {
    VV_ROWS_TABLE,
    VV_ROWS_CSV,
    VV_ROWS_TSV,
    VV_ROWS_JSON,
    VV_ROWS_JSON_LINES,
    VV_ROWS_LINE_PROTOCOL,
    VV_ROWS_MARKDOWN,
    VV_ROWS_CHART,
    VV_ROWS_NATIVE,
} vv_rows_format;

/** "table", "csv", "tsv", "json", "jsonl", "lp", "markdown", "chart", "native"; false for another.
 */
bool vv_rows_format_parse(const char *word, vv_rows_format *out_format);
/** The nearest of them to a mistyped word; NULL when none is near. */
const char *vv_rows_format_nearest(const char *word);
/** Whether the format has columns, which need to be known before the first row. */
bool vv_rows_format_has_columns(vv_rows_format format);

/** Fixed for the life of the printer; everything it points to is borrowed. */
typedef struct vv_rows_style {
    vv_rows_format format;
    uint32_t from; /* VARVE_PRECISION_... of the timestamps given */
    uint32_t unit; /* of those printed; STORED, where there are columns: as text */
    bool has_time;
    bool has_metric;          /* a column for it */
    bool sorts_fields;        /* fields in order of their names, where there are no columns */
    const varve_text *labels; /* columns, sorted */
    size_t label_count;
    const varve_text *fields; /* columns */
    size_t field_count;
    const varve_text *names; /* of the columns of blocks, in place of their own; NULL: theirs */
    size_t name_count;
    vv_chart_style chart; /* its precision is that of from */
} vv_rows_style;

/** A value as columns show it; nothing for none. Sticky as vv_buf. */
void vv_rows_print_value(vv_buf *buf, const varve_value *value);

typedef struct vv_rows_print vv_rows_print;

/** What was printed. */
typedef struct vv_rows_printed {
    uint64_t rows;
    bool has_lost; /* digits of a time were cut */
} vv_rows_printed;

VV_MUST_CHECK varve_status vv_rows_print_create(const vv_rows_style *style, vv_output *output,
                                                vv_rows_print **out_print, varve_error *out_err);
/** A block in SERIES layout. */
VV_MUST_CHECK varve_status vv_rows_print_block(vv_rows_print *print, const varve_block *block,
                                               varve_error *out_err);
/** Nothing follows, though there is more: write what is whole so far. A reader sees that it is a
 * part where the format has an end (json, native). */
VV_MUST_CHECK varve_status vv_rows_print_stop(vv_rows_print *print, varve_error *out_err);
/** What stands behind the last row. */
VV_MUST_CHECK varve_status vv_rows_print_end(vv_rows_print *print, varve_error *out_err);
const vv_rows_printed *vv_rows_print_result(const vv_rows_print *print);
/** Tell on standard error, for a command, what the text does not show; nothing if it shows all. */
void vv_rows_print_note(const vv_rows_print *print, const char *verb);
void vv_rows_print_free(vv_rows_print *print);

#endif
