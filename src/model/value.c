/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values: checks, order, equality.
 *
 * N1  Comparing numbers of different types goes through 128-bit integers: every integer type fits,
 *     and so does the whole part of every double that lies between them. No two different numbers
 *     compare as equal, and the order is transitive over all types together.
 */
#include "model/value.h"

#include <math.h>

#include "base/assert.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/utf8.h"
#include "model/histogram.h"

_Static_assert(sizeof(void *) != 8 || sizeof(varve_value) <= 32, "as varve.h says");

const char *vv_type_name(uint32_t type)
{
    static const char *const names[] = {
        [VARVE_TYPE_NONE] = "none",     [VARVE_TYPE_F64] = "f64",
        [VARVE_TYPE_I64] = "i64",       [VARVE_TYPE_U64] = "u64",
        [VARVE_TYPE_BOOL] = "bool",     [VARVE_TYPE_BYTES] = "bytes",
        [VARVE_TYPE_STRING] = "string", [VARVE_TYPE_HISTOGRAM] = "histogram",
        [VARVE_TYPE_MIXED] = "mixed",
    };
    return type < VV_ARRAY_COUNT(names) ? names[type] : "unknown";
}

const char *vv_family_name(uint32_t type)
{
    return vv_type_family(type) == VARVE_TYPE_STRING ? "bytes/string" : vv_type_name(type);
}

/* ---- check ---- */

static varve_status value_check_bytes(const varve_value *value, varve_error *out_err)
{
    varve_text bytes = value->as.bytes;
    if (bytes.size > VV_VALUE_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "value too long: %zu bytes, max %d", bytes.size,
                       VV_VALUE_BYTES_MAX);
    }
    if (bytes.data == NULL && bytes.size > 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "value of %zu bytes points nowhere", bytes.size);
    }
    if (value->type == VARVE_TYPE_STRING && !vv_utf8_is_valid(bytes)) {
        return vv_fail(out_err, VARVE_E_INVALID, "string is not UTF-8 at byte %zu",
                       vv_utf8_valid_prefix(bytes) + 1);
    }
    return VARVE_OK;
}

varve_status vv_value_check(const varve_value *value, varve_error *out_err)
{
    if (value->flags != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "value has unknown flags 0x%x", value->flags);
    }
    switch (value->type) {
    case VARVE_TYPE_F64:
    case VARVE_TYPE_I64:
    case VARVE_TYPE_U64:
    case VARVE_TYPE_BOOL:
        return VARVE_OK;
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        return value_check_bytes(value, out_err);
    case VARVE_TYPE_HISTOGRAM:
        if (value->as.histogram == NULL) {
            return vv_fail(out_err, VARVE_E_INVALID, "histogram value points nowhere");
        }
        return vv_histogram_check(value->as.histogram, out_err);
    default:
        return vv_fail(out_err, VARVE_E_INVALID, "value has the unknown type %u", value->type);
    }
}

/* ---- order of numbers ---- */

static vv_i128 value_integer(const varve_value *value)
{
    if (value->type == VARVE_TYPE_I64) {
        return value->as.i64;
    }
    return value->type == VARVE_TYPE_U64 ? value->as.u64 : (uint64_t)value->as.boolean;
}

static int value_compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return (isnan(a) != 0) - (isnan(b) != 0);
    }
    int order = (a > b) - (a < b);
    return order != 0 ? order : (signbit(b) != 0) - (signbit(a) != 0);
}

/* A double beside an integer of 64 bits, signed or not (N1). */
static int value_compare_double_integer(double a, vv_i128 b)
{
    if (isnan(a) || a >= 18446744073709551616.0) {
        return 1;
    }
    if (a < -9223372036854775808.0) {
        return -1;
    }
    vv_i128 whole = (vv_i128)a; /* towards zero */
    if (whole != b) {
        return whole < b ? -1 : 1;
    }
    double rest = a - (double)whole; /* exact: whole came from a */
    if (rest > 0.0 || rest < 0.0) {
        return rest > 0.0 ? 1 : -1;
    }
    return b == 0 && signbit(a) != 0 ? -1 : 0; /* -0.0 stands below an integer 0 */
}

int vv_number_compare(const varve_value *a, const varve_value *b)
{
    VV_ASSERT(vv_type_is_number(a->type) && vv_type_is_number(b->type));
    bool is_a_double = a->type == VARVE_TYPE_F64;
    bool is_b_double = b->type == VARVE_TYPE_F64;
    if (is_a_double && is_b_double) {
        return value_compare_doubles(a->as.f64, b->as.f64);
    }
    if (is_a_double) {
        return value_compare_double_integer(a->as.f64, value_integer(b));
    }
    if (is_b_double) {
        return -value_compare_double_integer(b->as.f64, value_integer(a));
    }
    vv_i128 left = value_integer(a);
    vv_i128 right = value_integer(b);
    return (left > right) - (left < right);
}

double vv_number_to_f64(const varve_value *value)
{
    switch (value->type) {
    case VARVE_TYPE_F64:
        return value->as.f64;
    case VARVE_TYPE_I64:
        return (double)value->as.i64;
    case VARVE_TYPE_U64:
        return (double)value->as.u64;
    default:
        VV_ASSERT(value->type == VARVE_TYPE_BOOL);
        return value->as.boolean ? 1.0 : 0.0;
    }
}

/* ---- equality ---- */

bool vv_value_equal(const varve_value *a, const varve_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case VARVE_TYPE_F64:
    case VARVE_TYPE_I64:
    case VARVE_TYPE_U64:
        return memcmp(&a->as.u64, &b->as.u64, sizeof a->as.u64) == 0;
    case VARVE_TYPE_BOOL:
        return a->as.boolean == b->as.boolean;
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        return vv_text_equal(a->as.bytes, b->as.bytes);
    case VARVE_TYPE_HISTOGRAM:
        return vv_histogram_equal(a->as.histogram, b->as.histogram);
    default:
        return true;
    }
}
