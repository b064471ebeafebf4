/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database that keeps everything a database can keep: rings, rollups, retention, a warm tier,
 * rows with ids, late rows, deletes; part of it in files, part in the log. Each use of it runs once
 * for every allocation and once for every call to the file system that it makes, with that one
 * failing, or it and all later ones. Whatever fails:
 *
 *   - the use succeeds, or says why not;
 *   - all that can be read is what it was before, or what it is after the use; after a failure of
 *     memory what it was before; now and after the next open;
 *   - what an answer says is right;
 *   - no memory and no file stays behind;
 *   - the same use succeeds afterwards.
 *
 * VARVE_ALLOC_STRIDE and VARVE_CALL_STRIDE of 1 try all (default: a sample).
 */
#include "support/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/clocked_fixture.h"
#include "support/dump.h"
#include "support/file_tree.h"
#include "support/setting.h"

enum { NOW_S = 100000, GRACE_S = 60, TEXT_BYTES = 1 << 18 };

typedef struct kept {
    clocked_fixture c;
    char told[4096]; /* what the use answered */
} kept;

/* A use. What it opens or makes, it ends itself. */
typedef struct use {
    const char *name;
    varve_status (*run)(kept *k, varve_error *err);
    bool is_closed;          /* it opens the database, which stays open */
    bool may_stop_halfway;   /* a pass over series, each of them whole */
    char before[TEXT_BYTES]; /* all rows */
    char after[TEXT_BYTES];  /* all rows after it */
    char told[4096];
} use;

/* The directories that a use finds: as they were closed, or with a log. */
static file_tree kept_closed;
static file_tree kept_with_log;
static file_tree kept_warm;

static varve_db *kept_db(kept *k)
{
    return k->c.f.db;
}

static void kept_prepare(kept *k)
{
    clocked_fixture_create(&k->c, NOW_S * INT64_C(1000000000));
    varve_options *options = &k->c.f.options;
    options->precision = VARVE_PRECISION_S;
    options->retention_grace_ms = GRACE_S * 1000;
    options->merge_fan_in = 100;
    options->cache_bytes = 1 << 16;
    options->write_timeout_ms = 1;
    options->warm_path = VARVE_STR("/warm");
    k->told[0] = '\0';
}

/* ---- what is there ---- */

static varve_status kept_set_ring(kept *k, const char *metric, int64_t step, uint64_t slots,
                                  varve_error *err)
{
    varve_ring ring;
    varve_ring_init(&ring);
    ring.step = step;
    ring.slots = slots;
    return varve_policy_ring(kept_db(k), dump_text(metric), NULL, 0, &ring, NULL, err);
}

static varve_status kept_set_retention(kept *k, const char *metric, int64_t window,
                                       int64_t hot_window, varve_error *err)
{
    varve_retention retention;
    varve_retention_init(&retention);
    retention.is_enforced = window > 0;
    retention.window = window;
    retention.hot_window = hot_window;
    return varve_policy_retention(kept_db(k), dump_text(metric), &retention, err);
}

static varve_status kept_set_rollups(kept *k, int64_t second_interval, varve_error *err)
{
    varve_rollup given[2] = {{.id = VARVE_STR("avg"),
                              .metric = VARVE_STR("m"),
                              .interval = 100,
                              .aggregation = VARVE_AGG_AVG},
                             {.id = VARVE_STR("max"),
                              .metric = VARVE_STR("m"),
                              .interval = second_interval,
                              .aggregation = VARVE_AGG_MAX,
                              .flags = VARVE_ROLLUP_ALL_FIELDS}};
    return varve_policy_rollups(kept_db(k), given, 2, err);
}

/* Rows of a series at first, first + step, ... in one batch. */
static void kept_put(kept *k, const char *series, int64_t first, int64_t step, int count)
{
    varve_error err;
    varve_batch *batch;
    varve_series id = dump_series(kept_db(k), series);
    varve_field field = dump_field(kept_db(k), "value");
    check_ok(varve_batch_create(kept_db(k), &batch, &err), &err);
    for (int i = 0; i < count; i++) {
        varve_value value = dump_f64((double)(first % 97 + i) * 0.25);
        varve_row row = {.series = id,
                         .timestamp = first + i * step,
                         .fields = &field,
                         .values = &value,
                         .count = 1};
        check_ok(varve_batch_row(batch, &row, &err), &err);
    }
    check_ok(varve_batch_commit(batch, NULL, NULL, &err), &err);
    varve_batch_free(batch);
}

static varve_status kept_delete(kept *k, const char *selector, int64_t start, int64_t end,
                                varve_error *err)
{
    varve_selection selection = {.kind = VARVE_SELECT_TEXT, .text = dump_text(selector)};
    return varve_delete(kept_db(k), &selection, 1, (varve_range){start, end}, NULL, NULL, err);
}

static void kept_fill_files(kept *k)
{
    varve_error err;
    varve_metric_policy policy;
    varve_metric_policy_init(&policy);
    policy.duplicates = VARVE_DUPLICATES_ALL;
    policy.row_ids = VARVE_ROW_IDS_ON;
    check_ok(varve_policy_metric(kept_db(k), VARVE_STR("ids"), &policy, &err), &err);
    check_ok(kept_set_ring(k, "r", 10, 3, &err), &err);
    check_ok(kept_set_ring(k, "q", 5, 2000, &err), &err); /* of several pages */
    check_ok(kept_set_rollups(k, 200, &err), &err);
    kept_put(k, "m{h=a}", NOW_S - 9000, 10, 150);
    kept_put(k, "m{h=b}", NOW_S - 9000, 20, 60);
    kept_put(k, "old", NOW_S - 90000, 1, 3);
    kept_put(k, "ids", NOW_S - 500, 7, 20);
    kept_put(k, "r", NOW_S - 30, 10, 3);
    kept_put(k, "q", NOW_S - 5000, 20, 60);
    engine_fixture_flush(&k->c.f);
    check_ok(kept_set_retention(k, "", 0, 50, &err), &err);
    check_ok(varve_compact(kept_db(k), 0, NULL, &err), &err); /* to the warm tier */
    check_ok(kept_set_retention(k, "old", 50000, 0, &err), &err);
    kept_put(k, "m{h=a}", NOW_S - 6000, 10, 40);
    check_ok(kept_delete(k, "m{h=\"b\"}", NOW_S - 8000, NOW_S - 7500, &err), &err);
    engine_fixture_flush(&k->c.f);
}

/* In the log: rows on both sides of what rollups have kept, in order and late. */
static void kept_fill_log(kept *k)
{
    varve_error err;
    kept_put(k, "m{h=a}", NOW_S - 4000, 10, 50);
    kept_put(k, "m{h=a}", NOW_S - 8995, 10, 20); /* late */
    check_ok(varve_rollup_run(kept_db(k), NULL, &err), &err);
    kept_put(k, "m{h=a}", NOW_S - 3500, 10, 100); /* the block is full */
    kept_put(k, "m{h=a}", NOW_S - 8793, 10, 40);
    kept_put(k, "m{h=b}", NOW_S - 8995, 500, 3);
    kept_put(k, "m{h=c}", NOW_S - 300, 1, 5);
    check_ok(kept_delete(k, "m{h=\"a\"}", NOW_S - 8500, NOW_S - 8400, &err), &err);
    kept_put(k, "r", NOW_S, 10, 1);
    kept_put(k, "q", NOW_S - 100, 5, 3);
    kept_put(k, "ids", NOW_S - 3, 1, 2);
}

/* A use that opens the database finds all in files and log; for others rows lie in memory. */
static void kept_begin(kept *k, bool is_closed)
{
    kept_prepare(k);
    engine_fixture *f = &k->c.f;
    file_tree_store(is_closed ? &kept_with_log : &kept_closed, f->files, &f->alloc);
    file_tree_store(&kept_warm, f->files, &f->alloc);
    if (!is_closed) {
        engine_fixture_open(f);
        kept_fill_log(k);
    }
}

/* ---- uses ---- */

static varve_status open_with_a_log(kept *k, varve_error *err)
{
    return varve_open("db", &k->c.f.options, &k->c.f.db, err);
}

static varve_status open_readonly_and_refresh(kept *k, varve_error *err)
{
    k->c.f.options.flags |= VARVE_OPEN_READONLY;
    varve_status status = varve_open("db", &k->c.f.options, &k->c.f.db, err);
    k->c.f.options.flags &= ~(uint32_t)VARVE_OPEN_READONLY;
    if (status == VARVE_OK) {
        status = varve_refresh(k->c.f.db, err);
    }
    return status;
}

static varve_status open_salvage(kept *k, varve_error *err)
{
    k->c.f.options.flags |= VARVE_OPEN_SALVAGE;
    varve_status status = varve_open("db", &k->c.f.options, &k->c.f.db, err);
    k->c.f.options.flags &= ~(uint32_t)VARVE_OPEN_SALVAGE;
    return status;
}

static varve_status run_rollups(kept *k, varve_error *err)
{
    return varve_rollup_run(kept_db(k), NULL, err);
}

static void tell_rollup(void *context, const varve_rollup_state *state)
{
    kept *k = context;
    size_t used = strlen(k->told);
    snprintf(k->told + used, sizeof k->told - used, "%.*s %llu %llu %u %lld %lld;",
             (int)state->rollup->id.size, state->rollup->id.data,
             (unsigned long long)state->matched_series,
             (unsigned long long)state->materialized_series, state->has_through,
             (long long)state->materialized_through, (long long)state->lag);
}

static varve_status tell_rollups(kept *k, varve_error *err)
{
    return varve_rollup_status(kept_db(k), NULL, tell_rollup, k, err);
}

static varve_status replace_rollups(kept *k, varve_error *err)
{
    return kept_set_rollups(k, 400, err);
}

static varve_status ask_rollups(kept *k, varve_error *err)
{
    varve_query_options query;
    varve_output output;
    varve_cursor *cursor = NULL;
    const varve_block *block = NULL;
    varve_query_options_init(&query);
    memset(&output, 0, sizeof output);
    output.name = VARVE_STR("value");
    output.aggregation = VARVE_AGG_AVG;
    query.outputs = &output;
    query.output_count = 1;
    query.bucket.kind = VARVE_BUCKET_FIXED;
    query.bucket.width = 1000;
    query.bucket.origin = 0;
    VV_TRY(varve_query(kept_db(k), &query, &cursor, err));
    varve_status status = VARVE_OK;
    double sum = 0;
    size_t rows = 0;
    do {
        status = varve_cursor_next(cursor, &block, err);
        for (size_t i = 0; status == VARVE_OK && block != NULL && i < block->rows; i++) {
            sum += dump_value_of(&block->columns[0], i).as.f64;
            rows++;
        }
    } while (status == VARVE_OK && block != NULL);
    varve_cursor_close(cursor);
    snprintf(k->told, sizeof k->told, "%zu rows, %.17g", rows, sum);
    return status;
}

static varve_status grow_a_ring(kept *k, varve_error *err)
{
    return kept_set_ring(k, "r", 10, 6, err);
}

static varve_status make_a_ring(kept *k, varve_error *err)
{
    return kept_set_ring(k, "fresh", 60, 100, err);
}

static varve_status drop_a_ring(kept *k, varve_error *err)
{
    varve_status status = varve_policy_ring_drop(kept_db(k), VARVE_STR("q"), NULL, 0, err);
    return status == VARVE_E_NOT_FOUND ? VARVE_OK : status; /* it was dropped */
}

static varve_status list_policies(kept *k, varve_error *err)
{
    varve_series rings[4];
    varve_retention_info scopes[4];
    varve_ring_field fields[64];
    varve_ring ring;
    size_t ring_count = 0;
    size_t scope_count = 0;
    varve_ring_init(&ring);
    for (size_t i = 0; i < 4; i++) {
        varve_retention_info_init(&scopes[i]);
    }
    VV_TRY(varve_ring_list(kept_db(k), rings, 4, &ring_count, err));
    VV_TRY(varve_retention_list(kept_db(k), scopes, 4, &scope_count, err));
    VV_TRY(varve_ring_info(kept_db(k), rings[0], &ring, fields, 64, err));
    VV_TRY(varve_retention_get(kept_db(k), VARVE_STR("unknown"), &scopes[2], err));
    snprintf(k->told, sizeof k->told, "%zu rings, %lld x %llu; %zu scopes, %.*s %lld", ring_count,
             (long long)ring.step, (unsigned long long)ring.slots, scope_count,
             (int)scopes[1].metric.size, scopes[1].metric.data,
             (long long)scopes[1].retention.window);
    return VARVE_OK;
}

static varve_status set_retention(kept *k, varve_error *err)
{
    VV_TRY(kept_set_retention(k, "m", 8000, 0, err));
    VV_TRY(kept_set_retention(k, "brand new", 70000, 50, err));
    return varve_policy_retention(kept_db(k), VARVE_STR("brand new"), NULL, err);
}

/* The reference settles and is recorded; what lies before it goes from the files. */
static varve_status record_cuts(kept *k, varve_error *err)
{
    for (int i = 0; i < 2; i++) {
        manual_clock_advance(&k->c.clock, (GRACE_S + 1) * INT64_C(1000000000));
        VV_TRY(varve_compact(kept_db(k), 0, NULL, err));
    }
    return varve_compact(kept_db(k), VARVE_COMPACT_ALL, NULL, err);
}

static varve_status flush_and_move(kept *k, varve_error *err)
{
    VV_TRY(varve_flush(kept_db(k), NULL, err));
    return varve_compact(kept_db(k), 0, NULL, err);
}

static varve_status merge_all(kept *k, varve_error *err)
{
    return varve_compact(kept_db(k), VARVE_COMPACT_ALL, NULL, err);
}

static varve_status verify(kept *k, varve_error *err)
{
    varve_verified verified;
    varve_verified_init(&verified);
    VV_TRY(varve_verify(kept_db(k), NULL, &verified, err));
    snprintf(k->told, sizeof k->told, "%llu rows", (unsigned long long)verified.rows);
    return VARVE_OK;
}

static varve_status snapshot_and_restore(kept *k, varve_error *err)
{
    engine_fixture *f = &k->c.f;
    static const char *const directories[] = {"copy", "copy.tmp", "again", "again.tmp"};
    for (size_t i = 0; i < 4; i++) {
        bool exists = false;
        check_ok(vv_vfs_exists(f->files, directories[i], &exists, err), err);
        if (exists) {
            check_ok(vv_vfs_remove_tree(f->files, &f->alloc, directories[i], err), err);
        }
    }
    VV_TRY(varve_snapshot(kept_db(k), "copy", NULL, NULL, err));
    varve_options options = f->options;
    options.warm_path.size = 0;
    VV_TRY(varve_restore("copy", "again", &options, NULL, NULL, err));
    options.flags |= VARVE_OPEN_READONLY;
    varve_db *db;
    VV_TRY(varve_open("again", &options, &db, err));
    varve_verified verified;
    varve_verified_init(&verified);
    varve_status status = varve_verify(db, NULL, &verified, err);
    snprintf(k->told, sizeof k->told, "%llu rows", (unsigned long long)verified.rows);
    varve_abandon(db);
    return status;
}

static varve_status write_columns(kept *k, varve_error *err)
{
    enum { ROWS = 70 };
    static int64_t times[ROWS];
    static int64_t spread[ROWS * 2];
    static uint32_t codes[ROWS];
    static const int32_t offsets[] = {0, 1, 3, 6};
    static const uint64_t present[] = {UINT64_MAX - 2, 60};
    varve_column words = {.type = VARVE_TYPE_STRING, .values = "abbccc", .offsets = offsets};
    for (size_t i = 0; i < ROWS; i++) {
        times[i] = NOW_S - 200 + (int64_t)i;
        spread[2 * i] = (int64_t)i;
        codes[i] = (uint32_t)(i % 3);
    }
    varve_columns rows;
    varve_batch *batch = NULL;
    varve_series series;
    varve_field fields[2];
    varve_columns_init(&rows);
    VV_TRY(varve_series_resolve(kept_db(k), VARVE_STR("columns"), NULL, 0, 0, &series, err));
    VV_TRY(varve_field_resolve(kept_db(k), VARVE_STR("word"), &fields[0], err));
    VV_TRY(varve_field_resolve(kept_db(k), VARVE_STR("spread"), &fields[1], err));
    varve_column columns[2] = {
        {.type = VARVE_TYPE_STRING,
         .codes = codes,
         .dictionary = &words,
         .dictionary_count = 3,
         .present = present},
        {.type = VARVE_TYPE_I64, .values = spread, .stride = 2 * sizeof spread[0]}};
    rows.rows = ROWS;
    rows.series = &series;
    rows.series_count = 1;
    rows.timestamps = times;
    rows.timestamp_count = ROWS;
    rows.fields = fields;
    rows.columns = columns;
    rows.column_count = 2;
    VV_TRY(varve_batch_create(kept_db(k), &batch, err));
    varve_status status = varve_batch_columns(batch, &rows, err);
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, NULL, err);
    }
    varve_batch_free(batch);
    return status;
}

/* What the field held goes with the same batch, so that it may hold another type. */
static varve_status change_a_type(kept *k, varve_error *err)
{
    varve_batch *batch = NULL;
    varve_series series;
    varve_field field;
    varve_selection all = {.kind = VARVE_SELECT_TEXT, .text = VARVE_STR("m{h=\"b\"}")};
    VV_TRY(varve_field_resolve(kept_db(k), VARVE_STR("value"), &field, err));
    varve_label label = {VARVE_STR("h"), VARVE_STR("b")};
    VV_TRY(varve_series_resolve(kept_db(k), VARVE_STR("m"), &label, 1, 0, &series, err));
    VV_TRY(varve_batch_create(kept_db(k), &batch, err));
    varve_status status =
        varve_batch_delete(batch, &all, 1, (varve_range){INT64_MIN, INT64_MAX}, err);
    for (int i = 0; i < 3 && status == VARVE_OK; i++) {
        varve_value value = dump_string("now text");
        varve_row row = {.series = series,
                         .timestamp = NOW_S - 3 + i,
                         .fields = &field,
                         .values = &value,
                         .count = 1};
        status = varve_batch_row(batch, &row, err);
    }
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, NULL, err);
    }
    varve_batch_free(batch);
    return status;
}

static varve_status delete_rows(kept *k, varve_error *err)
{
    VV_TRY(kept_delete(k, "m{h=\"a\"}", NOW_S - 6000, NOW_S - 3900, err));
    return kept_delete(k, "r", NOW_S - 10, NOW_S, err);
}

/* Closed as it should be, and opened again. */
static varve_status close_and_open(kept *k, varve_error *err)
{
    VV_TRY(varve_close(kept_db(k), err));
    k->c.f.db = NULL;
    return varve_open("db", &k->c.f.options, &k->c.f.db, err);
}

static use uses[] = {
    {.name = "open with a log", .run = open_with_a_log, .is_closed = true},
    {.name = "open read-only", .run = open_readonly_and_refresh, .is_closed = true},
    {.name = "open, salvage", .run = open_salvage, .is_closed = true},
    {.name = "close and open", .run = close_and_open},
    {.name = "run rollups", .run = run_rollups},
    {.name = "tell rollups", .run = tell_rollups},
    {.name = "replace rollups", .run = replace_rollups},
    {.name = "ask rollups", .run = ask_rollups},
    {.name = "grow a ring", .run = grow_a_ring},
    {.name = "make a ring", .run = make_a_ring},
    {.name = "drop a ring", .run = drop_a_ring},
    {.name = "list policies", .run = list_policies},
    {.name = "set retention", .run = set_retention, .may_stop_halfway = true},
    {.name = "record cuts", .run = record_cuts},
    {.name = "flush and move", .run = flush_and_move},
    {.name = "merge all", .run = merge_all},
    {.name = "verify", .run = verify},
    {.name = "snapshot and restore", .run = snapshot_and_restore},
    {.name = "write columns", .run = write_columns},
    {.name = "change a type", .run = change_a_type},
    {.name = "delete rows", .run = delete_rows, .may_stop_halfway = true},
};

/* ---- the driver ---- */

static void kept_copy(char *to, const char *from)
{
    assert_true(strlen(from) < TEXT_BYTES);
    memcpy(to, from, strlen(from) + 1);
}

static int kept_setup(void **state)
{
    static kept k;
    static char all_rows[TEXT_BYTES];
    (void)state;
    kept_prepare(&k);
    engine_fixture_open(&k.c.f);
    kept_fill_files(&k);
    engine_fixture_close(&k.c.f);
    file_tree_load(&kept_closed, k.c.f.files, &k.c.f.alloc, "db");
    file_tree_load(&kept_warm, k.c.f.files, &k.c.f.alloc, "/warm");
    assert_true(kept_warm.count > 1);
    engine_fixture_open(&k.c.f);
    kept_fill_log(&k);
    kept_copy(all_rows, dump_all(kept_db(&k)));
    engine_fixture_abandon(&k.c.f);
    file_tree_load(&kept_with_log, k.c.f.files, &k.c.f.alloc, "db");
    engine_fixture_free(&k.c.f);
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        varve_error err;
        kept_begin(&k, uses[i].is_closed);
        if (!uses[i].is_closed) {
            assert_string_equal(all_rows, dump_all(kept_db(&k)));
        }
        kept_copy(uses[i].before, all_rows);
        check_ok(uses[i].run(&k, &err), &err);
        kept_copy(uses[i].after, dump_all(kept_db(&k)));
        snprintf(uses[i].told, sizeof uses[i].told, "%s", k.told);
        engine_fixture_free(&k.c.f);
    }
    return 0;
}

static int kept_forget(void **state)
{
    (void)state;
    file_tree_free(&kept_closed);
    file_tree_free(&kept_with_log);
    file_tree_free(&kept_warm);
    return 0;
}

/* What is there must be one of the two. */
static void kept_check_rows(kept *k, const use *what, bool is_before, bool is_after,
                            const char *moment, uint64_t number)
{
    const char *rows = dump_all(kept_db(k));
    bool is_good = (is_before && strcmp(rows, what->before) == 0) ||
                   (is_after && strcmp(rows, what->after) == 0) || what->may_stop_halfway;
    if (!is_good) {
        fail_msg("%s, failure %llu: other rows %s", what->name, (unsigned long long)number, moment);
    }
}

typedef struct failure {
    bool is_call;
    bool is_once;
    int os_errno; /* of calls */
    uint64_t number;
} failure;

static size_t kept_plan(kept *k, const failure *plan)
{
    if (!plan->is_call) {
        failing_alloc_plan(&k->c.f.source, plan->number, plan->is_once);
        return 0;
    }
    vv_fault_rule rule = {
        .ops = VV_VFS_OP_ALL,
        .first_call = plan->number,
        .call_count = plan->is_once ? 1 : VV_FAULT_FOREVER,
        .kind = VV_FAULT_ERRNO,
        .os_errno = plan->os_errno,
    };
    return vv_fault_add(k->c.f.fault, &rule);
}

/* Takes the plan back; whether it came to a failure. */
static bool kept_clear(kept *k, const failure *plan, size_t rule)
{
    bool was_reached = plan->is_call ? vv_fault_fired(k->c.f.fault, rule) > 0
                                     : atomic_load(&k->c.f.source.failures) > 0;
    failing_alloc_plan(&k->c.f.source, 0, false);
    vv_fault_clear(k->c.f.fault);
    return was_reached;
}

static void kept_check_answer(const use *what, const kept *k, const failure *plan,
                              varve_status status, const varve_error *err)
{
    bool is_fit = status == VARVE_OK ||
                  (plan->is_call ? status != VARVE_E_CORRUPT && status != VARVE_E_INTERNAL &&
                                       status != VARVE_E_NOMEM
                                 : status == VARVE_E_NOMEM);
    if (!is_fit || (status != VARVE_OK && (err->status != status || err->message[0] == '\0'))) {
        fail_msg("%s, failure %llu: status %d, error %d: %s", what->name,
                 (unsigned long long)plan->number, (int)status, (int)err->status, err->message);
    }
    if (status == VARVE_OK && strcmp(k->told, what->told) != 0) {
        fail_msg("%s, failure %llu: told \"%s\", not \"%s\"", what->name,
                 (unsigned long long)plan->number, k->told, what->told);
    }
}

/* One run; whether the planned failure was reached. */
static bool kept_run(const use *what, const failure *plan)
{
    static kept k;
    varve_error err = {.status = VARVE_OK};
    kept_begin(&k, what->is_closed);
    engine_fixture *f = &k.c.f;
    size_t rule = kept_plan(&k, plan);
    varve_status status = what->run(&k, &err);
    bool was_reached = kept_clear(&k, plan, rule);
    assert_true(was_reached || status == VARVE_OK);
    kept_check_answer(what, &k, plan, status, &err);
    bool is_before = status != VARVE_OK;
    bool is_after = status == VARVE_OK || plan->is_call;
    if (f->db != NULL) {
        kept_check_rows(&k, what, is_before, is_after, "at once", plan->number);
        engine_fixture_abandon(f);
    }
    engine_fixture_open(f);
    kept_check_rows(&k, what, is_before, is_after, "after the next open", plan->number);
    if (what->is_closed) {
        engine_fixture_abandon(f);
    }
    k.told[0] = '\0';
    check_ok(what->run(&k, &err), &err);
    kept_check_rows(&k, what, false, true, "after doing it again", plan->number);
    engine_fixture_free(f);
    return was_reached;
}

static void kept_run_all(failure plan, const char *stride)
{
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        uint64_t step = setting_number(stride, plan.is_call ? 9 : 41);
        uint64_t runs = 0;
        /* Half of a stride of two fails once and half from then on. */
        plan.number = plan.is_once ? 1 : 2;
        for (; kept_run(&uses[i], &plan); plan.number += step) {
            runs++;
        }
        print_message("%-22s %6llu runs, up to %llu\n", uses[i].name, (unsigned long long)runs,
                      (unsigned long long)plan.number);
    }
}

static void one_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    kept_run_all((failure){.is_once = true}, "VARVE_ALLOC_STRIDE");
}

static void failing_from_an_allocation_on_changes_nothing(void **state)
{
    (void)state;
    kept_run_all((failure){.is_once = false}, "VARVE_ALLOC_STRIDE");
}

static void one_failed_call_leaves_all_or_nothing(void **state)
{
    (void)state;
    kept_run_all((failure){.is_call = true, .is_once = true, .os_errno = EIO}, "VARVE_CALL_STRIDE");
}

static void a_disk_that_stays_full_leaves_all_or_nothing(void **state)
{
    (void)state;
    kept_run_all((failure){.is_call = true, .os_errno = ENOSPC}, "VARVE_CALL_STRIDE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failed_allocation_changes_nothing),
        cmocka_unit_test(failing_from_an_allocation_on_changes_nothing),
        cmocka_unit_test(one_failed_call_leaves_all_or_nothing),
        cmocka_unit_test(a_disk_that_stays_full_leaves_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, kept_setup, kept_forget);
}
