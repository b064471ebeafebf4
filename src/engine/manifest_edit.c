/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of the manifest to bytes and back. Sections with tag and length, docs/formats/manifest.md.
 *
 *   E1  Lists of ids ascend strictly in the bytes, whatever the caller's order; so applying them is
 *       a merge, and a hostile file cannot make it more.
 *   E2  A section is either understood to its last byte or refused.
 */
#include "base/assert.h"
#include "base/reader.h"
#include "base/status.h"
#include "engine/manifest_priv.h"
#include "engine/rollup_set.h"
#include "engine/scrub_record.h"
#include "model/rows.h"

/* Sections, by the tag that begins each. */
typedef enum manifest_edit_tag {
    MANIFEST_EDIT_ADD = 1,
    MANIFEST_EDIT_DROP = 2,
    MANIFEST_EDIT_ADD_TOMBSTONES = 3,
    MANIFEST_EDIT_DROP_TOMBSTONES = 4,
    MANIFEST_EDIT_POLICIES = 5,
    MANIFEST_EDIT_DATABASE = 6,
    MANIFEST_EDIT_POSITIONS = 7,
    MANIFEST_EDIT_FLAGS = 8,
    MANIFEST_EDIT_RETENTION = 9,
    MANIFEST_EDIT_RINGS = 10,
    MANIFEST_EDIT_ROLLUPS = 11,
    MANIFEST_EDIT_TIERS = 12,
    MANIFEST_EDIT_SCRUBBED = 13,
} manifest_edit_tag;

enum {
    MANIFEST_EDIT_LAST = MANIFEST_EDIT_SCRUBBED,
    MANIFEST_EDIT_OPTIONAL = 128, /* bit 7 of a tag: may be skipped */

    MANIFEST_EDIT_SEGMENT_BYTES_MIN = 11 + 16, /* a varint each, and the digest */
    MANIFEST_EDIT_COUNT_MAX = 1 << 26,         /* more do not fit a record */
};

/* ---- writing -------------------------------------------------------------------------------- */

/* The smallest id above *after among items whose id is their first member; false: none is left.
 * *is_first: nothing was given yet. */
static bool manifest_edit_next(const void *items, size_t item_size, size_t count, bool is_first,
                               uint64_t after, size_t *out_index)
{
    const uint8_t *bytes = items;
    bool is_found = false;
    uint64_t best = 0;
    for (size_t i = 0; i < count; ++i) {
        uint64_t id;
        memcpy(&id, bytes + i * item_size, sizeof id);
        if ((is_first || id > after) && (!is_found || id < best)) {
            is_found = true;
            best = id;
            *out_index = i;
        }
    }
    return is_found;
}

static bool manifest_edit_ascends(const void *items, size_t item_size, size_t count)
{
    const uint8_t *bytes = items;
    uint64_t before = 0;
    for (size_t i = 0; i < count; ++i) {
        uint64_t id;
        memcpy(&id, bytes + i * item_size, sizeof id);
        if (i > 0 && id <= before) {
            return false;
        }
        before = id;
    }
    return true;
}

typedef void (*manifest_edit_writer)(vv_buf *out, const void *item);

/* Every item by ascending id (E1). Lists come sorted or are short, so looking for each next one is
 * quick. An id that is there twice is written once: reading the bytes back shows the difference. */
static void manifest_edit_write_list(vv_buf *out, const void *items, size_t item_size, size_t count,
                                     manifest_edit_writer write)
{
    const uint8_t *bytes = items;
    (void)vv_buf_append_varint(out, count);
    if (manifest_edit_ascends(items, item_size, count)) {
        for (size_t i = 0; i < count; ++i) {
            write(out, bytes + i * item_size);
        }
        return;
    }
    uint64_t after = 0;
    size_t index = 0;
    bool is_first = true;
    while (manifest_edit_next(items, item_size, count, is_first, after, &index)) {
        write(out, bytes + index * item_size);
        memcpy(&after, bytes + index * item_size, sizeof after);
        is_first = false;
    }
}

static void manifest_edit_write_segment(vv_buf *out, const void *item)
{
    vv_manifest_segment segment;
    memcpy(&segment, item, sizeof segment);
    (void)vv_buf_append_varint(out, segment.id);
    (void)vv_buf_append_varint(out, segment.level);
    (void)vv_buf_append_varint(out, segment.flags);
    (void)vv_buf_append_varint(out, segment.bytes);
    (void)vv_buf_append_varint(out, segment.rows);
    (void)vv_buf_append_varint(out, segment.series);
    (void)vv_buf_append_varint(out, segment.vectors);
    (void)vv_buf_append_zigzag(out, segment.first_time);
    (void)vv_buf_append_zigzag(out, segment.last_time);
    (void)vv_buf_append_varint(out, segment.first_sequence);
    (void)vv_buf_append_varint(out, segment.last_sequence - segment.first_sequence);
    (void)vv_buf_append_u64(out, segment.digest[0]);
    (void)vv_buf_append_u64(out, segment.digest[1]);
}

static void manifest_edit_write_id(vv_buf *out, const void *item)
{
    uint64_t id;
    memcpy(&id, item, sizeof id);
    (void)vv_buf_append_varint(out, id);
}

static void manifest_edit_write_tombstone(vv_buf *out, const void *item)
{
    vv_manifest_tombstone tombstone;
    memcpy(&tombstone, item, sizeof tombstone);
    (void)vv_buf_append_varint(out, tombstone.id);
    (void)vv_buf_append_varint(out, tombstone.sequence);
}

static void manifest_edit_write_policies(vv_buf *out, const vv_manifest_edit *edit)
{
    (void)vv_buf_append_varint(out, edit->policy_count);
    for (size_t i = 0; i < edit->policy_count; ++i) {
        const vv_manifest_policy *policy = &edit->policies[i];
        (void)vv_buf_append_varint(out, policy->metric.size);
        (void)vv_buf_append_text(out, policy->metric);
        (void)vv_buf_append_u8(out, (uint8_t)policy->duplicates);
        (void)vv_buf_append_u8(out, (uint8_t)policy->row_ids);
    }
}

static void manifest_edit_write_positions(vv_buf *out, const vv_manifest_edit *edit)
{
    (void)vv_buf_append_varint(out, edit->flush_lsn);
    (void)vv_buf_append_varint(out, edit->durable_lsn);
    (void)vv_buf_append_varint(out, edit->log_start);
    (void)vv_buf_append_varint(out, edit->next_file_id);
    (void)vv_buf_append_varint(out, edit->next_sequence);
}

/* The content of one section; nothing where the edit has none. */
static void manifest_edit_write_section(vv_buf *out, manifest_edit_tag tag,
                                        const vv_manifest_edit *edit)
{
    switch (tag) {
    case MANIFEST_EDIT_ADD:
        manifest_edit_write_list(out, edit->add, sizeof *edit->add, edit->add_count,
                                 manifest_edit_write_segment);
        break;
    case MANIFEST_EDIT_DROP:
        manifest_edit_write_list(out, edit->drop, sizeof *edit->drop, edit->drop_count,
                                 manifest_edit_write_id);
        break;
    case MANIFEST_EDIT_ADD_TOMBSTONES:
        manifest_edit_write_list(out, edit->add_tombstones, sizeof *edit->add_tombstones,
                                 edit->add_tombstone_count, manifest_edit_write_tombstone);
        break;
    case MANIFEST_EDIT_DROP_TOMBSTONES:
        manifest_edit_write_list(out, edit->drop_tombstones, sizeof *edit->drop_tombstones,
                                 edit->drop_tombstone_count, manifest_edit_write_id);
        break;
    case MANIFEST_EDIT_POLICIES:
        manifest_edit_write_policies(out, edit);
        break;
    case MANIFEST_EDIT_DATABASE:
        (void)vv_buf_append_u8(out, (uint8_t)edit->database->precision);
        (void)vv_buf_append_u8(out, (uint8_t)edit->database->duplicates);
        (void)vv_buf_append_u8(out, (uint8_t)edit->database->row_ids);
        break;
    case MANIFEST_EDIT_RINGS:
        manifest_edit_write_list(out, edit->drop_rings, sizeof *edit->drop_rings,
                                 edit->drop_ring_count, manifest_edit_write_id);
        manifest_edit_write_list(out, edit->add_rings, sizeof *edit->add_rings,
                                 edit->add_ring_count, manifest_edit_write_id);
        break;
    case MANIFEST_EDIT_POSITIONS:
        manifest_edit_write_positions(out, edit);
        break;
    case MANIFEST_EDIT_ROLLUPS:
        (void)vv_buf_append(out, edit->rollups.data, edit->rollups.size);
        break;
    case MANIFEST_EDIT_FLAGS:
        (void)vv_buf_append_varint(out, edit->set_flags);
        (void)vv_buf_append_varint(out, edit->clear_flags);
        break;
    case MANIFEST_EDIT_RETENTION:
        vv_manifest_write_retention(out, edit);
        break;
    case MANIFEST_EDIT_TIERS:
        vv_manifest_write_tiers(out, edit);
        break;
    case MANIFEST_EDIT_SCRUBBED:
        (void)vv_buf_append(out, edit->scrubbed.data, edit->scrubbed.size);
        break;
    }
}

static bool manifest_edit_has_section(manifest_edit_tag tag, const vv_manifest_edit *edit)
{
    switch (tag) {
    case MANIFEST_EDIT_ADD:
        return edit->add_count > 0;
    case MANIFEST_EDIT_DROP:
        return edit->drop_count > 0;
    case MANIFEST_EDIT_ADD_TOMBSTONES:
        return edit->add_tombstone_count > 0;
    case MANIFEST_EDIT_DROP_TOMBSTONES:
        return edit->drop_tombstone_count > 0;
    case MANIFEST_EDIT_POLICIES:
        return edit->policy_count > 0;
    case MANIFEST_EDIT_DATABASE:
        return edit->database != NULL;
    case MANIFEST_EDIT_RINGS:
        return edit->add_ring_count + edit->drop_ring_count > 0;
    case MANIFEST_EDIT_POSITIONS:
        return (edit->flush_lsn | edit->durable_lsn | edit->log_start | edit->next_file_id |
                edit->next_sequence) != 0;
    case MANIFEST_EDIT_ROLLUPS:
        return edit->rollups.size > 0;
    case MANIFEST_EDIT_FLAGS:
        return (edit->set_flags | edit->clear_flags) != 0;
    case MANIFEST_EDIT_RETENTION:
        return edit->retention_count > 0 || edit->has_reference;
    case MANIFEST_EDIT_TIERS:
        return vv_manifest_has_tiers(edit);
    case MANIFEST_EDIT_SCRUBBED:
        return edit->scrubbed.size > 0;
    }
    VV_UNREACHABLE();
}

varve_status vv_manifest_encode(const vv_manifest_edit *edit, vv_buf *out, varve_error *out_err)
{
    vv_buf content;
    vv_buf_init(&content, out->alloc, VV_FRAME_PAYLOAD_BYTES_MAX);
    for (unsigned number = MANIFEST_EDIT_ADD; number <= MANIFEST_EDIT_LAST; ++number) {
        manifest_edit_tag tag = (manifest_edit_tag)number;
        if (!manifest_edit_has_section(tag, edit)) {
            continue;
        }
        vv_buf_truncate(&content, 0);
        manifest_edit_write_section(&content, tag, edit);
        (void)vv_buf_append_u8(out, (uint8_t)tag);
        (void)vv_buf_append_varint(out, content.size);
        (void)vv_buf_append(out, content.data, content.size);
    }
    varve_status status = vv_buf_check(&content, out_err);
    if (status == VARVE_OK) {
        status = vv_buf_check(out, out_err);
    }
    vv_buf_deinit(&content);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* What one record is read from and into. */
typedef struct manifest_edit_source {
    vv_reader section;
    vv_arena *arena;
    vv_arena *texts;
    vv_manifest_edit *edit;
} manifest_edit_source;

static varve_status manifest_edit_read_segments(manifest_edit_source *source, varve_error *out_err)
{
    vv_reader *reader = &source->section;
    size_t count =
        vv_reader_count(reader, MANIFEST_EDIT_SEGMENT_BYTES_MIN, MANIFEST_EDIT_COUNT_MAX);
    vv_manifest_segment *segments = vv_arena_array(source->arena, count, sizeof *segments);
    if (segments == NULL) {
        return vv_arena_fail(source->arena, count * sizeof *segments, out_err);
    }
    for (size_t i = 0; i < count; ++i) {
        vv_manifest_segment *segment = &segments[i];
        *segment = (vv_manifest_segment){.tier = 0};
        segment->id = vv_reader_varint(reader);
        segment->level = (uint32_t)vv_reader_varint_max(reader, UINT32_MAX);
        segment->flags = (uint32_t)vv_reader_varint_max(reader, UINT32_MAX);
        segment->bytes = vv_reader_varint(reader);
        segment->rows = vv_reader_varint(reader);
        segment->series = vv_reader_varint(reader);
        segment->vectors = vv_reader_varint(reader);
        segment->first_time = vv_reader_zigzag(reader);
        segment->last_time = vv_reader_zigzag(reader);
        segment->first_sequence = vv_reader_varint(reader);
        segment->last_sequence = segment->first_sequence + vv_reader_varint(reader);
        segment->digest[0] = vv_reader_u64(reader);
        segment->digest[1] = vv_reader_u64(reader);
    }
    if (!manifest_edit_ascends(segments, sizeof *segments, count)) {
        vv_reader_spoil(reader);
    }
    source->edit->add = segments;
    source->edit->add_count = count;
    return VARVE_OK;
}

static varve_status manifest_edit_read_ids(manifest_edit_source *source, const uint64_t **out_ids,
                                           size_t *out_count, varve_error *out_err)
{
    vv_reader *reader = &source->section;
    size_t count = vv_reader_count(reader, 1, MANIFEST_EDIT_COUNT_MAX);
    uint64_t *ids = vv_arena_array(source->arena, count, sizeof *ids);
    if (ids == NULL) {
        return vv_arena_fail(source->arena, count * sizeof *ids, out_err);
    }
    for (size_t i = 0; i < count; ++i) {
        ids[i] = vv_reader_varint(reader);
    }
    if (!manifest_edit_ascends(ids, sizeof *ids, count)) {
        vv_reader_spoil(reader);
    }
    *out_ids = ids;
    *out_count = count;
    return VARVE_OK;
}

static varve_status manifest_edit_read_tombstones(manifest_edit_source *source,
                                                  varve_error *out_err)
{
    vv_reader *reader = &source->section;
    size_t count = vv_reader_count(reader, 2, MANIFEST_EDIT_COUNT_MAX);
    vv_manifest_tombstone *tombstones = vv_arena_array(source->arena, count, sizeof *tombstones);
    if (tombstones == NULL) {
        return vv_arena_fail(source->arena, count * sizeof *tombstones, out_err);
    }
    for (size_t i = 0; i < count; ++i) {
        tombstones[i].id = vv_reader_varint(reader);
        tombstones[i].sequence = vv_reader_varint(reader);
    }
    if (!manifest_edit_ascends(tombstones, sizeof *tombstones, count)) {
        vv_reader_spoil(reader);
    }
    source->edit->add_tombstones = tombstones;
    source->edit->add_tombstone_count = count;
    return VARVE_OK;
}

static varve_status manifest_edit_read_policies(manifest_edit_source *source, varve_error *out_err)
{
    vv_reader *reader = &source->section;
    size_t count = vv_reader_count(reader, 4, MANIFEST_EDIT_COUNT_MAX);
    vv_manifest_policy *policies = vv_arena_array(source->arena, count, sizeof *policies);
    if (policies == NULL) {
        return vv_arena_fail(source->arena, count * sizeof *policies, out_err);
    }
    for (size_t i = 0; i < count; ++i) {
        size_t size = (size_t)vv_reader_varint_max(reader, VV_METRIC_BYTES_MAX);
        varve_text metric = vv_reader_text(reader, size);
        policies[i].duplicates = vv_reader_u8(reader);
        policies[i].row_ids = vv_reader_u8(reader);
        if (size == 0 || policies[i].duplicates > VARVE_DUPLICATES_ALL ||
            policies[i].row_ids > VARVE_ROW_IDS_ON) {
            vv_reader_spoil(reader);
        }
        if (vv_arena_copy(source->texts, metric, &policies[i].metric) != VARVE_OK) {
            return vv_arena_fail(source->texts, metric.size, out_err);
        }
    }
    source->edit->policies = policies;
    source->edit->policy_count = count;
    return VARVE_OK;
}

static varve_status manifest_edit_read_database(manifest_edit_source *source, varve_error *out_err)
{
    vv_reader *reader = &source->section;
    vv_manifest_database *database = vv_arena_new(source->arena, sizeof *database);
    if (database == NULL) {
        return vv_arena_fail(source->arena, sizeof *database, out_err);
    }
    database->precision = vv_reader_u8(reader);
    database->duplicates = vv_reader_u8(reader);
    database->row_ids = vv_reader_u8(reader);
    if (database->precision > VARVE_PRECISION_S || database->duplicates > VARVE_DUPLICATES_ALL ||
        database->row_ids > VARVE_ROW_IDS_ON) {
        vv_reader_spoil(reader);
    }
    source->edit->database = database;
    return VARVE_OK;
}

/* What the section holds, kept as it is. */
static varve_status manifest_edit_keep(manifest_edit_source *source, vv_bytes *out_bytes,
                                       varve_error *out_err)
{
    vv_reader *reader = &source->section;
    size_t size = vv_reader_left(reader);
    uint8_t *own = vv_arena_copy_bytes(source->texts, vv_reader_bytes(reader, size), size);
    if (own == NULL) {
        return vv_arena_fail(source->texts, size, out_err);
    }
    *out_bytes = vv_bytes_make(own, size);
    return VARVE_OK;
}

/* Read once to know that they can be read (E2). */
static varve_status manifest_edit_read_rollups(manifest_edit_source *source, varve_error *out_err)
{
    vv_rollup_set *set;
    VV_TRY(manifest_edit_keep(source, &source->edit->rollups, out_err));
    VV_TRY(vv_rollup_set_read(source->edit->rollups, source->texts->alloc, &set, out_err));
    vv_rollup_set_unref(set);
    return VARVE_OK;
}

/* The same. */
static varve_status manifest_edit_read_scrubbed(manifest_edit_source *source, varve_error *out_err)
{
    vv_scrub_record record;
    VV_TRY(manifest_edit_keep(source, &source->edit->scrubbed, out_err));
    return vv_scrub_record_read(source->edit->scrubbed, &record, out_err);
}

static varve_status manifest_edit_read_section(manifest_edit_source *source, unsigned tag,
                                               varve_error *out_err)
{
    vv_reader *reader = &source->section;
    vv_manifest_edit *edit = source->edit;
    switch (tag) {
    case MANIFEST_EDIT_ADD:
        return manifest_edit_read_segments(source, out_err);
    case MANIFEST_EDIT_DROP:
        return manifest_edit_read_ids(source, &edit->drop, &edit->drop_count, out_err);
    case MANIFEST_EDIT_ADD_TOMBSTONES:
        return manifest_edit_read_tombstones(source, out_err);
    case MANIFEST_EDIT_DROP_TOMBSTONES:
        return manifest_edit_read_ids(source, &edit->drop_tombstones, &edit->drop_tombstone_count,
                                      out_err);
    case MANIFEST_EDIT_POLICIES:
        return manifest_edit_read_policies(source, out_err);
    case MANIFEST_EDIT_DATABASE:
        return manifest_edit_read_database(source, out_err);
    case MANIFEST_EDIT_POSITIONS:
        edit->flush_lsn = vv_reader_varint(reader);
        edit->durable_lsn = vv_reader_varint(reader);
        edit->log_start = vv_reader_varint(reader);
        edit->next_file_id = vv_reader_varint(reader);
        edit->next_sequence = vv_reader_varint(reader);
        return VARVE_OK;
    case MANIFEST_EDIT_FLAGS:
        edit->set_flags = (uint32_t)vv_reader_varint_max(reader, UINT32_MAX);
        edit->clear_flags = (uint32_t)vv_reader_varint_max(reader, UINT32_MAX);
        return VARVE_OK;
    case MANIFEST_EDIT_RETENTION:
        return vv_manifest_read_retention(reader, source->arena, edit, out_err);
    case MANIFEST_EDIT_RINGS:
        VV_TRY(manifest_edit_read_ids(source, &edit->drop_rings, &edit->drop_ring_count, out_err));
        return manifest_edit_read_ids(source, &edit->add_rings, &edit->add_ring_count, out_err);
    case MANIFEST_EDIT_TIERS:
        return vv_manifest_read_tiers(reader, source->arena, edit, out_err);
    case MANIFEST_EDIT_ROLLUPS:
        return manifest_edit_read_rollups(source, out_err);
    case MANIFEST_EDIT_SCRUBBED:
        return manifest_edit_read_scrubbed(source, out_err);
    default:
        if ((tag & MANIFEST_EDIT_OPTIONAL) == 0) {
            return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                           "an edit holds a section %u, which needs a newer varve", tag);
        }
        vv_reader_skip(reader, vv_reader_left(reader));
        return VARVE_OK;
    }
}

varve_status vv_manifest_decode(vv_bytes bytes, vv_arena *arena, vv_arena *texts,
                                vv_manifest_edit *out_edit, varve_error *out_err)
{
    vv_manifest_edit edit = {0};
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    unsigned tag_before = 0;
    while (vv_reader_left(&reader) > 0) {
        unsigned tag = vv_reader_u8(&reader);
        size_t size = (size_t)vv_reader_varint_max(&reader, vv_reader_left(&reader));
        manifest_edit_source source = {
            .section = vv_reader_sub(&reader, size), .arena = arena, .texts = texts, .edit = &edit};
        VV_TRY(manifest_edit_read_section(&source, tag, out_err));
        bool is_in_order = (tag & MANIFEST_EDIT_OPTIONAL) != 0 || tag > tag_before;
        if (!vv_reader_is_done(&source.section) || !is_in_order) {
            return vv_fail(out_err, VARVE_E_CORRUPT, "section %u of an edit makes no sense", tag);
        }
        tag_before = (tag & MANIFEST_EDIT_OPTIONAL) != 0 ? tag_before : tag;
    }
    VV_ASSERT(!vv_reader_is_bad(&reader)); /* or the last section would have been */
    *out_edit = edit;
    return VARVE_OK;
}
