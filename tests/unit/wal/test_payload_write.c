/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of rows: every shape and type comes back as it was, in few bytes. */
#include "run_support.h"
#include "support/failing_alloc.h"
#include "wal/payload_priv.h"

typedef struct payload_world {
    vv_alloc alloc;
    vv_arena arena; /* of what is written */
    vv_arena read_arena;
    vv_buf payload;
} payload_world;

static void payload_world_init(payload_world *world)
{
    vv_alloc_init(&world->alloc, NULL);
    vv_arena_init(&world->arena, &world->alloc, SIZE_MAX);
    vv_arena_init(&world->read_arena, &world->alloc, SIZE_MAX);
    vv_buf_init(&world->payload, &world->alloc, SIZE_MAX);
}

static void payload_world_deinit(payload_world *world)
{
    vv_buf_deinit(&world->payload);
    vv_arena_deinit(&world->read_arena);
    vv_arena_deinit(&world->arena);
    assert_int_equal(0, vv_alloc_bytes(&world->alloc));
}

static size_t payload_add(payload_world *world, const vv_run *run)
{
    varve_error err;
    size_t before = world->payload.size;
    check_ok(vv_payload_add_run(&world->payload, run, &err), &err);
    return world->payload.size - before;
}

/* One row of the payload_many columns below. */
#define FIELDS 10

static void payload_runs_come_back_as_they_were(void **state)
{
    (void)state;
    uint64_t seed = 20250;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned round = 0; round < 150; ++round) {
        payload_world world;
        payload_world_init(&world);
        vv_random random;
        vv_random_init(&random, seed + round);
        vv_run runs[8];
        size_t count = 1 + (size_t)vv_random_below(&random, 8);
        for (size_t i = 0; i < count; ++i) {
            runs[i] = run_random(&random, &world.arena);
            (void)payload_add(&world, &runs[i]);
        }
        vv_payload_reader reader;
        vv_payload_reader_init(&reader, vv_buf_bytes(&world.payload));
        varve_error err;
        vv_run run;
        bool has_more;
        for (size_t i = 0; i < count; ++i) {
            check_ok(vv_payload_next_run(&reader, &world.read_arena, &run, &has_more, &err), &err);
            assert_true(has_more);
            assert_true(run_is_equal(&runs[i], &run));
        }
        check_ok(vv_payload_next_run(&reader, &world.read_arena, &run, &has_more, &err), &err);
        assert_false(has_more);
        payload_world_deinit(&world);
    }
}

/* A scrape: `count` series with one f64 each, one time. */
static vv_run payload_scrape(payload_world *world, size_t count, double first, double step)
{
    uint32_t *series = vv_arena_array(&world->arena, count, sizeof *series);
    double *values = vv_arena_array(&world->arena, count, sizeof *values);
    int64_t *time = vv_arena_new(&world->arena, sizeof *time);
    uint32_t *field = vv_arena_new(&world->arena, sizeof *field);
    varve_column *column = vv_arena_zeroed(&world->arena, sizeof *column);
    assert_true(series != NULL && values != NULL && time != NULL && field != NULL &&
                column != NULL);
    for (size_t i = 0; i < count; ++i) {
        series[i] = (uint32_t)(5000 + i);
        values[i] = first + (double)i * step;
    }
    *time = INT64_C(1700000000000000000);
    *field = 1;
    column->type = VARVE_TYPE_F64;
    column->values = values;
    return (vv_run){.count = count,
                    .series = series,
                    .series_count = count,
                    .times = time,
                    .time_count = 1,
                    .fields = field,
                    .columns = column,
                    .column_count = 1};
}

static void payload_scrape_of_raw_values_takes_eight_bytes_a_row(void **state)
{
    (void)state;
    payload_world world;
    payload_world_init(&world);
    vv_run run = payload_scrape(&world, 1000, 0.123456789, 0.0987654321);
    assert_in_range(payload_add(&world, &run), 8000, 8040);
    payload_world_deinit(&world);
}

static void payload_scrape_of_counters_takes_less_than_six_bytes_a_row(void **state)
{
    (void)state;
    payload_world world;
    payload_world_init(&world);
    vv_run run = payload_scrape(&world, 1000, 17, 1234567);
    assert_in_range(payload_add(&world, &run), 100, 6000);
    payload_world_deinit(&world);
}

static void payload_scrape_of_decimals_takes_less_than_six_bytes_a_row(void **state)
{
    (void)state;
    payload_world world;
    payload_world_init(&world);
    vv_run run = payload_scrape(&world, 1000, 0, 0);
    vv_random random;
    vv_random_init(&random, 5);
    double *values = vv_arena_array(&world.arena, 1000, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < 1000; ++i) {
        values[i] = (double)vv_random_between(&random, -9999, 99999) / 100;
    }
    varve_column column = {.type = VARVE_TYPE_F64, .values = values};
    run.columns = &column;
    assert_in_range(payload_add(&world, &run), 100, 4000);
    for (size_t i = 0; i < 1000; ++i) { /* the most digits that are looked for */
        values[i] = (double)vv_random_between(&random, -9999, 99999) / 1000000;
    }
    assert_in_range(payload_add(&world, &run), 100, 4000);
    for (size_t i = 0; i < 1000; ++i) { /* and one more */
        values[i] = (double)vv_random_between(&random, -99999, 99999) / 10000000;
    }
    assert_in_range(payload_add(&world, &run), 8000, 8100);
    payload_world_deinit(&world);
}

/* One value that is no decimal, not seen by the sample, and the bits still come back. */
static void payload_decimals_with_exceptions_come_back_bit_by_bit(void **state)
{
    (void)state;
    const double odd[] = {-0.0, 0.1 + 0.2, 1e300, -1e-300, 4503599627370497.5};
    for (size_t i = 0; i < VV_ARRAY_COUNT(odd) + 2; ++i) {
        payload_world world;
        payload_world_init(&world);
        vv_run run = payload_scrape(&world, 1000, 0, 0.5);
        double values[1000];
        memcpy(values, run.columns[0].values, sizeof values);
        uint64_t nan_bits =
            i == VV_ARRAY_COUNT(odd) ? UINT64_C(0x7ff4000000000123) : UINT64_C(0xfff8000000000001);
        if (i < VV_ARRAY_COUNT(odd)) {
            values[501] = odd[i];
        } else {
            memcpy(&values[501], &nan_bits, 8);
        }
        varve_column column = {.type = VARVE_TYPE_F64, .values = values};
        run.columns = &column;
        (void)payload_add(&world, &run);
        vv_payload_reader reader;
        vv_payload_reader_init(&reader, vv_buf_bytes(&world.payload));
        vv_run read;
        bool has_more;
        check_ok(vv_payload_next_run(&reader, &world.read_arena, &read, &has_more, NULL), NULL);
        assert_true(run_is_equal(&run, &read));
        payload_world_deinit(&world);
    }
}

/* Numbers with no digits behind the point, and too large for that to be of use. */
static void payload_large_whole_numbers_take_no_more_than_raw_ones(void **state)
{
    (void)state;
    payload_world world;
    payload_world_init(&world);
    vv_run run = payload_scrape(&world, 1000, 2e15, 3333333333);
    assert_in_range(payload_add(&world, &run), 100, 8040);
    vv_payload_reader reader;
    vv_payload_reader_init(&reader, vv_buf_bytes(&world.payload));
    varve_error err;
    vv_run back;
    bool has_more;
    check_ok(vv_payload_next_run(&reader, &world.read_arena, &back, &has_more, &err), &err);
    assert_true(has_more && run_is_equal(&run, &back));
    payload_world_deinit(&world);
}

static void payload_equal_values_take_no_bytes_a_row(void **state)
{
    (void)state;
    payload_world world;
    payload_world_init(&world);
    vv_run run = payload_scrape(&world, 20000, 1.1, 0);
    assert_in_range(payload_add(&world, &run), 1, 40);
    payload_world_deinit(&world);
}

static void payload_one_row_of_ten_fields_is_small(void **state)
{
    (void)state;
    payload_world world;
    payload_world_init(&world);
    uint32_t series = 77;
    int64_t time = INT64_C(1700000000000000000);
    uint32_t fields[FIELDS];
    double values[FIELDS];
    varve_column columns[FIELDS];
    for (uint32_t i = 0; i < FIELDS; ++i) {
        fields[i] = i + 1;
        values[i] = (double)i * 100;
        columns[i] = (varve_column){.type = VARVE_TYPE_F64, .values = &values[i]};
    }
    vv_run run = {.count = 1,
                  .series = &series,
                  .series_count = 1,
                  .times = &time,
                  .time_count = 1,
                  .fields = fields,
                  .columns = columns,
                  .column_count = FIELDS};
    assert_in_range(payload_add(&world, &run), 1, 70);
    payload_world_deinit(&world);
}

static void payload_refuses_runs_above_its_limits(void **state)
{
    (void)state;
    payload_world world;
    payload_world_init(&world);
    varve_error err;
    vv_run run = payload_scrape(&world, VV_PAYLOAD_RUN_ROWS_MAX, 1, 0);
    check_ok(vv_payload_add_run(&world.payload, &run, &err), &err);
    size_t size = world.payload.size;
    run.count += 1;
    run.series_count = 1;
    check_status(VARVE_E_LIMIT, vv_payload_add_run(&world.payload, &run, &err));
    run.count = VV_PAYLOAD_RUN_ROWS_MAX;
    run.column_count = VV_RUN_VALUES_MAX / VV_PAYLOAD_RUN_ROWS_MAX + 1;
    check_status(VARVE_E_LIMIT, vv_payload_add_run(&world.payload, &run, &err));
    assert_int_equal(size, world.payload.size);
    payload_world_deinit(&world);
}

/* Whatever piece does not fit any more: nothing of the run stays. */
static void payload_stops_at_the_limit_of_its_buffer(void **state)
{
    (void)state;
    payload_world world;
    payload_world_init(&world);
    vv_random random;
    vv_random_init(&random, 5);
    uint64_t seen = 0; /* shapes: vectors 1, scrapes 2, one time 4, row ids 8 */
    for (int i = 0; i < 400 && (seen != 15 || i < 100); ++i) {
        varve_error err;
        vv_arena_reset(&world.arena);
        vv_run run = run_random(&random, &world.arena);
        vv_buf whole;
        vv_buf_init(&whole, &world.alloc, SIZE_MAX);
        check_ok(vv_payload_add_run(&whole, &run, &err), &err);
        seen |= run.vector != NULL ? 1u : 0u;
        seen |= run.series_count > 1 ? 2u : 0u;
        seen |= run.time_count == 1 ? 4u : 0u;
        seen |= run.row_ids != NULL ? 8u : 0u;
        size_t step = whole.size / 200 + 1; /* all of a small one */
        for (size_t limit = 0; limit < whole.size; limit += step) {
            vv_buf payload;
            vv_buf_init(&payload, &world.alloc, limit);
            check_status(VARVE_E_LIMIT, vv_payload_add_run(&payload, &run, &err));
            assert_int_equal(0, payload.size);
            assert_int_equal(VARVE_OK, payload.status);
            vv_buf_deinit(&payload);
        }
        vv_buf_deinit(&whole);
    }
    assert_int_equal(15, seen);
    payload_world_deinit(&world);
}

static void payload_survives_failing_allocations(void **state)
{
    (void)state;
    failing_alloc failing;
    failing_alloc_init(&failing);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc alloc;
    vv_alloc_init(&alloc, &source);
    payload_world world;
    payload_world_init(&world);
    vv_random random;
    vv_random_init(&random, 3);
    vv_run runs[4];
    for (size_t i = 0; i < 4; ++i) {
        runs[i] = run_random(&random, &world.arena);
    }
    bool is_over = false;
    for (uint64_t n = 1; !is_over; ++n) {
        vv_buf payload;
        vv_arena arena;
        varve_error err;
        vv_buf_init(&payload, &alloc, SIZE_MAX);
        vv_arena_init(&arena, &alloc, SIZE_MAX);
        failing_alloc_plan(&failing, n, true);
        for (size_t i = 0; i < 4; ++i) {
            size_t size = payload.size;
            varve_status status = vv_payload_add_run(&payload, &runs[i], &err);
            if (status != VARVE_OK) {
                check_status(VARVE_E_NOMEM, status);
                assert_int_equal(size, payload.size);
                check_ok(vv_payload_add_run(&payload, &runs[i], &err), &err);
            }
        }
        vv_payload_reader reader;
        vv_payload_reader_init(&reader, vv_buf_bytes(&payload));
        for (size_t i = 0; i < 4; ++i) {
            vv_run run;
            bool has_more;
            varve_status status = vv_payload_next_run(&reader, &arena, &run, &has_more, &err);
            if (status != VARVE_OK) {
                check_status(VARVE_E_NOMEM, status);
                check_ok(vv_payload_next_run(&reader, &arena, &run, &has_more, &err), &err);
            }
            assert_true(run_is_equal(&runs[i], &run));
        }
        is_over = atomic_load(&failing.failures) == 0;
        vv_arena_deinit(&arena);
        vv_buf_deinit(&payload);
        assert_int_equal(0, vv_alloc_bytes(&alloc));
    }
    payload_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payload_runs_come_back_as_they_were),
        cmocka_unit_test(payload_scrape_of_raw_values_takes_eight_bytes_a_row),
        cmocka_unit_test(payload_scrape_of_counters_takes_less_than_six_bytes_a_row),
        cmocka_unit_test(payload_scrape_of_decimals_takes_less_than_six_bytes_a_row),
        cmocka_unit_test(payload_decimals_with_exceptions_come_back_bit_by_bit),
        cmocka_unit_test(payload_large_whole_numbers_take_no_more_than_raw_ones),
        cmocka_unit_test(payload_equal_values_take_no_bytes_a_row),
        cmocka_unit_test(payload_one_row_of_ten_fields_is_small),
        cmocka_unit_test(payload_refuses_runs_above_its_limits),
        cmocka_unit_test(payload_stops_at_the_limit_of_its_buffer),
        cmocka_unit_test(payload_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
