/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that an earlier build wrote: today's reader reads it, today's writer makes the same bytes
 * from the same vectors. tests/compat/segment_v1.vsg never changes; it was written by
 *
 *     VARVE_WRITE_GOLDEN=tests/compat/segment_v1.vsg build-debug/tests/test-segment-segment_golden
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/segment_sample.h"
#include "sys/vfs_memory.h"

#define GOLDEN VARVE_TESTS_DIR "/compat/segment_v1.vsg"
#define PATH   "00000000000000001234.part"

static const segment_sample sample = {
    .id = 1234, .level = 1, .series = 12, .vectors = 2, .rows = 7, .has_meta = true};

typedef struct fixture {
    vv_alloc alloc;
    vv_env files; /* the operating system's */
    vv_vfs *vfs;
    vv_env memory;
    vv_block_cache *cache;
} fixture;

static int setup(void **state)
{
    varve_error err;
    fixture *f = calloc(1, sizeof *f);
    vv_alloc_init(&f->alloc, NULL);
    vv_env_init_system(&f->files, &f->alloc);
    vv_env_init_system(&f->memory, &f->alloc);
    check_ok(vv_vfs_memory_create(&f->alloc, &f->vfs, &err), &err);
    f->memory.vfs = f->vfs;
    check_ok(vv_vfs_mkdir(f->vfs, ".", &err), &err);
    check_ok(vv_block_cache_create(&f->alloc, 1 << 20, &f->cache, &err), &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    vv_block_cache_free(f->cache);
    vv_vfs_memory_free(f->vfs);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
    free(f);
    return 0;
}

static void write_golden(fixture *f, const char *target)
{
    varve_error err;
    vv_segment_info info;
    void *data;
    size_t size;
    check_ok(segment_sample_write(&f->memory, ".", &sample, &info, &err), &err);
    check_ok(vv_vfs_read_file(f->vfs, &f->alloc, "./" PATH, 8192, &data, &size, &err), &err);
    FILE *file = fopen(target, "wbx");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    vv_alloc_free(&f->alloc, data, size);
}

/* Rows of the sample, decoded from vectors whatever their encoding is. */
static void check_vector(vv_bytes bytes, uint32_t series, uint32_t vector,
                         vv_codec_scratch *scratch, vv_arena *arena)
{
    varve_error err;
    vv_vector parsed;
    vv_vector_column column;
    int64_t times[VV_VECTOR_ROWS_MAX];
    double values[VV_VECTOR_ROWS_MAX];
    uint64_t present[VV_VECTOR_ROWS_MAX / 64];
    check_ok(vv_vector_parse(bytes, &parsed, &err), &err);
    check_ok(vv_vector_times(&parsed, scratch, times, &err), &err);
    assert_true(vv_vector_find(&parsed, 3, &column));
    check_ok(vv_vector_decode(&column, scratch, arena, values, present, NULL, &err), &err);
    assert_int_equal(parsed.count, sample.rows);
    for (uint32_t row = 0; row < sample.rows; ++row) {
        uint32_t number = vector * sample.rows + row;
        assert_true(times[row] == segment_sample_first_time(&sample, series, vector) + row * 10);
        double wanted = (double)((number * 37 + series) % 1000) / 8.0 - 20.0;
        assert_memory_equal(&values[row], &wanted, sizeof wanted);
    }
}

static void an_old_file_is_read(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *segment;
    vv_codec_scratch *scratch;
    vv_arena arena;
    const char *target = getenv("VARVE_WRITE_GOLDEN");
    if (target != NULL) {
        write_golden(f, target);
    }
    check_ok(vv_segment_open(&f->files, f->cache, GOLDEN, sample.id, &segment, &err), &err);
    check_ok(vv_codec_scratch_create(&f->alloc, &scratch, &err), &err);
    vv_arena_init(&arena, &f->alloc, SIZE_MAX);
    assert_true(vv_segment_get_info(segment)->bytes < 8192);
    assert_int_equal(vv_segment_series_count(segment), sample.series);
    vv_block_pin pin = {.entry = NULL};
    for (uint32_t series = 0; series < sample.series; ++series) {
        segment_sample_name name;
        varve_text metric;
        varve_label labels[VV_LABELS_MAX];
        size_t count;
        vv_chunk chunk;
        vv_vector_ref refs[2];
        segment_sample_name_of(series, &name);
        check_ok(vv_segment_series(segment, series, &metric, labels, VV_LABELS_MAX, &count, &err),
                 &err);
        assert_true(vv_text_equal(metric, vv_text_from_string(name.metric)));
        assert_int_equal(count, name.label_count);
        assert_true(vv_text_equal(labels[0].value, name.labels[0].value));
        check_ok(vv_segment_chunk(segment, series, &chunk, &err), &err);
        assert_int_equal(chunk.vector_count, 2);
        check_ok(vv_segment_vector_refs(segment, &chunk, 0, 2, refs, &err), &err);
        for (uint32_t vector = 0; vector < 2; ++vector) {
            vv_bytes bytes;
            check_ok(vv_segment_vector(segment, &refs[vector], &pin, &bytes, &err), &err);
            check_vector(bytes, series, vector, scratch, &arena);
        }
    }
    vv_block_unpin(f->cache, &pin);
    check_ok(vv_segment_verify(segment, NULL, NULL, &err), &err);
    vv_arena_deinit(&arena);
    vv_codec_scratch_free(scratch);
    vv_segment_unref(segment);
}

/* Copy a segment through the writer. */
static void copy_segment(fixture *f, vv_segment *source, vv_segment_writer *writer)
{
    varve_error err;
    for (uint32_t index = 0; index < vv_segment_field_count(source); ++index) {
        uint32_t id;
        varve_text name;
        vv_segment_field(source, index, &id, &name);
        check_ok(vv_segment_writer_field(writer, id, name, &err), &err);
    }
    check_ok(vv_segment_writer_meta(writer, vv_segment_meta(source), &err), &err);
    vv_block_pin pin = {.entry = NULL};
    for (uint32_t series = 0; series < vv_segment_series_count(source); ++series) {
        varve_text metric;
        varve_label labels[VV_LABELS_MAX];
        size_t count;
        vv_chunk chunk;
        check_ok(vv_segment_series(source, series, &metric, labels, VV_LABELS_MAX, &count, &err),
                 &err);
        check_ok(vv_segment_chunk(source, series, &chunk, &err), &err);
        check_ok(vv_segment_writer_series(writer, metric, labels, count, chunk.first_sequence,
                                          chunk.last_sequence, &err),
                 &err);
        for (uint32_t vector = 0; vector < chunk.vector_count; ++vector) {
            vv_vector_ref ref;
            vv_bytes bytes;
            check_ok(vv_segment_vector_refs(source, &chunk, vector, 1, &ref, &err), &err);
            check_ok(vv_segment_vector(source, &ref, &pin, &bytes, &err), &err);
            check_ok(vv_segment_writer_vector(writer, bytes, &err), &err);
        }
    }
    vv_block_unpin(f->cache, &pin);
}

static void the_same_vectors_make_the_same_file(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_segment *source;
    vv_segment_writer *writer;
    vv_segment_info info;
    void *data[2];
    size_t size[2];
    check_ok(vv_segment_open(&f->files, f->cache, GOLDEN, sample.id, &source, &err), &err);
    check_ok(vv_segment_writer_open(&f->memory, ".", sample.id, sample.level, &writer, &err), &err);
    copy_segment(f, source, writer);
    check_ok(vv_segment_writer_finish(writer, &info, &err), &err);
    assert_memory_equal(&info, vv_segment_get_info(source), sizeof info);
    vv_segment_unref(source);
    check_ok(vv_vfs_read_file(f->files.vfs, &f->alloc, GOLDEN, 8192, &data[0], &size[0], &err),
             &err);
    check_ok(vv_vfs_read_file(f->vfs, &f->alloc, "./" PATH, 8192, &data[1], &size[1], &err), &err);
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(data[0], data[1], size[0]);
    vv_alloc_free(&f->alloc, data[0], size[0]);
    vv_alloc_free(&f->alloc, data[1], size[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_old_file_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_vectors_make_the_same_file, setup, teardown),
    };
    return cmocka_run_group_tests_name("segment golden", tests, NULL, NULL);
}
