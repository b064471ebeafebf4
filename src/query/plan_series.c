/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The series of a query, in order of output: by name for SERIES and TIME, as listed for GIVEN, as
 * the catalogue has them for NONE. Groups want their members by name whatever the order, since that
 * decides between values of equal times (see aggregate_group.c).
 */

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "index/catalogue.h"
#include "model/selection.h"
#include "query/cursor_priv.h"

static int plan_series_compare(const void *context, const void *a, const void *b)
{
    uint32_t x;
    uint32_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return vv_catalogue_compare(context, x, y);
}

static varve_status plan_series_sort(varve_cursor *cursor, vv_plan *plan, size_t begin,
                                     varve_error *out_err)
{
    return vv_cursor_sort(cursor, plan->series + begin, plan->series_count - begin,
                          sizeof *plan->series, plan_series_compare, cursor->db->catalogue,
                          out_err);
}

/** Ids of a union of selections. */
static varve_status plan_series_ids(varve_cursor *cursor, const varve_selection *selections,
                                    size_t count, bool with_internal, vv_idset *out_ids,
                                    varve_error *out_err)
{
    vv_selection *selection;
    VV_TRY(vv_selection_compile(selections, count, with_internal, &cursor->db->alloc, &selection,
                                out_err));
    varve_status status = vv_catalogue_select(cursor->db->catalogue, selection, out_ids, out_err);
    vv_selection_free(selection);
    return status;
}

/** Append an id that was not seen yet; ids above `known` came after the arrays were sized. */
static void plan_series_add(vv_plan *plan, uint64_t *seen, size_t known, uint64_t id)
{
    if (id <= known && !vv_bits_get(seen, (size_t)id)) {
        vv_bits_set(seen, (size_t)id);
        plan->series[plan->series_count++] = (uint32_t)id;
    }
}

/** One selection of order GIVEN: a list in its own order, anything else by name. */
static varve_status plan_series_take(varve_cursor *cursor, const varve_selection *given,
                                     bool with_internal, vv_plan *plan, uint64_t *seen,
                                     size_t known, varve_error *out_err)
{
    vv_idset ids;
    vv_idset_init(&ids);
    size_t begin = plan->series_count;
    bool is_list = given->kind == VARVE_SELECT_LIST;
    varve_status status = plan_series_ids(cursor, given, 1, with_internal, &ids, out_err);
    for (size_t at = 0; status == VARVE_OK && is_list && at < given->series_count; at++) {
        uint64_t id = given->series[at].id;
        if (id <= known && vv_idset_contains(&ids, (uint32_t)id)) {
            plan_series_add(plan, seen, known, id);
        }
    }
    if (status == VARVE_OK && !is_list) {
        vv_idset_cursor walk;
        vv_idset_cursor_init(&walk, &ids);
        uint32_t id;
        while (vv_idset_cursor_next(&walk, &id)) {
            plan_series_add(plan, seen, known, id);
        }
        status = plan_series_sort(cursor, plan, begin, out_err);
    }
    vv_idset_deinit(&ids, &cursor->db->alloc);
    return status;
}

static varve_status plan_series_given(varve_cursor *cursor, const varve_query_options *options,
                                      vv_plan *plan, varve_error *out_err)
{
    bool with_internal = (options->flags & VARVE_QUERY_INTERNAL) != 0;
    size_t known = vv_catalogue_series_count(cursor->db->catalogue);
    uint64_t *seen = vv_arena_zeroed(&cursor->arena, vv_bits_words(known + 1) * 8);
    plan->series = vv_arena_array(&cursor->arena, known + 1, sizeof *plan->series);
    if (seen == NULL || plan->series == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < options->selection_count; i++) {
        VV_TRY(plan_series_take(cursor, &options->selections[i], with_internal, plan, seen, known,
                                out_err));
    }
    return VARVE_OK;
}

static varve_status plan_series_all(varve_cursor *cursor, const varve_query_options *options,
                                    vv_plan *plan, varve_error *out_err)
{
    vv_idset ids;
    vv_idset_init(&ids);
    varve_status status =
        plan_series_ids(cursor, options->selections, options->selection_count,
                        (options->flags & VARVE_QUERY_INTERNAL) != 0, &ids, out_err);
    if (status == VARVE_OK) {
        size_t count = vv_idset_count(&ids);
        plan->series = vv_arena_array(&cursor->arena, count + 1, sizeof *plan->series);
        if (plan->series == NULL) {
            status = vv_cursor_memory(cursor, out_err);
        } else {
            vv_idset_cursor walk;
            vv_idset_cursor_init(&walk, &ids);
            plan->series_count = vv_idset_cursor_read(&walk, plan->series, count);
        }
    }
    vv_idset_deinit(&ids, &cursor->db->alloc);
    VV_TRY(status);
    bool needs_names = plan->order != VARVE_ORDER_NONE || plan->grouping != VARVE_GROUP_SERIES;
    return needs_names ? plan_series_sort(cursor, plan, 0, out_err) : VARVE_OK;
}

/** Row ids asked of a metric that keeps none. */
static varve_status plan_series_check_row_ids(const varve_cursor *cursor, const vv_plan *plan,
                                              varve_error *out_err)
{
    const vv_catalogue *catalogue = cursor->db->catalogue;
    for (size_t i = 0; plan->with_row_ids && i < plan->series_count; i++) {
        uint32_t metric = vv_catalogue_metric_id(catalogue, plan->series[i]);
        if (!vv_catalogue_policy(catalogue, metric).has_row_ids ||
            vv_catalogue_is_ring(catalogue, plan->series[i])) {
            varve_text name = vv_catalogue_metric(catalogue, plan->series[i]);
            return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                           "metric %.*s keeps no row ids; open it with VARVE_ROW_IDS_ON",
                           (int)(name.size < 100 ? name.size : 100), name.data);
        }
    }
    return VARVE_OK;
}

varve_status vv_plan_select(varve_cursor *cursor, const varve_query_options *options, vv_plan *plan,
                            varve_error *out_err)
{
    bool is_given = plan->order == VARVE_ORDER_GIVEN && options->selection_count > 0;
    VV_TRY(is_given ? plan_series_given(cursor, options, plan, out_err)
                    : plan_series_all(cursor, options, plan, out_err));
    return plan_series_check_row_ids(cursor, plan, out_err);
}
