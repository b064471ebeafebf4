/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic on numbers from outside. Checked forms are false when the exact result does not fit
 * (*out is then untouched); saturating forms give the nearest value that does, and are for time
 * only.
 */
#ifndef VV_BASE_CHECKED_H
#define VV_BASE_CHECKED_H

#include "base/assert.h"
#include "base/compiler.h"

#define VV_CHECKED(name, type, overflows)                            \
    VV_MUST_CHECK static inline bool name(type a, type b, type *out) \
    {                                                                \
        type result;                                                 \
        if (VV_UNLIKELY(overflows(a, b, &result))) {                 \
            return false;                                            \
        }                                                            \
        *out = result;                                               \
        return true;                                                 \
    }
VV_CHECKED(vv_add_size, size_t, VV_ADD_OVERFLOWS)
VV_CHECKED(vv_sub_size, size_t, VV_SUB_OVERFLOWS)
VV_CHECKED(vv_mul_size, size_t, VV_MUL_OVERFLOWS)
VV_CHECKED(vv_add_u64, uint64_t, VV_ADD_OVERFLOWS)
VV_CHECKED(vv_sub_u64, uint64_t, VV_SUB_OVERFLOWS)
VV_CHECKED(vv_mul_u64, uint64_t, VV_MUL_OVERFLOWS)
VV_CHECKED(vv_add_i64, int64_t, VV_ADD_OVERFLOWS)
VV_CHECKED(vv_sub_i64, int64_t, VV_SUB_OVERFLOWS)
VV_CHECKED(vv_mul_i64, int64_t, VV_MUL_OVERFLOWS)
#undef VV_CHECKED

static inline int64_t vv_sat_add_i64(int64_t a, int64_t b)
{
    int64_t result;
    if (VV_UNLIKELY(VV_ADD_OVERFLOWS(a, b, &result))) {
        return b < 0 ? INT64_MIN : INT64_MAX;
    }
    return result;
}

static inline int64_t vv_sat_sub_i64(int64_t a, int64_t b)
{
    int64_t result;
    if (VV_UNLIKELY(VV_SUB_OVERFLOWS(a, b, &result))) {
        return b < 0 ? INT64_MAX : INT64_MIN;
    }
    return result;
}

static inline int64_t vv_sat_mul_i64(int64_t a, int64_t b)
{
    int64_t result;
    if (VV_UNLIKELY(VV_MUL_OVERFLOWS(a, b, &result))) {
        return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    }
    return result;
}

/** a / b rounded towards minus infinity; b is positive. */
static inline int64_t vv_floor_div_i64(int64_t a, int64_t b)
{
    VV_DEBUG_ASSERT(b > 0);
    return a / b - (a % b < 0);
}

/** a - b * floor(a / b), within [0, b); b is positive. */
static inline int64_t vv_floor_mod_i64(int64_t a, int64_t b)
{
    VV_DEBUG_ASSERT(b > 0);
    int64_t rest = a % b;
    return rest < 0 ? rest + b : rest;
}

/** end - start as unsigned, exact for every end >= start. */
static inline uint64_t vv_distance_i64(int64_t start, int64_t end)
{
    return (uint64_t)end - (uint64_t)start;
}

/** The double as int64_t when it is a whole number that fits. */
VV_MUST_CHECK static inline bool vv_i64_of_f64(double value, int64_t *out)
{
    if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) {
        return false;
    }
    int64_t whole = (int64_t)value;
    if ((double)whole < value || (double)whole > value) {
        return false;
    }
    *out = whole;
    return true;
}

#endif
