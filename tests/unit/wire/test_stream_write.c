/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that come back. tests/compat/stream_v1.vvs is one that an earlier build wrote; it never
 * changes, and was made by
 *
 *     VARVE_WRITE_GOLDEN=tests/compat/stream_v1.vvs build-debug/tests/test-wire-stream_write
 */
#include "stream_world.h"
#include "support/failing_alloc.h"

#define GOLDEN VARVE_TESTS_DIR "/compat/stream_v1.vvs"

static void assert_same_rows(const stream_world *w)
{
    assert_int_equal(w->got.size, w->wrote.size);
    assert_memory_equal(w->got.data, w->wrote.data, w->wrote.size);
}

static void stream_gives_back_every_bit_of_every_type(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 4096, SIZE_MAX / 2};
    stream_world w;
    varve_error err;
    world_begin(&w);
    world_write_sample(&w);
    for (size_t i = 0; i < VV_ARRAY_COUNT(pieces); i++) {
        check_ok(world_read(&w, vv_buf_bytes(&w.stream), pieces[i], &world_options, &err), &err);
        assert_same_rows(&w);
        assert_int_equal(w.rejected, 0);
        assert_true(w.got_blocks >= 3);
    }
    world_end(&w);
}

static void stream_has_the_bytes_of_its_page(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    vv_stream_writer *writer;
    static const varve_text names[] = {VV_TEXT_INIT("v")};
    static const int64_t times[] = {10, 20, 31};
    varve_value values[] = {{.type = VARVE_TYPE_F64, .as.f64 = 1.5},
                            {.type = VARVE_TYPE_NONE},
                            {.type = VARVE_TYPE_F64, .as.f64 = 1.25}};
    world_begin(&w);
    check_ok(vv_stream_writer_create(&w.alloc, VARVE_PRECISION_MS, &writer, &err), &err);
    world_write(&w, writer, VV_TEXT("m"), NULL, 0, times, 2, names, values, 1);
    world_write(&w, writer, VV_TEXT("m"), NULL, 0, times + 1, 2, names, values + 1, 1);
    assert_int_equal(vv_stream_writer_rows(writer), 2);
    check_ok(vv_stream_write_end(writer, &w.stream, &err), &err);
    vv_stream_writer_free(writer);
    static const uint8_t header[] = {'V', 'A', 'R', 'V', 'E', 'S', 'T', 'M', 1, 0, 32, 0,
                                     0,   0,   0,   0,   3,   0,   0,   0,   0, 0, 0,  0};
    static const uint8_t rows[] = {
        3, 1, 0, 'm', 1, 1,   20,         1, 'v', 1 | 2 << 5, 1, 30, /* 10: 1.5, one row: 15 / 10 */
        0, 1, 1, 62,  1, 'v', 1 | 2 << 5, 2, 250, 1,                 /* 31: 1.25, 125 / 100 */
    };
    assert_memory_equal(w.stream.data, header, sizeof header);
    assert_int_equal(w.stream.data[32], 1);
    assert_int_equal(w.stream.data[33], 0);
    assert_int_equal(w.stream.data[40], sizeof rows);
    assert_int_equal(w.stream.data[44], sizeof rows);
    assert_memory_equal(w.stream.data + 56, rows, sizeof rows);
    const uint8_t *end = w.stream.data + 56 + sizeof rows;
    static const uint8_t counts[24] = {1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
                                       0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(end[0], 2);
    assert_int_equal(end[4], 1);
    assert_memory_equal(end + 24, counts, sizeof counts);
    assert_int_equal(w.stream.size, 32 + 24 + sizeof rows + 24 + 24);
    world_end(&w);
}

static void stream_without_rows_is_one(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    vv_stream_writer *writer;
    world_begin(&w);
    check_ok(vv_stream_writer_create(&w.alloc, VARVE_PRECISION_S, &writer, &err), &err);
    check_ok(vv_stream_write_end(writer, &w.stream, &err), &err);
    vv_stream_writer_free(writer);
    assert_int_equal(w.stream.size, 32 + 24 + 24);
    check_ok(world_read(&w, vv_buf_bytes(&w.stream), 1, &world_options, &err), &err);
    assert_int_equal(w.got_rows, 0);
    assert_int_equal(w.got_blocks, 1);
    world_end(&w);
}

/* A row of 1024 fields is a run; a block of a cursor may have more, of which each row has few. */
static void stream_takes_rows_of_many_fields(void **state)
{
    (void)state;
    enum { FIELDS = 1500, ROWS = 3 };
    stream_world w;
    varve_error err;
    vv_stream_writer *writer;
    world_begin(&w);
    varve_text *names = vv_arena_array(&w.arena, FIELDS, sizeof *names);
    varve_value *values = vv_arena_zeroed(&w.arena, FIELDS * ROWS * sizeof *values);
    static const int64_t times[ROWS] = {1, 1, 2};
    for (size_t field = 0; field < FIELDS; field++) {
        char *name = vv_arena_new(&w.arena, 8);
        snprintf(name, 8, "f%05zu", field);
        names[field] = vv_text_from_string(name);
        for (size_t row = 0; row < ROWS; row++) {
            bool is_there = row == 0 ? field < 1024 : row == 1 ? field >= 1499 : field % 2 == 0;
            values[field * ROWS + row] =
                (varve_value){.type = is_there ? VARVE_TYPE_I64 : VARVE_TYPE_NONE,
                              .as.i64 = is_there ? (int64_t)(field * row) : 0};
        }
    }
    check_ok(vv_stream_writer_create(&w.alloc, VARVE_PRECISION_NS, &writer, &err), &err);
    world_write(&w, writer, VV_TEXT("wide"), NULL, 0, times, ROWS, names, values, FIELDS);
    check_ok(vv_stream_write_end(writer, &w.stream, &err), &err);
    vv_stream_writer_free(writer);
    check_ok(world_read(&w, vv_buf_bytes(&w.stream), 4096, &world_options, &err), &err);
    assert_same_rows(&w);
    world_end(&w);
}

static void stream_leaves_out_rows_without_values(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    vv_stream_writer *writer;
    static const varve_text names[] = {VV_TEXT_INIT("a"), VV_TEXT_INIT("b")};
    static const int64_t times[] = {1, 2, 3, 4, 5};
    varve_value values[10];
    memset(values, 0, sizeof values);
    values[1].type = VARVE_TYPE_I64;
    values[5 + 3].type = VARVE_TYPE_BOOL;
    world_begin(&w);
    check_ok(vv_stream_writer_create(&w.alloc, VARVE_PRECISION_NS, &writer, &err), &err);
    world_write(&w, writer, VV_TEXT("m"), NULL, 0, times, 5, names, values, 2);
    check_ok(vv_stream_write_end(writer, &w.stream, &err), &err);
    assert_int_equal(vv_stream_writer_rows(writer), 2);
    vv_stream_writer_free(writer);
    check_ok(world_read(&w, vv_buf_bytes(&w.stream), 4096, &world_options, &err), &err);
    vv_buf_append_char(&w.got, '\0');
    assert_string_equal((const char *)w.got.data, "m 2 a=2:0000000000000000\nm 4 b=4:0\n");
    world_end(&w);
}

static void stream_of_an_earlier_build_reads_the_same(void **state)
{
    (void)state;
    stream_world w;
    varve_error err;
    world_begin(&w);
    world_write_sample(&w);
    const char *target = getenv("VARVE_WRITE_GOLDEN");
    if (target != NULL) {
        FILE *file = fopen(target, "wbx");
        assert_non_null(file);
        assert_int_equal(fwrite(w.stream.data, 1, w.stream.size, file), w.stream.size);
        assert_int_equal(fclose(file), 0);
    }
    FILE *file = fopen(GOLDEN, "rb");
    assert_non_null(file);
    enum { GOLDEN_BYTES_MAX = 1024 * 1024 };
    uint8_t *bytes = malloc(GOLDEN_BYTES_MAX);
    size_t size = fread(bytes, 1, GOLDEN_BYTES_MAX, file);
    fclose(file);
    check_ok(world_read(&w, vv_bytes_make(bytes, size), 1000, &world_options, &err), &err);
    assert_same_rows(&w);
    free(bytes);
    world_end(&w);
}

/* Every allocation of writer and reader fails once: a status, and nothing is lost. */
static void stream_survives_failing_allocations(void **state)
{
    (void)state;
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    varve_error err;
    stream_world w;
    world_begin(&w);
    static const varve_text names[] = {VV_TEXT_INIT("v")};
    static const int64_t times[] = {1};
    static const uint8_t truth[] = {1};
    varve_column column = {.type = VARVE_TYPE_BOOL, .values = truth};
    vv_stream_rows rows = {.metric = VV_TEXT("m"),
                           .row_count = 1,
                           .timestamps = times,
                           .names = names,
                           .columns = &column,
                           .column_count = 1};
    bool is_over = false;
    for (uint64_t n = 1; !is_over; n++) {
        failing_alloc_plan(&failing, n, true);
        vv_alloc_init(&alloc, &source);
        vv_buf out;
        vv_buf_init(&out, &alloc, SIZE_MAX);
        vv_stream_writer *writer;
        varve_status status = vv_stream_writer_create(&alloc, VARVE_PRECISION_NS, &writer, &err);
        if (status == VARVE_OK) {
            status = vv_stream_write_rows(writer, &rows, &out, &err);
        }
        if (status == VARVE_OK) {
            status = vv_stream_write_end(writer, &out, &err);
        }
        is_over = status == VARVE_OK;
        if (!is_over) {
            check_status(VARVE_E_NOMEM, status);
        }
        vv_stream_writer_free(writer);
        vv_buf_deinit(&out);
        assert_int_equal(vv_alloc_bytes(&alloc), 0);
    }
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_gives_back_every_bit_of_every_type),
        cmocka_unit_test(stream_has_the_bytes_of_its_page),
        cmocka_unit_test(stream_without_rows_is_one),
        cmocka_unit_test(stream_takes_rows_of_many_fields),
        cmocka_unit_test(stream_leaves_out_rows_without_values),
        cmocka_unit_test(stream_of_an_earlier_build_reads_the_same),
        cmocka_unit_test(stream_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
