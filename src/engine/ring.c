/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rings, their states and sets: counted, immutable, sharing pages (see ring.h).
 */

#include "engine/ring.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "engine/publish.h"
#include "engine/version.h"
#include "index/catalogue.h"

/* ---- rings ---- */

static varve_status ring_fill(varve_db *db, vv_ring *ring, const vv_ring_header *header,
                              varve_error *out_err)
{
    ring->shape = header->shape;
    ring->header_bytes = vv_ring_header_bytes(header);
    VV_TRY(vv_catalogue_resolve(db->catalogue, header->metric, header->labels, header->label_count,
                                /* existing_only */ false, &ring->series, out_err));
    for (size_t i = 0; i < header->field_count; i++) {
        VV_TRY(vv_catalogue_field(db->catalogue, header->fields[i].name, /* existing_only */ false,
                                  &ring->fields[i], out_err));
    }
    ring->laps = vv_alloc_zeroed(&db->alloc, ring->shape.pages * sizeof *ring->laps);
    if (ring->laps == NULL) {
        return vv_fail_nomem(out_err, "laps of a ring", ring->shape.pages * sizeof *ring->laps);
    }
    return VARVE_OK;
}

varve_status vv_ring_create(varve_db *db, const vv_ring_header *header, vv_ring **out_ring,
                            varve_error *out_err)
{
    *out_ring = NULL;
    vv_ring *ring = vv_alloc_zeroed(&db->alloc, sizeof *ring);
    if (ring == NULL) {
        return vv_fail_nomem(out_err, "ring", sizeof *ring);
    }
    atomic_init(&ring->refs, 1);
    varve_status status = ring_fill(db, ring, header, out_err);
    if (status != VARVE_OK) {
        vv_ring_unref(db, ring);
        return status;
    }
    *out_ring = ring;
    return VARVE_OK;
}

static void ring_ref(vv_ring *ring)
{
    atomic_fetch_add_explicit(&ring->refs, 1, memory_order_relaxed);
}

void vv_ring_unref(varve_db *db, vv_ring *ring)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (ring == NULL || atomic_fetch_sub_explicit(&ring->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; ring->laps != NULL && i < ring->shape.pages; i++) {
        vv_alloc_free(&db->alloc, ring->laps[i], ring->shape.slots_per_page * sizeof(uint64_t));
    }
    vv_alloc_free(&db->alloc, ring->laps, ring->shape.pages * sizeof *ring->laps);
    vv_alloc_free(&db->alloc, ring, sizeof *ring);
}

varve_status vv_ring_header_of(varve_db *db, const vv_ring *ring,
                               varve_ring_field out_fields[VV_RING_FIELDS_MAX],
                               vv_ring_header *out_header, varve_error *out_err)
{
    const vv_ring_shape *shape = &ring->shape;
    for (uint32_t i = 0; i < shape->field_count; i++) {
        out_fields[i] = (varve_ring_field){
            .name = vv_catalogue_field_name(db->catalogue, ring->fields[i]),
            .type = shape->types[i],
        };
    }
    *out_header = (vv_ring_header){
        .step = shape->step,
        .slots = shape->slots,
        .fields = out_fields,
        .field_count = shape->field_count,
        .metric = vv_catalogue_metric(db->catalogue, ring->series),
        .shape = *shape,
    };
    return vv_catalogue_labels(db->catalogue, ring->series, &out_header->labels,
                               &out_header->label_count, out_err);
}

uint32_t vv_ring_field_of(const vv_ring *ring, uint32_t field)
{
    for (uint32_t i = 0; i < ring->shape.field_count; i++) {
        if (ring->fields[i] == field) {
            return i;
        }
    }
    return VV_RING_FIELDS_MAX;
}

/* ---- pages ---- */

vv_ring_page *vv_ring_page_create(vv_alloc *alloc)
{
    vv_ring_page *page = vv_alloc_zeroed(alloc, sizeof *page);
    if (page != NULL) {
        atomic_init(&page->refs, 1);
    }
    return page;
}

void vv_ring_page_ref(vv_ring_page *page)
{
    atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
}

void vv_ring_page_unref(vv_alloc *alloc, vv_ring_page *page)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (page != NULL && atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) == 1) {
        vv_alloc_free(alloc, page, sizeof *page);
    }
}

/* ---- states ---- */

varve_status vv_ring_state_create(varve_db *db, vv_ring *ring, uint64_t file_id,
                                  vv_ring_state **out_state, varve_error *out_err)
{
    *out_state = NULL;
    size_t bytes = ring->shape.pages * sizeof(vv_ring_page *);
    vv_ring_state *state = vv_alloc_zeroed(&db->alloc, sizeof *state);
    vv_ring_page **pages = vv_alloc_zeroed(&db->alloc, bytes);
    if (state == NULL || pages == NULL) {
        vv_alloc_free(&db->alloc, state, sizeof *state);
        vv_alloc_free(&db->alloc, pages, bytes);
        return vv_fail_nomem(out_err, "pages of a ring", bytes);
    }
    atomic_init(&state->refs, 1);
    ring_ref(ring);
    state->ring = ring;
    state->file_id = file_id;
    state->pages = pages;
    *out_state = state;
    return VARVE_OK;
}

varve_status vv_ring_state_copy(varve_db *db, const vv_ring_state *base, vv_ring_state **out_state,
                                varve_error *out_err)
{
    VV_TRY(vv_ring_state_create(db, base->ring, base->file_id, out_state, out_err));
    for (uint32_t i = 0; i < base->ring->shape.pages; i++) {
        if (base->pages[i] != NULL) {
            vv_ring_page_ref(base->pages[i]);
            (*out_state)->pages[i] = base->pages[i];
        }
    }
    return VARVE_OK;
}

void vv_ring_state_ref(vv_ring_state *state)
{
    atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
}

void vv_ring_state_unref(varve_db *db, vv_ring_state *state)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (state == NULL || atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    uint32_t count = state->ring->shape.pages;
    for (uint32_t i = 0; i < count; i++) {
        vv_ring_page_unref(&db->alloc, state->pages[i]);
    }
    vv_alloc_free(&db->alloc, state->pages, count * sizeof *state->pages);
    vv_ring_unref(db, state->ring);
    vv_alloc_free(&db->alloc, state, sizeof *state);
}

/* ---- sets ---- */

varve_status vv_ring_set_create(varve_db *db, size_t capacity, uint64_t sequence,
                                vv_ring_set **out_set, varve_error *out_err)
{
    *out_set = NULL;
    vv_ring_set *set = vv_alloc_zeroed(&db->alloc, sizeof *set);
    vv_ring_state **states = vv_alloc_array(&db->alloc, capacity, sizeof *states);
    if (set == NULL || states == NULL) {
        vv_alloc_free(&db->alloc, set, sizeof *set);
        vv_alloc_free(&db->alloc, states, capacity * sizeof *states);
        return vv_fail_nomem(out_err, "list of rings", capacity * sizeof *states);
    }
    atomic_init(&set->refs, 1);
    set->sequence = sequence;
    set->capacity = capacity;
    set->states = states;
    *out_set = set;
    return VARVE_OK;
}

void vv_ring_set_push(vv_ring_set *set, vv_ring_state *state)
{
    VV_ASSERT(set->count < set->capacity);
    VV_ASSERT(set->count == 0 || set->states[set->count - 1]->ring->series < state->ring->series);
    vv_ring_state_ref(state);
    set->states[set->count++] = state;
}

varve_status vv_ring_set_edit(varve_db *db, const vv_ring_set *base, uint32_t series,
                              vv_ring_state *state, vv_ring_set **out_set, varve_error *out_err)
{
    size_t count = base == NULL ? 0 : base->count;
    vv_ring_set *set;
    VV_TRY(vv_ring_set_create(db, count + 1, base == NULL ? 0 : base->sequence, &set, out_err));
    bool is_put = state == NULL;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = base->states[i]->ring->series;
        if (!is_put && at > series) {
            vv_ring_set_push(set, state);
            is_put = true;
        }
        if (at != series) {
            vv_ring_set_push(set, base->states[i]);
        }
    }
    if (!is_put) {
        vv_ring_set_push(set, state);
    }
    *out_set = set;
    return VARVE_OK;
}

void vv_ring_set_ref(vv_ring_set *set)
{
    if (set != NULL) {
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    }
}

void vv_ring_set_unref(varve_db *db, vv_ring_set *set)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        vv_ring_state_unref(db, set->states[i]);
    }
    vv_alloc_free(&db->alloc, set->states, set->capacity * sizeof *set->states);
    vv_alloc_free(&db->alloc, set, sizeof *set);
}

vv_ring_state *vv_ring_set_find(const vv_ring_set *set, uint32_t series)
{
    size_t begin = 0;
    size_t end = set == NULL ? 0 : set->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        uint32_t at = set->states[middle]->ring->series;
        if (at == series) {
            return set->states[middle];
        }
        if (at < series) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return NULL;
}

vv_ring_set *vv_ring_set_current(varve_db *db)
{
    vv_mutex_lock(&db->state_lock);
    vv_ring_set *set = db->version->rings;
    vv_ring_set_ref(set);
    vv_mutex_unlock(&db->state_lock);
    return set;
}

bool vv_ring_set_needs(const vv_ring_set *set, const vv_tombstone *tombstone)
{
    if (set == NULL || tombstone->sequence <= set->sequence || tombstone->row_count > 0) {
        return false;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (vv_idset_contains(&tombstone->series, set->states[i]->ring->series)) {
            return true;
        }
    }
    return false;
}

bool vv_ring_set_must_rewrite(const vv_ring_set *set)
{
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        if (atomic_load(&set->states[i]->ring->must_rewrite)) {
            return true;
        }
    }
    return false;
}

/* ---- files ---- */

varve_status vv_ring_path(const varve_db *db, uint64_t id, char out_path[VV_PATH_BYTES_MAX],
                          varve_error *out_err)
{
    char name[VV_RING_NAME_BYTES];
    char directory[VV_PATH_BYTES_MAX];
    vv_ring_file_name(id, "", name);
    VV_TRY(vv_db_path(db, "ring", directory, out_err));
    return vv_path_join(directory, name, out_path, out_err);
}

void vv_ring_unlink(varve_db *db, uint64_t id)
{
    char path[VV_PATH_BYTES_MAX];
    varve_error error;
    varve_status status = vv_ring_path(db, id, path, &error);
    if (status == VARVE_OK) {
        status = vv_vfs_unlink(db->env.vfs, path, &error);
    }
    if (status != VARVE_OK) {
        vv_db_log(db, VARVE_LOG_WARN, "ring.unlink_failed", "%s; removed at the next open",
                  error.message);
    }
}

varve_status vv_ring_write_file(varve_db *db, const vv_ring_target *target,
                                const vv_ring_state *state, vv_ring_page *const *overlay,
                                const uint8_t store_id[16], uint64_t id, varve_error *out_err)
{
    varve_ring_field fields[VV_RING_FIELDS_MAX];
    vv_ring_header header;
    VV_TRY(vv_ring_header_of(db, state->ring, fields, &header, out_err));
    memcpy(header.store_id, store_id, sizeof header.store_id);
    header.id = id;
    uint32_t count = state->ring->shape.pages;
    const uint8_t **pages = vv_alloc_array(&db->alloc, count, sizeof *pages);
    if (pages == NULL) {
        return vv_fail_nomem(out_err, "pages of a ring", count * sizeof *pages);
    }
    for (uint32_t i = 0; i < count; i++) {
        const vv_ring_page *page = state->pages[i];
        page = overlay != NULL && overlay[i] != NULL ? overlay[i] : page;
        pages[i] = page == NULL ? NULL : page->bytes;
    }
    varve_status status = vv_ring_file_write(target, &header, pages, out_err);
    vv_alloc_free(&db->alloc, pages, count * sizeof *pages);
    return status;
}

varve_status vv_ring_write_new_file(varve_db *db, vv_ring_state *state, varve_error *out_err)
{
    char tmp[VV_PATH_BYTES_MAX];
    char directory[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, "tmp", tmp, out_err));
    VV_TRY(vv_db_path(db, "ring", directory, out_err));
    vv_ring_target target = {
        .env = &db->env,
        .tmp_directory = tmp,
        .directory = directory,
        .sites = {.file = VV_SITE_RING_FILE,
                  .rename = VV_SITE_RING_RENAME,
                  .dir = VV_SITE_RING_DIR},
    };
    uint64_t id = vv_publish_file_id(db);
    VV_TRY(vv_ring_write_file(db, &target, state, NULL, db->store_id, id, out_err));
    state->file_id = id;
    return VARVE_OK;
}
