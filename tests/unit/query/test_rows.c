/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of rows: orders, limits, passes and streams, predicates, splitting, kept blocks. */
#include "query_world.h"

#include "query/query.h"

enum { SERIES = 9, ROWS = 300 };

/* Row i of series s at time 10 * i + s % 3, so that times meet; flushed in the middle. */
static void fill(world *w)
{
    varve_error err;
    for (int i = 0; i < ROWS; i++) {
        for (int s = 0; s < SERIES; s++) {
            char host[8];
            snprintf(host, sizeof host, "h%d", s);
            world_put(w, "cpu", host, 10 * i + s % 3, "value", f64_of(s * 1000.0 + i));
        }
        if (i == ROWS / 2) {
            check_ok(varve_flush(w->db, NULL, &err), &err);
        }
    }
}

static int setup(void **state)
{
    world *w = malloc(sizeof *w);
    world_open(w, VARVE_DUPLICATES_ALL, VARVE_ROW_IDS_ON);
    fill(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

static void check_equal(const world_answer *a, const world_answer *b)
{
    assert_int_equal(a->status, VARVE_OK);
    assert_int_equal(b->status, VARVE_OK);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->rows[i].time, b->rows[i].time);
        assert_int_equal(a->rows[i].series, b->rows[i].series);
        assert_int_equal(a->rows[i].row_id, b->rows[i].row_id);
        assert_true(a->rows[i].values[0] == b->rows[i].values[0]);
    }
}

static const uint32_t orders[] = {VARVE_ORDER_SERIES, VARVE_ORDER_TIME, VARVE_ORDER_ARRIVAL,
                                  VARVE_ORDER_NONE};

static void limit_and_offset_cut_the_whole_answer_in_every_order(void **state)
{
    world *w = *state;
    varve_output output = output_of("value", VARVE_AGG_NONE);
    for (size_t o = 0; o < 8; o++) {
        varve_query_options options = options_of(&output, 1);
        options.order = orders[o / 2];
        options.flags = VARVE_QUERY_ROW_IDS | (o % 2 != 0 ? VARVE_QUERY_DESCENDING : 0);
        world_answer *all = world_ask(w, &options);
        assert_int_equal(all->count, SERIES * ROWS);
        static const uint64_t cuts[][2] = {{0, 1},       {7, 100},   {299, 2},
                                           {1300, 1100}, {2690, 50}, {9999, 5}};
        for (size_t c = 0; c < 6; c++) {
            options.offset = cuts[c][0];
            options.limit = cuts[c][1];
            world_answer *part = world_ask(w, &options);
            size_t begin = options.offset < all->count ? (size_t)options.offset : all->count;
            size_t left = all->count - begin;
            assert_int_equal(part->count, left < options.limit ? left : options.limit);
            for (size_t i = 0; i < part->count; i++) {
                assert_int_equal(part->rows[i].time, all->rows[begin + i].time);
                assert_int_equal(part->rows[i].row_id, all->rows[begin + i].row_id);
            }
            free(part);
        }
        free(all);
    }
}

static void orders_are_what_they_say(void **state)
{
    world *w = *state;
    varve_output output = output_of("value", VARVE_AGG_NONE);
    varve_query_options options = options_of(&output, 1);
    options.flags = VARVE_QUERY_ROW_IDS;
    options.order = VARVE_ORDER_TIME;
    world_answer *answer = world_ask(w, &options);
    for (size_t i = 1; i < answer->count; i++) {
        const world_row *a = &answer->rows[i - 1];
        const world_row *b = &answer->rows[i];
        assert_true(a->time < b->time || (a->time == b->time && a->row_id < b->row_id));
    }
    options.flags |= VARVE_QUERY_DESCENDING;
    world_answer *reverse = world_ask(w, &options);
    for (size_t i = 0; i < answer->count; i++) {
        assert_int_equal(answer->rows[i].row_id, reverse->rows[answer->count - 1 - i].row_id);
    }
    options.order = VARVE_ORDER_ARRIVAL;
    options.flags = VARVE_QUERY_ROW_IDS;
    free(reverse);
    reverse = world_ask(w, &options);
    for (size_t i = 1; i < reverse->count; i++) {
        assert_true(reverse->rows[i - 1].row_id < reverse->rows[i].row_id);
    }
    free(reverse);
    free(answer);
}

/* With little memory TIME takes passes, each of a few rows; the answer is that of the streams. */
static void passes_give_what_streams_give_in_little_memory(void **state)
{
    world *w = *state;
    varve_output output = output_of("value", VARVE_AGG_NONE);
    for (int is_descending = 0; is_descending < 2; is_descending++) {
        for (uint64_t per_series = 5; per_series != 0;
             per_series = per_series == 5 ? UINT64_MAX : 0) {
            varve_query_options options = options_of(&output, 1);
            options.order = VARVE_ORDER_TIME;
            options.flags = VARVE_QUERY_ROW_IDS | (is_descending ? VARVE_QUERY_DESCENDING : 0);
            options.limit_per_series = per_series;
            world_answer *streams = world_ask(w, &options);
            assert_int_equal(streams->count, per_series == 5 ? 5 * SERIES : ROWS * SERIES);
            options.memory_max = 400 * 1024;
            world_answer *passes = world_ask(w, &options);
            check_equal(streams, passes);
            free(streams);
            free(passes);
        }
    }
}

static void arrival_over_many_rows_obeys_little_memory(void **state)
{
    world *w = *state;
    varve_output output = output_of("value", VARVE_AGG_NONE);
    varve_query_options options = options_of(&output, 1);
    options.order = VARVE_ORDER_ARRIVAL;
    world_answer *all = world_ask(w, &options);
    options.memory_max = 400 * 1024;
    world_answer *passes = world_ask(w, &options);
    check_equal(all, passes);
    free(all);
    free(passes);
}

static void too_little_memory_is_a_limit(void **state)
{
    varve_output output = output_of("value", VARVE_AGG_NONE);
    varve_query_options options = options_of(&output, 1);
    options.memory_max = 1000;
    check_status(VARVE_E_LIMIT, world_try(*state, &options));
    options.memory_max = UINT64_C(512) << 20;
    options.scanned_rows_max = 100;
    check_status(VARVE_E_LIMIT, world_try(*state, &options));
}

static void after_row_id_goes_on_where_a_cursor_ended(void **state)
{
    world *w = *state;
    varve_output output = output_of("value", VARVE_AGG_NONE);
    varve_query_options options = options_of(&output, 1);
    options.order = VARVE_ORDER_ARRIVAL;
    world_answer *all = world_ask(w, &options);
    for (size_t from = 1; from < all->count; from += 400) {
        options.after_row_id = all->rows[from - 1].row_id;
        world_answer *rest = world_ask(w, &options);
        assert_int_equal(rest->count, all->count - from);
        assert_int_equal(rest->rows[0].row_id, all->rows[from].row_id);
        free(rest);
    }
    free(all);
}

static void predicates_prune_and_filter_alike(void **state)
{
    world *w = *state;
    varve_output output = output_of("value", VARVE_AGG_NONE);
    for (double bound = -1; bound < 9000; bound += 777.5) {
        varve_predicate predicate = {
            .field = text_of("value"), .op = VARVE_OP_GREATER, .value = f64_of(bound)};
        varve_query_options options = options_of(&output, 1);
        options.predicates = &predicate;
        options.predicate_count = 1;
        world_answer *answer = world_ask(w, &options);
        size_t expected = 0;
        for (int s = 0; s < SERIES; s++) {
            for (int i = 0; i < ROWS; i++) {
                expected += s * 1000.0 + i > bound;
            }
        }
        assert_int_equal(answer->count, expected);
        free(answer);
    }
    varve_predicate wrong = {
        .field = text_of("value"), .op = VARVE_OP_EQUAL, .value = string_of("x")};
    varve_query_options options = options_of(&output, 1);
    options.predicates = &wrong;
    options.predicate_count = 1;
    check_status(VARVE_E_INVALID, world_try(w, &options));
}

static void parts_of_a_cursor_are_disjoint_and_together_the_whole(void **state)
{
    world *w = *state;
    varve_output outputs[] = {output_of("value", VARVE_AGG_NONE),
                              output_of("value", VARVE_AGG_SUM)};
    for (size_t o = 0; o < 2; o++) {
        char zone[] = "+02:00";
        varve_query_options options = options_of(&outputs[o], 1);
        if (o == 1) {
            options.bucket = (varve_bucket){.kind = VARVE_BUCKET_CALENDAR,
                                            .unit = VARVE_UNIT_DAY,
                                            .width = 1,
                                            .zone = text_of(zone)};
        }
        world_answer *whole = world_ask(w, &options);
        for (size_t wanted = 1; wanted <= 12; wanted += 4) {
            varve_cursor *cursor;
            varve_cursor *parts[12];
            varve_error err;
            size_t count = 0;
            check_ok(varve_query(w->db, &options, &cursor, &err), &err);
            memset(zone, '?', sizeof zone - 1); /* borrowed for the call only */
            check_ok(varve_cursor_split(cursor, parts, wanted, &count, &err), &err);
            check_status(VARVE_E_INVALID, varve_cursor_split(cursor, parts, 1, &count, &err));
            memcpy(zone, "+02:00", sizeof zone);
            size_t at = 0;
            for (size_t i = 0; i < count; i++) {
                world_answer *part = world_read(parts[i]);
                for (size_t row = 0; row < part->count; row++) {
                    assert_int_equal(part->rows[row].series, whole->rows[at].series);
                    assert_true(part->rows[row].values[0] == whole->rows[at].values[0]);
                    at++;
                }
                free(part);
            }
            assert_int_equal(at, whole->count);
            world_answer *rest = world_read(cursor);
            assert_int_equal(rest->count, 0);
            free(rest);
        }
        free(whole);
    }
}

static void small_blocks_say_where_a_series_ends(void **state)
{
    world *w = *state;
    varve_query_options options;
    varve_query_options_init(&options);
    options.block_rows_max = 7;
    varve_cursor *cursor;
    varve_error err;
    check_ok(varve_query(w->db, &options, &cursor, &err), &err);
    size_t ends = 0;
    size_t rows = 0;
    uint64_t last = 0;
    bool was_last = true;
    for (;;) {
        const varve_block *block;
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        assert_true(block->rows <= 7 && block->rows > 0);
        assert_true((block->series.id != last) == was_last);
        last = block->series.id;
        was_last = (block->flags & VARVE_BLOCK_LAST_OF_SERIES) != 0;
        ends += was_last;
        rows += block->rows;
    }
    varve_cursor_close(cursor);
    assert_int_equal(ends, SERIES);
    assert_int_equal(rows, SERIES * ROWS);
}

static void a_kept_block_outlives_cursor_and_database(void **state)
{
    (void)state;
    world w;
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block;
    world_open(&w, 0, 0);
    world_put(&w, "log", "a", 5, "line", string_of("to be kept"));
    varve_query_options options;
    varve_query_options_init(&options);
    check_ok(varve_query(w.db, &options, &cursor, &err), &err);
    check_status(VARVE_E_BUSY, varve_close(w.db, &err));
    check_ok(varve_cursor_next(cursor, &block, &err), &err);
    const varve_block *kept = varve_cursor_keep(cursor);
    assert_ptr_equal(kept, block);
    assert_null(varve_cursor_keep(cursor));
    varve_cursor_close(cursor);
    check_ok(varve_close(w.db, &err), &err);
    assert_memory_equal(((const varve_text *)kept->columns[0].values)[0].data, "to be kept", 10);
    assert_memory_equal(kept->labels[0].value.data, "a", 1);
    varve_block_free(kept);
    assert_int_equal(w.source.live, 0);
}

static bool count_checks(void *context)
{
    return ++*(int *)context < 5;
}

static void a_cancelled_query_stops_and_stays_stopped(void **state)
{
    world *w = *state;
    varve_output output = output_of("value", VARVE_AGG_NONE);
    for (size_t o = 0; o < 4; o++) {
        varve_query_options options = options_of(&output, 1);
        options.order = orders[o];
        int checks = 0;
        varve_task *task = varve_task_create();
        varve_task_set_check(task, count_checks, &checks);
        options.task = task;
        varve_cursor *cursor;
        varve_error err;
        varve_status status = varve_query(w->db, &options, &cursor, &err);
        if (status == VARVE_OK) {
            world_answer *answer = world_read(cursor);
            status = answer->status;
            free(answer);
        }
        check_status(VARVE_E_CANCELLED, status);
        assert_int_equal(checks, 5);
        varve_task_free(task);
    }
}

static void every_failing_allocation_is_an_answer(void **state)
{
    world *w = *state;
    varve_output outputs[] = {output_of("value", VARVE_AGG_NONE),
                              output_of("value", VARVE_AGG_MEDIAN)};
    for (size_t o = 0; o < 6; o++) {
        varve_query_options options = options_of(&outputs[o == 5], 1);
        options.order = o < 4 ? orders[o] : (uint32_t)VARVE_ORDER_TIME;
        options.memory_max = o == 4 ? 400 * 1024 : options.memory_max;
        options.limit = 700;
        for (uint64_t n = 1;; n++) {
            failing_alloc_plan(&w->source, n, false);
            varve_status status = world_try(w, &options);
            bool has_failed = w->source.failures > 0;
            failing_alloc_plan(&w->source, 0, false);
            if (!has_failed) {
                check_status(VARVE_OK, status);
                break;
            }
            assert_true(status == VARVE_E_NOMEM || status == VARVE_E_LIMIT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_and_offset_cut_the_whole_answer_in_every_order),
        cmocka_unit_test(orders_are_what_they_say),
        cmocka_unit_test(passes_give_what_streams_give_in_little_memory),
        cmocka_unit_test(arrival_over_many_rows_obeys_little_memory),
        cmocka_unit_test(too_little_memory_is_a_limit),
        cmocka_unit_test(after_row_id_goes_on_where_a_cursor_ended),
        cmocka_unit_test(predicates_prune_and_filter_alike),
        cmocka_unit_test(parts_of_a_cursor_are_disjoint_and_together_the_whole),
        cmocka_unit_test(small_blocks_say_where_a_series_ends),
        cmocka_unit_test(a_kept_block_outlives_cursor_and_database),
        cmocka_unit_test(a_cancelled_query_stops_and_stays_stopped),
        cmocka_unit_test(every_failing_allocation_is_an_answer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
