/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_ROWS_JSON_H
#define VV_WIRE_ROWS_JSON_H

/*
 * varve_query_options as a JSON document, for POST /api/v1/rows, and its answer. The members are
 * described in docs/reference/rows.md.
 *
 *     {"select":"cpu{host=\"a\"}","fields":[{"field":"value","agg":"avg"}],"start":"-1h",
 *      "every":"1m","by":["host"],"limit":100}
 */

#include "base/arena.h"
#include "base/compiler.h"
#include "base/json_writer.h"
#include "varve.h"

#define VV_ROWS_JSON_BYTES_MAX (1024u * 1024u)

typedef struct vv_rows_request {
    varve_query_options query; /* points into the arena */
    uint32_t unit;             /* VARVE_PRECISION_... of times in the answer */
    uint64_t timeout_ms;       /* 0: not given */
} vv_rows_request;

/**
 * Parse a request. Errors: E_INVALID, which names the member; E_LIMIT; E_NOMEM.
 * @param precision  VARVE_PRECISION_... of the database
 * @param now_ns     the clock, for relative times
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_rows_json_parse(varve_text text, uint32_t precision,
                                                           int64_t now_ns, vv_arena *arena,
                                                           vv_rows_request *out_request,
                                                           varve_error *out_err);

/** State of an answer under way. */
typedef struct vv_rows_answer {
    vv_json *json;
    uint32_t from, unit; /* VARVE_PRECISION_... stored, and written */
    bool is_open;        /* an element of "data" was begun */
    varve_series series; /* of that element; 0: a group */
    uint64_t shape;      /* hash of its columns: rows of other columns need another element */
    uint64_t rows;       /* written so far */
    bool has_lost;       /* digits of a time were cut */
    bool is_partial;     /* damaged parts were left out */
} vv_rows_answer;

/** The names that a row_series of a TABLE block is looked up with. */
typedef varve_status (*vv_rows_name)(void *context, varve_series series, varve_text *out_metric,
                                     const varve_label **out_labels, size_t *out_label_count);

/** {"status":"success","data":[ ; then every block of the cursor; then the end. */
void vv_rows_answer_begin(vv_rows_answer *answer, vv_json *json, uint32_t from, uint32_t unit);
void vv_rows_answer_block(vv_rows_answer *answer, const varve_block *block, vv_rows_name name,
                          void *context);
void vv_rows_answer_end(vv_rows_answer *answer);

#endif
