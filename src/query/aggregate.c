/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cursor of queries of aggregates. Orders by series hold the slots of one group at a time;
 * order TIME computes all groups first and sorts the slots, within memory_max.
 */

#include <string.h>

#include "base/status.h"
#include "engine/task.h"
#include "index/catalogue.h"
#include "model/labels.h"
#include "query/aggregate_priv.h"
#include "sys/zoneinfo.h"

/* ---- filling ---- */

/** Work through one group: its slots are appended. */
static varve_status aggregate_fill_group(varve_cursor *cursor, vv_aggregate *state,
                                         varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    size_t at = state->group_at;
    const vv_aggregate_group *group = state->groups != NULL ? &state->groups[at] : NULL;
    size_t count = group != NULL ? group->place_count : 1;
    vv_aggregate_begin_slots(state, count > 1);
    if (plan->layout == VARVE_LAYOUT_SERIES && group == NULL) {
        VV_TRY(vv_aggregate_types(cursor, state, &plan->series[at], 1, out_err));
    }
    for (size_t i = 0; i < count; i++) {
        size_t place = group != NULL ? group->places[i] : at;
        VV_TRY(vv_aggregate_series(cursor, state, plan->series[place], out_err));
        vv_task_add(cursor->task, 1);
    }
    VV_TRY(vv_aggregate_end_slots(cursor, state, out_err));
    state->group_at++;
    return VARVE_OK;
}

varve_status vv_aggregate_collect(varve_cursor *cursor, vv_aggregate *state, uint32_t series,
                                  varve_range range, bool *out_is_cut, int64_t *out_next,
                                  varve_error *out_err)
{
    state->plan->series[0] = series;
    state->plan->range = range;
    vv_arena_reset(&state->slots_arena);
    state->slot_count = 0;
    state->group_at = 0;
    state->is_cut = false;
    VV_TRY(aggregate_fill_group(cursor, state, out_err));
    *out_is_cut = state->is_cut && state->slot_count > 1;
    if (*out_is_cut) {
        state->slot_count--; /* its bucket may go on */
        *out_next = state->slots[state->slot_count]->start;
    }
    return VARVE_OK;
}

/** Have slots to give; false at the end. */
static varve_status aggregate_fill(varve_cursor *cursor, vv_aggregate *state, bool *out_has,
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
        if (is_by_time) {
            VV_TRY(vv_aggregate_sort_slots(cursor, state, out_err));
        }
    }
    *out_has = state->given_at < state->slot_count;
    return VARVE_OK;
}

static vv_aggregate_slot *aggregate_next_slot(vv_aggregate *state)
{
    bool is_descending = (state->plan->flags & VARVE_QUERY_DESCENDING) != 0;
    size_t at = is_descending ? state->slot_count - 1 - state->given_at : state->given_at;
    state->given_at++;
    return state->slots[at];
}

static varve_status aggregate_put_outputs(varve_cursor *cursor, vv_aggregate *state,
                                          vv_block_builder *builder, size_t first_column,
                                          vv_aggregate_slot *slot, varve_error *out_err)
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
        vv_answer answer;
        VV_TRY(vv_accumulator_result(cursor, &slot->accumulators[output->slot],
                                     state->fields[output->slot].type, output, &answer, out_err));
        VV_TRY(vv_block_put(builder, first_column + i, builder->rows, &answer.value, out_err));
        if (answer.is_saturated) {
            VV_TRY(vv_block_put_approximate(builder, first_column + i, builder->rows,
                                            answer.approximate, out_err));
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

static varve_status aggregate_put_row(varve_cursor *cursor, vv_aggregate *state,
                                      vv_block_builder *builder, vv_aggregate_slot *slot,
                                      varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    size_t labels = aggregate_label_columns(plan);
    builder->times[builder->rows] = slot->start;
    if (builder->has_row_series) {
        builder->row_series[builder->rows] = (varve_series){.id = plan->series[slot->group]};
    }
    for (size_t i = 0; i < labels; i++) {
        const vv_aggregate_group *group = &state->groups[slot->group];
        varve_text value;
        bool has = vv_labels_find(group->labels, group->label_count, plan->group_labels[i], &value);
        VV_TRY(vv_block_put_label(builder, i, builder->rows, 1, has ? &value : NULL, out_err));
    }
    VV_TRY(aggregate_put_outputs(cursor, state, builder, labels, slot, out_err));
    builder->rows++;
    return VARVE_OK;
}

static varve_status aggregate_begin_block(varve_cursor *cursor, const vv_aggregate *state,
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

static varve_status aggregate_name_block(varve_cursor *cursor, const vv_aggregate *state,
                                         vv_block_builder *builder, size_t group,
                                         varve_error *out_err)
{
    if (state->plan->layout != VARVE_LAYOUT_SERIES) {
        return VARVE_OK;
    }
    if (state->groups != NULL) {
        const vv_aggregate_group *named = &state->groups[group];
        return vv_block_name(builder, named->metric, named->labels, named->label_count, out_err);
    }
    uint32_t series = state->plan->series[group];
    const varve_label *labels;
    size_t count;
    VV_TRY(vv_catalogue_labels(cursor->db->catalogue, series, &labels, &count, out_err));
    return vv_block_name(builder, vv_catalogue_metric(cursor->db->catalogue, series), labels, count,
                         out_err);
}

/** What a finished SERIES block says of its series. */
static void aggregate_mark_series(varve_cursor *cursor, const vv_aggregate *state, size_t group)
{
    varve_block *block = &cursor->frame->block;
    if (state->groups == NULL) {
        block->series = (varve_series){.id = state->plan->series[group]};
    }
    if (state->given_at == state->slot_count || state->given == state->plan->limit) {
        block->flags |= VARVE_BLOCK_LAST_OF_SERIES;
    }
}

static varve_status aggregate_next(varve_cursor *cursor, varve_error *out_err)
{
    vv_aggregate *state = cursor->state;
    const vv_plan *plan = state->plan;
    bool is_series = plan->layout == VARVE_LAYOUT_SERIES;
    vv_block_builder builder = {0};
    size_t group = 0;
    while (state->given < plan->limit && builder.rows < plan->block_rows_max &&
           builder.bytes < plan->block_bytes_max) {
        bool has;
        if (is_series && builder.rows > 0 && state->given_at == state->slot_count) {
            break; /* the next slot is another group's */
        }
        VV_TRY(aggregate_fill(cursor, state, &has, out_err));
        if (!has) {
            break;
        }
        vv_aggregate_slot *slot = aggregate_next_slot(state);
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
        aggregate_mark_series(cursor, state, group);
    }
    return VARVE_OK;
}

static varve_status aggregate_begin(varve_cursor *cursor, vv_block_builder *builder,
                                    varve_error *out_err)
{
    return aggregate_begin_block(cursor, cursor->state, builder, out_err);
}

static varve_status aggregate_split(varve_cursor *cursor, varve_cursor **out_parts, size_t capacity,
                                    size_t *out_count, varve_error *out_err)
{
    const vv_aggregate *state = cursor->state;
    return vv_query_split(cursor, state->plan, out_parts, capacity, out_count, out_err);
}

static void aggregate_deinit(varve_cursor *cursor)
{
    vv_aggregate *state = cursor->state;
    if (state == NULL) {
        return;
    }
    vv_scan_close(state->scan);
    vv_aggregate_free_rollups(cursor, state);
    vv_zone_free(state->zone);
    vv_aggregate_deinit_slots(cursor, state);
}

static const vv_cursor_ops aggregate_ops = {.next = aggregate_next,
                                            .begin = aggregate_begin,
                                            .split = aggregate_split,
                                            .deinit = aggregate_deinit};

varve_status vv_aggregate_start(varve_cursor *cursor, vv_plan *plan, varve_error *out_err)
{
    vv_aggregate *state = vv_arena_zeroed(&cursor->arena, sizeof *state);
    if (state == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->plan = plan;
    vv_aggregate_init_slots(cursor, state);
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
    VV_TRY(vv_aggregate_start_buckets(cursor, state, out_err));
    VV_TRY(vv_aggregate_fields(cursor, state, out_err));
    VV_TRY(vv_aggregate_find_rollups(cursor, state, out_err));
    VV_TRY(vv_aggregate_make_groups(cursor, state, out_err));
    bool is_per_series =
        plan->layout == VARVE_LAYOUT_SERIES && plan->grouping == VARVE_GROUP_SERIES;
    if (!is_per_series) {
        VV_TRY(vv_aggregate_types(cursor, state, plan->series, plan->series_count, out_err));
    }
    vv_aggregate_set_bucket(state, plan->range.start);
    return VARVE_OK;
}
