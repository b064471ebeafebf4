/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_LABELS_H
#define VV_MODEL_LABELS_H

/*
 * Names and label sets: what is allowed, in which order they stand, what identifies a series, and
 * how it is written for people. Limits are those of model/rows.h.
 *
 * "Sorted" means by name, bytewise; names are distinct, so the order is total.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/reader.h"
#include "model/rows.h"
#include "varve.h"

/** Metrics that begin with this are internal: listed and selected on request only. */
#define VV_INTERNAL_PREFIX "varve."
/** What rollups keep is stored under this and a number; of the policy `last`, whatever the
 * database's is. */
#define VV_ROLLUP_PREFIX VV_INTERNAL_PREFIX "rollup."
/** The matcher name that means the metric. */
#define VV_METRIC_LABEL "__name__"

/** Errors of the checks: E_INVALID with the name, its size or the first bad byte. */
VV_MUST_CHECK varve_status vv_metric_check(varve_text metric, varve_error *out_err);
VV_MUST_CHECK varve_status vv_field_name_check(varve_text name, varve_error *out_err);
VV_MUST_CHECK varve_status vv_label_name_check(varve_text name, varve_error *out_err);
/** Sorted labels: at most VV_LABELS_MAX, no name twice, every name and value legal. Duplicates are
 * reported before lengths. */
VV_MUST_CHECK varve_status vv_labels_check(const varve_label *labels, size_t count,
                                           varve_error *out_err);

bool vv_metric_is_internal(varve_text metric);

/** Whether names stand strictly ascending: sorted, and none twice. */
bool vv_labels_are_sorted(const varve_label *labels, size_t count);
/** Sort in place by name, equal names by value. */
void vv_labels_sort(varve_label *labels, size_t count);
/** Order of sorted label sets as lists of (name, value); a prefix stands first. */
int vv_labels_compare(const varve_label *a, size_t a_count, const varve_label *b, size_t b_count);
/** Value of a label in a sorted set; false, and *out_value untouched, when it is absent. */
bool vv_labels_find(const varve_label *labels, size_t count, varve_text name,
                    varve_text *out_value);

/*
 * Identity of a series: the same bytes exactly for the same metric and label set.
 *
 *     u16 size, metric | u16 size, name | u16 size, value | ... (labels sorted, little endian)
 *
 * The end is the end of the bytes. Metric and labels are checked and sorted before.
 */
size_t vv_series_identity_size(varve_text metric, const varve_label *labels, size_t count);
/** Append the identity. Sticky as vv_buf. */
varve_status vv_series_identity_write(vv_buf *buf, varve_text metric, const varve_label *labels,
                                      size_t count);
/** XXH3 of the identity bytes; sizes must fit (names that were not checked may be passed, then
 * the hash means nothing). Allocates nothing. */
uint64_t vv_series_identity_hash(varve_text metric, const varve_label *labels, size_t count,
                                 uint64_t seed);
/** Read an identity that takes all of `bytes`; texts are borrowed from it, the array lies in the
 * arena. E_CORRUPT unless it is exactly what vv_series_identity_write makes of a legal series. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_series_identity_read(vv_bytes bytes, vv_arena *arena,
                                                                varve_text *out_metric,
                                                                const varve_label **out_labels,
                                                                size_t *out_count,
                                                                varve_error *out_err);

/** Append a series as selector text: cpu{host="a"}, or {"odd name",host="a"}. It parses back to
 * the same names (model/selector.h). Sticky as vv_buf. */
varve_status vv_series_print(vv_buf *buf, varve_text metric, const varve_label *labels,
                             size_t count);
/** Append text in double quotes with the escapes of a selector. Sticky as vv_buf. */
varve_status vv_selector_quote(vv_buf *buf, varve_text text);

#endif
