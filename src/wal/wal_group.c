/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: who writes, who waits, and what may be seen.
 *
 * A caller that needs something written and finds no leader becomes one: it closes the open group,
 * swaps the buffers, and writes cut by cut without the lock. Callers that come meanwhile append to
 * the other buffer and wait; when the leader is done, one of them leads the next group. No timer is
 * involved unless group_delay asks for one.
 *
 *        caller 1   append  lead |--- write, sync ---|
 *        caller 2       append   wait ................ lead |--- write, sync ---|
 *        caller 3         append wait ................ wait ....................
 *
 * Callers that wait for a ticket form cohorts: those whose batches the leader writes now, and those
 * whose batches come next. Each cohort waits for an event of its own, the two in turn:
 *
 *      leader, with the lock     tickets are written, durable, visible; both events advance
 *              without it        wakes one of the next cohort, who leads; wakes all of this one
 *      a woken one               finds his ticket visible, and leaves without the lock
 *
 * So the end of a write wakes whom it answers and one of the others (measured: with 64 writers half
 * of the switches between threads were in vain), and nobody waits for the lock to learn that he is
 * done.
 *
 *   Q1  Who waits for an event has read it under the lock, and his ticket was not written then: a
 *       round that writes it, or fails, ends after that and advances the event.
 *
 *   Q2  Where something is to be written and nobody leads, somebody was woken to lead: by the end
 *       of a round, and again by a woken one who has nothing to write. Who comes later looks
 *       himself.
 *
 *   Q3  A ticket that is written and not visible waits for an earlier batch to be applied: that is
 *       `progress`, a condition of the lock, and seldom.
 *
 * written and durable are prefixes of the tickets, so the state of any ticket, however old, is
 * known from two numbers; only batches that are not visible yet have an entry of their own.
 *
 * After the first failed write or sync (G4) nothing is written any more: the kernel may have
 * dropped the pages and will not say so a second time.
 */
#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/status.h"
#include "wal/wal_priv.h"

enum {
    WAL_GROUP_BUFFER_KEEP_BYTES = 4 * 1024 * 1024, /* a larger buffer is given back when empty */
};

/* ---- cohorts -------------------------------------------------------------------------------- */

/* The event of those whose batches are written now, and of those that come next. */
static vv_event *wal_group_cohort(vv_wal *wal, bool is_next)
{
    return &wal->cohorts[(wal->cohort + (is_next ? 1 : 0)) % VV_ARRAY_COUNT(wal->cohorts)];
}

static void wal_group_wake_cohorts_locked(vv_wal *wal)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(wal->cohorts); ++i) {
        vv_event_advance(&wal->cohorts[i]);
        vv_event_wake(&wal->cohorts[i], VV_EVENT_WAKE_ALL);
    }
}

void vv_wal_wake_all_locked(vv_wal *wal)
{
    vv_cond_broadcast(&wal->progress);
    wal_group_wake_cohorts_locked(wal);
}

/* Something waits for a write, and nobody writes. */
static bool wal_group_wants_leader(const vv_wal *wal)
{
    return wal->has_files && !wal->is_leading && wal->last_unbuffered > wal->written_ticket;
}

/* Whom the end of a round wakes, once the lock is given back. */
typedef struct wal_group_wakes {
    vv_event *done, *next;
    uint32_t next_count;
} wal_group_wakes;

static wal_group_wakes wal_group_end_cohort_locked(vv_wal *wal)
{
    wal_group_wakes wakes = {.done = wal_group_cohort(wal, false),
                             .next = wal_group_cohort(wal, true)};
    vv_event_advance(wakes.done);
    if (wal->visible_ticket > wal->cohort_ticket) {
        wakes.next_count = VV_EVENT_WAKE_ALL; /* of batches that need no write of their own */
    } else if (wal_group_wants_leader(wal)) {
        wakes.next_count = 1;
    }
    if (wakes.next_count > 0) {
        vv_event_advance(wakes.next);
    }
    return wakes;
}

/* The next leader first: his sync is what the others will wait for. */
static void wal_group_wake(const wal_group_wakes *wakes)
{
    if (wakes->next_count > 0) {
        vv_event_wake(wakes->next, wakes->next_count);
    }
    vv_event_wake(wakes->done, VV_EVENT_WAKE_ALL);
}

/* ---- visibility ----------------------------------------------------------------------------- */

static bool wal_group_is_safe(const vv_wal *wal, uint64_t ticket, uint32_t sync)
{
    if (!wal->has_files) {
        return true;
    }
    switch (sync) {
    case VARVE_SYNC_GROUP:
    case VARVE_SYNC_ALWAYS:
        return ticket <= wal->durable_ticket;
    case VARVE_SYNC_INTERVAL:
    case VARVE_SYNC_NONE:
        return ticket <= wal->written_ticket;
    default:
        return true; /* BUFFERED, NO_LOG: it is in the buffer */
    }
}

/* Whether visible moved. */
static bool wal_group_advance_locked(vv_wal *wal)
{
    vv_mutex_assert_held(&wal->lock);
    if (wal->is_failed) {
        return false;
    }
    uint64_t visible = 0; /* also of a batch without rows that comes before all rows */
    uint64_t first = wal->first_pending;
    while (wal->first_pending <= wal->last_ticket) {
        const vv_wal_batch *batch = &wal->ring[wal->first_pending & (wal->ring_capacity - 1)];
        if (!batch->is_applied || !wal_group_is_safe(wal, wal->first_pending, batch->sync)) {
            break;
        }
        visible = batch->last_sequence;
        wal->first_pending += 1;
    }
    if (wal->first_pending == first) {
        return false;
    }
    VV_ASSERT(visible >= atomic_load(&wal->visible_sequence));
    atomic_store_explicit(&wal->visible_sequence, visible, memory_order_release);
    atomic_store(&wal->visible_ticket, wal->first_pending - 1);
    vv_cond_broadcast(&wal->progress);
    return true;
}

void vv_wal_advance_locked(vv_wal *wal)
{
    if (wal_group_advance_locked(wal)) {
        wal_group_wake_cohorts_locked(wal);
    }
}

/* ---- failing -------------------------------------------------------------------------------- */

void vv_wal_fail_locked(vv_wal *wal, const varve_error *reason)
{
    vv_mutex_assert_held(&wal->lock);
    if (!wal->is_failed) {
        wal->is_failed = true;
        wal->failure = *reason;
        wal->failure.status = VARVE_E_IO; /* whatever the reason: waiting does not help */
        wal->failed_ticket = wal->last_ticket;
    }
    vv_wal_wake_all_locked(wal);
}

void vv_wal_fail(vv_wal *wal, const varve_error *reason)
{
    vv_mutex_lock(&wal->lock);
    vv_wal_fail_locked(wal, reason);
    vv_mutex_unlock(&wal->lock);
}

varve_status vv_wal_refuse_locked(const vv_wal *wal, varve_error *out_err)
{
    if (wal->is_failed) {
        return vv_fail(out_err, VARVE_E_FENCED,
                       "the log failed and takes no more writes until the database is opened "
                       "again: %s",
                       wal->failure.message);
    }
    return vv_fail(out_err, VARVE_E_FENCED, "the log is sealed");
}

/* ---- the leader, without the lock ----------------------------------------------------------- */

/* What happened to one cut. */
typedef struct wal_group_progress {
    bool is_synced;
    int64_t sync_ns;
} wal_group_progress;

/* Fill in what only the leader knows, in the last record of a cut. */
static void wal_group_fill_late(vv_wal *wal, uint8_t *record, uint8_t type)
{
    uint8_t *payload = record + VV_FRAME_HEADER_BYTES;
    uint64_t durable_lsn = atomic_load(&wal->durable_lsn);
    size_t size = 0;
    if (type == VV_WAL_COMMIT) {
        int64_t wall_ns = vv_env_wall_ns(&wal->env);
        memcpy(payload + 16, &durable_lsn, 8);
        memcpy(payload + 24, &wall_ns, 8);
        size = VV_WAL_COMMIT_BYTES;
    } else if (type == VV_WAL_MARK) {
        memcpy(payload, &durable_lsn, 8);
        size = VV_WAL_MARK_BYTES;
    } else if (type == VV_WAL_SEAL) {
        memcpy(payload + 8, &durable_lsn, 8);
        size = VV_WAL_SEAL_BYTES;
    }
    if (size > 0) {
        vv_frame_set_payload_crc(record, vv_crc32c(0, payload, size));
    }
}

/* Chain and header checksums of the records of one cut. */
static void wal_group_finish_records(vv_wal *wal, uint8_t *bytes, size_t size)
{
    vv_wal_target *target = &wal->target;
    size_t position = 0;
    while (position < size) {
        uint8_t *record = bytes + position;
        vv_frame frame = vv_frame_get(record);
        wal_group_fill_late(wal, record, frame.type);
        target->chain = vv_frame_finish(record, target->salt, target->chain);
        position += vv_frame_bytes(frame.payload_size);
    }
    VV_ASSERT(position == size);
}

/** Count a sync in the bucket of its time. */
static void wal_group_count_sync(vv_wal *wal, int64_t sync_ns)
{
#define WAL_GROUP_BOUND(index, us) (us),
    static const int64_t bounds_us[] = {VV_WAL_SYNC_BOUNDS_MAP(WAL_GROUP_BOUND)};
#undef WAL_GROUP_BOUND
    size_t at = 0;
    while (at < VV_ARRAY_COUNT(bounds_us) && sync_ns > bounds_us[at] * 1000) {
        at++;
    }
    atomic_fetch_add_explicit(&wal->stat_syncs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&wal->stat_sync_ns, (uint64_t)sync_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&wal->stat_sync_buckets[at], 1, memory_order_relaxed);
}

static varve_status wal_group_sync(vv_wal *wal, vv_sync_site site, wal_group_progress *progress,
                                   varve_error *out_err)
{
    int64_t start_ns = vv_wal_now(wal);
    varve_status status = wal->target.is_preallocated
                              ? vv_file_fdatasync(wal->target.file, site, out_err)
                              : vv_file_fsync(wal->target.file, site, out_err);
    progress->is_synced = status == VARVE_OK;
    progress->sync_ns = vv_wal_now(wal) - start_ns;
    wal_group_count_sync(wal, progress->sync_ns);
    return status;
}

static varve_status wal_group_write(vv_wal *wal, const vv_wal_cut *cut, uint8_t *bytes, size_t size,
                                    bool must_sync, wal_group_progress *progress,
                                    varve_error *out_err)
{
    wal_group_finish_records(wal, bytes, size);
    vv_iov piece = {.data = bytes, .size = size};
    VV_TRY(vv_file_append_all(wal->target.file, &wal->target.offset, &piece, 1, out_err));
    atomic_fetch_add_explicit(&wal->stat_bytes, size, memory_order_relaxed);
    if (cut->kind == VV_WAL_CUT_SEAL) {
        return wal_group_sync(wal, VV_SITE_WAL_SEAL, progress, out_err);
    }
    if (cut->kind == VV_WAL_CUT_GROUP) {
        atomic_fetch_add_explicit(&wal->stat_groups, 1, memory_order_relaxed);
    }
    return must_sync ? wal_group_sync(wal, VV_SITE_WAL_GROUP, progress, out_err) : VARVE_OK;
}

/* ---- the leader, with the lock -------------------------------------------------------------- */

static void wal_group_note_sync(vv_wal *wal)
{
    atomic_store(&wal->durable_lsn, wal->written_lsn);
    atomic_store(&wal->durable_ticket, wal->written_ticket);
    wal->unsynced_since_ns = 0;
    wal->last_sync_ns = vv_wal_now(wal);
}

/* The sealed file is left; the next cut goes to the one behind it. */
static varve_status wal_group_leave_file(vv_wal *wal, varve_error *out_err)
{
    vv_wal_file *sealed = vv_wal_find_file_locked(wal, wal->target.seq);
    vv_wal_file *next = vv_wal_find_file_locked(wal, wal->target.seq + 1);
    VV_ASSERT(sealed != NULL);
    sealed->is_sealed = true;
    sealed->last_lsn = wal->written_lsn;
    vv_file *file = sealed->file;
    sealed->file = NULL;
    if (next != NULL) {
        wal->target = (vv_wal_target){.file = next->file,
                                      .seq = next->seq,
                                      .salt = next->salt,
                                      .offset = VV_FRAME_FILE_HEADER_BYTES,
                                      .chain = vv_frame_chain_first(next->salt),
                                      .is_preallocated = next->is_preallocated};
    } else {
        wal->target.file = NULL; /* the SEAL of a clean close */
    }
    return vv_file_close(file, out_err);
}

static bool wal_group_interval_is_due(const vv_wal *wal)
{
    return wal->unsynced_since_ns != 0 && vv_wal_now(wal) - wal->unsynced_since_ns >=
                                              (int64_t)wal->options.sync_interval_ms * VV_NS_PER_MS;
}

/* Whether visible moved. */
static bool wal_group_note_cut(vv_wal *wal, const vv_wal_cut *cut,
                               const wal_group_progress *progress)
{
    atomic_store(&wal->written_ticket, cut->last_ticket);
    wal->written_lsn = cut->last_lsn;
    if (cut->has_interval && wal->unsynced_since_ns == 0) {
        wal->unsynced_since_ns = vv_wal_now(wal);
    }
    if (progress->is_synced) {
        wal_group_note_sync(wal);
    }
    vv_cond_broadcast(&wal->progress);
    return wal_group_advance_locked(wal);
}

/* Write the swapped-out buffer, cut by cut. Drops the lock around the work on the file. */
static varve_status wal_group_write_buffer(vv_wal *wal, vv_wal_buffer *buffer, bool must_sync,
                                           varve_error *out_err)
{
    size_t begin = 0;
    for (size_t i = 0; i < buffer->cuts.count; ++i) {
        vv_wal_cut cut = *VV_VEC_AT(&buffer->cuts, vv_wal_cut, i);
        bool is_last = i + 1 == buffer->cuts.count;
        bool syncs = cut.needs_sync || (must_sync && is_last) || wal_group_interval_is_due(wal);
        wal_group_progress progress = {0};
        vv_mutex_unlock(&wal->lock);
        varve_status status = wal_group_write(wal, &cut, buffer->bytes.data + begin,
                                              cut.end - begin, syncs, &progress, out_err);
        vv_mutex_lock(&wal->lock);
        VV_TRY(status);
        begin = cut.end;
        if (wal_group_note_cut(wal, &cut, &progress) && !is_last) {
            wal_group_wake_cohorts_locked(wal); /* the end of the round is further off */
        }
        if (cut.kind == VV_WAL_CUT_SEAL) {
            VV_TRY(wal_group_leave_file(wal, out_err));
        }
    }
    return VARVE_OK;
}

/* Nothing was left to write: only the sync is missing. */
static varve_status wal_group_sync_written(vv_wal *wal, varve_error *out_err)
{
    wal_group_progress progress = {0};
    vv_mutex_unlock(&wal->lock);
    varve_status status = wal_group_sync(wal, VV_SITE_WAL_MARK, &progress, out_err);
    vv_mutex_lock(&wal->lock);
    VV_TRY(status);
    wal_group_note_sync(wal);
    VV_IGNORE(wal_group_advance_locked(wal));
    return VARVE_OK;
}

/* Wait for company, as group_delay asks: not when a batch asked for ALWAYS, nor beyond the caps. */
static void wal_group_delay(vv_wal *wal)
{
    if (wal->options.group_delay_us == 0 || !wal->options.has_threads) {
        return;
    }
    int64_t deadline_ns = vv_deadline_after_ns((int64_t)wal->options.group_delay_us * VV_NS_PER_US);
    while (!wal->group_is_urgent && !wal->is_stopping && wal->group_needs_sync && wal->has_group &&
           wal->filling->bytes.size < VV_WAL_GROUP_BYTES_MAX &&
           wal->group_batches < VV_WAL_GROUP_BATCHES_MAX && vv_mono_now_ns() < deadline_ns) {
        VV_IGNORE(vv_cond_wait_until(&wal->progress, &wal->lock, deadline_ns));
    }
}

/* The writers of the group before were woken a moment ago and are about to come back. Let them run
 * while they keep coming, until there are as many as were in that group and came while it was
 * written: otherwise two halves of them take turns, each waiting for the other's sync (measured:
 * with 8 writers groups of 4 become groups of 8). A single writer never waits. */
static void wal_group_gather(vv_wal *wal)
{
    if (!wal->options.has_threads || !wal->has_group || !wal->group_needs_sync) {
        return;
    }
    uint32_t wanted = wal->last_batches;
    if (wal->group_batches >= wanted) {
        return;
    }
    wanted -= wal->group_batches;
    uint32_t first = atomic_load_explicit(&wal->arrivals, memory_order_relaxed);
    vv_mutex_unlock(&wal->lock); /* those who come need it */
    uint32_t arrived = 0;
    int64_t now = vv_mono_now_ns();
    int64_t deadline_ns = now + VV_WAL_GATHER_NS;
    int64_t quiet_since_ns = now;
    while (arrived < wanted && now < deadline_ns && now - quiet_since_ns < VV_WAL_GATHER_QUIET_NS) {
        vv_thread_yield();
        uint32_t before = arrived;
        arrived = atomic_load_explicit(&wal->arrivals, memory_order_relaxed) - first;
        now = vv_mono_now_ns();
        quiet_since_ns = arrived > before ? now : quiet_since_ns;
    }
    vv_mutex_lock(&wal->lock);
}

static uint32_t wal_group_open_batches(const vv_wal *wal)
{
    return wal->has_group ? wal->group_batches : 0;
}

static void wal_group_empty(vv_wal_buffer *buffer)
{
    vv_vec_clear(&buffer->cuts);
    if (buffer->bytes.capacity > WAL_GROUP_BUFFER_KEEP_BYTES) {
        vv_buf_deinit(&buffer->bytes);
    }
    vv_buf_reset(&buffer->bytes);
}

/* Whether the buffer may be given back: a reservation may count on its room. */
static bool wal_group_may_shrink(const vv_wal *wal)
{
    return wal->reserved_batches == 0;
}

/* A round; the caller wakes whom it is told, once the lock is given back. */
static wal_group_wakes wal_group_lead_locked(vv_wal *wal, bool must_sync)
{
    wal->is_leading = true;
    wal_group_gather(wal);
    wal_group_delay(wal);
    uint32_t batches = wal_group_open_batches(wal);
    vv_wal_close_group_locked(wal);
    vv_wal_buffer *buffer = wal->filling;
    wal->filling = wal->spare;
    wal->spare = buffer;
    wal->cohort += 1;
    wal->cohort_ticket = wal->last_ticket;
    varve_error error;
    varve_status status = VARVE_OK;
    if (buffer->cuts.count > 0) {
        status = wal_group_write_buffer(wal, buffer, must_sync, &error);
    } else {
        VV_ASSERT(must_sync && atomic_load(&wal->durable_lsn) < wal->written_lsn);
        status = wal_group_sync_written(wal, &error);
    }
    wal->is_leading = false;
    wal->last_batches = batches + wal_group_open_batches(wal);
    if (status != VARVE_OK) {
        vv_wal_fail_locked(wal, &error);
    }
    vv_vec_clear(&buffer->cuts);
    vv_buf_reset(&buffer->bytes);
    if (wal_group_may_shrink(wal)) {
        wal_group_empty(buffer);
    }
    if (vv_wal_has_pending(wal)) {
        vv_wal_wake_locked(wal, vv_wal_now(wal) + VV_WAL_UNWAITED_AGE_NS);
    }
    vv_cond_broadcast(&wal->progress);
    return wal_group_end_cohort_locked(wal);
}

void vv_wal_lead_locked(vv_wal *wal, bool must_sync)
{
    vv_mutex_assert_held(&wal->lock);
    VV_ASSERT(!wal->is_leading && wal->has_files);
    VV_ASSERT(!wal->is_sealed); /* with nothing pending and nothing to sync */
    if (wal->is_failed) {
        return;
    }
    wal_group_wakes wakes = wal_group_lead_locked(wal, must_sync);
    vv_mutex_unlock(&wal->lock);
    wal_group_wake(&wakes);
    vv_mutex_lock(&wal->lock);
}

/* ---- followers ------------------------------------------------------------------------------ */

static uint32_t wal_group_ack(const vv_wal *wal, uint64_t ticket)
{
    if (!wal->has_files || ticket > wal->written_ticket) {
        return VARVE_ACK_VOLATILE;
    }
    return ticket <= wal->durable_ticket ? VARVE_ACK_DURABLE : VARVE_ACK_APPENDED;
}

/* The answer for a ticket that a failure caught. */
static varve_status wal_group_answer_failed(const vv_wal *wal, uint64_t ticket,
                                            varve_error *out_err)
{
    if (ticket > wal->failed_ticket) {
        return vv_wal_refuse_locked(wal, out_err);
    }
    varve_status status =
        vv_fail(out_err, VARVE_E_IO, "outcome unknown, the log failed: %s", wal->failure.message);
    if (out_err != NULL) {
        out_err->os_errno = wal->failure.os_errno;
    }
    return status;
}

/* Whether leading would bring this ticket on: something before it waits for a write. A mere look
 * (no time to wait) leads only where nobody else would. */
static bool wal_group_should_lead(const vv_wal *wal, uint64_t ticket, uint64_t timeout_ms)
{
    return (timeout_ms > 0 || !wal->options.has_threads) && wal->has_files && !wal->is_leading &&
           ticket > wal->written_ticket && wal->last_unbuffered > wal->written_ticket;
}

/* Who waits for a ticket. */
typedef struct wal_group_waiter {
    uint64_t ticket;
    uint64_t timeout_ms;
    int64_t deadline_ns;
    vv_event *event; /* that he waits for next; NULL: he looks again */
    uint32_t seen;
    bool is_late; /* the deadline has passed */
} wal_group_waiter;

/* Choose what to wait for; what needs the lock is waited for at once. */
static void wal_group_prepare_wait_locked(vv_wal *wal, wal_group_waiter *waiter)
{
    if (waiter->ticket > wal->written_ticket) {
        waiter->event = wal_group_cohort(wal, waiter->ticket > wal->cohort_ticket); /* Q1 */
        waiter->seen = vv_event_read(waiter->event);
        return;
    }
    if (wal_group_wants_leader(wal)) { /* Q2 */
        vv_event *next = wal_group_cohort(wal, true);
        vv_event_advance(next);
        vv_event_wake(next, 1);
    }
    waiter->is_late = !vv_cond_wait_until(&wal->progress, &wal->lock, waiter->deadline_ns); /* Q3 */
}

/* A step towards the answer; takes the lock and gives it back. */
static varve_status wal_group_step(vv_wal *wal, wal_group_waiter *waiter, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    wal_group_wakes wakes = {.done = NULL};
    waiter->event = NULL;
    vv_mutex_lock(&wal->lock);
    if (waiter->ticket == 0 || waiter->ticket > wal->last_ticket) {
        status = vv_fail(out_err, VARVE_E_INVALID, "no batch has the ticket %llu",
                         (unsigned long long)waiter->ticket);
    } else if (waiter->ticket <= wal->visible_ticket) {
        status = VARVE_OK; /* it came while this one waited for the lock */
    } else if (wal->is_failed) {
        status = wal_group_answer_failed(wal, waiter->ticket, out_err);
    } else if (waiter->is_late) {
        status = vv_fail(out_err, VARVE_E_TIMEOUT, "batch %llu is not as safe as asked yet",
                         (unsigned long long)waiter->ticket);
    } else if (!wal->is_sealed && wal_group_should_lead(wal, waiter->ticket, waiter->timeout_ms)) {
        wakes = wal_group_lead_locked(wal, /* sync */ false);
    } else {
        wal_group_prepare_wait_locked(wal, waiter);
    }
    vv_mutex_unlock(&wal->lock);
    if (wakes.done != NULL) {
        wal_group_wake(&wakes);
    }
    return status;
}

varve_status vv_wal_wait(vv_wal *wal, uint64_t ticket_id, uint64_t timeout_ms, uint32_t *out_ack,
                         varve_error *out_err)
{
    wal_group_waiter waiter = {.ticket = ticket_id,
                               .timeout_ms = timeout_ms,
                               .deadline_ns = vv_deadline_after_ms(timeout_ms)};
    while (ticket_id == 0 || ticket_id > atomic_load(&wal->visible_ticket)) {
        VV_TRY(wal_group_step(wal, &waiter, out_err));
        if (waiter.event != NULL) {
            waiter.is_late = !vv_event_wait_until(waiter.event, waiter.seen, waiter.deadline_ns);
        }
    }
    if (out_ack != NULL) {
        *out_ack = wal_group_ack(wal, ticket_id);
    }
    return VARVE_OK;
}

varve_status vv_wal_wait_visible(vv_wal *wal, uint64_t sequence, uint64_t timeout_ms,
                                 varve_error *out_err)
{
    int64_t deadline_ns = vv_deadline_after_ms(timeout_ms);
    varve_status status = VARVE_OK;
    vv_mutex_lock(&wal->lock);
    bool is_late = false;
    while (status == VARVE_OK && vv_wal_visible(wal) <= sequence) {
        if (wal->is_failed || wal->is_sealed) {
            status = vv_wal_refuse_locked(wal, out_err);
        } else if (is_late) {
            status = vv_fail(out_err, VARVE_E_TIMEOUT, "no row above sequence %llu yet",
                             (unsigned long long)sequence);
        } else if (!wal->options.has_threads &&
                   wal_group_should_lead(wal, wal->last_ticket, timeout_ms)) {
            vv_wal_lead_locked(wal, /* sync */ false);
        } else {
            is_late = !vv_cond_wait_until(&wal->progress, &wal->lock, deadline_ns);
        }
    }
    vv_mutex_unlock(&wal->lock);
    return status;
}

/* Nothing up to lsn waits for a sync. */
static bool wal_group_is_synced(const vv_wal *wal, uint64_t lsn)
{
    return !wal->has_files || atomic_load(&wal->durable_lsn) >= lsn;
}

/* Durable, and every batch up to lsn visible? */
static bool wal_group_has_reached(const vv_wal *wal, uint64_t lsn)
{
    return wal_group_is_synced(wal, lsn) &&
           (wal->first_pending > wal->last_ticket ||
            wal->ring[wal->first_pending & (wal->ring_capacity - 1)].last_lsn > lsn);
}

varve_status vv_wal_sync(vv_wal *wal, uint64_t lsn, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    vv_mutex_lock(&wal->lock);
    VV_ASSERT(lsn < wal->next_lsn);
    while (status == VARVE_OK && !wal_group_has_reached(wal, lsn)) {
        if (wal->is_failed) {
            status = wal_group_answer_failed(wal, wal->failed_ticket, out_err);
        } else if (!wal->is_leading && !wal_group_is_synced(wal, lsn)) {
            vv_wal_lead_locked(wal, /* sync */ true);
        } else {
            VV_IGNORE(vv_cond_wait_until(&wal->progress, &wal->lock, VV_NO_DEADLINE));
        }
    }
    if (status == VARVE_OK && !wal->has_files && atomic_load(&wal->durable_lsn) < lsn) {
        atomic_store(&wal->durable_lsn, lsn);
    }
    vv_mutex_unlock(&wal->lock);
    return status;
}
