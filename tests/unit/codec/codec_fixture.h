/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of codec share: memory, a scratch, and the round trip of rows.
 *
 * Encoded bytes are decoded from a block of exactly their size, so that address sanitizer sees a
 * read past their end.
 */
#ifndef VV_TESTS_CODEC_FIXTURE_H
#define VV_TESTS_CODEC_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

#include "base/bitmap.h"
#include "base/random.h"
#include "codec/codec_priv.h"
#include "codec/vector.h"

typedef struct codec_fixture {
    vv_alloc alloc;
    vv_codec_scratch *scratch;
    vv_arena arena;
    vv_buf out;
    vv_random random;
} codec_fixture;

static inline int codec_setup(void **state)
{
    static codec_fixture fixture;
    varve_error err;
    vv_alloc_init(&fixture.alloc, NULL);
    check_ok(vv_codec_scratch_create(&fixture.alloc, &fixture.scratch, &err), &err);
    vv_arena_init(&fixture.arena, &fixture.alloc, SIZE_MAX);
    vv_buf_init(&fixture.out, &fixture.alloc, SIZE_MAX);
    vv_random_init(&fixture.random, 123);
    print_message("seed 123\n");
    *state = &fixture;
    return 0;
}

static inline int codec_teardown(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    vv_buf_deinit(&fixture->out);
    vv_arena_deinit(&fixture->arena);
    vv_codec_scratch_free(fixture->scratch);
    assert_int_equal(vv_alloc_bytes(&fixture->alloc), 0);
    return 0;
}

static inline uint64_t codec_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double codec_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A copy that is exactly as long as the bytes; released with free(). */
static inline uint8_t *codec_copy(vv_bytes bytes)
{
    uint8_t *copy = (uint8_t *)malloc(bytes.size > 0 ? bytes.size : 1);
    assert_non_null(copy);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

/* One column given as rows. */
static inline vv_rows codec_rows(size_t count, const int64_t *times, const uint32_t *field,
                                 const varve_column *column)
{
    return (vv_rows){
        .count = count, .times = times, .fields = field, .columns = column, .column_count = 1};
}

static inline bool codec_is_bytes(const varve_column *column, size_t row)
{
    if (column->marks != NULL) {
        return vv_bits_get(column->marks, row);
    }
    return column->type == VARVE_TYPE_BYTES;
}

static inline void codec_check_blob_column(const varve_column *column,
                                           const vv_vector_column *stored, size_t count,
                                           const varve_text *texts, const uint64_t *marks)
{
    const varve_text *expected = (const varve_text *)column->values;
    for (size_t i = 0; i < count; ++i) {
        if (!vv_column_has(column, i)) {
            assert_int_equal(texts[i].size, 0);
            assert_false(vv_bits_get(marks, i));
            continue;
        }
        assert_int_equal(texts[i].size, expected[i].size);
        assert_true(vv_text_equal(texts[i], expected[i]));
        if (column->type != VARVE_TYPE_HISTOGRAM) {
            assert_int_equal(vv_bits_get(marks, i), codec_is_bytes(column, i));
        }
    }
    if (column->type == VARVE_TYPE_HISTOGRAM) {
        assert_int_equal(stored->type, VARVE_TYPE_HISTOGRAM);
    }
}

static inline void codec_check_fixed_column(const varve_column *column, size_t count,
                                            const uint8_t *values)
{
    size_t width = vv_type_width(column->type);
    const uint8_t *expected = (const uint8_t *)column->values;
    static const uint8_t zero[8];
    for (size_t i = 0; i < count; ++i) {
        bool has = vv_column_has(column, i);
        assert_memory_equal(values + i * width, has ? expected + i * width : zero, width);
    }
}

/* The column `index` of a vector against what was encoded. */
static inline void codec_check_column(codec_fixture *fixture, const vv_vector *vector,
                                      uint32_t index, const varve_column *column)
{
    varve_error err;
    vv_vector_column stored;
    size_t count = vector->count;
    size_t words = vv_bits_words(count);
    check_ok(vv_vector_column_at(vector, index, &stored, &err), &err);
    assert_int_equal(stored.count, count);
    uint8_t *values = (uint8_t *)malloc(count * vv_type_width(column->type));
    uint64_t *present = (uint64_t *)malloc(words * sizeof *present);
    uint64_t *marks = (uint64_t *)malloc(words * sizeof *marks);
    check_ok(
        vv_vector_decode(&stored, fixture->scratch, &fixture->arena, values, present, marks, &err),
        &err);
    for (size_t i = 0; i < words * 64; ++i) {
        assert_int_equal(vv_bits_get(present, i), i < count && vv_column_has(column, i));
    }
    assert_int_equal(stored.present_count, vv_bits_count(present, 0, count));
    assert_in_range(stored.stats.size, 0, 80);
    if (vv_type_is_blob(column->type)) {
        codec_check_blob_column(column, &stored, count, (const varve_text *)(void *)values, marks);
    } else {
        assert_int_equal(stored.type, column->type);
        codec_check_fixed_column(column, count, values);
    }
    vv_stats stats;
    check_ok(vv_vector_stats(&stored, &stats, &err), &err);
    assert_int_equal(stats.count + stats.nan_count, stored.present_count);
    free(values);
    free(present);
    free(marks);
}

static inline void codec_check_times(codec_fixture *fixture, const vv_vector *vector,
                                     const vv_rows *rows)
{
    varve_error err;
    size_t count = rows->count;
    int64_t *times = (int64_t *)malloc(count * sizeof *times);
    check_ok(vv_vector_times(vector, fixture->scratch, times, &err), &err);
    assert_memory_equal(times, rows->times, count * sizeof *times);
    assert_int_equal(vector->first_time, times[0]);
    assert_int_equal(vector->last_time, times[count - 1]);
    bool is_strict = true;
    for (size_t i = 1; i < count; ++i) {
        is_strict = is_strict && times[i] > times[i - 1];
    }
    assert_int_equal(vector->is_strict, is_strict);
    for (size_t i = 0; vector->stride > 0 && i < count; ++i) {
        assert_int_equal(times[i], vector->first_time + (int64_t)i * vector->stride);
    }
    free(times);
}

/* Encodes, decodes and compares everything; returns the size of the vector. */
static inline size_t codec_check_round_trip(codec_fixture *fixture, const vv_rows *rows)
{
    varve_error err;
    vv_vector vector;
    vv_buf_reset(&fixture->out);
    check_ok(vv_vector_encode(rows, fixture->scratch, &fixture->out, &err), &err);
    size_t size = fixture->out.size;
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    check_ok(vv_vector_parse(vv_bytes_make(copy, size), &vector, &err), &err);
    assert_int_equal(vector.count, rows->count);
    assert_int_equal(vector.column_count, rows->column_count);
    assert_int_equal(vector.has_row_ids, rows->row_ids != NULL);
    codec_check_times(fixture, &vector, rows);
    if (rows->row_ids != NULL) {
        uint64_t *row_ids = (uint64_t *)malloc(rows->count * sizeof *row_ids);
        check_ok(vv_vector_row_ids(&vector, fixture->scratch, row_ids, &err), &err);
        assert_memory_equal(row_ids, rows->row_ids, rows->count * sizeof *row_ids);
        free(row_ids);
    }
    for (uint32_t i = 0; i < rows->column_count; ++i) {
        vv_vector_column found;
        assert_true(vv_vector_find(&vector, rows->fields[i], &found));
        assert_int_equal(found.field, rows->fields[i]);
        codec_check_column(fixture, &vector, i, &rows->columns[i]);
    }
    free(copy);
    vv_arena_reset(&fixture->arena);
    return size;
}

/* count times with a stride. */
static inline void codec_fill_times(int64_t *times, size_t count, int64_t first, int64_t stride)
{
    for (size_t i = 0; i < count; ++i) {
        times[i] = first + (int64_t)i * stride;
    }
}

/* Round trip of one column over times of a 10 s step. */
static inline size_t codec_check_values(codec_fixture *fixture, uint32_t type, const void *values,
                                        size_t count, const uint64_t *present)
{
    static int64_t times[VV_VECTOR_ROWS_MAX];
    uint32_t field = 7;
    varve_column column = {.type = type, .values = values, .present = present};
    codec_fill_times(times, count, INT64_C(1451606400000000000), INT64_C(10000000000));
    vv_rows rows = codec_rows(count, times, &field, &column);
    return codec_check_round_trip(fixture, &rows);
}

#endif
