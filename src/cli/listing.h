/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_LISTING_H
#define VV_CLI_LISTING_H

/*
 * Answers of the catalogue as arrays of texts.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "varve.h"

/** Whether a row of a listing is wanted. */
typedef bool (*vv_listing_filter)(const varve_block *block, size_t row);

/** A column of strings of a listing's cursor, sorted, each text once, in the arena. The cursor is
 * closed. wants may be NULL. */
VV_MUST_CHECK varve_status vv_listing_take(varve_cursor *cursor, size_t column,
                                           vv_listing_filter wants, vv_arena *arena,
                                           varve_text **out_texts, size_t *out_count,
                                           varve_error *out_err);

/** Sort, and drop what is there twice; returns how many are left. */
size_t vv_text_sort_unique(varve_text *texts, size_t count);

/** A cell of a column of strings. */
varve_text vv_listing_cell(const varve_block *block, size_t column, size_t row);

/** A text that stands alone in its line: as it is, or escaped as JSON does where it has control
 * characters. Sticky as vv_buf. */
void vv_listing_print_line(vv_buf *buf, varve_text text);

/** Name of a series as a selector shows it: cpu{host="a"}; appended to buf. Sticky as vv_buf. */
void vv_listing_print_series(vv_buf *buf, varve_text metric, const varve_label *labels,
                             size_t count);

/** Its labels alone: {host="a"}; nothing when there are none. */
void vv_listing_print_labels(vv_buf *buf, const varve_label *labels, size_t count);

#endif
