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
#include "model/rows.h"
#include "model/selection.h"

/** A segment with its translation to the catalogue; counted, shared by versions. Its inside:
 *  engine/live_segment_priv.h. */
typedef struct vv_live_segment vv_live_segment;

/** A row that was deleted or replaced: hides what lies at this address with a sequence below. */
typedef struct vv_row_hide {
    vv_row_address row;
    uint64_t sequence;
} vv_row_hide;

/** A delete: hides rows of `series` in `range` with a sequence below `sequence`. Counted,
 * immutable. Or the deletes by row of one flush (engine/row_list.h): then it hides just `rows`,
 * each by its own sequence; selection is NULL, and sequence and range are bounds over them. */
typedef struct vv_tombstone {
    atomic_uint refs;
    uint64_t sequence;
    varve_range range;
    vv_selection *selection; /* as stored */
    vv_idset series;         /* resolved when made (reopened: when loaded) */
    vv_row_hide *rows;       /* ascending by address, each once */
    size_t row_count, row_capacity;
    atomic_uint_fast64_t file_id; /* del/ file that holds it; 0: only in the log so far; set once,
                                     with manifest_lock held */
} vv_tombstone;

static inline uint64_t vv_tombstone_file(const vv_tombstone *tombstone)
{
    return atomic_load(&tombstone->file_id);
}

static inline bool vv_tombstone_is_of_rows(const vv_tombstone *tombstone)
{
    return tombstone->selection == NULL;
}

/** Resolves the selection; takes it on success. */
VV_MUST_CHECK varve_status vv_tombstone_create(varve_db *db, uint64_t sequence, varve_range range,
                                               vv_selection *selection,
                                               vv_tombstone **out_tombstone, varve_error *out_err);
void vv_tombstone_ref(vv_tombstone *tombstone);
void vv_tombstone_unref(varve_db *db, vv_tombstone *tombstone);

struct vv_ring_set;

typedef struct vv_version {
    atomic_uint refs;
    vv_live_segment **segments; /* ascending by first_sequence: the order of arrival */
    size_t segment_count;
    vv_tombstone **tombstones; /* ascending by sequence */
    size_t tombstone_count;
    size_t segment_capacity, tombstone_capacity; /* room */
    struct vv_ring_set *rings;                   /* a reference; NULL: there is none */
} vv_version;

VV_MUST_CHECK varve_status vv_version_create(varve_db *db, vv_version **out_version,
                                             varve_error *out_err);
void vv_version_ref(vv_version *version);
void vv_version_unref(varve_db *db, vv_version *version);
/** The current version, referenced. */
vv_version *vv_version_current(varve_db *db);
/** A copy of base without drop[], with add[] inserted in order of sequence; tombstones likewise;
 *  the rings of base. */
VV_MUST_CHECK varve_status vv_version_edit(
    varve_db *db, const vv_version *base, vv_live_segment *const *add, size_t add_count,
    vv_live_segment *const *drop, size_t drop_count, vv_tombstone *const *add_tombstones,
    size_t add_tombstone_count, vv_tombstone *const *drop_tombstones, size_t drop_tombstone_count,
    vv_version **out_version, varve_error *out_err);
/** Exchange the rings of a version that nobody else has yet; takes a reference of its own. */
void vv_version_set_rings(varve_db *db, vv_version *version, struct vv_ring_set *rings);
/** Make it current, under state_lock; takes the caller's reference, drops the old one's. The caller
 *  holds manifest_lock since it read the base, and where segments were dropped a reference on the
 *  old version: the last one closes files. */
void vv_version_install_locked(varve_db *db, vv_version *version);

/* Levels that are counted one by one. */
#define VV_VERSION_LEVELS 8u

/** Sums over the segments of a version. */
typedef struct vv_version_totals {
    uint64_t segments, bytes, rows;
    uint64_t warm;                      /* segments in the warm tier */
    uint64_t levels[VV_VERSION_LEVELS]; /* segments of each; the last has all above too */
    uint32_t level_max;
} vv_version_totals;

/** Memory of its open segments: names, index, translation to the catalogue. */
size_t vv_version_memory_bytes(const vv_version *version);

vv_version_totals vv_version_sum(const vv_version *version);

#endif
