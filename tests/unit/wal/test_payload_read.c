/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that are not what a writer makes: cut, flipped, out of limits. */
#include "run_support.h"

static vv_alloc payload_alloc;

/* Reads everything; counts the rows, and touches every value. */
static varve_status payload_read_all(const uint8_t *bytes, size_t size, uint64_t *out_rows)
{
    vv_arena arena;
    vv_arena_init(&arena, &payload_alloc, 64 * 1024 * 1024);
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, vv_bytes_make(bytes, size));
    varve_status status = VARVE_OK;
    bool has_more = true;
    uint64_t rows = 0;
    uint64_t sum = 0;
    while (status == VARVE_OK && has_more && rows < 10000000) {
        vv_run run;
        status = vv_payload_next_run(&reader, &arena, &run, &has_more, NULL);
        if (status != VARVE_OK || !has_more) {
            break;
        }
        rows += run.count;
        sum += run.series[run.series_count - 1];
        for (size_t i = 0; i < run.column_count; ++i) {
            const varve_column *column = &run.columns[i];
            sum += ((const uint8_t *)column->values)[run.count * vv_type_width(column->type) - 1];
            for (size_t k = 0; vv_type_is_blob(column->type) && k < run.count; ++k) {
                varve_text text = ((const varve_text *)column->values)[k];
                sum += text.size > 0 ? (unsigned char)text.data[text.size - 1] : 0;
            }
        }
        vv_arena_reset(&arena);
    }
    vv_arena_deinit(&arena);
    *out_rows = rows + (sum & 0);
    return status;
}

static void payload_build(vv_buf *payload, uint64_t seed)
{
    vv_arena arena;
    vv_arena_init(&arena, &payload_alloc, SIZE_MAX);
    vv_random random;
    vv_random_init(&random, seed);
    varve_error err;
    vv_buf_init(payload, &payload_alloc, SIZE_MAX);
    while (payload->size < 300) {
        size_t before = payload->size;
        vv_run run = run_random(&random, &arena);
        check_ok(vv_payload_add_run(payload, &run, &err), &err);
        if (payload->size > 3000) {
            vv_buf_truncate(payload, before); /* too long to try each of its bytes */
        }
    }
    vv_arena_deinit(&arena);
}

/* A copy of exactly this size, so that a read past its end is noticed. */
static uint8_t *payload_exact(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

static void payload_cut_anywhere_is_corrupt_or_shorter(void **state)
{
    (void)state;
    vv_buf payload;
    payload_build(&payload, 99);
    uint64_t rows_of_all;
    check_ok(payload_read_all(payload.data, payload.size, &rows_of_all), NULL);
    for (size_t size = 0; size < payload.size; ++size) {
        uint8_t *copy = payload_exact(payload.data, size);
        uint64_t rows;
        varve_status status = payload_read_all(copy, size, &rows);
        assert_true(status == VARVE_E_CORRUPT || (status == VARVE_OK && rows < rows_of_all));
        free(copy);
    }
    vv_buf_deinit(&payload);
}

static void payload_flipped_bits_are_read_or_refused(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; ++seed) {
        vv_buf payload;
        payload_build(&payload, seed);
        uint8_t *copy = payload_exact(payload.data, payload.size);
        for (size_t bit = 0; bit < payload.size * 8; ++bit) {
            copy[bit / 8] = (uint8_t)(copy[bit / 8] ^ 1u << (bit % 8));
            uint64_t rows;
            varve_status status = payload_read_all(copy, payload.size, &rows);
            assert_true(status == VARVE_OK || status == VARVE_E_CORRUPT || status == VARVE_E_LIMIT);
            copy[bit / 8] = (uint8_t)(copy[bit / 8] ^ 1u << (bit % 8));
        }
        free(copy);
        vv_buf_deinit(&payload);
    }
}

/* Each line is one thing that no writer makes. */
static void payload_refuses_what_no_writer_makes(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[24];
        size_t size;
    } cases[] = {
        {"an unknown shape", {3, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 15},
        {"an unknown bit in the head", {8, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 15},
        {"no row", {4, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 15},
        {"a scrape of one row", {5, 1, 2, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 15},
        {"no column", {4, 1, 1, 0, 0}, 5},
        {"a column of no type", {4, 1, 1, 0, 1, 1, 0}, 7},
        {"a coding that a bool has not", {4, 1, 1, 0, 1, 1, 0x24, 1}, 8},
        {"a coding that no number has", {4, 1, 1, 0, 1, 1, 0xa1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 16},
        {"decimals of integers", {4, 1, 1, 0, 1, 1, 0x82, 1, 1, 1}, 10},
        {"decimals of ten digits", {4, 1, 1, 0, 1, 1, 0x81, 10, 1, 1}, 10},
        {"marks of a number", {4, 1, 1, 0, 1, 1, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 16},
        {"a field twice", {4, 1, 1, 0, 2, 1, 4, 1, 0, 4, 1}, 11},
        {"a field above 32 bits", {4, 1, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 4, 1, 1, 4, 1}, 15},
        {"presence of a second row", {4, 1, 1, 0, 1, 1, 0x0c, 3, 1}, 9},
        {"a true bool behind the last", {4, 1, 1, 0, 1, 1, 4, 3}, 8},
        {"a width of three", {0, 2, 1, 0, 0, 3, 0, 0, 0, 1, 1, 4, 0}, 13},
        {"a width of three of sizes", {4, 1, 1, 0, 1, 1, 6, 0, 3, 0, 0, 0}, 12},
        {"a number of nine bytes", {4, 1, 1, 0, 1, 1, 0x21, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 17},
        {"an empty vector", {2, 1, 1, 0}, 4},
        {"a vector with one time", {6, 1, 1, 1, 9}, 5},
        {"a vector of 1025 rows", {2, 0x81, 8, 1, 1, 9}, 6},
        {"a series id above 32 bits", {0, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 1, 1, 4, 0}, 12},
        {"negative series ids", {5, 2, 1, 0, 0, 0, 1, 1, 4, 0}, 10},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); ++i) {
        uint64_t rows;
        uint8_t *copy = payload_exact(cases[i].bytes, cases[i].size);
        varve_status status = payload_read_all(copy, cases[i].size, &rows);
        free(copy);
        if (status != VARVE_E_CORRUPT) {
            print_error("%s: %s\n", cases[i].what, vv_status_name(status));
        }
        check_status(VARVE_E_CORRUPT, status);
    }
    static const uint8_t good[] = {4, 1, 1, 0, 1, 1, 4, 1};
    uint64_t rows;
    check_ok(payload_read_all(good, sizeof good, &rows), NULL);
    assert_int_equal(1, rows);
}

static void payload_few_bytes_cannot_ask_for_all_memory(void **state)
{
    (void)state;
    /* 2^20 rows in 1024 columns of equal values. */
    uint8_t bytes[16 + 1024 * 10] = {4, 0x80, 0x80, 0x40, 1, 0, 0x80, 8};
    size_t size = 8;
    for (size_t i = 0; i < 1024; ++i) {
        bytes[size] = 1;
        bytes[size + 1] = 0x61;
        size += 10;
    }
    uint64_t rows;
    check_status(VARVE_E_CORRUPT, payload_read_all(bytes, size, &rows));
}

static void payload_reading_stops_at_the_limit_of_the_arena(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {4, 0x80, 0x80, 0x40, 1, 0, 1, 1, 0x61, 1, 2, 3, 4, 5, 6, 7, 8};
    vv_arena arena;
    vv_arena_init(&arena, &payload_alloc, 1024 * 1024);
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, vv_bytes_make(bytes, sizeof bytes));
    vv_run run;
    bool has_more;
    varve_error err;
    check_status(VARVE_E_LIMIT, vv_payload_next_run(&reader, &arena, &run, &has_more, &err));
    vv_arena_deinit(&arena);
}

static int payload_leaves_no_memory(void **state)
{
    (void)state;
    assert_int_equal(0, vv_alloc_bytes(&payload_alloc));
    return 0;
}

int main(void)
{
    vv_alloc_init(&payload_alloc, NULL);
#define payload_test(name) cmocka_unit_test_teardown(name, payload_leaves_no_memory)
    const struct CMUnitTest tests[] = {
        payload_test(payload_cut_anywhere_is_corrupt_or_shorter),
        payload_test(payload_flipped_bits_are_read_or_refused),
        payload_test(payload_refuses_what_no_writer_makes),
        payload_test(payload_few_bytes_cannot_ask_for_all_memory),
        payload_test(payload_reading_stops_at_the_limit_of_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
