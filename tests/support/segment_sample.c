/* SPDX-License-Identifier: Apache-2.0 */
#include "support/segment_sample.h"

#include <stdio.h>
#include <string.h>

#include "base/crc.h"
#include "base/hash.h"
#include "base/reader.h"
#include "model/histogram.h"
#include "support/check.h"

enum { SAMPLE_FIELDS = 6, SAMPLE_STEP = 10 };

/* Ids with gaps, ascending; not in the order of names. */
static const uint32_t sample_field_ids[SAMPLE_FIELDS] = {3, 5, 9, 12, 40, 1000};
static const char *const sample_field_names[SAMPLE_FIELDS] = {"value", "count", "note",
                                                              "size",  "up",    "latency"};
static const uint32_t sample_field_types[SAMPLE_FIELDS] = {VARVE_TYPE_F64,    VARVE_TYPE_I64,
                                                           VARVE_TYPE_STRING, VARVE_TYPE_U64,
                                                           VARVE_TYPE_BOOL,   VARVE_TYPE_HISTOGRAM};

static bool sample_has_field(uint32_t series, uint32_t field)
{
    switch (field) {
    case 0:
        return true;
    case 1:
        return series % 2 == 1;
    case 2:
        return series % 3 == 0;
    case 3:
    case 4:
        return series % 4 == 1;
    default:
        return series % 5 == 2;
    }
}

void segment_sample_name_of(uint32_t series, segment_sample_name *out_name)
{
    segment_sample_name *name = out_name;
    snprintf(name->metric, sizeof name->metric, "metric_%05u", series / 10);
    snprintf(name->values[0], sizeof name->values[0], "host-%u.example", series % 10);
    snprintf(name->values[1], sizeof name->values[1], "zone-%u", series % 7);
    name->labels[0] = (varve_label){VARVE_STR("host"), vv_text_from_string(name->values[0])};
    name->labels[1] = (varve_label){VARVE_STR("zone"), vv_text_from_string(name->values[1])};
    name->label_count = series % 3 == 0 ? 1 : 2;
}

int64_t segment_sample_first_time(const segment_sample *sample, uint32_t series, uint32_t vector)
{
    return -500 + (int64_t)series * 7 + (int64_t)vector * sample->rows * SAMPLE_STEP;
}

/* --- rows of one vector --- */

typedef struct sample_rows {
    int64_t times[VV_VECTOR_ROWS_MAX];
    double f64[VV_VECTOR_ROWS_MAX];
    int64_t i64[VV_VECTOR_ROWS_MAX];
    uint64_t u64[VV_VECTOR_ROWS_MAX];
    uint8_t boolean[VV_VECTOR_ROWS_MAX];
    varve_text notes[VV_VECTOR_ROWS_MAX];
    varve_text histograms[VV_VECTOR_ROWS_MAX];
    uint64_t present[VV_VECTOR_ROWS_MAX / 64];
    uint64_t marks[VV_VECTOR_ROWS_MAX / 64];
    char note_bytes[VV_VECTOR_ROWS_MAX][16];
    uint8_t histogram_bytes[512];
    size_t histogram_size;
    char *large;
    uint32_t fields[SAMPLE_FIELDS];
    varve_column columns[SAMPLE_FIELDS];
} sample_rows;

static void sample_fill_row(sample_rows *rows, uint32_t series, uint64_t number, uint32_t row)
{
    rows->f64[row] = (double)((number * 37 + series) % 1000) / 8.0 - 20.0;
    rows->i64[row] = (int64_t)number * (series % 2 == 0 ? 3 : -3);
    rows->u64[row] = number * 1000003;
    rows->boolean[row] = (uint8_t)(number / 3 % 2);
    rows->histograms[row] = vv_text_make((const char *)rows->histogram_bytes, rows->histogram_size);
    if (number % 3 != 1) {
        int size = snprintf(rows->note_bytes[row], sizeof rows->note_bytes[row], "note %u",
                            (unsigned)(number % 50));
        rows->notes[row] = vv_text_make(rows->note_bytes[row], (size_t)size);
        rows->present[row / 64] |= UINT64_C(1) << (row % 64);
        if (number % 4 == 0) {
            rows->marks[row / 64] |= UINT64_C(1) << (row % 64);
        }
    }
}

static void sample_fill_columns(sample_rows *rows, uint32_t series, size_t *out_count)
{
    const void *values[SAMPLE_FIELDS] = {rows->f64, rows->i64,     rows->notes,
                                         rows->u64, rows->boolean, rows->histograms};
    size_t count = 0;
    for (uint32_t field = 0; field < SAMPLE_FIELDS; ++field) {
        if (sample_has_field(series, field)) {
            rows->fields[count] = sample_field_ids[field];
            rows->columns[count] = (varve_column){
                .type = sample_field_types[field],
                .values = values[field],
                .present = field == 2 ? rows->present : NULL,
                .marks = field == 2 ? rows->marks : NULL,
            };
            count += 1;
        }
    }
    *out_count = count;
}

static void sample_fill_histogram(sample_rows *rows)
{
    static const varve_span spans[2] = {{0, 2}, {3, 1}};
    static const int64_t deltas[3] = {1, 4, -2};
    varve_histogram histogram = {
        .schema = 3,
        .zero_threshold = 0.001,
        .sum = 18.4,
        .count.u64 = 12,
        .zero_count.u64 = 2,
        .positive_spans = spans,
        .positive_span_count = 2,
        .positive_deltas = deltas,
        .positive_bucket_count = 3,
    };
    assert_true(vv_histogram_size(&histogram) <= sizeof rows->histogram_bytes);
    rows->histogram_size = vv_histogram_write(&histogram, rows->histogram_bytes);
}

varve_status segment_sample_vector(const segment_sample *sample, uint32_t series, uint32_t vector,
                                   vv_codec_scratch *scratch, vv_alloc *alloc, vv_buf *out,
                                   varve_error *out_err)
{
    sample_rows *rows = vv_alloc_zeroed(alloc, sizeof *rows);
    if (rows == NULL) {
        return vv_fail_nomem(out_err, "sample", sizeof *rows);
    }
    sample_fill_histogram(rows);
    int64_t first = segment_sample_first_time(sample, series, vector);
    for (uint32_t row = 0; row < sample->rows; ++row) {
        rows->times[row] = first + (int64_t)row * SAMPLE_STEP;
        uint64_t number = (uint64_t)vector * sample->rows + row;
        sample_fill_row(rows, series, number, row);
        if (sample->has_noise) {
            uint64_t bits = vv_hash_mix2(series, number);
            memcpy(&rows->f64[row], &bits, sizeof bits);
        }
    }
    size_t large_bytes = series == 0 && vector == 0 ? sample->large_bytes : 0;
    if (large_bytes > 0) {
        rows->large = vv_alloc_new(alloc, large_bytes);
    }
    varve_status status = VARVE_OK;
    if (large_bytes > 0 && rows->large == NULL) {
        status = vv_fail_nomem(out_err, "sample", large_bytes);
    } else {
        uint64_t noise = 1; /* not to be compressed away */
        for (size_t byte = 0; byte < large_bytes; ++byte) {
            noise = vv_hash_mix(noise + byte);
            rows->large[byte] = (char)('a' + noise % 26);
        }
        if (large_bytes > 0) {
            rows->notes[0] = vv_text_make(rows->large, large_bytes);
            rows->present[0] |= 1;
        }
        size_t count;
        sample_fill_columns(rows, series, &count);
        vv_rows given = {
            .count = sample->rows,
            .times = rows->times,
            .fields = rows->fields,
            .columns = rows->columns,
            .column_count = count,
        };
        status = vv_vector_encode(&given, scratch, out, out_err);
    }
    vv_alloc_free(alloc, rows->large, large_bytes);
    vv_alloc_free(alloc, rows, sizeof *rows);
    return status;
}

/* --- writing --- */

static varve_status sample_write_series(const segment_sample *sample, uint32_t series,
                                        vv_segment_writer *writer, vv_codec_scratch *scratch,
                                        vv_buf *buf, vv_alloc *alloc, varve_error *out_err)
{
    segment_sample_name name;
    segment_sample_name_of(series, &name);
    VV_TRY(vv_segment_writer_series(writer, vv_text_from_string(name.metric), name.labels,
                                    name.label_count, 100 + series, 5000 + series, out_err));
    for (uint32_t vector = 0; vector < sample->vectors; ++vector) {
        vv_buf_reset(buf);
        VV_TRY(segment_sample_vector(sample, series, vector, scratch, alloc, buf, out_err));
        VV_TRY(vv_segment_writer_vector(writer, vv_buf_bytes(buf), out_err));
    }
    return VARVE_OK;
}

static varve_status sample_fill_writer(const segment_sample *sample, vv_segment_writer *writer,
                                       vv_codec_scratch *scratch, vv_buf *buf, vv_alloc *alloc,
                                       varve_error *out_err)
{
    for (uint32_t field = SAMPLE_FIELDS; field-- > 0;) {
        VV_TRY(vv_segment_writer_field(writer, sample_field_ids[field],
                                       vv_text_from_string(sample_field_names[field]), out_err));
    }
    VV_TRY(vv_segment_writer_field(writer, 77, VARVE_STR("unused"), out_err));
    for (uint32_t series = 0; series < sample->series; ++series) {
        VV_TRY(sample_write_series(sample, series, writer, scratch, buf, alloc, out_err));
    }
    if (sample->has_meta) {
        VV_TRY(vv_segment_writer_meta(writer, vv_bytes_make("meta of the engine", 18), out_err));
    }
    return VARVE_OK;
}

varve_status segment_sample_write(const vv_env *env, const char *directory,
                                  const segment_sample *sample, vv_segment_info *out_info,
                                  varve_error *out_err)
{
    vv_codec_scratch *scratch = NULL;
    vv_segment_writer *writer = NULL;
    vv_buf buf;
    vv_buf_init(&buf, env->alloc, SIZE_MAX);
    varve_status status = vv_codec_scratch_create(env->alloc, &scratch, out_err);
    if (status == VARVE_OK) {
        status =
            vv_segment_writer_open(env, directory, sample->id, sample->level, &writer, out_err);
    }
    if (status == VARVE_OK) {
        status = sample_fill_writer(sample, writer, scratch, &buf, env->alloc, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_segment_writer_finish(writer, out_info, out_err);
    } else {
        vv_segment_writer_abort(writer);
    }
    vv_codec_scratch_free(scratch);
    vv_buf_deinit(&buf);
    return status;
}

/* --- reading --- */

static void sample_check_names(const segment_sample *sample, const vv_segment *segment,
                               uint32_t series)
{
    (void)sample;
    varve_error err;
    segment_sample_name name;
    segment_sample_name_of(series, &name);
    varve_text metric;
    varve_label labels[VV_LABELS_MAX];
    size_t count;
    check_ok(vv_segment_series(segment, series, &metric, labels, VV_LABELS_MAX, &count, &err),
             &err);
    assert_true(vv_text_equal(metric, vv_text_from_string(name.metric)));
    assert_int_equal(count, name.label_count);
    for (size_t label = 0; label < count; ++label) {
        assert_true(vv_text_equal(labels[label].name, name.labels[label].name));
        assert_true(vv_text_equal(labels[label].value, name.labels[label].value));
    }
}

static void sample_check_fields(const vv_segment *segment, uint32_t series)
{
    varve_error err;
    uint32_t ids[SAMPLE_FIELDS + 1];
    uint32_t types[SAMPLE_FIELDS + 1];
    size_t count;
    check_ok(vv_segment_series_fields(segment, series, ids, types, SAMPLE_FIELDS + 1, &count, &err),
             &err);
    size_t position = 0;
    for (uint32_t field = 0; field < SAMPLE_FIELDS; ++field) {
        if (sample_has_field(series, field)) {
            assert_true(position < count);
            assert_int_equal(ids[position], sample_field_ids[field]);
            assert_int_equal(types[position], sample_field_types[field]);
            position += 1;
        }
    }
    assert_int_equal(position, count);
}

static void sample_check_chunk(const segment_sample *sample, vv_segment *segment, uint32_t series,
                               vv_block_cache *cache, vv_codec_scratch *scratch, vv_alloc *alloc)
{
    varve_error err;
    vv_chunk chunk;
    check_ok(vv_segment_chunk(segment, series, &chunk, &err), &err);
    assert_int_equal(chunk.vector_count, sample->vectors);
    assert_int_equal(chunk.rows, (uint64_t)sample->vectors * sample->rows);
    assert_int_equal(chunk.first_sequence, 100 + series);
    assert_int_equal(chunk.last_sequence, 5000 + series);
    int64_t last_span = ((int64_t)sample->rows - 1) * SAMPLE_STEP;
    assert_int_equal(chunk.first_time, segment_sample_first_time(sample, series, 0));
    assert_int_equal(chunk.last_time,
                     segment_sample_first_time(sample, series, sample->vectors - 1) + last_span);
    vv_buf expected;
    vv_buf_init(&expected, alloc, SIZE_MAX);
    vv_block_pin pin = {.entry = NULL};
    for (uint32_t vector = 0; vector < sample->vectors; ++vector) {
        vv_vector_ref ref;
        vv_bytes bytes;
        check_ok(vv_segment_vector_refs(segment, &chunk, vector, 1, &ref, &err), &err);
        assert_int_equal(ref.rows, sample->rows);
        assert_int_equal(ref.first_time, segment_sample_first_time(sample, series, vector));
        assert_int_equal(ref.last_time, ref.first_time + last_span);
        check_ok(vv_segment_vector(segment, &ref, &pin, &bytes, &err), &err);
        vv_buf_reset(&expected);
        check_ok(segment_sample_vector(sample, series, vector, scratch, alloc, &expected, &err),
                 &err);
        assert_int_equal(bytes.size, expected.size);
        assert_memory_equal(bytes.data, expected.data, expected.size);
    }
    vv_block_unpin(cache, &pin);
    vv_buf_deinit(&expected);
}

void segment_sample_check(const segment_sample *sample, vv_segment *segment, vv_block_cache *cache,
                          vv_alloc *alloc)
{
    varve_error err;
    vv_codec_scratch *scratch;
    const vv_segment_info *info = vv_segment_get_info(segment);
    assert_int_equal(info->id, sample->id);
    assert_int_equal(info->level, sample->level);
    assert_int_equal(info->series, sample->series);
    assert_int_equal(info->vectors, (uint64_t)sample->series * sample->vectors);
    assert_int_equal(info->rows, (uint64_t)sample->series * sample->vectors * sample->rows);
    assert_int_equal(info->first_sequence, 100);
    assert_int_equal(info->last_sequence, 5000 + sample->series - 1);
    assert_int_equal(vv_segment_series_count(segment), sample->series);
    vv_bytes meta = vv_segment_meta(segment);
    assert_int_equal(meta.size, sample->has_meta ? 18 : 0);
    check_ok(vv_codec_scratch_create(alloc, &scratch, &err), &err);
    for (uint32_t series = 0; series < sample->series; ++series) {
        sample_check_names(sample, segment, series);
        sample_check_fields(segment, series);
        sample_check_chunk(sample, segment, series, cache, scratch, alloc);
    }
    vv_codec_scratch_free(scratch);
}

static void sample_hash(uint64_t *hash, const void *bytes, size_t size)
{
    *hash = vv_hash_mix2(*hash, vv_hash64(bytes, size, 0));
}

static varve_status sample_read_names(const vv_segment *segment, uint32_t series, uint64_t *hash,
                                      varve_error *out_err)
{
    varve_text metric;
    varve_label labels[VV_LABELS_MAX];
    size_t count;
    uint32_t ids[8];
    uint32_t types[8];
    VV_TRY(vv_segment_series(segment, series, &metric, labels, VV_LABELS_MAX, &count, out_err));
    sample_hash(hash, metric.data, metric.size);
    for (size_t label = 0; label < count; ++label) {
        sample_hash(hash, labels[label].name.data, labels[label].name.size);
        sample_hash(hash, labels[label].value.data, labels[label].value.size);
    }
    VV_TRY(vv_segment_series_fields(segment, series, ids, types, 8, &count, out_err));
    count = count < 8 ? count : 8;
    sample_hash(hash, ids, count * sizeof *ids);
    sample_hash(hash, types, count * sizeof *types);
    return VARVE_OK;
}

static varve_status sample_read_vectors(vv_segment *segment, uint32_t series, vv_block_pin *pin,
                                        uint64_t *hash, varve_error *out_err)
{
    vv_chunk chunk;
    VV_TRY(vv_segment_chunk(segment, series, &chunk, out_err));
    sample_hash(hash, &chunk.rows, sizeof chunk.rows);
    sample_hash(hash, &chunk.first_sequence, sizeof chunk.first_sequence);
    sample_hash(hash, &chunk.last_sequence, sizeof chunk.last_sequence);
    for (uint32_t vector = 0; vector < chunk.vector_count; ++vector) {
        vv_vector_ref ref;
        vv_bytes bytes;
        vv_vector parsed;
        VV_TRY(vv_segment_vector_refs(segment, &chunk, vector, 1, &ref, out_err));
        sample_hash(hash, &ref, sizeof ref);
        VV_TRY(vv_segment_vector(segment, &ref, pin, &bytes, out_err));
        sample_hash(hash, bytes.data, bytes.size);
        VV_TRY(vv_vector_parse(bytes, &parsed, out_err));
    }
    return VARVE_OK;
}

varve_status segment_sample_read_all(vv_segment *segment, vv_block_cache *cache, uint64_t *out_hash,
                                     varve_error *out_err)
{
    vv_block_pin pin = {.entry = NULL};
    varve_status status = VARVE_OK;
    uint64_t hash = vv_segment_meta(segment).size;
    sample_hash(&hash, vv_segment_get_info(segment), sizeof(vv_segment_info));
    for (uint32_t series = 0; series < vv_segment_series_count(segment) && status == VARVE_OK;
         ++series) {
        status = sample_read_names(segment, series, &hash, out_err);
        if (status == VARVE_OK) {
            status = sample_read_vectors(segment, series, &pin, &hash, out_err);
        }
    }
    vv_block_unpin(cache, &pin);
    *out_hash = hash;
    return status;
}

/* --- resealing: written from docs/formats/segment.md, not with the code under test --- */

static void sample_put_u32(uint8_t *target, uint32_t value)
{
    memcpy(target, &value, sizeof value);
}

/* The frame at offset; 0 when there is none, else its bytes. */
static size_t sample_reseal_frame(uint8_t *bytes, size_t offset, size_t end, uint64_t id)
{
    vv_reader reader = vv_reader_of(bytes + offset, end - offset);
    size_t size = vv_reader_u32(&reader);
    vv_reader_skip(&reader, 12);
    if (vv_reader_is_bad(&reader) || size > vv_reader_left(&reader)) {
        return 0;
    }
    uint32_t crc = vv_crc32c(0, &id, sizeof id);
    crc = vv_crc32c(crc, bytes + offset, 12);
    sample_put_u32(bytes + offset + 12, vv_crc32c(crc, bytes + offset + 16, size));
    return 16 + size;
}

void segment_sample_reseal(uint8_t *bytes, size_t size)
{
    if (size < 64 + 104 + 16) {
        return;
    }
    vv_reader reader = vv_reader_of(bytes, size);
    vv_reader_skip(&reader, 16);
    uint64_t id = vv_reader_u64(&reader);
    sample_put_u32(bytes + 60, vv_crc32c(0, bytes, 60));
    vv_reader trailer = vv_reader_of(bytes + size - 16, 4);
    size_t footer_size = vv_reader_u32(&trailer);
    if (footer_size < 104 + 16 || footer_size > size - 64) {
        return;
    }
    size_t footer = size - footer_size;
    for (size_t offset = 64; offset < footer;) {
        size_t step = sample_reseal_frame(bytes, offset, footer, id);
        if (step == 0) {
            break;
        }
        offset += step;
    }
    vv_hash128 digest = vv_hash128_of(bytes, footer, 0);
    memcpy(bytes + footer + 80, &digest.low, 8);
    memcpy(bytes + footer + 88, &digest.high, 8);
    sample_put_u32(bytes + size - 12, vv_crc32c(0, bytes + footer, footer_size - 12));
}
