/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the vectors of each series lie: the sections "blocks" and "chunks".
 *
 *     chunk_begins[series] -> [vectors, rows, times, sequences, block, offset]   vv_chunk
 *                             [vector 0][vector 1]...                            vv_vector_ref
 *
 * The encoded bytes stay in memory and are decoded when asked: 30 bytes a chunk instead of 70.
 *
 *   C1  The vectors of all chunks, in order, fill all blocks exactly: each lies inside its block.
 *   C2  Vectors of a chunk never overlap in time, but for the time at a border.
 *   C3  Heads agree with their vectors, and all together with the totals of the footer.
 *   C1 to C3 are checked once, when the segment is opened; what is decoded later was checked then.
 */
#include "base/assert.h"
#include "base/status.h"
#include "model/rows.h"
#include "segment/tables_priv.h"

/* Where the next vector of a chunk begins. */
typedef struct chunk_place {
    int64_t last_time; /* of the vector before */
    uint32_t block, offset;
} chunk_place;

static uint64_t chunk_undo_difference(vv_reader *reader, uint64_t base)
{
    return (uint64_t)vv_zigzag_decode(vv_reader_varint(reader)) + base;
}

/* time + span; spoils the reader when that is no time. */
static int64_t chunk_add_span(vv_reader *reader, int64_t time, uint64_t span)
{
    if (span > (uint64_t)INT64_MAX - (uint64_t)time) {
        vv_reader_spoil(reader);
        return time;
    }
    return (int64_t)((uint64_t)time + span);
}

/* The head of a chunk; *out_place is where its first vector lies. */
static void chunk_read_head(const vv_chunk_index *index, vv_reader *reader, vv_chunk *out_chunk,
                            chunk_place *out_place)
{
    out_chunk->index_offset = (uint32_t)vv_reader_position(reader);
    out_chunk->vector_count = (uint32_t)vv_reader_varint_max(reader, UINT32_MAX);
    out_chunk->rows = vv_reader_varint(reader);
    out_chunk->first_time = (int64_t)chunk_undo_difference(reader, (uint64_t)index->base_time);
    out_chunk->last_time = chunk_add_span(reader, out_chunk->first_time, vv_reader_varint(reader));
    out_chunk->first_sequence = chunk_undo_difference(reader, index->base_sequence);
    out_chunk->last_sequence = out_chunk->first_sequence +
                               vv_reader_varint_max(reader, UINT64_MAX - out_chunk->first_sequence);
    out_place->last_time = out_chunk->first_time;
    out_place->block = (uint32_t)vv_reader_varint_max(reader, VV_SEGMENT_COUNT_MAX);
    out_place->offset = (uint32_t)vv_reader_varint_max(reader, VV_SEGMENT_BLOCK_BYTES);
}

/* Vector number `position` of a chunk; *place moves behind it. */
static void chunk_read_ref(vv_reader *reader, const vv_chunk *chunk, uint32_t position,
                           chunk_place *place, vv_vector_ref *out_ref)
{
    out_ref->first_time = place->last_time;
    out_ref->last_time = chunk->last_time;
    uint64_t rows = chunk->rows * 2;
    if (chunk->vector_count > 1) {
        if (position > 0) {
            out_ref->first_time =
                chunk_add_span(reader, place->last_time, vv_reader_varint(reader));
        }
        out_ref->last_time = chunk_add_span(reader, out_ref->first_time, vv_reader_varint(reader));
        rows = vv_reader_varint(reader);
    }
    if (rows / 2 == 0 || rows / 2 > VV_VECTOR_ROWS_MAX) {
        vv_reader_spoil(reader);
    }
    out_ref->rows = (uint32_t)(rows / 2);
    if ((rows & 1) != 0) {
        place->block += 1; /* at most 2^32 - 2 before */
        place->offset = 0;
    }
    out_ref->block = place->block;
    out_ref->offset = place->offset;
    out_ref->size = (uint32_t)vv_reader_varint_max(reader, VV_SEGMENT_VECTOR_BYTES_MAX);
    place->offset += out_ref->size; /* at most 64 KiB + 128 MiB */
    place->last_time = out_ref->last_time;
}

/* --- checking --- */

static varve_status chunk_read_blocks(const vv_section *section, const vv_segment_footer *footer,
                                      vv_arena *arena, vv_chunk_index *index, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(section->payload.data, section->payload.size);
    uint32_t count = footer->block_count;
    if (count > section->payload.size) {
        return vv_section_fail(section, 0, "fewer blocks than the footer has", out_err);
    }
    index->block_offsets = vv_arena_array(arena, (size_t)count + 1, sizeof(uint64_t));
    if (index->block_offsets == NULL) {
        return vv_arena_fail(arena, ((size_t)count + 1) * sizeof(uint64_t), out_err);
    }
    uint64_t offset = VV_SEGMENT_HEADER_BYTES;
    for (uint32_t block = 0; block < count; ++block) {
        index->block_offsets[block] = offset;
        uint64_t size = vv_reader_varint_max(&reader, VV_SEGMENT_VECTOR_BYTES_MAX);
        if (size == 0) {
            return vv_section_fail(section, vv_reader_position(&reader), "size of a block",
                                   out_err);
        }
        offset += VV_SEGMENT_FRAME_BYTES + size;
    }
    index->block_offsets[count] = offset;
    index->block_count = count;
    if (!vv_reader_is_done(&reader) || offset != footer->sections[0].offset) {
        return vv_section_fail(section, vv_reader_position(&reader),
                               "the blocks do not end where the sections begin", out_err);
    }
    return VARVE_OK;
}

/* C1: `next` is where the vector must be. */
static bool chunk_is_in_place(const vv_chunk_index *index, const vv_vector_ref *ref,
                              chunk_place *next)
{
    if (next->block < index->block_count &&
        next->offset == vv_chunk_index_block_bytes(index, next->block)) {
        next->block += 1;
        next->offset = 0;
    }
    if (next->block >= index->block_count || ref->block != next->block ||
        ref->offset != next->offset || ref->size == 0 ||
        ref->size > vv_chunk_index_block_bytes(index, next->block) - next->offset) {
        return false;
    }
    next->offset += ref->size;
    return true;
}

/* One chunk with all its vectors against C1 to C3. */
static varve_status chunk_check(const vv_chunk_index *index, vv_reader *reader, chunk_place *next,
                                vv_segment_info *totals, varve_error *out_err)
{
    vv_chunk chunk;
    chunk_place place;
    size_t begin = vv_reader_position(reader);
    chunk_read_head(index, reader, &chunk, &place);
    if (chunk.vector_count == 0 || chunk.vector_count > vv_reader_left(reader) ||
        chunk.rows > (uint64_t)chunk.vector_count * VV_VECTOR_ROWS_MAX) {
        return vv_section_fail(&index->chunks, begin, "head of a chunk", out_err);
    }
    uint64_t rows = 0;
    for (uint32_t position = 0; position < chunk.vector_count; ++position) {
        vv_vector_ref ref;
        size_t ref_begin = vv_reader_position(reader);
        chunk_read_ref(reader, &chunk, position, &place, &ref);
        if (vv_reader_is_bad(reader) || !chunk_is_in_place(index, &ref, next)) {
            return vv_section_fail(&index->chunks, ref_begin, "place of a vector", out_err);
        }
        rows += ref.rows;
    }
    if (rows != chunk.rows || place.last_time != chunk.last_time) {
        return vv_section_fail(&index->chunks, begin, "a chunk differs from its vectors", out_err);
    }
    bool is_first = totals->series == 0;
    totals->series += 1;
    totals->rows += chunk.rows;
    totals->vectors += chunk.vector_count;
#define CHUNK_LOWER(member, value) \
    totals->member = is_first || (value) < totals->member ? (value) : totals->member
#define CHUNK_RAISE(member, value) \
    totals->member = is_first || (value) > totals->member ? (value) : totals->member
    CHUNK_LOWER(first_time, chunk.first_time);
    CHUNK_RAISE(last_time, chunk.last_time);
    CHUNK_LOWER(first_sequence, chunk.first_sequence);
    CHUNK_RAISE(last_sequence, chunk.last_sequence);
#undef CHUNK_LOWER
#undef CHUNK_RAISE
    return VARVE_OK;
}

static bool chunk_totals_agree(const vv_segment_info *totals, const vv_segment_info *info)
{
    return totals->series == info->series && totals->rows == info->rows &&
           totals->vectors == info->vectors && totals->first_time == info->first_time &&
           totals->last_time == info->last_time && totals->first_sequence == info->first_sequence &&
           totals->last_sequence == info->last_sequence;
}

varve_status vv_chunk_index_read(const vv_section *sections, const vv_segment_footer *footer,
                                 vv_arena *arena, vv_chunk_index *out_index, varve_error *out_err)
{
    vv_chunk_index *index = out_index;
    *index = (vv_chunk_index){
        .series_count = (uint32_t)footer->info.series,
        .chunks = sections[VV_SECTION_CHUNKS],
    };
    const vv_section *section = &index->chunks;
    VV_TRY(chunk_read_blocks(&sections[VV_SECTION_BLOCKS], footer, arena, index, out_err));
    if (footer->info.series > section->payload.size) {
        return vv_section_fail(section, 0, "fewer chunks than series", out_err);
    }
    size_t count = (size_t)index->series_count + 1;
    index->chunk_begins = vv_arena_array(arena, count, sizeof(uint32_t));
    if (index->chunk_begins == NULL) {
        return vv_arena_fail(arena, count * sizeof(uint32_t), out_err);
    }
    vv_reader reader = vv_reader_of(section->payload.data, section->payload.size);
    index->base_time = vv_reader_i64(&reader);
    index->base_sequence = vv_reader_u64(&reader);
    chunk_place next = {.block = 0};
    vv_segment_info totals = {.series = 0};
    for (uint32_t series = 0; series < index->series_count; ++series) {
        index->chunk_begins[series] = (uint32_t)vv_reader_position(&reader);
        VV_TRY(chunk_check(index, &reader, &next, &totals, out_err));
    }
    index->chunk_begins[index->series_count] = (uint32_t)vv_reader_position(&reader);
    if (!vv_reader_is_done(&reader) || next.block != index->block_count - 1 ||
        next.offset != vv_chunk_index_block_bytes(index, next.block) ||
        !chunk_totals_agree(&totals, &footer->info)) {
        return vv_section_fail(section, vv_reader_position(&reader),
                               "the chunks differ from the footer", out_err);
    }
    return VARVE_OK;
}

/* --- answering --- */

static vv_reader chunk_reader_at(const vv_chunk_index *index, uint32_t offset)
{
    vv_reader reader = vv_reader_of(index->chunks.payload.data, index->chunks.payload.size);
    vv_reader_skip(&reader, offset);
    return reader;
}

varve_status vv_chunk_index_chunk(const vv_chunk_index *index, uint32_t series, vv_chunk *out_chunk,
                                  varve_error *out_err)
{
    VV_ASSERT(series < index->series_count);
    vv_reader reader = chunk_reader_at(index, index->chunk_begins[series]);
    vv_chunk chunk;
    chunk_place place;
    chunk_read_head(index, &reader, &chunk, &place);
    if (vv_reader_is_bad(&reader)) {
        return vv_section_fail(&index->chunks, chunk.index_offset, "head of a chunk", out_err);
    }
    *out_chunk = chunk;
    return VARVE_OK;
}

varve_status vv_chunk_index_refs(const vv_chunk_index *index, const vv_chunk *chunk, uint32_t first,
                                 uint32_t count, vv_vector_ref *out_refs, varve_error *out_err)
{
    VV_ASSERT(first <= chunk->vector_count && count <= chunk->vector_count - first);
    vv_reader reader = chunk_reader_at(index, chunk->index_offset);
    vv_chunk head;
    chunk_place place;
    chunk_read_head(index, &reader, &head, &place);
    VV_DEBUG_ASSERT(head.vector_count == chunk->vector_count);
    for (uint32_t position = 0; position < first + count; ++position) {
        vv_vector_ref ref;
        chunk_read_ref(&reader, &head, position, &place, &ref);
        if (position >= first) {
            out_refs[position - first] = ref;
        }
    }
    if (vv_reader_is_bad(&reader)) {
        return vv_section_fail(&index->chunks, chunk->index_offset, "vectors of a chunk", out_err);
    }
    return VARVE_OK;
}
