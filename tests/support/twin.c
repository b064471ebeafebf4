/* SPDX-License-Identifier: Apache-2.0 */
#include "support/twin.h"

#include <stdlib.h>
#include <string.h>

#include "support/dump.h"

static void *twin_alloc(size_t size)
{
    void *memory = malloc(size == 0 ? 1 : size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

void twin_init(twin_model *twin, bool is_last)
{
    memset(twin, 0, sizeof *twin);
    twin->is_last = is_last;
    twin->next_order = 1;
    twin->skew_limit = INT64_MAX;
    twin->newest = INT64_MIN;
    for (size_t i = 0; i < TWIN_SERIES_MAX; i++) {
        twin->cuts[i] = INT64_MIN;
    }
}

static void twin_value_free(twin_value *value)
{
    free(value->bytes);
    value->bytes = NULL;
}

static void twin_row_deinit(twin_row *row)
{
    for (size_t i = 0; i < TWIN_FIELDS_MAX; i++) {
        twin_value_free(&row->values[i]);
    }
}

void twin_deinit(twin_model *twin)
{
    for (size_t i = 0; i < twin->count; i++) {
        twin_row_deinit(twin->rows[i]);
        free(twin->rows[i]);
    }
    free(twin->rows);
}

static twin_value twin_value_copy(const twin_value *value)
{
    twin_value copy = *value;
    if (value->bytes != NULL) {
        copy.bytes = twin_alloc(value->size);
        memcpy(copy.bytes, value->bytes, value->size);
    }
    return copy;
}

static void twin_push(twin_model *twin, const twin_row *row)
{
    if (twin->count == twin->capacity) {
        twin->capacity = twin->capacity == 0 ? 256 : twin->capacity * 2;
        twin->rows = realloc(twin->rows, twin->capacity * sizeof(twin_row *));
        if (twin->rows == NULL) {
            abort();
        }
    }
    twin->rows[twin->count] = twin_alloc(sizeof *row);
    *twin->rows[twin->count++] = *row;
}

void twin_copy(const twin_model *from, twin_model *out_copy)
{
    twin_init(out_copy, from->is_last);
    out_copy->next_order = from->next_order;
    memcpy(out_copy->cuts, from->cuts, sizeof from->cuts);
    for (size_t i = 0; i < from->count; i++) {
        twin_row row = *from->rows[i];
        for (size_t at = 0; at < TWIN_FIELDS_MAX; at++) {
            row.values[at] = twin_value_copy(&from->rows[i]->values[at]);
        }
        twin_push(out_copy, &row);
    }
}

/* ---- values ---- */

typedef struct twin_bytes {
    uint8_t *data;
    size_t size;
} twin_bytes;

static void twin_bytes_add(twin_bytes *bytes, const void *data, size_t size)
{
    bytes->data = realloc(bytes->data, bytes->size + size + 1);
    if (bytes->data == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(bytes->data + bytes->size, data, size);
    }
    bytes->size += size;
}

/* Every member of a histogram, one behind the other, counts before arrays. */
static twin_bytes twin_histogram_bytes(const varve_histogram *h)
{
    twin_bytes bytes = {0};
    uint64_t counts[] = {h->positive_span_count, h->negative_span_count, h->positive_bucket_count,
                         h->negative_bucket_count, h->custom_value_count};
    twin_bytes_add(&bytes, &h->flags, sizeof h->flags);
    twin_bytes_add(&bytes, &h->schema, sizeof h->schema);
    twin_bytes_add(&bytes, &h->reset_hint, sizeof h->reset_hint);
    twin_bytes_add(&bytes, &h->zero_threshold, sizeof h->zero_threshold);
    twin_bytes_add(&bytes, &h->sum, sizeof h->sum);
    twin_bytes_add(&bytes, &h->count, sizeof h->count);
    twin_bytes_add(&bytes, &h->zero_count, sizeof h->zero_count);
    twin_bytes_add(&bytes, counts, sizeof counts);
    twin_bytes_add(&bytes, h->positive_spans, h->positive_span_count * sizeof(varve_span));
    twin_bytes_add(&bytes, h->negative_spans, h->negative_span_count * sizeof(varve_span));
    bool is_float = (h->flags & VARVE_HISTOGRAM_FLOAT) != 0;
    const void *positive = is_float ? (const void *)h->positive_counts : h->positive_deltas;
    const void *negative = is_float ? (const void *)h->negative_counts : h->negative_deltas;
    twin_bytes_add(&bytes, positive, h->positive_bucket_count * 8);
    twin_bytes_add(&bytes, negative, h->negative_bucket_count * 8);
    twin_bytes_add(&bytes, h->custom_values, h->custom_value_count * sizeof(double));
    return bytes;
}

twin_value twin_value_of(const varve_value *value)
{
    twin_value result = {.type = value->type};
    switch (value->type) {
    case VARVE_TYPE_F64:
        memcpy(&result.bits, &value->as.f64, sizeof result.bits);
        break;
    case VARVE_TYPE_I64:
        memcpy(&result.bits, &value->as.i64, sizeof result.bits);
        break;
    case VARVE_TYPE_U64:
        result.bits = value->as.u64;
        break;
    case VARVE_TYPE_BOOL:
        result.bits = value->as.boolean ? 1 : 0;
        break;
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        result.size = value->as.bytes.size;
        result.bytes = twin_alloc(result.size);
        if (result.size > 0) {
            memcpy(result.bytes, value->as.bytes.data, result.size);
        }
        break;
    case VARVE_TYPE_HISTOGRAM: {
        twin_bytes bytes = twin_histogram_bytes(value->as.histogram);
        result.bytes = bytes.data;
        result.size = bytes.size;
        break;
    }
    default:
        break;
    }
    return result;
}

twin_value twin_value_of_column(const varve_column *column, size_t row)
{
    if (column->present != NULL && ((column->present[row / 64] >> (row % 64)) & 1) == 0) {
        return (twin_value){0};
    }
    varve_value value = dump_value_of(column, row);
    return twin_value_of(&value);
}

bool twin_value_equal(const twin_value *a, const twin_value *b)
{
    return a->type == b->type && a->bits == b->bits && a->size == b->size &&
           (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* ---- rows ---- */

/* A time that was written moves the reference. */
static void twin_observe(twin_model *twin, int64_t time)
{
    if (time <= twin->skew_limit && time > twin->newest) {
        twin->newest = time;
    }
}

void twin_add(twin_model *twin, uint32_t series, int64_t time,
              const varve_value values[TWIN_FIELDS_MAX])
{
    if (time < twin->cuts[series]) {
        twin->refused++;
        return;
    }
    twin_observe(twin, time);
    twin_row row = {.series = series, .time = time, .order = twin->next_order++};
    for (size_t i = 0; i < TWIN_FIELDS_MAX; i++) {
        row.values[i] = twin_value_of(&values[i]);
    }
    twin_push(twin, &row);
}

void twin_replace(twin_model *twin, twin_row *row, uint32_t series, int64_t time,
                  const varve_value values[TWIN_FIELDS_MAX])
{
    twin_observe(twin, time);
    twin_row_deinit(row);
    row->series = series;
    row->time = time;
    for (size_t i = 0; i < TWIN_FIELDS_MAX; i++) {
        row->values[i] = twin_value_of(&values[i]);
    }
}

static bool twin_in_range(varve_range range, int64_t time)
{
    return time >= range.start && (time < range.end || range.end == INT64_MAX);
}

uint64_t twin_delete(twin_model *twin, uint64_t series_bits, varve_range range)
{
    uint64_t hit = 0;
    for (size_t i = 0; i < twin->count; i++) {
        twin_row *row = twin->rows[i];
        if (((series_bits >> row->series) & 1) != 0 && twin_in_range(range, row->time) &&
            !row->is_hidden) {
            row->is_hidden = true;
            if (row->time >= twin->cuts[row->series]) {
                hit |= UINT64_C(1) << row->series;
            }
        }
    }
    return hit;
}

static int twin_compare(const void *a, const void *b)
{
    const twin_row *x = a;
    const twin_row *y = b;
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

static bool twin_has_any(const twin_row *row, uint32_t fields)
{
    for (uint32_t i = 0; i < TWIN_FIELDS_MAX; i++) {
        if (((fields >> i) & 1) != 0 && row->values[i].type != VARVE_TYPE_NONE) {
            return true;
        }
    }
    return false;
}

/* Unite rows of equal time, the later field winning; then keep the wanted fields. */
static size_t twin_resolve(const twin_model *twin, twin_row *rows, size_t count, uint32_t fields)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (twin->is_last && kept > 0 && rows[kept - 1].time == rows[i].time) {
            for (size_t at = 0; at < TWIN_FIELDS_MAX; at++) {
                if (rows[i].values[at].type != VARVE_TYPE_NONE) {
                    twin_value_free(&rows[kept - 1].values[at]);
                    rows[kept - 1].values[at] = rows[i].values[at];
                }
            }
        } else {
            rows[kept++] = rows[i];
        }
    }
    size_t wanted = 0;
    for (size_t i = 0; i < kept; i++) {
        if (twin_has_any(&rows[i], fields)) {
            rows[wanted++] = rows[i];
        } else {
            twin_row_deinit(&rows[i]);
        }
    }
    return wanted;
}

twin_row *twin_select(const twin_model *twin, uint32_t series, varve_range range, uint32_t fields,
                      size_t *out_count)
{
    twin_row *rows = twin_alloc(twin->count * sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; i < twin->count; i++) {
        const twin_row *row = twin->rows[i];
        if (row->series == series && !row->is_hidden && row->time >= twin->cuts[series] &&
            twin_in_range(range, row->time)) {
            rows[count] = *row;
            for (size_t at = 0; at < TWIN_FIELDS_MAX; at++) {
                rows[count].values[at] = twin_value_copy(&row->values[at]);
            }
            count++;
        }
    }
    qsort(rows, count, sizeof *rows, twin_compare);
    *out_count = twin_resolve(twin, rows, count, fields);
    return rows;
}

void twin_rows_free(twin_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        twin_row_deinit(&rows[i]);
    }
    free(rows);
}
