/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Accumulators: values in, answers out. Sums, extremes and moments are those of codec/stats.h, so
 * an answer is the same whether it came from the statistics of vectors or from their values.
 */

#include "query/accumulator_priv.h"

#include <math.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/slice.h"
#include "base/status.h"
#include "model/value.h"

enum { ACCUMULATOR_PIECE = 128 }; /* numbers converted at once, on the stack */

/* The NaN that a propagated one becomes (model: Numbers). */
static double accumulator_nan(void)
{
    uint64_t bits = UINT64_C(0x7ff8000000000001);
    double nan;
    memcpy(&nan, &bits, sizeof nan);
    return nan;
}

uint32_t vv_accumulator_needs(uint32_t aggregation, uint32_t type)
{
    bool is_number = vv_type_is_number(type);
    switch (aggregation) {
    case VARVE_AGG_SUM:
    case VARVE_AGG_AVG:
    case VARVE_AGG_COUNT:
        return VV_NEEDS_STATS;
    case VARVE_AGG_MIN:
    case VARVE_AGG_MAX:
        return is_number ? VV_NEEDS_STATS | VV_NEEDS_MORE : VV_NEEDS_EXTREMES;
    case VARVE_AGG_RANGE:
    case VARVE_AGG_VARIANCE:
    case VARVE_AGG_STDDEV:
        return VV_NEEDS_STATS | VV_NEEDS_MORE;
    case VARVE_AGG_MEDIAN:
    case VARVE_AGG_QUANTILE:
        return VV_NEEDS_STATS | VV_NEEDS_VALUES;
    case VARVE_AGG_MIN_TIME:
    case VARVE_AGG_MAX_TIME:
        return (is_number ? VV_NEEDS_STATS | VV_NEEDS_MORE : VV_NEEDS_EXTREMES) | VV_NEEDS_PLACES;
    default: /* FIRST, LAST and their times */
        return VV_NEEDS_EDGES;
    }
}

uint32_t vv_aggregate_type(uint32_t aggregation, uint32_t type)
{
    bool counts = type == VARVE_TYPE_F64 || type == VARVE_TYPE_I64 || type == VARVE_TYPE_U64;
    bool has_order = type != VARVE_TYPE_HISTOGRAM;
    switch (aggregation) {
    case VARVE_AGG_SUM:
    case VARVE_AGG_RANGE:
        return counts ? type : (uint32_t)VARVE_TYPE_NONE;
    case VARVE_AGG_AVG:
    case VARVE_AGG_MEDIAN:
    case VARVE_AGG_QUANTILE:
    case VARVE_AGG_VARIANCE:
    case VARVE_AGG_STDDEV:
        return counts ? (uint32_t)VARVE_TYPE_F64 : (uint32_t)VARVE_TYPE_NONE;
    case VARVE_AGG_MIN:
    case VARVE_AGG_MAX:
        return has_order ? type : (uint32_t)VARVE_TYPE_NONE;
    case VARVE_AGG_MIN_TIME:
    case VARVE_AGG_MAX_TIME:
        return has_order ? (uint32_t)VARVE_TYPE_I64 : (uint32_t)VARVE_TYPE_NONE;
    case VARVE_AGG_FIRST_TIME:
    case VARVE_AGG_LAST_TIME:
        return VARVE_TYPE_I64;
    case VARVE_AGG_COUNT:
        return VARVE_TYPE_U64;
    default: /* NONE, FIRST, LAST */
        return type;
    }
}

void vv_accumulator_init(vv_accumulator *accumulator, uint32_t type)
{
    memset(accumulator, 0, sizeof *accumulator);
    vv_stats_init(&accumulator->stats, vv_type_is_number(type) ? type : (uint32_t)VARVE_TYPE_F64);
}

/* ---- adding ---- */

/** Where one of the four kept values lies. */
static varve_value *accumulator_kept(vv_accumulator *accumulator, size_t which)
{
    varve_value *const values[VV_KEPTS] = {&accumulator->first, &accumulator->last,
                                           &accumulator->min, &accumulator->max};
    return values[which];
}

/** Keep a value; a blob's bytes go over those of the one before where these have room, so that a
 * long series takes a few times its longest value. */
static varve_status accumulator_keep(vv_accumulator *accumulator, size_t which, varve_value value,
                                     vv_arena *arena, varve_error *out_err)
{
    varve_value *kept = accumulator_kept(accumulator, which);
    size_t size = vv_type_is_blob(value.type) ? value.as.bytes.size : 0;
    if (size > 0) {
        size_t room = accumulator->kept_bytes[which];
        char *bytes;
        if (size > room) {
            size_t more = size > 2 * room ? size : 2 * room;
            bytes = vv_arena_new(arena, more);
            if (bytes == NULL) {
                return vv_arena_fail(arena, more, out_err);
            }
            accumulator->kept_bytes[which] = more;
        } else {
            bytes = accumulator->kept_data[which];
        }
        accumulator->kept_data[which] = bytes;
        memcpy(bytes, value.as.bytes.data, size);
        value.as.bytes.data = bytes;
    }
    *kept = value;
    return VARVE_OK;
}

/** First and last: at equal times the first added stays first, the last added becomes last. */
static varve_status accumulator_add_edges(vv_accumulator *accumulator, const varve_column *column,
                                          const int64_t *times, size_t first, size_t last,
                                          vv_arena *arena, varve_error *out_err)
{
    if (!accumulator->has_edges || times[first] < accumulator->first_time) {
        accumulator->first_time = times[first];
        VV_TRY(accumulator_keep(accumulator, VV_KEPT_FIRST, vv_block_value_of(column, first), arena,
                                out_err));
    }
    if (!accumulator->has_edges || times[last] >= accumulator->last_time) {
        accumulator->last_time = times[last];
        VV_TRY(accumulator_keep(accumulator, VV_KEPT_LAST, vv_block_value_of(column, last), arena,
                                out_err));
    }
    accumulator->has_edges = true;
    return VARVE_OK;
}

static varve_status accumulator_add_values(vv_accumulator *accumulator, const double *values,
                                           size_t count, vv_arena *arena, varve_error *out_err)
{
    if (accumulator->value_count + count > accumulator->value_capacity) {
        size_t capacity = accumulator->value_capacity == 0 ? 64 : accumulator->value_capacity * 2;
        while (capacity < accumulator->value_count + count) {
            capacity *= 2;
        }
        double *grown = vv_arena_array(arena, capacity, sizeof *grown);
        if (grown == NULL) {
            return vv_arena_fail(arena, capacity * sizeof *grown, out_err);
        }
        if (accumulator->value_count > 0) {
            memcpy(grown, accumulator->values, accumulator->value_count * sizeof *grown);
        }
        accumulator->values = grown;
        accumulator->value_capacity = capacity;
    }
    for (size_t i = 0; i < count; i++) {
        if (!isnan(values[i])) {
            accumulator->values[accumulator->value_count++] = values[i];
        }
    }
    return VARVE_OK;
}

/** Times of the extremes, the earliest of equal ones. */
static void accumulator_add_places(vv_accumulator *accumulator, const varve_value *value,
                                   int64_t time, const varve_value *min, const varve_value *max)
{
    if (!accumulator->has_places) {
        accumulator->has_places = true;
        accumulator->min_time = time;
        accumulator->max_time = time;
        return;
    }
    bool is_number = vv_type_is_number(value->type);
    int below =
        is_number ? vv_number_compare(value, min) : vv_text_compare(value->as.bytes, min->as.bytes);
    int above =
        is_number ? vv_number_compare(value, max) : vv_text_compare(value->as.bytes, max->as.bytes);
    if (below < 0 || (below == 0 && time < accumulator->min_time)) {
        accumulator->min_time = time;
    }
    if (above > 0 || (above == 0 && time < accumulator->max_time)) {
        accumulator->max_time = time;
    }
}

static varve_value accumulator_scalar(uint32_t type, vv_scalar scalar)
{
    varve_value value = {.type = type};
    if (type == VARVE_TYPE_F64) {
        value.as.f64 = scalar.f64;
    } else if (type == VARVE_TYPE_I64) {
        value.as.i64 = scalar.i64;
    } else if (type == VARVE_TYPE_BOOL) {
        value.as.boolean = scalar.u64 != 0;
    } else {
        value.as.u64 = scalar.u64;
    }
    return value;
}

/** Values of the gather buffer into the statistics, then places against the old extremes. */
static void accumulator_add_gathered(vv_accumulator *accumulator, uint32_t type, uint32_t needs,
                                     const void *values, const int64_t *times, size_t count)
{
    if ((needs & VV_NEEDS_PLACES) != 0) {
        for (size_t i = 0; i < count; i++) {
            varve_column column = {.type = type, .values = values};
            varve_value value = vv_block_value_of(&column, i);
            if (type == VARVE_TYPE_F64 && isnan(value.as.f64)) {
                continue;
            }
            accumulator_add_places(accumulator, &value, times[i], &accumulator->min,
                                   &accumulator->max);
            bool is_first = accumulator->min.type == VARVE_TYPE_NONE;
            if (is_first || vv_number_compare(&value, &accumulator->min) < 0) {
                accumulator->min = value;
            }
            if (is_first || vv_number_compare(&value, &accumulator->max) > 0) {
                accumulator->max = value;
            }
        }
    }
    if (type == VARVE_TYPE_F64 && (needs & VV_NEEDS_MORE) == 0) {
        vv_stats_sum_f64(&accumulator->stats, values, count);
    } else if (type == VARVE_TYPE_F64) {
        vv_stats_add_f64(&accumulator->stats, values, NULL, count);
    } else if (type == VARVE_TYPE_I64) {
        vv_stats_add_i64(&accumulator->stats, values, NULL, count);
    } else if (type == VARVE_TYPE_U64) {
        vv_stats_add_u64(&accumulator->stats, values, NULL, count);
    } else {
        vv_stats_add_bool(&accumulator->stats, values, NULL, count);
    }
}

static void accumulator_gather(vv_gather *gather, uint32_t type, const varve_column *column,
                               size_t from, size_t to)
{
    if (type == column->type) {
        size_t width = vv_type_width(type);
        memcpy((uint8_t *)&gather->values + to * width,
               (const uint8_t *)column->values + from * width, width);
    } else {
        varve_value value = vv_block_value_of(column, from);
        gather->values.f64[to] = vv_number_to_f64(&value);
    }
}

static varve_status accumulator_add_numbers(vv_accumulator *accumulator, uint32_t type,
                                            uint32_t needs, const void *values,
                                            const int64_t *times, size_t count, vv_arena *arena,
                                            varve_error *out_err)
{
    accumulator_add_gathered(accumulator, type, needs, values, times, count);
    if ((needs & VV_NEEDS_VALUES) == 0) {
        return VARVE_OK;
    }
    if (type != VARVE_TYPE_F64) {
        varve_column column = {.type = type, .values = values};
        double numbers[ACCUMULATOR_PIECE];
        for (size_t begin = 0; begin < count; begin += ACCUMULATOR_PIECE) {
            size_t piece = count - begin < ACCUMULATOR_PIECE ? count - begin : ACCUMULATOR_PIECE;
            for (size_t i = 0; i < piece; i++) {
                varve_value value = vv_block_value_of(&column, begin + i);
                numbers[i] = vv_number_to_f64(&value);
            }
            VV_TRY(accumulator_add_values(accumulator, numbers, piece, arena, out_err));
        }
        return VARVE_OK;
    }
    return accumulator_add_values(accumulator, values, count, arena, out_err);
}

/** Bytes family and histograms: counted, and the extremes of bytes kept. */
static varve_status accumulator_add_blob(vv_accumulator *accumulator, uint32_t needs,
                                         const varve_value *given, int64_t time, vv_arena *arena,
                                         varve_error *out_err)
{
    accumulator->blobs++;
    if ((needs & VV_NEEDS_EXTREMES) == 0) {
        return VARVE_OK;
    }
    if ((needs & VV_NEEDS_PLACES) != 0) {
        accumulator_add_places(accumulator, given, time, &accumulator->min, &accumulator->max);
    }
    if (!accumulator->has_extremes ||
        vv_text_compare(given->as.bytes, accumulator->min.as.bytes) < 0) {
        VV_TRY(accumulator_keep(accumulator, VV_KEPT_MIN, *given, arena, out_err));
    }
    if (!accumulator->has_extremes ||
        vv_text_compare(given->as.bytes, accumulator->max.as.bytes) > 0) {
        VV_TRY(accumulator_keep(accumulator, VV_KEPT_MAX, *given, arena, out_err));
    }
    accumulator->has_extremes = true;
    return VARVE_OK;
}

varve_status vv_accumulator_add(vv_accumulator *accumulator, uint32_t type, uint32_t needs,
                                const varve_column *column, const int64_t *times,
                                const uint64_t *selected, size_t begin, size_t end,
                                vv_gather *gather, vv_arena *arena, uint64_t *out_added,
                                varve_error *out_err)
{
    *out_added = 0;
    bool is_number = vv_type_is_number(column->type);
    bool is_whole =
        is_number && selected == NULL && column->present == NULL && type == column->type;
    size_t first = end;
    size_t last = end;
    size_t count = 0;
    if (is_whole) {
        first = begin;
        last = end - 1;
        count = end - begin;
        const uint8_t *values = (const uint8_t *)column->values + begin * vv_type_width(type);
        VV_TRY(accumulator_add_numbers(accumulator, type, needs, values, times + begin, count,
                                       arena, out_err));
    } else {
        for (size_t row = begin; row < end; row++) {
            if ((selected != NULL && !vv_bits_get(selected, row)) || !vv_column_has(column, row)) {
                continue;
            }
            first = count == 0 ? row : first;
            last = row;
            if (is_number) {
                accumulator_gather(gather, type, column, row, count);
                gather->times[count] = times[row];
            } else {
                varve_value value = vv_block_value_of(column, row);
                VV_TRY(
                    accumulator_add_blob(accumulator, needs, &value, times[row], arena, out_err));
            }
            count++;
        }
        if (is_number && count > 0) {
            VV_TRY(accumulator_add_numbers(accumulator, type, needs, &gather->values, gather->times,
                                           count, arena, out_err));
        }
    }
    *out_added = count;
    if (count > 0 && (needs & VV_NEEDS_EDGES) != 0) {
        return accumulator_add_edges(accumulator, column, times, first, last, arena, out_err);
    }
    return VARVE_OK;
}

/* ---- merging ---- */

varve_status vv_accumulator_merge(vv_accumulator *accumulator, const vv_accumulator *part,
                                  vv_arena *arena, varve_error *out_err)
{
    vv_stats_merge(&accumulator->stats, &part->stats);
    accumulator->blobs += part->blobs;
    if (part->has_edges &&
        (!accumulator->has_edges || part->first_time < accumulator->first_time)) {
        accumulator->first_time = part->first_time;
        VV_TRY(accumulator_keep(accumulator, VV_KEPT_FIRST, part->first, arena, out_err));
    }
    if (part->has_edges && (!accumulator->has_edges || part->last_time >= accumulator->last_time)) {
        accumulator->last_time = part->last_time;
        VV_TRY(accumulator_keep(accumulator, VV_KEPT_LAST, part->last, arena, out_err));
    }
    accumulator->has_edges = accumulator->has_edges || part->has_edges;
    if (part->has_extremes &&
        (!accumulator->has_extremes ||
         vv_text_compare(part->min.as.bytes, accumulator->min.as.bytes) < 0)) {
        VV_TRY(accumulator_keep(accumulator, VV_KEPT_MIN, part->min, arena, out_err));
    }
    if (part->has_extremes &&
        (!accumulator->has_extremes ||
         vv_text_compare(part->max.as.bytes, accumulator->max.as.bytes) > 0)) {
        VV_TRY(accumulator_keep(accumulator, VV_KEPT_MAX, part->max, arena, out_err));
    }
    accumulator->has_extremes = accumulator->has_extremes || part->has_extremes;
    return VARVE_OK;
}

varve_status vv_accumulator_add_number(vv_accumulator *accumulator, double number, vv_arena *arena,
                                       varve_error *out_err)
{
    return accumulator_add_values(accumulator, &number, 1, arena, out_err);
}

/* ---- answers ---- */

/** Arithmetic on infinities of both signs has one NaN as its answer, on every machine. */
static double accumulator_canonical(double number)
{
    return isnan(number) ? accumulator_nan() : number;
}

/** Exact, linear between neighbours: position q * (n - 1) of the sorted values. */
static varve_status accumulator_quantile(varve_cursor *cursor, vv_accumulator *accumulator,
                                         double q, double *out_value, varve_error *out_err)
{
    double *values = accumulator->values;
    size_t count = accumulator->value_count;
    double position = q * (double)(count - 1);
    size_t low = (size_t)position;
    double part = position - (double)low;
    VV_TRY(vv_select_rank(cursor, values, count, low, out_err));
    double a = values[low];
    *out_value = a;
    if (low + 1 >= count || part == 0.0) {
        return VARVE_OK;
    }
    double b;
    VV_TRY(vv_select_min(cursor, values, low + 1, count, &b, out_err));
    if (a != b) {
        /* The mean of two middles without overflow; infinities of both signs have no middle. */
        *out_value = accumulator_canonical(part == 0.5 ? a / 2 + b / 2 : a * (1 - part) + b * part);
    }
    return VARVE_OK;
}

/** A 128-bit sum in the column's own type; false when it was saturated. */
static bool accumulator_saturate(vv_i128 sum, uint32_t type, varve_value *out_value)
{
    out_value->type = type;
    if (type == VARVE_TYPE_I64) {
        bool fits = sum >= INT64_MIN && sum <= INT64_MAX;
        out_value->as.i64 = fits ? (int64_t)sum : (sum < 0 ? INT64_MIN : INT64_MAX);
        return fits;
    }
    bool fits = sum >= 0 && sum <= (vv_i128)UINT64_MAX;
    out_value->as.u64 = fits ? (uint64_t)sum : (sum < 0 ? 0 : UINT64_MAX);
    return fits;
}

static varve_value accumulator_f64(double number)
{
    return (varve_value){.type = VARVE_TYPE_F64, .as.f64 = number};
}

/** A difference or sum of integers: as f64 where that is wanted, else in its own type; a sum that
 * does not fit is marked. */
static void accumulator_integer(vv_i128 number, uint32_t type, const vv_plan_output *output,
                                vv_answer *answer)
{
    if (output->as_type == VARVE_TYPE_F64) {
        answer->value = accumulator_f64((double)number);
        return;
    }
    bool fits = accumulator_saturate(number, type, &answer->value);
    answer->is_saturated = !fits && output->aggregation == VARVE_AGG_SUM;
    answer->approximate = (double)number;
}

static void accumulator_range(const vv_stats *stats, uint32_t type, const vv_plan_output *output,
                              vv_answer *answer)
{
    if (type == VARVE_TYPE_F64) {
        answer->value = accumulator_f64(accumulator_canonical(stats->max.f64 - stats->min.f64));
    } else if (type == VARVE_TYPE_I64) {
        accumulator_integer((vv_i128)stats->max.i64 - stats->min.i64, type, output, answer);
    } else {
        accumulator_integer((vv_i128)stats->max.u64 - (vv_i128)stats->min.u64, type, output,
                            answer);
    }
}

/** Answers that need at least one number. */
static varve_status accumulator_number(varve_cursor *cursor, vv_accumulator *accumulator,
                                       uint32_t type, const vv_plan_output *output,
                                       vv_answer *answer, varve_error *out_err)
{
    const vv_stats *stats = &accumulator->stats;
    double number = 0;
    switch (output->aggregation) {
    case VARVE_AGG_SUM:
        if (type == VARVE_TYPE_F64) {
            answer->value = accumulator_f64(vv_stats_sum(stats));
        } else {
            accumulator_integer(stats->sum, type, output, answer);
        }
        return VARVE_OK;
    case VARVE_AGG_RANGE:
        accumulator_range(stats, type, output, answer);
        return VARVE_OK;
    case VARVE_AGG_MIN:
        answer->value = accumulator_scalar(type, stats->min);
        return VARVE_OK;
    case VARVE_AGG_MAX:
        answer->value = accumulator_scalar(type, stats->max);
        return VARVE_OK;
    case VARVE_AGG_AVG:
        number = vv_stats_mean(stats);
        break;
    case VARVE_AGG_VARIANCE:
        number = vv_stats_variance(stats);
        break;
    case VARVE_AGG_STDDEV:
        number = sqrt(vv_stats_variance(stats));
        break;
    default: { /* MEDIAN and QUANTILE */
        double q = output->aggregation == VARVE_AGG_MEDIAN ? 0.5 : output->parameter;
        VV_TRY(accumulator_quantile(cursor, accumulator, q, &number, out_err));
        break;
    }
    }
    answer->value = accumulator_f64(accumulator_canonical(number));
    return VARVE_OK;
}

/** Answers that do not depend on the values being numbers. */
static bool accumulator_plain(const vv_accumulator *accumulator, uint32_t type,
                              uint32_t aggregation, uint32_t nan_rule, varve_value *out_value)
{
    bool is_number = vv_type_is_number(type);
    switch (aggregation) {
    case VARVE_AGG_COUNT:
        out_value->type = VARVE_TYPE_U64;
        out_value->as.u64 = accumulator->blobs + accumulator->stats.count;
        if (nan_rule == VARVE_NAN_PROPAGATE) {
            out_value->as.u64 += accumulator->stats.nan_count;
        }
        return true;
    case VARVE_AGG_NONE:
    case VARVE_AGG_LAST:
        *out_value = accumulator->last;
        return true;
    case VARVE_AGG_FIRST:
        *out_value = accumulator->first;
        return true;
    case VARVE_AGG_FIRST_TIME:
    case VARVE_AGG_LAST_TIME:
        if (accumulator->has_edges) {
            out_value->type = VARVE_TYPE_I64;
            out_value->as.i64 = aggregation == VARVE_AGG_FIRST_TIME ? accumulator->first_time
                                                                    : accumulator->last_time;
        }
        return true;
    case VARVE_AGG_MIN_TIME:
    case VARVE_AGG_MAX_TIME:
        if (accumulator->has_places) {
            out_value->type = VARVE_TYPE_I64;
            out_value->as.i64 =
                aggregation == VARVE_AGG_MIN_TIME ? accumulator->min_time : accumulator->max_time;
        }
        return true;
    case VARVE_AGG_MIN:
    case VARVE_AGG_MAX:
        if (!is_number) {
            *out_value = aggregation == VARVE_AGG_MIN ? accumulator->min : accumulator->max;
        }
        return !is_number;
    default:
        return !is_number;
    }
}

varve_status vv_accumulator_result(varve_cursor *cursor, vv_accumulator *accumulator, uint32_t type,
                                   const vv_plan_output *output, vv_answer *out_answer,
                                   varve_error *out_err)
{
    *out_answer = (vv_answer){0};
    if (accumulator_plain(accumulator, type, output->aggregation, output->nan_rule,
                          &out_answer->value)) {
        return VARVE_OK;
    }
    if (output->nan_rule == VARVE_NAN_PROPAGATE && accumulator->stats.nan_count > 0) {
        out_answer->value = accumulator_f64(accumulator_nan());
        return VARVE_OK;
    }
    if (accumulator->stats.count == 0) {
        return VARVE_OK;
    }
    return accumulator_number(cursor, accumulator, type, output, out_answer, out_err);
}
