/* SPDX-License-Identifier: Apache-2.0 */
/* Listings: what has a visible row in the range, sorted, and how little is asked for it. */
#include "query_world.h"

#include "query/query.h"

static int setup(void **state)
{
    world *w = malloc(sizeof *w);
    world_open(w, 0, 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

typedef varve_status (*listing)(varve_db *db, const varve_list_options *options,
                                varve_cursor **out_cursor, varve_error *out_err);

static varve_status values_of_host(varve_db *db, const varve_list_options *options,
                                   varve_cursor **out_cursor, varve_error *out_err)
{
    return varve_label_values(db, VARVE_STR("host"), options, out_cursor, out_err);
}

/* All columns of all rows, joined: "a,b;c,d". */
static void check_listing(world *w, listing list, varve_range range, const char *expected)
{
    varve_list_options options;
    varve_list_options_init(&options);
    options.range = range;
    varve_cursor *cursor;
    varve_error err;
    char text[400] = "";
    check_ok(list(w->db, &options, &cursor, &err), &err);
    for (;;) {
        const varve_block *block;
        check_ok(varve_cursor_next(cursor, &block, &err), &err);
        if (block == NULL) {
            break;
        }
        for (size_t row = 0; row < block->rows; row++) {
            for (size_t c = 0; c < block->column_count; c++) {
                const varve_text *value = &((const varve_text *)block->columns[c].values)[row];
                size_t used = strlen(text);
                snprintf(text + used, sizeof text - used, "%s%.*s",
                         c == 0 ? (used == 0 ? "" : ";") : ",", (int)value->size, value->data);
            }
        }
    }
    varve_cursor_close(cursor);
    assert_string_equal(text, expected);
}

static void listings_name_what_has_a_row_in_the_range(void **state)
{
    world *w = *state;
    varve_error err;
    world_put(w, "disk", "b", 10, "used", f64_of(1));
    world_put(w, "cpu", "a", 20, "busy", f64_of(1));
    world_put(w, "cpu", "c", 30, "busy", i64_of(1));
    world_put(w, "cpu", "c", 30, "name", string_of("x"));
    world_put(w, "bare", "", 40, "v", f64_of(1));
    for (int is_flushed = 0; is_flushed < 2; is_flushed++) {
        varve_range all = {.start = INT64_MIN, .end = INT64_MAX};
        varve_range early = {.start = 0, .end = 25};
        varve_range late = {.start = 35, .end = 50};
        check_listing(w, varve_metrics, all, "bare;cpu;disk");
        check_listing(w, varve_metrics, early, "cpu;disk");
        check_listing(w, varve_series_list, all, "bare;cpu;cpu;disk");
        check_listing(w, varve_label_names, all, "host");
        check_listing(w, varve_label_names, late, "");
        check_listing(w, values_of_host, all, "a;b;c");
        check_listing(w, values_of_host, early, "a;b");
        check_listing(w, varve_field_names, all,
                      "bare,v,f64;cpu,busy,mixed;cpu,name,string;disk,used,f64");
        check_listing(w, varve_field_names, early, "cpu,busy,f64;disk,used,f64");
        check_ok(varve_flush(w->db, NULL, &err), &err);
    }
    varve_selection selection = {.kind = VARVE_SELECT_TEXT, .text = text_of("cpu{host=\"a\"}")};
    check_ok(
        varve_delete(w->db, &selection, 1, (varve_range){.start = 0, .end = 100}, NULL, NULL, &err),
        &err);
    check_listing(w, values_of_host, (varve_range){.start = 0, .end = 100}, "b;c");
    check_listing(w, varve_field_names, (varve_range){.start = 0, .end = 25}, "disk,used,f64");
}

static uint64_t figure(world *w, const char *name)
{
    varve_stat stats[128];
    size_t count;
    varve_error err;
    check_ok(varve_stats(w->db, stats, 128, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(stats[i].name, name) == 0) {
            return (uint64_t)stats[i].value;
        }
    }
    fail();
    return 0;
}

/* Bounds prove what is listed: no block of the segment is read. */
static void listings_read_no_rows(void **state)
{
    world *w = *state;
    varve_error err;
    for (int i = 0; i < 500; i++) {
        char host[16];
        snprintf(host, sizeof host, "h%03d", i);
        world_put(w, "m", host, i, "v", f64_of(i));
    }
    check_ok(varve_flush(w->db, NULL, &err), &err);
    uint64_t before = figure(w, "varve_cache_misses_total") + figure(w, "varve_cache_hits_total");
    varve_list_options options;
    varve_list_options_init(&options);
    for (int i = 0; i < 4; i++) {
        static const listing lists[] = {varve_metrics, varve_series_list, varve_label_names,
                                        values_of_host};
        varve_cursor *cursor;
        check_ok(lists[i](w->db, &options, &cursor, &err), &err);
        world_answer *answer = world_read(cursor);
        assert_int_equal(answer->count, i == 1 || i == 3 ? 500 : 1);
        free(answer);
    }
    uint64_t after = figure(w, "varve_cache_misses_total") + figure(w, "varve_cache_hits_total");
    assert_int_equal(after - before, 0);
    options.limit = 7;
    varve_cursor *cursor;
    check_ok(varve_series_list(w->db, &options, &cursor, &err), &err);
    world_answer *answer = world_read(cursor);
    assert_int_equal(answer->count, 7);
    free(answer);
}

static void every_failing_allocation_is_an_answer(void **state)
{
    world *w = *state;
    world_put(w, "m", "a", 1, "v", f64_of(1));
    world_put(w, "n", "b", 1, "u", f64_of(1));
    static const listing lists[] = {varve_metrics, varve_series_list, varve_label_names,
                                    values_of_host, varve_field_names};
    for (size_t i = 0; i < 5; i++) {
        for (uint64_t n = 1;; n++) {
            varve_cursor *cursor;
            failing_alloc_plan(&w->source, n, false);
            varve_status status = lists[i](w->db, NULL, &cursor, NULL);
            if (status == VARVE_OK) {
                const varve_block *block;
                status = varve_cursor_next(cursor, &block, NULL);
                varve_cursor_close(cursor);
            }
            bool has_failed = w->source.failures > 0;
            failing_alloc_plan(&w->source, 0, false);
            check_status(has_failed ? VARVE_E_NOMEM : VARVE_OK, status);
            if (!has_failed) {
                break;
            }
        }
    }
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        FRESH(listings_name_what_has_a_row_in_the_range),
        FRESH(listings_read_no_rows),
        FRESH(every_failing_allocation_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
