/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_MODEL_VALUE_H
#define VV_MODEL_VALUE_H

/*
 * Single values: what is legal, and in which order they stand.
 *
 * Numbers are F64, I64, U64 and BOOL (false is 0, true is 1). They compare by their exact value,
 * whatever their types: nothing is rounded to a common type.
 */

#include "base/compiler.h"
#include "model/rows.h"
#include "varve.h"

/** E_INVALID: unknown type, flags, no pointer, a STRING that is not UTF-8, a bad histogram;
 * E_LIMIT: more than VV_VALUE_BYTES_MAX bytes, too many buckets. */
VV_MUST_CHECK varve_status vv_value_check(const varve_value *value, varve_error *out_err);

/** Name of a type, such as "f64", and of a family, such as "bytes/string"; static; "unknown" for
 * none. */
const char *vv_type_name(uint32_t type);
const char *vv_family_name(uint32_t type);

static inline bool vv_type_is_number(uint32_t type)
{
    return type == VARVE_TYPE_F64 || type == VARVE_TYPE_I64 || type == VARVE_TYPE_U64 ||
           type == VARVE_TYPE_BOOL;
}

/**
 * The total order of numbers that min, max and sorting use: by value, -0.0 below every other zero,
 * NaNs equal and above all. Both values are numbers.
 */
int vv_number_compare(const varve_value *a, const varve_value *b);

/** Same type, same bits, same bytes, same histogram. */
bool vv_value_equal(const varve_value *a, const varve_value *b);

/** The nearest double of a number (ties to even). */
double vv_number_to_f64(const varve_value *value);

#endif
