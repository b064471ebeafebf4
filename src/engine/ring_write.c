/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows of rings in a write. They go to log and head as all rows do; here is what else a ring asks:
 *
 *   before the locks   the fields and times of its rows are compared with what the ring takes
 *   under the locks    that was the shape of now, else again; if the ring is being changed, after
 *                      that is over
 *   with the order     each row is looked at once more: does its slot hold a newer one by now? It
 *                      is counted then, and nobody will see it
 *
 * The last is a matter of the order alone, so it is answered by an array that follows the order
 * (vv_ring.laps), ahead of what is visible. A page of it is made by the first write to the page,
 * from the pages of the version and the deletes that are not in them: no head holds a row of that
 * page then, for it would have made the array.
 */

#include "base/status.h"
#include "engine/ring.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "model/time_range.h"

static uint32_t ring_write_series(const vv_run *run, size_t row)
{
    return run->series[run->series_count == 1 ? 0 : row];
}

static int64_t ring_write_time(const vv_run *run, size_t row)
{
    return run->times[run->time_count == 1 ? 0 : row];
}

/* ---- before the locks ---- */

bool vv_write_has_rings(const vv_write *write, const vv_run *run)
{
    bool has_rings = false;
    for (size_t i = 0; write->rings != NULL && i < run->series_count && !has_rings; i++) {
        has_rings = vv_ring_set_find(write->rings, run->series[i]) != NULL;
    }
    return has_rings;
}

/** The first field of a row that the ring does not take; column_count: all are right. */
static size_t ring_write_wrong_field(const vv_ring *ring, const vv_run *run, size_t row)
{
    for (size_t i = 0; i < run->column_count; i++) {
        if (vv_column_has(&run->columns[i], row)) {
            uint32_t field = vv_ring_field_of(ring, run->fields[i]);
            if (field == VV_RING_FIELDS_MAX || ring->shape.types[field] != run->columns[i].type) {
                return i;
            }
        }
    }
    return run->column_count;
}

static varve_status ring_write_refuse(vv_write *write, const vv_write_item *item, size_t row,
                                      size_t column, varve_error *out_err)
{
    const vv_run *run = &item->run;
    const vv_catalogue *catalogue = write->db->catalogue;
    uint64_t number = item->first_row + row;
    bool is_field = column < run->column_count;
    const varve_rejected rejected = {.row = number,
                                     .status = VARVE_E_INVALID,
                                     .reason = VARVE_REJECTED_RING,
                                     .field = {.id = is_field ? run->fields[column] : 0}};
    if ((write->flags & VARVE_WRITE_SKIP_REJECTED) != 0) {
        return vv_write_reject(write, &rejected, out_err);
    }
    vv_write_blame(write, &rejected);
    varve_text metric = vv_catalogue_metric(catalogue, ring_write_series(run, row));
    if (is_field) {
        varve_text name = vv_catalogue_field_name(catalogue, run->fields[column]);
        return vv_fail(out_err, VARVE_E_INVALID,
                       "row %llu: the ring \"%.*s\" has no field \"%.*s\" of type %s",
                       (unsigned long long)number, VV_TEXT_ARGS(metric), VV_TEXT_ARGS(name),
                       varve_type_name(run->columns[column].type));
    }
    return vv_fail(out_err, VARVE_E_INVALID,
                   "row %llu: the step of the ring \"%.*s\" that holds time %lld begins before any "
                   "time",
                   (unsigned long long)number, VV_TEXT_ARGS(metric),
                   (long long)ring_write_time(run, row));
}

static varve_status ring_write_check_item(vv_write *write, const vv_write_item *item,
                                          varve_error *out_err)
{
    const vv_run *run = &item->run;
    for (size_t row = 0; row < run->count; row++) {
        const vv_ring_state *state = vv_ring_set_find(write->rings, ring_write_series(run, row));
        if (state == NULL || (write->rejected_rows != NULL &&
                              vv_bits_get(write->rejected_rows, item->first_row + row))) {
            continue;
        }
        vv_ring_place place;
        size_t column = ring_write_wrong_field(state->ring, run, row);
        if (column < run->column_count ||
            !vv_ring_place_of(&state->ring->shape, ring_write_time(run, row), &place)) {
            VV_TRY(ring_write_refuse(write, item, row, column, out_err));
        }
    }
    return VARVE_OK;
}

varve_status vv_write_check_rings(vv_write *write, varve_error *out_err)
{
    varve_db *db = write->db;
    write->ring_changes = atomic_load(&db->ring_changes);
    vv_ring_set *old = write->rings;
    /* Without a lock where there are none: one that comes now changes ring_changes, and that is
     * compared under the locks. */
    write->rings = atomic_load(&db->has_rings) ? vv_ring_set_current(db) : NULL;
    vv_ring_set_unref(db, old);
    if (write->rings == NULL || write->rings->count == 0) {
        return VARVE_OK;
    }
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    for (size_t i = write->item_begin; i < write->item_end; i++) {
        if (items[i].op->selection == NULL && vv_write_has_rings(write, &items[i].run)) {
            VV_TRY(ring_write_check_item(write, &items[i], out_err));
        }
    }
    return VARVE_OK;
}

void vv_write_end_rings(vv_write *write)
{
    vv_ring_set_unref(write->db, write->rings);
    write->rings = NULL;
}

/* ---- under the locks ---- */

/** The laps of a page that nobody has written to since the open. */
static varve_status ring_write_make_laps(varve_db *db, const vv_ring *ring, uint32_t number,
                                         varve_error *out_err)
{
    const vv_ring_shape *shape = &ring->shape;
    uint64_t *laps = vv_alloc_zeroed(&db->alloc, shape->slots_per_page * sizeof *laps);
    if (laps == NULL) {
        return vv_fail_nomem(out_err, "laps of a ring", shape->slots_per_page * sizeof *laps);
    }
    vv_version *version = vv_version_current(db);
    const vv_ring_state *state = vv_ring_set_find(version->rings, ring->series);
    const vv_ring_page *page = state->pages[number];
    for (uint32_t i = 0; page != NULL && i < shape->slots_per_page; i++) {
        laps[i] = vv_ring_slot_lap(shape, page->bytes, i);
    }
    for (size_t at = 0; page != NULL && at < version->tombstone_count; at++) {
        const vv_tombstone *tombstone = version->tombstones[at];
        if (tombstone->sequence <= version->rings->sequence || tombstone->row_count > 0 ||
            !vv_idset_contains(&tombstone->series, ring->series)) {
            continue;
        }
        for (uint32_t i = 0; i < shape->slots_per_page; i++) {
            vv_ring_place place = {.lap = laps[i], .slot = number * shape->slots_per_page + i};
            if (laps[i] != 0 &&
                vv_range_contains(tombstone->range, vv_ring_time_of(shape, place))) {
                laps[i] = 0;
            }
        }
    }
    ring->laps[number] = laps;
    vv_version_unref(db, version);
    return VARVE_OK;
}

static varve_status ring_write_reserve_run(vv_write *write, const vv_run *run, varve_error *out_err)
{
    varve_db *db = write->db;
    uint32_t changing = atomic_load(&db->ring_changing);
    for (size_t row = 0; row < run->count; row++) {
        uint32_t series = ring_write_series(run, row);
        if (changing != 0 && series == changing) {
            write->waits_for_ring = true;
            return VARVE_E_CONFLICT;
        }
        const vv_ring_state *state = vv_ring_set_find(write->rings, series);
        vv_ring_place place;
        if (state == NULL ||
            !vv_ring_place_of(&state->ring->shape, ring_write_time(run, row), &place)) {
            continue;
        }
        uint32_t number = place.slot / state->ring->shape.slots_per_page;
        if (state->ring->laps[number] == NULL) {
            VV_TRY(ring_write_make_laps(db, state->ring, number, out_err));
        }
    }
    return VARVE_OK;
}

varve_status vv_write_reserve_rings_locked(vv_write *write, varve_error *out_err)
{
    varve_db *db = write->db;
    write->late_dropped = 0;
    if (atomic_load(&db->ring_changes) != write->ring_changes) {
        return VARVE_E_CONFLICT;
    }
    bool is_changing = atomic_load(&db->ring_changing) != 0;
    const vv_write_run *runs = VV_VEC_ITEMS(&write->memory->runs, vv_write_run);
    for (size_t i = 0; i < write->memory->runs.count; i++) {
        if (runs[i].has_rings || is_changing) {
            VV_TRY(ring_write_reserve_run(write, &runs[i].run, out_err));
        }
    }
    return VARVE_OK;
}

void vv_write_apply_ring_rows(vv_write *write, const vv_run *run)
{
    for (size_t row = 0; row < run->count; row++) {
        const vv_ring_state *state = vv_ring_set_find(write->rings, ring_write_series(run, row));
        vv_ring_place place;
        if (state == NULL ||
            !vv_ring_place_of(&state->ring->shape, ring_write_time(run, row), &place)) {
            continue;
        }
        uint32_t per_page = state->ring->shape.slots_per_page;
        uint64_t *lap = &state->ring->laps[place.slot / per_page][place.slot % per_page];
        if (*lap > place.lap) {
            write->late_dropped++;
        } else {
            *lap = place.lap;
        }
    }
}

static void ring_write_clear(const vv_ring *ring, varve_range range)
{
    const vv_ring_shape *shape = &ring->shape;
    uint32_t first;
    uint32_t count = vv_ring_slots_in(shape, range, &first);
    for (uint32_t i = 0; i < count; i++) {
        vv_ring_place place = {.slot = (uint32_t)(((uint64_t)first + i) % shape->slots)};
        uint64_t *laps = ring->laps[place.slot / shape->slots_per_page];
        place.lap = laps == NULL ? 0 : laps[place.slot % shape->slots_per_page];
        if (place.lap != 0 && vv_range_contains(range, vv_ring_time_of(shape, place))) {
            laps[place.slot % shape->slots_per_page] = 0;
        }
    }
}

void vv_write_apply_ring_delete(vv_write *write, const vv_tombstone *tombstone)
{
    for (size_t i = 0; write->rings != NULL && i < write->rings->count; i++) {
        const vv_ring *ring = write->rings->states[i]->ring;
        if (vv_idset_contains(&tombstone->series, ring->series)) {
            ring_write_clear(ring, tombstone->range);
        }
    }
}

varve_status vv_write_wait_ring(vv_write *write, varve_error *out_err)
{
    varve_db *db = write->db;
    if (!write->waits_for_ring) {
        return VARVE_OK;
    }
    write->waits_for_ring = false;
    bool in_time = true;
    vv_mutex_lock(&db->ring_lock);
    while (in_time && atomic_load(&db->ring_changing) != 0) {
        in_time = vv_cond_wait_until(&db->ring_changed, &db->ring_lock, write->deadline_ns);
    }
    vv_mutex_unlock(&db->ring_lock);
    return in_time ? VARVE_OK
                   : vv_fail(out_err, VARVE_E_BUSY,
                             "a ring of the batch is being changed and was not free in time");
}
