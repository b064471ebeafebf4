/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field predicates.
 *
 * A comparison x op c becomes a closed interval [min, max] of each number type: the values of that
 * type that satisfy it, or, for NOT_EQUAL, the ones that do not. With c = 2.5:
 *
 *     op   i64, u64        f64
 *     <    [.., 2]         [-inf, the double below 2.5]
 *     >=   [3, ..]         [2.5, inf]
 *     =    empty           [2.5, 2.5]
 *     !=   not in empty    not in [2.5, 2.5]
 *
 * P1  The intervals are exact: no constant is rounded into the type of a column. A NaN lies in no
 *     interval of doubles, and a NaN constant makes every interval empty.
 * P2  eval, holds and prune ask the same intervals, so they cannot disagree.
 */
#include "model/predicate.h"

#include <math.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/slice.h"
#include "base/status.h"
#include "model/labels.h"
#include "model/value.h"

/* ---- compile ---- */

#define PREDICATE_INFINITY ((double)INFINITY)

/* Beyond every 64-bit integer: stands for doubles that no integer reaches. */
#define PREDICATE_HUGE ((vv_i128)1 << 66)

/* The integers next to a constant: equal when it is one. */
typedef struct predicate_constant {
    bool is_nan;
    vv_i128 floor, ceil;
    double f64_floor, f64_ceil; /* the doubles next to it */
} predicate_constant;

static vv_i128 predicate_clamp(double whole)
{
    if (whole >= (double)PREDICATE_HUGE) {
        return PREDICATE_HUGE;
    }
    return whole <= -(double)PREDICATE_HUGE ? -PREDICATE_HUGE : (vv_i128)whole;
}

static predicate_constant predicate_constant_of(const varve_value *value)
{
    predicate_constant constant = {.is_nan = false};
    double near = vv_number_to_f64(value);
    constant.is_nan = isnan(near) != 0;
    constant.f64_floor = near;
    constant.f64_ceil = near;
    if (value->type == VARVE_TYPE_F64) {
        constant.floor = constant.is_nan ? 0 : predicate_clamp(floor(near));
        constant.ceil = constant.is_nan ? 0 : predicate_clamp(ceil(near));
        return constant;
    }
    varve_value rounded = {.type = VARVE_TYPE_F64, .as.f64 = near};
    int order = vv_number_compare(&rounded, value);
    if (order > 0) {
        constant.f64_floor = nextafter(near, -PREDICATE_INFINITY);
    } else if (order < 0) {
        constant.f64_ceil = nextafter(near, PREDICATE_INFINITY);
    }
    constant.floor = value->type == VARVE_TYPE_I64   ? (vv_i128)value->as.i64
                     : value->type == VARVE_TYPE_U64 ? (vv_i128)value->as.u64
                                                     : (vv_i128)value->as.boolean;
    constant.ceil = constant.floor;
    return constant;
}

static void predicate_set_integers(vv_predicate *predicate, const predicate_constant *constant)
{
    vv_i128 min = -PREDICATE_HUGE;
    vv_i128 max = PREDICATE_HUGE;
    switch (predicate->op) {
    case VARVE_OP_LESS:
        max = constant->ceil - 1;
        break;
    case VARVE_OP_LESS_EQUAL:
        max = constant->floor;
        break;
    case VARVE_OP_GREATER:
        min = constant->floor + 1;
        break;
    case VARVE_OP_GREATER_EQUAL:
        min = constant->ceil;
        break;
    default: /* EQUAL, NOT_EQUAL: empty unless the constant is whole */
        min = constant->ceil;
        max = constant->floor;
        break;
    }
    vv_i128 i64_min = min > INT64_MIN ? min : INT64_MIN;
    vv_i128 i64_max = max < INT64_MAX ? max : INT64_MAX;
    if (!constant->is_nan && i64_min <= i64_max) {
        predicate->i64_min = (int64_t)i64_min;
        predicate->i64_max = (int64_t)i64_max;
    }
    vv_i128 u64_min = min > 0 ? min : 0;
    vv_i128 u64_max = max < (vv_i128)UINT64_MAX ? max : (vv_i128)UINT64_MAX;
    if (!constant->is_nan && u64_min <= u64_max) {
        predicate->u64_min = (uint64_t)u64_min;
        predicate->u64_max = (uint64_t)u64_max;
    }
}

/* x < c holds up to the double below c, or up to the one before c when c itself is no double. */
static void predicate_set_doubles(vv_predicate *predicate, const predicate_constant *constant)
{
    double below = constant->f64_floor;
    double above = constant->f64_ceil;
    bool is_double = !(below < above);
    double min = -PREDICATE_INFINITY;
    double max = PREDICATE_INFINITY;
    bool is_empty = constant->is_nan;
    switch (predicate->op) {
    case VARVE_OP_LESS:
        is_empty |= below <= -PREDICATE_INFINITY;
        max = is_double ? nextafter(below, -PREDICATE_INFINITY) : below;
        break;
    case VARVE_OP_LESS_EQUAL:
        max = below;
        break;
    case VARVE_OP_GREATER:
        is_empty |= above >= PREDICATE_INFINITY;
        min = is_double ? nextafter(above, PREDICATE_INFINITY) : above;
        break;
    case VARVE_OP_GREATER_EQUAL:
        min = above;
        break;
    default: /* EQUAL, NOT_EQUAL */
        min = above;
        max = below;
        break;
    }
    if (!is_empty && min <= max) {
        predicate->f64_min = min;
        predicate->f64_max = max;
    }
}

static varve_status predicate_compile_value(const varve_value *value, vv_predicate *predicate,
                                            varve_error *out_err)
{
    VV_TRY(vv_value_check(value, out_err));
    if (value->type == VARVE_TYPE_HISTOGRAM) {
        return vv_fail(out_err, VARVE_E_INVALID, "a histogram compares with nothing");
    }
    if (vv_type_is_blob(value->type)) {
        predicate->family = VARVE_TYPE_STRING;
        predicate->bytes = value->as.bytes;
        return VARVE_OK;
    }
    predicate_constant constant = predicate_constant_of(value);
    predicate->family = VARVE_TYPE_F64;
    predicate_set_integers(predicate, &constant);
    predicate_set_doubles(predicate, &constant);
    return VARVE_OK;
}

varve_status vv_predicate_compile(const varve_predicate *predicate, vv_predicate *out_predicate,
                                  varve_error *out_err)
{
    vv_predicate result = {
        .field = predicate->field,
        .op = predicate->op,
        .is_inverted = predicate->op == VARVE_OP_NOT_EQUAL,
        /* Empty, until a constant says otherwise. */
        .i64_min = 1,
        .u64_min = 1,
        .f64_min = 1.0,
    };
    VV_TRY(vv_field_name_check(predicate->field, out_err));
    if (predicate->op > VARVE_OP_ABSENT || predicate->flags != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "predicate on '%.*s': unknown operator or flags",
                       VV_TEXT_ARGS(predicate->field));
    }
    if (predicate->op != VARVE_OP_PRESENT && predicate->op != VARVE_OP_ABSENT) {
        varve_status status = predicate_compile_value(&predicate->value, &result, out_err);
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "predicate on '%.*s'", VV_TEXT_ARGS(predicate->field));
            return status;
        }
    }
    *out_predicate = result;
    return VARVE_OK;
}

varve_status vv_predicate_check_type(const vv_predicate *predicate, uint32_t type,
                                     varve_error *out_err)
{
    bool is_fit =
        predicate->family == VARVE_TYPE_NONE ||
        (predicate->family == VARVE_TYPE_F64 && vv_type_is_number(type)) ||
        (predicate->family == VARVE_TYPE_STRING && vv_type_family(type) == VARVE_TYPE_STRING);
    if (is_fit) {
        return VARVE_OK;
    }
    return vv_fail(out_err, VARVE_E_INVALID, "field '%.*s' holds %s: it does not compare with %s",
                   VV_TEXT_ARGS(predicate->field), vv_family_name(type),
                   predicate->family == VARVE_TYPE_F64 ? "a number" : "bytes or a string");
}

/* ---- eval: 64 rows at a time ---- */

/* Bytes of 0 and 1 to bits: the product gathers the lowest bits of eight bytes in its top byte. */
static uint64_t predicate_pack(const uint8_t hits[64])
{
    uint64_t word = 0;
    for (size_t group = 0; group < 8; group++) {
        uint64_t bytes;
        memcpy(&bytes, hits + 8 * group, sizeof bytes);
        word |= (bytes * UINT64_C(0x0102040810204080)) >> 56 << (8 * group);
    }
    return word;
}

/* One bit for each of up to 64 values: whether it lies in the interval. */
#define PREDICATE_WORD(name, type)                                                              \
    static uint64_t predicate_word_##name(const type *values, size_t count, type min, type max) \
    {                                                                                           \
        uint8_t hits[64] = {0};                                                                 \
        for (size_t index = 0; index < count; index++) {                                        \
            hits[index] = (uint8_t)((values[index] >= min) & (values[index] <= max));           \
        }                                                                                       \
        return predicate_pack(hits);                                                            \
    }
PREDICATE_WORD(f64, double)
PREDICATE_WORD(i64, int64_t)
PREDICATE_WORD(u64, uint64_t)
PREDICATE_WORD(u8, uint8_t)
#undef PREDICATE_WORD

static uint64_t predicate_word_bool(const vv_predicate *predicate, const uint8_t *values,
                                    size_t count)
{
    if (predicate->u64_min > 1 || predicate->u64_min > predicate->u64_max) {
        return 0;
    }
    uint8_t max = predicate->u64_max > 0 ? 1 : 0;
    return predicate_word_u8(values, count, (uint8_t)predicate->u64_min, max);
}

static bool predicate_order_holds(uint32_t op, int order)
{
    switch (op) {
    case VARVE_OP_LESS:
        return order < 0;
    case VARVE_OP_LESS_EQUAL:
        return order <= 0;
    case VARVE_OP_GREATER:
        return order > 0;
    case VARVE_OP_GREATER_EQUAL:
        return order >= 0;
    default: /* EQUAL; NOT_EQUAL is inverted by the caller */
        return order == 0;
    }
}

static bool predicate_bytes_hold(const vv_predicate *predicate, varve_text value)
{
    bool is_equality = predicate->op == VARVE_OP_EQUAL || predicate->op == VARVE_OP_NOT_EQUAL;
    if (is_equality) {
        return vv_text_equal(value, predicate->bytes);
    }
    return predicate_order_holds(predicate->op, vv_text_compare(value, predicate->bytes));
}

static uint64_t predicate_word_bytes(const vv_predicate *predicate, const varve_text *values,
                                     size_t count, uint64_t wanted)
{
    uint64_t word = 0;
    for (size_t index = 0; index < count; index++) {
        if ((wanted >> index & 1) != 0 && predicate_bytes_hold(predicate, values[index])) {
            word |= UINT64_C(1) << index;
        }
    }
    return word;
}

/* The rows [begin, begin + count) whose value lies in the interval; count is at most 64. */
static uint64_t predicate_word(const vv_predicate *predicate, const varve_column *column,
                               size_t begin, size_t count, uint64_t wanted)
{
    switch (column->type) {
    case VARVE_TYPE_F64:
        return predicate_word_f64((const double *)column->values + begin, count, predicate->f64_min,
                                  predicate->f64_max);
    case VARVE_TYPE_I64:
        return predicate_word_i64((const int64_t *)column->values + begin, count,
                                  predicate->i64_min, predicate->i64_max);
    case VARVE_TYPE_U64:
        return predicate_word_u64((const uint64_t *)column->values + begin, count,
                                  predicate->u64_min, predicate->u64_max);
    case VARVE_TYPE_BOOL:
        return predicate_word_bool(predicate, (const uint8_t *)column->values + begin, count);
    default:
        return predicate_word_bytes(predicate, (const varve_text *)column->values + begin, count,
                                    wanted);
    }
}

static uint64_t predicate_eval_word(const vv_predicate *predicate, const varve_column *column,
                                    size_t begin, size_t count, uint64_t wanted)
{
    uint64_t present = column->present == NULL ? UINT64_MAX : column->present[begin / 64];
    if (predicate->op == VARVE_OP_ABSENT) {
        return wanted & ~present;
    }
    wanted &= present;
    if (predicate->op == VARVE_OP_PRESENT || wanted == 0) {
        return wanted;
    }
    uint64_t inside = predicate_word(predicate, column, begin, count, wanted);
    return wanted & (predicate->is_inverted ? ~inside : inside);
}

varve_status vv_predicate_eval(const vv_predicate *predicate, const varve_column *column,
                               size_t rows, uint64_t *selected, varve_error *out_err)
{
    if (column == NULL) {
        if (predicate->op != VARVE_OP_ABSENT) {
            vv_bits_clear_range(selected, 0, rows);
        }
        return VARVE_OK;
    }
    VV_TRY(vv_predicate_check_type(predicate, column->type, out_err));
    for (size_t begin = 0; begin < rows; begin += 64) {
        size_t count = rows - begin < 64 ? rows - begin : 64;
        uint64_t mask = count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
        uint64_t wanted = selected[begin / 64] & mask;
        uint64_t kept = predicate_eval_word(predicate, column, begin, count, wanted);
        selected[begin / 64] = (selected[begin / 64] & ~mask) | kept;
    }
    return VARVE_OK;
}

/* ---- one value ---- */

static bool predicate_number_is_inside(const vv_predicate *predicate, const varve_value *value)
{
    switch (value->type) {
    case VARVE_TYPE_F64:
        return value->as.f64 >= predicate->f64_min && value->as.f64 <= predicate->f64_max;
    case VARVE_TYPE_I64:
        return value->as.i64 >= predicate->i64_min && value->as.i64 <= predicate->i64_max;
    case VARVE_TYPE_U64:
        return value->as.u64 >= predicate->u64_min && value->as.u64 <= predicate->u64_max;
    default:
        VV_ASSERT(value->type == VARVE_TYPE_BOOL);
        return (uint64_t)value->as.boolean >= predicate->u64_min &&
               (uint64_t)value->as.boolean <= predicate->u64_max;
    }
}

varve_status vv_predicate_holds(const vv_predicate *predicate, const varve_value *value,
                                bool *out_holds, varve_error *out_err)
{
    bool is_present = value != NULL && value->type != VARVE_TYPE_NONE;
    if (!is_present || predicate->family == VARVE_TYPE_NONE) {
        *out_holds =
            is_present ? predicate->op == VARVE_OP_PRESENT : predicate->op == VARVE_OP_ABSENT;
        return VARVE_OK;
    }
    VV_TRY(vv_predicate_check_type(predicate, value->type, out_err));
    bool is_inside = predicate->family == VARVE_TYPE_STRING
                         ? predicate_bytes_hold(predicate, value->as.bytes)
                         : predicate_number_is_inside(predicate, value);
    *out_holds = is_inside != predicate->is_inverted;
    return VARVE_OK;
}

/* ---- prune ---- */

/* Whether the interval lies wholly outside of [min, max]. */
static bool predicate_is_apart(const vv_predicate *predicate, const varve_value *min,
                               const varve_value *max)
{
    switch (min->type) {
    case VARVE_TYPE_F64:
        return predicate->f64_min > predicate->f64_max || max->as.f64 < predicate->f64_min ||
               min->as.f64 > predicate->f64_max;
    case VARVE_TYPE_I64:
        return predicate->i64_min > predicate->i64_max || max->as.i64 < predicate->i64_min ||
               min->as.i64 > predicate->i64_max;
    case VARVE_TYPE_U64:
        return predicate->u64_min > predicate->u64_max || max->as.u64 < predicate->u64_min ||
               min->as.u64 > predicate->u64_max;
    default:
        return predicate->u64_min > predicate->u64_max ||
               (uint64_t)max->as.boolean < predicate->u64_min ||
               (uint64_t)min->as.boolean > predicate->u64_max;
    }
}

static vv_verdict predicate_prune_range(const vv_predicate *predicate, const vv_bounds *bounds)
{
    bool is_outside = predicate_is_apart(predicate, &bounds->min, &bounds->max);
    bool is_inside = predicate_number_is_inside(predicate, &bounds->min) &&
                     predicate_number_is_inside(predicate, &bounds->max);
    bool is_full = bounds->values == bounds->rows;
    if (predicate->is_inverted) {
        if (is_inside && bounds->nans == 0) {
            return VV_VERDICT_NONE;
        }
        return is_outside && is_full ? VV_VERDICT_ALL : VV_VERDICT_SOME;
    }
    if (is_outside) {
        return VV_VERDICT_NONE;
    }
    return is_inside && is_full && bounds->nans == 0 ? VV_VERDICT_ALL : VV_VERDICT_SOME;
}

static vv_verdict predicate_prune_presence(bool is_wanted_present, const vv_bounds *bounds)
{
    uint64_t hits = is_wanted_present ? bounds->values : bounds->rows - bounds->values;
    if (hits == 0) {
        return VV_VERDICT_NONE;
    }
    return hits == bounds->rows ? VV_VERDICT_ALL : VV_VERDICT_SOME;
}

vv_verdict vv_predicate_prune(const vv_predicate *predicate, const vv_bounds *bounds)
{
    if (predicate->family == VARVE_TYPE_NONE) {
        return predicate_prune_presence(predicate->op == VARVE_OP_PRESENT, bounds);
    }
    if (bounds->values == 0) {
        return VV_VERDICT_NONE;
    }
    if (predicate->family == VARVE_TYPE_F64 && bounds->nans == bounds->values) {
        bool is_full = bounds->values == bounds->rows;
        return !predicate->is_inverted ? VV_VERDICT_NONE
               : is_full               ? VV_VERDICT_ALL
                                       : VV_VERDICT_SOME;
    }
    bool has_numbers = bounds->has_range && vv_type_is_number(bounds->min.type);
    if (predicate->family != VARVE_TYPE_F64 || !has_numbers) {
        return VV_VERDICT_SOME;
    }
    return predicate_prune_range(predicate, bounds);
}
