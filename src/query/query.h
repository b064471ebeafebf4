/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_QUERY_QUERY_H
#define VV_QUERY_QUERY_H

/*
 * Questions and their cursors. api/ forwards varve_query and kin here; promql and sql will open the
 * same cursors. A cursor holds a view (engine/view.h) and works when varve_cursor_next is called:
 *
 *   selection -> series (catalogue) -> order -> scan each (engine/scan.h) -> predicates ->
 * aggregate into buckets and groups, or pass rows on -> limit, offset -> blocks in the layout asked
 * for
 */

#include "base/compiler.h"
#include "varve.h"

/* varve_cursor is defined in query/cursor_priv.h: one struct for queries and listings, told apart
 * by the functions in it. */

VV_MUST_CHECK varve_status vv_query_open(varve_db *db, const varve_query_options *options,
                                         varve_cursor **out_cursor, varve_error *out_err);
VV_MUST_CHECK varve_status vv_cursor_next(varve_cursor *cursor, const varve_block **out_block,
                                          varve_error *out_err);
const varve_block *vv_cursor_keep(varve_cursor *cursor);
void vv_block_release(const varve_block *block);
VV_MUST_CHECK varve_status vv_cursor_split(varve_cursor *cursor, varve_cursor **out_parts,
                                           size_t capacity, size_t *out_count,
                                           varve_error *out_err);
uint64_t vv_cursor_last_row_id(const varve_cursor *cursor);
void vv_cursor_close(varve_cursor *cursor);
VV_MUST_CHECK varve_status vv_cursor_arrow(varve_cursor *cursor,
                                           struct ArrowArrayStream *out_stream,
                                           varve_error *out_err);

/** Which listing; name is the label of LABEL_VALUES. */
typedef enum vv_list_kind {
    VV_LIST_METRICS,
    VV_LIST_SERIES,
    VV_LIST_LABEL_NAMES,
    VV_LIST_LABEL_VALUES,
    VV_LIST_FIELD_NAMES
} vv_list_kind;

VV_MUST_CHECK varve_status vv_list_open(varve_db *db, vv_list_kind kind, varve_text name,
                                        const varve_list_options *options,
                                        varve_cursor **out_cursor, varve_error *out_err);

#endif
