/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows that are changed one by one, in a head. Two lists of a series, both in order of sequence and
 * only added to under the shard's lock:
 *
 *   hides      time, row id, sequence: whatever lies there with a smaller sequence is gone, in this
 *              head, in older ones and in segments
 *   row ids    sequence, row id: the late row of that sequence is a replacement and has this id
 *
 * Readers get copies; of a frozen head the lists themselves. A series without such changes has
 * neither list.
 */

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/vec.h"
#include "engine/head_priv.h"
#include "engine/time_sort.h"
#include "engine/version.h"

enum { ROWS_CAPACITY_MIN = 8 }; /* of either list (arbitrary) */

/** Memory for more items, the old ones moved; NULL and unchanged on failure. */
static void *rows_grow(vv_slab *slab, void *items, size_t item_size, uint32_t count,
                       uint32_t capacity)
{
    void *grown = vv_slab_new(slab, (size_t)capacity * item_size);
    if (grown != NULL && count > 0) {
        memcpy(grown, items, count * item_size);
    }
    if (grown != NULL) {
        vv_slab_free(slab, items);
    }
    return grown;
}

/** A capacity for this many, doubled. */
static uint32_t rows_next_capacity(uint32_t capacity, size_t needed)
{
    size_t next = capacity == 0 ? ROWS_CAPACITY_MIN : capacity;
    while (next < needed) {
        next *= 2;
    }
    return (uint32_t)next;
}

/* ---- row ids of replacements ---- */

varve_status vv_head_reserve_row_id(vv_head_shard *shard, vv_head_late *late, varve_error *out_err)
{
    size_t needed = (size_t)late->row_id_count + late->row_id_pending + 1;
    if (needed > late->row_id_capacity) {
        uint32_t capacity = rows_next_capacity(late->row_id_capacity, needed);
        vv_head_row_id *grown =
            rows_grow(&shard->slab, late->row_ids, sizeof *grown, late->row_id_count, capacity);
        if (grown == NULL) {
            return vv_fail_nomem(out_err, "head", capacity * sizeof *grown);
        }
        late->row_ids = grown;
        late->row_id_capacity = capacity;
    }
    late->row_id_pending++;
    return VARVE_OK;
}

void vv_head_put_row_id(vv_head_late *late, uint64_t sequence, uint64_t row_id)
{
    VV_ASSERT(late->row_id_pending > 0 && late->row_id_count < late->row_id_capacity);
    late->row_ids[late->row_id_count] = (vv_head_row_id){.sequence = sequence, .row_id = row_id};
    late->row_id_count++;
    late->row_id_pending--;
}

/** First of the ids whose sequence is not below. */
static size_t rows_lower(const vv_head_row_id *row_ids, size_t count, uint64_t sequence)
{
    size_t begin = 0;
    while (begin < count) {
        size_t middle = begin + (count - begin) / 2;
        if (row_ids[middle].sequence < sequence) {
            begin = middle + 1;
        } else {
            count = middle;
        }
    }
    return begin;
}

uint64_t vv_head_row_id_of(const vv_head_row_id *row_ids, size_t count, uint64_t sequence)
{
    size_t at = rows_lower(row_ids, count, sequence);
    return at < count && row_ids[at].sequence == sequence ? row_ids[at].row_id : sequence;
}

/** Bring rows into the order of their keys; equal keys keep theirs. */
static varve_status rows_sort(const int64_t *keys, uint32_t *rows, size_t count, vv_arena *arena,
                              varve_error *out_err)
{
    uint32_t *order;
    VV_TRY(vv_time_sort(keys, count, arena, &order, out_err));
    if (order == NULL) {
        return VARVE_OK;
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = rows[order[i]];
    }
    memcpy(rows, order, count * sizeof *rows);
    return VARVE_OK;
}

varve_status vv_head_order_rows(const vv_head_buffer *side, const vv_head_late *late,
                                uint32_t *rows, size_t count, vv_arena *arena, varve_error *out_err)
{
    int64_t *keys = vv_arena_array(arena, count, sizeof *keys);
    if (keys == NULL) {
        return vv_arena_fail(arena, count * sizeof *keys, out_err);
    }
    if (late->row_id_count > 0) {
        for (size_t i = 0; i < count; i++) { /* row ids stay far below 2^63, as sequences do */
            keys[i] = (int64_t)vv_head_row_id_of(late->row_ids, late->row_id_count,
                                                 vv_head_buffer_sequence(side, rows[i]));
        }
        VV_TRY(rows_sort(keys, rows, count, arena, out_err));
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = vv_head_buffer_time(side, rows[i]);
    }
    return rows_sort(keys, rows, count, arena, out_err);
}

/* ---- hides ---- */

varve_status vv_head_reserve_hides(vv_head *head, uint32_t series, size_t count,
                                   bool *out_is_defined, varve_error *out_err)
{
    vv_head_shard *shard = vv_head_shard_of(head, series);
    vv_head_series *found;
    VV_TRY(vv_head_series_for(shard, series, &found, out_err));
    *out_is_defined = found->is_defined;
    if (found->hides == NULL) {
        vv_head_hides *hides = vv_head_arena_new(shard, sizeof *hides);
        if (hides == NULL) {
            return vv_fail_nomem(out_err, "head", sizeof *hides);
        }
        *hides = (vv_head_hides){0};
        found->hides = hides;
    }
    vv_head_hides *hides = found->hides;
    size_t needed = hides->count + count;
    if (needed > UINT32_MAX / 2) {
        return vv_fail(out_err, VARVE_E_LIMIT,
                       "%zu rows of one series changed since the last flush", needed);
    }
    if (needed > hides->capacity) {
        uint32_t capacity = rows_next_capacity(hides->capacity, needed);
        vv_head_hide *grown =
            rows_grow(&shard->slab, hides->items, sizeof *grown, hides->count, capacity);
        if (grown == NULL) {
            return vv_fail_nomem(out_err, "head", capacity * sizeof *grown);
        }
        hides->items = grown;
        hides->capacity = capacity;
    }
    return VARVE_OK;
}

void vv_head_hide_row(vv_head *head, const vv_row_address *row, uint64_t sequence)
{
    vv_head_series *series = vv_head_find(vv_head_shard_of(head, row->series), row->series);
    VV_ASSERT(series != NULL && series->hides != NULL);
    vv_head_hides *hides = series->hides;
    VV_ASSERT(hides->count < hides->capacity);
    VV_DEBUG_ASSERT(hides->count == 0 || hides->items[hides->count - 1].sequence <= sequence);
    hides->items[hides->count] =
        (vv_head_hide){.time = row->time, .row_id = row->row_id, .sequence = sequence};
    hides->count++;
    /* Relaxed: figures. */
    atomic_fetch_add_explicit(&head->hides, 1, memory_order_relaxed);
    if (vv_head_first_write_ns(head) == 0) {
        atomic_store_explicit(&head->first_write_ns, vv_env_mono_ns(&head->db->env),
                              memory_order_relaxed);
    }
}

uint64_t vv_head_hide_count(const vv_head *head)
{
    return atomic_load_explicit(&head->hides, memory_order_relaxed);
}

bool vv_head_is_row_changed(const vv_head *head, uint32_t series, uint64_t row_id, uint64_t after)
{
    const vv_head_series *found =
        vv_head_find(&head->shards[series & (VV_SHARD_COUNT - 1)], series);
    if (found == NULL) {
        return false;
    }
    const vv_head_hides *hides = found->hides;
    for (uint32_t i = hides == NULL ? 0 : hides->count;
         i > 0 && hides->items[i - 1].sequence > after; i--) {
        if (hides->items[i - 1].row_id == row_id) {
            return true;
        }
    }
    const vv_head_late *late = found->late;
    for (uint32_t i = late == NULL ? 0 : late->row_id_count;
         i > 0 && late->row_ids[i - 1].sequence > after; i--) {
        if (late->row_ids[i - 1].row_id == row_id) {
            return true;
        }
    }
    return false;
}

static varve_status rows_list_series(const vv_head_series *series, uint64_t visible, vv_vec *out,
                                     varve_error *out_err)
{
    const vv_head_hides *hides = series->hides;
    for (uint32_t i = 0; i < hides->count && hides->items[i].sequence <= visible; i++) {
        const vv_head_hide *item = &hides->items[i];
        vv_row_hide hide = {
            .row = {.series = series->id, .time = item->time, .row_id = item->row_id},
            .sequence = item->sequence,
        };
        varve_status status = vv_vec_push(out, &hide);
        if (status != VARVE_OK) {
            return vv_vec_fail(out, status, out_err);
        }
    }
    return VARVE_OK;
}

static varve_status rows_list_shard(const vv_head_shard *shard, uint64_t visible, vv_vec *out,
                                    varve_error *out_err)
{
    for (size_t chunk = 0; chunk < shard->chunk_count; chunk++) {
        for (size_t i = 0; shard->chunks[chunk] != NULL && i < VV_HEAD_CHUNK_SLOTS; i++) {
            const vv_head_series *series = shard->chunks[chunk][i];
            if (series != NULL && series->hides != NULL) {
                VV_TRY(rows_list_series(series, visible, out, out_err));
            }
        }
    }
    return VARVE_OK;
}

varve_status vv_head_list_hides(vv_head *head, uint64_t visible, vv_vec *out, varve_error *out_err)
{
    if (vv_head_hide_count(head) == 0) {
        return VARVE_OK;
    }
    bool is_live = !vv_head_is_frozen(head);
    varve_status status = VARVE_OK;
    for (uint32_t i = 0; i < VV_SHARD_COUNT && status == VARVE_OK; i++) {
        if (is_live) {
            vv_mutex_lock(&head->db->shards[i].lock);
        }
        status = rows_list_shard(&head->shards[i], visible, out, out_err);
        if (is_live) {
            vv_mutex_unlock(&head->db->shards[i].lock);
        }
    }
    return status;
}
