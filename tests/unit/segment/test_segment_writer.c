/* SPDX-License-Identifier: Apache-2.0 */
/* Promises of segment/writer.c and builder.c: order, limits, bytes, failures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "support/segment_sample.h"
#include "sys/vfs_fault.h"
#include "sys/vfs_memory.h"

typedef struct fixture {
    failing_alloc source;
    vv_alloc alloc;
    vv_vfs *vfs;
    vv_env env;
    vv_block_cache *cache;
    vv_codec_scratch *scratch;
    vv_buf vector; /* of series 0 of a sample of 4 rows */
} fixture;

static const segment_sample small_sample = {
    .id = 7, .level = 2, .series = 3, .vectors = 1, .rows = 4};

static int setup(void **state)
{
    varve_error err;
    fixture *f = calloc(1, sizeof *f);
    failing_alloc_init(&f->source);
    varve_allocator source = failing_alloc_source(&f->source);
    vv_alloc_init(&f->alloc, &source);
    check_ok(vv_vfs_memory_create(&f->alloc, &f->vfs, &err), &err);
    check_ok(vv_vfs_mkdir(f->vfs, "tmp", &err), &err);
    vv_env_init_system(&f->env, &f->alloc);
    f->env.vfs = f->vfs;
    check_ok(vv_block_cache_create(&f->alloc, 1 << 20, &f->cache, &err), &err);
    check_ok(vv_codec_scratch_create(&f->alloc, &f->scratch, &err), &err);
    vv_buf_init(&f->vector, &f->alloc, SIZE_MAX);
    check_ok(segment_sample_vector(&small_sample, 0, 0, f->scratch, &f->alloc, &f->vector, &err),
             &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    vv_buf_deinit(&f->vector);
    vv_codec_scratch_free(f->scratch);
    vv_block_cache_free(f->cache);
    vv_vfs_memory_free(f->vfs);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
    free(f);
    return 0;
}

static const char *part_path(uint64_t id)
{
    static char path[64];
    char name[VV_SEGMENT_NAME_BYTES];
    vv_segment_part_name(id, name);
    snprintf(path, sizeof path, "tmp/%s", name);
    return path;
}

static void check_no_file(fixture *f, uint64_t id)
{
    bool exists = true;
    varve_error err;
    check_ok(vv_vfs_exists(f->env.vfs, part_path(id), &exists, &err), &err);
    assert_false(exists);
}

static void remove_file(fixture *f, uint64_t id)
{
    varve_error err;
    check_ok(vv_vfs_unlink(f->env.vfs, part_path(id), &err), &err);
}

static vv_segment_writer *open_writer(fixture *f)
{
    varve_error err;
    vv_segment_writer *writer;
    check_ok(vv_segment_writer_open(&f->env, "tmp", 7, 2, &writer, &err), &err);
    static const char *const names[] = {"value", "count", "note", "size", "up", "latency"};
    static const uint32_t ids[] = {3, 5, 9, 12, 40, 1000};
    for (size_t i = 0; i < 6; ++i) {
        check_ok(vv_segment_writer_field(writer, ids[i], vv_text_from_string(names[i]), &err),
                 &err);
    }
    return writer;
}

static void put_series(fixture *f, vv_segment_writer *writer, varve_text metric,
                       const varve_label *labels, size_t count)
{
    varve_error err;
    check_ok(vv_segment_writer_series(writer, metric, labels, count, 1, 2, &err), &err);
    check_ok(vv_segment_writer_vector(writer, vv_buf_bytes(&f->vector), &err), &err);
}

static vv_segment *finish_and_open(fixture *f, vv_segment_writer *writer)
{
    varve_error err;
    vv_segment_info info;
    vv_segment *segment;
    check_ok(vv_segment_writer_finish(writer, &info, &err), &err);
    check_ok(vv_segment_open(&f->env, f->cache, part_path(7), 7, &segment, &err), &err);
    return segment;
}

/* --- round trips --- */

static void round_trip(fixture *f, const segment_sample *sample)
{
    varve_error err;
    vv_segment_info info;
    vv_segment *segment;
    check_ok(segment_sample_write(&f->env, "tmp", sample, &info, &err), &err);
    check_ok(vv_segment_open(&f->env, f->cache, part_path(sample->id), sample->id, &segment, &err),
             &err);
    assert_memory_equal(&info, vv_segment_get_info(segment), sizeof info);
    segment_sample_check(sample, segment, f->cache, &f->alloc);
    check_ok(vv_segment_verify(segment, NULL, NULL, &err), &err);
    vv_segment_unref(segment);
    remove_file(f, sample->id);
}

static void one_series_with_one_row_comes_back(void **state)
{
    round_trip(*state, &(segment_sample){.id = 1, .series = 1, .vectors = 1, .rows = 1});
}

static void many_series_come_back(void **state)
{
    round_trip(*state, &(segment_sample){
                           .id = UINT64_MAX, .series = 700, .vectors = 1, .rows = 20, .level = 3});
}

static void many_vectors_over_many_blocks_come_back(void **state)
{
    round_trip(*state, &(segment_sample){
                           .id = 12, .series = 4, .vectors = 40, .rows = 1024, .has_meta = true});
}

static void a_value_larger_than_a_block_comes_back(void **state)
{
    round_trip(*state, &(segment_sample){
                           .id = 5, .series = 3, .vectors = 2, .rows = 3, .large_bytes = 300000});
}

/* --- order --- */

static void series_out_of_order_are_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    varve_label a = {VARVE_STR("host"), VARVE_STR("a")};
    varve_label b = {VARVE_STR("host"), VARVE_STR("b")};
    const struct {
        varve_text first, second;
        const varve_label *first_labels, *second_labels;
        size_t first_count, second_count;
    } cases[] = {
        {VARVE_STR("m"), VARVE_STR("m"), &a, &a, 1, 1},    /* the same */
        {VARVE_STR("m"), VARVE_STR("m"), &b, &a, 1, 1},    /* values */
        {VARVE_STR("m"), VARVE_STR("m"), &a, NULL, 1, 0},  /* the shorter list first */
        {VARVE_STR("n"), VARVE_STR("m"), NULL, &a, 0, 1},  /* metrics */
        {VARVE_STR("mm"), VARVE_STR("m"), NULL, &a, 0, 1}, /* a prefix first */
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); ++i) {
        vv_segment_writer *writer = open_writer(f);
        put_series(f, writer, cases[i].first, cases[i].first_labels, cases[i].first_count);
        check_status(VARVE_E_INVALID,
                     vv_segment_writer_series(writer, cases[i].second, cases[i].second_labels,
                                              cases[i].second_count, 1, 1, &err));
        vv_segment_writer_abort(writer);
        check_no_file(f, 7);
    }
}

static void labels_out_of_order_are_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    varve_label labels[2] = {{VARVE_STR("b"), VARVE_STR("1")}, {VARVE_STR("b"), VARVE_STR("2")}};
    vv_segment_writer *writer = open_writer(f);
    check_status(VARVE_E_INVALID,
                 vv_segment_writer_series(writer, VARVE_STR("m"), labels, 2, 1, 1, &err));
    vv_segment_writer_abort(writer);
}

static void sequences_that_descend_are_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_writer *writer = open_writer(f);
    check_status(VARVE_E_INVALID,
                 vv_segment_writer_series(writer, VARVE_STR("m"), NULL, 0, 2, 1, &err));
    vv_segment_writer_abort(writer);
}

static void vectors_that_overlap_are_refused_and_may_touch(void **state)
{
    fixture *f = *state;
    varve_error err;
    segment_sample one_row = {.series = 1, .vectors = 2, .rows = 1};
    vv_segment_writer *writer = open_writer(f);
    vv_buf vector;
    vv_buf_init(&vector, &f->alloc, SIZE_MAX);
    check_ok(segment_sample_vector(&one_row, 0, 0, f->scratch, &f->alloc, &vector, &err), &err);
    put_series(f, writer, VARVE_STR("m"), NULL, 0); /* -500 to -470 */
    put_series(f, writer, VARVE_STR("n"), NULL, 0);
    check_status(VARVE_E_INVALID, vv_segment_writer_vector(writer, vv_buf_bytes(&vector), &err));
    assert_non_null(strstr(err.message, "-470"));
    vv_segment_writer_abort(writer);

    writer = open_writer(f);
    check_ok(vv_segment_writer_series(writer, VARVE_STR("m"), NULL, 0, 1, 1, &err), &err);
    check_ok(vv_segment_writer_vector(writer, vv_buf_bytes(&vector), &err), &err);
    check_ok(vv_segment_writer_vector(writer, vv_buf_bytes(&vector), &err), &err); /* -500 again */
    vv_segment *segment = finish_and_open(f, writer);
    vv_chunk chunk;
    check_ok(vv_segment_chunk(segment, 0, &chunk, &err), &err);
    assert_int_equal(chunk.vector_count, 2);
    assert_int_equal(chunk.first_time, -500);
    assert_int_equal(chunk.last_time, -500);
    check_ok(vv_segment_verify(segment, NULL, NULL, &err), &err);
    vv_segment_unref(segment);
    vv_buf_deinit(&vector);
    remove_file(f, 7);
}

static void a_vector_needs_a_series_and_must_be_one(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_writer *writer = open_writer(f);
    check_status(VARVE_E_INVALID, vv_segment_writer_vector(writer, vv_buf_bytes(&f->vector), &err));
    vv_segment_writer_abort(writer);
    writer = open_writer(f);
    check_ok(vv_segment_writer_series(writer, VARVE_STR("m"), NULL, 0, 1, 1, &err), &err);
    check_status(VARVE_E_CORRUPT,
                 vv_segment_writer_vector(writer, vv_bytes_make(f->vector.data, 3), &err));
    vv_segment_writer_abort(writer);
}

/* --- what is left out, what is refused --- */

static void a_series_without_vectors_is_left_out(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_writer *writer = open_writer(f);
    check_ok(vv_segment_writer_series(writer, VARVE_STR("a"), NULL, 0, 9, 9, &err), &err);
    put_series(f, writer, VARVE_STR("b"), NULL, 0);
    assert_int_equal(vv_segment_writer_rows(writer), 4);
    check_ok(vv_segment_writer_series(writer, VARVE_STR("c"), NULL, 0, 9, 9, &err), &err);
    assert_int_equal(vv_segment_writer_rows(writer), 4);
    vv_segment *segment = finish_and_open(f, writer);
    varve_text metric;
    size_t count;
    assert_int_equal(vv_segment_series_count(segment), 1);
    check_ok(vv_segment_series(segment, 0, &metric, NULL, 0, &count, &err), &err);
    assert_true(vv_text_equal(metric, VARVE_STR("b")));
    assert_int_equal(vv_segment_get_info(segment)->last_sequence, 2);
    vv_segment_unref(segment);
    remove_file(f, 7);
}

static void a_segment_without_rows_is_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_info info;
    vv_segment_writer *writer = open_writer(f);
    check_ok(vv_segment_writer_series(writer, VARVE_STR("a"), NULL, 0, 9, 9, &err), &err);
    check_status(VARVE_E_INVALID, vv_segment_writer_finish(writer, &info, &err));
    check_no_file(f, 7);
}

static void only_fields_of_vectors_are_stored(void **state)
{
    fixture *f = *state;
    vv_segment_writer *writer = open_writer(f);
    put_series(f, writer, VARVE_STR("b"), NULL, 0); /* value, note */
    vv_segment *segment = finish_and_open(f, writer);
    uint32_t id;
    varve_text name;
    assert_int_equal(vv_segment_field_count(segment), 2);
    vv_segment_field(segment, 1, &id, &name);
    assert_int_equal(id, 9);
    assert_true(vv_text_equal(name, VARVE_STR("note")));
    vv_segment_unref(segment);
    remove_file(f, 7);
}

static void a_field_without_a_name_is_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_info info;
    vv_segment_writer *writer;
    check_ok(vv_segment_writer_open(&f->env, "tmp", 7, 2, &writer, &err), &err);
    check_ok(vv_segment_writer_field(writer, 3, VARVE_STR("value"), &err), &err);
    put_series(f, writer, VARVE_STR("b"), NULL, 0);
    check_status(VARVE_E_INVALID, vv_segment_writer_finish(writer, &info, &err));
    assert_non_null(strstr(err.message, "field 9"));
    check_no_file(f, 7);
}

static void a_field_has_one_name(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_writer *writer = open_writer(f);
    check_ok(vv_segment_writer_field(writer, 3, VARVE_STR("value"), &err), &err);
    check_status(VARVE_E_INVALID, vv_segment_writer_field(writer, 3, VARVE_STR("other"), &err));
    vv_segment_writer_abort(writer);
}

static void meta_is_given_once(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_writer *writer = open_writer(f);
    check_ok(vv_segment_writer_meta(writer, vv_bytes_make("m", 1), &err), &err);
    check_status(VARVE_E_INVALID, vv_segment_writer_meta(writer, vv_bytes_make("m", 1), &err));
    vv_segment_writer_abort(writer);
}

static void the_first_failure_stays(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_info info;
    vv_segment_writer *writer = open_writer(f);
    put_series(f, writer, VARVE_STR("b"), NULL, 0);
    check_status(VARVE_E_INVALID,
                 vv_segment_writer_series(writer, VARVE_STR("a"), NULL, 0, 1, 1, &err));
    varve_error first = err;
    check_status(VARVE_E_INVALID,
                 vv_segment_writer_series(writer, VARVE_STR("c"), NULL, 0, 1, 1, &err));
    assert_string_equal(first.message, err.message);
    check_status(VARVE_E_INVALID, vv_segment_writer_finish(writer, &info, &err));
    assert_string_equal(first.message, err.message);
    check_no_file(f, 7);
}

static void a_file_that_exists_is_not_overwritten(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_info info;
    vv_segment_writer *writer;
    check_ok(segment_sample_write(&f->env, "tmp", &small_sample, &info, &err), &err);
    check_status(VARVE_E_EXISTS, vv_segment_writer_open(&f->env, "tmp", 7, 0, &writer, &err));
    assert_null(writer);
    remove_file(f, 7);
}

/* --- limits, both sides --- */

static varve_status try_series(fixture *f, size_t metric_size, size_t name_size, size_t value_size,
                               size_t label_count)
{
    static char bytes[VV_METRIC_BYTES_MAX + 2];
    static char names[VV_LABELS_MAX + 1][8];
    static varve_label labels[VV_LABELS_MAX + 1];
    varve_error err;
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < label_count; ++i) {
        snprintf(names[i], sizeof names[i], "n%03zu", i);
        labels[i] = (varve_label){.name = vv_text_from_string(names[i]), .value = VARVE_STR("v")};
    }
    if (name_size != 1 || value_size != 1) {
        labels[0] = (varve_label){.name = vv_text_make(bytes, name_size),
                                  .value = vv_text_make(bytes, value_size)};
    }
    vv_segment_writer *writer = open_writer(f);
    varve_status status = vv_segment_writer_series(writer, vv_text_make(bytes, metric_size), labels,
                                                   label_count, 1, 1, &err);
    if (status != VARVE_OK) {
        vv_segment_writer_abort(writer);
        return status;
    }
    check_ok(vv_segment_writer_vector(writer, vv_buf_bytes(&f->vector), &err), &err);
    vv_segment *segment = finish_and_open(f, writer);
    varve_text metric;
    varve_label got[VV_LABELS_MAX];
    size_t count;
    check_ok(vv_segment_series(segment, 0, &metric, got, VV_LABELS_MAX, &count, &err), &err);
    assert_int_equal(metric.size, metric_size);
    assert_int_equal(count, label_count);
    for (size_t i = 0; i < count; ++i) {
        assert_true(vv_text_equal(got[i].name, labels[i].name));
        assert_true(vv_text_equal(got[i].value, labels[i].value));
    }
    if (label_count > 0) {
        check_status(VARVE_E_LIMIT,
                     vv_segment_series(segment, 0, &metric, got, label_count - 1, &count, &err));
    }
    check_ok(vv_segment_verify(segment, NULL, NULL, &err), &err);
    vv_segment_unref(segment);
    remove_file(f, 7);
    return VARVE_OK;
}

static void names_up_to_their_limits_are_kept(void **state)
{
    fixture *f = *state;
    check_status(VARVE_OK, try_series(f, 1, 1, 1, 0));
    check_status(VARVE_OK, try_series(f, VV_METRIC_BYTES_MAX, 1, 1, 0));
    check_status(VARVE_OK, try_series(f, 1, VV_LABEL_NAME_BYTES_MAX, 0, 1));
    check_status(VARVE_OK, try_series(f, 1, 2, VV_LABEL_VALUE_BYTES_MAX, 1));
    check_status(VARVE_OK, try_series(f, 1, 1, 1, VV_LABELS_MAX));
}

static void names_beyond_their_limits_are_refused(void **state)
{
    fixture *f = *state;
    check_status(VARVE_E_INVALID, try_series(f, 0, 1, 1, 0));
    check_status(VARVE_E_INVALID, try_series(f, VV_METRIC_BYTES_MAX + 1, 1, 1, 0));
    check_status(VARVE_E_INVALID, try_series(f, 1, 0, 1, 1));
    check_status(VARVE_E_INVALID, try_series(f, 1, VV_LABEL_NAME_BYTES_MAX + 1, 1, 1));
    check_status(VARVE_E_INVALID, try_series(f, 1, 2, VV_LABEL_VALUE_BYTES_MAX + 1, 1));
    check_status(VARVE_E_INVALID, try_series(f, 1, 1, 1, VV_LABELS_MAX + 1));
}

static void names_that_are_no_utf8_are_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    varve_label cases[] = {{VARVE_STR("\xff"), VARVE_STR("v")},
                           {VARVE_STR("n"), VARVE_STR("\xc0")}};
    for (size_t i = 0; i < 3; ++i) {
        vv_segment_writer *writer = open_writer(f);
        check_ok(vv_segment_writer_series(writer, i == 2 ? VARVE_STR("\xfe") : VARVE_STR("m"),
                                          &cases[i % 2], i == 2 ? 0 : 1, 1, 1, &err),
                 &err);
        check_status(VARVE_E_INVALID,
                     vv_segment_writer_vector(writer, vv_buf_bytes(&f->vector), &err));
        vv_segment_writer_abort(writer);
    }
    vv_segment_writer *writer = open_writer(f);
    check_status(VARVE_E_INVALID, vv_segment_writer_field(writer, 50, VARVE_STR("\xff"), &err));
    vv_segment_writer_abort(writer);
}

static void a_vector_beyond_its_limit_is_refused(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_writer *writer = open_writer(f);
    check_ok(vv_segment_writer_series(writer, VARVE_STR("m"), NULL, 0, 1, 1, &err), &err);
    check_status(VARVE_E_LIMIT,
                 vv_segment_writer_vector(
                     writer, vv_bytes_make(f->vector.data, 128 * 1024 * 1024 + 1), &err));
    vv_segment_writer_abort(writer);
}

static void extreme_times_and_sequences_come_back(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_writer *writer = open_writer(f);
    const int64_t times[3] = {INT64_MIN, INT64_MAX, 0};
    const uint64_t sequences[3][2] = {{0, 0}, {UINT64_MAX, UINT64_MAX}, {0, UINT64_MAX}};
    const char *const metrics[3] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; ++i) {
        check_ok(vv_segment_writer_series(writer, vv_text_from_string(metrics[i]), NULL, 0,
                                          sequences[i][0], sequences[i][1], &err),
                 &err);
        for (size_t row = 0; row < (i == 2 ? 2 : 1); ++row) {
            double value = 1.5;
            uint32_t field = 3;
            int64_t time = i == 2 ? times[row] : times[i];
            varve_column column = {.type = VARVE_TYPE_F64, .values = &value};
            vv_rows rows = {.count = 1,
                            .times = &time,
                            .fields = &field,
                            .columns = &column,
                            .column_count = 1};
            vv_buf vector;
            vv_buf_init(&vector, &f->alloc, SIZE_MAX);
            check_ok(vv_vector_encode(&rows, f->scratch, &vector, &err), &err);
            check_ok(vv_segment_writer_vector(writer, vv_buf_bytes(&vector), &err), &err);
            vv_buf_deinit(&vector);
        }
    }
    vv_segment *segment = finish_and_open(f, writer);
    const vv_segment_info *info = vv_segment_get_info(segment);
    assert_true(info->first_time == INT64_MIN && info->last_time == INT64_MAX);
    assert_true(info->first_sequence == 0 && info->last_sequence == UINT64_MAX);
    for (uint32_t i = 0; i < 3; ++i) {
        vv_chunk chunk;
        check_ok(vv_segment_chunk(segment, i, &chunk, &err), &err);
        assert_true(chunk.first_time == (i == 2 ? INT64_MIN : times[i]));
        assert_true(chunk.last_time == (i == 2 ? INT64_MAX : times[i]));
        assert_true(chunk.first_sequence == sequences[i][0]);
        assert_true(chunk.last_sequence == sequences[i][1]);
    }
    check_ok(vv_segment_verify(segment, NULL, NULL, &err), &err);
    vv_segment_unref(segment);
    remove_file(f, 7);
}

/* --- bytes --- */

static void read_part(fixture *f, uint64_t id, void **out_data, size_t *out_size)
{
    varve_error err;
    check_ok(
        vv_vfs_read_file(f->env.vfs, &f->alloc, part_path(id), 1 << 20, out_data, out_size, &err),
        &err);
}

static void equal_input_makes_equal_bytes(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_info info;
    void *data[2];
    size_t size[2];
    segment_sample sample = {.id = 9, .series = 50, .vectors = 2, .rows = 5, .has_meta = true};
    for (size_t i = 0; i < 2; ++i) {
        check_ok(segment_sample_write(&f->env, "tmp", &sample, &info, &err), &err);
        read_part(f, 9, &data[i], &size[i]);
        remove_file(f, 9);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(data[0], data[1], size[0]);
    vv_hash128 digest = vv_hash128_of(data[0], size[0] - 104 - 9 * 24 - 16, 0);
    assert_true(digest.low == info.digest[0] && digest.high == info.digest[1]);
    vv_alloc_free(&f->alloc, data[0], size[0]);
    vv_alloc_free(&f->alloc, data[1], size[1]);
}

/* --- failures --- */

static void each_failed_allocation_leaves_nothing(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_info info;
    segment_sample sample = {.id = 3, .series = 30, .vectors = 2, .rows = 6, .has_meta = true};
    bool is_done = false;
    for (uint64_t n = 1; !is_done; ++n) {
        size_t bytes = vv_alloc_bytes(&f->alloc);
        failing_alloc_plan(&f->source, n, true);
        varve_status status = segment_sample_write(&f->env, "tmp", &sample, &info, &err);
        is_done = atomic_load(&f->source.failures) == 0;
        failing_alloc_plan(&f->source, 0, false);
        if (status == VARVE_OK) { /* a failure that does not matter is fine as well */
            remove_file(f, 3);
            if (is_done) {
                break;
            }
        } else {
            check_status(VARVE_E_NOMEM, status);
            check_no_file(f, 3);
        }
        assert_true(vv_alloc_bytes(&f->alloc) <= bytes + 4096); /* the table of files may grow */
        assert_true(n < 5000);
    }
}

static void each_failed_call_leaves_no_file(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment_info info;
    vv_fault *fault;
    segment_sample sample = {.id = 3, .series = 40, .vectors = 8, .rows = 1000, .has_meta = true};
    check_ok(vv_fault_create(&f->alloc, f->vfs, &fault, &err), &err);
    f->env.vfs = vv_fault_vfs(fault);
    static const int errnos[] = {5 /* EIO */, 28 /* ENOSPC */};
    bool is_done = false;
    for (uint64_t n = 1; !is_done; ++n) {
        vv_fault_clear(fault);
        size_t rule = vv_fault_add(fault, &(vv_fault_rule){.first_call = n,
                                                           .call_count = 1,
                                                           .kind = VV_FAULT_ERRNO,
                                                           .os_errno = errnos[n % 2]});
        varve_status status = segment_sample_write(&f->env, "tmp", &sample, &info, &err);
        is_done = vv_fault_fired(fault, rule) == 0;
        vv_fault_clear(fault);
        if (is_done) {
            check_ok(status, &err);
            assert_true(n > 5); /* open, two writes, sync, close */
            remove_file(f, 3);
        } else {
            assert_true(status == VARVE_E_IO || status == VARVE_E_NOSPACE);
            check_no_file(f, 3);
        }
        assert_int_equal(vv_fault_open_files(fault), 0);
    }
    f->env.vfs = f->vfs;
    vv_fault_free(fault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_series_with_one_row_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(many_series_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(many_vectors_over_many_blocks_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_larger_than_a_block_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(series_out_of_order_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(labels_out_of_order_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(sequences_that_descend_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(vectors_that_overlap_are_refused_and_may_touch, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_vector_needs_a_series_and_must_be_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_series_without_vectors_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_segment_without_rows_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(only_fields_of_vectors_are_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(a_field_without_a_name_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_field_has_one_name, setup, teardown),
        cmocka_unit_test_setup_teardown(meta_is_given_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_failure_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_exists_is_not_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(names_up_to_their_limits_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(names_beyond_their_limits_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_are_no_utf8_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_vector_beyond_its_limit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(extreme_times_and_sequences_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(equal_input_makes_equal_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(each_failed_allocation_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(each_failed_call_leaves_no_file, setup, teardown),
    };
    return cmocka_run_group_tests_name("segment writer", tests, NULL, NULL);
}
