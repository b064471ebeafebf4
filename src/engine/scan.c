/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The merge of a series' sources by time and order of arrival (see scan.h, scan_priv.h).
 *
 *   next:  the source whose next row comes first leads. If its next unit is whole and ends before
 * any other source begins, the unit goes out as a VECTOR part, unread but for its head. Otherwise
 * rows are put together: slices of the leading source up to where another source comes in; under
 * `last` rows of equal time unite, the newer source winning field by field.
 *
 * A descending scan is the mirror image: it takes units and rows from their ends and turns each
 * part around when it is full, so that a caller that wants the newest row decodes one vector per
 * source.
 *
 *   M1  Sources are compared by (time, index of source); equal times of one source keep their
 * order. M2  The bounds of an unopened unit stand in for its rows: they are never later
 * (descending: earlier) than what it gives, so the leader is opened before a row that could come
 * after its own.
 */

#include "engine/scan.h"

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/live_segment_priv.h"
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
    varve_range range = scan->options.range;
    return last >= range.start && (first < range.end || range.end == INT64_MAX);
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
    if (chunk.vector_count == 0 || !scan_meets(scan, chunk.first_time, chunk.last_time)) {
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

static varve_status scan_add_pieces(vv_scan *scan, const vv_head_piece *pieces, size_t count,
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
    VV_TRY(vv_head_read(head, scan->series, scan->view->visible, scan->options.range,
                        scan->options.fields == NULL ? NULL : scan->columns, scan->column_count,
                        &scan->arena, &pieces, out_err));
    if (pieces.in_order_count > 0) {
        VV_TRY(scan_add_pieces(scan, pieces.in_order, pieces.in_order_count, out_err));
    }
    for (size_t i = 0; i < pieces.late_count; i++) {
        VV_TRY(scan_add_pieces(scan, &pieces.late[i], 1, out_err));
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
        if (tombstone->sequence > scan->view->visible ||
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

static void scan_unpin(vv_scan *scan)
{
    for (size_t i = 0; i < scan->source_count; i++) {
        vv_block_unpin(scan->view->db->cache, &scan->sources[i].pin);
        scan->sources[i].is_open = false;
    }
    scan->source_count = 0;
}

varve_status vv_scan_restart(vv_scan *scan, uint32_t series, varve_error *out_err)
{
    scan_unpin(scan);
    vv_arena_reset(&scan->arena);
    scan->series = series;
    scan->vector_source = NULL;
    varve_db *db = scan->view->db;
    vv_metric_policy policy =
        vv_catalogue_policy(db->catalogue, vv_catalogue_metric_id(db->catalogue, series));
    scan->is_last = policy.duplicates == VARVE_DUPLICATES_LAST;
    VV_TRY(scan_set_columns(scan, out_err));
    VV_TRY(scan_set_tombstones(scan, out_err));
    for (size_t i = 0; i < scan->view->version->segment_count; i++) {
        VV_TRY(scan_add_segment(scan, scan->view->version->segments[i], out_err));
    }
    for (size_t i = 0; i < scan->view->head_count; i++) {
        VV_TRY(scan_add_head(scan, scan->view->heads[i], out_err));
    }
    return VARVE_OK;
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
    scan_unpin(scan);
    for (size_t i = 0; i < scan->source_capacity; i++) {
        vv_scan_source_deinit(scan, &scan->sources[i]);
    }
    vv_alloc_free(alloc, scan->sources, scan->source_capacity * sizeof *scan->sources);
    vv_alloc_free(alloc, scan->columns, scan->column_capacity * sizeof *scan->columns);
    vv_alloc_free(alloc, scan->keep, (scan->keep_capacity + 63) / 64 * 8);
    vv_alloc_free(alloc, scan->sequences, scan->keep_capacity * 8);
    vv_scan_out_deinit(scan);
    vv_arena_deinit(&scan->arena);
    vv_view_unref(scan->view);
    vv_alloc_free(alloc, scan, sizeof *scan);
}

/* ---- the merge ---- */

/** Where the next row of a source lies at the earliest (descending: at the latest); false: no more.
 */
static bool scan_peek(const vv_scan *scan, const vv_scan_source *source, int64_t *out_time)
{
    if (source->is_open) {
        *out_time = scan->options.is_descending ? source->times[source->row_end - 1]
                                                : source->times[source->begin];
        return true;
    }
    int64_t first;
    int64_t last;
    uint32_t rows;
    if (!vv_scan_unit_peek(scan, source, &first, &last, &rows)) {
        return false;
    }
    *out_time = scan->options.is_descending ? last : first;
    return true;
}

/** The source whose row comes next, and the (time, index) of the runner-up. */
typedef struct scan_lead {
    vv_scan_source *source; /* NULL: every source is at its end */
    int64_t time;
    bool has_other;
    int64_t other_time;
    bool is_before_other; /* M1: at equal times the leader's rows come first */
} scan_lead;

static bool scan_precedes(const vv_scan *scan, int64_t a, size_t a_index, int64_t b, size_t b_index)
{
    if (scan->options.is_descending) {
        return a > b || (a == b && a_index > b_index);
    }
    return a < b || (a == b && a_index < b_index);
}

static scan_lead scan_find_lead(vv_scan *scan)
{
    scan_lead lead = {0};
    size_t lead_index = 0;
    size_t other_index = 0;
    for (size_t i = 0; i < scan->source_count; i++) {
        int64_t time;
        if (!scan_peek(scan, &scan->sources[i], &time)) {
            continue;
        }
        if (lead.source == NULL || scan_precedes(scan, time, i, lead.time, lead_index)) {
            if (lead.source != NULL) {
                lead.has_other = true;
                lead.other_time = lead.time;
                other_index = lead_index;
            }
            lead.source = &scan->sources[i];
            lead.time = time;
            lead_index = i;
        } else if (!lead.has_other || scan_precedes(scan, time, i, lead.other_time, other_index)) {
            lead.has_other = true;
            lead.other_time = time;
            other_index = i;
        }
    }
    lead.is_before_other =
        scan->options.is_descending ? lead_index > other_index : lead_index < other_index;
    return lead;
}

/** Whether the leader's next unit can go out as a VECTOR part. */
static bool scan_can_pass(const vv_scan *scan, const scan_lead *lead)
{
    if (lead->source->is_open || scan->options.no_vectors) {
        return false;
    }
    int64_t first;
    int64_t last;
    uint32_t rows;
    if (!vv_scan_unit_peek(scan, lead->source, &first, &last, &rows)) {
        return false;
    }
    if (lead->has_other &&
        (scan->options.is_descending ? first <= lead->other_time : last >= lead->other_time)) {
        return false;
    }
    return vv_scan_unit_is_whole(scan, lead->source);
}

/** How many rows the leader may give before another source comes in, at most `room`. */
static size_t scan_slice(const vv_scan *scan, const scan_lead *lead, size_t room)
{
    const vv_scan_source *source = lead->source;
    size_t available = source->row_end - source->begin;
    size_t count = available < room ? available : room;
    if (!lead->has_other) {
        return count;
    }
    /* Under `last` a row that meets another of its time is united, so equal times end the slice. */
    bool takes_equal = lead->is_before_other && !scan->is_last;
    size_t taken = 0;
    while (taken < count) {
        int64_t time = scan->options.is_descending ? source->times[source->row_end - 1 - taken]
                                                   : source->times[source->begin + taken];
        bool is_before =
            scan->options.is_descending ? time > lead->other_time : time < lead->other_time;
        if (!is_before && !(takes_equal && time == lead->other_time)) {
            break;
        }
        taken++;
    }
    return taken;
}

static void scan_consume(const vv_scan *scan, vv_scan_source *source, size_t count)
{
    if (scan->options.is_descending) {
        source->row_end -= count;
    } else {
        source->begin += count;
    }
    source->is_open = source->begin < source->row_end;
}

/** Copy `count` rows of the leader; descending ones are put last to first. */
static varve_status scan_copy(vv_scan *scan, vv_scan_source *source, size_t count,
                              varve_error *out_err)
{
    if (!scan->options.is_descending) {
        VV_TRY(vv_scan_out_slice(scan, source, source->begin, source->begin + count, out_err));
    } else {
        for (size_t i = 0; i < count; i++) {
            size_t row = source->row_end - 1 - i;
            VV_TRY(vv_scan_out_slice(scan, source, row, row + 1, out_err));
        }
    }
    scan_consume(scan, source, count);
    return VARVE_OK;
}

/** Open every source whose next unit may hold rows of this time (M2). */
static varve_status scan_open_at(vv_scan *scan, int64_t time, varve_error *out_err)
{
    for (size_t i = 0; i < scan->source_count; i++) {
        vv_scan_source *source = &scan->sources[i];
        int64_t at;
        while (!source->is_open && scan_peek(scan, source, &at) &&
               (scan->options.is_descending ? at >= time : at <= time)) {
            VV_TRY(vv_scan_unit_open(scan, source, out_err));
        }
    }
    return VARVE_OK;
}

/** Policy `last`: one row of all rows at `time`, in order of arrival (sources, then rows). */
static varve_status scan_unite(vv_scan *scan, int64_t time, varve_error *out_err)
{
    bool is_first = true;
    for (size_t i = 0; i < scan->source_count; i++) {
        vv_scan_source *source = &scan->sources[i];
        if (!source->is_open) {
            continue;
        }
        size_t begin = source->begin;
        size_t end = source->row_end;
        if (scan->options.is_descending) {
            begin = end;
            while (begin > source->begin && source->times[begin - 1] == time) {
                begin--;
            }
        } else {
            end = begin;
            while (end < source->row_end && source->times[end] == time) {
                end++;
            }
        }
        for (size_t row = begin; row < end; row++) {
            if (is_first) {
                VV_TRY(vv_scan_out_slice(scan, source, row, row + 1, out_err));
                is_first = false;
            } else {
                VV_TRY(vv_scan_out_unite(scan, source, row, out_err));
            }
        }
        scan_consume(scan, source, end - begin);
    }
    return VARVE_OK;
}

/** Put rows together until the part is full, the end is reached, or a vector can pass. */
static varve_status scan_gather(vv_scan *scan, varve_error *out_err)
{
    while (scan->out.count < VV_VECTOR_ROWS_MAX) {
        scan_lead lead = scan_find_lead(scan);
        if (lead.source == NULL || (scan->out.count > 0 && scan_can_pass(scan, &lead))) {
            break;
        }
        if (!lead.source->is_open) {
            VV_TRY(vv_scan_unit_open(scan, lead.source, out_err));
            continue;
        }
        size_t room = VV_VECTOR_ROWS_MAX - scan->out.count;
        bool may_slice = !scan->is_last || lead.source->is_strict;
        size_t count = may_slice ? scan_slice(scan, &lead, room) : 0;
        if (count > 0) {
            VV_TRY(scan_copy(scan, lead.source, count, out_err));
        } else if (scan->is_last) {
            VV_TRY(scan_open_at(scan, lead.time, out_err));
            VV_TRY(scan_unite(scan, lead.time, out_err));
        } else {
            /* The runner-up has not been opened, and its bound is not later than this row. */
            VV_TRY(scan_open_at(scan, lead.time, out_err));
        }
    }
    return VARVE_OK;
}

static varve_status scan_pass(vv_scan *scan, vv_scan_source *source, varve_error *out_err)
{
    VV_TRY(vv_scan_unit_take(scan, source, out_err));
    scan->vector_source = source;
    scan->part = (vv_part){
        .kind = VV_PART_VECTOR,
        .count = source->vector.count,
        .first_time = source->vector.first_time,
        .last_time = source->vector.last_time,
        .vector = &source->vector,
        .segment = source->segment,
    };
    return VARVE_OK;
}

varve_status vv_scan_next(vv_scan *scan, const vv_part **out_part, varve_error *out_err)
{
    *out_part = NULL;
    scan->vector_source = NULL;
    for (;;) {
        scan_lead lead = scan_find_lead(scan);
        if (lead.source == NULL) {
            return VARVE_OK;
        }
        if (scan_can_pass(scan, &lead)) {
            VV_TRY(scan_pass(scan, lead.source, out_err));
            /* Under `last` a vector with equal times (a late block) has rows to unite. */
            if (!scan->is_last || scan->part.vector->is_strict) {
                *out_part = &scan->part;
                return VARVE_OK;
            }
            scan->vector_source = NULL;
            VV_TRY(vv_scan_unit_decode(scan, lead.source, out_err));
        }
        VV_TRY(vv_scan_out_begin(scan, out_err));
        VV_TRY(scan_gather(scan, out_err));
        vv_scan_out_finish(scan, &scan->part.rows);
        if (scan->part.rows.count > 0) {
            scan->part.kind = VV_PART_ROWS;
            scan->part.count = scan->part.rows.count;
            scan->part.first_time = scan->part.rows.times[0];
            scan->part.last_time = scan->part.rows.times[scan->part.rows.count - 1];
            scan->part.segment = NULL;
            *out_part = &scan->part;
            return VARVE_OK;
        }
    }
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
    if (scan->options.fields == NULL || scan->options.keep_all_rows) {
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

uint64_t vv_scan_decoded_rows(const vv_scan *scan)
{
    return scan->decoded_rows;
}

/* ---- existence ---- */

varve_status vv_scan_exists(vv_view *view, uint32_t series, varve_range range,
                            vv_codec_scratch *scratch, bool *out_exists, varve_error *out_err)
{
    static const uint32_t no_field = 0;
    vv_scan_options options = {
        .range = range,
        .fields = &no_field,
        .field_count = 0,
        .keep_all_rows = true,
        .alloc = &view->db->alloc,
        .scratch = scratch,
    };
    vv_scan *scan;
    VV_TRY(vv_scan_open(view, series, &options, &scan, out_err));
    const vv_part *part;
    varve_status status = vv_scan_next(scan, &part, out_err);
    if (status == VARVE_OK) {
        *out_exists = part != NULL;
    }
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
        .no_vectors = true,
    };
    vv_scan *scan;
    VV_TRY(vv_scan_open(view, series, &options, &scan, out_err));
    const vv_part *part;
    varve_status status = vv_scan_next(scan, &part, out_err);
    if (status == VARVE_OK) {
        *out_exists = part != NULL;
    }
    vv_scan_close(scan);
    return status;
}
