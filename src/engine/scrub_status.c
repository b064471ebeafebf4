/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scrub_status.h"

#include <string.h>

#include "base/buf.h"
#include "base/status.h"
#include "base/text.h"
#include "engine/edit.h"
#include "engine/live_segment_priv.h"
#include "engine/ring.h"
#include "engine/tier.h"
#include "engine/version.h"

void vv_scrub_name_file(char out_file[VV_SCRUB_FILE_BYTES], const char *directory,
                        const char *suffix, uint64_t id)
{
    vv_text_format(out_file, VV_SCRUB_FILE_BYTES, "%s/%020llu.%s", directory,
                   (unsigned long long)id, suffix);
}

/* ---- records (K1) ---- */

varve_status vv_scrub_kept_create(varve_db *db, vv_scrub_kept **out_kept, varve_error *out_err)
{
    *out_kept = vv_alloc_zeroed(&db->alloc, sizeof **out_kept);
    if (*out_kept == NULL) {
        return vv_fail_nomem(out_err, "record of a scrub", sizeof **out_kept);
    }
    atomic_init(&(*out_kept)->refs, 1);
    return VARVE_OK;
}

static void scrub_status_ref(vv_scrub_kept *kept)
{
    atomic_fetch_add_explicit(&kept->refs, 1, memory_order_relaxed);
}

void vv_scrub_kept_unref(varve_db *db, vv_scrub_kept *kept)
{
    /* Release and acquire: the last owner frees what the others have read. */
    if (kept != NULL && atomic_fetch_sub_explicit(&kept->refs, 1, memory_order_acq_rel) == 1) {
        vv_alloc_free(&db->alloc, kept, sizeof *kept);
    }
}

/** What is told from now on; NULL: nothing is known. */
static void scrub_status_install(varve_db *db, vv_scrub_kept *kept)
{
    if (kept != NULL) {
        scrub_status_ref(kept);
    }
    vv_mutex_lock(&db->state_lock);
    vv_scrub_kept *before = db->scrubbed;
    db->scrubbed = kept;
    vv_mutex_unlock(&db->state_lock);
    vv_scrub_kept_unref(db, before);
}

static varve_status scrub_status_store(vv_edit *turn, const vv_scrub_record *record,
                                       varve_error *out_err)
{
    vv_buf stored;
    vv_buf_init(&stored, &turn->db->alloc, SIZE_MAX);
    varve_status status = vv_scrub_record_write(record, &stored, out_err);
    if (status == VARVE_OK) {
        vv_manifest_edit edit = {.scrubbed = vv_buf_bytes(&stored)};
        status = vv_edit_append(turn, &edit, VV_EDIT_AS_IS, out_err);
    }
    vv_buf_deinit(&stored);
    return status;
}

varve_status vv_scrub_keep(varve_db *db, vv_scrub_kept *kept, varve_error *out_err)
{
    varve_error error;
    vv_edit turn;
    vv_scrub_record *record = &kept->record;
    record->exists = true;
    if (db->is_memory || db->is_readonly) {
        record->completed_ns = vv_env_wall_ns(&db->env);
        scrub_status_install(db, kept);
        return VARVE_OK;
    }
    vv_edit_begin(&turn, db); /* K2 */
    record->completed_ns = vv_env_wall_ns(&db->env);
    varve_status status = scrub_status_store(&turn, record, &error);
    if (status != VARVE_E_NOMEM) {
        scrub_status_install(db, kept);
    }
    vv_edit_end(&turn);
    if (status == VARVE_E_NOMEM) {
        return vv_fail(out_err, status, "%s", error.message);
    }
    if (status != VARVE_OK) {
        vv_db_log(db, VARVE_LOG_WARN, "scrub.record_failed", "%s", error.message);
    }
    return VARVE_OK;
}

/* ---- telling ---- */

bool vv_scrub_last(varve_db *db, int64_t *out_completed_ns)
{
    vv_mutex_lock(&db->state_lock);
    bool is_known = db->scrubbed != NULL;
    if (is_known) {
        *out_completed_ns = db->scrubbed->record.completed_ns;
    }
    vv_mutex_unlock(&db->state_lock);
    return is_known;
}

/** Where a file of this number lies in the database of this moment; false: nowhere. */
static bool scrub_status_find_file(const vv_version *version, uint64_t id,
                                   char out_file[VV_SCRUB_FILE_BYTES])
{
    for (size_t i = 0; i < version->segment_count; i++) {
        if (version->segments[i]->info.id == id) {
            bool is_hot = version->segments[i]->tier == VV_TIER_HOT;
            vv_scrub_name_file(out_file, is_hot ? "seg" : "warm/seg", "vsg", id);
            return true;
        }
    }
    for (size_t i = 0; i < version->tombstone_count; i++) {
        if (vv_tombstone_file(version->tombstones[i]) == id) {
            vv_scrub_name_file(out_file, "del", "vtb", id);
            return true;
        }
    }
    for (size_t i = 0; version->rings != NULL && i < version->rings->count; i++) {
        if (version->rings->states[i]->file_id == id) {
            vv_scrub_name_file(out_file, "ring", "vrg", id);
            return true;
        }
    }
    return false;
}

/** Tells one listed place; false: its file is of the database no more (N2). */
static bool scrub_status_visit(const vv_version *version, const vv_scrub_bad *bad,
                               varve_damage_visitor visit, void *context)
{
    char file[VV_SCRUB_FILE_BYTES];
    varve_error error;
    bool is_block = bad->block != UINT64_MAX;
    if (!scrub_status_find_file(version, bad->file_id, file)) {
        return false;
    }
    VV_IGNORE(is_block
                  ? vv_fail(&error, VARVE_E_CORRUPT,
                            "%s: block %llu at offset %llu was damaged when last scrubbed", file,
                            (unsigned long long)bad->block, (unsigned long long)bad->offset)
                  : vv_fail(&error, VARVE_E_CORRUPT,
                            "%s: %llu bytes at offset %llu were damaged when last scrubbed", file,
                            (unsigned long long)bad->bytes, (unsigned long long)bad->offset));
    varve_damage damage = {
        .file = {file, strlen(file)},
        .part = is_block ? "block" : "file",
        .block = bad->block,
        .offset = bad->offset,
        .bytes = bad->bytes,
        .error = &error,
    };
    if (visit != NULL) {
        visit(context, &damage);
    }
    return true;
}

void vv_scrub_status(varve_db *db, varve_scrub_state *out_state, varve_damage_visitor visit,
                     void *context)
{
    static const vv_scrub_record none;
    vv_mutex_lock(&db->state_lock);
    vv_scrub_kept *kept = db->scrubbed;
    vv_version *version = db->version;
    if (kept != NULL) {
        scrub_status_ref(kept);
    }
    vv_version_ref(version);
    vv_mutex_unlock(&db->state_lock);
    const vv_scrub_record *record = kept == NULL ? &none : &kept->record;
    out_state->has_run = record->exists ? 1 : 0;
    out_state->completed_ns = record->completed_ns;
    out_state->files = record->files;
    out_state->blocks = record->blocks;
    out_state->bytes = record->bytes;
    out_state->damaged_files = record->damaged_files;
    out_state->damaged_places = record->damaged_places;
    out_state->bad_places = 0;
    for (size_t i = 0; i < record->bad_count; i++) {
        bool is_there = scrub_status_visit(version, &record->bad[i], visit, context);
        out_state->bad_places += is_there ? 1 : 0;
    }
    vv_version_unref(db, version);
    vv_scrub_kept_unref(db, kept);
}

/* ---- loading ---- */

static void scrub_status_degrade(void *context, const varve_damage *damage)
{
    vv_health_degrade(context, VV_REASON_DAMAGE, damage->error);
}

varve_status vv_scrub_load(varve_db *db, vv_bytes stored, varve_error *out_err)
{
    vv_scrub_kept *kept;
    varve_scrub_state state;
    VV_TRY(vv_scrub_kept_create(db, &kept, out_err));
    varve_status status = vv_scrub_record_read(stored, &kept->record, out_err);
    if (status == VARVE_OK) {
        scrub_status_install(db, kept->record.exists ? kept : NULL);
        vv_scrub_status(db, &state, scrub_status_degrade, db);
    }
    vv_scrub_kept_unref(db, kept);
    return status;
}
