/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors over damage, past deadlines, and after their end. */
#include "query_world.h"

#include "query/query.h"
#include "support/engine_fixture.h"
#include "support/manual_clock.h"

enum { ROWS = 40000, BATCH = 500 };

/* A value of which no bits repeat, so that blocks fill. */
static double value_of(int64_t i)
{
    return sin((double)i) * 1e9;
}

static void write_rows(engine_fixture *f, const char *host, int64_t first, size_t count)
{
    varve_error err;
    static varve_named_row rows[BATCH];
    static varve_value values[BATCH];
    varve_label label = {.name = text_of("host"), .value = text_of(host)};
    varve_text field = text_of("value");
    for (size_t i = 0; i < count; i++) {
        values[i] = f64_of(value_of(first + (int64_t)i));
        rows[i] = (varve_named_row){.metric = text_of("cpu"),
                                    .labels = &label,
                                    .label_count = 1,
                                    .timestamp = first + (int64_t)i,
                                    .fields = &field,
                                    .values = &values[i],
                                    .count = 1};
    }
    check_ok(varve_write(f->db, rows, count, NULL, NULL, &err), &err);
}

/* One bit of the only segment, so many hundredths into it. */
static void damage(engine_fixture *f, int64_t hundredths)
{
    char path[ENGINE_FIXTURE_PATH_BYTES];
    assert_int_equal(engine_fixture_files(f, "seg"), 1);
    engine_fixture_last_file(f, "db/seg", path);
    engine_fixture_flip(f, path, engine_fixture_size(f, path) * hundredths / 100, 16);
}

static void damage_is_an_error_or_costs_its_vectors(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    for (int64_t i = 0; i < ROWS; i += BATCH) {
        write_rows(f, "a", i, BATCH);
    }
    engine_fixture_close(f); /* flushes */
    damage(f, 40);
    engine_fixture_open(f);
    world w = {.db = f->db};
    for (int is_descending = 0; is_descending < 2; is_descending++) {
        varve_output outputs[] = {output_of("value", VARVE_AGG_NONE),
                                  output_of("value", VARVE_AGG_COUNT),
                                  output_of("value", VARVE_AGG_LAST)};
        varve_query_options options = options_of(outputs, 1);
        options.flags = is_descending ? VARVE_QUERY_DESCENDING : 0;
        varve_cursor *cursor;
        check_ok(varve_query(f->db, &options, &cursor, &err), &err);
        const varve_block *block = NULL;
        varve_status status;
        do {
            status = varve_cursor_next(cursor, &block, &err);
        } while (status == VARVE_OK && block != NULL);
        check_status(VARVE_E_CORRUPT, status);
        check_status(VARVE_E_CORRUPT, varve_cursor_next(cursor, &block, &err)); /* and only that */
        assert_null(block);
        varve_cursor_close(cursor);
        assert_int_equal(varve_health(f->db, NULL), VARVE_HEALTH_DEGRADED);
        options.flags |= VARVE_QUERY_PARTIAL;
        world_answer *answer = world_ask(&w, &options);
        check_status(VARVE_OK, answer->status);
        assert_true((answer->flags & VARVE_BLOCK_PARTIAL) != 0);
        assert_true(answer->count > ROWS / 4 && answer->count < ROWS);
        assert_int_equal(answer->rows[is_descending ? answer->count - 1 : 0].time, 0);
        assert_int_equal(answer->rows[is_descending ? 0 : answer->count - 1].time, ROWS - 1);
        for (size_t i = 0; i < answer->count; i++) {
            assert_true(answer->rows[i].values[0] == value_of(answer->rows[i].time));
        }
        options.outputs = outputs + 1;
        options.output_count = 2;
        world_answer *count = world_ask(&w, &options);
        assert_true((count->flags & VARVE_BLOCK_PARTIAL) != 0);
        assert_true(count->rows[0].values[0] == (double)answer->count);
        assert_true(count->rows[0].values[1] == value_of(ROWS - 1));
        free(count);
        free(answer);
    }
}

/* Nothing is left of the answer: an empty block says that this is not for want of rows. */
static void an_answer_of_damage_alone_says_so(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    write_rows(f, "a", 0, 200);
    engine_fixture_close(f);
    damage(f, 30);
    engine_fixture_open(f);
    for (uint32_t layout = 0; layout < 3; layout++) {
        varve_query_options options;
        varve_query_options_init(&options);
        options.layout = layout;
        options.flags = VARVE_QUERY_PARTIAL;
        varve_cursor *cursor;
        const varve_block *block;
        check_ok(varve_query(f->db, &options, &cursor, &err), &err);
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        assert_non_null(block);
        assert_int_equal(block->rows, 0);
        assert_int_equal(block->column_count, layout == VARVE_LAYOUT_TABLE ? 1 : 0);
        assert_true((block->flags & VARVE_BLOCK_PARTIAL) != 0);
        assert_int_equal(varve_health(f->db, NULL), VARVE_HEALTH_DEGRADED);
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        assert_null(block);
        varve_cursor_close(cursor);
    }
}

static void a_deadline_ends_a_cursor_for_good(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    static manual_clock clock;
    manual_clock_init(&clock, 0);
    engine_fixture_close(f);
    f->env.clock = manual_clock_of(&clock);
    engine_fixture_open(f);
    write_rows(f, "a", 0, 10);
    varve_query_options options;
    varve_query_options_init(&options);
    options.deadline_ms = 5;
    options.block_rows_max = 4;
    varve_cursor *cursor;
    const varve_block *block;
    check_ok(varve_query(f->db, &options, &cursor, &err), &err);
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    assert_int_equal(block->rows, 4);
    manual_clock_advance(&clock, 6000000);
    check_status(VARVE_E_TIMEOUT, varve_cursor_next(cursor, &block, &err));
    assert_null(block);
    assert_null(varve_cursor_keep(cursor));
    check_status(VARVE_E_TIMEOUT, varve_cursor_next(cursor, &block, &err));
    varve_cursor_close(cursor);
}

/* The view is that of varve_query, whatever is written, deleted or flushed afterwards. */
static void a_cursor_sees_the_moment_of_its_query(void **state)
{
    engine_fixture *f = *state;
    varve_error err;
    write_rows(f, "a", 0, 300);
    varve_query_options options;
    varve_query_options_init(&options);
    varve_cursor *cursor;
    check_ok(varve_query(f->db, &options, &cursor, &err), &err);
    write_rows(f, "a", 300, 300);
    write_rows(f, "b", 0, 10);
    check_ok(varve_flush(f->db, NULL, &err), &err);
    varve_selection all = {.kind = VARVE_SELECT_ALL};
    varve_range range = {.start = INT64_MIN, .end = INT64_MAX};
    check_ok(varve_delete(f->db, &all, 1, range, NULL, NULL, &err), &err);
    check_ok(varve_compact(f->db, VARVE_COMPACT_ALL, NULL, &err), &err);
    world_answer *answer = world_read(cursor);
    check_status(VARVE_OK, answer->status);
    assert_int_equal(answer->count, 300);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_fixture_test(damage_is_an_error_or_costs_its_vectors),
        engine_fixture_test(an_answer_of_damage_alone_says_so),
        engine_fixture_test(a_deadline_ends_a_cursor_for_good),
        engine_fixture_test(a_cursor_sees_the_moment_of_its_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
