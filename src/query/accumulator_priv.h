/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_QUERY_ACCUMULATOR_PRIV_H
#define VV_QUERY_ACCUMULATOR_PRIV_H

/*
 * What an aggregate remembers of the values of one field in one slot (bucket x group). Outputs that
 * ask about the same field share one.
 */

#include "base/arena.h"
#include "codec/stats.h"
#include "model/rows.h"
#include "query/cursor_priv.h"

/** What an accumulator must keep, by the aggregations that read it. */
enum {
    VV_NEEDS_STATS = 1 << 0,   /* count, min, max, sum, moments */
    VV_NEEDS_MORE = 1 << 1,    /* of the statistics: more than count and sum */
    VV_NEEDS_EDGES = 1 << 2,   /* first and last value */
    VV_NEEDS_PLACES = 1 << 3,  /* times of min and max */
    VV_NEEDS_VALUES = 1 << 4,  /* every number: median, quantile */
    VV_NEEDS_EXTREMES = 1 << 5 /* min and max of the bytes family */
};

/** Values that outlive the rows they came with. */
enum { VV_KEPT_FIRST, VV_KEPT_LAST, VV_KEPT_MIN, VV_KEPT_MAX, VV_KEPTS };

typedef struct vv_accumulator {
    vv_stats stats; /* numbers */
    uint64_t blobs; /* values of other types */
    bool has_edges, has_places, has_extremes;
    int64_t first_time, last_time, min_time, max_time;
    varve_value first, last;
    varve_value min, max;        /* bytes family; numbers: where places are kept */
    char *kept_data[VV_KEPTS];   /* bytes of these four, in the arena ... */
    size_t kept_bytes[VV_KEPTS]; /* ... and how many there is room for */
    double *values;              /* in the arena */
    size_t value_count, value_capacity;
} vv_accumulator;

/** Buffers to gather values in; one per cursor. */
typedef struct vv_gather {
    union {
        double f64[VV_VECTOR_ROWS_MAX];
        int64_t i64[VV_VECTOR_ROWS_MAX];
        uint64_t u64[VV_VECTOR_ROWS_MAX];
        uint8_t u8[VV_VECTOR_ROWS_MAX];
    } values;
    int64_t times[VV_VECTOR_ROWS_MAX];
} vv_gather;

uint32_t vv_accumulator_needs(uint32_t aggregation, uint32_t type);
/** Type of an aggregate's answer over values of a type; NONE when the type does not have it. */
uint32_t vv_aggregate_type(uint32_t aggregation, uint32_t type);

/** type: of the values as they are accumulated (F64 where numbers of several types meet). */
void vv_accumulator_init(vv_accumulator *accumulator, uint32_t type);
/** Add rows [begin, end) of a column, those selected (NULL: all) that have a value. Returns how
 * many. */
VV_MUST_CHECK varve_status vv_accumulator_add(vv_accumulator *accumulator, uint32_t type,
                                              uint32_t needs, const varve_column *column,
                                              const int64_t *times, const uint64_t *selected,
                                              size_t begin, size_t end, vv_gather *gather,
                                              vv_arena *arena, uint64_t *out_added,
                                              varve_error *out_err);
/** Add what another has seen of values of the same type, but for the values themselves (medians,
 * quantiles) and places. */
VV_MUST_CHECK varve_status vv_accumulator_merge(vv_accumulator *accumulator,
                                                const vv_accumulator *part, vv_arena *arena,
                                                varve_error *out_err);
/** Add a number to those that medians and quantiles are taken of, and to nothing else. */
VV_MUST_CHECK varve_status vv_accumulator_add_number(vv_accumulator *accumulator, double number,
                                                     vv_arena *arena, varve_error *out_err);
/** What an output says of its accumulator. */
typedef struct vv_answer {
    varve_value value;  /* type NONE: there is none */
    bool is_saturated;  /* an integer sum that did not fit ... */
    double approximate; /* ... and its value as f64 */
} vv_answer;

/** type: of the values, as they were accumulated. Medians and quantiles poll. */
VV_MUST_CHECK varve_status vv_accumulator_result(varve_cursor *cursor, vv_accumulator *accumulator,
                                                 uint32_t type, const vv_plan_output *output,
                                                 vv_answer *out_answer, varve_error *out_err);

#endif
