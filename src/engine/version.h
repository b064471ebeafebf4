/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_VERSION_H
#define VV_ENGINE_VERSION_H

/*
 * A version: the segments and tombstones that make up the database at rest, immutable and counted.
 * A new one is a copy with changes; it is installed under db->state_lock after the manifest edit is
 * durable.
 */

#include <stdatomic.h>

#include "base/bitmap.h"
#include "engine/db.h"
#include "model/selection.h"
#include "segment/segment.h"

/** A segment with its translation to the catalogue; counted, shared by versions. */
typedef struct vv_live_segment {
    atomic_uint refs;
    vv_segment *segment;
    vv_segment_info info;
    atomic_bool unlink_when_free; /* dropped by a merge: the file goes with the last reference */
    uint32_t series_count;
    uint32_t *series_ids;   /* catalogue id of series index i; owned, with the two behind it */
    uint32_t *sorted_ids;   /* catalogue ids ascending ... */
    uint32_t *sorted_index; /* ... and the series index of each */
    uint32_t field_count;
    uint32_t *field_ids;   /* ids in the segment, ascending; owned, with ... */
    uint32_t *field_names; /* ... the catalogue id of each */
} vv_live_segment;

/** Opens seg/<id>.vsg, resolves its names in the catalogue and records the types of its fields:
 *  segments are opened in the order of arrival, so that the newest type stays. */
VV_MUST_CHECK varve_status vv_live_segment_open(varve_db *db, uint64_t id, uint32_t level,
                                                vv_live_segment **out_segment,
                                                varve_error *out_err);
/** The same for a file that this database has just written: the catalogue has its fields already,
 *  perhaps with types that are newer, and keeps them. */
VV_MUST_CHECK varve_status vv_live_segment_open_written(varve_db *db, uint64_t id, uint32_t level,
                                                        vv_live_segment **out_segment,
                                                        varve_error *out_err);
/** Remove seg/<id>.vsg; a failure is logged, the next open removes what no manifest names. */
void vv_live_segment_unlink(varve_db *db, uint64_t id);
void vv_live_segment_ref(vv_live_segment *segment);
void vv_live_segment_unref(varve_db *db, vv_live_segment *segment);
/** Series index of a catalogue id, or UINT32_MAX. */
uint32_t vv_live_segment_find(const vv_live_segment *segment, uint32_t series);
/** Segment's id of a catalogue field, 0: none. And back: catalogue field of a segment's id. */
uint32_t vv_live_segment_field_of(const vv_live_segment *segment, uint32_t catalogue_field);
uint32_t vv_live_segment_field_name(const vv_live_segment *segment, uint32_t segment_field);

/** A delete: hides rows of `series` in `range` with a sequence below `sequence`. Counted,
 * immutable. */
typedef struct vv_tombstone {
    atomic_uint refs;
    uint64_t sequence;
    varve_range range;
    vv_selection *selection; /* as stored */
    vv_idset series;         /* resolved when made (reopened: when loaded) */
    uint64_t file_id;        /* del/ file that holds it; 0: only in the log so far; guarded by
                                manifest_lock */
} vv_tombstone;

/** Resolves the selection; takes it on success. */
VV_MUST_CHECK varve_status vv_tombstone_create(varve_db *db, uint64_t sequence, varve_range range,
                                               vv_selection *selection,
                                               vv_tombstone **out_tombstone, varve_error *out_err);
void vv_tombstone_ref(vv_tombstone *tombstone);
void vv_tombstone_unref(varve_db *db, vv_tombstone *tombstone);
static inline bool vv_range_has(varve_range range, int64_t time)
{
    return time >= range.start && (time < range.end || range.end == INT64_MAX);
}

typedef struct vv_version {
    atomic_uint refs;
    vv_live_segment **segments; /* ascending by first_sequence: the order of arrival */
    size_t segment_count;
    vv_tombstone **tombstones; /* ascending by sequence */
    size_t tombstone_count;
    size_t segment_capacity, tombstone_capacity; /* room */
} vv_version;

VV_MUST_CHECK varve_status vv_version_create(varve_db *db, vv_version **out_version,
                                             varve_error *out_err);
void vv_version_ref(vv_version *version);
void vv_version_unref(varve_db *db, vv_version *version);
/** The current version, referenced. */
vv_version *vv_version_current(varve_db *db);
/** A copy of base without drop[], with add[] inserted in order of sequence; tombstones likewise. */
VV_MUST_CHECK varve_status vv_version_edit(
    varve_db *db, const vv_version *base, vv_live_segment *const *add, size_t add_count,
    vv_live_segment *const *drop, size_t drop_count, vv_tombstone *const *add_tombstones,
    size_t add_tombstone_count, vv_tombstone *const *drop_tombstones, size_t drop_tombstone_count,
    vv_version **out_version, varve_error *out_err);
/** Make it current, under state_lock; takes the caller's reference, drops the old one's. The caller
 *  holds manifest_lock since it read the base, and where segments were dropped a reference on the
 *  old version: the last one closes files. */
void vv_version_install_locked(varve_db *db, vv_version *version);

#endif
