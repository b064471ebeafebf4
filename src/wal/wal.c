/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of writes: reservations, appends, what is applied. Opening and sealing the log. The
 * picture of the whole and the division of the files is in wal_priv.h, the promises in wal.h.
 *
 * Everything here runs under one lock. A write takes it three times (reserve, append, applied) for
 * a few hundred nanoseconds each; the copy of the record happens under it, because the place in the
 * buffer is the order. Checksums of chain and headers, writes and syncs happen without it.
 */
#include "wal/wal.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/status.h"
#include "sys/fork_guard.h"
#include "wal/wal_priv.h"

enum {
    WAL_RING_START = 64,            /* arbitrary; it grows with what is pending */
    WAL_FILE_BYTES_MIN = 64 * 1024, /* below, rotation would cost more than the writes */
    WAL_CUTS_SPARE = 4,             /* leader's own: COMMIT, MARK, SEAL, and one to spare */
};

_Static_assert(VV_WAL_COMMIT_RECORD == VV_FRAME_HEADER_BYTES + VV_WAL_COMMIT_BYTES, "COMMIT");
_Static_assert(VV_WAL_MARK_RECORD == VV_FRAME_HEADER_BYTES + VV_WAL_MARK_BYTES, "MARK");
_Static_assert(VV_WAL_SEAL_RECORD >= VV_FRAME_HEADER_BYTES + VV_WAL_SEAL_BYTES, "SEAL");
_Static_assert((int)VV_WAL_RECORD_BYTES_MAX == (int)VV_FRAME_PAYLOAD_BYTES_MAX, "one limit");

/* ---- what a batch costs --------------------------------------------------------------------- */

/* Bytes in buffer and file, at most, with everything the batch may cause (wal_priv.h). */
static size_t wal_cost(size_t payload_bytes, size_t record_count)
{
    return payload_bytes + record_count * VV_WAL_RECORD_OVERHEAD + VV_WAL_BATCH_OVERHEAD;
}

/* Where the file would end if the open group were closed now. */
static int64_t wal_occupied(const vv_wal *wal)
{
    return wal->append_offset + (wal->has_group ? VV_WAL_COMMIT_RECORD : 0);
}

/* Bytes of a next file that is to take everything reserved and `cost` more. */
static int64_t wal_next_size_for(const vv_wal *wal, size_t cost)
{
    return (int64_t)(VV_FRAME_FILE_HEADER_BYTES + VV_WAL_MARK_RECORD + VV_WAL_SEAL_RECORD +
                     wal->reserved_bytes + cost);
}

static bool wal_file_has_room(const vv_wal *wal, size_t cost)
{
    int64_t wanted = (int64_t)(wal->reserved_bytes + cost + VV_WAL_SEAL_RECORD);
    if (wal_occupied(wal) + wanted <= wal->append_size) {
        return true;
    }
    const vv_wal_file *next = vv_wal_next_file_locked(wal);
    return next != NULL && wal_next_size_for(wal, cost) <= next->size;
}

/* ---- records in the buffer ------------------------------------------------------------------ */

/* A record with everything but chain and header_crc; room was reserved. */
static void wal_put_record(vv_wal *wal, uint8_t type, uint8_t flags, vv_bytes payload,
                           uint32_t payload_crc, const uint64_t *sequence)
{
    size_t payload_size = payload.size + (sequence != NULL ? VV_WAL_SEQUENCE_BYTES : 0);
    size_t size = vv_frame_bytes(payload_size);
    uint8_t *target = vv_buf_extend(&wal->filling->bytes, size);
    VV_ASSERT(target != NULL);
    if (sequence != NULL) {
        payload_crc = vv_crc32c(payload_crc, sequence, VV_WAL_SEQUENCE_BYTES);
    }
    vv_frame frame = {.payload_size = (uint32_t)payload_size,
                      .lsn = wal->next_lsn,
                      .type = type,
                      .flags = flags,
                      .payload_crc = payload_crc};
    vv_frame_put(target, &frame);
    target += VV_FRAME_HEADER_BYTES;
    if (payload.size > 0) {
        memcpy(target, payload.data, payload.size);
        target += payload.size;
    }
    if (sequence != NULL) {
        memcpy(target, sequence, VV_WAL_SEQUENCE_BYTES);
        target += VV_WAL_SEQUENCE_BYTES;
    }
    memset(target, 0, size - VV_FRAME_HEADER_BYTES - payload_size);
    wal->next_lsn += 1;
    wal->append_offset += (int64_t)size;
    atomic_fetch_add_explicit(&wal->file_bytes, size, memory_order_relaxed);
    atomic_fetch_add_explicit(&wal->stat_records, 1, memory_order_relaxed);
}

static void wal_put_cut(vv_wal *wal, vv_wal_cut_kind kind)
{
    vv_wal_cut cut = {.kind = kind,
                      .needs_sync = kind == VV_WAL_CUT_GROUP && wal->group_needs_sync,
                      .has_interval = kind == VV_WAL_CUT_GROUP && wal->group_has_interval,
                      .end = wal->filling->bytes.size,
                      .last_ticket = wal->last_ticket,
                      .last_lsn = wal->next_lsn - 1};
    varve_status status = vv_vec_push(&wal->filling->cuts, &cut);
    VV_ASSERT(status == VARVE_OK); /* reserved */
}

/* Late fields (durable LSN, wall clock) are zero here and set by the leader. */
void vv_wal_close_group_locked(vv_wal *wal)
{
    vv_mutex_assert_held(&wal->lock);
    if (!wal->has_group) {
        return;
    }
    uint8_t payload[VV_WAL_COMMIT_BYTES] = {0};
    uint32_t bytes = (uint32_t)(wal->filling->bytes.size - wal->group_begin);
    memcpy(payload, &wal->group_records, 4);
    memcpy(payload + 4, &bytes, 4);
    uint64_t last_sequence = wal->next_sequence - 1;
    memcpy(payload + 8, &wal->group_first_lsn, 8);
    memcpy(payload + 32, &last_sequence, 8);
    wal_put_record(wal, VV_WAL_COMMIT, VV_FRAME_FLAG_LAST, vv_bytes_make(payload, sizeof payload),
                   0, NULL);
    wal_put_cut(wal, VV_WAL_CUT_GROUP);
    wal->has_group = false;
}

void vv_wal_put_mark_locked(vv_wal *wal, uint64_t prev_last)
{
    vv_mutex_assert_held(&wal->lock);
    VV_ASSERT(!wal->has_group);
    uint8_t payload[VV_WAL_MARK_BYTES] = {0};
    memcpy(payload + 8, &prev_last, 8);
    wal_put_record(wal, VV_WAL_MARK, VV_FRAME_FLAG_LAST, vv_bytes_make(payload, sizeof payload), 0,
                   NULL);
    wal_put_cut(wal, VV_WAL_CUT_MARK);
}

void vv_wal_put_seal_locked(vv_wal *wal, bool is_clean)
{
    vv_mutex_assert_held(&wal->lock);
    VV_ASSERT(!wal->has_group);
    uint8_t payload[VV_WAL_SEAL_BYTES] = {0};
    uint64_t last_lsn = wal->next_lsn - 1;
    uint64_t edit_seq = atomic_load(&wal->edit_seq);
    memcpy(payload, &last_lsn, 8);
    memcpy(payload + 16, &edit_seq, 8);
    payload[24] = is_clean ? 1 : 0;
    wal_put_record(wal, VV_WAL_SEAL, VV_FRAME_FLAG_LAST, vv_bytes_make(payload, sizeof payload), 0,
                   NULL);
    wal_put_cut(wal, VV_WAL_CUT_SEAL);
}

/* Appends go on in the next file, which exists. */
static void wal_switch_file(vv_wal *wal)
{
    vv_wal_close_group_locked(wal);
    vv_wal_put_seal_locked(wal, /* clean */ false);
    vv_wal_file *file = vv_wal_find_file_locked(wal, wal->append_seq);
    file->used = wal->append_offset;
    file->last_lsn = wal->next_lsn - 1;
    atomic_fetch_add_explicit(&wal->left_bytes, (uint64_t)file->used, memory_order_relaxed);
    const vv_wal_file *next = vv_wal_next_file_locked(wal);
    VV_ASSERT(next != NULL);
    wal->append_seq = next->seq;
    wal->append_size = next->size;
    wal->append_offset = VV_FRAME_FILE_HEADER_BYTES;
    atomic_fetch_add_explicit(&wal->file_bytes, VV_FRAME_FILE_HEADER_BYTES, memory_order_relaxed);
    atomic_fetch_add_explicit(&wal->stat_rotations, 1, memory_order_relaxed);
    vv_wal_put_mark_locked(wal, file->last_lsn);
}

/* ---- room ----------------------------------------------------------------------------------- */

static varve_status wal_grow_buffer(vv_wal_buffer *buffer, size_t extra_bytes, size_t extra_cuts)
{
    if (vv_buf_reserve(&buffer->bytes, extra_bytes) != VARVE_OK) {
        buffer->bytes.status = VARVE_OK; /* what is in it stays good */
        return VARVE_E_NOMEM;
    }
    return vv_vec_reserve(&buffer->cuts, extra_cuts);
}

/* Room in the filling buffer, and in the spare one for the case that a leader swaps them before the
 * append comes. *out_must_wait: the spare one is too small and being written. */
static varve_status wal_reserve_buffers(vv_wal *wal, size_t cost, bool *out_must_wait,
                                        varve_error *out_err)
{
    size_t bytes = wal->reserved_bytes + cost + VV_WAL_BATCH_OVERHEAD;
    /* A batch makes at most three cuts: the group before it, SEAL, MARK. */
    size_t cuts = (wal->reserved_batches + 1) * 3 + WAL_CUTS_SPARE;
    *out_must_wait = false;
    varve_status status = wal_grow_buffer(wal->filling, bytes, cuts);
    const vv_wal_buffer *spare = wal->spare;
    if (wal->is_leading) {
        *out_must_wait = spare->bytes.capacity < bytes || spare->cuts.capacity < cuts;
    } else if (status == VARVE_OK) {
        status = wal_grow_buffer(wal->spare, bytes, cuts);
    }
    if (status != VARVE_OK) {
        return vv_fail(out_err, VARVE_E_NOMEM, "out of memory: the log buffer needs %zu bytes",
                       bytes);
    }
    return VARVE_OK;
}

static varve_status wal_reserve_ring(vv_wal *wal, varve_error *out_err)
{
    size_t wanted = (size_t)(wal->last_ticket + 1 - wal->first_pending) + wal->reserved_batches + 1;
    if (wanted <= wal->ring_capacity) {
        return VARVE_OK;
    }
    size_t capacity = wal->ring_capacity * 2;
    vv_wal_batch *ring = vv_alloc_array(wal->env.alloc, capacity, sizeof *ring);
    if (ring == NULL) {
        return vv_fail_nomem(out_err, "the queue of the log", capacity * sizeof *ring);
    }
    for (uint64_t ticket = wal->first_pending; ticket <= wal->last_ticket; ++ticket) {
        ring[ticket & (capacity - 1)] = wal->ring[ticket & (wal->ring_capacity - 1)];
    }
    vv_alloc_free(wal->env.alloc, wal->ring, wal->ring_capacity * sizeof *ring);
    wal->ring = ring;
    wal->ring_capacity = capacity;
    return VARVE_OK;
}

/* The buffer holds so much that a new batch should wait for the leader. */
static bool wal_is_crowded(const vv_wal *wal, size_t cost)
{
    size_t used = wal->filling->bytes.size + wal->reserved_bytes;
    return used > 0 && used + cost > VV_WAL_BUFFER_BYTES_MAX;
}

/* A full disk (or the like) was met a moment ago: say so without asking again. */
static bool wal_refuses_space(const vv_wal *wal)
{
    return wal->is_short && wal->options.has_threads &&
           vv_wal_now(wal) - wal->space_tried_ns < VV_WAL_SPACE_INLINE_NS;
}

/* One step towards room for `cost`; *out_has_room when nothing is missing any more. */
static varve_status wal_reserve_step(vv_wal *wal, size_t cost, int64_t deadline_ns,
                                     bool *out_has_room, varve_error *out_err)
{
    *out_has_room = false;
    bool must_wait = false;
    if (wal->has_files && wal_is_crowded(wal, cost)) {
        if (!wal->is_leading && vv_wal_has_pending(wal)) {
            vv_wal_lead_locked(wal, /* sync */ false);
            return VARVE_OK;
        }
        must_wait = true;
    } else if (wal->has_files) {
        VV_TRY(wal_reserve_buffers(wal, cost, &must_wait, out_err));
    }
    VV_TRY(wal_reserve_ring(wal, out_err));
    if (!must_wait && wal->has_files && !wal_file_has_room(wal, cost)) {
        if (wal_refuses_space(wal)) {
            return vv_fail_again(out_err, &wal->space_error);
        }
        if (!wal->is_preparing) {
            return vv_wal_prepare_locked(wal, wal_next_size_for(wal, cost), out_err);
        }
        must_wait = true;
    }
    if (must_wait) {
        wal->room_waiters += 1;
        bool is_woken = vv_cond_wait_until(&wal->progress, &wal->lock, deadline_ns);
        wal->room_waiters -= 1;
        if (!is_woken) {
            return vv_fail(out_err, VARVE_E_TIMEOUT,
                           "no room for %zu bytes in the log within the time allowed", cost);
        }
        return VARVE_OK;
    }
    *out_has_room = true;
    return VARVE_OK;
}

varve_status vv_wal_reserve(vv_wal *wal, size_t payload_bytes, size_t record_count,
                            int64_t deadline_ns, varve_error *out_err)
{
    if (payload_bytes > VV_WAL_BATCH_BYTES_MAX ||
        record_count > VV_WAL_RECORD_BYTES_MAX / VV_WAL_RECORD_OVERHEAD ||
        payload_bytes > record_count * (VV_WAL_RECORD_BYTES_MAX - VV_WAL_SEQUENCE_BYTES)) {
        return vv_fail(
            out_err, VARVE_E_LIMIT,
            "a batch of %zu bytes in %zu records; a record may have %d bytes, a batch %d",
            payload_bytes, record_count, VV_WAL_RECORD_BYTES_MAX, VV_WAL_BATCH_BYTES_MAX);
    }
    size_t cost = wal_cost(payload_bytes, record_count);
    vv_mutex_lock(&wal->lock);
    if (!wal->options.has_threads) {
        VV_IGNORE(vv_wal_service_locked(wal)); /* nobody else does what is due */
    }
    varve_status status = VARVE_OK;
    bool has_room = false;
    while (status == VARVE_OK && !has_room) {
        if (wal->is_failed || wal->is_sealed) {
            status = vv_wal_refuse_locked(wal, out_err);
        } else {
            status = wal_reserve_step(wal, cost, deadline_ns, &has_room, out_err);
        }
    }
    if (status == VARVE_OK) {
        wal->reserved_bytes += cost;
        wal->reserved_batches += 1;
    }
    vv_mutex_unlock(&wal->lock);
    return status;
}

static void wal_unreserve_locked(vv_wal *wal, size_t payload_bytes, size_t record_count)
{
    size_t cost = wal_cost(payload_bytes, record_count);
    VV_ASSERT(wal->reserved_batches > 0 && wal->reserved_bytes >= cost);
    wal->reserved_bytes -= cost;
    wal->reserved_batches -= 1;
}

void vv_wal_unreserve(vv_wal *wal, size_t payload_bytes, size_t record_count)
{
    vv_mutex_lock(&wal->lock);
    wal_unreserve_locked(wal, payload_bytes, record_count);
    vv_cond_broadcast(&wal->progress);
    vv_mutex_unlock(&wal->lock);
}

/* ---- append --------------------------------------------------------------------------------- */

static bool wal_takes_sequence(vv_wal_type type)
{
    return type == VV_WAL_ROWS || type == VV_WAL_TOMBSTONE;
}

/* Begin a group, or end the open one first when the batch does not fit it or its file. */
static void wal_enter_group(vv_wal *wal, size_t batch_bytes)
{
    if (wal->has_group &&
        (wal->group_batches >= VV_WAL_GROUP_BATCHES_MAX ||
         wal->filling->bytes.size - wal->group_begin + batch_bytes > VV_WAL_GROUP_BYTES_MAX)) {
        vv_wal_close_group_locked(wal);
    }
    int64_t end =
        wal->append_offset + (int64_t)(batch_bytes + VV_WAL_COMMIT_RECORD + VV_WAL_SEAL_RECORD);
    if (end > wal->append_size) {
        wal_switch_file(wal);
    }
    if (!wal->has_group) {
        wal->has_group = true;
        wal->group_needs_sync = false;
        wal->group_has_interval = false;
        wal->group_is_urgent = false;
        wal->group_begin = wal->filling->bytes.size;
        wal->group_records = 0;
        wal->group_batches = 0;
        wal->group_first_lsn = wal->next_lsn;
    }
}

/* Copy the records into the buffer; sequences are given from the first on. */
static void wal_copy_batch(vv_wal *wal, const vv_wal_record *records, size_t count, uint32_t sync)
{
    size_t batch_bytes = 0;
    for (size_t i = 0; i < count; ++i) {
        batch_bytes +=
            vv_frame_bytes(records[i].payload.size +
                           (wal_takes_sequence(records[i].type) ? VV_WAL_SEQUENCE_BYTES : 0));
    }
    if (!vv_wal_has_pending(wal)) {
        wal->pending_since_ns = vv_wal_now(wal);
    }
    wal_enter_group(wal, batch_bytes);
    uint64_t sequence = wal->next_sequence;
    for (size_t i = 0; i < count; ++i) {
        wal_put_record(wal, (uint8_t)records[i].type, 0, records[i].payload, records[i].payload_crc,
                       wal_takes_sequence(records[i].type) ? &sequence : NULL);
        sequence += records[i].sequences;
    }
    wal->group_records += (uint32_t)count;
    wal->group_batches += 1;
    atomic_fetch_add_explicit(&wal->arrivals, 1, memory_order_relaxed);
    bool needs_sync = sync == VARVE_SYNC_GROUP || sync == VARVE_SYNC_ALWAYS;
    wal->group_needs_sync = wal->group_needs_sync || needs_sync;
    wal->group_is_urgent = wal->group_is_urgent || sync == VARVE_SYNC_ALWAYS;
    wal->group_has_interval = wal->group_has_interval || sync == VARVE_SYNC_INTERVAL;
}

/* See that somebody writes the batch even if nobody waits for it. */
static void wal_call_service(vv_wal *wal, bool is_buffered)
{
    wal->was_active = true;
    if (wal->is_leading && wal->options.group_delay_us > 0) {
        vv_cond_broadcast(&wal->progress); /* the leader may have waited for this one */
    }
    if (!wal->options.has_threads || wal->is_leading) {
        return;
    }
    if (is_buffered) {
        bool is_full = wal->filling->bytes.size >= VV_WAL_BUFFERED_BYTES_MAX;
        vv_wal_wake_locked(wal, wal->pending_since_ns + (is_full ? 0 : VV_WAL_BUFFERED_AGE_NS));
    } else {
        vv_wal_wake_locked(wal, wal->pending_since_ns + VV_WAL_UNWAITED_AGE_NS);
    }
}

vv_wal_ticket vv_wal_append(vv_wal *wal, const vv_wal_record *records, size_t count, uint32_t sync)
{
    VV_ASSERT(count > 0 && sync >= VARVE_SYNC_GROUP && sync <= VARVE_SYNC_NO_LOG);
    size_t payload_bytes = 0;
    uint64_t sequences = 0;
    for (size_t i = 0; i < count; ++i) {
        VV_DEBUG_ASSERT(records[i].payload_crc ==
                        vv_crc32c(0, records[i].payload.data, records[i].payload.size));
        VV_ASSERT(records[i].payload.size <= VV_WAL_RECORD_BYTES_MAX - VV_WAL_SEQUENCE_BYTES);
        payload_bytes += records[i].payload.size;
        sequences += records[i].sequences;
    }
    vv_mutex_lock(&wal->lock);
    wal_unreserve_locked(wal, payload_bytes, count);
    if (wal->room_waiters > 0) {
        vv_cond_broadcast(&wal->progress); /* what was reserved can be written now */
    }
    vv_wal_ticket ticket = {.id = wal->last_ticket + 1, .first_sequence = wal->next_sequence};
    if (wal->has_files && !wal->is_failed) {
        wal_copy_batch(wal, records, count, sync);
    } else {
        wal->next_lsn += count; /* never written: the order goes on, the log does not */
    }
    wal->next_sequence += sequences;
    wal->last_ticket = ticket.id;
    ticket.last_lsn = wal->next_lsn - 1;
    wal->ring[ticket.id & (wal->ring_capacity - 1)] =
        (vv_wal_batch){.last_lsn = ticket.last_lsn,
                       .last_sequence = wal->next_sequence - 1,
                       .sync = sync,
                       .is_applied = false};
    bool is_buffered = sync >= VARVE_SYNC_BUFFERED;
    if (wal->has_files && !wal->is_failed) {
        wal->last_unbuffered = is_buffered ? wal->last_unbuffered : ticket.id;
        wal_call_service(wal, is_buffered);
    }
    vv_mutex_unlock(&wal->lock);
    return ticket;
}

void vv_wal_applied(vv_wal *wal, vv_wal_ticket ticket)
{
    vv_mutex_lock(&wal->lock);
    VV_ASSERT(ticket.id >= wal->first_pending && ticket.id <= wal->last_ticket);
    wal->ring[ticket.id & (wal->ring_capacity - 1)].is_applied = true;
    if (ticket.id == wal->first_pending) {
        vv_wal_advance_locked(wal);
    }
    vv_mutex_unlock(&wal->lock);
}

void vv_wal_advance_sequence(vv_wal *wal, uint64_t next)
{
    vv_mutex_lock(&wal->lock);
    VV_ASSERT(wal->first_pending > wal->last_ticket || next <= wal->next_sequence);
    if (next > wal->next_sequence) {
        wal->next_sequence = next;
        if (!wal->is_failed) {
            atomic_store_explicit(&wal->visible_sequence, next - 1, memory_order_release);
        }
    }
    vv_mutex_unlock(&wal->lock);
}

void vv_wal_note_edit(vv_wal *wal, uint64_t manifest_edit_seq)
{
    atomic_store(&wal->edit_seq, manifest_edit_seq);
}

/* ---- asking --------------------------------------------------------------------------------- */

uint64_t vv_wal_visible(const vv_wal *wal)
{
    return atomic_load_explicit(&wal->visible_sequence, memory_order_acquire);
}

void vv_wal_position(vv_wal *wal, uint64_t *out_last_lsn, uint64_t *out_last_sequence)
{
    vv_mutex_lock(&wal->lock);
    *out_last_lsn = wal->next_lsn - 1;
    *out_last_sequence = wal->next_sequence - 1;
    vv_mutex_unlock(&wal->lock);
}

uint64_t vv_wal_durable_lsn(const vv_wal *wal)
{
    return atomic_load(&wal->durable_lsn);
}

uint64_t vv_wal_first_file(const vv_wal *wal)
{
    return atomic_load(&wal->first_file_seq);
}

uint64_t vv_wal_bytes(const vv_wal *wal)
{
    return atomic_load_explicit(&wal->file_bytes, memory_order_relaxed);
}

uint64_t vv_wal_left_bytes(const vv_wal *wal)
{
    return atomic_load_explicit(&wal->left_bytes, memory_order_relaxed);
}

bool vv_wal_is_nospace(const vv_wal *wal)
{
    return atomic_load_explicit(&wal->is_nospace, memory_order_relaxed);
}

void vv_wal_retry_space(vv_wal *wal)
{
    vv_mutex_lock(&wal->lock);
    if (wal->is_short) {
        wal->space_tried_ns = vv_wal_now(wal) - VV_WAL_SPACE_RETRY_NS;
        vv_wal_wake_locked(wal, vv_wal_now(wal));
    }
    vv_mutex_unlock(&wal->lock);
}

uint32_t vv_wal_health(vv_wal *wal, varve_error *out_reason)
{
    vv_mutex_lock(&wal->lock);
    uint32_t health = VARVE_HEALTH_OK;
    if (wal->is_failed) {
        health = VARVE_HEALTH_WRITE_FAILED;
    } else if (wal->is_nospace) {
        health = VARVE_HEALTH_NOSPACE;
    }
    if (out_reason != NULL && health != VARVE_HEALTH_OK) {
        *out_reason = wal->is_failed ? wal->failure : wal->space_error;
    }
    vv_mutex_unlock(&wal->lock);
    return health;
}

void vv_wal_get_stats(vv_wal *wal, vv_wal_stats *out_stats)
{
    /* Figures for people: each is exact, all together need not be of one moment. */
    *out_stats = (vv_wal_stats){
        .records = atomic_load_explicit(&wal->stat_records, memory_order_relaxed),
        .groups = atomic_load_explicit(&wal->stat_groups, memory_order_relaxed),
        .syncs = atomic_load_explicit(&wal->stat_syncs, memory_order_relaxed),
        .bytes_written = atomic_load_explicit(&wal->stat_bytes, memory_order_relaxed),
        .rotations = atomic_load_explicit(&wal->stat_rotations, memory_order_relaxed),
        .sync_ns = atomic_load_explicit(&wal->stat_sync_ns, memory_order_relaxed)};
    for (size_t i = 0; i < VV_WAL_SYNC_BUCKETS; i++) {
        out_stats->sync_buckets[i] =
            atomic_load_explicit(&wal->stat_sync_buckets[i], memory_order_relaxed);
    }
    out_stats->released = atomic_load_explicit(&wal->stat_released, memory_order_relaxed);
    out_stats->release_failures =
        atomic_load_explicit(&wal->stat_release_failures, memory_order_relaxed);
    vv_mutex_lock(&wal->lock);
    out_stats->last_lsn = wal->next_lsn - 1;
    out_stats->files = wal->files.count;
    out_stats->file_seq = wal->append_seq;
    vv_mutex_unlock(&wal->lock);
}

/* ---- opening, sealing, freeing -------------------------------------------------------------- */

static char *wal_copy_path(vv_alloc *alloc, const char *path)
{
    size_t size = strlen(path) + 1;
    char *copy = vv_alloc_new(alloc, size);
    if (copy != NULL) {
        memcpy(copy, path, size);
    }
    return copy;
}

static void wal_free_path(vv_alloc *alloc, const char **path)
{
    union { /* the copy is ours, the options call it const */
        const char *given;
        char *owned;
    } both = {.given = *path};
    if (both.owned != NULL) {
        vv_alloc_free(alloc, both.owned, strlen(both.owned) + 1);
    }
    *path = NULL;
}

/* What vv_wal_free needs, before anything can fail. */
static void wal_init_empty(vv_wal *wal)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(wal->buffers); ++i) {
        vv_buf_init(&wal->buffers[i].bytes, wal->env.alloc, SIZE_MAX);
        vv_vec_init(&wal->buffers[i].cuts, wal->env.alloc, sizeof(vv_wal_cut), SIZE_MAX);
    }
    vv_vec_init(&wal->files, wal->env.alloc, sizeof(vv_wal_file), SIZE_MAX);
    wal->filling = &wal->buffers[0];
    wal->spare = &wal->buffers[1];
}

static varve_status wal_init_buffers(vv_wal *wal, varve_error *out_err)
{
    wal->ring = vv_alloc_array(wal->env.alloc, WAL_RING_START, sizeof *wal->ring);
    if (wal->ring == NULL) {
        return vv_fail_nomem(out_err, "the queue of the log", WAL_RING_START * sizeof *wal->ring);
    }
    wal->ring_capacity = WAL_RING_START;
    for (size_t i = 0; wal->has_files && i < VV_ARRAY_COUNT(wal->buffers); ++i) {
        if (wal_grow_buffer(&wal->buffers[i], VV_WAL_BUFFER_BYTES_START, WAL_CUTS_SPARE) !=
            VARVE_OK) {
            return vv_fail_nomem(out_err, "a log buffer", VV_WAL_BUFFER_BYTES_START);
        }
    }
    return VARVE_OK;
}

static varve_status wal_init_options(vv_wal *wal, const vv_wal_options *options,
                                     varve_error *out_err)
{
    VV_ASSERT(options->first_lsn > 0 && options->first_sequence > 0);
    wal->options = *options;
    wal->options.directory = NULL;
    wal->options.tmp_directory = NULL;
    wal->has_files = options->directory != NULL;
    if (wal->options.file_bytes < WAL_FILE_BYTES_MIN) {
        wal->options.file_bytes = WAL_FILE_BYTES_MIN;
    }
    if (wal->options.group_delay_us > VV_WAL_GROUP_DELAY_US_MAX) {
        wal->options.group_delay_us = VV_WAL_GROUP_DELAY_US_MAX;
    }
    if (!wal->has_files) {
        wal->options.has_threads = false; /* nothing is ever due */
        return VARVE_OK;
    }
    wal->options.directory = wal_copy_path(wal->env.alloc, options->directory);
    wal->options.tmp_directory = wal_copy_path(wal->env.alloc, options->tmp_directory);
    if (wal->options.directory == NULL || wal->options.tmp_directory == NULL) {
        return vv_fail_nomem(out_err, "paths of the log", VV_PATH_BYTES_MAX);
    }
    return VARVE_OK;
}

static void wal_init_order(vv_wal *wal)
{
    const vv_wal_options *options = &wal->options;
    wal->next_lsn = options->first_lsn;
    wal->next_sequence = options->first_sequence;
    wal->first_pending = 1;
    wal->next_file_seq = options->file_seq;
    wal->written_lsn = options->first_lsn - 1;
    wal->unmarked_lsn = options->first_lsn - 1;
    wal->last_sync_ns = vv_wal_now(wal);
    wal->service_due_ns = INT64_MAX;
    atomic_store(&wal->visible_sequence, options->first_sequence - 1);
    atomic_store(&wal->durable_lsn, options->first_lsn - 1);
    atomic_store(&wal->first_file_seq, options->file_seq);
}

/* The first file is known to be the first: it carries its LSN and needs no MARK. */
static varve_status wal_open_first_file(vv_wal *wal, varve_error *out_err)
{
    if (vv_vec_reserve(&wal->files, 2) != VARVE_OK) {
        return vv_fail_nomem(out_err, "the list of log files", 2 * sizeof(vv_wal_file));
    }
    vv_wal_file file;
    bool is_fatal;
    VV_TRY(vv_wal_file_create(wal, wal->next_file_seq, wal->next_lsn, wal->next_lsn - 1,
                              (int64_t)wal->options.file_bytes, &file, &is_fatal, out_err));
    varve_status status = vv_vec_push(&wal->files, &file);
    VV_ASSERT(status == VARVE_OK);
    wal->next_file_seq += 1;
    wal->append_seq = file.seq;
    wal->append_size = file.size;
    wal->append_offset = VV_FRAME_FILE_HEADER_BYTES;
    atomic_store(&wal->file_bytes, VV_FRAME_FILE_HEADER_BYTES);
    wal->target = (vv_wal_target){.file = file.file,
                                  .seq = file.seq,
                                  .salt = file.salt,
                                  .offset = VV_FRAME_FILE_HEADER_BYTES,
                                  .chain = vv_frame_chain_first(file.salt),
                                  .is_preallocated = file.is_preallocated};
    return VARVE_OK;
}

static varve_status wal_init_locks(vv_wal *wal, varve_error *out_err)
{
    VV_TRY(vv_mutex_init(&wal->lock, VV_RANK_LOG, 0, out_err));
    vv_cond *conds[] = {&wal->progress, &wal->wakeup};
    varve_status status = VARVE_OK;
    size_t done = 0;
    while (done < VV_ARRAY_COUNT(conds) && status == VARVE_OK) {
        status = vv_cond_init(conds[done], out_err);
        done += status == VARVE_OK ? 1 : 0;
    }
    if (status != VARVE_OK) {
        while (done > 0) {
            done--;
            vv_cond_deinit(conds[done]);
        }
        vv_mutex_deinit(&wal->lock);
    }
    return status;
}

varve_status vv_wal_open(const vv_env *env, const vv_wal_options *options, vv_wal **out_wal,
                         varve_error *out_err)
{
    *out_wal = NULL;
    vv_wal *wal = vv_alloc_zeroed(env->alloc, sizeof *wal);
    if (wal == NULL) {
        return vv_fail_nomem(out_err, "the log", sizeof *wal);
    }
    wal->env = *env;
    wal->generation = vv_process_generation();
    varve_status status = wal_init_locks(wal, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(env->alloc, wal, sizeof *wal);
        return status;
    }
    wal_init_empty(wal);
    status = wal_init_options(wal, options, out_err);
    if (status == VARVE_OK) {
        status = wal_init_buffers(wal, out_err);
    }
    if (status == VARVE_OK) {
        wal_init_order(wal);
        if (wal->has_files) {
            status = wal_open_first_file(wal, out_err);
        }
    }
    if (status == VARVE_OK && wal->options.has_threads) {
        status = vv_wal_start_thread(wal, out_err);
    }
    if (status != VARVE_OK) {
        vv_wal_free(wal);
        return status;
    }
    *out_wal = wal;
    return VARVE_OK;
}

/* Room for the SEAL is in every claim on the append file; its cut may need memory. */
static varve_status wal_seal_locked(vv_wal *wal, varve_error *out_err)
{
    VV_ASSERT(!wal->is_leading && !wal->is_preparing); /* the thread has ended, callers are gone */
    if (!wal->is_failed && vv_wal_has_pending(wal)) {
        vv_wal_lead_locked(wal, /* sync */ true);
    }
    if (wal->is_failed || wal->is_sealed) {
        return vv_wal_refuse_locked(wal, out_err);
    }
    if (wal_grow_buffer(wal->filling, VV_WAL_SEAL_RECORD, WAL_CUTS_SPARE) != VARVE_OK) {
        return vv_fail_nomem(out_err, "the end of the log", VV_WAL_SEAL_RECORD);
    }
    vv_wal_drop_next_locked(wal);
    vv_wal_put_seal_locked(wal, /* clean */ true);
    vv_wal_lead_locked(wal, /* sync */ true);
    return wal->is_failed ? vv_fail_again(out_err, &wal->failure) : VARVE_OK;
}

varve_status vv_wal_seal(vv_wal *wal, uint64_t manifest_edit_seq, varve_error *out_err)
{
    vv_wal_stop_thread(wal);
    vv_wal_note_edit(wal, manifest_edit_seq);
    vv_mutex_lock(&wal->lock);
    varve_status status = wal->has_files ? wal_seal_locked(wal, out_err) : VARVE_OK;
    wal->is_sealed = wal->is_sealed || status == VARVE_OK;
    vv_wal_wake_all_locked(wal);
    vv_mutex_unlock(&wal->lock);
    return status;
}

bool vv_wal_is_quiet(vv_wal *wal)
{
    bool is_free = vv_mutex_try_lock(&wal->lock);
    if (is_free) {
        vv_mutex_unlock(&wal->lock);
    }
    return is_free;
}

void vv_wal_free(vv_wal *wal)
{
    if (wal == NULL) {
        return;
    }
    vv_alloc *alloc = wal->env.alloc;
    /* A forked child has neither the thread nor the right to its parent's locks. */
    bool is_own = wal->generation == vv_process_generation();
    if (is_own) {
        vv_wal_stop_thread(wal);
    }
    for (size_t i = 0; i < wal->files.count; ++i) {
        VV_IGNORE(vv_file_close(VV_VEC_AT(&wal->files, vv_wal_file, i)->file, NULL));
    }
    vv_vec_deinit(&wal->files);
    for (size_t i = 0; i < VV_ARRAY_COUNT(wal->buffers); ++i) {
        vv_buf_deinit(&wal->buffers[i].bytes);
        vv_vec_deinit(&wal->buffers[i].cuts);
    }
    vv_alloc_free(alloc, wal->ring, wal->ring_capacity * sizeof *wal->ring);
    wal_free_path(alloc, &wal->options.directory);
    wal_free_path(alloc, &wal->options.tmp_directory);
    if (is_own) {
        vv_cond_deinit(&wal->wakeup);
        vv_cond_deinit(&wal->progress);
        vv_mutex_deinit(&wal->lock);
    }
    vv_alloc_free(alloc, wal, sizeof *wal);
}
