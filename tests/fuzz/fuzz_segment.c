/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a segment file: opened, read, verified; then the same with all checksums made right,
 * so that what lies behind them is reached; then as the parts of one, each given alone.
 *
 * Corpus: files of the test program test-segment-segment_golden, see there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "segment/tables_priv.h"
#include "support/segment_sample.h"
#include "sys/vfs_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing that a small file says may ask for more. */
enum { MEMORY_BYTES_MAX = 64 * 1024 * 1024 };

/* A file that cannot be held is no finding; everything else here is ours to get right. */
static void need(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void read_file(const uint8_t *data, size_t size)
{
    varve_error err;
    vv_alloc alloc;
    vv_vfs *vfs;
    vv_env env;
    vv_block_cache *cache;
    vv_file *file;
    vv_segment *segment;
    uint64_t hash;
    vv_alloc_init_limited(&alloc, NULL, MEMORY_BYTES_MAX);
    vv_env_init_system(&env, &alloc);
    need(vv_vfs_memory_create(&alloc, &vfs, &err) == VARVE_OK);
    env.vfs = vfs;
    need(vv_block_cache_create(&alloc, 1 << 20, &cache, &err) == VARVE_OK);
    need(vv_file_open(vfs, &alloc, "file", VV_OPEN_WRITE | VV_OPEN_CREATE, &file, &err) ==
         VARVE_OK);
    if (vv_file_write_all(file, 0, data, size, &err) == VARVE_OK) {
        uint64_t id = 0;
        if (size >= 24) {
            memcpy(&id, data + 16, sizeof id);
        }
        varve_status status = vv_segment_open(&env, cache, "file", id, &segment, &err);
        if (status == VARVE_OK) {
            status = segment_sample_read_all(segment, cache, &hash, &err);
            need(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED ||
                 status == VARVE_E_NOMEM);
            VV_IGNORE(vv_segment_verify(segment, NULL, NULL, &err));
            vv_segment_unref(segment);
        }
        need(status == VARVE_OK || strlen(err.message) > 0);
    }
    need(vv_file_close(file, &err) == VARVE_OK);
    vv_block_cache_free(cache);
    vv_vfs_memory_free(vfs);
    need(vv_alloc_bytes(&alloc) == 0);
}

/* Header, frame, footer and trailer. */
static void read_layout(const uint8_t *data, size_t size)
{
    varve_error err;
    vv_segment_header header;
    vv_segment_footer footer;
    uint32_t footer_size;
    if (size < 256) {
        return;
    }
    uint64_t id;
    memcpy(&id, data + 16, sizeof id);
    VV_IGNORE(vv_segment_header_read(vv_bytes_make(data, VV_SEGMENT_HEADER_BYTES), "file", id,
                                     &header, &err));
    VV_IGNORE(
        vv_segment_frame_check(vv_bytes_make(data + 64, size - 64), "file", 64, id, 0, 0, &err));
    const uint8_t *trailer = data + size - VV_SEGMENT_TRAILER_BYTES;
    if (vv_segment_trailer_read(vv_bytes_make(trailer, VV_SEGMENT_TRAILER_BYTES), "file", size,
                                &footer_size, &err) == VARVE_OK) {
        VV_IGNORE(vv_segment_footer_read(vv_bytes_make(data + size - footer_size, footer_size),
                                         "file", size, id, &footer, &err));
    }
}

/* The bytes cut into payloads of sections, by sizes at their beginning. */
static void read_sections(const uint8_t *data, size_t size)
{
    varve_error err;
    vv_alloc alloc;
    vv_arena arena;
    vv_segment_footer footer = {.block_count = 1};
    vv_section sections[VV_SECTION_COUNT] = {{.path = "file"}};
    vv_segment_tables tables;
    vv_chunk_index index;
    vv_reader reader = vv_reader_of(data, size);
    footer.info.series = vv_reader_u8(&reader);
    footer.block_count = 1 + (uint32_t)(vv_reader_u8(&reader) & 7);
    footer.section_count = 1;
    footer.sections[0].offset = vv_reader_u16(&reader);
    size_t sizes[VV_SECTION_COUNT];
    for (uint32_t kind = VV_SECTION_BLOCKS; kind <= VV_SECTION_CHUNKS; ++kind) {
        sizes[kind] = vv_reader_u8(&reader);
    }
    for (uint32_t kind = VV_SECTION_BLOCKS; kind <= VV_SECTION_CHUNKS; ++kind) {
        varve_text payload = vv_reader_text(&reader, sizes[kind]);
        sections[kind] =
            (vv_section){.path = "file", .kind = kind, .payload = vv_bytes_of_text(payload)};
    }
    vv_alloc_init_limited(&alloc, NULL, MEMORY_BYTES_MAX);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    if (vv_segment_tables_read(sections, &footer.info, &arena, &tables, &err) == VARVE_OK) {
        for (uint32_t series = 0; series < tables.series_count; ++series) {
            vv_series_entry entry;
            vv_segment_tables_series(&tables, series, &entry);
            need(vv_segment_tables_metric(&tables, series).size > 0);
        }
    }
    if (vv_chunk_index_read(sections, &footer, &arena, &index, &err) == VARVE_OK) {
        for (uint32_t series = 0; series < index.series_count; ++series) {
            vv_chunk chunk;
            vv_vector_ref ref;
            need(vv_chunk_index_chunk(&index, series, &chunk, &err) == VARVE_OK);
            need(vv_chunk_index_refs(&index, &chunk, chunk.vector_count - 1, 1, &ref, &err) ==
                 VARVE_OK);
            need(ref.last_time == chunk.last_time && ref.block < index.block_count);
        }
    }
    vv_arena_deinit(&arena);
    need(vv_alloc_bytes(&alloc) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_file(data, size);
    read_layout(data, size);
    read_sections(data, size);
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy != NULL && size > 0) {
        memcpy(copy, data, size);
        segment_sample_reseal(copy, size);
        read_file(copy, size);
        read_layout(copy, size);
    }
    free(copy);
    return 0;
}
