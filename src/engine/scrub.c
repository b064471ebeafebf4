/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Scrubbing (durability.md section 6): IDENT, manifest, segments frame by frame, lists of deletes,
 * rings page by page.
 * The log is not read: while it is written its end is always unfinished, and opening checks it.
 *
 *   B1  The rate holds from the beginning of the call on: bytes done never run ahead of it by more
 *       than one read.
 *   B2  Damage is told once for each place, makes the health DEGRADED, and changes no file but for
 *       the evidence in quarantine/: at most SCRUB_EVIDENCE_BYTES_MAX of a call, the bytes as they
 *       were read, written by who may write.
 *   B3  Files that a merge drops meanwhile stay readable through the view, or are left out.
 *
 *   B4  A pass that came to its end is recorded in the manifest by who may write (N1, N2 of
 *       engine/scrub_record.h, K1, K2 of engine/scrub_status.h); one that was stopped says nothing.
 *       A disk that takes no record is no failure of the pass: what it found is answered, and told
 *       by the handle.
 */

#include "engine/scrub.h"

#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "base/vec.h"
#include "engine/ident.h"
#include "engine/live_segment_priv.h"
#include "engine/manifest.h"
#include "engine/ring_check.h"
#include "engine/scrub_status.h"
#include "engine/task.h"
#include "engine/tier.h"
#include "engine/tombstone.h"
#include "engine/view.h"
#include "segment/segment.h"

#define SCRUB_BYTES_PER_S        (UINT64_C(10) * 1000 * 1000) /* durability.md section 6 */
#define SCRUB_EVIDENCE_BYTES_MAX (UINT64_C(16) << 20)         /* as of a torn end of the log */
/* Between two looks at the caller's wish to stop: varve_task promises 10 ms. */
#define SCRUB_WAIT_NS (5 * VV_NS_PER_MS)

typedef struct scrub_state {
    varve_db *db;
    varve_task *task;
    const varve_scrub_options *options;
    uint64_t bytes_per_s; /* 0: as fast as it goes */
    int64_t begin_ns;
    uint64_t bytes; /* read so far, files that are done */
    uint64_t evidence_bytes;
    char file[VV_SCRUB_FILE_BYTES]; /* that is being read */
    uint64_t file_id;               /* 0: it has none */
    uint64_t file_bytes;            /* read of it */
    bool is_file_damaged;
    vv_mutex wait_lock; /* nobody else takes it: waiting needs one */
    vv_cond wait;
    varve_error *error; /* why reading stopped */
    varve_scrubbed found;
    vv_scrub_kept *kept; /* of this pass */
} scrub_state;

/* ---- the rate (B1) ---- */

/** When as many bytes may have been read. */
static int64_t scrub_due_ns(const scrub_state *state, uint64_t bytes)
{
    uint64_t seconds = bytes / state->bytes_per_s;
    uint64_t rest = bytes % state->bytes_per_s;
    if (seconds > (uint64_t)(INT64_MAX / VV_NS_PER_S) / 2) {
        return INT64_MAX;
    }
    return state->begin_ns + (int64_t)seconds * VV_NS_PER_S +
           (int64_t)((double)rest / (double)state->bytes_per_s * (double)VV_NS_PER_S);
}

static varve_status scrub_wait(scrub_state *state, uint64_t bytes, varve_error *out_err)
{
    VV_TRY(vv_task_poll(state->task, out_err));
    if (state->bytes_per_s == 0) {
        return VARVE_OK;
    }
    int64_t due_ns = scrub_due_ns(state, bytes);
    while (vv_env_mono_ns(&state->db->env) < due_ns) {
        int64_t left_ns = due_ns - vv_env_mono_ns(&state->db->env);
        int64_t until_ns = vv_deadline_after_ns(left_ns < SCRUB_WAIT_NS ? left_ns : SCRUB_WAIT_NS);
        vv_mutex_lock(&state->wait_lock);
        VV_IGNORE(vv_cond_wait_until(&state->wait, &state->wait_lock, until_ns));
        vv_mutex_unlock(&state->wait_lock);
        VV_TRY(vv_task_poll(state->task, out_err));
    }
    return VARVE_OK;
}

static void scrub_note_bytes(scrub_state *state, uint64_t file_bytes)
{
    vv_task_add(state->task, file_bytes - state->file_bytes);
    state->file_bytes = file_bytes;
}

static bool scrub_check(void *context, uint64_t file_bytes)
{
    scrub_state *state = context;
    scrub_note_bytes(state, file_bytes);
    return scrub_wait(state, state->bytes + file_bytes, state->error) == VARVE_OK;
}

/* ---- damage (B2) ---- */

static void scrub_keep_evidence(scrub_state *state, const varve_damage *damage, vv_bytes bytes)
{
    static const vv_publish_sites sites = {.file = VV_SITE_QUARANTINE_FILE,
                                           .rename = VV_SITE_QUARANTINE_RENAME,
                                           .dir = VV_SITE_QUARANTINE_DIR};
    varve_db *db = state->db;
    if (db->is_readonly || bytes.size == 0 ||
        bytes.size > SCRUB_EVIDENCE_BYTES_MAX - state->evidence_bytes) {
        return;
    }
    char name[VV_NAME_BYTES_MAX];
    char part[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    char directory[VV_PATH_BYTES_MAX];
    const char *slash = strchr(state->file, '/');
    vv_text_format(name, sizeof name, "%s.%llu", slash == NULL ? state->file : slash + 1,
                   (unsigned long long)damage->offset);
    varve_error error;
    varve_status status = vv_db_path(db, "tmp", directory, &error);
    if (status == VARVE_OK) {
        status = vv_path_join(directory, name, part, &error);
    }
    if (status == VARVE_OK) {
        status = vv_db_path(db, "quarantine", directory, &error);
    }
    if (status == VARVE_OK) {
        status = vv_path_join(directory, name, path, &error);
    }
    if (status == VARVE_OK) {
        status = vv_vfs_write_file_atomically(db->env.vfs, &db->alloc, part, path, bytes.data,
                                              bytes.size, &sites, &error);
    }
    state->evidence_bytes += bytes.size;
    if (status != VARVE_OK) {
        vv_db_log(db, VARVE_LOG_WARN, "scrub.evidence_failed", "%s", error.message);
    }
}

static void scrub_note_bad(scrub_state *state, const varve_damage *damage)
{
    vv_scrub_record *record = &state->kept->record;
    if (state->file_id != 0 && record->bad_count < VV_SCRUB_BAD_MAX) {
        record->bad[record->bad_count++] = (vv_scrub_bad){.file_id = state->file_id,
                                                          .block = damage->block,
                                                          .offset = damage->offset,
                                                          .bytes = damage->bytes};
    }
}

static void scrub_tell(scrub_state *state, const varve_damage *damage)
{
    scrub_note_bad(state, damage);
    state->found.damaged_files += state->is_file_damaged ? 0 : 1;
    state->found.damaged_places += 1;
    atomic_fetch_add_explicit(&state->db->counters.scrub_damage, 1, memory_order_relaxed);
    state->is_file_damaged = true;
    vv_db_log(state->db, VARVE_LOG_ERROR, "scrub.damage", "%s", damage->error->message);
    vv_health_degrade(state->db, VV_REASON_DAMAGE, damage->error);
    if (state->options->visit != NULL) {
        state->options->visit(state->options->context, damage);
    }
}

static void scrub_visit_frame(void *context, const vv_segment_damage *found)
{
    scrub_state *state = context;
    bool is_block = strcmp(found->part, "block") == 0;
    varve_damage damage = {
        .file = {state->file, strlen(state->file)},
        .part = found->part,
        .block = is_block ? found->number : UINT64_MAX,
        .offset = found->offset,
        .bytes = found->size,
        .error = found->error,
    };
    scrub_tell(state, &damage);
    scrub_keep_evidence(state, &damage, found->bytes);
}

/** A file that is read whole: OK, or damage that is told, or a reason to stop. */
static varve_status scrub_judge(scrub_state *state, varve_status status, const varve_error *error,
                                varve_error *out_err)
{
    if (status == VARVE_OK) {
        return VARVE_OK;
    }
    if (status == VARVE_E_NOMEM || status == VARVE_E_CANCELLED) {
        vv_error_copy(out_err, error);
        return status;
    }
    varve_damage damage = {
        .file = {state->file, strlen(state->file)},
        .part = "file",
        .block = UINT64_MAX,
        .bytes = state->file_bytes,
        .error = error,
    };
    scrub_tell(state, &damage);
    return VARVE_OK;
}

/* ---- files ---- */

static varve_status scrub_begin_file(scrub_state *state, const char *format, uint64_t id,
                                     varve_error *out_err)
{
    state->bytes += state->file_bytes;
    state->file_bytes = 0;
    state->file_id = id;
    state->is_file_damaged = false;
    state->found.files += 1;
    if (id == 0) {
        vv_text_format(state->file, sizeof state->file, "%s", format);
    } else {
        vv_scrub_name_file(state->file, format,
                           strcmp(format, "del") == 0    ? "vtb"
                           : strcmp(format, "ring") == 0 ? "vrg"
                                                         : "vsg",
                           id);
    }
    return scrub_wait(state, state->bytes, out_err);
}

static varve_status scrub_segments(scrub_state *state, const vv_version *version,
                                   varve_error *out_err)
{
    vv_segment_progress progress = {.check = scrub_check, .context = state};
    state->error = out_err;
    for (size_t i = 0; i < version->segment_count; i++) {
        vv_live_segment *segment = version->segments[i];
        const char *directory = segment->tier == VV_TIER_HOT ? "seg" : "warm/seg";
        VV_TRY(scrub_begin_file(state, directory, segment->info.id, out_err));
        VV_TRY(vv_segment_scrub(segment->segment, &progress, scrub_visit_frame, out_err));
        scrub_note_bytes(state, segment->info.bytes);
        state->found.blocks += vv_segment_block_count(segment->segment);
        state->found.bytes += segment->info.bytes;
        atomic_fetch_add_explicit(&state->db->counters.scrub_bytes, segment->info.bytes,
                                  memory_order_relaxed);
    }
    return VARVE_OK;
}

/** Ids of the del/ files of a version, each once. */
static varve_status scrub_list_deletes(const vv_version *version, vv_vec *ids, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < version->tombstone_count && status == VARVE_OK; i++) {
        uint64_t id = vv_tombstone_file(version->tombstones[i]);
        bool is_known = id == 0;
        for (size_t at = 0; at < ids->count && !is_known; at++) {
            is_known = *VV_VEC_AT(ids, uint64_t, at) == id;
        }
        status = is_known ? VARVE_OK : vv_vec_push(ids, &id);
    }
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(ids, status, out_err);
}

/** Whether the database of this moment has a del/ file: B3. It leaves the version first, then the
 *  disk. */
static bool scrub_has_deletes(varve_db *db, uint64_t id)
{
    vv_version *version = vv_version_current(db);
    bool is_named = false;
    for (size_t i = 0; i < version->tombstone_count && !is_named; i++) {
        is_named = vv_tombstone_file(version->tombstones[i]) == id;
    }
    vv_version_unref(db, version);
    return is_named;
}

static varve_status scrub_deletes_file(scrub_state *state, uint64_t id, varve_error *out_err)
{
    varve_db *db = state->db;
    varve_error error;
    vv_vec tombstones;
    VV_TRY(scrub_begin_file(state, "del", id, out_err));
    vv_vec_init(&tombstones, &db->alloc, sizeof(vv_tombstone *), SIZE_MAX);
    varve_status status = vv_tombstone_file_read(db, id, &tombstones, &error);
    for (size_t i = 0; i < tombstones.count; i++) {
        vv_tombstone_unref(db, *VV_VEC_AT(&tombstones, vv_tombstone *, i));
    }
    vv_vec_deinit(&tombstones);
    if (status == VARVE_E_NOT_FOUND && (db->is_readonly || !scrub_has_deletes(db, id))) {
        return VARVE_OK;
    }
    return scrub_judge(state, status, &error, out_err);
}

static varve_status scrub_deletes(scrub_state *state, const vv_version *version,
                                  varve_error *out_err)
{
    vv_vec ids;
    vv_vec_init(&ids, &state->db->alloc, sizeof(uint64_t), SIZE_MAX);
    varve_status status = scrub_list_deletes(version, &ids, out_err);
    for (size_t i = 0; i < ids.count && status == VARVE_OK; i++) {
        status = scrub_deletes_file(state, *VV_VEC_AT(&ids, uint64_t, i), out_err);
    }
    vv_vec_deinit(&ids);
    return status;
}

/* ---- rings ---- */

/** Before each file (no byte of it read yet) and each page. */
static varve_status scrub_ring_poll(void *context, uint64_t file_id, uint64_t bytes_done,
                                    varve_error *out_err)
{
    scrub_state *state = context;
    if (bytes_done == 0) {
        return scrub_begin_file(state, "ring", file_id, out_err);
    }
    scrub_note_bytes(state, bytes_done);
    return scrub_wait(state, state->bytes + bytes_done, out_err);
}

static void scrub_ring_damage(void *context, uint64_t file_id, uint64_t page, uint64_t offset,
                              vv_bytes bytes, const varve_error *error)
{
    scrub_state *state = context;
    (void)file_id; /* it is state->file */
    varve_damage damage = {
        .file = {state->file, strlen(state->file)},
        .part = page == UINT64_MAX ? "file" : "block",
        .block = page,
        .offset = offset,
        .bytes = bytes.size,
        .error = error,
    };
    scrub_tell(state, &damage);
    scrub_keep_evidence(state, &damage, bytes);
}

static varve_status scrub_rings(scrub_state *state, varve_error *out_err)
{
    vv_ring_check check = {.poll = scrub_ring_poll, .damage = scrub_ring_damage, .context = state};
    VV_TRY(vv_ring_check_files(state->db, &check, out_err));
    state->found.blocks += check.pages;
    state->found.bytes += check.bytes;
    atomic_fetch_add_explicit(&state->db->counters.scrub_bytes, check.bytes, memory_order_relaxed);
    return VARVE_OK;
}

static varve_status scrub_ident(scrub_state *state, varve_error *out_err)
{
    vv_ident ident;
    varve_error error;
    VV_TRY(scrub_begin_file(state, "IDENT", 0, out_err));
    varve_status status = vv_ident_read(&state->db->env, state->db->path, &ident, &error);
    return scrub_judge(state, status, &error, out_err);
}

static varve_status scrub_manifest(scrub_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    char directory[VV_PATH_BYTES_MAX];
    varve_error error;
    VV_TRY(scrub_begin_file(state, "manifest", 0, out_err));
    VV_TRY(vv_db_path(db, "manifest", directory, out_err));
    vv_manifest_options options = {
        .directory = directory, .tmp_directory = "", .is_follower = true};
    memcpy(options.store_id, db->store_id, sizeof options.store_id);
    vv_manifest_state manifest;
    vv_manifest_state_init(&manifest, &db->alloc);
    varve_status status = vv_manifest_load(&db->env, &options, &manifest, NULL, &error);
    vv_manifest_state_deinit(&manifest);
    return scrub_judge(state, status, &error, out_err);
}

static varve_status scrub_run(scrub_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    vv_view *view;
    VV_TRY(vv_view_open(db, &view, out_err));
    vv_task_begin(state->task, vv_version_sum(view->version).bytes);
    state->begin_ns = vv_env_mono_ns(&db->env);
    varve_status status = scrub_ident(state, out_err);
    if (status == VARVE_OK) {
        status = scrub_manifest(state, out_err);
    }
    if (status == VARVE_OK) {
        status = scrub_segments(state, view->version, out_err);
    }
    if (status == VARVE_OK) {
        status = scrub_deletes(state, view->version, out_err);
    }
    if (status == VARVE_OK) {
        status = scrub_rings(state, out_err);
    }
    vv_view_unref(view);
    return status;
}

static varve_status scrub_run_paced(scrub_state *state, varve_error *out_err)
{
    VV_TRY(vv_mutex_init(&state->wait_lock, VV_RANK_QUEUE, 0, out_err));
    varve_status status = vv_cond_init(&state->wait, out_err);
    if (status == VARVE_OK) {
        status = scrub_run(state, out_err);
        vv_cond_deinit(&state->wait);
    }
    vv_mutex_deinit(&state->wait_lock);
    return status;
}

/* ---- the record (B4) ---- */

static varve_status scrub_keep_record(scrub_state *state, varve_error *out_err)
{
    vv_scrub_record *record = &state->kept->record;
    const varve_scrubbed *found = &state->found;
    record->files = found->files;
    record->blocks = found->blocks;
    record->bytes = found->bytes;
    record->damaged_files = found->damaged_files;
    record->damaged_places = found->damaged_places;
    return vv_scrub_keep(state->db, state->kept, out_err);
}

varve_status vv_scrub(varve_db *db, const varve_scrub_options *options, varve_task *task,
                      varve_scrubbed *out_scrubbed, varve_error *out_err)
{
    scrub_state state = {.db = db, .task = task, .options = options};
    state.bytes_per_s = options->bytes_per_second;
    if (state.bytes_per_s == 0) {
        state.bytes_per_s = SCRUB_BYTES_PER_S;
    } else if (state.bytes_per_s == UINT64_MAX) {
        state.bytes_per_s = 0;
    }
    VV_TRY(vv_scrub_kept_create(db, &state.kept, out_err));
    varve_status status = scrub_run_paced(&state, out_err);
    if (status == VARVE_OK) {
        status = scrub_keep_record(&state, out_err);
    }
    vv_scrub_kept_unref(db, state.kept);
    if (status == VARVE_OK) {
        state.found.struct_size = out_scrubbed->struct_size;
        memcpy(out_scrubbed, &state.found, sizeof state.found);
    }
    return status;
}
