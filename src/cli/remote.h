/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_REMOTE_H
#define VV_CLI_REMOTE_H

/*
 * The commands on a server, through its HTTP routes.
 *
 * Everywhere *out_is_reached is false when no server answered, and true otherwise; it is untouched
 * on success.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "cli/ask.h"
#include "cli/bulk_load.h"
#include "cli/rows_print.h"
#include "varve.h"

/** Takes blocks in SERIES layout. */
typedef varve_status (*vv_remote_block_sink)(void *context, const varve_block *block,
                                             varve_error *out_err);

/** What the series of a question have, so that columns are known before the first row. */
typedef struct vv_remote_columns {
    const varve_text *labels; /* names, sorted */
    size_t label_count;
    const varve_text *fields; /* the same */
    size_t field_count;
    size_t metric_count;
} vv_remote_columns;

typedef struct vv_remote_rows {
    const char *url;
    const vv_ask_words *words;
    vv_rows_format format;
    uint32_t unit;
    bool has_metric;
    const char *path; /* of the output */
    vv_chart_style chart;
    bool is_export;
    vv_remote_block_sink sink; /* NULL: printed; else takes all blocks, and nothing is printed */
    void *sink_context;
    const vv_remote_columns *columns; /* NULL: those of the rows that come */
} vv_remote_rows;

/** query and export. */
VV_MUST_CHECK varve_status vv_remote_rows_print(const vv_remote_rows *rows, bool *out_is_reached,
                                                varve_error *out_err);

/** Bytes of an import as they come; *out_is_end ends it. */
typedef varve_status (*vv_remote_source)(void *context, vv_bytes *out_piece, bool *out_is_end,
                                         varve_error *out_err);

/** write and import. Counts say what the server tells about lines it left out. */
VV_MUST_CHECK varve_status vv_remote_load(const char *url, const vv_load_options *options,
                                          vv_remote_source source, void *context,
                                          vv_load_counts *out_counts, bool *out_is_reached,
                                          varve_error *out_err);

/** The precision of the server's database, VARVE_PRECISION_... */
VV_MUST_CHECK varve_status vv_remote_precision(const char *url, uint32_t *out_precision,
                                               bool *out_is_reached, varve_error *out_err);

/** What a GET of a path answers, appended to out. */
VV_MUST_CHECK varve_status vv_remote_text(const char *url, const char *path, vv_buf *out,
                                          bool *out_is_reached, varve_error *out_err);

typedef enum vv_remote_listing {
    VV_REMOTE_SERIES,       /* a line of text each, or a JSON object */
    VV_REMOTE_FIELDS,       /* three texts each: metric, field, type */
    VV_REMOTE_LABELS,       /* names */
    VV_REMOTE_LABEL_VALUES, /* of one label */
} vv_remote_listing;

typedef struct vv_remote_list_request {
    const char *url;
    vv_remote_listing what;
    const vv_ask_words *words; /* selectors and range */
    varve_text label;          /* of LABEL_VALUES */
    bool is_json;              /* of SERIES */
    uint64_t limit;            /* 0: as many as the server gives */
} vv_remote_list_request;

/** Texts in the arena, sorted as the server gives them. */
VV_MUST_CHECK varve_status vv_remote_list(const vv_remote_list_request *wanted, vv_arena *arena,
                                          varve_text **out_texts, size_t *out_count,
                                          bool *out_is_reached, varve_error *out_err);

/** What vv_remote_names asks for. */
typedef struct vv_remote_names_request {
    const char *url;
    bool is_names;     /* of labels; else values of the label */
    varve_text label;  /* "__name__": metrics */
    varve_text metric; /* of its series; empty: of all */
    uint64_t limit;
    bool (*goes_on)(void *context); /* asked about once a second; false gives up */
    void *goes_on_context;
} vv_remote_names_request;

/** Names or values of labels, sorted as the server gives them. */
VV_MUST_CHECK varve_status vv_remote_names(const vv_remote_names_request *wanted, vv_arena *arena,
                                           varve_text **out_names, size_t *out_count,
                                           varve_error *out_err);

#endif
