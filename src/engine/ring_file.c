/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ring files: writing whole ones, reading, telling what is in one (see ring_file.h).
 *
 *   L1  Nothing of the header is used before its checksum was compared, but for its size, which is
 *       bounded; the size of the file must be what the header says.
 *   L2  A page that is not whole is told from a page of zeros: every page is written when the file
 *       is made, empty ones with their checksum.
 */

#include "engine/ring_file.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/reader.h"
#include "base/status.h"
#include "base/text.h"
#include "model/labels.h"
#include "model/rows.h"

enum {
    RING_FILE_VERSION = 1,
    RING_FILE_FIXED_BYTES = 64, /* before the definitions */
    RING_FILE_CRC_BYTES = 4,
    RING_FILE_FIELD_BYTES_MIN = 3, /* type, size, a byte of name */
    RING_FILE_WRITE_PAGES = 16     /* at once: 64 KiB */
};

static const char ring_file_magic[8] = {'V', 'A', 'R', 'V', 'E', 'R', 'N', 'G'};

void vv_ring_file_name(uint64_t id, const char *suffix, char out_name[VV_RING_NAME_BYTES])
{
    vv_text_format(out_name, VV_RING_NAME_BYTES, "%020llu.vrg%s", (unsigned long long)id, suffix);
}

/* ---- the header ---- */

static varve_status ring_file_set_shape(vv_ring_header *header, varve_error *out_err)
{
    uint8_t types[VV_RING_FIELDS_MAX];
    for (size_t i = 0; i < header->field_count && i < VV_RING_FIELDS_MAX; i++) {
        types[i] = (uint8_t)header->fields[i].type;
    }
    return vv_ring_shape_make(header->step, header->slots, types, header->field_count,
                              &header->shape, out_err);
}

uint32_t vv_ring_header_bytes(const vv_ring_header *header)
{
    size_t identity = vv_series_identity_size(header->metric, header->labels, header->label_count);
    size_t used = RING_FILE_FIXED_BYTES + vv_varint_size(identity) + identity + RING_FILE_CRC_BYTES;
    for (size_t i = 0; i < header->field_count; i++) {
        size_t name = header->fields[i].name.size;
        used += 1 + vv_varint_size(name) + name;
    }
    return (uint32_t)((used + VV_RING_PAGE_BYTES - 1) / VV_RING_PAGE_BYTES * VV_RING_PAGE_BYTES);
}

varve_status vv_ring_header_encode(const vv_ring_header *header, vv_buf *out, varve_error *out_err)
{
    vv_ring_header checked = *header;
    VV_TRY(ring_file_set_shape(&checked, out_err));
    size_t begin = out->size;
    (void)vv_buf_append(out, ring_file_magic, sizeof ring_file_magic);
    (void)vv_buf_append_u16(out, RING_FILE_VERSION);
    (void)vv_buf_append_u16(out, VV_RING_PAGE_BYTES);
    (void)vv_buf_append_u32(out, 0); /* bytes of the header, known below */
    (void)vv_buf_append(out, header->store_id, sizeof header->store_id);
    (void)vv_buf_append_u64(out, header->id);
    (void)vv_buf_append_i64(out, header->step);
    (void)vv_buf_append_u64(out, header->slots);
    (void)vv_buf_append_u32(out, (uint32_t)header->field_count);
    (void)vv_buf_append_u32(out, 0);
    for (size_t i = 0; i < header->field_count; i++) {
        (void)vv_buf_append_u8(out, (uint8_t)header->fields[i].type);
        (void)vv_buf_append_varint(out, header->fields[i].name.size);
        (void)vv_buf_append_text(out, header->fields[i].name);
    }
    size_t identity = vv_series_identity_size(header->metric, header->labels, header->label_count);
    (void)vv_buf_append_varint(out, identity);
    (void)vv_series_identity_write(out, header->metric, header->labels, header->label_count);
    size_t size = vv_ring_header_bytes(header);
    size_t used = out->size - begin + RING_FILE_CRC_BYTES;
    VV_ASSERT(out->status != VARVE_OK || used <= size);
    VV_TRY(vv_buf_check(out, out_err));
    (void)vv_buf_append_fill(out, 0, size - used);
    VV_TRY(vv_buf_check(out, out_err));
    vv_buf_patch_u32(out, begin + 12, (uint32_t)size);
    (void)vv_buf_append_u32(out, vv_crc32c(0, out->data + begin, size - RING_FILE_CRC_BYTES));
    return vv_buf_check(out, out_err);
}

varve_status vv_ring_header_size(vv_bytes first_page, uint32_t *out_size, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(first_page.data, first_page.size);
    const uint8_t *magic = vv_reader_bytes(&reader, sizeof ring_file_magic);
    if (magic == NULL || memcmp(magic, ring_file_magic, sizeof ring_file_magic) != 0) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "the header does not begin as that of a ring");
    }
    unsigned version = vv_reader_u16(&reader);
    unsigned page_bytes = vv_reader_u16(&reader);
    uint32_t size = vv_reader_u32(&reader);
    if (vv_reader_is_bad(&reader) || version == 0 || size == 0 || size % VV_RING_PAGE_BYTES != 0 ||
        size > VV_RING_HEADER_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "the header of %u bytes makes no sense", size);
    }
    if (version > RING_FILE_VERSION || page_bytes != VV_RING_PAGE_BYTES) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "ring format version %u with pages of %u bytes; this program reads version "
                       "%u with pages of %u",
                       version, page_bytes, (unsigned)RING_FILE_VERSION,
                       (unsigned)VV_RING_PAGE_BYTES);
    }
    *out_size = size;
    return VARVE_OK;
}

static varve_status ring_file_read_fields(vv_reader *reader, vv_arena *arena,
                                          vv_ring_header *header, varve_error *out_err)
{
    if (header->field_count > VV_RING_FIELDS_MAX ||
        header->field_count > vv_reader_left(reader) / RING_FILE_FIELD_BYTES_MIN) {
        vv_reader_spoil(reader);
        header->field_count = 0;
    }
    varve_ring_field *fields = vv_arena_array(arena, header->field_count, sizeof *fields);
    if (fields == NULL) {
        return vv_arena_fail(arena, header->field_count * sizeof *fields, out_err);
    }
    for (size_t i = 0; i < header->field_count; i++) {
        fields[i] = (varve_ring_field){.type = vv_reader_u8(reader)};
        size_t size = (size_t)vv_reader_varint_max(reader, VV_FIELD_NAME_BYTES_MAX);
        fields[i].name = vv_reader_text(reader, size);
        if (vv_field_name_check(fields[i].name, NULL) != VARVE_OK) {
            vv_reader_spoil(reader);
        }
    }
    header->fields = fields;
    return VARVE_OK;
}

/** Behind the fields: the series, then zeros. */
static varve_status ring_file_read_series(vv_reader *reader, vv_arena *arena,
                                          vv_ring_header *header, varve_error *out_err)
{
    size_t size = (size_t)vv_reader_varint_max(reader, vv_reader_left(reader));
    vv_bytes identity = vv_bytes_make(vv_reader_bytes(reader, size), size);
    if (vv_reader_is_bad(reader)) {
        return VARVE_OK;
    }
    VV_TRY(vv_series_identity_read(identity, arena, &header->metric, &header->labels,
                                   &header->label_count, out_err));
    while (vv_reader_left(reader) > 0) {
        if (vv_reader_u8(reader) != 0) {
            vv_reader_spoil(reader);
        }
    }
    return VARVE_OK;
}

varve_status vv_ring_header_decode(vv_bytes bytes, vv_arena *arena, vv_ring_header *out_header,
                                   varve_error *out_err)
{
    uint32_t size;
    VV_TRY(vv_ring_header_size(bytes, &size, out_err));
    uint32_t stored = 0;
    if (bytes.size == size) {
        memcpy(&stored, bytes.data + size - sizeof stored, sizeof stored);
    }
    if (bytes.size != size || stored != vv_crc32c(0, bytes.data, size - sizeof stored)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "the checksum of the header does not match");
    }
    vv_reader reader = vv_reader_of(bytes.data, size - RING_FILE_CRC_BYTES);
    vv_ring_header header = {.header_bytes = size};
    vv_reader_skip(&reader, 16);
    const uint8_t *store_id = vv_reader_bytes(&reader, sizeof header.store_id);
    if (store_id != NULL) {
        memcpy(header.store_id, store_id, sizeof header.store_id);
    }
    header.id = vv_reader_u64(&reader);
    header.step = vv_reader_i64(&reader);
    header.slots = vv_reader_u64(&reader);
    header.field_count = vv_reader_u32(&reader);
    vv_reader_skip(&reader, 4);
    VV_TRY(ring_file_read_fields(&reader, arena, &header, out_err));
    VV_TRY(ring_file_read_series(&reader, arena, &header, out_err));
    varve_error error;
    if (vv_reader_is_bad(&reader) || ring_file_set_shape(&header, &error) != VARVE_OK) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "the definition of the ring makes no sense");
    }
    *out_header = header;
    return VARVE_OK;
}

/* ---- writing a whole file ---- */

static varve_status ring_file_write_pages(const vv_ring_target *target, vv_file *file,
                                          const vv_ring_header *header, int64_t offset,
                                          const uint8_t *const *pages, varve_error *out_err)
{
    vv_alloc *alloc = target->env->alloc;
    const size_t room = (size_t)RING_FILE_WRITE_PAGES * VV_RING_PAGE_BYTES;
    uint8_t *buffer = vv_alloc_new(alloc, room);
    if (buffer == NULL) {
        return vv_fail_nomem(out_err, "pages of a ring", room);
    }
    varve_status status = VARVE_OK;
    size_t used = 0;
    for (uint32_t i = 0; i < header->shape.pages && status == VARVE_OK; i++) {
        uint8_t *page = buffer + used;
        memset(page, 0, VV_RING_PAGE_BYTES);
        if (pages != NULL && pages[i] != NULL) {
            memcpy(page, pages[i], VV_RING_PAGE_BYTES);
        }
        if (target->is_copy) {
            vv_ring_page_stamp(page, 0, vv_ring_page_sequence(page));
        }
        vv_ring_page_seal(page, header->id, i);
        used += VV_RING_PAGE_BYTES;
        if (used == room || i + 1 == header->shape.pages) {
            status = vv_file_write_all(file, offset, buffer, used, out_err);
            offset += (int64_t)used;
            used = 0;
        }
    }
    vv_alloc_free(alloc, buffer, room);
    return status;
}

static varve_status ring_file_fill(const vv_ring_target *target, vv_file *file,
                                   const vv_ring_header *header, const uint8_t *const *pages,
                                   varve_error *out_err)
{
    vv_ring_header checked = *header;
    vv_buf bytes;
    VV_TRY(ring_file_set_shape(&checked, out_err));
    vv_buf_init(&bytes, target->env->alloc, VV_RING_HEADER_BYTES_MAX);
    varve_status status = vv_ring_header_encode(header, &bytes, out_err);
    int64_t offset = (int64_t)bytes.size;
    if (status == VARVE_OK) {
        status = vv_file_write_all(file, 0, bytes.data, bytes.size, out_err);
    }
    vv_buf_deinit(&bytes);
    VV_TRY(status);
    VV_TRY(ring_file_write_pages(target, file, &checked, offset, pages, out_err));
    return vv_file_fsync(file, target->sites.file, out_err);
}

varve_status vv_ring_file_write(const vv_ring_target *target, const vv_ring_header *header,
                                const uint8_t *const *pages, varve_error *out_err)
{
    const vv_env *env = target->env;
    char name[VV_RING_NAME_BYTES];
    char part[VV_PATH_BYTES_MAX];
    char path[VV_PATH_BYTES_MAX];
    vv_ring_file_name(header->id, ".part", name);
    VV_TRY(vv_path_join(target->tmp_directory, name, part, out_err));
    vv_ring_file_name(header->id, "", name);
    VV_TRY(vv_path_join(target->directory, name, path, out_err));
    vv_file *file;
    VV_TRY(vv_file_open(env->vfs, env->alloc, part,
                        VV_OPEN_WRITE | VV_OPEN_CREATE | VV_OPEN_EXCLUSIVE, &file, out_err));
    varve_status status = ring_file_fill(target, file, header, pages, out_err);
    varve_error close_error;
    varve_status closed = vv_file_close(file, &close_error);
    if (status == VARVE_OK && closed != VARVE_OK) {
        status = closed;
        vv_error_copy(out_err, &close_error);
    }
    if (status == VARVE_OK) {
        status = vv_vfs_rename(env->vfs, part, path, target->sites.rename, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_vfs_sync_dir(env->vfs, target->directory, target->sites.dir, out_err);
    }
    if (status != VARVE_OK) {
        /* Either name may be there; what is left is removed at the next open. */
        VV_IGNORE(vv_vfs_unlink(env->vfs, part, NULL));
        VV_IGNORE(vv_vfs_unlink(env->vfs, path, NULL));
    }
    return status;
}

/* ---- reading ---- */

static varve_status ring_file_read_header(vv_ring_reader *reader, varve_error *out_err)
{
    uint8_t first[RING_FILE_FIXED_BYTES];
    uint32_t size;
    vv_file_info info;
    VV_TRY(vv_file_stat(reader->file, &info, out_err));
    VV_TRY(vv_file_read_exact(reader->file, 0, first, sizeof first, out_err));
    VV_TRY(vv_ring_header_size(vv_bytes_make(first, sizeof first), &size, out_err));
    uint8_t *bytes = vv_arena_new(&reader->arena, size);
    if (bytes == NULL) {
        return vv_arena_fail(&reader->arena, size, out_err);
    }
    VV_TRY(vv_file_read_exact(reader->file, 0, bytes, size, out_err));
    VV_TRY(vv_ring_header_decode(vv_bytes_make(bytes, size), &reader->arena, &reader->header,
                                 out_err));
    int64_t expected =
        (int64_t)size + (int64_t)reader->header.shape.pages * (int64_t)VV_RING_PAGE_BYTES;
    if (info.size != expected) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "it has %lld bytes; a ring of its shape has %lld",
                       (long long)info.size, (long long)expected);
    }
    return VARVE_OK;
}

varve_status vv_ring_reader_open(const vv_env *env, const char *path, vv_ring_reader *out_reader,
                                 varve_error *out_err)
{
    memset(out_reader, 0, sizeof *out_reader);
    vv_arena_init(&out_reader->arena, env->alloc, SIZE_MAX);
    varve_status status =
        vv_file_open(env->vfs, env->alloc, path, VV_OPEN_READ, &out_reader->file, out_err);
    if (status == VARVE_OK) {
        status = ring_file_read_header(out_reader, out_err);
        if (status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED) {
            vv_error_prefix(out_err, "%s", path);
        }
    }
    if (status != VARVE_OK) {
        vv_ring_reader_close(out_reader);
    }
    return status;
}

varve_status vv_ring_reader_page(vv_ring_reader *reader, uint64_t number, uint8_t *out_page,
                                 varve_error *out_err)
{
    int64_t offset =
        (int64_t)reader->header.header_bytes + (int64_t)number * (int64_t)VV_RING_PAGE_BYTES;
    VV_TRY(vv_file_read_exact(reader->file, offset, out_page, VV_RING_PAGE_BYTES, out_err));
    varve_status status =
        vv_ring_page_check(&reader->header.shape, reader->header.id, number, out_page, out_err);
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "%s", reader->file->path);
    }
    return status;
}

void vv_ring_reader_close(vv_ring_reader *reader)
{
    VV_IGNORE(vv_file_close(reader->file, NULL)); /* nothing was written */
    vv_arena_deinit(&reader->arena);
    memset(reader, 0, sizeof *reader);
}

/* ---- telling ---- */

/** Slots of a page that are not empty; the last page may have fewer than it has room for. */
static uint64_t ring_file_used(const vv_ring_shape *shape, uint64_t number, const uint8_t *page)
{
    uint64_t used = 0;
    uint64_t first = number * shape->slots_per_page;
    for (uint32_t i = 0; i < shape->slots_per_page && first + i < shape->slots; i++) {
        used += vv_ring_slot_lap(shape, page, i) != 0;
    }
    return used;
}

static void ring_file_tell_header(const vv_ring_header *header, vv_facts *facts)
{
    vv_facts_begin(facts, "header", 0, 0);
    vv_facts_u64(facts, "version", RING_FILE_VERSION);
    vv_facts_id(facts, "store_id", header->store_id);
    vv_facts_u64(facts, "id", header->id);
    vv_facts_text(facts, "metric", header->metric);
    vv_facts_u64(facts, "labels", header->label_count);
    vv_facts_i64(facts, "step", header->step);
    vv_facts_u64(facts, "slots", header->slots);
    vv_facts_u64(facts, "fields", header->field_count);
    vv_facts_u64(facts, "pages", header->shape.pages);
    vv_facts_u64(facts, "slot_bytes", header->shape.slot_bytes);
}

static varve_status ring_file_tell_pages(vv_ring_reader *reader, vv_facts *facts,
                                         uint64_t *out_used, varve_error *out_err)
{
    uint8_t page[VV_RING_PAGE_BYTES];
    varve_error err;
    *out_used = 0;
    for (uint32_t i = 0; i < reader->header.shape.pages; i++) {
        uint64_t offset = reader->header.header_bytes + (uint64_t)i * VV_RING_PAGE_BYTES;
        varve_status status = vv_ring_reader_page(reader, i, page, &err);
        if (status == VARVE_E_CORRUPT) {
            vv_facts_damage(facts, "page", i, offset, err.message);
            continue;
        }
        if (status != VARVE_OK) {
            return vv_fail(out_err, status, "%s", err.message);
        }
        uint64_t used = ring_file_used(&reader->header.shape, i, page);
        *out_used += used;
        if (facts->has_details) {
            vv_facts_begin(facts, "page", i, offset);
            vv_facts_u64(facts, "lsn", vv_ring_page_lsn(page));
            vv_facts_u64(facts, "sequence", vv_ring_page_sequence(page));
            vv_facts_u64(facts, "used", used);
        }
    }
    return VARVE_OK;
}

varve_status vv_ring_inspect(const vv_env *env, const char *path, vv_facts *facts,
                             varve_error *out_err)
{
    vv_ring_reader reader;
    varve_error err;
    uint64_t used = 0;
    varve_status status = vv_ring_reader_open(env, path, &reader, &err);
    if (status == VARVE_E_CORRUPT || status == VARVE_E_UNSUPPORTED) {
        vv_facts_damage(facts, "header", 0, 0, err.message);
        return VARVE_OK;
    }
    if (status != VARVE_OK) {
        return vv_fail(out_err, status, "%s", err.message);
    }
    ring_file_tell_header(&reader.header, facts);
    status = ring_file_tell_pages(&reader, facts, &used, out_err);
    if (status == VARVE_OK) {
        vv_facts_begin(facts, "pages", 0, reader.header.header_bytes);
        vv_facts_u64(facts, "used", used);
    }
    vv_ring_reader_close(&reader);
    return status;
}
