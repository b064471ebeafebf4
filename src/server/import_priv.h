/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_IMPORT_PRIV_H
#define VV_SERVER_IMPORT_PRIV_H

/*
 * What the doors that take rows share: any format of wire/decode.h from a body of any length into
 * the database. A door reads its parameters, fills a plan and hands the call over.
 */

#include "base/json_writer.h"
#include "server/ingest.h"
#include "server/server_priv.h"
#include "wire/decode.h"

/* A text that is stored as a whole or not at all is at most this long (protocols.md, section 4). */
#define VV_IMPORT_WHOLE_BYTES_MAX (64u * 1024u * 1024u)

typedef struct vv_import_plan {
    vv_format format;
    uint32_t unit;         /* VARVE_PRECISION_... of times; STORED: the format's own */
    bool is_whole;         /* all of the text, or nothing: 413 beyond VV_IMPORT_WHOLE_BYTES_MAX */
    bool is_quiet;         /* 204 also where lines were left out, told by X-Varve-Rejected-Lines */
    size_t line_bytes_max; /* 0: text_line_bytes_max of the server */
    const void *format_options; /* these live as long as the request: in its arena, or static */
    const varve_label *extra;
    size_t extra_count;
    vv_metric_id rows, rejected, bytes; /* what is counted */
    /** Members of the 400 that tells what was left out; NULL: the shape of the JSON routes. */
    void (*partial)(vv_json *json, const vv_ingest *ingest);
} vv_import_plan;

/** Read the body, store its rows, answer. The plan is copied. */
void vv_import_serve(vv_call *call, const vv_import_plan *plan);

/** Parameter "extra_label=NAME=VALUE", repeatable; into the plan, in the request's arena.
 * Errors: E_INVALID, E_NOMEM. */
VV_MUST_CHECK varve_status vv_import_extra_labels(vv_call *call, vv_import_plan *plan,
                                                  varve_error *out_err);

#endif
