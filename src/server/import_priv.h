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

typedef struct vv_import_plan {
    vv_format format;
    uint32_t unit;         /* VARVE_PRECISION_... of times; STORED: the format's own */
    bool is_whole;         /* all of the text, or nothing: 413 beyond VV_INGEST_WHOLE_BYTES_MAX */
    bool is_quiet;         /* 204 also where lines were left out, told by X-Varve-Rejected-Lines */
    size_t bad_lines_max;  /* as vv_ingest_options */
    size_t line_bytes_max; /* 0: text_line_bytes_max of the server */
    const void *format_options; /* these live as long as the request: in its arena, or static */
    varve_label *extra;         /* VV_IMPORT_EXTRA_LABELS_MAX, once there is one */
    size_t extra_count;
    size_t extra_wins;  /* as vv_decoder_options */
    const int64_t *now; /* NULL: the clock's; else time of what has none, as vv_decoder_options */
    vv_metric_id rows, rejected, bytes; /* what is counted */
    /** Members of the 400 that tells what was left out, or what a whole was refused for; NULL: the
     * shape of the JSON routes. */
    void (*partial)(vv_json *json, const vv_ingest *ingest);
} vv_import_plan;

/** Read the body, store its rows, answer. The plan is copied. */
void vv_import_serve(vv_call *call, const vv_import_plan *plan);

#define VV_IMPORT_EXTRA_LABELS_MAX 32u

/** A label for all series of the plan, in the request's arena, behind those it has; one of its name
 * stays. E_INVALID (too many), E_NOMEM. */
VV_MUST_CHECK varve_status vv_import_extra_label(vv_call *call, vv_import_plan *plan,
                                                 varve_label label, varve_error *out_err);

/** Turns of the server for long JSON, in the request's arena; NULL for want of memory. */
const struct vv_json_lines_turns *vv_import_turns(vv_call *call);

/** Parameter "extra_label=NAME=VALUE", repeatable, into a plan that has no labels; they win over
 * those of the text, and the last of a name over the others. Errors: E_INVALID, E_NOMEM. */
VV_MUST_CHECK varve_status vv_import_extra_labels(vv_call *call, vv_import_plan *plan,
                                                  varve_error *out_err);

#endif
