/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SEGMENT_BUILDER_PRIV_H
#define VV_SEGMENT_BUILDER_PRIV_H

/* The tables of a segment while it is written: names, series, schemas; and their sections as bytes.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/vector.h"
#include "model/rows.h"
#include "varve.h"

typedef struct vv_builder_pair {
    varve_text value;
    uint32_t name;   /* index in names */
    uint32_t count;  /* series that have it */
    uint32_t number; /* label number, after numbering */
} vv_builder_pair;

typedef struct vv_builder_field {
    varve_text name;
    uint32_t id;
    uint32_t index; /* in the field table, after numbering */
    bool is_used;   /* by some schema, after numbering */
} vv_builder_field;

typedef struct vv_builder_schema {
    size_t begin; /* in schema_entries */
    size_t count;
} vv_builder_schema;

typedef struct vv_segment_builder {
    vv_alloc *alloc;
    vv_arena texts; /* label names and values, field names */

    vv_vec names; /* varve_text, in order of first use */
    vv_map name_map;
    vv_vec pairs; /* vv_builder_pair, in order of first use */
    vv_map pair_map;
    vv_vec fields; /* vv_builder_field, ascending by id */

    vv_buf metrics; /* payload of the section behind its count */
    uint32_t metric_count;
    uint32_t metric_series; /* series of the last metric so far */
    vv_buf last_metric;     /* its text */
    vv_vec series;          /* uint32_t: schema, label count, pairs; per series */
    size_t series_begin;    /* where the current series begins */
    uint32_t series_count;  /* that have a vector */
    uint64_t label_total;   /* labels of all of them */
    vv_vec schema;          /* uint64_t: entries of the current series, ascending */
    vv_vec schema_entries;  /* uint64_t: of all schemas, one behind the other */
    vv_vec schemas;         /* vv_builder_schema */
    vv_map schema_map;

    vv_buf current_bytes; /* texts of the series begun last; ... */
    varve_text current_metric;
    varve_label current_labels[VV_LABELS_MAX];
    size_t current_count;
    bool has_current;     /* ... a series was begun */
    bool is_current_open; /* and has a vector */
} vv_segment_builder;

/** The field of an id; NULL when it was not defined. */
vv_builder_field *vv_builder_field_find(const vv_segment_builder *builder, uint32_t id);
/** A name as it is stored: what it shares with the one before it, and the rest. Sticky as vv_buf.
 */
void vv_builder_append_text(vv_buf *out, varve_text before, varve_text text);

void vv_segment_builder_init(vv_segment_builder *builder, vv_alloc *alloc);
void vv_segment_builder_deinit(vv_segment_builder *builder);

VV_MUST_CHECK varve_status vv_segment_builder_field(vv_segment_builder *builder, uint32_t field,
                                                    varve_text name, varve_error *out_err);
/** Begin a series: it enters the tables with its first vector. Ends the one before. */
VV_MUST_CHECK varve_status vv_segment_builder_series(vv_segment_builder *builder, varve_text metric,
                                                     const varve_label *labels, size_t label_count,
                                                     varve_error *out_err);
/** Note a vector of the current series. */
VV_MUST_CHECK varve_status vv_segment_builder_vector(vv_segment_builder *builder,
                                                     const vv_vector *vector, varve_error *out_err);
/** End the last series. */
VV_MUST_CHECK varve_status vv_segment_builder_end(vv_segment_builder *builder,
                                                  varve_error *out_err);
/** Give label numbers and field indexes, once, before the sections. */
VV_MUST_CHECK varve_status vv_segment_builder_number(vv_segment_builder *builder,
                                                     varve_error *out_err);
/** Append the payload of a section: FIELDS to SERIES, POSTINGS. */
VV_MUST_CHECK varve_status vv_segment_builder_section(vv_segment_builder *builder, uint32_t kind,
                                                      vv_buf *out, varve_error *out_err);

#endif
