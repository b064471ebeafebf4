/* SPDX-License-Identifier: Apache-2.0 */
/* A head generation as one thread sees it: invariants H1 to H6 of engine/head.h. */
#include "head_world.h"

static uint64_t last_of(const head_world *world)
{
    return world->next_sequence - 1;
}

static void a_new_head_is_empty(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    assert_int_equal(0, vv_head_bytes(world.head));
    assert_int_equal(0, vv_head_rows(world.head));
    assert_int_equal(0, vv_head_first_sequence(world.head));
    assert_int_equal(0, vv_head_first_write_ns(world.head));
    assert_false(vv_head_is_frozen(world.head));
    uint32_t series = world_series(&world, "last", 1);
    assert_false(vv_head_has_series(world.head, series));
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_deinit(&world);
}

static void rows_come_back_as_they_were_given(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    uint32_t series = world_series(&world, "last", 1);
    for (int i = 0; i < 1000; i++) {
        world_row row = world_row_f64(series, 1000 + 10 * i, i / 4.0);
        assert_int_equal(0, world_append(&world, &row, 1, false, last_of(&world)));
    }
    assert_int_equal(1000, vv_head_rows(world.head));
    assert_int_equal(1, vv_head_first_sequence(world.head));
    assert_int_equal(1000, vv_head_last_sequence(world.head));
    assert_true(vv_head_first_write_ns(world.head) > 0);
    assert_int_equal(1000, vv_head_series_sequence(world.head, series));
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, series, UINT64_MAX, (varve_range){1500, 5011});
    world_check(&world, world.head, series, UINT64_MAX, (varve_range){10990, INT64_MAX});
    world_check(&world, world.head, series, UINT64_MAX, (varve_range){INT64_MIN, 1000});
    world_deinit(&world);
}

static void an_old_view_reads_its_rows_after_they_were_sealed(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    uint32_t series[2] = {world_series(&world, "last", 1), world_series(&world, "all", 2)};
    for (int i = 0; i < 700; i++) {
        world_row rows[2] = {world_row_f64(series[0], 10 * i, i), world_row_f64(series[1], i, i)};
        rows[0].time -= i % 7 == 3 ? 100 : 0;
        world_append(&world, rows, 2, false, last_of(&world));
    }
    for (uint64_t visible = 0; visible <= 1400; visible += 37) {
        world_check(&world, world.head, series[0], visible, WORLD_ALL);
        world_check(&world, world.head, series[1], visible, WORLD_ALL);
    }
    world_deinit(&world);
}

static void rows_that_are_not_visible_are_not_sealed(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    uint32_t series = world_series(&world, "last", 1);
    for (int i = 0; i < 3000; i++) {
        world_row row = world_row_f64(series, 10 * i, i);
        world_append(&world, &row, 1, false, /* visible */ 50);
    }
    vv_arena arena;
    varve_error err;
    vv_head_pieces pieces;
    vv_arena_init(&arena, &world.db.alloc, SIZE_MAX);
    check_ok(
        vv_head_read(world.head, series, UINT64_MAX, WORLD_ALL, NULL, 0, &arena, &pieces, &err),
        &err);
    for (size_t i = 0; i < pieces.in_order_count; i++) {
        assert_true(!pieces.in_order[i].is_encoded || pieces.in_order[i].last_sequence <= 50);
    }
    vv_arena_deinit(&arena);
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, series, 1234, WORLD_ALL);
    world_deinit(&world);
}

static void late_rows_are_counted_and_kept_apart(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    uint32_t last = world_series(&world, "last", 1);
    uint32_t all = world_series(&world, "all", 1);
    world_row rows[6] = {
        world_row_f64(last, 100, 1), world_row_f64(last, 100, 2), /* equal time: late */
        world_row_f64(last, 99, 3),                               /* older: late */
        world_row_f64(all, 100, 1),  world_row_f64(all, 100, 2),  /* equal time: in order */
        world_row_f64(all, 99, 3),                                /* older: late */
    };
    assert_int_equal(3, world_append(&world, rows, 6, false, 0));
    world_check(&world, world.head, last, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, all, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, last, 1, WORLD_ALL);
    world_deinit(&world);
}

static void a_side_buffer_is_sealed_sorted(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    vv_random random;
    vv_random_init(&random, 7);
    uint32_t series = world_series(&world, "all", 1);
    world_row first = world_row_f64(series, 1000000, 0);
    world_append(&world, &first, 1, false, 0);
    for (int i = 0; i < 2500; i++) {
        world_row row = world_row_f64(series, (int64_t)(vv_random_u64(&random) % 500), i);
        assert_int_equal(1, world_append(&world, &row, 1, false, last_of(&world)));
    }
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, series, 600, WORLD_ALL);
    world_check(&world, world.head, series, 1800, (varve_range){100, 300});
    world_deinit(&world);
}

static void extreme_times_are_exact(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    static const int64_t times[] = {
        INT64_MIN, INT64_MIN,     INT64_MIN + 1, -5,        INT64_MIN,      0,
        1,         INT64_MAX - 1, INT64_MAX,     INT64_MAX, INT64_MAX - 10, INT64_MIN};
    for (unsigned n = 0; n < 2; n++) {
        uint32_t series = world_series(&world, n == 0 ? "last" : "all", 1);
        for (size_t i = 0; i < VV_ARRAY_COUNT(times); i++) {
            world_row row = world_row_f64(series, times[i], (double)i);
            world_append(&world, &row, 1, false, last_of(&world));
        }
        world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
        world_check(&world, world.head, series, UINT64_MAX, (varve_range){INT64_MIN, 0});
        world_check(&world, world.head, series, UINT64_MAX, (varve_range){INT64_MAX, INT64_MAX});
    }
    world_deinit(&world);
}

static void times_of_every_regularity_are_exact(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    vv_random random;
    vv_random_init(&random, 11);
    /* Exact steps, jitter within 31 bits, jitter beyond, a step that breaks in the middle. */
    uint32_t series[4];
    int64_t times[4] = {0};
    for (unsigned i = 0; i < 4; i++) {
        series[i] = world_series(&world, "last", i);
    }
    for (int64_t n = 0; n < 300; n++) {
        int64_t jitter = (int64_t)(vv_random_u64(&random) % 1000000);
        times[0] = n * INT64_C(10000000000);
        times[1] = n * INT64_C(10000000000) + jitter;
        times[2] += 1 + (int64_t)(vv_random_u64(&random) % INT64_C(100000000000));
        times[3] += n % 50 == 49 ? INT64_C(7777777777777) : 1000;
        for (unsigned i = 0; i < 4; i++) {
            world_row row = world_row_f64(series[i], times[i], (double)n);
            world_append(&world, &row, 1, false, last_of(&world));
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        world_check(&world, world.head, series[i], UINT64_MAX, WORLD_ALL);
        world_check(&world, world.head, series[i], 555, WORLD_ALL);
    }
    world_deinit(&world);
}

static void fields_may_come_and_go(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    vv_random random;
    vv_random_init(&random, 5);
    uint32_t series = world_series(&world, "last", 1);
    for (int i = 0; i < 600; i++) {
        world_row row = {.series = series, .time = i};
        uint32_t known = 1 + (uint32_t)i / 60 % WORLD_FIELDS;
        for (uint32_t field = 1; field <= known; field++) {
            if (i % 3 != 0 || vv_random_u64(&random) % 2 == 0 || field == known) {
                world_fill(&random, &row, field);
            }
        }
        world_append(&world, &row, 1, false, last_of(&world));
    }
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, series, 333, WORLD_ALL);
    world_deinit(&world);
}

static void reading_gives_the_fields_that_are_asked_for(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    vv_random random;
    vv_random_init(&random, 5);
    uint32_t series = world_series(&world, "last", 1);
    world_row row = {.series = series, .time = 1};
    world_fill(&random, &row, 1);
    world_fill(&random, &row, 3);
    world_fill(&random, &row, 4);
    world_append(&world, &row, 1, false, 0);
    static const uint32_t fields[] = {2, 3, 5};
    vv_arena arena;
    varve_error err;
    vv_head_pieces pieces;
    vv_arena_init(&arena, &world.db.alloc, SIZE_MAX);
    check_ok(
        vv_head_read(world.head, series, UINT64_MAX, WORLD_ALL, fields, 3, &arena, &pieces, &err),
        &err);
    assert_int_equal(1, pieces.in_order_count);
    assert_int_equal(1, pieces.in_order[0].plain.column_count);
    assert_int_equal(3, pieces.in_order[0].plain.fields[0]);
    vv_arena_deinit(&arena);
    world_deinit(&world);
}

static void a_vector_reads_as_the_rows_it_was_made_of(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    vv_random random;
    vv_random_init(&random, 9);
    uint32_t series = world_series(&world, "last", 1);
    world_row rows[VV_VECTOR_ROWS_MAX];
    memset(rows, 0, sizeof rows);
    int64_t time = 0;
    for (int round = 0; round < 6; round++) {
        world_row single = world_row_f64(series, time += 5, round);
        world_append(&world, &single, 1, false, round % 2 == 0 ? last_of(&world) : 0);
        size_t count = round == 2 ? 1 : VV_VECTOR_ROWS_MAX - (size_t)round;
        for (size_t i = 0; i < count; i++) {
            rows[i] = (world_row){.series = series, .time = time += 3};
            world_fill(&random, &rows[i], 2);
            world_fill(&random, &rows[i], 4);
        }
        /* In order but for round 4, which comes again a second time. */
        assert_int_equal(0, world_append(&world, rows, count, true, last_of(&world)));
        if (round == 4) {
            assert_int_equal(count, world_append(&world, rows, count, true, last_of(&world)));
        }
    }
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, series, 2500, WORLD_ALL);
    world_check(&world, world.head, series, 2500, (varve_range){1000, 3000});
    world_deinit(&world);
}

static void a_late_vector_closes_the_side_buffer(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    uint32_t series = world_series(&world, "all", 1);
    world_row rows[40];
    for (int i = 0; i < 40; i++) {
        rows[i] = world_row_f64(series, 10 * i, i);
    }
    world_row newest = world_row_f64(series, 1000, 1);
    world_append(&world, &newest, 1, false, 0);
    world_row early = world_row_f64(series, 100, 2);
    world_append(&world, &early, 1, false, 0);
    assert_int_equal(40, world_append(&world, rows, 40, true, 0));
    world_append(&world, &early, 1, false, 0);
    assert_int_equal(40, world_append(&world, rows, 40, true, last_of(&world)));
    world_append(&world, &early, 1, false, last_of(&world));
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, series, 43, WORLD_ALL);
    world_deinit(&world);
}

static void a_frozen_head_reads_as_before(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    vv_random random;
    vv_random_init(&random, 3);
    uint32_t series = world_series(&world, "last", 1);
    for (int i = 0; i < 300; i++) {
        world_row row = {.series = series, .time = i * 3 % 200};
        world_fill(&random, &row, 1 + (uint32_t)i % 2);
        world_fill(&random, &row, 4);
        world_append(&world, &row, 1, false, last_of(&world));
    }
    world_series(&world, "last", 2);
    world_row other = world_row_f64(world_series(&world, "last", 3), 5, 5);
    world_append(&world, &other, 1, false, 0);
    vv_db_lock_shards(&world.db);
    vv_head_freeze(world.head, 77, last_of(&world));
    vv_db_unlock_shards(&world.db);
    assert_true(vv_head_is_frozen(world.head));
    assert_int_equal(77, vv_head_last_lsn(world.head));
    assert_int_equal(301, vv_head_last_sequence(world.head));
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_check(&world, world.head, series, 100, WORLD_ALL);
    varve_error err;
    uint32_t *ids;
    size_t count;
    check_ok(vv_head_series_ids(world.head, &world.db.alloc, &ids, &count, &err), &err);
    assert_int_equal(2, count);
    assert_int_equal(series, ids[0]);
    assert_int_equal(other.series, ids[1]);
    vv_alloc_free(&world.db.alloc, ids, count * sizeof *ids);
    world_deinit(&world);
}

static void definitions_are_remembered(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    world_row row = world_row_f64(world_series(&world, "last", 1), 5, 5);
    assert_false(vv_head_is_series_defined(world.head, row.series));
    world_append(&world, &row, 1, false, 0);
    assert_true(vv_head_is_series_defined(world.head, row.series));
    static const uint32_t fields[] = {1, 63, 64, 65535, 65536, 33554431};
    for (size_t i = 0; i < VV_ARRAY_COUNT(fields); i++) {
        assert_false(vv_head_is_field_defined(world.head, fields[i]));
        vv_head_set_field_defined(world.head, fields[i]);
        assert_true(vv_head_is_field_defined(world.head, fields[i]));
    }
    assert_false(vv_head_is_field_defined(world.head, 2));
    vv_head_set_field_defined(world.head, 33554432); /* beyond the table: always anew */
    assert_false(vv_head_is_field_defined(world.head, 33554432));
    world_deinit(&world);
}

/* ---- reservations ---- */

static void what_is_reserved_is_not_seen_and_leaves_no_trace(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    uint32_t series = world_series(&world, "last", 1);
    world_row rows[300];
    varve_error err;
    for (int i = 0; i < 300; i++) {
        rows[i] = world_row_f64(series, i % 10 == 7 ? 3 : i, i);
    }
    world_append(&world, rows, 20, false, 0);
    world_run plain;
    world_run_init(&plain, rows + 20, 280);
    world_run vector;
    rows[0].time = 5000;
    world_run_init(&vector, rows, 1);
    world_run_encode(&world, &vector);
    vv_head_reserve_options options = {.visible = 10};
    vv_head_reserved reserved;
    vv_db_lock_shards(&world.db);
    check_ok(vv_head_reserve(world.head, &plain.run, &options, &reserved, &err), &err);
    assert_int_equal(28, reserved.late_rows);
    check_ok(vv_head_reserve(world.head, &vector.run, &options, &reserved, &err), &err);
    check_ok(vv_head_reserve(world.head, &plain.run, &options, &reserved, &err), &err);
    assert_int_equal(280, reserved.late_rows);
    vv_db_unlock_shards(&world.db);
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    vv_db_lock_shards(&world.db);
    vv_head_unreserve(world.head, &plain.run);
    vv_head_unreserve(world.head, &vector.run);
    vv_head_unreserve(world.head, &plain.run);
    vv_db_unlock_shards(&world.db);
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_run_deinit(&plain);
    world_run_deinit(&vector);
    /* The newest time is again that of the rows that are there. */
    world_row next = world_row_f64(series, 30, 30);
    assert_int_equal(0, world_append(&world, &next, 1, false, 0));
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_deinit(&world);
}

static void runs_of_a_batch_are_appended_where_they_were_reserved(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    uint32_t series = world_series(&world, "last", 1);
    /* Plain, vector in order, late plain, late vector, plain: every place of a series at once. */
    world_row sets[5][4];
    static const int64_t starts[5] = {100, 200, 50, 60, 300};
    world_run runs[5];
    uint64_t late[5];
    varve_error err;
    vv_head_reserve_options options = {.visible = 0};
    vv_db_lock_shards(&world.db);
    for (size_t n = 0; n < 5; n++) {
        for (int i = 0; i < 4; i++) {
            sets[n][i] = world_row_f64(series, starts[n] + i, (double)n);
        }
        world_run_init(&runs[n], sets[n], 4);
        if (n == 1 || n == 3) {
            world_run_encode(&world, &runs[n]);
        }
        vv_head_reserved reserved;
        check_ok(vv_head_reserve(world.head, &runs[n].run, &options, &reserved, &err), &err);
        late[n] = reserved.late_rows;
    }
    assert_int_equal(4, late[2]);
    assert_int_equal(4, late[3]);
    for (size_t n = 0; n < 5; n++) {
        vv_head_append(world.head, &runs[n].run, 1 + 4 * n, late[n]);
        world_note(&world, sets[n], 4);
        world_run_deinit(&runs[n]);
    }
    vv_db_unlock_shards(&world.db);
    for (uint64_t visible = 0; visible <= 20; visible++) {
        world_check(&world, world.head, series, visible, WORLD_ALL);
    }
    world_deinit(&world);
}

static void a_type_that_is_held_is_not_changed(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    varve_error err;
    uint32_t series = world_series(&world, "last", 1);
    world_row row = world_row_f64(series, 1, 1);
    world_append(&world, &row, 1, false, 0);
    world_run run;
    row.time = 2;
    world_run_init(&run, &row, 1);
    run.columns[0].type = VARVE_TYPE_I64;
    vv_head_reserve_options options = {.visible = 1};
    vv_head_reserved reserved;
    vv_db_lock_shards(&world.db);
    check_status(VARVE_E_CONFLICT,
                 vv_head_reserve(world.head, &run.run, &options, &reserved, &err));
    vv_head_unreserve(world.head, &run.run);
    assert_int_equal(series, reserved.series);
    assert_int_equal(1, reserved.field);
    assert_int_equal(VARVE_TYPE_F64, reserved.held_type);
    assert_int_equal(VARVE_TYPE_I64, reserved.given_type);
    /* With leave it is, once; the row before keeps its type. */
    vv_head_retype retype = {.series = series, .field = 1};
    options.retypes = &retype;
    options.retype_count = 1;
    check_ok(vv_head_reserve(world.head, &run.run, &options, &reserved, &err), &err);
    assert_true(retype.is_used);
    vv_head_append(world.head, &run.run, world.next_sequence, reserved.late_rows);
    row.cells[1].type = VARVE_TYPE_I64;
    world_note(&world, &row, 1);
    run.times[0] = 3;
    run.columns[0].type = VARVE_TYPE_F64;
    check_status(VARVE_E_CONFLICT,
                 vv_head_reserve(world.head, &run.run, &options, &reserved, &err));
    vv_head_unreserve(world.head, &run.run);
    vv_db_unlock_shards(&world.db);
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    world_run_deinit(&run);
    world_deinit(&world);
}

static void sequences_may_leap_by_more_than_32_bits(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    uint32_t series = world_series(&world, "last", 1);
    for (int i = 0; i < 60; i++) {
        if (i % 10 == 9) {
            world.next_sequence += (UINT64_C(1) << 32) + 12345;
        }
        world_row rows[2] = {world_row_f64(series, i, i), world_row_f64(series, i - 5, i)};
        world_append(&world, rows, 2, false, world.next_sequence - 1);
    }
    world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
    for (size_t i = 0; i < world.count; i += 7) {
        world_check(&world, world.head, series, world.rows[i].sequence, WORLD_ALL);
    }
    world_deinit(&world);
}

/* ---- everything at once ---- */

static size_t random_rows(vv_random *random, head_world *world, uint32_t series_count, int64_t *now,
                          world_row *rows, bool *out_is_vector)
{
    *now += 1 + (int64_t)(vv_random_u64(random) % 3) * 10;
    uint64_t kind = vv_random_u64(random) % 10;
    size_t count = 0;
    *out_is_vector = kind == 0;
    uint32_t mask = 1u << (vv_random_u64(random) % WORLD_FIELDS);
    mask |= kind < 5 ? 1u : (uint32_t)(vv_random_u64(random) % 64);
    uint32_t one = 1 + (uint32_t)(vv_random_u64(random) % series_count);
    size_t wanted = kind == 0 ? 1 + vv_random_u64(random) % 30 : 1 + vv_random_u64(random) % 12;
    int64_t time = *now - (vv_random_u64(random) % 5 == 0 ? 200 : 0);
    for (; count < wanted; count++) {
        bool is_scrape = kind > 4;
        uint32_t series = is_scrape ? 1 + (uint32_t)count % series_count : one;
        rows[count] = (world_row){.series = series, .time = time};
        if (kind == 0) {
            time += 1 + (int64_t)(vv_random_u64(random) % 3);
        } else if (!is_scrape) {
            time += (int64_t)(vv_random_u64(random) % 5) - 1;
        }
        for (uint32_t field = 1; field <= WORLD_FIELDS; field++) {
            bool skips = kind == 9 && vv_random_u64(random) % 3 == 0 && (mask >> field) != 0;
            if ((mask >> (field - 1) & 1) != 0 && !skips) {
                world_fill(random, &rows[count], field);
            }
        }
    }
    if (kind == 0) {
        *now = time;
    }
    (void)world;
    return count;
}

static void random_writes_read_as_a_list_would(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        head_world world;
        world_init(&world);
        vv_random random;
        vv_random_init(&random, seed);
        enum { SERIES = 5 };
        for (unsigned i = 0; i < SERIES; i++) {
            assert_int_equal(i + 1, world_series(&world, i % 2 == 0 ? "last" : "all", i));
        }
        int64_t now = 0;
        uint64_t visible = 0;
        world_row rows[64];
        for (int step = 0; step < 700; step++) {
            bool is_vector;
            size_t count = random_rows(&random, &world, SERIES, &now, rows, &is_vector);
            if (vv_random_u64(&random) % 4 == 0) {
                uint64_t last = last_of(&world);
                visible += last == visible ? 0 : vv_random_u64(&random) % (last - visible + 1);
            }
            if (vv_random_u64(&random) % 8 == 0) { /* a write that comes to nothing */
                world_run run;
                varve_error err;
                world_run_init(&run, rows, count);
                vv_head_reserve_options options = {.visible = visible};
                vv_head_reserved reserved;
                vv_db_lock_shards(&world.db);
                check_ok(vv_head_reserve(world.head, &run.run, &options, &reserved, &err), &err);
                vv_head_unreserve(world.head, &run.run);
                vv_db_unlock_shards(&world.db);
                world_run_deinit(&run);
            }
            world_append(&world, rows, count, is_vector, visible);
            if (step % 50 == 49) {
                uint64_t at = vv_random_u64(&random) % (last_of(&world) + 1);
                varve_range range = {now - 300, now - 100};
                for (uint32_t series = 1; series <= SERIES; series++) {
                    world_check(&world, world.head, series, at, WORLD_ALL);
                    world_check(&world, world.head, series, visible, range);
                }
            }
        }
        print_message("seed %llu: %zu rows\n", (unsigned long long)seed, world.count);
        for (uint32_t series = 1; series <= SERIES; series++) {
            world_check(&world, world.head, series, UINT64_MAX, WORLD_ALL);
        }
        world_deinit(&world);
    }
}

/* ---- memory ---- */

static void a_failed_allocation_loses_no_row(void **state)
{
    (void)state;
    uint64_t failures = 0;
    for (uint64_t at = 1;; at++) {
        head_world world;
        world_init(&world);
        vv_random random;
        vv_random_init(&random, 4);
        uint32_t series[2] = {world_series(&world, "last", 1), world_series(&world, "all", 2)};
        bool has_failed = false;
        varve_error err;
        failing_alloc_plan(&world.failing, at, /* once */ true);
        for (int i = 0; i < 150; i++) {
            world_row rows[3];
            memset(rows, 0, sizeof rows);
            for (int k = 0; k < 3; k++) {
                rows[k].series = series[k % 2];
                rows[k].time = k == 2 ? 40 : 100 + i;
                world_fill(&random, &rows[k], 1);
                world_fill(&random, &rows[k], 4);
            }
            world_run run;
            world_run_init(&run, rows, 3);
            vv_head_reserve_options options = {.visible = last_of(&world)};
            vv_head_reserved reserved;
            vv_db_lock_shards(&world.db);
            varve_status status = vv_head_reserve(world.head, &run.run, &options, &reserved, &err);
            if (status == VARVE_OK) {
                vv_head_append(world.head, &run.run, world.next_sequence, reserved.late_rows);
                vv_head_set_series_defined(world.head, series[0]);
                vv_head_set_series_defined(world.head, series[1]);
                world_note(&world, rows, 3);
            } else {
                check_status(VARVE_E_NOMEM, status);
                vv_head_unreserve(world.head, &run.run);
                has_failed = true;
            }
            vv_db_unlock_shards(&world.db);
            world_run_deinit(&run);
        }
        has_failed = has_failed || atomic_load(&world.failing.failures) > 0;
        failing_alloc_plan(&world.failing, 0, false);
        world_check(&world, world.head, series[0], UINT64_MAX, WORLD_ALL);
        world_check(&world, world.head, series[1], 200, WORLD_ALL);
        world_deinit(&world);
        failures += has_failed ? 1 : 0;
        if (!has_failed) {
            break;
        }
    }
    print_message("%llu allocations failed\n", (unsigned long long)failures);
    assert_true(failures > 20);
}

static void a_regular_series_stays_within_its_budget(void **state)
{
    (void)state;
    head_world world;
    world_init(&world);
    enum { SERIES = 16000, SCRAPES = 130 };
    uint32_t *series = malloc(SERIES * sizeof *series);
    world_row *rows = calloc(SERIES, sizeof *rows);
    for (unsigned i = 0; i < SERIES; i++) {
        series[i] = world_series(&world, "last", i);
    }
    size_t most = 0;
    for (int64_t n = 0; n < SCRAPES; n++) { /* past the first seal, 10 s apart */
        for (unsigned i = 0; i < SERIES; i++) {
            rows[i] = world_row_f64(series[i], n * INT64_C(10000000000),
                                    (double)((i * 7 + (unsigned)n * 3) % 100));
        }
        world_append(&world, rows, SERIES, false, last_of(&world));
        world.count = 0; /* not looked at here */
        size_t bytes = vv_head_bytes(world.head);
        most = bytes > most ? bytes : most;
    }
    print_message("%zu bytes a series\n", most / SERIES);
    assert_true(most / SERIES <= 2450);
    free(series);
    free(rows);
    world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_head_is_empty),
        cmocka_unit_test(rows_come_back_as_they_were_given),
        cmocka_unit_test(an_old_view_reads_its_rows_after_they_were_sealed),
        cmocka_unit_test(rows_that_are_not_visible_are_not_sealed),
        cmocka_unit_test(late_rows_are_counted_and_kept_apart),
        cmocka_unit_test(a_side_buffer_is_sealed_sorted),
        cmocka_unit_test(extreme_times_are_exact),
        cmocka_unit_test(times_of_every_regularity_are_exact),
        cmocka_unit_test(fields_may_come_and_go),
        cmocka_unit_test(reading_gives_the_fields_that_are_asked_for),
        cmocka_unit_test(a_vector_reads_as_the_rows_it_was_made_of),
        cmocka_unit_test(a_late_vector_closes_the_side_buffer),
        cmocka_unit_test(a_frozen_head_reads_as_before),
        cmocka_unit_test(definitions_are_remembered),
        cmocka_unit_test(what_is_reserved_is_not_seen_and_leaves_no_trace),
        cmocka_unit_test(runs_of_a_batch_are_appended_where_they_were_reserved),
        cmocka_unit_test(a_type_that_is_held_is_not_changed),
        cmocka_unit_test(sequences_may_leap_by_more_than_32_bits),
        cmocka_unit_test(random_writes_read_as_a_list_would),
        cmocka_unit_test(a_failed_allocation_loses_no_row),
        cmocka_unit_test(a_regular_series_stays_within_its_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
