/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Postings; the picture stands in the header.
 *
 * O1  A series is in all of its sets or in none: what fails in the middle is taken back, and taking
 *     back cannot fail.
 */
#include "index/postings.h"

#include "base/assert.h"
#include "model/rows.h"

void vv_postings_init(vv_postings *postings, vv_alloc *alloc)
{
    postings->alloc = alloc;
    vv_table_init(&postings->metrics, alloc, sizeof(vv_metric_entry));
    vv_table_init(&postings->names, alloc, sizeof(vv_name_entry));
    vv_table_init(&postings->terms, alloc, sizeof(vv_term_entry));
    vv_idset_init(&postings->internal);
}

void vv_postings_deinit(vv_postings *postings, vv_postings_counts counts)
{
    for (uint32_t id = 1; id <= counts.metrics; id++) {
        vv_idset_deinit(&vv_postings_metric(postings, id)->series, postings->alloc);
    }
    for (uint32_t id = 1; id <= counts.names; id++) {
        vv_idset_deinit(&vv_postings_name(postings, id)->series, postings->alloc);
    }
    for (uint32_t id = 1; id <= counts.terms; id++) {
        vv_idset_deinit(&vv_postings_term(postings, id)->series, postings->alloc);
    }
    vv_idset_deinit(&postings->internal, postings->alloc);
    vv_table_deinit(&postings->metrics);
    vv_table_deinit(&postings->names);
    vv_table_deinit(&postings->terms);
}

void vv_postings_link(vv_postings *postings, uint32_t name, uint32_t term)
{
    vv_name_entry *entry = vv_postings_name(postings, name);
    vv_postings_term(postings, term)->older = atomic_load(&entry->newest);
    atomic_store(&entry->newest, term);
    atomic_fetch_add(&entry->value_count, 1);
}

#define POSTINGS_SETS_MAX (2 + 2 * VV_LABELS_MAX)

static size_t postings_collect(vv_postings *postings, const vv_postings_place *place,
                               vv_idset **sets)
{
    size_t count = 0;
    sets[count++] = &vv_postings_metric(postings, place->metric)->series;
    if (place->is_internal) {
        sets[count++] = &postings->internal;
    }
    for (size_t index = 0; index < place->label_count; index++) {
        sets[count++] = &vv_postings_name(postings, place->names[index])->series;
        sets[count++] = &vv_postings_term(postings, place->terms[index])->series;
    }
    return count;
}

varve_status vv_postings_add(vv_postings *postings, uint32_t series, const vv_postings_place *place)
{
    VV_ASSERT(place->label_count <= VV_LABELS_MAX);
    VV_NOT_CLEARED vv_idset *sets[POSTINGS_SETS_MAX];
    size_t count = postings_collect(postings, place, sets);
    for (size_t done = 0; done < count; done++) {
        if (vv_idset_add(sets[done], postings->alloc, series) == VARVE_OK) {
            continue;
        }
        while (done > 0) { /* O1 */
            done--;
            bool was_there = vv_idset_remove(sets[done], postings->alloc, series);
            VV_ASSERT(was_there);
        }
        return VARVE_E_NOMEM;
    }
    return VARVE_OK;
}
