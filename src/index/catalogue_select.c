/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which series a selection matches.
 *
 * A matcher of a label splits the series into those that have the label, by value, and those that
 * lack it, which count as empty. With M the series whose value the positive form of the matcher
 * accepts, and N those that have the name at all, the answer is
 *
 *                    empty value does not satisfy    empty value satisfies
 *     = =~           keep M                          drop N without M
 *     != !~          keep N without M                drop M
 *
 * An item starts with the smallest set that an equality gives, intersects the others from small to
 * large, then applies what is left. A pattern is matched once per distinct value of its name, or,
 * when fewer series than that are left, against the value of each of these.
 *
 * E1  The answer is about the series known when the call began. Sets are read later and hold at
 *     least those; what is newer is cut off.
 * E2  The lock is held, for reading, only while sets are combined (C4 of catalogue.c).
 */
#include "base/assert.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/vec.h"
#include "index/catalogue_priv.h"
#include "model/labels.h"

/* Ids read from a set at a time. */
#define SELECT_CHUNK 256u

/* One call. */
typedef struct select_call {
    vv_catalogue *catalogue;
    vv_alloc *alloc;       /* of every set made here */
    uint32_t series_count; /* E1 */
    varve_error *out_err;
} select_call;

/* What is left of the series while an item is worked through. */
typedef struct select_rest {
    bool is_all;  /* every series; `set` is empty and unused */
    vv_idset set; /* of select_call.alloc */
} select_rest;

static varve_status select_nomem(const select_call *call)
{
    return vv_fail(call->out_err, VARVE_E_NOMEM, "out of memory: selecting series");
}

/* ---- changing what is left; sets that are given stay the caller's ---- */

static void select_replace(const select_call *call, select_rest *rest, vv_idset set)
{
    vv_idset_deinit(&rest->set, call->alloc);
    rest->set = set;
    rest->is_all = false;
}

/* A set without what is newer than the call (E1). */
static varve_status select_cut(const select_call *call, const vv_idset *set, vv_idset *out_set)
{
    uint32_t last = 0;
    bool has_any = vv_idset_last(set, &last);
    if (!has_any || last <= call->series_count) {
        return vv_idset_copy(set, call->alloc, out_set);
    }
    vv_idset known;
    VV_TRY(vv_idset_from_range(1, call->series_count + 1, call->alloc, &known));
    varve_status status = vv_idset_and(set, &known, call->alloc, out_set);
    vv_idset_deinit(&known, call->alloc);
    return status;
}

static varve_status select_keep(const select_call *call, select_rest *rest, const vv_idset *set)
{
    vv_idset kept;
    varve_status status = rest->is_all ? select_cut(call, set, &kept)
                                       : vv_idset_and(&rest->set, set, call->alloc, &kept);
    if (status == VARVE_OK) {
        select_replace(call, rest, kept);
    }
    return status;
}

/* Turn "every series" into a set. */
static varve_status select_spell_out(const select_call *call, select_rest *rest)
{
    if (rest->is_all) {
        vv_idset known;
        VV_TRY(vv_idset_from_range(1, call->series_count + 1, call->alloc, &known));
        select_replace(call, rest, known);
    }
    return VARVE_OK;
}

static varve_status select_drop(const select_call *call, select_rest *rest, const vv_idset *set)
{
    if (vv_idset_count(set) == 0) {
        return VARVE_OK;
    }
    VV_TRY(select_spell_out(call, rest));
    vv_idset kept;
    VV_TRY(vv_idset_andnot(&rest->set, set, call->alloc, &kept));
    select_replace(call, rest, kept);
    return VARVE_OK;
}

static bool select_is_empty(const select_rest *rest)
{
    return !rest->is_all && vv_idset_count(&rest->set) == 0;
}

static void select_clear(const select_call *call, select_rest *rest)
{
    vv_idset none;
    vv_idset_init(&none);
    select_replace(call, rest, none);
}

/* ---- equalities: sets that are there already ---- */

/* Whether a match keeps exactly one stored set. */
static bool select_is_plain(const vv_match *match)
{
    return match->kind == VARVE_MATCH_EQUAL && (match->is_metric || !match->matches_empty);
}

/* The set of an equality, NULL when there is no such metric or value. */
static const vv_idset *select_stored(const vv_catalogue *catalogue, const vv_match *match)
{
    if (match->is_metric) {
        uint32_t metric = vv_symbols_find(&catalogue->metrics, 0, match->value);
        return metric == 0 ? NULL : &vv_postings_metric(&catalogue->postings, metric)->series;
    }
    uint32_t term = vv_catalogue_find_term(catalogue, match->name, match->value);
    return term == 0 ? NULL : &vv_postings_term(&catalogue->postings, term)->series;
}

/* The sets that an item's metric and equalities keep; false when one of them is missing. */
static bool select_collect(const vv_catalogue *catalogue, const vv_selection_item *item,
                           const vv_idset **sets, size_t *out_count)
{
    size_t count = 0;
    if (item->has_metric) {
        const vv_match metric = {.is_metric = true, .value = item->metric};
        sets[count] = select_stored(catalogue, &metric);
        count++;
    }
    for (size_t index = 0; index < item->match_count; index++) {
        if (select_is_plain(&item->matches[index])) {
            sets[count] = select_stored(catalogue, &item->matches[index]);
            count++;
        }
    }
    *out_count = count;
    for (size_t index = 0; index < count; index++) {
        if (sets[index] == NULL) {
            return false;
        }
    }
    return true;
}

static varve_status select_keep_smallest_first(const select_call *call, const vv_idset **sets,
                                               size_t count, select_rest *rest)
{
    varve_status status = VARVE_OK;
    for (size_t done = 0; done < count && status == VARVE_OK && !select_is_empty(rest); done++) {
        size_t smallest = done;
        for (size_t index = done + 1; index < count; index++) {
            if (vv_idset_count(sets[index]) < vv_idset_count(sets[smallest])) {
                smallest = index;
            }
        }
        const vv_idset *set = sets[smallest];
        sets[smallest] = sets[done];
        status = select_keep(call, rest, set);
    }
    return status;
}

static varve_status select_start(const select_call *call, const vv_selection_item *item,
                                 select_rest *rest)
{
    const vv_idset *sets[1 + VV_SELECTION_MATCHES_MAX];
    size_t count = 0;
    if (!select_collect(call->catalogue, item, sets, &count)) {
        select_clear(call, rest);
        return VARVE_OK;
    }
    vv_rwlock_read_lock(&call->catalogue->lock); /* E2 */
    varve_status status = select_keep_smallest_first(call, sets, count, rest);
    vv_rwlock_read_unlock(&call->catalogue->lock);
    return status;
}

/* ---- what a match accepts: ids of metrics or of terms ---- */

static bool select_is_negated(const vv_match *match)
{
    return match->kind == VARVE_MATCH_NOT_EQUAL || match->kind == VARVE_MATCH_NOT_REGEX;
}

static varve_status select_push_known(const select_call *call, const vv_match *match, uint32_t name,
                                      varve_text value, vv_vec *ids)
{
    uint32_t id = match->is_metric ? vv_symbols_find(&call->catalogue->metrics, 0, value)
                                   : vv_symbols_find(&call->catalogue->terms, name, value);
    return id == 0 ? VARVE_OK : vv_vec_push(ids, &id);
}

static varve_status select_push_literals(const select_call *call, const vv_match *match,
                                         uint32_t name, const varve_text *literals, size_t count,
                                         vv_vec *ids)
{
    for (size_t index = 0; index < count; index++) {
        VV_TRY(select_push_known(call, match, name, literals[index], ids));
    }
    return VARVE_OK;
}

/* Ask the pattern about one text, without the negation. */
static varve_status select_ask(const select_call *call, const vv_match *match, varve_text text,
                               uint32_t id, vv_vec *ids)
{
    bool matches = false;
    VV_TRY(vv_regex_match(match->regex, text, &matches, call->out_err));
    if (matches && vv_vec_push(ids, &id) != VARVE_OK) {
        return select_nomem(call);
    }
    return VARVE_OK;
}

static varve_status select_scan_metrics(const select_call *call, const vv_match *match, vv_vec *ids)
{
    const vv_symbols *metrics = &call->catalogue->metrics;
    uint32_t count = vv_symbols_count(metrics);
    for (uint32_t id = 1; id <= count; id++) {
        VV_TRY(select_ask(call, match, vv_symbols_text(metrics, id), id, ids));
    }
    return VARVE_OK;
}

static varve_status select_scan_values(const select_call *call, const vv_match *match,
                                       uint32_t name, vv_vec *ids)
{
    const vv_catalogue *catalogue = call->catalogue;
    uint32_t id = atomic_load(&vv_postings_name(&catalogue->postings, name)->newest);
    while (id != 0) {
        VV_TRY(select_ask(call, match, vv_symbols_text(&catalogue->terms, id), id, ids));
        id = vv_postings_term(&catalogue->postings, id)->older;
    }
    return VARVE_OK;
}

/* Ids of the metrics, or of the terms of `name` (0: no such name), that the positive form of a
 * match accepts. */
static varve_status select_accepted(const select_call *call, const vv_match *match, uint32_t name,
                                    vv_vec *ids)
{
    const varve_text *literals = &match->value;
    size_t literal_count = 1;
    if (!match->is_metric && name == 0) {
        return VARVE_OK;
    }
    if (match->regex == NULL || vv_regex_set_of_literals(match->regex, &literals, &literal_count)) {
        varve_status status = select_push_literals(call, match, name, literals, literal_count, ids);
        return status == VARVE_OK ? VARVE_OK : select_nomem(call);
    }
    return match->is_metric ? select_scan_metrics(call, match, ids)
                            : select_scan_values(call, match, name, ids);
}

/* ---- from ids to series ---- */

static const vv_idset *select_series_of(const vv_catalogue *catalogue, const vv_match *match,
                                        uint32_t id)
{
    return match->is_metric ? &vv_postings_metric(&catalogue->postings, id)->series
                            : &vv_postings_term(&catalogue->postings, id)->series;
}

/* The series of all these metrics or terms: M. The lock is held. */
static varve_status select_unite(const select_call *call, const vv_match *match, const vv_vec *ids,
                                 vv_idset *out_set)
{
    const vv_idset **sets = vv_alloc_array(call->alloc, ids->count, sizeof *sets);
    if (sets == NULL) {
        return VARVE_E_NOMEM;
    }
    for (size_t index = 0; index < ids->count; index++) {
        sets[index] = select_series_of(call->catalogue, match, *VV_VEC_AT(ids, uint32_t, index));
    }
    varve_status status = vv_idset_or_many(sets, ids->count, call->alloc, out_set);
    vv_alloc_free(call->alloc, sets, ids->count * sizeof *sets);
    return status;
}

/* Keep or drop a set, or what it leaves of the name's series, as the table at the top says. The
 * lock is held. */
static varve_status select_combine(const select_call *call, const vv_match *match,
                                   const vv_idset *accepted, uint32_t name, select_rest *rest)
{
    bool is_negated = select_is_negated(match);
    if (match->is_metric) {
        return is_negated ? select_drop(call, rest, accepted) : select_keep(call, rest, accepted);
    }
    vv_idset others;
    vv_idset_init(&others);
    bool is_complement = is_negated != match->matches_empty;
    if (is_complement && name != 0) {
        VV_TRY(vv_idset_andnot(&vv_postings_name(&call->catalogue->postings, name)->series,
                               accepted, call->alloc, &others));
    }
    const vv_idset *set = is_complement ? &others : accepted;
    varve_status status =
        match->matches_empty ? select_drop(call, rest, set) : select_keep(call, rest, set);
    vv_idset_deinit(&others, call->alloc);
    return status;
}

static varve_status select_apply_ids(const select_call *call, const vv_match *match, uint32_t name,
                                     const vv_vec *ids, select_rest *rest)
{
    vv_idset accepted;
    vv_rwlock_read_lock(&call->catalogue->lock); /* E2 */
    varve_status status = select_unite(call, match, ids, &accepted);
    if (status == VARVE_OK) {
        status = select_combine(call, match, &accepted, name, rest);
        vv_idset_deinit(&accepted, call->alloc);
    }
    vv_rwlock_read_unlock(&call->catalogue->lock);
    return status == VARVE_OK ? VARVE_OK : select_nomem(call);
}

static varve_status select_apply_to_sets(const select_call *call, const vv_match *match,
                                         uint32_t name, select_rest *rest)
{
    vv_vec ids;
    vv_vec_init(&ids, call->alloc, sizeof(uint32_t), SIZE_MAX);
    varve_status status = select_accepted(call, match, name, &ids);
    if (status == VARVE_OK) {
        status = select_apply_ids(call, match, name, &ids, rest);
    }
    vv_vec_deinit(&ids);
    return status;
}

/* .* and .+ need no look at values: M is N, or N without the empty value. */
static varve_status select_apply_any(const select_call *call, const vv_match *match, uint32_t name,
                                     select_rest *rest)
{
    vv_postings *postings = &call->catalogue->postings;
    bool takes_empty = vv_regex_kind_of(match->regex) == VV_REGEX_ANY;
    uint32_t empty = name == 0 ? 0 : vv_symbols_find(&call->catalogue->terms, name, VV_TEXT(""));
    vv_idset none, accepted;
    vv_idset_init(&none);
    vv_rwlock_read_lock(&call->catalogue->lock); /* E2 */
    const vv_idset *have = name == 0 ? &none : &vv_postings_name(postings, name)->series;
    const vv_idset *without =
        takes_empty || empty == 0 ? &none : &vv_postings_term(postings, empty)->series;
    varve_status status = vv_idset_andnot(have, without, call->alloc, &accepted);
    if (status == VARVE_OK) {
        status = select_combine(call, match, &accepted, name, rest);
        vv_idset_deinit(&accepted, call->alloc);
    }
    vv_rwlock_read_unlock(&call->catalogue->lock);
    return status == VARVE_OK ? VARVE_OK : select_nomem(call);
}

/* ---- few series left: ask about each ---- */

static varve_status select_filter_chunk(const select_call *call, const vv_match *match,
                                        const uint32_t *series, size_t count, vv_vec *kept)
{
    for (size_t index = 0; index < count; index++) {
        varve_text value = VV_TEXT("");
        if (match->is_metric) {
            value = vv_catalogue_metric(call->catalogue, series[index]);
        } else {
            VV_IGNORE(vv_catalogue_label(call->catalogue, series[index], match->name,
                                         &value)); /* absent: empty */
        }
        bool matches = false;
        VV_TRY(vv_match_value(match, value, &matches, call->out_err));
        if (matches && vv_vec_push(kept, &series[index]) != VARVE_OK) {
            return select_nomem(call);
        }
    }
    return VARVE_OK;
}

static varve_status select_filter(const select_call *call, const vv_match *match, select_rest *rest)
{
    vv_vec kept;
    vv_vec_init(&kept, call->alloc, sizeof(uint32_t), SIZE_MAX);
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &rest->set);
    uint32_t series[SELECT_CHUNK];
    varve_status status = VARVE_OK;
    size_t count = vv_idset_cursor_read(&cursor, series, SELECT_CHUNK);
    while (count > 0 && status == VARVE_OK) {
        status = select_filter_chunk(call, match, series, count, &kept);
        count = vv_idset_cursor_read(&cursor, series, SELECT_CHUNK);
    }
    if (status == VARVE_OK) {
        vv_idset set;
        status = vv_idset_from_sorted(VV_VEC_ITEMS(&kept, uint32_t), kept.count, call->alloc, &set);
        if (status == VARVE_OK) {
            select_replace(call, rest, set);
        } else {
            status = select_nomem(call);
        }
    }
    vv_vec_deinit(&kept);
    return status;
}

/* ---- matches and items ---- */

/* Texts that a pattern would be matched against: all metrics, or all values of the name. */
static uint32_t select_distinct(const vv_catalogue *catalogue, const vv_match *match, uint32_t name)
{
    if (match->is_metric) {
        return vv_symbols_count(&catalogue->metrics);
    }
    return name == 0 ? 0 : atomic_load(&vv_postings_name(&catalogue->postings, name)->value_count);
}

static varve_status select_apply(const select_call *call, const vv_match *match, select_rest *rest)
{
    uint32_t name = 0;
    if (!match->is_metric) {
        name = vv_symbols_find(&call->catalogue->names, 0, match->name);
    }
    vv_regex_kind kind = match->regex == NULL ? VV_REGEX_LITERALS : vv_regex_kind_of(match->regex);
    bool is_any = kind == VV_REGEX_ANY || kind == VV_REGEX_NONEMPTY;
    if (is_any && !match->is_metric) {
        return select_apply_any(call, match, name, rest);
    }
    bool is_scan = kind != VV_REGEX_LITERALS;
    if (is_scan && !rest->is_all &&
        vv_idset_count(&rest->set) < select_distinct(call->catalogue, match, name)) {
        return select_filter(call, match, rest);
    }
    return select_apply_to_sets(call, match, name, rest);
}

static varve_status select_hide_internal(const select_call *call, select_rest *rest)
{
    vv_rwlock_read_lock(&call->catalogue->lock); /* E2 */
    varve_status status = select_drop(call, rest, &call->catalogue->postings.internal);
    vv_rwlock_read_unlock(&call->catalogue->lock);
    return status;
}

static varve_status select_item(const select_call *call, const vv_selection *selection,
                                const vv_selection_item *item, select_rest *rest)
{
    if (select_start(call, item, rest) != VARVE_OK) {
        return select_nomem(call);
    }
    for (size_t index = 0; index < item->match_count && !select_is_empty(rest); index++) {
        if (!select_is_plain(&item->matches[index])) {
            VV_TRY(select_apply(call, &item->matches[index], rest));
        }
    }
    varve_status status = VARVE_OK;
    if (!vv_selection_item_sees_internal(selection, item)) {
        status = select_hide_internal(call, rest);
    }
    if (status == VARVE_OK) {
        status = select_spell_out(call, rest);
    }
    return status == VARVE_OK ? VARVE_OK : select_nomem(call);
}

/* ---- the union ---- */

/* Series that are named one by one: an exact one that is known, or the handles of a list. */
static varve_status select_named(const select_call *call, const vv_selection_item *item,
                                 vv_idset *named)
{
    uint32_t exact = 0;
    const uint32_t *series = item->series;
    size_t count = item->series_count;
    if (item->kind == VARVE_SELECT_EXACT) {
        exact = vv_catalogue_find(call->catalogue, item->metric, item->labels, item->label_count);
        series = &exact;
        count = exact != 0 && exact <= call->series_count ? 1 : 0; /* E1 */
    }
    for (size_t index = 0; index < count; index++) {
        if (series[index] == 0 || series[index] > call->series_count) {
            return vv_fail(call->out_err, VARVE_E_INVALID,
                           "series %zu of the list is no handle of this database", index);
        }
        if (vv_idset_add(named, call->alloc, series[index]) != VARVE_OK) {
            return select_nomem(call);
        }
    }
    return VARVE_OK;
}

/* Work through one item; what it matches joins `sets`, or `named`, the first of them. */
static varve_status select_join(const select_call *call, const vv_selection *selection,
                                const vv_selection_item *item, vv_vec *sets)
{
    bool is_named = item->kind == VARVE_SELECT_EXACT || item->kind == VARVE_SELECT_LIST;
    if (is_named) {
        return select_named(call, item, VV_VEC_AT(sets, vv_idset, 0));
    }
    select_rest rest = {.is_all = true};
    vv_idset_init(&rest.set);
    varve_status status = select_item(call, selection, item, &rest);
    if (status == VARVE_OK && vv_vec_push(sets, &rest.set) != VARVE_OK) {
        status = select_nomem(call);
    }
    if (status != VARVE_OK) {
        vv_idset_deinit(&rest.set, call->alloc);
    }
    return status;
}

static varve_status select_unite_items(const select_call *call, const vv_vec *sets,
                                       vv_idset *out_ids)
{
    const vv_idset **pointers = vv_alloc_array(call->alloc, sets->count, sizeof *pointers);
    if (pointers == NULL) {
        return select_nomem(call);
    }
    for (size_t index = 0; index < sets->count; index++) {
        pointers[index] = VV_VEC_AT(sets, vv_idset, index);
    }
    varve_status status = vv_idset_or_many(pointers, sets->count, call->alloc, out_ids);
    vv_alloc_free(call->alloc, pointers, sets->count * sizeof *pointers);
    return status == VARVE_OK ? VARVE_OK : select_nomem(call);
}

varve_status vv_catalogue_select(vv_catalogue *catalogue, const vv_selection *selection,
                                 vv_idset *out_ids, varve_error *out_err)
{
    select_call call = {
        .catalogue = catalogue,
        .alloc = catalogue->outer,
        .series_count = vv_catalogue_series_count(catalogue),
        .out_err = out_err,
    };
    vv_vec sets; /* first those that are named, then one of each other item */
    vv_vec_init(&sets, call.alloc, sizeof(vv_idset), SIZE_MAX);
    varve_status status = VARVE_OK;
    if (vv_vec_extend(&sets) == NULL) {
        status = select_nomem(&call);
    }
    for (size_t index = 0; index < selection->item_count && status == VARVE_OK; index++) {
        status = select_join(&call, selection, &selection->items[index], &sets);
    }
    if (status == VARVE_OK) {
        status = select_unite_items(&call, &sets, out_ids);
    }
    for (size_t index = 0; index < sets.count; index++) {
        vv_idset_deinit(VV_VEC_AT(&sets, vv_idset, index), call.alloc);
    }
    vv_vec_deinit(&sets);
    return status;
}
