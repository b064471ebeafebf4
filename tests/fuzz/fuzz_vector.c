/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoded vectors and times from anywhere. The first byte chooses: 0 a vector, else times, of which
 * the next two bytes are the count.
 *
 *   Z1  What decodes has its shape: counts, order, presence, sizes of blobs within bounds.
 *   Z2  A vector that decodes is encoded again, and that decodes to the same values.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "codec/vector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct fuzz_state {
    vv_alloc alloc;
    vv_codec_scratch *scratch;
    vv_arena arena;
    vv_buf out;
} fuzz_state;

/* Far more than any saved input needs; keeps a bomb from taking the machine's memory. */
#define FUZZ_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* A decoded column, for encoding it again. */
typedef struct fuzz_column {
    varve_column column;
    vv_vector_column stored;
} fuzz_column;

static void fuzz_check_blobs(const varve_text *texts, const uint64_t *present, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; ++i) {
        VV_ASSERT(texts[i].size <= VV_VALUE_BYTES_MAX);
        VV_ASSERT(vv_bits_get(present, i) || texts[i].size == 0);
        for (size_t at = 0; at < texts[i].size; at += 64) { /* readable */
            sum += (uint8_t)texts[i].data[at];
        }
    }
    VV_ASSERT(sum < SIZE_MAX);
}

/* False when it does not decode. */
static bool fuzz_decode(fuzz_state *state, const vv_vector_column *stored, varve_column *out_column)
{
    varve_error err;
    vv_stats stats;
    size_t words = vv_bits_words(stored->count);
    uint64_t *present = (uint64_t *)vv_arena_array(&state->arena, words, sizeof *present);
    uint64_t *marks = (uint64_t *)vv_arena_array(&state->arena, words, sizeof *marks);
    void *values = vv_arena_array(&state->arena, stored->count, vv_type_width(stored->type));
    if (present == NULL || marks == NULL || values == NULL ||
        vv_vector_decode(stored, state->scratch, &state->arena, values, present, marks, &err) !=
            VARVE_OK) {
        return false;
    }
    VV_ASSERT(vv_bits_count(present, 0, stored->count) == stored->present_count);
    bool is_blob = vv_type_is_blob(stored->type);
    if (is_blob) {
        fuzz_check_blobs((const varve_text *)values, present, stored->count);
    }
    if (stored->type == VARVE_TYPE_F64) {
        vv_stats_init(&stats, VARVE_TYPE_F64);
        VV_ASSERT(vv_vector_sum_f64(stored, state->scratch, &stats, &err) == VARVE_OK);
        VV_ASSERT(stats.count + stats.nan_count == stored->present_count);
    }
    if (vv_vector_stats(stored, &stats, &err) == VARVE_OK) {
        VV_ASSERT(stats.count + stats.nan_count == stored->present_count);
    }
    bool is_text = stored->type == VARVE_TYPE_STRING || stored->type == VARVE_TYPE_BYTES;
    *out_column = (varve_column){.type = stored->type,
                                 .values = values,
                                 .present = present,
                                 .marks = is_text ? marks : NULL};
    return true;
}

static void fuzz_compare(fuzz_state *state, const vv_vector *again, uint32_t index,
                         const varve_column *column)
{
    varve_error err;
    vv_vector_column stored;
    varve_column decoded;
    VV_ASSERT(vv_vector_column_at(again, index, &stored, &err) == VARVE_OK);
    VV_ASSERT(fuzz_decode(state, &stored, &decoded));
    VV_ASSERT(decoded.type == column->type || vv_type_is_blob(column->type));
    size_t words = vv_bits_words(stored.count);
    VV_ASSERT(memcmp(decoded.present, column->present, words * sizeof *column->present) == 0);
    if (!vv_type_is_blob(column->type)) {
        size_t size = stored.count * vv_type_width(column->type);
        VV_ASSERT(memcmp(decoded.values, column->values, size) == 0);
        return;
    }
    const varve_text *texts = (const varve_text *)column->values;
    for (size_t i = 0; i < stored.count; ++i) {
        VV_ASSERT(vv_text_equal(((const varve_text *)decoded.values)[i], texts[i]));
    }
    if (column->marks != NULL) {
        VV_ASSERT(memcmp(decoded.marks, column->marks, words * sizeof *column->marks) == 0);
    }
}

/* Z2. */
static void fuzz_encode_again(fuzz_state *state, const vv_rows *rows)
{
    varve_error err;
    vv_vector again;
    vv_buf_reset(&state->out);
    VV_ASSERT(vv_vector_encode(rows, state->scratch, &state->out, &err) == VARVE_OK);
    VV_ASSERT(vv_vector_parse(vv_buf_bytes(&state->out), &again, &err) == VARVE_OK);
    VV_ASSERT(again.count == rows->count && again.column_count == rows->column_count);
    int64_t times[VV_VECTOR_ROWS_MAX];
    VV_ASSERT(vv_vector_times(&again, state->scratch, times, &err) == VARVE_OK);
    VV_ASSERT(memcmp(times, rows->times, rows->count * sizeof *times) == 0);
    for (uint32_t i = 0; i < again.column_count; ++i) {
        fuzz_compare(state, &again, i, &rows->columns[i]);
    }
}

static void fuzz_vector(fuzz_state *state, vv_bytes bytes)
{
    varve_error err;
    vv_vector vector;
    if (vv_vector_parse(bytes, &vector, &err) != VARVE_OK) {
        VV_ASSERT(err.status == VARVE_E_CORRUPT);
        return;
    }
    VV_ASSERT(vector.count >= 1 && vector.count <= VV_VECTOR_ROWS_MAX);
    int64_t times[VV_VECTOR_ROWS_MAX];
    uint64_t row_ids[VV_VECTOR_ROWS_MAX];
    bool is_whole = vv_vector_times(&vector, state->scratch, times, &err) == VARVE_OK;
    for (size_t i = 1; is_whole && i < vector.count; ++i) {
        VV_ASSERT(times[i - 1] <= times[i]);
    }
    if (vector.has_row_ids) {
        is_whole =
            vv_vector_row_ids(&vector, state->scratch, row_ids, &err) == VARVE_OK && is_whole;
    }
    uint32_t *fields =
        (uint32_t *)vv_arena_array(&state->arena, vector.column_count, sizeof *fields);
    varve_column *columns =
        (varve_column *)vv_arena_array(&state->arena, vector.column_count, sizeof *columns);
    for (uint32_t i = 0; i < vector.column_count && fields != NULL && columns != NULL; ++i) {
        vv_vector_column stored;
        is_whole = vv_vector_column_at(&vector, i, &stored, &err) == VARVE_OK &&
                   fuzz_decode(state, &stored, &columns[i]) && is_whole;
        fields[i] = is_whole ? stored.field : 0;
        VV_ASSERT(!is_whole || vv_vector_find(&vector, stored.field, &stored));
    }
    if (is_whole && fields != NULL && columns != NULL) {
        vv_rows rows = {.count = vector.count,
                        .times = times,
                        .row_ids = vector.has_row_ids ? row_ids : NULL,
                        .fields = fields,
                        .columns = columns,
                        .column_count = vector.column_count};
        fuzz_encode_again(state, &rows);
    }
}

static void fuzz_times(fuzz_state *state, const uint8_t *data, size_t size)
{
    varve_error err;
    size_t count = size < 2 ? 0 : (size_t)data[0] | (size_t)data[1] << 8;
    vv_bytes bytes = vv_bytes_make(data + (size < 2 ? 0 : 2), size < 2 ? 0 : size - 2);
    int64_t *times = (int64_t *)vv_arena_array(&state->arena, count, sizeof *times);
    if (times == NULL || vv_times_decode(bytes, count, state->scratch, times, &err) != VARVE_OK) {
        return;
    }
    for (size_t i = 1; i < count; ++i) {
        VV_ASSERT(times[i - 1] <= times[i]);
    }
    vv_buf_reset(&state->out);
    VV_ASSERT(vv_times_encode(times, count, state->scratch, &state->out, &err) == VARVE_OK);
    int64_t *again = (int64_t *)vv_arena_array(&state->arena, count, sizeof *again);
    VV_ASSERT(again == NULL || vv_times_decode(vv_buf_bytes(&state->out), count, state->scratch,
                                               again, &err) == VARVE_OK);
    VV_ASSERT(again == NULL || count == 0 || memcmp(again, times, count * sizeof *times) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fuzz_state state;
    if (state.scratch == NULL) {
        vv_alloc_init(&state.alloc, NULL);
        vv_arena_init(&state.arena, &state.alloc, FUZZ_ARENA_BYTES_MAX);
        vv_buf_init(&state.out, &state.alloc, SIZE_MAX);
        if (vv_codec_scratch_create(&state.alloc, &state.scratch, NULL) != VARVE_OK) {
            return 0;
        }
    }
    if (size > 0 && data[0] == 0) {
        fuzz_vector(&state, vv_bytes_make(data + 1, size - 1));
    } else if (size > 0) {
        fuzz_times(&state, data + 1, size - 1);
    }
    vv_arena_reset(&state.arena);
    return 0;
}
