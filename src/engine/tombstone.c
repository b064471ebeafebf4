/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tombstones in memory, and in del/<id>.vtb (docs/formats/tombstones.md):
 *
 *   [header 40][sequence, range, size, selection]...[lists of rows: row_list.c]...[crc32c]
 *
 *   F1  The whole file is checked before anything of it is believed.
 *   F2  A file that fails is an error of opening: a delete must not be forgotten.
 */

#include "engine/tombstone.h"

#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/crc.h"
#include "base/reader.h"
#include "base/status.h"
#include "base/text.h"
#include "engine/row_list.h"
#include "index/catalogue.h"

enum {
    TOMBSTONE_NAME_BYTES = 32, /* "<20 digits>.part" and its NUL */
    TOMBSTONE_VERSION = 1,
    TOMBSTONE_HEADER_BYTES = 40,
    TOMBSTONE_CRC_BYTES = 4,
    TOMBSTONE_ITEM_BYTES_MIN = 3 * 8 + 1, /* with an empty selection */
    TOMBSTONE_LIST_BYTES_MIN = 8 + 1      /* without rows */
};
static const char tombstone_magic[8] = {'V', 'A', 'R', 'V', 'E', 'D', 'E', 'L'};

/* ---- in memory ---- */

varve_status vv_tombstone_create(varve_db *db, uint64_t sequence, varve_range range,
                                 vv_selection *selection, vv_tombstone **out_tombstone,
                                 varve_error *out_err)
{
    *out_tombstone = NULL;
    vv_tombstone *tombstone = vv_alloc_zeroed(&db->alloc, sizeof *tombstone);
    if (tombstone == NULL) {
        return vv_fail_nomem(out_err, "delete", sizeof *tombstone);
    }
    varve_status status =
        vv_catalogue_select(db->catalogue, selection, &tombstone->series, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(&db->alloc, tombstone, sizeof *tombstone);
        return status;
    }
    atomic_init(&tombstone->refs, 1);
    tombstone->sequence = sequence;
    tombstone->range = range;
    tombstone->selection = selection;
    *out_tombstone = tombstone;
    return VARVE_OK;
}

void vv_tombstone_ref(vv_tombstone *tombstone)
{
    atomic_fetch_add_explicit(&tombstone->refs, 1, memory_order_relaxed);
}

void vv_tombstone_unref(varve_db *db, vv_tombstone *tombstone)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (tombstone == NULL ||
        atomic_fetch_sub_explicit(&tombstone->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    vv_idset_deinit(&tombstone->series, &db->alloc);
    vv_alloc_free(&db->alloc, tombstone->rows, tombstone->row_capacity * sizeof *tombstone->rows);
    vv_selection_free(tombstone->selection);
    vv_alloc_free(&db->alloc, tombstone, sizeof *tombstone);
}

/* ---- files ---- */

static void tombstone_name(uint64_t id, const char *suffix, char out_name[TOMBSTONE_NAME_BYTES])
{
    vv_text_format(out_name, TOMBSTONE_NAME_BYTES, "%020llu.%s", (unsigned long long)id, suffix);
}

varve_status vv_tombstone_file_path(const varve_db *db, uint64_t id,
                                    char out_path[VV_PATH_BYTES_MAX], varve_error *out_err)
{
    char name[TOMBSTONE_NAME_BYTES];
    char directory[VV_PATH_BYTES_MAX];
    tombstone_name(id, "vtb", name);
    VV_TRY(vv_db_path(db, "del", directory, out_err));
    return vv_path_join(directory, name, out_path, out_err);
}

/* ---- writing ---- */

static varve_status tombstone_put(vv_buf *out, vv_buf *selection, const vv_tombstone *tombstone,
                                  varve_error *out_err)
{
    vv_buf_reset(selection);
    VV_TRY(vv_selection_encode(tombstone->selection, selection, out_err));
    vv_buf_append_u64(out, tombstone->sequence);
    vv_buf_append_i64(out, tombstone->range.start);
    vv_buf_append_i64(out, tombstone->range.end);
    vv_buf_append_varint(out, selection->size);
    vv_buf_append(out, selection->data, selection->size);
    return vv_buf_check(out, out_err);
}

/** Those of one kind, in order. */
static varve_status tombstone_put_all(varve_db *db, vv_tombstone *const *tombstones, size_t count,
                                      bool of_rows, vv_buf *out, varve_error *out_err)
{
    vv_buf selection;
    vv_buf_init(&selection, &db->alloc, VV_TOMBSTONE_FILE_BYTES_MAX);
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        if (vv_tombstone_is_of_rows(tombstones[i]) != of_rows) {
            continue;
        }
        status = of_rows ? vv_row_list_put(db, tombstones[i], out, out_err)
                         : tombstone_put(out, &selection, tombstones[i], out_err);
    }
    vv_buf_deinit(&selection);
    return status;
}

static varve_status tombstone_encode(varve_db *db, uint64_t id, vv_tombstone *const *tombstones,
                                     size_t count, vv_buf *out, varve_error *out_err)
{
    uint32_t list_count = 0;
    for (size_t i = 0; i < count; i++) {
        list_count += vv_tombstone_is_of_rows(tombstones[i]) ? 1 : 0;
    }
    vv_buf_append(out, tombstone_magic, sizeof tombstone_magic);
    vv_buf_append_u16(out, TOMBSTONE_VERSION);
    vv_buf_append_u16(out, TOMBSTONE_HEADER_BYTES);
    vv_buf_append_u32(out, 0);
    vv_buf_append_u64(out, id);
    size_t size_offset = out->size;
    vv_buf_append_u64(out, 0);
    vv_buf_append_u32(out, (uint32_t)count - list_count);
    vv_buf_append_u32(out, list_count);
    VV_TRY(vv_buf_check(out, out_err));
    VV_TRY(tombstone_put_all(db, tombstones, count, /* of_rows */ false, out, out_err));
    VV_TRY(tombstone_put_all(db, tombstones, count, /* of_rows */ true, out, out_err));
    vv_buf_patch_u64(out, size_offset, out->size + TOMBSTONE_CRC_BYTES);
    vv_buf_append_u32(out, vv_crc32c(0, out->data, out->size));
    return vv_buf_check(out, out_err);
}

varve_status vv_tombstone_file_write_to(varve_db *db, const vv_tombstone_target *target,
                                        vv_tombstone *const *tombstones, size_t count,
                                        varve_error *out_err)
{
    VV_ASSERT(count > 0 && count <= UINT32_MAX);
    char part[TOMBSTONE_NAME_BYTES];
    char name[TOMBSTONE_NAME_BYTES];
    char temporary[VV_PATH_BYTES_MAX];
    char final[VV_PATH_BYTES_MAX];
    tombstone_name(target->id, "part", part);
    tombstone_name(target->id, "vtb", name);
    VV_TRY(vv_path_join(target->tmp_directory, part, temporary, out_err));
    VV_TRY(vv_path_join(target->directory, name, final, out_err));
    vv_buf bytes;
    vv_buf_init(&bytes, &db->alloc, VV_TOMBSTONE_FILE_BYTES_MAX);
    varve_status status = tombstone_encode(db, target->id, tombstones, count, &bytes, out_err);
    if (status == VARVE_OK) {
        vv_publish_sites sites = {
            .file = VV_SITE_DEL_FILE,
            .rename = VV_SITE_DEL_RENAME,
            .dir = VV_SITE_DEL_DIR,
        };
        status = vv_vfs_write_file_atomically(target->vfs, &db->alloc, temporary, final, bytes.data,
                                              bytes.size, &sites, out_err);
    }
    vv_buf_deinit(&bytes);
    return status;
}

varve_status vv_tombstone_file_write(varve_db *db, uint64_t id, vv_tombstone *const *tombstones,
                                     size_t count, varve_error *out_err)
{
    char tmp[VV_PATH_BYTES_MAX];
    char directory[VV_PATH_BYTES_MAX];
    VV_TRY(vv_db_path(db, "tmp", tmp, out_err));
    VV_TRY(vv_db_path(db, "del", directory, out_err));
    vv_tombstone_target target = {
        .vfs = db->env.vfs, .tmp_directory = tmp, .directory = directory, .id = id};
    return vv_tombstone_file_write_to(db, &target, tombstones, count, out_err);
}

/* ---- reading ---- */

static varve_status tombstone_corrupt(const char *path, const vv_reader *reader, const char *what,
                                      varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_CORRUPT, "%s: offset %zu: %s", path, vv_reader_position(reader),
                   what);
}

/** F1. The reader stands at the beginning and stays there. */
static varve_status tombstone_check_whole(const vv_reader *reader, const char *path,
                                          varve_error *out_err)
{
    if (reader->size < TOMBSTONE_HEADER_BYTES + TOMBSTONE_CRC_BYTES) {
        return tombstone_corrupt(path, reader, "the file is cut short", out_err);
    }
    if (memcmp(reader->data, tombstone_magic, sizeof tombstone_magic) != 0) {
        return tombstone_corrupt(path, reader, "not a tombstone file", out_err);
    }
    size_t size = reader->size - TOMBSTONE_CRC_BYTES;
    vv_reader end = vv_reader_of(reader->data + size, TOMBSTONE_CRC_BYTES);
    return vv_reader_u32(&end) == vv_crc32c(0, reader->data, size)
               ? VARVE_OK
               : tombstone_corrupt(path, reader, "the checksum of the file is wrong", out_err);
}

/** What the header counts. */
typedef struct tombstone_counts {
    uint32_t selections, lists;
} tombstone_counts;

/** Of a file that tombstone_check_whole has seen, or that is long enough. */
static varve_status tombstone_read_header(vv_reader *reader, const char *path, uint64_t id,
                                          tombstone_counts *out_counts, varve_error *out_err)
{
    vv_reader_skip(reader, sizeof tombstone_magic);
    uint32_t version = vv_reader_u16(reader);
    uint32_t header_size = vv_reader_u16(reader);
    uint32_t flags = vv_reader_u32(reader);
    if (version > TOMBSTONE_VERSION || flags != 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "%s: tombstone format version %u, flags %08x; this program reads version "
                       "%u without flags",
                       path, version, flags, (unsigned)TOMBSTONE_VERSION);
    }
    uint64_t stored_id = vv_reader_u64(reader);
    uint64_t size = vv_reader_u64(reader);
    tombstone_counts counts = {.selections = vv_reader_u32(reader)};
    counts.lists = vv_reader_u32(reader);
    *out_counts = counts;
    uint64_t count = (uint64_t)counts.selections + counts.lists;
    if (version == 0 || header_size != TOMBSTONE_HEADER_BYTES || stored_id != id ||
        size != reader->size || count == 0 ||
        count > vv_reader_left(reader) / TOMBSTONE_LIST_BYTES_MIN ||
        counts.selections > vv_reader_left(reader) / TOMBSTONE_ITEM_BYTES_MIN) {
        return tombstone_corrupt(path, reader, "the header is of another file", out_err);
    }
    return VARVE_OK;
}

/** What a tombstone consists of; the selection is the caller's. */
typedef struct tombstone_parts {
    uint64_t sequence;
    varve_range range;
    vv_selection *selection;
} tombstone_parts;

static varve_status tombstone_read_parts(vv_alloc *alloc, vv_reader *reader, const char *path,
                                         uint64_t sequence_before, tombstone_parts *out_parts,
                                         varve_error *out_err)
{
    out_parts->sequence = vv_reader_u64(reader);
    out_parts->range.start = vv_reader_i64(reader);
    out_parts->range.end = vv_reader_i64(reader);
    size_t size = (size_t)vv_reader_varint_max(reader, VV_TOMBSTONE_FILE_BYTES_MAX);
    const uint8_t *bytes = vv_reader_bytes(reader, size);
    if (bytes == NULL || out_parts->sequence < sequence_before ||
        out_parts->range.start >= out_parts->range.end) {
        return tombstone_corrupt(path, reader, "a tombstone", out_err);
    }
    varve_status status =
        vv_selection_decode(vv_bytes_make(bytes, size), alloc, &out_parts->selection, out_err);
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "%s: offset %zu", path, vv_reader_position(reader));
    }
    return status;
}

/** One tombstone of the file, as the caller's reference. */
static varve_status tombstone_read_item(varve_db *db, vv_reader *reader, const char *path,
                                        uint64_t id, uint64_t sequence_before,
                                        vv_tombstone **out_tombstone, varve_error *out_err)
{
    tombstone_parts parts;
    VV_TRY(tombstone_read_parts(&db->alloc, reader, path, sequence_before, &parts, out_err));
    varve_status status = vv_tombstone_create(db, parts.sequence, parts.range, parts.selection,
                                              out_tombstone, out_err);
    if (status != VARVE_OK) {
        vv_selection_free(parts.selection);
        return status;
    }
    VV_ASSERT(*out_tombstone != NULL);
    atomic_store(&(*out_tombstone)->file_id, id);
    return VARVE_OK;
}

static varve_status tombstone_keep(varve_db *db, vv_tombstone *tombstone, vv_vec *out,
                                   varve_error *out_err)
{
    varve_status status = vv_vec_push(out, &tombstone);
    if (status != VARVE_OK) {
        vv_tombstone_unref(db, tombstone);
        return vv_vec_fail(out, status, out_err);
    }
    return VARVE_OK;
}

/** A list of rows. */
static varve_status tombstone_read_list(varve_db *db, vv_reader *reader, const char *path,
                                        uint64_t id, vv_vec *out, varve_error *out_err)
{
    vv_row_list_facts facts;
    vv_tombstone *tombstone;
    varve_status status = vv_row_list_read(db, &db->alloc, reader, &facts, &tombstone, out_err);
    if (status == VARVE_E_CORRUPT) {
        return tombstone_corrupt(path, reader, "a list of rows", out_err);
    }
    VV_TRY(status);
    atomic_store(&tombstone->file_id, id);
    return tombstone_keep(db, tombstone, out, out_err);
}

static varve_status tombstone_read_items(varve_db *db, vv_reader *reader, const char *path,
                                         uint64_t id, vv_vec *out, varve_error *out_err)
{
    tombstone_counts counts;
    uint64_t sequence = 0;
    VV_TRY(tombstone_check_whole(reader, path, out_err));
    VV_TRY(tombstone_read_header(reader, path, id, &counts, out_err));
    vv_reader items = vv_reader_sub(reader, vv_reader_left(reader) - TOMBSTONE_CRC_BYTES);
    for (uint32_t i = 0; i < counts.selections; i++) {
        vv_tombstone *tombstone;
        VV_TRY(tombstone_read_item(db, &items, path, id, sequence, &tombstone, out_err));
        VV_ASSERT(tombstone != NULL);
        sequence = tombstone->sequence;
        VV_TRY(tombstone_keep(db, tombstone, out, out_err));
    }
    for (uint32_t i = 0; i < counts.lists; i++) {
        VV_TRY(tombstone_read_list(db, &items, path, id, out, out_err));
    }
    if (!vv_reader_is_done(&items)) {
        return tombstone_corrupt(path, &items, "bytes are left over", out_err);
    }
    return VARVE_OK;
}

varve_status vv_tombstone_file_read(varve_db *db, uint64_t id, vv_vec *out, varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    void *data;
    size_t size;
    size_t count_before = out->count;
    VV_TRY(vv_tombstone_file_path(db, id, path, out_err));
    VV_TRY(vv_vfs_read_file(db->env.vfs, &db->alloc, path, VV_TOMBSTONE_FILE_BYTES_MAX, &data,
                            &size, out_err));
    vv_reader reader = vv_reader_of(data, size);
    varve_status status = tombstone_read_items(db, &reader, path, id, out, out_err);
    vv_alloc_free(&db->alloc, data, size);
    while (status != VARVE_OK && out->count > count_before) {
        vv_tombstone_unref(db, *VV_VEC_AT(out, vv_tombstone *, out->count - 1));
        vv_vec_pop(out);
    }
    return status;
}

/* ---- telling ---- */

/** *out_goes_on false: what follows cannot be read. */
static varve_status tombstone_tell_selections(vv_alloc *alloc, vv_reader *reader, uint32_t count,
                                              vv_facts *facts, bool *out_goes_on,
                                              varve_error *out_err)
{
    uint64_t sequence = 0;
    *out_goes_on = false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = TOMBSTONE_HEADER_BYTES + vv_reader_position(reader);
        tombstone_parts parts;
        varve_error err;
        varve_status status =
            tombstone_read_parts(alloc, reader, "tombstones", sequence, &parts, &err);
        if (status == VARVE_E_NOMEM) {
            *out_err = err;
            return status;
        }
        if (status != VARVE_OK) {
            vv_facts_damage(facts, "tombstone", i, offset, err.message);
            return VARVE_OK;
        }
        sequence = parts.sequence;
        if (facts->has_details) {
            vv_facts_begin(facts, "tombstone", i, offset);
            vv_facts_u64(facts, "sequence", parts.sequence);
            vv_facts_i64(facts, "start", parts.range.start);
            vv_facts_i64(facts, "end", parts.range.end);
            vv_facts_u64(facts, "selections", parts.selection->item_count);
        }
        vv_selection_free(parts.selection);
    }
    *out_goes_on = true;
    return VARVE_OK;
}

static varve_status tombstone_tell_lists(vv_alloc *alloc, vv_reader *reader, uint32_t count,
                                         vv_facts *facts, bool *out_goes_on, varve_error *out_err)
{
    *out_goes_on = false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = TOMBSTONE_HEADER_BYTES + vv_reader_position(reader);
        vv_row_list_facts list;
        vv_tombstone *none;
        varve_status status = vv_row_list_read(NULL, alloc, reader, &list, &none, out_err);
        if (status == VARVE_E_CORRUPT) {
            vv_facts_damage(facts, "row list", i, offset, "a list of rows makes no sense");
            return VARVE_OK;
        }
        VV_TRY(status);
        if (facts->has_details) {
            vv_facts_begin(facts, "row list", i, offset);
            vv_facts_u64(facts, "sequence", list.sequence);
            vv_facts_u64(facts, "series", list.series);
            vv_facts_u64(facts, "rows", list.rows);
        }
    }
    *out_goes_on = true;
    return VARVE_OK;
}

static varve_status tombstone_tell_items(vv_alloc *alloc, vv_reader *reader,
                                         tombstone_counts counts, vv_facts *facts,
                                         varve_error *out_err)
{
    bool goes_on;
    VV_TRY(tombstone_tell_selections(alloc, reader, counts.selections, facts, &goes_on, out_err));
    if (goes_on) {
        VV_TRY(tombstone_tell_lists(alloc, reader, counts.lists, facts, &goes_on, out_err));
    }
    if (goes_on && !vv_reader_is_done(reader)) {
        vv_facts_damage(facts, "file", 0, TOMBSTONE_HEADER_BYTES + vv_reader_position(reader),
                        "bytes are left over");
    }
    return VARVE_OK;
}

varve_status vv_tombstone_file_inspect(vv_alloc *alloc, vv_bytes bytes, vv_facts *facts,
                                       varve_error *out_err)
{
    tombstone_counts counts;
    varve_error err;
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    vv_reader id_reader = reader;
    varve_error ignored;
    out_err = out_err != NULL ? out_err : &ignored;
    if (tombstone_check_whole(&reader, "tombstones", &err) != VARVE_OK) {
        vv_facts_damage(facts, "file", 0, 0, err.message);
    }
    if (bytes.size < TOMBSTONE_HEADER_BYTES + TOMBSTONE_CRC_BYTES) {
        return VARVE_OK;
    }
    vv_reader_skip(&id_reader, 16);
    uint64_t id = vv_reader_u64(&id_reader);
    if (tombstone_read_header(&reader, "tombstones", id, &counts, &err) != VARVE_OK) {
        vv_facts_damage(facts, "header", 0, 0, err.message);
        return VARVE_OK;
    }
    vv_facts_begin(facts, "header", 0, 0);
    vv_facts_u64(facts, "version", TOMBSTONE_VERSION);
    vv_facts_u64(facts, "id", id);
    vv_facts_u64(facts, "tombstones", counts.selections);
    vv_facts_u64(facts, "row_lists", counts.lists);
    vv_reader items = vv_reader_sub(&reader, vv_reader_left(&reader) - TOMBSTONE_CRC_BYTES);
    return tombstone_tell_items(alloc, &items, counts, facts, out_err);
}
