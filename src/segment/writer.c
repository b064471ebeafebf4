/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a segment file front to back: header, blocks as vectors come, sections, footer.
 *
 *     vector -> open block in `out` -> closed (checksum) -> `out` is appended at 256 KiB -> file
 *           \-> chunk entry in `entries` -> with the last vector of its series -> `chunks`
 *
 *   W1  Bytes reach the file in order, each once, and go through the digest as they are appended.
 *   W2  A block holds whole vectors; it is closed before it would exceed VV_SEGMENT_BLOCK_BYTES. A
 *       larger vector is a block of its own and is not copied.
 *   W3  Vectors of a series ascend in time; series ascend by name (B1 of builder.c).
 *   W4  After the first failure nothing more is written; finish gives the same failure.
 *   W5  The file has its name after finish only: fsync and close are done, the rename is the
 *       caller's.
 *   W6  Equal input makes equal bytes.
 */
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "codec/vector.h"
#include "segment/builder_priv.h"
#include "segment/layout_priv.h"
#include "segment/segment.h"

/* Bytes appended at once: large enough that the cost of a call vanishes (arbitrary above 64 KiB).
 */
enum { WRITER_APPEND_BYTES = 256 * 1024 };

/* The chunk of the current series. */
typedef struct writer_chunk {
    uint32_t vectors;
    uint64_t rows;
    int64_t first_time, last_time;
    uint64_t first_sequence, last_sequence;
    uint32_t block, offset;          /* of the first vector */
    uint64_t first_span, first_size; /* of the first vector: left out when it is alone */
    uint32_t first_rows;
} writer_chunk;

struct vv_segment_writer {
    vv_alloc *alloc;
    const vv_vfs *vfs;
    vv_file *file;
    char *path;
    size_t path_bytes;
    varve_error failure; /* W4: status OK while nothing failed */

    int64_t offset;     /* appended to the file */
    vv_buf out;         /* what follows: closed frames, then the open block */
    size_t block_begin; /* of the open block's frame in out */
    bool is_block_open;
    uint32_t block;         /* number of the open block, or of the next */
    vv_hash_stream *digest; /* of what was appended */
    vv_arena arena;         /* the digest's memory, for its alignment */

    vv_buf blocks;                     /* payload of the section */
    vv_buf chunks;                     /* payload of the section */
    uint64_t base_time, base_sequence; /* of the first chunk */
    vv_buf entries;                    /* vectors of the current series behind the first */
    writer_chunk chunk;
    bool has_series; /* one was begun */
    vv_buf meta;
    bool has_meta;

    vv_segment_footer footer; /* filled as the file grows */
    vv_segment_builder builder;
};

/* --- the file --- */

/* W4: every function of the room passes its result through here. */
static varve_status writer_result(vv_segment_writer *writer, varve_status status,
                                  const varve_error *failure, varve_error *out_err)
{
    if (status != VARVE_OK) {
        writer->failure = *failure;
        if (out_err != NULL) {
            *out_err = *failure;
        }
    }
    return status;
}

static varve_status writer_check(const vv_segment_writer *writer, varve_error *out_err)
{
    if (writer->failure.status != VARVE_OK && out_err != NULL) {
        *out_err = writer->failure;
    }
    return writer->failure.status;
}

/* Append what is closed; with `extra`, that behind it. W1. */
static varve_status writer_append(vv_segment_writer *writer, vv_bytes extra, varve_error *out_err)
{
    VV_ASSERT(!writer->is_block_open);
    vv_iov iov[2] = {
        {.data = writer->out.data, .size = writer->out.size},
        {.data = extra.data, .size = extra.size},
    };
    VV_TRY(vv_file_append_all(writer->file, &writer->offset, iov, extra.size > 0 ? 2 : 1, out_err));
    vv_hash_stream_add(writer->digest, writer->out.data, writer->out.size);
    vv_hash_stream_add(writer->digest, extra.data, extra.size);
    vv_buf_reset(&writer->out);
    return VARVE_OK;
}

static varve_status writer_append_when_full(vv_segment_writer *writer, varve_error *out_err)
{
    if (writer->out.size < WRITER_APPEND_BYTES) {
        return VARVE_OK;
    }
    return writer_append(writer, vv_bytes_make(NULL, 0), out_err);
}

/* Where the next byte goes in the file. */
static uint64_t writer_position(const vv_segment_writer *writer)
{
    return (uint64_t)writer->offset + writer->out.size;
}

/* --- blocks --- */

/* Count a block of size bytes. */
static varve_status writer_count_block(vv_segment_writer *writer, uint64_t size,
                                       varve_error *out_err)
{
    vv_buf_append_varint(&writer->blocks, size);
    VV_TRY(vv_buf_check(&writer->blocks, out_err));
    writer->block += 1;
    return VARVE_OK;
}

static varve_status writer_close_block(vv_segment_writer *writer, varve_error *out_err)
{
    if (!writer->is_block_open) {
        return VARVE_OK;
    }
    uint8_t *frame = writer->out.data + writer->block_begin;
    size_t size = writer->out.size - writer->block_begin - VV_SEGMENT_FRAME_BYTES;
    vv_segment_frame_write(&(vv_segment_frame){.size = (uint32_t)size,
                                               .number = writer->block,
                                               .kind = VV_SECTION_NONE},
                           writer->footer.info.id, frame + VV_SEGMENT_FRAME_BYTES, frame);
    writer->is_block_open = false;
    VV_TRY(writer_count_block(writer, size, out_err));
    return writer_append_when_full(writer, out_err);
}

/* A vector that fits a block: into the open one, or a new one. W2. */
static varve_status writer_put_small(vv_segment_writer *writer, vv_bytes vector,
                                     varve_error *out_err)
{
    if (!writer->is_block_open) {
        writer->block_begin = writer->out.size;
        vv_buf_append_fill(&writer->out, 0, VV_SEGMENT_FRAME_BYTES);
    }
    vv_buf_append(&writer->out, vector.data, vector.size);
    VV_TRY(vv_buf_check(&writer->out, out_err));
    writer->is_block_open = true;
    return VARVE_OK;
}

/* A vector that is a block of its own. W2. */
static varve_status writer_put_large(vv_segment_writer *writer, vv_bytes vector,
                                     varve_error *out_err)
{
    uint8_t frame[VV_SEGMENT_FRAME_BYTES];
    vv_segment_frame_write(&(vv_segment_frame){.size = (uint32_t)vector.size,
                                               .number = writer->block,
                                               .kind = VV_SECTION_NONE},
                           writer->footer.info.id, vector.data, frame);
    vv_buf_append(&writer->out, frame, sizeof frame);
    VV_TRY(vv_buf_check(&writer->out, out_err));
    VV_TRY(writer_append(writer, vector, out_err));
    return writer_count_block(writer, vector.size, out_err);
}

/* Bytes of vectors in the open block. */
static size_t writer_block_fill(const vv_segment_writer *writer)
{
    return writer->is_block_open ? writer->out.size - writer->block_begin - VV_SEGMENT_FRAME_BYTES
                                 : 0;
}

/* Put a vector where it belongs; tells where, and whether it begins a block. */
static varve_status writer_put(vv_segment_writer *writer, vv_bytes vector, uint32_t *out_block,
                               uint32_t *out_offset, varve_error *out_err)
{
    if (writer_block_fill(writer) + vector.size > VV_SEGMENT_BLOCK_BYTES) {
        VV_TRY(writer_close_block(writer, out_err));
    }
    if (writer->block >= VV_SEGMENT_COUNT_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a segment holds at most %u blocks",
                       VV_SEGMENT_COUNT_MAX);
    }
    *out_block = writer->block;
    *out_offset = (uint32_t)writer_block_fill(writer);
    return vector.size > VV_SEGMENT_BLOCK_BYTES ? writer_put_large(writer, vector, out_err)
                                                : writer_put_small(writer, vector, out_err);
}

/* --- chunks --- */

static uint64_t writer_span(int64_t first, int64_t last)
{
    return (uint64_t)last - (uint64_t)first;
}

static uint64_t writer_difference(uint64_t value, uint64_t base)
{
    return vv_zigzag_encode((int64_t)(value - base));
}

/* The first chunk gives the bases: no later one is known yet, and neighbours are alike. */
static void writer_begin_chunks(vv_segment_writer *writer)
{
    vv_segment_info *info = &writer->footer.info;
    const writer_chunk *chunk = &writer->chunk;
    info->first_time = chunk->first_time;
    info->last_time = chunk->last_time;
    info->first_sequence = chunk->first_sequence;
    info->last_sequence = chunk->last_sequence;
    writer->base_time = (uint64_t)chunk->first_time;
    writer->base_sequence = chunk->first_sequence;
    vv_buf_append_u64(&writer->chunks, writer->base_time);
    vv_buf_append_u64(&writer->chunks, writer->base_sequence);
}

static void writer_count_chunk(vv_segment_writer *writer)
{
    vv_segment_info *info = &writer->footer.info;
    const writer_chunk *chunk = &writer->chunk;
    if (info->series == 0) {
        writer_begin_chunks(writer);
    }
    info->series += 1;
    info->rows += chunk->rows;
    info->vectors += chunk->vectors;
    info->first_time = chunk->first_time < info->first_time ? chunk->first_time : info->first_time;
    info->last_time = chunk->last_time > info->last_time ? chunk->last_time : info->last_time;
    info->first_sequence =
        chunk->first_sequence < info->first_sequence ? chunk->first_sequence : info->first_sequence;
    info->last_sequence =
        chunk->last_sequence > info->last_sequence ? chunk->last_sequence : info->last_sequence;
}

/* Write the chunk of the current series, if it has a vector. */
static varve_status writer_end_series(vv_segment_writer *writer, varve_error *out_err)
{
    VV_TRY(vv_segment_builder_end(&writer->builder, out_err));
    const writer_chunk *chunk = &writer->chunk;
    if (chunk->vectors == 0) {
        return VARVE_OK;
    }
    writer_count_chunk(writer);
    vv_buf *out = &writer->chunks;
    vv_buf_append_varint(out, chunk->vectors);
    vv_buf_append_varint(out, chunk->rows);
    vv_buf_append_varint(out, writer_difference((uint64_t)chunk->first_time, writer->base_time));
    vv_buf_append_varint(out, writer_span(chunk->first_time, chunk->last_time));
    vv_buf_append_varint(out, writer_difference(chunk->first_sequence, writer->base_sequence));
    vv_buf_append_varint(out, chunk->last_sequence - chunk->first_sequence);
    vv_buf_append_varint(out, chunk->block);
    vv_buf_append_varint(out, chunk->offset);
    if (chunk->vectors > 1) {
        vv_buf_append_varint(out, chunk->first_span);
        vv_buf_append_varint(out, (uint64_t)chunk->first_rows * 2);
    }
    vv_buf_append_varint(out, chunk->first_size);
    vv_buf_append(out, writer->entries.data, writer->entries.size);
    vv_buf_reset(&writer->entries);
    writer->chunk.vectors = 0;
    return vv_buf_check(out, out_err);
}

/* Note in the chunk a vector that was put at (block, offset). */
static varve_status writer_note(vv_segment_writer *writer, const vv_vector *vector, uint32_t block,
                                uint32_t offset, varve_error *out_err)
{
    writer_chunk *chunk = &writer->chunk;
    uint64_t span = writer_span(vector->first_time, vector->last_time);
    if (chunk->vectors == 0) {
        chunk->rows = 0;
        chunk->first_time = vector->first_time;
        chunk->block = block;
        chunk->offset = offset;
        chunk->first_span = span;
        chunk->first_size = vector->bytes.size;
        chunk->first_rows = vector->count;
    } else {
        vv_buf_append_varint(&writer->entries, writer_span(chunk->last_time, vector->first_time));
        vv_buf_append_varint(&writer->entries, span);
        vv_buf_append_varint(&writer->entries, (uint64_t)vector->count * 2 + (offset == 0));
        vv_buf_append_varint(&writer->entries, vector->bytes.size);
        VV_TRY(vv_buf_check(&writer->entries, out_err));
    }
    if (chunk->vectors == UINT32_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a chunk holds at most %u vectors", UINT32_MAX);
    }
    chunk->vectors += 1;
    chunk->rows += vector->count;
    chunk->last_time = vector->last_time;
    return VARVE_OK;
}

/* --- sections --- */

/* Write a payload as pages, and its line in the table of contents. */
static varve_status writer_section(vv_segment_writer *writer, uint32_t kind, vv_bytes payload,
                                   varve_error *out_err)
{
    vv_segment_footer *footer = &writer->footer;
    footer->sections[footer->section_count] = (vv_segment_section){
        .kind = kind,
        .is_required = kind != VV_SECTION_META,
        .version = 1,
        .offset = writer_position(writer),
        .size = payload.size,
    };
    footer->section_count += 1;
    uint32_t number = 0;
    for (size_t begin = 0; begin < payload.size; begin += VV_SEGMENT_PAGE_BYTES) {
        size_t left = payload.size - begin;
        vv_segment_frame page = {
            .size = left < VV_SEGMENT_PAGE_BYTES ? (uint32_t)left : VV_SEGMENT_PAGE_BYTES,
            .number = number,
            .kind = kind,
        };
        uint8_t frame[VV_SEGMENT_FRAME_BYTES];
        vv_segment_frame_write(&page, footer->info.id, payload.data + begin, frame);
        vv_buf_append(&writer->out, frame, sizeof frame);
        vv_buf_append(&writer->out, payload.data + begin, page.size);
        VV_TRY(vv_buf_check(&writer->out, out_err));
        VV_TRY(writer_append_when_full(writer, out_err));
        number += 1;
    }
    return VARVE_OK;
}

/* A section whose payload the builder makes. */
static varve_status writer_built_section(vv_segment_writer *writer, uint32_t kind,
                                         varve_error *out_err)
{
    vv_buf payload;
    vv_buf_init(&payload, writer->alloc, VV_SEGMENT_SECTION_BYTES_MAX);
    varve_status status = vv_segment_builder_section(&writer->builder, kind, &payload, out_err);
    if (status == VARVE_OK && payload.size > 0) {
        status = writer_section(writer, kind, vv_buf_bytes(&payload), out_err);
    }
    vv_buf_deinit(&payload);
    return status;
}

static varve_status writer_sections(vv_segment_writer *writer, varve_error *out_err)
{
    VV_TRY(vv_segment_builder_number(&writer->builder, out_err));
    VV_TRY(writer_section(writer, VV_SECTION_BLOCKS, vv_buf_bytes(&writer->blocks), out_err));
    for (uint32_t kind = VV_SECTION_FIELDS; kind <= VV_SECTION_SERIES; ++kind) {
        VV_TRY(writer_built_section(writer, kind, out_err));
    }
    VV_TRY(writer_section(writer, VV_SECTION_CHUNKS, vv_buf_bytes(&writer->chunks), out_err));
    VV_TRY(writer_built_section(writer, VV_SECTION_POSTINGS, out_err));
    if (writer->has_meta && writer->meta.size > 0) {
        VV_TRY(writer_section(writer, VV_SECTION_META, vv_buf_bytes(&writer->meta), out_err));
    }
    return VARVE_OK;
}

static varve_status writer_footer(vv_segment_writer *writer, varve_error *out_err)
{
    VV_TRY(writer_append(writer, vv_bytes_make(NULL, 0), out_err)); /* into the digest */
    vv_segment_footer *footer = &writer->footer;
    vv_hash128 digest = vv_hash_stream_end128(writer->digest);
    footer->info.digest[0] = digest.low;
    footer->info.digest[1] = digest.high;
    footer->info.bytes = (uint64_t)writer->offset + VV_SEGMENT_FOOTER_BYTES +
                         VV_SEGMENT_TOC_BYTES * (uint64_t)footer->section_count +
                         VV_SEGMENT_TRAILER_BYTES;
    footer->block_count = writer->block;
    vv_segment_footer_write(footer, &writer->out);
    VV_TRY(vv_buf_check(&writer->out, out_err));
    VV_TRY(vv_file_append_all(writer->file, &writer->offset,
                              &(vv_iov){.data = writer->out.data, .size = writer->out.size}, 1,
                              out_err));
    VV_ASSERT((uint64_t)writer->offset == footer->info.bytes);
    return VARVE_OK;
}

/* --- the interface --- */

static void writer_free(vv_segment_writer *writer)
{
    vv_segment_builder_deinit(&writer->builder);
    vv_buf_deinit(&writer->meta);
    vv_buf_deinit(&writer->entries);
    vv_buf_deinit(&writer->chunks);
    vv_buf_deinit(&writer->blocks);
    vv_buf_deinit(&writer->out);
    vv_arena_deinit(&writer->arena);
    vv_alloc_free(writer->alloc, writer->path, writer->path_bytes);
    vv_alloc_free(writer->alloc, writer, sizeof *writer);
}

static void writer_init(vv_segment_writer *writer, const vv_env *env, uint64_t id, uint32_t level)
{
    memset(writer, 0, sizeof *writer);
    writer->alloc = env->alloc;
    writer->vfs = env->vfs;
    writer->footer.info = (vv_segment_info){.id = id, .level = level};
    vv_arena_init(&writer->arena, env->alloc, SIZE_MAX);
    /* A block is appended before the buffer reaches twice the size of an append. */
    vv_buf_init(&writer->out, env->alloc, 2 * WRITER_APPEND_BYTES);
    vv_buf_init(&writer->blocks, env->alloc, VV_SEGMENT_SECTION_BYTES_MAX);
    vv_buf_init(&writer->chunks, env->alloc, VV_SEGMENT_SECTION_BYTES_MAX);
    vv_buf_init(&writer->entries, env->alloc, VV_SEGMENT_SECTION_BYTES_MAX);
    vv_buf_init(&writer->meta, env->alloc, VV_SEGMENT_SECTION_BYTES_MAX);
    vv_segment_builder_init(&writer->builder, env->alloc);
}

/* Memory, file and header. */
static varve_status writer_start(vv_segment_writer *writer, const char *tmp_directory,
                                 varve_error *out_err)
{
    char name[VV_SEGMENT_NAME_BYTES];
    char path[VV_PATH_BYTES_MAX];
    vv_segment_part_name(writer->footer.info.id, name);
    VV_TRY(vv_path_join(tmp_directory, name, path, out_err));
    writer->path_bytes = strlen(path) + 1;
    writer->path = vv_alloc_new(writer->alloc, writer->path_bytes);
    writer->digest =
        vv_arena_aligned(&writer->arena, sizeof *writer->digest, _Alignof(vv_hash_stream));
    vv_buf_reserve(&writer->out, WRITER_APPEND_BYTES + VV_SEGMENT_BLOCK_BYTES);
    if (writer->path == NULL || writer->digest == NULL || writer->out.status != VARVE_OK) {
        return vv_fail_nomem(out_err, "segment writer", WRITER_APPEND_BYTES);
    }
    memcpy(writer->path, path, writer->path_bytes);
    vv_hash_stream_init(writer->digest, 0);
    uint8_t header[VV_SEGMENT_HEADER_BYTES];
    vv_segment_header_write(&(vv_segment_header){.version = VV_SEGMENT_VERSION,
                                                 .level = writer->footer.info.level,
                                                 .id = writer->footer.info.id},
                            header);
    vv_buf_append(&writer->out, header, sizeof header);
    VV_TRY(vv_buf_check(&writer->out, out_err));
    return vv_file_open(writer->vfs, writer->alloc, path,
                        VV_OPEN_WRITE | VV_OPEN_CREATE | VV_OPEN_EXCLUSIVE, &writer->file, out_err);
}

varve_status vv_segment_writer_open(const vv_env *env, const char *tmp_directory, uint64_t id,
                                    uint32_t level, vv_segment_writer **out_writer,
                                    varve_error *out_err)
{
    *out_writer = NULL;
    vv_segment_writer *writer = vv_alloc_new(env->alloc, sizeof *writer);
    if (writer == NULL) {
        return vv_fail_nomem(out_err, "segment writer", sizeof *writer);
    }
    writer_init(writer, env, id, level);
    varve_status status = writer_start(writer, tmp_directory, out_err);
    if (status != VARVE_OK) {
        writer_free(writer);
        return status;
    }
    *out_writer = writer;
    return VARVE_OK;
}

varve_status vv_segment_writer_field(vv_segment_writer *writer, uint32_t field, varve_text name,
                                     varve_error *out_err)
{
    varve_error failure;
    VV_TRY(writer_check(writer, out_err));
    varve_status status = vv_segment_builder_field(&writer->builder, field, name, &failure);
    return writer_result(writer, status, &failure, out_err);
}

static varve_status writer_begin_series(vv_segment_writer *writer, varve_text metric,
                                        const varve_label *labels, size_t label_count,
                                        uint64_t first_sequence, uint64_t last_sequence,
                                        varve_error *out_err)
{
    if (first_sequence > last_sequence) {
        return vv_fail(out_err, VARVE_E_INVALID, "series of a segment: sequences %llu to %llu",
                       (unsigned long long)first_sequence, (unsigned long long)last_sequence);
    }
    VV_TRY(writer_end_series(writer, out_err));
    VV_TRY(vv_segment_builder_series(&writer->builder, metric, labels, label_count, out_err));
    writer->has_series = true;
    writer->chunk = (writer_chunk){
        .first_sequence = first_sequence,
        .last_sequence = last_sequence,
    };
    return VARVE_OK;
}

varve_status vv_segment_writer_series(vv_segment_writer *writer, varve_text metric,
                                      const varve_label *labels, size_t label_count,
                                      uint64_t first_sequence, uint64_t last_sequence,
                                      varve_error *out_err)
{
    varve_error failure;
    VV_TRY(writer_check(writer, out_err));
    varve_status status = writer_begin_series(writer, metric, labels, label_count, first_sequence,
                                              last_sequence, &failure);
    return writer_result(writer, status, &failure, out_err);
}

static varve_status writer_add_vector(vv_segment_writer *writer, vv_bytes bytes,
                                      varve_error *out_err)
{
    if (!writer->has_series) {
        return vv_fail(out_err, VARVE_E_INVALID, "vector of a segment: no series was begun");
    }
    if (bytes.size > VV_SEGMENT_VECTOR_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "vector of a segment: %zu bytes, at most %u",
                       bytes.size, (unsigned)VV_SEGMENT_VECTOR_BYTES_MAX);
    }
    vv_vector vector;
    VV_TRY(vv_vector_parse(bytes, &vector, out_err));
    if (writer->chunk.vectors > 0 && vector.first_time < writer->chunk.last_time) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "vector of a segment begins at %lld, the one before ends at %lld",
                       (long long)vector.first_time, (long long)writer->chunk.last_time);
    }
    VV_TRY(vv_segment_builder_vector(&writer->builder, &vector, out_err));
    uint32_t block;
    uint32_t offset;
    VV_TRY(writer_put(writer, bytes, &block, &offset, out_err));
    return writer_note(writer, &vector, block, offset, out_err);
}

varve_status vv_segment_writer_vector(vv_segment_writer *writer, vv_bytes vector,
                                      varve_error *out_err)
{
    varve_error failure;
    VV_TRY(writer_check(writer, out_err));
    varve_status status = writer_add_vector(writer, vector, &failure);
    return writer_result(writer, status, &failure, out_err);
}

static varve_status writer_take_meta(vv_segment_writer *writer, vv_bytes meta, varve_error *out_err)
{
    if (writer->has_meta) {
        return vv_fail(out_err, VARVE_E_INVALID, "a segment has one meta section");
    }
    writer->has_meta = true;
    vv_buf_append(&writer->meta, meta.data, meta.size);
    return vv_buf_check(&writer->meta, out_err);
}

varve_status vv_segment_writer_meta(vv_segment_writer *writer, vv_bytes meta, varve_error *out_err)
{
    varve_error failure;
    VV_TRY(writer_check(writer, out_err));
    return writer_result(writer, writer_take_meta(writer, meta, &failure), &failure, out_err);
}

uint64_t vv_segment_writer_rows(const vv_segment_writer *writer)
{
    return writer->footer.info.rows + (writer->chunk.vectors > 0 ? writer->chunk.rows : 0);
}

static varve_status writer_complete(vv_segment_writer *writer, varve_error *out_err)
{
    VV_TRY(writer_check(writer, out_err));
    VV_TRY(writer_end_series(writer, out_err));
    if (writer->footer.info.series == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "a segment without rows cannot be finished");
    }
    VV_TRY(writer_close_block(writer, out_err));
    VV_TRY(writer_sections(writer, out_err));
    VV_TRY(writer_footer(writer, out_err));
    return vv_file_fsync(writer->file, VV_SITE_SEG_FILE, out_err);
}

varve_status vv_segment_writer_finish(vv_segment_writer *writer, vv_segment_info *out_info,
                                      varve_error *out_err)
{
    varve_status status = writer_complete(writer, out_err);
    if (status != VARVE_OK) {
        vv_segment_writer_abort(writer);
        return status;
    }
    status = vv_file_close(writer->file, out_err); /* W5: its failure is the file's */
    writer->file = NULL;
    if (status != VARVE_OK) {
        vv_segment_writer_abort(writer);
        return status;
    }
    *out_info = writer->footer.info;
    writer_free(writer);
    return VARVE_OK;
}

void vv_segment_writer_abort(vv_segment_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    VV_IGNORE(vv_file_close(writer->file, NULL)); /* the file goes anyway */
    VV_IGNORE(
        vv_vfs_unlink(writer->vfs, writer->path, NULL)); /* else opening the database does it */
    writer_free(writer);
}
