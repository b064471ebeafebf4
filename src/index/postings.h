/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_INDEX_POSTINGS_H
#define VV_INDEX_POSTINGS_H

/*
 * Which series have a metric, a label name, a label with a value.
 *
 *     metric id -> { series, policy }
 *     name id   -> { series, newest value ----.  how many values }
 *     term id   -> { series, older value } <--'     a term is a (name, value)
 *                            '--> { series, older value } ...
 *
 * The values of a name form a chain from the newest to the oldest, which is read without a lock:
 * a link is complete before it is published, and never changes. The sets of series are guarded by
 * the lock of the catalogue.
 */

#include <stdatomic.h>

#include "base/bitmap.h"
#include "index/table.h"
#include "varve.h"

typedef struct vv_metric_entry {
    vv_idset series;
    _Atomic uint32_t policy; /* packed by the catalogue; 0: the default */
} vv_metric_entry;

typedef struct vv_name_entry {
    vv_idset series;
    _Atomic uint32_t newest; /* term id of the newest value; 0: none yet */
    _Atomic uint32_t value_count;
} vv_name_entry;

typedef struct vv_term_entry {
    vv_idset series;
    uint32_t older; /* term id of the value before it of the same name; 0: it is the oldest */
} vv_term_entry;

typedef struct vv_postings {
    vv_alloc *alloc;
    vv_table metrics; /* by id - 1, as the other two */
    vv_table names;
    vv_table terms;
    vv_idset internal; /* series of metrics that begin with "varve." */
} vv_postings;

/** How many ids of each kind are given: what deinit has to walk. */
typedef struct vv_postings_counts {
    uint32_t metrics, names, terms;
} vv_postings_counts;

void vv_postings_init(vv_postings *postings, vv_alloc *alloc);
void vv_postings_deinit(vv_postings *postings, vv_postings_counts counts);

static inline vv_metric_entry *vv_postings_metric(const vv_postings *postings, uint32_t id)
{
    return VV_TABLE_AT(&postings->metrics, vv_metric_entry, id - 1);
}

static inline vv_name_entry *vv_postings_name(const vv_postings *postings, uint32_t id)
{
    return VV_TABLE_AT(&postings->names, vv_name_entry, id - 1);
}

static inline vv_term_entry *vv_postings_term(const vv_postings *postings, uint32_t id)
{
    return VV_TABLE_AT(&postings->terms, vv_term_entry, id - 1);
}

/** Writer: a new value of a name joins its chain; its entry exists. */
void vv_postings_link(vv_postings *postings, uint32_t name, uint32_t term);

/** What one series is added to. */
typedef struct vv_postings_place {
    uint32_t metric;
    bool is_internal;
    const uint32_t *names; /* label_count, distinct */
    const uint32_t *terms; /* label_count */
    size_t label_count;
} vv_postings_place;

/** Writer: add a series everywhere, or, with E_NOMEM, nowhere. */
VV_MUST_CHECK varve_status vv_postings_add(vv_postings *postings, uint32_t series,
                                           const vv_postings_place *place);

#endif
