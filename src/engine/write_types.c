/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A field of a series has one type while some visible row holds it. The reservation in the head
 * compares types and stops at the first that differs; then, without a lock, everything written so
 * far is made visible and every row of the part is looked at here, in order, with what the rows
 * before it have claimed:
 *
 *   the stored type is held by a visible row, or by an earlier row of the batch   the row is
 *       rejected, or the write fails
 *   nothing holds it any more                                                     the type may
 *       change: an entry of memory.retypes, for the next try
 *
 * A row that gives its series more fields than one may have, with those of the rows before it, is
 * rejected in the same way: what is kept of a batch does not depend on where it begins.
 *
 * Deletes of the batch count as if they were done: what they hide before the row holds no type.
 * Stored rows that the batch deletes or replaces one by one hold none either, wherever in the batch
 * that is: it is seen as a whole. A row that the batch writes and then replaces counts as if it
 * stayed.
 */

#include "base/hash.h"
#include "base/map.h"
#include "base/status.h"
#include "engine/scan.h"
#include "engine/view.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "index/schemas.h"
#include "model/time_range.h"
#include "model/value.h"

/** The type that rows of this part give a field of a series, where the catalogue has another. */
typedef struct types_claim {
    uint32_t series, field, type;
} types_claim;

typedef struct types_state {
    vv_write *write;
    vv_view *view;
    vv_vec claims;      /* types_claim */
    vv_map by_key;      /* (series, field) -> index of the latest claim */
    vv_vec conflicts;   /* types_claim: what was found to be held, since the last delete ... */
    vv_map by_conflict; /* ... by (series, field): the same row after row is looked at once */
    vv_vec added;       /* types_claim: how many fields, as `type`, the part adds to a series */
    vv_map by_series;   /* (series, 0) -> index of the latest of them */
} types_state;

static bool types_claim_equal(const void *context, const void *key, uint64_t value)
{
    const vv_vec *claims = context;
    const types_claim *wanted = key;
    const types_claim *claim = VV_VEC_AT(claims, types_claim, (size_t)value);
    return claim->series == wanted->series && claim->field == wanted->field;
}

static uint32_t types_series(const vv_run *run, size_t row)
{
    return run->series[run->series_count == 1 ? 0 : row];
}

static int64_t types_time(const vv_run *run, size_t row)
{
    return run->times[run->time_count == 1 ? 0 : row];
}

/* ---- what deletes of the batch hide ---- */

static varve_status types_selects(const vv_write *write, const vv_batch_op *delete, uint32_t series,
                                  bool *out_selects, varve_error *out_err)
{
    vv_catalogue *catalogue = write->db->catalogue;
    const varve_label *labels;
    size_t label_count;
    VV_TRY(vv_catalogue_labels(catalogue, series, &labels, &label_count, out_err));
    return vv_selection_matches(delete->selection, vv_catalogue_metric(catalogue, series), labels,
                                label_count, out_selects, out_err);
}

varve_status vv_write_is_deleted(const vv_write *write, uint32_t series, int64_t time, size_t begin,
                                 size_t end, bool *out_is_deleted, varve_error *out_err)
{
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    *out_is_deleted = false;
    for (size_t i = begin; i < end && !*out_is_deleted; i++) {
        if (items[i].op->selection != NULL && vv_range_contains(items[i].op->range, time)) {
            VV_TRY(types_selects(write, items[i].op, series, out_is_deleted, out_err));
        }
    }
    return VARVE_OK;
}

/** Whether an earlier row of the part holds the field, not hidden before item `end`. */
static varve_status types_batch_holds(const types_state *state, uint32_t series, uint32_t field,
                                      size_t end, size_t end_row, bool *out_holds,
                                      varve_error *out_err)
{
    const vv_write *write = state->write;
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    *out_holds = false;
    for (size_t i = write->item_begin; i <= end && !*out_holds; i++) {
        const vv_run *run = &items[i].run;
        size_t rows = items[i].op->selection != NULL ? 0 : i == end ? end_row : run->count;
        size_t column = 0;
        while (column < run->column_count && run->fields[column] != field) {
            column++;
        }
        for (size_t row = 0; row < rows && column < run->column_count && !*out_holds; row++) {
            if (types_series(run, row) != series || !vv_column_has(&run->columns[column], row) ||
                !vv_write_counts_row(write, &items[i], row)) {
                continue;
            }
            bool is_hidden;
            VV_TRY(vv_write_is_deleted(write, series, types_time(run, row), i, end, &is_hidden,
                                       out_err));
            *out_holds = !is_hidden;
        }
    }
    return VARVE_OK;
}

/** Whether a visible row in range holds the field. */
static varve_status types_range_holds(const types_state *state, uint32_t series, uint32_t field,
                                      varve_range range, bool *out_holds, varve_error *out_err)
{
    vv_scan_options options = {
        .range = range,
        .fields = &field,
        .field_count = 1,
        .no_vectors = true,
        .hidden = VV_VEC_ITEMS(&state->write->memory->found, vv_row_address),
        .hidden_count = state->write->memory->found.count,
        .alloc = &state->write->db->alloc,
        .scratch = state->write->memory->scratch,
    };
    vv_scan *scan;
    VV_TRY(vv_scan_open(state->view, series, &options, &scan, out_err));
    const vv_part *part;
    varve_status status = vv_scan_next(scan, &part, out_err);
    *out_holds = status == VARVE_OK && part != NULL;
    vv_scan_close(scan);
    return status;
}

/** Whether a stored row holds the field that no delete before item `end` hides. */
static varve_status types_store_holds(const types_state *state, uint32_t series, uint32_t field,
                                      size_t end, bool *out_holds, varve_error *out_err)
{
    const vv_write *write = state->write;
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    VV_TRY(vv_scan_field_exists(state->view, series, field, write->memory->scratch, out_holds,
                                out_err));
    /* Walk over the axis from one gap between deletes to the next. */
    int64_t at = INT64_MIN;
    bool has_deletes = write->memory->found.count > 0;
    for (size_t i = write->item_begin; i < end && !has_deletes; i++) {
        has_deletes = items[i].op->selection != NULL;
    }
    if (!*out_holds || !has_deletes) {
        return VARVE_OK;
    }
    *out_holds = false;
    while (!*out_holds) {
        varve_range gap = {.start = at, .end = INT64_MAX};
        bool is_covered = false;
        for (size_t i = write->item_begin; i < end; i++) {
            varve_range range = items[i].op->range;
            if (items[i].op->selection == NULL || (range.end <= at && range.end != INT64_MAX)) {
                continue;
            }
            bool selects;
            VV_TRY(types_selects(write, items[i].op, series, &selects, out_err));
            if (selects && range.start <= at) {
                if (range.end == INT64_MAX) {
                    return VARVE_OK;
                }
                at = range.end;
                is_covered = true;
                break;
            }
            if (selects && range.start < gap.end) {
                gap.end = range.start;
            }
        }
        if (is_covered) {
            continue;
        }
        VV_TRY(types_range_holds(state, series, field, gap, out_holds, out_err));
        if (gap.end == INT64_MAX) {
            return VARVE_OK;
        }
        at = gap.end;
    }
    return VARVE_OK;
}

/* ---- rows in order ---- */

/** The type a field holds before a row: claimed by the batch, else the catalogue's; 0: none. */
static uint32_t types_held(const types_state *state, const vv_schema *schema, uint32_t series,
                           uint32_t field)
{
    types_claim key = {.series = series, .field = field};
    uint64_t index;
    if (vv_map_find(&state->by_key, vv_hash_mix2(series, field), &key, &index)) {
        return VV_VEC_AT(&state->claims, types_claim, (size_t)index)->type;
    }
    uint32_t at = vv_schema_place(schema, 0, field);
    bool is_known = at < schema->count && schema->fields[at].field == field;
    return is_known ? schema->fields[at].type : (uint32_t)VARVE_TYPE_NONE;
}

/** Add to a list and its map; the latest of a key counts. */
static varve_status types_add(vv_vec *list, vv_map *map, types_claim claim, varve_error *out_err)
{
    uint64_t hash = vv_hash_mix2(claim.series, claim.field);
    varve_status status = vv_vec_push(list, &claim);
    uint64_t index = list->count - 1;
    if (status == VARVE_OK && !vv_map_replace(map, hash, &claim, index)) {
        status = vv_map_insert(map, hash, index);
    }
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(list, status, out_err);
}

/** How many fields a series has before a row. */
static size_t types_field_count(const types_state *state, const vv_schema *schema, uint32_t series)
{
    types_claim key = {.series = series};
    uint64_t index;
    bool has_more = vv_map_find(&state->by_series, vv_hash_mix2(series, 0), &key, &index);
    return schema->count +
           (has_more ? VV_VEC_AT(&state->added, types_claim, (size_t)index)->type : 0);
}

/** held NONE: the field is one too many. */
static varve_status types_fail(const types_state *state, uint64_t row, uint32_t series,
                               uint32_t field, uint32_t held, uint32_t given, varve_error *out_err)
{
    const vv_catalogue *catalogue = state->write->db->catalogue;
    varve_text metric = vv_catalogue_metric(catalogue, series);
    varve_text name = vv_catalogue_field_name(catalogue, field);
    if (held == VARVE_TYPE_NONE) {
        return vv_fail(out_err, VARVE_E_LIMIT,
                       "row %llu: field \"%.*s\" of \"%.*s\": a series has at most %u fields",
                       (unsigned long long)row, VV_TEXT_ARGS(name), VV_TEXT_ARGS(metric),
                       VV_SCHEMA_FIELDS_MAX);
    }
    return vv_fail(out_err, VARVE_E_INVALID,
                   "row %llu: field \"%.*s\" of \"%.*s\" holds %s, and the row gives %s",
                   (unsigned long long)row, VV_TEXT_ARGS(name), VV_TEXT_ARGS(metric),
                   vv_family_name(held), vv_family_name(given));
}

/** Decide about a field of a row that has another type than is held. */
static varve_status types_decide(types_state *state, size_t item, size_t row, types_claim key,
                                 bool *out_is_conflict, varve_error *out_err)
{
    uint64_t index;
    *out_is_conflict =
        vv_map_find(&state->by_conflict, vv_hash_mix2(key.series, key.field), &key, &index);
    if (*out_is_conflict) {
        return VARVE_OK;
    }
    VV_TRY(types_store_holds(state, key.series, key.field, item, out_is_conflict, out_err));
    if (!*out_is_conflict) {
        VV_TRY(
            types_batch_holds(state, key.series, key.field, item, row, out_is_conflict, out_err));
    }
    if (*out_is_conflict) {
        return types_add(&state->conflicts, &state->by_conflict, key, out_err);
    }
    vv_head_retype retype = {.series = key.series, .field = key.field};
    vv_vec *retypes = &state->write->memory->retypes;
    varve_status status = vv_vec_push(retypes, &retype);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(retypes, status, out_err);
}

/** Check a row; *out_conflict is the number of its first column that conflicts, or column_count.
 *  *out_held is what it conflicts with; NONE: the bound of the fields of a series. */
static varve_status types_check_row(types_state *state, size_t item, size_t row,
                                    size_t *out_conflict, uint32_t *out_held, varve_error *out_err)
{
    vv_write *write = state->write;
    const vv_run *run = &VV_VEC_AT(&write->memory->items, vv_write_item, item)->run;
    uint32_t series = types_series(run, row);
    const vv_schema *schema = vv_catalogue_schema(write->db->catalogue, series);
    size_t field_count = types_field_count(state, schema, series);
    for (size_t i = 0; i < run->column_count; i++) {
        *out_conflict = i;
        uint32_t field = run->fields[i];
        *out_held = types_held(state, schema, series, field);
        if (!vv_column_has(&run->columns[i], row) ||
            *out_held == vv_type_family(run->columns[i].type)) {
            continue;
        }
        if (*out_held == VARVE_TYPE_NONE) {
            field_count++;
            if (field_count > VV_SCHEMA_FIELDS_MAX) {
                return VARVE_OK;
            }
            continue;
        }
        bool is_conflict;
        types_claim key = {.series = series, .field = field};
        VV_TRY(types_decide(state, item, row, key, &is_conflict, out_err));
        if (is_conflict) {
            return VARVE_OK;
        }
    }
    *out_conflict = run->column_count;
    return VARVE_OK;
}

/** What the rows behind find: the types of this one, where they are not the catalogue's. */
static varve_status types_claim_row(types_state *state, const vv_run *run, size_t row,
                                    varve_error *out_err)
{
    uint32_t series = types_series(run, row);
    const vv_schema *schema = vv_catalogue_schema(state->write->db->catalogue, series);
    size_t before = types_field_count(state, schema, series) - schema->count;
    types_claim added = {.series = series, .type = (uint32_t)before};
    for (size_t i = 0; i < run->column_count; i++) {
        types_claim claim = {.series = series,
                             .field = run->fields[i],
                             .type = vv_type_family(run->columns[i].type)};
        uint32_t held = types_held(state, schema, series, claim.field);
        if (vv_column_has(&run->columns[i], row) && held != claim.type) {
            VV_TRY(types_add(&state->claims, &state->by_key, claim, out_err));
            added.type += held == VARVE_TYPE_NONE ? 1 : 0;
        }
    }
    return added.type == before ? VARVE_OK
                                : types_add(&state->added, &state->by_series, added, out_err);
}

static varve_status types_row(types_state *state, size_t item, size_t row, varve_error *out_err)
{
    vv_write *write = state->write;
    const vv_write_item *at = VV_VEC_AT(&write->memory->items, vv_write_item, item);
    const vv_run *run = &at->run;
    size_t retype_count = write->memory->retypes.count;
    size_t conflict;
    uint32_t held = VARVE_TYPE_NONE;
    VV_TRY(types_check_row(state, item, row, &conflict, &held, out_err));
    if (conflict == run->column_count) {
        return types_claim_row(state, run, row, out_err);
    }
    write->memory->retypes.count = retype_count;
    bool is_type = held != VARVE_TYPE_NONE;
    const varve_rejected rejected = {
        .row = at->first_row + row,
        .status = is_type ? VARVE_E_INVALID : VARVE_E_LIMIT,
        .reason = is_type ? VARVE_REJECTED_TYPE : VARVE_REJECTED_ROW,
        .field = {.id = run->fields[conflict]},
        .limit = is_type ? 0 : VV_SCHEMA_FIELDS_MAX,
    };
    if ((write->flags & VARVE_WRITE_SKIP_REJECTED) != 0) {
        return vv_write_reject(write, &rejected, out_err);
    }
    vv_write_blame(write, &rejected);
    return types_fail(state, at->first_row + row, types_series(run, row), run->fields[conflict],
                      held, run->columns[conflict].type, out_err);
}

static varve_status types_walk(types_state *state, varve_error *out_err)
{
    vv_write *write = state->write;
    for (size_t item = write->item_begin; item < write->item_end; item++) {
        const vv_write_item *at = VV_VEC_AT(&write->memory->items, vv_write_item, item);
        if (at->op->selection != NULL) {
            vv_vec_clear(&state->conflicts); /* it may hide what held the types */
            vv_map_clear(&state->by_conflict);
        }
        for (size_t row = 0; at->op->selection == NULL && row < at->run.count; row++) {
            if (vv_write_counts_row(write, at, row)) {
                VV_TRY(types_row(state, item, row, out_err));
            }
        }
    }
    return VARVE_OK;
}

varve_status vv_write_resolve_types(vv_write *write, varve_error *out_err)
{
    varve_db *db = write->db;
    vv_vec_clear(&write->memory->retypes);
    /* Rows on their way hold their types already, and deletes on their way hide: wait for both. */
    uint64_t last_lsn;
    uint64_t last_sequence;
    vv_wal_position(db->wal, &last_lsn, &last_sequence);
    VV_TRY(vv_wal_sync(db->wal, last_lsn, out_err));
    VV_TRY(vv_write_scratch(write, out_err));
    types_state state = {.write = write};
    VV_TRY(vv_view_open_lasting(db, &state.view, out_err)); /* what may come back holds its type */
    vv_vec_init(&state.claims, &db->alloc, sizeof(types_claim), SIZE_MAX);
    vv_map_init(&state.by_key, &db->alloc, 0, types_claim_equal, &state.claims);
    vv_vec_init(&state.conflicts, &db->alloc, sizeof(types_claim), SIZE_MAX);
    vv_map_init(&state.by_conflict, &db->alloc, 0, types_claim_equal, &state.conflicts);
    vv_vec_init(&state.added, &db->alloc, sizeof(types_claim), SIZE_MAX);
    vv_map_init(&state.by_series, &db->alloc, 0, types_claim_equal, &state.added);
    write->retypes_visible = state.view->visible;
    varve_status status = types_walk(&state, out_err);
    vv_map_deinit(&state.by_series);
    vv_vec_deinit(&state.added);
    vv_map_deinit(&state.by_conflict);
    vv_vec_deinit(&state.conflicts);
    vv_map_deinit(&state.by_key);
    vv_vec_deinit(&state.claims);
    vv_view_unref(state.view);
    return status;
}

bool vv_write_retypes_hold_locked(const vv_write *write)
{
    varve_db *db = write->db;
    vv_mutex_lock(&db->state_lock);
    bool hold = write->memory->retypes.count == 0 || db->flushed_sequence <= write->retypes_visible;
    for (size_t i = 0; i < write->memory->retypes.count && hold; i++) {
        uint32_t series = VV_VEC_AT(&write->memory->retypes, vv_head_retype, i)->series;
        hold = vv_head_series_sequence(db->head, series) <= write->retypes_visible;
        for (size_t at = 0; at < db->frozen_count && hold; at++) {
            hold = vv_head_series_sequence(db->frozen[at], series) <= write->retypes_visible;
        }
    }
    vv_mutex_unlock(&db->state_lock);
    return hold;
}

void vv_write_blame(const vv_write *write, const varve_rejected *rejected)
{
    if (write->options != NULL && write->options->rejected_capacity > 0) {
        write->options->rejected[0] = *rejected;
    }
}

varve_status vv_write_reject(vv_write *write, const varve_rejected *rejected, varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    if (write->rejected_rows == NULL) {
        size_t size = vv_bits_words(write->batch->row_count) * sizeof(uint64_t);
        write->rejected_rows = vv_arena_zeroed(&memory->call, size);
        if (write->rejected_rows == NULL) {
            return vv_arena_fail(&memory->call, size, out_err);
        }
    }
    varve_status pushed = vv_vec_push(&memory->rejected, rejected);
    if (pushed != VARVE_OK) {
        return vv_vec_fail(&memory->rejected, pushed, out_err);
    }
    vv_bits_set(write->rejected_rows, rejected->row);
    write->is_rows_resolved = false; /* what it was to replace stays */
    return VARVE_OK;
}
