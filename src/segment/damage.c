/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every frame of a segment file against its checksum, whatever the others are like: what is damaged
 * is told, and reading goes on behind it. (segment_verify.c looks deeper and stops at the first.)
 *
 *   S1  Where frames lie is what the index said when the segment was opened: damage to one frame
 *       does not move the others.
 *   S2  Every byte is read from the file, not from the cache.
 *   S3  A frame that cannot be read is told like one that is wrong; only want of memory and the
 *       caller's cancelling end the walk.
 */
#include "base/status.h"
#include "segment/segment_priv.h"

typedef struct damage_walk {
    vv_segment *segment;
    const vv_segment_progress *progress;
    vv_segment_damage_visitor visit;
    uint8_t *frame;
    size_t frame_bytes;
} damage_walk;

/** What one place of the file must be. */
typedef struct damage_place {
    const char *part; /* "block", or the name of a section, "header", "footer" */
    uint64_t number;  /* of the frame within the part */
    uint64_t offset;
    size_t size;
} damage_place;

static void damage_tell(const damage_walk *walk, const damage_place *place, bool is_read,
                        const varve_error *error)
{
    vv_segment_damage damage = {
        .part = place->part,
        .number = place->number,
        .offset = place->offset,
        .size = place->size,
        .bytes = vv_bytes_make(walk->frame, is_read ? place->size : 0),
        .error = error,
    };
    walk->visit(walk->progress->context, &damage);
}

/** Read a place into the frame buffer; *out_is_read false: told as damage (S3). */
static varve_status damage_read(damage_walk *walk, const damage_place *place, bool *out_is_read,
                                varve_error *out_err)
{
    *out_is_read = false;
    if (place->size > walk->frame_bytes) {
        uint8_t *grown =
            vv_alloc_resize(walk->segment->alloc, walk->frame, walk->frame_bytes, place->size);
        if (grown == NULL) {
            return vv_fail_nomem(out_err, "frame of a segment", place->size);
        }
        walk->frame = grown;
        walk->frame_bytes = place->size;
    }
    const vv_segment_progress *progress = walk->progress;
    if (progress->check != NULL && !progress->check(progress->context, place->offset)) {
        return vv_fail(out_err, VARVE_E_CANCELLED, "scrubbing %s was cancelled",
                       walk->segment->file->path);
    }
    varve_error error;
    varve_status status = vv_file_read_exact(walk->segment->file, (int64_t)place->offset,
                                             walk->frame, place->size, &error);
    if (status == VARVE_E_NOMEM) {
        return vv_fail_nomem(out_err, "frame of a segment", place->size);
    }
    *out_is_read = status == VARVE_OK;
    if (status != VARVE_OK) {
        damage_tell(walk, place, false, &error);
    }
    return VARVE_OK;
}

static varve_status damage_frame(damage_walk *walk, const damage_place *place, uint32_t kind,
                                 varve_error *out_err)
{
    bool is_read;
    VV_TRY(damage_read(walk, place, &is_read, out_err));
    varve_error error;
    if (is_read &&
        vv_segment_frame_check(vv_bytes_make(walk->frame, place->size), walk->segment->file->path,
                               place->offset, walk->segment->footer.info.id, kind,
                               (uint32_t)place->number, &error) != VARVE_OK) {
        damage_tell(walk, place, true, &error);
    }
    return VARVE_OK;
}

static varve_status damage_header(damage_walk *walk, varve_error *out_err)
{
    damage_place place = {.part = "header", .size = VV_SEGMENT_HEADER_BYTES};
    bool is_read;
    VV_TRY(damage_read(walk, &place, &is_read, out_err));
    varve_error error;
    vv_segment_header header;
    if (is_read &&
        vv_segment_header_read(vv_bytes_make(walk->frame, place.size), walk->segment->file->path,
                               walk->segment->footer.info.id, &header, &error) != VARVE_OK) {
        damage_tell(walk, &place, true, &error);
    }
    return VARVE_OK;
}

static varve_status damage_blocks(damage_walk *walk, varve_error *out_err)
{
    const vv_chunk_index *index = &walk->segment->index;
    for (uint32_t block = 0; block < index->block_count; ++block) {
        damage_place place = {
            .part = "block",
            .number = block,
            .offset = index->block_offsets[block],
            .size = (size_t)VV_SEGMENT_FRAME_BYTES + vv_chunk_index_block_bytes(index, block),
        };
        VV_TRY(damage_frame(walk, &place, VV_SECTION_NONE, out_err));
    }
    return VARVE_OK;
}

static varve_status damage_pages(damage_walk *walk, const vv_segment_section *section,
                                 varve_error *out_err)
{
    damage_place place = {.part = vv_section_name(section->kind), .offset = section->offset};
    for (uint64_t begin = 0; begin < section->size; begin += VV_SEGMENT_PAGE_BYTES) {
        uint64_t left = section->size - begin;
        place.size = left < VV_SEGMENT_PAGE_BYTES ? (size_t)left : VV_SEGMENT_PAGE_BYTES;
        place.size += VV_SEGMENT_FRAME_BYTES;
        VV_TRY(damage_frame(walk, &place, section->kind, out_err));
        place.offset += place.size;
        place.number += 1;
    }
    return VARVE_OK;
}

static varve_status damage_footer(damage_walk *walk, varve_error *out_err)
{
    const vv_segment_footer *footer = &walk->segment->footer;
    damage_place place = {.part = "footer", .offset = vv_segment_footer_offset(footer)};
    place.size = (size_t)(footer->info.bytes - place.offset);
    bool is_read;
    VV_TRY(damage_read(walk, &place, &is_read, out_err));
    if (!is_read) {
        return VARVE_OK;
    }
    varve_error error;
    varve_status status =
        vv_segment_footer_check(walk->segment, vv_bytes_make(walk->frame, place.size), &error);
    if (status == VARVE_E_NOMEM) {
        return vv_fail_nomem(out_err, "footer of a segment", place.size);
    }
    if (status != VARVE_OK) {
        damage_tell(walk, &place, true, &error);
    }
    return VARVE_OK;
}

static varve_status damage_all(damage_walk *walk, varve_error *out_err)
{
    const vv_segment_footer *footer = &walk->segment->footer;
    VV_TRY(damage_header(walk, out_err));
    VV_TRY(damage_blocks(walk, out_err));
    for (uint32_t index = 0; index < footer->section_count; ++index) {
        VV_TRY(damage_pages(walk, &footer->sections[index], out_err));
    }
    return damage_footer(walk, out_err);
}

varve_status vv_segment_scrub(vv_segment *segment, const vv_segment_progress *progress,
                              vv_segment_damage_visitor visit, varve_error *out_err)
{
    damage_walk walk = {.segment = segment, .progress = progress, .visit = visit};
    varve_status status = damage_all(&walk, out_err);
    vv_alloc_free(segment->alloc, walk.frame, walk.frame_bytes);
    return status;
}
