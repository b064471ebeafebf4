/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A scan's life: the sources of a series are found in the view's segments and heads, most recent
 * last; parts come from scan_merge.c; questions whether there is anything are answered from bounds
 * where these are enough.
 */

#include "engine/scan.h"

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/live_segment_priv.h"
#include "engine/ring.h"
#include "engine/scan_priv.h"
#include "index/catalogue.h"
#include "segment/segment.h"
#include "sys/env.h"

/* ---- sources of a series ---- */

static vv_scan_source *scan_add_source(vv_scan *scan, varve_error *out_err)
{
    if (scan->source_count == scan->source_capacity) {
        size_t old = scan->source_capacity;
        size_t new = old == 0 ? 8 : old * 2;
        vv_scan_source *sources = vv_alloc_resize(scan->options.alloc, scan->sources,
                                                  old * sizeof *sources, new * sizeof *sources);
        if (sources == NULL) {
            VV_IGNORE(vv_fail(out_err, VARVE_E_NOMEM, "no memory for %zu sources of a scan", new));
            return NULL;
        }
        memset(sources + old, 0, (new - old) * sizeof *sources);
        for (size_t i = old; i < new; i++) {
            vv_arena_init(&sources[i].blobs, scan->options.alloc, SIZE_MAX);
        }
        scan->sources = sources;
        scan->source_capacity = new;
    }
    vv_scan_source *source = &scan->sources[scan->source_count++];
    source->segment = NULL;
    source->refs = NULL;
    source->pieces = NULL;
    source->next = 0;
    source->end = 0;
    source->last_sequence = 0;
    source->is_open = false;
    return source;
}

/** Whether [first, last] touches the range of the scan. */
static bool scan_meets(const vv_scan *scan, int64_t first, int64_t last)
{
    varve_range range = scan->range;
    return last >= range.start && (first < range.end || range.end == INT64_MAX);
}

bool vv_scan_is_before(const vv_scan *scan, uint64_t last_sequence)
{
    return !scan->is_last && scan->options.with_row_ids &&
           last_sequence <= scan->options.after_row_id;
}

static varve_status scan_add_segment(vv_scan *scan, vv_live_segment *segment, varve_error *out_err)
{
    if (!scan_meets(scan, segment->info.first_time, segment->info.last_time)) {
        return VARVE_OK;
    }
    uint32_t index = vv_live_segment_find(segment, scan->series);
    if (index == UINT32_MAX) {
        return VARVE_OK;
    }
    vv_chunk chunk;
    VV_TRY(vv_segment_chunk(segment->segment, index, &chunk, out_err));
    if (chunk.vector_count == 0 || !scan_meets(scan, chunk.first_time, chunk.last_time) ||
        vv_scan_is_before(scan, chunk.last_sequence)) {
        return VARVE_OK;
    }
    vv_vector_ref *refs = vv_arena_array(&scan->arena, chunk.vector_count, sizeof *refs);
    if (refs == NULL) {
        return vv_arena_fail(&scan->arena, chunk.vector_count * sizeof *refs, out_err);
    }
    VV_TRY(vv_segment_vector_refs(segment->segment, &chunk, 0, chunk.vector_count, refs, out_err));
    size_t first = 0;
    size_t end = chunk.vector_count;
    while (first < end && !scan_meets(scan, refs[first].first_time, refs[first].last_time)) {
        first++;
    }
    while (end > first && !scan_meets(scan, refs[end - 1].first_time, refs[end - 1].last_time)) {
        end--;
    }
    if (first == end) {
        return VARVE_OK;
    }
    vv_scan_source *source = scan_add_source(scan, out_err);
    if (source == NULL) {
        return VARVE_E_NOMEM;
    }
    source->segment = segment;
    source->refs = refs;
    source->next = first;
    source->end = end;
    source->last_sequence = chunk.last_sequence;
    return VARVE_OK;
}

varve_status vv_scan_add_pieces(vv_scan *scan, const vv_head_piece *pieces, size_t count,
                                varve_error *out_err)
{
    vv_scan_source *source = scan_add_source(scan, out_err);
    if (source == NULL) {
        return VARVE_E_NOMEM;
    }
    source->pieces = pieces;
    source->end = count;
    return VARVE_OK;
}

static varve_status scan_add_head(vv_scan *scan, vv_head *head, varve_error *out_err)
{
    vv_head_pieces pieces;
    if (vv_head_is_frozen(head) && vv_scan_is_before(scan, vv_head_last_sequence(head))) {
        return VARVE_OK;
    }
    VV_TRY(vv_head_read(head, scan->series, scan->view->visible, scan->range,
                        scan->options.fields == NULL ? NULL : scan->columns, scan->column_count,
                        &scan->arena, &pieces, out_err));
    VV_TRY(vv_scan_hides_add(scan, pieces.hides, pieces.hide_count, out_err));
    if (pieces.in_order_count > 0) {
        VV_TRY(vv_scan_add_pieces(scan, pieces.in_order, pieces.in_order_count, out_err));
    }
    for (size_t i = 0; i < pieces.late_count; i++) {
        VV_TRY(vv_scan_add_pieces(scan, &pieces.late[i], 1, out_err));
    }
    return VARVE_OK;
}

/** S2: the wanted fields that the series ever had here. */
static varve_status scan_set_columns(vv_scan *scan, varve_error *out_err)
{
    const vv_schema *schema = vv_catalogue_schema(scan->view->db->catalogue, scan->series);
    if (schema->count > scan->column_capacity) {
        size_t capacity = schema->count < 8 ? 8 : schema->count;
        uint32_t *columns =
            vv_alloc_resize(scan->options.alloc, scan->columns,
                            scan->column_capacity * sizeof *columns, capacity * sizeof *columns);
        if (columns == NULL) {
            return vv_fail(out_err, VARVE_E_NOMEM, "no memory for %u columns", schema->count);
        }
        scan->columns = columns;
        scan->column_capacity = capacity;
    }
    scan->column_count = 0;
    size_t wanted = 0;
    for (uint32_t i = 0; i < schema->count; i++) {
        uint32_t field = schema->fields[i].field;
        if (scan->options.fields != NULL) {
            while (wanted < scan->options.field_count && scan->options.fields[wanted] < field) {
                wanted++;
            }
            if (wanted == scan->options.field_count || scan->options.fields[wanted] != field) {
                continue;
            }
        }
        scan->columns[scan->column_count++] = field;
    }
    return VARVE_OK;
}

static varve_status scan_set_tombstones(vv_scan *scan, varve_error *out_err)
{
    const vv_version *version = scan->view->version;
    scan->tombstone_count = 0;
    scan->tombstones = NULL;
    for (size_t i = 0; i < version->tombstone_count; i++) {
        vv_tombstone *tombstone = version->tombstones[i];
        if (vv_tombstone_is_of_rows(tombstone) || tombstone->sequence > scan->view->visible ||
            !scan_meets(scan, tombstone->range.start, tombstone->range.end) ||
            !vv_idset_contains(&tombstone->series, scan->series)) {
            continue;
        }
        if (scan->tombstones == NULL) {
            scan->tombstones = vv_arena_array(&scan->arena, version->tombstone_count - i,
                                              sizeof *scan->tombstones);
            if (scan->tombstones == NULL) {
                return vv_arena_fail(&scan->arena, sizeof *scan->tombstones, out_err);
            }
        }
        scan->tombstones[scan->tombstone_count++] = tombstone;
    }
    return VARVE_OK;
}

/** The part of the range that retention shows of the series; false: there is none. */
static bool scan_set_range(vv_scan *scan)
{
    const vv_catalogue *catalogue = scan->view->db->catalogue;
    int64_t cut = vv_view_cut(scan->view, vv_catalogue_metric_id(catalogue, scan->series));
    scan->range = scan->options.range;
    if (cut > scan->range.start && !scan->options.is_raw) {
        scan->range.start = cut;
    }
    return scan->range.end == INT64_MAX || scan->range.start < scan->range.end;
}

void vv_scan_drop_sources(vv_scan *scan)
{
    for (size_t i = 0; i < scan->source_count; i++) {
        vv_block_unpin(scan->view->db->cache, &scan->sources[i].pin);
        scan->sources[i].is_open = false;
    }
    scan->source_count = 0;
}

varve_status vv_scan_restart(vv_scan *scan, uint32_t series, varve_error *out_err)
{
    vv_scan_drop_sources(scan);
    vv_arena_reset(&scan->arena);
    scan->series = series;
    scan->vector_source = NULL;
    varve_db *db = scan->view->db;
    vv_metric_policy policy =
        vv_catalogue_policy(db->catalogue, vv_catalogue_metric_id(db->catalogue, series));
    bool is_raw = scan->options.is_raw;
    const vv_ring_state *ring =
        is_raw ? NULL : vv_ring_set_find(scan->view->version->rings, series);
    scan->is_last = ring != NULL || (!is_raw && policy.duplicates == VARVE_DUPLICATES_LAST);
    scan->has_row_ids = policy.has_row_ids && ring == NULL && !is_raw;
    scan->column_count = 0;
    scan->tombstone_count = 0;
    vv_vec_clear(&scan->hides);
    if (!scan_set_range(scan)) {
        return VARVE_OK;
    }
    VV_TRY(scan_set_columns(scan, out_err));
    if (ring != NULL) {
        return vv_scan_add_ring(scan, ring, out_err);
    }
    if (!is_raw) {
        VV_TRY(scan_set_tombstones(scan, out_err));
        VV_TRY(vv_scan_hides_begin(scan, out_err));
    }
    for (size_t i = 0; !is_raw && i < scan->view->version->segment_count; i++) {
        varve_status status = scan_add_segment(scan, scan->view->version->segments[i], out_err);
        if (scan->options.skip_damage && (status == VARVE_E_CORRUPT || status == VARVE_E_IO)) {
            scan->has_damage = true;
            status = VARVE_OK;
        }
        VV_TRY(status);
    }
    for (size_t i = 0; i < scan->view->head_count; i++) {
        VV_TRY(scan_add_head(scan, scan->view->heads[i], out_err));
    }
    vv_scan_hides_end(scan);
    return VARVE_OK;
}

void vv_scan_set_range(vv_scan *scan, varve_range range)
{
    scan->options.range = range;
}

varve_status vv_scan_open(vv_view *view, uint32_t series, const vv_scan_options *options,
                          vv_scan **out_scan, varve_error *out_err)
{
    *out_scan = NULL;
    vv_scan *scan = vv_alloc_zeroed(options->alloc, sizeof *scan);
    if (scan == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a scan");
    }
    scan->view = view;
    scan->options = *options;
    vv_arena_init(&scan->arena, options->alloc, SIZE_MAX);
    vv_arena_init(&scan->out.blobs, options->alloc, SIZE_MAX);
    vv_vec_init(&scan->hides, options->alloc, sizeof(vv_head_hide), SIZE_MAX);
    vv_view_ref(view);
    varve_status status = vv_scan_restart(scan, series, out_err);
    if (status != VARVE_OK) {
        vv_scan_close(scan);
        return status;
    }
    *out_scan = scan;
    return VARVE_OK;
}

void vv_scan_close(vv_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    vv_alloc *alloc = scan->options.alloc;
    vv_scan_drop_sources(scan);
    for (size_t i = 0; i < scan->source_capacity; i++) {
        vv_scan_source_deinit(scan, &scan->sources[i]);
    }
    vv_alloc_free(alloc, scan->sources, scan->source_capacity * sizeof *scan->sources);
    vv_alloc_free(alloc, scan->columns, scan->column_capacity * sizeof *scan->columns);
    vv_alloc_free(alloc, scan->keep, (scan->keep_capacity + 63) / 64 * 8);
    vv_alloc_free(alloc, scan->sequences, scan->keep_capacity * 8);
    vv_scan_out_deinit(scan);
    vv_vec_deinit(&scan->hides);
    vv_arena_deinit(&scan->arena);
    vv_view_unref(scan->view);
    vv_alloc_free(alloc, scan, sizeof *scan);
}

/** Whether every row of the open unit has a value of a wanted column. */
static bool scan_is_full(const vv_scan *scan, const vv_scan_source *source)
{
    for (size_t i = 0; i < scan->column_count; i++) {
        if (source->columns[i].type != VARVE_TYPE_NONE && source->columns[i].present == NULL) {
            return true;
        }
    }
    return false;
}

varve_status vv_scan_rows(vv_scan *scan, vv_rows *out_rows, varve_error *out_err)
{
    vv_scan_source *source = scan->vector_source;
    if (source == NULL) {
        *out_rows = scan->part.rows;
        return VARVE_OK;
    }
    VV_TRY(vv_scan_unit_decode(scan, source, out_err));
    source->is_open = false; /* the unit was taken as a whole */
    VV_TRY(vv_scan_out_begin(scan, out_err));
    if (scan->options.fields == NULL || scan->options.keep_all_rows || scan_is_full(scan, source)) {
        vv_scan_out_view(scan, source, out_rows);
        return VARVE_OK;
    }
    bool was_descending = scan->options.is_descending;
    scan->options.is_descending = false; /* the rows of a part always ascend */
    varve_status status = vv_scan_out_slice(scan, source, 0, source->row_end, out_err);
    if (status == VARVE_OK) {
        vv_scan_out_finish(scan, out_rows);
    }
    scan->options.is_descending = was_descending;
    return status;
}

bool vv_scan_column(const vv_scan *scan, uint32_t field, vv_vector_column *out_column)
{
    const vv_scan_source *source = scan->vector_source;
    if (source == NULL) {
        return false;
    }
    if (source->segment != NULL) {
        field = vv_live_segment_field_of(source->segment, field);
    }
    return field != 0 && vv_vector_find(&source->vector, field, out_column);
}

bool vv_scan_has_damage(const vv_scan *scan)
{
    return scan->has_damage;
}

/* ---- existence ---- */

varve_status vv_scan_has_row(vv_scan *scan, bool *out_has, varve_error *out_err)
{
    for (size_t i = 0; i < scan->source_count; i++) {
        if (vv_scan_source_is_sure(scan, &scan->sources[i])) {
            *out_has = true;
            return VARVE_OK;
        }
    }
    const vv_part *part;
    VV_TRY(vv_scan_next(scan, &part, out_err));
    *out_has = part != NULL;
    return VARVE_OK;
}

varve_status vv_scan_has_value(vv_scan *scan, uint32_t field, bool *out_has, varve_error *out_err)
{
    *out_has = false;
    for (;;) {
        const vv_part *part;
        VV_TRY(vv_scan_next(scan, &part, out_err));
        if (part == NULL) {
            return VARVE_OK;
        }
        vv_vector_column column;
        if (part->kind == VV_PART_ROWS ||
            (vv_scan_column(scan, field, &column) && column.present_count > 0)) {
            *out_has = true;
            return VARVE_OK;
        }
    }
}

varve_status vv_scan_exists(vv_view *view, uint32_t series, varve_range range,
                            vv_codec_scratch *scratch, bool *out_exists, varve_error *out_err)
{
    static const uint32_t no_field = 0;
    vv_scan_options options = {
        .range = range,
        .fields = &no_field,
        .keep_all_rows = true,
        .alloc = &view->db->alloc,
        .scratch = scratch,
    };
    vv_scan *scan;
    VV_TRY(vv_scan_open(view, series, &options, &scan, out_err));
    varve_status status = vv_scan_has_row(scan, out_exists, out_err);
    vv_scan_close(scan);
    return status;
}

varve_status vv_scan_field_exists(vv_view *view, uint32_t series, uint32_t field,
                                  vv_codec_scratch *scratch, bool *out_exists, varve_error *out_err)
{
    vv_scan_options options = {
        .range = {.start = INT64_MIN, .end = INT64_MAX},
        .fields = &field,
        .field_count = 1,
        .alloc = &view->db->alloc,
        .scratch = scratch,
    };
    vv_scan *scan;
    VV_TRY(vv_scan_open(view, series, &options, &scan, out_err));
    varve_status status = vv_scan_has_value(scan, field, out_exists, out_err);
    vv_scan_close(scan);
    return status;
}
