/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_WIRE_OPEN_METRICS_PRIV_H
#define VV_WIRE_OPEN_METRICS_PRIV_H

/* What the files of the reader of OpenMetrics share; see wire/open_metrics.c. */

#include "base/buf.h"
#include "wire/decode.h"
#include "wire/lines.h"
#include "wire/prom_priv.h"
#include "wire/seconds_text.h"
#include "wire/text_set.h"

/* ---- types ---------------------------------------------------------------------------------- */

typedef enum vv_open_metrics_type {
    OPEN_METRICS_UNKNOWN,
    OPEN_METRICS_GAUGE,
    OPEN_METRICS_COUNTER,
    OPEN_METRICS_STATESET,
    OPEN_METRICS_INFO,
    OPEN_METRICS_HISTOGRAM,
    OPEN_METRICS_GAUGEHISTOGRAM,
    OPEN_METRICS_SUMMARY,
    OPEN_METRICS_TYPE_COUNT
} vv_open_metrics_type;

/** What the name of a sample has behind that of its family. */
typedef enum vv_open_metrics_suffix {
    OPEN_METRICS_NONE,
    OPEN_METRICS_TOTAL,
    OPEN_METRICS_CREATED,
    OPEN_METRICS_BUCKET,
    OPEN_METRICS_SUM,
    OPEN_METRICS_COUNT,
    OPEN_METRICS_GSUM,
    OPEN_METRICS_GCOUNT,
    OPEN_METRICS_SUFFIX_INFO,
    OPEN_METRICS_SUFFIX_COUNT
} vv_open_metrics_suffix;

#define OPEN_METRICS_BIT(suffix) (1u << OPEN_METRICS_##suffix)

/* ---- state ---------------------------------------------------------------------------------- */

/** One point of a group: what its samples have said so far. */
typedef struct vv_open_metrics_point {
    uint32_t suffixes; /* that it has, as bits */
    bool has_bucket;
    bool has_negative_bucket;
    double bound; /* of the last bucket */
    double count; /* of the last bucket */
    double total; /* of _count or _gcount */
} vv_open_metrics_point;

typedef struct vv_open_metrics {
    vv_alloc *alloc;                   /* borrowed */
    vv_decoder *base;                  /* borrowed */
    const vv_decoder_options *options; /* borrowed */
    bool keeps_created;
    vv_lines lines;
    vv_arena arena; /* of one line */
    bool is_ended;  /* # EOF was there */
    /* the text */
    vv_text_set names; /* of families, and all that their samples may have */
    /* the family */
    vv_buf family; /* its name; empty: none yet */
    vv_open_metrics_type type;
    vv_buf units; /* its unit */
    bool has_type;
    bool has_help;
    bool has_unit;
    bool has_samples;
    vv_text_set groups;
    /* the group */
    vv_buf group; /* its labels, sizes before them */
    bool has_group;
    bool has_time;
    vv_seconds time;
    vv_open_metrics_point point;
} vv_open_metrics;

/** A sample with all that the rules ask. */
typedef struct vv_open_metrics_sample {
    varve_text line; /* it stands in */
    vv_prom_sample text;
    varve_text name;
    varve_label *labels;
    size_t label_count;
    vv_open_metrics_suffix suffix;
    vv_seconds time;
    bool has_exemplar;
} vv_open_metrics_sample;

/* ---- open_metrics_point.c ---- */

/** Group and point of a sample, and what they have to have in common. */
VV_MUST_CHECK varve_status vv_open_metrics_place(vv_open_metrics *state,
                                                 const vv_open_metrics_sample *sample,
                                                 varve_error *out_err);
/** The rules of its type for the value and labels of a sample. */
VV_MUST_CHECK varve_status vv_open_metrics_check(vv_open_metrics *state,
                                                 const vv_open_metrics_sample *sample,
                                                 varve_error *out_err);
/** What all samples of a point have to say together; it is over. */
VV_MUST_CHECK varve_status vv_open_metrics_end_point(vv_open_metrics *state, varve_error *out_err);

/** E_INVALID with the reason. */
varve_status vv_open_metrics_bad(const char *reason, varve_error *out_err);

#endif
