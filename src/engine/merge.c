/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which segments are merged, and when (see merge.h).
 *
 *   levels in order of arrival:  2 1 1 1 1 0 0      fan-in 4: the four of level 1 become one of 2
 *                                  \_____/
 *
 *   G1  Inputs are neighbours in the order of arrival, so the result has a place in it.
 *   G2  A merge reads its inputs through a view of them alone, with the tombstones of the moment;
 *       what is visible is the same before, during and after it.
 *   G3  One merge at a time; flushes go on beside it, they only add at the end.
 *   G4  A merge that would not fit on the disk does not begin: the result may be as large as the
 *       inputs, which stay until it is published. Inputs that a delete concerns are not counted:
 *       that merge gives space back. One that was counted wrong fails as any write does.
 *   G5  A segment of which at least half lies before recorded cuts is merged with itself, before
 *       others: so what retention keeps on the disk is at most twice what it shows. What lies
 * before a cut is left out by every merge.
 *
 *   G6  On a full disk what deletes hide is written out of its segments first, the smallest first,
 *       one by one, with the last of the space; each gives back more for the next.
 *
 *   G7  What a merge leaves out for a delete is left out by a delete that is durable. Where batches
 *       are answered before the log is synced a cut may take the end of the log: a delete that lay
 *       there must not have happened when the batches before it have not.
 */

#include "engine/merge.h"

#include "base/assert.h"
#include "base/status.h"
#include "engine/live_segment_priv.h"
#include "engine/publish.h"
#include "engine/task.h"
#include "engine/view.h"
#include "wal/wal.h"

/** Segments [begin, end) of a version. */
typedef struct merge_choice {
    size_t begin, end;
    uint32_t level; /* of the result */
} merge_choice;

/** The oldest run of fan-in neighbours of one level. */
static bool merge_choose(const vv_version *version, uint32_t fan_in, merge_choice *out_choice)
{
    size_t begin = 0;
    for (size_t i = 0; i < version->segment_count; i++) {
        uint32_t level = version->segments[i]->info.level;
        if (version->segments[begin]->info.level != level) {
            begin = i;
        }
        if (i + 1 - begin >= fan_in) {
            *out_choice = (merge_choice){.begin = begin, .end = i + 1, .level = level + 1};
            return true;
        }
    }
    return false;
}

/** G5: the oldest segment that is worth it. */
static bool merge_choose_expired(const vv_version *version, merge_choice *out_choice)
{
    for (size_t i = 0; i < version->segment_count; i++) {
        const vv_live_segment *segment = version->segments[i];
        uint64_t expired = atomic_load(&segment->expired_rows);
        if (expired > 0 && expired >= segment->info.rows - expired) {
            *out_choice = (merge_choice){.begin = i, .end = i + 1, .level = segment->info.level};
            return true;
        }
    }
    return false;
}

/** Whether a tombstone may hide rows of a segment that it was not applied to. */
static bool merge_concerns(const vv_tombstone *tombstone, const vv_live_segment *segment)
{
    return segment->info.first_sequence < tombstone->sequence &&
           segment->applied_sequence < tombstone->sequence &&
           segment->info.last_time >= tombstone->range.start &&
           (segment->info.first_time < tombstone->range.end || tombstone->range.end == INT64_MAX);
}

/** Whether a tombstone of the version concerns a segment. */
static bool merge_is_concerned(const vv_version *version, const vv_live_segment *segment)
{
    for (size_t at = 0; at < version->tombstone_count; at++) {
        if (merge_concerns(version->tombstones[at], segment)) {
            return true;
        }
    }
    return false;
}

/** G6: the smallest segment that a delete concerns, to be written again without what is hidden. */
static bool merge_choose_concerned(const vv_version *version, merge_choice *out_choice)
{
    const vv_live_segment *chosen = NULL;
    for (size_t i = 0; i < version->segment_count; i++) {
        const vv_live_segment *segment = version->segments[i];
        if ((chosen == NULL || segment->info.bytes < chosen->info.bytes) &&
            merge_is_concerned(version, segment)) {
            chosen = segment;
            *out_choice = (merge_choice){.begin = i, .end = i + 1, .level = segment->info.level};
        }
    }
    return chosen != NULL;
}

/** What is due: first what retention leaves out (G5), on a full disk then what deletes hide. */
static bool merge_choose_due(varve_db *db, const vv_version *version, merge_choice *out_choice)
{
    return merge_choose_expired(version, out_choice) ||
           (vv_space_is_full(db) && merge_choose_concerned(version, out_choice)) ||
           merge_choose(version, db->options.merge_fan_in, out_choice);
}

/** Everything, unless it is one segment already that no tombstone concerns. */
static bool merge_choose_all(const vv_version *version, merge_choice *out_choice)
{
    uint32_t level = 0;
    bool is_concerned = false;
    for (size_t i = 0; i < version->segment_count; i++) {
        const vv_live_segment *segment = version->segments[i];
        level = segment->info.level > level ? segment->info.level : level;
        is_concerned = is_concerned || merge_is_concerned(version, segment) ||
                       atomic_load(&segment->expired_rows) > 0;
    }
    *out_choice = (merge_choice){.begin = 0, .end = version->segment_count};
    out_choice->level = level > 0 ? level : 1;
    return version->segment_count > 1 || is_concerned;
}

/** G4: E_NOSPACE says what is needed. */
static varve_status merge_check_space(varve_db *db, const vv_version *version,
                                      const merge_choice *choice, varve_error *out_err)
{
    uint64_t needed = 0;
    for (size_t i = choice->begin; i < choice->end; i++) {
        const vv_live_segment *segment = version->segments[i];
        uint64_t expired = atomic_load(&segment->expired_rows);
        bool gives_back = merge_is_concerned(version, segment) ||
                          (expired > 0 && expired >= segment->info.rows - expired);
        needed += gives_back ? 0 : segment->info.bytes;
    }
    uint64_t free_bytes;
    if (vv_space_has_room(db, needed, &free_bytes)) {
        return VARVE_OK;
    }
    return vv_fail(out_err, VARVE_E_NOSPACE,
                   "merging %zu segments may need %llu bytes, and %llu are free on the disk of %s",
                   choice->end - choice->begin, (unsigned long long)needed,
                   (unsigned long long)free_bytes, db->path);
}

/** A view of the chosen segments alone; the tombstones are those of the version. G2. */
static varve_status merge_open_view(varve_db *db, const vv_version *version,
                                    const merge_choice *choice, vv_view **out_view,
                                    varve_error *out_err)
{
    *out_view = NULL;
    vv_view *view = vv_alloc_zeroed(&db->alloc, sizeof *view);
    vv_version *all_out = NULL;
    if (view == NULL) {
        return vv_fail_nomem(out_err, "merge", sizeof *view);
    }
    atomic_init(&view->refs, 1);
    view->db = db;
    view->visible = vv_wal_visible(db->wal);
    view->retention = vv_retention_current(db);
    varve_status status =
        vv_version_edit(db, version, NULL, 0, version->segments, version->segment_count, NULL, 0,
                        NULL, 0, &all_out, out_err);
    if (status == VARVE_OK) {
        status = vv_version_edit(db, all_out, version->segments + choice->begin,
                                 choice->end - choice->begin, NULL, 0, NULL, 0, NULL, 0,
                                 &view->version, out_err);
        vv_version_unref(db, all_out);
    }
    if (status != VARVE_OK) {
        vv_retention_unref(db, view->retention);
        vv_alloc_free(&db->alloc, view, sizeof *view);
        return status;
    }
    *out_view = view;
    return VARVE_OK;
}

static void merge_count(varve_db *db, const vv_view *view, const vv_live_segment *segment,
                        int64_t begun_ns)
{
    vv_counters *counters = &db->counters;
    for (size_t i = 0; i < view->version->segment_count; i++) {
        const vv_segment_info *input = &view->version->segments[i]->info;
        vv_count(&counters->merge_sources, 1);
        vv_count(&counters->merge_rows, input->rows);
        vv_count(&counters->merge_bytes_read, input->bytes);
        vv_count(&counters->merge_vectors_read, input->vectors);
    }
    vv_count(&counters->merges, 1);
    vv_count(&counters->merge_ns, (uint64_t)(vv_env_mono_ns(&db->env) - begun_ns));
    if (segment != NULL) {
        vv_count(&counters->merge_outputs, 1);
        vv_count(&counters->merge_rows_written, segment->info.rows);
        vv_count(&counters->merge_bytes_written, segment->info.bytes);
        vv_count(&counters->merge_vectors_written, segment->info.vectors);
    }
}

/** G7: those of the version; what has come since is none of this merge's. */
static varve_status merge_sync_deletes(varve_db *db, const vv_version *version,
                                       varve_error *out_err)
{
    uint64_t last_lsn;
    uint64_t last_sequence;
    bool has_logged = false;
    vv_mutex_lock(&db->manifest_lock);
    for (size_t i = 0; i < version->tombstone_count && !has_logged; i++) {
        has_logged = vv_tombstone_file(version->tombstones[i]) == 0;
    }
    vv_mutex_unlock(&db->manifest_lock);
    if (!has_logged) {
        return VARVE_OK;
    }
    vv_wal_position(db->wal, &last_lsn, &last_sequence);
    return vv_wal_sync(db->wal, last_lsn, out_err);
}

static varve_status merge_run(varve_db *db, const vv_version *version, const merge_choice *choice,
                              varve_task *task, varve_error *out_err)
{
    vv_view *view;
    vv_live_segment *segment = NULL;
    int64_t begun_ns = vv_env_mono_ns(&db->env);
    VV_TRY(merge_sync_deletes(db, version, out_err));
    VV_TRY(merge_open_view(db, version, choice, &view, out_err));
    varve_status status =
        vv_merge_write(view, vv_publish_file_id(db), choice->level, task, &segment, out_err);
    if (status == VARVE_OK) {
        vv_publish_change change = {
            .add = segment,
            .drop = view->version->segments,
            .drop_count = view->version->segment_count,
            .applied = view->version,
            .applied_sequence = view->visible,
        };
        status = vv_publish(db, &change, out_err);
    }
    if (status == VARVE_OK) {
        merge_count(db, view, segment, begun_ns);
    } else {
        atomic_fetch_add_explicit(&db->counters.merge_failures, 1, memory_order_relaxed);
    }
    vv_live_segment_unref(db, segment);
    vv_view_unref(view);
    return status;
}

/** Tombstones that hide nothing any more, where no merge takes them along. */
static varve_status merge_drop_tombstones(varve_db *db, const vv_version *version,
                                          varve_error *out_err)
{
    if (version->tombstone_count == 0) {
        return VARVE_OK;
    }
    vv_publish_change change = {.applied = version};
    return vv_publish(db, &change, out_err);
}

/** One merge, if one is due; *out_worked says so. */
static varve_status merge_step(varve_db *db, bool all, varve_task *task, bool *out_worked,
                               varve_error *out_err)
{
    merge_choice choice;
    vv_version *version = vv_version_current(db);
    *out_worked = all ? merge_choose_all(version, &choice) : merge_choose_due(db, version, &choice);
    varve_status status = VARVE_OK;
    if (*out_worked) {
        status = merge_check_space(db, version, &choice, out_err);
    }
    if (*out_worked && status == VARVE_OK) {
        status = merge_run(db, version, &choice, task, out_err);
        if (status == VARVE_E_NOSPACE && vv_space_release(db)) {
            status = merge_run(db, version, &choice, task, out_err);
        }
    } else if (all && !*out_worked) {
        status = merge_drop_tombstones(db, version, out_err);
    }
    vv_version_unref(db, version);
    return status;
}

static uint64_t merge_total_rows(varve_db *db)
{
    vv_version *version = vv_version_current(db);
    uint64_t rows = 0;
    for (size_t i = 0; i < version->segment_count; i++) {
        rows += version->segments[i]->info.rows;
    }
    vv_version_unref(db, version);
    return rows;
}

bool vv_merge_is_due(varve_db *db)
{
    if (db->is_readonly || vv_retry_is_waiting(&db->merge_retry, &db->env)) {
        return false;
    }
    merge_choice choice;
    vv_version *version = vv_version_current(db);
    bool is_due = merge_choose_due(db, version, &choice) &&
                  merge_check_space(db, version, &choice, NULL) == VARVE_OK;
    vv_version_unref(db, version);
    return is_due;
}

/** A merge that has no room is postponed; one that is stopped was not wrong. */
static void merge_note(varve_db *db, varve_status status, const varve_error *error)
{
    if (status == VARVE_OK) {
        vv_retry_note_success(&db->merge_retry);
        vv_health_mend(db, VV_REASON_MERGE);
    } else if (status != VARVE_E_CANCELLED && status != VARVE_E_FENCED) {
        vv_retry_note_failure(&db->merge_retry, &db->env, status);
        if (status != VARVE_E_NOSPACE) {
            vv_health_degrade(db, VV_REASON_MERGE, error);
        }
    }
}

static varve_status merge_until_done(varve_db *db, bool all, varve_task *task, varve_error *error)
{
    VV_TRY(vv_db_check_writing(db, error));
    varve_status status = VARVE_OK;
    bool worked = true;
    uint64_t steps = 0;
    while (worked && status == VARVE_OK) {
        status = merge_step(db, all, task, &worked, error);
        steps += worked ? 1 : 0;
        worked = worked && !all; /* what a flush adds meanwhile is the next call's */
        vv_space_look(db);
    }
    vv_count(&db->counters.merges_idle, status == VARVE_OK && steps == 0 ? 1 : 0);
    merge_note(db, status, error);
    return status;
}

varve_status vv_merge(varve_db *db, bool all, varve_task *task, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "merge: the database was opened read-only");
    }
    vv_retention_run(db); /* gives space back without needing any */
    varve_error error;
    vv_mutex_lock(&db->merge_lock);
    vv_task_begin(task, merge_total_rows(db));
    varve_status status = merge_until_done(db, all, task, &error);
    vv_mutex_unlock(&db->merge_lock);
    if (status != VARVE_OK) {
        vv_error_copy(out_err, &error);
    }
    return status;
}
