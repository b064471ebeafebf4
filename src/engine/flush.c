/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Flushing (see flush.h, publish.c; durability.md 5.1).
 *
 *   active --freeze (all shards)--> frozen[] --log synced, segment written, published--> version
 *
 *   F1  One flush at a time; frozen heads are flushed oldest first, so that the order of files is
 *       the order of arrival.
 *   F2  Before a segment is published the log is synced up to the freeze point: flush_lsn never
 *       passes durable_lsn.
 *   F3  A failed attempt leaves the frozen head readable and the log complete; its file is removed,
 *       and the next attempt takes another number.
 *   F4  Log files go after the edit that says they are not needed is durable.
 *
 *   F5  What failed is tried again after 1 s, 2 s, 4 s ..., with a new file; the third failure of
 *       the disk in a row ends writing. A disk that is full gives its ballast up first.
 */

#include "engine/flush.h"

#include "base/assert.h"
#include "base/status.h"
#include "engine/live_segment_priv.h"
#include "engine/manifest.h"
#include "engine/merge.h"
#include "engine/publish.h"
#include "engine/ring_flush.h"
#include "engine/view.h"
#include "wal/wal.h"

enum {
    FLUSH_IO_FAILURES_MAX = 3, /* durability.md section 7 */
    /* Heads from here on are given back to the system, not kept for the next one (measured: after
     * a flush of 6 M rows the process has 7 MB instead of 70, in the same time). Arbitrary. */
    FLUSH_TRIM_BYTES = 16 * 1024 * 1024
};

/* ---- what there is to do ---- */

/** The active head, referenced. */
static vv_head *flush_active(varve_db *db)
{
    vv_mutex_lock(&db->shards[0].lock);
    vv_head *head = db->head;
    vv_head_ref(head);
    vv_mutex_unlock(&db->shards[0].lock);
    return head;
}

/** The oldest frozen head, referenced; NULL: none. */
static vv_head *flush_oldest(varve_db *db)
{
    vv_mutex_lock(&db->state_lock);
    vv_head *head = db->frozen_count > 0 ? db->frozen[0] : NULL;
    if (head != NULL) {
        vv_head_ref(head);
    }
    vv_mutex_unlock(&db->state_lock);
    return head;
}

/** Whether the log holds what is in no file: deletes and policies, or records enough to reach its
 *  bound. */
static bool flush_log_has_more(varve_db *db)
{
    vv_mutex_lock(&db->manifest_lock);
    vv_version *version = vv_version_current(db);
    bool has_more = vv_publish_lacks_policies_locked(db) || vv_retention_is_unnamed_locked(db) ||
                    vv_ring_set_must_rewrite(version->rings);
    for (size_t i = 0; i < version->tombstone_count && !has_more; i++) {
        has_more = vv_tombstone_file(version->tombstones[i]) == 0;
    }
    uint64_t flushed = vv_manifest_get_state(db->manifest)->flush_lsn;
    vv_mutex_unlock(&db->manifest_lock);
    vv_version_unref(db, version);
    return has_more || (vv_wal_left_bytes(db->wal) >= vv_space_log_bytes(db) &&
                        vv_wal_first_file_above(db->wal, vv_wal_durable_lsn(db->wal)) >
                            vv_wal_first_file_above(db->wal, flushed));
}

bool vv_flush_is_due(varve_db *db)
{
    if (db->is_readonly || vv_retry_is_waiting(&db->flush_retry, &db->env)) {
        return false;
    }
    bool is_log_long = vv_wal_left_bytes(db->wal) >= vv_space_log_bytes(db);
    vv_head *head = flush_active(db);
    uint64_t rows = vv_head_rows(head) + vv_head_hide_count(head);
    int64_t begun = vv_head_first_write_ns(head);
    bool is_due = rows >= db->options.flush_rows ||
                  (rows > 0 && vv_head_bytes(head) >= db->options.flush_bytes) ||
                  (rows > 0 && is_log_long);
    if (!is_due && rows > 0 && begun != 0) {
        int64_t age_ms = (vv_env_mono_ns(&db->env) - begun) / VV_NS_PER_MS;
        is_due = age_ms >= (int64_t)db->options.flush_age_ms;
    }
    vv_head_unref(head);
    if (is_due) {
        return true;
    }
    vv_mutex_lock(&db->state_lock);
    is_due = db->frozen_count > 0;
    vv_mutex_unlock(&db->state_lock);
    return is_due || (is_log_long && flush_log_has_more(db));
}

/* ---- freezing ---- */

/** The active head becomes the youngest frozen one (E4). There is room: F1. */
static varve_status flush_freeze(varve_db *db, varve_error *out_err)
{
    vv_head *fresh;
    VV_TRY(vv_head_create(db, &fresh, out_err));
    uint64_t last_lsn;
    uint64_t last_sequence;
    vv_db_lock_shards(db);
    vv_wal_position(db->wal, &last_lsn, &last_sequence);
    vv_head_freeze(db->head, last_lsn, last_sequence);
    vv_mutex_lock(&db->state_lock);
    VV_ASSERT(db->frozen_count < VV_FROZEN_HEADS_MAX);
    vv_count(&db->counters.freezes, 1);
    db->frozen[db->frozen_count++] = db->head;
    db->head = fresh;
    vv_mutex_unlock(&db->state_lock);
    vv_db_unlock_shards(db);
    return VARVE_OK;
}

/* ---- one head ---- */

/** A view of the frozen head alone, with all tombstones up to its freeze point. */
static varve_status flush_open_view(varve_db *db, vv_head *head, vv_view **out_view,
                                    varve_error *out_err)
{
    vv_version *current = vv_version_current(db);
    varve_status status =
        vv_view_of_heads(db, current, &head, 1, vv_head_last_sequence(head), out_view, out_err);
    vv_version_unref(db, current);
    return status;
}

static void flush_count(varve_db *db, const vv_live_segment *segment, int64_t begun_ns)
{
    vv_counters *counters = &db->counters;
    vv_count(&counters->flushes, 1);
    vv_count(&counters->flush_ns, (uint64_t)(vv_env_mono_ns(&db->env) - begun_ns));
    vv_count(&counters->flushes_empty, segment == NULL ? 1 : 0);
    if (segment != NULL) {
        vv_count(&counters->flush_segments, 1);
        vv_count(&counters->flush_rows, segment->info.rows);
        vv_count(&counters->flush_bytes, segment->info.bytes);
        vv_count(&counters->flush_series, segment->info.series);
        vv_count(&counters->flush_vectors, segment->info.vectors);
    }
}

static varve_status flush_write(varve_db *db, vv_head *head, varve_task *task, varve_error *out_err)
{
    vv_view *view;
    vv_live_segment *segment = NULL;
    int64_t begun_ns = vv_env_mono_ns(&db->env);
    VV_TRY(vv_wal_sync(db->wal, vv_head_last_lsn(head), out_err)); /* F2 */
    VV_TRY(flush_open_view(db, head, &view, out_err));
    vv_ring_flush rings;
    vv_ring_flush_init(&rings, db);
    varve_status status =
        vv_merge_write(view, vv_publish_file_id(db), /* level */ 0, task, &segment, out_err);
    bool is_written = status == VARVE_OK;
    if (status == VARVE_OK) {
        status = vv_ring_flush_write(&rings, view, head, out_err);
    }
    if (status == VARVE_OK) {
        vv_publish_change change = {
            .add = segment,
            .applied = view->version,
            .applied_sequence = view->visible,
            .rings = &rings,
            .flushed = head,
        };
        status = vv_publish(db, &change, out_err);
    } else if (is_written && segment != NULL) {
        atomic_store(&segment->unlink_when_free, true); /* no manifest names it */
    }
    vv_ring_flush_end(&rings, db, status == VARVE_OK, vv_manifest_has_failed(db->manifest));
    vv_ring_flush_deinit(&rings, db);
    if (status == VARVE_OK) {
        flush_count(db, segment, begun_ns);
        vv_wal_release(db->wal, vv_head_last_lsn(head)); /* F4 */
    }
    vv_live_segment_unref(db, segment);
    vv_view_unref(view);
    return status;
}

/** Flush frozen heads until none is left. */
static varve_status flush_frozen(varve_db *db, varve_task *task, varve_error *out_err)
{
    for (;;) {
        vv_head *head = flush_oldest(db);
        if (head == NULL) {
            return VARVE_OK;
        }
        size_t bytes = vv_head_bytes(head);
        varve_status status = flush_write(db, head, task, out_err);
        vv_head_unref(head);
        if (status == VARVE_OK && bytes >= FLUSH_TRIM_BYTES) {
            vv_alloc_trim(&db->alloc); /* unless a cursor holds it still */
        }
        vv_space_look(db); /* it took space, and gave some back */
        if (status != VARVE_OK) {
            atomic_fetch_add_explicit(&db->counters.flush_failures, 1, memory_order_relaxed);
            return status;
        }
    }
}

static varve_status flush_all(varve_db *db, varve_task *task, varve_error *out_err)
{
    VV_TRY(flush_frozen(db, task, out_err));
    vv_head *active = flush_active(db);
    bool has_rows = vv_head_rows(active) > 0 || vv_head_hide_count(active) > 0;
    vv_head_unref(active);
    if (!has_rows && !flush_log_has_more(db)) {
        return VARVE_OK;
    }
    VV_TRY(flush_freeze(db, out_err));
    return flush_frozen(db, task, out_err);
}

/** Without a background thread merges are done where they become due; they are not what was asked,
 *  so a failure is reported and tried again with the next flush. */
static void flush_merge(varve_db *db, varve_task *task)
{
    varve_error error;
    if ((db->options.flags & VARVE_OPEN_NO_BACKGROUND) != 0) {
        vv_retention_run(db);
    }
    if ((db->options.flags & VARVE_OPEN_NO_BACKGROUND) != 0 && vv_merge_is_due(db) &&
        vv_merge(db, /* all */ false, task, &error) != VARVE_OK) {
        vv_db_log(db, VARVE_LOG_WARN, "merge.failed", "%s; tried again later", error.message);
    }
}

/** F5 */
static void flush_note(varve_db *db, varve_status status, const varve_error *error)
{
    if (status == VARVE_OK) {
        vv_retry_note_success(&db->flush_retry);
        vv_health_mend(db, VV_REASON_FLUSH);
        return;
    }
    if (status == VARVE_E_CANCELLED || status == VARVE_E_FENCED) {
        return; /* nothing was wrong with it, or nothing more can be */
    }
    vv_retry_note_failure(&db->flush_retry, &db->env, status);
    vv_health_degrade(db, VV_REASON_FLUSH, error);
    if (db->flush_retry.io_failures >= FLUSH_IO_FAILURES_MAX) {
        vv_health_fail_writes(db, error);
    }
}

static varve_status flush_try(varve_db *db, varve_task *task, varve_error *error)
{
    VV_TRY(vv_db_check_writing(db, error));
    varve_status status = flush_all(db, task, error);
    if (status == VARVE_E_NOSPACE && vv_space_release(db)) {
        status = flush_all(db, task, error);
    }
    flush_note(db, status, error);
    return status;
}

varve_status vv_flush_locked(varve_db *db, varve_task *task, varve_error *out_err)
{
    varve_error error;
    vv_mutex_assert_held(&db->flush_lock);
    varve_status status = flush_try(db, task, &error);
    if (status != VARVE_OK) {
        vv_error_copy(out_err, &error);
    }
    return status;
}

varve_status vv_flush(varve_db *db, varve_task *task, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "flush: the database was opened read-only");
    }
    varve_error error;
    vv_mutex_lock(&db->flush_lock);
    varve_status status = vv_flush_locked(db, task, &error);
    vv_mutex_unlock(&db->flush_lock);
    if (status == VARVE_OK) {
        flush_merge(db, task);
    } else {
        vv_error_copy(out_err, &error);
    }
    return status;
}
