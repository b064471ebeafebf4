/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where something happened behind a sequence:
 *
 *   heads      row by row where a block has rows on both sides of the sequence or came late; else
 *              from its first to its last time
 *   segments   chunk by chunk: a chunk knows the greatest sequence of its sources only, so one that
 *              was flushed since counts as a whole
 *   deletes    their ranges
 */

#include "engine/rollup_spans.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/checked.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/head.h"
#include "engine/live_segment_priv.h"
#include "engine/ring.h"
#include "engine/scan.h"
#include "index/catalogue.h"
#include "model/labels.h"
#include "segment/segment.h"

/* ---- lists ---- */

void vv_rollup_spans_init(vv_vec *spans, vv_alloc *alloc)
{
    vv_vec_init(spans, alloc, sizeof(vv_rollup_span), SIZE_MAX);
}

/** Push behind the others; joined with the last one where they touch. */
static varve_status spans_push(vv_vec *spans, vv_rollup_span span, varve_error *out_err)
{
    if (spans->count > 0) {
        vv_rollup_span *last = VV_VEC_AT(spans, vv_rollup_span, spans->count - 1);
        bool touches =
            span.first >= last->first && (span.first <= last->last || span.first - last->last == 1);
        if (touches) {
            last->last = span.last > last->last ? span.last : last->last;
            return VARVE_OK;
        }
    }
    varve_status status = vv_vec_push(spans, &span);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(spans, status, out_err);
}

static int spans_compare(const void *a, const void *b)
{
    uint64_t x = ((const vv_rollup_span *)a)->first;
    uint64_t y = ((const vv_rollup_span *)b)->first;
    return (x > y) - (x < y);
}

static void spans_join(vv_vec *spans)
{
    if (spans->count < 2) {
        return;
    }
    vv_rollup_span *items = VV_VEC_ITEMS(spans, vv_rollup_span);
    qsort(items, spans->count, sizeof *items, spans_compare);
    size_t kept = 0;
    for (size_t i = 1; i < spans->count; i++) {
        if (items[i].first <= items[kept].last || items[i].first - items[kept].last == 1) {
            items[kept].last = items[i].last > items[kept].last ? items[i].last : items[kept].last;
        } else {
            items[++kept] = items[i];
        }
    }
    spans->count = kept + 1;
}

varve_status vv_rollup_spans_add(vv_vec *spans, vv_rollup_span span, varve_error *out_err)
{
    VV_TRY(spans_push(spans, span, out_err));
    spans_join(spans);
    return VARVE_OK;
}

/* ---- sources ---- */

typedef struct spans_search {
    const vv_rollup_look *look;
    uint32_t series;
    uint64_t after, last;
    int64_t last_time; /* of bucket `last` */
    vv_arena arena;
    vv_vec *spans;
} spans_search;

/** Buckets of the closed range of times, as far as they are asked for. */
static varve_status spans_add_times(spans_search *search, int64_t first, int64_t last,
                                    varve_error *out_err)
{
    if (first > search->last_time) {
        return VARVE_OK;
    }
    const vv_buckets *buckets = search->look->buckets;
    vv_rollup_span span = {.first = vv_buckets_index(buckets, first),
                           .last = vv_buckets_index(buckets, last)};
    span.last = span.last < search->last ? span.last : search->last;
    return spans_push(search->spans, span, out_err);
}

/** Rows of a piece, one by one: those above the sequence. */
static varve_status spans_add_rows(spans_search *search, const vv_head_piece *piece,
                                   const int64_t *times, const uint64_t *sequences,
                                   varve_error *out_err)
{
    for (uint32_t i = 0; i < piece->rows; i++) {
        if (sequences[i] > search->after && sequences[i] <= search->look->view->visible) {
            VV_TRY(spans_add_times(search, times[i], times[i], out_err));
        }
    }
    return VARVE_OK;
}

static varve_status spans_add_piece(spans_search *search, const vv_head_piece *piece,
                                    varve_error *out_err)
{
    if (piece->last_sequence <= search->after || piece->first_time > search->last_time) {
        return VARVE_OK;
    }
    bool is_mixed = piece->first_sequence <= search->after || piece->is_late;
    if (!is_mixed) {
        return spans_add_times(search, piece->first_time, piece->last_time, out_err);
    }
    if (!piece->is_encoded) {
        return spans_add_rows(search, piece, piece->plain.times, piece->sequences, out_err);
    }
    vv_vector vector;
    VV_TRY(vv_vector_parse(piece->vector, &vector, out_err));
    int64_t *times = vv_arena_array(&search->arena, piece->rows, sizeof *times);
    uint64_t *sequences = vv_arena_array(&search->arena, piece->rows, sizeof *sequences);
    if (times == NULL || sequences == NULL) {
        return vv_arena_fail(&search->arena, piece->rows * sizeof *times, out_err);
    }
    VV_TRY(vv_vector_times(&vector, search->look->scratch, times, out_err));
    VV_TRY(vv_head_piece_sequences(piece, search->look->scratch, sequences, out_err));
    return spans_add_rows(search, piece, times, sequences, out_err);
}

static varve_status spans_add_head(spans_search *search, vv_head *head, varve_error *out_err)
{
    static const uint32_t no_field = 0; /* times and sequences are enough */
    if (vv_head_is_frozen(head) && vv_head_last_sequence(head) <= search->after) {
        return VARVE_OK;
    }
    vv_head_pieces pieces;
    varve_range range = vv_range_of_closed(INT64_MIN, search->last_time);
    VV_TRY(vv_head_read(head, search->series, search->look->view->visible, range, &no_field, 1,
                        &search->arena, &pieces, out_err));
    for (size_t i = 0; i < pieces.in_order_count; i++) {
        VV_TRY(spans_add_piece(search, &pieces.in_order[i], out_err));
    }
    for (size_t i = 0; i < pieces.late_count; i++) {
        VV_TRY(spans_add_piece(search, &pieces.late[i], out_err));
    }
    return VARVE_OK;
}

static varve_status spans_add_segment(spans_search *search, const vv_live_segment *segment,
                                      varve_error *out_err)
{
    uint32_t index = vv_live_segment_find(segment, search->series);
    vv_chunk chunk;
    if (segment->info.last_sequence <= search->after || index == UINT32_MAX) {
        return VARVE_OK;
    }
    VV_TRY(vv_segment_chunk(segment->segment, index, &chunk, out_err));
    if (chunk.vector_count == 0 || chunk.last_sequence <= search->after) {
        return VARVE_OK;
    }
    return spans_add_times(search, chunk.first_time, chunk.last_time, out_err);
}

static varve_status spans_add_deletes(spans_search *search, varve_error *out_err)
{
    const vv_view *view = search->look->view;
    for (size_t i = view->version->tombstone_count; i-- > 0;) {
        const vv_tombstone *tombstone = view->version->tombstones[i];
        if (tombstone->sequence <= search->after) {
            break; /* they ascend */
        }
        if (tombstone->sequence <= view->visible &&
            vv_idset_contains(&tombstone->series, search->series)) {
            VV_TRY(spans_add_times(search, tombstone->range.start, vv_range_last(tombstone->range),
                                   out_err));
        }
    }
    return VARVE_OK;
}

static varve_status spans_search_all(spans_search *search, varve_error *out_err)
{
    const vv_view *view = search->look->view;
    for (size_t i = 0; i < view->version->segment_count; i++) {
        VV_TRY(spans_add_segment(search, view->version->segments[i], out_err));
    }
    for (size_t i = 0; i < view->head_count; i++) {
        VV_TRY(spans_add_head(search, view->heads[i], out_err));
    }
    return spans_add_deletes(search, out_err);
}

varve_status vv_rollup_spans(const vv_rollup_look *look, uint32_t series, uint64_t after,
                             uint64_t last, vv_vec *spans, varve_error *out_err)
{
    spans_search search = {
        .look = look, .series = series, .after = after, .last = last, .spans = spans};
    uint64_t greatest = vv_buckets_index(look->buckets, INT64_MAX);
    search.last_time = last >= greatest ? INT64_MAX : vv_buckets_start(look->buckets, last + 1) - 1;
    vv_arena_init(&search.arena, look->alloc, SIZE_MAX);
    varve_status status = spans_search_all(&search, out_err);
    vv_arena_deinit(&search.arena);
    spans_join(spans);
    return status;
}

/* ---- how far ---- */

bool vv_rollup_can_keep(const vv_view *view, uint32_t series)
{
    return vv_ring_set_find(view->version->rings, series) == NULL;
}

varve_status vv_rollup_kept_series(varve_db *db, const vv_rollup *rollup, uint32_t series,
                                   uint32_t *out_kept, varve_error *out_err)
{
    char buffer[VV_ROLLUP_NAME_BYTES];
    const varve_label *labels;
    size_t count;
    *out_kept = 0;
    VV_TRY(vv_catalogue_labels(db->catalogue, series, &labels, &count, out_err));
    varve_status status =
        vv_catalogue_resolve(db->catalogue, vv_rollup_metric(rollup->generation, buffer), labels,
                             count, /* existing_only */ true, out_kept, out_err);
    if (status == VARVE_E_NOT_FOUND) {
        *out_kept = 0;
        return VARVE_OK;
    }
    return status;
}

/** The newest row of the scan, whose only column is the sequence. */
static varve_status spans_take_checkpoint(const vv_rollup_look *look, vv_scan *scan,
                                          vv_rollup_checkpoint *out, varve_error *out_err)
{
    const vv_part *part;
    VV_TRY(vv_scan_next(scan, &part, out_err));
    if (part == NULL || part->rows.count == 0) {
        return VARVE_OK;
    }
    size_t row = part->rows.count - 1; /* the rows of a part ascend */
    const varve_column *column = part->rows.column_count == 1 ? part->rows.columns : NULL;
    if (column == NULL || column->type != VARVE_TYPE_U64 || !vv_column_has(column, row)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a rollup has a checkpoint that is no number");
    }
    out->exists = true;
    out->through = vv_buckets_index(look->buckets, part->rows.times[row]) + 1;
    out->sequence = ((const uint64_t *)column->values)[row];
    return VARVE_OK;
}

varve_status vv_rollup_read_checkpoint(const vv_rollup_look *look, uint32_t kept,
                                       vv_rollup_checkpoint *out_checkpoint, varve_error *out_err)
{
    *out_checkpoint = (vv_rollup_checkpoint){0};
    uint32_t field;
    varve_status status =
        vv_catalogue_field(look->view->db->catalogue, VARVE_STR(VV_ROLLUP_SEQUENCE_FIELD),
                           /* existing_only */ true, &field, NULL);
    if (status != VARVE_OK || kept == 0) {
        return VARVE_OK;
    }
    vv_scan_options options = {
        .range = {.start = INT64_MIN, .end = INT64_MAX},
        .fields = &field,
        .field_count = 1,
        .is_descending = true,
        .no_vectors = true,
        .alloc = look->alloc,
        .scratch = look->scratch,
    };
    vv_scan *scan;
    VV_TRY(vv_scan_open(look->view, kept, &options, &scan, out_err));
    status = spans_take_checkpoint(look, scan, out_checkpoint, out_err);
    vv_scan_close(scan);
    return status;
}

/* ---- the newest time ---- */

int64_t vv_rollup_horizon(const varve_db *db)
{
    int64_t ahead_ns = INT64_C(15) * 60 * VV_NS_PER_S;
    return vv_time_convert_saturating(vv_sat_add_i64(vv_env_wall_ns(&db->env), ahead_ns),
                                      VARVE_PRECISION_NS, db->precision);
}

typedef struct spans_newest {
    int64_t limit;
    bool has;
    int64_t newest;
} spans_newest;

/** A piece from first to last. */
static void spans_see(spans_newest *seen, int64_t first, int64_t last)
{
    int64_t time = last <= seen->limit ? last : first;
    if (time <= seen->limit && (!seen->has || time > seen->newest)) {
        seen->has = true;
        seen->newest = time;
    }
}

/** A segment that reaches beyond the limit: chunk by chunk, of those vector by vector. */
static varve_status spans_see_chunks(spans_newest *seen, const vv_view *view,
                                     const vv_live_segment *segment, varve_error *out_err)
{
    vv_arena arena;
    vv_arena_init(&arena, &view->db->alloc, SIZE_MAX);
    varve_status status = VARVE_OK;
    for (uint32_t i = 0; i < segment->series_count && status == VARVE_OK; i++) {
        vv_chunk chunk;
        if (vv_metric_is_internal(
                vv_catalogue_metric(view->db->catalogue, segment->series_ids[i]))) {
            continue;
        }
        status = vv_segment_chunk(segment->segment, i, &chunk, out_err);
        if (status != VARVE_OK || chunk.vector_count == 0 || chunk.first_time > seen->limit) {
            continue;
        }
        if (chunk.last_time <= seen->limit) {
            spans_see(seen, chunk.first_time, chunk.last_time);
            continue;
        }
        vv_arena_reset(&arena);
        vv_vector_ref *refs = vv_arena_array(&arena, chunk.vector_count, sizeof *refs);
        status = refs == NULL ? vv_arena_fail(&arena, chunk.vector_count * sizeof *refs, out_err)
                              : vv_segment_vector_refs(segment->segment, &chunk, 0,
                                                       chunk.vector_count, refs, out_err);
        for (size_t at = 0; at < chunk.vector_count && status == VARVE_OK; at++) {
            spans_see(seen, refs[at].first_time, refs[at].last_time);
        }
    }
    vv_arena_deinit(&arena);
    return status;
}

varve_status vv_rollup_newest(vv_view *view, int64_t limit, bool *out_has, int64_t *out_newest,
                              varve_error *out_err)
{
    spans_newest seen = {.limit = limit};
    for (size_t i = 0; i < view->version->segment_count; i++) {
        const vv_live_segment *segment = view->version->segments[i];
        if (segment->info.rows > 0 && segment->info.last_time <= limit) {
            /* What rollups keep lies at the beginnings of buckets, so it is never the newest. */
            spans_see(&seen, segment->info.last_time, segment->info.last_time);
        } else if (segment->info.rows > 0) {
            VV_TRY(spans_see_chunks(&seen, view, segment, out_err));
        }
    }
    for (size_t i = 0; i < view->head_count; i++) {
        int64_t newest;
        if (vv_head_newest(view->heads[i], limit, &newest)) {
            spans_see(&seen, newest, newest);
        }
    }
    *out_has = seen.has;
    *out_newest = seen.newest;
    return VARVE_OK;
}
