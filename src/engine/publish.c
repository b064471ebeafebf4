/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Publishing (durability.md 5.1, steps 3 to 7).
 *
 *   tmp/<id>.part -> seg/<id>.vsg -> directory synced -> manifest edit synced -> version installed
 *   -> log files and dropped inputs go
 *
 *   P1  What the edit names exists under its name before the edit is written.
 *
 *   P2  Everything that can fail is done before the edit is written; after it memory is only handed
 *       over. What stays when the write itself fails: Y2 of engine/edit.h.
 *
 *   P3  A tombstone is needed while rows that it may hide are somewhere it was not applied: in a
 *       segment that is neither dropped nor just written, or in a head other than the flushed one,
 *       with a lower sequence and in its range; or in pages of a ring that were made before it. One
 *       that is not needed leaves version and manifest.
 *
 *   P4  The log may only be dropped when every tombstone of it that is still needed lies in a file.
 *
 *   P5  A del/ file goes when none of its tombstones is needed.
 *
 *   P6  Rows that the flushed head hides one by one were left out of `add`; those that may lie in
 *       older segments too become a list of rows of the version, and go into a file with the rest.
 *
 *   P7  A tombstone that no file needs any more stays while a rollup may not know of it (U2 of
 *       rollup.h).
 */

#include "engine/publish.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "engine/edit.h"
#include "engine/live_segment_priv.h"
#include "engine/manifest.h"
#include "engine/ring_flush.h"
#include "engine/rollup.h"
#include "engine/row_list.h"
#include "engine/tier.h"
#include "engine/tombstone.h"
#include "engine/view.h"
#include "index/catalogue.h"
#include "segment/segment.h"
#include "wal/wal.h"

static uint64_t publish_file_id_locked(varve_db *db)
{
    vv_mutex_assert_held(&db->manifest_lock);
    uint64_t stored = vv_manifest_get_state(db->manifest)->next_file_id;
    if (db->next_file_id < stored) {
        db->next_file_id = stored;
    }
    return db->next_file_id++;
}

uint64_t vv_publish_file_id(varve_db *db)
{
    vv_mutex_lock(&db->manifest_lock);
    uint64_t id = publish_file_id_locked(db);
    vv_mutex_unlock(&db->manifest_lock);
    return id;
}

varve_status vv_publish_segment_file(varve_db *db, uint64_t id, varve_error *out_err)
{
    char part[VV_SEGMENT_NAME_BYTES];
    char name[VV_SEGMENT_NAME_BYTES];
    char tmp[VV_PATH_BYTES_MAX];
    char directory[VV_PATH_BYTES_MAX];
    char source[VV_PATH_BYTES_MAX];
    char target[VV_PATH_BYTES_MAX];
    vv_segment_part_name(id, part);
    vv_segment_name(id, name);
    VV_TRY(vv_db_path(db, "tmp", tmp, out_err));
    VV_TRY(vv_db_path(db, "seg", directory, out_err));
    VV_TRY(vv_path_join(tmp, part, source, out_err));
    VV_TRY(vv_path_join(directory, name, target, out_err));
    varve_status status = vv_vfs_rename(db->env.vfs, source, target, VV_SITE_SEG_RENAME, out_err);
    if (status == VARVE_OK) {
        status = vv_vfs_sync_dir(db->env.vfs, directory, VV_SITE_SEG_DIR, out_err);
    }
    if (status != VARVE_OK) {
        /* Either name may be there; what is left is removed at the next open. */
        VV_IGNORE(vv_vfs_unlink(db->env.vfs, source, NULL));
        VV_IGNORE(vv_vfs_unlink(db->env.vfs, target, NULL));
    }
    return status;
}

/* ---- the plan of one change ---- */

typedef struct publish_plan {
    varve_db *db;
    const vv_publish_change *change;
    vv_edit turn;
    vv_view *view; /* the database as it is; its version is the base */
    vv_arena arena;
    vv_tombstone **drop; /* not needed */
    size_t drop_count;
    vv_tombstone **file; /* to be written to a file, ascending */
    size_t file_count;
    vv_tombstone *rows;   /* of the flushed head: the last one in `file`; NULL: none; a reference */
    uint64_t *drop_files; /* ids of del/ files */
    size_t drop_file_count;
    vv_manifest_tombstone new_file; /* id 0: none */
    vv_manifest_policy *policies;
    size_t policy_count;
    vv_retention_entry *retention;
    size_t retention_count;
    vv_rollup_set *rollups; /* that the manifest lacks, a reference; NULL: it has them */
    vv_version *version;    /* the next one */
} publish_plan;

static bool publish_is_dropped(const vv_publish_change *change, const vv_live_segment *segment)
{
    for (size_t i = 0; i < change->drop_count; i++) {
        if (change->drop[i] == segment) {
            return true;
        }
    }
    return false;
}

static bool publish_was_applied(const vv_publish_change *change, const vv_tombstone *tombstone)
{
    if (tombstone->sequence > change->applied_sequence) {
        return false;
    }
    for (size_t i = 0; i < change->applied->tombstone_count; i++) {
        if (change->applied->tombstones[i] == tombstone) {
            return true;
        }
    }
    return false;
}

static bool publish_meets(varve_range range, int64_t first, int64_t last)
{
    return last >= range.start && (first < range.end || range.end == INT64_MAX);
}

/** The rings of the next version; NULL: none. */
static vv_ring_set *publish_rings(const publish_plan *plan)
{
    const vv_publish_change *change = plan->change;
    return change->rings != NULL ? change->rings->set : plan->view->version->rings;
}

/** P3 */
static bool publish_is_needed(const publish_plan *plan, const vv_tombstone *tombstone)
{
    const vv_publish_change *change = plan->change;
    if (vv_ring_set_needs(publish_rings(plan), tombstone)) {
        return true;
    }
    if ((change->add != NULL || change->drop_count > 0 || change->flushed != NULL) &&
        !publish_was_applied(change, tombstone)) {
        return true;
    }
    const vv_version *base = plan->view->version;
    for (size_t i = 0; i < base->segment_count; i++) {
        const vv_live_segment *segment = base->segments[i];
        if (!publish_is_dropped(change, segment) &&
            segment->info.first_sequence < tombstone->sequence &&
            segment->applied_sequence < tombstone->sequence &&
            publish_meets(tombstone->range, segment->info.first_time, segment->info.last_time)) {
            return true;
        }
    }
    for (size_t i = 0; i < plan->view->head_count; i++) {
        const vv_head *head = plan->view->heads[i];
        uint64_t first = vv_head_first_sequence(head);
        if (head != change->flushed && first != 0 && first < tombstone->sequence) {
            return true;
        }
    }
    return vv_rollups_need(plan->db, tombstone); /* P7 */
}

static bool publish_has_file(const publish_plan *plan, uint64_t id)
{
    for (size_t i = 0; i < plan->drop_file_count; i++) {
        if (plan->drop_files[i] == id) {
            return true;
        }
    }
    return false;
}

static varve_status publish_sort_tombstones(publish_plan *plan, varve_error *out_err)
{
    const vv_version *base = plan->view->version;
    size_t count = base->tombstone_count;
    plan->drop = vv_arena_array(&plan->arena, count, sizeof *plan->drop);
    plan->file = vv_arena_array(&plan->arena, count + 1, sizeof *plan->file);
    plan->drop_files = vv_arena_array(&plan->arena, count, sizeof *plan->drop_files);
    bool *is_needed = vv_arena_array(&plan->arena, count, sizeof *is_needed);
    if (plan->drop == NULL || plan->file == NULL || plan->drop_files == NULL || is_needed == NULL) {
        return vv_arena_fail(&plan->arena, count * sizeof *plan->drop, out_err);
    }
    const vv_head *flushed = plan->change->flushed;
    for (size_t i = 0; i < count; i++) {
        vv_tombstone *tombstone = base->tombstones[i];
        is_needed[i] = publish_is_needed(plan, tombstone);
        if (!is_needed[i]) {
            plan->drop[plan->drop_count++] = tombstone;
        } else if (flushed != NULL && vv_tombstone_file(tombstone) == 0 &&
                   tombstone->sequence <= vv_head_last_sequence(flushed)) {
            plan->file[plan->file_count++] = tombstone; /* P4 */
        }
    }
    for (size_t i = 0; i < plan->drop_count; i++) {
        uint64_t id = vv_tombstone_file(plan->drop[i]);
        bool is_used = id == 0 || publish_has_file(plan, id);
        for (size_t at = 0; at < count && !is_used; at++) {
            is_used = is_needed[at] && vv_tombstone_file(base->tombstones[at]) == id;
        }
        if (!is_used) {
            plan->drop_files[plan->drop_file_count++] = id; /* P5 */
        }
    }
    return VARVE_OK;
}

/** Whether an older segment may hold the row: one that arrived in the flushed head cannot be there.
 */
static bool publish_may_hide(const publish_plan *plan, const vv_row_hide *hide)
{
    uint64_t first = vv_head_first_sequence(plan->change->flushed);
    const vv_version *base = plan->view->version;
    if (first != 0 && hide->row.row_id >= first) {
        return false;
    }
    for (size_t i = 0; i < base->segment_count; i++) {
        const vv_segment_info *info = &base->segments[i]->info;
        if (info->last_sequence >= hide->row.row_id && info->first_time <= hide->row.time &&
            info->last_time >= hide->row.time) {
            return true;
        }
    }
    return false;
}

/** P6: the rows that the flushed head hides elsewhere become a list of the version. */
static varve_status publish_list_rows(publish_plan *plan, varve_error *out_err)
{
    vv_head *flushed = plan->change->flushed;
    vv_vec hides;
    vv_vec_init(&hides, &plan->db->alloc, sizeof(vv_row_hide), SIZE_MAX);
    varve_status status = vv_head_list_hides(flushed, UINT64_MAX, &hides, out_err);
    vv_row_hide *items = VV_VEC_ITEMS(&hides, vv_row_hide);
    size_t count = status == VARVE_OK ? hides.count : 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (publish_may_hide(plan, &items[i])) {
            items[kept] = items[i];
            kept++;
        }
    }
    if (kept > 0) {
        status = vv_row_list_create(plan->db, items, kept, &plan->rows, out_err);
    }
    if (plan->rows != NULL) {
        plan->file[plan->file_count++] = plan->rows;
    }
    vv_vec_deinit(&hides);
    return status;
}

static bool publish_has_policy(const vv_manifest_state *state, const vv_manifest_policy *wanted)
{
    size_t begin = 0;
    size_t end = state->policies.count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        const vv_manifest_policy *policy = VV_VEC_AT(&state->policies, vv_manifest_policy, middle);
        int order = vv_text_compare(policy->metric, wanted->metric);
        if (order == 0) {
            return policy->duplicates == wanted->duplicates && policy->row_ids == wanted->row_ids;
        }
        if (order < 0) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return false;
}

/** The policy of a metric as the manifest would name it; false: it has none that is its own, or the
 *  manifest has it already. */
static bool publish_lacks_policy(const varve_db *db, uint32_t metric, vv_manifest_policy *out)
{
    vv_metric_policy policy = vv_catalogue_policy(db->catalogue, metric);
    if (!policy.is_own) {
        return false;
    }
    *out = (vv_manifest_policy){
        .metric = vv_catalogue_metric_name(db->catalogue, metric),
        .duplicates = policy.duplicates,
        .row_ids = policy.has_row_ids ? VARVE_ROW_IDS_ON : VARVE_ROW_IDS_OFF,
    };
    return !publish_has_policy(vv_manifest_get_state(db->manifest), out);
}

/** The set of rollups, referenced, when the manifest has another. */
static vv_rollup_set *publish_find_rollups(varve_db *db)
{
    vv_rollup_set *set = vv_rollups_current(db);
    vv_bytes stored = vv_manifest_get_state(db->manifest)->rollups;
    if (set != NULL && stored.size == set->stored.size &&
        memcmp(stored.data, set->stored.data, stored.size) == 0) {
        vv_rollup_set_unref(set);
        set = NULL;
    }
    return set;
}

bool vv_publish_lacks_policies_locked(varve_db *db)
{
    vv_mutex_assert_held(&db->manifest_lock);
    vv_rollup_set *rollups = publish_find_rollups(db);
    if (rollups != NULL) {
        vv_rollup_set_unref(rollups);
        return true;
    }
    uint32_t count = vv_catalogue_metric_count(db->catalogue);
    vv_manifest_policy policy;
    for (uint32_t metric = 1; metric <= count; metric++) {
        if (publish_lacks_policy(db, metric, &policy)) {
            return true;
        }
    }
    return false;
}

/** Policies that the log brought and the manifest lacks: a flush drops the log. */
static varve_status publish_find_policies(publish_plan *plan, varve_error *out_err)
{
    uint32_t count = vv_catalogue_metric_count(plan->db->catalogue);
    size_t lacking = 0;
    vv_manifest_policy policy;
    for (uint32_t metric = 1; metric <= count; metric++) {
        lacking += publish_lacks_policy(plan->db, metric, &policy) ? 1 : 0;
    }
    plan->policies = vv_arena_array(&plan->arena, lacking, sizeof *plan->policies);
    if (plan->policies == NULL) {
        return vv_arena_fail(&plan->arena, lacking * sizeof *plan->policies, out_err);
    }
    for (uint32_t metric = 1; metric <= count; metric++) {
        if (plan->policy_count < lacking && publish_lacks_policy(plan->db, metric, &policy)) {
            plan->policies[plan->policy_count++] = policy;
        }
    }
    return VARVE_OK;
}

/* ---- the steps ---- */

static varve_status publish_make_version(publish_plan *plan, varve_error *out_err)
{
    const vv_publish_change *change = plan->change;
    VV_TRY(vv_version_edit(plan->db, plan->view->version, &change->add, change->add != NULL ? 1 : 0,
                           change->drop, change->drop_count, &plan->rows,
                           plan->rows != NULL ? 1 : 0, plan->drop, plan->drop_count, &plan->version,
                           out_err));
    vv_version_set_rings(plan->db, plan->version, publish_rings(plan));
    return VARVE_OK;
}

static varve_status publish_write_tombstones(publish_plan *plan, varve_error *out_err)
{
    if (plan->file_count == 0) {
        return VARVE_OK;
    }
    uint64_t id = publish_file_id_locked(plan->db);
    VV_TRY(vv_tombstone_file_write(plan->db, id, plan->file, plan->file_count, out_err));
    plan->new_file = (vv_manifest_tombstone){.id = id};
    for (size_t i = 0; i < plan->file_count; i++) {
        uint64_t sequence = plan->file[i]->sequence;
        if (sequence > plan->new_file.sequence) {
            plan->new_file.sequence = sequence;
        }
    }
    return VARVE_OK;
}

vv_manifest_segment vv_publish_name_segment(const vv_segment_info *info)
{
    return (vv_manifest_segment){
        .id = info->id,
        .level = info->level,
        .flags = info->flags,
        .bytes = info->bytes,
        .rows = info->rows,
        .series = info->series,
        .vectors = info->vectors,
        .first_time = info->first_time,
        .last_time = info->last_time,
        .first_sequence = info->first_sequence,
        .last_sequence = info->last_sequence,
        .digest = {info->digest[0], info->digest[1]},
    };
}

static varve_status publish_append_edit(publish_plan *plan, varve_error *out_err)
{
    varve_db *db = plan->db;
    const vv_publish_change *change = plan->change;
    uint64_t *drop = vv_arena_array(&plan->arena, change->drop_count, sizeof *drop);
    if (drop == NULL) {
        return vv_arena_fail(&plan->arena, change->drop_count * sizeof *drop, out_err);
    }
    for (size_t i = 0; i < change->drop_count; i++) {
        drop[i] = change->drop[i]->info.id;
    }
    vv_manifest_segment add = {.id = 0};
    if (change->add != NULL) {
        add = vv_publish_name_segment(&change->add->info);
        add.tier = change->add->tier;
    }
    vv_manifest_edit edit = {
        .add = &add,
        .add_count = change->add != NULL ? 1 : 0,
        .drop = drop,
        .drop_count = change->drop_count,
        .add_tombstones = &plan->new_file,
        .add_tombstone_count = plan->new_file.id != 0 ? 1 : 0,
        .drop_tombstones = plan->drop_files,
        .drop_tombstone_count = plan->drop_file_count,
        .policies = plan->policies,
        .policy_count = plan->policy_count,
        .retention = plan->retention,
        .retention_count = plan->retention_count,
        .warm_path = add.tier == VV_TIER_WARM ? db->tier->place : (varve_text){.size = 0},
        .rollups = plan->rollups != NULL ? plan->rollups->stored : (vv_bytes){0},
        .next_file_id = db->next_file_id,
        .durable_lsn = vv_wal_durable_lsn(db->wal),
    };
    if (change->rings != NULL) {
        edit.add_rings = VV_VEC_ITEMS(&change->rings->add, const uint64_t);
        edit.add_ring_count = change->rings->add.count;
        edit.drop_rings = VV_VEC_ITEMS(&change->rings->drop, const uint64_t);
        edit.drop_ring_count = change->rings->drop.count;
    }
    if (change->flushed != NULL) {
        edit.flush_lsn = vv_head_last_lsn(change->flushed);
        edit.log_start = vv_wal_first_file_above(db->wal, edit.flush_lsn);
        edit.next_sequence = vv_head_last_sequence(change->flushed) + 1;
    }
    return vv_edit_append(&plan->turn, &edit, VV_EDIT_RELEASES, out_err);
}

/** The frozen head leaves the list when its rows are in the version (E1). */
static void publish_forget_head_locked(varve_db *db, const vv_head *head)
{
    vv_mutex_assert_held(&db->state_lock);
    VV_ASSERT(db->frozen_count > 0 && db->frozen[0] == head); /* F1 of flush.c: the oldest first */
    db->frozen_count--;
    memmove(db->frozen, db->frozen + 1, db->frozen_count * sizeof *db->frozen);
    db->flushed_sequence = vv_head_last_sequence(head);
}

/** P2: the edit is durable, nothing may fail any more. */
static void publish_install(publish_plan *plan)
{
    varve_db *db = plan->db;
    const vv_publish_change *change = plan->change;
    for (size_t i = 0; i < plan->file_count; i++) {
        atomic_store(&plan->file[i]->file_id, plan->new_file.id);
    }
    for (size_t i = 0; i < change->drop_count; i++) {
        atomic_store(&change->drop[i]->unlink_when_free, true);
    }
    vv_mutex_lock(&db->state_lock);
    VV_ASSERT(db->version == plan->view->version);
    vv_version_install_locked(db, plan->version);
    if (change->flushed != NULL) {
        publish_forget_head_locked(db, change->flushed);
        vv_rollups_flushed_locked(db, vv_head_last_sequence(change->flushed));
    }
    vv_mutex_unlock(&db->state_lock);
    plan->version = NULL; /* the database has the reference */
    vv_wal_note_edit(db->wal, vv_manifest_get_state(db->manifest)->edit_seq);
}

static varve_status publish_remove_tombstones(varve_db *db, uint64_t id, varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_tombstone_file_path(db, id, path, out_err));
    return vv_vfs_unlink(db->env.vfs, path, out_err);
}

static void publish_unlink_tombstones(varve_db *db, uint64_t id)
{
    varve_error error;
    if (publish_remove_tombstones(db, id, &error) != VARVE_OK) {
        vv_db_log(db, VARVE_LOG_WARN, "tombstones.unlink_failed", "%s; removed at the next open",
                  error.message);
    }
}

static varve_status publish_prepare(publish_plan *plan, varve_error *out_err)
{
    VV_TRY(publish_sort_tombstones(plan, out_err));
    if (plan->change->flushed != NULL) {
        VV_TRY(publish_list_rows(plan, out_err));
        VV_TRY(publish_find_policies(plan, out_err));
        VV_TRY(vv_retention_entries(
            plan->view->retention, vv_manifest_get_state(plan->db->manifest), &plan->arena,
            &plan->retention, &plan->retention_count, out_err)); /* T4: the table of this moment */
        plan->rollups = publish_find_rollups(plan->db);
    }
    VV_TRY(publish_make_version(plan, out_err));
    return publish_write_tombstones(plan, out_err);
}

static varve_status publish_locked(publish_plan *plan, varve_error *out_err)
{
    VV_TRY(vv_view_open(plan->db, &plan->view, out_err));
    VV_TRY(publish_prepare(plan, out_err));
    varve_status status = publish_append_edit(plan, out_err);
    if (status != VARVE_OK) {
        if (plan->new_file.id != 0 && !plan->turn.is_in_doubt) {
            publish_unlink_tombstones(plan->db, plan->new_file.id);
        }
        return status;
    }
    publish_install(plan);
    for (size_t i = 0; i < plan->drop_file_count; i++) {
        publish_unlink_tombstones(plan->db, plan->drop_files[i]);
    }
    return VARVE_OK;
}

varve_status vv_publish(varve_db *db, const vv_publish_change *change, varve_error *out_err)
{
    publish_plan plan = {.db = db, .change = change};
    vv_arena_init(&plan.arena, &db->alloc, SIZE_MAX);
    vv_edit_begin(&plan.turn, db);
    varve_status status = publish_locked(&plan, out_err);
    vv_edit_end(&plan.turn);
    if (status != VARVE_OK && !plan.turn.is_in_doubt && change->add != NULL) {
        atomic_store(&change->add->unlink_when_free, true);
    }
    if (status == VARVE_OK && change->flushed != NULL) {
        vv_head_unref(change->flushed); /* the reference of the frozen list */
    }
    vv_rollup_set_unref(plan.rollups);
    vv_version_unref(db, plan.version);
    vv_tombstone_unref(db, plan.rows);
    vv_view_unref(plan.view); /* perhaps the last reference of what was dropped: no lock is held */
    vv_arena_deinit(&plan.arena);
    return status;
}
