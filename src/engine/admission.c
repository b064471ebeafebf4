/* SPDX-License-Identifier: Apache-2.0 */

/* Waiting for room before a write begins (see admission.h). */

#include "engine/admission.h"

#include "base/limit.h"
#include "base/status.h"
#include "engine/background.h"
#include "engine/flush.h"
#include "engine/merge.h"
#include "engine/space.h"
#include "index/catalogue.h"
#include "segment/segment.h"
#include "wal/wal.h"

/* Of a flush: scratch, blocks and index of the segment it writes (measured: 1.6 MiB); of a small
 * bound not more than this share. */
enum { ADMISSION_ROOM_BYTES = 2 * 1024 * 1024, ADMISSION_ROOM_SHARE = 8 };

/* How long a look at what others hold (cursors, batches) is good for; arbitrary. */
#define ADMISSION_LOOK_NS (10 * VV_NS_PER_MS)

/* ---- what presses ---- */

/** What a flush needs while it gives memory back stays free below the bound, and so does a tenth
 *  above it: what is under way goes on. */
static uint64_t admission_memory_bound(const varve_db *db)
{
    uint64_t limit = db->options.memory_limit_bytes;
    uint64_t room = limit / ADMISSION_ROOM_SHARE;
    return limit - (room < ADMISSION_ROOM_BYTES ? room : (uint64_t)ADMISSION_ROOM_BYTES);
}

static bool admission_lacks_memory(const varve_db *db)
{
    return vv_alloc_bytes(&db->alloc) >= admission_memory_bound(db);
}

static bool admission_lacks_log(const varve_db *db, const vv_admission *write)
{
    bool is_bound = write->is_logged && (write->has_rows || !vv_space_is_low(db));
    return is_bound && vv_wal_left_bytes(db->wal) >= vv_space_log_max(db);
}

static bool admission_must_wait(const varve_db *db, const vv_admission *write)
{
    return admission_lacks_memory(db) || admission_lacks_log(db, write);
}

static varve_status admission_refuse(varve_db *db, varve_error *out_err)
{
    vv_count(&db->counters.writes_refused, 1);
    if (admission_lacks_memory(db)) {
        return vv_fail(
            out_err, VARVE_E_BUSY, "memory stays at %zu bytes, memory_limit_bytes is %llu",
            vv_alloc_bytes(&db->alloc), (unsigned long long)db->options.memory_limit_bytes);
    }
    return vv_fail(out_err, VARVE_E_BUSY,
                   "the log stays at %llu bytes; log_bytes_max and the disk allow %llu, and no "
                   "flush makes room",
                   (unsigned long long)vv_wal_left_bytes(db->wal),
                   (unsigned long long)vv_space_log_max(db));
}

/* ---- making room ---- */

/** What needs no flush: blocks that are only kept for the next reader. */
static void admission_drop_cache(varve_db *db)
{
    if (admission_lacks_memory(db)) {
        vv_block_cache_trim(db->cache);
    }
}

/** A flush by the writer himself; true: it was done, and worked. */
static bool admission_flush(varve_db *db)
{
    if (vv_retry_is_waiting(&db->flush_retry, &db->env)) {
        return false; /* it failed a moment ago */
    }
    varve_error error;
    vv_count(&db->counters.flushes_forced, 1);
    bool is_done = vv_flush(db, NULL, &error) == VARVE_OK;
    if (!is_done) {
        vv_db_log(db, VARVE_LOG_WARN, "flush.failed", "%s; a write waited for it", error.message);
    }
    return is_done;
}

/** One step of waiting; false: nothing that this writer can do or wait for helps. */
static bool admission_step(varve_db *db, const vv_admission *write, bool *flushed)
{
    if (db->is_memory) {
        return false; /* its segments are memory too */
    }
    if (db->background != NULL && vv_flush_is_due(db)) {
        vv_background_wait(db, write->deadline_ns);
        return true;
    }
    if (!*flushed) {
        *flushed = true;
        return admission_flush(db) || db->background != NULL;
    }
    if (db->background == NULL) {
        return false;
    }
    /* What is left is held by cursors and batches of others: look again in a while. */
    int64_t soon = vv_deadline_after_ns(ADMISSION_LOOK_NS);
    vv_background_wait(db, soon < write->deadline_ns ? soon : write->deadline_ns);
    return true;
}

static varve_status admission_relieve(varve_db *db, const vv_admission *write, varve_error *out_err)
{
    int64_t begun = vv_mono_now_ns();
    bool flushed = false;
    bool is_helped = true;
    varve_status status = VARVE_OK;
    vv_count(&db->counters.writes_delayed, 1);
    admission_drop_cache(db);
    while (status == VARVE_OK && admission_must_wait(db, write)) {
        status = vv_db_check_writing(db, out_err); /* then no flush frees anything */
        if (status == VARVE_OK && write->has_rows) {
            status = vv_space_admit(db, out_err);
        }
        if (status == VARVE_OK && (!is_helped || vv_mono_now_ns() >= write->deadline_ns)) {
            status = admission_refuse(db, out_err);
        }
        if (status == VARVE_OK) {
            is_helped = admission_step(db, write, &flushed);
        }
    }
    vv_count(&db->counters.delay_ns, (uint64_t)(vv_mono_now_ns() - begun));
    vv_count(&db->counters.writes_relieved, status == VARVE_OK ? 1 : 0);
    return status;
}

/** A full disk, and nobody else to make room on it. */
static void admission_free_space(varve_db *db)
{
    if (db->background != NULL) {
        vv_background_kick(db);
        return;
    }
    varve_error error;
    if (vv_flush_is_due(db)) {
        (void)admission_flush(db);
    }
    if (vv_merge_is_due(db) && vv_merge(db, /* all */ false, NULL, &error) != VARVE_OK) {
        vv_db_log(db, VARVE_LOG_WARN, "merge.failed", "%s; tried again later", error.message);
    }
}

varve_status vv_admission_wait(varve_db *db, const vv_admission *write, varve_error *out_err)
{
    if (VV_UNLIKELY(vv_space_is_low(db))) {
        if (db->background == NULL) {
            admission_free_space(db);
        }
        if (write->has_rows) {
            VV_TRY(vv_space_admit(db, out_err));
        }
    }
    return VV_UNLIKELY(admission_must_wait(db, write)) ? admission_relieve(db, write, out_err)
                                                       : VARVE_OK;
}

varve_status vv_admission_reserve(varve_db *db, const vv_admission *write, size_t payload_bytes,
                                  size_t record_count, varve_error *out_err)
{
    varve_status status =
        vv_wal_reserve(db->wal, payload_bytes, record_count, write->deadline_ns, out_err);
    if (status == VARVE_E_NOSPACE) {
        vv_space_look(db);
        if (vv_wal_left_bytes(db->wal) > 0) {
            admission_free_space(db);
        }
        bool is_released = !write->has_rows && vv_space_release(db);
        if (is_released || db->background == NULL) {
            vv_wal_retry_space(db->wal);
            status =
                vv_wal_reserve(db->wal, payload_bytes, record_count, write->deadline_ns, out_err);
        }
    }
    /* A log that has no room in time is busy; the caller's own timeouts are another thing. */
    return status == VARVE_E_TIMEOUT
               ? vv_fail(out_err, VARVE_E_BUSY, "the log had no room for the batch in time")
               : status;
}
