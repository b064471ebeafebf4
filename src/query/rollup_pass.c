/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pass: for each rollup, for each of its series,
 *
 *   kept so far  |-------------------------------|through            newest
 *   something came since     xx       x                                 |
 *   work                     ##       #           ##################     |
 *                                                                   ^ the new through
 *
 * the buckets of the work are computed by the same code that answers queries, from rows alone;
 * what differs from what is kept is written; the last row says how far the series is and as of
 * which row sequence.
 *
 *   L1  Everything of a series is computed in one view, whose visible sequence is the one that is
 *       written down. What comes later is told by its own sequence (U1 of engine/rollup.h).
 *
 *   L2  The row with the sequence is written with or after all other rows of the series, so that a
 *       failure or a crash in between leaves buckets that count as dirty, or lie behind the
 *       checkpoint: nobody reads them.
 *
 *   L3  A bucket without values that was kept before gets an empty partial; one that was not has no
 *       row.
 *
 *   L4  A pass changes nothing but metrics of rollups. Those of rollups that are gone are deleted
 *       first.
 *
 *   L5  What is under way may be committed at any row (L2), so batches stay small.
 */

#include "query/rollup_pass.h"

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "engine/flush.h"
#include "engine/rollup_spans.h"
#include "engine/rollup_status.h"
#include "engine/task.h"
#include "engine/write.h"
#include "index/catalogue.h"
#include "model/rows.h"
#include "query/aggregate_priv.h"
#include "query/partial.h"

enum {
    PASS_SLOTS_MAX = 8192,         /* computed at once, about: a few MiB (arbitrary) */
    PASS_BATCH_ROWS_MAX = 4096,    /* of a batch: one sync for many series (arbitrary) */
    PASS_BATCH_BYTES_MAX = 1 << 20 /* of their partials */
};
/* A cursor whose plans have grown beyond this is replaced by a new one. Arbitrary. */
#define PASS_CURSOR_BYTES_MAX ((size_t)1 << 20)

typedef struct pass_state {
    varve_db *db;
    varve_task *task;
    bool is_background;
    bool has_yielded; /* a flush is due */
    vv_rollup_set *set;
    uint64_t visible; /* least of all views; UINT64_MAX: none yet */
    uint32_t sequence_field;
    /* Of the view: */
    varve_cursor *cursor; /* and the fields it computes: */
    vv_plan *plan;
    bool has_newest;
    int64_t newest;
    /* Of the rollup: */
    const vv_rollup *rollup;
    /* Of the series: */
    uint32_t series, kept;
    uint64_t from, through; /* the old one, and the new one */
    bool has_told_through;  /* a row has said it */
    bool has_met_any;       /* a bucket with values, or one that is kept */
    vv_vec work;            /* vv_rollup_span */
    /* Of the batch: */
    varve_batch *batch;
    vv_arena blobs; /* bytes of its partials */
    size_t rows, bytes;
    bool has_deletes;
    uint64_t buckets, points; /* of the rollup, written */
    vv_buf encoded;
} pass_state;

/* ---- the batch ---- */

static varve_status pass_commit(pass_state *pass, varve_error *out_err)
{
    if (pass->rows == 0 && !pass->has_deletes) {
        return VARVE_OK;
    }
    varve_write_options options = {.struct_size = sizeof options, .flags = VARVE_WRITE_SPLIT};
    varve_status status = vv_batch_commit(pass->batch, &options, NULL, out_err);
    vv_batch_clear(pass->batch); /* also after a failure: the next pass computes it anew */
    vv_arena_reset(&pass->blobs);
    pass->rows = 0;
    pass->bytes = 0;
    pass->has_deletes = false;
    vv_rollups_wrote(pass->db);
    return status;
}

static varve_status pass_commit_full(pass_state *pass, varve_error *out_err)
{
    bool is_full = pass->rows >= PASS_BATCH_ROWS_MAX || pass->bytes >= PASS_BATCH_BYTES_MAX;
    return is_full ? pass_commit(pass, out_err) : VARVE_OK;
}

/** The series that keeps, made with its first row. */
static varve_status pass_make_kept(pass_state *pass, varve_error *out_err)
{
    char buffer[VV_ROLLUP_NAME_BYTES];
    const varve_label *labels;
    size_t count;
    if (pass->kept != 0) {
        return VARVE_OK;
    }
    VV_TRY(vv_catalogue_labels(pass->db->catalogue, pass->series, &labels, &count, out_err));
    return vv_catalogue_resolve(pass->db->catalogue,
                                vv_rollup_metric(pass->rollup->generation, buffer), labels, count,
                                /* existing_only */ false, &pass->kept, out_err);
}

/** A kept row under construction. */
typedef struct pass_row {
    varve_field *fields; /* room for every field of the plan, and the sequence */
    varve_value *values;
    size_t count;
} pass_row;

static varve_status pass_begin_row(pass_state *pass, pass_row *row, varve_error *out_err)
{
    size_t most = (pass->plan == NULL ? 0 : pass->plan->output_count) + 1;
    row->fields = vv_arena_array(&pass->blobs, most, sizeof *row->fields);
    row->values = vv_arena_array(&pass->blobs, most, sizeof *row->values);
    row->count = 0;
    return row->fields != NULL && row->values != NULL
               ? VARVE_OK
               : vv_arena_fail(&pass->blobs, most * sizeof *row->values, out_err);
}

/** The partial of a field, copied; no bytes: there are no values any more. */
static varve_status pass_put_partial(pass_state *pass, pass_row *row, uint32_t field,
                                     varve_text partial, varve_error *out_err)
{
    varve_text own;
    if (vv_arena_copy(&pass->blobs, partial, &own) != VARVE_OK) {
        return vv_arena_fail(&pass->blobs, partial.size, out_err);
    }
    row->fields[row->count] = (varve_field){.id = field};
    row->values[row->count] = (varve_value){.type = VARVE_TYPE_BYTES, .as.bytes = own};
    row->count++;
    pass->bytes += partial.size;
    pass->points++;
    return VARVE_OK;
}

/** L2: the row of the last bucket says how far the series is. */
static void pass_put_sequence(pass_state *pass, pass_row *row)
{
    row->fields[row->count] = (varve_field){.id = pass->sequence_field};
    row->values[row->count] =
        (varve_value){.type = VARVE_TYPE_U64, .as.u64 = pass->cursor->view->visible};
    row->count++;
}

static varve_status pass_add_row(pass_state *pass, int64_t time, const pass_row *row,
                                 varve_error *out_err)
{
    if (row->count == 0) {
        return VARVE_OK;
    }
    VV_TRY(pass_make_kept(pass, out_err));
    varve_row added = {
        .series = {.id = pass->kept},
        .timestamp = time,
        .fields = row->fields,
        .values = row->values,
        .count = row->count,
    };
    VV_TRY(vv_batch_row(pass->batch, &added, out_err));
    pass->rows++;
    return VARVE_OK;
}

/* ---- one piece of work ---- */

/** What is kept already of a piece: a scan, row by row. */
typedef struct pass_old {
    vv_scan *scan; /* NULL: nothing is kept */
    vv_rows rows;
    size_t at;
} pass_old;

static varve_status pass_open_old(pass_state *pass, varve_range range, pass_old *old,
                                  varve_error *out_err)
{
    *old = (pass_old){0};
    if (pass->kept == 0) {
        return VARVE_OK;
    }
    vv_scan_options options = {
        .range = range,
        .fields = pass->plan->fields,
        .field_count = pass->plan->field_count,
        .no_vectors = true,
        .poll = vv_cursor_poll_context,
        .poll_context = pass->cursor,
        .alloc = &pass->cursor->alloc,
        .scratch = pass->cursor->scratch,
    };
    return vv_scan_open(pass->cursor->view, pass->kept, &options, &old->scan, out_err);
}

/** Have the next row in hand, unless there is none: at == rows.count. */
static varve_status pass_next_old(pass_old *old, varve_error *out_err)
{
    while (old->scan != NULL && old->at == old->rows.count) {
        const vv_part *part;
        VV_TRY(vv_scan_next(old->scan, &part, out_err));
        if (part == NULL) {
            vv_scan_close(old->scan);
            old->scan = NULL;
            old->rows.count = 0;
            old->at = 0;
            return VARVE_OK;
        }
        old->rows = part->rows;
        old->at = 0;
    }
    return VARVE_OK;
}

static bool pass_has_old(const pass_old *old)
{
    return old->at < old->rows.count;
}

/** The partial that is kept of a field in the row in hand; size 0: none. */
static varve_text pass_old_partial(const pass_old *old, bool is_same_bucket, uint32_t field)
{
    const varve_column *column = is_same_bucket ? vv_rows_find(&old->rows, field) : NULL;
    if (column == NULL || !vv_column_has(column, old->at) || !vv_type_is_blob(column->type)) {
        return (varve_text){.data = "", .size = 0};
    }
    return ((const varve_text *)column->values)[old->at];
}

/** One bucket: computed, kept, or both. */
static varve_status pass_bucket(pass_state *pass, vv_aggregate *state, int64_t time,
                                vv_aggregate_slot *slot, const pass_old *old, varve_error *out_err)
{
    pass_row row;
    uint32_t aggregation = pass->rollup->given.aggregation;
    VV_TRY(pass_begin_row(pass, &row, out_err));
    for (size_t i = 0; i < state->field_count; i++) {
        const vv_aggregate_field *field = &state->fields[i];
        varve_text kept = pass_old_partial(
            old, pass_has_old(old) && old->rows.times[old->at] == time, field->field);
        vv_buf_reset(&pass->encoded);
        if (slot != NULL) {
            VV_TRY(vv_partial_write(pass->cursor, &slot->accumulators[i], field->type, aggregation,
                                    time, &pass->encoded, out_err));
        }
        varve_text now = vv_buf_text(&pass->encoded);
        if (!vv_text_equal(kept, now)) {
            VV_TRY(pass_put_partial(pass, &row, field->field, now, out_err));
        }
    }
    if (vv_buckets_index(&pass->rollup->buckets, time) + 1 == pass->through) {
        pass_put_sequence(pass, &row); /* nothing of the series comes behind it */
        pass->has_told_through = true;
    }
    pass->buckets += row.count > 0 ? 1 : 0;
    VV_TRY(pass_add_row(pass, time, &row, out_err));
    return pass_commit_full(pass, out_err);
}

/** Slots and kept rows, both ascending, side by side. */
static varve_status pass_compare(pass_state *pass, vv_aggregate *state, pass_old *old,
                                 varve_error *out_err)
{
    size_t at = 0;
    for (;;) {
        VV_TRY(pass_next_old(old, out_err));
        vv_aggregate_slot *slot = at < state->slot_count ? state->slots[at] : NULL;
        bool has_old = pass_has_old(old);
        if (slot == NULL && !has_old) {
            return VARVE_OK;
        }
        bool is_old_first = has_old && (slot == NULL || old->rows.times[old->at] < slot->start);
        pass->has_met_any = true;
        int64_t time = is_old_first ? old->rows.times[old->at] : slot->start;
        bool is_both = !is_old_first && has_old && old->rows.times[old->at] == time;
        VV_TRY(pass_bucket(pass, state, time, is_old_first ? NULL : slot, old, out_err));
        at += is_old_first ? 0 : 1;
        old->at += is_old_first || is_both ? 1 : 0;
    }
}

/** The buckets from `first` on, at most up to `last`; *out_next is the first that is still to do.
 */
static varve_status pass_piece(pass_state *pass, uint64_t first, uint64_t last, uint64_t *out_next,
                               varve_error *out_err)
{
    const vv_buckets *buckets = &pass->rollup->buckets;
    vv_aggregate *state = pass->cursor->state;
    int64_t start = vv_buckets_start(buckets, first);
    varve_range range = vv_range_of_closed(start, vv_buckets_start(buckets, last + 1) - 1);
    bool is_cut;
    int64_t next;
    VV_TRY(vv_cursor_poll(pass->cursor, out_err));
    state->slots_max = PASS_SLOTS_MAX;
    VV_TRY(vv_aggregate_collect(pass->cursor, state, pass->series, range, &is_cut, &next, out_err));
    *out_next = is_cut ? vv_buckets_index(buckets, next) : last + 1;
    pass_old old;
    range = vv_range_of_closed(start, vv_buckets_start(buckets, *out_next - 1));
    VV_TRY(pass_open_old(pass, range, &old, out_err));
    varve_status status = pass_compare(pass, state, &old, out_err);
    vv_scan_close(old.scan);
    return status;
}

/* ---- the view, and the fields that are computed in it ---- */

static void pass_close_cursor(pass_state *pass)
{
    vv_cursor_close(pass->cursor);
    pass->cursor = NULL;
    pass->plan = NULL;
}

static varve_status pass_open_cursor(pass_state *pass, varve_error *out_err)
{
    static const vv_cursor_ops no_ops = {0};
    if (pass->cursor != NULL && pass->cursor->arena.held_bytes <= PASS_CURSOR_BYTES_MAX) {
        return VARVE_OK;
    }
    pass_close_cursor(pass);
    VV_TRY(vv_cursor_create_internal(pass->db, &no_ops, UINT64_MAX, &pass->cursor, out_err));
    pass->cursor->task = pass->task;
    vv_view *view = pass->cursor->view;
    pass->visible = view->visible < pass->visible ? view->visible : pass->visible;
    return vv_rollup_newest(view, vv_rollup_horizon(pass->db), &pass->has_newest, &pass->newest,
                            out_err);
}

/** Whether the rollup keeps a field that values of this type are in. */
static bool pass_keeps(const varve_rollup *rollup, varve_text name, uint32_t type)
{
    return vv_aggregate_type(rollup->aggregation, type) != VARVE_TYPE_NONE &&
           vv_rollup_keeps_field(rollup, name);
}

/** A plan over these fields, and what it needs to be worked through. */
static varve_status pass_make_plan(pass_state *pass, const vv_schema *schema, varve_error *out_err)
{
    varve_cursor *cursor = pass->cursor;
    const varve_rollup *rollup = &pass->rollup->given;
    if (cursor->state != NULL) {
        cursor->ops->deinit(cursor);
        cursor->state = NULL;
    }
    vv_plan *plan = vv_arena_zeroed(&cursor->arena, sizeof *plan);
    uint32_t *series = vv_arena_zeroed(&cursor->arena, sizeof *series);
    vv_plan_output *outputs =
        vv_arena_zeroed(&cursor->arena, ((size_t)schema->count + 1) * sizeof *outputs);
    uint32_t *fields = vv_arena_array(&cursor->arena, (size_t)schema->count + 1, sizeof *fields);
    if (plan == NULL || series == NULL || outputs == NULL || fields == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (uint32_t i = 0; i < schema->count; i++) {
        uint32_t field = schema->fields[i].field;
        varve_text name = vv_catalogue_field_name(pass->db->catalogue, field);
        if (pass_keeps(rollup, name, schema->fields[i].type)) {
            fields[plan->output_count] = field; /* a schema ascends */
            outputs[plan->output_count++] = (vv_plan_output){.kind = VARVE_OUTPUT_FIELD,
                                                             .aggregation = rollup->aggregation,
                                                             .name = name,
                                                             .field = field};
        }
    }
    plan->order = VARVE_ORDER_NONE;
    plan->layout = VARVE_LAYOUT_SERIES;
    plan->range = (varve_range){.start = INT64_MIN, .end = INT64_MAX};
    plan->limit = UINT64_MAX;
    plan->limit_per_series = UINT64_MAX;
    plan->scanned_rows_max = UINT64_MAX;
    plan->bucket = (varve_bucket){
        .kind = VARVE_BUCKET_FIXED, .width = rollup->interval, .origin = rollup->origin};
    plan->is_aggregate = true;
    plan->outputs = outputs;
    plan->fields = fields;
    plan->field_count = plan->output_count;
    plan->series = series;
    plan->series_count = 1;
    pass->plan = plan;
    return vv_aggregate_start(cursor, plan, out_err);
}

/** Fields of the series are those of the plan in hand. */
static bool pass_has_plan(const pass_state *pass, const vv_schema *schema)
{
    size_t at = 0;
    for (uint32_t i = 0; pass->plan != NULL && i < schema->count; i++) {
        uint32_t field = schema->fields[i].field;
        varve_text name = vv_catalogue_field_name(pass->db->catalogue, field);
        if (pass_keeps(&pass->rollup->given, name, schema->fields[i].type)) {
            if (at == pass->plan->output_count || pass->plan->fields[at] != field) {
                return false;
            }
            at++;
        }
    }
    return pass->plan != NULL && at == pass->plan->output_count;
}

/* ---- one series ---- */

/** A row of its own that says how far the series is: every bucket below `through` (L2). */
static varve_status pass_tell_through(pass_state *pass, uint64_t through, varve_error *out_err)
{
    pass_row row;
    VV_TRY(pass_begin_row(pass, &row, out_err));
    pass_put_sequence(pass, &row);
    VV_TRY(
        pass_add_row(pass, vv_buckets_start(&pass->rollup->buckets, through - 1), &row, out_err));
    return pass_commit_full(pass, out_err);
}

/** A flush that is due goes first: it is of the same thread. */
static void pass_look_around(pass_state *pass, uint32_t done_series)
{
    if (pass->is_background && vv_flush_is_due(pass->db)) {
        pass->has_yielded = true;
        pass->db->rollup_resume = (vv_rollup_place){pass->rollup->generation, done_series};
    }
}

static varve_status pass_do_span(pass_state *pass, vv_rollup_span span, varve_error *out_err)
{
    uint64_t next = span.first;
    while (next <= span.last && !pass->has_yielded) {
        VV_TRY(pass_piece(pass, next, span.last, &next, out_err));
        if (next <= span.last && next > pass->from) {
            /* Behind the old checkpoint everything before is done: whoever goes on begins here. */
            VV_TRY(pass_tell_through(pass, next, out_err));
            pass_look_around(pass, pass->series - 1);
        }
    }
    return VARVE_OK;
}

static varve_status pass_do_work(pass_state *pass, varve_error *out_err)
{
    const vv_schema *schema = vv_catalogue_schema(pass->db->catalogue, pass->series);
    if (!pass_has_plan(pass, schema)) {
        VV_TRY(pass_make_plan(pass, schema, out_err));
    }
    const vv_rollup_span *spans = VV_VEC_ITEMS(&pass->work, const vv_rollup_span);
    for (size_t i = 0; i < pass->work.count && pass->plan->output_count > 0; i++) {
        VV_TRY(pass_do_span(pass, spans[i], out_err));
    }
    return VARVE_OK;
}

/** Behind the checkpoint everything is to be computed; before it what something came to. */
static varve_status pass_work(pass_state *pass, const vv_rollup_checkpoint *checkpoint,
                              const vv_rollup_look *look, varve_error *out_err)
{
    uint64_t from = checkpoint->exists ? checkpoint->through : 0;
    pass->from = from;
    vv_vec_clear(&pass->work);
    if (from > 0) {
        VV_TRY(vv_rollup_spans(look, pass->series, checkpoint->sequence, from - 1, &pass->work,
                               out_err));
    }
    bool has_dirt = pass->work.count > 0;
    if (pass->through == 0 || (!has_dirt && pass->through == from)) {
        return VARVE_OK;
    }
    if (pass->through > from) {
        VV_TRY(
            vv_rollup_spans_add(&pass->work, (vv_rollup_span){from, pass->through - 1}, out_err));
    }
    VV_TRY(pass_do_work(pass, out_err));
    /* A series that has got nothing is as far as before: what would be said is known without. */
    bool is_idle = !has_dirt && !pass->has_met_any;
    bool is_said = is_idle || pass->has_told_through || pass->has_yielded;
    return is_said ? VARVE_OK : pass_tell_through(pass, pass->through, out_err);
}

/** What was kept of a series before it became a ring. */
static varve_status pass_forget_series(pass_state *pass, varve_error *out_err)
{
    char buffer[VV_ROLLUP_NAME_BYTES];
    varve_selection gone = {.kind = VARVE_SELECT_EXACT,
                            .text = vv_rollup_metric(pass->rollup->generation, buffer)};
    varve_range all = {.start = INT64_MIN, .end = INT64_MAX};
    VV_TRY(vv_catalogue_labels(pass->db->catalogue, pass->kept, &gone.labels, &gone.label_count,
                               out_err));
    VV_TRY(vv_batch_delete(pass->batch, &gone, 1, all, out_err));
    pass->has_deletes = true;
    return VARVE_OK;
}

static varve_status pass_series(pass_state *pass, uint32_t series, varve_error *out_err)
{
    VV_TRY(pass_open_cursor(pass, out_err));
    const vv_rollup *rollup = pass->rollup;
    vv_rollup_look look = {.view = pass->cursor->view,
                           .buckets = &rollup->buckets,
                           .alloc = &pass->db->alloc,
                           .scratch = pass->cursor->scratch};
    vv_rollup_checkpoint checkpoint;
    pass->series = series;
    pass->has_told_through = false;
    pass->has_met_any = false;
    VV_TRY(vv_cursor_poll(pass->cursor, out_err));
    VV_TRY(vv_rollup_kept_series(pass->db, rollup, series, &pass->kept, out_err));
    VV_TRY(vv_rollup_read_checkpoint(&look, pass->kept, &checkpoint, out_err));
    if (!vv_rollup_can_keep(look.view, series)) {
        return checkpoint.exists ? pass_forget_series(pass, out_err) : VARVE_OK;
    }
    uint64_t newest = pass->has_newest ? vv_buckets_index(&rollup->buckets, pass->newest) : 0;
    pass->through = checkpoint.exists && checkpoint.through > newest ? checkpoint.through : newest;
    return pass_work(pass, &checkpoint, &look, out_err);
}

/* ---- one rollup ---- */

static varve_status pass_rollup_series(pass_state *pass, vv_selection *selection,
                                       uint32_t after_series, varve_error *out_err)
{
    vv_idset ids;
    varve_db *db = pass->db;
    VV_TRY(vv_catalogue_select(db->catalogue, selection, &ids, out_err));
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &ids);
    varve_status status = VARVE_OK;
    uint32_t series;
    while (status == VARVE_OK && !pass->has_yielded && vv_idset_cursor_next(&cursor, &series)) {
        if (series <= after_series) {
            continue;
        }
        status = pass_series(pass, series, out_err);
        vv_task_add(pass->task, 1);
        if (!pass->has_yielded) {
            pass_look_around(pass, series);
        }
    }
    vv_idset_deinit(&ids, &db->alloc);
    return status;
}

/** The figures of a run, where they are read: of the set in force. */
static void pass_tell(pass_state *pass, int64_t started_ns, int64_t begun_ns, varve_status status,
                      const varve_error *error)
{
    varve_db *db = pass->db;
    int64_t took_ns = vv_env_mono_ns(&db->env) - begun_ns;
    int64_t completed_ns = vv_env_wall_ns(&db->env);
    vv_mutex_lock(&db->state_lock);
    vv_rollup *rollup = vv_rollup_set_find(pass->set, pass->rollup->generation);
    vv_rollup_runs *runs = &rollup->runs;
    runs->runs++;
    runs->errors += status == VARVE_OK ? 0 : 1;
    runs->buckets += pass->buckets;
    runs->points += pass->points;
    runs->started_ns = started_ns;
    runs->completed_ns = completed_ns;
    runs->duration_ns = took_ns > 0 ? (uint64_t)took_ns : 0;
    runs->error = status == VARVE_OK ? (varve_error){.status = VARVE_OK} : *error;
    vv_mutex_unlock(&db->state_lock);
    vv_counters *counters = &db->counters;
    atomic_fetch_add_explicit(&counters->rollup_policy_runs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->rollup_buckets, pass->buckets, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->rollup_points, pass->points, memory_order_relaxed);
}

/** What retention has removed of the rows goes of what is kept, too. Nobody would read it (V4 of
 *  aggregate_rollup.c); it takes room. */
static varve_status pass_trim(pass_state *pass, varve_error *out_err)
{
    char buffer[VV_ROLLUP_NAME_BYTES];
    vv_catalogue *catalogue = pass->db->catalogue;
    vv_rollup *rollup = vv_rollup_set_find(pass->set, pass->rollup->generation);
    uint32_t metric;
    VV_TRY(pass_open_cursor(pass, out_err));
    varve_status status = vv_catalogue_metric_id_of(catalogue, rollup->given.metric,
                                                    /* existing_only */ true, &metric, NULL);
    int64_t cut = status == VARVE_OK ? vv_view_cut(pass->cursor->view, metric) : VV_RETENTION_NONE;
    uint64_t bucket = vv_buckets_index(&rollup->buckets, cut);
    varve_range range = {.start = INT64_MIN, .end = vv_buckets_start(&rollup->buckets, bucket)};
    if (cut == VV_RETENTION_NONE || bucket <= rollup->trimmed || range.end == INT64_MIN) {
        return VARVE_OK;
    }
    varve_selection kept = {.kind = VARVE_SELECT_MATCH,
                            .text = vv_rollup_metric(rollup->generation, buffer)};
    VV_TRY(vv_batch_delete(pass->batch, &kept, 1, range, out_err));
    pass->has_deletes = true;
    rollup->trimmed = bucket;
    return VARVE_OK;
}

/** Whether the metric of a rollup keeps row ids (U5 of rollup.h). */
static bool pass_has_row_ids(const pass_state *pass, const vv_rollup *rollup)
{
    const vv_catalogue *catalogue = pass->db->catalogue;
    uint32_t metric;
    return vv_catalogue_metric_id_of(pass->db->catalogue, rollup->given.metric,
                                     /* existing_only */ true, &metric, NULL) == VARVE_OK &&
           vv_catalogue_policy(catalogue, metric).has_row_ids;
}

static varve_status pass_work_through(pass_state *pass, uint32_t after_series, varve_error *out_err)
{
    vv_selection *selection;
    if (pass_has_row_ids(pass, pass->rollup)) {
        return VARVE_OK;
    }
    VV_TRY(vv_rollup_selection(pass->rollup, &pass->db->alloc, &selection, out_err));
    varve_status status = pass_trim(pass, out_err);
    if (status == VARVE_OK) {
        status = pass_rollup_series(pass, selection, after_series, out_err);
    }
    vv_selection_free(selection);
    /* So that a failure is this rollup's. */
    return status == VARVE_OK ? pass_commit(pass, out_err) : status;
}

static varve_status pass_rollup(pass_state *pass, const vv_rollup *rollup, uint32_t after_series,
                                varve_error *error)
{
    int64_t started_ns = vv_env_wall_ns(&pass->db->env);
    int64_t begun_ns = vv_env_mono_ns(&pass->db->env);
    pass->rollup = rollup;
    pass->plan = NULL; /* another aggregation, other buckets */
    pass->buckets = 0;
    pass->points = 0;
    varve_status status = pass_work_through(pass, after_series, error);
    pass_tell(pass, started_ns, begun_ns, status, error);
    return status;
}

/* ---- rollups that are gone ---- */

static varve_status pass_has_rows(pass_state *pass, const vv_selection *selection, bool *out_has,
                                  varve_error *out_err)
{
    vv_idset ids;
    VV_TRY(vv_catalogue_select(pass->db->catalogue, selection, &ids, out_err));
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &ids);
    varve_status status = VARVE_OK;
    varve_range all = {.start = INT64_MIN, .end = INT64_MAX};
    uint32_t series;
    *out_has = false;
    while (status == VARVE_OK && !*out_has && vv_idset_cursor_next(&cursor, &series)) {
        status = vv_scan_exists(pass->cursor->view, series, all, pass->cursor->scratch, out_has,
                                out_err);
    }
    vv_idset_deinit(&ids, &pass->db->alloc);
    return status;
}

static varve_status pass_drop(pass_state *pass, varve_text metric, varve_error *out_err)
{
    varve_selection gone = {.kind = VARVE_SELECT_MATCH, .text = metric};
    vv_selection *selection;
    bool has_rows = false;
    VV_TRY(pass_open_cursor(pass, out_err));
    VV_TRY(vv_selection_compile(&gone, 1, /* with_internal */ true, &pass->db->alloc, &selection,
                                out_err));
    varve_status status = pass_has_rows(pass, selection, &has_rows, out_err);
    vv_selection_free(selection);
    if (status == VARVE_OK && has_rows) {
        varve_range all = {.start = INT64_MIN, .end = INT64_MAX};
        status = vv_batch_delete(pass->batch, &gone, 1, all, out_err);
        pass->has_deletes = pass->has_deletes || status == VARVE_OK;
    }
    return status;
}

static bool pass_is_gone(const pass_state *pass, const vv_rollup *rollup)
{
    return rollup == NULL || pass_has_row_ids(pass, rollup);
}

/** L4. Once for each set and change of policy: nothing is written for a rollup that is gone. */
static varve_status pass_drop_gone(pass_state *pass, varve_error *out_err)
{
    varve_db *db = pass->db;
    uint64_t changes = atomic_load(&db->policy_changes);
    if (db->rollups_cleaned == pass->set && db->rollups_cleaned_changes == changes) {
        return VARVE_OK;
    }
    uint32_t count = vv_catalogue_metric_count(db->catalogue);
    for (uint32_t metric = 1; metric <= count; metric++) {
        varve_text name = vv_catalogue_metric_name(db->catalogue, metric);
        uint64_t generation = vv_rollup_generation_of(name);
        if (generation != 0 && pass_is_gone(pass, vv_rollup_set_find(pass->set, generation))) {
            VV_TRY(pass_drop(pass, name, out_err));
        }
    }
    VV_TRY(pass_commit(pass, out_err));
    vv_rollup_set_unref(db->rollups_cleaned);
    vv_rollup_set_ref(pass->set);
    db->rollups_cleaned = pass->set;
    db->rollups_cleaned_changes = changes;
    return VARVE_OK;
}

/* ---- all of them ---- */

/** Failures that the other rollups would meet as well. */
static bool pass_is_over(varve_status status)
{
    return status == VARVE_E_CANCELLED || status == VARVE_E_NOMEM || status == VARVE_E_BUSY ||
           status == VARVE_E_NOSPACE || status == VARVE_E_FENCED;
}

/** From where the last one yielded; its rollup may be gone, then from the start. */
static size_t pass_first(const pass_state *pass, uint32_t *out_after_series)
{
    vv_rollup_place place = pass->is_background ? pass->db->rollup_resume : (vv_rollup_place){0};
    *out_after_series = 0;
    for (size_t i = 0; i < pass->set->count; i++) {
        if (pass->set->items[i].generation == place.generation) {
            *out_after_series = place.series;
            return i;
        }
    }
    return 0;
}

static varve_status pass_walk(pass_state *pass, varve_error *out_err)
{
    varve_db *db = pass->db;
    uint32_t after_series;
    size_t first = pass_first(pass, &after_series);
    bool is_whole = first == 0 && after_series == 0;
    varve_status answer = VARVE_OK;
    db->rollup_resume = (vv_rollup_place){0};
    VV_TRY(vv_catalogue_field(db->catalogue, VARVE_STR(VV_ROLLUP_SEQUENCE_FIELD),
                              /* existing_only */ false, &pass->sequence_field, out_err));
    VV_TRY(pass_drop_gone(pass, out_err));
    for (size_t i = first; i < pass->set->count && !pass->has_yielded; i++) {
        varve_error error;
        varve_status status = pass_rollup(pass, &pass->set->items[i], after_series, &error);
        after_series = 0;
        if (status != VARVE_OK && answer == VARVE_OK) {
            answer = vv_fail(out_err, status, "rollup \"%.*s\": %s",
                             VV_TEXT_ARGS(pass->set->items[i].given.id), error.message);
        }
        if (pass_is_over(status)) {
            break;
        }
    }
    if (answer == VARVE_OK && is_whole && !pass->has_yielded && pass->visible != UINT64_MAX) {
        vv_rollups_passed(db, pass->visible);
    }
    return answer;
}

static varve_status pass_run(pass_state *pass, varve_error *out_err)
{
    varve_db *db = pass->db;
    vv_arena_init(&pass->blobs, &db->alloc, SIZE_MAX);
    vv_buf_init(&pass->encoded, &db->alloc, SIZE_MAX);
    vv_rollup_spans_init(&pass->work, &db->alloc);
    varve_status status = vv_batch_create_internal(db, &pass->batch, out_err);
    if (status == VARVE_OK) {
        status = pass_walk(pass, out_err);
        vv_batch_free(pass->batch);
    }
    pass_close_cursor(pass);
    vv_vec_deinit(&pass->work);
    vv_buf_deinit(&pass->encoded);
    vv_arena_deinit(&pass->blobs);
    return status;
}

static void pass_count(varve_db *db, int64_t begun_ns, varve_status status)
{
    vv_counters *counters = &db->counters;
    int64_t took_ns = vv_env_mono_ns(&db->env) - begun_ns;
    atomic_fetch_add_explicit(&counters->rollup_runs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(status == VARVE_OK ? &counters->rollup_successes
                                                 : &counters->rollup_errors,
                              1, memory_order_relaxed);
    atomic_store_explicit(&counters->rollup_run_ns, took_ns > 0 ? (uint64_t)took_ns : 0,
                          memory_order_relaxed);
}

varve_status vv_rollup_pass(varve_db *db, varve_task *task, bool is_background,
                            varve_error *out_err)
{
    pass_state pass = {
        .db = db, .task = task, .is_background = is_background, .visible = UINT64_MAX};
    vv_mutex_lock(&db->rollup_lock);
    pass.set = vv_rollups_current(db);
    varve_status status = VARVE_OK;
    if (pass.set != NULL) {
        int64_t begun_ns = vv_env_mono_ns(&db->env);
        vv_task_begin(task, 0);
        status = pass_run(&pass, out_err);
        pass_count(db, begun_ns, status);
    }
    vv_rollup_set_unref(pass.set);
    vv_mutex_unlock(&db->rollup_lock);
    return status;
}
