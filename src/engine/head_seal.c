/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From plain rows to encoded blocks. A block is
 *
 *   [head of vv_head_block][vector][sequences]
 *
 * where the sequences are left out when they are first, first + step, first + 2 step ... (a bulk
 * call, a series that is written alone, scrapes of a fixed set), else one byte and
 *
 *   0  what vv_times_encode gives of them (they ascend), or
 *   1  a uint32_t for each row, its distance to first_sequence (a late block: order of time).
 *
 * Sealing works chunk by chunk; each chunk is linked and dropped from its buffer in one step that
 * cannot fail, so that a failure at any point leaves every row in exactly one place.
 */

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/head_priv.h"

enum { SEAL_ENCODED = 0, SEAL_DISTANCES = 1 };

void vv_head_list_add(vv_head_list *list, vv_head_block *block)
{
    block->next = NULL;
    if (list->last == NULL) {
        list->first = block;
    } else {
        list->last->next = block;
    }
    list->last = block;
    if (list->staged == NULL && vv_head_block_is_reserved(block)) {
        list->staged = block;
    }
}

/** Whether sequences are first + i * step. */
static bool seal_is_stepped(const uint64_t *sequences, size_t count, uint64_t *out_step)
{
    uint64_t step = count > 1 ? sequences[1] - sequences[0] : 1;
    for (size_t i = 1; i < count; i++) {
        if (sequences[i] - sequences[i - 1] != step) {
            return false;
        }
    }
    *out_step = step;
    return sequences[count - 1] >= sequences[0];
}

static varve_status seal_sequences(vv_head_shard *shard, const uint64_t *sequences, uint32_t count,
                                   uint64_t least, bool is_late, varve_error *out_err)
{
    vv_buf *out = &shard->encoded;
    if (is_late) {
        VV_IGNORE(vv_buf_append_u8(out, SEAL_DISTANCES)); /* sticky: checked below */
        for (uint32_t i = 0; i < count; i++) {
            VV_IGNORE(vv_buf_append_u32(out, (uint32_t)(sequences[i] - least)));
        }
        return vv_buf_check(out, out_err);
    }
    int64_t *numbers = vv_arena_array(&shard->work, count, sizeof *numbers);
    if (numbers == NULL) {
        return vv_arena_fail(&shard->work, count * sizeof *numbers, out_err);
    }
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = (int64_t)sequences[i];
    }
    VV_IGNORE(vv_buf_append_u8(out, SEAL_ENCODED)); /* sticky: the next append fails too */
    VV_TRY(vv_times_encode(numbers, count, shard->scratch, out, out_err));
    return vv_buf_check(out, out_err);
}

/** Encode one chunk, sequences included, and make its block. */
static varve_status seal_encode(vv_head_shard *shard, const vv_rows *rows,
                                const uint64_t *sequences, bool is_late, vv_head_block **out_block,
                                varve_error *out_err)
{
    vv_head_block head = {.kind = VV_HEAD_ENCODED, .rows = (uint32_t)rows->count};
    head.first_time = rows->times[0];
    head.last_time = rows->times[rows->count - 1];
    head.first_sequence = sequences[0];
    head.last_sequence = sequences[0];
    for (size_t i = 1; i < rows->count; i++) {
        head.first_sequence =
            sequences[i] < head.first_sequence ? sequences[i] : head.first_sequence;
        head.last_sequence = sequences[i] > head.last_sequence ? sequences[i] : head.last_sequence;
    }
    VV_TRY(vv_vector_encode(rows, shard->scratch, &shard->encoded, out_err));
    head.vector_size = (uint32_t)shard->encoded.size;
    if (!seal_is_stepped(sequences, rows->count, &head.sequence_step)) {
        VV_TRY(seal_sequences(shard, sequences, head.rows, head.first_sequence, is_late, out_err));
        head.sequences_size = (uint32_t)shard->encoded.size - head.vector_size;
    }
    size_t size = VV_HEAD_BLOCK_HEAD_BYTES + shard->encoded.size;
    uint8_t *bytes = vv_head_arena_new(shard, size);
    if (bytes == NULL) {
        return vv_fail_nomem(out_err, "head", size);
    }
    memcpy(bytes, &head, VV_HEAD_BLOCK_HEAD_BYTES);
    memcpy(bytes + VV_HEAD_BLOCK_HEAD_BYTES, shard->encoded.data, shard->encoded.size);
    *out_block = (vv_head_block *)(void *)bytes;
    return VARVE_OK;
}

/** Seal the first rows that make a vector; *out_rows tells how many. */
static varve_status seal_chunk(vv_head_shard *shard, vv_head_buffer *buffer, vv_head_list *list,
                               uint32_t rows_max, const vv_head_late *late, uint32_t *out_rows,
                               varve_error *out_err)
{
    uint32_t count = rows_max < VV_VECTOR_ROWS_MAX ? rows_max : (uint32_t)VV_VECTOR_ROWS_MAX;
    count = vv_head_buffer_fit(buffer, count, VV_HEAD_RAW_BYTES_MAX);
    vv_head_gather what = {.count = count};
    if (late != NULL) {
        uint32_t *order = vv_arena_array(&shard->work, count, sizeof *order);
        if (order == NULL) {
            return vv_arena_fail(&shard->work, count * sizeof *order, out_err);
        }
        for (uint32_t i = 0; i < count; i++) {
            order[i] = i;
        }
        VV_TRY(vv_head_order_rows(buffer, late, order, count, &shard->work, out_err));
        what.order = order;
    }
    vv_rows rows;
    uint64_t *sequences;
    VV_TRY(vv_head_buffer_gather(buffer, &what, &shard->work, &rows, &sequences, out_err));
    vv_head_block *block = NULL;
    VV_TRY(seal_encode(shard, &rows, sequences, /* late */ late != NULL, &block, out_err));
    VV_ASSERT(block != NULL);
    vv_head_list_add(list, block);
    vv_head_buffer_drop(shard, buffer, count);
    *out_rows = count;
    return VARVE_OK;
}

varve_status vv_head_seal(vv_head_shard *shard, vv_head_buffer *buffer, vv_head_list *list,
                          uint32_t rows, const vv_head_late *late, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    while (rows > 0 && status == VARVE_OK) {
        uint32_t sealed = 0;
        status = seal_chunk(shard, buffer, list, rows, late, &sealed, out_err);
        rows -= sealed;
        vv_arena_reset(&shard->work);
        vv_buf_reset(&shard->encoded);
    }
    return status;
}

static varve_status seal_close(vv_head_shard *shard, vv_head_buffer *buffer, vv_head_list *list,
                               uint64_t visible, const vv_head_late *late, varve_error *out_err)
{
    uint32_t rows = vv_head_buffer_visible(buffer, visible);
    VV_TRY(vv_head_seal(shard, buffer, list, rows, late, out_err));
    if (buffer->count + buffer->pending == 0) {
        vv_head_buffer_clear(shard, buffer);
        return VARVE_OK;
    }
    vv_head_block *block = vv_head_arena_new(shard, sizeof *block);
    if (block == NULL) {
        return vv_fail_nomem(out_err, "head", sizeof *block);
    }
    *block = (vv_head_block){.kind = VV_HEAD_PLAIN, .buffer = *buffer};
    *buffer = (vv_head_buffer){0};
    vv_head_list_add(list, block);
    return VARVE_OK;
}

varve_status vv_head_close(vv_head_shard *shard, vv_head_series *series, uint64_t visible,
                           varve_error *out_err)
{
    return seal_close(shard, &series->tail, &series->blocks, visible, NULL, out_err);
}

varve_status vv_head_close_late(vv_head_shard *shard, vv_head_late *late, uint64_t visible,
                                varve_error *out_err)
{
    VV_ASSERT(late != NULL);
    return seal_close(shard, &late->side, &late->blocks, visible, late, out_err);
}

varve_status vv_head_stage_vector(vv_head_shard *shard, vv_head_list *list, const vv_vector *vector,
                                  varve_error *out_err)
{
    /* Of the slab, not of the arena: a writer who fails again and again must not fill the head. */
    size_t size = VV_HEAD_BLOCK_HEAD_BYTES + vector->bytes.size;
    uint8_t *bytes = vv_slab_new(&shard->slab, size);
    if (bytes == NULL) {
        return vv_fail_nomem(out_err, "head", size);
    }
    vv_head_block head = {
        .kind = VV_HEAD_ENCODED,
        .is_staged = true,
        .is_of_slab = true,
        .rows = vector->count,
        .vector_size = (uint32_t)vector->bytes.size,
        .sequence_step = 1,
        .first_time = vector->first_time,
        .last_time = vector->last_time,
    };
    memcpy(bytes, &head, VV_HEAD_BLOCK_HEAD_BYTES);
    memcpy(bytes + VV_HEAD_BLOCK_HEAD_BYTES, vector->bytes.data, vector->bytes.size);
    vv_head_list_add(list, (vv_head_block *)(void *)bytes);
    return VARVE_OK;
}

void vv_head_list_unreserve(vv_head_shard *shard, vv_head_list *list)
{
    if (list->staged == NULL) {
        return;
    }
    vv_head_block *block = list->first;
    *list = (vv_head_list){0};
    while (block != NULL) {
        vv_head_block *next = block->next;
        if (block->kind == VV_HEAD_PLAIN) {
            vv_head_buffer_unreserve(shard, &block->buffer);
        }
        bool is_empty = block->kind == VV_HEAD_PLAIN ? block->buffer.count == 0 : block->is_staged;
        if (!is_empty) {
            vv_head_list_add(list, block);
        } else if (block->is_of_slab) {
            vv_slab_free(&shard->slab, block);
        }
        block = next;
    }
}

varve_status vv_head_piece_sequences(const vv_head_piece *piece, vv_codec_scratch *scratch,
                                     uint64_t *out_sequences, varve_error *out_err)
{
    if (piece->sequences != NULL) {
        memcpy(out_sequences, piece->sequences, piece->rows * sizeof *out_sequences);
        return VARVE_OK;
    }
    vv_bytes bytes = piece->encoded_sequences;
    if (bytes.size == 0) {
        for (uint32_t i = 0; i < piece->rows; i++) {
            out_sequences[i] = piece->first_sequence + i * piece->sequence_step;
        }
        return VARVE_OK;
    }
    if (bytes.data[0] == SEAL_DISTANCES) {
        VV_ASSERT(bytes.size == 1 + 4 * (size_t)piece->rows);
        for (uint32_t i = 0; i < piece->rows; i++) {
            uint32_t distance;
            memcpy(&distance, bytes.data + 1 + 4 * (size_t)i, sizeof distance);
            out_sequences[i] = piece->first_sequence + distance;
        }
        return VARVE_OK;
    }
    /* Sequences stay far below 2^63: each takes a row that somebody wrote. */
    int64_t times[VV_VECTOR_ROWS_MAX];
    VV_ASSERT(piece->rows <= VV_VECTOR_ROWS_MAX);
    VV_TRY(vv_times_decode(vv_bytes_make(bytes.data + 1, bytes.size - 1), piece->rows, scratch,
                           times, out_err));
    for (uint32_t i = 0; i < piece->rows; i++) {
        out_sequences[i] = (uint64_t)times[i];
    }
    return VARVE_OK;
}
