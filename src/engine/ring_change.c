/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Changes of what is a ring (see ring_change.h; R6 of ring.h).
 *
 *   flush_lock   no flush, refresh or other change meanwhile
 *   announce     ring_changing = series: writes to it wait, all others go on
 *   flush        when a head holds a row of the series (always for a ring: its pages get all rows)
 *   prepare      new state, its file written under tmp/, renamed, synced
 *   edit         one edit of the manifest: old file dropped, new one added; synced
 *   install      every shard locked: version, catalogue, head; ring_changes + 1
 *   withdraw     ring_changing = 0, who waits is woken
 *
 *   X1  The edit is the moment: before it a crash leaves the old shape (and a file that no manifest
 *       names), after it the new one. Nothing can fail behind it.
 *   X2  Deletes go on meanwhile; they count on top of the new pages by their sequence, as on top of
 *       the old ones.
 *   X3  Old views keep the old state; its file is needed by nobody.
 */

#include "engine/ring_change.h"

#include <string.h>

#include "base/arena.h"
#include "base/limit.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/edit.h"
#include "engine/flush.h"
#include "engine/head.h"
#include "engine/health.h"
#include "engine/manifest.h"
#include "engine/publish.h"
#include "engine/ring.h"
#include "engine/scan.h"
#include "engine/time_sort.h"
#include "engine/version.h"
#include "engine/view.h"
#include "index/catalogue.h"
#include "model/labels.h"
#include "wal/wal.h"

enum {
    RING_CHANGE_MEMORY_SHARE = 4 /* of memory_limit_bytes, for the pages of one ring; arbitrary */
};

typedef struct ring_change {
    varve_db *db;
    uint32_t series;
    vv_ring_header header;    /* of the new shape; field_count 0: the ring is dropped */
    vv_ring_set *set;         /* after the change; a reference */
    vv_ring_state *state;     /* the new one, a reference; NULL: dropped */
    vv_ring_state *old_state; /* a reference; NULL: no ring so far */
    uint64_t drop_file;       /* 0: none */
} ring_change;

/* ---- the shape that is wanted ---- */

static varve_status ring_change_check_fields(const varve_ring *wanted, varve_error *out_err)
{
    for (size_t i = 0; i < wanted->field_count; i++) {
        VV_TRY(vv_field_name_check(wanted->fields[i].name, out_err));
        if (wanted->fields[i].reserved != 0 || wanted->fields[i].type > UINT8_MAX) {
            return vv_fail(out_err, VARVE_E_INVALID, "field %zu of a ring: type %u, reserved %u", i,
                           wanted->fields[i].type, wanted->fields[i].reserved);
        }
        for (size_t at = 0; at < i; at++) {
            if (vv_text_equal(wanted->fields[at].name, wanted->fields[i].name)) {
                return vv_fail(out_err, VARVE_E_INVALID, "a ring has the field \"%.*s\" twice",
                               VV_TEXT_ARGS(wanted->fields[i].name));
            }
        }
    }
    return VARVE_OK;
}

/** The header that is wanted; its shape checked, its names those of the caller. */
static varve_status ring_change_header(ring_change *change, const varve_ring *wanted,
                                       varve_error *out_err)
{
    static const varve_ring_field value = {.name = {"value", 5}, .type = VARVE_TYPE_F64};
    varve_db *db = change->db;
    uint8_t types[VV_RING_FIELDS_MAX];
    vv_ring_header *header = &change->header;
    *header = (vv_ring_header){
        .step = wanted->step,
        .slots = wanted->slots,
        .fields = wanted->field_count == 0 ? &value : wanted->fields,
        .field_count = wanted->field_count == 0 ? 1 : wanted->field_count,
        .metric = vv_catalogue_metric(db->catalogue, change->series),
    };
    memcpy(header->store_id, db->store_id, sizeof header->store_id);
    if (header->field_count <= VV_RING_FIELDS_MAX) {
        VV_TRY(ring_change_check_fields(wanted, out_err));
        for (size_t i = 0; i < header->field_count; i++) {
            types[i] = (uint8_t)header->fields[i].type;
        }
    }
    VV_TRY(vv_ring_shape_make(header->step, header->slots, types, header->field_count,
                              &header->shape, out_err));
    uint64_t bytes = (uint64_t)header->shape.pages * VV_RING_PAGE_BYTES;
    uint64_t most = db->options.memory_limit_bytes / RING_CHANGE_MEMORY_SHARE;
    if (bytes > most) {
        return vv_fail(out_err, VARVE_E_LIMIT,
                       "the ring takes %llu bytes; a fourth of memory_limit_bytes is %llu",
                       (unsigned long long)bytes, (unsigned long long)most);
    }
    return vv_catalogue_labels(db->catalogue, change->series, &header->labels, &header->label_count,
                               out_err);
}

/** Whether a ring has exactly the shape and the fields that are wanted. */
static bool ring_change_is_same(const ring_change *change)
{
    const vv_ring_header *header = &change->header;
    if (change->old_state == NULL) {
        return false;
    }
    const vv_ring *ring = change->old_state->ring;
    bool is_same = ring->shape.step == header->step && ring->shape.slots == header->slots &&
                   ring->shape.field_count == header->field_count;
    for (uint32_t i = 0; i < header->field_count && is_same; i++) {
        is_same = ring->shape.types[i] == header->fields[i].type &&
                  vv_text_equal(vv_catalogue_field_name(change->db->catalogue, ring->fields[i]),
                                header->fields[i].name);
    }
    return is_same;
}

/* ---- keeping writers out ---- */

static void ring_change_announce(varve_db *db, uint32_t series)
{
    vv_mutex *lock = &vv_db_shard(db, series)->lock;
    vv_mutex_lock(lock);
    atomic_store(&db->ring_changing, series);
    vv_mutex_unlock(lock);
}

static void ring_change_withdraw(varve_db *db)
{
    vv_mutex_lock(&db->ring_lock);
    atomic_store(&db->ring_changing, 0);
    vv_cond_broadcast(&db->ring_changed);
    vv_mutex_unlock(&db->ring_lock);
}

/** Whether a head holds a row of the series, seen or not. */
static bool ring_change_head_has(varve_db *db, uint32_t series)
{
    vv_mutex *lock = &vv_db_shard(db, series)->lock;
    vv_mutex_lock(lock);
    vv_mutex_lock(&db->state_lock);
    bool has = vv_head_series_sequence(db->head, series) != 0;
    for (size_t i = 0; i < db->frozen_count && !has; i++) {
        has = vv_head_series_sequence(db->frozen[i], series) != 0;
    }
    vv_mutex_unlock(&db->state_lock);
    vv_mutex_unlock(lock);
    return has;
}

/** A series that is no ring yet must have no visible row. */
static varve_status ring_change_check_rows(const ring_change *change, varve_error *out_err)
{
    varve_db *db = change->db;
    vv_view *view;
    vv_codec_scratch *scratch;
    bool exists = false;
    varve_range all = {.start = VARVE_RANGE_ALL_START, .end = VARVE_RANGE_ALL_END};
    VV_TRY(vv_codec_scratch_create(&db->alloc, &scratch, out_err));
    varve_status status = vv_view_open_lasting(db, &view, out_err); /* what may come back counts */
    if (status == VARVE_OK) {
        status = vv_scan_exists(view, change->series, all, scratch, &exists, out_err);
        vv_view_unref(view);
    }
    vv_codec_scratch_free(scratch);
    if (status == VARVE_OK && exists) {
        varve_text metric = vv_catalogue_metric(db->catalogue, change->series);
        status = vv_fail(out_err, VARVE_E_CONFLICT,
                         "a series of \"%.*s\" has rows: only an empty one becomes a ring",
                         VV_TEXT_ARGS(metric));
    }
    return status;
}

/* ---- the new state ---- */

/** Where the occupied slots of the old state are, and when. */
typedef struct ring_change_rows {
    size_t count;
    int64_t *times;
    uint32_t *slots;
} ring_change_rows;

static const uint8_t *ring_change_page(const vv_ring_state *state, uint32_t slot)
{
    const vv_ring_page *page = state->pages[slot / state->ring->shape.slots_per_page];
    return page == NULL ? NULL : page->bytes;
}

static varve_status ring_change_list(const vv_ring_state *state, vv_arena *arena,
                                     ring_change_rows *out_rows, varve_error *out_err)
{
    const vv_ring_shape *shape = &state->ring->shape;
    size_t most = 0;
    for (uint32_t i = 0; i < shape->pages; i++) {
        most += state->pages[i] == NULL ? 0 : shape->slots_per_page;
    }
    *out_rows = (ring_change_rows){.times = vv_arena_array(arena, most, sizeof(int64_t)),
                                   .slots = vv_arena_array(arena, most, sizeof(uint32_t))};
    if (out_rows->times == NULL || out_rows->slots == NULL) {
        return vv_arena_fail(arena, most * sizeof(int64_t), out_err);
    }
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        const uint8_t *page = ring_change_page(state, slot);
        vv_ring_place place = {.slot = slot};
        place.lap = page == NULL ? 0 : vv_ring_slot_lap(shape, page, slot % shape->slots_per_page);
        if (place.lap != 0) {
            out_rows->times[out_rows->count] = vv_ring_time_of(shape, place);
            out_rows->slots[out_rows->count] = slot;
            out_rows->count++;
        }
    }
    return VARVE_OK;
}

/** The fields of an old row that the new shape has, with the same type. */
static void ring_change_map_row(const vv_ring *from, const vv_ring *to, const vv_ring_row *row,
                                vv_ring_row *out_row)
{
    out_row->present = 0;
    for (uint32_t i = 0; i < to->shape.field_count; i++) {
        uint32_t old = vv_ring_field_of(from, to->fields[i]);
        if (old < VV_RING_FIELDS_MAX && from->shape.types[old] == to->shape.types[i] &&
            ((row->present >> old) & 1) != 0) {
            out_row->present |= UINT64_C(1) << i;
            out_row->values[i] = row->values[old];
        }
    }
}

static varve_status ring_change_put(ring_change *change, uint32_t old_slot, int64_t time,
                                    varve_error *out_err)
{
    const vv_ring *from = change->old_state->ring;
    vv_ring_state *state = change->state;
    const vv_ring_shape *shape = &state->ring->shape;
    vv_ring_row row;
    vv_ring_row mapped;
    vv_ring_place place;
    vv_ring_slot_get(&from->shape, ring_change_page(change->old_state, old_slot),
                     old_slot % from->shape.slots_per_page, &row);
    ring_change_map_row(from, state->ring, &row, &mapped);
    if (mapped.present == 0 || !vv_ring_place_of(shape, time, &place)) {
        return VARVE_OK; /* it does not fit */
    }
    uint32_t number = place.slot / shape->slots_per_page;
    if (state->pages[number] == NULL) {
        state->pages[number] = vv_ring_page_create(&change->db->alloc);
        if (state->pages[number] == NULL) {
            return vv_fail_nomem(out_err, "page of a ring", sizeof(vv_ring_page));
        }
    }
    (void)vv_ring_slot_put(shape, state->pages[number]->bytes, place.slot % shape->slots_per_page,
                           place.lap, &mapped); /* oldest first: later ones replace it */
    return VARVE_OK;
}

/** What still fits, oldest first. */
static varve_status ring_change_keep(ring_change *change, uint64_t sequence, varve_error *out_err)
{
    vv_arena arena;
    ring_change_rows rows;
    uint32_t *order = NULL;
    vv_arena_init(&arena, &change->db->alloc, SIZE_MAX);
    varve_status status = ring_change_list(change->old_state, &arena, &rows, out_err);
    if (status == VARVE_OK) {
        status = vv_time_sort(rows.times, rows.count, &arena, &order, out_err);
    }
    for (size_t i = 0; i < rows.count && status == VARVE_OK; i++) {
        size_t at = order == NULL ? i : order[i];
        status = ring_change_put(change, rows.slots[at], rows.times[at], out_err);
    }
    vv_arena_deinit(&arena);
    for (uint32_t i = 0; i < change->state->ring->shape.pages; i++) {
        if (change->state->pages[i] != NULL) {
            vv_ring_page_stamp(change->state->pages[i]->bytes, 0, sequence);
        }
    }
    return status;
}

static varve_status ring_change_make_state(ring_change *change, const vv_ring_set *base,
                                           varve_error *out_err)
{
    varve_db *db = change->db;
    vv_ring *ring;
    VV_TRY(vv_ring_create(db, &change->header, &ring, out_err));
    varve_status status = vv_ring_state_create(db, ring, 0, &change->state, out_err);
    vv_ring_unref(db, ring); /* the state has one */
    if (status == VARVE_OK && change->old_state != NULL) {
        status = ring_change_keep(change, base->sequence, out_err);
    }
    return status;
}

/* ---- the moment (X1) ---- */

/** Types of the new fields; a ring that is new has them from its first row on. */
static varve_status ring_change_set_types(const ring_change *change, varve_error *out_err)
{
    varve_db *db = change->db;
    vv_schema_field fields[VV_RING_FIELDS_MAX];
    const vv_ring *ring = change->state->ring;
    for (uint32_t i = 0; i < ring->shape.field_count; i++) {
        fields[i] = (vv_schema_field){.field = ring->fields[i], .type = ring->shape.types[i]};
    }
    vv_mutex *lock = &vv_db_shard(db, change->series)->lock;
    vv_mutex_lock(lock);
    varve_status status = vv_catalogue_set_types(db->catalogue, change->series, fields,
                                                 ring->shape.field_count, out_err);
    vv_mutex_unlock(lock);
    return status;
}

static void ring_change_install(ring_change *change, vv_version *version)
{
    varve_db *db = change->db;
    vv_db_lock_shards(db);
    vv_mutex_lock(&db->state_lock);
    vv_version_install_locked(db, version);
    vv_catalogue_set_ring(db->catalogue, change->series, change->state != NULL);
    vv_head_renew_series(db->head, change->series);
    vv_mutex_unlock(&db->state_lock);
    atomic_fetch_add(&db->ring_changes, 1);
    vv_db_unlock_shards(db);
}

static varve_status ring_change_append_edit(ring_change *change, vv_edit *turn,
                                            varve_error *out_err)
{
    varve_db *db = change->db;
    uint64_t add = change->state == NULL ? 0 : change->state->file_id;
    change->drop_file = change->old_state == NULL ? 0 : change->old_state->file_id;
    vv_manifest_edit edit = {
        .add_rings = &add,
        .add_ring_count = add != 0 ? 1 : 0,
        .drop_rings = &change->drop_file,
        .drop_ring_count = change->drop_file != 0 ? 1 : 0,
        .next_file_id = db->next_file_id,
        .durable_lsn = vv_wal_durable_lsn(db->wal),
    };
    return vv_edit_append(turn, &edit, VV_EDIT_AS_IS, out_err);
}

/** What the version becomes, the edit, the exchange. */
static varve_status ring_change_publish_locked(ring_change *change, vv_edit *turn,
                                               varve_error *out_err)
{
    varve_db *db = change->db;
    vv_version *base = vv_version_current(db);
    vv_version *version = NULL;
    varve_status status =
        vv_version_edit(db, base, NULL, 0, NULL, 0, NULL, 0, NULL, 0, &version, out_err);
    if (status == VARVE_OK) {
        vv_version_set_rings(db, version, change->set);
        status = ring_change_append_edit(change, turn, out_err);
    }
    if (status == VARVE_OK) {
        ring_change_install(change, version); /* takes it */
        vv_wal_note_edit(db->wal, vv_manifest_get_state(db->manifest)->edit_seq);
    } else {
        vv_version_unref(db, version);
    }
    vv_version_unref(db, base);
    return status;
}

static varve_status ring_change_publish(ring_change *change, varve_error *out_err)
{
    varve_db *db = change->db;
    vv_edit turn;
    vv_edit_begin(&turn, db);
    varve_status status = ring_change_publish_locked(change, &turn, out_err);
    vv_edit_end(&turn);
    if (status == VARVE_OK) {
        if (change->drop_file != 0) {
            vv_ring_unlink(db, change->drop_file); /* X3 */
        }
        return VARVE_OK;
    }
    if (!turn.is_in_doubt && change->state != NULL && change->state->file_id != 0) {
        vv_ring_unlink(db, change->state->file_id);
    }
    return status;
}

/* ---- a change ---- */

/** Everything of the series is in pages and segments, and its writers wait. */
static varve_status ring_change_run(ring_change *change, varve_error *out_err)
{
    varve_db *db = change->db;
    if (change->old_state != NULL || ring_change_head_has(db, change->series)) {
        VV_TRY(vv_flush_locked(db, NULL, out_err));
    }
    vv_ring_set *base = vv_ring_set_current(db);
    vv_ring_state_unref(db, change->old_state);
    change->old_state = vv_ring_set_find(base, change->series); /* with the pages of that flush */
    varve_status status = VARVE_OK;
    if (change->old_state != NULL) {
        vv_ring_state_ref(change->old_state);
    } else {
        status = ring_change_check_rows(change, out_err);
    }
    if (status == VARVE_OK && change->header.field_count > 0) {
        status = ring_change_make_state(change, base, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_ring_set_edit(db, base, change->series, change->state, &change->set, out_err);
    }
    vv_ring_set_unref(db, base);
    if (status == VARVE_OK && change->state != NULL) {
        status = ring_change_set_types(change, out_err);
        if (status == VARVE_OK && !change->db->is_memory) {
            status = vv_ring_write_new_file(change->db, change->state, out_err);
        }
    }
    return status == VARVE_OK ? ring_change_publish(change, out_err) : status;
}

static varve_status ring_change_check(const varve_db *db, varve_error *out_err)
{
    if (db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "%s was opened read-only", db->path);
    }
    if (!db->is_memory && db->options.sync == VARVE_SYNC_NO_LOG) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "on disk rings need the log: not with VARVE_SYNC_NO_LOG");
    }
    return VARVE_OK;
}

/** flush_lock is held; the change says what is wanted. */
static varve_status ring_change_locked(ring_change *change, bool is_drop, varve_error *out_err)
{
    varve_db *db = change->db;
    VV_TRY(vv_db_check_writing(db, out_err));
    vv_ring_set *set = vv_ring_set_current(db);
    change->old_state = vv_ring_set_find(set, change->series);
    if (change->old_state != NULL) {
        vv_ring_state_ref(change->old_state);
    }
    vv_ring_set_unref(db, set);
    if (is_drop && change->old_state == NULL) {
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "the series of \"%.*s\" is no ring",
                       VV_TEXT_ARGS(vv_catalogue_metric(db->catalogue, change->series)));
    }
    if (!is_drop && ring_change_is_same(change)) {
        return VARVE_OK;
    }
    ring_change_announce(db, change->series);
    varve_status status = ring_change_run(change, out_err);
    ring_change_withdraw(db);
    return status;
}

static varve_status ring_change_do(ring_change *change, bool is_drop, varve_error *out_err)
{
    varve_db *db = change->db;
    vv_mutex_lock(&db->flush_lock);
    varve_status status = ring_change_locked(change, is_drop, out_err);
    vv_mutex_unlock(&db->flush_lock);
    vv_ring_set_unref(db, change->set);
    vv_ring_state_unref(db, change->state);
    vv_ring_state_unref(db, change->old_state);
    return status;
}

varve_status vv_ring_set_policy(varve_db *db, uint32_t series, const varve_ring *wanted,
                                varve_error *out_err)
{
    ring_change change = {.db = db, .series = series};
    VV_TRY(ring_change_check(db, out_err));
    VV_TRY(ring_change_header(&change, wanted, out_err));
    return ring_change_do(&change, /* is_drop */ false, out_err);
}

varve_status vv_ring_drop(varve_db *db, uint32_t series, varve_error *out_err)
{
    ring_change change = {.db = db, .series = series};
    VV_TRY(ring_change_check(db, out_err));
    return ring_change_do(&change, /* is_drop */ true, out_err);
}

/* ---- telling ---- */

varve_status vv_ring_info(varve_db *db, uint32_t series, varve_ring *out_ring,
                          varve_ring_field *out_fields, size_t capacity, varve_error *out_err)
{
    varve_ring_field fields[VV_RING_FIELDS_MAX];
    vv_ring_header header;
    vv_ring_set *set = vv_ring_set_current(db);
    const vv_ring_state *state = vv_ring_set_find(set, series);
    varve_status status = state == NULL
                              ? vv_fail(out_err, VARVE_E_NOT_FOUND, "the series is no ring")
                              : vv_ring_header_of(db, state->ring, fields, &header, out_err);
    vv_ring_set_unref(db, set);
    VV_TRY(status);
    if (header.field_count > capacity) {
        return vv_fail(out_err, VARVE_E_LIMIT, "the ring has %zu fields; there is room for %zu",
                       header.field_count, capacity);
    }
    memcpy(out_fields, fields, header.field_count * sizeof *fields);
    out_ring->flags = 0;
    out_ring->step = header.step;
    out_ring->slots = header.slots;
    out_ring->fields = out_fields;
    out_ring->field_count = header.field_count;
    return VARVE_OK;
}

void vv_ring_list(varve_db *db, varve_series *out_series, size_t capacity, size_t *out_count)
{
    vv_ring_set *set = vv_ring_set_current(db);
    size_t count = set == NULL ? 0 : set->count;
    for (size_t i = 0; i < count && i < capacity; i++) {
        out_series[i] = (varve_series){.id = set->states[i]->ring->series};
    }
    vv_ring_set_unref(db, set);
    *out_count = count;
}
