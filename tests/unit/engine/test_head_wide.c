/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of one series that each bring a field of their own: the work and the memory of a head follow
 * what is written (R5 of head_priv.h), however the rows come. All bounds are counts.
 */
#include "engine/head_priv.h"
#include "head_world.h"

enum {
    WIDE_FIELDS = 4000, /* fields that exist; a series has at most 4096 */
    WIDE_ROW_BYTES =
        1536,           /* of the head, for each row of one value: 64 cells, twice the capacity */
    WIDE_ROW_CELLS = 96 /* that are moved for each row of one value */
};

static uint64_t wide_moved(const head_world *world)
{
    uint64_t cells = 0;
    for (size_t i = 0; i < VV_SHARD_COUNT; i++) {
        cells += world->head->shards[i].moved_cells;
    }
    return cells;
}

static void wide_init(head_world *world)
{
    varve_error err;
    world_init(world);
    for (uint32_t i = WORLD_FIELDS + 1; i <= WIDE_FIELDS; i++) {
        uint32_t field = 0;
        char name[8];
        int size = snprintf(name, sizeof name, "f%u", i);
        check_ok(vv_catalogue_field(world->db.catalogue, (varve_text){name, (size_t)size}, false,
                                    &field, &err),
                 &err);
        assert_int_equal(i, field);
    }
}

/* One row with consecutive f64 fields, as a run of its own; reserved only. */
static varve_status wide_reserve(head_world *world, uint32_t series, int64_t time, uint32_t field,
                                 uint32_t count, uint64_t visible, varve_error *out_err)
{
    static double values[VV_ROW_FIELDS_MAX];
    static uint32_t fields[VV_ROW_FIELDS_MAX];
    static varve_column columns[VV_ROW_FIELDS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        values[i] = (double)(field + i);
        fields[i] = field + i;
        columns[i] = (varve_column){.type = VARVE_TYPE_F64, .values = &values[i]};
    }
    vv_run run = {
        .count = 1,
        .series = &series,
        .series_count = 1,
        .times = &time,
        .time_count = 1,
        .fields = fields,
        .columns = columns,
        .column_count = count,
    };
    vv_head_reserve_options options = {.visible = visible};
    vv_head_reserved reserved;
    return vv_head_reserve(world->head, &run, &options, &reserved, out_err);
}

static vv_run wide_run(const uint32_t *series, const int64_t *time)
{
    return (vv_run){
        .count = 1, .series = series, .series_count = 1, .times = time, .time_count = 1};
}

/* Append what was reserved: `count` rows of times from 1 on. */
static void wide_append(head_world *world, uint32_t series, int64_t first, int64_t end)
{
    for (int64_t time = first; time < end; time++) {
        vv_run run = wide_run(&series, &time);
        vv_head_append(world->head, &run, (uint64_t)time, 0);
    }
    vv_head_set_series_defined(world->head, series);
}

/* Every row is there with its one field. */
static void wide_check(head_world *world, uint32_t series, int64_t rows, uint32_t first_field,
                       uint32_t fields)
{
    varve_error err;
    vv_arena arena;
    vv_arena_init(&arena, &world->db.alloc, SIZE_MAX);
    vv_head_pieces pieces;
    check_ok(
        vv_head_read(world->head, series, UINT64_MAX, WORLD_ALL, NULL, 0, &arena, &pieces, &err),
        &err);
    int64_t seen = 0;
    for (size_t i = 0; i < pieces.in_order_count; i++) {
        const vv_head_piece *piece = &pieces.in_order[i];
        if (piece->is_encoded) {
            vv_vector vector;
            check_ok(vv_vector_parse(piece->vector, &vector, &err), &err);
            seen += vector.count;
            continue;
        }
        for (size_t row = 0; row < piece->plain.count; row++, seen++) {
            size_t has = 0;
            for (size_t k = 0; k < piece->plain.column_count; k++) {
                if (vv_column_has(&piece->plain.columns[k], row)) {
                    uint32_t field = piece->plain.fields[k];
                    assert_int_equal(first_field + (uint64_t)seen % fields, field);
                    assert_true(((const double *)piece->plain.columns[k].values)[row] == field);
                    has++;
                }
            }
            assert_int_equal(1, has);
            assert_int_equal(seen + 1, piece->plain.times[row]);
        }
    }
    assert_int_equal(rows, seen);
    vv_arena_deinit(&arena);
}

/* ---- the tests ---- */

static void new_fields_of_one_batch_cost_what_they_write(void **state)
{
    (void)state;
    static const int64_t counts[] = {1000, WIDE_FIELDS};
    for (size_t k = 0; k < VV_ARRAY_COUNT(counts); k++) {
        head_world world;
        wide_init(&world);
        varve_error err;
        uint32_t series = world_series(&world, "last", 1);
        size_t before = vv_head_bytes(world.head);
        vv_db_lock_shards(&world.db);
        for (int64_t i = 0; i < counts[k]; i++) {
            check_ok(wide_reserve(&world, series, i + 1, (uint32_t)i + 1, 1, 0, &err), &err);
        }
        wide_append(&world, series, 1, counts[k] + 1);
        vv_db_unlock_shards(&world.db);
        assert_in_range(wide_moved(&world), 0, (uint64_t)counts[k] * WIDE_ROW_CELLS);
        assert_in_range(vv_head_bytes(world.head) - before, 0,
                        (uint64_t)counts[k] * WIDE_ROW_BYTES);
        wide_check(&world, series, counts[k], 1, WIDE_FIELDS);
        world_deinit(&world);
    }
}

static void new_fields_of_many_batches_cost_what_they_write(void **state)
{
    (void)state;
    head_world world;
    wide_init(&world);
    varve_error err;
    uint32_t series = world_series(&world, "last", 1);
    size_t before = vv_head_bytes(world.head);
    vv_db_lock_shards(&world.db);
    for (int64_t time = 1; time <= 1000; time++) {
        check_ok(wide_reserve(&world, series, time, (uint32_t)time, 1, (uint64_t)time - 1, &err),
                 &err);
        wide_append(&world, series, time, time + 1);
    }
    vv_db_unlock_shards(&world.db);
    assert_in_range(wide_moved(&world), 0, 1000 * WIDE_ROW_CELLS);
    assert_in_range(vv_head_bytes(world.head) - before, 0, 1000 * WIDE_ROW_BYTES);
    wide_check(&world, series, 1000, 1, WIDE_FIELDS);
    world_deinit(&world);
}

static void narrow_rows_behind_a_wide_one_do_not_take_its_width(void **state)
{
    (void)state;
    head_world world;
    wide_init(&world);
    varve_error err;
    uint32_t series = world_series(&world, "last", 1);
    size_t before = vv_head_bytes(world.head);
    vv_db_lock_shards(&world.db);
    check_ok(wide_reserve(&world, series, 1, 1, VV_ROW_FIELDS_MAX, 0, &err), &err);
    for (int64_t time = 2; time <= 2000; time++) {
        check_ok(wide_reserve(&world, series, time, 7, 1, 0, &err), &err);
    }
    wide_append(&world, series, 1, 2001);
    vv_db_unlock_shards(&world.db);
    /* The wide row, the rows up to the next growth of its buffer, and narrow ones. */
    assert_in_range(vv_head_bytes(world.head) - before, 0,
                    (size_t)16 * 9 * VV_ROW_FIELDS_MAX + (size_t)2000 * 64);
    world_deinit(&world);
}

static void wide_rows_that_each_grow_by_a_field_are_moved_as_vectors(void **state)
{
    (void)state;
    enum { ROWS = 600, FIELDS = 200 };
    head_world world;
    wide_init(&world);
    varve_error err;
    uint32_t series = world_series(&world, "last", 1);
    vv_db_lock_shards(&world.db);
    for (int64_t time = 1; time <= ROWS; time++) {
        check_ok(wide_reserve(&world, series, time, (uint32_t)time, FIELDS, 0, &err), &err);
    }
    wide_append(&world, series, 1, ROWS + 1);
    vv_db_unlock_shards(&world.db);
    /* Each row moves at most the values of a vector, which are 64 KiB. */
    assert_in_range(wide_moved(&world), 0, ROWS * ((uint64_t)VV_HEAD_RAW_BYTES_MAX / 8));
    world_deinit(&world);
}

static void a_failed_batch_of_new_fields_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t failing = 1;; failing++) {
        head_world world;
        wide_init(&world);
        varve_error err;
        uint32_t series = world_series(&world, "last", 1);
        vv_db_lock_shards(&world.db);
        failing_alloc_plan(&world.failing, failing, /* once */ true);
        varve_status status = VARVE_OK;
        int64_t time = 1;
        for (; time <= 200 && status == VARVE_OK; time++) {
            status = wide_reserve(&world, series, time, (uint32_t)time, 1, 0, &err);
        }
        failing_alloc_plan(&world.failing, 0, false);
        for (int64_t i = 1; i < time; i++) {
            vv_run run = wide_run(&series, &i);
            vv_head_unreserve(world.head, &run);
        }
        assert_false(vv_head_has_series(world.head, series));
        check_ok(wide_reserve(&world, series, 1, 9, 1, 0, &err), &err);
        wide_append(&world, series, 1, 2);
        vv_db_unlock_shards(&world.db);
        wide_check(&world, series, 1, 9, 1);
        world_deinit(&world);
        if (status == VARVE_OK) {
            break;
        }
        assert_int_equal(VARVE_E_NOMEM, status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_fields_of_one_batch_cost_what_they_write),
        cmocka_unit_test(new_fields_of_many_batches_cost_what_they_write),
        cmocka_unit_test(narrow_rows_behind_a_wide_one_do_not_take_its_width),
        cmocka_unit_test(wide_rows_that_each_grow_by_a_field_are_moved_as_vectors),
        cmocka_unit_test(a_failed_batch_of_new_fields_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
