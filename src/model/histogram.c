/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical form of a native histogram.
 *
 *     u8      form: bit 0 float counts, bits 1 and 2 reset hint, others zero
 *     zigzag  schema
 *     f64     zero threshold, f64 sum
 *     count   count, count zero count
 *     varint  spans, then of each zigzag offset, varint length      positive side
 *     varint  spans, ...                                            negative side
 *     varint  buckets, then of each zigzag delta, or f64 count      positive side
 *     varint  buckets, ...                                          negative side
 *     varint  custom values, then of each f64
 *
 * A count is a varint, or an f64 in the float form. Varints take their shortest form.
 *
 * H1  Two histograms have equal bytes exactly when they are equal field for field.
 * H2  No count is believed before the bytes left could hold that many items.
 */
#include "model/histogram.h"

#include "base/reader.h"
#include "base/status.h"
#include "base/varint.h"

#define HISTOGRAM_FORM_FLOAT  1u
#define HISTOGRAM_HINT_MAX    3u
#define HISTOGRAM_SCHEMA_MIN  (-4)
#define HISTOGRAM_SCHEMA_MAX  8
#define HISTOGRAM_SCHEMA_OWN  (-53) /* bucket bounds are the custom values */
#define HISTOGRAM_FIXED_BYTES (1u + 5u + 4u * 10u + 5u * 5u)

_Static_assert(HISTOGRAM_FIXED_BYTES + VV_HISTOGRAM_ITEMS_MAX * (2 * (5 + 5) + 2 * 10 + 8) <
                   VV_HISTOGRAM_BYTES_MAX,
               "no histogram is larger");

static bool histogram_is_float(const varve_histogram *histogram)
{
    return (histogram->flags & VARVE_HISTOGRAM_FLOAT) != 0;
}

/* ---- check ---- */

static varve_status histogram_check_count(const char *what, size_t count, varve_error *out_err)
{
    if (count > VV_HISTOGRAM_ITEMS_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "histogram has %zu %s, max %u", count, what,
                       VV_HISTOGRAM_ITEMS_MAX);
    }
    return VARVE_OK;
}

static varve_status histogram_check_array(const char *what, const void *array, size_t count,
                                          varve_error *out_err)
{
    if (array == NULL && count > 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "histogram has %zu %s but no array of them", count,
                       what);
    }
    return histogram_check_count(what, count, out_err);
}

static varve_status histogram_check_buckets(bool is_float, const int64_t *deltas,
                                            const double *counts, size_t count,
                                            varve_error *out_err)
{
    if ((is_float ? (const void *)deltas : (const void *)counts) != NULL) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       is_float ? "histogram of float counts has deltas"
                                : "histogram of integer counts has float counts");
    }
    return histogram_check_array("buckets", is_float ? (const void *)counts : (const void *)deltas,
                                 count, out_err);
}

static varve_status histogram_check_head(const varve_histogram *histogram, varve_error *out_err)
{
    if ((histogram->flags & ~VARVE_HISTOGRAM_FLOAT) != 0 || histogram->reserved != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "histogram has unknown flags");
    }
    if (histogram->reset_hint > HISTOGRAM_HINT_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "histogram has the unknown reset hint %u",
                       histogram->reset_hint);
    }
    bool is_known =
        histogram->schema >= HISTOGRAM_SCHEMA_MIN && histogram->schema <= HISTOGRAM_SCHEMA_MAX;
    if (!is_known && histogram->schema != HISTOGRAM_SCHEMA_OWN) {
        return vv_fail(out_err, VARVE_E_INVALID, "histogram has the unknown schema %d",
                       histogram->schema);
    }
    return VARVE_OK;
}

varve_status vv_histogram_check(const varve_histogram *histogram, varve_error *out_err)
{
    bool is_float = histogram_is_float(histogram);
    VV_TRY(histogram_check_head(histogram, out_err));
    VV_TRY(histogram_check_array("positive spans", histogram->positive_spans,
                                 histogram->positive_span_count, out_err));
    VV_TRY(histogram_check_array("negative spans", histogram->negative_spans,
                                 histogram->negative_span_count, out_err));
    VV_TRY(histogram_check_buckets(is_float, histogram->positive_deltas, histogram->positive_counts,
                                   histogram->positive_bucket_count, out_err));
    VV_TRY(histogram_check_buckets(is_float, histogram->negative_deltas, histogram->negative_counts,
                                   histogram->negative_bucket_count, out_err));
    return histogram_check_array("custom values", histogram->custom_values,
                                 histogram->custom_value_count, out_err);
}

/* ---- size ---- */

static size_t histogram_size_count(varve_count count, bool is_float)
{
    return is_float ? sizeof(double) : vv_varint_size(count.u64);
}

static size_t histogram_size_spans(const varve_span *spans, size_t count)
{
    size_t size = vv_varint_size(count);
    for (size_t index = 0; index < count; index++) {
        size += vv_varint_size(vv_zigzag_encode(spans[index].offset));
        size += vv_varint_size(spans[index].length);
    }
    return size;
}

static size_t histogram_size_deltas(const int64_t *deltas, size_t count)
{
    size_t size = vv_varint_size(count);
    for (size_t index = 0; index < count; index++) {
        size += vv_varint_size(vv_zigzag_encode(deltas[index]));
    }
    return size;
}

static size_t histogram_size_doubles(size_t count)
{
    return vv_varint_size(count) + count * sizeof(double);
}

size_t vv_histogram_size(const varve_histogram *histogram)
{
    bool is_float = histogram_is_float(histogram);
    size_t size = 1 + vv_varint_size(vv_zigzag_encode(histogram->schema)) + 2 * sizeof(double);
    size += histogram_size_count(histogram->count, is_float);
    size += histogram_size_count(histogram->zero_count, is_float);
    size += histogram_size_spans(histogram->positive_spans, histogram->positive_span_count);
    size += histogram_size_spans(histogram->negative_spans, histogram->negative_span_count);
    if (is_float) {
        size += histogram_size_doubles(histogram->positive_bucket_count);
        size += histogram_size_doubles(histogram->negative_bucket_count);
    } else {
        size += histogram_size_deltas(histogram->positive_deltas, histogram->positive_bucket_count);
        size += histogram_size_deltas(histogram->negative_deltas, histogram->negative_bucket_count);
    }
    return size + histogram_size_doubles(histogram->custom_value_count);
}

/* ---- write: each returns the address behind what it wrote ---- */

static uint8_t *histogram_write_double(uint8_t *target, double value)
{
    memcpy(target, &value, sizeof value);
    return target + sizeof value;
}

static uint8_t *histogram_write_varint(uint8_t *target, uint64_t value)
{
    return target + vv_varint_write(target, value);
}

static uint8_t *histogram_write_count(uint8_t *target, varve_count count, bool is_float)
{
    return is_float ? histogram_write_double(target, count.f64)
                    : histogram_write_varint(target, count.u64);
}

static uint8_t *histogram_write_spans(uint8_t *target, const varve_span *spans, size_t count)
{
    target = histogram_write_varint(target, count);
    for (size_t index = 0; index < count; index++) {
        target = histogram_write_varint(target, vv_zigzag_encode(spans[index].offset));
        target = histogram_write_varint(target, spans[index].length);
    }
    return target;
}

static uint8_t *histogram_write_deltas(uint8_t *target, const int64_t *deltas, size_t count)
{
    target = histogram_write_varint(target, count);
    for (size_t index = 0; index < count; index++) {
        target = histogram_write_varint(target, vv_zigzag_encode(deltas[index]));
    }
    return target;
}

static uint8_t *histogram_write_doubles(uint8_t *target, const double *values, size_t count)
{
    target = histogram_write_varint(target, count);
    if (count > 0) {
        memcpy(target, values, count * sizeof *values);
    }
    return target + count * sizeof *values;
}

size_t vv_histogram_write(const varve_histogram *histogram, uint8_t *target)
{
    bool is_float = histogram_is_float(histogram);
    uint8_t *end = target;
    *end = (uint8_t)((is_float ? HISTOGRAM_FORM_FLOAT : 0u) | histogram->reset_hint << 1);
    end = histogram_write_varint(end + 1, vv_zigzag_encode(histogram->schema));
    end = histogram_write_double(end, histogram->zero_threshold);
    end = histogram_write_double(end, histogram->sum);
    end = histogram_write_count(end, histogram->count, is_float);
    end = histogram_write_count(end, histogram->zero_count, is_float);
    end = histogram_write_spans(end, histogram->positive_spans, histogram->positive_span_count);
    end = histogram_write_spans(end, histogram->negative_spans, histogram->negative_span_count);
    if (is_float) {
        end = histogram_write_doubles(end, histogram->positive_counts,
                                      histogram->positive_bucket_count);
        end = histogram_write_doubles(end, histogram->negative_counts,
                                      histogram->negative_bucket_count);
    } else {
        end = histogram_write_deltas(end, histogram->positive_deltas,
                                     histogram->positive_bucket_count);
        end = histogram_write_deltas(end, histogram->negative_deltas,
                                     histogram->negative_bucket_count);
    }
    end = histogram_write_doubles(end, histogram->custom_values, histogram->custom_value_count);
    return (size_t)(end - target);
}

varve_status vv_histogram_encode(const varve_histogram *histogram, vv_buf *buf)
{
    uint8_t *target = vv_buf_extend(buf, vv_histogram_size(histogram));
    if (target != NULL) {
        VV_IGNORE(vv_histogram_write(histogram, target)); /* the size is known already */
    }
    return buf->status;
}

/* ---- decode ---- */

/* The bytes being read, and where arrays go. A failed allocation spoils the reader too, so that the
 * whole is read first and tested once. */
typedef struct histogram_source {
    vv_reader reader;
    vv_arena *arena;
    size_t failed_bytes; /* of the allocation that failed; 0: none did */
} histogram_source;

static void *histogram_array(histogram_source *source, size_t count, size_t item_size)
{
    if (count == 0) {
        return NULL;
    }
    void *array = vv_arena_array(source->arena, count, item_size);
    if (array == NULL) {
        source->failed_bytes = count * item_size;
        vv_reader_spoil(&source->reader);
    }
    return array;
}

static varve_count histogram_read_count(vv_reader *reader, bool is_float)
{
    varve_count count = {.u64 = 0};
    if (is_float) {
        count.f64 = vv_reader_f64(reader);
    } else {
        count.u64 = vv_reader_varint(reader);
    }
    return count;
}

static int32_t histogram_read_i32(vv_reader *reader)
{
    int64_t value = vv_reader_zigzag(reader);
    if (value < INT32_MIN || value > INT32_MAX) {
        vv_reader_spoil(reader);
        return 0;
    }
    return (int32_t)value;
}

static const varve_span *histogram_read_spans(histogram_source *source, size_t *out_count)
{
    vv_reader *reader = &source->reader;
    size_t count = vv_reader_count(reader, 2, VV_HISTOGRAM_ITEMS_MAX); /* H2 */
    varve_span *spans = histogram_array(source, count, sizeof *spans);
    for (size_t index = 0; spans != NULL && index < count; index++) {
        spans[index].offset = histogram_read_i32(reader);
        spans[index].length = (uint32_t)vv_reader_varint_max(reader, UINT32_MAX);
    }
    *out_count = count;
    return spans;
}

static const int64_t *histogram_read_deltas(histogram_source *source, size_t *out_count)
{
    vv_reader *reader = &source->reader;
    size_t count = vv_reader_count(reader, 1, VV_HISTOGRAM_ITEMS_MAX); /* H2 */
    int64_t *deltas = histogram_array(source, count, sizeof *deltas);
    for (size_t index = 0; deltas != NULL && index < count; index++) {
        deltas[index] = vv_reader_zigzag(reader);
    }
    *out_count = count;
    return deltas;
}

static const double *histogram_read_doubles(histogram_source *source, size_t *out_count)
{
    vv_reader *reader = &source->reader;
    size_t count = vv_reader_count(reader, sizeof(double), VV_HISTOGRAM_ITEMS_MAX); /* H2 */
    double *values = histogram_array(source, count, sizeof *values);
    const uint8_t *bytes = vv_reader_bytes(reader, count * sizeof *values);
    if (values != NULL && bytes != NULL) {
        memcpy(values, bytes, count * sizeof *values);
    }
    *out_count = count;
    return values;
}

static void histogram_read_head(vv_reader *reader, varve_histogram *histogram)
{
    uint8_t form = vv_reader_u8(reader);
    if (form > (HISTOGRAM_FORM_FLOAT | HISTOGRAM_HINT_MAX << 1)) {
        vv_reader_spoil(reader);
    }
    histogram->flags = (form & HISTOGRAM_FORM_FLOAT) != 0 ? VARVE_HISTOGRAM_FLOAT : 0;
    histogram->reset_hint = (uint32_t)form >> 1;
    histogram->schema = histogram_read_i32(reader);
    histogram->zero_threshold = vv_reader_f64(reader);
    histogram->sum = vv_reader_f64(reader);
    histogram->count = histogram_read_count(reader, histogram_is_float(histogram));
    histogram->zero_count = histogram_read_count(reader, histogram_is_float(histogram));
}

static varve_histogram histogram_read(histogram_source *source)
{
    varve_histogram histogram = {.flags = 0};
    histogram_read_head(&source->reader, &histogram);
    histogram.positive_spans = histogram_read_spans(source, &histogram.positive_span_count);
    histogram.negative_spans = histogram_read_spans(source, &histogram.negative_span_count);
    if (histogram_is_float(&histogram)) {
        histogram.positive_counts =
            histogram_read_doubles(source, &histogram.positive_bucket_count);
        histogram.negative_counts =
            histogram_read_doubles(source, &histogram.negative_bucket_count);
    } else {
        histogram.positive_deltas = histogram_read_deltas(source, &histogram.positive_bucket_count);
        histogram.negative_deltas = histogram_read_deltas(source, &histogram.negative_bucket_count);
    }
    histogram.custom_values = histogram_read_doubles(source, &histogram.custom_value_count);
    return histogram;
}

varve_status vv_histogram_decode(vv_bytes bytes, vv_arena *arena, varve_histogram *out_histogram,
                                 varve_error *out_err)
{
    histogram_source source = {.reader = vv_reader_of(bytes.data, bytes.size), .arena = arena};
    varve_histogram histogram = histogram_read(&source);
    if (source.failed_bytes > 0) {
        return vv_arena_fail(arena, source.failed_bytes, out_err);
    }
    if (!vv_reader_is_done(&source.reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "histogram of %zu bytes is no histogram",
                       bytes.size);
    }
    varve_error why;
    if (vv_histogram_check(&histogram, &why) != VARVE_OK) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "stored %s", why.message);
    }
    /* Every part was read, and has one shortest form: an equal size means equal bytes (H1). */
    if (vv_histogram_size(&histogram) != bytes.size) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "histogram of %zu bytes is longer than it needs",
                       bytes.size);
    }
    *out_histogram = histogram;
    return VARVE_OK;
}

/* ---- equality ---- */

static bool histogram_equal_items(const void *a, size_t a_count, const void *b, size_t b_count,
                                  size_t item_size)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * item_size) == 0);
}

static bool histogram_equal_heads(const varve_histogram *a, const varve_histogram *b)
{
    return a->flags == b->flags && a->schema == b->schema && a->reset_hint == b->reset_hint &&
           memcmp(&a->zero_threshold, &b->zero_threshold, sizeof a->zero_threshold) == 0 &&
           memcmp(&a->sum, &b->sum, sizeof a->sum) == 0 && a->count.u64 == b->count.u64 &&
           a->zero_count.u64 == b->zero_count.u64;
}

static bool histogram_equal_side(const varve_histogram *a, const varve_histogram *b)
{
    return histogram_equal_items(a->positive_deltas, a->positive_bucket_count, b->positive_deltas,
                                 b->positive_bucket_count, sizeof(int64_t)) &&
           histogram_equal_items(a->negative_deltas, a->negative_bucket_count, b->negative_deltas,
                                 b->negative_bucket_count, sizeof(int64_t));
}

static bool histogram_equal_float_side(const varve_histogram *a, const varve_histogram *b)
{
    return histogram_equal_items(a->positive_counts, a->positive_bucket_count, b->positive_counts,
                                 b->positive_bucket_count, sizeof(double)) &&
           histogram_equal_items(a->negative_counts, a->negative_bucket_count, b->negative_counts,
                                 b->negative_bucket_count, sizeof(double));
}

bool vv_histogram_equal(const varve_histogram *a, const varve_histogram *b)
{
    return histogram_equal_heads(a, b) &&
           histogram_equal_items(a->positive_spans, a->positive_span_count, b->positive_spans,
                                 b->positive_span_count, sizeof(varve_span)) &&
           histogram_equal_items(a->negative_spans, a->negative_span_count, b->negative_spans,
                                 b->negative_span_count, sizeof(varve_span)) &&
           (histogram_is_float(a) ? histogram_equal_float_side(a, b)
                                  : histogram_equal_side(a, b)) &&
           histogram_equal_items(a->custom_values, a->custom_value_count, b->custom_values,
                                 b->custom_value_count, sizeof(double));
}
