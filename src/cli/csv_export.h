/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_CSV_EXPORT_H
#define VV_CLI_CSV_EXPORT_H

#include "base/arena.h"
#include "base/compiler.h"
#include "varve.h"

/** What varve export --format csv writes; times are in the precision `from`, and written in `unit`.
 */
typedef struct vv_csv_export {
    const varve_query_options *query; /* all fields of a selection */
    const char *path;                 /* of the output; NULL: standard output */
    uint32_t from, unit;              /* VARVE_PRECISION_...; unit STORED: from */
} vv_csv_export;

/** Rows under a header that tells their types (docs/reference/csv.md): import takes them back to
 * the same rows. *out_lost: digits of times were cut. */
VV_MUST_CHECK varve_status vv_csv_export_run(varve_db *db, const vv_csv_export *export,
                                             vv_arena *arena, bool *out_lost, varve_error *out_err);

#endif
