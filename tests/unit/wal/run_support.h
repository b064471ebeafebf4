/* SPDX-License-Identifier: Apache-2.0 */
/* Random runs of rows, and the comparison of two. */
#ifndef VV_TESTS_UNIT_WAL_RUN_SUPPORT_H
#define VV_TESTS_UNIT_WAL_RUN_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/check.h"
#include "wal/payload.h"

static inline uint64_t *run_random_bits(vv_random *random, vv_arena *arena, size_t count)
{
    uint64_t *words = vv_arena_zeroed(arena, (count + 63) / 64 * 8);
    assert_non_null(words);
    for (size_t i = 0; i < count; ++i) {
        words[i / 64] |= (vv_random_u64(random) & 1) << (i % 64);
    }
    return words;
}

static inline uint64_t run_random_number(vv_random *random, uint32_t type, unsigned style,
                                         size_t index)
{
    double value = 0;
    uint64_t bits = 0;
    switch (style % 6) {
    case 0:
        return vv_random_u64(random);
    case 1:
        return 12345;
    case 2: /* small integers of the type */
        value = (double)vv_random_between(random, -1000, 1000);
        memcpy(&bits, &value, 8);
        return type == VARVE_TYPE_F64 ? bits : (uint64_t)vv_random_between(random, -1000, 1000);
    case 4: /* decimals, and now and then something else */
        value = (double)vv_random_between(random, -100000, 100000) / (style % 7 == 0 ? 1000 : 100);
        value = style % 11 == 0 && index % 50 == 49 ? value * 1.0000000001 : value;
        value = style % 13 == 0 && index % 70 == 69 ? -0.0 : value;
        memcpy(&bits, &value, 8);
        return bits;
    case 3:
        return index % 7 == 0 ? 0 : vv_random_u64(random) >> (vv_random_u64(random) % 64);
    default:
        return vv_random_u64(random) << (vv_random_u64(random) % 64);
    }
}

static inline varve_column run_random_column(vv_random *random, vv_arena *arena, size_t count)
{
    varve_column column = {.type = (uint32_t)vv_random_between(random, 1, 7)};
    unsigned style = (unsigned)vv_random_u64(random) & 0xffff;
    if (style % 3 == 0) {
        column.present = run_random_bits(random, arena, count);
    }
    uint8_t *values = vv_arena_zeroed(arena, count * vv_type_width(column.type));
    assert_non_null(values);
    for (size_t i = 0; i < count; ++i) {
        if (!vv_column_has(&column, i)) {
            continue; /* R5 */
        }
        if (column.type == VARVE_TYPE_BOOL) {
            values[i] = vv_random_u64(random) & 1;
        } else if (!vv_type_is_blob(column.type)) {
            uint64_t number = run_random_number(random, column.type, style, i);
            memcpy(values + i * 8, &number, 8);
        } else {
            size_t size = style % 2 == 0 ? 5 : (size_t)vv_random_below(random, 40);
            size = vv_random_below(random, 200) == 0 ? 70000 : size;
            char *bytes = vv_arena_new(arena, size);
            assert_non_null(bytes);
            vv_random_fill(random, bytes, size);
            varve_text text = {.data = bytes, .size = size};
            memcpy(values + i * sizeof text, &text, sizeof text);
        }
    }
    column.values = values;
    if ((column.type == VARVE_TYPE_BYTES || column.type == VARVE_TYPE_STRING) && style % 5 == 0) {
        column.marks = run_random_bits(random, arena, count);
    }
    return column;
}

static inline vv_run run_random(vv_random *random, vv_arena *arena)
{
    static const size_t counts[] = {1, 1, 2, 3, 7, 8, 9, 63, 64, 65, 200, 1000};
    vv_run run = {.count = counts[vv_random_below(random, VV_ARRAY_COUNT(counts))]};
    uint64_t kind = vv_random_u64(random) % 8;
    run.series_count = kind % 2 == 0 && run.count > 1 ? run.count : 1;
    uint32_t *series = vv_arena_array(arena, run.series_count, sizeof *series);
    assert_non_null(series);
    for (size_t i = 0; i < run.series_count; ++i) {
        series[i] = kind < 4 ? (uint32_t)(100 + i) : (uint32_t)vv_random_u64(random);
    }
    run.series = series;
    if (kind == 7) {
        run.vector_size = 1 + (size_t)vv_random_below(random, 500);
        uint8_t *vector = vv_arena_new(arena, run.vector_size);
        assert_non_null(vector);
        vv_random_fill(random, vector, run.vector_size);
        run.vector = vector;
        return run;
    }
    run.time_count = kind % 3 == 0 || run.count == 1 ? 1 : run.count;
    int64_t *times = vv_arena_array(arena, run.time_count, sizeof *times);
    assert_non_null(times);
    uint64_t steps = vv_random_u64(random);
    int64_t time = (int64_t)vv_random_u64(random);
    for (size_t i = 0; i < run.time_count; ++i) {
        uint64_t step = steps % 4 == 0   ? 10000000000u
                        : steps % 4 == 1 ? 1000000 + vv_random_below(random, 200)
                        : steps % 4 == 2 ? vv_random_below(random, 100000)
                                         : vv_random_u64(random);
        time = (int64_t)((uint64_t)time + step);
        times[i] = time;
    }
    run.times = times;
    if (kind == 1 || kind == 2) {
        uint64_t *row_ids = vv_arena_array(arena, run.count, sizeof *row_ids);
        assert_non_null(row_ids);
        for (size_t i = 0; i < run.count; ++i) {
            row_ids[i] = 1 + (kind == 1 ? 1000 + i : vv_random_u64(random) >> 1);
        }
        run.row_ids = row_ids;
    }
    run.column_count = 1 + (size_t)vv_random_below(random, 6);
    uint32_t *fields = vv_arena_array(arena, run.column_count, sizeof *fields);
    varve_column *columns = vv_arena_array(arena, run.column_count, sizeof *columns);
    assert_non_null(fields);
    assert_non_null(columns);
    uint32_t field = 0;
    for (size_t i = 0; i < run.column_count; ++i) {
        field += 1 + (uint32_t)vv_random_below(random, i == 3 ? 100000 : 3);
        fields[i] = field;
        columns[i] = run_random_column(random, arena, run.count);
    }
    run.fields = fields;
    run.columns = columns;
    return run;
}

static inline bool run_bits_are_equal(const uint64_t *a, const uint64_t *b, size_t count)
{
    for (size_t i = 0; a != NULL && b != NULL && i < count; ++i) {
        if (((a[i / 64] ^ b[i / 64]) >> (i % 64) & 1) != 0) {
            return false;
        }
    }
    return (a == NULL) == (b == NULL);
}

static inline bool run_columns_are_equal(const varve_column *a, const varve_column *b, size_t count)
{
    if (a->type != b->type || !run_bits_are_equal(a->present, b->present, count) ||
        !run_bits_are_equal(a->marks, b->marks, count)) {
        return false;
    }
    if (!vv_type_is_blob(a->type)) {
        return memcmp(a->values, b->values, count * vv_type_width(a->type)) == 0;
    }
    const varve_text *left = a->values;
    const varve_text *right = b->values;
    for (size_t i = 0; i < count; ++i) {
        if (!vv_text_equal(left[i], right[i])) {
            return false;
        }
    }
    return true;
}

static inline bool run_is_equal(const vv_run *a, const vv_run *b)
{
    if (a->count != b->count || a->series_count != b->series_count ||
        memcmp(a->series, b->series, a->series_count * sizeof *a->series) != 0) {
        return false;
    }
    if ((a->row_ids == NULL) != (b->row_ids == NULL) ||
        (a->row_ids != NULL &&
         memcmp(a->row_ids, b->row_ids, a->count * sizeof *a->row_ids) != 0)) {
        return false;
    }
    if (a->vector != NULL) {
        return b->vector != NULL && a->vector_size == b->vector_size &&
               memcmp(a->vector, b->vector, a->vector_size) == 0;
    }
    if (b->vector != NULL || a->time_count != b->time_count || a->column_count != b->column_count ||
        memcmp(a->times, b->times, a->time_count * sizeof *a->times) != 0 ||
        memcmp(a->fields, b->fields, a->column_count * sizeof *a->fields) != 0) {
        return false;
    }
    for (size_t i = 0; i < a->column_count; ++i) {
        if (!run_columns_are_equal(&a->columns[i], &b->columns[i], a->count)) {
            return false;
        }
    }
    return true;
}

#endif
