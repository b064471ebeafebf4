/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into a vector comes out of it, bit for bit, and is as small as promised. */
#include "codec_fixture.h"
#include "support/failing_alloc.h"
#include "value_sets.h"

static double doubles[VV_VECTOR_ROWS_MAX];
static int64_t ints[VV_VECTOR_ROWS_MAX];
static int64_t times[VV_VECTOR_ROWS_MAX];
static varve_text texts[VV_VECTOR_ROWS_MAX];
static uint64_t present[VV_VECTOR_ROWS_MAX / 64];
static uint64_t marks[VV_VECTOR_ROWS_MAX / 64];

static void every_value_set_comes_back_at_every_count(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t set = 0; set < VALUE_SET_COUNT; ++set) {
        for (size_t i = 0; i < VALUE_COUNT_COUNT; ++i) {
            value_sets[set].fill(&fixture->random, doubles, value_counts[i]);
            codec_check_values(fixture, VARVE_TYPE_F64, doubles, value_counts[i], NULL);
        }
    }
}

static void value_sets_take_no_more_bits_than_promised(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    vv_random random; /* its own, so that other tests do not change the sizes */
    vv_random_init(&random, 123);
    for (size_t set = 0; set < VALUE_SET_COUNT; ++set) {
        value_sets[set].fill(&random, doubles, VV_VECTOR_ROWS_MAX);
        size_t size =
            codec_check_values(fixture, VARVE_TYPE_F64, doubles, VV_VECTOR_ROWS_MAX, NULL);
        double bits = (double)size * 8 / VV_VECTOR_ROWS_MAX;
        print_message("%-12s %6.2f bits a value, at most %.1f\n", value_sets[set].name, bits,
                      value_sets[set].bits_max);
        assert_true(bits <= value_sets[set].bits_max);
    }
}

static void real_columns_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    char path[4096];
    DIR *directory = value_open_real(path, sizeof path);
    if (directory == NULL) {
        print_message("no real columns: set VARVE_ALP_SAMPLES\n");
        skip();
    }
    size_t columns = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char file[4096 + 300];
        (void)snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        size_t count = entry->d_name[0] == '.' ? 0 : value_read_real(file, doubles, 1024);
        if (count > 0) {
            size_t size = codec_check_values(fixture, VARVE_TYPE_F64, doubles, count, NULL);
            print_message("%-28s %6.2f bits a value\n", entry->d_name,
                          (double)size * 8 / (double)count);
            assert_true(size < count * 8);
            columns += 1;
        }
    }
    closedir(directory);
    assert_true(columns > 0);
}

/* A vector of decimals in which some values, anywhere, are none. */
static void any_number_of_exceptions_comes_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t exceptions = 0; exceptions <= VV_VECTOR_ROWS_MAX;
         exceptions += exceptions < 40 ? 1 : 41) {
        value_sensor(&fixture->random, doubles, VV_VECTOR_ROWS_MAX);
        for (size_t i = 0; i < exceptions; ++i) {
            doubles[vv_random_below(&fixture->random, VV_VECTOR_ROWS_MAX)] =
                codec_double(vv_random_u64(&fixture->random));
        }
        codec_check_values(fixture, VARVE_TYPE_F64, doubles, VV_VECTOR_ROWS_MAX, NULL);
    }
    for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
        doubles[i] = codec_double(UINT64_C(0x7FF8000000000000) + i);
    }
    codec_check_values(fixture, VARVE_TYPE_F64, doubles, VV_VECTOR_ROWS_MAX, NULL);
}

static const uint64_t special_patterns[] = {
    0,
    UINT64_C(0x8000000000000000), /* -0.0 */
    1,                            /* the least subnormal */
    UINT64_C(0x8000000000000001),
    UINT64_C(0x000FFFFFFFFFFFFF), /* the greatest subnormal */
    UINT64_C(0x0010000000000000), /* the least normal */
    UINT64_C(0x7FEFFFFFFFFFFFFF), /* the greatest */
    UINT64_C(0xFFEFFFFFFFFFFFFF),
    UINT64_C(0x7FF0000000000000), /* infinities */
    UINT64_C(0xFFF0000000000000),
    UINT64_C(0x7FF0000000000001), /* signalling NaNs */
    UINT64_C(0xFFF0000000000001),
    UINT64_C(0x7FF0000000000002), /* the stale marker of Prometheus */
    UINT64_C(0x7FF8000000000000), /* quiet NaNs */
    UINT64_C(0xFFF8000000000000),
    UINT64_C(0x7FFFFFFFFFFFFFFF),
    UINT64_C(0xFFFFFFFFFFFFFFFF),
    UINT64_C(0x4340000000000000), /* 2^53 and its neighbours */
    UINT64_C(0x433FFFFFFFFFFFFF),
    UINT64_C(0x4320000000000000), /* 2^51 */
    UINT64_C(0x4320000000000001),
    UINT64_C(0xC320000000000000),
    UINT64_C(0x4338000000000000), /* the constant of the kernels */
    UINT64_C(0x3FB999999999999A), /* 0.1 */
};

static void doubles_of_every_kind_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    size_t kinds = VV_ARRAY_COUNT(special_patterns);
    for (size_t first = 0; first < kinds; ++first) {
        for (size_t second = 0; second < kinds; ++second) {
            for (size_t i = 0; i < 70; ++i) {
                size_t kind = vv_random_below(&fixture->random, 8) == 0 ? second : first;
                doubles[i] = codec_double(special_patterns[kind]);
            }
            codec_check_values(fixture, VARVE_TYPE_F64, doubles, 70, NULL);
        }
    }
    for (size_t round = 0; round < 20; ++round) {
        for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
            doubles[i] = codec_double(special_patterns[vv_random_below(&fixture->random, kinds)]);
        }
        codec_check_values(fixture, VARVE_TYPE_F64, doubles, VV_VECTOR_ROWS_MAX, NULL);
    }
}

/* Numbers of up to `bits` bits around 0, INT64_MIN or INT64_MAX. */
static int64_t random_int(vv_random *random, uint32_t bits, uint64_t base)
{
    uint64_t distance = bits == 0 ? 0 : vv_random_u64(random) >> (64 - bits);
    return (int64_t)(base + distance);
}

static void integers_of_every_width_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const uint64_t bases[] = {0, UINT64_C(1) << 63, UINT64_MAX >> 1, UINT64_MAX - 5};
    for (uint32_t bits = 0; bits <= 64; ++bits) {
        for (size_t base = 0; base < VV_ARRAY_COUNT(bases); ++base) {
            size_t count = value_counts[vv_random_below(&fixture->random, VALUE_COUNT_COUNT)];
            for (size_t i = 0; i < count; ++i) {
                ints[i] = random_int(&fixture->random, bits, bases[base]);
            }
            codec_check_values(fixture, VARVE_TYPE_I64, ints, count, NULL);
            codec_check_values(fixture, VARVE_TYPE_U64, ints, count, NULL);
            for (size_t i = 1; i < count; ++i) { /* a walk with steps of that width */
                ints[i] = (int64_t)((uint64_t)ints[i - 1] + (uint64_t)ints[i]);
            }
            codec_check_values(fixture, VARVE_TYPE_I64, ints, count, NULL);
        }
    }
}

static void sort_times(int64_t *values, size_t count)
{
    for (size_t i = 1; i < count; ++i) {
        int64_t value = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > value; --at) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
}

static void times_of_every_kind_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    uint32_t field = 0;
    uint8_t bools[300] = {0};
    varve_column column = {.type = VARVE_TYPE_BOOL, .values = bools};
    for (uint32_t bits = 0; bits <= 64; ++bits) {
        size_t count = 1 + vv_random_below(&fixture->random, 300);
        for (size_t i = 0; i < count; ++i) {
            times[i] = random_int(&fixture->random, bits, UINT64_C(1) << 63);
        }
        sort_times(times, count);
        vv_rows rows = codec_rows(count, times, &field, &column);
        codec_check_round_trip(fixture, &rows);
    }
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    for (size_t i = 0; i < VV_ARRAY_COUNT(edges); ++i) {
        for (size_t j = i; j < VV_ARRAY_COUNT(edges); ++j) {
            for (size_t k = j; k < VV_ARRAY_COUNT(edges); ++k) {
                int64_t three[] = {edges[i], edges[j], edges[k]};
                for (size_t count = 1; count <= 3; ++count) {
                    vv_rows rows = codec_rows(count, three, &field, &column);
                    codec_check_round_trip(fixture, &rows);
                }
            }
        }
    }
}

static void rows_without_a_value_come_back_as_such(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (uint32_t share = 0; share <= 10; ++share) {
        for (size_t i = 0; i < VALUE_COUNT_COUNT; i += 3) {
            size_t count = value_counts[i];
            memset(present, 0, sizeof present);
            for (size_t row = 0; row < count; ++row) {
                vv_bits_put(present, row, vv_random_below(&fixture->random, 10) < share);
            }
            value_sensor(&fixture->random, doubles, count);
            codec_check_values(fixture, VARVE_TYPE_F64, doubles, count, present);
            codec_check_values(fixture, VARVE_TYPE_I64, doubles, count, present);
            for (size_t row = 0; row < count; ++row) {
                ((uint8_t *)ints)[row] = (uint8_t)vv_random_below(&fixture->random, 2);
                texts[row] =
                    vv_text_make(&"row of words"[row % 4], vv_bits_get(present, row) ? 8 : 0);
            }
            codec_check_values(fixture, VARVE_TYPE_BOOL, ints, count, present);
            codec_check_values(fixture, VARVE_TYPE_STRING, texts, count, present);
        }
    }
}

static void a_vector_needs_no_columns(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    codec_fill_times(times, 5, -7, 7);
    vv_rows rows = {.count = 5, .times = times};
    codec_check_round_trip(fixture, &rows);
}

static void many_columns_of_all_types_share_one_vector(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    enum { COLUMNS = 1000, ROWS = 12 };
    static uint32_t fields[COLUMNS];
    static varve_column columns[COLUMNS];
    static uint64_t values[COLUMNS][ROWS];
    static uint64_t row_ids[ROWS];
    static const uint32_t types[] = {VARVE_TYPE_F64, VARVE_TYPE_I64, VARVE_TYPE_U64,
                                     VARVE_TYPE_STRING, VARVE_TYPE_HISTOGRAM};
    uint64_t some = 0x0A5;
    for (size_t row = 0; row < ROWS; ++row) {
        texts[row] = vv_text_make(&"abcdefghijkl"[row], ROWS - row);
        row_ids[row] = UINT64_MAX - row * row;
    }
    for (size_t i = 0; i < COLUMNS; ++i) {
        fields[i] = (uint32_t)(i * 300);
        columns[i].type = types[i % VV_ARRAY_COUNT(types)];
        columns[i].values = vv_type_is_blob(columns[i].type) ? (void *)texts : (void *)values[i];
        columns[i].present = i % 3 == 0 && !vv_type_is_blob(columns[i].type) ? &some : NULL;
        vv_random_fill(&fixture->random, values[i], sizeof values[i]);
    }
    fields[COLUMNS - 1] = UINT32_MAX;
    codec_fill_times(times, ROWS, 0, 0);
    vv_rows rows = {.count = ROWS,
                    .times = times,
                    .row_ids = row_ids,
                    .fields = fields,
                    .columns = columns,
                    .column_count = COLUMNS};
    codec_check_round_trip(fixture, &rows);
}

static void bytes_and_strings_of_one_column_keep_their_kinds(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    uint32_t field = 1;
    for (uint32_t share = 0; share <= 4; ++share) {
        for (size_t count = 1; count <= 200; count += 37) {
            memset(present, 0, sizeof present);
            memset(marks, 0, sizeof marks);
            for (size_t row = 0; row < count; ++row) {
                bool has = vv_random_below(&fixture->random, 5) > 0;
                vv_bits_put(present, row, has);
                vv_bits_put(marks, row, has && vv_random_below(&fixture->random, 4) < share);
                texts[row] = vv_text_make("\0\xff zero and more", has ? row % 16 : 0);
            }
            varve_column column = {.type = share % 2 == 0 ? VARVE_TYPE_STRING : VARVE_TYPE_BYTES,
                                   .values = texts,
                                   .present = present,
                                   .marks = marks};
            codec_fill_times(times, count, 0, 1);
            vv_rows rows = codec_rows(count, times, &field, &column);
            codec_check_round_trip(fixture, &rows);
            column.marks = NULL;
            codec_check_round_trip(fixture, &rows);
        }
    }
}

static void a_value_of_the_greatest_size_comes_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    char *text = (char *)malloc(VV_VALUE_BYTES_MAX + 1);
    assert_non_null(text);
    memset(text, 'v', VV_VALUE_BYTES_MAX + 1);
    vv_random_fill(&fixture->random, text, 1 << 20);
    varve_text one = vv_text_make(text, VV_VALUE_BYTES_MAX);
    codec_check_values(fixture, VARVE_TYPE_BYTES, &one, 1, NULL);

    one.size = VV_VALUE_BYTES_MAX + 1;
    uint32_t field = 1;
    varve_column column = {.type = VARVE_TYPE_BYTES, .values = &one};
    codec_fill_times(times, 1, 0, 1);
    vv_rows rows = codec_rows(1, times, &field, &column);
    varve_error err;
    vv_buf_reset(&fixture->out);
    check_status(VARVE_E_LIMIT, vv_vector_encode(&rows, fixture->scratch, &fixture->out, &err));
    free(text);
    /* What such a value needed is not kept. */
    vv_arena_reset(&fixture->arena);
    assert_in_range(fixture->scratch->raw.capacity, 0, 1 << 20);
}

static void a_failed_encode_leaves_the_buffer_as_it_was(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    uint32_t field = 1;
    varve_column column = {.type = VARVE_TYPE_F64, .values = doubles};
    value_random(&fixture->random, doubles, 1000);
    codec_fill_times(times, 1000, 0, 1);
    vv_rows rows = codec_rows(1000, times, &field, &column);
    vv_buf small;
    varve_error err;
    vv_buf_init(&small, &fixture->alloc, 4000);
    vv_buf_append(&small, "before", 6);
    check_status(VARVE_E_LIMIT, vv_vector_encode(&rows, fixture->scratch, &small, &err));
    assert_int_equal(small.size, 6);
    assert_memory_equal(small.data, "before", 6);
    check_status(VARVE_E_LIMIT, vv_vector_encode(&rows, fixture->scratch, &small, &err));
    vv_buf_reset(&small);
    rows.count = 100;
    check_ok(vv_vector_encode(&rows, fixture->scratch, &small, &err), &err);
    vv_buf_deinit(&small);
}

static void the_same_rows_give_the_same_bytes(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    uint32_t field = 1;
    varve_column column = {.type = VARVE_TYPE_F64, .values = doubles};
    codec_fill_times(times, 1000, 0, 1);
    vv_rows rows = codec_rows(1000, times, &field, &column);
    varve_error err;
    vv_codec_scratch *fresh;
    check_ok(vv_codec_scratch_create(&fixture->alloc, &fresh, &err), &err);
    vv_buf again;
    vv_buf_init(&again, &fixture->alloc, SIZE_MAX);
    for (size_t set = 0; set < VALUE_SET_COUNT; ++set) {
        value_sets[set].fill(&fixture->random, doubles, 1000);
        vv_buf_reset(&fixture->out);
        vv_buf_reset(&again);
        /* One scratch has seen all that came before, the other has not. */
        check_ok(vv_vector_encode(&rows, fixture->scratch, &fixture->out, &err), &err);
        check_ok(vv_vector_encode(&rows, fresh, &again, &err), &err);
        assert_true(vv_bytes_equal(vv_buf_bytes(&again), vv_buf_bytes(&fixture->out)));
        memset((char *)fresh->dense, 0xAA, sizeof fresh->dense);
        memset((char *)fresh->packed, 0xAA, sizeof fresh->packed);
        memset((char *)fresh->slots, 0xAA, sizeof fresh->slots);
    }
    vv_buf_deinit(&again);
    vv_codec_scratch_free(fresh);
}

/* Encode and decode with an allocator in which request n fails; false when n was not reached. */
static bool run_with_failure(uint64_t n, const vv_rows *rows)
{
    failing_alloc failing;
    failing_alloc_init(&failing);
    failing_alloc_plan(&failing, n, true);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    vv_codec_scratch *scratch = NULL;
    vv_buf out;
    vv_arena arena;
    varve_error err;
    vv_buf_init(&out, &alloc, SIZE_MAX);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_status status = vv_codec_scratch_create(&alloc, &scratch, &err);
    if (status == VARVE_OK) {
        status = vv_vector_encode(rows, scratch, &out, &err);
    }
    vv_vector vector;
    if (status == VARVE_OK) {
        check_ok(vv_vector_parse(vv_buf_bytes(&out), &vector, &err), &err);
    }
    for (uint32_t i = 0; i < rows->column_count && status == VARVE_OK; ++i) {
        vv_vector_column column;
        static varve_text decoded[VV_VECTOR_ROWS_MAX];
        check_ok(vv_vector_column_at(&vector, i, &column, &err), &err);
        status = vv_vector_decode(&column, scratch, &arena, decoded, NULL, NULL, &err);
    }
    bool was_reached = atomic_load(&failing.failures) > 0;
    if (was_reached) {
        check_status(VARVE_E_NOMEM, status);
        assert_string_not_equal(err.message, "");
    } else {
        check_ok(status, &err);
    }
    vv_arena_deinit(&arena);
    vv_buf_deinit(&out);
    vv_codec_scratch_free(scratch);
    assert_int_equal(atomic_load(&failing.live), 0);
    return was_reached;
}

static void each_failing_allocation_is_reported_and_nothing_leaks(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    enum { ROWS = 200 };
    static char ids[ROWS][20];
    for (size_t i = 0; i < ROWS; ++i) {
        (void)snprintf(ids[i], sizeof ids[i], "id-%016llx",
                       (unsigned long long)vv_random_u64(&fixture->random) >> 40);
        texts[i] = vv_text_make(ids[i], 19);
    }
    value_random(&fixture->random, doubles, ROWS);
    codec_fill_times(times, ROWS, 0, 1);
    uint32_t fields[] = {1, 2};
    varve_column columns[] = {{.type = VARVE_TYPE_F64, .values = doubles},
                              {.type = VARVE_TYPE_STRING, .values = texts}};
    vv_rows rows = {.count = ROWS,
                    .times = times,
                    .fields = fields,
                    .columns = columns,
                    .column_count = VV_ARRAY_COUNT(columns)};
    uint64_t n = 1;
    while (run_with_failure(n, &rows)) {
        n += 1;
    }
    print_message("%llu allocations\n", (unsigned long long)n - 1);
    assert_true(n > 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_set_comes_back_at_every_count),
        cmocka_unit_test(value_sets_take_no_more_bits_than_promised),
        cmocka_unit_test(real_columns_come_back),
        cmocka_unit_test(any_number_of_exceptions_comes_back),
        cmocka_unit_test(doubles_of_every_kind_come_back),
        cmocka_unit_test(integers_of_every_width_come_back),
        cmocka_unit_test(times_of_every_kind_come_back),
        cmocka_unit_test(rows_without_a_value_come_back_as_such),
        cmocka_unit_test(a_vector_needs_no_columns),
        cmocka_unit_test(many_columns_of_all_types_share_one_vector),
        cmocka_unit_test(bytes_and_strings_of_one_column_keep_their_kinds),
        cmocka_unit_test(a_value_of_the_greatest_size_comes_back),
        cmocka_unit_test(a_failed_encode_leaves_the_buffer_as_it_was),
        cmocka_unit_test(the_same_rows_give_the_same_bytes),
        cmocka_unit_test(each_failing_allocation_is_reported_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
