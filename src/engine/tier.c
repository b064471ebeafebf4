/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which tier there is, and what moves to it (see tier.h).
 */

#include "engine/tier.h"

#include "base/checked.h"
#include "base/status.h"
#include "engine/db.h"
#include "engine/live_segment_priv.h"
#include "engine/manifest.h"
#include "engine/publish.h"
#include "engine/retention.h"
#include "engine/version.h"
#include "index/catalogue.h"
#include "model/labels.h"

/* ---- attaching ---- */

static uint64_t tier_count_warm(const vv_manifest_state *state)
{
    uint64_t count = 0;
    for (size_t i = 0; i < state->segments.count; i++) {
        count += VV_VEC_AT(&state->segments, vv_manifest_segment, i)->tier == VV_TIER_WARM ? 1 : 0;
    }
    return count;
}

/** A place where nothing is: fine as long as nothing has to be there. */
static varve_status tier_is_missing(varve_db *db, varve_text path, uint64_t count,
                                    varve_error *out_err)
{
    if (count > 0) {
        return vv_fail(out_err, VARVE_E_IO,
                       "%llu segments are in the warm directory %.*s, which has no file TIER: is "
                       "its disk mounted?",
                       (unsigned long long)count, VV_TEXT_ARGS(path));
    }
    vv_db_log(db, VARVE_LOG_WARN, "tier.missing", "%.*s is not there; segments stay where they are",
              VV_TEXT_ARGS(path));
    return VARVE_OK;
}

varve_status vv_tier_attach(varve_db *db, const vv_manifest_state *state, varve_error *out_err)
{
    bool is_given = db->options.warm_path.size > 0;
    varve_text path = is_given ? db->options.warm_path : state->warm_path;
    uint64_t count = tier_count_warm(state);
    if (db->tier != NULL || (path.size == 0 && count == 0)) {
        return VARVE_OK;
    }
    if (db->is_memory) {
        return vv_fail(out_err, VARVE_E_INVALID, "a database in memory has no warm directory");
    }
    varve_error error;
    bool creates = is_given && !db->is_readonly && count == 0;
    varve_status status = vv_tier_directory_open(db, path, creates, &db->tier, &error);
    if (status == VARVE_E_NOT_FOUND) {
        return tier_is_missing(db, path, count, out_err);
    }
    if (status != VARVE_OK) {
        vv_error_copy(out_err, &error);
    }
    return status;
}

void vv_tier_free(vv_tier *tier)
{
    if (tier != NULL) {
        tier->class->free(tier);
    }
}

varve_status vv_tier_sweep(varve_db *db, const vv_manifest_state *state, varve_error *out_err)
{
    if (db->tier == NULL) {
        return VARVE_OK;
    }
    vv_vec ids;
    vv_vec_init(&ids, &db->alloc, sizeof(uint64_t), SIZE_MAX);
    varve_status status = db->tier->class->clear(db->tier, out_err);
    if (status == VARVE_OK) {
        status = db->tier->class->list(db->tier, &ids, out_err);
    }
    for (size_t i = 0; i < ids.count && status == VARVE_OK; i++) {
        uint64_t id = *VV_VEC_AT(&ids, uint64_t, i);
        const vv_manifest_segment *named = vv_manifest_find_segment(state, id);
        if (named == NULL || named->tier != VV_TIER_WARM) {
            status = db->tier->class->remove(db->tier, id, out_err);
        }
    }
    vv_vec_deinit(&ids);
    return status;
}

/* ---- moving ---- */

/** Whether the newest row of a segment is older than the hot window of each metric in it. Internal
 *  metrics, which have no rule, go with the others. */
static bool tier_is_old(varve_db *db, const vv_retention *table, const vv_live_segment *segment,
                        int64_t reference)
{
    uint32_t metric_before = 0;
    for (uint32_t i = 0; i < segment->series_count; i++) {
        uint32_t metric = vv_catalogue_metric_id(db->catalogue, segment->series_ids[i]);
        if (metric == metric_before ||
            vv_metric_is_internal(vv_catalogue_metric_name(db->catalogue, metric))) {
            continue;
        }
        metric_before = metric;
        const vv_retention_entry *rule = vv_retention_rule(table, metric);
        if (!rule->has_rule || rule->hot_window == 0 ||
            segment->info.last_time >= vv_sat_sub_i64(reference, rule->hot_window)) {
            return false;
        }
    }
    return metric_before != 0;
}

static varve_status tier_move_one(varve_db *db, vv_live_segment *segment, varve_error *out_err)
{
    uint64_t id = segment->info.id;
    vv_version *nothing;
    vv_live_segment *moved;
    VV_TRY(db->tier->class->put(db->tier, segment->segment, id, out_err));
    varve_status status = vv_live_segment_open_moved(db, segment, VV_TIER_WARM, &moved, out_err);
    if (status != VARVE_OK) {
        VV_IGNORE(db->tier->class->remove(db->tier, id, NULL)); /* already failing; else R1 */
        return status;
    }
    status = vv_version_create(db, &nothing, out_err);
    if (status == VARVE_OK) {
        vv_publish_change change = {
            .add = moved,
            .drop = &segment,
            .drop_count = 1,
            .applied = nothing, /* R3: no tombstone was */
        };
        status = vv_publish(db, &change, out_err);
        vv_version_unref(db, nothing);
    } else {
        atomic_store(&moved->unlink_when_free, true);
    }
    if (status == VARVE_OK) {
        atomic_fetch_add_explicit(&db->retention.moves, 1, memory_order_relaxed);
    }
    vv_live_segment_unref(db, moved);
    return status;
}

varve_status vv_tier_move(varve_db *db, const vv_retention *table, varve_error *out_err)
{
    vv_mutex_assert_held(&db->merge_lock);
    if (db->tier == NULL || !table->has_hot) {
        return VARVE_OK;
    }
    int64_t reference = vv_retention_reference(db, table);
    vv_version *version = vv_version_current(db);
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < version->segment_count && status == VARVE_OK; i++) {
        vv_live_segment *segment = version->segments[i];
        if (segment->tier == VV_TIER_HOT && tier_is_old(db, table, segment, reference)) {
            status = tier_move_one(db, segment, out_err);
        }
    }
    vv_version_unref(db, version);
    if (status != VARVE_OK) {
        atomic_fetch_add_explicit(&db->retention.move_errors, 1, memory_order_relaxed);
    }
    return status;
}
