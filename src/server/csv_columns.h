/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_CSV_COLUMNS_H
#define VV_SERVER_CSV_COLUMNS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "varve.h"

typedef struct vv_csv_column vv_csv_column; /* wire/csv.h */

/**
 * The columns that a CSV export of a whole selection has: time, metric, every label and every field
 * that the catalogue lists for it, with their types. The server and the command line export the
 * same text by it. In the arena.
 * Errors: E_LIMIT (more than fit), E_NOMEM, those of the listings.
 */
VV_MUST_CHECK varve_status vv_csv_columns_find(varve_db *db, const varve_list_options *options,
                                               uint32_t unit, vv_arena *arena,
                                               const vv_csv_column **out_columns, size_t *out_count,
                                               varve_error *out_err);

#endif
