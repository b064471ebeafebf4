/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header, frames and footer of a segment file as bytes, and back.
 *
 *     [header][block 0]...[block n-1][page]...[page][footer][trailer]
 *
 *   L1  Every byte of the file is covered by the checksum of the header, of one frame or of the
 *       footer, but for the magic words, which are compared.
 *   L2  What does not pass is answered with E_CORRUPT; with E_UNSUPPORTED when its checksum is
 *       right and it asks for a newer reader.
 *   L3  The checksum of a frame covers segment id, kind and number: a whole frame at a wrong
 *       place fails.
 */
#include "segment/layout_priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/reader.h"
#include "base/status.h"
#include "base/text.h"
#include "base/writer.h"

static const char layout_header_magic[8] = {'V', 'A', 'R', 'V', 'E', 'S', 'E', 'G'};
static const char layout_footer_magic[8] = {'V', 'S', 'E', 'G', 'F', 'O', 'O', 'T'};

enum {
    LAYOUT_HEADER_CRC_OFFSET = VV_SEGMENT_HEADER_BYTES - 4,
    LAYOUT_FRAME_CRC_OFFSET = VV_SEGMENT_FRAME_BYTES - 4,
    LAYOUT_TOC_REQUIRED = 1 /* flag of a section */
};

const char *vv_section_name(uint32_t kind)
{
    static const char *const names[VV_SECTION_COUNT] = {
        "block",  "blocks", "fields", "schemas",  "metrics",
        "labels", "series", "chunks", "postings", "meta",
    };
    return kind < VV_SECTION_COUNT ? names[kind] : "unknown";
}

void vv_segment_name(uint64_t id, char out_name[VV_SEGMENT_NAME_BYTES])
{
    vv_text_format(out_name, VV_SEGMENT_NAME_BYTES, "%020llu.vsg", (unsigned long long)id);
}

void vv_segment_part_name(uint64_t id, char out_name[VV_SEGMENT_NAME_BYTES])
{
    vv_text_format(out_name, VV_SEGMENT_NAME_BYTES, "%020llu.part", (unsigned long long)id);
}

/* --- header --- */

void vv_segment_header_write(const vv_segment_header *header,
                             uint8_t out_bytes[VV_SEGMENT_HEADER_BYTES])
{
    vv_writer writer = vv_writer_of(out_bytes, VV_SEGMENT_HEADER_BYTES);
    vv_writer_bytes(&writer, layout_header_magic, sizeof layout_header_magic);
    vv_writer_u16(&writer, (uint16_t)header->version);
    vv_writer_u16(&writer, VV_SEGMENT_HEADER_BYTES);
    vv_writer_u32(&writer, header->flags);
    vv_writer_u64(&writer, header->id);
    vv_writer_u32(&writer, header->level);
    vv_writer_fill(&writer, 0, LAYOUT_HEADER_CRC_OFFSET - vv_writer_position(&writer));
    vv_writer_u32(&writer, vv_crc32c(0, out_bytes, LAYOUT_HEADER_CRC_OFFSET));
    VV_ASSERT(!vv_writer_is_bad(&writer) && vv_writer_left(&writer) == 0);
}

varve_status vv_segment_header_read(vv_bytes bytes, const char *path, uint64_t id,
                                    vv_segment_header *out_header, varve_error *out_err)
{
    VV_ASSERT(bytes.size == VV_SEGMENT_HEADER_BYTES);
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    const uint8_t *magic = vv_reader_bytes(&reader, sizeof layout_header_magic);
    if (memcmp(magic, layout_header_magic, sizeof layout_header_magic) != 0) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "%s: not a segment file (offset 0)", path);
    }
    vv_segment_header header = {.version = vv_reader_u16(&reader)};
    uint32_t header_size = vv_reader_u16(&reader);
    header.flags = vv_reader_u32(&reader);
    header.id = vv_reader_u64(&reader);
    header.level = vv_reader_u32(&reader);
    vv_reader_skip(&reader, LAYOUT_HEADER_CRC_OFFSET - vv_reader_position(&reader));
    uint32_t stored = vv_reader_u32(&reader);
    uint32_t computed = vv_crc32c(0, bytes.data, LAYOUT_HEADER_CRC_OFFSET);
    if (stored != computed) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: segment header at offset 0: checksum is %08x, not %08x", path, computed,
                       stored);
    }
    if (header.version > VV_SEGMENT_VERSION) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "%s: segment format version %u; this program reads up to %u", path,
                       header.version, (unsigned)VV_SEGMENT_VERSION);
    }
    if (header.flags != 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "%s: segment header has flags %08x that this program does not know", path,
                       header.flags);
    }
    if (header.version == 0 || header_size != VV_SEGMENT_HEADER_BYTES || header.id != id) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: segment header at offset 0 is of segment %llu, version %u", path,
                       (unsigned long long)header.id, header.version);
    }
    *out_header = header;
    return VARVE_OK;
}

/* --- frames --- */

static uint32_t layout_frame_crc(uint64_t id, const uint8_t *frame, const uint8_t *payload,
                                 size_t size)
{
    uint32_t crc = vv_crc32c(0, &id, sizeof id);
    crc = vv_crc32c(crc, frame, LAYOUT_FRAME_CRC_OFFSET);
    return vv_crc32c(crc, payload, size);
}

void vv_segment_frame_write(const vv_segment_frame *frame, uint64_t id, const uint8_t *payload,
                            uint8_t out_bytes[VV_SEGMENT_FRAME_BYTES])
{
    VV_ASSERT(frame->size > 0 && frame->kind <= UINT16_MAX);
    vv_writer writer = vv_writer_of(out_bytes, VV_SEGMENT_FRAME_BYTES);
    vv_writer_u32(&writer, frame->size);
    vv_writer_u32(&writer, frame->number);
    vv_writer_u16(&writer, (uint16_t)frame->kind);
    vv_writer_u16(&writer, (uint16_t)frame->flags);
    vv_writer_u32(&writer, layout_frame_crc(id, out_bytes, payload, frame->size));
    VV_ASSERT(vv_writer_left(&writer) == 0);
}

varve_status vv_segment_frame_check(vv_bytes bytes, const char *path, uint64_t offset, uint64_t id,
                                    uint32_t kind, uint32_t number, varve_error *out_err)
{
    VV_ASSERT(bytes.size > VV_SEGMENT_FRAME_BYTES);
    vv_reader reader = vv_reader_of(bytes.data, VV_SEGMENT_FRAME_BYTES);
    vv_segment_frame frame = {.size = vv_reader_u32(&reader), .number = vv_reader_u32(&reader)};
    frame.kind = vv_reader_u16(&reader);
    frame.flags = vv_reader_u16(&reader);
    frame.crc = vv_reader_u32(&reader);
    size_t size = bytes.size - VV_SEGMENT_FRAME_BYTES;
    uint32_t computed = layout_frame_crc(id, bytes.data, bytes.data + VV_SEGMENT_FRAME_BYTES, size);
    if (computed != frame.crc) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: %s %s%u at offset %llu (%zu bytes): checksum is %08x, not %08x", path,
                       vv_section_name(kind), kind == VV_SECTION_NONE ? "" : "page ", number,
                       (unsigned long long)offset, bytes.size, computed, frame.crc);
    }
    if (frame.size != size || frame.number != number || frame.kind != kind) {
        return vv_fail(
            out_err, VARVE_E_CORRUPT, "%s: %s %s%u at offset %llu: found %s %u of %u bytes there",
            path, vv_section_name(kind), kind == VV_SECTION_NONE ? "" : "page ", number,
            (unsigned long long)offset, vv_section_name(frame.kind), frame.number, frame.size);
    }
    if (frame.flags != 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "%s: %s %u at offset %llu has flags %04x that this program does not know",
                       path, vv_section_name(kind), number, (unsigned long long)offset,
                       frame.flags);
    }
    return VARVE_OK;
}

/* --- footer --- */

void vv_segment_footer_write(const vv_segment_footer *footer, vv_buf *out)
{
    size_t begin = out->size;
    const vv_segment_info *info = &footer->info;
    vv_buf_append_u64(out, info->bytes);
    vv_buf_append_u64(out, info->id);
    vv_buf_append_u32(out, info->level);
    vv_buf_append_u32(out, info->flags);
    vv_buf_append_u64(out, info->rows);
    vv_buf_append_u64(out, info->vectors);
    vv_buf_append_u64(out, info->series);
    vv_buf_append_i64(out, info->first_time);
    vv_buf_append_i64(out, info->last_time);
    vv_buf_append_u64(out, info->first_sequence);
    vv_buf_append_u64(out, info->last_sequence);
    vv_buf_append_u64(out, info->digest[0]);
    vv_buf_append_u64(out, info->digest[1]);
    vv_buf_append_u32(out, footer->block_count);
    vv_buf_append_u32(out, footer->section_count);
    for (uint32_t index = 0; index < footer->section_count; ++index) {
        const vv_segment_section *section = &footer->sections[index];
        vv_buf_append_u16(out, (uint16_t)section->kind);
        vv_buf_append_u16(out, section->is_required ? LAYOUT_TOC_REQUIRED : 0);
        vv_buf_append_u16(out, (uint16_t)section->version);
        vv_buf_append_u16(out, 0);
        vv_buf_append_u64(out, section->offset);
        vv_buf_append_u64(out, section->size);
    }
    vv_buf_append_u32(out, (uint32_t)(out->size - begin + VV_SEGMENT_TRAILER_BYTES));
    if (out->status == VARVE_OK) {
        vv_buf_append_u32(out, vv_crc32c(0, out->data + begin, out->size - begin));
    }
    vv_buf_append(out, layout_footer_magic, sizeof layout_footer_magic);
}

varve_status vv_segment_trailer_read(vv_bytes bytes, const char *path, uint64_t file_bytes,
                                     uint32_t *out_size, varve_error *out_err)
{
    VV_ASSERT(bytes.size == VV_SEGMENT_TRAILER_BYTES);
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    uint32_t size = vv_reader_u32(&reader);
    vv_reader_skip(&reader, 4);
    const uint8_t *magic = vv_reader_bytes(&reader, sizeof layout_footer_magic);
    uint32_t fixed = VV_SEGMENT_FOOTER_BYTES + VV_SEGMENT_TRAILER_BYTES;
    if (memcmp(magic, layout_footer_magic, sizeof layout_footer_magic) != 0 || size < fixed ||
        size > fixed + VV_SEGMENT_SECTIONS_MAX * VV_SEGMENT_TOC_BYTES ||
        (size - fixed) % VV_SEGMENT_TOC_BYTES != 0 || size > file_bytes - VV_SEGMENT_HEADER_BYTES) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: no segment trailer at offset %llu: the file is cut short or damaged",
                       path, (unsigned long long)(file_bytes - VV_SEGMENT_TRAILER_BYTES));
    }
    *out_size = size;
    return VARVE_OK;
}

static void layout_read_footer_fields(vv_reader *reader, vv_segment_footer *footer)
{
    vv_segment_info *info = &footer->info;
    info->bytes = vv_reader_u64(reader);
    info->id = vv_reader_u64(reader);
    info->level = vv_reader_u32(reader);
    info->flags = vv_reader_u32(reader);
    info->rows = vv_reader_u64(reader);
    info->vectors = vv_reader_u64(reader);
    info->series = vv_reader_u64(reader);
    info->first_time = vv_reader_i64(reader);
    info->last_time = vv_reader_i64(reader);
    info->first_sequence = vv_reader_u64(reader);
    info->last_sequence = vv_reader_u64(reader);
    info->digest[0] = vv_reader_u64(reader);
    info->digest[1] = vv_reader_u64(reader);
    footer->block_count = vv_reader_u32(reader);
    footer->section_count = vv_reader_u32(reader);
}

/* The table of contents; `expected` is where the next section must begin, 0 for the first, which
 * lies behind the blocks. */
static varve_status layout_read_section(vv_reader *reader, const char *path, uint64_t place,
                                        uint64_t expected, uint64_t end,
                                        vv_segment_section *out_section, varve_error *out_err)
{
    vv_segment_section section = {.kind = vv_reader_u16(reader)};
    uint32_t flags = vv_reader_u16(reader);
    section.is_required = (flags & LAYOUT_TOC_REQUIRED) != 0;
    section.version = vv_reader_u16(reader);
    uint32_t zero = vv_reader_u16(reader);
    section.offset = vv_reader_u64(reader);
    section.size = vv_reader_u64(reader);
    if (section.kind >= VV_SECTION_COUNT && section.is_required) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "%s: section of kind %u needs segment format version %u; this program reads "
                       "up to %u",
                       path, section.kind, section.version, (unsigned)VV_SEGMENT_VERSION);
    }
    if (section.kind == VV_SECTION_NONE || (flags & ~(uint32_t)LAYOUT_TOC_REQUIRED) != 0 ||
        zero != 0 || section.size == 0 || section.size > VV_SEGMENT_SECTION_BYTES_MAX ||
        section.offset < VV_SEGMENT_HEADER_BYTES || (expected != 0 && section.offset != expected) ||
        section.offset > end || vv_segment_section_bytes(section.size) > end - section.offset) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: footer at offset %llu: section %s of %llu bytes cannot be at %llu",
                       path, (unsigned long long)place, vv_section_name(section.kind),
                       (unsigned long long)section.size, (unsigned long long)section.offset);
    }
    *out_section = section;
    return VARVE_OK;
}

static varve_status layout_read_toc(vv_reader *reader, const char *path, uint64_t end,
                                    vv_segment_footer *footer, varve_error *out_err)
{
    uint64_t expected = 0;
    uint32_t kind_before = VV_SECTION_NONE;
    for (uint32_t index = 0; index < footer->section_count; ++index) {
        vv_segment_section *section = &footer->sections[index];
        VV_TRY(layout_read_section(reader, path, end, expected, end, section, out_err));
        if (section->kind <= kind_before) {
            return vv_fail(out_err, VARVE_E_CORRUPT,
                           "%s: footer at offset %llu: section %s out of order", path,
                           (unsigned long long)end, vv_section_name(section->kind));
        }
        kind_before = section->kind;
        expected = section->offset + vv_segment_section_bytes(section->size);
    }
    if (expected != end) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: footer at offset %llu: the sections end at offset %llu", path,
                       (unsigned long long)end, (unsigned long long)expected);
    }
    return VARVE_OK;
}

varve_status vv_segment_footer_read(vv_bytes bytes, const char *path, uint64_t file_bytes,
                                    uint64_t id, vv_segment_footer *out_footer,
                                    varve_error *out_err)
{
    VV_ASSERT(bytes.size >= VV_SEGMENT_FOOTER_BYTES + VV_SEGMENT_TRAILER_BYTES &&
              bytes.size <= file_bytes);
    uint64_t place = file_bytes - bytes.size;
    size_t covered = bytes.size - VV_SEGMENT_TRAILER_BYTES + 4;
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    memset(out_footer, 0, sizeof *out_footer);
    layout_read_footer_fields(&reader, out_footer);
    vv_reader trailer = vv_reader_of(bytes.data + covered, 4);
    uint32_t stored = vv_reader_u32(&trailer);
    uint32_t computed = vv_crc32c(0, bytes.data, covered);
    if (stored != computed) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: segment footer at offset %llu: checksum is %08x, not %08x", path,
                       (unsigned long long)place, computed, stored);
    }
    const vv_segment_info *info = &out_footer->info;
    size_t toc_bytes = bytes.size - VV_SEGMENT_FOOTER_BYTES - VV_SEGMENT_TRAILER_BYTES;
    if (info->bytes != file_bytes || info->id != id || info->flags != 0 || info->rows == 0 ||
        info->series == 0 || info->series > VV_SEGMENT_COUNT_MAX || out_footer->block_count == 0 ||
        out_footer->block_count > VV_SEGMENT_COUNT_MAX ||
        out_footer->section_count != toc_bytes / VV_SEGMENT_TOC_BYTES) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "%s: footer at offset %llu tells of segment %llu, %llu bytes, %u blocks",
                       path, (unsigned long long)place, (unsigned long long)info->id,
                       (unsigned long long)info->bytes, out_footer->block_count);
    }
    VV_TRY(layout_read_toc(&reader, path, place, out_footer, out_err));
    VV_ASSERT(vv_reader_left(&reader) == VV_SEGMENT_TRAILER_BYTES);
    return VARVE_OK;
}
