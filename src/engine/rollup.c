/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The set of rollups of a database: replaced by a POLICY record of the log, carried over to the
 * manifest by the flush that drops that record (publish.c).
 */

#include "engine/rollup.h"

#include <string.h>

#include "base/buf.h"
#include "base/crc.h"
#include "base/status.h"
#include "wal/payload.h"
#include "wal/wal.h"

vv_rollup_set *vv_rollups_current(varve_db *db)
{
    vv_mutex_lock(&db->state_lock);
    vv_rollup_set *set = db->rollups;
    if (set != NULL) {
        vv_rollup_set_ref(set);
    }
    vv_mutex_unlock(&db->state_lock);
    return set;
}

bool vv_rollups_were_set(varve_db *db)
{
    vv_mutex_lock(&db->state_lock);
    bool were_set = db->rollups != NULL;
    vv_mutex_unlock(&db->state_lock);
    return were_set;
}

bool vv_rollups_exist(varve_db *db)
{
    vv_mutex_lock(&db->state_lock);
    bool exist = db->rollups != NULL && db->rollups->count > 0;
    vv_mutex_unlock(&db->state_lock);
    return exist;
}

/** Take a set; the one before is the caller's then, to be dropped without locks. */
static vv_rollup_set *rollup_install(varve_db *db, vv_rollup_set *set)
{
    vv_mutex_lock(&db->state_lock);
    vv_rollup_set *old = db->rollups;
    for (size_t i = 0; old != NULL && i < set->count; i++) {
        const vv_rollup *before = vv_rollup_set_find(old, set->items[i].generation);
        if (before != NULL) {
            set->items[i].runs = before->runs;
        }
    }
    db->rollups = set;
    vv_mutex_unlock(&db->state_lock);
    return old;
}

static bool rollup_is_same(const vv_rollup_set *old, const vv_rollup_set *set)
{
    return old != NULL && old->stored.size == set->stored.size &&
           memcmp(old->stored.data, set->stored.data, set->stored.size) == 0;
}

/** Append the record and install the set, at one moment of the order of the log. Takes the set. */
static varve_status rollup_log(varve_db *db, vv_rollup_set *set, vv_bytes payload,
                               varve_error *out_err)
{
    int64_t wait_ns = (int64_t)db->options.write_timeout_ms * VV_NS_PER_MS;
    varve_status status =
        vv_wal_reserve(db->wal, payload.size, 1, vv_deadline_after_ns(wait_ns), out_err);
    if (status != VARVE_OK) {
        vv_rollup_set_unref(set);
        return status;
    }
    vv_wal_record record = {
        .type = VV_WAL_POLICY,
        .payload = payload,
        .payload_crc = vv_crc32c(0, payload.data, payload.size),
    };
    vv_db_lock_shards(db);
    atomic_fetch_add(&db->policy_changes, 1); /* first: see snapshot.c */
    vv_rollup_set *old = rollup_install(db, set);
    vv_wal_ticket ticket = vv_wal_append(db->wal, &record, 1, VARVE_SYNC_GROUP);
    vv_db_unlock_shards(db);
    vv_rollup_set_unref(old);
    vv_wal_applied(db->wal, ticket);
    uint32_t ack;
    return vv_wal_wait(db->wal, ticket.id, UINT64_MAX, &ack, out_err);
}

static varve_status rollup_replace_locked(varve_db *db, const varve_rollup *rollups, size_t count,
                                          varve_error *out_err)
{
    vv_rollup_set *set;
    vv_rollup_set *old = vv_rollups_current(db);
    varve_status status = vv_rollup_set_make(&db->alloc, rollups, count, old, &set, out_err);
    bool is_same = status == VARVE_OK && (rollup_is_same(old, set) || (old == NULL && count == 0));
    vv_rollup_set_unref(old);
    VV_TRY(status);
    if (is_same) {
        vv_rollup_set_unref(set);
        return VARVE_OK;
    }
    bool is_logged = !db->is_memory && db->options.sync != VARVE_SYNC_NO_LOG;
    vv_buf payload;
    vv_buf_init(&payload, &db->alloc, SIZE_MAX);
    if (is_logged) {
        (void)vv_buf_append_u8(&payload, VV_POLICY_ROLLUPS);
        (void)vv_buf_append(&payload, set->stored.data, set->stored.size);
        status = vv_buf_check(&payload, out_err);
    }
    if (status == VARVE_OK) {
        status = rollup_log(db, set, vv_buf_bytes(&payload), out_err);
    } else {
        vv_rollup_set_unref(set);
    }
    vv_buf_deinit(&payload);
    return status;
}

varve_status vv_rollups_replace(varve_db *db, const varve_rollup *rollups, size_t count,
                                varve_error *out_err)
{
    vv_mutex_lock(&db->rollup_lock);
    varve_status status = rollup_replace_locked(db, rollups, count, out_err);
    vv_mutex_unlock(&db->rollup_lock);
    return status;
}

varve_status vv_rollups_load(varve_db *db, vv_bytes stored, varve_error *out_err)
{
    vv_rollup_set *set;
    if (stored.size == 0) {
        return VARVE_OK;
    }
    VV_TRY(vv_rollup_set_read(stored, &db->alloc, &set, out_err));
    vv_rollup_set_unref(rollup_install(db, set));
    return VARVE_OK;
}

varve_status vv_rollups_distrust(varve_db *db, varve_error *out_err)
{
    vv_rollup_set *set;
    if (db->rollups == NULL) { /* opening: nobody else is here */
        return VARVE_OK;
    }
    VV_TRY(vv_rollup_set_renew(db->rollups, &set, out_err));
    vv_rollup_set_unref(rollup_install(db, set));
    return VARVE_OK;
}

/* ---- deletes that passes have seen ---- */

static void rollup_settle_locked(varve_db *db, uint64_t visible)
{
    vv_mutex_assert_held(&db->state_lock);
    vv_rollup_progress *progress = &db->rollup_progress;
    progress->settled = visible > progress->settled ? visible : progress->settled;
}

void vv_rollups_wrote(varve_db *db)
{
    uint64_t last_lsn;
    uint64_t last_sequence;
    vv_wal_position(db->wal, &last_lsn, &last_sequence);
    vv_mutex_lock(&db->state_lock);
    db->rollup_progress.written = last_sequence;
    vv_mutex_unlock(&db->state_lock);
}

void vv_rollups_passed(varve_db *db, uint64_t visible)
{
    vv_mutex_lock(&db->state_lock);
    vv_rollup_progress *progress = &db->rollup_progress;
    if (progress->written <= progress->flushed) {
        rollup_settle_locked(db, visible);
    } else {
        progress->passed = visible;
    }
    vv_mutex_unlock(&db->state_lock);
}

void vv_rollups_flushed_locked(varve_db *db, uint64_t last_sequence)
{
    vv_rollup_progress *progress = &db->rollup_progress;
    progress->flushed = last_sequence;
    if (progress->written <= last_sequence) {
        rollup_settle_locked(db, progress->passed);
    }
}

bool vv_rollups_need(varve_db *db, const vv_tombstone *tombstone)
{
    vv_mutex_lock(&db->state_lock);
    bool exist = db->rollups != NULL && db->rollups->count > 0;
    bool is_needed = exist && tombstone->sequence > db->rollup_progress.settled &&
                     !vv_tombstone_is_of_rows(tombstone); /* no rollup keeps metrics with row ids */
    vv_mutex_unlock(&db->state_lock);
    return is_needed;
}

void vv_rollups_forget(varve_db *db)
{
    vv_rollup_set_unref(db->rollups);
    vv_rollup_set_unref(db->rollups_cleaned);
    db->rollups = NULL;
    db->rollups_cleaned = NULL;
}
