/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_ROLLUP_SET_H
#define VV_ENGINE_ROLLUP_SET_H

/*
 * The rollups of a database: an immutable, counted set, replaced as a whole. In the log (POLICY
 * record of kind 4) and in the manifest (section 11) it lies in the same bytes,
 * docs/formats/log.md.
 *
 *   S1  Rollups ascend by id, and ids are distinct.
 *   S2  A definition that is new or changed gets a generation that no rollup of this database had
 *       before: what was kept under another definition is never taken for it.
 */

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "model/time_range.h"
#include "varve.h"

/* Bounds of a set; arbitrary, far above what is of use. */
enum {
    VV_ROLLUPS_MAX = 1024,
    VV_ROLLUP_ID_BYTES_MAX = 256,
    VV_ROLLUP_MATCHERS_MAX = 64,
    VV_ROLLUP_FIELDS_MAX = 64,
    VV_ROLLUP_NAME_BYTES = 40 /* the metric of what is kept, and its NUL */
};
#define VV_ROLLUP_SET_BYTES_MAX ((size_t)4 * 1024 * 1024)

/** The field of a kept row that says up to which row sequence it is right. */
#define VV_ROLLUP_SEQUENCE_FIELD "varve.sequence"

/** What a rollup did since the open; guarded by the state lock. */
typedef struct vv_rollup_runs {
    uint64_t runs, errors, buckets, points;
    int64_t started_ns, completed_ns; /* wall clock; 0: never */
    uint64_t duration_ns;             /* of the last that completed */
    varve_error error;                /* of the last run; status OK: none */
} vv_rollup_runs;

typedef struct vv_rollup {
    varve_rollup given; /* texts and arrays lie in the set's arena */
    uint64_t generation;
    vv_bytes definition; /* as stored, without the generation */
    vv_buckets buckets;
    vv_rollup_runs runs;
    uint64_t trimmed; /* what was kept of buckets below is deleted; guarded by the rollup lock */
} vv_rollup;

typedef struct vv_rollup_set {
    atomic_uint refs;
    vv_alloc *alloc;
    vv_arena arena;
    uint64_t next_generation;
    vv_rollup *items; /* S1 */
    size_t count;
    vv_bytes stored; /* the whole set */
} vv_rollup_set;

/** Check what a caller gives and make a set of it; `old` (may be NULL) is the set before (S2).
 *  E_INVALID names the rollup and what is wrong; E_LIMIT, E_NOMEM. */
VV_MUST_CHECK varve_status vv_rollup_set_make(vv_alloc *alloc, const varve_rollup *rollups,
                                              size_t count, const vv_rollup_set *old,
                                              vv_rollup_set **out_set, varve_error *out_err);
/** The same set with new generations: what was kept is not to be trusted any more. */
VV_MUST_CHECK varve_status vv_rollup_set_renew(const vv_rollup_set *old, vv_rollup_set **out_set,
                                               varve_error *out_err);
/** Of stored bytes, all of them. E_CORRUPT, E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_rollup_set_read(vv_bytes bytes, vv_alloc *alloc,
                                                           vv_rollup_set **out_set,
                                                           varve_error *out_err);
void vv_rollup_set_ref(vv_rollup_set *set);
void vv_rollup_set_unref(vv_rollup_set *set); /* NULL is allowed */

/** The rollup of a generation; NULL: none. */
vv_rollup *vv_rollup_set_find(const vv_rollup_set *set, uint64_t generation);

/** The metric that what a generation keeps is stored under, and back: 0 for another metric. */
varve_text vv_rollup_metric(uint64_t generation, char buffer[VV_ROLLUP_NAME_BYTES]);
uint64_t vv_rollup_generation_of(varve_text metric);
/** Whether it keeps a field of this name, where values of its type can be kept. */
bool vv_rollup_keeps_field(const varve_rollup *rollup, varve_text name);
/** E_INVALID: nobody else writes or deletes there. */
VV_COLD varve_status vv_rollup_refuse(varve_text metric, varve_error *out_err);

#endif
