/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers from what rollups keep (engine/rollup.h), where they are those of the rows:
 *
 *   range   |--------------------------------------------|
 *   kept       [b1][b2][b3][b4][b5][b6]                        up to the checkpoint
 *   dirty              [b3]                                    something came since
 *   read    rows|b1 b2 |rows|b4 b5 b6  |rows ------------|
 *
 *   V1  Everything is read from the cursor's view: rows, kept rows, checkpoint, and what came
 * behind it. So a pass that runs beside a cursor changes nothing of its answer.
 *
 *   V2  A kept bucket goes into a slot only when all of it lies in the range and in the slot's
 *       bucket; a partial counts there as its values would (query/partial.h).
 *
 *   V3  A bucket whose partial was not kept, or holds another type than the query accumulates, is
 *       read from rows; so is what cannot be read of what is kept.
 *
 *   V4  A bucket that retention cuts into is read from rows.
 */

#include "base/status.h"
#include "engine/rollup_spans.h"
#include "engine/rollup_status.h"
#include "index/catalogue.h"
#include "model/rows.h"
#include "model/value.h"
#include "query/aggregate_priv.h"
#include "query/partial.h"

/* A series with more dirty places is read from rows: each place costs two scans. Arbitrary. */
enum { ROLLUP_PLACES_MAX = 128 };

typedef struct rollup_candidate {
    const vv_rollup *rollup;
    vv_selection *selection;
} rollup_candidate;

struct vv_aggregate_rollups {
    vv_rollup_set *set;           /* a reference */
    rollup_candidate *candidates; /* the one to prefer first */
    size_t count;
    vv_partial *partials; /* of one kept row, one for each field */
    vv_vec dirty;
    uint32_t aggregation;
    bool was_used, was_partial; /* told the counters */
};

typedef struct vv_aggregate_rollups vv_aggregate_rollups;

/* ---- which rollups may answer ---- */

/** The aggregation that all outputs of fields ask for; NONE: there is none, or several. */
static uint32_t rollup_aggregation(const vv_plan *plan)
{
    uint32_t aggregation = VARVE_AGG_NONE;
    for (size_t i = 0; i < plan->output_count; i++) {
        const vv_plan_output *output = &plan->outputs[i];
        if (output->kind != VARVE_OUTPUT_FIELD) {
            continue;
        }
        if (aggregation != VARVE_AGG_NONE && aggregation != output->aggregation) {
            return VARVE_AGG_NONE;
        }
        aggregation = output->aggregation;
    }
    return aggregation;
}

static bool rollup_may_answer(const varve_cursor *cursor, const vv_plan *plan)
{
    uint32_t without = VARVE_QUERY_NO_STATISTICS | VARVE_QUERY_PARTIAL;
    /* Of a damaged log only the intact part is shown, and a rollup may know more. */
    bool is_cut = cursor->db->is_damaged && cursor->db->is_readonly;
    return !cursor->is_internal && !is_cut && plan->bucket.kind == VARVE_BUCKET_FIXED &&
           (plan->flags & without) == 0 && plan->predicate_count == 0 && plan->after_row_id == 0;
}

/** Whether its buckets and fields are those of the query, or parts of them (V2). */
static bool rollup_fits(const vv_aggregate *state, const vv_rollup *rollup, uint32_t aggregation)
{
    const vv_plan *plan = state->plan;
    uint64_t interval = rollup->buckets.width;
    if (rollup->given.aggregation != aggregation || state->buckets.width % interval != 0 ||
        state->buckets.shift % interval != rollup->buckets.shift) {
        return false;
    }
    bool is_whole = state->buckets.width == interval && plan->grouping == VARVE_GROUP_SERIES;
    if (aggregation == VARVE_AGG_MEDIAN && !is_whole) {
        return false; /* medians of parts say nothing */
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].kind == VARVE_OUTPUT_FIELD &&
            !vv_rollup_keeps_field(&rollup->given, plan->outputs[i].name)) {
            return false;
        }
    }
    return true;
}

/** Fewer rows to read, then fewer series: their results are equal. */
static bool rollup_is_better(const vv_rollup *a, const vv_rollup *b)
{
    return a->buckets.width != b->buckets.width ? a->buckets.width > b->buckets.width
                                                : a->given.matcher_count > b->given.matcher_count;
}

static varve_status rollup_add_candidate(varve_cursor *cursor, vv_aggregate_rollups *rollups,
                                         const vv_rollup *rollup, varve_error *out_err)
{
    vv_selection *selection;
    VV_TRY(vv_rollup_selection(rollup, &cursor->db->alloc, &selection, out_err));
    size_t at = rollups->count++;
    for (; at > 0 && rollup_is_better(rollup, rollups->candidates[at - 1].rollup); at--) {
        rollups->candidates[at] = rollups->candidates[at - 1];
    }
    rollups->candidates[at] = (rollup_candidate){.rollup = rollup, .selection = selection};
    return VARVE_OK;
}

varve_status vv_aggregate_find_rollups(varve_cursor *cursor, vv_aggregate *state,
                                       varve_error *out_err)
{
    uint32_t aggregation = rollup_aggregation(state->plan);
    if (aggregation == VARVE_AGG_NONE || !rollup_may_answer(cursor, state->plan) ||
        !vv_rollups_exist(cursor->db)) {
        return VARVE_OK;
    }
    vv_aggregate_rollups *rollups = vv_arena_zeroed(&cursor->arena, sizeof *rollups);
    if (rollups == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    vv_rollup_spans_init(&rollups->dirty, &cursor->alloc);
    rollups->aggregation = aggregation;
    rollups->set = vv_rollups_current(cursor->db);
    state->rollups = rollups;
    rollups->candidates =
        vv_arena_array(&cursor->arena, rollups->set->count, sizeof *rollups->candidates);
    rollups->partials =
        vv_arena_array(&cursor->arena, state->field_count, sizeof *rollups->partials);
    if (rollups->candidates == NULL || rollups->partials == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < rollups->set->count; i++) {
        const vv_rollup *rollup = &rollups->set->items[i];
        if (rollup_fits(state, rollup, aggregation)) {
            VV_TRY(rollup_add_candidate(cursor, rollups, rollup, out_err));
        }
    }
    return VARVE_OK;
}

void vv_aggregate_free_rollups(varve_cursor *cursor, vv_aggregate *state)
{
    (void)cursor;
    vv_aggregate_rollups *rollups = state->rollups;
    if (rollups == NULL) {
        return;
    }
    for (size_t i = 0; i < rollups->count; i++) {
        vv_selection_free(rollups->candidates[i].selection);
    }
    vv_vec_deinit(&rollups->dirty);
    vv_rollup_set_unref(rollups->set);
}

/** The rollup that has the series; NULL: none. */
static varve_status rollup_choose(varve_cursor *cursor, const vv_aggregate_rollups *rollups,
                                  uint32_t series, const vv_rollup **out_rollup,
                                  varve_error *out_err)
{
    vv_catalogue *catalogue = cursor->db->catalogue;
    uint32_t metric_id = vv_catalogue_metric_id(catalogue, series);
    varve_text metric = vv_catalogue_metric_name(catalogue, metric_id);
    *out_rollup = NULL;
    if (vv_catalogue_policy(catalogue, metric_id).has_row_ids) {
        return VARVE_OK; /* see U5 of rollup.h */
    }
    for (size_t i = 0; i < rollups->count && *out_rollup == NULL; i++) {
        const varve_label *labels;
        size_t label_count;
        bool is_selected;
        if (!vv_text_equal(rollups->candidates[i].rollup->given.metric, metric)) {
            continue;
        }
        VV_TRY(vv_catalogue_labels(catalogue, series, &labels, &label_count, out_err));
        varve_status status = vv_selection_matches(rollups->candidates[i].selection, metric, labels,
                                                   label_count, &is_selected, out_err);
        if (status == VARVE_E_LIMIT) {
            continue; /* a pattern gave up: rows know the answer too */
        }
        VV_TRY(status);
        *out_rollup = is_selected ? rollups->candidates[i].rollup : NULL;
    }
    return VARVE_OK;
}

/* ---- one series ---- */

/** A series on its way through a rollup. */
typedef struct rollup_walk {
    varve_cursor *cursor;
    vv_aggregate *state;
    const vv_rollup *rollup;
    uint32_t series, kept;
    int64_t next; /* time from which nothing has been read yet ... */
    bool is_done; /* ... unless the axis has ended */
    bool read_kept, read_rows;
    bool has_failed; /* in rows, which may be in slots in part */
} rollup_walk;

/** A query counts once, however many series a rollup answers. */
static void rollup_count(const rollup_walk *walk)
{
    vv_counters *counters = &walk->cursor->db->counters;
    vv_aggregate_rollups *rollups = walk->state->rollups;
    if (walk->read_kept && !rollups->was_used) {
        atomic_fetch_add_explicit(&counters->rollup_plans, 1, memory_order_relaxed);
        rollups->was_used = true;
    }
    if (walk->read_kept && walk->read_rows && !rollups->was_partial) {
        atomic_fetch_add_explicit(&counters->rollup_partial_plans, 1, memory_order_relaxed);
        rollups->was_partial = true;
    }
}

/** Read rows up to and with `last`. */
static varve_status rollup_read_rows(rollup_walk *walk, int64_t last, varve_error *out_err)
{
    if (walk->is_done || walk->next > last) {
        return VARVE_OK;
    }
    varve_range range = vv_range_of_closed(walk->next, last);
    varve_status status =
        vv_aggregate_rows(walk->cursor, walk->state, walk->series, range, out_err);
    walk->read_rows = true;
    walk->has_failed = status != VARVE_OK;
    walk->is_done = last == INT64_MAX;
    walk->next = walk->is_done ? last : last + 1;
    return status;
}

/** Last time of a bucket in front of another. */
static int64_t rollup_bucket_last(const rollup_walk *walk, uint64_t bucket)
{
    return vv_buckets_start(&walk->rollup->buckets, bucket + 1) - 1;
}

/** The partials of a kept row; *out_fits false: read the rows of its bucket (V3). */
static varve_status rollup_take_partials(rollup_walk *walk, const vv_rows *rows, size_t row,
                                         bool *out_fits, varve_error *out_err)
{
    vv_aggregate *state = walk->state;
    vv_aggregate_rollups *rollups = state->rollups;
    *out_fits = true;
    for (size_t i = 0; i < state->field_count; i++) {
        vv_partial *partial = &rollups->partials[i];
        const varve_column *column = vv_rows_find(rows, state->fields[i].field);
        *partial = (vv_partial){.type = VARVE_TYPE_NONE};
        if (column == NULL || !vv_column_has(column, row)) {
            continue;
        }
        if (vv_type_family(column->type) != VARVE_TYPE_STRING) {
            return vv_fail(out_err, VARVE_E_CORRUPT, "a rollup has a value that is no partial");
        }
        varve_text text = ((const varve_text *)column->values)[row];
        VV_TRY(vv_partial_read(vv_bytes_make(text.data, text.size), rollups->aggregation,
                               rows->times[row], partial, out_err));
        bool has_type = partial->type == VARVE_TYPE_NONE || partial->type == state->fields[i].type;
        *out_fits = *out_fits && !partial->is_raw && has_type;
    }
    return VARVE_OK;
}

/** A kept row into its slot. */
static varve_status rollup_add_row(rollup_walk *walk, int64_t time, varve_error *out_err)
{
    vv_aggregate *state = walk->state;
    vv_aggregate_rollups *rollups = state->rollups;
    vv_aggregate_slot *slot = NULL;
    uint64_t points = 0;
    if (!vv_aggregate_in_bucket(state, time)) {
        vv_aggregate_set_bucket(state, time);
    }
    for (size_t i = 0; i < state->field_count; i++) {
        const vv_partial *partial = &rollups->partials[i];
        if (partial->type == VARVE_TYPE_NONE) {
            continue;
        }
        if (slot == NULL) {
            VV_TRY(vv_aggregate_slot_of(walk->cursor, state, &slot, out_err));
        }
        VV_TRY(vv_partial_merge(&slot->accumulators[i], partial, &state->slots_arena, out_err));
        slot->added += partial->accumulator.stats.count + partial->accumulator.stats.nan_count +
                       partial->accumulator.blobs;
        points++;
    }
    atomic_fetch_add_explicit(&walk->cursor->db->counters.rollup_points_read, points,
                              memory_order_relaxed);
    return VARVE_OK;
}

static varve_status rollup_take_rows(rollup_walk *walk, const vv_rows *rows, varve_error *out_err)
{
    for (size_t row = 0; row < rows->count; row++) {
        int64_t time = rows->times[row];
        uint64_t bucket = vv_buckets_index(&walk->rollup->buckets, time);
        bool fits;
        VV_TRY(rollup_take_partials(walk, rows, row, &fits, out_err));
        walk->next = time; /* what lies before is kept, and empty */
        if (fits) {
            VV_TRY(rollup_add_row(walk, time, out_err));
            walk->next = rollup_bucket_last(walk, bucket) + 1;
        } else {
            VV_TRY(rollup_read_rows(walk, rollup_bucket_last(walk, bucket), out_err));
        }
    }
    return VARVE_OK;
}

/** The kept rows of the buckets [first, last], all clean. */
static varve_status rollup_read_kept(rollup_walk *walk, uint64_t first, uint64_t last,
                                     varve_error *out_err)
{
    const vv_plan *plan = walk->state->plan;
    const vv_buckets *buckets = &walk->rollup->buckets;
    vv_scan_options options = {
        .range =
            vv_range_of_closed(vv_buckets_start(buckets, first), vv_buckets_start(buckets, last)),
        .fields = plan->fields,
        .field_count = plan->field_count,
        .no_vectors = true,
        .poll = vv_cursor_poll_context,
        .poll_context = walk->cursor,
        .alloc = &walk->cursor->alloc,
        .scratch = walk->cursor->scratch,
    };
    vv_scan *scan;
    const vv_part *part = NULL;
    VV_TRY(vv_scan_open(walk->cursor->view, walk->kept, &options, &scan, out_err));
    varve_status status = VARVE_OK;
    do {
        status = vv_scan_next(scan, &part, out_err);
        if (status == VARVE_OK && part != NULL) {
            status = rollup_take_rows(walk, &part->rows, out_err);
        }
    } while (status == VARVE_OK && part != NULL);
    vv_scan_close(scan);
    if (status == VARVE_OK) {
        walk->next = rollup_bucket_last(walk, last) + 1;
        walk->read_kept = true;
    }
    return status;
}

/** The buckets [first, end) that lie in the range, behind the cut of retention and in front of the
 *  checkpoint. */
static void rollup_whole_buckets(const rollup_walk *walk, uint64_t through, uint64_t *out_first,
                                 uint64_t *out_end)
{
    const vv_buckets *buckets = &walk->rollup->buckets;
    varve_range range = walk->state->plan->range;
    const vv_view *view = walk->cursor->view;
    int64_t cut = vv_view_cut(view, vv_catalogue_metric_id(view->db->catalogue, walk->series));
    int64_t start = cut > range.start ? cut : range.start;
    uint64_t first = vv_buckets_index(buckets, start);
    first += vv_buckets_start(buckets, first) == start ? 0 : 1;
    int64_t last = vv_range_last(range);
    uint64_t end = through;
    if (last < INT64_MAX && vv_buckets_index(buckets, last + 1) < end) {
        end = vv_buckets_index(buckets, last + 1);
    }
    *out_first = first;
    *out_end = end;
}

/** Kept buckets and rows in turn, in order of time. */
static varve_status rollup_walk_buckets(rollup_walk *walk, uint64_t first, uint64_t end,
                                        varve_error *out_err)
{
    const vv_vec *dirty = &walk->state->rollups->dirty;
    const vv_rollup_span *spans = VV_VEC_ITEMS(dirty, const vv_rollup_span);
    for (size_t i = 0; i <= dirty->count && first < end; i++) {
        uint64_t clean_end = i < dirty->count && spans[i].first < end ? spans[i].first : end;
        int64_t start = vv_buckets_start(&walk->rollup->buckets, first);
        if (clean_end > first && start > walk->next) {
            VV_TRY(rollup_read_rows(walk, start - 1, out_err));
        }
        if (clean_end > first) {
            VV_TRY(rollup_read_kept(walk, first, clean_end - 1, out_err));
        }
        if (i < dirty->count && spans[i].last >= first) {
            first = spans[i].last + 1;
        }
    }
    return VARVE_OK;
}

/** How far the rollup is, and what came since; *out_first == *out_end: it is of no use. */
static varve_status rollup_look(rollup_walk *walk, uint64_t *out_first, uint64_t *out_end,
                                varve_error *out_err)
{
    vv_aggregate_rollups *rollups = walk->state->rollups;
    vv_rollup_look look = {.view = walk->cursor->view,
                           .buckets = &walk->rollup->buckets,
                           .alloc = &walk->cursor->alloc,
                           .scratch = walk->cursor->scratch};
    vv_rollup_checkpoint checkpoint;
    *out_first = 0;
    *out_end = 0;
    vv_vec_clear(&rollups->dirty);
    if (!vv_rollup_can_keep(walk->cursor->view, walk->series)) {
        return VARVE_OK;
    }
    VV_TRY(
        vv_rollup_kept_series(walk->cursor->db, walk->rollup, walk->series, &walk->kept, out_err));
    VV_TRY(vv_rollup_read_checkpoint(&look, walk->kept, &checkpoint, out_err));
    if (!checkpoint.exists) {
        return VARVE_OK;
    }
    uint64_t first;
    uint64_t end;
    rollup_whole_buckets(walk, checkpoint.through, &first, &end);
    if (first >= end) {
        return VARVE_OK;
    }
    VV_TRY(vv_rollup_spans(&look, walk->series, checkpoint.sequence, end - 1, &rollups->dirty,
                           out_err));
    if (rollups->dirty.count <= ROLLUP_PLACES_MAX) {
        *out_first = first;
        *out_end = end;
    }
    return VARVE_OK;
}

static bool rollup_is_unreadable(varve_status status)
{
    return status == VARVE_E_CORRUPT || status == VARVE_E_IO;
}

static varve_status rollup_series(varve_cursor *cursor, vv_aggregate *state,
                                  const vv_rollup *rollup, uint32_t series, varve_error *out_err)
{
    rollup_walk walk = {.cursor = cursor,
                        .state = state,
                        .rollup = rollup,
                        .series = series,
                        .next = state->plan->range.start};
    uint64_t first;
    uint64_t end;
    varve_error error;
    varve_status status = rollup_look(&walk, &first, &end, &error);
    if (status == VARVE_OK && first < end) {
        status = rollup_walk_buckets(&walk, first, end, &error);
    } else if (status == VARVE_OK) {
        return vv_aggregate_rows(cursor, state, series, state->plan->range, out_err);
    }
    if (status != VARVE_OK && (walk.has_failed || !rollup_is_unreadable(status))) {
        if (out_err != NULL) {
            *out_err = error;
        }
        return status;
    }
    /* Behind what is kept; or behind the place where that could not be read (V3). */
    VV_TRY(rollup_read_rows(&walk, vv_range_last(state->plan->range), out_err));
    rollup_count(&walk);
    return VARVE_OK;
}

varve_status vv_aggregate_series(varve_cursor *cursor, vv_aggregate *state, uint32_t series,
                                 varve_error *out_err)
{
    const vv_rollup *rollup = NULL;
    if (state->rollups != NULL && state->rollups->count > 0) {
        VV_TRY(rollup_choose(cursor, state->rollups, series, &rollup, out_err));
    }
    return rollup == NULL ? vv_aggregate_rows(cursor, state, series, state->plan->range, out_err)
                          : rollup_series(cursor, state, rollup, series, out_err);
}
