/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings of names and values, sorted, each with its series.
 *
 * Ids are gathered and sorted without the lock, since texts never change; then the visit holds it
 * for reading. A name without series (a creation failed, or was never finished) is left out.
 */
#include "base/slice.h"
#include "base/status.h"
#include "index/catalogue_priv.h"
#include "model/labels.h"

typedef enum list_kind { LIST_METRICS, LIST_NAMES, LIST_VALUES } list_kind;

typedef struct list_ids {
    list_kind kind;
    uint32_t *ids;
    size_t count;
} list_ids;

static const vv_symbols *catalogue_list_symbols(const vv_catalogue *catalogue, list_kind kind)
{
    switch (kind) {
    case LIST_METRICS:
        return &catalogue->metrics;
    case LIST_NAMES:
        return &catalogue->names;
    case LIST_VALUES:
        break;
    }
    return &catalogue->terms;
}

static const vv_idset *catalogue_list_series(const vv_catalogue *catalogue, list_kind kind,
                                             uint32_t id)
{
    switch (kind) {
    case LIST_METRICS:
        return &vv_postings_metric(&catalogue->postings, id)->series;
    case LIST_NAMES:
        return &vv_postings_name(&catalogue->postings, id)->series;
    case LIST_VALUES:
        break;
    }
    return &vv_postings_term(&catalogue->postings, id)->series;
}

/* How many ids a listing has. A chain that begins at `newest` never changes. */
static size_t catalogue_list_measure(const vv_catalogue *catalogue, list_kind kind, uint32_t newest)
{
    if (kind != LIST_VALUES) {
        return vv_symbols_count(catalogue_list_symbols(catalogue, kind));
    }
    size_t count = 0;
    for (uint32_t id = newest; id != 0; id = vv_postings_term(&catalogue->postings, id)->older) {
        count++;
    }
    return count;
}

static void catalogue_list_gather(const vv_catalogue *catalogue, uint32_t newest, list_ids *list)
{
    uint32_t id = newest;
    for (size_t index = 0; index < list->count; index++) {
        if (list->kind != LIST_VALUES) {
            list->ids[index] = (uint32_t)index + 1;
        } else {
            list->ids[index] = id;
            id = vv_postings_term(&catalogue->postings, id)->older;
        }
    }
}

static void catalogue_list_visit(vv_catalogue *catalogue, const list_ids *list,
                                 vv_catalogue_visit visit, void *context)
{
    const vv_symbols *symbols = catalogue_list_symbols(catalogue, list->kind);
    bool goes_on = true;
    vv_rwlock_read_lock(&catalogue->lock);
    for (size_t index = 0; index < list->count && goes_on; index++) {
        uint32_t id = list->ids[index];
        const vv_idset *series = catalogue_list_series(catalogue, list->kind, id);
        if (vv_idset_count(series) > 0) {
            goes_on = visit(context, vv_symbols_text(symbols, id), series);
        }
    }
    vv_rwlock_read_unlock(&catalogue->lock);
}

/* newest: of LIST_VALUES, where the chain of the name begins. */
static varve_status catalogue_list_run(vv_catalogue *catalogue, list_kind kind, uint32_t newest,
                                       vv_catalogue_visit visit, void *context,
                                       varve_error *out_err)
{
    list_ids list = {.kind = kind, .count = catalogue_list_measure(catalogue, kind, newest)};
    list.ids = vv_alloc_array(catalogue->outer, list.count, sizeof *list.ids);
    if (list.ids == NULL) {
        return vv_fail_nomem(out_err, "listing", list.count * sizeof *list.ids);
    }
    catalogue_list_gather(catalogue, newest, &list);
    varve_status status = vv_symbols_sort(catalogue_list_symbols(catalogue, kind), list.ids,
                                          list.count, catalogue->outer);
    if (status == VARVE_OK) {
        catalogue_list_visit(catalogue, &list, visit, context);
    } else {
        status = vv_fail_nomem(out_err, "sorting of a listing", list.count * sizeof *list.ids);
    }
    vv_alloc_free(catalogue->outer, list.ids, list.count * sizeof *list.ids);
    return status;
}

varve_status vv_catalogue_visit_names(vv_catalogue *catalogue, vv_catalogue_visit visit,
                                      void *context, varve_error *out_err)
{
    return catalogue_list_run(catalogue, LIST_NAMES, 0, visit, context, out_err);
}

varve_status vv_catalogue_visit_values(vv_catalogue *catalogue, varve_text name,
                                       vv_catalogue_visit visit, void *context,
                                       varve_error *out_err)
{
    if (vv_text_equal(name, VV_TEXT(VV_METRIC_LABEL))) {
        return catalogue_list_run(catalogue, LIST_METRICS, 0, visit, context, out_err);
    }
    uint32_t id = vv_symbols_find(&catalogue->names, 0, name);
    if (id == 0) {
        return VARVE_OK;
    }
    uint32_t newest = atomic_load(&vv_postings_name(&catalogue->postings, id)->newest);
    return catalogue_list_run(catalogue, LIST_VALUES, newest, visit, context, out_err);
}
