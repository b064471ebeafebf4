/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tables of scopes, cuts, and the reference time (see retention.h). Everything here is memory work.
 */

#include "engine/retention.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/status.h"
#include "engine/db.h"
#include "index/catalogue.h"
#include "model/labels.h"
#include "model/time_range.h"

/* ---- tables ---- */

static size_t retention_bytes(size_t capacity)
{
    return sizeof(vv_retention) + capacity * sizeof(vv_retention_scope);
}

varve_status vv_retention_create(varve_db *db, size_t capacity, vv_retention **out,
                                 varve_error *out_err)
{
    VV_ASSERT(capacity > 0);
    vv_retention *table = vv_alloc_zeroed(&db->alloc, retention_bytes(capacity));
    *out = table;
    if (table == NULL) {
        return vv_fail_nomem(out_err, "retention", retention_bytes(capacity));
    }
    atomic_init(&table->refs, 1);
    table->capacity = capacity;
    table->count = 1;
    table->scopes[0].entry.recorded = VV_RETENTION_NONE;
    vv_retention_finish(table);
    return VARVE_OK;
}

varve_status vv_retention_copy(varve_db *db, const vv_retention *base, size_t more,
                               vv_retention **out, varve_error *out_err)
{
    VV_TRY(vv_retention_create(db, base->count + more, out, out_err));
    vv_retention *copy = *out;
    memcpy(copy->scopes, base->scopes, base->count * sizeof base->scopes[0]);
    copy->count = base->count;
    copy->is_fixed = base->is_fixed;
    copy->fixed_reference = base->fixed_reference;
    vv_retention_finish(copy);
    return VARVE_OK;
}

/** Place of the first scope whose metric is not below the given one. */
static size_t retention_lower(const vv_retention *table, uint32_t metric)
{
    size_t begin = 0;
    size_t end = table->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (table->scopes[middle].metric < metric) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

vv_retention_entry *vv_retention_put(vv_retention *table, uint32_t metric, varve_text name)
{
    size_t at = retention_lower(table, metric);
    vv_retention_scope *scope = &table->scopes[at];
    if (at < table->count && scope->metric == metric) {
        return &scope->entry;
    }
    VV_ASSERT(table->count < table->capacity);
    memmove(scope + 1, scope, (table->count - at) * sizeof *scope);
    table->count++;
    *scope = (vv_retention_scope){
        .metric = metric,
        .entry = {.metric = name, .recorded = VV_RETENTION_NONE},
    };
    return &scope->entry;
}

void vv_retention_finish(vv_retention *table)
{
    table->has_enforced = false;
    table->has_hot = false;
    table->recorded_last = VV_RETENTION_NONE;
    for (size_t i = 0; i < table->count; i++) {
        const vv_retention_entry *entry = &table->scopes[i].entry;
        if (entry->has_rule && entry->is_enforced && entry->window > 0) {
            table->has_enforced = true;
        }
        table->has_hot = table->has_hot || (entry->has_rule && entry->hot_window > 0);
        if (entry->recorded > table->recorded_last) {
            table->recorded_last = entry->recorded;
        }
    }
}

const vv_retention_entry *vv_retention_find(const vv_retention *table, uint32_t metric)
{
    size_t at = retention_lower(table, metric);
    bool is_found = at < table->count && table->scopes[at].metric == metric;
    return is_found ? &table->scopes[at].entry : NULL;
}

void vv_retention_ref(vv_retention *table)
{
    atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
}

void vv_retention_unref(varve_db *db, vv_retention *table)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (table != NULL && atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) == 1) {
        vv_alloc_free(&db->alloc, table, retention_bytes(table->capacity));
    }
}

vv_retention *vv_retention_current(varve_db *db)
{
    vv_mutex_lock(&db->state_lock);
    vv_retention *table = db->retention.table;
    vv_retention_ref(table);
    vv_mutex_unlock(&db->state_lock);
    return table;
}

void vv_retention_install_locked(varve_db *db, vv_retention *table)
{
    vv_mutex_assert_held(&db->state_lock);
    vv_retention *old = db->retention.table;
    db->retention.table = table;
    atomic_store(&db->retention.cuts_any, vv_retention_cuts_any(table));
    atomic_store(&db->retention.has_work, vv_retention_cuts_any(table) || table->has_hot);
    vv_retention_unref(db, old);
}

/* ---- cuts ---- */

const vv_retention_entry *vv_retention_rule(const vv_retention *table, uint32_t metric)
{
    const vv_retention_entry *own = vv_retention_find(table, metric);
    return own != NULL && own->has_rule ? own : &table->scopes[0].entry;
}

/** The cut that a rule makes of a reference time. */
static int64_t retention_cut_of(const vv_retention_entry *rule, int64_t reference)
{
    bool cuts = rule->has_rule && rule->is_enforced && rule->window > 0;
    return cuts ? vv_sat_sub_i64(reference, rule->window) : VV_RETENTION_NONE;
}

/** Whether nothing of the metric is ever cut. */
static bool retention_is_exempt(const vv_retention *table, const vv_catalogue *catalogue,
                                uint32_t metric)
{
    return !vv_retention_cuts_any(table) ||
           (metric != 0 && vv_metric_is_internal(vv_catalogue_metric_name(catalogue, metric)));
}

/** The recorded cut of a scope that is not exempt (Z2 of model/retention_entry.h). */
static int64_t retention_recorded_of(const vv_retention *table, uint32_t metric)
{
    const vv_retention_entry *own = vv_retention_find(table, metric);
    return own != NULL ? own->recorded : table->scopes[0].entry.recorded;
}

int64_t vv_retention_recorded(const vv_retention *table, const vv_catalogue *catalogue,
                              uint32_t metric)
{
    return retention_is_exempt(table, catalogue, metric) ? VV_RETENTION_NONE
                                                         : retention_recorded_of(table, metric);
}

int64_t vv_retention_cut(const vv_retention *table, const vv_catalogue *catalogue, uint32_t metric,
                         int64_t reference)
{
    if (retention_is_exempt(table, catalogue, metric)) {
        return VV_RETENTION_NONE;
    }
    int64_t recorded = retention_recorded_of(table, metric);
    int64_t moving = retention_cut_of(vv_retention_rule(table, metric), reference);
    return moving > recorded ? moving : recorded;
}

int64_t vv_retention_cut_last(const vv_retention *table, int64_t reference)
{
    int64_t last = table->recorded_last;
    for (size_t i = 0; i < table->count && table->has_enforced; i++) {
        int64_t cut = retention_cut_of(&table->scopes[i].entry, reference);
        last = cut > last ? cut : last;
    }
    return last;
}

/* ---- the reference time ---- */

/** Sequentially consistent minimum. */
static void retention_note_lowest(varve_db *db, int64_t reference)
{
    int_least64_t lowest = atomic_load(&db->retention.lowest);
    while (reference < lowest &&
           !atomic_compare_exchange_weak(&db->retention.lowest, &lowest, reference)) {
    }
}

int64_t vv_retention_reference(varve_db *db, const vv_retention *table)
{
    if (table->is_fixed) {
        return table->fixed_reference;
    }
    int64_t wall_ns = vv_env_wall_ns(&db->env);
    int64_t wall = vv_time_convert_saturating(wall_ns, VARVE_PRECISION_NS, db->precision);
    int64_t newest = atomic_load(&db->retention.newest);
    int64_t reference = newest > wall ? newest : wall;
    retention_note_lowest(db, reference);
    return reference;
}
