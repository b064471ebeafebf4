/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The second pass of appending: rows that were reserved (head_append.c) get their sequences and
 * count from now on. Nothing here can fail.
 */

#include <string.h>

#include "base/assert.h"
#include "engine/head_priv.h"
#include "engine/head_run_priv.h"

static inline void stamp_next(vv_head_buffer *buffer, uint64_t sequence)
{
    VV_DEBUG_ASSERT(buffer->pending > 0);
    if (buffer->count == 0) {
        buffer->base_sequence = sequence;
    }
    VV_DEBUG_ASSERT(sequence - buffer->base_sequence <= UINT32_MAX); /* H6 */
    uint32_t delta = (uint32_t)(sequence - buffer->base_sequence);
    memcpy(vv_head_record(buffer, buffer->count) + buffer->sequence_offset, &delta, sizeof delta);
    buffer->count++;
    buffer->pending--;
}

/** Move the mark of a list behind what is appended. */
static void stamp_advance(vv_head_list *list)
{
    while (list->staged != NULL && !vv_head_block_is_reserved(list->staged)) {
        list->staged = list->staged->next;
    }
}

/** Nothing is reserved outside of the tail any more? */
static void stamp_settle(vv_head_series *series)
{
    series->has_staged = series->blocks.staged != NULL ||
                         (series->late != NULL &&
                          (series->late->side.pending > 0 || series->late->blocks.staged != NULL));
}

/** Stamp the next reserved late row. */
static void stamp_late_row(vv_head_series *series, uint64_t sequence)
{
    VV_ASSERT(series->late != NULL);
    vv_head_block *block = series->late->blocks.staged;
    VV_ASSERT(block == NULL || block->kind == VV_HEAD_PLAIN);
    stamp_next(block != NULL ? &block->buffer : &series->late->side, sequence);
    stamp_advance(&series->late->blocks);
}

/** Stamp one row where rows of its series are reserved in several places. A row is the next one in
 *  order when it has that one's time: reserved late rows are older than it (head.h, H1). */
static void stamp_row(vv_head *head, const vv_run *run, size_t row, uint64_t sequence)
{
    uint32_t id = vv_head_run_series(run, row);
    int64_t time = vv_head_run_time(run, row);
    vv_head_series *series = vv_head_find(vv_head_shard_of(head, id), id);
    VV_ASSERT(series != NULL);
    vv_head_block *closed = series->blocks.staged;
    vv_head_buffer *next = closed != NULL && closed->kind == VV_HEAD_PLAIN ? &closed->buffer
                           : closed == NULL && series->tail.pending > 0    ? &series->tail
                                                                           : NULL;
    if (run->row_ids != NULL) {
        stamp_late_row(series, sequence);
        vv_head_put_row_id(series->late, sequence, run->row_ids[row]);
    } else if (next != NULL && vv_head_buffer_time(next, next->count) == time) {
        stamp_next(next, sequence);
        stamp_advance(&series->blocks);
    } else {
        stamp_late_row(series, sequence);
    }
    stamp_settle(series);
}

static void stamp_vector(vv_head *head, const vv_run *run, uint64_t first_sequence)
{
    vv_head_series *series = vv_head_find(vv_head_shard_of(head, run->series[0]), run->series[0]);
    VV_ASSERT(series != NULL);
    vv_head_list *list = &series->blocks;
    vv_head_block *block = list->staged;
    if (block == NULL || block->kind == VV_HEAD_PLAIN || block->vector_size != run->vector_size ||
        memcmp(vv_head_block_bytes(block), run->vector, run->vector_size) != 0) {
        VV_ASSERT(series->late != NULL);
        list = &series->late->blocks;
        block = list->staged;
        VV_ASSERT(block != NULL && block->kind == VV_HEAD_ENCODED);
    }
    block->first_sequence = first_sequence;
    block->last_sequence = first_sequence + run->count - 1;
    block->is_staged = false;
    stamp_advance(list);
    stamp_settle(series);
}

/** Rows, time and sequences of the generation; relaxed: each is read alone. */
static void stamp_count(vv_head *head, const vv_run *run, uint64_t first_sequence, size_t rows)
{
    uint64_t last = first_sequence + run->count - 1;
    atomic_fetch_add_explicit(&head->rows, rows, memory_order_relaxed);
    if (vv_head_first_write_ns(head) == 0) {
        atomic_store_explicit(&head->first_write_ns, vv_env_mono_ns(&head->db->env),
                              memory_order_relaxed);
    }
    uint_fast64_t seen = atomic_load_explicit(&head->first_sequence, memory_order_relaxed);
    while ((seen == 0 || first_sequence < seen) &&
           !atomic_compare_exchange_weak_explicit(&head->first_sequence, &seen, first_sequence,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    seen = atomic_load_explicit(&head->last_sequence, memory_order_relaxed);
    while (last > seen &&
           !atomic_compare_exchange_weak_explicit(&head->last_sequence, &seen, last,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

/** Stamp the rows of some shards; returns how many. */
static inline size_t stamp_rows(vv_head *head, const vv_run *run, uint64_t first_sequence,
                                uint64_t late_rows, uint64_t shards)
{
    size_t rows = 0;
    for (size_t row = 0; row < run->count; row++) {
        vv_head_run_prefetch(head, run, row, shards);
        if (!vv_head_run_is_in(run, row, shards)) {
            continue;
        }
        uint32_t id = vv_head_run_series(run, row);
        vv_head_series *series = vv_head_find(vv_head_shard_of(head, id), id);
        VV_ASSERT(series != NULL); /* it was reserved */
        if (VV_LIKELY(late_rows == 0 && !series->has_staged)) {
            stamp_next(&series->tail, first_sequence + row);
        } else {
            stamp_row(head, run, row, first_sequence + row);
        }
        rows++;
    }
    return rows;
}

void vv_head_append(vv_head *head, const vv_run *run, uint64_t first_sequence, uint64_t late_rows)
{
    stamp_count(head, run, first_sequence, run->count);
    if (run->vector != NULL) {
        stamp_vector(head, run, first_sequence);
    } else {
        (void)stamp_rows(head, run, first_sequence, late_rows, UINT64_MAX);
    }
}

void vv_head_append_part(vv_head *head, const vv_run *run, uint64_t first_sequence,
                         uint64_t late_rows, uint64_t shards)
{
    VV_ASSERT(run->vector == NULL);
    size_t rows = stamp_rows(head, run, first_sequence, late_rows, shards);
    stamp_count(head, run, first_sequence, rows);
}
