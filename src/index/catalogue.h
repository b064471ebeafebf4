/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_INDEX_CATALOGUE_H
#define VV_INDEX_CATALOGUE_H

/*
 * The catalogue: every series, field name and metric that this open database knows, and the
 * postings that find them. Ids are dense from 1, given in order of first resolve, and live as long
 * as the catalogue; files never hold them (a segment has its own tables, the log defines its ids).
 *
 * Knowing a series is not having it: what is visible is decided by who holds rows.
 *
 * Threads: everything here may be called from any thread. Entries never move; reading an entry by
 * id takes no lock. One writer lock serialises new names; selects run beside each other.
 */

#include "base/alloc.h"
#include "base/bitmap.h"
#include "model/selection.h"
#include "varve.h"

typedef struct vv_catalogue vv_catalogue;

/** One (field, type) of a schema; family types only (BYTES counts as STRING). */
typedef struct vv_schema_field {
    uint32_t field;
    uint32_t type;
} vv_schema_field;

/** A set of typed fields, interned, immutable; schema 0 is the empty set. */
typedef struct vv_schema {
    uint32_t id;
    uint32_t count;
    const vv_schema_field *fields; /* ascending by field */
} vv_schema;

VV_MUST_CHECK varve_status vv_catalogue_create(vv_alloc *alloc, uint64_t hash_seed,
                                               uint64_t series_max, vv_catalogue **out_catalogue,
                                               varve_error *out_err);
void vv_catalogue_free(vv_catalogue *catalogue);
/** In a forked child: whether nobody was changing it when the process forked. */
bool vv_catalogue_is_quiet(vv_catalogue *catalogue);

/** Labels in any order; validates names. With existing_only an unknown series is E_NOT_FOUND. */
VV_MUST_CHECK varve_status vv_catalogue_resolve(vv_catalogue *catalogue, varve_text metric,
                                                const varve_label *labels, size_t label_count,
                                                bool existing_only, uint32_t *out_series,
                                                varve_error *out_err);
VV_MUST_CHECK varve_status vv_catalogue_field(vv_catalogue *catalogue, varve_text name,
                                              bool existing_only, uint32_t *out_field,
                                              varve_error *out_err);

uint32_t vv_catalogue_series_count(const vv_catalogue *catalogue); /* ids are 1..count */
uint32_t vv_catalogue_field_count(const vv_catalogue *catalogue);
varve_text vv_catalogue_metric(const vv_catalogue *catalogue, uint32_t series);
uint32_t vv_catalogue_metric_id(const vv_catalogue *catalogue, uint32_t series);
varve_text vv_catalogue_field_name(const vv_catalogue *catalogue, uint32_t field);
/** Sorted labels of a series, borrowed for the life of the catalogue; made on the first call. */
VV_MUST_CHECK varve_status vv_catalogue_labels(vv_catalogue *catalogue, uint32_t series,
                                               const varve_label **out_labels, size_t *out_count,
                                               varve_error *out_err);
/** Order of series: metric, then labels as a list of (name, value), bytewise. */
int vv_catalogue_compare(const vv_catalogue *catalogue, uint32_t a, uint32_t b);
/** Value of one label of a series; false: absent. */
bool vv_catalogue_label(const vv_catalogue *catalogue, uint32_t series, varve_text name,
                        varve_text *out_value);

/* The types that the fields of a series hold. The caller serialises changes of one series (shard
 * lock); reads of the schema are atomic. */
const vv_schema *vv_catalogue_schema(const vv_catalogue *catalogue, uint32_t series);
/** Make field hold type (family) in the schema of a series; replaces another type. */
VV_MUST_CHECK varve_status vv_catalogue_set_type(vv_catalogue *catalogue, uint32_t series,
                                                 uint32_t field, uint32_t type,
                                                 varve_error *out_err);

/* Whether a series is a ring: always `last`, without row ids, whatever its metric has. Changed with
 * every shard locked, or by who opens; read with the lock of the series' shard, or as a hint. */
void vv_catalogue_set_ring(vv_catalogue *catalogue, uint32_t series, bool is_ring);
bool vv_catalogue_is_ring(const vv_catalogue *catalogue, uint32_t series);

/* Policies of metrics; metric ids are dense from 1. */
typedef struct vv_metric_policy {
    uint32_t duplicates; /* VARVE_DUPLICATES_LAST or ALL */
    bool has_row_ids;
    bool is_own; /* set by varve_policy_metric; else the database's default */
} vv_metric_policy;

void vv_catalogue_set_default_policy(vv_catalogue *catalogue, vv_metric_policy policy);
vv_metric_policy vv_catalogue_policy(const vv_catalogue *catalogue, uint32_t metric_id);
VV_MUST_CHECK varve_status vv_catalogue_metric_id_of(vv_catalogue *catalogue, varve_text metric,
                                                     bool existing_only, uint32_t *out_metric_id,
                                                     varve_error *out_err);
varve_text vv_catalogue_metric_name(const vv_catalogue *catalogue, uint32_t metric_id);
uint32_t vv_catalogue_metric_count(const vv_catalogue *catalogue);
void vv_catalogue_set_policy(vv_catalogue *catalogue, uint32_t metric_id, vv_metric_policy policy);

/** Ids that a selection matches among the series that are known when the call begins; *out_ids is
 * to be released with the allocator given to create. E_LIMIT when a regex gives up; E_INVALID for a
 * handle of a LIST that is none. Metrics "varve.*" only with with_internal or by exact name. */
VV_MUST_CHECK varve_status vv_catalogue_select(vv_catalogue *catalogue,
                                               const vv_selection *selection, vv_idset *out_ids,
                                               varve_error *out_err);

/** Give several fields their types at once: one schema change instead of `count`. */
VV_MUST_CHECK varve_status vv_catalogue_set_types(vv_catalogue *catalogue, uint32_t series,
                                                  const vv_schema_field *fields, size_t count,
                                                  varve_error *out_err);

/** Label names that occur, and values of one name, sorted bytewise, each with its postings
 * (borrowed while the visit runs; the visitor returns false to stop). The catalogue is read-locked
 * meanwhile: the visitor may read entries by id, and nothing else of the catalogue. Values of
 * "__name__" are the metrics. Internal metrics are included. */
typedef bool (*vv_catalogue_visit)(void *context, varve_text text, const vv_idset *series);
VV_MUST_CHECK varve_status vv_catalogue_visit_names(vv_catalogue *catalogue,
                                                    vv_catalogue_visit visit, void *context,
                                                    varve_error *out_err);
VV_MUST_CHECK varve_status vv_catalogue_visit_values(vv_catalogue *catalogue, varve_text name,
                                                     vv_catalogue_visit visit, void *context,
                                                     varve_error *out_err);
/** Bounds of what may be added from now on; 0: none. What is known stays. */
void vv_catalogue_set_limits(vv_catalogue *catalogue, uint64_t series_max, uint64_t bytes_max);
/** Whether the series of all these rows together are known or may be made. E_LIMIT, E_NOMEM. */
VV_MUST_CHECK varve_status vv_catalogue_check_rows(const vv_catalogue *catalogue,
                                                   const varve_named_row *rows, size_t count,
                                                   varve_error *out_err);
/** Everything the catalogue has allocated. */
size_t vv_catalogue_bytes(const vv_catalogue *catalogue);

#endif
