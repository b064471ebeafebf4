/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SEGMENT_LAYOUT_PRIV_H
#define VV_SEGMENT_LAYOUT_PRIV_H

/*
 * The constants of a segment file and its outer parts as structs: header, frame, footer. Each is
 * turned into bytes and back here and nowhere else. Picture and meaning: docs/formats/segment.md.
 */

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "segment/segment.h"
#include "varve.h"

enum {
    VV_SEGMENT_VERSION = 1,
    VV_SEGMENT_HEADER_BYTES = 64,
    VV_SEGMENT_FRAME_BYTES = 16,    /* before a payload */
    VV_SEGMENT_BLOCK_BYTES = 65536, /* payload of a block, unless one vector is larger */
    VV_SEGMENT_PAGE_BYTES = 65536,  /* payload of all pages of a section but the last */
    VV_SEGMENT_FOOTER_BYTES = 104,  /* before the table of contents */
    VV_SEGMENT_TOC_BYTES = 24,      /* one section */
    VV_SEGMENT_TRAILER_BYTES = 16,
    VV_SEGMENT_SECTIONS_MAX = 64, /* arbitrary; bounds the footer */
    /* Twice the largest batch, which bounds what one row can hold. */
    VV_SEGMENT_VECTOR_BYTES_MAX = 128 * 1024 * 1024,
    /* Keeps offsets in 32 bits with room; a table of this size is 30 million series. */
    VV_SEGMENT_SECTION_BYTES_MAX = 1024 * 1024 * 1024
};
#define VV_SEGMENT_COUNT_MAX UINT32_C(0xFFFFFFFE) /* series, blocks */

/* Kinds of frames: a block, or the section that a page belongs to. */
enum {
    VV_SECTION_NONE = 0, /* of a frame: it is a block */
    VV_SECTION_BLOCKS = 1,
    VV_SECTION_FIELDS = 2,
    VV_SECTION_SCHEMAS = 3,
    VV_SECTION_METRICS = 4,
    VV_SECTION_LABELS = 5,
    VV_SECTION_SERIES = 6,
    VV_SECTION_CHUNKS = 7,
    VV_SECTION_POSTINGS = 8,
    VV_SECTION_META = 9,
    VV_SECTION_COUNT /* kinds that this version knows, NONE included */
};

/** "labels"; "unknown" beyond the table. */
const char *vv_section_name(uint32_t kind);

typedef struct vv_segment_header {
    uint32_t version, flags, level;
    uint64_t id;
} vv_segment_header;

typedef struct vv_segment_frame {
    uint32_t size, number, kind, flags, crc;
} vv_segment_frame;

/* One section in the table of contents. */
typedef struct vv_segment_section {
    uint32_t kind;
    bool is_required;
    uint32_t version; /* of the format, that reads it */
    uint64_t offset;  /* of its first frame */
    uint64_t size;    /* of its payload */
} vv_segment_section;

typedef struct vv_segment_footer {
    vv_segment_info info; /* bytes: size of the whole file */
    uint32_t block_count;
    uint32_t section_count;
    vv_segment_section sections[VV_SEGMENT_SECTIONS_MAX];
} vv_segment_footer;

/** Bytes that the frames of a section take. */
static inline uint64_t vv_segment_section_bytes(uint64_t payload)
{
    uint64_t pages = payload / VV_SEGMENT_PAGE_BYTES + (payload % VV_SEGMENT_PAGE_BYTES != 0);
    return payload + pages * VV_SEGMENT_FRAME_BYTES;
}

/* --- writing --- */

void vv_segment_header_write(const vv_segment_header *header,
                             uint8_t out_bytes[VV_SEGMENT_HEADER_BYTES]);
/** The checksum is computed here; frame->crc is not looked at. */
void vv_segment_frame_write(const vv_segment_frame *frame, uint64_t id, const uint8_t *payload,
                            uint8_t out_bytes[VV_SEGMENT_FRAME_BYTES]);
/** Footer and trailer; sticky as vv_buf. */
void vv_segment_footer_write(const vv_segment_footer *footer, vv_buf *out);

/* --- reading: path is for the message --- */

VV_MUST_CHECK VV_UNTRUSTED varve_status vv_segment_header_read(vv_bytes bytes, const char *path,
                                                               uint64_t id,
                                                               vv_segment_header *out_header,
                                                               varve_error *out_err);
/** Check a frame of `size` payload bytes with its payload behind it: kind, number and checksum.
 * offset is where it lies in the file. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_segment_frame_check(vv_bytes bytes, const char *path,
                                                               uint64_t offset, uint64_t id,
                                                               uint32_t kind, uint32_t number,
                                                               varve_error *out_err);
/** Size of footer and trailer from the last VV_SEGMENT_TRAILER_BYTES of a file of file_bytes. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_segment_trailer_read(vv_bytes bytes, const char *path,
                                                                uint64_t file_bytes,
                                                                uint32_t *out_size,
                                                                varve_error *out_err);
/** Footer with its trailer. Unknown sections that are required are refused, known ones occur once,
 * and all lie side by side up to the footer. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_segment_footer_read(vv_bytes bytes, const char *path,
                                                               uint64_t file_bytes, uint64_t id,
                                                               vv_segment_footer *out_footer,
                                                               varve_error *out_err);

#endif
