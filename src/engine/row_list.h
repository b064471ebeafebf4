/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_ROW_LIST_H
#define VV_ENGINE_ROW_LIST_H

/*
 * Rows that were deleted or replaced one by one. Until a flush they are entries of the head that
 * was active then (vv_head_hide); what a flush does not apply for good, because older segments may
 * hold the row, becomes one tombstone of the version: a list of addresses, each with its sequence,
 * in a del/ file.
 *
 *   commit -> log, head   --flush: applied to the head's own rows-->  version, del/ file
 *                                                                      --merge: applied--> gone
 *
 * Stored form: docs/formats/tombstones.md.
 */

#include "base/reader.h"
#include "base/vec.h"
#include "engine/version.h"
#include "model/facts.h"

/** A tombstone of these rows, at least one, in any order; copied, and of one address the greatest
 *  sequence counts. */
VV_MUST_CHECK varve_status vv_row_list_create(varve_db *db, const vv_row_hide *rows, size_t count,
                                              vv_tombstone **out_tombstone, varve_error *out_err);
/** Its rows of one series: [*out_begin, *out_end). */
void vv_row_list_find(const vv_tombstone *tombstone, uint32_t series, size_t *out_begin,
                      size_t *out_end);

/** Append the stored form. The series are named. */
VV_MUST_CHECK varve_status vv_row_list_put(varve_db *db, const vv_tombstone *tombstone, vv_buf *out,
                                           varve_error *out_err);
/** What a stored list says of itself, when only looked at. */
typedef struct vv_row_list_facts {
    uint64_t sequence, series, rows;
} vv_row_list_facts;
/** Read a list; db NULL: it is only looked at, *out_tombstone is NULL. Rows of series that the
 *  catalogue does not know hide nothing and are left out; a list may have none left. The reader
 * turns bad on what makes no sense, and the answer is then E_CORRUPT without a sentence. E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_row_list_read(varve_db *db, vv_alloc *alloc,
                                                         vv_reader *reader,
                                                         vv_row_list_facts *out_facts,
                                                         vv_tombstone **out_tombstone,
                                                         varve_error *out_err);

#endif
