/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Series into groups, and the types of what they hold. A group's name is the labels that BY keeps
 * or WITHOUT leaves; "__name__" among the labels of BY is the metric.
 */

#include "base/slice.h"
#include "base/status.h"
#include "index/catalogue.h"
#include "model/labels.h"
#include "model/rows.h"
#include "model/value.h"
#include "query/aggregate_priv.h"

enum { AGGREGATE_GROUP_POLL = 1024 };

/** How the values of a field over some series are accumulated. */
static varve_status aggregate_group_value_type(varve_cursor *cursor, const uint32_t *series,
                                               size_t count, uint32_t field, uint32_t *out_type,
                                               varve_error *out_err)
{
    bool is_numeric;
    VV_TRY(vv_plan_type(cursor, series, count, field, /* is_aggregate */ true, out_type,
                        &is_numeric, out_err));
    if (*out_type == VARVE_TYPE_MIXED && is_numeric) {
        *out_type = VARVE_TYPE_F64; /* numbers of several types meet as f64 */
    } else if (*out_type == VARVE_TYPE_MIXED) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "a field holds strings in some of the series and histograms in others");
    }
    return VARVE_OK;
}

/** Type of an output over values of its field, and what it needs to be remembered. */
static varve_status aggregate_group_output_type(vv_plan_output *output, vv_aggregate_field *field,
                                                varve_error *out_err)
{
    if (field->type == VARVE_TYPE_NONE) {
        output->type = output->aggregation == VARVE_AGG_COUNT && output->as_type == 0
                           ? (uint32_t)VARVE_TYPE_U64
                           : (uint32_t)VARVE_TYPE_F64;
        return VARVE_OK;
    }
    output->type = vv_aggregate_type(output->aggregation, field->type);
    if (output->type == VARVE_TYPE_NONE ||
        (output->as_type != 0 && !vv_type_is_number(output->type))) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "field %.*s has type %s, which this aggregation does not take",
                       (int)(output->name.size < 100 ? output->name.size : 100), output->name.data,
                       varve_type_name(field->type));
    }
    output->type = output->as_type != 0 ? output->as_type : output->type;
    field->needs |= vv_accumulator_needs(output->aggregation, field->type);
    return VARVE_OK;
}

varve_status vv_aggregate_types(varve_cursor *cursor, vv_aggregate *state, const uint32_t *series,
                                size_t count, varve_error *out_err)
{
    vv_plan *plan = state->plan;
    for (size_t i = 0; i < state->field_count && !plan->is_typed; i++) {
        VV_TRY(vv_cursor_poll(cursor, out_err));
        VV_TRY(aggregate_group_value_type(cursor, series, count, state->fields[i].field,
                                          &state->fields[i].type, out_err));
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].kind == VARVE_OUTPUT_FIELD && plan->is_typed) {
            state->fields[plan->outputs[i].slot].type = plan->outputs[i].value_type;
        }
    }
    for (size_t i = 0; i < state->field_count; i++) {
        state->fields[i].needs = 0;
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        vv_plan_output *output = &plan->outputs[i];
        if (output->kind == VARVE_OUTPUT_FIELD) {
            vv_aggregate_field *field = &state->fields[output->slot];
            output->value_type = field->type;
            VV_TRY(aggregate_group_output_type(output, field, out_err));
        }
    }
    return VARVE_OK;
}

varve_status vv_aggregate_fields(varve_cursor *cursor, vv_aggregate *state, varve_error *out_err)
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

/** Labels that a series has in its group's name, into out[]; at most label_count of it. */
static size_t aggregate_group_name(const vv_plan *plan, varve_text metric,
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

typedef struct aggregate_group_member {
    const varve_label *labels; /* of the group */
    size_t label_count;
    uint32_t series;
    size_t place;
} aggregate_group_member;

/** By the names of groups, members by their own (A1). */
static int aggregate_group_compare(const void *context, const void *a, const void *b)
{
    const aggregate_group_member *x = a;
    const aggregate_group_member *y = b;
    int order = vv_labels_compare(x->labels, x->label_count, y->labels, y->label_count);
    return order != 0 ? order : vv_catalogue_compare(context, x->series, y->series);
}

static size_t aggregate_group_first_place(const vv_aggregate_group *group)
{
    size_t first = group->places[0];
    for (size_t i = 1; i < group->place_count; i++) {
        first = group->places[i] < first ? group->places[i] : first;
    }
    return first;
}

typedef struct aggregate_group_given {
    size_t first_place;
    vv_aggregate_group group;
} aggregate_group_given;

static int aggregate_group_compare_given(const void *context, const void *a, const void *b)
{
    (void)context;
    const aggregate_group_given *x = a;
    const aggregate_group_given *y = b;
    return (x->first_place > y->first_place) - (x->first_place < y->first_place);
}

/** Order GIVEN: a group stands where the first of its series does. */
static varve_status aggregate_group_order_given(varve_cursor *cursor, vv_aggregate *state,
                                                varve_error *out_err)
{
    size_t count = state->group_count;
    aggregate_group_given *given = vv_arena_array(&cursor->arena, count + 1, sizeof *given);
    if (given == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        given[i].group = state->groups[i];
        given[i].first_place = aggregate_group_first_place(&state->groups[i]);
    }
    VV_TRY(vv_cursor_sort(cursor, given, count, sizeof *given, aggregate_group_compare_given, NULL,
                          out_err));
    for (size_t i = 0; i < count; i++) {
        state->groups[i] = given[i].group;
    }
    return VARVE_OK;
}

/** Members that are sorted by their group's labels become groups. */
static varve_status aggregate_group_cut(varve_cursor *cursor, vv_aggregate *state,
                                        const aggregate_group_member *members, size_t count,
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
        vv_aggregate_group *group =
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
    return state->plan->order == VARVE_ORDER_GIVEN
               ? aggregate_group_order_given(cursor, state, out_err)
               : VARVE_OK;
}

varve_status vv_aggregate_make_groups(varve_cursor *cursor, vv_aggregate *state,
                                      varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    if (plan->grouping == VARVE_GROUP_SERIES) {
        state->group_count = plan->series_count; /* a group is its series; see aggregate_group_at */
        return VARVE_OK;
    }
    aggregate_group_member *members =
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
        members[i].label_count = aggregate_group_name(plan, metric, labels, label_count, own);
        members[i].labels = own;
        members[i].series = plan->series[i];
        members[i].place = i;
        if (i % AGGREGATE_GROUP_POLL == 0) {
            VV_TRY(vv_cursor_poll(cursor, out_err));
        }
    }
    VV_TRY(vv_cursor_sort(cursor, members, plan->series_count, sizeof *members,
                          aggregate_group_compare, cursor->db->catalogue, out_err));
    return aggregate_group_cut(cursor, state, members, plan->series_count, out_err);
}
