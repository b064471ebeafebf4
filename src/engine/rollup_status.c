/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How a rollup stands in one view: which series it matches, up to where each is kept. A series that
 * has got no row since its checkpoint is as far as it could be.
 */

#include "engine/rollup_status.h"

#include "base/bitmap.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/rollup_spans.h"
#include "engine/scan.h"
#include "engine/task.h"
#include "index/catalogue.h"

typedef struct status_walk {
    varve_db *db;
    varve_task *task;
    vv_view *view;
    vv_codec_scratch *scratch;
    bool has_newest;
    int64_t newest;
    vv_rollup_set *set;
    const vv_rollup *rollup; /* in work */
    uint64_t least;          /* bucket up to which all its series are kept */
    varve_rollup_state state;
} status_walk;

varve_status vv_rollup_selection(const vv_rollup *rollup, vv_alloc *alloc,
                                 vv_selection **out_selection, varve_error *out_err)
{
    varve_selection selection = {.kind = VARVE_SELECT_MATCH,
                                 .text = rollup->given.metric,
                                 .matchers = rollup->given.matchers,
                                 .matcher_count = rollup->given.matcher_count};
    return vv_selection_compile(&selection, 1, /* with_internal */ false, alloc, out_selection,
                                out_err);
}

/** Whether the series has rows in the buckets [first, last]. */
static varve_status status_has_rows(status_walk *walk, uint32_t series, uint64_t first,
                                    uint64_t last, bool *out_has, varve_error *out_err)
{
    const vv_buckets *buckets = &walk->rollup->buckets;
    *out_has = false;
    if (first > last) {
        return VARVE_OK;
    }
    int64_t end = vv_buckets_range(buckets, last).end;
    varve_range range = {.start = vv_buckets_start(buckets, first), .end = end};
    return vv_scan_exists(walk->view, series, range, walk->scratch, out_has, out_err);
}

static varve_status status_series(status_walk *walk, uint32_t series, varve_error *out_err)
{
    const vv_rollup *rollup = walk->rollup;
    varve_range all = {.start = INT64_MIN, .end = INT64_MAX};
    bool has_rows;
    VV_TRY(vv_task_poll(walk->task, out_err));
    VV_TRY(vv_scan_exists(walk->view, series, all, walk->scratch, &has_rows, out_err));
    if (!has_rows) {
        return VARVE_OK;
    }
    walk->state.matched_series++;
    uint32_t kept;
    vv_rollup_checkpoint checkpoint;
    vv_rollup_look look = {.view = walk->view,
                           .buckets = &rollup->buckets,
                           .alloc = &walk->db->alloc,
                           .scratch = walk->scratch};
    VV_TRY(vv_rollup_kept_series(walk->db, rollup, series, &kept, out_err));
    VV_TRY(vv_rollup_read_checkpoint(&look, kept, &checkpoint, out_err));
    uint64_t newest =
        walk->has_newest ? vv_buckets_index(&rollup->buckets, walk->newest) : checkpoint.through;
    if (newest > checkpoint.through) {
        VV_TRY(status_has_rows(walk, series, checkpoint.through, newest - 1, &has_rows, out_err));
        checkpoint.through = has_rows ? checkpoint.through : newest;
        checkpoint.exists = checkpoint.exists || !has_rows; /* there is nothing to keep yet */
    }
    if (!checkpoint.exists) {
        return VARVE_OK;
    }
    walk->state.materialized_series++;
    walk->least = checkpoint.through < walk->least ? checkpoint.through : walk->least;
    return VARVE_OK;
}

static varve_status status_rollup(status_walk *walk, vv_selection *selection, varve_error *out_err)
{
    vv_idset ids;
    VV_TRY(vv_catalogue_select(walk->db->catalogue, selection, &ids, out_err));
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &ids);
    varve_status status = VARVE_OK;
    uint32_t series;
    while (status == VARVE_OK && vv_idset_cursor_next(&cursor, &series)) {
        status = status_series(walk, series, out_err);
    }
    vv_idset_deinit(&ids, &walk->db->alloc);
    return status;
}

static void status_fill(status_walk *walk, const vv_rollup_runs *runs)
{
    varve_rollup_state *state = &walk->state;
    state->has_through =
        state->matched_series > 0 && state->materialized_series == state->matched_series;
    if (state->has_through) {
        state->materialized_through = vv_buckets_start(&walk->rollup->buckets, walk->least);
        int64_t lag = vv_sat_sub_i64(walk->newest, state->materialized_through);
        state->lag = walk->has_newest && lag > 0 ? lag : 0;
    }
    state->runs = runs->runs;
    state->errors = runs->errors;
    state->buckets = runs->buckets;
    state->points = runs->points;
    state->started_ns = runs->started_ns;
    state->completed_ns = runs->completed_ns;
    state->duration_ns = runs->duration_ns;
    state->error = runs->error.status != VARVE_OK ? &runs->error : NULL;
}

static varve_status status_tell(status_walk *walk, const vv_rollup *rollup,
                                varve_rollup_visitor visit, void *context, varve_error *out_err)
{
    walk->rollup = rollup;
    walk->least = UINT64_MAX;
    walk->state = (varve_rollup_state){.struct_size = sizeof walk->state, .rollup = &rollup->given};
    vv_selection *selection;
    VV_TRY(vv_rollup_selection(rollup, &walk->db->alloc, &selection, out_err));
    varve_status status = status_rollup(walk, selection, out_err);
    vv_selection_free(selection);
    VV_TRY(status);
    vv_mutex_lock(&walk->db->state_lock);
    vv_rollup_runs runs = rollup->runs;
    vv_mutex_unlock(&walk->db->state_lock);
    status_fill(walk, &runs);
    visit(context, &walk->state);
    return VARVE_OK;
}

static varve_status status_walk_all(status_walk *walk, varve_rollup_visitor visit, void *context,
                                    varve_error *out_err)
{
    VV_TRY(vv_view_open(walk->db, &walk->view, out_err));
    VV_TRY(vv_codec_scratch_create(&walk->db->alloc, &walk->scratch, out_err));
    VV_TRY(vv_rollup_newest(walk->view, vv_rollup_horizon(walk->db), &walk->has_newest,
                            &walk->newest, out_err));
    for (size_t i = 0; walk->set != NULL && i < walk->set->count; i++) {
        VV_TRY(status_tell(walk, &walk->set->items[i], visit, context, out_err));
    }
    return VARVE_OK;
}

varve_status vv_rollups_tell(varve_db *db, varve_task *task, varve_rollup_visitor visit,
                             void *context, varve_error *out_err)
{
    status_walk walk = {.db = db, .task = task, .set = vv_rollups_current(db)};
    varve_status status = status_walk_all(&walk, visit, context, out_err);
    vv_codec_scratch_free(walk.scratch);
    vv_view_unref(walk.view);
    vv_rollup_set_unref(walk.set);
    return status;
}
