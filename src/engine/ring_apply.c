/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows and deletes on top of pages (see ring_apply.h).
 *
 *   rows of the heads --raw scan--> events --by sequence--> pages that change are copied first
 *   deletes of the version ----------------------^
 *
 *   A1  A row is looked at once, with the fields that the ring has; what is not of the ring's types
 *       is left out: the write was refused, so only a salvaged log may hold it.
 *   A2  A page is copied when its first slot changes; a row that changes nothing (late, or behind
 *       the page) copies nothing.
 */

#include "engine/ring_apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "base/vec.h"
#include "engine/scan.h"
#include "model/time_range.h"

/** A row of a head. */
typedef struct ring_apply_event {
    uint64_t sequence;
    vv_ring_place place;
    uint64_t present;
    size_t values; /* where its values begin: one for each bit of present */
} ring_apply_event;

typedef struct ring_apply_state {
    vv_view *view;
    const vv_ring *ring;
    const vv_ring_apply_options *options;
    vv_ring_overlay *overlay;
    vv_vec events; /* ring_apply_event */
    vv_vec values; /* uint64_t */
    bool is_sorted;
} ring_apply_state;

/* ---- rows of the heads ---- */

static varve_status ring_apply_fail(const vv_vec *vec, varve_status status, varve_error *out_err)
{
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(vec, status, out_err);
}

/** The columns that hold the fields of the ring; NULL where there is none (A1). */
static void ring_apply_columns(const ring_apply_state *state, const vv_rows *rows,
                               const varve_column *columns[VV_RING_FIELDS_MAX])
{
    const vv_ring *ring = state->ring;
    for (uint32_t i = 0; i < ring->shape.field_count; i++) {
        columns[i] = NULL;
        for (size_t at = 0; at < rows->column_count; at++) {
            if (rows->fields[at] == ring->fields[i] &&
                rows->columns[at].type == ring->shape.types[i]) {
                columns[i] = &rows->columns[at];
            }
        }
    }
}

static varve_status ring_apply_collect_row(ring_apply_state *state, const vv_rows *rows, size_t row,
                                           const varve_column *const columns[VV_RING_FIELDS_MAX],
                                           varve_error *out_err)
{
    const vv_ring_shape *shape = &state->ring->shape;
    ring_apply_event event = {.sequence = rows->row_ids[row], .values = state->values.count};
    if (!vv_ring_place_of(shape, rows->times[row], &event.place)) {
        return VARVE_OK;
    }
    for (uint32_t i = 0; i < shape->field_count; i++) {
        if (columns[i] == NULL || !vv_column_has(columns[i], row)) {
            continue;
        }
        uint64_t value = 0;
        size_t width = vv_type_width(shape->types[i]);
        memcpy(&value, (const uint8_t *)columns[i]->values + row * width, width);
        event.present |= UINT64_C(1) << i;
        VV_TRY(ring_apply_fail(&state->values, vv_vec_push(&state->values, &value), out_err));
    }
    if (event.present == 0) {
        return VARVE_OK;
    }
    size_t count = state->events.count;
    if (count > 0 &&
        VV_VEC_AT(&state->events, ring_apply_event, count - 1)->sequence > event.sequence) {
        state->is_sorted = false;
    }
    return ring_apply_fail(&state->events, vv_vec_push(&state->events, &event), out_err);
}

static varve_status ring_apply_collect_part(ring_apply_state *state, const vv_rows *rows,
                                            varve_error *out_err)
{
    const varve_column *columns[VV_RING_FIELDS_MAX] = {NULL};
    ring_apply_columns(state, rows, columns);
    for (size_t row = 0; row < rows->count; row++) {
        VV_TRY(ring_apply_collect_row(state, rows, row, columns, out_err));
    }
    return VARVE_OK;
}

static int ring_apply_compare(const void *a, const void *b)
{
    uint64_t left = ((const ring_apply_event *)a)->sequence;
    uint64_t right = ((const ring_apply_event *)b)->sequence;
    return left < right ? -1 : left > right ? 1 : 0;
}

/** Rows of windows from options->start on: one that starts before can neither be asked for nor take
 *  the slot of a later one. */
static varve_status ring_apply_collect(ring_apply_state *state, varve_error *out_err)
{
    const vv_ring_apply_options *options = state->options;
    int64_t start = INT64_MIN;
    vv_ring_place place;
    if (vv_ring_place_of(&state->ring->shape, options->start, &place)) {
        start = vv_ring_time_of(&state->ring->shape, place);
    }
    vv_scan_options scanning = {
        .range = {.start = start, .end = INT64_MAX},
        .with_row_ids = true,
        .no_vectors = true,
        .is_raw = true,
        .poll = options->poll,
        .poll_context = options->poll_context,
        .alloc = options->alloc,
        .scratch = options->scratch,
    };
    vv_scan *scan;
    VV_TRY(vv_scan_open(state->view, state->ring->series, &scanning, &scan, out_err));
    varve_status status = VARVE_OK;
    bool is_end = false;
    while (status == VARVE_OK && !is_end) {
        const vv_part *part;
        status = vv_scan_next(scan, &part, out_err);
        is_end = part == NULL;
        if (status == VARVE_OK && !is_end) {
            status = ring_apply_collect_part(state, &part->rows, out_err);
        }
    }
    vv_scan_close(scan);
    if (status == VARVE_OK && !state->is_sorted) {
        qsort(state->events.items, state->events.count, sizeof(ring_apply_event),
              ring_apply_compare);
    }
    return status;
}

/* ---- pages ---- */

const uint8_t *vv_ring_overlay_page(const vv_ring_overlay *overlay, uint32_t number)
{
    const vv_ring_page *page =
        overlay->pages[number] != NULL ? overlay->pages[number] : overlay->state->pages[number];
    return page == NULL ? NULL : page->bytes;
}

/** R1: what a row or delete must be above to count on top of a page. */
static uint64_t ring_apply_floor(const vv_ring_overlay *overlay, uint32_t number)
{
    const uint8_t *page = vv_ring_overlay_page(overlay, number);
    uint64_t sequence = page == NULL ? 0 : vv_ring_page_sequence(page);
    return sequence > overlay->sequence ? sequence : overlay->sequence;
}

/** The page to change (A2). */
static varve_status ring_apply_change(vv_ring_overlay *overlay, uint32_t number, uint8_t **out_page,
                                      varve_error *out_err)
{
    if (overlay->pages[number] == NULL) {
        vv_ring_page *made = vv_ring_page_create(overlay->alloc);
        if (made == NULL) {
            return vv_fail_nomem(out_err, "page of a ring", sizeof *made);
        }
        const vv_ring_page *page = overlay->state->pages[number];
        if (page != NULL) {
            memcpy(made->bytes, page->bytes, sizeof made->bytes);
        }
        overlay->pages[number] = made;
        overlay->changed++;
    }
    *out_page = overlay->pages[number]->bytes;
    return VARVE_OK;
}

static varve_status ring_apply_row(ring_apply_state *state, const ring_apply_event *event,
                                   varve_error *out_err)
{
    const vv_ring_shape *shape = &state->ring->shape;
    uint32_t number = event->place.slot / shape->slots_per_page;
    uint32_t slot = event->place.slot % shape->slots_per_page;
    const uint8_t *page = vv_ring_overlay_page(state->overlay, number);
    if (event->sequence <= ring_apply_floor(state->overlay, number) ||
        (page != NULL && vv_ring_slot_lap(shape, page, slot) > event->place.lap)) {
        return VARVE_OK;
    }
    vv_ring_row row = {.present = event->present};
    const uint64_t *values = VV_VEC_ITEMS(&state->values, uint64_t) + event->values;
    size_t at = 0;
    for (uint32_t i = 0; i < shape->field_count; i++) {
        if (((event->present >> i) & 1) != 0) {
            row.values[i] = values[at];
            at++;
        }
    }
    uint8_t *changed;
    VV_TRY(ring_apply_change(state->overlay, number, &changed, out_err));
    (void)vv_ring_slot_put(shape, changed, slot, event->place.lap, &row); /* looked at above */
    return VARVE_OK;
}

static varve_status ring_apply_delete(ring_apply_state *state, const vv_tombstone *tombstone,
                                      varve_error *out_err)
{
    const vv_ring_shape *shape = &state->ring->shape;
    uint32_t first;
    uint32_t count = vv_ring_slots_in(shape, tombstone->range, &first);
    for (uint32_t i = 0; i < count; i++) {
        vv_ring_place place = {.slot = (uint32_t)(((uint64_t)first + i) % shape->slots)};
        uint32_t number = place.slot / shape->slots_per_page;
        uint32_t slot = place.slot % shape->slots_per_page;
        const uint8_t *page = vv_ring_overlay_page(state->overlay, number);
        place.lap = page == NULL ? 0 : vv_ring_slot_lap(shape, page, slot);
        if (place.lap == 0 || tombstone->sequence <= ring_apply_floor(state->overlay, number) ||
            !vv_range_contains(tombstone->range, vv_ring_time_of(shape, place))) {
            continue;
        }
        uint8_t *changed;
        VV_TRY(ring_apply_change(state->overlay, number, &changed, out_err));
        vv_ring_slot_clear(shape, changed, slot);
    }
    return VARVE_OK;
}

/** R2: rows and deletes by ascending sequence; they never share one. */
static varve_status ring_apply_all(ring_apply_state *state, varve_error *out_err)
{
    const vv_version *version = state->view->version;
    const ring_apply_event *events = VV_VEC_ITEMS(&state->events, ring_apply_event);
    size_t at = 0;
    for (size_t i = 0; i < version->tombstone_count; i++) {
        const vv_tombstone *tombstone = version->tombstones[i];
        if (tombstone->sequence > state->view->visible ||
            tombstone->sequence <= state->overlay->sequence || tombstone->row_count > 0 ||
            !vv_idset_contains(&tombstone->series, state->ring->series)) {
            continue;
        }
        for (; at < state->events.count && events[at].sequence < tombstone->sequence; at++) {
            VV_TRY(ring_apply_row(state, &events[at], out_err));
        }
        VV_TRY(ring_apply_delete(state, tombstone, out_err));
    }
    for (; at < state->events.count; at++) {
        VV_TRY(ring_apply_row(state, &events[at], out_err));
    }
    return VARVE_OK;
}

varve_status vv_ring_apply(vv_view *view, const vv_ring_state *ring_state,
                           const vv_ring_apply_options *options, vv_ring_overlay *out_overlay,
                           varve_error *out_err)
{
    vv_ring_overlay overlay = {
        .alloc = options->alloc,
        .state = ring_state,
        .sequence = view->version->rings->sequence,
    };
    size_t bytes = ring_state->ring->shape.pages * sizeof *overlay.pages;
    overlay.pages = vv_alloc_zeroed(options->alloc, bytes);
    if (overlay.pages == NULL) {
        *out_overlay = (vv_ring_overlay){.alloc = options->alloc};
        return vv_fail_nomem(out_err, "pages of a ring", bytes);
    }
    ring_apply_state state = {
        .view = view,
        .ring = ring_state->ring,
        .options = options,
        .overlay = &overlay,
        .is_sorted = true,
    };
    vv_vec_init(&state.events, options->alloc, sizeof(ring_apply_event), SIZE_MAX);
    vv_vec_init(&state.values, options->alloc, sizeof(uint64_t), SIZE_MAX);
    varve_status status = ring_apply_collect(&state, out_err);
    if (status == VARVE_OK) {
        status = ring_apply_all(&state, out_err);
    }
    vv_vec_deinit(&state.values);
    vv_vec_deinit(&state.events);
    if (status != VARVE_OK) {
        vv_ring_overlay_deinit(&overlay);
    }
    *out_overlay = overlay;
    return status;
}

void vv_ring_overlay_deinit(vv_ring_overlay *overlay)
{
    if (overlay->pages == NULL) {
        return;
    }
    uint32_t count = overlay->state->ring->shape.pages;
    for (uint32_t i = 0; i < count; i++) {
        vv_ring_page_unref(overlay->alloc, overlay->pages[i]);
    }
    vv_alloc_free(overlay->alloc, overlay->pages, count * sizeof *overlay->pages);
    overlay->pages = NULL;
}
