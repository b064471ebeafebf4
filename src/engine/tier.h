/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_TIER_H
#define VV_ENGINE_TIER_H

/*
 * Tiers: where segments live. The hot one is <db>/seg, where every segment is made; the warm one is
 * a second directory (engine/tier_directory.c), to which those move whose newest row is older than
 * the hot windows of their metrics.
 *
 *   put (copied, compared, synced, named) -> edit of the manifest -> old file unlinked
 *
 *   R1  The manifest says in which tier a segment is. A file that it does not name there is a
 *       leftover, and removed at the next open.
 *   R2  A tier belongs to one database, which its identity names. One that is not there, or is
 *       another's, is an error of opening, not of reading.
 *   R3  What is put somewhere is byte for byte what was taken away. Merges write hot segments
 * again.
 */

#include "base/vec.h"
#include "sys/vfs.h"
#include "varve.h"

struct vv_manifest_state;
struct vv_retention;
struct vv_segment;

/* Numbers are those of the manifest. */
enum { VV_TIER_HOT = 0, VV_TIER_WARM = 1, VV_TIERS = 2 };

typedef struct vv_tier vv_tier;

/** What a place must be able to do; ids are those of segments. */
typedef struct vv_tier_class {
    /** Copy an open segment to the tier, durable on return, or leave nothing. */
    varve_status (*put)(vv_tier *tier, struct vv_segment *segment, uint64_t id,
                        varve_error *out_err);
    varve_status (*open)(vv_tier *tier, uint64_t id, struct vv_segment **out_segment,
                         varve_error *out_err);
    /** Append the ids of what is there, into a vector of uint64_t. */
    varve_status (*list)(vv_tier *tier, vv_vec *out_ids, varve_error *out_err);
    varve_status (*remove)(vv_tier *tier, uint64_t id, varve_error *out_err);
    /** Remove what puts that were cut off have left. */
    varve_status (*clear)(vv_tier *tier, varve_error *out_err);
    /** The name of a file that may be linked to; false: there is none. */
    bool (*path)(vv_tier *tier, uint64_t id, char out_path[VV_PATH_BYTES_MAX]);
    void (*free)(vv_tier *tier);
} vv_tier_class;

/** The beginning of every tier. */
struct vv_tier {
    const vv_tier_class *class;
    varve_text place; /* as the manifest names it; of the tier */
};

/** Open the warm tier that the options name, else the manifest; there may be none. What has to be
 *  made is made by a writer. E_IO: it is missing; E_CONFLICT: it is another database's. */
VV_MUST_CHECK varve_status vv_tier_attach(varve_db *db, const struct vv_manifest_state *state,
                                          varve_error *out_err);
/** Before a database is made: whether the warm directory of its options can be its own. Nothing is
 *  made; one that is there already is not looked at. E_INVALID, E_CONFLICT, E_NOT_FOUND, E_IO. */
VV_MUST_CHECK varve_status vv_tier_directory_check(const varve_db *db, varve_error *out_err);
/** A directory as a tier. creates: the caller may write, and nothing is lost if it was not there.
 *  E_NOT_FOUND, E_CONFLICT, E_CORRUPT, E_IO. */
VV_MUST_CHECK varve_status vv_tier_directory_open(varve_db *db, varve_text path, bool creates,
                                                  vv_tier **out_tier, varve_error *out_err);
/** Remove what the manifest does not name (R1). */
VV_MUST_CHECK varve_status vv_tier_sweep(varve_db *db, const struct vv_manifest_state *state,
                                         varve_error *out_err);
/** Move what is old enough; merge_lock is held. */
VV_MUST_CHECK varve_status vv_tier_move(varve_db *db, const struct vv_retention *table,
                                        varve_error *out_err);
void vv_tier_free(vv_tier *tier); /* NULL is fine */

#endif
