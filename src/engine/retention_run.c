/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Letting recorded cuts follow the reference, and removing what lies before them.
 *
 *   looks    oldest                                  newest
 *            |  held for the grace time  |  not yet ...  |     reference of each: the least since
 *            '--> settled: recorded cut = this - window
 *
 *   V1  A look is remembered in each eighth of the grace time. Whenever the reference is asked, by
 *       a reader, a writer or here, and is lower than one remembered, that one becomes lower too:
 *       it has not held.
 *   V2  A segment is dropped when every row of every series in it lies before its cut. One of which
 *       at least half of the rows do is rewritten by a merge of its own (merge.c); of others
 *       the rows go with the merges that come anyway.
 *   V3  This runs before merges and does not need the room they need. Dropping writes one edit.
 */

#include "base/assert.h"
#include "base/checked.h"
#include "base/status.h"
#include "engine/live_segment_priv.h"
#include "engine/publish.h"
#include "engine/retention.h"
#include "engine/tier.h"
#include "index/catalogue.h"
#include "sys/env.h"
#include "wal/wal.h"

enum { RETENTION_SHARES = 8 }; /* of the grace time: V1; VV_RETENTION_LOOKS is above it */
/* Between two looks at most; arbitrary: how soon a segment goes once it may. */
#define RETENTION_LOOK_NS (INT64_C(60) * VV_NS_PER_S)

static int64_t retention_grace_ns(const varve_db *db)
{
    uint64_t ms = db->options.retention_grace_ms;
    return vv_sat_mul_i64(ms > INT64_MAX ? INT64_MAX : (int64_t)ms, VV_NS_PER_MS);
}

/* ---- recorded cuts ---- */

/** The cut that a settled reference gives a scope. */
static int64_t retention_settled_cut(const vv_retention *table, const vv_retention_scope *scope,
                                     int64_t settled)
{
    const vv_retention_entry *rule = vv_retention_rule(table, scope->metric);
    if (!rule->has_rule || !rule->is_enforced || rule->window == 0) {
        return VV_RETENTION_NONE;
    }
    return vv_sat_sub_i64(settled, rule->window);
}

/** Move the cuts of a copy; the entries of those that moved go into `entries`. */
static size_t retention_move_cuts(const vv_retention *table, int64_t settled, vv_retention *next,
                                  vv_retention_entry *entries)
{
    size_t count = 0;
    for (size_t i = 0; i < next->count; i++) {
        vv_retention_scope *scope = &next->scopes[i];
        int64_t cut = retention_settled_cut(table, scope, settled);
        if (cut > scope->entry.recorded) {
            scope->entry.recorded = cut;
            entries[count++] = (vv_retention_entry){.metric = scope->entry.metric, .recorded = cut};
        }
    }
    vv_retention_finish(next);
    return count;
}

static varve_status retention_record(varve_db *db, const vv_retention *table, int64_t settled,
                                     varve_error *out_err)
{
    vv_retention *next;
    VV_TRY(vv_retention_copy(db, table, 0, &next, out_err));
    vv_retention_entry *entries = vv_alloc_array(&db->alloc, next->count, sizeof *entries);
    size_t bytes = next->count * sizeof *entries;
    varve_status status = VARVE_OK;
    if (entries == NULL) {
        status = vv_fail_nomem(out_err, "recorded cuts", bytes);
    } else {
        size_t count = retention_move_cuts(table, settled, next, entries);
        if (count > 0) {
            status = vv_retention_commit(db, entries, count, /* sets_rule */ false, next, out_err);
        }
        if (count > 0 && status == VARVE_OK) {
            next = NULL; /* installed */
            atomic_fetch_add(&db->retention.cuts, 1);
        }
    }
    vv_alloc_free(&db->alloc, entries, bytes);
    vv_retention_unref(db, next);
    return status;
}

/** V1: what is remembered has not held where the reference was lower since. */
static void retention_lower_looks(vv_retention_state *state, int64_t least)
{
    for (size_t i = 0; i < state->look_count; i++) {
        if (least < state->looks[i].reference) {
            state->looks[i].reference = least;
        }
    }
}

static void retention_forget_looks(vv_retention_state *state, size_t count)
{
    for (size_t i = count; i < state->look_count; i++) {
        state->looks[i - count] = state->looks[i];
    }
    state->look_count -= count;
}

/** One look. flush_lock is held. */
static varve_status retention_look(varve_db *db, const vv_retention *table, int64_t now,
                                   varve_error *out_err)
{
    vv_retention_state *state = &db->retention;
    int64_t reference = vv_retention_reference(db, table);
    int64_t lowest = atomic_exchange(&state->lowest, INT64_MAX);
    retention_lower_looks(state, lowest < reference ? lowest : reference);
    int64_t grace = retention_grace_ns(db);
    size_t settled = 0; /* how many looks have held */
    while (settled < state->look_count &&
           vv_sat_sub_i64(now, state->looks[settled].mono_ns) >= grace) {
        settled++;
    }
    if (settled > 0) {
        VV_TRY(retention_record(db, table, state->looks[settled - 1].reference, out_err));
        retention_forget_looks(state, settled);
    }
    int64_t step = grace / RETENTION_SHARES + 1;
    if (state->look_count == 0 ||
        vv_sat_sub_i64(now, state->looks[state->look_count - 1].mono_ns) >= step) {
        VV_ASSERT(state->look_count < VV_RETENTION_LOOKS);
        state->looks[state->look_count++] =
            (vv_retention_look){.mono_ns = now, .reference = reference};
    }
    return VARVE_OK;
}

static varve_status retention_advance(varve_db *db, int64_t now, varve_error *out_err)
{
    vv_mutex_lock(&db->flush_lock);
    vv_retention *table = vv_retention_current(db);
    varve_status status = vv_db_check_writing(db, out_err);
    if (status == VARVE_OK && table->has_enforced) {
        status = retention_look(db, table, now, out_err);
    } else if (!table->has_enforced) {
        db->retention.look_count = 0;
    }
    vv_retention_unref(db, table);
    vv_mutex_unlock(&db->flush_lock);
    return status;
}

/* ---- segments ---- */

/** Rows of [first, last] before the cut, taken to lie evenly; at least one where there is one. */
static uint64_t retention_share(uint64_t rows, int64_t first, int64_t last, int64_t cut)
{
    if (cut <= first) {
        return 0;
    }
    if (last < cut) {
        return rows;
    }
    double before = (double)vv_distance_i64(first, cut);
    double span = (double)vv_distance_i64(first, last) + 1.0;
    uint64_t share = (uint64_t)((double)rows * (before / span));
    return share == 0 ? 1 : share < rows ? share : rows - 1;
}

/** V2: how many rows of a segment lie before their cuts; *out_is_whole: all of them, exactly. What
 *  cannot be read is left alone: a scrub tells it. */
static uint64_t retention_weigh(varve_db *db, const vv_retention *table,
                                const vv_live_segment *segment, bool *out_is_whole)
{
    uint64_t expired = 0;
    uint32_t metric_before = 0;
    int64_t cut = VV_RETENTION_NONE;
    *out_is_whole = false;
    if (segment->info.first_time >= table->recorded_last) {
        return 0;
    }
    *out_is_whole = true;
    for (uint32_t i = 0; i < segment->series_count; i++) {
        uint32_t metric = vv_catalogue_metric_id(db->catalogue, segment->series_ids[i]);
        if (metric != metric_before) {
            cut = vv_retention_recorded(table, db->catalogue, metric);
            metric_before = metric;
        }
        vv_chunk chunk;
        if (vv_segment_chunk(segment->segment, i, &chunk, NULL) != VARVE_OK) {
            *out_is_whole = false;
            return 0;
        }
        expired += retention_share(chunk.rows, chunk.first_time, chunk.last_time, cut);
        *out_is_whole = *out_is_whole && chunk.last_time < cut;
    }
    return expired;
}

/** Those that are gone whole, of a version. */
static size_t retention_find_whole(varve_db *db, const vv_retention *table, uint64_t moment,
                                   const vv_version *version, vv_live_segment **out_segments)
{
    size_t count = 0;
    for (size_t i = 0; i < version->segment_count; i++) {
        vv_live_segment *segment = version->segments[i];
        if (segment->weighed_at == moment) {
            continue; /* no cut has moved since: it is still needed */
        }
        bool is_whole;
        uint64_t expired = retention_weigh(db, table, segment, &is_whole);
        atomic_store(&segment->expired_rows, expired);
        if (is_whole) {
            out_segments[count++] = segment;
        } else {
            segment->weighed_at = moment;
        }
    }
    return count;
}

static varve_status retention_publish(varve_db *db, const vv_version *version,
                                      vv_live_segment *const *drop, size_t count,
                                      varve_error *out_err)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        rows += drop[i]->info.rows;
    }
    vv_publish_change change = {
        .drop = drop,
        .drop_count = count,
        .applied = version,
        .applied_sequence = vv_wal_visible(db->wal),
    };
    VV_TRY(vv_publish(db, &change, out_err));
    atomic_fetch_add_explicit(&db->retention.expired_segments, count, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->retention.expired_rows, rows, memory_order_relaxed);
    return VARVE_OK;
}

/** merge_lock is held: no merge reads what is dropped. */
static varve_status retention_drop_locked(varve_db *db, varve_error *out_err)
{
    vv_mutex_assert_held(&db->merge_lock);
    VV_TRY(vv_db_check_writing(db, out_err));
    uint64_t moment = atomic_load(&db->retention.cuts) + 1; /* before the table: never too late */
    vv_retention *table = vv_retention_current(db);
    vv_version *version = vv_version_current(db);
    size_t bytes = version->segment_count * sizeof(vv_live_segment *);
    varve_status status = VARVE_OK;
    if (table->recorded_last != VV_RETENTION_NONE && version->segment_count > 0) {
        vv_live_segment **whole = vv_alloc_array(&db->alloc, version->segment_count, sizeof *whole);
        if (whole == NULL) {
            status = vv_fail_nomem(out_err, "segments to drop", bytes);
        } else {
            size_t count = retention_find_whole(db, table, moment, version, whole);
            if (count > 0) {
                status = retention_publish(db, version, whole, count, out_err);
            }
        }
        vv_alloc_free(&db->alloc, whole, bytes);
    }
    vv_version_unref(db, version);
    vv_retention_unref(db, table);
    return status;
}

/* ---- all of it ---- */

bool vv_retention_is_due(varve_db *db)
{
    return !db->is_readonly && atomic_load(&db->retention.has_work) &&
           vv_env_mono_ns(&db->env) >= atomic_load(&db->retention.next_look_ns);
}

static varve_status retention_work(varve_db *db, int64_t now, varve_error *out_err)
{
    VV_TRY(retention_advance(db, now, out_err));
    vv_mutex_lock(&db->merge_lock);
    varve_status status = retention_drop_locked(db, out_err);
    if (status == VARVE_OK) { /* of what is left */
        vv_retention *table = vv_retention_current(db);
        status = vv_tier_move(db, table, out_err);
        vv_retention_unref(db, table);
    }
    vv_mutex_unlock(&db->merge_lock);
    return status;
}

void vv_retention_run(varve_db *db)
{
    if (db->is_readonly || !atomic_load(&db->retention.has_work)) {
        return;
    }
    varve_error error;
    int64_t now = vv_env_mono_ns(&db->env);
    int64_t step = retention_grace_ns(db) / RETENTION_SHARES + 1;
    atomic_store(&db->retention.next_look_ns,
                 vv_sat_add_i64(now, step < RETENTION_LOOK_NS ? step : RETENTION_LOOK_NS));
    if (retention_work(db, now, &error) != VARVE_OK) {
        atomic_fetch_add_explicit(&db->retention.failures, 1, memory_order_relaxed);
        vv_db_log(db, VARVE_LOG_WARN, "retention.failed", "%s; tried again later", error.message);
    }
}
