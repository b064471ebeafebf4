/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rules and recorded cuts: setting them, making them durable, reading them back.
 *
 *   change -> POLICY record, synced -> table installed -> ... flush: manifest names the table, the
 *                                                        log behind it goes
 *
 *   J1  flush_lock is held from before the record to after the table (T4 of retention.h).
 *   J2  Replay gives the table of the last record, whatever later state the manifest had: the log
 *       holds every change since the flush that the manifest speaks of. Cuts alone may be in the
 *       manifest first (no log, or no room in it): they never fall, so their order does not matter.
 */

#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/status.h"
#include "engine/db.h"
#include "engine/edit.h"
#include "engine/manifest.h"
#include "engine/retention.h"
#include "index/catalogue.h"
#include "model/labels.h"
#include "model/time_range.h"
#include "wal/payload.h"
#include "wal/wal.h"

/* For room in the buffer of the log, while flush_lock is held; arbitrary. */
#define RETENTION_WAIT_NS VV_NS_PER_S

/* ---- entries of a table ---- */

static bool retention_is_empty(const vv_retention_entry *entry)
{
    return !entry->has_rule && entry->recorded == VV_RETENTION_NONE;
}

static bool retention_is_same(const vv_retention_entry *a, const vv_retention_entry *b)
{
    return a->has_rule == b->has_rule && a->is_enforced == b->is_enforced &&
           a->window == b->window && a->hot_window == b->hot_window && a->recorded == b->recorded;
}

static bool retention_is_named(const vv_retention_entry *entry, const vv_manifest_state *state)
{
    const vv_retention_entry *stored = vv_manifest_find_retention(state, entry->metric);
    return stored == NULL ? retention_is_empty(entry) : retention_is_same(stored, entry);
}

static int retention_compare(const void *a, const void *b)
{
    return vv_text_compare(((const vv_retention_entry *)a)->metric,
                           ((const vv_retention_entry *)b)->metric);
}

varve_status vv_retention_entries(const vv_retention *table, const vv_manifest_state *state,
                                  vv_arena *arena, vv_retention_entry **out_entries,
                                  size_t *out_count, varve_error *out_err)
{
    size_t count = 0;
    vv_retention_entry *entries = vv_arena_array(arena, table->count, sizeof *entries);
    if (entries == NULL) {
        return vv_arena_fail(arena, table->count * sizeof *entries, out_err);
    }
    for (size_t i = 0; i < table->count; i++) {
        const vv_retention_entry *entry = &table->scopes[i].entry;
        bool is_wanted =
            state == NULL ? !retention_is_empty(entry) : !retention_is_named(entry, state);
        if (is_wanted) {
            entries[count++] = *entry;
        }
    }
    qsort(entries, count, sizeof *entries, retention_compare);
    *out_entries = entries;
    *out_count = count;
    return VARVE_OK;
}

bool vv_retention_is_unnamed_locked(varve_db *db)
{
    vv_mutex_assert_held(&db->manifest_lock);
    const vv_manifest_state *state = vv_manifest_get_state(db->manifest);
    vv_retention *table = vv_retention_current(db);
    bool is_unnamed = false;
    for (size_t i = 0; i < table->count && !is_unnamed; i++) {
        is_unnamed = !retention_is_named(&table->scopes[i].entry, state);
    }
    vv_retention_unref(db, table);
    return is_unnamed;
}

/* ---- durable ---- */

static varve_status retention_log(varve_db *db, vv_bytes payload, varve_error *out_err)
{
    int64_t deadline_ns = vv_deadline_after_ns(RETENTION_WAIT_NS);
    varve_status status = vv_wal_reserve(db->wal, payload.size, 1, deadline_ns, out_err);
    if (status == VARVE_E_NOSPACE && vv_space_release(db)) {
        vv_wal_retry_space(db->wal);
        status = vv_wal_reserve(db->wal, payload.size, 1, deadline_ns, out_err);
    }
    VV_TRY(status);
    vv_wal_record record = {
        .type = VV_WAL_POLICY,
        .payload = payload,
        .payload_crc = vv_crc32c(0, payload.data, payload.size),
    };
    vv_wal_ticket ticket = vv_wal_append(db->wal, &record, 1, VARVE_SYNC_GROUP);
    vv_wal_applied(db->wal, ticket);
    uint32_t ack;
    return vv_wal_wait(db->wal, ticket.id, UINT64_MAX, &ack, out_err);
}

/** Whatever of the table the manifest lacks. */
static varve_status retention_name(varve_db *db, const vv_retention *table, varve_error *out_err)
{
    vv_arena arena;
    vv_edit turn;
    vv_manifest_edit edit = {.retention_count = 0};
    vv_retention_entry *entries;
    vv_arena_init(&arena, &db->alloc, SIZE_MAX);
    vv_edit_begin(&turn, db);
    varve_status status = vv_retention_entries(table, vv_manifest_get_state(db->manifest), &arena,
                                               &entries, &edit.retention_count, out_err);
    if (status == VARVE_OK) {
        edit.retention = entries;
        status = vv_edit_append(&turn, &edit, VV_EDIT_RELEASES, out_err);
    }
    vv_edit_end(&turn);
    vv_arena_deinit(&arena);
    return status;
}

static varve_status retention_store(varve_db *db, const vv_retention_entry *entries, size_t count,
                                    bool sets_rule, const vv_retention *next, varve_error *out_err)
{
    if (db->is_memory) {
        return VARVE_OK;
    }
    if (db->options.sync == VARVE_SYNC_NO_LOG) {
        return retention_name(db, next, out_err);
    }
    vv_buf payload;
    vv_buf_init(&payload, &db->alloc, SIZE_MAX);
    vv_policy_kind kind = sets_rule ? VV_POLICY_RETENTION : VV_POLICY_CUTS;
    varve_status status = vv_payload_retention(&payload, kind, entries, count, out_err);
    if (status == VARVE_OK) {
        status = retention_log(db, vv_buf_bytes(&payload), out_err);
    }
    vv_buf_deinit(&payload);
    /* On a full disk space is what retention is to give (J2). */
    return status == VARVE_E_NOSPACE && !sets_rule ? retention_name(db, next, out_err) : status;
}

varve_status vv_retention_commit(varve_db *db, const vv_retention_entry *entries, size_t count,
                                 bool sets_rule, vv_retention *next, varve_error *out_err)
{
    vv_mutex_assert_held(&db->flush_lock);
    VV_TRY(retention_store(db, entries, count, sets_rule, next, out_err));
    vv_mutex_lock(&db->state_lock);
    vv_retention_install_locked(db, next);
    vv_mutex_unlock(&db->state_lock);
    return VARVE_OK;
}

/* ---- setting a rule ---- */

static varve_status retention_check_rule(varve_text metric, const varve_retention *rule,
                                         varve_error *out_err)
{
    if (vv_metric_is_internal(metric)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "\"%.*s\" is kept for ever, as all metrics that begin with \"%s\"",
                       VV_TEXT_ARGS(metric), VV_INTERNAL_PREFIX);
    }
    if (rule != NULL && (rule->window < 0 || rule->hot_window < 0)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "retention: the window is %lld, the hot window %lld; neither may be below 0",
                       (long long)rule->window, (long long)rule->hot_window);
    }
    return VARVE_OK;
}

/** The scope of a name; the empty one is that of the database. */
static varve_status retention_resolve(varve_db *db, varve_text metric, uint32_t *out_id,
                                      varve_text *out_name, varve_error *out_err)
{
    *out_id = 0;
    *out_name = (varve_text){.data = "", .size = 0};
    if (metric.size > 0) {
        VV_TRY(vv_catalogue_metric_id_of(db->catalogue, metric, /* existing_only */ false, out_id,
                                         out_err));
        *out_name = vv_catalogue_metric_name(db->catalogue, *out_id);
    }
    return VARVE_OK;
}

/** The table with the rule of a scope in it. */
static varve_status retention_make_next(varve_db *db, const vv_retention *current, uint32_t id,
                                        varve_text name, const varve_retention *rule,
                                        vv_retention **out_next, varve_error *out_err)
{
    vv_retention_entry change = {.recorded = VV_RETENTION_NONE};
    if (vv_retention_find(current, id) == NULL) {
        change.recorded = current->scopes[0].entry.recorded; /* what is gone stays gone */
        if (current->count >= VV_RETENTION_SCOPES_MAX) {
            return vv_fail(out_err, VARVE_E_LIMIT, "%zu metrics have a retention of their own",
                           current->count - 1);
        }
    }
    VV_TRY(vv_retention_copy(db, current, 1, out_next, out_err));
    if (rule != NULL) {
        change.has_rule = true;
        change.is_enforced = rule->is_enforced;
        change.window = rule->window;
        change.hot_window = rule->hot_window;
    }
    vv_retention_entry_apply(vv_retention_put(*out_next, id, name), &change, /* sets_rule */ true);
    vv_retention_finish(*out_next);
    return VARVE_OK;
}

static varve_status retention_set_locked(varve_db *db, uint32_t id, varve_text name,
                                         const varve_retention *rule, varve_error *out_err)
{
    VV_TRY(vv_db_check_writing(db, out_err));
    vv_retention *current = vv_retention_current(db);
    vv_retention *next = NULL;
    varve_status status = retention_make_next(db, current, id, name, rule, &next, out_err);
    if (status == VARVE_OK) {
        const vv_retention_entry *before = vv_retention_find(current, id);
        const vv_retention_entry *after = vv_retention_find(next, id);
        bool is_change = before == NULL ? after->has_rule : !retention_is_same(before, after);
        if (is_change) {
            status = vv_retention_commit(db, after, 1, /* sets_rule */ true, next, out_err);
        }
        if (is_change && status == VARVE_OK) {
            next = NULL;                  /* installed */
            db->retention.look_count = 0; /* its cut is to hold for the grace time, too */
        }
    }
    vv_retention_unref(db, next);
    vv_retention_unref(db, current);
    return status;
}

varve_status vv_retention_set(varve_db *db, varve_text metric, const varve_retention *rule,
                              varve_error *out_err)
{
    uint32_t id;
    varve_text name;
    VV_TRY(retention_check_rule(metric, rule, out_err));
    VV_TRY(retention_resolve(db, metric, &id, &name, out_err));
    vv_mutex_lock(&db->flush_lock);
    varve_status status = retention_set_locked(db, id, name, rule, out_err);
    vv_mutex_unlock(&db->flush_lock);
    return status;
}

/* ---- telling ---- */

static void retention_tell(varve_db *db, const vv_retention *table, uint32_t metric,
                           varve_retention_info *out_info)
{
    uint32_t struct_size = out_info->struct_size;
    const vv_retention_entry *own = vv_retention_find(table, metric);
    const vv_retention_entry *rule = vv_retention_rule(table, metric);
    *out_info = (varve_retention_info){
        .struct_size = struct_size,
        .is_own = own != NULL && own->has_rule,
        .metric = own != NULL ? own->metric : (varve_text){.data = "", .size = 0},
        .retention = {.struct_size = sizeof(varve_retention),
                      .is_enforced = rule->has_rule && rule->is_enforced,
                      .window = rule->window,
                      .hot_window = rule->hot_window},
        .cut = vv_retention_cut(table, db->catalogue, metric, vv_retention_reference(db, table)),
        .recorded_cut = vv_retention_recorded(table, db->catalogue, metric),
    };
}

varve_status vv_retention_get(varve_db *db, varve_text metric, varve_retention_info *out_info,
                              varve_error *out_err)
{
    uint32_t id = 0; /* what is not known is kept as the database */
    if (vv_metric_is_internal(metric)) {
        *out_info = (varve_retention_info){
            .struct_size = out_info->struct_size,
            .metric = {.data = "", .size = 0},
            .retention = {.struct_size = sizeof(varve_retention)},
            .cut = VV_RETENTION_NONE,
            .recorded_cut = VV_RETENTION_NONE,
        };
        return VARVE_OK;
    }
    if (metric.size > 0) {
        varve_status status = vv_catalogue_metric_id_of(db->catalogue, metric,
                                                        /* existing_only */ true, &id, out_err);
        if (status != VARVE_OK && status != VARVE_E_NOT_FOUND) {
            return status;
        }
    }
    vv_retention *table = vv_retention_current(db);
    retention_tell(db, table, id, out_info);
    vv_retention_unref(db, table);
    return VARVE_OK;
}

void vv_retention_list(varve_db *db, varve_retention_info *out_items, size_t capacity,
                       size_t *out_count)
{
    vv_retention *table = vv_retention_current(db);
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (i > 0 && retention_is_empty(&table->scopes[i].entry)) {
            continue;
        }
        if (count < capacity) {
            out_items[count].struct_size = sizeof *out_items;
            retention_tell(db, table, table->scopes[i].metric, &out_items[count]);
        }
        count++;
    }
    *out_count = count;
    vv_retention_unref(db, table);
}

void vv_retention_seen(varve_db *db, varve_retention_times *out_times)
{
    vv_retention *table = vv_retention_current(db);
    int64_t newest = atomic_load(&db->retention.newest);
    int64_t skew_newest = atomic_load(&db->retention.skew_newest);
    *out_times = (varve_retention_times){
        .struct_size = out_times->struct_size,
        .has_observed = newest != VV_RETENTION_NONE,
        .has_skew = skew_newest != VV_RETENTION_NONE,
        .reference = vv_retention_reference(db, table),
        .observed = newest,
        .skew_window = VV_RETENTION_SKEW_S * vv_precision_per_second(db->precision),
        .skew_newest = skew_newest,
        .skew_rows = atomic_load_explicit(&db->retention.skew_rows, memory_order_relaxed),
    };
    vv_retention_unref(db, table);
}

/* ---- loading ---- */

static varve_status retention_put_named(varve_db *db, vv_retention *table,
                                        const vv_retention_entry *entry, bool sets_rule,
                                        varve_error *out_err)
{
    uint32_t id;
    varve_text name;
    VV_TRY(retention_resolve(db, entry->metric, &id, &name, out_err));
    vv_retention_entry_apply(vv_retention_put(table, id, name), entry, sets_rule);
    return VARVE_OK;
}

varve_status vv_retention_load(varve_db *db, const vv_manifest_state *state,
                               vv_retention **out_table, varve_error *out_err)
{
    vv_retention *table;
    *out_table = NULL;
    VV_TRY(vv_retention_create(db, state->retention.count + 1, &table, out_err));
    table->is_fixed = db->is_snapshot && state->has_reference;
    table->fixed_reference = state->reference;
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < state->retention.count && status == VARVE_OK; i++) {
        const vv_retention_entry *entry = VV_VEC_AT(&state->retention, vv_retention_entry, i);
        status = retention_put_named(db, table, entry, /* sets_rule */ true, out_err);
    }
    if (status != VARVE_OK) {
        vv_retention_unref(db, table);
        return status;
    }
    vv_retention_finish(table);
    *out_table = table;
    return VARVE_OK;
}

varve_status vv_retention_replay(varve_db *db, vv_bytes payload, vv_arena *arena,
                                 vv_retention **table, varve_error *out_err)
{
    vv_retention_entry *entries;
    vv_retention *next;
    size_t count;
    VV_TRY(vv_payload_read_retention(payload, arena, &entries, &count, out_err));
    VV_TRY(vv_retention_copy(db, *table, count, &next, out_err));
    bool sets_rule = vv_payload_policy_kind(payload) == VV_POLICY_RETENTION;
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        status = retention_put_named(db, next, &entries[i], sets_rule, out_err);
    }
    if (status != VARVE_OK) {
        vv_retention_unref(db, next);
        return status;
    }
    vv_retention_finish(next);
    vv_retention_unref(db, *table);
    *table = next;
    return VARVE_OK;
}
