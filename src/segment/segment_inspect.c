/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A segment file, described as far as its bytes allow: header and footer each by itself, then every
 * frame from the first block on. A bad frame is passed by its own size where a good frame follows
 * there, else to the next section that the footer names. What passes all that is opened and
 * verified as a whole, so that damage behind right checksums is told as well.
 */

#include <string.h>

#include "base/reader.h"
#include "base/status.h"
#include "model/labels.h"
#include "segment/segment_priv.h"

enum {
    INSPECT_CACHE_BYTES = 1024 * 1024,
    INSPECT_LABELS_MAX = 256,
};

typedef struct segment_inspect {
    const vv_env *env;
    const char *path;
    vv_facts *facts;
    vv_file *file;
    uint64_t file_bytes;
    uint64_t id;
    bool has_footer;
    vv_segment_footer footer;
    uint64_t end; /* of the frames */
    vv_buf frame; /* one, with its payload */
    uint64_t counts[VV_SECTION_COUNT];
} segment_inspect;

static varve_status segment_inspect_read(segment_inspect *inspect, uint64_t offset, size_t size,
                                         vv_bytes *out_bytes, varve_error *out_err)
{
    *out_bytes = (vv_bytes){0};
    vv_buf_reset(&inspect->frame);
    uint8_t *target = vv_buf_extend(&inspect->frame, size);
    if (target == NULL) {
        return vv_buf_check(&inspect->frame, out_err);
    }
    VV_TRY(vv_file_read_exact(inspect->file, (int64_t)offset, target, size, out_err));
    *out_bytes = vv_buf_bytes(&inspect->frame);
    return VARVE_OK;
}

/* ---- header and footer ---------------------------------------------------------------------- */

static varve_status segment_inspect_header(segment_inspect *inspect, varve_error *out_err)
{
    vv_bytes bytes;
    vv_segment_header header;
    varve_error err;
    vv_facts *facts = inspect->facts;
    VV_TRY(segment_inspect_read(inspect, 0, VV_SEGMENT_HEADER_BYTES, &bytes, out_err));
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    vv_reader_skip(&reader, 16);
    inspect->id = vv_reader_u64(&reader);
    if (vv_segment_header_read(bytes, inspect->path, inspect->id, &header, &err) != VARVE_OK) {
        vv_facts_damage(facts, "header", 0, 0, err.message);
        return VARVE_OK;
    }
    vv_facts_begin(facts, "header", 0, 0);
    vv_facts_u64(facts, "version", header.version);
    vv_facts_u64(facts, "id", header.id);
    vv_facts_u64(facts, "level", header.level);
    return VARVE_OK;
}

static void segment_inspect_tell_footer(const segment_inspect *inspect, uint64_t offset)
{
    vv_facts *facts = inspect->facts;
    const vv_segment_info *info = &inspect->footer.info;
    vv_facts_begin(facts, "footer", 0, offset);
    vv_facts_u64(facts, "rows", info->rows);
    vv_facts_u64(facts, "series", info->series);
    vv_facts_u64(facts, "vectors", info->vectors);
    vv_facts_u64(facts, "blocks", inspect->footer.block_count);
    vv_facts_i64(facts, "first_time", info->first_time);
    vv_facts_i64(facts, "last_time", info->last_time);
    vv_facts_u64(facts, "first_sequence", info->first_sequence);
    vv_facts_u64(facts, "last_sequence", info->last_sequence);
    for (uint32_t i = 0; i < inspect->footer.section_count; i++) {
        const vv_segment_section *section = &inspect->footer.sections[i];
        vv_facts_begin(facts, "section", i, section->offset);
        vv_facts_text(facts, "name", vv_text_from_string(vv_section_name(section->kind)));
        vv_facts_u64(facts, "bytes", section->size);
    }
}

static varve_status segment_inspect_footer(segment_inspect *inspect, varve_error *out_err)
{
    vv_bytes bytes;
    varve_error err;
    uint32_t size;
    uint64_t at = inspect->file_bytes - VV_SEGMENT_TRAILER_BYTES;
    inspect->end = at;
    VV_TRY(segment_inspect_read(inspect, at, VV_SEGMENT_TRAILER_BYTES, &bytes, out_err));
    if (vv_segment_trailer_read(bytes, inspect->path, inspect->file_bytes, &size, &err) !=
        VARVE_OK) {
        vv_facts_damage(inspect->facts, "footer", 0, at, err.message);
        return VARVE_OK;
    }
    at = inspect->file_bytes - size;
    VV_TRY(segment_inspect_read(inspect, at, size, &bytes, out_err));
    if (vv_segment_footer_read(bytes, inspect->path, inspect->file_bytes, inspect->id,
                               &inspect->footer, &err) != VARVE_OK) {
        vv_facts_damage(inspect->facts, "footer", 0, at, err.message);
        return VARVE_OK;
    }
    inspect->has_footer = true;
    inspect->end = at;
    segment_inspect_tell_footer(inspect, at);
    return VARVE_OK;
}

/* ---- frames --------------------------------------------------------------------------------- */

/** The frame at an offset: its head, and whether all of it is good. Sizes that make no sense give
 * size 0. */
static varve_status segment_inspect_frame(segment_inspect *inspect, uint64_t offset,
                                          vv_segment_frame *out_frame, varve_error *out_why,
                                          bool *out_is_good, varve_error *out_err)
{
    vv_bytes bytes;
    *out_is_good = false;
    *out_frame = (vv_segment_frame){0};
    if (inspect->end - offset < VV_SEGMENT_FRAME_BYTES) {
        VV_IGNORE(vv_fail(out_why, VARVE_E_CORRUPT, "the file ends inside a frame"));
        return VARVE_OK;
    }
    VV_TRY(segment_inspect_read(inspect, offset, VV_SEGMENT_FRAME_BYTES, &bytes, out_err));
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    uint32_t size = vv_reader_u32(&reader);
    out_frame->number = vv_reader_u32(&reader);
    out_frame->kind = vv_reader_u16(&reader);
    if (size == 0 || size > inspect->end - offset - VV_SEGMENT_FRAME_BYTES) {
        VV_IGNORE(vv_fail(out_why, VARVE_E_CORRUPT, "a frame of %u bytes does not fit", size));
        return VARVE_OK;
    }
    out_frame->size = size;
    VV_TRY(segment_inspect_read(inspect, offset, VV_SEGMENT_FRAME_BYTES + (size_t)size, &bytes,
                                out_err));
    *out_is_good = vv_segment_frame_check(bytes, inspect->path, offset, inspect->id,
                                          out_frame->kind, out_frame->number, out_why) == VARVE_OK;
    return VARVE_OK;
}

/** Where to go on behind a bad frame; the end when nothing tells. */
static varve_status segment_inspect_next(segment_inspect *inspect, uint64_t offset,
                                         const vv_segment_frame *bad, uint64_t *out_next,
                                         varve_error *out_err)
{
    uint64_t behind = offset + VV_SEGMENT_FRAME_BYTES + bad->size;
    *out_next = inspect->end;
    if (bad->size > 0 && behind < inspect->end) {
        vv_segment_frame frame;
        varve_error why;
        bool is_good;
        VV_TRY(segment_inspect_frame(inspect, behind, &frame, &why, &is_good, out_err));
        if (is_good) {
            *out_next = behind;
            return VARVE_OK;
        }
    }
    for (uint32_t i = 0; inspect->has_footer && i < inspect->footer.section_count; i++) {
        uint64_t begin = inspect->footer.sections[i].offset;
        *out_next = begin > offset && begin < *out_next ? begin : *out_next;
    }
    return VARVE_OK;
}

static const char *segment_inspect_part(uint32_t kind)
{
    return kind == VV_SECTION_NONE ? "block" : vv_section_name(kind);
}

static varve_status segment_inspect_frames(segment_inspect *inspect, varve_error *out_err)
{
    uint64_t offset = VV_SEGMENT_HEADER_BYTES;
    vv_facts *facts = inspect->facts;
    vv_segment_frame expected = {.kind = VV_SECTION_NONE};
    while (offset < inspect->end) {
        vv_segment_frame frame;
        varve_error why;
        bool is_good;
        VV_TRY(segment_inspect_frame(inspect, offset, &frame, &why, &is_good, out_err));
        bool is_next = frame.kind == expected.kind
                           ? frame.number == expected.number
                           : frame.kind > expected.kind && frame.number == 0;
        if (is_good && !is_next) {
            VV_IGNORE(vv_fail(&why, VARVE_E_CORRUPT, "frames before it are missing"));
        }
        if (!is_good || !is_next) {
            vv_facts_damage(facts, segment_inspect_part(is_good ? frame.kind : expected.kind),
                            is_good ? frame.number : expected.number, offset, why.message);
        }
        if (!is_good) {
            VV_TRY(segment_inspect_next(inspect, offset, &frame, &offset, out_err));
            expected.number += 1;
            continue;
        }
        if (facts->has_details) {
            vv_facts_begin(facts, segment_inspect_part(frame.kind), frame.number, offset);
            vv_facts_u64(facts, "bytes", frame.size);
        }
        inspect->counts[frame.kind < VV_SECTION_COUNT ? frame.kind : 0] += 1;
        expected.kind = frame.kind;
        expected.number = frame.number + 1;
        offset += VV_SEGMENT_FRAME_BYTES + frame.size;
    }
    return VARVE_OK;
}

/* ---- what is in it -------------------------------------------------------------------------- */

static varve_status segment_inspect_series(const segment_inspect *inspect,
                                           const vv_segment *segment, varve_error *out_err)
{
    vv_facts *facts = inspect->facts;
    vv_buf text;
    varve_status status = VARVE_OK;
    vv_buf_init(&text, inspect->env->alloc, SIZE_MAX);
    for (uint32_t i = 0; i < vv_segment_series_count(segment) && status == VARVE_OK; i++) {
        varve_label labels[INSPECT_LABELS_MAX];
        varve_text metric;
        size_t count;
        vv_chunk chunk;
        status =
            vv_segment_series(segment, i, &metric, labels, INSPECT_LABELS_MAX, &count, out_err);
        if (status == VARVE_OK) {
            status = vv_segment_chunk(segment, i, &chunk, out_err);
        }
        if (status != VARVE_OK) {
            break;
        }
        vv_buf_reset(&text);
        VV_IGNORE(vv_series_print(&text, metric, labels, count)); /* sticky */
        status = vv_buf_check(&text, out_err);
        if (status == VARVE_OK) {
            vv_facts_begin(facts, "series", i, 0);
            vv_facts_text(facts, "series", vv_buf_text(&text));
            vv_facts_u64(facts, "rows", chunk.rows);
            vv_facts_u64(facts, "vectors", chunk.vector_count);
            vv_facts_i64(facts, "first_time", chunk.first_time);
            vv_facts_i64(facts, "last_time", chunk.last_time);
        }
    }
    vv_buf_deinit(&text);
    return status;
}

static varve_status segment_inspect_content(const segment_inspect *inspect, varve_error *out_err)
{
    vv_facts *facts = inspect->facts;
    vv_block_cache *cache;
    vv_segment *segment;
    VV_TRY(vv_block_cache_create(inspect->env->alloc, INSPECT_CACHE_BYTES, &cache, out_err));
    varve_status status =
        vv_segment_open(inspect->env, cache, inspect->path, inspect->id, &segment, out_err);
    if (status == VARVE_OK) {
        for (uint32_t i = 0; i < vv_segment_field_count(segment); i++) {
            uint32_t id;
            varve_text name;
            vv_segment_field(segment, i, &id, &name);
            vv_facts_begin(facts, "field", i, 0);
            vv_facts_text(facts, "name", name);
        }
        if (facts->has_details) {
            status = segment_inspect_series(inspect, segment, out_err);
        }
        if (status == VARVE_OK) {
            status = vv_segment_verify(segment, NULL, NULL, out_err);
        }
        vv_segment_unref(segment);
    }
    vv_block_cache_free(cache);
    return status;
}

static varve_status segment_inspect_all(segment_inspect *inspect, varve_error *out_err)
{
    vv_facts *facts = inspect->facts;
    varve_error err;
    if (inspect->file_bytes < VV_SEGMENT_HEADER_BYTES + VV_SEGMENT_TRAILER_BYTES) {
        vv_facts_damage(facts, "file", 0, inspect->file_bytes, "the file is cut short");
        return VARVE_OK;
    }
    VV_TRY(segment_inspect_header(inspect, out_err));
    VV_TRY(segment_inspect_footer(inspect, out_err));
    VV_TRY(segment_inspect_frames(inspect, out_err));
    vv_facts_begin(facts, "frames", 0, VV_SEGMENT_HEADER_BYTES);
    for (uint32_t kind = 0; kind < VV_SECTION_COUNT; kind++) {
        if (inspect->counts[kind] > 0) {
            vv_facts_u64(facts, kind == VV_SECTION_NONE ? "block" : vv_section_name(kind),
                         inspect->counts[kind]);
        }
    }
    if (facts->damaged > 0) {
        return VARVE_OK;
    }
    varve_status status = segment_inspect_content(inspect, &err);
    if (status == VARVE_E_NOMEM || status == VARVE_E_IO) {
        *out_err = err;
        return status;
    }
    if (status != VARVE_OK) {
        vv_facts_damage(facts, "content", 0, 0, err.message);
    }
    return VARVE_OK;
}

varve_status vv_segment_inspect(const vv_env *env, const char *path, vv_facts *facts,
                                varve_error *out_err)
{
    segment_inspect *inspect = vv_alloc_zeroed(env->alloc, sizeof *inspect);
    varve_error ignored;
    out_err = out_err != NULL ? out_err : &ignored;
    if (inspect == NULL) {
        return vv_fail_nomem(out_err, "a look at a segment", sizeof *inspect);
    }
    inspect->env = env;
    inspect->path = path;
    inspect->facts = facts;
    vv_buf_init(&inspect->frame, env->alloc, SIZE_MAX); /* the file bounds it */
    vv_file_info info;
    varve_status status =
        vv_file_open(env->vfs, env->alloc, path, VV_OPEN_READ, &inspect->file, out_err);
    if (status == VARVE_OK) {
        status = vv_file_stat(inspect->file, &info, out_err);
    }
    if (status == VARVE_OK) {
        inspect->file_bytes = (uint64_t)info.size;
        status = segment_inspect_all(inspect, out_err);
    }
    VV_IGNORE(vv_file_close(inspect->file, NULL)); /* nothing was written */
    vv_buf_deinit(&inspect->frame);
    vv_alloc_free(env->alloc, inspect, sizeof *inspect);
    return status;
}
