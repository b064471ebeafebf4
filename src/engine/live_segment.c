/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A segment file in a running database: its numbers of series and fields translated to ids of the
 * catalogue, both ways.
 *
 *   series_ids[index]   -> id                  order of the file (names)
 *   sorted_ids[k]       -> sorted_index[k]     order of ids, for looking up
 *   field_ids[k]        -> field_names[k]      order of the file's ids
 */

#include "engine/live_segment_priv.h"
#include "engine/tier.h"
#include "engine/version.h"
#include "index/catalogue.h"
#include "segment/segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "model/rows.h"
#include "sys/fork_guard.h"

static varve_status live_allocate(varve_db *db, vv_live_segment *live, varve_error *out_err)
{
    size_t series = live->series_count;
    size_t fields = live->field_count;
    live->series_ids = vv_alloc_array(&db->alloc, 3 * series, sizeof(uint32_t));
    live->field_ids = vv_alloc_array(&db->alloc, 2 * fields, sizeof(uint32_t));
    if (live->series_ids == NULL || live->field_ids == NULL) {
        return vv_fail_nomem(out_err, "series and fields of a segment",
                             (3 * series + 2 * fields) * sizeof(uint32_t));
    }
    live->sorted_ids = live->series_ids + series;
    live->sorted_index = live->sorted_ids + series;
    live->field_names = live->field_ids + fields;
    return VARVE_OK;
}

static varve_status live_resolve_fields(varve_db *db, vv_live_segment *live, varve_error *out_err)
{
    for (uint32_t i = 0; i < live->field_count; i++) {
        varve_text name;
        vv_segment_field(live->segment, i, &live->field_ids[i], &name);
        VV_TRY(vv_catalogue_field(db->catalogue, name, /* existing_only */ false,
                                  &live->field_names[i], out_err));
    }
    return VARVE_OK;
}

static varve_status live_resolve_series(varve_db *db, vv_live_segment *live, varve_error *out_err)
{
    varve_label labels[VV_LABELS_MAX];
    for (uint32_t i = 0; i < live->series_count; i++) {
        varve_text metric;
        size_t count;
        VV_TRY(
            vv_segment_series(live->segment, i, &metric, labels, VV_LABELS_MAX, &count, out_err));
        VV_TRY(vv_catalogue_resolve(db->catalogue, metric, labels, count,
                                    /* existing_only */ false, &live->series_ids[i], out_err));
    }
    return VARVE_OK;
}

static int live_compare_keys(const void *a, const void *b)
{
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

static varve_status live_sort(varve_db *db, vv_live_segment *live, varve_error *out_err)
{
    size_t bytes = live->series_count * sizeof(uint64_t);
    uint64_t *keys = vv_alloc_new(&db->alloc, bytes);
    if (keys == NULL) {
        return vv_fail_nomem(out_err, "series of a segment", bytes);
    }
    bool is_sorted = true; /* ids were given in the order of names, as a first load does */
    for (uint32_t i = 0; i < live->series_count; i++) {
        keys[i] = (uint64_t)live->series_ids[i] << 32 | i;
        is_sorted = is_sorted && (i == 0 || keys[i - 1] < keys[i]);
    }
    if (!is_sorted) {
        qsort(keys, live->series_count, sizeof *keys, live_compare_keys);
    }
    for (uint32_t i = 0; i < live->series_count; i++) {
        live->sorted_ids[i] = (uint32_t)(keys[i] >> 32);
        live->sorted_index[i] = (uint32_t)keys[i];
    }
    vv_alloc_free(&db->alloc, keys, bytes);
    return VARVE_OK;
}

/** The fields of one series as the catalogue's schema has them. */
static varve_status live_record_types(varve_db *db, const vv_live_segment *live, uint32_t index,
                                      vv_schema_field *fields, uint32_t *ids, uint32_t *types,
                                      varve_error *out_err)
{
    size_t count;
    size_t capacity = (size_t)live->field_count * VARVE_TYPE_HISTOGRAM;
    VV_TRY(vv_segment_series_fields(live->segment, index, ids, types, capacity, &count, out_err));
    VV_ASSERT(count <= capacity);
    for (size_t i = 0; i < count; i++) {
        fields[i] = (vv_schema_field){
            .field = vv_live_segment_field_name(live, ids[i]),
            .type = types[i],
        };
    }
    return vv_catalogue_set_types(db->catalogue, live->series_ids[index], fields, count, out_err);
}

static varve_status live_record_all_types(varve_db *db, const vv_live_segment *live,
                                          varve_error *out_err)
{
    /* A field occurs once per type at most. */
    size_t capacity = (size_t)live->field_count * VARVE_TYPE_HISTOGRAM;
    size_t item = sizeof(vv_schema_field) + 2 * sizeof(uint32_t);
    vv_schema_field *fields = vv_alloc_array(&db->alloc, capacity, item);
    if (fields == NULL) {
        return vv_fail_nomem(out_err, "fields of a segment", capacity * item);
    }
    uint32_t *ids = (uint32_t *)(void *)(fields + capacity);
    varve_status status = VARVE_OK;
    for (uint32_t i = 0; i < live->series_count && status == VARVE_OK; i++) {
        status = live_record_types(db, live, i, fields, ids, ids + capacity, out_err);
    }
    vv_alloc_free(&db->alloc, fields, capacity * item);
    return status;
}

static varve_status live_path(const varve_db *db, uint64_t id, char out_path[VV_PATH_BYTES_MAX],
                              varve_error *out_err)
{
    char name[VV_SEGMENT_NAME_BYTES];
    char directory[VV_PATH_BYTES_MAX];
    vv_segment_name(id, name);
    VV_TRY(vv_db_path(db, "seg", directory, out_err));
    return vv_path_join(directory, name, out_path, out_err);
}

static varve_status live_open_file(varve_db *db, vv_live_segment *live, uint64_t id,
                                   varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    if (live->tier == VV_TIER_HOT) {
        VV_TRY(live_path(db, id, path, out_err));
        return vv_segment_open(&db->env, db->cache, path, id, &live->segment, out_err);
    }
    if (db->tier == NULL) {
        return vv_fail(out_err, VARVE_E_IO, "segment %llu is in a warm directory that is not open",
                       (unsigned long long)id);
    }
    return db->tier->class->open(db->tier, id, &live->segment, out_err);
}

static varve_status live_fill(varve_db *db, vv_live_segment *live, uint64_t id, uint32_t level,
                              bool records_types, varve_error *out_err)
{
    VV_TRY(live_open_file(db, live, id, out_err));
    live->info = *vv_segment_get_info(live->segment);
    if (live->info.level != level) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "segment %llu is of level %u; the manifest says %u", (unsigned long long)id,
                       live->info.level, level);
    }
    live->series_count = vv_segment_series_count(live->segment);
    live->field_count = vv_segment_field_count(live->segment);
    VV_TRY(live_allocate(db, live, out_err));
    VV_TRY(live_resolve_fields(db, live, out_err));
    VV_TRY(live_resolve_series(db, live, out_err));
    VV_TRY(live_sort(db, live, out_err));
    return records_types ? live_record_all_types(db, live, out_err) : VARVE_OK;
}

static varve_status live_open(varve_db *db, uint64_t id, uint32_t level, uint32_t tier,
                              bool records_types, vv_live_segment **out_segment,
                              varve_error *out_err)
{
    *out_segment = NULL;
    vv_live_segment *live = vv_alloc_zeroed(&db->alloc, sizeof *live);
    if (live == NULL) {
        return vv_fail_nomem(out_err, "segment", sizeof *live);
    }
    atomic_init(&live->refs, 1);
    live->tier = tier;
    varve_status status = live_fill(db, live, id, level, records_types, out_err);
    if (status != VARVE_OK) {
        vv_live_segment_unref(db, live);
        return status;
    }
    *out_segment = live;
    return VARVE_OK;
}

varve_status vv_live_segment_open(varve_db *db, uint64_t id, uint32_t level, uint32_t tier,
                                  vv_live_segment **out_segment, varve_error *out_err)
{
    return live_open(db, id, level, tier, /* records_types */ true, out_segment, out_err);
}

varve_status vv_live_segment_open_moved(varve_db *db, const vv_live_segment *from, uint32_t tier,
                                        vv_live_segment **out_segment, varve_error *out_err)
{
    VV_TRY(live_open(db, from->info.id, from->info.level, tier, /* records_types */ false,
                     out_segment, out_err));
    vv_live_segment *moved = *out_segment;
    moved->info.first_sequence = from->info.first_sequence;
    moved->info.last_sequence = from->info.last_sequence;
    moved->applied_sequence = from->applied_sequence;
    atomic_store(&moved->expired_rows, atomic_load(&from->expired_rows));
    return VARVE_OK;
}

bool vv_live_segment_path(varve_db *db, const vv_live_segment *segment,
                          char out_path[VV_PATH_BYTES_MAX])
{
    if (segment->tier != VV_TIER_HOT) {
        return db->tier != NULL && db->tier->class->path(db->tier, segment->info.id, out_path);
    }
    return live_path(db, segment->info.id, out_path, NULL) == VARVE_OK;
}

varve_status vv_live_segment_open_written(varve_db *db, uint64_t id, uint32_t level,
                                          vv_live_segment **out_segment, varve_error *out_err)
{
    return live_open(db, id, level, VV_TIER_HOT, /* records_types */ false, out_segment, out_err);
}

void vv_live_segment_ref(vv_live_segment *segment)
{
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
}

/** Not from a forked child, which leaves files alone. */
void vv_live_segment_unlink(varve_db *db, uint64_t id, uint32_t tier)
{
    char path[VV_PATH_BYTES_MAX];
    varve_error error;
    if (vv_process_generation() != db->fork_generation) {
        return;
    }
    varve_status status;
    if (tier != VV_TIER_HOT) {
        status = db->tier->class->remove(db->tier, id, &error);
    } else {
        status = live_path(db, id, path, &error);
        if (status == VARVE_OK) {
            status = vv_vfs_unlink(db->env.vfs, path, &error);
        }
    }
    if (status != VARVE_OK) {
        vv_db_log(db, VARVE_LOG_WARN, "segment.unlink_failed", "%s; removed at the next open",
                  error.message);
    }
}

void vv_live_segment_unref(varve_db *db, vv_live_segment *segment)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (segment == NULL ||
        atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    vv_segment_unref(segment->segment);
    if (atomic_load(&segment->unlink_when_free)) {
        vv_live_segment_unlink(db, segment->info.id, segment->tier);
    }
    vv_alloc_free(&db->alloc, segment->field_ids,
                  2 * (size_t)segment->field_count * sizeof(uint32_t));
    vv_alloc_free(&db->alloc, segment->series_ids,
                  3 * (size_t)segment->series_count * sizeof(uint32_t));
    vv_alloc_free(&db->alloc, segment, sizeof *segment);
}

/* ---- looking up ---- */

/** Position of the first item at or above `wanted`. */
static uint32_t live_lower_bound(const uint32_t *items, uint32_t count, uint32_t wanted)
{
    uint32_t begin = 0;
    uint32_t end = count;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (items[middle] < wanted) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

uint32_t vv_live_segment_find(const vv_live_segment *segment, uint32_t series)
{
    uint32_t at = live_lower_bound(segment->sorted_ids, segment->series_count, series);
    bool is_found = at < segment->series_count && segment->sorted_ids[at] == series;
    return is_found ? segment->sorted_index[at] : UINT32_MAX;
}

uint32_t vv_live_segment_field_of(const vv_live_segment *segment, uint32_t catalogue_field)
{
    /* Not sorted by the catalogue's ids; a segment has few fields, and mostly at the same place. */
    for (uint32_t i = 0; i < segment->field_count; i++) {
        if (segment->field_names[i] == catalogue_field) {
            return segment->field_ids[i];
        }
    }
    return 0;
}

uint32_t vv_live_segment_field_name(const vv_live_segment *segment, uint32_t segment_field)
{
    uint32_t at = live_lower_bound(segment->field_ids, segment->field_count, segment_field);
    bool is_found = at < segment->field_count && segment->field_ids[at] == segment_field;
    return is_found ? segment->field_names[at] : 0;
}
