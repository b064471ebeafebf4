/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens a segment file and answers what is in it.
 *
 *     open:  header, trailer -> footer -> pages of all known sections -> tables, chunk index
 *     later: series -> chunk -> refs -> block: from the cache, or read, checked and added
 *
 *   R1  Nothing is believed before its checksum was compared: header, footer, every page; a
 *       block when it is read.
 *   R2  An open segment never changes; any number of threads use it. The tables live in its
 *       arena as long as it does.
 *   R3  Files are read with pread only, without a lock held.
 *   R4  A vector lies inside its block (C1 of chunk_index.c): its bytes need no further check.
 */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "segment/segment_priv.h"

/* The end of the file that is read at once: holds footer and tables of a small segment (arbitrary:
 * a disk reads this as quickly as a page). */
enum { READER_TAIL_BYTES = 64 * 1024 };

/* What opening needs for a moment. */
typedef struct reader_open {
    vv_segment *segment;
    const char *path;
    uint64_t file_bytes;
    uint64_t tail_offset; /* of the bytes in tail */
    uint8_t *tail;
    size_t tail_size;
    uint8_t *page; /* VV_SEGMENT_FRAME_BYTES + VV_SEGMENT_PAGE_BYTES */
} reader_open;

/* --- opening --- */

/* Bytes of the file: from the tail, or read. */
static varve_status reader_fetch(const reader_open *open, uint64_t offset, size_t size,
                                 uint8_t *target, varve_error *out_err)
{
    VV_ASSERT(offset <= open->file_bytes && size <= open->file_bytes - offset);
    if (offset >= open->tail_offset) {
        memcpy(target, open->tail + (offset - open->tail_offset), size);
        return VARVE_OK;
    }
    return vv_file_read_exact(open->segment->file, (int64_t)offset, target, size, out_err);
}

static varve_status reader_measure(reader_open *open, varve_error *out_err)
{
    vv_file_info info;
    VV_TRY(vv_file_stat(open->segment->file, &info, out_err));
    open->file_bytes = (uint64_t)info.size;
    if (info.size < VV_SEGMENT_HEADER_BYTES + VV_SEGMENT_FOOTER_BYTES + VV_SEGMENT_TRAILER_BYTES) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "%s: %lld bytes are no segment file (offset 0)",
                       open->path, (long long)info.size);
    }
    return VARVE_OK;
}

static varve_status reader_fetch_tail(reader_open *open, varve_error *out_err)
{
    open->tail_size =
        open->file_bytes < READER_TAIL_BYTES ? (size_t)open->file_bytes : READER_TAIL_BYTES;
    open->tail_offset = open->file_bytes - open->tail_size;
    open->tail = vv_alloc_new(open->segment->alloc, open->tail_size);
    if (open->tail == NULL) {
        return vv_fail_nomem(out_err, "end of a segment", open->tail_size);
    }
    return vv_file_read_exact(open->segment->file, (int64_t)open->tail_offset, open->tail,
                              open->tail_size, out_err);
}

static varve_status reader_read_header(const reader_open *open, uint64_t id, varve_error *out_err)
{
    uint8_t bytes[VV_SEGMENT_HEADER_BYTES];
    vv_segment_header header;
    VV_TRY(reader_fetch(open, 0, sizeof bytes, bytes, out_err));
    VV_TRY(vv_segment_header_read(vv_bytes_make(bytes, sizeof bytes), open->path, id, &header,
                                  out_err));
    open->segment->footer.info.level = header.level; /* compared with the footer's */
    return VARVE_OK;
}

static varve_status reader_read_footer(const reader_open *open, uint64_t id, varve_error *out_err)
{
    uint32_t size;
    const uint8_t *end = open->tail + open->tail_size;
    uint32_t level = open->segment->footer.info.level;
    VV_TRY(vv_segment_trailer_read(
        vv_bytes_make(end - VV_SEGMENT_TRAILER_BYTES, VV_SEGMENT_TRAILER_BYTES), open->path,
        open->file_bytes, &size, out_err));
    VV_ASSERT(size <= open->tail_size); /* at most 64 sections */
    VV_TRY(vv_segment_footer_read(vv_bytes_make(end - size, size), open->path, open->file_bytes, id,
                                  &open->segment->footer, out_err));
    if (open->segment->footer.info.level != level) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "%s: level is %u at offset 0, %u at offset %llu",
                       open->path, level, open->segment->footer.info.level,
                       (unsigned long long)(open->file_bytes - size));
    }
    return VARVE_OK;
}

/* The pages of a section, checked, into target (NULL: only checked). */
static varve_status reader_read_pages(const reader_open *open, const vv_segment_section *section,
                                      uint8_t *target, varve_error *out_err)
{
    uint64_t offset = section->offset;
    uint32_t number = 0;
    for (uint64_t begin = 0; begin < section->size; begin += VV_SEGMENT_PAGE_BYTES) {
        uint64_t left = section->size - begin;
        size_t payload = left < VV_SEGMENT_PAGE_BYTES ? (size_t)left : VV_SEGMENT_PAGE_BYTES;
        size_t size = VV_SEGMENT_FRAME_BYTES + payload;
        VV_TRY(reader_fetch(open, offset, size, open->page, out_err));
        VV_TRY(vv_segment_frame_check(vv_bytes_make(open->page, size), open->path, offset,
                                      open->segment->footer.info.id, section->kind, number,
                                      out_err));
        if (target != NULL) {
            memcpy(target + begin, open->page + VV_SEGMENT_FRAME_BYTES, payload);
        }
        offset += size;
        number += 1;
    }
    return VARVE_OK;
}

/* Sections that are kept in memory. Postings are used by verify only. */
static bool reader_keeps(uint32_t kind)
{
    return kind != VV_SECTION_POSTINGS;
}

static varve_status reader_read_section(const reader_open *open, const vv_segment_section *section,
                                        varve_error *out_err)
{
    if (section->kind >= VV_SECTION_COUNT) {
        return VARVE_OK; /* optional, of a later version */
    }
    vv_segment *segment = open->segment;
    uint8_t *payload = NULL;
    if (reader_keeps(section->kind)) {
        payload = vv_arena_new(&segment->arena, (size_t)section->size);
        if (payload == NULL) {
            return vv_arena_fail(&segment->arena, (size_t)section->size, out_err);
        }
    }
    segment->sections[section->kind] = (vv_section){
        .path = open->path,
        .kind = section->kind,
        .offset = section->offset,
        .payload = {.data = payload, .size = payload == NULL ? 0 : (size_t)section->size},
    };
    return reader_read_pages(open, section, payload, out_err);
}

static varve_status reader_read_sections(const reader_open *open, varve_error *out_err)
{
    vv_segment *segment = open->segment;
    for (uint32_t index = 0; index < segment->footer.section_count; ++index) {
        VV_TRY(reader_read_section(open, &segment->footer.sections[index], out_err));
    }
    for (uint32_t kind = VV_SECTION_BLOCKS; kind <= VV_SECTION_CHUNKS; ++kind) {
        if (segment->sections[kind].payload.size == 0) {
            return vv_fail(out_err, VARVE_E_CORRUPT, "%s: footer at offset %llu: no section %s",
                           open->path, (unsigned long long)(segment->footer.sections[0].offset),
                           vv_section_name(kind));
        }
    }
    return VARVE_OK;
}

static varve_status reader_read_all(reader_open *open, uint64_t id, varve_error *out_err)
{
    vv_segment *segment = open->segment;
    VV_TRY(reader_measure(open, out_err));
    VV_TRY(reader_fetch_tail(open, out_err));
    open->page = vv_alloc_new(segment->alloc, VV_SEGMENT_FRAME_BYTES + VV_SEGMENT_PAGE_BYTES);
    if (open->page == NULL) {
        return vv_fail_nomem(out_err, "page of a segment", VV_SEGMENT_PAGE_BYTES);
    }
    VV_TRY(reader_read_header(open, id, out_err));
    VV_TRY(reader_read_footer(open, id, out_err));
    VV_TRY(reader_read_sections(open, out_err));
    VV_TRY(vv_segment_tables_read(segment->sections, &segment->footer.info, &segment->arena,
                                  &segment->tables, out_err));
    VV_TRY(vv_chunk_index_read(segment->sections, &segment->footer, &segment->arena,
                               &segment->index, out_err));
    bool has_postings = segment->sections[VV_SECTION_POSTINGS].kind != VV_SECTION_NONE;
    if (has_postings != (segment->tables.label_count > 0)) {
        return vv_section_fail(&segment->sections[VV_SECTION_LABELS], 0,
                               "labels and postings differ", out_err);
    }
    return VARVE_OK;
}

static void reader_free(vv_segment *segment)
{
    VV_IGNORE(vv_file_close(segment->file, NULL)); /* nothing was written */
    vv_arena_deinit(&segment->arena);
    vv_alloc_free(segment->alloc, segment, sizeof *segment);
}

varve_status vv_segment_open(const vv_env *env, vv_block_cache *cache, const char *path,
                             uint64_t id, vv_segment **out_segment, varve_error *out_err)
{
    *out_segment = NULL;
    vv_segment *segment = vv_alloc_zeroed(env->alloc, sizeof *segment);
    if (segment == NULL) {
        return vv_fail_nomem(out_err, "segment", sizeof *segment);
    }
    segment->alloc = env->alloc;
    segment->cache = cache;
    segment->owner = vv_block_cache_owner(cache);
    segment->verify_always = env->verify_always;
    vv_arena_init(&segment->arena, env->alloc, SIZE_MAX);
    atomic_init(&segment->refs, 1);
    varve_status status =
        vv_file_open(env->vfs, env->alloc, path, VV_OPEN_READ, &segment->file, out_err);
    if (status == VARVE_OK) {
        reader_open open = {.segment = segment, .path = segment->file->path};
        status = reader_read_all(&open, id, out_err);
        vv_alloc_free(env->alloc, open.page,
                      open.page == NULL ? 0 : VV_SEGMENT_FRAME_BYTES + VV_SEGMENT_PAGE_BYTES);
        vv_alloc_free(env->alloc, open.tail, open.tail == NULL ? 0 : open.tail_size);
    }
    if (status != VARVE_OK) {
        reader_free(segment);
        return status;
    }
    *out_segment = segment;
    return VARVE_OK;
}

void vv_segment_ref(vv_segment *segment)
{
    unsigned before = atomic_fetch_add(&segment->refs, 1);
    VV_ASSERT(before > 0);
}

void vv_segment_unref(vv_segment *segment)
{
    if (segment != NULL && atomic_fetch_sub(&segment->refs, 1) == 1) {
        reader_free(segment);
    }
}

/* --- tables --- */

size_t vv_segment_memory_bytes(const vv_segment *segment)
{
    return sizeof *segment + segment->arena.held_bytes;
}

const vv_segment_info *vv_segment_get_info(const vv_segment *segment)
{
    return &segment->footer.info;
}

uint32_t vv_segment_block_count(const vv_segment *segment)
{
    return segment->index.block_count;
}

uint32_t vv_segment_series_count(const vv_segment *segment)
{
    return segment->tables.series_count;
}

varve_status vv_segment_series(const vv_segment *segment, uint32_t index, varve_text *out_metric,
                               varve_label *out_labels, size_t capacity, size_t *out_count,
                               varve_error *out_err)
{
    vv_series_entry entry;
    const vv_segment_tables *tables = &segment->tables;
    vv_segment_tables_series(tables, index, &entry);
    if (entry.label_count > capacity) {
        return vv_fail(out_err, VARVE_E_LIMIT, "series %u of %s has %u labels, room is for %zu",
                       index, segment->file->path, entry.label_count, capacity);
    }
    for (uint32_t label = 0; label < entry.label_count; ++label) {
        uint32_t number = entry.labels[label];
        out_labels[label] = (varve_label){
            .name = tables->names[tables->label_names[number]],
            .value = vv_segment_tables_value(tables, number),
        };
    }
    *out_metric = vv_segment_tables_metric(tables, index);
    *out_count = entry.label_count;
    return VARVE_OK;
}

uint32_t vv_segment_field_count(const vv_segment *segment)
{
    return segment->tables.field_count;
}

void vv_segment_field(const vv_segment *segment, uint32_t index, uint32_t *out_id,
                      varve_text *out_name)
{
    VV_ASSERT(index < segment->tables.field_count);
    *out_id = segment->tables.field_ids[index];
    *out_name = segment->tables.field_names[index];
}

varve_status vv_segment_series_fields(const vv_segment *segment, uint32_t index, uint32_t *out_ids,
                                      uint32_t *out_types, size_t capacity, size_t *out_count,
                                      varve_error *out_err)
{
    (void)out_err; /* the tables were checked */
    vv_series_entry entry;
    const vv_segment_tables *tables = &segment->tables;
    vv_segment_tables_series(tables, index, &entry);
    uint32_t begin = tables->schema_begins[entry.schema];
    uint32_t count = tables->schema_begins[entry.schema + 1] - begin;
    for (uint32_t position = 0; position < count && position < capacity; ++position) {
        const vv_schema_entry *field = &tables->schema_entries[begin + position];
        out_ids[position] = tables->field_ids[field->field];
        out_types[position] = field->type;
    }
    *out_count = count;
    return VARVE_OK;
}

vv_bytes vv_segment_meta(const vv_segment *segment)
{
    return segment->sections[VV_SECTION_META].payload;
}

varve_status vv_segment_chunk(const vv_segment *segment, uint32_t series_index, vv_chunk *out_chunk,
                              varve_error *out_err)
{
    return vv_chunk_index_chunk(&segment->index, series_index, out_chunk, out_err);
}

varve_status vv_segment_vector_refs(const vv_segment *segment, const vv_chunk *chunk,
                                    uint32_t first, uint32_t count, vv_vector_ref *out_refs,
                                    varve_error *out_err)
{
    return vv_chunk_index_refs(&segment->index, chunk, first, count, out_refs, out_err);
}

/* --- blocks --- */

static varve_status reader_check_block(const vv_segment *segment, uint32_t block,
                                       const uint8_t *frame, varve_error *out_err)
{
    size_t size = vv_chunk_index_block_bytes(&segment->index, block);
    return vv_segment_frame_check(vv_bytes_make(frame, VV_SEGMENT_FRAME_BYTES + size),
                                  segment->file->path, segment->index.block_offsets[block],
                                  segment->footer.info.id, VV_SECTION_NONE, block, out_err);
}

/* Read a block into the cache. R1, R3. */
static varve_status reader_load_block(vv_segment *segment, uint32_t block, vv_block_pin *out_pin,
                                      varve_error *out_err)
{
    vv_block_entry *entry;
    size_t size = vv_chunk_index_block_bytes(&segment->index, block);
    VV_TRY(vv_block_entry_create(segment->cache, segment->owner, block, size, &entry, out_err));
    uint8_t *frame = vv_block_entry_frame(entry);
    varve_status status =
        vv_file_read_exact(segment->file, (int64_t)segment->index.block_offsets[block], frame,
                           VV_SEGMENT_FRAME_BYTES + size, out_err);
    if (status == VARVE_OK) {
        status = reader_check_block(segment, block, frame, out_err);
    }
    if (status != VARVE_OK) {
        vv_block_entry_discard(segment->cache, entry);
        return status;
    }
    vv_block_cache_add(segment->cache, entry, out_pin);
    return VARVE_OK;
}

static varve_status reader_pin_block(vv_segment *segment, uint32_t block, vv_block_pin *pin,
                                     varve_error *out_err)
{
    if (vv_block_pin_holds(pin, segment->owner, block)) {
        return VARVE_OK;
    }
    vv_block_unpin(segment->cache, pin);
    if (!vv_block_cache_find(segment->cache, segment->owner, block, pin)) {
        return reader_load_block(segment, block, pin, out_err);
    }
    if (segment->verify_always) {
        varve_status status =
            reader_check_block(segment, block, vv_block_entry_frame(pin->entry), out_err);
        if (status != VARVE_OK) {
            vv_block_unpin(segment->cache, pin);
            return status;
        }
    }
    return VARVE_OK;
}

varve_status vv_segment_vector(vv_segment *segment, const vv_vector_ref *ref, vv_block_pin *pin,
                               vv_bytes *out_vector, varve_error *out_err)
{
    VV_ASSERT(ref->block < segment->index.block_count);
    VV_TRY(reader_pin_block(segment, ref->block, pin, out_err));
    VV_ASSERT(ref->offset <= pin->bytes.size &&
              ref->size <= pin->bytes.size - ref->offset); /* R4 */
    *out_vector = vv_bytes_make(pin->bytes.data + ref->offset, ref->size);
    return VARVE_OK;
}
