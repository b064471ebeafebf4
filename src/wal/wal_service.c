/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is due in the log without anybody waiting for it, and the thread that does it.
 *
 *   pending batches   written when nobody led them for 5 ms (BUFFERED: 100 ms or 256 KiB)
 *   interval          synced when written bytes have waited for sync_interval_ms
 *   MARK              200 ms after a sync that nothing followed: later proof of what was synced
 *   next file         made when the present one is half full; tried again when the disk was full
 *
 * The thread sleeps until the first of these is due, and without end when none is. A writer wakes
 * it only where it would come too late; after each look at a busy log it comes back by itself, so
 * that a steady stream of writes costs no wake-ups. Without a thread callers run the same function,
 * and what nobody waits for is due at once: there is no one to come back later.
 *
 * The rule that threads start in engine, net and server only is broken here: a log is not usable
 * without this one, and the engine would only pass it on.
 */
#include "base/assert.h"
#include "sys/clock.h"
#include "wal/wal_priv.h"

static int64_t wal_service_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the pending batches are to be written; INT64_MAX: there are none. */
static int64_t wal_service_pending_due(const vv_wal *wal)
{
    if (!vv_wal_has_pending(wal)) {
        return INT64_MAX;
    }
    if (wal->last_unbuffered > wal->written_ticket) {
        return wal->options.has_threads ? wal->pending_since_ns + VV_WAL_UNWAITED_AGE_NS
                                        : INT64_MIN;
    }
    if (wal->filling->bytes.size >= VV_WAL_BUFFERED_BYTES_MAX) {
        return INT64_MIN;
    }
    return wal->pending_since_ns + VV_WAL_BUFFERED_AGE_NS;
}

static int64_t wal_service_interval_due(const vv_wal *wal)
{
    if (wal->unsynced_since_ns == 0) {
        return INT64_MAX;
    }
    return wal->unsynced_since_ns + (int64_t)wal->options.sync_interval_ms * VV_NS_PER_MS;
}

/* The last group was synced, and nothing in the log says so: a COMMIT is older than its own sync.
 */
static int64_t wal_service_mark_due(const vv_wal *wal)
{
    uint64_t durable_lsn = atomic_load(&wal->durable_lsn);
    bool is_news = durable_lsn == wal->written_lsn && durable_lsn != wal->unmarked_lsn;
    if (!is_news || vv_wal_has_pending(wal)) {
        return INT64_MAX;
    }
    return wal->last_sync_ns + VV_WAL_MARK_IDLE_NS;
}

static bool wal_service_wants_file(const vv_wal *wal)
{
    return wal->options.has_threads && !wal->is_preparing &&
           wal->append_offset > wal->append_size / 2 && vv_wal_next_file_locked(wal) == NULL;
}

static int64_t wal_service_file_due(const vv_wal *wal)
{
    if (!wal_service_wants_file(wal)) {
        return INT64_MAX;
    }
    return wal->is_short ? wal->space_tried_ns + VV_WAL_SPACE_RETRY_NS : INT64_MIN;
}

/* A MARK where it fits beside what is reserved; skipped otherwise, it is only a help. */
static void wal_service_mark(vv_wal *wal)
{
    int64_t end =
        wal->append_offset + VV_WAL_MARK_RECORD + VV_WAL_SEAL_RECORD + (int64_t)wal->reserved_bytes;
    /* The buffer may have been given back; its cuts stay, with WAL_CUTS_SPARE to spare. */
    bool has_memory =
        vv_buf_reserve(&wal->filling->bytes, VV_WAL_MARK_RECORD + wal->reserved_bytes +
                                                 VV_WAL_BATCH_OVERHEAD) == VARVE_OK;
    wal->filling->bytes.status = VARVE_OK;
    if (end > wal->append_size || !has_memory) {
        wal->unmarked_lsn = atomic_load(&wal->durable_lsn); /* do not ask again */
        return;
    }
    vv_wal_put_mark_locked(wal, 0);
    vv_wal_lead_locked(wal, /* sync */ false);
}

int64_t vv_wal_service_locked(vv_wal *wal)
{
    vv_mutex_assert_held(&wal->lock);
    if (!wal->has_files || wal->is_failed || wal->is_sealed) {
        return INT64_MAX;
    }
    int64_t now = vv_wal_now(wal);
    if (!wal->is_leading && wal_service_pending_due(wal) <= now) {
        vv_wal_lead_locked(wal, /* sync */ false);
    }
    if (!wal->is_leading && wal_service_interval_due(wal) <= now) {
        vv_wal_lead_locked(wal, /* sync */ true);
    }
    if (!wal->is_leading && !wal->is_failed && wal_service_mark_due(wal) <= now) {
        wal_service_mark(wal);
    }
    if (!wal->is_failed && wal_service_file_due(wal) <= now) {
        VV_IGNORE(vv_wal_prepare_locked(wal, 0, NULL)); /* the state tells; writers try again */
    }
    if (wal->is_failed) {
        return INT64_MAX;
    }
    int64_t due = wal_service_min(wal_service_pending_due(wal), wal_service_interval_due(wal));
    due = wal_service_min(due, wal_service_mark_due(wal));
    return wal_service_min(due, wal_service_file_due(wal));
}

void vv_wal_service(vv_wal *wal)
{
    vv_mutex_lock(&wal->lock);
    VV_IGNORE(vv_wal_service_locked(wal));
    vv_mutex_unlock(&wal->lock);
}

/* ---- the thread ----------------------------------------------------------------------------- */

void vv_wal_wake_locked(vv_wal *wal, int64_t due_ns)
{
    if (wal->thread.is_started && due_ns < wal->service_due_ns) {
        wal->service_due_ns = due_ns;
        vv_cond_signal(&wal->wakeup);
    }
}

/* Sleep until something is due; the clock of the environment may be another than that of waits. */
static void wal_service_sleep(vv_wal *wal, int64_t due_ns)
{
    int64_t now = vv_wal_now(wal);
    if (wal->was_active) {
        due_ns = wal_service_min(due_ns, now + VV_WAL_UNWAITED_AGE_NS);
        wal->was_active = false;
    }
    wal->service_due_ns = due_ns;
    while (!wal->is_stopping) {
        now = vv_wal_now(wal);
        if (wal->service_due_ns <= now) {
            break;
        }
        int64_t deadline_ns = wal->service_due_ns == INT64_MAX
                                  ? VV_NO_DEADLINE
                                  : vv_deadline_after_ns(wal->service_due_ns - now);
        VV_IGNORE(vv_cond_wait_until(&wal->wakeup, &wal->lock, deadline_ns));
    }
}

static void wal_service_main(void *context)
{
    vv_wal *wal = context;
    vv_mutex_lock(&wal->lock);
    while (!wal->is_stopping) {
        int64_t due_ns = vv_wal_service_locked(wal);
        if (wal->is_leading && due_ns <= vv_wal_now(wal)) {
            due_ns = vv_wal_now(wal) + VV_WAL_UNWAITED_AGE_NS; /* another leads: look later */
        }
        wal_service_sleep(wal, due_ns);
    }
    vv_mutex_unlock(&wal->lock);
}

varve_status vv_wal_start_thread(vv_wal *wal, varve_error *out_err)
{
    return vv_thread_start(&wal->thread, "varve-log", wal_service_main, wal, out_err);
}

void vv_wal_stop_thread(vv_wal *wal)
{
    if (!wal->thread.is_started) {
        return;
    }
    vv_mutex_lock(&wal->lock);
    wal->is_stopping = true;
    vv_cond_signal(&wal->wakeup);
    vv_wal_wake_all_locked(wal);
    vv_mutex_unlock(&wal->lock);
    vv_thread_join(&wal->thread);
    vv_mutex_lock(&wal->lock);
    wal->options.has_threads = false; /* callers do what is due from now on */
    vv_mutex_unlock(&wal->lock);
}
