/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Committing a batch: the steps of docs/internals/architecture.md, "A write". What is looked at
 * without a lock (types, definitions, policies, selections) is looked at again under the locks; if
 * something has come between, the locks are left and the part is prepared anew.
 *
 *   W1  A failure before vv_wal_append leaves nothing that a reader could see.
 *   W2  Between vv_wal_append and the end of the locks nothing can fail.
 *   W3  The rows of a part get consecutive sequences in the order of the batch; a delete takes one
 *       between them.
 *   W4  Locks are taken in the order manifest (deletes only), shards ascending; nothing waits under
 *       them.
 */

#include "engine/write.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/checked.h"
#include "base/crc.h"
#include "base/status.h"
#include "engine/admission.h"
#include "engine/background.h"
#include "engine/flush.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "wal/wal.h"

/* Tries of one part before another writer is taken to be in the way for good. Arbitrary: each
 * further try needs a freeze or a conflicting write at just this moment. */
enum { WRITE_TRIES_MAX = 100 };
/* How long work in the background waits for room; it is tried again anyway. Arbitrary. */
enum { WRITE_BRIEF_MS = 1000 };

/** What an attempt under the locks came to. */
typedef enum write_outcome {
    WRITE_DONE,
    WRITE_CONFLICT, /* a type differs, a series is full of fields: resolve, try again */
    WRITE_DEFINE,   /* new_series, new_fields have grown: define, try again */
    WRITE_AGAIN,    /* something came between: try again */
    WRITE_FAILED
} write_outcome;

/* ---- room, before anything is locked ---- */

static size_t write_record_count(const vv_write *write)
{
    return write->memory->records.count + (write->memory->definitions.size > 0 ? 1 : 0);
}

static size_t write_log_bytes(const vv_write *write)
{
    return write->memory->payload.size + write->memory->definitions.size;
}

static varve_status write_reserve_room(vv_write *write, varve_error *out_err)
{
    const vv_admission admission = {
        .has_rows = write->memory->runs.count > 0,
        .is_logged = write->is_logged,
        .deadline_ns = write->deadline_ns,
    };
    VV_TRY(vv_admission_wait(write->db, &admission, out_err));
    return vv_admission_reserve(write->db, &admission, write_log_bytes(write),
                                write_record_count(write), out_err);
}

/* ---- locks ---- */

/** The shards of a part, a bit each; all of them with deletes. */
static uint64_t write_shards(const vv_write *write)
{
    _Static_assert(VV_SHARD_COUNT <= 64, "a bit for each shard");
    if (write->has_deletes) {
        return UINT64_MAX >> (64 - VV_SHARD_COUNT);
    }
    const vv_write_run *runs = VV_VEC_ITEMS(&write->memory->runs, vv_write_run);
    uint64_t shards = vv_write_target_shards(write);
    for (size_t i = 0; i < write->memory->runs.count; i++) {
        for (size_t k = 0; k < runs[i].run.series_count; k++) {
            shards |= UINT64_C(1) << (runs[i].run.series[k] % VV_SHARD_COUNT);
        }
    }
    return shards;
}

static void write_lock(vv_write *write, uint64_t shards)
{
    if (write->has_deletes) {
        vv_mutex_lock(&write->db->manifest_lock);
    }
    for (uint64_t left = shards; left != 0; left &= left - 1) {
        vv_mutex_lock(&write->db->shards[vv_ctz64(left)].lock);
    }
}

static void write_unlock(vv_write *write, uint64_t shards)
{
    for (uint64_t left = shards; left != 0; left &= left - 1) {
        vv_mutex_unlock(&write->db->shards[vv_ctz64(left)].lock);
    }
    if (write->has_deletes) {
        vv_mutex_unlock(&write->db->manifest_lock);
    }
}

/* ---- under the locks ---- */

static void write_unreserve_head(vv_write *write, size_t run_count)
{
    const vv_write_run *runs = VV_VEC_ITEMS(&write->memory->runs, vv_write_run);
    for (size_t i = 0; i < run_count; i++) {
        vv_head_unreserve(write->db->head, &runs[i].run);
    }
}

/** Bulk runs were united, or not, by a policy that may have changed since. */
static bool write_policies_hold(const vv_write *write)
{
    const vv_catalogue *catalogue = write->db->catalogue;
    const vv_write_run *runs = VV_VEC_ITEMS(&write->memory->runs, vv_write_run);
    for (size_t i = 0; i < write->memory->runs.count; i++) {
        if (runs[i].is_vector) {
            uint32_t metric = vv_catalogue_metric_id(catalogue, runs[i].run.series[0]);
            bool is_last =
                vv_catalogue_policy(catalogue, metric).duplicates == VARVE_DUPLICATES_LAST;
            if (is_last != runs[i].is_last) {
                return false;
            }
        }
    }
    return true;
}

/** Reserve in the head; undefined_rows says whether any series needs a definition. */
static write_outcome write_reserve_head(vv_write *write, uint64_t *out_undefined_rows,
                                        varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    vv_head_retype *retypes = VV_VEC_ITEMS(&memory->retypes, vv_head_retype);
    for (size_t i = 0; i < memory->retypes.count; i++) {
        retypes[i].is_used = false;
    }
    vv_head_reserve_options options = {
        .visible = vv_wal_visible(write->db->wal),
        .retypes = retypes,
        .retype_count = memory->retypes.count,
    };
    *out_undefined_rows = 0;
    vv_write_run *runs = VV_VEC_ITEMS(&memory->runs, vv_write_run);
    for (size_t i = 0; i < memory->runs.count; i++) {
        vv_head_reserved reserved;
        varve_status status =
            vv_head_reserve(write->db->head, &runs[i].run, &options, &reserved, out_err);
        if (status != VARVE_OK) {
            write_unreserve_head(write, i + 1);
            bool is_of_row = status == VARVE_E_CONFLICT || reserved.is_crowded;
            return is_of_row ? WRITE_CONFLICT : WRITE_FAILED;
        }
        runs[i].late_rows = reserved.late_rows;
        *out_undefined_rows += reserved.undefined_rows;
    }
    return WRITE_DONE;
}

/** Series and fields of a run that the log does not define yet, into the sets; *out_has_grown when
 *  one was not in them. */
static varve_status write_collect_new(vv_write *write, const vv_run *run, bool has_undefined,
                                      bool *out_has_grown)
{
    const vv_head *head = write->db->head;
    uint32_t before = vv_idset_count(&write->new_series) + vv_idset_count(&write->new_fields);
    for (size_t i = 0; i < run->series_count && has_undefined; i++) {
        if (!vv_head_is_series_defined(head, run->series[i])) {
            VV_TRY(vv_idset_add(&write->new_series, &write->db->alloc, run->series[i]));
        }
    }
    for (size_t i = 0; i < run->column_count; i++) {
        if (!vv_head_is_field_defined(head, run->fields[i])) {
            VV_TRY(vv_idset_add(&write->new_fields, &write->db->alloc, run->fields[i]));
        }
    }
    *out_has_grown =
        *out_has_grown ||
        vv_idset_count(&write->new_series) + vv_idset_count(&write->new_fields) != before;
    return VARVE_OK;
}

/** The same for the whole part. Vectors have lost their list of fields: those of the items count.
 */
static write_outcome write_check_definitions(vv_write *write, uint64_t undefined_rows,
                                             varve_error *out_err)
{
    bool has_grown = false;
    varve_status status = VARVE_OK;
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    for (size_t i = write->item_begin;
         write->is_logged && i < write->item_end && status == VARVE_OK; i++) {
        if (items[i].op->selection == NULL) {
            status = write_collect_new(write, &items[i].run, undefined_rows > 0, &has_grown);
        }
    }
    if (status != VARVE_OK) {
        VV_IGNORE(vv_fail_nomem(out_err, "write", sizeof(uint32_t))); /* the outcome says it */
        return WRITE_FAILED;
    }
    if (vv_write_reserve_hides_locked(write, &has_grown, out_err) != VARVE_OK) {
        return WRITE_FAILED;
    }
    return has_grown ? WRITE_DEFINE : WRITE_DONE;
}

/** Everything that can fail; on DONE the head is reserved and the version is made. */
static write_outcome write_check_locked(vv_write *write, uint64_t *out_undefined_rows,
                                        varve_error *out_err)
{
    if (!write_policies_hold(write)) {
        return WRITE_AGAIN;
    }
    if (!vv_write_retypes_hold_locked(write)) {
        return WRITE_CONFLICT;
    }
    if (!vv_write_rows_hold_locked(write)) {
        return WRITE_AGAIN;
    }
    varve_status rings = vv_write_reserve_rings_locked(write, out_err);
    if (rings != VARVE_OK) {
        return rings == VARVE_E_CONFLICT ? WRITE_AGAIN : WRITE_FAILED;
    }
    if (write->has_deletes && vv_write_add_tombstones_locked(write, out_err) != VARVE_OK) {
        return WRITE_FAILED;
    }
    write_outcome outcome = write_reserve_head(write, out_undefined_rows, out_err);
    if (outcome != WRITE_DONE) {
        return outcome;
    }
    outcome = write_check_definitions(write, *out_undefined_rows, out_err);
    if (outcome != WRITE_DONE) {
        write_unreserve_head(write, write->memory->runs.count);
    }
    return outcome;
}

static void write_set_defined(vv_write *write, uint64_t undefined_rows)
{
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    for (size_t i = write->item_begin; i < write->item_end && undefined_rows > 0; i++) {
        for (size_t k = 0; k < items[i].run.series_count; k++) {
            vv_head_set_series_defined(write->db->head, items[i].run.series[k]);
        }
    }
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &write->new_fields);
    uint32_t field;
    while (vv_idset_cursor_next(&cursor, &field)) {
        vv_head_set_field_defined(write->db->head, field);
    }
}

/** Rows into the head, tombstones into the version, with the sequences of the ticket (W3). */
static void write_apply(vv_write *write, uint64_t sequence)
{
    vv_batch_memory *memory = write->memory;
    vv_write_delete *deletes = VV_VEC_ITEMS(&memory->deletes, vv_write_delete);
    const vv_write_run *runs = VV_VEC_ITEMS(&memory->runs, vv_write_run);
    size_t at = 0;
    for (size_t i = 0; i <= memory->runs.count; i++) {
        for (; at < memory->deletes.count && deletes[at].run_index == i; at++) {
            if (deletes[at].op != NULL) {
                deletes[at].tombstone->sequence = sequence;
                write->db->deletes_sequence = sequence;
                vv_write_apply_ring_delete(write, deletes[at].tombstone);
            } else {
                vv_write_hide_rows(write, &deletes[at], sequence);
            }
            sequence++;
        }
        if (i < memory->runs.count) {
            if (runs[i].has_rings) {
                vv_write_apply_ring_rows(write, &runs[i].run);
            }
            vv_head_append(write->db->head, &runs[i].run, sequence, runs[i].late_rows);
            sequence += runs[i].run.count;
        }
    }
    if (write->has_deletes) {
        vv_write_install_tombstones_locked(write);
    }
}

/** Give the order and apply (W2). The records lie in the arena of the attempt. */
static vv_wal_ticket write_append(vv_write *write, const vv_wal_record *records,
                                  uint64_t undefined_rows)
{
    varve_db *db = write->db;
    vv_wal_ticket ticket = vv_wal_append(db->wal, records, write_record_count(write), write->sync);
    vv_retention_observe(db, &write->times);
    write_set_defined(write, undefined_rows);
    write_apply(write, ticket.first_sequence);
    return ticket;
}

/** The records as the log takes them. */
static varve_status write_list_records(vv_write *write, vv_wal_record **out_records,
                                       varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    size_t count = write_record_count(write);
    vv_wal_record *records = vv_arena_array(&memory->attempt, count, sizeof *records);
    if (records == NULL) {
        return vv_arena_fail(&memory->attempt, count * sizeof *records, out_err);
    }
    size_t at = 0;
    if (memory->definitions.size > 0) {
        records[at] = (vv_wal_record){
            .type = VV_WAL_SERIES,
            .payload = vv_buf_bytes(&memory->definitions),
            .payload_crc = vv_crc32c(0, memory->definitions.data, memory->definitions.size),
        };
        at++;
    }
    for (size_t i = 0; i < memory->records.count; i++) {
        const vv_write_record *record = VV_VEC_AT(&memory->records, vv_write_record, i);
        const uint8_t *payload = memory->payload.data;
        records[at] = (vv_wal_record){
            .type = record->type,
            .sequences = record->sequences,
            .payload =
                vv_bytes_make(payload == NULL ? NULL : payload + record->offset, record->size),
            .payload_crc = record->crc,
        };
        at++;
    }
    *out_records = records;
    return VARVE_OK;
}

/* ---- one part ---- */

/** Sequences that deletes and replacements take before the first new row. */
static uint64_t write_leading_sequences(const vv_write *write)
{
    const vv_write_run *runs = VV_VEC_ITEMS(&write->memory->runs, vv_write_run);
    const vv_write_delete *deletes = VV_VEC_ITEMS(&write->memory->deletes, vv_write_delete);
    uint64_t count = 0;
    size_t first = 0;
    while (first < write->memory->runs.count && runs[first].run.row_ids != NULL) {
        count += runs[first].run.count;
        first++;
    }
    for (size_t i = 0; i < write->memory->deletes.count && deletes[i].run_index <= first; i++) {
        count++;
    }
    return count;
}

static void write_account(vv_write *write, vv_wal_ticket ticket)
{
    vv_counters *counters = &write->db->counters;
    const vv_write_run *runs = VV_VEC_ITEMS(&write->memory->runs, vv_write_run);
    uint64_t late = 0;
    for (size_t i = 0; i < write->memory->runs.count; i++) {
        late += runs[i].run.row_ids == NULL ? runs[i].late_rows : 0;
    }
    if (write->written.ticket == 0) {
        write->written.first_row_id = ticket.first_sequence + write_leading_sequences(write);
    }
    write->written.ticket = ticket.id;
    write->written.rows += write->rows;
    write->written.rows_late += late;
    write->written.rows_late_dropped += write->late_dropped;
    /* Relaxed: figures. */
    atomic_fetch_add_explicit(&counters->rows_written, write->rows, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->points_written, write->points, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->rows_late, late, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->rows_late_dropped, write->late_dropped,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->batches, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->deletes, write->memory->deletes.count,
                              memory_order_relaxed);
    if (write->memory->definitions.size > 0) { /* a batch of a known series touches none of it */
        vv_count(&counters->series_logged, vv_idset_count(&write->new_series));
    }
}

/** Reserve, lock, check, append, unlock. */
static write_outcome write_attempt(vv_write *write, varve_error *out_err)
{
    varve_db *db = write->db;
    vv_wal_record *records = NULL;
    if (vv_write_make_tombstones(write, out_err) != VARVE_OK ||
        write_list_records(write, &records, out_err) != VARVE_OK ||
        write_reserve_room(write, out_err) != VARVE_OK) {
        return WRITE_FAILED;
    }
    uint64_t shards = write_shards(write);
    uint64_t undefined_rows = 0;
    write_lock(write, shards);
    write_outcome outcome = write_check_locked(write, &undefined_rows, out_err);
    if (outcome != WRITE_DONE) {
        write_unlock(write, shards);
        vv_wal_unreserve(db->wal, write_log_bytes(write), write_record_count(write));
        return outcome;
    }
    vv_wal_ticket ticket = write_append(write, records, undefined_rows);
    write_unlock(write, shards);
    vv_wal_applied(db->wal, ticket);
    write_account(write, ticket);
    return WRITE_DONE;
}

/** The status of a failed step, which has written its sentence. */
static varve_status write_status(const varve_error *error)
{
    VV_ASSERT(error->status != VARVE_OK);
    return error->status;
}

/** What kinds of operations the part has. */
static void write_look(vv_write *write)
{
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    write->has_deletes = false;
    write->changes_rows = false;
    write->is_rows_resolved = false;
    write->has_rows_changed = false;
    vv_vec_clear(&write->memory->targets);
    vv_vec_clear(&write->memory->found);
    for (size_t i = write->item_begin; i < write->item_end; i++) {
        write->has_deletes = write->has_deletes || items[i].op->selection != NULL;
        write->changes_rows = write->changes_rows || items[i].target_count > 0;
    }
    write->is_chain = (write->has_deletes || write->changes_rows) &&
                      (write->flags & VARVE_WRITE_SPLIT) == 0 &&
                      write->db->options.chain_bytes_max > write->db->options.batch_bytes_max;
}

/** Whether it is still so that nothing is to be done. */
static bool write_holds(vv_write *write)
{
    uint64_t shards = vv_write_target_shards(write);
    write_lock(write, shards);
    bool holds = vv_write_rows_hold_locked(write);
    write_unlock(write, shards);
    return holds;
}

/** After a part: rows that were changed one by one. */
static void write_count_changes(vv_write *write)
{
    write->written.rows_deleted += write->part_rows.deleted;
    write->written.rows_replaced += write->part_rows.replaced;
    write->written.rows_missing += write->part_rows.missing;
}

/** Try a part until it is done or fails. */
static varve_status write_try_part(vv_write *write, varve_error *error)
{
    vv_idset_deinit(&write->new_series, &write->db->alloc);
    vv_idset_deinit(&write->new_fields, &write->db->alloc);
    vv_buf_reset(&write->memory->definitions);
    vv_vec_clear(&write->memory->retypes);
    write_look(write);
    VV_TRY(vv_write_resolve_rows(write, error));
    VV_TRY(vv_write_count_deleted(write, error));
    for (int tries = 0; tries < WRITE_TRIES_MAX; tries++) {
        VV_TRY(vv_write_resolve_rows(write, error));
        VV_TRY(vv_write_check_rings(write, error));
        VV_TRY(vv_write_prepare(write, error));
        if (write->memory->records.count == 0) {
            /* Every row was rejected, or none is there that was to be changed. */
            if (write_holds(write)) {
                write_count_changes(write);
                return VARVE_OK;
            }
            continue;
        }
        switch (write_attempt(write, error)) {
        case WRITE_DONE:
            write_count_changes(write);
            return VARVE_OK;
        case WRITE_CONFLICT:
            VV_TRY(vv_write_resolve_types(write, error));
            break;
        case WRITE_DEFINE:
            VV_TRY(vv_write_define(write, error));
            break;
        case WRITE_AGAIN:
            VV_TRY(vv_write_wait_ring(write, error));
            break;
        case WRITE_FAILED:
            return write_status(error);
        }
    }
    return vv_fail(error, VARVE_E_BUSY, "other writes came between %d times", WRITE_TRIES_MAX);
}

/** After a part: what a bound asks for. */
static void write_after(varve_db *db)
{
    vv_space_note_log(db);
    if (!vv_flush_is_due(db)) {
        return;
    }
    if (db->background != NULL) {
        vv_background_kick(db);
        return;
    }
    varve_error error;
    if (vv_flush(db, NULL, &error) != VARVE_OK) {
        /* The rows are written and answered; the next write tries the flush again. */
        vv_db_log(db, VARVE_LOG_WARN, "flush.failed", "%s; tried again with a later write",
                  error.message);
    }
}

/* ---- the call ---- */

static int write_compare_rejected(const void *a, const void *b)
{
    uint64_t left = ((const varve_rejected *)a)->row;
    uint64_t right = ((const varve_rejected *)b)->row;
    return left < right ? -1 : left > right ? 1 : 0;
}

/** Rows that could not be added: reported, or the end. */
static varve_status write_take_refusals(vv_write *write, varve_error *error)
{
    const vv_vec *refusals = &write->batch->refusals;
    if (refusals->count > 0 && (write->flags & VARVE_WRITE_SKIP_REJECTED) == 0) {
        const vv_batch_refusal *first = VV_VEC_AT(refusals, vv_batch_refusal, 0);
        *error = first->error;
        return first->error.status;
    }
    for (size_t i = 0; i < refusals->count; i++) {
        const vv_batch_refusal *refusal = VV_VEC_AT(refusals, vv_batch_refusal, i);
        const varve_rejected rejected = {
            .row = refusal->row, .status = refusal->error.status, .reason = VARVE_REJECTED_ROW};
        VV_TRY(vv_write_reject(write, &rejected, error));
    }
    return VARVE_OK;
}

/** Every part, in order. *out_done is set once a part has taken effect. */
static varve_status write_parts(vv_write *write, bool *out_done, varve_error *error)
{
    VV_TRY(vv_batch_close_run(write->batch, error));
    VV_TRY(write_take_refusals(write, error));
    VV_TRY(vv_retention_check_rows(write, error));
    VV_TRY(vv_write_plan(write, error));
    write->item_begin = 0;
    while (write->item_begin < write->memory->items.count) {
        vv_write_plan_part(write);
        varve_status status = VARVE_E_LIMIT;
        bool is_smaller = true;
        while (status == VARVE_E_LIMIT && is_smaller) {
            status = write_try_part(write, error);
            if (status == VARVE_E_LIMIT) {
                varve_status cut = VARVE_OK;
                is_smaller = (write->flags & VARVE_WRITE_SPLIT) != 0 &&
                             vv_write_plan_smaller(write, &cut, error);
                VV_TRY(cut);
            }
        }
        VV_TRY(status);
        *out_done = true;
        write->item_begin = write->item_end;
        write_after(write->db);
    }
    return VARVE_OK;
}

/** Fill the caller's outputs from what was done so far. */
static void write_report(vv_write *write, varve_written *out_written)
{
    vv_vec *rejected = &write->memory->rejected;
    if (rejected->count > 1) {
        qsort(rejected->items, rejected->count, rejected->item_size, write_compare_rejected);
    }
    const varve_write_options *options = write->options;
    for (size_t i = 0; options != NULL && i < rejected->count && i < options->rejected_capacity;
         i++) {
        options->rejected[i] = *VV_VEC_AT(rejected, varve_rejected, i);
    }
    atomic_fetch_add_explicit(&write->db->counters.rows_rejected, rejected->count,
                              memory_order_relaxed);
    if (out_written != NULL) {
        uint32_t struct_size = out_written->struct_size;
        write->written.rows_rejected = rejected->count;
        write->written.series_deleted = vv_idset_count(&write->deleted_series);
        size_t size = struct_size < sizeof write->written ? struct_size : sizeof write->written;
        memcpy(out_written, &write->written, size); /* perhaps an older, shorter one */
        out_written->struct_size = struct_size;
    }
}

static void write_begin(vv_write *write, varve_batch *batch, const varve_write_options *options,
                        bool counts_deleted)
{
    varve_db *db = batch->db;
    /* The thread that flushes may be the one that writes: it must not wait for itself. */
    bool is_brief = batch->user.is_internal && db->background != NULL;
    int64_t wait_ms = is_brief ? WRITE_BRIEF_MS : (int64_t)db->options.write_timeout_ms;
    *write = (vv_write){
        .batch = batch,
        .db = db,
        .memory = &batch->memory,
        .options = options,
        .flags = options == NULL ? 0 : options->flags,
        .sync = options == NULL ? (uint32_t)VARVE_SYNC_DEFAULT : options->sync,
        .deadline_ns = vv_deadline_after_ns(vv_sat_mul_i64(wait_ms, VV_NS_PER_MS)),
        .is_logged = !db->is_memory && db->options.sync != VARVE_SYNC_NO_LOG,
        .counts_deleted = counts_deleted,
    };
    if (write->sync == VARVE_SYNC_DEFAULT) {
        write->sync = db->options.sync;
    }
    vv_idset_init(&write->new_series);
    vv_idset_init(&write->new_fields);
    vv_idset_init(&write->deleted_series);
    vv_vec_clear(&batch->memory.rejected);
    vv_vec_clear(&batch->memory.deletes);
}

static void write_end(vv_write *write)
{
    vv_alloc *alloc = &write->db->alloc;
    vv_write_drop_tombstones(write);
    vv_write_end_rings(write);
    vv_idset_deinit(&write->new_series, alloc);
    vv_idset_deinit(&write->new_fields, alloc);
    vv_idset_deinit(&write->deleted_series, alloc);
    vv_arena_reset(&write->memory->call);
    vv_arena_reset(&write->memory->attempt);
}

/** Wait until everything that was given out is as safe as asked. A failure leaves the outcome
 * unknown until the next open: E_IO, whatever the log calls it. */
static varve_status write_wait(vv_write *write, varve_error *out_err)
{
    if (write->written.ticket == 0) {
        write->written.ack = VARVE_ACK_DURABLE; /* nothing to lose */
        return VARVE_OK;
    }
    varve_status status = vv_wal_wait(write->db->wal, write->written.ticket, UINT64_MAX,
                                      &write->written.ack, out_err);
    if (status != VARVE_OK) {
        vv_count(&write->db->counters.log_failures, 1);
        vv_health_note(write->db); /* the log has failed */
    }
    if (status != VARVE_OK && status != VARVE_E_IO) {
        vv_error_prefix(out_err, "the outcome of the write is unknown");
        if (out_err != NULL) {
            out_err->status = VARVE_E_IO;
        }
        return VARVE_E_IO;
    }
    return status;
}

static varve_status write_run(varve_batch *batch, const varve_write_options *options, bool waits,
                              varve_written *out_written, varve_error *out_err)
{
    VV_TRY(vv_db_check(batch->db, out_err));
    if (batch->db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "%s was opened read-only", batch->db->path);
    }
    vv_write write;
    write_begin(&write, batch, options, out_written != NULL);
    varve_error error; /* steps answer through it, whether the caller wants a sentence or not */
    bool is_done = false;
    varve_status status = write_parts(&write, &is_done, &error);
    if (waits && (status == VARVE_OK || is_done)) {
        varve_error wait_error;
        varve_status waited = write_wait(&write, &wait_error);
        if (waited != VARVE_OK) {
            status = waited;
            error = wait_error;
        }
    }
    if (status == VARVE_OK || (is_done && (write.flags & VARVE_WRITE_SPLIT) != 0)) {
        write_report(&write, out_written);
    }
    write_end(&write);
    if (status == VARVE_OK || is_done) {
        vv_batch_clear(batch); /* K3: what had an effect is not offered again */
    }
    if (status != VARVE_OK) {
        vv_error_copy(out_err, &error);
    }
    return status;
}

varve_status vv_batch_submit(varve_batch *batch, const varve_write_options *options,
                             varve_written *out_written, varve_error *out_err)
{
    return write_run(batch, options, /* waits */ false, out_written, out_err);
}

varve_status vv_batch_commit(varve_batch *batch, const varve_write_options *options,
                             varve_written *out_written, varve_error *out_err)
{
    return write_run(batch, options, /* waits */ true, out_written, out_err);
}
