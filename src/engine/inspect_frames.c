/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A framed file, log or manifest, described: its header, its records as far as they are good, and
 * how it ends. Behind a bad record the walk goes on at the next header that is valid by itself; the
 * records there are good, but what lies between is lost.
 */

#include <string.h>

#include "base/reader.h"
#include "base/status.h"
#include "base/text.h"
#include "engine/inspect_priv.h"
#include "engine/manifest_priv.h"
#include "engine/rollup_set.h"
#include "engine/scrub_record.h"
#include "wal/payload.h"
#include "wal/wal.h"

enum { INSPECT_ARENA_BYTES_MAX = 1024 * 1024 * 1024 }; /* of one decoded record */

/** The walk, while it goes on. */
typedef struct inspect_walk {
    const vv_inspect_frames *frames;
    vv_frame_reader reader;
    int64_t offset;    /* of the next record */
    uint64_t number;   /* of the next record */
    uint64_t expected; /* its LSN; 0: unknown */
    uint32_t chain;
    bool has_chain; /* false behind damage */
} inspect_walk;

/* ---- header --------------------------------------------------------------------------------- */

static varve_status inspect_header(inspect_walk *walk, varve_error *out_err)
{
    vv_bytes bytes;
    vv_frame_file file;
    varve_error err;
    vv_facts *facts = walk->frames->facts;
    bool is_log = walk->frames->kind == VV_FRAME_LOG;
    VV_TRY(vv_frame_reader_view(&walk->reader, 0, VV_FRAME_FILE_HEADER_BYTES, &bytes, out_err));
    if (vv_frame_file_decode(walk->frames->kind, bytes, &file, &err) != VARVE_OK) {
        vv_facts_damage(facts, "header", 0, 0, err.message);
        walk->reader.salt = vv_frame_file_salt_guess(bytes);
        return VARVE_OK;
    }
    vv_facts_begin(facts, "header", 0, 0);
    vv_facts_u64(facts, "version", VV_FRAME_VERSION);
    vv_facts_id(facts, "store_id", file.store_id);
    vv_facts_u64(facts, "file", file.file_seq);
    vv_facts_u64(facts, is_log ? "first_lsn" : "snapshot_of_edit", file.first_lsn);
    vv_facts_i64(facts, "created_ns", file.created_ns);
    if (is_log) {
        vv_facts_u64(facts, "last_lsn_before", file.prev_last);
    }
    vv_facts_u64(facts, is_log ? "durable_lsn" : "bytes_at_creation", file.durable);
    walk->reader.salt = file.salt;
    walk->chain = vv_frame_chain_first(file.salt);
    walk->has_chain = true;
    walk->expected = file.first_lsn;
    return VARVE_OK;
}

/* ---- records -------------------------------------------------------------------------------- */

/** The next header behind the bad record that is valid by itself; -1: none. *out_used is the end of
 * what is not zero. */
static varve_status inspect_next_valid(inspect_walk *walk, int64_t *out_found, int64_t *out_used,
                                       varve_error *out_err)
{
    vv_frame frame;
    *out_used = walk->offset;
    VV_TRY(vv_frame_scan(&walk->reader, walk->offset, out_found, &frame, out_used, out_err));
    if (*out_found == walk->offset) { /* its own header: the rest of it is bad */
        *out_used = walk->offset + VV_FRAME_HEADER_BYTES;
        VV_TRY(
            vv_frame_scan(&walk->reader, walk->offset + 8, out_found, &frame, out_used, out_err));
    }
    return VARVE_OK;
}

/** The file has no further record. */
static void inspect_tell_end(const inspect_walk *walk, vv_frame_verdict verdict, int64_t used)
{
    vv_facts *facts = walk->frames->facts;
    vv_facts_begin(facts, "end", 0, (uint64_t)walk->offset);
    if (used <= walk->offset) {
        vv_facts_text(facts, "state", VV_TEXT("clean"));
        return;
    }
    /* What a cut leaves, unless another file proves that it had been synced. */
    vv_facts_text(facts, "state", VV_TEXT("torn"));
    vv_facts_u64(facts, "torn_bytes", (uint64_t)(used - walk->offset));
    vv_facts_text(facts, "reason", vv_text_from_string(vv_frame_verdict_text(verdict)));
}

/** Pass a bad record; *out_is_end when none follows. */
static varve_status inspect_bad(inspect_walk *walk, vv_frame_verdict verdict, bool *out_is_end,
                                varve_error *out_err)
{
    int64_t found;
    int64_t used;
    varve_error sentence;
    VV_TRY(inspect_next_valid(walk, &found, &used, out_err));
    *out_is_end = found < 0;
    if (found < 0) {
        inspect_tell_end(walk, verdict, used);
        return VARVE_OK;
    }
    VV_IGNORE(vv_fail(&sentence, VARVE_E_CORRUPT, "%s; %lld bytes up to the next record are lost",
                      vv_frame_verdict_text(verdict), (long long)(found - walk->offset)));
    vv_facts_damage(walk->frames->facts, "record", walk->number, (uint64_t)walk->offset,
                    sentence.message);
    walk->offset = found;
    walk->has_chain = false;
    walk->expected = 0;
    return VARVE_OK;
}

static varve_status inspect_records(inspect_walk *walk, varve_error *out_err)
{
    const vv_inspect_frames *frames = walk->frames;
    bool is_end = false;
    walk->offset = VV_FRAME_FILE_HEADER_BYTES;
    while (!is_end) {
        vv_frame_verdict verdict;
        vv_frame frame = {0};
        vv_bytes payload = {0};
        walk->reader.keep_offset = walk->offset;
        VV_TRY(vv_frame_read(&walk->reader, walk->offset, walk->has_chain ? &walk->chain : NULL,
                             walk->expected, &verdict, &frame, &payload, out_err));
        if (verdict != VV_FRAME_GOOD) {
            VV_TRY(inspect_bad(walk, verdict, &is_end, out_err));
            continue;
        }
        VV_TRY(
            frames->record(frames->context, &frame, walk->offset, walk->number, payload, out_err));
        walk->chain = vv_frame_chain_next(&frame);
        walk->has_chain = true;
        walk->expected = frame.lsn + 1;
        walk->offset += (int64_t)vv_frame_bytes(frame.payload_size);
        walk->number += 1;
    }
    return VARVE_OK;
}

varve_status vv_inspect_framed(const vv_env *env, const char *path, const vv_inspect_frames *frames,
                               varve_error *out_err)
{
    inspect_walk walk = {.frames = frames};
    VV_TRY(vv_frame_reader_open(&walk.reader, env->vfs, env->alloc, path, /* from_disk */ false,
                                out_err));
    varve_status status = inspect_header(&walk, out_err);
    if (status == VARVE_OK && walk.reader.file_bytes > VV_FRAME_FILE_HEADER_BYTES) {
        status = inspect_records(&walk, out_err);
    }
    vv_frame_reader_close(&walk.reader);
    return status;
}

/* ---- the log -------------------------------------------------------------------------------- */

enum { INSPECT_TYPES = VV_WAL_RINGPAGE + 1 };

static const char *const inspect_types[INSPECT_TYPES] = {
    [VV_WAL_SERIES] = "series",       [VV_WAL_ROWS] = "rows",     [VV_WAL_TOMBSTONE] = "tombstone",
    [VV_WAL_META] = "meta",           [VV_WAL_COMMIT] = "commit", [VV_WAL_SEAL] = "seal",
    [VV_WAL_EXEMPLARS] = "exemplars", [VV_WAL_MARK] = "mark",     [VV_WAL_POLICY] = "policy",
    [VV_WAL_RINGPAGE] = "ringpage",
};

typedef struct inspect_log {
    vv_facts *facts;
    vv_alloc *alloc;
    vv_arena arena; /* of one record */
    uint64_t counts[INSPECT_TYPES];
    uint64_t records;
    uint64_t rows;
    uint64_t definitions;
    uint64_t first_lsn;
    uint64_t last_lsn;
    uint64_t record_rows; /* of the record under way: written, or deleted one by one */
} inspect_log;

static varve_status inspect_definitions(inspect_log *log, vv_bytes payload, varve_error *out_err)
{
    vv_payload_reader reader;
    vv_wal_definition definition;
    bool has_more = true;
    vv_payload_reader_init(&reader, payload);
    while (has_more) {
        vv_arena_reset(&log->arena);
        VV_TRY(vv_payload_next_definition(&reader, &log->arena, &definition, &has_more, out_err));
        log->definitions += has_more ? 1 : 0;
    }
    return VARVE_OK;
}

static varve_status inspect_runs(inspect_log *log, vv_bytes payload, varve_error *out_err)
{
    vv_payload_reader reader;
    vv_run run;
    bool has_more = true;
    vv_payload_reader_init(&reader, payload);
    while (has_more) {
        vv_arena_reset(&log->arena);
        VV_TRY(vv_payload_next_run(&reader, &log->arena, &run, &has_more, out_err));
        log->record_rows += has_more ? run.count : 0;
    }
    return VARVE_OK;
}

static varve_status inspect_delete(inspect_log *log, vv_bytes payload, varve_error *out_err)
{
    varve_range range;
    vv_selection *selection;
    if (!vv_payload_is_row_tombstone(payload)) {
        VV_TRY(vv_payload_read_tombstone(payload, log->alloc, &range, &selection, out_err));
        vv_selection_free(selection);
        return VARVE_OK;
    }
    vv_payload_row_walk walk = {.left = payload};
    vv_row_address row;
    bool has_more = true;
    while (has_more) {
        VV_TRY(vv_payload_next_row(&walk, &row, &has_more, out_err));
        log->record_rows += has_more ? 1 : 0;
    }
    return VARVE_OK;
}

static varve_status inspect_payload(inspect_log *log, uint8_t type, vv_bytes payload,
                                    varve_error *out_err)
{
    varve_text metric;
    uint32_t duplicates;
    bool has_row_ids;
    vv_wal_ring_page page;
    bool has_sequence = type == VV_WAL_ROWS || type == VV_WAL_TOMBSTONE;
    if (has_sequence) { /* its row sequence stands last */
        if (payload.size < sizeof(uint64_t)) {
            return vv_fail(out_err, VARVE_E_CORRUPT, "the row sequence is missing");
        }
        payload.size -= sizeof(uint64_t);
    }
    switch (type) {
    case VV_WAL_SERIES:
        return inspect_definitions(log, payload, out_err);
    case VV_WAL_ROWS:
        return inspect_runs(log, payload, out_err);
    case VV_WAL_TOMBSTONE:
        return inspect_delete(log, payload, out_err);
    case VV_WAL_POLICY:
        if (vv_payload_policy_kind(payload) == VV_POLICY_RETENTION ||
            vv_payload_policy_kind(payload) == VV_POLICY_CUTS) {
            vv_retention_entry *entries;
            size_t count;
            vv_arena_reset(&log->arena);
            return vv_payload_read_retention(payload, &log->arena, &entries, &count, out_err);
        }
        if (vv_payload_policy_kind(payload) == VV_POLICY_ROLLUPS) {
            vv_rollup_set *set;
            vv_bytes stored = vv_bytes_make(payload.data + 1, payload.size - 1);
            VV_TRY(vv_rollup_set_read(stored, log->alloc, &set, out_err));
            vv_rollup_set_unref(set);
            return VARVE_OK;
        }
        return vv_payload_read_policy(payload, &metric, &duplicates, &has_row_ids, out_err);
    case VV_WAL_RINGPAGE:
        return vv_payload_read_ring_page(payload, &page, out_err);
    default: /* COMMIT, SEAL, MARK have nothing that could be read in another way */
        return VARVE_OK;
    }
}

static void inspect_tell_record(const inspect_log *log, const vv_frame *frame, int64_t offset,
                                uint64_t number, vv_bytes payload)
{
    vv_facts *facts = log->facts;
    vv_facts_begin(facts, "record", number, (uint64_t)offset);
    vv_facts_text(facts, "type", vv_text_from_string(inspect_types[frame->type]));
    vv_facts_u64(facts, "lsn", frame->lsn);
    vv_facts_u64(facts, "bytes", frame->payload_size);
    if (frame->type == VV_WAL_ROWS || log->record_rows > 0) {
        vv_facts_u64(facts, "rows", log->record_rows);
    }
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    if (frame->type == VV_WAL_COMMIT) {
        vv_facts_u64(facts, "records", vv_reader_u32(&reader));
        vv_reader_skip(&reader, 4 + 8);
        vv_facts_u64(facts, "durable_lsn", vv_reader_u64(&reader));
        vv_facts_i64(facts, "wall_ns", vv_reader_i64(&reader));
    } else if (frame->type == VV_WAL_SEAL) {
        vv_reader_skip(&reader, 8);
        vv_facts_u64(facts, "durable_lsn", vv_reader_u64(&reader));
        vv_facts_u64(facts, "edit", vv_reader_u64(&reader));
        vv_facts_bool(facts, "is_clean", vv_reader_u8(&reader) == 1);
    } else if (frame->type == VV_WAL_MARK) {
        vv_facts_u64(facts, "durable_lsn", vv_reader_u64(&reader));
    } else if (frame->type == VV_WAL_RINGPAGE) {
        vv_facts_u64(facts, "ring", vv_reader_u64(&reader));
        vv_facts_u64(facts, "page", vv_reader_u64(&reader));
    }
}

static varve_status inspect_log_record(void *context, const vv_frame *frame, int64_t offset,
                                       uint64_t number, vv_bytes payload, varve_error *out_err)
{
    inspect_log *log = context;
    varve_error err;
    log->records += 1;
    log->first_lsn = log->records == 1 ? frame->lsn : log->first_lsn;
    log->last_lsn = frame->lsn;
    log->record_rows = 0;
    if (frame->type >= INSPECT_TYPES || inspect_types[frame->type] == NULL) {
        vv_facts_damage(log->facts, "record", number, (uint64_t)offset,
                        "a record of a type that this varve does not know");
        return VARVE_OK;
    }
    log->counts[frame->type] += 1;
    varve_status status = inspect_payload(log, frame->type, payload, &err);
    if (status == VARVE_E_NOMEM) {
        return vv_fail(out_err, status, "%s", err.message);
    }
    if (status != VARVE_OK) {
        vv_facts_damage(log->facts, "record", number, (uint64_t)offset, err.message);
    }
    log->rows += frame->type == VV_WAL_ROWS ? log->record_rows : 0;
    if (log->facts->has_details) {
        inspect_tell_record(log, frame, offset, number, payload);
    }
    return VARVE_OK;
}

varve_status vv_inspect_log(const vv_env *env, const char *path, vv_facts *facts,
                            varve_error *out_err)
{
    inspect_log log = {.facts = facts, .alloc = env->alloc};
    vv_inspect_frames frames = {
        .kind = VV_FRAME_LOG, .facts = facts, .record = inspect_log_record, .context = &log};
    vv_arena_init(&log.arena, env->alloc, INSPECT_ARENA_BYTES_MAX);
    varve_status status = vv_inspect_framed(env, path, &frames, out_err);
    vv_arena_deinit(&log.arena);
    VV_TRY(status);
    vv_facts_begin(facts, "records", 0, VV_FRAME_FILE_HEADER_BYTES);
    vv_facts_u64(facts, "records", log.records);
    for (size_t type = 0; type < INSPECT_TYPES; type++) {
        if (log.counts[type] > 0) {
            vv_facts_u64(facts, inspect_types[type], log.counts[type]);
        }
    }
    vv_facts_u64(facts, "definitions", log.definitions);
    vv_facts_u64(facts, "rows_written", log.rows);
    vv_facts_u64(facts, "first_lsn", log.first_lsn);
    vv_facts_u64(facts, "last_lsn", log.last_lsn);
    return VARVE_OK;
}

/* ---- the manifest --------------------------------------------------------------------------- */

typedef struct inspect_manifest {
    vv_facts *facts;
    vv_alloc *alloc;
    vv_manifest_state state; /* folded so far */
    uint64_t edits;
    bool is_broken; /* an edit is missing: what follows has nothing to build on */
} inspect_manifest;

static varve_status inspect_fold(inspect_manifest *manifest, const vv_frame *frame,
                                 vv_bytes payload, varve_error *out_err)
{
    vv_arena arena;
    vv_manifest_edit edit;
    vv_arena_init(&arena, manifest->alloc, INSPECT_ARENA_BYTES_MAX);
    varve_status status =
        vv_manifest_decode(payload, &arena, &manifest->state.texts, &edit, out_err);
    if (status == VARVE_OK) {
        status = vv_manifest_check(&manifest->state, &edit, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_manifest_reserve(&manifest->state, &edit, out_err);
    }
    if (status == VARVE_OK) {
        vv_manifest_fold(&manifest->state, &edit, frame->lsn);
    }
    vv_arena_deinit(&arena);
    return status;
}

static varve_status inspect_manifest_record(void *context, const vv_frame *frame, int64_t offset,
                                            uint64_t number, vv_bytes payload, varve_error *out_err)
{
    inspect_manifest *manifest = context;
    vv_facts *facts = manifest->facts;
    varve_error err = {.message = "edits before it are missing: it cannot be applied"};
    varve_status status = VARVE_E_CORRUPT;
    if (facts->damaged > 0) {
        manifest->is_broken = true;
    }
    if (!manifest->is_broken) {
        status = inspect_fold(manifest, frame, payload, &err);
    }
    if (status == VARVE_E_NOMEM) {
        return vv_fail(out_err, status, "%s", err.message);
    }
    if (status != VARVE_OK) {
        vv_facts_damage(facts, "edit", number, (uint64_t)offset, err.message);
        return VARVE_OK;
    }
    manifest->edits += 1;
    if (facts->has_details) {
        vv_facts_begin(facts, "edit", number, (uint64_t)offset);
        vv_facts_u64(facts, "edit", frame->lsn);
        vv_facts_bool(facts, "is_snapshot", frame->type == VV_MANIFEST_SNAPSHOT);
        vv_facts_u64(facts, "bytes", frame->payload_size);
    }
    return VARVE_OK;
}

/** The state was folded from edits whose rollups could be read; without memory they stay untold. */
static void inspect_tell_rollups(vv_facts *facts, vv_bytes stored, vv_alloc *alloc)
{
    vv_rollup_set *set;
    if (stored.size == 0 || vv_rollup_set_read(stored, alloc, &set, NULL) != VARVE_OK) {
        return;
    }
    for (size_t i = 0; i < set->count && facts->has_details; i++) {
        const vv_rollup *rollup = &set->items[i];
        vv_facts_begin(facts, "rollup", i, 0);
        vv_facts_text(facts, "id", rollup->given.id);
        vv_facts_text(facts, "metric", rollup->given.metric);
        vv_facts_u64(facts, "generation", rollup->generation);
        vv_facts_i64(facts, "interval", rollup->given.interval);
        vv_facts_i64(facts, "origin", rollup->given.origin);
        vv_facts_u64(facts, "aggregation", rollup->given.aggregation);
    }
    vv_rollup_set_unref(set);
}

static void inspect_tell_scrubbed(vv_facts *facts, vv_bytes stored)
{
    vv_scrub_record record;
    if (stored.size == 0 || vv_scrub_record_read(stored, &record, NULL) != VARVE_OK) {
        return;
    }
    vv_facts_begin(facts, "scrub", 0, 0);
    vv_facts_i64(facts, "completed_ns", record.completed_ns);
    vv_facts_u64(facts, "files", record.files);
    vv_facts_u64(facts, "blocks", record.blocks);
    vv_facts_u64(facts, "bytes", record.bytes);
    vv_facts_u64(facts, "damaged_files", record.damaged_files);
    vv_facts_u64(facts, "damaged_places", record.damaged_places);
    for (size_t i = 0; i < record.bad_count && facts->has_details; i++) {
        vv_facts_begin(facts, "bad place", i, 0);
        vv_facts_u64(facts, "file", record.bad[i].file_id);
        vv_facts_bool(facts, "is_block", record.bad[i].block != UINT64_MAX);
        vv_facts_u64(facts, "block", record.bad[i].block);
        vv_facts_u64(facts, "file_offset", record.bad[i].offset);
        vv_facts_u64(facts, "bytes", record.bad[i].bytes);
    }
}

static void inspect_tell_segments(vv_facts *facts, const vv_manifest_state *state)
{
    for (size_t i = 0; i < state->segments.count && facts->has_details; i++) {
        const vv_manifest_segment *segment = VV_VEC_AT(&state->segments, vv_manifest_segment, i);
        vv_facts_begin(facts, "segment", i, 0);
        vv_facts_u64(facts, "id", segment->id);
        vv_facts_u64(facts, "level", segment->level);
        vv_facts_u64(facts, "bytes", segment->bytes);
        vv_facts_u64(facts, "rows", segment->rows);
        vv_facts_u64(facts, "series", segment->series);
        vv_facts_i64(facts, "first_time", segment->first_time);
        vv_facts_i64(facts, "last_time", segment->last_time);
    }
    for (size_t i = 0; i < state->tombstones.count && facts->has_details; i++) {
        const vv_manifest_tombstone *file = VV_VEC_AT(&state->tombstones, vv_manifest_tombstone, i);
        vv_facts_begin(facts, "tombstones", i, 0);
        vv_facts_u64(facts, "id", file->id);
        vv_facts_u64(facts, "sequence", file->sequence);
    }
    for (size_t i = 0; i < state->rings.count && facts->has_details; i++) {
        vv_facts_begin(facts, "ring", i, 0);
        vv_facts_u64(facts, "id", *VV_VEC_AT(&state->rings, uint64_t, i));
    }
    for (size_t i = 0; i < state->policies.count && facts->has_details; i++) {
        const vv_manifest_policy *policy = VV_VEC_AT(&state->policies, vv_manifest_policy, i);
        vv_facts_begin(facts, "policy", i, 0);
        vv_facts_text(facts, "metric", policy->metric);
        vv_facts_u64(facts, "duplicates", policy->duplicates);
        vv_facts_u64(facts, "row_ids", policy->row_ids);
    }
    for (size_t i = 0; i < state->retention.count && facts->has_details; i++) {
        const vv_retention_entry *entry = VV_VEC_AT(&state->retention, vv_retention_entry, i);
        vv_facts_begin(facts, "retention", i, 0);
        vv_facts_text(facts, "metric", entry->metric);
        vv_facts_bool(facts, "has_rule", entry->has_rule);
        vv_facts_bool(facts, "is_enforced", entry->is_enforced);
        vv_facts_i64(facts, "window", entry->window);
        vv_facts_i64(facts, "hot_window", entry->hot_window);
        vv_facts_i64(facts, "recorded_cut", entry->recorded);
    }
    inspect_tell_rollups(facts, state->rollups, state->texts.alloc);
    inspect_tell_scrubbed(facts, state->scrubbed);
}

static void inspect_tell_state(vv_facts *facts, const inspect_manifest *manifest)
{
    const vv_manifest_state *state = &manifest->state;
    vv_facts_begin(facts, "state", 0, VV_FRAME_FILE_HEADER_BYTES);
    vv_facts_u64(facts, "edits", manifest->edits);
    vv_facts_u64(facts, "last_edit", state->edit_seq);
    vv_facts_u64(facts, "segments", state->segments.count);
    vv_facts_u64(facts, "tombstone_files", state->tombstones.count);
    vv_facts_u64(facts, "policies", state->policies.count);
    vv_facts_u64(facts, "retention_scopes", state->retention.count);
    vv_facts_u64(facts, "rings", state->rings.count);
    vv_facts_u64(facts, "precision", state->database.precision);
    vv_facts_u64(facts, "duplicates", state->database.duplicates);
    vv_facts_u64(facts, "row_ids", state->database.row_ids);
    vv_facts_u64(facts, "flush_lsn", state->flush_lsn);
    vv_facts_u64(facts, "durable_lsn", state->durable_lsn);
    vv_facts_u64(facts, "log_start", state->log_start);
    vv_facts_u64(facts, "next_file_id", state->next_file_id);
    vv_facts_u64(facts, "next_sequence", state->next_sequence);
    vv_facts_u64(facts, "flags", state->flags);
    inspect_tell_segments(facts, state);
}

varve_status vv_inspect_manifest(const vv_env *env, const char *path, vv_facts *facts,
                                 varve_error *out_err)
{
    inspect_manifest manifest = {.facts = facts, .alloc = env->alloc};
    vv_inspect_frames frames = {.kind = VV_FRAME_MANIFEST,
                                .facts = facts,
                                .record = inspect_manifest_record,
                                .context = &manifest};
    vv_manifest_state_init(&manifest.state, env->alloc);
    varve_status status = vv_inspect_framed(env, path, &frames, out_err);
    if (status == VARVE_OK) {
        inspect_tell_state(facts, &manifest);
    }
    vv_manifest_state_deinit(&manifest.state);
    return status;
}
