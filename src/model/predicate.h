/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_PREDICATE_H
#define VV_MODEL_PREDICATE_H

/*
 * Field predicates (varve_predicate): a comparison with a constant, compiled once into one closed
 * interval per number type, so that the test of a column is two comparisons per value and exact for
 * every pair of types.
 *
 * A row without the field satisfies no comparison, NOT_EQUAL included. NaN, as value or as
 * constant, satisfies NOT_EQUAL only. BOOL counts as 0 and 1. The bytes family compares bytewise,
 * whatever the kind; histograms know PRESENT and ABSENT only.
 */

#include "base/compiler.h"
#include "model/rows.h"
#include "varve.h"

typedef struct vv_predicate {
    varve_text field; /* borrowed as the varve_predicate's */
    uint32_t op;      /* VARVE_OP_... */
    uint32_t family;  /* of the constant: F64 for every number, STRING; 0: PRESENT, ABSENT */
    bool is_inverted; /* NOT_EQUAL: a value satisfies it outside of the interval */
    int64_t i64_min, i64_max; /* closed intervals; empty when min is above max */
    uint64_t u64_min, u64_max;
    double f64_min, f64_max;
    varve_text bytes; /* the constant of family STRING, borrowed */
} vv_predicate;

/** What is known of the values of one field in some rows, before they are looked at. */
typedef struct vv_bounds {
    uint64_t rows;        /* all rows */
    uint64_t values;      /* rows that have a value, NaNs included */
    uint64_t nans;        /* rows whose value is NaN */
    bool has_range;       /* min and max are known (of the values that are not NaN) */
    varve_value min, max; /* numbers of the column's type */
} vv_bounds;

/** How many of the rows can satisfy a predicate. */
typedef enum vv_verdict {
    VV_VERDICT_NONE,
    VV_VERDICT_SOME, /* unknown: look at them */
    VV_VERDICT_ALL,
} vv_verdict;

/** E_INVALID: bad field name, unknown op, flags, a constant that nothing compares with. The texts
 * of `predicate` are borrowed for the life of *out_predicate. */
VV_MUST_CHECK varve_status vv_predicate_compile(const varve_predicate *predicate,
                                                vv_predicate *out_predicate, varve_error *out_err);

/** E_INVALID, naming field and types, when a field of this type cannot be compared so. */
VV_MUST_CHECK varve_status vv_predicate_check_type(const vv_predicate *predicate, uint32_t type,
                                                   varve_error *out_err);

/**
 * Clear in `selected` (bit i: row i is wanted so far) the rows that do not satisfy it.
 * @param column  as model/rows.h has them (R1 to R5); NULL: no row has the field
 */
VV_MUST_CHECK varve_status vv_predicate_eval(const vv_predicate *predicate,
                                             const varve_column *column, size_t rows,
                                             uint64_t *selected, varve_error *out_err);

/** The same for one value; NULL: the row has none. */
VV_MUST_CHECK varve_status vv_predicate_holds(const vv_predicate *predicate,
                                              const varve_value *value, bool *out_holds,
                                              varve_error *out_err);

/** What follows from bounds alone. Types that do not compare give SOME: the eval reports them. */
vv_verdict vv_predicate_prune(const vv_predicate *predicate, const vv_bounds *bounds);

#endif
