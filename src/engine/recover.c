/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loading: the manifest's segments and tombstones, then the log above its flush point into a head.
 *
 *   writer    replayed rows go into the active head; a fresh log is made; the head is flushed; one
 * edit makes the fresh log the log (durability.md 4.3: an old log file is never continued, since
 *             the page cache may hold bytes of it that a failed sync never stored). A log of any
 * size is flushed: copying a small one into the fresh file would save one small segment and cost a
 *             second way to recover.
 *   reader    the same into a head of its own, with a log that may still be growing; vv_db_refresh
 * does it again and swaps head and version.
 *
 *   C1  Replay applies definitions before rows; an id without a definition is damage.
 *   C2  Row sequences come from the log as they were given; new ones start 2^32 above the highest
 * after an unclean stop, since rows that were never answered may have used some.
 */

#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "base/vec.h"
#include "codec/vector.h"
#include "engine/db.h"
#include "engine/flush.h"
#include "engine/head.h"
#include "engine/live_segment_priv.h"
#include "engine/load.h"
#include "engine/manifest.h"
#include "engine/replay_crew.h"
#include "engine/ring_load.h"
#include "engine/rollup.h"
#include "engine/scrub_status.h"
#include "engine/tier.h"
#include "engine/tombstone.h"
#include "engine/version.h"
#include "engine/write.h"
#include "index/catalogue.h"
#include "model/presence.h"
#include "wal/frame.h"
#include "wal/payload.h"
#include "wal/replay.h"
#include "wal/wal.h"

/* Sequences that an unclean stop may have given to rows nobody saw (durability.md, terms). */
#define RECOVER_SEQUENCE_GAP (UINT64_C(1) << 32)
enum { RECOVER_FOLLOW_TRIES = 5 };

typedef struct recover_state {
    varve_db *db;
    const vv_manifest_state *manifest;
    vv_head *head;     /* rows of the log go here */
    vv_vec segments;   /* vv_live_segment *, references */
    vv_vec tombstones; /* vv_tombstone *, references */
    vv_retention *retention;
    vv_ring_load rings;
    vv_vec series_map; /* log id - 1 -> catalogue id, 0: not defined */
    vv_vec field_map;  /* the same for fields */
    vv_arena arena;    /* of one record */
    vv_codec_scratch *scratch;
    vv_replay_crew *crew; /* NULL: no run was large enough yet */
    bool is_alone;        /* there will be no crew */
    vv_replay_result result;
    uint64_t rows, policies;
    uint64_t batches, points, defined; /* of the log, for figures */
    int64_t begun_ns;
    size_t logged_tombstones;
} recover_state;

static void recover_init(recover_state *state, varve_db *db)
{
    memset(state, 0, sizeof *state);
    state->db = db;
    vv_vec_init(&state->segments, &db->alloc, sizeof(vv_live_segment *), SIZE_MAX);
    vv_vec_init(&state->tombstones, &db->alloc, sizeof(vv_tombstone *), SIZE_MAX);
    vv_vec_init(&state->series_map, &db->alloc, sizeof(uint32_t), SIZE_MAX);
    vv_vec_init(&state->field_map, &db->alloc, sizeof(uint32_t), SIZE_MAX);
    vv_arena_init(&state->arena, &db->alloc, SIZE_MAX);
    vv_ring_load_init(&state->rings, db);
}

static void recover_deinit(recover_state *state)
{
    vv_live_segment **segments = (vv_live_segment **)(void *)state->segments.items;
    for (size_t i = 0; i < state->segments.count; i++) {
        vv_live_segment_unref(state->db, segments[i]);
    }
    vv_tombstone **tombstones = (vv_tombstone **)(void *)state->tombstones.items;
    for (size_t i = 0; i < state->tombstones.count; i++) {
        vv_tombstone_unref(state->db, tombstones[i]);
    }
    vv_retention_unref(state->db, state->retention);
    vv_ring_load_deinit(&state->rings);
    vv_head_unref(state->head);
    vv_vec_deinit(&state->segments);
    vv_vec_deinit(&state->tombstones);
    vv_vec_deinit(&state->series_map);
    vv_vec_deinit(&state->field_map);
    vv_arena_deinit(&state->arena);
    vv_codec_scratch_free(state->scratch);
}

static varve_status recover_push(vv_vec *vec, const void *item, varve_error *out_err)
{
    varve_status status = vv_vec_push(vec, item);
    return status == VARVE_OK ? VARVE_OK : vv_fail(out_err, status, "no memory while opening");
}

/* ---- what the manifest names ---- */

static varve_status recover_policies(recover_state *state, varve_error *out_err)
{
    VV_TRY(vv_rollups_load(state->db, state->manifest->rollups, out_err));
    const vv_manifest_policy *policies = (const void *)state->manifest->policies.items;
    for (size_t i = 0; i < state->manifest->policies.count; i++) {
        uint32_t metric;
        VV_TRY(vv_catalogue_metric_id_of(state->db->catalogue, policies[i].metric,
                                         /* existing_only */ false, &metric, out_err));
        vv_metric_policy policy = {
            .duplicates = policies[i].duplicates,
            .has_row_ids = policies[i].row_ids == VARVE_ROW_IDS_ON,
            .is_own = true,
        };
        vv_catalogue_set_policy(state->db->catalogue, metric, policy);
    }
    return VARVE_OK;
}

/** A segment that the current version has already (refresh), or a newly opened one. */
static varve_status recover_segment(recover_state *state, const vv_manifest_segment *named,
                                    varve_error *out_err)
{
    vv_live_segment *segment = NULL;
    const vv_version *version = state->db->version;
    for (size_t i = 0; segment == NULL && i < version->segment_count; i++) {
        if (version->segments[i]->info.id == named->id) {
            segment = version->segments[i];
            vv_live_segment_ref(segment);
        }
    }
    if (segment == NULL) {
        VV_TRY(vv_live_segment_open(state->db, named->id, named->level, named->tier, &segment,
                                    out_err));
    }
    varve_status status = VARVE_OK;
    if (memcmp(segment->info.digest, named->digest, sizeof named->digest) != 0 ||
        segment->info.bytes != named->bytes || segment->info.rows != named->rows) {
        status = vv_fail(out_err, VARVE_E_CORRUPT,
                         "segment %llu is not the file that the manifest names",
                         (unsigned long long)named->id);
    }
    if (status == VARVE_OK) {
        segment->info.first_sequence = named->first_sequence;
        segment->info.last_sequence = named->last_sequence;
        status = recover_push(&state->segments, &segment, out_err);
    }
    if (status != VARVE_OK) {
        vv_live_segment_unref(state->db, segment);
    }
    return status;
}

static bool recover_precedes(const vv_manifest_segment *a, const vv_manifest_segment *b)
{
    return a->first_sequence != b->first_sequence ? a->first_sequence < b->first_sequence
                                                  : a->id < b->id;
}

static varve_status recover_files(recover_state *state, varve_error *out_err)
{
    VV_TRY(recover_policies(state, out_err));
    VV_TRY(vv_retention_load(state->db, state->manifest, &state->retention, out_err));
    /* In the order of arrival, so that the newest type of a field is the one the catalogue keeps.
     */
    const vv_manifest_segment *segments = (const void *)state->manifest->segments.items;
    size_t count = state->manifest->segments.count;
    const vv_manifest_segment *opened = NULL;
    for (size_t i = 0; i < count; i++) {
        const vv_manifest_segment *next = NULL;
        for (size_t at = 0; at < count; at++) {
            bool is_later = opened == NULL || recover_precedes(opened, &segments[at]);
            if (is_later && (next == NULL || recover_precedes(&segments[at], next))) {
                next = &segments[at];
            }
        }
        VV_ASSERT(next != NULL); /* ids are distinct */
        VV_TRY(recover_segment(state, next, out_err));
        opened = next;
    }
    const vv_manifest_tombstone *files = (const void *)state->manifest->tombstones.items;
    for (size_t i = 0; i < state->manifest->tombstones.count; i++) {
        VV_TRY(vv_tombstone_file_read(state->db, files[i].id, &state->tombstones, out_err));
    }
    /* Before the log is read: it adds to what the rings of then held. */
    return vv_ring_load_files(&state->rings, state->manifest, out_err);
}

/** Whether a file is to be in a directory: it is named, and a segment there is hot. */
static bool recover_is_named(const vv_vec *named, size_t id_offset, uint64_t id)
{
    for (size_t at = 0; at < named->count; at++) {
        const uint8_t *item = named->items + at * named->item_size;
        uint64_t named_id;
        memcpy(&named_id, item + id_offset, sizeof named_id);
        if (named_id == id) {
            return named->item_size != sizeof(vv_manifest_segment) ||
                   VV_VEC_AT(named, vv_manifest_segment, at)->tier == VV_TIER_HOT;
        }
    }
    return false;
}

static varve_status recover_unlink(varve_db *db, const char *directory, const char *name,
                                   varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_path_join(directory, name, path, out_err));
    return vv_vfs_unlink(db->env.vfs, path, out_err);
}

/** Remove files of a directory that the manifest does not name: a crash came before their edit. */
static varve_status recover_sweep(varve_db *db, const char *directory, const vv_vec *named,
                                  size_t id_offset, varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, directory, path, out_err));
    vv_dir_list list;
    VV_TRY(vv_vfs_list(db->env.vfs, &db->alloc, path, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < list.count && status == VARVE_OK; i++) {
        const char *name = list.entries[i].name;
        uint64_t id;
        varve_text digits = {.data = name, .size = strlen(name) > 20 ? 20 : 0};
        if (digits.size == 0 || !vv_text_parse_u64(digits, &id)) {
            vv_db_log(db, VARVE_LOG_WARN, "open.unknown_file", "%s/%s is not varve's; ignored",
                      directory, name);
            continue;
        }
        if (!recover_is_named(named, id_offset, id)) {
            status = recover_unlink(db, path, name, out_err);
        }
    }
    vv_dir_list_deinit(&list);
    return status;
}

/** Log files below the first that counts. Their unlinking needs no sync: they are never read again.
 */
static void recover_drop_logs(varve_db *db, const char *directory, uint64_t log_start)
{
    varve_error error;
    vv_dir_list list;
    if (vv_vfs_list(db->env.vfs, &db->alloc, directory, &list, &error) != VARVE_OK) {
        return; /* the next open tries again */
    }
    for (size_t i = 0; i < list.count; i++) {
        uint64_t seq;
        if (vv_frame_parse_name(list.entries[i].name, VV_TEXT(".vwl"), &seq) && seq < log_start &&
            recover_unlink(db, directory, list.entries[i].name, &error) != VARVE_OK) {
            vv_db_log(db, VARVE_LOG_WARN, "open.old_log", "%s; removed at the next open",
                      error.message);
        }
    }
    vv_dir_list_deinit(&list);
}

/* ---- the log ---- */

static varve_status recover_map(vv_vec *map, uint32_t log_id, uint32_t id, varve_error *out_err)
{
    if (log_id == 0 || log_id > UINT32_MAX / 2) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "log: a definition of id %u", log_id);
    }
    while (map->count < log_id) {
        /* Ids are dense but for those that were resolved and never written. */
        uint32_t none = 0;
        VV_TRY(recover_push(map, &none, out_err));
    }
    memcpy(map->items + (log_id - 1) * sizeof id, &id, sizeof id);
    return VARVE_OK;
}

/** Catalogue id of a log id, 0: it was never defined (C1). */
static uint32_t recover_lookup(const vv_vec *map, uint32_t log_id)
{
    uint32_t id = 0;
    if (log_id != 0 && log_id <= map->count) {
        memcpy(&id, map->items + (log_id - 1) * sizeof id, sizeof id);
    }
    return id;
}

static varve_status recover_definitions(recover_state *state, vv_bytes payload,
                                        varve_error *out_err)
{
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, payload);
    for (;;) {
        vv_wal_definition definition;
        bool has_more;
        VV_TRY(vv_payload_next_definition(&reader, &state->arena, &definition, &has_more, out_err));
        if (!has_more) {
            return VARVE_OK;
        }
        uint32_t id;
        if (definition.kind == 1) {
            VV_TRY(vv_catalogue_field(state->db->catalogue, definition.metric,
                                      /* existing_only */ false, &id, out_err));
            VV_TRY(recover_map(&state->field_map, definition.id, id, out_err));
        } else {
            VV_TRY(vv_catalogue_resolve(state->db->catalogue, definition.metric, definition.labels,
                                        definition.label_count, /* existing_only */ false, &id,
                                        out_err));
            VV_TRY(recover_map(&state->series_map, definition.id, id, out_err));
            state->defined++;
        }
    }
}

static varve_status recover_unknown(const char *what, uint32_t id, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_CORRUPT, "log: rows use %s %u, which was never defined", what,
                   id);
}

/** Columns sorted again by their new field ids (R6). */
static varve_status recover_columns(recover_state *state, vv_run *run, const uint32_t *log_fields,
                                    const varve_column *log_columns, size_t count,
                                    varve_error *out_err)
{
    uint32_t *fields = vv_arena_array(&state->arena, count, sizeof *fields);
    varve_column *columns = vv_arena_array(&state->arena, count, sizeof *columns);
    if (fields == NULL || columns == NULL) {
        return vv_arena_fail(&state->arena, count * sizeof *columns, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t field = recover_lookup(&state->field_map, log_fields[i]);
        if (field == 0) {
            return recover_unknown("field", log_fields[i], out_err);
        }
        size_t at = i;
        for (; at > 0 && fields[at - 1] > field; at--) {
            fields[at] = fields[at - 1];
            columns[at] = columns[at - 1];
        }
        fields[at] = field;
        columns[at] = log_columns[i];
    }
    run->fields = fields;
    run->columns = columns;
    run->column_count = count;
    return VARVE_OK;
}

/** Decode a vector of the log into a plain run: its field ids are those of the log. */
static varve_status recover_vector(recover_state *state, vv_run *run, varve_error *out_err)
{
    vv_vector vector;
    VV_TRY(vv_vector_parse((vv_bytes){.data = run->vector, .size = run->vector_size}, &vector,
                           out_err));
    if (vector.count != run->count) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "log: a run of %zu rows has a vector of %u",
                       run->count, vector.count);
    }
    size_t words = (vector.count + 63) / 64;
    int64_t *times = vv_arena_array(&state->arena, vector.count, sizeof *times);
    uint32_t *fields = vv_arena_array(&state->arena, vector.column_count, sizeof *fields);
    varve_column *columns = vv_arena_array(&state->arena, vector.column_count, sizeof *columns);
    if (times == NULL || fields == NULL || columns == NULL) {
        return vv_arena_fail(&state->arena, vector.count * sizeof *times, out_err);
    }
    VV_TRY(vv_vector_times(&vector, state->scratch, times, out_err));
    for (uint32_t i = 0; i < vector.column_count; i++) {
        vv_vector_column column;
        VV_TRY(vv_vector_column_at(&vector, i, &column, out_err));
        void *values = vv_arena_array(&state->arena, vector.count, vv_type_width(column.type));
        uint64_t *present = vv_arena_array(&state->arena, words, sizeof *present);
        uint64_t *marks = vv_arena_zeroed(&state->arena, words * sizeof *marks);
        if (values == NULL || present == NULL || marks == NULL) {
            return vv_arena_fail(&state->arena, vector.count * sizeof *times, out_err);
        }
        VV_TRY(vv_vector_decode(&column, state->scratch, &state->arena, values, present, marks,
                                out_err));
        fields[i] = column.field;
        columns[i] = (varve_column){
            .type = column.type,
            .values = values,
            .present = column.present_count == column.count ? NULL : present,
            .marks = column.type == VARVE_TYPE_STRING ? marks : NULL,
        };
    }
    run->count = vector.count;
    run->times = times;
    run->time_count = vector.count;
    run->vector = NULL;
    run->vector_size = 0;
    return recover_columns(state, run, fields, columns, vector.column_count, out_err);
}

/** Whether two threads replay a run. Without a thread one does it all. */
static bool recover_is_shared(recover_state *state, const vv_run *run)
{
    if (run->series_count == 1 || run->count < VV_REPLAY_CREW_ROWS_MIN) {
        return false;
    }
    if (state->crew == NULL && !state->is_alone) {
        state->is_alone =
            (state->db->options.flags & VARVE_OPEN_NO_BACKGROUND) != 0 ||
            vv_replay_crew_create(state->db, state->head, &state->crew, NULL) != VARVE_OK;
    }
    return state->crew != NULL;
}

static varve_status recover_run(recover_state *state, const vv_run *logged, uint64_t first_sequence,
                                varve_error *out_err)
{
    vv_run run = *logged;
    uint32_t *series = vv_arena_array(&state->arena, run.series_count, sizeof *series);
    if (series == NULL) {
        return vv_arena_fail(&state->arena, run.series_count * sizeof *series, out_err);
    }
    for (size_t i = 0; i < run.series_count; i++) {
        series[i] = recover_lookup(&state->series_map, run.series[i]);
        if (series[i] == 0) {
            return recover_unknown("series", run.series[i], out_err);
        }
    }
    run.series = series;
    for (size_t i = 0; run.row_ids != NULL && i < run.count; i++) {
        if (run.row_ids[i] >= first_sequence + i) {
            return vv_fail(
                out_err, VARVE_E_CORRUPT, "log: a replacement of row %llu has the sequence %llu",
                (unsigned long long)run.row_ids[i], (unsigned long long)(first_sequence + i));
        }
    }
    if (run.vector != NULL) {
        VV_TRY(recover_vector(state, &run, out_err));
    } else {
        VV_TRY(recover_columns(state, &run, logged->fields, logged->columns, logged->column_count,
                               out_err));
    }
    size_t empty = vv_columns_find_empty(run.columns, run.column_count, run.count);
    if (empty != run.count) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "log: row %zu of a run has no value", empty);
    }
    state->rows += run.count;
    state->points += run.count * (uint64_t)run.column_count;
    return recover_is_shared(state, &run)
               ? vv_replay_crew_run(state->crew, &run, first_sequence, out_err)
               : vv_write_replay_run(state->db, state->head, &run, first_sequence, out_err);
}

static varve_status recover_rows(recover_state *state, const vv_replay_record *record,
                                 varve_error *out_err)
{
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, record->payload);
    uint64_t sequence = record->first_sequence;
    for (;;) {
        vv_run run;
        bool has_more;
        VV_TRY(vv_payload_next_run(&reader, &state->arena, &run, &has_more, out_err));
        if (!has_more) {
            return VARVE_OK;
        }
        VV_TRY(recover_run(state, &run, sequence, out_err));
        sequence += run.count;
    }
}

/** Rows deleted or replaced one by one. */
static varve_status recover_hides(recover_state *state, const vv_replay_record *record,
                                  varve_error *out_err)
{
    vv_payload_row_walk walk = {.left = record->payload};
    for (;;) {
        vv_row_address row;
        bool has_more;
        VV_TRY(vv_payload_next_row(&walk, &row, &has_more, out_err));
        if (!has_more) {
            state->logged_tombstones++;
            return VARVE_OK;
        }
        uint32_t series = recover_lookup(&state->series_map, row.series);
        if (series == 0) {
            return recover_unknown("series", row.series, out_err);
        }
        row.series = series;
        VV_TRY(vv_write_replay_hide(state->db, state->head, &row, record->first_sequence, out_err));
    }
}

static varve_status recover_tombstone(recover_state *state, const vv_replay_record *record,
                                      varve_error *out_err)
{
    if (vv_payload_is_row_tombstone(record->payload)) {
        return recover_hides(state, record, out_err);
    }
    varve_range range;
    vv_selection *selection;
    VV_TRY(
        vv_payload_read_tombstone(record->payload, &state->db->alloc, &range, &selection, out_err));
    vv_tombstone *tombstone;
    varve_status status = vv_tombstone_create(state->db, record->first_sequence, range, selection,
                                              &tombstone, out_err);
    if (status != VARVE_OK) {
        vv_selection_free(selection);
        return status;
    }
    status = recover_push(&state->tombstones, &tombstone, out_err);
    if (status != VARVE_OK) {
        vv_tombstone_unref(state->db, tombstone);
        return status;
    }
    state->logged_tombstones++;
    return VARVE_OK;
}

static varve_status recover_policy(recover_state *state, const vv_replay_record *record,
                                   varve_error *out_err)
{
    varve_text metric;
    vv_metric_policy policy = {.is_own = true};
    uint32_t id;
    unsigned kind = vv_payload_policy_kind(record->payload);
    if (kind == VV_POLICY_RETENTION || kind == VV_POLICY_CUTS) {
        state->policies++;
        return vv_retention_replay(state->db, record->payload, &state->arena, &state->retention,
                                   out_err);
    }
    if (kind == VV_POLICY_ROLLUPS) {
        state->policies++;
        vv_bytes set = vv_bytes_make(record->payload.data + 1, record->payload.size - 1);
        return vv_rollups_load(state->db, set, out_err);
    }
    VV_TRY(vv_payload_read_policy(record->payload, &metric, &policy.duplicates, &policy.has_row_ids,
                                  out_err));
    VV_TRY(vv_catalogue_metric_id_of(state->db->catalogue, metric, /* existing_only */ false, &id,
                                     out_err));
    vv_catalogue_set_policy(state->db->catalogue, id, policy);
    state->policies++;
    return vv_write_replay_policy(state->db, state->head, id, out_err);
}

static varve_status recover_record(recover_state *state, const vv_replay_record *record,
                                   varve_error *out_err)
{
    varve_status status = VARVE_OK;
    switch (record->type) {
    case VV_WAL_SERIES:
        status = recover_definitions(state, record->payload, out_err);
        break;
    case VV_WAL_ROWS:
        state->batches++;
        status = recover_rows(state, record, out_err);
        break;
    case VV_WAL_TOMBSTONE:
        status = recover_tombstone(state, record, out_err);
        break;
    case VV_WAL_POLICY:
        status = recover_policy(state, record, out_err);
        break;
    case VV_WAL_RINGPAGE:
        status = vv_ring_load_image(&state->rings, record->payload, out_err);
        break;
    case VV_WAL_META:
    case VV_WAL_EXEMPLARS:
    case VV_WAL_COMMIT: /* the reader keeps its own to itself */
    case VV_WAL_SEAL:
    case VV_WAL_MARK:
        status = vv_fail(out_err, VARVE_E_UNSUPPORTED,
                         "log: record type %d needs a newer version of varve", (int)record->type);
        break;
    }
    return status;
}

static varve_status recover_visit(void *context, const vv_replay_record *record,
                                  varve_error *out_err)
{
    recover_state *state = context;
    varve_error error;
    vv_arena_reset(&state->arena);
    varve_status status = recover_record(state, record, &error);
    if (status == VARVE_E_CORRUPT && record->is_after_hole) {
        /* Salvage: what defined this group's names was lost with the hole. */
        vv_db_log(state->db, VARVE_LOG_WARN, "open.salvage_skipped", "%s", error.message);
        return VARVE_OK;
    }
    return status == VARVE_OK ? VARVE_OK : vv_fail_again(out_err, &error);
}

static varve_status recover_log(recover_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    char directory[VV_PATH_BYTES_MAX];
    char quarantine[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, "wal", directory, out_err));
    VV_TRY(vv_db_path(db, "quarantine", quarantine, out_err));
    vv_replay_mode mode = VV_REPLAY_STRICT;
    if (db->is_readonly) {
        mode = (db->options.flags & VARVE_OPEN_ALLOW_DAMAGE) != 0 ? VV_REPLAY_INTACT
                                                                  : VV_REPLAY_FOLLOW;
    } else if ((db->options.flags & VARVE_OPEN_SALVAGE) != 0) {
        mode = VV_REPLAY_SALVAGE;
    }
    vv_replay_options options = {
        .directory = directory,
        .mode = mode,
        .log_start = state->manifest->log_start,
        .flush_lsn = state->manifest->flush_lsn,
        .durable_lsn = state->manifest->durable_lsn,
        .edit_seq = state->manifest->edit_seq,
        .quarantine = db->is_readonly ? NULL : quarantine,
    };
    memcpy(options.store_id, db->store_id, sizeof options.store_id);
    VV_TRY(vv_codec_scratch_create(&db->alloc, &state->scratch, out_err));
    state->begun_ns = vv_env_mono_ns(&db->env);
    varve_status status =
        vv_replay(&db->env, &options, recover_visit, state, &state->result, out_err);
    vv_replay_crew_free(state->crew);
    state->crew = NULL;
    VV_TRY(status);
    uint64_t lost_pages;
    return vv_ring_load_finish(&state->rings, &lost_pages, out_err);
}

/** A version of everything that was loaded. */
static varve_status recover_version(recover_state *state, vv_version **out_version,
                                    varve_error *out_err)
{
    vv_version *empty;
    VV_TRY(vv_version_create(state->db, &empty, out_err));
    varve_status status = vv_version_edit(
        state->db, empty, (vv_live_segment **)(void *)state->segments.items, state->segments.count,
        NULL, 0, (vv_tombstone **)(void *)state->tombstones.items, state->tombstones.count, NULL, 0,
        out_version, out_err);
    vv_version_unref(state->db, empty);
    if (status == VARVE_OK) {
        vv_version_set_rings(state->db, *out_version, state->rings.set);
    }
    return status;
}

/** Above every sequence that the manifest or the log tells of. */
static uint64_t recover_next_sequence(const recover_state *state)
{
    uint64_t next = state->manifest->next_sequence;
    return state->result.last_sequence >= next ? state->result.last_sequence + 1 : next;
}

static void recover_install(recover_state *state, vv_version *version)
{
    varve_db *db = state->db;
    vv_head *old = NULL;
    vv_db_lock_shards(db);
    vv_mutex_lock(&db->state_lock);
    if (state->head != db->head) {
        old = db->head;
        db->head = state->head;
        vv_head_ref(db->head);
    }
    /* What is in files is visible, tombstones included, also where the log holds no group. */
    uint64_t last = recover_next_sequence(state) - 1;
    db->readonly_visible = last > db->readonly_visible ? last : db->readonly_visible;
    db->ring_edit_seq = state->manifest->edit_seq;
    vv_ring_load_installed(&state->rings, db->version->rings);
    vv_version_install_locked(db, version);
    vv_retention_install_locked(db, state->retention);
    state->retention = NULL;
    vv_mutex_unlock(&db->state_lock);
    vv_db_unlock_shards(db);
    vv_head_unref(old);
}

/* ---- the two ways in ---- */

static varve_status recover_start_log(recover_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    const vv_replay_result *result = &state->result;
    char directory[VV_PATH_BYTES_MAX];
    char tmp[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, "wal", directory, out_err));
    VV_TRY(vv_db_path(db, "tmp", tmp, out_err));
    uint64_t next = recover_next_sequence(state);
    /* The first edit makes a database, the next one opens it. Without a log nothing tells of rows
     * that were in memory only. */
    bool was_open = !db->is_memory && state->manifest->edit_seq > 1;
    if (was_open && !result->is_sealed_clean) {
        next += RECOVER_SEQUENCE_GAP; /* C2 */
    }
    uint64_t file_seq = result->last_file_seq + 1;
    if (file_seq < state->manifest->log_start) {
        file_seq = state->manifest->log_start;
    }
    bool is_logged = !db->is_memory && db->options.sync != VARVE_SYNC_NO_LOG;
    vv_wal_options options = {
        .directory = is_logged ? directory : NULL,
        .tmp_directory = tmp,
        .file_seq = file_seq,
        .first_lsn = result->last_lsn + 1,
        .first_sequence = next,
        .file_bytes = db->options.log_file_bytes,
        .sync = db->options.sync,
        .sync_interval_ms = db->options.sync_interval_ms,
        .group_delay_us = db->options.group_delay_us,
        .has_threads = (db->options.flags & VARVE_OPEN_NO_BACKGROUND) == 0 && is_logged,
    };
    memcpy(options.store_id, db->store_id, sizeof options.store_id);
    VV_TRY(vv_wal_open(&db->env, &options, &db->wal, out_err));
    if (state->rows > 0 || state->logged_tombstones > 0 || state->policies > 0 ||
        vv_ring_set_must_rewrite(state->rings.set)) {
        db->rings_recover = true;
        varve_status flushed = vv_flush(db, NULL, out_err);
        db->rings_recover = false;
        VV_TRY(flushed);
    }
    vv_manifest_edit edit = {
        .flush_lsn = result->last_lsn,
        .durable_lsn = result->last_lsn,
        .log_start = file_seq,
        .next_sequence = next,
        .warm_path = db->tier != NULL ? db->tier->place : (varve_text){.size = 0},
        .set_flags = result->holes > 0 ? (uint32_t)VV_MANIFEST_LOG_HOLES : 0,
    };
    vv_mutex_lock(&db->manifest_lock);
    varve_status status = vv_manifest_append(db->manifest, &edit, out_err);
    vv_mutex_unlock(&db->manifest_lock);
    VV_TRY(status);
    /* Only now: damage found above has changed nothing, and the edit has stored the manifest anew.
     */
    VV_TRY(recover_sweep(db, "seg", &state->manifest->segments, offsetof(vv_manifest_segment, id),
                         out_err));
    VV_TRY(vv_tier_sweep(db, state->manifest, out_err));
    VV_TRY(recover_sweep(db, "del", &state->manifest->tombstones,
                         offsetof(vv_manifest_tombstone, id), out_err));
    VV_TRY(recover_sweep(db, "ring", &state->manifest->rings, 0, out_err));
    recover_drop_logs(db, directory, file_seq);
    return VARVE_OK;
}

static varve_status recover_report(recover_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    const vv_replay_result *result = &state->result;
    vv_counters *counters = &db->counters;
    vv_count(&counters->replays, 1);
    vv_count(&counters->replay_ns, (uint64_t)(vv_env_mono_ns(&db->env) - state->begun_ns));
    vv_count(&counters->replay_records, result->records);
    vv_count(&counters->replay_bytes, result->bytes);
    vv_count(&counters->replay_holes, result->holes);
    vv_count(&counters->replay_series, state->defined);
    vv_count(&counters->replay_batches, state->batches);
    vv_count(&counters->replay_points, state->points);
    vv_count(&counters->replayed_rows, state->rows);
    if (result->end == VV_END_TORN) {
        atomic_fetch_add_explicit(&db->counters.torn_tails, 1, memory_order_relaxed);
        vv_db_log(db, VARVE_LOG_WARN, "open.torn_end",
                  "the log ended in %llu bytes that were never answered as durable; cut",
                  (unsigned long long)result->torn_bytes);
    }
    if (result->holes > 0 || result->end == VV_END_DAMAGED ||
        (state->manifest->flags & VV_MANIFEST_LOG_HOLES) != 0) {
        varve_error reason;
        VV_IGNORE(
            vv_fail(&reason, VARVE_E_CORRUPT, "the log had %llu holes; LSN %llu to %llu are lost",
                    (unsigned long long)result->holes, (unsigned long long)result->lost_first_lsn,
                    (unsigned long long)result->lost_last_lsn));
        if (db->is_readonly && result->end == VV_END_DAMAGED) {
            vv_health_set_corrupt(db, &reason); /* what is behind is not shown */
        } else {
            vv_health_degrade(db, VV_REASON_LOG_HOLES, &reason);
        }
        db->is_damaged = true;
    }
    return vv_scrub_load(db, state->manifest->scrubbed, out_err);
}

/** A file that the manifest names, or that the log proves, is not there: damage, not the absence of
 *  a database, which the same status means to callers of varve_open. */
static varve_status recover_missing(varve_status status, varve_error *out_err)
{
    if (status == VARVE_E_NOT_FOUND) {
        status = VARVE_E_CORRUPT;
        if (out_err != NULL) {
            out_err->status = status;
        }
    }
    return status;
}

static varve_status recover_load_writable(recover_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    state->manifest = vv_manifest_get_state(db->manifest);
    state->head = db->head;
    vv_head_ref(state->head);
    VV_TRY(recover_missing(recover_files(state, out_err), out_err));
    VV_TRY(recover_missing(recover_log(state, out_err), out_err));
    if (state->result.holes > 0) {
        VV_TRY(vv_rollups_distrust(db, out_err));
        state->policies++; /* the flush that follows takes them to the manifest */
    }
    vv_version *version;
    VV_TRY(recover_version(state, &version, out_err));
    recover_install(state, version);
    VV_TRY(recover_report(state, out_err));
    return recover_start_log(state, out_err);
}

static varve_status recover_load_readonly(recover_state *state, varve_error *out_err)
{
    varve_db *db = state->db;
    char directory[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, "manifest", directory, out_err));
    vv_manifest_options options = {
        .directory = directory, .tmp_directory = "", .is_follower = true};
    memcpy(options.store_id, db->store_id, sizeof options.store_id);
    vv_manifest_state manifest;
    vv_manifest_state_init(&manifest, &db->alloc);
    state->manifest = &manifest;
    vv_version *version = NULL;
    varve_status status = vv_manifest_load(&db->env, &options, &manifest, NULL, out_err);
    if (status == VARVE_OK) {
        status = vv_db_adopt(db, &manifest, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_head_create(db, &state->head, out_err);
    }
    if (status == VARVE_OK) {
        status = recover_missing(recover_files(state, out_err), out_err);
    }
    if (status == VARVE_OK) {
        status = recover_missing(recover_log(state, out_err), out_err);
    }
    if (status == VARVE_OK) {
        status = recover_version(state, &version, out_err);
    }
    if (status == VARVE_OK) {
        recover_install(state, version);
        status = recover_report(state, out_err);
    }
    state->manifest = NULL;
    vv_manifest_state_deinit(&manifest);
    return status;
}

varve_status vv_db_load(varve_db *db, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    /* A writer may drop files between the manifest and their opening: look again. */
    int tries = db->is_readonly ? RECOVER_FOLLOW_TRIES : 1;
    for (int i = 0; i < tries; i++) {
        recover_state state;
        recover_init(&state, db);
        status = db->is_readonly ? recover_load_readonly(&state, out_err)
                                 : recover_load_writable(&state, out_err);
        recover_deinit(&state);
        if (status != VARVE_E_NOT_FOUND && status != VARVE_E_CORRUPT) {
            break;
        }
    }
    return status;
}

varve_status vv_db_refresh(varve_db *db, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (!db->is_readonly) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "refresh is for read-only handles; this one sees every write at once");
    }
    vv_mutex_lock(&db->flush_lock); /* one refresh at a time */
    varve_status status = vv_db_load(db, out_err);
    vv_mutex_unlock(&db->flush_lock);
    return status;
}
