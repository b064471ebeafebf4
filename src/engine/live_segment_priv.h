/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_LIVE_SEGMENT_PRIV_H
#define VV_ENGINE_LIVE_SEGMENT_PRIV_H

/*
 * The inside of a live segment: an open segment file with its series and fields translated to ids
 * of the catalogue. Versions list them; see live_segment.c for the tables.
 */

#include "engine/version.h"
#include "segment/segment.h"

struct vv_live_segment {
    atomic_uint refs;
    vv_segment *segment;
    vv_segment_info info;
    uint64_t applied_sequence;    /* deletes up to it have left nothing here; fixed by its writer,
                                     0: not known, as after an open */
    uint32_t tier;                /* VV_TIER_...: where the file is */
    atomic_bool unlink_when_free; /* dropped by a merge: the file goes with the last reference */
    /* Retention, under merge_lock but for the atomic: retention_run.c. */
    uint64_t weighed_at;               /* when the rows were counted; 0: never */
    atomic_uint_fast64_t expired_rows; /* about so many lie before recorded cuts */
    uint32_t series_count;
    uint32_t *series_ids;   /* catalogue id of series index i; owned, with the two behind it */
    uint32_t *sorted_ids;   /* catalogue ids ascending ... */
    uint32_t *sorted_index; /* ... and the series index of each */
    uint32_t field_count;
    uint32_t *field_ids;   /* ids in the segment, ascending; owned, with ... */
    uint32_t *field_names; /* ... the catalogue id of each */
};

/** Opens seg/<id>.vsg, or that segment of another tier, resolves its names in the catalogue and
 *  records the types of its fields: segments are opened in the order of arrival, so that the newest
 *  type stays. */
VV_MUST_CHECK varve_status vv_live_segment_open(varve_db *db, uint64_t id, uint32_t level,
                                                uint32_t tier, vv_live_segment **out_segment,
                                                varve_error *out_err);
/** The same for a file that this database has just written: the catalogue has its fields already,
 *  perhaps with types that are newer, and keeps them. */
VV_MUST_CHECK varve_status vv_live_segment_open_written(varve_db *db, uint64_t id, uint32_t level,
                                                        vv_live_segment **out_segment,
                                                        varve_error *out_err);
/** A segment that was put into another tier, opened there. */
VV_MUST_CHECK varve_status vv_live_segment_open_moved(varve_db *db, const vv_live_segment *from,
                                                      uint32_t tier, vv_live_segment **out_segment,
                                                      varve_error *out_err);
/** Remove the file of a segment; a failure is logged, the next open removes what no manifest names.
 */
void vv_live_segment_unlink(varve_db *db, uint64_t id, uint32_t tier);
/** The name of its file for a link; false: it has none. */
bool vv_live_segment_path(varve_db *db, const vv_live_segment *segment,
                          char out_path[VV_PATH_BYTES_MAX]);
void vv_live_segment_ref(vv_live_segment *segment);
void vv_live_segment_unref(varve_db *db, vv_live_segment *segment);
/** Series index of a catalogue id, or UINT32_MAX. */
uint32_t vv_live_segment_find(const vv_live_segment *segment, uint32_t series);
/** Segment's id of a catalogue field, 0: none. And back: catalogue field of a segment's id. */
uint32_t vv_live_segment_field_of(const vv_live_segment *segment, uint32_t catalogue_field);
uint32_t vv_live_segment_field_name(const vv_live_segment *segment, uint32_t segment_field);

#endif
