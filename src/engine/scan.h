/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SCAN_H
#define VV_ENGINE_SCAN_H

/*
 * The rows of one series in a view: all sources (segments, frozen heads, active head) merged by
 * time and order of arrival, duplicates resolved, deleted rows left out. Query, flush and merge
 * read through it.
 *
 * A scan gives parts in ascending order of time (descending: parts from the newest to the oldest,
 * rows inside a part still ascending). A part is either
 *
 *   VECTOR  one encoded vector, every row of which counts, and nothing else of the series lies in
 *           its time span: its statistics are the statistics of these rows
 *   ROWS    decoded and resolved rows, at most VV_VECTOR_ROWS_MAX
 *
 * Rows of equal time come in order of arrival; in a series with row ids that is the order of ids.
 *
 * With `fields` given, only these columns are there, and a row that has none of them is left out of
 * ROWS (a VECTOR part may have such rows; decoding it by vv_scan_rows leaves them out).
 *
 * What cannot be read ends the scan with E_CORRUPT or E_IO; with skip_damage just that vector, or
 * that segment's part of the series, is left out and the scan goes on.
 */

#include "engine/view.h"

struct vv_vector;
struct vv_vector_column;

typedef struct vv_scan vv_scan;

typedef struct vv_scan_options {
    varve_range range;
    const uint32_t *fields; /* catalogue ids, ascending; NULL: all */
    size_t field_count;
    bool is_descending;
    bool with_row_ids;
    bool keep_all_rows; /* rows that have none of `fields` stay (predicates on absence, counting) */
    bool no_vectors;    /* every part is ROWS */
    bool is_raw;        /* the rows of the heads as they arrived: no segments, no deletes applied,
                           nothing united, a ring like any series; row ids are sequences */
    bool skip_damage;   /* leave out what cannot be read; vv_scan_has_damage tells */
    uint64_t after_row_id; /* what holds no greater row id may be left out unread; 0: nothing */
    const vv_row_address *hidden; /* rows taken to be gone, of any series; ascending */
    size_t hidden_count;
    /* Called before each vector or head block that is read; a failure ends the scan. May be NULL.
     */
    varve_status (*poll)(void *context, varve_error *out_err);
    void *poll_context;
    vv_alloc *alloc; /* the query's allocator, with its limit */
    struct vv_codec_scratch *scratch;
} vv_scan_options;

typedef enum vv_part_kind { VV_PART_VECTOR, VV_PART_ROWS } vv_part_kind;

typedef struct vv_part {
    vv_part_kind kind;
    size_t count;
    int64_t first_time, last_time;
    const struct vv_vector *vector; /* VECTOR; until the next call */
    const vv_live_segment *segment; /* VECTOR: whose field ids it uses; NULL: the catalogue's */
    vv_rows rows;                   /* ROWS; until the next call */
} vv_part;

VV_MUST_CHECK varve_status vv_scan_open(vv_view *view, uint32_t series,
                                        const vv_scan_options *options, vv_scan **out_scan,
                                        varve_error *out_err);
/** Use an open scan for another series with the same options: no allocation in the steady state. */
VV_MUST_CHECK varve_status vv_scan_restart(vv_scan *scan, uint32_t series, varve_error *out_err);
/** The range that counts from the next restart on. */
void vv_scan_set_range(vv_scan *scan, varve_range range);
/** *out_part NULL: the end. */
VV_MUST_CHECK varve_status vv_scan_next(vv_scan *scan, const vv_part **out_part,
                                        varve_error *out_err);
/** Decode the current VECTOR part into rows (a ROWS part: its rows); until the next call. */
VV_MUST_CHECK varve_status vv_scan_rows(vv_scan *scan, vv_rows *out_rows, varve_error *out_err);
/** Column of a catalogue field in the current VECTOR part; false: none. */
bool vv_scan_column(const vv_scan *scan, uint32_t field, struct vv_vector_column *out_column);
void vv_scan_close(vv_scan *scan);

/** Whether anything was left out since the scan was opened (skip_damage). */
bool vv_scan_has_damage(const vv_scan *scan);

/** Whether the scan gives any row: bounds and references are looked at before anything is decoded.
 *  Nothing else is to be asked of it before a restart. Its options keep all rows. */
VV_MUST_CHECK varve_status vv_scan_has_row(vv_scan *scan, bool *out_has, varve_error *out_err);
/** Whether the scan gives a value of the field, which is the only one it was opened with. */
VV_MUST_CHECK varve_status vv_scan_has_value(vv_scan *scan, uint32_t field, bool *out_has,
                                             varve_error *out_err);

/** The same two questions to a view, with a scan of their own. */
VV_MUST_CHECK varve_status vv_scan_exists(vv_view *view, uint32_t series, varve_range range,
                                          struct vv_codec_scratch *scratch, bool *out_exists,
                                          varve_error *out_err);
VV_MUST_CHECK varve_status vv_scan_field_exists(vv_view *view, uint32_t series, uint32_t field,
                                                struct vv_codec_scratch *scratch, bool *out_exists,
                                                varve_error *out_err);

#endif
