/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Deletes and replacements of single rows. Whether a row is there can only be told by reading, and
 * reading takes no lock; so it is looked up in a view first, in the order of the batch, and under
 * the locks it is made sure that nothing has come since that could tell otherwise:
 *
 *   resolve   which targets are there, and what the batch does to them in turn
 *   prepare   hides and rows of those, in groups
 *   hold?     no row of these ids changed since the view, no delete, no flush (else again)
 *   apply     hides into the head, then the rows, which are late ones with their old ids
 *
 *   T1  A target that is not there changes nothing and is counted.
 *
 *   T2  A group is one TOMBSTONE record of addresses, then rows. All it hides was written before
 * it: in the batch it ends where a row is changed for the second time, or at a delete by selection.
 *
 *   T3  An answer from a view holds until the shard locks of its series are taken, unless one of
 *       these happened: the row id was changed, there was a delete by selection (any), a head with
 *       later sequences was flushed (so that its changes are not seen), or the id is above the view
 *       and its series has rows above the view.
 */

#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/status.h"
#include "engine/scan.h"
#include "engine/view.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "model/time_range.h"

/** What became of a row of the batch so far. */
typedef struct rows_state {
    vv_row_address row;
    bool is_there;
    uint32_t group; /* that changed it last */
    size_t item;
} rows_state;

/** Resolving the targets of a part. */
typedef struct rows_resolver {
    vv_write *write;
    vv_view *view;
    vv_scan *scan;
    vv_vec states; /* rows_state */
    vv_map by_id;  /* row id -> index of its state */
    uint32_t group;
} rows_resolver;

static bool rows_state_equal(const void *context, const void *key, uint64_t value)
{
    const vv_vec *states = context;
    const uint64_t *row_id = key;
    return VV_VEC_AT(states, rows_state, (size_t)value)->row.row_id == *row_id;
}

varve_status vv_write_check_row_ids(varve_db *db, uint32_t series, varve_error *out_err)
{
    uint32_t metric = vv_catalogue_metric_id(db->catalogue, series);
    if (vv_catalogue_policy(db->catalogue, metric).has_row_ids &&
        !vv_catalogue_is_ring(db->catalogue, series)) {
        return VARVE_OK;
    }
    varve_text name = vv_catalogue_metric_name(db->catalogue, metric);
    return vv_fail(
        out_err, VARVE_E_UNSUPPORTED,
        "rows of \"%.*s\" have no ids; only rows with ids are deleted or replaced one by "
        "one",
        VV_TEXT_ARGS(name));
}

static const vv_write_item *rows_items(const vv_write *write)
{
    return VV_VEC_ITEMS(&write->memory->items, vv_write_item);
}

bool vv_write_counts_row(const vv_write *write, const vv_write_item *item, size_t row)
{
    if (write->rejected_rows != NULL && vv_bits_get(write->rejected_rows, item->first_row + row)) {
        return false;
    }
    return item->target_count == 0 ||
           VV_VEC_AT(&write->memory->targets, vv_write_target, item->first_target + row)->group !=
               VV_WRITE_NO_GROUP;
}

/* ---- looking rows up ---- */

static int rows_compare_targets(const void *a, const void *b)
{
    const vv_write_target *const *left = a;
    const vv_write_target *const *right = b;
    return vv_row_address_compare(&(*left)->row, &(*right)->row);
}

static int rows_compare_addresses(const void *a, const void *b)
{
    return vv_row_address_compare(a, b);
}

/** All targets of the part, in the order of the batch. */
static varve_status rows_list_targets(vv_write *write, varve_error *out_err)
{
    vv_vec *targets = &write->memory->targets;
    vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    vv_vec_clear(targets);
    for (size_t i = write->item_begin; i < write->item_end; i++) {
        items[i].first_target = targets->count;
        for (size_t k = 0; k < items[i].target_count; k++) {
            vv_write_target target = {.row = items[i].targets[k], .group = VV_WRITE_NO_GROUP};
            VV_TRY(vv_write_check_row_ids(write->db, target.row.series, out_err));
            if (items[i].run.count > 0) {
                VV_TRY(vv_write_check_row_ids(write->db, items[i].run.series[k], out_err));
            }
            varve_status status = vv_vec_push(targets, &target);
            if (status != VARVE_OK) {
                return vv_vec_fail(targets, status, out_err);
            }
        }
    }
    return VARVE_OK;
}

/** Mark the targets [begin, end), all of one series and time, that the view has. */
static varve_status rows_look_at(rows_resolver *resolver, vv_write_target **targets, size_t begin,
                                 size_t end, varve_error *out_err)
{
    const vv_row_address *at = &targets[begin]->row;
    varve_range range = {.start = at->time,
                         .end = at->time == INT64_MAX ? INT64_MAX : at->time + 1};
    vv_scan_set_range(resolver->scan, range);
    VV_TRY(vv_scan_restart(resolver->scan, at->series, out_err));
    for (size_t next = begin; next < end;) {
        const vv_part *part;
        VV_TRY(vv_scan_next(resolver->scan, &part, out_err));
        if (part == NULL) {
            return VARVE_OK;
        }
        /* Row ids of one time ascend, over all parts. An end of INT64_MAX takes in that time too.
         */
        for (size_t row = 0; row < part->count && next < end && part->rows.times[row] == at->time;
             row++) {
            uint64_t row_id = part->rows.row_ids[row];
            while (next < end && targets[next]->row.row_id < row_id) {
                next++;
            }
            for (; next < end && targets[next]->row.row_id == row_id; next++) {
                targets[next]->is_stored = true;
            }
        }
    }
    return VARVE_OK;
}

static varve_status rows_look_all(rows_resolver *resolver, varve_error *out_err)
{
    vv_write *write = resolver->write;
    vv_arena *arena = &write->memory->attempt;
    size_t count = write->memory->targets.count;
    vv_write_target *targets = VV_VEC_ITEMS(&write->memory->targets, vv_write_target);
    vv_write_target **sorted = vv_arena_array(arena, count, sizeof *sorted);
    if (sorted == NULL) {
        return vv_arena_fail(arena, count * sizeof(void *), out_err);
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &targets[i];
    }
    qsort(sorted, count, sizeof *sorted, rows_compare_targets);
    for (size_t begin = 0; begin < count;) {
        size_t end = begin + 1;
        while (end < count && sorted[end]->row.series == sorted[begin]->row.series &&
               sorted[end]->row.time == sorted[begin]->row.time) {
            end++;
        }
        VV_TRY(rows_look_at(resolver, sorted, begin, end, out_err));
        begin = end;
    }
    return VARVE_OK;
}

/* ---- what the batch does, in order ---- */

/** Whether a target of an item is there when its turn comes; *out_state: what the batch did to it
 *  before, NULL: nothing. */
static varve_status rows_is_there(rows_resolver *resolver, const vv_write_target *target,
                                  size_t item, rows_state **out_state, bool *out_is_there,
                                  varve_error *out_err)
{
    vv_write *write = resolver->write;
    uint64_t index;
    bool is_deleted = false;
    size_t since = write->item_begin;
    *out_state = NULL;
    *out_is_there = target->is_stored;
    if (vv_map_find(&resolver->by_id, vv_hash_mix2(target->row.row_id, 0), &target->row.row_id,
                    &index)) {
        *out_state = VV_VEC_AT(&resolver->states, rows_state, (size_t)index);
        *out_is_there =
            (*out_state)->is_there && vv_row_address_compare(&(*out_state)->row, &target->row) == 0;
        since = (*out_state)->item + 1;
    }
    if (*out_is_there) {
        VV_TRY(vv_write_is_deleted(write, target->row.series, target->row.time, since, item,
                                   &is_deleted, out_err));
        *out_is_there = !is_deleted;
    }
    return VARVE_OK;
}

static varve_status rows_remember(rows_resolver *resolver, rows_state *known, rows_state state,
                                  varve_error *out_err)
{
    if (known != NULL) {
        *known = state;
        return VARVE_OK;
    }
    uint64_t index = resolver->states.count;
    varve_status status = vv_vec_push(&resolver->states, &state);
    if (status == VARVE_OK) {
        status = vv_map_insert(&resolver->by_id, vv_hash_mix2(state.row.row_id, 0), index);
    }
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&resolver->states, status, out_err);
}

static varve_status rows_resolve_target(rows_resolver *resolver, size_t item, size_t at,
                                        varve_error *out_err)
{
    vv_write *write = resolver->write;
    const vv_write_item *place = &rows_items(write)[item];
    vv_write_target *target =
        VV_VEC_AT(&write->memory->targets, vv_write_target, place->first_target + at);
    bool replaces = place->run.count > 0;
    rows_state *known;
    bool is_there;
    VV_TRY(rows_is_there(resolver, target, item, &known, &is_there, out_err));
    if (!is_there) {
        write->part_rows.missing++;
        return VARVE_OK;
    }
    if (known != NULL && known->group == resolver->group) {
        resolver->group++; /* T2 */
    }
    target->group = resolver->group;
    rows_state state = {
        .row = target->row, .is_there = replaces, .group = resolver->group, .item = item};
    if (replaces) {
        state.row.series = place->run.series[at];
        state.row.time = place->run.times[at];
        write->part_rows.replaced++;
    } else {
        write->part_rows.deleted++;
    }
    VV_TRY(rows_remember(resolver, known, state, out_err));
    varve_status status = vv_vec_push(&write->memory->found, &target->row);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&write->memory->found, status, out_err);
}

static varve_status rows_walk(rows_resolver *resolver, varve_error *out_err)
{
    vv_write *write = resolver->write;
    for (size_t i = write->item_begin; i < write->item_end; i++) {
        const vv_write_item *item = &rows_items(write)[i];
        if (item->op->selection != NULL) {
            resolver->group++; /* T2 */
        }
        for (size_t at = 0; at < item->target_count; at++) {
            bool is_rejected = item->run.count > 0 && write->rejected_rows != NULL &&
                               vv_bits_get(write->rejected_rows, item->first_row + at);
            if (!is_rejected) {
                VV_TRY(rows_resolve_target(resolver, i, at, out_err));
            }
        }
    }
    vv_vec *found = &write->memory->found;
    if (found->count > 1) {
        qsort(found->items, found->count, found->item_size, rows_compare_addresses);
    }
    return VARVE_OK;
}

static varve_status rows_resolve(rows_resolver *resolver, varve_error *out_err)
{
    static const uint32_t no_field = 0;
    vv_write *write = resolver->write;
    vv_scan_options options = {
        .fields = &no_field,
        .with_row_ids = true,
        .keep_all_rows = true,
        .no_vectors = true,
        .alloc = &write->db->alloc,
        .scratch = write->memory->scratch,
    };
    const vv_write_target *first = VV_VEC_AT(&write->memory->targets, vv_write_target, 0);
    VV_TRY(vv_view_open(write->db, &resolver->view, out_err));
    write->rows_visible = resolver->view->visible;
    VV_TRY(vv_scan_open(resolver->view, first->row.series, &options, &resolver->scan, out_err));
    VV_TRY(rows_look_all(resolver, out_err));
    return rows_walk(resolver, out_err);
}

varve_status vv_write_resolve_rows(vv_write *write, varve_error *out_err)
{
    if (!write->changes_rows || write->is_rows_resolved) {
        return VARVE_OK;
    }
    varve_db *db = write->db;
    write->part_rows = (vv_write_row_counts){0};
    vv_vec_clear(&write->memory->found);
    vv_arena_reset(&write->memory->attempt);
    VV_TRY(rows_list_targets(write, out_err));
    VV_TRY(vv_write_scratch(write, out_err));
    if (write->has_rows_changed) {
        /* What came between may be on its way to the disk: the next view must see it. */
        uint64_t last_lsn;
        uint64_t last_sequence;
        vv_wal_position(db->wal, &last_lsn, &last_sequence);
        VV_TRY(vv_wal_sync(db->wal, last_lsn, out_err));
    }
    rows_resolver resolver = {.write = write};
    vv_vec_init(&resolver.states, &db->alloc, sizeof(rows_state), SIZE_MAX);
    vv_map_init(&resolver.by_id, &db->alloc, 0, rows_state_equal, &resolver.states);
    varve_status status = rows_resolve(&resolver, out_err);
    vv_map_deinit(&resolver.by_id);
    vv_vec_deinit(&resolver.states);
    vv_scan_close(resolver.scan);
    vv_view_unref(resolver.view);
    write->is_rows_resolved = status == VARVE_OK;
    return status;
}

/* ---- prepare ---- */

/** Rows of an item whose targets are [begin, end) and there, as a run with their ids. */
static varve_status rows_take(vv_write *write, const vv_write_item *item, size_t begin, size_t end,
                              vv_run *out_run, varve_error *out_err)
{
    vv_arena *arena = &write->memory->attempt;
    const vv_run *run = &item->run;
    size_t most = end - begin;
    uint32_t *rows = vv_arena_array(arena, most, sizeof *rows);
    uint32_t *series = vv_arena_array(arena, most, sizeof *series);
    int64_t *times = vv_arena_array(arena, most, sizeof *times);
    uint64_t *row_ids = vv_arena_array(arena, most, sizeof *row_ids);
    varve_column *columns = vv_arena_array(arena, run->column_count, sizeof *columns);
    if (rows == NULL || series == NULL || times == NULL || row_ids == NULL || columns == NULL) {
        return vv_arena_fail(arena, most * sizeof *times, out_err);
    }
    size_t count = 0;
    for (size_t i = begin; i < end; i++) {
        if (vv_write_counts_row(write, item, i)) {
            rows[count] = (uint32_t)i;
            series[count] = run->series[i];
            times[count] = run->times[i];
            row_ids[count] = item->targets[i].row_id;
            count++;
        }
    }
    for (size_t i = 0; i < run->column_count; i++) {
        VV_TRY(vv_write_take_column(&run->columns[i], rows, count, arena, &columns[i], out_err));
    }
    *out_run = (vv_run){
        .count = count,
        .series = series,
        .series_count = count,
        .times = times,
        .time_count = count,
        .fields = run->fields,
        .columns = columns,
        .column_count = run->column_count,
        .row_ids = row_ids,
    };
    return VARVE_OK;
}

/** Begin a group, unless it is the present one (T2) and has room. */
static varve_status rows_begin_group(vv_write *write, uint32_t group, varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    const vv_write_delete *last =
        write->group != group
            ? NULL
            : VV_VEC_AT(&memory->deletes, vv_write_delete, memory->deletes.count - 1);
    if (last != NULL && last->hide_end - last->hide_begin < VV_WRITE_GROUP_ROWS_MAX) {
        return VARVE_OK;
    }
    vv_write_delete delete = {
        .run_index = memory->runs.count,
        .hide_begin = memory->hides.count,
        .hide_end = memory->hides.count,
    };
    write->group = group;
    varve_status status = vv_vec_push(&memory->deletes, &delete);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&memory->deletes, status, out_err);
}

/** Targets [begin, end) of an item: all of one group, or not there. */
static varve_status rows_prepare_part(vv_write *write, const vv_write_item *item, size_t begin,
                                      size_t end, varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    const vv_write_target *targets =
        VV_VEC_AT(&memory->targets, vv_write_target, item->first_target);
    size_t there = 0;
    for (size_t i = begin; i < end; i++) {
        if (targets[i].group == VV_WRITE_NO_GROUP) {
            continue;
        }
        VV_TRY(rows_begin_group(write, targets[i].group, out_err));
        varve_status status = vv_vec_push(&memory->hides, &targets[i].row);
        if (status != VARVE_OK) {
            return vv_vec_fail(&memory->hides, status, out_err);
        }
        VV_VEC_AT(&memory->deletes, vv_write_delete, memory->deletes.count - 1)->hide_end =
            memory->hides.count;
        there++;
    }
    if (there == 0 || item->run.count == 0) {
        return VARVE_OK;
    }
    vv_run run;
    VV_TRY(rows_take(write, item, begin, end, &run, out_err));
    return vv_write_add_run(write, &run, out_err);
}

varve_status vv_write_prepare_rows(vv_write *write, const vv_write_item *item, varve_error *out_err)
{
    const vv_vec *targets = &write->memory->targets;
    for (size_t begin = 0; begin < item->target_count;) {
        uint32_t group = VV_WRITE_NO_GROUP;
        size_t end = begin;
        while (end < item->target_count) {
            uint32_t next = VV_VEC_AT(targets, vv_write_target, item->first_target + end)->group;
            if (next != VV_WRITE_NO_GROUP && group != VV_WRITE_NO_GROUP && next != group) {
                break;
            }
            group = next != VV_WRITE_NO_GROUP ? next : group;
            end++;
        }
        VV_TRY(rows_prepare_part(write, item, begin, end, out_err));
        begin = end;
    }
    return VARVE_OK;
}

void vv_write_sort_hides(vv_write *write, const vv_write_delete *delete)
{
    vv_vec *hides = &write->memory->hides;
    size_t count = delete->hide_end - delete->hide_begin;
    if (count > 1) {
        qsort(VV_VEC_AT(hides, vv_row_address, delete->hide_begin), count, hides->item_size,
              rows_compare_addresses);
    }
}

/* ---- under the locks ---- */

uint64_t vv_write_target_shards(const vv_write *write)
{
    const vv_write_target *targets = VV_VEC_ITEMS(&write->memory->targets, vv_write_target);
    uint64_t shards = 0;
    for (size_t i = 0; write->changes_rows && i < write->memory->targets.count; i++) {
        shards |= UINT64_C(1) << (targets[i].row.series % VV_SHARD_COUNT);
    }
    return shards;
}

/** T3, for one target. */
static bool rows_holds_locked(const vv_write *write, const vv_row_address *row)
{
    const varve_db *db = write->db;
    uint64_t since = write->rows_visible;
    bool is_above = row->row_id > since;
    for (size_t i = 0; i <= db->frozen_count; i++) {
        const vv_head *head = i < db->frozen_count ? db->frozen[i] : db->head;
        if (vv_head_is_row_changed(head, row->series, row->row_id, since) ||
            (is_above && vv_head_series_sequence(head, row->series) > since)) {
            return false;
        }
    }
    return true;
}

bool vv_write_rows_hold_locked(vv_write *write)
{
    if (!write->changes_rows) {
        return true;
    }
    varve_db *db = write->db;
    const vv_write_target *targets = VV_VEC_ITEMS(&write->memory->targets, vv_write_target);
    vv_mutex_lock(&db->state_lock);
    bool holds =
        db->flushed_sequence <= write->rows_visible && db->deletes_sequence <= write->rows_visible;
    for (size_t i = 0; i < write->memory->targets.count && holds; i++) {
        holds = rows_holds_locked(write, &targets[i].row);
    }
    vv_mutex_unlock(&db->state_lock);
    for (size_t i = 0; i < write->memory->targets.count && holds; i++) {
        holds = vv_write_check_row_ids(db, targets[i].row.series, NULL) == VARVE_OK;
    }
    const vv_write_run *runs = VV_VEC_ITEMS(&write->memory->runs, vv_write_run);
    for (size_t i = 0; i < write->memory->runs.count && holds; i++) {
        for (size_t k = 0; runs[i].run.row_ids != NULL && k < runs[i].run.count && holds; k++) {
            holds = vv_write_check_row_ids(db, runs[i].run.series[k], NULL) == VARVE_OK;
        }
    }
    if (!holds) {
        write->is_rows_resolved = false;
        write->has_rows_changed = true;
    }
    return holds;
}

varve_status vv_write_reserve_hides_locked(vv_write *write, bool *out_has_grown,
                                           varve_error *out_err)
{
    const vv_vec *found = &write->memory->found;
    const vv_row_address *rows = VV_VEC_ITEMS(found, vv_row_address);
    for (size_t begin = 0; write->changes_rows && begin < found->count;) {
        size_t end = begin + 1;
        while (end < found->count && rows[end].series == rows[begin].series) {
            end++;
        }
        bool is_defined;
        VV_TRY(vv_head_reserve_hides(write->db->head, rows[begin].series, end - begin, &is_defined,
                                     out_err));
        if (write->is_logged && !is_defined &&
            !vv_idset_contains(&write->new_series, rows[begin].series)) {
            *out_has_grown = true;
            if (vv_idset_add(&write->new_series, &write->db->alloc, rows[begin].series) !=
                VARVE_OK) {
                return vv_fail_nomem(out_err, "write", sizeof(uint32_t));
            }
        }
        begin = end;
    }
    return VARVE_OK;
}

void vv_write_hide_rows(vv_write *write, const vv_write_delete *delete, uint64_t sequence)
{
    const vv_row_address *hides = VV_VEC_ITEMS(&write->memory->hides, vv_row_address);
    for (size_t i = delete->hide_begin; i < delete->hide_end; i++) {
        vv_head_hide_row(write->db->head, &hides[i], sequence);
        vv_head_set_series_defined(write->db->head, hides[i].series);
    }
}
