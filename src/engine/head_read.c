/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading a series of a head: encoded blocks are handed over as they lie, plain rows are copied
 * while the shard's lock is held, because the next seal moves them. What a reader may see is a
 * matter of sequences alone: a buffer's visible rows are its first ones, a block's are told by the
 * sequences beside it.
 */

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "engine/head_priv.h"

/** What is asked. */
typedef struct read_request {
    uint64_t visible;
    varve_range range;
    const uint32_t *fields;
    size_t field_count;
    bool copies_blobs;
    vv_arena *arena;
} read_request;

static bool read_meets(varve_range range, int64_t first, int64_t last)
{
    return last >= range.start && (first < range.end || range.end == INT64_MAX);
}

static bool read_has(varve_range range, int64_t time)
{
    return read_meets(range, time, time);
}

/** First of the rows [begin, end) of an ascending buffer at or after a time. */
static uint32_t read_find(const vv_head_buffer *buffer, uint32_t begin, uint32_t end, int64_t time)
{
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (vv_head_buffer_time(buffer, middle) < time) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

/** Numbers of the visible rows of a side buffer that are in range, in order of (time, row id). */
static varve_status read_order(const read_request *request, const vv_head_buffer *side,
                               const vv_head_late *late, uint32_t visible,
                               const uint32_t **out_rows, uint32_t *out_count, varve_error *out_err)
{
    uint32_t *rows = vv_arena_array(request->arena, visible, sizeof *rows);
    if (rows == NULL) {
        return vv_arena_fail(request->arena, visible * sizeof *rows, out_err);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < visible; i++) {
        if (read_has(request->range, vv_head_buffer_time(side, i))) {
            rows[count] = i;
            count++;
        }
    }
    *out_rows = rows;
    *out_count = count;
    return vv_head_order_rows(side, late, rows, count, request->arena, out_err);
}

/** Copy what is visible of a buffer and in range; *out_count grows by the piece, if there is one.
 */
static varve_status read_plain(const read_request *request, const vv_head_buffer *buffer,
                               const vv_head_late *late, vv_head_piece *pieces, size_t *out_count,
                               varve_error *out_err)
{
    uint32_t visible = vv_head_buffer_visible(buffer, request->visible);
    vv_head_gather what = {
        .count = visible,
        .fields = request->fields,
        .field_count = request->field_count,
        .copies_blobs = request->copies_blobs,
    };
    if (visible > 0 && late != NULL) {
        VV_TRY(read_order(request, buffer, late, visible, &what.order, &what.count, out_err));
    } else if (visible > 0) {
        what.first = read_find(buffer, 0, visible, request->range.start);
        uint32_t end = request->range.end == INT64_MAX
                           ? visible
                           : read_find(buffer, what.first, visible, request->range.end);
        what.count = end - what.first;
    }
    if (what.count == 0) {
        return VARVE_OK;
    }
    vv_head_piece *piece = &pieces[*out_count];
    *piece = (vv_head_piece){.is_late = late != NULL, .rows = what.count};
    uint64_t *sequences;
    VV_TRY(
        vv_head_buffer_gather(buffer, &what, request->arena, &piece->plain, &sequences, out_err));
    piece->sequences = sequences;
    piece->first_time = piece->plain.times[0];
    piece->last_time = piece->plain.times[what.count - 1];
    piece->first_sequence = sequences[0];
    piece->last_sequence = sequences[0];
    for (uint32_t i = 1; i < what.count; i++) {
        if (sequences[i] < piece->first_sequence) {
            piece->first_sequence = sequences[i];
        }
        if (sequences[i] > piece->last_sequence) {
            piece->last_sequence = sequences[i];
        }
    }
    (*out_count)++;
    return VARVE_OK;
}

static void read_encoded(const read_request *request, const vv_head_block *block, bool is_late,
                         vv_head_piece *pieces, size_t *out_count)
{
    if (block->is_staged || block->first_sequence > request->visible ||
        !read_meets(request->range, block->first_time, block->last_time)) {
        return;
    }
    const uint8_t *bytes = vv_head_block_bytes(block);
    pieces[*out_count] = (vv_head_piece){
        .is_encoded = true,
        .is_late = is_late,
        .needs_filter = block->last_sequence > request->visible,
        .rows = block->rows,
        .first_time = block->first_time,
        .last_time = block->last_time,
        .first_sequence = block->first_sequence,
        .last_sequence = block->last_sequence,
        .vector = vv_bytes_make(bytes, block->vector_size),
        .encoded_sequences = vv_bytes_make(bytes + block->vector_size, block->sequences_size),
        .sequence_step = block->sequence_step,
    };
    (*out_count)++;
}

static varve_status read_list(const read_request *request, const vv_head_list *list,
                              const vv_head_buffer *open, const vv_head_late *late,
                              vv_head_piece **out_pieces, size_t *out_count, varve_error *out_err)
{
    size_t capacity = 1;
    for (const vv_head_block *block = list->first; block != NULL; block = block->next) {
        capacity++;
    }
    vv_head_piece *pieces = vv_arena_array(request->arena, capacity, sizeof *pieces);
    if (pieces == NULL) {
        return vv_arena_fail(request->arena, capacity * sizeof *pieces, out_err);
    }
    *out_pieces = pieces;
    for (const vv_head_block *block = list->first; block != NULL; block = block->next) {
        if (block->kind == VV_HEAD_ENCODED) {
            read_encoded(request, block, /* late */ late != NULL, pieces, out_count);
        } else {
            VV_TRY(read_plain(request, &block->buffer, late, pieces, out_count, out_err));
        }
    }
    return read_plain(request, open, late, pieces, out_count, out_err);
}

/** How many of a list, in order of sequence, are visible. */
static size_t read_visible_hides(const vv_head_hides *hides, uint64_t visible)
{
    size_t count = hides->count;
    while (count > 0 && hides->items[count - 1].sequence > visible) {
        count--;
    }
    return count;
}

/** The list itself where the head is frozen, else a copy: another writer may make it grow. */
static varve_status read_copy(const read_request *request, const void *items, size_t size,
                              const void **out_items, varve_error *out_err)
{
    *out_items = items;
    if (size > 0 && request->copies_blobs) {
        void *copy = vv_arena_aligned(request->arena, size, 8);
        if (copy == NULL) {
            return vv_arena_fail(request->arena, size, out_err);
        }
        memcpy(copy, items, size);
        *out_items = copy;
    }
    return VARVE_OK;
}

static varve_status read_late(const read_request *request, const vv_head_late *late,
                              vv_head_pieces *out_pieces, varve_error *out_err)
{
    VV_TRY(read_list(request, &late->blocks, &late->side, late, &out_pieces->late,
                     &out_pieces->late_count, out_err));
    const void *row_ids;
    VV_TRY(read_copy(request, late->row_ids, late->row_id_count * sizeof *late->row_ids, &row_ids,
                     out_err));
    for (size_t i = 0; i < out_pieces->late_count; i++) {
        out_pieces->late[i].row_ids = row_ids;
        out_pieces->late[i].row_id_count = late->row_id_count;
    }
    return VARVE_OK;
}

static varve_status read_series(const read_request *request, const vv_head_series *series,
                                vv_head_pieces *out_pieces, varve_error *out_err)
{
    if (series == NULL) {
        return VARVE_OK;
    }
    VV_TRY(read_list(request, &series->blocks, &series->tail, NULL, &out_pieces->in_order,
                     &out_pieces->in_order_count, out_err));
    if (series->late != NULL) {
        VV_TRY(read_late(request, series->late, out_pieces, out_err));
    }
    if (series->hides != NULL) {
        const void *hides;
        out_pieces->hide_count = read_visible_hides(series->hides, request->visible);
        VV_TRY(read_copy(request, series->hides->items,
                         out_pieces->hide_count * sizeof *series->hides->items, &hides, out_err));
        out_pieces->hides = hides;
    }
    return VARVE_OK;
}

varve_status vv_head_read(vv_head *head, uint32_t series, uint64_t visible, varve_range range,
                          const uint32_t *fields, size_t field_count, vv_arena *arena,
                          vv_head_pieces *out_pieces, varve_error *out_err)
{
    bool is_frozen = vv_head_is_frozen(head);
    read_request request = {
        .visible = visible,
        .range = range,
        .fields = fields,
        .field_count = field_count,
        .copies_blobs = !is_frozen,
        .arena = arena,
    };
    *out_pieces = (vv_head_pieces){0};
    vv_mutex *lock = &vv_db_shard(head->db, series)->lock;
    if (!is_frozen) {
        vv_mutex_lock(lock);
    }
    varve_status status = read_series(
        &request, vv_head_find(vv_head_shard_of(head, series), series), out_pieces, out_err);
    if (!is_frozen) {
        vv_mutex_unlock(lock);
    }
    return status;
}

static uint64_t read_buffer_sequence(const vv_head_buffer *buffer)
{
    return buffer->count == 0 ? 0 : vv_head_buffer_sequence(buffer, buffer->count - 1);
}

static uint64_t read_list_sequence(const vv_head_list *list)
{
    uint64_t last = 0;
    for (const vv_head_block *block = list->first; block != NULL; block = block->next) {
        uint64_t sequence = block->kind == VV_HEAD_PLAIN ? read_buffer_sequence(&block->buffer)
                                                         : block->last_sequence;
        last = sequence > last ? sequence : last; /* that of a staged vector is 0 */
    }
    return last;
}

void vv_head_series_blocks(const vv_head *head, uint32_t series, uint64_t *out_blocks,
                           uint64_t *out_rows)
{
    *out_blocks = 0;
    *out_rows = 0;
    const vv_head_series *found = vv_head_find(&head->shards[series % VV_SHARD_COUNT], series);
    const vv_head_block *block = found == NULL ? NULL : found->blocks.first;
    for (; block != NULL; block = block->next) {
        if (block->kind == VV_HEAD_ENCODED) {
            *out_blocks += 1;
            *out_rows += block->rows;
        }
    }
}

uint64_t vv_head_series_sequence(const vv_head *head, uint32_t series)
{
    const vv_head_series *found = vv_head_find(&head->shards[series % VV_SHARD_COUNT], series);
    if (found == NULL) {
        return 0;
    }
    uint64_t last = read_buffer_sequence(&found->tail);
    uint64_t sequence = read_list_sequence(&found->blocks);
    last = sequence > last ? sequence : last;
    if (found->late != NULL) {
        sequence = read_buffer_sequence(&found->late->side);
        last = sequence > last ? sequence : last;
        sequence = read_list_sequence(&found->late->blocks);
        last = sequence > last ? sequence : last;
    }
    return last;
}

/* ---- the newest time ---- */

typedef struct read_newest {
    int64_t limit;
    bool has;
    int64_t time;
} read_newest;

static void read_see(read_newest *newest, int64_t time)
{
    if (time <= newest->limit && (!newest->has || time > newest->time)) {
        newest->has = true;
        newest->time = time;
    }
}

/** Of plain rows; where they ascend the last one that counts is the newest. */
static void read_see_buffer(read_newest *newest, const vv_head_buffer *buffer, bool ascends)
{
    for (uint32_t i = buffer->count; i-- > 0;) {
        int64_t time = vv_head_buffer_time(buffer, i);
        read_see(newest, time);
        if (ascends && time <= newest->limit) {
            return;
        }
    }
}

static void read_see_list(read_newest *newest, const vv_head_list *list, bool ascends)
{
    for (const vv_head_block *block = list->first; block != NULL; block = block->next) {
        if (block->kind == VV_HEAD_PLAIN) {
            read_see_buffer(newest, &block->buffer, ascends);
        } else if (!block->is_staged) {
            read_see(newest, block->first_time);
            read_see(newest, block->last_time);
        }
    }
}

static void read_see_series(read_newest *newest, const vv_head_series *series)
{
    read_see_buffer(newest, &series->tail, /* ascends */ true);
    bool is_enough = newest->has && series->tail.count > 0 &&
                     vv_head_buffer_time(&series->tail, series->tail.count - 1) <= newest->limit;
    if (is_enough && (series->late == NULL || !series->late->has_vector)) {
        return; /* everything else is older */
    }
    read_see_list(newest, &series->blocks, /* ascends */ true);
    if (series->late != NULL) {
        read_see_list(newest, &series->late->blocks, /* ascends */ false);
        read_see_buffer(newest, &series->late->side, /* ascends */ false);
    }
}

static void read_see_shard(read_newest *newest, const vv_head_shard *shard)
{
    for (size_t chunk = 0; chunk < shard->chunk_count; chunk++) {
        vv_head_series **slots = shard->chunks[chunk];
        for (size_t i = 0; slots != NULL && i < VV_HEAD_CHUNK_SLOTS; i++) {
            if (slots[i] != NULL) {
                read_see_series(newest, slots[i]);
            }
        }
    }
}

bool vv_head_newest(vv_head *head, int64_t limit, int64_t *out_newest)
{
    read_newest newest = {.limit = limit};
    for (uint32_t i = 0; i < VV_SHARD_COUNT; i++) {
        bool is_frozen = vv_head_is_frozen(head);
        vv_mutex *lock = &head->db->shards[i].lock;
        if (!is_frozen) {
            vv_mutex_lock(lock);
        }
        read_see_shard(&newest, &head->shards[i]);
        if (!is_frozen) {
            vv_mutex_unlock(lock);
        }
    }
    *out_newest = newest.time;
    return newest.has;
}
