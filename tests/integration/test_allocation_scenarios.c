/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each use of a database once for every allocation it makes, with that one failing, or it and all
 * later ones: the answer is E_NOMEM (or success, where it can do without), nothing is changed that
 * was not asked for, all memory comes back, and the same use succeeds right afterwards.
 * VARVE_ALLOC_STRIDE=1 tries all allocations (default: a sample).
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/failing_alloc.h"
#include "support/file_tree.h"
#include "support/setting.h"
#include "support/tour.h"
#include "sys/env.h"
#include "sys/vfs_memory.h"

typedef struct scene {
    vv_alloc alloc; /* of the files: does not fail */
    vv_vfs *files;
    vv_env env;
    failing_alloc source;
    varve_allocator allocator;
    varve_options options;
    tour tour;
    bool was_reached; /* the planned failure, by an act that takes the plan back */
} scene;

/* What a scenario does. Whatever it opens or makes it ends itself. */
typedef varve_status (*scenario_act)(scene *s, varve_error *err);

typedef struct scenario {
    const char *name;
    scenario_act act;
    bool is_closed;    /* it opens the database itself */
    bool changes_rows; /* the contents are compared by the act itself */
} scenario;

/* The database that every scenario finds, and what is in it. */
static file_tree scenario_files;
static tour scenario_ledger;
static varve_verified scenario_contents;

/* ---- the world ---- */

static void scene_begin(scene *s)
{
    varve_error err;
    memset(s, 0, sizeof *s);
    vv_alloc_init(&s->alloc, NULL);
    check_ok(vv_vfs_memory_create(&s->alloc, &s->files, &err), &err);
    vv_env_init_system(&s->env, &s->alloc);
    s->env.vfs = s->files;
    failing_alloc_init(&s->source);
    s->allocator = failing_alloc_source(&s->source);
    varve_options_init(&s->options);
    s->options.environment = &s->env;
    s->options.allocator = &s->allocator;
    s->options.flags = VARVE_OPEN_NO_BACKGROUND;
    s->options.memory_limit_bytes = UINT64_C(64) << 20;
    s->options.cache_bytes = 1 << 20;
    s->options.log_file_bytes = 64 * 1024;
    s->options.merge_fan_in = 2;
}

static void scene_end(scene *s)
{
    vv_vfs_memory_free(s->files);
}

static int scenario_prepare(void **state)
{
    (void)state;
    static scene s;
    varve_error err;
    scene_begin(&s);
    s.options.merge_fan_in = 100;
    tour *t = &s.tour;
    tour_init(t, "/db", &s.options);
    assert_true(tour_open(t));
    check_ok(tour_write(t, 6, &err), &err);
    check_ok(tour_write_bulk(t, 1100, &err), &err);
    tour_flush(t, false);
    check_ok(tour_write(t, 5, &err), &err);
    check_ok(tour_delete(t, 0, &err), &err);
    tour_flush(t, false);
    check_ok(tour_write(t, 4, &err), &err);
    check_ok(tour_delete(t, 2, &err), &err);
    varve_verified_init(&scenario_contents);
    check_ok(varve_verify(t->db, NULL, &scenario_contents, &err), &err);
    varve_abandon(t->db);
    t->db = NULL;
    assert_int_equal(t->failed_calls, 0);
    scenario_ledger = *t;
    file_tree_load(&scenario_files, s.files, &s.alloc, "/db");
    scene_end(&s);
    return 0;
}

static int scenario_forget(void **state)
{
    (void)state;
    file_tree_free(&scenario_files);
    return 0;
}

/* ---- what is done ---- */

static varve_status scenario_read(varve_cursor *cursor, varve_error *err)
{
    const varve_block *block = NULL;
    varve_status status = VARVE_OK;
    do {
        status = varve_cursor_next(cursor, &block, err);
    } while (status == VARVE_OK && block != NULL);
    varve_cursor_close(cursor);
    return status;
}

static varve_status scenario_query(scene *s, const varve_query_options *query, varve_error *err)
{
    varve_cursor *cursor = NULL;
    varve_status status = varve_query(s->tour.db, query, &cursor, err);
    if (status != VARVE_OK) {
        assert_null(cursor);
        return status;
    }
    return scenario_read(cursor, err);
}

static varve_status open_with_a_log(scene *s, varve_error *err)
{
    varve_db *db = NULL;
    varve_status status = varve_open("/db", &s->options, &db, err);
    assert_true((status == VARVE_OK) == (db != NULL));
    varve_abandon(db);
    return status;
}

static varve_status open_salvage(scene *s, varve_error *err)
{
    s->options.flags |= VARVE_OPEN_SALVAGE;
    return open_with_a_log(s, err);
}

static varve_status open_readonly_and_refresh(scene *s, varve_error *err)
{
    varve_db *db = NULL;
    s->options.flags = VARVE_OPEN_READONLY;
    varve_status status = varve_open("/db", &s->options, &db, err);
    if (status == VARVE_OK) {
        status = varve_refresh(db, err);
    }
    varve_abandon(db);
    return status;
}

static varve_status create_a_database(scene *s, varve_error *err)
{
    varve_db *db = NULL;
    varve_status status = varve_open("/other", &s->options, &db, err);
    varve_abandon(db);
    return status;
}

static varve_status flush_and_merge(scene *s, varve_error *err)
{
    varve_status status = varve_flush(s->tour.db, NULL, err);
    return status == VARVE_OK ? varve_compact(s->tour.db, VARVE_COMPACT_ALL, NULL, err) : status;
}

static varve_status verify_and_scrub(scene *s, varve_error *err)
{
    varve_verified verified;
    varve_scrubbed scrubbed;
    varve_scrub_options options;
    varve_verified_init(&verified);
    varve_scrubbed_init(&scrubbed);
    varve_scrub_options_init(&options);
    options.bytes_per_second = UINT64_MAX;
    varve_status status = varve_verify(s->tour.db, NULL, &verified, err);
    if (status == VARVE_OK) {
        status = varve_scrub(s->tour.db, &options, NULL, &scrubbed, err);
    }
    return status;
}

static varve_status snapshot_and_restore(scene *s, varve_error *err)
{
    varve_status status = varve_snapshot(s->tour.db, "/copy", NULL, NULL, err);
    if (status == VARVE_E_EXISTS) { /* made before the restore failed */
        status = VARVE_OK;
    }
    return status == VARVE_OK ? varve_restore("/copy", "/restored", &s->options, NULL, NULL, err)
                              : status;
}

static varve_status ask_for_aggregates(scene *s, varve_error *err)
{
    varve_query_options query;
    varve_output outputs[3];
    varve_text label = VARVE_STR("n");
    varve_query_options_init(&query);
    memset(outputs, 0, sizeof outputs);
    for (size_t i = 0; i < 3; i++) {
        static const uint32_t wanted[] = {VARVE_AGG_AVG, VARVE_AGG_MEDIAN, VARVE_AGG_STDDEV};
        outputs[i].name = VARVE_STR("f");
        outputs[i].aggregation = wanted[i];
    }
    query.outputs = outputs;
    query.output_count = 3;
    query.grouping = VARVE_GROUP_BY;
    query.group_labels = &label;
    query.group_label_count = 1;
    query.bucket.kind = VARVE_BUCKET_FIXED;
    query.bucket.width = 300;
    return scenario_query(s, &query, err);
}

static varve_status ask_for_rows_in_order_of_time(scene *s, varve_error *err)
{
    varve_query_options query;
    varve_query_options_init(&query);
    query.order = VARVE_ORDER_TIME;
    query.layout = VARVE_LAYOUT_ROWS;
    return scenario_query(s, &query, err);
}

static varve_status ask_for_a_table(scene *s, varve_error *err)
{
    varve_query_options query;
    varve_selection selection;
    varve_predicate predicate;
    varve_query_options_init(&query);
    memset(&selection, 0, sizeof selection);
    memset(&predicate, 0, sizeof predicate);
    selection.kind = VARVE_SELECT_TEXT;
    selection.text = VARVE_STR("tour{n=~\"[0-2]\"}");
    predicate.field = VARVE_STR("i");
    predicate.op = VARVE_OP_GREATER;
    predicate.value = (varve_value){.type = VARVE_TYPE_I64, .as.i64 = -2};
    query.selections = &selection;
    query.selection_count = 1;
    query.predicates = &predicate;
    query.predicate_count = 1;
    query.layout = VARVE_LAYOUT_TABLE;
    return scenario_query(s, &query, err);
}

static varve_status split_and_keep(scene *s, varve_error *err)
{
    varve_query_options query;
    varve_cursor *cursor = NULL;
    varve_cursor *parts[3] = {NULL};
    size_t count = 0;
    varve_query_options_init(&query);
    varve_status status = varve_query(s->tour.db, &query, &cursor, err);
    if (status == VARVE_OK) {
        status = varve_cursor_split(cursor, parts, 3, &count, err);
    }
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        const varve_block *block = NULL;
        status = varve_cursor_next(parts[i], &block, err);
        if (status == VARVE_OK && block != NULL) {
            varve_block_free(varve_cursor_keep(parts[i]));
        }
    }
    for (size_t i = 0; i < count; i++) {
        varve_cursor_close(parts[i]);
    }
    varve_cursor_close(cursor);
    return status;
}

static varve_status list_everything(scene *s, varve_error *err)
{
    varve_list_options options;
    varve_list_options_init(&options);
    varve_status status = VARVE_OK;
    for (int kind = 0; kind < 5 && status == VARVE_OK; kind++) {
        varve_cursor *cursor = NULL;
        varve_db *db = s->tour.db;
        status = kind == 0   ? varve_metrics(db, &options, &cursor, err)
                 : kind == 1 ? varve_series_list(db, &options, &cursor, err)
                 : kind == 2 ? varve_label_names(db, &options, &cursor, err)
                 : kind == 3 ? varve_label_values(db, VARVE_STR("n"), &options, &cursor, err)
                             : varve_field_names(db, &options, &cursor, err);
        if (status == VARVE_OK) {
            status = scenario_read(cursor, err);
        }
    }
    return status;
}

/* So many that tables grow; fewer in a coverage build, where each name is an allocation. */
#ifdef VV_COVERAGE
enum { SCENARIO_NAMES = 600 };
#else
enum { SCENARIO_NAMES = 3000 };
#endif

static varve_status resolve_new_names(scene *s, varve_error *err)
{
    varve_series series;
    varve_field field;
    varve_status status = varve_field_resolve(s->tour.db, VARVE_STR("fresh"), &field, err);
    for (int i = 0; i < SCENARIO_NAMES && status == VARVE_OK; i++) {
        char text[16];
        varve_label label = {VARVE_STR("quite"), {text, 0}};
        label.value.size = (size_t)snprintf(text, sizeof text, "new%d", i);
        status = varve_series_resolve(s->tour.db, VARVE_STR("fresh"), &label, 1, 0, &series, err);
    }
    return status;
}

static varve_status set_a_policy(scene *s, varve_error *err)
{
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    return varve_policy_metric(s->tour.db, VARVE_STR("unused"), &policy, err);
}

/* Written rows are there as a whole, or not at all. */
static varve_status write_by_names(scene *s, varve_error *err)
{
    varve_named_row rows[8];
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = 1};
    varve_text field = VARVE_STR("v");
    varve_verified after;
    varve_error ignored;
    for (size_t i = 0; i < 8; i++) {
        rows[i] = (varve_named_row){.metric = VARVE_STR("named"),
                                    .timestamp = (int64_t)i,
                                    .fields = &field,
                                    .values = &value,
                                    .count = 1};
    }
    varve_status status = varve_write(s->tour.db, rows, 8, NULL, NULL, err);
    s->was_reached = atomic_load(&s->source.failures) > 0;
    failing_alloc_plan(&s->source, 0, false); /* looking must not fail */
    varve_verified_init(&after);
    check_ok(varve_verify(s->tour.db, NULL, &after, &ignored), &ignored);
    assert_int_equal(after.rows, scenario_contents.rows + (status == VARVE_OK ? 8 : 0));
    return status;
}

static const scenario scenarios[] = {
    {.name = "open with a log", .act = open_with_a_log, .is_closed = true},
    {.name = "open, salvage", .act = open_salvage, .is_closed = true},
    {.name = "open read-only, refresh", .act = open_readonly_and_refresh, .is_closed = true},
    {.name = "create", .act = create_a_database, .is_closed = true},
    {.name = "flush and merge", .act = flush_and_merge},
    {.name = "verify and scrub", .act = verify_and_scrub},
    {.name = "snapshot and restore", .act = snapshot_and_restore},
    {.name = "aggregates", .act = ask_for_aggregates},
    {.name = "rows by time", .act = ask_for_rows_in_order_of_time},
    {.name = "a table", .act = ask_for_a_table},
    {.name = "split and keep", .act = split_and_keep},
    {.name = "listings", .act = list_everything},
    {.name = "new names", .act = resolve_new_names},
    {.name = "a policy", .act = set_a_policy},
    {.name = "write by names", .act = write_by_names, .changes_rows = true},
};

/* ---- the driver ---- */

static void scenario_check_rows(scene *s, const char *name)
{
    varve_verified found;
    varve_error err;
    varve_verified_init(&found);
    check_ok(varve_verify(s->tour.db, NULL, &found, &err), &err);
    if (memcmp(found.digest, scenario_contents.digest, sizeof found.digest) != 0) {
        fail_msg("%s: other rows than before", name);
    }
    if (!tour_check(&s->tour, /* must_read */ true)) {
        fail_msg("%s: %s", name, s->tour.wrong);
    }
}

/* One run; returns whether the planned allocation was reached. */
static bool scenario_run(const scenario *what, uint64_t number, bool fails_once)
{
    static scene s;
    varve_error err = {.status = VARVE_OK};
    scene_begin(&s);
    file_tree_store(&scenario_files, s.files, &s.alloc);
    s.tour = scenario_ledger;
    s.tour.options = s.options;
    assert_true(what->is_closed || tour_open(&s.tour));
    failing_alloc_plan(&s.source, number, fails_once);
    varve_status status = what->act(&s, &err);
    bool was_reached = s.was_reached || atomic_load(&s.source.failures) > 0;
    failing_alloc_plan(&s.source, 0, false);
    if (status != VARVE_OK && (status != VARVE_E_NOMEM || err.status != status)) {
        fail_msg("%s, allocation %llu: status %d, error %d: %s", what->name,
                 (unsigned long long)number, (int)status, (int)err.status, err.message);
    }
    assert_true(was_reached || status == VARVE_OK);
    if (!what->changes_rows && status != VARVE_OK) {
        check_ok(what->act(&s, &err), &err); /* the same again, with memory */
    }
    s.options.flags = VARVE_OPEN_NO_BACKGROUND;
    s.tour.options = s.options;
    if (what->is_closed) {
        assert_true(tour_open(&s.tour));
    }
    if (!what->changes_rows) {
        scenario_check_rows(&s, what->name);
    }
    check_ok(varve_close(s.tour.db, &err), &err);
    s.tour.db = NULL;
    if (atomic_load(&s.source.live) != 0) {
        fail_msg("%s, allocation %llu: %llu pieces of memory are left", what->name,
                 (unsigned long long)number, (unsigned long long)atomic_load(&s.source.live));
    }
    scene_end(&s);
    return was_reached;
}

static void scenario_run_all(bool fails_once)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        uint64_t runs = 0;
        uint64_t number = fails_once ? 1 : 2; /* a stride of two takes every allocation */
        for (; scenario_run(&scenarios[i], number, fails_once);
             number += setting_number("VARVE_ALLOC_STRIDE", 13)) {
            runs++;
        }
        print_message("%-26s %6llu runs, up to allocation %llu\n", scenarios[i].name,
                      (unsigned long long)runs, (unsigned long long)number);
        assert_true(runs > 0);
    }
}

static void one_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    scenario_run_all(/* fails_once */ true);
}

static void failing_from_an_allocation_on_changes_nothing(void **state)
{
    (void)state;
    scenario_run_all(/* fails_once */ false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failed_allocation_changes_nothing),
        cmocka_unit_test(failing_from_an_allocation_on_changes_nothing),
    };
    return cmocka_run_group_tests(tests, scenario_prepare, scenario_forget);
}
