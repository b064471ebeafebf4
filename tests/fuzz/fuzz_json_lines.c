/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON lines from any bytes. A line that parses is written from columns of the types it has; that
 * parses again, to the same rows, and is written again to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/buf.h"
#include "model/value.h"
#include "wire/json_lines.h"
#include "wire/json_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the server gives a line, for lines of the size that fuzzers make. */
#define FUZZ_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

static uint32_t fuzz_column_type(const varve_value *values, size_t count)
{
    for (size_t row = 0; row < count; ++row) {
        if (values[row].type != VARVE_TYPE_NONE) {
            return values[row].type == VARVE_TYPE_BYTES ? VARVE_TYPE_STRING : values[row].type;
        }
    }
    return VARVE_TYPE_F64;
}

/** Put a value where the column has it. */
static void fuzz_column_set(uint8_t *target, size_t row, const varve_value *value)
{
    switch (value->type) {
    case VARVE_TYPE_NONE:
        break;
    case VARVE_TYPE_BOOL:
        target[row] = value->as.boolean ? 1 : 0;
        break;
    case VARVE_TYPE_STRING:
    case VARVE_TYPE_BYTES:
        memcpy(target + row * sizeof value->as.bytes, &value->as.bytes, sizeof value->as.bytes);
        break;
    case VARVE_TYPE_HISTOGRAM:
        memcpy(target + row * sizeof *value->as.histogram, value->as.histogram,
               sizeof *value->as.histogram);
        break;
    default: /* numbers of 64 bits */
        memcpy(target + row * sizeof value->as.u64, &value->as.u64, sizeof value->as.u64);
        break;
    }
}

/** The values of a field as a column, all of it in the arena; false when that is full. */
static bool fuzz_column(const varve_value *values, size_t count, vv_arena *arena,
                        varve_column *out_column)
{
    uint32_t type = fuzz_column_type(values, count);
    uint64_t *present = vv_arena_zeroed(arena, (vv_bits_words(count) + 1) * sizeof *present);
    uint64_t *marks = vv_arena_zeroed(arena, (vv_bits_words(count) + 1) * sizeof *marks);
    /* Histograms lie in a column of the interface as they are, elsewhere as bytes. */
    size_t width = type == VARVE_TYPE_HISTOGRAM ? sizeof(varve_histogram) : vv_type_width(type);
    uint8_t *target = vv_arena_zeroed(arena, (count + 1) * width);
    if (present == NULL || marks == NULL || target == NULL) {
        return false;
    }
    for (size_t row = 0; row < count; ++row) {
        uint32_t own = values[row].type;
        VV_ASSERT(own == VARVE_TYPE_NONE || fuzz_column_type(&values[row], 1) == type);
        fuzz_column_set(target, row, &values[row]);
        if (own != VARVE_TYPE_NONE) {
            present[row / 64] |= UINT64_C(1) << (row % 64);
        }
        if (own == VARVE_TYPE_BYTES) {
            marks[row / 64] |= UINT64_C(1) << (row % 64);
        }
    }
    *out_column = (varve_column){.type = type,
                                 .values = target,
                                 .present = present,
                                 .marks = type == VARVE_TYPE_STRING ? marks : NULL};
    return true;
}

/** Write a line; false when the arena is full. */
static bool fuzz_write(const vv_json_line *line, vv_arena *arena, vv_buf *out)
{
    varve_column *columns = vv_arena_array(arena, line->field_count + 1, sizeof *columns);
    if (columns == NULL) {
        return false;
    }
    for (size_t i = 0; i < line->field_count; ++i) {
        if (!fuzz_column(line->values + i * line->row_count, line->row_count, arena, &columns[i])) {
            return false;
        }
    }
    vv_json_rows rows = {.metric = line->metric,
                         .labels = line->labels,
                         .label_count = line->label_count,
                         .timestamps = line->timestamps,
                         .names = line->names,
                         .columns = columns,
                         .column_count = line->field_count,
                         .end = line->row_count};
    bool has_lost = false;
    vv_json json;
    vv_json_init(&json, out);
    vv_json_lines_write(&json, &rows, &has_lost);
    VV_ASSERT(vv_json_end(&json, NULL) == VARVE_OK && !has_lost);
    return true;
}

static size_t fuzz_count_values(const vv_json_line *line)
{
    size_t count = 0;
    for (size_t cell = 0; cell < line->field_count * line->row_count; ++cell) {
        count += line->values[cell].type != VARVE_TYPE_NONE ? 1 : 0;
    }
    return count;
}

static void fuzz_again(const vv_json_line *line, vv_arena *arena, vv_alloc *alloc)
{
    vv_buf first;
    vv_buf second;
    vv_json_line again;
    varve_error err;
    vv_buf_init(&first, alloc, SIZE_MAX);
    vv_buf_init(&second, alloc, SIZE_MAX);
    if (line->row_count > 0 && line->field_count > 0 && fuzz_write(line, arena, &first)) {
        VV_ASSERT(first.size > 0 && first.data[first.size - 1] == '\n');
        varve_text text = vv_text_make((const char *)first.data, first.size - 1);
        VV_ASSERT(vv_json_lines_parse(text, arena, &again, &err) == VARVE_OK);
        VV_ASSERT(fuzz_count_values(&again) == fuzz_count_values(line));
        VV_ASSERT(vv_text_equal(again.metric, line->metric));
        VV_ASSERT(again.label_count == line->label_count);
        /* A single `value` is written without the rows that have none, so there may be no rows. */
        if (again.row_count > 0 && fuzz_write(&again, arena, &second)) {
            VV_ASSERT(vv_bytes_equal(vv_buf_bytes(&first), vv_buf_bytes(&second)));
        }
    }
    vv_buf_deinit(&first);
    vv_buf_deinit(&second);
}

static void fuzz_tree(varve_text text)
{
    varve_error err;
    varve_status status = vv_json_scan(text, VV_JSON_LINE_DEPTH_MAX, &err);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_LIMIT);
    json_t *root;
    varve_status loaded = vv_json_load(text, &root, &err);
    VV_ASSERT((loaded == VARVE_OK) == (root != NULL));
    VV_ASSERT(status == VARVE_OK || loaded == status);
    json_decref(root);
    double ignored;
    VV_IGNORE(vv_json_word_f64(text, &ignored));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_arena arena;
    vv_arena_init(&arena, &alloc, FUZZ_ARENA_BYTES_MAX);
    varve_text text = {.data = (const char *)data, .size = size};
    fuzz_tree(text);
    vv_json_line line;
    varve_error err;
    varve_status status = vv_json_lines_parse(text, &arena, &line, &err);
    VV_ASSERT(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
    if (status == VARVE_OK) {
        fuzz_again(&line, &arena, &alloc);
    }
    vv_arena_deinit(&arena);
    VV_ASSERT(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
