/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A head generation as a whole: its life, its table of series, its figures and flags. Appending is
 * head_append.c, reading head_read.c.
 */

#include "engine/head.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "engine/head_priv.h"
#include "index/catalogue.h"

varve_status vv_head_create(varve_db *db, vv_head **out_head, varve_error *out_err)
{
    *out_head = NULL;
    vv_head *head = vv_alloc_zeroed(&db->alloc, sizeof *head);
    if (head == NULL) {
        return vv_fail_nomem(out_err, "head", sizeof *head);
    }
    head->db = db;
    head->alloc = &db->alloc;
    atomic_init(&head->refs, 1);
    for (size_t i = 0; i < VV_SHARD_COUNT; i++) {
        vv_head_shard *shard = &head->shards[i];
        shard->head = head;
        shard->scratch = db->shards[i].scratch;
        vv_slab_init(&shard->slab, head->alloc, &head->bytes);
        vv_arena_init(&shard->arena, head->alloc, SIZE_MAX);
        vv_arena_init(&shard->work, head->alloc, SIZE_MAX);
        vv_buf_init(&shard->encoded, head->alloc, SIZE_MAX);
        vv_head_layouts_init(shard, head->alloc);
    }
    *out_head = head;
    return VARVE_OK;
}

static void head_free(vv_head *head)
{
    for (size_t i = 0; i < VV_SHARD_COUNT; i++) {
        vv_head_shard *shard = &head->shards[i];
        vv_map_deinit(&shard->layouts);
        vv_buf_deinit(&shard->encoded);
        vv_arena_deinit(&shard->work);
        vv_arena_deinit(&shard->arena);
        vv_slab_deinit(&shard->slab);
        vv_alloc_free(head->alloc, shard->chunks, shard->chunk_count * sizeof *shard->chunks);
    }
    for (size_t i = 0; i < VV_HEAD_FIELD_FLAG_CHUNKS; i++) {
        vv_alloc_free(head->alloc, atomic_load(&head->field_flags[i]), VV_HEAD_FIELD_FLAG_BITS / 8);
    }
    vv_alloc_free(head->alloc, head, sizeof *head);
}

void vv_head_ref(vv_head *head)
{
    atomic_fetch_add_explicit(&head->refs, 1, memory_order_relaxed);
}

void vv_head_unref(vv_head *head)
{
    if (head == NULL) {
        return;
    }
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (atomic_fetch_sub_explicit(&head->refs, 1, memory_order_acq_rel) == 1) {
        head_free(head);
    }
}

/* ---- figures ---- */

size_t vv_head_bytes(const vv_head *head)
{
    return atomic_load_explicit(&head->bytes, memory_order_relaxed);
}

uint64_t vv_head_rows(const vv_head *head)
{
    return atomic_load_explicit(&head->rows, memory_order_relaxed);
}

int64_t vv_head_first_write_ns(const vv_head *head)
{
    return atomic_load_explicit(&head->first_write_ns, memory_order_relaxed);
}

uint64_t vv_head_first_sequence(const vv_head *head)
{
    return atomic_load_explicit(&head->first_sequence, memory_order_relaxed);
}

uint64_t vv_head_last_sequence(const vv_head *head)
{
    return atomic_load_explicit(&head->last_sequence, memory_order_relaxed);
}

uint64_t vv_head_last_lsn(const vv_head *head)
{
    return head->last_lsn;
}

/* ---- freezing ---- */

void vv_head_freeze(vv_head *head, uint64_t last_lsn, uint64_t last_sequence)
{
    head->last_lsn = last_lsn;
    atomic_store_explicit(&head->last_sequence, last_sequence, memory_order_relaxed);
    for (size_t i = 0; i < VV_SHARD_COUNT; i++) {
        vv_arena_deinit(&head->shards[i].work); /* nothing is sealed any more */
        vv_buf_deinit(&head->shards[i].encoded);
    }
    /* Release, with the acquire of vv_head_is_frozen: who finds the head frozen reads it as it was
     * under the locks. */
    atomic_store_explicit(&head->is_frozen, true, memory_order_release);
}

bool vv_head_is_frozen(const vv_head *head)
{
    return atomic_load_explicit(&head->is_frozen, memory_order_acquire);
}

/* ---- the table of series ---- */

void *vv_head_arena_aligned(vv_head_shard *shard, size_t size, size_t align)
{
    size_t before = shard->arena.held_bytes;
    void *memory = vv_arena_aligned(&shard->arena, size, align);
    atomic_fetch_add_explicit(&shard->head->bytes, shard->arena.held_bytes - before,
                              memory_order_relaxed);
    return memory;
}

void *vv_head_arena_new(vv_head_shard *shard, size_t size)
{
    return vv_head_arena_aligned(shard, size, 8);
}

/** The slot of a series, its chunk made when missing. */
static vv_head_series **head_slot_for(vv_head_shard *shard, uint32_t series)
{
    size_t index = series / VV_SHARD_COUNT;
    size_t chunk = index / VV_HEAD_CHUNK_SLOTS;
    if (chunk >= shard->chunk_count) {
        size_t count = 2 * shard->chunk_count > chunk ? 2 * shard->chunk_count : chunk + 1;
        vv_head_series ***chunks =
            vv_alloc_resize(shard->head->alloc, shard->chunks, shard->chunk_count * sizeof *chunks,
                            count * sizeof *chunks);
        if (chunks == NULL) {
            return NULL;
        }
        memset(chunks + shard->chunk_count, 0, (count - shard->chunk_count) * sizeof *chunks);
        shard->chunks = chunks;
        shard->chunk_count = count;
    }
    if (shard->chunks[chunk] == NULL) {
        size_t size = VV_HEAD_CHUNK_SLOTS * sizeof(vv_head_series *);
        shard->chunks[chunk] = vv_head_arena_new(shard, size);
        if (shard->chunks[chunk] == NULL) {
            return NULL;
        }
        memset(shard->chunks[chunk], 0, size);
    }
    return &shard->chunks[chunk][index % VV_HEAD_CHUNK_SLOTS];
}

varve_status vv_head_series_for(vv_head_shard *shard, uint32_t series, vv_head_series **out_series,
                                varve_error *out_err)
{
    vv_head_series *found = vv_head_find(shard, series);
    if (found != NULL) {
        *out_series = found;
        return VARVE_OK;
    }
    vv_head_series **slot = head_slot_for(shard, series);
    vv_head_series *made = slot == NULL ? NULL : vv_head_arena_aligned(shard, sizeof *made, 64);
    if (made == NULL) {
        return vv_fail_nomem(out_err, "head", sizeof *made);
    }
    const vv_catalogue *catalogue = shard->head->db->catalogue;
    vv_metric_policy policy =
        vv_catalogue_policy(catalogue, vv_catalogue_metric_id(catalogue, series));
    *made = (vv_head_series){
        .id = series,
        .newest_limit = INT64_MIN,
        /* Rows of a ring stay apart until they meet its pages: their order decides. */
        .is_last =
            policy.duplicates == VARVE_DUPLICATES_LAST && !vv_catalogue_is_ring(catalogue, series),
    };
    *slot = made;
    shard->series_count++;
    *out_series = made;
    return VARVE_OK;
}

static bool head_list_has_rows(const vv_head_list *list)
{
    for (const vv_head_block *block = list->first; block != NULL; block = block->next) {
        if (block->kind == VV_HEAD_PLAIN ? block->buffer.count > 0 : !block->is_staged) {
            return true;
        }
    }
    return false;
}

bool vv_head_series_has_rows(const vv_head_series *series)
{
    /* A late row follows an in-order one, but where it is a replacement. */
    return series->tail.count > 0 || head_list_has_rows(&series->blocks) ||
           (series->late != NULL && series->late->row_id_count > 0);
}

bool vv_head_has_series(const vv_head *head, uint32_t series)
{
    const vv_head_series *found =
        vv_head_find(&head->shards[series & (VV_SHARD_COUNT - 1)], series);
    return found != NULL && vv_head_series_has_rows(found);
}

varve_status vv_head_series_ids(const vv_head *head, vv_alloc *alloc, uint32_t **out_ids,
                                size_t *out_count, varve_error *out_err)
{
    *out_ids = NULL;
    *out_count = 0;
    size_t capacity = 0;
    size_t index_end = 0;
    for (size_t i = 0; i < VV_SHARD_COUNT; i++) {
        const vv_head_shard *shard = &head->shards[i];
        size_t end = shard->chunk_count * VV_HEAD_CHUNK_SLOTS;
        capacity += shard->series_count;
        index_end = end > index_end ? end : index_end;
    }
    uint32_t *ids = vv_alloc_array(alloc, capacity, sizeof *ids);
    if (ids == NULL) {
        return vv_fail_nomem(out_err, "list of series", capacity * sizeof *ids);
    }
    size_t count = 0;
    for (size_t index = 0; index < index_end && capacity > 0; index++) {
        for (uint32_t i = 0; i < VV_SHARD_COUNT; i++) {
            uint32_t series = (uint32_t)index * VV_SHARD_COUNT + i;
            if (vv_head_has_series(head, series)) {
                ids[count] = series;
                count++;
            }
        }
    }
    /* The array is given with the size of its use, so that the caller can release it. */
    uint32_t *fitted = vv_alloc_resize(alloc, ids, capacity * sizeof *ids, count * sizeof *ids);
    if (fitted == NULL) {
        vv_alloc_free(alloc, ids, capacity * sizeof *ids);
        return vv_fail_nomem(out_err, "list of series", count * sizeof *ids);
    }
    *out_ids = fitted;
    *out_count = count;
    return VARVE_OK;
}

/* ---- what the log of this generation defines ---- */

bool vv_head_is_series_defined(const vv_head *head, uint32_t series)
{
    const vv_head_series *found =
        vv_head_find(&head->shards[series & (VV_SHARD_COUNT - 1)], series);
    return found != NULL && found->is_defined;
}

void vv_head_set_series_defined(vv_head *head, uint32_t series)
{
    vv_head_series *found = vv_head_find(vv_head_shard_of(head, series), series);
    if (found != NULL) {
        found->is_defined = true;
    }
}

bool vv_head_is_field_defined(const vv_head *head, uint32_t field)
{
    size_t chunk = field / VV_HEAD_FIELD_FLAG_BITS;
    if (chunk >= VV_HEAD_FIELD_FLAG_CHUNKS) {
        return false;
    }
    const atomic_uint_fast64_t *words = atomic_load(&head->field_flags[chunk]);
    size_t bit = field % VV_HEAD_FIELD_FLAG_BITS;
    return words != NULL && ((atomic_load(&words[bit / 64]) >> (bit % 64)) & 1) != 0;
}

void vv_head_set_field_defined(vv_head *head, uint32_t field)
{
    _Static_assert(sizeof(atomic_uint_fast64_t) == 8, "a word of flags");
    size_t chunk = field / VV_HEAD_FIELD_FLAG_BITS;
    if (chunk >= VV_HEAD_FIELD_FLAG_CHUNKS) {
        return;
    }
    atomic_uint_fast64_t *words = atomic_load(&head->field_flags[chunk]);
    if (words == NULL) {
        atomic_uint_fast64_t *made = vv_alloc_zeroed(head->alloc, VV_HEAD_FIELD_FLAG_BITS / 8);
        if (made == NULL) {
            return; /* the field is defined once more with the next batch */
        }
        if (atomic_compare_exchange_strong(&head->field_flags[chunk], &words, made)) {
            words = made;
        } else {
            vv_alloc_free(head->alloc, made, VV_HEAD_FIELD_FLAG_BITS / 8);
        }
    }
    size_t bit = field % VV_HEAD_FIELD_FLAG_BITS;
    atomic_fetch_or(&words[bit / 64], UINT64_C(1) << (bit % 64));
}
