/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_INDEX_CATALOGUE_PRIV_H
#define VV_INDEX_CATALOGUE_PRIV_H

/* The insides of the catalogue, shared by its files; the essay stands in catalogue.c. */

#include <stdatomic.h>

#include "base/arena.h"
#include "index/catalogue.h"
#include "index/lookup.h"
#include "index/postings.h"
#include "index/schemas.h"
#include "index/symbols.h"
#include "index/table.h"
#include "sys/rwlock.h"

/** A known series. All but the atomic members are fixed before its id is published. */
typedef struct vv_series_entry {
    uint32_t metric;
    uint16_t label_count; /* at most VV_LABELS_MAX */
    atomic_bool is_ring;
    const uint32_t *terms; /* label_count term ids, ascending by label name */
    _Atomic(const vv_schema *) schema;
    _Atomic(varve_label *) labels; /* NULL until somebody asks */
} vv_series_entry;

struct vv_catalogue {
    /* fixed after create */
    vv_alloc *outer; /* the caller's: owns this struct and what is handed out */
    vv_alloc alloc;  /* everything inside; counts it, and takes it from outer */
    uint64_t seed;
    uint64_t series_max; /* 0: no limit; changed with the lock held, before there are writers */
    uint64_t bytes_max;  /* the same, of everything here */
    uint32_t generation; /* of the process that created it */

    vv_rwlock lock; /* writer: new names and series; reader: sets of series */

    /* written by the writer, read by anybody */
    vv_symbols metrics;
    vv_symbols names;
    vv_symbols terms; /* values; the scope is the name id */
    vv_symbols fields;
    vv_table series; /* vv_series_entry by id - 1 */
    vv_lookup by_identity;
    vv_arena term_lists; /* of the writer */
    _Atomic uint32_t series_count;
    _Atomic uint32_t default_policy;

    vv_postings postings; /* sets guarded by lock */
    vv_schemas schemas;   /* has a lock of its own */
};

static inline vv_series_entry *vv_catalogue_entry(const vv_catalogue *catalogue, uint32_t series)
{
    return VV_TABLE_AT(&catalogue->series, vv_series_entry, series - 1);
}

/** The id of an existing series with sorted labels, or 0. */
uint32_t vv_catalogue_find(const vv_catalogue *catalogue, varve_text metric,
                           const varve_label *labels, size_t label_count);
/* catalogue_room.c; with the lock held as writer */

/** Whether a series may be added: E_LIMIT. */
VV_MUST_CHECK varve_status vv_catalogue_check_room(const vv_catalogue *catalogue,
                                                   varve_error *out_err);
/** Whether names may take more memory: E_LIMIT. */
VV_MUST_CHECK varve_status vv_catalogue_check_bytes(const vv_catalogue *catalogue,
                                                    varve_error *out_err);

/** The term of a label, or 0. */
uint32_t vv_catalogue_find_term(const vv_catalogue *catalogue, varve_text name, varve_text value);

#endif
