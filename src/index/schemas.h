/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_INDEX_SCHEMAS_H
#define VV_INDEX_SCHEMAS_H

/*
 * Sets of typed fields, each stored once: a series points to its set, and series of one shape share
 * it. Sets are never removed. Reading takes no lock; interning takes one of its own, whose rank
 * lets it be taken with shards held.
 */

#include "base/arena.h"
#include "index/catalogue.h"
#include "index/lookup.h"
#include "index/table.h"
#include "sys/thread.h"

/* Fields of one series, over all its rows. Each step from one set to a larger one is kept, so a
 * series that gains its fields one by one costs half of 4096 * 4096 * 8 B = 64 MiB at the worst. */
#define VV_SCHEMA_FIELDS_MAX 4096u

typedef struct vv_schemas {
    vv_schema empty; /* id 0 */
    uint64_t seed;
    vv_alloc *alloc;
    vv_mutex lock;    /* guards what follows against other writers */
    vv_table entries; /* const vv_schema * by id - 1 */
    vv_lookup lookup;
    vv_arena storage;
    uint32_t count;
} vv_schemas;

VV_MUST_CHECK varve_status vv_schemas_init(vv_schemas *schemas, vv_alloc *alloc, uint64_t seed,
                                           varve_error *out_err);
void vv_schemas_deinit(vv_schemas *schemas, bool with_lock);

/** Where a field stands in a set, or would, when it stands at `begin` or behind: in steps that
 *  double, so that a row of few fields does not cost what a series has of them. */
uint32_t vv_schema_place(const vv_schema *schema, uint32_t begin, uint32_t field);

/** The set `from` with `changes` (any order, the last one of a field wins) in it. */
VV_MUST_CHECK varve_status vv_schemas_change(vv_schemas *schemas, const vv_schema *from,
                                             const vv_schema_field *changes, size_t change_count,
                                             const vv_schema **out_schema, varve_error *out_err);

#endif
