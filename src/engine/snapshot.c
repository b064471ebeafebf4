/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Snapshots (durability.md 5.5) and restoring.
 *
 *   view (heads, version, visible sequence S) and policies, pinned
 *     segments of the version  -> linked, else copied      -> new/seg
 *     rows of the heads up to S -> one segment of level 0  -> new/seg
 *     deletes up to S           -> one file                -> new/del
 *     rings at S                -> a file each             -> new/ring
 *     all that                  -> manifest, then IDENT    -> new -> renamed
 *
 *   X1  What is in it is what a reader saw at S: every row and delete up to S, none above. Writing,
 *       flushing and merging go on; the view keeps the files and heads it refers to.
 *
 *   X2  The source is only read. Its log is not needed: rows that are only there are in the heads.
 *       So it also works on a full disk (to another device), beside a writer and from memory.
 *
 *   X3  IDENT of a snapshot is that of its database with itself as the parent, which says that
 *       nothing is written to it (P11). What is restored has an id of its own, a log that begins at
 *       LSN 1, and names where it came from; its row sequences go on.
 *
 *   X4  Links share what is on the disk, damage included. A copy is compared with the digest of its
 *       file; a restore reads and decodes everything before.
 *
 *   X5  A snapshot keeps the reference time of its moment, so retention hides in it what it hid
 * then, for ever. What is restored goes by the clock again.
 *
 * (A log that is rotated and linked, as durability.md describes, has the same content, but keeps
 * the sealing of the log within the call, and would leave a snapshot that is replayed by each
 * open.)
 */

#include "engine/snapshot.h"

#include <string.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/vec.h"
#include "codec/vector.h"
#include "engine/ident.h"
#include "engine/live_segment_priv.h"
#include "engine/manifest.h"
#include "engine/merge.h"
#include "engine/publish.h"
#include "engine/ring_apply.h"
#include "engine/rollup.h"
#include "engine/row_list.h"
#include "engine/snapshot_stage.h"
#include "engine/task.h"
#include "engine/tier.h"
#include "engine/tombstone.h"
#include "engine/verify.h"
#include "engine/view.h"
#include "index/catalogue.h"
#include "segment/segment.h"

enum { SNAPSHOT_TRIES_MAX = 100 }; /* each further one needs a change of policy at this moment */

typedef struct snapshot_state {
    varve_db *db;
    varve_task *task;
    bool restores;
    bool may_link; /* until a link was refused; a restore copies */
    vv_ident ident;
    vv_view *view;
    vv_arena arena;
    vv_manifest_policy *policies; /* at the moment of the view */
    size_t policy_count;
    vv_rollup_set *rollups;        /* a reference, or NULL */
    vv_vec segments;               /* vv_manifest_segment */
    vv_manifest_tombstone deletes; /* id 0: none */
    vv_vec rings;                  /* uint64_t: ids of their files */
    uint64_t next_id;
    char tmp[VV_PATH_BYTES_MAX], seg[VV_PATH_BYTES_MAX], del[VV_PATH_BYTES_MAX];
    char manifest[VV_PATH_BYTES_MAX], ring[VV_PATH_BYTES_MAX];
    vv_stage stage;
    varve_copied done;
} snapshot_state;

/* ---- the moment (X1) ---- */

static varve_status snapshot_copy_policies(snapshot_state *state, varve_error *out_err)
{
    const vv_catalogue *catalogue = state->db->catalogue;
    uint32_t count = vv_catalogue_metric_count(catalogue);
    vv_arena_reset(&state->arena);
    state->policy_count = 0;
    state->policies = vv_arena_array(&state->arena, count, sizeof *state->policies);
    if (state->policies == NULL) {
        return vv_arena_fail(&state->arena, count * sizeof *state->policies, out_err);
    }
    for (uint32_t metric = 1; metric <= count; metric++) {
        vv_metric_policy policy = vv_catalogue_policy(catalogue, metric);
        if (policy.is_own) {
            state->policies[state->policy_count++] = (vv_manifest_policy){
                .metric = vv_catalogue_metric_name(catalogue, metric),
                .duplicates = policy.duplicates,
                .row_ids = policy.has_row_ids ? VARVE_ROW_IDS_ON : VARVE_ROW_IDS_OFF,
            };
        }
    }
    return VARVE_OK;
}

/** What was kept beside rows that damage hides is not right for those that are left. */
static varve_status snapshot_copy_rollups(snapshot_state *state, varve_error *out_err)
{
    vv_rollup_set_unref(state->rollups);
    state->rollups = vv_rollups_current(state->db);
    if (state->rollups == NULL || !state->db->is_damaged || !state->db->is_readonly) {
        return VARVE_OK;
    }
    vv_rollup_set *damaged = state->rollups;
    varve_status status = vv_rollup_set_renew(damaged, &state->rollups, out_err);
    vv_rollup_set_unref(damaged);
    return status;
}

/** View and policies of one moment. A change of policy counts before it changes anything, with
 *  every shard locked; opening a view takes such a lock. So when the count stays the same around
 *  both, no policy changed between them. */
static varve_status snapshot_try_pin(snapshot_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    for (int tries = 0; tries < SNAPSHOT_TRIES_MAX; tries++) {
        uint64_t before = atomic_load(&db->policy_changes);
        vv_view_unref(state->view);
        state->view = NULL;
        VV_TRY(vv_view_open(db, &state->view, out_err));
        VV_TRY(snapshot_copy_policies(state, out_err));
        VV_TRY(snapshot_copy_rollups(state, out_err));
        if (atomic_load(&db->policy_changes) == before) {
            return VARVE_OK;
        }
    }
    return vv_fail(out_err, VARVE_E_BUSY, "snapshot: policies of metrics keep changing");
}

static varve_status snapshot_pin(snapshot_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    if (!db->is_readonly) {
        return snapshot_try_pin(state, out_err);
    }
    vv_mutex_lock(&db->flush_lock); /* a refresh changes policies as it goes */
    varve_status status = snapshot_try_pin(state, out_err);
    vv_mutex_unlock(&db->flush_lock);
    return status;
}

/* ---- segments ---- */

typedef struct snapshot_progress {
    varve_task *task;
    uint64_t reported;
} snapshot_progress;

static bool snapshot_check(void *context, uint64_t bytes_done)
{
    snapshot_progress *progress = context;
    if (bytes_done > progress->reported) { /* a damaged file is read a second time */
        vv_task_add(progress->task, bytes_done - progress->reported);
        progress->reported = bytes_done;
    }
    return vv_task_poll(progress->task, NULL) == VARVE_OK;
}

static varve_status snapshot_copy_segment(snapshot_state *state, const vv_live_segment *segment,
                                          const char *target, varve_error *out_err)
{
    snapshot_progress context = {.task = state->task};
    vv_segment_progress progress = {.check = snapshot_check, .context = &context};
    VV_TRY(vv_segment_copy(segment->segment, &state->stage.env, target, &progress, out_err));
    vv_task_add(state->task, segment->info.bytes - context.reported);
    return VARVE_OK;
}

/** A link where that is possible; *out_is_linked says so. */
static varve_status snapshot_try_link(snapshot_state *state, const vv_live_segment *segment,
                                      const char *target, bool *out_is_linked, varve_error *out_err)
{
    char source[VV_PATH_BYTES_MAX];
    *out_is_linked = false;
    if (!vv_live_segment_path(state->db, segment, source)) {
        return VARVE_OK;
    }
    varve_error error;
    varve_status status = vv_vfs_link(state->stage.env.vfs, source, target, &error);
    if (status == VARVE_E_UNSUPPORTED) {
        /* Another file system, or one without links; a warm one says nothing of the others. */
        state->may_link = segment->tier != VV_TIER_HOT;
        return VARVE_OK;
    }
    /* As many links as it may have; or dropped by a writer beside this reader, who has it open. */
    if (status == VARVE_E_LIMIT || (status == VARVE_E_NOT_FOUND && state->db->is_readonly)) {
        return VARVE_OK;
    }
    if (status != VARVE_OK) {
        vv_error_copy(out_err, &error);
    }
    *out_is_linked = status == VARVE_OK;
    return status;
}

static varve_status snapshot_add_segment(snapshot_state *state, const vv_segment_info *info,
                                         varve_error *out_err)
{
    vv_manifest_segment named = vv_publish_name_segment(info);
    varve_status status = vv_vec_push(&state->segments, &named);
    if (status != VARVE_OK) {
        return vv_vec_fail(&state->segments, status, out_err);
    }
    state->next_id = info->id >= state->next_id ? info->id + 1 : state->next_id;
    state->done.files += 1;
    state->done.bytes += info->bytes;
    return VARVE_OK;
}

static varve_status snapshot_put_segments(snapshot_state *state, varve_error *out_err)
{
    const vv_version *version = state->view->version;
    for (size_t i = 0; i < version->segment_count; i++) {
        const vv_live_segment *segment = version->segments[i];
        char name[VV_SEGMENT_NAME_BYTES];
        char target[VV_PATH_BYTES_MAX];
        bool is_linked = false;
        VV_TRY(vv_task_poll(state->task, out_err));
        vv_segment_name(segment->info.id, name);
        VV_TRY(vv_path_join(state->seg, name, target, out_err));
        if (state->may_link) {
            VV_TRY(snapshot_try_link(state, segment, target, &is_linked, out_err));
        }
        if (is_linked) {
            state->done.files_linked += 1;
            vv_task_add(state->task, segment->info.bytes);
        } else {
            VV_TRY(snapshot_copy_segment(state, segment, target, out_err));
        }
        VV_TRY(snapshot_add_segment(state, &segment->info, out_err));
    }
    return VARVE_OK;
}

/* ---- what is in memory ---- */

static varve_status snapshot_name_rows(snapshot_state *state, uint64_t id, varve_error *out_err)
{
    char part[VV_SEGMENT_NAME_BYTES];
    char name[VV_SEGMENT_NAME_BYTES];
    char source[VV_PATH_BYTES_MAX];
    char target[VV_PATH_BYTES_MAX];
    vv_segment_part_name(id, part);
    vv_segment_name(id, name);
    VV_TRY(vv_path_join(state->tmp, part, source, out_err));
    VV_TRY(vv_path_join(state->seg, name, target, out_err));
    return vv_vfs_rename(state->stage.env.vfs, source, target, VV_SITE_SNAPSHOT_RENAME, out_err);
}

/** The rows of the heads, as the flush of this moment would write them. */
static varve_status snapshot_put_rows(snapshot_state *state, varve_error *out_err)
{
    const vv_view *view = state->view;
    vv_view *heads;
    VV_TRY(vv_view_of_heads(state->db, view->version, view->heads, view->head_count, view->visible,
                            &heads, out_err));
    vv_view_take_retention(heads, view);
    vv_merge_target target = {
        .env = &state->stage.env, .directory = state->tmp, .id = state->next_id};
    vv_segment_info info;
    varve_status status = vv_merge_write_file(heads, &target, state->task, &info, out_err);
    vv_view_unref(heads);
    VV_TRY(status);
    if (info.rows == 0) {
        return VARVE_OK;
    }
    VV_TRY(snapshot_name_rows(state, info.id, out_err));
    return snapshot_add_segment(state, &info, out_err);
}

/** Rows that the heads hide one by one, up to S, as a list; NULL: none. */
static varve_status snapshot_list_rows(snapshot_state *state, vv_tombstone **out_list,
                                       varve_error *out_err)
{
    const vv_view *view = state->view;
    vv_vec hides;
    *out_list = NULL;
    vv_vec_init(&hides, &state->db->alloc, sizeof(vv_row_hide), SIZE_MAX);
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < view->head_count && status == VARVE_OK; i++) {
        status = vv_head_list_hides(view->heads[i], view->visible, &hides, out_err);
    }
    if (status == VARVE_OK && hides.count > 0) {
        status = vv_row_list_create(state->db, VV_VEC_ITEMS(&hides, vv_row_hide), hides.count,
                                    out_list, out_err);
    }
    vv_vec_deinit(&hides);
    return status;
}

static varve_status snapshot_write_deletes(snapshot_state *state, vv_tombstone *const *tombstones,
                                           size_t count, varve_error *out_err)
{
    vv_tombstone_target target = {
        .vfs = state->stage.env.vfs,
        .tmp_directory = state->tmp,
        .directory = state->del,
        .id = state->next_id,
    };
    VV_TRY(vv_tombstone_file_write_to(state->db, &target, tombstones, count, out_err));
    state->deletes = (vv_manifest_tombstone){.id = state->next_id};
    for (size_t i = 0; i < count; i++) {
        if (tombstones[i]->sequence > state->deletes.sequence) {
            state->deletes.sequence = tombstones[i]->sequence;
        }
    }
    state->next_id += 1;
    state->done.files += 1;
    return VARVE_OK;
}

/** Deletes up to S; those above hide nothing yet. */
static varve_status snapshot_put_deletes(snapshot_state *state, varve_error *out_err)
{
    const vv_version *version = state->view->version;
    vv_tombstone *rows;
    VV_TRY(snapshot_list_rows(state, &rows, out_err));
    size_t count = 0;
    vv_tombstone **all = vv_arena_array(&state->arena, version->tombstone_count + 1, sizeof *all);
    while (all != NULL && count < version->tombstone_count &&
           version->tombstones[count]->sequence <= state->view->visible) {
        all[count] = version->tombstones[count]; /* they ascend */
        count++;
    }
    if (all != NULL && rows != NULL) {
        all[count] = rows;
        count++;
    }
    varve_status status = VARVE_OK;
    if (all == NULL) {
        status = vv_arena_fail(&state->arena, sizeof *all, out_err);
    } else if (count > 0) {
        status = snapshot_write_deletes(state, all, count, out_err);
    }
    vv_tombstone_unref(state->db, rows);
    return status;
}

/* ---- rings: never linked, for their files change in place ---- */

static varve_status snapshot_poll(void *context, varve_error *out_err)
{
    return vv_task_poll(context, out_err);
}

/** What a ring holds at S, as a file of its own. */
static varve_status snapshot_put_ring(snapshot_state *state, const vv_ring_state *ring,
                                      vv_codec_scratch *scratch, varve_error *out_err)
{
    varve_db *db = state->db;
    vv_ring_apply_options options = {
        .start = INT64_MIN,
        .poll = snapshot_poll,
        .poll_context = state->task,
        .alloc = &db->alloc,
        .scratch = scratch,
    };
    vv_ring_target target = {
        .env = &state->stage.env,
        .tmp_directory = state->tmp,
        .directory = state->ring,
        .sites = {.file = VV_SITE_SNAPSHOT_FILE,
                  .rename = VV_SITE_SNAPSHOT_RENAME,
                  .dir = VV_SITE_SNAPSHOT_DIR},
        .is_copy = true,
    };
    vv_ring_overlay overlay;
    VV_TRY(vv_task_poll(state->task, out_err));
    varve_status status = vv_vec_push(&state->rings, &state->next_id);
    if (status != VARVE_OK) {
        return vv_vec_fail(&state->rings, status, out_err);
    }
    VV_TRY(vv_ring_apply(state->view, ring, &options, &overlay, out_err));
    for (uint32_t i = 0; i < ring->ring->shape.pages; i++) {
        if (overlay.pages[i] != NULL) {
            vv_ring_page_stamp(overlay.pages[i]->bytes, 0, state->view->visible);
        }
    }
    status = vv_ring_write_file(db, &target, ring, overlay.pages, state->ident.store_id,
                                state->next_id, out_err);
    vv_ring_overlay_deinit(&overlay);
    state->next_id += 1;
    state->done.files += 1;
    state->done.bytes +=
        ring->ring->header_bytes + (uint64_t)ring->ring->shape.pages * VV_RING_PAGE_BYTES;
    return status;
}

static varve_status snapshot_put_rings(snapshot_state *state, varve_error *out_err)
{
    const vv_ring_set *set = state->view->version->rings;
    vv_codec_scratch *scratch;
    if (set == NULL || set->count == 0) {
        return VARVE_OK;
    }
    VV_TRY(vv_codec_scratch_create(&state->db->alloc, &scratch, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < set->count && status == VARVE_OK; i++) {
        status = snapshot_put_ring(state, set->states[i], scratch, out_err);
    }
    vv_codec_scratch_free(scratch);
    return status;
}

/* ---- what names it all ---- */

static varve_status snapshot_put_manifest(snapshot_state *state, varve_error *out_err)
{
    const varve_db *db = state->db;
    vv_manifest_database database = {
        .precision = db->precision,
        .duplicates = db->options.duplicates,
        .row_ids = db->options.row_ids,
    };
    vv_retention_entry *retention;
    size_t retention_count;
    VV_TRY(vv_retention_entries(state->view->retention, NULL, &state->arena, &retention,
                                &retention_count, out_err));
    vv_manifest_edit edit = {
        .add = (const vv_manifest_segment *)(const void *)state->segments.items,
        .add_count = state->segments.count,
        .add_tombstones = &state->deletes,
        .add_tombstone_count = state->deletes.id != 0 ? 1 : 0,
        .policies = state->policies,
        .policy_count = state->policy_count,
        .retention = retention,
        .retention_count = retention_count,
        .has_reference = !state->restores && state->view->has_reference,
        .reference = state->view->reference,
        .add_rings = VV_VEC_ITEMS(&state->rings, const uint64_t),
        .add_ring_count = state->rings.count,
        .rollups = state->rollups != NULL ? state->rollups->stored : (vv_bytes){0},
        .database = &database,
        .log_start = 1,
        .next_file_id = state->next_id,
        .next_sequence = state->view->visible + 1,
        .set_flags = db->is_damaged ? (uint32_t)VV_MANIFEST_LOG_HOLES : 0,
    };
    vv_manifest_options options = {.directory = state->manifest, .tmp_directory = state->tmp};
    memcpy(options.store_id, state->ident.store_id, sizeof options.store_id);
    vv_manifest *manifest = NULL;
    VV_TRY(vv_manifest_create(&state->stage.env, &options, &edit, &manifest, out_err));
    vv_manifest_close(manifest);
    return VARVE_OK;
}

static varve_status snapshot_put_ident(snapshot_state *state, varve_error *out_err)
{
    static const vv_publish_sites sites = {.file = VV_SITE_SNAPSHOT_FILE,
                                           .rename = VV_SITE_SNAPSHOT_RENAME,
                                           .dir = VV_SITE_SNAPSHOT_DIR};
    char part[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    uint8_t bytes[VV_IDENT_BYTES];
    VV_TRY(vv_path_join(state->tmp, "IDENT.part", part, out_err));
    VV_TRY(vv_path_join(state->stage.root, "IDENT", path, out_err));
    vv_ident_encode(&state->ident, bytes);
    return vv_vfs_write_file_atomically(state->stage.env.vfs, &state->db->alloc, part, path, bytes,
                                        sizeof bytes, &sites, out_err);
}

/* ---- all of it ---- */

/** Where all is to be copied: whether there is room, before hours go by. */
static varve_status snapshot_check_space(const snapshot_state *state, varve_error *out_err)
{
    uint64_t needed = vv_version_sum(state->view->version).bytes;
    vv_fs_info disk;
    if (state->may_link ||
        vv_vfs_statvfs(state->stage.env.vfs, state->stage.parent, &disk, NULL) != VARVE_OK ||
        disk.free_bytes >= needed) {
        return VARVE_OK; /* what the disk does not tell is found out by writing */
    }
    return vv_fail(out_err, VARVE_E_NOSPACE, "%s needs %llu bytes, and %llu are free there",
                   state->stage.target, (unsigned long long)needed,
                   (unsigned long long)disk.free_bytes);
}

/** What a path leads to, a link at its end followed. */
static varve_status snapshot_identify(const vv_vfs *vfs, const char *path, vv_file_info *out_info)
{
    char inside[VV_PATH_BYTES_MAX];
    if (vv_path_join(path, ".", inside, NULL) == VARVE_OK &&
        vv_vfs_stat(vfs, inside, out_info, NULL) == VARVE_OK) {
        return VARVE_OK;
    }
    return vv_vfs_stat(vfs, path, out_info, NULL);
}

/** A copy inside of the database would be taken for a part of it. What cannot be looked at is no
 *  place for a copy either; making it will say why. */
static varve_status snapshot_check_place(const snapshot_state *state, const char *path,
                                         varve_error *out_err)
{
    const varve_db *db = state->db;
    const vv_vfs *vfs = state->stage.env.vfs;
    if (db->is_memory) {
        return VARVE_OK;
    }
    char place[VV_PATH_BYTES_MAX];
    vv_file_info own;
    vv_file_info info;
    if (snapshot_identify(vfs, db->path, &own) != VARVE_OK) {
        return VARVE_OK;
    }
    VV_TRY(vv_path_parent(path, place, out_err));
    for (;;) {
        bool is_same = snapshot_identify(vfs, place, &info) == VARVE_OK &&
                       info.device == own.device && info.inode == own.inode;
        if (is_same) {
            return vv_fail(out_err, VARVE_E_INVALID, "%s lies inside of the database %s", path,
                           db->path);
        }
        size_t before = strlen(place);
        VV_TRY(vv_path_parent(place, place, out_err));
        if (strcmp(place, ".") == 0 || strlen(place) >= before) {
            return VARVE_OK;
        }
    }
}

static varve_status snapshot_make_directories(snapshot_state *state, varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_stage_mkdir(&state->stage, "tmp", state->tmp, out_err));
    VV_TRY(vv_stage_mkdir(&state->stage, "manifest", state->manifest, out_err));
    VV_TRY(vv_stage_mkdir(&state->stage, "wal", path, out_err));
    VV_TRY(vv_stage_mkdir(&state->stage, "seg", state->seg, out_err));
    VV_TRY(vv_stage_mkdir(&state->stage, "del", state->del, out_err));
    VV_TRY(vv_stage_mkdir(&state->stage, "ring", state->ring, out_err));
    return vv_stage_mkdir(&state->stage, "quarantine", path, out_err);
}

static void snapshot_begin_task(snapshot_state *state)
{
    const vv_view *view = state->view;
    uint64_t total = vv_version_sum(view->version).bytes;
    for (size_t i = 0; i < view->head_count; i++) {
        total += vv_head_rows(view->heads[i]);
    }
    vv_task_begin(state->task, total);
}

static varve_status snapshot_run(snapshot_state *state, const char *path, varve_error *out_err)
{
    VV_TRY(snapshot_check_place(state, path, out_err));
    VV_TRY(snapshot_pin(state, out_err));
    VV_TRY(vv_stage_open(&state->stage, path, out_err));
    VV_TRY(snapshot_check_space(state, out_err));
    VV_TRY(snapshot_make_directories(state, out_err));
    if (state->restores) {
        varve_verified verified = {.struct_size = sizeof verified};
        VV_TRY(vv_verify(state->db, state->task, &verified, out_err)); /* X4 */
    }
    snapshot_begin_task(state);
    VV_TRY(snapshot_put_segments(state, out_err));
    VV_TRY(snapshot_put_rows(state, out_err));
    VV_TRY(vv_vfs_sync_dir(state->stage.env.vfs, state->seg, VV_SITE_SNAPSHOT_DIR, out_err));
    VV_TRY(snapshot_put_deletes(state, out_err));
    VV_TRY(snapshot_put_rings(state, out_err));
    VV_TRY(snapshot_put_manifest(state, out_err));
    VV_TRY(snapshot_put_ident(state, out_err));
    VV_TRY(vv_task_poll(state->task, out_err));
    VV_TRY(vv_stage_publish(&state->stage, out_err));
    state->done.sequence = state->view->visible;
    return VARVE_OK;
}

/** ident: of the copy, which says whether it is a snapshot or restored. */
static varve_status snapshot_make(varve_db *db, const char *path, const vv_ident *ident,
                                  varve_task *task, varve_copied *out_copied, varve_error *out_err)
{
    snapshot_state *state = vv_alloc_zeroed(&db->alloc, sizeof *state);
    if (state == NULL) {
        return vv_fail_nomem(out_err, "snapshot", sizeof *state);
    }
    state->db = db;
    state->task = task;
    state->ident = *ident;
    state->next_id = 1;
    state->stage.env = db->env;
    state->stage.env.vfs = db->outer_vfs;
    state->restores = !vv_ident_is_snapshot(ident);
    state->may_link = !state->restores && db->outer_vfs == db->env.vfs;
    vv_arena_init(&state->arena, &db->alloc, SIZE_MAX);
    vv_vec_init(&state->segments, &db->alloc, sizeof(vv_manifest_segment), SIZE_MAX);
    vv_vec_init(&state->rings, &db->alloc, sizeof(uint64_t), SIZE_MAX);
    varve_status status = snapshot_run(state, path, out_err);
    if (status == VARVE_OK) {
        atomic_fetch_add_explicit(&db->counters.snapshots, 1, memory_order_relaxed);
        state->done.struct_size = out_copied->struct_size;
        memcpy(out_copied, &state->done, sizeof state->done);
    }
    vv_stage_close(&state->stage);
    vv_rollup_set_unref(state->rollups);
    vv_view_unref(state->view);
    vv_vec_deinit(&state->rings);
    vv_vec_deinit(&state->segments);
    vv_arena_deinit(&state->arena);
    vv_alloc_free(&db->alloc, state, sizeof *state);
    return status;
}

varve_status vv_snapshot(varve_db *db, const char *path, varve_task *task, varve_copied *out_copied,
                         varve_error *out_err)
{
    vv_ident ident = {.created_ns = db->created_ns}; /* X3 */
    memcpy(ident.store_id, db->store_id, sizeof ident.store_id);
    memcpy(ident.parent_id, db->store_id, sizeof ident.parent_id);
    return snapshot_make(db, path, &ident, task, out_copied, out_err);
}

varve_status vv_restore(const char *source, const char *path, const varve_options *options,
                        varve_task *task, varve_copied *out_copied, varve_error *out_err)
{
    varve_options reading = {.struct_size = sizeof reading};
    if (options != NULL) {
        reading.allocator = options->allocator;
        reading.environment = options->environment;
        reading.log = options->log;
        reading.log_context = options->log_context;
        reading.memory_limit_bytes = options->memory_limit_bytes;
        reading.cache_bytes = options->cache_bytes;
    }
    reading.flags = VARVE_OPEN_READONLY;
    varve_db *db;
    VV_TRY(vv_db_open(source, &reading, &db, out_err));
    vv_ident ident;
    varve_status status = vv_ident_make(&db->env, &ident, out_err);
    if (status == VARVE_OK) {
        memcpy(ident.parent_id, db->store_id, sizeof ident.parent_id);
        status = snapshot_make(db, path, &ident, task, out_copied, out_err);
    }
    vv_db_abandon(db); /* it was only read */
    return status;
}
