/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Versions: immutable lists of references.
 *
 *   edit:  base { a b c | t1 t2 }  - b, - t1, + d, + t3  ->  { a c d | t2 t3 }
 *
 *   N1  Segments stand in order of first_sequence, tombstones in order of sequence; both orders are
 *       those of arrival.
 *   N2  A version holds a reference on everything in it, the database one on the current version.
 *   N3  Whoever installs a version holds the manifest lock from reading the base to installing, so
 *       that no edit is lost. Dropping the last reference of a segment does I/O; so whoever drops
 *       segments holds a reference on the version before across the state lock.
 */

#include "engine/version.h"

#include "base/assert.h"
#include "base/status.h"
#include "engine/live_segment_priv.h"
#include "engine/ring.h"
#include "engine/tier.h"
#include "segment/segment.h"

static void version_free(varve_db *db, vv_version *version)
{
    for (size_t i = 0; i < version->segment_count; i++) {
        vv_live_segment_unref(db, version->segments[i]);
    }
    for (size_t i = 0; i < version->tombstone_count; i++) {
        vv_tombstone_unref(db, version->tombstones[i]);
    }
    vv_ring_set_unref(db, version->rings);
    vv_alloc_free(&db->alloc, version->segments,
                  version->segment_capacity * sizeof(vv_live_segment *));
    vv_alloc_free(&db->alloc, version->tombstones,
                  version->tombstone_capacity * sizeof(vv_tombstone *));
    vv_alloc_free(&db->alloc, version, sizeof *version);
}

/** An empty version with room. */
static varve_status version_allocate(varve_db *db, size_t segments, size_t tombstones,
                                     vv_version **out_version, varve_error *out_err)
{
    *out_version = NULL;
    vv_version *version = vv_alloc_zeroed(&db->alloc, sizeof *version);
    if (version == NULL) {
        return vv_fail_nomem(out_err, "version", sizeof *version);
    }
    atomic_init(&version->refs, 1);
    version->segments = vv_alloc_array(&db->alloc, segments, sizeof *version->segments);
    version->segment_capacity = version->segments == NULL ? 0 : segments;
    version->tombstones = vv_alloc_array(&db->alloc, tombstones, sizeof *version->tombstones);
    version->tombstone_capacity = version->tombstones == NULL ? 0 : tombstones;
    if (version->segments == NULL || version->tombstones == NULL) {
        version_free(db, version);
        return vv_fail_nomem(out_err, "version", (segments + tombstones) * sizeof(void *));
    }
    *out_version = version;
    return VARVE_OK;
}

varve_status vv_version_create(varve_db *db, vv_version **out_version, varve_error *out_err)
{
    return version_allocate(db, 0, 0, out_version, out_err);
}

void vv_version_ref(vv_version *version)
{
    atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
}

void vv_version_unref(varve_db *db, vv_version *version)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (version != NULL &&
        atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) == 1) {
        version_free(db, version);
    }
}

vv_version *vv_version_current(varve_db *db)
{
    vv_mutex_lock(&db->state_lock);
    vv_version *version = db->version;
    vv_version_ref(version);
    vv_mutex_unlock(&db->state_lock);
    return version;
}

/* ---- editing ---- */

static bool version_is_dropped(const void *item, const void *const *drop, size_t drop_count)
{
    for (size_t i = 0; i < drop_count; i++) {
        if (drop[i] == item) {
            return true;
        }
    }
    return false;
}

static bool version_segment_precedes(const vv_live_segment *a, const vv_live_segment *b)
{
    if (a->info.first_sequence != b->info.first_sequence) {
        return a->info.first_sequence < b->info.first_sequence;
    }
    return a->info.id < b->info.id;
}

/** N1: most come last, so the search goes from the end. */
static void version_add_segment(vv_version *version, vv_live_segment *segment)
{
    VV_ASSERT(version->segment_count < version->segment_capacity);
    vv_live_segment_ref(segment);
    size_t at = version->segment_count++;
    for (; at > 0 && version_segment_precedes(segment, version->segments[at - 1]); at--) {
        version->segments[at] = version->segments[at - 1];
    }
    version->segments[at] = segment;
}

static void version_add_tombstone(vv_version *version, vv_tombstone *tombstone)
{
    VV_ASSERT(version->tombstone_count < version->tombstone_capacity);
    vv_tombstone_ref(tombstone);
    size_t at = version->tombstone_count++;
    for (; at > 0 && tombstone->sequence < version->tombstones[at - 1]->sequence; at--) {
        version->tombstones[at] = version->tombstones[at - 1];
    }
    version->tombstones[at] = tombstone;
}

varve_status vv_version_edit(varve_db *db, const vv_version *base, vv_live_segment *const *add,
                             size_t add_count, vv_live_segment *const *drop, size_t drop_count,
                             vv_tombstone *const *add_tombstones, size_t add_tombstone_count,
                             vv_tombstone *const *drop_tombstones, size_t drop_tombstone_count,
                             vv_version **out_version, varve_error *out_err)
{
    vv_version *version;
    VV_TRY(version_allocate(db, base->segment_count + add_count,
                            base->tombstone_count + add_tombstone_count, &version, out_err));
    for (size_t i = 0; i < base->segment_count; i++) {
        if (!version_is_dropped(base->segments[i], (const void *const *)drop, drop_count)) {
            version_add_segment(version, base->segments[i]);
        }
    }
    for (size_t i = 0; i < add_count; i++) {
        version_add_segment(version, add[i]);
    }
    for (size_t i = 0; i < base->tombstone_count; i++) {
        if (!version_is_dropped(base->tombstones[i], (const void *const *)drop_tombstones,
                                drop_tombstone_count)) {
            version_add_tombstone(version, base->tombstones[i]);
        }
    }
    for (size_t i = 0; i < add_tombstone_count; i++) {
        version_add_tombstone(version, add_tombstones[i]);
    }
    vv_version_set_rings(db, version, base->rings);
    *out_version = version;
    return VARVE_OK;
}

void vv_version_set_rings(varve_db *db, vv_version *version, vv_ring_set *rings)
{
    vv_ring_set *old = version->rings;
    vv_ring_set_ref(rings);
    version->rings = rings;
    vv_ring_set_unref(db, old);
}

void vv_version_install_locked(varve_db *db, vv_version *version)
{
    vv_mutex_assert_held(&db->state_lock);
    vv_version *old = db->version;
    db->version = version;
    atomic_store(&db->has_rings, version->rings != NULL && version->rings->count > 0);
    vv_version_unref(db, old);
}

vv_version_totals vv_version_sum(const vv_version *version)
{
    vv_version_totals totals = {.segments = version->segment_count};
    for (size_t i = 0; i < version->segment_count; i++) {
        const vv_segment_info *info = &version->segments[i]->info;
        totals.bytes += info->bytes;
        totals.rows += info->rows;
        totals.warm += version->segments[i]->tier == VV_TIER_WARM ? 1 : 0;
        totals.levels[info->level < VV_VERSION_LEVELS ? info->level : VV_VERSION_LEVELS - 1] += 1;
        totals.level_max = info->level > totals.level_max ? info->level : totals.level_max;
    }
    return totals;
}

size_t vv_version_memory_bytes(const vv_version *version)
{
    size_t bytes = 0;
    for (size_t i = 0; i < version->segment_count; i++) {
        const vv_live_segment *segment = version->segments[i];
        bytes += sizeof *segment + vv_segment_memory_bytes(segment->segment) +
                 (3 * (size_t)segment->series_count + 2 * (size_t)segment->field_count) *
                     sizeof(uint32_t);
    }
    return bytes;
}
