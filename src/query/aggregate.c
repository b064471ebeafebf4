/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Queries of aggregates. Series are put into groups; a group is worked through series by series
 * into its buckets (a sorted list of slots, found by a finger since every series ascends in time),
 * then given out. Orders by series hold one group at a time; order TIME computes all groups first
 * and sorts the slots.
 *
 *   VECTOR part inside one bucket, no predicate, statistics suffice  ->  merged, nothing decoded
 *   VECTOR part, only sums and counts asked, F64                      ->  decoded and summed in one
 * pass everything else                                                  ->  decoded, filtered, cut
 * at buckets
 *
 *   A1  Series of a group come in order of labels, so that first and last over equal times do not
 * depend on anything else. A2  A slot exists when a row with a value of some output's field fell
 * into it.
 */

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/slice.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/scan.h"
#include "engine/task.h"
#include "index/catalogue.h"
#include "model/calendar.h"
#include "model/labels.h"
#include "model/predicate.h"
#include "model/time_range.h"
#include "model/value.h"
#include "query/accumulator_priv.h"
#include "query/cursor_priv.h"
#include "sys/zoneinfo.h"

/** A field that outputs ask about. */
typedef struct aggregate_field {
    uint32_t field; /* catalogue id; 0: no series has it */
    uint32_t needs;
    uint32_t type; /* as accumulated; NONE: no values here */
} aggregate_field;

/** One bucket of one group. */
typedef struct aggregate_slot {
    int64_t start;
    size_t group;
    uint64_t added;
    vv_accumulator accumulators[]; /* one for each aggregate_field */
} aggregate_slot;

typedef struct aggregate_group {
    size_t *places; /* of its series in plan->series */
    size_t place_count;
    varve_text metric; /* common to all, or empty */
    const varve_label *labels;
    size_t label_count;
} aggregate_group;

typedef struct aggregate_state {
    vv_plan *plan;
    aggregate_field *fields;
    size_t field_count;
    aggregate_group *groups;
    size_t group_count, group_at; /* next group to work through */
    vv_scan *scan;
    vv_gather *gather;
    vv_arena slots_arena; /* slots and what they hold: of one group, or of all (order TIME) */
    aggregate_slot **slots;
    size_t slot_count, slot_capacity, slot_finger;
    size_t slot_begin; /* first slot of the group in work */
    size_t given_at;   /* next slot to give */
    uint64_t skipped, given;
    uint64_t scanned;
    vv_buckets buckets;
    vv_calendar calendar;
    vv_zone *zone;
    varve_range bucket; /* of the slot in hand */
} aggregate_state;

/* ---- buckets ---- */

static int32_t aggregate_offset_at(const void *context, int64_t unix_s)
{
    return vv_zone_offset_at(context, unix_s);
}

static int64_t aggregate_next_change(const void *context, int64_t unix_s)
{
    return vv_zone_next_change(context, unix_s);
}

static int64_t aggregate_local_to_utc(const void *context, int64_t local_s)
{
    return vv_zone_local_to_utc(context, local_s);
}

static varve_status aggregate_calendar(varve_cursor *cursor, aggregate_state *state,
                                       varve_error *out_err)
{
    const varve_bucket *bucket = &state->plan->bucket;
    int32_t offset_s = 0;
    vv_calendar_zone zone = {.offset_at = aggregate_offset_at,
                             .next_change = aggregate_next_change,
                             .local_to_utc = aggregate_local_to_utc};
    bool is_named = !vv_calendar_parse_offset(bucket->zone, &offset_s);
    if (is_named) {
        char name[VV_ZONE_NAME_BYTES_MAX + 1];
        if (bucket->zone.size > VV_ZONE_NAME_BYTES_MAX) {
            return vv_fail(out_err, VARVE_E_INVALID, "the name of a time zone is too long");
        }
        memcpy(name, bucket->zone.data, bucket->zone.size);
        name[bucket->zone.size] = '\0';
        varve_status status = vv_zone_load(&cursor->db->env, name, &state->zone, out_err);
        if (status == VARVE_E_NOT_FOUND) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "time zone %s is not known here; UTC offsets such as +02:00 always are",
                           name);
        }
        VV_TRY(status);
        zone.context = state->zone;
    }
    return vv_calendar_init(&state->calendar, bucket->unit, bucket->width, cursor->db->precision,
                            offset_s, is_named ? &zone : NULL, out_err);
}

static varve_status aggregate_buckets(varve_cursor *cursor, aggregate_state *state,
                                      varve_error *out_err)
{
    const varve_bucket *bucket = &state->plan->bucket;
    if (bucket->kind == VARVE_BUCKET_CALENDAR) {
        return aggregate_calendar(cursor, state, out_err);
    }
    if (bucket->kind == VARVE_BUCKET_FIXED) {
        bool is_from_start = (bucket->flags & VARVE_BUCKET_FROM_START) != 0;
        return vv_buckets_init(&state->buckets, bucket->width,
                               is_from_start ? state->plan->range.start : bucket->origin, out_err);
    }
    return VARVE_OK;
}

/** The bucket that holds a time. */
static varve_range aggregate_bucket_of(const aggregate_state *state, int64_t time)
{
    switch (state->plan->bucket.kind) {
    case VARVE_BUCKET_FIXED:
        return vv_buckets_range(&state->buckets, vv_buckets_index(&state->buckets, time));
    case VARVE_BUCKET_CALENDAR:
        return vv_calendar_bucket(&state->calendar, time);
    default:
        return state->plan->range;
    }
}

/* ---- slots ---- */

/** First slot of the group in work at or after `start`. */
static size_t aggregate_lower(const aggregate_state *state, int64_t start)
{
    size_t low = state->slot_begin;
    size_t high = state->slot_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (state->slots[middle]->start < start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static varve_status aggregate_insert(varve_cursor *cursor, aggregate_state *state, size_t at,
                                     int64_t start, varve_error *out_err)
{
    if (state->slot_count == state->slot_capacity) {
        size_t capacity = state->slot_capacity == 0 ? 64 : state->slot_capacity * 2;
        aggregate_slot **slots =
            vv_alloc_resize(&cursor->alloc, state->slots, state->slot_capacity * sizeof(void *),
                            capacity * sizeof(void *));
        if (slots == NULL) {
            return vv_cursor_memory(cursor, out_err);
        }
        state->slots = slots;
        state->slot_capacity = capacity;
    }
    size_t bytes = sizeof(aggregate_slot) + state->field_count * sizeof(vv_accumulator);
    aggregate_slot *slot = vv_arena_new(&state->slots_arena, bytes);
    if (slot == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    slot->start = start;
    slot->group = state->group_at;
    slot->added = 0;
    for (size_t i = 0; i < state->field_count; i++) {
        vv_accumulator_init(&slot->accumulators[i], state->fields[i].type);
    }
    memmove(state->slots + at + 1, state->slots + at,
            (state->slot_count - at) * sizeof(aggregate_slot *));
    state->slots[at] = slot;
    state->slot_count++;
    return VARVE_OK;
}

/** The slot of the bucket in hand. */
static varve_status aggregate_slot_of(varve_cursor *cursor, aggregate_state *state,
                                      aggregate_slot **out_slot, varve_error *out_err)
{
    int64_t start = state->bucket.start;
    size_t at = state->slot_finger;
    if (at < state->slot_count && at >= state->slot_begin && state->slots[at]->start < start) {
        at++; /* most often the next one */
    }
    if (at < state->slot_begin || at >= state->slot_count || state->slots[at]->start != start) {
        at = aggregate_lower(state, start);
        if (at == state->slot_count || state->slots[at]->start != start) {
            VV_TRY(aggregate_insert(cursor, state, at, start, out_err));
        }
    }
    state->slot_finger = at;
    *out_slot = state->slots[at];
    return VARVE_OK;
}

/* ---- parts into slots ---- */

static const varve_column *aggregate_column(const vv_rows *rows, uint32_t field)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        if (rows->fields[i] == field) {
            return &rows->columns[i];
        }
    }
    return NULL;
}

static varve_status aggregate_add_slice(varve_cursor *cursor, aggregate_state *state,
                                        const vv_rows *rows, const uint64_t *selected, size_t begin,
                                        size_t end, varve_error *out_err)
{
    aggregate_slot *slot;
    VV_TRY(aggregate_slot_of(cursor, state, &slot, out_err));
    for (size_t i = 0; i < state->field_count; i++) {
        const aggregate_field *field = &state->fields[i];
        const varve_column *column = aggregate_column(rows, field->field);
        if (column == NULL || field->type == VARVE_TYPE_NONE) {
            continue;
        }
        uint64_t added;
        VV_TRY(vv_accumulator_add(&slot->accumulators[i], field->type, field->needs, column,
                                  rows->times, selected, begin, end, state->gather,
                                  &state->slots_arena, &added, out_err));
        slot->added += added;
    }
    return VARVE_OK;
}

/** First row of [begin, end) behind the bucket in hand. */
static size_t aggregate_bucket_end(const aggregate_state *state, const int64_t *times, size_t begin,
                                   size_t end)
{
    if (vv_range_contains(state->bucket, times[end - 1])) {
        return end;
    }
    size_t low = begin;
    size_t high = end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vv_range_contains(state->bucket, times[middle])) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static varve_status aggregate_rows(varve_cursor *cursor, aggregate_state *state,
                                   const vv_rows *rows, varve_error *out_err)
{
    uint64_t bits[VV_VECTOR_ROWS_MAX / 64];
    const uint64_t *selected = NULL;
    size_t begin = 0;
    state->scanned += rows->count;
    atomic_fetch_add_explicit(&cursor->db->counters.rows_scanned, rows->count,
                              memory_order_relaxed);
    if (state->scanned > state->plan->scanned_rows_max) {
        return vv_fail(out_err, VARVE_E_LIMIT, "the query decoded more than %llu rows",
                       (unsigned long long)state->plan->scanned_rows_max);
    }
    if (state->plan->predicate_count > 0 || state->plan->after_row_id > 0) {
        size_t count;
        VV_TRY(vv_plan_filter(state->plan, rows, bits, &count, out_err));
        if (count == 0) {
            return VARVE_OK;
        }
        selected = count < rows->count ? bits : NULL;
    }
    while (begin < rows->count) {
        if (selected != NULL) {
            begin = vv_bits_find_set(selected, begin, rows->count);
            if (begin == rows->count) {
                break;
            }
        }
        if (!vv_range_contains(state->bucket, rows->times[begin])) {
            state->bucket = aggregate_bucket_of(state, rows->times[begin]);
        }
        size_t end = aggregate_bucket_end(state, rows->times, begin, rows->count);
        VV_TRY(aggregate_add_slice(cursor, state, rows, selected, begin, end, out_err));
        begin = end;
    }
    return VARVE_OK;
}

/** What statistics say about a column of a VECTOR part. */
static varve_status aggregate_bounds(const vv_vector_column *column, size_t rows,
                                     vv_bounds *out_bounds, varve_error *out_err)
{
    *out_bounds = (vv_bounds){.rows = rows, .values = column->present_count};
    if (!vv_type_is_number(column->type)) {
        return VARVE_OK;
    }
    vv_stats stats;
    VV_TRY(vv_vector_stats(column, &stats, out_err));
    out_bounds->nans = stats.nan_count;
    out_bounds->has_range = stats.count > 0;
    out_bounds->min.type = column->type;
    out_bounds->max.type = column->type;
    if (column->type == VARVE_TYPE_BOOL) {
        out_bounds->min.as.boolean = stats.min.u64 != 0;
        out_bounds->max.as.boolean = stats.max.u64 != 0;
    } else {
        memcpy(&out_bounds->min.as, &stats.min, sizeof stats.min);
        memcpy(&out_bounds->max.as, &stats.max, sizeof stats.max);
    }
    return VARVE_OK;
}

/** How many rows of the VECTOR part in hand can satisfy all predicates. */
static varve_status aggregate_prune(const aggregate_state *state, const vv_part *part,
                                    vv_verdict *out_verdict, varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    vv_verdict verdict = VV_VERDICT_ALL;
    for (size_t i = 0; i < plan->predicate_count && verdict != VV_VERDICT_NONE; i++) {
        vv_vector_column column;
        vv_bounds bounds = {.rows = part->count};
        if (plan->predicate_fields[i] != 0 &&
            vv_scan_column(state->scan, plan->predicate_fields[i], &column)) {
            VV_TRY(aggregate_bounds(&column, part->count, &bounds, out_err));
        }
        vv_verdict one = vv_predicate_prune(&plan->predicates[i], &bounds);
        verdict = one == VV_VERDICT_ALL ? verdict : one;
    }
    *out_verdict = verdict;
    return VARVE_OK;
}

/** Whether the statistics of the part in hand say all that the field's outputs ask. */
static bool aggregate_has_statistics(const aggregate_state *state, const aggregate_field *field,
                                     const vv_vector_column *column)
{
    uint32_t known = VV_NEEDS_STATS | VV_NEEDS_MORE;
    return (state->plan->flags & VARVE_QUERY_NO_STATISTICS) == 0 &&
           vv_type_is_number(field->type) && column->type == field->type &&
           (field->needs & ~known) == 0;
}

/** Decode-and-sum covers a column when only sums and counts are asked of it. */
static bool aggregate_can_sum(const aggregate_field *field, const vv_vector_column *column)
{
    return field->needs == VV_NEEDS_STATS && field->type == VARVE_TYPE_F64 &&
           column->type == VARVE_TYPE_F64 && column->present_count == column->count;
}

/** Add a whole VECTOR part that lies in one bucket; *out_done false: it must be decoded. */
static varve_status aggregate_vector(varve_cursor *cursor, aggregate_state *state, bool *out_done,
                                     varve_error *out_err)
{
    vv_vector_column column;
    *out_done = false;
    for (size_t i = 0; i < state->field_count; i++) {
        const aggregate_field *field = &state->fields[i];
        if (field->field != 0 && vv_scan_column(state->scan, field->field, &column) &&
            !aggregate_has_statistics(state, field, &column) &&
            !aggregate_can_sum(field, &column)) {
            return VARVE_OK;
        }
    }
    aggregate_slot *slot;
    VV_TRY(aggregate_slot_of(cursor, state, &slot, out_err));
    for (size_t i = 0; i < state->field_count; i++) {
        const aggregate_field *field = &state->fields[i];
        vv_accumulator *accumulator = &slot->accumulators[i];
        if (field->field == 0 || !vv_scan_column(state->scan, field->field, &column)) {
            continue;
        }
        slot->added += column.present_count;
        if (aggregate_has_statistics(state, field, &column)) {
            vv_stats stats;
            VV_TRY(vv_vector_stats(&column, &stats, out_err));
            vv_stats_merge(&accumulator->stats, &stats);
            atomic_fetch_add_explicit(&cursor->db->counters.vectors_by_statistics, 1,
                                      memory_order_relaxed);
        } else {
            VV_TRY(vv_vector_sum_f64(&column, cursor->scratch, &accumulator->stats, out_err));
            state->scanned += column.count;
            atomic_fetch_add_explicit(&cursor->db->counters.rows_scanned, column.count,
                                      memory_order_relaxed);
        }
    }
    *out_done = true;
    return VARVE_OK;
}

static varve_status aggregate_part(varve_cursor *cursor, aggregate_state *state,
                                   const vv_part *part, varve_error *out_err)
{
    if (part->kind == VV_PART_VECTOR && state->plan->after_row_id == 0) {
        vv_verdict verdict;
        VV_TRY(aggregate_prune(state, part, &verdict, out_err));
        if (verdict == VV_VERDICT_NONE) {
            return VARVE_OK;
        }
        if (!vv_range_contains(state->bucket, part->first_time)) {
            state->bucket = aggregate_bucket_of(state, part->first_time);
        }
        bool is_done = false;
        if (verdict == VV_VERDICT_ALL && vv_range_contains(state->bucket, part->last_time)) {
            VV_TRY(aggregate_vector(cursor, state, &is_done, out_err));
        }
        if (is_done) {
            return VARVE_OK;
        }
    }
    vv_rows rows;
    VV_TRY(vv_scan_rows(state->scan, &rows, out_err));
    atomic_fetch_add_explicit(&cursor->db->counters.vectors_decoded, 1, memory_order_relaxed);
    return aggregate_rows(cursor, state, &rows, out_err);
}

static varve_status aggregate_series(varve_cursor *cursor, aggregate_state *state, uint32_t series,
                                     varve_error *out_err)
{
    static const uint32_t nothing = 0;
    const vv_plan *plan = state->plan;
    if (state->scan == NULL) {
        vv_scan_options options = {
            .range = plan->range,
            .fields = plan->field_count == 0 ? &nothing : plan->fields,
            .field_count = plan->field_count,
            .with_row_ids = plan->with_row_ids,
            .alloc = &cursor->alloc,
            .scratch = cursor->scratch,
        };
        VV_TRY(vv_scan_open(cursor->view, series, &options, &state->scan, out_err));
    } else {
        VV_TRY(vv_scan_restart(state->scan, series, out_err));
    }
    state->slot_finger = state->slot_begin;
    for (;;) {
        const vv_part *part;
        VV_TRY(vv_cursor_poll(cursor, out_err));
        VV_TRY(vv_scan_next(state->scan, &part, out_err));
        if (part == NULL) {
            return VARVE_OK;
        }
        VV_TRY(aggregate_part(cursor, state, part, out_err));
    }
}

/* ---- fields and their types ---- */

/** Types over the series at these places; TABLE: over all, decided once. */
static varve_status aggregate_types(varve_cursor *cursor, aggregate_state *state,
                                    const uint32_t *series, size_t count, varve_error *out_err)
{
    vv_plan *plan = state->plan;
    for (size_t i = 0; i < state->field_count; i++) {
        aggregate_field *field = &state->fields[i];
        bool is_numeric;
        VV_TRY(vv_plan_type(cursor, series, count, field->field, /* is_aggregate */ true,
                            &field->type, &is_numeric, out_err));
        if (field->type == VARVE_TYPE_MIXED && is_numeric) {
            field->type = VARVE_TYPE_F64; /* numbers of several types meet as f64 */
        } else if (field->type == VARVE_TYPE_MIXED) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "a field holds strings in some of the series and histograms in others");
        }
        field->needs = 0;
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        vv_plan_output *output = &plan->outputs[i];
        if (output->kind != VARVE_OUTPUT_FIELD) {
            continue;
        }
        aggregate_field *field = &state->fields[output->slot];
        if (field->type == VARVE_TYPE_NONE) {
            output->type = output->aggregation == VARVE_AGG_COUNT ? (uint32_t)VARVE_TYPE_U64
                                                                  : (uint32_t)VARVE_TYPE_F64;
            continue;
        }
        output->type = vv_aggregate_type(output->aggregation, field->type);
        if (output->type == VARVE_TYPE_NONE ||
            (output->as_type != 0 && !vv_type_is_number(output->type))) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "field %.*s has type %s, which this aggregation does not take",
                           (int)(output->name.size < 100 ? output->name.size : 100),
                           output->name.data, varve_type_name(field->type));
        }
        output->type = output->as_type != 0 ? output->as_type : output->type;
        field->needs |= vv_accumulator_needs(output->aggregation, field->type);
    }
    return VARVE_OK;
}

static varve_status aggregate_fields(varve_cursor *cursor, aggregate_state *state,
                                     varve_error *out_err)
{
    vv_plan *plan = state->plan;
    state->fields =
        vv_arena_zeroed(&cursor->arena, (plan->output_count + 1) * sizeof *state->fields);
    if (state->fields == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        vv_plan_output *output = &plan->outputs[i];
        size_t slot = 0;
        if (output->kind != VARVE_OUTPUT_FIELD) {
            continue;
        }
        while (slot < state->field_count && state->fields[slot].field != output->field) {
            slot++;
        }
        if (slot == state->field_count) {
            state->fields[state->field_count++].field = output->field;
        }
        output->slot = (uint32_t)slot;
    }
    return VARVE_OK;
}

/* ---- groups ---- */

/** Labels that a series has in its group's name, into out[]; at most label_count of it. */
static size_t aggregate_group_labels(const vv_plan *plan, varve_text metric,
                                     const varve_label *labels, size_t label_count,
                                     varve_label *out_labels)
{
    size_t count = 0;
    bool keeps_named = plan->grouping == VARVE_GROUP_BY;
    for (size_t i = 0; keeps_named && i < plan->group_label_count; i++) {
        if (vv_text_equal(plan->group_labels[i], VARVE_STR("__name__"))) {
            out_labels[count++] = (varve_label){.name = plan->group_labels[i], .value = metric};
        }
    }
    size_t by = 0;
    for (size_t i = 0; i < label_count && plan->grouping != VARVE_GROUP_ALL; i++) {
        while (by < plan->group_label_count &&
               vv_text_compare(plan->group_labels[by], labels[i].name) < 0) {
            by++;
        }
        bool is_named =
            by < plan->group_label_count && vv_text_equal(plan->group_labels[by], labels[i].name);
        if (is_named == keeps_named) {
            out_labels[count++] = labels[i];
        }
    }
    vv_labels_sort(out_labels, count);
    return count;
}

typedef struct aggregate_member {
    const varve_label *labels; /* of the group */
    size_t label_count;
    size_t place;
} aggregate_member;

static int aggregate_compare_members(const void *a, const void *b)
{
    const aggregate_member *x = a;
    const aggregate_member *y = b;
    int order = vv_labels_compare(x->labels, x->label_count, y->labels, y->label_count);
    if (order != 0) {
        return order;
    }
    return (x->place > y->place) - (x->place < y->place);
}

static int aggregate_compare_groups(const void *a, const void *b)
{
    const aggregate_group *x = a;
    const aggregate_group *y = b;
    return (x->places[0] > y->places[0]) - (x->places[0] < y->places[0]);
}

/** Members that are sorted by their group's labels become groups. */
static varve_status aggregate_cut_groups(varve_cursor *cursor, aggregate_state *state,
                                         const aggregate_member *members, size_t count,
                                         varve_error *out_err)
{
    const vv_catalogue *catalogue = cursor->db->catalogue;
    size_t *places = vv_arena_array(&cursor->arena, count + 1, sizeof *places);
    state->groups = vv_arena_zeroed(&cursor->arena, (count + 1) * sizeof *state->groups);
    if (places == NULL || state->groups == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = members[i].place;
        varve_text metric = vv_catalogue_metric(catalogue, state->plan->series[places[i]]);
        aggregate_group *group =
            state->group_count > 0 ? &state->groups[state->group_count - 1] : NULL;
        if (group == NULL || vv_labels_compare(group->labels, group->label_count, members[i].labels,
                                               members[i].label_count) != 0) {
            group = &state->groups[state->group_count++];
            group->places = &places[i];
            group->labels = members[i].labels;
            group->label_count = members[i].label_count;
            group->metric = metric;
        } else if (!vv_text_equal(group->metric, metric)) {
            group->metric = (varve_text){.data = "", .size = 0};
        }
        group->place_count++;
    }
    if (state->plan->order == VARVE_ORDER_GIVEN) {
        qsort(state->groups, state->group_count, sizeof *state->groups, aggregate_compare_groups);
    }
    return VARVE_OK;
}

static varve_status aggregate_make_groups(varve_cursor *cursor, aggregate_state *state,
                                          varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    if (plan->grouping == VARVE_GROUP_SERIES) {
        state->group_count = plan->series_count; /* a group is its series; see aggregate_group_at */
        return VARVE_OK;
    }
    aggregate_member *members =
        vv_arena_array(&cursor->arena, plan->series_count + 1, sizeof *members);
    if (members == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < plan->series_count; i++) {
        const varve_label *labels;
        size_t label_count;
        VV_TRY(vv_catalogue_labels(cursor->db->catalogue, plan->series[i], &labels, &label_count,
                                   out_err));
        varve_label *own = vv_arena_array(&cursor->arena, label_count + 2, sizeof *own);
        if (own == NULL) {
            return vv_cursor_memory(cursor, out_err);
        }
        varve_text metric = vv_catalogue_metric(cursor->db->catalogue, plan->series[i]);
        members[i].label_count = aggregate_group_labels(plan, metric, labels, label_count, own);
        members[i].labels = own;
        members[i].place = i;
    }
    qsort(members, plan->series_count, sizeof *members, aggregate_compare_members);
    return aggregate_cut_groups(cursor, state, members, plan->series_count, out_err);
}

/** Work through one group: its slots are appended. */
static varve_status aggregate_fill_group(varve_cursor *cursor, aggregate_state *state,
                                         varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    size_t at = state->group_at;
    const aggregate_group *group = state->groups != NULL ? &state->groups[at] : NULL;
    size_t count = group != NULL ? group->place_count : 1;
    state->slot_begin = state->slot_count;
    if (plan->layout == VARVE_LAYOUT_SERIES && group == NULL) {
        VV_TRY(aggregate_types(cursor, state, &plan->series[at], 1, out_err));
    }
    for (size_t i = 0; i < count; i++) {
        size_t place = group != NULL ? group->places[i] : at;
        varve_status status = aggregate_series(cursor, state, plan->series[place], out_err);
        bool may_skip = (status == VARVE_E_CORRUPT || status == VARVE_E_IO) &&
                        (plan->flags & VARVE_QUERY_PARTIAL) != 0;
        if (status != VARVE_OK && !may_skip) {
            return status;
        }
        cursor->is_partial = cursor->is_partial || status != VARVE_OK;
        vv_task_add(cursor->task, 1);
    }
    /* A2: a slot that got nothing (every value filtered away) does not exist. */
    size_t kept = state->slot_begin;
    for (size_t i = state->slot_begin; i < state->slot_count; i++) {
        if (state->slots[i]->added > 0) {
            state->slots[kept++] = state->slots[i];
        }
    }
    size_t count_kept = kept - state->slot_begin;
    if (count_kept > plan->limit_per_series) {
        size_t most = (size_t)plan->limit_per_series;
        bool is_descending = (plan->flags & VARVE_QUERY_DESCENDING) != 0;
        if (is_descending) {
            memmove(state->slots + state->slot_begin, state->slots + kept - most,
                    most * sizeof *state->slots);
        }
        kept = state->slot_begin + most;
    }
    state->slot_count = kept;
    state->group_at++;
    return VARVE_OK;
}

static int aggregate_compare_slots(const void *a, const void *b)
{
    const aggregate_slot *const *x = a;
    const aggregate_slot *const *y = b;
    if ((*x)->start != (*y)->start) {
        return (*x)->start > (*y)->start ? 1 : -1;
    }
    return ((*x)->group > (*y)->group) - ((*x)->group < (*y)->group);
}

/** Have slots to give; false at the end. */
static varve_status aggregate_fill(varve_cursor *cursor, aggregate_state *state, bool *out_has,
                                   varve_error *out_err)
{
    bool is_by_time = state->plan->order == VARVE_ORDER_TIME;
    while (state->given_at == state->slot_count && state->group_at < state->group_count) {
        if (!is_by_time) {
            vv_arena_reset(&state->slots_arena);
            state->slot_count = 0;
        }
        state->given_at = 0;
        VV_TRY(aggregate_fill_group(cursor, state, out_err));
        while (is_by_time && state->group_at < state->group_count) {
            VV_TRY(aggregate_fill_group(cursor, state, out_err));
        }
        if (is_by_time && state->slot_count > 0) {
            qsort(state->slots, state->slot_count, sizeof(aggregate_slot *),
                  aggregate_compare_slots);
        }
    }
    *out_has = state->given_at < state->slot_count;
    return VARVE_OK;
}

/* ---- giving ---- */

static aggregate_slot *aggregate_next_slot(aggregate_state *state)
{
    bool is_descending = (state->plan->flags & VARVE_QUERY_DESCENDING) != 0;
    size_t at = is_descending ? state->slot_count - 1 - state->given_at : state->given_at;
    state->given_at++;
    return state->slots[at];
}

static varve_status aggregate_put_outputs(varve_cursor *cursor, aggregate_state *state,
                                          vv_block_builder *builder, size_t first_column,
                                          aggregate_slot *slot, varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    for (size_t i = 0; i < plan->output_count; i++) {
        const vv_plan_output *output = &plan->outputs[i];
        if (output->kind != VARVE_OUTPUT_FIELD) {
            uint32_t series = plan->series[slot->group];
            varve_text value = vv_catalogue_metric(cursor->db->catalogue, series);
            bool has = output->kind == VARVE_OUTPUT_METRIC ||
                       vv_catalogue_label(cursor->db->catalogue, series, output->name, &value);
            VV_TRY(vv_block_put_label(builder, first_column + i, builder->rows, 1,
                                      has ? &value : NULL, out_err));
            continue;
        }
        const aggregate_field *field = &state->fields[output->slot];
        varve_value value;
        double approximate;
        bool is_saturated = vv_accumulator_result(&slot->accumulators[output->slot], field->type,
                                                  output->aggregation, output->nan_rule,
                                                  output->parameter, &value, &approximate);
        VV_TRY(vv_block_put(builder, first_column + i, builder->rows, &value, out_err));
        if (is_saturated) {
            VV_TRY(vv_block_put_approximate(builder, first_column + i, builder->rows, approximate,
                                            out_err));
        }
    }
    return VARVE_OK;
}

/** Label columns of a grouped TABLE come first. */
static size_t aggregate_label_columns(const vv_plan *plan)
{
    bool has = plan->layout == VARVE_LAYOUT_TABLE && plan->grouping == VARVE_GROUP_BY;
    return has ? plan->group_label_count : 0;
}

static varve_status aggregate_put_row(varve_cursor *cursor, aggregate_state *state,
                                      vv_block_builder *builder, aggregate_slot *slot,
                                      varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    size_t labels = aggregate_label_columns(plan);
    builder->times[builder->rows] = slot->start;
    if (builder->has_row_series) {
        builder->row_series[builder->rows] = (varve_series){.id = plan->series[slot->group]};
    }
    for (size_t i = 0; i < labels; i++) {
        const aggregate_group *group = &state->groups[slot->group];
        varve_text value;
        bool has = vv_labels_find(group->labels, group->label_count, plan->group_labels[i], &value);
        VV_TRY(vv_block_put_label(builder, i, builder->rows, 1, has ? &value : NULL, out_err));
    }
    VV_TRY(aggregate_put_outputs(cursor, state, builder, labels, slot, out_err));
    builder->rows++;
    return VARVE_OK;
}

static varve_status aggregate_begin_block(varve_cursor *cursor, const aggregate_state *state,
                                          vv_block_builder *builder, varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    size_t labels = aggregate_label_columns(plan);
    VV_TRY(vv_block_begin(builder, cursor, labels + plan->output_count,
                          (size_t)plan->block_rows_max, out_err));
    builder->has_times = plan->bucket.kind != VARVE_BUCKET_NONE;
    builder->has_row_series =
        plan->layout == VARVE_LAYOUT_TABLE && plan->grouping == VARVE_GROUP_SERIES;
    for (size_t i = 0; i < labels; i++) {
        VV_TRY(vv_block_column_set_labels(builder, i, plan->group_labels[i], out_err));
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        const vv_plan_output *output = &plan->outputs[i];
        if (output->kind != VARVE_OUTPUT_FIELD) {
            varve_text name = output->kind == VARVE_OUTPUT_METRIC && output->name.size == 0
                                  ? VARVE_STR("metric")
                                  : output->name;
            VV_TRY(vv_block_column_set_labels(builder, labels + i, name, out_err));
        } else {
            VV_TRY(vv_block_column_set(builder, labels + i, output->name, output->type, out_err));
        }
    }
    return VARVE_OK;
}

static varve_status aggregate_name_block(varve_cursor *cursor, const aggregate_state *state,
                                         vv_block_builder *builder, size_t group,
                                         varve_error *out_err)
{
    if (state->plan->layout != VARVE_LAYOUT_SERIES) {
        return VARVE_OK;
    }
    if (state->groups != NULL) {
        const aggregate_group *named = &state->groups[group];
        return vv_block_name(builder, named->metric, named->labels, named->label_count, out_err);
    }
    uint32_t series = state->plan->series[group];
    const varve_label *labels;
    size_t count;
    VV_TRY(vv_catalogue_labels(cursor->db->catalogue, series, &labels, &count, out_err));
    return vv_block_name(builder, vv_catalogue_metric(cursor->db->catalogue, series), labels, count,
                         out_err);
}

static varve_status aggregate_next(varve_cursor *cursor, varve_error *out_err)
{
    aggregate_state *state = cursor->state;
    const vv_plan *plan = state->plan;
    bool is_series = plan->layout == VARVE_LAYOUT_SERIES;
    vv_block_builder builder = {0};
    size_t group = 0;
    while (state->given < plan->limit && builder.rows < plan->block_rows_max &&
           builder.bytes < plan->block_bytes_max) {
        bool has;
        bool ends_block = is_series && builder.rows > 0 && state->given_at == state->slot_count;
        if (ends_block) {
            break;
        }
        VV_TRY(aggregate_fill(cursor, state, &has, out_err));
        if (!has) {
            break;
        }
        aggregate_slot *slot = aggregate_next_slot(state);
        if (state->skipped < plan->offset) {
            state->skipped++;
            continue;
        }
        if (builder.cursor == NULL) {
            VV_TRY(aggregate_begin_block(cursor, state, &builder, out_err));
            group = slot->group;
        }
        VV_TRY(aggregate_put_row(cursor, state, &builder, slot, out_err));
        state->given++;
    }
    if (builder.rows == 0) {
        cursor->is_end = true;
        return VARVE_OK;
    }
    VV_TRY(aggregate_name_block(cursor, state, &builder, group, out_err));
    VV_TRY(vv_block_finish(&builder, out_err));
    if (is_series) {
        if (state->groups == NULL) {
            cursor->frame->block.series = (varve_series){.id = plan->series[group]};
        }
        if (state->given_at == state->slot_count || state->given == plan->limit) {
            cursor->frame->block.flags |= VARVE_BLOCK_LAST_OF_SERIES;
        }
    }
    return VARVE_OK;
}

static varve_status aggregate_split(varve_cursor *cursor, varve_cursor **out_parts, size_t capacity,
                                    size_t *out_count, varve_error *out_err)
{
    const aggregate_state *state = cursor->state;
    return vv_query_split(cursor, state->plan, out_parts, capacity, out_count, out_err);
}

static void aggregate_deinit(varve_cursor *cursor)
{
    aggregate_state *state = cursor->state;
    if (state == NULL) {
        return;
    }
    vv_scan_close(state->scan);
    vv_zone_free(state->zone);
    vv_arena_deinit(&state->slots_arena);
    vv_alloc_free(&cursor->alloc, state->slots, state->slot_capacity * sizeof(aggregate_slot *));
}

static const vv_cursor_ops aggregate_ops = {
    .next = aggregate_next, .split = aggregate_split, .deinit = aggregate_deinit};

varve_status vv_aggregate_start(varve_cursor *cursor, vv_plan *plan, varve_error *out_err)
{
    aggregate_state *state = vv_arena_zeroed(&cursor->arena, sizeof *state);
    if (state == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->plan = plan;
    vv_arena_init(&state->slots_arena, &cursor->alloc, SIZE_MAX);
    cursor->state = state;
    cursor->ops = &aggregate_ops;
    if (plan->layout == VARVE_LAYOUT_TABLE && plan->grouping == VARVE_GROUP_WITHOUT) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "query: grouping WITHOUT has no fixed columns; use layout SERIES");
    }
    state->gather = vv_arena_new(&cursor->arena, sizeof *state->gather);
    if (state->gather == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    VV_TRY(aggregate_buckets(cursor, state, out_err));
    VV_TRY(aggregate_fields(cursor, state, out_err));
    VV_TRY(aggregate_make_groups(cursor, state, out_err));
    bool is_per_series =
        plan->layout == VARVE_LAYOUT_SERIES && plan->grouping == VARVE_GROUP_SERIES;
    if (!is_per_series) {
        VV_TRY(aggregate_types(cursor, state, plan->series, plan->series_count, out_err));
    }
    /* No time lies in it yet: the first row sets the bucket in hand. */
    state->bucket = aggregate_bucket_of(state, plan->range.start);
    vv_task_begin(cursor->task, plan->series_count);
    return VARVE_OK;
}
